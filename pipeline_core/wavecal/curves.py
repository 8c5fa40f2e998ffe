"""Calibration curves: the phase that an energy gives, its inverse, errors, and windows of wavelength as phases.

The curve predicts the phase, which is noisy, from the energy, which is exact. Coefficients (a, b, c) by kind:

1 ``linear``            phase = a + b E
2 ``quadratic``         phase = a + b E + c E**2
3 ``arctan``            phase = -2 b atan(a E), in degrees: a resonator's circle, b = 1 if that is the whole truth
4 ``energy_quadratic``  E = a + b h + c h**2 with h = -phase

Beyond its valid range a curve goes on along its tangent; below half of the lowest valid energy it bends so as to stay
positive. Everything is monotonic: a larger pulse is more energy. Energies eV, wavelengths nm, phases negative degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal import _curvekernels as kernels

__all__ = [
    "CURVE_KINDS",
    "Curves",
    "check_kinds",
    "energy_error_ev",
    "energy_ev",
    "independent_errors",
    "joined",
    "phase_deg",
    "phase_window",
    "wavelength_error_nm",
    "wavelength_nm",
]

FloatArray = npt.NDArray[np.float64]
PhaseArray = npt.NDArray[np.float32]

CURVE_KINDS = ("none", "linear", "quadratic", "arctan", "energy_quadratic")


@dataclass(frozen=True, eq=False)
class Curves:
    """The curve of every pixel. Arrays are copied and read-only; NaN where there is no curve.

    Attributes
    ----------
    kind : ndarray of uint8, shape (n_pixel,)
        Index into `CURVE_KINDS`; 0 without a curve.
    n_free : ndarray of uint8, shape (n_pixel,)
        How many of the coefficients, from the first, were fitted; the others are fixed.
    coefficients : ndarray of float64, shape (n_pixel, 3)
    covariance : ndarray of float64, shape (n_pixel, 3, 3)
        0 for coefficients that are fixed.
    chi2 : ndarray of float64, shape (n_pixel,)
    dof : ndarray of int64, shape (n_pixel,)
        Lines used minus coefficients fitted.
    p_value : ndarray of float64, shape (n_pixel,)
        Of chi2; 1 without degrees of freedom.
    valid_phase_deg, valid_energy_ev : ndarray of float64, shape (n_pixel, 2)
        Where the curve may be trusted; ascending.
    prior_assisted : ndarray of bool, shape (n_pixel,)
        Whether the pixel leans on the others of its feedline.
    used : ndarray of bool, shape (n_pixel, n_line)
        Lines on which the curve rests: those that were given as good, but for one that contradicts the others.
    not_monotonic : ndarray of bool, shape (n_pixel,)
        Larger energies do not give larger pulses: no curve was made.
    scatter_deg : float
        By how much lines scatter about their curves beyond their errors; part of all errors here.
    """

    kind: npt.NDArray[np.uint8]
    n_free: npt.NDArray[np.uint8]
    coefficients: FloatArray
    covariance: FloatArray
    chi2: FloatArray
    dof: npt.NDArray[np.int64]
    p_value: FloatArray
    valid_phase_deg: FloatArray
    valid_energy_ev: FloatArray
    prior_assisted: npt.NDArray[np.bool_]
    used: npt.NDArray[np.bool_]
    not_monotonic: npt.NDArray[np.bool_]
    scatter_deg: float = 0.0

    def __post_init__(self) -> None:
        n = np.shape(self.kind)
        for field in fields(self):
            if field.name == "scatter_deg":
                continue
            array = np.array(getattr(self, field.name))
            if array.shape[:1] != n:
                raise ConfigError(f"Curves: {field.name} has {array.shape[:1]} pixels, kind {n}.")
            array.setflags(write=False)
            object.__setattr__(self, field.name, array)
        check_kinds(self.kind)

    @property
    def n_pixel(self) -> int:
        """Number of pixels."""
        return int(self.kind.size)

    def energy_ev(self, phase: npt.ArrayLike) -> FloatArray:
        """Return energies of phases in degrees: (n_pixel, n), or (n,) for all pixels alike."""
        return energy_ev(self.kind, self.coefficients, self.valid_phase_deg, phase)

    def energy_error_ev(self, phase: npt.ArrayLike) -> FloatArray:
        """Return the standard errors of `energy_ev`."""
        return energy_error_ev(
            self.kind, self.coefficients, self.covariance, self.valid_phase_deg, phase
        )

    def phase_deg(self, energy: npt.ArrayLike) -> FloatArray:
        """Return phases in degrees of energies in eV: (n_pixel, n), or (n,) for all pixels alike."""
        return phase_deg(self.kind, self.coefficients, self.valid_phase_deg, energy)


def check_kinds(kinds: npt.NDArray[np.uint8], more: tuple[int, ...] = ()) -> None:
    """Raise `ConfigError` where a curve is neither of `CURVE_KINDS` nor one of some more kinds."""
    unknown = np.setdiff1d(kinds, (*range(len(CURVE_KINDS)), *more))
    if unknown.size:
        raise ConfigError(f"There is no curve of kind {unknown[0]}.")


def joined(parts: Sequence[Curves]) -> Curves:
    """Return the curves of all pixels of several arrays, one after the other."""
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Curves)
        if field.name != "scatter_deg"
    }
    return Curves(**arrays, scatter_deg=parts[0].scatter_deg)


def energy_ev(
    kind: npt.ArrayLike,
    coefficients: npt.ArrayLike,
    valid_phase_deg: npt.ArrayLike,
    phase: npt.ArrayLike,
) -> FloatArray:
    """Return the energies that phases mean.

    Parameters
    ----------
    kind : array_like of int, shape (n_pixel,), or an int
    coefficients : array_like, shape (n_pixel, 3), or (3,)
    valid_phase_deg : array_like, shape (n_pixel, 2), or (2,)
    phase : array_like, shape (n_pixel, n), or (n,)
        Degrees. One row serves all pixels.

    Returns
    -------
    ndarray of float64, shape (n_pixel, n), or (n,) where `kind` is one number
        eV, always positive; NaN where there is no curve.
    """
    args, single = _rows(kind, coefficients, valid_phase_deg, phase)
    out = np.empty(args[3].shape)
    kernels.energies(*args, out)
    return out[0] if single else out


def wavelength_nm(
    kind: npt.ArrayLike,
    coefficients: npt.ArrayLike,
    valid_phase_deg: npt.ArrayLike,
    phase: npt.ArrayLike,
) -> FloatArray:
    """Return the wavelengths in nm that phases mean; see `energy_ev`."""
    return HC_EV_NM / energy_ev(kind, coefficients, valid_phase_deg, phase)


def phase_deg(
    kind: npt.ArrayLike,
    coefficients: npt.ArrayLike,
    valid_phase_deg: npt.ArrayLike,
    energy: npt.ArrayLike,
) -> FloatArray:
    """Return the phases in degrees of positive energies in eV: the inverse of `energy_ev`, same shapes."""
    args, single = _rows(kind, coefficients, valid_phase_deg, energy)
    out = np.empty(args[3].shape)
    kernels.phases(*args, out)
    return out[0] if single else out


def energy_error_ev(
    kind: npt.ArrayLike,
    coefficients: npt.ArrayLike,
    covariance: npt.ArrayLike,
    valid_phase_deg: npt.ArrayLike,
    phase: npt.ArrayLike,
) -> FloatArray:
    """Return the standard errors in eV of `energy_ev`, from the covariance of the coefficients.

    Outside the valid range they contain twice what lies between the tangent and the continued curve:
    the truth may bend more than the curve does.

    Parameters
    ----------
    covariance : array_like, shape (n_pixel, 3, 3), or (3, 3)
    kind, coefficients, valid_phase_deg, phase
        See `energy_ev`.
    """
    args, single = _rows(kind, coefficients, valid_phase_deg, phase)
    steps = independent_errors(np.asarray(covariance, float).reshape(-1, 3, 3))
    out = np.empty(args[3].shape)
    kernels.energy_errors(args[0], args[1], steps, args[2], args[3], out)
    return out[0] if single else out


def wavelength_error_nm(
    kind: npt.ArrayLike,
    coefficients: npt.ArrayLike,
    covariance: npt.ArrayLike,
    valid_phase_deg: npt.ArrayLike,
    phase: npt.ArrayLike,
) -> FloatArray:
    """Return the standard errors in nm of `wavelength_nm`; see `energy_error_ev`."""
    energy = energy_ev(kind, coefficients, valid_phase_deg, phase)
    error = energy_error_ev(kind, coefficients, covariance, valid_phase_deg, phase)
    return HC_EV_NM * error / energy**2


def phase_window(
    kind: npt.ArrayLike,
    coefficients: npt.ArrayLike,
    valid_phase_deg: npt.ArrayLike,
    min_wavelength: float | None = None,
    max_wavelength: float | None = None,
    *,
    extrapolated: bool = False,
) -> PhaseArray:
    """Return the phases of a window of wavelengths, exactly: two thresholds a pixel.

    A float32 phase has ``low <= phase < high`` if and only if its wavelength, rounded to float32, has
    ``min_wavelength <= wavelength < max_wavelength`` (limits rounded likewise) and, unless `extrapolated`, it lies
    inside the valid range.

    Parameters
    ----------
    kind, coefficients, valid_phase_deg
        See `energy_ev`.
    min_wavelength, max_wavelength : float, optional
        nm; open where not given.
    extrapolated : bool
        Whether photons outside the valid range count.

    Returns
    -------
    ndarray of float32, shape (n_pixel, 2), or (2,)
        low, high; (inf, inf), which holds nothing, for pixels without a curve.
    """
    args, single = _rows(kind, coefficients, valid_phase_deg, [0.0])
    limits = [
        -math.inf if min_wavelength is None else float(min_wavelength),
        math.inf if max_wavelength is None else float(max_wavelength),
    ]
    out = np.full((args[0].size, 2), np.inf, np.float32)
    _windows(args[0], args[1], args[2], np.array(limits, np.float32), extrapolated, out)
    return out[0] if single else out


@kernel
def _windows(
    kind: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    valid: FloatArray,
    limits: PhaseArray,
    extrapolated: bool,
    out: PhaseArray,
) -> None:
    guess = np.empty(1, np.float32)
    bits = guess.view(np.int32)
    for p in range(kind.size):
        if kind[p] == 0:
            continue
        for side in range(2):
            # of all float32 phases, ordered as integers, the first whose wavelength reaches the limit
            low, high = np.int64(-(1 << 31)) + (1 << 23), np.int64(0x7F7FFFFF)
            while low < high:
                middle = (low + high) >> 1
                bits[0] = np.int32(middle if middle >= 0 else -(1 << 31) - middle - 1)
                if _reaches(
                    kind[p], coefficients[p], valid[p], limits[side], side, extrapolated, guess[0]
                ):
                    high = middle
                else:
                    low = middle + 1
            bits[0] = np.int32(low if low >= 0 else -(1 << 31) - low - 1)
            out[p, side] = guess[0] if low < 0x7F7FFFFF else np.float32(np.inf)


@kernel
def _reaches(kind, c, valid, limit, side, extrapolated, phase):  # type: ignore[no-untyped-def]
    """Return whether a phase is at or above the threshold of this side."""
    x = np.float64(phase)
    if not extrapolated and x < valid[0]:
        return False
    if not extrapolated and x >= valid[1]:
        return True
    if limit == np.inf:
        return False
    if limit == -np.inf:
        return True
    energy = kernels.energy_at(kind, c[0], c[1], c[2], valid[0], valid[1], x)
    return np.float32(HC_EV_NM / energy) >= limit


def _rows(
    kind: npt.ArrayLike, coefficients: npt.ArrayLike, valid: npt.ArrayLike, values: npt.ArrayLike
) -> tuple[tuple[npt.NDArray[np.uint8], FloatArray, FloatArray, FloatArray], bool]:
    """Bring arguments into the kernels' form: kind, coefficients, valid range, values (n_pixel, n); one pixel?"""
    kinds = np.atleast_1d(np.asarray(kind, np.uint8))
    n = kinds.size
    table = np.asarray(coefficients, float).reshape(n, 3)
    limits = np.asarray(valid, float).reshape(n, 2)
    rows = np.atleast_1d(np.asarray(values, float))
    rows = np.ascontiguousarray(np.broadcast_to(rows, (n, rows.shape[-1])))
    return (kinds, table, limits, rows), np.ndim(kind) == 0


def independent_errors(covariance: FloatArray) -> FloatArray:
    """Return matrices whose columns are independent errors: ``L`` with ``L L^T = covariance``.

    Covariances (n_pixel, 3, 3) may be singular: coefficients that are fixed. NaN counts as 0.
    """
    known = np.where(np.isfinite(covariance), covariance, 0.0)
    scale = np.sqrt(np.maximum(np.einsum("pii->pi", known), 0.0))
    safe = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(known / (safe[:, :, None] * safe[:, None, :]))
    roots = np.sqrt(np.maximum(values, 0.0))
    return np.asarray(np.ascontiguousarray(safe[:, :, None] * vectors * roots[:, None, :]))
