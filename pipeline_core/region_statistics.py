"""What a region of an image amounts to, and pixels that shine out of their neighbourhood.

Which pixels enter which number: no flag takes anything out of a sum. `sum`, rate and everything net are of all
pixels of the region that have a value, as the eye and the curves of the region are. What describes a typical
pixel (mean to Fano factor, peak, centroid, and the background) is of the good ones among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError

__all__ = ["COLUMNS", "Column", "RegionStatistics", "hot_order", "statistics", "statistics_rows"]

_HOT_SIGMA = 5.0

_Mask = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegionStatistics:
    """Numbers of one region. What does not exist (the sigma of one pixel) is NaN.

    Attributes
    ----------
    pixels : int
        Pixels of the region on the array.
    good_pixels : int
        Those among them that are good and have a value.
    sum : float
        Counts of all pixels that have a value, flagged or not.
    rate_cps : float
        `sum` per second of exposure.
    mean, median, sigma, minimum, maximum : float
        Counts per good pixel; sigma is the standard deviation of a sample (n - 1).
    fano : float
        sigma squared over mean: 1 if the pixels differ by photon noise only.
    peak_x, peak_y : float
        The brightest good pixel; the first of equals, x by x.
    centroid_x, centroid_y : float
        Mean place of the good pixels, weighted with counts above the background (above 0 without one).
    background : float
        Mean counts of the good pixels of the background; NaN without one.
    net_sum : float
        `sum` less `background` times the number of pixels that have a value; without background, `sum`.
    net_error : float
        Photon noise of `net_sum`: root of ``v + n^2 v_background / n_background^2``, where v is the variance of a sum:
        of counts the sum itself, of weighted counts the sum of the squared weights.
    signal_to_noise : float
        net_sum / net_error.
    """

    pixels: int
    good_pixels: int
    sum: float
    rate_cps: float
    mean: float
    median: float
    sigma: float
    minimum: float
    maximum: float
    fano: float
    peak_x: float
    peak_y: float
    centroid_x: float
    centroid_y: float
    background: float
    net_sum: float
    net_error: float
    signal_to_noise: float

    @property
    def peak(self) -> tuple[int, int] | None:
        """The brightest good pixel (x, y)."""
        return None if math.isnan(self.peak_x) else (int(self.peak_x), int(self.peak_y))


class Column(NamedTuple):
    """One column of a table of regions: attribute `name`, `title`, `unit` ('' if none), `sentence`."""

    name: str
    title: str
    unit: str
    sentence: str

    def value(self, found: RegionStatistics) -> float:
        """Return the number."""
        number: float = getattr(found, self.name)
        return number

    def text(self, found: RegionStatistics) -> str:
        """Return the number for people: whole ones whole, others with four digits or one decimal place."""
        value = self.value(found)
        if math.isnan(value):
            return "–"
        if value == int(value):
            return f"{value:,.0f}"
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


COLUMNS: tuple[Column, ...] = (
    Column("pixels", "Pixels", "", "Pixels of the region on the array."),
    Column("good_pixels", "Good", "", "Pixels that are not flagged as bad and have a value."),
    Column("sum", "Sum", "counts", "All pixels together, flagged ones too."),
    Column("rate_cps", "Rate [counts/s]", "counts/s", "Sum per second of exposure."),
    Column("mean", "Mean", "counts", "Mean of the good pixels."),
    Column("median", "Median", "counts", "Median of the good pixels."),
    Column("sigma", "Sigma", "counts", "Standard deviation of the good pixels."),
    Column("minimum", "Min", "counts", "Faintest good pixel."),
    Column("maximum", "Max", "counts", "Brightest good pixel."),
    Column("fano", "Fano", "", "Variance over mean of the good pixels; 1 is photon noise."),
    Column("peak_x", "Peak x", "pixel", "Column of the brightest good pixel."),
    Column("peak_y", "Peak y", "pixel", "Row of the brightest good pixel."),
    Column(
        "centroid_x", "Centroid x", "pixel", "Mean column, weighted with counts above background."
    ),
    Column("centroid_y", "Centroid y", "pixel", "Mean row, weighted with counts above background."),
    Column("background", "Background", "counts", "Mean of the good pixels of the ring around it."),
    Column("net_sum", "Net sum", "counts", "Sum less background."),
    Column("net_error", "Net error", "counts", "Photon noise of the net sum."),
    Column("signal_to_noise", "S/N", "", "Net sum over net error."),
)


def statistics(
    image: npt.NDArray[np.generic],
    mask: _Mask,
    good: _Mask,
    exposure_s: float,
    background: _Mask | None = None,
    variance: _Floats | None = None,
) -> RegionStatistics:
    """Measure a region of an image of counts.

    Parameters
    ----------
    image : ndarray, shape (ncols, nrows)
        Counts. NaN and infinite pixels have no value.
    mask, good : ndarray of bool, same shape
        The region, and the pixels without a flag that says they are bad.
    exposure_s : float
        Seconds; the rate is NaN if it is not positive.
    background : ndarray of bool, same shape, optional
        Where the background is measured, such as `regions.ring`. Pixels of the region do not count to it.
    variance : ndarray of float64, same shape, optional
        Of the image, if it is one of weighted counts; default: the counts themselves.

    Raises
    ------
    ConfigError
        If the shapes differ.
    """
    values = np.asarray(image, np.float64)
    variances = values if variance is None else variance
    parts = [part for part in (mask, good, background, variances) if part is not None]
    if any(part.shape != values.shape for part in parts):
        shapes = ", ".join(str(part.shape) for part in parts)
        raise ConfigError(f"The masks {shapes} do not fit the image {values.shape}.")
    finite = np.isfinite(values)
    used = mask & finite
    n_used = int(np.count_nonzero(used))
    total = float(values[used].sum())
    ring = np.zeros(mask.shape, bool) if background is None else background & ~mask & finite & good
    around = values[ring]
    level = float(around.mean()) if around.size else math.nan
    net, squared_error = total, float(variances[used].sum())
    if around.size:
        net = total - n_used * level
        squared_error += n_used**2 * float(variances[ring].sum()) / around.size**2
    error = math.sqrt(max(squared_error, 0.0))
    xs, ys = np.nonzero(used & good)
    kept = values[xs, ys]
    mean, sigma = _moments(kept)
    above = np.maximum(kept - (level if around.size else 0.0), 0.0)
    peak = int(np.argmax(kept)) if kept.size else -1
    return RegionStatistics(
        pixels=int(np.count_nonzero(mask)),
        good_pixels=kept.size,
        sum=total,
        rate_cps=_ratio(total, exposure_s if exposure_s > 0 else 0.0),
        mean=mean,
        median=float(np.median(kept)) if kept.size else math.nan,
        sigma=sigma,
        minimum=float(kept.min()) if kept.size else math.nan,
        maximum=float(kept.max()) if kept.size else math.nan,
        fano=_ratio(sigma * sigma, mean),
        peak_x=float(xs[peak]) if kept.size else math.nan,
        peak_y=float(ys[peak]) if kept.size else math.nan,
        centroid_x=_ratio(float((xs * above).sum()), float(above.sum())),
        centroid_y=_ratio(float((ys * above).sum()), float(above.sum())),
        background=level,
        net_sum=net,
        net_error=error,
        signal_to_noise=_ratio(net, error),
    )


def statistics_rows(
    named: Iterable[tuple[str, RegionStatistics]],
) -> tuple[list[str], list[list[str | float]]]:
    """Return a table for a file: headings with units such as 'sum [counts]', and one row a region, name first."""
    headings = [f"{c.name} [{c.unit}]" if c.unit else c.name for c in COLUMNS]
    rows: list[list[str | float]] = []
    for name, found in named:
        rows.append([name, *(column.value(found) for column in COLUMNS)])
    return ["region", *headings], rows


def outshining(
    image: npt.NDArray[np.generic], good: _Mask | None = None, factor: float = 5.0
) -> _Mask:
    """Return the pixels that are brighter than their surroundings by a factor no optical image has: hot ones.

    They are left out when contrast limits are chosen, or some dozen of them would hide the sky. A star that is
    sampled with two pixels or more per FWHM stays below a factor of 3.

    Parameters
    ----------
    image : ndarray, shape (ncols, nrows)
        Counts.
    good : ndarray of bool, same shape, optional
        Leave the others out, as suspects and as neighbours.
    factor : float
        Of the median of the (up to eight) neighbours, at least one count.

    Returns
    -------
    ndarray of bool, shape (ncols, nrows)
        Only pixels that are also 5 sigma of photon noise above that median.
    """
    values = np.asarray(image, np.float64)
    usable = np.isfinite(values) if good is None else np.isfinite(values) & good
    median = _neighbours_median(np.where(usable, values, np.nan))
    level = np.maximum(np.where(np.isnan(median), np.inf, median), 1.0)
    found = usable & (values >= factor * level)
    found &= values - np.maximum(np.nan_to_num(median), 0.0) > _HOT_SIGMA * np.sqrt(level)
    result: _Mask = found
    return result


def hot_order(image: npt.NDArray[np.generic], good: _Mask | None = None) -> list[tuple[int, int]]:
    """Return pixels that may be hot, the one that outshines its neighbours most first.

    Suspicious is a pixel that is more than 5 sigma of photon noise above the median of its (up to eight)
    neighbours. The order is that of the ratio of both, a median below one count taken as one. A star's middle is
    suspicious too: these are pixels to look at, not to flag.

    Parameters
    ----------
    image : ndarray, shape (ncols, nrows)
        Counts.
    good : ndarray of bool, same shape, optional
        Leave the others out, as suspects and as neighbours.

    Returns
    -------
    list of (x, y)
    """
    values = np.asarray(image, np.float64)
    usable = np.isfinite(values) if good is None else np.isfinite(values) & good
    median = _neighbours_median(np.where(usable, values, np.nan))
    level = np.maximum(np.where(np.isnan(median), np.inf, median), 1.0)
    excess = np.where(usable, values, -np.inf) - np.maximum(median, 0.0)
    suspect = np.nonzero(excess > _HOT_SIGMA * np.sqrt(level))
    order = np.argsort(-(values[suspect] / level[suspect]), kind="stable")
    return list(zip(suspect[0][order].tolist(), suspect[1][order].tolist(), strict=True))


def _neighbours_median(values: _Floats) -> _Floats:
    """Return the median of the eight neighbours, less those that are NaN or beyond the edge; NaN if none is left."""
    ncols, nrows = values.shape
    wide = np.pad(values, 1, constant_values=np.nan)
    stack = np.stack(
        [
            wide[dx : dx + ncols, dy : dy + nrows]
            for dx in range(3)
            for dy in range(3)
            if (dx, dy) != (1, 1)
        ],
        axis=-1,
    )
    stack.sort(axis=-1)  # NaN last
    count = np.count_nonzero(~np.isnan(stack), axis=-1)
    lower, upper = np.maximum(count - 1, 0) // 2, count // 2
    pick = [
        np.take_along_axis(stack, np.minimum(at, 7)[..., None], -1)[..., 0] for at in (lower, upper)
    ]
    return 0.5 * (pick[0] + pick[1])


def _moments(values: _Floats) -> tuple[float, float]:
    """Return mean and sample standard deviation; NaN where there are too few values."""
    mean = float(values.mean()) if values.size else math.nan
    return mean, float(values.std(ddof=1)) if values.size > 1 else math.nan


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
