"""Reads photons of a photon file: only the chunks needed, only the columns needed, off the GIL.

A chunk is read with one system call and decoded by `chunkcodec`; PyTables is asked only where the chunk lies.
Chunks of a kind that is not decoded here are read through PyTables.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core.binning import add_phases, add_times, first_at_or_after, make_sense, phase_span
from pipeline_core.chunkcodec import CHUNK_ROWS, DAMAGED, FOREIGN, NEED_MORE, decode_prefix
from pipeline_core.errors import InputFormatError, OperationCancelled
from pipeline_core.exposure import add_dead_time
from pipeline_core.hdf5 import no_pickles
from pipeline_core.photon_kernels import (
    ChunkOfRows,
    count_phases,
    count_times,
    count_window,
    gather,
    survey_chunk,
)
from pipeline_core.progress import Progress, silent

__all__ = [
    "BASELINE",
    "NOISE_WEIGHT",
    "PHASE",
    "SCAN_THREADS",
    "SPEC_WEIGHT",
    "TIME",
    "PhotonReader",
    "load_kernels",
]

# place of the columns in a row
TIME, PHASE, SPEC_WEIGHT, NOISE_WEIGHT, BASELINE = 1, 2, 3, 4, 5

SCAN_THREADS = 2
_SHARE_OF_MEMORY = 0.25
_CHEAP_TIMES_BYTES = 500_000_000
_CHUNKS_A_STEP = 16  # some 20 ms: so long a click waits for a survey to stop


class _Scratch:
    """Buffers of one thread: a chunk as stored, and its byte planes."""

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


@dataclass
class _Place:
    """The next chunk of a pass through the file."""

    chunk: int = 0


def _may_hold(n_rows: int) -> bool:
    """Whether the times of so many photons may stay in memory: up to a quarter of the machine's."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return False
    return 4 * n_rows <= machine * _SHARE_OF_MEMORY


class _Survey:
    """What a survey has found so far, by thread, and where it is; `times` of all rows, if they may be kept."""

    def __init__(self, edges_us: npt.NDArray[np.int64], n_pixels: int, n_rows: int) -> None:
        self.edges_us = edges_us
        shape = (n_pixels, edges_us.size - 1)
        self.counts = [np.zeros(shape, np.uint32) for _ in range(SCAN_THREADS)]
        self.extremes = [np.array([np.inf, -np.inf], np.float32) for _ in range(SCAN_THREADS)]
        self.times = np.empty(n_rows, np.uint32) if _may_hold(n_rows) else None
        self.at = _Place()


def load_kernels() -> None:
    """Load (at the very first time: compile) all kernels of reading, so that the first answer is as fast as others.

    The window calls it in the background after its start.
    """
    scratch = _Scratch(20)
    nothing = np.empty(0, np.uint8)
    no_rows = np.zeros(1, np.int64)
    where = (scratch.planes, CHUNK_ROWS, 20)
    decode_prefix(nothing, 20, 12, scratch.planes)
    gather(*where, TIME, 0, scratch.phases[:0])
    count_window(*where, 0, no_rows, 0, 1, no_rows)
    count_times(scratch.phases, no_rows, 0, 1, no_rows.copy())
    count_phases(*where, 0, no_rows, 0, 1, 0.0, 1.0, scratch.phases, no_rows)
    counts, extremes = np.zeros((1, 1), np.uint32), np.zeros(2, np.float32)
    survey_chunk(*where, 0, no_rows, np.arange(2), scratch.phases, counts, extremes)
    # of decoded pixels, whose columns are read-only
    times, phases = np.zeros(1, np.uint32), np.zeros(1, np.float32)
    make_sense(times, phases, 1)
    times.setflags(write=False)
    phases.setflags(write=False)
    first_at_or_after(times, 0)
    add_times(times, phases, 0, 1, 1, 0.0, 1.0, no_rows)
    phase_span(times, phases, 0, 1, 0.0, 1.0)
    add_phases(times, phases, 0, 1, 0.0, 1.0, 1.0, 0, no_rows)
    add_dead_time(times, np.zeros((1, 2)), 1.0, 0, 1, 1, np.zeros(1))


