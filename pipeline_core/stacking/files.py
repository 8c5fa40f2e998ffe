"""How a stack is stored: FITS or NPZ, with the offsets that were used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from pipeline_core.atomic import write_aside
from pipeline_core.cube_files import wavelength_table
from pipeline_core.fits_facts import Facts
from pipeline_core.products import as_plain, fits_header

__all__ = ["STACK_ENDINGS", "StackProduct", "save_stack"]

STACK_ENDINGS = (".fits", ".npz")

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StackProduct:
    """What is written.

    Attributes
    ----------
    images : mapping of name to (unit, ndarray)
        SCI first; arrays of shape (columns, rows) or (columns, rows, n_band).
    coordinates : mapping of keyword to (value, comment)
        Of the first two axes.
    spectral : mapping of keyword to (value, comment)
        Of all axes of the arrays with bands; empty without any.
    facts : mapping of keyword to (value, comment)
    frames : mapping of name to (unit, ndarray)
        Table with a row for each frame.
    edges_nm : ndarray of float64, shape (n_band + 1,), or None
    """

    images: dict[str, tuple[str, npt.NDArray[Any]]]
    coordinates: Facts
    spectral: Facts
    facts: Facts
    frames: dict[str, tuple[str, npt.NDArray[Any]]]
    edges_nm: FloatArray | None

    @property
    def bands(self) -> dict[str, tuple[str, npt.NDArray[Any]]]:
        """Table of the bins of wavelength; empty without any."""
        if self.edges_nm is None:
            return {}
        low, high = self.edges_nm[:-1], self.edges_nm[1:]
        return {"low": ("nm", low), "high": ("nm", high), "middle": ("nm", (low + high) / 2)}


def save_stack(path: Path, product: StackProduct, *, overwrite: bool = False) -> None:
    """Write a stack; the ending tells the format.

    Raises
    ------
    OutputError
        It cannot be written, or exists already.
    """
    write = _write_fits if path.suffix.lower() == ".fits" else _write_npz
    with write_aside(path, replace=overwrite) as part:
        write(part, product)


def _write_fits(part: Path, product: StackProduct) -> None:
    """Axes in the order of FITS: columns, rows, wavelengths."""
    hdus: list[Any] = []
    for name, (unit, image) in product.images.items():
        facts = dict(product.coordinates)
        if image.ndim == 3:
            facts |= product.spectral
        facts["BUNIT"] = (unit or None, "unit of the pixels")
        data = np.ascontiguousarray(image.T)
        if hdus:
            hdus.append(fits.ImageHDU(data, fits_header(facts), name=name))
        else:
            hdus.append(fits.PrimaryHDU(data, fits_header({**facts, **product.facts})))
            hdus[0].name = name
    for name, columns in (("FRAMES", product.frames), ("BANDS", product.bands)):
        if columns:
            hdus.append(_table(name, columns))
    if product.edges_nm is not None and any(key.startswith("PS") for key in product.spectral):
        hdus.append(wavelength_table(product.edges_nm))
    with part.open("wb") as stream:
        fits.HDUList(hdus).writeto(stream, checksum=True)


def _table(name: str, columns: dict[str, tuple[str, npt.NDArray[Any]]]) -> Any:
    made = [
        fits.Column(name=key, unit=unit or None, array=values, format=_format(values))
        for key, (unit, values) in columns.items()
    ]
    return fits.BinTableHDU.from_columns(made, name=name)


def _format(values: npt.NDArray[Any]) -> str:
    return f"{max(values.dtype.itemsize, 1)}A" if values.dtype.kind == "S" else "D"


def _write_npz(part: Path, product: StackProduct) -> None:
    """Arrays are [x, y], then wavelength: the reverse of FITS."""
    arrays = {name.lower(): image for name, (_, image) in product.images.items()}
    units = {name.lower(): unit for name, (unit, _) in product.images.items()}
    for prefix, columns in (("frame", product.frames), ("band", product.bands)):
        arrays |= {f"{prefix}_{name}": values for name, (_, values) in columns.items()}
        units |= {f"{prefix}_{name}": unit for name, (unit, _) in columns.items()}
    facts = {**product.coordinates, **product.spectral, **product.facts}
    about = json.dumps({key: as_plain(value) for key, (value, _) in facts.items()})
    with part.open("wb") as stream:
        np.savez_compressed(
            stream,
            allow_pickle=False,
            about=np.array(about),
            units=np.array(json.dumps(units)),
            **arrays,
        )
