"""One program at a time: a lock file beside what is changed, which no killed program can keep.

Where the file system has locks, the system frees that of a program that ends, however it does. Where it has none (some
network disks), the lock is that the file exists; it says who made it, so that one of a dead process is removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline_core.atomic import is_running
from pipeline_core.errors import OutputError, SidecarConflictError

__all__ = ["locked"]

_WAIT_S = 5.0
_LOOK_AGAIN_S = 0.02
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, ``<name>.lock``; waits a few seconds for another program.

    Raises
    ------
    SidecarConflictError
        If another program keeps it.
    OutputError
        If the folder cannot be written.
    """
    lock = path.with_name(f"{path.name}.lock")
    deadline = time.monotonic() + _WAIT_S
    held = _taken(lock)
    while held is None:
        if time.monotonic() > deadline:
            raise SidecarConflictError(
                f"{path} is being changed by another program. Try again when it has finished; if there is none, "
                f"remove {lock}*."
            )
        time.sleep(_LOOK_AGAIN_S)
        held = _taken(lock)
    try:
        yield
    finally:
        for mine in held.files:
            with contextlib.suppress(OSError):
                mine.unlink()
        os.close(held.descriptor)


class _Held(NamedTuple):
    """A lock that is ours: freed by removing its files and closing, in this order."""

    descriptor: int
    files: tuple[Path, ...]


def _taken(lock: Path) -> _Held | None:
    """Try to take the lock; None if somebody else has it."""
    descriptor = _opened(lock, os.O_RDWR | os.O_CREAT)
    held = None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # whoever had it has removed it since it was opened: then it locks nothing
        if _is_there(lock, descriptor):
            held = _Held(descriptor, (lock,))
    except BlockingIOError:
        pass
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise OutputError(
                f"{lock} cannot be locked: {error.strerror}. Check the disk."
            ) from error
        return _taken_without_locks(lock)
    finally:
        if held is None:
            os.close(descriptor)
    return held


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags, 0o666)
    except FileExistsError:
        raise
    except OSError as error:
        raise OutputError(
            f"Cannot write in folder {path.parent}: {error.strerror}. Check its permissions."
        ) from error


def _is_there(lock: Path, descriptor: int) -> bool:
    mine = os.fstat(descriptor)
    try:
        found = lock.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)


def _taken_without_locks(lock: Path) -> _Held | None:
    """Try to make the file that is the lock; one that a dead process of this machine has left is removed."""
    holder = lock.with_name(f"{lock.name}.held")
    try:
        descriptor = _opened(holder, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        if _is_left_over(holder):
            with contextlib.suppress(OSError):
                holder.unlink()
        return None
    os.write(descriptor, f"{socket.gethostname()} {os.getpid()}".encode())
    return _Held(descriptor, (lock, holder))


def _is_left_over(holder: Path) -> bool:
    try:
        host, process = holder.read_text(encoding="utf-8").split()
        return host == socket.gethostname() and not is_running(int(process))
    except FileNotFoundError:
        return False
    except (OSError, ValueError):  # killed before it had written its name, or is just writing it
        with contextlib.suppress(OSError):
            return time.time() - holder.stat().st_mtime > 2 * _WAIT_S
        return False
