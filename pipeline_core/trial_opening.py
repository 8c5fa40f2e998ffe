"""Damaged files can crash the HDF5 library itself: a process that may die opens every file before ours does.

`check_harmless` is called by `hdf5.open_readonly`, the one door for HDF5 files. The other process reads all that HDF5
keeps in a file, but photons; how it ends is the answer. It is a forked child, or, in programs of several threads, which
must not fork, a helper that is kept for the next files. Files that were found harmless are remembered.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import faulthandler
import json
import logging
import math
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from pipeline_core.errors import InputFormatError
from pipeline_core.trial_look import Answer, look, rehearse
from pipeline_core.trial_memory import Identity, recall, remember

__all__ = ["check_harmless", "serve", "warm_up"]

logger = logging.getLogger(__name__)

_CPU_LIMIT_S = 10
"""A sound file takes milliseconds: this long only loops take, and the system ends them. A file of thousands of tables
(one a pixel) takes longer in all: the other process has this long for every `NODES_A_SIGN` of them."""
_WAIT_LIMIT_S = 60.0
"""Without a sign of life. Slow disks may take longer, but not for ever."""
_MEMORY_LIMIT = 2 << 30
"""Bytes that reading may take; a damaged size asks for more."""
_SLOW_S = 1.0
_LEAST_SLOW_BYTES = 1 << 20
"""Trials that take longer are remembered in the user's cache; no smaller file has so many nodes."""

_READY = "ready"
_SIGN = b"."
_PROGRAM = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import serve; serve()"


class _Died(Exception):
    """The other process ended without an answer, in the way that the text says."""


class _NoProcess(Exception):
    """There is no other process to be had."""


def check_harmless(path: Path) -> None:
    """Refuse a file on which the HDF5 library crashes, hangs, or finds something broken, without opening it here.

    Whether there is in it what should be is not said: whoever opens it finds out. May be called from any thread.

    Raises
    ------
    InputFormatError
        The message names the file, what the library does, and the remedy.
    """
    state = _state_of_this_process()
    try:
        found = path.stat()
    except OSError:
        return  # whoever opens it says why
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    name = str(path.absolute())
    if state.harmless.get(name) == identity:
        return
    if found.st_size > _LEAST_SLOW_BYTES and recall(name) == identity:
        state.harmless[name] = identity
        return
    begun = time.monotonic()
    try:
        answer = _look_in_child(name) if _may_fork() else state.helper.look(name)
    except _Died as death:
        raise InputFormatError(_damaged(path, f"{death} on opening it")) from death
    except _NoProcess as error:
        logger.warning("%s is opened without a trial: %s", path, error)
        return
    if not answer.can_be_opened:
        raise InputFormatError(
            f"{path} is an HDF5 file, but damaged, cut off, or still being written. Copy it again, or convert the raw "
            "files again."
        )
    if answer.too_large:
        size = f"{_MEMORY_LIMIT >> 30} GiB"
        raise InputFormatError(_damaged(path, f"asks for more than {size} of memory to read it"))
    if answer.unreadable:
        raise InputFormatError(_damaged(path, f"cannot read {answer.unreadable}"))
    state.harmless[name] = identity
    if found.st_size > _LEAST_SLOW_BYTES and time.monotonic() - begun > _SLOW_S:
        remember(name, identity)


def _damaged(path: Path, what: str) -> str:
    return f"{path} is damaged: the HDF5 library {what}. Copy it again, or convert the raw files again."


def warm_up() -> None:
    """Start the helper that a program of several threads needs, without waiting for it."""
    with contextlib.suppress(_NoProcess):
        _state_of_this_process().helper.start()


def _may_fork() -> bool:
    """Whether this process has one thread only: those of libraries (BLAS, Blosc) see to forks themselves."""
    return threading.active_count() == 1 and threading.current_thread() is threading.main_thread()


def _manner(status: int) -> str:
    """Put into words how a process ended (as `subprocess` says it: signals are negative)."""
    if status >= 0:
        return f"ends the program (exit code {status})"
    if -status == signal.SIGXCPU:
        return "hangs"
    try:
        return f"crashes ({signal.Signals(-status).name})"
    except ValueError:
        return f"crashes (signal {-status})"


# --- a forked child ------------------------------------------------------------------------------


