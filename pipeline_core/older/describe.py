"""What is told of a photon file that was made of an older program's: where it is from, and what is not certain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["describe_origin", "made_from", "origin_values"]

_LONGEST_LIST = 40


def describe_origin(origin: Mapping[str, Any]) -> dict[str, object]:
    """Return layout, file, doubts and header of the older file, for ``info``."""
    return {
        "layout": str(origin.get("layout", "unknown")),
        "older file": str(origin.get("file", "unknown")),
        "photons without a pixel, left out": origin.get("photons without a pixel", 0),
        "not certain": [str(doubt) for doubt in origin.get("doubts", ())],
        "header of the older file": dict(origin_values(origin)),
    }


def origin_values(origin: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the keys of the older file's header with their values; long ones are cut."""
    header = origin.get("header")
    if not isinstance(header, dict):
        return []
    return [(str(key), _short(value)) for key, value in sorted(header.items())]


def made_from(origin: Mapping[str, Any]) -> str:
    """Say in a few words what a photon file was made of."""
    name = Path(str(origin.get("file", "unknown"))).name
    return f"{name}, a photon file of an older program (layout {origin.get('layout', 'unknown')})"


def _short(value: Any) -> Any:
    if isinstance(value, list) and len(value) > _LONGEST_LIST:
        return [*value[:_LONGEST_LIST], f"and {len(value) - _LONGEST_LIST} more"]
    if isinstance(value, str):
        lines = value.splitlines()
        if len(lines) > 1:
            return " | ".join(line.strip() for line in lines[:_LONGEST_LIST])
    return value
