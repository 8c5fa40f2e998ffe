"""Sorted runs of photons, and their merging into the order of the photon file.

A slab of raw words becomes one run: its photons sorted by pixel, packed as ``time << 32 | phase``. Runs stay in
memory up to a budget and go to an unnamed scratch file (`scratch`) beyond it, so that memory stays bounded at any
length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.earlyticks import repair_early_ticks
from pipeline_core.scratch import ScratchFile, page_aligned

__all__ = ["Batch", "Room", "RunStore"]

_SPILLED_PART_PHOTONS = 1 << 16
_SPILLED_BATCH_PHOTONS = (1 << 22, 1 << 24)
"""Of runs in the scratch file, large parts are read at once, since a disk needs 100 us to find any of them: batches are
this long at least, and at most."""


@kernel
def _append_run(
    photons: npt.NDArray[np.uint64],
    baseline: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    cursor: npt.NDArray[np.int64],
    newest: npt.NDArray[np.uint64],
    late: npt.NDArray[np.bool_],
    out: npt.NDArray[np.uint64],
    out_baseline: npt.NDArray[np.int32],
) -> None:
    """Append each pixel's photons of one run behind those of the earlier runs, and mark pixels that are out of order.

    `newest` is the time of each pixel's last photon.
    """
    base = offsets[0]
    high = np.uint64(32)
    for p in range(cursor.size):
        first = offsets[p] - base
        count = offsets[p + 1] - offsets[p]
        if count == 0:
            continue
        at = cursor[p]
        mine = photons[first : first + count]
        target = out[at : at + count]
        for i in range(count):
            target[i] = mine[i]
        descents = int((mine[0] >> high) < newest[p])
        for i in range(1, count):
            descents += int((mine[i] >> high) < (mine[i - 1] >> high))
        late[p] |= descents > 0
        newest[p] = mine[count - 1] >> high
        if baseline.size:
            out_baseline[at : at + count] = baseline[first : first + count]
        cursor[p] = at + count


@kernel
def _mark_late(
    photons: npt.NDArray[np.uint64], starts: npt.NDArray[np.int64], late: npt.NDArray[np.bool_]
) -> None:
    """Mark the pixels whose photons are not in order of time, and no others."""
    high = np.uint64(32)
    for p in range(late.size):
        mine = photons[starts[p] : starts[p + 1]]
        descents = 0
        for i in range(1, mine.size):
            descents += (mine[i] >> high) < (mine[i - 1] >> high)
        late[p] = descents > 0


@kernel
def _sort_marked(
    photons: npt.NDArray[np.uint64],
    baseline: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    late: npt.NDArray[np.bool_],
) -> None:
    """Put the photons of marked pixels in order of time; equal times keep arrival order."""
    high = np.uint64(32)
    for p in range(late.size):
        if late[p]:
            mine = photons[starts[p] : starts[p + 1]]
            order = np.argsort(mine >> high, kind="mergesort")
            mine[:] = mine[order]
            if baseline.size:
                levels = baseline[starts[p] : starts[p + 1]]
                levels[:] = levels[order]


@dataclass(frozen=True, eq=False)
class Room:
    """Memory for one run: whole pages, so that the scratch file can take them as they are.

    `photons` and `baseline` have room for at least as many as were asked for (`baseline` is empty without baselines).
    """

    photons: npt.NDArray[np.uint64]
    baseline: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Run:
    """Photons of one slab; `room` is None once they lie in the scratch file at these bytes."""

    offsets: npt.NDArray[np.int64]
    room: Room | None
    photons_at: int = 0
    baseline_at: int = 0


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
    with_baseline : bool
        Whether runs have baselines beside their photons.
    """

    def __init__(
        self,
        n_pixels: int,
        folder: Path,
        memory_bytes: int,
        repair_until_us: int | None = None,
        *,
        with_baseline: bool = False,
    ) -> None:
        self._repair_until_us = repair_until_us
        self._n_pixels = n_pixels
        self._with_baseline = with_baseline
        self._free = memory_bytes
        self._runs: list[_Run] = []
        self._scratch = ScratchFile(folder)
        self._spare: deque[Room] = deque()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release memory and scratch space."""
        self._runs.clear()
        self._spare.clear()
        self._scratch.close()

    def room(self, n_photons: int) -> Room:
        """Return memory for a run, used before if possible: fresh memory is slow. May be called in any thread."""
        try:
            spare = self._spare.popleft()
        except IndexError:
            pass
        else:
            if spare.photons.size >= n_photons:
                return spare
        photons = page_aligned(n_photons, np.uint64)
        baseline = page_aligned(n_photons * self._with_baseline, np.int32)
        return Room(photons, baseline)

    def add(self, offsets: npt.NDArray[np.int64], room: Room) -> None:
        """Take over a run: pixel p owns ``room.photons[offsets[p] : offsets[p + 1]]``.

        Raises
        ------
        OutputError
            If the scratch file cannot be written.
        """
        size = int(offsets[-1])
        n_bytes = size * (room.photons.itemsize + self._with_baseline * room.baseline.itemsize)
        if n_bytes <= self._free:
            self._free -= n_bytes
            self._runs.append(_Run(offsets, room))
            return
        self._free = 0  # from now on memory is used over and over
        photons_at = self._scratch.append(room.photons, size)
        baseline_at = self._scratch.append(room.baseline, size * self._with_baseline)
        self._runs.append(_Run(offsets, None, photons_at, baseline_at))
        self._spare.append(room)

    def counts(self) -> npt.NDArray[np.int64]:
        """Return the photons of each pixel over all runs, in photon-file order."""
        total = np.zeros(self._n_pixels, np.int64)
        for run in self._runs:
            total += np.diff(run.offsets)
        return total

    def batches(self, batch_photons: int) -> Iterator[Batch]:
        """Yield all photons in the order of the photon file, about `batch_photons` at a time (more of spilled ones).

        A batch holds whole pixels, and at least one. Its arrays are only valid until the next one is asked for,
        which is prepared in a thread meanwhile.
        """
        self._spare.clear()
        ends = np.cumsum(self.counts())
        if self._scratch.size:
            wanted = _SPILLED_PART_PHOTONS * len(self._runs)
            batch_photons = max(batch_photons, int(np.clip(wanted, *_SPILLED_BATCH_PHOTONS)))
        capacity = max(batch_photons, int(np.diff(ends, prepend=0).max(initial=0)))
        with_baseline = capacity if self._with_baseline else 0
        buffers = [
            (np.empty(capacity, np.uint64), np.empty(with_baseline, np.int32)) for _ in range(2)
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
        newest = np.zeros(cursor.size, np.uint64)
        late = np.zeros(cursor.size, np.bool_)
        for run in self._runs:
            offsets = run.offsets[first : stop + 1]
            part, levels = self._part(run, int(offsets[0]), int(offsets[-1]))
            _append_run(part, levels, offsets, cursor, newest, late, photons, baseline)
        size = int(starts[-1])
        moved = 0
        if (
            self._repair_until_us is not None
        ):  # needs the order of arrival, and may change what is late
            moved = repair_early_ticks(photons[:size], starts, self._repair_until_us)
            _mark_late(photons[:size], starts, late)
        _sort_marked(photons[:size], baseline[:size], starts, late)
        repaired = int(np.count_nonzero(late))
        return Batch(first, starts, photons[:size], baseline[:size], repaired, moved)

    def _part(
        self, run: _Run, first: int, stop: int
    ) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
        """Return the photons ``first:stop`` of a run, from memory or scratch file; valid until the next call."""
        if run.room is not None:
            return run.room.photons[first:stop], run.room.baseline[first:stop]
        photons = self._scratch.read(run.photons_at, first, stop, np.uint64)
        last = stop if self._with_baseline else first
        return photons, self._scratch.read(run.baseline_at, first, last, np.int32)
