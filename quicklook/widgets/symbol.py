"""An icon standing by itself, beside a text. It follows the theme, which a label's pixmap would not."""

from __future__ import annotations

from quicklook.assets import icon
from quicklook.qt import QtGui, QtWidgets

__all__ = ["Symbol"]


class Symbol(QtWidgets.QWidget):
    """Shows one icon.

    Parameters
    ----------
    size : int
        Width and height [screen pixels].
    name : str
        Name of the icon; '' shows nothing.
    """

    def __init__(self, size: int, name: str = "") -> None:
        super().__init__()
        self.setFixedSize(size, size)
        self._name = name

    def set_name(self, name: str) -> None:
        """Show another icon."""
        self._name = name
        self.update()

    def paintEvent(self, _event: QtGui.QPaintEvent | None) -> None:
        """Paint in the colours of the moment."""
        if self._name:
            painter = QtGui.QPainter(self)
            icon(self._name).paint(painter, self.rect())
            painter.end()
