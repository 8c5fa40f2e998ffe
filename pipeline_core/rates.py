"""Count rates of a whole array, corrected for dead time, with their errors. Arrays are [x, y]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["RateImage"]


@dataclass(frozen=True, eq=False)
class RateImage:
    """Counts of every pixel, and the time that it was alive.

    A pixel that is dead for a time tau after each photon it records (non-paralysable) records ``r / (1 + r tau)`` a
    second of ``r``; counts per second alive give ``r`` back (e.g. Knoll, Radiation Detection and Measurement, 4.VII).

    Attributes
    ----------
    counts : ndarray of int64, shape (ncols, nrows)
    live_time_s : ndarray of float64, shape (ncols, nrows)
        Time neither in a gap, nor masked, nor dead.
    open_time_s : float
        Time neither in a gap nor masked.
    """

    counts: npt.NDArray[np.int64]
    live_time_s: npt.NDArray[np.float64]
    open_time_s: float

    @property
    def rate_cps(self) -> npt.NDArray[np.float64]:
        """Counts per second alive; NaN where a pixel never was."""
        return self._per_second(self.counts)

    @property
    def error_cps(self) -> npt.NDArray[np.float64]:
        """Sigma of `rate_cps`: root of the counts, per second alive.

        The recorded counts scatter less than Poisson's (by ``(1 + r tau)^-3`` in variance), but the correction
        multiplies: what comes out is exactly this.
        """
        return self._per_second(np.sqrt(self.counts))

    @property
    def dead_share(self) -> npt.NDArray[np.float64]:
        """Part of the open time in which a pixel was dead; NaN without open time."""
        if not self.open_time_s:
            return np.full(self.counts.shape, np.nan)
        return 1 - self.live_time_s / self.open_time_s

    def _per_second(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = np.asarray(values, np.float64) / self.live_time_s
        return np.where(self.live_time_s > 0, rates, np.nan)
