"""The table of a dither's positions: file, and how far the sky lies from the first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from quicklook.qt import Qt, QtCore, QtWidgets, Signal

__all__ = ["PositionTable"]

_HEADS = ("File", "Offset x", "Offset y")
_FILE, _X, _Y = range(3)
_PATH = Qt.ItemDataRole.UserRole
_TYPED = "Double click to type it: how far the sky lies from where it is in the first file"
_MEASURED = "Measured while stacking: choose 'as typed' to give offsets"


class PositionTable(QtWidgets.QTableWidget):
    """One row a file, in the order in which they are stacked.

    Signals
    -------
    changed
        Files or offsets.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(0, len(_HEADS))
        self.setHorizontalHeaderLabels(_HEADS)
        self.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setAccessibleName("Positions")
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        mode = QtWidgets.QHeaderView.ResizeMode
        header.setSectionResizeMode(_FILE, mode.Stretch)
        for column in (_X, _Y):
            header.setSectionResizeMode(column, mode.Fixed)
            self.setColumnWidth(column, 110)
        self._editable = False
        self._why_not = _MEASURED
        self.itemChanged.connect(lambda _: self.changed.emit())

    def paths(self) -> tuple[Path, ...]:
        """Return the files."""
        return tuple(Path(self.item(k, _FILE).data(_PATH)) for k in range(self.rowCount()))

    def offsets(self) -> tuple[tuple[float, float], ...] | None:
        """Return the offsets; None while one is no number."""
        found = []
        for k in range(self.rowCount()):
            pair = (_number(self.item(k, _X).text()), _number(self.item(k, _Y).text()))
            if math.isnan(pair[0]) or math.isnan(pair[1]):
                return None
            found.append(pair)
        return tuple(found)

    def add_files(self, paths: Iterable[Path]) -> None:
        """Add files that are not there yet."""
        known = set(self.paths())
        with QtCore.QSignalBlocker(self):
            for path in paths:
                if path in known:
                    continue
                known.add(path)
                k = self.rowCount()
                self.insertRow(k)
                file = QtWidgets.QTableWidgetItem(path.name)
                file.setData(_PATH, str(path))
                file.setToolTip(str(path))
                file.setFlags(file.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.setItem(k, _FILE, file)
                for column in (_X, _Y):
                    self.setItem(k, column, QtWidgets.QTableWidgetItem("0" if k == 0 else ""))
            self._show_editable()
        self.changed.emit()

    def set_offsets(self, offsets: Iterable[tuple[float, float]]) -> None:
        """Type offsets into the rows, as far as there are rows."""
        with QtCore.QSignalBlocker(self):
            for k, pair in zip(range(self.rowCount()), offsets, strict=False):
                for column, value in zip((_X, _Y), pair, strict=True):
                    self.item(k, column).setText(f"{value:.10g}")
        self.changed.emit()

    def show_unit(self, unit: str) -> None:
        """Say at the head of the columns what the offsets are in; '' where that is said elsewhere."""
        heads = [f"{name[-1]} [{unit}]" if unit else name for name in _HEADS[_X:]]
        self.setHorizontalHeaderLabels((_HEADS[_FILE], *heads))

    def set_editable(self, editable: bool, why_not: str = "") -> None:
        """Let offsets be typed, or grey them and say why."""
        self._editable = editable
        self._why_not = why_not or _MEASURED
        with QtCore.QSignalBlocker(self):
            self._show_editable()

    def remove_selected(self) -> None:
        """Take the selected rows out."""
        for k in sorted({index.row() for index in self.selectedIndexes()}, reverse=True):
            self.removeRow(k)
        self.changed.emit()

    def _show_editable(self) -> None:
        for k in range(self.rowCount()):
            for column in (_X, _Y):
                item = self.item(k, column)
                allowed = Qt.ItemFlag.ItemIsEditable | Qt.ItemFlag.ItemIsEnabled
                flags = item.flags()
                item.setFlags(flags | allowed if self._editable else flags & ~allowed)
                item.setToolTip(_TYPED if self._editable else self._why_not)


def _number(text: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
