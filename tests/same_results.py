"""Compares two files of results: what is in them, but for what tells one run from another."""

from __future__ import annotations

import numpy as np
import tables
from astropy.io import fits

__all__ = ["differences"]


def differences(one, other):
    """Return where two HDF5 or FITS files differ, a name each: '/node', '/node@attribute', 'HDU 0', 'HDU 0 KEYWORD'."""
    if one.read_bytes() == other.read_bytes():
        return []
    return (_hdf5 if one.suffix == ".h5" else _fits)(one, other)


def _hdf5(one, other):
    with tables.open_file(one) as a, tables.open_file(other) as b:
        names = sorted(
            {n._v_pathname for n in a.walk_nodes()} | {n._v_pathname for n in b.walk_nodes()}
        )
        found = []
        for name in names:
            if name not in a or name not in b:
                found.append(name)
                continue
            x, y = a.get_node(name), b.get_node(name)
            if isinstance(x, tables.Leaf) and not _same(x.read(), y.read()):
                found.append(name)
            one_attrs, other_attrs = (
                {key: n._v_attrs[key] for key in n._v_attrs._f_list()} for n in (x, y)
            )
            found += [
                f"{name}@{key}"
                for key in sorted({*one_attrs, *other_attrs})
                if not _same(one_attrs.get(key), other_attrs.get(key))
            ]
        return found


def _same(x, y):
    x, y = np.asarray(x), np.asarray(y)
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


def _fits(one, other):
    with fits.open(one) as a, fits.open(other) as b:
        if len(a) != len(b):
            return ["number of HDUs"]
        found = []
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            if x.data is not None and not _same(x.data, y.data):
                found.append(f"HDU {k}")
            found += [
                f"HDU {k} {key}"
                for key in dict.fromkeys([*x.header, *y.header])
                if x.header.get(key) is None or str(x.header.get(key)) != str(y.header.get(key))
            ]
        return found
