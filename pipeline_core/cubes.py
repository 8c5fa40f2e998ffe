"""Counts of every pixel in bins of time and of wavelength, in one pass through a photon file.

`count_cube` is called by `ObsFile` for images and cubes, and by the flat field for its spectra; `weighed_cubes` adds up
weights instead. The result does not depend on the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import helper, inline, kernel
from pipeline_core.binning import first_at_or_after
from pipeline_core.chunkcodec import CHUNK_ROWS
from pipeline_core.errors import ConfigError
from pipeline_core.photon_file import PhotonFile
from pipeline_core.photon_kernels import ChunkOfRows, gather
from pipeline_core.photon_reader import SCAN_THREADS
from pipeline_core.progress import Progress, silent

__all__ = [
    "CELLS",
    "NO_INTERVALS",
    "Counts",
    "band_of",
    "check_size",
    "count_cube",
    "fill_cells",
    "in_order",
    "open_stretches",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NO_INTERVALS: IntArray = np.empty((0, 2), np.int64)
CELLS = 1025
_LARGEST = 1_500_000_000
"""Bytes of a result."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Photons in bins; pixels are numbered ``x * nrows + y``.

    Attributes
    ----------
    counts : ndarray of uint32, shape (n_pixel, n_time, n_band)
    recorded : ndarray of uint32, shape (n_pixel, n_time)
        Photons of any phase outside excluded intervals: each made its pixel blind for the dead time.
    """

    counts: npt.NDArray[np.uint32]
    recorded: npt.NDArray[np.uint32]


@kernel
def fill_cells(thresholds: FloatArray, cells: npt.NDArray[np.int32]) -> None:
    """Remember in which band each of many equal steps of phase begins; one cell more, for what is rounded up."""
    last = thresholds.size - 1
    step = (thresholds[last] - thresholds[0]) / (cells.size - 1)
    k = 0
    for c in range(cells.size):
        at = thresholds[0] + c * step
        while k < last - 1 and thresholds[k + 1] <= at:
            k += 1
        cells[c] = k


@inline
def band_of(phase, thresholds, per_deg, cells):  # type: ignore[no-untyped-def]
    """Return the band of a phase that lies in one of several; `cells` as `fill_cells` makes them."""
    k = cells[int((phase - thresholds[0]) * per_deg)]
    # mostly there is at most one edge in a cell: no branch that cannot be foreseen
    k += int(phase >= thresholds[k + 1])
    while phase >= thresholds[k + 1]:
        k += 1
    while phase < thresholds[k]:
        k -= 1
    return k


@helper
def open_stretches(
    times: npt.NDArray[np.uint32], edges_us: IntArray, excluded_us: IntArray
) -> Iterator[tuple[int, int, int]]:
    """Yield the rows ``begin:stop`` of ascending times that count, and in which bin of time they are, in order."""
    begin = first_at_or_after(times, edges_us[0])
    m = 0
    for t in range(edges_us.size - 1):
        if begin == times.size:
            break
        end = begin + first_at_or_after(times[begin:], edges_us[t + 1])
        while begin < end:
            # up to the next excluded interval, and on behind it
            while m < excluded_us.shape[0] and excluded_us[m, 1] <= np.int64(times[begin]):
                m += 1
            stop = end
            if m < excluded_us.shape[0]:
                stop = begin + first_at_or_after(times[begin:end], excluded_us[m, 0])
            yield t, begin, stop
            begin = stop
            if stop < end:
                begin = stop + first_at_or_after(times[stop:end], excluded_us[m, 1])
        begin = end


@kernel
def _count_rows(
    phases: npt.NDArray[np.float32],
    thresholds: FloatArray,
    per_deg: float,
    cells: npt.NDArray[np.int32],
    counts: npt.NDArray[np.uint32],
) -> None:
    """Count photons in bands, whatever their times."""
    last = thresholds.size - 1
    low, high = thresholds[0], thresholds[last]
    if last == 1:
        inside = 0
        for value in phases:
            phase = np.float64(value)
            inside += int((phase >= low) & (phase < high))
        counts[0] += np.uint32(inside)
        return
    for value in phases:
        phase = np.float64(value)
        if phase >= low and phase < high:
            counts[band_of(phase, thresholds, per_deg, cells)] += np.uint32(1)


@kernel
def _count_pixel(
    times: npt.NDArray[np.uint32],
    phases: npt.NDArray[np.float32],
    edges_us: IntArray,
    excluded_us: IntArray,
    thresholds: FloatArray,
    cells: npt.NDArray[np.int32],
    counts: npt.NDArray[np.uint32],
    recorded: npt.NDArray[np.uint32],
) -> None:
    last = thresholds.size - 1
    some = thresholds[0] < thresholds[last]
    per_deg = 0.0
    if some and last > 1:
        fill_cells(thresholds, cells)
        per_deg = (cells.size - 1) / (thresholds[last] - thresholds[0])
    for t, begin, stop in open_stretches(times, edges_us, excluded_us):
        recorded[t] += np.uint32(stop - begin)
        if some:
            _count_rows(phases[begin:stop], thresholds, per_deg, cells, counts[t])


@kernel
def _count_chunk(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    chunk_first: int,
    stops: IntArray,
    scratch: npt.NDArray[np.uint32],
    cells: npt.NDArray[np.int32],
    edges_us: IntArray,
    excluded_us: IntArray,
    thresholds: FloatArray,
    counts: npt.NDArray[np.uint32],
    recorded: npt.NDArray[np.uint32],
    border: npt.NDArray[np.uint32],
    border_recorded: npt.NDArray[np.uint32],
    owners: IntArray,
) -> None:
    """Count a chunk's photons. Pixels that other chunks hold photons of go to `border`, and into `owners` by number."""
    chunk_stop = min(chunk_first + CHUNK_ROWS, stops[-1])
    n_rows = chunk_stop - chunk_first
    times, bits = scratch[0, :n_rows], scratch[1, :n_rows]
    gather(planes, rows_a_block, row_bytes, 1, 0, times)
    gather(planes, rows_a_block, row_bytes, 2, 0, bits)
    phases = bits.view(np.float32)
    owners[:] = -1
    p = np.searchsorted(stops, chunk_first, side="right")
    row = 0
    while row < n_rows:
        high = min(stops[p], chunk_stop) - chunk_first
        before = row == 0 and (stops[p - 1] if p else 0) < chunk_first
        after = stops[p] > chunk_stop
        where = (times[row:high], phases[row:high], edges_us, excluded_us, thresholds[p], cells)
        if before or after:
            side = 0 if before else 1
            owners[side] = p
            _count_pixel(*where, border[side], border_recorded[side])
        else:
            _count_pixel(*where, counts[p], recorded[p])
        row = high
        p += 1
        while p < stops.size and stops[p] == chunk_first + row:
            p += 1  # pixels without photons


