"""What is made of one pixel's counts: moments, fit, errors, quality, decorrelation. Called in threads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.speckle.binning import BinnedPixel, TimeBins
from pipeline_core.speckle.blocks import (
    LEAST_BLOCKS,
    block_covariance,
    block_histograms,
    block_numbers,
    bootstrap_kernel,
    cell_test,
    fill_scores,
)
from pipeline_core.speckle.correlation import decorrelation, pairs_of
from pipeline_core.speckle.fit import bound_errors, fit_kernel, prior_array
from pipeline_core.speckle.likelihood import BinModel, bin_model
from pipeline_core.speckle.moments import intensities_of_moments, moments_of
from pipeline_core.speckle.result import quantities_of
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.speckle.status import PixelStatus

__all__ = [
    "Measured",
    "PixelWork",
    "bootstrap_of",
    "companion_chance",
    "fit_pixel",
    "goodness",
    "measure",
    "pixel_work",
    "sample_errors",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NAMES = ("ic", "is", "ip")
_SIGNIFICANT = 2.0
_TAUS_A_BLOCK = (5.0, 20.0)
"""Blocks of 5 tau are a little correlated, errors from them 5 to 10 % too small: longer ones where there is time."""
_BLOCKS_WANTED = 60
_BINS_A_BLOCK = 5


@dataclass(frozen=True, eq=False)
class PixelWork:
    """What is the same for all pixels of a step of time.

    Attributes
    ----------
    bins : TimeBins
    settings : SpeckleSettings
    dead_time_us : float
        0 where it is not to be corrected.
    tau_s : float or None
        Decorrelation time, for blocks and for the averaging in bins.
    """

    bins: TimeBins
    settings: SpeckleSettings
    dead_time_us: float
    tau_s: float | None

    @cached_property
    def blocks(self) -> IntArray:
        """Number of the block of each bin that is used."""
        seconds = self.settings.block_s
        if seconds is None:
            tau = self.tau_s or 0.0
            shortest, longest = (one * tau for one in _TAUS_A_BLOCK)
            seconds = min(max(self.bins.used_s / _BLOCKS_WANTED, shortest), longest)
        wide = math.ceil(seconds / self.bins.width_s - 1e-9)
        return block_numbers(self.bins.used, max(wide, _BINS_A_BLOCK))

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return int(self.blocks[-1]) + 1 if self.blocks.size else 0

    @cached_property
    def pairs(self) -> FloatArray:
        """Pairs of bins at each lag."""
        return pairs_of(self.bins.used)

    @cached_property
    def priors(self) -> FloatArray:
        """As the kernels take them."""
        return prior_array(self.settings.priors)

    def model_of(self, one: BinnedPixel) -> BinModel:
        """Return what a bin of this pixel is."""
        others = max(one.recorded - int(one.counts.sum()), 0)
        seconds = self.bins.n_bins * self.bins.width_s
        return bin_model(
            self.bins.width_s,
            tau_s=self.tau_s if self.settings.correct_bin_width else None,
            dead_time_us=self.dead_time_us,
            other_cps=others / seconds,
        )


def pixel_work(
    bins: TimeBins, settings: SpeckleSettings, dead_time_us: float, tau_s: float | None
) -> PixelWork:
    """Return what is the same for all pixels; `dead_time_us` is that of the photon file."""
    return PixelWork(bins, settings, settings.dead_time_of(dead_time_us), tau_s)


@dataclass(frozen=True, eq=False)
class Measured:
    """The fit of one pixel with its errors.

    Attributes
    ----------
    status : PixelStatus
    values : ndarray of float64, shape (3,)
        Ic, Is, Ip, counts/s.
    hessian, blocks : ndarray of float64, shape (3, 3)
        Covariances from the curvature, and from blocks (NaN with too few); NaN for components at a bound.
    bound_errors : ndarray of float64, shape (3,)
        Of components at a bound: where ln L falls by 1/2; NaN for the others.
    log_likelihood : float
    p_value : float
        Of the fit; NaN where there are too few blocks or different counts.
    likelihood_ratio : float
        ``2 (ln L - ln L of the fit without Ip)``; NaN without Ip.
    occurrences : ndarray of int64, shape (n,)
        Histogram of the counts.
    model : BinModel
    """

    status: PixelStatus
    values: FloatArray
    hessian: FloatArray
    blocks: FloatArray
    bound_errors: FloatArray
    log_likelihood: float
    p_value: float
    likelihood_ratio: float
    occurrences: IntArray
    model: BinModel

    @property
    def hessian_errors(self) -> FloatArray:
        """Sigmas of Ic, Is, Ip from the curvature; of components at a bound see `bound_errors`."""
        return self._errors(self.hessian, 1.0)

    @property
    def block_errors(self) -> FloatArray:
        """Sigmas of Ic, Is, Ip from blocks; `bound_errors` are raised as much as sigmas are on average."""
        return self._errors(self.blocks, math.sqrt(self.inflation))

    @property
    def inflation(self) -> float:
        """By how much correlated bins raise the variance of Ic and Is over what the curvature says, on average."""
        part = slice(0, 2)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.diag(self.blocks)[part] / np.diag(self.hessian)[part]
        known = ratio[np.isfinite(ratio)]
        return max(float(known.mean()), 1.0) if known.size else math.nan

    @property
    def companion_p(self) -> float:
        """Chance of such a likelihood ratio, or a larger one, without Ip."""
        return companion_chance(self.likelihood_ratio, self.hessian[2, 2], self.blocks[2, 2])

    def _errors(self, covariance: FloatArray, raised: float) -> FloatArray:
        errors = np.sqrt(np.diag(covariance))
        found: FloatArray = np.where(np.isnan(errors), raised * self.bound_errors, errors)
        return found


@kernel
def _measure(
    counts: IntArray,
    blocks: IntArray,
    n_blocks: int,
    occurrences: IntArray,
    model: BinModel,
    priors: FloatArray,
    with_ip: bool,
    values: FloatArray,
    hessian: FloatArray,
    spread: FloatArray,
    limits: FloatArray,
) -> tuple[int, float, float, float, int]:
    """Return status, ln L, ln L without Ip, T^2 and its degrees of freedom; fill the arrays."""
    free = np.empty(3, np.bool_)
    without = np.nan
    if with_ip:
        _, without = fit_kernel(occurrences, model, priors, False, values, hessian, free)
    status, top = fit_kernel(occurrences, model, priors, with_ip, values, hessian, free)
    bound_errors(occurrences, model, priors, with_ip, values, top, limits)
    if n_blocks < LEAST_BLOCKS:
        return status, top, without, np.nan, 0
    histograms = np.zeros((n_blocks, occurrences.size), np.int64)
    block_histograms(counts, blocks, histograms)
    probabilities, scores = np.empty(occurrences.size), np.empty((3, occurrences.size))
    fill_scores(values, free, model, probabilities, scores)
    block_covariance(histograms, scores, values, hessian, priors, spread)
    distance, freedom = cell_test(histograms, probabilities, scores, values, hessian)
    return status, top, without, distance, freedom


def measure(one: BinnedPixel, work: PixelWork) -> Measured:
    """Fit one pixel; it must hold a photon."""
    counts = one.counts[work.bins.used]
    occurrences = np.bincount(counts)
    model = work.model_of(one)
    with_ip = work.settings.with_ip
    values, limits = np.empty(3), np.full(3, np.nan)
    hessian, spread = np.full((3, 3), np.nan), np.full((3, 3), np.nan)
    data = counts, work.blocks, work.n_blocks, occurrences
    status, top, without, distance, freedom = _measure(
        *data, model, work.priors, with_ip, values, hessian, spread, limits
    )
    return Measured(
        status=PixelStatus(status),
        values=values,
        hessian=hessian,
        blocks=spread,
        bound_errors=limits,
        log_likelihood=top,
        p_value=goodness(distance, freedom, work.n_blocks),
        likelihood_ratio=max(2.0 * (top - without), 0.0) if with_ip else math.nan,
        occurrences=occurrences,
        model=model,
    )


def goodness(distance: float, freedom: int, n_blocks: int) -> float:
    """Return the p-value of Hotelling's T^2 of so many degrees of freedom from so many blocks; NaN if unknown."""
    if not (freedom and math.isfinite(distance)):
        return math.nan
    from scipy.special import fdtrc  # here: what reads photons need not wait for it

    rest = n_blocks - freedom
    return float(fdtrc(freedom, rest, distance * rest / (freedom * (n_blocks - 1))))


