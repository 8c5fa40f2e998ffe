"""Dither logs: where the beam stood on the array from when to when, in every form that these cameras wrote.

MEC: lines ``starts=[...]``, ``ends=[...]``, ``path=[(x, y), ...]`` below a line ``Dither Path: ...``, one such block a
dither. Earlier: ``starttimes``, ``endtimes`` or ``stoptimes``, ``xpos``, ``ypos``. DARKNESS: ``ditherStack_*.cfg`` with
``startTimes``, ``stopTimes``, ``xPos``, ``yPos`` and settings of the stacking.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline_core.errors import InputFormatError
from pipeline_core.nightlogs.moments import unix_of
from pipeline_core.nightlogs.texts import NotLiteralError, assignments, plain_literal, read_text

__all__ = ["DitherLog", "DitherPosition", "read_dither_logs"]

_STARTS = ("starts", "starttimes")
_STOPS = ("ends", "endtimes", "stoptimes")
_NAMES = {
    **dict.fromkeys(_STARTS, "starts"),
    **dict.fromkeys(_STOPS, "stops"),
    "path": "path",
    "xpos": "x",
    "ypos": "y",
    "npos": "npos",
}
_FORMS = "starts, ends and path, or startTimes, stopTimes, xPos and yPos"


class DitherPosition(NamedTuple):
    """Where the beam stood during [start, stop), unix seconds."""

    start: float
    stop: float
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class DitherLog:
    """One dither.

    Attributes
    ----------
    positions : tuple of DitherPosition
        In the order of time.
    unit : {'conex', 'pixel'}
        Of x and y: of the mirror's actuators (MEC), or pixels of the array (DARKNESS).
    settings : mapping of str to object
        What else the log says, such as ``target``, under its own names.
    source : Path
    line : int
        Where it begins, from 1.
    title : str
        The line above it; '' where there is none.
    """

    positions: tuple[DitherPosition, ...]
    unit: str
    settings: Mapping[str, Any]
    source: Path
    line: int = 1
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", tuple(sorted(self.positions)))
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    @property
    def start(self) -> float:
        """When the first position began [unix s]."""
        return self.positions[0].start

    @property
    def stop(self) -> float:
        """When the last position ended [unix s]."""
        return max(position.stop for position in self.positions)

    def index_at(self, second: float) -> int | None:
        """Return the number of the position held at a unix second, from 0; None between positions and outside."""
        for number, position in enumerate(self.positions):
            if position.start <= second < position.stop:
                return number
        return None

    def position_at(self, second: float) -> DitherPosition | None:
        """Return the position held at a unix second; None between positions and outside."""
        number = self.index_at(second)
        return None if number is None else self.positions[number]


def read_dither_logs(path: Path | str) -> tuple[DitherLog, ...]:
    """Read a dither log, which may hold several dithers one after the other.

    Parameters
    ----------
    path : path

    Returns
    -------
    tuple of DitherLog
        In the order of the file; at least one.

    Raises
    ------
    InputFormatError
        It cannot be read, holds no dither, or a dither whose lists do not fit each other. Values are read as data: an
        expression is refused, never evaluated.
    """
    path = Path(path).expanduser()
    text = read_text(path)
    blocks = _blocks(path, text)
    found = [_dither(path, block) for block in blocks if {"starts", "stops"} & block.keys]
    if not found:
        raise InputFormatError(
            f"{path} is no dither log: it has no lists {_FORMS}. Choose another file."
        )
    return tuple(found)


class _Block:
    """Assignments of one dither: what is needed under one name each, the rest as it stands."""

    def __init__(self) -> None:
        self.line = self.title_line = 0
        self.title = ""
        self.needed: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}

    @property
    def keys(self) -> set[str]:
        return set(self.needed)


def _blocks(path: Path, text: str) -> list[_Block]:
    """Cut the text into dithers: a new one begins at a title, or where a list comes for the second time."""
    titles = {k: line.strip() for k, line in enumerate(text.splitlines(), 1) if _is_title(line)}
    blocks = [_Block()]
    for line, key, literal in assignments(text):
        above = [k for k in titles if k <= line]
        title_line = max(above, default=0)
        name = _NAMES.get(key.lower())
        block = blocks[-1]
        if block.needed and (title_line != block.title_line or name in block.needed):
            block = _Block()
            blocks.append(block)
        if name and not block.needed:
            block.line, block.title_line = line, title_line
            block.title = titles.get(title_line, "")
        _take(path, block, line, key, name, literal)
    return blocks


def _is_title(line: str) -> bool:
    return line.strip().lower().startswith("dither path")


def _take(path: Path, block: _Block, line: int, key: str, name: str | None, literal: str) -> None:
    try:
        value = plain_literal(literal)
    except NotLiteralError as error:
        if name is None:
            block.settings[key] = literal.strip()  # a word without quotes, as people write them
            return
        raise InputFormatError(
            f"{path}, line {line}: {key} is {error}. It must be a plain list of numbers; correct the log."
        ) from error
    if name is None:
        block.settings[key] = value
    else:
        block.needed[name] = value


def _dither(path: Path, block: _Block) -> DitherLog:
    where = f"{path}, dither at line {block.line}"
    starts = _moments(where, "starts", block.needed.get("starts"))
    stops = _moments(where, "ends", block.needed.get("stops"))
    if "path" in block.needed:
        x, y = _path(where, block.needed["path"])
    else:
        x = _numbers(where, "xPos", block.needed.get("x"))
        y = _numbers(where, "yPos", block.needed.get("y"))
    n = len(starts)
    if not n or not n == len(stops) == len(x) == len(y):
        raise InputFormatError(
            f"{where}: {n} starts, {len(stops)} ends and {len(x)} x {len(y)} positions do not belong together. "
            "Every position needs one of each; correct the log."
        )
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True), 1):
        if not start < stop:
            raise InputFormatError(
                f"{where}: position {number} ends at {stop:.3f}, not after its start {start:.3f}. Correct the log."
            )
    told = block.needed.get("npos", n)
    if told != n:
        raise InputFormatError(
            f"{where}: nPos is {told}, but there are {n} positions. Correct the log."
        )
    positions = tuple(map(DitherPosition, starts, stops, x, y))
    unit = "conex" if "path" in block.needed else "pixel"
    return DitherLog(positions, unit, block.settings, path, block.line, block.title)


def _path(where: str, value: Any) -> tuple[list[float], list[float]]:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(one, (list, tuple)) and len(one) == 2 for one in value
    ):
        raise InputFormatError(f"{where}: path must be a list of (x, y). Correct the log.")
    x = _numbers(where, "path", [one[0] for one in value])
    return x, _numbers(where, "path", [one[1] for one in value])


def _moments(where: str, name: str, value: Any) -> list[float]:
    found = [unix_of(one) for one in _listed(where, name, value)]
    numbers = [one for one in found if one is not None]
    if len(numbers) != len(found):
        raise InputFormatError(
            f"{where}: {name} has values that are no unix seconds. Correct the log."
        )
    return numbers


def _numbers(where: str, name: str, value: Any) -> list[float]:
    values = _listed(where, name, value)
    if not all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and math.isfinite(one)
        for one in values
    ):
        raise InputFormatError(f"{where}: {name} has values that are no numbers. Correct the log.")
    return [float(one) for one in values]


def _listed(where: str, name: str, value: Any) -> list[Any]:
    """Return a list; a single number is one of length 1."""
    if value is None:
        raise InputFormatError(f"{where}: {name} is missing. A dither needs {_FORMS}.")
    if isinstance(value, (int, float)):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise InputFormatError(f"{where}: {name} must be a list. Correct the log.")
    return list(value)
