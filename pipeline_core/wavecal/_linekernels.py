"""Compiled loops that fit one laser line: expected counts, damped Fisher scoring, covariance.

Everything is per line and writes into arrays that the caller owns. `_searchkernels` chooses starts and models, `models`
has the same formulas in plain NumPy. Bins may be of unequal width: empty ones far below the line arrive as one.

Internal parameters: 0 log photons, 1 centre, 2 log sigma of the line; 3, 4, 5 the same of the second Gaussian; 6 tail
at the reference and 8 floor, both in photons per degree and >= 0; 7 log slope of the tail; 9 trigger edge, 10 log of
its softness; 11 log of the background's amplitude over that of the dark, 12 its tilt.

`limits` (4, N_THETA) holds lowest and highest values, and mean and weight (1 / variance) of a prior.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline, kernel

__all__ = [
    "N_THETA",
    "cdf",
    "covariance",
    "deviance",
    "expected",
    "fit",
    "gaussian",
    "penalty",
    "tilted",
]

N_THETA = 13
SECOND_WIDTH_PRIOR = 0.3
"""Scatter of the log of the second Gaussian's width over the line's, where there is a tail as well: a peak, no hump."""

_SQRT_HALF = math.sqrt(0.5)
_PDF = 1.0 / math.sqrt(2.0 * math.pi)
_TINY = 1e-9  # photons per bin: the logarithm of an expected count stays finite
_FAR_LESS = 0.25
_FAR = 8.5  # sigma: beyond, less than 1e-17 of a Gaussian

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@inline
def cdf(z: float) -> float:
    return 0.5 * math.erfc(-z * _SQRT_HALF)


@kernel
def _trigger_gradient(x, theta, seen, jac):  # type: ignore[no-untyped-def]
    """Set `seen` as `_edgekernels.trigger` does, and its derivatives to the edge and to the log of the softness."""
    edge, softness = theta[9], math.exp(theta[10])
    u0 = (edge - x[0]) / softness
    c0, p0 = cdf(u0), _PDF * math.exp(-0.5 * u0 * u0)
    for i in range(seen.size):
        u1 = (edge - x[i + 1]) / softness
        if abs(u1) < _FAR:
            c1, p1 = cdf(u1), _PDF * math.exp(-0.5 * u1 * u1)
        else:
            c1, p1 = (1.0 if u1 > 0.0 else 0.0), 0.0
        scale = softness / (x[i + 1] - x[i])
        seen[i] = min(max((u0 * c0 + p0 - u1 * c1 - p1) * scale, 0.0), 1.0)
        jac[i, 9] = (c0 - c1) * scale / softness
        jac[i, 10] = (p0 - p1) * scale
        u0, c0, p0 = u1, c1, p1


@kernel
def gaussian(
    x: FloatArray,
    photons: float,
    centre: float,
    per_sigma: float,
    seen: FloatArray,
    out: FloatArray,
) -> None:
    """Set the counts of a Gaussian in each bin, without gradient."""
    c0 = cdf((x[0] - centre) * per_sigma)
    for i in range(out.size):
        z = (x[i + 1] - centre) * per_sigma
        c1 = cdf(z) if abs(z) < _FAR else (1.0 if z > 0.0 else 0.0)
        out[i] = photons * seen[i] * (c1 - c0)
        c0 = c1


@kernel
def add_gaussian(x, theta, first, seen, lam, jac):  # type: ignore[no-untyped-def]
    """Add a Gaussian's counts before the trigger to `lam`, and set its three columns of the gradient."""
    photons, centre = math.exp(theta[first]), theta[first + 1]
    per_sigma = math.exp(-theta[first + 2])
    z = (x[0] - centre) * per_sigma
    c0, p0 = cdf(z), _PDF * math.exp(-0.5 * z * z)
    z0 = z
    for i in range(lam.size):
        z = (x[i + 1] - centre) * per_sigma
        if abs(z) < _FAR:
            c1, p1 = cdf(z), _PDF * math.exp(-0.5 * z * z)
        else:
            c1, p1 = (1.0 if z > 0.0 else 0.0), 0.0
        lam[i] += photons * (c1 - c0)
        scale = photons * seen[i]
        jac[i, first] = scale * (c1 - c0)
        jac[i, first + 1] = -scale * (p1 - p0) * per_sigma
        jac[i, first + 2] = -scale * (z * p1 - z0 * p0)
        c0, p0, z0 = c1, p1, z


