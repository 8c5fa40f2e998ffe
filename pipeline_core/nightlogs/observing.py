"""Observing logs: what was observed when, with which filter, laser and dither.

The readout's dashboard writes ``obslog_YYYYmmddHHMM.json``, one JSON object a line; older logs are text, an entry a
line that begins with its moment, or a file an entry that is named by it.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_core.errors import InputFormatError
from pipeline_core.nightlogs.moments import unix_of
from pipeline_core.nightlogs.texts import read_text
from pipeline_core.progress import Progress, silent
from pipeline_core.utc import utc_words

__all__ = ["BadLine", "LogEntry", "ObservingLog", "read_observing_log", "read_observing_logs"]

_LINE = re.compile(
    r"\s*[\[(]?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|\s*UTC|[-+]\d\d:\d\d)?"
    r"|\d{8}[-_T ]?\d{6}|\d{9,10}(?:\.\d+)?)[\])]?(?:[\s:,;]+(.*))?$"
)
_NAME_MOMENT = re.compile(r"(?<!\d)(\d{8}[-_T]?\d{6}|\d{10})(?!\d)")
_REPORT_EVERY = 20
"""Lines between reports: they take about a millisecond."""
_LONGEST_SHOWN = 60


class BadLine(NamedTuple):
    """A line of a log that could not be used, and why."""

    source: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.source.name}, line {self.line}: {self.reason}"


@dataclass(frozen=True, eq=False, slots=True)
class LogEntry:
    """One entry of an observing log.

    What it says stays text until somebody asks: a night has tens of thousands, and few are looked at.

    Attributes
    ----------
    unix_s : float
        When it was written [unix s].
    stored : str
        What it says, a JSON object; see `values`.
    source : Path
    line : int
        Where it stands, from 1.
    """

    unix_s: float
    stored: str
    source: Path
    line: int

    @property
    def values(self) -> dict[str, Any]:
        """What it says, under the names it uses; a text log has ``comment`` only."""
        return dict(json.loads(self.stored))

    @property
    def utc(self) -> str:
        """When it was written, in words."""
        return utc_words(self.unix_s)

    def text(self, key: str) -> str:
        """Return what the entry says of `key` as one line of text; '' where it says nothing."""
        return value_text(self.values.get(key))

    @property
    def target(self) -> str:
        """What was observed."""
        return self.text("target")

    @property
    def comment(self) -> str:
        """What the observer wrote."""
        return self.text("comment")

    @property
    def filter(self) -> str:
        """Filter in the beam."""
        return self.text("filter")

    @property
    def laser(self) -> str:
        """Which lasers were on."""
        return self.text("laser")

    @property
    def flipper(self) -> str:
        """Where the flip mirror to the lasers stood."""
        return self.text("flipper")


@dataclass(frozen=True, eq=False)
class ObservingLog:
    """Entries of one or several logs in the order of time.

    Attributes
    ----------
    entries : tuple of LogEntry
        By `LogEntry.unix_s`; what stands in two files alike is there once.
    sources : tuple of Path
        Files that were read.
    bad_lines : tuple of BadLine
        What could not be used; a last line that is still being written is not counted.
    problems : tuple of str
        Files that could not be read at all, and why.
    """

    entries: tuple[LogEntry, ...] = ()
    sources: tuple[Path, ...] = ()
    bad_lines: tuple[BadLine, ...] = ()
    problems: tuple[str, ...] = ()
    _moments: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(_once(self.entries), key=lambda entry: entry.unix_s))
        object.__setattr__(self, "entries", ordered)
        object.__setattr__(self, "_moments", [entry.unix_s for entry in ordered])

    def index_before(self, second: float) -> int | None:
        """Return the place of the last entry at or before a unix second; None if there is none."""
        place = bisect.bisect_right(self._moments, second) - 1
        return place if place >= 0 else None

    def entry_before(self, second: float) -> LogEntry | None:
        """Return the last entry at or before a unix second [UTC]: what held at that time. None if there is none."""
        place = self.index_before(second)
        return None if place is None else self.entries[place]

    def between(self, start: float, stop: float) -> tuple[LogEntry, ...]:
        """Return the entries of [start, stop), unix seconds."""
        first, last = (bisect.bisect_left(self._moments, edge) for edge in (start, stop))
        return self.entries[first:last]

    def neighbours(self, second: float, n: int) -> tuple[LogEntry, ...]:
        """Return the entry before a second, with up to `n` entries before it and `n` after."""
        place = self.index_before(second)
        at = -1 if place is None else place
        return self.entries[max(at - n, 0) : at + n + 1]


def read_observing_log(path: Path | str, progress: Progress = silent) -> ObservingLog:
    """Read one observing log, whichever of the known forms it has.

    Parameters
    ----------
    path : path
    progress : Progress
        Told of lines; may cancel.

    Raises
    ------
    InputFormatError
        It cannot be read, or no line of it is an entry.
    """
    path = Path(path).expanduser()
    text = read_text(path)
    entries: list[LogEntry] = []
    bad: list[BadLine] = []
    for one in _items(path, text, progress):
        (entries if isinstance(one, LogEntry) else bad).append(one)  # type: ignore[arg-type]
    if not entries:
        why = f" The first line that is none: {bad[0]}." if bad else " It is empty."
        raise InputFormatError(
            f"{path} is no observing log: no entry of it could be read.{why} A log has a JSON object a line with "
            "'utc', or lines that begin with date and time (UTC). Choose another file."
        )
    return ObservingLog(tuple(entries), (path,), tuple(bad))


def read_observing_logs(paths: Iterable[Path | str], progress: Progress = silent) -> ObservingLog:
    """Read several logs as one, such as those of several nights; one that cannot be read is named in `problems`.

    Parameters
    ----------
    paths : iterable of path
    progress : Progress
        Told of lines; may cancel.
    """
    logs, problems = [], []
    for path in paths:
        try:
            logs.append(read_observing_log(path, progress))
        except InputFormatError as error:
            problems.append(str(error))
    return ObservingLog(
        tuple(entry for log in logs for entry in log.entries),
        tuple(source for log in logs for source in log.sources),
        tuple(bad for log in logs for bad in log.bad_lines),
        tuple(problems),
    )


def value_text(value: object) -> str:
    """Return a value of a log as one line of text; '' for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {value_text(one)}" for key, one in value.items())
    if isinstance(value, Sequence):
        return ", ".join(value_text(one) for one in value)
    return str(value)


