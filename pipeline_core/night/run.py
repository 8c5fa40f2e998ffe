"""Does the tasks of a night, several at a time, in processes: what is there is used, what fails stops nothing else.

Each task that is done is noted in the database at once, so that a night which was interrupted goes on where it was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline_core.errors import (
    OperationCancelled,
    OutputError,
    PipelineError,
    SidecarConflictError,
)
from pipeline_core.locks import locked
from pipeline_core.night.board import Board, Report, remove_boards
from pipeline_core.night.ledger import Ledger
from pipeline_core.night.plan import Plan, Task
from pipeline_core.night.steps import do, do_together
from pipeline_core.night.workers import GRACE_S, Executors, Job, attend_all, local_processes
from pipeline_core.progress import Progress, silent

__all__ = [
    "DONE",
    "FAILED",
    "LEFT_OUT",
    "REUSED",
    "RUNNING",
    "STOPPED",
    "Outcome",
    "Running",
    "local_processes",
    "run_plan",
]

logger = logging.getLogger(__name__)

DONE, REUSED, FAILED, LEFT_OUT = "done", "there already", "failed", "left out"
RUNNING, STOPPED = "running", "stopped"
_TRIES = 2
"""A task whose process dies is tried once more, alone: it may have been another task's fault."""

_LOOK_EVERY_S = 0.05
_REPORT_EVERY_S = 0.25
_WAIT_FOR_STOP_S = GRACE_S + 3.0
_CANCELLED = "the night was cancelled"
_LOST = (
    "it was given up: the scheduler of the cluster is gone, or its workers do not see the database"
)


@dataclass(frozen=True)
class Outcome:
    """What became of a task, and a sentence.

    `state` is DONE, REUSED, FAILED, LEFT_OUT (it needs one that failed) or STOPPED (the night was cancelled).
    """

    task: Task
    state: str
    text: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Running:
    """A task that runs: since how many `seconds`, which `part` of it is done (0 to 1), and the `stage` it is in."""

    task: Task
    seconds: float = 0.0
    part: float = 0.0
    stage: str = ""


Answers = Future[list[str | Exception]]
AtWork = dict[Answers, tuple[Task, ...]]
Watch = Callable[[Outcome], None]
WatchRunning = Callable[[Running], None]


def run_plan(
    plan: Plan,
    executors: Executors,
    at_once: int,
    watch: Watch = lambda outcome: None,
    running: WatchRunning = lambda one: None,
    progress: Progress = silent,
) -> list[Outcome]:
    """Do a plan.

    Parameters
    ----------
    plan : Plan
    executors : callable
        Makes an executor; asked again if its processes died.
    at_once : int
        So many tasks at the same time.
    watch : callable
        Told of each outcome.
    running : callable
        Told when a task begins, and then how far it is.
    progress : Progress
        Called about 20 times a second. When it raises, no task begins any more; those that run are told to stop, and
        what does not stop within seconds is ended with its process. What was done is kept.

    Returns
    -------
    list of Outcome
        One for each task, in the order in which they ended.

    Raises
    ------
    OperationCancelled
        `progress` asked for it. The tasks that ran have ended by then, `watch` was told of all.
    OutputError
        Another run is at work in the same database, or it cannot be written.
    """
    return _Run(plan, executors, at_once, watch, running, progress).run()


@contextmanager
def _alone(plan: Plan) -> Iterator[Board]:
    """Hold the database for one run, and clean up what earlier ones have left."""
    database = plan.settings.database
    try:
        database.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Folder {database} cannot be made: {error.strerror}. Choose another database."
        ) from error
    try:
        with locked(database / "night"):
            remove_boards(database)
            _remove_parts(plan)
            board = Board.new(database)
            try:
                yield board
            finally:
                board.close()
    except SidecarConflictError as error:
        raise OutputError(
            f"Another run is at work in the database {database}. Wait until it has finished; if there is none, "
            f"remove {database / 'night.lock'}*."
        ) from error


