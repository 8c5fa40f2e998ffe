"""Compiled fit of all lines of one pixel: its trigger edge, the model of each line, second peaks in all of them.

`linefit` calls `fit_pixel`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import helper, inline, kernel, loop
from pipeline_core.wavecal._darkkernels import find_darks
from pipeline_core.wavecal._doublekernels import PASSED, compare_peaks, shape_hint
from pipeline_core.wavecal._edgekernels import find_pixel_edge, trigger
from pipeline_core.wavecal._mathkernels import put
from pipeline_core.wavecal._modelkernels import (
    COUNTS,
    DARK,
    EDGES,
    N_GIVEN,
    N_ROWS,
    N_THETA,
    SEEN,
    TILT,
    expected,
    make_bins,
    tilted,
)
from pipeline_core.wavecal._searchkernels import (
    GAUSS_GAUSS,
    GAUSS_GAUSS_TAIL,
    GAUSS_TAIL,
    OFFSETS,
    bounds,
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

N_FACTS = 14
"""Numbers that `fit_pixel` writes per line (see its docstring)."""

_SUSPICIOUS_Z = 3.0
_SUSPICIOUS_FIT = 1.6  # standard deviations of the merged deviance
_MISFIT = 4.0
_TWO = np.int64(2)
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
_CHANCE = 20.0
"""Deviance that a line gains without an edge at most, if it has less deviance than bins: 17 was the most of 17 000
lines, with bins of 0.5 to 8 degrees. Where it has more, the edge itself may be what is wrong."""
_FAINT_TAIL = 0.03  # of the photons
PRIORS = np.array([[math.log(0.13), 0.7], [0.0, 1.0], [0.0, 0.5], [0.0, math.inf]])
"""Mean and width of priors: log of the tail's slope (per degree), edge and log softness around what the sum of all
lines says, where a line may be in the way, and log of the line's width, of which nothing is known."""
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


@inline
def _fit_line(given, k, edge, dark, dark_error, known, hint, found):  # type: ignore[no-untyped-def]
    """Fit line `k`; `given` and `found` as in `_fit_all`."""
    edges, counts, guess, _, models = given
    single, theta, variance, facts, score, information = found
    one, fact = np.empty(N_THETA), facts[k]
    bins = make_bins(edges, counts[k], dark[k], edge[0], edge[1])
    model = np.zeros((N_ROWS, bins.shape[1]))
    cov = np.empty((N_THETA, N_THETA))
    limits = np.empty((4, N_THETA))
    bounds(edges, edge[0], known, dark_error[k], limits)
    trigger(bins[EDGES], edge[0], edge[1], model[SEEN, : bins.shape[1] - 1])
    fact[5], value, good = fit_single(bins, edge[0], limits, guess[k], one, model)
    moving = finish(bins, GAUSS_TAIL, edge[0], limits, one, model, cov, fact)
    fact[6] = fact[7] = fact[9] = fact[10] = fact[11] = 0.0
    fact[12], fact[13] = value, bins.shape[1] - 1
    put(single[k], one)
    put(theta[k], one)
    for t in range(OFFSETS.size):
        score[k, t] = information[k, t] = 0.0
    share, offset = hint[0], hint[1]
    where = -1
    if fact[5] > LEAST_GAIN:
        fact[6], where = scan(bins, edge[0], one, model, cov, score[k], information[k])
    if where >= 0:
        fact[7] = OFFSETS[where]
        if hint[0] == 0.0:
            share, offset = score[k, where] / information[k, where], fact[7]
    hinted = hint[0] > 0.0 or (fact[6] > _SUSPICIOUS_Z and share > _HARMLESS_SHARE)
    misfit = excess(fact[2], int(fact[3])) > _SUSPICIOUS_FIT or not good
    forced = not models[GAUSS_TAIL]
    if forced and share < _HARMLESS_SHARE:
        share, offset = _FORCED_SHARE, _FORCED_OFFSET
    good = good and not forced
    if fact[5] > LEAST_GAIN and (hinted or misfit or forced):
        good = _compare(
            bins, edge[0], limits, models, share, offset, value, good, moving, one, model, cov, fact, theta[k]
        )  # fmt: skip
    fact[1] = good
    for j in range(N_THETA):
        variance[k, j] = cov[j, j]


