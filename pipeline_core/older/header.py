"""What older photon files say about themselves, as plain values; what they do not say is None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tables
import yaml

from pipeline_core.errors import InputFormatError
from pipeline_core.hdf5 import attribute_names, has_node, plain_node, stored_attribute
from pipeline_core.older.layouts import Layout
from pipeline_core.older.pickles import NotPlainError, plain_value

__all__ = ["UNKNOWN", "OlderHeader", "read_header"]

UNKNOWN = "unknown (not a plain value)"
_OF_PYTABLES = (
    "CLASS",
    "VERSION",
    "TITLE",
    "NROWS",
    "FLAVOR",
    "FILTERS",
    "PYTABLES_FORMAT_VERSION",
)
_LONGEST = 8192

_NAMES: dict[str, tuple[str, ...]] = {
    "start": ("startTime", "UNIXSTR"),
    "exposure_s": ("expTime", "EXPTIME"),
    "dead_time_us": ("dead_time",),
    "target": ("target", "OBJECT"),
    "beammap": ("beammapFile", "E_BMAP", "M_BMAP"),
    "data_dir": ("dataDir", "data_path"),
    "wavecal": ("wvlCalFile", "wavecal"),
    "flatcal": ("fltCalFile", "flatcal"),
}
"""Fact -> the keys that it had over the years."""


@dataclass(frozen=True)
class OlderHeader:
    """What is known of an older file.

    Attributes
    ----------
    start : int or None
        Unix second.
    exposure_s : float or None
        As the file says, which may be a second less than it holds.
    dead_time_us : float or None
    target, beammap, data_dir, wavecal, flatcal : str
        '' if not told.
    wavelength_calibrated : bool or None
        Whether wavelengths have taken the place of phases.
    flag_names : tuple of str
        Name of each flag bit, lowest first; () if the file has no list.
    values : mapping
        Everything that the header holds, as texts, numbers, lists; `UNKNOWN` what is no plain value.
    """

    start: int | None = None
    exposure_s: float | None = None
    dead_time_us: float | None = None
    target: str = ""
    beammap: str = ""
    data_dir: str = ""
    wavecal: str = ""
    flatcal: str = ""
    wavelength_calibrated: bool | None = None
    flag_names: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def read_header(h5: tables.File, layout: Layout) -> OlderHeader:
    """Read the header of an older photon file. To be called inside `reading`.

    Raises
    ------
    InputFormatError
        If a value is impossible, such as a start that is no number.
    """
    values = _values(h5, layout)
    found = {
        fact: next((values[key] for key in keys if key in values), None)
        for fact, keys in _NAMES.items()
    }
    start = _number(h5, found["start"], "start", 0, 2**31)
    return OlderHeader(
        start=None if not start else int(start),
        exposure_s=_number(h5, found["exposure_s"], "exposure", 0, 1e7),
        dead_time_us=_number(h5, found["dead_time_us"], "dead time", 0, 1e6),
        **{
            key: _text(found[key])
            for key in ("target", "beammap", "data_dir", "wavecal", "flatcal")
        },
        wavelength_calibrated=_calibrated(values, layout),
        flag_names=_flag_names(values),
        values=values,
    )


def _values(h5: tables.File, layout: Layout) -> dict[str, Any]:
    """Return every key of the header with its plain value."""
    if not layout.header:
        return {}
    if layout.name in ("V4b", "V5"):
        node = h5.get_node(layout.header)
        names = sorted(attribute_names(node))
        return {
            name: _plain(stored_attribute(node, name))
            for name in names
            if name not in _OF_PYTABLES and not name.startswith("FIELD_")
        }
    table = plain_node(h5, layout.header)
    if not table.nrows:
        return {}
    if layout.name != "V4":
        row = table[0]
        return {str(name): _plain(row[name].item()) for name in table.dtype.names}
    values = {}
    tables_ = [table]
    if has_node(h5, "/metadata/metadata"):
        tables_.append(plain_node(h5, "/metadata/metadata"))
    for one in tables_:
        if {"key", "value"} <= set(one.dtype.names or ()):
            for row in one.read():
                values[str(_plain(row["key"]))] = _from_text(_plain(row["value"]))
    return values


def _plain(value: Any) -> Any:
    """Return a value as text, number, or list of these."""
    if isinstance(value, bytes):
        # a pickle of the oldest kind looks like text, but never ends like one
        if value.endswith(b"."):
            try:
                return _plain(plain_value(value))
            except NotPlainError:
                if value[:1] in b"(\x80c]}":
                    return UNKNOWN
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return UNKNOWN


def _from_text(value: Any) -> Any:
    """Return the number, list or truth that a text of layout V4 stands for; the text if it is none."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return value
    try:
        found = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        return value
    return found if isinstance(found, (bool, int, float, list)) else value


def _number(h5: tables.File, value: Any, what: str, low: float, high: float) -> float | None:
    if value is None or value == UNKNOWN:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputFormatError(
            f"{h5.filename} is damaged: its {what} is {str(value)[:40]!r}, no number. Copy it again."
        )
    if not low <= value < high:
        raise InputFormatError(
            f"{h5.filename} is damaged: its {what} is {value:g}, which cannot be. Copy it again."
        )
    return float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value != UNKNOWN else ""


def _calibrated(values: Mapping[str, Any], layout: Layout) -> bool | None:
    """Tell whether the column holds wavelengths; None if the file does not say."""
    if isinstance(values.get("isWvlCalibrated"), bool):
        return bool(values["isWvlCalibrated"])
    if layout.name in ("V4", "V4b", "V5") and "wavecal" in values:
        wavecal = values["wavecal"]
        return bool(wavecal) and wavecal not in ("None", "False")
    return None


def _flag_names(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the list of flag names that is stored: in the YAML text of V3c, or as a value of its own."""
    names: Any = values.get("flags")
    if names is None and isinstance(values.get("metadata"), str):
        names = _list_in_yaml(values["metadata"])
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return tuple(names)
    return ()


def _list_in_yaml(text: str) -> list[Any] | None:
    """Return the list ``flags`` of a YAML text; the rest, which may hold objects of other programs, is not read."""
    lines = text.splitlines()
    try:
        first = next(k for k, line in enumerate(lines) if line.startswith("flags:"))
    except StopIteration:
        return None
    stop = first + 1
    while stop < len(lines) and (lines[stop][:1] in (" ", "-") or not lines[stop].strip()):
        stop += 1
    try:
        found = yaml.safe_load("\n".join(lines[first:stop]))
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    names = found.get("flags") if isinstance(found, dict) else None
    return names if isinstance(names, list) else None
