"""The column of tool buttons beside the image. Each button is the face of an action."""

from __future__ import annotations

from collections.abc import Sequence

from quicklook.qt import Qt, QtCore, QtWidgets

__all__ = ["ToolStrip"]

_ICON = 18
_GAP = 8


class ToolStrip(QtWidgets.QWidget):
    """Buttons from top to bottom."""

    def __init__(self) -> None:
        super().__init__()
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.setContentsMargins(0, 4, 2, 0)
        self._column.setSpacing(0)
        self._column.addStretch(1)

    def add_actions(self, actions: Sequence[QtWidgets.QAction | None]) -> None:
        """Add a button an action; None makes a gap."""
        for action in actions:
            at = self._column.count() - 1
            if action is None:
                self._column.insertItem(at, _gap())
                continue
            button = QtWidgets.QToolButton(autoRaise=True)
            button.setDefaultAction(action)
            button.setIconSize(QtCore.QSize(_ICON, _ICON))
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._column.insertWidget(at, button)


def _gap() -> QtWidgets.QSpacerItem:
    """Return a gap that goes where there is little room."""
    policy = QtWidgets.QSizePolicy.Policy
    return QtWidgets.QSpacerItem(0, _GAP, policy.Minimum, policy.Maximum)
