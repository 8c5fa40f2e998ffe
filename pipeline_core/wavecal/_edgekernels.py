"""Compiled search for the trigger edge of a pixel in the sum of its lines' histograms.

Near the edge the density is taken as an exponential of either sign, seen through a cumulative Gaussian. Weak priors on
its softness and slope decide where there are few photons.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline, kernel, loop, reduction
from pipeline_core.wavecal._mathkernels import exp, log, normal, put

__all__ = ["find_edge", "find_pixel_edge", "trigger"]

_WINDOW_BINS = 9  # below the edge; farther down a line may be in the way
_SOFTNESS_PRIOR = (0.0, 0.4)  # log of 1 degree
_SLOPE_PRIOR = (0.1, 0.15)  # per degree
_PLATEAU_BINS = 6
_EDGE_MASKED_DEG = 1.5
_N = 4

FloatArray = npt.NDArray[np.float64]


@loop
def trigger(x: FloatArray, edge: float, softness: float, seen: FloatArray) -> None:
    """Set for each bin of the edges `x` the mean share of pulses that pass the trigger (1 far below `edge`)."""
    per_softness = 1.0 / softness
    u = (edge - x[0]) * per_softness
    share, density = normal(u)
    below = u * share + density
    for i in range(seen.size):
        u = (edge - x[i + 1]) * per_softness
        share, density = normal(u)
        above = u * share + density
        seen[i] = min(max((below - above) * softness / (x[i + 1] - x[i]), 0.0), 1.0)
        below = above


@loop
def _first_guess(edges, pooled):  # type: ignore[no-untyped-def]
    """Return where the counts reach half of what they are a few bins below the least negative photon."""
    top = pooled.size - 1
    while top > 0 and pooled[top] == 0:
        top -= 1
    plateau = 0.0
    for i in range(max(top - _PLATEAU_BINS, 1), top + 1):
        plateau = max(plateau, 0.5 * (pooled[i] + pooled[i - 1]))
    i = top
    while i > 0 and pooled[i] < 0.5 * plateau:
        i -= 1
    inside = 0.5
    if i < top and pooled[i] > pooled[i + 1]:
        inside = 1.0 - (0.5 * plateau - pooled[i + 1]) / (pooled[i] - pooled[i + 1]) * 0.5
    return edges[i] + min(max(inside, 0.0), 1.5) * (edges[i + 1] - edges[i]), plateau


@loop
def _model(x, theta, share, density, seen, lam, jac):  # type: ignore[no-untyped-def]
    """Set expected counts and gradient: log height at the edge, slope, edge, log softness.

    `share`, `density`: of each edge of a bin, to work in.
    """
    height, slope, edge, softness = math.exp(theta[0]), theta[1], theta[2], math.exp(theta[3])
    per_softness = 1.0 / softness
    for i in range(x.size):
        share[i], density[i] = normal((edge - x[i]) * per_softness)
    trigger(x, edge, softness, seen)
    for i in range(lam.size):
        width = x[i + 1] - x[i]
        middle = 0.5 * (x[i] + x[i + 1]) - edge
        level = height * width * exp(slope * middle)
        lam[i] = level * seen[i] + 1e-6
        jac[0, i] = level * seen[i]
        jac[1, i] = level * seen[i] * middle
        jac[2, i] = level * (share[i] - share[i + 1]) / width - slope * level * seen[i]
        jac[3, i] = level * softness * (density[i] - density[i + 1]) / width


@reduction
def _cost(n, lam, theta):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(n.size):
        total += lam[i] - n[i] * log(lam[i])
    return (
        2.0 * total
        + ((theta[1] - _SLOPE_PRIOR[0]) / _SLOPE_PRIOR[1]) ** 2
        + ((theta[3] - _SOFTNESS_PRIOR[0]) / _SOFTNESS_PRIOR[1]) ** 2
    )


@reduction
def _equations(n, lam, jac, step, matrix):  # type: ignore[no-untyped-def]
    """Set gradient and Fisher matrix."""
    for a in range(_N):
        total = 0.0
        for i in range(n.size):
            total += jac[a, i] * (n[i] / lam[i] - 1.0)
        step[a] = total
        for b in range(a + 1):
            total = 0.0
            for i in range(n.size):
                total += jac[a, i] * jac[b, i] / lam[i]
            matrix[a, b] = matrix[b, a] = total


@loop
def _solve4(matrix, vector):  # type: ignore[no-untyped-def]
    """Solve by elimination in place; the matrix is symmetric, positive and small."""
    for a in range(_N):
        pivot = max(matrix[a, a], 1e-12)
        for b in range(a + 1, _N):
            factor = matrix[b, a] / pivot
            for k in range(a, _N):
                matrix[b, k] -= factor * matrix[a, k]
            vector[b] -= factor * vector[a]
    for a in range(_N - 1, -1, -1):
        for k in range(a + 1, _N):
            vector[a] -= matrix[a, k] * vector[k]
        vector[a] /= max(matrix[a, a], 1e-12)


@kernel
def find_edge(edges: FloatArray, pooled: FloatArray) -> tuple[float, float]:
    """Return edge and softness in degrees of these counts (float64, bins of `edges`); (last edge, 1) without counts."""
    if pooled.sum() < 2.0:
        return edges[-1], 1.0
    guess, plateau = _first_guess(edges, pooled)
    width = edges[1] - edges[0]
    first = max(int((guess - edges[0]) / width) - _WINDOW_BINS, 0)
    x, n = edges[first:], pooled[first:]
    theta = np.array([math.log(max(plateau, 0.5) / width), _SLOPE_PRIOR[0], guess, 0.0])
    old = theta.copy()
    lam, seen = np.empty(n.size), np.empty(n.size)
    share, density = np.empty(x.size), np.empty(x.size)
    jac = np.empty((_N, n.size))
    matrix, step = np.empty((_N, _N)), np.empty(_N)
    _model(x, theta, share, density, seen, lam, jac)
    value = _cost(n, lam, theta)
    damping = 1e-2
    for _ in range(40):
        _equations(n, lam, jac, step, matrix)
        step[1] -= (theta[1] - _SLOPE_PRIOR[0]) / _SLOPE_PRIOR[1] ** 2
        step[3] -= (theta[3] - _SOFTNESS_PRIOR[0]) / _SOFTNESS_PRIOR[1] ** 2
        matrix[1, 1] += 1.0 / _SLOPE_PRIOR[1] ** 2
        matrix[3, 3] += 1.0 / _SOFTNESS_PRIOR[1] ** 2
        for a in range(_N):
            matrix[a, a] *= 1.0 + damping
        _solve4(matrix, step)
        put(old, theta)
        for a in range(_N):
            theta[a] += min(max(step[a], -1.0), 1.0)
        theta[3] = min(max(theta[3], -1.5), 1.5)
        _model(x, theta, share, density, seen, lam, jac)
        trial = _cost(n, lam, theta)
        if trial <= value + 1e-9:
            done = value - trial < 1e-4
            value = trial
            damping *= 0.2
            if done:
                break
        else:
            put(theta, old)
            _model(x, theta, share, density, seen, lam, jac)
            damping = damping * 10.0
            if damping > 1e6:
                break
    return min(theta[2], edges[-1]), math.exp(theta[3])


@inline
def find_pixel_edge(edges, counts, use, edge):  # type: ignore[no-untyped-def]
    """Set edge and softness from the sum of all lines, or from a line that reaches farther; return all photons."""
    pooled = np.zeros(edges.size - 1)
    own = np.zeros(edges.size - 1)
    farthest = -np.inf
    for k in range(use.size):
        if not use[k]:
            continue
        for i in range(own.size):
            own[i] = counts[k, i]
            pooled[i] += own[i]
        farthest = max(farthest, _first_guess(edges, own)[0])
    edge[0], edge[1] = find_edge(edges, pooled)
    if farthest > edge[0] + _EDGE_MASKED_DEG:
        # the upper flank of a bright line was taken for the edge
        edge[0], edge[1] = farthest, 1.0
    total = 0.0
    for i in range(pooled.size):
        total += pooled[i]
    return total