@kernel
def add_tail(x, theta, reference, seen, lam, jac):  # type: ignore[no-untyped-def]
    """Add the exponential tail and the floor, and set their columns of the gradient."""
    height, slope, floor = theta[6], math.exp(theta[7]), theta[8]
    d0 = x[0] - reference
    e0 = math.exp(slope * d0)
    for i in range(lam.size):
        d1 = x[i + 1] - reference
        e1 = math.exp(slope * d1)
        shape = (e1 - e0) / slope
        lam[i] += height * shape + floor * (d1 - d0)
        jac[i, 6] = seen[i] * shape
        jac[i, 7] = seen[i] * height * (d1 * e1 - d0 * e0 - shape)
        jac[i, 8] = seen[i] * (d1 - d0)
        d0, e0 = d1, e1


@kernel
def expected(
    x: FloatArray,
    theta: FloatArray,
    reference: float,
    background: FloatArray,
    gaussians: int,
    seen: FloatArray,
    lam: FloatArray,
    jac: FloatArray,
) -> None:
    """Set the expected counts `lam` of each bin, their gradient `jac` (bins, N_THETA), and the share that is `seen`.

    For 0, 1 or 2 Gaussians; `background` (2, bins): counts before the trigger, and what the tilt multiplies. Within a
    bin the mean share is applied.
    """
    _trigger_gradient(x, theta, seen, jac)
    lam[:] = 0.0
    if gaussians > 0:
        add_gaussian(x, theta, 0, seen, lam, jac)
    else:
        jac[:, :3] = 0.0
    if gaussians > 1:
        add_gaussian(x, theta, 3, seen, lam, jac)
    else:
        jac[:, 3:6] = 0.0
    add_tail(x, theta, reference, seen, lam, jac)
    for i in range(lam.size):
        dark = tilted(background, theta, i)
        lam[i] += dark
        jac[i, 11] = dark * seen[i]
        jac[i, 12] = background[1, i] * jac[i, 11]
        jac[i, 9] *= lam[i]
        jac[i, 10] *= lam[i]
        lam[i] = lam[i] * seen[i] + _TINY


@inline
def tilted(background: FloatArray, theta: FloatArray, i: int) -> float:
    """Return the counts of the background in a bin before the trigger."""
    dark = background[0, i]
    return dark * math.exp(theta[11] + theta[12] * background[1, i]) if dark > 0.0 else 0.0


@kernel
def deviance(n: FloatArray, lam: FloatArray) -> float:
    """Return the Poisson deviance, 2 sum(lam - n + n log(n / lam))."""
    total = 0.0
    for i in range(n.size):
        total += lam[i] - n[i]
        if n[i] > 0.0:
            total += n[i] * math.log(n[i] / lam[i])
    return 2.0 * total


@kernel
def _normal_equations(n, lam, jac, used, count, theta, tied, limits, fisher, gradient):  # type: ignore[no-untyped-def]
    """Set the Fisher matrix and the gradient of the log likelihood of the `count` parameters named in `used`."""
    full = np.zeros((N_THETA, N_THETA))
    slope = np.zeros(N_THETA)
    for i in range(n.size):
        # the innermost loop is over parameters: sums along bins would wait for each other
        weight = 1.0 / lam[i]
        residual = n[i] * weight - 1.0
        for b in range(N_THETA):
            slope[b] += residual * jac[i, b]
        for k in range(count):
            a = used[k]
            scaled = weight * jac[i, a]
            for b in range(N_THETA):
                full[a, b] += scaled * jac[i, b]
    for a in range(count):
        gradient[a] = slope[used[a]]
        for b in range(count):
            fisher[a, b] = full[used[a], used[b]]
        j = used[a]
        gradient[a] += limits[3, j] * (limits[2, j] - theta[j])
        fisher[a, a] += limits[3, j]
    if tied:
        # the penalty ((theta[5] - theta[2]) / width)**2
        weight = 1.0 / SECOND_WIDTH_PRIOR**2
        for a in range(count):
            if used[a] == 2 or used[a] == 5:
                sign = 1.0 if used[a] == 5 else -1.0
                gradient[a] -= sign * weight * (theta[5] - theta[2])
                for b in range(count):
                    if used[b] == 2 or used[b] == 5:
                        fisher[a, b] += weight if a == b else -weight


