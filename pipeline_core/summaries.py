"""Count summaries of a long photon file: images of round windows of time and phase without reading photons.

Stored are cumulative images: the photons of every pixel before an edge of time and below an edge of phase. Any window
whose ends are edges is the sum and difference of four of them, at any number of photons, exactly. Their size does not
depend on the number of photons either, so only files of which they are a few percent have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import schema
from pipeline_core.errors import ConfigError
from pipeline_core.hdf5 import has_node, plain_node, read_array, read_part
from pipeline_core.lightcurves import bin_edges_us

__all__ = ["FINE_DEG", "PHASE_EDGES_DEG", "Grid", "Summary", "grid_for", "survey_bin_us"]

LEAST_PHOTONS = 3_000_000
"""Below, a pass over all photons takes no longer than reading images."""

SHARE = 0.03
_PHOTON_BYTES = 5.5
_MOST_TIMES = 100

_PLANES_BYTES = 64_000_000
_COARSE_US = 1_000_000  # at most so many, for observations of 20 s and more
_BINS = 200

_BAND_DEG = 5
_LOWEST_DEG = -180
PHASE_EDGES_DEG: npt.NDArray[np.float64] = np.concatenate(
    ([-np.inf], np.arange(_LOWEST_DEG, 1, _BAND_DEG), [np.inf])
)
"""Bands of phase: 5 degrees from -180 to 0, where the photons are that these cameras are made for, and the rest."""

FINE_DEG: npt.NDArray[np.float64] = np.concatenate(([-np.inf], np.arange(_LOWEST_DEG, 1), [np.inf]))
"""Bins of the histogram of each pixel's phases, over all times."""


_Edges = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Grid:
    """What a file's summaries resolve. Edges (us) ascend from 0 to the exposure; empty: not stored.

    Attributes
    ----------
    band_edges_us : ndarray of int64, shape (n + 1,)
        Of the images by time and phase (`PHASE_EDGES_DEG`).
    time_edges_us : ndarray of int64, shape (m + 1,)
        Of the images by time, of any phase: the bins of a survey.
    has_phases : bool
        Whether there are histograms of each pixel's phases (`FINE_DEG`).
    """

    band_edges_us: npt.NDArray[np.int64]
    time_edges_us: npt.NDArray[np.int64]
    has_phases: bool


