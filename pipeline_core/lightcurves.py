"""Light curves: photons of a pixel or a region binned in time, with the time it was alive in each bin."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.binning import add_times
from pipeline_core.errors import ConfigError
from pipeline_core.exposure import add_dead_time, live_time_us
from pipeline_core.pixel_cache import Columns

__all__ = ["BinsOfTime", "LightCurve", "bin_edges_us", "light_curve", "sum_of_rows"]

_MAX_BINS = 50_000_000


@dataclass(frozen=True, eq=False)
class LightCurve:
    """Counts of one pixel, or of several together, per time bin. Bins are half-open; the last one may be shorter.

    Attributes
    ----------
    pixels : tuple of (x, y)
        All different. Counts and rates are those of all of them together.
    bin_s : float
        Width of the full bins.
    edges_s : ndarray of float64, shape (n + 1,)
        Seconds from the start of the observation.
    counts : ndarray of int64, shape (n,)
    live_time_s : ndarray of float64, shape (n,)
        Time a pixel was alive in each bin: less gaps, less dead time. Of several pixels it is the mean, so that
        counts / live time is the summed rate (as long as their dead fractions are alike: a few 0.1 % at 300 counts/s).
    open_time_s : ndarray of float64, shape (n,)
        The same without dead time: 0 in a gap.
    sums, variances : ndarray of float64, shape (n,), or None
        Sums of the photons' weights and of their squares, if weights were asked for.
    """

    pixels: tuple[tuple[int, int], ...]
    bin_s: float
    edges_s: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    live_time_s: npt.NDArray[np.float64]
    open_time_s: npt.NDArray[np.float64]
    sums: npt.NDArray[np.float64] | None = None
    variances: npt.NDArray[np.float64] | None = None

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """Counts, or sums of weights if these were asked for."""
        return self.counts.astype(np.float64) if self.sums is None else self.sums

    @property
    def pixel(self) -> tuple[int, int]:
        """The only pixel, or the first of several."""
        return self.pixels[0]

    @property
    def full(self) -> npt.NDArray[np.bool_]:
        """Which bins are neither shorter than `bin_s` nor cut by a gap."""
        return self.open_time_s > self.bin_s * (1 - 1e-9)

    @property
    def mean_rate_cps(self) -> float:
        """All counts (or weights) per second alive; NaN without any."""
        alive = float(self.live_time_s.sum())
        return float(self.values.sum()) / alive if alive > 0 else math.nan

    @property
    def mean_rate_error_cps(self) -> float:
        """Poisson error of `mean_rate_cps`; of weights, the root of their summed squares."""
        alive = float(self.live_time_s.sum())
        return math.sqrt(float(self._variances.sum())) / alive if alive > 0 else math.nan

    @property
    def fano(self) -> float:
        """Variance over mean of the counts in `full` bins: 1 for Poisson; NaN below two bins or without counts."""
        counts = self.counts[self.full]
        if counts.size < 2 or not counts.any():
            return math.nan
        return float(counts.var(ddof=1) / counts.mean())

    @property
    def rate_cps(self) -> npt.NDArray[np.float64]:
        """Counts (or weights) per second alive; NaN where the pixel was not."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.live_time_s > 0, self.values / self.live_time_s, np.nan)

    @property
    def rate_error_cps(self) -> npt.NDArray[np.float64]:
        """Poisson error of `rate_cps`: sqrt(counts) per second alive; of weights, the root of their summed squares."""
        errors = np.sqrt(self._variances)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.live_time_s > 0, errors / self.live_time_s, np.nan)

    @property
    def _variances(self) -> npt.NDArray[np.float64]:
        return self.values if self.variances is None else self.variances


