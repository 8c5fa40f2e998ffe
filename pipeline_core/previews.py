"""Approximate images from the count summaries of a photon file: at once, until the exact one is there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.summaries import FINE_DEG, PHASE_EDGES_DEG, Summary

__all__ = ["PreviewImage", "preview"]


class PreviewImage(NamedTuple):
    """Counts [x, y] of a window, float64; `exact` where every end of it was an edge of the summaries."""

    image: npt.NDArray[np.float64]
    exact: bool


@kernel
def _below(
    phase_deg: float,
    pixel: int,
    counts: npt.NDArray[np.float64],
    fine: npt.NDArray[np.uint32],
    edges_deg: npt.NDArray[np.float64],
    fine_deg: npt.NDArray[np.float64],
) -> float:
    """Return about how many photons of a pixel have phases below one, in a window of time.

    `counts` [edge, pixel] are those below each edge. How the photons of the band in which the phase lies are spread is
    taken from `fine`, the pixel's histogram over all times; where that is empty, they are spread evenly. Those of the
    open bands are taken to lie at their edge.
    """
    w = np.searchsorted(edges_deg, phase_deg, side="right") - 1
    last = edges_deg.size - 2
    if w <= 0:
        return 0.0
    if w >= last:
        return counts[last if phase_deg == edges_deg[last] else last + 1, pixel]
    share = (phase_deg - edges_deg[w]) / (edges_deg[w + 1] - edges_deg[w])
    whole = below = 0.0
    for k in range(np.searchsorted(fine_deg, edges_deg[w]), fine.size):
        if fine_deg[k] >= edges_deg[w + 1]:
            break
        part = (phase_deg - fine_deg[k]) / (fine_deg[k + 1] - fine_deg[k])
        below += fine[k] * min(max(part, 0.0), 1.0)
        whole += fine[k]
    if whole > 0:
        share = below / whole
    return counts[w, pixel] + share * (counts[w + 1, pixel] - counts[w, pixel])


@kernel
def _between(
    counts: npt.NDArray[np.float64],
    fine: npt.NDArray[np.uint32],
    limits_deg: npt.NDArray[np.float64],
    edges_deg: npt.NDArray[np.float64],
    fine_deg: npt.NDArray[np.float64],
    image: npt.NDArray[np.float64],
) -> None:
    """Count each pixel's photons between its limits; `counts` [edge, pixel], the others by pixel."""
    for p in range(image.size):
        low, high = limits_deg[p, 0], limits_deg[p, 1]
        if low < high:
            grid = (p, counts, fine[min(p, fine.shape[0] - 1)], edges_deg, fine_deg)
            image[p] = _below(high, *grid) - _below(low, *grid)


def preview(
    summary: Summary, window_us: tuple[int, int], limits_deg: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return about the counts of every pixel in a window of time and between two phases of its own.

    Parameters
    ----------
    summary : Summary
        With images by phase.
    window_us : (start, stop)
    limits_deg : ndarray of float64, shape (ncols, nrows, 2)
        ``low <= phase < high``; where low is not below high, nothing is counted.

    Returns
    -------
    ndarray of float64, shape (ncols, nrows)
    """
    shape = limits_deg.shape[:2]
    counts = summary.cumulative(window_us[1]).reshape(PHASE_EDGES_DEG.size, -1)
    counts -= summary.cumulative(window_us[0]).reshape(counts.shape)
    fine = summary.phases
    if fine is None:
        fine = np.zeros((1, 1, FINE_DEG.size - 1), np.uint32)
    image = np.zeros(counts.shape[1])
    limits = np.ascontiguousarray(limits_deg.reshape(-1, 2))
    _between(counts, fine.reshape(-1, fine.shape[2]), limits, PHASE_EDGES_DEG, FINE_DEG, image)
    return image.reshape(shape)
