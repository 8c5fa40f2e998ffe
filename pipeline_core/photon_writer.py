"""Writes a photon file: the table chunk by chunk with our own encoder, and everything around it.

`convert` is the caller. The file is complete when `write_photon_file` returns; making it appear under its name is the
caller's business (`pipeline_core.atomic`).
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import __version__, schema
from pipeline_core._jit import kernel
from pipeline_core.beammap import Beammap, camera_name
from pipeline_core.chunk_places import write_places
from pipeline_core.chunkcodec import CHUNK_ROWS, encode_chunk, encoded_bound
from pipeline_core.errors import ConfigError
from pipeline_core.flags import FLAG_NAMES, FLAGS, V3C_FLAG_NAMES
from pipeline_core.hdf5 import FILTERS, writing
from pipeline_core.photonruns import Batch
from pipeline_core.progress import Progress
from pipeline_core.rawwords import BASELINE_DEG_PER_COUNT, PHASE_DEG_PER_COUNT
from pipeline_core.summaries import grid_for
from pipeline_core.summary_builder import SummaryBuilder

__all__ = ["Columns", "PhotonFileContent", "Repairs", "encoder_works", "write_photon_file"]

logger = logging.getLogger(__name__)

_ENCODERS = 2
_WEIGHTS = slice(3, 5)  # columns SpecWeight and NoiseWeight, always 1
_ONE = int(np.float32(1).view(np.uint32))


@dataclass(frozen=True, eq=False)
class PhotonFileContent:
    """Everything about an observation except its photons.

    Attributes
    ----------
    beammap : Beammap
    counts : ndarray of int64, shape (n_pixels,)
        Photons of each pixel in photon-file order (`Beammap.photon_order`).
    start : int
        Unix second.
    exposure_s : int
    baseline_mode : str
        One of `schema.BASELINE_MODES`.
    baseline_median : int
        Counts that were taken off each photon's baseline (mode subtract-median).
    gaps_us : ndarray of int64, shape (n, 2)
        Half-open intervals without any packet.
    sources, boards : structured ndarrays
        `schema.SOURCE_DTYPE` and `schema.BOARD_DTYPE`.
    data_dir : str
    settings : mapping
        What the conversion was asked to do; plain values.
    dead_time_us : float
    flags : ndarray of uint32, shape (ncols, nrows), optional
        Flag bits of the pixels; default: those that the beam map implies.
    stored_nm : ndarray of float64, shape (ncols, nrows, 2), optional
        Of files in which wavelengths have taken the place of phases: shortest and longest one of each pixel; NaN where
        a pixel still has phases.
    has_weights : bool
        Whether photons have weights of their own.
    origin : mapping
        What an older file said of itself; plain values.
    """

    beammap: Beammap
    counts: npt.NDArray[np.int64]
    start: int
    exposure_s: int
    baseline_mode: str
    baseline_median: int
    gaps_us: npt.NDArray[np.int64]
    sources: npt.NDArray[np.void]
    boards: npt.NDArray[np.void]
    data_dir: str
    settings: Mapping[str, object]
    dead_time_us: float
    repairs_times: bool = False
    flags: npt.NDArray[np.uint32] | None = None
    stored_nm: npt.NDArray[np.float64] | None = None
    has_weights: bool = False
    origin: Mapping[str, object] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """Of the format: the lowest that can say all of this."""
        return 1 if self.stored_nm is None and not self.has_weights else 2

    @property
    def pixel_flags(self) -> npt.NDArray[np.uint32]:
        """Flag bits of the pixels, shape (ncols, nrows)."""
        return self.beammap.flags if self.flags is None else self.flags

    @property
    def n_photons(self) -> int:
        """Number of rows of the table."""
        return int(self.counts.sum())

    @property
    def phase_offset(self) -> int:
        """Counts to be added to phases, which have the baseline's in them: a phase count is half one of those."""
        return -2 * self.baseline_median


