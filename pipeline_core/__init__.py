"""Reduction core of quicklook: raw files, photon files, calibrations. Never imports Qt.

The public names are loaded on first use, so that the light modules (errors, flags, progress) can be
imported without numba, PyTables and astropy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline_core.beammap import Beammap, read_beammap
    from pipeline_core.flags import PROBLEM_FLAGS, PixelFlag
    from pipeline_core.observation import open_observation
    from pipeline_core.obsfile import ObsFile

__version__ = "0.1.0"

__all__ = [
    "PROBLEM_FLAGS",
    "Beammap",
    "ObsFile",
    "PixelFlag",
    "__version__",
    "open_observation",
    "read_beammap",
]

_HOME = {
    "Beammap": "beammap",
    "read_beammap": "beammap",
    "PROBLEM_FLAGS": "flags",
    "PixelFlag": "flags",
    "ObsFile": "obsfile",
    "open_observation": "observation",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"pipeline_core.{_HOME[name]}"), name)
    raise AttributeError(f"module 'pipeline_core' has no attribute {name!r}")
