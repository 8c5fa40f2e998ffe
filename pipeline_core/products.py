"""How an export is written: a table or some images, with facts, as FITS, CSV or NPZ.

What a product holds is decided in `pipeline_core.export`; here is only the form. Nothing appears
unless it is whole, and nothing is replaced unless asked.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from pipeline_core.atomic import write_aside
from pipeline_core.fits_facts import Columns, Facts
from pipeline_core.progress import Progress, silent
from pipeline_core.targets import check_target
from pipeline_core.wcs import detector_axes

__all__ = [
    "FORMATS",
    "Images",
    "Table",
    "as_plain",
    "fits_header",
    "save_images",
    "save_table",
]

FORMATS = (".fits", ".csv", ".npz")

_ROWS_AT_ONCE = 50_000
_CARD_LENGTH = 80
_VALUE_UP_TO = 30  # values are padded to this column


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, and the pixels they are of.

    Attributes
    ----------
    name : str
        Name of the FITS extension.
    columns : mapping of name to (unit, values)
    facts : mapping of keyword to (value, comment)
    pixels : mapping of name to (unit, values), optional
        At least ``x`` and ``y``.
    """

    name: str
    columns: Columns
    facts: Facts
    pixels: Columns = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Images:
    """Images [x, y] of the same shape (ncols, nrows); the first one is what the product is about.

    Attributes
    ----------
    images : mapping of name to (unit, ndarray)
    facts : mapping of keyword to (value, comment)
    """

    images: Columns
    facts: Facts


def save_table(
    path: Path,
    table: Table,
    *,
    overwrite: bool = False,
    sources: Iterable[Path] = (),
    progress: Progress = silent,
) -> None:
    """Write a table.

    Parameters
    ----------
    path : path
        ``.fits`` (a binary table; a second one, PIXELS), ``.csv`` (facts in lines that begin with #)
        or ``.npz`` (an array a column; ``about`` and ``units`` are JSON; ``pixels``, shape (n, 2)).
    table : Table
    overwrite : bool
        Whether an existing file may be replaced.
    sources : iterable of path
        What the product was made from: never replaced.
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        Unknown ending.
    OutputError
        Cannot be written, exists already, or holds data.
    """
    ending = check_target(path, FORMATS, sources)
    if ending == ".csv":
        text = _csv_head(table.facts)
        if table.pixels:
            text += f"# PIXELS = {json.dumps(_pairs(table.pixels).tolist())} ([x, y])\n"
        _save_text(path, text, table.columns, overwrite, progress)
    elif ending == ".npz":
        arrays = _values(table.columns)
        if table.pixels:
            arrays["pixels"] = _pairs(table.pixels)
        _save_npz(path, arrays, table.columns, table.facts, overwrite=overwrite)
    else:
        hdus = [fits.PrimaryHDU(), _table_hdu(table.name, table.columns, table.facts)]
        if table.pixels:
            hdus.append(_table_hdu("PIXELS", table.pixels, {}))
        _save_fits(path, hdus, overwrite=overwrite)


def save_images(
    path: Path,
    product: Images,
    *,
    overwrite: bool = False,
    sources: Iterable[Path] = (),
    progress: Progress = silent,
) -> None:
    """Write images: the first axis of FITS (NAXIS1) is x; CSV has a line a pixel; NPZ arrays are [x, y].

    FITS has a linear WCS in which pixels are counted from 0, as everywhere here; image coordinates
    begin at 1 by definition. Parameters and errors as for `save_table`.
    """
    ending = check_target(path, FORMATS, sources)
    if ending == ".fits":
        hdus: list[Any] = []
        for name, (unit, image) in product.images.items():
            facts = {**detector_axes(), "BUNIT": (unit or None, "unit of the pixels")}
            if hdus:
                header = fits_header(facts)
                hdus.append(fits.ImageHDU(_turned(image), header, name=name.upper()))
            else:
                header = fits_header({**facts, **product.facts})
                hdus.append(fits.PrimaryHDU(_turned(image), header))
        _save_fits(path, hdus, overwrite=overwrite)
    elif ending == ".npz":
        _save_npz(path, _values(product.images), product.images, product.facts, overwrite=overwrite)
    else:
        shape = next(iter(product.images.values()))[1].shape
        x, y = (axis.ravel() for axis in np.indices(shape))
        columns: dict[str, tuple[str, npt.NDArray[np.generic]]] = {"x": ("", x), "y": ("", y)}
        columns |= {name: (unit, image.ravel()) for name, (unit, image) in product.images.items()}
        _save_text(path, _csv_head(product.facts), columns, overwrite, progress)


