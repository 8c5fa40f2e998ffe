"""The likelihood over (Ic, Is), for confidence contours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.speckle.likelihood import BinModel, log_likelihood, scratch_size

__all__ = ["CONTOUR_DROPS", "CONTOUR_LEVELS", "LikelihoodMap", "likelihood_map"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CONTOUR_LEVELS = (0.6827, 0.9545, 0.9973)
CONTOUR_DROPS = (1.15, 3.09, 5.92)
"""Of ln L, for these probabilities and two parameters: half of the chi-square quantiles of two degrees of freedom."""


@dataclass(frozen=True, eq=False)
class LikelihoodMap:
    """How far ln L lies below its maximum.

    Attributes
    ----------
    ic_cps, is_cps : ndarray of float64, shape (n,), (m,)
        Axes.
    drop : ndarray of float64, shape (n, m)
        ``ln L(max) - ln L`` at the Ip of the maximum, as if bins were independent; at least 0.
    inflation : float
        Correlated bins raise variances by this much: contours are at ``inflation * CONTOUR_DROPS``. 1 if unknown.
    """

    ic_cps: FloatArray
    is_cps: FloatArray
    drop: FloatArray
    inflation: float

    @property
    def levels(self) -> tuple[float, ...]:
        """Drops at which the contours of `CONTOUR_LEVELS` lie."""
        return tuple(self.inflation * one for one in CONTOUR_DROPS)


@kernel
def _fill(
    occurrences: IntArray,
    ic: FloatArray,
    is_: FloatArray,
    ip: float,
    model: BinModel,
    out: FloatArray,
) -> None:
    ratios = np.empty(scratch_size(occurrences.size - 1, model.dead))
    for i in range(ic.size):
        for j in range(is_.size):
            out[i, j] = log_likelihood(occurrences, ic[i], is_[j], ip, model, ratios)


def likelihood_map(
    occurrences: IntArray,
    model: BinModel,
    values: FloatArray,
    errors: FloatArray,
    inflation: float = 1.0,
    size: int = 61,
) -> LikelihoodMap:
    """Return the likelihood around its maximum.

    Parameters
    ----------
    occurrences : ndarray of int64, shape (n,)
        Histogram of counts.
    model : BinModel
    values, errors : ndarray of float64, shape (3,)
        Maximum and sigmas, counts/s: the axes reach over 4.5 sigmas.
    inflation : float
    size : int
        Points of an axis.
    """
    mean = float(values.sum())
    axes = []
    for value, error in zip(values[:2], errors[:2], strict=True):
        wide = error if np.isfinite(error) and error > 0 else 0.3 * mean
        low = max(value - 4.5 * wide, 1e-4 * mean)
        axes.append(np.linspace(low, max(value + 4.5 * wide, 2.0 * low), size))
    found = np.empty((size, size))
    _fill(occurrences, axes[0], axes[1], float(values[2]), model, found)
    ratios = np.empty(scratch_size(occurrences.size - 1, model.dead))
    top = max(
        log_likelihood(occurrences, values[0], values[1], values[2], model, ratios),
        float(found.max()),
    )
    known = inflation if np.isfinite(inflation) else 1.0
    return LikelihoodMap(axes[0], axes[1], top - found, known)
