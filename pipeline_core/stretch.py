"""How values become brightness: limits and a curve between them, in both directions, with round numbers for a scale.

The curves are those that DS9 (reference manual, "How it works", section "Scales") and `astropy.visualization` know
by the same names. They act on the part of the way from the lower to the upper limit, so zero and negative
values need no care.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError

__all__ = ["STRETCHES", "Scale", "make_scale", "ordered"]

STRETCHES: tuple[str, ...] = ("linear", "log", "sqrt", "asinh", "power", "histogram")

_LARGEST = 1e300  # so that the difference of two limits is finite
_SMALLEST_WIDTH = 1e-12  # of the larger limit: less is lost in the digits of a float
_TINIEST = 1e-290
_LOG = 1000.0  # DS9's exponent of log and power
_SOFTENING = 10.0  # asinh is linear in the lowest tenth, as in DS9
_KNOTS = 256
_LINEAR_SHARE = 0.01  # of a histogram curve: empty ranges of values stay invertible

_Floats = npt.NDArray[np.float64]

# stretch: fraction of the range -> brightness, and back; both rise from 0 at 0 to 1 at 1
_CURVES: dict[str, tuple[Callable[[_Floats], _Floats], Callable[[_Floats], _Floats]]] = {
    "linear": (lambda part: part, lambda bright: bright),
    "log": (
        lambda part: np.log1p(_LOG * part) / math.log1p(_LOG),
        lambda bright: np.expm1(bright * math.log1p(_LOG)) / _LOG,
    ),
    "sqrt": (np.sqrt, np.square),
    "asinh": (
        lambda part: np.arcsinh(_SOFTENING * part) / math.asinh(_SOFTENING),
        lambda bright: np.sinh(bright * math.asinh(_SOFTENING)) / _SOFTENING,
    ),
    "power": (
        lambda part: np.expm1(part * math.log(_LOG)) / (_LOG - 1),
        lambda bright: np.log1p(bright * (_LOG - 1)) / math.log(_LOG),
    ),
}


def ordered(low: float, high: float) -> tuple[float, float]:
    """Return finite limits with ``low < high`` and a finite difference, the lower one kept if possible.

    Raises
    ------
    ConfigError
        If a limit is not a number.
    """
    if math.isnan(low) or math.isnan(high):
        raise ConfigError(f"A contrast limit must be a number, not {low}, {high}.")
    low = min(max(float(low), -_LARGEST), _LARGEST)
    high = min(max(float(high), -_LARGEST), _LARGEST)
    if high - low <= max(_SMALLEST_WIDTH * max(abs(low), abs(high)), _TINIEST):
        high = low + max(1.0, 1e-6 * abs(low))
    return low, high


@dataclass(frozen=True)
class Scale:
    """Limits and the curve between them. Made by `make_scale`; equal scales draw equal pictures.

    Attributes
    ----------
    levels : (float, float)
        Value of the lowest and of the highest brightness, ``low < high``.
    stretch : str
        One of `STRETCHES`, in terms of x = (value - low) / (high - low): linear x; log ln(1 + 1000 x) / ln(1001);
        sqrt; asinh asinh(10 x) / asinh(10); power (1000^x - 1) / 999; histogram: the share of pixels up to
        the value, so that each brightness is seen about equally often.
    knots : tuple of (value, brightness)
        Corners of the histogram curve, both ascending; empty for the others.
    """

    levels: tuple[float, float]
    stretch: str = "linear"
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.stretch not in STRETCHES:
            raise ConfigError(
                f"Unknown stretch {self.stretch!r}: choose one of {', '.join(STRETCHES)}."
            )
        object.__setattr__(self, "levels", ordered(*self.levels))

    def forward(self, values: npt.ArrayLike) -> _Floats:
        """Return brightness 0 to 1, clipped at the limits; NaN stays NaN. Never lower for a higher value."""
        low, high = self.levels
        clipped = np.clip(np.asarray(values, np.float64), low, high)
        if self.knots:
            return np.asarray(np.interp(clipped, *self._corners()))
        curve = _CURVES["linear" if self.stretch == "histogram" else self.stretch][0]
        return np.clip(curve((clipped - low) / (high - low)), 0.0, 1.0)

    def inverse(self, brightness: npt.ArrayLike) -> _Floats:
        """Return the values that `forward` gives this brightness; outside 0 to 1 the limits."""
        low, high = self.levels
        clipped = np.clip(np.asarray(brightness, np.float64), 0.0, 1.0)
        if self.knots:
            return np.asarray(np.interp(clipped, *self._corners()[::-1]))
        curve = _CURVES["linear" if self.stretch == "histogram" else self.stretch][1]
        return np.clip(low + (high - low) * curve(clipped), low, high)

    def ticks(self, n: int) -> list[tuple[float, float]]:
        """Return about `n` round values with their brightness, ascending: the numbers of a colour bar.

        Returns
        -------
        list of (brightness, value)
            Linear: multiples of 1, 2 or 5 times a power of ten. Other curves: the roundest value near each of n
            equally distant places. At least one value, at most n + 1 (4 for n below 3), never two in one place.
        """
        n = max(int(n), 3)  # with fewer, a round step may miss the whole range
        if self.stretch == "linear" or (self.stretch == "histogram" and not self.knots):
            values = _round_multiples(*self.levels, n)
        else:
            values = self._round_values(n)
        return [(float(self.forward(value)), value) for value in values]

    def _corners(self) -> tuple[_Floats, _Floats]:
        values, brightness = zip(*self.knots, strict=True)
        return np.array(values), np.array(brightness)

    def _round_values(self, n: int) -> list[float]:
        """Return the roundest value within a quarter step of each of n places."""
        quarter = 0.25 / (n - 1)
        places = np.linspace(0.0, 1.0, n)
        starts, middles, stops = (
            self.inverse(places + shift).tolist() for shift in (-quarter, 0.0, quarter)
        )
        found: list[float] = []
        for start, middle, stop in zip(starts, middles, stops, strict=True):
            value = _roundest(start, middle, stop)
            if not found or value > found[-1]:
                found.append(value)
        return found


def make_scale(
    levels: tuple[float, float],
    stretch: str = "linear",
    image: npt.NDArray[np.generic] | None = None,
    good: npt.NDArray[np.bool_] | None = None,
) -> Scale:
    """Return a `Scale`.

    Parameters
    ----------
    levels : (float, float)
        As `display.limits` gives them; equal or interchanged ones are put apart.
    stretch : str
        One of `STRETCHES`.
    image : ndarray, shape (ncols, nrows), optional
        Needed by the histogram stretch only; without it, or if no pixel is between the limits, that is linear.
    good : ndarray of bool, same shape, optional
        Pixels that the histogram is of; all without it.

    Raises
    ------
    ConfigError
        If there is no such stretch, or a limit is not a number.
    """
    scale = Scale(levels, stretch)
    if stretch != "histogram" or image is None:
        return scale
    values = np.asarray(image, np.float64)
    looked_at = np.isfinite(values) if good is None else np.isfinite(values) & good
    return Scale(scale.levels, stretch, _equalised(values[looked_at], scale.levels))


def _equalised(values: _Floats, levels: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Return corners of the cumulative histogram between the limits, thinned to `_KNOTS`.

    Values at or below the lower limit are black whatever their number: they take no share of the brightness.
    """
    low, high = levels
    inside = np.clip(values[values > low], low, high)
    if not inside.size:
        return ()
    places, counts = np.unique(inside, return_counts=True)
    share = np.cumsum(counts) / inside.size
    kept = np.unique(np.minimum(np.searchsorted(share, np.linspace(0, 1, _KNOTS)), share.size - 1))
    corners_at = np.concatenate(([low], places[kept], [high]))
    corners = np.concatenate(([0.0], share[kept], [1.0]))
    corners_at, first = np.unique(corners_at, return_index=True)
    linear = (corners_at - low) / (high - low)
    corners = (1 - _LINEAR_SHARE) * corners[first] + _LINEAR_SHARE * linear
    return tuple(zip(corners_at.tolist(), corners.tolist(), strict=True))


def _round_multiples(low: float, high: float, n: int) -> list[float]:
    """Return the multiples of 1, 2 or 5 times a power of ten within limits, at most n + 1 of them."""
    wanted = (high - low) / n
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [_tidy(number * step, low, high) for number in range(first, last + 1)]


def _roundest(start: float, middle: float, stop: float) -> float:
    """Return the number of fewest digits in [start, stop], the nearest to `middle` among equals."""
    width = stop - start
    if width <= 0:
        return middle
    top = math.ceil(math.log10(max(abs(start), abs(stop))))
    for exponent in range(top, math.floor(math.log10(width)) - 1, -1):
        for factor in (1.0, 0.5, 0.2):
            step = factor * 10.0**exponent
            nearest = round(middle / step) * step
            for value in (nearest, math.ceil(start / step) * step):
                if start <= value <= stop:
                    return _tidy(value, start, stop)
    return middle


def _tidy(value: float, low: float, high: float) -> float:
    """Return 0.3 for 0.30000000000000004, never outside the limits."""
    return min(max(float(f"{value:.15g}"), low), high)
