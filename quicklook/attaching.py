"""Attaching solutions to the open file and taking them back. Created by the main window.

The photon file never changes: solutions are attached to its sidecar, and the file is opened anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline_core.errors import SlotOccupiedError, WavecalMismatchError
from pipeline_core.progress import Progress
from quicklook.jobs import Failure, JobRunner, Success
from quicklook.opening import OpeningController, Said
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.widgets.message_bar import MessageBar

__all__ = ["AttachControl", "Attached", "attach", "detach"]

_ATTACH, _DETACH = "attach", "detach"
_WAVECAL, _FLATCAL = "wavecal", "flatcal"


class Attached(NamedTuple):
    """What was attached: 'wavecal' or 'flatcal', and its file."""

    kind: str
    solution: Path


def attach(
    path: Path, solution: Path, replace: bool, force: bool, *, progress: Progress
) -> Attached:
    """Attach a solution of either kind to a photon file's sidecar; in the reads lane."""
    from pipeline_core import ObsFile
    from pipeline_core.flatcal.apply import means_flat

    progress(0, 1, "attaching")
    flat = means_flat(solution)
    with ObsFile(path, mode="write") as obs:
        if flat:
            obs.apply_flatcal(solution, replace=replace, force=force)
        else:
            obs.apply_wavecal(solution, replace=replace)
    return Attached(_FLATCAL if flat else _WAVECAL, solution)


def detach(path: Path, kind: str, cascade: bool, *, progress: Progress) -> str:
    """Take a calibration back; in the reads lane. Returns its kind."""
    from pipeline_core import ObsFile

    progress(0, 1, "detaching")
    with ObsFile(path, mode="write") as obs:
        obs.undo(kind, cascade=cascade)
    return kind


class AttachControl(QtCore.QObject):
    """Calibrate > Undo, and what dialogs and windows of solutions want to have attached.

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
        parent: QtCore.QObject,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._opening = opening
        self._lane = lane
        self._messages = messages
        actions["undo_wavecal"].triggered.connect(self.undo_wavecal)
        actions["undo_flatcal"].triggered.connect(self.undo_flatcal)
        lane.succeeded.connect(self._on_success)
        lane.failed.connect(self._on_failure)

    @Slot(object)
    def attach(
        self,
        solution: Path,
        *,
        replace: bool = False,
        force: bool = False,
        path: Path | None = None,
    ) -> None:
        """Attach a solution to a file; None: to the open one."""
        facts = self._session.file
        if path is None and facts is not None:
            path = facts.path
        if path is not None:
            where = (path, solution, replace, force)
            self._lane.submit(f"apply {solution}", attach, *where, key=_ATTACH)

    @Slot()
    def undo_wavecal(self) -> None:
        """Take the wavelength solution of the open file back; a flat field that depends on it only if wanted."""
        facts = self._session.file
        if facts is not None and facts.flat_calibrated:
            self._messages.show_message(
                "warning",
                "The flat field depends on the wavelength calibration and would be taken back with it.",
                ("Undo both", partial(self._undo, facts.path, _WAVECAL, True)),
            )
        elif facts is not None:
            self._undo(facts.path, _WAVECAL)

    @Slot()
    def undo_flatcal(self) -> None:
        """Take the flat field of the open file back."""
        facts = self._session.file
        if facts is not None:
            self._undo(facts.path, _FLATCAL)

    def _undo(self, path: Path, kind: str, cascade: bool = False) -> None:
        title = f"undo calibration of {path}"
        self._lane.submit(title, detach, path, kind, cascade, key=_DETACH)

    def _undo_applied(self, path: Path, kind: str) -> None:
        """Undo what a message told of: not of the file that is open now, should it be another one."""
        facts = self._session.file
        if kind == _WAVECAL and facts is not None and facts.path == path:
            self.undo_wavecal()
        else:
            self._undo(path, kind)

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        job = success.job
        if job.key not in (_ATTACH, _DETACH):
            return
        path = job.args[0]
        buttons: tuple[tuple[str, Callable[[], object]], ...] = ()
        if job.key == _ATTACH:
            kind, solution = success.result
            what = "wavelengths" if kind == _WAVECAL else "weights"
            text = (
                f"Applied {solution.name} to {path.name}: photons have {what} now. The photon file itself has not "
                "changed."
            )
            buttons = (("Undo", partial(self._undo_applied, path, kind)),)
        elif success.result == _WAVECAL:
            text = f"{path.name} has phases in degrees again, as recorded."
        else:
            text = f"{path.name} has no weights any more: counts as recorded."
        self._opening.open_anew(Said(path, "success", text, buttons))

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        job, error = failure.job, failure.error
        if job.key not in (_ATTACH, _DETACH):
            return
        buttons = []
        path, text = job.args[0], failure.text
        if isinstance(error, SlotOccupiedError):
            _, solution, _, force = job.args
            again = partial(self.attach, solution, replace=True, force=force, path=path)
            buttons = [("Replace it", again)]
        elif isinstance(error, WavecalMismatchError):
            _, solution, replace, _ = job.args
            again = partial(self.attach, solution, replace=replace, force=True, path=path)
            buttons = [("Apply all the same", again)]
        if path.name not in text:
            text = f"{path.name}: {text}"
        self._messages.show_message("warning" if buttons else "error", text, *buttons)
        if not failure.expected:
            self.bugFound.emit(failure)
