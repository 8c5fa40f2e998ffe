"""Parts of the detector that a person has marked: rectangles, circles and sets of pixels, and files of them.

A region is made of whole pixels. It may reach beyond the array: what is outside is left out when a mask is made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.region_statistics import (
    COLUMNS,
    Column,
    RegionStatistics,
    hot_order,
    statistics,
    statistics_rows,
)

__all__ = [
    "COLUMNS",
    "Circle",
    "Column",
    "PixelSet",
    "Rectangle",
    "Region",
    "RegionStatistics",
    "from_dict",
    "from_ds9",
    "hot_order",
    "pixels_in",
    "ring",
    "statistics",
    "statistics_rows",
    "to_ds9",
]

_LARGEST = 10**6  # pixels; whatever is farther away is a mistake
_SLACK = 1e-6  # of a pixel: numbers in region files are rounded

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rectangle:
    """All pixels from corner (x0, y0) to corner (x1, y1), both included; any two opposite corners."""

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        for first, last in (("x0", "x1"), ("y0", "y1")):
            ends = sorted((_whole(getattr(self, first)), _whole(getattr(self, last))))
            object.__setattr__(self, first, ends[0])
            object.__setattr__(self, last, ends[1])

    @property
    def label(self) -> str:
        """Kind, place and size in words."""
        size = f"{self.x1 - self.x0 + 1} × {self.y1 - self.y0 + 1}"
        return f"Rectangle {size} at ({self.x0}, {self.y0})"

    def mask(self, shape: tuple[int, int]) -> _Mask:
        """Return True for its pixels, shape (ncols, nrows)."""
        mask = np.zeros(shape, bool)
        mask[max(self.x0, 0) : max(self.x1 + 1, 0), max(self.y0, 0) : max(self.y1 + 1, 0)] = True
        return mask

    def moved(self, dx: int, dy: int) -> Rectangle:
        """Return it elsewhere."""
        return Rectangle(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a file; `from_dict` reads them."""
        return {"shape": "rectangle", **asdict(self)}


@dataclass(frozen=True)
class Circle:
    """All pixels whose middle is at most `radius` from (x, y), in pixels; whole numbers are middles of pixels."""

    x: float
    y: float
    radius: float

    def __post_init__(self) -> None:
        for name in ("x", "y", "radius"):
            object.__setattr__(self, name, _number(getattr(self, name)))
        if self.radius < 0:
            raise ConfigError(f"A circle cannot have the radius {self.radius}: give 0 or more.")

    @property
    def label(self) -> str:
        """Kind, place and size in words."""
        return f"Circle r = {self.radius:g} at ({self.x:g}, {self.y:g})"

    def mask(self, shape: tuple[int, int]) -> _Mask:
        """Return True for its pixels, shape (ncols, nrows)."""
        x, y = np.ogrid[: shape[0], : shape[1]]
        return np.asarray(np.hypot(x - self.x, y - self.y) <= self.radius + _SLACK)

    def moved(self, dx: float, dy: float) -> Circle:
        """Return it elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a file; `from_dict` reads them."""
        return {"shape": "circle", **asdict(self)}


@dataclass(frozen=True)
class PixelSet:
    """Single pixels (x, y), each once, in the order given."""

    pixels: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        pixels = dict.fromkeys((_whole(x), _whole(y)) for x, y in self.pixels)
        object.__setattr__(self, "pixels", tuple(pixels))

    @property
    def label(self) -> str:
        """Kind and place, or number, in words."""
        if len(self.pixels) == 1:
            return f"Pixel {self.pixels[0]}"
        return f"{len(self.pixels)} pixels"

    def mask(self, shape: tuple[int, int]) -> _Mask:
        """Return True for its pixels, shape (ncols, nrows)."""
        mask = np.zeros(shape, bool)
        for x, y in self.pixels:
            if 0 <= x < shape[0] and 0 <= y < shape[1]:
                mask[x, y] = True
        return mask

    def moved(self, dx: int, dy: int) -> PixelSet:
        """Return it elsewhere."""
        return PixelSet(tuple((x + dx, y + dy) for x, y in self.pixels))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a file; `from_dict` reads them."""
        return {"shape": "pixels", "pixels": [list(pixel) for pixel in self.pixels]}


Region: TypeAlias = Rectangle | Circle | PixelSet


def pixels_in(region: Region, shape: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return the region's pixels (x, y) that are on an array of this shape, x by x."""
    xs, ys = np.nonzero(region.mask(shape))
    return tuple(zip(xs.tolist(), ys.tolist(), strict=True))


