"""Bad pixels found the plain way, one pixel after the other and nothing left out: what the quick way must agree with.

Every step takes the order of the quick way, so that results are equal to the last bit.
"""

import math

import numpy as np

from pipeline_core.badpixels.boxes import RankedImage
from pipeline_core.badpixels.methods import judge


def neighbours(usable, x, y, half):
    """Usable pixels around one, column by column."""
    return [
        (i, j)
        for i in range(x - half, x + half + 1)
        for j in range(y - half, y + half + 1)
        if 0 <= i < usable.shape[0]
        and 0 <= j < usable.shape[1]
        and (i, j) != (x, y)
        and usable[i, j]
    ]


def in_turn(values):
    total = 0.0
    for value in values:
        total += value
    return total


def factor(a):
    for k in range(len(a)):
        for i in range(k):
            total = a[k][i]
            for j in range(i):
                total -= a[k][j] * a[i][j]
            a[k][i] = total / a[i][i]
        pivot = a[k][k]
        for j in range(k):
            pivot -= a[k][j] * a[k][j]
        a[k][k] = math.sqrt(max(pivot, 1e-300))


def forward(a, b):
    for k in range(len(b)):
        for j in range(k):
            b[k] -= a[k][j] * b[j]
        b[k] /= a[k][k]


def backward(a, b):
    for k in range(len(b) - 1, -1, -1):
        for j in range(k + 1, len(b)):
            b[k] -= a[j][k] * b[j]
        b[k] /= a[k][k]


def system(places, at, noise, variance, fwhm):
    """Factor of the covariance of some pixels, their covariance with one at `at`, ones."""
    near = [math.exp(-4 * math.log(2.0) * ((d / fwhm) * (d / fwhm))) for d in range(5)]

    def covariance(p, q):
        return variance * near[abs(p[0] - q[0])] * near[abs(p[1] - q[1])]

    a = [[covariance(p, q) for q in places] for p in places]
    for k, own in enumerate(noise):
        a[k][k] = own + variance
    factor(a)
    return a, [covariance(p, at) for p in places], [1.0] * len(places)


def variance_of(square, noise):
    n = len(noise)
    own = in_turn(noise)
    return max(square - own / n, 0.01 * own / n)


def interpolate(image, noise, usable, fwhm):
    value, uncertainty = np.full(image.shape, np.nan), np.full(image.shape, np.nan)
    for x, y in np.ndindex(image.shape):
        places = neighbours(usable, x, y, 2)
        n = len(places)
        if n < 3:
            continue
        z, own = [float(image[p]) for p in places], [float(noise[p]) for p in places]
        mean = in_turn(z) / n
        variance = variance_of(in_turn([(v - mean) * (v - mean) for v in z]) / (n - 1), own)
        a, cross, one = system(places, (x, y), own, variance, fwhm)
        data = [v - mean for v in z]
        for b in (cross, one, data):
            forward(a, b)

        def dot(p, q):
            return in_turn([u * v for u, v in zip(p, q, strict=True)])

        ko, oo = dot(cross, one), dot(one, one)
        shift = dot(one, data) / oo
        value[x, y] = mean + shift + dot(cross, data) - ko * shift
        left = max(variance - dot(cross, cross), 0.0)
        uncertainty[x, y] = math.sqrt(left + (1.0 - ko) * (1.0 - ko) / oo)
    return value, uncertainty


