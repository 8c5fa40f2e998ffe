"""Describes a mask of bad pixels as plain values: for ``info``, for ``badpixels`` and for the window."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pipeline_core.badpixels.solution import BadPixels
from pipeline_core.masks import PIXEL_KINDS
from pipeline_core.utc import utc_words

__all__ = ["describe_bad_pixels"]

_SHOWN = 20


def describe_bad_pixels(found: BadPixels, path: Path | str) -> dict[str, object]:
    """Return what a mask marks, and what it was made from.

    Parameters
    ----------
    found : BadPixels
    path : path
        Where it is kept.
    """
    ncols, nrows = found.shape
    total = found.flags | np.bitwise_or.reduce(found.slice_flags, axis=1, initial=0)
    n_slices = max(found.edges_us.size - 1, 0)
    rows = [
        f"({x}, {y}): {reason}"
        for (x, y), reason in zip(found.pixels.tolist(), found.reasons, strict=True)
    ]
    more = len(rows) - _SHOWN
    return {
        "file": str(path),
        "kind": "mask of bad pixels",
        "mask id": found.solution_id,
        "made": f"{utc_words(found.created_unix)} by quicklook {found.software}",
        "camera": f"{found.camera}, {ncols} columns x {nrows} rows",
        "from": f"{found.path or 'unknown'} ({found.exposure_s:g} s, id {found.file_id or 'unknown'})",
        "bad pixels": f"{len(found.reasons)} of {int(found.read.sum())} that are read out",
        "all through": _by_kind(found.flags),
        "in any slice": _by_kind(total),
        "slices of time": n_slices,
        "pixels": rows[:_SHOWN] + ([f"and {more} more"] if more > 0 else []),
        "settings": _settings(found.settings),
    }


def _by_kind(flags: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> dict[str, int]:
    return {
        name: int(np.count_nonzero(flags & np.uint32(bit))) for name, bit in PIXEL_KINDS.items()
    }


def _settings(text: str) -> dict[str, object]:
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
