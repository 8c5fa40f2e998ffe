"""What the dialog and the window of the wavelength calibration have done for them: plain functions, no Qt.

`calibrate` runs in a child process, everything else in the reads lane. The core is imported inside the functions;
a `Solution` of it is an opaque value here, handed back to the functions.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError, PipelineError
from pipeline_core.progress import Progress, silent

if TYPE_CHECKING:
    from pipeline_core.arraymap import ArrayMap
    from pipeline_core.wavecal.browse import CentreHistogram, PixelPage, SolutionFacts
    from pipeline_core.wavecal.laserfiles import LaserFile
    from pipeline_core.wavecal.nearby import SolutionFile
    from pipeline_core.wavecal.settings import WavecalSettings
    from quicklook.tasks import OpenFiles

__all__ = [
    "CURVE_CHOICES",
    "LINE_CHOICES",
    "LaserRow",
    "OpenSolution",
    "RBlock",
    "WavecalCheck",
    "WavecalForm",
    "calibrate",
    "check_wavecal",
    "look_at_files",
    "look_for_solutions",
    "map_of",
    "open_solution",
    "page_of",
    "read_settings",
    "refit",
    "save_solution",
    "write_pages",
    "write_settings",
]

LINE_CHOICES = {
    "gauss_tail": "one Gaussian + tail",
    "gauss_gauss": "two Gaussians",
    "gauss_gauss_tail": "two Gaussians + tail",
}
CURVE_CHOICES = {
    "linear": "linear",
    "quadratic": "quadratic",
    "arctan": "arctangent",
    "energy_quadratic": "energy quadratic in phase",
}


@dataclass(frozen=True)
class LaserRow:
    """One row of the dialog: texts as typed; `wavelength` is '' where it is not known yet."""

    wavelength: str = ""
    path: str = ""
    background: str = ""


@dataclass(frozen=True)
class WavecalForm:
    """What a person fills in to run a wavelength calibration. Paths are texts as typed."""

    lasers: tuple[LaserRow, ...] = ()
    out: str = ""
    dt_us: float = 500.0
    max_rate_cps: float = 2000.0
    bin_deg: float = 1.0
    min_photons: int = 50
    line_models: tuple[str, ...] = tuple(LINE_CHOICES)
    curve_models: tuple[str, ...] = tuple(CURVE_CHOICES)
    prior: bool = True
    frequencies: str = ""
    overwrite: bool = False
    pages: bool = False
    """Whether the eight pages are written beside the solution."""


@dataclass(frozen=True)
class WavecalCheck:
    """What a look at the disk says about a `WavecalForm`: why it cannot start ('' if it can), what to know."""

    form: WavecalForm
    problem: str = ""
    remark: str = ""


@dataclass(frozen=True, eq=False)
class RBlock:
    """News of a running calibration: a first guess of R of some pixels, from number `first` on; NaN: no line."""

    shape: tuple[int, int]
    first: int
    r: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class OpenSolution:
    """A solution that is looked at: the core's value, and what is said of it."""

    path: Path
    solution: Any
    facts: SolutionFacts
    maps: tuple[tuple[str, str], ...]
    centres: CentreHistogram
    changed: bool = False
    """Whether there are refits that are not in the file."""


# --- before ---------------------------------------------------------------------------------------


def look_at_files(paths: tuple[Path, ...], *, progress: Progress = silent) -> tuple[LaserFile, ...]:
    """Return what photon files say of their lasers."""
    from pipeline_core.wavecal.laserfiles import look_at_laser_file

    found = []
    for k, path in enumerate(paths):
        progress(k, len(paths), "look at files")
        found.append(look_at_laser_file(path))
    return tuple(found)


def _settings(form: WavecalForm) -> WavecalSettings:
    """Return the core's settings; raises `ConfigError` for what cannot be."""
    from pipeline_core.wavecal.settings import WavecalSettings

    for row in form.lasers:
        if not row.wavelength:
            raise ConfigError(f"Give the wavelength of {Path(row.path).name}, or remove it.")
    return WavecalSettings.from_mapping(
        {
            "lasers": [
                {
                    "wavelength_nm": row.wavelength,
                    "path": row.path,
                    "background": row.background or None,
                }
                for row in form.lasers
            ],
            "dt_us": form.dt_us,
            "max_rate_cps": form.max_rate_cps,
            "bin_deg": form.bin_deg,
            "min_photons": form.min_photons,
            "line_models": form.line_models,
            "curve_models": form.curve_models,
            "prior": form.prior,
            "frequencies": form.frequencies or None,
            "out": form.out or None,
        }
    )


def check_wavecal(form: WavecalForm, *, progress: Progress = silent) -> WavecalCheck:
    """Look whether a calibration could start: every file is opened, nothing is read of it."""
    progress(0, 1)
    if not form.lasers:
        return WavecalCheck(form, "Add the photon files of at least two lasers.")
    if not (form.line_models and form.curve_models):
        what = "kind of curve" if form.line_models else "model of the lines"
        return WavecalCheck(form, f"Tick at least one {what}.")
    try:
        settings = _settings(form)
        problem = _out_problem(form)
        if not problem:
            settings.check_inputs()
    except PipelineError as error:
        text = str(error).removeprefix("Wavelength calibration: ")
        return WavecalCheck(form, text[:1].upper() + text[1:])
    remark = "" if len(form.lasers) > 2 else "Two lasers give a straight line at best: no check."
    return WavecalCheck(form, problem, remark)


