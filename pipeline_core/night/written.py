"""The file of a night as text that a person likes to read and `load_night` reads back to the same settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

__all__ = ["night_text"]

_TITLE = "# A night: python -m pipeline_core run THIS_FILE. Times are unix seconds [start, stop).\n"
_REMARKS = {
    "inputs": "observations of the sky, any names",
    "wavecal": "start, stop, wavelength in nm",
    "dark": "lasers and lamp off",
    "flatcal": "white light",
    "ncpu": "tasks at the same time",
}
_ORDER = (
    *("inputs", "paths", "beammap", "wavecal", "dark", "flatcal", "badpixels", "cosmics"),
    *("outputs", "products", "ncpu"),
)


def night_text(values: Mapping[str, Any]) -> str:
    """Return the text of a night's file.

    Parameters
    ----------
    values : mapping
        Keys and plain values as in the file; what is None or empty is left out.
    """
    blocks = [_TITLE]
    for name in (*_ORDER, *(key for key in values if key not in _ORDER)):
        value = values.get(name)
        if value is None or value in ({}, [], ()):
            continue
        remark = f"  # {_REMARKS[name]}" if name in _REMARKS else ""
        blocks.append(_block(name, value, remark))
    return "".join(blocks)


def _block(name: str, value: Any, remark: str) -> str:
    if isinstance(value, Mapping):
        lines = [f"  {_flow(key)}: {_flow(one)}" for key, one in value.items()]
    elif isinstance(value, (list, tuple)) and isinstance(value[0], (list, tuple)):
        lines = [f"  - {_flow(one)}" for one in value]
    else:
        return f"{name}: {_flow(value)}{remark}\n"
    return "\n".join([f"{name}:{remark}", *lines, ""])


def _flow(value: Any) -> str:
    """Return a value on one line."""
    text = yaml.safe_dump(_plain(value), default_flow_style=True, sort_keys=False, width=10**6)
    return text.strip().removesuffix("...").strip()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value
