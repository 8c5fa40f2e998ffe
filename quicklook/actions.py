"""Makes actions and menus of the table of commands, and keeps their tips true."""

from __future__ import annotations

from collections.abc import Mapping

from quicklook.action_table import ACTIONS, MENUS, NEEDS
from quicklook.assets import icon
from quicklook.qt import QtGui, QtWidgets

__all__ = ["build_actions", "build_menus", "enable_actions", "set_shortcuts"]


def build_actions(parent: QtWidgets.QWidget) -> dict[str, QtWidgets.QAction]:
    """Return the actions by name, with default shortcuts; those that need something are disabled."""
    actions = {}
    for row in ACTIONS:
        action = QtWidgets.QAction(icon(row.icon), row.text, parent)
        action.setObjectName(row.name)
        action.setCheckable(row.checkable)
        action.setStatusTip("")
        actions[row.name] = action
    set_shortcuts(actions, {})
    enable_actions(actions, {})
    return actions


def set_shortcuts(actions: Mapping[str, QtWidgets.QAction], changed: Mapping[str, str]) -> None:
    """Give the actions their shortcuts: the person's own where there are some, else the usual ones."""
    for row in ACTIONS:
        text = changed.get(row.name, row.shortcuts)
        keys = [QtGui.QKeySequence(key) for key in text.split("; ") if key]
        actions[row.name].setShortcuts(keys)
    _show_tips(actions)


def enable_actions(actions: Mapping[str, QtWidgets.QAction], there: Mapping[str, bool]) -> None:
    """Enable what has what it needs; the others say in their tip what they need."""
    for row in ACTIONS:
        actions[row.name].setEnabled(not row.needs or there.get(row.needs, False))
    _show_tips(actions)


def _show_tips(actions: Mapping[str, QtWidgets.QAction]) -> None:
    for row in ACTIONS:
        action = actions[row.name]
        keys = ", ".join(
            key.toString(QtGui.QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts()
        )
        tip = f"{row.tip} ({keys})" if keys else row.tip
        if not action.isEnabled():
            tip += f"\n{NEEDS[row.needs]}"
        action.setToolTip(tip)


def build_menus(
    bar: QtWidgets.QMenuBar,
    actions: Mapping[str, QtWidgets.QAction],
    others: Mapping[str, QtWidgets.QMenu],
) -> None:
    """Fill the menu bar; `others` are the submenus named with '@'."""
    for title, entries in MENUS:
        _fill(bar.addMenu(title), entries, actions, others)


def _fill(
    menu: QtWidgets.QMenu,
    entries: tuple[object, ...],
    actions: Mapping[str, QtWidgets.QAction],
    others: Mapping[str, QtWidgets.QMenu],
) -> None:
    menu.setToolTipsVisible(True)
    for entry in entries:
        if isinstance(entry, tuple):
            _fill(menu.addMenu(entry[0]), entry[1], actions, others)
        elif entry == "":
            menu.addSeparator()
        elif str(entry).startswith("@"):
            menu.addMenu(others[str(entry)])
        else:
            menu.addAction(actions[str(entry)])
