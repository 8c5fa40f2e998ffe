"""Compiled test for a second resonator in a pixel: one or two peaks in all of its lines together.

A second resonator sees the same light with another gain: in every line it takes the same share of the photons, and its
pulses are the same multiple of the first one's. Two parameters, then, for all lines together, and the noise triggers'
tail has one slope. `_pixelkernels` calls `compare_peaks` with the bins and the fits of single lines; edge and softness
stay as they are there.

Globals (1 or 3): 0 log slope of the tail, 1 logit of the share, 2 second centre over first. Locals of a line: 0 log
photons of both peaks, 1 first centre, 2 log sigma of either, 3 tail at the reference and 4 floor, per degree and >= 0.

`bins` (lines, N_GIVEN, m + 1) and `model` (N_ROWS, m + 1) are those of `_modelkernels`, but that the background is what
is seen of it, and that beside it stands the share that is seen of everything, which is not fitted.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline_core._jit import helper, inline, kernel, loop
from pipeline_core.wavecal._linekernels import (
    AT_ONCE,
    factor,
    information,
    solve,
    substitute,
    weigh,
)
from pipeline_core.wavecal._mathkernels import exp, put
from pipeline_core.wavecal._modelkernels import (
    DARK,
    EDGES,
    LAM,
    N_ROWS,
    N_THETA,
    SEEN,
    TILT,
    TINY,
    add_gaussian,
    add_tail,
    deviance,
)

__all__ = ["PASSED", "compare_peaks", "shape_hint"]

PASSED = TILT
_LOCAL, _GLOBAL = 5, 3
_SHARE = (-4.0, 0.4)  # logit: 0.018 to 0.6; beyond, first and second exchange their names
_RATIO = (0.3, 1.9)
_SLOPE = (math.log(0.01), math.log(1.5))
_SLOPE_PRIOR = (math.log(0.13), 0.7)
_SHARE_ROW, _RATIO_ROW = 9, 10  # rows of `model` that those of the trigger do not need here
_OWN, _BOTH = np.array(
    [6, 8]
)  # rows of one peak, and of two; numpy's numbers as in `_modelkernels`
_LEAST = 1e-12  # of Fisher information
_ALONE, _ROUGH, _FINAL = np.array([20, 5, 30])  # steps at most
_ENOUGH = 0.01  # of deviance
_PROMISING = 4.0  # of deviance: less than that after some steps will not become much
_STARTS = np.array(
    [[0.25, 2.7, 1.0], [0.25, -2.7, 1.0], [0.45, 2.5, 1.0], [0.3, 4.5, 1.0], [0.3, -4.5, 1.0],
     [0.3, 4.0, 0.0], [0.3, -4.0, 0.0]]
)  # fmt: skip
"""Share, distance in sigma (positive is a taller pulse), and whether the single line was spread over both peaks."""


@loop
def _line(bins, reference, local, shared, theta, model, used, fisher):  # type: ignore[no-untyped-def]
    """Set Fisher matrix and gradient (see `information`) of the locals and globals of a line; return its deviance."""
    two = shared.size > 1
    m = bins.shape[1] - 1
    share = 1.0 / (1.0 + math.exp(-shared[1])) if two else 0.0
    theta[0] = local[0] + math.log1p(-share)
    theta[1], theta[2] = local[1], local[2]
    theta[6], theta[7], theta[8] = local[3], shared[0], local[4]
    for i in range(m):
        model[LAM, i] = 0.0
        model[SEEN, i] = bins[PASSED, i]
    peaks = 1
    if two:
        theta[3] = local[0] + math.log(share)
        theta[4], theta[5] = local[1] * shared[2], local[2]
        peaks = 2
    for k in range(peaks):
        add_gaussian(bins, theta, 3 * k, model)
    add_tail(bins, theta, reference, model)
    if two:
        _share_parameters(model, share, local[1], shared[2])
    for i in range(m):
        model[LAM, i] = model[LAM, i] * model[SEEN, i] + bins[DARK, i] + TINY
    weigh(bins, model)
    information(model, used, _LOCAL + shared.size, fisher)
    return deviance(bins, model)


@loop
def _share_parameters(model, share, centre, ratio):  # type: ignore[no-untyped-def]
    """Make two Gaussians' rows of the gradient those of the parameters that they have in common, and of the globals."""
    m = model.shape[1] - 1
    for i in range(m):
        model[_SHARE_ROW, i] = (1.0 - share) * model[3, i] - share * model[0, i]
        model[0, i] += model[3, i]
    for i in range(m):
        model[_RATIO_ROW, i] = centre * model[4, i]
        model[1, i] += ratio * model[4, i]
    for i in range(m):
        model[2, i] += model[5, i]


