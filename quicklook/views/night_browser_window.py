"""The night browser: a folder on a time line and in a table; a selected time range is converted, opened or copied."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_core.nightyaml import night_entries
from quicklook.assets import icon
from quicklook.background_tasks import LONGEST_S
from quicklook.night_listing import Bar, NightRow, rough
from quicklook.qt import Qt, QtWidgets, Signal, Slot
from quicklook.views.night_lanes import NightLanes
from quicklook.views.night_table import NightTable
from quicklook.widgets.elided_label import ElidedLabel
from quicklook.widgets.message_bar import MessageBar
from quicklook.widgets.moment_boxes import MomentBoxes
from quicklook.widgets.on_screen import resize_on_screen
from quicklook.widgets.path_edit import PathEdit
from quicklook.widgets.search_line import SearchLine

if TYPE_CHECKING:
    from pipeline_core.nightvalues import NightList

__all__ = ["NightBrowserWindow"]

_SIZE = (1240, 780)
_TIPS = {
    "convert": "Make a photon file of the selected raw seconds: opens the form filled in",
    "review": "Open the chosen photon file, or else the selected raw seconds, in the main window",
    "copy": "Copy what the logs say of the selection as entries of pipeline.yml",
}


class NightBrowserWindow(QtWidgets.QWidget):
    """One folder.

    Signals
    -------
    scanWanted
        The folder as typed.
    cancelRequested
        The scan is to stop.
    convertWanted
        (folder, start, seconds).
    reviewWanted
        Paths to open.
    """

    scanWanted = Signal(str)  # noqa: N815
    cancelRequested = Signal()  # noqa: N815
    convertWanted = Signal(object, int, int)  # noqa: N815
    reviewWanted = Signal(object)  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("plotWindow")
        self.setWindowTitle("Night browser")
        self.setWindowIcon(icon("files"))
        self.night: NightList | None = None
        self.selection: tuple[int, int] | None = None
        self._raw: tuple[tuple[Path, int], ...] = ()
        self._seconds: tuple[int, ...] = ()
        self._running = False
        self.messages = MessageBar()
        self.lanes = NightLanes()
        self.table = NightTable()
        self._build()
        self.messages.cover(self._top)
        self._connect()
        resize_on_screen(self, *_SIZE)
        self._update()

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self._header())
        self.subline = ElidedLabel()
        self.subline.setObjectName("caption")
        layout.addWidget(self.subline)
        splitter = QtWidgets.QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self.lanes)
        splitter.addWidget(self._lower())
        splitter.setSizes([360, 300])
        layout.addWidget(splitter, 1)

    def _header(self) -> QtWidgets.QWidget:
        self._top = QtWidgets.QWidget()
        self.folder = PathEdit("folder", "Folder of a night")
        self.folder.setToolTip("Raw files and photon files in it and in folders below are shown")
        self.scan = QtWidgets.QPushButton("Look", toolTip="Look into the folder again")
        self.scan.setObjectName("primary")
        self.bar = QtWidgets.QProgressBar(maximumWidth=220, textVisible=False)
        self.cancel = QtWidgets.QPushButton("Cancel", toolTip="Stop looking")
        row = QtWidgets.QHBoxLayout(self._top)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(QtWidgets.QLabel("Folder", objectName="caption"))
        for widget, stretch in ((self.folder, 1), (self.bar, 0), (self.cancel, 0), (self.scan, 0)):
            row.addWidget(widget, stretch)
        return self._top

    def _lower(self) -> QtWidgets.QWidget:
        self.moments = MomentBoxes()
        self.moments.setEnabled(False)
        self.search = SearchLine("Filter", "Show only rows with these words")
        self.search.setMaximumWidth(240)
        self.convert = QtWidgets.QPushButton("Convert…")
        self.review = QtWidgets.QPushButton("Review")
        self.copy = QtWidgets.QPushButton("Copy as YAML")
        first, second = QtWidgets.QHBoxLayout(), QtWidgets.QHBoxLayout()
        first.addWidget(self.moments, 1)
        self.selection_text = ElidedLabel()
        self.selection_text.setObjectName("caption")
        second.addWidget(self.search)
        second.addWidget(self.selection_text, 1)
        for button in (self.copy, self.review, self.convert):
            second.addWidget(button)
        lower = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(lower)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(first)
        column.addLayout(second)
        column.addWidget(self.table, 1)
        return lower

    def _connect(self) -> None:
        self.scan.clicked.connect(self._on_scan)
        self.folder.line.returnPressed.connect(self._on_scan)
        self.folder.changed.connect(self._update)
        self.cancel.clicked.connect(self.cancelRequested)
        self.lanes.selected.connect(self._on_selected)
        self.moments.changed.connect(self._on_selected)
        self.search.textChanged.connect(self._on_filter)
        self.table.selectionModel().selectionChanged.connect(self._update)
        self.table.clicked.connect(self._on_row)
        self.table.activated.connect(self._on_row)
        self.convert.clicked.connect(self._on_convert)
        self.review.clicked.connect(self._on_review)
        self.copy.clicked.connect(self._on_copy)

    # --- states ----------------------------------------------------------------------------------

    def show_running(self) -> None:
        """Show that the folder is being looked into."""
        self._running = True
        self.bar.setRange(0, 0)
        self.messages.hide()
        self._update()

    def show_progress(self, done: int, total: int, stage: str) -> None:
        """Show how far that is."""
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.subline.setText(
            f"{stage.capitalize()}… {done:,}" if done else f"{stage.capitalize()}…"
        )

    def show_stopped(self, kind: str, text: str) -> None:
        """Say that it ended without a list."""
        self._running = False
        self.subline.setText(self._facts())
        self.messages.show_message(kind, text)
        self._update()

    def show_night(
        self, night: NightList, rows: tuple[NightRow, ...], bars: tuple[Bar, ...]
    ) -> None:
        """Show what is there."""
        self._running = False
        self.night = night
        self._take(None)
        self.lanes.show_night(night, bars)
        self.table.show_rows(rows)
        whole = night.time_range
        self.moments.setEnabled(whole is not None)
        if whole is not None:
            self.moments.show_range(math.floor(whole[0]), math.ceil(whole[1]))
        self.subline.setText(self._facts())
        if night.problems:
            more = len(night.problems) - 1
            rest = f" {more} more: see the log." if more else ""
            self.messages.show_message("warning", night.problems[0] + rest)
        self._update()

    def _facts(self) -> str:
        night = self.night
        if night is None:
            return "Choose the folder of a night."
        seconds = sum(one.seconds for one in night.stretches)
        most = max((s.photons_per_s for _, some in night.rates for s in some), default=0.0)
        parts = [f"{seconds:,} raw seconds in {_some(len(night.stretches), 'stretch', 'es')}"]
        if most:
            parts.append(
                f"height of raw data: up to about {rough(most)} photons/s, from file sizes"
            )
        parts += [
            _some(len(night.files), "photon file"),
            f"{_some(len(night.spans), 'span')} from logs",
        ]
        if not night.spans:
            parts[-1] = "no observing or dither log found"
        return "; ".join(parts) + "."

    @Slot()
    def _update(self) -> None:
        """Let buttons say why they are dead."""
        self.bar.setVisible(self._running)
        self.cancel.setVisible(self._running)
        why = "It is being looked into" if self._running else ""
        why = why or ("" if self.folder.text() else "Choose a folder first")
        _set(self.scan, "Look into the folder, and those below it", why)
        _set(self.convert, _TIPS["convert"], self._why_no_convert())
        _set(self.review, _TIPS["review"], self._why_no_review())
        _set(self.copy, _TIPS["copy"], self._why_no_selection())
        self.selection_text.setText(self._selection_words())

    def _selection_words(self) -> str:
        if self.night is None or self.selection is None:
            return "Shift+drag on the time line, or click a row, to select a time range."
        start, stop = self.selection
        raw = self._raw
        words = f"{stop - start:,} s selected, {raw[0][1] if raw else 0:,} of them with raw files"
        return words + (
            f"; of {len(raw)} folders, {raw[0][0].name} is taken" if len(raw) > 1 else ""
        )

    def _why_no_selection(self) -> str:
        if self.night is None:
            return "Look into a folder first"
        return "" if self.selection else "Select a time range first"

    def _why_no_convert(self) -> str:
        why = self._why_no_selection()
        return why if why or self._raw else "No raw second is in the selection"

    def _why_no_review(self) -> str:
        row = self.table.chosen
        if row is not None and row.path is not None:
            return ""
        seconds = self._seconds
        if not seconds:
            return self._why_no_convert()
        if seconds[-1] + 1 - seconds[0] > LONGEST_S:
            return f"At most {LONGEST_S:,} s can be opened at once: select less"
        if seconds[-1] + 1 - seconds[0] != len(seconds):
            return "Raw seconds are missing inside the selection: select one stretch"
        return ""

    # --- what a person does ----------------------------------------------------------------------

    @Slot()
    def _on_scan(self) -> None:
        if self.scan.isEnabled():
            self.scanWanted.emit(self.folder.text())

    @Slot(str)
    def _on_filter(self, text: str) -> None:
        self.table.filter(text)
        self._update()

    def _on_selected(self, start: float, stop: float) -> None:
        self.table.clearSelection()
        self.select(start, stop)

    def select(self, start: float, stop: float) -> None:
        """Select the whole seconds that hold a range."""
        first = max(math.floor(start), 0)
        last = math.ceil(stop)
        self._take((first, last) if last > first else None)
        self.moments.show_range(first, last)
        self.lanes.select(self.selection)
        self._update()

    def _take(self, selection: tuple[int, int] | None) -> None:
        """Remember a selection, and the raw seconds it stands for."""
        self.selection, self._raw, self._seconds = selection, (), ()
        if selection is not None and self.night is not None:
            self._raw = self.night.raw_in(*selection)
            if self._raw:
                self._seconds = self.night.seconds_in(self._raw[0][0], *selection)

    @Slot()
    def _on_row(self) -> None:
        row = self.table.chosen
        if row is not None:
            self.select(row.start, row.stop)

    @Slot()
    def _on_convert(self) -> None:
        if self._seconds:
            first, last = self._seconds[0], self._seconds[-1]
            self.convertWanted.emit(self._raw[0][0], first, last + 1 - first)

    @Slot()
    def _on_review(self) -> None:
        row = self.table.chosen
        if row is not None and row.path is not None:
            self.reviewWanted.emit([row.path])
            return
        self.reviewWanted.emit([self._raw[0][0] / f"{second}.bin" for second in self._seconds])

    @Slot()
    def _on_copy(self) -> None:
        if self.night is not None and self.selection is not None:
            text = night_entries(self.night.spans, *self.selection)
            QtWidgets.QApplication.clipboard().setText(text)
            self.messages.show_message("success", "Copied, for a file of the night (pipeline.yml).")


def _some(number: int, what: str, ending: str = "s") -> str:
    return f"{number:,} {what}{ending if number != 1 else ''}"


def _set(button: QtWidgets.QPushButton, tip: str, why: str) -> None:
    button.setEnabled(not why)
    button.setToolTip(f"{tip}\n{why}" if why else tip)
