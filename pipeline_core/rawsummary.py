"""What is in raw files, without a conversion: packets, boards, clocks, losses, damage, photons and their phases.

For ``parsebin``, and for ``info`` of a raw file. No beam map is needed: the photons tell how large the array is. Files
are streamed, so any number of them takes the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core import rawkernels
from pipeline_core._jit import kernel
from pipeline_core.beammap import CAMERAS
from pipeline_core.binfile import NO_SECOND, Slab, second_in_name, stream_files
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.progress import Progress, silent
from pipeline_core.rawsync import PacketFinder, Packets, year_starts
from pipeline_core.rawwords import (
    BYTES_PER_WORD,
    FAKE_PHOTON,
    PHASE_BITS,
    PHASE_DEG_PER_COUNT,
    PIXEL_BITS,
    US_PER_TICK,
    phase_counts,
    pixel_bits,
    swap_bytes,
)

__all__ = [
    "BoardSummary",
    "FileSummary",
    "RawSummary",
    "each_packets",
    "photon_ranges",
    "sorted_files",
    "summarise_raw",
]

_ALWAYS = 2**61  # a window in which all packets are
_LONG_AGO = 2**60
_OFF_S = 10.0
_USUAL_US = 60_000_000
_STRAY = 0.01
"""Share of photons with coordinates that no pixel has, from noise on the line, which do not tell the array's size."""


@kernel
def _survey_words(
    words: npt.NDArray[np.uint64],
    begin: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    board: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.uint32],
    of_board: npt.NDArray[np.int64],
    phases: npt.NDArray[np.int64],
) -> int:
    """Count the photons of packets by pixel (``x << 10 | y``) and board; return the number of end-of-frame markers.

    `phases` holds the lowest and the highest phase so far, in counts.
    """
    fake = np.uint64(FAKE_PHOTON)
    markers = 0
    low, high = phases
    for p in range(begin.size):
        n = 0
        for i in range(begin[p], end[p]):
            word = swap_bytes(words[i])
            if word == fake:
                markers += 1
                continue
            counts[pixel_bits(word)] += 1
            phase = phase_counts(word)
            low, high = min(low, phase), max(high, phase)
            n += 1
        of_board[board[p]] += n
    phases[0], phases[1] = low, high
    return markers


@kernel
def _count_fakes(words: npt.NDArray[np.uint64]) -> int:
    """Count the end-of-frame markers among words."""
    found = 0
    for word in words:
        found += swap_bytes(word) == np.uint64(FAKE_PHOTON)
    return found


@dataclass(frozen=True)
class FileSummary:
    """What is in one raw file.

    ``8 * (packets + photons + end_of_frame + without_header) + spare_bytes + skipped_bytes`` is its size.

    Attributes
    ----------
    path : Path
    second : int or None
        Unix second in its name.
    n_bytes, packets, photons, end_of_frame, without_header, spare_bytes, skipped_bytes, resyncs : int
        As in `schema.SOURCE_DTYPE`; `photons` have a packet header, wherever and whenever they are.
    earlier, later : int
        Packets of before and after the second in its name.
    first_s, last_s : float or None
        Earliest and latest packet, from the second in its name (without one: from New Year). Packets more than a minute
        off count only where there are no others.
    """

    path: Path
    second: int | None
    n_bytes: int
    packets: int
    photons: int
    end_of_frame: int
    without_header: int
    spare_bytes: int
    skipped_bytes: int
    resyncs: int
    earlier: int
    later: int
    first_s: float | None
    last_s: float | None


@dataclass(frozen=True)
class BoardSummary:
    """What one board sent; how far its earliest and latest packet are from the seconds in the files' names, in s."""

    packets: int
    lost: int
    photons: int
    first_offset_s: float | None
    last_offset_s: float | None


