"""The folder of converted raw seconds: bounded, shared by processes, safe to delete at any time."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipeline_core.errors import InputFormatError, OutputError
from pipeline_core.progress import Progress

__all__ = ["MAX_BYTES", "MAX_FILES", "cache_folder", "content_key", "obtain"]

logger = logging.getLogger(__name__)

MAX_FILES = 64
MAX_BYTES = 4_000_000_000
"""What may stay in the folder; what is being opened may be larger by itself."""

_ABANDONED_S = 3600.0
"""An unfinished file that has not grown for so long belongs to a process that was killed."""

_making = threading.Lock()


def cache_folder() -> Path:
    """Return the folder, made if need be: ``$XDG_CACHE_HOME/quicklook/raw``, or a temporary one without a home.

    Raises
    ------
    OutputError
        If neither can be written.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    usual = Path(home) / "quicklook" / "raw"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for folder in (usual, Path(tempfile.gettempdir()) / f"quicklook-raw-{user}"):
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    raise OutputError(
        f"Folder {usual} cannot be written: raw files are converted there before they are shown. Create it, change its "
        "permissions, or set XDG_CACHE_HOME to another folder."
    )


def content_key(paths: list[Path], *about: object) -> str:
    """Return a key that changes with any of the files (path, size, time of change) or of `about`.

    Raises
    ------
    InputFormatError
        If a file cannot be looked at.
    """
    digest = hashlib.sha256(repr(about).encode())
    for path in paths:
        try:
            facts = path.stat()
        except OSError as error:
            raise InputFormatError(
                f"Raw file {path} cannot be read: {error.strerror}. Check the path and the permissions."
            ) from error
        digest.update(repr((str(path.resolve()), facts.st_size, facts.st_mtime_ns)).encode())
    return digest.hexdigest()[:32]


def obtain(name: str, make: Callable[[Path], object], progress: Progress) -> Path:
    """Return the file of this name in the folder; where there is none, `make` it.

    Two that want the same file at the same time both get it: threads wait for each other, of two processes the first
    one to finish wins.

    Parameters
    ----------
    name : str
    make : callable
        ``make(path)`` writes the file aside and lets it appear whole (`pipeline_core.atomic`); raises OutputError if
        it appears meanwhile.
    progress : Progress
        Called while another thread is waited for; may cancel.
    """
    path = cache_folder() / name
    while not _making.acquire(timeout=0.05):
        progress(0, 1, "waiting for another conversion")
    try:
        if not path.exists():
            _remove_abandoned(path.parent)
            try:
                make(path)
            except OutputError:
                if not path.exists():
                    raise
        with suppress(OSError):
            os.utime(path)  # the oldest go first
        _bound(path)
    finally:
        _making.release()
    return path


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left unfinished."""
    for part in folder.glob("*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > _ABANDONED_S:
                logger.info("removed %s, left unfinished", part)
                part.unlink()


def _bound(newest: Path) -> None:
    """Remove the oldest files until number and bytes are within bounds; never the newest.

    Whoever has a removed file open can go on reading it.
    """
    files = []
    for path in newest.parent.glob("*.h5"):
        with suppress(OSError):
            facts = path.stat()
            files.append((path == newest, facts.st_mtime_ns, facts.st_size, path))
    files.sort(reverse=True)
    total = 0
    for number, (is_newest, _, size, path) in enumerate(files):
        total += size
        if not is_newest and (number >= MAX_FILES or total > MAX_BYTES):
            with suppress(OSError):
                path.unlink()
