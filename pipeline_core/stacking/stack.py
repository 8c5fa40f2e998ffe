"""Stacks positions of a dither: frames are read, registered, brought together and written.

`write_stack` is what command line, window and night call; `stack_frames` is the same without files.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core import __version__
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.fits_facts import Facts
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.stacking.combine import Grid, Stacked, combine, make_grid
from pipeline_core.stacking.drizzling import drizzle
from pipeline_core.stacking.files import STACK_ENDINGS, StackProduct, save_stack
from pipeline_core.stacking.frames import Frame, camera_of, load_frame
from pipeline_core.stacking.memory import FRAMES_BYTES, check_frame
from pipeline_core.stacking.register import Registration, register
from pipeline_core.stacking.settings import StackSettings
from pipeline_core.stacking.shelf import Shelf
from pipeline_core.targets import check_free, check_room, check_target
from pipeline_core.wcs import NOMINAL, detector_axes, sky_axes, spectral_axis, with_wavelength_table

__all__ = ["StackSummary", "stack_frames", "write_stack"]

_READING = 0.8
"""Part of the work that reading the frames is."""
_OF_THE_FIRST = (
    *("TIMESYS", "WAVECAL", "FLATCAL", "PHASEMIN", "PHASEMAX", "WAVEMIN", "WAVEMAX", "BASELINE"),
)


@dataclass(frozen=True, eq=False)
class StackSummary:
    """What was written.

    Attributes
    ----------
    path : Path
    shape : (columns, rows)
    n_band : int
    registration : Registration
    names : tuple of str
        Of the frames.
    exposure_s : float
        The longest time alive of a pixel.
    """

    path: Path
    shape: tuple[int, int]
    n_band: int
    registration: Registration
    names: tuple[str, ...]
    exposure_s: float


def write_stack(
    path: Path,
    inputs: Sequence[Path],
    settings: StackSettings,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> StackSummary:
    """Stack files and write the result.

    Parameters
    ----------
    path : path
        ``.fits`` (arrays SCI, VARIANCE, EXPOSURE, NFRAMES; tables FRAMES and BANDS) or ``.npz``.
    inputs : sequence of path
        A photon file, image or cube for each position; the first is the one that offsets count from.
    settings : StackSettings
    overwrite : bool
        Whether an existing file may be replaced. Files of data never are.
    progress : Progress
        May cancel; nothing is left then.

    Raises
    ------
    ConfigError
        Impossible settings, or files that do not go together.
    RegistrationError
        Offsets cannot be measured.
    PipelineError
        A file cannot be read, or lacks a calibration that is asked for.
    OutputError
        The result cannot be written, exists already, or holds data.
    """
    if not inputs:
        raise ConfigError("There is nothing to stack: give a file for each position.")
    check_target(path, STACK_ENDINGS, inputs)
    check_free(path, overwrite=overwrite)
    with closing(Shelf(path.parent, FRAMES_BYTES)) as shelf:
        frames = _load(path, inputs, settings, shelf, part_of(progress, 0.0, _READING))
        registration, grid, stacked = stack_frames(
            frames, settings, part_of(progress, _READING, 1.0, "stacking")
        )
        product = _product(frames, settings, registration, grid, stacked)
    check_room(path, sum(image.nbytes for _, image in product.images.values()), "this stack")
    progress(1, 1, "writing to disk")
    save_stack(path, product, overwrite=overwrite)
    return StackSummary(
        path,
        grid.shape,
        stacked.rate.shape[2],
        registration,
        tuple(frame.name for frame in frames),
        float(stacked.exposure_s.max()),
    )


def _load(
    path: Path,
    inputs: Sequence[Path],
    settings: StackSettings,
    shelf: Shelf,
    progress: Progress,
) -> list[Frame]:
    """Read the frames, once it is clear that they and the stack fit into memory and on the disk."""
    _, shape = camera_of(inputs[0])
    edges = settings.photons.wavelength_edges()
    _check_memory(shape, 1 if edges is None else edges.size - 1, settings)
    frames: list[Frame] = []
    for i, one in enumerate(inputs):
        part = part_of(progress, i / len(inputs), (i + 1) / len(inputs), one.name)
        part(0, 1)
        frame = load_frame(one, settings.photons, part)
        if not i:
            _check_memory(frame.shape, frame.n_band, settings)
            # at most all of them must wait there
            n_bytes = len(inputs) * (2 * frame.rate.nbytes + frame.exposure_s.nbytes)
            if n_bytes > FRAMES_BYTES:
                check_room(path, n_bytes, "this stack, whose frames do not fit into memory,")
        frames.append(shelf.keep(frame))
    return frames


def _check_memory(shape: tuple[int, int], n_band: int, settings: StackSettings) -> None:
    check_frame(shape, n_band)
    offsets = settings.offsets
    known = settings.register == "dither" and offsets is not None and not offsets.times
    moved = offsets.pixels() if known and offsets is not None else np.zeros((1, 2))
    make_grid(shape, moved, settings, n_band)  # refuses what is too large, before anything is read


def stack_frames(
    frames: Sequence[Frame], settings: StackSettings, progress: Progress = silent
) -> tuple[Registration, Grid, Stacked]:
    """Register frames and bring them together. Parameters and errors as for `write_stack`."""
    _check_alike(frames)
    registration = register(frames, settings, part_of(progress, 0.0, 0.3))
    grid = make_grid(frames[0].shape, registration.offsets, settings, frames[0].n_band)
    rest = part_of(progress, 0.3, 1.0)
    if settings.method == "drizzle":
        return registration, grid, drizzle(frames, registration.offsets, grid, settings, rest)
    return registration, grid, combine(frames, registration.offsets, grid, settings, rest)


def _check_alike(frames: Sequence[Frame]) -> None:
    first = frames[0]
    for frame in frames[1:]:
        if (frame.shape, frame.n_band) != (first.shape, first.n_band):
            raise ConfigError(
                f"{frame.name} has {_size(frame)}, {first.name} has {_size(first)}: only frames of one camera and the "
                "same bins can be stacked."
            )
        known = first.edges_nm is not None and frame.edges_nm is not None
        if known and not np.allclose(frame.edges_nm, first.edges_nm, rtol=1e-9, atol=0.0):  # type: ignore[arg-type]
            raise ConfigError(
                f"{frame.name} has other bins of wavelength than {first.name}: make them alike."
            )
    if not any((frame.exposure_s > 0).any() for frame in frames):
        raise InputFormatError("No frame has a pixel with a value: exclude fewer flags.")


def _size(frame: Frame) -> str:
    return f"{frame.shape[0]} x {frame.shape[1]} pixels and {frame.n_band} bands"


# --- what is written -----------------------------------------------------------------------------


def _product(
    frames: Sequence[Frame],
    settings: StackSettings,
    registration: Registration,
    grid: Grid,
    stacked: Stacked,
) -> StackProduct:
    flat = stacked.rate.shape[2] == 1
    rate, variance = (
        image[..., 0] if flat else image for image in (stacked.rate, stacked.variance)
    )
    edges = frames[0].edges_nm
    coordinates = _coordinates(frames[0], settings, grid)
    spectral: Facts = {}
    if edges is not None and not flat:
        spectral = with_wavelength_table({**coordinates, **spectral_axis(edges, 3)}, 3)
    return StackProduct(
        images={
            "SCI": ("count/s", rate),
            "VARIANCE": ("(count/s)2", variance),
            "EXPOSURE": ("s", stacked.exposure_s),
            "NFRAMES": ("", stacked.n_frames),
        },
        coordinates=coordinates,
        spectral=spectral,
        facts=_facts(frames, settings, registration),
        frames=_table(frames, registration),
        edges_nm=edges,
    )


def _coordinates(
    first: Frame, settings: StackSettings, grid: Grid
) -> dict[str, tuple[object, str]]:
    """Return where the grid's pixels are: on the sky if somebody says where the first frame looked."""
    pointing = settings.photons.pointing
    step = 1.0 / grid.upsample
    if pointing is not None:
        x, y = (float(grid.place(np.array(pointing.pixel[k]), k)) for k in (0, 1))
        fine = replace(pointing, pixel=(x, y), scale_mas=pointing.scale_mas * step)
        return dict(sky_axes(fine))
    corner = tuple(grid.first[k] - 0.5 + 0.5 * step for k in (0, 1))
    facts = dict(detector_axes((corner[0], corner[1]), step))
    if first.camera in NOMINAL:
        scale, angle = NOMINAL[first.camera]
        facts["PLTSCALE"] = (scale * step, "[mas] of a pixel of the stack, nominal")
        facts["ORIENTAT"] = (angle, "[deg] position angle of the rows, nominal")
    return facts


