"""Scripts that make what is on the screen again, with `pipeline_core` alone: for "Copy as Python".

Numbers are written so that not a digit is lost, and paths so that no letter can break the script.
"""

from __future__ import annotations

import dataclasses
import pprint
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core import __version__
from pipeline_core.speckle.settings import SpeckleSettings
from quicklook.requests import (
    CountsRequest,
    HistogramRequest,
    LightCurveRequest,
    PhaseRequest,
    PixelRequest,
    Request,
)

if TYPE_CHECKING:
    from quicklook.file_facts import FileFacts
    from quicklook.speckle_tasks import StudyRequest

__all__ = [
    "flags_snippet",
    "image_snippet",
    "plot_snippet",
    "regions_snippet",
    "speckle_snippet",
    "study_snippet",
]

_WIDTH = 88
_SPECKLE_IMPORT = "from pipeline_core.speckle.settings import Prior, SpeckleSettings"


def image_snippet(facts: FileFacts, request: CountsRequest, beammap: Path | None = None) -> str:
    """Return a script that leaves the counts of every pixel in ``image``, [x, y].

    Parameters
    ----------
    facts : FileFacts
        Of the open file.
    request : CountsRequest
        What the image on the screen was asked with.
    beammap : path, optional
        The beam map that a raw file or frame was opened with, if it was chosen by hand.
    """
    command = ""
    if request.frame is None:
        command = _command(facts, "image", request, beammap, "image.fits")
    return _script(
        facts,
        f"{'Weighted' if request.weighted else 'Raw'} counts, {_window(facts, request)}",
        command,
        [f"image = {_image_call(facts, request)}"],
        ["# image[x, y]: counts", "print(image.shape, image.sum())"],
        beammap,
    )


def flags_snippet(facts: FileFacts, beammap: Path | None = None) -> str:
    """Return a script that leaves the flag bits of every pixel in ``flags``, [x, y], and prints their names.

    Parameters as for `image_snippet`.
    """
    return _script(
        facts,
        "Flags of the pixels",
        "",
        ["flags = obs.flags.copy()"],
        [
            "for bits in sorted(set(flags.ravel().tolist())):",
            "    names = flag_names(bits) or ('no flag',)",
            "    print((flags == bits).sum(), 'pixels:', ', '.join(names))",
        ],
        beammap,
        imports=["from pipeline_core.flags import flag_names"],
    )


def speckle_snippet(
    facts: FileFacts, settings: SpeckleSettings, name: str, step: int, beammap: Path | None = None
) -> str:
    """Return a script that leaves all speckle maps in ``maps`` and one, [x, y], in ``image``.

    `name` and `step` are those of the map. Other parameters as for `image_snippet`.
    """
    return _script(
        dataclasses.replace(facts, trial=None),  # maps are made with what is attached
        f"Speckle maps in bins of {1e3 * settings.bin_s:g} ms",
        "",
        ["maps = compute_maps(obs, settings)"],
        [
            f"image = maps.image({name!r}, {step})",
            "# image[x, y]; the others: maps.maps, [step, x, y]",
            "print(maps.status_counts())",
        ],
        beammap,
        [_speckle_settings(settings)],
        ["from pipeline_core.speckle.compute import compute_maps", _SPECKLE_IMPORT],
    )


def study_snippet(
    facts: FileFacts, request: StudyRequest, pixel: tuple[int, int], beammap: Path | None = None
) -> str:
    """Return a script that leaves the study of one pixel among speckles in ``study``.

    `request` is what the study on the screen was asked with. Other parameters as for `image_snippet`.
    """
    more = "" if request.tau_s is None else f", tau_s={float(request.tau_s)!r}"
    more += f", step={request.step}" if request.step else ""
    return _script(
        facts,
        f"Speckles of pixel {pixel}",
        "",
        [f"study = study_pixel(obs, pixel, settings{more})"],
        [
            "# study.occurrences, .expected, .moments, .samples, .contours, .decorrelation",
            "if study.fit is not None:",
            "    print(study.fit.values, study.fit.block_errors)  # Ic, Is, Ip, counts/s",
        ],
        beammap,
        [*_pixel_lines([pixel]), _speckle_settings(request.settings)],
        ["from pipeline_core.speckle.study import study_pixel", _SPECKLE_IMPORT],
    )


