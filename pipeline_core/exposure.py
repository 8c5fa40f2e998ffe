"""How long a pixel was alive: the one place that knows about gaps, masked times and dead time.

Half-open intervals of integer microseconds. A pixel is blind for the dead time after each photon it recorded
(non-paralysable), in gaps of the data, and in masked times; overlapping blind intervals count once. Photons of masked
times are nowhere: the dead time that such a one may have after the end of its interval is not known here (it is worth
rate * dead time^2 / 2 an interval, 5e-8 s at 1000 counts/s).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.binning import first_at_or_after

__all__ = ["add_dead_time", "blind_intervals", "live_time_us", "live_times_s"]


def blind_intervals(
    gaps_us: npt.NDArray[np.int64] | npt.NDArray[np.float64],
    times_us: npt.NDArray[np.unsignedinteger] | npt.NDArray[np.int64] | None = None,
    dead_time_us: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Return the union of gaps and of the dead time after each photon.

    Parameters
    ----------
    gaps_us : ndarray, shape (n, 2)
        Half-open intervals without data or masked, us, any order.
    times_us : ndarray of integers, optional
        Arrival times of one pixel's photons, ascending.
    dead_time_us : float
        After each photon.

    Returns
    -------
    ndarray of float64, shape (m, 2)
        Disjoint half-open intervals, ascending, us.
    """
    intervals = [np.asarray(gaps_us, float).reshape(-1, 2)]
    if times_us is not None and dead_time_us > 0:
        begin = np.asarray(times_us, float)
        intervals.append(np.column_stack((begin, begin + dead_time_us)))
    stacked = np.concatenate(intervals)
    stacked = stacked[stacked[:, 1] > stacked[:, 0]]
    if not stacked.size:
        return stacked
    stacked = stacked[np.argsort(stacked[:, 0], kind="stable")]
    reach = np.maximum.accumulate(stacked[:, 1])
    opens = np.concatenate(([True], stacked[1:, 0] > reach[:-1]))
    first = np.flatnonzero(opens)
    last = np.append(first[1:], stacked.shape[0]) - 1
    return np.column_stack((stacked[first, 0], reach[last]))


def live_time_us(
    edges_us: npt.NDArray[np.int64], blind: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the time alive between consecutive edges.

    Parameters
    ----------
    edges_us : ndarray of int64, shape (n + 1,)
        Ascending.
    blind : ndarray of float64, shape (m, 2)
        Disjoint intervals as `blind_intervals` returns them.

    Returns
    -------
    ndarray of float64, shape (n,)
        Microseconds.
    """
    edges = np.asarray(edges_us, float)
    alive = np.diff(edges)
    if not blind.size:
        return alive
    # blind time before t grows with slope 1 inside the intervals and rests between them
    length = blind[:, 1] - blind[:, 0]
    knots = blind.ravel()
    grown = np.column_stack((np.cumsum(length) - length, np.cumsum(length))).ravel()
    return alive - np.diff(np.interp(edges, knots, grown, left=0.0, right=grown[-1]))


def live_times_s(
    open_us: npt.NDArray[np.float64], recorded: npt.NDArray[Any], dead_time_us: float
) -> npt.NDArray[np.float64]:
    """Return how long pixels were alive, from how many photons each recorded.

    Photons are taken to be at least a dead time apart and away from gaps and ends: exact but for these.

    Parameters
    ----------
    open_us : ndarray of float64
        Time with data, without gaps (`live_time_us`); broadcasts against `recorded`.
    recorded : ndarray of integers
        Photons of any phase.
    dead_time_us : float
        After each photon.

    Returns
    -------
    ndarray of float64
        Seconds, never below 0.
    """
    alive_us: npt.NDArray[np.float64] = np.maximum(open_us - recorded * dead_time_us, 0.0)
    return alive_us / 1e6


@kernel
def _add_piece(
    low: float,
    high: float,
    start_us: int,
    width_us: int,
    k: int,
    dead_us: npt.NDArray[np.float64],
) -> int:
    """Share ``[low, high)`` among the bins of `add_dead_time`, from bin `k` on or a later one; return the last bin."""
    edge = np.float64(start_us + (k + 1) * width_us)
    if low >= edge + width_us:  # dividing is slow: mostly, the next photon is in the next bin
        k = int((low - start_us) // width_us)
        edge = np.float64(start_us + (k + 1) * width_us)
    while high > edge:
        dead_us[k] += max(edge - low, 0.0)
        low = max(low, edge)
        k += 1
        edge += width_us
    dead_us[k] += high - low
    return k


@kernel
def add_dead_time(
    times_us: npt.NDArray[np.uint32],
    gaps: npt.NDArray[np.float64],
    dead_time_us: float,
    start_us: int,
    stop_us: int,
    width_us: int,
    dead_us: npt.NDArray[np.float64],
) -> None:
    """Add to bin k the time that one pixel was dead outside gaps.

    What `blind_intervals` and `live_time_us` give for one pixel at a time, without arrays in between.

    Parameters
    ----------
    times_us : ndarray of uint32
        Arrival times of the pixel's photons, ascending.
    gaps : ndarray of float64, shape (m, 2)
        Disjoint and ascending: `blind_intervals` without photons.
    dead_time_us : float
        After each photon.
    start_us, stop_us, width_us : int
        Bin k begins ``k * width_us`` after `start_us`; the last one ends at `stop_us`.
    dead_us : ndarray of float64, shape (n,)
        Microseconds; added to.
    """
    reach = np.float64(start_us)  # until here, it is known
    safe = reach  # until here, there is neither a gap nor the end of bin k
    gap = 0
    k = 0
    earliest = math.floor(start_us - dead_time_us)
    for i in range(first_at_or_after(times_us, earliest), times_us.size):
        time = np.float64(times_us[i])
        if time >= stop_us:
            break
        low = max(time, reach)
        high = min(time + dead_time_us, np.float64(stop_us))
        if high <= safe:
            dead_us[k] += max(high - low, 0.0)
            reach = max(reach, high)
            continue
        while low < high:
            while gap < gaps.shape[0] and gaps[gap, 1] <= low:
                gap += 1
            until = high
            if gap < gaps.shape[0] and gaps[gap, 0] < high:
                until = max(gaps[gap, 0], low)
            if until > low:
                k = _add_piece(low, until, start_us, width_us, k, dead_us)
            low = gaps[gap, 1] if until < high else high
        reach = max(reach, high)
        safe = np.float64(start_us + (k + 1) * width_us)
        if gap < gaps.shape[0]:
            safe = min(safe, gaps[gap, 0])
