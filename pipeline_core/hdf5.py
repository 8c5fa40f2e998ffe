"""Opening and reading HDF5 files that may come from anywhere, without surprises: nothing in them is executed."""

from __future__ import annotations

import contextlib
import ctypes
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tables
import tables.hdf5extension

from pipeline_core.errors import InputFormatError, OutputError
from pipeline_core.pickle_guard import no_pickles
from pipeline_core.trial_opening import check_harmless

__all__ = [
    "FILTERS",
    "attribute",
    "attribute_names",
    "child_names",
    "has_node",
    "open_readonly",
    "plain_group",
    "plain_node",
    "read_array",
    "read_header",
    "read_part",
    "read_rows",
    "reading",
    "refuse_another_kind",
    "refuse_special",
    "stored_attribute",
    "tables_in",
    "writing",
]

FILTERS = tables.Filters(complevel=1, complib="blosc:lz4", shuffle=True)
"""How all files of ours compress: LZ4, which is read at memory speed."""


_H5F_SCOPE_GLOBAL = 1
_MAGIC = b"\x89HDF\r\n\x1a\n"


def refuse_special(path: Path) -> None:
    """Raise InputFormatError for folders, and for pipes and devices, from which a read might never return."""
    if path.is_dir():
        raise InputFormatError(f"{path} is a folder. Choose a file in it.")
    if path.exists() and not path.is_file():
        raise InputFormatError(f"{path} is no ordinary file (a pipe or a device). Choose another.")


def open_readonly(path: Path, *, with_indexes: bool = False) -> tables.File:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path : path
    with_indexes : bool
        Whether its tables may have PyTables indexes, as those of older programs have: ours have none.

    Raises
    ------
    InputFormatError
        If the file is missing, unreadable, not HDF5, or so damaged that HDF5 would crash. The message names the remedy.

    Notes
    -----
    Nodes must be looked up inside `reading` (or `no_pickles`).
    """
    refuse_special(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_MAGIC))
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
        ) from error
    if head != _MAGIC:
        raise InputFormatError(_what_else(path, head))
    _refuse_name(path)
    check_harmless(path)
    try:
        with no_pickles():
            return tables.open_file(str(path), "r", pytables_sys_attrs=with_indexes)
    except Exception as error:  # damaged superblocks make PyTables raise anything
        raise InputFormatError(
            f"{path} is an HDF5 file, but damaged, cut off, or still being written. Copy it again, or convert the raw "
            "files again."
        ) from error


def _refuse_name(path: Path) -> None:
    """Refuse a name that HDF5 cannot be given: bytes that are no text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputFormatError(
            f"{str(path)!a} cannot be opened: some bytes of its name are no UTF-8 text. Rename the file or its folder."
        ) from None


def refuse_another_kind(path: Path, kind: str, what: str) -> None:
    """Refuse to replace an HDF5 file that is sound and of another kind: photons, a sidecar, somebody's data.

    Parameters
    ----------
    path : path
        The file to be written; there may be none yet.
    kind : str
        The root attribute ``format`` of what may be replaced.
    what : str
        The same in words, such as ``'a photon file'``.

    Raises
    ------
    OutputError
        With the remedy.
    """
    if not path.exists():
        return
    try:
        h5 = open_readonly(path)
    except InputFormatError:
        return  # damaged, or no HDF5 file: nobody can read it
    try:
        with reading(path):
            same = attribute(h5.root, "format") == kind
    except InputFormatError:
        return
    finally:
        h5.close()
    if not same:
        raise OutputError(f"{path} is not {what}, so it is not replaced. Choose another name.")


