"""Maximum likelihood of (Ic, Is) or (Ic, Is, Ip) for one histogram of counts, by Newton steps in logarithms.

Derivatives are differences of the likelihood, which is smooth and quick. A component may be so faint that the
likelihood does not tell it from none: then it is 0 and the pixel is at a bound.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError
from pipeline_core.speckle.likelihood import BinModel, log_likelihood, scratch_size
from pipeline_core.speckle.moments import moments_of, start_values
from pipeline_core.speckle.settings import Prior
from pipeline_core.speckle.status import PixelStatus

__all__ = [
    "NO_PRIORS",
    "FitResult",
    "bound_errors",
    "fit_histogram",
    "fit_kernel",
    "log_posterior",
    "prior_array",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_STEP = 1e-3
"""Of differences, in logarithms."""
_LEAST = math.log(1e-5)
_MOST = math.log(10.0)
"""Logarithms of the faintest and brightest component over the mean rate."""
_FAINT = 0.03
"""Only below this share of the mean a component is asked whether it is there at all."""
_NO_GAIN = 1e-6
_UNTOLD = 1e-3
"""Gains of ln L that end the fit, and that do not tell a faint component from none."""
_MOST_STEPS = 60
_LONGEST = 1.5

_OK = int(PixelStatus.OK)
_AT_BOUND = int(PixelStatus.AT_BOUND)
_NOT_CONVERGED = int(PixelStatus.NOT_CONVERGED)

NO_PRIORS: FloatArray = np.array([[0.0, np.inf]] * 3)


class FitResult(NamedTuple):
    """The maximum of the likelihood.

    Attributes
    ----------
    status : PixelStatus
    values : ndarray of float64, shape (3,)
        Ic, Is, Ip in counts/s; Ip is 0 where it was not fitted.
    covariance : ndarray of float64, shape (3, 3)
        Inverse of the curvature, (counts/s)^2: too small where bins are correlated. NaN for components at a bound.
    log_likelihood : float
        With priors; of `likelihood.log_likelihood`.
    free : ndarray of bool, shape (3,)
        Components that are neither fixed nor at a bound.
    """

    status: PixelStatus
    values: FloatArray
    covariance: FloatArray
    log_likelihood: float
    free: npt.NDArray[np.bool_]


def prior_array(priors: tuple[Prior | None, ...]) -> FloatArray:
    """Return priors of Ic, Is, Ip as means and sigmas in counts/s, shape (3, 2); without a prior sigma is infinite."""
    rows = [(0.0, np.inf) if one is None else (one.mean_cps, one.sigma_cps) for one in priors]
    return np.array(rows, np.float64)


@kernel
def log_posterior(
    occurrences: IntArray,
    ic: float,
    is_: float,
    ip: float,
    model: BinModel,
    priors: FloatArray,
    ratios: FloatArray,
) -> float:
    """Return `log_likelihood` with Gaussian priors (see `prior_array`), but for a constant."""
    value = log_likelihood(occurrences, ic, is_, ip, model, ratios)
    for k, found in enumerate((ic, is_, ip)):
        off = (found - priors[k, 0]) / priors[k, 1]
        value -= 0.5 * off * off
    return value


@kernel
def _objective(
    logs: FloatArray,
    present: npt.NDArray[np.bool_],
    occurrences: IntArray,
    model: BinModel,
    priors: FloatArray,
    ratios: FloatArray,
) -> float:
    ic = math.exp(logs[0]) if present[0] else 0.0
    is_ = math.exp(logs[1]) if present[1] else 0.0
    ip = math.exp(logs[2]) if present[2] else 0.0
    return log_posterior(occurrences, ic, is_, ip, model, priors, ratios)


@kernel
def _derivatives(
    logs: FloatArray,
    here: float,
    present: npt.NDArray[np.bool_],
    occurrences: IntArray,
    model: BinModel,
    priors: FloatArray,
    ratios: FloatArray,
    gradient: FloatArray,
    curvature: FloatArray,
) -> None:
    """Fill gradient and negative second derivatives in logarithms; rows of what is not there are those of a unit."""
    at = logs.copy()
    gradient[:] = 0.0
    curvature[:] = 0.0
    up = np.zeros(3)
    for i in range(3):
        curvature[i, i] = 1.0
        if not present[i]:
            continue
        at[i] = logs[i] + _STEP
        up[i] = _objective(at, present, occurrences, model, priors, ratios)
        at[i] = logs[i] - _STEP
        down = _objective(at, present, occurrences, model, priors, ratios)
        at[i] = logs[i]
        gradient[i] = (up[i] - down) / (2.0 * _STEP)
        curvature[i, i] = -(up[i] - 2.0 * here + down) / (_STEP * _STEP)
    for i in range(3):
        for j in range(i):
            if not (present[i] and present[j]):
                continue
            at[i] += _STEP
            at[j] += _STEP
            both = _objective(at, present, occurrences, model, priors, ratios)
            at[i] -= 2.0 * _STEP
            at[j] -= 2.0 * _STEP
            neither = _objective(at, present, occurrences, model, priors, ratios)
            at[i] = logs[i]
            at[j] = logs[j]
            # symmetric in both: f(+,+) + f(-,-) holds the diagonal terms too
            mixed = (both + neither - 2.0 * here) / (_STEP * _STEP)
            curvature[i, j] = -0.5 * (mixed + curvature[i, i] + curvature[j, j])
            curvature[j, i] = curvature[i, j]


@kernel
def _solve(matrix: FloatArray, right: FloatArray, damping: float, out: FloatArray) -> bool:
    """Solve for 3 unknowns by Cholesky's method; false where the damped matrix is not positive definite."""
    low = np.zeros((3, 3))
    for i in range(3):
        for j in range(i + 1):
            value = matrix[i, j]
            if i == j:
                value += damping
            for k in range(j):
                value -= low[i, k] * low[j, k]
            if i == j:
                if not value > 1e-12:
                    return False
                low[i, i] = math.sqrt(value)
            else:
                low[i, j] = value / low[j, j]
    for i in range(3):
        value = right[i]
        for k in range(i):
            value -= low[i, k] * out[k]
        out[i] = value / low[i, i]
    for i in range(2, -1, -1):
        value = out[i]
        for k in range(i + 1, 3):
            value -= low[k, i] * out[k]
        out[i] = value / low[i, i]
    return True


