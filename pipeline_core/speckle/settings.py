"""How speckle statistics are computed: frozen, validated values. Light: the window and pipelines read it early."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from pipeline_core.errors import ConfigError
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.wcs import Pointing

__all__ = ["Prior", "SpeckleSettings"]

_POSITIVE = (
    ("bin_s", 1e-6, 1000.0),
    ("tau_s", 1e-6, 1e5),
    ("step_s", 1e-3, 1e6),
    ("block_s", 1e-6, 1e6),
)
_WHOLE = (
    ("least_photons", 1, 10**9),
    ("least_bins", 3, 10**9),
    ("bootstrap", 0, 10_000),
    ("seed", 0, 2**31),
)


@dataclass(frozen=True)
class Prior:
    """A Gaussian prior of one intensity: mean and sigma in counts/s, added to the likelihood."""

    mean_cps: float
    sigma_cps: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean_cps) and self.mean_cps >= 0):
            raise ConfigError(f"A prior's mean must be at least 0 counts/s, not {self.mean_cps!r}.")
        if not (math.isfinite(self.sigma_cps) and self.sigma_cps > 0):
            raise ConfigError(f"A prior's sigma must be above 0 counts/s, not {self.sigma_cps!r}.")


@dataclass(frozen=True)
class SpeckleSettings:
    """Settings of speckle maps, and of the study of one pixel.

    Attributes
    ----------
    bin_s : float
        Width of a time bin.
    with_ip : bool
        Whether a steady source Ip is fitted as well; else it is 0.
    tau_s : float or None
        Decorrelation time of the speckle field; None: measured from the light curves of all pixels that are fitted.
    correct_bin_width : bool
        Whether the averaging of speckles inside a bin is part of the likelihood.
    correct_dead_time : bool
        Whether dead time is part of the likelihood.
    dead_time_us : float or None
        Dead time after each photon; None: what the photon file says.
    start, stop : float or None
        Range of time, s.
    step_s : float or None
        The time range is cut into steps of this length, each with maps of its own; the last may be shorter. None: one.
    min_wavelength, max_wavelength : float or None
        Photons to be counted, nm.
    extrapolated : bool
        Whether photons outside their pixel's valid range of wavelengths count.
    exclude : int
        Flag bits; pixels with any of them are not computed.
    ic_prior, is_prior, ip_prior : Prior or None
    least_photons, least_bins : int
        Pixels with fewer are not fitted.
    bootstrap : int
        Resamples of a block bootstrap; of maps usually 0, as errors from blocks cost nothing there.
    block_s : float or None
        Length of a block; None: 5 to 20 tau, so that there are 60 if possible, and at least 5 bins.
    seed : int
        Of the bootstrap.
    pointing : Pointing or None
        Where the array looked, for coordinates on the sky.

    Raises
    ------
    ConfigError
        A value that is impossible; the message names it and what is possible.
    """

    bin_s: float = 0.01
    with_ip: bool = False
    tau_s: float | None = None
    correct_bin_width: bool = True
    correct_dead_time: bool = True
    dead_time_us: float | None = None
    start: float | None = None
    stop: float | None = None
    step_s: float | None = None
    min_wavelength: float | None = None
    max_wavelength: float | None = None
    extrapolated: bool = False
    exclude: int = PROBLEM_FLAGS
    ic_prior: Prior | None = None
    is_prior: Prior | None = None
    ip_prior: Prior | None = None
    least_photons: int = 100
    least_bins: int = 20
    bootstrap: int = 0
    block_s: float | None = None
    seed: int = 1
    pointing: Pointing | None = None

    def __post_init__(self) -> None:
        problems = []
        for name, low, high in _POSITIVE:
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            may_be_none = name != "bin_s"
            if not ((may_be_none and value is None) or (number and low <= value <= high)):
                problems.append(f"{name} = {value!r} must be a number from {low:g} to {high:g} s")
        for name, low, high in _WHOLE:
            value = getattr(self, name)
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if not (whole and low <= value <= high):
                problems.append(f"{name} = {value!r} must be a whole number from {low} to {high}")
        if not problems and self.step_s is not None and self.step_s < 3 * self.bin_s:
            problems.append(f"step_s = {self.step_s!r} must be at least three bins long")
        dead = self.dead_time_us
        if dead is not None and not (isinstance(dead, Real) and 0 <= dead <= 1e5):
            problems.append(f"dead_time_us = {dead!r} must be a number from 0 to 100000")
        if self.ip_prior is not None and not self.with_ip:
            problems.append("a prior of Ip needs with_ip")
        if problems:
            raise ConfigError("Speckles: " + "; ".join(problems) + ".")

    @property
    def n_parameters(self) -> int:
        """Two, or three with Ip."""
        return 3 if self.with_ip else 2

    def dead_time_of(self, of_file_us: float) -> float:
        """Return the dead time to correct for, us, given that of the photon file; 0 where it is not corrected."""
        if not self.correct_dead_time:
            return 0.0
        return of_file_us if self.dead_time_us is None else self.dead_time_us

    @property
    def priors(self) -> tuple[Prior | None, Prior | None, Prior | None]:
        """Of Ic, Is, Ip."""
        return self.ic_prior, self.is_prior, self.ip_prior

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> SpeckleSettings:
        """Return settings from plain values, as a configuration file has them; a prior is [mean, sigma] in counts/s.

        Raises
        ------
        ConfigError
            A name that is not known, or a value that is impossible.
        """
        known = {item.name for item in dataclasses.fields(cls)} - {"pointing"}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(
                f"Speckles: {', '.join(unknown)} is not known; there are {', '.join(sorted(known))}."
            )
        made = dict(values)
        for name in ("ic_prior", "is_prior", "ip_prior"):
            if made.get(name) is not None and not isinstance(made[name], Prior):
                made[name] = _prior_of(name, made[name])
        return cls(**made)

    def as_dict(self) -> dict[str, object]:
        """Return what differs from the defaults, as plain values, for provenance."""
        plain = dataclasses.asdict(self)
        usual = dataclasses.asdict(SpeckleSettings())
        return {name: value for name, value in plain.items() if value != usual[name]}


def _prior_of(name: str, value: Any) -> Prior:
    if isinstance(value, Mapping):
        value = (value.get("mean_cps"), value.get("sigma_cps"))
    try:
        mean, sigma = (float(part) for part in value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"Speckles: {name} is [mean, sigma] in counts/s, not {value!r}."
        ) from None
    return Prior(mean, sigma)
