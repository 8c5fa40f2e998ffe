"""What the books are drawn with: colours, scales, panels with axes, maps with a colour bar. `book` arranges it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.pdfpages import Canvas, PdfPages

__all__ = [
    "BLUE",
    "DARK",
    "GREY",
    "LETTER",
    "LIGHT",
    "RED",
    "Panel",
    "Scale",
    "draw_colour_bar",
    "draw_map",
    "hot_palette",
    "nice_top",
    "ticks",
]

LETTER = (612.0, 792.0)
DARK, GREY, LIGHT = (0.1, 0.1, 0.1), (0.45, 0.45, 0.45), (0.66, 0.76, 0.88)
BLUE, RED = (0.12, 0.35, 0.65), (0.77, 0.1, 0.3)

_BAD = (34, 34, 34)  # of pixels without value
_MAP_BOX = (116.0, 182.0)

FloatArray = npt.NDArray[np.float64]
Colour = tuple[float, float, float]


def nice_top(value: float) -> float:
    """Return a round number not below a value."""
    if not value > 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if unit * step >= value)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers between two, not more than `most` or so."""
    span = high - low
    unit = 10.0 ** math.floor(math.log10(span / most))
    step = next(unit * s for s in (1, 2, 2.5, 5, 10) if span / (unit * s) <= most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


@dataclass(frozen=True)
class Scale:
    """A linear axis."""

    low: float
    high: float

    def place(self, values: FloatArray, length: float) -> FloatArray:
        """Return where values lie on an axis of a length (points), those beyond at its ends."""
        share = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        return length * np.clip(share, 0.0, 1.0)


class Panel:
    """Axes that are drawn once, and used on every page; with `y_scale` None, that axis is labelled at each use."""

    def __init__(
        self,
        book: PdfPages,
        name: str,
        size: tuple[float, float],
        x_scale: Scale,
        y_scale: Scale | None,
        x_label: str,
        y_label: str,
    ) -> None:
        self.size = size
        self._name, self._x_scale, self._y_scale = name, x_scale, y_scale
        wide, high = size
        canvas = Canvas()
        canvas.stroke(GREY, 0.5).line(0, 0, wide, 0).line(0, 0, 0, high)
        canvas.fill(GREY)
        for value in ticks(x_scale.low, x_scale.high):
            x = float(x_scale.place(np.array(value), wide))
            canvas.line(x, 0, x, -2.5).text(x, -9, f"{value:g}", 6, "centre")
        canvas.text(wide / 2, -17, x_label, 6.5, "centre")
        canvas.text(-24, high / 2, y_label, 6.5, "centre", turned=True)
        if y_scale is not None:
            _y_ticks(canvas, y_scale, high, 0, 0)
        book.add_form(name, canvas, wide, high)

    def place(self, canvas: Canvas, x: float, y: float, y_scale: Scale | None = None) -> None:
        """Draw the axes with their lower left corner at a place."""
        canvas.use(self._name, x, y)
        if y_scale is not None:
            canvas.stroke(GREY, 0.5).fill(GREY)
            _y_ticks(canvas, y_scale, self.size[1], x, y)

    def x(self, values: FloatArray) -> FloatArray:
        """Return places along the x axis."""
        return self._x_scale.place(values, self.size[0])

    def y(self, values: FloatArray) -> FloatArray:
        """Return places along the y axis."""
        assert self._y_scale is not None
        return self._y_scale.place(values, self.size[1])

    def y_scale_holds(self, values: FloatArray) -> npt.NDArray[np.bool_]:
        """Tell which values the y axis reaches."""
        assert self._y_scale is not None
        inside: npt.NDArray[np.bool_] = (values >= self._y_scale.low) & (
            values <= self._y_scale.high
        )
        return inside


def _y_ticks(canvas: Canvas, scale: Scale, high: float, x: float, y: float) -> None:
    for value in ticks(scale.low, scale.high):
        at = y + float(scale.place(np.array(value), high))
        canvas.line(x, at, x - 2.5, at).text(x - 4, at - 2, f"{value:g}", 6, "right")


def hot_palette() -> npt.NDArray[np.uint8]:
    """Return 255 colours from black over red and yellow to white, and the one of pixels without value."""
    t = np.linspace(0, 1, 255)
    red = np.interp(t, [0, 0.365], [0.0416, 1])
    green = np.interp(t, [0.365, 0.746], [0, 1])
    blue = np.interp(t, [0.746, 1], [0, 1])
    colours = np.rint(255 * np.column_stack((red, green, blue)))
    return np.vstack((colours, _BAD)).astype(np.uint8)


def draw_colour_bar(book: PdfPages) -> None:
    """Keep a colour bar of `hot_palette` as the image ``Bar``."""
    book.add_image("Bar", np.arange(255, dtype=np.uint8)[None, :], hot_palette())


def draw_map(
    canvas: Canvas,
    name: str,
    values: FloatArray,
    limits: tuple[float, float],
    place: tuple[float, float],
    label: str,
) -> npt.NDArray[np.uint8]:
    """Draw a map [x, y] with its colour bar below; return the colour numbers that the page must be given by `name`."""
    low, high = limits
    with np.errstate(invalid="ignore"):
        share = np.clip((values - low) / (high - low), 0, 1)
    cells = np.where(np.isfinite(values), np.rint(254 * np.nan_to_num(share)), 255)
    picture = cells.astype(np.uint8).T[::-1]
    scale = min(_MAP_BOX[0] / picture.shape[1], _MAP_BOX[1] / picture.shape[0])
    wide, tall = picture.shape[1] * scale, picture.shape[0] * scale
    x, y = place[0], place[1] + 35 + _MAP_BOX[1] - tall
    canvas.use(name, x, y, wide, tall).stroke(GREY, 0.4).box(x, y, wide, tall)
    canvas.use("Bar", x, y - 12, wide, 6).box(x, y - 12, wide, 6)
    canvas.fill(GREY)
    canvas.text(x, y - 20, f"{low:.3g}", 6).text(x + wide, y - 20, f"{high:.3g}", 6, "right")
    canvas.text(x + wide / 2, y - 20, label, 6.5, "centre")
    return picture
