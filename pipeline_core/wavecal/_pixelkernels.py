"""Compiled fit of all lines of one pixel: its trigger edge, the model of each line, second peaks in all of them.

`linefit` calls `fit_pixel`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.wavecal._darkkernels import dark_spectrum
from pipeline_core.wavecal._doublekernels import compare_peaks, shape_hint
from pipeline_core.wavecal._edgekernels import find_edge, first_guess, trigger
from pipeline_core.wavecal._linekernels import N_THETA, expected, tilted
from pipeline_core.wavecal._searchkernels import (
    GAUSS_GAUSS,
    GAUSS_GAUSS_TAIL,
    GAUSS_TAIL,
    OFFSETS,
    bounds,
    cut,
    excess,
    finish,
    fit_double,
    fit_single,
    order,
    scan,
)

__all__ = ["JOINT_GAIN", "LEAST_GAIN", "N_FACTS", "PRIORS", "fit_pixel"]

JOINT_GAIN = 11.5
"""Deviance that a second resonator must gain in all lines of a pixel together: chance does in 1 good pixel of 200."""

LEAST_GAIN = 25.0
"""Of deviance by a line over a tail alone: three parameters reach it once in 7e4 trials at one place."""

N_FACTS = 13
"""Numbers that `fit_pixel` writes per line (see its docstring)."""

_SUSPICIOUS_Z = 3.0
_SUSPICIOUS_FIT = 1.6  # standard deviations of the merged deviance
_MISFIT = 4.0
_SMALL_SHARE, _CLOSE = (
    0.02,
    2.0,
)  # a hint this far from the line (in sigma) and this small is no second resonator
_HARMLESS_SHARE = 0.004
_FORCED_SHARE, _FORCED_OFFSET = 0.1, 2.0  # start of a second peak that is asked for without a hint
_HINT_Z, _HINT_SHAPE = 2.2, 4.0
"""Where the small second peak of all lines, or their common skewness and kurtosis, call for a closer look."""
_GAUSSIAN_PRICE = 4.0  # of deviance, beside the price of its parameters
_LEAST_ADDED = 2  # parameters of a second peak: height and place
_EDGE_PRICE = 6.0  # of deviance: what an edge must gain over none
_FAINT_TAIL = 0.03  # of the photons
PRIORS = np.array([[math.log(0.13), 0.7], [0.0, 1.0], [0.0, 0.5], [0.0, math.inf]])
"""Mean and width of priors: log of the tail's slope (per degree), edge and log softness around what the sum of all
lines says, where a line may be in the way, and log of the line's width, of which nothing is known."""
_EDGE_MASKED_DEG = 1.5
_CLEAR, _LEAST_CLEARANCE = 3.0, 1.0
"""Sigma from the edge: a line this far is not cut; one that stands for the others must be at least this far."""
_ALIKE, _ALIKE_WIDTH = (
    0.1,
    0.2,
)  # how far these may differ between the lines of a pixel (the width: its log)
_NO_EDGE_DEG = 5.0  # a positive phase: everything is seen, and the edge is not fitted
_LAST_EDGE_DEG = -1e-3

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@kernel
def _bins(edges, counts, dark, edge, softness):  # type: ignore[no-untyped-def]
    """Return edges, counts, background (see `expected`) and seen share of the bins that are fitted.

    Empty bins far below are one.
    """
    first, stop = cut(edges, counts, edge, softness)
    m = stop - first + 1
    x, n, other, seen = np.empty(m + 1), np.empty(m), np.empty((2, m)), np.empty(m)
    x[0] = edges[0]
    x[1:] = edges[first : stop + 1]
    n[0] = counts[:first].sum()
    other[0, 0], other[1, 0] = dark[0, :first].sum(), dark[1, first - 1]
    for i in range(1, m):
        n[i] = counts[first + i - 1]
        other[:, i] = dark[:, first + i - 1]
    trigger(x, edge, softness, seen)
    return x, n, other, seen


