"""Maps of speckle statistics: the one list of quantities, and the value that holds them. Arrays are [step, x, y]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.speckle.status import MISSING_WORDS, PixelStatus

__all__ = [
    "QUANTITIES",
    "MapPart",
    "Quantity",
    "SpeckleMaps",
    "empty_maps",
    "quantities_of",
    "why_no_value",
]

FloatArray = npt.NDArray[np.float64]


class Quantity(NamedTuple):
    """Title as people write it, unit as FITS spells it, a sentence, whether it needs a fit with Ip, and why a pixel
    that was fitted may have none.
    """

    title: str
    unit: str
    sentence: str
    needs_ip: bool = False
    may_lack: str = ""


_BLOCKS = "sigma, from sums over blocks: knows that bins are correlated"
_TOO_SHORT = "too few blocks of time, or the likelihood is flat"
_FLAT = "the likelihood is flat"
_NO_TAU = "its light curve does not tell it"
_CURVATURE = "sigma, from the curvature of the likelihood: too small where bins are correlated"
QUANTITIES: dict[str, Quantity] = {
    "ic": Quantity("Ic", "count/s", "Coherent intensity, less its bias where it is faint"),
    "is": Quantity("Is", "count/s", "Speckle intensity"),
    "ip": Quantity("Ip", "count/s", "Steady intensity beside star and speckles", True),
    "ic_over_is": Quantity(
        "Ic/Is", "", "Where Is is above 2 sigma", may_lack="Is is not known to exceed 2 sigma"
    ),
    "ip_over_sigma": Quantity(
        "Ip/sigma", "", "Steady intensity over its sigma", True, "Ip has no sigma"
    ),
    "ic_error": Quantity("sigma(Ic)", "count/s", f"Ic: {_BLOCKS}", may_lack=_TOO_SHORT),
    "is_error": Quantity("sigma(Is)", "count/s", f"Is: {_BLOCKS}", may_lack=_TOO_SHORT),
    "ip_error": Quantity("sigma(Ip)", "count/s", f"Ip: {_BLOCKS}", True, _TOO_SHORT),
    "ic_hessian": Quantity("curvature sigma(Ic)", "count/s", f"Ic: {_CURVATURE}", may_lack=_FLAT),
    "is_hessian": Quantity("curvature sigma(Is)", "count/s", f"Is: {_CURVATURE}", may_lack=_FLAT),
    "ip_hessian": Quantity("curvature sigma(Ip)", "count/s", f"Ip: {_CURVATURE}", True, _FLAT),
    "companion_p": Quantity("p(Ip = 0)", "", "Chance of such a likelihood ratio without Ip", True),
    "p_value": Quantity(
        "p-value",
        "",
        "Chance of a worse fit if the model is right",
        may_lack="too few blocks of time, or too few different counts",
    ),
    "fano": Quantity("Fano factor", "", "Variance over mean of the counts, no fit"),
    "excess": Quantity(
        "excess variance",
        "count2/s2",
        "Variance of the light in bins, without photon noise; no fit",
    ),
    "tau": Quantity(
        "tau", "s", "Decorrelation time of the field from the pixel's light curve", may_lack=_NO_TAU
    ),
    "tau_error": Quantity(
        "sigma(tau)", "s", "Its sigma, from parts of the light curve", may_lack=_NO_TAU
    ),
    "photons": Quantity("photons", "count", "Photons in the bins that were used"),
    "bins": Quantity("bins", "", "Bins that were used"),
    "status": Quantity("status", "", "How the fit ended"),
}
"""Every map by the name it has in files and in `SpeckleMaps.maps`."""


def why_no_value(name: str, status: float) -> str:
    """Return in a few words why a pixel has no value in a map, by how its fit ended (a number of `PixelStatus`)."""
    ended = PixelStatus(int(status))
    return MISSING_WORDS.get(ended, "") or QUANTITIES[name].may_lack or "not known"


def quantities_of(settings: SpeckleSettings) -> tuple[str, ...]:
    """Return the names of the maps that a computation makes."""
    return tuple(name for name, one in QUANTITIES.items() if settings.with_ip or not one.needs_ip)


@dataclass(frozen=True, eq=False)
class MapPart:
    """Pixels that are done: what a computation reports while it goes on.

    Attributes
    ----------
    step : int
        Of the time range.
    x, y : ndarray of int64, shape (n,)
    values : mapping of name to ndarray of float64, shape (n,)
        By the names of `QUANTITIES`.
    """

    step: int
    x: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    values: Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False)
class SpeckleMaps:
    """Maps of one observation.

    Attributes
    ----------
    settings : SpeckleSettings
    edges_s : ndarray of float64, shape (n_step + 1,)
        Ends of the steps of time, from the start of the observation.
    maps : mapping of name to ndarray of float64, shape (n_step, ncols, nrows)
        By the names of `QUANTITIES`; NaN where there is no value, in 'status' 0.
    tau_s, tau_error_s : float
        Decorrelation time that was used, and its error if it was measured; NaN where there is none.
    dead_time_us : float
        Corrected for; 0 if it is not.
    complete : bool
        False where the work was cancelled: the rest is not computed.
    """

    settings: SpeckleSettings
    edges_s: FloatArray
    maps: Mapping[str, FloatArray]
    tau_s: float
    tau_error_s: float
    dead_time_us: float
    complete: bool = True
    facts: Mapping[str, tuple[object, str]] = field(default_factory=dict)

    @property
    def n_steps(self) -> int:
        """Steps of time, at least one."""
        return self.edges_s.size - 1

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""
        _, ncols, nrows = self.maps["status"].shape
        return ncols, nrows

    def image(self, name: str, step: int = 0) -> FloatArray:
        """Return one map [x, y].

        Raises
        ------
        ConfigError
            If there is no such map or step.
        """
        if name not in self.maps:
            raise ConfigError(f"There is no map {name!r}; there are {', '.join(self.maps)}.")
        if not 0 <= step < self.n_steps:
            raise ConfigError(f"There is no step {step}: 0 to {self.n_steps - 1}.")
        return self.maps[name][step]

    def status_counts(self) -> dict[str, int]:
        """Return how many pixels and steps ended how, by the names of `PixelStatus` in lower case."""
        found = self.maps["status"]
        return {one.name.lower(): int((found == one).sum()) for one in PixelStatus}


def empty_maps(
    settings: SpeckleSettings, shape: tuple[int, int], n_steps: int
) -> dict[str, npt.NDArray[Any]]:
    """Return maps in which nothing is computed yet, to be filled by `MapPart` after `MapPart`."""
    whole = (n_steps, *shape)
    maps = {name: np.full(whole, np.nan) for name in quantities_of(settings)}
    maps["status"] = np.full(whole, float(PixelStatus.NOT_COMPUTED))
    return maps
