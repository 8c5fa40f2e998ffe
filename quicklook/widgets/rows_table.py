"""A small table that a person fills in: rows of texts, with buttons to add and remove some."""

from __future__ import annotations

from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot

__all__ = ["RowsTable"]


class RowsTable(QtWidgets.QWidget):
    """Rows of texts.

    Parameters
    ----------
    name : str
        What the rows are, for people who hear the window.
    heads : tuple of str
        Headings of the columns.
    most : int
        So many rows at most; 0: any number.

    Signals
    -------
    changed
        Any text, or the number of rows.
    """

    changed = Signal()

    def __init__(self, name: str, heads: tuple[str, ...], most: int = 0, shown: int = 3) -> None:
        super().__init__()
        self._most = most
        self.table = QtWidgets.QTableWidget(0, len(heads))
        self.table.setHorizontalHeaderLabels(heads)
        self.table.setAccessibleName(name)
        self.table.setShowGrid(False)
        self.table.setAlternatingRowColors(True)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        height = round(1.7 * self.fontMetrics().height())
        self.table.verticalHeader().setDefaultSectionSize(height)
        self.table.setMinimumHeight(round((shown + 1.4) * height))
        self.add = QtWidgets.QPushButton("Add", autoDefault=False, toolTip=f"Add a row: {name}")
        self.remove = QtWidgets.QPushButton("Remove", autoDefault=False)
        buttons = QtWidgets.QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.add)
        buttons.addWidget(self.remove)
        buttons.addStretch(1)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        self.add.clicked.connect(self._add)
        self.remove.clicked.connect(self._remove)
        self.table.itemChanged.connect(self._on_change)
        self.table.itemSelectionChanged.connect(self._update)
        self._update()

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return what is typed; rows without any text are left out."""
        found = []
        for k in range(self.table.rowCount()):
            row = tuple(self._text(k, c) for c in range(self.table.columnCount()))
            if any(row):
                found.append(row)
        return tuple(found)

    def set_rows(self, rows: tuple[tuple[str, ...], ...]) -> None:
        """Show other rows."""
        with QtCore.QSignalBlocker(self.table):
            self.table.setRowCount(0)
            for row in rows:
                self._insert(self.table.rowCount(), row)
        self._on_change()

    def _insert(self, k: int, row: tuple[str, ...]) -> None:
        self.table.insertRow(k)
        for column, text in enumerate(row):
            self.table.setItem(k, column, QtWidgets.QTableWidgetItem(text))

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return "" if item is None else item.text().strip()

    @Slot()
    def _add(self) -> None:
        k = self.table.rowCount()
        self._insert(k, ("",) * self.table.columnCount())
        self.table.setCurrentCell(k, 0)
        self.table.editItem(self.table.item(k, 0))
        self._on_change()

    @Slot()
    def _remove(self) -> None:
        for k in sorted({index.row() for index in self.table.selectedIndexes()}, reverse=True):
            self.table.removeRow(k)
        self._on_change()

    @Slot()
    def _on_change(self) -> None:
        self._update()
        self.changed.emit()

    @Slot()
    def _update(self) -> None:
        chosen = bool(self.table.selectedIndexes())
        self.remove.setEnabled(chosen)
        self.remove.setToolTip("Remove the chosen rows" if chosen else "Choose rows first")
        if self._most:
            room = self.table.rowCount() < self._most
            self.add.setEnabled(room)
            self.add.setToolTip("Add a row" if room else f"There is room for {self._most} only")
