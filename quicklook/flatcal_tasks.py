"""What the dialog and the window of the flat field have done for them: plain functions, no Qt.

`make_flat` runs in a child process, everything else in the reads lane. The core is imported inside the functions; a
`FlatSolution` of it is an opaque value here, handed back to the functions.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import OperationCancelled, PipelineError
from pipeline_core.progress import Progress, part_of, silent

if TYPE_CHECKING:
    from pipeline_core.arraymap import ArrayMap
    from pipeline_core.flatcal.browse import FlatFacts, FlatPage
    from pipeline_core.flatcal.config import FlatConfig

__all__ = [
    "PLOT_CHOICES",
    "FlatCheck",
    "FlatForm",
    "OpenFlat",
    "check_flat",
    "flat_map_of",
    "flat_page_of",
    "make_flat",
    "open_flat",
    "read_config",
    "write_book",
    "write_config",
]

PLOT_CHOICES = {
    "none": "no pages",
    "summary": "pages by wavelength and a summary",
    "all": "everything, with a book of all pixels",
}


@dataclass(frozen=True)
class FlatForm:
    """What a person fills in to make a flat field: the values of the guide's configuration, by section and key.

    `folder` is where relative paths start; `plots` a key of `PLOT_CHOICES`.
    """

    values: tuple[tuple[tuple[str, str], Any], ...] = ()
    folder: str = ""
    overwrite: bool = False
    plots: str = "summary"


@dataclass(frozen=True)
class FlatCheck:
    """What a look at the disk says about a `FlatForm`: why it cannot start ('' if it can), and what to know."""

    form: FlatForm
    problem: str = ""
    remark: str = ""


@dataclass(frozen=True, eq=False)
class OpenFlat:
    """A flat field that is looked at: the core's value and its wavelength calibration, and what is said of them."""

    path: Path
    solution: Any
    wavecal: Any
    facts: FlatFacts
    maps: tuple[tuple[str, str], ...]


def _config(form: FlatForm) -> FlatConfig:
    from pipeline_core.flatcal.config import config_of
    from pipeline_core.flatcal.parameters import SECTIONS

    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for (section, key), value in form.values:
        values[section][key] = value
    return config_of(values, "The form", Path(form.folder or "."))


def read_config(path: Path, *, progress: Progress = silent) -> FlatForm:
    """Read a configuration (.cfg or YAML) as a form."""
    from pipeline_core.flatcal.config import load_config

    progress(0, 1)
    config = load_config(path)
    values = tuple(
        ((section, key), _frozen(value))
        for section, keys in config.values.items()
        for key, value in keys.items()
    )
    return FlatForm(values, str(config.folder))


def _frozen(value: Any) -> Any:
    """Return a value that forms can be compared by."""
    return tuple(value) if isinstance(value, list) else value


def write_config(form: FlatForm, path: Path, *, progress: Progress = silent) -> Path:
    """Write a form as a commented .cfg that the command line takes too."""
    from pipeline_core.flatcal.config import write_default

    progress(0, 1)
    return write_default(path, overwrite=True, values=_config(form).values)


def check_flat(form: FlatForm, *, progress: Progress = silent) -> FlatCheck:
    """Look whether a flat field could be made: every file is opened, nothing is read of it."""
    from pipeline_core.flatcal.outputs import check_outputs
    from pipeline_core.flatcal.spectra import check_inputs

    progress(0, 1)
    try:
        settings = _config(form).settings()
        base = check_outputs(settings, overwrite=form.overwrite)
        inputs = check_inputs(settings)
    except PipelineError as error:
        text = str(error).removeprefix("The form: ").removeprefix("Flat field: ")
        return FlatCheck(form, text[:1].upper() + text[1:])
    if base.parent.exists() and not os.access(base.parent, os.W_OK):
        return FlatCheck(form, f"Folder {base.parent} cannot be written: choose another.")
    return FlatCheck(form, "", " ".join(inputs.warnings))


def make_flat(form: FlatForm, *, progress: Progress) -> Path:
    """Make the flat field, write solutions and pages; returns the path of the combined solution."""
    from pipeline_core.flatcal.compute import run
    from pipeline_core.flatcal.outputs import check_outputs, save_result, write_pages

    settings = _config(form).settings()
    base = check_outputs(settings, overwrite=form.overwrite)
    last = 0.9 if form.plots == "none" else 0.6
    result = run(settings, part_of(progress, 0.0, last))
    progress(int(1000 * last), 1000, "write solutions")
    paths = save_result(result, base, overwrite=form.overwrite)  # all of them, or none
    with contextlib.suppress(OperationCancelled):  # the solutions are there all the same
        write_pages(result, base, form.plots, part_of(progress, last + 0.1, 1.0))
    return paths[0]


def open_flat(path: Path, *, progress: Progress = silent) -> OpenFlat:
    """Read a flat-field solution to be looked at."""
    from pipeline_core.flatcal.browse import MAPS, flat_facts, wavecal_of
    from pipeline_core.flatcal.solution import load_solution

    progress(0, 1, "read the flat field")
    solution = load_solution(path)
    return OpenFlat(path, solution, wavecal_of(solution), flat_facts(solution), MAPS)


def flat_map_of(
    opened: OpenFlat, name: str, bin_number: int, *, progress: Progress = silent
) -> ArrayMap:
    """Return a map of one bin of wavelength."""
    from pipeline_core.flatcal.browse import flat_map

    progress(0, 1)
    return flat_map(opened.solution, name, bin_number)


def flat_page_of(
    opened: OpenFlat, pixel: tuple[int, int], *, progress: Progress = silent
) -> FlatPage:
    """Return everything about one pixel of a flat field."""
    from pipeline_core.flatcal.browse import flat_page

    progress(0, 1)
    return flat_page(opened.solution, pixel, opened.wavecal)


def write_book(solution: Path, path: Path, *, progress: Progress = silent) -> Path:
    """Write the book of all pixels of a solution file: weights, spectrum, wavelength solution."""
    from pipeline_core.flatcal.book import write_pixel_book
    from pipeline_core.flatcal.browse import wavecal_of
    from pipeline_core.flatcal.solution import load_solution

    loaded = load_solution(solution)
    wavecal = wavecal_of(loaded)
    known = None if isinstance(wavecal, str) else wavecal
    return write_pixel_book(loaded, path, known, None, progress)
