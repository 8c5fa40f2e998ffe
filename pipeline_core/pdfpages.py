"""Writes plain vector PDF pages quickly: books of thousands of panels, for which a plotting library takes an hour.

Only what the books need: lines, text in Helvetica, images with a palette, and forms that are drawn once and used on
every page (PDF 1.4, ISO 32000-1 sections 7 and 8). Lengths are points, from the lower left corner.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.atomic import write_aside

__all__ = ["Canvas", "PdfPages", "polyline", "segments", "text_width"]

_LEVEL = 1


class Canvas:
    """Drawing commands of a page or a form, in the order in which they are given."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def stroke(self, colour: tuple[float, float, float], width: float = 0.5) -> Canvas:
        """Set colour (0..1) and width of lines."""
        self._parts.append("{:.3g} {:.3g} {:.3g} RG {:.3g} w".format(*colour, width))
        return self

    def fill(self, colour: tuple[float, float, float]) -> Canvas:
        """Set the colour of areas and text."""
        self._parts.append("{:.3g} {:.3g} {:.3g} rg".format(*colour))
        return self

    def line(self, x0: float, y0: float, x1: float, y1: float) -> Canvas:
        """Draw a line."""
        self._parts.append(f"{x0:.2f} {y0:.2f} m {x1:.2f} {y1:.2f} l S")
        return self

    def box(self, x: float, y: float, width: float, height: float, how: str = "S") -> Canvas:
        """Draw a rectangle: ``'S'`` its border, ``'f'`` its area."""
        self._parts.append(f"{x:.2f} {y:.2f} {width:.2f} {height:.2f} re {how}")
        return self

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 7,
        align: str = "left",
        turned: bool = False,
    ) -> Canvas:
        """Write text (Latin-1); ``align`` is 'left', 'centre' or 'right'; turned text runs upwards."""
        shift = {"left": 0.0, "centre": 0.5, "right": 1.0}[align] * size * text_width(text)
        matrix = f"1 0 0 1 {x - shift:.2f} {y:.2f}"
        if turned:
            matrix = f"0 1 -1 0 {x:.2f} {y - shift:.2f}"
        safe = text.encode("latin-1", "replace").decode("latin-1")
        safe = safe.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        self._parts.append(f"BT /F {size:g} Tf {matrix} Tm ({safe}) Tj ET")
        return self

    def use(
        self, name: str, x: float = 0, y: float = 0, wide: float = 1, high: float = 1
    ) -> Canvas:
        """Draw a form, or an image stretched to a size, at a place."""
        self._parts.append(f"q {wide:.3f} 0 0 {high:.3f} {x:.2f} {y:.2f} cm /{name} Do Q")
        return self

    def raw(self, commands: str) -> Canvas:
        """Add commands as they are: from `polyline` and `segments`."""
        self._parts.append(commands)
        return self

    def content(self) -> bytes:
        """Return the commands."""
        return "\n".join(self._parts).encode("latin-1")


_NARROW = set("iljtfrI.,:;'|![]() ")
_WIDE = set("mwMW%@ABCDEGHKNOPQRSUVXYZ")


def text_width(text: str) -> float:
    """Return about how wide text is in Helvetica, over its size."""
    return sum(0.28 if c in _NARROW else 0.72 if c in _WIDE else 0.54 for c in text)


