"""Phase histograms of one pixel's laser lines, with the fitted model and its components; one small plot a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quicklook import theme
from quicklook.qt import Qt, QtWidgets, Slot, pg
from quicklook.views.axes import CalmPlot, Steps
from quicklook.widgets.elided_label import ElidedLabel

if TYPE_CHECKING:
    from pipeline_core.wavecal.browse import PixelPage
    from pipeline_core.wavecal.plotfacts import LineFacts

__all__ = ["LinePanels"]

_MOST_COLUMNS = 3
_SMALL_SHARE = 0.01
"""Components below this part of the highest bin are not drawn."""
_LOWEST_PLOT = 92


class LinePanels(QtWidgets.QScrollArea):
    """A grid of plots, lowest wavelength first; a legend below."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.panels: list[_Panel] = []
        self._wanted = 0
        self.page: PixelPage | None = None
        content = QtWidgets.QWidget(objectName="paper")
        self._grid = QtWidgets.QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._key = QtWidgets.QLabel(objectName="caption")
        self._key.setTextFormat(Qt.TextFormat.RichText)
        self._key.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout = QtWidgets.QVBoxLayout(content)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(self._grid, 1)
        layout.addWidget(self._key)
        self.setWidget(content)
        theme.notifier.changed.connect(self.restyle)
        self.restyle()

    def show_page(self, page: PixelPage) -> None:
        """Draw the lines of a pixel."""
        self.page = page
        self.make_room(len(page.lines))
        while self.build_next():
            pass
        for panel, nm, line in zip(self.panels, page.wavelengths_nm, page.lines, strict=True):
            panel.show_line(nm, line, page.span_deg)

    def make_room(self, number: int) -> None:
        """Be about to show this many lines; the panels are made by `build_next`."""
        if self._wanted == number:
            return
        self._wanted = number
        for panel in self.panels:
            self._grid.removeWidget(panel)
            panel.setParent(None)
            panel.deleteLater()
        self.panels = []

    def build_next(self) -> bool:
        """Make one more panel, which takes 10 ms; return whether there was one to be made."""
        k = len(self.panels)
        if k >= self._wanted:
            return False
        columns = min(self._wanted, _MOST_COLUMNS) if self._wanted != 4 else 2
        panel = _Panel()
        panel.plot.setLabel("bottom", "Phase [deg]" if k + columns >= self._wanted else "")
        self._grid.addWidget(panel, k // columns, k % columns)
        self._grid.setColumnStretch(k % columns, 1)
        self.panels.append(panel)
        return True

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        look = theme.current()
        entries = (
            ("fit", look.poisson),
            ("line", look.accent),
            ("second peak", look.second),
            ("noise tail (dotted: background)", look.muted),
        )
        self._key.setText(
            "&nbsp;&nbsp;&nbsp;".join(
                f'<span style="color:{colour}"><b>—</b></span> {name}' for name, colour in entries
            )
        )
        if self.page is not None:
            self.show_page(self.page)


class _Panel(QtWidgets.QWidget):
    """One line: its name and R above, histogram and fit below."""

    def __init__(self) -> None:
        super().__init__()
        self.title = QtWidgets.QLabel(objectName="paneTitle")
        self.note = ElidedLabel(objectName="paneDetail")
        self.plot = CalmPlot()
        self.plot.setMinimumHeight(_LOWEST_PLOT)
        self.plot.getPlotItem().getAxis("left").setWidth(40)
        self.bars = Steps()
        self.fit = pg.PlotCurveItem()
        self.parts = [pg.PlotCurveItem() for _ in range(5)]
        for item in (self.bars, *self.parts, self.fit):
            self.plot.addItem(item)
        header = QtWidgets.QHBoxLayout()
        header.setContentsMargins(4, 0, 6, 0)
        header.setSpacing(10)
        header.addWidget(self.title)
        header.addWidget(self.note, 1)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(header)
        layout.addWidget(self.plot, 1)

    def show_line(self, nm: float, line: LineFacts, span_deg: tuple[float, float]) -> None:
        """Draw a line; a fit that was rejected is drawn in dashes."""
        look = theme.current()
        self.bars.restyle()
        self.bars.setPen(None)
        self.title.setText(f"{nm:g} nm")
        self.note.setText(line.text.split("\n")[-1])  # R, or what is wrong
        self.note.setToolTip(line.text)
        self.note.setStyleSheet("" if line.good else f"color: {look.error_text}")
        self.bars.setData(line.edges, line.counts.astype(float), fillLevel=0.0)
        middle = 0.5 * (line.edges[1:] + line.edges[:-1])
        style = Qt.PenStyle.SolidLine if line.good else Qt.PenStyle.DashLine
        top = float(line.counts.max(initial=1))
        self.fit.setVisible(line.expected is not None)
        dashed, dotted = Qt.PenStyle.DashLine, Qt.PenStyle.DotLine
        pens = (
            (look.accent, dashed),
            (look.second, dashed),
            (look.muted, dashed),
            (look.axis, dashed),
            (look.muted, dotted),
        )
        for item, part, (colour, dash) in zip(self.parts, line.components, pens, strict=True):
            drawn = line.expected is not None and part.max() > _SMALL_SHARE * line.expected.max()
            item.setVisible(bool(drawn))
            if drawn:
                item.setPen(pg.mkPen(colour, width=1.2, style=dash))
                item.setData(middle, part)
        if line.expected is not None:
            self.fit.setPen(pg.mkPen(look.poisson, width=1.8, style=style))
            self.fit.setData(middle, line.expected)
            top = max(top, float(np.max(line.expected)))
        self.plot.setLabel("left", "")
        self.plot.setXRange(*span_deg, padding=0)
        self.plot.show_heights(0.5, top)
