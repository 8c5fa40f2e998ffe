"""A frame of a stack: rates, variances and time alive of every pixel, from photons or from files of this software."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError
from pipeline_core.fits_facts import Facts
from pipeline_core.observation import open_photons
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, silent
from pipeline_core.provenance import facts_of
from pipeline_core.selection import window_us
from pipeline_core.stacking.products_read import PRODUCT_ENDINGS, read_product

__all__ = [
    "Frame",
    "StackFrame",
    "camera_of",
    "counts_a_photon",
    "frame_of",
    "image_of",
    "load_frame",
    "middle_of",
    "middle_unix",
]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StackFrame:
    """What one position of a dither saw.

    Attributes
    ----------
    name : str
        Of the file.
    rate : ndarray of float64, shape (ncols, nrows, n_band)
        Counts per second alive; NaN where there is no value.
    variance : ndarray of float64, same shape
    exposure_s : ndarray of float64, shape (ncols, nrows)
        Time alive; 0 where no band has a value.
    edges_nm : ndarray of float64, shape (n_band + 1,), or None
        Of the bands; None for photons of any energy, or of bands that are not known.
    camera : str
    facts : mapping of keyword to (value, comment)
        What is known of the file.
    """

    name: str
    rate: FloatArray
    variance: FloatArray
    exposure_s: FloatArray
    edges_nm: FloatArray | None = None
    camera: str = ""
    facts: Facts = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        good = np.isfinite(self.rate) & np.isfinite(self.variance)
        good &= (self.exposure_s > 0)[..., None]
        object.__setattr__(self, "rate", np.where(good, self.rate, np.nan))
        object.__setattr__(self, "variance", np.where(good, self.variance, np.nan))
        object.__setattr__(self, "exposure_s", np.where(good.any(axis=2), self.exposure_s, 0.0))
        object.__setattr__(self, "facts", dict(self.facts or {}))

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""
        return self.exposure_s.shape[0], self.exposure_s.shape[1]

    @property
    def n_band(self) -> int:
        """How many bands there are."""
        return int(self.rate.shape[2])

    @cached_property
    def usual_counts(self) -> float:
        """Median of `counts_a_photon` over all bands."""
        found = _counts_a_photon(self.rate, self.variance, self.exposure_s[..., None])
        known = np.isfinite(found)
        return float(np.median(found[known])) if known.any() else 1.0

    def band(self, k: int) -> tuple[FloatArray, FloatArray]:
        """Return rates and variances of a band."""
        return self.rate[..., k], self.variance[..., k]


class Frame(Protocol):
    """What a stack needs of a frame: a `StackFrame`, or one that is not in memory."""

    @property
    def name(self) -> str:
        """Of the file."""

    @property
    def edges_nm(self) -> FloatArray | None:
        """As of `StackFrame`."""

    @property
    def camera(self) -> str:
        """As of `StackFrame`."""

    @property
    def facts(self) -> Facts:
        """As of `StackFrame`."""

    @property
    def exposure_s(self) -> FloatArray:
        """As of `StackFrame`."""

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""

    @property
    def n_band(self) -> int:
        """How many bands there are."""

    @property
    def usual_counts(self) -> float:
        """Median of `counts_a_photon` over all bands."""

    def band(self, k: int) -> tuple[FloatArray, FloatArray]:
        """Return rates and variances of a band, shape (ncols, nrows)."""


def counts_a_photon(frame: Frame, k: int) -> FloatArray:
    """Return the variance over the mean of a band's counts: 1 for plain photons, more with weights; never NaN.

    Multiplied by an expected rate and divided by the time alive it is the variance to expect, which unlike the
    measured one does not fluctuate with the counts. Shape (ncols, nrows).
    """
    rate, variance = frame.band(k)
    found = _counts_a_photon(rate, variance, frame.exposure_s)
    return np.where(np.isfinite(found), found, frame.usual_counts)


def _counts_a_photon(rate: FloatArray, variance: FloatArray, exposure: FloatArray) -> FloatArray:
    """Return it where it is known, NaN elsewhere."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = variance * exposure / rate
    return np.where(np.isfinite(found) & (found > 0), found, np.nan)


