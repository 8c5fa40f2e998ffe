"""How a night's file says that a dither is to be stacked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_core.cube_settings import with_band
from pipeline_core.errors import ConfigError
from pipeline_core.flags import named_bits
from pipeline_core.stacking.ditherlog import offsets_of_log
from pipeline_core.stacking.offsets import scale_matrix
from pipeline_core.stacking.settings import StackSettings

__all__ = ["STACK_KEYS", "stack_of"]

_PHOTONS = (
    *("weighted", "extrapolated", "edges_nm", "energy_bin_ev", "wavelength_bin_nm"),
    *("min_wavelength", "max_wavelength"),
)

STACK_KEYS = {
    *(
        "method",
        "register",
        "offsets",
        "dither_log",
        "pixels_per_unit",
        "upsample",
        "pixfrac",
        "weights",
    ),
    *("padding", "fewest", "exclude", *_PHOTONS),
}
"""What can be said of a stack."""


def stack_of(
    values: Mapping[str, Any], n_positions: int, has_flat: bool, folder: Path
) -> StackSettings:
    """Return settings: by the star, without bad pixels, and weighted if there is a flat, unless something else is said.

    The path of a log of the dither counts from `folder`.

    Raises
    ------
    InputFormatError, ConfigError, TypeError, ValueError
        Impossible values.
    """
    given = dict(values)
    photons = {name: given.pop(name) for name in _PHOTONS if name in given}
    photons.setdefault("weighted", has_flat)
    photons["exclude"] = named_bits(given.pop("exclude", "problems"))
    offsets, log = given.pop("offsets", None), given.pop("dither_log", None)
    scale = given.pop("pixels_per_unit", None)
    matrix = scale_matrix(1.0 if scale is None else scale)
    if offsets is not None and log is not None:
        raise ConfigError("there are both offsets and a dither_log")
    if offsets is not None:
        given["offsets"] = {"positions": offsets, "pixels_per_unit": matrix}
        if len(offsets) != n_positions:
            raise ConfigError(f"there are {len(offsets)} offsets for {n_positions} positions")
    if log is not None:
        found = offsets_of_log(folder / str(log), None if scale is None else matrix)
        given["offsets"] = found.as_dict()
    given.setdefault("register", "dither" if "offsets" in given else "centroid")
    settings = StackSettings.from_dict({**given, "photons": with_band(photons)})
    settings.photons.wavelength_edges()
    return settings
