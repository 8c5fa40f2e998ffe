"""How bad pixels are looked for: frozen, validated values."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from numbers import Real

from pipeline_core.errors import ConfigError

__all__ = ["METHODS", "BadPixelSettings"]

METHODS = ("surroundings", "median", "threshold", "cps")
"""The method of this program, and three of this camera's earlier tools; see `methods`."""

_LIMITS = (
    ("n_sigma", 1.0, 100.0),
    ("n_sigma_cold", 1.0, 100.0),
    ("ratio", 1.5, 1000.0),
    ("fwhm", 1.5, 20.0),
    ("max_rate_cps", 1e-3, 1e6),
    ("max_iter", 1, 100),
    ("flicker_share", 0.0, 100.0),
)


@dataclass(frozen=True)
class BadPixelSettings:
    """Settings of one search for bad pixels.

    Attributes
    ----------
    method : str
        Of `METHODS`.
    start, stop : float or None
        Range of time in s; None for the observation's ends.
    slice_s : float or None
        Length of the slices that are judged one by one, in s; None for the whole range only.
    n_sigma, n_sigma_cold : float
        How far above or below its surroundings a pixel must be, in sigmas of all that scatters there.
    ratio : float
        A pixel with so many times the counts of its surroundings is hot, however much good pixels scatter.
    fwhm : float
        Of the narrowest image of a star, in pixels: nothing that wide is taken for a hot pixel.
    box : int
        Side of the moving box in pixels, odd.
    max_rate_cps : float
        Methods 'cps' and 'median': above this a pixel is hot, whatever its surroundings.
    max_iter : int
        At most so many passes, each without the pixels that were found before.
    cold : bool
        Whether to look for cold pixels as well (dead ones are always looked for).
    flicker : bool
        Whether to look for pixels whose rate jumps.
    flicker_share : float
        By what part of its mean such a pixel's rate must scatter at least, photon noise apart.

    Raises
    ------
    ConfigError
        A value that is impossible; the message names it and what is possible.
    """

    method: str = "surroundings"
    start: float | None = None
    stop: float | None = None
    slice_s: float | None = 10.0
    n_sigma: float = 4.0
    n_sigma_cold: float = 4.0
    ratio: float = 4.0
    fwhm: float = 2.5
    box: int = 5
    max_rate_cps: float = 2450.0
    max_iter: int = 5
    cold: bool = True
    flicker: bool = True
    flicker_share: float = 0.2

    def __post_init__(self) -> None:
        problems = []
        if self.method not in METHODS:
            problems.append(f"method {self.method!r} is not one of {', '.join(METHODS)}")
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not (number and low <= value <= high):
                problems.append(f"{name} = {value!r} must be a number from {low:g} to {high:g}")
        if self.box not in range(3, 32, 2):
            problems.append(f"box = {self.box!r} must be an odd number of pixels from 3 to 31")
        if self.slice_s is not None and not (math.isfinite(self.slice_s) and self.slice_s > 0):
            problems.append(f"slice_s = {self.slice_s!r} must be a time in s above 0")
        for name in ("cold", "flicker"):
            if not isinstance(getattr(self, name), bool):
                problems.append(f"{name} = {getattr(self, name)!r} must be true or false")
        if problems:
            raise ConfigError("Bad pixels: " + "; ".join(problems) + ".")

    def to_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(dataclasses.asdict(self))