def survey_bin_us(exposure_us: int, n_pixels: int) -> int:
    """Return the bin width of a survey.

    Whole seconds, 1 s if the planes are then within 64 MB. Shorter observations than 20 s get at most 200 bins of
    1, 2 or 5 times a power of ten.

    Parameters
    ----------
    exposure_us, n_pixels : int
    """
    most = max(_PLANES_BYTES // (4 * n_pixels) - 1, 1)
    if exposure_us >= 20 * _COARSE_US:
        seconds = -(-exposure_us // (most * _COARSE_US))
        return max(seconds, 1) * _COARSE_US
    widths = (m * 10**k for k in range(8) for m in (1, 2, 5))
    return next(width for width in widths if -(-exposure_us // width) <= min(_BINS, most))


def grid_for(exposure_us: int, n_photons: int, n_pixels: int) -> Grid | None:
    """Return what to summarise of a file, so that each kind takes at most 3% of its size; None for short files.

    With 10 000 pixels, 10^8 photons have 10 bins of time by 38 of phase, 10^9 photons have up to 100 of time.

    Parameters
    ----------
    exposure_us, n_photons, n_pixels : int
    """
    if n_photons < LEAST_PHOTONS:
        return None
    most = int(SHARE * _PHOTON_BYTES * n_photons / (4 * n_pixels))  # images
    nothing = np.empty(0, np.int64)
    n_bands = PHASE_EDGES_DEG.size - 1
    bands = times = nothing
    if most >= n_bands:
        width_us = _round_width(exposure_us, min(most // n_bands, _MOST_TIMES))
        bands = bin_edges_us(0, exposure_us, width_us / 1e6)
    survey = bin_edges_us(0, exposure_us, survey_bin_us(exposure_us, n_pixels) / 1e6)
    if most >= survey.size - 1:
        times = survey
    has_phases = bands.size > 0 and most >= FINE_DEG.size - 1
    return Grid(bands, times, has_phases)


def _round_width(exposure_us: int, most: int) -> int:
    """Return 1, 2 or 5 times a power of ten: the smallest that makes at most `most` bins; else all."""
    widths = (m * 10**k for k in range(3, 10) for m in (1, 2, 5))
    return next((w for w in widths if -(-exposure_us // w) <= most), exposure_us)


@dataclass(frozen=True, eq=False)
class Summary:
    """Summaries of an open photon file. To be used from one thread, inside `hdf5.reading`, while the file is open.

    Attributes
    ----------
    grid : Grid
    timeline : ndarray of int64, shape (m,)
        Photons of the whole array in each bin of `Grid.time_edges_us`.
    phase_low, phase_high : float
        Lowest and highest phase of all photons, degrees.
    """

    grid: Grid
    timeline: npt.NDArray[np.int64]
    phase_low: float
    phase_high: float
    _bands: tables.CArray | None = field(repr=False)
    _times: tables.CArray | None = field(repr=False)
    _phases: tables.CArray | None = field(repr=False)

    @classmethod
    def of(cls, h5: tables.File, exposure_us: int, shape: tuple[int, int]) -> Summary | None:
        """Return the summaries of a file of this exposure and (ncols, nrows), or None.

        Kinds that are not there, or not as this program knows them, are left out: photons are read instead.
        """
        if not has_node(h5, f"{schema.SUMMARY}/phase_range"):
            return None

        def part(name: str, edges: str, *rest: int) -> tuple[tables.CArray | None, _Edges]:
            """Return an array and its edges of time, if both fit together."""
            paths = f"{schema.SUMMARY}/{name}", f"{schema.SUMMARY}/{edges}"
            if all(has_node(h5, path) for path in paths):
                node, found = plain_node(h5, paths[0]), read_array(h5, paths[1])
                ends = found.size > 1 and found[0] == 0 and found[-1] == exposure_us
                if ends and node.shape == (found.size - 1, *rest, *shape):
                    return node, found
            return None, np.empty(0, np.int64)

        bands, band_edges = part("bands", "band_edges", PHASE_EDGES_DEG.size - 1)
        times, time_edges = part("times", "time_edges")
        if bands is not None and not np.array_equal(
            read_array(h5, f"{schema.SUMMARY}/phase_edges"), PHASE_EDGES_DEG
        ):
            bands, band_edges = None, np.empty(0, np.int64)
        phases = None
        if bands is not None and has_node(h5, f"{schema.SUMMARY}/phases"):
            phases = plain_node(h5, f"{schema.SUMMARY}/phases")
            if phases.shape != (*shape, FINE_DEG.size - 1):
                phases = None
        timeline = np.empty(0, np.int64)
        if times is not None:
            timeline = read_array(h5, f"{schema.SUMMARY}/timeline")
        low, high = read_array(h5, f"{schema.SUMMARY}/phase_range").tolist()
        grid = Grid(band_edges, time_edges, phases is not None)
        return cls(grid, timeline, low, high, bands, times, phases)

    def image(
        self, start_us: int, stop_us: int, phase_deg: tuple[float, float]
    ) -> npt.NDArray[np.int64] | None:
        """Return the exact counts [x, y] in half-open windows of time and phase; None where an end is no edge."""
        if phase_deg == (-np.inf, np.inf) and self._times is not None:
            first, last = (_place(self.grid.time_edges_us, t) for t in (start_us, stop_us))
            if first >= 0 and last >= 0:
                return self._difference(self._times, first, last, ())
        if self._bands is None:
            return None
        first, last = (_place(self.grid.band_edges_us, t) for t in (start_us, stop_us))
        low, high = (_place(PHASE_EDGES_DEG, phase) for phase in phase_deg)
        if min(first, last, low, high) < 0:
            return None
        image = self._difference(self._bands, first, last, (high - 1,))
        if low:
            image -= self._difference(self._bands, first, last, (low - 1,))
        return image

    @property
    def has_bands(self) -> bool:
        """Whether there are images by phase."""
        return self._bands is not None

    def cumulative(self, time_us: float) -> npt.NDArray[np.float64]:
        """Return the photons before a time, below each edge of `PHASE_EDGES_DEG`; between edges of time, interpolated.

        Returns
        -------
        ndarray of float64, shape (n_edges, ncols, nrows)
        """
        if self._bands is None:
            raise ConfigError("This file has no summaries by phase.")
        edges = self.grid.band_edges_us
        k = min(int(np.searchsorted(edges, time_us, side="right")) - 1, edges.size - 2)
        part = (time_us - edges[k]) / (edges[k + 1] - edges[k])
        _, n_bands, ncols, nrows = self._bands.shape
        found = np.zeros((n_bands + 1, ncols, nrows))
        if k > 0:
            found[1:] = read_part(self._bands, k - 1)
        if part > 0:
            found[1:] += part * (read_part(self._bands, k) - found[1:])
        return found

    @cached_property
    def phases(self) -> npt.NDArray[np.uint32] | None:
        """Each pixel's photons in the bins of `FINE_DEG`, over all times, [x, y, bin]; None if not stored."""
        if self._phases is None:
            return None
        found: npt.NDArray[np.uint32] = read_part(self._phases, slice(None))
        return found

    @staticmethod
    def _difference(
        node: tables.CArray, first: int, last: int, rest: tuple[int, ...]
    ) -> npt.NDArray[np.int64]:
        """Return the image between two edges; the first of the images stored is that before edge 1."""
        image: npt.NDArray[np.int64] = read_part(node, (last - 1, *rest)).astype(np.int64)
        if first:
            image -= read_part(node, (first - 1, *rest))
        return image


def _place(edges: npt.NDArray[np.generic], value: float) -> int:
    """Return which edge a value is, -1 if none."""
    at = int(np.searchsorted(edges, value))
    return at if at < edges.size and edges[at] == value else -1
