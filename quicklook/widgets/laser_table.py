"""The table of laser files: wavelength (to be typed where no file tells it), file, background, what is known of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.wavecal_tasks import LaserRow

if TYPE_CHECKING:
    from pipeline_core.wavecal.laserfiles import LaserFile

__all__ = ["LaserTable"]

_HEADS = ("Wavelength [nm]", "Photon file", "Background", "What is known of it")
_NM, _FILE, _DARK, _FACTS = range(4)
_EDITABLE = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsEditable
_FIXED = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
_PATH = Qt.ItemDataRole.UserRole


class LaserTable(QtWidgets.QTableWidget):
    """One row a laser.

    Signals
    -------
    changed
        Something that counts for the calibration.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(0, len(_HEADS))
        self.setHorizontalHeaderLabels(_HEADS)
        self.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setAccessibleName("Laser files")
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(True)
        for column, width in ((_NM, 130), (_FILE, 170), (_DARK, 150)):
            self.setColumnWidth(column, width)
        self.itemChanged.connect(self._on_item)

    def rows(self) -> tuple[LaserRow, ...]:
        """Return what the table says."""
        found = []
        for k in range(self.rowCount()):
            nm = self._text(k, _NM).strip().lower().removesuffix("nm").strip().replace(",", ".")
            found.append(LaserRow(nm, self._path(k, _FILE), self._path(k, _DARK)))
        return tuple(found)

    def set_rows(self, rows: tuple[LaserRow, ...]) -> None:
        """Show these rows; nothing is known of their files yet."""
        with QtCore.QSignalBlocker(self):
            self.setRowCount(0)
            for row in rows:
                self._add(row.wavelength, Path(row.path), "", row.background)
        self.changed.emit()

    def add_files(self, files: tuple[LaserFile, ...]) -> None:
        """Add files that were looked at; one of a dark exposure becomes the background of all that have none."""
        dark = [one for one in files if one.dark and not one.problem]
        known = {row.path for row in self.rows()}
        with QtCore.QSignalBlocker(self):
            for one in files:
                if one in dark:
                    continue
                if str(one.path) in known:
                    self._set_facts(one)
                    continue
                nm = "" if math.isnan(one.wavelength_nm) else f"{one.wavelength_nm:g}"
                self._add(nm, one.path, _facts(one), "")
            if dark:
                self._set_background(
                    dark[0].path, [k for k in range(self.rowCount()) if not self._path(k, _DARK)]
                )
            self._sort()
        self.changed.emit()

    def remove_selected(self) -> None:
        """Take the selected rows out."""
        for k in sorted({index.row() for index in self.selectedIndexes()}, reverse=True):
            self.removeRow(k)
        self.changed.emit()

    def set_background(self, path: Path | None) -> None:
        """Give the selected rows a background (all rows, if none is selected); None takes it away."""
        rows = sorted({index.row() for index in self.selectedIndexes()})
        with QtCore.QSignalBlocker(self):
            self._set_background(path, rows or list(range(self.rowCount())))
        self.changed.emit()

    # --- cells -----------------------------------------------------------------------------------

    def _add(self, nm: str, path: Path, facts: str, background: str) -> None:
        k = self.rowCount()
        self.insertRow(k)
        self.setItem(k, _NM, _item(nm, _EDITABLE, "Double click to type the wavelength"))
        self.setItem(k, _FILE, _path_item(path))
        self.setItem(k, _DARK, _path_item(Path(background) if background else None))
        self.setItem(k, _FACTS, _item(facts, _FIXED, facts))

    def _set_background(self, path: Path | None, rows: list[int]) -> None:
        for k in rows:
            self.setItem(k, _DARK, _path_item(path))

    def _set_facts(self, one: LaserFile) -> None:
        for k in range(self.rowCount()):
            if self._path(k, _FILE) == str(one.path):
                self.setItem(k, _FACTS, _item(_facts(one), _FIXED, _facts(one)))

    def _sort(self) -> None:
        """Order the rows by wavelength; those without one come last."""

        def place(k: int) -> float:
            try:
                return float(self._text(k, _NM))
            except ValueError:
                return math.inf

        order = sorted(range(self.rowCount()), key=place)
        taken = [[self.takeItem(k, c) for c in range(len(_HEADS))] for k in range(self.rowCount())]
        for k, source in enumerate(order):
            for column, item in enumerate(taken[source]):
                self.setItem(k, column, item)

    def _text(self, row: int, column: int) -> str:
        item = self.item(row, column)
        return "" if item is None else item.text()

    def _path(self, row: int, column: int) -> str:
        item = self.item(row, column)
        return "" if item is None else str(item.data(_PATH) or "")

    @Slot(QtWidgets.QTableWidgetItem)
    def _on_item(self, _item: QtWidgets.QTableWidgetItem) -> None:
        self.changed.emit()


def _item(text: str, flags: Qt.ItemFlags, tip: str) -> QtWidgets.QTableWidgetItem:
    item = QtWidgets.QTableWidgetItem(text)
    item.setFlags(flags)
    item.setToolTip(tip)
    return item


def _path_item(path: Path | None) -> QtWidgets.QTableWidgetItem:
    item = _item("none" if path is None else path.name, _FIXED, "" if path is None else str(path))
    item.setData(_PATH, "" if path is None else str(path))
    return item


def _facts(one: LaserFile) -> str:
    if one.problem:
        return one.problem
    told = f"; wavelength: {one.told_by}" if one.told_by else "; wavelength not told"
    return f"{one.n_photons / 1e6:.2f} M photons in {one.exposure_s:g} s{told}"
