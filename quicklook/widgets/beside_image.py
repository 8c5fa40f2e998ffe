"""Lays out an image and what explains it: the image as large as fits, the legend right beside it."""

from __future__ import annotations

from quicklook import theme
from quicklook.qt import QtCore, QtGui, QtWidgets, Signal, Slot

__all__ = ["BAR_WIDTH", "LEGEND_WIDTH", "BesideImage"]

LEGEND_WIDTH, BAR_WIDTH = 222, 100
"""Room for a legend; for a colour bar with numbers and a label."""
_TOP_RIGHT = 6


class BesideImage(QtWidgets.QWidget):
    """Keeps the proportions of an image whose axes need fixed margins, and centres the pair.

    Parameters
    ----------
    view, side : QWidget
        Image with axes, and legend or colour bar.
    margins : (left, bottom)
        Room for the axes of `view` [screen pixels] with text of the usual size; 6 more at top and right.

    Signals
    -------
    placed
        The image has a new size.
    """

    placed = Signal()

    def __init__(
        self, view: QtWidgets.QWidget, side: QtWidgets.QWidget, margins: tuple[int, int]
    ) -> None:
        super().__init__()
        self._view = view
        self._side = side
        self._margins = margins
        self._aspect = 1.0
        self._side_width = LEGEND_WIDTH
        view.setParent(self)
        side.setParent(self)
        self.setMinimumSize(LEGEND_WIDTH + 160, 160)
        theme.notifier.changed.connect(self._place)

    def set_aspect(self, aspect: float) -> None:
        """Set width / height of the image."""
        self._aspect = aspect
        self._place()

    def set_side_width(self, width: int) -> None:
        """Set the room at the side [screen pixels, with text of the usual size]."""
        if width != self._side_width:
            self._side_width = width
            self._place()

    def paintEvent(self, _event: QtGui.QPaintEvent | None) -> None:
        """Fill what image and legend leave with their own ground."""
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect(), QtGui.QColor(theme.current().paper))
        painter.end()

    def resizeEvent(self, event: object) -> None:
        """Keep the proportions."""
        super().resizeEvent(event)
        self._place()

    @Slot()
    def _place(self) -> None:
        scale = theme.text_scale()
        extra_width = round(self._margins[0] * scale) + _TOP_RIGHT
        extra_height = round(self._margins[1] * scale) + _TOP_RIGHT
        side = round(self._side_width * scale)
        room = max(self.width() - side - extra_width, 10)
        height = max(self.height() - extra_height, 10)
        width = min(room, height * self._aspect)
        height = min(height, width / self._aspect)
        full_width, full_height = round(width + extra_width), round(height + extra_height)
        left = (self.width() - full_width - side) // 2
        top = (self.height() - full_height) // 2
        self._view.setGeometry(QtCore.QRect(left, top, full_width, full_height))
        self._side.setGeometry(QtCore.QRect(left + full_width, top, side, full_height))
        self.placed.emit()