def image_of(frame: Frame) -> tuple[FloatArray, FloatArray]:
    """Return rates and variances of all bands together; NaN where any band has no value."""
    rate, variance = (np.zeros(frame.shape) for _ in range(2))
    for k in range(frame.n_band):
        more = frame.band(k)
        rate += more[0]
        variance += more[1]
    return rate, variance


def middle_unix(frame: Frame) -> float:
    """Return the unix second of the middle of a frame's time range; NaN where it is not known."""
    return middle_of(frame.facts)


def middle_of(facts: Facts) -> float:
    """Return the unix second of the middle of what a file's header tells; NaN where it does not."""
    found = [facts.get(key, (None, ""))[0] for key in ("UNIXSTR", "TSTART", "TSTOP")]
    numbers = [float(one) if isinstance(one, (int, float)) else math.nan for one in found]
    return numbers[0] + 0.5 * (numbers[1] + numbers[2])


def load_frame(path: Path, photons: CubeSettings, progress: Progress = silent) -> StackFrame:
    """Read a frame: photons of a file, or an image or cube that this software wrote (``.fits``, ``.npz``).

    Raises
    ------
    ConfigError
        Photons are to be selected in a file that has none any more.
    PipelineError
        It cannot be read, or lacks a calibration that is asked for.
    """
    if path.suffix.lower() in PRODUCT_ENDINGS:
        return _frame_of_product(path, photons)
    with open_photons(path, progress=progress) as obs:
        return frame_of(obs, photons, progress)


def camera_of(path: Path) -> tuple[str, tuple[int, int]]:
    """Return the camera of a file that `load_frame` reads, and (ncols, nrows)."""
    if path.suffix.lower() in PRODUCT_ENDINGS:
        product = read_product(path)
        return product.camera, (product.flags.shape[0], product.flags.shape[1])
    with open_photons(path) as obs:
        return obs.camera, obs.shape


def frame_of(obs: ObsFile, photons: CubeSettings, progress: Progress = silent) -> StackFrame:
    """Count photons: rates are per second alive, which corrects them for dead time."""
    times = window_us(photons.start, photons.stop, round(obs.exposure_s * 1e6))
    edges_nm = photons.wavelength_edges()
    thresholds = obs.band_phases(edges_nm, extrapolated=photons.extrapolated)
    values, variances, live = obs.cube_slab(
        np.array(times, np.int64), thresholds, weighted=photons.weighted, progress=progress
    )
    exposure = live[..., 0].astype(np.float64)
    exposure[(obs.flags & np.uint32(photons.exclude)) != 0] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = values[:, :, 0] / exposure[..., None]
        variance = variances[:, :, 0] / exposure[..., None] ** 2
    band = (None, None) if edges_nm is None else (float(edges_nm[0]), float(edges_nm[-1]))
    facts = facts_of(obs, times[0] / 1e6, times[1] / 1e6, band, photons.as_dict())
    return StackFrame(obs.path.name, rate, variance, exposure, edges_nm, obs.camera, facts)


def _frame_of_product(path: Path, photons: CubeSettings) -> StackFrame:
    unusable = [name for name in photons.as_dict() if name not in ("exclude", "pointing")]
    if unusable:
        raise ConfigError(
            f"{path} holds counted photons, of which no more can be selected ({', '.join(unusable)}). Select when it "
            "is made, or give the photon file."
        )
    product = read_product(path)
    exposure = np.where((product.flags & np.uint32(photons.exclude)) != 0, 0.0, product.live_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        alive = 1.0 if product.is_rate else exposure[..., None]
        rate, variance = product.values / alive, product.variances / alive**2
    return StackFrame(
        path.name, rate, variance, exposure, product.edges_nm, product.camera, product.facts
    )
