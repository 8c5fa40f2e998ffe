"""What there is of a night in a folder: stretches of raw seconds, photon files, and what the logs say."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline_core.binfile import second_in_name
from pipeline_core.errors import InputFormatError
from pipeline_core.nightfiles import read_night_file
from pipeline_core.nightspans import read_spans
from pipeline_core.nightvalues import NightFile, NightList, RateStep, Stretch
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.rawwords import BYTES_PER_WORD
from pipeline_core.schema import SIDECAR_ENDING

__all__ = ["scan_night", "stretches_of"]

_REPORT_EVERY = 500
_MOST_STEPS = 2000
"""Steps of rates in a whole night: as many as a screen has columns."""


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
            rate = size / BYTES_PER_WORD / len(part)
            found.append(Stretch(folder, part[0][0], part[-1][0] + 1, size, rate, written))
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
        yield RateStep(first, seconds[place + n - 1][0] + 1, size / BYTES_PER_WORD / n)
        place += n
