"""Opening files: dialog, recent files, dropped files, command line; beam maps for raw files.

Created by the main window. The present file stays until the new one has been read.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.errors import BeammapNeededError
from quicklook.jobs import Failure, Job, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.settings import Settings
from quicklook.tasks import OpenFiles

__all__ = ["OpeningController", "Said"]

logger = logging.getLogger(__name__)

_SLOW_MS = 400
_FILTERS = (
    "Observations (*.h5 *.bin *.img *.fits *.fits.gz);;Photon files (*.h5);;Raw seconds (*.bin);;"
    "Frames (*.img);;Datastreams (*.fits *.fits.gz);;All files (*)"
)


@dataclass(frozen=True, eq=False)
class Said:
    """What was done with a file: said once it is on the screen, whatever else is opened meanwhile.

    `buttons` are pairs of a text and what to call.
    """

    path: Path
    kind: str
    text: str
    buttons: tuple[tuple[str, Callable[[], object]], ...] = ()


class OpeningController(QtCore.QObject):
    """Hands files to the reads lane and tells what became of them.

    Signals
    -------
    started
        Something is being opened.
    slow
        The path of what takes long to open: offer to `cancel`.
    cancelled
        The path of what was not opened, as wished.
    opened
        `FileFacts` of what was opened; `session.set_file` is the receiver's business.
    failed
        (`Failure`, path); None for a failure that was told otherwise.
    beammapNeeded
        (message, paths): raw files that need a beam map; answer with `open_paths(paths, beammap)`.
    folderChosen
        A folder was given instead of a file.
    said
        A `Said` of a file that is not looked at.
    """

    started = Signal()
    slow = Signal(object)
    cancelled = Signal(object)
    opened = Signal(object)
    failed = Signal(object, object)
    beammapNeeded = Signal(str, object)  # noqa: N815
    folderChosen = Signal(object)  # noqa: N815
    said = Signal(object)

    def __init__(
        self, lane: JobRunner, files: OpenFiles, settings: Settings, parent: QtWidgets.QWidget
    ) -> None:
        super().__init__(parent)
        self._lane = lane
        self._files = files
        self._settings = settings
        self._parent = parent
        self._job: Job | None = None
        self._paths: tuple[Path, ...] = ()
        self._trial: Path | None = None
        self._afterwards: Said | None = None
        self._patience = QtCore.QTimer(self, singleShot=True, interval=_SLOW_MS)
        self._patience.timeout.connect(self._on_slow)
        lane.succeeded.connect(self._on_success)
        lane.failed.connect(self._on_failure)
        lane.cancelled.connect(self._on_cancelled)

    @property
    def is_busy(self) -> bool:
        """Whether a file is being opened."""
        return self._job is not None

    @Slot()
    def choose(self) -> None:
        """Let the person choose files; Cancel changes nothing."""
        folder = os.environ.get("MKID_DATA_DIR") or self._settings.photon_folder
        chosen, _ = QtWidgets.QFileDialog.getOpenFileNames(
            self._parent, "Open observation", folder, _FILTERS
        )
        if chosen:
            self.open_paths([Path(name) for name in chosen])

    @Slot()
    def choose_beammap(self, paths: tuple[Path, ...]) -> None:
        """Let the person choose the beam map of raw files, and open them with it."""
        folder = self._settings.beammap or str(paths[0].parent)
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self._parent, "Choose beam map", folder, "Beam maps (*.bmap *.txt);;All files (*)"
        )
        if chosen:
            self._settings.beammap = chosen
            self.open_paths(list(paths), Path(chosen))

    @Slot(object)
    def open_paths(
        self, paths: list[Path], beammap: Path | None = None, trial: Path | None = None
    ) -> Job | None:
        """Open a file, or consecutive .bin files as one observation; a folder is shown in the list.

        `trial` is a wavelength solution to read the photons with.
        """
        paths = sorted(paths, key=lambda path: path.name)
        if len(paths) == 1 and paths[0].is_dir():
            self.folderChosen.emit(paths[0])
            return None
        title = f"open {paths[0]}"
        self._job = self._lane.submit(
            title, self._files.open, tuple(paths), beammap, trial, key="open", newest=True
        )
        self._patience.start()
        self.started.emit()
        return self._job

    def open_result(self, said: Said) -> None:
        """Open a file that was made, and say so when it is there."""
        self._afterwards = said
        self.open_paths([said.path])

    def open_anew(self, said: Said, *, keep_trial: bool = False) -> None:
        """Open a file of which something has changed once more, if it is still the one that is looked at.

        `keep_trial`: with the solution that is tried out; what has changed is not the wavelengths.
        """
        coming, trial = None, self._trial
        if self._job is not None:  # what the person wants to see is on its way
            coming, _, trial = self._job.args
        if said.path in (self._paths if coming is None else coming):
            self._afterwards = said
            self.open_paths([said.path], trial=trial if keep_trial else None)
        elif coming is None:
            self.said.emit(said)
        else:
            self._afterwards = said  # the person wants to see another one

    def take_said(self) -> Said | None:
        """Return what is to be said now that nothing is being opened any more, once."""
        said, self._afterwards = self._afterwards, None
        return said

    def is_looked_at(self, path: Path) -> bool:
        """Whether a file is the one that was opened last."""
        return path.absolute() in [one.absolute() for one in self._paths]

    def cancel(self) -> None:
        """Give up opening; what is open stays."""
        if self._job is not None:
            self._lane.cancel(self._job)

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if self._job is None or success.job.id != self._job.id:
            return
        self._job = None
        facts = success.result
        self._paths, self._trial = facts.paths, facts.trial
        self._settings.photon_folder = str(facts.path.absolute().parent)
        logger.info("Opened %s: %d photons", facts.path, facts.n_photons)
        self.opened.emit(facts)
        self._lane.submit("close", self._files.close_others, facts.token, key="close")

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if self._job is None or failure.job.id != self._job.id:
            return
        self._job = None
        paths, used, _ = failure.job.args
        if isinstance(failure.error, BeammapNeededError) and used is None:
            known = Path(self._settings.beammap) if self._settings.beammap else None
            if known is not None and known.is_file():
                self.open_paths(list(paths), known)
                return
            self.beammapNeeded.emit(str(failure.error), paths)
            self.failed.emit(None, paths[0])
            return
        self.failed.emit(failure, paths[0])

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if self._job is not None and job.id == self._job.id:
            self._job = None
            self.cancelled.emit(job.args[0][0])

    @Slot()
    def _on_slow(self) -> None:
        if self._job is not None:
            self.slow.emit(self._job.args[0][0])
