"""What is made of one pixel's counts: fit, errors, quality, test for a companion. Called in threads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.speckle.bias import FAR_FROM_BOUND, NEAR_BOUND, bound_bias, multipliers
from pipeline_core.speckle.binning import BinnedPixel, TimeBins
from pipeline_core.speckle.blocks import (
    LEAST_BLOCKS,
    block_covariance,
    block_histograms,
    block_numbers,
    cell_test,
    fill_scores,
    lengthen_blocks,
)
from pipeline_core.speckle.correlation import pairs_of
from pipeline_core.speckle.fit import bound_errors, fit_kernel, prior_array
from pipeline_core.speckle.likelihood import BinModel, bin_model
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.speckle.status import PixelStatus

__all__ = [
    "Measured",
    "PixelWork",
    "companion_chance",
    "goodness",
    "measure",
    "pixel_work",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NAMES = ("ic", "is", "ip")

_TAUS_A_BLOCK = (5.0, 20.0)
"""Blocks of 5 tau are a little correlated, which `lengthen_blocks` mends: longer ones where there is time."""
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
    def bins_a_block(self) -> int:
        """Length of a block."""
        seconds = self.settings.block_s
        if seconds is None:
            tau = self.tau_s or 0.0
            shortest, longest = (one * tau for one in _TAUS_A_BLOCK)
            seconds = min(max(self.bins.used_s / _BLOCKS_WANTED, shortest), longest)
        wide = math.ceil(seconds / self.bins.width_s - 1e-9)
        return max(wide, _BINS_A_BLOCK)

    @cached_property
    def blocks(self) -> IntArray:
        """Number of the block of each bin that is used."""
        return block_numbers(self.bins.used, self.bins_a_block)

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return int(self.blocks[-1]) + 1 if self.blocks.size else 0

    @cached_property
    def pairs(self) -> FloatArray:
        """Pairs of bins at each lag."""
        return pairs_of(self.bins.used)

    @cached_property
    def times(self) -> tuple[float, float, float]:
        """Decorrelation time (0 if it is not known), length of a block, and time that is used, s."""
        return self.tau_s or 0.0, self.bins_a_block * self.bins.width_s, self.bins.used_s

    @cached_property
    def multipliers(self) -> FloatArray:
        """Weights of blocks by which the bias is found; none where it is not corrected: with Ip, or priors."""
        settings = self.settings
        if settings.with_ip or any(settings.priors) or self.n_blocks < LEAST_BLOCKS:
            return np.empty((0, self.n_blocks))
        return multipliers(self.n_blocks)

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
    maximum : ndarray of float64, shape (3,)
        Ic, Is, Ip where the likelihood is largest, counts/s.
    values : ndarray of float64, shape (3,)
        Estimates: the maximum less its bias where Ic is below Is (see `bias`; not with Ip or priors).
    hessian, blocks : ndarray of float64, shape (3, 3)
        Covariances from the curvature, and from blocks (NaN with too few); NaN for components at a bound.
    stretch : ndarray of float64, shape (3,)
        Ratio of errors from blocks to the spread of their bootstrap, which knows neither that blocks are correlated a
        little nor that their mean is not the true one; 1 if unknown.
    bound_errors : ndarray of float64, shape (3,)
        Of components at a bound: where ln L falls by 1/2; NaN for the others.
    bound_sigma : float
        Sigma of Ic at constant mean by resampling, where it is so small that curvatures do not tell it; else NaN.
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
    maximum: FloatArray
    values: FloatArray
    hessian: FloatArray
    blocks: FloatArray
    stretch: FloatArray
    bound_errors: FloatArray
    bound_sigma: float
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
        errors = self._errors(self.blocks, math.sqrt(self.inflation))
        if math.isfinite(self.bound_sigma):
            of_mean = float(np.nansum(self.blocks[:2, :2]))
            errors[0], errors[1] = (
                self.bound_sigma,
                math.hypot(self.bound_sigma, math.sqrt(of_mean)),
            )
        return errors

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
    times: tuple[float, float, float],
    multipliers: FloatArray,
    values: FloatArray,
    hessian: FloatArray,
    spread: FloatArray,
    plain: FloatArray,
    limits: FloatArray,
) -> tuple[int, float, float, float, int, float, float]:
    """Return status, ln L, ln L without Ip, T^2 and its degrees of freedom, bias and sigma of Ic; fill the arrays."""
    free = np.empty(3, np.bool_)
    without = np.nan
    if with_ip:
        _, without = fit_kernel(occurrences, model, priors, False, values, hessian, free)
    status, top = fit_kernel(occurrences, model, priors, with_ip, values, hessian, free)
    bound_errors(occurrences, model, priors, with_ip, values, top, limits)
    if n_blocks < LEAST_BLOCKS:
        return status, top, without, np.nan, 0, 0.0, np.nan
    histograms = np.zeros((n_blocks, occurrences.size), np.int64)
    block_histograms(counts, blocks, histograms)
    probabilities, scores = np.empty(occurrences.size), np.empty((3, occurrences.size))
    fill_scores(values, free, model, probabilities, scores)
    block_covariance(histograms, scores, values, hessian, priors, spread)
    distance, freedom = cell_test(histograms, probabilities, scores, values, hessian)
    plain[:] = spread
    lengthen_blocks(spread, hessian, values, *times)
    bias, sigma = 0.0, np.nan
    near = not values[0] > FAR_FROM_BOUND * math.sqrt(spread[1, 1])
    if near and values[1] > 0.0 and multipliers.shape[0]:
        raised = math.sqrt(spread[1, 1] / plain[1, 1])
        if np.isnan(raised):  # the curvature vanishes
            raised = 1.0
        bias, found = bound_bias(histograms, values[0], values[1], model, multipliers, raised)
        if values[0] < NEAR_BOUND * found:
            sigma = found
    return status, top, without, distance, freedom, bias, sigma


def measure(one: BinnedPixel, work: PixelWork) -> Measured:
    """Fit one pixel; it must hold a photon."""
    counts = one.counts[work.bins.used]
    occurrences = np.bincount(counts)
    model = work.model_of(one)
    with_ip = work.settings.with_ip
    maximum, limits = np.empty(3), np.full(3, np.nan)
    hessian, spread, plain = (np.full((3, 3), np.nan) for _ in range(3))
    data = counts, work.blocks, work.n_blocks, occurrences
    code, top, without, distance, freedom, bias, sigma = _measure(
        *data,
        model,
        work.priors,
        with_ip,
        work.times,
        work.multipliers,
        maximum,
        hessian,
        spread,
        plain,
        limits,
    )
    values = _without_bias(maximum, bias)
    status = PixelStatus(code)
    if status == PixelStatus.OK and values[0] == 0.0:
        status = PixelStatus.AT_BOUND
    return Measured(
        status=status,
        maximum=maximum,
        values=values,
        hessian=hessian,
        blocks=spread,
        stretch=_stretch(spread, plain, work.n_blocks),
        bound_errors=limits,
        bound_sigma=sigma,
        log_likelihood=top,
        p_value=goodness(distance, freedom, work.n_blocks),
        likelihood_ratio=max(2.0 * (top - without), 0.0) if with_ip else math.nan,
        occurrences=occurrences,
        model=model,
    )


def _without_bias(maximum: FloatArray, bias: float) -> FloatArray:
    """Return Ic less its bias, and not below 0; Is takes the rest of the mean, which has no bias."""
    values = maximum.copy()
    if bias == 0.0:
        return values
    values[0] = min(max(maximum[0] - bias, 0.0), maximum[0] + maximum[1])
    values[1] = maximum[0] + maximum[1] - values[0]
    return values


def _stretch(spread: FloatArray, plain: FloatArray, n_blocks: int) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        raised = np.sqrt(np.diag(spread) / np.diag(plain) * n_blocks / (n_blocks - 1.0))
    stretch: FloatArray = np.where(np.isfinite(raised), raised, 1.0)
    return stretch


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