# --- FITS ----------------------------------------------------------------------------------------


def _turned(image: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return an image [x, y] in the order of FITS: rows of x."""
    if image.dtype == bool:
        image = image.astype(np.uint8)  # FITS images know no truth values
    return np.ascontiguousarray(image.T)


def _table_hdu(name: str, columns: Columns, facts: Facts) -> Any:
    made = [
        fits.Column(name=key, unit=unit or None, array=_letters(values), format=_format(values))
        for key, (unit, values) in columns.items()
    ]
    return fits.BinTableHDU.from_columns(made, header=fits_header(facts), name=name)


def _format(values: npt.NDArray[np.generic]) -> str:
    if values.dtype.kind in "US":
        longest = max((len(_ascii(str(text))) for text in values), default=1)
        return f"{max(longest, 1)}A"
    return "D" if values.dtype.kind == "f" else "K"


def _letters(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    if values.dtype.kind != "U":
        return values
    return np.array([_ascii(str(text)) for text in values], dtype=np.str_)


def fits_header(facts: Facts) -> fits.Header:
    """Return facts as a FITS header: texts in its letters, comments as far as there is room."""
    header = fits.Header()
    for key, (value, comment) in facts.items():
        found = as_plain(value)
        written = _ascii(found) if isinstance(found, str) else found
        header[key] = (written, comment[: _room_for_comment(key, written)])
    return header


def _room_for_comment(key: str, value: object) -> int | None:
    """Return how many letters of a comment have room beside a value; None: as many as wanted."""
    used = max(len(fits.Card(key, value).image.rstrip()), _VALUE_UP_TO)
    if used > _CARD_LENGTH:  # a long text goes on in cards of its own, and its comment with it
        return None
    return max(_CARD_LENGTH - used - len(" / "), 0)


def _ascii(text: str) -> str:
    r"""Return a text in the letters of FITS: others as Python would write them, such as \xe4 or \n."""
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape").decode("ascii")


def _save_fits(path: Path, hdus: list[Any], *, overwrite: bool) -> None:
    with write_aside(path, replace=overwrite) as part, part.open("wb") as stream:
        fits.HDUList(hdus).writeto(stream, checksum=True)


# --- NPZ and CSV ---------------------------------------------------------------------------------


def _save_npz(
    path: Path,
    arrays: Mapping[str, npt.NDArray[np.generic]],
    columns: Columns,
    facts: Facts,
    *,
    overwrite: bool,
) -> None:
    about = json.dumps({key: as_plain(value) for key, (value, _) in facts.items()})
    units = json.dumps({key: unit for key, (unit, _) in columns.items()})
    with write_aside(path, replace=overwrite) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream, allow_pickle=False, about=np.array(about), units=np.array(units), **arrays
        )


def _values(columns: Columns) -> dict[str, npt.NDArray[np.generic]]:
    return {name: values for name, (_, values) in columns.items()}


def _pairs(pixels: Columns) -> npt.NDArray[np.int64]:
    return np.stack([pixels["x"][1], pixels["y"][1]], axis=1).astype(np.int64)


def _csv_head(facts: Facts) -> str:
    lines = []
    for key, (value, comment) in facts.items():
        found = as_plain(value)
        text = "" if found is None else str(found)
        if not text.isprintable():  # a line break in a file's name would end the comment
            text = text.encode("unicode_escape").decode("ascii")
        lines.append(f"# {key} = {text} ({comment})\n")
    return "".join(lines)


def _save_text(
    path: Path, head: str, columns: Columns, overwrite: bool, progress: Progress
) -> None:
    names = [
        f"{key} ({unit})" if unit not in ("", "count") else key
        for key, (unit, _) in columns.items()
    ]
    n_rows = len(next(iter(columns.values()))[1])
    with (
        write_aside(path, replace=overwrite) as part,
        part.open("w", encoding="utf-8", newline="") as stream,
    ):
        stream.write(head)
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        for first in range(0, n_rows, _ROWS_AT_ONCE):
            progress(first, n_rows, "writing")
            rows = slice(first, first + _ROWS_AT_ONCE)
            # lists of Python numbers, whose text is exact
            lists = [_numbers(values[rows]) for _, values in columns.values()]
            writer.writerows(zip(*lists, strict=True))


def _numbers(values: npt.NDArray[np.generic]) -> list[Any]:
    if values.dtype == bool:
        values = values.astype(np.uint8)
    return list(values.tolist())


def as_plain(value: object) -> Any:
    """Return a value that FITS and JSON know; None for what is not a number."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
