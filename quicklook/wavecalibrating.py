"""Wavelength calibrations as the window sees them: dialog, check, job, the map that fills, and the look at the result.

Created by the main window, which shows what the signals say.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_core.progress import Progress
from quicklook import wavecal_tasks
from quicklook.calibrating import CalibrationControl
from quicklook.child_process import run_in_child
from quicklook.dialogs.wavecal_dialog import WavecalDialog
from quicklook.jobs import Failure, Job, JobProgress, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.settings import Settings
from quicklook.tasks import OpenFiles
from quicklook.views.wavecal_window import WavecalWindow
from quicklook.wavecal_tasks import OpenSolution, RBlock, WavecalForm
from quicklook.widgets.solution_table import age_text

__all__ = ["WavecalController", "calibrate_in_child"]

_RUN = "wavecal"
_LOOK, _CHECK, _NEAR = "wavecal files", "wavecal check", "wavecal nearest"
_READ, _WRITE = "wavecal settings", "wavecal settings written"
_OPEN, _MAP, _PAGE, _REFIT, _SAVE, _PAGES = (
    f"solution {name}" for name in ("open", "map", "page", "refit", "save", "pages")
)
_SOLUTIONS = "Solutions (*.h5);;All files (*)"


class _Messenger(QtCore.QObject):
    """Carries news from the thread of the jobs to that of the window."""

    news = Signal(object)


def calibrate_in_child(form: WavecalForm, messenger: _Messenger, *, progress: Progress) -> Path:
    """Calibrate in a child process; returns the path of the solution. Runs in the jobs lane."""
    folder = Path(form.out).expanduser().parent

    def clean_up(process_id: int) -> None:
        for left_over in folder.glob(f"*.{process_id}.part"):
            left_over.unlink(missing_ok=True)

    found: Path = run_in_child(
        wavecal_tasks.calibrate,
        form,
        progress=progress,
        clean_up=clean_up,
        news=messenger.news.emit,
    )
    return found


class WavecalController(QtCore.QObject):
    """Opens dialog and windows, runs calibrations, and lets solutions be looked at.

    Parameters
    ----------
    jobs, reads, chores : JobRunner
        Lanes: for the calibration; for everything that opens HDF5 files; for refits.

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
        files: OpenFiles,
        jobs: JobRunner,
        reads: JobRunner,
        chores: JobRunner,
        settings: Settings,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._calibrating = calibrating
        self._files = files
        self._jobs = jobs
        self._reads = reads
        self._chores = chores
        self._settings = settings
        self._parent = parent
        self._job: Job | None = None
        self._before_refits: list[OpenSolution] = []
        self._messenger = _Messenger(self)
        self._messenger.news.connect(self._on_news)
        self.dialog: WavecalDialog | None = None
        self.window: WavecalWindow | None = None
        actions["wavecal"].triggered.connect(self.open_dialog)
        actions["look_wavecal"].triggered.connect(self.choose_solution)
        calibrating.lookRequested.connect(self.look_at)
        session.fileChanged.connect(self._on_file)
        jobs.progressed.connect(self._on_progress)
        jobs.cancelled.connect(self._on_cancelled)
        for lane in (jobs, reads, chores):
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
        _bring(self.dialog)

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
        """Queue a calibration, and show the window in which its map fills."""
        name = Path(form.out).name
        self._settings.solution_folder = str(Path(form.out).expanduser().absolute().parent)
        self._job = self._jobs.submit(
            f"Calibrating {name}", calibrate_in_child, form, self._messenger, key=_RUN
        )
        self.submitted.emit(self._job)
        self._before_refits = []
        window = self._window()
        window.show_running(name)
        _bring(window)
        return self._job

    @Slot()
    def cancel(self) -> None:
        """Stop the running calibration."""
        if self._job is not None:
            self._jobs.cancel(self._job)

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        if report.job is self._job and self.window is not None:
            self.window.show_progress(report.done, report.total, report.stage)

    @Slot(object)
    def _on_news(self, block: RBlock) -> None:
        if self._job is not None and self.window is not None:
            self.window.add_block(block)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job is self._job:
            self._job = None
            name = Path(job.args[0].out).name
            self._stopped("info", f"The calibration was cancelled; {name} was not written.")

    def _stopped(self, kind: str, text: str) -> None:
        self.said.emit(kind, text)
        if self.window is not None and self.window.opened is None:
            self.window.show_stopped(kind, text)

    # --- looking at a solution -------------------------------------------------------------------

    @Slot()
    def choose_solution(self) -> None:
        """Let the person choose a solution to look at."""
        folders = self._calibrating.folders()
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self._parent,
            "Look at a wavelength solution",
            str(folders[0]) if folders else "",
            _SOLUTIONS,
        )
        if chosen:
            self.look_at(Path(chosen))

    @Slot(object)
    def look_at(self, path: Path) -> None:
        """Read a solution and show it."""
        self._read(_OPEN, wavecal_tasks.open_solution, path, newest=True)

    def _window(self) -> WavecalWindow:
        """Return the window, made when first wanted."""
        if self.window is None:
            window = self.window = WavecalWindow()
            window.cancelRequested.connect(self.cancel)
            window.mapWanted.connect(partial(self._of_solution, _MAP, wavecal_tasks.map_of))
            window.pageWanted.connect(partial(self._of_solution, _PAGE, wavecal_tasks.page_of))
            window.refitWanted.connect(self._refit)
            window.takeBackWanted.connect(self._take_back)
            window.saveWanted.connect(self._save)
            window.pagesWanted.connect(self._write_pages)
            window.applyWanted.connect(partial(self._use, self._calibrating.attach))
            window.tryWanted.connect(partial(self._use, self._calibrating.try_out))
            self._on_file()
        return self.window

    def _show(self, opened: OpenSolution) -> None:
        window = self._window()
        window.show_solution(opened, can_take_back=bool(self._before_refits))
        if not window.isVisible():
            _bring(window)

    def _of_solution(self, key: str, function: Any, *args: Any) -> None:
        """Have something of the solution on the screen computed; only the newest answer counts."""
        if self.window is not None and self.window.opened is not None:
            self._read(key, function, self.window.opened, *args, newest=True)

    @Slot(object, object, object)
    def _refit(
        self, pixel: tuple[int, int], lines: tuple[str, ...], curves: tuple[str, ...]
    ) -> None:
        if self.window is not None and self.window.opened is not None:
            # not in the lane of the reads: half a second for a large array
            self._chores.submit(
                "fit a pixel again",
                wavecal_tasks.refit,
                self.window.opened,
                pixel,
                lines,
                curves,
                key=_REFIT,
            )

    @Slot()
    def _take_back(self) -> None:
        if self._before_refits:
            self._show(self._before_refits.pop())

    @Slot()
    def _save(self) -> None:
        opened = None if self.window is None else self.window.opened
        if opened is None:
            return
        proposed = opened.path.with_name(f"{opened.path.stem}_edited.h5")
        chosen, _ = QtWidgets.QFileDialog.getSaveFileName(
            self.window, "Save the solution as", str(proposed), _SOLUTIONS
        )
        if chosen:
            self._read(_SAVE, wavecal_tasks.save_solution, opened, Path(chosen), True)

    @Slot()
    def _write_pages(self) -> None:
        opened = None if self.window is None else self.window.opened
        if opened is None:
            return
        chosen = QtWidgets.QFileDialog.getExistingDirectory(
            self.window, "Folder for the eight pages", str(opened.path.parent)
        )
        if chosen:
            self._chores.submit(
                "write pages", wavecal_tasks.write_pages, opened, Path(chosen), key=_PAGES
            )

    def _use(self, what: Any) -> None:
        """Attach or try the solution on the screen, which must be in a file."""
        opened = None if self.window is None else self.window.opened
        if self.window is None or opened is None:
            return
        if opened.changed:
            text = "Save the solution first: it was changed by hand since it was read."
            self.window.messages.show_message("warning", text, ("Save as…", self._save))
            return
        what(opened.path)

    @Slot()
    def _on_file(self) -> None:
        if self.window is not None:
            facts = self._session.file
            why_not = "" if facts is not None and facts.kind == "photons" else "Open a photon file"
            self.window.set_open_file("" if facts is None else facts.path.name, why_not)

    # --- answers ---------------------------------------------------------------------------------

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        job, result = success.job, success.result
        if job is self._job:
            self._job = None
            self.said.emit("success", f"Calibrated: {result.name} was written.")
            self.look_at(result)
        elif self.dialog is not None and job.key in (_LOOK, _CHECK, _READ, _WRITE, _NEAR):
            self._tell_dialog(self.dialog, job.key, result)
        elif job.key == _OPEN:
            self._before_refits = []
            self._show(result)
        elif self.window is not None and job.key in (_MAP, _PAGE, _REFIT, _SAVE, _PAGES):
            self._tell_window(self.window, job, result)

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

    def _tell_window(self, window: WavecalWindow, job: Job, result: Any) -> None:
        if job.key == _PAGES:
            window.messages.show_message(
                "success", f"{len(result)} pages are in {result[0].parent}."
            )
            return
        if window.opened is None or job.args[0] is not window.opened:
            return  # of a solution that is no longer on the screen
        if job.key == _MAP:
            window.show_map(result)
        elif job.key == _PAGE:
            window.show_page(result)
        elif job.key == _REFIT:
            self._before_refits.append(window.opened)
            self._show(result)
        elif job.key == _SAVE:
            self._before_refits = []
            self._show(result)
            window.messages.show_message("success", f"Written: {result.path}.")

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        job = failure.job
        text = str(failure.error) if failure.expected else f"Unexpected error: {failure.error!r}"
        if job is self._job:
            self._job = None
            name = Path(job.args[0].out).name
            self._stopped("error", f"{name} was not written. {text}")
        elif job.key in (_LOOK, _CHECK, _READ, _WRITE):
            if self.dialog is not None:
                self.dialog.show_failure(text)
        elif job.key == _OPEN:
            self.said.emit("error", text)
        elif job.key in (_MAP, _PAGE, _REFIT, _SAVE, _PAGES):
            if self.window is not None:
                self.window.messages.show_message("error", text)
                self.window.refit.setEnabled(True)
        else:
            return
        if not failure.expected:
            self.bugFound.emit(failure)

    def close(self) -> None:
        """Close dialog and window."""
        for widget in (self.dialog, self.window):
            if widget is not None:
                widget.close()


def _bring(widget: QtWidgets.QWidget) -> None:
    widget.show()
    widget.raise_()
    widget.activateWindow()
