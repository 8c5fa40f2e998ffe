"""Frozen dataclasses of arrays as HDF5 groups, without pickles: how solutions and calibrations are kept.

An array is a node; a record inside a record is a group; everything else is one JSON text, with checksums of the arrays:
HDF5 has none for small ones, and a changed byte in a curve would otherwise give wrong wavelengths without a word.
"""

from __future__ import annotations

import dataclasses
import json
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.hdf5 import FILTERS, has_node, read_array

__all__ = ["check_arrays", "read_record", "write_record"]

_VALUES = "values"
_CHECKSUMS = "crc32 of arrays"
_CHUNK_BYTES = 1 << 20
_WORTH_COMPRESSING = 4096

T = TypeVar("T")


def write_record(h5: tables.File, where: str, record: Any) -> None:
    """Write a record as the group `where`, whose parent exists.

    Parameters
    ----------
    h5 : tables.File
        Open for writing.
    where : str
        Absolute path of the group to make.
    record : dataclass instance
        Fields are arrays, records, None, or what JSON can hold (paths become texts).
    """
    parent, name = where.rsplit("/", 1)
    h5.create_group(parent or "/", name)
    plain: dict[str, Any] = {}
    checksums: dict[str, int] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray):
            _write_array(h5, where, field.name, value)
            checksums[field.name] = _checksum(value)
        elif dataclasses.is_dataclass(value):
            write_record(h5, f"{where}/{field.name}", value)
        else:
            plain[field.name] = value
    plain[_CHECKSUMS] = checksums
    text = json.dumps(plain, default=_as_plain).encode()
    _write_array(h5, where, _VALUES, np.frombuffer(text, np.uint8))


def read_record(
    h5: tables.File,
    where: str,
    make: Callable[..., T],
    parts: Mapping[str, Callable[..., Any]] | None = None,
) -> T:
    """Read what `write_record` wrote; to be called inside `hdf5.reading`.

    Parameters
    ----------
    h5 : tables.File
    where : str
        Absolute path of the group.
    make : dataclass
        Called with its fields by name; it checks them. Unknown ones, of a later version, are left out.
    parts : mapping, optional
        Dataclass of each field that is itself a record.

    Raises
    ------
    InputFormatError
        If fields are missing, or are not what `make` accepts.
    """
    name = Path(h5.filename)
    fields = {field.name: field for field in dataclasses.fields(make)}  # type: ignore[arg-type]
    try:
        values = json.loads(read_array(h5, f"{where}/{_VALUES}").tobytes().decode())
        checksums = values.get(_CHECKSUMS, {})  # files made before have none
        found = {key: value for key, value in values.items() if key in fields}
        for key in fields:
            if key not in found and has_node(h5, f"{where}/{key}"):
                part = (parts or {}).get(key)
                at = f"{where}/{key}"
                if part:
                    found[key] = read_record(h5, at, part)
                else:
                    found[key] = _of_kind(fields[key], read_array(h5, at))
                    if key in checksums and checksums[key] != _checksum(found[key]):
                        raise ValueError(f"{key} is not what was written")
        return make(**found)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputFormatError(
            f"{name} is damaged, or of another version: {where} cannot be understood ({error}). Make it again."
        ) from error


def _checksum(values: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def _of_kind(field: dataclasses.Field[Any], values: Any) -> Any:
    """Return an array, if it holds what the annotation of its field says: true or false, whole numbers, or numbers."""
    match = re.search(r"np\.(\w+)", str(field.type))
    kind = np.dtype(getattr(np, match[1])).kind if match else "f"
    found = np.asarray(values).dtype.kind
    if found not in {"b": "b", "i": "iu", "u": "iu", "f": "fiub"}.get(kind, ""):
        raise TypeError(f"{field.name} holds {np.asarray(values).dtype}")
    return values


def check_arrays(
    record: object, wanted: Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]]
) -> None:
    """Turn fields of a frozen record into arrays of these types, and check their shapes.

    Raises
    ------
    ConfigError
        If one has another shape.
    ValueError, TypeError
        If one holds no numbers.
    """
    for name, (dtype, shape) in wanted.items():
        array = np.asarray(getattr(record, name)).astype(dtype, copy=False)
        if array.shape != shape:
            raise ConfigError(f"{name} has shape {array.shape}, not {shape}.")
        object.__setattr__(record, name, array)


def _write_array(h5: tables.File, where: str, name: str, values: np.ndarray[Any, Any]) -> None:
    values = np.ascontiguousarray(values)
    if values.nbytes < _WORTH_COMPRESSING:
        if values.size:
            h5.create_array(where, name, values)
        else:  # HDF5 has no empty array of fixed size
            atom = tables.Atom.from_dtype(values.dtype)
            h5.create_earray(where, name, atom, (0, *(max(n, 1) for n in values.shape[1:])))
        return
    row_bytes = values.nbytes // values.shape[0]
    rows = min(max(_CHUNK_BYTES // row_bytes, 1), values.shape[0])
    chunks = (rows, *values.shape[1:])
    h5.create_carray(where, name, obj=values, filters=FILTERS, chunkshape=chunks)


def _as_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot be kept: {value!r}")
