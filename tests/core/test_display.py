import numpy as np
import pytest
from astropy.visualization import ZScaleInterval
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline_core import display
from pipeline_core.errors import ConfigError
from pipeline_core.stretch import ordered

SHAPE = (7, 4)  # more columns than rows

awkward = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-5, 5).map(float),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e308, -1e308, 5e-324]),
)
images = st.one_of(
    arrays.arrays(np.float64, SHAPE, elements=awkward),
    arrays.arrays(np.int64, SHAPE, elements=st.integers(-1000, 10**9)),
    arrays.arrays(np.float32, SHAPE, elements=st.floats(-1e6, 1e6, width=32)),
)
masks = arrays.arrays(bool, SHAPE)
widths = st.floats(1e-6, 1e9)
ranges = st.builds(lambda low, width: (low, low + width), st.floats(-1e6, 1e6), widths)


def all_good(image):
    return np.ones(image.shape, bool)


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", display.LIMIT_MODES)
@given(image=images, good=masks, inside=st.one_of(st.none(), masks))
def test_limits_of_any_image_are_finite_and_ordered(mode, image, good, inside):
    low, high = display.limits(image, good, mode, inside=inside)
    assert np.isfinite([low, high, high - low]).all()
    assert low < high


@pytest.mark.parametrize("mode", ["percentile", "zscale", "sigma"])
def test_one_hot_pixel_moves_limits_by_less_than_a_percent(mode):
    image = np.random.default_rng(3).poisson(100, (80, 125))
    clean = display.limits(image, all_good(image), mode)
    image[7, 100] = 1_000_000
    assert display.limits(image, all_good(image), mode) == pytest.approx(clean, rel=0.01)


def test_limits_are_of_good_pixels_inside_and_of_all_if_there_are_none():
    image = np.arange(28.0).reshape(SHAPE)
    good = image < 20
    inside = image > 10
    nowhere = np.zeros(SHAPE, bool)
    assert display.limits(image, good, "minmax") == (0, 19)
    assert display.limits(image, good, "minmax", inside=inside) == (11, 19)
    assert display.limits(image, nowhere, "minmax", inside=inside) == (11, 27)
    assert display.limits(image, good, "minmax", inside=nowhere) == (0, 19)
    assert display.limits(image, nowhere, "minmax", inside=nowhere) == (0, 27)
    image[inside] = np.nan
    assert display.limits(image, good, "minmax", inside=inside) == (0, 10)


@pytest.mark.parametrize("value", [0, -3.5, 10**9, np.nan])
def test_limits_of_a_constant_image_begin_at_its_value(value):
    image = np.full(SHAPE, value)
    for mode in display.LIMIT_MODES:
        low, high = display.limits(image, all_good(image), mode)
        assert low == (0 if np.isnan(value) else value)
        assert high >= low + 1


ZSCALE_IMAGES = {
    "noise": lambda rng, shape: rng.normal(100, 10, shape),
    "counts": lambda rng, shape: rng.poisson(50, shape),
    "few counts": lambda rng, shape: rng.poisson(1.5, shape),
    "slope": lambda rng, shape: rng.uniform(-5, 5, shape) + 0.5 * np.arange(shape[1]),
    "exponential": lambda rng, shape: rng.exponential(10, shape),
    "long tail below": lambda rng, shape: -rng.exponential(10, shape),
    "skew": lambda rng, shape: rng.lognormal(1, 0.7, shape),
    "bright half": lambda rng, shape: rng.normal(0, 1, shape) + 9 * (rng.random(shape) < 0.4),
    "bright few": lambda rng, shape: rng.normal(0, 1, shape) + 9 * (rng.random(shape) < 0.04),
}


@pytest.mark.parametrize("kind", ZSCALE_IMAGES)
@pytest.mark.parametrize("shape", [(80, 125), (146, 140), (33, 31), (3, 1)])
def test_zscale_is_that_of_astropy(kind, shape):
    image = ZSCALE_IMAGES[kind](np.random.default_rng(7), shape)
    expected = ZScaleInterval(n_samples=image.size + 1).get_limits(image)
    if expected[0] == expected[1]:
        expected = (expected[0], expected[0] + 1)
    assert display.limits(image, all_good(image), "zscale") == pytest.approx(expected, rel=1e-9)


