"""How a cube is stored: FITS, NPZ or HDF5, written slab by slab."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tables
from astropy.io import fits

from pipeline_core.atomic import write_aside
from pipeline_core.errors import ConfigError
from pipeline_core.fits_facts import Facts
from pipeline_core.hdf5 import FILTERS, writing
from pipeline_core.products import as_plain, fits_header
from pipeline_core.wcs import WAVELENGTH_TABLE

__all__ = ["ENDINGS", "CubePlan", "CubeWriter", "open_cube", "wavelength_table"]

ENDINGS = (".fits", ".npz", ".h5")

_BLOCK = 2880
_LARGEST_NPZ = 1_500_000_000

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CubePlan:
    """What is known of a cube before its photons are counted.

    Attributes
    ----------
    n_pixel : int
        Of the whole array.
    ncols, nrows : int
        Of the part that is written.
    edges_s : ndarray of float64, shape (n_time + 1,)
    edges_nm : ndarray of float64, shape (n_band + 1,), or None
    has_time_axis : bool
    whole_numbers : bool
        Whether the values are counts.
    unit : str
    flags : ndarray of uint32, shape (ncols, nrows)
    coverage : ndarray of float64, shape (ncols, nrows, n_band), or None
        What part of each bin of wavelength a pixel's calibration covers: where it is below 1, photons are missing.
    facts : mapping of keyword to (value, comment)
        Header of the values, with their coordinates.
    coordinates : mapping of keyword to (value, comment)
        Those alone.
    """

    n_pixel: int
    ncols: int
    nrows: int
    edges_s: FloatArray
    edges_nm: FloatArray | None
    has_time_axis: bool
    whole_numbers: bool
    unit: str
    flags: npt.NDArray[np.uint32]
    coverage: FloatArray | None
    facts: Facts
    coordinates: Facts

    @property
    def n_time(self) -> int:
        """Number of bins of time, at least one."""
        return self.edges_s.size - 1

    @property
    def n_band(self) -> int:
        """Number of bins of wavelength, at least one."""
        return 1 if self.edges_nm is None else self.edges_nm.size - 1

    @property
    def n_bytes(self) -> int:
        """Size of the finished file, all but headers."""
        area = self.ncols * self.nrows
        covered = 0 if self.coverage is None else 4 * self.n_band
        return area * self.n_time * (8 * self.n_band + 4) + (4 + covered) * area

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values as they are stored: (time,) (band,) rows, columns."""
        time = (self.n_time,) if self.has_time_axis else ()
        band = (self.n_band,) if self.edges_nm is not None else ()
        return (*time, *band, self.nrows, self.ncols)

    @property
    def live_shape(self) -> tuple[int, ...]:
        """Of the times alive as they are stored."""
        time = (self.n_time,) if self.has_time_axis else ()
        return (*time, self.nrows, self.ncols)

    def tables(self) -> dict[str, dict[str, tuple[str, FloatArray]]]:
        """Return the edges of the bins: name of the table -> columns."""
        found = {"TIMES": {"start": ("s", self.edges_s[:-1]), "stop": ("s", self.edges_s[1:])}}
        if self.edges_nm is not None:
            low, high = self.edges_nm[:-1], self.edges_nm[1:]
            found["BANDS"] = {
                "low": ("nm", low),
                "high": ("nm", high),
                "middle": ("nm", (low + high) / 2),
            }
        return found


class CubeWriter(Protocol):
    """Takes slabs of bins of time."""

    def put(
        self, first: int, values: FloatArray, variances: FloatArray, live_s: FloatArray
    ) -> None:
        """Write the bins of time from `first` on: (ncols, nrows, n, n_band) twice, and (ncols, nrows, n)."""


@contextmanager
def open_cube(path: Path, plan: CubePlan, *, replace: bool) -> Iterator[CubeWriter]:
    """Give a writer; the file appears whole when the block ends well, and not at all otherwise.

    Raises
    ------
    ConfigError
        Unknown ending; a cube too large for ``.npz``.
    OutputError
        It cannot be written, or exists already.
    """
    makers: dict[str, Any] = {".fits": _fits, ".npz": _npz, ".h5": _hdf5}
    maker = makers.get(path.suffix.lower())
    if maker is None:
        raise ConfigError(f"{path}: the name must end in {', '.join(ENDINGS)}.")
    if maker is _npz and plan.n_bytes > _LARGEST_NPZ:
        raise ConfigError(
            f"{path}: a cube of {plan.n_bytes / 1e9:.1f} GB is too large for .npz. Choose .fits or .h5."
        )
    with write_aside(path, replace=replace) as part, maker(part, plan) as writer:
        yield writer


