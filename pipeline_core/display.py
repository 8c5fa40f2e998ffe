"""Numbers that a picture needs: contrast limits that a few hot pixels cannot spoil, and colour numbers.

Everything here is quick enough for the thread of the window: a few milliseconds at most for the largest camera.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.stretch import STRETCHES, Scale, make_scale, ordered

__all__ = [
    "FLAGGED_INDEX",
    "LIMIT_MODES",
    "NAN_INDEX",
    "N_COLOURS",
    "SATURATED_INDEX",
    "STRETCHES",
    "Scale",
    "drag_level",
    "indices",
    "level_width",
    "limits",
    "make_scale",
    "percentile_levels",
    "wheel_level",
]

LIMIT_MODES: tuple[str, ...] = ("percentile", "zscale", "minmax", "sigma")

# colour numbers: 0 to N_COLOURS - 1 are brightness, those above say that there is none
N_COLOURS = 252
NAN_INDEX = 252
FLAGGED_INDEX = 253
SATURATED_INDEX = 254

_ZSCALE_CONTRAST = 0.25
_ZSCALE_REJECT = 2.5
_ZSCALE_ITERATIONS = 5
_CLIP_SIGMA = 3.0
_CLIP_ITERATIONS = 10
_WHEEL_PART = 0.05
_WIDEST_DRAG = 4.0

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]


# --- limits --------------------------------------------------------------------------------------


def limits(
    image: npt.NDArray[np.generic],
    good: _Mask,
    mode: str = "percentile",
    *,
    low: float = 1.0,
    high: float = 99.5,
    k: float = 3.0,
    inside: _Mask | None = None,
) -> tuple[float, float]:
    """Return contrast limits from the good, finite pixels.

    Parameters
    ----------
    image : ndarray, shape (ncols, nrows)
    good : ndarray of bool, same shape
        Pixels to look at; if none of them is finite, all finite pixels are looked at.
    mode : str
        - 'percentile': the percentages `low` and `high` of the sorted pixels.
        - 'zscale': IRAF's algorithm with its usual settings (contrast 0.25) on every pixel: a line through the
          sorted pixels, made steeper, about the median.
        - 'minmax': smallest and largest.
        - 'sigma': mean -+ `k` standard deviations of the pixels within 3 sigma of their median, which is repeated
          until no pixel is left out any more. Not cut at the smallest or largest pixel.
    low, high : float
        Percentages, 0 <= low < high <= 100.
    k : float
        Greater than 0.
    inside : ndarray of bool, same shape, optional
        Look at this part only (what is seen, or a region), unless no finite pixel is in it.

    Returns
    -------
    (float, float)
        Finite limits with ``lower < upper`` always, also for constant or empty images.

    Raises
    ------
    ConfigError
        If the percentages are out of order, `k` is not positive, or there is no such mode.
    """
    if mode not in LIMIT_MODES:
        raise ConfigError(f"Unknown limits {mode!r}: choose one of {', '.join(LIMIT_MODES)}.")
    if not 0 <= low < high <= 100:
        raise ConfigError(
            f"Contrast percentages must satisfy 0 <= low < high <= 100, not {low}, {high}."
        )
    if not 0 < k < np.inf:
        raise ConfigError(f"The number of sigmas must be above 0, not {k}.")
    values = _looked_at(np.asarray(image, np.float64), good, inside)
    if not values.size:
        return 0.0, 1.0
    if mode == "percentile":
        lower, upper = np.percentile(values, (low, high))
    elif mode == "zscale":
        lower, upper = _zscale(np.sort(values))
    elif mode == "minmax":
        lower, upper = values.min(), values.max()
    else:
        middle, sigma = _clipped_moments(values)
        lower, upper = middle - k * sigma, middle + k * sigma
    return ordered(float(lower), float(upper))


def percentile_levels(
    image: npt.NDArray[np.generic], good: _Mask, low: float = 1.0, high: float = 99.5
) -> tuple[float, float]:
    """Return `limits` in the mode 'percentile'."""
    return limits(image, good, "percentile", low=low, high=high)


def _looked_at(values: _Floats, good: _Mask, inside: _Mask | None) -> _Floats:
    """Return the finite pixels that are good and inside; fewer conditions if that leaves none."""
    finite = np.isfinite(values)
    masks = [finite & good, finite]
    if inside is not None:
        masks = [masks[0] & inside, finite & inside, *masks]
    for mask in masks:
        if mask.any():
            # squares and differences of larger numbers would overflow
            return np.clip(values[mask], -1e150, 1e150)
    return np.empty(0)


def _zscale(values: _Floats) -> tuple[float, float]:
    """Return zscale limits of ascending values (IRAF's task `display`, "The ZSCALE algorithm" in its help).

    A straight line is fitted to value against rank. Values too far from it and their neighbours, one percent of
    all at a time, are left out, and the line is fitted again. If half of the values are left out, the limits
    are the smallest and the largest value.

    One step is ours: values farther than ten times the 1st or 99th percentile from the median are dropped
    first. IRAF cuts its limits at the largest value, which a single hot pixel would undo.
    """
    values = _without_outliers(values)
    n = values.size
    ranks = np.arange(n) - 0.5 * (n - 1)
    fewest = max(5, n // 2)
    grow = max(1, int(0.01 * n))
    kept = np.ones(n)  # weights 0 and 1: sums over them are quicker than picking
    n_kept, before = n, n + 1
    slope = 0.0
    for _ in range(_ZSCALE_ITERATIONS):
        if n_kept >= before or n_kept < fewest:
            break
        # sums, not np.dot: its threads may have to wait for each other on a busy machine, 10 ms a call
        x = ranks - (kept * ranks).sum() / n_kept
        y = values - (kept * values).sum() / n_kept
        weighted = kept * x
        slope = float((weighted * y).sum() / max((weighted * x).sum(), 1.0))
        residuals = np.abs(y - slope * x)
        threshold = _ZSCALE_REJECT * np.sqrt((kept * residuals * residuals).sum() / n_kept)
        kept[_grown((kept == 0) | (residuals > threshold), grow)] = 0.0
        before, n_kept = n_kept, int(np.count_nonzero(kept))
    first, last = float(values[0]), float(values[-1])
    if n_kept < fewest:
        return first, last
    slope /= _ZSCALE_CONTRAST
    middle, median = (n - 1) // 2, _at(values, 0.5)
    return max(first, median - (middle - 1) * slope), min(last, median + (n - middle) * slope)


def _without_outliers(values: _Floats) -> _Floats:
    """Return ascending values less those at 10 times the distance of the outer percentiles from the median."""
    median = _at(values, 0.5)
    below, above = median - _at(values, 0.01), _at(values, 0.99) - median
    start = np.searchsorted(values, median - 10 * below, "left") if below > 0 else 0
    stop = np.searchsorted(values, median + 10 * above, "right") if above > 0 else values.size
    return values[start:stop]


def _at(values: _Floats, part: float) -> float:
    """Return a quantile of ascending values."""
    place = part * (values.size - 1)
    below = int(place)
    above = min(below + 1, values.size - 1)
    return float(values[below] + (place - below) * (values[above] - values[below]))


def _grown(mask: _Mask, width: int) -> _Mask:
    """Return True within `width` elements around each True, as a convolution with ones would."""
    after = (width - 1) // 2
    wide = np.zeros(mask.size + width, bool)  # one more in front, for the difference
    wide[width - after : width - after + mask.size] = mask
    counts = np.cumsum(wide, dtype=np.int32)
    return np.asarray(counts[width:] > counts[:-width])


def _clipped_moments(values: _Floats) -> tuple[float, float]:
    """Return mean and standard deviation of what is within 3 sigma of the median."""
    kept = values
    for _ in range(_CLIP_ITERATIONS):
        near = np.abs(kept - np.median(kept)) <= _CLIP_SIGMA * kept.std()
        if near.all() or not near.any():
            break
        kept = kept[near]
    return float(kept.mean()), float(kept.std())


# --- colour numbers ------------------------------------------------------------------------------


def indices(
    image: npt.NDArray[np.generic],
    scale: Scale,
    *,
    flagged: _Mask | None = None,
    saturation: float | None = None,
) -> npt.NDArray[np.uint8]:
    """Return the colour number of each pixel, for a table of `colours.picture_table`.

    Parameters
    ----------
    image : ndarray, shape (ncols, nrows)
    scale : Scale
    flagged : ndarray of bool, same shape, optional
        Pixels to draw in the colour of flagged ones instead of their brightness.
    saturation : float, optional
        Values at or above it are drawn in the colour of saturated ones.

    Returns
    -------
    ndarray of uint8, shape (ncols, nrows)
        0 to N_COLOURS - 1 for brightness, or `SATURATED_INDEX`, `FLAGGED_INDEX`, `NAN_INDEX`: the later one
        where several apply. Infinite values have the lowest or highest brightness.
    """
    values = np.asarray(image, np.float64)
    missing = np.isnan(values)
    brightness = np.where(missing, 0.0, scale.forward(values))
    numbers = np.minimum(brightness * N_COLOURS, N_COLOURS - 1).astype(np.uint8)
    if saturation is not None:
        numbers[values >= saturation] = SATURATED_INDEX
    if flagged is not None:
        numbers[flagged] = FLAGGED_INDEX
    numbers[missing] = NAN_INDEX
    return numbers


# --- gestures ------------------------------------------------------------------------------------


def wheel_level(
    levels: tuple[float, float], steps: float, *, lower: bool = False
) -> tuple[float, float]:
    """Return limits after turns of the wheel: each raises the upper (or lower) limit by 5 % of the range.

    Negative steps lower it. The range is that before each step, so that limits never meet and ten
    steps at once are ten steps.
    """
    widening = -steps if lower else steps
    part = 1 + _WHEEL_PART if widening > 0 else 1 - _WHEEL_PART
    return _resized(levels, part ** min(abs(steps), 1000.0), keep="high" if lower else "low")


def drag_level(
    levels: tuple[float, float], fraction: float, *, lower: bool = False
) -> tuple[float, float]:
    """Return limits after the upper (or lower) one was pulled up by a fraction of the range (down if negative).

    A limit comes to rest a hundredth of the range before the other one.
    """
    return _resized(
        levels, max(1 + (-fraction if lower else fraction), 0.01), keep="high" if lower else "low"
    )


def level_width(levels: tuple[float, float], up: float, wide: float) -> tuple[float, float]:
    """Return limits after a drag that sets level and width.

    Parameters
    ----------
    levels : (float, float)
    up : float
        Both limits rise by this fraction of the range.
    wide : float
        The range grows by a factor of 4 to this power, about its middle: less contrast.
    """
    low, high = ordered(*levels)
    shift = up * (high - low)
    factor = _WIDEST_DRAG ** min(max(wide, -10.0), 10.0)
    return _resized((low + shift, high + shift), factor, keep="middle")


def _resized(levels: tuple[float, float], factor: float, *, keep: str) -> tuple[float, float]:
    """Return limits that are `factor` times as far apart, with one of them or their middle kept."""
    low, high = ordered(*levels)
    width = (high - low) * factor
    # a range that is lost in the digits would never come back
    width = min(max(width, 1e-9 * max(abs(low), abs(high), 1e-290)), 1e300)
    if keep == "low":
        high = low + width
    elif keep == "high":
        low = high - width
    else:
        middle = low + 0.5 * (high - low)
        low, high = middle - 0.5 * width, middle + 0.5 * width
    return ordered(low, high)
