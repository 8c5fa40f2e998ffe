"""Short times as people read them."""

from __future__ import annotations

__all__ = ["milliseconds"]


def milliseconds(seconds: float) -> str:
    """Return a time in ms, from one second on in s."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
