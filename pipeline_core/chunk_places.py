"""Where the chunks of a long photon table lie in its file.

HDF5 finds the n-th chunk by counting from the first: asking for all of 15 000 takes two seconds. The places of a file
that was just written are found with a few questions, since chunks written one after the other mostly lie so, and are
stored beside the table. Should somebody have copied the table into another file, the first and the last one tell.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import schema
from pipeline_core.chunkcodec import CHUNK_ROWS
from pipeline_core.hdf5 import has_node, read_array

__all__ = ["find_places", "read_places", "write_places"]

Places = npt.NDArray[np.int64]
"""Offset and size of each chunk, bytes; shape (n_chunks, 2)."""


def _ask(table: tables.Table, chunk: int) -> tuple[int, int]:
    """Return offset and size of a chunk as HDF5 knows them; (-1, -1) where it is not stored as ours are."""
    info = table.chunk_info((chunk * CHUNK_ROWS,))
    if info.offset is None or info.filter_mask:
        return -1, -1
    return int(info.offset), int(info.size)


def find_places(table: tables.Table, sizes: list[int]) -> Places | None:
    """Return the places of chunks that were written in their order, with these sizes; None if they were not.

    Whole stretches whose ends are as far apart as their sizes add up to are not asked for one by one.
    """
    n = len(sizes)
    places = np.empty((n, 2), np.int64)
    places[:, 1] = sizes
    ends = np.concatenate(([0], np.cumsum(places[:, 1])))  # if there were no gaps
    known = {k: _ask(table, k) for k in {0, n - 1}}
    stretches = [(0, n - 1)]
    while stretches:
        first, last = stretches.pop()
        for k in (first, last):
            if known[k][1] != sizes[k]:
                return None
            places[k, 0] = known[k][0]
        if places[last, 0] - places[first, 0] == ends[last] - ends[first]:
            places[first:last, 0] = places[first, 0] + ends[first:last] - ends[first]
        elif last - first > 1:
            middle = (first + last) // 2
            known[middle] = _ask(table, middle)
            stretches += [(first, middle), (middle, last)]
    return places


def write_places(h5: tables.File, table: tables.Table, sizes: list[int]) -> None:
    """Store the places of the chunks of a table that was just written."""
    places = find_places(table, sizes)
    if places is not None:
        title = "byte offset and size of the photon table's chunks in this file"
        h5.create_array(schema.MKID, "chunks", places, title)


def read_places(h5: tables.File, table: tables.Table) -> Places | None:
    """Return the stored places, or None where there are none or they are not those of this file."""
    if not has_node(h5, schema.CHUNKS):
        return None
    places: Places = read_array(h5, schema.CHUNKS)
    n = -(-int(table.nrows) // CHUNK_ROWS)
    if not n or places.shape != (n, 2) or table.chunkshape != (CHUNK_ROWS,):
        return None
    true = [_ask(table, k) for k in (0, n - 1)]
    return places if [tuple(places[k].tolist()) for k in (0, n - 1)] == true else None
