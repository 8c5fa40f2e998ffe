"""`ObsFile`: one observation, as a person would like to use it from a notebook.

Times are seconds from the start of the observation, wavelengths nm, phases degrees, intervals half-open. Detector
arrays are [x, y], shape (ncols, nrows). No flag excludes anything unless asked.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import Beammap
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.exposure import blind_intervals, live_time_us
from pipeline_core.histograms import (
    IntensityHistogram,
    Spectrum,
    intensity_histogram,
    phase_histogram,
)
from pipeline_core.lightcurves import LightCurve, bin_edges_us, light_curve
from pipeline_core.photon_file import PhotonFile, Pixel, Source
from pipeline_core.progress import Progress, silent
from pipeline_core.sidecar import Action, Sidecar, load_sidecar, save_sidecar, sidecar_path

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
        self._recent: tuple[Pixel, npt.NDArray[np.void]] | None = None
        self._file = PhotonFile(self.path)
        self.file_id = self._file.file_id
        self.camera = self._file.camera
        self.baseline = self._file.baseline
        self.software_version = self._file.software_version
        self.start_unix = self._file.start_unix
        self.exposure_s = self._file.exposure_us / 1e6
        self.dead_time_us = self._file.dead_time_us
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
        """Release the file."""
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
        phases = _phase_range(min_phase, max_phase)
        if len(pixel) == 2 and np.ndim(pixel[0]) == 0:
            return self._photons_of(self._checked(cast(Pixel, pixel)), window, phases)
        parts = []
        for one in cast("Sequence[Pixel]", pixel):
            x, y = self._checked(one)
            rows = self._photons_of((x, y), window, phases)
            placed = np.empty(rows.size, [*rows.dtype.descr, ("x", "u2"), ("y", "u2")])
            for name in rows.dtype.names or ():
                placed[name] = rows[name]
            placed["x"], placed["y"] = x, y
            parts.append(placed)
        if parts:
            return np.concatenate(parts)
        return np.empty(0, [*self._file.photon_dtype, ("x", "u2"), ("y", "u2")])

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
        phases = _phase_range(min_phase, max_phase)
        image = self._file.count_window(start_us, stop_us, phases, progress)
        if exclude:
            image = np.where(self.flags & np.uint32(exclude), 0, image)
        return image

    def light_curve(
        self,
        pixel: Pixel,
        bin_s: float = 0.01,
        start: float | None = None,
        stop: float | None = None,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
    ) -> LightCurve:
        """Bin one pixel's photons in time; see `LightCurve`.

        Parameters
        ----------
        pixel : (x, y)
        bin_s : float
            Width of a bin in s; rounded to us. The last bin ends at `stop` and may be shorter.
        start, stop, min_phase, max_phase
            See the class. Photons of any phase make the pixel blind for the dead time.
        """
        start_us, stop_us = self._window(start, stop)
        edges = bin_edges_us(start_us, stop_us, bin_s)
        phases = _phase_range(min_phase, max_phase)
        pixel = self._checked(pixel)
        recorded = self._all_photons(pixel)
        chosen = recorded[_inside(recorded["phase"], phases)]["time"]
        gaps = blind_intervals(self.gaps_us)
        blind = blind_intervals(self.gaps_us, recorded["time"], self.dead_time_us)
        return light_curve(pixel, chosen, edges, round(bin_s * 1e6) / 1e6, gaps, blind)

    def intensity_histogram(
        self,
        pixel: Pixel,
        bin_s: float = 0.01,
        start: float | None = None,
        stop: float | None = None,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
    ) -> IntensityHistogram:
        """Count how often a bin of `bin_s` held 0, 1, 2, ... photons; see `IntensityHistogram`.

        Parameters as for `light_curve`.
        """
        curve = self.light_curve(
            pixel, bin_s, start, stop, min_phase=min_phase, max_phase=max_phase
        )
        return intensity_histogram(curve)

    def spectrum(
        self,
        pixel: Pixel,
        start: float | None = None,
        stop: float | None = None,
        bin_deg: float = 1.0,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
    ) -> Spectrum:
        """Histogram one pixel's phases: the spectrum of a file that is not wavelength-calibrated.

        Parameters
        ----------
        pixel : (x, y)
        start, stop, min_phase, max_phase
            See the class.
        bin_deg : float
            Width of a bin in degrees; edges are its multiples.
        """
        pixel = self._checked(pixel)
        phases = _phase_range(min_phase, max_phase)
        rows = self._photons_of(pixel, self._window(start, stop), phases)
        return phase_histogram(pixel, rows["phase"], bin_deg)

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
            times = self._all_photons(self._checked(pixel))["time"]
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

    def _checked(self, pixel: Sequence[int]) -> Pixel:
        ncols, nrows = self.shape
        try:
            x, y = (operator.index(v) for v in pixel)
        except TypeError:
            raise ConfigError(f"A pixel is two whole numbers (x, y), not {pixel!r}.") from None
        if not (0 <= x < ncols and 0 <= y < nrows):
            raise ConfigError(
                f"Pixel ({x}, {y}) is outside the array: x 0..{ncols - 1}, y 0..{nrows - 1}."
            )
        return x, y

    def _window(self, start: float | None, stop: float | None) -> tuple[int, int]:
        """Return a time range in us; it must be inside the observation and not empty."""
        begin = 0.0 if start is None else float(start)
        end = self.exposure_s if stop is None else float(stop)
        if not (math.isfinite(begin) and math.isfinite(end)):
            raise ConfigError("A time range needs numbers of seconds.")
        start_us, stop_us = round(begin * 1e6), round(end * 1e6)
        if not 0 <= start_us < stop_us <= self._file.exposure_us:
            raise ConfigError(
                f"Time range {begin:g} to {end:g} s: it must satisfy 0 <= start < stop <= {self.exposure_s:g} s."
            )
        return start_us, stop_us

    def _all_photons(self, pixel: Pixel) -> npt.NDArray[np.void]:
        """Return all photons of a pixel, read-only; the pixel asked for last is kept."""
        if self._recent is None or self._recent[0] != pixel:
            photons = self._file.photons(pixel)
            photons.setflags(write=False)
            self._recent = (pixel, photons)
        return self._recent[1]

    def _photons_of(
        self, pixel: Pixel, window: tuple[int, int], phases: tuple[float, float]
    ) -> npt.NDArray[np.void]:
        rows = self._all_photons(pixel)
        first, stop = np.searchsorted(rows["time"], np.array(window, np.uint64))
        rows = rows[first:stop]
        return rows[_inside(rows["phase"], phases)].copy()


def _phase_range(min_phase: float | None, max_phase: float | None) -> tuple[float, float]:
    """Return a phase range in degrees, open where None; it must not be empty."""
    low = -math.inf if min_phase is None else float(min_phase)
    high = math.inf if max_phase is None else float(max_phase)
    if not low < high:
        raise ConfigError(
            f"Phase range {low:g} to {high:g} deg: its beginning must be below its end."
        )
    return low, high


def _inside(
    phase_deg: npt.NDArray[np.float32], phases: tuple[float, float]
) -> npt.NDArray[np.bool_]:
    low, high = phases
    exact = phase_deg.astype(np.float64)  # a float32 limit would not be the one asked for
    return (exact >= low) & (exact < high)
