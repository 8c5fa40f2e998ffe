"""The loops of the flat field: one pixel after the other, a Poisson fit that is smooth in wavelength.

The counts n of bin b are expected to be ``e * exp(eta) + d``: e what the array's mean pixel would have counted, d the
dark counts, eta a broken line over the bins with a knot for about every `per_knot` counts. Fitted by Fisher scoring
(McCullagh and Nelder 1989, section 2.5); with knots on bins, the information matrix is tridiagonal.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = ["FAILED", "FITTED", "NOTHING", "fit_pixels", "sensitive_spans", "tridiagonal_solve"]

NOTHING, FITTED, FAILED = 0, 1, 2
"""What became of a pixel: no usable photons; a fit; a fit that did not converge."""

_ROUNDS = 60
_LARGEST_STEP = 2.0
_DONE = 1e-8
_BEND_COUNTS = 500.0
_LEAST_BLOCK = 30.0  # counts expected, by which the ends are judged

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def tridiagonal_solve(
    diagonal: FloatArray, off: FloatArray, right: FloatArray, out: FloatArray
) -> bool:
    """Solve a symmetric positive definite tridiagonal system (Thomas' algorithm); false where it is not definite."""
    n = diagonal.size
    ratio = np.empty(n)
    pivot = diagonal[0]
    if not pivot > 0.0:
        return False
    out[0] = right[0] / pivot
    for j in range(1, n):
        ratio[j] = off[j - 1] / pivot
        pivot = diagonal[j] - off[j - 1] * ratio[j]
        if not pivot > 0.0:
            return False
        out[j] = (right[j] - off[j - 1] * out[j - 1]) / pivot
    for j in range(n - 2, -1, -1):
        out[j] -= ratio[j + 1] * out[j + 1]
    return True


@kernel
def _sensitive_span(
    n: FloatArray, e: FloatArray, d: FloatArray, least_share: float
) -> tuple[int, int]:
    """Return the bins ``low:high`` without ends in which the pixel sees less than a share of its mean response."""
    low, high = 0, n.size
    while low < high and not e[low] > 0.0:
        low += 1
    while high > low and not e[high - 1] > 0.0:
        high -= 1
    seen, expected = 0.0, 0.0
    for b in range(low, high):
        seen += n[b] - d[b]
        expected += e[b]
    if not (seen > 0.0 and expected > 0.0):
        return 0, 0
    scale = seen / expected
    for end in range(2):
        while low < high:
            got, due, size = 0.0, 0.0, 0
            while size < high - low and due < _LEAST_BLOCK:
                b = low + size if end == 0 else high - 1 - size
                got += n[b] - d[b]
                due += scale * e[b]
                size += 1
            if got >= least_share * due or size == high - low:
                break
            # the bins of the block that hold almost nothing, one after the other
            if end == 0:
                low += 1
            else:
                high -= 1
    return low, high


@kernel
def sensitive_spans(
    n: FloatArray, e: FloatArray, d: FloatArray, least_share: float, spans: IntArray
) -> None:
    """Write for each pixel the bins in which it sees light: see `_sensitive_span`."""
    for p in range(n.shape[0]):
        spans[p, 0], spans[p, 1] = _sensitive_span(n[p], e[p], d[p], least_share)


@kernel
def _place_knots(e: FloatArray, low: int, high: int, knots: IntArray) -> None:
    """Put knots on bins so that between two of them equally many counts are expected; both ends have one."""
    count = knots.size
    if count == 1:
        knots[0] = low
        return
    total = 0.0
    for b in range(low, high):
        total += e[b]
    # cumulative counts at the middles of bins, from that of the first bin to that of the last
    first, last = 0.5 * e[low], total - 0.5 * e[high - 1]
    knots[0] = low
    b, at = low, first
    for j in range(1, count):
        target = first + (last - first) * j / (count - 1)
        while b < high - 1:
            step = 0.5 * (e[b] + e[b + 1])
            if at + 0.5 * step > target:
                break
            at += step
            b += 1
        # distinct, and with room for those that follow
        knots[j] = min(max(b, knots[j - 1] + 1), high - count + j)
    knots[count - 1] = high - 1


@kernel
def _gather_information(
    n: FloatArray,
    e: FloatArray,
    d: FloatArray,
    dv: FloatArray,
    knots: IntArray,
    theta: FloatArray,
    diagonal: FloatArray,
    off: FloatArray,
    right: FloatArray,
) -> None:
    """Fill the information matrix and the score at `theta`."""
    diagonal[:] = 0.0
    off[:] = 0.0
    right[:] = 0.0
    count = knots.size
    if count == 1:
        for b in range(n.size):
            if e[b] > 0.0:
                mean = e[b] * math.exp(theta[0])
                spread = mean + d[b] + dv[b]
                diagonal[0] += mean * mean / spread
                right[0] += mean * (n[b] - mean - d[b]) / spread
        return
    for j in range(count - 1):
        a, z = knots[j], knots[j + 1]
        stop = z + 1 if j == count - 2 else z
        for b in range(a, stop):
            if not e[b] > 0.0:
                continue
            share = (b - a) / (z - a)
            mean = e[b] * math.exp((1.0 - share) * theta[j] + share * theta[j + 1])
            spread = mean + d[b] + dv[b]
            weight = mean * mean / spread
            residual = mean * (n[b] - mean - d[b]) / spread
            diagonal[j] += (1.0 - share) * (1.0 - share) * weight
            diagonal[j + 1] += share * share * weight
            off[j] += share * (1.0 - share) * weight
            right[j] += (1.0 - share) * residual
            right[j + 1] += share * residual


@kernel
def _fit(
    n: FloatArray,
    e: FloatArray,
    d: FloatArray,
    dv: FloatArray,
    knots: IntArray,
    theta: FloatArray,
    diagonal: FloatArray,
    off: FloatArray,
) -> bool:
    """Find `theta`; leave the information matrix at it. Bins outside the knots must have ``e == 0``."""
    count = knots.size
    right, step = np.empty(count), np.empty(count)
    for _ in range(_ROUNDS):
        _gather_information(n, e, d, dv, knots, theta, diagonal, off, right)
        if not tridiagonal_solve(diagonal, off, right, step):
            return False
        largest = 0.0
        for j in range(count):
            largest = max(largest, abs(step[j]))
        if not largest < 1e6:
            return False
        scale = min(1.0, _LARGEST_STEP / largest) if largest > 0.0 else 1.0
        for j in range(count):
            theta[j] += scale * step[j]
        if largest < _DONE:
            return True
    return False


@kernel
def _interpolated(
    knots: IntArray, values: FloatArray, low: int, high: int, out: FloatArray
) -> None:
    """Write the broken line through `values` at the knots into ``out[low:high]``."""
    if knots.size == 1:
        out[low:high] = values[0]
        return
    for j in range(knots.size - 1):
        a, z = knots[j], knots[j + 1]
        for b in range(a, z + 1):
            share = (b - a) / (z - a)
            out[b] = (1.0 - share) * values[j] + share * values[j + 1]


@kernel
def _variances(
    knots: IntArray, diagonal: FloatArray, off: FloatArray, low: int, high: int, out: FloatArray
) -> None:
    """Write the variance of eta in each bin: from the inverse of the information matrix, near its diagonal."""
    count = knots.size
    if count == 1:
        out[low:high] = 1.0 / diagonal[0]
        return
    # inverse of a tridiagonal matrix by pivots from both ends (Meurant 1992)
    down, up = np.empty(count), np.empty(count)
    down[0] = diagonal[0]
    for j in range(1, count):
        down[j] = diagonal[j] - off[j - 1] ** 2 / down[j - 1]
    up[count - 1] = diagonal[count - 1]
    for j in range(count - 2, -1, -1):
        up[j] = diagonal[j] - off[j] ** 2 / up[j + 1]
    for j in range(count - 1):
        here = 1.0 / (down[j] + up[j] - diagonal[j])
        there = 1.0 / (down[j + 1] + up[j + 1] - diagonal[j + 1])
        both = -off[j] / down[j] * there
        a, z = knots[j], knots[j + 1]
        for b in range(a, z + 1):
            share = (b - a) / (z - a)
            rest = 1.0 - share
            out[b] = rest * rest * here + 2.0 * rest * share * both + share * share * there


@kernel
def _bias(
    e: FloatArray,
    d: FloatArray,
    dv: FloatArray,
    knots: IntArray,
    theta: FloatArray,
    diagonal: FloatArray,
    off: FloatArray,
    variance: FloatArray,
    out: FloatArray,
) -> bool:
    """Write minus twice the bias of `theta` (Cox and Snell 1968): the weighted projection of the variances."""
    right = np.zeros(knots.size)
    for b in range(e.size):
        if not e[b] > 0.0:
            continue
        j = 0
        share = 0.0
        if knots.size > 1:
            j = min(max(int(np.searchsorted(knots, b, side="right")) - 1, 0), knots.size - 2)
            share = (b - knots[j]) / (knots[j + 1] - knots[j])
        eta = theta[j] if knots.size == 1 else (1.0 - share) * theta[j] + share * theta[j + 1]
        mean = e[b] * math.exp(eta)
        weight = mean * mean / (mean + d[b] + dv[b]) * variance[b]
        right[j] += (1.0 - share) * weight
        if knots.size > 1:
            right[j + 1] += share * weight
    return bool(tridiagonal_solve(diagonal, off, right, out))


@kernel
def _fit_with(
    n: FloatArray,
    e: FloatArray,
    d: FloatArray,
    dv: FloatArray,
    low: int,
    high: int,
    start: float,
    knots: IntArray,
    information: FloatArray,
    eta: FloatArray,
    minus: FloatArray,
    variance: FloatArray,
) -> bool:
    """Fit one pixel with so many knots; write eta, minus twice its bias, and its variance into the bins."""
    _place_knots(e, low, high, knots)
    theta, twice = np.full(knots.size, start), np.empty(knots.size)
    diagonal, off = information[0], information[1]
    if not _fit(n, e, d, dv, knots, theta, diagonal, off):
        return False
    _variances(knots, diagonal, off, low, high, variance)
    if not _bias(e, d, dv, knots, theta, diagonal, off, variance, twice):
        return False
    _interpolated(knots, theta, low, high, eta)
    _interpolated(knots, twice, low, high, minus)
    return True


@kernel
def fit_pixels(
    n: FloatArray,
    e: FloatArray,
    d: FloatArray,
    dv: FloatArray,
    per_knot: float,
    least_counts: float,
    least_share: float,
    weights: FloatArray,
    variances: FloatArray,
    span: IntArray,
    n_knots: IntArray,
    knots: IntArray,
    information: FloatArray,
    state: npt.NDArray[np.uint8],
) -> None:
    """Fit pixels; see `fit.fit_weights` for the arrays. `variances` are of the logarithm of the weight.

    The weight is corrected for the bias of an exponential of something noisy: so that, on average over the noise of
    the flat, it is the reciprocal of the response.
    """
    n_bin = n.shape[1]
    eta, minus = np.empty(n_bin), np.empty(n_bin)
    inside = np.empty(n_bin)
    for p in range(n.shape[0]):
        weights[p] = np.nan
        variances[p] = np.nan
        state[p] = NOTHING
        n_knots[p] = 0
        low, high = _sensitive_span(n[p], e[p], d[p], least_share)
        span[p, 0], span[p, 1] = low, high
        counts, expected = 0.0, 0.0
        inside[:] = 0.0
        for b in range(low, high):
            counts += n[p, b] - d[p, b]
            expected += e[p, b]
            inside[b] = e[p, b]
        if not counts >= least_counts:
            continue
        state[p] = FAILED
        # a tilt at least, and a bend where it can be seen: without them errors would be too small
        least = 3 if counts >= _BEND_COUNTS else 2
        count = min(max(int(counts / per_knot), least), high - low)
        start = math.log(counts / expected)
        where = (n[p], inside, d[p], dv[p])
        spare = (eta, minus, variances[p])
        while count > 0:
            here, about = knots[p, :count], information[p, :, :count]
            if _fit_with(*where, low, high, start, here, about, *spare):
                state[p] = FITTED
                n_knots[p] = count
                break
            count //= 2  # some part of the range has no photons: fewer knots reach over it
        if state[p] == FITTED:
            for b in range(low, high):
                correction = 0.5 * variances[p, b] + 0.5 * minus[b]
                weights[p, b] = math.exp(-eta[b]) / (1.0 + correction)
        else:
            variances[p] = np.nan
