"""Histograms of a pixel or a region: intensities (counts per time bin) and phases."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.binning import add_phases, phase_span
from pipeline_core.errors import ConfigError
from pipeline_core.lightcurves import LightCurve
from pipeline_core.pixel_cache import Columns
from pipeline_core.spectral_bins import HC_EV_NM, cut_to_band

__all__ = ["IntensityHistogram", "Spectrum", "intensity_histogram", "phase_histogram"]

_EMPTY_RANGE_DEG = (-180.0, 0.0)
_MAX_BINS = 10_000_000


@dataclass(frozen=True, eq=False)
class IntensityHistogram:
    """How often a time bin held 0, 1, 2, ... photons.

    Attributes
    ----------
    pixels : tuple of (x, y)
        All different. Of several, the photons of all of them together are counted in each bin.
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

    pixels: tuple[tuple[int, int], ...]
    bin_s: float
    occurrences: npt.NDArray[np.int64]
    n_bins: int
    mean: float
    variance: float

    @property
    def pixel(self) -> tuple[int, int]:
        """The only pixel, or the first of several."""
        return self.pixels[0]

    @property
    def fano(self) -> float:
        """Variance over mean: 1 for Poisson; NaN where there is none."""
        return self.variance / self.mean if self.mean > 0 else math.nan

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
        # logarithms: mu**k / k! would overflow above 170 counts. A pane draws this: a library that has to be loaded for
        # it would hold up the window at the first click
        log_factorials = np.cumsum(np.log(np.maximum(k, 1.0)))
        return np.exp(k * math.log(self.mean) - self.mean - log_factorials)


def intensity_histogram(curve: LightCurve) -> IntensityHistogram:
    """Count the counts of a light curve; bins that are shorter or cut by a gap are left out."""
    counts = curve.counts[curve.full]
    n_bins = int(counts.size)
    return IntensityHistogram(
        pixels=curve.pixels,
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
    """Counts of one pixel, or of several together, per bin of phase, or of wavelength once calibrated.

    Attributes
    ----------
    pixels : tuple of (x, y)
        All different.
    quantity : {'phase', 'wavelength'}
    unit : {'deg', 'nm'}
    edges : ndarray of float64, shape (n + 1,)
        Half-open bins, ascending.
    counts : ndarray of int64, shape (n,)
    mean : float
        Mean phase or wavelength of the photons in `unit`; NaN without photons.
    sums, variances : ndarray of float64, shape (n,), or None
        Sums of the photons' weights and of their squares, if weights were asked for.
    bin_deg : float or None
        Of phases: the width that was asked for; the outer bins may be narrower.
    """

    pixels: tuple[tuple[int, int], ...]
    quantity: str
    unit: str
    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    mean: float
    sums: npt.NDArray[np.float64] | None = None
    variances: npt.NDArray[np.float64] | None = None
    bin_deg: float | None = None

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """Counts, or sums of weights if these were asked for."""
        return self.counts.astype(np.float64) if self.sums is None else self.sums

    @property
    def pixel(self) -> tuple[int, int]:
        """The only pixel, or the first of several."""
        return self.pixels[0]

    @property
    def errors(self) -> npt.NDArray[np.float64]:
        """Errors: sqrt(counts), or the root of the summed squares of weights."""
        return np.sqrt(self.counts if self.variances is None else self.variances)

    @property
    def is_calibrated(self) -> bool:
        """Whether the axis is wavelength."""
        return self.quantity == "wavelength"

    @property
    def densities(self) -> tuple[str, ...]:
        """What `density` can be asked for."""
        return ("bin", "nm", "eV") if self.is_calibrated else ("bin", "deg")

    def density(self, per: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return counts per unit of the axis, and their Poisson errors, for each bin of `edges`.

        Parameters
        ----------
        per : {'bin', 'deg', 'nm', 'eV'}
            'deg' for phases; 'nm' and 'eV' (the bin's width in energy, 1239.84 eV nm / wavelength) once calibrated.

        Raises
        ------
        ConfigError
            If the axis is not of this kind.
        """
        if per not in self.densities:
            raise ConfigError(
                f"A spectrum of {self.quantity} has counts per {', '.join(self.densities)}, not per {per}."
            )
        if per == "bin":
            width = np.ones(self.counts.size)
        elif per == "eV":
            with np.errstate(divide="ignore"):
                width = np.abs(np.diff(HC_EV_NM / self.edges))
        else:
            width = np.diff(self.edges)
        return self.values / width, self.errors / width


def phase_histogram(
    pixels: tuple[tuple[int, int], ...],
    photons: Iterable[Columns],
    window_us: tuple[int, int],
    phase_deg: tuple[float, float],
    bin_deg: float = 1.0,
) -> Spectrum:
    """Histogram phases in bins whose edges are multiples of `bin_deg`, over the range of the data.

    A bin in which `phase_deg` begins or ends is cut there.

    Parameters
    ----------
    pixels : tuple of (x, y)
    photons : iterable of (times, phases)
        All photons of each pixel, in any order of the pixels.
    window_us, phase_deg : (start, stop), (low, high)
        Photons to be counted.
    bin_deg : float

    Raises
    ------
    ConfigError
        If `bin_deg` is not positive, or makes too many bins.
    """
    if not (math.isfinite(bin_deg) and bin_deg > 0):
        raise ConfigError(f"A phase bin must be wider than 0 degrees, not {bin_deg}.")
    bins = _GrowingBins(bin_deg)
    number, total = 0, 0.0
    for times, phases in photons:
        found, low, high, sum_deg = phase_span(times, phases, *window_us, *phase_deg)
        if found:
            bins.reach(low, high)
            where = (*window_us, *phase_deg, bin_deg, bins.base)
            add_phases(times, phases, *where, bins.counts)
            number += found
            total += sum_deg
    if not number:
        low, high = _EMPTY_RANGE_DEG
        bins.reach(low, high - bin_deg / 2)
    edges = np.multiply(bins.base + np.arange(bins.counts.size + 1), bin_deg, dtype=np.float64)
    mean = total / number if number else math.nan
    edges = cut_to_band(edges, *phase_deg)
    return Spectrum(pixels, "phase", "deg", edges, bins.counts, mean, bin_deg=bin_deg)


class _GrowingBins:
    """Counts of bins whose edges are multiples of a width, from ``base * width`` on, as far as was needed."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.base = 0
        self.counts = np.zeros(0, np.int64)

    def reach(self, low: float, high: float) -> None:
        """Make sure that there are bins for `low` and `high`."""
        first, stop = math.floor(low / self.width), math.floor(high / self.width) + 1
        if self.counts.size:
            first, stop = min(first, self.base), max(stop, self.base + self.counts.size)
        if stop - first > _MAX_BINS:
            raise ConfigError(
                f"Phase bins of {self.width:g} degrees would make more than {_MAX_BINS:,} of them. Choose wider bins."
            )
        if stop - first > self.counts.size:
            grown = np.zeros(stop - first, np.int64)
            at = self.base - first if self.counts.size else 0
            grown[at : at + self.counts.size] = self.counts
            self.base, self.counts = first, grown
