"""Compiled loops that say what a laser line's bins are expected to hold, and how that changes with the parameters.

`models` has the same formulas in plain NumPy, `_linekernels` fits with them. Bins may be of unequal width: empty ones
far below the line arrive as one.

Internal parameters: 0 log photons, 1 centre, 2 log sigma of the line; 3, 4, 5 the same of the second Gaussian; 6 tail
at the reference and 8 floor, both in photons per degree and >= 0; 7 log slope of the tail; 9 trigger edge, 10 log of
its softness; 11 log of the background's amplitude over that of the dark, 12 its tilt.

Two arrays hold what belongs to the bins of one line, a row for each quantity. `bins` (N_GIVEN, m + 1) is given: phases
of edges, counts, and the background's counts before the trigger with what its tilt multiplies. `model` (N_ROWS, m + 1)
is computed: the gradient, a row for each parameter, expected counts, share that is seen, what fits make of it (weights,
relative residuals, a row to work in), and two rows for the edges. The last column is of the edges alone.

Loops write few rows each: a loop that wrote all of them could not be done several bins at a time.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import formula, helper, kernel, loop, reduction
from pipeline_core.wavecal._mathkernels import exp, log, normal

__all__ = [
    "COUNTS",
    "DARK",
    "EDGES",
    "EDGE_REACH_DEG",
    "LAM",
    "N_GIVEN",
    "N_ROWS",
    "N_THETA",
    "RESIDUAL",
    "SCALED",
    "SEEN",
    "TILT",
    "TINY",
    "WEIGHT",
    "WORK",
    "add_gaussian",
    "add_tail",
    "clear",
    "deviance",
    "expected",
    "gaussian",
    "make_bins",
    "tilted",
]

N_THETA = 13
# rows: numbers of numpy's, because each plain one is a type of its own, for which whatever it is handed to is compiled
EDGES, COUNTS, DARK, TILT = np.arange(4)
N_GIVEN = 4
LAM, SEEN, WEIGHT, RESIDUAL, SCALED, WORK, _DENSITY = np.arange(N_THETA, N_THETA + 7)
N_ROWS = N_THETA + 7
_SHARE = WORK
EDGE_REACH_DEG = 4.0
"""How far a line's own edge may be from where it was looked for."""
TINY = 1e-9  # photons per bin: the logarithm of an expected count stays finite

FloatArray = npt.NDArray[np.float64]


@loop
def _cut(edges, counts, edge, softness):  # type: ignore[no-untyped-def]
    """Return the first bin that is kept, all empty ones below being merged, and the stop: nothing is seen beyond."""
    stop = counts.size
    while (
        stop > 2
        and counts[stop - 1] == 0
        and edges[stop - 1] > edge + EDGE_REACH_DEG + 5.0 * softness
    ):
        stop -= 1
    first = 0
    while first < stop - 1 and counts[first] == 0:
        first += 1
    return max(first - 4, 1), stop


@helper
def make_bins(edges, counts, dark, edge, softness):  # type: ignore[no-untyped-def]
    """Return `bins` that are fitted, as `_modelkernels` wants them. Empty bins far below are one."""
    first, stop = _cut(edges, counts, edge, softness)
    m = stop - first + 1
    bins = np.zeros((N_GIVEN, m + 1))
    bins[EDGES, 0] = edges[0]
    for i in range(m):
        bins[EDGES, i + 1] = edges[first + i]
    for i in range(first):
        bins[COUNTS, 0] += counts[i]
        bins[DARK, 0] += dark[0, i]
    bins[TILT, 0] = dark[1, first - 1]
    for i in range(1, m):
        k = first + i - 1
        bins[COUNTS, i], bins[DARK, i], bins[TILT, i] = counts[k], dark[0, k], dark[1, k]
    return bins


@loop
def _normal_at_edges(bins, centre, per_sigma, model):  # type: ignore[no-untyped-def]
    for i in range(bins.shape[1]):
        z = (bins[EDGES, i] - centre) * per_sigma
        model[_SHARE, i], model[_DENSITY, i] = normal(z)


@loop
def _trigger_gradient(bins, theta, model):  # type: ignore[no-untyped-def]
    """Set the share that is seen as `_edgekernels.trigger` does, and its derivatives to edge and log of softness."""
    edge, softness = theta[9], math.exp(theta[10])
    per_softness = 1.0 / softness
    _normal_at_edges(bins, edge, -per_softness, model)
    for i in range(bins.shape[1] - 1):
        u0, u1 = (edge - bins[EDGES, i]) * per_softness, (edge - bins[EDGES, i + 1]) * per_softness
        below = u0 * model[_SHARE, i] + model[_DENSITY, i]
        above = u1 * model[_SHARE, i + 1] + model[_DENSITY, i + 1]
        share = (below - above) * softness / (bins[EDGES, i + 1] - bins[EDGES, i])
        model[SEEN, i] = min(max(share, 0.0), 1.0)
    for i in range(bins.shape[1] - 1):
        per_bin = 1.0 / (bins[EDGES, i + 1] - bins[EDGES, i])
        model[9, i] = (model[_SHARE, i] - model[_SHARE, i + 1]) * per_bin
        model[10, i] = (model[_DENSITY, i] - model[_DENSITY, i + 1]) * per_bin * softness


