"""One kind of curve fitted through the lines of all pixels, and whether the result can be used.

`curvefit` chooses between kinds, `population` learns from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.wavecal import _curvekernels as kernels
from pipeline_core.wavecal.curves import CURVE_KINDS

__all__ = ["MARGIN", "Fitted", "Points", "Variant", "fit_variant", "variants_of"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MARGIN = 0.03
"""A curve is valid this share of the energy beyond its outermost lines."""
_MONOTONIC_SIGMA = 4.0
_SLOPES = (0.15, 6.0)
"""Slopes at the ends over the mean slope: beyond that a curve is nearly flat or vertical, and its inverse worthless."""
_ARCTAN_SCALE = (0.4, 20.0)


@dataclass(frozen=True)
class Variant:
    """A kind of curve with its first `n_free` coefficients fitted."""

    kind: int
    n_free: int


_VARIANTS = (
    Variant(kernels.LINEAR, 2),
    Variant(kernels.QUADRATIC, 3),
    Variant(kernels.ARCTAN, 1),
    Variant(kernels.ARCTAN, 2),
    Variant(kernels.ENERGY_QUADRATIC, 3),
)


@dataclass(frozen=True, eq=False)
class Points:
    """Centres of lines and their errors in degrees, (n_pixel, n_line), which count, and the lines' energies."""

    centre: FloatArray
    error: FloatArray
    used: BoolArray
    energies: FloatArray

    def take(self, pixels: npt.NDArray[np.intp] | BoolArray | slice) -> Points:
        """Return those of some pixels."""
        return Points(self.centre[pixels], self.error[pixels], self.used[pixels], self.energies)

    def without(self, line: int) -> Points:
        """Return them without one line."""
        used = self.used.copy()
        used[:, line] = False
        return Points(self.centre, self.error, used, self.energies)

    @property
    def n_used(self) -> npt.NDArray[np.int64]:
        """Lines that count, per pixel."""
        return self.used.sum(1)

    @property
    def monotonic(self) -> BoolArray:
        """Pixels in which no larger energy has a smaller pulse than the one before, beyond errors."""
        fine = np.ones(len(self.centre), bool)
        order = np.argsort(self.energies)
        last = np.full((2, len(self.centre)), np.nan)
        for j in order:
            here, error = self.centre[:, j], self.error[:, j]
            rise = here - last[0]
            fine &= ~(self.used[:, j] & (rise > _MONOTONIC_SIGMA * np.hypot(error, last[1])))
            last = np.where(self.used[:, j], [here, error], last)
        return fine

    def ends(self) -> FloatArray:
        """Return lowest and highest energy of the valid range, (n_pixel, 2)."""
        energies = np.broadcast_to(self.energies, self.used.shape)
        low = np.where(self.used, energies, np.inf).min(1, initial=np.inf)
        high = np.where(self.used, energies, -np.inf).max(1, initial=-np.inf)
        return np.stack([(1 - MARGIN) * low, (1 + MARGIN) * high], 1)


@dataclass(frozen=True, eq=False)
class Fitted:
    """Curves of one variant through all pixels; `fine` where it is a curve that can be used."""

    coefficients: FloatArray
    covariance: FloatArray
    chi2: FloatArray
    fine: BoolArray


def variants_of(models: Sequence[str]) -> tuple[Variant, ...]:
    """Return the variants of the named kinds of curve.

    Raises
    ------
    ConfigError
        If a name is not in `CURVE_KINDS`, or there is none.
    """
    unknown = [name for name in models if name not in CURVE_KINDS[1:]]
    if unknown or not models:
        raise ConfigError(
            f"Curves {', '.join(unknown) or '(none)'}: choose of {', '.join(CURVE_KINDS[1:])}."
        )
    return tuple(v for v in _VARIANTS if CURVE_KINDS[v.kind] in models)


def fit_variant(
    points: Points,
    variant: Variant,
    mean: FloatArray | None = None,
    precision: FloatArray | None = None,
) -> Fitted:
    """Fit one variant to all pixels; `mean` (n_pixel, 3) and `precision` (n_pixel, 3, 3): a prior, if there is one."""
    n = len(points.centre)
    out = np.zeros((n, 3)), np.zeros((n, 3, 3)), np.full(n, np.inf)
    known = np.where(points.used, points.error, 1.0)
    weight = np.where(points.used, 1 / known**2, 0.0)
    assisted = mean is not None and precision is not None
    kernels.fit_pixels(
        variant.kind,
        variant.n_free,
        points.energies,
        np.where(points.used, points.centre, 0.0),
        weight,
        np.zeros((n, 3)) if mean is None else mean,
        np.zeros((n, 3, 3)) if precision is None else precision,
        *out,
    )
    least = 2 if assisted else max(variant.n_free, 2)
    fine = np.isfinite(out[2]) & (points.n_used >= least)
    fine[fine] &= _usable(points.take(fine), variant.kind, out[0][fine])
    return Fitted(*out, fine)


def _usable(points: Points, kind: int, coefficients: FloatArray) -> BoolArray:
    """Return which curves are monotonic and neither flat nor vertical over their valid range, with negative phases."""
    ends = points.ends()
    phase, slope = np.empty_like(ends), np.empty_like(ends)
    kinds = np.full(len(ends), kind, np.uint8)
    kernels.inner_curve(kinds, coefficients, np.ascontiguousarray(ends), phase, slope)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (phase[:, 1] - phase[:, 0]) / (ends[:, 1] - ends[:, 0])
        ratio = slope / mean[:, None]
        fine = (mean < 0) & (phase < 0).all(1)
        fine &= (ratio > _SLOPES[0]).all(1) & (ratio < _SLOPES[1]).all(1)
    if kind == kernels.ARCTAN:
        scale = coefficients[:, 1]
        fine &= (scale > _ARCTAN_SCALE[0]) & (scale < _ARCTAN_SCALE[1])
        fine &= phase[:, 1] > -180 * scale
    return np.asarray(fine)
