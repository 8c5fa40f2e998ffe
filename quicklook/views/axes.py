"""How axes and curves look: the same in every pane, in the colours of the theme, linear or logarithmic.

A logarithmic axis is made here and not by pyqtgraph, whose own mode takes the logarithm of zero: empty
bins would warn, and blank the plot. `CalmPlot.on_scale` puts what is too small on the lower edge.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np

from quicklook import theme
from quicklook.qt import Qt, QtGui, QtWidgets, Signal, Slot, pg

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "CalmPlot",
    "LogAxis",
    "Steps",
    "TimeAxis",
    "WholeNumberAxis",
    "calm_axis",
    "faint",
    "new_plot",
    "over",
]

_SMALLER = 0.9
"""Size of the numbers and labels of axes, relative to the text of the window."""

_LEFT_WIDTH = 62
_ROOMY_DECADE, _WIDE_DECADE = 60, 110
"""Height, and width, of a power of ten [screen pixels] from which on there are numbers between."""


def calm_axis(axis: pg.AxisItem) -> None:
    """Give an axis quiet lines and readable numbers, in the unit that its label says."""
    colours = theme.current()
    if axis.autoSIPrefix:  # or counts would be shown "(x1000)"; to say so twice would bring it back
        axis.enableAutoSIPrefix(False)
    axis.setPen(colours.axis)
    axis.setTextPen(colours.ink)
    # numbers at the ends may reach beyond the axis (a grid would forbid that: none is drawn)
    axis.setStyle(tickLength=-4, maxTickLevel=1, hideOverlappingLabels=False)
    font = QtWidgets.QApplication.font()
    font.setPointSizeF(font.pointSizeF() * _SMALLER)
    axis.setTickFont(font)
    axis.label.setFont(font)


def faint(colour: str, alpha: int) -> QtGui.QColor:
    """Return a colour that lets through what is behind it; `alpha` from 0 to 255."""
    result = QtGui.QColor(colour)
    result.setAlpha(alpha)
    return result


def over(colour: str, paper: str, opacity: float) -> QtGui.QColor:
    """Return how a colour looks on paper if it lets some through: for areas that overlap."""
    front, back = QtGui.QColor(colour), QtGui.QColor(paper)
    pairs = zip(front.getRgb()[:3], back.getRgb()[:3], strict=True)
    return QtGui.QColor(*(round(opacity * a + (1 - opacity) * b) for a, b in pairs))


class WholeNumberAxis(pg.AxisItem):
    """An axis of counts: no ticks between whole numbers."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:  # noqa: N802
        """Return pyqtgraph's choice without what is finer than 1."""
        levels = [level for level in super().tickSpacing(low, high, size) if level[0] >= 1]
        return levels or [(1.0, 0.0)]


class TimeAxis(pg.AxisItem):
    """Seconds from the start of an observation, or the time of day in UTC."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.start_unix: int | None = None
        """Start of the observation to show UTC; None: seconds."""

    def show_utc(self, start_unix: int | None) -> None:
        """Show the time of day of an observation that began then, or seconds again (None)."""
        label = "Time from start [s]"
        if start_unix is not None:
            label = f"UTC on {_utc(start_unix):%Y-%m-%d}"
        if (start_unix, label) == (self.start_unix, self.labelText):
            return  # laying out the numbers anew takes longer than drawing a curve
        self.start_unix = start_unix
        self.setLabel(label)
        self.picture = None
        self.update()

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the numbers of the ticks: hh:mm:ss, with fractions only where ticks need them."""
        if self.start_unix is None:
            return list(super().tickStrings(values, scale, spacing))
        digits = 0 if spacing >= 1 else min(len(f"{spacing:.6f}".rstrip("0")) - 2, 6)
        texts = [f"{_utc(self.start_unix + value):%H:%M:%S.%f}" for value in values]
        return [text[: 9 + digits].rstrip(".") for text in texts]


def _utc(unix: float) -> datetime.datetime:
    # rounded to what is shown, or 0.3 s becomes .299999
    return datetime.datetime.fromtimestamp(round(unix, 6), tz=datetime.timezone.utc)


class _LeftAxis(pg.AxisItem):
    """A vertical axis whose numbers and label stay readable in log mode and in a low plot."""

    def resizeEvent(self, event: object = None) -> None:
        """Let a label that is longer than the axis reach below it, not out of the plot."""
        super().resizeEvent(event)
        if self.label is not None:
            length = self.label.boundingRect().width()
            view = self.getViewWidget()
            if length > self.size().height() and view is not None:
                below = view.height() - self.scenePos().y()
                self.label.setY(min(length, below))

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """Return plain numbers where they are short: of 1, 2 and 5 only, or of 1 where it is narrow."""
        return _decade_strings(values, _decade(self, self.size().height()) > _ROOMY_DECADE)


