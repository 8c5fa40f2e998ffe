"""The guide's ``obs``: `pipeline_core.obsfile.ObsFile` under its old name."""

from __future__ import annotations

from pipeline_core.obsfile import ObsFile

__all__ = ["obs"]

obs = ObsFile
