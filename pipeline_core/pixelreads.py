"""Photons, light curves, histograms and spectra of one pixel or several: what `ObsFile` offers for a click."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from pipeline_core.binning import first_at_or_after
from pipeline_core.curve_cache import CurveCache
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.histograms import IntensityHistogram, Spectrum, intensity_histogram
from pipeline_core.histograms import phase_histogram as histogram_phases
from pipeline_core.imagereads import ImageReads
from pipeline_core.lightcurves import LightCurve
from pipeline_core.progress import Progress, silent
from pipeline_core.selection import (
    Band,
    Pixel,
    checked_pixel,
    different_pixels,
    inside,
    is_one_pixel,
)

__all__ = ["PixelReads"]


class PixelReads(ImageReads):
    """Base of `ObsFile`. Parameters that the methods share are those of `ObsFile`, "the class" in what follows."""

    _curves: CurveCache

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
            Width of a phase bin; edges are its multiples, and the ends of the range.
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
            Width of a bin in degrees; edges are its multiples, and the ends of the range.
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

    def columns_of(
        self, pixels: Sequence[Pixel]
    ) -> Iterator[tuple[Pixel, npt.NDArray[np.uint32], npt.NDArray[np.float32]]]:
        """Yield each pixel with times (us) and phases (deg) of its photons, in the order of the file; none is kept.

        For passes over a whole array. Photons of masked times are left out.
        """
        for pixel in self._pixels.in_order([checked_pixel(one, self.shape) for one in pixels]):
            yield pixel, *self._unmasked_columns(pixel)

    # --- helpers ------------------------------------------------------------------------------

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
