"""Intensity histogram of the active pixel: how often a bin holds n counts, with Poisson's law."""

from __future__ import annotations

import numpy as np

from quicklook import palette
from quicklook.qt import pg
from quicklook.requests import HistogramRequest, PlotResult
from quicklook.session import Session
from quicklook.tasks import FileFacts
from quicklook.views.axes import WholeNumberAxis, new_steps
from quicklook.views.plot_pane import PlotPane

__all__ = ["HistogramPane"]

_SHORTEST_AXIS = 6
"""A pixel without light shows some empty bins, not one bar across the plot."""

_ROOM_FOR_LEGEND = 1.3


class HistogramPane(PlotPane):
    """Relative frequency of counts per bin of the effective exposure time."""

    uses_bin = True

    def __init__(self, session: Session) -> None:
        super().__init__(
            "histogram", "Intensity histogram", session, bottom=WholeNumberAxis("bottom")
        )
        self.plot.setLabel("left", "Frequency")
        self.bars = new_steps()
        self.poisson = pg.PlotDataItem(
            pen=pg.mkPen(palette.POISSON, width=1.5),
            symbol="o",
            symbolSize=4,
            symbolBrush=palette.POISSON,
            symbolPen=None,
        )
        self.plot.addItem(self.bars)
        self.plot.addItem(self.poisson)
        legend = self.plot.addLegend(
            offset=(-8, 4), labelTextColor=palette.INK, brush=pg.mkBrush(255, 255, 255, 200)
        )
        legend.addItem(self.poisson, "Poisson, same mean")

    def request(self, facts: FileFacts, pixel: tuple[int, int]) -> HistogramRequest:
        """Return the snapshot of what this plot needs."""
        return HistogramRequest(**self._request_fields(facts, pixel))  # type: ignore[arg-type]

    def draw(self, result: PlotResult) -> None:
        """Draw an `IntensityHistogram`."""
        data = result.data
        counts = np.arange(data.frequency.size)
        edges = np.arange(data.frequency.size + 1) - 0.5
        self.bars.setData(edges, data.frequency)
        self.poisson.setData(counts, data.poisson, symbol="o" if counts.size <= 60 else None)
        self.plot.setLabel("bottom", f"Counts per {1e3 * data.bin_s:g} ms")
        self.plot.setLimits(xMin=-0.5, yMin=0)
        self.plot.setXRange(-0.5, max(counts.size, _SHORTEST_AXIS) - 0.5, padding=0)
        highest = max(float(data.frequency.max()), float(np.nanmax(data.poisson)))
        self.plot.setYRange(0, _ROOM_FOR_LEGEND * highest, padding=0)
        self.set_detail(
            f"Pixel {result.request.pixel}   mean {data.mean:.3g} counts, {data.n_bins} bins"
        )
