"""Compiled choices around `_linekernels.fit` for one line: where to start, how good is it, is there a second peak.

`_pixelkernels` calls them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import helper, inline, loop
from pipeline_core.wavecal._linekernels import (
    AT_ONCE,
    covariance,
    fit,
    penalty,
    products,
    push,
)
from pipeline_core.wavecal._mathkernels import put
from pipeline_core.wavecal._modelkernels import (
    COUNTS,
    DARK,
    EDGE_REACH_DEG,
    EDGES,
    LAM,
    N_THETA,
    SCALED,
    SEEN,
    WEIGHT,
    WORK,
    expected,
    gaussian,
)

__all__ = [
    "GAUSS_GAUSS",
    "GAUSS_GAUSS_TAIL",
    "GAUSS_TAIL",
    "OFFSETS",
    "bounds",
    "excess",
    "finish",
    "fit_double",
    "fit_single",
    "order",
    "scan",
]

OFFSETS = np.array([-8.0, -6.0, -5.0, -4.0, -3.0, -2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
"""Where a second peak is looked for, in sigma from the line; negative is a taller pulse."""

_TAIL, GAUSS_TAIL, GAUSS_GAUSS, GAUSS_GAUSS_TAIL = np.arange(4)
_ONE = np.int64(1)
_SIGMA_DEG = (0.4, 40.0)
_SLOPE = (0.01, 1.5)
_SOFTNESS_DEG = (0.2, 4.0)
_MERGED_AT_LEAST = 8.0
# steps at most, and the gain of deviance that is enough: a hundredth of a parameter's error is 1e-4
_FOR_TAIL = np.array([25.0, 0.05])
_FOR_SINGLE = np.array([60.0, 2e-5])
_FOR_START = np.array([15.0, 0.05])  # that is only to be compared with others
_FOR_DOUBLE = np.array([60.0, 1e-3])
_AT_EDGE = np.array(
    [-2.0, -0.8, 0.3]
)  # sigma from the edge: where a line is begun that hides there
_MOST_CHANGE = 3.0  # of the log of the background

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@inline
def _is_free(kind: int, edge: float, dark: bool, free: BoolArray) -> None:
    """Set which parameters a model has."""
    for j in range(N_THETA):
        free[j] = j < 9 or (edge < 0.0 if j < 11 else dark)
    if kind == _TAIL:
        free[0:3] = False
    if kind < GAUSS_GAUSS:
        free[3:6] = False
    if kind == GAUSS_GAUSS:
        free[6:8] = False


@loop
def bounds(edges, edge, known, dark_error, limits):  # type: ignore[no-untyped-def]
    """Set the limits of all parameters.

    `known` (4, 2): mean and width of the priors of the log of the tail's slope, the edge, the log of its softness, and
    the log of the line's width; `dark_error`: that of the background's amplitude and tilt, 0 without a dark.
    """
    for j in range(N_THETA):
        limits[0, j], limits[1, j], limits[2, j], limits[3, j] = -30.0, 30.0, 0.0, 0.0
    for first in (0, 3):
        limits[0, first + 1], limits[1, first + 1] = edges[0], edge + 30.0
        limits[0, first + 2], limits[1, first + 2] = (
            math.log(_SIGMA_DEG[0]),
            math.log(_SIGMA_DEG[1]),
        )
    for j in (6, 8):
        limits[0, j], limits[1, j] = 0.0, 1e12
    limits[0, 7], limits[1, 7] = math.log(_SLOPE[0]), math.log(_SLOPE[1])
    limits[0, 9], limits[1, 9] = edge - EDGE_REACH_DEG, edge + EDGE_REACH_DEG
    limits[0, 10], limits[1, 10] = math.log(_SOFTNESS_DEG[0]), math.log(_SOFTNESS_DEG[1])
    for k, j in enumerate((7, 9, 10, 2)):
        limits[2, j] = known[k, 0]
        limits[3, j] = 1.0 / known[k, 1] ** 2
    for j in (11, 12):
        limits[0, j], limits[1, j] = -_MOST_CHANGE, _MOST_CHANGE
        if dark_error > 0.0:
            limits[3, j] = 1.0 / dark_error**2


@loop
def _strongest(bins, lam, half, low, high):  # type: ignore[no-untyped-def]
    """Return centre and significance of the strongest excess over `lam` in windows of ``2 half + 1`` bins."""
    m = bins.shape[1] - 1
    best, where = -1.0, -1
    for i in range(1, m):
        middle = 0.5 * (bins[EDGES, i] + bins[EDGES, i + 1])
        if middle < low or middle > high:
            continue
        seen, model = 0.0, 0.0
        for k in range(max(i - half, 1), min(i + half + 1, m)):
            seen += bins[COUNTS, k]
            model += lam[k]
        z = (seen - model) / math.sqrt(model + 1.0)
        if z > best:
            best, where = z, i
    if where < 0:
        return 0.5 * (low + high), -1.0
    return 0.5 * (bins[EDGES, where] + bins[EDGES, where + 1]), best


@loop
def _width(bins, lam, centre):  # type: ignore[no-untyped-def]
    """Return a sigma and the photons of the excess around `centre`: from where it falls to half its height."""
    m = bins.shape[1] - 1
    x, n = bins[EDGES], bins[COUNTS]
    at = 1
    while at < m - 1 and x[at + 1] <= centre:
        at += 1
    height = 0.0
    for k in range(max(at - 1, 1), min(at + 2, m)):
        height += max(n[k] - lam[k], 0.0) / 3.0
    nearest = math.inf
    for direction in (-1, 1):
        i = at
        while True:
            i += direction
            if i - 1 < 1 or i + 1 >= m or i - at > 40 or at - i > 40:
                break
            level = (n[i - 1] + n[i] + n[i + 1] - lam[i - 1] - lam[i] - lam[i + 1]) / 3.0
            if level < 0.5 * height:
                break
        nearest = min(nearest, abs(0.5 * (x[i] + x[min(i + 1, m)]) - centre))
    sigma = min(max(nearest / 1.18, 1.0), 15.0)
    photons = 0.0
    for k in range(1, m):
        if abs(0.5 * (x[k] + x[k + 1]) - centre) < 1.5 * sigma:
            photons += n[k] - lam[k]
    return sigma, max(photons, 3.0) / 0.87


@loop
def _photons_around(bins, centre, reach):  # type: ignore[no-untyped-def]
    """Return half of the photons this near to `centre`, as a start for those of a line in a tail."""
    photons = 0.0
    for k in range(1, bins.shape[1] - 1):
        if abs(0.5 * (bins[EDGES, k] + bins[EDGES, k + 1]) - centre) < reach:
            photons += bins[COUNTS, k]
    return max(0.5 * photons, 3.0)


@loop
def _start_tail(bins, limits, seen, theta):  # type: ignore[no-untyped-def]
    """Set heights of tail and floor from the counts just below the edge and far below the rest."""
    m = bins.shape[1] - 1
    photons, width = 0.0, 0.0
    for i in range(m - 1, 0, -1):
        if seen[i] > 0.5:
            photons += bins[COUNTS, i]
            width += bins[EDGES, i + 1] - bins[EDGES, i]
            if width > 2.5:
                break
    theta[6] = (photons + 0.5) / max(width, 1.0)
    theta[7], theta[9], theta[10] = limits[2, 7], limits[2, 9], limits[2, 10]
    theta[2] = limits[2, 2]
    total = 0.0
    for i in range(m):
        total += bins[COUNTS, i]
    theta[8] = 0.02 * total / (bins[EDGES, m] - bins[EDGES, 0]) + 0.001
    return total


@loop
def _merged(bins, model, free_parameters):  # type: ignore[no-untyped-def]
    """Return deviance, number of merged bins minus parameters, and worst pull.

    Neighbours are merged until 8 are expected. Bins that the trigger cuts are left out: the exact shape of the edge
    is not known, and does not matter.
    """
    total, worst, merged = 0.0, 0.0, 0
    counted, expects = 0.0, 0.0
    last = bins.shape[1] - 1
    while last > 1 and model[SEEN, last - 1] < 0.98:
        last -= 1
    rest = 0.0
    for i in range(last):
        rest += model[LAM, i]
    for i in range(last):
        counted += bins[COUNTS, i]
        expects += model[LAM, i]
        rest -= model[LAM, i]
        if (expects >= _MERGED_AT_LEAST and rest >= _MERGED_AT_LEAST) or i == last - 1:
            part = expects - counted
            if counted > 0.0:
                part += counted * math.log(counted / expects)
            part = max(2.0 * part, 0.0)
            pull = math.copysign(math.sqrt(part), counted - expects)
            total += part
            merged += 1
            if abs(pull) > abs(worst):
                worst = pull
            counted, expects = 0.0, 0.0
    return total, merged - free_parameters, worst


@inline
def excess(value: float, dof: int) -> float:
    """Return how many standard deviations a deviance is too large (Wilson and Hilferty)."""
    if dof < 1:
        return 0.0
    share = 2.0 / (9.0 * dof)
    return ((value / dof) ** (1.0 / 3.0) - 1.0 + share) / math.sqrt(share)


@inline
def scan(bins, edge, theta, model, cov, score, information):  # type: ignore[no-untyped-def]
    """Rao's test for a second peak of the line's width at `OFFSETS`; its strength in units of the line's photons.

    Sets score and information of the share; returns the largest significance and its index. Bins are weighed.
    """
    rows = np.zeros(N_THETA + 1 + AT_ONCE, np.int64)
    for a in range(N_THETA):
        rows[a] = a
    rows[N_THETA] = SCALED
    sums = np.empty((1, N_THETA + 1 + AT_ONCE))
    best, where = 0.0, -1
    sigma = math.exp(theta[2])
    for t in range(OFFSETS.size):
        score[t] = information[t] = 0.0
        centre = theta[1] + OFFSETS[t] * sigma
        if centre > edge or centre < bins[EDGES, 0]:
            continue
        gaussian(bins, math.exp(theta[0]), centre, 1.0 / sigma, model)
        for i in range(bins.shape[1] - 1):
            model[WORK, i] = model[SCALED, i] * model[WEIGHT, i]
        products(model, WORK, rows, rows.size - AT_ONCE, sums, 0)
        u, v = push(model, SCALED), sums[0, N_THETA]
        for a in range(N_THETA):
            for b in range(N_THETA):
                v -= sums[0, a] * cov[a, b] * sums[0, b]
        if not v > 1e-9:
            continue
        score[t], information[t] = u, v
        z = u / math.sqrt(v)
        if z > best:
            best, where = z, t
    return best, where


@helper
def finish(bins, kind, edge, limits, theta, model, cov, facts):  # type: ignore[no-untyped-def]
    """Set the covariance and the facts of the goodness of fit, and weigh the bins; return how many parameters move."""
    free = np.empty(N_THETA, np.bool_)
    dark = limits[3, 11] > 0.0
    _is_free(kind, edge, dark, free)
    moving = covariance(bins, model, free, theta, limits, cov)
    # bins that the trigger cuts are not judged; amplitude and tilt of a background are the dark's to tell
    fitted = moving - (2 if edge < 0.0 else 0) - (2 if dark else 0)
    facts[2], facts[3], facts[4] = _merged(bins, model, fitted)
    facts[0] = kind
    return moving


@inline
def fit_single(bins, edge, limits, guess, theta, model):  # type: ignore[no-untyped-def]
    """Fit tail alone, then one Gaussian with a tail from several starts; `model` holds what is seen of each bin.

    Return what the line gains over the tail, its deviance, and whether it converged. `model` belongs to `theta` then.
    """
    first_bin, last_bin = bins[EDGES, 1], edge + 2.0
    free = np.empty(N_THETA, np.bool_)
    _is_free(_TAIL, edge, limits[3, 11] > 0.0, free)
    for j in range(N_THETA):
        theta[j] = 0.0
    total = _start_tail(bins, limits, model[SEEN], theta)
    base = theta.copy()
    flat, _ = fit(bins, edge, free, limits, theta, model, _FOR_TAIL)
    flat += penalty(theta, False, limits)
    without = model[LAM].copy()
    half = 2 if total > 1000.0 else 4
    best, best_cost, good, best_start = math.inf, math.inf, False, -1
    trial = np.empty(N_THETA)
    free[0:3] = True
    last = -1
    # where the width is known, a line may also hide at the edge
    for start in range(4 + (_AT_EDGE.size if limits[3, 2] > 0.0 else 0)):
        put(trial, base)
        if start == 0:
            centre, _ = _strongest(bins, without, half, first_bin, last_bin)
            trial[2], trial[0] = _width(bins, without, centre)
        elif start == 1:
            if not math.isfinite(guess):
                continue
            centre = guess
            trial[2], trial[0] = _width(bins, without, centre)
        elif start == 2:
            # an excess that the best fit so far leaves, if it is far from its line
            centre, z = _strongest(bins, model[LAM], half, first_bin, edge - 3.0)
            if z < 4.0 or abs(centre - theta[1]) < 2.0 * math.exp(theta[2]):
                continue
            trial[2], trial[0] = _width(bins, model[LAM], centre)
        elif start == 3:
            if good and theta[1] < edge and math.exp(theta[2]) < 20.0:
                continue
            centre, _ = _strongest(bins, bins[DARK], half, first_bin, edge - 8.0)
            trial[2], trial[0] = _width(bins, bins[DARK], centre)
        else:
            trial[2] = math.exp(limits[2, 2])
            centre = edge + _AT_EDGE[start - 4] * trial[2]
            trial[0] = _photons_around(bins, centre, 1.5 * trial[2])
        trial[0], trial[1], trial[2] = math.log(trial[0]), centre, math.log(trial[2])
        value, converged = fit(bins, edge, free, limits, trial, model, _FOR_SINGLE)
        last = start
        cost = value + penalty(trial, False, limits)
        if cost < best_cost - 1e-6:
            best, best_cost, good, best_start = value, cost, converged, start
            put(theta, trial)
    if last != best_start:
        expected(bins, theta, edge, _ONE, model)
    return flat - best_cost, best, good


@inline
def fit_double(  # type: ignore[no-untyped-def]
    bins, kind, edge, limits, single, offset, share, misfit, theta, model
):
    """Fit a model with two Gaussians from several starts; return deviance and convergence.

    If one Gaussian is a `misfit`, the hint may be as wrong as it is: then it is also split in two either way.
    """
    free = np.empty(N_THETA, np.bool_)
    _is_free(kind, edge, limits[3, 11] > 0.0, free)
    best = math.inf
    trial = np.empty(N_THETA)
    sigma = math.exp(single[2])
    for start in range(4):
        if start in (1, 2) and not misfit:
            continue
        if start == 3 and kind == GAUSS_GAUSS_TAIL:
            continue
        put(trial, single)
        trial[6] *= 0.5 if kind == GAUSS_GAUSS_TAIL else 0.0
        if start == 0:
            trial[3] = single[0] + math.log(min(max(share, 0.02), 1.0))
            trial[4] = single[1] + offset * sigma
            trial[5] = single[2]
            trial[2] -= 0.1
        elif start < 3:
            side = 2 * start - 3
            trial[0] -= 0.3
            trial[1] -= 0.5 * side * sigma
            trial[2] -= 0.45
            trial[3], trial[4], trial[5] = single[0] - 1.4, single[1] + 1.5 * side * sigma, trial[2]
        else:
            # a broad hump between the line and the edge
            trial[3] = single[0] - 1.0
            trial[4] = max(0.5 * (single[1] + edge), single[1] + sigma)
            trial[5] = math.log(max(0.3 * (edge - single[1]), 1.5 * sigma))
        trial[5] = min(max(trial[5], limits[0, 5]), limits[1, 5])
        value, _ = fit(bins, edge, free, limits, trial, model, _FOR_START)
        if value < best:
            best = value
            put(theta, trial)
    return fit(bins, edge, free, limits, theta, model, _FOR_DOUBLE)


@loop
def order(theta, edge):  # type: ignore[no-untyped-def]
    """Exchange the Gaussians where the second is the line: more photons, unless it is a hump at the trigger edge.

    Return whether they were exchanged.
    """
    first_hump = theta[1] + math.exp(theta[2]) > edge
    second_hump = theta[4] + math.exp(theta[5]) > edge
    if second_hump or (not first_hump and theta[0] >= theta[3]):
        return False
    for j in range(3):
        theta[j], theta[j + 3] = theta[j + 3], theta[j]
    return True
