"""Image cubes: photons of every pixel in bins of time, of wavelength, or both, written to files slab by slab.

`write_cube` is what command line and pipeline call. A cube may be larger than memory: its bins of time are counted in
slabs, each in one pass through the photon file, and written where they belong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.cube_files import ENDINGS, CubePlan, open_cube
from pipeline_core.cube_settings import CubeSettings
from pipeline_core.cubereads import WeightedImage
from pipeline_core.errors import ConfigError
from pipeline_core.lightcurves import bin_edges_us
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.provenance import facts_of, sources_of
from pipeline_core.selection import window_us
from pipeline_core.targets import check_room, check_target
from pipeline_core.wcs import (
    NOMINAL,
    detector_axes,
    sky_axes,
    spectral_axis,
    time_axis,
    with_wavelength_table,
)

__all__ = ["CubeSummary", "write_cube"]

_SLAB_BYTES = 200_000_000
"""Of the values of a slab; counting takes a few times that."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CubeSummary:
    """What was written.

    Attributes
    ----------
    path : Path
    n_time, n_band : int
    shape : (ncols, nrows)
    total : float
        Sum over the cube: counts, weighted counts, or rates.
    unit : str
    slabs : int
        Passes through the photon file.
    """

    path: Path
    n_time: int
    n_band: int
    shape: tuple[int, int]
    total: float
    unit: str
    slabs: int

    @property
    def sentence(self) -> str:
        """What was written, in a line."""
        return f"{self.n_band} bands, {self.n_time} times, sum {self.total:,.6g} {self.unit}"


def write_cube(
    path: Path,
    obs: ObsFile,
    settings: CubeSettings,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
    with_image: Callable[[WeightedImage], None] | None = None,
) -> CubeSummary:
    """Count the photons of every pixel in bins, and write them.

    The file holds the values, their variances, each pixel's time alive, flags, the edges of the bins, and what part of
    each band the pixel's calibration covers: photons are missing where it is below 1. Raw counts are whole numbers:
    their sum is the number of photons, exactly.

    Parameters
    ----------
    path : path
        ``.fits``, ``.npz`` or ``.h5``.
    obs : ObsFile
    settings : CubeSettings
    overwrite : bool
        Whether an existing file may be replaced. Files of data never are.
    progress : Progress
        May cancel; nothing is left then.
    with_image : callable, optional
        Takes the weighted image of all photons, which a weighted cube's first pass makes at the same time.

    Raises
    ------
    ConfigError
        Impossible settings; or an image together with a cube of plain counts.
    CalibrationError
        Wavelength bins without a wavelength calibration; weights without any.
    OutputError
        It cannot be written, exists already, or holds data.
    """
    if with_image is not None and not settings.weighted:
        raise ConfigError("A weighted image is made together with a weighted cube only.")
    check_target(path, ENDINGS, sources_of(obs))
    times = window_us(settings.start, settings.stop, round(obs.exposure_s * 1e6))
    edges_us = np.array(times, np.int64)
    if settings.time_bin_s is not None:
        edges_us = bin_edges_us(*times, settings.time_bin_s)
    edges_nm = settings.wavelength_edges()
    crop = _crop(settings, obs.shape)
    plan = _plan(obs, settings, edges_us, edges_nm, crop)
    check_room(path, plan.n_bytes, "this cube", remedy="choose fewer bins")
    thresholds = obs.band_phases(edges_nm, extrapolated=settings.extrapolated)
    excluded = (obs.flags & np.uint32(settings.exclude)) != 0
    total, slabs = 0.0, 0
    with open_cube(path, plan, replace=overwrite) as out:
        for first, part in _slabs(edges_us, plan):
            stop = first + part.size - 1
            report = part_of(progress, first / plan.n_time, stop / plan.n_time, "counting photons")
            if with_image is not None and first == 0:
                image, slab = obs.image_and_slab(part, thresholds, report)
                with_image(image)
            else:
                slab = obs.cube_slab(part, thresholds, weighted=settings.weighted, progress=report)
            values, variances, live = slab
            if settings.rates:
                with np.errstate(divide="ignore", invalid="ignore"):
                    alive = np.where(live > 0, live, np.nan)[..., None]
                    values, variances = values / alive, variances / alive**2
            if settings.exclude:
                values[excluded] = variances[excluded] = np.nan
            inside = (slice(crop[0], crop[2] + 1), slice(crop[1], crop[3] + 1))
            out.put(first, values[inside], variances[inside], live[inside])
            total += float(np.nansum(values[inside]))
            slabs += 1
        progress(1, 1, "writing to disk")
    return CubeSummary(
        path, plan.n_time, plan.n_band, (plan.ncols, plan.nrows), total, plan.unit, slabs
    )


