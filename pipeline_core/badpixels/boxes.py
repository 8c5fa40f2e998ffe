"""Medians and other statistics of the pixels around each pixel: `methods` and `flicker` ask for them again and again.

One image is looked at with ever other pixels left out. So its pixels are ranked once, and the ranks in the boxes of a
whole column are sorted together, by a network of comparisons that is the same for all of them. Arrays are [x, y].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = ["Box", "RankedImage"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, eq=False)
class Box:
    """Statistics of the usable pixels in a box around each pixel, which does not count itself; shape (ncols, nrows).

    Attributes
    ----------
    number : ndarray of int64
        How many there are.
    median, low, second : ndarray of float64
        Median, lower decile (NaN where there is none), and second lowest value (infinity where there are not two).
    sigma, robust : ndarray of float64
        Standard deviation (NaN below two) and 1.4826 times the median absolute deviation. Empty if not asked for.
    """

    number: npt.NDArray[np.int64]
    median: FloatArray
    low: FloatArray
    second: FloatArray
    sigma: FloatArray
    robust: FloatArray


class RankedImage:
    """An image whose boxes are asked for.

    Parameters
    ----------
    image : ndarray of float64, shape (ncols, nrows)
    """

    def __init__(self, image: FloatArray) -> None:
        order = np.argsort(image, axis=None)
        ranks = np.empty(image.size, np.int32)
        ranks[order] = np.arange(image.size, dtype=np.int32)
        self._ranks = ranks.reshape(image.shape)
        self._values = image.ravel()[order]

    def box(self, usable: BoolArray, side: int, *, spread: bool = False) -> Box:
        """Return what is around each pixel.

        Parameters
        ----------
        usable : ndarray of bool, shape (ncols, nrows)
        side : int
            Of the box in pixels, odd.
        spread : bool
            Whether `Box.sigma` and `Box.robust` are wanted.
        """
        shape = self._ranks.shape
        number = np.empty(shape, np.int64)
        order, around = np.empty((3, *shape)), np.empty((2, *(shape if spread else (0, 0))))
        _box_statistics(self._ranks, self._values, usable, side // 2, spread, number, order, around)
        return Box(number, *order, *around)


@kernel
def _sort_columns(rows: npt.NDArray[np.int32]) -> None:
    """Sort each column: Batcher's merge exchange, Knuth, Art of Computer Programming 3, 5.2.2, in its plain form."""
    n, n_columns = rows.shape
    width = 1
    while width < n:
        step = width
        while step >= 1:
            for first in range(step % width, n - step, 2 * step):
                for low in range(first, min(first + step, n - step)):
                    if low // (2 * width) == (low + step) // (2 * width):
                        one, other = rows[low], rows[low + step]
                        for k in range(n_columns):
                            a, b = one[k], other[k]
                            one[k] = min(a, b)
                            other[k] = max(a, b)
            step //= 2
        width *= 2


@kernel
def _box_statistics(
    ranks: npt.NDArray[np.int32],
    values: FloatArray,
    usable: BoolArray,
    half: int,
    spread: bool,
    number: npt.NDArray[np.int64],
    order: FloatArray,
    around: FloatArray,
) -> None:
    """Fill the arrays of `Box`: `order` has median, low, second; `around` sigma and robust, if `spread`.

    ``values[ranks[x, y]]`` is the image.
    """
    ncols, nrows = ranks.shape
    side = 2 * half + 1
    nothing = np.int32(values.size)
    wide = np.full((ncols + 2 * half, nrows + 2 * half), nothing, np.int32)
    for x in range(ncols):
        for y in range(nrows):
            if usable[x, y]:
                wide[x + half, y + half] = ranks[x, y]
    box = np.empty((side * side - 1, nrows), np.int32)
    found = np.empty(side * side - 1)
    total = np.empty(nrows)
    for x in range(ncols):
        number[x] = 0
        total[:] = 0.0
        m = 0
        for i in range(side):
            for j in range(side):
                if i == half and j == half:
                    continue
                for y in range(nrows):
                    rank = wide[x + i, y + j]
                    box[m, y] = rank
                    number[x, y] += int(rank < nothing)
                    if spread and rank < nothing:
                        total[y] += values[rank]
                m += 1
        _sort_columns(box)
        for y in range(nrows):
            n = number[x, y]
            if n == 0:
                order[0, x, y], order[1, x, y] = np.nan, np.nan
            else:
                middle = 0.5 * (values[box[(n - 1) // 2, y]] + values[box[n // 2, y]])
                order[0, x, y], order[1, x, y] = middle, values[box[n // 10, y]]
            order[2, x, y] = values[box[1, y]] if n > 1 else np.inf
            if spread:
                for k in range(n):
                    found[k] = values[box[k, y]]
                around[0, x, y] = _sigma(found[:n], total[y])
                around[1, x, y] = _MAD_TO_SIGMA * _median_deviation(found[:n], order[0, x, y])


@kernel
def _sigma(found: FloatArray, total: float) -> float:
    """Return the standard deviation of some values, whose sum is known."""
    n = found.size
    if n < 2:
        return np.nan
    mean = total / n
    square = 0.0
    for k in range(n):
        square += (found[k] - mean) ** 2
    return math.sqrt(square / (n - 1))


@kernel
def _median_deviation(found: FloatArray, middle: float) -> float:
    """Return the median of the absolute differences of ascending values from `middle`: they are met from there on."""
    n = found.size
    above = 0
    while above < n and found[above] < middle:
        above += 1
    below = above - 1
    last, before = np.nan, np.nan
    for _ in range(n // 2 + 1 if n else 0):
        before = last
        if below < 0 or (above < n and found[above] - middle < middle - found[below]):
            last = found[above] - middle
            above += 1
        else:
            last = middle - found[below]
            below -= 1
    return last if n % 2 else 0.5 * (before + last)
