"""What people may select: pixels, ranges of time and of phase. Checked here, in plain words."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError

__all__ = [
    "Band",
    "Pixel",
    "band_of",
    "checked_pixel",
    "different_pixels",
    "inside",
    "is_one_pixel",
    "phase_range",
    "window_us",
]

Pixel = tuple[int, int]
"""(x, y): column and row."""


def is_one_pixel(pixel: Pixel | Sequence[Pixel]) -> bool:
    """Tell (x, y) from a sequence of such."""
    return len(pixel) == 2 and np.ndim(pixel[0]) == 0


def checked_pixel(pixel: Sequence[int], shape: tuple[int, int]) -> Pixel:
    """Return (x, y) as two ints inside the array, or raise ConfigError."""
    ncols, nrows = shape
    try:
        x, y = (operator.index(v) for v in pixel)
    except (TypeError, ValueError):
        raise ConfigError(f"A pixel is two whole numbers (x, y), not {pixel!r}.") from None
    if not (0 <= x < ncols and 0 <= y < nrows):
        raise ConfigError(
            f"Pixel ({x}, {y}) is outside the array: x 0..{ncols - 1}, y 0..{nrows - 1}."
        )
    return x, y


def different_pixels(pixel: Pixel | Sequence[Pixel], shape: tuple[int, int]) -> tuple[Pixel, ...]:
    """Return one pixel or several as a tuple, each once, in the order given.

    Raises
    ------
    ConfigError
        If there is none, or one is outside the array.
    """
    if is_one_pixel(pixel):
        return (checked_pixel(cast(Pixel, pixel), shape),)
    several = cast("Sequence[Pixel]", pixel)
    if not len(several):
        raise ConfigError("Choose at least one pixel.")
    return tuple(dict.fromkeys(checked_pixel(one, shape) for one in several))


def window_us(start: float | None, stop: float | None, exposure_us: int) -> tuple[int, int]:
    """Return a time range (s) in us; it must be inside the observation and not empty."""
    begin = 0.0 if start is None else float(start)
    end = exposure_us / 1e6 if stop is None else float(stop)
    if not (math.isfinite(begin) and math.isfinite(end)):
        raise ConfigError("A time range needs numbers of seconds.")
    start_us, stop_us = round(begin * 1e6), round(end * 1e6)
    if not 0 <= start_us < stop_us <= exposure_us:
        raise ConfigError(
            f"Time range {begin:g} to {end:g} s: it must satisfy 0 <= start < stop <= {exposure_us / 1e6:g} s."
        )
    return start_us, stop_us


def phase_range(min_phase: float | None, max_phase: float | None) -> tuple[float, float]:
    """Return a phase range in degrees, open where None; it must not be empty."""
    low = -math.inf if min_phase is None else float(min_phase)
    high = math.inf if max_phase is None else float(max_phase)
    if not low < high:
        raise ConfigError(
            f"Phase range {low:g} to {high:g} deg: its beginning must be below its end."
        )
    return low, high


@dataclass(frozen=True)
class Band:
    """Half-open ranges of phases (deg) and of wavelengths (nm; None if they are not asked for).

    `extrapolated`: whether wavelengths outside a pixel's valid range belong to the range.
    """

    phases: tuple[float, float]
    wavelengths: tuple[float, float] | None = None
    extrapolated: bool = False

    @property
    def chooses(self) -> bool:
        """Whether any photon may be left out."""
        return self.phases != (-math.inf, math.inf) or self.wavelengths is not None


def band_of(
    min_phase: float | None,
    max_phase: float | None,
    min_wavelength: float | None,
    max_wavelength: float | None,
    extrapolated: bool,
) -> Band:
    """Return what limits mean, open where None.

    Raises
    ------
    ConfigError
        If a range is empty, or both phases and wavelengths are limited.
    """
    phases = phase_range(min_phase, max_phase)
    if min_wavelength is None and max_wavelength is None:
        return Band(phases)
    if phases != (-math.inf, math.inf):
        raise ConfigError("Choose photons by phase or by wavelength, not by both.")
    low = -math.inf if min_wavelength is None else float(min_wavelength)
    high = math.inf if max_wavelength is None else float(max_wavelength)
    if not low < high:
        raise ConfigError(
            f"Wavelength range {low:g} to {high:g} nm: its beginning must be below its end."
        )
    return Band(phases, (low, high), extrapolated)


def inside(values: npt.NDArray[np.float32], limits: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Tell which phases or wavelengths lie in a half-open range; NaN never does."""
    low, high = limits
    exact = values.astype(np.float64)  # a float32 limit would not be the one asked for
    return (exact >= low) & (exact < high)
