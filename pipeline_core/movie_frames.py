"""What a frame of a movie looks like: the image, a colour bar with units, time and number, and what is masked.

Frames are colour numbers: most are of the colour map, some greys are for letters. Images are [x, y]; in the picture x
goes to the right and y upwards, as in the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.colours import picture_table
from pipeline_core.display import FLAGGED_INDEX, N_COLOURS, NAN_INDEX, indices
from pipeline_core.errors import ConfigError
from pipeline_core.stretch import Scale

__all__ = ["FrameMaker", "FrameStyle", "about_bytes", "frame_size", "usual_zoom"]

_N_MAP = 236
_MISSING, _MASKED = _N_MAP, _N_MAP + 1
_FIRST_GREY = _N_MAP + 2
_N_GREYS = 256 - _FIRST_GREY

_LETTERS_PIX = 13
_MARGIN = 10
_LINE = 20
_BAR = 14
_TICK = 4
_SWATCH = 12
_NUMBERS_WIDTH = 62
_N_TICKS = 6
_TEXT_WIDTH = 380
"""Time and number of the frame need so much."""
_USUAL_PIX = 480
_GIF_BYTES, _MP4_BYTES, _LETTERS_BYTES = 1.4, 0.035, 2000
"""A pixel of the detector and frame; measured."""
_LARGEST_PIX = 4096

Numbers = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FrameStyle:
    """How frames are drawn.

    Attributes
    ----------
    scale : Scale
        Values of the darkest and brightest colour, alike in all frames.
    colour_map : str
    inverted : bool
    zoom : int or None
        Pixels of the picture in a row of a detector's pixel; None: about 480 for the longer side.
    label : str
        What the colours mean, with its unit.
    title : str
        At the foot of the picture.
    """

    scale: Scale
    colour_map: str
    inverted: bool
    zoom: int | None
    label: str
    title: str


def usual_zoom(shape: tuple[int, int]) -> int:
    """Return how many pixels a detector's pixel gets in a row unless it is said: about 480 for the longer side."""
    return max(_USUAL_PIX // max(shape), 1)


def frame_size(shape: tuple[int, int], zoom: int | None) -> tuple[int, int]:
    """Return width and height of a frame of an array of (ncols, nrows): even numbers, as MP4 wants them."""
    zoom = zoom or usual_zoom(shape)
    beside = _MARGIN + _MARGIN + _BAR + _NUMBERS_WIDTH + _LINE
    right = max(shape[0] * zoom + beside, _TEXT_WIDTH)
    bottom = _MARGIN + _LINE + shape[1] * zoom + _MARGIN + 2 * _LINE
    return right + right % 2, bottom + bottom % 2


def about_bytes(shape: tuple[int, int], zoom: int | None, n_frames: int, ending: str) -> int:
    """Return about how large a movie will be: a GIF grows with the zoom, an MP4 with its square."""
    zoom = zoom or usual_zoom(shape)
    each = _GIF_BYTES * zoom if ending == ".gif" else _MP4_BYTES * zoom**2
    return round(n_frames * (shape[0] * shape[1] * each + _LETTERS_BYTES))


class FrameMaker:
    """Draws frames of one movie. The parts that do not change are drawn once.

    Parameters
    ----------
    shape : (ncols, nrows)
    style : FrameStyle

    Raises
    ------
    ConfigError
        The picture would be too large, or there is no such colour map.
    """

    def __init__(self, shape: tuple[int, int], style: FrameStyle) -> None:
        self._style = style
        ncols, nrows = shape
        self._zoom = style.zoom or usual_zoom(shape)
        width, height = ncols * self._zoom, nrows * self._zoom
        self._corner = (_MARGIN, _MARGIN + _LINE)
        self._image = (width, height)
        self.size = frame_size(shape, style.zoom)
        if max(self.size) > _LARGEST_PIX:
            raise ConfigError(
                f"Frames of {self.size[0]} x {self.size[1]} pixels are too large: choose a smaller zoom than "
                f"{self._zoom}."
            )
        table = picture_table(style.colour_map, inverted=style.inverted)
        self.colours = np.zeros((256, 3), np.uint8)
        steps = np.arange(_N_MAP) * N_COLOURS // _N_MAP
        self.colours[:_N_MAP] = table[steps]
        self.colours[_MISSING], self.colours[_MASKED] = table[NAN_INDEX], table[FLAGGED_INDEX]
        self.colours[_FIRST_GREY:] = np.linspace(0, 255, _N_GREYS).astype(np.uint8)[:, None]
        self._to_number = np.zeros(256, np.uint8)
        self._to_number[:N_COLOURS] = np.arange(N_COLOURS) * _N_MAP // N_COLOURS
        self._to_number[NAN_INDEX], self._to_number[FLAGGED_INDEX] = _MISSING, _MASKED
        self._still = self._draw_still()

    def draw(
        self, image: npt.NDArray[np.float64], masked: npt.NDArray[np.bool_], time: str, number: str
    ) -> Numbers:
        """Return a frame, shape (height, width).

        Parameters
        ----------
        image : ndarray of float64, shape (ncols, nrows)
            NaN where there is no value.
        masked : ndarray of bool, same shape
        time, number : str
            Above the image, at the left and at the right.
        """
        frame = self._still.copy()
        shown = self._to_number[indices(image, self._style.scale, flagged=masked)]
        left, top = self._corner
        enlarged = shown.T[::-1].repeat(self._zoom, axis=0).repeat(self._zoom, axis=1)
        frame[top : top + self._image[1], left : left + self._image[0]] = enlarged
        self._write(frame, [((left, _MARGIN - 2), "la", time)])
        self._write(frame, [((self.size[0] - _MARGIN, _MARGIN - 2), "ra", number)])
        return frame

    def _draw_still(self) -> Numbers:
        """Return what all frames share: bar, numbers, label, title, and what the two colours without value mean."""
        frame = np.full(self.size[::-1], _FIRST_GREY, np.uint8)
        left, top = self._corner
        width, height = self._image
        bar = left + width + _MARGIN
        ramp = np.minimum(np.arange(height)[::-1] * _N_MAP // height, _N_MAP - 1)
        frame[top : top + height, bar : bar + _BAR] = ramp[:, None]
        texts: list[tuple[tuple[int, int], str, str]] = []
        last = None
        for brightness, value in reversed(self._style.scale.ticks(_N_TICKS)):
            y = top + round((1 - brightness) * (height - 1))
            if last is not None and y - last < _LETTERS_PIX:
                continue  # a small picture has no room for it
            last = y
            frame[y, bar + _BAR : bar + _BAR + _TICK] = 255
            texts.append(((bar + _BAR + _TICK + 3, y), "lm", f"{value:.4g}"))
        foot = top + height + _MARGIN
        texts.append(((left, foot), "la", self._style.title))
        self._write(frame, texts)
        self._write_upwards(frame, bar + _BAR + _NUMBERS_WIDTH, top + height // 2)
        self._draw_legend(frame, left, foot + _LINE)
        return frame

    def _draw_legend(self, frame: Numbers, x: int, y: int) -> None:
        """Say what the two colours mean that are of no value."""
        for number, text in ((_MISSING, "no value"), (_MASKED, "masked")):
            frame[y + 2 : y + 2 + _SWATCH, x : x + _SWATCH] = number
            self._write(frame, [((x + _SWATCH + 6, y), "la", text)])
            x += _SWATCH + 6 + round(self._font().getlength(text)) + 18

    def _write_upwards(self, frame: Numbers, x: int, y: int) -> None:
        """Write the label from below, in the middle of the bar."""
        from PIL import Image, ImageDraw

        font = self._font()
        length = round(font.getlength(self._style.label)) + 2
        layer = Image.new("L", (length, _LINE), 0)
        ImageDraw.Draw(layer).text((0, 0), self._style.label, fill=255, font=font)
        self._put_letters(frame, np.asarray(layer).T[::-1], x, max(y - length // 2, 0))

    def _font(self) -> Any:
        # here: Pillow takes its time, and most of the core needs none of it
        from PIL import ImageFont

        return ImageFont.load_default(_LETTERS_PIX)

    def _put_letters(self, frame: Numbers, grey: Numbers, x: int, y: int) -> None:
        """Put letters, 0 to 255, where they belong; what has no room is cut."""
        part = frame[y : y + grey.shape[0], x : x + grey.shape[1]]
        grey = grey[: part.shape[0], : part.shape[1]]
        written = grey > 0
        part[written] = _FIRST_GREY + grey[written].astype(np.int64) * (_N_GREYS - 1) // 255

    def _write(self, frame: Numbers, texts: list[tuple[tuple[int, int], str, str]]) -> None:
        """Write texts in greys: (x, y), which corner of the text is there (Pillow's anchors), and the text."""
        from PIL import Image, ImageDraw

        width, height = self.size
        layer = Image.new("L", (width, height), 0)
        pen = ImageDraw.Draw(layer)
        font = self._font()
        for place, anchor, text in texts:
            pen.text(place, text, fill=255, font=font, anchor=anchor)
        self._put_letters(frame, np.asarray(layer), 0, 0)
