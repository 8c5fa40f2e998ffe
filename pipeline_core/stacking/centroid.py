"""Where the brightest star of an image is: a round Gaussian on a flat background, fitted to counts. Arrays are [x, y].

Bad pixels simply take no part in the fit; a mean of positions would be drawn towards or away from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize

from pipeline_core.errors import PipelineError

__all__ = ["Centroid", "RegistrationError", "find_star", "fit_star"]

_HALF_WIDTH = 6
_FEWEST_PIXELS = 12
_PASSES = 3
_SIGMA_PIX = (0.3, 5.0)

FloatArray = npt.NDArray[np.float64]


class RegistrationError(PipelineError):
    """Frames cannot be registered by what is in them."""


@dataclass(frozen=True)
class Centroid:
    """Place of a star, and its standard errors, in pixels."""

    x: float
    y: float
    x_error: float
    y_error: float


def find_star(rate: FloatArray, near: tuple[float, float] | None, radius: float) -> tuple[int, int]:
    """Return the pixel where the light is brightest, whatever single pixels do.

    Parameters
    ----------
    rate : ndarray of float64, shape (ncols, nrows)
        NaN in bad pixels.
    near : (x, y) or None
        Look within `radius` pixels of it only.

    Raises
    ------
    RegistrationError
        No pixel there has a value.
    """
    calm = _median_of_neighbours(rate)
    good = np.isfinite(calm)
    weight = ndimage.gaussian_filter(good.astype(float), 1.0, mode="constant")
    light = ndimage.gaussian_filter(np.where(good, calm, 0.0), 1.0, mode="constant")
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = np.where(weight > 0.2, light / weight, -np.inf)
    if near is not None:
        x, y = np.indices(rate.shape)
        smooth = np.where(np.hypot(x - near[0], y - near[1]) <= radius, smooth, -np.inf)
    if not np.isfinite(smooth).any():
        raise RegistrationError("there is no good pixel where the star should be")
    x, y = divmod(int(np.argmax(smooth)), rate.shape[1])
    return x, y


def _median_of_neighbours(rate: FloatArray) -> FloatArray:
    """Return the median of the good pixels among each pixel and its eight neighbours; NaN without any."""
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(rate, 1, constant_values=np.nan), (3, 3)
    )
    ascending = np.sort(around.reshape(*rate.shape, 9), axis=2)  # NaN last
    number = np.isfinite(ascending).sum(axis=2)[..., None]
    middle = [np.maximum(number - 1, 0) // 2, np.minimum(number // 2, 8)]
    both = [np.take_along_axis(ascending, at, axis=2)[..., 0] for at in middle]
    return np.asarray((both[0] + both[1]) / 2)


def fit_star(rate: FloatArray, unit_variance: FloatArray, start: tuple[int, int]) -> Centroid:
    """Fit a star by weighted least squares, with the variances that the fit itself expects.

    Errors grow with the residuals where those are larger than the noise of counts.

    Parameters
    ----------
    rate : ndarray of float64, shape (ncols, nrows)
        Counts per second alive; NaN in bad pixels.
    unit_variance : ndarray of float64, same shape
        Variance of a rate of 1: the time alive, inverted, for plain counts.
    start : (x, y)
        The pixel at which the search begins.

    Raises
    ------
    RegistrationError
        Too few good pixels, or no star.
    """
    x, y = np.meshgrid(np.arange(rate.shape[0]), np.arange(rate.shape[1]), indexing="ij")
    near = (np.abs(x - start[0]) <= _HALF_WIDTH) & (np.abs(y - start[1]) <= _HALF_WIDTH)
    near &= np.isfinite(rate) & np.isfinite(unit_variance)
    if np.count_nonzero(near) < _FEWEST_PIXELS:
        raise RegistrationError("too few good pixels are around the star")
    places = x[near].astype(float), y[near].astype(float)
    values: FloatArray = rate[near]
    unit = unit_variance[near]
    background = float(np.median(values))
    height = max(float(values.max()) - background, 1e-9)
    p = np.array([start[0], start[1], height, 1.0, background], float)
    low = [start[0] - 3, start[1] - 3, 0.0, _SIGMA_PIX[0], -np.inf]
    high = [start[0] + 3, start[1] + 3, np.inf, _SIGMA_PIX[1], np.inf]
    expected = np.maximum(values, values.mean())
    floor = 0.5 * float(np.min(unit))  # half a count: an expectation of 0 would have no error
    fitted = None
    for _ in range(_PASSES):
        sigma = np.sqrt(unit * np.maximum(expected, floor))

        def residuals(q: FloatArray, sigma: FloatArray = sigma) -> FloatArray:
            return (_star(q, *places) - values) / sigma

        fitted = optimize.least_squares(residuals, p, bounds=(low, high), x_scale="jac")
        p = fitted.x
        expected = _star(p, *places)
    assert fitted is not None
    try:
        covariance = np.linalg.inv(fitted.jac.T @ fitted.jac)
    except np.linalg.LinAlgError:
        covariance = np.full((5, 5), np.nan)
    errors = np.sqrt(np.diag(covariance))
    if not np.isfinite(errors).all() or p[2] < 3 * errors[2]:
        raise RegistrationError("no star stands out of the noise")
    # pixels of unequal sensitivity, or a star that is no Gaussian: residuals tell what counts alone do not
    excess = float((fitted.fun**2).sum()) / (values.size - p.size)
    errors = errors * np.sqrt(max(excess, 1.0))
    return Centroid(float(p[0]), float(p[1]), float(errors[0]), float(errors[1]))


def _star(p: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the model: place x, y, height, sigma, background."""
    r2 = (x - p[0]) ** 2 + (y - p[1]) ** 2
    return np.asarray(p[2] * np.exp(-0.5 * r2 / p[3] ** 2) + p[4])
