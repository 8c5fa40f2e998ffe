"""World coordinates of images and cubes, as FITS cards: detector pixels, sky, wavelength or energy, time.

Pixels are counted from 0 here and from 1 in FITS. The sky is given where somebody tells where the array pointed; plate
scale and orientation are the camera's nominal ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.fits_facts import Facts
from pipeline_core.spectral_bins import HC_EV_NM

__all__ = [
    "NOMINAL",
    "WAVELENGTH_TABLE",
    "Pointing",
    "detector_axes",
    "sky_axes",
    "spectral_axis",
    "time_axis",
    "with_wavelength_table",
]

NOMINAL: dict[str, tuple[float, float]] = {"DARKNESS": (10.4, 0.0), "MEC": (10.05, -43.24)}
"""Plate scale (mas a pixel) and orientation (deg) of each camera."""

_MAS_PER_DEG = 3.6e6
_EQUAL = 1e-6
_NUMBERED = "BAND"

_OF_COORDINATES = (*("CTYPE", "CUNIT", "CRPIX", "CRVAL", "CDELT", "PC", "WCSNAME", "RADESYS"),)
WAVELENGTH_TABLE = "WAVELENGTHS"
"""Table of the middles of bins that are equal in nothing."""

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
    cos, sin = math.cos(angle), math.sin(angle)
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
        # PC and CDELT, not CD: beside a CD the CDELT of other axes would not count (FITS standard 4.0, 8.2)
        "CDELT1": (-scale, ""),
        "CDELT2": (scale, ""),
        "PC1_1": (cos, ""),
        "PC1_2": (-sin, ""),
        "PC2_1": (sin, ""),
        "PC2_2": (cos, ""),
        "PLTSCALE": (pointing.scale_mas, "[mas] of a pixel"),
        "ORIENTAT": (pointing.orientation_deg, "[deg] position angle of the rows"),
    }


def spectral_axis(edges_nm: FloatArray, axis: int) -> Facts:
    """Return cards of an axis of bins: in wavelength, its logarithm or energy if the bins are equal so, else numbers.

    DISPAXIS, by which IRAF names the axis of dispersion, is what specutils knows a spectral cube by. The table BANDS of
    a cube has the edges of every bin in any case; see `with_wavelength_table` for bins that are equal in nothing.
    """
    energies = HC_EV_NM / edges_nm
    steps, energy_steps = np.diff(edges_nm), np.diff(energies)
    ratios = np.log(edges_nm[1:] / edges_nm[:-1])
    if np.ptp(steps) <= _EQUAL * abs(steps[0]):
        name, unit, first, step = "WAVE", "nm", edges_nm[0] + 0.5 * steps[0], steps[0]
    elif np.ptp(energy_steps) <= _EQUAL * abs(energy_steps[0]):
        name, unit, first = "ENER", "eV", energies[0] + 0.5 * energy_steps[0]
        step = energy_steps[0]
    elif np.ptp(ratios) <= _EQUAL * ratios[0]:
        # wavelength = CRVAL exp(CDELT (pixel - CRPIX) / CRVAL) (Greisen et al. 2006, A&A 446, 747, section 3.3)
        name, unit, first = "WAVE-LOG", "nm", edges_nm[0] + 0.5 * steps[0]
        step = first * ratios[0]
    else:
        name, unit, first, step = _NUMBERED, "", 1.0, 1.0
    return {
        f"CTYPE{axis}": (
            name,
            {_NUMBERED: "number of the bin, see BANDS"}.get(name, "middle of the bin"),
        ),
        f"CUNIT{axis}": (unit, ""),
        f"CRPIX{axis}": (1.0, ""),
        f"CRVAL{axis}": (float(first), ""),
        f"CDELT{axis}": (float(step), ""),
        "DISPAXIS": (axis, "axis of wavelengths"),
    }


def with_wavelength_table(facts: Facts, axis: int) -> Facts:
    """Return cards of coordinates, and again as the alternative T, in which the bins have wavelengths by a table.

    Only for bins whose axis counts numbers. Programs that know tables of coordinates (Greisen et al. 2006, section 6)
    find the middles of the bins in the column ``middle`` of the only row of the table WAVELENGTHS; the others are not
    disturbed.
    """
    if facts.get(f"CTYPE{axis}", ("",))[0] != _NUMBERED:
        return facts
    again = {f"{key}T": value for key, value in facts.items() if key.startswith(_OF_COORDINATES)}
    again |= {
        f"CTYPE{axis}T": ("WAVE-TAB", "middle of the bin, by a table"),
        f"CUNIT{axis}T": ("nm", ""),
        f"PS{axis}_0T": (WAVELENGTH_TABLE, "the table"),
        f"PS{axis}_1T": ("middle", "its column"),
    }
    return {**facts, **again}


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
