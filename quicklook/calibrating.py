"""Attaching a wavelength solution to the open file and taking it back. Created by the main window.

The photon file never changes: a solution is attached to its sidecar, and the file is opened anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline_core.progress import Progress
from quicklook.jobs import Failure, JobRunner, Success
from quicklook.opening import OpeningController
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.widgets.message_bar import MessageBar

__all__ = ["CalibrationControl", "attach_wavecal", "detach_wavecal"]

_ATTACH, _DETACH = "attach", "detach"


def attach_wavecal(path: Path, solution: Path, replace: bool, *, progress: Progress) -> Path:
    """Attach a solution to a photon file's sidecar; in the reads lane. Returns the solution's path."""
    from pipeline_core import ObsFile

    progress(0, 1, "attaching")
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(solution, replace=replace)
    return solution


def detach_wavecal(path: Path, *, progress: Progress) -> Path:
    """Take the wavelength solution back; in the reads lane. Returns the path of the photon file."""
    from pipeline_core import ObsFile

    progress(0, 1, "detaching")
    with ObsFile(path, mode="write") as obs:
        obs.undo("wavecal")
    return path


class CalibrationControl(QtCore.QObject):
    """Calibrate > Apply wavelength solution, Undo wavelength calibration.

    Signals
    -------
    bugFound
        A `Failure` that no message explains.
    """

    bugFound = Signal(object)  # noqa: N815

    def __init__(
        self,
        session: Session,
        opening: OpeningController,
        lane: JobRunner,
        messages: MessageBar,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._opening = opening
        self._lane = lane
        self._messages = messages
        self._parent = parent
        self._after_opening = ""
        actions["apply_wavecal"].triggered.connect(self.choose_solution)
        actions["undo_wavecal"].triggered.connect(self.undo)
        lane.succeeded.connect(self._on_success)
        lane.failed.connect(self._on_failure)

    @Slot()
    def choose_solution(self) -> None:
        """Let the person choose a solution, and attach it; Cancel changes nothing."""
        if self._session.file is None:
            return
        folder = str(self._session.file.path.absolute().parent)
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self._parent, "Apply wavelength solution", folder, "Solutions (*.h5);;All files (*)"
        )
        if chosen:
            self.attach(Path(chosen))

    def attach(self, solution: Path, *, replace: bool = False) -> None:
        """Attach a solution to the open file."""
        facts = self._session.file
        if facts is not None:
            self._lane.submit(
                f"apply {solution}", attach_wavecal, facts.path, solution, replace, key=_ATTACH
            )

    @Slot()
    def undo(self) -> None:
        """Take the wavelength solution of the open file back."""
        facts = self._session.file
        if facts is not None:
            self._lane.submit(
                f"undo calibration of {facts.path}", detach_wavecal, facts.path, key=_DETACH
            )

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        job = success.job
        if job.key not in (_ATTACH, _DETACH):
            return
        path = job.args[0]
        if job.key == _ATTACH:
            self._after_opening = (
                f"Applied {success.result.name} to {path.name}: photons have wavelengths now. "
                "The photon file itself has not changed."
            )
        else:
            self._after_opening = f"{path.name} has phases in degrees again, as recorded."
        self._opening.open_paths([path])

    @Slot()
    def say_what_was_done(self) -> None:
        """Say it once the file is on the screen again."""
        if self._after_opening:
            attached = self._session.file is not None and self._session.file.wavelength_calibrated
            buttons = (("Undo", self.undo),) if attached else ()
            self._messages.show_message("success", self._after_opening, *buttons)
            self._after_opening = ""

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        job = failure.job
        if job.key not in (_ATTACH, _DETACH):
            return
        facts = self._session.file
        occupied = facts is not None and facts.wavelength_calibrated and job.key == _ATTACH
        if failure.expected and occupied and not job.args[2]:
            solution = job.args[1]
            self._messages.show_message(
                "warning",
                str(failure.error),
                ("Replace it", lambda: self.attach(solution, replace=True)),
            )
        elif failure.expected:
            self._messages.show_message("error", str(failure.error))
        else:
            self._messages.show_message("error", f"Unexpected error: {failure.error!r}")
            self.bugFound.emit(failure)
