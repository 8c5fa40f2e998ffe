"""What a flat field is made from and how: frozen, validated values. `config` reads them from the guide's files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.spectral_bins import HC_EV_NM, equal_energy_edges

__all__ = ["FlatInput", "FlatcalSettings", "LaserFlat"]

_WAVELENGTHS_NM = (100.0, 30_000.0)
_MOST_BINS = 2000
_LIMITS = (
    ("int_time_s", 1e-3, 1e6),
    ("exp_time_s", 1e-3, 1e6),
    ("energy_bin_ev", 1e-4, 10.0),
    ("rate_cutoff_cps", 1e-3, 1e9),
    ("counts_a_knot", 10.0, 1e9),
    ("line_half_width", 0.01, 0.9),
)


@dataclass(frozen=True, order=True)
class LaserFlat:
    """A flat of one laser: wavelength in nm, photon file, and a file taken with the laser off, if there is one."""

    wavelength_nm: float
    path: Path
    dark: Path | None = None


@dataclass(frozen=True)
class FlatInput:
    """A photon file that goes into a flat field.

    Attributes
    ----------
    role : str
        'flat', 'dark', or 'laser 980 nm' and the like.
    path : Path
    file_id : str
    size_bytes, start_unix, n_photons : int
    exposure_s : float
    """

    role: str
    path: Path
    file_id: str
    size_bytes: int
    start_unix: int
    exposure_s: float
    n_photons: int

    @property
    def content_hash(self) -> str:
        """Tells files apart: photon files are never changed once they are written."""
        return hashlib.sha256(f"{self.file_id} {self.size_bytes}".encode()).hexdigest()


@dataclass(frozen=True)
class FlatcalSettings:
    """Settings of one flat field.

    Attributes
    ----------
    flats : tuple of Path
        Photon files of a white flat (lamp, twilight), in the order of time. Empty where there are `lasers`.
    out : Path or None
        Base name with ``.h5``: the combined solution. Chunks are ``<base><index>.h5``.
    lasers : tuple of LaserFlat
        Instead of `flats`; sorted by wavelength.
    dark : Path or None
        Photon file without light, for `flats`.
    wavecal : Path or None
        Wavelength solution for files that have none attached: used in memory.
    int_time_s, exp_time_s : float
        Length of a chunk, and how much of each file is used, from its start.
    dead_time_us : float or None
        What a configuration says; the files' own value is used, and a difference is a warning.
    energy_bin_ev, wvl_start_nm, wvl_stop_nm : float
        Bins of equal energy over the range.
    rate_cutoff_cps : float
        A chunk in which the median pixel counts more than this is left out.
    trim_fraction : float
        Of each pixel's chunks, this fraction is left out at either end, by the pixel's relative rate; below 0.5.
    time_mask : Path or None
        Table of intervals that are left out.
    counts_a_knot : float
        The combined solution has a knot for about so many counts.
    line_half_width : float
        Lasers: photons within this fraction of the wavelength belong to the line, where pixels are calibrated.

    Raises
    ------
    ConfigError
        A value that is impossible; the message names it and what is possible.
    """

    flats: tuple[Path, ...] = ()
    out: Path | None = None
    lasers: tuple[LaserFlat, ...] = ()
    dark: Path | None = None
    wavecal: Path | None = None
    int_time_s: float = 5.0
    exp_time_s: float = 30.0
    dead_time_us: float | None = None
    energy_bin_ev: float = 0.01
    wvl_start_nm: float = 700.0
    wvl_stop_nm: float = 1500.0
    rate_cutoff_cps: float = 20000.0
    trim_fraction: float = 0.0
    time_mask: Path | None = None
    counts_a_knot: float = 1000.0
    line_half_width: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "flats", tuple(Path(p).expanduser() for p in self.flats))
        lasers = sorted(_laser(one) for one in self.lasers)
        object.__setattr__(self, "lasers", tuple(lasers))
        for name in ("out", "dark", "wavecal", "time_mask"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if not value else Path(value).expanduser())
        problems = [*self._wrong_files(), *self._wrong_numbers()]
        if problems:
            raise ConfigError("Flat field: " + "; ".join(problems) + ".")

    @property
    def is_laser(self) -> bool:
        """Whether it is made from lasers, one file a wavelength."""
        return bool(self.lasers)

    @property
    def edges_nm(self) -> npt.NDArray[np.float64]:
        """Ascending edges of the bins; of lasers, half-way between them in wavelength."""
        if not self.is_laser:
            return equal_energy_edges(self.energy_bin_ev, self.wvl_start_nm, self.wvl_stop_nm)
        lines = np.array([one.wavelength_nm for one in self.lasers])
        middle = (lines[1:] + lines[:-1]) / 2
        ends = lines[0] * (1 - self.line_half_width), lines[-1] * (1 + self.line_half_width)
        return np.concatenate(([ends[0]], middle, [ends[1]]))

    @property
    def energies_ev(self) -> npt.NDArray[np.float64]:
        """Energies at which weights lie, descending: middles of the bins, or the lasers' own."""
        if self.is_laser:
            return HC_EV_NM / np.array([one.wavelength_nm for one in self.lasers])
        energies = HC_EV_NM / self.edges_nm
        return np.asarray((energies[1:] + energies[:-1]) / 2)

    def to_json(self) -> str:
        """Return the settings as JSON; `from_mapping` of it gives them back."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> FlatcalSettings:
        """Make settings from plain values by the attributes' names.

        Raises
        ------
        ConfigError
            Unknown keys or impossible values.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(str(key) for key in values if key not in known)
        if unknown:
            raise ConfigError(
                f"Flat field: unknown settings {', '.join(unknown)}. Known are {', '.join(sorted(known))}."
            )
        return cls(**values)

    def _wrong_files(self) -> Iterable[str]:
        if bool(self.flats) == bool(self.lasers):
            what = "both flats and lasers" if self.flats else "neither flats nor lasers"
            yield f"{what} are given: name the photon files of a white flat, or those of lasers"
        if self.dark is not None and self.lasers:
            yield "a dark of lasers belongs to each of them, not to all"
        twice = sorted({str(p) for p in self.flats if self.flats.count(p) > 1})
        if twice:
            yield f"{', '.join(twice)} is given twice"
        if self.time_mask is not None and len(self.flats) != 1:
            yield "a time_mask belongs to a single photon file of a white flat"
        low, high = _WAVELENGTHS_NM
        for laser in self.lasers:
            if not low <= laser.wavelength_nm <= high:
                yield f"laser {laser.wavelength_nm:g} nm: wavelengths are {low:g} to {high:g} nm"
        lines = [laser.wavelength_nm for laser in self.lasers]
        if len(set(lines)) < len(lines):
            yield "a laser is given twice"

    def _wrong_numbers(self) -> Iterable[str]:
        for name, low, high in _LIMITS:
            if not (_is_number(value := getattr(self, name)) and low <= value <= high):
                yield f"{name} = {value!r} must be a number from {low:g} to {high:g}"
        low, high = _WAVELENGTHS_NM
        start, stop = self.wvl_start_nm, self.wvl_stop_nm
        ordered = _is_number(start) and _is_number(stop) and low <= start < stop <= high
        if not ordered:
            yield (
                f"wvl_start_nm = {start!r} and wvl_stop_nm = {stop!r} must be ascending numbers from {low:g} to "
                f"{high:g}"
            )
        elif _is_number(self.energy_bin_ev) and self.energy_bin_ev > 0:
            number = (HC_EV_NM / start - HC_EV_NM / stop) / self.energy_bin_ev
            if not 1 <= number + 1e-9 <= _MOST_BINS:
                yield (
                    f"energy_bin_ev = {self.energy_bin_ev!r} makes {number:.4g} bins from {start:g} to {stop:g} nm: "
                    f"1 to {_MOST_BINS} are possible"
                )
        if not (_is_number(self.trim_fraction) and 0 <= self.trim_fraction < 0.5):
            yield f"trim_fraction = {self.trim_fraction!r} must be from 0 to below 0.5"
        dead = self.dead_time_us
        if dead is not None and not (_is_number(dead) and 0 <= dead <= 1e6):
            yield f"dead_time_us = {dead!r} must be from 0 to 1e6"


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _laser(one: LaserFlat | Mapping[str, Any]) -> LaserFlat:
    if isinstance(one, LaserFlat):
        wavelength, path, dark = one.wavelength_nm, one.path, one.dark
    else:
        wavelength, path, dark = one["wavelength_nm"], one["path"], one.get("dark")
    expanded = None if not dark else Path(dark).expanduser()
    return LaserFlat(float(wavelength), Path(path).expanduser(), expanded)
