"""Maps, histogram and cut of a mask of bad pixels."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline_core.badpixels.browse import cut_by_rate, kinds_of, mask_map, rate_histogram
from pipeline_core.badpixels.solution import BadPixels
from pipeline_core.masks import PIXEL_KINDS

SHAPE = (4, 3)


@pytest.fixture
def found():
    rates = np.array([[5.0, 50, 60], [70, 80, 0], [90, 100, 110], [4000, 30, 20]])
    read = np.ones(SHAPE, bool)
    read[0, 0] = False
    return BadPixels(
        camera="test",
        res_id=np.arange(12, dtype=np.uint32).reshape(SHAPE),
        read=read,
        pixels=np.array([[1, 1], [3, 0]]),
        flags=np.array([0, PIXEL_KINDS["hot"]], np.uint32),
        reasons=("Cold in one slice.", "Hot."),
        edges_us=np.array([0, 5, 9]),
        slice_flags=np.array([[0, PIXEL_KINDS["cold"]], [0, 0]], np.uint32),
        rate_cps=rates,
        expected_cps=np.full(SHAPE, 60.0),
        sigma=rates / 60,
    )


def test_kinds_and_maps(found):
    kinds = kinds_of(found)
    assert kinds[1, 1] == "cold"
    assert kinds[3, 0] == "hot"
    assert np.count_nonzero(kinds != "") == 2
    marks = mask_map(found, "marks")
    words = np.array([name for name, _ in marks.categories])[marks.values.astype(int)]
    assert (words[1, 1], words[3, 0], words[0, 0], words[2, 2]) == (
        "cold",
        "hot",
        "not read out",
        "good",
    )
    rate = mask_map(found, "rate").values
    assert np.isnan(rate[0, 0])
    assert rate[3, 1] == 30
    with pytest.raises(KeyError):
        mask_map(found, "nothing")


def test_the_histogram_holds_every_pixel_that_was_judged_once(found):
    histogram = rate_histogram(found)
    assert histogram.good.sum() == 8
    assert histogram.bad.sum() == 2
    assert histogram.n_without_counts == 1  # on an axis of logarithms it would have a rate
    bin_of = np.searchsorted(histogram.edges_log_cps, np.log10(4000)) - 1
    assert histogram.bad[bin_of] == 1


def test_a_cut_marks_what_is_outside_and_leaves_marks_alone(found):
    cut = cut_by_rate(found, 25.0, 100.0)
    kinds = kinds_of(cut)
    expected = {(1, 1): "cold", (3, 0): "hot", (1, 2): "dead", (2, 1): "hot", (2, 2): "hot"}
    expected[3, 2] = "cold"
    assert {(int(x), int(y)): str(kinds[x, y]) for x, y in np.argwhere(kinds != "")} == expected
    assert cut.reason((3, 0)) == "Hot."
    assert "above the cut of 100" in cut.reason((2, 1))
    assert cut.solution_id != found.solution_id
    np.testing.assert_array_equal(cut.mask("x").slice_flags.sum(0), found.slice_flags.sum(0))
    assert cut_by_rate(found, 0.0, np.inf) is found
