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

__all__ = ["Matrix", "Offsets", "load_offsets", "scale_matrix", "scale_of_text"]

Matrix = tuple[tuple[float, float], tuple[float, float]]

_ONE: Matrix = ((1.0, 0.0), (0.0, 1.0))
_KEYS = ("positions", "pixels_per_unit", "times")


@dataclass(frozen=True)
class Offsets:
    """Positions of the frames, in their order, and what they are in pixels.

    Attributes
    ----------
    positions : tuple of (x, y)
        In the unit of whatever moved the sky: pixels, or units of the mirror (conex).
    pixels_per_unit : ((xx, xy), (yx, yy))
        A position farther by (u, v) moves the sky by (xx u + xy v, yx u + yy v) pixels. Signs tell directions.
    times : tuple of (start, stop)
        Unix seconds of each position, as a log of the dither has them: the frames may then be any of the positions, in
        any order, and are recognised by their times. Empty: one position for each frame, in their order.
    """

    positions: tuple[tuple[float, float], ...]
    pixels_per_unit: Matrix = _ONE
    times: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        try:
            positions = tuple((float(x), float(y)) for x, y in self.positions)
        except (TypeError, ValueError):
            raise ConfigError("Positions of a dither are pairs of numbers, x and y.") from None
        if not positions or not all(math.isfinite(v) for one in positions for v in one):
            raise ConfigError("Positions of a dither are pairs of numbers, at least one.")
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "pixels_per_unit", scale_matrix(self.pixels_per_unit))
        try:
            times = tuple((float(start), float(stop)) for start, stop in self.times)
        except (TypeError, ValueError):
            raise ConfigError("Times of a dither are pairs of unix seconds.") from None
        if times and (len(times) != len(positions) or not all(a < b for a, b in times)):
            raise ConfigError("Times of a dither are a start and a later stop for each position.")
        object.__setattr__(self, "times", times)

    def pixels(self) -> npt.NDArray[np.float64]:
        """Return the offsets from the first position in pixels, shape (n, 2)."""
        moved = np.array(self.positions) - np.array(self.positions[0])
        return np.asarray(moved @ np.array(self.pixels_per_unit).T)

    def of_frames(self, names: Sequence[str], middles: Sequence[float]) -> npt.NDArray[np.float64]:
        """Return the offsets of frames from the first of them in pixels, shape (n, 2).

        Parameters
        ----------
        names : sequence of str
            For messages.
        middles : sequence of float
            Unix seconds of the middle of each frame; NaN where it is not known.

        Raises
        ------
        ConfigError
            There are not as many positions as frames; or no position has a frame's time.
        """
        found = self.pixels()
        if not self.times:
            if len(found) != len(names):
                raise ConfigError(
                    f"There are {len(found)} offsets for {len(names)} frames: give one for each, in their order."
                )
            return found
        rows = []
        for name, middle in zip(names, middles, strict=True):
            row = next((k for k, (a, b) in enumerate(self.times) if a <= middle < b), None)
            if row is None:
                raise ConfigError(
                    f"{name}: the dither was at no position in the middle of it (unix second {middle:.1f}); it lasted "
                    f"from {self.times[0][0]:.1f} to {self.times[-1][1]:.1f}. Leave the file out, or give offsets."
                )
            rows.append(row)
        return np.asarray(found[rows] - found[rows[0]])

    def as_dict(self) -> dict[str, object]:
        """Return plain values, as `load_offsets` reads them."""
        plain: dict[str, object] = {
            "positions": [list(one) for one in self.positions],
            "pixels_per_unit": [list(one) for one in self.pixels_per_unit],
        }
        return plain | ({"times": [list(one) for one in self.times]} if self.times else {})


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


def scale_of_text(text: str) -> Matrix:
    """Return pixels per unit from numbers with blanks or commas between.

    Raises
    ------
    ConfigError
        As of `scale_matrix`.
    """
    try:
        return scale_matrix([float(word) for word in text.replace(",", " ").split()])
    except ValueError:
        return scale_matrix(text)  # says what it should be


def load_offsets(path: Path) -> Offsets:
    """Read offsets from YAML.

    ``positions``, a list of [x, y]; ``pixels_per_unit`` unless they are in pixels; ``times``, a list of [start, stop]
    in unix seconds, if frames are to be recognised by their times.

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
        scale = scale_matrix(values.get("pixels_per_unit", 1.0))
        return Offsets(tuple(positions), scale, values.get("times", ()))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
