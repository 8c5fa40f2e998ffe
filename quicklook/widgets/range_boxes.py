"""Start and stop of a range as two boxes that cannot make an empty window, and buttons that step."""

from __future__ import annotations

import math

from quicklook.assets import icon
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.widgets.number_box import NumberBox

__all__ = ["RangeBoxes"]

_SETTLE_MS = 120
_USUAL_NUMBER = "-00.000 s"
_ARROWS_AND_FRAME = 46
_BESIDE_CAPTION = 8
_STEPS = (
    ("first", "First step: from the beginning"),
    ("back", "Step back"),
    ("forward", "Step forward"),
    ("last", "Last step: up to the end"),
)


class RangeBoxes(QtWidgets.QWidget):
    """Two coupled boxes: a start beyond the stop moves the stop along, and the other way round.

    Parameters
    ----------
    quantity, unit : str
        What is chosen, for example 'Time' and 's'.
    decimals : int
        Digits of the boxes; the last one is the shortest range.
    step : float
        Length of a step at first.

    Signals
    -------
    rangeChanged
        (start, stop), a moment after the last change.
    stepped
        (start, stop) after a step button, at once.
    noted
        Why a box shows another number than was typed, or what moved along; '' when that is over.
    """

    rangeChanged = Signal(object)  # noqa: N815
    stepped = Signal(object)
    noted = Signal(str)

    def __init__(self, quantity: str, unit: str, *, decimals: int, step: float) -> None:
        super().__init__()
        self._quantity, self._unit = quantity, unit
        self._decimals = decimals
        self._stepping = False
        self._better_limits: tuple[float, float] | None = None
        self._limits = (0.0, 0.0)
        self._range = (0.0, 0.0)
        self._why_not = ""
        self.caption = QtWidgets.QLabel(objectName="paneTitle")
        self.start = self._box("start")
        self.stop = self._box("stop")
        self.step = self._box("step")
        self._usual_step = step
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.caption)
        for text, box in (("Start", self.start), ("Stop", self.stop)):
            layout.addWidget(QtWidgets.QLabel(text))
            layout.addWidget(box)
        layout.addStretch(1)
        self.step_buttons = {name: self._step_button(name, tip) for name, tip in _STEPS}
        for button in self.step_buttons.values():
            layout.addWidget(button)
        layout.addWidget(self.step)
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._announce)
        self.start.valueChanged.connect(self._on_start)
        self.stop.valueChanged.connect(self._on_stop)
        for box in (self.start, self.stop):
            box.editingFinished.connect(self._on_typed)
        self.start.clamped.connect(self._on_start_clamped)
        self.stop.clamped.connect(self._on_stop_clamped)
        self.set_quantity(quantity, unit)

    def _box(self, name: str) -> NumberBox:
        box = NumberBox(decimals=self._decimals, singleStep=1.0)
        box.setObjectName(name)
        return box

    def _step_button(self, name: str, tip: str) -> QtWidgets.QToolButton:
        button = QtWidgets.QToolButton(icon=icon(name), autoRaise=True)
        button.setFixedWidth(22)
        button.setAccessibleName(tip)
        button.clicked.connect(lambda: self.go(name))
        button.setProperty("tip", tip)
        return button

    def set_quantity(self, quantity: str, unit: str) -> None:
        """Choose another quantity, for example phase [deg] instead of wavelength [nm]."""
        self._quantity, self._unit = quantity, unit
        self.caption.setText(quantity)
        for box, name in ((self.start, "Start"), (self.stop, "Stop"), (self.step, "Step of")):
            box.setSuffix(" °" if unit == "deg" else f" {unit}")
            box.setAccessibleName(f"{name} {quantity.lower()}")
        self._show_tips()

    def set_why_not(self, reason: str) -> None:
        """Switch everything off and say why in every tip; '': switch it on."""
        self._why_not = reason
        self.setEnabled(not reason)
        self.setToolTip(reason)
        self._show_tips()

    @property
    def needed_widths(self) -> tuple[int, int]:
        """Width of the caption, and of a box with its longest number [screen pixels]."""
        longest = f"{self._limits[1]:.{self._decimals}f}{self.stop.suffix()}"
        metrics = self.stop.fontMetrics()
        self.caption.ensurePolished()  # bold
        box = max(metrics.horizontalAdvance(text) for text in (longest, _USUAL_NUMBER))
        caption = self.caption.fontMetrics().horizontalAdvance(self._quantity)
        return caption + _BESIDE_CAPTION, box + _ARROWS_AND_FRAME

    def set_widths(self, caption: int, box: int) -> None:
        """Use these widths, so that several of these widgets stand in columns."""
        self.caption.setFixedWidth(caption)
        for each in (self.start, self.stop, self.step):
            each.setFixedWidth(box)

    # --- the range -------------------------------------------------------------------------------

    @property
    def range(self) -> tuple[float, float]:
        """(start, stop); never empty while a file is open."""
        return self._range

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest start and highest stop."""
        return self._limits

    @property
    def is_whole(self) -> bool:
        """Whether everything is chosen."""
        return self._range == self._limits

    def set_limits(self, low: float, high: float) -> None:
        """Allow another range, and choose all of it."""
        self._limits = (low, high)
        self._better_limits = None
        shortest = self._shortest
        self.start.setRange(low, max(high - shortest, low))
        self.stop.setRange(low + shortest, max(high, low + shortest))
        self.step.setRange(10.0**-self._decimals, max(high - low, self._usual_step))
        if not self._stepping:
            self.step.setValue(self._usual_step)
            self._stepping = high > low
        self._show(low, high)
        self._settle.stop()
        self._show_tips()
        self.noted.emit("")

    def widen_limits(self, low: float, high: float) -> None:
        """Take better known limits; a range that was chosen stays, as far as it fits.

        While a person types, they wait: a number that is half written must not change.
        """
        if self.start.hasFocus() or self.stop.hasFocus():
            self._better_limits = (low, high)
        else:
            self._take_limits(low, high)

    def _take_limits(self, low: float, high: float) -> None:
        chosen, whole = self._range, self.is_whole
        self.set_limits(low, high)
        if not whole:
            start = min(max(chosen[0], low), high - self._shortest)
            self._show(start, max(min(chosen[1], high), start + self._shortest))
        if self._range != chosen and not whole:
            self._settle.start()

    def set_range(self, start: float, stop: float) -> None:
        """Choose a range from elsewhere; it is fitted into the limits and not announced."""
        low, high = self._limits
        start = min(max(start, low), high - self._shortest)
        self._show(start, min(max(stop, start + self._shortest), high))

    @Slot()
    def go(self, step: str) -> None:
        """Step: 'first', 'back', 'forward' or 'last'; steps of one length cover everything once."""
        low, high = self._limits
        length = self.step.value()
        start, stop = self._range
        if step == "first" or (step == "forward" and self.is_whole):
            start, stop = low, low + length
        elif step == "last" or (step == "back" and self.is_whole):
            count = max(math.ceil(round((high - low) / length, 6)) - 1, 0)
            start, stop = low + count * length, high
        elif step == "forward" and high - stop > self._shortest / 2:
            start, stop = stop, stop + length
        elif step == "back" and start - low > self._shortest / 2:
            start, stop = start - length, start
        else:
            end = "end" if step == "forward" else "beginning"
            self.noted.emit(f"That was the {end} of the file")
            return
        digits = self._decimals
        start, stop = max(round(start, digits), low), min(round(stop, digits), high)
        if high - stop < self._shortest:  # the limits may have more digits than the boxes
            stop = high
        self._show(*self._not_empty(start, stop))
        self.noted.emit("")
        self._settle.stop()
        self.stepped.emit(self._range)

    # --- inside ----------------------------------------------------------------------------------

    @property
    def _shortest(self) -> float:
        low, high = self._limits
        return min(10.0**-self._decimals, high - low)

    def _show_tips(self) -> None:
        if self._why_not:
            for widget in (self.start, self.stop, self.step, *self.step_buttons.values()):
                widget.setToolTip(self._why_not)
            return
        for box, what in ((self.start, "Start"), (self.stop, "Stop (not included)")):
            span = f"{box.minimum():g} to {box.maximum():g} {self._unit}"
            box.setToolTip(
                f"{what} of the {self._quantity.lower()} range: {span}{self._no_limit(box)}"
            )
        self.step.setToolTip(f"Length of a step in {self._quantity.lower()}")
        for button in self.step_buttons.values():
            button.setToolTip(f"{button.property('tip')} in {self._quantity.lower()}")

    def _no_limit(self, box: NumberBox) -> str:
        """Return what an end of a range of wavelengths means: the limits of the boxes limit no photon."""
        if self._quantity != "Wavelength":
            return ""
        at, side = (self._limits[0], "lower") if box is self.start else (self._limits[1], "upper")
        return (
            f"\n{at:g} {self._unit}: no {side} limit. Without both limits every photon counts in images and "
            "light curves, also one without a wavelength."
        )

    def _show(self, start: float, stop: float) -> None:
        self._range = (start, stop)
        for box, value in ((self.start, start), (self.stop, stop)):
            blocked = box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(blocked)

    @Slot(float)
    def _on_start(self, start: float) -> None:
        old_start, stop = self._range
        if start <= self.start.minimum():
            start = self._limits[0]  # the box shows some digits, the limit may have more
        along = start > stop - self._shortest
        if along:  # keep the length as far as the limits allow
            stop = min(start + (stop - old_start), self._limits[1])
        self._change(start, stop)
        self.noted.emit(f"Stop moved along to {self._range[1]:g} {self._unit}" if along else "")

    @Slot(float)
    def _on_stop(self, stop: float) -> None:
        start, old_stop = self._range
        if stop >= self.stop.maximum():
            stop = self._limits[1]
        along = stop < start + self._shortest
        if along:
            start = max(stop - (old_stop - start), self._limits[0])
        self._change(start, stop)
        self.noted.emit(f"Start moved along to {start:g} {self._unit}" if along else "")

    @Slot(float)
    def _on_start_clamped(self, typed: float) -> None:
        low, high = self._limits
        end = f": the file ends at {high:g} {self._unit}"
        if typed <= low:
            end = ", where the file starts"
        self.noted.emit(f"Start moved to {self._range[0]:g} {self._unit}{end}")

    @Slot(float)
    def _on_stop_clamped(self, typed: float) -> None:
        at_end = typed > self._range[1]
        why = "the end of the file" if at_end else "just after the start of the file"
        self.noted.emit(f"Stop moved to {self._range[1]:g} {self._unit}, {why}")

    def _change(self, start: float, stop: float) -> None:
        self._show(*self._not_empty(start, stop))
        self._settle.start()

    def _not_empty(self, start: float, stop: float) -> tuple[float, float]:
        """Fit a range into the limits: a box rounds, and may be half a digit nearer to the end than allowed."""
        low, high = self._limits
        start = max(start, low)
        stop = min(max(stop, start + self._shortest), high)
        return (min(start, stop - self._shortest) if start >= stop else start), stop

    @Slot()
    def _on_typed(self) -> None:
        """Take the limits that had to wait."""
        if self._better_limits is not None:
            self._take_limits(*self._better_limits)

    @Slot()
    def _announce(self) -> None:
        self.rangeChanged.emit(self._range)
