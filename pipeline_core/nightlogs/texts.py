"""Texts of logs: bounded reading, and Python literals taken as data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_core.errors import InputFormatError
from pipeline_core.hdf5 import refuse_special

__all__ = ["NotLiteralError", "assignments", "plain_literal", "read_text"]

_MOST_BYTES = 512 << 20
_LONGEST_LITERAL = 1 << 20
_DEEPEST = 20
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*[=:]\s*(.*)")
_SIGNS = re.compile(r"(?:[-+~]\s*){3,}")


class NotLiteralError(ValueError):
    """A text is no Python literal of a harmless size."""


def read_text(path: Path) -> str:
    """Return the whole text of a log.

    Raises
    ------
    InputFormatError
        Missing, unreadable, binary, or too large for a log.
    """
    refuse_special(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputFormatError(
                f"{path} is too large for a log ({path.stat().st_size / 1e9:.1f} GB). Choose another file."
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
        ) from error
    if b"\0" in data:
        raise InputFormatError(f"{path} is no text, so it is no log. Choose another file.")
    return data.decode("utf-8", errors="replace").removeprefix("\ufeff")


def plain_literal(text: str) -> Any:
    """Return the value of a Python literal (numbers, texts, lists, tuples, dictionaries). Nothing is executed.

    Raises
    ------
    NotLiteralError
        It is none, or larger or deeper than any log has.
    """
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if len(text) > _LONGEST_LITERAL or deepest > _DEEPEST or _SIGNS.search(text):
        raise NotLiteralError("too large or too deep for a value of a log")
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise NotLiteralError("not a Python literal") from error


def assignments(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, key, literal as text) of every ``key = literal``, also of one over several lines.

    Comments and lines that assign nothing are passed over.
    """
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        first = at
        match = _ASSIGNMENT.fullmatch(lines[at])
        at += 1
        if match is None:
            continue
        value = match[2]
        while _open_brackets(value) > 0 and at < len(lines) and not _ASSIGNMENT.match(lines[at]):
            value += "\n" + lines[at]
            at += 1
        yield first + 1, match[1], value


def _open_brackets(text: str) -> int:
    return sum(map(text.count, "([{")) - sum(map(text.count, ")]}"))
