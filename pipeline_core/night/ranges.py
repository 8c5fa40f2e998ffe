"""Ranges of raw seconds as a person writes them: what is wrong with one, and which share seconds that they must not."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_core.convert import MAX_DURATION_S

__all__ = ["Placed", "Window", "overlaps", "range_problem"]

_LAST = 2**31
_MILLI, _MICRO = 1000, 1_000_000


@dataclass(frozen=True, order=True)
class Window:
    """Raw seconds ``start <= second < stop`` (unix)."""

    start: int
    stop: int

    @property
    def seconds(self) -> int:
        """How many."""
        return self.stop - self.start


@dataclass(frozen=True)
class Placed:
    """A range of the file: what it is of (such as 'sky' or 'laser'), what it is called, and its line."""

    kind: str
    name: str
    window: Window
    line: int


def range_problem(start: Any, stop: Any) -> str:
    """Return what is wrong with two values as a range of raw seconds, and what helps; '' if nothing is."""
    for value in (start, stop):
        problem = _second_problem(value)
        if problem:
            return problem
    if 0 < stop <= MAX_DURATION_S < start:
        end = start + stop
        return f"the second number is when it stops, not how long it lasts. For {stop} s write [{start}, {end}]"
    if stop == start:
        return f"it lasts 0 s. It stops at the first second that is not part of it: write at least {start + 1}"
    if stop < start:
        return f"it stops ({stop}) before it starts ({start}). Swap the two"
    if stop - start > MAX_DURATION_S:
        return f"it lasts {stop - start} s, more than {MAX_DURATION_S} s. Cut it in parts"
    return ""


def _second_problem(value: Any) -> str:
    """Return what keeps a value from being a unix second."""
    if isinstance(value, datetime.datetime):
        utc = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return f"times are unix seconds, not dates. For {value} (taken as UTC) write {utc.timestamp():.0f}"
    if value is None:
        return "a time is missing. Write [start, stop] in unix seconds"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{_short(value)} is no unix second. Write whole seconds, such as 1602050420"
    if isinstance(value, float):
        return f"{value!r} is no whole second, and raw files are one a second. Round it"
    for factor, unit in ((_MILLI, "milliseconds"), (_MICRO, "microseconds")):
        if value >= _LAST and _LAST // 4 <= value // factor < _LAST:
            return f"{value} looks like {unit}. Write seconds: {value // factor}"
    if not 0 <= value < _LAST:
        return f"{value} is no unix second. Write whole seconds, such as 1602050420"
    return ""


def _short(value: Any) -> str:
    text = repr(str(value)) if isinstance(value, datetime.date) else repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def overlaps(ranges: Sequence[Placed], *, dithered: bool) -> Iterator[tuple[int, str]]:
    """Say which ranges share seconds that cannot be both: (line, text) each.

    One laser is on at a time, and none in a dark. An observation of the sky may share seconds with any of them (a
    flat of the twilight may be wanted as an image too), and with others of the sky unless they are positions of a
    dither.
    """
    placed = sorted(ranges, key=lambda one: one.line)
    for i, one in enumerate(placed):
        for other in placed[:i]:
            either = {one.kind, other.kind}
            if "sky" in either and not (dithered and either == {"sky"}):
                continue
            first = max(one.window.start, other.window.start)
            last = min(one.window.stop, other.window.stop)
            if first < last:
                yield (
                    one.line,
                    f"{one.name} shares the seconds {first} to {last} with {other.name} (line {other.line}). Correct "
                    "start or stop of one of them",
                )