def bin_edges_us(start_us: int, stop_us: int, bin_s: float) -> npt.NDArray[np.int64]:
    """Return bin edges from `start_us`, `bin_s` apart; the last bin ends at `stop_us`.

    Raises
    ------
    ConfigError
        If the bins are shorter than 1 us, not a number, or too many for memory.
    """
    width = round(bin_s * 1e6) if np.isfinite(bin_s) else 0
    if width < 1:
        raise ConfigError(f"A time bin must be at least 1 us long, not {bin_s} s.")
    if (stop_us - start_us) // width > _MAX_BINS:
        raise ConfigError(
            f"Bins of {bin_s} s would make more than {_MAX_BINS:,} of them. Choose longer bins or a shorter time range."
        )
    edges = np.arange(start_us, stop_us, width, dtype=np.int64)
    return np.append(edges, np.int64(stop_us))


class BinsOfTime:
    """Where photons are binned in time, and when their pixels are blind.

    Parameters
    ----------
    window_us : (start, stop)
    bin_s : float
        Width of the full bins.
    phase_deg : (low, high)
        Photons to be counted; any photon makes its pixel blind.
    gaps : ndarray of float64, shape (m, 2)
        `exposure.blind_intervals` without photons.
    dead_time_us : float
        After each photon.
    """

    def __init__(
        self,
        window_us: tuple[int, int],
        bin_s: float,
        phase_deg: tuple[float, float],
        gaps: npt.NDArray[np.float64],
        dead_time_us: float,
    ) -> None:
        self.edges_us = bin_edges_us(*window_us, bin_s)
        self.width_us = round(bin_s * 1e6)
        self.gaps = gaps
        self._window_us = window_us
        self._phase_deg = phase_deg
        self._dead_time_us = dead_time_us

    @property
    def row_bytes(self) -> int:
        """Size of what `empty` returns."""
        return 16 * (self.edges_us.size - 1)

    def empty(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return counts and dead time [us] of no photons."""
        n_bins = self.edges_us.size - 1
        return np.zeros(n_bins, np.int64), np.zeros(n_bins)

    def add(
        self,
        times: npt.NDArray[np.uint32],
        phases: npt.NDArray[np.float32],
        counts: npt.NDArray[np.int64],
        dead_us: npt.NDArray[np.float64],
    ) -> None:
        """Add all photons of one pixel."""
        start, stop, width = *self._window_us, self.width_us
        add_times(times, phases, start, stop, width, *self._phase_deg, counts)
        if self._dead_time_us > 0:
            add_dead_time(times, self.gaps, self._dead_time_us, start, stop, width, dead_us)


def light_curve(
    pixels: tuple[tuple[int, int], ...], photons: Iterable[Columns], bins: BinsOfTime
) -> LightCurve:
    """Bin the photons of one pixel or several.

    Parameters
    ----------
    pixels : tuple of (x, y)
        At least one, all different.
    photons : iterable of (times, phases)
        All photons of each pixel, in any order of the pixels.
    bins : BinsOfTime
    """
    counts, dead_us = bins.empty()
    for times, phases in photons:
        bins.add(times, phases, counts, dead_us)
    return _curve(pixels, counts, dead_us, bins)


def sum_of_rows(
    pixels: tuple[tuple[int, int], ...],
    rows: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]],
    bins: BinsOfTime,
) -> LightCurve:
    """Add up pixels that were binned one by one: counts and dead time [us] of each."""
    counts, dead_us = bins.empty()
    for some, dead in rows:
        counts += some
        dead_us += dead
    return _curve(pixels, counts, dead_us, bins)


def _curve(
    pixels: tuple[tuple[int, int], ...],
    counts: npt.NDArray[np.int64],
    dead_us: npt.NDArray[np.float64],
    bins: BinsOfTime,
) -> LightCurve:
    open_us = live_time_us(bins.edges_us, bins.gaps)
    alive_us = open_us - dead_us / len(pixels)
    return LightCurve(
        pixels=pixels,
        bin_s=bins.width_us / 1e6,
        edges_s=bins.edges_us / 1e6,
        counts=counts,
        live_time_s=alive_us / 1e6,
        open_time_s=open_us / 1e6,
    )
