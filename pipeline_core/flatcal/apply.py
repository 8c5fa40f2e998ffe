"""From flat-field solutions to the weights of one observation: pixels are found by resonator, misfits are refused.

Reads of a solution file only what photons need; nothing here fits anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline_core import schema
from pipeline_core.beammap import Beammap
from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.errors import (
    CalibrationError,
    InputFormatError,
    PipelineError,
    WavecalMismatchError,
)
from pipeline_core.flags import PixelFlag
from pipeline_core.flatfield import FLATCAL_FLAGS, FlatCalibration
from pipeline_core.hdf5 import attribute, open_readonly, reading
from pipeline_core.matching import LEAST_MATCHED, camera_and_shape, places
from pipeline_core.records import check_arrays, read_record
from pipeline_core.solution_files import FLATCAL, GROUP, opened

__all__ = [
    "chunk_path",
    "flat_for",
    "is_flat_solution",
    "load_weights",
    "means_flat",
    "solution_paths",
]

_INF = np.uint32(PixelFlag["flatcal_inf_weight"])
_BELOW = np.uint32(PixelFlag["flatcal_below_range"])
_ABOVE = np.uint32(PixelFlag["flatcal_above_range"])

FloatArray = npt.NDArray[np.float64]


class SolutionLike(Protocol):
    """What must be known of a solution: a `FlatSolution` has it, and what `load_weights` returns."""

    @property
    def solution_id(self) -> str: ...
    @property
    def camera(self) -> str: ...
    @property
    def baseline(self) -> str: ...
    @property
    def settings(self) -> str: ...
    @property
    def wavecal_id(self) -> str: ...
    @property
    def wavecal_source(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def res_id(self) -> npt.NDArray[np.uint32]: ...
    @property
    def edges_nm(self) -> FloatArray: ...
    @property
    def energies_ev(self) -> FloatArray: ...
    @property
    def weights(self) -> FloatArray: ...
    @property
    def errors(self) -> FloatArray: ...
    @property
    def flags(self) -> npt.NDArray[np.uint32]: ...


@dataclass(frozen=True, eq=False)
class _PlainSolution:
    """The part of a solution that photons need."""

    solution_id: str
    camera: str
    baseline: str
    settings: str
    wavecal_id: str
    wavecal_source: str
    run_id: str
    index: int
    res_id: npt.NDArray[np.uint32]
    edges_nm: FloatArray
    energies_ev: FloatArray
    weights: FloatArray
    errors: FloatArray
    flags: npt.NDArray[np.uint32]

    def __post_init__(self) -> None:
        ncols, nrows = np.shape(self.res_id)
        n_bin = np.size(self.energies_ev)
        check_arrays(
            self,
            {
                "res_id": (np.uint32, (ncols, nrows)),
                "edges_nm": (np.float64, (n_bin + 1,)),
                "energies_ev": (np.float64, (n_bin,)),
                "weights": (np.float64, (ncols, nrows, n_bin)),
                "errors": (np.float64, (ncols, nrows, n_bin)),
                "flags": (np.uint32, (ncols, nrows)),
            },
        )


def chunk_path(base: Path, index: int) -> Path:
    """Return where the solution of a chunk is kept: beside the combined one, its number after the base name."""
    stem = base.name.removesuffix(".h5")
    return base.with_name(f"{stem}{index}.h5")


def solution_paths(path: Path) -> tuple[Path, ...]:
    """Return the solution files that a path means: itself, or all ``<base><digits>.h5`` of a base name.

    Parameters
    ----------
    path : Path
        A solution file; or a base name (with or without ``.h5``) of which no file has exactly the name.

    Raises
    ------
    InputFormatError
        If there is neither.
    """
    if path.is_file():
        return (path,)
    stem = path.name.removesuffix(".h5")
    pattern = re.compile(rf"{re.escape(stem)}(\d+)\.h5")
    found: list[tuple[int, Path]] = []
    if path.parent.is_dir() and stem:
        for file in path.parent.iterdir():
            match = pattern.fullmatch(file.name)
            if match and file.is_file():
                found.append((int(match.group(1)), file))
    if not found:
        raise InputFormatError(
            f"{path} does not exist, nor do solutions {stem}1.h5, {stem}2.h5, ... of this base name. Check the path."
        )
    return tuple(file for _, file in sorted(found))


def is_flat_solution(path: Path) -> bool:
    """Tell whether a file is a flat-field solution."""
    try:
        h5 = open_readonly(path)
    except PipelineError:
        return False
    try:
        with reading(path):
            return attribute(h5.root, "format") == schema.FLATCAL_FORMAT
    except PipelineError:
        return False
    finally:
        h5.close()


def means_flat(path: Path) -> bool:
    """Tell whether a path is a flat-field solution, or the base name of some."""
    try:
        return all(is_flat_solution(one) for one in solution_paths(path.expanduser()))
    except InputFormatError:
        return False


def load_weights(path: Path) -> SolutionLike:
    """Read of a solution file what photons need; errors as for `solution_files.opened`."""
    with opened(path, FLATCAL) as h5:
        return read_record(h5, GROUP, _PlainSolution)


def flat_for(
    solutions: Sequence[SolutionLike],
    wavecal: WavelengthCalibration | None,
    beammap: Beammap,
    camera: str,
    baseline: str,
    source: str,
    target: str,
    *,
    force: bool = False,
) -> FlatCalibration:
    """Return what solutions say about the pixels of an observation. Of several, the plain mean of the weights.

    Parameters
    ----------
    solutions : sequence of FlatSolution, or of what `load_weights` returns
        One, or those of the chunks of one run.
    wavecal : WavelengthCalibration or None
        That of the observation.
    beammap, camera, baseline
        Of the observation.
    source, target : str
        Names of solution and observation, for messages.
    force : bool
        Whether a flat made with another wavelength solution is taken all the same.

    Raises
    ------
    CalibrationError
        If it was made for another camera, baseline or (mostly) other resonators; the observation has no wavelength
        calibration, or another one; or the solutions do not belong together.
    """
    first = solutions[0]
    forced = _check(solutions, wavecal, beammap, camera, baseline, source, target, force=force)
    weights, errors = _mean(solutions)
    where = places(first.res_id.ravel(), beammap.res_id.ravel(), beammap.mapped.ravel())
    known, wanted = int(np.count_nonzero(where >= 0)), int(np.count_nonzero(beammap.mapped))
    if known < LEAST_MATCHED * wanted:
        raise CalibrationError(
            f"{source} knows only {known} of the {wanted} resonators of {target}: it was made with another beam map. "
            "Make a flat field with this one, or convert the observation with the other."
        )
    at, found = np.maximum(where, 0), where >= 0
    weights = np.where(found[:, None], weights[at], np.nan)
    errors = np.where(found[:, None], errors[at], np.nan)
    weights, errors, covered = _filled(weights, errors)
    shape = beammap.shape
    flags = np.where(found, first.flags.ravel()[at] & np.uint32(FLATCAL_FLAGS), _INF)
    flags = np.where(np.isfinite(weights[:, 0]), flags, flags | _INF).reshape(shape)
    if wavecal is not None:
        flags = flags | _beyond(wavecal, first.edges_nm)
    return FlatCalibration(
        solution_id=first.solution_id if len(solutions) == 1 else first.run_id + "-mean",
        source=source,
        settings=first.settings,
        wavecal_id=first.wavecal_id,
        wavecal_source=first.wavecal_source,
        camera=camera,
        baseline=baseline,
        forced=forced,
        edges_nm=first.edges_nm,
        energies_ev=first.energies_ev,
        weights=weights.reshape(*shape, -1).astype(np.float32),
        errors=errors.reshape(*shape, -1).astype(np.float32),
        covered=covered.reshape(*shape, 2),
        flags=flags.astype(np.uint32),
    )


def _check(
    solutions: Sequence[SolutionLike],
    wavecal: WavelengthCalibration | None,
    beammap: Beammap,
    camera: str,
    baseline: str,
    source: str,
    target: str,
    *,
    force: bool,
) -> bool:
    """Refuse what does not fit; return whether it was taken by force."""
    first = solutions[0]
    for other in solutions[1:]:
        if other.run_id != first.run_id or not other.run_id:
            raise CalibrationError(
                f"{source} means solutions of different runs. Name a single solution, or remove those that do not "
                "belong to it."
            )
    if (first.camera, first.res_id.shape) != (camera, beammap.shape):
        theirs = camera_and_shape(first.camera, first.res_id.shape)
        raise CalibrationError(
            f"{source} is a flat field of camera {theirs}; {target} is of {camera_and_shape(camera, beammap.shape)}. "
            "Choose one of the same camera."
        )
    if first.baseline != baseline:
        raise CalibrationError(
            f"{source} was made from phases with baseline '{first.baseline}', those of {target} have '{baseline}': "
            "they differ. Convert the raw files with the same choice."
        )
    if wavecal is None:
        raise CalibrationError(
            f"{target} has no wavelength calibration, which weights need. Apply solution {first.wavecal_id} "
            f"({first.wavecal_source}) first."
            if first.wavecal_id
            else f"{target} has no wavelength calibration, which weights need. Apply one first."
        )
    if first.wavecal_id in ("", wavecal.solution_id):
        return False
    if not force:
        raise WavecalMismatchError(
            f"{source} was made with wavelength solution {first.wavecal_id} ({first.wavecal_source}); {target} has "
            f"{wavecal.solution_id} ({wavecal.source}). Apply the same one, make the flat field anew, or ask to "
            "force it."
        )
    return True


def _mean(solutions: Sequence[SolutionLike]) -> tuple[FloatArray, FloatArray]:
    """Return mean weights and their errors, (n_pixel, n_bin), over the solutions that have one."""
    n_bin = solutions[0].energies_ev.size
    if len(solutions) == 1:
        one = solutions[0]
        return one.weights.reshape(-1, n_bin), one.errors.reshape(-1, n_bin)
    number = np.zeros((solutions[0].res_id.size, n_bin))
    total, squares = np.zeros_like(number), np.zeros_like(number)
    for one in solutions:
        weights, errors = one.weights.reshape(-1, n_bin), one.errors.reshape(-1, n_bin)
        good = np.isfinite(weights)
        number += good
        total += np.where(good, weights, 0.0)
        squares += np.where(good, errors**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return total / number, np.sqrt(squares) / number


def _filled(
    weights: FloatArray, errors: FloatArray
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.uint16]]:
    """Fill bins without weight from the pixel's other bins; return also the range that has weights of its own."""
    good = np.isfinite(weights)
    n_pixel, n_bin = weights.shape
    covered = np.zeros((n_pixel, 2), np.uint16)
    some = good.any(axis=1)
    covered[some, 0] = good[some].argmax(axis=1)
    covered[some, 1] = n_bin - good[some, ::-1].argmax(axis=1)
    weights, errors = weights.copy(), errors.copy()
    bins = np.arange(n_bin)
    for p in np.flatnonzero(some & ~good.all(axis=1)):
        for values in (weights, errors):
            values[p] = np.interp(bins, bins[good[p]], values[p, good[p]])
    return weights, errors, covered


def _beyond(wavecal: WavelengthCalibration, edges_nm: FloatArray) -> npt.NDArray[np.uint32]:
    """Return flags of pixels whose valid wavelengths reach beyond the flat's range."""
    limits = wavecal.edge_phases(edges_nm[[0, -1]]).reshape(*wavecal.kind.shape, 2)
    valid = wavecal.valid_phase_deg
    with np.errstate(invalid="ignore"):
        below = wavecal.calibrated & (valid[..., 0] < limits[..., 0])
        above = wavecal.calibrated & (valid[..., 1] > limits[..., 1])
    flags = np.where(below, _BELOW, np.uint32(0)) | np.where(above, _ABOVE, np.uint32(0))
    return flags.astype(np.uint32)
