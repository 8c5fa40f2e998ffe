"""Writes what a flat field's run has to show: solutions of chunks, the combined one, and their pages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pipeline_core.errors import ConfigError, InputFormatError, OutputError
from pipeline_core.flatcal.apply import chunk_path, is_flat_solution, solution_paths
from pipeline_core.flatcal.book import write_mask_pages, write_pixel_book, write_slice_pages
from pipeline_core.flatcal.compute import FlatResult
from pipeline_core.flatcal.settings import FlatcalSettings
from pipeline_core.flatcal.solution import FlatSolution
from pipeline_core.progress import Progress, part_of, silent

__all__ = [
    "PLOTS",
    "check_outputs",
    "page_paths",
    "save_result",
    "solution_path",
    "summary_names",
    "write_pages",
]

PLOTS = ("none", "summary", "all")
"""No pages; those by wavelength of the combined solution; everything, with the books of all pixels."""


def check_outputs(settings: FlatcalSettings, *, overwrite: bool) -> Path:
    """Return the path of the combined solution, if everything can be written there.

    Raises
    ------
    ConfigError
        If the settings name none.
    OutputError
        If files of this name exist and may not be overwritten.
    """
    base = settings.out
    if base is None:
        raise ConfigError("Flat field: no path for the solution is given (calSolnPath).")
    if base.suffix != ".h5":
        base = base.with_name(base.name + ".h5")
    for path in (base, *_numbered(base)):
        if not path.exists():
            continue
        if not overwrite:
            raise OutputError(
                f"{path} exists already. Choose another base name, or ask to overwrite it."
            )
        if not is_flat_solution(path):
            raise OutputError(
                f"{path} is no flat-field solution, so it is not overwritten. Choose another base name."
            )
    return base


def _numbered(base: Path) -> tuple[Path, ...]:
    """Return the existing files that the base name means besides the combined solution."""
    try:
        found = solution_paths(base.with_name(base.name.removesuffix(".h5")))
    except InputFormatError:
        return ()
    return tuple(path for path in found if path != base)


def save_result(
    result: FlatResult, base: Path, progress: Progress = silent, *, overwrite: bool = False
) -> list[Path]:
    """Write ``<base>.h5`` and ``<base><index>.h5``; return their paths, the combined one first.

    Chunks that an earlier run has left under this base name and that this one has not are removed, once asked to
    overwrite: a base name must not mean solutions of two runs. If not all can be written, or `progress` cancels, those
    that are new are removed again.

    Raises
    ------
    OutputError
        If one exists and may not be overwritten, or cannot be written.
    """
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Folder {base.parent} cannot be created: {error.strerror}.") from error
    solutions = [result.combined, *result.chunks]
    paths = [solution_path(base, one) for one in solutions]
    new = [path for path in paths if not path.exists()]
    try:
        for k, (solution, path) in enumerate(zip(solutions, paths, strict=True)):
            progress(k, len(solutions), f"writing {path.name}")
            solution.save(path, overwrite=overwrite)
    except BaseException:
        for path in new:  # some of a run are none
            path.unlink(missing_ok=True)
        raise
    if overwrite:
        _remove_older(base, paths)
    progress(len(solutions), len(solutions), "written")
    return paths


def solution_path(base: Path, solution: FlatSolution) -> Path:
    """Return where a solution of a run is kept."""
    return base if solution.index == 0 else chunk_path(base, solution.index)


def _remove_older(base: Path, written: list[Path]) -> None:
    for path in _numbered(base):
        if path not in written and is_flat_solution(path):
            path.unlink()


def page_paths(path: Path) -> dict[str, Path]:
    """Return the pages of a solution file: by pixel, by wavelength, masks."""
    stem = path.name.removesuffix(".h5")
    return {
        "pixels": path.with_name(f"{stem}.pdf"),
        "slices": path.with_name(f"{stem}__wvlSlices.pdf"),
        "mask": path.with_name(f"{stem}__mask.pdf"),
    }


def write_pages(
    result: FlatResult, base: Path, plots: str = "summary", progress: Progress = silent
) -> list[Path]:
    """Write pages: of the combined solution those by wavelength ('summary'), or of all solutions all ('all').

    Raises
    ------
    ConfigError
        If `plots` is none of `PLOTS`.
    OutputError
        If a file cannot be written.
    """
    if plots not in PLOTS:
        raise ConfigError(f"Plots: {plots!r} is not known; choose of {', '.join(PLOTS)}.")
    if plots == "none":
        return []
    solutions = [result.combined, *result.chunks] if plots == "all" else [result.combined]
    written = []
    for k, solution in enumerate(solutions):
        share = part_of(progress, k / len(solutions), (k + 1) / len(solutions))
        pages = page_paths(solution_path(base, solution))
        written += [
            write_slice_pages(solution, pages["slices"]),
            write_mask_pages(solution, pages["mask"]),
        ]
        if plots == "all":
            written.append(write_pixel_book(solution, pages["pixels"], result.wavecal, None, share))
    written += [_summary(result.combined, base.with_name(name)) for name in summary_names(base)]
    progress(1, 1, "pages")
    return written


def summary_names(base: Path) -> list[str]:
    """Return the name of the summary page; none where matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    return [f"{base.name.removesuffix('.h5')}__summary.pdf"]


def _summary(solution: FlatSolution, path: Path) -> Path:
    from pipeline_core.flatcal.plots import write_summary

    return write_summary(solution, path)
