"""Every quantity of the maps for one pixel. Called in threads."""

from __future__ import annotations

import math

from pipeline_core.progress import Progress, silent
from pipeline_core.speckle.binning import BinnedPixel
from pipeline_core.speckle.correlation import decorrelation
from pipeline_core.speckle.moments import intensities_of_moments, moments_of
from pipeline_core.speckle.pixelfit import NAMES, PixelWork, measure
from pipeline_core.speckle.resampling import bootstrap_of, sample_errors
from pipeline_core.speckle.result import quantities_of
from pipeline_core.speckle.status import PixelStatus

__all__ = ["fit_pixel"]

_SIGNIFICANT = 2.0


def fit_pixel(one: BinnedPixel, work: PixelWork, progress: Progress = silent) -> dict[str, float]:
    """Return every quantity of one pixel; NaN for what it has not. `progress` may cancel a bootstrap."""
    settings = work.settings
    row = dict.fromkeys(quantities_of(settings), math.nan)
    counts = one.counts[work.bins.used]
    photons = int(counts.sum())
    row["photons"], row["bins"] = photons, counts.size
    row["status"] = PixelStatus.TOO_FEW_PHOTONS
    if photons < settings.least_photons or counts.size < settings.least_bins:
        return row
    found = measure(one, work)
    row["status"], row["p_value"] = found.status, found.p_value
    moments = moments_of(found.occurrences)
    row["fano"] = moments.variance / moments.mean
    row["excess"] = intensities_of_moments(moments, found.model)[1]
    own = decorrelation(
        one.counts, work.bins.used, work.bins.width_s, work.dead_time_us, work.pairs
    )
    row["tau"], row["tau_error"] = own.tau_s, own.error_s
    errors = found.block_errors
    if settings.bootstrap:
        samples = bootstrap_of(
            one, work, settings.bootstrap, settings.seed, found=found, progress=progress
        )
        if samples.size:
            errors = sample_errors(samples)
    for k, name in enumerate(NAMES[: settings.n_parameters]):
        row[name] = found.values[k]
        row[f"{name}_hessian"], row[f"{name}_error"] = found.hessian_errors[k], errors[k]
    if row["is"] > _SIGNIFICANT * row["is_error"]:
        row["ic_over_is"] = row["ic"] / row["is"]
    if settings.with_ip:
        row["companion_p"] = found.companion_p
        if row["ip_error"] > 0:
            row["ip_over_sigma"] = row["ip"] / row["ip_error"]
    return row
