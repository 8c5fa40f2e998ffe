"""Legend of a picture with categories: colour, name, number of pixels."""

from __future__ import annotations

from collections.abc import Sequence

from quicklook import theme
from quicklook.qt import Qt, QtWidgets

__all__ = ["FlagLegend"]


class FlagLegend(QtWidgets.QScrollArea):
    """A list of colours with names and counts; the tool tip explains each."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.entries: tuple[tuple[str, str, int, str], ...] = ()

    def set_entries(self, entries: Sequence[tuple[str, str, int, str]]) -> None:
        """Show these (colour '#rrggbb', name, number of pixels, explanation)."""
        self.entries = tuple(entries)
        content = QtWidgets.QWidget(objectName="paper")
        grid = QtWidgets.QGridLayout(content)
        grid.setContentsMargins(10, 6, 4, 6)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        heading = QtWidgets.QLabel("Pixels by flag", objectName="caption")
        grid.addWidget(heading, 0, 0, 1, 3)
        for row, (colour, name, count, sentence) in enumerate(self.entries, 1):
            swatch = QtWidgets.QLabel()
            swatch.setFixedSize(14, 14)
            edge = theme.current().axis
            swatch.setStyleSheet(
                f"background: {colour}; border: 1px solid {edge}; border-radius: 3px"
            )
            label = QtWidgets.QLabel(name.replace("beammap.", "").replace(" + ", "\n+ "))
            number = QtWidgets.QLabel(f"{count:,}")
            number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
            for column, widget in enumerate((swatch, label, number)):
                widget.setToolTip(f"{name}: {sentence}")
                grid.addWidget(widget, row, column, Qt.AlignmentFlag.AlignTop)
        grid.setRowStretch(len(self.entries) + 1, 1)
        self.setWidget(content)
