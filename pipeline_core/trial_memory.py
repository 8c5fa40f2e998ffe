"""Which files were found harmless (`trial_opening`), beyond the end of the program: for those where that took long.

Kept in the user's cache, safe to delete at any time. What cannot be read or written is forgotten, and looked at again.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path

from pipeline_core.atomic import write_aside
from pipeline_core.errors import OutputError
from pipeline_core.rawcache import cache_folder

__all__ = ["Identity", "recall", "remember"]

logger = logging.getLogger(__name__)

Identity = tuple[int, int, int, int]
"""Device, inode, size and time of change (ns)."""

_MOST = 200
_NAME = "sound.json"


def recall(name: str) -> Identity | None:
    """Return what a file was when it was last found harmless; None if it never was."""
    found = _read().get(name)
    if isinstance(found, list) and len(found) == 4 and all(isinstance(n, int) for n in found):
        return found[0], found[1], found[2], found[3]
    return None


def remember(name: str, identity: Identity) -> None:
    """Note that a file, as it is now, is harmless."""
    entries = _read()
    entries.pop(name, None)
    entries[name] = list(identity)
    latest = dict(list(entries.items())[-_MOST:])
    try:
        with write_aside(cache_folder() / _NAME, replace=True) as part:
            part.write_text(json.dumps(latest), encoding="utf-8")
    except OutputError as error:
        logger.info("%s is looked at again the next time: %s", name, error)


def _read() -> dict[str, object]:
    with suppress(OSError, OutputError, ValueError):
        found = json.loads(Path(cache_folder() / _NAME).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}
