"""Run one function in a child process: progress and cancel over a pipe, certain end. No Qt.

`run_in_child` is called by a task in the jobs lane's thread and supervises; `_child_main` is the other
side. A crash of the child, whatever the reason, is an ordinary error here.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pipeline_core.errors import OperationCancelled, PipelineError
from pipeline_core.progress import Progress, silent

__all__ = ["GRACE_S", "ChildCrashError", "ChildError", "remove_parts", "run_in_child"]

logger = logging.getLogger(__name__)

_POLL_S = 0.02
GRACE_S = 0.3
"""How long a cancelled child may take to stop by itself."""
_KILLED_S = 5.0
"""How long the system may take to remove a killed process; one that waits for a broken disk is left to it."""


class ChildCrashError(PipelineError):
    """The child process ended without an answer."""


class ChildError(Exception):
    """An unexpected exception of the child that could not travel; its text is the traceback."""


def remove_parts(folder: Path, process_id: int) -> None:
    """Remove the half-written files that a process has left in a folder; with ``partial(..., folder)`` a `clean_up`."""
    for left_over in folder.glob(f"*.{process_id}.part"):
        left_over.unlink(missing_ok=True)


def run_in_child(
    function: Callable[..., Any],
    *args: object,
    progress: Progress = silent,
    clean_up: Callable[[int], None] | None = None,
    news: Callable[[Any], None] | None = None,
    has_children: bool = False,
    grace_s: float | Callable[[], float] = GRACE_S,
) -> Any:
    """Call ``function(*args, progress=...)`` in a child process at lower priority.

    Parameters
    ----------
    function : callable
        A module-level function (it travels by name); arguments and result are pickled.
    progress : Progress
        Called about every 20 ms, also when the child is silent; raises to cancel.
    clean_up : callable, optional
        Called with the child's process id when there is no result and the child has ended: removes what it may
        have left behind.
    news : callable, optional
        The function is called with ``news=...`` as well; whatever it hands to that is pickled and handed to this.
    has_children : bool
        Whether the function may start processes of its own; it must see to it that they end when it is ended.
    grace_s : float or callable
        How long a cancelled child may take to stop by itself: longer where it then returns what it has done so far.
        A callable is asked again and again, in this thread.

    Raises
    ------
    OperationCancelled
        After `progress` asked for it and the child has ended.
    ChildCrashError
        If the child ended without an answer.
    Exception
        What the function raised; the child's traceback is attached as a note of the cause.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(
        target=_child_main,
        args=(theirs, function, args, news is not None),
        daemon=not has_children,
    )
    child.start()
    theirs.close()
    try:
        return _supervise(child, ours, progress, news, grace_s)
    except (
        BaseException
    ):  # whatever it is: the child must go, and take with it what is half-written
        _end(child)
        if clean_up is not None:
            clean_up(child.pid or 0)
        raise
    finally:
        _end(child)
        ours.close()
        _close(child)


def _supervise(
    child: Any,
    pipe: Connection,
    progress: Progress,
    news: Callable[[Any], None] | None,
    grace_s: float | Callable[[], float],
) -> Any:
    """Pass messages on until the child has answered."""
    state = (0, 0, "starting")
    try:
        while True:
            while pipe.poll(_POLL_S):
                kind, *content = pipe.recv()
                if kind == "progress":
                    done, total, stage = content
                    state = (done, total, stage)
                elif kind == "log":
                    level, name, message = content
                    logging.getLogger(name).log(level, "%s", message)
                elif kind == "news":
                    if news is not None:
                        news(content[0])
                else:
                    return _answer(kind, content)
                progress(*state)
            progress(*state)
    except (EOFError, ConnectionError):
        child.join(GRACE_S)
        raise ChildCrashError(_crash_message(child.exitcode)) from None
    except OperationCancelled:
        answer = _ask_to_stop(pipe, grace_s, news)
        if answer is not None and answer[0] == "result":
            return answer[1]  # it was finished before it heard us: say so
        raise


def _answer(kind: str, content: list[Any]) -> Any:
    if kind == "result":
        return content[0]
    if kind == "cancelled":
        raise OperationCancelled
    error, text = content
    raise error from ChildError(f"in the child process:\n{text}")


