"""Header, history and health of the open file: three tables to search and to copy.

It is shown a `pipeline_core.describe_observation.Description` (or its like); whoever owns it reads the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from quicklook.assets import icon
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot
from quicklook.widgets.search_line import SearchLine
from quicklook.widgets.text_pages import TextPages

__all__ = ["Described", "DetailsDialog"]

_NOTHING_YET = "Open a photon file, a .bin or .img file first (Ctrl+O)."
_STATES = {"good": "success", "warning": "warning", "bad": "error", "unknown": "question"}
_GRAVITY = ("bad", "warning", "unknown", "good")
_WORDS = {"good": "good", "warning": "warning", "bad": "bad", "unknown": "unknown"}


_SIDES = 5
_ABOVE = 4


class Described(Protocol):
    """What a description has.

    Attributes
    ----------
    path : Path
    header
        Rows of (group, key, value, unit).
    history
        Rows of (UTC, action, detail, whether it was undone), oldest first.
    health
        Rows of (what was looked at, 'good' | 'warning' | 'bad' | 'unknown', sentence).
    """

    path: Path
    header: Sequence[tuple[str, str, str, str]]
    history: Sequence[tuple[str, str, str, bool]]
    health: Sequence[tuple[str, str, str]]


class DetailsDialog(QtWidgets.QDialog):
    """Three tables, one box to search them all. Non-modal: it may stay open beside the window.

    Signals
    -------
    refreshRequested
        Read the description again and answer with `show_description` or `show_error`.
    """

    refreshRequested = Signal()  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Header, history and health")
        self.setModal(False)
        self.resize(780, 600)
        self.header = _Table(("Key", "Value", "Unit"), 1, "Header")
        self.history = _Table(("Time (UTC)", "Action", "Detail", "State"), 2, "History")
        self.health = _Table(("Check", "State", "What was found"), 2, "Health")
        self._name = ""
        self._build()
        self._connect()
        self.show_placeholder(_NOTHING_YET)

    def _build(self) -> None:
        self.search = SearchLine("Search all three tables", "Show only rows with this in them")
        self.tabs = QtWidgets.QTabWidget()
        self.tabs.setIconSize(QtCore.QSize(16, 16))
        for table in self._tables:
            self.tabs.addTab(table, table.name)
        self.pages = TextPages(self.tabs)
        self.refresh = QtWidgets.QPushButton("Read again", autoDefault=False)
        self.copy_tab = QtWidgets.QPushButton("Copy this table", autoDefault=False)
        self.copy_all = QtWidgets.QPushButton("Copy all three", autoDefault=False)
        self.close_button = QtWidgets.QPushButton("Close", autoDefault=False)
        self.note = QtWidgets.QLabel(objectName="caption")
        bottom = QtWidgets.QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addWidget(self.note, 1)
        for button in (self.refresh, self.copy_tab, self.copy_all, self.close_button):
            bottom.addWidget(button)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 12)
        layout.setSpacing(10)
        layout.addWidget(self.search)
        layout.addWidget(self.pages, 1)
        layout.addLayout(bottom)

    def _connect(self) -> None:
        self.search.textChanged.connect(self._filter)
        self.tabs.currentChanged.connect(self._update_buttons)
        self.refresh.clicked.connect(self.refreshRequested)
        self.copy_tab.clicked.connect(self._copy_tab)
        self.copy_all.clicked.connect(self._copy_all)
        self.close_button.clicked.connect(self.close)
        find = QtWidgets.QShortcut(QtGui.QKeySequence.StandardKey.Find, self)
        find.activated.connect(self._focus_search)

    @property
    def _tables(self) -> tuple[_Table, _Table, _Table]:
        return (self.header, self.history, self.health)

    # --- what is shown ---------------------------------------------------------------------------

    def show_busy(self, name: str = "") -> None:
        """Say that the file is being read; `name` is that of the file."""
        self._set_name(name)
        self.pages.show_placeholder(f"Reading {name}…" if name else "Reading…")
        self._update_buttons()

    def show_placeholder(self, text: str = _NOTHING_YET) -> None:
        """Say why there is nothing to show: no file is open."""
        self._set_name("")
        self.pages.show_placeholder(text)
        self._update_buttons()

    @Slot(str)
    def show_error(self, message: str) -> None:
        """Say why the file cannot be described."""
        self.pages.show_error(message)
        self._update_buttons()

    @Slot(object)
    def show_description(self, description: Described) -> None:
        """Fill the tables; search text and open table stay."""
        self._set_name(Path(description.path).name)
        self.header.set_rows(
            [(group, (key, value, unit)) for group, key, value, unit in description.header]
        )
        self.history.set_rows(
            [
                ("", (utc, action, detail, "undone" if undone else ""))
                for utc, action, detail, undone in description.history
            ],
            pale=[undone for *_, undone in description.history],
        )
        states = [state if state in _STATES else "unknown" for _, state, _ in description.health]
        self.health.set_rows(
            [
                ("", (name, _WORDS[state], sentence))
                for (name, _, sentence), state in zip(description.health, states, strict=True)
            ],
            icons=[_STATES[state] for state in states],
        )
        worst = next((state for state in _GRAVITY if state in states), "unknown")
        self.tabs.setTabIcon(2, icon(_STATES[worst]))
        self.pages.show_content()
        self._filter()

    def _set_name(self, name: str) -> None:
        self._name = name
        title = "Header, history and health"
        self.setWindowTitle(f"{name} – {title}" if name else title)

    # --- searching -------------------------------------------------------------------------------

    @Slot()
    def _filter(self) -> None:
        text = self.search.wanted
        for place, table in enumerate(self._tables):
            shown = table.filter(text)
            number = f"{shown} of {table.n_rows}" if text else str(table.n_rows)
            self.tabs.setTabText(place, f"{table.name} ({number})")
        self._update_buttons()

    @Slot()
    def _focus_search(self) -> None:
        self.search.setFocus()
        self.search.selectAll()

    # --- copying ---------------------------------------------------------------------------------

    @Slot()
    def _update_buttons(self) -> None:
        there = not self.pages.message
        current = self._tables[self.tabs.currentIndex()]
        filtered = " that are found" if self.search.wanted else ""
        for button, rows, what in (
            (self.copy_tab, current.n_shown, f"this table{filtered}"),
            (self.copy_all, sum(t.n_shown for t in self._tables), f"all three tables{filtered}"),
        ):
            button.setEnabled(there and rows > 0)
            usable = f"Copy the rows of {what} as text"
            button.setToolTip(usable if button.isEnabled() else "There is nothing to copy")
        self.note.clear()

    def as_text(self) -> str:
        """Return the rows that are shown in all tables, as text with headings."""
        parts = [f"{table.name}\n{table.as_text()}" for table in self._tables if table.n_shown]
        return "\n\n".join([self._name, *parts])

    @Slot()
    def _copy_tab(self) -> None:
        self._copy(self._tables[self.tabs.currentIndex()].as_text())

    @Slot()
    def _copy_all(self) -> None:
        self._copy(self.as_text())

    def _copy(self, text: str) -> None:
        QtWidgets.QApplication.clipboard().setText(text)
        self.note.setText("Copied.")


class _Table(QtWidgets.QTableWidget):
    """Rows of text under headings of their groups; lines are broken in the wide column.

    Parameters
    ----------
    titles : sequence of str
        Of the columns.
    wide : int
        The column that takes the room that is left.
    name : str
        What the table is called.
    """

    def __init__(self, titles: Sequence[str], wide: int, name: str) -> None:
        super().__init__(0, len(titles))
        self.name = name
        self._titles = tuple(titles)
        self._wide = wide
        self._rows: list[tuple[str, tuple[str, ...]]] = []
        self._places: list[int] = []  # of the rows, in the table
        self._headings: dict[int, str] = {}
        self._shown: list[bool] = []
        self.setHorizontalHeaderLabels(self._titles)
        self.setAccessibleName(name)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setStyleSheet("QTableView { border: none }")
        self.setItemDelegate(_Cell(self))
        self.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QtWidgets.QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setIconSize(QtCore.QSize(16, 16))
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(10)
        self.verticalHeader().setStyleSheet("QHeaderView::section { padding: 0 }")
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(wide, QtWidgets.QHeaderView.ResizeMode.Stretch)
        self._settle = QtCore.QTimer(self, singleShot=True, interval=0)
        self._settle.timeout.connect(self.resizeRowsToContents)
        header.sectionResized.connect(self._settle.start)  # to break the lines anew

    @property
    def n_rows(self) -> int:
        """Number of rows, headings not counted."""
        return len(self._rows)

    @property
    def n_shown(self) -> int:
        """Number of rows that the search leaves."""
        return sum(self._shown)

    def set_rows(
        self,
        rows: Iterable[tuple[str, Sequence[str]]],
        icons: Sequence[str] = (),
        pale: Sequence[bool] = (),
    ) -> None:
        """Show rows of (group, texts); icons are for the second column; pale rows are struck out."""
        self._rows = [(group, tuple(texts)) for group, texts in rows]
        self._places, self._headings = [], {}
        self.setRowCount(0)
        group = ""
        for number, (own_group, texts) in enumerate(self._rows):
            if own_group != group:
                group = own_group
                self._add_heading(group)
            place = self.rowCount()
            self.setRowCount(place + 1)
            self._places.append(place)
            for column, text in enumerate(texts):
                item = self._item(text)
                if column == 1 and number < len(icons):
                    item.setIcon(icon(icons[number]))
                if number < len(pale) and pale[number] and column < len(texts) - 1:
                    font = item.font()
                    font.setStrikeOut(True)
                    item.setFont(font)
                self.setItem(place, column, item)
        self._shown = [True] * len(self._rows)
        self.resizeRowsToContents()

    def _item(self, text: str) -> QtWidgets.QTableWidgetItem:
        item = QtWidgets.QTableWidgetItem(text)
        item.setToolTip(text)  # where a long word is cut
        item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        return item

    def _add_heading(self, text: str) -> None:
        place = self.rowCount()
        self.setRowCount(place + 1)
        item = self._item(text)
        font = item.font()
        font.setBold(True)
        item.setFont(font)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.setItem(place, 0, item)
        self.setSpan(place, 0, 1, self.columnCount())
        self._headings[place] = text

    def filter(self, text: str) -> int:
        """Show only rows with `text` (lower case) in them or in their group; return how many."""
        self._shown = [text in "\n".join((group, *texts)).lower() for group, texts in self._rows]
        groups = {group for (group, _), shown in zip(self._rows, self._shown, strict=True) if shown}
        for place, shown in zip(self._places, self._shown, strict=True):
            self.setRowHidden(place, not shown)
        for place, group in self._headings.items():
            self.setRowHidden(place, group not in groups)
        return self.n_shown

    def as_text(self) -> str:
        """Return the rows that are shown, with tabs between the columns."""
        grouped = bool(self._headings)
        lines = [(("Group",) if grouped else ()) + self._titles]
        for (group, texts), shown in zip(self._rows, self._shown, strict=True):
            if shown:
                lines.append(((group,) if grouped else ()) + texts)
        return "\n".join("\t".join(line).rstrip("\t") for line in lines)


class _Cell(QtWidgets.QStyledItemDelegate):
    """Text with some room around it, and the icon beside its first line."""

    def initStyleOption(  # noqa: N802
        self, option: QtWidgets.QStyleOptionViewItem | None, index: QtCore.QModelIndex
    ) -> None:
        """Align the icon as the text is."""
        super().initStyleOption(option, index)
        if option is not None:
            option.decorationAlignment = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop

    def sizeHint(
        self, option: QtWidgets.QStyleOptionViewItem, index: QtCore.QModelIndex
    ) -> QtCore.QSize:
        """Return what the broken text needs, and the room around it."""
        inner = QtWidgets.QStyleOptionViewItem(option)
        inner.rect = option.rect.adjusted(_SIDES, _ABOVE, -_SIDES, -_ABOVE)
        return super().sizeHint(inner, index) + QtCore.QSize(2 * _SIDES, 2 * _ABOVE)

    def paint(
        self,
        painter: QtGui.QPainter | None,
        option: QtWidgets.QStyleOptionViewItem,
        index: QtCore.QModelIndex,
    ) -> None:
        """Fill the whole cell, then draw the text inside."""
        inner = QtWidgets.QStyleOptionViewItem(option)
        if option.widget is not None:
            panel = QtWidgets.QStyle.PrimitiveElement.PE_PanelItemViewItem
            option.widget.style().drawPrimitive(panel, inner, painter, option.widget)
        inner.rect = option.rect.adjusted(_SIDES, _ABOVE, -_SIDES, -_ABOVE)
        inner.state &= ~QtWidgets.QStyle.StateFlag.State_HasFocus
        super().paint(painter, inner, index)
