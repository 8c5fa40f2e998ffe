"""How long a pixel was alive: the one place that knows about gaps and dead time.

Half-open intervals of integer microseconds. A pixel is blind for the dead time after each photon it recorded
(non-paralysable), and in gaps of the data; overlapping blind intervals count once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["blind_intervals", "live_time_us"]


def blind_intervals(
    gaps_us: npt.NDArray[np.int64],
    times_us: npt.NDArray[np.unsignedinteger] | npt.NDArray[np.int64] | None = None,
    dead_time_us: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Return the union of gaps and of the dead time after each photon.

    Parameters
    ----------
    gaps_us : ndarray of int64, shape (n, 2)
        Half-open intervals without data, any order.
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
