"""Sums of photons' weights in bins of time and of wavelength, in one pass through a photon file.

`weigh_cube` is called by `ObsFile` for weighted images and cubes. The result does not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.chunkcodec import CHUNK_ROWS
from pipeline_core.cubes import (
    CELLS,
    NO_INTERVALS,
    band_of,
    check_size,
    fill_cells,
    in_order,
    open_stretches,
)
from pipeline_core.flatfield import FlatCalibration
from pipeline_core.photon_file import PhotonFile
from pipeline_core.photon_kernels import ChunkOfRows, gather
from pipeline_core.photon_reader import SCAN_THREADS
from pipeline_core.progress import Progress, silent
from pipeline_core.weight_kernels import fill_weights

__all__ = ["WeightedCounts", "weigh_cube"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Room = tuple[FloatArray, FloatArray, IntArray, npt.NDArray[np.float32], FloatArray, FloatArray]
"""For photons that are weighed: phases, energies, bins, wavelengths, weights, and weights of some of them."""

NOTHING: IntArray = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class WeightedCounts:
    """Sums of the photons' weights, and of their squares (the variance of the sums), in bins as in `cubes.Counts`.

    `recorded` are the photons of any phase, as there; `whole`, shape (n_pixel, 2), are sum and variance of the image
    that was asked for at the same time.
    """

    sums: FloatArray
    variances: FloatArray
    recorded: npt.NDArray[np.uint32]
    whole: FloatArray


@kernel
def _choose(phases: npt.NDArray[np.float32], low: float, high: float, chosen: FloatArray) -> int:
    """Gather the phases with ``low <= phase < high``, and return how many there are; `chosen` has room for one more."""
    inside = 0
    for value in phases:
        phase = np.float64(value)
        inside += int((phase >= low) & (phase < high))
    if inside == phases.size:  # as in an image of all wavelengths
        for i in range(phases.size):
            chosen[i] = np.float64(phases[i])
        return inside
    n = 0
    for value in phases:
        phase = np.float64(value)
        chosen[n] = phase
        n += int((phase >= low) & (phase < high))
    return n


@kernel
def _add_up(
    phases: FloatArray,
    weights: FloatArray,
    thresholds: FloatArray,
    cells: npt.NDArray[np.int32],
    sums: FloatArray,
    squares: FloatArray,
) -> None:
    """Add weights to the bands of their phases, each of which is in one."""
    last = thresholds.size - 1
    if last == 1:
        total, total_squares = sums[0], squares[0]
        for i in range(weights.size):
            total += weights[i]
            total_squares += weights[i] * weights[i]
        sums[0], squares[0] = total, total_squares
        return
    per_deg = (cells.size - 1) / (thresholds[last] - thresholds[0])
    for i in range(weights.size):
        k = band_of(phases[i], thresholds, per_deg, cells)
        sums[k] += weights[i]
        squares[k] += weights[i] * weights[i]


@kernel
def _weigh_rows(
    phases: npt.NDArray[np.float32],
    thresholds: FloatArray,
    cells: npt.NDArray[np.int32],
    kind: int,
    coefficients: FloatArray,
    valid_deg: FloatArray,
    energies_ev: FloatArray,
    weights: npt.NDArray[np.float32],
    room: Room,
    sums: FloatArray,
    squares: FloatArray,
) -> None:
    """Add up weights in bands, whatever the times; `room` is for as many photons and one more, see `fill_weights`."""
    chosen, energies, bins, nm, found, _ = room
    n = _choose(phases, thresholds[0], thresholds[-1], chosen)
    pixel = (kind, coefficients, valid_deg, energies_ev, weights)
    fill_weights(*pixel, chosen[:n], energies, bins, nm, found)
    _add_up(chosen[:n], found[:n], thresholds, cells, sums, squares)


@kernel
def _add_chosen(
    phases: FloatArray,
    weights: FloatArray,
    thresholds: FloatArray,
    cells: npt.NDArray[np.int32],
    chosen: FloatArray,
    weights_chosen: FloatArray,
    sums: FloatArray,
    squares: FloatArray,
) -> None:
    """Add up weights that are known, of the photons that are in a band; what is chosen has room for one more."""
    low, high = thresholds[0], thresholds[-1]
    n = 0
    for i in range(phases.size):
        chosen[n] = phases[i]
        weights_chosen[n] = weights[i]
        n += int((phases[i] >= low) & (phases[i] < high))
    _add_up(chosen[:n], weights_chosen[:n], thresholds, cells, sums, squares)


@kernel
def _weigh_pixel(
    times: npt.NDArray[np.uint32],
    phases: npt.NDArray[np.float32],
    edges_us: IntArray,
    excluded_us: IntArray,
    thresholds: FloatArray,
    cells: npt.NDArray[np.int32],
    kind: int,
    coefficients: FloatArray,
    valid_deg: FloatArray,
    energies_ev: FloatArray,
    weights: npt.NDArray[np.float32],
    room: Room,
    whole_us: IntArray,
    sums: FloatArray,
    squares: FloatArray,
    recorded: npt.NDArray[np.uint32],
    whole: FloatArray,
) -> None:
    """Weigh a pixel's photons in bins and, where `whole_us` has edges, those of any phase between them.

    ``whole[0]`` is their sum, ``whole[1]`` that of the squares.
    """
    last = thresholds.size - 1
    weighs = kind != 0 and np.isfinite(weights[0])
    some = weighs and thresholds[0] < thresholds[last]
    if some and last > 1:
        fill_cells(thresholds, cells)
    together = weighs and whole_us.size > 0
    every, energies, bins, nm, found, found_chosen = room
    pixel: Any = (kind, coefficients, valid_deg, energies_ev, weights)
    if together:
        for i in range(phases.size):
            every[i] = np.float64(phases[i])
        photons: Any = (every[: phases.size], energies, bins, nm, found)
        fill_weights(*pixel, *photons)
        any_phase = np.array([-np.inf, np.inf])
        for _, begin, stop in open_stretches(times, whole_us, excluded_us):
            image: Any = (any_phase, cells, energies, found_chosen, whole[:1], whole[1:])
            _add_chosen(every[begin:stop], found[begin:stop], *image)
    for t, begin, stop in open_stretches(times, edges_us, excluded_us):
        recorded[t] += np.uint32(stop - begin)
        if some and together:
            bands: Any = (thresholds, cells, energies, found_chosen, sums[t], squares[t])
            _add_chosen(every[begin:stop], found[begin:stop], *bands)
        elif some:
            alone: Any = (phases[begin:stop], thresholds, cells)
            added: Any = (room, sums[t], squares[t])
            _weigh_rows(*alone, *pixel, *added)


@kernel
def _weigh_chunk(
    planes: npt.NDArray[np.uint8],
    rows_a_block: int,
    row_bytes: int,
    chunk_first: int,
    stops: IntArray,
    scratch: npt.NDArray[np.uint32],
    cells: npt.NDArray[np.int32],
    edges_us: IntArray,
    excluded_us: IntArray,
    thresholds: FloatArray,
    kinds: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    valid_deg: FloatArray,
    energies_ev: FloatArray,
    weights: npt.NDArray[np.float32],
    room: Room,
    sums: FloatArray,
    squares: FloatArray,
    recorded: npt.NDArray[np.uint32],
    whole_us: IntArray,
    whole: FloatArray,
    border: FloatArray,
    border_recorded: npt.NDArray[np.uint32],
    border_whole: FloatArray,
    owners: IntArray,
) -> None:
    """Weigh a chunk's photons. Pixels that other chunks hold photons of go to `border`, and into `owners` by number.

    ``border[side, 0]`` are sums of weights, ``border[side, 1]`` of their squares.
    """
    chunk_stop = min(chunk_first + CHUNK_ROWS, stops[-1])
    n_rows = chunk_stop - chunk_first
    times, bits = scratch[0, :n_rows], scratch[1, :n_rows]
    gather(planes, rows_a_block, row_bytes, 1, 0, times)
    gather(planes, rows_a_block, row_bytes, 2, 0, bits)
    phases = bits.view(np.float32)
    owners[:] = -1
    p = np.searchsorted(stops, chunk_first, side="right")
    row = 0
    while row < n_rows:
        high = min(stops[p], chunk_stop) - chunk_first
        before = row == 0 and (stops[p - 1] if p else 0) < chunk_first
        after = stops[p] > chunk_stop
        given: Any = (
            *(times[row:high], phases[row:high], edges_us, excluded_us, thresholds[p], cells),
            *(kinds[p], coefficients[p], valid_deg[p], energies_ev, weights[p], room, whole_us),
        )
        found: Any = (sums[p], squares[p], recorded[p], whole[p])
        if before or after:
            side = 0 if before else 1
            owners[side] = p
            found = (border[side, 0], border[side, 1], border_recorded[side], border_whole[side])
        _weigh_pixel(*given, *found)
        row = high
        p += 1
        while p < stops.size and stops[p] == chunk_first + row:
            p += 1


def weigh_cube(
    file: PhotonFile,
    wavecal: WavelengthCalibration,
    flat: FlatCalibration,
    edges_us: IntArray,
    thresholds_deg: FloatArray,
    excluded_us: IntArray = NO_INTERVALS,
    progress: Progress = silent,
    stage: str = "weighing photons",
    *,
    image_us: IntArray = NOTHING,
) -> WeightedCounts:
    """Add up the weights of each pixel's photons in bins of time and of phase; see `cubes.count_cube`.

    Pixels without wavelengths or weights have 0; `FlatCalibration.weighted` tells which. With `image_us`, start and
    stop, the same pass makes an image of the photons of any phase between them, with each weight computed once.
    """
    n_pixel, n_time, n_band = file.order.size, edges_us.size - 1, thresholds_deg.shape[1] - 1
    check_size(16 * n_pixel * n_time * n_band)
    order = file.order
    sums = np.zeros((n_pixel, n_time, n_band))
    squares = np.zeros_like(sums)
    recorded = np.zeros((n_pixel, n_time), np.uint32)
    whole = np.zeros((n_pixel, 2))
    by_pixel: Any = (
        np.ascontiguousarray(thresholds_deg[order]),
        wavecal.kind.reshape(-1)[order],
        wavecal.coefficients.reshape(-1, 3)[order],
        wavecal.valid_phase_deg.reshape(-1, 2)[order],
        flat.energies_ev,
        flat.weights.reshape(n_pixel, -1)[order],
    )
    scratch = [_Scratch() for _ in range(SCAN_THREADS)]
    pieces: dict[int, list[tuple[int, tuple[npt.NDArray[Any], ...]]]] = {}

    def work(thread: int, chunk: ChunkOfRows) -> None:
        room = scratch[thread]
        borders = (
            np.zeros((2, 2, n_time, n_band)),
            np.zeros((2, n_time), np.uint32),
            np.zeros((2, 2)),
        )
        owners = np.empty(2, np.int64)
        where = (room.columns, room.cells, edges_us, excluded_us)
        found = (sums, squares, recorded, image_us, whole, *borders, owners)
        given: Any = (*chunk, *where, *by_pixel, room.photons, *found)
        _weigh_chunk(*given)
        pieces[chunk.first] = [
            (int(owners[side]), tuple(border[side] for border in borders))
            for side in (0, 1)
            if owners[side] >= 0
        ]

    file.each_chunk(work, progress, stage)
    for first in sorted(pieces):  # floats: always added in the same order
        for owner, (piece, piece_recorded, piece_whole) in pieces[first]:
            sums[owner] += piece[0]
            squares[owner] += piece[1]
            recorded[owner] += piece_recorded
            whole[owner] += piece_whole
    return WeightedCounts(*(in_order(found, order) for found in (sums, squares, recorded, whole)))


class _Scratch:
    """Buffers of one thread: columns of a chunk, the first band of each step of phase, and room for its photons."""

    def __init__(self) -> None:
        self.columns = np.empty((2, CHUNK_ROWS), np.uint32)
        self.cells = np.empty(CELLS, np.int32)
        self.photons = room_for(CHUNK_ROWS)


def room_for(n_photons: int) -> Room:
    """Return room for so many photons of a pixel, and one more where loops write before they look."""
    n = n_photons + 1
    nm = np.empty(n, np.float32)
    return np.empty(n), np.empty(n), np.empty(n, np.int64), nm, np.empty(n), np.empty(n)
