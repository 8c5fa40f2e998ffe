"""Which pixels of one image of counts are hot, cold or dead: arrays in, arrays out. Detector arrays are [x, y].

Four methods. 'surroundings' is this program's own; the others are those of this camera's earlier tools, mended where
they could not work.

surroundings
    No image is sharper than a star. So each pixel is predicted from the 24 around it by kriging (an optimal linear
    interpolation of such an image, e.g. Cressie, Statistics for Spatial Data, 1993, 3.2), with its uncertainty. How
    wide the structure of the image is, a star's width or more, the image itself tells: see `_structure_width`. What
    good pixels differ by in sensitivity is measured on the array and comes to it, as does photon noise. A pixel is hot
    if the logarithm of its counts lies `n_sigma` of all that above the prediction, or if it has `ratio` times the
    prediction and the median around; and if no source of light could do it: the middle of a star's image stands above
    the median of its eight neighbours by a known factor at most. It is cold if it lies as far below, by half, and far
    below its neighbours (between speckles there are dark places). It is dead if it has no photons where at least eight
    were expected. Passes go on, without the pixels found before and with less trust in outlying ones, until nothing
    changes.
median
    Hot above the median of the box by `n_sigma` sigmas of the box, cold below.
threshold
    Hot if, above what a star at this place may show at most, there are more than `n_sigma` sigmas.
cps
    Hot above `max_rate_cps`, or above the median of the array by `n_sigma` of its standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.badpixels._kernels import interpolate
from pipeline_core.badpixels.boxes import Box, RankedImage
from pipeline_core.badpixels.settings import BadPixelSettings

__all__ = ["COLD", "DEAD", "GOOD", "HOT", "Verdict", "judge"]

GOOD, HOT, COLD, DEAD = range(4)

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LEAST_EXPECTED = 8.0
"""A pixel without photons is dead if so many were expected: good ones are empty once in 3000 times then."""
_LIKELY = 20.0
_NEAR_BOX = 5
_QUANTILE = 10.0
_COLD_SHARE, _DARK_SHARE = 0.5, 0.27
"""A cold pixel has less than these shares of what is expected, and of its second darkest good neighbour."""
_PHOTON_SIGMA = 5.0
_FIRST_SCATTER, _LEAST_SCATTER = 0.15, 0.01
_ENOUGH_PIXELS = 10
_LEAST_PASSES = 4
_WIDTH_FROM = 2
_WIDTH_FACTORS = (1.0, 1.2, 1.5, 2.0, 3.0)
"""The structure of an image may be wider than a star by these factors; looked for from this pass on."""
_TRUSTED_SIGMA = 2.0
"""From so many sigmas on, a pixel's say about its neighbours shrinks."""
_DARKEST = 0.2
# expected standard deviation of n = 2..10 values over the true one
_SMALL_SAMPLE = np.array(
    (
        *(0.7978845608, 0.8862269255, 0.9213177319, 0.9399856030, 0.9515328619),
        *(0.9593687891, 0.9650304561, 0.9693106998, 0.9726592741),
    )
)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one method found; arrays of shape (ncols, nrows).

    Attributes
    ----------
    kind : ndarray of uint8
        `GOOD`, `HOT`, `COLD`, `DEAD`. Pixels that were not looked at are good.
    expected : ndarray of float64
        Counts that the surroundings let expect; NaN where they tell nothing.
    sigma : ndarray of float64
        How many sigmas the pixel lies above (below: negative); NaN where it cannot be said.
    """

    kind: npt.NDArray[np.uint8]
    expected: FloatArray
    sigma: FloatArray


def judge(
    counts: npt.NDArray[np.integer], seconds: float, read: BoolArray, settings: BadPixelSettings
) -> Verdict:
    """Judge the pixels of one image.

    Parameters
    ----------
    counts : ndarray of integers, shape (ncols, nrows)
    seconds : float
        Time with data.
    read : ndarray of bool, same shape
        Pixels that are read out; the others are neither judged nor anybody's neighbours.
    settings : BadPixelSettings
    """
    methods: dict[str, Callable[[FloatArray, BoolArray, float, BadPixelSettings], Verdict]] = {
        "surroundings": _surroundings,
        "median": _median,
        "threshold": _threshold,
        "cps": _cps,
    }
    image = np.ascontiguousarray(counts, np.float64)
    found = methods[settings.method](image, read & (image > 0), seconds, settings)
    kind = np.where(read, found.kind, GOOD).astype(np.uint8)
    kind[read & (image == 0) & _dead(image, read, found.expected)] = DEAD
    if not settings.cold:
        kind[kind == COLD] = GOOD
    return Verdict(kind, found.expected, found.sigma)


def _dead(image: FloatArray, read: BoolArray, expected: FloatArray) -> BoolArray:
    """Tell where photons were to be expected: by the surroundings; where they are empty too, by the array."""
    lit = image[read & (image > 0)]
    least = float(np.percentile(lit, _QUANTILE)) if lit.size else 0.0
    by_array = ~np.isfinite(expected) & (least >= _LIKELY)
    return by_array | (expected >= _LEAST_EXPECTED)


# --- the surroundings -----------------------------------------------------------------------------


def _surroundings(
    image: FloatArray, usable: BoolArray, seconds: float, settings: BadPixelSettings
) -> Verdict:
    """See the module."""
    kind = np.zeros(image.shape, np.uint8)
    logs = np.log(np.maximum(image, 0.5))
    ranked = RankedImage(image)
    level = np.fmax(ranked.box(usable, _NEAR_BOX).median, 1.0)
    level = np.where(np.isfinite(level), level, np.maximum(image, 1.0))
    distrust = np.ones(image.shape)
    scatter, width = _FIRST_SCATTER, settings.fwhm
    expected, uncertainty = np.empty(image.shape), np.empty(image.shape)
    sigma = np.zeros(image.shape)
    for number in range(max(settings.max_iter, _LEAST_PASSES)):
        good = usable & (kind == GOOD)
        noise = (level + (scatter * level) ** 2) * distrust
        if number == _WIDTH_FROM:
            width, expected, uncertainty = _structure_width(
                image, noise, good, scatter, settings.fwhm
            )
        else:
            interpolate(image, noise, good, width, expected, uncertainty)
        near = ranked.box(good, _NEAR_BOX)
        # where pixels differ much, an interpolation may go below zero
        level = np.fmax(expected, np.fmax(_DARKEST * near.low, 1.0))
        relative = np.sqrt(level + uncertainty**2) / level
        scatter = _scatter((image - level) / level, relative, good & np.isfinite(expected))
        sigma = np.where(np.isfinite(expected), logs - np.log(level), np.nan)
        sigma /= np.hypot(relative, scatter)
        outlying = np.abs(image - level) / (level * np.hypot(relative, scatter))
        distrust = np.fmax(outlying / _TRUSTED_SIGMA, 1.0) ** 2
        box = near if settings.box == _NEAR_BOX else ranked.box(good, settings.box)
        boxes = ranked.box(good, 3), ranked.box(good, 7), box
        reliable = np.where(np.isfinite(expected), level, np.nan)
        found = _kinds(image, boxes, reliable, sigma, scatter, settings)
        found = np.where(usable, found, GOOD).astype(np.uint8)
        if np.array_equal(found, kind) and number + 1 >= _LEAST_PASSES:
            break
        kind = found
    return Verdict(kind, np.where(np.isfinite(expected), level, np.nan), sigma)


def _structure_width(
    image: FloatArray, noise: FloatArray, good: BoolArray, scatter: float, fwhm: float
) -> tuple[float, FloatArray, FloatArray]:
    """Return the width of the image's structure, that with which good pixels are predicted best; and `interpolate`'s.

    Best is the likelihood of the pixels' counts given their neighbours (cross-validation of the covariance, Rasmussen &
    Williams, Gaussian Processes for Machine Learning, 2006, 5.4.2), with outlying ones held at 3 sigma.
    """
    return max(
        (_predicted(image, noise, good, scatter, factor * fwhm) for factor in _WIDTH_FACTORS),
        key=lambda found: found[0],
    )[1:]


def _predicted(
    image: FloatArray, noise: FloatArray, good: BoolArray, scatter: float, width: float
) -> tuple[float, float, FloatArray, FloatArray]:
    """Return the logarithm of the likelihood of a width, the width, and what `interpolate` makes of it."""
    expected, uncertainty = np.empty(image.shape), np.empty(image.shape)
    interpolate(image, noise, good, width, expected, uncertainty)
    use = good & np.isfinite(expected)
    level = np.fmax(expected[use], 1.0)
    variance = level + (scatter * level) ** 2 + uncertainty[use] ** 2
    squares = np.minimum((image[use] - expected[use]) ** 2 / variance, 9.0)
    likelihood = -0.5 * float((squares + np.log(variance)).sum())
    return likelihood, width, expected, uncertainty


def _scatter(difference: FloatArray, noise: FloatArray, use: BoolArray) -> float:
    """Return by what part of their counts good pixels differ besides `noise`: robust, of all pixels together."""
    if np.count_nonzero(use) < _ENOUGH_PIXELS:
        return _FIRST_SCATTER
    total = 1.4826 * float(np.median(np.abs(difference[use])))
    typical = float(np.median(noise[use] ** 2))
    return math.sqrt(max(total**2 - typical, _LEAST_SCATTER**2))


def _kinds(
    image: FloatArray,
    boxes: tuple[Box, Box, Box],
    expected: FloatArray,
    sigma: FloatArray,
    scatter: float,
    settings: BadPixelSettings,
) -> npt.NDArray[np.uint8]:
    """Return what each pixel is, in the light of those that are good so far; those found before are judged again.

    `boxes` of these have sides of 3, 7 and `settings.box` pixels.
    """
    ring, wide, box = boxes
    background = np.minimum(wide.low, ring.median)
    ceiling = background + peak_factor(settings.fwhm) * (ring.median - background)
    ceiling = np.where(np.isfinite(ceiling), ceiling, expected)
    room = ceiling + settings.n_sigma * np.sqrt(np.maximum(ceiling, 1.0)) + 2 * scatter * ceiling
    photons = (image - expected) / np.sqrt(expected)
    factor = image >= settings.ratio * np.fmax(expected, box.median)
    hot = (sigma > settings.n_sigma) | factor
    hot &= (image > room) & (photons > _PHOTON_SIGMA)
    cold = (sigma < -settings.n_sigma_cold) & (photons < -_PHOTON_SIGMA)
    # not the darkest neighbour: two cold pixels side by side would excuse each other
    cold &= (image < _COLD_SHARE * expected) & (image < _DARK_SHARE * ring.second)
    return np.where(hot, HOT, np.where(cold, COLD, GOOD)).astype(np.uint8)


def peak_factor(fwhm: float) -> float:
    """Return what the middle of a Gaussian image has over the median of its eight neighbours.

    Its neighbours are four at a distance of 1 pixel and four at the square root of 2; their median lies halfway.
    """
    sigma = fwhm / (2 * math.sqrt(2 * math.log(2)))
    near, far = math.exp(-0.5 / sigma**2), math.exp(-1.0 / sigma**2)
    return 2 / (near + far)


# --- the methods of earlier tools --------------------------------------------------------------------


def _median(
    image: FloatArray, usable: BoolArray, seconds: float, settings: BadPixelSettings
) -> Verdict:
    kind = np.zeros(image.shape, np.uint8)
    kind[usable & (image >= settings.max_rate_cps * seconds)] = HOT
    ranked = RankedImage(image)
    box = ranked.box(usable & (kind == GOOD), settings.box, spread=True)
    sigma = np.zeros(image.shape)
    for _ in range(settings.max_iter):
        spread = box.sigma / _small_sample(box.number)
        with np.errstate(divide="ignore", invalid="ignore"):
            sigma = (image - box.median) / spread
        found = kind.copy()
        found[usable & (kind == GOOD) & (sigma > settings.n_sigma)] = HOT
        found[usable & (kind == GOOD) & (sigma < -settings.n_sigma_cold)] = COLD
        if np.array_equal(found, kind):
            break
        kind = found
        box = ranked.box(usable & (kind == GOOD), settings.box, spread=True)
    return Verdict(kind, box.median, sigma)


def _small_sample(number: npt.NDArray[np.int64]) -> FloatArray:
    """Return the expected standard deviation of so few values over the true one."""
    few = _SMALL_SAMPLE[np.clip(number - 2, 0, _SMALL_SAMPLE.size - 1)]
    return np.where(number > 10, 1.0, few)


def _threshold(
    image: FloatArray, usable: BoolArray, seconds: float, settings: BadPixelSettings
) -> Verdict:
    """Flux threshold: the highest that a star may show in a box is its median times a factor, above background."""
    kind = np.zeros(image.shape, np.uint8)
    factor = box_factor(settings.fwhm, settings.box)
    background = float(np.median(image[usable])) if usable.any() else 0.0
    ranked = RankedImage(image)
    box = ranked.box(usable, settings.box, spread=True)
    sigma = np.zeros(image.shape)
    for _ in range(settings.max_iter):
        limit = np.maximum(factor * box.median - (factor - 1) * background, box.median)
        spread = np.maximum(box.robust, np.sqrt(np.maximum(box.median, 1.0)))
        sigma = np.where(image > limit, image - limit, np.minimum(image - box.median, 0.0)) / spread
        found = kind.copy()
        found[usable & (kind == GOOD) & (sigma > settings.n_sigma)] = HOT
        found[usable & (kind == GOOD) & (sigma < -settings.n_sigma_cold)] = COLD
        if np.array_equal(found, kind):
            break
        kind = found
        good = usable & (kind == GOOD)
        background = float(np.median(image[good])) if good.any() else 0.0
        box = ranked.box(good, settings.box, spread=True)
    return Verdict(kind, box.median, sigma)


def box_factor(fwhm: float, box: int, oversampling: int = 50) -> float:
    """Return peak over median of a Gaussian image centred on a pixel, binned into `box` times `box` pixels."""
    sigma = fwhm / (2 * math.sqrt(2 * math.log(2)))
    fine = (np.arange(box * oversampling) + 0.5) / oversampling - box / 2
    line = np.exp(-0.5 * (fine / sigma) ** 2).reshape(box, oversampling).sum(axis=1)
    image = np.outer(line, line)
    return float(image.max() / np.median(image))


def _cps(
    image: FloatArray, usable: BoolArray, seconds: float, settings: BadPixelSettings
) -> Verdict:
    kind = np.zeros(image.shape, np.uint8)
    kind[usable & (image >= settings.max_rate_cps * seconds)] = HOT
    rest = image[usable & (kind == GOOD)]
    if not rest.size:
        return Verdict(kind, np.full(image.shape, np.nan), np.full(image.shape, np.nan))
    middle, spread = float(np.median(rest)), max(float(rest.std()), 1e-9)
    sigma = (image - middle) / spread
    kind[usable & (sigma > settings.n_sigma)] = HOT
    kind[usable & (kind == GOOD) & (sigma < -settings.n_sigma_cold)] = COLD
    return Verdict(kind, np.full(image.shape, middle), sigma)
