"""A table of actions with their keys, which can be changed. No two actions ever have the same keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quicklook.assets import icon
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal

__all__ = ["ShortcutTable"]

_TAKEN = {
    "Up": "moves the active pixel",
    "Down": "moves the active pixel",
    "Left": "moves the active pixel",
    "Right": "moves the active pixel",
    "Space": "presses buttons",
    "Return": "presses buttons",
    "Enter": "presses buttons",
    "Esc": "closes what is open",
    "Tab": "goes to the next control",
    "Shift+Tab": "goes to the control before",
    "Backspace": "is needed to type",
    "Del": "is needed to type",
}
_BETWEEN = "; "
_EDIT_WIDTH = 170
_MODIFIERS = (
    Qt.Key.Key_Control,
    Qt.Key.Key_Shift,
    Qt.Key.Key_Alt,
    Qt.Key.Key_AltGr,
    Qt.Key.Key_Meta,
    Qt.Key.Key_CapsLock,
)
_NATIVE = QtGui.QKeySequence.SequenceFormat.NativeText


class ShortcutTable(QtWidgets.QWidget):
    """One row an action: text, keys to press, usual keys, buttons to remove and to reset them.

    Parameters
    ----------
    actions : sequence of (name, text, keys)
        The actions with their usual keys: '' is none, several are separated by '; '.

    Signals
    -------
    changed
        The keys of an action are others now: see `shortcuts`.
    """

    changed = Signal()

    def __init__(self, actions: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._usual = {name: _portable(keys) for name, _, keys in actions}
        self._texts = {name: _bare(text) for name, text, _ in actions}
        self._keys: dict[str, str] = {}
        self._rows: dict[str, _Row] = {}
        self.search = QtWidgets.QLineEdit(placeholderText="Find an action or its keys")
        self.search.setClearButtonEnabled(False)
        self.search.setAccessibleName("Find an action or its keys")
        self.search.textChanged.connect(self._filter)
        self.message = QtWidgets.QLabel(objectName="hint", wordWrap=True)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.search)
        layout.addWidget(self._build_rows(), 1)
        layout.addWidget(self.message)
        self.set_shortcuts({})

    def _build_rows(self) -> QtWidgets.QScrollArea:
        content = QtWidgets.QWidget(objectName="paper")
        column = QtWidgets.QVBoxLayout(content)
        column.setContentsMargins(12, 6, 8, 6)
        column.setSpacing(4)
        for name, text in self._texts.items():
            row = _Row(text, self._usual[name])
            row.pressed.connect(lambda keys, name=name: self._on_pressed(name, keys))
            row.cleared.connect(lambda name=name: self._set(name, ""))
            row.resetAsked.connect(lambda name=name: self._on_pressed(name, self._usual[name]))
            self._rows[name] = row
            column.addWidget(row)
        column.addStretch(1)
        area = QtWidgets.QScrollArea(objectName="paper")
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        return area

    # --- value -----------------------------------------------------------------------------------

    @property
    def shortcuts(self) -> dict[str, str]:
        """Keys of the actions that do not have their usual ones; '' is none."""
        return {name: keys for name, keys in self._keys.items() if keys != self._usual[name]}

    def set_shortcuts(self, shortcuts: Mapping[str, str]) -> None:
        """Show these changes of the usual keys; of two that collide, the later goes without."""
        self._keys = {}
        given_out: set[str] = set()
        for name, usual in self._usual.items():
            left = [
                key for key in _split(_portable(shortcuts.get(name, usual))) if key not in given_out
            ]
            given_out.update(left)
            self._keys[name] = _BETWEEN.join(left)
        for name, row in self._rows.items():
            row.show_keys(self._keys[name])
        self._say("")

    def try_keys(self, name: str, keys: str) -> str:
        """Give an action these keys, as if they had been pressed.

        Returns
        -------
        str
            '', or why it keeps those that it has.
        """
        self._on_pressed(name, keys)
        return self.message.text()

    def row(self, name: str) -> QtWidgets.QWidget:
        """Return the row of an action."""
        return self._rows[name]

    # --- editing ---------------------------------------------------------------------------------

    def _on_pressed(self, name: str, keys: str) -> None:
        keys = _portable(keys)
        others = {key: n for n, k in self._keys.items() if n != name for key in _split(k)}
        for key in _split(keys):
            if key in _TAKEN and key not in _split(self._usual[name]):
                self._refuse(name, f"{key} {_TAKEN[key]}. Choose other keys, such as Ctrl+{key}.")
                return
            if key in others:
                owner = self._texts[others[key]]
                self._refuse(
                    name,
                    f"{key} belongs to “{owner}”. Choose other keys, or remove it there first.",
                )
                return
        self._set(name, keys)

    def _refuse(self, name: str, why: str) -> None:
        self._rows[name].show_keys(self._keys[name])
        self._say(why)

    def _set(self, name: str, keys: str) -> None:
        self._say("")
        different = self._keys[name] != keys
        self._keys[name] = keys
        self._rows[name].show_keys(keys)
        if different:
            self.changed.emit()

    def _say(self, text: str) -> None:
        self.message.setText(text)

    def _filter(self, text: str) -> None:
        wanted = text.strip().lower()
        for name, row in self._rows.items():
            row.setVisible(wanted in f"{self._texts[name]} {self._keys[name]}".lower())


class _KeyBox(QtWidgets.QLineEdit):
    """A box that shows keys and takes the next ones that are pressed.

    Qt's own box waits a second for further keys, and tells nobody that it waits.

    Signals
    -------
    pressed
        Keys that were pressed, as text.
    """

    pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__(readOnly=True, placeholderText="none")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)

    def event(self, event: QtCore.QEvent | None) -> bool:
        """Keep keys that are another action's by now from that action."""
        if event is not None and event.type() == QtCore.QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QtGui.QKeyEvent | None) -> None:
        """Tell which keys were pressed, unless only modifiers were."""
        if event is None or event.key() in (*_MODIFIERS, Qt.Key.Key_unknown, 0):
            return
        modifiers = int(event.modifiers()) & ~int(Qt.KeyboardModifier.KeypadModifier)
        text = event.text()
        if text and text.isprintable() and not text.isalnum() and not text.isspace():
            # shift only made the sign: the keys for a plus are +, not Shift++
            modifiers &= ~int(Qt.KeyboardModifier.ShiftModifier)
        self.pressed.emit(QtGui.QKeySequence(modifiers | event.key()).toString())


