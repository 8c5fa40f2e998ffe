"""What is drawn of a pixel among speckles: contours of its likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ellipe

from pipeline_core.speckle.browse import contour_segments
from pipeline_core.speckle.contours import LikelihoodMap


def bowl(a=60.0, b=20.0, at=(300.0, 110.0), nx=81, ny=57):
    """A likelihood that falls by 1 at an ellipse with these half axes."""
    ic, is_ = np.linspace(at[0] - 150, at[0] + 170, nx), np.linspace(at[1] - 60, at[1] + 50, ny)
    drop = ((ic[:, None] - at[0]) / a) ** 2 + ((is_ - at[1]) / b) ** 2
    return LikelihoodMap(ic, is_, drop, 1.0)


@pytest.mark.parametrize("level", [1.0, 3.0])
def test_contours_of_a_bowl_are_ellipses(level):
    x, y = contour_segments(bowl(), level)
    assert x.shape == y.shape
    assert x.size % 2 == 0
    a, b = 60.0 * np.sqrt(level), 20.0 * np.sqrt(level)
    radius = np.hypot((x - 300.0) / a, (y - 110.0) / b)
    assert np.abs(radius - 1.0).max() < 0.01
    lengths = np.hypot(x[1::2] - x[::2], y[1::2] - y[::2])
    assert lengths.sum() == pytest.approx(4 * a * ellipe(1 - (b / a) ** 2), rel=0.01)
    assert lengths.max() < 2 * np.hypot(4.0, 2.0)  # no piece leaves its cell


def test_pieces_of_a_contour_join():
    ends = np.round(np.stack(contour_segments(bowl(), 2.0)), 6)
    _, times = np.unique(ends, axis=1, return_counts=True)
    assert set(times.tolist()) == {2}


def test_there_is_no_contour_above_everything_or_at_an_unknown_level():
    for level in (1e6, np.nan, -1.0):
        x, y = contour_segments(bowl(), level)
        assert x.size == y.size == 0
