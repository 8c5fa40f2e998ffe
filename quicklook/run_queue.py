"""Calibrations of one kind that were started: which is at work, which wait. Used by the controllers of calibrations."""

from __future__ import annotations

from collections import deque

from quicklook.jobs import Job

__all__ = ["RunQueue"]


class RunQueue:
    """Jobs of one lane, which has them done in the order in which they came."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def __contains__(self, job: Job) -> bool:
        return any(one is job for one in self._jobs)

    @property
    def at_work(self) -> Job | None:
        """The one whose turn it is."""
        return self._jobs[0] if self._jobs else None

    def add(self, job: Job) -> None:
        """Let a job wait behind those that came before."""
        self._jobs.append(job)

    def end(self, job: Job) -> Job | None:
        """Take away a job that has ended; return the next one that is still wanted."""
        self._jobs.remove(job)
        return next((one for one in self._jobs if not one.cancel_event.is_set()), None)
