"""What an action says of itself, and how well it fits what a person types.

For the lists of commands and keys, which are generated from the actions themselves.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from quicklook.qt import QtGui, QtWidgets

__all__ = ["ActionText", "bare", "read_action", "score"]

_NATIVE = QtGui.QKeySequence.SequenceFormat.NativeText
_NO_REASON = "Not possible at the moment"
_LONGEST_ABBREVIATION = 12
_START, _INSIDE, _ABBREVIATION, _KEYS, _MENU, _TIP = 100, 60, 50, 45, 40, 20
_WHOLE = 50
"""What a word is worth by where it is found, and what it adds if a text begins with all that was typed."""


class ActionText(NamedTuple):
    """Texts of one action.

    Attributes
    ----------
    text : str
        As in the menu, without underlined letters and "…".
    menus : tuple of str
        Titles of the menus on the way to it, outermost first.
    keys : tuple of str
        Its shortcuts, as the platform writes them.
    tip : str
        What it does.
    reason : str
        Why it is disabled; '' if it is enabled.
    """

    text: str
    menus: tuple[str, ...]
    keys: tuple[str, ...]
    tip: str
    reason: str

    @property
    def path(self) -> str:
        """The menus as one text."""
        return " › ".join(self.menus)


def bare(text: str) -> str:
    """Return a menu's text as it is read: without the sign of its underlined letter and "…"."""
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&").rstrip("…")


def read_action(action: QtWidgets.QAction) -> ActionText:
    """Return what an action says now. Its tip is '<what it does> (<keys>)', then a line with the reason."""
    keys = tuple(key.toString(_NATIVE) for key in action.shortcuts() if not key.isEmpty())
    tip, _, reason = action.toolTip().partition("\n")
    tip = tip.removesuffix(f" ({', '.join(keys)})")
    if action.isEnabled():
        reason = ""
    return ActionText(
        bare(action.text()),
        _menus(action),
        keys,
        tip,
        reason if reason or action.isEnabled() else _NO_REASON,
    )


def _menus(action: QtWidgets.QAction) -> tuple[str, ...]:
    for widget in action.associatedWidgets():
        if isinstance(widget, QtWidgets.QMenu) and widget.title():
            return (*_menus(widget.menuAction()), bare(widget.title()))
    return ()


def score(typed: str, action: ActionText) -> int | None:
    """Return how well an action fits, None if not at all.

    Every word has to be found: in the text, also as its first letters ("nhp" finds Next hot pixel), in
    the keys, in the titles of the menus, or in the tip.
    """
    text = action.text.lower()
    total = 0
    for word in typed.lower().split():
        found = _worth(word, text, action)
        if not found:
            return None
        total += found
    if typed.strip() and text.startswith(typed.lower().strip()):
        total += _WHOLE
    return total


def _worth(word: str, text: str, action: ActionText) -> int:
    if any(part.startswith(word) for part in re.split(r"[\s\-/]+", text)):
        return _START
    if word in text:
        return _INSIDE
    if _abbreviates(word, text):
        return _ABBREVIATION
    if any(word == keys.lower() for keys in action.keys):
        return _KEYS
    if word in action.path.lower():
        return _MENU
    return _TIP if word in action.tip.lower() else 0


def _abbreviates(word: str, text: str) -> bool:
    """Return whether each letter follows the one before, or begins a later word of the text."""
    if not word.isalnum() or len(word) > _LONGEST_ABBREVIATION:
        return False
    pattern = rf"\b{word[0]}" + "".join(rf"(?:{c}|.*?\b{c})" for c in word[1:])
    return re.search(pattern, text) is not None
