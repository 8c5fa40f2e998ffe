"""What the observing log says of the second on the screen, with the entries before and after it."""

from __future__ import annotations

from typing import Any

from pipeline_core.utc import utc_words
from quicklook.qt import Qt, QtCore, QtWidgets, Signal
from quicklook.session import Session
from quicklook.views.pane import Pane

__all__ = ["LogPane"]

_COLUMNS = ("UTC", "Target", "Filter", "Laser", "Flipper", "Comment")
_KEYS = ("target", "filter", "laser", "flipper", "comment")
_WIDTHS = (178, 120, 80, 80, 80)
_NEIGHBOURS = 30
_LOWEST = 40
"""Height to which tables shrink on small screens [screen pixels]."""
_OLD_S = 12 * 3600.0
_NO_FILE = (
    "Open an observation: what the observing log says of the second on the screen will be here."
)
_WHERE = (
    "A log is a file obslog_*.json of the dashboard, or a text file whose lines begin with date and time (UTC). Put it "
    "beside the data, into a folder logs there, or one or two folders up; or choose it: File > Open log… (Ctrl+L)."
)


class LogPane(Pane):
    """The last entry before a second, marked among its neighbours; all that it says is listed at the right.

    Signals
    -------
    openWanted, automaticWanted
        Another log is to be chosen; or those beside the data are wanted again.
    """

    openWanted = Signal()  # noqa: N815
    automaticWanted = Signal()  # noqa: N815

    def __init__(self, session: Session) -> None:
        super().__init__("log", "Observing log", session)
        self.logs: Any = None
        self.entry: Any = None
        self._filled: tuple[Any, int | None] | None = None
        self.table = _table(_COLUMNS, "Entries of the observing log")
        for column, width in enumerate(_WIDTHS):
            self.table.setColumnWidth(column, width)
        self.values = _table(("Name", "Value"), "All that the entry says")
        self.values.horizontalHeader().hide()
        self.dither = QtWidgets.QLabel(objectName="caption")
        splitter = QtWidgets.QSplitter(Qt.Orientation.Horizontal, childrenCollapsible=False)
        splitter.addWidget(self.table)
        splitter.addWidget(self.values)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 1)
        page = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(splitter, 1)
        self.set_content(page)
        self._placeholder.setMinimumHeight(_LOWEST)
        self.dither.setContentsMargins(12, 0, 4, 0)
        self.header.addWidget(self.dither)
        self.choose = _button("Open log…", "Show another log (Ctrl+L)", self.openWanted)
        self.automatic = _button(
            "Beside the data", "Show the logs found beside the data again", self.automaticWanted
        )
        self.header.addWidget(self.automatic)
        self.header.addWidget(self.choose)
        self.layout().setSpacing(1)  # the buttons are taller than a title
        self.table.itemSelectionChanged.connect(self._on_selected)
        self.show_nothing()

    def show_nothing(self) -> None:
        """Say that a file is needed."""
        self.logs = self.entry = self._filled = None
        self.dither.setText("")
        self.automatic.hide()
        self.show_placeholder(_NO_FILE)

    def show_logs(self, logs: Any, second: float | None, *, by_hand: bool) -> None:
        """Show what `NightLogs` say of a unix second; None: the second on the screen is not known."""
        self.logs = logs
        self.automatic.setVisible(by_hand)
        log = logs.observing
        self.dither.setText("" if second is None else _dither_words(logs, second))
        if not log.entries:
            self.entry = self._filled = None
            self.show_placeholder(_nothing_found(logs))
            return
        place = None if second is None else log.index_before(second)
        self.entry = None if place is None else log.entries[place]
        if self._filled != (log, place):
            self._fill(log, place)
            self._filled = (log, place)
        self.set_detail(self._words(log, second))
        self.show_content()

    def _words(self, log: Any, second: float | None) -> str:
        problems = self.logs.problems
        trouble = f"   |   not read: {problems[0]}" if problems else ""
        if log.bad_lines:
            trouble += f"   |   {len(log.bad_lines)} lines could not be used, the first: {log.bad_lines[0]}"
        if second is None:
            return f"The second on the screen is not known{trouble}"
        if self.entry is None:
            return f"No entry before {utc_words(second)}: the log begins at {log.entries[0].utc}{trouble}"
        age = second - self.entry.unix_s
        old = ": is it this night's log?" if age > _OLD_S else ""
        return f"Before {utc_words(second)}, {_age(age)} earlier{old}{trouble}"

    def _fill(self, log: Any, place: int | None) -> None:
        """Show an entry and its neighbours."""
        first = max((place or 0) - _NEIGHBOURS, 0)
        entries = log.entries[first : (place or 0) + _NEIGHBOURS + 1]
        blocked = self.table.blockSignals(True)
        self.table.setRowCount(len(entries))
        for row, entry in enumerate(entries):
            here = place is not None and first + row == place
            for column, text in enumerate(
                (entry.utc.removesuffix(" UTC"), *map(entry.text, _KEYS))
            ):
                item = QtWidgets.QTableWidgetItem(text)
                item.setToolTip(text or "The entry does not tell")
                item.setData(Qt.ItemDataRole.UserRole, entry)
                font = item.font()
                font.setBold(here)
                item.setFont(font)
                self.table.setItem(row, column, item)
        self.table.clearSelection()
        if place is not None:
            self.table.selectRow(place - first)
            self.table.scrollToItem(
                self.table.item(place - first, 0),
                QtWidgets.QAbstractItemView.ScrollHint.PositionAtCenter,
            )
        self.table.blockSignals(blocked)
        self._show_values(self.entry)

    def _on_selected(self) -> None:
        """List all that a neighbour says that was clicked."""
        items = self.table.selectedItems()
        self._show_values(items[0].data(Qt.ItemDataRole.UserRole) if items else self.entry)

    def _show_values(self, entry: Any) -> None:
        rows = [] if entry is None else [(key, entry.text(key)) for key in entry.values]
        if entry is not None:
            rows.append(("from", f"{entry.source.name}, line {entry.line}"))
        self.values.setRowCount(len(rows))
        for row, pair in enumerate(rows):
            for column, text in enumerate(pair):
                item = QtWidgets.QTableWidgetItem(text)
                item.setToolTip(text)
                self.values.setItem(row, column, item)


