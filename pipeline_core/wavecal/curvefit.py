"""Fit the calibration curve of every pixel through the centres of its laser lines.

Least squares of the phase, whose error is known, at energies that are exact. All kinds are tried and the choice is
penalised for coefficients. What pixels have in common (`population`) decides where one pixel cannot: all are made
alike, so a pixel leaves the array's kind of curve only for a good reason. `compute` calls this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from pipeline_core.errors import ConfigError
from pipeline_core.wavecal import _curvekernels as kernels
from pipeline_core.wavecal.curves import CURVE_KINDS, Curves

__all__ = [
    "MARGIN",
    "OUTLIER_P",
    "Fitted",
    "Points",
    "Population",
    "Variant",
    "fit_curves",
    "fit_variant",
    "variants_of",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MARGIN = 0.05
"""A curve is valid this share of the energy beyond its outermost lines."""
OUTLIER_P = 1e-4
"""Points with a smaller p-value do not belong to one curve: one of them may be left out, or all errors grow."""
_CURED_P = 1e-2
_LOYALTY = 9.0
"""By how much another kind's chi2 + 2k must be lower before a pixel leaves the array's kind."""
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
class Population:
    """What the curves of an array have in common; see `population.learn_population`.

    Attributes
    ----------
    variant : Variant
        The array's curve.
    scatter_deg : float
        By how much lines scatter about their curves beyond their errors.
    feedlines : ndarray of int64, shape (n_feedline,)
        Ascending; the last row of the following is of all of them, and serves those that are not listed.
    mean : ndarray, shape (n_feedline + 1, 3)
        Of the coefficients (logarithms for the arctangent).
    precision : ndarray, shape (n_feedline + 1, 3, 3)
        Inverse of their covariance.
    n_pixel : int
        How many pixels it was learnt from.
    """

    variant: Variant
    scatter_deg: float
    feedlines: npt.NDArray[np.int64]
    mean: FloatArray
    precision: FloatArray
    n_pixel: int

    def rows(self, feedline: npt.NDArray[np.int64] | None, n_pixel: int) -> npt.NDArray[np.intp]:
        """Return the row of each pixel."""
        everyone = np.full(n_pixel, self.feedlines.size)
        if feedline is None or not self.feedlines.size:
            return everyone
        place = np.minimum(np.searchsorted(self.feedlines, feedline), self.feedlines.size - 1)
        return np.where(self.feedlines[place] == feedline, place, everyone)


@dataclass(frozen=True, eq=False)
class Points:
    """Centres of lines and their errors in degrees, (n_pixel, n_line), which count, and the lines' energies."""

    centre: FloatArray
    error: FloatArray
    used: BoolArray
    energies: FloatArray

    def take(self, pixels: npt.NDArray[np.intp] | BoolArray) -> Points:
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


def fit_curves(
    centre_deg: npt.ArrayLike,
    centre_error: npt.ArrayLike,
    ok: npt.ArrayLike,
    energies_ev: npt.ArrayLike,
    *,
    models: Sequence[str] = CURVE_KINDS[1:],
    prior: Population | None = None,
    feedline: npt.NDArray[np.int64] | None = None,
    lean: bool = True,
) -> Curves:
    """Fit a curve to every pixel with at least two good lines.

    Parameters
    ----------
    centre_deg, centre_error : array_like, shape (n_pixel, n_line)
        Phases and their standard errors.
    ok : array_like of bool, shape (n_pixel, n_line)
        Lines that may be used.
    energies_ev : array_like, shape (n_line,)
    models : sequence of str
        Kinds to choose from (`CURVE_KINDS`).
    prior : Population, optional
        What the pixels have in common. Without it every pixel is alone, and lines scatter by their errors only.
    feedline : ndarray of int64, shape (n_pixel,), optional
        Which of the prior's rows a pixel belongs to.
    lean : bool
        Whether pixels with too few lines for the array's curve may lean on the prior.

    Raises
    ------
    ConfigError
        If shapes do not fit or a model is not known.
    """
    points = _points(centre_deg, centre_error, ok, energies_ev, prior)
    n_pixel = len(points.centre)
    variants = variants_of(models)
    home = prior if prior is not None and prior.variant in variants else None
    rows = np.zeros(n_pixel, np.intp) if home is None else home.rows(feedline, n_pixel)
    choice = _choose(points, variants, home, rows, lean)
    points = _leave_out(points, choice, variants, home, rows, lean)
    return _curves(points, choice, 0.0 if prior is None else prior.scatter_deg)


