"""Conversion of raw `.bin` files to a photon file: `convert` is what window and command line call.

Each slab of raw words becomes a run of photons sorted by pixel (`rawkernels`); the runs are merged into the
order of the photon file (`photonruns`) and written chunk by chunk (`photon_writer`). Every word is accounted for.
"""

from __future__ import annotations

import calendar
import datetime
import logging
import shutil
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core import rawkernels, schema
from pipeline_core.atomic import write_aside, written_back
from pipeline_core.beammap import Beammap, read_beammap
from pipeline_core.binfile import (
    SLABS_HELD,
    BinFolder,
    Segment,
    Slab,
    scan_folder,
    stream_slabs,
)
from pipeline_core.errors import ConfigError, InputFormatError, OutputError
from pipeline_core.photon_writer import PhotonFileContent, write_photon_file
from pipeline_core.photonruns import RunStore
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.rawwords import BASELINE_BITS, BYTES_PER_WORD, PIXEL_BITS, US_PER_TICK

__all__ = ["DROP_REASONS", "MAX_DURATION_S", "ConversionSummary", "ConvertSettings", "convert"]

logger = logging.getLogger(__name__)

MAX_DURATION_S = 4294
"""Times are 32-bit microseconds."""

DEAD_TIME_US = 10.0
"""Of the firmware: a pixel is blind this long after each photon."""

GAP_TICKS = 200
"""Boards send a packet at least every 0.5 ms; silence of all of them for 100 ms is a gap."""

RUN_MEMORY_BYTES = 900_000_000
BATCH_PHOTONS = 1 << 20
_SORTERS = 2

DROP_REASONS = ("end_of_frame", "outside_array", "outside_window", "without_header")
"""Why a photon word is no photon of the observation; columns of `schema.SOURCE_DTYPE`."""


@dataclass(frozen=True)
class ConvertSettings:
    """What to convert.

    Attributes
    ----------
    bin_dir : path
        Folder of ``<unix second>.bin`` files.
    start : int
        First second, unix.
    duration : int
        Seconds, 1..4294 (32-bit microseconds).
    beammap : path or Beammap
        Text file, or a map in memory.
    out : path
        Photon file to write, ``*.h5``.
    shape : (ncols, nrows), optional
        Of the array; default: told by the beam map.
    baseline : {'ignore', 'keep', 'subtract-median'}
        Drop each photon's baseline, store it in a column, or add it to the phase less its median over
        all photons (what the predecessor did from 2020 on).
    overwrite : bool
        Whether an existing `out` may be replaced.

    Raises
    ------
    ConfigError
        If a value is impossible; the message says which.
    """

    bin_dir: Path
    start: int
    duration: int
    beammap: Path | Beammap
    out: Path
    shape: tuple[int, int] | None = None
    baseline: str = "ignore"
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name in ("bin_dir", "out"):
            object.__setattr__(self, name, Path(getattr(self, name)).expanduser())
        if not isinstance(self.beammap, Beammap):
            object.__setattr__(self, "beammap", Path(self.beammap).expanduser())
        for name in ("start", "duration"):
            value = getattr(self, name)
            if isinstance(value, bool) or value != int(value):
                raise ConfigError(f"{name} must be a whole number of seconds, not {value!r}.")
            object.__setattr__(self, name, int(value))
        if self.start < 0:
            raise ConfigError(f"start must be a unix second, not {self.start}.")
        if self.duration < 1:
            raise ConfigError(f"duration must be at least 1 s, not {self.duration}.")
        if self.duration > MAX_DURATION_S:
            raise ConfigError(
                f"duration {self.duration} s is more than {MAX_DURATION_S} s, the range of a 32-bit time in "
                "microseconds. Convert it in parts, each with its own start and output."
            )
        if self.out.suffix != ".h5":
            raise ConfigError(f"{self.out}: the name of a photon file must end in .h5.")
        if self.baseline not in schema.BASELINE_MODES:
            raise ConfigError(
                f"baseline must be one of {', '.join(schema.BASELINE_MODES)}, not {self.baseline!r}."
            )

    def as_dict(self) -> dict[str, object]:
        """Return the settings as plain values, for provenance."""
        beammap = self.beammap.source if isinstance(self.beammap, Beammap) else str(self.beammap)
        return {
            "bin_dir": str(self.bin_dir),
            "start": self.start,
            "duration": self.duration,
            "beammap": beammap,
            "out": str(self.out),
            "shape": list(self.shape) if self.shape else None,
            "baseline": self.baseline,
        }


