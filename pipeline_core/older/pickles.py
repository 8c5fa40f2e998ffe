"""Plain values out of pickles, without executing anything.

Layout V5 keeps attributes that are no numbers or short texts as pickles. A pickle is a program, which may call any
function; here only the instructions that build plain values are followed, and any other one ends the reading.
"""

from __future__ import annotations

import pickletools
from typing import Any

__all__ = ["NotPlainError", "plain_value"]

_MOST_BYTES = 1 << 20
_MOST_VALUES, _DEEPEST = 200_000, 50
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *(
            "STRING",
            "BINSTRING",
            "SHORT_BINSTRING",
            "UNICODE",
            "SHORT_BINUNICODE",
            "BINUNICODE",
            "BINUNICODE8",
        ),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    )
)
_EMPTY: dict[str, type] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = frozenset(("PROTO", "FRAME"))
_MARK = object()


class NotPlainError(ValueError):
    """A pickle holds more than numbers, texts, lists, tuples, sets and dicts."""


def plain_value(data: bytes) -> Any:
    """Return the value of a pickle of numbers, texts, lists, tuples, sets and dicts.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    NotPlainError
        If it is anything else, damaged, or too large. Nothing of it was executed.
    """
    if len(data) > _MOST_BYTES:
        raise NotPlainError("too long")
    try:
        value = _follow(data)
        _check_size(value, [0])
        return value
    except NotPlainError:
        raise
    # whatever damaged pickles make of a stack: nothing but our own lists is touched
    except Exception as error:
        raise NotPlainError(f"damaged: {error!r}") from error


def _check_size(value: Any, seen: list[int], depth: int = 0) -> None:
    """Refuse what holds itself, or a small thing so often that it would fill the memory once written out."""
    seen[0] += 1
    if seen[0] > _MOST_VALUES or depth > _DEEPEST:
        raise NotPlainError("too large")
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            _check_size(item, seen, depth + 1)


def _follow(data: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for code, argument, _ in pickletools.genops(data):
        name = code.name
        if name == "STOP":
            (value,) = stack
            return value
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            stack.append(argument)
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            number = _TUPLES[name]
            items = tuple(stack[len(stack) - number :])
            del stack[len(stack) - number :]
            stack.append(items)
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[int(argument)] = stack[-1]  # type: ignore[arg-type]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument)])  # type: ignore[arg-type]
        elif name not in _IGNORED:
            _build(name, stack)
    raise NotPlainError("it has no end")


def _build(name: str, stack: list[Any]) -> None:
    """Follow an instruction that puts several values together."""
    if name == "APPEND":
        value = stack.pop()
        stack[-1].append(value)
    elif name == "SETITEM":
        value, key = stack.pop(), stack.pop()
        stack[-1][key] = value
    elif name in ("LIST", "TUPLE", "DICT", "FROZENSET", "APPENDS", "SETITEMS", "ADDITEMS"):
        items = _since_mark(stack)
        pairs = zip(items[::2], items[1::2], strict=name in ("DICT", "SETITEMS"))
        if name == "LIST":
            stack.append(items)
        elif name == "TUPLE":
            stack.append(tuple(items))
        elif name == "FROZENSET":
            stack.append(frozenset(items))
        elif name == "DICT":
            stack.append(dict(pairs))
        elif name == "APPENDS":
            stack[-1].extend(items)
        elif name == "ADDITEMS":
            stack[-1].update(items)
        else:
            stack[-1].update(pairs)
    else:
        raise NotPlainError(f"it wants to do {name}")


def _since_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1
    while stack[at] is not _MARK:
        at -= 1
        if at < 0:
            raise NotPlainError("damaged: no mark")
    items = stack[at + 1 :]
    del stack[at:]
    return items
