"""Does the tasks of a night, several at a time, in processes: what is there is used, what fails stops nothing else.

Each task that is done is noted in the database at once, so that a night which was interrupted goes on where it was.
"""

from __future__ import annotations

import datetime
import json
import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_core.atomic import write_aside
from pipeline_core.errors import PipelineError
from pipeline_core.night.plan import Plan, Task
from pipeline_core.night.steps import do

__all__ = [
    "DONE",
    "FAILED",
    "LEFT_OUT",
    "REUSED",
    "Outcome",
    "local_processes",
    "run_plan",
    "state_of",
]

logger = logging.getLogger(__name__)

DONE, REUSED, FAILED, LEFT_OUT = "done", "there already", "failed", "left out"
_TRIES = 2
"""A task whose process dies is tried once more, alone: it may have been another task's fault."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task: `state` DONE, REUSED, FAILED or LEFT_OUT (it needs one that failed), and a sentence."""

    task: Task
    state: str
    text: str
    seconds: float = 0.0


Watch = Callable[[Outcome], None]
Executors = Callable[[], Executor]


def local_processes(ncpu: int) -> Executors:
    """Return what makes the processes of this machine that do the tasks."""

    def make() -> Executor:
        return ProcessPoolExecutor(ncpu, mp_context=multiprocessing.get_context("spawn"))

    return make


def state_of(plan: Plan, task: Task) -> str:
    """Return REUSED if a task's result is there already, else ''."""
    return REUSED if _Ledger(plan.settings.database).holds(task) else ""


def run_plan(
    plan: Plan, executors: Executors, at_once: int, watch: Watch = lambda outcome: None
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

    Returns
    -------
    list of Outcome
        One for each task, in the order in which they ended.
    """
    return _Run(plan, executors, at_once, watch).run()


class _Ledger:
    """What was done before: key of a task -> its files as they were, and what was said."""

    def __init__(self, database: Path) -> None:
        self._path = database / "night.json"
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        self._entries: dict[str, Any] = found if isinstance(found, dict) else {}

    def holds(self, task: Task) -> bool:
        """Tell whether a task's files are there as it left them."""
        entry = self._entries.get(task.key)
        if not isinstance(entry, dict):
            return False
        return bool(task.outputs) and entry.get("files") == _stamps(task)

    def text(self, task: Task) -> str:
        """Return what was said of it."""
        return str(self._entries.get(task.key, {}).get("text", ""))

    def note(self, outcome: Outcome) -> None:
        """Note that a task was done."""
        self._entries[outcome.task.key] = {
            "task": outcome.task.name,
            "files": _stamps(outcome.task),
            "text": outcome.text,
            "seconds": round(outcome.seconds, 3),
            "done": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }
        with write_aside(self._path, replace=True) as part:
            part.write_text(json.dumps(self._entries, indent=1), encoding="utf-8")


def _stamps(task: Task) -> list[list[Any]] | None:
    """Return path, size and time of change of each file of a task; None if one is missing."""
    found = []
    for path in task.outputs:
        try:
            facts = path.stat()
        except OSError:
            return None
        found.append([str(path), facts.st_size, facts.st_mtime_ns])
    return found


class _Run:
    def __init__(self, plan: Plan, executors: Executors, at_once: int, watch: Watch) -> None:
        self._plan = plan
        self._executors = executors
        self._at_once = at_once
        self._watch = watch
        plan.settings.database.mkdir(parents=True, exist_ok=True)
        self._ledger = _Ledger(plan.settings.database)
        self._outcomes: dict[str, Outcome] = {}
        self._waiting = list(plan.tasks)
        self._tries: dict[str, int] = {}
        self._begun: dict[str, float] = {}

    def run(self) -> list[Outcome]:
        """Do everything."""
        while self._waiting:
            self._settle()
            if self._waiting:
                with self._pool() as pool:
                    self._work(pool)
        return list(self._outcomes.values())

    @contextmanager
    def _pool(self) -> Iterator[Executor]:
        pool = self._executors()
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
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

    def _work(self, pool: Executor) -> None:
        """Keep the pool busy until nothing is left, or its processes died."""
        running: dict[Future[str], Task] = {}
        while True:
            self._settle()
            for task in self._ready(running):
                self._begun[task.name] = time.monotonic()
                try:
                    future = pool.submit(do, task.kind, dict(task.arguments), task.outputs)
                except BrokenProcessPool:  # it died before this one came to it
                    self._died(list(running.values()))
                    return
                running[future] = task
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                task = running.pop(future)
                try:
                    self._done(task, future.result())
                except BrokenProcessPool:
                    self._died([task, *running.values()])
                    return
                except PipelineError as error:
                    self._end(Outcome(task, FAILED, str(error), self._took(task)))
                except Exception as error:  # a bug in one task is no reason to lose the night
                    logger.exception("%s failed", task.name)
                    self._end(Outcome(task, FAILED, f"unexpected: {error!r}", self._took(task)))

    def _ready(self, running: dict[Future[str], Task]) -> list[Task]:
        """Return what can begin now; the largest first. What was at work when a process died is tried again alone."""
        busy = {task.name for task in running.values()}
        free = self._at_once - len(running)
        ready = [
            task
            for task in self._waiting
            if task.name not in busy and all(name in self._outcomes for name in task.needs)
        ]
        suspects = [task for task in ready if self._tries.get(task.name, 1) > 1]
        if suspects or any(self._tries.get(name, 1) > 1 for name in busy):
            return [] if running else suspects[:1]
        return sorted(ready, key=lambda task: -task.n_bytes)[: max(free, 0)]

    def _done(self, task: Task, text: str) -> None:
        outcome = Outcome(task, DONE, text, self._took(task))
        self._ledger.note(outcome)
        self._end(outcome)

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
