"""Compares two files of results in all but what tells one run from another: random ids and moments of writing."""

from __future__ import annotations

import re

import numpy as np
import tables
from astropy.io import fits

__all__ = ["differences"]

_IDS = re.compile(rb"(?<![0-9a-f])(?:[0-9a-f]{16}|[0-9a-f]{32})(?![0-9a-f])")
_MOMENTS = re.compile(rb'"created_unix": [0-9.e+]+')
_OF_A_RUN = {"DATE", "FILEID", "WAVECAL", "FLATCAL", "CHECKSUM", "DATASUM"}
"""Keywords of FITS headers that hold ids, the date of writing, and sums over these."""


def differences(one, other):
    """Return where two HDF5 or FITS files differ, a name each; ids and moments are left out."""
    if one.read_bytes() == other.read_bytes():
        return []
    return (_hdf5 if one.suffix == ".h5" else _fits)(one, other)


def _hdf5(one, other):
    with tables.open_file(one) as a, tables.open_file(other) as b:
        parts, others = _parts(a), _parts(b)
    return [name for name in sorted({*parts, *others}) if parts.get(name) != others.get(name)]


def _parts(h5):
    """Name of every array and attribute -> what it holds."""
    found = {}
    for node in h5.walk_nodes():
        name = node._v_pathname
        if isinstance(node, tables.Leaf):
            found[name] = _told(node.read())
        for key in node._v_attrs._f_list():
            found[f"{name}@{key}"] = _told(node._v_attrs[key])
    return found


def _told(value):
    value = np.asarray(value)
    if value.dtype.names:
        kept = [name for name in value.dtype.names if name != "time"]
        return [(name, _told(value[name])) for name in kept]
    data = value.tobytes()
    if value.dtype.kind in "US" or value.dtype == np.uint8:
        data = str(value).encode() if value.dtype.kind == "U" else data
        return _MOMENTS.sub(b"", _IDS.sub(b"id", data))  # the length of a moment may differ too
    return value.dtype.str, value.shape, data


def _fits(one, other):
    with fits.open(one) as a, fits.open(other) as b:
        if len(a) != len(b):
            return ["number of HDUs"]
        found = []
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            if (x.data is None) != (y.data is None) or (
                x.data is not None and x.data.tobytes() != y.data.tobytes()
            ):
                found.append(f"HDU {k}")
            cards = [
                {key: str(hdu.header.get(key)) for key in hdu.header if key not in _OF_A_RUN}
                for hdu in (x, y)
            ]
            if cards[0] != cards[1]:
                found.append(f"header of HDU {k}")
        return found
