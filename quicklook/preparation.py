"""Compiling the core's kernels once after an installation, in a child process, so that nobody waits.

The kernels are kept on disk by the core; the preferences remember for which versions that was done.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from pipeline_core import __version__
from pipeline_core.progress import Progress
from quicklook.background_tasks import rehearse
from quicklook.child_process import run_in_child
from quicklook.jobs import JobRunner, Success
from quicklook.qt import QtCore, Signal, Slot
from quicklook.settings import Settings

__all__ = ["PREPARE", "Preparation", "rehearse_in_child", "versions"]

PREPARE = "prepare"
"""Key of the job."""

_TITLE = "Compiling the numerical kernels, once, about 15 s"


def versions() -> str:
    """Return what the compiled code on disk depends on."""
    try:
        numba = version("numba")
    except PackageNotFoundError:
        numba = "unknown"
    return f"{__version__} / numba {numba} / Python {platform.python_version()}"


def rehearse_in_child(*, progress: Progress) -> None:
    """Do everything once with a tiny simulated night; runs in the jobs lane."""
    run_in_child(rehearse, progress=progress)


class Preparation(QtCore.QObject):
    """Runs the rehearsal if these versions have not had one.

    Signals
    -------
    submitted
        The Job, to be shown.
    """

    submitted = Signal(object)

    def __init__(self, jobs: JobRunner, settings: Settings, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._settings = settings
        jobs.succeeded.connect(self._on_success)

    def start_if_needed(self) -> None:
        """Queue the rehearsal; a failure is logged by the lane, and tried again at the next start."""
        if self._settings.prepared_for != versions():
            self.submitted.emit(self._jobs.submit(_TITLE, rehearse_in_child, key=PREPARE))

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job.key == PREPARE:
            self._settings.prepared_for = versions()
            self._settings.sync()  # it is true however this run ends