def _remove_parts(plan: Plan) -> None:
    """Remove half-written files of tasks of an earlier run: of any machine, as none is at work here now."""
    for path in (path for task in plan.tasks for path in task.outputs):
        for left_over in path.parent.glob(f"{path.name}.*.part"):
            left_over.unlink(missing_ok=True)


class _Run:
    def __init__(
        self,
        plan: Plan,
        executors: Executors,
        at_once: int,
        watch: Watch,
        watch_running: WatchRunning,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._executors = executors
        self._at_once = at_once
        self._watch = watch
        self._watch_running = watch_running
        self._progress = progress
        self._ledger = Ledger(plan.settings.database)
        self._outcomes: dict[str, Outcome] = {}
        self._waiting = list(plan.tasks)
        self._n_waiting = _numbers_waiting(plan.tasks)
        self._tries: dict[str, int] = {}
        self._begun: dict[str, float] = {}
        self._parts: dict[str, float] = {}
        self._stopping = False
        self._next_look = 0.0

    def run(self) -> list[Outcome]:
        """Do everything."""
        with _alone(self._plan) as board:
            while self._waiting:
                self._settle()
                if self._waiting:
                    self._work_with(board)
        return list(self._outcomes.values())

    def _work_with(self, board: Board) -> None:
        pool = self._executors(board)
        running: AtWork = {}
        try:
            self._work(pool, board, running)
        except BaseException:
            self._stop(board, running)
            pool.shutdown(wait=all(future.done() for future in running))
            raise
        pool.shutdown()

    def _settle(self) -> None:
        """End what needs no work: what is there already, and what needs something that failed."""
        changed = True
        while changed:
            changed = False
            for task in list(self._waiting):
                before = [self._outcomes.get(name) for name in task.needs]
                bad = next((one for one in before if one and one.state in (FAILED, LEFT_OUT)), None)
                if bad is not None:
                    self._end(Outcome(task, LEFT_OUT, f"it needs: {bad.task.name}"))
                    changed = True
                elif all(before) and self._ledger.holds(task):
                    self._end(Outcome(task, REUSED, self._ledger.text(task)))
                    changed = True

    def _work(self, pool: Executor, board: Board, running: AtWork) -> None:
        """Keep the pool busy until nothing is left, or its processes died."""
        while True:
            self._settle()
            for tasks in self._ready(running):
                jobs = tuple(
                    Job(task.key, task.kind, dict(task.arguments), task.outputs) for task in tasks
                )
                try:
                    future = pool.submit(attend_all, do, do_together, board, jobs)
                except BrokenProcessPool:  # it died before these came to it
                    self._died(_all_of(running))
                    return
                running[future] = tasks
                for task in tasks:
                    self._begun[task.name] = time.monotonic()
                    self._watch_running(Running(task))
            if not running:
                return
            ended, _ = wait(running, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED)
            for future in ended:
                tasks = running.pop(future)
                try:
                    self._ended(tasks, future)
                except BrokenProcessPool:
                    self._died([*tasks, *_all_of(running)])
                    running.clear()
                    return
            self._look(board, running)

    def _ended(self, tasks: tuple[Task, ...], future: Answers) -> None:
        """Take note of tasks that have ended; raises if their process died."""
        for number, task in enumerate(tasks):
            self._ended_one(task, future, number)

    def _ended_one(self, task: Task, future: Answers, number: int) -> None:
        try:
            text = future.result()[number]
            if isinstance(text, Exception):
                raise text
            self._ledger.note(task, text, self._took(task))
        except BrokenProcessPool:
            raise
        except PipelineError as error:
            self._end(Outcome(task, FAILED, str(error), self._took(task)))
        except (OperationCancelled, CancelledError):
            if self._stopping:
                self._end(Outcome(task, STOPPED, _CANCELLED, self._took(task)))
            else:
                self._end(Outcome(task, FAILED, _LOST, self._took(task)))
        except Exception as error:  # a bug in one task is no reason to lose the night
            logger.exception("%s failed", task.name)
            self._end(Outcome(task, FAILED, f"unexpected: {error!r}", self._took(task)))
        else:
            self._end(Outcome(task, DONE, text, self._took(task)))

    def _ready(self, running: AtWork) -> list[tuple[Task, ...]]:
        """Return what can begin now, one or more tasks for a process.

        What most others wait for comes first, so that there is work for all to the end; of these, the largest.
        What was at work when a process died is tried again alone.
        """
        busy = {task.name for task in _all_of(running)}
        free = self._at_once - len(running)
        ready = [
            task
            for task in self._waiting
            if task.name not in busy and all(name in self._outcomes for name in task.needs)
        ]
        suspects = [task for task in ready if self._tries.get(task.name, 1) > 1]
        if suspects or any(self._tries.get(name, 1) > 1 for name in busy):
            return [] if running else [(task,) for task in suspects[:1]]
        ready.sort(key=lambda task: (-self._n_waiting[task.name], -task.n_bytes))
        return _grouped(ready)[: max(free, 0)]

    def _look(self, board: Board, running: AtWork) -> None:
        """Pass on how far everything is; raises if the night is cancelled."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _REPORT_EVERY_S
            for task in _all_of(running):
                report = board.report_of(task.key) or Report(0.0, "")
                self._parts[task.name] = report.part
                self._watch_running(Running(task, self._took(task), report.part, report.stage))
        tasks = _all_of(running)
        done = len(self._outcomes) + sum(self._parts.get(task.name, 0.0) for task in tasks)
        names = ", ".join(task.name for task in tasks)
        self._progress(round(1000 * done), 1000 * len(self._plan.tasks), names)

    def _stop(self, board: Board, running: AtWork) -> None:
        """Stop what runs, and keep what is done all the same."""
        self._stopping = True
        board.stop()
        for future in running:
            future.cancel()
        wait(running, timeout=_WAIT_FOR_STOP_S)
        for future, tasks in running.items():
            if future.done() and not isinstance(_error_of(future), BrokenProcessPool):
                self._ended(tasks, future)
                continue
            for task in tasks:
                self._end(Outcome(task, STOPPED, _CANCELLED, self._took(task)))

    def _died(self, tasks: list[Task]) -> None:
        """A process died, and with it all that were at work: each is tried once more."""
        for task in tasks:
            self._tries[task.name] = self._tries.get(task.name, 1) + 1
            if self._tries[task.name] > _TRIES:
                text = "its process died, twice: out of memory, or ended by somebody"
                self._end(Outcome(task, FAILED, text, self._took(task)))

    def _end(self, outcome: Outcome) -> None:
        self._waiting.remove(outcome.task)
        self._outcomes[outcome.task.name] = outcome
        self._watch(outcome)

    def _took(self, task: Task) -> float:
        return time.monotonic() - self._begun[task.name]


def _all_of(running: AtWork) -> list[Task]:
    return [task for tasks in running.values() for task in tasks]


def _grouped(tasks: list[Task]) -> list[tuple[Task, ...]]:
    """Return tasks in their order, each with those that are quicker together with it."""
    names = {task.name for task in tasks}
    return [
        (task, *(other for other in tasks if other.together == task.name))
        for task in tasks
        if task.together not in names
    ]


def _numbers_waiting(tasks: list[Task]) -> dict[str, int]:
    """Return how many tasks cannot begin before a task is done: name -> number, those that wait for others included."""
    waiting: dict[str, set[str]] = {task.name: set() for task in tasks}
    for task in reversed(tasks):  # whatever needs a task stands behind it
        for name in task.needs:
            waiting[name] |= {task.name, *waiting[task.name]}
    return {name: len(names) for name, names in waiting.items()}


def _error_of(future: Answers) -> BaseException | None:
    return None if future.cancelled() else future.exception()
