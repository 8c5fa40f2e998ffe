"""Legend of a picture with categories: colour, name, number of pixels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import lru_cache, partial

from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal

__all__ = ["FlagLegend"]

_LONGEST_LINE = 16
_SWATCH, _ROUND = 14, 3


class FlagLegend(QtWidgets.QScrollArea):
    """A list of colours with names and counts; the tool tip explains each, its box hides its pixels.

    Rows are kept for the next picture: to make them anew takes long.

    Signals
    -------
    hiddenChanged
        Another set of names is hidden: `hidden`.
    """

    hiddenChanged = Signal()  # noqa: N815

    def __init__(self, heading: str = "Pixels by flag") -> None:
        super().__init__()
        self.hidden: set[str] = set()
        self.boxes: dict[str, QtWidgets.QCheckBox] = {}
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.entries: tuple[tuple[str, str, int, str], ...] = ()
        self._rows: list[_Row] = []
        self._heading = QtWidgets.QLabel(heading, objectName="caption")
        content = QtWidgets.QWidget(objectName="paper")
        column = QtWidgets.QVBoxLayout(content)
        column.setContentsMargins(6, 6, 2, 6)
        column.setSpacing(0)
        self._grid = QtWidgets.QGridLayout()
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self._grid.addWidget(self._heading, 0, 0, 1, 3)
        column.addLayout(self._grid)
        column.addStretch(1)
        self.setWidget(content)

    def set_entries(self, entries: Sequence[tuple[str, str, int, str]]) -> None:
        """Show these (colour '#rrggbb', name, number of pixels, explanation)."""
        self.entries = tuple(entries)
        self.hidden &= {name for _, name, _, _ in self.entries}
        while len(self._rows) < len(self.entries):
            self._add_row()
        self._heading.ensurePolished()
        line = self._heading.fontMetrics().lineSpacing()
        for place, row in enumerate(self._rows, 1):
            shown = place <= len(self.entries)
            if shown:
                name = self.entries[place - 1][1]
                row.show_entry(*self.entries[place - 1], ticked=name not in self.hidden)
            row.set_visible(shown)
            # Qt makes room for one line, and the style sheet has the last word on widgets
            height = line * (row.box.text().count("\n") + 1) + 8
            self._grid.setRowMinimumHeight(place, height if shown else 0)
        used = self._rows[: len(self.entries)]
        self.boxes = {row.name: row.box for row in used}

    def _add_row(self) -> None:
        row = _Row()
        row.box.toggled.connect(partial(self._on_toggled, row))
        self._rows.append(row)
        for column, widget in enumerate(row.widgets):
            self._grid.addWidget(widget, len(self._rows), column, Qt.AlignmentFlag.AlignVCenter)

    def _on_toggled(self, row: _Row, shown: bool) -> None:
        if shown:
            self.hidden.discard(row.name)
        else:
            self.hidden.add(row.name)
        self.hiddenChanged.emit()


class _Row:
    """The widgets of one category."""

    def __init__(self) -> None:
        self.name = ""
        self.swatch = QtWidgets.QLabel()
        self.swatch.setFixedSize(_SWATCH, _SWATCH)
        self.box = QtWidgets.QCheckBox()
        self.number = QtWidgets.QLabel()
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.widgets = (self.swatch, self.box, self.number)

    def show_entry(
        self, colour: str, name: str, count: int, sentence: str, *, ticked: bool
    ) -> None:
        """Show a category; nobody is told that its box changed."""
        self.name = name
        # a picture, not a style: a style sheet for each would take most of the time that a legend takes
        ratio = self.swatch.devicePixelRatioF()
        self.swatch.setPixmap(_swatch(colour, theme.current().axis, ratio))
        self.box.setText(_in_lines(name))
        with QtCore.QSignalBlocker(self.box):
            self.box.setChecked(ticked)
        self.box.setAccessibleName(f"Show pixels: {name}, {count}")
        self.number.setText(f"{count:,}")
        for widget in self.widgets:
            widget.setToolTip(f"{name}: {sentence}\nUntick to hide these pixels")

    def set_visible(self, visible: bool) -> None:
        """Show the row, or keep it for later."""
        for widget in self.widgets:
            widget.setVisible(visible)


@lru_cache(maxsize=256)
def _swatch(colour: str, edge: str, ratio: float) -> QtGui.QPixmap:
    """Return a square of a colour with rounded corners, `_SWATCH` wide on a screen of this pixel ratio."""
    side = round(_SWATCH * ratio)
    pixmap = QtGui.QPixmap(side, side)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(QtGui.QColor(edge))
    painter.setBrush(QtGui.QColor(colour))
    painter.drawRoundedRect(QtCore.QRectF(0.5, 0.5, _SWATCH - 1, _SWATCH - 1), _ROUND, _ROUND)
    painter.end()
    return pixmap


def _in_lines(name: str) -> str:
    """Return a name in lines that fit beside their numbers."""
    parts = name.replace("beammap.", "").replace(" + ", "\n+\u00a0").split("\n")
    lines = [textwrap.wrap(part, _LONGEST_LINE, break_long_words=False) for part in parts]
    return "\n".join("\n".join(some) for some in lines).replace("\u00a0", " ")