def _what_else(path: Path, head: bytes) -> str:
    """Say what a file is that is not HDF5."""
    if not head:
        return f"{path} is empty. Choose another file, or convert the raw files again."
    if path.suffix == ".bin":
        return (
            f"{path} is a raw file of one second. Convert it first: File > Convert .bin files..., or "
            "'python -m pipeline_core convert'."
        )
    return f"{path} is not HDF5, as photon files, solutions and masks are. Choose one of these."


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn failures while reading `path` into an `InputFormatError` that names it; no pickles."""
    try:
        with no_pickles():
            yield
    except (tables.HDF5ExtError, tables.NoSuchNodeError, OSError) as error:
        raise InputFormatError(
            f"{path} is damaged: a part of it is missing or cannot be read. Copy it again, or convert the raw files "
            "again."
        ) from error


def has_node(h5: tables.File, name: str) -> bool:
    """Tell whether the file has a node of this path."""
    with _library_errors():
        return name in h5


def child_names(h5: tables.File, where: str) -> tuple[str, ...]:
    """Return the names of what a group holds; () where there is no such group."""
    with _library_errors():
        if where not in h5:
            return ()
        return tuple(h5.get_node(where)._v_children)


def tables_in(h5: tables.File) -> tuple[tables.Table, ...]:
    """Return all tables of a file, wherever they are."""
    with _library_errors():
        return tuple(h5.walk_nodes("/", "Table"))


def attribute_names(node: Any) -> frozenset[str]:
    """Return the names of the attributes of a node."""
    with _library_errors():
        return frozenset(node._v_attrs._v_attrnames)


def attribute(node: Any, name: str) -> str | int | float | None:
    """Return a text or number stored as an attribute, or None if it is absent or anything else."""
    value = stored_attribute(node, name)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, (str, int, float)):
        return value
    return None


def stored_attribute(node: Any, name: str) -> Any:
    """Return what is stored as an attribute: a text, a number, an array; bytes also of a pickle. None if absent."""
    with _library_errors():
        attributes = node._v_attrs
        if name not in attributes._v_attrnames:
            return None
        # the public look-up would unpickle; this returns what is stored
        value = attributes._g_getattr(node, name)
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value[()]
    return value.item() if isinstance(value, np.generic) else value


def plain_node(h5: tables.File, name: str) -> Any:
    """Return an array or table of the file; anything else (a VLArray may hold pickled objects) is refused.

    Raises
    ------
    tables.NoSuchNodeError, tables.HDF5ExtError
        See `reading`.
    InputFormatError
        If it is neither an array nor a table.
    """
    with _library_errors():
        node = h5.get_node(name)
        if isinstance(node, tables.Table):
            _ = node.filters  # read on first use: any trouble shall come now
    if not isinstance(node, (tables.Array, tables.Table)):
        raise InputFormatError(
            f"{h5.filename} is damaged: {name} is not a plain array. Convert the raw files again."
        )
    return node


def plain_group(h5: tables.File, name: str) -> Any:
    """Return a group, for its attributes; errors as for `plain_node`."""
    with _library_errors():
        node = h5.get_node(name)
    if not isinstance(node, tables.Group):
        raise InputFormatError(
            f"{h5.filename} is damaged: {name} is no group. Convert the raw files again."
        )
    return node


def read_array(h5: tables.File, name: str) -> Any:
    """Read a whole array or table; errors as for `plain_node`."""
    node = plain_node(h5, name)
    with _library_errors():
        return node.read()


def read_rows(h5: tables.File, name: str, *dtypes: np.dtype[Any]) -> Any:
    """Read a whole table of these columns, or an array of this type, of several possible; errors as for `plain_node`.

    Raises
    ------
    InputFormatError
        Also if it has others.
    """
    rows = read_array(h5, name)
    if getattr(rows, "dtype", None) not in dtypes:
        raise InputFormatError(
            f"{h5.filename} is damaged: {name} has other columns than it should. Convert the raw files again."
        )
    return rows


def read_header(h5: tables.File) -> Any:
    """Return the only row of the table ``/header/header`` of photon files of any layout; errors as for `read_rows`."""
    rows = read_array(h5, "/header/header")
    if not getattr(rows, "size", 0) or rows.dtype.names is None:
        raise InputFormatError(
            f"{h5.filename} is damaged: /header/header is no table of one row. Convert the raw files again."
        )
    return rows[0]


def read_part(node: Any, key: Any) -> Any:
    """Read a part of an array, as indexing does; errors as for `plain_node`."""
    with _library_errors():
        return node[key]


@contextlib.contextmanager
def _library_errors() -> Iterator[None]:
    """Call whatever PyTables stumbles over an HDF5 error: on damaged descriptions of nodes it raises anything.

    For calls of the library alone: a mistake of our own must not pass for a damaged file.
    """
    try:
        yield
    except (tables.HDF5ExtError, tables.NoSuchNodeError, OSError):
        raise
    except Exception as error:
        raise tables.HDF5ExtError(f"PyTables cannot read it: {error!r}") from error


@contextlib.contextmanager
def writing(path: Path, title: str) -> Iterator[tables.File]:
    """Open a new HDF5 file for writing, and close it whatever happens.

    Raises
    ------
    OutputError
        If HDF5 fails, most likely because the disk is full.
    """
    try:
        h5 = tables.open_file(str(path), "w", title=title)
        try:
            yield h5
            _flush(h5)
        finally:
            h5.close()
    except tables.HDF5ExtError as error:
        free = shutil.disk_usage(path.parent).free / 1e6
        raise OutputError(
            f"{path} cannot be written; its disk has {free:.0f} MB free. Free some space or choose another folder."
        ) from error


def _flush(h5: tables.File) -> None:
    """Write everything out; PyTables' own flush and close say nothing when that fails, as on a full disk.

    Raises
    ------
    tables.HDF5ExtError
    """
    h5.flush()  # what PyTables itself holds back
    library = ctypes.CDLL(tables.hdf5extension.__file__)  # finds the HDF5 library that it uses
    if library.H5Fflush(ctypes.c_int64(h5._get_file_id()), _H5F_SCOPE_GLOBAL) < 0:
        raise tables.HDF5ExtError(f"{h5.filename} cannot be flushed")
