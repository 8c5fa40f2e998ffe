"""Movies of an observation: its image in steps of time, with one scale of colours for all of them.

`write_movie` is what command line and window call. Frames are counted, drawn and written one after another: memory does
not grow with the length of the movie.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.atomic import write_aside
from pipeline_core.colours import COLOUR_MAPS, DEFAULT_MAP
from pipeline_core.errors import ConfigError
from pipeline_core.lightcurves import bin_edges_us
from pipeline_core.movie_files import MOVIE_ENDINGS, open_movie
from pipeline_core.movie_frames import FrameMaker, FrameStyle
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.provenance import sources_of
from pipeline_core.selection import window_us
from pipeline_core.stretch import STRETCHES, Scale
from pipeline_core.targets import check_room, check_target

__all__ = ["MovieSettings", "MovieSummary", "write_movie"]

_SLAB_BYTES = 100_000_000
"""Of the values that are counted at once; counting takes a few times that."""
_LOOKED_AT = 2_000_000
"""Values that the limits of a movie are told from, at most."""
_PERCENTAGES = (1.0, 99.5)
_MAX_FRAMES = 20_000
_MAX_FPS = 50.0

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MovieSettings:
    """What a movie is to show.

    Attributes
    ----------
    frame_s : float
        Seconds of the observation in a frame; the last one may be shorter.
    start, stop : float or None
        Range of time, s.
    min_wavelength, max_wavelength : float or None
        Photons to count, nm; needs a wavelength calibration.
    weighted : bool
        Whether photons count with their flat-field weights.
    exclude : int
        Flag bits; pixels with any of them are drawn as masked, and the limits are not of them.
    limits : (float, float) or None
        Counts per second of the darkest and brightest colour; None: 1 % and 99.5 % of the values of all frames.
    stretch, colour_map : str
        Of `STRETCHES` (all but 'histogram') and of `COLOUR_MAPS`.
    inverted : bool
    zoom : int or None
        Pixels of the picture in a row of a detector's pixel; None: about 480 for the longer side.
    fps : float
        Frames a second when it is played.

    Raises
    ------
    ConfigError
        A value that is impossible.
    """

    frame_s: float = 1.0
    start: float | None = None
    stop: float | None = None
    min_wavelength: float | None = None
    max_wavelength: float | None = None
    weighted: bool = False
    exclude: int = 0
    limits: tuple[float, float] | None = None
    stretch: str = "linear"
    colour_map: str = DEFAULT_MAP
    inverted: bool = False
    zoom: int | None = None
    fps: float = 10.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.frame_s) and self.frame_s >= 1e-6):
            raise ConfigError(f"A frame must be at least 1 us long, not {self.frame_s} s.")
        if not 0.1 <= self.fps <= _MAX_FPS:
            raise ConfigError(
                f"Frames a second must be 0.1 to {_MAX_FPS:g}, which is what viewers show, not {self.fps}."
            )
        if self.limits is not None and not (
            all(map(math.isfinite, self.limits)) and self.limits[0] < self.limits[1]
        ):
            raise ConfigError(
                f"Limits {self.limits}: the first must be below the second, in counts/s."
            )
        if self.stretch not in STRETCHES or self.stretch == "histogram":
            known = [name for name in STRETCHES if name != "histogram"]
            raise ConfigError(
                f"There is no stretch {self.stretch!r} of movies: choose of {', '.join(known)}."
            )
        if self.colour_map not in COLOUR_MAPS:
            raise ConfigError(
                f"Unknown colour map {self.colour_map!r}: choose one of {', '.join(COLOUR_MAPS)}."
            )
        if self.zoom is not None and not 1 <= self.zoom <= 100:
            raise ConfigError(f"The zoom must be a whole number from 1 to 100, not {self.zoom}.")

    def n_frames(self, exposure_s: float) -> int:
        """Return how many frames an observation makes.

        Raises
        ------
        ConfigError
            None, or too many.
        """
        return self.edges_us(exposure_s).size - 1

    def edges_us(self, exposure_s: float) -> IntArray:
        """Return beginnings and end of the frames in us."""
        times = window_us(self.start, self.stop, round(exposure_s * 1e6))
        edges = bin_edges_us(*times, self.frame_s)
        if edges.size - 1 > _MAX_FRAMES:
            raise ConfigError(
                f"Frames of {self.frame_s:g} s would make {edges.size - 1:,} of them, more than {_MAX_FRAMES:,}. "
                "Choose longer frames or a shorter time range."
            )
        return edges

    def as_dict(self) -> dict[str, object]:
        """Return what differs from the defaults, as plain values."""
        plain, usual = dataclasses.asdict(self), dataclasses.asdict(MovieSettings())
        return {name: value for name, value in plain.items() if value != usual[name]}


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
    edges = settings.edges_us(obs.exposure_s)
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
    n = edges.size - 1
    check_room(path, n * math.prod(maker.size), "this movie", remedy="choose a smaller zoom")
    with (
        write_aside(path, replace=overwrite) as part,
        open_movie(part, ending, maker.size, maker.colours, settings.fps) as movie,
    ):
        for i, image in enumerate(frames.images(part_of(rest, 0.0, 1.0, "drawing frames"))):
            movie.put(
                maker.draw(
                    image,
                    frames.masked,
                    _utc(obs.start_unix, int(edges[i])),
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
        for first, rates in self._slabs(part_of(progress, 0.0, 1.0)):
            for i in range(rates.shape[2]):
                progress(first + i, n)
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

    def _slabs(self, progress: Progress) -> Iterator[tuple[int, FloatArray]]:
        """Yield the first frame and the rates of each slab, shape (ncols, nrows, n)."""
        n = self._edges.size - 1
        if self._kept is not None:
            yield 0, self._kept
            return
        for first in range(0, n, self._at_once):
            edges = self._edges[first : min(first + self._at_once, n) + 1]
            report = part_of(progress, first / n, (first + edges.size - 1) / n)
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


def _utc(start_unix: int, from_start_us: int) -> str:
    moment = datetime.datetime.fromtimestamp(start_unix, datetime.timezone.utc)
    moment += datetime.timedelta(microseconds=from_start_us)
    text = moment.strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{text[:-3]} UTC"
