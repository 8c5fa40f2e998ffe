import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.regions import (
    COLUMNS,
    Circle,
    PixelSet,
    Rectangle,
    from_dict,
    from_ds9,
    hot_order,
    pixels_in,
    ring,
    statistics,
    statistics_rows,
    to_ds9,
)

SHAPE = (9, 5)  # more columns than rows

places = st.integers(-4, 13)
coordinates = st.integers(-40, 130).map(lambda n: n / 10)
rectangles = st.builds(Rectangle, places, places, places, places)
circles = st.builds(Circle, coordinates, coordinates, st.integers(0, 60).map(lambda n: n / 10))
pixel_sets = st.builds(
    PixelSet, st.lists(st.tuples(places, places), min_size=1, max_size=6).map(tuple)
)
regions = st.one_of(rectangles, circles, pixel_sets)
masks = arrays.arrays(bool, SHAPE)
values = st.one_of(st.integers(0, 1000).map(float), st.sampled_from([np.nan, np.inf, -5.5]))
images = arrays.arrays(np.float64, SHAPE, elements=values)


def contains(region, x, y):
    if isinstance(region, Rectangle):
        return region.x0 <= x <= region.x1 and region.y0 <= y <= region.y1
    if isinstance(region, Circle):
        return math.hypot(x - region.x, y - region.y) <= region.radius + 1e-6
    return (x, y) in region.pixels


# --- shapes --------------------------------------------------------------------------------------


@given(regions)
@example(Rectangle(0, -3, 4, -2))
@example(Rectangle(-3, 0, -2, 4))
def test_a_region_is_made_of_the_pixels_of_the_array_that_it_contains(region):
    expected = [(x, y) for x in range(SHAPE[0]) for y in range(SHAPE[1]) if contains(region, x, y)]
    mask = region.mask(SHAPE)
    assert mask.shape == SHAPE
    assert list(zip(*np.nonzero(mask), strict=True)) == expected
    assert list(pixels_in(region, SHAPE)) == expected


def test_pixels_are_plain_numbers():
    ((x, y),) = pixels_in(PixelSet(((7, 2),)), SHAPE)
    assert (type(x), type(y)) == (int, int)


@given(regions, st.integers(-5, 5), st.integers(-5, 5))
def test_a_moved_region_has_its_pixels_moved(region, dx, dy):
    large = (60, 50)
    here = region.moved(20, 20)
    there = here.moved(dx, dy)
    assert pixels_in(there, large) == tuple((x + dx, y + dy) for x, y in pixels_in(here, large))
    assert there.moved(-dx, -dy).mask(large).tolist() == here.mask(large).tolist()


def test_corners_may_come_in_any_order_and_pixels_twice():
    assert Rectangle(5, 1, 2, 4) == Rectangle(2, 1, 5, 4)
    assert PixelSet(((1, 2), (0, 3), (1, 2))).pixels == ((1, 2), (0, 3))


def test_labels_tell_regions_apart():
    assert Rectangle(2, 1, 5, 2).label == "Rectangle 4 × 2 at (2, 1)"
    assert Circle(2.5, 1, 3).label == "Circle r = 3 at (2.5, 1)"
    assert PixelSet(((7, 2),)).label == "Pixel (7, 2)"
    assert PixelSet(((7, 2), (1, 1))).label == "2 pixels"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Circle(1, 1, -1),
        lambda: Circle(math.nan, 1, 1),
        lambda: Circle(1, math.inf, 1),
        lambda: Rectangle(0.5, 0, 1, 1),
        lambda: Rectangle(0, 0, 10**9, 1),
        lambda: PixelSet(((0, math.nan),)),
    ],
)
def test_impossible_regions_are_refused(make):
    with pytest.raises(ConfigError):
        make()


@given(regions)
def test_regions_survive_json(region):
    assert from_dict(json.loads(json.dumps(region.to_dict()))) == region
    assert from_dict({**region.to_dict(), "colour": "red"}) == region


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"shape": "polygon"},
        {"shape": ["circle"]},
        {"shape": "circle", "x": 1, "y": 2},
        {"shape": "circle", "x": 1, "y": 2, "radius": "wide"},
        {"shape": "rectangle", "x0": None, "y0": 0, "x1": 1, "y1": 1},
        {"shape": "rectangle", "x0": 0.5, "y0": 0, "x1": 1, "y1": 1},
        {"shape": "pixels", "pixels": [[1, 2, 3]]},
        {"shape": "pixels", "pixels": 5},
    ],
)
def test_what_is_no_region_is_refused_in_words(values):
    with pytest.raises(InputFormatError, match="No region"):
        from_dict(values)


# --- region files --------------------------------------------------------------------------------


@given(st.lists(regions, max_size=5))
def test_regions_survive_a_region_file(listed):
    assert from_ds9(to_ds9(listed)) == (tuple(listed), ())


