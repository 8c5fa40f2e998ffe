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

from pipeline_core.errors import ConfigError
from pipeline_core.stacking.frames import StackFrame
from pipeline_core.stacking.settings import StackSettings

__all__ = ["Grid", "Stacked", "combine", "make_grid", "weights_of"]

_LARGEST_BYTES = 1_500_000_000
_ROUNDING = 1e-9

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


def make_grid(shape: tuple[int, int], offsets: FloatArray, settings: StackSettings) -> Grid:
    """Return the grid that holds all frames whole, or the first one and its padding.

    Raises
    ------
    ConfigError
        It would be too large.
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
    n_bytes = 8 * math.prod(size) * settings.upsample**2
    if n_bytes > _LARGEST_BYTES:
        raise ConfigError(
            f"A stack of {size[0]} x {size[1]} pixels, {settings.upsample} times as fine, would take "
            f"{n_bytes / 1e9:.1f} GB an image. Check the offsets, or choose a smaller padding or upsample."
        )
    return Grid((first[0], first[1]), (size[0], size[1]), settings.upsample)


def weights_of(frame: StackFrame, kind: str) -> FloatArray:
    """Return the weights of a frame's pixels, shape (ncols, nrows, n_band); 0 where there is no value.

    The variance that weighs is the one to expect at equal rates: weights by measured variances would follow the
    counts, and make sums of few counts too small.
    """
    weight = np.broadcast_to(frame.exposure_s[..., None], frame.rate.shape)
    if kind == "variance":
        weight = weight / frame.counts_a_photon
    elif kind == "equal":
        weight = np.ones(frame.rate.shape)
    return np.where(np.isfinite(frame.rate), weight, 0.0)


def combine(
    frames: Sequence[StackFrame], offsets: FloatArray, grid: Grid, settings: StackSettings
) -> Stacked:
    """Return mean or median of frames, each put to the nearest pixel of the grid.

    Parameters
    ----------
    frames : sequence of StackFrame
        Of equal shapes.
    offsets : ndarray of float64, shape (n, 2)
        See `register`.
    grid : Grid
    settings : StackSettings
    """
    n_band = frames[0].rate.shape[2]
    exposure, n_frames = np.zeros(grid.shape), np.zeros(grid.shape, np.int16)
    for frame, offset in zip(frames, offsets, strict=True):
        _add(exposure, frame.exposure_s, offset, grid)
        _add(n_frames, frame.exposure_s > 0, offset, grid)
    rate = np.full((*grid.shape, n_band), np.nan)
    variance = np.full_like(rate, np.nan)
    join = _median if settings.method == "median" else _mean
    for band in range(n_band):
        rate[..., band], variance[..., band] = join(frames, offsets, grid, settings, band)
    share = grid.upsample**2
    few = n_frames < settings.fewest
    rate[few] = variance[few] = np.nan
    return Stacked(rate / share, variance / share, exposure, n_frames)


def _mean(
    frames: Sequence[StackFrame],
    offsets: FloatArray,
    grid: Grid,
    settings: StackSettings,
    band: int,
) -> tuple[FloatArray, FloatArray]:
    weights, sums, squares = (np.zeros(grid.shape) for _ in range(3))
    for frame, offset in zip(frames, offsets, strict=True):
        weight = weights_of(frame, settings.weights)[..., band]
        _add(weights, weight, offset, grid)
        _add(sums, weight * np.nan_to_num(frame.rate[..., band]), offset, grid)
        _add(squares, weight**2 * np.nan_to_num(frame.variance[..., band]), offset, grid)
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / weights, squares / weights**2


def _median(
    frames: Sequence[StackFrame],
    offsets: FloatArray,
    grid: Grid,
    settings: StackSettings,
    band: int,
) -> tuple[FloatArray, FloatArray]:
    values = np.full((len(frames), *grid.shape), np.nan, np.float32)
    n, spread = np.zeros(grid.shape, np.int64), np.zeros(grid.shape)
    for i, (frame, offset) in enumerate(zip(frames, offsets, strict=True)):
        rate = frame.rate[..., band]
        here, there = _overlap(rate.shape, offset, grid)
        values[i][here] = _fine(rate, grid.upsample)[there]
        _add(n, np.isfinite(rate), offset, grid)
        _add(spread, np.nan_to_num(frame.variance[..., band]), offset, grid)
    median = np.full(grid.shape, np.nan)
    there_are = n > 0
    median[there_are] = np.nanmedian(values[:, there_are], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return median, median_factor(n) * spread / n


# variance of the median of n equal normal deviates (Sarhan & Greenberg 1962, table 10C.1)
_MEDIAN = (np.nan, 1.0, 0.5, 0.4487, 0.2982, 0.2868, 0.2147, 0.2104, 0.1682, 0.1661, 0.1383)
_ODD, _EVEN = 0.44, 1.37


def median_factor(n: IntArray) -> FloatArray:
    """Return the variance of the median of n normal deviates of variance 1; NaN for none."""
    # pi / 2n for very many; the mean of the two in the middle is as good as one value more
    large = 0.5 * np.pi / (n + np.where(n % 2, _ODD, _EVEN))
    return np.where(n < len(_MEDIAN), np.array(_MEDIAN)[np.minimum(n, len(_MEDIAN) - 1)], large)


def _add(
    total: npt.NDArray[Any],
    values: npt.NDArray[Any],
    offset: FloatArray,
    grid: Grid,
) -> None:
    """Add a frame's values to the grid, where they belong."""
    here, there = _overlap(values.shape, offset, grid)
    total[here] += _fine(values, grid.upsample)[there]


def _fine(values: npt.NDArray[Any], upsample: int) -> npt.NDArray[Any]:
    """Return every pixel as many."""
    return values.repeat(upsample, axis=0).repeat(upsample, axis=1)


def _overlap(
    shape: tuple[int, ...], offset: FloatArray, grid: Grid
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return which part of the grid a frame covers, and which part of the up-sampled frame that is."""
    here, there = [], []
    for axis in (0, 1):
        begin = round((-float(offset[axis]) - grid.first[axis]) * grid.upsample)
        end = begin + shape[axis] * grid.upsample
        low, high = max(begin, 0), max(min(end, grid.shape[axis]), 0)
        high = max(high, low)
        here.append(slice(low, high))
        there.append(slice(low - begin, high - begin))
    return (here[0], here[1]), (there[0], there[1])
