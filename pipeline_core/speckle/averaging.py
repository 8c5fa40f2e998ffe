"""What a bin of finite width makes of speckles: they are averaged over it.

The field of the speckles decorrelates as ``exp(-|t| / tau)``. On a bin it is a sum of independent parts, one for every
eigenfunction of that correlation (Karhunen & Loeve), so that the light averaged over the bin is a sum of modified
Ricians: with eigenvalues ``l_k``, and ``a_k`` the eigenfunctions' means, that of mode k has the intensities
``a_k^2 Ic`` and ``l_k Is`` (for Ic = 0: Goodman, Statistical Optics, 6.1). In narrow bins the first mode has nearly
everything. The faint ones at the end stand together, as a number of equal modes with the same mean and variance.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["NO_AVERAGING", "WHOLE", "Averaging", "averaging", "modes_of", "variance_factor"]

FloatArray = npt.NDArray[np.float64]

_SERIES_BELOW = 3e-3
_LEFT_OUT = 1e-4
"""Of Is^2: the variance that modes may have which are not told apart."""
_MOST_MODES = 10


class Averaging(NamedTuple):
    """Parts of the variance that are left, of Is^2 and of 2 Ic Is."""

    speckle2: float
    mixed2: float


NO_AVERAGING = Averaging(1.0, 1.0)


def _fixed(rows: list[tuple[float, float, float]]) -> FloatArray:
    modes = np.array(rows, np.float64)
    modes.flags.writeable = False
    return modes


WHOLE: FloatArray = _fixed([(1.0, 1.0, 1.0)])
"""The one mode of bins in which nothing is averaged; see `modes_of`."""


def variance_factor(x: float) -> float:
    """Return which part of the variance is left in bins of x decorrelation times: ``2 (x - 1 + exp(-x)) / x^2``."""
    if x < _SERIES_BELOW:
        return 1.0 - x / 3.0 + x * x / 12.0
    if math.isinf(x):
        return 0.0
    return 2.0 * (x + math.expm1(-x)) / (x * x)


def averaging(bin_s: float, tau_s: float | None) -> Averaging:
    """Return what bins of a width leave of the variance of speckles with a decorrelation time; None: everything."""
    if tau_s is None or bin_s == 0.0:
        return NO_AVERAGING
    x = bin_s / tau_s
    return Averaging(variance_factor(2.0 * x), variance_factor(x))


@functools.lru_cache(maxsize=64)
def modes_of(x: float) -> FloatArray:
    """Return the modes of bins of x decorrelation times.

    Returns
    -------
    ndarray of float64, shape (n, 3), read-only
        Of each mode its part of Is (the eigenvalue), how many there are of it, and their part of Ic together. Parts of
        Is times numbers add up to 1, as do parts of Ic.
    """
    if x == 0.0:
        return WHOLE
    rows: list[tuple[float, float, float]] = []
    mean, square, steady = 1.0, variance_factor(2.0 * x), 1.0
    for k in range(_MOST_MODES):
        size, of_ic = _mode(k, x)
        rows.append((size, 1.0, of_ic))
        mean, square, steady = mean - size, square - size * size, steady - of_ic
        if square < _LEFT_OUT:
            break
    if mean > 0.0:
        number = (
            mean * mean / square if square > 0.0 else 1.0
        )  # in very narrow bins it is lost in rounding
        rows.append((mean / number, number, max(steady, 0.0)))
    return _fixed(rows)


def _mode(k: int, x: float) -> tuple[float, float]:
    """Return the k-th eigenvalue of ``exp(-|t - s|) / x`` on a length of x, and the squared mean of its function.

    Functions are cos(w t) with ``w tan(w x / 2) = 1`` and sin(w t) with ``w cot(w x / 2) = -1`` in turn, eigenvalues
    ``2 / (x (1 + w^2))``; sines have no mean.
    """
    half, even = 0.5 * x, k % 2 == 0
    low, high = 0.5 * math.pi * k, 0.5 * math.pi * (k + 1)
    sign = -1.0 if (k + 1) // 2 % 2 else 1.0
    for _ in range(80):
        y = 0.5 * (low + high)
        off = y * math.sin(y) - half * math.cos(y) if even else y * math.cos(y) + half * math.sin(y)
        if sign * off < 0.0:
            low = y
        else:
            high = y
    w = y / half
    size = 2.0 / (x * (1.0 + w * w))
    if not even:
        return size, 0.0
    norm = half + math.sin(2.0 * y) / (2.0 * w)
    return size, (2.0 * math.sin(y) / w) ** 2 / (x * norm)
