"""Drizzle: light of every pixel shared out on the grid by area (Fruchter & Hook 2002), by the library of STScI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress, silent
from pipeline_core.stacking.combine import Grid, Stacked, empty_bands, weights_of
from pipeline_core.stacking.settings import StackSettings

if TYPE_CHECKING:
    from pipeline_core.stacking.frames import Frame

__all__ = ["drizzle"]

FloatArray = npt.NDArray[np.float64]


def drizzle(
    frames: Sequence[Frame],
    offsets: FloatArray,
    grid: Grid,
    settings: StackSettings,
    progress: Progress = silent,
) -> Stacked:
    """Return frames drizzled on a grid. Parameters as for `combine`.

    A pixel of the grid is the mean of what falls on it, weighted by areas and the frames' weights, times the part
    of a detector's pixel that it is: light is conserved where the weights vary little. A pixel's variance is
    shared out like its light.
    """
    n_band = frames[0].n_band
    rate, variance = empty_bands(grid, n_band), empty_bands(grid, n_band)
    exposure, n_frames = np.zeros(grid.shape), np.zeros(grid.shape, np.int16)
    share = grid.upsample**2
    for frame, offset in zip(frames, offsets, strict=True):
        alone = _Drizzle(grid)
        alive = frame.exposure_s
        alone.add(alive, alive, offset, settings.pixfrac)
        n_frames += alone.weight > 0
        exposure += share * alone.weight
    for band in range(n_band):
        light, noise = _Drizzle(grid), _Drizzle(grid)
        for i, (frame, offset) in enumerate(zip(frames, offsets, strict=True)):
            progress(band * len(frames) + i, n_band * len(frames), "drizzling")
            weight = weights_of(frame, settings.weights, band)
            value, spread = frame.band(band)
            light.add(value, weight, offset, settings.pixfrac)
            noise.add(weight * spread, weight, offset, settings.pixfrac)
        covered = light.weight > 0
        rate[covered, band] = light.mean[covered] / share
        variance[covered, band] = noise.mean[covered] / light.weight[covered] / share**2
    few = n_frames < settings.fewest
    rate[few] = variance[few] = np.nan
    return Stacked(rate, variance, exposure, n_frames)


class _Drizzle:
    """The library's object, for arrays [x, y]."""

    def __init__(self, grid: Grid) -> None:
        try:
            from drizzle.resample import Drizzle  # here: most of the core needs none of it
        except ImportError as error:
            raise ConfigError(
                "Drizzling needs the package 'drizzle', which is not installed: pip install drizzle. Or choose the "
                "method mean or median."
            ) from error
        self._grid = grid
        self._one: Any = Drizzle(
            kernel="square", fillval="0", out_shape=grid.shape[::-1], disable_ctx=True
        )

    def add(
        self, values: FloatArray, weight: FloatArray, offset: FloatArray, pixfrac: float
    ) -> None:
        """Add an image; what has no weight may be NaN."""
        x, y = np.indices(values.shape, np.float64)
        places = [self._grid.place(one - offset[axis], axis).T for axis, one in enumerate((x, y))]
        good = (weight > 0) & np.isfinite(values)
        self._one.add_image(
            np.ascontiguousarray(np.where(good, values, 0.0).T, np.float32),
            exptime=1.0,
            pixmap=np.dstack(places),
            weight_map=np.ascontiguousarray(np.where(good, weight, 0.0).T, np.float32),
            pixfrac=pixfrac,
            in_units="cps",
        )

    @property
    def mean(self) -> FloatArray:
        """Weighted mean on the grid, [x, y]."""
        return np.asarray(self._one.out_img.T, np.float64)

    @property
    def weight(self) -> FloatArray:
        """Sum of weights times shares: all of a pixel's together are its weight."""
        return np.asarray(self._one.out_wht.T, np.float64)
