"""What is read of one pixel to study it: apart from the study, so that files are opened in one thread only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.binning import first_at_or_after
from pipeline_core.errors import ConfigError
from pipeline_core.obsfile import ObsFile
from pipeline_core.selection import Pixel, checked_pixel
from pipeline_core.speckle.binfree import intervals_of
from pipeline_core.speckle.binning import BinnedPixel, TimeBins, bins_of, time_steps
from pipeline_core.speckle.settings import SpeckleSettings

__all__ = ["PixelRead", "read_pixel"]


class PixelRead(NamedTuple):
    """Counts of a pixel in bins, the bins, and intervals between photons in s, if they may be fitted."""

    counts: BinnedPixel
    bins: TimeBins
    intervals_s: npt.NDArray[np.float64] | None


def read_pixel(
    obs: ObsFile, pixel: Pixel, settings: SpeckleSettings, *, step: int = 0, bin_free: bool = True
) -> PixelRead:
    """Read one pixel.

    Parameters
    ----------
    obs : ObsFile
    pixel : (x, y)
        Its flags do not matter.
    settings : SpeckleSettings
    step : int
        Which step of time, if settings have steps.
    bin_free : bool
        Whether the intervals between photons are wanted; of photons chosen by wavelength there are none, for they
        are not those of the dead time.

    Raises
    ------
    ConfigError
        Pixel outside the array, impossible time range, no such step.
    CalibrationError
        Wavelengths asked of an observation without wavelength calibration.
    InputFormatError
        Damaged file.
    """
    pixel = checked_pixel(pixel, obs.shape)
    steps = time_steps(obs, settings)
    if not 0 <= step < len(steps):
        raise ConfigError(f"There is no step {step}: 0 to {len(steps) - 1}.")
    bins = steps[step]
    counts = next(bins_of(obs, [pixel], [bins], settings))[0]
    intervals = None
    chosen = settings.min_wavelength is not None or settings.max_wavelength is not None
    if bin_free and not chosen:
        times = obs.photons(pixel)["time"]
        rows = slice(*(first_at_or_after(times, limit) for limit in (bins.start_us, bins.stop_us)))
        dead = settings.dead_time_of(obs.dead_time_us)
        intervals = intervals_of(times[rows], obs.closed_us, dead)
    return PixelRead(counts, bins, intervals)
