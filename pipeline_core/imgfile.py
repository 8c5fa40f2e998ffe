"""`.img` files: the counts of one second as the readout's monitor writes them, without times and phases.

Unsigned 16-bit numbers, little-endian, x-major, so that they are [x, y] as they stand; nothing else is in the file. It
is named by the second whose counts it holds.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import CAMERAS, Beammap, camera_name
from pipeline_core.beammap_search import find_beammap
from pipeline_core.counts_only import NO_BEAMMAP, CountsOnly, unknown_map
from pipeline_core.errors import BeammapNeededError, ConfigError, InputFormatError
from pipeline_core.progress import Progress, silent

__all__ = ["NO_BEAMMAP", "Frame"]

_NAME = re.compile(r"(\d{9,10})\.img", re.IGNORECASE)
_BYTES_PER_PIXEL = 2
_LARGEST = 1024 * 1024 * _BYTES_PER_PIXEL
"""Bytes of the largest array that a photon word can address."""

_EXPOSURE_S = 1.0


class Frame(CountsOnly):
    """Counts of one second, with the part of `ObsFile`'s interface that makes sense for them.

    Parameters
    ----------
    path : path
        ``<unix second>.img``.
    beammap : Beammap or path, optional
        Default: looked for as for raw files, but not needed for the known cameras.

    Attributes
    ----------
    path : Path
    camera, file_id, baseline, software_version : str
        `file_id` is a hash of the contents.
    start_unix : int
        The second of its name, which is the one whose counts it holds.
    exposure_s : float
        Always 1; how much of it there are data for is not known.
    n_photons : int
    shape : (ncols, nrows)
    beammap : Beammap
        Without resonators, and with `NO_BEAMMAP` as its source, where no map is known.
    flags : ndarray of uint32, shape (ncols, nrows)
        Of the beam map; all 0 where none is known.

    Raises
    ------
    InputFormatError
        Missing or unreadable, or of a size that fits no camera.
    BeammapNeededError
        A size that fits no known camera, and no beam map.
    """

    kind: ClassVar[str] = "frame"
    what: ClassVar[str] = "a .img frame"

    def __init__(self, path: Path | str, beammap: Beammap | Path | str | None = None) -> None:
        super().__init__()
        self.path = Path(path).expanduser()
        data = _read(self.path)
        self.beammap, self.flags = _map_for(self.path, len(data) // _BYTES_PER_PIXEL, beammap)
        self.shape = self.beammap.shape
        self._counts = np.frombuffer(data, "<u2").reshape(self.shape).astype(np.int64)
        match = _NAME.fullmatch(self.path.name)
        if match is None:
            raise InputFormatError(
                f"{self.path}: the name of a .img file must be its unix second (such as 1602050400.img), which is the "
                "only place where its time is kept. Rename it."
            )
        self.start_unix = int(match.group(1))
        self.camera = camera_name(self.shape)
        self.exposure_s = _EXPOSURE_S
        self.file_id = hashlib.sha256(data).hexdigest()[:32]

    def __repr__(self) -> str:
        ncols, nrows = self.shape
        return f"<Frame {self.path.name}: {self.n_photons} counts, {ncols} x {nrows}>"

    @property
    def n_photons(self) -> int:
        """Counts of all pixels."""
        return int(self._counts.sum())

    def count_image(
        self,
        start: float | None = None,
        stop: float | None = None,
        exclude: int = 0,
        progress: Progress = silent,
        **band: float | None,
    ) -> npt.NDArray[np.int64]:
        """Return the counts of every pixel.

        Parameters
        ----------
        start, stop : float, optional
            Only the whole second can be had: 0 and 1.
        exclude : int
            Flag bits; pixels with any of them count 0. Nothing by default.
        progress : Progress
            Not called.
        **band
            Limits of phase or wavelength; must be None.

        Returns
        -------
        ndarray of int64, shape (ncols, nrows)

        Raises
        ------
        ConfigError
            If a part of the second is asked for, or a band.
        """
        self._refuse_part(start, stop)
        if any(limit is not None for limit in band.values()):
            raise ConfigError(
                f"{self.path} holds counts only, without phases: leave the band open."
            )
        if exclude:
            return np.where(self.flags & np.uint32(exclude), 0, self._counts)
        return self._counts.copy()

    def open_time(self, start: float | None = None, stop: float | None = None) -> float:
        """Return the whole second: gaps in it are not known."""
        self._refuse_part(start, stop)
        return _EXPOSURE_S

    def _refuse_part(self, start: float | None, stop: float | None) -> None:
        if (start or 0.0) != 0.0 or (_EXPOSURE_S if stop is None else stop) != _EXPOSURE_S:
            raise ConfigError(
                f"{self.path} holds the counts of a whole second: it cannot be cut to {start} to {stop} s. Ask for "
                "0 to 1 s, or open the .bin or .h5 of the same second."
            )


def _read(path: Path) -> bytes:
    """Return the whole file, unless its size tells that it is no frame."""
    try:
        size = path.stat().st_size
        known = ", ".join(
            f"{_BYTES_PER_PIXEL * ncols * nrows:,} bytes ({name}, {ncols} x {nrows})"
            for name, (ncols, nrows) in CAMERAS.items()
        )
        if not 0 < size <= _LARGEST or size % _BYTES_PER_PIXEL:
            raise InputFormatError(
                f"{path} has {size:,} bytes, which is no frame of 16-bit counts; known sizes are {known}. Copy it "
                "again, or choose another file."
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
        ) from error
    if len(data) != size:
        raise InputFormatError(f"{path} is still being written. Open it again in a moment.")
    return data


def _map_for(
    path: Path, n_pixels: int, beammap: Beammap | Path | str | None
) -> tuple[Beammap, npt.NDArray[np.uint32]]:
    """Return the beam map (or a stand-in) and the flags for a frame of so many pixels."""
    known = next((s for s in CAMERAS.values() if s[0] * s[1] == n_pixels), None)
    try:
        found = find_beammap(path, beammap)
    except BeammapNeededError as error:
        if known is None:
            raise BeammapNeededError(_of_no_camera(path, n_pixels, str(error))) from error
        return unknown_map(known)
    except InputFormatError:
        if known is None or beammap is not None:
            raise
        return unknown_map(known)  # a damaged map that nobody asked for
    ncols, nrows = found.shape
    if ncols * nrows == n_pixels and (known is None or found.shape == known):
        return found, found.flags
    if known is None:
        problem = f"the beam map {found.source} has {ncols} x {nrows} pixels."
        raise BeammapNeededError(_of_no_camera(path, n_pixels, problem))
    if beammap is not None:
        raise BeammapNeededError(
            f"{path} is a frame of {known[0]} x {known[1]} pixels; the beam map {found.source} has {ncols} x {nrows}. "
            "Choose the beam map of the same camera."
        )
    return unknown_map(known)


def _of_no_camera(path: Path, n_pixels: int, problem: str) -> str:
    known = ", ".join(f"{s[0] * s[1]:,} ({name})" for name, s in CAMERAS.items())
    return (
        f"{path} holds {n_pixels:,} pixels ({n_pixels * _BYTES_PER_PIXEL:,} bytes), which is no known camera: known "
        f"are {known}. For another camera its beam map must be given: {problem}"
    )
