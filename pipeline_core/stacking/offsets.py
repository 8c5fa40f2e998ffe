"""Where the sky lies in each frame of a dither, as somebody knows it: a log, a list, a small YAML file.

The offset (x, y) of a frame tells how many pixels farther along columns and rows the sky lies in it than in the first
one. A star at pixel p of the first frame is at p + offset.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.plainyaml import plain_yaml

__all__ = ["Offsets", "load_offsets", "scale_matrix"]

Matrix = tuple[tuple[float, float], tuple[float, float]]

_ONE: Matrix = ((1.0, 0.0), (0.0, 1.0))
_KEYS = ("positions", "pixels_per_unit")


@dataclass(frozen=True)
class Offsets:
    """Positions of the frames, in their order, and what they are in pixels.

    Attributes
    ----------
    positions : tuple of (x, y)
        In the unit of whatever moved the sky: pixels, or units of the mirror (conex).
    pixels_per_unit : ((xx, xy), (yx, yy))
        A position farther by (u, v) moves the sky by (xx u + xy v, yx u + yy v) pixels. Signs tell directions.
    """

    positions: tuple[tuple[float, float], ...]
    pixels_per_unit: Matrix = _ONE

    def __post_init__(self) -> None:
        try:
            positions = tuple((float(x), float(y)) for x, y in self.positions)
        except (TypeError, ValueError):
            raise ConfigError("Positions of a dither are pairs of numbers, x and y.") from None
        if not positions or not all(math.isfinite(v) for one in positions for v in one):
            raise ConfigError("Positions of a dither are pairs of numbers, at least one.")
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "pixels_per_unit", scale_matrix(self.pixels_per_unit))

    def pixels(self) -> npt.NDArray[np.float64]:
        """Return the offsets from the first frame in pixels, shape (n, 2)."""
        moved = np.array(self.positions) - np.array(self.positions[0])
        return np.asarray(moved @ np.array(self.pixels_per_unit).T)

    def as_dict(self) -> dict[str, object]:
        """Return plain values, as `load_offsets` reads them."""
        return {
            "positions": [list(one) for one in self.positions],
            "pixels_per_unit": [list(one) for one in self.pixels_per_unit],
        }


def scale_matrix(value: object) -> Matrix:
    """Return pixels per unit as a matrix: from one number, one each for x and y, or the matrix itself.

    Raises
    ------
    ConfigError
        If it is none of these, or moves along one line only.
    """
    try:
        numbers = np.array(value, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape in ((), (1,)):
        numbers = np.eye(2) * numbers
    elif numbers.shape == (2,):
        numbers = np.diag(numbers)
    elif numbers.shape == (4,):
        numbers = numbers.reshape(2, 2)
    if numbers.shape != (2, 2) or not np.isfinite(numbers).all():
        raise ConfigError(
            f"Pixels per unit are one number, one each for x and y, or four (xx, xy, yx, yy), not {value!r}."
        )
    if abs(np.linalg.det(numbers)) < 1e-12:
        raise ConfigError(f"Pixels per unit of {value!r} cannot tell x from y.")
    (xx, xy), (yx, yy) = numbers.tolist()
    return (xx, xy), (yx, yy)


def load_offsets(path: Path) -> Offsets:
    """Read offsets from YAML: ``positions``, a list of [x, y], and ``pixels_per_unit`` unless they are in pixels.

    Raises
    ------
    InputFormatError
        It cannot be read.
    ConfigError
        Its values are impossible.
    """
    values = plain_yaml(path)
    unknown = [key for key in values if key not in _KEYS]
    if unknown:
        raise ConfigError(
            f"{path}: {', '.join(unknown)} is not known; there are {', '.join(_KEYS)}."
        )
    positions = values.get("positions")
    if not isinstance(positions, Sequence) or isinstance(positions, str):
        raise ConfigError(f"{path}: 'positions' is a list of [x, y].")
    try:
        return Offsets(tuple(positions), scale_matrix(values.get("pixels_per_unit", 1.0)))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
