"""Start and stop time as two boxes that cannot make an empty window."""

from __future__ import annotations

from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.widgets.number_box import NumberBox

__all__ = ["TimeRangeBoxes"]

_SHORTEST_S = 0.001
_SETTLE_MS = 120
_START_TIP = "Start time [s from the start of the observation]"
_STOP_TIP = "Stop time [s from the start of the observation], not included"


class TimeRangeBoxes(QtWidgets.QWidget):
    """Two coupled boxes [s]: a start beyond the stop moves the stop along, and the other way round.

    Signals
    -------
    rangeChanged
        (start_s, stop_s), a moment after the last change.
    noted
        Why a box shows another number than was typed, or what moved along; '' when that is over.
    """

    rangeChanged = Signal(object)  # noqa: N815
    noted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._exposure_s = 0.0
        self._range = (0.0, 0.0)
        self.start = _box(_START_TIP)
        self.stop = _box(_STOP_TIP)
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
        self.start.clamped.connect(self._on_start_clamped)
        self.stop.clamped.connect(self._on_stop_clamped)

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
        for box, tip in ((self.start, _START_TIP), (self.stop, _STOP_TIP)):
            box.setToolTip(f"{tip}: {box.minimum():g} to {box.maximum():g} s")
        self.noted.emit("")

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
        along = start_s > stop_s - self._shortest
        if along:  # keep the length as far as the exposure allows
            stop_s = min(start_s + (stop_s - old_start), self._exposure_s)
        self._change(start_s, stop_s)
        self.noted.emit(f"Stop moved along to {self._range[1]:g} s" if along else "")

    @Slot(float)
    def _on_stop(self, stop_s: float) -> None:
        start_s, old_stop = self._range
        if stop_s >= self.stop.maximum():
            stop_s = self._exposure_s  # the box shows three digits, the exposure may have more
        along = stop_s < start_s + self._shortest
        if along:
            start_s = max(stop_s - (old_stop - start_s), 0.0)
        self._change(start_s, stop_s)
        self.noted.emit(f"Start moved along to {start_s:g} s" if along else "")

    @Slot(float)
    def _on_start_clamped(self, typed_s: float) -> None:
        end = (
            f": the file ends at {self._exposure_s:g} s"
            if typed_s > 0
            else ", where the file starts"
        )
        self.noted.emit(f"Start moved to {self._range[0]:g} s{end}")

    @Slot(float)
    def _on_stop_clamped(self, typed_s: float) -> None:
        at_end = typed_s > self._range[1]
        why = "the end of the file" if at_end else "just after the start of the file"
        self.noted.emit(f"Stop moved to {self._range[1]:g} s, {why}")

    def _change(self, start_s: float, stop_s: float) -> None:
        # the box rounds to its digits: the start may be half of one nearer to the end than allowed
        stop_s = min(max(stop_s, start_s + self._shortest), self._exposure_s)
        self._show(start_s, stop_s)
        self._settle.start()

    @Slot()
    def _announce(self) -> None:
        self.rangeChanged.emit(self._range)


def _box(tip: str) -> NumberBox:
    box = NumberBox(decimals=3, singleStep=1.0, suffix=" s", toolTip=tip)
    box.setMinimumWidth(104)
    box.setAccessibleName(tip)
    return box
