"""The state of every calibration at a glance: a symbol and a word each, the story in the tip, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quicklook.file_facts import CalibrationState
from quicklook.qt import Qt, QtWidgets
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
        self._offered: dict[str, list[QtWidgets.QAction]] = {}
        self.states: tuple[CalibrationState, ...] = ()

    def offer(self, actions: Mapping[str, Sequence[QtWidgets.QAction]]) -> None:
        """Set what a field's menu offers, by the name of the calibration."""
        self._offered = {name: list(some) for name, some in actions.items()}

    def show_states(self, states: tuple[CalibrationState, ...]) -> None:
        """Show these states."""
        self.states = states
        while self._layout.count():
            widget = self._layout.takeAt(0).widget()
            widget.setParent(None)
            widget.deleteLater()
        for state in states:
            self._layout.addWidget(_field(state, self._offered.get(state.name, [])))


def _field(state: CalibrationState, offered: Sequence[QtWidgets.QAction]) -> QtWidgets.QWidget:
    field = QtWidgets.QWidget(toolTip=state.sentence)
    field.setAccessibleName(f"{state.name}: {state.word}. {state.sentence}")
    symbol = Symbol(14, _SYMBOLS[state.state])
    word = QtWidgets.QLabel(state.word, objectName="value")
    below = QtWidgets.QHBoxLayout()
    below.setSpacing(4)
    below.addWidget(symbol)
    below.addWidget(word)
    if offered:
        below.addWidget(_menu_button(state, offered))
    below.addStretch(1)
    column = QtWidgets.QVBoxLayout(field)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addWidget(QtWidgets.QLabel(state.name, objectName="caption"))
    column.addLayout(below)
    return field


def _menu_button(
    state: CalibrationState, offered: Sequence[QtWidgets.QAction]
) -> QtWidgets.QToolButton:
    """Return the little button that opens the menu of a calibration."""
    button = QtWidgets.QToolButton(objectName="stateMenu", autoRaise=True)
    button.setAccessibleName(f"{state.name}: apply or undo")
    button.setToolTip(f"{state.sentence}\nClick to apply or undo")
    button.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    menu = QtWidgets.QMenu(button)
    menu.addActions(list(offered))
    button.setMenu(menu)
    return button
