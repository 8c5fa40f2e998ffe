"""The histogram of the pixels' rates with a range that can be dragged: what lies outside is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicklook import theme
from quicklook.qt import QtWidgets, Signal, Slot, pg
from quicklook.views.axes import CalmPlot, Steps, faint

if TYPE_CHECKING:
    from pipeline_core.badpixels.browse import RateHistogram

__all__ = ["RatePanel", "rate_text"]


class _LogAxis(pg.AxisItem):
    """Counts per second on an axis of logarithms."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Return the numbers themselves."""
        return [rate_text(10.0**value) for value in values]


def rate_text(cps: float) -> str:
    """Return a rate as people write it."""
    return f"{cps:,.0f}" if cps >= 100 else f"{cps:.3g}"


class RatePanel(QtWidgets.QWidget):
    """Good and bad pixels by rate.

    Signals
    -------
    cutMoved
        (low, high) counts per second, while the range is dragged; (0, inf) where an end was not touched.
    """

    cutMoved = Signal(float, float)  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.shown: RateHistogram | None = None
        self.plot = CalmPlot(bottom=_LogAxis("bottom"))
        self.plot.setLabel("bottom", "Rate [counts/s], logarithmic")
        self.plot.setLabel("left", "Pixels")
        self.good, self.bad = Steps(), Steps()
        self.range = pg.LinearRegionItem()
        for item in (self.good, self.bad, self.range):
            self.plot.addItem(item)
        self.legend = QtWidgets.QLabel(objectName="caption")
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.legend)
        layout.addWidget(self.plot, 1)
        policy = self.plot.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.plot.setSizePolicy(policy)
        self.plot.hide()  # until there is something to cut
        self.range.sigRegionChanged.connect(self._on_moved)
        theme.notifier.changed.connect(self.restyle)

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        look = theme.current()
        self.good.restyle()
        self.bad.setBrush(faint(look.poisson, 160))
        self.bad.setPen(pg.mkPen(look.poisson, width=1))
        self.range.setBrush(faint(look.accent, 30))
        for line in self.range.lines:
            line.setPen(pg.mkPen(look.marker, width=2))
        self._show_legend()

    def _show_legend(self) -> None:
        if self.shown is None:
            self.legend.setText("")
            return
        look = theme.current()
        parts = [
            f'<span style="color:{colour}">■</span> {name}'
            for colour, name in ((look.accent, "not marked"), (look.poisson, "marked"))
        ]
        dark = self.shown.n_without_counts
        if dark:
            parts.append(f"{dark:,} without counts, not drawn")
        self.legend.setText(" &nbsp; ".join(parts))

    def show_histogram(self, found: RateHistogram, *, keep_cut: bool) -> None:
        """Draw the histogram; the range spans everything unless it is kept."""
        self.shown = found
        self.plot.show()
        edges = found.edges_log_cps
        self.good.setData(edges, found.good.astype(float), fillLevel=0.0)
        self.bad.setData(edges, found.bad.astype(float), fillLevel=0.0)
        self.restyle()
        self.plot.setXRange(float(edges[0]), float(edges[-1]), padding=0.02)
        top = max(float(found.good.max(initial=1)), float(found.bad.max(initial=1)))
        self.plot.show_heights(0.5, top)
        self.range.setBounds((float(edges[0]), float(edges[-1])))
        if not keep_cut:
            self.range.setRegion((float(edges[0]), float(edges[-1])))

    def show_nothing(self) -> None:
        """Show that there is no mask."""
        self.shown = None
        self._show_legend()
        self.plot.hide()

    @property
    def cut(self) -> tuple[float, float]:
        """(low, high) counts per second; 0 and infinity where an end was not moved."""
        if self.shown is None:
            return 0.0, float("inf")
        low, high = self.range.getRegion()
        edges = self.shown.edges_log_cps
        tiny = 1e-6 * float(edges[-1] - edges[0])
        return (
            10.0 ** float(low) if low > edges[0] + tiny else 0.0,
            10.0 ** float(high) if high < edges[-1] - tiny else float("inf"),
        )

    @Slot()
    def _on_moved(self) -> None:
        self.cutMoved.emit(*self.cut)
