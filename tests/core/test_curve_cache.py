"""Light curves of regions that move: what is remembered, against binning everything anew."""

import numpy as np
import pytest
from observations import make_observation

from pipeline_core import ObsFile
from pipeline_core.curve_cache import CurveCache
from pipeline_core.errors import OperationCancelled
from pipeline_core.lightcurves import BinsOfTime, light_curve
from pipeline_core.pixel_cache import PixelCache

ALL = (-np.inf, np.inf)
NO_GAPS = np.empty((0, 2))
GAPS = np.array([[120_000.0, 130_000.0]])


@pytest.fixture
def photons():
    """Times and phases by pixel, 5 x 3 pixels."""
    rng = np.random.default_rng(4)

    def some(x, y):
        n = 40 * x + 7 * y
        times = np.sort(rng.integers(0, 300_000, n)).astype(np.uint32)
        return times, rng.uniform(-120, -10, n).astype(np.float32)

    return {(x, y): some(x, y) for x in range(5) for y in range(3)}


class Counted:
    """A cache of photons that notes which pixels were asked for."""

    def __init__(self, photons):
        self.asked = []
        self.cache = PixelCache(self._load, lambda pixel: pixel[0] - 10 * pixel[1])
        self._photons = photons

    def _load(self, pixel):
        self.asked.append(pixel)
        return tuple(values.copy() for values in self._photons[pixel])


def anew(photons, pixels, window, bin_s, phases, gaps, dead_time_us):
    bins = BinsOfTime(window, bin_s, phases, gaps, dead_time_us)
    return light_curve(pixels, [photons[pixel] for pixel in pixels], bins)


def same(curve, expected):
    assert (curve.pixels, curve.bin_s) == (expected.pixels, expected.bin_s)
    np.testing.assert_array_equal(curve.counts, expected.counts)
    np.testing.assert_array_equal(curve.edges_s, expected.edges_s)
    np.testing.assert_array_equal(curve.open_time_s, expected.open_time_s)
    np.testing.assert_allclose(curve.live_time_s, expected.live_time_s, rtol=0, atol=1e-15)


def box(x0, y0, width=2, height=2):
    return tuple((x, y) for x in range(x0, x0 + width) for y in range(y0, y0 + height))


@pytest.mark.parametrize("limit_bytes", [0, 16 * 30 * 5, 10**9])
def test_a_region_that_moves_has_the_curve_of_its_pixels(photons, limit_bytes):
    curves = CurveCache(Counted(photons).cache, 9.0, limit_bytes)
    questions = [
        ((0, 300_000), 0.01, ALL, NO_GAPS),
        ((33_000, 271_234), 0.01, (-70.0, -30.0), GAPS),
        ((0, 300_000), 0.007, ALL, GAPS),
    ]
    places = [(0, 0), (1, 0), (2, 0), (2, 1), (3, 1), (1, 1), (0, 0)]
    for window, bin_s, phases, gaps in questions:
        for x, y in places:
            pixels = box(x, y)
            curve = curves.curve(pixels, window, bin_s, phases, gaps)
            same(curve, anew(photons, pixels, window, bin_s, phases, gaps, 9.0))
            assert curve.live_time_s.sum() < curve.open_time_s.sum()


def test_only_pixels_that_are_new_are_binned(photons):
    counted = Counted(photons)
    curves = CurveCache(counted.cache, 9.0)
    curves.curve(box(0, 0, 3, 3), (0, 300_000), 0.01, ALL, NO_GAPS)
    counted.cache.clear()  # photons would have to be loaded again
    counted.asked.clear()
    curves.curve(box(1, 0, 3, 3), (0, 300_000), 0.01, ALL, NO_GAPS)
    assert counted.asked == [(3, 2), (3, 1), (3, 0)]  # in the order of the file


def test_the_same_curve_is_not_made_twice(photons):
    curves = CurveCache(Counted(photons).cache, 9.0)
    question = ((0, 300_000), 0.01, ALL, NO_GAPS)
    first = curves.curve(((4, 2),), *question)
    assert curves.curve(((4, 2),), *question) is first
    assert curves.curve(((4, 1),), *question).counts.sum() != first.counts.sum()
    with pytest.raises(ValueError, match="read-only"):
        first.counts[0] = 1


def test_no_more_is_remembered_than_the_limit_allows(photons):
    counted = Counted(photons)
    row = 16 * 30
    curves = CurveCache(counted.cache, 9.0, limit_bytes=4 * row)
    window = ((0, 300_000), 0.01, ALL, NO_GAPS)
    curves.curve(box(0, 0), *window)
    curves.curve(box(2, 0), *window)
    counted.cache.clear()
    counted.asked.clear()
    curves.curve(box(2, 0)[:3], *window)
    assert counted.asked == []  # the newest are there
    curves.curve(box(0, 0)[:2], *window)
    assert counted.asked == [(0, 1), (0, 0)]  # the oldest are not


def test_pixels_that_were_not_asked_for_lately_go_first(photons):
    counted = Counted(photons)
    curves = CurveCache(counted.cache, 9.0, limit_bytes=4 * 16 * 30)
    window = ((0, 300_000), 0.01, ALL, NO_GAPS)
    for x in (0, 1, 0, 2):
        curves.curve(box(x, 0, width=1), *window)
    counted.cache.clear()
    counted.asked.clear()
    curves.curve(box(0, 0, width=1), *window)
    assert counted.asked == []
    curves.curve(box(1, 0, width=1), *window)
    assert counted.asked == [(1, 1), (1, 0)]


def test_what_was_binned_before_it_was_cancelled_is_kept(photons):
    counted = Counted(photons)
    curves = CurveCache(counted.cache, 9.0)
    window = ((0, 300_000), 0.01, ALL, NO_GAPS)

    def cancel_at_once(*_):
        raise OperationCancelled

    curves.curve(box(0, 0), *window)
    with pytest.raises(OperationCancelled):
        curves.curve(box(1, 0), *window, cancel_at_once)
    same(
        curves.curve(box(1, 0), *window),
        anew(photons, box(1, 0), *window, 9.0),
    )


def test_a_closed_observation_remembers_nothing(tmp_path):
    path, _ = make_observation(tmp_path, np.full((3, 2), 200.0))
    obs = ObsFile(path)
    obs.light_curve([(0, 0), (1, 1)])
    obs.light_curve((2, 1))
    obs.close()
    for pixel in ([(0, 0), (1, 1)], (2, 1)):
        with pytest.raises(Exception, match="closed"):
            obs.light_curve(pixel)
