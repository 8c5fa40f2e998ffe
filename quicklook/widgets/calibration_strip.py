"""The state of every calibration at a glance: a symbol and a word each, the story in the tip, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quicklook.file_facts import CalibrationState
from quicklook.qt import Qt, QtWidgets
from quicklook.widgets.symbol import Symbol

__all__ = ["CalibrationStrip"]

_SYMBOLS = {"done": "check", "none": "dash", "partial": "warning", "unknown": "question"}


class CalibrationStrip(QtWidgets.QWidget):
    """One field a calibration: name above, symbol and word below. Fields are kept: to make them anew takes long."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QtWidgets.QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(16)
        self._offered: dict[str, list[QtWidgets.QAction]] = {}
        self._fields: dict[str, _Field] = {}
        self.states: tuple[CalibrationState, ...] = ()

    def offer(self, actions: Mapping[str, Sequence[QtWidgets.QAction]]) -> None:
        """Set what a field's menu offers, by the name of the calibration; before anything is shown."""
        self._offered = {name: list(some) for name, some in actions.items()}

    def show_states(self, states: tuple[CalibrationState, ...]) -> None:
        """Show these states, in their order."""
        self.states = states
        for place, state in enumerate(states):
            field = self._field(state.name)
            if self._layout.indexOf(field) != place:
                self._layout.insertWidget(place, field)
            field.show_state(state)
        for name, field in self._fields.items():
            field.setVisible(any(state.name == name for state in states))

    def _field(self, name: str) -> _Field:
        """Return the field of a calibration, made when it is first shown."""
        if name not in self._fields:
            self._fields[name] = _Field(name, self._offered.get(name, []))
        return self._fields[name]


class _Field(QtWidgets.QWidget):
    """What is known of one calibration, and the button with what can be done."""

    def __init__(self, name: str, offered: Sequence[QtWidgets.QAction]) -> None:
        super().__init__()
        self._symbol = Symbol(14)
        self._word = QtWidgets.QLabel(objectName="value")
        self._button = _menu_button(name, offered) if offered else None
        below = QtWidgets.QHBoxLayout()
        below.setSpacing(4)
        below.addWidget(self._symbol)
        below.addWidget(self._word)
        if self._button is not None:
            below.addWidget(self._button)
        below.addStretch(1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(QtWidgets.QLabel(name, objectName="caption"))
        column.addLayout(below)

    def show_state(self, state: CalibrationState) -> None:
        """Show this state."""
        self._symbol.set_name(_SYMBOLS[state.state])
        self._word.setText(state.word)
        self.setToolTip(state.sentence)
        self.setAccessibleName(f"{state.name}: {state.word}. {state.sentence}")
        if self._button is not None:
            self._button.setToolTip(f"{state.sentence}\nClick to apply or undo")


def _menu_button(name: str, offered: Sequence[QtWidgets.QAction]) -> QtWidgets.QToolButton:
    """Return the little button that opens the menu of a calibration."""
    button = QtWidgets.QToolButton(objectName="stateMenu", autoRaise=True)
    button.setAccessibleName(f"{name}: apply or undo")
    button.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    menu = QtWidgets.QMenu(button)
    menu.addActions(list(offered))
    button.setMenu(menu)
    return button
