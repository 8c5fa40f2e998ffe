"""Resolving power of laser lines: E / FWHM in energy, through the calibration curve. `compute` calls it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core.wavecal import _curvekernels as kernels
from pipeline_core.wavecal.curves import Curves, energy_ev, independent_errors

__all__ = ["FWHM_PER_SIGMA", "resolving_power"]

FloatArray = npt.NDArray[np.float64]

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))

_STEP = 0.1  # of a standard error: differences that give errors
_REACH = 0.35
"""Share of an energy: half-maximum points of broad lines lie that far outside the lines."""
_LEAST_SLOPE = 0.15  # over the mean slope: a flatter curve is not followed so far


def resolving_power(
    curves: Curves,
    centre_deg: FloatArray,
    centre_error: FloatArray,
    sigma_deg: FloatArray,
    sigma_error: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return R and its standard error: errors of the line and of the curve, taken as independent.

    The curve's tangents are too straight for the flanks of broad lines, so the curve itself is followed further out
    than it may be trusted for energies, unless it turns there.

    Parameters
    ----------
    curves : Curves
    centre_deg, centre_error, sigma_deg, sigma_error : ndarray, shape (n_pixel, n_line)
        Of Gaussian lines in phase; NaN where there is none.

    Returns
    -------
    r, r_error : ndarray of float64, shape (n_pixel, n_line)
        NaN where there is no line or no curve.
    """
    valid = _reach(curves)
    none = curves.kind == 0
    coefficients = np.where(none[:, None], np.nan, curves.coefficients)
    centre, sigma = np.asarray(centre_deg, float), np.asarray(sigma_deg, float)

    def at(c: FloatArray, middle: FloatArray, width: FloatArray) -> FloatArray:
        half = 0.5 * FWHM_PER_SIGMA * width
        phases = np.concatenate([middle, middle - half, middle + half], axis=1)
        energies = energy_ev(curves.kind, c, valid, phases)
        line, high, low = np.split(energies, 3, axis=1)
        return np.asarray(line / (high - low))

    with np.errstate(invalid="ignore", divide="ignore"):
        r = at(coefficients, centre, sigma)
        steps = [
            (coefficients, _STEP * np.asarray(centre_error, float), 0.0),
            (coefficients, 0.0, _STEP * np.asarray(sigma_error, float)),
        ]
        columns = independent_errors(curves.covariance)
        steps += [(coefficients + _STEP * columns[:, :, j], 0.0, 0.0) for j in range(3)]
        variance = np.zeros_like(r)
        for c, shift, growth in steps:
            variance += ((at(c, centre + shift, sigma + growth) - r) / _STEP) ** 2
        fine = np.isfinite(r) & (r > 0)
    return np.where(fine, r, np.nan), np.where(fine, np.sqrt(variance), np.nan)


def _reach(curves: Curves) -> FloatArray:
    """Return phases between which the curve itself is followed, (n_pixel, 2): at least its valid range."""
    out = curves.valid_phase_deg.copy()
    valid = curves.valid_energy_ev
    wide = valid * [1 - _REACH, 1 + _REACH]
    phase, slope = np.empty_like(wide), np.empty_like(wide)
    kernels.inner_curve(curves.kind, curves.coefficients, wide, phase, slope)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (out[:, 0] - out[:, 1]) / (valid[:, 1] - valid[:, 0])
        ratio = slope / mean[:, None]
        follow = np.isfinite(phase) & (ratio > _LEAST_SLOPE) & (ratio < 1 / _LEAST_SLOPE)
    # ascending energies are descending phases
    out[:, 0] = np.where(follow[:, 1], phase[:, 1], out[:, 0])
    out[:, 1] = np.where(follow[:, 0], phase[:, 0], out[:, 1])
    return out
