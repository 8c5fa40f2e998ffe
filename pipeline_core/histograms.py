"""Histograms of one pixel: intensities (counts per time bin) and phases."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from pipeline_core.errors import ConfigError
from pipeline_core.lightcurves import LightCurve

__all__ = ["IntensityHistogram", "Spectrum", "intensity_histogram", "phase_histogram"]

_EMPTY_RANGE_DEG = (-180.0, 0.0)


@dataclass(frozen=True, eq=False)
class IntensityHistogram:
    """How often a time bin held 0, 1, 2, ... photons.

    Attributes
    ----------
    pixel : (x, y)
    bin_s : float
        Effective exposure time of a bin.
    occurrences : ndarray of int64, shape (n + 1,)
        Number of bins with k counts, k = 0 .. the largest count seen, inclusive.
    n_bins : int
        Bins that were open for their whole length; others are not in the histogram.
    mean : float
        Mean counts a bin; NaN without bins.
    variance : float
        Unbiased variance of the counts; NaN below two bins.
    """

    pixel: tuple[int, int]
    bin_s: float
    occurrences: npt.NDArray[np.int64]
    n_bins: int
    mean: float
    variance: float

    @property
    def frequency(self) -> npt.NDArray[np.float64]:
        """`occurrences` normalised to a sum of 1 (all 0 without bins)."""
        return self.occurrences / max(self.n_bins, 1)

    @property
    def poisson(self) -> npt.NDArray[np.float64]:
        """Poisson probability of each count at the sample mean; same shape as `occurrences`."""
        k = np.arange(self.occurrences.size)
        if not self.mean > 0:
            return np.where(k == 0, 1.0, 0.0) if self.n_bins else np.zeros(k.size)
        # logarithms: mu**k / k! would overflow above 170 counts
        return np.exp(k * math.log(self.mean) - self.mean - gammaln(k + 1.0))


def intensity_histogram(curve: LightCurve) -> IntensityHistogram:
    """Count the counts of a light curve; bins that are shorter or cut by a gap are left out."""
    full = curve.open_time_s > curve.bin_s * (1 - 1e-9)
    counts = curve.counts[full]
    n_bins = int(counts.size)
    return IntensityHistogram(
        pixel=curve.pixel,
        bin_s=curve.bin_s,
        occurrences=np.bincount(counts, minlength=1).astype(np.int64)
        if n_bins
        else np.zeros(1, np.int64),
        n_bins=n_bins,
        mean=float(counts.mean()) if n_bins else math.nan,
        variance=float(counts.var(ddof=1)) if n_bins > 1 else math.nan,
    )


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Counts of one pixel per bin of phase, or of wavelength once calibrated.

    Attributes
    ----------
    pixel : (x, y)
    quantity : {'phase', 'wavelength'}
    unit : {'deg', 'nm'}
    edges : ndarray of float64, shape (n + 1,)
        Half-open bins, ascending.
    counts : ndarray of int64, shape (n,)
    """

    pixel: tuple[int, int]
    quantity: str
    unit: str
    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    @property
    def errors(self) -> npt.NDArray[np.float64]:
        """Poisson errors, sqrt(counts)."""
        return np.sqrt(self.counts)

    @property
    def is_calibrated(self) -> bool:
        """Whether the axis is wavelength."""
        return self.quantity == "wavelength"


def phase_histogram(
    pixel: tuple[int, int], phase_deg: npt.NDArray[np.float32], bin_deg: float = 1.0
) -> Spectrum:
    """Histogram phases in bins whose edges are multiples of `bin_deg`, over the range of the data.

    Raises
    ------
    ConfigError
        If `bin_deg` is not positive.
    """
    if not (math.isfinite(bin_deg) and bin_deg > 0):
        raise ConfigError(f"A phase bin must be wider than 0 degrees, not {bin_deg}.")
    if not phase_deg.size:
        low, high = (round(limit / bin_deg) for limit in _EMPTY_RANGE_DEG)
        counts = np.zeros(max(high - low, 1), np.int64)
    else:
        bins = np.floor(phase_deg.astype(np.float64) / bin_deg).astype(np.int64)
        low = int(bins.min())
        counts = np.bincount(bins - low).astype(np.int64)
    edges = np.multiply(low + np.arange(counts.size + 1), bin_deg, dtype=np.float64)
    return Spectrum(pixel, "phase", "deg", edges, counts)
