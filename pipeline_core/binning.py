"""Kernels that add the photons of one decoded pixel to bins of time or of phase.

Pixels are added one after the other into the same bins: the streams of a region need not be merged or sorted.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = [
    "add_phases",
    "add_times",
    "first_at_or_after",
    "make_sense",
    "phase_span",
]


@kernel
def first_at_or_after(times_us: npt.NDArray[np.uint32], time_us: int) -> int:
    """Return the first index with ``times_us[index] >= time_us``; the times ascend."""
    low, high = 0, times_us.size
    while low < high:
        middle = (low + high) // 2
        if np.int64(times_us[middle]) < time_us:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def make_sense(
    times_us: npt.NDArray[np.uint32], phases_deg: npt.NDArray[np.float32], stop_us: int
) -> bool:
    """Return whether times ascend and end before `stop_us`, and phases are numbers: the kernels below rely on it."""
    previous = np.int64(0)
    good = True
    for i in range(times_us.size):
        time = np.int64(times_us[i])
        good &= (time >= previous) & np.isfinite(phases_deg[i])
        previous = time
    return bool(good and previous < stop_us)


@kernel
def add_times(
    times_us: npt.NDArray[np.uint32],
    phases_deg: npt.NDArray[np.float32],
    start_us: int,
    stop_us: int,
    width_us: int,
    low_deg: float,
    high_deg: float,
    counts: npt.NDArray[np.int64],
) -> None:
    """Add to ``counts[k]`` the photons ``k * width_us`` to ``(k + 1) * width_us`` after `start_us`, before `stop_us`.

    Only those with ``low_deg <= phase < high_deg``. Times ascend.
    """
    every = low_deg == -np.inf and high_deg == np.inf
    k = -1
    edge = start_us  # end of bin k
    first = first_at_or_after(times_us, start_us)
    for i in range(first, first_at_or_after(times_us, stop_us)):
        time = int(times_us[i])
        if time >= edge:
            # dividing is slow: mostly, the next photon is in the next bin
            k = k + 1 if time < edge + width_us else (time - start_us) // width_us
            edge = start_us + (k + 1) * width_us
        phase = np.float64(phases_deg[i])
        if every or (phase >= low_deg and phase < high_deg):
            counts[k] += 1


@kernel
def phase_span(
    times_us: npt.NDArray[np.uint32],
    phases_deg: npt.NDArray[np.float32],
    start_us: int,
    stop_us: int,
    low_deg: float,
    high_deg: float,
) -> tuple[int, float, float, float]:
    """Return how many photons lie in half-open windows of time and phase, their lowest, highest and summed phase."""
    first = first_at_or_after(times_us, start_us)
    number = 0
    lowest, highest, total = np.inf, -np.inf, 0.0
    for value in phases_deg[first : first_at_or_after(times_us, stop_us)]:
        phase = np.float64(value)
        if phase >= low_deg and phase < high_deg:
            number += 1
            total += phase
            lowest = phase if phase < lowest else lowest
            highest = phase if phase > highest else highest
    return number, lowest, highest, total


@kernel
def add_phases(
    times_us: npt.NDArray[np.uint32],
    phases_deg: npt.NDArray[np.float32],
    start_us: int,
    stop_us: int,
    low_deg: float,
    high_deg: float,
    bin_deg: float,
    base: int,
    counts: npt.NDArray[np.int64],
) -> None:
    """Add to ``counts[k]`` the photons of the bin from ``(base + k) * bin_deg`` on, chosen as in `phase_span`."""
    first = first_at_or_after(times_us, start_us)
    for value in phases_deg[first : first_at_or_after(times_us, stop_us)]:
        phase = np.float64(value)
        if phase >= low_deg and phase < high_deg:
            counts[math.floor(phase / bin_deg) - base] += 1
