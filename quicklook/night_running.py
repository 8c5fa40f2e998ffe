"""Pipeline > Run night: the window, the form, planning and the night itself, in a lane of its own.

Created by the main window, which shows what the signals say. A night takes hours: other jobs need not wait for it, and
it goes on when its window is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline_core.progress import Progress
from quicklook import night_form, night_tasks
from quicklook.child_process import run_in_child
from quicklook.dialogs.night_dialog import NightDialog
from quicklook.jobs import Failure, Job, JobProgress, JobRunner, Success
from quicklook.night_tasks import NightEnd, NightPlan, NightRow, RowNews
from quicklook.qt import QtCore, QtGui, QtWidgets, Signal, Slot
from quicklook.settings import Settings
from quicklook.views.night_window import NightWindow
from quicklook.widgets.bring_to_front import bring_to_front

__all__ = ["NightController", "plan_in_child", "reduce_in_child"]

_PLAN, _RUN = "night plan", "night"
_READ, _CHECK, _WRITE = "night form", "night check", "night file"
_FILES = "Nights (*.yml *.yaml);;All files (*)"
_STOP_S = 12.0
"""How long a night may take to stop: its tasks are told to, and ended if they do not listen."""


class _Messenger(QtCore.QObject):
    """Carries news from the thread of the night to that of the window."""

    news = Signal(object)


def plan_in_child(path: Path, *, progress: Progress) -> NightPlan:
    """Plan a night in a child process: raw files are read."""
    found: NightPlan = run_in_child(night_tasks.plan, path, progress=progress)
    return found


def reduce_in_child(
    path: Path, scheduler: str, messenger: _Messenger, *, progress: Progress
) -> NightEnd:
    """Do a night in a child process, which has processes of its own."""
    found: NightEnd = run_in_child(
        night_tasks.reduce,
        path,
        scheduler,
        progress=progress,
        news=messenger.news.emit,
        has_children=True,
        grace_s=_STOP_S,
    )
    return found


class NightController(QtCore.QObject):
    """Owns the window of a night.

    Parameters
    ----------
    lane, chores : JobRunner
        For nights alone; for what takes milliseconds.
    openers : mapping
        Kind of a task -> what opens its result in this program; whatever is not there is opened by the desktop.

    Signals
    -------
    submitted
        The Job of a night.
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
        lane: JobRunner,
        chores: JobRunner,
        openers: Mapping[str, Callable[[Path], Any]],
        settings: Settings,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._lane = lane
        self._chores = chores
        self._openers = openers
        self._settings = settings
        self._parent = parent
        self._job: Job | None = None
        self._next: Path | None = None
        self._messenger = _Messenger(self)
        self._messenger.news.connect(self._on_news)
        self.window: NightWindow | None = None
        self.dialog: NightDialog | None = None
        actions["run_night"].triggered.connect(self.open_window)
        lane.progressed.connect(self._on_progress)
        lane.succeeded.connect(self._on_success)
        lane.failed.connect(self._on_failure)
        chores.succeeded.connect(self._on_chore)
        chores.failed.connect(self._on_failed_chore)
        lane.cancelled.connect(self._on_cancelled)

    # --- the window ------------------------------------------------------------------------------

    @Slot()
    def open_window(self) -> NightWindow:
        """Show the window; the night that runs, or ran last, is in it."""
        if self.window is None:
            window = self.window = NightWindow()
            window.openWanted.connect(self._choose)
            window.newWanted.connect(self.open_dialog)
            window.editWanted.connect(self._edit)
            window.startWanted.connect(self._start)
            window.cancelRequested.connect(self.cancel)
            window.resultWanted.connect(self._open_result)
            window.reportWanted.connect(self._open_by_desktop)
        bring_to_front(self.window)
        return self.window

    @Slot()
    def _choose(self) -> None:
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self.window, "Open the file of a night", self._settings.photon_folder, _FILES
        )
        if chosen:
            self.open_night(Path(chosen))

    def open_night(self, path: Path) -> None:
        """Show what a night's file asks for: once the night that runs has ended, which needs the window until then."""
        window = self.open_window()
        if self._job is not None and self._job.key == _RUN:
            self._next = path
            text = f"{path.name} is shown here when the night that runs has ended."
            window.messages.show_message("info", text)
            return
        self._job = self._lane.submit(f"Planning {path.name}", plan_in_child, path, key=_PLAN)
        self.submitted.emit(self._job)
        window.show_busy("planned")

    @Slot(str)
    def _start(self, scheduler: str) -> None:
        if self.window is not None and self.window.plan is not None:
            self.start(self.window.plan.path, scheduler)

    def start(self, path: Path, scheduler: str = "") -> Job:
        """Queue a night."""
        self._job = self._lane.submit(
            f"Night {path.name}", reduce_in_child, path, scheduler, self._messenger, key=_RUN
        )
        self.submitted.emit(self._job)
        if self.window is not None:
            self.window.show_busy("running")
            self.window.say(f"started: {path}")
        return self._job

    def _open_next(self) -> None:
        """Show the file that was saved while a night ran."""
        path, self._next = self._next, None
        if path is not None:
            self.open_night(path)

    def give_up(self) -> None:
        """Show no other night after the one that runs: the program ends."""
        self._next = None

    @Slot()
    def cancel(self) -> None:
        """Stop what runs."""
        if self._job is not None:
            self._lane.cancel(self._job)

    # --- the form --------------------------------------------------------------------------------

    @Slot()
    def open_dialog(self) -> NightDialog:
        """Show an empty form, or the one that is being filled in."""
        if self.dialog is None:
            dialog = self.dialog = NightDialog(self.window)
            dialog.checkRequested.connect(self._check)
            dialog.finished.connect(self._on_dialog_finished)
        bring_to_front(self.dialog)
        return self.dialog

    @Slot()
    def _edit(self) -> None:
        if self.window is not None and self.window.plan is not None:
            path = self.window.plan.path
            self._chores.submit(_READ, night_form.read_form, path, key=_READ, newest=True)

    @Slot(object, str)
    def _check(self, form: night_form.NightForm, path: str) -> None:
        self._chores.submit(_CHECK, night_form.check_form, form, path, key=_CHECK, newest=True)

    @Slot(int)
    def _on_dialog_finished(self, code: int) -> None:
        dialog, self.dialog = self.dialog, None
        if dialog is None:
            return
        if code == QtWidgets.QDialog.DialogCode.Accepted:
            self._chores.submit(
                _WRITE, night_form.write_form, dialog.form(), dialog.path(), key=_WRITE
            )
        dialog.deleteLater()

    @Slot(object)
    def _on_chore(self, success: Success) -> None:
        key = success.job.key
        if key == _READ:
            dialog = self.open_dialog()
            dialog.target.set_text(str(success.job.args[0]))
            dialog.set_form(success.result)
        elif key == _CHECK and self.dialog is not None:
            self.dialog.show_check(success.result)
        elif key == _WRITE:
            self.open_night(success.result)

    @Slot(object)
    def _on_failed_chore(self, failure: Failure) -> None:
        key = failure.job.key
        if key == _CHECK and self.dialog is not None:
            self.dialog.show_failure(failure.text)
        elif key in (_READ, _WRITE) and self.window is not None:
            self.window.messages.show_message("error", failure.text)
        if key in (_READ, _CHECK, _WRITE) and not failure.expected:
            self.bugFound.emit(failure)

    # --- answers ---------------------------------------------------------------------------------

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        if report.job is self._job and self.window is not None:
            self.window.show_progress(report.done, report.total, report.stage)

    @Slot(object)
    def _on_news(self, news: NightPlan | RowNews) -> None:
        if self.window is None:
            return
        if isinstance(news, NightPlan):
            self.window.show_plan(news)
        else:
            self.window.take(news)

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job is not self._job or self.window is None:
            return
        self._job = None
        result = success.result
        if isinstance(result, NightPlan):
            self.window.show_busy("")
            self.window.show_plan(result)
            return
        assert isinstance(result, NightEnd)
        self.window.show_end(result)
        self.said.emit(
            "success" if result.is_whole else "warning", f"Night {result.path.name}: {result.text}"
        )
        self._open_next()

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if failure.job is not self._job or self.window is None:
            return
        self._job = None
        self.window.show_stopped("error", failure.text)
        if failure.job.key == _RUN:
            self.said.emit("error", f"The night was not finished. {failure.text}")
        if not failure.expected:
            self.bugFound.emit(failure)
        self._open_next()

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job is not self._job or self.window is None:
            return
        self._job = None
        text = "The night was cancelled: what is done is kept, Start goes on from there."
        if job.key == _PLAN:
            text = "The night was not planned."
        self.window.show_stopped("info", text)
        self._open_next()

    # --- results ---------------------------------------------------------------------------------

    @Slot(object)
    def _open_result(self, row: NightRow) -> None:
        path = row.outputs[0]
        if row.kind == "attach":  # what is calibrated is the photon file beside the sidecar
            path = path.with_name(path.name.removesuffix(".cal.h5") + ".h5")
        opener = self._openers.get(row.kind)
        if opener is None:
            self._open_by_desktop(path)
        else:
            opener(path)

    @Slot(object)
    def _open_by_desktop(self, path: Path) -> None:
        url = QtCore.QUrl.fromLocalFile(str(path))
        if not QtGui.QDesktopServices.openUrl(url) and self.window is not None:
            self.window.messages.show_message(
                "info", f"No program of this desktop opens {path.name}. It is in {path.parent}."
            )

    def close(self) -> None:
        """Close the window, and the form."""
        if self.dialog is not None:
            self.dialog.reject()
        if self.window is not None:
            self.window.close()
