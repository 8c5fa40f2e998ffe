"""Kernels over one decoded chunk of the photon table, as byte planes (see `chunkcodec.decode_prefix`).

Rows are sorted by pixel and, within a pixel, by time: what is asked of times is answered by searching.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.binning import first_at_or_after as first_time
from pipeline_core.chunkcodec import CHUNK_ROWS, row_value

__all__ = [
    "ChunkOfRows",
    "count_bins",
    "count_in_limits",
    "count_phases",
    "count_window",
    "first_at_or_after",
    "gather",
    "survey_chunk",
]


class ChunkOfRows(NamedTuple):
    """A decoded chunk as the kernels take it: byte planes, their layout, its first row, where pixels end."""

    planes: npt.NDArray[np.uint8]
    rows_a_block: int
    row_bytes: int
    first: int
    stops: npt.NDArray[np.int64]


@kernel
def gather(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    column: int,
    first: int,
    out: npt.NDArray[np.uint32],
) -> None:
    """Assemble one column's values of the rows ``first ...`` from byte planes."""
    done = 0
    while done < out.size:
        row = first + done
        block = row // rows_a_block
        block_first = block * rows_a_block
        rows = min(rows_a_block, CHUNK_ROWS - block_first)
        count = min(out.size - done, block_first + rows - row)
        at = block_first * row_bytes + 4 * column * rows + (row - block_first)
        a = planes[at : at + count]
        b = planes[at + rows : at + rows + count]
        c = planes[at + 2 * rows : at + 2 * rows + count]
        d = planes[at + 3 * rows : at + 3 * rows + count]
        part = out[done : done + count]
        for i in range(count):
            part[i] = (
                np.uint32(a[i])
                | (np.uint32(b[i]) << np.uint32(8))
                | (np.uint32(c[i]) << np.uint32(16))
                | (np.uint32(d[i]) << np.uint32(24))
            )
        done += count


@kernel
def first_at_or_after(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    low: int,
    high: int,
    time_us: int,
) -> int:
    """Return the first of the rows ``low:high`` (sorted by time) with time >= `time_us`, else `high`."""
    while low < high:
        middle = (low + high) // 2
        if row_value(planes, rows_a_block, row_bytes, 1, middle) < time_us:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def count_window(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    chunk_first: int,
    stops: npt.NDArray[np.int64],
    start_us: int,
    stop_us: int,
    counts: npt.NDArray[np.int64],
) -> None:
    """Add, for each pixel with rows in a chunk, how many lie in ``[start_us, stop_us)``.

    `stops` are the last rows + 1 of the pixels in photon-file order, over the whole table.
    """
    chunk_stop = min(chunk_first + CHUNK_ROWS, stops[-1])
    p = np.searchsorted(stops, chunk_first, side="right")
    row = chunk_first
    while row < chunk_stop:
        high = min(stops[p], chunk_stop)
        low, high = row - chunk_first, high - chunk_first
        a = first_at_or_after(planes, rows_a_block, row_bytes, low, high, start_us)
        b = first_at_or_after(planes, rows_a_block, row_bytes, a, high, stop_us)
        counts[p] += b - a
        row = chunk_first + high
        p += 1


@kernel
def count_times(
    times: npt.NDArray[np.uint32],
    stops: npt.NDArray[np.int64],
    start_us: int,
    stop_us: int,
    counts: npt.NDArray[np.int64],
) -> None:
    """Count each pixel's rows in ``[start_us, stop_us)`` where the times of all rows are in memory.

    `stops` are the last rows + 1 of the pixels in photon-file order; times ascend within a pixel.
    """
    first = 0
    for p in range(stops.size):
        part = times[first : stops[p]]
        counts[p] = first_time(part, stop_us) - first_time(part, start_us)
        first = stops[p]


@kernel
def count_bins(
    times: npt.NDArray[np.uint32],
    first: int,
    stops: npt.NDArray[np.int64],
    edges_us: npt.NDArray[np.int64],
    counts: npt.NDArray[np.uint32],
) -> None:
    """Add the rows from `first` on, whose times are given, to ``counts[pixel, time bin]``; the edges ascend.

    `stops` are the last rows + 1 of the pixels in photon-file order; times ascend within a pixel. With few photons a
    bin, looking at each is quicker than searching for the ends of bins.
    """
    p = np.searchsorted(stops, first, side="right")
    row = 0
    while row < times.size:
        part = times[row : min(stops[p] - first, times.size)]
        at = first_time(part, edges_us[0])
        for k in range(edges_us.size - 1):
            begin, edge = at, edges_us[k + 1]
            while at < part.size and np.int64(part[at]) < edge:
                at += 1
            counts[p, k] += np.uint32(at - begin)
        row += part.size
        p += 1


