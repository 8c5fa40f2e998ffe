"""Conversion of raw `.bin` files to a photon file: `convert` is what window and command line call.

Each slab of raw words becomes a run of photons sorted by pixel (`slabsort`); the runs are merged into the
order of the photon file (`photonruns`) and written chunk by chunk (`photon_writer`). Every word is accounted for.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core import schema
from pipeline_core.atomic import write_aside, written_back
from pipeline_core.beammap import Beammap, read_beammap
from pipeline_core.binfile import BinFolder, Slab, scan_folder, stream_slabs
from pipeline_core.conversion_summary import DROP_REASONS, ConversionSummary, brief_ranges
from pipeline_core.earlyticks import FIRMWARE_REPAIRED
from pipeline_core.errors import ConfigError, InputFormatError, OutputError
from pipeline_core.hdf5 import refuse_another_kind
from pipeline_core.packed_file import packed_of
from pipeline_core.photon_writer import PhotonFileContent, Repairs, write_photon_file
from pipeline_core.photonruns import RunStore
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.rawwords import BYTES_PER_WORD
from pipeline_core.scratch import pages_used_again
from pipeline_core.slabsort import Books, SlabSorter
from pipeline_core.targets import check_room

__all__ = [
    "DROP_REASONS",
    "MAX_DURATION_S",
    "ConversionSummary",
    "ConvertSettings",
    "brief_ranges",
    "check_space",
    "convert",
    "refuse_to_orphan",
    "space_for",
]

logger = logging.getLogger(__name__)

MAX_DURATION_S = 4294
"""Times are 32-bit microseconds."""

DEAD_TIME_US = 10.0
"""Of the firmware: a pixel is blind this long after each photon."""

RUN_MEMORY_BYTES = 800_000_000
_CACHED_PHOTONS = 200_000_000
"""Files of more photons (1 GB) are not kept in the page cache."""
BATCH_PHOTONS = 1 << 20
_SORTERS = 2
_SUSPICIOUS = 0.2
"""Above this share of silent good pixels, or of words outside the array, the beam map is doubted."""


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
        Seconds, 1..4294 (32-bit microseconds); any number with `split`.
    beammap : path or Beammap
        Text file, or a map in memory.
    out : path
        Photon file to write, ``*.h5``; with `split`, a folder or ``<start>.h5`` in it.
    shape : (ncols, nrows), optional
        Of the array; default: told by the beam map.
    baseline : {'ignore', 'keep', 'subtract-median'}
        Drop each photon's baseline, store it in a column, or add it to the phase less its median over
        all photons (what the predecessor did from 2020 on).
    overwrite : bool
        Whether an existing `out` may be replaced.
    repair_times : bool, optional
        Whether to repair time stamps that are a tick early (`earlyticks`); default: in data of before 2018-02-10,
        whose firmware gave such. Stored with the settings, and so is the number of photons that were moved.
    split : bool
        Whether what is too long for one file becomes several (`convert_parts`), named by their first seconds.

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
    repair_times: bool | None = None
    split: bool = False

    def __post_init__(self) -> None:
        for name in ("bin_dir", "out"):
            object.__setattr__(self, name, Path(getattr(self, name)).expanduser())
        if not isinstance(self.beammap, Beammap):
            object.__setattr__(self, "beammap", Path(self.beammap).expanduser())
        for name in ("start", "duration"):
            value = getattr(self, name)
            whole = isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
            if isinstance(value, bool) or not whole:
                raise ConfigError(f"{name} must be a whole number of seconds, not {value!r}.")
            object.__setattr__(self, name, int(value))
        if not 0 <= self.start < 2**31:
            raise ConfigError(f"start must be a unix second below 2**31, not {self.start}.")
        if self.duration < 1:
            raise ConfigError(f"duration must be at least 1 s, not {self.duration}.")
        if self.duration > MAX_DURATION_S and not self.split:
            raise ConfigError(
                f"duration {self.duration} s is more than {MAX_DURATION_S} s, the range of a 32-bit time in "
                "microseconds. Split it into several files (--split), or convert a part of it."
            )
        if self.split and self.out.is_dir():
            object.__setattr__(self, "out", self.out / f"{self.start}.h5")
        if self.out.suffix != ".h5" or self.out.name.endswith(schema.SIDECAR_ENDING):
            raise ConfigError(
                f"{self.out}: the name of a photon file must end in .h5, not in {schema.SIDECAR_ENDING}."
            )
        if self.repair_times not in (None, True, False):
            raise ConfigError(
                f"repair_times must be True, False, or None for a choice by date, not {self.repair_times!r}."
            )
        if self.split and self.out.name != f"{self.start}.h5":
            raise ConfigError(
                f"{self.out}: files that are split are named by their first second. Give a folder that exists, or "
                f"{self.start}.h5 in it."
            )
        if self.baseline not in schema.BASELINE_MODES:
            raise ConfigError(
                f"baseline must be one of {', '.join(schema.BASELINE_MODES)}, not {self.baseline!r}."
            )

    @property
    def repairs_times(self) -> bool:
        """Whether early time stamps are repaired: as asked for, or by the date."""
        return self.start < FIRMWARE_REPAIRED if self.repair_times is None else self.repair_times

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
            "repair_times": self.repairs_times,
        }


def convert(settings: ConvertSettings, progress: Progress = silent) -> ConversionSummary:
    """Convert raw files to one photon file.

    Kept are all photons of the array with ``start <= time < start + duration`` by the boards' clocks, on mapped and
    unmapped pixels alike, wherever their packets landed (the files of the neighbouring seconds are read too).

    Parameters
    ----------
    settings : ConvertSettings
    progress : Progress
        Called about every 50 ms; raising `OperationCancelled` from it leaves nothing behind.

    Returns
    -------
    ConversionSummary

    Raises
    ------
    ConfigError
        More than one file is needed: `convert_parts.convert_parts` writes several.
    InputFormatError
        Beam map or raw files missing or unusable, or no photon in the time range.
    OutputError
        The result cannot be written: it exists already, no permission, disk full.
    """
    if settings.duration > MAX_DURATION_S:
        raise ConfigError(f"{settings.duration} s do not fit into one file: use convert_parts.")
    begun = time.perf_counter()
    progress(0, 1000, "reading the beam map")
    beammap = settings.beammap
    if not isinstance(beammap, Beammap):
        beammap = read_beammap(beammap, settings.shape)
    refuse_to_orphan(settings.out)
    folder = scan_folder(settings.bin_dir)
    seconds = folder.covering(settings.start, settings.duration)
    keep = settings.baseline == "keep"
    total_bytes = check_space(folder, seconds, settings.out, keeps_baseline=keep)
    with write_aside(settings.out, replace=settings.overwrite, mode=0o444) as part:
        until_us = settings.duration * 1_000_000 if settings.repairs_times else None
        room = _run_memory(total_bytes, keeps_baseline=keep)
        with (
            pages_used_again(),
            RunStore(
                beammap.code.size, settings.out.parent, room, until_us, with_baseline=keep
            ) as runs,
        ):
            reading = part_of(progress, 0.0, 0.6, "reading raw files")
            books = _sort(
                settings, beammap, stream_slabs(folder, seconds), runs, reading, total_bytes
            )
            _refuse_empty(settings, books)
            content = _content(settings, beammap, runs.counts(), books)
            batches = runs.batches(BATCH_PHOTONS)
            with written_back(part, cached=content.n_photons <= _CACHED_PHOTONS):
                repairs = write_photon_file(part, content, batches, part_of(progress, 0.6, 0.98))
        # the last report: once the file has its name, it is too late to cancel
        progress(990, 1000, "writing to disk")
    elapsed = time.perf_counter() - begun
    summary = _summary(settings, content, books, frozenset(folder.seconds), repairs, elapsed)
    logger.info("converted %s: %s", settings.bin_dir, "; ".join(summary.lines()))
    return summary


def _run_memory(total_bytes: int, *, keeps_baseline: bool) -> int:
    """Return how many bytes of runs to keep in memory: none, if most of them have to go to the disk anyway.

    Fresh memory is slower than a disk that is written to without pause.
    """
    runs = 1.5 * total_bytes if keeps_baseline else total_bytes
    return RUN_MEMORY_BYTES if runs <= 2 * RUN_MEMORY_BYTES else 0


def _sort(
    settings: ConvertSettings,
    beammap: Beammap,
    slabs: Iterator[Slab],
    runs: RunStore,
    progress: Progress,
    total_bytes: int,
) -> Books:
    """Sort all photons into runs; return what became of the words."""
    with ThreadPoolExecutor(_SORTERS, thread_name_prefix="sorter") as pool:
        sorter = SlabSorter(
            beammap,
            runs,
            pool,
            start=settings.start,
            duration=settings.duration,
            baseline=settings.baseline,
        )
        done = 0
        for slab in slabs:
            progress(done, total_bytes)
            sorter.add(slab)
            done += slab.n_words * BYTES_PER_WORD
        sorter.finish()
        return sorter.books()


def _content(
    settings: ConvertSettings, beammap: Beammap, counts: npt.NDArray[np.int64], books: Books
) -> PhotonFileContent:
    """Bring together all that the photon file holds besides its photons."""
    return PhotonFileContent(
        beammap=beammap,
        counts=counts,
        start=settings.start,
        exposure_s=settings.duration,
        baseline_mode=settings.baseline,
        baseline_median=books.baseline_median,
        gaps_us=books.gaps_us,
        sources=books.sources,
        boards=books.boards,
        data_dir=str(settings.bin_dir.absolute()),
        settings=settings.as_dict(),
        dead_time_us=DEAD_TIME_US,
        repairs_times=settings.repairs_times,
    )


def _summary(
    settings: ConvertSettings,
    content: PhotonFileContent,
    books: Books,
    present: frozenset[int],
    repairs: Repairs,
    elapsed_s: float,
) -> ConversionSummary:
    wanted = range(settings.start, settings.start + settings.duration)
    return ConversionSummary(
        path=settings.out,
        n_photons=content.n_photons,
        dropped={reason: int(content.sources[reason].sum()) for reason in DROP_REASONS},
        spare_bytes=int(content.sources["spare_bytes"].sum()),
        skipped_bytes=int(content.sources["skipped_bytes"].sum()),
        resyncs=int(content.sources["resyncs"].sum()),
        packets={int(row["board"]): int(row["packets"]) for row in content.boards},
        lost_packets={int(row["board"]): int(row["lost"]) for row in content.boards},
        missing_seconds=tuple(s for s in wanted if s not in present),
        repaired_pixels=repairs.pixels,
        moved_photons=repairs.photons,
        seconds=elapsed_s,
        warnings=_warnings(content, books),
    )


def _warnings(content: PhotonFileContent, books: Books) -> tuple[str, ...]:
    """Say what a person should know before trusting the file."""
    found = []
    missing_s = float(np.diff(content.gaps_us, axis=1).sum()) / 1e6
    if missing_s:
        found.append(
            f"There are no data for {missing_s:.1f} of {content.exposure_s} s: rates are per second with data."
        )
    found += [
        f"Board {board} is left out: the clock of its packets is {offset:+,.3f} s from the files' names."
        for board, offset in books.strange_clocks.items()
    ]
    damaged = content.sources[content.sources["skipped_bytes"] > 0]
    if damaged.size:
        found.append(
            f"{damaged['skipped_bytes'].sum():,} bytes of {damaged.size} raw files could not be told to be words and "
            f"were skipped (as after an overflow of the read-out's buffer), first in {damaged['second'][0]}.bin."
        )
    order = content.beammap.photon_order()
    good = content.beammap.code.ravel()[order] == 0
    silent = int(np.count_nonzero(good & (content.counts == 0)))
    if silent > _SUSPICIOUS * max(int(np.count_nonzero(good)), 1):
        found.append(
            f"{silent:,} of {np.count_nonzero(good):,} pixels that the beam map calls good recorded no photon: "
            "is it the map of this camera and night?"
        )
    outside = int(content.sources["outside_array"].sum())
    if outside > _SUSPICIOUS * max(content.n_photons, 1):
        ncols, nrows = content.beammap.shape
        found.append(
            f"{outside:,} photon words lie outside the {ncols} x {nrows} array: "
            "is the beam map that of another camera?"
        )
    return tuple(found)


def refuse_to_orphan(out: Path) -> None:
    """Refuse to replace a photon file to which something is attached: it would fit no longer. Nor any other data.

    Raises
    ------
    OutputError
        If there is a sidecar of this name, or in the file, or if the file is no photon file.
    """
    real = Path(os.path.realpath(out))  # a link stays: the file that it leads to is replaced
    beside = [one.with_name(f"{one.stem}{schema.SIDECAR_ENDING}") for one in (out, real)]
    for sidecar in filter(Path.exists, beside):
        raise OutputError(
            f"{sidecar} keeps the history of a photon file named {out.name}; a new conversion would not fit it. Move "
            "the sidecar (and the photon file) elsewhere first, or choose another output."
        )
    if _is_packed(out):
        raise OutputError(
            f"{out} is a packed file: it keeps calibrations behind its photons. Move it elsewhere first, or choose "
            "another output."
        )
    refuse_another_kind(out, schema.FORMAT, "a photon file of this program")


def _is_packed(path: Path) -> bool:
    try:
        return path.is_file() and packed_of(path) is not None
    except InputFormatError:
        return False  # what follows the photons is no sidecar


def check_space(
    folder: BinFolder,
    seconds: tuple[int, ...],
    out: Path,
    *,
    keeps_baseline: bool,
    parts: int = 1,
) -> int:
    """Return the bytes to read; refuse if the disk of `out` plainly cannot hold the result, and scratch for a part."""
    try:
        total = sum(folder.path(second).stat().st_size for second in seconds)
    except OSError as error:
        raise InputFormatError(
            f"Raw file {error.filename} cannot be read: {error.strerror}. Check the disk and the permissions."
        ) from error
    result, scratch = space_for(total, keeps_baseline=keeps_baseline, parts=parts)
    check_room(out, result + scratch, "this conversion")
    return total


def space_for(
    total_bytes: int, *, keeps_baseline: bool = False, parts: int = 1
) -> tuple[float, float]:
    """Return how many bytes a conversion of so many raw bytes writes at most: its result, and scratch beside it."""
    # a photon takes at most 9.3, or 6.3, of its 8 bytes, and summaries 0.5
    result = 1.5 * total_bytes if keeps_baseline else total_bytes
    memory = _run_memory(int(total_bytes / parts), keeps_baseline=keeps_baseline)
    return result, max(0, result / parts - memory)


def _refuse_empty(settings: ConvertSettings, books: Books) -> None:
    """Raise if the files hold packets, but none of the time range, or no packet at all."""
    if books.boards.size or books.sources["kept"].any():
        return
    if books.nearest_us is None:
        raise InputFormatError(
            f"The .bin files of {settings.bin_dir} between {settings.start} and "
            f"{settings.start + settings.duration - 1} hold no packet header that can be "
            "believed: they are empty, damaged or not raw photon files. Choose other seconds or another folder."
        )
    raise InputFormatError(
        f"No packet of {settings.bin_dir} lies in the time range from {settings.start} on: the nearest is "
        f"{books.nearest_us / 1e6:+.3f} s from its beginning. Check the start, or the read-out's clock."
    )
