"""Compiled test for a second resonator in a pixel: one or two peaks in all of its lines together.

A second resonator sees the same light with another gain: in every line it takes the same share of the photons, and its
pulses are the same multiple of the first one's. Two parameters, then, for all lines together, and the noise triggers'
tail has one slope. `_pixelkernels` calls `compare_peaks` with the bins and the fits of single lines; edge and softness
stay as they are there.

Globals: 0 log slope of the tail, 1 logit of the share, 2 second centre over first. Locals of a line: 0 log photons of
both peaks, 1 first centre, 2 log sigma of either, 3 tail at the reference and 4 floor, per degree and >= 0.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline_core._jit import kernel
from pipeline_core.wavecal._linekernels import (
    N_THETA,
    add_gaussian,
    add_tail,
    deviance,
    solve,
)

__all__ = ["compare_peaks", "shape_hint"]

_LOCAL, _GLOBAL = 5, 3
_SHARE = (-4.0, 0.4)  # logit: 0.018 to 0.6; beyond, first and second exchange their names
_RATIO = (0.3, 1.9)
_SLOPE = (math.log(0.01), math.log(1.5))
_SLOPE_PRIOR = (math.log(0.13), 0.7)
_TINY = 1e-9
_ROUGH, _FINAL = 5, 30
_ENOUGH = 0.01  # of deviance
_PROMISING = 4.0  # of deviance: less than that after some steps will not become much
_STARTS = np.array(
    [[0.25, 2.7, 1.0], [0.25, -2.7, 1.0], [0.45, 2.5, 1.0], [0.3, 4.5, 1.0], [0.3, -4.5, 1.0],
     [0.3, 4.0, 0.0], [0.3, -4.0, 0.0]]
)  # fmt: skip
"""Share, distance in sigma (positive is a taller pulse), and whether the single line was spread over both peaks."""


@kernel
def _line(  # type: ignore[no-untyped-def]
    x, n, other, seen, reference, local, shared, peaks, theta, lam, jac, columns, fisher, gradient
):  # fmt: skip
    """Set Fisher matrix and gradient of the locals and globals of one line; return its deviance."""
    share = 1.0 / (1.0 + math.exp(-shared[1])) if peaks > 1 else 0.0
    theta[0] = local[0] + math.log1p(-share)
    theta[1], theta[2] = local[1], local[2]
    theta[6], theta[7], theta[8] = local[3], shared[0], local[4]
    lam[:] = 0.0
    add_gaussian(x, theta, 0, seen, lam, jac)
    if peaks > 1:
        theta[3] = local[0] + math.log(share)
        theta[4], theta[5] = local[1] * shared[2], local[2]
        add_gaussian(x, theta, 3, seen, lam, jac)
    add_tail(x, theta, reference, seen, lam, jac)
    size = _LOCAL + (_GLOBAL if peaks > 1 else 1)
    fisher[:] = 0.0
    gradient[:] = 0.0
    for i in range(n.size):
        lam[i] = lam[i] * seen[i] + other[i] + _TINY
        columns[0], columns[1], columns[2] = jac[i, 0], jac[i, 1], jac[i, 2]
        columns[3], columns[4], columns[5] = jac[i, 6], jac[i, 8], jac[i, 7]
        if peaks > 1:
            columns[0] += jac[i, 3]
            columns[1] += shared[2] * jac[i, 4]
            columns[2] += jac[i, 5]
            columns[6] = (1.0 - share) * jac[i, 3] - share * jac[i, 0]
            columns[7] = local[1] * jac[i, 4]
        weight = 1.0 / lam[i]
        residual = n[i] * weight - 1.0
        for a in range(size):
            gradient[a] += residual * columns[a]
            scaled = weight * columns[a]
            for b in range(a + 1):
                fisher[a, b] += scaled * columns[b]
    return deviance(n, lam)


@kernel
def _evaluate(  # type: ignore[no-untyped-def]
    x, n, other, seen, size, reference, local, shared, peaks, work, matrix, vector
):  # fmt: skip
    """Set the whole Fisher matrix and gradient (lines one after the other, then globals); return the cost."""
    theta, lam, jac, columns, fisher, gradient = work
    n_line = size.size
    first = n_line * _LOCAL
    n_shared = _GLOBAL if peaks > 1 else 1
    matrix[:] = 0.0
    vector[:] = 0.0
    off = (shared[0] - _SLOPE_PRIOR[0]) / _SLOPE_PRIOR[1]
    cost = off * off
    matrix[first, first] = 1.0 / _SLOPE_PRIOR[1] ** 2
    vector[first] = -off / _SLOPE_PRIOR[1]
    for k in range(n_line):
        m = size[k]
        cost += _line(
            x[k, : m + 1], n[k, :m], other[k, :m], seen[k, :m], reference, local[k], shared, peaks,
            theta, lam[:m], jac[:m], columns, fisher, gradient,
        )  # fmt: skip
        for j in range(3, 5):
            if local[k, j] <= 0.0 and gradient[j] <= 0.0:
                gradient[j] = 0.0
                for a in range(_LOCAL + n_shared):
                    fisher[max(a, j), min(a, j)] = 0.0
                fisher[j, j] = 1.0
        base = k * _LOCAL
        for a in range(_LOCAL):
            vector[base + a] = gradient[a]
            for b in range(a + 1):
                matrix[base + a, base + b] = fisher[a, b]
        for a in range(n_shared):
            vector[first + a] += gradient[_LOCAL + a]
            for b in range(_LOCAL):
                matrix[first + a, base + b] = fisher[_LOCAL + a, b]
            for b in range(a + 1):
                matrix[first + a, first + b] += fisher[_LOCAL + a, _LOCAL + b]
    return cost


@kernel
def _step(matrix, vector, count, damping, trial, step):  # type: ignore[no-untyped-def]
    """Solve the damped equations in units of Fisher information 1; only the lower triangle is read."""
    for a in range(count):
        unit = math.sqrt(max(matrix[a, a], 1e-12))
        step[a] = vector[a] / unit
        for b in range(a):
            trial[a, b] = matrix[a, b] / (unit * math.sqrt(max(matrix[b, b], 1e-12)))
        trial[a, a] = 1.0 + damping
    good = solve(trial, count, step)
    for a in range(count):
        step[a] /= math.sqrt(max(matrix[a, a], 1e-12))
    return good


@kernel
def _climb(x, n, other, seen, size, reference, local, shared, peaks, iterations, work):  # type: ignore[no-untyped-def]
    """Improve locals and globals by damped Fisher scoring; return the cost (deviance and prior)."""
    count = size.size * _LOCAL + (_GLOBAL if peaks > 1 else 1)
    first = size.size * _LOCAL
    matrix, vector = np.empty((count, count)), np.empty(count)
    other_matrix, other_vector = np.empty((count, count)), np.empty(count)
    solved, step = np.empty((count, count)), np.empty(count)
    old_local, old_shared = local.copy(), shared.copy()
    cost = _evaluate(x, n, other, seen, size, reference, local, shared, peaks, work, matrix, vector)
    damping = 1e-2
    for _ in range(iterations):
        if not _step(matrix, vector, count, damping, solved, step):
            damping *= 10.0
            if damping > 1e8:
                break
            continue
        old_local[:], old_shared[:] = local, shared
        for k in range(size.size):
            at = k * _LOCAL
            reach = 2.0 * math.exp(local[k, 2])
            local[k, 0] += min(max(step[at], -1.0), 1.0)
            local[k, 1] += min(max(step[at + 1], -reach), reach)
            local[k, 2] = min(max(local[k, 2] + min(max(step[at + 2], -0.5), 0.5), -0.9), 3.7)
            local[k, 3] = max(local[k, 3] + step[at + 3], 0.0)
            local[k, 4] = max(local[k, 4] + step[at + 4], 0.0)
        shared[0] = min(max(shared[0] + min(max(step[first], -0.5), 0.5), _SLOPE[0]), _SLOPE[1])
        if peaks > 1:
            share = shared[1] + min(max(step[first + 1], -1.0), 1.0)
            shared[1] = min(max(share, _SHARE[0]), _SHARE[1])
            ratio = shared[2] + min(max(step[first + 2], -0.1), 0.1)
            shared[2] = min(max(ratio, _RATIO[0]), _RATIO[1])
        trial = _evaluate(
            x, n, other, seen, size, reference, local, shared, peaks, work, other_matrix, other_vector
        )  # fmt: skip
        if trial <= cost:
            gain = cost - trial
            cost = trial
            matrix[:], vector[:] = other_matrix, other_vector
            damping = max(0.1 * damping, 1e-6)
            if gain < _ENOUGH:
                break
        else:
            local[:], shared[:] = old_local, old_shared
            damping = max(10.0 * damping, 1e-3)
            if damping > 1e6:
                break
    return cost


@kernel
def _start(single, width, share, distance, spread, local, shared):  # type: ignore[no-untyped-def]
    """Set a start with two peaks from the fit with one; `width`: typical sigma over phase."""
    local[:] = single
    grown = 1.0 + share * (1.0 - share) * distance * distance if spread > 0.0 else 1.0
    offset = distance * width / math.sqrt(grown)
    shared[1], shared[2] = math.log(share / (1.0 - share)), 1.0 + offset
    for k in range(len(single)):
        if spread > 0.0:
            local[k, 1] = single[k, 1] / (1.0 + share * offset)
            variance = math.exp(2.0 * single[k, 2])
            left = variance - share * (1.0 - share) * (offset * local[k, 1]) ** 2
            local[k, 2] = 0.5 * math.log(max(left, 0.25 * variance))


@kernel
def shape_hint(x, n, other, seen, size, reference, single, slopes):  # type: ignore[no-untyped-def]
    """Return by how much skewness and kurtosis, common to all lines, would lower the deviance (Rao's test).

    About chi square with two degrees of freedom if every line has one peak. For lines as fitted alone: parameters as
    those of `compare_peaks`, with the log slope of each line's tail.
    """
    most = n.shape[1]
    theta, lam, jac = np.zeros(N_THETA), np.empty(most), np.empty((most, N_THETA))
    columns, fisher, step = np.empty(8), np.empty((8, 8)), np.empty(8)
    part, score = np.empty((6, 6)), np.zeros(2)
    gradient, information = np.empty(8), np.zeros((2, 2))
    for k in range(size.size):
        m = size[k]
        theta[0], theta[1], theta[2] = single[k, 0], single[k, 1], single[k, 2]
        theta[6], theta[7], theta[8] = single[k, 3], slopes[k], single[k, 4]
        lam[:m] = 0.0
        add_gaussian(x[k, : m + 1], theta, 0, seen[k, :m], lam[:m], jac[:m])
        add_tail(x[k, : m + 1], theta, reference, seen[k, :m], lam[:m], jac[:m])
        fisher[:] = 0.0
        gradient[:] = 0.0
        photons, per_sigma = math.exp(theta[0]), math.exp(-theta[2])
        third, fourth = 0.0, 0.0
        for i in range(m):
            # integrals of Hermite's polynomials times the Gaussian are those of one order less
            z = (x[k, i + 1] - theta[1]) * per_sigma
            p = math.exp(-0.5 * z * z) if abs(z) < 8.0 else 0.0
            next_third, next_fourth = -p * (z * z - 1.0), -p * z * (z * z - 3.0)
            columns[0], columns[1], columns[2] = jac[i, 0], jac[i, 1], jac[i, 2]
            columns[3], columns[4], columns[5] = jac[i, 6], jac[i, 8], jac[i, 7]
            columns[6] = photons * seen[k, i] * (next_third - third)
            columns[7] = photons * seen[k, i] * (next_fourth - fourth)
            third, fourth = next_third, next_fourth
            weight = 1.0 / (lam[i] * seen[k, i] + other[k, i] + _TINY)
            residual = n[k, i] * weight - 1.0
            for a in range(8):
                gradient[a] += residual * columns[a]
                scaled = weight * columns[a]
                for b in range(a + 1):
                    fisher[a, b] += scaled * columns[b]
        for a in range(2):
            # what the line's own parameters can do as well does not count
            step[:6] = fisher[6 + a, :6]
            for i in range(6):
                part[i, : i + 1] = fisher[i, : i + 1]
                part[i, i] = part[i, i] * (1.0 + 1e-6) + 1e-9
            if not solve(part, 6, step):
                continue
            score[a] += gradient[6 + a] - (step[:6] * gradient[:6]).sum()
            for b in range(2):
                own = fisher[6 + max(a, b), 6 + min(a, b)]
                information[a, b] += own - (step[:6] * fisher[6 + b, :6]).sum()
    determinant = information[0, 0] * information[1, 1] - information[0, 1] * information[1, 0]
    if not determinant > 1e-9 * information[0, 0] * information[1, 1]:
        return 0.0
    value = information[1, 1] * score[0] ** 2 - 2.0 * information[0, 1] * score[0] * score[1]
    return (value + information[0, 0] * score[1] ** 2) / determinant


@kernel
def compare_peaks(x, n, other, seen, size, reference, single, slope, result):  # type: ignore[no-untyped-def]
    """Compare one peak with two in all lines of a pixel.

    Sets the first three of `result`: gain of deviance, share of the second peak, its distance in mean sigma (negative:
    taller pulses).

    Parameters: bins (lines, bins) of which `size` count in each line, the phase where tails have their height, `single`
    (lines, 5): locals of fits of each line alone, and the log slope of the tail to begin with.
    """
    n_line, most = n.shape
    work = (
        np.zeros(N_THETA), np.empty(most), np.empty((most, N_THETA)), np.empty(8),
        np.empty((8, 8)), np.empty(8),
    )  # fmt: skip
    one, shared = single.copy(), np.array([slope, 0.0, 1.0])
    cost_one = _climb(x, n, other, seen, size, reference, one, shared, 1, 20, work)
    slope = shared[0]
    width = 0.0
    for k in range(n_line):
        width += math.exp(one[k, 2]) / abs(one[k, 1]) / n_line
    best, best_local, best_shared = math.inf, one.copy(), shared.copy()
    local = one.copy()
    for s in range(len(_STARTS)):
        shared[0] = slope
        _start(one, width, _STARTS[s, 0], _STARTS[s, 1], _STARTS[s, 2], local, shared)
        cost = _climb(x, n, other, seen, size, reference, local, shared, 2, _ROUGH, work)
        if cost < best:
            best = cost
            best_local[:], best_shared[:] = local, shared
    if cost_one - best > _PROMISING:
        best = _climb(x, n, other, seen, size, reference, best_local, best_shared, 2, _FINAL, work)
    distance = 0.0
    for k in range(n_line):
        distance += (best_shared[2] - 1.0) * best_local[k, 1] * math.exp(-best_local[k, 2]) / n_line
    result[0] = cost_one - best
    result[1] = 1.0 / (1.0 + math.exp(-best_shared[1]))
    result[2] = distance
