"""What speckle maps rest on besides the photons, which never change: flags, masks, and with a band wavelengths.

Kept beside maps, it tells later whether maps of the file as it is now would be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import CalibrationError
from pipeline_core.obsfile import ObsFile
from pipeline_core.speckle.binning import TimeBins, time_steps
from pipeline_core.speckle.settings import SpeckleSettings

__all__ = ["MapBasis", "basis_of", "wanted_pixels"]

_WORDS = {
    "pixels": "flags or masks of pixels",
    "times": "masked times",
    "wavelengths": "wavelengths",
}


@dataclass(frozen=True)
class MapBasis:
    """Hashes of what maps rest on.

    Attributes
    ----------
    pixels : str
        Which are computed.
    times : str
        Which bins are used.
    wavelengths : str
        Which phases the band is, pixel by pixel; '' without a band, which needs no wavelengths, and where there are
        none.
    """

    pixels: str
    times: str
    wavelengths: str

    def changes(self, now: MapBasis) -> tuple[str, ...]:
        """Return in words what is different now; empty if maps would be the same."""
        names = (one.name for one in fields(self))
        return tuple(_WORDS[name] for name in names if getattr(self, name) != getattr(now, name))


def basis_of(
    obs: ObsFile, settings: SpeckleSettings, steps: Sequence[TimeBins] | None = None
) -> MapBasis:
    """Return what maps of an observation, as it is calibrated and masked now, would rest on.

    Parameters
    ----------
    obs : ObsFile
    settings : SpeckleSettings
    steps : sequence of TimeBins, optional
        `time_steps` of them, if they are known.

    Raises
    ------
    ConfigError
        Impossible settings.
    """
    steps = time_steps(obs, settings) if steps is None else steps
    band = settings.min_wavelength, settings.max_wavelength
    try:
        limits = obs.phase_limits(*band, extrapolated=settings.extrapolated)
    except CalibrationError:  # undone since
        limits = None
    return MapBasis(
        pixels=_hash(wanted_pixels(obs, settings)),
        times=_hash(*(bins.used for bins in steps)),
        wavelengths="" if limits is None else _hash(limits),
    )


def wanted_pixels(obs: ObsFile, settings: SpeckleSettings) -> npt.NDArray[np.bool_]:
    """Return which pixels no flag excludes in the time range, shape (ncols, nrows)."""
    flags = obs.flags_in(settings.start, settings.stop)
    wanted: npt.NDArray[np.bool_] = (flags & np.uint32(settings.exclude)) == 0
    return wanted


def _hash(*arrays: npt.NDArray[np.generic]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
