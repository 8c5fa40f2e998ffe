"""What the reads lane does: plain functions and values, no Qt. The core is imported inside the functions.

`OpenFiles` lives in the lane's thread and owns the handles. Everything returned is a frozen value that
is safe to show in the GUI thread. What runs in child processes is in `background_tasks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import OperationCancelled
from pipeline_core.flags import FLAG_NAMES, describe_flags, flag_names
from pipeline_core.progress import Progress, silent
from quicklook.requests import (
    CountsRequest,
    CountsResult,
    HistogramRequest,
    LightCurveRequest,
    PixelRequest,
    PlotResult,
    Request,
)

__all__ = [
    "FileFacts",
    "FlagCategory",
    "FlagImage",
    "OpenFiles",
]

_GOOD = 1 << FLAG_NAMES.index("beammap.good")
_MAX_CATEGORIES = 16


# --- what is known of an open file ---------------------------------------------------------------


@dataclass(frozen=True)
class FlagCategory:
    """One colour of the flag image: the exact set of `bits`, its `label`, and how many pixels."""

    bits: int
    label: str
    sentence: str
    count: int


@dataclass(frozen=True, eq=False)
class FlagImage:
    """Category number of every pixel, uint8 [x, y], and the categories, most frequent first."""

    index: npt.NDArray[np.uint8]
    categories: tuple[FlagCategory, ...]


@dataclass(frozen=True, eq=False)
class FileFacts:
    """What the window needs to know of an open file. Arrays are [x, y] and not written to."""

    token: int
    path: Path
    camera: str
    start_unix: int
    exposure_s: float
    shape: tuple[int, int]
    n_photons: int
    baseline: str
    flags: npt.NDArray[np.uint32]
    res_id: npt.NDArray[np.uint32]
    flag_image: FlagImage
    wavelength_calibrated: bool = False
    open_s: float | None = None
    """How long data were taken [s]: the exposure without its gaps; None if not known."""

    @property
    def calibration(self) -> str:
        """One line on the state of the calibrations."""
        if self.wavelength_calibrated:
            return "wavelength: calibrated"
        return "wavelength: not calibrated - phases in degrees"

    def flag_names_at(self, pixel: tuple[int, int]) -> tuple[str, ...]:
        """Names of the flags of a pixel."""
        return flag_names(int(self.flags[pixel]))


# --- the reads lane ------------------------------------------------------------------------------


def _open_obsfile(path: Path) -> Any:
    from pipeline_core import ObsFile

    return ObsFile(path)


class OpenFiles:
    """The open photon file and everything that is read from it. Only the reads lane calls it.

    Parameters
    ----------
    opener : callable
        ``opener(path) -> ObsFile``; tests give their own.
    """

    def __init__(self, opener: Callable[[Path], Any] = _open_obsfile) -> None:
        self._opener = opener
        self._handles: dict[int, Any] = {}
        self._last_token = 0

    def prepare(self, *, progress: Progress = silent) -> None:
        """Import the core and load its kernels, so that the first file and the first click are answered at once."""
        import pipeline_core.display
        import pipeline_core.obsfile  # noqa: F401
        from pipeline_core.photon_reader import load_kernels

        load_kernels()

    def open(self, path: Path, *, progress: Progress = silent) -> FileFacts:
        """Open a file and return its facts; the handle opened before stays until `close_others`."""
        handle = self._opener(path)
        try:
            progress(0, 1, "opening")
            self._last_token += 1
            facts = _facts(self._last_token, path, handle)
        except BaseException:
            handle.close()
            raise
        self._handles[facts.token] = handle
        return facts

    def close_others(self, token: int, *, progress: Progress = silent) -> None:
        """Close every file but this one (0: all)."""
        for other in [key for key in self._handles if key != token]:
            self._handles.pop(other).close()

    def read(self, request: Request, *, progress: Progress = silent) -> CountsResult | PlotResult:
        """Answer a pane's request."""
        handle = self._handles.get(request.token)
        if handle is None:  # asked for before another file replaced it
            raise OperationCancelled
        progress(0, 1)
        if isinstance(request, CountsRequest):
            return _read_counts(handle, request, progress)
        if isinstance(request, PixelRequest):
            return PlotResult(request, _read_pixel(handle, request))
        raise TypeError(f"No answer to {type(request).__name__}.")


def _read_counts(handle: Any, request: CountsRequest, progress: Progress) -> CountsResult:
    from pipeline_core.display import percentile_levels

    image = handle.count_image(request.start_s, request.stop_s, progress=progress)
    good = (handle.flags & ~np.uint32(_GOOD)) == 0
    low, high = request.percentiles
    return CountsResult(request, image, percentile_levels(image, good, low=low, high=high))


def _read_pixel(handle: Any, request: PixelRequest) -> Any:
    window = {"start": request.start_s, "stop": request.stop_s}
    pixels = request.pixel if len(request.pixels) == 1 else request.pixels
    if isinstance(request, LightCurveRequest):
        return handle.light_curve(pixels, bin_s=request.bin_s, **window)
    if isinstance(request, HistogramRequest):
        return handle.intensity_histogram(pixels, bin_s=request.bin_s, **window)
    return handle.spectrum(pixels, **window)


def _facts(token: int, path: Path, handle: Any) -> FileFacts:
    return FileFacts(
        token=token,
        path=path,
        camera=handle.camera,
        start_unix=int(handle.start_unix),
        exposure_s=float(handle.exposure_s),
        shape=handle.shape,
        n_photons=int(handle.n_photons),
        baseline=str(handle.baseline),
        flags=handle.flags,
        res_id=handle.beammap.res_id,
        flag_image=flag_image(handle.flags),
        open_s=float(handle.live_time(pixel=None, dead_time=False).flat[0]),
    )


def flag_image(flags: npt.NDArray[np.uint32]) -> FlagImage:
    """Group the pixels by their exact set of flags: an index for the picture, names for the legend.

    Parameters
    ----------
    flags : ndarray of uint32, shape (ncols, nrows)
        Bits of `pipeline_core.flags`.
    """
    values, inverse, counts = np.unique(flags, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(order.size, np.intp)
    rank[order] = np.arange(order.size)
    categories = [_category(int(values[k]), int(counts[k])) for k in order]
    if len(categories) > _MAX_CATEGORIES:
        rest = sum(category.count for category in categories[_MAX_CATEGORIES - 1 :])
        sentence = "Rare combinations of flags; the line at the bottom names those of a pixel."
        categories[_MAX_CATEGORIES - 1 :] = [FlagCategory(0, "other combinations", sentence, rest)]
    index = np.minimum(rank, len(categories) - 1).astype(np.uint8)[inverse]
    return FlagImage(index.reshape(flags.shape), tuple(categories))


def _category(bits: int, count: int) -> FlagCategory:
    problems = flag_names(bits & ~_GOOD)
    label = " + ".join(problems) if problems else "good"
    return FlagCategory(bits, label, describe_flags(bits) or "No flag is set.", count)
