"""At which phase the calibrated pixels of an array have their laser lines: a histogram a line, medians dashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quicklook import theme
from quicklook.qt import Qt, QtWidgets, Slot, pg
from quicklook.views.axes import CalmPlot
from quicklook.views.line_colours import line_colour

if TYPE_CHECKING:
    from pipeline_core.wavecal.browse import CentreHistogram

__all__ = ["CentrePanel"]


class CentrePanel(QtWidgets.QWidget):
    """One plot of the whole array."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: CentreHistogram | None = None
        self._items: list[object] = []
        self._built = False
        self._layout = QtWidgets.QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)

    def build(self) -> None:
        """Make the plot, if that was not done: it takes too long to be done with everything else in one go."""
        if self._built:
            return
        self._built = True
        self.plot = CalmPlot()
        self.plot.setLabel("bottom", "Line center [deg]")
        self._legend = self.plot.addLegend(offset=(-8, 4))
        self._layout.addWidget(self.plot)
        theme.notifier.changed.connect(self.restyle)

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        if self.shown is not None:
            self.show_histogram(self.shown)

    def show_histogram(self, found: CentreHistogram) -> None:
        """Draw the histograms of all lines."""
        self.build()
        self.shown = found
        for item in self._items:
            self.plot.removeItem(item)
        self._legend.clear()
        self._legend.setBrush(None)
        self._items = []
        for k, nm in enumerate(found.wavelengths_nm):
            colour = line_colour(float(found.rank[k]))
            steps = pg.PlotCurveItem(
                found.edges,
                found.counts[k].astype(float),
                stepMode="center",
                pen=pg.mkPen(colour, width=1.5),
            )
            self._add(steps)
            label = f"{nm:g} nm"
            if np.isfinite(found.medians[k]):
                label += f", median {found.medians[k]:.1f}°"
                pen = pg.mkPen(colour, width=1, style=Qt.PenStyle.DashLine)
                self._add(pg.InfiniteLine(float(found.medians[k]), angle=90, pen=pen))
            self._legend.addItem(steps, label)
        for _, text in self._legend.items:
            text.setText(text.text, color=theme.current().ink)
        width = float(found.edges[1] - found.edges[0])
        self.plot.setLabel("left", f"Pixels per {width:g} deg")
        self.plot.setXRange(float(found.edges[0]), float(found.edges[-1]), padding=0)
        self.plot.show_heights(0.5, float(found.counts.max(initial=1)), 1.3)

    def _add(self, item: object) -> None:
        self.plot.addItem(item)
        self._items.append(item)