def companion_chance(ratio: float, curvature: float, blocks: float) -> float:
    """Return the chance of a likelihood ratio without a companion.

    Ip cannot be below 0: half of the ratios are 0, half follow chi-square of one degree of freedom (Self & Liang 1987).
    Correlated bins raise them by the ratio of the true variance of Ip to that of the curvature.

    Parameters
    ----------
    ratio : float
    curvature, blocks : float
        Variances of Ip; NaN for none.
    """
    if math.isnan(ratio):
        return math.nan
    if ratio == 0.0 or math.isnan(curvature):
        return 1.0
    raised = max(blocks / curvature, 1.0) if math.isfinite(blocks) else 1.0
    return 0.5 * math.erfc(math.sqrt(0.5 * ratio / raised))


def bootstrap_of(one: BinnedPixel, work: PixelWork, n_resamples: int, seed: int) -> FloatArray:
    """Return Ic, Is, Ip of resamples of blocks, counts/s.

    Returns
    -------
    ndarray of float64, shape (n_resamples, 3)
        NaN where a resample holds no photon, and of Ip if it is not fitted; no rows with too few blocks.
    """
    if work.n_blocks < LEAST_BLOCKS:
        return np.empty((0, 3))
    counts = one.counts[work.bins.used]
    histograms = np.zeros((work.n_blocks, int(counts.max()) + 1), np.int64)
    block_histograms(counts, work.blocks, histograms)
    out = np.empty((n_resamples, 3))
    rng = np.random.default_rng((seed, *one.pixel))
    with_ip = work.settings.with_ip
    bootstrap_kernel(rng, histograms, work.model_of(one), work.priors, with_ip, out)
    if not with_ip:
        out[:, 2] = np.nan
    return out


