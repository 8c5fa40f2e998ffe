"""Start and stop time as two boxes that cannot make an empty window."""

from __future__ import annotations

from quicklook.qt import QtCore, QtWidgets, Signal, Slot

__all__ = ["TimeRangeBoxes"]

_SHORTEST_S = 0.001
_SETTLE_MS = 120


class TimeRangeBoxes(QtWidgets.QWidget):
    """Two coupled boxes [s]: a start beyond the stop moves the stop along, and the other way round.

    Signals
    -------
    rangeChanged
        (start_s, stop_s), a moment after the last change.
    """

    rangeChanged = Signal(object)  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self._exposure_s = 0.0
        self._range = (0.0, 0.0)
        self.start = _box("Start time [s from the start of the observation]")
        self.stop = _box("Stop time [s from the start of the observation], not included")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for text, box in (("&Start", self.start), ("S&top", self.stop)):
            label = QtWidgets.QLabel(text)
            label.setBuddy(box)
            layout.addWidget(label)
            layout.addWidget(box)
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._announce)
        self.start.valueChanged.connect(self._on_start)
        self.stop.valueChanged.connect(self._on_stop)

    @property
    def range_s(self) -> tuple[float, float]:
        """(start, stop) [s]; never empty while a file is open."""
        return self._range

    def set_exposure(self, exposure_s: float) -> None:
        """Allow the times of an observation, and choose all of it."""
        self._exposure_s = exposure_s
        shortest = self._shortest
        self.start.setRange(0.0, max(exposure_s - shortest, 0.0))
        self.stop.setRange(shortest, max(exposure_s, shortest))
        self._show(0.0, exposure_s)
        self._settle.stop()

    @property
    def _shortest(self) -> float:
        return min(_SHORTEST_S, self._exposure_s)

    def _show(self, start_s: float, stop_s: float) -> None:
        self._range = (start_s, stop_s)
        for box, value in ((self.start, start_s), (self.stop, stop_s)):
            blocked = box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(blocked)

    @Slot(float)
    def _on_start(self, start_s: float) -> None:
        old_start, stop_s = self._range
        if start_s > stop_s - self._shortest:  # keep the length as far as the exposure allows
            stop_s = min(start_s + (stop_s - old_start), self._exposure_s)
        self._change(start_s, stop_s)

    @Slot(float)
    def _on_stop(self, stop_s: float) -> None:
        start_s, old_stop = self._range
        if stop_s >= self.stop.maximum():
            stop_s = self._exposure_s  # the box shows three digits, the exposure may have more
        if stop_s < start_s + self._shortest:
            start_s = max(stop_s - (old_stop - start_s), 0.0)
        self._change(start_s, stop_s)

    def _change(self, start_s: float, stop_s: float) -> None:
        # the box rounds to its digits: the start may be half of one nearer to the end than allowed
        stop_s = min(max(stop_s, start_s + self._shortest), self._exposure_s)
        self._show(start_s, stop_s)
        self._settle.start()

    @Slot()
    def _announce(self) -> None:
        self.rangeChanged.emit(self._range)


def _box(tip: str) -> QtWidgets.QDoubleSpinBox:
    box = QtWidgets.QDoubleSpinBox(decimals=3, singleStep=1.0, suffix=" s", toolTip=tip)
    box.setKeyboardTracking(False)  # a number counts when it is complete
    box.setMinimumWidth(104)
    box.setAccessibleName(tip)
    return box
