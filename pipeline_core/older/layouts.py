"""Which layout an HDF5 file of photons has, told by its content alone; where its photons, beam map and header are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tables

from pipeline_core.hdf5 import attribute, attribute_names, child_names, has_node, plain_node

__all__ = ["COLUMNS", "Layout", "layout_of"]

COLUMNS: dict[str, tuple[str, ...]] = {
    "res_id": ("ResID", "resID"),
    "x": ("X",),
    "y": ("Y",),
    "time": ("Time", "time"),
    "value": ("Wavelength", "wavelength"),
    "spec_weight": ("SpecWeight", "Spec Weight", "weight"),
    "noise_weight": ("NoiseWeight", "Noise Weight"),
    "baseline": ("Baseline",),
}
"""What a column holds -> the names that it had over the years."""


@dataclass(frozen=True)
class Layout:
    """How an older photon file is built.

    Attributes
    ----------
    name : str
        'V0', 'V1', 'V2', 'V3', 'V3c', 'V4', 'V4b' or 'V5'.
    photons : tuple of str
        Paths of the tables of photons: one, or (V1) one a resonator, ascending by resID.
    columns : mapping
        Key of `COLUMNS` -> name of the column in these tables.
    map, flag : str
        Paths of the beam map's arrays; '' where there is none.
    header : str
        Path of the node that has the header: a table of one row (V1 to V3c), of keys and values (V4), or a node with
        attributes (V4b, V5); '' where there is none (V0).
    """

    name: str
    photons: tuple[str, ...]
    columns: dict[str, str]
    map: str
    flag: str
    header: str


def layout_of(h5: tables.File) -> Layout | None:
    """Return the layout of a file, None if it is none of the older ones. To be called inside `reading`.

    Raises
    ------
    InputFormatError, tables.HDF5ExtError
        If it has the right names, but a node is no table.
    """
    group = _child(h5, "/", "photons")
    if not group or attribute(h5.root, "format") is not None:
        return None
    table = _child(h5, group, "photontable")
    data = f"{group}/data" if has_node(h5, f"{group}/data") else ""
    if not table and not data:
        return _one_table_a_resonator(h5, group)
    found = plain_node(h5, table or data)
    columns = _columns_of(found)
    if columns is None:
        return None
    map_, flag = _beammap_of(h5)
    header, name = "/header/header", "V0"
    if data and not table:
        header = ""
    elif not has_node(h5, header):
        name = "V5" if "photontable" in table else "V4b"
        header = table if name == "V5" or attribute_names(found) & {"UNIXSTR", "flags"} else group
    elif {"key", "value"} <= set(plain_node(h5, header).dtype.names or ()):
        name = "V4"
    else:
        name = _version_with_header(h5, header)
    return Layout(name, (table or data,), columns, map_, flag, header)


def _one_table_a_resonator(h5: tables.File, group: str) -> Layout | None:
    """Return layout V1: ``/Photons/<resID>``."""
    names = sorted((name for name in child_names(h5, group) if name.isdecimal()), key=int)
    if not names:
        return None
    columns = _columns_of(plain_node(h5, f"{group}/{names[0]}"), needs_res_id=False)
    if columns is None:
        return None
    map_, flag = _beammap_of(h5)
    header = "/header/header" if has_node(h5, "/header/header") else ""
    return Layout("V1", tuple(f"{group}/{name}" for name in names), columns, map_, flag, header)


def _version_with_header(h5: tables.File, header: str) -> str:
    """Tell V2, V3 and V3c apart, which have the same table."""
    if has_node(h5, "/Images"):
        return "V2"
    node = plain_node(h5, header)
    if "metadata" not in (node.dtype.names or ()):
        return "V3"
    text = node[0]["metadata"] if node.nrows else b""
    return "V3c" if b"flags:" in text else "V3"


def _columns_of(table: Any, *, needs_res_id: bool = True) -> dict[str, str] | None:
    """Return the columns of a table of photons; None if it is none."""
    names = table.dtype.names or ()
    columns = {}
    for key, known in COLUMNS.items():
        match = next((name for name in known if name in names), None)
        if match is not None:
            columns[key] = match
    needed = {"time", "value"} | ({"res_id"} if needs_res_id else set())
    return columns if needed <= set(columns) else None


def _beammap_of(h5: tables.File) -> tuple[str, str]:
    group = _child(h5, "/", "beammap")
    if not group:
        return "", ""
    return _child(h5, group, "map"), _child(h5, group, "flag")


def _child(h5: tables.File, where: str, wanted: str) -> str:
    """Return the path of a child whatever the case of its name; '' if there is none."""
    for name in child_names(h5, where):
        if name.lower() == wanted:
            return f"{where.rstrip('/')}/{name}"
    return ""
