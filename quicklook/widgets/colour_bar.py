"""The colour bar: what a colour means, and gestures that change the contrast.

Wheel: upper limit up or down by 5 % of the range. Click: clip at the value under the mouse. Drag: pull
the nearer limit. The same with Ctrl: the lower limit. Drag with the right button: up and down moves both limits,
left and right changes their distance. Double click: automatic limits again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_core.display import Scale, drag_level, level_width, wheel_level
from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ColourBar"]

_STRIP = 18
_TICK = 5
_PX_PER_TICK = 44
_CLICK_PX = 4
_WHEEL_STEP = 120.0


class ColourBar(QtWidgets.QWidget):
    """A vertical strip with numbers and a label.

    Signals
    -------
    levelsWanted
        (low, high) that a gesture asks for.
    automaticWanted
        A double click.
    """

    levelsWanted = Signal(object)  # noqa: N815
    automaticWanted = Signal()  # noqa: N815

    def __init__(self, bottom_margin: int = 0) -> None:
        super().__init__()
        self.scale: Scale | None = None
        self.label = ""
        self._bottom = bottom_margin
        self._colours: npt.NDArray[np.uint8] | None = None
        self._strip = QtGui.QImage()
        self._pressed: QtCore.QPoint | None = None
        self._dragging = False
        self._drags_lower = False
        self.setMouseTracking(True)
        self.setToolTip(
            "Wheel: upper limit (Ctrl: lower)\nClick: clip at this value (Ctrl: from below)\n"
            "Drag: pull the nearer limit\nRight drag: brightness and contrast\n"
            "Double click: automatic limits"
        )
        self.setAccessibleName("Colour bar")
        theme.notifier.changed.connect(self.update)

    def set_colours(self, colours: npt.NDArray[np.uint8]) -> None:
        """Use a table of colours, shape (n, 3), lowest first."""
        self._colours = colours
        strip = colours[::-1].copy()
        height = strip.shape[0]
        self._strip = QtGui.QImage(
            strip.tobytes(), 1, height, 3, QtGui.QImage.Format.Format_RGB888
        ).copy()
        self.update()

    def set_scale(self, scale: Scale) -> None:
        """Show another range or stretch."""
        self.scale = scale
        self.update()

    def set_label(self, label: str) -> None:
        """Say what the colours mean, with the unit; a bar that is too low leaves out what a comma begins."""
        self.label = label
        self.update()

    # --- drawing ---------------------------------------------------------------------------------

    @property
    def strip_area(self) -> QtCore.QRect:
        """Where the colours are."""
        top = self.fontMetrics().height() // 2 + 2
        bottom = round(self._bottom * theme.text_scale())
        return QtCore.QRect(8, top, _STRIP, max(self.height() - top - bottom - 1, 10))

    def paintEvent(self, event: QtGui.QPaintEvent | None) -> None:
        """Draw strip, ticks, numbers and label."""
        del event
        if self.scale is None:
            return
        painter = QtGui.QPainter(self)
        colours = theme.current()
        painter.fillRect(self.rect(), QtGui.QColor(colours.paper))
        area = self.strip_area
        painter.drawImage(area, self._strip)
        painter.setPen(QtGui.QColor(colours.axis))
        painter.drawRect(area.adjusted(0, 0, -1, -1))
        metrics = self.fontMetrics()
        widest = 0
        for fraction, text in self._ticks(area.height()):
            y = round(area.bottom() - fraction * (area.height() - 1))
            painter.setPen(QtGui.QColor(colours.axis))
            painter.drawLine(area.right() + 1, y, area.right() + _TICK, y)
            painter.setPen(QtGui.QColor(colours.ink))
            painter.drawText(area.right() + _TICK + 4, y + metrics.ascent() // 2 - 1, text)
            widest = max(widest, metrics.horizontalAdvance(text))
        self._paint_label(painter, area, area.right() + _TICK + 8 + widest)
        painter.end()

    def _ticks(self, height: int) -> list[tuple[float, str]]:
        """Return (fraction, text) of numbers that do not touch."""
        assert self.scale is not None
        wanted = max(height // _PX_PER_TICK, 2)
        nearest = self.fontMetrics().height() / max(height, 1)
        found: list[tuple[float, str]] = []
        for fraction, value in self.scale.ticks(wanted):
            if not found or abs(fraction - found[-1][0]) > nearest:
                found.append((fraction, f"{value:,.6g}"))
        return found

    def _paint_label(self, painter: QtGui.QPainter, area: QtCore.QRect, left: int) -> None:
        painter.save()
        painter.translate(left + self.fontMetrics().height(), area.center().y())
        painter.rotate(-90)
        width = area.height()
        text = self.label
        if self.fontMetrics().horizontalAdvance(text) > width:
            text = text.partition(",")[0]
        text = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
        box = QtCore.QRect(
            -width // 2, -self.fontMetrics().height(), width, self.fontMetrics().height() + 4
        )
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.restore()

    # --- gestures --------------------------------------------------------------------------------

    def value_at(self, y: float) -> float:
        """Return the value whose colour is drawn at a height."""
        assert self.scale is not None
        area = self.strip_area
        fraction = (area.bottom() - y) / max(area.height() - 1, 1)
        return float(self.scale.inverse(min(max(fraction, 0.0), 1.0)))

    def wheelEvent(self, event: QtGui.QWheelEvent | None) -> None:
        """Move the upper limit; with Ctrl the lower one."""
        if event is None or self.scale is None:
            return
        steps = event.angleDelta().y() / _WHEEL_STEP
        lower = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        self.levelsWanted.emit(wheel_level(self.scale.levels, steps, lower=lower))
        event.accept()

    def mousePressEvent(self, event: QtGui.QMouseEvent | None) -> None:
        """Begin a click or a drag."""
        if event is None or self.scale is None:
            return
        self._pressed = event.pos()
        self._dragging = False
        area = self.strip_area
        below_middle = event.pos().y() > area.center().y()
        held = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        self._drags_lower = held or below_middle

    def mouseMoveEvent(self, event: QtGui.QMouseEvent | None) -> None:
        """Pull a limit, or both."""
        if event is None or self.scale is None or self._pressed is None:
            return
        moved = event.pos() - self._pressed
        if not self._dragging and moved.manhattanLength() < _CLICK_PX:
            return
        self._dragging = True
        self._pressed = event.pos()
        up = -moved.y() / max(self.strip_area.height(), 1)
        levels = self.scale.levels
        if event.buttons() & Qt.MouseButton.RightButton:
            self.levelsWanted.emit(level_width(levels, up, moved.x() / max(self.width(), 1)))
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self.levelsWanted.emit(drag_level(levels, up, lower=self._drags_lower))

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent | None) -> None:
        """Clip at the value under the mouse, if it was no drag."""
        if event is None or self.scale is None or self._pressed is None:
            return
        was_click = not self._dragging and event.button() == Qt.MouseButton.LeftButton
        self._pressed = None
        if was_click and self.strip_area.contains(event.pos()):
            low, high = self.scale.levels
            value = self.value_at(event.pos().y())
            if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                low = value
            else:
                high = value
            if low < high:
                self.levelsWanted.emit((low, high))

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent | None) -> None:
        """Ask for automatic limits."""
        self._pressed = None
        if event is not None:
            self.automaticWanted.emit()
