"""Fit the calibration curve of every pixel through the centres of its laser lines.

Least squares of the phase, whose error is known, at energies that are exact. All kinds are tried and the choice is
penalised for coefficients. What pixels have in common (`population`) decides where one pixel cannot: all are made
alike, so a pixel leaves the array's kind of curve only for a good reason. `compute` calls this.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress, silent
from pipeline_core.wavecal import _curvekernels as kernels
from pipeline_core.wavecal.curves import CURVE_KINDS, Curves, joined
from pipeline_core.wavecal.curvevariants import Fitted, Points, Variant, fit_variant, variants_of
from pipeline_core.wavecal.population import Population

__all__ = ["OUTLIER_P", "fit_curves"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

OUTLIER_P = 1e-4
"""Points with a smaller p-value do not belong to one curve: one of them may be left out, or all errors grow."""
_CURED_P = 1e-2
_LOYALTY = 9.0
"""By how much another kind's chi2 + 2k must be lower before a pixel leaves the array's kind."""
_BLOCK = 2000  # pixels between two reports of progress


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
    progress: Progress = silent,
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
    progress : Progress
        May cancel.

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
    scatter = 0.0 if prior is None else prior.scatter_deg

    def one_block(first: int) -> Curves:
        part = slice(first, first + _BLOCK)
        block = points.take(part)
        choice = _choose(block, variants, home, rows[part], lean)
        block = _leave_out(block, choice, variants, home, rows[part], lean)
        return _curves(block, choice, scatter)

    blocks = []
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="curve-fit") as pool:
        try:
            for done in pool.map(one_block, range(0, max(n_pixel, 1), _BLOCK)):
                blocks.append(done)
                progress(min(len(blocks) * _BLOCK, n_pixel), n_pixel, "fit curves")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return joined(blocks)


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
        weak = (n_used <= home.variant.n_free) | ~own
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
