"""Decorrelation time from the light curve's autocovariance, which photon noise does not bias; the advised bin width.

Counts of different bins share no photon: the mean of ``(n_i - m) (n_{i+l} - m)`` is the autocovariance of the light.
That of speckles is ``Is^2 g^2 + 2 Ic Is g`` with ``g = exp(-|t| / tau)``, averaged over bins, less the variance of the
mean itself. With ``Ic = m - Is`` this has two unknowns, tau and the share of Is, which are fitted; at lag 0 the
variance without photon noise takes part. The error is a jackknife over parts of the light curve.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline, kernel

__all__ = [
    "Decorrelation",
    "advised_bin_s",
    "common_tau",
    "decorrelation",
    "lagged_covariances",
    "lags_of",
    "pairs_of",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_PARTS = 10
_STEPS = 25
_NARROWEST, _WIDEST = 0.05, 0.25
"""Shortest tau in bins, longest over the length of the light curve."""
_LEAST_COUNT = 0.05
_USUAL_BIN_S = 0.01
_WORST = 0.5


class Decorrelation(NamedTuple):
    """Of one light curve.

    Attributes
    ----------
    tau_s, error_s : float
        NaN where there are no speckles to be seen.
    share : float
        Is over the mean, by this fit.
    lags_s, covariance, fitted : ndarray of float64, shape (n,)
        Autocovariance over the squared mean, as measured and as fitted; lag 0 is without photon noise.
    """

    tau_s: float
    error_s: float
    share: float
    lags_s: FloatArray
    covariance: FloatArray
    fitted: FloatArray


def lags_of(n_bins: int) -> IntArray:
    """Return the lags that are looked at: every one at first, then ever fewer, up to a quarter of the light curve."""
    lags = [0]
    while lags[-1] < max(n_bins // 4, 3):
        lags.append(max(lags[-1] + 1, int(lags[-1] * 1.2)))
    return np.array(lags, np.int64)


@kernel
def lagged_covariances(
    counts: IntArray,
    used: npt.NDArray[np.bool_],
    lags: IntArray,
    alive: float,
    sums: FloatArray,
) -> float:
    """Fill sums of products over the squared mean, ``[part, lag]``; return the mean count.

    `alive` is the part of the time in which the pixel was not dead: lag 0 is corrected by it.
    """
    size = counts.size
    number, total = 0, 0.0
    for i in range(size):
        if used[i]:
            number += 1
            total += counts[i]
    mean = total / max(number, 1)
    light = np.zeros(size)
    noise = 0.0
    if mean > 0.0:
        for i in range(size):
            if used[i]:
                light[i] = (counts[i] / mean - 1.0) / alive
        noise = 1.0 / mean
    n_parts = sums.shape[0]
    for k in range(lags.size):
        lag = lags[k]
        for part in range(n_parts):
            first, stop = part * size // n_parts, (part + 1) * size // n_parts
            stop = min(stop, size - lag)
            found = 0.0
            for i in range(first, stop):
                found += light[i] * light[i + lag]
            if lag == 0:
                for i in range(first, stop):
                    found -= noise * used[i]
            sums[part, k] = found
    return mean


@kernel
def _fill_pairs(used: npt.NDArray[np.bool_], lags: IntArray, pairs: FloatArray) -> None:
    size = used.size
    n_parts = pairs.shape[0]
    for k in range(lags.size):
        for part in range(n_parts):
            first, stop = part * size // n_parts, (part + 1) * size // n_parts
            both = 0
            for i in range(first, min(stop, size - lags[k])):
                both += int(used[i] and used[i + lags[k]])
            pairs[part, k] = both


def pairs_of(used: npt.NDArray[np.bool_]) -> FloatArray:
    """Return how many pairs of bins that are used each lag has, ``[part, lag]``: the same for all pixels."""
    lags = lags_of(used.size)
    pairs = np.zeros((_PARTS, lags.size))
    _fill_pairs(used, lags, pairs)
    return pairs


@inline
def _averaged(x):  # type: ignore[no-untyped-def]
    """Return which part of the variance is left after x decorrelation times; see `averaging.variance_factor`."""
    return 2.0 * (x - 1.0 + math.exp(-x)) / (x * x) if x > 1e-3 else 1.0 - x / 3.0


@kernel
def _fill_model(lags: IntArray, n_bins: int, log_tau: float, share: float, out: FloatArray) -> None:
    """Fill the autocovariance over the squared mean that a light curve lets expect; `log_tau` of tau in bins."""
    x = math.exp(-log_tau)
    speckle, mixed = share * share, 2.0 * share * (1.0 - share)
    # of averages over bins, the correlation at a lag falls from the middle of one bin to that of the other
    wide2 = 2.0 * (math.cosh(2.0 * x) - 1.0) / (4.0 * x * x) if x > 1e-3 else 1.0
    wide1 = 2.0 * (math.cosh(x) - 1.0) / (x * x) if x > 1e-3 else 1.0
    of_mean = speckle * _averaged(2.0 * x * n_bins) + mixed * _averaged(x * n_bins)
    for k in range(lags.size):
        lag = lags[k]
        if lag == 0:
            value = speckle * _averaged(2.0 * x) + mixed * _averaged(x)
        else:
            value = speckle * wide2 * math.exp(-2.0 * x * lag) + mixed * wide1 * math.exp(-x * lag)
        out[k] = value - of_mean


@kernel
def _fit(
    lags: IntArray, n_bins: int, measured: FloatArray, at: FloatArray, slopes: FloatArray
) -> bool:
    """Fit ``at = (ln tau in bins, share)`` by damped least squares; fill the model's derivatives ``slopes[2, lag]``."""
    low = np.array([math.log(_NARROWEST), 1e-4])
    high = np.array([math.log(max(_WIDEST * n_bins, 1.0)), 1.0])
    here, there = np.empty(lags.size), np.empty(lags.size)
    _fill_model(lags, n_bins, at[0], at[1], here)
    cost = ((measured - here) ** 2).sum()
    damping = 1e-3
    trial = at.copy()
    steps = np.array([1e-4, 1e-5])
    for _ in range(_STEPS):
        for i in range(2):
            trial[:] = at
            trial[i] += steps[i]
            _fill_model(lags, n_bins, trial[0], trial[1], there)
            slopes[i] = (there - here) / steps[i]
        a = (slopes[0] * slopes[0]).sum()
        b = (slopes[0] * slopes[1]).sum()
        c = (slopes[1] * slopes[1]).sum()
        off = measured - here
        u, v = (slopes[0] * off).sum(), (slopes[1] * off).sum()
        moved = False
        for _ in range(12):
            aa, cc = a * (1.0 + damping) + 1e-300, c * (1.0 + damping) + 1e-300
            det = aa * cc - b * b
            trial[0] = min(max(at[0] + (cc * u - b * v) / det, low[0]), high[0])
            trial[1] = min(max(at[1] + (aa * v - b * u) / det, low[1]), high[1])
            _fill_model(lags, n_bins, trial[0], trial[1], there)
            found = ((measured - there) ** 2).sum()
            if found < cost:
                gone = cost - found
                at[:], here[:] = trial, there
                cost = found
                damping *= 0.3
                moved = gone > 1e-7 * cost
                break
            damping *= 5.0
        if not moved:
            break
    return low[0] < at[0] < high[0] and at[1] > low[1]