def ring(mask: _Mask, gap: float = 1, width: float = 2) -> _Mask:
    """Return the surroundings of a region, to measure the background in.

    Parameters
    ----------
    mask : ndarray of bool, shape (ncols, nrows)
    gap : float
        Pixels whose middle is at most this far from the middle of a pixel of the region stay out.
    width : float
        Those at most this much farther are the ring.

    Returns
    -------
    ndarray of bool, shape (ncols, nrows)

    Raises
    ------
    ConfigError
        If `gap` is negative or `width` not positive.
    """
    if not (gap >= 0 and width > 0):
        raise ConfigError(
            f"A ring needs a gap of at least 0 and a width above 0, not {gap}, {width}."
        )
    return _dilated(mask, gap + width) & ~_dilated(mask, gap)


def _dilated(mask: _Mask, radius: float) -> _Mask:
    """Return True within a distance of any True pixel."""
    reach = int(radius + _SLACK)
    wide = np.pad(mask, reach)
    found = np.zeros_like(mask)
    ncols, nrows = mask.shape
    for dx in range(-reach, reach + 1):
        # a column of the disk is an interval: differences of a running count see it in one go
        half = int(math.sqrt(max(radius * radius - dx * dx, 0.0)) + _SLACK)
        counts = np.cumsum(wide[reach + dx : reach + dx + ncols], axis=1, dtype=np.int32)
        counts = np.pad(counts, ((0, 0), (1, 0)))
        first = reach - half
        stop = reach + half + 1
        found |= counts[:, stop : stop + nrows] > counts[:, first : first + nrows]
    return found


def from_dict(values: Mapping[str, Any]) -> Region:
    """Return the region that `to_dict` wrote. Keys that are not known are ignored.

    Raises
    ------
    InputFormatError
        If the kind is not known, or a value is missing or impossible.
    """
    makers: dict[object, Callable[[], Region]] = {
        "rectangle": lambda: Rectangle(*(values[key] for key in ("x0", "y0", "x1", "y1"))),
        "circle": lambda: Circle(*(values[key] for key in ("x", "y", "radius"))),
        "pixels": lambda: PixelSet(tuple((x, y) for x, y in values["pixels"])),
    }
    try:
        return makers[values["shape"]]()
    except (KeyError, TypeError, ValueError) as error:
        raise InputFormatError(
            f"No region can be made of {dict(values)}: {type(error).__name__} {error}. Draw it again."
        ) from error


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not abs(number) <= _LARGEST:
        raise ConfigError(f"A region cannot be at or of {value}: pixels are counted from 0.")
    return number


def _whole(value: object) -> int:
    number = _number(value)
    if number != int(number):
        raise ConfigError(f"{value} is no whole pixel.")
    return int(number)


# --- region files of DS9 -------------------------------------------------------------------------

_HEAD = "# Region file format: DS9 version 4.1"
_SYSTEMS = (
    "image",
    "physical",
)  # physical is the same for an image that was not cut out of another one
_SHAPE = re.compile(r"\+?([a-z]+)[\s(]+([^()]*?)\)?$")
_TAG = re.compile(r"tag=\{(pixels \d+)\}")


