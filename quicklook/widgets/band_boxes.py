"""Which wavelengths count, and in which bins they are kept apart: two rows of a form."""

from __future__ import annotations

from typing import Any

from quicklook.qt import QtWidgets, Signal, Slot
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.side_by_side import side_by_side

__all__ = ["BandBoxes"]

_ENERGY, _WAVELENGTH = "energy_bin_ev", "wavelength_bin_nm"
_KINDS = (
    ("in one band", ""),
    ("in equal energies", _ENERGY),
    ("in equal wavelengths", _WAVELENGTH),
)
_WIDTHS = {_ENERGY: (" eV", 3, 0.1), _WAVELENGTH: (" nm", 1, 50.0)}
_USUAL_NM = (700.0, 1500.0)


class BandBoxes(QtWidgets.QWidget):
    """All wavelengths, or a range of them; in one band or in bins.

    Signals
    -------
    changed
        Anything.
    """

    changed = Signal()

    def __init__(self, band: tuple[float | None, float | None], *, calibrated: bool) -> None:
        super().__init__()
        low, high = band
        self.limited = QtWidgets.QCheckBox("only", checked=low is not None or high is not None)
        self.low = NumberBox(minimum=100, maximum=30_000, decimals=1, suffix=" nm")
        self.high = NumberBox(minimum=100, maximum=30_000, decimals=1, suffix=" nm")
        self.low.setValue(low or _USUAL_NM[0])
        self.high.setValue(high or _USUAL_NM[1])
        self.kind = QtWidgets.QComboBox()
        self.kind.setAccessibleName("Bins of wavelength")
        for text, value in _KINDS:
            self.kind.addItem(text, value)
        self.width = NumberBox(minimum=0.001, maximum=10_000.0)
        self.width.setAccessibleName("Width of a bin")
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(side_by_side(self.limited, self.low, QtWidgets.QLabel("to"), self.high))
        column.addWidget(side_by_side(self.kind, self.width))
        self.setEnabled(calibrated)
        self.setToolTip("" if calibrated else "No wavelength solution is attached to the open file")
        self.limited.toggled.connect(self._on_change)
        self.kind.currentIndexChanged.connect(self._on_kind)
        for box in (self.low, self.high, self.width):
            box.valueChanged.connect(self.changed)
        self._on_kind()

    def settings(self) -> dict[str, Any]:
        """Return what `CubeSettings` calls it."""
        limits = (self.low.value(), self.high.value())
        kind = self.kind.currentData()
        if kind:
            names = ("min_wavelength", "max_wavelength")
            return {kind: self.width.value(), **dict(zip(names, limits, strict=True))}
        return {"edges_nm": limits} if self.limited.isChecked() else {}

    @Slot()
    def _on_kind(self) -> None:
        if self.kind.currentData():
            suffix, decimals, usual = _WIDTHS[self.kind.currentData()]
            self.width.setDecimals(decimals)
            self.width.setSuffix(suffix)
            self.width.setValue(usual)
        self._on_change()

    @Slot()
    def _on_change(self) -> None:
        binned = bool(self.kind.currentData())
        self.limited.setEnabled(not binned)
        self.limited.setToolTip("Bins need a first and a last wavelength" if binned else "")
        for box in (self.low, self.high):
            box.setEnabled(binned or self.limited.isChecked())
        self.width.setVisible(binned)
        self.changed.emit()
