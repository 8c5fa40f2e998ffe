"""How datastream files are named. Light on purpose: lists of files look here too."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["STREAM_ENDINGS", "is_stream_name", "named_second"]

STREAM_ENDINGS = (".fits", ".fit", ".fits.gz", ".fit.gz")

_NAME = re.compile(r"\D*(\d{9,10})\.fits?(\.gz)?", re.IGNORECASE)


def is_stream_name(name: str) -> bool:
    """Tell whether a file may be a datastream by its name."""
    return name.lower().endswith(STREAM_ENDINGS)


def named_second(path: Path) -> int | None:
    """Return the unix second in the name of a datastream, that of its writing; None if there is none."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else None
