"""The camera at work: boards with their pixels, exposed to light second by second.

`run` makes one `Camera` and lets it observe once or several times; the loops are in `photons` and `stream`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.rawwords import FRAME_MASK, TICKS_PER_SECOND, US_PER_TICK, pack_photon
from pipeline_core.simulate.array import ArrayTruth, board_numbers, draw_array
from pipeline_core.simulate.photons import (
    SECOND_US,
    advance,
    begin_second,
    make_pixels,
    make_state,
    speckle_steps,
)
from pipeline_core.simulate.settings import SimulationSettings
from pipeline_core.simulate.sources import Illumination
from pipeline_core.simulate.stream import BinWriter, Board, Packets, count_words
from pipeline_core.simulate.truth import Tally

__all__ = ["Camera"]

_ARRAY_STREAM, _BOARD_STREAM, _PHOTON_STREAM = range(3)
_EVENTS_PER_CALL = 300_000  # about 30 ms
_FIRST_CAPACITY = 1 << 17
_UNPLACED = (767, 1023)
"""Coordinates that boards send for resonators without a place."""
_MAX_X = 1019  # above, a photon would look like a header


def _generator(*key: int) -> np.random.Generator:
    """Return the random stream that belongs to these numbers alone."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))


@dataclass
class _Reader:
    """A board together with the pixels that it reads (flat indices) and their state."""

    board: Board
    members: npt.NDArray[np.intp]
    state: npt.NDArray[np.void]


