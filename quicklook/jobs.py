"""Lanes of background work: one long-lived thread with one worker each. The only file with QThread.

A lane runs plain functions one after the other. Each submitted job gives exactly one of succeeded,
failed, cancelled, and then finished. A patient job lets later ones go first. Signals arrive in the
thread that owns the `JobRunner`.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipeline_core.errors import OperationCancelled, PipelineError
from quicklook.qt import Qt, QtCore, Signal, Slot

__all__ = ["Failure", "Job", "JobProgress", "JobRunner", "Success"]

logger = logging.getLogger(__name__)

_numbers = itertools.count(1)
_REPORT_EVERY_S = 0.05


@dataclass(frozen=True, eq=False)
class Job:
    """One call of a function in a lane.

    Attributes
    ----------
    title : str
        What a person calls it.
    key : str
        Jobs of the same key replace each other where the newest request wins.
    function, args
        Called as ``function(*args, progress=...)``.
    patient : bool
        It gives way: once something else is submitted, it is stopped at its next report of
        progress, and called again after the others. Its function should go on where it was.
    """

    title: str
    key: str
    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    id: int = field(default_factory=lambda: next(_numbers))
    patient: bool = False
    cancel_event: threading.Event = field(default_factory=threading.Event)
    give_way_event: threading.Event = field(default_factory=threading.Event)
    taken: threading.Lock = field(default_factory=threading.Lock)
    """Held by who decides how it ends: the worker that runs it, or who cancelled it while it waited."""


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: `done` of `total` (0 if unknown) of the named `stage`."""

    job: Job
    done: int
    total: int
    stage: str


@dataclass(frozen=True, eq=False)
class Success:
    """A job's result."""

    job: Job
    result: Any


@dataclass(frozen=True, eq=False)
class Failure:
    """A job's error, with the traceback as text."""

    job: Job
    error: Exception
    traceback_text: str

    @property
    def expected(self) -> bool:
        """Whether the error is one that its message explains (not a bug)."""
        return isinstance(self.error, PipelineError)

    @property
    def text(self) -> str:
        """What to tell the person: the message, or for a bug what it was."""
        return str(self.error) if self.expected else f"Unexpected error: {self.error!r}"


class _GaveWay(OperationCancelled):
    """Stops a patient job for the time being."""


class _Worker(QtCore.QObject):
    """Lives in the lane's thread; every slot runs there."""

    started = Signal(object)
    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal(object)
    finished = Signal(object)
    gave_way = Signal(object)

    @Slot(object)
    def run(self, job: Job) -> None:
        """Run one job and tell how it ended."""
        if not job.taken.acquire(blocking=False):
            return  # it was cancelled while it waited, and that was told
        try:
            if job.cancel_event.is_set():
                raise OperationCancelled
            self.started.emit(job)
            result = job.function(*job.args, progress=self._reporter(job))
        except _GaveWay:
            job.taken.release()
            self.gave_way.emit(job)
            return
        except OperationCancelled:
            self.cancelled.emit(job)
        except Exception as error:
            if isinstance(error, PipelineError):
                logger.warning("%s: %s", job.title, error)
            else:
                logger.exception("%s failed", job.title)
            self.failed.emit(Failure(job, error, traceback.format_exc()))
        else:
            self.succeeded.emit(Success(job, result))
        self.finished.emit(job)

    def _reporter(self, job: Job) -> Callable[..., None]:
        last_time, last_state = 0.0, (-1, -1, "")

        def report(done: int, total: int, stage: str = "") -> None:
            nonlocal last_time, last_state
            if job.cancel_event.is_set():
                raise OperationCancelled
            if job.give_way_event.is_set():
                raise _GaveWay
            now = time.monotonic()
            if (done, total, stage) != last_state and now - last_time >= _REPORT_EVERY_S:
                last_time, last_state = now, (done, total, stage)
                self.progressed.emit(JobProgress(job, done, total, stage))

        return report

    @Slot(object)
    def stop(self, last: Callable[[], None]) -> None:
        """Run `last` in this thread (closes handles), then end the thread's event loop."""
        try:
            last()
        except Exception:
            logger.exception("Clean-up of a worker failed")
        QtCore.QThread.currentThread().quit()


