"""Reads photons of a photon file: pixels, and passes over all of them in threads; `chunk_source` has the chunks."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core.binning import add_phases, add_times, first_at_or_after, make_sense, phase_span
from pipeline_core.chunk_source import ChunkSource, Scratch
from pipeline_core.chunkcodec import CHUNK_ROWS, decode_prefix
from pipeline_core.errors import OperationCancelled
from pipeline_core.exposure import add_dead_time
from pipeline_core.photon_kernels import (
    ChunkOfRows,
    count_bins,
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
    scratch = Scratch(20)
    nothing = np.empty(0, np.uint8)
    no_rows = np.zeros(1, np.int64)
    where = (scratch.planes, CHUNK_ROWS, 20)
    decode_prefix(nothing, 20, 12, scratch.planes)
    gather(*where, TIME, 0, scratch.phases[:0])
    count_window(*where, 0, no_rows, 0, 1, no_rows)
    count_times(scratch.phases, no_rows, 0, 1, no_rows.copy())
    count_phases(*where, 0, no_rows, 0, 1, 0.0, 1.0, scratch.phases, no_rows)
    counts, extremes = np.zeros((1, 1), np.uint32), np.zeros(2, np.float32)
    count_bins(scratch.phases[:0], 0, no_rows, np.arange(2), counts)
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
        self.chunks = ChunkSource(path, table, places)
        self._stops = stops
        self._row_bytes = self.chunks.row_bytes
        self._scratch = [Scratch(self._row_bytes) for _ in range(SCAN_THREADS)]
        self._unfinished: _Survey | None = None
        self._times: npt.NDArray[np.uint32] | None = None
        self._looks_at_times = False
        self._held = (-1, -1, 0)  # chunk in the first scratch, its last column, rows a block

    def close(self) -> None:
        """Close the plain handle (the table belongs to the caller)."""
        self.chunks.close()

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

    def count_bins(
        self, edges_us: npt.NDArray[np.int64], progress: Progress = silent
    ) -> npt.NDArray[np.uint32]:
        """Count each pixel's photons in each time bin: a `survey` without phases, which remembers nothing.

        Parameters
        ----------
        edges_us : ndarray of int64, shape (n + 1,)
            Ascending; bins are half-open.
        progress : Progress
            May cancel.

        Returns
        -------
        ndarray of uint32, shape (n_pixels, n)
            In photon-file order.

        Raises
        ------
        InputFormatError
            If a chunk is damaged.
        """
        shape = (self._stops.size, edges_us.size - 1)
        counts = [np.zeros(shape, np.uint32) for _ in self._scratch]
        if self._times is not None:
            count_bins(self._times, 0, self._stops, edges_us, counts[0])
            return counts[0]

        def count(thread: int, chunk: int, block: int) -> None:
            scratch = self._scratch[thread]
            first = chunk * CHUNK_ROWS
            times = scratch.phases[: min(CHUNK_ROWS, self._n_rows - first)]
            gather(scratch.planes, block, self._row_bytes, TIME, 0, times)
            count_bins(times, first, self._stops, edges_us, counts[thread])

        self._scan(count, TIME, progress, "counting photons")
        for others in counts[1:]:
            counts[0] += others
        return counts[0]

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
        self.chunks.find_places(n_chunks)
        self._held = (-1, -1, 0)

        def scan(thread: int, chunks: range) -> None:
            for chunk in chunks:
                work(thread, chunk, self.chunks.decode(chunk, last_column, self._scratch[thread]))

        with ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="photon-scan") as pool:
            step = range(at.chunk, min(at.chunk + _CHUNKS_A_STEP, n_chunks))
            self.chunks.fetch_ahead(
                range(at.chunk, min(step.stop + _CHUNKS_A_STEP, n_chunks)), last_column
            )
            while step:
                progress(at.chunk, n_chunks, stage)
                after = range(step.stop, min(step.stop + _CHUNKS_A_STEP, n_chunks))
                self.chunks.fetch_ahead(
                    range(after.stop, min(after.stop + _CHUNKS_A_STEP, n_chunks)), last_column
                )
                halves = [step[k::SCAN_THREADS] for k in range(SCAN_THREADS)]
                list(pool.map(scan, range(SCAN_THREADS), halves))
                at.chunk, step = step.stop, after
        progress(n_chunks, n_chunks, stage)

    def _decode_held(self, chunk: int, last_column: int) -> int:
        """Decode into the first scratch, which remembers its chunk: the next pixel often lies in the same."""
        held, column, block = self._held
        if held != chunk or column < last_column:
            self._held = (-1, -1, 0)
            block = self.chunks.decode(chunk, last_column, self._scratch[0])
            self._held = (chunk, last_column, block)
        return block
