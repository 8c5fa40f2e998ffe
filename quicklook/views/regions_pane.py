"""The table of regions: statistics of the image on the screen, one row a region."""

from __future__ import annotations

from typing import Any

from pipeline_core import regions as core
from quicklook.assets import icon
from quicklook.qt import Qt, QtWidgets, Signal, Slot
from quicklook.region_list import Region, RegionList
from quicklook.views.image_pane import RAW_COUNTS, ImagePane

__all__ = ["RegionsPane"]

_EMPTY = (
    "No regions yet. Draw one with Rectangle (R) or Circle (O), or collect pixels with Ctrl+click.\n"
    "Drag it to move, drag a handle to resize; Tab selects the next one."
)
_NO_COUNTS = "Statistics are of the image on the screen: plot Raw Counts first."


class RegionsPane(QtWidgets.QFrame):
    """Statistics and what can be done with the regions.

    Signals
    -------
    plotToggled
        Whether the plots are to show the selected region (sum) instead of the active pixel.
    exportRequested
        Write the table.
    """

    plotToggled = Signal(bool)  # noqa: N815
    exportRequested = Signal()  # noqa: N815

    def __init__(self, regions: RegionList, image: ImagePane) -> None:
        super().__init__(objectName="card")
        self._regions = regions
        self._image = image
        self.statistics: dict[int, Any] = {}
        self.table = QtWidgets.QTableWidget(0, 0)
        self.table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(
            round(1.35 * self.table.fontMetrics().height())
        )
        self.table.setAlternatingRowColors(False)
        self.table.setShowGrid(False)
        self.table.setAccessibleName("Statistics of the regions")
        self.empty = QtWidgets.QLabel(_EMPTY, objectName="placeholder")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.plot = QtWidgets.QToolButton(
            text="Plot sum", checkable=True, toolTip="The plots show the sum of the selected region"
        )
        self.note = QtWidgets.QLabel(objectName="hint")
        self.remove = _button("trash", "Remove the selected region (Delete)")
        self.clear = _button("close", "Remove all regions (can be undone: Ctrl+Z)")
        self.export = _button("export", "Write the table to a file (CSV, FITS, NPZ)")
        self.copy = _button("copy", "Copy the table as text")
        head = QtWidgets.QHBoxLayout()
        head.addWidget(self.plot)
        head.addWidget(self.note, 1)
        for button in (self.copy, self.export, self.remove, self.clear):
            head.addWidget(button)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(10, 4, 8, 4)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.empty, 1)
        self._connect()
        self.update_table()

    def _connect(self) -> None:
        self._regions.changed.connect(self.update_table)
        self._image.shownChanged.connect(self.update_table)
        self.table.itemSelectionChanged.connect(self._on_selected)
        self.plot.toggled.connect(self.plotToggled)
        self.export.clicked.connect(self.exportRequested)
        self.copy.clicked.connect(self._copy)
        self.clear.clicked.connect(self._regions.clear)
        self.remove.clicked.connect(self.remove_selected)

    @Slot()
    def remove_selected(self) -> None:
        """Remove the selected region."""
        if self._regions.selected is not None:
            self._regions.remove(self._regions.selected.number)

    @Slot()
    def update_table(self) -> None:
        """Compute the statistics of every region anew: of the very array on the screen."""
        regions = self._regions.regions
        self.statistics = {}
        counts = self._image.counts if self._image.kind == RAW_COUNTS else None
        if counts is not None:
            for region in regions:
                mask = region.shape.mask(counts.image.shape)
                if mask.any():
                    self.statistics[region.number] = core.statistics(
                        counts.image,
                        mask,
                        counts.good,
                        counts.open_s,
                        core.ring(mask),
                        counts.variance,
                    )
        self._fill(regions)
        there = bool(regions)
        self.table.setVisible(there)
        self.empty.setVisible(not there)
        for button in (self.plot, self.remove, self.clear, self.copy, self.export):
            button.setEnabled(there)
        self.export.setEnabled(bool(self.statistics))
        if not there:
            self.plot.setChecked(False)
        self.note.setText(_NO_COUNTS if there and counts is None else "")

    def _fill(self, regions: tuple[Region, ...]) -> None:
        table = self.table
        blocked = table.blockSignals(True)
        columns = ("Region", "Shape", *(_heading(column) for column in core.COLUMNS))
        if table.columnCount() != len(columns):
            table.setColumnCount(len(columns))
            table.setHorizontalHeaderLabels(columns)
            for place, column in enumerate(core.COLUMNS, 2):
                table.horizontalHeaderItem(place).setToolTip(column.sentence)
            header = table.horizontalHeader()
            header.setSectionResizeMode(QtWidgets.QHeaderView.ResizeMode.ResizeToContents)
        table.setRowCount(len(regions))
        for row, region in enumerate(regions):
            found = self.statistics.get(region.number)
            texts = [region.name, region.shape.label]
            texts += [column.text(found) if found else "–" for column in core.COLUMNS]
            for place, text in enumerate(texts):
                self._set(row, place, text)
            table.item(row, 0).setData(Qt.ItemDataRole.UserRole, region.number)
            if region == self._regions.selected:
                table.selectRow(row)
        if self._regions.selected is None:
            table.clearSelection()
        table.blockSignals(blocked)

    def _set(self, row: int, column: int, text: str) -> None:
        item = self.table.item(row, column)
        if item is None:
            item = QtWidgets.QTableWidgetItem()
            if column > 1:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, column, item)
        item.setText(text)

    @Slot()
    def _on_selected(self) -> None:
        rows = self.table.selectionModel().selectedRows()
        if rows:
            number = self.table.item(rows[0].row(), 0).data(Qt.ItemDataRole.UserRole)
            self._regions.select(number)

    def as_text(self) -> str:
        """Return the table with tabs between the columns."""
        columns = range(self.table.columnCount())
        lines = ["\t".join(self.table.horizontalHeaderItem(c).text() for c in columns)]
        for row in range(self.table.rowCount()):
            lines.append("\t".join(self.table.item(row, c).text() for c in columns))
        return "\n".join(lines)

    @Slot()
    def _copy(self) -> None:
        QtWidgets.QApplication.clipboard().setText(self.as_text())


def _heading(column: core.Column) -> str:
    if not column.unit or column.unit in column.title:
        return column.title
    return f"{column.title} [{column.unit}]"


def _button(name: str, tip: str) -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton(icon=icon(name), toolTip=tip, autoRaise=True)
    button.setAccessibleName(tip)
    return button
