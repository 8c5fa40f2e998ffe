"""Movies and stacks as they run in child processes. No Qt; light until called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_core.progress import Progress, silent

if TYPE_CHECKING:
    from pipeline_core.movie_settings import MovieSettings
    from pipeline_core.movies import MovieSummary
    from pipeline_core.stacking.settings import StackSettings
    from pipeline_core.stacking.stack import StackSummary

__all__ = ["MovieForm", "StackForm", "write_movie", "write_stack"]


@dataclass(frozen=True)
class MovieForm:
    """A movie that is to be written: of which file or files, what, and where."""

    paths: tuple[Path, ...]
    beammap: Path | None
    settings: MovieSettings
    out: Path
    overwrite: bool = False


@dataclass(frozen=True)
class StackForm:
    """A stack that is to be written: of which files, how, and where."""

    inputs: tuple[Path, ...]
    settings: StackSettings
    out: Path
    overwrite: bool = False


def write_movie(form: MovieForm, *, progress: Progress = silent) -> MovieSummary:
    """Write a movie (in a child process)."""
    from pipeline_core.movies import write_movie as write
    from pipeline_core.observation import open_photons

    paths = form.paths[0] if len(form.paths) == 1 else form.paths
    with open_photons(paths, beammap=form.beammap, progress=progress) as obs:
        return write(form.out, obs, form.settings, overwrite=form.overwrite, progress=progress)


def write_stack(form: StackForm, *, progress: Progress = silent) -> StackSummary:
    """Write a stack (in a child process)."""
    from pipeline_core.stacking.stack import write_stack as write

    return write(form.out, form.inputs, form.settings, overwrite=form.overwrite, progress=progress)