@kernel
def _tau_kernel(
    sums: FloatArray,
    pairs: FloatArray,
    lags: IntArray,
    n_bins: int,
    measured: FloatArray,
    fitted: FloatArray,
    at: FloatArray,
) -> float:
    """Fit the light curve, and return the error of ln tau by a jackknife over its parts; NaN if there is no fit."""
    n_parts, size = sums.shape
    total, number = np.zeros(size), np.zeros(size)
    for part in range(n_parts):
        total += sums[part]
        number += pairs[part]
    for k in range(size):
        measured[k] = total[k] / number[k] if number[k] else 0.0
    # start: the variance tells the share, the first lag below 1/e of it tells tau
    top = max(measured[0], measured[1], 1e-6)
    at[1] = min(max(1.0 - math.sqrt(max(1.0 - top, 0.0)), 0.01), 0.95)
    at[0] = math.log(max(_WIDEST * n_bins / 2.0, 1.0))
    for k in range(1, size):
        if measured[k] < 0.37 * top:
            at[0] = math.log(max(float(lags[k]), 0.5))
            break
    slopes = np.zeros((2, size))
    good = _fit(lags, n_bins, measured, at, slopes)
    _fill_model(lags, n_bins, at[0], at[1], fitted)
    if not good:
        return np.nan
    a, b = (slopes[0] * slopes[0]).sum(), (slopes[0] * slopes[1]).sum()
    c = (slopes[1] * slopes[1]).sum()
    det = a * c - b * b
    if not det > 0.0:
        return np.nan
    weights = (c * slopes[0] - b * slopes[1]) / det
    moves = np.zeros(n_parts)
    for part in range(n_parts):
        for k in range(size):
            left = number[k] - pairs[part, k]
            if left > 0.0:
                moves[part] += weights[k] * ((total[k] - sums[part, k]) / left - measured[k])
    mean = moves.mean()
    return math.sqrt((n_parts - 1.0) / n_parts * ((moves - mean) ** 2).sum())


