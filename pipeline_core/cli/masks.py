"""How ``apply`` attaches masks, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pipeline_core import schema
from pipeline_core.hdf5 import attribute, open_readonly, reading
from pipeline_core.masks import MASK_FLAGS
from pipeline_core.obsfile import ObsFile

__all__ = ["MASKS", "kind_of_solution"]


def kind_of_solution(path: Path) -> str:
    """Return what a solution file calls its format; '' if it says nothing.

    Raises
    ------
    InputFormatError
        If it cannot be read.
    """
    h5 = open_readonly(path.expanduser())
    try:
        with reading(path):
            return str(attribute(h5.root, "format") or "")
    finally:
        h5.close()


def _pixels(obs: ObsFile, path: Path) -> str:
    obs.apply_badpixels(path)
    number = int(np.count_nonzero(obs.flags & np.uint32(MASK_FLAGS)))
    return f"{number} of {obs.flags.size} pixels masked"


def _times(obs: ObsFile, path: Path) -> str:
    obs.apply_timemask(path)
    masked_s = float(np.diff(obs.masked_us, axis=1).sum()) / 1e6
    return f"{masked_s:.6f} of {obs.exposure_s:g} s masked"


MASKS: Mapping[str, Callable[[ObsFile, Path], str]] = {
    schema.BADPIXELS_FORMAT: _pixels,
    schema.TIMEMASK_FORMAT: _times,
}
"""What attaches a mask of each format, and returns a word about it."""