def test_region_files_count_from_1():
    text = to_ds9([Rectangle(2, 0, 4, 1), Circle(0, 6.5, 2.5), PixelSet(((0, 3),))])
    assert text.splitlines() == [
        "# Region file format: DS9 version 4.1",
        "image",
        "box(4,1.5,3,2,0)",
        "circle(1,7.5,2.5)",
        "box(1,4,1,1,0) # tag={pixels 2}",
    ]


def test_region_files_of_others_are_read_as_far_as_possible():
    text = """# Region file format: DS9 version 4.1
global color=green dashlist=8 3 width=1 font="helvetica 10 normal roman" select=1
physical
circle(11.2,3,2) # color=red text={my star}
image;CIRCLE 5 6 1.5
+box(4,4,3,5,0)
-box(4,4,3,5,0)
box(4,4,3,5,45)
box(4.2,4,0.1,5,0)
point(2.6,3.4) # point=cross
ellipse(3,4,5,6,0)
circle(1,2,x)
circle(1,2,-3)
fk5
circle(201.1,-43.2,10)
"""
    found, skipped = from_ds9(text)
    assert found == (
        Circle(10.2, 2, 2),
        Circle(4, 5, 1.5),
        Rectangle(2, 1, 4, 5),
        PixelSet(((2, 2),)),
    )
    assert skipped == (
        "-box(4,4,3,5,0)",
        "box(4,4,3,5,45)",
        "box(4.2,4,0.1,5,0)",
        "ellipse(3,4,5,6,0)",
        "circle(1,2,x)",
        "circle(1,2,-3)",
        "circle(201.1,-43.2,10)",
    )


@given(st.text(alphabet="circlebox(),.;#- 0123456789\n", max_size=80))
def test_any_text_can_be_read_as_a_region_file(text):
    from_ds9(text)


# --- rings ---------------------------------------------------------------------------------------


@given(masks, st.sampled_from([0, 1, 1.5, 3]), st.sampled_from([1, 2, 2.3]))
def test_a_ring_is_made_of_the_pixels_at_some_distance(mask, gap, width):
    inside = list(zip(*np.nonzero(mask), strict=True))
    expected = np.zeros(SHAPE, bool)
    for x, y in np.ndindex(SHAPE):
        if inside:
            distance = min(math.hypot(x - i, y - j) for i, j in inside)
            expected[x, y] = gap + 1e-6 < distance <= gap + width + 1e-6
    assert ring(mask, gap, width).tolist() == expected.tolist()


def test_impossible_rings_are_refused():
    for gap, width in ((-1, 2), (1, 0), (math.nan, 2)):
        with pytest.raises(ConfigError, match="ring"):
            ring(np.ones(SHAPE, bool), gap, width)


# --- statistics ----------------------------------------------------------------------------------


