"""What the logs of a night say, as spans of time: targets, lasers, flats, darks, dither positions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline_core.nightlogs.dithers import DitherLog
from pipeline_core.nightlogs.observing import LogEntry, ObservingLog
from pipeline_core.nightlogs.reading import logs_beside
from pipeline_core.nightvalues import LogSpan
from pipeline_core.progress import Progress, silent

__all__ = ["dither_spans", "observing_spans", "read_spans"]

_OFF = re.compile(r"(|off|no|none|out|false|closed|nan|[0\s,\[\]]+)", re.I)
_FLAT = re.compile(r"\bflats?\b", re.I)
_DARK = re.compile(r"\bdarks?\b", re.I)
_LASER = re.compile(r"\blasers?\b", re.I)
_MARGIN_S = 43_200.0
"""Entries of twelve hours around the data are of its night."""


def read_spans(
    folder: Path, data: tuple[float, float] | None, progress: Progress = silent
) -> tuple[tuple[LogSpan, ...], tuple[str, ...]]:
    """Find and read the logs of a folder of data; also returns what could not be read.

    Parameters
    ----------
    folder : Path
    data : (float, float) or None
        First and last moment of the data [unix s]; None: all that the logs say is returned.
    progress : Progress
        Told of files and lines; may cancel.
    """
    start, stop = data or (None, None)
    logs = logs_beside(folder, start, stop, progress)
    problems = [*logs.problems, *(str(bad) for bad in logs.observing.bad_lines)]
    spans = list(observing_spans(logs.observing, data[1] if data else None))
    spans += [span for dither in logs.dithers for span in dither_spans(dither)]
    if data is not None:
        low, high = data[0] - _MARGIN_S, data[1] + _MARGIN_S
        spans = [span for span in spans if span.start < high and span.stop > low]
    return tuple(sorted(spans, key=lambda span: (span.start, span.stop, span.kind))), tuple(
        problems
    )


def observing_spans(log: ObservingLog, end: float | None = None) -> Iterator[LogSpan]:
    """Yield the spans of an observing log: entries that say the same one after the other are one span.

    Parameters
    ----------
    log : ObservingLog
    end : float, optional
        When the data end [unix s]: what the last entry says lasts until then.
    """
    for kind, name in (
        ("target", _target),
        ("laser", _laser),
        ("flat", _called(_FLAT)),
        ("dark", _called(_DARK)),
    ):
        yield from _runs(log.entries, kind, name, end)


def dither_spans(dither: DitherLog) -> Iterator[LogSpan]:
    """Yield one span for each position of a dither."""
    about = str(dither.settings.get("target", "")) or dither.title
    for number, at in enumerate(dither.positions):
        label = f"{number + 1}: ({at.x:g}, {at.y:g})"
        detail = ", ".join(text for text in (about, dither.unit) if text)
        yield LogSpan("dither", label, at.start, at.stop, detail, dither.source, dither.line)


def _target(entry: LogEntry) -> str:
    """Return the target on the sky: lasers, lamps and darks have lanes of their own."""
    is_lamp = any(one.search(entry.target) for one in (_FLAT, _DARK, _LASER))
    return "" if is_lamp else entry.target


def _laser(entry: LogEntry) -> str:
    return "" if _OFF.fullmatch(entry.laser.strip()) else entry.laser


def _called(pattern: re.Pattern[str]) -> Callable[[LogEntry], str]:
    """Return how to find what the target or, where there is none, the beginning of the comment calls it."""

    def name(entry: LogEntry) -> str:
        text = entry.target or " ".join(entry.comment.split()[:3])
        return text if pattern.search(text) else ""

    return name


def _runs(
    entries: tuple[LogEntry, ...], kind: str, name: Callable[[LogEntry], str], end: float | None
) -> Iterator[LogSpan]:
    first: LogEntry | None = None
    label = ""
    for entry in entries:
        new = name(entry)
        if new == label:
            continue
        if first is not None and label:
            yield _span(kind, label, first, entry.unix_s)
        first, label = entry, new
    if first is not None and label:
        yield _span(kind, label, first, max(end or 0.0, entries[-1].unix_s))


def _span(kind: str, label: str, first: LogEntry, stop: float) -> LogSpan:
    parts = (f"filter {first.filter}" if first.filter else "", first.comment)
    detail = ", ".join(part for part in parts if part)
    return LogSpan(kind, label, first.unix_s, stop, detail, first.source, first.line)
