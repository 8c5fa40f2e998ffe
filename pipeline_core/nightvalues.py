"""What there is of a night, as plain values: stretches of raw seconds, photon files, spans of the logs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SPAN_KINDS", "LogSpan", "NightFile", "NightList", "RateStep", "Stretch"]

SPAN_KINDS = ("target", "laser", "flat", "dark", "dither")
_WAVELENGTH = re.compile(r"(?<![\d.])(\d{3,4}(?:\.\d+)?)(?![\d.])")


@dataclass(frozen=True)
class LogSpan:
    """One thing that held for some time.

    Attributes
    ----------
    kind : str
        One of `SPAN_KINDS`.
    label : str
        Target, lasers, what the observer called it, or number and place of the dither's position.
    start, stop : float
        Unix seconds; what the log does not end lasts until the data end.
    detail : str
        Filter and comment.
    source : Path
    line : int
        Where it stands, from 1.
    """

    kind: str
    label: str
    start: float
    stop: float
    detail: str
    source: Path
    line: int

    @property
    def wavelength_nm(self) -> float | None:
        """The wavelength that a laser's name tells [nm]; None where it tells none, or several."""
        found = _WAVELENGTH.findall(self.label) if self.kind == "laser" else []
        return float(found[0]) if len(found) == 1 else None


@dataclass(frozen=True)
class NightFile:
    """A photon file.

    Attributes
    ----------
    path : Path
    start, stop : float
        Unix seconds.
    camera : str
        '' where the file does not tell.
    attached : tuple of str
        What is attached to it: 'wavelengths', 'flat', 'bad pixels', 'masked times'.
    is_older : bool
        Whether an older program wrote it.
    """

    path: Path
    start: float
    stop: float
    camera: str = ""
    attached: tuple[str, ...] = ()
    is_older: bool = False

    @property
    def state(self) -> str:
        """What it is, in words."""
        words = ", ".join(self.attached) or "not calibrated"
        return f"of an older program, {words}" if self.is_older else words


@dataclass(frozen=True)
class RateStep:
    """About how many photons a second came in [start, stop), unix seconds: the mean over the seconds that have a file.

    Told by file sizes, every word being taken for a photon: a little too high.
    """

    start: int
    stop: int
    photons_per_s: float


@dataclass(frozen=True)
class Stretch:
    """Consecutive raw seconds of one folder.

    Attributes
    ----------
    folder : Path
    start, stop : int
        Unix seconds, half-open.
    n_bytes : int
    photons_per_s : float
        About how many, see `RateStep`.
    modified : float
        When the last of them was written [unix s].
    """

    folder: Path
    start: int
    stop: int
    n_bytes: int
    photons_per_s: float
    modified: float

    @property
    def seconds(self) -> int:
        """Number of files."""
        return self.stop - self.start


@dataclass(frozen=True)
class NightList:
    """One folder's night.

    Attributes
    ----------
    folder : Path
    stretches : tuple of Stretch
        By start.
    rates : tuple of (Path, tuple of RateStep)
        Of each folder of raw files, at most about 2000 steps in all the time between first and last raw second.
    files : tuple of NightFile
        Photon files by start.
    spans : tuple of LogSpan
        By start.
    problems : tuple of str
        What could not be read, and why.
    """

    folder: Path
    stretches: tuple[Stretch, ...] = ()
    rates: tuple[tuple[Path, tuple[RateStep, ...]], ...] = ()
    files: tuple[NightFile, ...] = ()
    spans: tuple[LogSpan, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def time_range(self) -> tuple[float, float] | None:
        """First and last moment of anything [unix s]; of the data alone if there is any. None: there is nothing."""
        data: list[tuple[float, float]] = [(one.start, one.stop) for one in self.stretches]
        data += [(one.start, one.stop) for one in self.files]
        pairs = data or [(span.start, span.stop) for span in self.spans]
        if not pairs:
            return None
        return min(start for start, _ in pairs), max(stop for _, stop in pairs)

    def raw_in(self, start: float, stop: float) -> tuple[tuple[Path, int], ...]:
        """Return folders that have raw seconds in [start, stop), with how many; the one with most first."""
        counts: dict[Path, int] = {}
        first, end = math.floor(start), math.ceil(stop)
        for one in self.stretches:
            if one.start < end and one.stop > first:
                common = min(one.stop, end) - max(one.start, first)
                counts[one.folder] = counts.get(one.folder, 0) + common
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def seconds_in(self, folder: Path, start: float, stop: float) -> tuple[int, ...]:
        """Return the raw seconds of one folder that touch [start, stop)."""
        found: list[int] = []
        first, end = math.floor(start), math.ceil(stop)
        for one in self.stretches:
            if one.start < end and one.stop > first and one.folder == folder:
                found += range(max(one.start, first), min(one.stop, end))
        return tuple(sorted(found))
