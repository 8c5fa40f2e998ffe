"""Time masks as the cameras' older tools kept them: tables of intervals that are to be left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core.errors import InputFormatError
from pipeline_core.exposure import blind_intervals
from pipeline_core.hdf5 import open_readonly, reading
from pipeline_core.pickle_guard import no_pickles

__all__ = ["read_time_mask"]

_COLUMNS = {"tBegin", "tEnd"}


def read_time_mask(path: Path) -> npt.NDArray[np.int64]:
    """Return the intervals of a time mask: whatever its reasons are, their union.

    Parameters
    ----------
    path : Path
        HDF5 file with a table that has the columns ``tBegin`` and ``tEnd``: us from the start of the photon file,
        half-open. Tables of single pixels (``/timeMasks/x<X>y<Y>``) are not of the whole array, and refused.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Disjoint and ascending.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no time mask.
    """
    h5 = open_readonly(path)
    try:
        with reading(path), no_pickles():
            found = [
                node
                for node in h5.walk_nodes("/", "Table")
                if isinstance(node, tables.Table) and set(node.colnames) >= _COLUMNS
            ]
            if any(node._v_pathname.startswith("/timeMasks/") for node in found):
                raise InputFormatError(
                    f"{path} masks single pixels, not times of the whole array. Use it as a mask of pixels."
                )
            if not found:
                raise InputFormatError(
                    f"{path} is no time mask: no table in it has the columns tBegin and tEnd. Choose another file."
                )
            pairs = [np.column_stack((node.col("tBegin"), node.col("tEnd"))) for node in found]
    finally:
        h5.close()
    intervals = np.concatenate(pairs).astype(np.int64)
    if (intervals[:, 0] > intervals[:, 1]).any():
        raise InputFormatError(f"{path} is damaged: an interval in it ends before it begins.")
    return blind_intervals(intervals).astype(np.int64)