class PhotonReader:
    """Photons of one open photon table. To be used from one thread; works with threads inside.

    Parameters
    ----------
    path : path
        The file, opened once more for plain reads.
    table : tables.Table
        Its photon table, open.
    stops : ndarray of int64, shape (n_pixels,)
        Last row + 1 of each pixel, ascending (photon-file order).
    places : ndarray of int64, shape (n_chunks, 2), optional
        Offset and size of each chunk, where they are known; else PyTables is asked.
    """

    def __init__(
        self,
        path: Path,
        table: tables.Table,
        stops: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self._path = path
        self._table = table
        self._stops = stops
        self._row_bytes = int(table.dtype.itemsize)
        self._names = table.dtype.names or ()
        # anything else is left to PyTables, chunk by chunk, one at a time
        self._own_layout = table.chunkshape == (CHUNK_ROWS,) and str(
            table.filters.complib
        ).startswith("blosc:")
        self._hdf5 = threading.Lock()
        self._places: dict[int, tuple[int, int]] = {}
        self._known_places = places if self._own_layout else None
        self._scratch = [_Scratch(self._row_bytes) for _ in range(SCAN_THREADS)]
        self._unfinished: _Survey | None = None
        self._times: npt.NDArray[np.uint32] | None = None
        self._looks_at_times = False
        self._held = (-1, -1, 0)  # chunk in the first scratch, its last column, rows a block
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

    def rows(
        self, first: int, stop: int, columns: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.uint32], ...]:
        """Return 4-byte columns of the rows ``first:stop`` as their bits.

        Parameters
        ----------
        first, stop : int
            Row numbers.
        columns : tuple of int
            `TIME`, `PHASE`, `BASELINE`; view phases as float32.

        Raises
        ------
        InputFormatError
            If a chunk is damaged.
        """
        out = tuple(np.empty(max(stop - first, 0), np.uint32) for _ in columns)
        row = first
        while row < stop:
            chunk, offset = divmod(row, CHUNK_ROWS)
            count = min(stop - row, CHUNK_ROWS - offset)
            place = slice(row - first, row - first + count)
            block = self._decode_held(chunk, max(columns))
            for column, values in zip(columns, out, strict=True):
                gather(
                    self._scratch[0].planes, block, self._row_bytes, column, offset, values[place]
                )
            row += count
        return out

    def each_chunk(
        self, work: Callable[[int, ChunkOfRows], None], progress: Progress, stage: str
    ) -> None:
        """Decode times and phases of every chunk and call ``work(thread, chunk)``, in `SCAN_THREADS` threads.

        Raises
        ------
        InputFormatError
            If a chunk is damaged.
        """

        def look(thread: int, chunk: int, block: int) -> None:
            planes = self._scratch[thread].planes
            work(
                thread, ChunkOfRows(planes, block, self._row_bytes, chunk * CHUNK_ROWS, self._stops)
            )

        self._scan(look, PHASE, progress, stage)

    def count_window(
        self,
        start_us: int,
        stop_us: int,
        phase_deg: tuple[float, float] = (-np.inf, np.inf),
        progress: Progress = silent,
    ) -> npt.NDArray[np.int64]:
        """Count each pixel's photons in half-open windows of time and phase, in photon-file order.

        A pass over times keeps them in memory, as a survey does; of a very long file only the second one: who asks
        for a second window will want a third.

        Raises
        ------
        InputFormatError
            If a chunk is damaged.
        """
        any_phase = phase_deg == (-np.inf, np.inf)
        if any_phase and self._times is not None:
            found = np.zeros(self._stops.size, np.int64)
            count_times(self._times, self._stops, start_us, stop_us, found)
            return found
        counts = [np.zeros(self._stops.size, np.int64) for _ in self._scratch]
        times = None
        wanted = self._looks_at_times or 4 * self._n_rows <= _CHEAP_TIMES_BYTES
        if any_phase and wanted and _may_hold(self._n_rows):
            times = np.empty(self._n_rows, np.uint32)

        def count(thread: int, chunk: int, block: int) -> None:
            scratch = self._scratch[thread]
            first = chunk * CHUNK_ROWS
            if times is not None:
                kept = times[first : first + CHUNK_ROWS]
                gather(scratch.planes, block, self._row_bytes, TIME, 0, kept)
            where = (scratch.planes, block, self._row_bytes, first, self._stops, start_us, stop_us)
            if any_phase:
                count_window(*where, counts[thread])
            else:
                count_phases(*where, *phase_deg, scratch.phases, counts[thread])

        self._scan(count, TIME if any_phase else PHASE, progress, "counting photons")
        if times is not None:
            self._times = times
        self._looks_at_times |= any_phase
        return np.sum(counts, axis=0)

    def keep_times(self, progress: Progress) -> None:
        """Read the times of all photons into memory, if they may be there and are not yet.

        Raises
        ------
        InputFormatError
            If a chunk is damaged.
        """
        if self._times is None and self._n_rows and _may_hold(self._n_rows):
            self._looks_at_times = True
            self.count_window(0, 1 << 32, progress=progress)

    def survey(
        self, edges_us: npt.NDArray[np.int64], progress: Progress = silent
    ) -> tuple[npt.NDArray[np.uint32], float, float]:
        """Count each pixel's photons in each time bin, and find the lowest and the highest phase, in one pass.

        A survey that was cancelled goes on where it was when it is asked for again. After it, the times of all
        photons stay in memory if that takes no more than a quarter of the machine's: any window of time is counted
        in milliseconds then.

        Parameters
        ----------
        edges_us : ndarray of int64, shape (n + 1,)
            Ascending; bins are half-open.
        progress : Progress

        Returns
        -------
        counts : ndarray of uint32, shape (n_pixels, n)
            In photon-file order.
        lowest, highest : float
            Degrees, of all photons; (inf, -inf) where there is none.

        Raises
        ------
        InputFormatError
            If a chunk is damaged.
        """
        part = self._unfinished
        if part is None or not np.array_equal(part.edges_us, edges_us):
            part = _Survey(edges_us, self._stops.size, self._n_rows)
        self._unfinished = None  # an error may come in the middle of a chunk

        def look(thread: int, chunk: int, block: int) -> None:
            scratch = self._scratch[thread]
            first = chunk * CHUNK_ROWS
            where = (scratch.planes, block, self._row_bytes, first, self._stops, edges_us)
            survey_chunk(*where, scratch.phases, part.counts[thread], part.extremes[thread])
            if part.times is not None:
                kept = part.times[first : first + CHUNK_ROWS]
                gather(scratch.planes, block, self._row_bytes, TIME, 0, kept)

        try:
            self._scan(look, PHASE, progress, "surveying the file", part.at)
        except OperationCancelled:
            self._unfinished = part
            raise
        self._times = part.times
        low, high = np.transpose(part.extremes)
        return np.sum(part.counts, axis=0, dtype=np.uint32), float(low.min()), float(high.max())

    @property
    def times_in_memory(self) -> npt.NDArray[np.uint32] | None:
        """Times of all rows, if a survey has kept them."""
        return self._times

    @property
    def _n_rows(self) -> int:
        return int(self._stops[-1]) if self._stops.size else 0

    def _scan(
        self,
        work: Callable[[int, int, int], None],
        last_column: int,
        progress: Progress,
        stage: str,
        at: _Place | None = None,
    ) -> None:
        """Decode every chunk up to a column and call ``work(thread, chunk, rows a block)``, in threads.

        Begins at a place, which is kept up to date: `progress` may cancel, and is called between chunks only.
        """
        at = at or _Place()
        n_chunks = -(-self._n_rows // CHUNK_ROWS)
        for chunk in range(n_chunks if self._known_places is None else 0):
            self._place(chunk)  # PyTables is asked here, in the calling thread
        self._held = (-1, -1, 0)

        def scan(thread: int, chunks: range) -> None:
            for chunk in chunks:
                work(thread, chunk, self._decode(chunk, last_column, self._scratch[thread]))

        with ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="photon-scan") as pool:
            step = range(at.chunk, min(at.chunk + _CHUNKS_A_STEP, n_chunks))
            self._fetch_ahead(step, last_column)
            while step:
                progress(at.chunk, n_chunks, stage)
                after = range(step.stop, min(step.stop + _CHUNKS_A_STEP, n_chunks))
                self._fetch_ahead(after, last_column)
                halves = [step[k::SCAN_THREADS] for k in range(SCAN_THREADS)]
                list(pool.map(scan, range(SCAN_THREADS), halves))
                at.chunk, step = step.stop, after
        progress(n_chunks, n_chunks, stage)

    def _fetch_ahead(self, chunks: range, last_column: int) -> None:
        """Ask the system to fetch chunks while others are decoded: a disk with many requests at once reads faster.

        Chunks that lie one behind the other are asked for at once, which costs the system a third.
        """
        if not hasattr(os, "posix_fadvise"):
            return
        first = end = 0
        for chunk in chunks:
            offset, size = self._place(chunk)
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
        return min(size, int(self._time_share * CHUNK_ROWS)) if last_column == TIME else size

    def _place(self, chunk: int) -> tuple[int, int]:
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

    def _decode_held(self, chunk: int, last_column: int) -> int:
        """As `_decode` into the first scratch, which remembers its chunk: the next pixel often lies in the same."""
        held, column, block = self._held
        if held != chunk or column < last_column:
            self._held = (-1, -1, 0)
            block = self._decode(chunk, last_column, self._scratch[0])
            self._held = (chunk, last_column, block)
        return block

    def _decode(self, chunk: int, last_column: int, scratch: _Scratch) -> int:
        """Decode a chunk's columns up to `last_column` into ``scratch.planes``; return rows a block."""
        offset, size = self._place(chunk)
        wanted = 4 * (last_column + 1)
        status = FOREIGN
        if size:
            part = self._bytes_up_to(last_column, size)
            stored = scratch.room(size)
            self._read(stored, 0, part, offset, chunk)
            status = decode_prefix(stored[:part], self._row_bytes, wanted, scratch.planes)
            if status == NEED_MORE and part < size:
                self._time_share = min(self._time_share * 1.1, float(self._row_bytes))
                self._read(stored, part, size, offset, chunk)
                status = decode_prefix(stored[:size], self._row_bytes, wanted, scratch.planes)
        if status == FOREIGN:
            if size and int(stored[12:16].view("<u4")[0]) != size:
                raise self._damaged(chunk)  # Blosc would believe its header, and read past the end
            return self._decode_elsewhere(chunk, last_column, scratch)
        if status in (NEED_MORE, DAMAGED):
            raise self._damaged(chunk)
        return int(status)

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

    def _decode_elsewhere(self, chunk: int, last_column: int, scratch: _Scratch) -> int:
        """Let PyTables read the chunk, and lay it out as a single block of byte planes."""
        first = chunk * CHUNK_ROWS
        try:
            with self._hdf5, no_pickles():
                rows = self._table.read(first, min(first + CHUNK_ROWS, self._table.nrows))
        except (tables.HDF5ExtError, OSError) as error:
            raise self._damaged(chunk) from error
        planes = scratch.planes.reshape(self._row_bytes, CHUNK_ROWS)
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