def follow(curves, usable, scatter, fwhm):
    """Predictions and their variances of photon noise, of light curves (ncols, nrows, n_bins)."""
    value, variance = np.full(curves.shape, np.nan), np.full(curves.shape, np.nan)
    n_bins = curves.shape[-1]
    for x, y in np.ndindex(usable.shape):
        places = neighbours(usable, x, y, 2)
        n = len(places)
        if n < 3:
            continue
        level = [in_turn(curves[p].tolist()) / n_bins for p in places]
        noise = [max(v, 0.1) + (scatter * v) * (scatter * v) for v in level]
        structure = 0.0
        for t in range(n_bins):
            counts = [float(curves[p][t]) for p in places]
            total, square = in_turn(counts), in_turn([c * c for c in counts])
            structure += (square - total * total / n) / (n - 1)
        spread = variance_of(structure / n_bins, noise)
        a, w, one = system(places, (x, y), noise, spread, fwhm)
        for b in (w, one):
            forward(a, b)
            backward(a, b)
        missing = (1.0 - in_turn(w)) / in_turn(one)
        value[x, y], variance[x, y] = 0.0, 0.0
        for p, u, v in zip(places, w, one, strict=True):
            weight = u + missing * v
            value[x, y] += weight * curves[p]
            variance[x, y] += weight * weight * curves[p]
    return value, variance


def flickering(cube, usable, n_sigma, least_share, fwhm, calm):
    """Unstable pixels, shares, deviations (n_bins, ncols, nrows): all pixels are compared twice."""
    curves = np.ascontiguousarray(np.moveaxis(cube, 0, -1), np.float64)
    first = _judged(curves, usable, calm, n_sigma, least_share, fwhm)
    return _judged(curves, usable, calm & ~first[0], n_sigma, least_share, fwhm)


def _judged(curves, usable, calm, n_sigma, least_share, fwhm):
    n_bins = curves.shape[-1]
    expected, variance = _expected(curves, calm, fwhm)
    noise = np.maximum(expected, 0.5) + variance
    residual = curves - expected
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = np.nan_to_num(residual / np.sqrt(noise))
        chi2 = np.sum(deviation**2, axis=-1) / max(n_bins - 2, 1)
        excess = np.sum(residual**2 - noise, axis=-1) / max(n_bins - 2, 1)
        share = np.sqrt(np.maximum(excess, 0.0)) / curves.mean(axis=-1)
    seen = usable & np.isfinite(share)
    limits = _limits(chi2, seen & calm, n_bins, n_sigma)
    unstable = seen & (share > least_share) & (np.log(np.maximum(chi2, 1e-3)) > limits)
    return unstable, np.where(seen, share, np.nan), np.moveaxis(deviation, -1, 0)


def _expected(curves, calm, fwhm):
    value, variance = follow(curves, calm, 0.15, fwhm)
    middle, mean = value.mean(axis=-1, keepdims=True), curves.mean(axis=-1, keepdims=True)
    moves = value - middle
    signal = np.sum(moves**2 - variance, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.sum(moves * (curves - mean), axis=-1, keepdims=True) / signal
        own = mean / middle
        known = signal > 4 * np.sum(variance, axis=-1, keepdims=True) / np.sqrt(curves.shape[-1])
        gain = np.clip(np.where(known, gain, own), 0.0, np.maximum(own, 0.0))
        return mean + gain * moves, gain**2 * variance


def _limits(chi2, calm, n_bins, n_sigma):
    logs = np.log(np.maximum(chi2, 1e-3))
    box = RankedImage(np.where(calm, logs, 0.0)).box(calm, 7, spread=True)
    least = np.sqrt(2 / max(n_bins - 2, 1))
    more = np.maximum(np.where(box.number >= 5, box.robust, least) - least, 0.0)
    middle = np.maximum(np.where(np.isfinite(box.median), box.median, 0.0), 0.0)
    return middle + n_sigma * (least + 2.0 * more)


def kinds_of_slices(counts, bins, settings, whole, unstable, deviation):
    """What pixels are in slices: every one is judged, and differs from the whole only where a light curve jumps."""
    kinds = []
    for first, stop in bins:
        image, seconds = counts.cube[first:stop].sum(axis=0), counts.open_s[first:stop].sum()
        found = judge(image, float(seconds), counts.read, settings).kind
        jumps = np.abs(deviation[first:stop].sum(axis=0) / np.sqrt(stop - first)) > 5.0
        kinds.append(np.where(jumps & unstable, found, whole))
    return np.stack(kinds)
