"""What a person looks at in a mask of bad pixels: maps, the histogram of rates, and a cut on it, as plain values.

For the window, which does no numerics. Detector arrays are [x, y].
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.arraymap import ArrayMap, categories_map
from pipeline_core.badpixels.solution import BadPixels
from pipeline_core.masks import PIXEL_KINDS

__all__ = ["MAPS", "RateHistogram", "cut_by_rate", "kinds_of", "mask_map", "rate_histogram"]

FloatArray = npt.NDArray[np.float64]

MAPS = (
    ("marks", "Bad pixels"),
    ("rate", "Rate"),
    ("expected", "Rate that the surroundings let expect"),
    ("sigma", "Sigmas off the surroundings"),
)
"""Name and label of each map."""

_FINE, _NOT_READ = "good", "not read out"
_BINS = 80


@dataclass(frozen=True, eq=False)
class RateHistogram:
    """How many pixels have which rate.

    Attributes
    ----------
    edges_log_cps : ndarray, shape (n + 1,)
        Logarithms (base 10) of counts per second.
    good, bad : ndarray of int64, shape (n,)
        Pixels without and with a mark.
    n_without_counts : int
        Pixels of rate 0, which are in no bin.
    """

    edges_log_cps: FloatArray
    good: npt.NDArray[np.int64]
    bad: npt.NDArray[np.int64]
    n_without_counts: int


def kinds_of(found: BadPixels) -> npt.NDArray[np.str_]:
    """Return what is wrong with each pixel, '' where nothing is; of several kinds the first of `PIXEL_KINDS`.

    Marks of single slices count as well. Shape (ncols, nrows).
    """
    bits = np.zeros(found.shape, np.uint32)
    marks = found.flags.copy()
    if found.slice_flags.size:
        marks |= np.bitwise_or.reduce(found.slice_flags, axis=1)
    bits[found.pixels[:, 0], found.pixels[:, 1]] = marks
    has = [(bits & np.uint32(bit)) != 0 for bit in PIXEL_KINDS.values()]
    return np.select(has, list(PIXEL_KINDS), "")


def mask_map(found: BadPixels, name: str) -> ArrayMap:
    """Return a map by its name.

    Raises
    ------
    KeyError
        If there is no such map.
    """
    label = dict(MAPS)[name]
    if name == "marks":
        kinds = kinds_of(found)
        words = np.where(kinds != "", kinds, np.where(found.read, _FINE, _NOT_READ))
        return categories_map(name, label, words.ravel().tolist(), found.shape)
    values, unit = {
        "rate": (found.rate_cps, "counts/s"),
        "expected": (found.expected_cps, "counts/s"),
        "sigma": (found.sigma, "sigma"),
    }[name]
    return ArrayMap(name, label, unit, np.where(found.read, values, np.nan))


def rate_histogram(found: BadPixels) -> RateHistogram:
    """Return the histogram of the rates of all pixels that were judged; those without counts have no logarithm."""
    lit = found.read & (found.rate_cps > 0)
    rates = np.log10(found.rate_cps[lit])
    bad = (kinds_of(found) != "")[lit]
    low, high = (rates.min(), rates.max()) if rates.size else (0.0, 1.0)
    margin = 0.02 * max(high - low, 0.1)
    edges = np.linspace(low - margin, high + margin, _BINS + 1)
    return RateHistogram(
        edges_log_cps=edges,
        good=np.histogram(rates[~bad], edges)[0],
        bad=np.histogram(rates[bad], edges)[0],
        n_without_counts=int(np.count_nonzero(found.read & (found.rate_cps == 0))),
    )


def cut_by_rate(found: BadPixels, low_cps: float, high_cps: float) -> BadPixels:
    """Return the mask with those pixels marked as well whose rate lies outside a range set by hand.

    Parameters
    ----------
    found : BadPixels
    low_cps, high_cps : float
        Counts per second. Below the first a pixel is cold (dead without any counts), at or above the second hot.
        Pixels that are marked already keep their marks.
    """
    marked = kinds_of(found) != ""
    with np.errstate(invalid="ignore"):
        hot = found.read & ~marked & (found.rate_cps >= high_cps)
        cold = found.read & ~marked & (found.rate_cps < low_cps)
    new = np.argwhere(hot | cold)
    if not new.size:
        return found
    x, y = new.T
    rates = found.rate_cps[x, y]
    kind = np.where(hot[x, y], "hot", np.where(rates > 0, "cold", "dead"))
    reasons = [
        f"{rate:.4g} counts/s, {'above' if k == 'hot' else 'below'} the cut of "
        f"{high_cps if k == 'hot' else low_cps:.4g} set by hand."
        for rate, k in zip(rates.tolist(), kind.tolist(), strict=True)
    ]
    flags = np.array([PIXEL_KINDS[k] for k in kind.tolist()], np.uint32)
    nothing = np.zeros((len(new), found.slice_flags.shape[1]), np.uint32)
    pixels = np.concatenate((found.pixels, new))
    order = np.lexsort((pixels[:, 1], pixels[:, 0]))
    every = (*found.reasons, *reasons)
    return dataclasses.replace(
        found,
        pixels=pixels[order],
        flags=np.concatenate((found.flags, flags))[order],
        reasons=tuple(every[k] for k in order.tolist()),
        slice_flags=np.concatenate((found.slice_flags, nothing))[order],
        created_unix=0.0,
        solution_id="",
    )
