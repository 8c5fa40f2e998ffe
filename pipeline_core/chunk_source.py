"""Where a photon table's chunks lie in its file, and their decoding: a system call a chunk, off the GIL.

PyTables is asked only where a chunk lies. Chunks of a kind that `chunkcodec` does not decode are read through it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core.chunkcodec import CHUNK_ROWS, DAMAGED, FOREIGN, NEED_MORE, decode_prefix
from pipeline_core.errors import InputFormatError
from pipeline_core.pickle_guard import no_pickles

__all__ = ["ChunkSource", "Scratch"]

_TIME = 1  # place of the column in a row


class Scratch:
    """Buffers of one thread: a chunk as stored, its byte planes, and phases."""

    def __init__(self, row_bytes: int) -> None:
        self.stored = np.empty(0, np.uint8)
        self.planes = np.empty(row_bytes * CHUNK_ROWS, np.uint8)
        self.phases = np.empty(CHUNK_ROWS, np.uint32)

    def room(self, size: int) -> npt.NDArray[np.uint8]:
        """Return the buffer for stored bytes, grown to `size`; its content survives."""
        if self.stored.size < size:
            grown = np.empty(size, np.uint8)
            grown[: self.stored.size] = self.stored
            self.stored = grown
        return self.stored


class ChunkSource:
    """The chunks of one open photon table. `decode` may be called from several threads, a scratch each.

    Parameters
    ----------
    path : path
        The file, opened once more for plain reads.
    table : tables.Table
        Its photon table, open.
    places : ndarray of int64, shape (n_chunks, 2), optional
        Offset and size of each chunk, where they are known; else PyTables is asked.
    """

    def __init__(
        self, path: Path, table: tables.Table, places: npt.NDArray[np.int64] | None = None
    ) -> None:
        self._path = path
        self._table = table
        self.row_bytes = int(table.dtype.itemsize)
        self._names = table.dtype.names or ()
        # anything else is left to PyTables, chunk by chunk, one at a time
        self._own_layout = table.chunkshape == (CHUNK_ROWS,) and str(
            table.filters.complib
        ).startswith("blosc:")
        self._hdf5 = threading.Lock()
        self._places: dict[int, tuple[int, int]] = {}
        self._known_places = places if self._own_layout else None
        self._time_share = 2.5  # bytes a row that reach to the end of the time column; learnt
        self._fd = self._open_same(path, table)
        if hasattr(os, "posix_fadvise"):
            # read-ahead would fetch what is skipped
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_RANDOM)

    @staticmethod
    def _open_same(path: Path, table: tables.Table) -> int:
        """Open the very file that HDF5 has open: another one may have taken its name."""
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputFormatError(
                f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
            ) from error
        mine, theirs = os.fstat(descriptor), os.fstat(table._v_file.fileno())
        if (mine.st_dev, mine.st_ino) != (theirs.st_dev, theirs.st_ino):
            os.close(descriptor)
            raise InputFormatError(f"{path} was replaced while it was being opened. Open it again.")
        return descriptor

    def close(self) -> None:
        """Close the plain handle (the table belongs to the caller)."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def knows_places(self) -> bool:
        """Whether the file itself told where its chunks lie."""
        return self._known_places is not None

    def find_places(self, n_chunks: int) -> None:
        """Ask PyTables, in the calling thread, for the places of the first chunks, where they are not known."""
        for chunk in range(n_chunks if self._known_places is None else 0):
            self.place(chunk)

    def decode(self, chunk: int, last_column: int, scratch: Scratch) -> int:
        """Decode a chunk's columns up to `last_column` into ``scratch.planes``; return rows a block.

        Raises
        ------
        InputFormatError
            If the chunk is damaged.
        """
        offset, size = self.place(chunk)
        wanted = 4 * (last_column + 1)
        status = FOREIGN
        if size:
            part = self._bytes_up_to(last_column, size)
            stored = scratch.room(size)
            self._read(stored, 0, part, offset, chunk)
            status = decode_prefix(stored[:part], self.row_bytes, wanted, scratch.planes)
            if status == NEED_MORE and part < size:
                self._time_share = min(self._time_share * 1.1, float(self.row_bytes))
                self._read(stored, part, size, offset, chunk)
                status = decode_prefix(stored[:size], self.row_bytes, wanted, scratch.planes)
        if status == FOREIGN:
            if size and int(stored[12:16].view("<u4")[0]) != size:
                raise self._damaged(chunk)  # Blosc would believe its header, and read past the end
            return self._decode_elsewhere(chunk, last_column, scratch)
        if status in (NEED_MORE, DAMAGED):
            raise self._damaged(chunk)
        return int(status)

    def fetch_ahead(self, chunks: range, last_column: int) -> None:
        """Ask the system to fetch chunks while others are decoded: a disk with many requests at once reads faster.

        Chunks that lie one behind the other are asked for at once, which costs the system a third.
        """
        if not hasattr(os, "posix_fadvise"):
            return
        first = end = 0
        for chunk in chunks:
            offset, size = self.place(chunk)
            if offset != end:
                self._fetch(first, end)
                first = offset
            end = offset + self._bytes_up_to(last_column, size)
        self._fetch(first, end)

    def _fetch(self, first: int, end: int) -> None:
        if end > first:
            os.posix_fadvise(self._fd, first, end - first, os.POSIX_FADV_WILLNEED)

    def _bytes_up_to(self, last_column: int, size: int) -> int:
        """Return how much of a stored chunk of `size` bytes most likely holds the columns up to the last."""
        return min(size, int(self._time_share * CHUNK_ROWS)) if last_column == _TIME else size

    def place(self, chunk: int) -> tuple[int, int]:
        """Return byte offset and size of a chunk in the file; size 0 where PyTables must read it."""
        if self._known_places is not None:
            offset, size = self._known_places[chunk]
            return int(offset), int(size)
        place = self._places.get(chunk)
        if place is None:
            place = (0, 0)
            if self._own_layout:
                info = self._table.chunk_info((chunk * CHUNK_ROWS,))
                if info.offset is not None and info.filter_mask == 0:
                    place = (int(info.offset), int(info.size))
            self._places[chunk] = place
        return place

    def _read(
        self, stored: npt.NDArray[np.uint8], first: int, stop: int, offset: int, chunk: int
    ) -> None:
        view = memoryview(stored)[first:stop]
        at = offset + first
        while view:
            try:
                count = os.preadv(self._fd, [view], at)
            except OSError as error:
                raise self._damaged(chunk) from error
            if count == 0:
                raise self._damaged(chunk)
            view = view[count:]
            at += count

    def _decode_elsewhere(self, chunk: int, last_column: int, scratch: Scratch) -> int:
        """Let PyTables read the chunk, and lay it out as a single block of byte planes."""
        first = chunk * CHUNK_ROWS
        try:
            with self._hdf5, no_pickles():
                rows = self._table.read(first, min(first + CHUNK_ROWS, self._table.nrows))
        except (tables.HDF5ExtError, OSError) as error:
            raise self._damaged(chunk) from error
        planes = scratch.planes.reshape(self.row_bytes, CHUNK_ROWS)
        for column in range(last_column + 1):
            values = np.ascontiguousarray(rows[self._names[column]])
            planes[4 * column : 4 * column + 4, : rows.size] = (
                values.view(np.uint8).reshape(-1, 4).T
            )
        return CHUNK_ROWS

    def _damaged(self, chunk: int) -> InputFormatError:
        return InputFormatError(
            f"{self._path} is damaged: photons {chunk * CHUNK_ROWS} to {(chunk + 1) * CHUNK_ROWS - 1} cannot be "
            "decoded. Copy the file again, or convert the raw files again."
        )
