"""Datastream files: the pictures that the dashboard of the readout writes while it observes, a block a minute.

``stream<unix second>.fits`` or ``.fits.gz``, named by the second in which it was written, the end of the block: an
empty first unit, then one image a frame (NAXIS1 is x) with its time, exposure and the state of the instrument. Of
November 2018 ``utc`` and ``exptime``, from 2019 ``utcstart`` and some forty more. The dashboard's sums, darks and flats
have the same form and are read too.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import Beammap, camera_name
from pipeline_core.beammap_search import find_beammap
from pipeline_core.counts_only import CountsOnly, unknown_map
from pipeline_core.errors import BeammapNeededError, ConfigError, InputFormatError
from pipeline_core.fitsframes import (
    Card,
    Picture,
    Scan,
    cards_of,
    open_unpacked,
    read_picture,
    scan,
)
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.streamfacts import FRAME_KEYS, RATES, frame_times, positive, unit_of
from pipeline_core.streamnames import named_second

__all__ = ["Stream"]


_NOT_USED = "NaN"
_FAR_S = 3600.0
_SAME_S = 1e-6
"""Times this close are the same: they went through texts and floats."""


class Stream(CountsOnly):
    """Frames of a datastream file. Only the headers are read at first; each frame when it is asked for.

    A packed file is unpacked once, into memory up to 512 MiB and into a temporary file beyond.

    Parameters
    ----------
    path : path
        ``.fits`` or ``.fits.gz``, told by their content.
    beammap : Beammap or path, optional
        Default: looked for as for raw files, and not needed.
    progress : Progress
        Told of bytes unpacked and looked at; may cancel.

    Attributes
    ----------
    n_frames : int
    starts_unix : ndarray of float64, shape (n_frames,)
        When each frame began [unix s, UTC]; NaN where its header does not tell. Files of 2018 tell whole seconds only.
    exposures_s : ndarray of float64, shape (n_frames,)
        NaN where its header does not tell.
    unit : str
        `COUNTS`, `RATES`, another one that is stored, or `UNKNOWN`.
    start_unix : int
        The second in which the first frame began; if no frame tells, that of the name (the end of the block) less all
        exposures.
    exposure_s : float
        From `start_unix` to the end of the last frame [s]; if frames do not tell when, the sum of their exposures.
    incomplete : str
        How the file ends, if it is not whole: it is still being written, or was cut off. '' if it is whole.
    doubts : tuple of str
        What is not as it should be.

    Raises
    ------
    InputFormatError
        Missing, unreadable, no FITS, or without a whole picture of two axes; the message says what it is.
    BeammapNeededError
        The beam map given is another camera's.
    """

    kind: ClassVar[str] = "stream"
    what: ClassVar[str] = "a datastream"

    def __init__(
        self,
        path: Path | str,
        beammap: Beammap | Path | str | None = None,
        progress: Progress = silent,
    ) -> None:
        super().__init__()
        self.path = Path(path).expanduser()
        self._stream, whole = open_unpacked(self.path, part_of(progress, 0.0, 0.8))
        try:
            found = scan(self.path, self._stream, FRAME_KEYS, part_of(progress, 0.8, 1.0))
            self._pictures = _frames(self.path, found, whole)
            self.primary = cards_of(found.primary)
            self.incomplete = found.incomplete or ("" if whole else "the packed file is cut off")
            self.shape = self._pictures[0].shape
            self.camera = camera_name(self.shape)
            self.beammap, self.flags = _map_for(self.path, self.shape, beammap)
        except BaseException:
            self._stream.close()
            raise
        self.n_frames = len(self._pictures)
        times = frame_times(self.path, self._pictures)
        self.starts_unix, self.exposures_s = times.starts_unix, times.exposures_s
        self.start_unix, self.exposure_s = times.start_unix, times.span_s
        self.unit = unit_of(self._pictures[0], float(self.exposures_s[0]))
        self.doubts = tuple(_doubts(self, found))
        facts = [picture.header_text for picture in self._pictures]
        self.file_id = hashlib.sha256("".join(facts).encode()).hexdigest()[:32]

    def __repr__(self) -> str:
        ncols, nrows = self.shape
        return f"<Stream {self.path.name}: {self.n_frames} frames, {ncols} x {nrows}>"

    @property
    def n_photons(self) -> int:
        """Counts of all frames, rounded; all of the file is read."""
        return round(float(np.nansum(self.count_image())))

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def frame(self, number: int) -> npt.NDArray[Any]:
        """Return one frame [x, y], int64 or float64 as it is stored, in `unit`.

        Parameters
        ----------
        number : int
            0 to ``n_frames - 1``.

        Raises
        ------
        ConfigError
            There is no such frame.
        InputFormatError
            The file was cut meanwhile.
        """
        return read_picture(self.path, self._stream, self._pictures[self._checked(number)])

    def header(self, number: int) -> tuple[Card, ...]:
        """Return the header of a frame, line by line; see `frame`."""
        return cards_of(self._pictures[self._checked(number)].header)

    def text(self, number: int, key: str) -> str:
        """Return what the header of a frame says of `key`; '' where it says nothing, or ``NaN`` for 'not used'."""
        value = self._pictures[self._checked(number)].text(key)
        return "" if value == _NOT_USED else value

    def wavelengths_nm(self, number: int) -> tuple[float | None, float | None]:
        """Return the limits of wavelength of a frame; None for one that was not used."""
        low, high = (positive(self.text(number, key)) for key in ("WMIN", "WMAX"))
        return low, high

    def frames_within(self, start: float | None, stop: float | None) -> npt.NDArray[np.intp]:
        """Return the numbers of the frames that began in [start, stop), seconds from `start_unix`.

        Without limits, all. Frames that do not tell when they began are in none.
        """
        if start is None and stop is None:
            return np.arange(self.n_frames)
        begun = self.starts_unix - self.start_unix
        low = -math.inf if start is None else start
        high = math.inf if stop is None else stop
        if low <= 0 and high >= self.exposure_s:
            return np.arange(self.n_frames)
        return np.flatnonzero((begun >= low - _SAME_S) & (begun < high - _SAME_S))

    def count_image(
        self,
        start: float | None = None,
        stop: float | None = None,
        exclude: int = 0,
        progress: Progress = silent,
        **band: float | None,
    ) -> npt.NDArray[Any]:
        """Return the sum of the frames that began in [start, stop).

        Frames in counts/s are multiplied by their exposures, so that the sum is counts.

        Parameters
        ----------
        start, stop : float, optional
            Seconds from `start_unix`. See `frames_within`.
        exclude : int
            Flag bits; pixels with any of them count 0. Nothing by default.
        progress : Progress
            Told of frames; may cancel.
        **band
            Limits of phase or wavelength; must be None.

        Returns
        -------
        ndarray of int64 or float64, shape (ncols, nrows)

        Raises
        ------
        ConfigError
            If no frame began in the range, or a band is asked for.
        """
        if any(limit is not None for limit in band.values()):
            raise ConfigError(
                f"{self.path} holds counts only, without phases: leave the band open."
            )
        chosen = self.frames_within(start, stop)
        if not chosen.size:
            raise ConfigError(
                f"{self.path}: no frame began within {start} to {stop} s. Choose a longer range."
            )
        total: npt.NDArray[Any] = np.zeros(self.shape, np.int64)
        for done, number in enumerate(chosen):
            progress(done, chosen.size, "adding frames")
            frame = self.frame(int(number))
            total = total + (frame * self.exposures_s[number] if self.unit == RATES else frame)
        return np.where(self.flags & np.uint32(exclude), 0, total) if exclude else total

    def open_time(self, start: float | None = None, stop: float | None = None) -> float:
        """Return the sum of the known exposures of the frames that began in [start, stop) [s]."""
        return float(np.nansum(self.exposures_s[self.frames_within(start, stop)]))

    def _checked(self, number: int) -> int:
        if not 0 <= number < self.n_frames:
            raise ConfigError(f"{self.path} has frames 0 to {self.n_frames - 1}, not {number}.")
        return number


def _frames(path: Path, found: Scan, whole: bool) -> tuple[Picture, ...]:
    """Return the pictures if they make a stream; else say what the file is."""
    if not found.pictures:
        if found.incomplete or not whole:
            raise InputFormatError(
                f"{path} is still being written, or was cut off: it has no whole frame yet "
                f"({found.incomplete or 'the packed file is cut off'}). Open it again in a moment, or copy it again."
            )
        holds = ", ".join(sorted(set(found.others))) or "no data"
        raise InputFormatError(
            f"{path} is a FITS file, but no datastream: it holds {holds}, where images of two axes are needed. "
            "Open it in another program, or choose another file."
        )
    shapes = {picture.shape for picture in found.pictures}
    if len(shapes) > 1:
        told = ", ".join(f"{ncols} x {nrows}" for ncols, nrows in sorted(shapes))
        raise InputFormatError(
            f"{path} is no datastream: its images have different sizes ({told}). Choose another file."
        )
    return found.pictures


def _map_for(
    path: Path, shape: tuple[int, int], beammap: Beammap | Path | str | None
) -> tuple[Beammap, npt.NDArray[np.uint32]]:
    """Return the beam map and its flags; a stand-in where none fits that was not asked for."""
    try:
        found = find_beammap(path, beammap)
    except InputFormatError:
        if beammap is not None:
            raise
        return unknown_map(shape)
    if found.shape == shape:
        return found, found.flags
    if beammap is None:
        return unknown_map(shape)
    raise BeammapNeededError(
        f"{path} has frames of {shape[0]} x {shape[1]} pixels; the beam map {found.source} has {found.shape[0]} x "
        f"{found.shape[1]}. Choose the beam map of the same camera."
    )


def _doubts(stream: Stream, found: Scan) -> list[str]:
    doubts = []
    if stream.incomplete:
        doubts.append(
            f"The file is not whole ({stream.incomplete}): it is still being written, or was cut off. "
            f"{stream.n_frames} whole frames are shown."
        )
    if found.others:
        doubts.append(f"Passed over, being no frames: {', '.join(sorted(set(found.others)))}.")
    n_unknown = int(np.count_nonzero(np.isnan(stream.starts_unix)))
    if n_unknown:
        doubts.append(f"{n_unknown} of {stream.n_frames} frames do not tell when they began.")
    n_unknown = int(np.count_nonzero(np.isnan(stream.exposures_s)))
    if n_unknown:
        doubts.append(
            f"{n_unknown} of {stream.n_frames} frames do not tell how long they were exposed."
        )
    if np.any(np.diff(stream.starts_unix) < 0):
        doubts.append("Frames are not in the order of time.")
    written = named_second(stream.path)
    if written is not None and np.isfinite(stream.starts_unix).any():
        off = written - float(np.nanmax(stream.starts_unix))
        if abs(off) > _FAR_S:
            doubts.append(
                f"The last frame began {off / 3600:+.1f} h before the second in the file's name: "
                "one of the two is not UTC."
            )
    return doubts