def _speckle_settings(settings: SpeckleSettings) -> str:
    """Return the assignment of settings: what differs from the usual ones."""
    usual = SpeckleSettings()
    values = {item.name: getattr(settings, item.name) for item in dataclasses.fields(settings)}
    changed = [f"{name}={v!r}" for name, v in values.items() if v != getattr(usual, name)]
    return f"settings = SpeckleSettings({', '.join(changed)})"


def plot_snippet(
    facts: FileFacts, request: PixelRequest, beammap: Path | None = None, per: str = "bin"
) -> str:
    """Return a script that computes what a plot shows: ``curve``, ``histogram`` or ``spectrum``.

    `per` is the unit of a spectrum's counts on the screen: with 'deg', 'nm' or 'eV' the script makes
    ``density`` and ``error`` too. Other parameters as for `image_snippet`.
    """
    recipe = _recipe(facts, request, per)
    single = len(request.pixels) == 1
    command = ""
    if recipe.command and single:
        x, y = request.pixel
        extra = ["--pixel", str(x), str(y), *recipe.options]
        out = f"{recipe.name}.fits"
        command = _command(facts, recipe.command, request, beammap, out, extra)
    label = request.label or ("a pixel" if single else f"{len(request.pixels)} pixels")
    return _script(
        facts,
        f"{recipe.title} of {label}, {_window(facts, request)}",
        command,
        [recipe.call],
        recipe.after,
        beammap,
        _pixel_lines(request.pixels),
    )


@dataclass(frozen=True)
class _Recipe:
    """How one kind of plot is made: variable, call, the lines after it, the command that does the same."""

    title: str
    name: str
    call: str
    after: tuple[str, ...]
    command: str = ""
    options: tuple[str, ...] = ()


def _recipe(facts: FileFacts, request: PixelRequest, per: str) -> _Recipe:
    arguments = _arguments(facts, request)
    values = "values" if request.weighted else "counts"
    if isinstance(request, LightCurveRequest):
        return _Recipe(
            "Light curve",
            "curve",
            f"curve = obs.light_curve(pixel, bin_s={float(request.bin_s)!r}, {arguments})",
            (
                f"# curve.edges_s [s], curve.{values}, curve.rate_cps [counts/s]",
                f"print(curve.pixels, curve.{values}.sum())",
            ),
            "lightcurve",
            ("--bin-ms", repr(1e3 * request.bin_s)),
        )
    if isinstance(request, HistogramRequest):
        return _Recipe(
            "Intensity histogram",
            "histogram",
            f"histogram = obs.intensity_histogram(pixel, bin_s={float(request.bin_s)!r}, {arguments})",
            (
                "# histogram.occurrences[k]: bins with k counts; .frequency, .poisson",
                "print(histogram.pixels, histogram.occurrences)",
            ),
        )
    phases = isinstance(request, PhaseRequest)
    # without a calibration, a spectrum is the histogram of phases
    method = "phase_histogram" if phases and facts.wavelength_calibrated else "spectrum"
    density = (f"density, error = spectrum.density({per!r})",) if per != "bin" else ()
    return _Recipe(
        "Phase histogram" if phases else "Spectrum",
        "spectrum",
        f"spectrum = obs.{method}(pixel, {arguments})",
        (
            f"# spectrum.edges [{'deg' if phases else facts.unit}], spectrum.{values}, spectrum.errors",
            *density,
            f"print(spectrum.pixels, spectrum.{values}.sum())",
        ),
        "" if method == "phase_histogram" else "spectrum",
    )


def regions_snippet(
    facts: FileFacts,
    request: CountsRequest,
    regions: Iterable[tuple[str, Any]],
    beammap: Path | None = None,
) -> str:
    """Return a script that leaves the counts of each region in ``sums``, name -> counts.

    `regions` are (name, shape of `pipeline_core.regions`). Other parameters as for `image_snippet`.
    """
    named = list(regions)
    kinds = ", ".join(sorted({type(shape).__name__ for _, shape in named}))
    return _script(
        facts,
        f"Counts of regions, {_window(facts, request)}",
        "",
        [f"image = {_image_call(facts, request)}"],
        [
            "sums = {name: np.nansum(image[shape.mask(image.shape)]).item() for name, shape in regions.items()}",
            "print(sums)",
        ],
        beammap,
        _assigned("regions", dict(named)),
        ["import numpy as np", *([f"from pipeline_core.regions import {kinds}"] if kinds else [])],
    )


# --- parts ---------------------------------------------------------------------------------------


