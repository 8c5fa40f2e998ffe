"""Movies and stacks as they run in child processes. No Qt; light until called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_core.progress import Progress, silent
from quicklook.background_tasks import check_same

if TYPE_CHECKING:
    from pipeline_core.movie_settings import MovieSettings
    from pipeline_core.movies import MovieSummary
    from pipeline_core.stacking.offsets import Offsets
    from pipeline_core.stacking.settings import StackSettings
    from pipeline_core.stacking.stack import StackSummary

__all__ = [
    "MovieForm",
    "OffsetsAnswer",
    "OffsetsQuestion",
    "StackForm",
    "read_offsets",
    "write_movie",
    "write_stack",
]


@dataclass(frozen=True)
class MovieForm:
    """A movie that is to be written: of which file or files, what, and where. `file_id` is as for `check_same`."""

    paths: tuple[Path, ...]
    beammap: Path | None
    settings: MovieSettings
    out: Path
    overwrite: bool = False
    file_id: str = ""


@dataclass(frozen=True)
class StackForm:
    """A stack that is to be written: of which files, how, and where."""

    inputs: tuple[Path, ...]
    settings: StackSettings
    out: Path
    overwrite: bool = False


@dataclass(frozen=True)
class OffsetsQuestion:
    """A file of offsets that is to be read.

    Attributes
    ----------
    kind : {'log', 'offsets', 'search'}
        A dither log; YAML; or which dither log lies beside the first frame.
    path : Path
        Of the file; the frame's where it is searched for.
    scale : str
        Pixels per unit of the log, as typed; '': it is in pixels.
    frames : tuple of Path
    """

    kind: str
    path: Path
    scale: str = ""
    frames: tuple[Path, ...] = ()


@dataclass(frozen=True)
class OffsetsAnswer:
    """What is in it.

    Attributes
    ----------
    question : OffsetsQuestion
    problem : str
        Why there is nothing; '' if there is.
    offsets : Offsets or None
    pixels : tuple of (x, y)
        Of each frame from the first, where frames are recognised by their times; empty: positions in their order.
    found : Path or None
        The log that was searched for.
    """

    question: OffsetsQuestion
    problem: str = ""
    offsets: Offsets | None = None
    pixels: tuple[tuple[float, float], ...] = ()
    found: Path | None = None


def read_offsets(question: OffsetsQuestion, *, progress: Progress = silent) -> OffsetsAnswer:
    """Read offsets, and find out which frame has which (in a child process: frames are HDF5 files)."""
    from pipeline_core.errors import PipelineError
    from pipeline_core.stacking.ditherlog import log_of, offsets_in_log, offsets_of_files
    from pipeline_core.stacking.offsets import load_offsets, scale_of_text

    try:
        if question.kind == "search":
            return OffsetsAnswer(question, found=log_of(question.path, progress))
        if question.kind == "log":
            scale = scale_of_text(question.scale) if question.scale else None
            offsets, found = offsets_in_log(question.path, scale, question.frames, progress)
        else:
            offsets = load_offsets(question.path)
            if not offsets.times:
                return OffsetsAnswer(question, offsets=offsets)
            found = offsets_of_files(offsets, question.frames, progress)
    except PipelineError as error:
        return OffsetsAnswer(question, str(error))
    pixels = tuple((float(x), float(y)) for x, y in found)
    return OffsetsAnswer(question, offsets=offsets, pixels=pixels)


def write_movie(form: MovieForm, *, progress: Progress = silent) -> MovieSummary:
    """Write a movie (in a child process)."""
    from pipeline_core.movies import write_movie as write
    from pipeline_core.observation import open_photons

    paths = form.paths[0] if len(form.paths) == 1 else form.paths
    with open_photons(paths, beammap=form.beammap, progress=progress) as obs:
        check_same(form.paths[0], str(obs.file_id), form.file_id)
        return write(form.out, obs, form.settings, overwrite=form.overwrite, progress=progress)


def write_stack(form: StackForm, *, progress: Progress = silent) -> StackSummary:
    """Write a stack (in a child process)."""
    from pipeline_core.stacking.stack import write_stack as write

    return write(form.out, form.inputs, form.settings, overwrite=form.overwrite, progress=progress)