@dataclass(frozen=True)
class ConversionSummary:
    """What a conversion did. `dropped` counts words by reason; every word is kept or in there."""

    path: Path
    n_photons: int
    dropped: dict[str, int]
    spare_bytes: int
    packets: dict[int, int]
    lost_packets: dict[int, int]
    missing_seconds: tuple[int, ...]
    repaired_pixels: int
    seconds: float

    def lines(self) -> tuple[str, ...]:
        """Return the summary for people."""
        found = [f"{self.n_photons:,} photons in {self.path.name} ({self.seconds:.1f} s)"]
        words = {
            "end_of_frame": "end-of-frame markers",
            "outside_array": "words outside the array",
            "outside_window": "photons outside the time range",
            "without_header": "photons without a packet header",
        }
        found += [
            f"{self.dropped[r]:,} {words[r]} left out" for r in DROP_REASONS if self.dropped[r]
        ]
        if self.spare_bytes:
            found.append(f"{self.spare_bytes} bytes at ends of files make up no word")
        lost = sum(self.lost_packets.values())
        if lost:
            by_board = ", ".join(f"board {b}: {n}" for b, n in self.lost_packets.items() if n)
            found.append(f"{lost:,} packets lost on the network ({by_board})")
        if self.missing_seconds:
            found.append(
                f"no file for {len(self.missing_seconds)} s: {_ranges(self.missing_seconds)}"
            )
        if self.repaired_pixels:
            found.append(
                f"photons of {self.repaired_pixels} pixels arrived out of order and were sorted"
            )
        return tuple(found)


def _ranges(seconds: tuple[int, ...]) -> str:
    """Write ascending numbers briefly: ``5-7, 9``."""
    parts: list[list[int]] = []
    for second in seconds:
        if parts and second == parts[-1][-1] + 1:
            parts[-1][1:] = [second]
        else:
            parts.append([second])
    return ", ".join("-".join(map(str, part)) for part in parts)


def convert(settings: ConvertSettings, progress: Progress = silent) -> ConversionSummary:
    """Convert raw files to one photon file.

    Kept are all photons of the array with ``start <= time < start + duration`` by the boards' clocks, on mapped and
    unmapped pixels alike, wherever their packets landed (the files of the neighbouring seconds are read too).

    Parameters
    ----------
    settings : ConvertSettings
    progress : Progress
        Called at least every 100 ms; raising `OperationCancelled` from it leaves nothing behind.

    Returns
    -------
    ConversionSummary

    Raises
    ------
    InputFormatError
        Beam map or raw files missing or unusable, or no photon in the time range.
    OutputError
        The result cannot be written: it exists already, no permission, disk full.
    """
    begun = time.perf_counter()
    progress(0, 1000, "reading the beam map")
    beammap = settings.beammap
    if not isinstance(beammap, Beammap):
        beammap = read_beammap(beammap, settings.shape)
    _refuse_to_orphan(settings.out)
    folder = scan_folder(settings.bin_dir)
    seconds = folder.covering(settings.start, settings.duration)
    total_bytes = _check_space(folder, seconds, settings.out)
    with write_aside(settings.out, replace=settings.overwrite, mode=0o444) as part:
        with RunStore(beammap.code.size, settings.out.parent, RUN_MEMORY_BYTES) as runs:
            with ThreadPoolExecutor(_SORTERS, thread_name_prefix="sorter") as pool:
                sorter = _SlabSorter(settings, beammap, runs, pool)
                reading = part_of(progress, 0.0, 0.6, "reading raw files")
                done = 0
                for slab in stream_slabs(folder, seconds):
                    reading(done, total_bytes)
                    sorter.add(slab)
                    done += slab.n_words * BYTES_PER_WORD
                sorter.finish()
            sorter.refuse_if_empty(folder)
            content = sorter.content(runs.counts())
            batches = runs.batches(BATCH_PHOTONS, with_baseline=settings.baseline == "keep")
            writing = part_of(progress, 0.6, 0.98)
            with written_back(part):
                repaired = write_photon_file(part, content, batches, writing)
        # the last report: once the file has its name, it is too late to cancel
        progress(990, 1000, "writing to disk")
    present = set(folder.seconds)
    wanted = range(settings.start, settings.start + settings.duration)
    summary = ConversionSummary(
        path=settings.out,
        n_photons=content.n_photons,
        dropped={reason: int(content.sources[reason].sum()) for reason in DROP_REASONS},
        spare_bytes=int(content.sources["spare_bytes"].sum()),
        packets={int(row["board"]): int(row["packets"]) for row in content.boards},
        lost_packets={int(row["board"]): int(row["lost"]) for row in content.boards},
        missing_seconds=tuple(s for s in wanted if s not in present),
        repaired_pixels=repaired,
        seconds=time.perf_counter() - begun,
    )
    logger.info("converted %s: %s", settings.bin_dir, "; ".join(summary.lines()))
    return summary


