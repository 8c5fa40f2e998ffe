"""What neighbours let expect of a pixel: kriging of images, and of light curves, over the 24 pixels around.

Every pixel has a small system of equations of its own. Many of them are solved side by side, step by step, so that the
processor does several at once; each step is the one that a plain solution takes, in the same order. A place without a
usable pixel takes part with a one on the diagonal and zeros elsewhere, which changes no other number. Detector arrays
are [x, y]; pixels are numbered ``x * nrows + y``.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = ["REACH", "interpolate", "neighbour_weights", "weigh_neighbours"]

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]

REACH = 2
"""So many pixels away are the furthest neighbours, in either direction."""

_PLACES = (2 * REACH + 1) ** 2 - 1
_SIDE_BY_SIDE = 64
_LEAST_NEIGHBOURS = 3
_LEAST_VARIANCE = 0.01  # of the neighbours' noise: an image may be all but even
_LEAST_COUNTS = 0.1


@kernel
def _places(dx: _Ints, dy: _Ints) -> None:
    """Fill in where the neighbours are."""
    k = 0
    for i in range(-REACH, REACH + 1):
        for j in range(-REACH, REACH + 1):
            if i != 0 or j != 0:
                dx[k], dy[k] = i, j
                k += 1


@kernel
def _correlation(fwhm: float) -> _Floats:
    """Return the correlation of pixels so many columns (rows) apart; that of a distance is a product of two."""
    near = np.empty(2 * REACH + 1)
    for d in range(near.size):
        near[d] = math.exp(-4 * math.log(2.0) * (d / fwhm) ** 2)
    return near


@kernel
def _systems(rows: int) -> _Floats:
    """Return room for equations side by side, (rows, _PLACES, _SIDE_BY_SIDE), of which no step straddles cache lines.

    Those that do take a third longer.
    """
    size = rows * _PLACES * _SIDE_BY_SIDE
    room = np.empty(size + 7)
    first = -(room.ctypes.data // 8) % 8
    return room[first : first + size].reshape((rows, _PLACES, _SIDE_BY_SIDE))


@kernel
def _widened(values: _Floats, usable: _Bools) -> _Floats:
    """Return an image with a margin, in which neighbours can be looked up; 0 where nothing is usable."""
    ncols, nrows = values.shape
    wide = np.zeros((ncols + 2 * REACH, nrows + 2 * REACH))
    for x in range(ncols):
        for y in range(nrows):
            if usable[x, y]:
                wide[x + REACH, y + REACH] = values[x, y]
    return wide


@kernel
def _factor(a: _Floats, n: int) -> None:
    """Turn matrices ``a[:, :, k]``, k < n, into their Cholesky factors; further rows are solved for these.

    Positive definite matrices are in the lower half of the first `_PLACES` rows.
    """
    rows = a.shape[0]
    for i in range(_PLACES):
        upper = a[i]
        pivot = upper[i]
        for row in range(i, rows):
            lower = a[row]
            total = lower[i]
            j = 0
            while j + 4 <= i:  # four at a time: less to load and to store
                for k in range(n):
                    part = total[k] - lower[j, k] * upper[j, k]
                    part -= lower[j + 1, k] * upper[j + 1, k]
                    part -= lower[j + 2, k] * upper[j + 2, k]
                    total[k] = part - lower[j + 3, k] * upper[j + 3, k]
                j += 4
            while j < i:
                for k in range(n):
                    total[k] -= lower[j, k] * upper[j, k]
                j += 1
            if row == i:
                for k in range(n):
                    pivot[k] = math.sqrt(max(pivot[k], 1e-300))
            else:
                for k in range(n):
                    total[k] = total[k] / pivot[k]


@kernel
def _backward(a: _Floats, b: _Floats, n: int) -> None:
    """Solve for the transposed factors in place."""
    for i in range(_PLACES - 1, -1, -1):
        total, pivot = b[i], a[i, i]
        for j in range(i + 1, _PLACES):
            lower, known = a[j, i], b[j]
            for k in range(n):
                total[k] -= lower[k] * known[k]
        for k in range(n):
            total[k] = total[k] / pivot[k]


@kernel
def _fill(
    a: _Floats, noise: _Floats, there: _Floats, spread: _Floats, near: _Floats, n: int
) -> None:
    """Write covariances of the neighbours, and in the next rows those with the pixel itself, and ones.

    Parameters
    ----------
    a : ndarray of float64, shape (at least _PLACES + 2, _PLACES, n or more)
    noise, there : ndarray of float64, shape (_PLACES, n or more)
        Variance of each neighbour's noise; 1 where it is usable, else 0 (the noise as well).
    spread : ndarray of float64, shape (n or more,)
        Variance of the image.
    near : ndarray of float64
        As `_correlation` returns it.
    n : int
    """
    dx, dy = np.empty(_PLACES, np.int64), np.empty(_PLACES, np.int64)
    _places(dx, dy)
    for i in range(_PLACES):
        for j in range(i):
            column, row = near[abs(dx[i] - dx[j])], near[abs(dy[i] - dy[j])]
            for k in range(n):
                a[i, j, k] = spread[k] * column * row * (there[i, k] * there[j, k])
        column, row = near[abs(dx[i])], near[abs(dy[i])]
        for k in range(n):
            a[i, i, k] = (noise[i, k] + spread[k]) * there[i, k] + (1.0 - there[i, k])
            a[_PLACES, i, k] = spread[k] * column * row * there[i, k]
            a[_PLACES + 1, i, k] = there[i, k]


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
    near = _correlation(fwhm)
    wide, wide_noise = _widened(image, usable).ravel(), _widened(noise, usable).ravel()
    wide_there = _widened(np.ones(image.shape), usable).ravel()
    wide_rows = nrows + 2 * REACH
    dx, dy = np.empty(_PLACES, np.int64), np.empty(_PLACES, np.int64)
    _places(dx, dy)
    block = (_PLACES, _SIDE_BY_SIDE)
    counts, own_noise, there = np.empty(block), np.empty(block), np.empty(block)
    mean, variance, number = np.empty((3, _SIDE_BY_SIDE))
    found = np.empty((2, _SIDE_BY_SIDE))
    at = np.empty(_SIDE_BY_SIDE, np.int64)
    a = _systems(_PLACES + 3)
    for first in range(0, ncols * nrows, _SIDE_BY_SIDE):
        n = min(ncols * nrows - first, _SIDE_BY_SIDE)
        for k in range(n):
            x, y = divmod(first + k, nrows)
            at[k] = (x + REACH) * wide_rows + y + REACH
        for i in range(_PLACES):
            to_neighbour = dx[i] * wide_rows + dy[i]
            for k in range(n):
                neighbour = at[k] + to_neighbour
                counts[i, k], own_noise[i, k] = wide[neighbour], wide_noise[neighbour]
                there[i, k] = wide_there[neighbour]
        _level_and_variance(counts, own_noise, there, number, mean, variance, n)
        _fill(a, own_noise, there, variance, near, n)
        for i in range(_PLACES):
            for k in range(n):
                a[_PLACES + 2, i, k] = (counts[i, k] - mean[k]) * there[i, k]
        _factor(a, n)
        _predict(a[_PLACES:], mean, variance, found, n)
        for k in range(n):
            x, y = divmod(first + k, nrows)
            enough = number[k] >= _LEAST_NEIGHBOURS
            value[x, y] = found[0, k] if enough else np.nan
            uncertainty[x, y] = found[1, k] if enough else np.nan


@kernel
def _level_and_variance(
    counts: _Floats,
    noise: _Floats,
    there: _Floats,
    number: _Floats,
    mean: _Floats,
    variance: _Floats,
    n: int,
) -> None:
    """Fill how many neighbours there are, their mean, and the variance of the image: theirs, less their noise."""
    own, square = np.zeros(n), np.zeros(n)
    number[:n] = 0.0
    mean[:n] = 0.0
    for i in range(_PLACES):
        for k in range(n):
            number[k] += there[i, k]
            mean[k] += counts[i, k]
            own[k] += noise[i, k]
    for k in range(n):
        mean[k] = mean[k] / number[k]
    for i in range(_PLACES):
        for k in range(n):
            square[k] += ((counts[i, k] - mean[k]) * there[i, k]) ** 2
    for k in range(n):
        between = square[k] / (number[k] - 1.0) - own[k] / number[k]
        variance[k] = max(between, _LEAST_VARIANCE * own[k] / number[k])


@kernel
def _predict(solved: _Floats, mean: _Floats, variance: _Floats, found: _Floats, n: int) -> None:
    """Fill predictions and their sigmas, from what `_factor` made of covariances with the pixels, ones, and data."""
    cross, one, data = solved[0], solved[1], solved[2]
    kk, ko, oo, kd, od = np.zeros((5, n))
    for i in range(_PLACES):
        for k in range(n):
            kk[k] += cross[i, k] * cross[i, k]
            ko[k] += cross[i, k] * one[i, k]
            oo[k] += one[i, k] * one[i, k]
            kd[k] += cross[i, k] * data[i, k]
            od[k] += one[i, k] * data[i, k]
    for k in range(n):
        shift = od[k] / oo[k]
        found[0, k] = mean[k] + shift + kd[k] - ko[k] * shift
        found[1, k] = math.sqrt(max(variance[k] - kk[k], 0.0) + (1.0 - ko[k]) ** 2 / oo[k])


@kernel
def neighbour_weights(
    curves: _Floats,
    level: _Floats,
    usable: _Bools,
    scatter: float,
    fwhm: float,
    pixels: _Ints,
    weights: _Floats,
) -> None:
    """Find the weights with which neighbours' light curves predict a pixel's: those of `interpolate`, the same always.

    Parameters
    ----------
    curves : ndarray of float64, shape (n_pixels, n_bins)
        Counts.
    level : ndarray of float64, shape (ncols, nrows)
        Their means.
    usable : ndarray of bool, shape (ncols, nrows)
    scatter : float
        By what part of their counts good pixels differ.
    fwhm : float
        Pixels.
    pixels : ndarray of int64, shape (n,)
        Numbers of those to be predicted.
    weights : ndarray of float64, shape (n, 24), filled
        Of the neighbours column by column; 0 where one is not usable, NaN with too few of them.
    """
    nrows, n_bins = usable.shape[1], curves.shape[1]
    near = _correlation(fwhm)
    wide_there = _widened(np.ones(usable.shape), usable)
    wide_level = _widened(level, usable)
    dx, dy = np.empty(_PLACES, np.int64), np.empty(_PLACES, np.int64)
    _places(dx, dy)
    noise, there = np.empty((_PLACES, _SIDE_BY_SIDE)), np.empty((_PLACES, _SIDE_BY_SIDE))
    spread, number = np.empty(_SIDE_BY_SIDE), np.empty(_SIDE_BY_SIDE)
    total, square = np.empty(n_bins), np.empty(n_bins)
    rows = np.empty(_PLACES, np.int64)
    a = _systems(_PLACES + 2)
    for first in range(0, pixels.size, _SIDE_BY_SIDE):
        n = min(pixels.size - first, _SIDE_BY_SIDE)
        for k in range(n):
            x, y = divmod(pixels[first + k], nrows)
            own, m = 0.0, 0
            for i in range(_PLACES):
                at = x + REACH + dx[i], y + REACH + dy[i]
                there[i, k], noise[i, k] = wide_there[at], 0.0
                if there[i, k] > 0.0:
                    counts = wide_level[at]
                    noise[i, k] = max(counts, _LEAST_COUNTS) + (scatter * counts) ** 2
                    own += noise[i, k]
                    rows[m] = (x + dx[i]) * nrows + y + dy[i]
                    m += 1
            number[k] = m
            structure = _structure(curves, rows[:m], total, square)
            spread[k] = max(structure / n_bins - own / m, _LEAST_VARIANCE * own / m)
        _fill(a, noise, there, spread, near, n)
        _factor(a, n)
        _backward(a, a[_PLACES], n)
        _backward(a, a[_PLACES + 1], n)
        for k in range(n):
            sum_of_weights, sum_of_ones = 0.0, 0.0
            for i in range(_PLACES):
                sum_of_weights += a[_PLACES, i, k]
                sum_of_ones += a[_PLACES + 1, i, k]
            missing = (1.0 - sum_of_weights) / sum_of_ones
            for i in range(_PLACES):
                weight = a[_PLACES, i, k] + missing * a[_PLACES + 1, i, k]
                weights[first + k, i] = weight if number[k] >= _LEAST_NEIGHBOURS else np.nan


@kernel
def _structure(curves: _Floats, rows: _Ints, total: _Floats, square: _Floats) -> float:
    """Return the sum over bins of the variance of some light curves in each bin; `total`, `square` are scratch."""
    n = rows.size
    total[:] = 0.0
    square[:] = 0.0
    for row in rows:
        counts = curves[row]
        for t in range(counts.size):
            total[t] += counts[t]
            square[t] += counts[t] * counts[t]
    structure = 0.0
    for t in range(total.size):
        structure += (square[t] - total[t] * total[t] / n) / (n - 1)
    return structure


@kernel
def weigh_neighbours(
    curves: _Floats,
    nrows: int,
    pixels: _Ints,
    weights: _Floats,
    value: _Floats,
    variance: _Floats,
) -> None:
    """Predict light curves with the weights that `neighbour_weights` has found.

    Parameters
    ----------
    curves : ndarray of float64, shape (n_pixels, n_bins)
    nrows : int
    pixels : ndarray of int64, shape (n,)
    weights : ndarray of float64, shape (n, 24)
    value, variance : ndarray of float64, shape (n, n_bins), filled
        Prediction, and the variance that it has of photon noise; NaN with too few neighbours.
    """
    dx, dy = np.empty(_PLACES, np.int64), np.empty(_PLACES, np.int64)
    _places(dx, dy)
    for p in range(pixels.size):
        mean, noise = value[p], variance[p]
        if np.isnan(weights[p, 0]):
            mean[:] = np.nan
            noise[:] = np.nan
            continue
        mean[:] = 0.0
        noise[:] = 0.0
        for i in range(_PLACES):
            weight = weights[p, i]
            if weight == 0.0:  # maybe outside the array
                continue
            counts = curves[pixels[p] + dx[i] * nrows + dy[i]]
            for t in range(counts.size):
                mean[t] += weight * counts[t]
                noise[t] += weight * weight * counts[t]
