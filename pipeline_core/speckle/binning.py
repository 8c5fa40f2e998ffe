"""Counts of single pixels in equal bins of time: only bins that were open for their whole length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.binning import add_times, first_at_or_after
from pipeline_core.errors import ConfigError
from pipeline_core.exposure import live_time_us
from pipeline_core.obsfile import ObsFile
from pipeline_core.selection import Pixel, window_us
from pipeline_core.speckle.settings import SpeckleSettings

__all__ = ["BinnedPixel", "TimeBins", "bins_of", "time_steps"]

IntArray = npt.NDArray[np.int64]


class TimeBins:
    """Equal bins of one step of time.

    Parameters
    ----------
    start_us, width_us, n_bins : int
    closed_us : ndarray of float64, shape (m, 2)
        Disjoint and ascending: gaps and masked times. A bin that one touches is not used.
    block_s : float, optional
        Length of blocks if it is prescribed.
    """

    def __init__(
        self,
        start_us: int,
        width_us: int,
        n_bins: int,
        closed_us: npt.NDArray[np.float64],
        block_s: float | None = None,
    ) -> None:
        self.start_us, self.width_us, self.n_bins = start_us, width_us, n_bins
        self.block_s = block_s
        edges = start_us + width_us * np.arange(n_bins + 1, dtype=np.int64)
        self.used: npt.NDArray[np.bool_] = live_time_us(edges, closed_us) >= width_us - 1e-6

    @property
    def stop_us(self) -> int:
        """End of the last bin."""
        return self.start_us + self.n_bins * self.width_us

    @property
    def width_s(self) -> float:
        """Of a bin."""
        return self.width_us / 1e6

    @property
    def used_s(self) -> float:
        """Time in bins that are used."""
        return float(self.used.sum()) * self.width_s


@dataclass(frozen=True, eq=False)
class BinnedPixel:
    """One pixel's counts.

    Attributes
    ----------
    pixel : (x, y)
    counts : ndarray of int64, shape (n_bins,)
        Chosen photons in every bin, those that are not used too.
    recorded : int
        Photons of any wavelength in the time range, each with its dead time.
    """

    pixel: Pixel
    counts: IntArray
    recorded: int


def bins_of(
    obs: ObsFile, pixels: Sequence[Pixel], steps: Sequence[TimeBins], settings: SpeckleSettings
) -> Iterator[list[BinnedPixel]]:
    """Yield each pixel's counts in every step, in the order of the file: reads in this order are quickest."""
    band = settings.min_wavelength, settings.max_wavelength
    limits = obs.phase_limits(*band, extrapolated=settings.extrapolated)
    for pixel, times, phases in obs.columns_of(pixels):
        low, high = (-np.inf, np.inf) if limits is None else limits[pixel]
        found = []
        for bins in steps:
            counts = np.zeros(bins.n_bins, np.int64)
            start, stop = bins.start_us, bins.stop_us
            if low < high:
                add_times(times, phases, start, stop, bins.width_us, low, high, counts)
            recorded = first_at_or_after(times, stop) - first_at_or_after(times, start)
            found.append(BinnedPixel(pixel, counts, recorded))
        yield found


def time_steps(obs: ObsFile, settings: SpeckleSettings) -> list[TimeBins]:
    """Cut the time range into steps of whole bins; a rest of less than three bins is left out.

    Raises
    ------
    ConfigError
        If not even three bins fit, or the time range is impossible.
    """
    start, stop = window_us(settings.start, settings.stop, round(obs.exposure_s * 1e6))
    width = round(settings.bin_s * 1e6)
    length = stop - start
    if settings.step_s is not None:
        length = max(round(settings.step_s * 1e6) // width, 1) * width
    steps: list[TimeBins] = []
    for first in range(start, stop, length):
        n_bins = min(length, stop - first) // width
        if n_bins >= 3 or not steps:
            steps.append(TimeBins(first, width, n_bins, obs.closed_us, settings.block_s))
    if steps[0].n_bins < 3:
        raise ConfigError(
            f"{obs.path}: {(stop - start) / 1e6:g} s hold {steps[0].n_bins} bins of {settings.bin_s:g} s; choose "
            "narrower bins or a longer time range."
        )
    return steps
