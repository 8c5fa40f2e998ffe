"""Movies of an observation: its image in steps of time, with one scale of colours for all of them.

`write_movie` is what command line and window call. Frames are counted, drawn and written one after another: memory does
not grow with the length of the movie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.atomic import write_aside
from pipeline_core.lightcurves import bin_edges_us
from pipeline_core.movie_files import MOVIE_ENDINGS, needed_encoder, open_movie
from pipeline_core.movie_frames import FrameMaker, FrameStyle, about_bytes
from pipeline_core.movie_settings import MovieSettings
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.provenance import sources_of
from pipeline_core.selection import window_us
from pipeline_core.stretch import Scale
from pipeline_core.targets import check_free, check_room, check_target
from pipeline_core.utc import utc_words

__all__ = ["MovieSettings", "MovieSummary", "write_movie"]

_SLAB_BYTES = 40_000_000
"""Of the values that are counted at once; counting takes a few times that."""
_LOOKED_AT = 2_000_000
"""Values that the limits of a movie are told from, at most."""
_MARGIN = 3
"""How much larger than usual a movie may become."""
_COUNTING = 0.5
"""Part of a slab's work that is not drawing."""
_PERCENTAGES = (1.0, 99.5)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MovieSummary:
    """What was written: the file, how many frames of what size, and the limits of the colours in counts/s."""

    path: Path
    n_frames: int
    size: tuple[int, int]
    limits: tuple[float, float]


def write_movie(
    path: Path,
    obs: ObsFile,
    settings: MovieSettings,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> MovieSummary:
    """Write a movie of counts per second alive, corrected for dead time.

    Parameters
    ----------
    path : path
        ``.gif``, or ``.mp4`` where the machine has an encoder (ffmpeg).
    obs : ObsFile
    settings : MovieSettings
    overwrite : bool
        Whether an existing file may be replaced. Files of data never are.
    progress : Progress
        May cancel; nothing is left then.

    Raises
    ------
    ConfigError
        Impossible settings.
    CalibrationError
        Wavelengths or weights without their calibration.
    OutputError
        It cannot be written, exists already, or holds data; there is no encoder.
    """
    ending = check_target(path, MOVIE_ENDINGS, sources_of(obs))
    check_free(path, overwrite=overwrite)
    if ending == ".mp4":
        needed_encoder()
    n = settings.n_frames(obs.exposure_s)
    times = window_us(settings.start, settings.stop, round(obs.exposure_s * 1e6))
    edges = bin_edges_us(*times, settings.frame_s)
    frames = _Frames(obs, settings, edges)
    limits = settings.limits
    rest = progress
    if limits is None:
        limits = frames.limits(part_of(progress, 0.0, 0.4, "looking for the limits"))
        rest = part_of(progress, 0.4, 1.0)
    scale = Scale(limits, settings.stretch)
    style = FrameStyle(
        scale,
        settings.colour_map,
        settings.inverted,
        settings.zoom,
        _label(settings),
        f"{obs.path.name}, {settings.frame_s:g} s a frame",
    )
    maker = FrameMaker(obs.shape, style)
    n_bytes = _MARGIN * about_bytes(obs.shape, settings.zoom, n, ending)
    check_room(path, n_bytes, "this movie", remedy="choose a smaller zoom")
    with (
        write_aside(path, replace=overwrite) as part,
        open_movie(part, ending, maker.size, maker.colours, settings.fps) as movie,
    ):
        for i, image in enumerate(frames.images(part_of(rest, 0.0, 1.0, "drawing frames"))):
            movie.put(
                maker.draw(
                    image,
                    frames.masked,
                    utc_words(obs.start_unix + int(edges[i]) / 1e6, fraction=3),
                    f"frame {i + 1} of {n}",
                )
            )
        progress(1, 1, "writing to disk")
    return MovieSummary(path, n, maker.size, scale.levels)


class _Frames:
    """Images of an observation in steps of time, counted in slabs; what fits into one slab is counted once."""

    def __init__(self, obs: ObsFile, settings: MovieSettings, edges: IntArray) -> None:
        self._obs = obs
        self._weighted = settings.weighted
        self._edges = edges
        band = (settings.min_wavelength, settings.max_wavelength)
        self._thresholds = obs.band_phases(_band_edges(band) if band != (None, None) else None)
        self.masked = (obs.flags & np.uint32(settings.exclude)) != 0
        self._at_once = max(_SLAB_BYTES // (8 * self.masked.size), 1)
        self._kept: FloatArray | None = None

    def images(self, progress: Progress) -> Iterator[FloatArray]:
        """Yield counts per second alive, [x, y]; NaN where a pixel never was alive in a frame."""
        n = self._edges.size - 1
        for first, rates in self._slabs(progress, _COUNTING):
            size = rates.shape[2]
            report = part_of(progress, (first + _COUNTING * size) / n, (first + size) / n)
            for i in range(size):
                report(i, size)
                yield rates[..., i]

    def limits(self, progress: Progress) -> tuple[float, float]:
        """Return the limits of colours that fit all frames: percentiles of values spread over all of them."""
        n = self._edges.size - 1
        step = max(math.ceil(self.masked.size * n / _LOOKED_AT), 1)
        found = []
        for _, rates in self._slabs(progress):
            values = rates[~self.masked].reshape(-1)[::step]
            found.append(values[np.isfinite(values)])
        values = np.concatenate(found)
        if not values.size:
            return 0.0, 1.0
        low, high = np.percentile(values, _PERCENTAGES)
        return float(low), float(max(high, low + 1e-9))

    def _slabs(self, progress: Progress, part: float = 1.0) -> Iterator[tuple[int, FloatArray]]:
        """Yield the first frame and the rates of each slab, shape (ncols, nrows, n).

        Counting is that part of what is done of a slab.
        """
        n = self._edges.size - 1
        if self._kept is not None:
            yield 0, self._kept
            return
        for first in range(0, n, self._at_once):
            edges = self._edges[first : min(first + self._at_once, n) + 1]
            report = part_of(progress, first / n, (first + part * (edges.size - 1)) / n)
            values, _, live = self._obs.cube_slab(
                edges, self._thresholds, weighted=self._weighted, progress=report
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                rates = np.where(live > 0, values[..., 0] / live, np.nan)
            if self._at_once >= n:
                self._kept = rates
            yield first, rates


def _band_edges(band: tuple[float | None, float | None]) -> tuple[float, float]:
    low, high = band
    return 1.0 if low is None else low, 1e6 if high is None else high


def _label(settings: MovieSettings) -> str:
    """Return what the colours mean."""
    low, high = settings.min_wavelength, settings.max_wavelength
    unit = "weighted counts/s" if settings.weighted else "counts/s"
    if low is None and high is None:
        return unit
    if low is None or high is None:
        return f"{unit}, {f'from {low:g}' if high is None else f'below {high:g}'} nm"
    return f"{unit}, {low:g} to {high:g} nm"
