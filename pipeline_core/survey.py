"""One look at a whole file: its rate against time, its range of phases, and images of round times at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.exposure import blind_intervals, live_time_us
from pipeline_core.hdf5 import reading
from pipeline_core.lightcurves import bin_edges_us
from pipeline_core.masked_counts import counts_inside
from pipeline_core.photon_file import PhotonFile
from pipeline_core.progress import Progress, silent
from pipeline_core.summaries import survey_bin_us

__all__ = ["CountPlanes", "CountsInTime", "Survey", "counts_in_time", "survey"]

_NO_TIMES = np.zeros((0, 2), np.int64)
_ANY_PHASE = (-np.inf, np.inf)


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over all photons tells.

    Attributes
    ----------
    edges_s : ndarray of float64, shape (n + 1,)
        Bins of time, seconds from the start, half-open; the last one may be shorter.
    counts : ndarray of int64, shape (n,)
        Photons of the whole array, of every phase, flagged pixels included.
    open_time_s : ndarray of float64, shape (n,)
        Time with data in each bin: 0 in a gap or where it is masked. Dead time counts as data.
    phase_low, phase_high : float
        Lowest and highest phase of all photons, degrees; NaN without photons.
    """

    edges_s: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    open_time_s: npt.NDArray[np.float64]
    phase_low: float
    phase_high: float

    @property
    def bin_s(self) -> float:
        """Width of the bins."""
        return float(self.edges_s[1] - self.edges_s[0])

    @property
    def rate_cps(self) -> npt.NDArray[np.float64]:
        """Counts per second of the whole array; NaN in a gap."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.open_time_s > 0, self.counts / self.open_time_s, np.nan)


@dataclass(frozen=True, eq=False)
class CountPlanes:
    """Images of the photons before each edge of a grid: the difference of two is the image of the time between.

    Attributes
    ----------
    edges_us : ndarray of int64, shape (n + 1,)
        Ascending, from 0.
    planes : ndarray of uint32, shape (n + 1, ncols, nrows)
    """

    edges_us: npt.NDArray[np.int64]
    planes: npt.NDArray[np.uint32]

    def image(self, start_us: int, stop_us: int) -> npt.NDArray[np.int64] | None:
        """Return the exact counts with ``start_us <= time < stop_us``, or None where an end is not on the grid."""
        ends = np.array([start_us, stop_us])
        first, last = np.searchsorted(self.edges_us, ends)
        if last >= self.edges_us.size or (self.edges_us[[first, last]] != ends).any():
            return None
        return np.subtract(self.planes[last], self.planes[first], dtype=np.int64)


class CountsInTime(NamedTuple):
    """Images of the bins of a survey.

    `edges_us` (n + 1,) of int64; `counts` (n, ncols, nrows) of integers, in memory pixel by pixel; `open_s` (n,) of
    float64, the time with data in each bin.
    """

    edges_us: npt.NDArray[np.int64]
    counts: npt.NDArray[np.integer[Any]]
    open_s: npt.NDArray[np.float64]


def counts_in_time(
    file: PhotonFile,
    window_us: tuple[int, int],
    masked_us: npt.NDArray[np.int64] = _NO_TIMES,
    progress: Progress = silent,
) -> CountsInTime:
    """Count each pixel's photons in the bins of a survey, as far as they lie in a half-open window of time.

    Quicker than a survey, since phases and photons' times are neither read nor kept.

    Parameters
    ----------
    file : PhotonFile
    window_us : (start, stop)
    masked_us : ndarray of int64, shape (n, 2)
        Intervals that do not count, disjoint and ascending.
    progress : Progress
        May cancel.

    Raises
    ------
    InputFormatError
        If the file is damaged.
    """
    start, stop = window_us
    width_us = survey_bin_us(file.exposure_us, file.flags.size)
    grid = bin_edges_us(0, file.exposure_us, width_us / 1e6)
    edges = np.concatenate(([start], grid[(grid > start) & (grid < stop)], [stop]))
    counts: npt.NDArray[np.integer[Any]] | None = _summarised(file, edges)
    if counts is None:
        counts = np.moveaxis(file.count_bins(edges, progress), -1, 0)
    if masked_us.size:
        counts = counts - counts_inside(file, edges, masked_us, progress)
    closed = blind_intervals(np.concatenate((file.gaps_us, masked_us)))
    return CountsInTime(edges, counts, live_time_us(edges, closed) / 1e6)


def _summarised(file: PhotonFile, edges_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Return what the file's summaries tell of bins of time; None where they have others, or there are none."""
    if file.summary is None:
        return None
    images = []
    for ends in zip(edges_us[:-1].tolist(), edges_us[1:].tolist(), strict=True):
        with reading(file.path):
            image = file.summary.image(*ends, _ANY_PHASE)
        if image is None:
            return None
        images.append(image)
    return np.stack(images)


def survey(
    file: PhotonFile,
    progress: Progress = silent,
    masked_us: npt.NDArray[np.int64] | None = None,
) -> tuple[Survey, CountPlanes | None]:
    """Look through a whole file once; photons of masked times (disjoint and ascending intervals) do not count.

    A file with summaries of these bins need not be looked through: there are no planes then, the file has them.

    Raises
    ------
    InputFormatError
        If the file is damaged.
    """
    width_us = survey_bin_us(file.exposure_us, file.flags.size)
    edges_us = bin_edges_us(0, file.exposure_us, width_us / 1e6)
    closed = file.gaps_us
    masked = masked_us is not None and masked_us.size > 0
    known = file.summary
    if known is not None and not masked and np.array_equal(known.grid.time_edges_us, edges_us):
        open_s = live_time_us(edges_us, blind_intervals(closed)) / 1e6
        return Survey(
            edges_us / 1e6, known.timeline, open_s, known.phase_low, known.phase_high
        ), None
    planes, low, high = file.survey(edges_us, progress)
    if masked_us is not None and masked:
        inside = counts_inside(file, edges_us, masked_us, progress)
        planes[1:] -= np.cumsum(inside, axis=0).astype(np.uint32)
        closed = np.concatenate((closed, masked_us))
    totals = planes.sum(axis=(1, 2), dtype=np.int64)
    open_s = live_time_us(edges_us, blind_intervals(closed)) / 1e6
    found = Survey(edges_us / 1e6, np.diff(totals), open_s, low, high)
    return found, CountPlanes(edges_us, planes)
