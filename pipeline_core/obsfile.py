"""`ObsFile`: one observation, as a person would like to use it from a notebook.

Times are seconds from the start of the observation, wavelengths nm, phases degrees, intervals half-open. Detector
arrays are [x, y], shape (ncols, nrows). No flag excludes anything unless asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import Beammap
from pipeline_core.curve_cache import CurveCache
from pipeline_core.errors import ConfigError
from pipeline_core.masks import PixelMasks
from pipeline_core.photon_file import PhotonFile, Source
from pipeline_core.pixel_cache import PixelCache
from pipeline_core.pixelreads import PixelReads
from pipeline_core.survey import CountPlanes, Survey

if TYPE_CHECKING:
    from pipeline_core.wavecal.solution import Solution

__all__ = ["ObsFile"]

_MODES = {"read": False, "r": False, "write": True, "w": True, "a": True}


class ObsFile(PixelReads):
    """One photon file and its sidecar.

    Parameters
    ----------
    path : path
        A photon file ("mkid-photons").
    mode : {'read', 'write'}
        The photon file itself is never written to. ``'write'`` allows actions that change the sidecar.
    wavecal : path or Solution, optional
        A wavelength solution to try out: used instead of what is attached, not attached.
    time_masks : bool
        Whether attached time masks hold: their photons are then in no read, their time in no exposure.

    Attributes
    ----------
    path : Path
    file_id, camera, baseline, software_version : str
    start_unix : int
    exposure_s, dead_time_us : float
    n_photons : int
    shape : (ncols, nrows)
    flags : ndarray of uint32, shape (ncols, nrows)
        Bits of `pipeline_core.flags`: the beam map's, those of the wavelength calibration in use, those of masks.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no photon file; the message says which and what to do.
    SchemaVersionError
        Written by a newer version.
    ConfigError
        Unknown mode.

    Notes
    -----
    To be used from the thread that made it. A context manager; `close` may be called twice.

    The methods that select photons share these parameters and errors:

    start, stop : float, optional
        Seconds from the start of the observation, ``start <= time < stop``; default: all.
    min_phase, max_phase : float, optional
        Degrees, ``min_phase <= phase < max_phase``; default: all. Phases are negative.
    min_wavelength, max_wavelength : float, optional
        nm, ``min_wavelength <= wavelength < max_wavelength``; default: all photons, also of pixels without calibration.
        Not together with phases.
    extrapolated : bool
        Whether a range of wavelengths takes in photons outside their pixel's valid range.
    ConfigError
        Pixel outside the array, an impossible range or bin.
    CalibrationError
        Wavelengths asked of an observation without wavelength calibration.
    InputFormatError
        Damaged file.
    """

    kind: ClassVar[str] = "photons"
    has_photons: ClassVar[bool] = True

    def __init__(
        self,
        path: Path | str,
        mode: str = "read",
        wavecal: Path | str | Solution | None = None,
        *,
        time_masks: bool = True,
    ) -> None:
        if mode not in _MODES:
            raise ConfigError(f"mode must be 'read' or 'write', not {mode!r}.")
        self.path = Path(path).expanduser()
        self._writable = _MODES[mode]
        self._file = PhotonFile(self.path)
        self._time_masks_used = time_masks
        self._masked_us = np.zeros((0, 2), np.int64)
        self._pixel_masks = PixelMasks((), self._file.shape)
        self._pixels = PixelCache(self._unmasked_columns, self._file.first_row)
        self._survey: Survey | None = None
        self._planes: CountPlanes | None = None
        self.file_id = self._file.file_id
        self.camera = self._file.camera
        self.baseline = self._file.baseline
        self.software_version = self._file.software_version
        self.start_unix = self._file.start_unix
        self.exposure_s = self._file.exposure_us / 1e6
        self.dead_time_us = self._file.dead_time_us
        self._curves = CurveCache(self._pixels, self.dead_time_us)
        self.n_photons = self._file.n_photons
        self.shape = self._file.shape
        self.flags = self._file.flags
        self._calibrated = None
        try:
            self._load_sidecar()
            if wavecal is not None:
                self.try_wavecal(wavecal)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ObsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        ncols, nrows = self.shape
        return f"<ObsFile {self.path.name}: {self.n_photons} photons, {ncols} x {nrows}, {self.exposure_s} s>"

    def close(self) -> None:
        """Release the file, and what is remembered of it."""
        self._forget()
        self._file.close()

    # --- what the file says -------------------------------------------------------------------

    @property
    def beammap(self) -> Beammap:
        """Resonator and beam-map code of every pixel."""
        return self._file.beammap

    @property
    def recorded_counts(self) -> npt.NDArray[np.int64]:
        """All photons of every pixel, those of masked times too: known without reading; shape (ncols, nrows)."""
        return self._file.counts

    @property
    def gaps_us(self) -> npt.NDArray[np.int64]:
        """Intervals without any packet, half-open, us; shape (n, 2)."""
        return self._file.gaps_us

    @property
    def sources(self) -> tuple[Source, ...]:
        """The raw files it was made from, with what became of their words."""
        return self._file.sources

    @property
    def origin(self) -> dict[str, Any]:
        """What the older program's file said of itself, from which this one was made; {} if there was none."""
        return self._file.origin

    @property
    def moved_photons(self) -> int | None:
        """Photons that 2017's firmware had told 0.5 ms too early and were moved; None where none were looked for."""
        return self._file.moved_photons

    @property
    def lost_packets(self) -> dict[int, int]:
        """Packets lost on the network, by board."""
        return self._file.lost_packets

    def with_wavecal(self, solution: Path | str | Solution) -> ObsFile:
        """Return the same observation, opened once more, with another solution: to compare them photon by photon.

        Nothing is attached. Both are to be closed.
        """
        other = self._opened_again()
        try:
            return other.try_wavecal(solution)
        except BaseException:
            other.close()
            raise

    # --- helpers ------------------------------------------------------------------------------

    def _forget(self) -> None:
        """Forget what was read: it is no longer true, or no longer wanted."""
        self._pixels.clear()
        self._curves.clear()
        if self._calibrated is not None:
            self._calibrated.clear()
        self._survey = self._planes = None

    def _opened_again(self) -> ObsFile:
        return ObsFile(self.path, time_masks=self._time_masks_used)
