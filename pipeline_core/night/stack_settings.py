"""How a night's file says that a dither is to be stacked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError
from pipeline_core.flags import flag_bits
from pipeline_core.stacking.offsets import scale_matrix
from pipeline_core.stacking.settings import StackSettings

__all__ = ["STACK_KEYS", "stack_of"]

_PHOTONS = (
    *("weighted", "extrapolated", "edges_nm", "energy_bin_ev", "wavelength_bin_nm"),
    *("min_wavelength", "max_wavelength"),
)
_BINS = ("edges_nm", "energy_bin_ev", "wavelength_bin_nm")

STACK_KEYS = {
    *("method", "register", "offsets", "pixels_per_unit", "upsample", "pixfrac", "weights"),
    *("padding", "fewest", "exclude", *_PHOTONS),
}
"""What can be said of a stack."""


def stack_of(values: Mapping[str, Any], n_positions: int, has_flat: bool) -> StackSettings:
    """Return settings: by the star, without bad pixels, and weighted if there is a flat, unless something else is said.

    Raises
    ------
    ConfigError, TypeError, ValueError
        Impossible values.
    """
    given = dict(values)
    photons = {name: given.pop(name) for name in _PHOTONS if name in given}
    photons.setdefault("weighted", has_flat)
    exclude = given.pop("exclude", ["problems"])
    names = [exclude] if isinstance(exclude, str) else list(exclude)
    photons["exclude"] = flag_bits(map(str, names))
    offsets = given.pop("offsets", None)
    scale = scale_matrix(given.pop("pixels_per_unit", 1.0))
    if offsets is not None:
        given["offsets"] = {"positions": offsets, "pixels_per_unit": scale}
        if len(offsets) != n_positions:
            raise ConfigError(f"there are {len(offsets)} offsets for {n_positions} positions")
    given.setdefault("register", "centroid" if offsets is None else "dither")
    settings = StackSettings.from_dict({**given, "photons": _with_band(photons)})
    settings.photons.wavelength_edges()
    return settings


def _with_band(photons: dict[str, Any]) -> dict[str, Any]:
    """Return limits of wavelength without bins as the edges of the only one."""
    limits = [name for name in ("min_wavelength", "max_wavelength") if name in photons]
    if not limits or any(photons.get(name) for name in _BINS):
        return photons
    usual = CubeSettings()
    low = photons.pop("min_wavelength", usual.min_wavelength)
    high = photons.pop("max_wavelength", usual.max_wavelength)
    return {**photons, "edges_nm": (low, high)}
