"""Finds bursts of the whole array in photon times: cosmic rays that hit the chip make many pixels count at once.

A window of some 20 us holds a Poisson number of photons, whose mean follows the array's rate; a pixel can give one of
them at most, for it is dead after it. `find_bursts` reads an observation; `bursts_of` is pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.chunkcodec import CHUNK_ROWS
from pipeline_core.compile_progress import telling_of_compilation
from pipeline_core.errors import ConfigError
from pipeline_core.exposure import blind_intervals, live_time_us
from pipeline_core.masks import TIME_KINDS
from pipeline_core.obsfile import ObsFile
from pipeline_core.photon_file import PhotonFile
from pipeline_core.photon_kernels import ChunkOfRows, gather
from pipeline_core.photon_reader import SCAN_THREADS, TIME
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.timemask._kernels import count_bins, window_sums
from pipeline_core.timemask.settings import BurstSettings
from pipeline_core.timemask.solution import MaskedTimes

__all__ = ["Burst", "bursts_of", "find_bursts"]

_COUNTS_BYTES = 256_000_000
"""Of the bins of one thread: longer observations are looked through in several passes."""


class Burst(NamedTuple):
    """One burst: masked from `start_us` to `stop_us`; `photons` in its fullest window, `expected` there by chance."""

    start_us: int
    stop_us: int
    photons: int
    expected: float


def find_bursts(
    source: ObsFile | Path | str,
    settings: BurstSettings | None = None,
    progress: Progress = silent,
) -> MaskedTimes:
    """Look for bursts in an observation, in masked times as well.

    Parameters
    ----------
    source : ObsFile or path
    settings : BurstSettings, optional
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        If there are no photons.
    InputFormatError
        If the file cannot be read.
    """
    settings = settings or BurstSettings()
    if not isinstance(source, ObsFile):
        with ObsFile(source) as obs:
            return find_bursts(obs, settings, progress)
    if not source.n_photons:
        raise ConfigError(f"Bursts: {source.path} holds no photons.")
    file = source._file
    n_bins = -(-file.exposure_us // settings.bin_us)
    found: list[Burst] = []
    with telling_of_compilation(progress) as report:
        for start_us, counts in _blocks(file, settings, report):
            found += bursts_of(
                counts, settings, start_us=start_us, gaps_us=file.gaps_us, n_windows=n_bins
            )
    found = _joined(found, file.exposure_us)
    return MaskedTimes(
        camera=source.camera,
        intervals_us=np.array([(b.start_us, b.stop_us) for b in found], np.int64).reshape(-1, 2),
        codes=np.full(len(found), TIME_KINDS["cosmic"], np.uint8),
        reasons=tuple(_reason(b, settings) for b in found),
        path=str(source.path.absolute()),
        file_id=source.file_id,
        start_unix=source.start_unix,
        exposure_s=source.exposure_s,
        settings=settings.to_json(),
    )


def bursts_of(
    counts: npt.NDArray[np.uint16],
    settings: BurstSettings,
    *,
    start_us: int = 0,
    gaps_us: npt.NDArray[np.int64] | None = None,
    n_windows: int | None = None,
) -> list[Burst]:
    """Find bursts in photons that were counted in short bins.

    Parameters
    ----------
    counts : ndarray of uint16, shape (n,)
        Photons of the whole array in bins of ``settings.bin_us``.
    settings : BurstSettings
    start_us : int
        Time of the first bin.
    gaps_us : ndarray of int64, shape (m, 2), optional
        Times without data.
    n_windows : int, optional
        Windows of the whole observation, among which false alarms are shared; default: those given.

    Returns
    -------
    list of Burst
        In order of time; they may overlap.
    """
    starts = np.append(_stretches(counts.size, settings), counts.size)
    edges = start_us + settings.bin_us * starts
    gaps = np.zeros((0, 2), np.int64) if gaps_us is None else gaps_us
    open_bins = live_time_us(edges, blind_intervals(gaps)) / settings.bin_us
    sums = np.empty(counts.size, np.int32)
    window_sums(counts, settings.bins, sums)
    mean, limit = _limits(counts, sums, open_bins, settings, n_windows or counts.size)
    of_window = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    return [
        Burst(
            start_us + first * settings.bin_us - settings.before_us,
            start_us + (last + settings.bins) * settings.bin_us + settings.after_us,
            int(sums[peak]),
            float(mean[of_window[peak]]),
        )
        for first, last, peak in _runs(sums, mean[of_window], limit[of_window], settings)
    ]


def _runs(
    sums: npt.NDArray[np.int32],
    mean: npt.NDArray[np.float64],
    limit: npt.NDArray[np.int64],
    settings: BurstSettings,
) -> Iterator[tuple[int, int, int]]:
    """Yield first, last and fullest window of each burst: from one above its limit on, as long as it lasts."""
    over = np.flatnonzero(sums >= limit)
    k = 0
    while k < over.size:
        first = last = int(over[k])
        while last + 1 < sums.size:
            level = mean[last + 1]
            if sums[last + 1] <= level + settings.tail_sigma * math.sqrt(max(level, 1.0)):
                break
            last += 1
        yield first, last, first + int(np.argmax(sums[first : last + 1]))
        k = int(np.searchsorted(over, last, side="right"))


def _limits(
    counts: npt.NDArray[np.uint16],
    sums: npt.NDArray[np.int32],
    open_bins: npt.NDArray[np.float64],
    settings: BurstSettings,
    n_windows: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return, for each stretch of `mean_s`, the mean of a window and the least photons of a burst.

    The mean is taken twice: the second time without what is above the first limit, for a burst must not hide itself.
    A window that begins in one stretch may end in the next: the higher mean of both counts.
    """
    from scipy.stats import poisson  # here: what reads photons need not wait for it

    starts = _stretches(counts.size, settings)
    size = np.diff(np.append(starts, counts.size))
    chance = settings.false_alarms / n_windows
    kept = np.add.reduceat(counts.astype(np.int64), starts)
    number = open_bins
    mean, limit = np.zeros(starts.size), np.zeros(starts.size, np.int64)
    for _ in range(2):
        mean = settings.bins * kept / np.maximum(number, 1.0)
        mean = np.maximum(mean, np.append(mean[1:], 0.0))
        limit = np.maximum(poisson.isf(chance, mean).astype(np.int64) + 1, settings.least_photons)
        calm = sums < np.repeat(limit, size)
        number = open_bins - np.add.reduceat(~calm, starts, dtype=np.int64)
        kept = np.add.reduceat(np.where(calm, counts, 0), starts, dtype=np.int64)
    return mean, limit


