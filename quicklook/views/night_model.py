"""The tasks of a night as a table for Qt: what each needs, what became of it, how long it took, how large it is."""

from __future__ import annotations

import dataclasses

from quicklook import theme
from quicklook.file_listing import size_text
from quicklook.night_tasks import TO_DO, NightRow, RowNews
from quicklook.qt import Qt, QtCore, QtGui

__all__ = ["COLUMNS", "NightModel"]

COLUMNS = ("Task", "Kind", "Needs", "State", "Time", "Size", "What")
_TASK, _KIND, _NEEDS, _STATE, _TIME, _SIZE, _WHAT = range(len(COLUMNS))
_KINDS = {
    "convert": "conversion",
    "wavecal": "wavelengths",
    "pages": "pages (PDF)",
    "flatcal": "flat field",
    "badpixels": "bad pixels",
    "cosmics": "cosmic rays",
    "attach": "calibration",
}
"""How kinds of tasks are called where the core's word is not one of the observer's."""

_SHADES = {
    "done": "good",
    "there already": "muted",
    "failed": "error_text",
    "left out": "hint",
    "stopped": "hint",
    "running": "accent",
}


class NightModel(QtCore.QAbstractTableModel):
    """One row a task, in the order of the plan."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[NightRow] = []
        self._places: dict[str, int] = {}

    def set_rows(self, rows: tuple[NightRow, ...]) -> None:
        """Show another plan."""
        self.beginResetModel()
        self.rows = list(rows)
        self._places = {row.name: k for k, row in enumerate(rows)}
        self.endResetModel()

    def take(self, news: RowNews) -> None:
        """Show what has changed of a task."""
        k = self._places.get(news.name)
        if k is None:
            return
        row = self.rows[k]
        self.rows[k] = dataclasses.replace(
            row,
            state=news.state,
            text=news.text,
            seconds=news.seconds,
            part=news.part,
            n_bytes=row.n_bytes if news.n_bytes is None else news.n_bytes,
        )
        self.dataChanged.emit(self.index(k, 0), self.index(k, len(COLUMNS) - 1))

    def refresh(self) -> None:
        """Draw everything again, as after a change of colours."""
        if self.rows:
            self.dataChanged.emit(
                self.index(0, 0), self.index(len(self.rows) - 1, len(COLUMNS) - 1)
            )

    # --- what Qt asks ----------------------------------------------------------------------------

    def rowCount(self, parent: QtCore.QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of tasks."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QtCore.QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Return the heading of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole and section in (_TIME, _SIZE):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: QtCore.QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return text, colour, alignment or tip of a cell."""
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _texts(row)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(row, column)
        if role == Qt.ItemDataRole.ForegroundRole and column == _STATE and row.state in _SHADES:
            return QtGui.QColor(getattr(theme.current(), _SHADES[row.state]))
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (_TIME, _SIZE):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


def _texts(row: NightRow) -> tuple[str, ...]:
    state = f"running {row.part:.0%}" if row.state == "running" else row.state
    seconds = f"{row.seconds:.1f} s" if row.seconds else ""
    at_most = "≤ " if row.state in (TO_DO, "running", "failed", "left out", "stopped") else ""
    needs = row.needs[0] if len(row.needs) == 1 else f"{len(row.needs)} tasks" if row.needs else ""
    return (
        row.name,
        _KINDS.get(row.kind, row.kind),
        needs,
        state,
        seconds,
        f"{at_most}{size_text(row.n_bytes)}",
        row.text,
    )


def _tip(row: NightRow, column: int) -> str:
    if column == _NEEDS:
        return "\n".join(row.needs) or "Needs raw files only"
    if column in (_TASK, _KIND, _SIZE):
        return "\n".join(str(path) for path in row.outputs)
    return row.text