def _number(key: str) -> Callable[[Facts], float]:
    return lambda facts: float(facts[key][0])  # type: ignore[arg-type]


def _facts(
    frames: Sequence[Frame], settings: StackSettings, registration: Registration
) -> dict[str, tuple[object, str]]:
    now = datetime.datetime.now(datetime.timezone.utc)
    first = {key: frames[0].facts[key] for key in _OF_THE_FIRST if key in frames[0].facts}
    timed = [frame.facts for frame in frames if "MJD-OBS" in frame.facts]
    if timed:
        begin = min(timed, key=_number("MJD-OBS"))
        end = max(timed, key=_number("MJD-END"))
        first |= {key: begin[key] for key in ("DATE-OBS", "MJD-OBS")}
        first |= {key: end[key] for key in ("DATE-END", "MJD-END")}
    return {
        "CREATOR": (f"quicklook {__version__}", "software"),
        "DATE": (f"{now:%Y-%m-%dT%H:%M:%S}", "UTC, when this file was made"),
        "INSTRUME": (frames[0].camera, "camera"),
        "NCOMBINE": (len(frames), "frames; see FRAMES"),
        "METHOD": (settings.method, "how frames were brought together"),
        "REGISTER": (registration.method, "how offsets were found"),
        "UPSAMPLE": (settings.upsample, "pixels in a row of a detector's pixel"),
        "PIXFRAC": (
            settings.pixfrac if settings.method == "drizzle" else None,
            "side of a drop over that of a pixel",
        ),
        **first,
        "SETTINGS": (json.dumps(settings.as_dict()), "arguments, JSON"),
    }


def _table(
    frames: Sequence[Frame], registration: Registration
) -> dict[str, tuple[str, npt.NDArray[np.generic]]]:
    def fact(name: str) -> npt.NDArray[np.bytes_]:
        texts = [str(frame.facts.get(name, ("",))[0]) for frame in frames]
        return np.array([text.encode("ascii", "backslashreplace") or b" " for text in texts])

    offsets, errors = registration.offsets, registration.errors
    return {
        "file": ("", np.array([f.name.encode("ascii", "backslashreplace") for f in frames])),
        "file_id": ("", fact("FILEID")),
        "date_obs": ("", fact("DATE-OBS")),
        "offset_x": ("pixel", offsets[:, 0]),
        "offset_y": ("pixel", offsets[:, 1]),
        "error_x": ("pixel", errors[:, 0]),
        "error_y": ("pixel", errors[:, 1]),
        "exposure": ("s", np.array([frame.exposure_s.max() for frame in frames])),
    }
