"""Photons of older files in the order of ours: by pixel, then time. In blocks, at any length.

Most of these files are sorted by resonator, and then a pixel's rows are read as they lie. Files in order of arrival or
time are gone through once for every band of pixels that fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core._jit import kernel
from pipeline_core.beammap import NO_RES_ID, Beammap
from pipeline_core.earlyticks import repair_early_ticks
from pipeline_core.hdf5 import plain_node
from pipeline_core.older.layouts import Layout
from pipeline_core.progress import Progress, silent

__all__ = ["Block", "OlderRows"]

BLOCK_ROWS = 1 << 20
BAND_PHOTONS = 30_000_000
"""What is sorted at once: some 1 GB."""

_NOWHERE = -1
_MANY_PIECES, _SURPLUS_PIECES = 8, 1000
"""Files with more pieces a resonator than this are sorted in bands."""

_Columns = dict[str, npt.NDArray[Any]]


@kernel
def _take_places(
    pixels: npt.NDArray[np.int64],
    first: int,
    cursor: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
) -> None:
    """Give each photon of the pixels from `first` on the next place of its pixel; -1 to photons of others.

    `cursor` is the next free place of each of these pixels, and is moved on.
    """
    for i in range(pixels.size):
        pixel = pixels[i] - first
        places[i] = -1
        if 0 <= pixel < cursor.size:
            places[i] = cursor[pixel]
            cursor[pixel] += 1


@dataclass(frozen=True, eq=False)
class Block:
    """Photons of consecutive pixels, in the order of the photon file.

    Attributes
    ----------
    first_pixel : int
        In photon-file order.
    starts : ndarray of int64, shape (n + 1,)
        ``starts[k] : starts[k + 1]`` are the rows of pixel ``first_pixel + k``.
    columns : mapping of name to ndarray
        ``time`` (uint32, us), ``value`` (float32), and of ``spec_weight``, ``noise_weight``, ``baseline`` (float32)
        those that the file has.
    """

    first_pixel: int
    starts: npt.NDArray[np.int64]
    columns: _Columns


@dataclass(frozen=True)
class _Piece:
    """Rows ``first:stop`` of a table, all of one pixel (its number in photon-file order)."""

    pixel: int
    table: int
    first: int
    stop: int


class OlderRows:
    """The photons of one older file. To be used inside `reading`, from one thread.

    Parameters
    ----------
    h5 : tables.File
    layout : Layout
    beammap : Beammap

    Attributes
    ----------
    counts : ndarray of int64, shape (n_pixels,)
        Photons of each pixel, in photon-file order; known after `count`.
    nowhere : int
        Photons of resonators that the beam map does not mention: they cannot be shown.
    last_us : int
        Time of the latest photon; -1 without any.
    limits : ndarray of float64, shape (n_pixels, 2)
        Smallest positive and largest value of each pixel; (inf, -inf) without any.
    has_weights : bool
        Whether any photon has another weight than 1.
    moved : int
        Photons whose times `blocks` has repaired.
    """

    def __init__(self, h5: tables.File, layout: Layout, beammap: Beammap) -> None:
        self._tables = [plain_node(h5, path) for path in layout.photons]
        self._names = layout.columns
        self._own_res_id = (
            [int(path.rsplit("/", 1)[1]) for path in layout.photons] if layout.name == "V1" else []
        )
        order = beammap.photon_order()
        self._ids = beammap.res_id.ravel()[order].astype(np.int64)
        self._number = np.empty(order.size, np.int64)
        self._number[order] = np.arange(order.size)
        self._shape = beammap.shape
        self._pieces: list[_Piece] | None = []
        self.counts = np.zeros(order.size, np.int64)
        self.nowhere = 0
        self.last_us = -1
        self.limits = np.tile((np.inf, -np.inf), (order.size, 1))
        self.has_weights = False
        self.moved = 0

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return sum(int(table.nrows) for table in self._tables)

    def count(self, progress: Progress = silent) -> None:
        """Count each pixel's photons, and find out how they lie."""
        for number, first, rows in self._blocks(progress, "counting photons"):
            if rows.size:
                self.last_us = max(self.last_us, int(rows[self._names["time"]].max()))
            pixels = self._pixels_of(number, rows)
            self.nowhere += int(np.count_nonzero(pixels == _NOWHERE))
            self.counts += np.bincount(pixels[pixels >= 0], minlength=self.counts.size)
            self._note_pieces(number, first, pixels)
            self._note_values(rows, pixels)

    def blocks(self, progress: Progress = silent, repair_us: int = 0) -> Iterator[Block]:
        """Yield all photons that have a pixel, sorted by pixel and time; equal times keep their order.

        With `repair_us`, the end of the observation, times that 2017's firmware told too early are repaired first,
        which needs rows in the order of arrival; `moved` counts them.
        """
        ends = np.cumsum(self.counts)
        first = 0
        while first < ends.size:
            done = int(ends[first - 1]) if first else 0
            most = BLOCK_ROWS if self._pieces is not None else BAND_PHOTONS
            stop = max(int(np.searchsorted(ends, done + most, side="right")), first + 1)
            progress(done, int(ends[-1]), "reading photons")
            starts = np.concatenate(([0], ends[first:stop] - done))
            columns = self._columns_of(first, starts, progress)
            if repair_us:
                packed = columns["time"].astype(np.uint64) << np.uint64(32)
                self.moved += repair_early_ticks(packed, starts, repair_us)
                columns["time"] = (packed >> np.uint64(32)).astype(np.uint32)
            yield Block(first, starts, _in_time(columns, starts))
            first = stop

    # --- where photons lie ----------------------------------------------------------------------

    def _blocks(
        self, progress: Progress, stage: str
    ) -> Iterator[tuple[int, int, npt.NDArray[np.void]]]:
        done, total = 0, self.n_rows
        for number, table in enumerate(self._tables):
            for first in range(0, int(table.nrows), BLOCK_ROWS):
                progress(done, total, stage)
                rows = table.read(first, min(first + BLOCK_ROWS, int(table.nrows)))
                done += rows.size
                yield number, first, rows

    def _pixels_of(self, table: int, rows: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        """Return the number of the pixel of each row."""
        if "x" in self._names and "y" in self._names:
            x, y = (rows[self._names[key]].astype(np.int64) for key in ("x", "y"))
            there = (x < self._shape[0]) & (y < self._shape[1])
            flat = np.where(there, x * self._shape[1] + y, 0)
            return np.where(there, self._number[flat], _NOWHERE)
        if self._own_res_id:
            return np.full(rows.size, self._pixel_of(self._own_res_id[table]))
        res_id = rows[self._names["res_id"]]
        # mostly sorted: look up once for each run of equal ones
        edges = np.concatenate(([0], np.flatnonzero(np.diff(res_id)) + 1, [rows.size]))
        found = self._pixel_of(res_id[edges[:-1]].astype(np.int64)) if rows.size else edges[:0]
        return np.repeat(found, np.diff(edges)[: found.size])

    def _pixel_of(self, res_id: Any) -> npt.NDArray[np.int64]:
        """Return the first pixel of each resonator, `_NOWHERE` if the beam map does not mention it."""
        at = np.minimum(np.searchsorted(self._ids, res_id), self._ids.size - 1)
        known = (self._ids[at] == res_id) & (np.asarray(res_id) != NO_RES_ID)
        return np.where(known, at, _NOWHERE)

    def _note_pieces(self, table: int, first: int, pixels: npt.NDArray[np.int64]) -> None:
        if self._pieces is None:
            return
        edges = np.concatenate(([0], np.flatnonzero(np.diff(pixels)) + 1, [pixels.size]))
        if len(self._pieces) + edges.size > _MANY_PIECES * self.counts.size + _SURPLUS_PIECES:
            self._pieces = None
            return
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if a < b and pixels[a] != _NOWHERE:
                self._pieces.append(_Piece(int(pixels[a]), table, first + a, first + b))

    def _note_values(self, rows: npt.NDArray[np.void], pixels: npt.NDArray[np.int64]) -> None:
        for key in ("spec_weight", "noise_weight"):
            if key in self._names and not self.has_weights:
                self.has_weights = bool((rows[self._names[key]] != 1).any())
        values = rows[self._names["value"]].astype(np.float64)
        chosen = np.isfinite(values) & (values > 0) & (pixels != _NOWHERE)
        values, pixels = values[chosen], pixels[chosen]
        if values.size:
            edges = np.concatenate(([0], np.flatnonzero(np.diff(pixels)) + 1))
            owners = pixels[edges]
            np.minimum.at(self.limits[:, 0], owners, np.minimum.reduceat(values, edges))
            np.maximum.at(self.limits[:, 1], owners, np.maximum.reduceat(values, edges))

    # --- reading ---------------------------------------------------------------------------------

    def _columns_of(
        self, first: int, starts: npt.NDArray[np.int64], progress: Progress
    ) -> _Columns:
        """Return the photons of the pixels from `first` on, sorted by pixel, each in the order of the file."""
        columns: _Columns = {
            key: np.empty(starts[-1], np.uint32 if key == "time" else np.float32)
            for key in self._names
            if key not in ("res_id", "x", "y")
        }
        cursor = starts[:-1].copy()
        for table, rows in self._rows_of(first, first + cursor.size, progress):
            places = np.empty(rows.size, np.int64)
            _take_places(self._pixels_of(table, rows), first, cursor, places)
            chosen = places != _NOWHERE
            if chosen.all():
                chosen = slice(None)
            places = places[chosen]
            for key, column in columns.items():
                column[places] = rows[self._names[key]][chosen]
        return columns

    def _rows_of(
        self, first: int, stop: int, progress: Progress
    ) -> Iterator[tuple[int, npt.NDArray[np.void]]]:
        """Yield rows among which are all of the pixels ``first:stop``, with the number of their table."""
        if self._pieces is not None:
            for piece in self._joined(first, stop):
                yield piece.table, self._tables[piece.table].read(piece.first, piece.stop)
        else:
            for table, _, rows in self._blocks(progress, "sorting photons"):
                yield table, rows

    def _joined(self, first: int, stop: int) -> list[_Piece]:
        """Return the pieces of pixels ``first:stop``, those that lie one behind the other in one."""
        assert self._pieces is not None
        joined: list[_Piece] = []
        for piece in sorted(self._pieces, key=lambda p: (p.table, p.first)):
            if not first <= piece.pixel < stop:
                continue
            last = joined[-1] if joined else None
            if last and (last.table, last.stop) == (piece.table, piece.first):
                joined[-1] = _Piece(last.pixel, last.table, last.first, piece.stop)
            else:
                joined.append(piece)
        return joined


def _in_time(columns: _Columns, starts: npt.NDArray[np.int64]) -> _Columns:
    """Put each pixel's photons in order of time, where they are not."""
    time = columns["time"]
    earlier = np.flatnonzero(time[1:] < time[:-1]) + 1
    # a descent from one pixel to the next is none
    earlier = earlier[~np.isin(earlier, starts)]
    for pixel in np.unique(np.searchsorted(starts, earlier, side="right") - 1).tolist():
        rows = slice(int(starts[pixel]), int(starts[pixel + 1]))
        order = np.argsort(time[rows], kind="stable")
        for column in columns.values():
            column[rows] = column[rows][order]
    return columns