class Camera:
    """Array, boards and files of one run.

    Parameters
    ----------
    settings : SimulationSettings
        Seed, shape, array and readout.
    folder : Path
        For the ``.bin`` files.
    """

    def __init__(self, settings: SimulationSettings, folder: Path) -> None:
        self._settings = settings
        self.array: ArrayTruth = draw_array(
            settings.array, settings.shape, _generator(settings.seed, _ARRAY_STREAM)
        )
        self.writer = BinWriter(folder)
        self._readers = _make_readers(settings, self.array)
        self._words = np.empty(_FIRST_CAPACITY, np.uint64)
        self._ticks = np.empty(_FIRST_CAPACITY, np.uint16)

    @property
    def board_delay_us(self) -> npt.NDArray[np.int64]:
        """Delay of each board's packets, in the order of `Tally.boards`."""
        return np.array([r.board.delay_us for r in self._readers])

    def observe(
        self,
        light: Illumination,
        start: int,
        seconds: int,
        report: Callable[[int], None],
    ) -> Tally:
        """Expose the array to `light` from unix second `start` on; `report` is told of pixels times seconds."""
        numbers = np.array([r.board.number for r in self._readers], np.uint8)
        tally = Tally(self.array.shape, numbers)
        tables = [self._pixels(light, reader) for reader in self._readers]
        for table in tables:
            tally.set_rates(table)
        earliest_us = int(self.board_delay_us.min())
        done = 0
        for k in range(seconds):
            second = start + k
            counts = np.zeros(self.array.shape, np.int64)
            for b, reader in enumerate(self._readers):
                rng = _generator(self._settings.seed, _PHOTON_STREAM, second, b)
                begin_second(tables[b], reader.state, rng, first=k == 0)
                filled = self._make_photons(rng, b, tables[b], light, tally, done, report)
                done += reader.members.size
                packets = self._send(rng, reader, filled, second)
                keep = k == 0, k == seconds - 1
                self.writer.add(self._lose(rng, b, packets, keep, counts, tally))
            tally.end_second(counts)
            # no packet of a later second can arrive before this
            self.writer.write_before(second + 1 + earliest_us // SECOND_US)
        return tally

    def _pixels(self, light: Illumination, reader: _Reader) -> npt.NDArray[np.void]:
        array = self._settings.array
        return make_pixels(
            self.array,
            light,
            reader.members,
            softness_deg=array.edge_softness_deg,
            dead_time_us=array.dead_time_us,
            count_cap=self._settings.readout.count_cap,
        )

    def _make_photons(
        self,
        rng: np.random.Generator,
        b: int,
        pixels: npt.NDArray[np.void],
        light: Illumination,
        tally: Tally,
        done: int,
        report: Callable[[int], None],
    ) -> int:
        """Fill the buffers with one board's photons of one second; return how many."""
        reader = self._readers[b]
        steps = speckle_steps(light)
        decay = math.exp(-1 / (steps * light.tau_s))
        emitted, recorded = np.zeros((2, pixels.size, len(tally.emitted)), np.int64)
        filled = i = 0
        while i < pixels.size:
            report(done + i)
            self._grow(filled)
            filled, i = advance(
                rng,
                pixels,
                reader.state,
                light.energies,
                steps,
                decay,
                self._words,
                self._ticks,
                emitted,
                recorded,
                filled,
                i,
                _EVENTS_PER_CALL,
            )
        cells = (slice(None), pixels["x"], pixels["y"])
        tally.emitted[cells] += emitted.T
        tally.recorded[cells] += recorded.T
        return filled

    def _grow(self, filled: int) -> None:
        """Make the buffers larger where they are half full."""
        if 2 * filled > self._words.size:
            self._words = np.concatenate([self._words, np.empty_like(self._words)])
            self._ticks = np.concatenate([self._ticks, np.empty_like(self._ticks)])

    def _send(self, rng: np.random.Generator, reader: _Reader, filled: int, second: int) -> Packets:
        """Return the board's packets of this second, stray words among them."""
        words, ticks = self._words[:filled], self._ticks[:filled]
        share = self._settings.array.outside_fraction
        strays = rng.poisson(share / (1 - share) * filled) if share else 0
        if strays:
            words = np.concatenate([words, _stray_words(rng, strays, self.array.shape)])
            ticks = np.concatenate([ticks, rng.integers(0, TICKS_PER_SECOND, strays, np.uint16)])
        return reader.board.send(
            words,
            ticks,
            second=second,
            year_start=self._settings.year_start,
            wrap=self._settings.readout.counter_wrap,
            rng=rng,
        )

    def _lose(
        self,
        rng: np.random.Generator,
        b: int,
        packets: Packets,
        keep: tuple[bool, bool],
        counts: npt.NDArray[np.int64],
        tally: Tally,
    ) -> Packets:
        """Count a board's packets, without those that get lost; `keep` its very first, very last packet."""
        lost = np.zeros(packets.first.size, bool)
        if self._settings.readout.loss:
            lost = rng.random(lost.size) < self._settings.readout.loss
            lost[0] &= not keep[0]
            lost[-1] &= not keep[1]
        tally.packets[b] += lost.size
        tally.lost_packets[b] += np.count_nonzero(lost)
        arrived = packets.select(~lost) if lost.any() else packets
        outside, fakes = count_words(arrived.words, arrived.first, arrived.stop, counts)
        tally.outside += outside
        tally.fakes += fakes
        return arrived


def _make_readers(settings: SimulationSettings, array: ArrayTruth) -> list[_Reader]:
    """Return the boards in ascending order, with random frame counters and delays."""
    readout = settings.readout
    rng = _generator(settings.seed, _BOARD_STREAM)
    readers = []
    # also boards without a pixel (tiny arrays) send packets
    for number in board_numbers(array.feedlines):
        members = np.flatnonzero(array.board.reshape(-1) == number)
        delay_s = readout.clock_offset_s + rng.uniform(0, readout.packet_delay_s)
        board = Board(
            int(number),
            frame=int(rng.integers(0, FRAME_MASK + 1)),
            delay_us=round(delay_s * SECOND_US),
            jitter_us=round(readout.packet_jitter_s * SECOND_US),
        )
        readers.append(_Reader(board, members, make_state(members.size)))
    return readers


def _stray_words(
    rng: np.random.Generator, n: int, shape: tuple[int, int]
) -> npt.NDArray[np.uint64]:
    """Return photons with coordinates outside the array: of unplaced resonators, and anywhere."""
    ncols, nrows = shape
    beside = rng.random(n) < 0.5
    x = np.where(beside, rng.integers(ncols, _MAX_X + 1, n), rng.integers(0, ncols, n))
    y = np.where(beside, rng.integers(0, 1024, n), rng.integers(nrows, 1024, n))
    if ncols <= _UNPLACED[0]:
        unplaced = rng.random(n) < 0.5
        x, y = np.where(unplaced, _UNPLACED[0], x), np.where(unplaced, _UNPLACED[1], y)
    phase = -rng.integers(10_000, 60_000, n)
    return pack_photon(x, y, rng.integers(0, US_PER_TICK, n), phase, rng.integers(-1000, 1000, n))