@kernel
def _fit_line(  # type: ignore[no-untyped-def]
    edges, counts, edge, softness, dark, dark_error, guess, models, known, hint,
    single, theta, variance, facts, score, information,
):  # fmt: skip
    x, n, other, seen = _bins(edges, counts, dark, edge, softness)
    lam, jac = np.empty(n.size), np.empty((n.size, N_THETA))
    cov = np.empty((N_THETA, N_THETA))
    limits = np.empty((4, N_THETA))
    bounds(edges, edge, known, dark_error, limits)
    facts[5], value, good = fit_single(x, n, edge, seen, other, limits, guess, theta, lam, jac)
    expected(x, theta, edge, other, 1, seen, lam, jac)
    moving = finish(GAUSS_TAIL, n, edge, seen, limits, theta, lam, jac, cov, facts)
    facts[6] = facts[7] = facts[9] = facts[10] = facts[11] = 0.0
    facts[12] = value
    single[:] = theta
    score[:] = information[:] = 0.0
    share, offset = hint[0], hint[1]
    where = -1
    if facts[5] > LEAST_GAIN:
        facts[6], where = scan(x, n, edge, seen, theta, lam, jac, cov, score, information)
    if where >= 0:
        facts[7] = OFFSETS[where]
        if hint[0] == 0.0:
            share, offset = score[where] / information[where], facts[7]
    hinted = hint[0] > 0.0 or (facts[6] > _SUSPICIOUS_Z and share > _HARMLESS_SHARE)
    misfit = excess(facts[2], int(facts[3])) > _SUSPICIOUS_FIT or not good
    forced = not models[GAUSS_TAIL]
    if forced and share < _HARMLESS_SHARE:
        share, offset = _FORCED_SHARE, _FORCED_OFFSET
    good = good and not forced
    if facts[5] > LEAST_GAIN and (hinted or misfit or forced):
        good = _compare(
            x, n, edge, seen, other, limits, models, share, offset, value, good, moving,
            theta, lam, jac, cov, facts,
        )  # fmt: skip
    facts[1] = good
    for j in range(N_THETA):
        variance[j] = cov[j, j]


@kernel
def _compare(  # type: ignore[no-untyped-def]
    x, n, edge, seen, other, limits, models, share, offset, value, good, moving, theta, lam, jac, cov, facts
):  # fmt: skip
    """Try two Gaussians; keep them if they gain more deviance than their parameters cost. Returns convergence."""
    one, trial, one_value = theta.copy(), np.empty(N_THETA), value
    weight = math.log(max(n.sum(), 8.0))
    criterion = value + weight * moving if good else math.inf
    # where a dark stands for the tail, two Gaussians must not be paid with the tail that they can do without
    fewest = moving + _LEAST_ADDED if limits[3, 11] > 0.0 else 0
    trial_facts, trial_cov = facts.copy(), cov.copy()
    misfit = excess(facts[2], int(facts[3])) > _MISFIT
    for model in (GAUSS_GAUSS_TAIL, GAUSS_GAUSS):
        if not models[model]:
            continue
        if facts[0] == GAUSS_GAUSS_TAIL and excess(facts[2], int(facts[3])) < _SUSPICIOUS_FIT:
            continue
        value, converged = fit_double(
            model, x, n, edge, seen, other, limits, one, offset, share, misfit, trial, lam, jac
        )
        order(trial, edge)
        expected(x, trial, edge, other, 2, seen, lam, jac)
        moving = finish(model, n, edge, seen, limits, trial, lam, jac, trial_cov, trial_facts)
        if model == GAUSS_GAUSS_TAIL:
            facts[9] = one_value - value
            facts[10] = 1.0 / (1.0 + math.exp(trial[0] - trial[3]))
            facts[11] = (trial[4] - trial[1]) * math.exp(-trial[2])
        price = weight * max(moving, fewest) + _GAUSSIAN_PRICE
        if converged and value + price < criterion:
            criterion, good = value + price, True
            theta[:] = trial
            facts[0], facts[2:5], facts[12] = trial_facts[0], trial_facts[2:5], value
            cov[:] = trial_cov
    return good


@kernel
def _strongest_hint(score, information):  # type: ignore[no-untyped-def]
    """Return the significance of the small second peak that all lines together hint at most."""
    best = 0.0
    for t in range(OFFSETS.size):
        u, v = score[:, t].sum(), information[:, t].sum()
        if v <= 0.0 or (abs(OFFSETS[t]) > _CLOSE and u / v < _SMALL_SHARE):
            continue
        best = max(best, u / math.sqrt(v))
    return best


@kernel
def _fit_all(  # type: ignore[no-untyped-def]
    edges, counts, dark, dark_error, guess, use, models, hint, edge,
    single, theta, variance, facts, score, information,
):  # fmt: skip
    """Fit every line, those that the edge cuts once more with what the others know of tail, edge and width."""
    vague = PRIORS.copy()
    vague[1, 0], vague[2, 0] = edge[0], math.log(edge[1])
    known = vague.copy()
    cut_lines = np.zeros(use.size, np.bool_)
    for attempt in range(2):
        for k in range(use.size):
            if use[k] and (attempt == 0 or cut_lines[k]):
                _fit_line(
                    edges, counts[k], edge[0], edge[1], dark[k], dark_error[k], guess[k], models,
                    known if cut_lines[k] else vague, hint,
                    single[k], theta[k], variance[k], facts[k], score[k], information[k],
                )  # fmt: skip
        if attempt == 0:
            _find_cut_lines(theta, variance, facts, use, edge[0], known, cut_lines)


