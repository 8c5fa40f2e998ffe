"""Wavelength calibrations as the window sees them: dialog, check, job, the map that fills.

Created by the main window, which shows what the signals say. The result is `SolutionViewer`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_core.progress import Progress
from quicklook import wavecal_tasks
from quicklook.calibrating import CalibrationControl
from quicklook.child_process import remove_parts, run_in_child
from quicklook.dialogs.wavecal_dialog import WavecalDialog
from quicklook.jobs import Failure, Job, JobProgress, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.run_queue import RunQueue
from quicklook.session import Session
from quicklook.settings import Settings
from quicklook.solution_viewer import SolutionViewer
from quicklook.tasks import OpenFiles
from quicklook.wavecal_tasks import RBlock, WavecalForm
from quicklook.widgets.bring_to_front import bring_to_front
from quicklook.widgets.solution_table import age_text

__all__ = ["WavecalController", "calibrate_in_child"]

_RUN = "wavecal"
_LOOK, _CHECK, _NEAR = "wavecal files", "wavecal check", "wavecal nearest"
_READ, _WRITE = "wavecal settings", "wavecal settings written"


class _Messenger(QtCore.QObject):
    """Carries news from the thread of the jobs to that of the window."""

    news = Signal(object)


def calibrate_in_child(form: WavecalForm, messenger: _Messenger, *, progress: Progress) -> Path:
    """Calibrate in a child process; returns the path of the solution. Runs in the jobs lane."""
    folder = Path(form.out).expanduser().parent

    found: Path = run_in_child(
        wavecal_tasks.calibrate,
        form,
        progress=progress,
        clean_up=partial(remove_parts, folder),
        news=messenger.news.emit,
    )
    return found


class WavecalController(QtCore.QObject):
    """Opens the dialog and runs calibrations.

    Parameters
    ----------
    viewer : SolutionViewer
        Its window shows the run, and then the result.
    jobs, reads : JobRunner
        Lanes: for the calibration; for everything that opens HDF5 files.

    Signals
    -------
    submitted
        The Job of a new calibration.
    said
        (kind, text) for the main window's message bar.
    bugFound
        A `Failure` that no message explains.
    """

    submitted = Signal(object)
    said = Signal(str, str)
    bugFound = Signal(object)  # noqa: N815

    def __init__(
        self,
        session: Session,
        calibrating: CalibrationControl,
        viewer: SolutionViewer,
        files: OpenFiles,
        jobs: JobRunner,
        reads: JobRunner,
        settings: Settings,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._calibrating = calibrating
        self._viewer = viewer
        self._files = files
        self._jobs = jobs
        self._reads = reads
        self._settings = settings
        self._parent = parent
        self._runs = RunQueue()
        self._messenger = _Messenger(self)
        self._messenger.news.connect(self._on_news)
        self.dialog: WavecalDialog | None = None
        actions["wavecal"].triggered.connect(self.open_dialog)
        viewer.cancelRequested.connect(self.cancel)
        jobs.progressed.connect(self._on_progress)
        jobs.cancelled.connect(self._on_cancelled)
        for lane in (jobs, reads):
            lane.succeeded.connect(self._on_success)
            lane.failed.connect(self._on_failure)

    # --- the dialog ------------------------------------------------------------------------------

    @Slot()
    def open_dialog(self) -> None:
        """Show the form; the main window stays usable."""
        if self.dialog is None:
            dialog = self.dialog = WavecalDialog(self._settings, self._parent)
            dialog.filesAdded.connect(partial(self._read, _LOOK, wavecal_tasks.look_at_files))
            dialog.checkRequested.connect(
                partial(self._read, _CHECK, wavecal_tasks.check_wavecal, newest=True)
            )
            dialog.settingsOpened.connect(partial(self._read, _READ, wavecal_tasks.read_settings))
            dialog.settingsSaved.connect(self._write_settings)
            dialog.solutionsRequested.connect(self._show_existing)
            dialog.finished.connect(self._on_dialog_finished)
            self._look_for_nearest()
        bring_to_front(self.dialog)

    def _look_for_nearest(self) -> None:
        facts = self._session.file
        if facts is not None and facts.kind == "photons":
            self._read(
                _NEAR,
                wavecal_tasks.look_for_solutions,
                self._files,
                facts.token,
                self._calibrating.folders(),
            )

    def _read(self, key: str, function: Any, *args: Any, newest: bool = False) -> None:
        """Have something done in the reads lane."""
        self._reads.submit(key, function, *args, key=key, newest=newest)

    @Slot(object)
    def _write_settings(self, path: Path) -> None:
        if self.dialog is not None:
            self._read(_WRITE, wavecal_tasks.write_settings, self.dialog.form(), path)

    @Slot()
    def _show_existing(self) -> None:
        if self.dialog is not None:
            self.dialog.reject()
        self._calibrating.choose_solution()

    @Slot(int)
    def _on_dialog_finished(self, code: int) -> None:
        dialog, self.dialog = self.dialog, None
        if dialog is None:
            return
        if code == QtWidgets.QDialog.DialogCode.Accepted:
            self.start(dialog.form())
        dialog.deleteLater()

    # --- running ---------------------------------------------------------------------------------

    @Slot(object)
    def start(self, form: WavecalForm) -> Job:
        """Queue a calibration, and show the window in which its map fills: at once, or when its turn comes."""
        name = Path(form.out).name
        self._settings.solution_folder = str(Path(form.out).expanduser().absolute().parent)
        job = self._jobs.submit(
            f"Calibrating {name}", calibrate_in_child, form, self._messenger, key=_RUN
        )
        before = self._runs.at_work
        self._runs.add(job)
        self.submitted.emit(job)
        if before is None:
            self._viewer.show_running(name)
        else:
            self.said.emit("info", f"{name} is calibrated when {_out_of(before)} is done.")
        return job

    @Slot()
    def cancel(self) -> None:
        """Stop the calibration that is at work."""
        if self._runs.at_work is not None:
            self._jobs.cancel(self._runs.at_work)

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        if report.job in self._runs and self._viewer.run_window is not None:
            self._viewer.run_window.show_progress(report.done, report.total, report.stage)

    @Slot(object)
    def _on_news(self, block: RBlock) -> None:
        if self._runs.at_work is not None and self._viewer.run_window is not None:
            self._viewer.run_window.add_block(block)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job in self._runs:
            text = f"The calibration was cancelled; {_out_of(job)} was not written."
            self._end_without_solution(job, "info", text)

    def _end_without_solution(self, job: Job, kind: str, text: str) -> None:
        at_work = job is self._runs.at_work
        following = self._runs.end(job)
        if at_work and following is None:
            self._viewer.show_stopped(kind, text)
            return
        self.said.emit(kind, text)
        if at_work and following is not None:
            self._viewer.show_next(_out_of(following))

    # --- answers ---------------------------------------------------------------------------------

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        job, result = success.job, success.result
        if job in self._runs:
            following = self._runs.end(job)
            self.said.emit("success", f"Calibrated: {result.name} was written.")
            if following is None:
                self._viewer.look_at(result)
            else:
                self._viewer.show_next(_out_of(following))
        elif self.dialog is not None and job.key in (_LOOK, _CHECK, _READ, _WRITE, _NEAR):
            self._tell_dialog(self.dialog, job.key, result)

    def _tell_dialog(self, dialog: WavecalDialog, key: str, result: Any) -> None:
        if key == _LOOK:
            dialog.show_files(result)
        elif key == _CHECK:
            dialog.show_check(result)
        elif key == _READ:
            dialog.set_form(result)
        elif key == _WRITE:
            dialog.show_failure(f"The settings are in {result}.")
        else:
            fits = [one for one in result if not one.obstacle]
            if fits:
                share = fits[0].n_calibrated / max(fits[0].n_pixel, 1)
                dialog.show_nearest(
                    f"The nearest solution for the open file is {fits[0].path.name}: lasers "
                    f"{age_text(fits[0].age_s)}, {share:.0%} of the pixels calibrated, "
                    f"median R {fits[0].median_r:.2f}."
                )

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        job = failure.job
        text = failure.text
        if job in self._runs:
            self._end_without_solution(job, "error", f"{_out_of(job)} was not written. {text}")
        elif job.key in (_LOOK, _CHECK, _READ, _WRITE):
            if self.dialog is not None:
                self.dialog.show_failure(text)
        else:
            return
        if not failure.expected:
            self.bugFound.emit(failure)

    def close(self) -> None:
        """Close the dialog."""
        if self.dialog is not None:
            self.dialog.close()


def _out_of(job: Job) -> str:
    """Return the name of the solution that a run writes."""
    return Path(job.args[0].out).name
