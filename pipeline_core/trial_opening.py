"""Damaged files can crash the HDF5 library itself: a process that may die opens every file before ours does.

`check_harmless` is called by `hdf5.open_readonly`, the one door for HDF5 files. The other process reads all that HDF5
keeps in a file, but photons; how it ends is the answer. It is a forked child, or, in programs of several threads, which
must not fork, a helper that is kept for the next files. Files that were found harmless are remembered.
"""

from __future__ import annotations

import atexit
import contextlib
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
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from pipeline_core import schema
from pipeline_core.errors import InputFormatError

__all__ = ["check_harmless", "serve", "warm_up"]

logger = logging.getLogger(__name__)

_CPU_LIMIT_S = 10
"""A sound file takes milliseconds: this long only loops take, and the system ends them."""
_WAIT_LIMIT_S = 60.0
"""Slow disks may take longer, but not for ever."""
_MEMORY_LIMIT = 2 << 30
"""Bytes that reading may take; a damaged size asks for more."""
_LARGE_TABLE = 64 << 20
"""Bytes from which on a table is not read whole: it holds photons of a foreign layout."""
_MOST_CHUNKS = 200_000
_CHUNK_ROWS = 65536  # of `chunkcodec`, which would load Numba

_SOUND, _STUMBLED, _TOO_LARGE = 0, 3, 4
"""Exit codes and answers: nothing, or a Python exception, or too little memory stopped us."""

_READY = b"r"
_PROGRAM = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import serve; serve()"

_Attempt = Callable[..., Any]
"""Calls its first argument with the others."""
_Identity = tuple[int, int, int, int]


class _Died(Exception):
    """The other process ended without an answer, in the way that the text says."""


class _NoProcess(Exception):
    """There is no other process to be had."""


def check_harmless(path: Path) -> None:
    """Raise InputFormatError if the HDF5 library crashes or hangs on a file, or wants more memory than can be right.

    Whether the file is good is not said: whoever opens it finds out. May be called from any thread.
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
    try:
        answer = _look_in_child(name) if _may_fork() else state.helper.look(name)
        what = ""
        if answer == _TOO_LARGE:
            what = f"asks for more than {_MEMORY_LIMIT >> 30} GiB of memory on opening it"
    except _Died as death:
        what = f"{death} on opening it"
    except _NoProcess as error:
        logger.warning("%s is opened without a trial: %s", path, error)
        return
    if what:
        raise InputFormatError(
            f"{path} is damaged: the HDF5 library {what}. Copy it again, or convert the raw files again."
        )
    state.harmless[name] = identity


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


def _look_in_child(name: str) -> int:
    """Let a forked child look at a file, and return its exit code.

    Raises
    ------
    _Died, _NoProcess
    """
    import pipeline_core.hdf5  # noqa: F401  # once, here, and not in every child

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
        _end_with_look(name)
    os.close(theirs)
    ended = False
    try:
        # the other end closes when the child ends, however it does
        ended = bool(select.select([ours], [], [], _WAIT_LIMIT_S)[0])
    finally:
        os.close(ours)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, wait_status = os.waitpid(child, 0)
    if not ended:
        raise _Died("hangs")
    status = os.waitstatus_to_exitcode(wait_status)
    if status not in (_SOUND, _STUMBLED, _TOO_LARGE):
        raise _Died(_manner(status))
    return status


def _end_with_look(name: str) -> NoReturn:
    """Look, and end without a trace: nothing of the parent's is flushed, logged or dumped."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        faulthandler.disable()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # the libraries print when they break
            os.dup2(nowhere, stream)
        _limit_size()
        _limit_time()
        code = _look(name)
    finally:
        os._exit(code)


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

    def look(self, name: str) -> int:
        """Return what it says of a file.

        Raises
        ------
        _Died, _NoProcess
        """
        with self._lock:
            while True:
                process = self._running()
                was_fresh, self._is_fresh = self._is_fresh, False
                if was_fresh and _answer(process) != _READY:
                    self._drop()
                    raise _NoProcess("the helper does not start")
                try:
                    answer = _exchange(process, name)
                except _Died:
                    self._drop()
                    if was_fresh:
                        self._running()  # for the next file
                        raise
                    continue  # the harm may have been done by an earlier file
                if answer != _SOUND:
                    self._drop()
                    self._running()
                return answer

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


