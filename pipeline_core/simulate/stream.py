"""From photons to files: packets of the boards, their way to the computer, one file a second.

A board collects photons into packets (a header and at most 100 photons, closed at 100 or at the next 0.5 ms tick, then
with an end-of-frame marker). Packets reach the computer late, each board by its own delay, and are written in the order
of arrival into the file of the second by the computer's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import OutputError
from pipeline_core.rawwords import (
    COUNTER_WRAP_S,
    FAKE_PHOTON,
    FRAME_MASK,
    MAX_PHOTONS_PER_PACKET,
    TICKS_PER_SECOND,
    US_PER_TICK,
    header_word,
    photon_time_us,
    pixel_bits,
    swap_bytes,
)

__all__ = ["BinWriter", "Board", "Packets", "count_words", "pack_second"]

SECOND_US = TICKS_PER_SECOND * US_PER_TICK
_WRAP_TICKS = COUNTER_WRAP_S * TICKS_PER_SECOND

WordArray = npt.NDArray[np.uint64]
IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Packets:
    """Packets of one board in the order in which it sent them.

    Attributes
    ----------
    words : ndarray of uint64
        Native byte order; lost packets are still in it, but not in `first` and `stop`.
    first, stop : ndarray of int64, one a packet
        Its header is ``words[first]``.
    arrival_us : ndarray of int64, one a packet, ascending
        By the computer's clock, since 1970.
    """

    words: WordArray
    first: IndexArray
    stop: IndexArray
    arrival_us: IndexArray

    def select(self, chosen: npt.NDArray[np.bool_] | slice) -> Packets:
        """Return some of the packets; the words are shared."""
        return Packets(self.words, self.first[chosen], self.stop[chosen], self.arrival_us[chosen])


@dataclass
class Board:
    """A readout board: what it remembers from one second to the next.

    Attributes
    ----------
    number : int
    frame : int
        Counter of the next packet.
    delay_us : int
        Arrival by the computer's clock minus the end of the packet by the boards' clock; may be negative.
    jitter_us : int
        Packets are late by 0 up to this in addition.
    """

    number: int
    frame: int
    delay_us: int
    jitter_us: int
    last_arrival_us: int = field(default=-(2**62))

    def send(
        self,
        words: WordArray,
        ticks: npt.NDArray[np.uint16],
        *,
        second: int,
        year_start: int,
        wrap: bool,
        rng: np.random.Generator,
    ) -> Packets:
        """Turn one second of photons, in any order, into packets with arrival times.

        Parameters
        ----------
        words : ndarray of uint64
            Photons with microseconds within their tick.
        ticks : ndarray of uint16
            Ticks of 0.5 ms within the second, 0..1999.
        second, year_start : int
            Unix seconds: of these photons, and where the board's clock has its zero.
        wrap : bool
            Whether the board's seconds start again after 2**20.
        rng : Generator
            For the jitter.
        """
        zero = (second - year_start) * TICKS_PER_SECOND
        if wrap:
            # whole seconds: no wrap within one
            zero %= _WRAP_TICKS
        packed, first, stop, closed_us = pack_second(
            words, ticks, board=self.number, frame=self.frame, tick_zero=zero
        )
        self.frame = (self.frame + first.size) & FRAME_MASK
        arrival = second * SECOND_US + closed_us + self.delay_us
        arrival += rng.integers(0, self.jitter_us + 1, first.size)
        np.maximum.accumulate(arrival, out=arrival)
        # the network keeps the order of a board's packets, also from one second to the next
        np.maximum(arrival, self.last_arrival_us, out=arrival)
        self.last_arrival_us = int(arrival[-1])
        return Packets(packed, first, stop, arrival)


def pack_second(
    words: WordArray,
    ticks: npt.NDArray[np.uint16],
    *,
    board: int,
    frame: int,
    tick_zero: int,
) -> tuple[WordArray, IndexArray, IndexArray, IndexArray]:
    """Sort one board's photons of one second by time and wrap them into packets.

    Parameters
    ----------
    words, ticks : ndarray
        As in `Board.send`.
    board, frame : int
        Number of the board, counter of the first packet.
    tick_zero : int
        Time stamp of the second's first tick.

    Returns
    -------
    words : ndarray of uint64
    first, stop : ndarray of int64
        Where each packet lies.
    closed_us : ndarray of int64
        When it was closed, microseconds within the second.
    """
    ordered, tick_starts = _sort_by_time(words, ticks)
    most_packets = TICKS_PER_SECOND + words.size // MAX_PHOTONS_PER_PACKET
    out = np.empty(words.size + most_packets + TICKS_PER_SECOND, np.uint64)
    first, closed = np.empty((2, most_packets), np.int64)
    packets, used = _pack(ordered, tick_starts, board, frame, tick_zero, out, first, closed)
    first = first[:packets]
    return out[:used], first, np.append(first[1:], used), closed[:packets]


def _sort_by_time(words: WordArray, ticks: npt.NDArray[np.uint16]) -> tuple[WordArray, IndexArray]:
    """Return the words in order of time, and where each tick starts (2001 positions)."""
    half, half_ticks = np.empty_like(words), np.empty_like(ticks)
    _sort_within_ticks(words, ticks, half, half_ticks)
    ordered = np.empty_like(words)
    starts = np.zeros(TICKS_PER_SECOND + 1, np.int64)
    _sort_by_tick(half, half_ticks, ordered, starts)
    return ordered, starts


@kernel
def _sort_within_ticks(
    words: WordArray,
    ticks: npt.NDArray[np.uint16],
    out: WordArray,
    out_ticks: npt.NDArray[np.uint16],
) -> None:
    """First half of a stable sort by counting: by the microsecond within the tick."""
    place = np.zeros(US_PER_TICK + 1, np.int64)
    for i in range(words.size):
        place[photon_time_us(words[i]) + 1] += 1
    for k in range(US_PER_TICK):
        place[k + 1] += place[k]
    for i in range(words.size):
        us = photon_time_us(words[i])
        out[place[us]] = words[i]
        out_ticks[place[us]] = ticks[i]
        place[us] += 1


@kernel
def _sort_by_tick(
    words: WordArray, ticks: npt.NDArray[np.uint16], out: WordArray, starts: IndexArray
) -> None:
    """Second half: by tick; `starts` (zeros at first) becomes the position of each tick."""
    for tick in ticks:
        starts[tick + 1] += 1
    for k in range(starts.size - 1):
        starts[k + 1] += starts[k]
    place = starts.copy()
    for i in range(words.size):
        tick = ticks[i]
        out[place[tick]] = words[i]
        place[tick] += 1


@kernel
def _pack(
    words: WordArray,
    tick_starts: IndexArray,
    board: int,
    frame: int,
    tick_zero: int,
    out: WordArray,
    first: IndexArray,
    closed_us: IndexArray,
) -> tuple[int, int]:
    """Write packets into `out`; return how many, and how many words."""
    used = 0
    packets = 0
    for tick in range(tick_starts.size - 1):
        i = tick_starts[tick]
        stop = tick_starts[tick + 1]
        while True:
            first[packets] = used
            out[used] = header_word(board, (frame + packets) & FRAME_MASK, tick_zero + tick)
            used += 1
            end = min(stop, i + MAX_PHOTONS_PER_PACKET)
            full = end - i == MAX_PHOTONS_PER_PACKET
            while i < end:
                out[used] = words[i]
                used += 1
                i += 1
            if full:
                closed_us[packets] = tick * US_PER_TICK + photon_time_us(words[i - 1])
                packets += 1
                continue
            out[used] = np.uint64(FAKE_PHOTON)
            used += 1
            closed_us[packets] = (tick + 1) * US_PER_TICK
            packets += 1
            break
    return packets, used


@kernel
def count_words(
    words: WordArray, first: IndexArray, stop: IndexArray, counts: npt.NDArray[np.int64]
) -> tuple[int, int]:
    """Add the photons of some packets to `counts` [x, y]; return words outside the array, and markers."""
    outside = 0
    fakes = 0
    for k in range(first.size):
        for i in range(first[k] + 1, stop[k]):
            pixel = pixel_bits(words[i])
            x = pixel >> 10
            y = pixel & 1023
            if words[i] == np.uint64(FAKE_PHOTON):
                fakes += 1
            elif x < counts.shape[0] and y < counts.shape[1]:
                counts[x, y] += 1
            else:
                outside += 1
    return outside, fakes


@kernel
def _gather(words: WordArray, first: IndexArray, stop: IndexArray, out: WordArray) -> None:
    """Copy packets one after the other, turned into big-endian words."""
    used = 0
    for k in range(first.size):
        for i in range(first[k], stop[k]):
            out[used] = swap_bytes(words[i])
            used += 1


class BinWriter:
    """Keeps packets until the file of the second in which they arrive is complete, then writes it.

    Parameters
    ----------
    folder : Path
        Where ``<unix second>.bin`` are written, each aside first and then renamed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[Packets] = []
        self.paths: list[Path] = []
        """The files written so far."""

    def add(self, packets: Packets) -> None:
        """Take packets of one board."""
        if packets.first.size:
            self._waiting.append(packets)

    def write_before(self, second: int | None) -> None:
        """Write the files of all seconds before this one (None: of all), where packets have arrived.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        while self._waiting:
            earliest = min(int(p.arrival_us[0]) for p in self._waiting) // SECOND_US
            if second is not None and earliest >= second:
                return
            self._write(earliest)

    def remove_all(self) -> None:
        """Delete the files written so far: a run that failed or was stopped leaves none behind."""
        for path in self.paths:
            path.unlink(missing_ok=True)
        self.paths.clear()

    def _write(self, second: int) -> None:
        taken, left = [], []
        for packets in self._waiting:
            n = int(np.searchsorted(packets.arrival_us, (second + 1) * SECOND_US))
            taken.append(packets.select(slice(0, n)))
            if n < packets.first.size:
                left.append(packets.select(slice(n, None)))
        self._waiting = left
        data = _merge([p for p in taken if p.first.size])
        path = self._folder / f"{second}.bin"
        aside = path.with_suffix(".bin.part")
        try:
            data.tofile(aside)
            aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise OutputError(
                f"Raw file {path} cannot be written: {error.strerror or error}. Choose another folder or "
                "free some space."
            ) from error
        self.paths.append(path)


def _merge(blocks: list[Packets]) -> WordArray:
    """Return the packets' words in order of arrival, as they lie in a file."""
    starts = [int(p.first[0]) for p in blocks]
    sizes = [int(p.stop[-1]) - start for p, start in zip(blocks, starts, strict=True)]
    words = np.concatenate(
        [p.words[s : s + n] for p, s, n in zip(blocks, starts, sizes, strict=True)]
    )
    moved = np.cumsum([0, *sizes[:-1]]) - starts
    first = np.concatenate([p.first + m for p, m in zip(blocks, moved, strict=True)])
    stop = np.concatenate([p.stop + m for p, m in zip(blocks, moved, strict=True)])
    order = np.argsort(np.concatenate([p.arrival_us for p in blocks]), kind="stable")
    first, stop = first[order], stop[order]
    out = np.empty(int((stop - first).sum()), np.uint64)
    _gather(words, first, stop, out)
    return out
