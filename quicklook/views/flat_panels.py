"""One pixel of a flat field: its weights with errors, its spectrum beside the reference, its wavelength solution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quicklook import theme
from quicklook.qt import Qt, QtWidgets, Slot, pg
from quicklook.views.axes import CalmPlot, Steps

if TYPE_CHECKING:
    from pipeline_core.flatcal.browse import FlatPage

__all__ = ["FlatPanels"]

_HIGHEST_WEIGHT = 5.0
_NO_CURVE = "No wavelength solution to show"


class FlatPanels(QtWidgets.QWidget):
    """Three plots, one below the other; they are made one at a time by `build_next`."""

    def __init__(self) -> None:
        super().__init__()
        self.page: FlatPage | None = None
        self.nm = 0.0
        self.plots: list[CalmPlot] = []
        self._layout = QtWidgets.QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)

    def build_next(self) -> bool:
        """Make one more plot; return whether there was one to be made."""
        makers = (self._make_weights, self._make_spectrum, self._make_curve)
        if len(self.plots) >= len(makers):
            return False
        plot = CalmPlot()
        self.plots.append(plot)
        makers[len(self.plots) - 1](plot)
        self._layout.addWidget(plot, 1)
        if len(self.plots) == len(makers):
            theme.notifier.changed.connect(self.restyle)
        return True

    def _make_weights(self, plot: CalmPlot) -> None:
        plot.setLabel("left", "Weight")
        plot.setLabel("bottom", "Wavelength [nm]")
        self.one = pg.InfiniteLine(1.0, angle=0)
        self.here = pg.InfiniteLine(angle=90)
        self.errors = pg.ErrorBarItem(beam=0)
        self.weights = pg.PlotDataItem(connect="finite", symbol="o", symbolSize=4)
        for item in (self.one, self.here, self.errors, self.weights):
            plot.addItem(item)

    def _make_spectrum(self, plot: CalmPlot) -> None:
        plot.setLabel("left", "Counts/s per bin")
        plot.setLabel("bottom", "Wavelength [nm]")
        self.bars = Steps()
        self.reference = pg.PlotCurveItem([0, 1], [0], stepMode="center")
        plot.addItem(self.bars)
        plot.addItem(self.reference)
        legend = self.legend = plot.addLegend(offset=(-8, 4))
        legend.addItem(pg.PlotDataItem(pen=pg.mkPen(theme.current().accent)), "this pixel")
        legend.addItem(self.reference, "mean of the array")

    def _make_curve(self, plot: CalmPlot) -> None:
        plot.setLabel("left", "Wavelength [nm]")
        plot.setLabel("bottom", "Phase [deg]")
        self.curve = pg.PlotCurveItem(connect="finite")
        self.note = pg.TextItem(anchor=(0.5, 0.5))
        plot.addItem(self.curve)
        plot.addItem(self.note, ignoreBounds=True)

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        if self.page is not None:
            self.show_page(self.page)

    def show_wavelength(self, nm: float) -> None:
        """Mark the wavelength that the map is of."""
        self.nm = nm
        if self.plots:
            self.here.setValue(nm)

    def show_page(self, page: FlatPage) -> None:
        """Draw a pixel."""
        while self.build_next():
            pass
        self.page = page
        look = theme.current()
        self._draw_weights(page)
        self.bars.restyle()
        self.bars.setData(page.edges_nm, page.rates, fillLevel=0.0)
        self.reference.setData(page.edges_nm, page.reference)
        self.reference.setPen(pg.mkPen(look.poisson, width=1.5))
        self.legend.setBrush(None)
        for _, label in self.legend.items:
            label.setText(label.text, color=look.ink)
        top = max(float(np.max(page.rates, initial=0)), float(np.nanmax(page.reference, initial=0)))
        low, high = float(page.edges_nm[0]), float(page.edges_nm[-1])
        for plot in self.plots[:2]:
            plot.setXRange(low, high, padding=0.01)
        self.plots[1].show_heights(0.5, top, 1.5)
        self._draw_curve(page)

    def _draw_weights(self, page: FlatPage) -> None:
        look = theme.current()
        some = np.isfinite(page.weights)
        self.one.setPen(pg.mkPen(look.axis))
        self.here.setPen(pg.mkPen(look.marker, style=Qt.PenStyle.DashLine))
        self.here.setValue(self.nm)
        self.weights.setData(page.wavelengths_nm, page.weights)
        self.weights.setPen(pg.mkPen(look.accent, width=1.2))
        self.weights.setSymbolBrush(look.accent)
        self.weights.setSymbolPen(None)
        self.errors.setVisible(bool(some.any()))
        if some.any():
            error = np.nan_to_num(page.errors[some])
            self.errors.setData(
                x=page.wavelengths_nm[some],
                y=page.weights[some],
                top=error,
                bottom=error,
                pen=pg.mkPen(look.muted),
            )
        reach = page.weights[some] + np.nan_to_num(page.errors[some])
        top = max(float(np.percentile(reach, 95)) if some.any() else 2.0, 1.2)
        self.plots[0].show_heights(0.1, min(top, _HIGHEST_WEIGHT), 1.15)

    def _draw_curve(self, page: FlatPage) -> None:
        look, plot = theme.current(), self.plots[2]
        self.curve.setPen(pg.mkPen(look.accent, width=2))
        self.curve.setData(page.curve_phase, page.curve_nm)
        known = bool(page.curve_phase.size)
        self.note.setVisible(not known)
        if known:
            plot.setXRange(float(page.curve_phase[0]), float(page.curve_phase[-1]), padding=0.02)
            fine = page.curve_nm[np.isfinite(page.curve_nm)]
            if fine.size:
                plot.setLimits(yMin=None)
                plot.setYRange(float(fine.min()), float(fine.max()), padding=0.05)
        else:
            self.note.setText(page.curve_note or _NO_CURVE, color=look.muted)
            plot.setXRange(0, 1, padding=0)
            plot.setYRange(0, 1, padding=0)
            self.note.setPos(0.5, 0.5)
