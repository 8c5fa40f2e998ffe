"""The files of a folder as a tree for Qt: entries of a listing, and the files of each run below it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from quicklook.file_listing import Entry, Listing, size_text
from quicklook.qt import Qt, QtCore

__all__ = ["ENTRY", "OPEN", "FilesModel"]

ENTRY = Qt.ItemDataRole.UserRole
"""Role of the `Entry` of a row."""
OPEN = Qt.ItemDataRole.UserRole + 1
"""Role that says whether a row is the open file, or a run with it."""

_KINDS = {
    "photons": "photon file",
    "raw": "raw seconds",
    "frame": "frames (counts only)",
    "stream": "datastream (frames of counts)",
}


class FilesModel(QtCore.QAbstractItemModel):
    """Two levels, made when they are asked for: a night may have tens of thousands of files."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._listing: Listing | None = None
        self._filter = ""
        self._open: tuple[Path, frozenset[str]] = (Path(), frozenset())
        self.entries: list[Entry] = []

    def set_listing(self, listing: Listing | None) -> None:
        """Show another listing."""
        self._listing = listing
        self._fill()

    def set_filter(self, text: str) -> None:
        """Show only names and times with this text in them."""
        self._filter = text.strip().lower()
        self._fill()

    def _fill(self) -> None:
        self.beginResetModel()
        found = self._listing.entries if self._listing else ()
        self.entries = [part for entry in found for part in entry.matching(self._filter)]
        self.endResetModel()

    def set_open(self, paths: Iterable[Path]) -> None:
        """Mark these files as open."""
        absolute = [path.absolute() for path in paths]
        folder = absolute[0].parent if absolute else Path()
        self._open = (folder, frozenset(path.name for path in absolute if path.parent == folder))
        if self.entries:
            last = len(self.entries) - 1
            self.dataChanged.emit(self.index(0, 0), self.index(last, 0), [OPEN])

    def is_open(self, entry: Entry) -> bool:
        """Whether any file of an entry is open."""
        folder, names = self._open
        return bool(names) and entry.folder == folder and not names.isdisjoint(entry.names)

    def open_index(self) -> QtCore.QModelIndex:
        """Return the first row that is open; an invalid index if there is none."""
        for row, entry in enumerate(self.entries):
            if self.is_open(entry):
                return self.index(row, 0)
        return QtCore.QModelIndex()

    def index_of(self, names: Iterable[str]) -> QtCore.QModelIndex:
        """Return the row of an entry with these files, or of the one file; else an invalid index."""
        wanted = tuple(names)
        for row, entry in enumerate(self.entries):
            if wanted and wanted[0] in entry.names:
                top = self.index(row, 0)
                single = len(wanted) == 1 and entry.is_run
                return self.index(entry.names.index(wanted[0]), 0, top) if single else top
        return QtCore.QModelIndex()

    # --- what Qt asks ----------------------------------------------------------------------------
    # The internal id of an entry is 0, that of a file in a run is 1 + row of the run.

    def index(
        self, row: int, column: int, parent: QtCore.QModelIndex | None = None
    ) -> QtCore.QModelIndex:
        """Return the index of a row."""
        inside = parent is not None and parent.isValid()
        if column or not 0 <= row < self.rowCount(parent):
            return QtCore.QModelIndex()
        return self.createIndex(row, 0, 1 + parent.row() if inside and parent else 0)

    def parent(self, index: QtCore.QModelIndex | None = None) -> QtCore.QModelIndex:
        """Return the run that a file belongs to."""
        if index is None or not index.isValid() or not index.internalId():
            return QtCore.QModelIndex()
        return self.createIndex(index.internalId() - 1, 0, 0)

    def rowCount(self, parent: QtCore.QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of entries, or of files in a run."""
        if parent is None or not parent.isValid():
            return len(self.entries)
        entry = self.entries[parent.row()] if not parent.internalId() else None
        return len(entry.names) if entry is not None and entry.is_run else 0

    def columnCount(self, _parent: QtCore.QModelIndex | None = None) -> int:  # noqa: N802
        """Return 1: a row is painted in two lines."""
        return 1

    def entry(self, index: QtCore.QModelIndex) -> Entry:
        """Return the entry of a row; of a file in a run, one of its own."""
        if index.internalId():
            return self.entries[index.internalId() - 1].member(index.row())
        return self.entries[index.row()]

    def data(self, index: QtCore.QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return name, explanation, what is read aloud, entry or mark of a row."""
        if not index.isValid():
            return None
        entry = self.entry(index)
        if role == Qt.ItemDataRole.DisplayRole:
            return entry.title
        if role == ENTRY:
            return entry
        if role == OPEN:
            return self.is_open(entry)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._sentence(entry)
        return None

    def _sentence(self, entry: Entry) -> str:
        if entry.kind == "folder":
            return f"{entry.paths[0]}\n{entry.about}"
        time = "starts" if entry.start_unix is not None else "written"
        lines = [
            entry.title,
            f"{_KINDS[entry.kind]}, {size_text(entry.size)}",
            f"{time} {entry.time_text} UTC",
        ]
        if entry.is_run:
            lines[1] = f"{len(entry.names)} s of {lines[1]}"
        if entry.obstacle:
            lines.append(entry.obstacle)
        if self.is_open(entry):
            lines.append("open now")
        return "\n".join(lines)
