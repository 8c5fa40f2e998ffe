"""Paths as people read them, and which of them are there. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline_core.progress import Progress, silent

__all__ = ["missing_paths", "shortened", "without_home"]


def shortened(path: Path) -> str:
    """Return a path with '~' for the home folder."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere, or a user without a home
        return str(path)


def without_home(text: str) -> str:
    """Return a text with '~' wherever it names the home folder or something in it."""
    try:
        home = str(Path.home())
    except RuntimeError:
        return text
    if home == "/":
        return text
    parts = text.split(home)
    joined = parts[0]
    for part in parts[1:]:
        inside = not part[:1].isalnum() and part[:1] not in ("_", "-")
        joined += ("~" if inside else home) + part
    return joined


def missing_paths(paths: Iterable[Path], *, progress: Progress = silent) -> frozenset[Path]:
    """Return those that are not there. Asks the disk, so it is not for the thread that draws."""
    missing: set[Path] = set()
    for done, path in enumerate(paths):
        progress(done, 0, "looking for files")
        try:
            path.stat()
        except (OSError, ValueError):
            missing.add(path)
    return frozenset(missing)
