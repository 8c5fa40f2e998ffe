"""The night browser as the window sees it: its window, the scan in the background, and what becomes of a selection.

Created by the main window.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from pipeline_core.progress import Progress
from quicklook import night_listing
from quicklook.child_process import run_in_child
from quicklook.conversion import ConversionController
from quicklook.jobs import Failure, Job, JobProgress, JobRunner, Success
from quicklook.night_listing import Listed
from quicklook.opening import OpeningController
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.settings import Settings
from quicklook.views.night_browser_window import NightBrowserWindow
from quicklook.widgets.bring_to_front import bring_to_front

__all__ = ["NightBrowser", "scan_in_child"]

_SCAN = "night scanned"
_BETWEEN_MS = 10

logger = logging.getLogger(__name__)


def scan_in_child(folder: Path, *, progress: Progress) -> Listed:
    """Look into a folder in a child process, as HDF5 files are read. Runs in the chores lane."""
    found: Listed = run_in_child(night_listing.scan, folder, progress=progress)
    return found


class NightBrowser(QtCore.QObject):
    """Opens the window of the night, and hands on what it asks for.

    Signals
    -------
    bugFound
        A `Failure` that no message explains.
    """

    bugFound = Signal(object)  # noqa: N815

    def __init__(
        self,
        chores: JobRunner,
        conversion: ConversionController,
        opening: OpeningController,
        settings: Settings,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtCore.QObject,
    ) -> None:
        super().__init__(parent)
        self._chores = chores
        self._conversion = conversion
        self._opening = opening
        self._settings = settings
        self._job: Job | None = None
        self.window: NightBrowserWindow | None = None
        # made and shown one after the other: both in one go would hold up everybody
        self._shower = QtCore.QTimer(self, singleShot=True, interval=_BETWEEN_MS)
        self._shower.timeout.connect(self._show)
        actions["browse_night"].triggered.connect(self.open_window)
        chores.progressed.connect(self._on_progress)
        chores.cancelled.connect(self._on_cancelled)
        chores.succeeded.connect(self._on_success)
        chores.failed.connect(self._on_failure)

    @Slot()
    def open_window(self) -> None:
        """Show the window; the folder of the last conversion is proposed."""
        if self.window is None:
            window = self.window = NightBrowserWindow()
            window.scanWanted.connect(self.scan)
            window.cancelRequested.connect(self.cancel)
            window.convertWanted.connect(self._conversion.open_filled)
            window.reviewWanted.connect(self._opening.open_paths)
            window.folder.set_text(self._settings.bin_folder or self._settings.photon_folder)
            if window.folder.text():
                self.scan(window.folder.text())
        self._shower.start()

    @Slot()
    def _show(self) -> None:
        if self.window is not None:
            bring_to_front(self.window)

    @Slot(str)
    def scan(self, folder: str) -> None:
        """Look into a folder in the background."""
        if self.window is None:
            return
        title = f"Looking into {Path(folder).name}"
        self._job = self._chores.submit(
            title, scan_in_child, Path(folder).expanduser(), key=_SCAN, newest=True
        )
        self.window.show_running()

    @Slot()
    def cancel(self) -> None:
        """Stop looking."""
        if self._job is not None:
            self._chores.cancel(self._job)

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        if report.job is self._job and self.window is not None:
            self.window.show_progress(report.done, report.total, report.stage)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job is self._job and self.window is not None:
            self._job = None
            self.window.show_stopped("info", "Looking was cancelled.")

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job is self._job and self.window is not None:
            self._job = None
            night, rows, bars = success.result
            for problem in night.problems:
                logger.warning("%s: %s", success.job.title, problem)
            self.window.show_night(night, rows, bars)

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if failure.job is not self._job or self.window is None:
            return
        self._job = None
        self.window.show_stopped("error", failure.text)
        if not failure.expected:
            self.bugFound.emit(failure)

    def close(self) -> None:
        """Close the window."""
        self._shower.stop()
        if self.window is not None:
            self.window.close()