def _refuse_to_orphan(out: Path) -> None:
    """Refuse to replace a photon file to which something is attached: it would fit no longer."""
    sidecar = out.with_name(f"{out.stem}{schema.SIDECAR_ENDING}")
    if sidecar.exists():
        raise OutputError(
            f"{sidecar} keeps the history of a photon file named {out.name}; a new conversion would not fit it. Move "
            "the sidecar (and the photon file) elsewhere first, or choose another output."
        )


def _check_space(folder: BinFolder, seconds: tuple[int, ...], out: Path) -> int:
    """Return the bytes to read; refuse if the disk of `out` plainly cannot hold the result."""
    total = sum(folder.path(second).stat().st_size for second in seconds)
    scratch = max(0, total - RUN_MEMORY_BYTES)
    needed = total + scratch + (10 << 20)
    try:
        free = shutil.disk_usage(out.parent).free
    except OSError as error:
        raise OutputError(
            f"Folder {out.parent} cannot be used: {error.strerror}. Create it or choose another output."
        ) from error
    if free < needed:
        raise OutputError(
            f"The disk that holds {out.parent} has {free / 1e9:.1f} GB free; this conversion may need "
            f"{needed / 1e9:.1f} GB. Free some space or choose another output."
        )
    return total


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
    photons: npt.NDArray[np.uint64]
    baseline: npt.NDArray[np.int32]
    baseline_histogram: npt.NDArray[np.int64]
    sources: list[npt.NDArray[np.int64]]


