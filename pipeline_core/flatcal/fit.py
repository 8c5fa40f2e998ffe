"""Weights from spectra: the array's reference, trimmed chunks, the combined fit, and plain ratios of single chunks.

Pure: arrays in, arrays out. Which reference and which smoothing were chosen, and why, with figures:

- The reference is the mean over good pixels, not the median: weights then leave the array's total flux as it is. With
  the median, flux would fall by the skewness of the sensitivities (a scatter of 15 %: about 1.1 %), and a median of
  small counts is a whole number (at 14 counts a bin, off by up to 2 %). Hot, cold and odd pixels are kept out of the
  mean by a cut on their response.
- The combined weights come from summed counts, by a Poisson likelihood in which the logarithm of a pixel's response is
  a broken line in energy with a knot for about 1000 counts, three at least (below 500 counts, two). With 2000 counts a
  knot weights are less noisy, but no longer follow the pixels as closely as their errors say. The predecessor's
  inverse-variance mean of ratios of chunks weighs each ratio with its own noise: at 14 counts a bin, 9 % too small.
- A single chunk's ratio has its counts plus one below: the mean of 1 / (n + 1) is 1 / mu but for exp(-mu), while that
  of 1 / n is larger by 1 / mu. Plain means of chunk solutions are therefore right.

`tests/FLATCAL_TRUTH.md` has the simulations.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.flatcal._fitkernels import FAILED, FITTED, fit_pixels, sensitive_spans
from pipeline_core.flatcal.spectra import FlatSpectra
from pipeline_core.photon_reader import SCAN_THREADS
from pipeline_core.progress import Progress, silent

__all__ = [
    "Ratios",
    "Reference",
    "Weights",
    "chunk_weights",
    "combined_weights",
    "kept_chunks",
    "make_reference",
    "trimmed_spread",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_ODD_SIGMA = 5.0
"""Pixels whose response is further than this from the median (robust, in logarithms) do not make the reference."""

_LEAST_COUNTS = 100.0
"""Fewer counts give no weight: its error would be above 20 % at the ends of the range."""

_LEAST_SHARE = 0.1
"""Ends of the range in which a pixel sees less than this share of its mean response have no weight."""

_LEAST_WHOLE = 0.2
"""Share of the reference's pixels that must see the whole range, if only these are to make it."""

_NEIGHBOURS = 7
_PIXELS_A_STEP = 512
_DRAWS = 200_000


@dataclass(frozen=True, eq=False)
class Reference:
    """What the mean good pixel counts.

    Attributes
    ----------
    pixels : ndarray of bool, shape (n_pixel,)
        Those that it is the mean of.
    rates_cps : ndarray of float64, shape (n_chunk, n_bin)
        Dark subtracted.
    variance : ndarray of float64, shape (n_bin,)
        Relative variance of the mean over kept chunks.
    """

    pixels: BoolArray
    rates_cps: FloatArray
    variance: FloatArray

    @property
    def number(self) -> int:
        """How many pixels."""
        return int(np.count_nonzero(self.pixels))


@dataclass(frozen=True, eq=False)
class Weights:
    """Combined weights.

    Attributes
    ----------
    weights, errors : ndarray of float64, shape (n_pixel, n_bin)
        NaN where there is none. Neighbouring bins are correlated: see `knots`.
    span : ndarray of int64, shape (n_pixel, 2)
        Bins with a weight: from the first to before the second.
    knots : ndarray of int64, shape (n_pixel, n_knot)
        Bins with a knot; the first `n_knots` of each pixel count.
    n_knots : ndarray of int64, shape (n_pixel,)
    information : ndarray of float64, shape (n_pixel, 2, n_knot)
        Diagonal and next diagonal of the inverse covariance of the logarithms at the knots, of the pixel's own noise.
    common : ndarray of float64, shape (n_pixel,)
        Variance of the logarithm to be added in all bins alike: by trimming (may be negative).
    state : ndarray of uint8, shape (n_pixel,)
        `NOTHING`, `FITTED`, `FAILED` of `_fitkernels`.
    counts : ndarray of float64, shape (n_pixel, n_bin)
        Counts in kept chunks.
    """

    weights: FloatArray
    errors: FloatArray
    span: npt.NDArray[np.int64]
    knots: npt.NDArray[np.int64]
    n_knots: npt.NDArray[np.int64]
    information: FloatArray
    common: FloatArray
    state: npt.NDArray[np.uint8]
    counts: FloatArray


