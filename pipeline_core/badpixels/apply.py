"""From a mask of bad pixels to the marks on one observation: pixels are found by resonator, misfits are refused."""

from __future__ import annotations

import numpy as np

from pipeline_core.badpixels.solution import BadPixels
from pipeline_core.beammap import Beammap
from pipeline_core.errors import CalibrationError
from pipeline_core.masks import PixelMask
from pipeline_core.matching import LEAST_MATCHED, camera_and_shape, places

__all__ = ["mask_for"]


def mask_for(
    found: BadPixels, camera: str, beammap: Beammap, file_id: str, source: str, target: str
) -> PixelMask:
    """Return what a mask says about the pixels of an observation.

    In the observation it was made from, slices of time come with it; in others only what holds all through, because
    their clocks tell nothing of each other.

    Parameters
    ----------
    found : BadPixels
    camera, beammap, file_id
        Of the observation.
    source, target : str
        Names of mask and observation, for messages.

    Raises
    ------
    CalibrationError
        If it was made for another camera, or (mostly) other resonators.
    """
    if (found.camera, found.shape) != (camera, beammap.shape):
        raise CalibrationError(
            f"{source} is a mask for camera {camera_and_shape(found.camera, found.shape)}; {target} is of "
            f"{camera_and_shape(camera, beammap.shape)}. Choose a mask of the same camera."
        )
    if found.file_id == file_id and np.array_equal(found.res_id, beammap.res_id):
        return found.mask(source)
    mapped = beammap.mapped.ravel()
    where = places(found.res_id.ravel(), beammap.res_id.ravel(), mapped)
    known, wanted = int(np.count_nonzero(where >= 0)), int(np.count_nonzero(mapped))
    if known < LEAST_MATCHED * wanted:
        raise CalibrationError(
            f"{source} knows only {known} of the {wanted} resonators of {target}: it was made with another beam map. "
            "Make a mask with this one, or convert the observation with the other."
        )
    row = np.full(where.size, -1)
    row[found.pixels[:, 0] * found.shape[1] + found.pixels[:, 1]] = np.arange(len(found.reasons))
    rows = np.where(where >= 0, row[np.maximum(where, 0)], -1)
    flat = np.flatnonzero((rows >= 0) & (np.append(found.flags, 0)[rows] != 0))
    return PixelMask(
        solution_id=found.solution_id,
        source=source,
        settings=found.settings,
        pixels=np.column_stack(np.divmod(flat, beammap.shape[1])),
        flags=found.flags[rows[flat]],
        reasons=tuple(found.reasons[k] for k in rows[flat]),
        edges_us=np.zeros(0, np.int64),
        slice_flags=np.zeros((flat.size, 0), np.uint32),
    )