def decorrelation(
    counts: IntArray,
    used: npt.NDArray[np.bool_],
    bin_s: float,
    dead_time_us: float = 0.0,
    pairs: FloatArray | None = None,
) -> Decorrelation:
    """Measure the decorrelation time of a light curve.

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
        Of bins of equal width, in order of time, those that are not used too.
    used : ndarray of bool, shape (n,)
    bin_s : float
    dead_time_us : float
    pairs : ndarray, optional
        `pairs_of` the bins that are used, where many pixels have the same.
    """
    lags = lags_of(counts.size)
    pairs = pairs_of(used) if pairs is None else pairs
    sums = np.zeros(pairs.shape)
    recorded = float(counts[used].mean()) if used.any() else 0.0
    alive = max(1.0 - recorded / bin_s * dead_time_us * 1e-6, 1e-3)
    mean = lagged_covariances(counts, used, lags, alive, sums)
    measured, fitted, at = np.zeros(lags.size), np.zeros(lags.size), np.zeros(2)
    error = np.nan
    if mean > 0.0 and counts.size >= 4 * _PARTS:
        error = _tau_kernel(sums, pairs, lags, counts.size, measured, fitted, at)
    tau = math.exp(at[0]) * bin_s if math.isfinite(error) else math.nan
    return Decorrelation(
        tau, error * tau, float(at[1]), bin_s * lags.astype(np.float64), measured, fitted
    )


def common_tau(taus: FloatArray) -> tuple[float | None, float]:
    """Return the mean decorrelation time of several light curves, and its error; None, NaN if none has one.

    Those that tell tau worse than by a half are left out. The others count alike: short ones have small errors by
    chance, and would have more weight.

    Parameters
    ----------
    taus : ndarray of float64, shape (n, 2)
        Each one's tau and its error, s; NaN for none.
    """
    good = taus[:, 1] < _WORST * taus[:, 0]  # false for NaN
    if not good.any():
        return None, math.nan
    found = taus[good, 0]
    if found.size == 1:
        return float(found[0]), float(taus[good, 1][0])
    return float(found.mean()), float(found.std(ddof=1) / math.sqrt(found.size))


def advised_bin_s(
    ic_cps: float, is_cps: float, ip_cps: float, tau_s: float, dead_time_us: float = 0.0
) -> float:
    """Return the advised width of a bin: a tenth of tau, longer where dead time or too few photons ask for it.

    Not below ``50 t0 I^2 / (Is^2 + 2 Ic Is)``, nor so short that a bin holds less than 0.05 photons; 10 ms where tau is
    not known.
    """
    if not (math.isfinite(tau_s) and tau_s > 0):
        return _USUAL_BIN_S
    total = ic_cps + is_cps + ip_cps
    wanted = tau_s / 10.0
    excess = is_cps * is_cps + 2.0 * ic_cps * is_cps
    if excess > 0:
        wanted = max(wanted, 50e-6 * dead_time_us * total * total / excess)
    if total > 0:
        wanted = max(wanted, _LEAST_COUNT / total)
    return wanted