@dataclass(frozen=True, eq=False)
class Ratios:
    """Weights of one chunk, as the predecessor's files have them: (n_pixel, n_bin), NaN where there is none."""

    weights: FloatArray
    errors: FloatArray
    counts: FloatArray


def make_reference(spectra: FlatSpectra, candidates: BoolArray) -> Reference:
    """Return the mean of the good pixels among `candidates` (n_pixel,)."""
    kept = np.flatnonzero(spectra.kept)
    band = spectra.counts.sum(axis=2, dtype=np.float64)
    live = spectra.live_s.mean(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        response = band[:, kept].sum(1) / live[:, kept].sum(1)
        if spectra.dark is not None:
            response = response - spectra.dark.sum(axis=1)
        level = np.log(response)
    able = candidates & spectra.calibrated & (live[:, kept] > 0).all(axis=1) & (response > 0)
    pixels = able.copy()
    if able.any():
        middle = np.median(level[able])
        spread = 1.4826 * np.median(np.abs(level[able] - middle))
        noise = 1.0 / np.sqrt(np.maximum(band[:, kept].sum(1), 1.0))
        with np.errstate(invalid="ignore"):
            pixels &= np.abs(level - middle) <= _ODD_SIGMA * np.maximum(spread, noise)
    rates, variance = _mean_rates(spectra, pixels)
    # pixels that are blind to a part of the range would lower the mean there
    whole = pixels & _see_all(spectra, rates)
    if np.count_nonzero(whole) >= _LEAST_WHOLE * np.count_nonzero(pixels):
        pixels = whole
        rates, variance = _mean_rates(spectra, pixels)
    return Reference(pixels, rates, variance)


def _mean_rates(spectra: FlatSpectra, pixels: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return mean rates (n_chunk, n_bin) of some pixels, and the relative variance of their sum over kept chunks."""
    number = max(int(pixels.sum()), 1)
    shape = (spectra.n_chunk, spectra.counts.shape[2])
    rates, variances = np.zeros(shape), np.zeros(shape)
    for k in np.flatnonzero(spectra.kept):
        alive = spectra.live_s[pixels, k]
        counts = spectra.counts[pixels, k]
        rates[k] = (counts / alive).sum(axis=0) / number
        variances[k] = (counts / alive**2).sum(axis=0) / number**2
    if spectra.dark is not None and pixels.any():
        rates -= np.broadcast_to(spectra.dark, (pixels.size, shape[1]))[pixels].mean(axis=0)
    rates = np.maximum(rates, 0.0)
    total = rates[spectra.kept].sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(total > 0, variances[spectra.kept].sum(axis=0) / total**2, 0.0)
    return rates, relative


def _see_all(spectra: FlatSpectra, rates_cps: FloatArray) -> BoolArray:
    """Return which pixels see light in all of the range that the array sees."""
    everything = Reference(np.ones(0, bool), rates_cps, np.zeros(0))
    n_pixel = spectra.calibrated.size
    kept = np.broadcast_to(spectra.kept, (n_pixel, spectra.n_chunk))
    n, e, d, _ = _summed(spectra, everything, kept, slice(None))
    spans = np.zeros((n_pixel, 2), np.int64)
    sensitive_spans(n, e, d, _LEAST_SHARE, spans)
    seen = np.flatnonzero(rates_cps[spectra.kept].sum(axis=0) > 0)
    if not seen.size:
        return np.zeros(n_pixel, bool)
    found: BoolArray = (spans[:, 0] <= seen[0]) & (spans[:, 1] > seen[-1])
    return found


def kept_chunks(spectra: FlatSpectra, reference: Reference, trim_fraction: float) -> BoolArray:
    """Return which chunks of each pixel are used, (n_pixel, n_chunk): the cut ones are out, outlying ones trimmed.

    A pixel's chunks are sorted by its counts in the whole range over what the reference expects: sorting bin by bin, as
    the predecessor did, would prefer small counts, because few photons are distributed askew.
    """
    kept = np.broadcast_to(spectra.kept, (spectra.counts.shape[0], spectra.n_chunk)).copy()
    number = int(spectra.kept.sum())
    trim = int(trim_fraction * number + 1e-9)
    if trim == 0:
        return kept
    expected = np.einsum(
        "pkb,kb->pk",
        np.broadcast_to(spectra.live_s, spectra.counts.shape),
        reference.rates_cps,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = spectra.counts.sum(axis=2) / expected
    ratio = np.where(np.isfinite(ratio) & spectra.kept, ratio, np.inf)  # those that are out: last
    order = np.argsort(ratio, axis=1, kind="stable")
    out = np.concatenate([order[:, :trim], order[:, number - trim :]], axis=1)
    np.put_along_axis(kept, out, False, axis=1)
    return kept


@functools.lru_cache(maxsize=32)
def trimmed_spread(n: int, trim: int) -> float:
    """Return the variance of the mean of n normal values of which `trim` at either end are left out, times those left.

    1 without trimming, and less with it: those that are left were chosen from the middle. By simulation, to 0.5 %.
    """
    if trim == 0:
        return 1.0
    rng = np.random.default_rng(20181128)
    values = np.sort(rng.standard_normal((_DRAWS, n)), axis=1)[:, trim : n - trim]
    return float(values.mean(axis=1).var() * (n - 2 * trim))


def combined_weights(
    spectra: FlatSpectra,
    reference: Reference,
    kept: BoolArray,
    counts_a_knot: float,
    progress: Progress = silent,
    *,
    smooth: bool = True,
) -> Weights:
    """Fit all pixels.

    Parameters
    ----------
    spectra : FlatSpectra
    reference : Reference
    kept : ndarray of bool, shape (n_pixel, n_chunk)
        From `kept_chunks`.
    counts_a_knot : float
    progress : Progress
        May cancel.
    smooth : bool
        False for lasers, whose lines have nothing to do with each other: each has its own weight.
    """
    n_pixel, _, n_bin = spectra.counts.shape
    most = 1
    if smooth:
        largest = float(spectra.counts.sum(axis=(1, 2), dtype=np.int64).max(initial=0))
        most = min(max(int(largest / counts_a_knot), 3), n_bin)
    out = _Room(n_pixel, n_bin, most)
    steps = [slice(k, k + _PIXELS_A_STEP) for k in range(0, n_pixel, _PIXELS_A_STEP)]

    def work(step: slice) -> None:
        n, e, d, dv = _summed(spectra, reference, kept[step], step, smooth)
        out.counts[step] = n
        if smooth:
            cuts = (counts_a_knot, _LEAST_COUNTS, _LEAST_SHARE)
            fit_pixels(n, e, d, dv, *cuts, *out.rows(step))
        else:
            _fit_lines(n, e, d, dv, out, step)

    with ThreadPoolExecutor(SCAN_THREADS) as pool:
        for k in range(0, len(steps), SCAN_THREADS):
            progress(k, len(steps), "fitting weights")
            list(pool.map(work, steps[k : k + SCAN_THREADS]))
    progress(len(steps), len(steps), "fitting weights")
    out.weights[~spectra.calibrated] = np.nan
    common = _trim_variance(spectra, kept, out.counts)
    variance = np.maximum(out.variances + common[:, None], 0.0)
    # a pixel that is part of the reference shares its noise with it
    variance *= np.where(reference.pixels, 1.0 - 1.0 / max(reference.number, 1), 1.0)[:, None]
    variance += reference.variance
    return Weights(
        weights=out.weights,
        errors=out.weights * np.sqrt(variance),
        span=out.span,
        knots=out.knots,
        n_knots=out.n_knots,
        information=out.information,
        common=common,
        state=out.state,
        counts=out.counts,
    )


class _Room:
    """Arrays that the fit fills, pixel by pixel."""

    def __init__(self, n_pixel: int, n_bin: int, most: int) -> None:
        self.weights = np.full((n_pixel, n_bin), np.nan)
        self.variances = np.full((n_pixel, n_bin), np.nan)
        self.span = np.zeros((n_pixel, 2), np.int64)
        self.n_knots = np.zeros(n_pixel, np.int64)
        self.knots = np.zeros((n_pixel, most), np.int64)
        self.information = np.zeros((n_pixel, 2, most))
        self.state = np.zeros(n_pixel, np.uint8)
        self.counts = np.zeros((n_pixel, n_bin))

    def rows(self, step: slice) -> Any:
        """Return the part of some pixels, as `fit_pixels` takes it."""
        return (
            self.weights[step],
            self.variances[step],
            self.span[step],
            self.n_knots[step],
            self.knots[step],
            self.information[step],
            self.state[step],
        )


def _smoothed(values: FloatArray) -> FloatArray:
    """Return means over neighbouring bins, (pixels, n_bin)."""
    padded = np.pad(values, ((0, 0), (_NEIGHBOURS, _NEIGHBOURS)), mode="edge")
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    width = 2 * _NEIGHBOURS + 1
    return (total[:, width:] - total[:, :-width]) / width


def _summed(
    spectra: FlatSpectra, reference: Reference, kept: BoolArray, step: slice, smooth: bool = True
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return counts, counts that the reference expects, dark counts and what they add to the variance, (pixels, n_bin).

    With `smooth`, the latter is a mean over neighbouring bins.
    """
    live = spectra.live_s[step] * kept[:, :, None]
    counts = np.einsum("pkb,pk->pb", spectra.counts[step], kept.astype(np.float64))
    if live.shape[2] == 1:
        expected = live[:, :, 0] @ reference.rates_cps
    else:
        expected = np.einsum("pkb,kb->pb", live, reference.rates_cps)
    dark = np.zeros_like(counts)
    variance = np.zeros_like(counts)
    if spectra.dark is not None and spectra.dark_variance is not None:
        alive = live.sum(axis=1)
        dark = np.broadcast_to(spectra.dark[step] * alive, counts.shape).copy()
        variance = np.broadcast_to(spectra.dark_variance[step] * alive**2, counts.shape).copy()
        if smooth:
            # bins in which the dark happens to be low must not weigh more
            variance = _smoothed(dark + variance) - dark
    expected = np.where(spectra.calibrated[step, None], expected, 0.0)
    return counts, expected, dark, variance


def _fit_lines(
    n: FloatArray, e: FloatArray, d: FloatArray, dv: FloatArray, out: _Room, step: slice
) -> None:
    """Give each line its own weight."""
    signal = n - d
    good = (signal >= _LEAST_COUNTS) & (e > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        out.weights[step] = np.where(good, e / (signal + 1.0 + dv / np.maximum(signal, 1)), np.nan)
        out.variances[step] = np.where(good, (n + dv) / signal**2, np.nan)
    out.span[step, 1] = n.shape[1]
    out.state[step] = np.where(good.any(axis=1), FITTED, FAILED)


def _trim_variance(spectra: FlatSpectra, kept: BoolArray, counts: FloatArray) -> FloatArray:
    """Return what trimming does to the variance of each pixel's level, which is chosen from the middle."""
    number = int(spectra.kept.sum())
    trim = (number - int(kept.sum(axis=1).max(initial=0))) // 2
    if trim == 0:
        return np.zeros(counts.shape[0])
    total = np.maximum(counts.sum(axis=1), 1.0)
    result: FloatArray = (trimmed_spread(number, trim) - 1.0) / total
    return result


def chunk_weights(spectra: FlatSpectra, reference: Reference, chunk: int) -> Ratios:
    """Return the ratios of one chunk (from 0)."""
    counts = spectra.counts[:, chunk].astype(np.float64)
    live = np.broadcast_to(spectra.live_s[:, chunk], counts.shape)
    rates = reference.rates_cps[chunk]
    signal = counts.copy()
    variance = counts.copy()
    if spectra.dark is not None and spectra.dark_variance is not None:
        signal -= spectra.dark * live
        variance += spectra.dark_variance * live**2
    expected = live * rates
    good = (signal > 0) & (expected > 0) & spectra.calibrated[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(good, expected / (signal + 1.0), np.nan)
        relative = (variance + 1.0) / (signal + 1.0) ** 2
    own = np.where(reference.pixels, 1.0 - 1.0 / max(reference.number, 1), 1.0)[:, None]
    of_mean = reference.variance * max(int(spectra.kept.sum()), 1)
    return Ratios(weights, weights * np.sqrt(relative * own + of_mean), counts)