def _ask_to_stop(
    pipe: Connection,
    grace_s: float | Callable[[], float],
    news: Callable[[Any], None] | None,
) -> tuple[Any, ...] | None:
    """Ask once and give a moment; return the child's answer if it gave one. News are still passed on."""
    asked = time.monotonic()
    try:
        pipe.send("cancel")
        while time.monotonic() - asked < (grace_s() if callable(grace_s) else grace_s):
            if pipe.poll(_POLL_S):
                message: tuple[Any, ...] = pipe.recv()
                if message[0] == "news" and news is not None:
                    news(message[1])
                if message[0] not in ("progress", "log", "news"):
                    return message
    except (EOFError, OSError):
        pass  # it has ended already
    return None


def _end(child: Any) -> None:
    """Make sure that the process is gone."""
    child.join(_POLL_S)
    if child.is_alive():
        child.terminate()
        child.join(0.2)
    if child.is_alive():
        child.kill()
    child.join(_KILLED_S)


def _close(child: Any) -> None:
    """Give back what the ended process holds.

    Another thread that starts a process, and the end of the program, collect the exit codes of all children; until
    they have noted it, multiprocessing takes the child for alive and refuses.
    """
    for _ in range(round(1 / _POLL_S)):
        try:
            child.close()
        except ValueError:
            time.sleep(_POLL_S)
        else:
            return
    logger.warning("Process %s was ended, and the system has not removed it", child.pid)


def _crash_message(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        hint = " The system may have run out of memory." if name == "SIGKILL" else ""
        how = f"was ended by {name}.{hint}"
    else:
        how = f"ended with exit code {exit_code}."
    return (
        f"The background process {how} Nothing was written. Try again; if it happens again, "
        "send the log file (Help > About says where it is)."
    )


# --- the child's side ----------------------------------------------------------------------------


class _SharedPipe:
    """The child's end of the pipe; several threads may send (progress, log records)."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def send(self, message: tuple[Any, ...]) -> None:
        with self._lock:
            self._pipe.send(message)

    def poll(self) -> bool:
        return self._pipe.poll()

    def close(self) -> None:
        self._pipe.close()


class _PipeHandler(logging.Handler):
    """Sends log records to the parent, which owns the log file."""

    def __init__(self, pipe: _SharedPipe) -> None:
        super().__init__(logging.INFO)
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._pipe.send(("log", record.levelno, record.name, self.format(record)))
        except OSError:
            self.handleError(record)


class _PipeProgress:
    """Reports at most 20 times a second, and raises when the parent asked to stop or is gone."""

    def __init__(self, pipe: _SharedPipe) -> None:
        self._pipe = pipe
        self._next_look = 0.0
        self._next_report = 0.0
        self._stage = ""

    def __call__(self, done: int, total: int, stage: str = "") -> None:
        now = time.monotonic()
        if now < self._next_look and stage == self._stage:
            return
        self._next_look = now + 0.01
        try:
            if self._pipe.poll():
                raise OperationCancelled
            if now >= self._next_report or stage != self._stage:
                self._next_report = now + 0.05
                self._stage = stage
                self._pipe.send(("progress", int(done), int(total), stage))
        except OSError:
            raise OperationCancelled from None


def _child_main(
    connection: Connection,
    function: Callable[..., Any],
    args: tuple[object, ...],
    with_news: bool,
) -> None:
    """Entry of the child: run, answer once, end."""
    pipe = _SharedPipe(connection)
    if hasattr(os, "nice"):
        os.nice(10)  # the window and the interactive reads come first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    logging.basicConfig(handlers=[_PipeHandler(pipe)], level=logging.INFO, format="%(message)s")
    more: dict[str, Any] = {}
    if with_news:
        more["news"] = lambda value: pipe.send(("news", value))
    try:
        result = function(*args, progress=_PipeProgress(pipe), **more)
        answer: tuple[Any, ...] = ("result", result)
    except OperationCancelled:
        answer = ("cancelled",)
    except Exception as error:
        answer = ("error", error, traceback.format_exc())
    try:
        pipe.send(answer)
    except OSError:
        pass  # the parent is gone: nobody to tell
    except Exception as error:  # does not pickle
        reason = answer[2] if answer[0] == "error" else repr(error)
        pipe.send(("error", ChildError(reason), reason))
    pipe.close()
