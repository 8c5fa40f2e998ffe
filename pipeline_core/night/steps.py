"""What the tasks of a night do, each a function of plain values: it can run in any process, on any machine.

Results appear whole or not at all. A result that stands there already, from a run that was interrupted, is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.progress import Progress, part_of, silent

if TYPE_CHECKING:
    from pipeline_core.cube_settings import CubeSettings
    from pipeline_core.cubereads import WeightedImage

__all__ = ["STEPS", "TOGETHER", "do", "do_together"]

Arguments = Mapping[str, Any]
Task = tuple[Arguments, tuple[Path, ...]]

_COUNTING, _PARTS = 9, 10
"""Parts of the work of an image that counting is."""


def do(
    kind: str, arguments: Arguments, outputs: tuple[Path, ...], progress: Progress = silent
) -> str:
    """Do one task; returns a sentence about the result. Nothing is left of one that `progress` cancels.

    Raises
    ------
    PipelineError
        Whatever is wrong with its inputs or outputs.
    """
    from pipeline_core.compile_progress import telling_of_compilation

    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
    with telling_of_compilation(progress) as report:
        return STEPS[kind](arguments, outputs, report)


def do_together(
    kinds: tuple[str, ...], tasks: tuple[Task, ...], progress: Progress = silent
) -> list[str]:
    """Do several tasks of one observation in one reading; returns a sentence about each.

    Parameters
    ----------
    kinds : tuple of str
        One of `TOGETHER`.
    tasks : tuple of (arguments, outputs)
        One of each kind.
    progress : Progress
        May cancel; some of the results may be there then, whole.

    Raises
    ------
    PipelineError
        Whatever is wrong with an input or output of any of them.
    """
    from pipeline_core.compile_progress import telling_of_compilation

    for path in (path for _, outputs in tasks for path in outputs):
        path.parent.mkdir(parents=True, exist_ok=True)
    with telling_of_compilation(progress) as report:
        return TOGETHER[kinds](tasks, report)


# the core is imported inside the steps: each process needs a part of it only


def _convert(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    from pipeline_core.convert import ConvertSettings, convert

    _forget_sidecar(outputs[0])
    summary = convert(
        ConvertSettings(
            Path(given["bin_dir"]),
            given["start"],
            given["duration"],
            Path(given["beammap"]),
            outputs[0],
            overwrite=True,
        ),
        progress,
    )
    return "; ".join((*summary.lines(), *summary.warnings))


def _wavecal(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    import numpy as np

    from pipeline_core.wavecal.compute import run
    from pipeline_core.wavecal.settings import Laser, WavecalSettings

    background = None if given["background"] is None else Path(given["background"])
    lasers = tuple(Laser(nm, Path(path), background) for nm, path in given["lasers"])
    solution = run(WavecalSettings(lasers), progress)
    solution.save(outputs[0], overwrite=True)
    good = int(np.count_nonzero(solution.curves.kind))
    return f"{good:,} of {solution.res_id.size:,} pixels have wavelengths"


def _pages(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    from pipeline_core.wavecal.plots import write_plots
    from pipeline_core.wavecal.solution import load_solution

    progress(0, 1, "reading the solution")
    solution = load_solution(Path(given["solution"]))
    with _nothing_left(outputs):
        write_plots(solution, outputs[0].parent, given["pages"], progress=progress)
    return f"{len(outputs)} pages"


def _flatcal(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    import numpy as np

    from pipeline_core.flatcal.compute import run
    from pipeline_core.flatcal.settings import FlatcalSettings

    settings = FlatcalSettings(
        flats=tuple(Path(path) for path in given["flats"]),
        out=outputs[0],
        wavecal=Path(given["wavecal"]),
        exp_time_s=given["exp_time_s"],
        int_time_s=given["int_time_s"],
    )
    combined = run(settings, progress).combined
    combined.save(outputs[0], overwrite=True)
    good = int(np.count_nonzero(np.isfinite(combined.weights).any(axis=-1)))
    return f"{good:,} pixels have weights"


def _badpixels(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    from pipeline_core.badpixels.compute import find_bad_pixels
    from pipeline_core.badpixels.settings import BadPixelSettings

    found = find_bad_pixels(Path(given["photons"]), BadPixelSettings(), progress)
    found.save(outputs[0], overwrite=True)
    return f"{len(found.pixels):,} pixels are bad"


def _cosmics(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    from pipeline_core.timemask.compute import find_bursts
    from pipeline_core.timemask.settings import BurstSettings

    found = find_bursts(Path(given["photons"]), BurstSettings(), progress)
    found.save(outputs[0], overwrite=True)
    return f"{len(found.intervals_us):,} bursts"


def _attach(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    """Attach solutions and masks to a photon file of the database, whose sidecar is made anew."""
    from pipeline_core import ObsFile

    path = Path(given["photons"])
    _forget_sidecar(path)
    with _nothing_left(outputs), ObsFile(path, mode="write") as obs, obs.together():
        obs.annotate("reduced by a night's pipeline")
        attach: dict[str, Callable[[Path], Any]] = {
            "wavecal": obs.apply_wavecal,
            "flatcal": obs.apply_flatcal,
            "badpixels": obs.apply_badpixels,
            "cosmics": obs.apply_timemask,
        }
        solutions = given["solutions"]
        for number, (kind, solution) in enumerate(solutions):
            progress(number, len(solutions), f"attaching {kind}")
            attach[kind](Path(solution))
    return f"{len(given['solutions'])} solutions and masks attached"


def _image(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    from pipeline_core import ObsFile
    from pipeline_core.export import export_image

    counting = part_of(progress, 0.0, _COUNTING / _PARTS, "counting photons")
    counting(0, 1)
    with ObsFile(Path(given["photons"])) as obs:
        if given["weighted"]:
            image, variance = obs.weighted_image(progress=counting)
        else:
            image, variance = obs.count_image(progress=counting), None
        progress(_COUNTING, _PARTS, "writing to disk")
        export_image(outputs[0], obs, image, variance=variance, overwrite=True)
        return f"{obs.n_photons:,} photons"


def _cube(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    from pipeline_core import ObsFile
    from pipeline_core.cube_products import write_cube

    settings = _cube_settings(given)
    with ObsFile(Path(given["photons"])) as obs:
        summary = write_cube(outputs[0], obs, settings, overwrite=True, progress=progress)
    return summary.sentence


def _cube_settings(given: Arguments) -> CubeSettings:
    from pipeline_core.cube_settings import CubeSettings

    values = dict(given["cube"])
    if "edges_nm" in values:
        values["edges_nm"] = tuple(values["edges_nm"])
    return CubeSettings(**values)


def _image_and_cube(tasks: tuple[Task, ...], progress: Progress) -> list[str]:
    """Weigh the photons of an observation once, for its weighted image and its weighted cube."""
    from pipeline_core import ObsFile
    from pipeline_core.cube_products import write_cube
    from pipeline_core.export import export_image

    (given, (image_path,)), (cube_given, (cube_path,)) = tasks
    with ObsFile(Path(given["photons"])) as obs:

        def save(found: WeightedImage) -> None:
            export_image(image_path, obs, found.image, variance=found.variance, overwrite=True)

        how: Any = {"overwrite": True, "progress": progress, "with_image": save}
        summary = write_cube(cube_path, obs, _cube_settings(cube_given), **how)
        return [f"{obs.n_photons:,} photons", summary.sentence]


def _stack(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    import numpy as np

    from pipeline_core.stacking.settings import StackSettings
    from pipeline_core.stacking.stack import write_stack

    settings = StackSettings.from_dict(given["stack"])
    photons = [Path(path) for path in given["photons"]]
    summary = write_stack(outputs[0], photons, settings, overwrite=True, progress=progress)
    found = zip(
        given["names"], summary.registration.offsets, summary.registration.errors, strict=True
    )
    offsets = ", ".join(
        f"{name} at {x:.2f}, {y:.2f}"
        + (f" (errors {ex:.2f}, {ey:.2f})" if np.isfinite(ex) and ex > 0 else "")
        for name, (x, y), (ex, ey) in found
    )
    return f"{len(summary.names)} frames; pixels from the first: {offsets}"


def _speckle(given: Arguments, outputs: tuple[Path, ...], progress: Progress) -> str:
    from pipeline_core import ObsFile
    from pipeline_core.speckle.compute import compute_maps
    from pipeline_core.speckle.files import save_maps
    from pipeline_core.speckle.settings import SpeckleSettings

    with ObsFile(Path(given["photons"])) as obs:
        maps = compute_maps(obs, SpeckleSettings.from_mapping(given["speckle"]), progress)
    save_maps(outputs[0], maps, overwrite=True)
    counted = ", ".join(f"{name} {n:,}" for name, n in maps.status_counts().items())
    return f"pixels {counted}; tau {maps.tau_s:.3g} s"


@contextmanager
def _nothing_left(outputs: tuple[Path, ...]) -> Iterator[None]:
    """Remove what a step has made when it does not come to its end, where it makes more than one file or step."""
    try:
        yield
    except BaseException:
        for path in outputs:
            path.unlink(missing_ok=True)
        raise


def _forget_sidecar(path: Path) -> None:
    path.with_suffix(".cal.h5").unlink(missing_ok=True)


STEPS: dict[str, Callable[[Arguments, tuple[Path, ...], Progress], str]] = {
    "convert": _convert,
    "wavecal": _wavecal,
    "pages": _pages,
    "flatcal": _flatcal,
    "badpixels": _badpixels,
    "cosmics": _cosmics,
    "attach": _attach,
    "image": _image,
    "cube": _cube,
    "stack": _stack,
    "speckle": _speckle,
}
"""Kind of a task -> what it does."""

TOGETHER: dict[tuple[str, ...], Callable[[tuple[Task, ...], Progress], list[str]]] = {
    ("image", "cube"): _image_and_cube,
}
"""Kinds of tasks that are quicker together -> what does them, in this order."""
