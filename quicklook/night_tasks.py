"""What the window and the dialog of a night have done for them: plain functions, no Qt.

`plan` and `reduce` run in a child process, everything else in the chores lane. The core is imported inside the
functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_core.progress import Progress, silent

if TYPE_CHECKING:
    from pipeline_core.night.plan import Plan, Task
    from pipeline_core.night.room import Room
    from pipeline_core.night.run import Outcome, Running

__all__ = [
    "TO_DO",
    "NightEnd",
    "NightPlan",
    "NightRow",
    "RoomFacts",
    "RowNews",
    "plan",
    "reduce",
]

TO_DO = "to do"


@dataclass(frozen=True)
class NightRow:
    """One task of a night as the table shows it.

    Attributes
    ----------
    name, kind : str
    needs : tuple of str
        Names of tasks that must be done before.
    state : str
        'to do', or a state of the core.
    text : str
        What was said of it.
    seconds : float
        How long it took, or has taken so far.
    part : float
        From 0 to 1: how much of it is done, while it runs.
    n_bytes : int
        Of its files; before it is done: at most.
    outputs : tuple of Path
    """

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    state: str = TO_DO
    text: str = ""
    seconds: float = 0.0
    part: float = 0.0
    n_bytes: int = 0
    outputs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class RowNews:
    """What has changed of the task of a name; `n_bytes` is None while it is not known."""

    name: str
    state: str
    text: str
    seconds: float
    part: float = 0.0
    n_bytes: int | None = None


@dataclass(frozen=True)
class RoomFacts:
    """What a night needs on one disk: the names and folders there, bytes needed at most, bytes free."""

    places: tuple[tuple[str, Path], ...]
    needed: int
    free: int


@dataclass(frozen=True)
class NightPlan:
    """What a night's file asks for.

    Attributes
    ----------
    path : Path
    rows : tuple of NightRow
    problems : tuple of str
        What cannot be planned.
    room : tuple of RoomFacts
        One a disk.
    obstacle : str
        Why the night cannot be run; '' if it can.
    report : Path
        Where its report is, or will be.
    """

    path: Path
    rows: tuple[NightRow, ...]
    problems: tuple[str, ...]
    room: tuple[RoomFacts, ...]
    obstacle: str
    report: Path


@dataclass(frozen=True)
class NightEnd:
    """How a night ended: numbers of tasks that are done or there already, and that are not; its report."""

    path: Path
    n_there: int
    n_not_done: int
    problems: tuple[str, ...]
    report: Path
    seconds: float

    @property
    def text(self) -> str:
        """What there is to say of it."""
        text = f"{self.n_there} of {self.n_there + self.n_not_done} tasks are done in {self.seconds:.0f} s."
        if self.n_not_done:
            text += " The column 'What' says why the others are not."
        if self.problems:
            text += " Not everything could be planned: see above the table."
        return text

    @property
    def is_whole(self) -> bool:
        """Whether everything was done."""
        return not (self.n_not_done or self.problems)


def plan(path: Path, *, progress: Progress = silent) -> NightPlan:
    """Work out what a night needs; nothing is written, unless its database is there already."""
    from pipeline_core.night.reduce import plan_night
    from pipeline_core.night.settings import load_night

    settings = load_night(path)
    return _facts(path, plan_night(settings, keep=settings.database.is_dir(), progress=progress))


def reduce(
    path: Path,
    scheduler: str,
    *,
    progress: Progress = silent,
    news: Callable[[NightPlan | RowNews], None],
) -> NightEnd:
    """Do a night. News are its plan as it is now, and then what becomes of each task."""
    from pipeline_core.night.reduce import plan_night, reduce_night
    from pipeline_core.night.run import DONE, REUSED
    from pipeline_core.night.settings import load_night

    begun = time.monotonic()
    made = plan_night(load_night(path), progress=progress)
    news(_facts(path, made))
    result = reduce_night(
        made,
        scheduler=scheduler,
        watch=lambda outcome: news(_ended(outcome)),
        running=lambda one: news(_running(one)),
        progress=progress,
    )
    there = sum(one.state in (DONE, REUSED) for one in result.outcomes)
    return NightEnd(
        path,
        there,
        len(result.outcomes) - there,
        result.problems,
        result.report,
        time.monotonic() - begun,
    )


def _facts(path: Path, made: Plan) -> NightPlan:
    from pipeline_core.beammap import read_beammap
    from pipeline_core.errors import OutputError
    from pipeline_core.night.ledger import Ledger
    from pipeline_core.night.room import check_rooms, rooms_of, task_bytes
    from pipeline_core.night.run import REUSED

    ledger = Ledger(made.settings.database)
    n_pixel = read_beammap(made.settings.beammap).code.size
    rows = []
    for task in made.tasks:
        there = ledger.holds(task)
        size = _size(task) if there else None
        rows.append(
            NightRow(
                task.name,
                task.kind,
                task.needs,
                REUSED if there else TO_DO,
                ledger.text(task) if there else "",
                n_bytes=task_bytes(made, task, n_pixel) if size is None else size,
                outputs=task.outputs,
            )
        )
    room: list[Room] = []
    obstacle = ""
    try:
        room = rooms_of(made)
        check_rooms(room)
    except OutputError as error:
        obstacle = str(error)
    return NightPlan(
        path,
        tuple(rows),
        tuple(made.problems),
        _disks(room),
        obstacle,
        made.settings.out / "report.html",
    )


def _disks(room: list[Room]) -> tuple[RoomFacts, ...]:
    found = []
    for disk in dict.fromkeys(one.disk for one in room):
        there = [one for one in room if one.disk == disk]
        places = tuple((one.name, one.folder) for one in there)
        found.append(RoomFacts(places, sum(one.needed for one in there), there[0].free))
    return tuple(found)


def _ended(outcome: Outcome) -> RowNews:
    from pipeline_core.night.run import DONE, REUSED

    there = outcome.state in (DONE, REUSED)
    return RowNews(
        outcome.task.name,
        outcome.state,
        outcome.text,
        outcome.seconds,
        1.0,
        _size(outcome.task) if there else None,
    )


def _running(one: Running) -> RowNews:
    from pipeline_core.night.run import RUNNING

    return RowNews(one.task.name, RUNNING, one.stage, one.seconds, one.part)


def _size(task: Task) -> int | None:
    """Return how large the files of a task are; None if one is missing."""
    try:
        return sum(path.stat().st_size for path in task.outputs)
    except OSError:
        return None
