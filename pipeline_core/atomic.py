"""Files appear whole or not at all: written aside, synced, renamed, and the folder synced too."""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline_core.errors import OutputError

logger = logging.getLogger(__name__)

_HOST = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "host"

_PAGE = 4096

__all__ = ["is_running", "part_path", "write_aside", "written_back"]


def part_path(target: Path) -> Path:
    """Return where this process writes `target` aside: beside it, named by target, host and process."""
    return target.with_name(f"{target.name}.{_HOST}.{os.getpid()}.part")


def _remove_left_overs(target: Path) -> None:
    """Remove what processes of this machine left behind that were killed while they wrote `target`."""
    name = re.compile(rf"{re.escape(target.name)}\.{re.escape(_HOST)}\.(\d+)\.part")
    with suppress(OSError):
        for path in target.parent.iterdir():
            match = name.fullmatch(path.name)
            if match and not is_running(int(match.group(1))):
                logger.info("removed %s, left behind by a process that was killed", path)
                path.unlink()


def is_running(process: int) -> bool:
    """Tell whether this machine has a process of this number."""
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def write_aside(target: Path, *, replace: bool, mode: int = 0o666) -> Iterator[Path]:
    """Give a path to write to; on success it becomes `target`, on any error nothing is left.

    What a process that was killed has left is removed by the next one that writes the same target.

    Parameters
    ----------
    target : path
        The file to appear.
    replace : bool
        Whether an existing file may be replaced. Without it, a file that appears while this one
        is being written is never overwritten either.
    mode : int
        Permissions of the finished file, before the umask.

    Raises
    ------
    OutputError
        If the folder is missing or cannot be written, the disk is full, or `target` exists and must not be replaced.
    """
    if target.is_symlink():
        target = _behind_link(target)
    if target.is_dir():
        raise OutputError(f"{target} is a folder. Choose the name of a file.")
    if target.exists() and not replace:
        raise OutputError(_exists(target))
    _remove_left_overs(target)
    part = part_path(target)
    try:
        part.touch(exist_ok=False)
    except FileExistsError:
        raise OutputError(
            f"{target} is being written by this program already. Wait for it or choose another name."
        ) from None
    except OSError as error:
        raise OutputError(
            f"Cannot write in folder {target.parent}: {error.strerror}. Create it, change its permissions, "
            "or choose another output."
        ) from error
    try:
        yield part
        _finish(part, target, replace=replace, mode=mode)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"The disk that holds {target.parent} is full. Free some space and try again."
            ) from error
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}. Check the disk."
        ) from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _behind_link(link: Path) -> Path:
    try:
        found = link.resolve()
        circle = found.is_symlink()
    except (OSError, RuntimeError):  # before Python 3.13, a circle is a RuntimeError
        circle = True
    if circle:
        raise OutputError(f"{link} is a link that leads to no file. Remove it or choose another.")
    return found


@contextmanager
def written_back(path: Path, interval_s: float = 0.05, *, cached: bool = True) -> Iterator[None]:
    """Keep sending a growing file to the disk from a thread, so that little is left for the final sync.

    Unless it is to stay `cached`, what is on the disk leaves the page cache: for a long file, filling ever more memory
    costs the processor several times what writing does, and pushes out what others need.

    Raises
    ------
    OSError
        If the disk refused data; a later sync of the same file might not tell.
    """
    stop = threading.Event()
    errors: list[OSError] = []

    def send() -> None:
        descriptor = os.open(path, os.O_RDONLY)
        dropped = 0
        try:
            while not stop.wait(interval_s):
                size = os.fstat(descriptor).st_size
                os.fdatasync(descriptor)
                if not cached and size > dropped and hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(descriptor, dropped, size - dropped, os.POSIX_FADV_DONTNEED)
                    dropped = size - size % _PAGE
        except OSError as error:
            errors.append(error)
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=send, name="write-back", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]


def _finish(part: Path, target: Path, *, replace: bool, mode: int) -> None:
    umask = os.umask(0)
    os.umask(umask)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.fchmod(descriptor, mode & ~umask)
    finally:
        os.close(descriptor)
    if replace:
        part.replace(target)
    else:
        try:
            os.link(part, target)  # unlike a rename, fails if the name is taken
        except FileExistsError:
            raise OutputError(_exists(target)) from None
        except OSError:  # a file system without hard links
            if target.exists():
                raise OutputError(_exists(target)) from None
            part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _exists(target: Path) -> str:
    return f"{target} exists already. Choose another name, or ask to overwrite it."
