"""Nodes of a night's file as values; what is none is noted with its line, and reading goes on."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from pipeline_core.night.syntax import Problem

__all__ = ["UNREADABLE", "Values"]

_Value = TypeVar("_Value")

UNREADABLE = object()
"""What a node holds that is no plain value: that has been noted already."""

_MICROMETRES = 30.0
_NULL = "tag:yaml.org,2002:null"


class Values:
    """Turns nodes into values, and collects what is wrong.

    Parameters
    ----------
    folder : Path
        Relative paths count from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[Problem] = []

    def problem(self, node: yaml.Node | None, text: str) -> None:
        """Note what is wrong with a node, without a full stop at the end."""
        self.problems.append((line_of(node), text))

    def plain(self, node: yaml.Node) -> Any:
        """Return the plain value of a node, or `UNREADABLE`."""
        try:
            return yaml.SafeLoader("").construct_object(node, deep=True)
        except yaml.YAMLError as error:
            why = getattr(error, "problem", error)
        except (ValueError, OverflowError, RecursionError) as error:
            why = error
        self.problem(node, f"this is no plain value ({why}). Write a number, a text or a list")
        return UNREADABLE

    def mapping(
        self, node: yaml.Node | None, known: Iterable[str] | None, what: str
    ) -> dict[str, yaml.Node]:
        """Return the parts of a node of the form 'name: value' lines; names that are not known are noted."""
        if node is None or is_empty(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, f"{what} must hold lines of the form 'name: value'")
            return {}
        found: dict[str, yaml.Node] = {}
        names = None if known is None else sorted(known)
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if names is not None and name not in names:
                self.problem(key, f"'{name}' is not known in {what}. {_choose(name, names)}")
            elif name in found:
                self.problem(key, f"'{name}' stands twice. Keep one of the two")
            else:
                found[name] = value
        return found

    def listed(self, node: yaml.Node | None, what: str) -> list[yaml.Node]:
        """Return the parts of a list."""
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.problem(
                node, f"{what} must be a list. Write its parts in [brackets], or a line each"
            )
            return []
        return list(node.value)

    def truth(self, node: yaml.Node | None, what: str, *, usual: bool) -> bool:
        """Return true or false."""
        value = usual if node is None else self.plain(node)
        if isinstance(value, bool):
            return value
        if value is not UNREADABLE:
            self.problem(node, f"{what} is {_said(value)}. Write true or false")
        return usual

    def number(
        self, node: yaml.Node | None, what: str, low: float, high: float, usual: _Value
    ) -> float | _Value:
        """Return a number from `low` to `high`: a whole one where the usual one is."""
        value: Any = UNREADABLE if node is None else self.plain(node)
        if value is UNREADABLE:
            return usual
        whole = isinstance(usual, int)
        if not _is_number(value, whole=whole) or not low <= value <= high:
            number = "whole number" if whole else "number"
            self.problem(
                node, f"{what} is {_said(value)}. Write a {number} from {low:g} to {high:g}"
            )
            return usual
        return cast(float, value)

    def wavelength(self, node: yaml.Node, what: str) -> float | None:
        """Return a wavelength in nm, from 100 to 30 000."""
        value = self.plain(node)
        if _is_number(value) and 0.1 <= value < _MICROMETRES:
            self.problem(
                node,
                f"{what} is {value:g}, which looks like micrometres. Write nm: {1000 * value:g}",
            )
            return None
        return self.number(node, what, 100, 30_000, None)

    def of_kind(self, kind: str, node: yaml.Node, what: str) -> Any:
        """Return a value of a kind: truth, number, wavelength, wavelengths or any; `UNREADABLE` if it is of another."""
        before = len(self.problems)
        value = self.plain(node)
        if kind == "truth":
            self.truth(node, what, usual=False)
        elif kind == "wavelength" and value is not None:
            self.wavelength(node, what)
        elif kind == "wavelengths":
            for one in self.listed(node, what):
                self.wavelength(one, f"one of {what}")
        elif kind == "number" and value not in (None, UNREADABLE) and not _is_number(value):
            self.problem(node, f"{what} is {_said(value)}. Write a number")
        return UNREADABLE if len(self.problems) > before else value

    def place(self, node: yaml.Node | None) -> Path:
        """Return a path: relative ones are meant from the folder of the file."""
        value = None if node is None else self.plain(node)
        if node is None or value is UNREADABLE:
            return self.folder
        if not isinstance(value, str) or not value:
            self.problem(
                node,
                f"a path is a text, not {value!r}. Write the folder, in quotation marks if need be",
            )
            return self.folder
        return self.folder / Path(value).expanduser()

    def existing(
        self, node: yaml.Node | None, what: str, there: Callable[[Path], bool], kind: str
    ) -> Path:
        """Return the path of a file or folder that must be there."""
        path = self.place(node)
        try:
            found = there(path)
        except (OSError, ValueError):
            found = False
        if node is not None and not found and path != self.folder:
            self.problem(node, f"{what}: there is no {kind} {path}. {_nearest(path)}")
        return path


def line_of(node: yaml.Node | None) -> int:
    """Return the line of a node, from 1."""
    return 1 if node is None else int(node.start_mark.line) + 1


def is_empty(node: yaml.Node) -> bool:
    """Tell whether nothing stands behind a name."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL and not node.value


def _is_number(value: object, *, whole: bool = False) -> bool:
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)


def _said(value: object) -> str:
    return "empty" if value is None else repr(value)


def _choose(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, 1)
    return (f"Do you mean '{near[0]}'? " if near else "") + f"There are {', '.join(known)}"


def _nearest(path: Path) -> str:
    """Say how far a path is right: often a disk is not there, or one letter is wrong."""
    try:
        above = next((one for one in path.parents if one.exists()), path)
    except (OSError, ValueError):
        above = path
    return f"Correct the path, of which {above} is there, or mount its disk"