def _once(entries: Sequence[LogEntry]) -> list[LogEntry]:
    """Leave out what stands in a copy of a log too."""
    found: dict[tuple[float, str], LogEntry] = {}
    for entry in entries:
        found.setdefault((entry.unix_s, entry.stored), entry)
    return list(found.values())


def _items(path: Path, text: str, progress: Progress) -> Iterator[LogEntry | BadLine]:
    start = text.lstrip()[:1]
    if start == "[" and not _LINE.match(text.lstrip().split("\n", 1)[0]):
        yield from _of_list(path, text)
    elif start == "{":
        yield from _of_json_lines(path, text, progress)
    else:
        yield from _of_text(path, text, progress)


def _of_list(path: Path, text: str) -> Iterator[LogEntry | BadLine]:
    """Read a whole file that is one JSON list of objects."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield BadLine(path, getattr(error, "lineno", 1), f"not JSON ({_shown(str(error))})")
        return
    for number, value in enumerate(values, 1):
        yield _entry(path, number, value, json.dumps(value))


def _of_json_lines(path: Path, text: str, progress: Progress) -> Iterator[LogEntry | BadLine]:
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if number % _REPORT_EVERY == 1:
            progress(number, len(lines), f"reading {path.name}")
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            if number == len(lines):
                return  # still being written: every finished line ends with a newline
            yield BadLine(path, number, f"not JSON: {_shown(line)}")
            continue
        yield _entry(path, number, value, line.strip())


def _entry(path: Path, number: int, value: object, stored: str) -> LogEntry | BadLine:
    if not isinstance(value, dict):
        return BadLine(path, number, "not a JSON object")
    unix = unix_of(value.get("utc", value.get("unix")))
    if unix is None:
        told = f"'utc' is {_shown(repr(value['utc']))}" if "utc" in value else "'utc' is missing"
        return BadLine(path, number, f"no moment: {told}")
    return LogEntry(unix, stored, path, number)


def _of_text(path: Path, text: str, progress: Progress) -> Iterator[LogEntry | BadLine]:
    """Read entries that begin with a moment; other lines belong to the entry above them."""
    lines = text.splitlines()
    started = [(k, _LINE.match(line)) for k, line in enumerate(lines)]
    places = [(k, match) for k, match in started if match and unix_of(match[1].strip("[]"))]
    named = _NAME_MOMENT.search(path.name)
    if not places:
        yield from _named(path, text, named[1] if named else "")
        return
    for k in range(places[0][0]):
        if lines[k].strip() and not lines[k].lstrip().startswith("#"):
            yield BadLine(path, k + 1, f"no date and time: {_shown(lines[k])}")
    stops = [k for k, _ in places[1:]] + [len(lines)]
    for done, ((k, match), stop) in enumerate(zip(places, stops, strict=True)):
        if done % _REPORT_EVERY == 0:
            progress(k, len(lines), f"reading {path.name}")
        comment = "\n".join([match[2] or "", *lines[k + 1 : stop]]).strip()
        unix = unix_of(match[1])
        if unix is not None:
            yield LogEntry(unix, json.dumps({"comment": comment}), path, k + 1)


def _named(path: Path, text: str, moment: str) -> Iterator[LogEntry | BadLine]:
    """Read a file that is one entry, whose moment is in its name."""
    unix = unix_of(moment) if moment else None
    if unix is not None and text.strip():
        yield LogEntry(unix, json.dumps({"comment": text.strip()}), path, 1)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield BadLine(path, number, f"no date and time: {_shown(line)}")


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
