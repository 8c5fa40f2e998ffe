"""Which pixel of a solution is which of an observation: resonators are found by their resID. For all calibrations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_MATCHED", "camera_and_shape", "places"]

LEAST_MATCHED = 0.5
"""Share of an observation's resonators that a solution must know."""


def camera_and_shape(camera: str, shape: tuple[int, ...]) -> str:
    """Return what a camera is called in messages."""
    return f"{camera} ({' x '.join(str(n) for n in shape)} pixels)"


def places(
    known: npt.NDArray[np.uint32], wanted: npt.NDArray[np.uint32], mapped: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return for each pixel which one of a solution is the same resonator, -1 for none.

    A resID that stands at several pixels of the solution is taken from the same place only.

    Parameters
    ----------
    known, wanted : ndarray of uint32, shape (n_pixel,)
        resIDs of the solution and of the observation, flattened [x, y].
    mapped : ndarray of bool, shape (n_pixel,)
        Which pixels of the observation have a resonator.
    """
    order = np.argsort(known, kind="stable")
    first = np.searchsorted(known[order], wanted, side="left")
    last = np.searchsorted(known[order], wanted, side="right")
    places = np.where(last - first == 1, order[np.minimum(first, order.size - 1)], -1)
    places = np.where(known == wanted, np.arange(wanted.size), places)
    return np.where(mapped, places, -1).astype(np.int64)
