"""Turns slabs of raw words into runs of photons sorted by pixel, and keeps the books: words, packets, gaps.

`convert` feeds it; `rawkernels` has the loops.
"""

from __future__ import annotations

import calendar
import datetime
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core import rawkernels, schema
from pipeline_core.beammap import Beammap
from pipeline_core.binfile import SLABS_HELD, Segment, Slab
from pipeline_core.photonruns import Room, RunStore
from pipeline_core.rawwords import (
    BASELINE_BITS,
    FAKE_PHOTON,
    MAX_PHOTONS_PER_PACKET,
    PIXEL_BITS,
    US_PER_TICK,
    Y_SHIFT,
)

__all__ = ["Books", "SlabSorter"]

_MOST_WORDS = MAX_PHOTONS_PER_PACKET + 1
"""Words of a packet behind its header: photons, and perhaps an end-of-frame marker."""

_WORDS_A_HEADER = 8
"""Hardly any packets are shorter on average; if they are, they are looked for twice."""

GAP_TICKS = 200
"""Boards send a packet at least every 0.5 ms; silence of all of them for 100 ms is a gap."""


def _year_starts(second: int) -> npt.NDArray[np.int64]:
    """Return the unix seconds at which the year of `second` and its neighbours begin (UTC)."""
    year = datetime.datetime.fromtimestamp(second, datetime.timezone.utc).year
    years = range(max(year - 1, 1970), year + 2)
    return np.array([calendar.timegm((y, 1, 1, 0, 0, 0)) for y in years], np.int64)


@dataclass(frozen=True, eq=False)
class _Packets:
    """Packets of one segment: photon words ``begin:end`` of the slab, time in us, and how many have a header."""

    second: int
    spare_bytes: int
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
    """

    sources: npt.NDArray[np.void]
    boards: npt.NDArray[np.void]
    gaps_us: npt.NDArray[np.int64]
    baseline_median: int
    nearest_us: int | None


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
        self._carried_words = 0
        self._last_second = -1
        self._nearest_us: int | None = None

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
            sources.append(np.array([p.second, p.with_header, *tallies, p.spare_bytes]))
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
        part = words[segment.first : segment.stop]
        index, ticks, board, frame = _headers(part, segment.first)
        n = index.size
        times = np.empty(n + 1, np.int64)
        adjacent = segment.second == self._last_second + 1
        if segment.opens_file and not adjacent:
            self._carried_us = int(rawkernels.UNDATED)
            # what was sent in a second without a file is not lost on the network
            self._last_frame[:] = -1
        times[0] = self._carried_us
        rawkernels.date_packets(
            ticks, segment.second, _year_starts(segment.second), self._start, times[1:]
        )
        rawkernels.follow_frames(
            board,
            frame,
            times[1:],
            self._exposure_us,
            self._last_frame,
            self._newest_us,
            self._packets,
            self._lost,
            self._seen,
        )
        begin = np.concatenate(([segment.first], index + 1))
        end = np.concatenate((index, [segment.stop]))
        carried_words = self._carried_words
        self._carried_us = int(times[-1])
        self._carried_words = int(end[-1] - begin[-1]) + (carried_words if n == 0 else 0)
        self._last_second = segment.second
        if n:
            self._note_nearest(times[1:])
        room = np.full(times.size, _MOST_WORDS)
        room[0] -= min(carried_words, _MOST_WORDS)
        begin, end, times = _cut_long_packets(begin, end, times, room)
        return _Packets(segment.second, segment.spare_bytes, begin, end, times, n)

    def _note_nearest(self, times: npt.NDArray[np.int64]) -> None:
        nearest = int(times[np.argmin(np.abs(times))])
        if self._nearest_us is None or abs(nearest) < abs(self._nearest_us):
            self._nearest_us = nearest

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


def _headers(
    words: npt.NDArray[np.uint64], first: int
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint16]
]:
    """Return position, time stamp, board and frame of all headers: found in one pass, unless there are very many."""
    room = words.size // _WORDS_A_HEADER + 1
    while True:
        index, ticks = np.empty(room, np.int64), np.empty(room, np.int64)
        board, frame = np.empty(room, np.uint8), np.empty(room, np.uint16)
        n = rawkernels.find_packets(words, first, index, ticks, board, frame)
        if n <= room:
            return index[:n], ticks[:n], board[:n], frame[:n]
        room = n


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
