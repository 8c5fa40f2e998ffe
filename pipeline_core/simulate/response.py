"""Phase of a photon's pulse against its energy: the simulated pixels' true response curves.

Two families with up to three coefficients a pixel; energies in eV, phases in degrees (negative, a taller pulse is
more energy):

``arctan``
    ``phase = -2 atan(k E)``; coefficients (k, 0, 0). A resonator's circle saturates like this.
``quadratic``
    ``E = e0 + e1 |phase| + e2 phase**2``; coefficients (e0, e1, e2).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline, kernel

__all__ = [
    "HC_EV_NM",
    "draw_response",
    "energy_to_phase",
    "phase_of_energy",
    "phase_sigma_at",
    "phase_to_energy",
    "slope_at",
]

HC_EV_NM = 1239.841984
_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
_CLIP_850_DEG = (15.0, 150.0)

FloatArray = npt.NDArray[np.float64]


@inline
def phase_of_energy(arctan: int, a: float, b: float, c: float, energy_ev: float) -> float:
    """Return the phase in degrees of one photon; `a`, `b`, `c` as the module's docstring says."""
    if arctan:
        return -2.0 * math.degrees(math.atan(a * energy_ev))
    excess = max(energy_ev - a, 0.0)
    # this form of the root stays exact where c is tiny
    return -2.0 * excess / (b + math.sqrt(b * b + 4.0 * c * excess))


@kernel
def _phases(arctan: int, coefficients: FloatArray, energy: FloatArray, phase: FloatArray) -> None:
    for i in range(energy.size):
        a, b, c = coefficients[0, i], coefficients[1, i], coefficients[2, i]
        phase[i] = phase_of_energy(arctan, a, b, c, energy[i])


def energy_to_phase(
    family: str, coefficients: npt.ArrayLike, energy_ev: npt.ArrayLike
) -> FloatArray:
    """Return phases in degrees.

    Parameters
    ----------
    family : {'arctan', 'quadratic'}
    coefficients : array_like, shape (3, ...)
        Per pixel.
    energy_ev : array_like
        Broadcasts against one coefficient's array.
    """
    table = np.asarray(coefficients, float)
    shape = np.broadcast_shapes(table.shape[1:], np.shape(energy_ev))
    flat = np.stack([np.broadcast_to(c, shape).ravel() for c in table])
    energy = np.broadcast_to(np.asarray(energy_ev, float), shape).ravel()
    phase = np.empty(energy.size)
    _phases(int(family == "arctan"), flat, energy, phase)
    return phase.reshape(shape)


def phase_to_energy(
    family: str, coefficients: npt.ArrayLike, phase_deg: npt.ArrayLike
) -> FloatArray:
    """Return energies in eV: the inverse of `energy_to_phase`, same parameters."""
    a, b, c = np.asarray(coefficients, float)
    height = -np.asarray(phase_deg, float)
    if family == "arctan":
        return np.asarray(np.tan(np.radians(height) / 2) / a)
    return np.asarray(a + b * height + c * height**2)


def slope_at(family: str, coefficients: npt.ArrayLike, energy_ev: float) -> FloatArray:
    """Return ``|d phase / d energy|`` in degrees per eV."""
    a, b, c = np.asarray(coefficients, float)
    if family == "arctan":
        return np.asarray(np.degrees(2 * a / (1 + (a * energy_ev) ** 2)))
    height = -energy_to_phase(family, coefficients, energy_ev)
    return np.asarray(1 / (b + 2 * c * height))


def draw_response(
    family: str, phase_850_deg: FloatArray, scatter: bool, rng: np.random.Generator
) -> FloatArray:
    """Return coefficients, shape (3, ...), of pixels whose 850 nm photons have these phases.

    Without `scatter` quadratic pixels of equal phase are equal.
    """
    height = np.clip(-phase_850_deg, *_CLIP_850_DEG)
    energy = HC_EV_NM / 850
    zero = np.zeros_like(height)
    if family == "arctan":
        return np.stack([np.tan(np.radians(height) / 2) / energy, zero, zero])
    e0 = rng.normal(0, 0.01, height.shape) * scatter
    curvature = 0.0022 * np.exp(rng.normal(0, 0.3, height.shape) * scatter)
    e1 = (energy - e0) / (height + curvature * height**2)
    return np.stack([e0, e1, e1 * curvature])


def phase_sigma_at(
    family: str, coefficients: npt.ArrayLike, resolution: FloatArray, energy_ev: float
) -> FloatArray:
    """Return the phase noise in degrees that gives ``E / FWHM = resolution`` at this energy."""
    sigma_ev = energy_ev / (_FWHM_PER_SIGMA * resolution)
    return np.asarray(slope_at(family, coefficients, energy_ev) * sigma_ev)
