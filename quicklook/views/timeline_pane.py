"""The time line: the rate of the whole array over the observation, and the time range as a span to drag."""

from __future__ import annotations

from typing import Any

import numpy as np

from quicklook import theme
from quicklook.qt import QtCore, QtGui, Signal, Slot, pg
from quicklook.requests import Request, SurveyRequest, TimesRequest
from quicklook.session import Session
from quicklook.views.axes import new_plot
from quicklook.views.gap_shade import GapShade
from quicklook.views.pane import Pane

__all__ = ["TimelinePane"]

_SETTLE_MS = 40
_KILO = 1000.0
_TITLE = "Rate of the whole array [10³ counts/s] against time from start [s]"


class TimelinePane(Pane):
    """Rate against time; gaps grey; a span that shows and sets the session's time range.

    Signals
    -------
    timeSpanSelected
        (start, stop) [s] of the span that was dragged.
    surveyed
        The file has been looked through: a `Survey` of the core.
    """

    timeSpanSelected = Signal(float, float)  # noqa: N815
    surveyed = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__("timeline", _TITLE, session)
        self.survey: Any = None
        self.plot = new_plot()
        self.plot.setMinimumHeight(44)
        self.plot.setLabel("left", "")
        self.plot.setMouseEnabled(x=True, y=False)
        self.curve = pg.PlotCurveItem(connect="finite")
        self.gaps = GapShade()
        self.span = pg.LinearRegionItem(swapMode="block")
        self.span.setZValue(5)
        self.plot.addItem(self.gaps, ignoreBounds=True)
        self.plot.addItem(self.curve)
        self.plot.addItem(self.span, ignoreBounds=True)
        self.set_content(self.plot)
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._announce)
        self.span.sigRegionChanged.connect(self._on_span)
        session.fileChanged.connect(self._on_file)
        session.timeRangeChanged.connect(self._show_span)
        theme.notifier.changed.connect(self.restyle)
        self.restyle()
        self._on_file()

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        colours = theme.current()
        self.plot.getAxis("bottom").showLabel(False)
        self.plot.getAxis("bottom").setHeight(round(1.3 * self.fontMetrics().height()))
        self.curve.setPen(pg.mkPen(colours.accent, width=1))
        fill = QtGui.QColor(colours.accent)
        fill.setAlpha(45)
        self.span.setBrush(fill)
        fill.setAlpha(80)
        self.span.setHoverBrush(fill)
        for line in self.span.lines:
            line.setPen(pg.mkPen(colours.accent, width=2))
            line.setHoverPen(pg.mkPen(colours.marker, width=3))

    @Slot()
    def _on_file(self) -> None:
        self.survey = None
        facts = self.session.file
        if facts is None:
            self.show_placeholder("The rate of the whole array will be here.")
        elif not facts.has_photons:
            self.show_placeholder(f"{facts.why_no_photons}.")
        else:
            self.show_placeholder("Looking through the photons…")
            request: Request = SurveyRequest(self.name, facts.token, 0.0, facts.exposure_s)
            self.ask(request)

    def show_result(self, result: object) -> None:
        """Draw a `Survey`."""
        facts = self.session.file
        if facts is None:
            return
        self.survey = result.data  # type: ignore[attr-defined]
        survey = self.survey
        rate = survey.rate_cps / _KILO
        self.curve.setData((survey.edges_s[:-1] + survey.edges_s[1:]) / 2, rate)
        self.gaps.set_bins(survey.edges_s, np.isnan(rate))
        self.plot.setLimits(xMin=0.0, xMax=facts.exposure_s, yMin=0)
        self.plot.setXRange(0.0, facts.exposure_s, padding=0)
        self.plot.enableAutoRange(axis="y")
        self.span.setBounds((0.0, facts.exposure_s))
        self._show_span()
        width = survey.edges_s[1] - survey.edges_s[0]
        gaps = ", grey: no data" if self.gaps.intervals else ""
        self.set_detail(f"bins of {width:g} s; drag the span or its ends{gaps}")
        self.show_content()
        self.surveyed.emit(survey)
        # a survey may come from summaries, and then no photon was read yet
        self.requested.emit(TimesRequest("times", facts.token, 0.0, facts.exposure_s))

    @Slot()
    def _show_span(self) -> None:
        """Show the session's time range, which may come from the boxes."""
        if self.survey is None or self._settle.isActive():
            return
        blocked = self.span.blockSignals(True)
        self.span.setRegion(self.session.time_range)
        self.span.blockSignals(blocked)

    @Slot()
    def _on_span(self) -> None:
        if not self._settle.isActive():
            self._settle.start()

    @Slot()
    def _announce(self) -> None:
        start, stop = self.span.getRegion()
        if self.session.file is not None and start < stop:
            self.timeSpanSelected.emit(round(float(start), 3), round(float(stop), 3))
        self._show_span()  # an empty span, or one that was fitted, goes back to what counts
