"""Light curve: rate against time, with its statistical error as a band and grey gaps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from quicklook import theme
from quicklook.qt import Signal, Slot, pg
from quicklook.requests import LightCurveRequest, PlotResult
from quicklook.session import Session
from quicklook.views.axes import TimeAxis, over
from quicklook.views.gap_shade import GapShade
from quicklook.views.plot_pane import Columns, Home, PlotPane, tool_button, weighted_title

__all__ = ["LightCurvePane"]

_LONG, _TOO_LONG = 1e4, 1e8  # between them figures are whole numbers, not 2.854e+04

_BAND_UP_TO = 5000
"""With more bins than this the band would be a solid block, and slow to draw."""


class LightCurvePane(PlotPane):
    """Counts per second alive, in bins of the effective exposure time.

    Signals
    -------
    timeSpanSelected
        (start, stop) [s] that was marked with Shift and the mouse, within the time range.
    """

    timeSpanSelected = Signal(float, float)  # noqa: N815

    kind: ClassVar[str] = "light_curve"
    title: ClassVar[str] = "Light curve"
    request_type = LightCurveRequest
    uses_bin = True
    uses_weights = True

    def __init__(self, session: Session, name: str = "", home: Home | None = None) -> None:
        self.times = TimeAxis()
        self._range_drawn: object = None
        self._start_unix = 0
        super().__init__(session, name, home, bottom=self.times)

    def add_items(self) -> None:
        """Put curve, band and gaps into the plot."""
        self.plot.setLabel("left", "Rate [counts/s]")
        self.times.show_utc(None)
        self.curve = pg.PlotDataItem(connect="finite")
        # a box a bin: far quicker to paint than an area between two curves
        self.band = pg.BarGraphItem(x0=[], x1=[], y0=[], y1=[], pen=None)
        self.gaps = GapShade()
        self.plot.addItem(self.gaps, ignoreBounds=True)
        self.plot.addItem(self.band)
        self.plot.addItem(self.curve)
        # Beyond some samples a screen pixel only their extremes are drawn: no peak gets lost.
        # Set after `addItem`, which overwrites it.
        self.curve.setDownsampling(auto=True, method="peak")
        self.curve.setClipToView(True)
        self.plot.spanDragged.connect(self._on_span)
        self.utc = tool_button("UTC", "Time of day in UTC instead of seconds from the start")
        self.utc.setCheckable(True)
        self.utc.toggled.connect(self._show_times)
        self.add_button(self.utc)

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        self.curve.setPen(pg.mkPen(theme.current().accent, width=1))
        self.band.setOpts(brush=over(theme.current().band, theme.current().paper, 0.5))
        self.gaps.update()

    def draw(self, result: PlotResult) -> None:
        """Draw a `LightCurve`."""
        data, request = result.data, result.request
        middle = (data.edges_s[:-1] + data.edges_s[1:]) / 2
        rate, error = data.rate_cps, data.rate_error_cps
        floor = 0.5 / data.bin_s  # half a count
        with_band = rate.size <= _BAND_UP_TO
        self.curve.setData(middle, self.plot.on_scale(rate, floor))
        self.gaps.set_bins(data.edges_s, data.open_time_s == 0)
        self.band.setVisible(with_band)
        if with_band:
            alive = np.isfinite(rate)
            self.band.setOpts(
                x0=data.edges_s[:-1][alive],
                x1=data.edges_s[1:][alive],
                y0=self.plot.on_scale((rate - error)[alive], floor),
                y1=self.plot.on_scale((rate + error)[alive], floor),
            )
        highest = rate + error if with_band else rate
        self.plot.show_heights(floor, np.nanmax(highest, initial=0.0))
        self._show_range(result)
        self._show_times()
        self.set_title(weighted_title(self.title, request))
        self._describe(data, request.label, with_band)

    def _show_range(self, result: PlotResult) -> None:
        """Show the whole time range, unless it is drawn already: a zoom survives another pixel."""
        request = result.request
        drawn = (request.token, request.start_s, request.stop_s)
        if drawn != self._range_drawn:
            self._range_drawn = drawn
            self.plot.setLimits(xMin=request.start_s, xMax=request.stop_s)
            self.plot.setXRange(request.start_s, request.stop_s, padding=0)

    def _describe(self, data: Any, label: str, with_band: bool) -> None:
        error = "√n" if data.sums is None else "√Σw²"
        band = f"band ±{error}" if with_band else f"no error band above {_BAND_UP_TO} bins"
        gaps = ", grey: no data" if self.gaps.intervals else ""
        self.set_detail(f"{label}   {1e3 * data.bin_s:g} ms bins, {band}")
        live, whole = data.live_time_s.sum(), data.edges_s[-1] - data.edges_s[0]
        error = data.mean_rate_error_cps
        spread = ""
        if data.sums is None:  # both say something of photons only if each counts once
            sigma = np.sqrt(data.fano * data.mean_rate_cps / data.bin_s)
            spread = f"σ {number(sigma)}   Fano {number(data.fano, 3)}   "
        self.set_figures(
            f"mean {number(data.mean_rate_cps)} ± {number(error, 2)} counts/s   "
            f"{spread}live {number(live)} of {number(whole)} s{gaps}"
        )

    @Slot()
    def show_all(self) -> None:
        """Show the whole time range again."""
        self._range_drawn = None
        super().show_all()

    @Slot()
    def _show_times(self) -> None:
        facts = self.session.file
        if self.is_at_home and facts is not None:
            self._start_unix = facts.start_unix
        self.times.show_utc(self._start_unix if self.utc.isChecked() and self.shown else None)

    @Slot(float, float)
    def _on_span(self, low: float, high: float) -> None:
        if self.shown is None or not self.is_at_home:
            return
        request = self.shown.request
        start, stop = max(low, request.start_s), min(high, request.stop_s)
        if start < stop:
            self.timeSpanSelected.emit(start, stop)

    def export_columns(self) -> tuple[str, Columns]:
        """Return the bins."""
        if self.shown is None:
            return self.kind, {}
        data = self.shown.data
        return self.kind, {
            "start": ("s", data.edges_s[:-1]),
            "stop": ("s", data.edges_s[1:]),
            "counts": ("", data.counts),
            **({} if data.sums is None else {"weighted counts": ("", data.sums)}),
            "live time": ("s", data.live_time_s),
            "rate": ("counts/s", data.rate_cps),
            "rate error": ("counts/s", data.rate_error_cps),
        }


def number(value: float, digits: int = 4) -> str:
    """Return a figure for the lines above a plot, '–' where there is none."""
    if not np.isfinite(value):
        return "–"
    return f"{value:,.0f}" if _LONG <= abs(value) < _TOO_LONG else f"{value:.{digits}g}"
