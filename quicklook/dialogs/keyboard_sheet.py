"""All keys and mouse gestures on one sheet, made from the commands themselves: never out of date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from quicklook import theme
from quicklook.action_texts import read_action
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Slot
from quicklook.widgets.key_caps import KeyCaps
from quicklook.widgets.on_screen import resize_on_screen
from quicklook.widgets.search_line import SearchLine

__all__ = ["KeyboardSheet", "columns_of"]

_MOUSE = "Mouse"
_OTHER = "Other"
_COLUMN_WIDTH = 300
_MOST_COLUMNS = 3
_GESTURE_LINES = 2
_HEADING_LINES = 2


class _Row(NamedTuple):
    """One line: what happens, the keys for it, or else the gesture; menu and tip to be searched too."""

    group: str
    text: str
    keys: tuple[str, ...]
    gesture: str = ""
    tip: str = ""

    def has(self, words: Sequence[str]) -> bool:
        """Return whether all words (lower case) are somewhere in it."""
        everything = "\n".join((self.group, self.text, *self.keys, self.gesture, self.tip)).lower()
        return all(word in everything for word in words)


class KeyboardSheet(QtWidgets.QDialog):
    """Keys by menu, and what the mouse does. Non-modal: it may stay open beside the window.

    Parameters
    ----------
    actions : sequence of QAction
        The commands; those without keys are only counted. They are read whenever they change.
    gestures : sequence of (str, str)
        Gesture of the mouse, and what it does.
    parent : QWidget, optional
        The window that it belongs to.
    """

    def __init__(
        self,
        actions: Sequence[QtWidgets.QAction],
        gestures: Sequence[tuple[str, str]],
        parent: QtWidgets.QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard and mouse - quicklook")
        self.setModal(False)
        resize_on_screen(self, 1040, 720)
        self._actions = list(actions)
        self._gestures = list(gestures)
        self._rows: tuple[_Row, ...] = ()
        self._cards: list[_Card] = []
        self._placed: list[int] = []
        self._build()
        # many commands change at once: they are read once, afterwards
        self._soon = QtCore.QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._read)
        for action in self._actions:
            action.changed.connect(self._soon.start)
        theme.notifier.changed.connect(self._arrange)
        self._read()

    def _build(self) -> None:
        self.search = SearchLine(
            "Search: command, key or gesture", "Show only lines with these words"
        )
        self.search.textChanged.connect(self._filter)
        self.note = QtWidgets.QLabel(objectName="caption", wordWrap=True)
        self.copy_button = QtWidgets.QPushButton("Copy as text", autoDefault=False)
        self.copy_button.setToolTip("Copy the lines that are shown, to print or to send")
        self.copy_button.clicked.connect(self._copy)
        self.close_button = QtWidgets.QPushButton("Close", autoDefault=False)
        self.close_button.clicked.connect(self.close)
        sheet = QtWidgets.QWidget()
        across = QtWidgets.QHBoxLayout(sheet)
        across.setContentsMargins(0, 0, 4, 0)
        across.setSpacing(10)
        self._columns = [QtWidgets.QVBoxLayout() for _ in range(_MOST_COLUMNS)]
        for column in self._columns:
            column.setSpacing(10)
            across.addLayout(column, 1)
        self.scroll = QtWidgets.QScrollArea(widgetResizable=True)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll.setWidget(sheet)
        bottom = QtWidgets.QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addWidget(self.note, 1)
        bottom.addWidget(self.copy_button)
        bottom.addWidget(self.close_button)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 12)
        layout.setSpacing(10)
        layout.addWidget(self.search)
        layout.addWidget(self.scroll, 1)
        layout.addLayout(bottom)
        find = QtWidgets.QShortcut(QtGui.QKeySequence.StandardKey.Find, self)
        find.activated.connect(self._focus_search)

    # --- what is shown ---------------------------------------------------------------------------

    def _all_rows(self) -> Iterator[_Row]:
        for action in self._actions:
            text = read_action(action)
            if text.keys:
                group = text.menus[0] if text.menus else _OTHER
                yield _Row(group, text.text, text.keys, tip=text.tip)
        for gesture, what in self._gestures:
            yield _Row(_MOUSE, what, (), gesture)

    @Slot()
    def _read(self) -> None:
        """Make the sheet anew if a text or key has changed since."""
        rows = tuple(self._all_rows())
        if rows == self._rows:
            return
        self._rows = rows
        for card in self._cards:
            card.deleteLater()
        groups = dict.fromkeys(row.group for row in rows)
        sheet = self.scroll.widget()
        self._cards = [_Card(name, [r for r in rows if r.group == name], sheet) for name in groups]
        self._placed = []
        self._filter()

    @Slot()
    def _filter(self) -> None:
        words = self.search.wanted.split()
        shown = sum(card.filter(words) for card in self._cards)
        self.copy_button.setEnabled(shown > 0)
        silent = sum(not action.shortcuts() for action in self._actions)
        if not shown:
            self.note.setText("Nothing fits. Try fewer letters.")
        elif words:
            self.note.setText(f"{shown} of {len(self._rows)} lines")
        else:
            self.note.setText(
                f"{silent} commands have no keys: Help › Find a command lists them all, and the "
                "preferences give keys to any."
                if silent
                else ""
            )
        self._arrange()

    @Slot()
    def _arrange(self) -> None:
        """Spread the cards over as many columns as there is room for."""
        room = max(self.scroll.viewport().width(), 1)
        count = min(max(int(room / (_COLUMN_WIDTH * theme.text_scale())), 1), _MOST_COLUMNS)
        placed = columns_of([card.lines for card in self._cards], count)
        if placed == self._placed:
            return
        self._placed = placed
        for column in self._columns:
            while column.count():
                column.takeAt(0)
        for card, place in zip(self._cards, placed, strict=True):
            self._columns[place].addWidget(card)
        for place, column in enumerate(self._columns):
            column.addStretch(1)
            self.scroll.widget().layout().setStretch(place, int(place < count))

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:
        """Use as many columns as there is room for."""
        super().resizeEvent(event)
        self._arrange()

    def showEvent(self, event: QtGui.QShowEvent | None) -> None:
        """Be ready to be searched."""
        super().showEvent(event)
        self._arrange()
        self._focus_search()

    @Slot()
    def _focus_search(self) -> None:
        self.search.setFocus()
        self.search.selectAll()

    # --- copying ---------------------------------------------------------------------------------

    def as_text(self) -> str:
        """Return what is shown, in lines to print: keys or gesture, then what happens."""
        shown = [(card.name, rows) for card in self._cards if (rows := card.shown)]
        left = [row.gesture or " or ".join(row.keys) for _, rows in shown for row in rows]
        width = max(map(len, left), default=0)
        parts = ["quicklook: keyboard and mouse"]
        for name, rows in shown:
            lines = [f"{row.gesture or ' or '.join(row.keys):<{width}}  {row.text}" for row in rows]
            parts.append("\n".join([name, *(f"  {line}" for line in lines)]))
        return "\n\n".join(parts) + "\n"

    @Slot()
    def _copy(self) -> None:
        QtWidgets.QApplication.clipboard().setText(self.as_text())
        self.note.setText("Copied.")


def columns_of(lines: Sequence[int], count: int) -> list[int]:
    """Return the column of each card, so that the longest column is as short as can be.

    Parameters
    ----------
    lines : sequence of int
        How long the cards are; they stay in their order.
    count : int
        Number of columns.
    """
    best: tuple[int, list[int]] | None = None
    for cuts in combinations(range(len(lines) + 1), count - 1):
        places = [sum(cut <= number for cut in cuts) for number in range(len(lines))]
        totals = [0] * count
        for place, length in zip(places, lines, strict=True):
            totals[place] += length
        if best is None or max(totals) < best[0]:
            best = (max(totals), places)
    return best[1] if best else [0] * len(lines)


class _Card(QtWidgets.QFrame):
    """One group: a heading, and a line for each row."""

    def __init__(self, name: str, rows: Sequence[_Row], sheet: QtWidgets.QWidget) -> None:
        super().__init__(sheet, objectName="card")  # without it, it would be a window for a moment
        self.name = name
        self._rows = list(rows)
        self.shown = list(rows)
        self._lines: list[QtWidgets.QWidget] = []
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 10)
        layout.setSpacing(4)
        heading = QtWidgets.QLabel(name, objectName="value")
        layout.addWidget(heading)
        for row in rows:
            line = _gesture_line(row) if row.gesture else _key_line(row)
            self._lines.append(line)
            layout.addWidget(line)

    def filter(self, words: Sequence[str]) -> int:
        """Show only rows with all these words; return how many. Without any, the card hides."""
        self.shown = [row for row in self._rows if row.has(words)]
        for row, line in zip(self._rows, self._lines, strict=True):
            line.setVisible(row.has(words))
        self.setVisible(bool(self.shown))
        return len(self.shown)

    @property
    def lines(self) -> int:
        """How long it is, in lines of text."""
        if not self.shown:
            return 0
        return _HEADING_LINES + sum(_GESTURE_LINES if row.gesture else 1 for row in self.shown)


def _label(text: str, name: str) -> QtWidgets.QLabel:
    label = QtWidgets.QLabel(text, objectName=name, wordWrap=True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setMinimumWidth(20)
    return label


def _key_line(row: _Row) -> QtWidgets.QWidget:
    line = QtWidgets.QWidget()
    line.setToolTip(row.tip)
    layout = QtWidgets.QHBoxLayout(line)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(8)
    layout.addWidget(_label(row.text, ""), 1)
    layout.addWidget(KeyCaps(row.keys))
    return line


def _gesture_line(row: _Row) -> QtWidgets.QWidget:
    line = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(line)
    layout.setContentsMargins(0, 2, 0, 2)
    layout.setSpacing(0)
    layout.addWidget(_label(row.gesture, ""))
    layout.addWidget(_label(row.text, "caption"))
    return line
