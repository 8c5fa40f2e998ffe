"""All logs of a night read at once: those that belong to data, or those that somebody chose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.errors import InputFormatError
from pipeline_core.nightlogs.dithers import DitherLog, DitherPosition, read_dither_logs
from pipeline_core.nightlogs.finding import find_logs, kind_of_log, logs_in
from pipeline_core.nightlogs.observing import ObservingLog, read_observing_logs
from pipeline_core.progress import Progress, silent

__all__ = ["NightLogs", "logs_beside", "read_logs"]


@dataclass(frozen=True, eq=False)
class NightLogs:
    """What the logs of a night say.

    Attributes
    ----------
    observing : ObservingLog
    dithers : tuple of DitherLog
        In the order of time.
    looked : tuple of Path
        Folders that were looked into.
    problems : tuple of str
        Files that could not be read, and why.
    """

    observing: ObservingLog
    dithers: tuple[DitherLog, ...]
    looked: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()

    def dither_at(self, second: float) -> tuple[DitherLog, int, DitherPosition] | None:
        """Return dither, number (from 0) and position held at a unix second; None where there was none."""
        for dither in self.dithers:
            number = dither.index_at(second)
            if number is not None:
                return dither, number, dither.positions[number]
        return None


def logs_beside(
    place: Path | str,
    start: float | None = None,
    stop: float | None = None,
    progress: Progress = silent,
) -> NightLogs:
    """Find and read the logs that belong to a file or folder; none at all is no error.

    Parameters
    ----------
    place : path
        See `find_logs`.
    start, stop : float or None
        Unix seconds of the data: logs of other weeks are not read. None: all are.
    progress : Progress
        Told of files and lines; may cancel.
    """
    found = find_logs(place, progress)
    if start is not None and stop is not None:
        found = found.of_days(start, stop)
    return _read(found.observing, found.dithers, found.looked, progress)


def read_logs(paths: Iterable[Path | str], progress: Progress = silent) -> NightLogs:
    """Read logs, told apart by their contents, or all logs of a folder.

    Parameters
    ----------
    paths : iterable of path
        Files, or folders.
    progress : Progress
        Told of files and lines; may cancel.

    Raises
    ------
    InputFormatError
        None of them is a log; the message says why of the first.
    """
    given = [Path(path).expanduser() for path in paths]
    files = [path for path in given if not path.is_dir()]
    found = [logs_in(path, progress) for path in given if path.is_dir()]
    kinds = {path: path.suffix.lower() == ".cfg" or kind_of_log(path) == "dither" for path in files}
    observing = [path for path in files if not kinds[path]]
    dithers = [path for path in files if kinds[path]]
    logs = _read(
        (*observing, *(one for part in found for one in part.observing)),
        (*dithers, *(one for part in found for one in part.dithers)),
        tuple(one for part in found for one in part.looked),
        progress,
    )
    if not logs.observing.entries and not logs.dithers:
        named = ", ".join(str(path) for path in given)
        raise InputFormatError(
            logs.problems[0]
            if logs.problems
            else f"{named}: there is no observing log and no dither log. Choose other files."
        )
    return logs


def _read(
    observing: Iterable[Path], dithers: Iterable[Path], looked: tuple[Path, ...], progress: Progress
) -> NightLogs:
    log = read_observing_logs(observing, progress)
    problems = list(log.problems)
    found: list[DitherLog] = []
    for path in dithers:
        progress(0, 1, f"reading {path.name}")
        try:
            found += read_dither_logs(path)
        except InputFormatError as error:
            problems.append(str(error))
    found.sort(key=lambda dither: dither.start)
    return NightLogs(log, tuple(found), looked, tuple(problems))
