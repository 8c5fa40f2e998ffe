"""Loops over photon times: how many of the whole array fall into each short bin of time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = ["count_bins", "window_sums"]


@kernel
def count_bins(
    times_us: npt.NDArray[np.uint32], start_us: int, bin_us: int, counts: npt.NDArray[np.uint16]
) -> None:
    """Add times, in any order, to bins from `start_us` on; bins stay at their highest number when they are full."""
    start, width = np.uint32(start_us), np.uint32(bin_us)
    for i in range(times_us.size):
        if times_us[i] < start:
            continue
        k = (times_us[i] - start) // width  # of 32 bits: half the time of 64
        if k < counts.size and counts[k] < 65535:
            counts[k] += np.uint16(1)


@kernel
def window_sums(counts: npt.NDArray[np.uint16], bins: int, out: npt.NDArray[np.int32]) -> None:
    """Sum `bins` bins from each one on, as many as there are."""
    total = 0
    for k in range(counts.size - 1, -1, -1):
        total += int(counts[k])
        if k + bins < counts.size:
            total -= int(counts[k + bins])
        out[k] = total
