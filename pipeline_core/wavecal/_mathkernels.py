"""Exponential, logarithm and cumulative Gaussian for loops over bins, in double precision.

The ones of the C library are calls that keep a loop from being done several bins at a time; these are sums and
products without a branch. Not exact to the last digit: a few 1e-16 of the value.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline_core._jit import formula, loop

__all__ = ["FAR", "exp", "log", "normal", "put"]

FAR = 8.5
"""Sigma: beyond, less than 1e-17 of a Gaussian, taken to be nothing."""

_LARGEST = 708.0  # the exponential of more is not a number of normal size
_PER_LOG_2 = 1.0 / math.log(2.0)
_LOG_2_HIGH, _LOG_2_LOW = (
    6.93147180369123816490e-01,
    1.90821492927058770002e-10,
)  # of few digits, and the rest
_SHIFT = (
    1.5 * 2.0**52
)  # what is added to it is rounded to an integer, which then is in the lowest bits
_MANTISSA = 52  # bits
_ROOT_HALF = int(np.float64(math.sqrt(0.5)).view(np.int64))
_PDF = 1.0 / math.sqrt(2.0 * math.pi)
# (exp(r) - 1 - r) / r**2 and atanh(s) / s in powers of r and s**2
_E = tuple(1.0 / math.factorial(k) for k in range(14))
_L = tuple(2.0 / (2 * k + 1) for k in range(11))
# Mills's ratio of a in [0, FAR] by Chebyshev interpolation (1e-15 of it), in powers of (_MILLS_SCALE a - 6) / (a + 6)
_MILLS_SCALE = (FAR + 12.0) / FAR
_M = (
    0.3556645730637148, -0.40534257116142197, 0.26003890166758525, -0.13873556368990778, 0.06180208602333002,
    -0.022868682266036028, 0.006912620287903479, -0.001644830328285492, 0.00028212689128617963,
    -2.539297418333156e-05, -2.1310562946388787e-06, 1.0244262981206749e-06, -8.086265950965167e-08,
    -2.1312978045403054e-08, 4.4851501797621644e-09, 3.4175562014560395e-10, -1.492745566665782e-10,
)  # fmt: skip


@formula
def exp(x):  # type: ignore[no-untyped-def]
    """Return the exponential; of an argument beyond +-708 that of 708."""
    x = min(max(x, -_LARGEST), _LARGEST)
    shifted = np.float64(x * _PER_LOG_2 + _SHIFT)
    powers = shifted - _SHIFT
    r = x - powers * _LOG_2_HIGH - powers * _LOG_2_LOW
    p = _E[12] + r * _E[13]
    p = _E[11] + r * p
    p = _E[10] + r * p
    p = _E[9] + r * p
    p = _E[8] + r * p
    p = _E[7] + r * p
    p = _E[6] + r * p
    p = _E[5] + r * p
    p = _E[4] + r * p
    p = _E[3] + r * p
    p = _E[2] + r * p
    p = np.float64(1.0 + r * (1.0 + r * p))
    bits = p.view(np.int64) + (shifted.view(np.int64) << _MANTISSA)
    return np.int64(bits).view(np.float64)


@formula
def log(x):  # type: ignore[no-untyped-def]
    """Return the natural logarithm of a positive number of normal size; NaN of what is not a number is not promised."""
    bits = np.float64(x).view(np.int64)
    powers = (bits - _ROOT_HALF) >> _MANTISSA
    m = np.int64(bits - (powers << _MANTISSA)).view(np.float64)  # between the roots of 1/2 and 2
    s = (m - 1.0) / (m + 1.0)
    q = s * s
    p = _L[9] + q * _L[10]
    p = _L[8] + q * p
    p = _L[7] + q * p
    p = _L[6] + q * p
    p = _L[5] + q * p
    p = _L[4] + q * p
    p = _L[3] + q * p
    p = _L[2] + q * p
    p = _L[1] + q * p
    k = np.float64(powers)
    return k * _LOG_2_HIGH + (2.0 * s + (s * q * p + k * _LOG_2_LOW))


@formula
def normal(z):  # type: ignore[no-untyped-def]
    """Return share below `z` and density there of a Gaussian of width 1."""
    a = min(abs(z), FAR)
    density = _PDF * exp(-0.5 * a * a)
    density = density if a < FAR else 0.0
    t = (_MILLS_SCALE * a - 6.0) / (a + 6.0)
    p = _M[15] + t * _M[16]
    p = _M[14] + t * p
    p = _M[13] + t * p
    p = _M[12] + t * p
    p = _M[11] + t * p
    p = _M[10] + t * p
    p = _M[9] + t * p
    p = _M[8] + t * p
    p = _M[7] + t * p
    p = _M[6] + t * p
    p = _M[5] + t * p
    p = _M[4] + t * p
    p = _M[3] + t * p
    p = _M[2] + t * p
    p = _M[1] + t * p
    beyond = density * (_M[0] + t * p)
    return (1.0 - beyond if z > 0.0 else beyond), density


@loop
def put(target, source):  # type: ignore[no-untyped-def]
    """Copy a contiguous array into one of its shape: `target[:] = source` takes seconds longer to compile.

    (It may fail, and then writes a sentence with the shapes, whose compilation is the longest part of it.)
    """
    to, values = target.reshape(-1), source.reshape(-1)
    for i in range(to.size):
        to[i] = values[i]