def slow_statistics(image, mask, good, exposure_s, background):
    """Return the numbers pixel by pixel, in the order of COLUMNS."""
    there = [p for p in np.ndindex(SHAPE) if mask[p] and math.isfinite(image[p])]
    kept = [p for p in there if good[p]]
    around = [
        p
        for p in np.ndindex(SHAPE)
        if background[p] and not mask[p] and good[p] and math.isfinite(image[p])
    ]
    nan = math.nan
    total = math.fsum(image[p] for p in there)
    n = len(kept)
    mean = math.fsum(image[p] for p in kept) / n if n else nan
    variance = math.fsum((image[p] - mean) ** 2 for p in kept) / (n - 1) if n > 1 else nan
    ranked = sorted(image[p] for p in kept)
    median = 0.5 * (ranked[(n - 1) // 2] + ranked[n // 2]) if n else nan
    level = math.fsum(image[p] for p in around) / len(around) if around else nan
    sky = level if around else 0.0
    noise = total + (len(there) ** 2 * level / len(around) if around else 0.0)
    error = math.sqrt(max(noise, 0.0))
    net = total - len(there) * sky
    above = {p: max(image[p] - sky, 0.0) for p in kept}
    weight = math.fsum(above.values())
    peak = max(kept, key=lambda p: image[p]) if kept else (nan, nan)
    return [
        int(mask.sum()),
        n,
        total,
        total / exposure_s,
        mean,
        median,
        math.sqrt(variance),
        min(ranked, default=nan),
        max(ranked, default=nan),
        variance / mean if mean else nan,
        *peak,
        math.fsum(above[p] * p[0] for p in kept) / weight if weight else nan,
        math.fsum(above[p] * p[1] for p in kept) / weight if weight else nan,
        level,
        net,
        error,
        net / error if error else nan,
    ]


@given(images, masks, masks, masks)
def test_statistics_are_those_of_a_loop_over_pixels(image, mask, good, background):
    found = statistics(image, mask, good, 2.5, background)
    expected = slow_statistics(image, mask, good, 2.5, background)
    for column, value in zip(COLUMNS, expected, strict=True):
        assert column.value(found) == pytest.approx(value, rel=1e-9, abs=1e-6, nan_ok=True), column


def test_flagged_pixels_are_in_the_sum_but_do_not_pass_for_typical():
    image = np.full(SHAPE, 10)
    image[4, 1] = 1000
    image[3, 2] = 14
    good = image < 1000
    mask = Rectangle(3, 1, 5, 2).mask(SHAPE)
    found = statistics(image, mask, good, 4.0)
    assert (found.pixels, found.good_pixels) == (6, 5)
    assert found.sum == found.net_sum == 1054
    assert found.rate_cps == 263.5
    assert found.mean == pytest.approx(10.8)
    assert found.peak == (3, 2)
    assert math.isnan(found.background)


def test_a_star_on_a_sky_is_measured_less_the_sky():
    x, y = np.ogrid[:40, :25]
    star = 5000 * np.exp(-((x - 30.3) ** 2 + (y - 8.8) ** 2) / (2 * 1.5**2)) / (2 * np.pi * 1.5**2)
    image = np.random.default_rng(11).poisson(star + 20)
    mask = Circle(30, 9, 5).mask(image.shape)
    found = statistics(image, mask, np.ones(image.shape, bool), 1.0, ring(mask, 2, 3))
    assert found.net_sum == pytest.approx(5000, abs=4 * found.net_error)
    assert found.net_error == pytest.approx(math.sqrt(5000 + 81 * 20 + 81**2 * 20 / 340), rel=0.1)
    assert (found.centroid_x, found.centroid_y) == pytest.approx((30.3, 8.8), abs=0.15)


def test_an_empty_region_and_a_silent_one_have_no_numbers_rather_than_wrong_ones():
    image = np.zeros(SHAPE, int)
    good = np.ones(SHAPE, bool)
    empty = statistics(image, ~good, good, 0.0, good)
    assert empty.pixels == empty.sum == 0
    assert empty.peak is None
    assert all(
        math.isnan(v) for v in (empty.rate_cps, empty.mean, empty.sigma, empty.signal_to_noise)
    )
    assert math.isnan(statistics(image + 1, good, good, -1.0).rate_cps)
    silent = statistics(image, good, good, 1.0)
    assert silent.mean == silent.sigma == 0
    assert math.isnan(silent.fano)


def test_masks_of_another_shape_are_refused():
    image = np.zeros(SHAPE)
    with pytest.raises(ConfigError, match=r"\(5, 9\)"):
        statistics(image, np.ones((5, 9), bool), np.ones(SHAPE, bool), 1.0)


def test_numbers_are_written_for_people_and_for_files():
    image = np.full(SHAPE, 1000)
    image[2, 3] = 1001
    good = np.ones(SHAPE, bool)
    found = statistics(image, good, good, 7.0)
    texts = {column.name: column.text(found) for column in COLUMNS}
    assert texts["pixels"] == "45"
    assert texts["sum"] == "45,001"
    assert texts["rate_cps"] == "6,428.7"
    assert texts["sigma"] == "0.1491"
    assert texts["background"] == "–"
    headings, rows = statistics_rows([("Region 1", found), ("Region 2", found)])
    assert headings[:5] == [
        "region",
        "pixels",
        "good_pixels",
        "sum [counts]",
        "rate_cps [counts/s]",
    ]
    assert [row[0] for row in rows] == ["Region 1", "Region 2"]
    assert rows[1][1:4] == [45, 45, 45001.0]


# --- hot pixels ----------------------------------------------------------------------------------


def slow_hot_order(image, good):
    found = {}
    for x, y in np.ndindex(image.shape):
        near = [
            image[i, j]
            for i in range(max(x - 1, 0), min(x + 2, image.shape[0]))
            for j in range(max(y - 1, 0), min(y + 2, image.shape[1]))
            if (i, j) != (x, y) and good[i, j] and np.isfinite(image[i, j])
        ]
        if not near or not good[x, y] or not np.isfinite(image[x, y]):
            continue
        median = float(np.median(near))
        if image[x, y] - max(median, 0) > 5 * math.sqrt(max(median, 1)):
            found[x, y] = image[x, y] / max(median, 1)
    return sorted(found, key=lambda p: -found[p])


@given(images, masks)
def test_hot_pixels_are_those_of_a_loop_over_pixels(image, good):
    assert hot_order(image, good) == slow_hot_order(image, good)


def test_hot_pixels_come_brightest_against_their_neighbours_first():
    image = np.random.default_rng(2).poisson(np.linspace(10, 400, 30)[:, None], (30, 20))
    image[3, 4] = 900  # among about 50
    image[28, 15] = 2000  # among about 380
    image[0, 19] = 600  # in a corner, among about 10
    assert hot_order(image)[:3] == [(0, 19), (3, 4), (28, 15)]
    good = np.ones(image.shape, bool)
    good[3, 4] = False
    assert hot_order(image, good)[:2] == [(0, 19), (28, 15)]


def test_an_image_of_noise_has_hardly_any_hot_pixels():
    image = np.random.default_rng(6).poisson(200, (140, 146))
    assert len(hot_order(image)) < 20
