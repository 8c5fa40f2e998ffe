"""A product from a form to a file: dialog, job, result. Base of cubes, movies and stacks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_core.progress import Progress
from quicklook.child_process import remove_parts, run_in_child
from quicklook.file_facts import FileFacts
from quicklook.jobs import Failure, Job, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.widgets.bring_to_front import bring_to_front

__all__ = ["ProductController", "write_in_child"]


def write_in_child(work: Callable[..., object], form: Any, *, progress: Progress) -> object:
    """Write ``form.out`` in a child process; returns what the core says of it. Runs in the jobs lane."""
    clean_up = partial(remove_parts, form.out.parent)
    return run_in_child(work, form, progress=progress, clean_up=clean_up)


class ProductController(QtCore.QObject):
    """Opens a dialog and has its product written. What differs is in the methods that end in ``NotImplementedError``.

    Signals
    -------
    submitted
        The Job of a new product.
    said
        (kind, text) of a message.
    bugFound
        A `Failure` that no message explains.
    """

    submitted = Signal(object)
    said = Signal(str, str)
    bugFound = Signal(object)  # noqa: N815

    noun: str
    """What it is called, such as 'cube'."""

    def __init__(self, session: Session, jobs: JobRunner, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._parent = parent
        self.dialog: Any = None
        jobs.succeeded.connect(self._on_success)
        jobs.failed.connect(self._on_failure)
        jobs.cancelled.connect(self._on_cancelled)

    def make_dialog(self, facts: FileFacts) -> QtWidgets.QDialog:
        """Return the form for the open file; it has a method `form`."""
        raise NotImplementedError

    def task(self) -> Callable[..., object]:
        """Return the function that writes the product, in a child process."""
        raise NotImplementedError

    def result(self, summary: Any) -> str:
        """Return what was written, in a few words."""
        raise NotImplementedError

    @Slot()
    def open_dialog(self) -> None:
        """Show the form for the open file; the window stays usable."""
        facts = self._session.file
        if facts is None:
            return
        if self.dialog is not None:
            self.dialog.reject()
        self.dialog = self.make_dialog(facts)
        self.dialog.setWindowTitle(f"{self.dialog.windowTitle()} - {facts.path.name}")
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

    def start(self, form: Any) -> Job:
        """Queue a product."""
        job = self._jobs.submit(
            f"Writing {form.out.name}", write_in_child, self.task(), form, key=self.noun
        )
        self.submitted.emit(job)
        return job

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job.key != self.noun:
            return
        summary: Any = success.result
        assert summary is not None
        self.said.emit("success", f"Written: {Path(summary.path)} ({self.result(summary)}).")

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if failure.job.key != self.noun:
            return
        name = failure.job.args[1].out.name
        self.said.emit("error", f"The {self.noun} {name} was not written. {failure.text}")
        if not failure.expected:
            self.bugFound.emit(failure)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job.key == self.noun:
            name = job.args[1].out.name
            self.said.emit("info", f"The {self.noun} {name} was cancelled: nothing was written.")
