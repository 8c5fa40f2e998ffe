"""One pixel in depth: histogram and what is expected of it, bootstrap, contours, tau, the fit without bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, silent
from pipeline_core.selection import Pixel
from pipeline_core.speckle.binfree import BinFree, fit_intervals
from pipeline_core.speckle.binning import BinnedPixel, TimeBins
from pipeline_core.speckle.contours import LikelihoodMap, likelihood_map
from pipeline_core.speckle.correlation import Decorrelation, advised_bin_s, decorrelation
from pipeline_core.speckle.density import log_density
from pipeline_core.speckle.likelihood import count_probabilities
from pipeline_core.speckle.moments import intensities_of_moments, moment_estimate, moments_of
from pipeline_core.speckle.pixelfit import Measured, PixelWork, measure, pixel_work
from pipeline_core.speckle.pixelread import read_pixel
from pipeline_core.speckle.resampling import bootstrap_of, sample_errors, sample_intervals
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.speckle.status import PixelStatus

__all__ = ["PixelStudy", "study_counts", "study_pixel"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_RESAMPLES = 200


@dataclass(frozen=True, eq=False)
class PixelStudy:
    """What is known of one pixel. Intensities in counts/s; triples are Ic, Is, Ip.

    Attributes
    ----------
    pixel : (x, y)
    settings : SpeckleSettings
    status : PixelStatus
    n_photons, n_bins : int
    tau_s : float
        Decorrelation time that was used; NaN for none.
    dead_time_us : float
        Corrected for; 0 if it is not.
    occurrences : ndarray of int64, shape (n,)
        Bins with 0, 1, 2, ... counts.
    expected : mapping of name to ndarray of float64, shape (n,)
        Occurrences that 'poisson' (of the mean), 'ml' (the fit) and 'moments' let expect; only with a fit.
    fano, excess : float
        Variance over mean; variance of the light in bins without photon noise, (counts/s)^2.
    moments : (Ic, Is)
        From mean and variance, corrected as the fit is.
    fit : Measured or None
        None with too few photons.
    samples : ndarray of float64, shape (n, 3)
        Fits of a block bootstrap; Ip is NaN where it was not fitted.
    decorrelation : Decorrelation
        Of this pixel's light curve.
    advised_bin_s : float
    contours : LikelihoodMap or None
    bin_free : BinFree or None
        None if photons were chosen by wavelength: their intervals are not those of the dead time.
    """

    pixel: Pixel
    settings: SpeckleSettings
    status: PixelStatus
    n_photons: int
    n_bins: int
    tau_s: float
    dead_time_us: float
    occurrences: IntArray
    expected: Mapping[str, FloatArray]
    fano: float
    excess: float
    moments: tuple[float, float]
    fit: Measured | None
    samples: FloatArray
    decorrelation: Decorrelation
    advised_bin_s: float
    contours: LikelihoodMap | None
    bin_free: BinFree | None

    @property
    def bootstrap_errors(self) -> FloatArray:
        """Sigmas of the resamples; NaN without any."""
        return sample_errors(self.samples)

    @property
    def bootstrap_interval(self) -> FloatArray:
        """Ends of the central 68 % of the resamples, shape (3, 2); NaN without any."""
        values = np.full(3, np.nan) if self.fit is None else self.fit.values
        return sample_intervals(self.samples, values)

    @property
    def residuals(self) -> FloatArray:
        """``(found - expected) / sqrt(expected)`` of the fit; NaN where less than one bin is expected, or no fit is."""
        if "ml" not in self.expected:
            return np.full(self.occurrences.size, np.nan)
        expected = self.expected["ml"]
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (self.occurrences - expected) / np.sqrt(expected)
        residuals: FloatArray = np.where(expected >= 1, found, np.nan)
        return residuals


def study_pixel(
    source: ObsFile | Path | str,
    pixel: Pixel,
    settings: SpeckleSettings | None = None,
    *,
    tau_s: float | None = None,
    step: int = 0,
    bin_free: bool = True,
    progress: Progress = silent,
) -> PixelStudy:
    """Study one pixel of an observation.

    Parameters
    ----------
    source : ObsFile or path
    pixel : (x, y)
        Its flags do not matter.
    settings : SpeckleSettings, optional
        ``bootstrap = 0`` stands for 200 resamples here.
    tau_s : float, optional
        Decorrelation time to use if settings have none, such as ``SpeckleMaps.tau_s``; default: this pixel's own.
    step : int
        Which step of time, if settings have steps.
    bin_free : bool
        Whether to fit the intervals between photons as well.
    progress : Progress
        May cancel, within the bootstrap too.

    Raises
    ------
    ConfigError
        Pixel outside the array, impossible settings, no such step.
    CalibrationError
        Wavelengths asked of an observation without wavelength calibration.
    InputFormatError
        Damaged file.
    """
    settings = settings or SpeckleSettings()
    if not isinstance(source, ObsFile):
        with ObsFile(source) as obs:
            return study_pixel(
                obs, pixel, settings, tau_s=tau_s, step=step, bin_free=bin_free, progress=progress
            )
    read = read_pixel(source, pixel, settings, step=step, bin_free=bin_free)
    return study_counts(
        read.counts,
        read.bins,
        settings,
        dead_time_us=source.dead_time_us,
        tau_s=tau_s,
        intervals_s=read.intervals_s,
        progress=progress,
    )


def study_counts(
    one: BinnedPixel,
    bins: TimeBins,
    settings: SpeckleSettings,
    *,
    dead_time_us: float = 0.0,
    tau_s: float | None = None,
    intervals_s: FloatArray | None = None,
    progress: Progress = silent,
) -> PixelStudy:
    """Study counts in bins; see `study_pixel`. Without intervals there is no fit without bins."""
    dead = settings.dead_time_of(dead_time_us)
    counts = one.counts[bins.used]
    own = decorrelation(one.counts, bins.used, bins.width_s, dead)
    tau = settings.tau_s if settings.tau_s is not None else tau_s
    if tau is None and np.isfinite(own.tau_s):
        tau = own.tau_s
    work = pixel_work(bins, settings, dead_time_us, tau)
    occurrences = np.bincount(counts, minlength=1).astype(np.int64)
    found = moments_of(occurrences)
    model = work.model_of(one)
    fit = None
    if counts.sum() >= settings.least_photons and counts.size >= settings.least_bins:
        fit = measure(one, work)
    has_light = bool(found.mean > 0)
    moments = moment_estimate(found, model) if has_light else (np.nan, np.nan)
    bin_free = None
    if intervals_s is not None:
        bin_free = fit_intervals(
            intervals_s, with_ip=settings.with_ip, dead_time_us=dead, tau_s=tau
        )
    return PixelStudy(
        pixel=one.pixel,
        settings=settings,
        status=PixelStatus.TOO_FEW_PHOTONS if fit is None else fit.status,
        n_photons=int(counts.sum()),
        n_bins=counts.size,
        tau_s=np.nan if tau is None else tau,
        dead_time_us=dead,
        occurrences=occurrences,
        expected={} if fit is None else _expected(fit, found.mean, moments),
        fano=found.variance / found.mean if has_light else np.nan,
        excess=intensities_of_moments(found, model)[1] if has_light else np.nan,
        moments=moments,
        fit=fit,
        samples=_samples(one, work, fit, progress),
        decorrelation=own,
        advised_bin_s=_advice(fit, tau, dead),
        contours=None if fit is None else _contours(fit, work),
        bin_free=bin_free,
    )


def _expected(
    fit: Measured, mean_count: float, moments: tuple[float, float]
) -> dict[str, FloatArray]:
    """Return how many bins of each count three models let expect, as far as counts were seen."""
    last, n_bins = fit.occurrences.size - 1, int(fit.occurrences.sum())
    ic, is_, ip = fit.maximum
    poisson = log_density(last, mean_count, 0.0)
    by_moments = count_probabilities(last, *moments, 0.0, fit.model)
    by_fit = count_probabilities(last, ic, is_, ip, fit.model)
    return {
        "poisson": n_bins * np.exp(poisson),
        "ml": n_bins * by_fit,
        "moments": n_bins * by_moments,
    }


def _samples(
    one: BinnedPixel, work: PixelWork, fit: Measured | None, progress: Progress
) -> FloatArray:
    if fit is None:
        return np.empty((0, 3))
    number = work.settings.bootstrap or _RESAMPLES
    return bootstrap_of(one, work, number, work.settings.seed, found=fit, progress=progress)


def _advice(fit: Measured | None, tau_s: float | None, dead_time_us: float) -> float:
    ic, is_, ip = (0.0, 0.0, 0.0) if fit is None else fit.values
    return advised_bin_s(ic, is_, ip, np.nan if tau_s is None else tau_s, dead_time_us)


def _contours(fit: Measured, work: PixelWork) -> LikelihoodMap:
    where = fit.occurrences, fit.model, fit.maximum
    # the outermost contour belongs on the map as well, which one inflation for both makes wider than one sigma says
    wide = np.fmax(fit.block_errors, np.sqrt(fit.inflation) * fit.hessian_errors)
    return likelihood_map(
        *where, wide, fit.inflation, with_ip=work.settings.with_ip, priors=work.priors
    )
