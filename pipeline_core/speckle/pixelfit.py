"""What is made of one pixel's counts: moments, the fit, errors, quality. Called in threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.speckle.binning import BinnedPixel, TimeBins
from pipeline_core.speckle.fit import fit_histogram
from pipeline_core.speckle.likelihood import BinModel, bin_model
from pipeline_core.speckle.moments import intensities_of_moments, moments_of
from pipeline_core.speckle.result import quantities_of
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.speckle.status import PixelStatus

__all__ = ["PixelWork", "fit_pixel", "model_of", "pixel_work"]

_SIGNIFICANT = 2.0


@dataclass(frozen=True, eq=False)
class PixelWork:
    """What is the same for all pixels of a step of time."""

    bins: TimeBins
    settings: SpeckleSettings
    dead_time_us: float
    tau_s: float | None


def pixel_work(
    bins: TimeBins, settings: SpeckleSettings, dead_time_us: float, tau_s: float | None
) -> PixelWork:
    """Return what is the same for all pixels."""
    dead = dead_time_us if settings.correct_dead_time else 0.0
    return PixelWork(bins, settings, dead, tau_s if settings.correct_bin_width else None)


def model_of(work: PixelWork, one: BinnedPixel) -> BinModel:
    """Return what a bin of this pixel is."""
    others = max(one.recorded - int(one.counts.sum()), 0)
    seconds = work.bins.n_bins * work.bins.width_s
    return bin_model(
        work.bins.width_s,
        tau_s=work.tau_s,
        dead_time_us=work.dead_time_us,
        other_cps=others / seconds,
    )


def fit_pixel(one: BinnedPixel, work: PixelWork) -> dict[str, float]:
    """Return every quantity of one pixel; NaN for what it has not."""
    settings = work.settings
    row = dict.fromkeys(quantities_of(settings), np.nan)
    counts = one.counts[work.bins.used]
    photons = int(counts.sum())
    row["photons"], row["bins"] = photons, counts.size
    row["status"] = PixelStatus.TOO_FEW_PHOTONS
    if photons < settings.least_photons or counts.size < settings.least_bins:
        return row
    model = model_of(work, one)
    occurrences = np.bincount(counts)
    moments = moments_of(occurrences)
    row["fano"] = moments.variance / moments.mean
    row["excess"] = intensities_of_moments(moments, model)[1]
    found = fit_histogram(occurrences, model, with_ip=settings.with_ip, priors=settings.priors)
    row["status"] = found.status
    errors: npt.NDArray[np.float64] = np.sqrt(np.diag(found.covariance))
    for k, name in enumerate(("ic", "is", "ip")[: settings.n_parameters]):
        row[name] = found.values[k]
        row[f"{name}_hessian"] = row[f"{name}_error"] = errors[k]
    if row["is"] > _SIGNIFICANT * row["is_error"]:
        row["ic_over_is"] = row["ic"] / row["is"]
    if settings.with_ip:
        row["ip_over_sigma"] = row["ip"] / row["ip_error"]
    return row