class _Row(QtWidgets.QWidget):
    """An action with its keys.

    Signals
    -------
    pressed
        Keys that were pressed, as text.
    cleared, resetAsked
        A button was pressed.
    """

    pressed = Signal(str)
    cleared = Signal()
    resetAsked = Signal()  # noqa: N815

    def __init__(self, text: str, usual: str) -> None:
        super().__init__()
        self._usual = _portable(usual)
        self.edit = _KeyBox()
        self.edit.setFixedWidth(_EDIT_WIDTH)
        self.edit.setToolTip(f"Press the keys for “{text}”")
        self.edit.setAccessibleName(f"Keys for {text}")
        self.edit.pressed.connect(self.pressed)
        self.clear = _button("close", f"No keys for “{text}”")
        self.clear.clicked.connect(self.cleared)
        back = f"Back to {' or '.join(_split(self._usual))}" if usual else "Back to no keys"
        self.reset = _button("refresh", back)
        self.reset.clicked.connect(self.resetAsked)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(QtWidgets.QLabel(text), 1)
        layout.addWidget(self.edit)
        layout.addWidget(self.clear)
        layout.addWidget(self.reset)

    def show_keys(self, keys: str) -> None:
        """Show the keys that count; buttons that would do nothing are disabled."""
        native = (QtGui.QKeySequence(key).toString(_NATIVE) for key in _split(keys))
        self.edit.setText(" or ".join(native))
        self.clear.setEnabled(bool(keys))
        self.reset.setEnabled(keys != self._usual)


def _button(name: str, tip: str) -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton(icon=icon(name), toolTip=tip)
    button.setAccessibleName(tip)
    button.setIconSize(QtCore.QSize(14, 14))
    return button


def _split(keys: str) -> list[str]:
    return keys.split(_BETWEEN) if keys else []


def _portable(keys: str) -> str:
    return _BETWEEN.join(QtGui.QKeySequence(key).toString() for key in _split(keys))


def _bare(text: str) -> str:
    """Return the text of an action as it is read: without the sign of its underlined letter."""
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&").rstrip("…")
