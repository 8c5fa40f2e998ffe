"""Masks of bad pixels as the window sees them: found, edited, attached; single pixels marked by hand; undone.

Created by the main window. The photon file never changes: marks are attached to its sidecar, and it is opened anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_core.progress import Progress
from quicklook import mask_tasks
from quicklook.child_process import run_in_child
from quicklook.jobs import Failure, Job, JobProgress, JobRunner, Success
from quicklook.mask_tasks import FoundMask, MaskForm
from quicklook.opening import OpeningController, Said
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.views.mask_window import MaskWindow
from quicklook.widgets.bring_to_front import bring_to_front
from quicklook.widgets.message_bar import MessageBar

__all__ = ["MaskController", "find_cosmic_in_child", "find_in_child"]

_FIND, _COSMIC = "find bad pixels", "find cosmic rays"
_MAP, _CHANGE, _SAVE = "mask map", "mask changed", "mask saved"
_ATTACH, _HAND, _UNDO = "mask attached", "mask by hand", "mask undone"
_BY_HAND = "marked in the window"


def find_in_child(form: MaskForm, *, progress: Progress) -> FoundMask:
    """Look for bad pixels in a child process. Runs in the jobs lane."""
    found: FoundMask = run_in_child(mask_tasks.find, form, progress=progress)
    return found


def find_cosmic_in_child(path: Path, *, progress: Progress) -> object:
    """Look for cosmic rays in a child process. Runs in the jobs lane."""
    found: object = run_in_child(mask_tasks.find_cosmic_rays, path, progress=progress)
    return found


class MaskController(QtCore.QObject):
    """The menu Mask, and the window of bad pixels.

    Signals
    -------
    submitted
        The Job of a search.
    bugFound
        A `Failure` that no message explains.
    """

    submitted = Signal(object)
    bugFound = Signal(object)  # noqa: N815

    def __init__(
        self,
        session: Session,
        opening: OpeningController,
        jobs: JobRunner,
        reads: JobRunner,
        messages: MessageBar,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtCore.QObject,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._opening = opening
        self._jobs = jobs
        self._reads = reads
        self._messages = messages
        self._job: Job | None = None
        self._changing: Job | None = None
        self._waiting: deque[Callable[[], None]] = deque()
        self._before: list[FoundMask] = []
        self.window: MaskWindow | None = None
        actions["find_bad"].triggered.connect(self.open_window)
        actions["mask_hot"].triggered.connect(partial(self._by_hand, "hot"))
        actions["mask_cold"].triggered.connect(partial(self._by_hand, "cold"))
        actions["unmask"].triggered.connect(partial(self._by_hand, ""))
        actions["undo_mask"].triggered.connect(partial(self.undo, "badpixels"))
        actions["mask_time"].triggered.connect(self.mask_time)
        actions["find_cosmic"].triggered.connect(self.find_cosmic)
        actions["undo_time_mask"].triggered.connect(partial(self.undo, "timemask"))
        jobs.progressed.connect(self._on_progress)
        jobs.cancelled.connect(self._on_cancelled)
        reads.finished.connect(self._on_read)
        for lane in (jobs, reads):
            lane.succeeded.connect(self._on_success)
            lane.failed.connect(self._on_failure)

    # --- the window ------------------------------------------------------------------------------

    @Slot()
    def open_window(self) -> None:
        """Show the window for the open file."""
        facts = self._session.file
        if facts is None:
            return
        if self.window is None:
            window = self.window = MaskWindow()
            window.findWanted.connect(self.find)
            window.cancelRequested.connect(self.cancel)
            window.mapWanted.connect(self._ask_for_map)
            window.cutWanted.connect(partial(self._change, mask_tasks.cut))
            window.toggleWanted.connect(partial(self._change, mask_tasks.toggle))
            window.undoWanted.connect(self._take_back)
            window.saveWanted.connect(self._save)
            window.applyWanted.connect(self._attach)
        found = self.window.found
        if self._job is None and (found is None or found.path != facts.path):
            self._put_aside(found)
            self.window.show_file(str(facts.path), facts.path.name, facts.shape)
        bring_to_front(self.window)

    def _put_aside(self, found: FoundMask | None) -> None:
        """Offer to show a mask again that was not attached before the window turns to another file."""
        before, self._before = self._before, []
        if self.window is None:
            return
        self.window.messages.hide()
        if found is not None and self.window.apply.isEnabled():
            text = f"The mask of {found.path.name} was not attached."
            again = ("Show it again", partial(self._show_again, found, before))
            self.window.messages.show_message("info", text, again)

    def _show_again(self, found: FoundMask, before: list[FoundMask]) -> None:
        if self._job is None:
            self._before = before
            self._show(found, changed=False)

    @Slot(object)
    def find(self, form: MaskForm) -> None:
        """Look for bad pixels in the background."""
        if self.window is None:
            return
        name = Path(form.path).name
        facts = self._session.file
        if facts is not None and facts.path == Path(form.path):
            form = replace(form, file_id=facts.expected_id)
        self._job = self._jobs.submit(f"Bad pixels of {name}", find_in_child, form, key=_FIND)
        self._before = []
        self.submitted.emit(self._job)
        self.window.show_running(name)

    @Slot()
    def cancel(self) -> None:
        """Stop the search."""
        if self._job is not None:
            self._jobs.cancel(self._job)

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        if report.job is self._job and self.window is not None:
            self.window.show_progress(report.done, report.total, report.stage)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job is self._job and self.window is not None:
            self._job = None
            self.window.show_stopped("info", "The search was cancelled.")
        elif job.key == _COSMIC:
            text = f"The search for cosmic rays in {job.args[0].name} was cancelled."
            self._messages.show_message("info", text)

    @property
    def _found(self) -> FoundMask | None:
        return None if self.window is None else self.window.found

    @Slot(str)
    def _ask_for_map(self, name: str) -> None:
        if self._found is not None:
            where = (mask_tasks.map_of_mask, self._found, name)
            self._reads.submit(_MAP, *where, key=_MAP, newest=True)

    def _once_changed(self, do: Callable[[], None]) -> None:
        """Do something with the mask when all changes that were asked for before are in it."""
        if self._changing is None:
            do()
        else:
            self._waiting.append(do)

    @Slot(object)
    def _on_read(self, job: Job) -> None:
        """Do what has waited for a change that is over, however it ended."""
        if job is not self._changing:
            return
        self._changing = None
        while self._waiting and self._changing is None:
            self._waiting.popleft()()

    def _change(self, function: Any, *args: Any) -> None:
        """Change the mask on the screen, which is not attached."""
        self._once_changed(partial(self._start_change, function, *args))

    def _start_change(self, function: Any, *args: Any) -> None:
        if self._found is not None:
            self._changing = self._reads.submit(_CHANGE, function, self._found, *args, key=_CHANGE)

    @Slot()
    def _take_back(self) -> None:
        self._once_changed(self._show_before)

    def _show_before(self) -> None:
        if self._before and self._found is not None:
            self._show(self._before.pop(), changed=True)

    @Slot()
    def _save(self) -> None:
        found = self._found
        if found is None:
            return
        proposed = found.path.with_name(f"badpixels_{found.path.stem}.h5")
        chosen, _ = QtWidgets.QFileDialog.getSaveFileName(
            self.window, "Save the mask as", str(proposed), "Masks (*.h5)"
        )
        if chosen:
            self._once_changed(partial(self._write, Path(chosen)))

    def _write(self, path: Path) -> None:
        if self._found is not None:
            self._reads.submit(_SAVE, mask_tasks.save_mask, self._found, path, True, key=_SAVE)

    @Slot()
    def _attach(self) -> None:
        self._once_changed(self._start_attaching)

    def _start_attaching(self) -> None:
        if self._found is not None:
            self._reads.submit(_ATTACH, mask_tasks.attach_mask, self._found, key=_ATTACH)

    def _show(self, found: FoundMask, *, changed: bool) -> None:
        if self.window is not None:
            self.window.show_found(found, changed=changed, can_undo=bool(self._before))

    # --- the open file ---------------------------------------------------------------------------

    def _by_hand(self, kind: str, _checked: bool = False) -> None:
        facts, pixel = self._session.file, self._session.pixel
        if facts is not None and pixel is not None:
            where = (facts.path, pixel, kind, _BY_HAND)
            self._reads.submit(_HAND, mask_tasks.change_by_hand, *where, key=_HAND)

    @Slot()
    def mask_time(self) -> None:
        """Let the time range of image and plots not count."""
        facts = self._session.file
        if facts is None:
            return
        start, stop = self._session.time_range
        if stop - start >= facts.exposure_s:
            text = "Set start and stop of the time first: the whole file cannot be left out."
            self._messages.show_message("info", text)
            return
        where = (facts.path, start, stop, _BY_HAND)
        self._reads.submit(_HAND, mask_tasks.mask_time, *where, key=_HAND)

    @Slot()
    def find_cosmic(self) -> None:
        """Look for cosmic rays in the background; what is found is attached."""
        facts = self._session.file
        if facts is not None:
            title = f"Cosmic rays in {facts.path.name}"
            self.submitted.emit(
                self._jobs.submit(title, find_cosmic_in_child, facts.path, key=_COSMIC)
            )

    def undo(self, kind: str, _checked: bool = False) -> None:
        """Take the newest change of the open file's marks, or of its masked times, back."""
        facts = self._session.file
        if facts is not None:
            self._undo(facts.path, kind)

    def _undo(self, path: Path, kind: str) -> None:
        self._reads.submit(_UNDO, mask_tasks.undo_mask, path, kind, key=_UNDO)

    # --- answers ---------------------------------------------------------------------------------

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        job, result = success.job, success.result
        if job is self._job:
            self._job = None
            self._show(result, changed=False)
        elif job.key == _COSMIC:
            where = (job.args[0], result)
            self._reads.submit(_HAND, mask_tasks.attach_times, *where, key=_HAND)
        elif job.key in (_ATTACH, _HAND, _UNDO):
            kind = "" if job.key == _UNDO else "badpixels"
            if job.function in (mask_tasks.mask_time, mask_tasks.attach_times):
                kind = "timemask"
            path = job.args[0].path if job.key == _ATTACH else job.args[0]
            if job.key == _ATTACH and self.window is not None:
                self.window.show_attached()
            undo = (("Undo", partial(self._undo, path, kind)),) if kind else ()
            self._opening.open_anew(Said(path, "success", result, undo), keep_trial=True)
        elif self.window is None or job.key not in (_MAP, _CHANGE, _SAVE):
            return
        elif job.key == _SAVE:
            self.window.messages.show_message("success", f"The mask is in {result}.")
        elif self.window.found is not None and job.args[0] is self.window.found:
            if job.key == _MAP:
                self.window.show_map(result)
            else:
                self._before.append(self.window.found)
                self._show(result, changed=True)

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        job = failure.job
        text = failure.text
        if job is self._job:
            self._job = None
            if self.window is not None:
                self.window.show_stopped("error", text)
        elif job.key in (_HAND, _UNDO, _COSMIC):
            self._messages.show_message("error", text)
        elif job.key in (_MAP, _CHANGE, _SAVE, _ATTACH):
            if self.window is not None:
                self.window.messages.show_message("error", text)
        else:
            return
        if not failure.expected:
            self.bugFound.emit(failure)

    def close(self) -> None:
        """Close the window."""
        if self.window is not None:
            self.window.close()
