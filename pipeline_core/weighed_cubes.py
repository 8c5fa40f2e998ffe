"""Sums of photons' weights in bins of time and of wavelength, in one pass through a photon file.

`weigh_cube` is called by `ObsFile` for weighted images and cubes. The result does not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.calibration import WavelengthCalibration, rounded_nm
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
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal._curvekernels import ARCTAN, ENERGY_QUADRATIC, inner_energy

__all__ = ["WeightedCounts", "weigh_cube"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WeightedCounts:
    """Sums of the photons' weights, and of their squares (the variance of the sums), in bins as in `cubes.Counts`."""

    sums: FloatArray
    variances: FloatArray


@kernel
def _fill_nm(
    kind: int,
    coefficients: FloatArray,
    valid_deg: FloatArray,
    phases: FloatArray,
    nm: npt.NDArray[np.float32],
) -> None:
    """Set the wavelengths of phases, as `rounded_nm` does."""
    # first as if all photons were in its range: no branches, so that several are done at once
    a, b, c = coefficients[0], coefficients[1], coefficients[2]
    if kind == ARCTAN:
        for i in range(phases.size):
            nm[i] = np.float32(HC_EV_NM / inner_energy(ARCTAN, a, b, c, phases[i]))
    elif kind == ENERGY_QUADRATIC:
        for i in range(phases.size):
            nm[i] = np.float32(HC_EV_NM / inner_energy(ENERGY_QUADRATIC, a, b, c, phases[i]))
    low, high = valid_deg[0], valid_deg[1]
    usual = kind in (ARCTAN, ENERGY_QUADRATIC)
    for i in range(phases.size):
        if not (usual and phases[i] >= low and phases[i] <= high):
            nm[i] = rounded_nm(kind, coefficients, valid_deg, phases[i])