class Repairs(NamedTuple):
    """What was out of order: pixels whose photons were sorted, and photons whose times were repaired."""

    pixels: int
    photons: int


def write_photon_file(
    path: Path,
    content: PhotonFileContent,
    batches: Iterator[Batch] | Iterator[Columns],
    progress: Progress,
) -> Repairs:
    """Write a complete photon file.

    Parameters
    ----------
    path : path
        Where to write; an existing file is overwritten.
    content : PhotonFileContent
    batches : iterator of Batch or Columns
        All photons in the order of the file.
    progress : Progress
        Told of rows written.

    Returns
    -------
    Repairs
    """
    keep = content.baseline_mode == "keep"
    with writing(path, "MKID Photon File") as h5:
        _write_frame(h5, content)
        table = h5.create_table(
            "/Photons",
            "PhotonTable",
            schema.photon_dtype(with_baseline=keep),
            title="Photon Datatable",
            filters=FILTERS,
            chunkshape=CHUNK_ROWS,
            expectedrows=max(content.n_photons, 1),
        )
        _write_index(h5, content)
        summary = _summary_builder(content)
        repairs, sizes = _write_rows(table, content, batches, summary, progress)
        if summary is not None:
            if sizes:
                write_places(h5, table, sizes)
            summary.write(h5, content.beammap.photon_order(), content.beammap.shape)
        if content.repairs_times:
            h5.get_node(schema.MKID)._v_attrs[schema.MOVED_PHOTONS] = np.int64(repairs.photons)
        h5.flush()
    return repairs


def _summary_builder(content: PhotonFileContent) -> SummaryBuilder | None:
    """Return what makes the file's count summaries; None if it is too small for them."""
    exposure_us = content.exposure_s * 1_000_000
    grid = grid_for(exposure_us, content.n_photons, content.beammap.code.size)
    if grid is None:
        return None
    return SummaryBuilder(grid, content.beammap.code.size, content.phase_offset)


def _write_frame(h5: tables.File, content: PhotonFileContent) -> None:
    """Write what is not photons: attributes, header, beam map, /mkid."""
    beammap = content.beammap
    attributes = h5.root._v_attrs
    attributes.format = schema.FORMAT
    attributes.version = np.int64(content.version)
    attributes.software_version = __version__
    attributes.file_id = uuid.uuid4().hex
    attributes.camera = camera_name(beammap.shape)
    attributes.start = np.int64(content.start)
    attributes.exposure = np.int64(content.exposure_s)
    attributes.baseline = content.baseline_mode
    attributes.baseline_median = np.float64(content.baseline_median * BASELINE_DEG_PER_COUNT)
    attributes.beammap_hash = beammap.content_hash()
    attributes.dead_time = np.float64(content.dead_time_us)

    h5.create_group("/", "Photons", "Photon Information")
    h5.create_group("/", "BeamMap", "Beammap Information")
    h5.create_array("/BeamMap", "Map", beammap.res_id.astype(np.int64), "resID map [x, y]")
    h5.create_array("/BeamMap", "Flag", content.pixel_flags.astype(np.int64), "flag bits [x, y]")
    _write_header(h5, content)
    _write_mkid(h5, content)


def _write_header(h5: tables.File, content: PhotonFileContent) -> None:
    """Write the one-row header of layout V3c, for older tools."""
    h5.create_group("/", "header", "Header")
    row = np.zeros(1, schema.header_dtype())
    row["beammapFile"] = _text(content.beammap.source, schema.HEADER_STRING)
    row["dataDir"] = _text(content.data_dir, schema.HEADER_STRING)
    row["energyBinWidth"], row["wvlBinStart"], row["wvlBinEnd"] = 0.1, 700.0, 1500.0
    row["startTime"], row["expTime"] = content.start, content.exposure_s
    later = int(np.bitwise_or.reduce(content.pixel_flags, axis=None)) >> len(V3C_FLAG_NAMES)
    names = FLAG_NAMES if later else V3C_FLAG_NAMES
    row["metadata"] = "flags:\n" + "".join(f"- {name}\n" for name in names)
    table = h5.create_table(
        "/header", "header", row.dtype, "Header", filters=FILTERS, chunkshape=1, expectedrows=1
    )
    table.append(row)


