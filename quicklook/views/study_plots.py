"""The plots of one pixel among speckles: histogram with models, residuals, likelihood, autocovariance."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from quicklook import theme
from quicklook.qt import Qt, QtCore, QtWidgets, Slot, pg
from quicklook.views.axes import CalmPlot, LogAxis, Steps, WholeNumberAxis, calm_axis

if TYPE_CHECKING:
    from pipeline_core.speckle.browse import PixelPage

__all__ = ["StudyPlots"]

_ROOM_FOR_LEGEND = 1.45
_ROOM_IN_LIKELIHOOD = 1.6
_SYMBOLS_UP_TO = 60
_FAR_FROM_ZERO = 0.4
_WIDEST_RESIDUAL = 3.5
_BETWEEN_MS = 10
_MODELS = (
    ("ml", "MR, maximum likelihood"),
    ("moments", "MR, moments"),
    ("poisson", "Poisson, same mean"),
)


class StudyPlots(QtWidgets.QWidget):
    """Four plots; each is made when it is needed, or one by one while nothing else is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self.page: PixelPage | None = None
        self._to_build = [
            self._build_covariance,
            self._build_likelihood,
            self._build_residuals,
            self._build_histogram,
        ]
        self._grid = QtWidgets.QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        for row, stretch in ((0, 5), (1, 3)):
            self._grid.setRowStretch(row, stretch)
        for column in (0, 1):
            self._grid.setColumnStretch(column, 1)
        self._to_draw: list[Callable[[PixelPage], None]] = []
        self._drawer = QtCore.QTimer(self, interval=_BETWEEN_MS)
        self._drawer.timeout.connect(self._draw_next)
        theme.notifier.changed.connect(self.restyle)

    def build_next(self) -> bool:
        """Make one plot that is not there yet; return whether there was one."""
        if not self._to_build:
            return False
        self._to_build.pop()()
        return True

    # --- building --------------------------------------------------------------------------------

    def _build_histogram(self) -> None:
        self.histogram = CalmPlot(bottom=WholeNumberAxis("bottom"))
        self.histogram.setLabel("left", "Bins")
        self.histogram.setToolTip(
            "How many bins hold 0, 1, 2, … counts. MR: modified Rician with Poisson noise"
        )
        self.bars = Steps()
        self.histogram.addItem(self.bars)
        self.models = {name: pg.PlotDataItem(symbol="o", symbolSize=4) for name, _ in _MODELS}
        self._legend = _legend(self.histogram)
        for name, text in _MODELS:
            self.histogram.addItem(self.models[name])
            self._legend.addItem(self.models[name], text)
        self._grid.addWidget(self.histogram, 0, 0)

    def _build_residuals(self) -> None:
        self.residuals = CalmPlot(bottom=WholeNumberAxis("bottom"))
        self.residuals.setLabel("left", "Residuals [sigma]")
        self.zero = pg.InfiniteLine(angle=0)
        self.off = pg.ScatterPlotItem(size=6)
        self.residuals.addItem(self.zero)
        self.residuals.addItem(self.off)
        self.residuals.setXLink(self.histogram)
        self.residuals.setToolTip("(bins found - bins of the fit) / square root of bins of the fit")
        self._grid.addWidget(self.residuals, 1, 0)

    def _build_likelihood(self) -> None:
        self.likelihood = CalmPlot()
        self.likelihood.setLabel("left", "Is [counts/s]")
        self.likelihood.setLabel("bottom", "Ic [counts/s]")
        self.samples = pg.ScatterPlotItem(size=3, pen=None)
        self.likelihood.addItem(self.samples)
        self.contours = [pg.PlotCurveItem(connect="pairs") for _ in range(3)]
        for item in self.contours:
            self.likelihood.addItem(item)
        self.points = {
            name: pg.ScatterPlotItem(size=11, symbol=symbol)
            for name, symbol in (("ml", "+"), ("moments", "x"), ("bin_free", "d"))
        }
        legend = _legend(self.likelihood)
        self._likelihood_legend = legend
        for name, text in (
            ("ml", "maximum; 68, 95, 99.7 %"),
            ("moments", "moments"),
            ("bin_free", "without bins"),
        ):
            self.likelihood.addItem(self.points[name])
            legend.addItem(self.points[name], text)
        legend.addItem(self.samples, "bootstrap")
        self._grid.addWidget(self.likelihood, 0, 1)

    def _build_covariance(self) -> None:
        self.covariance = CalmPlot(bottom=LogAxis())
        self.covariance.setLabel("left", "Autocovariance")
        self.covariance.setLabel("bottom", "Lag [s]")
        self.covariance.setToolTip(
            "Autocovariance of the light curve over its mean squared, and the model whose decorrelation time is tau"
        )
        self.level = pg.InfiniteLine(angle=0)
        self.lags = pg.ScatterPlotItem(size=5, pen=None)
        self.decay = pg.PlotCurveItem()
        for item in (self.level, self.lags, self.decay):
            self.covariance.addItem(item)
        self._grid.addWidget(self.covariance, 1, 1)

    # --- drawing ---------------------------------------------------------------------------------

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        if self.page is not None:
            self.show_page(self.page)

    def show_page(self, page: PixelPage) -> None:
        """Draw a pixel: the histogram at once, the others one by one, or all would hold up everybody."""
        while self.build_next():
            pass
        self.page = page
        self._draw_histogram(page)
        self._to_draw = [self._draw_covariance, self._draw_likelihood, self._draw_residuals]
        self._drawer.start()

    @Slot()
    def _draw_next(self) -> None:
        if self.page is not None and self._to_draw:
            self._to_draw.pop()(self.page)
        if not self._to_draw:
            self._drawer.stop()

    def _draw_histogram(self, page: PixelPage) -> None:
        study = page.study
        look = theme.current()
        self.bars.restyle()
        counts = np.arange(study.occurrences.size)
        self.bars.setData(np.arange(counts.size + 1) - 0.5, study.occurrences.astype(float))
        highest = float(study.occurrences.max(initial=0))
        pens = {
            "ml": pg.mkPen(look.ink, width=2),
            "moments": pg.mkPen(look.ink, width=1, style=Qt.PenStyle.DashLine),
            "poisson": pg.mkPen(look.poisson, width=1.5),
        }
        for name, item in self.models.items():
            item.setVisible(name in study.expected)
            if name in study.expected:
                expected = study.expected[name]
                symbol = "o" if counts.size <= _SYMBOLS_UP_TO and name != "moments" else None
                item.setData(counts, expected, pen=pens[name], symbol=symbol)
                item.setSymbolBrush(pens[name].color())
                item.setSymbolPen(None)
                highest = max(highest, float(expected.max()))
        _ink(self._legend)
        self.histogram.setLabel("bottom", f"Counts per {1e3 * study.settings.bin_s:g} ms")
        filled = study.occurrences.nonzero()[0]
        first = int(filled[0]) if filled.size else 0
        if first < counts.size * _FAR_FROM_ZERO:
            first = 0
        self.histogram.setLimits(xMin=-0.5)
        self.histogram.setXRange(first - 0.5, max(counts.size, 6) - 0.5, padding=0)
        self.histogram.show_heights(0.5, highest, _ROOM_FOR_LEGEND)

    def _draw_residuals(self, page: PixelPage) -> None:
        look, study = theme.current(), page.study
        self.residuals.setLabel("bottom", f"Counts per {1e3 * study.settings.bin_s:g} ms")
        self.zero.setPen(pg.mkPen(look.axis))
        found = study.residuals
        some = np.isfinite(found)
        self.off.setData(
            x=np.flatnonzero(some), y=found[some], brush=look.accent, pen=pg.mkPen(look.ink)
        )
        reach = 1.15 * max(float(np.abs(found[some]).max(initial=0.0)), _WIDEST_RESIDUAL)
        self.residuals.setYRange(-reach, reach, padding=0)

    def _draw_likelihood(self, page: PixelPage) -> None:
        look, study = theme.current(), page.study
        for item in self.contours:
            item.setPen(pg.mkPen(look.accent, width=1))
            item.setData([], [])
        for item, contour in zip(self.contours, page.contours, strict=False):
            item.setData(contour.ic_cps, contour.is_cps, connect="pairs")
        self.samples.setData(x=study.samples[:, 0], y=study.samples[:, 1], brush=look.axis)
        where: dict[str, Any] = {"ml": None, "moments": study.moments, "bin_free": None}
        if study.fit is not None:
            where["ml"] = study.fit.maximum[:2]
        if study.bin_free is not None:
            where["bin_free"] = study.bin_free.values[:2]
        colours = {"ml": look.accent, "moments": look.ink, "bin_free": look.poisson}
        for name, point in where.items():
            known = point is not None and bool(np.isfinite(point).all())
            x, y = ([point[0]], [point[1]]) if point is not None and known else ([], [])
            self.points[name].setData(x=x, y=y, brush=colours[name], pen=pg.mkPen(colours[name]))
        _ink(self._likelihood_legend)
        if study.contours is not None:
            for axis, ends in (("x", study.contours.ic_cps), ("y", study.contours.is_cps)):
                low, high = float(ends[0]), float(ends[-1])
                room = _ROOM_IN_LIKELIHOOD if axis == "y" else 1.0
                set_range = getattr(self.likelihood, f"set{axis.upper()}Range")
                set_range(low, low + room * (high - low), padding=0)

    def _draw_covariance(self, page: PixelPage) -> None:
        study = page.study
        look, own = theme.current(), study.decorrelation
        self.level.setPen(pg.mkPen(look.axis))
        self.decay.setPen(pg.mkPen(look.accent, width=2))
        shown = (own.lags_s > 0) & np.isfinite(own.covariance)
        lags = np.log10(own.lags_s[shown])
        self.lags.setData(x=lags, y=own.covariance[shown], brush=look.ink)
        known = bool(np.isfinite(own.tau_s))
        self.decay.setData(
            lags if known else np.empty(0), own.fitted[shown] if known else np.empty(0)
        )
        if lags.size:
            self.covariance.setXRange(float(lags[0]), float(lags[-1]), padding=0.03)
            values = own.covariance[shown]
            low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
            self.covariance.setYRange(low, high if high > low else low + 1.0, padding=0.1)


def _legend(plot: CalmPlot) -> pg.LegendItem:
    calm_axis(plot.getPlotItem().getAxis("left"))
    legend = plot.addLegend(offset=(-8, 4))
    legend.setBrush(None)  # it would hide what is drawn
    return legend


def _ink(legend: pg.LegendItem) -> None:
    for _, label in legend.items:
        label.setText(label.text, color=theme.current().ink)
