"""Rows of a form that few need: folded away behind a line until somebody unfolds them."""

from __future__ import annotations

from quicklook.qt import Qt, QtWidgets, Slot

__all__ = ["Folding"]


class Folding(QtWidgets.QWidget):
    """A title with an arrow, and below it `form`, whose rows are shown when the arrow points down."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.button = QtWidgets.QToolButton(checkable=True, text=title, objectName="fold")
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._inside = QtWidgets.QWidget()
        self.form = QtWidgets.QFormLayout(self._inside)
        self.form.setContentsMargins(16, 0, 0, 0)
        self.form.setVerticalSpacing(8)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.button)
        layout.addWidget(self._inside)
        self.button.toggled.connect(self._show)
        self._show(unfolded=False)

    @Slot(bool)
    def _show(self, unfolded: bool) -> None:
        arrows = Qt.ArrowType
        self.button.setArrowType(arrows.DownArrow if unfolded else arrows.RightArrow)
        self._inside.setVisible(unfolded)
