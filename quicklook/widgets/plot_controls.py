"""The controls below the image: time and phase or wavelength range, what to plot, and the button for it."""

from __future__ import annotations

from quicklook.assets import defaults
from quicklook.file_facts import FileFacts
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.widgets.elided_label import ElidedLabel
from quicklook.widgets.range_boxes import RangeBoxes

__all__ = ["UPDATE", "PlotControls"]

UPDATE = "Press Plot Image"
"""What is said while the image is not what the controls ask for."""

_NO_FILE = "Open a photon file first (Ctrl+O)"
_NO_WEIGHTS = "No flat field is attached: Calibrate > Apply flat field… gives photons their weights"
_NO_MAPS = "No speckle maps of this file: Analyse > Speckle maps… (Ctrl+Shift+S) makes them"
_NO_IP = "These maps have no Ip: tick it in Analyse > Speckle maps…"
_MAPS = {
    "ic": ("Ic", "Coherent intensity of every pixel, counts/s"),
    "is": ("Is", "Speckle intensity of every pixel, counts/s"),
    "ip": ("Ip", "Steady intensity of every pixel, beside star and speckles, counts/s"),
    "ic_over_is": ("Ic/Is", "Coherent over speckle intensity, where Is is above 2 sigma"),
}
_QUANTITIES = {"phase": "Phase", "wavelength": "Wavelength"}


class PlotControls(QtWidgets.QFrame):
    """Ranges, radio buttons "Beam Flag Image", "Raw Counts", "Ic" and its siblings, button "Plot Image".

    Signals
    -------
    plotRequested
        The button was pressed; `wants_counts` says what for.
    weightsToggled
        Whether photons are to count with their flat-field weights.
    """

    plotRequested = Signal()  # noqa: N815
    weightsToggled = Signal(bool)  # noqa: N815

    def __init__(self) -> None:
        super().__init__(objectName="card")
        self.times = RangeBoxes("Time", "s", decimals=3, step=1.0)
        self.band = RangeBoxes("Phase", "deg", decimals=1, step=10.0)
        self.flags = QtWidgets.QRadioButton("Beam Flag Image", checked=True)
        self.counts = QtWidgets.QRadioButton("Raw Counts")
        self.weights = QtWidgets.QCheckBox("Weighted")
        self.maps = {name: QtWidgets.QRadioButton(text) for name, (text, _) in _MAPS.items()}
        self.plot = QtWidgets.QPushButton("Plot Image", objectName="primary")
        self.hint = ElidedLabel(objectName="hint")
        self.note = ElidedLabel(objectName="hint")
        self._tips = {
            self.flags: "What the beam map and later checks say of each pixel",
            self.counts: "Photons of each pixel in the ranges above, nothing left out",
            self.weights: "Count every photon with its flat-field weight: in the image of counts, the light curve, the "
            "spectrum and the table of regions",
            self.plot: "Draw the chosen image for the ranges above (Ctrl+P)",
        }
        # room for it is kept, so that nothing moves when it appears
        self.hint.setMinimumWidth(self.hint.fontMetrics().horizontalAdvance(f"{UPDATE} "))
        images, last = QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        for row in (images, last):
            row.setSpacing(10)
        for widget in (self.flags, self.counts, self.weights):
            images.addWidget(widget)
        images.addWidget(self.note, 1)
        last.addWidget(QtWidgets.QLabel("Speckles", objectName="caption"))
        for button in self.maps.values():
            last.addWidget(button)
        last.addStretch(1)
        last.addWidget(self.hint)
        last.addWidget(self.plot)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setSpacing(4)
        layout.addWidget(self.times)
        layout.addWidget(self.band)
        layout.addLayout(images)
        layout.addLayout(last)
        self.plot.clicked.connect(self.plotRequested)
        self.times.noted.connect(self.note.setText)
        self.band.noted.connect(self.note.setText)
        self.weights.toggled.connect(self.weightsToggled)
        self.set_file(None)

    @property
    def wants_counts(self) -> bool:
        """Whether "Raw Counts" is chosen."""
        return self.counts.isChecked()

    @property
    def wanted_map(self) -> str:
        """Name of the speckle map that is chosen; '' if none is."""
        return next((name for name, button in self.maps.items() if button.isChecked()), "")

    def set_maps(self, names: tuple[str, ...]) -> None:
        """Offer the speckle maps that there are; of the others say how to make them."""
        chosen = self.wanted_map
        if chosen and chosen not in names:
            self.flags.setChecked(True)
        for name, button in self.maps.items():
            there = name in names
            button.setEnabled(there)
            why_not = _NO_IP if names and name == "ip" else _NO_MAPS
            button.setToolTip(_MAPS[name][1] if there else why_not)

    def set_file(self, facts: FileFacts | None) -> None:
        """Enable what an observation offers; None: say that a file is needed."""
        there = facts is not None
        for widget in (self.flags, self.counts, self.weights, self.plot):
            widget.setEnabled(there)
            widget.setToolTip(self._tips[widget] if there else _NO_FILE)
        has_weights = facts is not None and facts.flat_calibrated
        self.weights.setEnabled(has_weights)
        self.weights.setChecked(self.weights.isChecked() and has_weights)
        if there and not has_weights:
            self.weights.setToolTip(_NO_WEIGHTS)
        quantity = facts.quantity if facts else "phase"
        self.band.set_quantity(_QUANTITIES[quantity], facts.unit if facts else "deg")
        self.times.set_limits(0.0, facts.exposure_s if facts else 0.0)
        self.band.set_limits(*(defaults()["band_limits"][quantity] if there else (0.0, 0.0)))
        for boxes in (self.times, self.band):
            boxes.setVisible(facts is None or facts.frames is None)  # which have a bar of their own
            boxes.set_why_not(_NO_FILE if facts is None else facts.why_no_photons)
        self._align()
        self.flags.setChecked(True)
        self.set_maps(())
        self.set_hint("")

    def _align(self) -> None:
        """Let the boxes of both ranges stand in columns, wide enough for text of any size."""
        both = (self.times, self.band)
        captions, boxes = zip(*(ranges.needed_widths for ranges in both), strict=True)
        for ranges in both:
            ranges.set_widths(max(captions), max(boxes))

    def changeEvent(self, event: QtCore.QEvent | None) -> None:
        """Follow the size of the text."""
        super().changeEvent(event)
        kinds = (QtCore.QEvent.Type.FontChange, QtCore.QEvent.Type.StyleChange)
        if event is not None and event.type() in kinds:
            self._align()

    @property
    def chosen_band(self) -> tuple[float | None, float | None]:
        """(low, high) of the band boxes; None where nothing is cut off."""
        low, high = self.band.range
        limits = self.band.limits
        return (None if low <= limits[0] else low), (None if high >= limits[1] else high)

    @Slot(str)
    def set_hint(self, text: str) -> None:
        """Say that the image does not show what the controls say."""
        self.hint.setText(text)