@kernel
def _find_cut_lines(theta, variance, facts, use, edge, known, cut_lines):  # type: ignore[no-untyped-def]
    """Set `cut_lines`, which the edge is near to or which are not found, and `known` from all others.

    If it is near to all, the one that is farthest from it stands for the others.
    """
    sums = np.zeros((4, 2))
    farthest, clearance = -1, _LEAST_CLEARANCE
    for k in range(use.size):
        if not use[k]:
            continue
        cut_lines[k] = True
        if facts[k, 5] < LEAST_GAIN or facts[k, 1] != 1.0:
            continue
        free = (edge - theta[k, 1]) * math.exp(-theta[k, 2])
        cut_lines[k] = free < _CLEAR
        if free > clearance:
            farthest, clearance = k, free
    if farthest < 0:
        cut_lines[:] = False
        return
    cut_lines[farthest] = False
    for k in range(use.size):
        if not use[k] or cut_lines[k]:
            continue
        for a, j in enumerate((7, 9, 10, 2)):
            if variance[k, j] > 0.0:
                sums[a, 0] += theta[k, j] / variance[k, j]
                sums[a, 1] += 1.0 / variance[k, j]
    for a in range(4):
        if sums[a, 1] > 0.0:
            alike = _ALIKE_WIDTH if a == 3 else _ALIKE
            known[a, 0] = sums[a, 0] / sums[a, 1]
            known[a, 1] = math.sqrt(1.0 / sums[a, 1] + alike**2)


@kernel
def _tail_share(theta, use, dark, edges, edge, photons):  # type: ignore[no-untyped-def]
    """Return the share of all photons that are in the fitted tails, or known from a dark."""
    tails = 0.0
    for k in range(use.size):
        if use[k]:
            tails += theta[k, 6] * math.exp(-theta[k, 7])
            for i in range(edges.size - 1):
                if edges[i + 1] < edge:
                    tails += tilted(dark[k], theta[k], i)
    return tails / max(photons, 1.0)


@kernel
def _find_darks(edges, background, scale, edge, dark, error):  # type: ignore[no-untyped-def]
    """Set what is expected of each line's dark (lines, 2, bins), and its `error`: see `dark_spectrum`."""
    for k in range(scale.size):
        same = k > 0 and scale[k] > 0.0 and scale[k - 1] > 0.0
        for i in range(edges.size - 1):
            if not same:
                break
            same = background[k, i] == background[k - 1, i]
        if same:
            # most often there is one dark for all lines
            dark[k, 0] = dark[k - 1, 0] * (scale[k] / scale[k - 1])
            dark[k, 1] = dark[k - 1, 1]
            error[k] = error[k - 1]
        else:
            error[k] = dark_spectrum(edges, background[k], edge[0], edge[1], scale[k], dark[k])


@kernel
def _find_pixel_edge(edges, counts, use, edge):  # type: ignore[no-untyped-def]
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
        farthest = max(farthest, first_guess(edges, own)[0])
    edge[0], edge[1] = find_edge(edges, pooled)
    if farthest > edge[0] + _EDGE_MASKED_DEG:
        # the upper flank of a bright line was taken for the edge
        edge[0], edge[1] = farthest, 1.0
    return pooled.sum()


@kernel
def _try_without_edge(  # type: ignore[no-untyped-def]
    edges, counts, background, scale, dark, dark_error, guess, use, models, hint, edge,
    single, theta, variance, facts, score, information,
):  # fmt: skip
    """Fit all lines once more as if everything were seen; keep that unless an edge is clearly better."""
    kept = (edge.copy(), single.copy(), theta.copy(), variance.copy(), facts.copy())
    kept_scan, kept_dark = (score.copy(), information.copy()), (dark.copy(), dark_error.copy())
    edge[0], edge[1] = _NO_EDGE_DEG, 1.0
    _find_darks(edges, background, scale, edge, dark, dark_error)
    _fit_all(
        edges, counts, dark, dark_error, guess, use, models, hint, edge,
        single, theta, variance, facts, score, information,
    )  # fmt: skip
    change = 0.0
    for k in range(use.size):
        if use[k]:
            change += facts[k, 12] - kept[4][k, 12]
    if change > _EDGE_PRICE:
        edge[:], single[:], theta[:], variance[:], facts[:] = kept
        score[:], information[:] = kept_scan
        dark[:], dark_error[:] = kept_dark