def _exchange(process: subprocess.Popen[bytes], name: str) -> int:
    """Send a name and return the answer; raise _Died."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(name).encode() + b"\n")
    answer = _answer(process)
    if answer is None:
        raise _Died("hangs")
    if not answer:
        raise _Died(_manner(process.wait()))
    return int(answer)


def _answer(process: subprocess.Popen[bytes]) -> bytes | None:
    """Return the next answer, b"" if the process has ended, None if that takes too long."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], _WAIT_LIMIT_S)[0]:
        return None
    return process.stdout.read(1)


def serve() -> None:
    """Answer for names of files on standard input until it ends: the helper's main function."""
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever libraries print is no answer
    _limit_size()
    _rehearse()
    os.write(answers, _READY)
    for line in sys.stdin.buffer:
        _limit_time()
        os.write(answers, b"%d" % _look(json.loads(line)))


def _rehearse() -> None:
    """Look at something small in memory, so that the first file does not wait for what is done only once."""
    import numpy as np
    import tables

    with tables.open_file("rehearsal", "w", driver="H5FD_CORE", driver_core_backing_store=0) as h5:
        h5.create_table("/", "table", np.dtype([("x", "u4"), ("text", "S9")])).append([(1, "a")])
        h5.create_carray("/", "array", obj=np.arange(3)).attrs.text = "a"
        h5.flush()
        _walk(h5, lambda call, *args: call(*args))


# --- looking -------------------------------------------------------------------------------------


def _look(name: str) -> int:
    """Read what HDF5 keeps in a file; return whether that went well. It may crash."""
    import tables

    from pipeline_core.hdf5 import no_pickles

    found = _SOUND

    def attempt(call: Callable[..., object], *args: object) -> Any:
        nonlocal found
        try:
            return call(*args)
        except MemoryError:
            found = _TOO_LARGE
        except Exception:  # an error is not a crash
            found = max(found, _STUMBLED)
        return None

    with no_pickles():
        h5 = attempt(partial(tables.open_file, name, "r", pytables_sys_attrs=False))
        if h5 is not None:
            _walk(h5, attempt)
            attempt(h5.close)
    return found


def _walk(h5: Any, attempt: _Attempt) -> None:
    import tables

    for node in _nodes(h5, attempt):
        for name in attempt(_attribute_names, node) or ():
            attempt(_attribute, node, name)
        if isinstance(node, (tables.Array, tables.Table)):
            _read(node, attempt)


def _attribute_names(node: Any) -> list[str]:
    return list(node._v_attrs._v_attrnames)


def _attribute(node: Any, name: str) -> object:
    return node._v_attrs._g_getattr(node, name)


def _children(group: Any) -> list[str]:
    return list(group._v_children)


def _nodes(h5: Any, attempt: _Attempt) -> Iterator[Any]:
    """Yield all groups and leaves that can be reached; damaged links may form circles."""
    import tables

    waiting = ["/"]
    while waiting:
        where = waiting.pop()
        node = attempt(h5.get_node, where)
        if node is None:
            continue
        yield node
        if isinstance(node, tables.Group) and where.count("/") < 10:
            children = attempt(_children, node) or ()
            waiting += [f"{where.rstrip('/')}/{child}" for child in children]


def _read(leaf: Any, attempt: _Attempt) -> None:
    """Read all of it, but photons: of them one asks HDF5 only where their chunks are."""
    import tables

    attempt(getattr, leaf, "filters")
    if isinstance(leaf, tables.Table):
        ours = leaf._v_pathname == schema.PHOTON_TABLE and leaf.chunkshape == (_CHUNK_ROWS,)
        if ours or (attempt(getattr, leaf, "size_in_memory") or 0) > _LARGE_TABLE:
            rows, step = int(leaf.nrows), int(leaf.chunkshape[0])
            if rows <= _MOST_CHUNKS * step:
                for row in range(0, rows, step):
                    attempt(leaf.chunk_info, (row,))
            if not ours:
                attempt(leaf.read, 0, 1)
            return
    attempt(leaf.read)


# --- what this process remembers -----------------------------------------------------------------


@dataclass
class _State:
    process_id: int = field(default_factory=os.getpid)
    harmless: dict[str, _Identity] = field(default_factory=dict)
    helper: _Helper = field(default_factory=_Helper)


_state = _State()


def _state_of_this_process() -> _State:
    """Return what is remembered; a forked process has no share in its parent's helper."""
    global _state
    if _state.process_id != os.getpid():
        _state = _State(harmless=_state.harmless)
    return _state
