"""`ObsFile`: one observation, as a person would like to use it from a notebook.

Times are seconds from the start of the observation, wavelengths nm, phases degrees, intervals half-open. Detector
arrays are [x, y], shape (ncols, nrows). No flag excludes anything unless asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import Beammap
from pipeline_core.binning import first_at_or_after
from pipeline_core.curve_cache import CurveCache
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.exposure import blind_intervals, live_time_us
from pipeline_core.histograms import (
    IntensityHistogram,
    Spectrum,
    intensity_histogram,
)
from pipeline_core.histograms import (
    phase_histogram as histogram_phases,
)
from pipeline_core.lightcurves import LightCurve
from pipeline_core.photon_file import PhotonFile, Source
from pipeline_core.pixel_cache import PixelCache
from pipeline_core.progress import Progress, silent
from pipeline_core.selection import (
    Pixel,
    checked_pixel,
    different_pixels,
    inside,
    is_one_pixel,
    phase_range,
    window_us,
)
from pipeline_core.sidecar import Action, Sidecar, load_sidecar, save_sidecar, sidecar_path
from pipeline_core.survey import CountPlanes, Survey, survey

__all__ = ["ObsFile"]

_MODES = {"read": False, "r": False, "write": True, "w": True, "a": True}


class ObsFile:
    """One photon file and its sidecar.

    Parameters
    ----------
    path : path
        A photon file ("mkid-photons").
    mode : {'read', 'write'}
        The photon file itself is never written to. ``'write'`` allows actions that change the sidecar.

    Attributes
    ----------
    path : Path
    file_id, camera, baseline, software_version : str
    start_unix : int
    exposure_s, dead_time_us : float
    n_photons : int
    shape : (ncols, nrows)
    flags : ndarray of uint32, shape (ncols, nrows)
        Bits of `pipeline_core.flags`.

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
    ConfigError
        Pixel outside the array, an impossible range or bin.
    InputFormatError
        Damaged file.
    """

    kind: ClassVar[str] = "photons"
    has_photons: ClassVar[bool] = True

    def __init__(self, path: Path | str, mode: str = "read") -> None:
        if mode not in _MODES:
            raise ConfigError(f"mode must be 'read' or 'write', not {mode!r}.")
        self.path = Path(path).expanduser()
        self._writable = _MODES[mode]
        self._file = PhotonFile(self.path)
        self._pixels = PixelCache(self._file.columns, self._file.first_row)
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
        try:
            self._sidecar_path = sidecar_path(self.path, self.file_id)
            self._sidecar = load_sidecar(self._sidecar_path, self.file_id)
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
        self._pixels.clear()
        self._curves.clear()
        self._survey = self._planes = None
        self._file.close()

    # --- what the file says -------------------------------------------------------------------

    @property
    def beammap(self) -> Beammap:
        """Resonator and beam-map code of every pixel."""
        return self._file.beammap

    @property
    def gaps_us(self) -> npt.NDArray[np.int64]:
        """Intervals without any packet, half-open, us; shape (n, 2)."""
        return self._file.gaps_us

    @property
    def sources(self) -> tuple[Source, ...]:
        """The raw files it was made from, with what became of their words."""
        return self._file.sources

    @property
    def lost_packets(self) -> dict[int, int]:
        """Packets lost on the network, by board."""
        return self._file.lost_packets

    @property
    def is_wavelength_calibrated(self) -> bool:
        """Whether a wavelength solution is attached. Not yet possible: always False."""
        return False

    # --- photons ------------------------------------------------------------------------------

    def photons(
        self,
        pixel: Pixel | Sequence[Pixel],
        start: float | None = None,
        stop: float | None = None,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
    ) -> npt.NDArray[np.void]:
        """Return the photons of one pixel or several.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
        start, stop, min_phase, max_phase
            See the class.
        min_wavelength, max_wavelength : float, optional
            nm; need a wavelength calibration.

        Returns
        -------
        structured ndarray
            ``time`` (uint32, us), ``phase`` (float32, deg), ``wavelength`` (float32, nm, NaN without calibration),
            ``weight`` (float32); ``baseline`` (float32, deg) where it was kept; with a sequence of pixels also
            ``x``, ``y`` (uint16). In order of time within a pixel.

        Raises
        ------
        CalibrationError
            If a wavelength range is asked for and no calibration is attached.
        """
        if min_wavelength is not None or max_wavelength is not None:
            raise CalibrationError(
                f"{self.path} has no wavelength calibration, so photons cannot be chosen by wavelength. Leave the "
                "range open."
            )
        window = self._window(start, stop)
        phases = phase_range(min_phase, max_phase)
        if is_one_pixel(pixel):
            one = checked_pixel(cast(Pixel, pixel), self.shape)
            return self._photons_of(one, window, phases, self._file.photon_dtype)
        dtype = [*self._file.photon_dtype, ("x", "u2"), ("y", "u2")]
        parts = [np.empty(0, dtype)]
        for each in cast("Sequence[Pixel]", pixel):
            x, y = checked_pixel(each, self.shape)
            rows = self._photons_of((x, y), window, phases, dtype)
            rows["x"], rows["y"] = x, y
            parts.append(rows)
        return np.concatenate(parts)

    def count_image(
        self,
        start: float | None = None,
        stop: float | None = None,
        exclude: int = 0,
        progress: Progress = silent,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
    ) -> npt.NDArray[np.int64]:
        """Count the photons of every pixel: raw counts, exact.

        After `survey`, time ranges on its grid are answered at once.

        Parameters
        ----------
        start, stop, min_phase, max_phase
            See the class.
        exclude : int
            Flag bits; pixels with any of them count 0. Nothing by default.
        progress : Progress
            Called while the file is read; may cancel.

        Returns
        -------
        ndarray of int64, shape (ncols, nrows)
        """
        start_us, stop_us = self._window(start, stop)
        phases = phase_range(min_phase, max_phase)
        image = None
        if self._planes is not None and phases == (-np.inf, np.inf):
            image = self._planes.image(start_us, stop_us)
        if image is None:
            image = self._file.count_window(start_us, stop_us, phases, progress)
        if exclude:
            image = np.where(self.flags & np.uint32(exclude), 0, image)
        return image

    def survey(self, progress: Progress = silent) -> Survey:
        """Look through the whole file once; see `Survey`. Remembered.

        Parameters
        ----------
        progress : Progress
            Called while the file is read; may cancel.
        """
        if self._survey is None:
            self._survey, self._planes = survey(self._file, progress)
        return self._survey

    def light_curve(
        self,
        pixel: Pixel | Sequence[Pixel],
        bin_s: float = 0.01,
        start: float | None = None,
        stop: float | None = None,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
        progress: Progress = silent,
    ) -> LightCurve:
        """Bin the photons of one pixel, or of several together, in time; see `LightCurve`.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
            Of a sequence, each pixel counts once.
        bin_s : float
            Width of a bin in s; rounded to us. The last bin ends at `stop` and may be shorter.
        start, stop, min_phase, max_phase
            See the class. Photons of any phase make the pixel blind for the dead time.
        progress : Progress
            Called while pixels are read; may cancel.
        """
        window = self._window(start, stop)
        pixels = different_pixels(pixel, self.shape)
        phases = phase_range(min_phase, max_phase)
        gaps = blind_intervals(self.gaps_us)
        return self._curves.curve(pixels, window, bin_s, phases, gaps, progress)

    def intensity_histogram(
        self,
        pixel: Pixel | Sequence[Pixel],
        bin_s: float = 0.01,
        start: float | None = None,
        stop: float | None = None,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
        progress: Progress = silent,
    ) -> IntensityHistogram:
        """Count how often a bin of `bin_s` held 0, 1, 2, ... photons; see `IntensityHistogram`.

        Parameters as for `light_curve`.
        """
        phases = {"min_phase": min_phase, "max_phase": max_phase}
        return intensity_histogram(
            self.light_curve(pixel, bin_s, start, stop, progress=progress, **phases)
        )

    def spectrum(
        self,
        pixel: Pixel | Sequence[Pixel],
        start: float | None = None,
        stop: float | None = None,
        bin_deg: float = 1.0,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
        progress: Progress = silent,
    ) -> Spectrum:
        """Return the spectrum: phases, as long as there is no wavelength calibration. As `phase_histogram`."""
        band = {"min_phase": min_phase, "max_phase": max_phase}
        return self.phase_histogram(pixel, start, stop, bin_deg, progress=progress, **band)

    def phase_histogram(
        self,
        pixel: Pixel | Sequence[Pixel],
        start: float | None = None,
        stop: float | None = None,
        bin_deg: float = 1.0,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
        progress: Progress = silent,
    ) -> Spectrum:
        """Histogram the phases of one pixel or several, in degrees.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
            Of a sequence, each pixel counts once.
        start, stop, min_phase, max_phase
            See the class.
        bin_deg : float
            Width of a bin in degrees; edges are its multiples.
        progress : Progress
            Called while pixels are read; may cancel.
        """
        window = self._window(start, stop)
        pixels = different_pixels(pixel, self.shape)
        photons = self._pixels.each(pixels, progress)
        return histogram_phases(pixels, photons, window, phase_range(min_phase, max_phase), bin_deg)

    def live_time(
        self,
        pixel: Pixel | None = None,
        start: float | None = None,
        stop: float | None = None,
        *,
        dead_time: bool = True,
    ) -> float | npt.NDArray[np.float64]:
        """Return how long a pixel was alive, or all of them.

        Parameters
        ----------
        pixel : (x, y), optional
            Default: all pixels.
        start, stop
            See the class.
        dead_time : bool
            Whether the dead time after each photon counts as not alive. For one pixel it is exact; for the whole
            array, photons are taken to be at least a dead time apart and away from gaps and ends (never below 0).

        Returns
        -------
        float, or ndarray of float64 with shape (ncols, nrows)
            Seconds.
        """
        start_us, stop_us = self._window(start, stop)
        edges = np.array([start_us, stop_us])
        dead_time_us = self.dead_time_us if dead_time else 0.0
        if pixel is not None:
            times, _ = self._pixels.get(checked_pixel(pixel, self.shape))
            blind = blind_intervals(self.gaps_us, times, dead_time_us)
            return float(live_time_us(edges, blind)[0] / 1e6)
        open_s = self.open_time(start, stop)
        if not dead_time_us:
            return np.full(self.shape, open_s)
        dead_s = np.multiply(self.count_image(start, stop), dead_time_us / 1e6, dtype=np.float64)
        return np.maximum(open_s - dead_s, 0.0)

    def open_time(self, start: float | None = None, stop: float | None = None) -> float:
        """Return how many seconds of a time range there are data for (dead time counts as data)."""
        edges = np.array(self._window(start, stop))
        return float(live_time_us(edges, blind_intervals(self.gaps_us))[0] / 1e6)

    # --- the sidecar --------------------------------------------------------------------------

    @property
    def history(self) -> tuple[Action, ...]:
        """Everything that was done to this observation since its photons were recorded."""
        return self._sidecar.history

    @property
    def annotations(self) -> tuple[str, ...]:
        """Notes attached to the observation."""
        return self._sidecar.annotations

    @property
    def sidecar(self) -> Path:
        """Where what may change is kept: beside the photon file, or in the user's data folder."""
        return self._sidecar_path

    def annotate(self, text: str) -> ObsFile:
        """Attach a note; returns the observation. Needs ``mode="write"``."""
        self._save(self._sidecar.annotated(text))
        return self

    def undo(self, kind: str | None = None) -> ObsFile:
        """Take back the newest action, or the newest of one kind; returns the observation.

        Raises
        ------
        CalibrationError
            If there is nothing to take back.
        """
        self._save(self._sidecar.undone(kind))
        return self

    def _save(self, changed: Sidecar) -> None:
        if not self._writable:
            raise ConfigError(
                f'{self.path} is open for reading. Open it with mode="write" to change it.'
            )
        self._sidecar = save_sidecar(self._sidecar_path, changed)

    # --- helpers ------------------------------------------------------------------------------

    def _window(self, start: float | None, stop: float | None) -> tuple[int, int]:
        return window_us(start, stop, self._file.exposure_us)

    def _photons_of(
        self,
        pixel: Pixel,
        window: tuple[int, int],
        phases: tuple[float, float],
        dtype: list[tuple[str, str]],
    ) -> npt.NDArray[np.void]:
        all_times, all_phases = self._pixels.get(pixel)
        rows = slice(*(first_at_or_after(all_times, limit) for limit in window))
        chosen = inside(all_phases[rows], phases)
        photons = np.empty(np.count_nonzero(chosen), dtype)
        photons["time"], photons["phase"] = all_times[rows][chosen], all_phases[rows][chosen]
        photons["wavelength"], photons["weight"] = np.nan, 1.0
        if self._file.has_baseline:
            photons["baseline"] = self._file.baselines(pixel)[rows][chosen]
        return photons
