"""Repairs the time stamps of 2017's firmware: some headers told a time one tick (0.5 ms) too early.

A pixel's photons then go backwards in the order in which they arrived. Where one does, by no more than a tick, it and
all later ones of the same tick get one tick more, again and again until none goes backwards. That is the rule of the
tools of its time, which could not apply it once photons had been sorted. They also moved packets that had merely come
late, by as many ticks; here, those are left alone: they go back by more than a tick, and are sorted. No photon is moved
out of the observation, so its last tick is not repaired.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.rawwords import US_PER_TICK

__all__ = ["FIRMWARE_REPAIRED", "repair_early_ticks"]

FIRMWARE_REPAIRED = 1518222559
"""Unix second (2018-02-10 00:29:19 UTC) from which on the firmware's time stamps are right."""

_MOST_PASSES = (
    200  # each moves photons by one tick: what is still out of order then is no case for this rule
)


@kernel
def _move_early(
    times: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    earliest: npt.NDArray[np.int64],
    exposure_us: int,
) -> bool:
    """Go through one pixel's times once and move what goes backwards; return whether anything was moved."""
    before[:] = times
    least = times[-1]
    for i in range(times.size - 1, -1, -1):
        least = min(least, times[i])
        earliest[i] = least  # of all that follow: tells where to stop looking for photons of a tick
    moved = False
    for i in range(1, times.size):
        if not 0 < before[i - 1] - before[i] <= US_PER_TICK:
            continue
        tick = times[i] - times[i] % US_PER_TICK
        if tick + 2 * US_PER_TICK > exposure_us:
            continue
        moved = True
        for j in range(i, times.size):
            if earliest[j] >= tick + US_PER_TICK:
                break
            if times[j] - times[j] % US_PER_TICK == tick:
                times[j] += US_PER_TICK
    return moved


@kernel
def repair_early_ticks(
    photons: npt.NDArray[np.uint64], starts: npt.NDArray[np.int64], exposure_us: int
) -> int:
    """Repair the times of each pixel's photons, which must be in the order of their arrival.

    Parameters
    ----------
    photons : ndarray of uint64
        ``time in us << 32 | phase``; changed in place.
    starts : ndarray of int64, shape (n_pixels + 1,)
        Pixel p owns ``photons[starts[p] : starts[p + 1]]``.
    exposure_us : int
        End of the observation.

    Returns
    -------
    int
        Number of photons that were moved.
    """
    n_moved = 0
    high = np.uint64(32)
    for p in range(starts.size - 1):
        mine = photons[starts[p] : starts[p + 1]]
        backwards = False
        for i in range(1, mine.size):
            backwards |= (mine[i] >> high) < (mine[i - 1] >> high)
        if not backwards:
            continue
        times = (mine >> high).astype(np.int64)
        before, earliest = np.empty_like(times), np.empty_like(times)
        for _ in range(_MOST_PASSES):
            if not _move_early(times, before, earliest, exposure_us):
                break
        for i in range(mine.size):
            steps = np.uint64(times[i]) - (mine[i] >> high)
            n_moved += steps > 0
            mine[i] += steps << high
    return n_moved
