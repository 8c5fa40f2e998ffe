"""Finds the packets in raw words, also where the read-out lost its place and wrote on at any byte.

When its ring buffer overflowed, the writer of 2018 and later went on at a byte that is no multiple of eight: from
there on, nothing stands where words are looked for. A sound stretch costs one look at each of its headers. Where one is
out of place, or a packet is longer than packets are, the next header is searched for byte by byte, and what lies
between is skipped and counted. A header is believed if its time is near that of its file or of its board, or if its
board soon sends its next ones with about the same time: clocks may be wrong, but not each packet in its own way.
"""

from __future__ import annotations

import calendar
import datetime
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.binfile import NO_SECOND, Segment
from pipeline_core.rawkernels import find_packets
from pipeline_core.rawsynckernels import (
    MOST_WORDS,
    NEVER,
    count_sound,
    hides_header,
    put_in_place,
)
from pipeline_core.rawwords import BYTES_PER_WORD, TICKS_PER_SECOND

__all__ = ["MOST_WORDS", "PacketFinder", "Packets", "year_starts"]


def year_starts(second: int) -> npt.NDArray[np.int64]:
    """Return the unix seconds at which the year of `second` and its neighbours begin (UTC)."""
    year = datetime.datetime.fromtimestamp(second, datetime.timezone.utc).year
    years = range(max(year - 1, 1970), year + 2)
    return np.array([calendar.timegm((y, 1, 1, 0, 0, 0)) for y in years], np.int64)


@dataclass(frozen=True, eq=False)
class Packets:
    """The packets of a segment: positions are those of the slab's words.

    Attributes
    ----------
    first, stop : int
        The words; before ``index[0]`` they continue the packet before.
    index, ticks, board, frame : ndarrays
        Of each header: position, time stamp (0.5 ms), board number and frame counter.
    words_before : int
        Words of the packet that is continued which came before `first`; 0 where none is.
    follows, continues : bool
        Whether the file before is that of the second before, and whether words before the first header may belong to
        it. True within a file.
    skipped_bytes, resyncs, spare_bytes : int
        Bytes that could not be told to be words; how often words began anew at another byte; bytes behind the
        last word of the file.
    """

    first: int
    stop: int
    index: npt.NDArray[np.int64]
    ticks: npt.NDArray[np.int64]
    board: npt.NDArray[np.uint8]
    frame: npt.NDArray[np.uint16]
    words_before: int
    follows: bool
    continues: bool
    skipped_bytes: int = 0
    resyncs: int = 0
    spare_bytes: int = 0


class _Headers(NamedTuple):
    """All words that are marked as headers; see `Packets`."""

    at: npt.NDArray[np.int64]
    ticks: npt.NDArray[np.int64]
    board: npt.NDArray[np.uint8]
    frame: npt.NDArray[np.uint16]

    def up_to(self, n: int) -> _Headers:
        """Return the first `n`."""
        return _Headers(self.at[:n], self.ticks[:n], self.board[:n], self.frame[:n])


def _headers(words: npt.NDArray[np.uint64], first: int, stop: int) -> _Headers:
    """Return all headers: found in one pass, unless there are very many."""
    part = words[first:stop]
    room = part.size // _WORDS_A_HEADER + 1
    while True:
        found = _Headers(
            np.empty(room, np.int64),
            np.empty(room, np.int64),
            np.empty(room, np.uint8),
            np.empty(room, np.uint16),
        )
        n = find_packets(part, first, *found)
        if n <= room:
            return found.up_to(n)
        room = n


_WORDS_A_HEADER = 8
"""Hardly any packets are shorter on average; if they are, they are looked for twice."""

_NO_BYTES = np.empty(0, np.uint8)


class PacketFinder:
    """Finds the packets of a stream of segments; what is in doubt at the end of one waits for the next.

    The last packet of a segment is handed out with the next one of its file, whose first words may show that the
    read-out had lost its place: results do not depend on where slabs end.
    """

    def __init__(self) -> None:
        self._newest = np.full(256, NEVER, np.int64)
        self._centres = np.empty(0, np.int64)
        self._held = _NO_BYTES
        self._headed = False
        self._lost = self._ended_lost = False
        self._words_before = 0
        self._last_second = NO_SECOND

    def find(self, words: npt.NDArray[np.uint64], segment: Segment) -> Packets:
        """Return the packets that are certain; `words` (the segment's slab) may be changed in place."""
        follows = continues = True
        if segment.opens_file:
            follows, continues = self._open(segment.second)
        data = words.view(np.uint8)
        begin = segment.first * BYTES_PER_WORD - self._held.size
        data[begin : begin + self._held.size] = self._held
        first = begin // BYTES_PER_WORD
        stop = segment.stop
        counted = np.zeros(2, np.int64)
        spare = segment.spare_bytes
        before = 0 if self._headed else self._words_before
        rest = end = stop * BYTES_PER_WORD + spare
        if not self._lost and begin % BYTES_PER_WORD == 0:
            found = _headers(words, first, stop)
            known = -1 if self._headed else before
            n_sound, sound = count_sound(
                *found[:3], first, stop, known, self._newest, self._centres
            )
            if n_sound:
                begin = int(found.at[n_sound - 1]) * BYTES_PER_WORD
                self._headed = True
        else:
            sound = False
        if sound and segment.closes_file:
            body = begin + BYTES_PER_WORD if self._headed else begin
            sound = not hides_header(data, body, end, self._newest, self._centres)
        if sound:
            if not segment.closes_file:
                rest = begin
                stop = begin // BYTES_PER_WORD
                found = found.up_to(max(n_sound - 1, 0))
        else:
            place, rest, self._headed, self._lost = put_in_place(
                data,
                begin,
                end,
                segment.closes_file,
                self._headed,
                self._lost,
                before,
                self._newest,
                self._centres,
                counted,
            )
            stop = place // BYTES_PER_WORD
            spare = end - rest
            found = _headers(words, first, stop)
        if segment.closes_file:
            tail = stop - first + before if not found.at.size else stop - int(found.at[-1]) - 1
            self._close(tail)
        else:
            self._held = data[rest:end].copy()
            spare = 0
        return Packets(
            first,
            stop,
            *found,
            before,
            follows,
            continues,
            int(counted[0]),
            int(counted[1]),
            spare,
        )

    def _open(self, second: int) -> tuple[bool, bool]:
        """Begin a file; return whether it follows the one before, and whether it may continue its last packet."""
        follows = second != NO_SECOND and second == self._last_second + 1
        continues = follows and not self._ended_lost
        if not continues:
            self._words_before = 0
        self._last_second = second
        self._centres = np.empty(0, np.int64)
        if second != NO_SECOND:
            self._centres = (second - year_starts(second)) * TICKS_PER_SECOND
        return follows, continues

    def _close(self, words_before: int) -> None:
        self._words_before = words_before
        self._ended_lost = self._lost
        self._held = _NO_BYTES
        self._headed = self._lost = False
