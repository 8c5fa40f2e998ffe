"""Everything around image and plots: files, details, preferences, commands, keys, themes, dropped files.

Created by the main window, whose parts it shows and hides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicklook.qt import QtCore, QtWidgets

if TYPE_CHECKING:
    from quicklook.main_window import MainWindow

__all__ = ["Panels"]


class Panels(QtCore.QObject):
    """Owns the panels and small windows; the main window owns the data."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.files = QtWidgets.QFrame(objectName="card")
        self.menus = {"@recent": QtWidgets.QMenu("Open &recent", window)}

        act = window.actions_by_name
        for name, widget in (("files_panel", self.files), ("bottom_panel", window.bottom)):
            act[name].setChecked(True)
            act[name].toggled.connect(widget.setVisible)

    def show_all(self) -> None:
        """Show every panel."""
        for name in ("files_panel", "bottom_panel"):
            self._window.actions_by_name[name].setChecked(True)

    def close_all(self) -> None:
        """Close the small windows."""
