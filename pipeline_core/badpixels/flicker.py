"""Which pixels jump: light curves against those of the pixels around. Arrays are [x, y], bins of time first.

A good pixel follows its surroundings: clouds and seeing move all of them, and speckles that boil move those of one
place. So each bin is predicted from the neighbours in the same bin, and the light curve is fitted by gain times
prediction plus a constant: sensitivity, and what a steadily hot pixel has for itself. The variance that is left over,
in units of photon noise, is compared with that of the neighbours, not with one: no prediction is perfect.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.badpixels._kernels import box_statistics, follow

__all__ = ["Flicker", "flickering"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_BOX = 7
_THREADS = 2
_LEAST_BINS = 4
_SCATTER = 0.15
"""By what part of their counts good pixels differ, about: how much a single neighbour is to be trusted."""
_FEW_NEIGHBOURS = 5
_TAIL = 2.0
"""Where neighbours differ by more than noise, their distribution has a tail: so many times that is a sigma."""


@dataclass(frozen=True, eq=False)
class Flicker:
    """What light curves tell.

    Attributes
    ----------
    unstable : ndarray of bool, shape (ncols, nrows)
    share : ndarray of float64, shape (ncols, nrows)
        By what part of its mean a pixel's rate scatters, photon noise apart; NaN where it cannot be said.
    deviation : ndarray of float64, shape (n_bins, ncols, nrows)
        In sigmas of photon noise, how far each bin lies from what the surroundings let expect; 0 where it cannot be
        said.
    """

    unstable: BoolArray
    share: FloatArray
    deviation: FloatArray


def flickering(
    cube: npt.NDArray[np.integer],
    usable: BoolArray,
    n_sigma: float,
    least_share: float,
    fwhm: float,
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
    fwhm : float
        Of the narrowest image of a star, in pixels.
    neighbours : ndarray of bool, shape (ncols, nrows), optional
        Pixels to judge by; default: the same.
    """
    n_bins = cube.shape[0]
    calm = usable if neighbours is None else usable & neighbours
    if n_bins < _LEAST_BINS or not calm.any():
        nothing = np.zeros(usable.shape, bool)
        return Flicker(nothing, np.full(usable.shape, np.nan), np.zeros(cube.shape))
    curves = np.ascontiguousarray(np.moveaxis(cube, 0, -1), np.float64)
    first = _judged(curves, usable, calm, n_sigma, least_share, fwhm)
    # those that jump are nobody's measure: pixels that were found for their neighbours' sake are cleared
    return _judged(curves, usable, calm & ~first.unstable, n_sigma, least_share, fwhm)


def _judged(
    curves: FloatArray,
    usable: BoolArray,
    calm: BoolArray,
    n_sigma: float,
    least_share: float,
    fwhm: float,
) -> Flicker:
    """Judge light curves (ncols, nrows, n_bins) by those of calm pixels."""
    n_bins = curves.shape[-1]
    expected, variance = _expected(curves, calm, fwhm)
    noise = np.maximum(expected, 0.5) + variance
    residual = curves - expected
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.nan_to_num(residual / np.sqrt(noise))
        chi2 = np.sum(deviation**2, axis=-1) / max(n_bins - 2, 1)
        excess = np.sum(residual**2 - noise, axis=-1) / max(n_bins - 2, 1)
        share = np.sqrt(np.maximum(excess, 0.0)) / curves.mean(axis=-1)
    seen = usable & np.isfinite(share)
    unstable = seen & (share > least_share) & _outstanding(chi2, seen & calm, n_bins, n_sigma)
    return Flicker(unstable, np.where(seen, share, np.nan), np.moveaxis(deviation, -1, 0))


def _expected(curves: FloatArray, calm: BoolArray, fwhm: float) -> tuple[FloatArray, FloatArray]:
    """Return what the surroundings let expect in each bin, and its variance of photon noise; (ncols, nrows, n_bins)."""
    value, variance = np.empty(curves.shape), np.empty(curves.shape)
    ends = np.linspace(0, curves.shape[0], _THREADS + 1).astype(int).tolist()

    def part(first: int, stop: int) -> None:
        follow(curves, calm, _SCATTER, fwhm, first, stop, value, variance)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="light-curves") as pool:
        list(pool.map(part, ends[:-1], ends[1:]))
    middle, mean = value.mean(axis=-1, keepdims=True), curves.mean(axis=-1, keepdims=True)
    moves = value - middle
    # of the prediction's variance, photon noise moves nothing: without it, the gain would come out too small
    signal = np.sum(moves**2 - variance, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.sum(moves * (curves - mean), axis=-1, keepdims=True) / signal
        own = mean / middle
    # where the surroundings hardly move, the gain is that of a good pixel; a hot one has less, none has more
    known = signal > 4 * np.sum(variance, axis=-1, keepdims=True) / np.sqrt(curves.shape[-1])
    gain = np.clip(np.where(known, gain, own), 0.0, np.maximum(own, 0.0))
    return mean + gain * moves, gain**2 * variance


def _outstanding(chi2: FloatArray, calm: BoolArray, n_bins: int, n_sigma: float) -> BoolArray:
    """Tell which pixels are more restless than those around them: in logarithms, against their median and scatter."""
    logs = np.log(np.maximum(chi2, 1e-3))
    out = np.empty((4, *chi2.shape))
    number = np.empty(chi2.shape, np.int64)
    box_statistics(np.where(calm, logs, 0.0), calm, _BOX // 2, out, number)
    median, robust = out[0], out[2]
    # chi2 of n - 2 degrees of freedom scatters by this much at least
    least = np.sqrt(2 / max(n_bins - 2, 1))
    more = np.maximum(np.where(number >= _FEW_NEIGHBOURS, robust, least) - least, 0.0)
    spread = least + _TAIL * more
    limit = np.maximum(np.where(np.isfinite(median), median, 0.0), 0.0) + n_sigma * spread
    found: BoolArray = logs > limit
    return found