@kernel
def count_phases(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    chunk_first: int,
    stops: npt.NDArray[np.int64],
    start_us: int,
    stop_us: int,
    low_deg: float,
    high_deg: float,
    phases: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.int64],
) -> None:
    """As `count_window`, for photons with ``low_deg <= phase < high_deg``; `phases` is scratch."""
    chunk_stop = min(chunk_first + CHUNK_ROWS, stops[-1])
    p = np.searchsorted(stops, chunk_first, side="right")
    row = chunk_first
    while row < chunk_stop:
        high = min(stops[p], chunk_stop)
        low, high = row - chunk_first, high - chunk_first
        a = first_at_or_after(planes, rows_a_block, row_bytes, low, high, start_us)
        b = first_at_or_after(planes, rows_a_block, row_bytes, a, high, stop_us)
        part = phases[: b - a]
        gather(planes, rows_a_block, row_bytes, 2, a, part)
        inside = 0
        for phase in part.view(np.float32):
            inside += int((np.float64(phase) >= low_deg) & (np.float64(phase) < high_deg))
        counts[p] += inside
        row = chunk_first + high
        p += 1


@kernel
def _first_beyond(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    low: int,
    high: int,
    time_us: int,
) -> int:
    """As `first_at_or_after`, quick where the row is near `low`: steps double until they pass it."""
    step = 1
    probe = low
    while probe < high and row_value(planes, rows_a_block, row_bytes, 1, probe) < time_us:
        low = probe + 1
        probe += step
        step *= 2
    return first_at_or_after(planes, rows_a_block, row_bytes, low, min(probe, high), time_us)


@kernel
def survey_chunk(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    chunk_first: int,
    stops: npt.NDArray[np.int64],
    edges_us: npt.NDArray[np.int64],
    phases: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.uint32],
    extremes: npt.NDArray[np.float32],
) -> None:
    """Add a chunk's photons to ``counts[pixel, time bin]``; widen `extremes` (lowest, highest phase).

    `stops` as for `count_window`; the edges ascend; `phases` is scratch.
    """
    chunk_stop = min(chunk_first + CHUNK_ROWS, stops[-1])
    p = np.searchsorted(stops, chunk_first, side="right")
    row = chunk_first
    while row < chunk_stop:
        high = min(stops[p], chunk_stop) - chunk_first
        at = first_at_or_after(
            planes, rows_a_block, row_bytes, row - chunk_first, high, edges_us[0]
        )
        for k in range(edges_us.size - 1):
            if at == high:
                break
            end = _first_beyond(planes, rows_a_block, row_bytes, at, high, edges_us[k + 1])
            counts[p, k] += np.uint32(end - at)
            at = end
        row = chunk_first + high
        p += 1
    part = phases[: chunk_stop - chunk_first]
    gather(planes, rows_a_block, row_bytes, 2, 0, part)
    lowest, highest = extremes[0], extremes[1]
    for phase in part.view(np.float32):
        lowest = phase if phase < lowest else lowest
        highest = phase if phase > highest else highest
    extremes[0], extremes[1] = lowest, highest


@kernel
def count_in_limits(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    chunk_first: int,
    stops: npt.NDArray[np.int64],
    start_us: int,
    stop_us: int,
    limits_deg: npt.NDArray[np.float64],
    phases: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.int64],
) -> None:
    """As `count_phases`, with limits of their own for each pixel (n_pixels, 2), in photon-file order."""
    chunk_stop = min(chunk_first + CHUNK_ROWS, stops[-1])
    p = np.searchsorted(stops, chunk_first, side="right")
    row = chunk_first
    while row < chunk_stop:
        high = min(stops[p], chunk_stop)
        low_deg, high_deg = limits_deg[p, 0], limits_deg[p, 1]
        if low_deg < high_deg:
            low, end = row - chunk_first, high - chunk_first
            a = first_at_or_after(planes, rows_a_block, row_bytes, low, end, start_us)
            b = first_at_or_after(planes, rows_a_block, row_bytes, a, end, stop_us)
            part = phases[: b - a]
            gather(planes, rows_a_block, row_bytes, 2, a, part)
            inside = 0
            for phase in part.view(np.float32):
                inside += int((np.float64(phase) >= low_deg) & (np.float64(phase) < high_deg))
            counts[p] += inside
        row = high
        p += 1
