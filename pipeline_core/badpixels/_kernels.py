"""Loops over pixels and their neighbours: medians of moving boxes, and what neighbours let expect of a pixel.

Detector arrays are [x, y]. What is not usable is never a neighbour.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = ["box_statistics", "follow", "interpolate"]

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]

_MAD_TO_SIGMA = 1.4826
_LEAST_NEIGHBOURS = 3
_LEAST_VARIANCE = 0.01  # of the neighbours' noise: an image may be all but even


@kernel
def _median(values: _Floats, n: int) -> float:
    """Median of the first `n` values, which are sorted in place; NaN of none."""
    if n == 0:
        return np.nan
    part = values[:n]
    part.sort()
    return 0.5 * (part[(n - 1) // 2] + part[n // 2])


@kernel
def box_statistics(
    image: _Floats,
    usable: _Bools,
    half: int,
    out: _Floats,
    number: npt.NDArray[np.int64],
) -> None:
    """Fill median, standard deviation, 1.4826 MAD and lower decile of the usable pixels around each pixel.

    They are the rows of `out` (4, ncols, nrows). The pixel itself does not count. `number` is how many there were; the
    rest is NaN where there is none (standard deviation: below two).
    """
    median, sigma, robust, low = out[0], out[1], out[2], out[3]
    ncols, nrows = image.shape
    values = np.empty((2 * half + 1) ** 2)
    for x in range(ncols):
        for y in range(nrows):
            n = 0
            total = 0.0
            for i in range(max(x - half, 0), min(x + half + 1, ncols)):
                for j in range(max(y - half, 0), min(y + half + 1, nrows)):
                    if usable[i, j] and not (i == x and j == y):
                        values[n] = image[i, j]
                        total += values[n]
                        n += 1
            number[x, y] = n
            median[x, y] = _median(values, n)
            mean = total / n if n else np.nan
            low[x, y] = values[n // 10] if n else np.nan
            square = 0.0
            for k in range(n):
                square += (values[k] - mean) ** 2
                values[k] = abs(values[k] - median[x, y])
            sigma[x, y] = math.sqrt(square / (n - 1)) if n > 1 else np.nan
            robust[x, y] = _MAD_TO_SIGMA * _median(values, n)


@kernel
def interpolate(
    image: _Floats,
    noise: _Floats,
    usable: _Bools,
    fwhm: float,
    value: _Floats,
    uncertainty: _Floats,
) -> None:
    """Predict each pixel from its usable neighbours, as an image that is nowhere sharper than a star.

    Ordinary kriging over 5 x 5 pixels, itself not: a constant, and around it a random image whose covariance is that of
    speckles, a Gaussian of width `fwhm`. Its variance is that of the neighbours, less their noise. NaN with less than
    three neighbours.

    Parameters
    ----------
    image : ndarray of float64, shape (ncols, nrows)
        Counts.
    noise : ndarray of float64, shape (ncols, nrows)
        Variance by which each pixel scatters around the true image.
    usable : ndarray of bool, shape (ncols, nrows)
    fwhm : float
        Pixels.
    value, uncertainty : ndarray of float64, filled
        Prediction and its sigma.
    """
    ncols, nrows = image.shape
    most = 24
    near = np.empty(
        5
    )  # correlation at so many columns (rows) apart; that of a distance is a product of two
    for d in range(near.size):
        near[d] = math.exp(-4 * math.log(2.0) * (d / fwhm) ** 2)
    z, dx, dy = np.empty(most), np.empty(most, np.int64), np.empty(most, np.int64)
    a = np.empty((most, most))
    k, one, data = np.empty(most), np.empty(most), np.empty(most)
    for x in range(ncols):
        for y in range(nrows):
            n = 0
            total, square, own = 0.0, 0.0, 0.0
            for i in range(max(x - 2, 0), min(x + 3, ncols)):
                for j in range(max(y - 2, 0), min(y + 3, nrows)):
                    if usable[i, j] and not (i == x and j == y):
                        z[n], dx[n], dy[n] = image[i, j], i - x, j - y
                        a[n, n] = noise[i, j]
                        total += z[n]
                        own += noise[i, j]
                        n += 1
            if n < _LEAST_NEIGHBOURS:
                value[x, y], uncertainty[x, y] = np.nan, np.nan
                continue
            mean = total / n
            for i in range(n):
                square += (z[i] - mean) ** 2
            variance = max(square / (n - 1) - own / n, _LEAST_VARIANCE * own / n)
            for i in range(n):
                a[i, i] += variance
                for j in range(i):
                    a[i, j] = variance * near[abs(dx[i] - dx[j])] * near[abs(dy[i] - dy[j])]
                k[i] = variance * near[abs(dx[i])] * near[abs(dy[i])]
                one[i], data[i] = 1.0, z[i] - mean
            _factor(a, n)
            _forward(a, k, n)
            _forward(a, one, n)
            _forward(a, data, n)
            kk, ko, oo, kd, od = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(n):
                kk += k[i] * k[i]
                ko += k[i] * one[i]
                oo += one[i] * one[i]
                kd += k[i] * data[i]
                od += one[i] * data[i]
            shift = od / oo
            value[x, y] = mean + shift + kd - ko * shift
            uncertainty[x, y] = math.sqrt(max(variance - kk, 0.0) + (1.0 - ko) ** 2 / oo)


@kernel
def _factor(a: _Floats, n: int) -> None:
    """Cholesky factor of the leading part of a positive definite matrix, in its lower half."""
    for k in range(n):
        for i in range(k):
            total = a[k, i]
            for j in range(i):
                total -= a[k, j] * a[i, j]
            a[k, i] = total / a[i, i]
        pivot = a[k, k]
        for j in range(k):
            pivot -= a[k, j] * a[k, j]
        a[k, k] = math.sqrt(max(pivot, 1e-300))


@kernel
def _forward(a: _Floats, b: _Floats, n: int) -> None:
    """Solve for the lower factor in place."""
    for k in range(n):
        total = b[k]
        for j in range(k):
            total -= a[k, j] * b[j]
        b[k] = total / a[k, k]


@kernel
def _backward(a: _Floats, b: _Floats, n: int) -> None:
    """Solve for the transposed lower factor in place."""
    for k in range(n - 1, -1, -1):
        total = b[k]
        for j in range(k + 1, n):
            total -= a[j, k] * b[j]
        b[k] = total / a[k, k]


@kernel
def follow(
    cube: _Floats,
    usable: _Bools,
    scatter: float,
    fwhm: float,
    first: int,
    stop: int,
    value: _Floats,
    variance: _Floats,
) -> None:
    """Predict each pixel's light curve from its usable neighbours, as `interpolate` does, with the same weights always.

    Parameters
    ----------
    cube : ndarray of float64, shape (ncols, nrows, n_bins)
        Counts.
    usable : ndarray of bool, shape (ncols, nrows)
    scatter : float
        By what part of their counts good pixels differ.
    fwhm : float
        Pixels.
    first, stop : int
        Columns to be predicted.
    value, variance : ndarray of float64, shape (ncols, nrows, n_bins), filled
        Prediction, and the variance that it has of photon noise; NaN with too few neighbours.
    """
    ncols, nrows, n_bins = cube.shape
    near = np.empty(5)
    for d in range(near.size):
        near[d] = math.exp(-4 * math.log(2.0) * (d / fwhm) ** 2)
    i_of, j_of = np.empty(24, np.int64), np.empty(24, np.int64)
    a, w, one = np.empty((24, 24)), np.empty(24), np.empty(24)
    for x in range(first, stop):
        for y in range(nrows):
            n = 0
            for i in range(max(x - 2, 0), min(x + 3, ncols)):
                for j in range(max(y - 2, 0), min(y + 3, nrows)):
                    if usable[i, j] and not (i == x and j == y):
                        i_of[n], j_of[n] = i, j
                        n += 1
            if n < _LEAST_NEIGHBOURS:
                value[x, y], variance[x, y] = np.nan, np.nan
                continue
            own, structure = 0.0, 0.0
            for k in range(n):
                level = cube[i_of[k], j_of[k]].mean()
                a[k, k] = max(level, 0.1) + (scatter * level) ** 2
                own += a[k, k]
            for t in range(n_bins):
                total, square = 0.0, 0.0
                for k in range(n):
                    counts = cube[i_of[k], j_of[k], t]
                    total += counts
                    square += counts * counts
                structure += (square - total * total / n) / (n - 1)
            spread = max(structure / n_bins - own / n, _LEAST_VARIANCE * own / n)
            for k in range(n):
                a[k, k] += spread
                for m in range(k):
                    a[k, m] = spread * near[abs(i_of[k] - i_of[m])] * near[abs(j_of[k] - j_of[m])]
                w[k] = spread * near[abs(i_of[k] - x)] * near[abs(j_of[k] - y)]
                one[k] = 1.0
            _factor(a, n)
            _forward(a, w, n)
            _backward(a, w, n)
            _forward(a, one, n)
            _backward(a, one, n)
            missing = (1.0 - w[:n].sum()) / one[:n].sum()
            value[x, y], variance[x, y] = 0.0, 0.0
            for k in range(n):
                weight = w[k] + missing * one[k]
                for t in range(n_bins):
                    counts = cube[i_of[k], j_of[k], t]
                    value[x, y, t] += weight * counts
                    variance[x, y, t] += weight * weight * counts
