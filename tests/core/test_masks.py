"""Masks as plain values, against sets of microseconds and of pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.errors import ConfigError
from pipeline_core.flags import PixelFlag
from pipeline_core.mask_kernels import outside, pieces_of_bins
from pipeline_core.masks import (
    MASK_FLAGS,
    PIXEL_KINDS,
    PixelMask,
    PixelMasks,
    TimeMask,
    masked_intervals,
)

SHAPE = (4, 3)
HOT, DEAD = PIXEL_KINDS["hot"], PIXEL_KINDS["dead"]

interval = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda p: (p[0], p[0] + p[1]))
time_masks = st.lists(
    st.tuples(st.lists(interval, min_size=1, max_size=4), st.booleans()), max_size=5
)


def time_mask(intervals, clears=False):
    n = len(intervals)
    codes = np.zeros(n, np.uint8)
    return TimeMask("", "by hand", "{}", np.array(intervals), codes, ("why",) * n, clears)


def pixel_mask(pixels, flags, edges=(), slices=None):
    n = len(pixels)
    slices = np.zeros((n, max(len(edges) - 1, 0))) if slices is None else slices
    return PixelMask("id", "a.h5", "{}", pixels, flags, ("why",) * n, edges, slices)


@given(time_masks)
def test_masks_of_time_are_sets_of_microseconds(masks):
    expected = set()
    for intervals, clears in masks:
        for a, b in intervals:
            expected = expected - set(range(a, b)) if clears else expected | set(range(a, b))
    found = masked_intervals([time_mask(i, clears) for i, clears in masks])
    assert {t for a, b in found.tolist() for t in range(a, b)} == expected
    assert (np.diff(found.ravel()) > 0).all()  # disjoint, ascending, none empty, none touching


@given(
    st.lists(interval, max_size=6),
    st.lists(st.integers(0, 90), min_size=2, max_size=6, unique=True).map(sorted),
    st.lists(st.integers(0, 90), max_size=20).map(sorted),
)
def test_pieces_and_photons_outside(intervals, edges, times):
    masked = masked_intervals([time_mask(intervals)] if intervals else [])
    inside = {t for a, b in masked.tolist() for t in range(a, b)}
    keep = np.empty(len(times), bool)
    outside(np.array(times, np.uint32), masked, keep)
    assert keep.tolist() == [t not in inside for t in times]
    pieces, bins = pieces_of_bins(masked, np.array(edges))
    for k in range(len(edges) - 1):
        mine = {
            t
            for (a, b), i in zip(pieces.tolist(), bins.tolist(), strict=True)
            if i == k
            for t in range(a, b)
        }
        assert mine == inside & set(range(edges[k], edges[k + 1]))


def test_marks_add_up_and_are_taken_off_in_order():
    first = pixel_mask([(0, 1), (3, 2)], [HOT, DEAD])
    off = PixelMask.by_hand([(3, 2)], "it works", clears=True)
    again = PixelMask.by_hand([(3, 2), (1, 0)], "no", "cold")
    expected = np.zeros(SHAPE, np.uint32)
    expected[0, 1], expected[3, 2] = HOT, DEAD
    np.testing.assert_array_equal(PixelMasks([first], SHAPE).flags(), expected)
    both = PixelMasks([first, off], SHAPE)
    expected[3, 2] = 0
    np.testing.assert_array_equal(both.flags(), expected)
    assert both.reasons((3, 2)) == ("Unmasked. By hand: it works",)
    assert both.reasons((0, 1)) == ("why",)
    assert both.reasons((2, 2)) == ()
    expected[3, 2] = expected[1, 0] = PIXEL_KINDS["cold"]
    every = PixelMasks([first, off, again], SHAPE)
    np.testing.assert_array_equal(every.flags(), expected)
    assert every.reasons((3, 2)) == ("By hand: no",)
    np.testing.assert_array_equal(PixelMasks([off, first], SHAPE).flags()[3, 2], DEAD)


def test_slices_hold_where_a_window_touches_them():
    mask = pixel_mask([(2, 1)], [0], (0, 10, 20, 30), [[0, HOT, DEAD]])
    masks = PixelMasks([mask], SHAPE)

    def bits(*window):
        return int(masks.flags(window)[2, 1])

    assert bits(0, 10) == 0
    assert bits(0, 11) == HOT
    assert bits(10, 20) == HOT
    assert bits(19, 21) == HOT | DEAD
    assert bits(20, 30) == DEAD
    assert int(masks.flags()[2, 1]) == HOT | DEAD
    assert np.count_nonzero(masks.flags()) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PixelMask.by_hand([(0, 0)], " ", "hot"), "needs a reason"),
        (lambda: PixelMask.by_hand([(0, 0)], "x", "odd"), "not 'odd'"),
        (lambda: PixelMask.by_hand([], "x", "hot"), "at least one"),
        (lambda: TimeMask.by_hand((0, 5), ""), "needs a reason"),
        (lambda: TimeMask.by_hand((5, 5), "x"), "interval"),
        (lambda: TimeMask.by_hand((-1, 5), "x"), "interval"),
        (lambda: TimeMask.by_hand((0, 5), "x", "odd"), "not 'odd'"),
        (lambda: pixel_mask([(0, 1), (0, 1)], [HOT, HOT]), "twice"),
        (lambda: pixel_mask([(0, 1)], [1]), "no other flags"),
        (lambda: pixel_mask([(0, 1)], [0], (0, 9), [[1]]), "no other flags"),
        (lambda: pixel_mask([(0, 1)], [HOT, HOT]), "shape"),
        (lambda: PixelMasks([pixel_mask([(3, 3)], [HOT])], SHAPE), "does not fit"),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_flags_of_masks_are_those_of_the_pixel_calibration():
    names = ("hot", "cold", "unstable", "dead")
    assert sum(int(PixelFlag[f"pixcal_{name}"]) for name in names) == MASK_FLAGS
