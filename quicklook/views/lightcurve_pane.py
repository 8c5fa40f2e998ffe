"""Light curve of the active pixel: rate against time, with its statistical error as a band."""

from __future__ import annotations

from quicklook import palette
from quicklook.qt import QtGui, pg
from quicklook.requests import LightCurveRequest, PlotResult
from quicklook.session import Session
from quicklook.tasks import FileFacts
from quicklook.views.gap_shade import GapShade
from quicklook.views.plot_pane import PlotPane

__all__ = ["LightCurvePane"]

_BAND_UP_TO = 5000
"""With more bins than this the band would be a solid block, and slow to draw."""


class LightCurvePane(PlotPane):
    """Counts per second in bins of the effective exposure time."""

    uses_bin = True

    def __init__(self, session: Session) -> None:
        super().__init__("light_curve", "Light curve", session)
        self.plot.setLabel("bottom", "Time from start [s]")
        self.plot.setLabel("left", "Rate [counts/s]")
        self.curve = pg.PlotCurveItem(pen=pg.mkPen(palette.ACCENT, width=1), connect="finite")
        band = QtGui.QColor(palette.BAND)
        band.setAlpha(120)
        self._low = pg.PlotCurveItem(pen=None, connect="finite")
        self._high = pg.PlotCurveItem(pen=None, connect="finite")
        self.band = pg.FillBetweenItem(self._low, self._high, brush=band)
        self.gaps = GapShade()
        self.plot.addItem(self.gaps, ignoreBounds=True)
        self.plot.addItem(self.band)
        self.plot.addItem(self.curve)

    def request(self, facts: FileFacts, pixel: tuple[int, int]) -> LightCurveRequest:
        """Return the snapshot of what this plot needs."""
        return LightCurveRequest(**self._request_fields(facts, pixel))  # type: ignore[arg-type]

    def draw(self, result: PlotResult) -> None:
        """Draw a `LightCurve`."""
        data, request = result.data, result.request
        middle = (data.edges_s[:-1] + data.edges_s[1:]) / 2
        rate, error = data.rate_cps, data.rate_error_cps
        with_band = rate.size <= _BAND_UP_TO
        self.curve.setData(middle, rate)
        self.gaps.set_bins(data.edges_s, data.open_time_s == 0)
        self.band.setVisible(with_band)
        if with_band:
            self._low.setData(middle, rate - error)
            self._high.setData(middle, rate + error)
        self.plot.setLimits(xMin=request.start_s, xMax=request.stop_s, yMin=0)
        self.plot.setXRange(request.start_s, request.stop_s, padding=0)
        self.plot.enableAutoRange(axis="y")
        band = "band ±√n" if with_band else "error band not drawn above 5000 bins"
        gaps = ", grey: no data" if self.gaps.intervals else ""
        self.set_detail(f"Pixel {request.pixel}   bins of {1e3 * data.bin_s:g} ms, {band}{gaps}")
