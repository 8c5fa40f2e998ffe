"""Numbers that a picture needs: contrast limits that a few hot pixels cannot spoil."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError

__all__ = ["percentile_levels"]


def percentile_levels(
    image: npt.NDArray[np.generic],
    good: npt.NDArray[np.bool_],
    low: float = 1.0,
    high: float = 99.5,
) -> tuple[float, float]:
    """Return contrast limits from percentiles of the good, finite pixels.

    Parameters
    ----------
    image : ndarray, shape (ncols, nrows)
    good : ndarray of bool, same shape
        Pixels to look at; if none of them is finite, all finite pixels are looked at.
    low, high : float
        Percentages, 0 <= low < high <= 100.

    Returns
    -------
    (float, float)
        Limits with ``lower < upper`` always, also for constant or empty images.

    Raises
    ------
    ConfigError
        If the percentages are out of order.
    """
    if not 0 <= low < high <= 100:
        raise ConfigError(
            f"Contrast percentages must satisfy 0 <= low < high <= 100, not {low}, {high}."
        )
    values = np.asarray(image, float)
    finite = np.isfinite(values)
    looked_at = values[finite & good]
    if not looked_at.size:
        looked_at = values[finite]
    if not looked_at.size:
        return 0.0, 1.0
    lower, upper = (float(v) for v in np.percentile(looked_at, (low, high)))
    if upper <= lower:
        upper = lower + 1.0
    return lower, upper
