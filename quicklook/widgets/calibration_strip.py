"""The state of every calibration at a glance: a symbol and a word each, the story in the tip."""

from __future__ import annotations

from quicklook.qt import QtWidgets
from quicklook.tasks import CalibrationState
from quicklook.widgets.symbol import Symbol

__all__ = ["CalibrationStrip"]

_SYMBOLS = {"done": "check", "none": "dash", "partial": "warning", "unknown": "question"}


class CalibrationStrip(QtWidgets.QWidget):
    """One field a calibration: name above, symbol and word below."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QtWidgets.QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(16)
        self.states: tuple[CalibrationState, ...] = ()

    def show_states(self, states: tuple[CalibrationState, ...]) -> None:
        """Show these states."""
        self.states = states
        while self._layout.count():
            widget = self._layout.takeAt(0).widget()
            widget.setParent(None)
            widget.deleteLater()
        for state in states:
            self._layout.addWidget(_field(state))


def _field(state: CalibrationState) -> QtWidgets.QWidget:
    field = QtWidgets.QWidget(toolTip=state.sentence)
    field.setAccessibleName(f"{state.name}: {state.word}. {state.sentence}")
    symbol = Symbol(14, _SYMBOLS[state.state])
    word = QtWidgets.QLabel(state.word, objectName="value")
    below = QtWidgets.QHBoxLayout()
    below.setSpacing(4)
    below.addWidget(symbol)
    below.addWidget(word)
    below.addStretch(1)
    column = QtWidgets.QVBoxLayout(field)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addWidget(QtWidgets.QLabel(state.name, objectName="caption"))
    column.addLayout(below)
    return field
