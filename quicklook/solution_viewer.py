"""Looking at a wavelength solution: its window, what is computed for it, refits by hand, saving.

Created by the main window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from quicklook import wavecal_tasks
from quicklook.calibrating import CalibrationControl
from quicklook.jobs import Failure, Job, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.views.wavecal_window import WavecalWindow
from quicklook.wavecal_tasks import OpenSolution
from quicklook.widgets.bring_to_front import bring_to_front

__all__ = ["SolutionViewer"]

_OPEN, _MAP, _PAGE, _REFIT, _SAVE, _PAGES = (
    f"solution {name}" for name in ("open", "map", "page", "refit", "save", "pages")
)
_SOLUTIONS = "Solutions (*.h5);;All files (*)"


@dataclass(frozen=True, eq=False)
class _Edited:
    """A solution that was changed by hand, and what it was before each change."""

    solution: OpenSolution
    before: list[OpenSolution]


class SolutionViewer(QtCore.QObject):
    """Owns the window of a calibration or solution, and answers what it asks for.

    Parameters
    ----------
    reads, chores : JobRunner
        Lanes: for everything that opens HDF5 files, and what takes milliseconds; for refits and pages.

    Signals
    -------
    said
        (kind, text) for the main window's message bar.
    cancelRequested
        The calibration whose map is filling is to stop.
    bugFound
        A `Failure` that no message explains.
    """

    said = Signal(str, str)
    cancelRequested = Signal()  # noqa: N815
    bugFound = Signal(object)  # noqa: N815

    def __init__(
        self,
        session: Session,
        calibrating: CalibrationControl,
        reads: JobRunner,
        chores: JobRunner,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._calibrating = calibrating
        self._reads = reads
        self._chores = chores
        self._parent = parent
        self._before_refits: list[OpenSolution] = []
        self._kept: list[_Edited] = []
        self._opening: Job | None = None
        self.window: WavecalWindow | None = None
        actions["look_wavecal"].triggered.connect(self.choose_solution)
        calibrating.lookRequested.connect(self.look_at)
        session.fileChanged.connect(self._on_file)
        for lane in (reads, chores):
            lane.succeeded.connect(self._on_success)
            lane.failed.connect(self._on_failure)

    # --- a run -----------------------------------------------------------------------------------

    def show_running(self, name: str) -> WavecalWindow:
        """Show the window in which the map of a new calibration is going to fill."""
        self._opening = None
        window = self._made_window()
        self._keep_edits()
        window.show_running(name)
        bring_to_front(window)
        return window

    def show_next(self, name: str) -> None:
        """Let the map of the next calibration fill where the one before did, unless something else is looked at."""
        if self.run_window is not None:
            self.run_window.show_running(name)

    @property
    def run_window(self) -> WavecalWindow | None:
        """The window, as long as it shows a run and not a solution."""
        return self.window if self.window is not None and self.window.opened is None else None

    def show_stopped(self, kind: str, text: str) -> None:
        """Say that it ended without a solution."""
        self.said.emit(kind, text)
        if self.run_window is not None:
            self.run_window.show_stopped(kind, text)
            self._tell_of_edits()  # the reason stands below

    # --- opening ---------------------------------------------------------------------------------

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
        self._opening = self._reads.submit(
            f"look at {path}", wavecal_tasks.open_solution, path, key=_OPEN, newest=True
        )

    def _made_window(self) -> WavecalWindow:
        """Return the window, made when first wanted."""
        if self.window is None:
            window = self.window = WavecalWindow()
            window.cancelRequested.connect(self.cancelRequested)
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
        window = self._made_window()
        window.show_solution(opened, can_take_back=bool(self._before_refits))
        if not window.isVisible():
            bring_to_front(window)

    def _of_solution(self, key: str, function: Any, *args: Any) -> None:
        """Have something of the solution on the screen computed; only the newest answer counts."""
        if self.window is not None and self.window.opened is not None:
            self._reads.submit(key, function, self.window.opened, *args, key=key, newest=True)

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
            self._reads.submit(
                "save solution", wavecal_tasks.save_solution, opened, Path(chosen), True, key=_SAVE
            )

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
        bring_to_front(self._parent.window())  # which answers

    @Slot()
    def _on_file(self) -> None:
        if self.window is not None:
            facts = self._session.file
            why_not = "" if facts is not None and facts.kind == "photons" else "Open a photon file"
            self.window.set_open_file("" if facts is None else facts.path.name, why_not)

    # --- what was changed by hand and not saved --------------------------------------------------

    @property
    def unsaved(self) -> list[str]:
        """Names of solutions whose changes by hand are in no file."""
        opened = None if self.window is None else self.window.opened
        seen = [opened] if opened is not None and opened.changed else []
        return [one.path.name for one in (*(kept.solution for kept in self._kept), *seen)]

    def _keep_edits(self) -> None:
        """Put a changed solution aside: something else takes its place on the screen."""
        opened = None if self.window is None else self.window.opened
        if opened is not None and opened.changed:
            self._kept.append(_Edited(opened, self._before_refits))
        self._before_refits = []

    def _tell_of_edits(self) -> None:
        if self._kept and self.window is not None:
            names = [kept.solution.path.name for kept in self._kept]
            verb = "was" if len(names) == 1 else "were"
            text = f"{', '.join(names)} {verb} changed by hand and not saved; kept until the program ends."
            buttons = [
                (f"Back to {name}", partial(self._show_kept, kept))
                for name, kept in zip(names, self._kept, strict=True)
            ]
            self.window.messages.show_message("warning", text, *buttons)

    def _take_saved(self, opened: OpenSolution, saved: OpenSolution) -> None:
        """Say that a solution that was put aside meanwhile is in a file now; it need not be kept."""
        self._kept = [kept for kept in self._kept if kept.solution is not opened]
        self.said.emit("success", f"Written: {saved.path}.")

    def _show_kept(self, kept: _Edited) -> None:
        if self.window is not None:
            self._opening = None
            self._keep_edits()
            self._kept.remove(kept)
            self._before_refits = kept.before
            self.window.messages.hide()
            self._show(kept.solution)
            self._tell_of_edits()

    # --- answers ---------------------------------------------------------------------------------

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        job, result = success.job, success.result
        if job.key == _OPEN:
            if job is self._opening:  # not if a calibration was started meanwhile
                self._keep_edits()
                self._show(result)
                self._tell_of_edits()
        elif self.window is not None and job.key in (_MAP, _PAGE, _REFIT, _SAVE, _PAGES):
            self._tell_window(self.window, job, result)

    def _tell_window(self, window: WavecalWindow, job: Job, result: Any) -> None:
        if job.key == _PAGES:
            window.messages.show_message(
                "success", f"{len(result)} pages are in {result[0].parent}."
            )
            return
        if window.opened is None or job.args[0] is not window.opened:
            if job.key == _SAVE:
                self._take_saved(job.args[0], result)
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
        key = failure.job.key
        text = failure.text
        if key == _OPEN:
            self.said.emit("error", text)
        elif key in (_MAP, _PAGE, _REFIT, _SAVE, _PAGES):
            if self.window is not None:
                self.window.messages.show_message("error", text)
                self.window.refit.setEnabled(True)
        else:
            return
        if not failure.expected:
            self.bugFound.emit(failure)

    def close(self) -> None:
        """Close the window."""
        if self.window is not None:
            self.window.close()
