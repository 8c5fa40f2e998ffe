"""Finds the pixels of one beam map in another one, by resonator: whoever attaches a solution calls it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["places"]


def places(
    known: npt.NDArray[np.uint32], wanted: npt.NDArray[np.uint32], mapped: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return for each pixel which one of the solution is the same resonator, -1 for none.

    A resID that stands at several pixels of the solution is taken from the same place only.

    Parameters
    ----------
    known, wanted : ndarray of uint32, shape (n_pixels,)
        ResIDs of the solution and of the observation, flat.
    mapped : ndarray of bool, shape (n_pixels,)
        Which pixels of the observation have a resonator.
    """
    order = np.argsort(known, kind="stable")
    first = np.searchsorted(known[order], wanted, side="left")
    last = np.searchsorted(known[order], wanted, side="right")
    found = np.where(last - first == 1, order[np.minimum(first, order.size - 1)], -1)
    found = np.where(known == wanted, np.arange(wanted.size), found)
    return np.where(mapped, found, -1).astype(np.int64)
