"""What the window of speckle maps has done for it: plain functions, no Qt. The core's heavy parts are imported inside.

`make_maps` runs in a child process, `read_pixel` in the reads lane, everything else in the chores lane, so that no
click waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.progress import Progress, silent
from pipeline_core.speckle.settings import SpeckleSettings
from quicklook.background_tasks import check_same

if TYPE_CHECKING:
    from pipeline_core.speckle.basis import MapBasis
    from pipeline_core.speckle.browse import PixelPage
    from pipeline_core.speckle.result import MapPart, SpeckleMaps
    from quicklook.tasks import OpenFiles

__all__ = [
    "SpeckleForm",
    "SpecklePixel",
    "SpeckleStart",
    "StudyRequest",
    "make_maps",
    "present_basis",
    "read_pixel",
    "save_maps",
    "save_study",
    "study",
]


@dataclass(frozen=True)
class SpeckleForm:
    """Maps that are to be made: of which file or files, and how. `file_id` is as for `check_same`."""

    paths: tuple[Path, ...]
    beammap: Path | None
    settings: SpeckleSettings
    file_id: str = ""

    @property
    def path(self) -> Path:
        """What the maps are called after."""
        return self.paths[0]


@dataclass(frozen=True)
class SpeckleStart:
    """The first news of a computation: how large its maps are, and what they rest on besides the photons."""

    shape: tuple[int, int]
    n_steps: int
    basis: MapBasis


@dataclass(frozen=True)
class StudyRequest:
    """One pixel that is to be looked at.

    Attributes
    ----------
    token : int
        Which open file.
    pixel : (x, y) or None
        None: one that is brighter than nine tenths of the good ones.
    settings : SpeckleSettings
    tau_s : float or None
        Decorrelation time to use if the settings have none.
    step : int
        Of the time range.
    """

    token: int
    pixel: tuple[int, int] | None
    settings: SpeckleSettings
    tau_s: float | None = None
    step: int = 0


@dataclass(frozen=True, eq=False)
class SpecklePixel:
    """What is read of a pixel to be studied: opaque values of the core."""

    request: StudyRequest
    counts: Any
    bins: Any
    intervals_s: Any
    dead_time_us: float


def make_maps(
    form: SpeckleForm, *, progress: Progress, news: Callable[[SpeckleStart | MapPart], None]
) -> SpeckleMaps:
    """Make the maps; cancelled, return what is done (in a child process)."""
    from pipeline_core.observation import open_photons
    from pipeline_core.speckle.basis import basis_of
    from pipeline_core.speckle.binning import time_steps
    from pipeline_core.speckle.compute import compute_maps

    paths = form.paths[0] if len(form.paths) == 1 else form.paths
    with open_photons(paths, beammap=form.beammap, progress=progress) as obs:
        check_same(form.path, str(obs.file_id), form.file_id)
        steps = time_steps(obs, form.settings)
        news(SpeckleStart(obs.shape, len(steps), basis_of(obs, form.settings, steps)))
        return compute_maps(obs, form.settings, progress, on_part=news, keep_partial=True)


def present_basis(
    files: OpenFiles, token: int, settings: SpeckleSettings, *, progress: Progress = silent
) -> MapBasis:
    """Return what maps of an open file would rest on now (in the reads lane)."""
    from pipeline_core.speckle.basis import basis_of

    progress(0, 1)
    return basis_of(files.handle(token), settings)


def read_pixel(
    files: OpenFiles, request: StudyRequest, *, progress: Progress = silent
) -> SpecklePixel:
    """Read the photons of a pixel (in the reads lane)."""
    from pipeline_core.speckle.pixelread import read_pixel as read

    progress(0, 1)
    obs = files.handle(request.token)
    pixel = request.pixel or _typical_pixel(obs, request.settings)
    found = read(obs, pixel, request.settings, step=request.step)
    return SpecklePixel(request, *found, obs.dead_time_us)


def _typical_pixel(obs: Any, settings: SpeckleSettings) -> tuple[int, int]:
    import numpy as np

    image = obs.count_image(start=settings.start, stop=settings.stop)
    good = np.argwhere((obs.flags & np.uint32(settings.exclude)) == 0)
    if not good.size:
        good = np.argwhere(np.ones(obs.shape, bool))
    order = np.argsort(image[good[:, 0], good[:, 1]], kind="stable")
    x, y = good[order[int(0.9 * (order.size - 1))]]
    return int(x), int(y)


def study(read: SpecklePixel, *, progress: Progress = silent) -> PixelPage:
    """Study a pixel that was read."""
    from pipeline_core.speckle.browse import pixel_page
    from pipeline_core.speckle.study import study_counts

    progress(0, 1)
    found = study_counts(
        read.counts,
        read.bins,
        read.request.settings,
        dead_time_us=read.dead_time_us,
        tau_s=read.request.tau_s,
        intervals_s=read.intervals_s,
        progress=progress,
    )
    return pixel_page(found)


def save_study(
    files: OpenFiles,
    token: int,
    page: PixelPage,
    path: Path,
    overwrite: bool,
    *,
    progress: Progress = silent,
) -> Path:
    """Write the study of a pixel to a file: FITS, CSV or NPZ (in the reads lane)."""
    from pipeline_core.speckle.studyexport import export_study

    export_study(path, files.handle(token), page.study, overwrite=overwrite, progress=progress)
    return path


def save_maps(
    maps: SpeckleMaps,
    path: Path,
    overwrite: bool,
    sources: tuple[Path, ...],
    *,
    progress: Progress = silent,
) -> Path:
    """Write maps to a file: FITS or NPZ."""
    from pipeline_core.speckle.files import save_maps as save

    progress(0, 1, "write the maps")
    save(path, maps, overwrite=overwrite, sources=sources)
    return path