def to_ds9(regions: Iterable[Region]) -> str:
    """Return a DS9 region file in image coordinates, where the middle of the first pixel is (1, 1).

    Sets of pixels become boxes of one pixel with a common tag.
    """
    lines = [_HEAD, "image"]
    for number, region in enumerate(regions):
        if isinstance(region, Rectangle):
            x, y = (region.x0 + region.x1) / 2 + 1, (region.y0 + region.y1) / 2 + 1
            width, height = region.x1 - region.x0 + 1, region.y1 - region.y0 + 1
            lines.append(f"box({x:.12g},{y:.12g},{width},{height},0)")
        elif isinstance(region, Circle):
            lines.append(f"circle({region.x + 1:.12g},{region.y + 1:.12g},{region.radius:.12g})")
        else:
            tag = f" # tag={{pixels {number}}}"
            lines += [f"box({x + 1},{y + 1},1,1,0){tag}" for x, y in region.pixels]
    return "\n".join(lines) + "\n"


def from_ds9(text: str) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """Read a DS9 region file.

    Circles, boxes that are not turned (the pixels whose middle they contain) and points in image or physical
    coordinates are understood.

    Returns
    -------
    regions : tuple of Region
    skipped : tuple of str
        The lines that were not understood, as they are: for a message.
    """
    regions: list[Region] = []
    skipped: list[str] = []
    sets: dict[str, int] = {}  # tag: place in `regions`
    system = "image"
    for line in re.split(r"[\n;]+", text):
        command, _, comment = line.strip().partition("#")
        command = command.strip().lower()
        if not command or command.startswith("global"):
            continue
        if re.fullmatch(r"[a-z]\w*", command):
            system = command
            continue
        region = _ds9_region(command) if system in _SYSTEMS else None
        tag = _TAG.search(comment)
        if region is None:
            skipped.append(line.strip())
        elif not tag:
            regions.append(region)
        elif tag[1] in sets:
            regions[sets[tag[1]]] = _joined(regions[sets[tag[1]]], region)
        else:
            sets[tag[1]] = len(regions)
            regions.append(_joined(PixelSet(()), region))
    return tuple(regions), tuple(skipped)


def _joined(first: Region, second: Region) -> PixelSet:
    """Return the pixels of both in one set; circles have none."""
    found: list[tuple[int, int]] = []
    for region in (first, second):
        if isinstance(region, PixelSet):
            found += region.pixels
        elif isinstance(region, Rectangle):
            columns, rows = range(region.x0, region.x1 + 1), range(region.y0, region.y1 + 1)
            found += [(x, y) for x in columns for y in rows]
    return PixelSet(tuple(found))


def _ds9_region(command: str) -> Region | None:
    """Return the region of one line of lower-case text, or None if it cannot be one of ours."""
    match = _SHAPE.match(command)
    if match is None:
        return None
    try:
        values = [_number(value) for value in re.split(r"[,\s]+", match[2].strip())]
        if match[1] == "circle" and len(values) == 3:
            # rounding takes away what the subtraction adds
            return Circle(round(values[0] - 1, 9), round(values[1] - 1, 9), values[2])
        if match[1] == "point" and len(values) == 2:
            return PixelSet(((_nearest(values[0]), _nearest(values[1])),))
        if match[1] == "box" and len(values) in (4, 5) and values[4:] in ([], [0.0], [360.0]):
            x, y, width, height = values[:4]
            (x0, x1), (y0, y1) = _middles(x, width), _middles(y, height)
            return Rectangle(x0, y0, x1, y1) if x0 <= x1 and y0 <= y1 else None
    except ValueError:  # not numbers, or impossible ones
        return None
    return None


def _nearest(place: float) -> int:
    """Return the pixel, counted from 0, that a place, counted from 1, is on."""
    return math.floor(place - 1 + 0.5)


def _middles(centre: float, width: float) -> tuple[int, int]:
    """Return the first and last pixel, counted from 0, whose middle is within a width counted from 1."""
    first = math.ceil(centre - width / 2 - 1 - _SLACK)
    return first, math.floor(centre + width / 2 - 1 + _SLACK)
