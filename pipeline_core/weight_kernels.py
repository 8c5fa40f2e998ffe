"""Weights of many photons of a pixel at once: those of `flatfield.weight_at`, to the last bit, in loops that are fast.

Each step is a loop of its own over all photons, which the compiler does several photons at a time.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline, kernel
from pipeline_core.calibration import rounded_nm
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal._curvekernels import (
    ARCTAN,
    ENERGY_QUADRATIC,
    inner_energy,
    phase_slope,
)

__all__ = ["fill_weights"]

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]


@inline
def _fill_energies(kind, coefficients, valid_deg, phases, energies, far):  # type: ignore[no-untyped-def]
    """Set the energies of phases as `energy_at` does, for one kind of curve, known when this is compiled."""
    a, b, c = coefficients[0], coefficients[1], coefficients[2]
    low, high = valid_deg[0], valid_deg[1]
    at_low = inner_energy(kind, a, b, c, low)
    at_high = inner_energy(kind, a, b, c, high)
    low_slope = phase_slope(kind, a, b, c, at_low)
    high_slope = phase_slope(kind, a, b, c, at_high)
    for i in range(phases.size):
        phase = phases[i]
        below = phase < low
        end = low if below else high
        at_end = at_low if below else at_high
        beyond = at_end + (phase - end) / (low_slope if below else high_slope)
        inside = (phase >= low) & (phase <= high)
        energies[i] = inner_energy(kind, a, b, c, phase) if inside else beyond
    # few photons are so far out that their tangent is bent to stay above 0
    n_far = 0
    for i in range(phases.size):
        phase = phases[i]
        half = 0.5 * (at_low if phase < low else at_high)
        far[n_far] = i
        n_far += int(((phase < low) | (phase > high)) & (energies[i] < half))
    for j in range(n_far):
        i = far[j]
        half = 0.5 * (at_low if phases[i] < low else at_high)
        energies[i] = half * math.exp(energies[i] / half - 1.0)


@kernel
def _fill_nm(
    kind: int,
    coefficients: FloatArray,
    valid_deg: FloatArray,
    phases: FloatArray,
    energies: FloatArray,
    far: IndexArray,
    nm: npt.NDArray[np.float32],
) -> None:
    """Set the wavelengths of phases, as `rounded_nm` does."""
    if kind == ARCTAN:
        _fill_energies(ARCTAN, coefficients, valid_deg, phases, energies, far)
    elif kind == ENERGY_QUADRATIC:
        _fill_energies(ENERGY_QUADRATIC, coefficients, valid_deg, phases, energies, far)
    else:
        for i in range(phases.size):
            nm[i] = rounded_nm(kind, coefficients, valid_deg, phases[i])
        return
    for i in range(phases.size):
        nm[i] = np.float32(HC_EV_NM / energies[i])


@kernel
def _fill_bins(energies: FloatArray, energies_ev: FloatArray, bins: IndexArray) -> None:
    """Set between which two of several descending energies others lie, which are within them all."""
    top = np.int64(energies_ev.size - 2)
    first = energies_ev[0]
    per_ev = (energies_ev.size - 1) / (first - energies_ev[-1])
    wrong = 0
    for i in range(energies.size):
        # bins of equal energy: the guess is right but for rounding
        k = min(np.int64((first - energies[i]) * per_ev), top)
        bins[i] = k
        wrong += int((energies_ev[k] < energies[i]) | (energies_ev[k + 1] > energies[i]))
    if wrong:
        for i in range(energies.size):
            k = bins[i]
            while energies_ev[k] < energies[i]:
                k -= 1
            while energies_ev[k + 1] > energies[i]:
                k += 1
            bins[i] = k


@kernel
def fill_weights(
    kind: int,
    coefficients: FloatArray,
    valid_deg: FloatArray,
    energies_ev: FloatArray,
    weights: npt.NDArray[np.float32],
    phases: FloatArray,
    energies: FloatArray,
    bins: IndexArray,
    nm: npt.NDArray[np.float32],
    out: FloatArray,
) -> None:
    """Set the weights of a pixel's photons, given their phases in degrees; NaN where there is none.

    `energies`, `bins` and `nm` are room for as many photons, `bins` for one more. The energies of the weights descend.
    """
    _fill_nm(kind, coefficients, valid_deg, phases, energies, bins, nm)
    first, last = energies_ev[0], energies_ev[-1]
    if energies_ev.size == 1:
        for i in range(phases.size):
            out[i] = np.float64(weights[0]) if nm[i] > 0.0 else np.nan
        return
    for i in range(phases.size):
        energy = min(max(HC_EV_NM / np.float64(nm[i]), last), first)
        energies[i] = energy if nm[i] > 0.0 else first
    _fill_bins(energies[: phases.size], energies_ev, bins)
    for i in range(phases.size):
        k = bins[i]
        share = (energies_ev[k] - energies[i]) / (energies_ev[k] - energies_ev[k + 1])
        here, after = np.float64(weights[k]), np.float64(weights[k + 1])
        weight = np.float64(np.float32(here + share * (after - here)))
        out[i] = weight if nm[i] > 0.0 else np.nan
