"""Every action of the menus in one table: text, shortcut, icon, tip."""

from __future__ import annotations

from typing import NamedTuple

from quicklook.assets import icon
from quicklook.qt import QtGui, QtWidgets

__all__ = ["ACTIONS", "MENUS", "ActionRow", "build_actions", "build_menus"]


class ActionRow(NamedTuple):
    """One action. `needs_file`: disabled, with the reason as its tip, until a file is open."""

    name: str
    text: str
    shortcut: str
    icon: str
    tip: str
    needs_file: bool = False


ACTIONS: tuple[ActionRow, ...] = (
    ActionRow("open", "&Open photon file…", "Ctrl+O", "open", "Show a photon file (.h5)"),
    ActionRow(
        "convert", "&Convert .bin files…", "Ctrl+B", "convert", "Make a photon file from raw files"
    ),
    ActionRow("exit", "E&xit", "Ctrl+Q", "exit", "Close the window"),
    ActionRow(
        "light_curve",
        "&Light Curve",
        "Ctrl+1",
        "light_curve",
        "Rate of the active pixel against time",
        True,
    ),
    ActionRow(
        "histogram",
        "&Intensity Histogram",
        "Ctrl+2",
        "histogram",
        "How often a bin of the active pixel holds 0, 1, 2, … counts",
        True,
    ),
    ActionRow(
        "spectrum",
        "&Spectrum",
        "Ctrl+3",
        "spectrum",
        "Wavelengths of the active pixel (phases until calibrated)",
        True,
    ),
    ActionRow(
        "plot_image",
        "&Plot Image",
        "Ctrl+P",
        "image",
        "Draw the chosen image for the time range",
        True,
    ),
    ActionRow("fit", "&Fit image to window", "Ctrl+0", "fit", "Show the whole array", True),
    ActionRow(
        "reset_layout", "&Reset layout", "", "layout", "Show all plots in their usual places"
    ),
    ActionRow(
        "full_screen", "F&ull screen", "F11", "full_screen", "Use the whole screen, or go back"
    ),
    ActionRow("about", "&About quicklook", "", "about", "Versions, licence, where the log is"),
)

MENUS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("&File", ("open", "convert", "", "exit")),
    ("&Plot", ("light_curve", "histogram", "spectrum", "", "plot_image")),
    ("&View", ("fit", "reset_layout", "", "full_screen")),
    ("&Help", ("about",)),
)
"""Title and actions of each menu; '' is a separator."""


def build_actions(parent: QtWidgets.QWidget) -> dict[str, QtWidgets.QAction]:
    """Return the actions by name. Tips include the shortcut."""
    actions = {}
    for row in ACTIONS:
        action = QtWidgets.QAction(icon(row.icon), row.text, parent)
        if row.shortcut:
            action.setShortcut(QtGui.QKeySequence(row.shortcut))
        tip = f"{row.tip} ({row.shortcut})" if row.shortcut else row.tip
        action.setToolTip(tip)
        action.setStatusTip("")
        action.setEnabled(not row.needs_file)
        actions[row.name] = action
    return actions


def build_menus(bar: QtWidgets.QMenuBar, actions: dict[str, QtWidgets.QAction]) -> None:
    """Fill the menu bar."""
    for title, names in MENUS:
        menu = bar.addMenu(title)
        menu.setToolTipsVisible(True)
        for name in names:
            if name:
                menu.addAction(actions[name])
            else:
                menu.addSeparator()
