"""Sorted runs of photons, and their merging into the order of the photon file.

A slab of raw words becomes one run: its photons sorted by pixel, packed as ``time << 32 | phase``. Runs stay in
memory up to a budget and go to an unnamed scratch file beyond it, so that memory stays bounded at any length.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.earlyticks import repair_early_ticks
from pipeline_core.errors import OutputError

__all__ = ["Batch", "RunStore", "sort_late_photons"]

_NO_BASELINE = np.empty(0, np.int32)


@kernel
def _append_run(
    photons: npt.NDArray[np.uint64],
    baseline: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    cursor: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint64],
    out_baseline: npt.NDArray[np.int32],
) -> None:
    """Append each pixel's photons of one run behind those of the earlier runs."""
    base = offsets[0]
    for p in range(cursor.size):
        first = offsets[p] - base
        count = offsets[p + 1] - offsets[p]
        at = cursor[p]
        out[at : at + count] = photons[first : first + count]
        if baseline.size:
            out_baseline[at : at + count] = baseline[first : first + count]
        cursor[p] = at + count


@kernel
def sort_late_photons(
    photons: npt.NDArray[np.uint64],
    baseline: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
) -> int:
    """Put each pixel's photons in order of time; equal times keep arrival order.

    Only pixels that hold a photon earlier than its predecessor (late packets) cost more than one look.

    Parameters
    ----------
    photons : ndarray of uint64
        ``time << 32 | phase``; sorted in place.
    baseline : ndarray of int32
        Moved along; may be empty.
    starts : ndarray of int64, shape (n_pixels + 1,)
        Pixel p owns ``photons[starts[p] : starts[p + 1]]``.

    Returns
    -------
    int
        Number of pixels that were out of order.
    """
    repaired = 0
    high = np.uint64(32)
    for p in range(starts.size - 1):
        mine = photons[starts[p] : starts[p + 1]]
        descents = 0
        for i in range(1, mine.size):
            descents += (mine[i] >> high) < (mine[i - 1] >> high)
        if descents == 0:
            continue
        repaired += 1
        order = np.argsort(mine >> high, kind="mergesort")
        mine[:] = mine[order]
        if baseline.size:
            levels = baseline[starts[p] : starts[p + 1]]
            levels[:] = levels[order]
    return repaired


@dataclass(frozen=True, eq=False)
class _Run:
    """Photons of one slab; `photons` is None once they lie in the scratch file at byte `place`."""

    offsets: npt.NDArray[np.int64]
    photons: npt.NDArray[np.uint64] | None
    baseline: npt.NDArray[np.int32]
    place: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """Merged photons of the pixels ``first_pixel`` onwards, in the order of the photon file.

    `repaired_pixels` had photons out of order; the times of `moved_photons` were repaired before (`earlyticks`).
    ``photons[starts[k] : starts[k + 1]]`` belong to pixel ``first_pixel + k`` (in photon-file order).
    """

    first_pixel: int
    starts: npt.NDArray[np.int64]
    photons: npt.NDArray[np.uint64]
    baseline: npt.NDArray[np.int32]
    repaired_pixels: int
    moved_photons: int = 0


