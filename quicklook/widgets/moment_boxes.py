"""Start and stop of a time range, each as UTC and as unix second; the two forms follow each other."""

from __future__ import annotations

from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot

__all__ = ["MomentBoxes"]

_LATEST = 2_147_483_647


class MomentBoxes(QtWidgets.QWidget):
    """Boxes for [start, stop), whole unix seconds.

    Signals
    -------
    changed
        (start, stop) as typed.
    """

    changed = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.unix: list[QtWidgets.QSpinBox] = []
        self.utc: list[QtWidgets.QDateTimeEdit] = []
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for name in ("Start", "Stop"):
            utc = QtWidgets.QDateTimeEdit()
            utc.setTimeSpec(Qt.TimeSpec.UTC)
            utc.setDisplayFormat("yyyy-MM-dd HH:mm:ss")
            unix = QtWidgets.QSpinBox(maximum=_LATEST)
            for box, unit in ((utc, "UTC"), (unix, "unix s")):
                box.setToolTip(f"{name} of the selection [{unit}]")
                box.setAccessibleName(f"{name} [{unit}]")
                box.setKeyboardTracking(False)
            utc.dateTimeChanged.connect(self._on_utc)
            unix.valueChanged.connect(self._on_unix)
            self.utc.append(utc)
            self.unix.append(unix)
            layout.addWidget(QtWidgets.QLabel(f"{name} [UTC]", objectName="caption"))
            layout.addWidget(utc)
            layout.addWidget(QtWidgets.QLabel("[unix s]", objectName="caption"))
            layout.addWidget(unix)
        layout.addStretch(1)

    def show_range(self, start: int, stop: int) -> None:
        """Show a range; nothing is emitted."""
        for value, unix, utc in zip((start, stop), self.unix, self.utc, strict=True):
            for box in (unix, utc):
                box.blockSignals(True)
            unix.setValue(value)
            utc.setDateTime(QtCore.QDateTime.fromSecsSinceEpoch(value, Qt.TimeSpec.UTC))
            for box in (unix, utc):
                box.blockSignals(False)

    @Slot()
    def _on_utc(self) -> None:
        self._tell(*(box.dateTime().toSecsSinceEpoch() for box in self.utc))

    @Slot()
    def _on_unix(self) -> None:
        self._tell(*(box.value() for box in self.unix))

    def _tell(self, start: int, stop: int) -> None:
        self.show_range(start, stop)
        self.changed.emit(start, stop)
