"""From a time mask to what does not count of one observation."""

from __future__ import annotations

from pipeline_core.errors import CalibrationError
from pipeline_core.masks import TimeMask
from pipeline_core.timemask.solution import MaskedTimes

__all__ = ["mask_for"]


def mask_for(
    found: MaskedTimes, file_id: str, exposure_us: int, source: str, target: str
) -> TimeMask:
    """Return what a mask says about an observation.

    Parameters
    ----------
    found : MaskedTimes
    file_id, exposure_us
        Of the observation.
    source, target : str
        Names of mask and observation, for messages.

    Raises
    ------
    CalibrationError
        If it was made for another observation, or reaches beyond the end.
    """
    if found.file_id and found.file_id != file_id:
        raise CalibrationError(
            f"{source} masks times of {found.path or 'another observation'} (id {found.file_id}), not of {target}: "
            "its clock tells nothing there. Make a mask from this observation."
        )
    beyond = int(found.intervals_us[:, 1].max()) if len(found.reasons) else 0
    if beyond > exposure_us:
        raise CalibrationError(
            f"{source} masks times up to {beyond / 1e6:g} s; {target} ends at {exposure_us / 1e6:g} s. Choose the mask "
            "of this observation."
        )
    return found.mask(source)