@inline
def _compare(  # type: ignore[no-untyped-def]
    bins, edge, limits, models, share, offset, value, good, moving, one, model, cov, facts, theta
):
    """Try two Gaussians beside `one`; keep them if they gain more deviance than their parameters cost.

    Returns convergence.
    """
    trial, one_value = np.empty(N_THETA), value
    photons = 0.0
    for i in range(bins.shape[1] - 1):
        photons += bins[COUNTS, i]
    weight = math.log(max(photons, 8.0))
    criterion = value + weight * moving if good else math.inf
    # where a dark stands for the tail, two Gaussians must not be paid with the tail that they can do without
    fewest = moving + _LEAST_ADDED if limits[3, 11] > 0.0 else 0
    trial_facts, trial_cov = facts.copy(), cov.copy()
    misfit = excess(facts[2], int(facts[3])) > _MISFIT
    for kind in (GAUSS_GAUSS_TAIL, GAUSS_GAUSS):
        if not models[kind]:
            continue
        if facts[0] == GAUSS_GAUSS_TAIL and excess(facts[2], int(facts[3])) < _SUSPICIOUS_FIT:
            continue
        value, converged = fit_double(
            bins, kind, edge, limits, one, offset, share, misfit, trial, model
        )
        if order(trial, edge):
            expected(bins, trial, edge, _TWO, model)
        moving = finish(bins, kind, edge, limits, trial, model, trial_cov, trial_facts)
        if kind == GAUSS_GAUSS_TAIL:
            facts[9] = one_value - value
            facts[10] = 1.0 / (1.0 + math.exp(trial[0] - trial[3]))
            facts[11] = (trial[4] - trial[1]) * math.exp(-trial[2])
        price = weight * max(moving, fewest) + _GAUSSIAN_PRICE
        if converged and value + price < criterion:
            criterion, good = value + price, True
            put(theta, trial)
            put(cov, trial_cov)
            facts[0], facts[12] = trial_facts[0], value
            facts[2], facts[3], facts[4] = trial_facts[2], trial_facts[3], trial_facts[4]
    return good


@loop
def _strongest_hint(score, information):  # type: ignore[no-untyped-def]
    """Return the significance of the small second peak that all lines together hint at most."""
    best = 0.0
    for t in range(OFFSETS.size):
        u = v = 0.0
        for k in range(len(score)):
            u += score[k, t]
            v += information[k, t]
        if v <= 0.0 or (abs(OFFSETS[t]) > _CLOSE and u / v < _SMALL_SHARE):
            continue
        best = max(best, u / math.sqrt(v))
    return best


@helper
def _fit_all(given, edge, dark, dark_error, hint, found, least, enough):  # type: ignore[no-untyped-def]
    """Fit every line, those that the edge cuts once more with what the others know of tail, edge and width.

    `given`: edges, counts, guess, which lines are used, models. `found`, a row for each line: parameters with one
    Gaussian and of what was chosen, variances, facts, score and information of a second peak. If the deviance of all
    lines will be more than `enough`, `least` being what that of each line can be, the rest is left; returns whether all
    are done.
    """
    use, facts = given[3], found[3]
    vague = PRIORS.copy()
    vague[1, 0], vague[2, 0] = edge[0], math.log(edge[1])
    known = vague.copy()
    cut_lines = np.zeros(use.size, np.bool_)
    at_least = 0.0
    for k in range(use.size):
        at_least += least[k]
    for attempt in range(2):
        for k in range(use.size):
            if use[k] and (attempt == 0 or cut_lines[k]):
                prior = known if cut_lines[k] else vague
                _fit_line(given, k, edge, dark, dark_error, prior, hint, found)
                # a line that is not found, or may be cut, may be fitted once more
                if attempt == 1 or _clearance(found[1][k], facts[k], edge[0]) >= _CLEAR:
                    at_least += facts[k, 12] - least[k]
                if at_least > enough:
                    return False
        if attempt == 0:
            _find_cut_lines(found[1], found[2], facts, use, edge[0], known, cut_lines)
    return True


@loop
def _clearance(theta, facts, edge):  # type: ignore[no-untyped-def]
    """Return how far in sigma a line is from the edge; far beyond it if it is not found."""
    if facts[5] < LEAST_GAIN or facts[1] != 1.0:
        return -math.inf
    return (edge - theta[1]) * math.exp(-theta[2])


@inline
def _find_cut_lines(theta, variance, facts, use, edge, known, cut_lines):  # type: ignore[no-untyped-def]
    """Set `cut_lines`, which the edge is near to or which are not found, and `known` from all others.

    If it is near to all, the one that is farthest from it stands for the others.
    """
    sums = np.zeros((4, 2))
    farthest, clearance = -1, _LEAST_CLEARANCE
    for k in range(use.size):
        if not use[k]:
            continue
        free = _clearance(theta[k], facts[k], edge)
        cut_lines[k] = free < _CLEAR
        if free > clearance:
            farthest, clearance = k, free
    if farthest < 0:
        for k in range(use.size):
            cut_lines[k] = False
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


@loop
def _tail_share(theta, use, dark, edges, edge, photons):  # type: ignore[no-untyped-def]
    """Return the share of all photons that are in the fitted tails, or known from a dark."""
    tails = 0.0
    for k in range(use.size):
        if use[k]:
            tails += theta[k, 6] * math.exp(-theta[k, 7])
            for i in range(edges.size - 1):
                if edges[i + 1] < edge:
                    tails += tilted(dark[k, 0, i], dark[k, 1, i], theta[k])
    return tails / max(photons, 1.0)


@loop
def _deviance(use, facts, least):  # type: ignore[no-untyped-def]
    """Return the deviance of all lines; set the `least` that that of each can be if they are fitted without an edge."""
    total = 0.0
    for k in range(use.size):
        least[k] = 0.0
        if use[k]:
            total += facts[k, 12]
            if facts[k, 12] < facts[k, 13]:
                least[k] = max(facts[k, 12] - _CHANCE, 0.0)
    return total


