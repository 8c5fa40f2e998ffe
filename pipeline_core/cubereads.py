"""Images and cubes of whole arrays, plain or weighted by the flat field: what `ObsFile` offers beside single pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.attached import Attached
from pipeline_core.cubes import NO_INTERVALS, Counts, count_cube
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.exposure import live_time_us, live_times_s
from pipeline_core.histograms import Spectrum
from pipeline_core.lightcurves import LightCurve, bin_edges_us
from pipeline_core.progress import Progress, silent
from pipeline_core.selection import Band, Pixel, inside, window_us
from pipeline_core.spectral_bins import equal_energy_edges
from pipeline_core.weighed_cubes import NOTHING, WeightedCounts, weigh_cube

if TYPE_CHECKING:
    from pipeline_core.calibration import WavelengthCalibration

__all__ = ["Cube", "CubeReads", "WeightedImage"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_DEFAULT_NM = (700.0, 1500.0)


class WeightedImage(NamedTuple):
    """Sums of weights [x, y] and their variances, the sums of the squared weights; NaN where a pixel has no weights."""

    image: FloatArray
    variance: FloatArray


@dataclass(frozen=True, eq=False)
class Cube:
    """Photons of every pixel along one more axis, time or wavelength.

    Attributes
    ----------
    quantity, unit : str
        'time' in 's', or 'wavelength' in 'nm'.
    edges : ndarray of float64, shape (n + 1,)
        Ascending; bins are half-open.
    values : ndarray of float64, shape (ncols, nrows, n)
        Counts, or sums of weights; NaN in pixels without weights.
    variances : ndarray of float64, same shape
        Of the values: counts, or sums of squared weights.
    live_s : ndarray of float64, shape (ncols, nrows, n) or (ncols, nrows, 1)
        Time each pixel was alive.
    weighted : bool
    """

    quantity: str
    unit: str
    edges: FloatArray
    values: FloatArray
    variances: FloatArray
    live_s: FloatArray
    weighted: bool


class CubeReads(Attached):
    """Base of `ObsFile`. Parameters that the methods share are those of `ObsFile`."""

    dead_time_us: float

    def weighted_image(
        self,
        start: float | None = None,
        stop: float | None = None,
        exclude: int = 0,
        progress: Progress = silent,
        *,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
        extrapolated: bool = False,
    ) -> WeightedImage:
        """Add up the flat-field weights of every pixel's photons, exactly.

        Parameters
        ----------
        start, stop, min_wavelength, max_wavelength, extrapolated
            As for `count_image`.
        exclude : int
            Flag bits; pixels with any of them have 0.
        progress : Progress
            May cancel.

        Returns
        -------
        WeightedImage
            Two arrays of float64, shape (ncols, nrows).

        Raises
        ------
        CalibrationError
            If no flat field is attached.
        """
        band = self._band(None, None, min_wavelength, max_wavelength, extrapolated)
        edges = np.array(window_us(start, stop, self._file.exposure_us))
        sums, variances, _ = self._weighed(edges, self._thresholds(band), progress)
        image, variance = sums[..., 0], variances[..., 0]
        if exclude:
            out = (self.flags & np.uint32(exclude)) != 0
            image[out] = variance[out] = 0.0
        return WeightedImage(image, variance)

    def spectral_cube(
        self,
        start: float | None = None,
        stop: float | None = None,
        *,
        edges_nm: npt.ArrayLike | None = None,
        bin_ev: float = 0.1,
        weighted: bool = False,
        extrapolated: bool = False,
        progress: Progress = silent,
    ) -> Cube:
        """Return every pixel's spectrum.

        Parameters
        ----------
        start, stop
            See `ObsFile`.
        edges_nm : array_like, optional
            Ascending edges of the bins; default: about `bin_ev` wide in energy, equally, from 700 to 1500 nm.
        bin_ev : float
        weighted : bool
            Whether photons count with their flat-field weights.
        extrapolated : bool
            Whether photons outside their pixel's valid range count.
        progress : Progress
            May cancel.

        Raises
        ------
        CalibrationError
            Without a wavelength calibration; without a flat field, if weighted.
        """
        edges = _spectral_edges(edges_nm, bin_ev)
        times = np.array(window_us(start, stop, self._file.exposure_us))
        wavecal = self._calibrated_photons().calibration
        thresholds = wavecal.edge_phases(edges, extrapolated=extrapolated)
        values, variances, recorded = self._cube(times, thresholds, weighted, progress)
        shape = (*self._file.shape, -1)
        where = "wavelength", "nm", edges
        live = self._live_s(times, recorded)
        return Cube(*where, values.reshape(shape), variances.reshape(shape), live, weighted)

    def temporal_cube(
        self,
        bin_s: float = 1.0,
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
    ) -> Cube:
        """Return every pixel's light curve.

        Parameters
        ----------
        bin_s : float
            Width of a bin in s; the last one ends at `stop` and may be shorter.
        start, stop, min_phase, max_phase, min_wavelength, max_wavelength, extrapolated
            See `ObsFile`.
        weighted : bool
            Whether photons count with their flat-field weights.
        progress : Progress
            May cancel.
        """
        band = self._band(min_phase, max_phase, min_wavelength, max_wavelength, extrapolated)
        times = bin_edges_us(*window_us(start, stop, self._file.exposure_us), bin_s)
        values, variances, recorded = self._cube(times, self._thresholds(band), weighted, progress)
        shape = (*self._file.shape, -1)
        where = "time", "s", times / 1e6
        live = self._live_s(times, recorded)
        return Cube(*where, values.reshape(shape), variances.reshape(shape), live, weighted)

    def cube_slab(
        self,
        edges_us: IntArray,
        thresholds_deg: FloatArray,
        *,
        weighted: bool = False,
        progress: Progress = silent,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Count or weigh all pixels' photons in bins of time and of phase: a part of a cube, as `cube_products` asks.

        Parameters
        ----------
        edges_us : ndarray of int64, shape (n_time + 1,)
            Ascending; bins are half-open.
        thresholds_deg : ndarray of float64, shape (n_pixel, n_band + 1)
            As `WavelengthCalibration.edge_phases` gives them.
        weighted : bool
        progress : Progress
            May cancel.

        Returns
        -------
        values, variances : ndarray of float64, shape (ncols, nrows, n_time, n_band)
            NaN in pixels without weights, if weighted.
        live_s : ndarray of float64, shape (ncols, nrows, n_time)
        """
        values, variances, recorded = self._cube(edges_us, thresholds_deg, weighted, progress)
        shape = (*self._file.shape, edges_us.size - 1, thresholds_deg.shape[1] - 1)
        return values.reshape(shape), variances.reshape(shape), self._live_s(edges_us, recorded)

    def image_and_slab(
        self, edges_us: IntArray, thresholds_deg: FloatArray, progress: Progress = silent
    ) -> tuple[WeightedImage, tuple[FloatArray, FloatArray, FloatArray]]:
        """Return what `weighted_image` of all photons and `cube_slab` of weights do, in one pass through the file.

        Parameters
        ----------
        edges_us, thresholds_deg, progress
            As for `cube_slab`.

        Raises
        ------
        CalibrationError
            If no flat field is attached.
        """
        if self._file.has_weights:  # pixel by pixel: there is nothing to share
            image = self.weighted_image(progress=progress)
            return image, self.cube_slab(edges_us, thresholds_deg, weighted=True, progress=progress)
        window = np.array(window_us(None, None, self._file.exposure_us))
        found, missing = self._weighed_at_once(edges_us, thresholds_deg, progress, window)
        sums, variances = found.whole.T.reshape(2, *self._file.shape)
        sums[missing] = variances[missing] = np.nan
        shape = (*self._file.shape, *found.sums.shape[1:])
        slab = found.sums.reshape(shape), found.variances.reshape(shape)
        for values in slab:
            values[missing] = np.nan
        return WeightedImage(sums, variances), (*slab, self._live_s(edges_us, found.recorded))

    def band_phases(
        self, edges_nm: npt.ArrayLike | None, *, extrapolated: bool = False
    ) -> FloatArray:
        """Return each pixel's phases at the edges of wavelength bins, for `cube_slab`; None: one bin of any phase.

        Returns
        -------
        ndarray of float64, shape (n_pixel, n_band + 1)
        """
        if edges_nm is None:
            return np.tile((-np.inf, np.inf), (self._file.order.size, 1))
        edges = _spectral_edges(edges_nm, 0.0)
        wavecal: WavelengthCalibration = self._calibrated_photons().calibration
        return wavecal.edge_phases(edges, extrapolated=extrapolated)

    def band_coverage(self, edges_nm: npt.ArrayLike, *, extrapolated: bool = False) -> FloatArray:
        """Return what part of each wavelength bin each pixel covers; see `WavelengthCalibration.coverage`.

        Returns
        -------
        ndarray of float64, shape (ncols, nrows, n_band)
        """
        wavecal: WavelengthCalibration = self._calibrated_photons().calibration
        return wavecal.coverage(_spectral_edges(edges_nm, 0.0), extrapolated=extrapolated)

    def binned_counts(
        self,
        edges_us: IntArray,
        thresholds_deg: FloatArray,
        excluded_us: IntArray = NO_INTERVALS,
        progress: Progress = silent,
        stage: str = "counting photons",
    ) -> Counts:
        """Count all pixels' photons in bins of time and phase; see `cubes.count_cube`."""
        return count_cube(self._file, edges_us, thresholds_deg, excluded_us, progress, stage)

    # --- helpers ------------------------------------------------------------------------------

    def _weighted_pixels(self, pixels: tuple[Pixel, ...]) -> tuple[Pixel, ...]:
        """Return those of some pixels that have weights.

        Raises
        ------
        CalibrationError
            If there is no flat field, or none of them has weights.
        """
        weighted = self.weighted
        chosen = tuple(pixel for pixel in pixels if weighted[pixel])
        if not chosen:
            which = (
                f"pixel {pixels[0]} has no"
                if len(pixels) == 1
                else f"none of {len(pixels)} pixels has"
            )
            raise CalibrationError(
                f"{self.path}: {which} flat-field weights. Choose others, or ask for plain counts."
            )
        return chosen

    def _weighed_photons(
        self, pixels: tuple[Pixel, ...], band: Band, progress: Progress
    ) -> Iterator[tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.float64]]]:
        """Yield times, wavelengths and weights of the photons of each pixel that are in a band."""
        calibrated = self._calibrated_photons()
        in_order = self._pixels.in_order(pixels)
        for pixel, (times, phases) in zip(
            in_order, self._pixels.each(pixels, progress), strict=True
        ):
            chosen = inside(phases, band.phases)
            if band.wavelengths is not None:
                found = calibrated.wavelengths(pixel, extrapolated=band.extrapolated)
                chosen &= inside(found, band.wavelengths)
            wavelengths = calibrated.wavelengths(pixel, extrapolated=True)[chosen]
            weights = np.ones(wavelengths.size)
            if self._flat is not None:
                weights *= self._flat.weights_of(pixel, wavelengths)
            if self._file.has_weights:
                weights *= self._stored_weights(pixel)[chosen]
            yield times[chosen], wavelengths, weights

    def _weigh_curve(self, curve: LightCurve, band: Band, progress: Progress) -> LightCurve:
        """Return a light curve of pixels that have weights with sums of weights in its bins."""
        edges = np.rint(curve.edges_s * 1e6).astype(np.int64)
        sums, variances = np.zeros(curve.counts.size), np.zeros(curve.counts.size)
        for times, _, weights in self._weighed_photons(curve.pixels, band, progress):
            _add_weights(times.astype(np.int64), weights, edges, sums, variances)
        return replace(curve, sums=sums, variances=variances)

    def _weigh_spectrum(
        self, spectrum: Spectrum, window: tuple[int, int], band: Band, progress: Progress
    ) -> Spectrum:
        """Return a spectrum in wavelengths, of pixels that have weights, with sums of weights in its bins."""
        sums, variances = np.zeros(spectrum.counts.size), np.zeros(spectrum.counts.size)
        every = (-np.inf, np.inf)
        inner = Band(band.phases, band.wavelengths or every, band.extrapolated)
        for times, wavelengths, weights in self._weighed_photons(spectrum.pixels, inner, progress):
            rows = (times >= window[0]) & (times < window[1])
            values = wavelengths[rows].astype(np.float64)
            _add_weights(values, weights[rows], spectrum.edges, sums, variances)
        return replace(spectrum, sums=sums, variances=variances)

    def _thresholds(self, band: Band) -> FloatArray:
        """Return each pixel's limits of phase, shape (n_pixel, 2)."""
        n_pixel = self._file.order.size
        if band.wavelengths is None:
            return np.tile(np.array(band.phases), (n_pixel, 1))
        wavecal: WavelengthCalibration = self._calibrated_photons().calibration
        limits = wavecal.phase_limits(band.wavelengths, extrapolated=band.extrapolated)
        return limits.reshape(n_pixel, 2)

    def _cube(
        self, times: IntArray, thresholds: FloatArray, weighted: bool, progress: Progress
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.uint32]]:
        """Return values and variances (n_pixel, n_time, n_band), and photons recorded (n_pixel, n_time)."""
        if not weighted:
            found = self.binned_counts(times, thresholds, self._masked_us, progress)
            values = found.counts.astype(np.float64)
            return values, values.copy(), found.recorded
        return self._weighed(times, thresholds, progress)

    def _weighed(
        self, times: IntArray, thresholds: FloatArray, progress: Progress
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.uint32]]:
        """Return sums of weights and of their squares, and photons recorded (n_pixel, n_time)."""
        if self._file.has_weights:
            sums, variances = self._weighed_one_by_one(times, thresholds, progress)
            nothing = np.zeros((thresholds.shape[0], 2))
            recorded = self.binned_counts(times, nothing, self._masked_us, progress).recorded
            return sums, variances, recorded
        found, missing = self._weighed_at_once(times, thresholds, progress)
        shape = (*self._file.shape, *found.sums.shape[1:])
        sums, variances = found.sums.reshape(shape), found.variances.reshape(shape)
        if shape[2] == 1:
            sums, variances = sums[:, :, 0], variances[:, :, 0]
        sums[missing] = variances[missing] = np.nan
        return sums, variances, found.recorded

    def _weighed_at_once(
        self,
        times: IntArray,
        thresholds: FloatArray,
        progress: Progress,
        image_us: IntArray = NOTHING,
    ) -> tuple[WeightedCounts, npt.NDArray[np.bool_]]:
        """Add up weights of wavelengths, of the photons of an image too; return which pixels have none as well."""
        flat = self._weights()
        wavecal: WavelengthCalibration = self._calibrated_photons().calibration
        given = (self._file, wavecal, flat, times, thresholds, self._masked_us, progress)
        found = weigh_cube(*given, image_us=image_us)
        return found, ~(flat.weighted & wavecal.calibrated)

    def _weighed_one_by_one(
        self, times: IntArray, thresholds: FloatArray, progress: Progress
    ) -> tuple[FloatArray, FloatArray]:
        """Add up weights that are stored with the photons, pixel by pixel; of phases too, where those are known."""
        n_time, n_band = times.size - 1, thresholds.shape[1] - 1
        shape = self._file.shape
        sums = np.zeros((shape[0] * shape[1], n_time * n_band))
        variances = np.zeros_like(sums)
        weighted = self.weighted
        pixels = self._pixels.in_order([(int(x), int(y)) for x, y in np.argwhere(weighted)])
        columns = self._pixels.each(pixels, progress)
        for pixel, (arrivals, phases) in zip(pixels, columns, strict=True):
            flat = pixel[0] * shape[1] + pixel[1]
            weights = self._stored_weights(pixel).astype(np.float64)
            if self._flat is not None:
                found = self._calibrated_photons().wavelengths(pixel, extrapolated=True)
                weights *= self._flat.weights_of(pixel, found)
            t = np.searchsorted(times, arrivals.astype(np.int64), side="right") - 1
            k = np.searchsorted(thresholds[flat], phases.astype(np.float64), side="right") - 1
            good = (t >= 0) & (t < n_time) & (k >= 0) & (k < n_band)
            cell = t[good] * n_band + k[good]
            sums[flat] = np.bincount(cell, weights[good], minlength=sums.shape[1])
            variances[flat] = np.bincount(cell, weights[good] ** 2, minlength=sums.shape[1])
        missing = ~weighted.ravel()
        sums[missing] = variances[missing] = np.nan
        final = (*shape, n_band) if n_time == 1 else (*shape, n_time, n_band)
        return sums.reshape(final), variances.reshape(final)

    def _live_s(self, times: IntArray, recorded: npt.NDArray[np.uint32]) -> FloatArray:
        """Return each pixel's time alive in each bin: without gaps, masked times, and dead time after photons."""
        open_us = live_time_us(times, self._closed())
        alive = live_times_s(open_us, recorded, self.dead_time_us)
        return alive.reshape(*self._file.shape, -1)


def _add_weights(
    values: npt.NDArray[np.generic],
    weights: FloatArray,
    edges: npt.NDArray[np.generic],
    sums: FloatArray,
    variances: FloatArray,
) -> None:
    """Add weights, and their squares, to the half-open bins in which the values lie."""
    at = np.searchsorted(edges, values, side="right") - 1
    good = (at >= 0) & (at < sums.size)
    sums += np.bincount(at[good], weights[good], minlength=sums.size)
    variances += np.bincount(at[good], weights[good] ** 2, minlength=sums.size)


def _spectral_edges(edges_nm: npt.ArrayLike | None, bin_ev: float) -> FloatArray:
    if edges_nm is None:
        return equal_energy_edges(bin_ev, *_DEFAULT_NM)
    edges = np.asarray(edges_nm, np.float64)
    if edges.ndim != 1 or edges.size < 2 or not (np.diff(edges) > 0).all() or not edges[0] > 0:
        raise ConfigError(
            "Edges of wavelength bins must be at least two ascending positive numbers."
        )
    return edges
