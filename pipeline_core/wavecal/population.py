"""What the calibration curves of an array have in common: the kind of curve, the scatter about it, its coefficients.

One pixel with five lines can hardly tell an arctangent from a parabola; three thousand of them can. Learnt from pixels
with enough good lines; `curvefit` uses it for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, chdtri

from pipeline_core.wavecal import _curvekernels as kernels
from pipeline_core.wavecal.curves import CURVE_KINDS
from pipeline_core.wavecal.curvevariants import Fitted, Points, Variant, fit_variant, variants_of

__all__ = ["Population", "learn_population"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_FEWEST = 30  # pixels, of the array or of a feedline
_ENOUGH = 3000
_ENOUGH_FOR_SCATTER = 1000
_MOSTLY = 0.8  # of the pixels must have a usable curve of a kind before the array can have it
_SIGNIFICANT = 3.0  # sigma
_MOST_SCATTER_DEG = 20.0
_MISFIT = 20.0  # chi2 over what is usual: such a pixel has a wrong line and tells nothing of curves
_CLIP = 4.0  # sigma, of coefficients
_WIDER = 1.5  # the prior's errors over the population's: it never outweighs a pixel's own lines


@dataclass(frozen=True, eq=False)
class Population:
    """What the curves of an array have in common; see `learn_population`.

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


