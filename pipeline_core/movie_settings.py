"""What a movie is to show: frozen, validated values."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from pipeline_core.colours import COLOUR_MAPS, DEFAULT_MAP
from pipeline_core.errors import ConfigError
from pipeline_core.selection import window_us
from pipeline_core.stretch import STRETCHES

__all__ = ["MOVIE_STRETCHES", "MovieSettings"]

MOVIE_STRETCHES = tuple(name for name in STRETCHES if name != "histogram")
"""A histogram would give each frame a scale of its own."""

_MAX_FRAMES = 20_000
_MAX_FPS = 50.0


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
        Of `MOVIE_STRETCHES` and of `COLOUR_MAPS`.
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
        if self.stretch not in MOVIE_STRETCHES:
            raise ConfigError(
                f"There is no stretch {self.stretch!r} of movies: choose of {', '.join(MOVIE_STRETCHES)}."
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
        start, stop = window_us(self.start, self.stop, round(exposure_s * 1e6))
        n = -(-(stop - start) // round(1e6 * self.frame_s))
        if n > _MAX_FRAMES:
            raise ConfigError(
                f"Frames of {self.frame_s:g} s would make {n:,} of them, more than {_MAX_FRAMES:,}. Choose longer "
                "frames or a shorter time range."
            )
        return n

    def as_dict(self) -> dict[str, object]:
        """Return what differs from the defaults, as plain values."""
        plain, usual = dataclasses.asdict(self), dataclasses.asdict(MovieSettings())
        return {name: value for name, value in plain.items() if value != usual[name]}
