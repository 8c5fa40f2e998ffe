"""Phase histograms of all pixels and lasers, with the cuts: one pass over the photons of each file.

A photon that follows the previous recorded one of its pixel within ``dt`` is left out: it rides on its pulse. So is
one whose phase is not negative. The same cuts apply to backgrounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.chunkcodec import CHUNK_ROWS
from pipeline_core.exposure import blind_intervals, live_time_us
from pipeline_core.photon_file import PhotonFile
from pipeline_core.photon_kernels import ChunkOfRows, gather
from pipeline_core.photon_reader import SCAN_THREADS
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.wavecal.settings import LOWEST_DEG, WavecalSettings

__all__ = [
    "FileHistograms",
    "LaserHistograms",
    "count_photons",
    "histogram_file",
    "make_histograms",
    "n_bins",
    "phase_edges",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_NEVER = -(1 << 40)  # us: no photon came before


@dataclass(frozen=True, eq=False)
class LaserHistograms:
    """Phase histograms of every pixel and laser line, and what each cut took. Arrays are read-only.

    Pixels are numbered ``x * nrows + y``; lines ascend in wavelength.

    Attributes
    ----------
    edges_deg : ndarray of float64, shape (n_bin + 1,)
        Ascending; half-open bins.
    counts : ndarray of uint32, shape (n_pixel, n_line, n_bin)
        After all cuts.
    background : ndarray of uint32, shape (n_pixel, n_line, n_bin), or None
        The same of the files taken with the laser off: counts as they are, not scaled. 0 for lines without one.
    background_scale : ndarray of float64, shape (n_pixel, n_line)
        Expected counts of background in a line's histogram, for each count of `background`: the ratio of the live
        times after cuts. 0 for lines without a background.
    n_raw, n_after_dt, n_negative : ndarray of int64, shape (n_pixel, n_line)
        Photons in the file; those not too close to the previous one; those of them with a negative phase.
    live_s : ndarray of float64, shape (n_pixel, n_line)
        Time in which a photon would have been kept: without gaps, and without `dt` after each recorded photon.
    rate_cps : ndarray of float64, shape (n_pixel, n_line)
        Recorded photons per second alive (without gaps and dead time).
    hot : ndarray of bool, shape (n_pixel, n_line)
        Whether that is more than the settings allow.
    """

    edges_deg: FloatArray
    counts: npt.NDArray[np.uint32]
    background: npt.NDArray[np.uint32] | None
    background_scale: FloatArray
    n_raw: IntArray
    n_after_dt: IntArray
    n_negative: IntArray
    live_s: FloatArray
    rate_cps: FloatArray
    hot: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        for field in fields(self):
            array = getattr(self, field.name)
            if array is not None:
                array = np.asarray(array).view()  # large: not copied
                array.setflags(write=False)
                object.__setattr__(self, field.name, array)


@dataclass(frozen=True, eq=False)
class FileHistograms:
    """What one file gives; arrays as in `LaserHistograms`, without the axis of lines."""

    counts: npt.NDArray[np.uint32]
    n_raw: IntArray
    n_after_dt: IntArray
    n_negative: IntArray
    live_s: FloatArray
    rate_cps: FloatArray


def phase_edges(bin_deg: float) -> FloatArray:
    """Return the edges of phase bins from `LOWEST_DEG` to 0; the last one is 0 or just above."""
    return np.multiply(bin_deg, np.arange(n_bins(bin_deg) + 1), dtype=float) + LOWEST_DEG


def n_bins(bin_deg: float) -> int:
    """Return how many bins `phase_edges` has."""
    return math.ceil(-LOWEST_DEG / bin_deg - 1e-9)


@kernel
def _add_pixel(
    times: npt.NDArray[np.uint32],
    phases: npt.NDArray[np.float32],
    previous: int,
    dt_us: float,
    bin_deg: float,
    counts: npt.NDArray[np.uint32],
    sums: npt.NDArray[np.float64],
) -> None:
    """Add consecutive photons of one pixel; `previous`: time of the one before them."""
    after, negative, blind = 0, 0, 0.0
    for i in range(times.size):
        time = int(times[i])
        waited = np.float64(time - previous)
        if previous >= 0:
            blind += min(waited, dt_us)
        previous = time
        phase = np.float64(phases[i])
        if waited > dt_us:
            after += 1
            if phase < 0.0:
                negative += 1
                k = int(np.floor((phase - LOWEST_DEG) / bin_deg))
                if 0 <= k < counts.size:
                    counts[k] += np.uint32(1)
    sums[0] += after
    sums[1] += negative
    sums[2] += blind


@kernel
def _add_chunk(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    chunk_first: int,
    stops: npt.NDArray[np.int64],
    scratch: npt.NDArray[np.uint32],
    dt_us: float,
    exposure_us: int,
    bin_deg: float,
    counts: npt.NDArray[np.uint32],
    sums: npt.NDArray[np.float64],
    ends: npt.NDArray[np.uint32],
) -> None:
    """Add a chunk's photons to ``counts[pixel]`` and ``sums[pixel]``, but for a first one that continues a pixel.

    `ends` gets the bits of time and phase of the first photon, and the time of the last one; `scratch` has room for
    times and phases: shape (2, CHUNK_ROWS).
    """
    chunk_stop = min(chunk_first + CHUNK_ROWS, stops[-1])
    n_rows = chunk_stop - chunk_first
    times, bits = scratch[0, :n_rows], scratch[1, :n_rows]
    gather(planes, rows_a_block, row_bytes, 1, 0, times)
    gather(planes, rows_a_block, row_bytes, 2, 0, bits)
    phases = bits.view(np.float32)
    ends[0], ends[1], ends[2] = times[0], bits[0], times[n_rows - 1]
    p = np.searchsorted(stops, chunk_first, side="right")
    row = 0
    while row < n_rows:
        high = min(stops[p], chunk_stop) - chunk_first
        previous = _NEVER
        first = row
        if row == 0 and (stops[p - 1] if p else 0) < chunk_first:
            previous = int(times[0])
            first = 1
        _add_pixel(
            times[first:high], phases[first:high], previous, dt_us, bin_deg, counts[p], sums[p]
        )
        if stops[p] <= chunk_stop:
            sums[p, 2] += min(np.float64(exposure_us - np.int64(times[high - 1])), dt_us)
        row = high
        p += 1
        while p < stops.size and stops[p] == chunk_first + row:
            p += 1  # pixels without photons


def count_photons(
    times_us: npt.NDArray[np.uint32],
    phases_deg: npt.NDArray[np.float32],
    exposure_us: int,
    dt_us: float = 500.0,
    bin_deg: float = 1.0,
) -> tuple[npt.NDArray[np.uint32], int, int, float]:
    """Histogram the photons of one pixel, with the cuts.

    Parameters
    ----------
    times_us, phases_deg : ndarray
        In order of time.
    exposure_us : int
        End of the observation.
    dt_us, bin_deg : float
        As in `WavecalSettings`.

    Returns
    -------
    counts : ndarray of uint32, shape (n_bin,)
    n_after_dt, n_negative : int
    blind_us : float
        Time within `dt_us` after a photon, before the end.
    """
    counts = np.zeros(n_bins(bin_deg), np.uint32)
    sums = np.zeros(3)
    _add_pixel(times_us, phases_deg, _NEVER, dt_us, bin_deg, counts, sums)
    if times_us.size:
        sums[2] += min(float(exposure_us - int(times_us[-1])), dt_us)
    return counts, int(sums[0]), int(sums[1]), float(sums[2])


def histogram_file(
    path: Path, dt_us: float, bin_deg: float, progress: Progress = silent, stage: str = ""
) -> FileHistograms:
    """Histogram all pixels of a photon file, in one pass.

    The result does not depend on the number of threads.

    Parameters
    ----------
    path : Path
    dt_us, bin_deg : float
        As in `WavecalSettings`.
    progress : Progress
        May cancel.
    stage : str
        What `progress` is told.

    Raises
    ------
    InputFormatError
        If the file is missing or damaged.
    """
    file = PhotonFile(path)
    try:
        counts, sums = _pass(file, dt_us, bin_deg, progress, stage or f"photons of {path.name}")
        return _file_histograms(file, counts, sums)
    finally:
        file.close()


def _pass(
    file: PhotonFile, dt_us: float, bin_deg: float, progress: Progress, stage: str
) -> tuple[npt.NDArray[np.uint32], FloatArray]:
    """Return histograms and sums (after dt, negative, us blind) of each pixel, in the order of the file."""
    n_pixel, n_bin = file.order.size, n_bins(bin_deg)
    counts = [np.zeros((n_pixel, n_bin), np.uint32) for _ in range(SCAN_THREADS)]
    sums = [np.zeros((n_pixel, 3)) for _ in range(SCAN_THREADS)]
    scratch = [np.empty((2, CHUNK_ROWS), np.uint32) for _ in range(SCAN_THREADS)]
    ends = np.zeros((-(-file.n_photons // CHUNK_ROWS), 3), np.uint32)

    def work(thread: int, chunk: ChunkOfRows) -> None:
        cuts = (dt_us, file.exposure_us, bin_deg)
        found = (counts[thread], sums[thread], ends[chunk.first // CHUNK_ROWS])
        _add_chunk(*chunk, scratch[thread], *cuts, *found)

    file.each_chunk(work, progress, stage)
    for other in range(1, SCAN_THREADS):
        counts[0] += counts[other]
        sums[0] += sums[other]
    # a photon that is the first of its chunk waits for the last one of the chunk before
    stops = np.cumsum(file.counts.ravel()[file.order])
    for k in range(1, ends.shape[0]):
        row = k * CHUNK_ROWS
        p = int(np.searchsorted(stops, row, side="right"))
        if (stops[p - 1] if p else 0) < row:
            one = ends[k, :1], ends[k, 1:2].view(np.float32)
            previous = int(ends[k - 1, 2])
            _add_pixel(*one, previous, dt_us, bin_deg, counts[0][p], sums[0][p])
    return counts[0], sums[0]


def _file_histograms(
    file: PhotonFile, counts: npt.NDArray[np.uint32], sums: FloatArray
) -> FileHistograms:
    """Put what was counted in the order of pixels, and add rates and live times."""
    everything = np.array([0, file.exposure_us])
    open_us = float(live_time_us(everything, blind_intervals(file.gaps_us))[0])
    n_raw = file.counts.ravel().astype(np.int64)
    in_order = np.empty_like(sums)
    in_order[file.order] = sums
    ordered = np.empty_like(counts)
    ordered[file.order] = counts
    # a gap within dt after a photon counts twice here: at most dt a gap
    live_us = np.maximum(open_us - in_order[:, 2], 0.0)
    alive_us = np.maximum(open_us - n_raw * file.dead_time_us, 1.0)
    return FileHistograms(
        counts=ordered,
        n_raw=n_raw,
        n_after_dt=in_order[:, 0].astype(np.int64),
        n_negative=in_order[:, 1].astype(np.int64),
        live_s=live_us / 1e6,
        rate_cps=n_raw / (alive_us / 1e6),
    )


def make_histograms(settings: WavecalSettings, progress: Progress = silent) -> LaserHistograms:
    """Histogram all lasers, and their backgrounds, one pass through each file.

    Parameters
    ----------
    settings : WavecalSettings
        Its inputs should have been checked: `WavecalSettings.check_inputs`.
    progress : Progress
        May cancel.

    Raises
    ------
    InputFormatError
        If a file is missing or damaged.
    """
    cuts = (settings.dt_us, settings.bin_deg)
    dark_paths = dict.fromkeys(laser.background for laser in settings.lasers if laser.background)
    n_files = len(settings.lasers) + len(dark_paths)

    def one(k: int, path: Path, stage: str) -> FileHistograms:
        part = part_of(progress, k / n_files, (k + 1) / n_files, stage)
        return histogram_file(path, *cuts, part, stage)

    lines = _Lines(settings)
    for k, laser in enumerate(settings.lasers):
        lines.set_line(k, one(k, laser.path, f"photons at {laser.wavelength_nm:g} nm"))
    for k, path in enumerate(dark_paths, len(settings.lasers)):
        lines.set_background(path, one(k, path, f"background {path.name}"))
    return lines.histograms()


class _Lines:
    """Collects files into the arrays of `LaserHistograms`, without holding any file's twice."""

    def __init__(self, settings: WavecalSettings) -> None:
        self._settings = settings
        self._arrays: dict[str, npt.NDArray[Any]] = {}

    def set_line(self, line: int, found: FileHistograms) -> None:
        """Take the histograms of a laser."""
        for field in fields(found):
            values = getattr(found, field.name)
            self._array(field.name, values)[:, line] = values

    def set_background(self, path: Path, found: FileHistograms) -> None:
        """Take the histograms of a background, for all lines that it belongs to."""
        for line, laser in enumerate(self._settings.lasers):
            if laser.background == path:
                live_s = self._arrays["live_s"][:, line]
                with np.errstate(divide="ignore", invalid="ignore"):
                    scale = np.where(found.live_s > 0, live_s / found.live_s, 0.0)
                self._array("background", found.counts)[:, line] = found.counts
                self._array("background_scale", scale)[:, line] = scale

    def _array(self, name: str, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if name not in self._arrays:
            shape = (like.shape[0], len(self._settings.lasers), *like.shape[1:])
            self._arrays[name] = np.zeros(shape, like.dtype)
        return self._arrays[name]

    def histograms(self) -> LaserHistograms:
        """Return what was collected."""
        arrays: dict[str, Any] = {"background": None, **self._arrays}
        arrays.setdefault("background_scale", np.zeros(self._arrays["n_raw"].shape))
        hot = self._arrays["rate_cps"] > self._settings.max_rate_cps
        return LaserHistograms(edges_deg=phase_edges(self._settings.bin_deg), hot=hot, **arrays)