class LogAxis(pg.AxisItem):
    """A horizontal axis of powers of ten whose numbers have room."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.setLogMode(True)

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: N802
        """Return plain numbers where they are short: of 1, 2 and 5 only, or of 1 where it is narrow."""
        return _decade_strings(values, _decade(self, self.size().width()) > _WIDE_DECADE)


def _decade(axis: pg.AxisItem, length: float) -> float:
    """Return how long a decade is on the screen."""
    low, high = axis.range
    return float(length / max(high - low, 1e-9))


def _decade_strings(values: list[float], roomy: bool) -> list[str]:
    shown = (1, 2, 5) if roomy else (1,)
    digits = [round(10 ** (value % 1)) for value in values]
    return [
        _plain(float(value)) if digit in shown else ""
        for value, digit in zip(values, digits, strict=True)
    ]


def _plain(exponent: float) -> str:
    if -3 <= exponent < 5:
        return f"{10**exponent:.4g}"
    return f"{10**exponent:.0e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


class _SpanViewBox(pg.ViewBox):
    """Shift and drag marks a span of x; a double click asks for the whole picture."""

    spanDragged = Signal(float, float)  # noqa: N815
    doubleClicked = Signal()  # noqa: N815

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self._mark: pg.LinearRegionItem | None = None

    def mouseDragEvent(self, event: pg.GraphicsScene.mouseEvents.MouseDragEvent, axis=None) -> None:
        """Mark a span with Shift; else move or zoom as usual."""
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        left = event.button() == Qt.MouseButton.LeftButton
        if axis is not None or not left or not (shift or self._mark is not None):
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        ends = sorted(
            float(self.mapToView(point).x()) for point in (event.buttonDownPos(), event.pos())
        )
        if self._mark is None:
            self._mark = pg.LinearRegionItem(brush=faint(theme.current().accent, 60), movable=False)
            self.addItem(self._mark, ignoreBounds=True)
        self._mark.setRegion(ends)
        if event.isFinish():
            self.removeItem(self._mark)
            self._mark = None
            if ends[0] < ends[1]:
                self.spanDragged.emit(*ends)

    def mouseClickEvent(self, event: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        """Ask for the whole picture."""
        if event.double() and event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            self.doubleClicked.emit()


class CalmPlot(pg.PlotWidget):
    """An empty plot with calm axes, which follows the theme.

    Signals
    -------
    spanDragged
        (low, high) on the x axis, marked with Shift and the mouse.
    doubleClicked
        The whole picture is wanted.
    """

    spanDragged = Signal(float, float)  # noqa: N815
    doubleClicked = Signal()  # noqa: N815

    def __init__(self, **axes: pg.AxisItem) -> None:
        axes.setdefault("left", _LeftAxis("left"))
        box = _SpanViewBox()
        super().__init__(viewBox=box, axisItems=axes)
        self.log_y = False
        self.setMinimumHeight(86)  # three of them fit a small screen
        self.setSizePolicy(
            QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Expanding
        )
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.layout.setContentsMargins(0, 4, 16, 4)  # room for the last number of the lower axis
        box.setDefaultPadding(0.01)
        box.spanDragged.connect(self.spanDragged)
        box.doubleClicked.connect(self.doubleClicked)
        theme.notifier.changed.connect(self.restyle)
        self.restyle()

    @Slot()
    def restyle(self) -> None:
        """Take the colours and the size of the text that are in use."""
        self.setBackground(theme.current().paper)
        item = self.getPlotItem()
        for side in ("left", "bottom"):
            calm_axis(item.getAxis(side))
        item.getAxis("left").setWidth(round(_LEFT_WIDTH * max(theme.text_scale(), 1)))
        item.getAxis("bottom").setHeight(round(1.9 * self.fontMetrics().height()))

    def setLabel(self, side: str, text: str) -> None:  # noqa: N802
        """Set the label of an axis; nothing is laid out anew if it has this one already."""
        axis = self.getPlotItem().getAxis(side)
        if axis.labelText != text:
            axis.setLabel(text)
            axis.resizeEvent(None)  # or the new text begins where the one before did

    def set_log_y(self, on: bool) -> None:
        """Let the numbers of the y axis be logarithmic; what is drawn must go through `on_scale`."""
        self.log_y = on
        self.getPlotItem().getAxis("left").setLogMode(on)

    def on_scale(self, values: npt.NDArray[np.float64], floor: float) -> npt.NDArray[np.float64]:
        """Return where values are on the y axis; on a logarithmic one `floor` stands for less."""
        return np.log10(np.maximum(values, floor)) if self.log_y else values

    def show_heights(self, floor: float, top: float, room: float = 1.05) -> None:
        """Show y from 0 (or `floor` on a logarithmic axis) to `top`, and `room` above it."""
        if self.log_y:
            low = float(np.log10(floor))
            high = max(float(np.log10(max(top, floor))), low + 1)
            high += (high - low) * (room - 1)
        else:
            low, high = 0.0, room * (top if top > 0 else 1.0)
        self.setLimits(yMin=low)
        self.setYRange(low, high, padding=0)


def new_plot(**axes: pg.AxisItem) -> CalmPlot:
    """Return an empty plot with calm axes; `axes` replaces some, by side."""
    return CalmPlot(**axes)


class Steps(pg.PlotCurveItem):
    """Filled steps, for histograms: quicker than one rectangle a bin, and the same picture."""

    def __init__(self) -> None:
        super().__init__([0, 1], [0], stepMode="center", fillLevel=0)

    def restyle(self) -> None:
        """Take the colours of the theme."""
        self.setBrush(faint(theme.current().band, 150))
        self.setPen(pg.mkPen(theme.current().accent, width=1))
