"""Content hashes of files, remembered by path, size, time of change and inode: unchanged files are not read again.

Files that an older version has hashed keep its kind of hash, so that what was made of them stays valid.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import xxhash

from pipeline_core.atomic import write_aside
from pipeline_core.errors import InputFormatError, PipelineError
from pipeline_core.progress import Progress, silent

__all__ = ["HashCache"]

_BLOCK = 1 << 20
_OLDER_BYTES = 20
_OLDER = partial(hashlib.blake2b, digest_size=_OLDER_BYTES)
_PRESENT = xxhash.xxh3_128
"""Tells contents apart by chance, as fast as memory is read; no guard against forgery."""
_AT_ONCE = 4
"""Files: it is the disk that they wait for."""
_LOOK_EVERY_S = 0.05


class HashCache:
    """Hashes of files, kept in a JSON file.

    Parameters
    ----------
    path : path
        Where they are kept; whatever cannot be read there counts as not known.
    verify : bool
        Whether every file is read again, whatever is remembered.
    progress : Progress
        Called while files are read; may cancel.
    """

    def __init__(self, path: Path, *, verify: bool = False, progress: Progress = silent) -> None:
        self._path = path
        self._verify = verify
        self._progress = progress
        self._known: dict[str, list[object]] = {}
        self._looked_at: set[str] = set()
        self._changed = False
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        if isinstance(found, dict):
            self._known = {
                key: value
                for key, value in found.items()
                if isinstance(value, list) and len(value) == 4
            }

    def of(self, path: Path) -> str:
        """Return the hash of a file's content.

        Raises
        ------
        InputFormatError
            If it cannot be read.
        """
        return self.of_all([path])[0]

    def of_all(self, paths: Sequence[Path]) -> list[str]:
        """Return the hash of each file; several are read at a time.

        Raises
        ------
        InputFormatError
            If one cannot be read.
        """
        stop = threading.Event()
        with ThreadPoolExecutor(_AT_ONCE, "hash") as pool:
            reading = [pool.submit(self._look, path, stop) for path in paths]
            try:
                for path, one in zip(paths, reading, strict=True):
                    while not wait([one], _LOOK_EVERY_S).done:
                        self._progress(0, 0, f"reading {path.name}")
                    self._progress(0, 0, f"reading {path.name}")
                    one.result()
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [
            self._remember(path, one.result()) for path, one in zip(paths, reading, strict=True)
        ]

    def _look(self, path: Path, stop: threading.Event) -> list[object]:
        """Return size, time of change, inode and hash of a file: as remembered, or read. In any thread."""
        try:
            facts = path.stat()
            stamp = [facts.st_size, facts.st_mtime_ns, facts.st_ino]
            key = str(path.absolute())
            known = self._known.get(key)
            fresh = not self._verify or key in self._looked_at
            if fresh and known is not None and known[:3] == stamp and isinstance(known[3], str):
                return known
            as_before = known is not None and len(str(known[3])) == 2 * _OLDER_BYTES
            digest = _hash_of(path, _OLDER if as_before else _PRESENT, stop.is_set)
        except OSError as error:
            raise InputFormatError(
                f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
            ) from error
        return [*stamp, digest]

    def _remember(self, path: Path, found: list[object]) -> str:
        key = str(path.absolute())
        if self._known.get(key) is not found:
            self._known[key] = found
            self._looked_at.add(key)
            self._changed = True
        return str(found[3])

    def save(self) -> None:
        """Keep what is known. A folder that cannot be written costs time later, nothing else."""
        if not self._changed:
            return
        try:
            with write_aside(self._path, replace=True) as part:
                part.write_text(json.dumps(self._known), encoding="utf-8")
            self._changed = False
        except PipelineError:
            pass


def _hash_of(path: Path, kind: Callable[[], Any], cancelled: Callable[[], bool]) -> str:
    """Return the hash of a file's content; what is returned after a cancel is of no use."""
    digest = kind()
    block = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as stream:
        while not cancelled() and (count := stream.readinto(block)):
            digest.update(block[:count])
    return str(digest.hexdigest())
