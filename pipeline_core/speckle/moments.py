"""Intensities from the moments of counts: the start of every fit, and the quantities that need no fit.

Formulas: the counts' factorial cumulants are the cumulants of the light. Dead time: a bin of n counts was alive for
``w - n t0``, so with r the recorded rate and ``f = 1 - r t0`` the rate is ``r / f`` and the excess variance
``(var - n f^2) / f^4``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.speckle.averaging import Averaging
from pipeline_core.speckle.likelihood import BinModel

__all__ = ["Moments", "intensities_of_moments", "moment_estimate", "moments_of", "start_values"]

IntArray = npt.NDArray[np.int64]

_LEAST_SHARE = 0.02


class Moments(NamedTuple):
    """Of recorded counts in bins: number of bins, mean, unbiased variance, third central moment."""

    n_bins: int
    mean: float
    variance: float
    third: float


@kernel
def moments_of(occurrences: IntArray) -> Moments:
    """Return the moments of a histogram of counts; NaN where there are too few bins."""
    n_bins, total = 0, 0.0
    for n in range(occurrences.size):
        n_bins += occurrences[n]
        total += float(n) * occurrences[n]
    mean = total / n_bins if n_bins else math.nan
    second, third = 0.0, 0.0
    for n in range(occurrences.size):
        off = n - mean
        second += occurrences[n] * off * off
        third += occurrences[n] * off * off * off
    variance = second / (n_bins - 1) if n_bins > 1 else math.nan
    return Moments(n_bins, mean, variance, third / n_bins if n_bins else math.nan)


@kernel
def intensities_of_moments(found: Moments, model: BinModel) -> tuple[float, float]:
    """Return mean rate (counts/s) and excess variance ((counts/s)^2) of the light, corrected for dead time.

    The excess is that of intensities averaged over a bin. Below 0 by chance where there are no speckles.
    """
    alive = max(1.0 - found.mean * model.dead, 1e-3)
    mean = found.mean / alive
    if found.n_bins < 2:
        return mean / model.width_s, 0.0
    excess = (found.variance - found.mean * alive * alive) / alive**4
    return mean / model.width_s, excess / (model.width_s * model.width_s)


@kernel
def _speckle_share(excess: float, left: Averaging) -> float:
    """Return Is over the mean for an excess variance over the mean squared, without a steady part."""
    # excess = speckle2 s^2 + 2 s (1 - s) mixed2; the root that goes to 0 with the excess
    bend = 2.0 * left.mixed2 - left.speckle2
    inside = left.mixed2 * left.mixed2 - bend * excess
    if inside <= 0.0:
        return 1.0
    return (left.mixed2 - math.sqrt(inside)) / bend


@kernel
def moment_estimate(found: Moments, model: BinModel) -> tuple[float, float]:
    """Return Ic and Is (counts/s) that give mean and variance without a steady part; 0 where one would be below 0."""
    mean, excess = intensities_of_moments(found, model)
    share = _speckle_share(min(max(excess / (mean * mean), 0.0), 1.0), model.left)
    share = min(max(share, 0.0), 1.0)
    return (1.0 - share) * mean, share * mean


@kernel
def start_values(found: Moments, model: BinModel, with_ip: bool) -> tuple[float, float, float]:
    """Return intensities in counts/s from which a fit begins: none is 0, whatever the moments say."""
    mean, excess = intensities_of_moments(found, model)
    share = _speckle_share(min(max(excess / (mean * mean), 0.0), 1.0), model.left)
    speckle = min(max(share, _LEAST_SHARE), 1.0 - _LEAST_SHARE)
    if not with_ip:
        return (1.0 - speckle) * mean, speckle * mean, 0.0
    # third factorial cumulant: k3 - 3 k2 + 2 k1 of the counts
    width = model.width_s
    variance = found.variance if found.n_bins > 1 else found.mean
    half_third = 0.5 * (found.third - 3.0 * variance + 2.0 * found.mean) / width**3
    root = math.sqrt(max(excess, 1e-12 * mean * mean))
    sine = min(max(half_third / root**3, 0.05), 1.0)
    speckle = min(2.0 * root * math.sin(math.asin(sine) / 3.0), (1.0 - 2.0 * _LEAST_SHARE) * mean)
    speckle = max(speckle, _LEAST_SHARE * mean)
    coherent = max((root * root - speckle * speckle) / (2.0 * speckle), _LEAST_SHARE * mean)
    coherent = min(coherent, mean - speckle - _LEAST_SHARE * mean)
    return coherent, speckle, mean - speckle - coherent
