"""Compiling the core's kernels once after an installation, in a child process, so that nobody waits.

The kernels are kept on disk by the core; a note beside the log says for which versions and sources
that was done. It is no preference: ``--fresh`` heeds it as well.
"""

from __future__ import annotations

import logging
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline_core import __version__
from pipeline_core.progress import Progress
from pipeline_core.source_stamp import package_sources, source_stamp
from quicklook import background_tasks
from quicklook.background_tasks import rehearse
from quicklook.child_process import run_in_child
from quicklook.jobs import JobRunner, Success
from quicklook.qt import QtCore, Signal, Slot
from quicklook.settings import state_folder

__all__ = ["PREPARE", "Preparation", "rehearse_in_child", "versions"]

logger = logging.getLogger(__name__)

PREPARE = "prepare"
"""Key of the job."""

_TITLE = "Compiling the numerical kernels, once, about 40 s"


def versions() -> str:
    """Return what the compiled code on disk depends on: versions, the core's sources, and what is rehearsed of them."""
    try:
        numba = version("numba")
    except PackageNotFoundError:
        numba = "unknown"
    stamp = source_stamp([*package_sources(), Path(background_tasks.__file__)])
    return f"{__version__} / numba {numba} / Python {platform.python_version()} / {stamp}"


def rehearse_in_child(*, progress: Progress) -> None:
    """Do everything once with a tiny simulated night; runs in the jobs lane."""
    run_in_child(rehearse, progress=progress)


def _note_path() -> Path:
    return state_folder() / "prepared_for.txt"


def _noted() -> str:
    try:
        return _note_path().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _note(text: str) -> None:
    """Write the note; without it the next start prepares again, which does no harm."""
    try:
        _note_path().parent.mkdir(parents=True, exist_ok=True)
        _note_path().write_text(text, encoding="utf-8")
    except OSError as error:
        logger.warning("%s was not written: %s", _note_path(), error)


class Preparation(QtCore.QObject):
    """Runs the rehearsal if these versions and sources have not had one.

    Signals
    -------
    submitted
        The Job, to be shown.
    """

    submitted = Signal(object)

    def __init__(self, jobs: JobRunner, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._jobs = jobs
        jobs.succeeded.connect(self._on_success)

    def start_if_needed(self) -> None:
        """Queue the rehearsal; a failure is logged by the lane, and tried again at the next start."""
        if _noted() != versions():
            self.submitted.emit(self._jobs.submit(_TITLE, rehearse_in_child, key=PREPARE))

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job.key == PREPARE:
            _note(versions())