@kernel
def solve(matrix, count, vector):  # type: ignore[no-untyped-def]
    """Solve in place by Cholesky's decomposition (the lower triangle is overwritten); false if not positive."""
    for a in range(count):
        for b in range(a + 1):
            total = matrix[a, b]
            for k in range(b):
                total -= matrix[a, k] * matrix[b, k]
            if a == b:
                if not total > 1e-12:
                    return False
                matrix[a, a] = math.sqrt(total)
            else:
                matrix[a, b] = total / matrix[b, b]
    for a in range(count):
        for k in range(a):
            vector[a] -= matrix[a, k] * vector[k]
        vector[a] /= matrix[a, a]
    for a in range(count - 1, -1, -1):
        for k in range(a + 1, count):
            vector[a] -= matrix[k, a] * vector[k]
        vector[a] /= matrix[a, a]
    return True


@kernel
def _choose(theta, free, limits, n, lam, jac, used):  # type: ignore[no-untyped-def]
    """List the parameters that may move: free, and not pushed against a bound. A tail of height 0 has no slope."""
    low, high = limits[0], limits[1]
    count = 0
    for j in range(N_THETA):
        if not free[j] or (j == 7 and theta[6] <= 0.0):
            continue
        if theta[j] <= low[j] or theta[j] >= high[j]:
            push = 0.0
            for i in range(n.size):
                push += jac[i, j] * (n[i] / lam[i] - 1.0)
            if (push <= 0.0 and theta[j] <= low[j]) or (push >= 0.0 and theta[j] >= high[j]):
                continue
        used[count] = j
        count += 1
    return count


@inline
def penalty(theta: FloatArray, tied: bool, limits: FloatArray) -> float:
    """Return what the priors add to the deviance; `tied`: the second Gaussian is to be as wide as the line."""
    value = 0.0
    for j in range(N_THETA):
        value += limits[3, j] * (theta[j] - limits[2, j]) ** 2
    if tied:
        value += ((theta[5] - theta[2]) / SECOND_WIDTH_PRIOR) ** 2
    return value


@kernel
def _damped_step(fisher, gradient, count, damping, matrix, step):  # type: ignore[no-untyped-def]
    """Solve the damped equations in units where every parameter has Fisher information 1."""
    for a in range(count):
        unit = math.sqrt(max(fisher[a, a], 1e-300))
        step[a] = gradient[a] / unit
        for b in range(count):
            other = math.sqrt(max(fisher[b, b], 1e-300))
            matrix[a, b] = fisher[a, b] / (unit * other)
        matrix[a, a] = 1.0 + damping
    good = solve(matrix, count, step)
    for a in range(count):
        step[a] /= math.sqrt(max(fisher[a, a], 1e-300))
    return good