@kernel
def _fill_weights(
    nm: npt.NDArray[np.float32],
    energies_ev: FloatArray,
    weights: npt.NDArray[np.float32],
    out: FloatArray,
) -> None:
    """Set the weights of wavelengths, as `flatfield.weight_at` has them; the energies descend."""
    first, last = energies_ev[0], energies_ev[-1]
    top = energies_ev.size - 2
    if top < 0:
        for i in range(nm.size):
            out[i] = np.float64(weights[0]) if nm[i] > 0.0 else np.nan
        return
    per_ev = (energies_ev.size - 1) / (first - last)
    for i in range(nm.size):
        out[i] = min(max(HC_EV_NM / np.float64(nm[i]), last), first)
    for i in range(nm.size):
        energy = out[i]
        if not nm[i] > 0.0:
            out[i] = np.nan
            continue
        # bins of equal energy: the guess is right but for rounding
        k = min(int((first - energy) * per_ev), top)
        while energies_ev[k] < energy:
            k -= 1
        while energies_ev[k + 1] > energy:
            k += 1
        share = (energies_ev[k] - energy) / (energies_ev[k] - energies_ev[k + 1])
        here, after = np.float64(weights[k]), np.float64(weights[k + 1])
        out[i] = np.float64(np.float32(here + share * (after - here)))


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
    chosen: FloatArray,
    nm: npt.NDArray[np.float32],
    found: FloatArray,
    sums: FloatArray,
    squares: FloatArray,
) -> None:
    """Add up weights in bands, whatever the times; `chosen`, `nm`, `found` are room for as many photons.

    In several steps, each a loop that the compiler makes fast: three times as fast as one photon after the other.
    """
    last = thresholds.size - 1
    low, high = thresholds[0], thresholds[last]
    n = 0
    for value in phases:
        phase = np.float64(value)
        chosen[n] = phase
        n += int((phase >= low) & (phase < high))
    _fill_nm(kind, coefficients, valid_deg, chosen[:n], nm[:n])
    _fill_weights(nm[:n], energies_ev, weights, found[:n])
    if last == 1:
        total, total_squares = sums[0], squares[0]
        for i in range(n):
            total += found[i]
            total_squares += found[i] * found[i]
        sums[0], squares[0] = total, total_squares
        return
    per_deg = (cells.size - 1) / (high - low)
    for i in range(n):
        k = band_of(chosen[i], thresholds, per_deg, cells)
        sums[k] += found[i]
        squares[k] += found[i] * found[i]


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
    chosen: FloatArray,
    nm: npt.NDArray[np.float32],
    found: FloatArray,
    sums: FloatArray,
    squares: FloatArray,
) -> None:
    last = thresholds.size - 1
    if not thresholds[0] < thresholds[last] or kind == 0 or not np.isfinite(weights[0]):
        return
    if last > 1:
        fill_cells(thresholds, cells)
    for t, begin, stop in open_stretches(times, edges_us, excluded_us):
        _weigh_rows(
            phases[begin:stop],
            thresholds,
            cells,
            kind,
            coefficients,
            valid_deg,
            energies_ev,
            weights,
            chosen,
            nm,
            found,
            sums[t],
            squares[t],
        )


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
    chosen: FloatArray,
    nm: npt.NDArray[np.float32],
    found: FloatArray,
    sums: FloatArray,
    squares: FloatArray,
    border: FloatArray,
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
            *(kinds[p], coefficients[p], valid_deg[p], energies_ev, weights[p]),
            *(chosen, nm, found),
        )
        found_in: Any = (sums[p], squares[p])
        if before or after:
            side = 0 if before else 1
            owners[side] = p
            found_in = (border[side, 0], border[side, 1])
        _weigh_pixel(*given, *found_in)
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
) -> WeightedCounts:
    """Add up the weights of each pixel's photons in bins of time and of phase; see `cubes.count_cube`.

    Pixels without wavelengths or weights have 0; `FlatCalibration.weighted` tells which.
    """
    n_pixel, n_time, n_band = file.order.size, edges_us.size - 1, thresholds_deg.shape[1] - 1
    check_size(16 * n_pixel * n_time * n_band)
    order = file.order
    sums = np.zeros((n_pixel, n_time, n_band))
    squares = np.zeros_like(sums)
    by_pixel: Any = (
        np.ascontiguousarray(thresholds_deg[order]),
        wavecal.kind.reshape(-1)[order],
        wavecal.coefficients.reshape(-1, 3)[order],
        wavecal.valid_phase_deg.reshape(-1, 2)[order],
        flat.energies_ev,
        flat.weights.reshape(n_pixel, -1)[order],
    )
    scratch = [_Scratch() for _ in range(SCAN_THREADS)]
    pieces: dict[int, list[tuple[int, FloatArray]]] = {}

    def work(thread: int, chunk: ChunkOfRows) -> None:
        room = scratch[thread]
        border = np.zeros((2, 2, n_time, n_band))
        owners = np.empty(2, np.int64)
        where = (room.columns, room.cells, edges_us, excluded_us)
        found: Any = (*by_pixel, room.chosen, room.nm, room.found, sums, squares, border, owners)
        _weigh_chunk(*chunk, *where, *found)
        pieces[chunk.first] = [
            (int(owners[side]), border[side].copy()) for side in (0, 1) if owners[side] >= 0
        ]

    file.each_chunk(work, progress, stage)
    for first in sorted(pieces):  # floats: always added in the same order
        for owner, piece in pieces[first]:
            sums[owner] += piece[0]
            squares[owner] += piece[1]
    return WeightedCounts(in_order(sums, order), in_order(squares, order))


class _Scratch:
    """Buffers of one thread: columns of a chunk, the first band of each step of phase, and what `_weigh_rows` needs."""

    def __init__(self) -> None:
        self.columns = np.empty((2, CHUNK_ROWS), np.uint32)
        self.cells = np.empty(CELLS, np.int32)
        self.chosen = np.empty(CHUNK_ROWS + 1)
        self.nm = np.empty(CHUNK_ROWS, np.float32)
        self.found = np.empty(CHUNK_ROWS)
