"""Text of a night's file that is no YAML: each line that stops a reader is named, mended in mind, and read on.

So a tired observer sees all mistakes of a file at once, not one a run. What cannot be mended ends the reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import yaml

__all__ = ["Problem", "compose"]

Problem = tuple[int, str]
"""Line from 1, and what is wrong with it and what helps."""

_MOST = 30
_NAME_AND_VALUE = re.compile(r"^(\s*(?:- +)?[A-Za-z_][\w-]*)(:?)\s*([\[({\"'/~\w.].*)$")
_CLOSED = {"[": "]", "{": "}"}
_COMMENT = re.compile(r"\s+#.*$")


def compose(text: str) -> tuple[yaml.Node | None, str, list[Problem], bool]:
    """Return the nodes of a text, the text that was read in the end, what is wrong, and whether all of it was read."""
    problems: list[Problem] = []
    lines = text.split("\n")
    for _ in range(_MOST):
        mended = "\n".join(lines)
        try:
            return yaml.compose(mended, yaml.SafeLoader), mended, problems, True
        except yaml.MarkedYAMLError as error:
            found = _mend(lines, error)
            problems.append(found or _as_it_is(error))
            if found is None:
                break
        except (yaml.YAMLError, RecursionError) as error:
            problems.append((1, _unreadable(mended, error)))
            break
    return None, text, problems, False


def _mend(lines: list[str], error: yaml.MarkedYAMLError) -> Problem | None:
    """Change the line that stopped the reader; return its number and what was wrong, None where it cannot be told."""
    said = f"{error.context or ''} {error.problem or ''}"
    ways: tuple[tuple[str, yaml.Mark | None, Callable[[list[str], int], str]], ...] = (
        (r"'\t'", error.problem_mark, _tab),
        ("quoted scalar", error.context_mark, _quote),
        ("flow ", error.context_mark, _bracket),
        ("could not find expected ':'", error.context_mark, _colon),
        ("mapping values are not allowed", error.problem_mark, _colon_or_indent),
        ("expected <block end>", error.problem_mark, _indent),
    )
    for words, mark, mend in ways:
        if words in said and mark is not None and mark.line < len(lines):
            before = list(lines)
            number = mark.line
            text = mend(lines, number)
            changed = next((k for k, line in enumerate(before) if line != lines[k]), None)
            if changed is not None:
                return changed + 1, text
    return None


def _as_it_is(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    cause = ", ".join(part for part in (error.context, error.problem) if part)
    line = 1 if mark is None else mark.line + 1
    return line, f"this is no plain YAML ({cause}). Correct it: what comes after it was not read"


def _unreadable(text: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "lists and names lie too deep in one another. Write them plainly"
    place = getattr(error, "position", None)
    line = "" if place is None else f" in line {text.count(chr(10), 0, place) + 1}"
    return f"this is no plain text: {getattr(error, 'reason', error)}{line}. Take the sign out"


# --- one way each: changes the lines, returns what was wrong ----------------------------------------------


def _tab(lines: list[str], k: int) -> str:
    line = lines[k]
    rest = line.lstrip(" \t")
    # at the start of a line a tab stands for the depth that this line has: as the one above, or one deeper
    start = line[: len(line) - len(rest)]
    if "\t" in start:
        above = _above(lines, k)
        deeper = "" if above is None else _start(lines[above])
        if above is not None and _COMMENT.sub("", lines[above]).rstrip().endswith(":"):
            deeper += "  "
        start = deeper
    lines[k] = start + rest.replace("\t", " ")
    return "there is a tab, which YAML does not allow. Put blanks in its place"


def _quote(lines: list[str], k: int) -> str:
    mark = next((sign for sign in ("'", '"') if lines[k].count(sign) % 2), "")
    if mark:
        lines[k] += mark
    return f"a quotation mark {mark} is not closed. Close it, or take it out"


def _bracket(lines: list[str], k: int) -> str:
    bare = _COMMENT.sub("", lines[k]).rstrip()
    missing = [sign for sign in _CLOSED if bare.count(sign) > bare.count(_CLOSED[sign])]
    if len(missing) != 1:
        return ""
    opened, closed = missing[0], _CLOSED[missing[0]]
    lines[k] = bare + closed * (bare.count(opened) - bare.count(closed))
    return f"the bracket '{opened}' is not closed. Add '{closed}'"


def _colon(lines: list[str], k: int) -> str:
    found = _NAME_AND_VALUE.match(lines[k])
    if found is None:
        return ""
    name, value = found[1], _COMMENT.sub("", found[3]).strip()
    lines[k] = f"{name}: {found[3]}"
    what = "no blank follows the colon" if found[2] else "there is no colon after the name"
    return f"{what}. Write '{name.strip()}: {value}'"


def _colon_or_indent(lines: list[str], k: int) -> str:
    """Mend 'name value' above a line, which makes one value of both; or a line that is too deep below 'name: value'."""
    above = _above(lines, k)
    if above is None:
        return ""
    if ": " not in lines[above] and not lines[above].rstrip().endswith(":"):
        return _colon(lines, above)
    return _indent(lines, k)


def _indent(lines: list[str], k: int) -> str:
    above = _above(lines, k)
    if above is None or _start(lines[above]) == _start(lines[k]):
        return ""
    lines[k] = _start(lines[above]) + lines[k].lstrip()
    return "the line does not begin below its neighbours. Give it as many blanks as they have"


def _above(lines: list[str], k: int) -> int | None:
    """Return the nearest line above that says something."""
    return next(
        (
            i
            for i in range(k - 1, -1, -1)
            if lines[i].strip() and not lines[i].strip().startswith("#")
        ),
        None,
    )


def _start(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]
