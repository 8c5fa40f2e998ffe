"""Likelihood of the intervals between photons: no bins, dead time included (arXiv 1906.03354).

The density of an interval is ``M''(t) / -M'(t0)`` for t above the dead time t0, with ``u = 1 / (1 + Is t)`` and
``M(t) = u exp(-Ic t u - Ip t)``. It holds where the light hardly changes between two photons: where rate times
decorrelation time is large. Where Is is above Ic it fails: Ic comes out far too low, as the light changes inside the
long gaps. Intervals are taken for independent, so that the errors of the curvature are too small by about a factor of
two.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError

__all__ = ["BinFree", "fit_intervals", "interval_log_likelihood", "intervals_of"]

FloatArray = npt.NDArray[np.float64]

_LEAST_INTERVALS = 20
_FEWEST_A_TAU = 10.0
_STEP = 1e-3
_LEAST, _MOST = 1e-5, 10.0


class BinFree(NamedTuple):
    """A fit without bins.

    Attributes
    ----------
    values, errors : ndarray of float64, shape (3,)
        Ic, Is, Ip and sigmas of the curvature, counts/s; Ip is 0 and its error NaN where it was not fitted.
    log_likelihood : float
    n_intervals : int
    warning : str
        Why not to trust it; '' if nothing speaks against it.
    """

    values: FloatArray
    errors: FloatArray
    log_likelihood: float
    n_intervals: int
    warning: str


@kernel
def _log_likelihood(intervals: FloatArray, ic: float, is_: float, ip: float, dead: float) -> float:
    after = 1.0 / (1.0 + dead * is_)
    norm = ((ic * after + is_) * after + ip) * after
    each = dead * (ip + ic * after) - math.log(norm)
    total = intervals.size * each
    # several factors share a logarithm: rates are of order 1 after the division by `norm`
    product = 1.0
    kept = 0
    linear = 0.0
    fifth, fourth = ic * ic, 4.0 * ic * is_
    third, second, first = 2.0 * is_ * is_ + 2.0 * ip * ic, 2.0 * ip * is_, ip * ip
    mean = ic + is_ + ip
    scale = 1.0 / (mean * mean)
    for t in intervals:
        u = 1.0 / (1.0 + t * is_)
        value = ((((fifth * u + fourth) * u + third) * u + second) * u + first) * u
        linear += t * (ip + ic * u)
        product *= value * scale
        kept += 1
        if kept == 8 or product < 1e-200:
            total += math.log(product)
            product = 1.0
            kept = 0
    total += math.log(product) - intervals.size * math.log(scale)
    return total - linear


def interval_log_likelihood(
    intervals_s: npt.ArrayLike, ic: float, is_: float, ip: float, dead_time_us: float = 0.0
) -> float:
    """Return the log-likelihood of intervals between photons; intensities in counts/s, not all 0.

    Raises
    ------
    ConfigError
        An intensity below 0, no light at all, or an interval shorter than the dead time.
    """
    found = np.ascontiguousarray(intervals_s, np.float64)
    values = (ic, is_, ip)
    if not all(math.isfinite(v) and v >= 0 for v in values) or not sum(values) > 0:
        raise ConfigError(f"Intensities must be at least 0 counts/s, and not all 0: {values}.")
    if found.size and found.min() < dead_time_us * 1e-6 - 1e-9:
        raise ConfigError("An interval is shorter than the dead time.")
    return _log_likelihood(found, ic, is_, ip, dead_time_us * 1e-6)


def intervals_of(
    times_us: npt.NDArray[np.unsignedinteger], closed_us: FloatArray, dead_time_us: float = 0.0
) -> FloatArray:
    """Return the intervals in s between photons of one pixel.

    Left out are those in which the pixel was blind: with a gap or a masked time, and those below the dead time (photons
    of other wavelengths, or time stamps that were rounded).

    Parameters
    ----------
    times_us : ndarray of integers
        Ascending.
    closed_us : ndarray of float64, shape (m, 2)
    dead_time_us : float
    """
    times = times_us.astype(np.float64)
    steps = np.diff(times)
    good = steps >= max(dead_time_us, 1e-3)
    if closed_us.size:
        # how many closed intervals begin before each photon: more at the end of an interval than at its beginning
        before = np.searchsorted(closed_us[:, 0], times, side="right")
        good &= np.diff(before) == 0
    found: FloatArray = steps[good] * 1e-6
    return found


def fit_intervals(
    intervals_s: FloatArray,
    *,
    with_ip: bool = False,
    dead_time_us: float = 0.0,
    tau_s: float | None = None,
) -> BinFree:
    """Fit the intensities to the intervals between photons.

    Parameters
    ----------
    intervals_s : ndarray of float64
        As `intervals_of` returns them.
    with_ip : bool
    dead_time_us : float
    tau_s : float, optional
        Decorrelation time, for the warning.
    """
    from scipy.optimize import minimize  # here: what reads photons need not wait for it

    number = intervals_s.size
    if number < _LEAST_INTERVALS:
        nothing = np.full(3, np.nan)
        return BinFree(nothing, nothing, math.nan, number, "Too few photons.")
    dead = dead_time_us * 1e-6
    alive = float(intervals_s.sum()) - number * dead
    mean = number / max(alive, 1e-9)
    n_free = 3 if with_ip else 2

    def values_of(logs: FloatArray) -> FloatArray:
        return mean * np.append(np.exp(logs), np.zeros(3 - n_free))

    def cost(logs: FloatArray) -> float:
        ic, is_, ip = values_of(logs)
        return -_log_likelihood(intervals_s, ic, is_, ip, dead) / number

    limits = [(math.log(_LEAST), math.log(_MOST))] * n_free
    best = None
    for share in (
        0.2,
        0.6,
    ):  # of speckles; two starts, for the likelihood has a saddle between them
        rest = (1.0 - share) / (n_free - 1)
        start = np.log([rest, share, rest][:n_free])
        found = minimize(cost, start, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-12})
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    logs = np.asarray(best.x, np.float64)
    errors = np.full(3, np.nan)
    errors[:n_free] = values_of(logs)[:n_free] * _log_errors(cost, logs, number)
    values = values_of(logs)
    return BinFree(values, errors, -float(best.fun) * number, number, _warning(values, mean, tau_s))


def _log_errors(cost, logs: FloatArray, number: int) -> FloatArray:  # type: ignore[no-untyped-def]
    """Return the sigmas of the logarithms from the curvature of the cost; NaN where it is none of a minimum."""
    size = logs.size
    curvature = np.empty((size, size))
    steps = _STEP * 10 * np.eye(size)
    for i in range(size):
        for j in range(i + 1):
            a, b = steps[i], steps[j]
            both = cost(logs + a + b) - cost(logs + a - b) - cost(logs - a + b) + cost(logs - a - b)
            curvature[i, j] = curvature[j, i] = number * both / (4.0 * a[i] * b[j])
    try:
        variances = np.diag(np.linalg.inv(curvature))
    except np.linalg.LinAlgError:
        return np.full(size, np.nan)
    with np.errstate(invalid="ignore"):
        errors: FloatArray = np.sqrt(variances)
    return errors


def _warning(values: FloatArray, mean: float, tau_s: float | None) -> str:
    if values[1] > values[0]:
        return "Is is above Ic: without bins, Ic comes out too low there. Trust the fit of binned counts."
    if tau_s is not None and mean * tau_s < _FEWEST_A_TAU:
        return (
            f"Only {mean * tau_s:.1f} photons arrive in a decorrelation time: the light changes between them. Trust "
            "the fit of binned counts."
        )
    return ""
