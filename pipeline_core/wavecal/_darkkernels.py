"""Compiled estimate of what a pixel sees without laser: a smooth spectrum before the trigger, from its dark's counts.

The logarithm of the spectrum is as smooth as the counts ask for: penalised by its squared second differences
(Whittaker's smoother with Poisson counts; an exponential costs nothing), the weight of the penalty by the marginal
likelihood in Laplace's approximation. `_pixelkernels` calls it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import helper, kernel, loop, reduction
from pipeline_core.wavecal._edgekernels import trigger
from pipeline_core.wavecal._mathkernels import exp, log, put

__all__ = ["NO_DARK", "dark_spectrum", "find_darks"]

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


@loop
def _penalty_bands(m, weight, bands):  # type: ignore[no-untyped-def]
    """Set the three bands (3, m) of ``weight * D'D``, D being second differences."""
    for i in range(m):
        bands[0, i] = bands[1, i] = bands[2, i] = 0.0
    for i in range(m - 2):
        bands[0, i] += weight
        bands[0, i + 1] += 4.0 * weight
        bands[0, i + 2] += weight
        bands[1, i] -= 2.0 * weight
        bands[1, i + 1] -= 2.0 * weight
        bands[2, i] += weight


@loop
def _solve(bands, mean, d, first, second, vector):  # type: ignore[no-untyped-def]
    """Decompose bands + mean into L D L', and solve in place; m is at least 2."""
    m = d.size
    # of the bin before and the one before that: entries of L, the same times D, and the half solved vector
    l1 = l2 = l2_before = g1 = g2 = g2_before = v1 = v2 = 0.0
    for i in range(m):
        pivot = max(bands[0, i] + mean[i] - l2_before * g2_before - l1 * g1, 1e-12)
        g1, g2_before, g2 = bands[1, i] - l1 * g2, g2, bands[2, i]
        v1, v2 = vector[i] - l1 * v1 - l2_before * v2, v1
        # what the next bin waits for is divided at once, not multiplied by the inverse
        l1, l2_before, l2 = g1 / pivot, l2, g2 / pivot
        d[i], first[i], second[i], vector[i] = pivot, l1, l2, v1 / pivot
    v1 = v2 = 0.0
    for i in range(m - 1, -1, -1):
        v1, v2 = vector[i] - second[i] * v2 - first[i] * v1, v1
        vector[i] = v1


@reduction
def _roughness(s):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(s.size - 2):
        total += (s[i] - 2.0 * s[i + 1] + s[i + 2]) ** 2
    return total


@loop
def _slope(counts, seen, weight, s, mean, bend, gradient):  # type: ignore[no-untyped-def]
    """Set expected counts, and how the penalised log likelihood grows with `s`.

    `bend` (m + 2) is to work in: its first and last two are 0.
    """
    m = s.size
    for i in range(m):
        mean[i] = seen[i] * exp(s[i])
    for i in range(m - 2):
        bend[i + 2] = weight * (s[i] - 2.0 * s[i + 1] + s[i + 2])
    for i in range(m):
        gradient[i] = counts[i] - mean[i] - (bend[i + 2] - 2.0 * bend[i + 1] + bend[i])


@reduction
def _promise(step, gradient):  # type: ignore[no-untyped-def]
    """Return what a step promises, and the largest change."""
    largest, promise = 0.0, 0.0
    for i in range(step.size):
        largest = max(largest, abs(step[i]))
        promise += step[i] * gradient[i]
    return promise, largest


@reduction
def _likelihood(counts, seen, s, d):  # type: ignore[no-untyped-def]
    """Return log likelihood, and the log of the determinant."""
    value, determinant = 0.0, 0.0
    for i in range(s.size):
        value += counts[i] * s[i] - seen[i] * exp(s[i])
        determinant += log(d[i])
    return value, determinant


@kernel
def _smooth(counts, seen, weight, s):  # type: ignore[no-untyped-def]
    """Improve the logarithm `s` of the spectrum by Newton's method; return the log of the marginal likelihood."""
    m = s.size
    bands = np.empty((3, m))
    mean, step, gradient = np.empty(m), np.empty(m), np.empty(m)
    d, first, second = np.empty(m), np.empty(m), np.empty(m)
    bend = np.zeros(m + 2)
    _penalty_bands(m, weight, bands)
    for _ in range(_ITERATIONS):
        _slope(counts, seen, weight, s, mean, bend, gradient)
        put(step, gradient)
        _solve(bands, mean, d, first, second, step)
        promise, largest = _promise(step, gradient)
        shrink = min(1.0, _LARGEST_STEP / max(largest, 1e-300))
        for i in range(m):
            s[i] += shrink * step[i]
        if promise < _ENOUGH:
            break
    value, determinant = _likelihood(counts, seen, s, d)
    return value + 0.5 * ((m - 2) * math.log(weight) - determinant - weight * _roughness(s))


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
    for i in range(counts.size):
        result[0, i] = result[1, i] = 0.0
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
    for i in range(stop):
        s[i] = math.log(total / seen.sum())
    best_value = -math.inf
    for k in range(_SMOOTHNESS.size - 1, -1, -1):
        value = _smooth(n, seen, _SMOOTHNESS[k], s)
        if value > best_value:
            best_value = value
            put(best, s)
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


@helper
def find_darks(edges, background, scale, edge, dark, error):  # type: ignore[no-untyped-def]
    """Set what is expected of each line's dark (lines, 2, bins), and its `error`: see `dark_spectrum`."""
    for k in range(scale.size):
        same = k > 0 and scale[k] > 0.0 and scale[k - 1] > 0.0
        for i in range(edges.size - 1):
            if not same:
                break
            same = background[k, i] == background[k - 1, i]
        if same:
            # most often there is one dark for all lines
            ratio = scale[k] / scale[k - 1]
            for i in range(edges.size - 1):
                dark[k, 0, i] = dark[k - 1, 0, i] * ratio
                dark[k, 1, i] = dark[k - 1, 1, i]
            error[k] = error[k - 1]
        else:
            error[k] = dark_spectrum(edges, background[k], edge[0], edge[1], scale[k], dark[k])
