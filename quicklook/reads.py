"""Between the panes and the reads lane: hands requests over, gives answers back, drops stale ones."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from quicklook.jobs import Failure, Job, JobRunner, Success
from quicklook.qt import QtCore, Signal, Slot
from quicklook.requests import Request, SurveyRequest, TimesRequest
from quicklook.tasks import OpenFiles
from quicklook.turns import Turns

__all__ = ["Answerable", "ReadBroker"]


class Answerable(Protocol):
    """What a pane offers to the broker."""

    name: str

    def show_result(self, result: object) -> None:
        """Draw an answer."""

    def show_error(self, message: str) -> None:
        """Show why there is no answer, in the place of the picture."""


class ReadBroker(QtCore.QObject):
    """Serves the panes from one lane; per pane only the newest request is answered.

    Answers that come together are drawn one in each turn of the event loop, by `turns`: what has to be done before
    them goes there, too.

    Signals
    -------
    bugFound
        A `Failure` that no message explains.
    """

    bugFound = Signal(object)  # noqa: N815

    def __init__(
        self, lane: JobRunner, files: OpenFiles, parent: QtCore.QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._lane = lane
        self._files = files
        self._panes: dict[str, Answerable] = {}
        self._newest: dict[str, Job] = {}
        self.turns = Turns(self)
        lane.succeeded.connect(self._on_success)
        lane.failed.connect(self._on_failure)

    def add(self, pane: Answerable) -> None:
        """Serve a pane from now on; its `requested` signal is to be connected to `ask`."""
        self._panes[pane.name] = pane

    def remove(self, pane: Answerable) -> None:
        """Serve a pane no longer; what it still waits for is not computed."""
        self._panes.pop(pane.name, None)
        self.stop(pane.name)

    @Slot(str)
    def stop(self, name: str) -> None:
        """Drop what a pane waits for."""
        job = self._newest.pop(name, None)
        if job is not None:
            self._lane.cancel(job)

    @Slot(object)
    def ask(self, request: Request) -> None:
        """Queue a request; older ones of the same pane are cancelled, and surveys let others go first."""
        self._newest[request.pane] = self._lane.submit(
            f"read for {request.pane}",
            self._files.read,
            request,
            key=request.pane,
            newest=True,
            patient=isinstance(request, (SurveyRequest, TimesRequest)),
        )

    def forget(self) -> None:
        """Drop every answer that is still under way (another file is being looked at)."""
        self._newest.clear()

    def _pane_of(self, job: Job) -> Answerable | None:
        """Return who waits for this job, or None if the answer is stale."""
        if self._newest.get(job.key) is not job:
            return None
        return self._panes.get(job.key)

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if self._pane_of(success.job) is not None:
            self.turns.take(partial(self._show, success))

    def _show(self, success: Success) -> None:
        """Give an answer to its pane, unless it has become stale while others were drawn."""
        pane = self._pane_of(success.job)
        if pane is not None:
            pane.show_result(success.result)

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        pane = self._pane_of(failure.job)
        if pane is None:
            return
        pane.show_error(failure.text)
        if not failure.expected:
            self.bugFound.emit(failure)
