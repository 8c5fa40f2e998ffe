"""What there is of a night in a folder: stretches of raw seconds, photon files, and what the logs say."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.binfile import second_in_name
from pipeline_core.errors import InputFormatError
from pipeline_core.nightfiles import NightFile, read_night_file
from pipeline_core.nightspans import LogSpan, read_spans
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.rawwords import BYTES_PER_WORD
from pipeline_core.schema import SIDECAR_ENDING

__all__ = ["NightList", "RateStep", "Stretch", "scan_night", "stretches_of"]

_REPORT_EVERY = 500
_MOST_STEPS = 2000
"""Steps of rates in a whole night: as many as a screen has columns."""


@dataclass(frozen=True)
class RateStep:
    """How many bytes a second were written in [start, stop), unix seconds: a mean over the seconds that have a file."""

    start: int
    stop: int
    bytes_per_s: float

    @property
    def photons_per_s(self) -> float:
        """About how many photons a second: every word is taken for a photon, so it is a little too high."""
        return self.bytes_per_s / BYTES_PER_WORD


@dataclass(frozen=True)
class Stretch:
    """Consecutive raw seconds of one folder.

    Attributes
    ----------
    folder : Path
    start, stop : int
        Unix seconds, half-open.
    n_bytes : int
    modified : float
        When the last of them was written [unix s].
    """

    folder: Path
    start: int
    stop: int
    n_bytes: int
    modified: float

    @property
    def seconds(self) -> int:
        """Number of files."""
        return self.stop - self.start

    @property
    def photons_per_s(self) -> float:
        """About how many photons a second, see `RateStep.photons_per_s`."""
        return self.n_bytes / BYTES_PER_WORD / self.seconds


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
        for one in self.stretches:
            common = min(one.stop, math.ceil(stop)) - max(one.start, math.floor(start))
            if common > 0:
                counts[one.folder] = counts.get(one.folder, 0) + common
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def seconds_in(self, folder: Path, start: float, stop: float) -> tuple[int, ...]:
        """Return the raw seconds of one folder that touch [start, stop)."""
        found: list[int] = []
        for one in self.stretches:
            if one.folder == folder:
                first, end = max(one.start, math.floor(start)), min(one.stop, math.ceil(stop))
                found += range(first, end)
        return tuple(sorted(found))


def scan_night(folder: Path | str, progress: Progress = silent) -> NightList:
    """Look at a folder and those below it; raw files are not opened, of photon files only headers are read.

    Parameters
    ----------
    folder : path
    progress : Progress
        Told of files; may cancel.

    Raises
    ------
    InputFormatError
        If the folder itself cannot be read. Folders below that cannot be, and bad files, are named in `problems`.
    """
    folder = Path(folder).expanduser().absolute()
    stretches: list[Stretch] = []
    raw: list[tuple[Path, list[_Second]]] = []
    photon_paths: list[Path] = []
    problems: list[str] = []
    for one in _folders(folder, problems, progress):
        seconds, paths = _look_into(one, problems, progress)
        photon_paths += paths
        if seconds:
            raw.append((one, seconds))
            stretches += stretches_of(one, seconds)
    rates = _rates(raw)
    files = []
    for done, path in enumerate(sorted(photon_paths)):
        progress(done, len(photon_paths), "reading headers")
        found, problem = read_night_file(path)
        files += [found] if found else []
        problems += [problem] if problem else []
    bare = NightList(
        folder, tuple(sorted(stretches, key=_by_time)), rates, tuple(sorted(files, key=_by_time))
    )
    spans, bad = read_spans(folder, bare.time_range, part_of(progress, 0.9, 1.0, "reading logs"))
    return NightList(folder, bare.stretches, rates, bare.files, spans, (*problems, *bad))


_Second = tuple[int, int, float]
"""Unix second, bytes, when it was written."""


def _by_time(one: Stretch | NightFile) -> tuple[float, float]:
    return (one.start, one.stop)


def _folders(root: Path, problems: list[str], progress: Progress) -> Iterator[Path]:
    """Yield a folder and those below; links are not followed, as they may lead in a circle."""

    def refuse(error: OSError) -> None:
        text = f"Folder {error.filename} cannot be read: {error.strerror}."
        if Path(error.filename) == root:
            raise InputFormatError(f"{text} Choose the folder of a night.") from error
        problems.append(f"{text} It was left out.")

    for where, inside, _ in os.walk(root, onerror=refuse):
        progress(0, 0, "looking into folders")
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield Path(where)


def _look_into(
    folder: Path, problems: list[str], progress: Progress
) -> tuple[list[_Second], list[Path]]:
    """Return the raw seconds of a folder, ascending, and its other HDF5 files."""
    seconds: list[_Second] = []
    paths: list[Path] = []
    try:
        with os.scandir(folder) as found:
            for done, item in enumerate(found):
                if done % _REPORT_EVERY == 0:
                    progress(done, 0, f"looking into {folder.name}")
                name = item.name
                if name.startswith(".") or name.endswith(SIDECAR_ENDING):
                    continue
                if name.endswith(".h5"):
                    paths += [Path(item.path)] if item.is_file() else []
                    continue
                second = second_in_name(Path(name)) if name.endswith(".bin") else None
                if second is not None and (one := _second(item, second)):
                    seconds.append(one)
    except OSError as error:
        problems.append(f"Folder {folder} cannot be read: {error.strerror}. It was left out.")
    return sorted(seconds), paths


def _second(item: os.DirEntry[str], second: int) -> _Second | None:
    try:
        if not item.is_file():
            return None
        facts = item.stat()
    except OSError:  # removed meanwhile
        return None
    return second, facts.st_size, facts.st_mtime


def stretches_of(folder: Path, seconds: Sequence[_Second]) -> list[Stretch]:
    """Join seconds (second, bytes, written; ascending) that follow one another."""
    found: list[Stretch] = []
    first = 0
    for place in range(1, len(seconds) + 1):
        if place == len(seconds) or seconds[place][0] != seconds[place - 1][0] + 1:
            part = seconds[first:place]
            written = max(one[2] for one in part)
            size = sum(one[1] for one in part)
            found.append(Stretch(folder, part[0][0], part[-1][0] + 1, size, written))
            first = place
    return found


def _rates(
    raw: Iterable[tuple[Path, Sequence[_Second]]],
) -> tuple[tuple[Path, tuple[RateStep, ...]], ...]:
    """Return the rates of each folder, in steps that all folders share."""
    raw = [item for item in raw if item[1]]
    if not raw:
        return ()
    start = min(seconds[0][0] for _, seconds in raw)
    stop = max(seconds[-1][0] + 1 for _, seconds in raw)
    step = math.ceil((stop - start) / _MOST_STEPS)
    return tuple((folder, tuple(_steps(seconds, start, step))) for folder, seconds in raw)


def _steps(seconds: Sequence[_Second], origin: int, step: int) -> Iterator[RateStep]:
    """Join the seconds of each step."""
    place = 0
    while place < len(seconds):
        first, size, _ = seconds[place]
        number, n = (first - origin) // step, 1
        while place + n < len(seconds) and (seconds[place + n][0] - origin) // step == number:
            size += seconds[place + n][1]
            n += 1
        yield RateStep(first, seconds[place + n - 1][0] + 1, size / n)
        place += n
