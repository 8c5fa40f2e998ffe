"""Which wavelength solution to use for the open file: the nearest in time first, with age and quality."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quicklook.qt import QtWidgets, Signal, Slot
from quicklook.widgets.solution_table import SolutionTable

if TYPE_CHECKING:
    from pipeline_core.wavecal.nearby import SolutionFile

__all__ = ["SolutionsDialog"]

_SIZE = (860, 340)


class SolutionsDialog(QtWidgets.QDialog):
    """A table and what can be done with the chosen row. Emits paths, does nothing itself.

    Signals
    -------
    applyRequested, tryRequested, lookRequested
        Path of the chosen solution.
    otherRequested
        A file that is not in the table is to be chosen.
    """

    applyRequested = Signal(object)  # noqa: N815
    tryRequested = Signal(object)  # noqa: N815
    lookRequested = Signal(object)  # noqa: N815
    otherRequested = Signal()  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Apply wavelength solution")
        self.resize(*_SIZE)
        self.table = SolutionTable()
        self.heading = QtWidgets.QLabel(wordWrap=True)
        self.note = QtWidgets.QLabel(objectName="hint", wordWrap=True)
        self.apply = QtWidgets.QPushButton("Apply", default=True)
        self.apply.setObjectName("primary")
        self.try_out = QtWidgets.QPushButton("Try it", autoDefault=False)
        self.try_out.setToolTip("Read the open file with this solution, without attaching it")
        self.look = QtWidgets.QPushButton("Look at it", autoDefault=False)
        self.look.setToolTip("Maps and fits of the solution, pixel by pixel")
        self.other = QtWidgets.QPushButton("Other file…", autoDefault=False)
        self.cancel = QtWidgets.QPushButton("Cancel", autoDefault=False)
        bottom = QtWidgets.QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addWidget(self.other)
        bottom.addWidget(self.look)
        bottom.addStretch(1)
        for button in (self.cancel, self.try_out, self.apply):
            bottom.addWidget(button)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        layout.addWidget(self.heading)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.note)
        layout.addLayout(bottom)
        self.table.chosenChanged.connect(self._on_chosen)
        self.table.activatedSolution.connect(self._on_apply)
        self.apply.clicked.connect(self._on_apply)
        self.try_out.clicked.connect(self._on_try)
        self.look.clicked.connect(self._on_look)
        self.other.clicked.connect(self.otherRequested)
        self.cancel.clicked.connect(self.reject)
        self._on_chosen()

    def show_searching(self, name: str) -> None:
        """Say that solutions for the file `name` are being looked for."""
        self.heading.setText(
            f"Solutions for {name}, the nearest in time first. The photon file does not change."
        )
        self.note.setText("Looking for solutions…")
        self.table.show_solutions(())

    def show_solutions(self, found: tuple[SolutionFile, ...], folders: tuple[Path, ...]) -> None:
        """Show what was found in these folders."""
        self.table.show_solutions(found)
        where = " and ".join(str(folder) for folder in folders)
        unfit = sum(bool(one.obstacle) for one in found)
        if not found:
            text = f"There is no solution in {where}. Choose another file, or make one from laser exposures."
        elif unfit:
            text = f"{unfit} of {len(found)} do not fit this file: point at one to see why."
        else:
            text = ""
        self.note.setText(text)

    def show_failure(self, message: str) -> None:
        """Say why there is no list."""
        self.note.setText(message)

    @Slot()
    def _on_chosen(self) -> None:
        for button in (self.apply, self.try_out, self.look):
            button.setEnabled(self.table.chosen is not None)

    @Slot()
    def _on_apply(self) -> None:
        self.applyRequested.emit(self.table.chosen)
        self.accept()

    @Slot()
    def _on_try(self) -> None:
        self.tryRequested.emit(self.table.chosen)
        self.accept()

    @Slot()
    def _on_look(self) -> None:
        self.lookRequested.emit(self.table.chosen)