def _script(
    facts: FileFacts,
    title: str,
    command: str,
    inside: Sequence[str],
    after: Sequence[str],
    beammap: Path | None,
    values: Sequence[str] = (),
    imports: Sequence[str] = (),
) -> str:
    """Put a script together: comments, imports, values, the reading, what to do with the result."""
    opener = "ObsFile" if facts.kind == "photons" else "open_observation"
    file_id = facts.file_id or "not known"
    lines = [
        f"# {_one_line(title)}",
        f"# of {_one_line(_files(facts)[0].name)}, id {file_id}; quicklook {__version__}",
    ]
    if command:
        lines.append(f"# the same as a command: {command}")
    lines += [f"from pipeline_core import {opener}", *imports, ""]
    if values:
        lines += [*values, ""]
    lines.append(f"with {opener}({_opened(facts, beammap)}) as obs:")
    if facts.trial is not None:
        inside = [f"obs.try_wavecal({str(facts.trial.expanduser().absolute())!r})", *inside]
    lines += [f"    {line}" for line in inside]
    return "\n".join([*lines, "", *after, ""])


def _files(facts: FileFacts) -> tuple[Path, ...]:
    return facts.paths or (facts.path,)


def _opened(facts: FileFacts, beammap: Path | None) -> str:
    """Return the arguments that open the file, or the consecutive raw files."""
    files = [str(path.expanduser().absolute()) for path in _files(facts)]
    text = repr(files[0]) if len(files) == 1 else repr(files)
    if beammap is not None and facts.kind != "photons":
        text += f", beammap={str(beammap.expanduser().absolute())!r}"
    return text


def _image_call(facts: FileFacts, request: CountsRequest) -> str:
    if request.frame is not None:
        return f"obs.frame({request.frame})"
    return f"obs.count_image({_arguments(facts, request)})"


def _arguments(facts: FileFacts, request: Request) -> str:
    """Return time range and band as keyword arguments, exactly."""
    given = {
        "start": request.start_s,
        "stop": request.stop_s,
        f"min_{facts.quantity}": request.low,
        f"max_{facts.quantity}": request.high,
    }
    words = [f"{k}={float(v)!r}" for k, v in given.items() if v is not None]
    return ", ".join([*words, "weighted=True"] if request.weighted else words)


def _window(facts: FileFacts, request: Request) -> str:
    """Return the ranges in words."""
    text = f"{request.start_s:g} to {request.stop_s:g} s"
    if request.low is not None or request.high is not None:
        low = "lowest" if request.low is None else f"{request.low:g}"
        high = "highest" if request.high is None else f"{request.high:g}"
        text += f", {facts.quantity} {low} to {high} {facts.unit}"
    return text


def _command(
    facts: FileFacts,
    name: str,
    request: Request,
    beammap: Path | None,
    out: str,
    extra: Sequence[str] = (),
) -> str:
    """Return the command line that does the same, '' if there is none."""
    files = _files(facts)
    path = str(files[0].expanduser().absolute())
    if len(files) > 1 or request.low is not None or request.high is not None or facts.trial:
        return ""
    words = ["python", "-m", "pipeline_core", name, path, *extra]
    words += ["--start", repr(float(request.start_s)), "--stop", repr(float(request.stop_s))]
    words += ["--weighted"] if request.weighted else []
    if beammap is not None and facts.kind != "photons":
        words += ["--beammap", str(beammap.expanduser().absolute())]
    line = shlex.join([*words, "--out", out])
    return line if line.isprintable() else ""  # a line break would end the comment


def _pixel_lines(pixels: Sequence[tuple[int, int]]) -> list[str]:
    """Return the assignment of one pixel (x, y), or of a list of them."""
    plain = [(int(x), int(y)) for x, y in pixels]
    if len(plain) == 1:
        return [f"pixel = {plain[0]}  # x, y"]
    return _assigned("pixel", plain)


def _assigned(name: str, value: object) -> list[str]:
    """Return the assignment of a long value, in lines of a readable length."""
    indent = len(name) + 3
    text = pprint.pformat(value, width=_WIDTH - indent, compact=True, sort_dicts=False)
    first, *rest = text.splitlines()
    return [f"{name} = {first}", *(" " * indent + line for line in rest)]


def _one_line(text: str) -> str:
    """Return a text that cannot leave its comment."""
    return text if text.isprintable() else repr(text)
