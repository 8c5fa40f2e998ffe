"""The processes of this machine that do the tasks of a night, and what each of them is asked to do."""

from __future__ import annotations

import atexit
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_core.errors import OperationCancelled
from pipeline_core.night.board import Board
from pipeline_core.progress import Progress

__all__ = [
    "GRACE_S",
    "Do",
    "DoTogether",
    "Executors",
    "Job",
    "Workers",
    "attend",
    "attend_all",
    "local_processes",
    "local_workers",
]

logger = logging.getLogger(__name__)


class Job(NamedTuple):
    """A task as it travels: its key, and what `steps.do` takes."""

    key: str
    kind: str
    arguments: Mapping[str, Any]
    outputs: tuple[Path, ...]


DoTogether = Callable[[tuple[str, ...], tuple[Any, ...], Progress], list[str]]
Do = Callable[[str, Mapping[str, Any], tuple[Path, ...], Progress], str]
Executors = Callable[[Board], Executor]
"""Makes what does the tasks; they stop when the board says so."""

GRACE_S = 5.0
"""How long a process may go on after it was told to stop: a step that does not listen is ended with its process."""
_LOOK_EVERY_S = 0.2
_NEW_OBJECTS = 20_000
"""So many, and Python looks for garbage; 700 is usual."""


@dataclass(frozen=True)
class Workers:
    """What does the tasks of a night: what makes it, and how many it does `at_once`."""

    executors: Executors
    at_once: int


def local_workers(ncpu: int) -> Workers:
    """Return `ncpu` processes of this machine."""
    return Workers(local_processes(ncpu), ncpu)


def local_processes(ncpu: int) -> Executors:
    """Return what makes `ncpu` processes of this machine. None outlives the process that asked for it."""

    def make(board: Board) -> Executor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(
            ncpu, mp_context=context, initializer=_begin, initargs=(board, GRACE_S)
        )

    return make


def attend(
    do: Do,
    board: Board,
    key: str,
    kind: str,
    arguments: Mapping[str, Any],
    outputs: tuple[Path, ...],
) -> str:
    """Do a task unless it is done, and tell the board how far it is. Runs in any process, on any machine."""
    text = board.text_of(key)
    if text is None:
        progress = board.reporter(key)
        progress(0, 1, "begun")
        text = do(kind, arguments, outputs, progress)
        board.note_done(key, text)
    return text


def attend_all(
    do: Do, do_together: DoTogether, board: Board, jobs: tuple[Job, ...]
) -> list[str | Exception]:
    """Do tasks, several of them together, in one process; returns a sentence about each, or what it failed with.

    What fails together is done one by one, and so is what is done in part: each has its own outcome.

    Raises
    ------
    OperationCancelled
        The board says so.
    Exception
        Whatever a single task fails with.
    """
    if len(jobs) == 1:
        return [attend(do, board, *jobs[0])]
    if all(board.text_of(job.key) is None for job in jobs):
        reporters = [board.reporter(job.key) for job in jobs]

        def progress(done: int, total: int, stage: str = "") -> None:
            for report in reporters:
                report(done, total, stage)

        progress(0, 1, "begun")
        kinds = tuple(job.kind for job in jobs)
        try:
            texts = do_together(kinds, tuple(job[2:] for job in jobs), progress)
        except OperationCancelled:
            raise
        except Exception:  # which of them it was will be seen
            logger.info("%s are done one by one", ", ".join(kinds), exc_info=True)
        else:
            for job, text in zip(jobs, texts, strict=True):
                board.note_done(job.key, text)
            return list(texts)
    return [_found(do, board, job) for job in jobs]


def _found(do: Do, board: Board, job: Job) -> str | Exception:
    try:
        return attend(do, board, *job)
    except OperationCancelled:
        raise
    except Exception as error:
        return error


def _begin(board: Board, grace_s: float) -> None:
    """Begin a process: whoever waits for it handles Ctrl-C, and it ends when nobody does any more."""
    _be_frugal()
    atexit.register(_leave)  # the first to be registered is the last to be called
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch = threading.Thread(target=_watch, args=(board, grace_s), name="watch", daemon=True)
    watch.start()


def _be_frugal() -> None:
    """Keep libraries, none of which is loaded yet, from work that is for nothing here: half a second of a process.

    There are as many processes as processors, so threads of linear algebra would only turn in circles. Loading
    libraries and kernels makes many small objects, of which no garbage is to be collected.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])


def _leave() -> None:
    """End this process as it is: taking apart all that it has loaded takes 0.3 s, and the run waits for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _watch(board: Board, grace_s: float) -> None:
    parent = multiprocessing.parent_process()
    stopped_since = None
    while True:
        time.sleep(_LOOK_EVERY_S)
        now = time.monotonic()
        if parent is not None and not parent.is_alive():
            os._exit(1)
        stopped_since = (stopped_since or now) if board.stopped() else None
        if stopped_since is not None and now - stopped_since > grace_s:
            os._exit(1)
