"""Makes the count summaries (`summaries`) of a photon file while its photons pass by, and writes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import schema
from pipeline_core._jit import kernel
from pipeline_core.hdf5 import FILTERS
from pipeline_core.photonruns import Batch
from pipeline_core.rawwords import PHASE_DEG_PER_COUNT
from pipeline_core.summaries import FINE_DEG, PHASE_EDGES_DEG, Grid

__all__ = ["SummaryBuilder", "load_kernels"]

_LOWEST = int(FINE_DEG[1])
_LAST = FINE_DEG.size - 2  # bin of phases from 0 on
_FIRST_FINE = np.searchsorted(FINE_DEG, PHASE_EDGES_DEG)
"""Fine bins that belong to each band: edges of bands are edges of bins."""

_PIXELS_A_CHUNK = 64
_AT_ONCE = 1024


@kernel
def _first_beyond(photons: npt.NDArray[np.uint64], low: int, time_us: int) -> int:
    """Return the first index from `low` on whose time is not below `time_us`; quick where that is near."""
    limit = np.uint64(time_us) << np.uint64(32)
    high = photons.size
    step = 1
    probe = low
    while probe < high and photons[probe] < limit:
        low = probe + 1
        probe += step
        step *= 2
    high = min(probe, high)
    while low < high:
        middle = (low + high) // 2
        if photons[middle] < limit:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _count_times(
    photons: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int64],
    edges_us: npt.NDArray[np.int64],
    counts: npt.NDArray[np.uint32],
) -> None:
    """Count each pixel's photons in each bin of time; times ascend within a pixel."""
    for p in range(starts.size - 1):
        mine = photons[starts[p] : starts[p + 1]]
        at = 0
        for k in range(edges_us.size - 1):
            end = _first_beyond(mine, at, edges_us[k + 1])
            counts[p, k] = end - at
            at = end


@kernel
def _count_bands(
    photons: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int64],
    phase_offset: int,
    edges_us: npt.NDArray[np.int64],
    first_fine: npt.NDArray[np.int64],
    bands: npt.NDArray[np.uint32],
    phases: npt.NDArray[np.uint32],
    extremes: npt.NDArray[np.int64],
) -> None:
    """Count each pixel's photons in each bin of time and band of phase, and in each fine bin of phase.

    Widens `extremes`, the lowest and the highest phase in counts.
    """
    lowest, highest = extremes[0], extremes[1]
    low_bits = np.uint64(0xFFFFFFFF)
    fine = np.zeros(_LAST + 1, np.uint32)
    places = np.empty(_AT_ONCE, np.int32)
    for p in range(starts.size - 1):
        mine = photons[starts[p] : starts[p + 1]]
        at = 0
        for t in range(edges_us.size - 1):
            end = _first_beyond(mine, at, edges_us[t + 1])
            fine[:] = 0
            while at < end:
                part = mine[at : min(at + _AT_ONCE, end)]
                for i in range(
                    part.size
                ):  # on its own, this loop is compiled to vector instructions
                    recorded = np.int64(np.int32(part[i] & low_bits))
                    lowest, highest = min(lowest, recorded), max(highest, recorded)
                    counts = recorded + phase_offset
                    # as it is stored, so that a photon at an edge is on the same side as in an exact count
                    phase = np.float32(counts * PHASE_DEG_PER_COUNT)
                    place = np.int32(np.floor(phase)) - np.int32(_LOWEST - 1)
                    places[i] = min(max(place, np.int32(0)), np.int32(_LAST))
                for i in range(part.size):
                    fine[places[i]] += np.uint32(1)
                at += part.size
            for k in range(fine.size):
                phases[p, k] += fine[k]
            for w in range(bands.shape[2]):
                number = np.uint32(0)
                for k in range(first_fine[w], first_fine[w + 1]):
                    number += fine[k]
                bands[p, t, w] = number
    extremes[0], extremes[1] = lowest, highest


@kernel
def _phase_extremes(photons: npt.NDArray[np.uint64], extremes: npt.NDArray[np.int64]) -> None:
    """Widen the lowest and the highest phase, in counts."""
    lowest, highest = extremes[0], extremes[1]
    for photon in photons:
        counts = np.int64(np.int32(photon & np.uint64(0xFFFFFFFF)))
        lowest = min(lowest, counts)
        highest = max(highest, counts)
    extremes[0], extremes[1] = lowest, highest


