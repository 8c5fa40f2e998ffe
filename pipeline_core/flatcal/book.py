"""The book of a flat field, page by page as PDF."""

from __future__ import annotations

from pathlib import Path

from pipeline_core.flatfield import FlatCalibration

__all__ = ["write_applied_book"]


def write_applied_book(base: Path, flat: FlatCalibration) -> Path:
    """Write the weights that were applied."""
    raise NotImplementedError
