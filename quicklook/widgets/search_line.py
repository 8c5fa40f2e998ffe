"""A box to type what is searched for: magnifier, and a cross that empties it, in the theme's colours."""

from __future__ import annotations

from quicklook.assets import icon
from quicklook.qt import QtWidgets, Slot

__all__ = ["SearchLine"]


class SearchLine(QtWidgets.QLineEdit):
    """One line; Qt's own clear button would be white in a red-only theme.

    Parameters
    ----------
    placeholder : str
        Said while it is empty.
    what : str
        What it does, for tool tip and screen readers.
    """

    def __init__(self, placeholder: str, what: str) -> None:
        super().__init__(placeholderText=placeholder, toolTip=what)
        self.setAccessibleName(what)
        ends = QtWidgets.QLineEdit.ActionPosition
        self.addAction(icon("search"), ends.LeadingPosition)
        self.clear_action = self.addAction(icon("close"), ends.TrailingPosition)
        self.clear_action.setToolTip("Empty this box")
        self.clear_action.triggered.connect(self.clear)
        self.textChanged.connect(self._show_cross)
        self._show_cross()

    @property
    def wanted(self) -> str:
        """The text to look for: lower case, without blanks around."""
        return self.text().strip().lower()

    @Slot()
    def _show_cross(self) -> None:
        self.clear_action.setVisible(bool(self.text()))
