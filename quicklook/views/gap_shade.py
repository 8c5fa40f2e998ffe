"""Grey areas behind a light curve: times without data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicklook import theme
from quicklook.qt import QtCore, QtGui, pg

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["GapShade"]


class GapShade(pg.GraphicsObject):
    """Shades intervals of x over the whole height of the plot, whatever part of it is on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(-10)
        self.intervals: list[tuple[float, float]] = []

    def set_bins(self, edges: npt.NDArray[np.float64], empty: npt.NDArray[np.bool_]) -> None:
        """Shade the bins that are `empty`, neighbours as one area."""
        self.intervals = []
        for k in empty.nonzero()[0]:
            low, high = float(edges[k]), float(edges[k + 1])
            if self.intervals and self.intervals[-1][1] == low:
                low = self.intervals.pop()[0]
            self.intervals.append((low, high))
        self.update()

    def viewRangeChanged(self) -> None:  # noqa: N802
        """Follow a zoom: the areas fill the height that is seen."""
        self.prepareGeometryChange()

    def boundingRect(self) -> QtCore.QRectF:
        """Return what is seen of the plot."""
        return QtCore.QRectF(self.viewRect())

    def paint(self, painter: QtGui.QPainter, *_: object) -> None:
        """Fill the areas, in the theme's colour of the moment."""
        view, colour = self.viewRect(), QtGui.QColor(theme.current().gap)
        for low, high in self.intervals:
            if high > view.left() and low < view.right():
                painter.fillRect(QtCore.QRectF(low, view.top(), high - low, view.height()), colour)
