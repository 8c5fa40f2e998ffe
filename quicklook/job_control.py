"""Background jobs as the window shows them: progress, cancel, and what is said of a conversion's end.

Created by the main window.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from quicklook.background_tasks import ConvertForm, OlderForm
from quicklook.conversion import ConversionController, describe_result
from quicklook.jobs import Failure, Job, JobProgress, JobRunner
from quicklook.opening import OpeningController, Said
from quicklook.preparation import Preparation
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.widgets.job_bar import JobBar
from quicklook.widgets.message_bar import MessageBar

if TYPE_CHECKING:
    from pipeline_core.convert import ConversionSummary
    from pipeline_core.convert_parts import SplitSummary
    from pipeline_core.older.convert import OlderSummary

__all__ = ["JobControl"]

logger = logging.getLogger(__name__)


class JobControl(QtCore.QObject):
    """Connects the lanes of jobs with the job bar, and conversions with opening and messages.

    Parameters
    ----------
    lanes : tuple of JobRunner
        Whose jobs are seen; conversions are in the first one.
    panel : QAction
        Shows the panel beside whose tabs jobs are seen.

    Signals
    -------
    failed
        (path, verb, `Failure`): something "was not <verb>".
    """

    failed = Signal(object, str, object)

    def __init__(
        self,
        lanes: tuple[JobRunner, ...],
        conversion: ConversionController,
        preparation: Preparation,
        opening: OpeningController,
        bar: JobBar,
        messages: MessageBar,
        panel: QtWidgets.QAction,
        parent: QtCore.QObject,
    ) -> None:
        super().__init__(parent)
        self._lanes = lanes
        self._opening = opening
        self._bar = bar
        self._messages = messages
        self._panel = panel
        self._opened_another = False
        for lane in lanes:
            lane.progressed.connect(self._on_progress)
            lane.finished.connect(self._on_finished)
        bar.cancelRequested.connect(self._cancel)
        opening.started.connect(self._on_opening)
        preparation.submitted.connect(self.show_job)
        conversion.submitted.connect(self._on_conversion)
        conversion.succeeded.connect(self._on_converted)
        conversion.failed.connect(self._on_conversion_failed)
        conversion.cancelled.connect(self._on_conversion_cancelled)

    @Slot(object)
    def show_job(self, job: Job) -> None:
        """Show a job that was submitted."""
        self._bar.add(job.id, job.title)
        self._panel.setChecked(True)

    @Slot(object)
    def _on_progress(self, report: JobProgress) -> None:
        self._bar.update_progress(report.job.id, report.done, report.total, report.stage)

    @Slot(object)
    def _on_finished(self, job: Job) -> None:
        self._bar.remove(job.id)

    @Slot(object)
    def _cancel(self, number: int) -> None:
        for lane in self._lanes:
            for job in lane.jobs:
                if job.id == number:
                    lane.cancel(job)

    # --- conversions -----------------------------------------------------------------------------

    @Slot(object)
    def _on_conversion(self, job: Job) -> None:
        self.show_job(job)
        if not any(one.key == job.key and one is not job for one in self._lanes[0].jobs):
            self._opened_another = False  # of one that waits longer it may be true

    @Slot()
    def _on_opening(self) -> None:
        self._opened_another = True

    def _open(self, path: Path) -> None:
        self._opening.open_paths([path])

    @Slot(object, object)
    def _on_converted(
        self,
        summary: ConversionSummary | SplitSummary | OlderSummary,
        form: ConvertForm | OlderForm,
    ) -> None:
        """Open the result; only offer it if another file was opened meanwhile, or as wished.

        The file on the screen is opened anyway if the result has taken its place: it is gone.
        """
        path = Path(summary.path)
        message = describe_result(summary)
        logger.info("%s", message[1])
        wanted = form.open_result and not self._opened_another
        if (wanted or self._is_on_screen(path)) and not self._lanes[0].is_stopping:
            self._opening.open_result(Said(path, *message))
            self._opened_another = False  # that was not the person
        else:
            self._messages.show_message(*message, ("Open result", lambda: self._open(path)))

    def _is_on_screen(self, path: Path) -> bool:
        return self._opening.is_looked_at(path) and not self._opening.is_busy

    @Slot(object, object)
    def _on_conversion_failed(self, failure: Failure, form: ConvertForm | OlderForm) -> None:
        self.failed.emit(Path(form.out), "written", failure)

    @Slot(object)
    def _on_conversion_cancelled(self, form: ConvertForm | OlderForm) -> None:
        text = f"The conversion was cancelled; {Path(form.out).name} was not written."
        self._messages.show_message("info", text)
