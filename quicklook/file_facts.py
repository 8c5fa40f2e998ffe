"""What the window knows of an open file: plain values that go from the reads lane to the views."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.flags import flag_names
from pipeline_core.utc import utc_words

__all__ = ["CalibrationState", "FileFacts", "FlagCategory", "FlagImage", "FrameAxis"]


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


@dataclass(frozen=True)
class CalibrationState:
    """One calibration: 'done', 'partial', 'none' or 'unknown', a word for the strip, and a sentence."""

    name: str
    state: str
    word: str
    sentence: str


@dataclass(frozen=True, eq=False)
class FrameAxis:
    """Frames of a datastream.

    Attributes
    ----------
    starts_unix, exposures_s : ndarray of float64, shape (number,)
        NaN where a header does not tell.
    unit : str
    doubts : tuple of str
        What is not as it should be, in sentences.
    """

    starts_unix: npt.NDArray[np.float64]
    exposures_s: npt.NDArray[np.float64]
    unit: str
    doubts: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """How many there are."""
        return int(self.starts_unix.size)

    def second(self, frame: int) -> float | None:
        """Return when a frame began [unix s]; None if that is not known."""
        start = float(self.starts_unix[frame])
        return None if np.isnan(start) else start

    def span(self, frame: int, facts: FileFacts) -> tuple[float, float]:
        """Return [start, stop) of a frame, seconds from the start of the file; all of it where it is not known."""
        start, exposure_s = self.second(frame), float(self.exposures_s[frame])
        if start is None or np.isnan(exposure_s):
            return 0.0, facts.exposure_s
        begin = round(start - facts.start_unix, 6)
        return begin, round(begin + exposure_s, 6)

    def words(self, frame: int) -> str:
        """Return time and exposure of a frame as a person would say them."""
        start, exposure_s = self.second(frame), float(self.exposures_s[frame])
        when = "time unknown" if start is None else utc_words(start, fraction=1)
        how_long = "exposure unknown" if np.isnan(exposure_s) else f"exposure {exposure_s:g} s"
        return f"{when}   |   {how_long}"


@dataclass(frozen=True, eq=False)
class FileFacts:
    """What the window needs to know of an open file. Arrays are [x, y] and not written to.

    Attributes
    ----------
    kind : str
        'photons', 'raw' (.bin files), 'older' (a photon file of an older program), 'frame' (a .img file, which has no
        photons) or 'stream' (a datastream: many such frames).
    open_s : float, optional
        How long data were taken [s]: the exposure without its gaps; None if not known.
    """

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
    kind: str = "photons"
    file_id: str = ""
    paths: tuple[Path, ...] = ()
    calibrations: tuple[CalibrationState, ...] = ()
    beammap: Path | None = None
    """The beam map that raw files were opened with, if it was chosen by hand."""
    flat_calibrated: bool = False
    """Whether photons have weights."""
    flat_attached: bool = False
    """Whether a flat field gives them, which can be taken back."""
    n_masks: int = 0
    """How many masks of pixels are attached."""
    masked_s: float = 0.0
    """How many seconds do not count."""
    stored_wavelengths: bool = False
    """Whether an older program has put wavelengths into the place of phases, for ever."""
    layout: str = ""
    """Of a file of an older program: 'V0' to 'V5'."""
    frames: FrameAxis | None = None
    """Of a datastream."""
    trial: Path | None = None
    """The wavelength solution that is tried out, which is not attached."""

    @property
    def has_photons(self) -> bool:
        """Whether there are times and phases, or only one picture of counts."""
        return self.kind not in ("frame", "stream")

    @property
    def why_no_photons(self) -> str:
        """Why there is nothing to plot of single photons; '' if there is."""
        if self.kind == "stream":
            return "A datastream holds frames of counts: no times of photons, no phases"
        return (
            ""
            if self.has_photons
            else "A .img frame holds one picture of counts: no times, no phases"
        )

    @property
    def expected_id(self) -> str:
        """What a job that reads the file anew must find, for it may have been replaced; '' if that cannot be told."""
        return self.file_id if self.kind == "photons" else ""

    @property
    def is_attached(self) -> bool:
        """Whether a wavelength solution is attached, not only tried out."""
        return self.wavelength_calibrated and self.trial is None and not self.stored_wavelengths

    @property
    def quantity(self) -> str:
        """'wavelength', or 'phase' as long as there is no calibration."""
        return "wavelength" if self.wavelength_calibrated else "phase"

    @property
    def unit(self) -> str:
        """Unit of `quantity`."""
        return "nm" if self.wavelength_calibrated else "deg"

    def flag_names_at(self, pixel: tuple[int, int]) -> tuple[str, ...]:
        """Names of the flags of a pixel."""
        return flag_names(int(self.flags[pixel]))
