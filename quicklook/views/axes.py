"""How axes and curves look: the same in every pane."""

from __future__ import annotations

from quicklook import palette
from quicklook.qt import QtGui, QtWidgets, pg

__all__ = ["WholeNumberAxis", "calm_axis", "new_plot", "new_steps"]

_SMALLER = 0.9
"""Size of the numbers and labels of axes, relative to the text of the window."""


def calm_axis(axis: pg.AxisItem) -> None:
    """Give an axis quiet lines and readable numbers, in the unit that its label says."""
    axis.enableAutoSIPrefix(False)  # or counts would be shown "(x1000)"
    axis.setPen(palette.AXIS)
    axis.setTextPen(palette.INK)
    # numbers at the ends may reach beyond the axis (a grid would forbid that: none is drawn)
    axis.setStyle(tickLength=-4, maxTickLevel=1, hideOverlappingLabels=False)
    font = QtWidgets.QApplication.font()
    font.setPointSizeF(font.pointSizeF() * _SMALLER)
    axis.setTickFont(font)
    axis.label.setFont(font)


class WholeNumberAxis(pg.AxisItem):
    """An axis of counts: no ticks between whole numbers."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:  # noqa: N802
        """Return pyqtgraph's choice without what is finer than 1."""
        levels = [level for level in super().tickSpacing(low, high, size) if level[0] >= 1]
        return levels or [(1.0, 0.0)]


def new_plot(**axes: pg.AxisItem) -> pg.PlotWidget:
    """Return an empty plot with calm axes; `axes` replaces some, by side."""
    plot = pg.PlotWidget(background=palette.PAPER, axisItems=axes)
    plot.setMinimumHeight(90)
    plot.setSizePolicy(
        QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Expanding
    )
    item = plot.getPlotItem()
    item.setMenuEnabled(False)
    item.hideButtons()
    for side in ("left", "bottom"):
        calm_axis(item.getAxis(side))
    item.getAxis("left").setWidth(62)
    item.getAxis("bottom").setHeight(round(2.2 * plot.fontMetrics().height()))
    item.layout.setContentsMargins(0, 4, 12, 4)  # room for the last number of the lower axis
    item.getViewBox().setDefaultPadding(0.01)
    return plot


def new_steps() -> pg.PlotCurveItem:
    """Return filled steps, for histograms: quicker than one rectangle a bin, and the same picture."""
    fill = QtGui.QColor(palette.BAND)
    fill.setAlpha(150)
    pen = pg.mkPen(palette.ACCENT, width=1)
    return pg.PlotCurveItem([0, 1], [0], stepMode="center", fillLevel=0, brush=fill, pen=pen)