def _turned(values: FloatArray) -> FloatArray:
    """Return (x, y, time, band) as (time, band, y, x)."""
    return values.transpose(2, 3, 1, 0)


# --- FITS ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plane:
    """One array of a FITS file: where its data begin, its type, how many values a bin of time has."""

    offset: int
    dtype: np.dtype[Any]
    a_bin: int


class _FitsWriter:
    def __init__(self, descriptor: int, planes: dict[str, _Plane]) -> None:
        self._descriptor = descriptor
        self._planes = planes

    def put(
        self, first: int, values: FloatArray, variances: FloatArray, live_s: FloatArray
    ) -> None:
        """See `CubeWriter`."""
        self._write("values", first, _turned(values))
        self._write("variance", first, _turned(variances))
        self._write("live", first, live_s.transpose(2, 1, 0))

    def _write(self, name: str, first: int, array: FloatArray) -> None:
        plane = self._planes[name]
        data = memoryview(np.ascontiguousarray(array, plane.dtype)).cast("B")
        at = plane.offset + first * plane.a_bin * plane.dtype.itemsize
        while data:
            count = os.pwrite(self._descriptor, data, at)
            at, data = at + count, data[count:]


@contextmanager
def _fits(part: Path, plan: CubePlan) -> Iterator[_FitsWriter]:
    """Lay the file out, let slabs be put where they belong, and append the tables.

    Axes in the order of FITS: columns, rows, wavelengths, times.
    """
    arrays: tuple[tuple[str, str, tuple[int, ...], Facts], ...] = (
        ("values", ">i4" if plan.whole_numbers else ">f8", plan.shape, plan.facts),
        ("variance", ">f4", plan.shape, {**plan.coordinates, "BUNIT": (f"({plan.unit})2", "")}),
        ("live", ">f4", plan.live_shape, {"BUNIT": ("s", "time a pixel was alive")}),
    )
    with part.open("r+b") as stream:
        planes = {}
        for name, code, shape, facts in arrays:
            dtype = np.dtype(code)
            stream.write(_head(name, dtype, shape, facts))
            size = int(np.prod(shape)) * dtype.itemsize
            a_bin = int(np.prod(shape)) // plan.n_time
            planes[name] = _Plane(stream.tell(), dtype, a_bin)
            stream.seek(size + -size % _BLOCK, os.SEEK_CUR)
        end = stream.tell()
        stream.flush()
        yield _FitsWriter(stream.fileno(), planes)
        stream.seek(end)
        stream.write(_rest(plan))


def _head(name: str, dtype: np.dtype[Any], shape: tuple[int, ...], facts: Facts) -> bytes:
    first = name == "values"
    header = fits.Header()
    if first:
        header["SIMPLE"] = (True, "FITS standard 4.0")
    else:
        header["XTENSION"] = ("IMAGE", "")
    header["BITPIX"] = {">i4": 32, ">f4": -32, ">f8": -64}[dtype.str]
    header["NAXIS"] = len(shape)
    for k, length in enumerate(reversed(shape), start=1):
        header[f"NAXIS{k}"] = length
    if first:
        header["EXTEND"] = True
    else:
        header["PCOUNT"], header["GCOUNT"] = 0, 1
        header["EXTNAME"] = name.upper()
    header.extend(fits_header(facts), update=True)
    text: bytes = header.tostring(padding=True).encode("ascii")
    return text


def wavelength_table(edges_nm: FloatArray) -> Any:
    """Return the table that `wcs.with_wavelength_table` points to: one row, in it the middles of all bins."""
    middles = (edges_nm[:-1] + edges_nm[1:]) / 2
    column = fits.Column(
        name="middle",
        unit="nm",
        format=f"{middles.size}D",
        dim=f"(1,{middles.size})",
        array=middles.reshape(1, middles.size, 1),
    )
    return fits.BinTableHDU.from_columns([column], name=WAVELENGTH_TABLE)


def _rest(plan: CubePlan) -> bytes:
    """Return flags and tables as they stand behind the cube."""
    flags = np.ascontiguousarray(plan.flags.T).view(np.int32)
    hdus: list[Any] = [fits.PrimaryHDU(), fits.ImageHDU(flags, name="FLAGS")]
    if plan.coverage is not None:
        coverage = np.ascontiguousarray(plan.coverage.T, np.float32)
        hdus.append(fits.ImageHDU(coverage, name="COVERAGE"))
        hdus[-1].header["BUNIT"] = ("", "part of the band in the pixel's calibrated range")
    for name, columns in plan.tables().items():
        made = [
            fits.Column(name=key, unit=unit, array=values, format="D")
            for key, (unit, values) in columns.items()
        ]
        hdus.append(fits.BinTableHDU.from_columns(made, name=name))
    if plan.edges_nm is not None and any(key.startswith("PS") for key in plan.coordinates):
        hdus.append(wavelength_table(plan.edges_nm))
    stream = io.BytesIO()
    fits.HDUList(hdus).writeto(stream)
    return stream.getvalue()[_BLOCK:]


