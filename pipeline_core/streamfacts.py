"""What the headers of a datastream's frames tell: when they began, how long they were exposed, and in which unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.fitsframes import Picture
from pipeline_core.nightlogs.moments import unix_of
from pipeline_core.streamnames import named_second

__all__ = [
    "COUNTS",
    "FRAME_KEYS",
    "RATES",
    "UNKNOWN",
    "FrameTimes",
    "frame_times",
    "positive",
    "unit_of",
]

COUNTS, RATES, UNKNOWN = "counts", "counts/s", "unknown"

_TIME_KEYS = ("UTCSTART", "UTC", "DATE-OBS")
FRAME_KEYS = (*_TIME_KEYS, "EXPTIME", "BUNIT", "WMIN", "WMAX")
"""What is wanted of every frame."""
_UNITS = {
    **dict.fromkeys(("count", "counts", "ct", "cts", "photon", "photons", "adu"), COUNTS),
    **dict.fromkeys(
        ("count/s", "counts/s", "ct/s", "cts/s", "cps", "photon/s", "photons/s", "adu/s"), RATES
    ),
    **dict.fromkeys(("count s-1", "counts s-1", "ct s-1", "photon s-1"), RATES),
}

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameTimes:
    """When frames began and how long they lasted; see `pipeline_core.streams.Stream` for the fields."""

    starts_unix: FloatArray
    exposures_s: FloatArray
    start_unix: int
    span_s: float


def frame_times(path: Path, pictures: Sequence[Picture]) -> FrameTimes:
    """Return the times of frames, NaN where a header does not tell."""
    exposures = np.array([_exposure(picture) for picture in pictures])
    starts = np.array([_start(picture) for picture in pictures])
    length = float(np.nansum(exposures)) or 1.0
    known = np.isfinite(starts)
    if not known.any():
        end = named_second(path)
        return FrameTimes(starts, exposures, 0 if end is None else math.floor(end - length), length)
    first = math.floor(float(np.nanmin(starts)))
    ends = (starts + np.nan_to_num(exposures))[known]
    span = float(ends.max()) - first
    return FrameTimes(starts, exposures, first, span if span > 0 else length)


def _start(picture: Picture) -> float:
    for key in _TIME_KEYS:
        unix = unix_of(picture.text(key))
        if unix is not None:
            return unix
    return math.nan


def _exposure(picture: Picture) -> float:
    return positive(picture.text("EXPTIME")) or math.nan


def positive(text: str) -> float | None:
    """Return a positive finite number, or None where `text` is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None


def unit_of(picture: Picture, exposure_s: float) -> str:
    """Return the unit of a frame's pixels: the stored one, else counts where it has an exposure."""
    stored = picture.text("BUNIT")
    if stored:
        return _UNITS.get(stored.lower(), stored)
    return COUNTS if math.isfinite(exposure_s) else UNKNOWN