@dataclass(frozen=True, eq=False)
class RawSummary:
    """What is in raw files.

    Attributes
    ----------
    files : tuple of FileSummary
        In order of time; those whose names tell none are last.
    boards : dict of int to BoardSummary
    counts : ndarray of uint32, shape (1024, 1024)
        Photons by coordinates [x, y], inside or outside any array.
    phase_deg : (low, high) or None
        Lowest and highest phase.
    first_unix, last_unix : float or None
        Earliest and latest packet by the boards' clocks.
    """

    files: tuple[FileSummary, ...]
    boards: dict[int, BoardSummary]
    counts: npt.NDArray[np.uint32]
    phase_deg: tuple[float, float] | None
    first_unix: float | None
    last_unix: float | None

    def total(self, name: str) -> int:
        """Return the sum of a number of `FileSummary` over all files."""
        return sum(int(getattr(file, name)) for file in self.files)

    def outside(self, shape: tuple[int, int]) -> int:
        """Return how many photons lie outside an array of ``(ncols, nrows)``."""
        inside = self.counts[: shape[0], : shape[1]].sum(dtype=np.int64)
        return int(self.counts.sum(dtype=np.int64) - inside)

    def coordinates(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Return the ranges of x and y, last included; None without photons."""
        x, y = (np.flatnonzero(self.counts.any(axis=axis)) for axis in (1, 0))
        return ((int(x[0]), int(x[-1])), (int(y[0]), int(y[-1]))) if x.size else None

    def brightest(self) -> tuple[int, int, int] | None:
        """Return x, y and the number of photons of the brightest pixel; None without photons."""
        x, y = np.unravel_index(int(self.counts.argmax()), self.counts.shape)
        number = int(self.counts[x, y])
        return (int(x), int(y), number) if number else None

    def told_shape(self) -> tuple[int, int] | None:
        """Return the array that the photons tell: the smallest camera that holds nearly all, else what holds all."""
        photons = int(self.counts.sum(dtype=np.int64))
        found = self.coordinates()
        if found is None:
            return None
        for shape in sorted(CAMERAS.values()):
            if self.outside(shape) <= _STRAY * photons:
                return shape
        return found[0][1] + 1, found[1][1] + 1

    def warnings(self) -> tuple[str, ...]:
        """Say what may be wrong."""
        said = []
        for file in self.files:
            if not file.packets:
                said.append(f"{file.path.name} holds no packet ({file.n_bytes:,} bytes).")
            elif file.skipped_bytes:
                said.append(
                    f"{file.path.name}: {file.skipped_bytes:,} bytes could not be told to be words; words began anew "
                    f"at another byte {file.resyncs} times."
                )
        for board, facts in self.boards.items():
            if facts.first_offset_s is None or facts.last_offset_s is None:
                continue
            if max(facts.first_offset_s, -facts.last_offset_s) > _OFF_S:
                said.append(
                    f"Board {board}: its clock is {facts.first_offset_s:+,.1f} s from the files' names."
                )
        seconds = [file.second for file in self.files if file.second is not None]
        twice = sorted({second for second in seconds if seconds.count(second) > 1})
        if twice:
            said.append(f"Some seconds were given more than once, such as {twice[0]}.")
        return tuple(said)


def sorted_files(paths: Sequence[Path]) -> list[tuple[int, Path]]:
    """Return raw files with their seconds, in order of time; those whose names tell none last, as `NO_SECOND`.

    Raises
    ------
    ConfigError
        If none is given.
    """
    if not paths:
        raise ConfigError("No raw file was given.")
    seconds = [(second_in_name(path), path) for path in paths]
    named = sorted((second, path) for second, path in seconds if second is not None)
    return named + [(NO_SECOND, path) for second, path in seconds if second is None]


def each_packets(
    files: Sequence[tuple[int, Path]], progress: Progress = silent, stage: str = "reading raw files"
) -> Iterator[tuple[int, Slab, Packets]]:
    """Yield the packets of raw files, stretch by stretch: the file's place in the list, the slab, and what is in it.

    Raises
    ------
    InputFormatError
        If a file cannot be read.
    """
    finder = PacketFinder()
    total = sum(_size(path) for _, path in files)
    done, at = 0, -1
    for slab in stream_files(files):
        progress(done, total, stage)
        for segment in slab.segments:
            at += segment.opens_file
            yield at, slab, finder.find(slab.words, segment)
        done += slab.n_words * BYTES_PER_WORD


def photon_ranges(found: Packets) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where the photon words of each packet begin and end; those before the first header are left out."""
    return found.index + 1, np.append(found.index[1:], found.stop)[: found.index.size]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputFormatError(
            f"Raw file {path} cannot be read: {error.strerror}. Check the path and the permissions."
        ) from error


_ADDED_UP = (
    "packets",
    "photons",
    "end_of_frame",
    "without_header",
    "spare_bytes",
    "skipped_bytes",
    "resyncs",
    "earlier",
    "later",
)


class _Surveyor:
    """Adds up what is in the packets of files."""

    def __init__(self, files: Sequence[tuple[int, Path]]) -> None:
        self._files = files
        self.sums = [dict.fromkeys(_ADDED_UP, 0) for _ in files]
        self.spans: list[tuple[int, int] | None] = [None] * len(files)
        self.counts = np.zeros(1 << PIXEL_BITS, np.uint32)
        self.of_board = np.zeros(256, np.int64)
        self.packets, self.lost = np.zeros(256, np.int64), np.zeros(256, np.int64)
        self.first = np.full(256, _LONG_AGO, np.int64)
        self.last = np.full(256, -_LONG_AGO, np.int64)
        self.phases = np.array([1 << PHASE_BITS, -(1 << PHASE_BITS)], np.int64)
        self._last_frame, self._newest = np.full(256, -1, np.int64), np.zeros(256, np.int64)
        self._seen = np.empty(0, np.bool_)

    def add(self, at: int, slab: Slab, found: Packets) -> None:
        """Add the packets of a stretch of file number `at`."""
        second, _ = self._files[at]
        sums = self.sums[at]
        begin, end = photon_ranges(found)
        n_words = found.stop - found.first - found.index.size
        orphans = slab.words[found.first : found.index[0] if found.index.size else found.stop]
        markers = _survey_words(
            slab.words, begin, end, found.board, self.counts, self.of_board, self.phases
        )
        fakes = _count_fakes(orphans)
        sums["packets"] += found.index.size
        sums["end_of_frame"] += markers + fakes
        sums["without_header"] += orphans.size - fakes
        sums["photons"] += n_words - orphans.size - markers
        sums["spare_bytes"] += found.spare_bytes
        sums["skipped_bytes"] += found.skipped_bytes
        sums["resyncs"] += found.resyncs
        self._follow(at, second, found)

    def _follow(self, at: int, second: int, found: Packets) -> None:
        """Look at clocks and frame counters."""
        if not found.follows:
            self._last_frame[:] = -1
        if not found.index.size:
            return
        times = found.ticks * US_PER_TICK
        if second != NO_SECOND:
            rawkernels.date_packets(found.ticks, second, year_starts(second), second, times)
            self.sums[at]["earlier"] += int(np.count_nonzero(times < 0))
            self.sums[at]["later"] += int(np.count_nonzero(times >= 1_000_000))
            np.minimum.at(self.first, found.board, times)
            np.maximum.at(self.last, found.board, times)
        usual = times[np.abs(times) <= _USUAL_US] if second != NO_SECOND else times
        usual = usual if usual.size else times
        low, high = int(usual.min()), int(usual.max())
        before = self.spans[at]
        self.spans[at] = (
            (low, high) if before is None else (min(low, before[0]), max(high, before[1]))
        )
        since = max(second, 0) * 1_000_000  # one clock for all files
        rawkernels.follow_frames(
            found.board,
            found.frame,
            times + since + _LONG_AGO,
            _ALWAYS,
            self._last_frame,
            self._newest,
            self.packets,
            self.lost,
            self._seen,
        )

    def _offsets(self, board: int) -> tuple[float | None, float | None]:
        if self.first[board] == _LONG_AGO:
            return None, None
        return float(self.first[board]) / 1e6, float(self.last[board]) / 1e6

    def summary(self) -> RawSummary:
        """Return everything."""
        files, ends = [], []
        for (second, path), sums, span in zip(self._files, self.sums, self.spans, strict=True):
            named = second != NO_SECOND
            first, last = (None, None) if span is None else (span[0] / 1e6, span[1] / 1e6)
            if named and first is not None and last is not None:
                ends += [second + first, second + last]
            files.append(
                FileSummary(
                    path, second if named else None, _size(path), **sums, first_s=first, last_s=last
                )
            )
        boards = {
            int(b): BoardSummary(
                int(self.packets[b]),
                int(self.lost[b]),
                int(self.of_board[b]),
                *self._offsets(int(b)),
            )
            for b in np.flatnonzero(self.packets)
        }
        low, high = (self.phases * PHASE_DEG_PER_COUNT).tolist()
        return RawSummary(
            tuple(files),
            boards,
            self.counts.reshape(1024, 1024),
            (low, high) if low <= high else None,
            min(ends, default=None),
            max(ends, default=None),
        )


def summarise_raw(paths: Sequence[Path], progress: Progress = silent) -> RawSummary:
    """Find out what is in raw files.

    Parameters
    ----------
    paths : sequence of Path
    progress : Progress
        Called every slab; may cancel.

    Raises
    ------
    InputFormatError
        If a file cannot be read.
    ConfigError
        If none is given.
    """
    files = sorted_files(paths)
    surveyor = _Surveyor(files)
    for at, slab, found in each_packets(files, progress):
        surveyor.add(at, slab, found)
    return surveyor.summary()