def sample_errors(samples: FloatArray) -> FloatArray:
    """Return the standard deviations of Ic, Is, Ip of resamples; NaN where there are none."""
    errors = np.full(3, np.nan)
    for k in range(3):
        known = samples[np.isfinite(samples[:, k]), k]
        if known.size > 1:
            errors[k] = known.std(ddof=1)
    return errors


def fit_pixel(one: BinnedPixel, work: PixelWork) -> dict[str, float]:
    """Return every quantity of one pixel; NaN for what it has not."""
    settings = work.settings
    row = dict.fromkeys(quantities_of(settings), math.nan)
    counts = one.counts[work.bins.used]
    photons = int(counts.sum())
    row["photons"], row["bins"] = photons, counts.size
    row["status"] = PixelStatus.TOO_FEW_PHOTONS
    if photons < settings.least_photons or counts.size < settings.least_bins:
        return row
    found = measure(one, work)
    row["status"], row["p_value"] = found.status, found.p_value
    moments = moments_of(found.occurrences)
    row["fano"] = moments.variance / moments.mean
    row["excess"] = intensities_of_moments(moments, found.model)[1]
    own = decorrelation(
        one.counts, work.bins.used, work.bins.width_s, work.dead_time_us, work.pairs
    )
    row["tau"], row["tau_error"] = own.tau_s, own.error_s
    errors = found.block_errors
    if settings.bootstrap:
        samples = bootstrap_of(one, work, settings.bootstrap, settings.seed)
        if samples.size:
            errors = sample_errors(samples)
    for k, name in enumerate(NAMES[: settings.n_parameters]):
        row[name] = found.values[k]
        row[f"{name}_hessian"], row[f"{name}_error"] = found.hessian_errors[k], errors[k]
    if row["is"] > _SIGNIFICANT * row["is_error"]:
        row["ic_over_is"] = row["ic"] / row["is"]
    if settings.with_ip:
        row["companion_p"] = found.companion_p
        if row["ip_error"] > 0:
            row["ip_over_sigma"] = row["ip"] / row["ip_error"]
    return row
