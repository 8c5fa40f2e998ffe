"""What runs in the background: conversion, its check, rehearsal, demo. No Qt; light until called.

`check_conversion` runs in the thread of the chores lane, everything else in a child process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from pipeline_core.errors import InputFormatError
from pipeline_core.progress import Progress, silent

if TYPE_CHECKING:
    from pipeline_core.convert import ConversionSummary
    from pipeline_core.convert_parts import SplitSummary
    from pipeline_core.cube_products import CubeSummary
    from pipeline_core.cube_settings import CubeSettings
    from pipeline_core.obsfile import ObsFile
    from pipeline_core.older.convert import OlderSummary
    from pipeline_core.simulate import SimulationSettings

__all__ = [
    "LONGEST_S",
    "ConvertCheck",
    "ConvertForm",
    "CubeForm",
    "OlderForm",
    "bring_in",
    "check_conversion",
    "check_same",
    "convert",
    "missing_files",
    "rehearse",
    "simulate_demo",
    "write_cube",
]

LONGEST_S = 4294
"""Seconds that fit into one photon file: times are 32-bit microseconds."""

_STRAGGLERS = 0.25
"""A last file smaller than this part of the median holds what arrived after the observation's end."""


@dataclass(frozen=True)
class ConvertForm:
    """What a person fills in to convert .bin files. Paths are texts as typed.

    `shape` is '' (automatic), a camera's name or a text like '80x125'. `split`: several files, if one is too small.
    """

    bin_dir: str = ""
    start: int = 0
    duration: int = 1
    beammap: str = ""
    out: str = ""
    shape: str = ""
    baseline: str = "ignore"
    overwrite: bool = False
    open_result: bool = True
    split: bool = False


@dataclass(frozen=True)
class OlderForm:
    """A photon file of an older program that is to be brought in: paths as texts."""

    path: str
    out: str
    open_result: bool = True


@dataclass(frozen=True)
class CubeForm:
    """A cube that is to be written: of which file or files, what, and where. `file_id` is as for `check_same`."""

    paths: tuple[Path, ...]
    beammap: Path | None
    settings: CubeSettings
    out: Path
    overwrite: bool = False
    file_id: str = ""


@dataclass(frozen=True)
class ConvertCheck:
    """What a look at the disk says about a `ConvertForm`.

    Attributes
    ----------
    form : ConvertForm
        The form that was looked at.
    problem : str
        Why this conversion cannot start; '' if it can.
    field : str
        Name of the form's field that the problem is about.
    first, last, n_files : int
        Unix seconds of the first and last .bin file of the folder, and how many there are.
    run : int
        How many seconds from `first` on have complete files without a gap.
    missing : int
        Seconds of the form's range that have no file.
    writable : bool
        Whether a photon file could be written into the folder.
    beammap : str
        The beam map that belongs to the folder, where none is given; '' where none is found, or several.
    """

    form: ConvertForm
    problem: str = ""
    field: str = ""
    first: int = 0
    last: int = 0
    n_files: int = 0
    run: int = 0
    missing: int = 0
    writable: bool = True
    beammap: str = ""


def check_conversion(form: ConvertForm, *, progress: Progress = silent) -> ConvertCheck:
    """Look at folder, beam map and output, and say whether the conversion can start.

    Runs in a worker, since a network folder may take its time.
    """
    if not form.bin_dir:
        return ConvertCheck(form, "Choose the folder of the .bin files.", "bin_dir")
    from pipeline_core.binfile import scan_folder

    folder = Path(form.bin_dir).expanduser()
    try:
        seconds = scan_folder(folder).seconds
        run = _first_run(folder, seconds)
    except (InputFormatError, OSError) as error:
        return ConvertCheck(form, str(error), "bin_dir")
    problem, where = _form_problem(form, seconds)
    there = sum(form.start <= second < form.start + form.duration for second in seconds)
    return ConvertCheck(
        form,
        problem,
        where,
        first=seconds[0],
        last=seconds[-1],
        n_files=len(seconds),
        run=run,
        missing=form.duration - there,
        writable=os.access(folder, os.W_OK),
        beammap="" if form.beammap else _beammap_of(folder),
    )