def test_zscale_of_a_hot_pixel_is_that_of_the_image_without_it():
    rng = np.random.default_rng(8)
    image = rng.normal(100, 10, (80, 125))
    good = all_good(image)
    image[3, 60] = 1e6
    image[60, 3] = -1e6
    good[3, 60] = good[60, 3] = False
    expected = display.limits(image, good, "zscale")
    assert display.limits(image, all_good(image), "zscale") == pytest.approx(expected)


def test_sigma_limits_are_k_sigmas_about_the_mean():
    image = np.random.default_rng(4).normal(50, 5, (80, 125))
    low, high = display.limits(image, all_good(image), "sigma", k=2)
    assert low == pytest.approx(40, abs=0.5)
    assert high == pytest.approx(60, abs=0.5)


def test_impossible_settings_of_limits_are_refused():
    image = np.zeros(SHAPE)
    with pytest.raises(ConfigError, match="percentile, zscale"):
        display.limits(image, all_good(image), "auto")
    with pytest.raises(ConfigError, match="low < high"):
        display.limits(image, all_good(image), low=60, high=40)
    with pytest.raises(ConfigError, match="sigmas"):
        display.limits(image, all_good(image), "sigma", k=0)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
@example(1e308, 1e308)
@example(-1e308, 1e308)
@example(np.inf, -np.inf)
@example(0.0, 5e-324)
@example(1e17, 1e17)
def test_any_two_limits_can_be_put_in_order(low, high):
    low, high = ordered(low, high)
    assert low < high
    assert np.isfinite(high - low)
    assert len(display.make_scale((low, high)).ticks(5)) >= 1


def test_limits_that_are_no_numbers_are_refused():
    with pytest.raises(ConfigError, match="nan"):
        display.make_scale((np.nan, 1.0))


# --- stretches -----------------------------------------------------------------------------------


def some_scale(stretch, levels, seed=0):
    low, high = levels
    image = low + (high - low) * np.random.default_rng(seed).beta(0.5, 3, (40, 30))
    return display.make_scale(levels, stretch, image, all_good(image))


@pytest.mark.parametrize("stretch", display.STRETCHES)
@given(levels=ranges, values=st.lists(awkward, min_size=2, max_size=20))
def test_brightness_rises_with_the_value_from_0_to_1(stretch, levels, values):
    scale = some_scale(stretch, levels)
    values = np.sort([*values, *scale.levels])
    brightness = scale.forward(values)
    assert np.array_equal(np.isnan(brightness), np.isnan(values))
    kept = brightness[~np.isnan(values)]
    assert (np.diff(kept) >= 0).all()
    assert scale.forward(scale.levels[0]) == 0
    assert scale.forward(scale.levels[1]) == pytest.approx(1)
    assert kept.min() >= 0
    assert kept.max() <= 1