def _out_problem(form: WavecalForm) -> str:
    if not form.out:
        return "Choose the solution file to write."
    out = Path(form.out).expanduser()
    if out.is_dir():
        return f"{out} is a folder: give the solution file a name."
    if not out.parent.is_dir():
        return f"Folder {out.parent} does not exist."
    if not os.access(out.parent, os.W_OK):
        return f"Folder {out.parent} cannot be written: choose another."
    if out.exists() and not form.overwrite:
        return f"{out.name} exists already: choose another name, or tick “Replace”."
    return ""


def read_settings(path: Path, *, progress: Progress = silent) -> WavecalForm:
    """Read a settings file (YAML) as a form."""
    from pipeline_core.wavecal.settings import WavecalSettings

    progress(0, 1)
    settings = WavecalSettings.from_yaml(path)
    return WavecalForm(
        lasers=tuple(
            LaserRow(f"{one.wavelength_nm:g}", str(one.path), str(one.background or ""))
            for one in settings.lasers
        ),
        out=str(settings.out or ""),
        dt_us=settings.dt_us,
        max_rate_cps=settings.max_rate_cps,
        bin_deg=settings.bin_deg,
        min_photons=settings.min_photons,
        line_models=settings.line_models,
        curve_models=settings.curve_models,
        prior=settings.prior,
        frequencies=str(settings.frequencies or ""),
    )


def write_settings(form: WavecalForm, path: Path, *, progress: Progress = silent) -> Path:
    """Write a form as a settings file that the command line takes too."""
    progress(0, 1)
    return _settings(form).save_yaml(path)


def look_for_solutions(
    files: OpenFiles, token: int, folders: tuple[Path, ...], *, progress: Progress = silent
) -> tuple[SolutionFile, ...]:
    """Return the solutions in some folders that are nearest in time to an open file."""
    from pipeline_core.wavecal.nearby import nearby_solutions

    obs = files.handle(token)
    middle = obs.start_unix + 0.5 * obs.exposure_s
    fits = (obs.camera, obs.baseline, obs.beammap)
    return nearby_solutions(folders, middle, fits, progress)


# --- the calibration, in a child process ------------------------------------------------------------


def calibrate(form: WavecalForm, *, progress: Progress, news: Callable[[RBlock], None]) -> Path:
    """Run the calibration and write the solution, and pages if they are wanted; returns the solution's path."""
    from pipeline_core.progress import part_of
    from pipeline_core.wavecal.compute import run

    settings = _settings(form)
    draw = _drawing() if form.pages else None
    shape = settings.check_inputs().beammap.shape
    last = 0.85 if draw else 0.98
    news(RBlock(shape, 0, np.empty(0, np.float32)))

    def tell(first: int, r: npt.NDArray[np.float64]) -> None:
        news(RBlock(shape, first, r.astype(np.float32)))

    solution = run(settings, part_of(progress, 0.0, last), watch=tell)
    progress(int(1000 * last), 1000, "write the solution")
    out = Path(form.out).expanduser()
    solution.save(out, overwrite=form.overwrite)
    if draw is not None:
        progress(880, 1000, "draw the pages")
        draw(solution, pages_folder(out))
    return out


def pages_folder(out: Path) -> Path:
    """Return where the pages of a solution go."""
    return out.with_name(f"{out.stem}_pages")


def _drawing() -> Callable[..., Any]:
    try:
        from pipeline_core.wavecal.plots import write_plots
    except ModuleNotFoundError as error:
        raise ConfigError(
            "The pages need matplotlib: install it with pip install 'quicklook[plots]', or leave them out."
        ) from error
    return write_plots


# --- after ------------------------------------------------------------------------------------------


def open_solution(path: Path, *, progress: Progress = silent) -> OpenSolution:
    """Read a solution file to be looked at."""
    from pipeline_core.wavecal.solution import load_solution

    progress(0, 1, "read the solution")
    return _opened(path, load_solution(path))


def _opened(path: Path, solution: Any, *, changed: bool = False) -> OpenSolution:
    from pipeline_core.wavecal.browse import centre_histogram, map_names, solution_facts

    facts = solution_facts(solution)
    maps = map_names(facts.wavelengths_nm)
    return OpenSolution(path, solution, facts, maps, centre_histogram(solution), changed)


def map_of(opened: OpenSolution, name: str, *, progress: Progress = silent) -> ArrayMap:
    """Return a map of a solution."""
    from pipeline_core.wavecal.browse import array_map

    progress(0, 1)
    return array_map(opened.solution, name)


def page_of(
    opened: OpenSolution, pixel: tuple[int, int], *, progress: Progress = silent
) -> PixelPage:
    """Return everything about one pixel of a solution."""
    from pipeline_core.wavecal.browse import pixel_page

    progress(0, 1)
    return pixel_page(opened.solution, pixel)


def refit(
    opened: OpenSolution,
    pixel: tuple[int, int],
    line_models: tuple[str, ...],
    curve_models: tuple[str, ...],
    *,
    progress: Progress = silent,
) -> OpenSolution:
    """Fit a pixel again by other models; the file does not change."""
    from pipeline_core.wavecal.refit import refit_pixel

    progress(0, 1, "fit the pixel again")
    again = refit_pixel(opened.solution, pixel, line_models=line_models, curve_models=curve_models)
    return _opened(opened.path, again, changed=True)


def save_solution(
    opened: OpenSolution, path: Path, overwrite: bool, *, progress: Progress = silent
) -> OpenSolution:
    """Write a solution that was changed by hand to a file of its own."""
    progress(0, 1, "write the solution")
    opened.solution.save(path, overwrite=overwrite)
    return replace(opened, path=path, changed=False)


def write_pages(opened: OpenSolution, folder: Path, *, progress: Progress = silent) -> list[Path]:
    """Write the eight pages of a solution as PDF."""
    progress(0, 1, "draw the pages")
    return list(_drawing()(opened.solution, folder))