def _nothing() -> None:
    """Clean up nothing."""


class JobRunner(QtCore.QObject):
    """One lane: a queue, a thread, a worker.

    Parameters
    ----------
    name : str
        Shown in debuggers and logs.
    at_end : callable
        Called in the lane's thread when it shuts down.
    """

    started = Signal(object)
    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal(object)
    finished = Signal(object)
    _requested = Signal(object)
    _dropped = Signal(object)
    _stop_requested = Signal(object)

    def __init__(
        self,
        name: str,
        at_end: Callable[[], None] = _nothing,
        parent: QtCore.QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._at_end = at_end
        self._jobs: dict[int, Job] = {}
        self._stopping = False
        self._thread = QtCore.QThread()
        self._thread.setObjectName(name)
        self._worker = _Worker()
        self._worker.moveToThread(self._thread)
        self._requested.connect(self._worker.run)
        # later, as from the worker: nobody expects an answer while asking
        self._dropped.connect(self._on_dropped, Qt.ConnectionType.QueuedConnection)
        self._stop_requested.connect(self._worker.stop)
        self._worker.started.connect(self.started)
        self._worker.progressed.connect(self.progressed)
        self._worker.succeeded.connect(self.succeeded)
        self._worker.failed.connect(self.failed)
        self._worker.cancelled.connect(self.cancelled)
        self._worker.finished.connect(self._on_finished)
        self._worker.gave_way.connect(self._on_gave_way)
        self._thread.start()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Jobs that are queued or running, oldest first."""
        return tuple(self._jobs.values())

    @property
    def is_running(self) -> bool:
        """Whether the lane's thread lives."""
        return bool(self._thread.isRunning())

    @property
    def is_stopping(self) -> bool:
        """Whether the lane takes no jobs any more."""
        return self._stopping

    def submit(
        self,
        title: str,
        function: Callable[..., Any],
        *args: Any,
        key: str = "",
        newest: bool = False,
        patient: bool = False,
    ) -> Job:
        """Queue a call of ``function(*args, progress=...)``.

        Parameters
        ----------
        newest : bool
            Cancel what was submitted with the same `key` before: only the newest answer counts.

        Returns
        -------
        Job
            While the lane shuts down nothing is taken any more: the job is a cancelled one of which
            nothing more is heard. (Timers and answers that are on their way still ask for things.)
        """
        for earlier in self._jobs.values():
            if earlier.patient:
                earlier.give_way_event.set()
        job = Job(title, key, function, args, patient=patient)
        if self._stopping:
            job.cancel_event.set()
            return job
        if newest:
            for earlier in self._jobs.values():
                if earlier.key == key:
                    earlier.cancel_event.set()
        self._jobs[job.id] = job
        self._requested.emit(job)
        return job

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; `cancelled` follows, or another outcome if it was too late.

        One that still waits need not wait for those before it.
        """
        job.cancel_event.set()
        if job.id in self._jobs and job.taken.acquire(blocking=False):
            self._dropped.emit(job)

    def cancel_all(self) -> None:
        """Ask every job to stop."""
        for job in self._jobs.values():
            job.cancel_event.set()

    def shutdown(self, wait_s: float = 5.0) -> bool:
        """Cancel everything and end the thread; return whether it ended in time.

        May be called again after False. Never ends a thread by force.
        """
        self.cancel_all()
        if not self._stopping:
            self._stopping = True
            self._stop_requested.emit(self._at_end)
        return bool(self._thread.wait(int(1000 * wait_s)))

    @Slot(object)
    def _on_dropped(self, job: Job) -> None:
        """Tell of the end of a job that was cancelled while it waited."""
        if job.id not in self._jobs:
            return
        self.cancelled.emit(job)
        self._on_finished(job)

    @Slot(object)
    def _on_gave_way(self, job: Job) -> None:
        """Queue a patient job again, behind all that has been submitted meanwhile."""
        if job.id not in self._jobs:
            return  # it was cancelled meanwhile
        if self._stopping:
            self.cancelled.emit(job)
            self._on_finished(job)
            return
        job.give_way_event.clear()
        self._requested.emit(job)

    @Slot(object)
    def _on_finished(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        self.finished.emit(job)
