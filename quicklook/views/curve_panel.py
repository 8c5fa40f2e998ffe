"""The calibration curve of one pixel through its lines, and what is left between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quicklook import theme
from quicklook.qt import Qt, QtWidgets, Slot, pg
from quicklook.views.axes import CalmPlot
from quicklook.views.line_colours import line_colour

if TYPE_CHECKING:
    from pipeline_core.wavecal.browse import PixelPage

__all__ = ["CurvePanel"]

_LEAST_RESIDUAL = 0.05
"""Percent: residuals smaller than this all look like none."""


class CurvePanel(QtWidgets.QWidget):
    """Energy against phase above, residuals in percent below."""

    def __init__(self) -> None:
        super().__init__()
        self.page: PixelPage | None = None
        self._built = False
        self._layout = QtWidgets.QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)

    def build(self) -> None:
        """Make the plots, if that was not done: it takes too long to be done with everything else in one go."""
        if self._built:
            return
        self._built = True
        self.above, self.below = CalmPlot(), CalmPlot()
        self.above.setLabel("left", "Energy [eV]")
        self.below.setLabel("left", "Off [%]")
        self.below.setLabel("bottom", "Phase [deg]")
        self.below.setXLink(self.above)
        self.inside, self.outside = pg.PlotCurveItem(), pg.PlotCurveItem(connect="finite")
        self.zero = pg.InfiniteLine(angle=0)
        self.points = {plot: pg.ScatterPlotItem(size=9) for plot in (self.above, self.below)}
        self.errors = {plot: pg.ErrorBarItem(beam=0) for plot in (self.above, self.below)}
        for item in (self.outside, self.inside):
            self.above.addItem(item)
        self.below.addItem(self.zero)
        for plot in (self.above, self.below):
            plot.addItem(self.errors[plot])
            plot.addItem(self.points[plot])
        self._layout.addWidget(self.above, 3)
        self._layout.addWidget(self.below, 1)
        theme.notifier.changed.connect(self.restyle)

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        if self.page is not None:
            self.show_page(self.page)

    def show_page(self, page: PixelPage) -> None:
        """Draw the curve of a pixel; a pixel that is not calibrated has its curve in dashes."""
        self.build()
        self.page = page
        look, curve = theme.current(), page.curve
        style = Qt.PenStyle.SolidLine if page.calibrated else Qt.PenStyle.DashLine
        self.inside.setPen(pg.mkPen(look.accent, width=2, style=style))
        self.outside.setPen(pg.mkPen(look.accent, width=1, style=Qt.PenStyle.DotLine))
        self.zero.setPen(pg.mkPen(look.axis))
        self.outside.setData(curve.phase, curve.energy)
        self.inside.setData(curve.phase[curve.inside], curve.energy[curve.inside])
        brushes = [line_colour(float(page.rank[j])) for j in curve.line]
        self._draw_points(
            self.above, curve.centre, curve.line_energy, brushes, x=curve.centre_error
        )
        self._draw_points(self.below, curve.centre, curve.residual, brushes, y=curve.residual_error)
        self._set_ranges(page)

    def _draw_points(self, plot, x_at, y_at, brushes, x=None, y=None):
        """Draw points and errors; without a curve there are no residuals."""
        look = theme.current()
        some = np.isfinite(y_at)
        self.errors[plot].setVisible(bool(some.any()))
        self.points[plot].setData(
            x=x_at[some],
            y=y_at[some],
            brush=[brush for brush, fine in zip(brushes, some, strict=True) if fine],
            pen=pg.mkPen(look.ink, width=1),
        )
        if some.any():
            nothing = np.zeros(int(some.sum()))
            dx = nothing if x is None else x[some]
            dy = nothing if y is None else y[some]
            self.errors[plot].setData(
                x=x_at[some],
                y=y_at[some],
                left=dx,
                right=dx,
                top=dy,
                bottom=dy,
                pen=pg.mkPen(look.ink, width=1),
            )

    def _set_ranges(self, page: PixelPage) -> None:
        curve = page.curve
        self.above.setXRange(float(curve.phase[0]), float(curve.phase[-1]), padding=0)
        energies = np.concatenate([curve.energy[np.isfinite(curve.energy)], curve.line_energy])
        if energies.size:
            low, high = float(energies.min()), float(energies.max())
            self.above.setYRange(low, high, padding=0.08)
        reach = np.abs(curve.residual) + curve.residual_error
        reach = reach[np.isfinite(reach)]
        top = 1.2 * max(float(reach.max(initial=0.0)), _LEAST_RESIDUAL)
        self.below.setYRange(-top, top, padding=0)
