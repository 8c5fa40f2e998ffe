"""Paths as people read them: '~' for the home folder. No Qt."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shortened", "without_home"]


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
