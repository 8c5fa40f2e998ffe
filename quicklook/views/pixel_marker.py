"""The mark on the active pixel: a frame and four arms, visible on every colour."""

from __future__ import annotations

from quicklook import theme
from quicklook.qt import QtCore, QtGui, pg

__all__ = ["PixelMarker"]

_ARM = 3.0


class PixelMarker(pg.GraphicsObject):
    """Frame around pixel (column, row) of an image with pixels of size 1 around whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(20)
        self.pixel: tuple[int, int] | None = None
        self.hide()

    def set_pixel(self, pixel: tuple[int, int] | None) -> None:
        """Move to a pixel; None hides the mark."""
        self.pixel = pixel
        self.setVisible(pixel is not None)
        if pixel is not None:
            self.setPos(pixel[0] - 0.5, pixel[1] - 0.5)

    def boundingRect(self) -> QtCore.QRectF:
        """Return the area that `paint` touches, with room for the pen."""
        return QtCore.QRectF(-_ARM - 1, -_ARM - 1, 2 * _ARM + 3, 2 * _ARM + 3)

    def paint(self, painter: QtGui.QPainter, *_: object) -> None:
        """Draw twice, broad and faint below narrow and strong."""
        lines = [
            QtCore.QLineF(0.5, -_ARM, 0.5, -0.4),
            QtCore.QLineF(0.5, 1.4, 0.5, 1 + _ARM),
            QtCore.QLineF(-_ARM, 0.5, -0.4, 0.5),
            QtCore.QLineF(1.4, 0.5, 1 + _ARM, 0.5),
        ]
        colours = theme.current()
        for colour, width in ((colours.marker_edge, 4), (colours.marker, 2)):
            painter.setPen(pg.mkPen(colour, width=width, cosmetic=True))
            painter.drawRect(QtCore.QRectF(0, 0, 1, 1))
            painter.drawLines(lines)
