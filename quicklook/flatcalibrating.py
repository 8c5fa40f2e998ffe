"""Flat fields as the window sees them: dialog, check, job, and the look at the result. Created by the main window."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_core.progress import Progress
from quicklook import flatcal_tasks
from quicklook.attaching import AttachControl
from quicklook.child_process import remove_parts, run_in_child
from quicklook.dialogs.flatcal_dialog import FlatcalDialog
from quicklook.flatcal_tasks import FlatForm, OpenFlat
from quicklook.jobs import Failure, Job, JobProgress, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.run_queue import RunQueue
from quicklook.session import Session
from quicklook.settings import Settings
from quicklook.views.flat_window import FlatWindow
from quicklook.widgets.bring_to_front import bring_to_front

__all__ = ["FlatController", "make_flat_in_child", "write_book_in_child"]

_RUN, _BOOK = "flatcal", "flat book"
_CHECK, _READ, _WRITE = "flat check", "flat configuration", "flat configuration written"
_OPEN, _MAP, _PAGE = "flat open", "flat map", "flat page"
_SOLUTIONS = "Flat fields (*.h5);;All files (*)"
_NAMELESS = "flat field"


def make_flat_in_child(form: FlatForm, base: Path, *, progress: Progress) -> Path:
    """Make a flat field in a child process; returns the path of the solution. Runs in the jobs lane.

    If the child is ended while it writes, what is new goes with it: some files of a run are none.
    """
    before = set(_files_of(base))

    def clean_up(process_id: int) -> None:
        remove_parts(base.parent, process_id)
        for path in _files_of(base):
            if path not in before:
                path.unlink(missing_ok=True)

    found: Path = run_in_child(flatcal_tasks.make_flat, form, progress=progress, clean_up=clean_up)
    return found


def _files_of(base: Path) -> list[Path]:
    """Return the solutions and pages that a base name means: ``<base>.h5``, ``<base>1.h5``, ``<base>__mask.pdf``."""
    pattern = re.compile(rf"{re.escape(base.name.removesuffix('.h5'))}\d*(\.h5|(__\w+)?\.pdf)")
    return [path for path in base.parent.glob("*") if pattern.fullmatch(path.name)]


def write_book_in_child(solution: Path, path: Path, *, progress: Progress) -> Path:
    """Write the book of a solution file in a child process. Runs in the jobs lane."""
    found: Path = run_in_child(
        flatcal_tasks.write_book,
        solution,
        path,
        progress=progress,
        clean_up=partial(remove_parts, path.parent),
    )
    return found


class FlatController(QtCore.QObject):
    """Calibrate > Flat field, Look at a flat field, Apply flat field.

    Signals
    -------
    submitted
        The Job of a new flat field, or of a book.
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
        attaching: AttachControl,
        jobs: JobRunner,
        reads: JobRunner,
        settings: Settings,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._attaching = attaching
        self._jobs = jobs
        self._reads = reads
        self._settings = settings
        self._parent = parent
        self._runs = RunQueue()
        self._opening: Job | None = None
        self.dialog: FlatcalDialog | None = None
        self.window: FlatWindow | None = None
        actions["flatcal"].triggered.connect(self.open_dialog)
        actions["look_flatcal"].triggered.connect(self.choose_to_look)
        actions["apply_flatcal"].triggered.connect(self.choose_to_apply)
        session.fileChanged.connect(self._on_file)
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
            dialog = self.dialog = FlatcalDialog(self._settings, self._parent)
            dialog.checkRequested.connect(partial(self._read, _CHECK, flatcal_tasks.check_flat))
            dialog.configOpened.connect(partial(self._read, _READ, flatcal_tasks.read_config))
            dialog.configSaved.connect(self._write_config)
            dialog.finished.connect(self._on_dialog_finished)
            self._propose(dialog)
        bring_to_front(self.dialog)

    def _propose(self, dialog: FlatcalDialog) -> None:
        """Take the open file for the flat: a person may type another."""
        facts = self._session.file
        if facts is not None and facts.kind == "photons":
            path = facts.path.absolute()
            dialog.set_text("flatPath", str(path))
            dialog.set_text("calSolnPath", str(path.with_name(f"flat_{facts.start_unix}.h5")))
            dialog.set_text("expTime", f"{max(int(facts.exposure_s), 1)}")

    def _read(self, key: str, function: Any, *args: Any) -> Job:
        """Have something done in the reads lane; only the newest answer counts."""
        return self._reads.submit(key, function, *args, key=key, newest=True)

    @Slot(object)
    def _write_config(self, path: Path) -> None:
        if self.dialog is not None:
            self._read(_WRITE, flatcal_tasks.write_config, self.dialog.form(), path)

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
    def start(self, form: FlatForm) -> Job:
        """Queue a flat field, and show the window in which it will be looked at: at once, or when its turn comes."""
        name = _out_of(form).name or _NAMELESS
        base = Path(form.folder or ".") / _out_of(form)
        job = self._jobs.submit(f"Making {name}", make_flat_in_child, form, base, key=_RUN)
        before = self._runs.at_work
        self._runs.add(job)
        self.submitted.emit(job)
        if before is None:
            self._opening = None
            window = self._made_window()
            window.show_running(name)
            bring_to_front(window)
        else:
            self.said.emit("info", f"{name} is made when {_name_of(before)} is done.")
        return job

    @Slot()
    def cancel(self) -> None:
        """Stop what is being made."""
        if self._runs.at_work is not None:
            self._jobs.cancel(self._runs.at_work)

    @property
    def _run_window(self) -> FlatWindow | None:
        """The window, as long as it shows a run and not a solution."""
        return self.window if self.window is not None and self.window.opened is None else None

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        if report.job in self._runs and self._run_window is not None:
            self._run_window.show_progress(report.done, report.total, report.stage)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job in self._runs:
            text = f"The flat field was cancelled; {_name_of(job)} was not written."
            self._end_without_solution(job, "info", text)
        elif job.key == _BOOK:
            self.said.emit("info", f"{job.args[1].name} was not written.")

    def _end_without_solution(self, job: Job, kind: str, text: str) -> None:
        at_work = job is self._runs.at_work
        following = self._runs.end(job)
        self.said.emit(kind, text)
        if at_work and following is not None:
            self._show_next(following)
        elif at_work and self._run_window is not None:
            self._run_window.show_stopped(kind, text)

    def _show_next(self, job: Job) -> None:
        """Show the next run where the one before was seen; not if something else is looked at."""
        if self._run_window is not None:
            self._run_window.show_running(_name_of(job))

    # --- looking ---------------------------------------------------------------------------------

    def _chosen(self, title: str) -> Path | None:
        facts = self._session.file
        folder = str(facts.path.absolute().parent) if facts is not None else ""
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(self._parent, title, folder, _SOLUTIONS)
        return Path(chosen) if chosen else None

    @Slot()
    def choose_to_look(self) -> None:
        """Let the person choose a flat field to look at."""
        path = self._chosen("Look at a flat field")
        if path is not None:
            self.look_at(path)

    @Slot()
    def choose_to_apply(self) -> None:
        """Let the person choose a flat field for the open file."""
        path = self._chosen("Apply flat field")
        if path is not None:
            self._attaching.attach(path)

    @Slot(object)
    def look_at(self, path: Path) -> None:
        """Read a flat field and show it."""
        self._opening = self._read(_OPEN, flatcal_tasks.open_flat, path)

    def _made_window(self) -> FlatWindow:
        """Return the window, made when first wanted."""
        if self.window is None:
            window = self.window = FlatWindow()
            window.cancelRequested.connect(self.cancel)
            window.binWanted.connect(partial(self._of_solution, _MAP, flatcal_tasks.flat_map_of))
            window.pageWanted.connect(partial(self._of_solution, _PAGE, flatcal_tasks.flat_page_of))
            window.pagesWanted.connect(self._write_book)
            window.applyWanted.connect(self._apply)
            self._on_file()
        return self.window

    def _of_solution(self, key: str, function: Any, *args: Any) -> None:
        if self.window is not None and self.window.opened is not None:
            self._read(key, function, self.window.opened, *args)

    @Slot()
    def _write_book(self) -> None:
        opened = None if self.window is None else self.window.opened
        if opened is None:
            return
        proposed = opened.path.with_suffix(".pdf")
        chosen, _ = QtWidgets.QFileDialog.getSaveFileName(
            self.window, "Book of all pixels", str(proposed), "PDF (*.pdf)"
        )
        if chosen:
            path = Path(chosen)
            title = f"Writing {path.name}"
            self.submitted.emit(
                self._jobs.submit(title, write_book_in_child, opened.path, path, key=_BOOK)
            )

    @Slot()
    def _apply(self) -> None:
        if self.window is not None and self.window.opened is not None:
            self._attaching.attach(self.window.opened.path)
            bring_to_front(self._parent.window())  # which answers

    @Slot()
    def _on_file(self) -> None:
        if self.window is not None:
            facts = self._session.file
            why_not = ""
            if facts is None or facts.kind != "photons":
                why_not = "Open a photon file"
            elif not facts.is_attached:
                why_not = "Apply a wavelength solution first: weights depend on wavelength"
            self.window.set_open_file("" if facts is None else facts.path.name, why_not)

    # --- answers ---------------------------------------------------------------------------------

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        job, result = success.job, success.result
        if job in self._runs:
            following = self._runs.end(job)
            self.said.emit("success", f"Flat field: {result.name} was written.")
            if following is None:
                self.look_at(result)
            else:
                self._show_next(following)
        elif job.key == _BOOK:
            self.said.emit("success", f"The book is in {result}.")
        elif job.key == _OPEN:
            if job is self._opening:  # not if the next run was started meanwhile
                self._show(result)
        elif self.dialog is not None and job.key in (_CHECK, _READ, _WRITE):
            if job.key == _CHECK:
                self.dialog.show_check(result)
            elif job.key == _READ:
                self.dialog.set_form(result)
            else:
                self.dialog.show_failure(f"The configuration is in {result}.")
        elif self.window is not None and job.args[:1] == (self.window.opened,):
            (self.window.show_map if job.key == _MAP else self.window.show_page)(result)

    def _show(self, opened: OpenFlat) -> None:
        window = self._made_window()
        window.show_solution(opened)
        if not window.isVisible():
            bring_to_front(window)

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        job = failure.job
        text = failure.text
        if job in self._runs:
            self._end_without_solution(job, "error", f"{_name_of(job)} was not written. {text}")
        elif job.key in (_CHECK, _READ, _WRITE):
            if self.dialog is not None:
                self.dialog.show_failure(text)
        elif job.key in (_OPEN, _BOOK):
            self.said.emit("error", text)
        elif job.key in (_MAP, _PAGE):
            if self.window is not None:
                self.window.messages.show_message("error", text)
        else:
            return
        if not failure.expected:
            self.bugFound.emit(failure)

    def close(self) -> None:
        """Close dialog and window."""
        for widget in (self.dialog, self.window):
            if widget is not None:
                widget.close()


def _out_of(form: FlatForm) -> Path:
    """Return where a form wants the solution."""
    return Path(str(dict(form.values).get(("Data", "calSolnPath"), ""))).expanduser()


def _name_of(job: Job) -> str:
    """Return the name of the solution that a run writes."""
    return _out_of(job.args[0]).name or _NAMELESS