def _points(
    centre_deg: npt.ArrayLike,
    centre_error: npt.ArrayLike,
    ok: npt.ArrayLike,
    energies_ev: npt.ArrayLike,
    prior: Population | None,
) -> Points:
    centre, error = np.asarray(centre_deg, float), np.asarray(centre_error, float)
    energies = np.ascontiguousarray(energies_ev, float)
    used = np.array(ok, bool)
    if not (
        centre.ndim == 2
        and centre.shape == error.shape == used.shape
        and energies.shape == centre.shape[1:]
    ):
        raise ConfigError(
            f"Curves: centres {centre.shape}, errors {error.shape}, ok {used.shape} and energies {energies.shape} "
            "do not belong together."
        )
    used &= np.isfinite(centre) & np.isfinite(error) & (error > 0)
    error = np.hypot(np.where(used, error, 1.0), 0.0 if prior is None else prior.scatter_deg)
    return Points(np.where(used, centre, 0.0), error, used, energies)


class _Choice:
    """The chosen curve of every pixel; `kind` 0 where none is usable."""

    def __init__(self, n_pixel: int) -> None:
        self.kind = np.zeros(n_pixel, np.uint8)
        self.n_free = np.zeros(n_pixel, np.uint8)
        self.coefficients = np.full((n_pixel, 3), np.nan)
        self.covariance = np.full((n_pixel, 3, 3), np.nan)
        self.chi2 = np.full(n_pixel, np.nan)
        self.dof = np.zeros(n_pixel, np.int64)
        self.p_value = np.zeros(n_pixel)
        self.assisted = np.zeros(n_pixel, bool)

    def take_fit(
        self,
        pixels: BoolArray,
        variant: Variant,
        fit: Fitted,
        n_used: npt.NDArray[np.int64],
        assisted: bool,
    ) -> None:
        """Set some pixels to their row of a fit of all."""
        self.kind[pixels], self.n_free[pixels] = variant.kind, variant.n_free
        self.assisted[pixels] = assisted
        for name in ("coefficients", "covariance", "chi2"):
            getattr(self, name)[pixels] = getattr(fit, name)[pixels]
        dof = np.maximum(n_used[pixels] - variant.n_free, 0)
        self.dof[pixels] = dof
        # the prior's pull counts as well: with it there are as many degrees as lines
        degrees = n_used[pixels] if assisted else dof
        self.p_value[pixels] = np.where(
            degrees > 0, chdtrc(np.maximum(degrees, 1), self.chi2[pixels]), 1.0
        )

    def replace(
        self, pixels: npt.NDArray[np.intp], other: _Choice, rows: npt.NDArray[np.intp]
    ) -> None:
        """Take rows of another choice."""
        for name, array in vars(self).items():
            array[pixels] = getattr(other, name)[rows]


