"""What a cube is to hold: frozen, validated values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.spectral_bins import equal_energy_edges, equal_wavelength_edges, nyquist_edges
from pipeline_core.wcs import Pointing

__all__ = ["CubeSettings", "with_band"]

_BINS = ("edges_nm", "energy_bin_ev", "wavelength_bin_nm", "nyquist")
_WIDTHS = ("energy_bin_ev", "wavelength_bin_nm")


@dataclass(frozen=True)
class CubeSettings:
    """Bins, selection and units of a cube. Without bins of time and of wavelength it is an image.

    Attributes
    ----------
    time_bin_s : float or None
        Width of a bin of time; the last one ends at `stop` and may be shorter. None: the whole time range is one.
    edges_nm : tuple of float
        Edges of wavelength bins, ascending; or one of the following three.
    energy_bin_ev : float or None
        About so wide bins of equal energy, which fill the range of wavelengths.
    wavelength_bin_nm : float or None
        Bins of equal wavelength, as many as fit.
    nyquist : tuple of (wavelength in nm, R)
        Bins half as wide as what the pixels resolve.
    min_wavelength, max_wavelength : float
        nm; the range of the bins, unless their edges are given.
    start, stop : float or None
        Range of time, s.
    weighted : bool
        Whether photons count with their flat-field weights.
    rates : bool
        Whether counts are divided by the time each pixel was alive: counts/s, corrected for dead time.
    exclude : int
        Flag bits; pixels with any of them have no value.
    extrapolated : bool
        Whether photons outside their pixel's valid range of wavelengths count.
    crop : (x0, y0, x1, y1) or None
        First and last column and row, both included.
    pointing : Pointing or None
        Where the array looked, for coordinates on the sky.

    Raises
    ------
    ConfigError
        A value that is impossible, or two kinds of wavelength bins.
    """

    time_bin_s: float | None = None
    edges_nm: tuple[float, ...] = ()
    energy_bin_ev: float | None = None
    wavelength_bin_nm: float | None = None
    nyquist: tuple[tuple[float, float], ...] = ()
    min_wavelength: float = 700.0
    max_wavelength: float = 1500.0
    start: float | None = None
    stop: float | None = None
    weighted: bool = False
    rates: bool = False
    exclude: int = 0
    extrapolated: bool = False
    crop: tuple[int, int, int, int] | None = None
    pointing: Pointing | None = None

    def __post_init__(self) -> None:
        for name in _WIDTHS:
            if getattr(self, name) == 0:
                raise ConfigError(f"{name} must be above 0.")
        given = [name for name in _BINS if getattr(self, name)]
        if len(given) > 1:
            raise ConfigError(f"A cube has one kind of wavelength bins, not {' and '.join(given)}.")
        if self.time_bin_s is not None and not (
            math.isfinite(self.time_bin_s) and self.time_bin_s >= 1e-6
        ):
            raise ConfigError(f"A time bin must be at least 1 us long, not {self.time_bin_s} s.")
        if self.edges_nm and not (
            len(self.edges_nm) > 1
            and self.edges_nm[0] > 0
            and bool((np.diff(self.edges_nm) > 0).all())
            and math.isfinite(self.edges_nm[-1])
        ):
            raise ConfigError(
                "Edges of wavelength bins must be at least two ascending positive numbers."
            )
        if self.crop is not None:
            x0, y0, x1, y1 = self.crop
            if not (0 <= x0 <= x1 and 0 <= y0 <= y1):
                raise ConfigError(
                    f"crop {self.crop}: give the first column and row, then the last ones."
                )

    @property
    def is_spectral(self) -> bool:
        """Whether there are bins of wavelength."""
        return any(getattr(self, name) for name in _BINS)

    def wavelength_edges(self) -> npt.NDArray[np.float64] | None:
        """Return the edges of the wavelength bins, None without any.

        Raises
        ------
        ConfigError
            If no bin fits into the range.
        """
        limits = self.min_wavelength, self.max_wavelength
        if self.edges_nm:
            return np.array(self.edges_nm)
        if self.energy_bin_ev:
            return equal_energy_edges(self.energy_bin_ev, *limits)
        if self.wavelength_bin_nm:
            return equal_wavelength_edges(self.wavelength_bin_nm, *limits)
        if self.nyquist:
            lines, r = zip(*self.nyquist, strict=True)
            return nyquist_edges(lines, r, *limits)
        return None

    def size(self, shape: tuple[int, int], exposure_s: float) -> tuple[int, int, int]:
        """Return numbers of bins of time and of wavelength, and about how many bytes a FITS file takes.

        Raises
        ------
        ConfigError
            If no bin fits.
        """
        edges = self.wavelength_edges()
        n_band = 1 if edges is None else edges.size - 1
        ncols, nrows = shape
        if self.crop is not None:
            ncols, nrows = self.crop[2] - self.crop[0] + 1, self.crop[3] - self.crop[1] + 1
        seconds = (exposure_s if self.stop is None else self.stop) - (self.start or 0.0)
        n_time = (
            1 if self.time_bin_s is None else max(math.ceil(seconds / self.time_bin_s - 1e-9), 1)
        )
        value = 8 if self.weighted or self.rates or self.exclude else 4
        return n_time, n_band, ncols * nrows * (n_time * (n_band * (value + 4) + 4) + 4)

    def as_dict(self) -> dict[str, object]:
        """Return what differs from the defaults, as plain values, for provenance."""
        plain = dataclasses.asdict(self)
        usual = dataclasses.asdict(CubeSettings())
        return {name: value for name, value in plain.items() if value != usual[name]}


def with_band(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with limits of wavelength as the edges of the only bin, where they are given without bins."""
    found = dict(values)
    limits = [name for name in ("min_wavelength", "max_wavelength") if name in found]
    # a width of 0 is no bins either, but is to be refused
    if not limits or any(found.get(name) not in (None, (), []) for name in _BINS):
        return found
    low = found.pop("min_wavelength", CubeSettings.min_wavelength)
    high = found.pop("max_wavelength", CubeSettings.max_wavelength)
    return {**found, "edges_nm": (low, high)}