class RunStore:
    """Keeps sorted runs, in memory up to `memory_bytes`, then in a scratch file in `folder`.

    The scratch file has no name (it vanishes with the process). Use as a context manager.

    Parameters
    ----------
    n_pixels : int
    folder : path
    memory_bytes : int
    repair_until_us : int, optional
        Repair early time stamps when runs are merged; the end of the observation.
    """

    def __init__(
        self, n_pixels: int, folder: Path, memory_bytes: int, repair_until_us: int | None = None
    ) -> None:
        self._repair_until_us = repair_until_us
        self._n_pixels = n_pixels
        self._folder = folder
        self._free = memory_bytes
        self._runs: list[_Run] = []
        self._scratch = -1
        self._scratch_end = 0

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release memory and scratch space."""
        self._runs.clear()
        if self._scratch >= 0:
            os.close(self._scratch)
            self._scratch = -1

    def add(
        self,
        offsets: npt.NDArray[np.int64],
        photons: npt.NDArray[np.uint64],
        baseline: npt.NDArray[np.int32] = _NO_BASELINE,
    ) -> None:
        """Take over a run: pixel p owns ``photons[offsets[p] : offsets[p + 1]]``.

        Raises
        ------
        OutputError
            If the scratch file cannot be written.
        """
        size = photons.nbytes + baseline.nbytes
        if size <= self._free:
            self._free -= size
            self._runs.append(_Run(offsets, photons, baseline))
            return
        place = self._spill(photons, baseline)
        self._runs.append(_Run(offsets, None, baseline[:0], place))

    def counts(self) -> npt.NDArray[np.int64]:
        """Return the photons of each pixel over all runs, in photon-file order."""
        total = np.zeros(self._n_pixels, np.int64)
        for run in self._runs:
            total += np.diff(run.offsets)
        return total

    def batches(self, batch_photons: int, *, with_baseline: bool = False) -> Iterator[Batch]:
        """Yield all photons in the order of the photon file, about `batch_photons` at a time.

        A batch holds whole pixels, and at least one. Its arrays are only valid until the next one is asked for,
        which is prepared in a thread meanwhile.
        """
        ends = np.cumsum(self.counts())
        capacity = max(batch_photons, int(np.diff(ends, prepend=0).max(initial=0)))
        buffers = [
            (np.empty(capacity, np.uint64), np.empty(capacity if with_baseline else 0, np.int32))
            for _ in range(2)
        ]
        ranges = self._pixel_ranges(ends, capacity)
        with ThreadPoolExecutor(1, thread_name_prefix="merger") as pool:
            future = pool.submit(self._merge, ends, *ranges[0], *buffers[0])
            for k in range(1, len(ranges) + 1):
                batch = future.result()
                if k < len(ranges):
                    future = pool.submit(self._merge, ends, *ranges[k], *buffers[k % 2])
                yield batch

    def _pixel_ranges(self, ends: npt.NDArray[np.int64], capacity: int) -> list[tuple[int, int]]:
        """Cut the pixels into ranges ``first:stop`` of at most `capacity` photons."""
        ranges = []
        first = done = 0
        while first < self._n_pixels:
            stop = int(np.searchsorted(ends, done + capacity, side="right"))
            ranges.append((first, stop))
            first, done = stop, int(ends[stop - 1])
        return ranges

    def _merge(
        self,
        ends: npt.NDArray[np.int64],
        first: int,
        stop: int,
        photons: npt.NDArray[np.uint64],
        baseline: npt.NDArray[np.int32],
    ) -> Batch:
        """Bring the photons of the pixels ``first:stop`` together from all runs, in order of time."""
        done = int(ends[first - 1]) if first else 0
        starts = np.concatenate(([0], ends[first:stop] - done))
        cursor = starts[:-1].copy()
        for run in self._runs:
            offsets = run.offsets[first : stop + 1]
            part, levels = self._part(run, offsets, baseline.size > 0)
            _append_run(part, levels, offsets, cursor, photons, baseline)
        size = int(starts[-1])
        moved = 0
        if self._repair_until_us is not None:  # needs the order of arrival
            moved = repair_early_ticks(photons[:size], starts, self._repair_until_us)
        repaired = sort_late_photons(photons[:size], baseline[:size], starts)
        return Batch(first, starts, photons[:size], baseline[:size], repaired, moved)

    def _part(
        self, run: _Run, offsets: npt.NDArray[np.int64], with_baseline: bool
    ) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
        """Return the photons of a run between two offsets, from memory or from the scratch file."""
        first, stop = int(offsets[0]), int(offsets[-1])
        if run.photons is not None:
            return run.photons[first:stop], run.baseline[first:stop]
        total = int(run.offsets[-1])
        photons = np.empty(stop - first, np.uint64)
        self._read(photons, run.place + 8 * first)
        baseline = np.empty(stop - first if with_baseline else 0, np.int32)
        self._read(baseline, run.place + 8 * total + 4 * first)
        return photons, baseline

    def _spill(self, photons: npt.NDArray[np.uint64], baseline: npt.NDArray[np.int32]) -> int:
        place = self._scratch_end
        try:
            if self._scratch < 0:
                descriptor, name = tempfile.mkstemp(suffix=".part", dir=self._folder)
                Path(name).unlink()
                self._scratch = descriptor
            for array in (photons, baseline):
                view = memoryview(np.ascontiguousarray(array)).cast("B")
                while view:
                    count = os.pwrite(self._scratch, view, self._scratch_end)
                    self._scratch_end += count
                    view = view[count:]
        except OSError as error:
            raise OutputError(
                f"Scratch space in {self._folder} cannot be written: {error.strerror}. Free some space there or "
                "choose another output folder."
            ) from error
        return place

    def _read(self, array: npt.NDArray[np.generic], place: int) -> None:
        view = memoryview(array).cast("B") if array.size else memoryview(b"")
        while view:
            count = os.preadv(self._scratch, [view], place)
            if count <= 0:
                raise OutputError(f"Scratch space in {self._folder} was lost. Check the disk.")
            place += count
            view = view[count:]
