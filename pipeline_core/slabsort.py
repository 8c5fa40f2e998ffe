"""Turns slabs of raw words into runs of photons sorted by pixel, and keeps the books: words, packets, gaps.

`convert` feeds it; `rawkernels` has the loops.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core import rawkernels, schema
from pipeline_core.beammap import Beammap
from pipeline_core.binfile import SLABS_HELD, Segment, Slab
from pipeline_core.photonruns import Room, RunStore
from pipeline_core.rawsync import MOST_WORDS, PacketFinder, year_starts
from pipeline_core.rawwords import BASELINE_BITS, FAKE_PHOTON, PIXEL_BITS, US_PER_TICK, Y_SHIFT

__all__ = ["Books", "SlabSorter"]

GAP_TICKS = 200
"""Boards send a packet at least every 0.5 ms; silence of all of them for 100 ms is a gap."""


@dataclass(frozen=True, eq=False)
class _Packets:
    """Packets of one segment: photon words ``begin:end`` of the slab, time in us, and how many have a header.

    `bytes_left` are those that make up no word: at the end of the file, skipped, and how often some were skipped.
    """

    second: int
    bytes_left: tuple[int, int, int]
    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    with_header: int


@dataclass(frozen=True, eq=False)
class _SortedSlab:
    """Photons of a slab by pixel, and what became of its words (one row of `sources` a segment)."""

    offsets: npt.NDArray[np.int64]
    room: Room
    baseline_histogram: npt.NDArray[np.int64]
    sources: list[npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Books:
    """What became of all words.

    Attributes
    ----------
    sources, boards : structured ndarrays
        `schema.SOURCE_DTYPE`, one row a file, and `schema.BOARD_DTYPE`, one row a board with packets in the range.
    gaps_us : ndarray of int64, shape (n, 2)
        Half-open intervals without any packet.
    baseline_median : int
        Counts; 0 unless baselines are subtracted.
    nearest_us : int or None
        Time of the packet nearest to the beginning of the range; None without packets.
    strange_clocks : dict of int to float
        Boards whose packets in the files of the range are all of another time: board number -> seconds between that
        of their first one and the file's name.
    """

    sources: npt.NDArray[np.void]
    boards: npt.NDArray[np.void]
    gaps_us: npt.NDArray[np.int64]
    baseline_median: int
    nearest_us: int | None
    strange_clocks: dict[int, float]


class SlabSorter:
    """Turns slabs into sorted runs and keeps the books over all of them.

    Packets are found and dated slab by slab, since each may continue the one before; the sorting, which is most of the
    work, runs in threads. Its results are taken in the order of the slabs, whatever thread is first.

    Parameters
    ----------
    beammap : Beammap
    runs : RunStore
        Receives the sorted photons.
    pool : ThreadPoolExecutor
    start, duration : int
        Time range: unix second and seconds.
    baseline : str
        One of `schema.BASELINE_MODES`.
    """

    def __init__(
        self,
        beammap: Beammap,
        runs: RunStore,
        pool: ThreadPoolExecutor,
        *,
        start: int,
        duration: int,
        baseline: str,
    ) -> None:
        self._runs = runs
        self._pool = pool
        self._start = start
        self._under_way: deque[Future[_SortedSlab]] = deque()
        ncols, nrows = beammap.shape
        self._n_pixels = ncols * nrows
        self._exposure_us = duration * 1_000_000
        self._mode = schema.BASELINE_MODES.index(baseline)
        rank = np.empty(self._n_pixels, np.int32)
        rank[beammap.photon_order()] = np.arange(self._n_pixels)
        by_coordinates = np.full((1024, 1024), self._n_pixels, np.int32)
        by_coordinates[:ncols, :nrows] = rank.reshape(ncols, nrows)
        self._rank = by_coordinates.reshape(1 << PIXEL_BITS)
        # a photon there could not be told from an end-of-frame marker
        self._rank[FAKE_PHOTON >> Y_SHIFT] = self._n_pixels
        self._sources: list[npt.NDArray[np.int64]] = []
        self._last_frame = np.full(256, -1, np.int64)
        self._newest_us = np.zeros(256, np.int64)
        self._packets = np.zeros(256, np.int64)
        self._lost = np.zeros(256, np.int64)
        self._seen = np.zeros(self._exposure_us // US_PER_TICK, bool)
        self._baseline_histogram = np.zeros(1 << BASELINE_BITS, np.int64)
        self._carried_us = int(rawkernels.UNDATED)
        self._finder = PacketFinder()
        self._nearest_us: int | None = None
        self._first_offset_us: dict[int, int] = {}

    def add(self, slab: Slab) -> None:
        """Begin to sort a slab; returns when at most `SLABS_HELD` are under way."""
        packets = [self._packets_of(slab.words, segment) for segment in slab.segments]
        self._under_way.append(self._pool.submit(self._sort, slab.words, packets))
        while len(self._under_way) > SLABS_HELD:
            self._collect()

    def finish(self) -> None:
        """Wait for the slabs that are under way."""
        while self._under_way:
            self._collect()

    def _collect(self) -> None:
        done = self._under_way.popleft().result()
        self._sources += done.sources
        self._baseline_histogram[: done.baseline_histogram.size] += done.baseline_histogram
        self._runs.add(done.offsets, done.room)

    def _sort(self, words: npt.NDArray[np.uint64], packets: list[_Packets]) -> _SortedSlab:
        """Sort the photons of a slab by pixel. Runs in a thread; changes nothing of the sorter."""
        counts = np.zeros(self._n_pixels + 1, np.int64)
        sources = []
        for p in packets:
            tallies = np.zeros(rawkernels.N_TALLIES, np.int64)
            before = int(counts[:-1].sum())
            rawkernels.count_photons(
                words, p.begin, p.end, p.times, self._exposure_us, self._rank, counts, tallies
            )
            tallies[rawkernels.KEPT] = int(counts[:-1].sum()) - before
            sources.append(np.array([p.second, p.with_header, *tallies, *p.bytes_left]))
        offsets = np.concatenate(([0], np.cumsum(counts[:-1])))
        room = self._runs.room(int(offsets[-1]))
        histogram = np.zeros(1 << BASELINE_BITS if self._mode == 2 else 0, np.int64)
        cursor = offsets.copy()
        for p, source in zip(packets, sources, strict=True):
            tallies = np.zeros(rawkernels.N_TALLIES, np.int64)
            rawkernels.place_photons(
                words,
                p.begin,
                p.end,
                p.times,
                self._exposure_us,
                self._rank,
                cursor,
                self._mode,
                room.photons,
                room.baseline,
                histogram,
                tallies,
            )
            source[2 : 2 + tallies.size] += tallies
        return _SortedSlab(offsets, room, histogram, sources)

    def _packets_of(self, words: npt.NDArray[np.uint64], segment: Segment) -> _Packets:
        """Find and date the packets of a segment.

        The first entry stands for words before the first header: they continue the packet before, which is
        in the previous slab or in the file of the previous second.
        """
        found = self._finder.find(words, segment)
        n = found.index.size
        times = np.empty(n + 1, np.int64)
        if not found.continues:
            self._carried_us = int(rawkernels.UNDATED)
        if not found.follows:
            # what was sent in a second without a file is not lost on the network
            self._last_frame[:] = -1
        times[0] = self._carried_us
        rawkernels.date_packets(
            found.ticks, segment.second, year_starts(segment.second), self._start, times[1:]
        )
        rawkernels.follow_frames(
            found.board,
            found.frame,
            times[1:],
            self._exposure_us,
            self._last_frame,
            self._newest_us,
            self._packets,
            self._lost,
            self._seen,
        )
        begin = np.concatenate(([found.first], found.index + 1))
        end = np.concatenate((found.index, [found.stop]))
        self._carried_us = int(times[-1])
        if n:
            self._note_nearest(times[1:])
            if 0 <= segment.second - self._start < self._exposure_us // 1_000_000:
                self._note_boards(found.board, times[1:], segment.second)
        room = np.full(times.size, MOST_WORDS)
        room[0] -= min(found.words_before, MOST_WORDS)
        begin, end, times = _cut_long_packets(begin, end, times, room)
        left = (found.spare_bytes, found.skipped_bytes, found.resyncs)
        return _Packets(segment.second, left, begin, end, times, n)

    def _note_nearest(self, times: npt.NDArray[np.int64]) -> None:
        nearest = int(times[np.argmin(np.abs(times))])
        if self._nearest_us is None or abs(nearest) < abs(self._nearest_us):
            self._nearest_us = nearest

    def _note_boards(
        self, board: npt.NDArray[np.uint8], times: npt.NDArray[np.int64], second: int
    ) -> None:
        for number in np.flatnonzero(np.bincount(board, minlength=256)).tolist():
            if number not in self._first_offset_us:
                first = int(times[np.argmax(board == number)])
                self._first_offset_us[number] = first - (second - self._start) * 1_000_000

    def books(self) -> Books:
        """Return what became of all words; call after `finish`."""
        boards = np.flatnonzero(self._packets)
        board_rows = np.zeros(boards.size, schema.BOARD_DTYPE)
        board_rows["board"] = boards
        board_rows["packets"] = self._packets[boards]
        board_rows["lost"] = self._lost[boards]
        return Books(
            sources=self._source_rows(),
            boards=board_rows,
            gaps_us=_gaps(self._seen),
            baseline_median=self._baseline_median(),
            nearest_us=self._nearest_us,
            strange_clocks={
                board: offset / 1e6
                for board, offset in sorted(self._first_offset_us.items())
                if not self._packets[board]
            },
        )

    def _baseline_median(self) -> int:
        total = int(self._baseline_histogram.sum())
        if not total:
            return 0
        middle = np.searchsorted(np.cumsum(self._baseline_histogram), (total + 1) // 2)
        return int(middle) - 65536

    def _source_rows(self) -> npt.NDArray[np.void]:
        """Return one row a file: a file that filled several slabs is added up."""
        table = np.array(self._sources)
        seconds = np.unique(table[:, 0])
        rows = np.zeros(seconds.size, schema.SOURCE_DTYPE)
        names = schema.SOURCE_DTYPE.names or ()
        for row, second in zip(rows, seconds, strict=True):
            sums = table[table[:, 0] == second].sum(axis=0)
            for name, value in zip(names[1:], sums[1:], strict=True):
                row[name] = value
            row["second"] = second
        return rows


def _cut_long_packets(
    begin: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64],
    room: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Take from packets the words beyond what the firmware puts into one: their header was lost, and their time.

    `room` is how many words each packet may have here. Returns begin, end and times with the cut-off words behind all
    others, as packets without a time.
    """
    long = np.flatnonzero((end - begin > room) & (times != rawkernels.UNDATED))
    if not long.size:
        return begin, end, times
    cut = begin[long] + room[long]
    rest_end = end[long]
    end = end.copy()
    end[long] = cut
    undated = np.full(long.size, rawkernels.UNDATED)
    return (
        np.concatenate((begin, cut)),
        np.concatenate((end, rest_end)),
        np.concatenate((times, undated)),
    )


def _gaps(seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return intervals of at least `GAP_TICKS` without a packet, in us, half-open, shape (n, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], seen, [True])).astype(np.int8)))
    intervals = edges.reshape(-1, 2)
    long_enough = intervals[:, 1] - intervals[:, 0] >= GAP_TICKS
    return intervals[long_enough].astype(np.int64) * US_PER_TICK