@kernel
def _look_for_second(edges, counts, dark, use, edge, single, facts, z, joint):  # type: ignore[no-untyped-def]
    """Set `joint` (see `fit_pixel`) if anything hints at a second peak in the lines that the edge is far from."""
    joint[:] = 0.0
    lines, number = np.zeros(use.size, np.int64), 0
    for k in range(use.size):
        clear = single[k, 1] + _LEAST_CLEARANCE * math.exp(single[k, 2]) < edge[0]
        if use[k] and facts[k, 5] >= LEAST_GAIN and clear:
            lines[number] = k
            number += 1
    if number == 0:
        return
    most = counts.shape[1] + 1
    x, n = np.zeros((number, most + 1)), np.zeros((number, most))
    other, seen = np.zeros((number, most)), np.zeros((number, most))
    size, local, slopes = np.zeros(number, np.int64), np.empty((number, 5)), np.empty(number)
    for i in range(number):
        k = lines[i]
        x_k, n_k, other_k, seen_k = _bins(edges, counts[k], dark[k], edge[0], edge[1])
        trigger(x_k, single[k, 9], math.exp(single[k, 10]), seen_k)
        m = n_k.size
        size[i] = m
        x[i, : m + 1], n[i, :m], seen[i, :m] = x_k, n_k, seen_k
        for b in range(m):
            other[i, b] = tilted(other_k, single[k], b) * seen_k[b]
        for a, j in enumerate((0, 1, 2, 6, 8)):
            local[i, a] = single[k, j]
        slopes[i] = single[k, 7]
        joint[3] += n_k.sum()
    if z < _HINT_Z and shape_hint(x, n, other, seen, size, edge[0], local, slopes) < _HINT_SHAPE:
        return
    compare_peaks(x, n, other, seen, size, edge[0], local, slopes.mean(), joint)


@kernel
def fit_pixel(
    edges: FloatArray,
    counts: npt.NDArray[np.uint32],
    background: npt.NDArray[np.uint32],
    scale: FloatArray,
    guess: FloatArray,
    skip: BoolArray,
    models: BoolArray,
    fewest: int,
    edge: FloatArray,
    theta: FloatArray,
    variance: FloatArray,
    facts: FloatArray,
    score: FloatArray,
    information: FloatArray,
    joint: FloatArray,
) -> None:
    """Fit all lines of one pixel.

    `counts` and `background` (those of darks) have shape (lines, bins), `scale` (lines): what each of a dark's counts
    stands for, 0 for no dark. Sets `edge` (edge, softness); `theta` and its
    `variance` (lines, N_THETA); score and information of a second peak (lines, OFFSETS); and `facts` (lines, N_FACTS):
    model, converged, merged deviance, its degrees of freedom, worst pull, gain of deviance over the tail alone,
    significance of a second peak and its offset in sigma, photons; then of the model with a second Gaussian and a tail,
    if it was tried: gain of deviance over the one without, share of the second peak and its distance in sigma; then the
    whole deviance. `joint` (4): what a second resonator gains in all lines together, its share and its distance in
    sigma, zero where nothing hints at one; and the photons of those lines. If it stands out, the lines are fitted again
    with a start there.
    """
    use = np.zeros(skip.size, np.bool_)
    for k in range(skip.size):
        facts[k, 8] = counts[k].sum()
        use[k] = not skip[k] and facts[k, 8] >= fewest
    photons = _find_pixel_edge(edges, counts, use, edge)
    edge[0] = min(edge[0], _LAST_EDGE_DEG)
    single, hint = np.full_like(theta, np.nan), np.zeros(2)
    dark, dark_error = np.zeros((use.size, 2, edges.size - 1)), np.zeros(use.size)
    _find_darks(edges, background, scale, edge, dark, dark_error)
    _fit_all(
        edges, counts, dark, dark_error, guess, use, models, hint, edge,
        single, theta, variance, facts, score, information,
    )  # fmt: skip
    if use.any() and _tail_share(theta, use, dark, edges, edge[0], photons) <= _FAINT_TAIL:
        # without noise triggers there is no edge to see, unless it cuts a line: the end of a line may look like one
        _try_without_edge(
            edges, counts, background, scale, dark, dark_error, guess, use, models, hint, edge,
            single, theta, variance, facts, score, information,
        )  # fmt: skip
    z = _strongest_hint(score, information)
    _look_for_second(edges, counts, dark, use, edge, single, facts, z, joint)
    if joint[0] >= JOINT_GAIN:
        hint[:] = joint[1:3]
        _fit_all(
            edges, counts, dark, dark_error, guess, use, models, hint, edge,
            single, theta, variance, facts, score, information,
        )  # fmt: skip