def _stretches(n_bins: int, settings: BurstSettings) -> npt.NDArray[np.int64]:
    """Return the first bin of each stretch that has a mean of its own; a short rest belongs to the last one."""
    width = _stretch_bins(settings)
    return np.arange(max(round(n_bins / width), 1)) * width


def _stretch_bins(settings: BurstSettings) -> int:
    return max(round(settings.mean_s * 1e6 / settings.bin_us), 1)


def _blocks(
    file: PhotonFile, settings: BurstSettings, progress: Progress
) -> Iterator[tuple[int, npt.NDArray[np.uint16]]]:
    """Yield start and counts of parts of the observation, each of whole stretches and one more of the next part."""
    stretch = _stretch_bins(settings)
    n_bins = -(-file.exposure_us // settings.bin_us)
    a_block = max(_COUNTS_BYTES // 2 // stretch, 1) * stretch
    n_blocks = -(-n_bins // a_block)
    for k in range(n_blocks):
        first = k * a_block
        size = min(a_block + stretch, n_bins - first)
        start_us = first * settings.bin_us
        stage = part_of(progress, k / n_blocks, (k + 1) / n_blocks, "looking for bursts")
        yield start_us, _counted(file, start_us, size, settings.bin_us, stage)


def _counted(
    file: PhotonFile, start_us: int, size: int, bin_us: int, progress: Progress
) -> npt.NDArray[np.uint16]:
    times = file.times_in_memory
    counts = [np.zeros(size, np.uint16) for _ in range(1 if times is not None else SCAN_THREADS)]
    if times is not None:
        count_bins(times, start_us, bin_us, counts[0])
        return counts[0]
    scratch = [np.empty(CHUNK_ROWS, np.uint32) for _ in range(SCAN_THREADS)]
    n_rows = int(file.stops[-1])

    def count(thread: int, chunk: ChunkOfRows) -> None:
        part = scratch[thread][: min(n_rows - chunk.first, CHUNK_ROWS)]
        gather(chunk.planes, chunk.rows_a_block, chunk.row_bytes, TIME, 0, part)
        count_bins(part, start_us, bin_us, counts[thread])

    file.each_chunk(count, progress, "looking for bursts")
    for other in counts[1:]:
        np.add(counts[0], np.minimum(other, 65535 - counts[0]), out=counts[0])
    return counts[0]


def _joined(bursts: list[Burst], exposure_us: int) -> list[Burst]:
    """Join bursts whose masked times touch, and cut them at the ends of the observation."""
    joined: list[Burst] = []
    for burst in sorted(bursts):
        cut = burst._replace(
            start_us=max(burst.start_us, 0), stop_us=min(burst.stop_us, exposure_us)
        )
        if joined and cut.start_us <= joined[-1].stop_us:
            before = joined.pop()
            fuller = max(before, cut, key=lambda one: one.photons)
            cut = fuller._replace(
                start_us=before.start_us, stop_us=max(before.stop_us, cut.stop_us)
            )
        joined.append(cut)
    return joined


def _reason(burst: Burst, settings: BurstSettings) -> str:
    width = settings.bins * settings.bin_us
    return (
        f"Burst: {burst.photons} photons in {width} us, where {burst.expected:.3g} were expected."
    )
