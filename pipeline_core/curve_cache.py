"""Binned photons of the pixels looked at last, so that a region that moves is not binned anew.

While a region is dragged most of its pixels stay. Their rows are summed anew at each step, never subtracted: sums of
dead time stay as exact as they are without a cache.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from pipeline_core.lightcurves import BinsOfTime, LightCurve, light_curve, sum_of_rows
from pipeline_core.pixel_cache import PixelCache
from pipeline_core.progress import Progress, silent

__all__ = ["CurveCache"]

_LIMIT_BYTES = 128_000_000

_Pixel = tuple[int, int]
_Row = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""Counts and dead time [us] of one pixel in each bin."""


class CurveCache:
    """Light curves of one observation. Remembers the last one, and each pixel's part of it.

    Parameters
    ----------
    photons : PixelCache
    dead_time_us : float
        After each photon.
    limit_bytes : int
        Larger regions are binned as a whole, and not remembered pixel by pixel.
    """

    def __init__(
        self, photons: PixelCache, dead_time_us: float, limit_bytes: int = _LIMIT_BYTES
    ) -> None:
        self._photons = photons
        self._dead_time_us = dead_time_us
        self._limit = limit_bytes
        self._bins: object = None  # what the rows are of
        self._rows: OrderedDict[_Pixel, _Row] = OrderedDict()
        self._last: tuple[object, LightCurve] | None = None

    def curve(
        self,
        pixels: tuple[_Pixel, ...],
        window_us: tuple[int, int],
        bin_s: float,
        phase_deg: tuple[float, float],
        gaps: npt.NDArray[np.float64],
        progress: Progress = silent,
    ) -> LightCurve:
        """Return what `lightcurves.light_curve` does; the arrays are shared, thus read-only."""
        bins = (window_us, bin_s, phase_deg)
        if self._last is not None and self._last[0] == (bins, pixels):
            return self._last[1]
        where = BinsOfTime(*bins, gaps, self._dead_time_us)
        if len(pixels) == 1 or where.row_bytes * len(pixels) > self._limit:
            curve = light_curve(pixels, self._photons.each(pixels, progress), where)
        else:
            if bins != self._bins:
                self._rows.clear()
                self._bins = bins
            self._add_missing(pixels, where, progress)
            curve = sum_of_rows(pixels, [self._rows[pixel] for pixel in pixels], where)
            self._trim(pixels, where.row_bytes)
        for values in (curve.edges_s, curve.counts, curve.live_time_s, curve.open_time_s):
            values.setflags(write=False)
        self._last = ((bins, pixels), curve)
        return curve

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self._last = None

    def _add_missing(
        self, pixels: tuple[_Pixel, ...], where: BinsOfTime, progress: Progress
    ) -> None:
        """Bin the pixels that have no row yet. What was done of it stays if it is cancelled."""
        missing = self._photons.in_order([pixel for pixel in pixels if pixel not in self._rows])
        for pixel, (times, phases) in zip(
            missing, self._photons.each(missing, progress), strict=True
        ):
            row = where.empty()
            where.add(times, phases, *row)
            self._rows[pixel] = row

    def _trim(self, pixels: tuple[_Pixel, ...], row_bytes: int) -> None:
        """Keep the newest rows, as many as the limit allows."""
        for pixel in pixels:
            self._rows.move_to_end(pixel)
        while len(self._rows) * row_bytes > self._limit:
            self._rows.popitem(last=False)