@kernel
def _climb(
    logs: FloatArray,
    floor: float,
    ceiling: float,
    present: npt.NDArray[np.bool_],
    occurrences: IntArray,
    model: BinModel,
    priors: FloatArray,
    ratios: FloatArray,
    curvature: FloatArray,
) -> tuple[bool, float]:
    """Move `logs` to the maximum; return whether it was reached, and ln L there."""
    gradient, step, at = np.zeros(3), np.zeros(3), np.empty(3)
    matrix = np.empty((3, 3))
    damping = 0.0
    here = _objective(logs, present, occurrences, model, priors, ratios)
    for _ in range(_MOST_STEPS):
        _derivatives(logs, here, present, occurrences, model, priors, ratios, gradient, curvature)
        matrix[:] = curvature
        for i in range(3):
            # at a limit and drawn beyond it: stays there
            if (logs[i] <= floor and gradient[i] < 0.0) or (
                logs[i] >= ceiling and gradient[i] > 0.0
            ):
                gradient[i] = 0.0
                matrix[i, :] = 0.0
                matrix[:, i] = 0.0
                matrix[i, i] = 1.0
        moved = False
        for _ in range(30):
            if _solve(matrix, gradient, damping, step):
                longest = np.abs(step).max()
                gain = 0.5 * (gradient * step).sum()
                if gain < _NO_GAIN and damping <= 1.0:
                    return True, here
                scale = _LONGEST / longest if longest > _LONGEST else 1.0
                for i in range(3):
                    at[i] = min(max(logs[i] + scale * step[i], floor), ceiling)
                there = _objective(at, present, occurrences, model, priors, ratios)
                if there > here:
                    logs[:] = at
                    here = there
                    moved = True
                    damping = 0.0 if damping < 0.1 else 0.1 * damping
                    break
                if gain < 100.0 * _NO_GAIN:  # rounding decides: this is the top
                    return True, here
            damping = max(10.0 * damping, 0.1)
        if not moved:
            break
    return False, here