def _beammap_of(folder: Path) -> str:
    """Return the beam map of a folder's raw files, as opening one of them finds it."""
    from pipeline_core.beammap_search import find_beammap_path
    from pipeline_core.errors import BeammapNeededError

    try:
        return str(find_beammap_path(folder / "any.bin"))
    except BeammapNeededError:
        return ""


def missing_files(paths: list[Path], *, progress: Progress = silent) -> set[Path]:
    """Return which of these files are not there (any more)."""
    missing = set()
    for done, path in enumerate(paths):
        progress(done, len(paths))
        if not path.exists():
            missing.add(path)
    return missing


def _first_run(folder: Path, seconds: tuple[int, ...]) -> int:
    """Return how many files follow one another from the first on, without a last one of stragglers."""
    run = 1
    while run < len(seconds) and seconds[run] == seconds[0] + run:
        run += 1
    sizes = [(folder / f"{second}.bin").stat().st_size for second in seconds[:run]]
    has_stragglers = run > 1 and sizes[-1] < _STRAGGLERS * median(sizes)
    return run - 1 if has_stragglers else run


def _form_problem(form: ConvertForm, seconds: tuple[int, ...]) -> tuple[str, str]:
    """Return the first reason not to start, and the field it is about."""
    first, last = seconds[0], seconds[-1]
    if form.duration < 1:
        return "The duration is at least 1 s.", "duration"
    if form.start > last or form.start + form.duration <= first:
        return f"No file in this range: the folder holds {first} to {last}.", "start"
    if form.duration > LONGEST_S and not form.split:
        return (
            f"More than {LONGEST_S} s need several files: tick 'Several files' or shorten the duration.",
            "duration",
        )
    if not form.beammap:
        return "Choose a beam map (text file: resID flag x y).", "beammap"
    if not Path(form.beammap).expanduser().is_file():
        return f"There is no beam map {form.beammap}.", "beammap"
    if not form.out:
        return "Choose where to write the photon file.", "out"
    out = Path(form.out).expanduser()
    if out.suffix != ".h5":
        return "The name of a photon file ends in .h5.", "out"
    if form.split and out.name != f"{form.start}.h5":
        return (
            f"Several files are named by their first second: choose {form.start}.h5 in a folder.",
            "out",
        )
    if not out.parent.is_dir():
        return f"There is no folder {out.parent}.", "out"
    if not os.access(out.parent, os.W_OK | os.X_OK):
        return f"Folder {out.parent} cannot be written: choose another one.", "out"
    if out.exists() and not form.overwrite:
        return f"{out.name} exists already: choose another name or tick 'replace'.", "out"
    return "", ""


def convert(form: ConvertForm, *, progress: Progress = silent) -> ConversionSummary | SplitSummary:
    """Run the conversion that the form describes (in a child process)."""
    from pipeline_core.beammap import parse_shape
    from pipeline_core.convert import ConvertSettings
    from pipeline_core.convert import convert as run
    from pipeline_core.convert_parts import convert_parts

    settings = ConvertSettings(
        bin_dir=Path(form.bin_dir).expanduser(),
        start=form.start,
        duration=form.duration,
        beammap=Path(form.beammap).expanduser(),
        out=Path(form.out).expanduser(),
        shape=parse_shape(form.shape) if form.shape else None,
        baseline=form.baseline,
        overwrite=form.overwrite,
        split=form.split,
    )
    return convert_parts(settings, progress) if form.split else run(settings, progress)


def bring_in(form: OlderForm, *, progress: Progress = silent) -> OlderSummary:
    """Bring in a photon file of an older program (in a child process); the dialog has asked whether to replace."""
    from pipeline_core.older.convert import convert_older

    return convert_older(Path(form.path), Path(form.out), overwrite=True, progress=progress)


