"""Speckle maps and pixels as they are looked at: a map with its label, a pixel with the lines of its contours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.speckle.contours import CONTOUR_LEVELS, LikelihoodMap
from pipeline_core.speckle.study import PixelStudy

__all__ = ["Contour", "PixelPage", "contour_segments", "pixel_page"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contour:
    """One contour of the likelihood.

    Attributes
    ----------
    level : float
        Probability inside.
    ic_cps, is_cps : ndarray of float64, shape (2 n,)
        Ends of n straight pieces, two by two.
    """

    level: float
    ic_cps: FloatArray
    is_cps: FloatArray


@dataclass(frozen=True, eq=False)
class PixelPage:
    """Everything about one pixel.

    Attributes
    ----------
    study : PixelStudy
    contours : tuple of Contour
        From the inside outwards; empty without a fit.
    """

    study: PixelStudy
    contours: tuple[Contour, ...]


def pixel_page(study: PixelStudy) -> PixelPage:
    """Return a study with the lines that are drawn of it."""
    found = study.contours
    if found is None:
        return PixelPage(study, ())
    lines = tuple(
        Contour(probability, *contour_segments(found, level))
        for probability, level in zip(CONTOUR_LEVELS, found.levels, strict=True)
    )
    return PixelPage(study, lines)


def contour_segments(found: LikelihoodMap, level: float) -> tuple[FloatArray, FloatArray]:
    """Return where the likelihood lies `level` below its maximum, in straight pieces.

    Every cell of the grid is cut into two triangles; the level crosses a triangle on two of its sides or not at all.

    Parameters
    ----------
    found : LikelihoodMap
    level : float

    Returns
    -------
    (ndarray of float64, ndarray of float64), shapes (2 n,)
        Ic and Is of the ends of n pieces, two by two, counts/s.
    """
    x, y = np.meshgrid(found.ic_cps, found.is_cps, indexing="ij")
    corners = np.stack([x, y, found.drop - level])
    a, b = corners[:, :-1, :-1], corners[:, 1:, :-1]
    c, d = corners[:, 1:, 1:], corners[:, :-1, 1:]
    pieces = [_crossings(*triangle) for triangle in ((a, b, c), (a, c, d))]
    ends = np.concatenate(pieces, axis=1)
    return ends[0], ends[1]


def _crossings(*corners: FloatArray) -> FloatArray:
    """Return the ends of the pieces in triangles, shape (2, 2 n); corners are x, y, height."""
    above = [corner[2] > 0 for corner in corners]
    crossed = [above[k] != above[(k + 1) % 3] for k in range(3)]
    some = crossed[0] | crossed[1] | crossed[2]
    points, there = [], []
    for k in range(3):
        p, q = corners[k][:, some], corners[(k + 1) % 3][:, some]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = p[2] / (p[2] - q[2])
            points.append(p[:2] + part * (q[:2] - p[:2]))
        there.append(crossed[k][some])
    sides, sides_there = np.stack(points), np.stack(there)
    # of three sides exactly two are crossed; triangle after triangle
    return np.ascontiguousarray(sides.transpose(2, 0, 1)[sides_there.T].T)
