"""Loops over pixels and their neighbours: medians of moving boxes, and smooth surfaces through neighbours.

Detector arrays are [x, y]. What is not usable is never a neighbour.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = ["box_statistics", "surface"]

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]

N_TERMS = 6
_WIDEST = 3
"""Half the side of the widest neighbourhood of a surface."""
_ENOUGH = 12
_MAD_TO_SIGMA = 1.4826
_HUBER = 1.345
_TUKEY = 4.685


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
def _solve(a: _Floats, b: _Floats, n: int) -> bool:
    """Solve ``a x = b`` in place by Cholesky for the leading n x n part; false if it is not positive definite."""
    for k in range(n):
        for i in range(k):
            for j in range(i):
                a[k, i] -= a[k, j] * a[i, j]
            a[k, i] /= a[i, i]
        pivot = a[k, k]
        for j in range(k):
            pivot -= a[k, j] * a[k, j]
        if pivot <= 1e-9 * abs(a[k, k]) or a[k, k] <= 0.0:
            return False
        a[k, k] = math.sqrt(pivot)
    for k in range(n):
        for j in range(k):
            b[k] -= a[k, j] * b[j]
        b[k] /= a[k, k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            b[k] -= a[j, k] * b[j]
        b[k] /= a[k, k]
    return True


@kernel
def _terms(dx: float, dy: float, out: _Floats) -> None:
    out[0] = 1.0
    out[1] = dx
    out[2] = dy
    out[3] = dx * dx
    out[4] = dx * dy
    out[5] = dy * dy


@kernel
def surface(
    image: _Floats,
    error: _Floats,
    usable: _Bools,
    scatter: float,
    value: _Floats,
    uncertainty: _Floats,
    rough: _Floats,
) -> None:
    """Predict each pixel from a quadratic surface through its usable neighbours, robustly.

    Weighted least squares over the 5 x 5 pixels around it (7 x 7 where fewer than 12 of them are usable), itself not;
    reweighted first after Huber, then after Tukey, so that bad neighbours lose their say. With too few neighbours for
    a parabola a plane is fitted, then a mean; NaN without any.

    Parameters
    ----------
    image, error : ndarray of float64, shape (ncols, nrows)
        Values (logarithms of counts), and sigma of their noise.
    usable : ndarray of bool
    scatter : float
        Sigma of what good pixels differ by besides noise.
    value, uncertainty, rough : ndarray of float64, filled
        Prediction; its sigma; sigma of the residuals of the neighbours, in units of their own expected sigma.
    """
    ncols, nrows = image.shape
    most = (2 * _WIDEST + 1) ** 2
    z, w, r, sorted_r = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    sigma = np.empty(most)
    terms = np.empty((most, N_TERMS))
    a, b = np.empty((N_TERMS, N_TERMS)), np.empty(N_TERMS)
    for x in range(ncols):
        for y in range(nrows):
            n = 0
            for half in range(2, _WIDEST + 1):
                n = 0
                for i in range(max(x - half, 0), min(x + half + 1, ncols)):
                    for j in range(max(y - half, 0), min(y + half + 1, nrows)):
                        if usable[i, j] and not (i == x and j == y):
                            z[n] = image[i, j]
                            sigma[n] = math.sqrt(error[i, j] ** 2 + scatter**2)
                            _terms(float(i - x), float(j - y), terms[n])
                            n += 1
                if n >= _ENOUGH:
                    break
            value[x, y], uncertainty[x, y], rough[x, y] = _fit(
                z, sigma, terms, n, w, r, sorted_r, a, b
            )


@kernel
def _fit(
    z: _Floats,
    sigma: _Floats,
    terms: _Floats,
    n: int,
    w: _Floats,
    r: _Floats,
    sorted_r: _Floats,
    a: _Floats,
    b: _Floats,
) -> tuple[float, float, float]:
    """Fit the first `n` values; return the surface at the middle, its sigma, and the roughness."""
    if n < 3:
        return np.nan, np.nan, np.nan
    n_terms = N_TERMS if n >= _ENOUGH else 3 if n >= 6 else 1
    sorted_r[:n] = z[:n]
    middle = _median(sorted_r, n)
    for k in range(n):
        r[k] = (z[k] - middle) / sigma[k]
    rough = 1.0
    for step in range(8):
        for k in range(n):
            size = abs(r[k]) / rough
            if step < 4:
                weight = 1.0 if size <= _HUBER or step == 0 else _HUBER / size
            else:
                weight = (1.0 - (size / _TUKEY) ** 2) ** 2 if size < _TUKEY else 0.0
            w[k] = weight / sigma[k] ** 2
        while True:
            a[:n_terms, :n_terms] = 0.0
            b[:n_terms] = 0.0
            for k in range(n):
                for i in range(n_terms):
                    wt = w[k] * terms[k, i]
                    b[i] += wt * z[k]
                    for j in range(i + 1):
                        a[i, j] += wt * terms[k, j]
            if _solve(a, b, n_terms):
                break
            if n_terms == 1:
                return np.nan, np.nan, np.nan
            n_terms = 3 if n_terms == N_TERMS else 1
        for k in range(n):
            fitted = 0.0
            for i in range(n_terms):
                fitted += b[i] * terms[k, i]
            r[k] = (z[k] - fitted) / sigma[k]
            sorted_r[k] = abs(r[k])
        # the fit has used up degrees of freedom, which makes the median residual smaller
        spread = _MAD_TO_SIGMA * _median(sorted_r, n) * math.sqrt(n / max(n - n_terms, 1))
        rough = max(spread, 1.0)
    # sigma of the first coefficient: root of the first element of the inverse, by its Cholesky factor
    inverse = np.zeros(N_TERMS)
    total = 0.0
    for k in range(n_terms):
        inverse[k] = 1.0 if k == 0 else 0.0
        for j in range(k):
            inverse[k] -= a[k, j] * inverse[j]
        inverse[k] /= a[k, k]
        total += inverse[k] ** 2
    return b[0], math.sqrt(total) * rough, rough