def _text(value: str, limit: int) -> bytes:
    """Encode text for a fixed-width column, cut at a character boundary."""
    return value.encode()[:limit].decode(errors="ignore").encode()


def _write_mkid(h5: tables.File, content: PhotonFileContent) -> None:
    group = h5.create_group("/", "mkid", "QuickLook")
    beammap = content.beammap
    ncols, nrows = beammap.shape
    order = beammap.photon_order()
    pixels = np.zeros(ncols * nrows, schema.PIXEL_DTYPE)
    pixels["x"], pixels["y"] = np.divmod(order, nrows)
    pixels["resID"] = beammap.res_id.ravel()[order]
    pixels["code"] = beammap.code.ravel()[order]
    pixels["flags"] = content.pixel_flags.ravel()[order]
    pixels["frequency"] = beammap.frequency_mhz.ravel()[order]
    flags = np.zeros(len(FLAGS), schema.FLAG_DTYPE)
    for row, flag in zip(flags, FLAGS, strict=True):
        row["bit"], row["name"], row["sentence"] = flag.bit, flag.name, flag.sentence
    for name, rows, title in (
        ("pixels", pixels, "pixels in photon order; frequency in MHz"),
        ("flags", flags, "meaning of the flag bits"),
        ("sources", content.sources, "words of each raw file: kept, dropped and why"),
        ("boards", content.boards, "packets of each board inside the window, and packets lost"),
    ):
        h5.create_table(group, name, obj=rows, title=title, filters=FILTERS)
    gaps = h5.create_earray(
        group, "gaps", tables.Int64Atom(), (0, 2), "us without any packet [start, stop)"
    )
    gaps.append(content.gaps_us.reshape(-1, 2))
    if content.stored_nm is not None:
        h5.create_carray(group, "stored_nm", obj=content.stored_nm, filters=FILTERS)
    group._v_attrs.weights = "stored" if content.has_weights else "none"
    if content.origin:
        text = json.dumps(dict(content.origin), sort_keys=True, default=str)
        h5.create_array(group, "origin", obj=text.encode())
    group._v_attrs.settings = json.dumps(dict(content.settings), sort_keys=True)


def _write_index(h5: tables.File, content: PhotonFileContent) -> None:
    """Write which rows belong to each pixel, [x, y]."""
    shape = content.beammap.shape
    stop = np.cumsum(content.counts)
    start = stop - content.counts
    group = h5.create_group(
        "/Photons", "PixelIndex", "rows of each pixel [x, y]: start <= row < stop"
    )
    order = content.beammap.photon_order()
    for name, rows in (("start", start), ("stop", stop)):
        by_pixel = np.empty(order.size, np.int64)
        by_pixel[order] = rows
        h5.create_carray(group, name, obj=by_pixel.reshape(shape), filters=FILTERS)


@kernel
def _fill_rows(
    photons: npt.NDArray[np.uint64],
    baseline: npt.NDArray[np.int32],
    phase_offset: int,
    columns: npt.NDArray[np.uint32],
    at: int,
) -> None:
    """Unpack photons into the columns of a chunk from row `at` on (all but ResID and weights)."""
    time = columns[1, at : at + photons.size]
    phase = columns[2, at : at + photons.size].view(np.float32)
    scale = PHASE_DEG_PER_COUNT
    for i in range(photons.size):
        time[i] = np.uint32(photons[i] >> np.uint64(32))
        phase[i] = np.float32((np.int32(photons[i] & np.uint64(0xFFFFFFFF)) + phase_offset) * scale)
    if baseline.size:
        level = columns[5, at : at + photons.size].view(np.float32)
        for i in range(photons.size):
            level[i] = np.float32(baseline[i] * BASELINE_DEG_PER_COUNT)


