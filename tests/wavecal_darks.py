"""Laser exposures with thermal light, and their darks, from nights of `wavecal_pixels`; known truth.

Thermal light falls exponentially towards tall pulses; the trigger edge cuts it as it cuts everything. A dark sees it
and the noise triggers, and nothing else. Both are added to histograms: pile-up with them is left out.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import exponnorm
from wavecal_nights import laser_histograms
from wavecal_pixels import CLASSES, DEG_EDGES, Night

from pipeline_core.wavecal.histograms import LaserHistograms

__all__ = ["with_dark"]

_SOFT_DEG = 1.0
_SCALE_DEG = (15.0, 40.0)
"""Range of the scale of the thermal light's exponential: wider than the tail of the noise triggers."""

Floats = npt.NDArray[np.float64]


def noise_spectrum(night: Night) -> Floats:
    """Return noise triggers a bin for each that fires, (n_pixel, n_bin); the rest has positive phases."""
    edge, tail = night.edge_deg[:, None], night.tail_deg[:, None]
    # phase = edge - tail * Exp(1) + soft * N(0, 1)
    above = exponnorm.cdf(-DEG_EDGES, tail / _SOFT_DEG, loc=-edge, scale=_SOFT_DEG)
    return -np.diff(above, axis=1)


def thermal_spectrum(night: Night, scale_deg: Floats) -> Floats:
    """Return thermal photons a bin for each beyond the edge, (n_pixel, n_bin)."""
    edge, scale = night.edge_deg[:, None], scale_deg[:, None]
    middle = 0.5 * (DEG_EDGES[1:] + DEG_EDGES[:-1])
    shape = np.exp((middle - edge) / scale) * ndtr((edge - middle) / _SOFT_DEG)
    return np.asarray(shape / shape.sum(1, keepdims=True))


def with_dark(
    night: Night, thermal: float, length: float, seed: int
) -> tuple[LaserHistograms, Floats]:
    """Return the histograms of lasers with thermal light and one dark, and the dark's true mean.

    Parameters
    ----------
    night : Night
    thermal : float
        Thermal photons a photon of the line asked for.
    length : float
        Live time of the dark over the median one of the pixel's lasers.
    seed : int

    Returns
    -------
    histograms : LaserHistograms
    expected : ndarray, shape (n_pixel, n_line, n_bin)
        Mean counts of all background in each laser's histogram.
    """
    rng = np.random.default_rng(seed)
    plain = laser_histograms(night)
    live_s = np.where(
        plain.n_raw > 0, plain.live_s, night.exposure_s
    )  # without photons all is live
    dark_s = length * np.median(live_s, axis=1, keepdims=True)
    # noise triggers are in the night's counts: their rate from what was kept of them
    triggers = night.kept_noise.sum(1) / live_s.sum(1)
    lit = ~np.isin(night.kind, [CLASSES.index("dead"), CLASSES.index("off")])
    rate = lit * thermal * night.recipe.photons / np.median(live_s, axis=1)
    scale_deg = rng.uniform(*_SCALE_DEG, lit.size)
    thermal_cps = rate[:, None] * thermal_spectrum(night, scale_deg)
    noise = noise_spectrum(night)
    negative = noise.sum(1, keepdims=True)
    noise_cps = triggers[:, None] * noise / np.maximum(negative, 1e-12)
    dark = rng.poisson((thermal_cps + noise_cps) * dark_s)
    added = rng.poisson(thermal_cps[:, None] * live_s[..., None])
    counts = (plain.counts + added).astype(np.uint32)
    shape = counts.shape
    more = added.sum(2)
    histograms = dataclasses.replace(
        plain,
        counts=counts,
        background=np.broadcast_to(dark[:, None], shape).astype(np.uint32),
        background_scale=live_s / dark_s,
        live_s=live_s,
        n_raw=plain.n_raw + more,
        n_after_dt=plain.n_after_dt + more,
        n_negative=plain.n_negative + more,
    )
    return histograms, (thermal_cps + noise_cps)[:, None] * live_s[..., None]
