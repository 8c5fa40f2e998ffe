"""The table of a night: raw stretches, photon files and what the logs say, in the order of time."""

from __future__ import annotations

from typing import Any

from quicklook.night_listing import NightRow
from quicklook.qt import Qt, QtCore, QtWidgets

__all__ = ["NightTable"]

_HEADS = ("Begin (UTC)", "End (UTC)", "Length [s]", "What", "Name", "Details")
_WIDTHS = (150, 150, 90, 110, 210)


class _Model(QtCore.QAbstractTableModel):
    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[NightRow, ...] = ()

    def rowCount(self, parent: QtCore.QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QtCore.QModelIndex | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(_HEADS)

    def data(self, index: QtCore.QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self.rows[index.row()].text(index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == 2:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return _HEADS[section]
        return None

    def show_rows(self, rows: tuple[NightRow, ...]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()


class NightTable(QtWidgets.QTableView):
    """One row a stretch, file or entry; rows that fit a text alone are shown."""

    def __init__(self) -> None:
        super().__init__()
        self._all: tuple[NightRow, ...] = ()
        self._words: tuple[str, ...] = ()
        self._model = _Model()
        self.setModel(self._model)
        views = QtWidgets.QAbstractItemView
        self.setSelectionBehavior(views.SelectionBehavior.SelectRows)
        self.setSelectionMode(views.SelectionMode.SingleSelection)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setAccessibleName("What there is of the night")
        self.verticalHeader().hide()
        # one height for all, or each of thousands of rows is asked for its own
        self.verticalHeader().setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(True)
        for column, width in enumerate(_WIDTHS):
            self.setColumnWidth(column, width)

    @property
    def rows(self) -> tuple[NightRow, ...]:
        """The rows that are shown."""
        return self._model.rows

    @property
    def chosen(self) -> NightRow | None:
        """The row that is chosen."""
        found = self.selectionModel().selectedRows()
        return self._model.rows[found[0].row()] if found else None

    def show_rows(self, rows: tuple[NightRow, ...]) -> None:
        """Show the rows of another night."""
        self._all = rows
        self._show()

    def filter(self, text: str) -> None:
        """Show only rows with all words of a text."""
        self._words = tuple(text.lower().split())
        self._show()

    def _show(self) -> None:
        rows = self._all
        for word in self._words:
            rows = tuple(row for row in rows if word in row.found)
        self._model.show_rows(rows)
