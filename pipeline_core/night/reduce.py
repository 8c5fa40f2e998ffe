"""A night from its file to its report: what the command line and the window both call."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.night.cluster import cluster_workers
from pipeline_core.night.hashes import HashCache
from pipeline_core.night.plan import Plan, make_plan
from pipeline_core.night.report import write_report
from pipeline_core.night.room import check_rooms, rooms_of
from pipeline_core.night.run import FAILED, LEFT_OUT, Outcome, Running, run_plan
from pipeline_core.night.settings import NightSettings
from pipeline_core.night.workers import Workers, local_workers
from pipeline_core.progress import Progress, silent

__all__ = ["NightResult", "plan_night", "reduce_night"]


@dataclass(frozen=True)
class NightResult:
    """What became of a night.

    Attributes
    ----------
    outcomes : tuple of Outcome
    problems : tuple of str
        What could not even be planned.
    report : Path
    seconds : float
    """

    outcomes: tuple[Outcome, ...]
    problems: tuple[str, ...]
    report: Path
    seconds: float

    @property
    def not_done(self) -> tuple[Outcome, ...]:
        """Tasks that failed, or need one that failed."""
        return tuple(one for one in self.outcomes if one.state in (FAILED, LEFT_OUT))


def plan_night(
    settings: NightSettings,
    *,
    keep: bool = True,
    verify: bool = False,
    progress: Progress = silent,
) -> Plan:
    """Work out what a night needs; raw files that are not known yet are read.

    Parameters
    ----------
    settings : NightSettings
    keep : bool
        Whether to keep in the database what is known of the raw files, which is made for it.
    verify : bool
        Whether all raw files are read again.
    progress : Progress
        May cancel.

    Raises
    ------
    InputFormatError
        There is no raw file, or one cannot be read.
    """
    hashes = HashCache(settings.database / "hashes.json", verify=verify, progress=progress)
    progress(0, 1, "looking for raw files")
    if keep:
        settings.database.mkdir(parents=True, exist_ok=True)
    try:
        return make_plan(settings, hashes)
    finally:
        if keep:
            hashes.save()


def reduce_night(
    plan: Plan,
    *,
    scheduler: str = "",
    ncpu: int | None = None,
    watch: Callable[[Outcome], None] = lambda outcome: None,
    running: Callable[[Running], None] = lambda one: None,
    progress: Progress = silent,
) -> NightResult:
    """Do a plan and write its report.

    Parameters
    ----------
    plan : Plan
    scheduler : str
        Address of a `dask.distributed` scheduler whose workers do the tasks; '': processes of this machine.
    ncpu : int, optional
        Tasks at the same time on this machine; default: as the night's file says.
    watch, running, progress
        As `run_plan` takes them.

    Raises
    ------
    OutputError
        There is too little room, another run is at work in the database, or a folder cannot be written.
    ClusterError
        The cluster cannot do it.
    OperationCancelled
        `progress` asked for it: what was done is kept, and the same plan goes on from there.
    """
    begun = time.monotonic()
    check_rooms(rooms_of(plan))
    with _workers(plan, scheduler, ncpu) as workers:
        outcomes = run_plan(plan, workers.executors, workers.at_once, watch, running, progress)
    seconds = time.monotonic() - begun
    report = write_report(plan, outcomes, seconds)
    return NightResult(tuple(outcomes), tuple(plan.problems), report, seconds)


def _workers(plan: Plan, scheduler: str, ncpu: int | None) -> AbstractContextManager[Workers]:
    if scheduler:
        return cluster_workers(scheduler, plan.settings)
    return nullcontext(local_workers(ncpu or plan.settings.ncpu))