def learn_population(
    centre_deg: FloatArray,
    centre_error: FloatArray,
    ok: BoolArray,
    energies_ev: FloatArray,
    *,
    feedline: npt.NDArray[np.int64] | None = None,
    models: Sequence[str] = CURVE_KINDS[1:],
) -> Population | None:
    """Learn from the lines of an array what its curves have in common.

    Parameters
    ----------
    centre_deg, centre_error, ok : ndarray, shape (n_pixel, n_line)
        As in `curvefit.fit_curves`.
    energies_ev : ndarray, shape (n_line,)
    feedline : ndarray of int64, shape (n_pixel,), optional
        Feedlines with enough pixels get coefficients of their own.
    models : sequence of str
        Kinds to choose from.

    Returns
    -------
    Population or None
        None if too few pixels have enough lines.
    """
    used = np.array(ok, bool) & np.isfinite(centre_deg) & np.isfinite(centre_error)
    used &= np.nan_to_num(centre_error) > 0
    points = Points(
        np.where(used, centre_deg, 0.0), np.where(used, centre_error, 1.0), used, energies_ev
    )
    enough = (used.sum(1) >= min(4, used.shape[1])) & points.monotonic
    pixels = np.flatnonzero(enough)
    if pixels.size < _FEWEST or used.shape[1] < 3:
        return None
    sample = points.take(pixels[:: -(-pixels.size // _ENOUGH)])
    variants = variants_of(models)
    scatter = min(_scatter(sample, variant) for variant in variants)
    variant = _kind_of_array(_blurred(sample, scatter), variants)
    scatter = _scatter(sample, variant)
    everyone = _blurred(points.take(pixels), scatter)
    lines = None if feedline is None else np.asarray(feedline, np.int64)[pixels]
    return _coefficients(everyone, variant, scatter, lines)


def _blurred(points: Points, scatter: float) -> Points:
    return Points(points.centre, np.hypot(points.error, scatter), points.used, points.energies)


def _scatter(points: Points, variant: Variant) -> float:
    """Return the additional error in degrees that gives this variant's chi2 their expected median; 0 if it may be."""
    pixels = np.flatnonzero(points.n_used > variant.n_free)
    testable = points.take(pixels[:: max(pixels.size // _ENOUGH_FOR_SCATTER, 1)])
    if pixels.size < _FEWEST:
        return _MOST_SCATTER_DEG

    def median_p(scatter: float) -> float:
        blurred = _blurred(testable, scatter)
        fit = fit_variant(blurred, variant)
        p = chdtrc(blurred.n_used - variant.n_free, np.where(fit.fine, fit.chi2, np.inf))
        return float(np.median(p))

    if median_p(0.0) > 0.5 - _SIGNIFICANT * 0.5 / np.sqrt(len(testable.centre)):
        return 0.0
    low, high = np.log(1e-4), np.log(_MOST_SCATTER_DEG)
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if median_p(np.exp(middle)) < 0.5 else (low, middle)
    return float(np.exp(0.5 * (low + high)))


def _kind_of_array(points: Points, variants: Sequence[Variant]) -> Variant:
    """Return the simplest variant that no other one fits significantly better, over all pixels."""
    fits = [fit_variant(points, variant) for variant in variants]
    free = np.array([variant.n_free for variant in variants])
    fine = np.stack([fit.fine for fit in fits])
    candidate = fine.mean(1) >= _MOSTLY * fine.mean(1).max()
    dof = points.n_used - free[:, None]
    sane = (fine | ~candidate[:, None]).all(0) & (dof > 0).any(0)
    if not candidate.any() or sane.sum() < 2:
        return variants[int(np.argmax(fine.mean(1)))]
    chi2 = np.stack([np.where(fit.fine, fit.chi2, np.inf) for fit in fits])[:, sane]
    dof = dof[:, sane]
    # errors of centres may be wrong by a common factor
    ratio = np.where(dof > 0, chi2 / chdtri(np.maximum(dof, 1), 0.5), np.inf)
    usual = float(np.min(np.median(ratio, 1)))
    usual = usual if np.isfinite(usual) and usual > 0 else 1.0
    no_wrong_line = chi2.min(0) < _MISFIT * usual * np.maximum(dof.max(0), 1)
    # what is left of chi2 beyond its degrees of freedom is what a variant misses
    missed = np.minimum(chi2 / usual, 1e4)[:, no_wrong_line] - dof[:, no_wrong_line]
    mean = np.where(candidate, missed.mean(1), np.inf)
    best = int(np.argmin(mean))
    apart = missed - missed[best]
    error = apart.std(1) / np.sqrt(missed.shape[1])
    equal = candidate & (apart.mean(1) <= _SIGNIFICANT * error)
    equal[best] = True
    order = np.lexsort((mean, free))
    return variants[next(int(k) for k in order if equal[k])]


def _coefficients(
    points: Points, variant: Variant, scatter: float, feedline: npt.NDArray[np.int64] | None
) -> Population:
    """Return the population with mean and covariance of the coefficients, for each feedline and for all."""
    fit = fit_variant(points, variant)
    good = fit.fine & (fit.chi2 < _MISFIT * np.maximum(points.n_used - variant.n_free, 1))
    values, noise = _internal(variant, fit)
    lines = np.zeros(0, np.int64)
    if feedline is not None:
        found, counts = np.unique(feedline[good], return_counts=True)
        lines = found[counts >= _FEWEST]
    members = [good if feedline is None else good & (feedline == line) for line in lines] + [good]
    mean, precision = np.zeros((len(members), 3)), np.zeros((len(members), 3, 3))
    for row, member in enumerate(members):
        m, c = _robust(values[member], noise[member])
        k = variant.n_free
        mean[row, :k] = m[:k]
        precision[row, :k, :k] = np.linalg.pinv(_WIDER**2 * c[:k, :k], rcond=1e-12, hermitian=True)
    return Population(variant, scatter, lines, mean, precision, int(good.sum()))


def _internal(variant: Variant, fit: Fitted) -> tuple[FloatArray, FloatArray]:
    """Return coefficients and covariances as `fit_variant` takes them in a prior."""
    values, noise = fit.coefficients.copy(), fit.covariance.copy()
    if variant.kind == kernels.ARCTAN:
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(values[:, :2] > 0, values[:, :2], 1.0)
            noise[:, :2, :2] /= scale[:, :, None] * scale[:, None, :]
            values[:, :2] = np.log(scale)
    return values, noise


def _robust(values: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and covariance of a population whose members are known with `noise`; outliers do not count."""
    kept: BoolArray = np.ones(len(values), bool)
    for _ in range(3):
        middle = np.median(values[kept], 0)
        width = 1.4826 * np.median(np.abs(values[kept] - middle), 0)
        kept = np.asarray((np.abs(values - middle) <= _CLIP * width).all(1))
    if kept.sum() < 4:
        kept = np.ones(len(values), bool)
    observed = np.cov(values[kept].T)
    typical = np.median(noise[kept], 0)
    scale = np.sqrt(np.maximum(np.diag(observed), 1e-300))
    # the population's own spread; what is seen is itself known only to so many parts
    own = (observed * (1 + np.sqrt(2 / kept.sum())) - typical) / np.outer(scale, scale)
    values_own, vectors = np.linalg.eigh(own)
    own = (vectors * np.maximum(values_own, 1e-6)) @ vectors.T
    return values[kept].mean(0), own * np.outer(scale, scale)