def _slabs(edges_us: IntArray, plan: CubePlan) -> Iterator[tuple[int, IntArray]]:
    """Yield the first bin and the edges of each slab of bins of time."""
    one = 8 * plan.n_pixel * plan.n_band
    at_once = max(_SLAB_BYTES // one, 1)
    for first in range(0, plan.n_time, at_once):
        yield first, edges_us[first : min(first + at_once, plan.n_time) + 1]


def _crop(settings: CubeSettings, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    if settings.crop is None:
        return 0, 0, shape[0] - 1, shape[1] - 1
    if settings.crop[2] >= shape[0] or settings.crop[3] >= shape[1]:
        raise ConfigError(
            f"crop {settings.crop} reaches beyond the array of {shape[0]} columns and {shape[1]} rows."
        )
    return settings.crop


def _plan(
    obs: ObsFile,
    settings: CubeSettings,
    edges_us: IntArray,
    edges_nm: FloatArray | None,
    crop: tuple[int, int, int, int],
) -> CubePlan:
    """Bring together what is known of the cube before a photon is counted."""
    band = (None, None) if edges_nm is None else (float(edges_nm[0]), float(edges_nm[-1]))
    what = "weighted counts" if settings.weighted else "counts"
    unit = "count/s" if settings.rates else "count"
    facts = {
        **facts_of(obs, edges_us[0] / 1e6, edges_us[-1] / 1e6, band, settings.as_dict()),
        "BUNIT": (unit, f"{what}{' per second alive' if settings.rates else ''}"),
        "EXFLAGS": (settings.exclude, "flag bits of pixels without values"),
        "WEIGHTED": (settings.weighted, "whether photons count with flat-field weights"),
        "DEADTIME": (obs.dead_time_us, "[us] a pixel is blind after a photon"),
    }
    first = crop[:2]
    if settings.pointing is not None:
        axes = dict(sky_axes(settings.pointing, first))
    else:
        axes = dict(detector_axes(first))
        if obs.camera in NOMINAL:
            scale, angle = NOMINAL[obs.camera]
            axes["PLTSCALE"] = (scale, "[mas] of a pixel, nominal")
            axes["ORIENTAT"] = (angle, "[deg] position angle of the rows, nominal")
    axis = 3
    if edges_nm is not None:
        axes |= spectral_axis(edges_nm, axis)
        axis += 1
    if settings.time_bin_s is not None:
        axes |= time_axis(edges_us / 1e6, axis)
    axes = dict(with_wavelength_table(axes, 3))
    inside = (slice(crop[0], crop[2] + 1), slice(crop[1], crop[3] + 1))
    covered = None
    if edges_nm is not None:
        covered = obs.band_coverage(edges_nm, extrapolated=settings.extrapolated)
    return CubePlan(
        n_pixel=obs.shape[0] * obs.shape[1],
        ncols=crop[2] - crop[0] + 1,
        nrows=crop[3] - crop[1] + 1,
        edges_s=edges_us / 1e6,
        edges_nm=edges_nm,
        has_time_axis=settings.time_bin_s is not None,
        whole_numbers=not (settings.weighted or settings.rates or settings.exclude),
        unit=unit,
        flags=obs.flags[inside],
        coverage=None if covered is None else covered[inside],
        facts={**facts, **axes},
        coordinates=axes,
    )
