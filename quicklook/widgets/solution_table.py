"""Wavelength solutions to choose from, the nearest in time first: age, quality, and why one does not fit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from quicklook.qt import Qt, QtWidgets, Signal, Slot

if TYPE_CHECKING:
    from pipeline_core.wavecal.nearby import SolutionFile

__all__ = ["SolutionTable", "age_text"]

_HEADS = ("Solution", "Lasers taken", "Calibrated", "Median R", "Lines [nm]", "Folder")
_DAY = 86_400


class SolutionTable(QtWidgets.QTableWidget):
    """One row a solution; those that do not fit cannot be chosen, and say why.

    Signals
    -------
    chosenChanged
        Another row is chosen: `chosen`.
    activatedSolution
        A double click: path of the solution.
    """

    chosenChanged = Signal()  # noqa: N815
    activatedSolution = Signal(object)  # noqa: N815

    def __init__(self) -> None:
        super().__init__(0, len(_HEADS))
        self.found: tuple[SolutionFile, ...] = ()
        self.setHorizontalHeaderLabels(_HEADS)
        self.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setAccessibleName("Wavelength solutions")
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(True)
        for column, width in enumerate((180, 120, 110, 80, 170)):
            self.setColumnWidth(column, width)
        self.itemSelectionChanged.connect(self.chosenChanged)
        self.cellDoubleClicked.connect(self._on_double_click)

    @property
    def chosen(self) -> Path | None:
        """Path of the chosen solution."""
        rows = {index.row() for index in self.selectedIndexes()}
        return self.found[rows.pop()].path if len(rows) == 1 else None

    def show_solutions(self, found: tuple[SolutionFile, ...]) -> None:
        """Show these; the first that fits is chosen."""
        self.found = found
        self.setRowCount(len(found))
        for row, one in enumerate(found):
            share = one.n_calibrated / max(one.n_pixel, 1)
            texts = (
                one.path.name,
                age_text(one.age_s),
                f"{one.n_calibrated:,} ({share:.0%})",
                "" if math.isnan(one.median_r) else f"{one.median_r:.2f}",
                ", ".join(f"{nm:g}" for nm in one.wavelengths_nm),
                str(one.path.parent),
            )
            for column, text in enumerate(texts):
                item = QtWidgets.QTableWidgetItem(text)
                item.setToolTip(one.obstacle or f"{one.path}\nid {one.solution_id}")
                if one.obstacle:
                    item.setFlags(Qt.ItemFlag.NoItemFlags)
                self.setItem(row, column, item)
        if found and not found[0].obstacle:
            self.selectRow(0)
        self.chosenChanged.emit()

    @Slot(int, int)
    def _on_double_click(self, row: int, _column: int) -> None:
        if not self.found[row].obstacle:
            self.activatedSolution.emit(self.found[row].path)


def age_text(age_s: float) -> str:
    """Return how long before (or after) an observation the lasers were taken."""
    if math.isnan(age_s):
        return ""
    seconds = abs(age_s)
    for size, unit in ((_DAY, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            amount = f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
            break
    else:
        amount = f"{seconds:.0f} s"
    return f"{amount} {'before' if age_s >= 0 else 'after'}"
