"""Reads photons of one observation by wavelength: what `ObsFile` does once a solution is attached or tried out.

A photon without a wavelength (its pixel is not calibrated, or it lies outside the pixel's valid range and
extrapolating was not asked for) has NaN, and thus belongs to no window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from pipeline_core.binning import first_at_or_after
from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.chunkcodec import CHUNK_ROWS
from pipeline_core.curve_cache import CurveCache
from pipeline_core.errors import ConfigError
from pipeline_core.histograms import Spectrum
from pipeline_core.photon_file import PhotonFile
from pipeline_core.photon_kernels import ChunkOfRows, count_in_limits
from pipeline_core.photon_reader import SCAN_THREADS
from pipeline_core.pixel_cache import Columns, PixelCache
from pipeline_core.progress import Progress, silent
from pipeline_core.selection import Pixel, inside
from pipeline_core.spectral_bins import HC_EV_NM, cut_to_band

__all__ = ["CalibratedPhotons"]

_MAX_BINS = 100_000
_SHOWN_EV = (0.4, 6.5)
"""Extrapolated spectra end there."""
_EMPTY_RANGE_EV = (0.8, 1.8)

Band = tuple[float, float]
_Loader = Callable[[Pixel], Columns]


class CalibratedPhotons:
    """Photons of one observation with their wavelengths. Wavelengths of the pixels looked at last are remembered.

    Parameters
    ----------
    calibration : WavelengthCalibration
    file : PhotonFile
    pixels : PixelCache
        Times and phases.
    """

    def __init__(
        self, calibration: WavelengthCalibration, file: PhotonFile, pixels: PixelCache
    ) -> None:
        self.calibration = calibration
        self._file = file
        self._pixels = pixels
        self._columns = {
            extrapolated: PixelCache(self._loader(extrapolated), file.first_row)
            for extrapolated in (False, True)
        }
        self._curves = {
            extrapolated: CurveCache(columns, file.dead_time_us)
            for extrapolated, columns in self._columns.items()
        }

    def clear(self) -> None:
        """Forget what was read."""
        for extrapolated in (False, True):
            self._columns[extrapolated].clear()
            self._curves[extrapolated].clear()

    def curves(self, extrapolated: bool) -> CurveCache:
        """Return light curves of which "phases" are wavelengths."""
        return self._curves[extrapolated]

    def wavelengths(self, pixel: Pixel, *, extrapolated: bool) -> npt.NDArray[np.float32]:
        """Return the wavelengths (nm) of all photons of a pixel."""
        return self._columns[extrapolated].get(pixel)[1]

    def count_window(
        self,
        window_us: tuple[int, int],
        wavelengths_nm: Band,
        extrapolated: bool,
        progress: Progress = silent,
    ) -> npt.NDArray[np.int64]:
        """Count each pixel's photons in half-open windows of time and wavelength, exactly; shape (ncols, nrows)."""
        file = self._file
        limits = self.calibration.phase_limits(wavelengths_nm, extrapolated=extrapolated)
        limits = limits.reshape(-1, 2)[file.order]
        counts = [np.zeros(file.order.size, np.int64) for _ in range(SCAN_THREADS)]
        scratch = [np.empty(CHUNK_ROWS, np.uint32) for _ in range(SCAN_THREADS)]

        def count(thread: int, chunk: ChunkOfRows) -> None:
            count_in_limits(*chunk, *window_us, limits, scratch[thread], counts[thread])

        file.each_chunk(count, progress, "counting photons")
        image = np.empty(file.order.size, np.int64)
        image[file.order] = np.sum(counts, axis=0)
        return image.reshape(file.shape)

    def phases_of_window(
        self,
        pixels: tuple[Pixel, ...],
        wavelengths_nm: Band,
        extrapolated: bool,
        progress: Progress = silent,
    ) -> Iterator[Columns]:
        """Yield times and phases of pixels; phases of photons outside a wavelength window are NaN."""
        in_order = self._pixels.in_order(pixels)
        for pixel, (times, phases) in zip(
            in_order, self._pixels.each(pixels, progress), strict=True
        ):
            chosen = inside(self.wavelengths(pixel, extrapolated=extrapolated), wavelengths_nm)
            yield times, np.where(chosen, phases, np.float32(np.nan))

    def spectrum(
        self,
        pixels: tuple[Pixel, ...],
        window_us: tuple[int, int],
        wavelengths_nm: Band | None,
        *,
        bin_ev: float = 0.1,
        extrapolated: bool = False,
        progress: Progress = silent,
    ) -> Spectrum:
        """Histogram wavelengths in bins of equal energy.

        Parameters
        ----------
        pixels : tuple of (x, y)
            Those without calibration add nothing.
        window_us : (start, stop)
        wavelengths_nm : (low, high), optional
            Photons to be counted; default: all.
        bin_ev : float
            Width of a bin in eV; edges are its multiples, over the pixels' valid ranges, and the ends of the band.
        extrapolated : bool
            Whether to count photons outside their pixel's valid range, over a wider range of bins.
        progress : Progress
            Called while pixels are read; may cancel.

        Raises
        ------
        ConfigError
            If `bin_ev` is not positive, wider than the least energy, or makes too many bins.
        """
        band = (-math.inf, math.inf) if wavelengths_nm is None else wavelengths_nm
        edges = self._edges(pixels, band, bin_ev, extrapolated)
        counts = np.zeros(edges.size - 1, np.int64)
        total = 0.0
        for times, values in self._columns[extrapolated].each(pixels, progress):
            rows = slice(*(first_at_or_after(times, limit) for limit in window_us))
            found = values[rows][inside(values[rows], band)].astype(np.float64)
            found = found[(found >= edges[0]) & (found < edges[-1])]
            at = np.searchsorted(edges, found, side="right") - 1
            counts += np.bincount(at, minlength=counts.size)
            total += float(found.sum())
        number = int(counts.sum())
        mean = total / number if number else math.nan
        return Spectrum(pixels, "wavelength", "nm", edges, counts, mean)

    def _edges(
        self, pixels: tuple[Pixel, ...], band: Band, bin_ev: float, extrapolated: bool
    ) -> npt.NDArray[np.float64]:
        """Return bin edges (nm, ascending): multiples of `bin_ev` in energy over what can be counted, no farther."""
        if not (math.isfinite(bin_ev) and bin_ev > 0):
            raise ConfigError(f"An energy bin must be wider than 0 eV, not {bin_ev}.")
        ends = np.array([self.calibration.valid_wavelengths(p) for p in pixels])
        ends = ends[np.isfinite(ends).all(axis=1)]
        low_ev, high_ev = _EMPTY_RANGE_EV
        if ends.size:
            low_ev, high_ev = HC_EV_NM / ends[:, 1].max(), HC_EV_NM / ends[:, 0].min()
            if extrapolated:
                low_ev, high_ev = _SHOWN_EV
        if math.isfinite(band[1]) and band[1] > 0:
            low_ev = max(low_ev, HC_EV_NM / band[1])
        if math.isfinite(band[0]) and band[0] > 0:
            high_ev = min(high_ev, HC_EV_NM / band[0])
        first = math.floor(low_ev / bin_ev + 1e-9)
        if first < 1:  # the bin below would end at no energy: photons would have no bin
            raise ConfigError(
                f"Energy bins of {bin_ev:g} eV are wider than the least energy that can be counted, {low_ev:.3g} eV. "
                "Choose narrower bins."
            )
        last = max(math.ceil(high_ev / bin_ev - 1e-9), first + 1)
        if last - first > _MAX_BINS:
            raise ConfigError(
                f"Energy bins of {bin_ev:g} eV would make more than {_MAX_BINS:,} of them. Choose wider bins."
            )
        edges = np.divide(HC_EV_NM, bin_ev * np.arange(last, first - 1, -1), dtype=np.float64)
        return cut_to_band(edges, *band)

    def _loader(self, extrapolated: bool) -> _Loader:
        def load(pixel: Pixel) -> Columns:
            times, phases = self._pixels.get(pixel)
            values = self.calibration.wavelengths(pixel, phases, extrapolated=extrapolated)
            return times, values

        return load
