"""Kernels that leave out photons of masked times: of one pixel, of a chunk of the photon table, of all times in memory.

Intervals are half-open, disjoint and ascending; the times of a pixel ascend.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.chunkcodec import CHUNK_ROWS, row_value
from pipeline_core.photon_kernels import gather

__all__ = ["count_pieces", "count_pieces_of_times", "outside", "pieces_of_bins"]


@kernel
def outside(
    times_us: npt.NDArray[np.uint32],
    intervals_us: npt.NDArray[np.int64],
    keep: npt.NDArray[np.bool_],
) -> None:
    """Tell which times of one pixel lie in no interval."""
    k = 0
    for i in range(times_us.size):
        time = np.int64(times_us[i])
        while k < intervals_us.shape[0] and intervals_us[k, 1] <= time:
            k += 1
        keep[i] = k == intervals_us.shape[0] or time < intervals_us[k, 0]


def pieces_of_bins(
    intervals_us: npt.NDArray[np.int64], edges_us: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut intervals at the edges of bins.

    Returns
    -------
    pieces : ndarray of int64, shape (m, 2)
        What lies in the bins, ascending.
    bins : ndarray of int64, shape (m,)
        The bin of each piece.
    """
    cuts = np.unique(np.concatenate((intervals_us.ravel(), edges_us)))
    low, high = cuts[:-1], cuts[1:]
    bins = np.searchsorted(edges_us, low, side="right") - 1
    at = np.searchsorted(intervals_us[:, 0], low, side="right") - 1
    inside = (at >= 0) & (bins >= 0) & (bins < edges_us.size - 1)
    if intervals_us.size:
        inside &= low < intervals_us[np.maximum(at, 0), 1]
    pieces = np.column_stack((low, high))[inside]
    return pieces.astype(np.int64), bins[inside].astype(np.int64)


@kernel
def _first_beyond(times_us: npt.NDArray[np.uint32], low: int, high: int, time_us: int) -> int:
    """Return the first of ``low:high`` with a time >= `time_us`, else `high`; quick where it is near `low`."""
    step = 1
    probe = low
    while probe < high and np.int64(times_us[probe]) < time_us:
        low = probe + 1
        probe += step
        step *= 2
    high = min(probe, high)
    while low < high:
        middle = (low + high) // 2
        if np.int64(times_us[middle]) < time_us:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def count_pieces(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    chunk_first: int,
    stops: npt.NDArray[np.int64],
    pieces_us: npt.NDArray[np.int64],
    bins: npt.NDArray[np.int64],
    limits_deg: npt.NDArray[np.float64],
    times: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.int64],
) -> None:
    """Add to ``counts[pixel, bin]`` a chunk's photons in pieces of time.

    Only those with a phase in the pixel's limits (n_pixels, 2); of any phase if there are none (0, 2). `times` is
    scratch. Everything else as in `photon_kernels.count_window`.
    """
    chunk_stop = min(chunk_first + CHUNK_ROWS, stops[-1])
    part = times[: chunk_stop - chunk_first]
    gather(planes, rows_a_block, row_bytes, 1, 0, part)
    p = np.searchsorted(stops, chunk_first, side="right")
    row = chunk_first
    every = limits_deg.shape[0] == 0
    value = np.zeros(1, np.uint32)
    while row < chunk_stop:
        high = min(stops[p], chunk_stop) - chunk_first
        at = row - chunk_first
        for k in range(pieces_us.shape[0]):
            if at == high:
                break
            a = _first_beyond(part, at, high, pieces_us[k, 0])
            at = _first_beyond(part, a, high, pieces_us[k, 1])
            if every:
                counts[p, bins[k]] += at - a
                continue
            for i in range(a, at):
                value[0] = row_value(planes, rows_a_block, row_bytes, 2, i)
                phase = np.float64(value.view(np.float32)[0])
                inside = phase >= limits_deg[p, 0] and phase < limits_deg[p, 1]
                counts[p, bins[k]] += np.int64(inside)
        row = chunk_first + high
        p += 1


@kernel
def count_pieces_of_times(
    times_us: npt.NDArray[np.uint32],
    stops: npt.NDArray[np.int64],
    pieces_us: npt.NDArray[np.int64],
    bins: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> None:
    """Add to ``counts[pixel, bin]`` the photons in pieces of time, where the times of all rows are in memory."""
    at = 0
    for p in range(stops.size):
        for k in range(pieces_us.shape[0]):
            if at == stops[p]:
                break
            a = _first_beyond(times_us, at, stops[p], pieces_us[k, 0])
            at = _first_beyond(times_us, a, stops[p], pieces_us[k, 1])
            counts[p, bins[k]] += at - a
        at = stops[p]
