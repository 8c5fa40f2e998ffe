"""What the histogram of a laser line is made of: names of models and parameters, and expected counts in plain NumPy.

A line is a Gaussian; a second Gaussian may stand for a second peak, for photons absorbed beside the inductor, or for a
hump of noise; noise triggers make an exponential tail towards phase 0; a floor holds stray photons; the background of
which a dark tells comes on top. All of it is seen through the trigger: a cumulative Gaussian. `linefit` fits, with
compiled twins of these formulas; plots draw them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

__all__ = ["COMPONENTS", "LINE_MODELS", "MODEL_NAMES", "PARAMETERS", "evaluate", "trigger_share"]

LINE_MODELS = {"gauss_tail": 1, "gauss_gauss": 2, "gauss_gauss_tail": 3}
"""Models that a line may have, by the names of the settings."""

MODEL_NAMES = ("none", *LINE_MODELS)
"""Name of each number; ``none``: no line here, or none could be fitted."""

PARAMETERS = (
    "n_signal",
    "centre_deg",
    "sigma_deg",
    "n_second",
    "second_centre_deg",
    "second_sigma_deg",
    "tail_per_deg",
    "tail_slope_per_deg",
    "floor_per_deg",
    "edge_deg",
    "softness_deg",
    "background_log",
    "background_tilt",
)
"""Columns of `LineFits.parameters`: photons of whole Gaussians, the tail's height at the edge before the trigger, by
how much the logarithm of the background exceeds that of the dark, at its centre and per width of it."""

COMPONENTS = ("signal", "second", "tail", "floor", "background")

FloatArray = npt.NDArray[np.float64]


def trigger_share(
    edges_deg: npt.ArrayLike, edge_deg: npt.ArrayLike, softness_deg: npt.ArrayLike
) -> FloatArray:
    """Return the mean share of pulses of each bin that pass the trigger; shape (..., n_bin)."""
    x = np.asarray(edges_deg, float)
    softness = np.asarray(softness_deg, float)[..., None]
    u = (np.asarray(edge_deg, float)[..., None] - x) / softness
    integral = u * ndtr(u) + np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(-np.diff(integral, axis=-1) * softness / np.diff(x))


def _gaussian(
    x: FloatArray, photons: FloatArray, centre: FloatArray, sigma: FloatArray
) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x - centre[..., None]) / sigma[..., None]
    counts = photons[..., None] * np.diff(ndtr(z), axis=-1)
    return np.where(photons[..., None] > 0, counts, 0.0)


def evaluate(
    model: npt.ArrayLike,
    parameters: npt.ArrayLike,
    edges_deg: npt.ArrayLike,
    dark: npt.ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return expected counts per bin, and those of each component.

    Parameters
    ----------
    model : array_like of int, shape (...)
        0 for none: counts of tail and floor alone.
    parameters : array_like, shape (..., len(PARAMETERS))
    edges_deg : array_like, shape (n_bin + 1,)
        Ascending.
    dark : array_like, shape (..., 2, n_bin), optional
        Of the lines' dark, as from `linefit.dark_spectra`; without it there is no background.

    Returns
    -------
    expected : ndarray, shape (..., n_bin)
    components : ndarray, shape (..., len(COMPONENTS), n_bin)
        NaN parameters give NaN.
    """
    x = np.asarray(edges_deg, float)
    values = np.asarray(parameters, float)
    kind = np.asarray(model)
    p = dict(zip(PARAMETERS, np.moveaxis(values, -1, 0), strict=True))
    seen = trigger_share(x, p["edge_deg"], p["softness_deg"])
    signal = _gaussian(x, p["n_signal"], p["centre_deg"], p["sigma_deg"])
    second = _gaussian(x, p["n_second"], p["second_centre_deg"], p["second_sigma_deg"])
    slope = p["tail_slope_per_deg"][..., None]
    rise = np.exp(slope * (x - p["edge_deg"][..., None]))
    tail = p["tail_per_deg"][..., None] * np.diff(rise, axis=-1) / slope
    floor = p["floor_per_deg"][..., None] * np.diff(x)
    signal = np.where((kind > 0)[..., None], signal, 0.0)
    second = np.where((kind > LINE_MODELS["gauss_tail"])[..., None], second, 0.0)
    background = np.zeros_like(floor)
    if dark is not None:
        before, tilt = np.moveaxis(np.asarray(dark, float), -2, 0)
        change = p["background_log"][..., None] + p["background_tilt"][..., None] * tilt
        background = before * np.exp(change)
    components = np.stack([signal, second, tail, floor, background], axis=-2) * seen[..., None, :]
    return components.sum(-2), components
