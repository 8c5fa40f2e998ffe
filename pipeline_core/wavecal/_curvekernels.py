"""Compiled loops of calibration curves: phase of an energy and back, least squares, errors.

Scalars in, scalars out; `curves` and `curvefit` loop, validate and allocate. Other kernels may call `energy_at` and
`phase_at`. What the coefficients mean is said in `curves`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = [
    "ARCTAN",
    "ENERGY_QUADRATIC",
    "LINEAR",
    "NONE",
    "QUADRATIC",
    "energies",
    "energy_at",
    "energy_errors",
    "fit_pixels",
    "inner_curve",
    "phase_at",
    "phase_slope",
    "phases",
]

NONE, LINEAR, QUADRATIC, ARCTAN, ENERGY_QUADRATIC = 0, 1, 2, 3, 4

FloatArray = npt.NDArray[np.float64]

_DEG = 180.0 / math.pi
_ALMOST_90 = math.radians(89.99)  # an arctangent's inverse ends there
_STEP = 0.1  # of a standard error: differences that give errors
_CAUTION = 2.0  # times the distance of the tangent from the curve: the truth may bend more than the curve does
_MAX_ITERATIONS = 60
_HOPELESS = 1e300


@kernel
def inner_phase(kind: int, a: float, b: float, c: float, energy: float) -> float:
    """Return the phase in degrees, on the curve itself; NaN where it has none."""
    if kind == LINEAR:
        return a + b * energy
    if kind == QUADRATIC:
        return a + (b + c * energy) * energy
    if kind == ARCTAN:
        return -2.0 * b * _DEG * math.atan(a * energy)
    if kind == ENERGY_QUADRATIC:
        root = b * b + 4.0 * c * (energy - a)
        if root < 0.0:
            return math.nan
        # this form of the root stays exact where c is tiny
        return -2.0 * (energy - a) / (b + math.sqrt(root))
    return math.nan


@kernel
def inner_energy(kind: int, a: float, b: float, c: float, phase: float) -> float:
    """Return the energy in eV, on the curve itself; NaN where it has none."""
    if kind == LINEAR:
        return (phase - a) / b
    if kind == QUADRATIC:
        root = b * b + 4.0 * c * (phase - a)
        if root < 0.0:
            return math.nan
        if b < 0.0:
            return 2.0 * (phase - a) / (b - math.sqrt(root))
        return -(b + math.sqrt(root)) / (2.0 * c)
    if kind == ARCTAN:
        return math.tan(min(-phase / (2.0 * b * _DEG), _ALMOST_90)) / a
    if kind == ENERGY_QUADRATIC:
        return a - (b - c * phase) * phase
    return math.nan


@kernel
def phase_slope(kind: int, a: float, b: float, c: float, energy: float) -> float:
    """Return d phase / d energy in degrees per eV: negative on the branch that is used."""
    if kind == LINEAR:
        return b
    if kind == QUADRATIC:
        return b + 2.0 * c * energy
    if kind == ARCTAN:
        return -2.0 * b * _DEG * a / (1.0 + (a * energy) ** 2)
    if kind == ENERGY_QUADRATIC:
        root = b * b + 4.0 * c * (energy - a)
        return -1.0 / math.sqrt(root) if root > 0.0 else math.nan
    return math.nan


@kernel
def energy_at(
    kind: int, a: float, b: float, c: float, low: float, high: float, phase: float
) -> float:
    """Return the energy in eV of a phase; beyond ``low``..``high`` along the tangent of the end, always positive."""
    if phase >= low and phase <= high:
        return inner_energy(kind, a, b, c, phase)
    end = low if phase < low else high
    at_end = inner_energy(kind, a, b, c, end)
    energy = at_end + (phase - end) / phase_slope(kind, a, b, c, at_end)
    half = 0.5 * at_end
    if energy < half:
        energy = half * math.exp(energy / half - 1.0)
    return energy


@kernel
def phase_at(
    kind: int, a: float, b: float, c: float, low: float, high: float, energy: float
) -> float:
    """Return the phase in degrees of a positive energy: the inverse of `energy_at`."""
    most = inner_energy(kind, a, b, c, low)
    least = inner_energy(kind, a, b, c, high)
    if energy >= least and energy <= most:
        return inner_phase(kind, a, b, c, energy)
    if energy > most:
        return low + (energy - most) * phase_slope(kind, a, b, c, most)
    half = 0.5 * least
    if energy < half:
        energy = half * (1.0 + math.log(energy / half))
    return high + (energy - least) * phase_slope(kind, a, b, c, least)


@kernel
def energies(
    kind: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    valid: FloatArray,
    phase: FloatArray,
    energy: FloatArray,
) -> None:
    """Set the energies of phases (n_pixel, n)."""
    for p in range(kind.size):
        a, b, c = coefficients[p, 0], coefficients[p, 1], coefficients[p, 2]
        for i in range(phase.shape[1]):
            energy[p, i] = energy_at(kind[p], a, b, c, valid[p, 0], valid[p, 1], phase[p, i])


@kernel
def phases(
    kind: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    valid: FloatArray,
    energy: FloatArray,
    phase: FloatArray,
) -> None:
    """Set the phases of energies (n_pixel, n)."""
    for p in range(kind.size):
        a, b, c = coefficients[p, 0], coefficients[p, 1], coefficients[p, 2]
        for i in range(energy.shape[1]):
            phase[p, i] = phase_at(kind[p], a, b, c, valid[p, 0], valid[p, 1], energy[p, i])


@kernel
def energy_errors(
    kind: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    steps: FloatArray,
    valid: FloatArray,
    phase: FloatArray,
    error: FloatArray,
) -> None:
    """Set the standard errors of energies at phases (n_pixel, n).

    `steps` (n_pixel, 3, 3): its columns are independent errors of the coefficients. Outside the valid range, what lies
    between the tangent and the continued curve is added twice.
    """
    for p in range(kind.size):
        k = kind[p]
        a, b, c = coefficients[p, 0], coefficients[p, 1], coefficients[p, 2]
        low, high = valid[p, 0], valid[p, 1]
        for i in range(phase.shape[1]):
            x = phase[p, i]
            total = 0.0
            for j in range(3):
                da, db, dc = (
                    _STEP * steps[p, 0, j],
                    _STEP * steps[p, 1, j],
                    _STEP * steps[p, 2, j],
                )
                up = energy_at(k, a + da, b + db, c + dc, low, high, x)
                down = energy_at(k, a - da, b - db, c - dc, low, high, x)
                total += ((up - down) / (2.0 * _STEP)) ** 2
            if x < low or x > high:
                here = energy_at(k, a, b, c, low, high, x)
                end = inner_energy(k, a, b, c, min(max(x, low), high))
                beyond = abs(inner_energy(k, a, b, c, x) - here)
                most = abs(here - end)
                total += (_CAUTION * (beyond if beyond < most else most)) ** 2
            error[p, i] = math.sqrt(total)


@kernel
def _to_internal(kind, c, theta):  # type: ignore[no-untyped-def]
    for j in range(3):
        theta[j] = c[j]
    if kind == ARCTAN:
        theta[0], theta[1] = math.log(c[0]), math.log(c[1])


@kernel
def _from_internal(kind, theta, c):  # type: ignore[no-untyped-def]
    for j in range(3):
        c[j] = theta[j]
    if kind == ARCTAN:
        c[0], c[1] = math.exp(theta[0]), math.exp(theta[1])


@kernel
def _normal(kind, n_free, theta, c, energy, phase, weight, mean, precision, matrix, slope, row):  # type: ignore[no-untyped-def]
    """Set the normal matrix and the right side; return (chi2 of the data, with the prior's)."""
    _from_internal(kind, theta, c)
    for j in range(3):
        slope[j] = 0.0
        for i in range(3):
            matrix[i, j] = 0.0
    chi2 = 0.0
    for i in range(energy.size):
        if weight[i] <= 0.0:
            continue
        e = energy[i]
        fitted = inner_phase(kind, c[0], c[1], c[2], e)
        if not math.isfinite(fitted):
            return _HOPELESS, _HOPELESS
        if kind == ARCTAN:
            t = c[0] * e
            row[0] = -2.0 * c[1] * _DEG * t / (1.0 + t * t)
            row[1] = fitted
            row[2] = 0.0
        elif kind == ENERGY_QUADRATIC:
            row[0] = -phase_slope(kind, c[0], c[1], c[2], e)
            row[1] = -fitted * row[0]
            row[2] = -fitted * row[1]
        else:
            row[0], row[1], row[2] = 1.0, e, e * e
        rest = phase[i] - fitted
        chi2 += weight[i] * rest * rest
        for j in range(n_free):
            slope[j] += weight[i] * row[j] * rest
            for k in range(n_free):
                matrix[j, k] += weight[i] * row[j] * row[k]
    total = chi2
    for j in range(n_free):
        for k in range(n_free):
            total += (theta[j] - mean[j]) * precision[j, k] * (theta[k] - mean[k])
            matrix[j, k] += precision[j, k]
            slope[j] -= precision[j, k] * (theta[k] - mean[k])
    return chi2, total


@kernel
def _inverse(matrix, n_free, damping, out):  # type: ignore[no-untyped-def]
    """Set the inverse of a positive matrix whose diagonal is enlarged; return whether there is one."""
    n = n_free
    scale = np.ones(3)
    for j in range(n):
        if not matrix[j, j] > 0.0:
            return False
        scale[j] = 1.0 / math.sqrt(matrix[j, j])
    lower = np.zeros((3, 3))
    for j in range(n):
        for i in range(j, n):
            s = matrix[i, j] * scale[i] * scale[j]
            if i == j:
                s += damping
            for k in range(j):
                s -= lower[i, k] * lower[j, k]
            if i == j:
                if s <= 1e-15:
                    return False
                lower[j, j] = math.sqrt(s)
            else:
                lower[i, j] = s / lower[j, j]
    column = np.zeros(3)
    for q in range(n):
        for i in range(n):
            s = 1.0 if i == q else 0.0
            for k in range(i):
                s -= lower[i, k] * column[k]
            column[i] = s / lower[i, i]
        for i in range(n - 1, -1, -1):
            s = column[i]
            for k in range(i + 1, n):
                s -= lower[k, i] * column[k]
            column[i] = s / lower[i, i]
        for i in range(n):
            out[i, q] = column[i] * scale[i] * scale[q]
    return True


@kernel
def _start(kind, energy, phase, weight, c):  # type: ignore[no-untyped-def]
    """Set coefficients to begin with; return whether the points allow any."""
    s0 = se = sp = see = sep = spp = 0.0
    for i in range(energy.size):
        w, e, x = weight[i], energy[i], phase[i]
        if w > 0.0:
            s0 += w
            se += w * e
            sp += w * x
            see += w * e * e
            sep += w * e * x
            spp += w * x * x
    if s0 <= 0.0:
        return False
    me, mp = se / s0, sp / s0
    vee, vep, vpp = see - se * me, sep - se * mp, spp - sp * mp
    if vee <= 0.0 or vep >= 0.0 or mp >= 0.0:
        return False
    if kind == ARCTAN:
        c[0] = math.tan(min(-mp, 160.0) / (2.0 * _DEG)) / me
        c[1], c[2] = 1.0, 0.0
    elif kind == ENERGY_QUADRATIC:
        # a straight line of energy against height
        c[1] = -vep / vpp
        c[0], c[2] = me + c[1] * mp, 0.0
    else:
        c[1] = vep / vee
        c[0], c[2] = mp - c[1] * me, 0.0
    return True


@kernel
def fit_one(kind, n_free, energy, phase, weight, mean, precision, c, covariance):  # type: ignore[no-untyped-def]
    """Fit one curve by damped least squares; set `c` and `covariance`; return chi2 of the data, inf if it failed."""
    matrix, slope, row = np.zeros((3, 3)), np.zeros(3), np.zeros(3)
    theta, trial, inverse = np.zeros(3), np.zeros(3), np.zeros((3, 3))
    for j in range(3):
        for k in range(3):
            covariance[j, k] = 0.0
    if not _start(kind, energy, phase, weight, c):
        return np.inf
    _to_internal(kind, c, theta)
    chi2, total = _normal(
        kind, n_free, theta, c, energy, phase, weight, mean, precision, matrix, slope, row
    )
    damping = 0.0 if kind <= QUADRATIC else 1e-3
    done = False
    for _ in range(_MAX_ITERATIONS):
        if not _inverse(matrix, n_free, damping, inverse):
            damping = max(10.0 * damping, 1e-6)
            if damping > 1e6:
                return np.inf
            continue
        predicted = 0.0
        for j in range(3):
            step = 0.0
            if j < n_free:
                for k in range(n_free):
                    step += inverse[j, k] * slope[k]
                if kind == ARCTAN:
                    step = min(max(step, -1.0), 1.0)
                predicted += step * slope[j]
            trial[j] = theta[j] + step
        before = total
        chi2_new, total_new = _normal(
            kind, n_free, trial, c, energy, phase, weight, mean, precision, matrix, slope, row
        )
        if total_new <= before + 1e-9 * abs(before) + 1e-12:
            for j in range(3):
                theta[j] = trial[j]
            chi2, total = chi2_new, total_new
            damping = 0.0 if damping < 1e-9 else 0.1 * damping
            if predicted < 1e-8 and damping < 1e-4:
                done = True
                break
        else:
            damping = max(10.0 * damping, 1e-6)
            if damping > 1e6:
                return np.inf
            chi2, total = _normal(
                kind, n_free, theta, c, energy, phase, weight, mean, precision, matrix, slope, row
            )
    _from_internal(kind, theta, c)
    if not done or not _inverse(matrix, n_free, 0.0, inverse):
        return np.inf
    for j in range(n_free):
        dj = c[j] if kind == ARCTAN else 1.0
        for k in range(n_free):
            dk = c[k] if kind == ARCTAN else 1.0
            covariance[j, k] = inverse[j, k] * dj * dk
    return chi2


@kernel
def fit_pixels(
    kind: int,
    n_free: int,
    energy: FloatArray,
    phase: FloatArray,
    weight: FloatArray,
    mean: FloatArray,
    precision: FloatArray,
    coefficients: FloatArray,
    covariance: FloatArray,
    chi2: FloatArray,
) -> None:
    """Fit one curve with its first `n_free` coefficients to the points of every pixel.

    `phase`, `weight` (n_pixel, n_line): points of weight 0 do not count. `mean` (n_pixel, 3), `precision`
    (n_pixel, 3, 3): Gaussian prior of the internal parameters (logarithms for the arctangent). Sets `coefficients`,
    `covariance` and `chi2`, which is infinite where the fit failed.
    """
    for p in range(chi2.size):
        chi2[p] = fit_one(
            kind,
            n_free,
            energy,
            phase[p],
            weight[p],
            mean[p],
            precision[p],
            coefficients[p],
            covariance[p],
        )


@kernel
def inner_curve(
    kind: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    energy: FloatArray,
    phase: FloatArray,
    slope: FloatArray,
) -> None:
    """Set phases and slopes of the curves themselves at energies (n_pixel, n)."""
    for p in range(kind.size):
        a, b, c = coefficients[p, 0], coefficients[p, 1], coefficients[p, 2]
        for i in range(energy.shape[1]):
            phase[p, i] = inner_phase(kind[p], a, b, c, energy[p, i])
            slope[p, i] = phase_slope(kind[p], a, b, c, energy[p, i])
