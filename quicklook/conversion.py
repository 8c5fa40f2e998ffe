"""The conversion of .bin files as the window sees it: dialog, check, job, progress, result.

Created by the main window, which shows what the signals say.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_core.progress import Progress
from quicklook import background_tasks
from quicklook.background_tasks import ConvertForm, OlderForm
from quicklook.child_process import remove_parts, run_in_child
from quicklook.dialogs.convert_dialog import ConvertDialog
from quicklook.jobs import Failure, Job, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.settings import Settings
from quicklook.widgets.bring_to_front import bring_to_front

if TYPE_CHECKING:
    from pipeline_core.convert import ConversionSummary
    from pipeline_core.convert_parts import SplitSummary
    from pipeline_core.older.convert import OlderSummary

__all__ = ["ConversionController", "convert_in_child", "describe_result"]


def convert_in_child(form: ConvertForm, *, progress: Progress) -> object:
    """Convert in a child process; returns the core's `ConversionSummary` or `SplitSummary`. Runs in the jobs lane."""
    folder = Path(form.out).expanduser().parent

    clean_up = partial(remove_parts, folder)
    return run_in_child(background_tasks.convert, form, progress=progress, clean_up=clean_up)


def bring_in_in_child(form: OlderForm, *, progress: Progress) -> object:
    """Bring in an older file in a child process; returns the core's `OlderSummary`. Runs in the jobs lane."""
    clean_up = partial(remove_parts, Path(form.out).parent)
    return run_in_child(background_tasks.bring_in, form, progress=progress, clean_up=clean_up)


def describe_result(summary: ConversionSummary | SplitSummary | OlderSummary) -> tuple[str, str]:
    """Return kind and text of the message on a finished conversion: a warning if it has any."""
    text = "Converted: " + "; ".join(summary.lines()) + "."
    warnings = summary.warnings
    return ("warning" if warnings else "success"), " ".join((text, *warnings))


class ConversionController(QtCore.QObject):
    """Opens the dialog and runs the conversions.

    Parameters
    ----------
    jobs, chores : JobRunner
        Lanes for the conversion and for looking at folders.

    Signals
    -------
    submitted
        The Job of a new conversion.
    succeeded
        (summary, ConvertForm or OlderForm).
    failed
        (`Failure`, ConvertForm or OlderForm).
    cancelled
        ConvertForm or OlderForm.
    """

    submitted = Signal(object)
    succeeded = Signal(object, object)
    failed = Signal(object, object)
    cancelled = Signal(object)

    def __init__(
        self, jobs: JobRunner, chores: JobRunner, settings: Settings, parent: QtWidgets.QWidget
    ) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._chores = chores
        self._settings = settings
        self._parent = parent
        self._forms: dict[int, ConvertForm | OlderForm] = {}
        self.dialog: ConvertDialog | None = None
        jobs.succeeded.connect(self._on_success)
        jobs.failed.connect(self._on_failure)
        jobs.cancelled.connect(self._on_cancelled)
        chores.succeeded.connect(self._on_checked)
        chores.failed.connect(self._on_check_failed)

    @Slot()
    def open_dialog(self) -> None:
        """Show the form; the window stays usable."""
        if self.dialog is None:
            self.dialog = ConvertDialog(self._settings, self._parent)
            self.dialog.checkRequested.connect(self._check)
            self.dialog.finished.connect(self._on_dialog_finished)
        bring_to_front(self.dialog)

    @Slot(object, int, int)
    def open_filled(self, folder: Path, start: int, seconds: int) -> None:
        """Show the form with folder and times filled in; what is longer than one file may be is split."""
        self.open_dialog()
        if self.dialog is None:
            return
        self.dialog.fill(str(folder), start, seconds)

    @Slot(object)
    def start(self, form: ConvertForm) -> Job:
        """Queue a conversion."""
        title = f"Converting {Path(form.out).name}"
        job = self._jobs.submit(title, convert_in_child, form, key="convert")
        self._forms[job.id] = form
        self.submitted.emit(job)
        return job

    def bring_in(self, path: Path) -> None:
        """Ask where to write the photon file of an older one, and queue it."""
        suggested = path.with_name(f"{path.stem}_new.h5")
        chosen, _ = QtWidgets.QFileDialog.getSaveFileName(
            self._parent, f"Bring in {path.name}", str(suggested), "Photon files (*.h5)"
        )
        if not chosen:
            return
        out = Path(chosen) if chosen.endswith(".h5") else Path(f"{chosen}.h5")
        form = OlderForm(str(path), str(out))
        job = self._jobs.submit(f"Bringing in {path.name}", bring_in_in_child, form, key="convert")
        self._forms[job.id] = form
        self.submitted.emit(job)

    @Slot(int)
    def _on_dialog_finished(self, code: int) -> None:
        dialog, self.dialog = self.dialog, None
        if dialog is None:
            return
        if code == QtWidgets.QDialog.DialogCode.Accepted:
            self.start(dialog.form())
        dialog.deleteLater()

    @Slot(object)
    def _check(self, form: ConvertForm) -> None:
        self._chores.submit(
            "look at folder", background_tasks.check_conversion, form, key="check", newest=True
        )

    @Slot(object)
    def _on_checked(self, success: Success) -> None:
        if success.job.key == "check" and self.dialog is not None:
            self.dialog.show_check(success.result)

    @Slot(object)
    def _on_check_failed(self, failure: Failure) -> None:
        if failure.job.key == "check" and self.dialog is not None:
            self.dialog.show_failure(f"The folder cannot be checked: {failure.error}")

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        form = self._forms.pop(success.job.id, None)
        if form is not None:
            self.succeeded.emit(success.result, form)

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        form = self._forms.pop(failure.job.id, None)
        if form is not None:
            self.failed.emit(failure, form)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        form = self._forms.pop(job.id, None)
        if form is not None:
            self.cancelled.emit(form)
