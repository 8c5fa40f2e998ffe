"""Content hashes of files, remembered by path, size, time of change and inode: unchanged files are not read again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pipeline_core.atomic import write_aside
from pipeline_core.errors import InputFormatError, PipelineError
from pipeline_core.progress import Progress, silent

__all__ = ["HashCache"]

_BLOCK = 1 << 22


class HashCache:
    """Hashes of files, kept in a JSON file.

    Parameters
    ----------
    path : path
        Where they are kept; whatever cannot be read there counts as not known.
    verify : bool
        Whether every file is read again, whatever is remembered.
    progress : Progress
        Called while a file is read; may cancel.
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
            self._known = {key: value for key, value in found.items() if isinstance(value, list)}

    def of(self, path: Path) -> str:
        """Return the hash of a file's content.

        Raises
        ------
        InputFormatError
            If it cannot be read.
        """
        try:
            facts = path.stat()
            stamp = [facts.st_size, facts.st_mtime_ns, facts.st_ino]
            key = str(path.absolute())
            known = self._known.get(key)
            fresh = not self._verify or key in self._looked_at
            if fresh and known is not None and known[:3] == stamp and isinstance(known[3], str):
                return known[3]
            digest = hashlib.blake2b(digest_size=20)
            with path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    self._progress(0, 0, f"reading {path.name}")
        except OSError as error:
            raise InputFormatError(
                f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
            ) from error
        self._known[key] = [*stamp, digest.hexdigest()]
        self._looked_at.add(key)
        self._changed = True
        return digest.hexdigest()

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
