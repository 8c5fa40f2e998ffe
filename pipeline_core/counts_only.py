"""What `.img` frames and datastreams have in common: pictures of counts, without times and phases of photons."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline_core import __version__
from pipeline_core.beammap import NO_RES_ID, Beammap
from pipeline_core.errors import InputFormatError
from pipeline_core.progress import Progress, silent

__all__ = ["NO_BEAMMAP", "CountsOnly", "unknown_map"]

NO_BEAMMAP = "no beam map"
"""`Beammap.source` of pictures whose beam map is not known."""

_Self = TypeVar("_Self", bound="CountsOnly")


class CountsOnly:
    """Counts of every pixel, with the part of `ObsFile`'s interface that makes sense for them.

    Attributes
    ----------
    path : Path
    kind : {'frame', 'stream'}
    camera, file_id, baseline, software_version : str
    start_unix : int
    exposure_s : float
    shape : (ncols, nrows)
    beammap : Beammap
        Without resonators, and with `NO_BEAMMAP` as its source, where no map is known.
    flags : ndarray of uint32, shape (ncols, nrows)
        Of the beam map; all 0 where none is known.
    """

    kind: ClassVar[str]
    what: ClassVar[str]
    """What it is, in words that begin a sentence in the middle: 'a .img frame'."""

    has_photons: ClassVar[bool] = False
    is_wavelength_calibrated: ClassVar[bool] = False
    history: ClassVar[tuple[Any, ...]] = ()
    annotations: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[tuple[Any, ...]] = ()
    baseline: ClassVar[str] = "none"
    software_version: ClassVar[str] = __version__

    path: Path
    camera: str
    file_id: str
    start_unix: int
    exposure_s: float
    shape: tuple[int, int]
    beammap: Beammap
    flags: npt.NDArray[np.uint32]

    def __init__(self) -> None:
        self.lost_packets: dict[int, int] = {}
        self.gaps_us = np.empty((0, 2), np.int64)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def n_photons(self) -> int:
        """Counts of all pixels."""
        raise NotImplementedError

    def close(self) -> None:
        """Do nothing where no file is kept open."""

    def count_image(
        self,
        start: float | None = None,
        stop: float | None = None,
        exclude: int = 0,
        progress: Progress = silent,
        **band: float | None,
    ) -> npt.NDArray[Any]:
        """Return the counts of every pixel, shape (ncols, nrows)."""
        raise NotImplementedError

    def open_time(self, start: float | None = None, stop: float | None = None) -> float:
        """Return how long was counted [s]."""
        raise NotImplementedError

    def live_time(
        self,
        pixel: tuple[int, int] | None = None,
        start: float | None = None,
        stop: float | None = None,
        *,
        dead_time: bool = True,
    ) -> float | npt.NDArray[np.float64]:
        """Return the time counted, for a pixel or for all: gaps and dead time are not known."""
        open_s = self.open_time(start, stop)
        return open_s if pixel is not None else np.full(self.shape, open_s)

    def _no_photons(self, *_: object, **__: object) -> NoReturn:
        """Raise: it holds no photons (InputFormatError)."""
        raise InputFormatError(
            f"{self.path}: {self.what} holds counts only, without times and phases. Open the .bin or .h5 of the same "
            "second."
        )

    photons = light_curve = intensity_histogram = spectrum = survey = _no_photons
    annotate = undo = _no_photons


def unknown_map(shape: tuple[int, int]) -> tuple[Beammap, npt.NDArray[np.uint32]]:
    """Return a map without resonators, and no flags: nothing is known of the pixels."""
    nothing = Beammap(
        np.full(shape, NO_RES_ID, np.uint32),
        np.zeros(shape, np.uint8),
        np.full(shape, np.nan),
        NO_BEAMMAP,
    )
    return nothing, np.zeros(shape, np.uint32)
