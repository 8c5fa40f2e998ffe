"""The time line of a night: one lane below the other, and a selection over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quicklook import theme
from quicklook.file_listing import utc_text
from quicklook.night_listing import Bar
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot, pg
from quicklook.views.axes import TimeAxis, faint, new_plot

if TYPE_CHECKING:
    from pipeline_core.nightvalues import NightList

__all__ = ["LANES", "NightLanes"]

LANES = {
    "raw": "Raw data",
    "photons": "Photon files",
    "target": "Targets",
    "laser": "Lasers",
    "lamp": "Flats, darks",
    "dither": "Dithers",
}
"""Lanes from the top."""

_RAW_HEIGHT = 2.0
_FILL = 0.72
_MARGIN = 0.02
_SETTLE_MS = 40
_LEAST_TEXT = 26
"""Screen pixels below which a span has no label."""
_MOST_LABELS = 120
_AXIS_WIDTH = 92
_TICK_PIXELS = 110
_CLOCK_STEPS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    86_400,
)


class _ClockAxis(TimeAxis):
    """UTC with numbers at full hours, minutes or seconds."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:  # noqa: N802
        """Return the finest step of a clock that leaves the numbers room, counted from midnight."""
        least = (high - low) * _TICK_PIXELS / max(size, 1.0)
        step = next((step for step in _CLOCK_STEPS if step >= least), _CLOCK_STEPS[-1])
        return [(float(step), float(-((self.start_unix or 0) % 86_400)))]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return hh:mm:ss, and month and day at midnight."""
        texts = super().tickStrings(values, scale, spacing)
        days = [utc_text((self.start_unix or 0) + value)[5:10] for value in values]
        return [day if text == "00:00:00" else text for text, day in zip(texts, days, strict=True)]


class NightLanes(QtWidgets.QWidget):
    """What there is against UTC.

    Signals
    -------
    selected
        (start, stop) unix seconds, by the mouse.
    """

    selected = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.bars: tuple[Bar, ...] = ()
        self._named: tuple[Bar, ...] = ()
        self._origin = 0
        self._whole = (0.0, 1.0)
        self._items: list[pg.GraphicsObject] = []
        self._labels: list[pg.TextItem] = []
        self._night: NightList | None = None
        self.axis = _ClockAxis()
        self.plot = new_plot(bottom=self.axis, left=pg.AxisItem("left"))
        self.plot.setMouseEnabled(x=True, y=False)
        self.plot.setAccessibleName("Time line of the night")
        self.plot.setToolTip(
            "Wheel: zoom; drag: move; Shift+drag: select; double click: select what is there, "
            "or beside everything: show the whole night"
        )
        self.region = pg.LinearRegionItem((0, 1))
        self.region.setZValue(20)
        self.region.hide()
        self.plot.addItem(self.region, ignoreBounds=True)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._write_labels)
        self.plot.spanDragged.connect(self._on_dragged)
        self.plot.scene().sigMouseClicked.connect(self._on_click)
        self.plot.sigXRangeChanged.connect(lambda *_: self._settle.start())
        self.region.sigRegionChanged.connect(self._on_region)
        theme.notifier.changed.connect(self.restyle)
        self._lay_out_lanes()
        self.restyle()

    # --- what is shown ---------------------------------------------------------------------------

    def show_night(self, night: NightList, bars: tuple[Bar, ...]) -> None:
        """Show another night, from its first to its last moment."""
        self._night = night
        whole = night.time_range
        self.bars = bars
        self._named = tuple(bar for bar in self.bars if bar.text)
        self._origin = int(whole[0]) if whole else 0
        self._whole = (0.0, max(whole[1] - self._origin, 1.0)) if whole else (0.0, 1.0)
        self.axis.show_utc(self._origin if whole else None)
        length = self._whole[1]
        self.plot.setLimits(xMin=-length, xMax=2 * length, minXRange=1.0, maxXRange=3 * length)
        self.select(None)
        self.show_all()
        self._draw()

    def show_all(self) -> None:
        """Show the whole night."""
        length = self._whole[1]
        self.plot.setXRange(-_MARGIN * length, (1 + _MARGIN) * length, padding=0)

    def select(self, span: tuple[float, float] | None) -> None:
        """Mark [start, stop), unix seconds; None: nothing."""
        self.region.setVisible(span is not None)
        if span is not None:
            self.region.blockSignals(True)
            self.region.setRegion((span[0] - self._origin, span[1] - self._origin))
            self.region.blockSignals(False)

    def bar_at(self, unix: float, height: float) -> Bar | None:
        """Return the shortest span at a moment and height of the picture."""
        found = [
            bar
            for bar in self.bars
            if bar.start <= unix < bar.stop
            and self._bottoms[bar.lane] <= height < self._bottoms[bar.lane] + _height(bar.lane)
        ]
        return min(found, key=lambda bar: bar.stop - bar.start, default=None)

    # --- the mouse -------------------------------------------------------------------------------

    @Slot(float, float)
    def _on_dragged(self, low: float, high: float) -> None:
        self.selected.emit(low + self._origin, high + self._origin)

    @Slot()
    def _on_region(self) -> None:
        low, high = self.region.getRegion()
        self.selected.emit(low + self._origin, high + self._origin)

    @Slot(object)
    def _on_click(self, event: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        if not event.double() or event.button() != Qt.MouseButton.LeftButton:
            return
        point = self.plot.getViewBox().mapSceneToView(event.scenePos())
        bar = self.bar_at(point.x() + self._origin, point.y())
        if bar is None:
            self.show_all()
        else:
            self.selected.emit(bar.start, bar.stop)

    # --- drawing ---------------------------------------------------------------------------------

    def _lay_out_lanes(self) -> None:
        """Give each lane its place, from the top."""
        self._bottoms: dict[str, float] = {}
        top = sum(_height(lane) for lane in LANES)
        self.plot.setLimits(yMin=0, yMax=top)
        self.plot.setYRange(0, top, padding=0)
        ticks = []
        for lane, title in LANES.items():
            top -= _height(lane)
            self._bottoms[lane] = top
            ticks.append((top + _height(lane) / 2, title))
        self.plot.getPlotItem().getAxis("left").setTicks([ticks])

    @Slot()
    def restyle(self) -> None:
        """Take the colours and the size of the text that are in use."""
        colours = theme.current()
        axis = self.plot.getPlotItem().getAxis("left")
        axis.setWidth(round(_AXIS_WIDTH * max(theme.text_scale(), 1)))
        self.region.setBrush(faint(colours.accent, 50))
        self.region.setHoverBrush(faint(colours.accent, 80))
        for line in self.region.lines:
            line.setPen(pg.mkPen(colours.accent, width=2))
            line.setHoverPen(pg.mkPen(colours.ink, width=2))
        self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.plot.removeItem(item)
        self._items = [*self._curves(), *self._blocks(), *self._lines()]
        for item in self._items:
            self.plot.addItem(item)
        self._settle.start()

    def _lines(self) -> list[pg.GraphicsObject]:
        pen = pg.mkPen(theme.current().border, width=1)
        return [
            pg.InfiniteLine(bottom, angle=0, pen=pen)
            for bottom in self._bottoms.values()
            if bottom > 0
        ]

    def _curves(self) -> list[pg.GraphicsObject]:
        """Return the rates of each folder, as filled steps with gaps."""
        if self._night is None:
            return []
        series = theme.current().series
        steps = [step for _, some in self._night.rates for step in some]
        most = max((step.photons_per_s for step in steps), default=0.0) or 1.0
        bottom = self._bottoms["raw"]
        found = []
        for number, (_, some) in enumerate(self._night.rates):
            x = np.array([(s.start, s.start, s.stop, s.stop) for s in some], float) - self._origin
            y = np.array([(0.0, s.photons_per_s, s.photons_per_s, 0.0) for s in some]) / most
            colour = series[number % len(series)]
            found.append(
                pg.PlotCurveItem(
                    x.ravel(),
                    bottom + 0.92 * _RAW_HEIGHT * y.ravel(),
                    fillLevel=bottom,
                    brush=faint(colour, 150),
                    pen=pg.mkPen(colour, width=1),
                )
            )
        return found

    def _blocks(self) -> list[pg.GraphicsObject]:
        """Return the spans, as one item for each lane."""
        found = []
        colours = theme.current()
        for lane in LANES:
            bars = [bar for bar in self.bars if bar.lane == lane]
            if lane == "raw" or not bars:
                continue
            own = [colours.series[bar.colour % len(colours.series)] for bar in bars]
            item = pg.BarGraphItem(
                x0=np.array([bar.start for bar in bars]) - self._origin,
                x1=np.array([bar.stop for bar in bars]) - self._origin,
                y0=self._bottoms[lane] + (1 - _FILL) / 2,
                height=_FILL,
                brushes=[faint(colour, 110) for colour in own],
                pens=[pg.mkPen(colour, width=1) for colour in own],  # or short ones were not seen
            )
            found.append(item)
        return found

    @Slot()
    def _write_labels(self) -> None:
        """Write on the spans that are wide enough, as much as there is room for."""
        low, high = self.plot.getViewBox().viewRange()[0]
        scale = self.plot.getViewBox().width() / max(high - low, 1e-9)
        metrics = QtGui.QFontMetricsF(self.font())
        used = 0
        for bar in self._named:
            start, stop = max(bar.start - self._origin, low), min(bar.stop - self._origin, high)
            width = (stop - start) * scale
            if width < _LEAST_TEXT or used == _MOST_LABELS:
                continue
            text = metrics.elidedText(bar.text, Qt.TextElideMode.ElideRight, width - 10)
            label = self._label(used)
            label.setText(text, theme.current().ink)
            label.setPos(0.5 * (start + stop), self._bottoms[bar.lane] + 0.5)
            label.show()
            used += 1
        for label in self._labels[used:]:
            label.hide()

    def _label(self, number: int) -> pg.TextItem:
        while len(self._labels) <= number:
            label = pg.TextItem(anchor=(0.5, 0.5))
            label.setZValue(10)
            self.plot.addItem(label, ignoreBounds=True)
            self._labels.append(label)
        return self._labels[number]


def _height(lane: str) -> float:
    return _RAW_HEIGHT if lane == "raw" else 1.0