def _look_in_child(name: str) -> Answer:
    """Let a forked child look at a file, and return what it says.

    Raises
    ------
    _Died, _NoProcess
    """
    import pipeline_core.pickle_guard  # noqa: F401  # once, here, and not in every child

    ours, theirs = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: see _may_fork
            child = os.fork()
    except OSError as error:
        os.close(ours)
        os.close(theirs)
        raise _NoProcess(str(error)) from error
    if child == 0:
        _end_with_look(name, theirs)
    os.close(theirs)
    line = None
    try:
        line = _line(ours)
    finally:
        os.close(ours)
        if line is None:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if line is None:
        raise _Died("hangs")
    if not line:
        raise _Died(_manner(os.waitstatus_to_exitcode(status)))
    return Answer(**json.loads(line))


def _end_with_look(name: str, answers: int) -> NoReturn:
    """Look, and end without a trace: nothing of the parent's is flushed, logged or dumped."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        faulthandler.disable()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # the libraries print when they break
            os.dup2(nowhere, stream)
        _limit_size()
        _limit_time()
        _tell(answers, dataclasses.asdict(look(name, partial(_show_life, answers))))
    finally:
        os._exit(1)


def _tell(answers: int, what: object) -> None:
    os.write(answers, json.dumps(what).encode() + b"\n")


def _show_life(answers: int) -> None:
    """Say that the next nodes are looked at, and take more time for them."""
    _limit_time()
    os.write(answers, _SIGN)


def _line(descriptor: int) -> bytes | None:
    """Return the next line from the other process, b"" if it has ended, None if it shows no life for too long."""
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([descriptor], [], [], _WAIT_LIMIT_S)[0]:
            return None
        part = os.read(descriptor, 4096)
        if not part:
            return b""
        line += part.lstrip(_SIGN)
    return line


def _limit_size() -> None:
    _lower(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError, ValueError):  # where the system does not tell: no limit
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + _MEMORY_LIMIT)


def _limit_time() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + _CPU_LIMIT_S)


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


# --- the helper of a program of several threads --------------------------------------------------


class _Helper:
    """A process that looks at one file after the other. It is started anew after each that made it stumble.

    Any thread may call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_fresh = True

    def stop(self) -> None:
        """End it; the next file starts it again."""
        with self._lock:
            self._drop()

    def start(self) -> None:
        """Start it, if it is not running, and do not wait."""
        with self._lock:
            self._running()

    def look(self, name: str) -> Answer:
        """Return what it says of a file.

        Raises
        ------
        _Died, _NoProcess
        """
        with self._lock:
            while True:
                process = self._running()
                was_fresh, self._is_fresh = self._is_fresh, False
                if was_fresh:
                    self._wait_until_ready(process)
                try:
                    answer = Answer(**_ask(process, name))
                except _Died:
                    self._drop()
                    if was_fresh:
                        self._running()  # for the next file
                        raise
                    continue  # the harm may have been done by an earlier file
                if not answer.is_sound:
                    self._drop()
                    self._running()
                return answer

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        try:
            _ask(process)
        except _Died as death:
            self._drop()
            raise _NoProcess("the helper does not start") from death

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._drop()
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    [sys.executable or "python3", "-c", _PROGRAM, *sys.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    bufsize=0,
                    start_new_session=True,  # Ctrl-C is not for it: it ends with its pipe
                )
            except OSError as error:
                raise _NoProcess(str(error)) from error
            self._is_fresh = True
            atexit.unregister(self.stop)
            atexit.register(self.stop)
        return self._process

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def _ask(process: subprocess.Popen[bytes], name: str | None = None) -> Any:
    """Send a name, if there is one, and return the answer; raise _Died."""
    assert process.stdin is not None
    assert process.stdout is not None
    if name is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(name).encode() + b"\n")
    line = _line(process.stdout.fileno())
    if line is None:
        raise _Died("hangs")
    if not line:
        raise _Died(_manner(process.wait()))
    return json.loads(line)


def serve() -> None:
    """Answer for names of files on standard input until it ends: the helper's main function."""
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever libraries print is no answer
    _limit_size()
    rehearse()
    _tell(answers, _READY)
    for line in sys.stdin.buffer:
        _limit_time()
        _tell(answers, dataclasses.asdict(look(json.loads(line), partial(_show_life, answers))))


# --- what this process remembers -----------------------------------------------------------------


@dataclass
class _State:
    process_id: int = field(default_factory=os.getpid)
    harmless: dict[str, Identity] = field(default_factory=dict)
    helper: _Helper = field(default_factory=_Helper)


_state = _State()


def _state_of_this_process() -> _State:
    """Return what is remembered; a forked process has no share in its parent's helper."""
    global _state
    if _state.process_id != os.getpid():
        _state = _State(harmless=_state.harmless)
    return _state
