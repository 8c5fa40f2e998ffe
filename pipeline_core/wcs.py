"""World coordinates of images and cubes, as FITS cards: detector pixels, sky, wavelength or energy, time.

Pixels are counted from 0 here and from 1 in FITS. The sky is given where somebody tells where the array pointed; plate
scale and orientation are the camera's nominal ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.spectral_bins import HC_EV_NM

if TYPE_CHECKING:
    from pipeline_core.products import Facts

__all__ = ["NOMINAL", "Pointing", "detector_axes", "sky_axes", "spectral_axis", "time_axis"]

NOMINAL: dict[str, tuple[float, float]] = {"DARKNESS": (10.4, 0.0), "MEC": (10.05, -43.24)}
"""Plate scale (mas a pixel) and orientation (deg) of each camera."""

_MAS_PER_DEG = 3.6e6
_EQUAL = 1e-6

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pointing:
    """Where the array looked.

    Attributes
    ----------
    ra_deg, dec_deg : float
        ICRS, of the reference pixel.
    pixel : (x, y)
        Reference pixel, counted from 0.
    scale_mas : float
        Of a pixel.
    orientation_deg : float
        Position angle of the array's rows (increasing y), east of north. North up, east left: 0.
    """

    ra_deg: float
    dec_deg: float
    pixel: tuple[float, float]
    scale_mas: float
    orientation_deg: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.ra_deg < 360 and -90 <= self.dec_deg <= 90):
            raise ConfigError(
                f"Right ascension {self.ra_deg} and declination {self.dec_deg}: give degrees, 0 to 360 and -90 to 90."
            )
        if not 0 < self.scale_mas < 1e6:
            raise ConfigError(f"The plate scale must be above 0 mas a pixel, not {self.scale_mas}.")
        if not all(map(math.isfinite, (*self.pixel, self.orientation_deg))):
            raise ConfigError("Reference pixel and orientation must be numbers.")


def detector_axes(first: tuple[float, float] = (0, 0), step: float = 1.0) -> Facts:
    """Return cards of the axes 1 and 2 as columns and rows; `first` is the (x, y) of the first pixel of the image.

    `step` is the width of the image's pixels in those of the detector.

    A CTYPE without an algorithm code is a linear axis (FITS standard 4.0, section 8.2).
    """
    facts: dict[str, tuple[object, str]] = {"WCSNAME": ("PIXEL", "pixels, counted from 0")}
    for k, (name, what) in enumerate((("X", "column"), ("Y", "row")), start=1):
        facts |= {
            f"CTYPE{k}": (name, f"detector {what}"),
            f"CUNIT{k}": ("pixel", ""),
            f"CRPIX{k}": (1.0, "first pixel"),
            f"CRVAL{k}": (float(first[k - 1]), f"its {what}"),
            f"CDELT{k}": (step, ""),
        }
    return facts


def sky_axes(pointing: Pointing, first: tuple[int, int] = (0, 0)) -> Facts:
    """Return cards of the axes 1 and 2 on the sky: a tangential projection (Calabretta & Greisen 2002)."""
    scale = pointing.scale_mas / _MAS_PER_DEG
    angle = math.radians(pointing.orientation_deg)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return {
        "WCSNAME": ("SKY", "nominal plate scale and orientation"),
        "RADESYS": ("ICRS", ""),
        "CTYPE1": ("RA---TAN", ""),
        "CTYPE2": ("DEC--TAN", ""),
        "CUNIT1": ("deg", ""),
        "CUNIT2": ("deg", ""),
        "CRVAL1": (pointing.ra_deg, "[deg] of the reference pixel"),
        "CRVAL2": (pointing.dec_deg, "[deg]"),
        "CRPIX1": (pointing.pixel[0] - first[0] + 1.0, "column + 1"),
        "CRPIX2": (pointing.pixel[1] - first[1] + 1.0, "row + 1"),
        "CD1_1": (-cos, ""),
        "CD1_2": (sin, ""),
        "CD2_1": (sin, ""),
        "CD2_2": (cos, ""),
        "PLTSCALE": (pointing.scale_mas, "[mas] of a pixel"),
        "ORIENTAT": (pointing.orientation_deg, "[deg] position angle of the rows"),
    }


def spectral_axis(edges_nm: FloatArray, axis: int) -> Facts:
    """Return cards of an axis of bins: linear in wavelength or energy if the bins are, else their numbers.

    The table BANDS of a cube has the edges of every bin in any case.
    """
    energies = HC_EV_NM / edges_nm
    steps, energy_steps = np.diff(edges_nm), np.diff(energies)
    if np.ptp(steps) <= _EQUAL * abs(steps[0]):
        name, unit, first, step = "WAVE", "nm", edges_nm[0] + 0.5 * steps[0], steps[0]
    elif np.ptp(energy_steps) <= _EQUAL * abs(energy_steps[0]):
        name, unit, first = "ENER", "eV", energies[0] + 0.5 * energy_steps[0]
        step = energy_steps[0]
    else:
        name, unit, first, step = "BAND", "", 1.0, 1.0
    return {
        f"CTYPE{axis}": (
            name,
            {"BAND": "number of the bin, see BANDS"}.get(name, "middle of the bin"),
        ),
        f"CUNIT{axis}": (unit, ""),
        f"CRPIX{axis}": (1.0, ""),
        f"CRVAL{axis}": (float(first), ""),
        f"CDELT{axis}": (float(step), ""),
    }


def time_axis(edges_s: FloatArray, axis: int) -> Facts:
    """Return cards of an axis of time: middles of the bins, seconds from DATEREF. The last bin may be shorter."""
    width = float(edges_s[1] - edges_s[0])
    return {
        f"CTYPE{axis}": ("TIME", "middle of the bin, from DATEREF"),
        f"CUNIT{axis}": ("s", ""),
        f"CRPIX{axis}": (1.0, ""),
        f"CRVAL{axis}": (float(edges_s[0]) + 0.5 * width, ""),
        f"CDELT{axis}": (width, ""),
    }
