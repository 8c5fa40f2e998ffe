"""The mark on the active pixel: a frame and four arms, visible on every colour."""

from __future__ import annotations

import math

from quicklook import theme
from quicklook.qt import QtCore, QtGui, pg

__all__ = ["PixelMarker"]

_ARM = 3.0
_GAP = 0.4
_LONGEST_ARM_PX = 20
"""On the screen: on few large pixels, arms of three pixels would cross out the picture."""


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
        transform = painter.worldTransform()
        pixel_size = math.hypot(transform.m11(), transform.m12())
        arm = min(_ARM, _GAP + _LONGEST_ARM_PX / max(pixel_size, 1e-6))
        lines = [
            QtCore.QLineF(0.5, -arm, 0.5, -_GAP),
            QtCore.QLineF(0.5, 1 + _GAP, 0.5, 1 + arm),
            QtCore.QLineF(-arm, 0.5, -_GAP, 0.5),
            QtCore.QLineF(1 + _GAP, 0.5, 1 + arm, 0.5),
        ]
        colours = theme.current()
        for colour, width in ((colours.marker_edge, 4), (colours.marker, 2)):
            painter.setPen(pg.mkPen(colour, width=width, cosmetic=True))
            painter.drawRect(QtCore.QRectF(0, 0, 1, 1))
            painter.drawLines(lines)
