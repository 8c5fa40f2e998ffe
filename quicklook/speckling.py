"""Speckle maps as the window sees them: dialog, job, maps that fill, the study of a pixel, files.

Created by the main window. Maps are made in a child process; pixels are read in the reads lane and studied in the
chores lane, so that no click waits for a study; what is no longer asked for is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_core.speckle.settings import SpeckleSettings
from quicklook import speckle_tasks
from quicklook.dialogs.speckle_dialog import SpeckleDialog
from quicklook.file_facts import FileFacts
from quicklook.jobs import Failure, Job, JobProgress, JobRunner, Success
from quicklook.python_snippets import study_snippet
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.speckle_run import Messenger, SpeckleRun, make_maps_in_child
from quicklook.speckle_store import Origin, SpeckleStore
from quicklook.speckle_tasks import SpeckleForm, SpeckleStart, StudyRequest
from quicklook.tasks import OpenFiles
from quicklook.turns import Turns
from quicklook.views.speckle_window import SpeckleWindow
from quicklook.widgets.bring_to_front import bring_to_front

__all__ = ["SpeckleController"]

_RUN = "speckle maps"
_READ, _STUDY, _SAVE = "speckle pixel", "speckle study", "speckle maps saved"
_BASIS = "speckle maps compared"
_ADVICE_READ, _ADVICE = "speckle advice read", "speckle advice"
_SETTLE_MS = 50
_FILES = "FITS (*.fits);;NumPy (*.npz)"
_PIXEL_FILES = "Text, comma-separated (*.csv);;FITS (*.fits);;NumPy (*.npz)"


class SpeckleController(QtCore.QObject):
    """Analyse > Speckle maps, and the window of maps and pixels.

    Signals
    -------
    submitted
        The Job of new maps.
    said
        (kind, text) for the main window's message bar.
    bugFound
        A `Failure` that no message explains.
    mapWanted
        Name of a map that is to be drawn in the main window's image.
    studied
        A `PixelPage`.
    """

    submitted = Signal(object)
    said = Signal(str, str)
    bugFound = Signal(object)  # noqa: N815
    mapWanted = Signal(str)  # noqa: N815
    studied = Signal(object)

    def __init__(
        self,
        session: Session,
        store: SpeckleStore,
        files: OpenFiles,
        jobs: JobRunner,
        reads: JobRunner,
        chores: JobRunner,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self.store = store
        self._files = files
        self._jobs, self._reads, self._chores = jobs, reads, chores
        self._parent = parent
        self._job_of: dict[Origin, Job] = {}
        self._origin = _origin(None)
        self._asked: StudyRequest | None = None
        self._messenger = Messenger(self)
        self._messenger.news.connect(self._on_news)
        self._settled = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settled.timeout.connect(self._read_asked)
        self._turns = Turns(self)
        self.dialog: SpeckleDialog | None = None
        self.window: SpeckleWindow | None = None
        actions["speckle_maps"].triggered.connect(self.open_dialog)
        actions["speckle_pixel"].triggered.connect(self.open_window)
        actions["save_speckles"].triggered.connect(self.save)
        session.fileChanged.connect(self._on_file)
        session.pixelChanged.connect(self._on_pixel)
        jobs.progressed.connect(self._on_progress)
        for lane in (jobs, reads, chores):
            lane.succeeded.connect(self._on_success)
            lane.failed.connect(self._on_failure)
            lane.cancelled.connect(self._on_cancelled)

    # --- the dialog ------------------------------------------------------------------------------

    @Slot()
    def open_dialog(self) -> None:
        """Show the form for the open file; the window stays usable."""
        facts = self._session.file
        if facts is None or not facts.has_photons:
            return
        if self.dialog is not None:
            self.dialog.reject()
        settings = self.settings
        self.dialog = SpeckleDialog(facts, settings, self._session.time_range, self._parent)
        self.dialog.adviceWanted.connect(self._ask_for_advice)
        self.dialog.finished.connect(self._on_dialog_finished)
        self.dialog.ask_for_advice()
        bring_to_front(self.dialog)

    @property
    def settings(self) -> SpeckleSettings:
        """Settings of the maps there are, or those that fit what is on the screen."""
        if self.store.form is not None:
            return self.store.form.settings
        start, stop = self._session.time_range
        return SpeckleSettings(bin_s=self._session.bin_s, start=start, stop=stop)

    @Slot(object)
    def _ask_for_advice(self, settings: SpeckleSettings) -> None:
        """Have the decorrelation time of a pixel measured, with the bins that are filled in."""
        facts = self._session.file
        if facts is not None:
            request = StudyRequest(facts.token, self._session.pixel, settings)
            self._read(_ADVICE_READ, request)

    def _read(self, key: str, request: StudyRequest) -> None:
        self._reads.submit(
            key, speckle_tasks.read_pixel, self._files, request, key=key, newest=True
        )

    @Slot(int)
    def _on_dialog_finished(self, code: int) -> None:
        dialog, self.dialog = self.dialog, None
        if dialog is None:
            return
        if code == QtWidgets.QDialog.DialogCode.Accepted:
            self.start(dialog.settings())
        dialog.deleteLater()

    # --- running ---------------------------------------------------------------------------------

    @property
    def _job(self) -> Job | None:
        """The job that makes maps of the open file, or waits for its turn."""
        return self._job_of.get(self._origin)

    def start(self, settings: SpeckleSettings) -> Job | None:
        """Queue the maps of the open file, and show the window in which they fill."""
        facts = self._session.file
        if facts is None:
            return None
        self.cancel()  # of the same file: maps of others go on
        paths = facts.paths or (facts.path,)
        form = SpeckleForm(paths, facts.beammap, settings, facts.expected_id)
        run = SpeckleRun(form, self._origin, self._messenger)
        title = f"Speckle maps of {facts.path.name}"
        job = self._jobs.submit(title, make_maps_in_child, run, key=_RUN)
        self._job_of[self._origin] = job
        self.submitted.emit(job)
        # one after the other: all in one go would hold up everybody
        self._turns.take(partial(self._begin, run, facts.shape))
        for piece in (self._build_window, self._show_run, self._show_first_map):
            self._turns.take(piece)
        return job

    def _begin(self, run: SpeckleRun, shape: tuple[int, int]) -> None:
        """Offer the maps, in which nothing is computed yet."""
        if self._is_wanted(run):
            self.store.start(run.origin, run.form, shape, 1)

    def _is_wanted(self, run: SpeckleRun) -> bool:
        """Whether somebody waits for these maps: there are no newer ones of the file, and they were not cancelled."""
        job = self._job_of.get(run.origin)
        return job is not None and job.args[0] is run

    def _build_window(self) -> None:
        """Make the window in which the maps fill."""
        facts = self._session.file
        if facts is not None and self._job is not None:
            self._the_window().show_running(facts.path.name)

    def _show_run(self) -> None:
        if self._session.file is not None and self._job is not None:
            self._bring_window()

    def _show_first_map(self) -> None:
        """Show Is in the main window."""
        if self._session.file is not None and self._job is not None:
            self.mapWanted.emit("is")

    @Slot()
    def cancel(self) -> None:
        """Stop; what is done is kept."""
        if self._job is not None:
            self._jobs.cancel(self._job)

    @Slot(object, object)
    def _on_news(self, run: SpeckleRun, news: Any) -> None:
        if not self._is_wanted(run):
            return
        if isinstance(news, SpeckleStart):
            self.store.start(run.origin, run.form, news.shape, news.n_steps, news.basis)
        else:
            self.store.add(run.origin, news)

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        if report.job is self._job and self.window is not None:
            self.window.show_progress(report.done, report.total, report.stage)

    def give_up(self) -> None:
        """Keep nothing of computations that are cancelled: the program ends."""
        for job in self._job_of.values():
            job.args[0].give_up()

    # --- the window ------------------------------------------------------------------------------

    def _the_window(self) -> SpeckleWindow:
        if self.window is None:
            window = self.window = SpeckleWindow(self.store)
            window.cancelRequested.connect(self.cancel)
            window.pageWanted.connect(self._session.set_pixel)
            window.againWanted.connect(self.open_dialog)
            window.saveWanted.connect(self.save)
            window.exportWanted.connect(self.export_pixel)
            window.copyWanted.connect(self.copy_pixel)
            window.stepWanted.connect(self._on_step)
        return self.window

    @Slot()
    def open_window(self) -> None:
        """Show maps, and the study of the active pixel, which needs no maps."""
        for piece in (self._fill_window, self._bring_window):
            self._turns.take(piece)

    def _fill_window(self) -> None:
        """Make the window, or say in the one that is there that there are no maps."""
        nothing = self._job is None and self.store.maps is None
        if self._session.file is not None and (self.window is None or nothing):
            self._show_state(self._the_window())

    def _show_state(self, window: SpeckleWindow) -> None:
        """Show whether there are maps of the open file, or are going to be."""
        facts = self._session.file
        if facts is None:
            return
        name = facts.path.name
        if self._job is not None:
            window.show_running(name)
        elif self.store.maps is not None:
            window.show_maps(name)
        else:
            window.show_no_maps(name, facts.shape)

    def _bring_window(self) -> None:
        if self._session.file is not None:
            bring_to_front(self._the_window())
            self._turns.take(self._on_pixel)

    @Slot(int)
    def _on_step(self, step: int) -> None:
        self.store.set_step(step)
        self._on_pixel()

    @Slot()
    def _on_file(self) -> None:
        """Show the maps of this file, if there are some; after a new calibration or mask they may be outdated."""
        facts = self._session.file
        another = _origin(facts) != self._origin
        self._origin = _origin(facts)
        if self.dialog is not None:
            self.dialog.reject()
        self.store.show(self._origin)
        if another and self.window is not None:
            self._show_state(self.window)
        self._compare()
        self._on_pixel()

    def _compare(self) -> None:
        """Find out whether finished maps are still those of the open file."""
        facts, form = self._session.file, self.store.form
        if facts is not None and form is not None and self.store.maps is not None:
            what = (self._files, facts.token, form.settings)
            self._reads.submit(_BASIS, speckle_tasks.present_basis, *what, key=_BASIS, newest=True)

    @Slot()
    def _on_pixel(self) -> None:
        """Ask for the study of the active pixel, if anybody looks."""
        facts, pixel = self._session.file, self._session.pixel
        window = self.window
        self._asked = None
        self._settled.stop()
        if window is None or not window.isVisible() or facts is None or not facts.has_photons:
            return
        window.map.set_pixel(pixel)
        if pixel is None:
            window.show_no_pixel()
            return
        store = self.store
        self._asked = StudyRequest(facts.token, pixel, self.settings, store.tau_s, store.step)
        window.show_reading(pixel)
        self._settled.start()

    @Slot()
    def _read_asked(self) -> None:
        """Read the pixel, once the plots of the main window have had their turn and nobody walks on."""
        if self._asked is not None and self._session.file is not None:
            self._read(_READ, self._asked)

    # --- files -----------------------------------------------------------------------------------

    @Slot()
    def save(self) -> None:
        """Ask where to, and write all maps."""
        maps, form = self.store.maps, self.store.form
        if maps is None or form is None:
            return
        proposed = form.path.with_name(f"{form.path.stem}_speckle.fits")
        path, overwrite = self._ask_for_path("Save speckle maps", proposed, _FILES)
        if path is None:
            return
        where = (maps, path, overwrite, form.paths)
        self._chores.submit(f"write {path.name}", speckle_tasks.save_maps, *where, key=_SAVE)

    @Slot()
    def export_pixel(self) -> None:
        """Ask where to, and write the study on the screen."""
        page, asked = None if self.window is None else self.window.page, self._asked
        facts = self._session.file
        if page is None or asked is None or facts is None:
            return
        x, y = page.study.pixel
        proposed = facts.path.with_name(f"{facts.path.stem}_speckles_x{x}-y{y}.csv")
        path, overwrite = self._ask_for_path("Export pixel", proposed, _PIXEL_FILES)
        if path is not None:
            where = (self._files, asked.token, page, path, overwrite)
            self._reads.submit(f"write {path.name}", speckle_tasks.save_study, *where, key=_SAVE)

    @Slot()
    def copy_pixel(self) -> None:
        """Put a script on the clipboard that studies the pixel on the screen."""
        page, facts = None if self.window is None else self.window.page, self._session.file
        if page is None or self._asked is None or facts is None:
            return
        script = study_snippet(facts, self._asked, page.study.pixel, facts.beammap)
        QtWidgets.QApplication.clipboard().setText(script)
        self._tell("success", "Copied: a Python script that studies this pixel.")

    def _ask_for_path(self, title: str, proposed: Path, filters: str) -> tuple[Path | None, bool]:
        """Return a path with an ending of the filters, and whether the person agreed to replace what is there."""
        chosen, chosen_filter = QtWidgets.QFileDialog.getSaveFileName(
            self.window or self._parent, title, str(proposed), filters
        )
        if not chosen:
            return None, False
        endings = {one: one.rpartition("*")[2].rstrip(")") for one in filters.split(";;")}
        path = Path(chosen)
        if path.suffix.lower() in endings.values():
            return path, True
        ending = endings.get(chosen_filter, proposed.suffix)
        return path.with_name(path.name + ending), False

    # --- answers ---------------------------------------------------------------------------------

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        job, result = success.job, success.result
        if self._ended(job):
            self._take_maps(job, result)
        elif job.key in (_READ, _ADVICE_READ):
            if job.key == _READ and result.request != self._asked:
                return
            key = _STUDY if job.key == _READ else _ADVICE
            self._chores.submit(key, speckle_tasks.study, result, key=key, newest=True)
        elif job.key == _BASIS:
            facts = self._session.file
            if facts is not None and facts.token == job.args[1] and self.store.maps is not None:
                self.store.compare(result)
        elif job.key == _STUDY:
            if job.args[0].request == self._asked and self.window is not None:
                self.window.show_page(result)
            self.studied.emit(result)
        elif job.key == _ADVICE:
            if self.dialog is not None:
                self.dialog.show_advice(result.study)
        elif job.key == _SAVE:
            self._tell("success", f"Written: {result}")

    def _ended(self, job: Job) -> bool:
        """Whether it made maps that somebody waits for; it does so no longer."""
        if job.key != _RUN or self._job_of.get(job.args[0].origin) is not job:
            return False
        del self._job_of[job.args[0].origin]
        return True

    def _take_maps(self, job: Job, maps: Any) -> None:
        run: SpeckleRun = job.args[0]
        name = run.form.path.name
        self.store.finish(run.origin, maps)
        found = maps.status_counts()
        fitted = found["ok"] + found["at_bound"]
        text = f"Speckle maps of {name}: {fitted:,} pixels fitted"
        if not maps.complete:
            text += "; cancelled, the others are not computed"
        text += ". Nothing is saved yet."
        here = run.origin == self._origin
        if not here:
            text += f" They are there when {name} is opened again."
        # not in the window of maps: it would cover its buttons
        self.said.emit("success" if maps.complete else "info", text)
        if not here:
            return
        if self.window is not None:
            self.window.show_maps(name)
        self._compare()  # a calibration may have been attached meanwhile
        self._on_pixel()

    def _tell(self, kind: str, text: str) -> None:
        """Say something where the person looks."""
        if self.window is not None and self.window.isVisible():
            self.window.messages.show_message(kind, text)
        else:
            self.said.emit(kind, text)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if self._ended(job):
            self._stopped(job.args[0], "info", "Cancelled before the first pixel was fitted.")
        elif job.key == _SAVE:
            self._tell("info", "Nothing was written: the file of this pixel was closed before.")

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        job, text = failure.job, failure.text
        if self._ended(job):
            self._stopped(job.args[0], "error", f"There are no speckle maps. {text}")
        elif job.key in (_READ, _STUDY):
            if self.window is not None:
                self.window.show_no_page(text)
        elif job.key in (_ADVICE_READ, _ADVICE):
            if self.dialog is not None:
                self.dialog.show_no_advice(text)
        elif job.key == _SAVE:
            self._tell("error", text)
        else:
            return
        if not failure.expected:
            self.bugFound.emit(failure)

    def _stopped(self, run: SpeckleRun, kind: str, text: str) -> None:
        self.store.clear(run.origin)
        facts = self._session.file
        if run.origin != self._origin:
            self.said.emit(kind, f"{run.form.path.name}: {text}")
            return
        if self.window is not None and facts is not None:
            self.window.show_stopped(kind, text)
            self.window.show_no_maps(facts.path.name, facts.shape)
        self._tell(kind, text)

    def close(self) -> None:
        """Close dialog and window."""
        for one in (self.dialog, self.window):
            if one is not None:
                one.close()


def _origin(facts: FileFacts | None) -> Origin:
    """Return what makes a file the same one, whatever is attached to it."""
    return () if facts is None else (facts.paths or (facts.path,), facts.beammap, facts.file_id)