@loop
def gaussian(bins, photons, centre, per_sigma, model):  # type: ignore[no-untyped-def]
    """Set the row to work in to what is seen of a Gaussian in each bin, without gradient."""
    _normal_at_edges(bins, centre, per_sigma, model)
    for i in range(bins.shape[1] - 1):
        share = model[_SHARE, i + 1] - model[_SHARE, i]
        model[SCALED, i] = photons * model[SEEN, i] * share


@loop
def add_gaussian(bins, theta, first, model):  # type: ignore[no-untyped-def]
    """Add a Gaussian's counts before the trigger to the expected ones, and set its three rows of the gradient."""
    photons, centre = math.exp(theta[first]), theta[first + 1]
    per_sigma = math.exp(-theta[first + 2])
    _normal_at_edges(bins, centre, per_sigma, model)
    for i in range(bins.shape[1] - 1):
        part = photons * (model[_SHARE, i + 1] - model[_SHARE, i])
        model[LAM, i] += part
        model[first, i] = part * model[SEEN, i]
    scale = -photons * per_sigma
    for i in range(bins.shape[1] - 1):
        p0, p1 = model[_DENSITY, i], model[_DENSITY, i + 1]
        d0, d1 = bins[EDGES, i] - centre, bins[EDGES, i + 1] - centre
        model[first + 1, i] = scale * model[SEEN, i] * (p1 - p0)
        model[first + 2, i] = scale * model[SEEN, i] * (d1 * p1 - d0 * p0)


@loop
def add_tail(bins, theta, reference, model):  # type: ignore[no-untyped-def]
    """Add the exponential tail and the floor before the trigger, and set their rows of the gradient."""
    height, slope, floor = theta[6], math.exp(theta[7]), theta[8]
    per_slope = 1.0 / slope
    for i in range(bins.shape[1]):
        model[_SHARE, i] = exp(slope * (bins[EDGES, i] - reference))
    for i in range(bins.shape[1] - 1):
        shape = (model[_SHARE, i + 1] - model[_SHARE, i]) * per_slope
        model[LAM, i] += height * shape + floor * (bins[EDGES, i + 1] - bins[EDGES, i])
        model[6, i] = model[SEEN, i] * shape
    for i in range(bins.shape[1] - 1):
        e0, e1 = model[_SHARE, i], model[_SHARE, i + 1]
        d0, d1 = bins[EDGES, i] - reference, bins[EDGES, i + 1] - reference
        change = d1 * e1 - d0 * e0 - (e1 - e0) * per_slope
        model[7, i] = model[SEEN, i] * height * change
        model[8, i] = model[SEEN, i] * (d1 - d0)


@formula
def tilted(dark, tilt, theta):  # type: ignore[no-untyped-def]
    """Return the counts of the background in a bin before the trigger."""
    return dark * exp(theta[11] + theta[12] * tilt)


@reduction
def _has_background(bins):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(bins.shape[1] - 1):
        total += bins[DARK, i]
    return total > 0.0


@loop
def _add_background(bins, theta, model):  # type: ignore[no-untyped-def]
    for i in range(bins.shape[1] - 1):
        dark = tilted(bins[DARK, i], bins[TILT, i], theta)
        model[LAM, i] += dark
        model[11, i] = dark * model[SEEN, i]
    for i in range(bins.shape[1] - 1):
        model[12, i] = bins[TILT, i] * model[11, i]


@loop
def _see(model):  # type: ignore[no-untyped-def]
    """Turn what there is before the trigger into what is seen of it."""
    for i in range(model.shape[1] - 1):
        model[9, i] *= model[LAM, i]
        model[10, i] *= model[LAM, i]
    for i in range(model.shape[1] - 1):
        model[LAM, i] = model[LAM, i] * model[SEEN, i] + TINY


@loop
def clear(model, first, stop):  # type: ignore[no-untyped-def]
    """Set rows to 0."""
    for row in range(first, stop):
        for i in range(model.shape[1]):
            model[row, i] = 0.0


@kernel
def expected(
    bins: FloatArray, theta: FloatArray, reference: float, gaussians: int, model: FloatArray
) -> None:
    """Set `model`: expected counts of 0, 1 or 2 Gaussians and all the rest, gradient, and share that is seen.

    Within a bin the mean share is applied.
    """
    _trigger_gradient(bins, theta, model)
    clear(model, LAM, LAM + 1)
    for k in range(2):
        if k < gaussians:
            add_gaussian(bins, theta, 3 * k, model)
        else:
            clear(model, 3 * k, 3 * k + 3)
    add_tail(bins, theta, reference, model)
    if _has_background(bins):
        _add_background(bins, theta, model)
    else:
        clear(model, 11, 13)
    _see(model)


@reduction
def deviance(bins, model):  # type: ignore[no-untyped-def]
    """Return the Poisson deviance, 2 sum(lam - n + n log(n / lam))."""
    total = 0.0
    for i in range(bins.shape[1] - 1):
        n, lam = bins[COUNTS, i], model[LAM, i]
        ratio = n / lam if n > 0.0 else 1.0
        total += lam - n + n * log(ratio)
    return 2.0 * total