@pytest.mark.parametrize("stretch", display.STRETCHES)
@given(levels=ranges, brightness=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_brightness_can_be_turned_back_into_values(stretch, levels, brightness):
    scale = some_scale(stretch, levels)
    values = scale.inverse(brightness)
    low, high = scale.levels
    assert (values >= low).all()
    assert (values <= high).all()
    # the digits of a value bound how well it tells its brightness
    digits = 1e-15 * max(abs(low), abs(high)) / (high - low)
    assert np.abs(scale.forward(values) - brightness).max() <= 1e-9 + 1e4 * digits + digits**0.5


@pytest.mark.parametrize(
    ("stretch", "quarter"),
    [
        ("linear", 0.25),
        ("log", np.log(251) / np.log(1001)),
        ("sqrt", 0.5),
        ("asinh", np.arcsinh(2.5) / np.arcsinh(10)),
        ("power", (1000**0.25 - 1) / 999),
    ],
)
def test_stretches_are_those_of_ds9(stretch, quarter):
    scale = display.make_scale((-100, 300), stretch)
    assert scale.forward(0) == pytest.approx(quarter)
    assert scale.forward([-np.inf, -101, 301, np.inf]).tolist() == pytest.approx([0, 0, 1, 1])


def test_histogram_stretch_shows_each_brightness_equally_often():
    image = np.random.default_rng(5).exponential(10, (80, 125))
    levels = display.limits(image, all_good(image), "minmax")
    scale = display.make_scale(levels, "histogram", image, all_good(image))
    seen, _ = np.histogram(scale.forward(image), bins=10, range=(0, 1))
    assert seen.min() > 800
    assert seen.max() < 1200
    linear, _ = np.histogram(display.make_scale(levels).forward(image), bins=10, range=(0, 1))
    assert linear.max() > 3000


def test_histogram_of_mostly_dark_pixels_keeps_them_black_and_spreads_the_rest():
    image = np.zeros((8, 5), int)
    image[:4, 0] = [1, 2, 3, 4]
    scale = display.make_scale((0, 4), "histogram", image, all_good(image))
    assert scale.forward([0, 1, 2, 3, 4]) == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_histogram_still_tells_values_apart_where_no_pixel_is():
    image = np.arange(28).reshape(SHAPE) % 10
    scale = display.make_scale((-50, 100), "histogram", image, all_good(image))
    values = np.array([-50, -20, 5, 40, 100])
    assert (np.diff(scale.forward(values)) > 1e-4).all()
    assert scale.inverse(scale.forward(values)) == pytest.approx(values)


def test_histogram_leaves_out_bad_pixels():
    image = np.random.default_rng(5).uniform(0, 1, (40, 30))
    image[:, :15] = 0.9
    good = all_good(image)
    good[:, :15] = False
    assert display.make_scale((0, 1), "histogram", image, good).forward(0.5) == pytest.approx(
        0.5, abs=0.05
    )
    assert display.make_scale((0, 1), "histogram", image).forward(0.5) < 0.3


@given(image=images, good=masks, levels=ranges)
def test_histogram_of_any_image_is_safe(image, good, levels):
    scale = display.make_scale(levels, "histogram", image, good)
    values = scale.inverse(np.linspace(0, 1, 11))
    assert (np.diff(values) >= 0).all()
    assert scale.forward(scale.levels).tolist() == pytest.approx([0, 1])


def test_without_an_image_histogram_is_linear_and_unknown_stretches_are_refused():
    scale = display.make_scale((0, 10), "histogram")
    assert scale.forward(4) == pytest.approx(0.4)
    assert scale.inverse(0.4) == pytest.approx(4)
    with pytest.raises(ConfigError, match="asinh"):
        display.make_scale((0, 1), "cubic")


def digits_of(value):
    return (
        len(f"{abs(value):.15g}".replace(".", "").strip("0")) if "e" not in f"{value:.15g}" else 1
    )


@pytest.mark.parametrize("stretch", display.STRETCHES)
@given(levels=ranges, n=st.integers(2, 12))
@example(levels=(1.0, 4e8 + 2), n=2)
@example(levels=(1e6, 1e6 + 2e-6), n=300)  # fewer numbers than ticks at the faint end
def test_ticks_ascend_within_the_limits_and_are_where_their_values_are(stretch, levels, n):
    scale = some_scale(stretch, levels)
    ticks = scale.ticks(n)
    assert 1 <= len(ticks) <= max(n, 3) + 1
    places, values = np.array(ticks).T
    assert (np.diff(values) > 0).all()
    assert values[0] >= scale.levels[0]
    assert values[-1] <= scale.levels[1]
    assert np.array_equal(scale.forward(values), places)


@pytest.mark.parametrize("stretch", display.STRETCHES)
def test_ticks_are_round_and_spread_over_the_colour_bar(stretch):
    scale = some_scale(stretch, (0.0, 31_234.0))
    places, values = np.array(scale.ticks(7)).T
    assert len(places) >= 4
    assert np.diff(places).max() < 0.4
    if stretch != "linear":
        assert np.abs(places - np.linspace(0, 1, 7)).max() <= 0.25 / 6 + 1e-9
    assert max(digits_of(value) for value in values) <= 3


def test_linear_ticks_are_multiples_of_a_round_step():
    assert [v for _, v in display.make_scale((0.05, 0.97)).ticks(5)] == [0.2, 0.4, 0.6, 0.8]
    assert [v for _, v in display.make_scale((-20, 20)).ticks(5)] == [-20, -10, 0, 10, 20]


def test_logarithmic_ticks_reach_down_to_the_faint_end():
    values = [v for _, v in display.make_scale((0, 100_000), "log").ticks(7)]
    assert values[0] == 0
    assert values[1] <= 500


# --- colour numbers ------------------------------------------------------------------------------


def test_colour_numbers_of_brightness_and_of_pixels_without_it():
    image = np.array([[0, 5, 10], [np.nan, 20, np.inf], [np.nan, 7, -np.inf], [2.5, 9.999, 30]])
    flagged = np.zeros(image.shape, bool)
    flagged[1, 0] = flagged[2, 1] = flagged[3, 2] = True
    found = display.indices(
        image, display.make_scale((0, 10)), flagged=flagged, saturation=20
    ).tolist()
    top, nan = display.N_COLOURS - 1, display.NAN_INDEX
    bad, full = display.FLAGGED_INDEX, display.SATURATED_INDEX
    assert found == [[0, 126, top], [nan, full, full], [nan, bad, 0], [63, top, bad]]


@pytest.mark.parametrize("stretch", display.STRETCHES)
@given(image=images, good=masks)
def test_colour_numbers_of_any_image_are_those_of_its_brightness(stretch, image, good):
    scale = display.make_scale(display.limits(image, good), stretch, image, good)
    found = display.indices(image, scale)
    assert found.dtype == np.uint8
    for (x, y), value in np.ndenumerate(image):
        if np.isnan(value):
            assert found[x, y] == display.NAN_INDEX
        else:
            expected = min(int(scale.forward(value) * display.N_COLOURS), display.N_COLOURS - 1)
            assert abs(int(found[x, y]) - expected) <= 1


# --- gestures ------------------------------------------------------------------------------------


def test_a_turn_of_the_wheel_moves_one_limit_by_5_percent_of_the_range():
    assert display.wheel_level((100, 300), 1) == pytest.approx((100, 310))
    assert display.wheel_level((100, 300), -1) == pytest.approx((100, 290))
    assert display.wheel_level((100, 300), 1, lower=True) == pytest.approx((110, 300))
    assert display.wheel_level((100, 300), -1, lower=True) == pytest.approx((90, 300))
    one_by_one = display.wheel_level(display.wheel_level((100, 300), 1), 1)
    assert display.wheel_level((100, 300), 2) == pytest.approx(one_by_one)


def test_a_drag_pulls_one_limit_or_both():
    assert display.drag_level((100, 300), 0.25) == pytest.approx((100, 350))
    assert display.drag_level((100, 300), 0.25, lower=True) == pytest.approx((150, 300))
    assert display.drag_level((100, 300), -5) == pytest.approx((100, 102))
    assert display.level_width((100, 300), 0.5, 0) == pytest.approx((200, 400))
    assert display.level_width((100, 300), 0, 1) == pytest.approx((-200, 600))
    assert display.level_width((100, 300), 0, -1) == pytest.approx((175, 225))


@given(
    levels=st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)),
    amounts=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=30),
    lower=st.booleans(),
)
def test_no_gesture_makes_limits_meet(levels, amounts, lower):
    for amount in amounts:
        for change in (
            display.wheel_level(levels, amount, lower=lower),
            display.drag_level(levels, amount, lower=lower),
            display.level_width(levels, amount, 0.1 * amount),
        ):
            low, high = change
            assert low < high
            assert np.isfinite(high - low)
            levels = change
