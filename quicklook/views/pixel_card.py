"""The right column: everything about the active pixel, three plots one below the other."""

from __future__ import annotations

from quicklook.assets import defaults
from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.views.histogram_pane import HistogramPane
from quicklook.views.lightcurve_pane import LightCurvePane
from quicklook.views.pane import ElidedLabel
from quicklook.views.plot_pane import PlotPane
from quicklook.views.spectrum_pane import SpectrumPane
from quicklook.widgets.number_box import NumberBox

__all__ = ["PixelCard", "bin_box"]

_NOTHING_SHOWN = "Plot > Light Curve, Intensity Histogram, Spectrum\nbring the plots back."


class PixelCard(QtWidgets.QWidget):
    """Heading with the effective exposure time, and the three plots with movable borders.

    Signals
    -------
    windowRequested
        A plot is wanted in a window of its own: its kind.
    """

    windowRequested = Signal(str)  # noqa: N815

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.light_curve = LightCurvePane(session)
        self.histogram = HistogramPane(session)
        self.spectrum = SpectrumPane(session)
        self.heading = _Heading(objectName="paneTitle")
        self.bin_ms = bin_box(1e3 * session.bin_s)
        self.note = QtWidgets.QLabel(objectName="hint")
        self.note.hide()  # empty: it takes no room
        label = ElidedLabel("&Effective exposure time", objectName="caption")
        label.setBuddy(self.bin_ms)
        head = QtWidgets.QFrame(objectName="card")
        row = QtWidgets.QHBoxLayout(head)
        row.setContentsMargins(12, 4, 8, 4)
        row.addWidget(self.heading, 1)
        row.addWidget(self.note)
        row.addWidget(label)
        row.addWidget(self.bin_ms)
        self._splitter = QtWidgets.QSplitter(Qt.Orientation.Vertical)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setHandleWidth(6)
        for pane in self.panes:
            self._splitter.addWidget(pane)
            pane.shownOrHidden.connect(self._on_shown_or_hidden)
            pane.windowRequested.connect(self.windowRequested)
        self.nothing_shown = QtWidgets.QLabel(_NOTHING_SHOWN, objectName="placeholder")
        self.nothing_shown.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.nothing_shown.hide()
        self._splitter.addWidget(self.nothing_shown)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(head)
        layout.addWidget(self._splitter, 1)
        self.bin_ms.valueChanged.connect(self._on_bin)
        self.bin_ms.clamped.connect(self._on_bin_clamped)
        session.targetChanged.connect(self._show_heading)
        session.binChanged.connect(self._show_bin)
        session.fileChanged.connect(self._show_heading)
        self._show_heading()

    @property
    def panes(self) -> tuple[PlotPane, ...]:
        """The plots from top to bottom."""
        return (self.light_curve, self.histogram, self.spectrum)

    def reset_layout(self) -> None:
        """Show all plots with equal heights."""
        for pane in self.panes:
            pane.show()
        self._splitter.setSizes([1000] * len(self.panes))

    @Slot(float)
    def _on_bin(self, milliseconds: float) -> None:
        self.note.clear()
        self.note.hide()
        self._session.set_bin_s(milliseconds / 1e3)

    @Slot()
    def _on_bin_clamped(self) -> None:
        self.note.setText(f"{self.bin_ms.minimum():g} to {self.bin_ms.maximum():g} ms")
        self.note.show()

    @Slot()
    def _on_shown_or_hidden(self) -> None:
        """Say how to get the plots back when none is left."""
        self.nothing_shown.setVisible(all(pane.isHidden() for pane in self.panes))

    @Slot()
    def _show_bin(self) -> None:
        """Follow a change that was not typed here."""
        self.bin_ms.setValue(1e3 * self._session.bin_s)

    @Slot()
    def _show_heading(self) -> None:
        """Say what the plots are of; only a single pixel is the active one."""
        target = self._session.target
        if target is None:
            self.heading.setText("Active Pixel")
        elif target.pixels == (self._session.pixel,):
            self.heading.setText(f"Active {target.label}")
        else:
            self.heading.setText(target.label)


class _Heading(ElidedLabel):
    """Names one pixel in full, whatever else must shrink; a longer name may be cut."""

    def minimumSizeHint(self) -> QtCore.QSize:
        """Leave room for the widest name of one pixel."""
        self.ensurePolished()  # bold
        widest = self.fontMetrics().horizontalAdvance("Active Pixel (000, 000)")
        return QtCore.QSize(
            min(widest, self.sizeHint().width()), super().minimumSizeHint().height()
        )


def bin_box(milliseconds: float) -> NumberBox:
    """Return a box for the effective exposure time, in the range of the default settings."""
    low, high = defaults()["bin_ms_range"]
    box = NumberBox(minimum=low, maximum=high, decimals=1, singleStep=1.0, suffix=" ms")
    box.setValue(milliseconds)
    box.setToolTip(
        f"Length of the bins of light curve and intensity histogram, {low:g} to {high:g} ms"
    )
    box.setAccessibleName("Effective exposure time")
    return box
