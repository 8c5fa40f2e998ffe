"""Light curves: one pixel's photons binned in time, with the time the pixel was alive in each bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.exposure import live_time_us

__all__ = ["LightCurve", "bin_edges_us", "light_curve"]

_MAX_BINS = 50_000_000


@dataclass(frozen=True, eq=False)
class LightCurve:
    """Counts of one pixel per time bin. Bins are half-open; the last one may be shorter.

    Attributes
    ----------
    pixel : (x, y)
    bin_s : float
        Width of the full bins.
    edges_s : ndarray of float64, shape (n + 1,)
        Seconds from the start of the observation.
    counts : ndarray of int64, shape (n,)
    live_time_s : ndarray of float64, shape (n,)
        Time the pixel was alive in each bin: less gaps, less dead time.
    open_time_s : ndarray of float64, shape (n,)
        The same without dead time: 0 in a gap.
    """

    pixel: tuple[int, int]
    bin_s: float
    edges_s: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    live_time_s: npt.NDArray[np.float64]
    open_time_s: npt.NDArray[np.float64]

    @property
    def rate_cps(self) -> npt.NDArray[np.float64]:
        """Counts per second alive; NaN where the pixel was not."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.live_time_s > 0, self.counts / self.live_time_s, np.nan)

    @property
    def rate_error_cps(self) -> npt.NDArray[np.float64]:
        """Poisson error of `rate_cps`: sqrt(counts) per second alive."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.live_time_s > 0, np.sqrt(self.counts) / self.live_time_s, np.nan)


def bin_edges_us(start_us: int, stop_us: int, bin_s: float) -> npt.NDArray[np.int64]:
    """Return bin edges from `start_us`, `bin_s` apart; the last bin ends at `stop_us`.

    Raises
    ------
    ConfigError
        If the bins are shorter than 1 us, not a number, or too many for memory.
    """
    width = round(bin_s * 1e6) if np.isfinite(bin_s) else 0
    if width < 1:
        raise ConfigError(f"A time bin must be at least 1 us long, not {bin_s} s.")
    if (stop_us - start_us) // width > _MAX_BINS:
        raise ConfigError(
            f"Bins of {bin_s} s would make more than {_MAX_BINS:,} of them. Choose longer bins or a shorter time range."
        )
    edges = np.arange(start_us, stop_us, width, dtype=np.int64)
    return np.append(edges, np.int64(stop_us))


def light_curve(
    pixel: tuple[int, int],
    times_us: npt.NDArray[np.uint32],
    edges_us: npt.NDArray[np.int64],
    bin_s: float,
    gaps: npt.NDArray[np.float64],
    blind: npt.NDArray[np.float64],
) -> LightCurve:
    """Bin one pixel's photons.

    Parameters
    ----------
    pixel : (x, y)
    times_us : ndarray of uint32
        Ascending; photons outside the edges are not counted.
    edges_us : ndarray of int64, shape (n + 1,)
        As `bin_edges_us` makes them.
    bin_s : float
        Width of the full bins.
    gaps, blind : ndarray of float64, shape (m, 2)
        `exposure.blind_intervals` without and with dead time.
    """
    # times ascend: where each edge falls tells the counts
    places = np.searchsorted(times_us, edges_us.astype(np.uint64), side="left")
    return LightCurve(
        pixel=pixel,
        bin_s=float(bin_s),
        edges_s=edges_us / 1e6,
        counts=np.diff(places).astype(np.int64),
        live_time_s=live_time_us(edges_us, blind) / 1e6,
        open_time_s=live_time_us(edges_us, gaps) / 1e6,
    )