def polyline(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> str:
    """Return the commands of a line through points; it is broken where one is NaN."""
    good = np.isfinite(x) & np.isfinite(y)
    if not good.all():
        cuts = np.flatnonzero(np.diff(good.astype(np.int8)) != 0) + 1
        pieces = [
            polyline(px, py)
            for px, py in zip(np.split(x, cuts), np.split(y, cuts), strict=True)
            if np.isfinite(px[:1]).all() and np.isfinite(py[:1]).all() and px.size
        ]
        return "\n".join(pieces)
    if x.size < 2:
        return ""
    pairs = np.rint(np.column_stack((x, y)) * 100).astype(np.int64).tolist()
    points = [f"{a / 100} {b / 100}" for a, b in pairs]
    return f"{points[0]} m " + " l ".join(points[1:]) + " l S"


def segments(
    x0: npt.NDArray[np.float64],
    y0: npt.NDArray[np.float64],
    x1: npt.NDArray[np.float64],
    y1: npt.NDArray[np.float64],
) -> str:
    """Return the commands of many separate lines; those with a NaN are left out."""
    rows = np.column_stack((x0, y0, x1, y1))
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not rows.size:
        return ""
    whole = np.rint(rows * 100).astype(np.int64).tolist()
    return " ".join(f"{a / 100} {b / 100} m {c / 100} {d / 100} l" for a, b, c, d in whole) + " S"


class PdfPages:
    """A document that is put together page by page, and written at the end.

    Parameters
    ----------
    size : (width, height)
        Of all pages.
    title : str
    """

    def __init__(self, size: tuple[float, float], title: str) -> None:
        self.size = size
        self._objects: list[bytes] = []
        self._shared: dict[str, int] = {}
        self._pages: list[int] = []
        self._palettes: dict[str, npt.NDArray[np.uint8]] = {}
        self._tree = self._reserve()
        self._font = self._add(
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
        )
        safe = title.encode("latin-1", "replace").decode("latin-1")
        for mark in ("\\", "(", ")"):
            safe = safe.replace(mark, "\\" + mark)
        self._info = self._add(f"<< /Title ({safe}) /Producer (quicklook) >>".encode("latin-1"))

    @property
    def n_pages(self) -> int:
        """Pages so far."""
        return len(self._pages)

    def add_form(self, name: str, canvas: Canvas, width: float, height: float) -> None:
        """Keep a drawing under a name that every page can use."""
        resources = f"<< /Font << /F {self._font} 0 R >> /XObject << {self._names()} >> >>"
        head = f"/Type /XObject /Subtype /Form /BBox [-60 -40 {width + 60:g} {height + 40:g}] /Resources {resources}"
        self._shared[name] = self._stream(head, canvas.content())

    def add_image(
        self, name: str, cells: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]
    ) -> None:
        """Keep an image of colour numbers (height, width), the top row first, under a name; palette (n, 3)."""
        self._shared[name] = self._image(cells, palette)

    def add_page(
        self, canvas: Canvas, images: Sequence[tuple[str, npt.NDArray[np.uint8], str]] = ()
    ) -> None:
        """Add a page; `images` are (name, cells, name of the palette), of this page alone."""
        own = [(name, self._image(cells, self._palettes[of])) for name, cells, of in images]
        names = self._names() + "".join(f" /{name} {number} 0 R" for name, number in own)
        content = self._stream("", canvas.content())
        page = (
            f"<< /Type /Page /Parent {self._tree} 0 R /MediaBox [0 0 {self.size[0]:g} {self.size[1]:g}] "
            f"/Contents {content} 0 R /Resources << /Font << /F {self._font} 0 R >> /XObject << {names} >> >> >>"
        )
        self._pages.append(self._add(page.encode()))

    def add_palette(self, name: str, palette: npt.NDArray[np.uint8]) -> None:
        """Keep a palette, shape (n, 3), for images of pages."""
        self._palettes[name] = palette

    def save(self, path: Path) -> Path:
        """Write the document: whole, or not at all; an older one is replaced.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        kids = " ".join(f"{number} 0 R" for number in self._pages)
        self._objects[self._tree - 1] = (
            f"<< /Type /Pages /Count {len(self._pages)} /Kids [{kids}] >>".encode()
        )
        root = self._add(f"<< /Type /Catalog /Pages {self._tree} 0 R >>".encode())
        with write_aside(path, replace=True) as part, part.open("wb") as file:
            at = file.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
            places = []
            for number, content in enumerate(self._objects, 1):
                places.append(at)
                at += file.write(b"%d 0 obj\n" % number)
                at += file.write(content)
                at += file.write(b"\nendobj\n")
            file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1))
            file.writelines(b"%010d 00000 n \n" % place for place in places)
            file.write(
                b"trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
                % (len(places) + 1, root, self._info, at)
            )
        return path

    def _names(self) -> str:
        return " ".join(f"/{name} {number} 0 R" for name, number in self._shared.items())

    def _reserve(self) -> int:
        self._objects.append(b"")
        return len(self._objects)

    def _add(self, content: bytes) -> int:
        self._objects.append(content)
        return len(self._objects)

    def _stream(self, head: str, content: bytes) -> int:
        packed = zlib.compress(content, _LEVEL)
        return self._add(
            f"<< {head} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode()
            + packed
            + b"\nendstream"
        )

    def _image(self, cells: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> int:
        height, width = cells.shape
        colours = palette.astype(np.uint8).tobytes().hex()
        head = (
            f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /BitsPerComponent 8 "
            f"/ColorSpace [/Indexed /DeviceRGB {len(palette) - 1} <{colours}>]"
        )
        return self._stream(head, np.ascontiguousarray(cells, np.uint8).tobytes())
