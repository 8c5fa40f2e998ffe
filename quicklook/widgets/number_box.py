"""A box for a number that takes any number while it is typed, and tells when it had to change it."""

from __future__ import annotations

from quicklook.qt import QtGui, QtWidgets, Signal, Slot

__all__ = ["NumberBox"]


class NumberBox(QtWidgets.QDoubleSpinBox):
    """Qt's box refuses the keystroke that leaves the range, which turns 12.5 into 1.5 without a word.

    This one takes the number as typed, and the nearest allowed one when the person has finished.

    Signals
    -------
    clamped
        The number typed, which is not in the range; `value` is the end of the range by now.
    """

    clamped = Signal(float)

    def __init__(self, **properties: object) -> None:
        super().__init__(**properties)
        self.setKeyboardTracking(False)  # a number counts when it is complete
        self._typed: float | None = None
        self.editingFinished.connect(self._on_finished)

    def validate(self, text: str | None, position: int) -> tuple[QtGui.QValidator.State, str, int]:
        """Accept every number, whatever the range."""
        state = QtGui.QValidator.State
        bare = self._bare(text)
        if bare in ("", "-", "+", ".", "-.", self.locale().decimalPoint()):
            return state.Intermediate, text or "", position
        valid = self.locale().toDouble(bare)[1]
        return (state.Acceptable if valid else state.Invalid), text or "", position

    def valueFromText(self, text: str | None) -> float:  # noqa: N802
        """Return the number as typed; Qt then brings it into the range."""
        self._typed = self.locale().toDouble(self._bare(text))[0]
        return self._typed

    def _bare(self, text: str | None) -> str:
        return (text or "").removesuffix(self.suffix()).strip()

    @Slot()
    def _on_finished(self) -> None:
        typed, self._typed = self._typed, None
        if typed is not None and not self.minimum() <= typed <= self.maximum():
            self.clamped.emit(typed)
