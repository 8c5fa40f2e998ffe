"""File > Export cube: dialog, job, result. Created by the main window, which shows what the signals say."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pipeline_core.progress import Progress
from quicklook import background_tasks
from quicklook.background_tasks import CubeForm
from quicklook.child_process import remove_parts, run_in_child
from quicklook.dialogs.cube_dialog import CubeDialog
from quicklook.jobs import Failure, Job, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.widgets.bring_to_front import bring_to_front

__all__ = ["CubeController"]

_KEY = "cube"


def write_cube_in_child(form: CubeForm, *, progress: Progress) -> object:
    """Write a cube in a child process; returns the core's `CubeSummary`. Runs in the jobs lane."""
    clean_up = partial(remove_parts, form.out.parent)
    return run_in_child(background_tasks.write_cube, form, progress=progress, clean_up=clean_up)


class CubeController(QtCore.QObject):
    """Opens the dialog and has cubes written.

    Signals
    -------
    submitted
        The Job of a new cube.
    said
        (kind, text) of a message.
    bugFound
        A `Failure` that no message explains.
    """

    submitted = Signal(object)
    said = Signal(str, str)
    bugFound = Signal(object)  # noqa: N815

    def __init__(self, session: Session, jobs: JobRunner, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._parent = parent
        self.dialog: CubeDialog | None = None
        jobs.succeeded.connect(self._on_success)
        jobs.failed.connect(self._on_failure)
        jobs.cancelled.connect(self._on_cancelled)

    @Slot()
    def open_dialog(self) -> None:
        """Show the form for the open file; the window stays usable."""
        facts = self._session.file
        if facts is None:
            return
        if self.dialog is not None:
            self.dialog.reject()
        self.dialog = CubeDialog(
            facts,
            self._session.time_range,
            facts.path.parent,
            weighted=self._session.weighted,
            parent=self._parent,
        )
        self.dialog.finished.connect(self._on_finished)
        bring_to_front(self.dialog)

    @Slot(int)
    def _on_finished(self, code: int) -> None:
        dialog, self.dialog = self.dialog, None
        if dialog is None:
            return
        if code == QtWidgets.QDialog.DialogCode.Accepted:
            self.start(dialog.form())
        dialog.deleteLater()

    def start(self, form: CubeForm) -> Job:
        """Queue a cube."""
        job = self._jobs.submit(f"Writing {form.out.name}", write_cube_in_child, form, key=_KEY)
        self.submitted.emit(job)
        return job

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job.key != _KEY:
            return
        summary = success.result
        assert summary is not None
        self.said.emit(
            "success",
            f"Written: {Path(summary.path)} (wavelength bins: {summary.n_band}, time bins: {summary.n_time}; sum "
            f"{summary.total:,.6g} {summary.unit}).",
        )

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if failure.job.key != _KEY:
            return
        self.said.emit("error", f"The cube was not written. {failure.text}")
        if not failure.expected:
            self.bugFound.emit(failure)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job.key == _KEY:
            self.said.emit("info", "The cube was cancelled: nothing was written.")
