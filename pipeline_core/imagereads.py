"""Images of whole arrays, and how long pixels were alive: what `ObsFile` offers beside single pixels and cubes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.cubereads import CubeReads
from pipeline_core.errors import ConfigError
from pipeline_core.exposure import blind_intervals, live_time_us, live_times_s
from pipeline_core.hdf5 import reading
from pipeline_core.masked_counts import count_outside
from pipeline_core.previews import PreviewImage, preview
from pipeline_core.progress import Progress, silent
from pipeline_core.rates import RateImage
from pipeline_core.selection import Band, Pixel, checked_pixel, window_us
from pipeline_core.survey import CountPlanes, CountsInTime, Survey, counts_in_time, survey

__all__ = ["ImageReads"]


class ImageReads(CubeReads):
    """Base of `ObsFile`. Parameters that the methods share are those of `ObsFile`, "the class" in what follows."""

    shape: tuple[int, int]
    exposure_s: float
    _survey: Survey | None
    _planes: CountPlanes | None

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

    def counts_in_time(
        self, start: float | None = None, stop: float | None = None, progress: Progress = silent
    ) -> CountsInTime:
        """Return images of the bins of a `survey`, as far as they lie in a range of time; masked times do not count.

        Parameters
        ----------
        start, stop
            See the class.
        progress : Progress
            Called while the file is read; may cancel.
        """
        return counts_in_time(self._file, self._window(start, stop), self._masked_us, progress)

    def keep_times(self, progress: Progress = silent) -> None:
        """Read the times of all photons into memory (up to a quarter of the machine's): windows of time are quick then.

        Parameters
        ----------
        progress : Progress
            Called while the file is read; may cancel.
        """
        self._file.keep_times(progress)

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

    @property
    def closed_us(self) -> npt.NDArray[np.float64]:
        """When nothing counts: gaps and masked times, half-open, disjoint and ascending, us; shape (n, 2)."""
        return self._closed()

    def phase_limits(
        self,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        *,
        extrapolated: bool = False,
    ) -> npt.NDArray[np.float64] | None:
        """Return ``low <= phase < high`` (deg) of each pixel for a range of wavelengths; None: photons of any phase.

        Returns
        -------
        ndarray of float64, shape (ncols, nrows, 2), or None
            Equal limits where a pixel has no photon of that range.

        Raises
        ------
        CalibrationError
            Wavelengths asked of an observation without wavelength calibration.
        """
        return self._phase_limits(
            self._band(None, None, min_wavelength, max_wavelength, extrapolated)
        )

    # --- helpers ------------------------------------------------------------------------------

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