@loop
def _evaluate(bins, reference, local, shared, work, matrix):  # type: ignore[no-untyped-def]
    """Set the whole Fisher matrix and the gradient below it of lines in turn, then globals; return the cost."""
    theta, model, used, fisher = work
    first = len(bins) * _LOCAL
    own = _LOCAL + shared.size
    count = first + shared.size
    for a in range(count + 1):
        for b in range(count):
            matrix[a, b] = 0.0
    off = (shared[0] - _SLOPE_PRIOR[0]) / _SLOPE_PRIOR[1]
    cost = off * off
    matrix[first, first] = 1.0 / _SLOPE_PRIOR[1] ** 2
    matrix[count, first] = -off / _SLOPE_PRIOR[1]
    for k in range(len(bins)):
        cost += _line(bins[k], reference, local[k], shared, theta, model, used, fisher)
        for j in range(3, 5):
            if local[k, j] <= 0.0 and fisher[own, j] <= 0.0:
                fisher[own, j] = 0.0
                for a in range(own):
                    fisher[max(a, j), min(a, j)] = 0.0
                fisher[j, j] = 1.0
        base = k * _LOCAL
        for a in range(_LOCAL):
            matrix[count, base + a] = fisher[own, a]
            for b in range(a + 1):
                matrix[base + a, base + b] = fisher[a, b]
        for a in range(shared.size):
            matrix[count, first + a] += fisher[own, _LOCAL + a]
            for b in range(_LOCAL):
                matrix[first + a, base + b] = fisher[_LOCAL + a, b]
            for b in range(a + 1):
                matrix[first + a, first + b] += fisher[_LOCAL + a, _LOCAL + b]
    return cost


@helper
def _climb(bins, reference, local, shared, iterations, work):  # type: ignore[no-untyped-def]
    """Improve locals and globals by damped Fisher scoring; return the cost (deviance and prior)."""
    count = len(bins) * _LOCAL + shared.size
    matrix, other_matrix = np.empty((count + 1, count)), np.empty((count + 1, count))
    solved, step, unit = np.empty((count, count)), np.empty(count), np.empty(count)
    # a line's own parameters have nothing to do with those of other lines
    own = np.zeros(count, np.int64)
    for a in range(len(bins) * _LOCAL):
        own[a] = a - a % _LOCAL
    old_local, old_shared = local.copy(), shared.copy()
    cost = _evaluate(bins, reference, local, shared, work, matrix)
    damping = 1e-2
    for _ in range(iterations):
        if not solve(matrix, own, count, damping, _LEAST, unit, solved, step):
            damping *= 10.0
            if damping > 1e8:
                break
            continue
        put(old_local, local)
        put(old_shared, shared)
        _move(local, shared, step)
        trial = _evaluate(bins, reference, local, shared, work, other_matrix)
        if trial <= cost:
            gain = cost - trial
            cost = trial
            matrix, other_matrix = other_matrix, matrix
            damping = max(0.1 * damping, 1e-6)
            if gain < _ENOUGH:
                break
        else:
            put(local, old_local)
            put(shared, old_shared)
            damping = max(10.0 * damping, 1e-3)
            if damping > 1e6:
                break
    return cost


@loop
def _move(local, shared, step):  # type: ignore[no-untyped-def]
    """Add the step, capped and inside the bounds."""
    for k in range(len(local)):
        at = k * _LOCAL
        reach = 2.0 * math.exp(local[k, 2])
        local[k, 0] += min(max(step[at], -1.0), 1.0)
        local[k, 1] += min(max(step[at + 1], -reach), reach)
        local[k, 2] = min(max(local[k, 2] + min(max(step[at + 2], -0.5), 0.5), -0.9), 3.7)
        local[k, 3] = max(local[k, 3] + step[at + 3], 0.0)
        local[k, 4] = max(local[k, 4] + step[at + 4], 0.0)
    first = len(local) * _LOCAL
    shared[0] = min(max(shared[0] + min(max(step[first], -0.5), 0.5), _SLOPE[0]), _SLOPE[1])
    if shared.size > 1:
        share = shared[1] + min(max(step[first + 1], -1.0), 1.0)
        shared[1] = min(max(share, _SHARE[0]), _SHARE[1])
        ratio = shared[2] + min(max(step[first + 2], -0.1), 0.1)
        shared[2] = min(max(ratio, _RATIO[0]), _RATIO[1])


@loop
def _start(single, width, share, distance, spread, local, shared):  # type: ignore[no-untyped-def]
    """Set a start with two peaks from the fit with one; `width`: typical sigma over phase."""
    put(local, single)
    grown = 1.0 + share * (1.0 - share) * distance * distance if spread > 0.0 else 1.0
    offset = distance * width / math.sqrt(grown)
    shared[1], shared[2] = math.log(share / (1.0 - share)), 1.0 + offset
    for k in range(len(single)):
        if spread > 0.0:
            local[k, 1] = single[k, 1] / (1.0 + share * offset)
            variance = math.exp(2.0 * single[k, 2])
            left = variance - share * (1.0 - share) * (offset * local[k, 1]) ** 2
            local[k, 2] = 0.5 * math.log(max(left, 0.25 * variance))


