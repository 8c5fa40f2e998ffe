"""Bias of Ic where it is hardly told from none: measured by resampling the likelihood itself, and taken away.

Light of Ic far below Is looks like light of Ic = 0 to first order, so that the likelihood on the line of constant mean
is flat there, and bent by Ic^2: estimates below about 5 sigma are biased downwards as a root is, and those at 0 upwards
as whatever cannot be below 0. How much depends on everything: a bootstrap tells. On some points of that line, let ``K``
be the expected log-likelihood if the fit were the truth, and ``l_b`` the sums over blocks of time that were found. K
and the ``l_b`` with random weights (Gaussian multipliers; Kosorok 2008, ch. 10) are the log-likelihood of another light
curve of the same light; where its maximum lies on average, less where that of K lies, is the bias (Efron & Tibshirani
1993, ch. 10), and their spread is the error where curvatures do not tell it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.speckle.likelihood import BinModel, fill_log_probabilities, scratch_size

__all__ = ["FAR_FROM_BOUND", "NEAR_BOUND", "bound_bias", "multipliers"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FAR_FROM_BOUND = 10.0
"""In sigmas of Is; the bias is below 0.05 sigma beyond."""
NEAR_BOUND = 4.0
"""In sigmas by resampling; nearer, curvatures do not tell sigma."""
_PAIRS = 64
_POINTS = 21
_OUTSIDE = 4.0
"""The line ends where K has fallen by so many sigmas of what blocks add to it."""
_FIRST_STEP, _STEP_GROWS = 0.02, 1.7
_BRIGHTEST = 0.98
"""Steps along the line, and its end, over the mean."""


def multipliers(n_blocks: int) -> FloatArray:
    """Return weights of blocks, the same for all pixels, ``[resample, block]``: they sum to 0, of variance about 1."""
    drawn = np.random.default_rng(n_blocks).standard_normal((_PAIRS, n_blocks))
    centred: FloatArray = drawn - drawn.mean(axis=1, keepdims=True)
    return centred * math.sqrt(n_blocks / (n_blocks - 1.0))


@kernel
def _add_point(
    ic: float,
    is_: float,
    model: BinModel,
    histograms: FloatArray,
    truth: FloatArray,
    ratios: FloatArray,
    log_p: FloatArray,
    of_blocks: FloatArray,
) -> float:
    """Fill ln P, and with it the log-likelihood of every block; return the expected one of a bin.

    P sums up to 1 over the counts that were seen: K is largest at the truth then.
    """
    fill_log_probabilities(ic, is_, 0.0, model, ratios, log_p)
    total = 0.0
    for n in range(log_p.size):
        total += math.exp(log_p[n])
    norm = math.log(total)
    expected = 0.0
    for n in range(log_p.size):
        log_p[n] -= norm
        expected += truth[n] * log_p[n]
    of_blocks[:] = np.dot(histograms, log_p)
    return expected


@kernel
def _top(points: FloatArray, curve: FloatArray) -> float:
    """Return the first maximum from above, by a parabola."""
    last = points.size - 1
    i = last
    while i > 0 and curve[i - 1] >= curve[i]:
        i -= 1
    if i in (0, last):
        return points[i]
    bend = curve[i - 1] - 2.0 * curve[i] + curve[i + 1]
    return points[i] + 0.5 * (points[1] - points[0]) * (curve[i - 1] - curve[i + 1]) / bend


@kernel
def bound_bias(
    histograms: IntArray,
    ic: float,
    is_: float,
    model: BinModel,
    weights: FloatArray,
    raised: float,
) -> tuple[float, float]:
    """Return bias and sigma of Ic at constant mean, counts/s.

    Parameters
    ----------
    histograms : ndarray of int64, shape (n_blocks, n)
        Of counts in blocks.
    ic, is_ : float
        The maximum of the likelihood, counts/s.
    model : BinModel
    weights : ndarray of float64, shape (m, n_blocks)
        `multipliers`.
    raised : float
        Noise is this much more than blocks of finite length have.
    """
    n_blocks, size = histograms.shape
    n_bins = float(histograms.sum())
    mean = ic + is_
    seen = histograms.astype(np.float64)
    ratios, log_p = np.empty(scratch_size(size - 1, model.dead)), np.empty(size)
    truth, here, there = np.zeros(size), np.empty(n_blocks), np.empty(n_blocks)
    _add_point(ic, is_, model, seen, truth, ratios, log_p, here)
    truth = np.exp(log_p)
    top = (truth * log_p).sum()
    ends = np.array([0.0, _BRIGHTEST * mean])
    for side in range(2):
        step = _FIRST_STEP * mean
        while True:
            at = ic - step if side == 0 else ic + step
            if at <= ends[0] or at >= ends[1]:
                break
            fall = n_bins * (
                top - _add_point(at, mean - at, model, seen, truth, ratios, log_p, there)
            )
            there -= here
            there -= there.mean()
            if fall > _OUTSIDE * math.sqrt((there * there).sum()):
                ends[side] = at
                break
            step *= _STEP_GROWS
    points = np.linspace(ends[0], ends[1], _POINTS)
    expected, of_blocks = np.empty(_POINTS), np.empty((n_blocks, _POINTS))
    for k in range(_POINTS):
        expected[k] = n_bins * _add_point(
            points[k], mean - points[k], model, seen, truth, ratios, log_p, there
        )
        of_blocks[:, k] = there
    total, squares = 0.0, 0.0
    noise = np.empty(_POINTS)
    for row in range(weights.shape[0]):
        noise[:] = 0.0
        for b in range(n_blocks):
            for k in range(_POINTS):
                noise[k] += weights[row, b] * of_blocks[b, k]
        for sign in (-1.0, 1.0):  # in pairs, so that what is odd in the noise falls out of the mean
            at = _top(points, expected + sign * raised * noise)
            total += at
            squares += at * at
    number = 2.0 * weights.shape[0]
    average = total / number
    sigma = math.sqrt(max(squares / number - average * average, 0.0))
    return average - _top(points, expected), sigma