def _nothing_found(logs: Any) -> str:
    looked = f"No observing log was found in {', '.join(map(str, logs.looked))}."
    if not logs.looked:
        looked = "No observing log was chosen."
    return "\n".join([looked, *logs.problems, _WHERE])


def _dither_words(logs: Any, second: float) -> str:
    held = logs.dither_at(second)
    if held is None:
        return "between dither positions" if _inside(logs, second) else ""
    dither, number, position = held
    unit = "conex units" if dither.unit == "conex" else "pixels"
    return f"dither position {number + 1} of {len(dither.positions)}: ({position.x:g}, {position.y:g}) {unit}"


def _inside(logs: Any, second: float) -> bool:
    return any(dither.start <= second < dither.stop for dither in logs.dithers)


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _table(columns: tuple[str, ...], what: str) -> QtWidgets.QTableWidget:
    table = QtWidgets.QTableWidget(0, len(columns))
    table.setHorizontalHeaderLabels(columns)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(round(1.35 * table.fontMetrics().height()))
    table.horizontalHeader().setMaximumHeight(round(1.5 * table.fontMetrics().height()))
    table.setMinimumHeight(_LOWEST)
    table.setShowGrid(False)
    table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.SingleSelection)
    table.horizontalHeader().setStretchLastSection(True)
    table.setAccessibleName(what)
    return table


def _button(text: str, tip: str, signal: QtCore.pyqtBoundSignal) -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton(text=text, autoRaise=True, toolTip=tip)
    button.setMaximumHeight(round(1.1 * button.fontMetrics().height()))
    button.clicked.connect(lambda _checked=False: signal.emit())
    return button
