"""Which pixels jump: light curves against those of the pixels around. Arrays are [x, y], bins of time first.

A good pixel follows its surroundings: clouds and seeing move all of them, and speckles that boil move those of one
place. So each bin is predicted from the neighbours in the same bin, and the light curve is fitted by gain times
prediction plus a constant: sensitivity, and what a steadily hot pixel has for itself. The variance that is left over,
in units of photon noise, is compared with that of the neighbours, not with one: no prediction is perfect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.badpixels._kernels import REACH, neighbour_weights, weigh_neighbours
from pipeline_core.badpixels.boxes import RankedImage

__all__ = ["Flicker", "flickering"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_BOX = 7
_LEAST_BINS = 4
_SCATTER = 0.15
"""By what part of their counts good pixels differ, about: how much a single neighbour is to be trusted."""
_FEW_NEIGHBOURS = 5
_TAIL = 2.0
"""Where neighbours differ by more than noise, their distribution has a tail: so many times that is a sigma."""
_AT_ONCE = 1 << 14
"""So many bins of light curves are worked on at once: they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Flicker:
    """What light curves tell.

    Attributes
    ----------
    unstable : ndarray of bool, shape (ncols, nrows)
    share : ndarray of float64, shape (ncols, nrows)
        By what part of its mean a pixel's rate scatters, photon noise apart; NaN where it cannot be said.
    deviation : ndarray of float64, shape (n_unstable, n_bins)
        Of the unstable pixels in the order of ``argwhere(unstable)``: in sigmas of photon noise, how far each bin lies
        from what the surroundings let expect.
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
        return Flicker(nothing, np.full(usable.shape, np.nan), np.zeros((0, n_bins)))
    curves = _Curves(cube, usable, fwhm)
    curves.compare(usable, calm)
    unstable = curves.unstable(calm, n_sigma, least_share)
    # those that jump are nobody's measure: pixels that were found for their neighbours' sake are cleared
    jumping = calm & unstable
    calm = calm & ~unstable
    if jumping.any():
        curves.compare(usable & _near(jumping), calm)
        unstable = curves.unstable(calm, n_sigma, least_share)
    return Flicker(
        unstable, np.where(curves.seen, curves.share, np.nan), curves.deviations(unstable, calm)
    )


def _near(chosen: BoolArray) -> BoolArray:
    """Tell which pixels have one of those chosen among their neighbours, or are one."""
    near = np.zeros_like(chosen)
    for x, y in np.argwhere(chosen).tolist():
        near[max(x - REACH, 0) : x + REACH + 1, max(y - REACH, 0) : y + REACH + 1] = True
    return near


class _Curves:
    """Light curves, and what a comparison with their neighbours' tells.

    Parameters
    ----------
    cube : ndarray of integers, shape (n_bins, ncols, nrows)
    usable : ndarray of bool, shape (ncols, nrows)
        Pixels to be judged.
    fwhm : float

    Attributes
    ----------
    chi2, share : ndarray of float64, shape (ncols, nrows)
        Variance over that of photon noise, and `Flicker.share`, of the pixels that were compared.
    """

    def __init__(self, cube: npt.NDArray[np.integer], usable: BoolArray, fwhm: float) -> None:
        self._usable = usable
        self._fwhm = fwhm
        n_bins, *shape = cube.shape
        by_pixel = np.ascontiguousarray(np.moveaxis(cube, 0, -1), np.float64)
        self._curves = by_pixel.reshape(-1, n_bins)
        self._level = self._curves.mean(axis=-1).reshape(shape)
        self.chi2, self.share = np.zeros(shape), np.full(shape, np.nan)

    @property
    def seen(self) -> BoolArray:
        """Pixels to be judged of which something can be said; shape (ncols, nrows)."""
        found: BoolArray = self._usable & np.isfinite(self.share)
        return found

    def compare(self, pixels: BoolArray, calm: BoolArray) -> None:
        """Compare pixels with their calm neighbours; a pixel whose neighbours are the same needs it once."""
        numbers = np.flatnonzero(pixels)
        chi2, share = self.chi2.reshape(-1), self.share.reshape(-1)
        n_bins = self._curves.shape[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            for some, residual, noise in self._residuals(numbers, calm):
                deviation = residual / np.sqrt(noise)
                chi2[some] = np.sum(deviation**2, axis=-1) / max(n_bins - 2, 1)
                excess = np.sum(residual**2 - noise, axis=-1) / max(n_bins - 2, 1)
                share[some] = np.sqrt(np.maximum(excess, 0.0)) / self._level.ravel()[some]

    def unstable(self, calm: BoolArray, n_sigma: float, least_share: float) -> BoolArray:
        """Tell which pixels jump, in comparison with those that are calm; shape (ncols, nrows)."""
        seen = self.seen
        outstanding = _outstanding(self.chi2, seen & calm, self._curves.shape[1], n_sigma)
        with np.errstate(invalid="ignore"):
            return seen & (self.share > least_share) & outstanding

    def deviations(self, pixels: BoolArray, calm: BoolArray) -> FloatArray:
        """Return `Flicker.deviation` of some pixels."""
        found = self._residuals(np.flatnonzero(pixels), calm)
        parts = [residual / np.sqrt(noise) for _, residual, noise in found]
        return np.concatenate((np.zeros((0, self._curves.shape[1])), *parts))

    def _residuals(
        self, numbers: npt.NDArray[np.int64], calm: BoolArray
    ) -> Iterator[tuple[npt.NDArray[np.int64], FloatArray, FloatArray]]:
        """Yield numbers of some pixels, and what their counts have above what is expected, with its variance of noise.

        These have shape (n, n_bins); NaN with too few neighbours.
        """
        weights = np.empty((numbers.size, (2 * REACH + 1) ** 2 - 1))
        where = (self._curves, self._level, calm, _SCATTER, self._fwhm)
        neighbour_weights(*where, numbers, weights)
        n_bins = self._curves.shape[1]
        step = max(_AT_ONCE // n_bins, 1)
        value, variance = np.empty((step, n_bins)), np.empty((step, n_bins))
        for first in range(0, numbers.size, step):
            some = numbers[first : first + step]
            found = value[: some.size], variance[: some.size]
            part = weights[first : first + step]
            weigh_neighbours(self._curves, calm.shape[1], some, part, *found)
            counts, mean = self._curves[some], self._level.ravel()[some, None]
            expected, noise = _fitted(counts, mean, *found)
            yield some, counts - expected, np.maximum(expected, 0.5) + noise


def _fitted(
    counts: FloatArray, mean: FloatArray, value: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what the surroundings let expect of light curves, and its variance of photon noise; (n, n_bins).

    `value` and `variance` are the prediction and its variance, `mean` (n, 1) the mean of the counts.
    """
    middle = value.mean(axis=-1, keepdims=True)
    moves = value - middle
    # of the prediction's variance, photon noise moves nothing: without it, the gain would come out too small
    signal = np.sum(moves**2 - variance, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.sum(moves * (counts - mean), axis=-1, keepdims=True) / signal
        own = mean / middle
        # where the surroundings hardly move, the gain is that of a good pixel; a hot one has less, none has more
        known = signal > 4 * np.sum(variance, axis=-1, keepdims=True) / np.sqrt(counts.shape[-1])
        gain = np.clip(np.where(known, gain, own), 0.0, np.maximum(own, 0.0))
        return mean + gain * moves, gain**2 * variance


def _outstanding(chi2: FloatArray, calm: BoolArray, n_bins: int, n_sigma: float) -> BoolArray:
    """Tell which pixels are more restless than those around them: in logarithms, against their median and scatter."""
    logs = np.log(np.maximum(chi2, 1e-3))
    box = RankedImage(np.where(calm, logs, 0.0)).box(calm, _BOX, spread=True)
    # chi2 of n - 2 degrees of freedom scatters by this much at least
    least = np.sqrt(2 / max(n_bins - 2, 1))
    more = np.maximum(np.where(box.number >= _FEW_NEIGHBOURS, box.robust, least) - least, 0.0)
    spread = least + _TAIL * more
    limit = np.maximum(np.where(np.isfinite(box.median), box.median, 0.0), 0.0) + n_sigma * spread
    found: BoolArray = logs > limit
    return found
