"""Which wavelength solutions lie in some folders, how good they are, and how near in time to an observation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import Beammap
from pipeline_core.errors import PipelineError
from pipeline_core.flags import PixelFlag
from pipeline_core.progress import Progress, silent
from pipeline_core.records import read_record
from pipeline_core.schema import SIDECAR_ENDING
from pipeline_core.solution_files import GROUP, WAVECAL, opened
from pipeline_core.wavecal.apply import (
    calibration_for,
    load_curves,
)

__all__ = ["SolutionFile", "nearby_solutions", "read_solution_file"]

_MOST_FILES = 2000


@dataclass(frozen=True)
class SolutionFile:
    """A wavelength solution on the disk, as far as one must know to choose among several.

    Attributes
    ----------
    path : Path
    solution_id, camera : str
    taken_unix : float
        Middle of the laser exposures; when it was computed where those are not known.
    wavelengths_nm : tuple of float
    n_pixel, n_calibrated : int
    median_r : float
        Of the lines of calibrated pixels; NaN where there is none.
    age_s : float
        Of the lasers at the time that was asked for; negative: they came later.
    obstacle : str
        Why it does not fit the observation; '' if it does, or if there is none.
    """

    path: Path
    solution_id: str
    camera: str
    taken_unix: float
    wavelengths_nm: tuple[float, ...]
    n_pixel: int
    n_calibrated: int
    median_r: float
    age_s: float = math.nan
    obstacle: str = ""


@dataclass(frozen=True, eq=False)
class _Kinds:
    kind: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Brief:
    """The part of a solution that tells its time and its quality."""

    solution_id: str
    camera: str
    created_unix: float
    inputs: list[dict[str, Any]]
    wavelengths_nm: npt.NDArray[np.float64]
    flags: npt.NDArray[np.uint32]
    resolving_power: npt.NDArray[np.float64]
    curves: _Kinds


def read_solution_file(path: Path | str) -> SolutionFile:
    """Read of a solution what one must know to choose it.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no solution.
    SchemaVersionError
        If a newer version wrote it.
    """
    path = Path(path).expanduser()
    with opened(path, WAVECAL) as h5:
        found = read_record(h5, GROUP, _Brief, {"curves": _Kinds})
    good = found.curves.kind > 0
    good &= (found.flags.ravel() & np.uint32(PixelFlag["wavecal_bad"])) == 0
    r = found.resolving_power[good]
    r = r[np.isfinite(r)]
    return SolutionFile(
        path=path,
        solution_id=found.solution_id,
        camera=found.camera,
        taken_unix=_taken(found),
        wavelengths_nm=tuple(found.wavelengths_nm.tolist()),
        n_pixel=int(good.size),
        n_calibrated=int(good.sum()),
        median_r=float(np.median(r)) if r.size else math.nan,
    )


def nearby_solutions(
    folders: Iterable[Path],
    at_unix: float,
    observation: tuple[str, str, Beammap] | None = None,
    progress: Progress = silent,
) -> tuple[SolutionFile, ...]:
    """Return the solutions in some folders, those that fit first, and of these the nearest in time.

    Parameters
    ----------
    folders : iterable of Path
        Looked through without their subfolders; those that cannot be read are passed over.
    at_unix : float
        Unix second that ages refer to.
    observation : (camera, baseline, beam map), optional
        What they would be applied to.
    progress : Progress
        May cancel.
    """
    paths: dict[Path, None] = {}
    for folder in folders:
        try:
            names = sorted(folder.absolute().glob("*.h5"))
        except OSError:
            continue
        paths.update(dict.fromkeys(p for p in names if not p.name.endswith(SIDECAR_ENDING)))
    found = []
    chosen = list(paths)[:_MOST_FILES]
    for k, path in enumerate(chosen):
        progress(k, len(chosen), "look for solutions")
        one = _solution_at(path)
        if one is not None:
            found.append(_aged(one, at_unix, observation))
    return tuple(sorted(found, key=lambda one: (bool(one.obstacle), abs(one.age_s), one.path.name)))


def _solution_at(path: Path) -> SolutionFile | None:
    """Return what a file says if it is a solution that can be read."""
    try:
        return read_solution_file(path)
    except PipelineError:
        return None


def _taken(found: _Brief) -> float:
    """Return the middle of the laser exposures."""
    lasers = [one for one in found.inputs if math.isfinite(one["wavelength_nm"])]
    if not lasers:
        return float(found.created_unix)
    first = min(one["start_unix"] for one in lasers)
    last = max(one["start_unix"] + one["exposure_s"] for one in lasers)
    return 0.5 * float(first + last)


def _aged(
    one: SolutionFile, at_unix: float, observation: tuple[str, str, Beammap] | None
) -> SolutionFile:
    obstacle = ""
    if observation is not None:
        camera, baseline, beammap = observation
        try:
            calibration_for(
                load_curves(one.path), camera, baseline, beammap, one.path.name, "this observation"
            )
        except PipelineError as error:
            obstacle = str(error)
    return replace(one, age_s=at_unix - one.taken_unix, obstacle=obstacle)
