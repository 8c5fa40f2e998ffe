"""What correlated bins do to a fit: errors, quality of the fit and bootstrap from blocks of time.

Bins within a few decorrelation times are not independent, so that the curvature of the likelihood promises too much and
Pearson's chi-square is no chi-square. Sums over blocks of at least 5 tau are nearly so, and tell the true scatter:

- errors are ``H^-1 J H^-1`` with H the curvature and J the covariance of the blocks' scores (what a block bootstrap
  gives to first order, at no cost; Varin, Reid & Firth 2011, Statistica Sinica 21, 5);
- the goodness of fit compares counts in cells of about equal probability with the fit, by the covariance that blocks
  give them after the fit has taken its part: Hotelling's T^2, whose law is known (F).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.speckle.fit import fit_kernel
from pipeline_core.speckle.likelihood import BinModel, fill_log_probabilities, scratch_size

__all__ = [
    "LEAST_BLOCKS",
    "block_covariance",
    "block_histograms",
    "block_numbers",
    "bootstrap_kernel",
    "cell_test",
    "fill_scores",
    "lengthen_blocks",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEAST_BLOCKS = 10
"""With fewer, neither errors nor quality are told from blocks."""
_STEP = 1e-3
_MOST_CELLS = 8
_BLOCKS_A_CELL = 5


def block_numbers(used: npt.NDArray[np.bool_], bins_a_block: int) -> IntArray:
    """Return the block of each bin that is used: 0, 1, 2, ... without holes, ascending."""
    every = np.arange(used.size) // max(bins_a_block, 1)
    numbers: IntArray = np.unique(every[used], return_inverse=True)[1].astype(np.int64)
    return numbers


@kernel
def block_histograms(counts: IntArray, blocks: IntArray, out: IntArray) -> None:
    """Add up ``out[block, count]``, from zeros."""
    for i in range(counts.size):
        out[blocks[i], counts[i]] += 1


@kernel
def fill_scores(
    values: FloatArray,
    free: npt.NDArray[np.bool_],
    model: BinModel,
    probabilities: FloatArray,
    scores: FloatArray,
) -> None:
    """Fill P(n), normalised, and the derivatives of ln P(n) by the logarithms of Ic, Is, Ip: ``scores[3, n]``.

    With dead time the sum over P is 1 only to first order, and depends on the intensities: the tail, which no bin has
    reached, is needed to tell it.
    """
    size = probabilities.size
    every = size if model.dead == 0.0 else size + size // 2 + 20
    ratios = np.empty(scratch_size(every - 1, model.dead))
    up, down, here = np.empty(every), np.empty(every), np.empty(every)
    fill_log_probabilities(values[0], values[1], values[2], model, ratios, here)
    here = np.exp(here)
    if model.dead > 0.0:
        here /= here.sum()
    probabilities[:] = here[:size]
    at = values.copy()
    scores[:] = 0.0
    for i in range(3):
        if not free[i]:
            continue
        at[i] = values[i] * math.exp(_STEP)
        fill_log_probabilities(at[0], at[1], at[2], model, ratios, up)
        at[i] = values[i] * math.exp(-_STEP)
        fill_log_probabilities(at[0], at[1], at[2], model, ratios, down)
        at[i] = values[i]
        mean = 0.0
        for n in range(every):
            slope = 0.0
            if up[n] > -np.inf and down[n] > -np.inf:
                slope = (up[n] - down[n]) / (2.0 * _STEP)
            if n < size:
                scores[i, n] = slope
            mean += here[n] * slope
        if model.dead > 0.0:
            scores[i] -= mean


@kernel
def block_covariance(
    histograms: IntArray,
    scores: FloatArray,
    values: FloatArray,
    covariance: FloatArray,
    priors: FloatArray,
    out: FloatArray,
) -> None:
    """Fill the covariance of Ic, Is, Ip from blocks; `covariance` is that of the curvature, NaN where not free."""
    n_blocks = histograms.shape[0]
    sums = np.zeros((n_blocks, 3))
    for b in range(n_blocks):
        for n in range(histograms.shape[1]):
            if histograms[b, n]:
                for i in range(3):
                    sums[b, i] += histograms[b, n] * scores[i, n]
    spread = np.zeros((3, 3))
    for i in range(3):
        mean = sums[:, i].mean()
        sums[:, i] -= mean
    for i in range(3):
        for j in range(3):
            spread[i, j] = (sums[:, i] * sums[:, j]).sum() * n_blocks / (n_blocks - 1.0)
        spread[i, i] += (values[i] / priors[i, 1]) ** 2
    # to natural units: scores by logarithms become scores by intensities
    for i in range(3):
        for j in range(3):
            out[i, j] = np.nan
            if np.isnan(covariance[i, i]) or np.isnan(covariance[j, j]):
                continue
            total = 0.0
            for k in range(3):
                for m in range(3):
                    if np.isnan(covariance[k, k]) or np.isnan(covariance[m, m]):
                        continue
                    weight = covariance[i, k] * covariance[j, m] / (values[k] * values[m])
                    total += weight * spread[k, m]
            out[i, j] = total


@kernel
def lengthen_blocks(
    covariance: FloatArray,
    curvature: FloatArray,
    values: FloatArray,
    tau_s: float,
    block_s: float,
    used_s: float,
) -> None:
    """Raise a covariance from blocks of finite length to that of endless ones, in place.

    A correlation that falls as ``exp(-t / T)`` leaves blocks of length L short of ``T / L`` of the variance it makes
    (Kuensch 1989, Annals of Statistics 17, 1217). What an estimate makes of the light is a series in the field's modes
    of decorrelation, of times tau, tau / 2, ...; the first has the coefficient ``dE/d sqrt(Ic)``, which is that of the
    light itself for Ic and none for the others, as estimates are unbiased: ``4 Ic Is tau / used_s`` of the variance of
    Ic decorrelate in tau. All else but the noise of independent bins, which the curvature tells, does in tau / 2 or
    faster.
    """
    first, second = min(tau_s / block_s, 0.5), min(0.5 * tau_s / block_s, 0.5)
    raised = np.ones(3)
    for i in range(3):
        correlated = covariance[i, i] - curvature[i, i]
        if not correlated > 0.0:
            continue
        slow = 0.0
        if i == 0:
            slow = min(4.0 * values[0] * values[1] * tau_s / used_s * (1.0 - first), correlated)
        missing = slow * first / (1.0 - first) + (correlated - slow) * second / (1.0 - second)
        raised[i] = math.sqrt(1.0 + missing / covariance[i, i])
    for i in range(3):
        for j in range(3):
            covariance[i, j] *= raised[i] * raised[j]


@kernel
def cell_test(
    histograms: IntArray,
    probabilities: FloatArray,
    scores: FloatArray,
    values: FloatArray,
    covariance: FloatArray,
) -> tuple[float, int]:
    """Return Hotelling's T^2 of the counts in cells and its number of degrees of freedom; NaN, 0 if too few cells."""
    n_blocks, size = histograms.shape
    n_free = 0
    for i in range(3):
        n_free += int(not np.isnan(covariance[i, i]))
    wanted = min(_MOST_CELLS, n_blocks // _BLOCKS_A_CELL)
    cells = np.zeros(size, np.int64)
    # the last cell holds all larger counts as well
    cell, filled, left = 0, 0.0, 1.0
    for n in range(size):
        cells[n] = cell
        filled += probabilities[n]
        left -= probabilities[n]
        if filled >= 1.0 / wanted and left >= 0.5 / wanted and n < size - 1:
            cell += 1
            filled = 0.0
    freedom = cell
    if wanted < 2 or freedom < n_free + 1:
        return np.nan, 0
    expected, slope = np.zeros(freedom), np.zeros((freedom, 3))
    for n in range(size):
        if cells[n] < freedom:
            expected[cells[n]] += probabilities[n]
            for i in range(3):
                slope[cells[n], i] += probabilities[n] * scores[i, n]
    rows = np.zeros((n_blocks, freedom))
    total = histograms.sum()
    pull, moved = np.zeros(3), np.zeros(3)
    for b in range(n_blocks):
        pull[:] = 0.0
        bins = 0
        for n in range(size):
            found = histograms[b, n]
            bins += found
            if found:
                if cells[n] < freedom:
                    rows[b, cells[n]] += found
                for i in range(3):
                    pull[i] += found * scores[i, n]
        for i in range(3):
            moved[i] = 0.0
            if np.isnan(covariance[i, i]):
                continue
            for j in range(3):
                if not np.isnan(covariance[j, j]):
                    moved[i] += covariance[i, j] / (values[i] * values[j]) * pull[j]
        for c in range(freedom):
            rows[b, c] -= bins * expected[c]
            for i in range(3):
                rows[b, c] -= total * slope[c, i] * moved[i]
    sums = np.zeros(freedom)
    for c in range(freedom):
        sums[c] = rows[:, c].sum()
        rows[:, c] -= sums[c] / n_blocks
    spread = np.zeros((freedom, freedom))
    for c in range(freedom):
        for d in range(freedom):
            spread[c, d] = (rows[:, c] * rows[:, d]).sum() * n_blocks / (n_blocks - 1.0)
    return _distance(spread, sums), freedom


@kernel
def _distance(matrix: FloatArray, vector: FloatArray) -> float:
    """Return ``v^T M^-1 v`` by Cholesky's method; NaN where M is not positive definite."""
    size = vector.size
    low, solved = np.zeros((size, size)), np.zeros(size)
    total = 0.0
    for i in range(size):
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= low[i, k] * low[j, k]
            if i == j:
                if not value > 1e-9 * matrix[i, i]:
                    return np.nan
                low[i, i] = math.sqrt(value)
            else:
                low[i, j] = value / low[j, j]
        value = vector[i]
        for k in range(i):
            value -= low[i, k] * solved[k]
        solved[i] = value / low[i, i]
        total += solved[i] * solved[i]
    return total


@kernel
def bootstrap_kernel(
    rng: np.random.Generator,
    histograms: IntArray,
    model: BinModel,
    priors: FloatArray,
    with_ip: bool,
    out: FloatArray,
) -> None:
    """Fit resamples of blocks: ``out[k]`` are Ic, Is, Ip of the k-th one, NaN where it holds no photon."""
    n_blocks, size = histograms.shape
    values, covariance = np.empty(3), np.empty((3, 3))
    free = np.empty(3, np.bool_)
    for k in range(out.shape[0]):
        drawn = np.zeros(size, np.int64)
        for _ in range(n_blocks):
            drawn += histograms[int(rng.random() * n_blocks)]
        last = size - 1
        while last > 0 and drawn[last] == 0:
            last -= 1
        out[k] = np.nan
        if last:
            fit_kernel(drawn[: last + 1], model, priors, with_ip, values, covariance, free)
            out[k] = values