@kernel
def _fill_res_id(
    res_id: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    first_row: int,
    out: npt.NDArray[np.uint32],
) -> None:
    """Write the resID of the rows ``first_row ...`` of a batch."""
    stop_row = first_row + out.size
    first_pixel = np.searchsorted(starts, first_row, side="right") - 1
    for p in range(first_pixel, starts.size - 1):
        if starts[p] >= stop_row:
            break
        a = max(starts[p], first_row) - first_row
        b = min(starts[p + 1], stop_row) - first_row
        out[a:b] = res_id[p]


class Columns(NamedTuple):
    """Photons as the columns of the table, each as its bits: uint32, shape (n_columns, n_rows), ResID first."""

    columns: npt.NDArray[np.uint32]


_Buffers = tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""A chunk's columns, its byte planes, and the encoded chunk."""


class _ChunkWriter:
    """Collects rows into chunks, encodes them in threads and writes them in the calling thread."""

    def __init__(
        self, table: tables.Table, content: PhotonFileContent, pool: ThreadPoolExecutor
    ) -> None:
        self._table = table
        self._pool = pool
        self._res_id = content.beammap.res_id.ravel()[content.beammap.photon_order()]
        self._phase_offset = content.phase_offset
        self._row_bytes = table.dtype.itemsize
        self._constant = np.zeros(self._row_bytes // 4, np.bool_)
        self._constant[_WEIGHTS] = not content.has_weights
        self._direct = encoder_works(self._row_bytes)
        if not self._direct:
            logger.warning(
                "the fast chunk encoder does not agree with this PyTables: writing rows the slow way"
            )
        self._spare = deque(self._new_buffers() for _ in range(_ENCODERS + 1))
        self._columns, self._planes, self._encoded = self._spare.popleft()
        self._filled = 0
        self._next_row = 0
        self._under_way: deque[tuple[int, int, _Buffers, Future[int]]] = deque()
        self.sizes: list[int] = []
        if self._direct:
            table.truncate(content.n_photons)

    def _new_buffers(self) -> _Buffers:
        columns = np.zeros((self._row_bytes // 4, CHUNK_ROWS), np.uint32)
        columns[_WEIGHTS] = _ONE
        planes = np.empty(self._row_bytes * CHUNK_ROWS, np.uint8)
        return columns, planes, np.empty(encoded_bound(self._row_bytes), np.uint8)

    def add_columns(self, columns: npt.NDArray[np.uint32]) -> None:
        """Take over photons whose columns are ready; shape (n_columns, n_rows)."""
        row, n_rows = 0, columns.shape[1]
        while row < n_rows:
            count = min(CHUNK_ROWS - self._filled, n_rows - row)
            place = slice(self._filled, self._filled + count)
            self._columns[:, place] = columns[:, row : row + count]
            self._filled += count
            row += count
            if self._filled == CHUNK_ROWS:
                self._send()

    def add(self, batch: Batch) -> None:
        """Take over the photons of a batch."""
        res_id = self._res_id[batch.first_pixel : batch.first_pixel + batch.starts.size - 1]
        row = 0
        while row < batch.photons.size:
            count = min(CHUNK_ROWS - self._filled, batch.photons.size - row)
            part = slice(row, row + count)
            place = slice(self._filled, self._filled + count)
            _fill_rows(
                batch.photons[part],
                batch.baseline[part],
                self._phase_offset,
                self._columns,
                self._filled,
            )
            _fill_res_id(res_id, batch.starts, row, self._columns[0, place])
            self._filled += count
            row += count
            if self._filled == CHUNK_ROWS:
                self._send()

    def finish(self) -> None:
        """Write what is left."""
        if self._filled:
            self._columns[~self._constant, self._filled :] = 0
            self._send()
        while self._under_way:
            self._collect()

    def _send(self) -> None:
        """Hand the full chunk to an encoder and take a free buffer."""
        future = (
            self._pool.submit(
                encode_chunk, self._columns, self._constant, self._planes, self._encoded
            )
            if self._direct
            else self._pool.submit(int)
        )
        buffers = (self._columns, self._planes, self._encoded)
        self._under_way.append((self._next_row, self._filled, buffers, future))
        self._next_row += self._filled
        self._filled = 0
        if not self._spare:
            self._collect()
        self._columns, self._planes, self._encoded = self._spare.popleft()

    def _collect(self) -> None:
        """Write the oldest chunk under way."""
        row, count, buffers, future = self._under_way.popleft()
        columns, _, encoded = buffers
        size = future.result()
        if self._direct:
            self._table.write_chunk((row,), encoded[:size])
            self.sizes.append(size)
        else:
            rows = np.empty(count, self._table.dtype)
            for k, name in enumerate(rows.dtype.names or ()):
                rows[name] = columns[k, :count].view(rows.dtype[name])
            self._table.append(rows)
        self._spare.append(buffers)


def _write_rows(
    table: tables.Table,
    content: PhotonFileContent,
    batches: Iterator[Batch] | Iterator[Columns],
    summary: SummaryBuilder | None,
    progress: Progress,
) -> tuple[Repairs, list[int]]:
    """Write all photons; return what was out of order, and the sizes of chunks written directly."""
    pixels = photons = done = 0
    total = content.n_photons
    with ThreadPoolExecutor(_ENCODERS, thread_name_prefix="chunk-encoder") as pool:
        writer = _ChunkWriter(table, content, pool)
        for batch in batches:
            progress(done, total, "writing photons")
            if isinstance(batch, Columns):
                writer.add_columns(batch.columns)
                done += batch.columns.shape[1]
                continue
            counted = pool.submit(summary.add, batch) if summary is not None else None
            writer.add(batch)
            if counted is not None:
                counted.result()
            done += batch.photons.size
            pixels += batch.repaired_pixels
            photons += batch.moved_photons
        writer.finish()
    progress(total, total, "writing photons")
    return Repairs(pixels, photons), writer.sizes


def encoder_works(row_bytes: int = 20) -> bool:
    """Check that PyTables reads back what the fast encoder writes (a small file in memory, ~10 ms).

    The encoder relies on the layout of blosc frames; a later library might refuse them. The converter
    then falls back to PyTables' own, slower, encoder.

    Raises
    ------
    ConfigError
        If `row_bytes` is not a multiple of 4.
    """
    if row_bytes % 4:
        raise ConfigError(f"Rows of {row_bytes} bytes are not made of 4-byte columns.")
    rng = np.random.default_rng(7)
    columns = rng.integers(0, 2**32, (row_bytes // 4, CHUNK_ROWS), np.uint32)
    columns[0] = np.arange(CHUNK_ROWS) // 1000  # repetitive and constant planes take other paths
    columns[-1] = _ONE
    out = np.empty(encoded_bound(row_bytes), np.uint8)
    constant = np.arange(row_bytes // 4) == row_bytes // 4 - 1
    size = encode_chunk(columns, constant, np.empty(row_bytes * CHUNK_ROWS, np.uint8), out)
    dtype = np.dtype([(f"c{k}", "<u4") for k in range(row_bytes // 4)])
    try:
        with tables.open_file(
            "encoder-check.h5", "w", driver="H5FD_CORE", driver_core_backing_store=0
        ) as h5:
            table = h5.create_table("/", "t", dtype, filters=FILTERS, chunkshape=CHUNK_ROWS)
            table.truncate(CHUNK_ROWS)
            table.write_chunk((0,), out[:size])
            rows = table.read()
    except (tables.HDF5ExtError, OSError, AttributeError, ValueError):
        logger.exception("the check of the chunk encoder failed")
        return False
    return all(np.array_equal(rows[name], columns[k]) for k, name in enumerate(dtype.names or ()))
