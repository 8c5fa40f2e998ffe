"""From a solution to the calibration of one observation: pixels are found by resonator, misfits are refused.

Reads of a solution file only what photons need; nothing here fits anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import Beammap
from pipeline_core.calibration import WAVECAL_FLAGS, WavelengthCalibration
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.flags import PixelFlag
from pipeline_core.matching import LEAST_MATCHED, camera_and_shape, places
from pipeline_core.records import check_arrays, read_record
from pipeline_core.solution_files import GROUP, WAVECAL, opened
from pipeline_core.wavecal.curves import check_kinds

__all__ = ["calibration_for", "load_curves"]

_BAD = np.uint32(PixelFlag["wavecal_bad"])
_NOT_ATTEMPTED = np.uint32(PixelFlag["wavecal_bad"] | PixelFlag["wavecal_not_attempted"])


class _Curves(Protocol):
    @property
    def kind(self) -> npt.NDArray[np.uint8]: ...
    @property
    def coefficients(self) -> npt.NDArray[np.float64]: ...
    @property
    def covariance(self) -> npt.NDArray[np.float64]: ...
    @property
    def valid_phase_deg(self) -> npt.NDArray[np.float64]: ...


class SolutionLike(Protocol):
    """What must be known of a solution: a `Solution` has it, and what `load_curves` returns."""

    @property
    def solution_id(self) -> str: ...
    @property
    def camera(self) -> str: ...
    @property
    def baseline(self) -> str: ...
    @property
    def settings(self) -> str: ...
    @property
    def wavelengths_nm(self) -> npt.NDArray[np.float64]: ...
    @property
    def res_id(self) -> npt.NDArray[np.uint32]: ...
    @property
    def flags(self) -> npt.NDArray[np.uint32]: ...
    @property
    def curves(self) -> Any: ...


@dataclass(frozen=True, eq=False)
class _PlainCurves:
    """The part of `Curves` that photons need."""

    kind: npt.NDArray[np.uint8]
    coefficients: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]
    valid_phase_deg: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        n = np.size(self.kind)
        check_arrays(
            self,
            {
                "kind": (np.uint8, (n,)),
                "coefficients": (np.float64, (n, 3)),
                "covariance": (np.float64, (n, 3, 3)),
                "valid_phase_deg": (np.float64, (n, 2)),
            },
        )
        check_kinds(self.kind)


@dataclass(frozen=True, eq=False)
class _PlainSolution:
    """The part of a solution that photons need."""

    solution_id: str
    camera: str
    baseline: str
    settings: str
    wavelengths_nm: npt.NDArray[np.float64]
    res_id: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint32]
    curves: _PlainCurves

    def __post_init__(self) -> None:
        ncols, nrows = np.shape(self.res_id)
        whole = (np.uint32, (ncols, nrows))
        lines = (np.float64, (np.size(self.wavelengths_nm),))
        check_arrays(self, {"res_id": whole, "flags": whole, "wavelengths_nm": lines})
        if self.curves.kind.size != ncols * nrows:
            raise ConfigError(
                f"there are {self.curves.kind.size} curves for {ncols * nrows} pixels."
            )


def load_curves(path: Path) -> SolutionLike:
    """Read of a solution file what photons need; errors as for `solution_files.opened`."""
    with opened(path, WAVECAL) as h5:
        return read_record(h5, GROUP, _PlainSolution, {"curves": _PlainCurves})


def calibration_for(
    solution: SolutionLike, camera: str, baseline: str, beammap: Beammap, source: str, target: str
) -> WavelengthCalibration:
    """Return what a solution says about the pixels of an observation. They are found by resID.

    A resID that stands at several pixels of the solution is taken from the same place only. Pixels that are not in the
    solution, or are bad there, stay uncalibrated and are flagged.

    Parameters
    ----------
    solution : Solution, or what `load_curves` returns
    camera, baseline, beammap
        Of the observation.
    source, target : str
        Names of solution and observation, for messages.

    Raises
    ------
    CalibrationError
        If it was made for another camera, another treatment of baselines, or (mostly) other resonators.
    """
    if (solution.camera, solution.res_id.shape) != (camera, beammap.shape):
        theirs = camera_and_shape(solution.camera, solution.res_id.shape)
        raise CalibrationError(
            f"{source} is a solution for camera {theirs}; {target} is of "
            f"{camera_and_shape(camera, beammap.shape)}. Choose a solution of the same camera."
        )
    if solution.baseline != baseline:
        raise CalibrationError(
            f"{source} was made from phases with baseline '{solution.baseline}', those of {target} have '{baseline}': "
            "they differ. Convert the raw files with the same choice."
        )
    where = places(solution.res_id.ravel(), beammap.res_id.ravel(), beammap.mapped.ravel())
    known, wanted = int(np.count_nonzero(where >= 0)), int(np.count_nonzero(beammap.mapped))
    if known < LEAST_MATCHED * wanted:
        raise CalibrationError(
            f"{source} knows only {known} of the {wanted} resonators of {target}: it was made with another beam map. "
            "Make a solution with this one, or convert the observation with the other."
        )
    shape = beammap.shape
    at, found = np.maximum(where, 0), where >= 0
    flags = np.where(found, solution.flags.ravel()[at] & np.uint32(WAVECAL_FLAGS), _NOT_ATTEMPTED)
    curves: _Curves = solution.curves
    kind = np.where(found & ((flags & _BAD) == 0), curves.kind[at], 0)
    flags = np.where(kind > 0, flags, flags | _BAD)
    return WavelengthCalibration(
        solution_id=solution.solution_id,
        source=source,
        settings=solution.settings,
        camera=camera,
        baseline=baseline,
        wavelengths_nm=tuple(solution.wavelengths_nm.tolist()),
        kind=kind.reshape(shape).astype(np.uint8),
        coefficients=curves.coefficients[at].reshape(*shape, 3),
        covariance=curves.covariance[at].reshape(*shape, 3, 3),
        valid_phase_deg=curves.valid_phase_deg[at].reshape(*shape, 2),
        flags=flags.reshape(shape).astype(np.uint32),
    )