def _choose(
    points: Points,
    variants: Sequence[Variant],
    home: Population | None,
    rows: npt.NDArray[np.intp],
    lean: bool,
) -> _Choice:
    """Fit all variants and choose by ``chi2 + 2 n_free``, in favour of the array's; weak pixels get the prior."""
    n_used = points.n_used
    fits = [fit_variant(points, variant) for variant in variants]
    score = np.stack(
        [
            np.where(f.fine, f.chi2 + 2.0 * v.n_free, np.inf)
            for f, v in zip(fits, variants, strict=True)
        ]
    )
    if home is not None:
        score[variants.index(home.variant)] -= _LOYALTY
    best = score.argmin(0)
    best[~np.isfinite(score.min(0))] = -1
    choice = _Choice(len(n_used))
    for k, variant in enumerate(variants):
        choice.take_fit(best == k, variant, fits[k], n_used, assisted=False)
    if home is not None and lean and home.variant.n_free > 1:
        own = fits[variants.index(home.variant)].fine
        weak = (n_used >= 2) & ((n_used <= home.variant.n_free) | ~own)
        _lean(choice, points, weak, home, rows)
    return choice


def _lean(
    choice: _Choice, points: Points, weak: BoolArray, home: Population, rows: npt.NDArray[np.intp]
) -> None:
    """Refit weak pixels with the prior of their feedline; keep what agrees with their lines."""
    few = points.take(weak)
    fit = fit_variant(few, home.variant, home.mean[rows[weak]], home.precision[rows[weak]])
    new = _Choice(len(few.centre))
    new.take_fit(fit.fine, home.variant, fit, few.n_used, assisted=True)
    kept = (new.kind > 0) & (new.p_value > OUTLIER_P)
    choice.replace(np.flatnonzero(weak)[kept], new, np.flatnonzero(kept))


def _leave_out(
    points: Points,
    choice: _Choice,
    variants: Sequence[Variant],
    home: Population | None,
    rows: npt.NDArray[np.intp],
    lean: bool,
) -> Points:
    """Leave out one line of each pixel whose lines contradict each other, where the others then agree.

    They must be able to: at least one degree of freedom is left. Changes `choice`; returns the points that are used.
    """
    wrong = (choice.p_value < OUTLIER_P) | ~points.monotonic
    pixels = np.flatnonzero(wrong & (points.n_used >= 4))
    used = points.used.copy()
    if not pixels.size:
        return points
    few = points.take(pixels)
    best_p = np.full(pixels.size, _CURED_P)
    for line in range(len(points.energies)):
        rest = few.without(line)
        trial = _choose(rest, variants, home, rows[pixels], lean)
        better = few.used[:, line] & rest.monotonic & (trial.dof >= 1) & ~trial.assisted
        better &= (trial.kind > 0) & (trial.p_value > best_p)
        choice.replace(pixels[better], trial, np.flatnonzero(better))
        best_p[better] = trial.p_value[better]
        used[pixels[better]] = rest.used[better]
    return Points(points.centre, points.error, used, points.energies)


def _curves(points: Points, choice: _Choice, scatter_deg: float) -> Curves:
    """Put everything together: valid ranges, errors that cover misfits, no curve where pulses are out of order."""
    out_of_order = ~points.monotonic
    none = (choice.kind == 0) | out_of_order
    kind = np.where(none, 0, choice.kind).astype(np.uint8)
    growth = np.where(choice.p_value < OUTLIER_P, choice.chi2 / np.maximum(choice.dof, 1), 1.0)
    energy = np.where(none[:, None], np.nan, points.ends())
    phase, slope = np.empty_like(energy), np.empty_like(energy)
    kernels.inner_curve(kind, choice.coefficients, energy, phase, slope)
    return Curves(
        kind=kind,
        n_free=np.where(none, 0, choice.n_free).astype(np.uint8),
        coefficients=np.where(none[:, None], np.nan, choice.coefficients),
        covariance=np.where(none[:, None, None], np.nan, choice.covariance * growth[:, None, None]),
        chi2=np.where(none, np.nan, choice.chi2),
        dof=np.where(none, 0, choice.dof),
        p_value=np.where(none, np.nan, choice.p_value),
        valid_phase_deg=phase[:, ::-1],
        valid_energy_ev=energy,
        prior_assisted=choice.assisted & ~none,
        used=points.used,
        not_monotonic=out_of_order,
        scatter_deg=scatter_deg,
    )
