"""What a list of a night says of a photon file, from its header and the names in its sidecar: no photon is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline_core import schema
from pipeline_core.errors import InputFormatError, PipelineError
from pipeline_core.hdf5 import attribute, child_names, has_node, open_readonly, read_header, reading
from pipeline_core.nightvalues import NightFile
from pipeline_core.sidecar import sidecar_path

__all__ = ["read_night_file"]

_SLOTS = {
    "wavelengths": "/slots/wavecal",
    "flat": "/slots/flatcal",
    "bad pixels": "/slots/badpixels",
    "masked times": "/slots/timemask",
}


def read_night_file(path: Path) -> tuple[NightFile | None, str]:
    """Return what an HDF5 file is, and a problem ('' if none); (None, '') for what is no photon file."""
    try:
        with open_readonly(path) as h5, reading(path):
            kind = attribute(h5.root, "format")
            if kind == schema.FORMAT:
                return _ours(path, _group(h5)), ""
            if kind is None and has_node(h5, "/header/header"):
                return _older(path, read_header(h5)), ""
    except PipelineError as error:
        return None, str(error)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None, f"{path} is damaged: its header tells no start and exposure. Convert it again."
    return None, ""


def _group(h5: Any) -> dict[str, Any]:
    names = ("file_id", "camera", "start", "exposure")
    return {name: attribute(h5.root, name) for name in names}


def _ours(path: Path, facts: dict[str, Any]) -> NightFile:
    start = float(facts["start"])
    attached = _attached(sidecar_path(path, str(facts["file_id"])))
    return NightFile(
        path, start, start + float(facts["exposure"]), str(facts["camera"] or ""), attached
    )


def _older(path: Path, header: Any) -> NightFile:
    start = float(header["startTime"])
    names = header.dtype.names
    flags = {"wavelengths": "isWvlCalibrated", "flat": "isFlatCalibrated"}
    attached = tuple(
        word for word, column in flags.items() if column in names and bool(header[column])
    )
    return NightFile(path, start, start + float(header["expTime"]), "", attached, True)


def _attached(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    try:
        with open_readonly(path) as h5, reading(path):
            return tuple(word for word, where in _SLOTS.items() if child_names(h5, where))
    except InputFormatError:
        return ("sidecar cannot be read",)
