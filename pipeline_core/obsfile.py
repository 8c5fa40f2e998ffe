"""`ObsFile`: one observation, as a person would like to use it from a notebook.

Times are seconds from the start of the observation, wavelengths nm, phases degrees, intervals half-open. Detector
arrays are [x, y], shape (ncols, nrows). No flag excludes anything unless asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import Beammap
from pipeline_core.binning import first_at_or_after
from pipeline_core.cubereads import CubeReads
from pipeline_core.curve_cache import CurveCache
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.exposure import blind_intervals, live_time_us, live_times_s
from pipeline_core.hdf5 import reading
from pipeline_core.histograms import (
    IntensityHistogram,
    Spectrum,
    intensity_histogram,
)
from pipeline_core.histograms import (
    phase_histogram as histogram_phases,
)
from pipeline_core.lightcurves import LightCurve
from pipeline_core.masked_counts import count_outside
from pipeline_core.masks import PixelMasks
from pipeline_core.photon_file import PhotonFile, Source
from pipeline_core.pixel_cache import PixelCache
from pipeline_core.previews import PreviewImage, preview
from pipeline_core.progress import Progress, silent
from pipeline_core.rates import RateImage
from pipeline_core.selection import (
    Band,
    Pixel,
    checked_pixel,
    different_pixels,
    inside,
    is_one_pixel,
    window_us,
)
from pipeline_core.survey import CountPlanes, Survey, survey

if TYPE_CHECKING:
    from pipeline_core.wavecal.solution import Solution

__all__ = ["ObsFile"]

_MODES = {"read": False, "r": False, "write": True, "w": True, "a": True}


class ObsFile(CubeReads):
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
        extrapolated: bool = False,
    ) -> npt.NDArray[np.void]:
        """Return the photons of one pixel or several.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
        start, stop, min_wavelength, max_wavelength, min_phase, max_phase, extrapolated
            See the class.

        Returns
        -------
        structured ndarray
            ``time`` (uint32, us), ``phase`` (float32, deg), ``wavelength`` (float32, nm, NaN where the pixel is not
            calibrated), ``weight`` (float32); ``baseline`` (float32, deg) where it was kept; ``extrapolated`` (bool)
            with a calibration: outside the pixel's valid range; ``outside_flat`` (bool) with a flat field: beyond the
            wavelengths for which the pixel has weights, so that the weight is the one at the edge; with a sequence of
            pixels also ``x``, ``y`` (uint16).
            In order of time within a pixel.
        """
        window = self._window(start, stop)
        band = self._band(min_phase, max_phase, min_wavelength, max_wavelength, extrapolated)
        dtype = self._file.photon_dtype
        if self._calibrated is not None:
            dtype = [*dtype, ("extrapolated", "?")]
        if self._flat is not None:
            dtype = [*dtype, ("outside_flat", "?")]
        if is_one_pixel(pixel):
            one = checked_pixel(cast(Pixel, pixel), self.shape)
            return self._photons_of(one, window, band, dtype)
        dtype = [*dtype, ("x", "u2"), ("y", "u2")]
        parts = [np.empty(0, dtype)]
        for each in cast("Sequence[Pixel]", pixel):
            x, y = checked_pixel(each, self.shape)
            rows = self._photons_of((x, y), window, band, dtype)
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
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        extrapolated: bool = False,
        weighted: bool = False,
    ) -> npt.NDArray[Any]:
        """Count the photons of every pixel: raw counts, exact; or add up their flat-field weights.

        After `survey`, time ranges on its grid are answered at once; so are, in files of many photons, ranges of
        phase (multiples of 5 degrees) and time on the grid of the file's summaries.

        Parameters
        ----------
        start, stop, min_phase, max_phase, min_wavelength, max_wavelength, extrapolated
            See the class. In a range of wavelengths, pixels without calibration count 0.
        exclude : int
            Flag bits; pixels with any of them (`flags_in` the time range) count 0. Nothing by default.
        progress : Progress
            Called while the file is read; may cancel.
        weighted : bool
            Whether photons count with their weights: `weighted_image`, which has variances too.

        Returns
        -------
        ndarray of int64 (float64 if weighted), shape (ncols, nrows)
        """
        if weighted:
            if min_phase is not None or max_phase is not None:
                raise ConfigError("Weighted images are limited by wavelengths, not by phases.")
            return self.weighted_image(
                start,
                stop,
                exclude,
                progress,
                min_wavelength=min_wavelength,
                max_wavelength=max_wavelength,
                extrapolated=extrapolated,
            ).image
        window = self._window(start, stop)
        band = self._band(min_phase, max_phase, min_wavelength, max_wavelength, extrapolated)
        image = None
        if self._planes is not None and not band.chooses:
            image = self._planes.image(*window)
        if image is None and self._masked_us.size:
            limits = self._phase_limits(band)
            image = count_outside(self._file, window, self._masked_us, limits, progress)
        if image is None and band.wavelengths is not None:
            photons = self._calibrated_photons()
            image = photons.count_window(window, band.wavelengths, extrapolated, progress)
        if image is None:
            image = self._file.count_window(*window, band.phases, progress)
        if exclude:
            image = np.where(self.flags_in(start, stop) & np.uint32(exclude), 0, image)
        return image

    def preview_image(
        self,
        start: float | None = None,
        stop: float | None = None,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        extrapolated: bool = False,
    ) -> PreviewImage | None:
        """Return about what `count_image` counts, within milliseconds at any number of photons.

        Windows whose ends are not on the grid of the file's summaries take in parts of their outermost bins.

        Parameters
        ----------
        start, stop, min_phase, max_phase, min_wavelength, max_wavelength, extrapolated
            See the class.

        Returns
        -------
        PreviewImage or None
            None where there is nothing to tell it from: files of few photons have no summaries, and those of
            masked times are in them.
        """
        window = self._window(start, stop)
        band = self._band(min_phase, max_phase, min_wavelength, max_wavelength, extrapolated)
        summary = self._file.summary
        if summary is None or not summary.has_bands or self._masked_us.size:
            return None
        limits = self._phase_limits(band)
        if limits is None:
            limits = np.broadcast_to(band.phases, (*self.shape, 2))
        with reading(self.path):
            if band.wavelengths is None:
                exact = summary.image(*window, band.phases)
                if exact is not None:
                    return PreviewImage(exact.astype(np.float64), True)
            return PreviewImage(preview(summary, window, limits), False)

    def rate_image(
        self,
        start: float | None = None,
        stop: float | None = None,
        exclude: int = 0,
        progress: Progress = silent,
        *,
        dead_time: bool = True,
        min_phase: float | None = None,
        max_phase: float | None = None,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        extrapolated: bool = False,
    ) -> RateImage:
        """Return counts per second alive of every pixel, with errors; see `RateImage`.

        Parameters
        ----------
        start, stop, exclude, min_phase, max_phase, min_wavelength, max_wavelength, extrapolated
            As for `count_image`. Photons of any phase make a pixel dead.
        progress : Progress
            Called while the file is read; may cancel.
        dead_time : bool
            Whether to correct for dead time, as `live_time` knows it.
        """
        counts = self.count_image(
            start,
            stop,
            exclude,
            progress,
            min_phase=min_phase,
            max_phase=max_phase,
            min_wavelength=min_wavelength,
            max_wavelength=max_wavelength,
            extrapolated=extrapolated,
        )
        live = self.live_time(None, start, stop, dead_time=dead_time)
        return RateImage(counts, np.asarray(live), self.open_time(start, stop))

    def survey(self, progress: Progress = silent) -> Survey:
        """Look through the whole file once; see `Survey`. Remembered.

        Parameters
        ----------
        progress : Progress
            Called while the file is read; may cancel.
        """
        if self._survey is None:
            self._survey, self._planes = survey(self._file, progress, self._masked_us)
        return self._survey

    def keep_times(self, progress: Progress = silent) -> None:
        """Read the times of all photons into memory (up to a quarter of the machine's): windows of time are quick then.

        Parameters
        ----------
        progress : Progress
            Called while the file is read; may cancel.
        """
        self._file.keep_times(progress)

    def light_curve(
        self,
        pixel: Pixel | Sequence[Pixel],
        bin_s: float = 0.01,
        start: float | None = None,
        stop: float | None = None,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        extrapolated: bool = False,
        weighted: bool = False,
        progress: Progress = silent,
    ) -> LightCurve:
        """Bin the photons of one pixel, or of several together, in time; see `LightCurve`.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
            Of a sequence, each pixel counts once.
        bin_s : float
            Width of a bin in s; rounded to us. The last bin ends at `stop` and may be shorter.
        start, stop, min_phase, max_phase, min_wavelength, max_wavelength, extrapolated
            See the class. Photons of any phase make the pixel blind for the dead time.
        weighted : bool
            Whether to add up the photons' weights as well; pixels without weights are left out.
        progress : Progress
            Called while pixels are read; may cancel.
        """
        window = self._window(start, stop)
        pixels = different_pixels(pixel, self.shape)
        band = self._band(min_phase, max_phase, min_wavelength, max_wavelength, extrapolated)
        if weighted:
            pixels = self._weighted_pixels(pixels)
        gaps = self._closed()
        if band.wavelengths is None:
            curve = self._curves.curve(pixels, window, bin_s, band.phases, gaps, progress)
        else:
            curves = self._calibrated_photons().curves(extrapolated)
            curve = curves.curve(pixels, window, bin_s, band.wavelengths, gaps, progress)
        return self._weigh_curve(curve, band, progress) if weighted else curve

    def intensity_histogram(
        self,
        pixel: Pixel | Sequence[Pixel],
        bin_s: float = 0.01,
        start: float | None = None,
        stop: float | None = None,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        extrapolated: bool = False,
        progress: Progress = silent,
    ) -> IntensityHistogram:
        """Count how often a bin of `bin_s` held 0, 1, 2, ... photons; see `IntensityHistogram`.

        Parameters as for `light_curve`.
        """
        curve = self.light_curve(
            pixel,
            bin_s,
            start,
            stop,
            min_phase=min_phase,
            max_phase=max_phase,
            min_wavelength=min_wavelength,
            max_wavelength=max_wavelength,
            extrapolated=extrapolated,
            progress=progress,
        )
        return intensity_histogram(curve)

    def spectrum(
        self,
        pixel: Pixel | Sequence[Pixel],
        start: float | None = None,
        stop: float | None = None,
        bin_deg: float = 1.0,
        *,
        bin_ev: float = 0.1,
        min_phase: float | None = None,
        max_phase: float | None = None,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        extrapolated: bool = False,
        weighted: bool = False,
        progress: Progress = silent,
    ) -> Spectrum:
        """Return the spectrum in wavelengths; in phases if none of the pixels is calibrated, or phases are limited.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
            Of a sequence, each pixel counts once; of wavelengths, those without calibration add nothing.
        start, stop, min_phase, max_phase, min_wavelength, max_wavelength
            See the class.
        bin_deg : float
            Width of a phase bin; edges are its multiples.
        bin_ev : float
            Width of a bin of wavelengths, which have equal widths in energy: eV.
        extrapolated : bool
            Whether to count photons outside their pixel's valid range, over more bins than that range.
        weighted : bool
            Whether to add up the photons' weights as well; pixels without weights are left out. Not of phases.
        progress : Progress
            Called while pixels are read; may cancel.
        """
        pixels = different_pixels(pixel, self.shape)
        band = self._band(min_phase, max_phase, min_wavelength, max_wavelength, extrapolated)
        wavecal = self.wavecal
        if weighted:
            if band.phases != (-np.inf, np.inf):
                raise ConfigError("Weighted spectra are limited by wavelengths, not by phases.")
            pixels = self._weighted_pixels(pixels)
        if band.wavelengths is None and (
            wavecal is None or band.chooses or not any(wavecal.calibrated[one] for one in pixels)
        ):
            where = pixels, start, stop, bin_deg
            low, high = min_phase, max_phase
            return self.phase_histogram(*where, min_phase=low, max_phase=high, progress=progress)
        window = self._window(start, stop)
        spectrum = self._calibrated_photons().spectrum(
            pixels,
            window,
            band.wavelengths,
            bin_ev=bin_ev,
            extrapolated=extrapolated,
            progress=progress,
        )
        if not weighted:
            return spectrum
        inner = replace(band, extrapolated=extrapolated)
        return self._weigh_spectrum(spectrum, window, inner, progress)

    def phase_histogram(
        self,
        pixel: Pixel | Sequence[Pixel],
        start: float | None = None,
        stop: float | None = None,
        bin_deg: float = 1.0,
        *,
        min_phase: float | None = None,
        max_phase: float | None = None,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        extrapolated: bool = False,
        progress: Progress = silent,
    ) -> Spectrum:
        """Histogram the phases of one pixel or several, in degrees.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
            Of a sequence, each pixel counts once.
        start, stop, min_phase, max_phase, min_wavelength, max_wavelength, extrapolated
            See the class.
        bin_deg : float
            Width of a bin in degrees; edges are its multiples.
        progress : Progress
            Called while pixels are read; may cancel.
        """
        window = self._window(start, stop)
        pixels = different_pixels(pixel, self.shape)
        band = self._band(min_phase, max_phase, min_wavelength, max_wavelength, extrapolated)
        if self.wavecal is not None and any(self.wavecal.stored[one] for one in pixels):
            raise CalibrationError(self._no_phases())
        photons = self._pixels.each(pixels, progress)
        if band.wavelengths is not None:
            where = pixels, band.wavelengths, extrapolated
            photons = self._calibrated_photons().phases_of_window(*where, progress)
        return histogram_phases(pixels, photons, window, band.phases, bin_deg)

    def live_time(
        self,
        pixel: Pixel | None = None,
        start: float | None = None,
        stop: float | None = None,
        *,
        dead_time: bool = True,
    ) -> float | npt.NDArray[np.float64]:
        """Return how long a pixel was alive, or all of them: neither in a gap, nor in a masked time, nor dead.

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
            blind = blind_intervals(self._closed(), times, dead_time_us)
            return float(live_time_us(edges, blind)[0] / 1e6)
        open_us = np.full(self.shape, 1e6 * self.open_time(start, stop))
        if not dead_time_us:
            return open_us / 1e6
        return live_times_s(open_us, self.count_image(start, stop), dead_time_us)

    def open_time(self, start: float | None = None, stop: float | None = None) -> float:
        """Return how many seconds of a time range there are data for, less masked times (dead time counts as data)."""
        edges = np.array(self._window(start, stop))
        return float(live_time_us(edges, self._closed())[0] / 1e6)

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

    def _window(self, start: float | None, stop: float | None) -> tuple[int, int]:
        return window_us(start, stop, self._file.exposure_us)

    def _phase_limits(self, band: Band) -> npt.NDArray[np.float64] | None:
        """Return each pixel's limits [x, y, 2] in degrees; None for any phase."""
        if not band.chooses:
            return None
        if band.wavelengths is None:
            return np.broadcast_to(band.phases, (*self.shape, 2))
        calibration = self._calibrated_photons().calibration
        return calibration.phase_limits(band.wavelengths, extrapolated=band.extrapolated)

    def _photons_of(
        self, pixel: Pixel, window: tuple[int, int], band: Band, dtype: list[tuple[str, str]]
    ) -> npt.NDArray[np.void]:
        all_times, all_phases = self._pixels.get(pixel)
        rows = slice(*(first_at_or_after(all_times, limit) for limit in window))
        chosen = inside(all_phases[rows], band.phases)
        if band.phases == (-np.inf, np.inf):
            chosen[:] = True  # wavelengths that older programs stored may be no numbers
        if band.wavelengths is not None:
            found = self._calibrated_photons().wavelengths(pixel, extrapolated=band.extrapolated)
            chosen &= inside(found[rows], band.wavelengths)
        photons = np.empty(np.count_nonzero(chosen), dtype)
        phases = all_phases[rows][chosen]
        photons["time"], photons["phase"] = all_times[rows][chosen], phases
        photons["wavelength"], photons["weight"] = np.nan, 1.0
        if self.wavecal is not None:
            photons["wavelength"] = self.wavecal.wavelengths(pixel, phases)
            photons["extrapolated"] = self.wavecal.outside(pixel, phases)
            if self.wavecal.stored[pixel]:
                photons["phase"] = np.nan
        if self._file.has_weights:
            photons["weight"] = self._stored_weights(pixel)[rows][chosen]
        if self._flat is not None:
            photons["weight"] *= self._flat.weights_of(pixel, photons["wavelength"])
            photons["outside_flat"] = self._flat.outside(pixel, photons["wavelength"])
        if self._file.has_baseline:
            photons["baseline"] = self._without_masked(pixel, self._file.baselines(pixel))[rows][
                chosen
            ]
        return photons
