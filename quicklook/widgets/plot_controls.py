"""The controls below the image: time range, what to plot, and the button that plots it."""

from __future__ import annotations

from quicklook.qt import QtWidgets, Signal, Slot
from quicklook.widgets.time_range import TimeRangeBoxes

__all__ = ["PlotControls"]

_NO_FILE = "Open a photon file first (Ctrl+O)"


class PlotControls(QtWidgets.QFrame):
    """Times, radio buttons "Beam Flag Image" and "Raw Counts", button "Plot Image".

    Signals
    -------
    plotRequested
        The button was pressed; `wants_counts` says what for.
    """

    plotRequested = Signal()  # noqa: N815

    def __init__(self) -> None:
        super().__init__(objectName="card")
        self.times = TimeRangeBoxes()
        self.flags = QtWidgets.QRadioButton("Beam Flag Image", checked=True)
        self.counts = QtWidgets.QRadioButton("Raw Counts")
        self.plot = QtWidgets.QPushButton("Plot Image", objectName="primary")
        self.hint = QtWidgets.QLabel(objectName="hint")
        self.note = QtWidgets.QLabel(objectName="hint", wordWrap=True)
        self._tips = {
            self.flags: "What the beam map and later checks say of each pixel",
            self.counts: "Photons of each pixel in the time range, nothing left out",
            self.plot: "Draw the chosen image for the time range (Ctrl+P)",
        }
        first = QtWidgets.QHBoxLayout()
        first.setSpacing(14)
        first.addWidget(self.times)
        first.addWidget(self.note, 1)
        second = QtWidgets.QHBoxLayout()
        second.setSpacing(14)
        second.addWidget(self.flags)
        second.addWidget(self.counts)
        second.addStretch(1)
        second.addWidget(self.hint)
        second.addWidget(self.plot)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.addLayout(first)
        layout.addLayout(second)
        self.plot.clicked.connect(self.plotRequested)
        self.times.noted.connect(self.note.setText)
        self.set_file(None)

    @property
    def wants_counts(self) -> bool:
        """Whether "Raw Counts" is chosen."""
        return self.counts.isChecked()

    def set_file(self, exposure_s: float | None) -> None:
        """Enable everything for an observation of this length; None: say that a file is needed."""
        there = exposure_s is not None
        for widget in (self.times, self.flags, self.counts, self.plot):
            widget.setEnabled(there)
            widget.setToolTip(self._tips.get(widget, "") if there else _NO_FILE)
        self.times.set_exposure(exposure_s if exposure_s is not None else 0.0)
        self.flags.setChecked(True)
        self.set_hint("")

    @Slot(str)
    def set_hint(self, text: str) -> None:
        """Say that the image does not show what the controls say."""
        self.hint.setText(text)
