"""The window of a night: its plan as a table, the room it needs, progress, a log, and what came of it.

It asks with signals and is answered with `show_*`; it knows neither files nor threads.
"""

from __future__ import annotations

import datetime
import time
from pathlib import Path

from quicklook import theme
from quicklook.assets import icon
from quicklook.file_listing import size_text
from quicklook.night_tasks import NightEnd, NightPlan, NightRow, RoomFacts, RowNews
from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.views.night_model import COLUMNS, NightModel
from quicklook.widgets.elided_label import ElidedLabel
from quicklook.widgets.message_bar import MessageBar
from quicklook.widgets.on_screen import resize_on_screen

__all__ = ["NightWindow"]

_SIZE = (1180, 740)
_WIDTHS = (230, 110, 190, 120, 80, 90)
_LOG_LINES = 5000
_EMPTY = "Open the file of a night (.yml), or make a new one."
_NO_ROOM = "How much room it needs is told here."
_FINISHED = ("done", "there already")


class NightWindow(QtWidgets.QWidget):
    """One night.

    Signals
    -------
    openWanted, newWanted, editWanted
        The file of another night; a new one; a change of this one.
    startWanted
        Address of a scheduler; '' for this machine.
    cancelRequested
        What runs (planning or the night) is to stop.
    resultWanted
        A `NightRow` whose result is to be seen.
    reportWanted
        Path of the report.
    """

    openWanted = Signal()  # noqa: N815
    newWanted = Signal()  # noqa: N815
    editWanted = Signal()  # noqa: N815
    startWanted = Signal(str)  # noqa: N815
    cancelRequested = Signal()  # noqa: N815
    resultWanted = Signal(object)  # noqa: N815
    reportWanted = Signal(object)  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("plotWindow")
        self.setWindowTitle("Run night")
        self.setWindowIcon(icon("night"))
        self.plan: NightPlan | None = None
        self._busy = ""
        self._report: Path | None = None
        self._since = 0.0
        self.model = NightModel(self)
        self.messages = MessageBar()
        self._build()
        self._connect()
        resize_on_screen(self, *_SIZE)
        self._update()

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.headline = ElidedLabel(_EMPTY, objectName="paneTitle")
        self.subline = ElidedLabel(objectName="caption")
        self.room = QtWidgets.QLabel(_NO_ROOM, objectName="caption", wordWrap=True)
        self.problems = QtWidgets.QLabel(objectName="hint", wordWrap=True, visible=False)
        self.problems.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.open = QtWidgets.QPushButton("Open…", toolTip="Open the file of a night")
        self.new = QtWidgets.QPushButton("New…", toolTip="Make the file of a night by a form")
        self.edit = QtWidgets.QPushButton("Edit…")
        top = self._top()
        self.table = self._table()
        self.log = QtWidgets.QPlainTextEdit(readOnly=True)
        self.log.setMaximumBlockCount(_LOG_LINES)
        self.log.setAccessibleName("Log")
        self.log.setPlaceholderText("What happens is told here.")
        splitter = QtWidgets.QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self.table)
        splitter.addWidget(self.log)
        splitter.setSizes([500, 110])
        splitter.setStretchFactor(0, 1)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        details = QtWidgets.QFrame(objectName="card")
        column = QtWidgets.QVBoxLayout(details)
        column.setContentsMargins(12, 6, 10, 6)
        column.addWidget(self.room)
        layout.addWidget(top)
        layout.addWidget(details)
        layout.addWidget(self.problems)
        layout.addWidget(splitter, 1)
        layout.addLayout(self._progress_row())
        layout.addLayout(self._buttons_row())
        self.messages.cover(details)

    def _top(self) -> QtWidgets.QFrame:
        texts = QtWidgets.QVBoxLayout()
        texts.setSpacing(0)
        texts.addWidget(self.headline)
        texts.addWidget(self.subline)
        top = QtWidgets.QFrame(objectName="card")
        row = QtWidgets.QHBoxLayout(top)
        row.setContentsMargins(12, 6, 10, 6)
        row.setSpacing(8)
        row.addLayout(texts, 1)
        for button in (self.open, self.new, self.edit):
            row.addWidget(button)
        return top

    def _table(self) -> QtWidgets.QTableView:
        table = QtWidgets.QTableView()
        table.setModel(self.model)
        table.setAccessibleName("Tasks of the night")
        table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setAlternatingRowColors(True)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(round(1.7 * table.fontMetrics().height()))
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, width in enumerate(_WIDTHS):
            table.setColumnWidth(column, round(width * theme.text_scale()))
        assert len(_WIDTHS) == len(COLUMNS) - 1
        return table

    def _progress_row(self) -> QtWidgets.QHBoxLayout:
        self.progress = QtWidgets.QProgressBar(textVisible=False)
        self.progress.setRange(0, 1000)
        self.stage = ElidedLabel(objectName="caption")
        self.elapsed = QtWidgets.QLabel(objectName="caption")
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.progress, 3)
        row.addWidget(self.stage, 2)
        row.addWidget(self.elapsed)
        return row

    def _buttons_row(self) -> QtWidgets.QHBoxLayout:
        self.scheduler = QtWidgets.QLineEdit(placeholderText="this machine")
        self.scheduler.setAccessibleName("Scheduler of a cluster")
        self.scheduler.setToolTip(
            "Address of a dask.distributed scheduler whose workers do the tasks, such as tcp://10.0.0.1:8786.\n"
            "Empty: processes of this machine."
        )
        self.result = QtWidgets.QPushButton("Open result")
        self.report = QtWidgets.QPushButton("Open report")
        self.cancel = QtWidgets.QPushButton("Cancel")
        self.start = QtWidgets.QPushButton("Start")
        self.start.setObjectName("primary")
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(QtWidgets.QLabel("Runs on", objectName="caption"))
        row.addWidget(self.scheduler, 1)
        row.addStretch(2)
        for button in (self.result, self.report, self.cancel, self.start):
            row.addWidget(button)
        return row

    def _connect(self) -> None:
        self.open.clicked.connect(self.openWanted)
        self.new.clicked.connect(self.newWanted)
        self.edit.clicked.connect(self.editWanted)
        self.start.clicked.connect(self._on_start)
        self.cancel.clicked.connect(self._on_cancel)
        self.result.clicked.connect(self._on_result)
        self.report.clicked.connect(self._on_report)
        self.table.doubleClicked.connect(self._on_result)
        self.table.selectionModel().selectionChanged.connect(self._update)
        self.model.modelReset.connect(self._update)
        theme.notifier.changed.connect(self.model.refresh)
        self._clock = QtCore.QTimer(self, interval=500)
        self._clock.timeout.connect(self._show_time)

    # --- what the controller says ----------------------------------------------------------------

    def show_busy(self, text: str) -> None:
        """Show that something runs: 'planning' or 'running'; '' that nothing does."""
        self._busy = text
        self.cancel.setEnabled(bool(text))
        if text:
            self._since = time.monotonic()
            self._clock.start()
            self.progress.setRange(0, 1000)
            self.progress.setValue(0)
            self.stage.setText("waiting for its turn")
            self.messages.hide()
        else:
            self._clock.stop()
            self.progress.setRange(0, 1000)
            self.progress.setValue(0)
            self.stage.setText("")
            self.stage.setToolTip("")
            self.elapsed.setText("")
        self._update()

    def show_progress(self, done: int, total: int, stage: str) -> None:
        """Show how far it is; a total of 0 means unknown."""
        if not self._busy:
            return
        self.progress.setRange(0, 1000 if total > 0 else 0)
        if total > 0:
            self.progress.setValue(round(1000 * done / total))
        if self.cancel.isEnabled():
            self.stage.setText(stage)
            self.stage.setToolTip(stage)

    def show_plan(self, plan: NightPlan) -> None:
        """Show what a night's file asks for."""
        self.plan = plan
        self._report = plan.report
        self.model.set_rows(plan.rows)
        self.setWindowTitle(f"Run night - {plan.path.name}")
        self.headline.setText(str(plan.path))
        self.headline.setToolTip(str(plan.path))
        self.room.setText("\n".join(_room_text(one) for one in plan.room))
        self.problems.setText("\n".join(part for part in (plan.obstacle, *plan.problems) if part))
        self.problems.setVisible(bool(self.problems.text()))
        self._show_counts()
        self._update()

    def take(self, news: RowNews) -> None:
        """Show what has changed of a task."""
        before = self._state_of(news.name)
        self.model.take(news)
        if news.state != before:
            told = f": {news.text}" if news.text and news.state != "running" else ""
            self.say(f"{news.state}: {news.name}{told}")
            self._show_counts()
            self._update()

    def say(self, text: str) -> None:
        """Add a line to the log."""
        self.log.appendPlainText(f"{datetime.datetime.now():%H:%M:%S}  {text}")

    def show_end(self, end: NightEnd) -> None:
        """Show that a night has ended."""
        self.show_busy("")
        self.progress.setValue(1000)
        self.stage.setText("finished")
        self.elapsed.setText(f"{end.seconds:.0f} s")
        self._show_message("success" if end.is_whole else "warning", end.text)

    def show_stopped(self, kind: str, text: str) -> None:
        """Show that planning or the night has ended before it was finished."""
        self.show_busy("")
        self.stage.setText("stopped")
        self._show_message(kind, text)

    def _show_message(self, kind: str, text: str) -> None:
        self.messages.show_message(kind, text)
        self.say(text)

    # --- what is possible now --------------------------------------------------------------------

    @property
    def chosen(self) -> NightRow | None:
        """The task that is selected."""
        rows = self.table.selectionModel().selectedRows()
        return self.model.rows[rows[0].row()] if rows else None

    @Slot()
    def _update(self) -> None:
        """Enable what makes sense; the others say why not."""
        busy = f"Wait: the night is {self._busy}" if self._busy else ""
        none = "" if self.plan else "Open the file of a night first"
        obstacle = "" if self.plan is None else self.plan.obstacle
        _allow(self.start, busy or none or obstacle, "Do everything that is not there already")
        _allow(self.edit, busy or none, "Change the file of this night by a form")
        _allow(self.open, busy, "Open the file of a night (.yml)")
        _allow(self.new, busy, "Make the file of a night by a form")
        _allow(self.cancel, "" if self._busy else "Nothing runs", "Stop: what is done is kept")
        self.scheduler.setEnabled(not self._busy)
        chosen = self.chosen
        why = "Choose a task that is done" if chosen is None else ""
        if chosen is not None and chosen.state not in _FINISHED:
            why = f"{chosen.name} has no result yet"
        _allow(self.result, why, "Open what the chosen task has made (double click)")
        there = self._report is not None and not self._busy and self._has_report()
        _allow(self.report, "" if there else "There is no report yet", "Open the report")

    def _has_report(self) -> bool:
        return any(row.state in (*_FINISHED, "failed") for row in self.model.rows)

    def _state_of(self, name: str) -> str:
        return next((row.state for row in self.model.rows if row.name == name), "")

    def _show_counts(self) -> None:
        states = [row.state for row in self.model.rows]
        counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
        self.subline.setText(f"{len(states)} tasks: {counts}" if states else "No tasks")

    @Slot()
    def _show_time(self) -> None:
        self.elapsed.setText(f"{time.monotonic() - self._since:.0f} s so far")

    # --- what a person does ----------------------------------------------------------------------

    @Slot()
    def _on_start(self) -> None:
        self.startWanted.emit(self.scheduler.text().strip())

    @Slot()
    def _on_cancel(self) -> None:
        self.stage.setText("stopping…")
        self.cancel.setEnabled(False)
        self.cancelRequested.emit()

    @Slot()
    def _on_result(self) -> None:
        if self.chosen is not None and self.chosen.state in _FINISHED:
            self.resultWanted.emit(self.chosen)

    @Slot()
    def _on_report(self) -> None:
        self.reportWanted.emit(self._report)


def _allow(button: QtWidgets.QPushButton, why_not: str, tip: str) -> None:
    button.setEnabled(not why_not)
    button.setToolTip(why_not or tip)


def _room_text(room: RoomFacts) -> str:
    places = ", ".join(f"{name} {folder}" for name, folder in room.places)
    return (
        f"Room: at most {size_text(room.needed)} needed of {size_text(room.free)} free for {places}"
    )
