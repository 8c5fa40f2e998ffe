"""Finds the logs that belong to data: beside them, in a folder of logs there, or above.

Files are told by their names; in the data's own folder and in folders of logs also by their first lines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.nightlogs.moments import unix_of
from pipeline_core.progress import Progress, silent

__all__ = ["FoundLogs", "find_logs", "kind_of_log", "logs_in", "looks_like_log"]

_LOG_FOLDERS = ("logs", "log", "obslog", "obslogs", "obs_log", "dithers", "dither", "ditherlogs")
_ENDINGS = (".json", ".jsonl", ".log", ".txt", ".cfg")
_OBSERVING_NAME = re.compile(r"obs(erving)?[-_]?log.*\.(json|jsonl|txt|log)", re.I)
_DITHER_NAME = re.compile(r".*dither.*\.(cfg|log|txt)", re.I)
_NAME_MOMENT = re.compile(r"(?<!\d)(\d{14}|\d{12}|\d{8}[-_T]\d{4,6}|\d{10})(?!\d)")
_DITHER_HEAD = re.compile(r"^\s*(dither path|(starts|starttimes)\s*[=:]\s*\[)", re.I | re.M)
_JSON_HEAD = re.compile(r"\s*\[?\s*\{.*\"utc\"", re.S)
_TEXT_HEAD = re.compile(
    r"\s*[\[(]?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\d{8}[-_T ]?\d{6}(?!\d)|\d{10}(?!\d))", re.S
)
_HEAD_BYTES = 4096
_LEVELS_UP = 2
_MOST_LOOKED_INTO = 500
_REPORT_EVERY = 500
_DAY_S = 86400.0


@dataclass(frozen=True)
class FoundLogs:
    """Logs by kind, and the folders that were looked into.

    Attributes
    ----------
    observing, dithers : tuple of Path
    looked : tuple of Path
    """

    observing: tuple[Path, ...]
    dithers: tuple[Path, ...]
    looked: tuple[Path, ...]

    def of_days(self, start: float, stop: float) -> FoundLogs:
        """Return the logs needed for what lies within unix seconds [start, stop): not those of other weeks.

        Observing logs whose names tell when they begin are kept from one day before `start` to one day after
        `stop`, and the two before those; what has no moment in its name is kept.
        """
        dated = sorted((moment, path) for path in self.observing if (moment := _begin(path)))
        early = [path for moment, path in dated if moment < start - _DAY_S][-2:]
        near = [path for moment, path in dated if start - _DAY_S <= moment < stop + _DAY_S]
        undated = [path for path in self.observing if _begin(path) is None]
        return FoundLogs((*undated, *early, *near), self.dithers, self.looked)


def find_logs(place: Path | str, progress: Progress = silent) -> FoundLogs:
    """Look for logs that belong to a file or a folder of data.

    Parameters
    ----------
    place : path
        A data file, or a folder.
    progress : Progress
        Called every few hundred files; may cancel.

    Returns
    -------
    FoundLogs
        Of the folder, of folders in it that are named like logs, and of the two folders above and theirs. Folders that
        cannot be read are passed over.
    """
    place = Path(place).expanduser().absolute()
    folder = place if place.is_dir() else place.parent
    places: dict[Path, bool] = {}
    for level, one in enumerate([folder, *folder.parents][: _LEVELS_UP + 1]):
        places.setdefault(one, level == 0)
        for log_folder in _log_folders(one):
            places.setdefault(log_folder, True)
    return _look(places, progress)


def logs_in(folder: Path, progress: Progress = silent) -> FoundLogs:
    """Return the logs of one folder, by name or first lines."""
    return _look({folder: True}, progress)


def _look(places: dict[Path, bool], progress: Progress) -> FoundLogs:
    """Look into folders: at names, and at first lines where the value is true."""
    observing: list[Path] = []
    dithers: list[Path] = []
    for where, by_content in places.items():
        for path in _candidates(where, progress):
            kind = _by_name(path.name) or (kind_of_log(path) if by_content else None)
            if kind:
                (observing if kind == "observing" else dithers).append(path)
    return FoundLogs(tuple(observing), tuple(dithers), tuple(places))


def kind_of_log(path: Path) -> str | None:
    """Return 'observing' or 'dither' by the first lines of a file, else None; also for what cannot be read."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_HEAD_BYTES)
    except OSError:
        return None
    if b"\0" in data:
        return None
    head = data.decode("utf-8", errors="replace").removeprefix("\ufeff")
    if _DITHER_HEAD.search(head):
        return "dither"
    if _JSON_HEAD.match(head) or _TEXT_HEAD.match(head):
        return "observing"
    return None


def looks_like_log(path: Path) -> bool:
    """Tell by name or first lines whether a file is an observing log or a dither log."""
    return _by_name(path.name) is not None or kind_of_log(path) is not None


def _by_name(name: str) -> str | None:
    if _DITHER_NAME.fullmatch(name):
        return "dither"
    return "observing" if _OBSERVING_NAME.fullmatch(name) else None


def _begin(path: Path) -> float | None:
    match = _NAME_MOMENT.search(path.name)
    return unix_of(match[1]) if match else None


def _log_folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return sorted(
                Path(item.path)
                for item in found
                if item.name.lower() in _LOG_FOLDERS and item.is_dir()
            )
    except OSError:
        return []


def _candidates(folder: Path, progress: Progress) -> Iterator[Path]:
    names = []
    try:
        with os.scandir(folder) as found:
            for done, item in enumerate(found):
                if done % _REPORT_EVERY == 0:
                    progress(done, 0, "looking for logs")
                if item.name.lower().endswith(_ENDINGS) and not item.name.startswith("."):
                    names.append(item.name)
    except OSError:
        return
    for name in sorted(names)[:_MOST_LOOKED_INTO]:
        if (folder / name).is_file():
            yield folder / name
