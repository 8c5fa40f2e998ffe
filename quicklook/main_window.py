"""The window: puts the panes together and connects them. Knows everything, computes nothing."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from quicklook.about import about_text
from quicklook.actions import ACTIONS, build_actions, build_menus
from quicklook.assets import defaults, icon
from quicklook.background_tasks import ConvertForm
from quicklook.conversion import ConversionController, describe_result
from quicklook.jobs import Failure, Job, JobProgress, JobRunner, Success
from quicklook.preparation import PREPARE, Preparation
from quicklook.qt import Qt, QtGui, QtWidgets, Signal, Slot
from quicklook.reads import ReadBroker
from quicklook.session import Session
from quicklook.settings import Settings
from quicklook.tasks import OpenFiles
from quicklook.views.image_pane import FLAGS, ImagePane
from quicklook.views.pixel_card import PixelCard
from quicklook.views.plot_pane import PlotPane
from quicklook.widgets.facts_strip import FactsStrip
from quicklook.widgets.job_bar import JobBar
from quicklook.widgets.message_bar import MessageBar
from quicklook.widgets.plot_controls import PlotControls
from quicklook.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from pipeline_core.convert import ConversionSummary

__all__ = ["MainWindow"]

logger = logging.getLogger(__name__)


class MainWindow(QtWidgets.QMainWindow):
    """One window on one photon file.

    Signals
    -------
    bugFound
        (title, traceback) of an error that no message explains.
    fileOpened
        A photon file is on the screen.
    """

    bugFound = Signal(str, str)  # noqa: N815
    fileOpened = Signal(object)  # noqa: N815

    def __init__(self, settings: Settings, files: OpenFiles | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.session = Session(settings.bin_ms / 1e3, self)
        self._files = files or OpenFiles()
        self.reads = JobRunner("reads", self._close_files, self)
        self.chores = JobRunner("chores", parent=self)
        self.jobs = JobRunner("jobs", parent=self)
        self.broker = ReadBroker(self.reads, self._files, self)
        self._opening: Job | None = None
        self._after_opening: tuple[str, str] | None = None
        self._opened_another = False
        self._closing = False
        self.actions_by_name = build_actions(self)
        self._build_panes()
        self._build_layout()
        self.conversion = ConversionController(self.jobs, self.chores, settings, self)
        self.preparation = Preparation(self.jobs, self)
        self._connect()
        self._restore()
        self._on_file_changed()
        self.image.setFocus()
        self.reads.submit("prepare", self._files.prepare, key="prepare")

    def _close_files(self) -> None:
        """Close every handle; called in the thread of the reads lane."""
        self._files.close_others(0)

    # --- building --------------------------------------------------------------------------------

    def _build_panes(self) -> None:
        self.strip = FactsStrip()
        self.messages = MessageBar()
        self.image = ImagePane(self.session)
        self.controls = PlotControls()
        self.card = PixelCard(self.session)
        self.job_bar = JobBar()
        self.status = StatusLine()
        self.setStatusBar(self.status)
        self.setWindowIcon(icon("quicklook"))

    def _build_layout(self) -> None:
        build_menus(self.menuBar(), self.actions_by_name)
        left = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.image, 1)
        column.addWidget(self.controls)
        self.splitter = QtWidgets.QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(6)
        self.splitter.addWidget(left)
        self.splitter.addWidget(self.card)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 1)
        centre = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(centre)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.strip)
        layout.addWidget(self.splitter, 1)
        layout.addWidget(self.job_bar)
        self.setCentralWidget(centre)
        self.messages.cover(self.strip)

    def _connect(self) -> None:
        act = self.actions_by_name
        act["open"].triggered.connect(self._choose_file)
        act["convert"].triggered.connect(self.conversion.open_dialog)
        act["exit"].triggered.connect(self.close)
        act["light_curve"].triggered.connect(lambda: _reveal(self.card.light_curve))
        act["histogram"].triggered.connect(lambda: _reveal(self.card.histogram))
        act["spectrum"].triggered.connect(lambda: _reveal(self.card.spectrum))
        act["plot_image"].triggered.connect(self._plot_image)
        act["fit"].triggered.connect(self.image.fit)
        act["reset_layout"].triggered.connect(self._reset_layout)
        act["full_screen"].triggered.connect(self._toggle_full_screen)
        act["about"].triggered.connect(self._about)
        for pane in (self.image, *self.card.panes):
            self.broker.add(pane)
            pane.requested.connect(self.broker.ask)
        self.image.pixelSelected.connect(self.session.set_pixel)
        self.image.hovered.connect(self._on_hover)
        self.image.shownChanged.connect(self._on_shown)
        self.controls.plotRequested.connect(self._plot_image)
        self.controls.times.rangeChanged.connect(self._on_range)
        self.controls.flags.toggled.connect(self._update_hint)
        self.session.fileChanged.connect(self._on_file_changed)
        self.session.pixelChanged.connect(self._show_active)
        self.session.timeRangeChanged.connect(self._update_hint)
        self._connect_lanes()

    def _connect_lanes(self) -> None:
        self.broker.bugFound.connect(self._on_bug)
        self.reads.succeeded.connect(self._on_read)
        self.reads.failed.connect(self._on_read_failed)
        self.jobs.progressed.connect(self._on_progress)
        self.jobs.finished.connect(self._on_job_finished)
        self.job_bar.cancelRequested.connect(self._cancel_job)
        self.preparation.submitted.connect(self._on_submitted)
        self.conversion.submitted.connect(self._on_submitted)
        self.conversion.succeeded.connect(self._on_converted)
        self.conversion.failed.connect(self._on_conversion_failed)
        self.conversion.cancelled.connect(self._on_conversion_cancelled)

    def _restore(self) -> None:
        self.resize(*defaults()["window_size"])
        self.splitter.setSizes([1000, 1000])
        if not self.settings.geometry.isEmpty():
            self.restoreGeometry(self.settings.geometry)
        if not self.settings.splitter.isEmpty():
            self.splitter.restoreState(self.settings.splitter)

    # --- opening ---------------------------------------------------------------------------------

    @Slot()
    def _choose_file(self) -> None:
        folder = os.environ.get("MKID_DATA_DIR") or self.settings.photon_folder
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self, "Open photon file", folder, "Photon files (*.h5);;All files (*)"
        )
        if chosen:
            self.open_file(Path(chosen))

    def open_file(self, path: Path) -> Job:
        """Open a photon file; the present one stays until the new one has been read."""
        self._opened_another = True
        self._opening = self.reads.submit(
            f"open {path}", self._files.open, path, key="open", newest=True
        )
        self.setCursor(Qt.CursorShape.BusyCursor)
        return self._opening

    @Slot(object)
    def _on_read(self, success: Success) -> None:
        if self._opening is None or success.job.id != self._opening.id:
            return
        self._end_opening()
        facts = success.result
        self.broker.forget()
        self.messages.hide()
        if self._after_opening:
            self.messages.show_message(*self._after_opening)
            self._after_opening = None
        self.session.set_file(facts)
        self.reads.submit("close", self._files.close_others, facts.token, key="close")
        self.settings.photon_folder = str(facts.path.parent)
        logger.info("Opened %s: %d photons", facts.path, facts.n_photons)
        self.fileOpened.emit(facts)

    @Slot(object)
    def _on_read_failed(self, failure: Failure) -> None:
        if failure.job.key != "open":
            return
        if self._opening is not None and failure.job.id == self._opening.id:
            self._end_opening()
        self._show_failure(Path(failure.job.args[0]), "opened", failure)

    def _end_opening(self) -> None:
        self._opening = None
        self.unsetCursor()

    # --- what is shown ---------------------------------------------------------------------------

    @Slot()
    def _on_file_changed(self) -> None:
        facts = self.session.file
        self.strip.show_facts(facts)
        self.controls.set_file(facts.exposure_s if facts else None)
        for row in ACTIONS:
            if row.needs_file:
                self.actions_by_name[row.name].setEnabled(facts is not None)
        title = "quicklook" if facts is None else f"{facts.path.name} - quicklook"
        self.setWindowTitle(title)
        self._on_hover(None)
        self._show_active()

    @Slot()
    def _plot_image(self) -> None:
        if self.controls.wants_counts:
            self.image.ask_counts()
        else:
            self.image.show_flags()

    @Slot(object)
    def _on_range(self, range_s: tuple[float, float]) -> None:
        if self.session.file is not None:
            self.session.set_time_range(*range_s)

    @Slot()
    def _on_shown(self) -> None:
        self._show_active()
        self._update_hint()

    @Slot()
    def _update_hint(self) -> None:
        """Say when the image is not what the controls ask for."""
        shown = self.image
        if self.session.file is None or not shown.kind:
            self.controls.set_hint("")
            return
        same = (shown.kind != FLAGS) == self.controls.wants_counts
        if same and shown.counts is not None and shown.kind != FLAGS:
            request = shown.counts.request
            same = (request.start_s, request.stop_s) == self.session.time_range
        self.controls.set_hint("" if same else "Press Plot Image to update")

    @Slot()
    def _show_active(self) -> None:
        facts, pixel = self.session.file, self.session.pixel
        value = self.image.value_at(pixel) if pixel is not None else ("", "")
        self.status.show_active(facts, pixel, value)

    @Slot(object)
    def _on_hover(self, pixel: tuple[int, int] | None) -> None:
        value = self.image.value_at(pixel) if pixel is not None else ("", "")
        self.status.show_hovered(self.session.file, pixel, value)

    @Slot()
    def _reset_layout(self) -> None:
        self.card.reset_layout()
        self.splitter.setSizes([1000, 1000])

    @Slot()
    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    @Slot()
    def _about(self) -> None:
        QtWidgets.QMessageBox.about(self, "About quicklook", about_text())

    # --- jobs ------------------------------------------------------------------------------------

    @Slot(object)
    def _on_submitted(self, job: Job) -> None:
        self.job_bar.add(job.id, job.title)
        self._opened_another = False

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        self.job_bar.update_progress(report.job.id, report.done, report.total, report.stage)

    @Slot(object)
    def _cancel_job(self, number: int) -> None:
        for job in self.jobs.jobs:
            if job.id == number:
                self.jobs.cancel(job)

    @Slot(object)
    def _on_job_finished(self, job: Job) -> None:
        self.job_bar.remove(job.id)
        if self._closing and not self.jobs.jobs:
            self.close()

    @Slot(object, object)
    def _on_converted(self, summary: ConversionSummary, form: ConvertForm) -> None:
        """Open the result; only offer it if another file was opened meanwhile, or as wished."""
        path = Path(summary.path)
        message = describe_result(summary)
        logger.info("%s", message[1])
        if form.open_result and not self._opened_another and not self._closing:
            self._after_opening = message
            self.open_file(path)
            self._opened_another = False  # that was not the person
        else:
            self.messages.show_message(*message, ("Open result", lambda: self.open_file(path)))

    @Slot(object, object)
    def _on_conversion_failed(self, failure: Failure, form: ConvertForm) -> None:
        self._show_failure(Path(form.out), "written", failure)

    @Slot(object)
    def _on_conversion_cancelled(self, form: ConvertForm) -> None:
        text = f"The conversion was cancelled; {Path(form.out).name} was not written."
        self.messages.show_message("info", text)

    # --- trouble ---------------------------------------------------------------------------------

    def _show_failure(self, path: Path, verb: str, failure: Failure) -> None:
        """Show expected trouble in the window, and a bug in a dialog."""
        what = f"{path} was not {verb}."
        if failure.expected:
            text = str(failure.error)
            self.messages.show_message("error", text if path.name in text else f"{what} {text}")
        else:
            self.messages.show_message("error", f"{what} Unexpected error: {failure.error!r}")
            self._on_bug(failure)

    @Slot(object)
    def _on_bug(self, failure: Failure) -> None:
        self.bugFound.emit(f"{failure.job.title}: {failure.error!r}", failure.traceback_text)

    # --- closing ---------------------------------------------------------------------------------

    def closeEvent(self, event: QtGui.QCloseEvent | None) -> None:
        """Ask if a conversion is running; then end the lanes, and only then go."""
        assert event is not None
        busy = [job for job in self.jobs.jobs if job.key != PREPARE]
        if busy and not self._closing:
            event.ignore()
            self._ask_before_closing(busy)
            return
        self._closing = True
        lanes = (self.jobs, self.chores, self.reads)
        for lane in lanes:
            lane.cancel_all()
        stopped = [lane.shutdown() for lane in lanes]
        if not all(stopped):
            event.ignore()
            self.messages.show_message(
                "warning", "Still waiting for work to stop. Close again later."
            )
            return
        self.settings.geometry = self.saveGeometry()
        self.settings.splitter = self.splitter.saveState()
        self.settings.bin_ms = 1e3 * self.session.bin_s
        self.settings.sync()
        event.accept()

    def _ask_before_closing(self, busy: list[Job]) -> None:
        titles = "; ".join(job.title for job in busy)
        self.messages.show_message(
            "warning",
            f"Not finished: {titles}. If it is stopped, nothing half-written is left behind.",
            ("Stop it and exit", self.stop_and_close),
            ("Keep working", lambda: None),
        )

    def stop_and_close(self) -> None:
        """Close the window without asking, as soon as the jobs have stopped."""
        self._closing = True
        self.jobs.cancel_all()
        if not self.jobs.jobs:
            self.close()


def _reveal(pane: PlotPane) -> None:
    """Show a plot that was hidden."""
    pane.show()
    pane.plot.setFocus()
