"""How bursts of the whole array are looked for: frozen, validated values."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from numbers import Integral, Real

from pipeline_core.errors import ConfigError

__all__ = ["BurstSettings"]

_NUMBERS = (("false_alarms", 1e-12, 1e3), ("mean_s", 0.001, 1000.0), ("tail_sigma", 0.0, 100.0))
_WHOLE = (
    ("bin_us", 1, 10_000),
    ("bins", 1, 100),
    ("least_photons", 2, 1_000_000),
    ("before_us", 0, 1_000_000),
    ("after_us", 0, 1_000_000),
)


@dataclass(frozen=True)
class BurstSettings:
    """Settings of one search for bursts.

    Attributes
    ----------
    bin_us, bins : int
        Photons of the whole array are counted in windows of `bins` times `bin_us`, one beginning every `bin_us`.
    false_alarms : float
        How many windows of a whole observation may be taken for a burst by chance, if photons come independently.
    least_photons : int
        A burst has at least so many in a window.
    mean_s : float
        Over so many seconds the mean rate is taken, to which a window is compared.
    before_us, after_us : int
        Masked before the first window of a burst and after the last one.
    tail_sigma : float
        A burst lasts as long as windows are so many sigmas above the mean.

    Raises
    ------
    ConfigError
        A value that is impossible; the message names it and what is possible.
    """

    bin_us: int = 10
    bins: int = 2
    false_alarms: float = 0.01
    least_photons: int = 5
    mean_s: float = 0.1
    before_us: int = 50
    after_us: int = 100
    tail_sigma: float = 3.0

    def __post_init__(self) -> None:
        problems = []
        for name, low, high in (*_NUMBERS, *_WHOLE):
            value = getattr(self, name)
            whole = (name, low, high) in _WHOLE
            number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
            if not (number and low <= value <= high):
                what = "a whole number" if whole else "a number"
                problems.append(f"{name} = {value!r} must be {what} from {low:g} to {high:g}")
        if problems:
            raise ConfigError("Bursts: " + "; ".join(problems) + ".")

    def to_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(dataclasses.asdict(self))