def write_cube(form: CubeForm, *, progress: Progress = silent) -> CubeSummary:
    """Write a cube (in a child process)."""
    from pipeline_core.cube_products import write_cube as write
    from pipeline_core.observation import open_photons

    paths = form.paths[0] if len(form.paths) == 1 else form.paths
    with open_photons(paths, beammap=form.beammap, progress=progress) as obs:
        check_same(form.paths[0], str(obs.file_id), form.file_id)
        return write(form.out, obs, form.settings, overwrite=form.overwrite, progress=progress)


def check_same(path: Path, found: str, expected: str) -> None:
    """Check that a file is still the one that was on the screen when a job was asked for.

    Parameters
    ----------
    path : Path
    found : str
        The id that the file has now.
    expected : str
        The id it had; '' if that is not known.

    Raises
    ------
    InputFormatError
        If it is another one.
    """
    if expected and found != expected:
        raise InputFormatError(
            f"{path} was replaced by another file since it was opened. Open it again, and look at it before you go on."
        )


def rehearse(*, progress: Progress = silent) -> None:
    """Do everything once with a tiny simulated sky: leaves the compiled kernels on disk.

    Runs in a child process after an installation or update, so that the first real file is quick.
    """
    from pipeline_core import ObsFile
    from pipeline_core.photon_reader import load_kernels
    from pipeline_core.simulate import SimulationSettings
    from pipeline_core.summary_builder import load_kernels as load_summary_kernels

    load_kernels()
    load_summary_kernels()
    sky = SimulationSettings(kind="sky", seconds=1, shape=(10, 7), rate_cps=50)
    with tempfile.TemporaryDirectory(prefix="quicklook-rehearsal-") as folder:
        path = _simulate_and_convert(sky, Path(folder), Path(folder), progress)
        with ObsFile(path) as obs:
            obs.survey()
            obs.count_image(0.0, 0.5)
            obs.light_curve((3, 2), bin_s=0.01, start=0.0, stop=0.5)
            obs.intensity_histogram((3, 2), bin_s=0.01, start=0.0, stop=0.5)
            obs.spectrum((3, 2), start=0.0, stop=0.5)
            _rehearse_speckles(obs)


def _rehearse_speckles(obs: ObsFile) -> None:
    from pipeline_core.speckle.compute import compute_maps
    from pipeline_core.speckle.settings import SpeckleSettings
    from pipeline_core.speckle.study import study_pixel

    # blocks so short that a second has enough of them for a bootstrap
    settings = SpeckleSettings(with_ip=True, least_photons=10, block_s=0.05, bootstrap=2)
    compute_maps(obs, settings)
    study_pixel(obs, (3, 2), settings)


def simulate_demo(folder: Path, *, progress: Progress = silent) -> Path:
    """Simulate a small night in ``folder/night``, convert its sky, and return the photon file.

    An earlier demo's night in the same place is replaced.
    """
    from pipeline_core.simulate import SimulationSettings

    night = folder / "night"
    if (night / "night.json").is_file():  # ours, from an earlier demo
        shutil.rmtree(night)
    settings = SimulationSettings(kind="night", seconds=1, sky_seconds=10, rate_cps=100, seed=1)
    return _simulate_and_convert(settings, night, folder, progress, dashboard=True)


def _simulate_and_convert(
    settings: SimulationSettings,
    folder: Path,
    out_dir: Path,
    progress: Progress,
    *,
    dashboard: bool = False,
) -> Path:
    """Simulate, and convert the last observation; write datastreams and an observing log too if asked to."""
    from pipeline_core.convert import ConvertSettings
    from pipeline_core.convert import convert as run
    from pipeline_core.progress import part_of
    from pipeline_core.simulate import simulate
    from pipeline_core.simulate.dashboard import write_dashboard

    made = simulate(settings, folder, part_of(progress, 0.0, 0.75))
    if dashboard:
        write_dashboard(made, out_dir, part_of(progress, 0.75, 0.8), replace=True)
    last = made.observations[-1]
    conversion = ConvertSettings(
        bin_dir=made.folder,
        start=last.start,
        duration=last.seconds,
        beammap=made.beammap_path,
        out=out_dir / f"{last.start}.h5",
        shape=settings.shape,
        overwrite=True,
    )
    return run(conversion, part_of(progress, 0.8, 1.0, "converting")).path
