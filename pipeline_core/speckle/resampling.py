"""Block bootstrap of one pixel: resamples, their spread, and intervals. May be cancelled between any two resamples."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from pipeline_core.progress import Progress, silent
from pipeline_core.speckle.binning import BinnedPixel
from pipeline_core.speckle.blocks import LEAST_BLOCKS, block_histograms, bootstrap_kernel
from pipeline_core.speckle.pixelfit import Measured, PixelWork, measure

__all__ = ["bootstrap_of", "sample_errors", "sample_intervals"]

FloatArray = npt.NDArray[np.float64]

_SIGMA = (15.865, 84.135)
_HEARD_EVERY_S = 0.03


def bootstrap_of(
    one: BinnedPixel,
    work: PixelWork,
    n_resamples: int,
    seed: int,
    *,
    found: Measured | None = None,
    progress: Progress = silent,
) -> FloatArray:
    """Return Ic, Is, Ip of resamples of blocks, counts/s.

    Resampled blocks vary a little less than an endless light curve does: logarithms are stretched about the fit by
    `Measured.stretch`.

    Parameters
    ----------
    one, work
        What is fitted.
    n_resamples, seed : int
    found : Measured, optional
        The fit, if it is there already.
    progress : Progress
        May cancel.

    Returns
    -------
    ndarray of float64, shape (n_resamples, 3)
        NaN where a resample holds no photon, and of Ip if it is not fitted; no rows with too few blocks.
    """
    if work.n_blocks < LEAST_BLOCKS:
        return np.empty((0, 3))
    found = found or measure(one, work)
    counts = one.counts[work.bins.used]
    histograms = np.zeros((work.n_blocks, int(counts.max()) + 1), np.int64)
    block_histograms(counts, work.blocks, histograms)
    out = np.empty((n_resamples, 3))
    rng = np.random.default_rng((seed, *one.pixel))
    with_ip = work.settings.with_ip
    how = work.model_of(one), work.priors, with_ip
    done, several = 0, 1
    while done < n_resamples:
        begun = time.perf_counter()
        bootstrap_kernel(rng, histograms, *how, out[done : done + several])
        done = min(done + several, n_resamples)
        progress(done, n_resamples, "resampling blocks")
        if time.perf_counter() - begun < 0.5 * _HEARD_EVERY_S:
            several *= 2
    for k in range(3):
        if found.maximum[k] > 0:
            out[:, k] = found.maximum[k] * (out[:, k] / found.maximum[k]) ** found.stretch[k]
    if not with_ip:
        out[:, 2] = np.nan
    return out


def sample_errors(samples: FloatArray) -> FloatArray:
    """Return the standard deviations of Ic, Is, Ip of resamples; NaN where there are none."""
    errors = np.full(3, np.nan)
    for k in range(3):
        known = samples[np.isfinite(samples[:, k]), k]
        if known.size > 1:
            errors[k] = known.std(ddof=1)
    return errors


def sample_intervals(samples: FloatArray, values: FloatArray) -> FloatArray:
    """Return the ends of the central 68 % of Ic, Is, Ip, shape (3, 2); NaN without resamples.

    Of B resamples the k-th one is the quantile ``k / (B + 1)``, so that few of them do not make intervals narrower.
    Where an estimate lies outside, as its bias was taken away at a bound, the interval reaches to it.
    """
    ends = np.full((3, 2), np.nan)
    for k in range(3):
        known = samples[np.isfinite(samples[:, k]), k]
        if known.size > 1:
            low, high = np.percentile(known, _SIGMA, method="weibull")
            ends[k] = min(low, values[k]), max(high, values[k])
    return ends
