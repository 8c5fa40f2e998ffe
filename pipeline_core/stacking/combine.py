"""The grid of a stack, and mean and median on it: each frame is put to the nearest pixel. Arrays are [x, y].

A pixel of the detector covers ``upsample`` x ``upsample`` pixels of the grid, each with its part of the light. Its
variance is shared out alike, so that sums over areas have the right variance; single pixels of a fine grid scatter less
than that, since neighbours have the same photons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.stacking.frames import Frame, counts_a_photon
from pipeline_core.stacking.memory import MEDIAN_BYTES, check_result
from pipeline_core.stacking.settings import StackSettings

__all__ = ["Grid", "Stacked", "combine", "empty_bands", "make_grid", "weights_of"]

_ROUNDING = 1e-9
_MEDIAN_COPIES = 2
"""Of the values of all frames, while their median is sought."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """Pixels of a stack.

    Attributes
    ----------
    first : (x, y)
        Pixel of the first frame, whole numbers, whose outer corner is the corner of the grid.
    size : (columns, rows)
        In pixels of the detector.
    upsample : int
    """

    first: tuple[int, int]
    size: tuple[int, int]
    upsample: int

    @property
    def shape(self) -> tuple[int, int]:
        """(columns, rows) of the grid."""
        return self.size[0] * self.upsample, self.size[1] * self.upsample

    def place(self, x: FloatArray, axis: int) -> FloatArray:
        """Return where on the grid (its pixels counted from 0, at their middles) a place of the first frame is."""
        return np.asarray((x - self.first[axis] + 0.5) * self.upsample - 0.5)


@dataclass(frozen=True, eq=False)
class Stacked:
    """A stack.

    Attributes
    ----------
    rate, variance : ndarray of float64, shape (columns, rows, n_band)
        Counts per second in each pixel of the grid; NaN where there is no value.
    exposure_s : ndarray of float64, shape (columns, rows)
        Time alive of all frames together.
    n_frames : ndarray of int16, shape (columns, rows)
        How many frames have a value there.
    """

    rate: FloatArray
    variance: FloatArray
    exposure_s: FloatArray
    n_frames: npt.NDArray[np.int16]


def make_grid(
    shape: tuple[int, int], offsets: FloatArray, settings: StackSettings, n_band: int = 1
) -> Grid:
    """Return the grid that holds all frames whole, or the first one and its padding.

    Raises
    ------
    ConfigError
        A stack of `n_band` bands would be too large.
    """
    first, size = [], []
    for axis in (0, 1):
        n = shape[axis]
        if settings.padding is None:
            low = math.floor(-float(offsets[:, axis].max()) + _ROUNDING)
            high = math.ceil(n - float(offsets[:, axis].min()) - _ROUNDING)
        else:
            around = math.ceil(settings.padding * n)
            low, high = -around, n + around
        first.append(low)
        size.append(high - low)
    check_result((size[0], size[1]), settings.upsample, n_band)
    return Grid((first[0], first[1]), (size[0], size[1]), settings.upsample)


def empty_bands(grid: Grid, n_band: int) -> FloatArray:
    """Return an array (columns, rows, n_band) without values: a band is one piece of memory, as in files."""
    return np.full((n_band, *grid.shape[::-1]), np.nan).T


def weights_of(frame: Frame, kind: str, band: int) -> FloatArray:
    """Return the weights of a frame's pixels in a band, shape (ncols, nrows); 0 where there is no value.

    The variance that weighs is the one to expect at equal rates: weights by measured variances would follow the
    counts, and make sums of few counts too small.
    """
    weight = np.ones(frame.shape) if kind == "equal" else frame.exposure_s
    if kind == "variance":
        weight = weight / counts_a_photon(frame, band)
    return np.where(np.isfinite(frame.band(band)[0]), weight, 0.0)


def combine(
    frames: Sequence[Frame],
    offsets: FloatArray,
    grid: Grid,
    settings: StackSettings,
    progress: Progress = silent,
) -> Stacked:
    """Return mean or median of frames, each put to the nearest pixel of the grid.

    Parameters
    ----------
    frames : sequence of Frame
        Of equal shapes.
    offsets : ndarray of float64, shape (n, 2)
        See `register`.
    grid : Grid
    settings : StackSettings
    progress : Progress
        May cancel.
    """
    n_band = frames[0].n_band
    exposure, n_frames = np.zeros(grid.shape), np.zeros(grid.shape, np.int16)
    for frame, offset in zip(frames, offsets, strict=True):
        alive = frame.exposure_s
        _add(exposure, alive, offset, grid)
        _add(n_frames, alive > 0, offset, grid)
    rate, variance = empty_bands(grid, n_band), empty_bands(grid, n_band)
    join = _median if settings.method == "median" else _mean
    for band in range(n_band):
        part = part_of(progress, band / n_band, (band + 1) / n_band, "stacking")
        rate[..., band], variance[..., band] = join(frames, offsets, grid, settings, band, part)
    share = grid.upsample**2
    few = n_frames < settings.fewest
    rate[few] = variance[few] = np.nan
    rate /= share
    variance /= share
    return Stacked(rate, variance, exposure, n_frames)


def _mean(
    frames: Sequence[Frame],
    offsets: FloatArray,
    grid: Grid,
    settings: StackSettings,
    band: int,
    progress: Progress,
) -> tuple[FloatArray, FloatArray]:
    weights, sums, squares = (np.zeros(grid.shape) for _ in range(3))
    for i, (frame, offset) in enumerate(zip(frames, offsets, strict=True)):
        progress(i, len(frames))
        weight = weights_of(frame, settings.weights, band)
        rate, variance = frame.band(band)
        _add(weights, weight, offset, grid)
        _add(sums, weight * np.nan_to_num(rate), offset, grid)
        _add(squares, weight**2 * np.nan_to_num(variance), offset, grid)
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / weights, squares / weights**2


def _median(
    frames: Sequence[Frame],
    offsets: FloatArray,
    grid: Grid,
    settings: StackSettings,
    band: int,
    progress: Progress,
) -> tuple[FloatArray, FloatArray]:
    """Return the median and its variance; so many columns of the grid at a time that the frames' values fit."""
    n, spread = np.zeros(grid.shape, np.int64), np.zeros(grid.shape)
    for frame, offset in zip(frames, offsets, strict=True):
        rate, variance = frame.band(band)
        _add(n, np.isfinite(rate), offset, grid)
        _add(spread, np.nan_to_num(variance), offset, grid)
    median = np.full(grid.shape, np.nan)
    columns, rows = grid.shape
    step = max(MEDIAN_BYTES // (_MEDIAN_COPIES * 4 * len(frames) * rows), 1)
    for low in range(0, columns, step):
        part = (low, min(low + step, columns))
        values = np.full((len(frames), part[1] - low, rows), np.nan, np.float32)
        for i, (frame, offset) in enumerate(zip(frames, offsets, strict=True)):
            progress(low * len(frames) + i * (part[1] - low), columns * len(frames))
            here, _ = _overlap(frame.shape, offset, grid, part)
            piece = _piece(frame.band(band)[0], offset, grid, part)
            values[i][here[0].start - low : here[0].stop - low, here[1]] = piece
        median[slice(*part)] = _middle(values, n[slice(*part)])
    with np.errstate(divide="ignore", invalid="ignore"):
        return median, median_factor(n) * spread / n


def _middle(values: npt.NDArray[np.float32], n: IntArray) -> FloatArray:
    """Return the median over the first axis of `n` numbers each, the rest NaN; sorts `values`.

    `np.nanmedian` gives the same, twenty times slower.
    """
    values.sort(axis=0)  # NaN is last
    low, high = (
        np.take_along_axis(values, np.maximum(k, 0)[None], axis=0)[0].astype(np.float64)
        for k in ((n - 1) // 2, n // 2)
    )
    return np.where(n > 0, 0.5 * (low + high), np.nan)


# variance of the median of n equal normal deviates (Sarhan & Greenberg 1962, table 10C.1)
_MEDIAN = (np.nan, 1.0, 0.5, 0.4487, 0.2982, 0.2868, 0.2147, 0.2104, 0.1682, 0.1661, 0.1383)
_ODD, _EVEN = 0.44, 1.37


def median_factor(n: IntArray) -> FloatArray:
    """Return the variance of the median of n normal deviates of variance 1; NaN for none."""
    # pi / 2n for very many; the mean of the two in the middle is as good as one value more
    large = 0.5 * np.pi / (n + np.where(n % 2, _ODD, _EVEN))
    return np.where(n < len(_MEDIAN), np.array(_MEDIAN)[np.minimum(n, len(_MEDIAN) - 1)], large)


def _add(total: npt.NDArray[Any], values: npt.NDArray[Any], offset: FloatArray, grid: Grid) -> None:
    """Add a frame's values to the grid, where they belong."""
    here, _ = _overlap(values.shape, offset, grid)
    total[here] += _piece(values, offset, grid)


def _piece(
    values: npt.NDArray[Any],
    offset: FloatArray,
    grid: Grid,
    columns: tuple[int, int] | None = None,
) -> npt.NDArray[Any]:
    """Return what the part of the grid that a frame covers has of its values: every pixel as many."""
    _, there = _overlap(values.shape, offset, grid, columns)
    x, y = (np.arange(one.start, one.stop) // grid.upsample for one in there)
    return values.take(y, axis=1).take(x, axis=0)  # whole rows last: copies of memory


def _overlap(
    shape: tuple[int, ...],
    offset: FloatArray,
    grid: Grid,
    columns: tuple[int, int] | None = None,
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return which part of the grid (or of some columns of it) a frame covers, and which of the up-sampled frame."""
    limits = (columns or (0, grid.shape[0]), (0, grid.shape[1]))
    here, there = [], []
    for axis, (first, stop) in enumerate(limits):
        begin = round((-float(offset[axis]) - grid.first[axis]) * grid.upsample)
        end = begin + shape[axis] * grid.upsample
        low = min(max(begin, first), stop)
        high = max(min(end, stop), low)
        here.append(slice(low, high))
        there.append(slice(low - begin, high - begin))
    return (here[0], here[1]), (there[0], there[1])
