"""Intensity histogram: how often a bin holds n counts, with Poisson's law."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from quicklook import theme
from quicklook.qt import Slot, pg
from quicklook.requests import HistogramRequest, PlotResult
from quicklook.session import Session
from quicklook.views.axes import Steps, WholeNumberAxis
from quicklook.views.lightcurve_pane import number
from quicklook.views.plot_pane import Columns, Home, PlotPane

if TYPE_CHECKING:
    from pipeline_core.speckle.browse import PixelPage

__all__ = ["HistogramPane"]

_RICIAN = "Modified Rician, fitted"

_SHORTEST_AXIS = 6
"""A pixel without light shows some empty bins, not one bar across the plot."""

_FAR_FROM_ZERO = 0.4
"""Where even the darkest bin has more than this part of the brightest one's counts, 0 is not shown."""

_ROOM_FOR_LEGEND = 1.4
_SYMBOLS_UP_TO = 60
_OUT_OF_SIGHT = 1e-6
"""The model's curve goes on below a logarithmic axis, but not to zero."""


class HistogramPane(PlotPane):
    """Relative frequency of counts per bin of the effective exposure time."""

    kind: ClassVar[str] = "histogram"
    title: ClassVar[str] = "Intensity histogram"
    request_type = HistogramRequest
    uses_bin = True

    def __init__(self, session: Session, name: str = "", home: Home | None = None) -> None:
        self._page: PixelPage | None = None
        super().__init__(session, name, home, bottom=WholeNumberAxis("bottom"))

    def add_items(self) -> None:
        """Put bars, model and legend into the plot."""
        self.plot.setLabel("left", "Frequency")
        self.bars = Steps()
        self.poisson = pg.PlotDataItem(symbol="o", symbolSize=4)
        self.rician = pg.PlotDataItem()
        self.rician.hide()
        self.plot.addItem(self.bars)
        self.plot.addItem(self.poisson)
        self.plot.addItem(self.rician)
        self._legend = self.plot.addLegend(offset=(-8, 4))
        self._legend.addItem(self.poisson, "Poisson, same mean")

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        colours = theme.current()
        self.bars.restyle()
        self.poisson.setPen(pg.mkPen(colours.poisson, width=1.5))
        self.poisson.setSymbolBrush(colours.poisson)
        self.poisson.setSymbolPen(None)
        self.rician.setPen(pg.mkPen(colours.ink, width=1.5))
        self._legend.setBrush(None)  # it would hide bars
        for _, label in self._legend.items:
            label.setText(label.text, color=colours.ink)

    def is_empty(self, result: PlotResult) -> bool:
        """Whether every bin was empty."""
        return not result.data.occurrences[1:].any()

    def draw(self, result: PlotResult) -> None:
        """Draw an `IntensityHistogram`."""
        data = result.data
        counts = np.arange(data.frequency.size)
        edges = np.arange(data.frequency.size + 1) - 0.5
        floor = 0.5 / max(data.n_bins, 1)  # half a bin
        base = float(self.plot.on_scale(np.zeros(1), floor)[0])
        self.bars.setData(edges, self.plot.on_scale(data.frequency, floor), fillLevel=base)
        model = self.plot.on_scale(data.poisson, floor * _OUT_OF_SIGHT)
        self.poisson.setData(counts, model, symbol="o" if counts.size <= _SYMBOLS_UP_TO else None)
        self.plot.setLabel("bottom", f"Counts per {1e3 * data.bin_s:g} ms")
        self.plot.setLimits(xMin=-0.5)
        first = int(data.occurrences.nonzero()[0][0]) if data.n_bins else 0
        if first < counts.size * _FAR_FROM_ZERO:
            first = 0
        self.plot.setXRange(first - 0.5, max(counts.size, _SHORTEST_AXIS) - 0.5, padding=0)
        highest = max(float(data.frequency.max()), float(data.poisson.max()))
        self.plot.show_heights(floor, highest, _ROOM_FOR_LEGEND)
        self.set_detail(f"{result.request.label}   {data.n_bins} bins of {1e3 * data.bin_s:g} ms")
        self.set_figures(
            f"mean {number(data.mean)} counts   variance {number(data.variance)}   "
            f"Fano {number(data.fano, 3)} (Poisson: 1)"
        )
        self._draw_rician()

    @Slot(object)
    def show_study(self, page: PixelPage) -> None:
        """Draw the modified Rician of a study, if it is of the very histogram on the screen."""
        self._page = page
        self._draw_rician()

    def _draw_rician(self) -> None:
        shown = self.shown
        self._hide_rician()
        if self._page is None or shown is None or "ml" not in self._page.study.expected:
            return
        study = self._page.study
        if not np.array_equal(study.occurrences, shown.data.occurrences):
            return
        model = study.expected["ml"] / max(shown.data.n_bins, 1)
        floor = 0.5 * _OUT_OF_SIGHT / max(shown.data.n_bins, 1)
        self.rician.setData(np.arange(model.size), self.plot.on_scale(model, floor))
        self.rician.show()
        self._legend.addItem(self.rician, _RICIAN)
        self.restyle()

    def _hide_rician(self) -> None:
        if self.rician.isVisible():
            self._legend.removeItem(self.rician)
            self.rician.hide()

    def export_columns(self) -> tuple[str, Columns]:
        """Return how often each number of counts was seen."""
        if self.shown is None:
            return self.kind, {}
        data = self.shown.data
        return self.kind, {
            f"counts per {1e3 * data.bin_s:g} ms": ("", np.arange(data.frequency.size)),
            "bins": ("", data.occurrences),
            "frequency": ("", data.frequency),
            "Poisson, same mean": ("", data.poisson),
        }
