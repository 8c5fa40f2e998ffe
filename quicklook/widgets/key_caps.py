"""Keys drawn as keys: in the list of commands and on the sheet of keys."""

from __future__ import annotations

from collections.abc import Sequence

from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets

__all__ = ["KeyCaps", "draw_keys", "width_of_keys"]

_SIDE = 6
_BETWEEN = 5
_MARGIN = 2


def width_of_keys(keys: Sequence[str], metrics: QtGui.QFontMetrics) -> int:
    """Return how much room keys need [screen pixels]."""
    widths = [metrics.horizontalAdvance(key) + 2 * _SIDE for key in keys]
    return sum(widths) + _BETWEEN * max(len(keys) - 1, 0)


def draw_keys(painter: QtGui.QPainter, area: QtCore.QRect, keys: Sequence[str]) -> None:
    """Draw keys at the right end of an area, in its middle."""
    metrics = painter.fontMetrics()
    left = area.right() + 1 - width_of_keys(keys, metrics)
    height = metrics.height() + 2 * _MARGIN
    top = area.top() + (area.height() - height) // 2
    colours = theme.current()
    painter.save()
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    for key in keys:
        cap = QtCore.QRect(left, top, metrics.horizontalAdvance(key) + 2 * _SIDE, height)
        painter.setPen(QtGui.QColor(colours.field_border))
        painter.setBrush(QtGui.QColor(colours.field))
        painter.drawRoundedRect(QtCore.QRectF(cap).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.setPen(QtGui.QColor(colours.muted))
        painter.drawText(cap, int(Qt.AlignmentFlag.AlignCenter), key)
        left += cap.width() + _BETWEEN
    painter.restore()


class KeyCaps(QtWidgets.QWidget):
    """Shows the keys of one action; as large as they need."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__()
        self.keys = tuple(keys)
        self.setAccessibleName(" or ".join(keys) or "no keys")
        policy = QtWidgets.QSizePolicy.Policy.Fixed
        self.setSizePolicy(policy, policy)

    def sizeHint(self) -> QtCore.QSize:
        """Return the room that the keys need."""
        metrics = self.fontMetrics()
        return QtCore.QSize(width_of_keys(self.keys, metrics), metrics.height() + 2 * _MARGIN)

    def paintEvent(self, _event: QtGui.QPaintEvent | None) -> None:
        """Draw the keys in the colours of the moment."""
        painter = QtGui.QPainter(self)
        draw_keys(painter, self.rect(), self.keys)
        painter.end()
