"""The likelihood over (Ic, Is), for confidence contours; at each of them with the Ip that suits it best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.speckle.fit import NO_PRIORS, log_posterior
from pipeline_core.speckle.likelihood import BinModel, scratch_size

__all__ = ["CONTOUR_DROPS", "CONTOUR_LEVELS", "LikelihoodMap", "likelihood_map"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CONTOUR_LEVELS = (0.6827, 0.9545, 0.9973)
CONTOUR_DROPS = (1.15, 3.09, 5.92)
"""Of ln L, for these probabilities and two parameters: half of the chi-square quantiles of two degrees of freedom."""

_MOST_STEPS = 50
_NO_GAIN = 1e-4
"""Of ln L, when looking for the best Ip."""


@dataclass(frozen=True, eq=False)
class LikelihoodMap:
    """How far ln L lies below its maximum.

    Attributes
    ----------
    ic_cps, is_cps : ndarray of float64, shape (n,), (m,)
        Axes.
    drop : ndarray of float64, shape (n, m)
        ``ln L(max) - ln L``, with priors, as if bins were independent; at least 0. Where Ip is fitted, the largest ln L
        over all Ip of at least 0 (profile likelihood).
    inflation : float
        Correlated bins raise variances by this much: contours are at ``inflation * CONTOUR_DROPS``. 1 if unknown.
    """

    ic_cps: FloatArray
    is_cps: FloatArray
    drop: FloatArray
    inflation: float

    @property
    def levels(self) -> tuple[float, ...]:
        """Drops at which the contours of `CONTOUR_LEVELS` lie."""
        return tuple(self.inflation * one for one in CONTOUR_DROPS)


@kernel
def _with_best_ip(
    occurrences: IntArray,
    ic: float,
    is_: float,
    start: float,
    model: BinModel,
    priors: FloatArray,
    ratios: FloatArray,
    longest: float,
) -> tuple[float, float]:
    """Return the largest ln L over Ip, and that Ip: Newton steps from `start` by differences, none longer than that.

    ln L has one maximum, as counts of steady light are added to those of speckles.
    """
    step = 2e-3 * longest
    at = start
    here = log_posterior(occurrences, ic, is_, at, model, priors, ratios)
    for _ in range(_MOST_STEPS):
        middle = max(at, step)
        low = log_posterior(occurrences, ic, is_, middle - step, model, priors, ratios)
        mid = (
            here
            if middle == at
            else log_posterior(occurrences, ic, is_, middle, model, priors, ratios)
        )
        high = log_posterior(occurrences, ic, is_, middle + step, model, priors, ratios)
        slope, bend = 0.5 * (high - low) / step, (high - 2.0 * mid + low) / (step * step)
        move = -slope / bend if bend < 0.0 else math.copysign(longest, slope)
        there = max(middle + min(max(move, -longest), longest), 0.0)
        value = log_posterior(occurrences, ic, is_, there, model, priors, ratios)
        while value < here and abs(there - at) > 1e-3 * step:
            there = 0.5 * (there + at)
            value = log_posterior(occurrences, ic, is_, there, model, priors, ratios)
        gain = value - here
        if gain > 0.0:
            at, here = there, value
        if gain < _NO_GAIN:
            break
    return here, at


@kernel
def _fill(
    occurrences: IntArray,
    ic: FloatArray,
    is_: FloatArray,
    ip: float,
    with_ip: bool,
    model: BinModel,
    priors: FloatArray,
    out: FloatArray,
) -> None:
    ratios = np.empty(scratch_size(occurrences.size - 1, model.dead))
    longest = 0.25 * (ic[-1] + is_[-1] + ip)
    first = ip
    for i in range(ic.size):
        best = first
        for j in range(is_.size):
            where = occurrences, ic[i], is_[j]
            if not with_ip:
                out[i, j] = log_posterior(*where, ip, model, priors, ratios)
                continue
            # the neighbour's Ip is close
            out[i, j], best = _with_best_ip(*where, best, model, priors, ratios, longest)
            if j == 0:
                first = best


def likelihood_map(
    occurrences: IntArray,
    model: BinModel,
    values: FloatArray,
    errors: FloatArray,
    inflation: float = 1.0,
    *,
    with_ip: bool = False,
    priors: FloatArray = NO_PRIORS,
    size: int = 61,
) -> LikelihoodMap:
    """Return the likelihood around its maximum.

    Parameters
    ----------
    occurrences : ndarray of int64, shape (n,)
        Histogram of counts.
    model : BinModel
    values, errors : ndarray of float64, shape (3,)
        Maximum and sigmas, counts/s: the axes reach over 4.5 sigmas.
    inflation : float
    with_ip : bool
        Whether Ip was fitted.
    priors : ndarray of float64, shape (3, 2)
        As `fit.prior_array` makes them.
    size : int
        Points of an axis.
    """
    mean = float(values.sum())
    axes = []
    for value, error in zip(values[:2], errors[:2], strict=True):
        wide = error if np.isfinite(error) and error > 0 else 0.3 * mean
        low = max(value - 4.5 * wide, 1e-4 * mean)
        axes.append(np.linspace(low, max(value + 4.5 * wide, 2.0 * low), size))
    found = np.empty((size, size))
    _fill(occurrences, axes[0], axes[1], float(values[2]), with_ip, model, priors, found)
    ratios = np.empty(scratch_size(occurrences.size - 1, model.dead))
    ic, is_, ip = (float(one) for one in values)
    top = max(log_posterior(occurrences, ic, is_, ip, model, priors, ratios), float(found.max()))
    known = inflation if np.isfinite(inflation) else 1.0
    return LikelihoodMap(axes[0], axes[1], top - found, known)
