"""Compiled loops that fit one laser line: damped Fisher scoring, covariance.

Everything is per line and writes into arrays that the caller owns. `_modelkernels` says what is expected and what the
rows of `bins` and `model` and the parameters are; `_searchkernels` chooses starts and models.

`limits` (4, N_THETA) holds lowest and highest values, and mean and weight (1 / variance) of a prior.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import helper, inline, loop, reduction
from pipeline_core.wavecal._mathkernels import put
from pipeline_core.wavecal._modelkernels import (
    COUNTS,
    LAM,
    N_THETA,
    RESIDUAL,
    SCALED,
    WEIGHT,
    deviance,
    expected,
)

__all__ = [
    "AT_ONCE",
    "covariance",
    "factor",
    "fit",
    "information",
    "penalty",
    "products",
    "push",
    "solve",
    "substitute",
    "weigh",
]

SECOND_WIDTH_PRIOR = 0.3
"""Scatter of the log of the second Gaussian's width over the line's, where there is a tail as well: a peak, no hump."""

AT_ONCE = 4
"""Rows that `products` takes at once; lists of rows are this much longer than what they list."""

_FAR_LESS = 0.25
_LEAST = 1e-300  # of Fisher information

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@loop
def weigh(bins, model):  # type: ignore[no-untyped-def]
    """Set weights 1 / lam and relative residuals."""
    for i in range(bins.shape[1] - 1):
        weight = 1.0 / model[LAM, i]
        model[WEIGHT, i] = weight
        model[RESIDUAL, i] = bins[COUNTS, i] * weight - 1.0


@reduction
def products(model, row, used, count, sums, at):  # type: ignore[no-untyped-def]
    """Set ``sums[at]`` to sums over bins of a row times each of the `count` rows that are listed in `used`.

    Both `used` and ``sums[at]`` are longer than that by `AT_ONCE`.
    """
    m = model.shape[1] - 1
    for k in range(0, count, AT_ONCE):
        a, b, c, d = used[k], used[k + 1], used[k + 2], used[k + 3]
        s = t = u = v = 0.0
        for i in range(m):
            factor = model[row, i]
            s += factor * model[a, i]
            t += factor * model[b, i]
            u += factor * model[c, i]
            v += factor * model[d, i]
        sums[at, k], sums[at, k + 1], sums[at, k + 2], sums[at, k + 3] = s, t, u, v


@loop
def information(model, used, count, fisher):  # type: ignore[no-untyped-def]
    """Set the lower triangle of the Fisher matrix, and below it the gradient of the log likelihood; of weighed bins.

    Of the `count` parameters that are listed in `used`, which is longer by `AT_ONCE`. `fisher` has the shape
    (count + 1, count + AT_ONCE) or more.
    """
    products(model, RESIDUAL, used, count, fisher, count)
    for a in range(count):
        row = used[a]
        for i in range(model.shape[1] - 1):
            model[SCALED, i] = model[WEIGHT, i] * model[row, i]
        products(model, SCALED, used, a + 1, fisher, a)


@loop
def _add_priors(used, count, theta, tied, limits, fisher):  # type: ignore[no-untyped-def]
    for a in range(count):
        j = used[a]
        fisher[count, a] += limits[3, j] * (limits[2, j] - theta[j])
        fisher[a, a] += limits[3, j]
    if tied:
        # the penalty ((theta[5] - theta[2]) / width)**2
        weight = 1.0 / SECOND_WIDTH_PRIOR**2
        for a in range(count):
            if used[a] == 2 or used[a] == 5:
                sign = 1.0 if used[a] == 5 else -1.0
                fisher[count, a] -= sign * weight * (theta[5] - theta[2])
                for b in range(a + 1):
                    if used[b] == 2 or used[b] == 5:
                        fisher[a, b] += weight if a == b else -weight


@loop
def factor(matrix, first, count):  # type: ignore[no-untyped-def]
    """Decompose by Cholesky in place, the diagonal being that of 1 / L; false if not positive.

    Only the lower triangle is read and written, each row from its `first` column on: what is before is 0.
    """
    for a in range(count):
        begin = first[a]
        for b in range(begin, a):
            total = matrix[a, b]
            for k in range(max(begin, first[b]), b):
                total -= matrix[a, k] * matrix[b, k]
            matrix[a, b] = total * matrix[b, b]
        total = matrix[a, a]
        for k in range(begin, a):
            total -= matrix[a, k] * matrix[a, k]
        if not total > 1e-12:
            return False
        matrix[a, a] = 1.0 / math.sqrt(total)
    return True


@loop
def substitute(matrix, first, count, vector):  # type: ignore[no-untyped-def]
    """Solve in place with what `factor` left."""
    for a in range(count):
        total = vector[a]
        for k in range(first[a], a):
            total -= matrix[a, k] * vector[k]
        vector[a] = total * matrix[a, a]
    for a in range(count - 1, -1, -1):
        value = vector[a] * matrix[a, a]
        vector[a] = value
        for k in range(first[a], a):
            vector[k] -= matrix[a, k] * value


@loop
def solve(fisher, first, count, damping, least, unit, matrix, step):  # type: ignore[no-untyped-def]
    """Solve the damped equations in units where every parameter has Fisher information 1; false if there is no step.

    Of `fisher` the lower triangle is read, each row from its `first` column on, and the gradient below it; a diagonal
    below `least` is that. Sets `unit`, and `matrix` to the decomposition in these units.
    """
    for a in range(count):
        unit[a] = 1.0 / math.sqrt(max(fisher[a, a], least))
        step[a] = fisher[count, a] * unit[a]
        for b in range(first[a], a):
            matrix[a, b] = fisher[a, b] * (unit[a] * unit[b])
        matrix[a, a] = 1.0 + damping
    if not factor(matrix, first, count):
        return False
    substitute(matrix, first, count, step)
    for a in range(count):
        step[a] *= unit[a]
    return True


@loop
def _choose(theta, free, limits, model, used):  # type: ignore[no-untyped-def]
    """List the parameters that may move: free, and not pushed against a bound. A tail of height 0 has no slope."""
    count = 0
    for j in range(N_THETA):
        if not free[j] or (j == 7 and theta[6] <= 0.0):
            continue
        low, high = theta[j] <= limits[0, j], theta[j] >= limits[1, j]
        if low or high:
            pushed = push(model, j)
            if (low and pushed <= 0.0) or (high and pushed >= 0.0):
                continue
        used[count] = j
        count += 1
    return count


@reduction
def push(model, row):  # type: ignore[no-untyped-def]
    """Return how the log likelihood grows with a parameter."""
    total = 0.0
    for i in range(model.shape[1] - 1):
        total += model[row, i] * model[RESIDUAL, i]
    return total


@loop
def penalty(theta, tied, limits):  # type: ignore[no-untyped-def]
    """Return what the priors add to the deviance; `tied`: the second Gaussian is to be as wide as the line."""
    value = 0.0
    for j in range(N_THETA):
        value += limits[3, j] * (theta[j] - limits[2, j]) ** 2
    if tied:
        value += ((theta[5] - theta[2]) / SECOND_WIDTH_PRIOR) ** 2
    return value


@helper
def _room():  # type: ignore[no-untyped-def]
    """Return room for the Fisher matrix with the gradient, a decomposed one, step and units; a list of rows, all 0."""
    room = np.empty((2 * N_THETA + 3, N_THETA + AT_ONCE))
    rows = np.zeros(N_THETA + AT_ONCE, np.int64)
    return room[: N_THETA + 1], room[N_THETA + 1 : -2], room[-2], room[-1], rows


@helper
def fit(bins, reference, free, limits, theta, model, effort):  # type: ignore[no-untyped-def]
    """Improve `theta` by damped Fisher scoring; return the deviance and whether it converged.

    `effort`: how many steps at most, and the gain of deviance that ends them: a step that gains less converges.
    `model` belongs to the final `theta`. The deviance does not hold the priors' terms.
    """
    gaussians = int(free[0]) + int(free[3])
    enough = effort[1]
    fisher, matrix, step, unit, used = _room()
    first = np.zeros(N_THETA, np.int64)
    old = np.empty(N_THETA)
    now, trial = model, np.empty_like(model)
    expected(bins, theta, reference, gaussians, now)
    value = deviance(bins, now)
    tied = free[3] and free[6]
    cost = penalty(theta, tied, limits)
    damping = 1e-3
    fresh, done, swapped = True, False, False
    count = 0
    for _ in range(int(effort[0])):
        if fresh:
            weigh(bins, now)
            count = _choose(theta, free, limits, now, used)
            information(now, used, count, fisher)
            _add_priors(used, count, theta, tied, limits, fisher)
        fresh = False
        if not solve(fisher, first, count, damping, _LEAST, unit, matrix, step):
            damping = max(10.0 * damping, 1e-6)
            if damping > 1e8:
                break
            continue
        promise = 0.0
        for a in range(count):
            promise += step[a] * fisher[count, a]
        for j in range(N_THETA):
            old[j] = theta[j]
        _move(theta, used, count, step, limits)
        expected(bins, theta, reference, gaussians, trial)
        trial_value = deviance(bins, trial)
        trial_cost = penalty(theta, tied, limits)
        gain = value + cost - trial_value - trial_cost
        if gain > -1e-9:
            now, trial, swapped = trial, now, not swapped
            value, cost = trial_value, trial_cost
            # far less than promised: the step went across a curved valley, and the next would come back
            overshot = gain < _FAR_LESS * promise
            damping = max(10.0 * damping, 1e-6) if overshot else max(0.1 * damping, 1e-9)
            fresh = True
            if gain < enough and promise < 4.0 * enough:
                done = True
                break
        else:
            for j in range(N_THETA):
                theta[j] = old[j]
            damping = max(10.0 * damping, 1e-6)
            # nothing better can be reached in floating point
            if damping > 1e8:
                done = promise < 1e-3
                break
    if swapped:
        put(model, now)
    return value, done


@loop
def _move(theta, used, count, step, limits):  # type: ignore[no-untyped-def]
    """Add the step, capped: logarithms by at most 1, centres by two sigma, and inside the bounds."""
    shrink = 1.0
    for a in range(count):
        j = used[a]
        cap = math.inf
        if j == 1 or j == 4:
            cap = 2.0 * math.exp(theta[j + 1])
        elif j != 6 and j != 8:
            cap = 1.0
        if abs(step[a]) > cap:
            shrink = min(shrink, cap / abs(step[a]))
    for a in range(count):
        j = used[a]
        theta[j] = min(max(theta[j] + shrink * step[a], limits[0, j]), limits[1, j])


@inline
def covariance(bins, model, free, theta, limits, result):  # type: ignore[no-untyped-def]
    """Set the inverse of the Fisher matrix (N_THETA, N_THETA), 0 for parameters that do not move; return how many do.

    All NaN where the matrix has no inverse.
    """
    fisher, matrix, step, unit, used = _room()
    first = np.zeros(N_THETA, np.int64)
    weigh(bins, model)
    count = _choose(theta, free, limits, model, used)
    information(model, used, count, fisher)
    _add_priors(used, count, theta, free[3] and free[6], limits, fisher)
    good = solve(fisher, first, count, 0.0, _LEAST, unit, matrix, step)
    for a in range(N_THETA):
        for b in range(N_THETA):
            result[a, b] = 0.0 if good else math.nan
    for a in range(count if good else 0):
        for b in range(count):
            step[b] = 0.0
        step[a] = unit[a]
        substitute(matrix, first, count, step)
        for b in range(count):
            result[used[b], used[a]] = step[b] * unit[b]
    return count