@kernel
def fit(
    x: FloatArray,
    n: FloatArray,
    reference: float,
    background: FloatArray,
    gaussians: int,
    free: BoolArray,
    limits: FloatArray,
    theta: FloatArray,
    seen: FloatArray,
    lam: FloatArray,
    jac: FloatArray,
    iterations: int,
    enough: float,
) -> tuple[float, bool]:
    """Improve `theta` by damped Fisher scoring; return the deviance and whether it converged.

    It has when a step gains less than `enough` deviance. `seen`, `lam` and `jac` belong to the final `theta`. The
    deviance does not hold the priors' terms.
    """
    used = np.empty(N_THETA, np.int64)
    fisher = np.empty((N_THETA, N_THETA))
    matrix = np.empty((N_THETA, N_THETA))
    gradient = np.empty(N_THETA)
    step = np.empty(N_THETA)
    old = theta.copy()
    trial_seen, trial_lam = np.empty_like(lam), np.empty_like(lam)
    trial_jac = np.empty_like(jac)
    expected(x, theta, reference, background, gaussians, seen, lam, jac)
    value = deviance(n, lam)
    tied = gaussians > 1 and free[6]
    cost = penalty(theta, tied, limits)
    damping = 1e-3
    fresh = True
    count = 0
    for _ in range(iterations):
        if fresh:
            count = _choose(theta, free, limits, n, lam, jac, used)
            _normal_equations(n, lam, jac, used, count, theta, tied, limits, fisher, gradient)
        if not _damped_step(fisher, gradient, count, damping, matrix, step):
            damping = max(10.0 * damping, 1e-6)
            if damping > 1e8:
                return value, False
            fresh = False
            continue
        promise = 0.0
        for a in range(count):
            promise += step[a] * gradient[a]
        old[:] = theta
        _move(theta, used, count, step, limits)
        expected(x, theta, reference, background, gaussians, trial_seen, trial_lam, trial_jac)
        trial = deviance(n, trial_lam)
        trial_cost = penalty(theta, tied, limits)
        gain = value + cost - trial - trial_cost
        if gain > -1e-9:
            seen[:] = trial_seen
            lam[:] = trial_lam
            jac[:] = trial_jac
            value, cost = trial, trial_cost
            # far less than promised: the step went across a curved valley, and the next would come back
            overshot = gain < _FAR_LESS * promise
            damping = max(10.0 * damping, 1e-6) if overshot else max(0.1 * damping, 1e-9)
            fresh = True
            if gain < enough and promise < 4.0 * enough:
                return value, True
        else:
            theta[:] = old
            damping = max(10.0 * damping, 1e-6)
            fresh = False
            # nothing better can be reached in floating point
            if damping > 1e8:
                return value, promise < 1e-3
    return value, False


@kernel
def _move(theta, used, count, step, limits):  # type: ignore[no-untyped-def]
    """Add the step, capped: logarithms by at most 1, centres by two sigma, and inside the bounds."""
    shrink = 1.0
    for a in range(count):
        j = used[a]
        cap = math.inf
        if j == 1 or j == 4:
            cap = 2.0 * math.exp(theta[j + 1])
        elif j != 6 and j != 8:
            cap = 1.0
        if abs(step[a]) > cap:
            shrink = min(shrink, cap / abs(step[a]))
    for a in range(count):
        j = used[a]
        theta[j] = min(max(theta[j] + shrink * step[a], limits[0, j]), limits[1, j])


@kernel
def covariance(
    n: FloatArray,
    lam: FloatArray,
    jac: FloatArray,
    free: BoolArray,
    theta: FloatArray,
    limits: FloatArray,
    result: FloatArray,
) -> int:
    """Set the inverse of the Fisher matrix (N_THETA, N_THETA), 0 for parameters that do not move; return how many do.

    All NaN where the matrix has no inverse.
    """
    used = np.empty(N_THETA, np.int64)
    fisher = np.empty((N_THETA, N_THETA))
    matrix = np.empty((N_THETA, N_THETA))
    gradient = np.empty(N_THETA)
    step = np.empty(N_THETA)
    tied = free[3] and free[6]
    count = _choose(theta, free, limits, n, lam, jac, used)
    _normal_equations(n, lam, jac, used, count, theta, tied, limits, fisher, gradient)
    result[:] = 0.0
    for a in range(count):
        gradient[:] = 0.0
        gradient[a] = 1.0
        if not _damped_step(fisher, gradient, count, 0.0, matrix, step):
            result[:] = np.nan
            return count
        for b in range(count):
            result[used[b], used[a]] = step[b]
    return count