# --- NPZ and HDF5 --------------------------------------------------------------------------------


class _MemoryWriter:
    """Collects the whole cube, [time, band, y, x]."""

    def __init__(self, plan: CubePlan) -> None:
        shape = (plan.n_time, plan.n_band, plan.nrows, plan.ncols)
        self.values = np.empty(shape, np.int32 if plan.whole_numbers else np.float64)
        self.variance = np.empty(shape, np.float32)
        self.live = np.empty((plan.n_time, plan.nrows, plan.ncols), np.float32)

    def put(
        self, first: int, values: FloatArray, variances: FloatArray, live_s: FloatArray
    ) -> None:
        """See `CubeWriter`."""
        place = slice(first, first + values.shape[2])
        self.values[place], self.variance[place] = _turned(values), _turned(variances)
        self.live[place] = live_s.transpose(2, 1, 0)


@contextmanager
def _npz(part: Path, plan: CubePlan) -> Iterator[_MemoryWriter]:
    """Arrays are [x, y], then wavelength, then time, as in Python: the reverse of FITS."""
    writer = _MemoryWriter(plan)
    yield writer
    arrays: dict[str, npt.NDArray[Any]] = {
        "cube": writer.values.reshape(plan.shape).T,
        "variance": writer.variance.reshape(plan.shape).T,
        "live_s": writer.live.reshape(plan.live_shape).T,
        "flags": plan.flags,
        "time_edges_s": plan.edges_s,
    }
    if plan.edges_nm is not None:
        arrays["wavelength_edges_nm"] = plan.edges_nm
    if plan.coverage is not None:
        arrays["coverage"] = plan.coverage.astype(np.float32)
    about = json.dumps({key: as_plain(value) for key, (value, _) in plan.facts.items()})
    with part.open("wb") as stream:
        np.savez_compressed(
            stream, allow_pickle=False, about=np.array(about), unit=np.array(plan.unit), **arrays
        )


class _Hdf5Writer:
    def __init__(self, h5: tables.File, plan: CubePlan) -> None:
        values = tables.Int32Atom() if plan.whole_numbers else tables.Float64Atom()
        shape = (plan.n_time, plan.n_band, plan.nrows, plan.ncols)
        self._arrays = [
            h5.create_carray("/", "cube", values, shape, "[time, wavelength, y, x]", FILTERS),
            h5.create_carray("/", "variance", tables.Float32Atom(), shape, "", FILTERS),
            h5.create_carray(
                "/",
                "live_s",
                tables.Float32Atom(),
                (shape[0], *shape[2:]),
                "[time, y, x]",
                FILTERS,
            ),
        ]

    def put(
        self, first: int, values: FloatArray, variances: FloatArray, live_s: FloatArray
    ) -> None:
        """See `CubeWriter`."""
        place = slice(first, first + values.shape[2])
        slabs = (_turned(values), _turned(variances), live_s.transpose(2, 1, 0))
        for array, slab in zip(self._arrays, slabs, strict=True):
            array[place] = slab.astype(array.dtype)


@contextmanager
def _hdf5(part: Path, plan: CubePlan) -> Iterator[_Hdf5Writer]:
    """Arrays [time, wavelength, y, x], also if there is one bin only."""
    with writing(part, "QuickLook cube") as h5:
        writer = _Hdf5Writer(h5, plan)
        h5.create_array("/", "flags", plan.flags.T, "[y, x]")
        h5.create_array("/", "time_edges_s", plan.edges_s)
        if plan.edges_nm is not None:
            h5.create_array("/", "wavelength_edges_nm", plan.edges_nm)
        if plan.coverage is not None:
            coverage = np.ascontiguousarray(plan.coverage.T, np.float32)
            h5.create_array("/", "coverage", coverage, "[wavelength, y, x]")
        h5.root._v_attrs.format = "mkid-cube"
        h5.root._v_attrs.unit = plan.unit
        about = json.dumps({key: as_plain(value) for key, (value, _) in plan.facts.items()})
        h5.create_array("/", "about", about.encode())
        yield writer