@kernel
def fit_kernel(
    occurrences: IntArray,
    model: BinModel,
    priors: FloatArray,
    with_ip: bool,
    values: FloatArray,
    covariance: FloatArray,
    free: npt.NDArray[np.bool_],
) -> tuple[int, float]:
    """Fit one histogram with photons in it; return status and ln L, fill what `FitResult` has.

    `occurrences` ends with the largest count that was seen.
    """
    found = moments_of(occurrences)
    start = start_values(found, model, with_ip)
    mean = start[0] + start[1] + start[2]
    floor, ceiling = math.log(mean) + _LEAST, math.log(mean) + _MOST
    ratios = np.empty(scratch_size(occurrences.size - 1, model.dead))
    present = np.array([True, True, with_ip])
    logs = np.zeros(3)
    for i in range(3):
        logs[i] = math.log(start[i]) if present[i] else floor
    curvature = np.zeros((3, 3))
    reached, top = _climb(
        logs, floor, ceiling, present, occurrences, model, priors, ratios, curvature
    )
    status = _OK if reached else _NOT_CONVERGED
    at_bound = False
    for i in range(3):
        if not present[i] or logs[i] > math.log(mean * _FAINT):
            continue
        present[i] = False
        if not present.any():
            present[i] = True
            continue
        without = _objective(logs, present, occurrences, model, priors, ratios)
        if without < top - _UNTOLD:
            present[i] = True
        else:
            at_bound = True
    if at_bound:
        again, top = _climb(
            logs, floor, ceiling, present, occurrences, model, priors, ratios, curvature
        )
        if again:
            status = _AT_BOUND
    gradient = np.zeros(3)
    _derivatives(logs, top, present, occurrences, model, priors, ratios, gradient, curvature)
    inverse, unit = np.zeros(3), np.zeros(3)
    covariance[:] = np.nan
    for j in range(3):
        free[j] = present[j]
        values[j] = math.exp(logs[j]) if present[j] else 0.0
    for j in range(3):
        unit[:] = 0.0
        unit[j] = 1.0
        if not present[j] or not _solve(curvature, unit, 0.0, inverse):
            continue
        for i in range(3):
            if present[i]:
                covariance[i, j] = inverse[i] * values[i] * values[j]
    return status, top


@kernel
def bound_errors(
    occurrences: IntArray,
    model: BinModel,
    priors: FloatArray,
    with_ip: bool,
    values: FloatArray,
    top: float,
    out: FloatArray,
) -> None:
    """Fill, for components that are 0, how bright they may be until ln L falls by 1/2, the others as they are.

    NaN where they are so bright as all light together; others than those that are 0 are left.
    """
    ratios = np.empty(scratch_size(occurrences.size - 1, model.dead))
    mean = values.sum()
    present = values > 0.0
    logs = np.zeros(3)
    for i in range(3):
        logs[i] = math.log(values[i]) if present[i] else 0.0
    for i in range(3):
        if present[i] or (i == 2 and not with_ip):
            continue
        present[i] = True
        low, high = 0.0, 0.01 * mean
        found = np.nan
        for _ in range(60):
            at = high if np.isnan(found) else 0.5 * (low + high)
            logs[i] = math.log(at)
            drop = top - _objective(logs, present, occurrences, model, priors, ratios)
            if drop < 0.5:
                low = at
                if np.isnan(found):
                    high *= 2.0
                    if high > 4.0 * mean:
                        break
            else:
                high = found = at
            if high - low < 1e-3 * high:
                break
        out[i] = found
        present[i] = False


def fit_histogram(
    occurrences: npt.ArrayLike,
    model: BinModel,
    *,
    with_ip: bool = False,
    priors: tuple[Prior | None, ...] = (None, None, None),
) -> FitResult:
    """Fit the intensities to a histogram of counts.

    Parameters
    ----------
    occurrences : array_like of int, shape (n,)
        Number of bins with 0, 1, 2, ... counts.
    model : BinModel
        As `likelihood.bin_model` makes it.
    with_ip : bool
    priors : tuple of Prior or None
        Of Ic, Is, Ip.

    Returns
    -------
    FitResult
        Without photons, status TOO_FEW_PHOTONS and NaN.

    Raises
    ------
    ConfigError
        If it is no histogram.
    """
    found = np.ascontiguousarray(occurrences, np.int64)
    if found.ndim != 1 or (found < 0).any():
        raise ConfigError("A histogram of counts is a row of whole numbers of at least 0.")
    values, covariance = np.full(3, np.nan), np.full((3, 3), np.nan)
    free = np.zeros(3, bool)
    filled = np.flatnonzero(found)
    if not filled.size or not filled[-1]:
        status = PixelStatus.TOO_FEW_PHOTONS
        return FitResult(status, values, covariance, math.nan, free)
    cut = np.ascontiguousarray(found[: filled[-1] + 1])
    code, top = fit_kernel(cut, model, prior_array(priors), with_ip, values, covariance, free)
    return FitResult(PixelStatus(code), values, covariance, top, free)