class _SlabSorter:
    """Turns slabs into sorted runs and keeps the books over all of them.

    Packets are found and dated slab by slab, since each may continue the one before; the sorting, which is most of the
    work, runs in threads. Its results are taken in the order of the slabs, whatever thread is first.
    """

    def __init__(
        self, settings: ConvertSettings, beammap: Beammap, runs: RunStore, pool: ThreadPoolExecutor
    ) -> None:
        self.settings = settings
        self.beammap = beammap
        self.runs = runs
        self._pool = pool
        self._under_way: deque[Future[_SortedSlab]] = deque()
        ncols, nrows = beammap.shape
        self._n_pixels = ncols * nrows
        self._exposure_us = settings.duration * 1_000_000
        self._mode = schema.BASELINE_MODES.index(settings.baseline)
        rank = np.empty(self._n_pixels, np.int32)
        rank[beammap.photon_order()] = np.arange(self._n_pixels)
        by_coordinates = np.full((1024, 1024), self._n_pixels, np.int32)
        by_coordinates[:ncols, :nrows] = rank.reshape(ncols, nrows)
        self._rank = by_coordinates.reshape(1 << PIXEL_BITS)
        self._sources: list[npt.NDArray[np.int64]] = []
        self._last_frame = np.full(256, -1, np.int64)
        self._packets = np.zeros(256, np.int64)
        self._lost = np.zeros(256, np.int64)
        self._seen = np.zeros(self._exposure_us // US_PER_TICK, bool)
        self._baseline_histogram = np.zeros(1 << BASELINE_BITS, np.int64)
        self._carried_us = int(rawkernels.UNDATED)
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
        self.runs.add(done.offsets, done.photons, done.baseline)

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
        packed = np.empty(int(offsets[-1]), np.uint64)
        baseline = np.empty(packed.size if self._mode == 1 else 0, np.int32)
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
                packed,
                baseline,
                histogram,
                tallies,
            )
            source[2 : 2 + tallies.size] += tallies
        return _SortedSlab(offsets, packed, baseline, histogram, sources)

    def _packets_of(self, words: npt.NDArray[np.uint64], segment: Segment) -> _Packets:
        """Find and date the packets of a segment.

        The first entry stands for words before the first header: they continue the packet before, which is
        in the previous slab or in the file of the previous second.
        """
        part = words[segment.first : segment.stop]
        n = rawkernels.count_headers(part)
        index, ticks = np.empty(n, np.int64), np.empty(n, np.int64)
        board, frame = np.empty(n, np.uint8), np.empty(n, np.uint16)
        rawkernels.find_packets(part, segment.first, index, ticks, board, frame)
        times = np.empty(n + 1, np.int64)
        adjacent = segment.second == self._last_second + 1
        if segment.opens_file and not adjacent:
            self._carried_us = int(rawkernels.UNDATED)
        times[0] = self._carried_us
        rawkernels.date_packets(
            ticks, segment.second, _year_starts(segment.second), self.settings.start, times[1:]
        )
        rawkernels.follow_frames(
            board,
            frame,
            times[1:],
            self._exposure_us,
            self._last_frame,
            self._packets,
            self._lost,
            self._seen,
        )
        begin = np.concatenate(([segment.first], index + 1))
        end = np.concatenate((index, [segment.stop]))
        self._carried_us = int(times[-1])
        self._last_second = segment.second
        if n:
            self._note_nearest(times[1:])
        return _Packets(segment.second, segment.spare_bytes, begin, end, times, n)

    def _note_nearest(self, times: npt.NDArray[np.int64]) -> None:
        nearest = int(times[np.argmin(np.abs(times))])
        if self._nearest_us is None or abs(nearest) < abs(self._nearest_us):
            self._nearest_us = nearest

    def refuse_if_empty(self, folder: BinFolder) -> None:
        """Raise if the files hold packets, but none of the time range, or no packet at all."""
        if self._packets.any():
            return
        if self._nearest_us is None:
            raise InputFormatError(
                f"The .bin files of {folder.folder} between {self.settings.start} and "
                f"{self.settings.start + self.settings.duration - 1} hold no packet header: they are empty or "
                "not raw photon files. Choose other seconds or another folder."
            )
        raise InputFormatError(
            f"No packet of {folder.folder} lies in the time range from {self.settings.start} on: the nearest is "
            f"{self._nearest_us / 1e6:+.3f} s from its beginning. Check the start, or the read-out's clock."
        )

    def content(self, counts: npt.NDArray[np.int64]) -> PhotonFileContent:
        """Return all that the photon file holds besides its photons."""
        boards = np.flatnonzero(self._packets)
        board_rows = np.zeros(boards.size, schema.BOARD_DTYPE)
        board_rows["board"] = boards
        board_rows["packets"] = self._packets[boards]
        board_rows["lost"] = self._lost[boards]
        return PhotonFileContent(
            beammap=self.beammap,
            counts=counts,
            start=self.settings.start,
            exposure_s=self.settings.duration,
            baseline_mode=self.settings.baseline,
            baseline_median=self._baseline_median(),
            gaps_us=_gaps(self._seen),
            sources=self._source_rows(),
            boards=board_rows,
            data_dir=str(self.settings.bin_dir),
            settings=self.settings.as_dict(),
            dead_time_us=DEAD_TIME_US,
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


def _gaps(seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return intervals of at least `GAP_TICKS` without a packet, in us, half-open, shape (n, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], seen, [True])).astype(np.int8)))
    intervals = edges.reshape(-1, 2)
    long_enough = intervals[:, 1] - intervals[:, 0] >= GAP_TICKS
    return intervals[long_enough].astype(np.int64) * US_PER_TICK
