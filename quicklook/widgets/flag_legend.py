"""Legend of a picture with categories: colour, name, number of pixels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial

from quicklook import theme
from quicklook.qt import Qt, QtWidgets, Signal

__all__ = ["FlagLegend"]

_LONGEST_LINE = 16


class FlagLegend(QtWidgets.QScrollArea):
    """A list of colours with names and counts; the tool tip explains each, its box hides its pixels.

    Signals
    -------
    hiddenChanged
        Another set of names is hidden: `hidden`.
    """

    hiddenChanged = Signal()  # noqa: N815

    def __init__(self, heading: str = "Pixels by flag") -> None:
        super().__init__()
        self._heading = heading
        self.hidden: set[str] = set()
        self.boxes: dict[str, QtWidgets.QCheckBox] = {}
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.entries: tuple[tuple[str, str, int, str], ...] = ()

    def set_entries(self, entries: Sequence[tuple[str, str, int, str]]) -> None:
        """Show these (colour '#rrggbb', name, number of pixels, explanation)."""
        self.entries = tuple(entries)
        self.boxes = {}
        self.hidden &= {name for _, name, _, _ in self.entries}
        content = QtWidgets.QWidget(objectName="paper")
        grid = QtWidgets.QGridLayout(content)
        grid.setContentsMargins(6, 6, 2, 6)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        heading = QtWidgets.QLabel(self._heading, objectName="caption")
        grid.addWidget(heading, 0, 0, 1, 3)
        heading.ensurePolished()
        line = heading.fontMetrics().lineSpacing()
        for row, (colour, name, count, sentence) in enumerate(self.entries, 1):
            swatch = QtWidgets.QLabel()
            swatch.setFixedSize(14, 14)
            edge = theme.current().axis
            swatch.setStyleSheet(
                f"background: {colour}; border: 1px solid {edge}; border-radius: 3px"
            )
            text = _in_lines(name)
            label = QtWidgets.QCheckBox(text)
            # Qt makes room for one line, and the style sheet has the last word on widgets
            grid.setRowMinimumHeight(row, line * (text.count("\n") + 1) + 8)
            label.setChecked(name not in self.hidden)
            label.toggled.connect(partial(self._on_toggled, name))
            label.setAccessibleName(f"Show pixels: {name}, {count}")
            self.boxes[name] = label
            number = QtWidgets.QLabel(f"{count:,}")
            number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            for column, widget in enumerate((swatch, label, number)):
                widget.setToolTip(f"{name}: {sentence}\nUntick to hide these pixels")
                grid.addWidget(widget, row, column, Qt.AlignmentFlag.AlignVCenter)
        grid.setRowStretch(len(self.entries) + 1, 1)
        self.setWidget(content)

    def _on_toggled(self, name: str, shown: bool) -> None:
        if shown:
            self.hidden.discard(name)
        else:
            self.hidden.add(name)
        self.hiddenChanged.emit()


def _in_lines(name: str) -> str:
    """Return a name in lines that fit beside their numbers."""
    parts = name.replace("beammap.", "").replace(" + ", "\n+\u00a0").split("\n")
    lines = [textwrap.wrap(part, _LONGEST_LINE, break_long_words=False) for part in parts]
    return "\n".join("\n".join(some) for some in lines).replace("\u00a0", " ")