@inline
def _look_for_second(edges, counts, dark, use, edge, found, joint):  # type: ignore[no-untyped-def]
    """Set `joint` (see `fit_pixel`) if anything hints at a second peak in the lines that the edge is far from."""
    single, _, _, facts, score, information = found
    for j in range(joint.size):
        joint[j] = 0.0
    lines, number = np.zeros(use.size, np.int64), 0
    for k in range(use.size):
        clear = single[k, 1] + _LEAST_CLEARANCE * math.exp(single[k, 2]) < edge[0]
        if use[k] and facts[k, 5] >= LEAST_GAIN and clear:
            lines[number] = k
            number += 1
    if number == 0:
        return
    bins = np.zeros((number, N_GIVEN, counts.shape[1] + 2))
    local, slopes = np.empty((number, 5)), np.empty(number)
    most = 0
    for i in range(number):
        k = lines[i]
        own = make_bins(edges, counts[k], dark[k], edge[0], edge[1])
        m = own.shape[1] - 1
        most = max(most, m)
        passed = bins[i, PASSED, :m]
        trigger(own[EDGES], single[k, 9], math.exp(single[k, 10]), passed)
        for b in range(bins.shape[2]):
            # what is beyond has no width and is not seen
            bins[i, EDGES, b] = own[EDGES, min(b, m)]
        for b in range(m):
            bins[i, COUNTS, b] = own[COUNTS, b]
            bins[i, DARK, b] = tilted(own[DARK, b], own[TILT, b], single[k]) * passed[b]
            joint[3] += own[COUNTS, b]
        for a, j in enumerate((0, 1, 2, 6, 8)):
            local[i, a] = single[k, j]
        slopes[i] = single[k, 7]
    bins = bins[:, :, : most + 1].copy()
    z = _strongest_hint(score, information)
    if z < _HINT_Z and shape_hint(bins, edge[0], local, slopes) < _HINT_SHAPE:
        return
    slope = 0.0
    for i in range(number):
        slope += slopes[i] / number
    compare_peaks(bins, edge[0], local, slope, joint)


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
    stands for, 0 for no dark. Sets `edge` (edge, softness); `theta` and its `variance` (lines, N_THETA); score and
    information of a second peak (lines, OFFSETS); and `facts` (lines, N_FACTS): model, converged, merged deviance, its
    degrees of freedom, worst pull, gain of deviance over the tail alone, significance of a second peak and its offset
    in sigma, photons; then of the model with a second Gaussian and a tail, if it was tried: gain of deviance over the
    one without, share of the second peak and its distance in sigma; then the whole deviance, and the number of bins.
    `joint` (4): what a second resonator gains in all lines together, its share and its distance in sigma, zero where
    nothing hints at one; and the photons of those lines. If it stands out, the lines are fitted again with a start
    there.
    """
    n_line, n_bin = counts.shape
    use = np.zeros(n_line, np.bool_)
    for k in range(n_line):
        facts[k, 8] = 0.0
        for i in range(n_bin):
            facts[k, 8] += counts[k, i]
        use[k] = not skip[k] and facts[k, 8] >= fewest
    photons = find_pixel_edge(edges, counts, use, edge)
    edge[0] = min(edge[0], _LAST_EDGE_DEG)
    hint = np.zeros(2)
    given = (edges, counts, guess, use, models)
    found = (np.full_like(theta, np.nan), theta, variance, facts, score, information)
    dark, dark_error = np.zeros((n_line, 2, n_bin)), np.zeros(n_line)
    find_darks(edges, background, scale, edge, dark, dark_error)
    least = np.zeros(n_line)
    _fit_all(given, edge, dark, dark_error, hint, found, least, math.inf)
    if photons > 0.0 and _tail_share(theta, use, dark, edges, edge[0], photons) <= _FAINT_TAIL:
        # without noise triggers there is no edge to see, unless it cuts a line: the end of a line may look like one.
        # All lines are fitted once more as if everything were seen; that is kept unless an edge is clearly better
        all_seen = np.array([_NO_EDGE_DEG, 1.0])
        other_dark, other_error = np.zeros((n_line, 2, n_bin)), np.zeros(n_line)
        other = (
            found[0].copy(), theta.copy(), variance.copy(), facts.copy(), score.copy(), information.copy()
        )  # fmt: skip
        find_darks(edges, background, scale, all_seen, other_dark, other_error)
        most = _deviance(use, facts, least) + _EDGE_PRICE
        done = _fit_all(given, all_seen, other_dark, other_error, hint, other, least, most)
        if done and _deviance(use, other[3], least) <= most:
            put(edge, all_seen)
            put(dark, other_dark)
            put(dark_error, other_error)
            for k in range(len(found)):
                put(found[k], other[k])
    _look_for_second(edges, counts, dark, use, edge, found, joint)
    if joint[0] >= JOINT_GAIN:
        hint[0], hint[1] = joint[1], joint[2]
        _fit_all(given, edge, dark, dark_error, hint, found, least, math.inf)
