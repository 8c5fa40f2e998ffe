"""What is attached to an observation, in a line of words each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline_core.masks import MASK_FLAGS
from pipeline_core.obsfile import ObsFile

__all__ = ["flatcal_words", "pixel_mask_words", "time_mask_words", "wavecal_words"]


def wavecal_words(obs: ObsFile) -> str:
    """Say which wavelength solution is in use, and for how many pixels."""
    wavecal = obs.wavecal
    if wavecal is None:
        return "none: phases in degrees"
    if not obs.has_phases:
        number = int(np.count_nonzero(wavecal.stored))
        return (
            f"stored for ever in the place of phases by an older program ({wavecal.source}): {number} of "
            f"{wavecal.kind.size} pixels"
        )
    lines = ", ".join(f"{line:g}" for line in wavecal.wavelengths_nm)
    number = int(np.count_nonzero(wavecal.calibrated))
    return (
        f"solution {wavecal.solution_id} ({Path(wavecal.source).name}; {lines} nm): {number} of "
        f"{wavecal.kind.size} pixels"
    )


def flatcal_words(obs: ObsFile) -> str:
    """Say which flat field is in use, and for how many pixels."""
    flat = obs.flatcal
    if flat is None:
        stored = "stored for ever with the photons by an older program"
        return stored if obs.has_weights else "none: photons count as one"
    forced = f"; forced, made with wavelength solution {flat.wavecal_id}" if flat.forced else ""
    low, high = flat.edges_nm[[0, -1]]
    return (
        f"solution {flat.solution_id} ({Path(flat.source).name}; {low:g} to {high:g} nm): "
        f"{int(np.count_nonzero(flat.weighted))} of {flat.flags.size} pixels{forced}"
    )


def pixel_mask_words(obs: ObsFile) -> str:
    """Say how many masks of pixels are attached, and what they mark."""
    masks = obs.pixel_masks
    if not masks:
        return "no mask"
    number = int(np.count_nonzero(obs.flags & np.uint32(MASK_FLAGS)))
    ids = ", ".join(mask.solution_id or mask.source for mask in masks)
    return f"{number} of {obs.flags.size} pixels, by {_number(masks, 'mask')} ({ids})"


def time_mask_words(obs: ObsFile) -> str:
    """Say how many time masks are attached, and how long they last."""
    masks = obs.time_masks
    if not masks:
        return "no mask"
    seconds = float(np.diff(obs.masked_us, axis=1).sum()) / 1e6
    ids = ", ".join(mask.solution_id or mask.source for mask in masks)
    return f"{seconds:.6f} s, by {_number(masks, 'mask')} ({ids})"


def _number(items: Sequence[object], name: str) -> str:
    return f"{len(items)} {name}{'' if len(items) == 1 else 's'}"
