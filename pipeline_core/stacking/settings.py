"""How positions of a dither are brought together: frozen, validated values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError
from pipeline_core.stacking.offsets import Offsets
from pipeline_core.wcs import Pointing

__all__ = ["METHODS", "REGISTRATIONS", "WEIGHTS", "StackSettings"]

METHODS = ("mean", "median", "drizzle")
REGISTRATIONS = ("dither", "centroid", "correlate", "none")
WEIGHTS = ("exposure", "variance", "equal")

_MAX_UPSAMPLE = 20
_ROUNDING = 1e-9
_BAND_BYTES, _OTHER_BYTES = 16, 10
"""Value and variance; time alive and number of frames."""


@dataclass(frozen=True)
class StackSettings:
    """What a stack is to be.

    Attributes
    ----------
    method : {'mean', 'median', 'drizzle'}
        Mean and median put each frame where it belongs to the nearest pixel of the stack, which keeps the photons of
        different pixels apart; drizzle (Fruchter & Hook 2002, PASP 114, 144) shares them out by area, exactly. A
        median of few counts a frame is too low: it is for many photons and outliers that no mask has.
    register : {'dither', 'centroid', 'correlate', 'none'}
        Offsets as they were given (a log of the dither), or measured: where the brightest star lies in each frame,
        or how far each frame must be shifted to look like the first.
    offsets : Offsets or None
        For 'dither'; for the other two where the search begins.
    upsample : int
        Pixels of the stack in a row of a pixel of the detector; each has its part of the light.
    pixfrac : float
        Drizzle: side of the drop over that of the pixel, above 0 to 1.
    weights : {'exposure', 'variance', 'equal'}
        Of the frames in a mean or drizzle, pixel by pixel: the time alive, which is best for counts; the inverse of
        the variance that is expected at equal rates, which takes weights of photons into account too; or alike.
    padding : float or None
        The stack holds the first frame and so many times its width and height on each side; None: all frames whole.
    fewest : int
        Pixels of fewer frames have no value.
    photons : CubeSettings
        Which photons of the files count, in which bins of wavelength: everything but `time_bin_s`, `crop` and `rates`
        has its meaning. A stack is always of counts per second alive.

    Raises
    ------
    ConfigError
        A value that is impossible, or values that do not go together.
    """

    method: str = "mean"
    register: str = "none"
    offsets: Offsets | None = None
    upsample: int = 1
    pixfrac: float = 1.0
    weights: str = "exposure"
    padding: float | None = None
    fewest: int = 1
    photons: CubeSettings = field(default_factory=CubeSettings)

    def __post_init__(self) -> None:
        for name, allowed in (
            ("method", METHODS),
            ("register", REGISTRATIONS),
            ("weights", WEIGHTS),
        ):
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"There is no {name} {getattr(self, name)!r} of a stack: choose of {', '.join(allowed)}."
                )
        if not (_is_whole(self.upsample) and 1 <= self.upsample <= _MAX_UPSAMPLE):
            raise ConfigError(
                f"upsample must be a whole number from 1 to {_MAX_UPSAMPLE}, not {self.upsample!r}."
            )
        if not (_is_number(self.pixfrac) and 0 < self.pixfrac <= 1):
            raise ConfigError(f"pixfrac must be above 0 and at most 1, not {self.pixfrac!r}.")
        if self.padding is not None and not (_is_number(self.padding) and 0 <= self.padding <= 10):
            raise ConfigError(f"padding must be a number from 0 to 10, not {self.padding!r}.")
        if not (_is_whole(self.fewest) and self.fewest >= 1):
            raise ConfigError(f"fewest must be a whole number of at least 1, not {self.fewest!r}.")
        if self.register == "dither" and self.offsets is None:
            raise ConfigError(
                "Registering by the dither needs its offsets: give them, or let them be measured by 'centroid'."
            )
        if self.register == "none" and self.offsets is not None:
            raise ConfigError("Offsets are given, but register is 'none': choose 'dither'.")
        if self.photons.time_bin_s is not None or self.photons.crop is not None:
            raise ConfigError("A stack has neither bins of time nor a crop.")

    def size(self, shape: tuple[int, int]) -> tuple[int, int, int]:
        """Return columns and rows of the stack of frames of (ncols, nrows), and about how many bytes a file takes.

        As far as offsets are given; measured ones make it larger.
        """
        moved = np.zeros((1, 2)) if self.offsets is None else self.offsets.pixels()
        sides = []
        for axis in (0, 1):
            around = 0.0 if self.padding is None else 2 * math.ceil(self.padding * shape[axis])
            span = float(np.ptp(moved[:, axis])) if self.padding is None else around
            sides.append((shape[axis] + math.ceil(span - _ROUNDING)) * self.upsample)
        edges = self.photons.wavelength_edges()
        n_band = 1 if edges is None else edges.size - 1
        return sides[0], sides[1], sides[0] * sides[1] * (n_band * _BAND_BYTES + _OTHER_BYTES)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StackSettings:
        """Return what `as_dict` told, also after a way through JSON.

        Raises
        ------
        ConfigError
            Values that are not known or impossible.
        """
        given = dict(values)
        try:
            photons = dict(given.pop("photons", {}))
            for name in ("edges_nm", "nyquist"):
                if name in photons:
                    photons[name] = tuple(map(_as_tuple, photons[name]))
            if photons.get("pointing") is not None:
                photons["pointing"] = Pointing(**photons["pointing"])
            if given.get("offsets") is not None:
                given["offsets"] = Offsets(**given["offsets"])
            return cls(**given, photons=CubeSettings(**photons))
        except TypeError as error:
            raise ConfigError(f"Settings of a stack: {error}.") from error

    def as_dict(self) -> dict[str, object]:
        """Return what differs from the defaults, as plain values, for provenance."""
        found: dict[str, object] = {
            one.name: getattr(self, one.name)
            for one in dataclasses.fields(self)
            if one.name not in ("offsets", "photons") and getattr(self, one.name) != one.default
        }
        if self.offsets is not None:
            found["offsets"] = self.offsets.as_dict()
        photons = self.photons.as_dict()
        return found | ({"photons": photons} if photons else {})


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