@inline
def shape_hint(bins, reference, single, slopes):  # type: ignore[no-untyped-def]
    """Return by how much skewness and kurtosis, common to all lines, would lower the deviance (Rao's test).

    About chi square with two degrees of freedom if every line has one peak. For lines as fitted alone: parameters as
    those of `compare_peaks`, with the log slope of each line's tail.
    """
    m = bins.shape[2] - 1
    theta, model, used, fisher = _work(m)
    part, rows, begin = np.empty((6, 6)), np.empty((2, 6)), np.zeros(6, np.int64)
    score, own = np.zeros(2), np.zeros((2, 2))
    shared = np.empty(1)
    for k in range(len(bins)):
        shared[0] = slopes[k]
        _line(bins[k], reference, single[k], shared, theta, model, used, fisher)
        _hermite(bins[k], theta, model)
        information(model, used, _BOTH, fisher)
        for i in range(6):
            for j in range(i + 1):
                part[i, j] = fisher[i, j]
            part[i, i] = part[i, i] * (1.0 + 1e-6) + 1e-9
        if not factor(part, begin, _OWN):
            continue
        for a in range(2):
            # what the line's own parameters can do as well does not count
            for i in range(6):
                rows[a, i] = fisher[6 + a, i]
            substitute(part, begin, _OWN, rows[a])
            score[a] += fisher[8, 6 + a]
            for i in range(6):
                score[a] -= rows[a, i] * fisher[8, i]
            for b in range(a + 1):
                own[a, b] += fisher[6 + a, 6 + b]
                for i in range(6):
                    own[a, b] -= rows[a, i] * fisher[6 + b, i]
    determinant = own[0, 0] * own[1, 1] - own[1, 0] * own[1, 0]
    if not determinant > 1e-9 * own[0, 0] * own[1, 1]:
        return 0.0
    value = own[1, 1] * score[0] ** 2 - 2.0 * own[1, 0] * score[0] * score[1]
    return (value + own[0, 0] * score[1] ** 2) / determinant


@loop
def _hermite(bins, theta, model):  # type: ignore[no-untyped-def]
    """Set the rows of the globals of two peaks to what skewness and kurtosis would add."""
    photons, per_sigma = math.exp(theta[0]), math.exp(-theta[2])
    third, fourth = 0.0, 0.0
    for i in range(bins.shape[1] - 1):
        # integrals of Hermite's polynomials times the Gaussian are those of one order less
        z = (bins[EDGES, i + 1] - theta[1]) * per_sigma
        p = exp(-0.5 * z * z) if abs(z) < 8.0 else 0.0
        next_third, next_fourth = -p * (z * z - 1.0), -p * z * (z * z - 3.0)
        model[_SHARE_ROW, i] = photons * model[SEEN, i] * (next_third - third)
        model[_RATIO_ROW, i] = photons * model[SEEN, i] * (next_fourth - fourth)
        third, fourth = next_third, next_fourth


@helper
def _work(m):  # type: ignore[no-untyped-def]
    """Return parameters, `model`, list of rows in the order of locals and globals, Fisher matrix and gradient."""
    used = np.zeros(_LOCAL + _GLOBAL + AT_ONCE, np.int64)
    for a, row in enumerate((0, 1, 2, 6, 8, 7, _SHARE_ROW, _RATIO_ROW)):
        used[a] = row
    size = used.size
    model = np.zeros((N_ROWS, m + 1))
    return np.zeros(N_THETA), model, used, np.empty((size, size))


@kernel
def compare_peaks(bins, reference, single, slope, result):  # type: ignore[no-untyped-def]
    """Compare one peak with two in all lines of a pixel.

    Sets the first three of `result`: gain of deviance, share of the second peak, its distance in mean sigma (negative:
    taller pulses).

    Parameters: `bins`, the phase where tails have their height, `single` (lines, 5): locals of fits of each line alone,
    and the log slope of the tail to begin with.
    """
    n_line = len(bins)
    work = _work(bins.shape[2] - 1)
    one, alone = single.copy(), np.array([slope])
    cost_one = _climb(bins, reference, one, alone, _ALONE, work)
    width = 0.0
    for k in range(n_line):
        width += math.exp(one[k, 2]) / abs(one[k, 1]) / n_line
    shared = np.zeros(_GLOBAL)
    best, best_local, best_shared = math.inf, one.copy(), shared.copy()
    local = one.copy()
    for s in range(len(_STARTS)):
        shared[0] = alone[0]
        _start(one, width, _STARTS[s, 0], _STARTS[s, 1], _STARTS[s, 2], local, shared)
        cost = _climb(bins, reference, local, shared, _ROUGH, work)
        if cost < best:
            best = cost
            put(best_local, local)
            put(best_shared, shared)
    if cost_one - best > _PROMISING:
        best = _climb(bins, reference, best_local, best_shared, _FINAL, work)
    distance = 0.0
    for k in range(n_line):
        distance += (best_shared[2] - 1.0) * best_local[k, 1] * math.exp(-best_local[k, 2]) / n_line
    result[0] = cost_one - best
    result[1] = 1.0 / (1.0 + math.exp(-best_shared[1]))
    result[2] = distance
