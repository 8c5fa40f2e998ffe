"""Cramer-Rao bounds of line centres and energies, from the truth: nothing here has seen a fit.

The line model is the one that is true (Gaussian and exponential tail beyond a soft edge, edge known), with the photons
that passed the cuts; the curve is the one that was chosen for the pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, ndtr
from wavecal_pixels import _SOFT_DEG, DEG_EDGES, Night

__all__ = ["centre_bound", "energy_bound"]

Floats = npt.NDArray[np.float64]
_PARTS = 4  # of a bin: the densities are smooth on a quarter of a degree
_PHASES = np.arange(DEG_EDGES[0] + 0.5 / _PARTS, DEG_EDGES[-1], 1 / _PARTS)


def centre_bound(night: Night) -> Floats:
    """Return the smallest possible standard error in degrees, (n_pixel, n_line); inf without photons."""
    n = night.kind.size
    bound = np.full(night.centre_deg.shape, np.inf)
    for first in range(0, n, 500):
        part = slice(first, first + 500)
        for j in range(bound.shape[1]):
            bound[part, j] = _one_line(night, part, j)
    return bound


def _one_line(night: Night, part: slice, j: int) -> Floats:
    centre, sigma = night.centre_deg[part, j, None], night.sigma_deg[part, j, None]
    edge, tail = night.edge_deg[part, None], night.tail_deg[part, None]
    emitted = (night.kept[part, j] / np.maximum(night.visible[part, j], 1e-3))[:, None]
    z = (_PHASES - centre) / sigma
    line = emitted * np.exp(-(z**2) / 2) / (sigma * math.sqrt(2 * math.pi))
    line *= ndtr((edge - _PHASES) / _SOFT_DEG)
    noise = np.maximum(night.kept_noise[part, j, None], 0.5)
    step = 1e-3
    tails = [noise * _tail_density(_PHASES - edge, tail * f) for f in (1, 1 + step, 1 - step)]
    slopes = [
        line,
        line * z / sigma,
        line * (z**2 - 1),
        tails[0],
        (tails[1] - tails[2]) / (2 * step),
    ]
    expected = _binned(line + tails[0])
    jacobian = np.stack([_binned(s) for s in slopes], 1)
    weighted = jacobian / np.maximum(expected, 1e-12)[:, None]
    fisher = np.einsum("pab,pcb->pac", weighted, jacobian)
    fisher += 1e-9 * np.eye(5) * np.trace(fisher, axis1=1, axis2=2)[:, None, None]
    error = np.sqrt(np.linalg.pinv(fisher, hermitian=True)[:, 1, 1])
    return np.where(night.kept[part, j] > 0, error, np.inf)


def _tail_density(u: Floats, tail: Floats) -> Floats:
    """Density of ``-tail * exponential + _SOFT_DEG * normal``."""
    s = _SOFT_DEG
    return np.exp(u / tail + s**2 / (2 * tail**2) + log_ndtr(-(u / s + s / tail))) / tail


def _binned(density: Floats) -> Floats:
    return density.reshape(*density.shape[:-1], -1, _PARTS).sum(-1) / _PARTS


def energy_bound(
    phase_of: Callable[[Floats, Floats], Floats],
    coefficients: Floats,
    n_free: npt.NDArray[np.int64],
    used: npt.NDArray[np.bool_],
    centre_error: Floats,
    line_ev: Floats,
    at_ev: Floats,
) -> Floats:
    """Return the standard error in eV of energies, (n_pixel, n_energy), from lines with these errors.

    Parameters
    ----------
    phase_of : function
        Phases (n_pixel, n) of coefficients (n_pixel, 3) at energies (n,).
    coefficients, n_free : ndarray
        Of the fitted curves, (n_pixel, 3); how many of them are free.
    used, centre_error : ndarray, shape (n_pixel, n_line)
    line_ev, at_ev : ndarray
    """
    energies = np.concatenate([line_ev, at_ev])
    columns = []
    for k in range(3):
        step = 1e-5 * np.maximum(np.abs(coefficients[:, k]), 1e-3)
        shifted = [coefficients.copy() for _ in range(2)]
        shifted[0][:, k] += step
        shifted[1][:, k] -= step
        columns.append(
            (phase_of(shifted[0], energies) - phase_of(shifted[1], energies)) / (2 * step[:, None])
        )
    jacobian = np.nan_to_num(np.stack(columns, 2))  # without a curve there is no bound
    jacobian *= (np.arange(3)[None, :] < n_free[:, None])[:, None, :]
    with np.errstate(divide="ignore"):
        weight = np.where(used, 1 / centre_error**2, 0.0)
    lines, there = jacobian[:, : line_ev.size], jacobian[:, line_ev.size :]
    scale = np.maximum(np.abs(lines).max(1), 1e-300)[:, None, :]
    lines, there = lines / scale, there / scale
    fisher = np.einsum("pla,pl,plb->pab", lines, weight, lines)
    covariance = np.linalg.pinv(fisher, rcond=1e-13, hermitian=True)
    variance = np.einsum("pea,pab,peb->pe", there, covariance, there)
    step = 1e-4
    slope = (phase_of(coefficients, at_ev + step) - phase_of(coefficients, at_ev - step)) / (
        2 * step
    )
    return np.sqrt(np.maximum(variance, 0)) / np.abs(slope)
