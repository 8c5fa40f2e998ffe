"""Which pixels jump: light curves against those of the pixels around. Arrays are [x, y], bins of time first.

A good pixel follows its surroundings: clouds and seeing move all of them, and speckles that boil make all pixels of
their neighbourhood restless. So the variance of a pixel's share of the light around it, less photon noise, is compared
with that of its neighbours, not with zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.badpixels._kernels import box_statistics

__all__ = ["Flicker", "flickering"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_BOX = 5
_LEAST_BINS = 4


@dataclass(frozen=True, eq=False)
class Flicker:
    """What light curves tell.

    Attributes
    ----------
    unstable : ndarray of bool, shape (ncols, nrows)
    share : ndarray of float64, shape (ncols, nrows)
        By what part of its mean a pixel's rate scatters, photon noise apart; NaN where it cannot be said.
    deviation : ndarray of float64, shape (n_bins, ncols, nrows)
        In sigmas of photon noise, how far each bin lies from the pixel's mean share of its surroundings.
    """

    unstable: BoolArray
    share: FloatArray
    deviation: FloatArray


def flickering(
    cube: npt.NDArray[np.integer],
    usable: BoolArray,
    n_sigma: float,
    least_share: float,
    neighbours: BoolArray | None = None,
) -> Flicker:
    """Find pixels whose rate jumps.

    Parameters
    ----------
    cube : ndarray of integers, shape (n_bins, ncols, nrows)
        Counts. Bins may be of different lengths.
    usable : ndarray of bool, shape (ncols, nrows)
        Pixels to be judged.
    n_sigma : float
        How far above its neighbours' a pixel's restlessness must be.
    least_share : float
        And by what part of its mean it must scatter at least.
    neighbours : ndarray of bool, shape (ncols, nrows), optional
        Pixels to judge by; default: the same.
    """
    counts = np.asarray(cube, np.float64)
    n_bins = counts.shape[0]
    nothing = np.zeros(counts.shape[1:], bool)
    if n_bins < _LEAST_BINS or not usable.any():
        return Flicker(nothing, np.full(nothing.shape, np.nan), np.zeros(counts.shape))
    calm = usable if neighbours is None else usable & neighbours
    around = np.stack([_box_sum(image) for image in np.where(calm, counts, 0.0)])
    around -= np.where(calm, counts, 0.0)
    total, total_around = counts.sum(axis=0), around.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share_of_time = around / total_around
        expected = total * share_of_time
        noise = expected * (1 + np.where(around > 0, expected / around, 0.0))
        deviation = np.where(noise > 0, (counts - expected) / np.sqrt(noise), 0.0)
    chi2 = (deviation**2).sum(axis=0) / (n_bins - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.maximum((counts - expected) ** 2 - noise, -np.inf).sum(axis=0) / (n_bins - 1)
        share = np.sqrt(np.maximum(excess, 0.0)) / (total / n_bins)
    seen = usable & (total > 0) & (total_around > 0)
    unstable = seen & _outstanding(chi2, seen & calm, n_bins, n_sigma) & (share > least_share)
    return Flicker(unstable, np.where(seen, share, np.nan), deviation)


def _outstanding(chi2: FloatArray, seen: BoolArray, n_bins: int, n_sigma: float) -> BoolArray:
    """Tell which pixels are more restless than those around them: in logarithms, against their median and scatter."""
    logs = np.log(np.maximum(chi2, 1e-3))
    out = np.empty((4, *chi2.shape))
    number = np.empty(chi2.shape, np.int64)
    box_statistics(np.where(seen, logs, 0.0), seen, _BOX // 2, out, number)
    median, _, robust, _ = out
    # chi2 of n - 1 degrees of freedom scatters by root(2 / (n - 1)), and its tail is longer
    least = np.sqrt(2 / (n_bins - 1))
    spread = np.maximum(np.where(number >= 5, robust, least), least)
    limit = np.maximum(np.where(np.isfinite(median), median, 0.0), 0.0) + n_sigma * spread
    found: BoolArray = logs > limit
    return found


def _box_sum(image: FloatArray) -> FloatArray:
    """Return the sum over the box around each pixel."""
    half = _BOX // 2
    wide = np.pad(image, ((half + 1, half), (half + 1, half))).cumsum(axis=0).cumsum(axis=1)
    ncols, nrows = image.shape
    sums: FloatArray = (
        wide[_BOX:, _BOX:] - wide[:-_BOX, _BOX:] - wide[_BOX:, :-_BOX] + wide[:-_BOX, :-_BOX]
    )[:ncols, :nrows]
    return sums