class SummaryBuilder:
    """Counts batches of merged photons, each pixel once.

    Parameters
    ----------
    grid : Grid
    n_pixels : int
    phase_offset : int
        Added to the phases, counts.
    """

    def __init__(self, grid: Grid, n_pixels: int, phase_offset: int) -> None:
        self._grid = grid
        self._offset = phase_offset
        n_times = max(grid.time_edges_us.size - 1, 0)
        n_bands = max(grid.band_edges_us.size - 1, 0)
        self._times = np.zeros((n_pixels, n_times), np.uint32)
        self._bands = np.zeros((n_pixels, n_bands, PHASE_EDGES_DEG.size - 1), np.uint32)
        self._phases = np.zeros((n_pixels * (n_bands > 0), FINE_DEG.size - 1), np.uint32)
        self._extremes = np.array([2**31, -(2**31)])

    def add(self, batch: Batch) -> None:
        """Count the photons of a batch."""
        where = slice(batch.first_pixel, batch.first_pixel + batch.starts.size - 1)
        photons, starts, grid = batch.photons, batch.starts, self._grid
        if self._times.size:
            _count_times(photons, starts, grid.time_edges_us, self._times[where])
        if self._bands.size:
            rest = self._bands[where], self._phases[where], self._extremes
            _count_bands(photons, starts, self._offset, grid.band_edges_us, _FIRST_FINE, *rest)
        else:
            _phase_extremes(photons, self._extremes)

    def write(self, h5: tables.File, order: npt.NDArray[np.int64], shape: tuple[int, int]) -> None:
        """Write everything into ``/mkid/summary``; `order`: flat [x, y] number of each pixel, in the file's order."""
        group = h5.create_group(schema.MKID, "summary", "cumulative counts [time, phase, x, y]")
        low, high = self._extremes + self._offset
        extremes = (np.array([low, high]) * PHASE_DEG_PER_COUNT).astype(np.float32)
        h5.create_array(group, "phase_range", extremes, "deg, lowest and highest")
        if self._times.size:
            h5.create_array(group, "time_edges", self._grid.time_edges_us, "us")
            totals = self._times.sum(axis=0, dtype=np.int64)
            h5.create_array(group, "timeline", totals, "photons of all pixels in each bin")
            title = "photons [t, x, y] with time < time_edges[t + 1]"
            self._write_cumulative(h5, group, "times", title, self._times[..., None], order, shape)
        if self._bands.size:
            h5.create_array(group, "band_edges", self._grid.band_edges_us, "us")
            h5.create_array(group, "phase_edges", PHASE_EDGES_DEG, "deg")
            title = "photons [t, w, x, y] with time < band_edges[t + 1], phase < phase_edges[w + 1]"
            self._write_cumulative(h5, group, "bands", title, self._bands, order, shape)
        if self._grid.has_phases:
            by_pixel = np.empty_like(self._phases)
            by_pixel[order] = self._phases
            h5.create_array(group, "phase_bins", FINE_DEG, "deg")
            node = h5.create_carray(
                group,
                "phases",
                tables.UInt32Atom(),
                (*shape, by_pixel.shape[1]),
                "photons [x, y, k] in the bins of phase_bins, over all times",
                FILTERS,
                chunkshape=(1, min(shape[1], _PIXELS_A_CHUNK), by_pixel.shape[1]),
            )
            node[:] = by_pixel.reshape(node.shape)

    @staticmethod
    def _write_cumulative(
        h5: tables.File,
        group: tables.Group,
        name: str,
        title: str,
        counts: npt.NDArray[np.uint32],
        order: npt.NDArray[np.int64],
        shape: tuple[int, int],
    ) -> None:
        """Write counts (n_pixels, n_times, n_bands) as cumulative images, a chunk each: a query reads four."""
        n_pixels, n_times, n_bands = counts.shape
        bands = () if name == "times" else (n_bands,)
        node = h5.create_carray(
            group,
            name,
            tables.UInt32Atom(),
            (n_times, *bands, *shape),
            title,
            FILTERS,
            chunkshape=(1, *(1 for _ in bands), *shape),
        )
        running = np.zeros((n_bands, n_pixels), np.uint32)
        images = np.empty_like(running)
        for t in range(n_times):
            running += np.cumsum(counts[:, t].T, axis=0, dtype=np.uint32)
            images[:, order] = running
            node[t] = images.reshape(*bands, *shape)


def load_kernels() -> None:
    """Load (at the very first time: compile) the kernels that only long files need."""
    edges = np.array([0, 1], np.int64)
    photons = np.zeros(1, np.uint64)
    batch = Batch(0, np.array([0, 1], np.int64), photons, np.empty(0, np.int32), 0)
    SummaryBuilder(Grid(edges, edges, True), 1, 0).add(batch)
    SummaryBuilder(Grid(edges[:0], edges, False), 1, 0).add(batch)
