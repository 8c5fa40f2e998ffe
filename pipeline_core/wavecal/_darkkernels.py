"""Compiled estimate of what a pixel sees without laser: a smooth spectrum before the trigger, from its dark's counts.

The logarithm of the spectrum is as smooth as the counts ask for: penalised by its squared second differences
(Whittaker's smoother with Poisson counts; an exponential costs nothing), the weight of the penalty by the marginal
likelihood in Laplace's approximation. `_pixelkernels` calls it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.wavecal._edgekernels import trigger

__all__ = ["NO_DARK", "dark_spectrum"]

NO_DARK = 0.0
_MOST_TILT = 3.0
"""Widths of the dark from its centre: beyond, a tilt grows no more."""

_LEAST_SEEN = (
    0.05  # of a bin; where the trigger stops more, counts say little of the spectrum before it
)
_SMOOTHNESS = 10.0 ** np.arange(1.0, 9.0)  # weights of the penalty, per bin**-3
_ITERATIONS = 30
_ENOUGH = 1e-3  # of the log likelihood
_LARGEST_STEP = 1.5
_MODEL_ERROR = 0.02
"""A dark's rate is not that of the laser's exposure to the last digit, however long it is."""

FloatArray = npt.NDArray[np.float64]


@kernel
def _penalty_bands(m, weight, bands):  # type: ignore[no-untyped-def]
    """Set the three bands (3, m) of ``weight * D'D``, D being second differences."""
    bands[:] = 0.0
    for i in range(m - 2):
        bands[0, i] += weight
        bands[0, i + 1] += 4.0 * weight
        bands[0, i + 2] += weight
        bands[1, i] -= 2.0 * weight
        bands[1, i + 1] -= 2.0 * weight
        bands[2, i] += weight


@kernel
def _factor(bands, diagonal, d, first, second):  # type: ignore[no-untyped-def]
    """Decompose bands + diagonal into L D L'; return the logarithm of the determinant."""
    total = 0.0
    for i in range(d.size):
        d[i] = bands[0, i] + diagonal[i]
        first[i], second[i] = bands[1, i], bands[2, i]
        if i > 0:
            d[i] -= first[i - 1] ** 2 * d[i - 1]
            first[i] -= first[i - 1] * second[i - 1] * d[i - 1]
        if i > 1:
            d[i] -= second[i - 2] ** 2 * d[i - 2]
        d[i] = max(d[i], 1e-12)
        first[i] /= d[i]
        second[i] /= d[i]
        total += math.log(d[i])
    return total


@kernel
def _solve(d, first, second, vector):  # type: ignore[no-untyped-def]
    m = d.size
    for i in range(m):
        if i > 0:
            vector[i] -= first[i - 1] * vector[i - 1]
        if i > 1:
            vector[i] -= second[i - 2] * vector[i - 2]
    for i in range(m):
        vector[i] /= d[i]
    for i in range(m - 1, -1, -1):
        if i + 1 < m:
            vector[i] -= first[i] * vector[i + 1]
        if i + 2 < m:
            vector[i] -= second[i] * vector[i + 2]


@kernel
def _roughness(s):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(s.size - 2):
        total += (s[i] - 2.0 * s[i + 1] + s[i + 2]) ** 2
    return total


@kernel
def _smooth(counts, seen, weight, s):  # type: ignore[no-untyped-def]
    """Improve the logarithm `s` of the spectrum by Newton's method; return the log of the marginal likelihood."""
    m = s.size
    bands = np.empty((3, m))
    mean, step = np.empty(m), np.empty(m)
    d, first, second = np.empty(m), np.empty(m), np.empty(m)
    _penalty_bands(m, weight, bands)
    determinant = 0.0
    for _ in range(_ITERATIONS):
        for i in range(m):
            mean[i] = seen[i] * math.exp(s[i])
            step[i] = counts[i] - mean[i]
        for i in range(m - 2):
            bend = weight * (s[i] - 2.0 * s[i + 1] + s[i + 2])
            step[i] -= bend
            step[i + 1] += 2.0 * bend
            step[i + 2] -= bend
        gradient = step.copy()
        determinant = _factor(bands, mean, d, first, second)
        _solve(d, first, second, step)
        largest, promise = 0.0, 0.0
        for i in range(m):
            largest = max(largest, abs(step[i]))
            promise += step[i] * gradient[i]
        shrink = min(1.0, _LARGEST_STEP / max(largest, 1e-300))
        for i in range(m):
            s[i] += shrink * step[i]
        if promise < _ENOUGH:
            break
    value = 0.5 * ((m - 2) * math.log(weight) - determinant - weight * _roughness(s))
    for i in range(m):
        value += counts[i] * s[i] - seen[i] * math.exp(s[i])
    return value


@kernel
def dark_spectrum(
    edges: FloatArray,
    counts: npt.NDArray[np.uint32],
    edge: float,
    softness: float,
    scale: float,
    result: FloatArray,
) -> float:
    """Set the spectrum of a dark and the axis of its tilt; return the error of either's logarithm.

    Parameters
    ----------
    edges : ndarray, shape (n_bin + 1,)
        Degrees, of equal width.
    counts : ndarray of uint32, shape (n_bin,)
    edge, softness : float
        Of the trigger, in degrees.
    scale : float
        Expected counts for each of the dark's.
    result : ndarray, shape (2, n_bin)
        Set to the expected counts before the trigger, and to the distance of each bin from the centre of what is seen
        in widths of that, at most 3.

    Returns
    -------
    float
        Standard deviation of log amplitude and of tilt: from n counts, both are known to 1 / sqrt(n). `NO_DARK` if
        there are none.
    """
    result[:] = 0.0
    seen = np.empty(counts.size)
    trigger(edges, edge, softness, seen)
    stop = counts.size
    while stop > 0 and seen[stop - 1] < _LEAST_SEEN:
        stop -= 1
    n = np.empty(stop)
    for i in range(stop):
        n[i] = counts[i]
    total = n.sum()
    if total < 1.0 or scale <= 0.0 or stop < 4:
        return NO_DARK
    seen = seen[:stop]
    s, best = np.empty(stop), np.empty(stop)
    s[:] = math.log(total / seen.sum())
    best_value = -math.inf
    for k in range(_SMOOTHNESS.size - 1, -1, -1):
        value = _smooth(n, seen, _SMOOTHNESS[k], s)
        if value > best_value:
            best_value = value
            best[:] = s
    centre, spread = 0.0, 0.0
    expected = 0.0
    for i in range(stop):
        mean = seen[i] * math.exp(best[i])
        middle = 0.5 * (edges[i] + edges[i + 1])
        expected += mean
        centre += mean * middle
        spread += mean * middle * middle
    centre /= expected
    spread = math.sqrt(max(spread / expected - centre * centre, 1.0))
    for i in range(counts.size):
        last = min(i, stop - 1)
        # beyond the edge it goes on as it ended
        log = best[last] + (i - last) * (best[stop - 1] - best[stop - 2])
        result[0, i] = scale * math.exp(log)
        tilt = (0.5 * (edges[i] + edges[i + 1]) - centre) / spread
        result[1, i] = min(max(tilt, -_MOST_TILT), _MOST_TILT)
    return math.sqrt(1.0 / total + _MODEL_ERROR**2)
