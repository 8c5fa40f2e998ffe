"""The table of a night: raw stretches, photon files and what the logs say, in the order of time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from quicklook.file_listing import size_text, utc_text
from quicklook.qt import Qt, QtCore, QtWidgets

if TYPE_CHECKING:
    from pipeline_core.nightvalues import NightList

__all__ = ["NightRow", "NightTable", "night_rows", "rough"]

_HEADS = ("Begin (UTC)", "End (UTC)", "Length [s]", "What", "Name", "Details")
_WIDTHS = (150, 150, 90, 110, 210)


class NightRow(NamedTuple):
    """One row; `path` is the photon file, '' of anything else. `found` holds all its words in lower case."""

    start: float
    stop: float
    what: str
    name: str
    details: str
    path: Path | None
    found: str

    def text(self, column: int) -> str:
        """Return what stands in a column."""
        return (
            utc_text(self.start),
            utc_text(self.stop),
            f"{self.stop - self.start:,.0f}",
            self.what,
            self.name,
            self.details,
        )[column]


def night_rows(night: NightList) -> tuple[NightRow, ...]:
    """Return the rows of a night by begin. Called in a worker."""
    rows = []
    for one in night.stretches:
        details = (
            f"about {rough(one.photons_per_s)} photons/s ({size_text(one.n_bytes)}), {one.folder}"
        )
        rows.append(_row(one.start, one.stop, "raw data", f"{one.start}.bin …", details))
    for file in night.files:
        details = ", ".join(
            text
            for text in (
                f"camera {file.camera}" if file.camera else "",
                file.state,
                str(file.path.parent),
            )
            if text
        )
        rows.append(_row(file.start, file.stop, "photon file", file.path.name, details, file.path))
    for span in night.spans:
        details = f"{span.detail}{', ' if span.detail else ''}{span.source.name}, line {span.line}"
        rows.append(_row(span.start, span.stop, span.kind, span.label, details))
    return tuple(sorted(rows, key=lambda row: (row.start, row.stop, row.what)))


def rough(number: float) -> str:
    """Return a number of which two digits are known."""
    return f"{float(f'{number:.2g}'):,.0f}"


def _row(
    start: float, stop: float, what: str, name: str, details: str, path: Path | None = None
) -> NightRow:
    found = f"{what} {name} {details} {utc_text(start)} {start:.0f}".lower()
    return NightRow(start, stop, what, name, details, path, found)


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
        self._model.show_rows(
            tuple(row for row in self._all if all(word in row.found for word in self._words))
        )