def count_cube(
    file: PhotonFile,
    edges_us: IntArray,
    thresholds_deg: FloatArray,
    excluded_us: IntArray = NO_INTERVALS,
    progress: Progress = silent,
    stage: str = "counting photons",
) -> Counts:
    """Count each pixel's photons in bins of time and of phase.

    Parameters
    ----------
    file : PhotonFile
    edges_us : ndarray of int64, shape (n_time + 1,)
        Ascending; bins are half-open.
    thresholds_deg : ndarray of float64, shape (n_pixel, n_band + 1)
        Each pixel's ascending edges of phase; equal ones for no photon. Bands are half-open.
    excluded_us : ndarray of int64, shape (m, 2)
        Half-open intervals, disjoint and ascending, in which nothing is counted.
    progress : Progress
        May cancel.
    stage : str
        What it is told.

    Raises
    ------
    ConfigError
        If the result would not fit into memory.
    InputFormatError
        If the file is damaged.
    """
    n_pixel, n_time, n_band = file.order.size, edges_us.size - 1, thresholds_deg.shape[1] - 1
    check_size(4 * n_pixel * n_time * (n_band + 1))
    counts = np.zeros((n_pixel, n_time, n_band), np.uint32)
    recorded = np.zeros((n_pixel, n_time), np.uint32)
    thresholds = np.ascontiguousarray(thresholds_deg[file.order])
    scratch = [_Scratch() for _ in range(SCAN_THREADS)]
    adding = threading.Lock()

    def work(thread: int, chunk: ChunkOfRows) -> None:
        room = scratch[thread]
        border = np.zeros((2, n_time, n_band), np.uint32)
        border_recorded = np.zeros((2, n_time), np.uint32)
        owners = np.empty(2, np.int64)
        cuts: Any = (edges_us, excluded_us, thresholds)
        found: Any = (counts, recorded, border, border_recorded, owners)
        _count_chunk(*chunk, room.columns, room.cells, *cuts, *found)
        with adding:
            for side in (0, 1):
                if owners[side] >= 0:
                    counts[owners[side]] += border[side]
                    recorded[owners[side]] += border_recorded[side]

    file.each_chunk(work, progress, stage)
    return Counts(in_order(counts, file.order), in_order(recorded, file.order))


class _Scratch:
    """Buffers of one thread: columns of a chunk, and the first band of each step of phase."""

    def __init__(self) -> None:
        self.columns = np.empty((2, CHUNK_ROWS), np.uint32)
        self.cells = np.empty(CELLS, np.int32)


def in_order(values: npt.NDArray[Any], order: IntArray) -> npt.NDArray[Any]:
    """Return rows in the order of the file as rows in the order of pixels."""
    ordered = np.empty_like(values)
    ordered[order] = values
    return ordered


def check_size(size_bytes: int) -> None:
    """Raise ConfigError for a result that would not fit into memory."""
    if size_bytes > _LARGEST:
        raise ConfigError(
            f"These bins would take {size_bytes / 1e9:.1f} GB. Choose fewer or wider bins of time or wavelength."
        )
