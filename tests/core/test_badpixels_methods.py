"""What single images and light curves tell: kernels against plain loops, methods against planted pixels."""

import math

import numpy as np
import pytest
from badpixel_fields import SHAPE, Field, observe
from badpixels_plain import follow as plainly_followed
from badpixels_plain import interpolate as plainly_interpolated
from badpixels_plain import neighbours
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from pipeline_core.badpixels._kernels import interpolate, neighbour_weights, weigh_neighbours
from pipeline_core.badpixels.boxes import RankedImage
from pipeline_core.badpixels.flicker import flickering
from pipeline_core.badpixels.methods import (
    _WIDTH_FACTORS,
    COLD,
    DEAD,
    GOOD,
    HOT,
    _structure_width,
    box_factor,
    judge,
    peak_factor,
)
from pipeline_core.badpixels.settings import METHODS, BadPixelSettings
from pipeline_core.errors import ConfigError


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.sampled_from([3, 5, 7]), st.booleans())
def test_box_statistics_are_those_of_numpy(seed, share, side, ties):
    rng = np.random.default_rng(seed)
    shape = (5, 7)
    image, usable = rng.normal(10, 3, shape), rng.random(shape) < share
    if ties:
        image = np.round(image)
    found = RankedImage(image).box(usable, side, spread=True)
    for x in range(5):
        for y in range(7):
            values = np.sort([image[p] for p in neighbours(usable, x, y, side // 2)])
            assert found.number[x, y] == values.size
            assert found.second[x, y] == (values[1] if values.size > 1 else np.inf)
            if not values.size:
                for one in (found.median, found.low, found.sigma, found.robust):
                    assert np.isnan(one[x, y])
                continue
            median = np.median(values)
            assert found.median[x, y] == median
            assert found.robust[x, y] == 1.4826 * np.median(np.abs(values - median))
            assert found.low[x, y] == values[values.size // 10]
            if values.size > 1:
                assert found.sigma[x, y] == pytest.approx(values.std(ddof=1), abs=1e-12)
            else:
                assert np.isnan(found.sigma[x, y])


def test_a_box_may_be_large_and_its_spread_left_out():
    rng = np.random.default_rng(3)
    image, usable = rng.normal(10, 3, (9, 40)), rng.random((9, 40)) < 0.8
    found = RankedImage(image).box(usable, 31)
    for x, y in ((0, 0), (4, 20), (8, 39)):
        values = [image[p] for p in neighbours(usable, x, y, 15)]
        assert found.median[x, y] == np.median(values)
        assert found.number[x, y] == len(values)
    assert found.sigma.size == found.robust.size == 0


def slow_kriging(values, places, noise, at, fwhm, variance=None):
    """Ordinary kriging with numpy's solver: prediction, sigma, weights."""
    z, n = np.array(values, float), len(values)
    p = np.array(places, float)
    if variance is None:
        variance = max(z.var(ddof=1) - np.mean(noise), 0.01 * np.mean(noise))

    def covariance(a, b):
        d2 = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
        return variance * np.exp(-4 * math.log(2) * d2 / fwhm**2)

    left = np.zeros((n + 1, n + 1))
    left[:n, :n] = covariance(p, p) + np.diag(noise)
    left[:n, n] = left[n, :n] = 1
    right = np.append(covariance(p, np.array([at], float))[:, 0], 1.0)
    solution = np.linalg.solve(left, right)
    return solution[:n] @ z, math.sqrt(variance - solution @ right), solution[:n]


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 1), st.floats(1.5, 6))
def test_interpolation_is_ordinary_kriging(seed, share, fwhm):
    rng = np.random.default_rng(seed)
    shape = (6, 5)
    image, usable = rng.normal(100, 30, shape), rng.random(shape) < share
    noise = rng.uniform(20, 300, shape)
    value, sigma = np.empty(shape), np.empty(shape)
    interpolate(image, noise, usable, fwhm, value, sigma)
    for x in range(6):
        for y in range(5):
            places = neighbours(usable, x, y, 2)
            if len(places) < 3:
                assert np.isnan(value[x, y])
                continue
            found = slow_kriging(
                [image[p] for p in places], places, [noise[p] for p in places], (x, y), fwhm
            )
            assert value[x, y] == pytest.approx(found[0], rel=1e-6)
            assert sigma[x, y] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("shape", [(9, 14), (14, 9), (1, 30), (2, 2)])
@pytest.mark.parametrize("share", [1.0, 0.7, 0.2])
def test_interpolating_side_by_side_changes_no_bit(shape, share):
    rng = np.random.default_rng(11)
    image, usable = rng.poisson(90, shape).astype(float), rng.random(shape) < share
    noise = rng.uniform(20, 300, shape)
    image[~usable] = np.nan  # of nobody's business
    value, sigma = np.empty(shape), np.empty(shape)
    interpolate(image, noise, usable, 2.5, value, sigma)
    plain = plainly_interpolated(image, noise, usable, 2.5)
    np.testing.assert_array_equal(value, plain[0])
    np.testing.assert_array_equal(sigma, plain[1])


def followed(cube, usable, scatter, fwhm):
    shape, n_bins = cube.shape[:2], cube.shape[2]
    curves, pixels = cube.reshape(-1, n_bins), np.arange(usable.size)
    weights = np.empty((usable.size, 24))
    neighbour_weights(curves, cube.mean(axis=2), usable, scatter, fwhm, pixels, weights)
    value, variance = np.empty(curves.shape), np.empty(curves.shape)
    weigh_neighbours(curves, shape[1], pixels, weights, value, variance)
    return value.reshape(cube.shape), variance.reshape(cube.shape)


def test_light_curves_are_followed_with_the_weights_of_kriging():
    rng = np.random.default_rng(5)
    shape, n_bins, scatter, fwhm = (6, 5), 9, 0.15, 2.5
    cube = rng.poisson(rng.uniform(5, 90, (*shape, 1)), (*shape, n_bins)).astype(float)
    usable = rng.random(shape) < 0.7
    value, variance = followed(cube, usable, scatter, fwhm)
    for x, y in ((0, 0), (2, 3), (5, 4), (3, 1)):
        places = neighbours(usable, x, y, 2)
        curves = np.array([cube[p] for p in places])
        level = curves.mean(axis=1)
        noise = np.maximum(level, 0.1) + (scatter * level) ** 2
        structure = curves.var(axis=0, ddof=1).mean() - noise.mean()
        spread = max(structure, 0.01 * noise.mean())
        weights = slow_kriging(level, places, noise, (x, y), fwhm, spread)[2]
        np.testing.assert_allclose(value[x, y], weights @ curves, rtol=1e-6)
        np.testing.assert_allclose(variance[x, y], weights**2 @ curves, rtol=1e-6)


@pytest.mark.parametrize("shape", [(9, 14), (14, 9), (1, 30), (2, 2)])
@pytest.mark.parametrize("share", [1.0, 0.7, 0.2])
def test_following_side_by_side_changes_no_bit(shape, share):
    rng = np.random.default_rng(12)
    cube = rng.poisson(rng.uniform(0, 20, (*shape, 1)), (*shape, 13)).astype(float)
    usable = rng.random(shape) < share
    value, variance = followed(cube, usable, 0.15, 3.1)
    plain = plainly_followed(cube, usable, 0.15, 3.1)
    np.testing.assert_array_equal(value, plain[0])
    np.testing.assert_array_equal(variance, plain[1])


def test_factors_of_a_star():
    # by hand: FWHM 2.5 is sigma 1.0617; neighbours at 1 and root 2
    sigma = 2.5 / 2.3548
    near, far = math.exp(-0.5 / sigma**2), math.exp(-1 / sigma**2)
    assert peak_factor(2.5) == pytest.approx(2 / (near + far), rel=1e-4)
    # of the tools before: 5.208, 3.225, 1.961
    for fwhm, factor in ((2.5, 5.208), (3.0, 3.225), (4.0, 1.961)):
        assert box_factor(fwhm, 5) == pytest.approx(factor, abs=2e-3)


def flat_with(rng, level=4000.0, shape=(21, 33)):
    image = rng.poisson(level * np.exp(0.1 * rng.standard_normal(shape)))
    read = np.ones(shape, bool)
    read[4, 9:12] = False
    image[~read] = 0
    return image, read


@pytest.mark.parametrize("method", METHODS)
def test_each_method_finds_what_is_plain(method):
    image, read = flat_with(np.random.default_rng(8))
    image[3, 20], image[12, 5] = 90_000, 0
    settings = BadPixelSettings(method=method)
    found = judge(image, 10.0, read, settings)
    assert found.kind[3, 20] == HOT
    assert found.kind[12, 5] == DEAD
    assert (found.kind[~read] == GOOD).all()
    others = np.count_nonzero(found.kind) - 2
    assert others <= (0 if method == "surroundings" else 0.02 * read.sum())


@pytest.mark.parametrize("method", ["surroundings", "median", "threshold"])
def test_cold_pixels_are_found_if_asked(method):
    image, read = flat_with(np.random.default_rng(9))
    image[7, 30] = 60
    assert judge(image, 10.0, read, BadPixelSettings(method=method)).kind[7, 30] == COLD
    without = judge(image, 10.0, read, BadPixelSettings(method=method, cold=False))
    assert without.kind[7, 30] == GOOD


def test_the_cut_of_rates_knows_seconds():
    image, read = flat_with(np.random.default_rng(3))
    settings = BadPixelSettings(method="cps", max_rate_cps=900.0, n_sigma=50.0)
    image[5, 6] = 9_100
    assert judge(image, 10.0, read, settings).kind[5, 6] == HOT
    image[5, 6] = 8_900
    assert judge(image, 10.0, read, settings).kind[5, 6] == GOOD


def test_dead_only_where_photons_were_expected():
    rng = np.random.default_rng(4)
    image = rng.poisson(3.0, (20, 30))
    found = judge(image, 1.0, np.ones((20, 30), bool), BadPixelSettings())
    assert not found.kind.any()
    assert (image == 0).sum() > 10  # by chance
    image = rng.poisson(400.0, (20, 30))
    image[:, 10:17] = 0  # a block that has no neighbours with photons
    found = judge(image, 1.0, np.ones((20, 30), bool), BadPixelSettings())
    assert (found.kind[:, 10:17] == DEAD).all()
    assert not found.kind[:, :10].any()


def test_the_method_of_this_program_on_planted_fields():
    """One field of a kind; the whole truth is in BADPIXELS_TRUTH.md."""
    for kind in ("flat", "stars", "coronagraph"):
        truth = observe(Field(kind, seed=77))
        found = judge(truth.cube.sum(axis=0), 20.0, ~truth.unread, BadPixelSettings()).kind
        hot = truth.hot & ~truth.core
        assert np.count_nonzero(found[hot] == HOT) >= 0.99 * np.count_nonzero(hot)
        assert (found[truth.dead] == DEAD).all()
        assert np.count_nonzero(found[truth.good]) <= 0.001 * np.count_nonzero(truth.good)
        assert hot.sum() > 50
        assert truth.core.sum() > 30 or kind == "flat"


@pytest.mark.parametrize("width", [2.5, 3.7, 5.0])
def test_the_width_of_the_structure_is_found(width):
    rng = np.random.default_rng(3)
    # smoothed noise has a correlation that is wider than the smoothing by the square root of 2
    sigma = width / math.sqrt(2) / math.sqrt(8 * math.log(2))
    smooth = gaussian_filter(rng.standard_normal((60, 90)), sigma, mode="wrap")
    image = rng.poisson(2000 * (1 + 0.2 * smooth / smooth.std())).astype(float)
    good = rng.random(image.shape) > 0.1
    image[5, 7] = 90_000  # held at 3 sigma: one pixel does not decide
    found, expected, uncertainty = _structure_width(image, image.copy(), good, 0.0, 2.5)
    assert found == 2.5 * min(_WIDTH_FACTORS, key=lambda factor: abs(2.5 * factor - width))
    again = np.empty(image.shape), np.empty(image.shape)
    interpolate(image, image.copy(), good, found, *again)
    np.testing.assert_array_equal((expected, uncertainty), again)


def test_nothing_changes_when_columns_become_rows():
    truth = observe(Field("stars", seed=12))
    image, read = truth.cube.sum(axis=0), ~truth.unread
    one = judge(image, 20.0, read, BadPixelSettings())
    other = judge(image.T, 20.0, read.T, BadPixelSettings())
    np.testing.assert_array_equal(one.kind, other.kind.T)
    assert one.kind.shape == SHAPE


def test_flickering_pixels_jump_and_others_do_not():
    rng = np.random.default_rng(6)
    shape, n_bins = (24, 31), 30
    clouds = 1 + 0.6 * np.sin(np.arange(n_bins) / 3)  # all pixels together
    rate = 200 * np.exp(0.15 * rng.standard_normal(shape))
    mean = clouds[:, None, None] * rate
    mean[:, 3, 20] += 2000  # steadily hot: does not follow the clouds
    mean[10:16, 18, 4] *= 8
    mean[4:20, 9, 29] = 0
    cube = rng.poisson(mean)
    found = flickering(cube, np.ones(shape, bool), 4.0, 0.2, 2.5)
    assert sorted(map(tuple, np.argwhere(found.unstable).tolist())) == [(9, 29), (18, 4)]
    assert found.deviation.shape == (2, n_bins)
    assert found.deviation[1, 12] > 20  # (18, 4), the second one
    assert found.deviation[0, 12] < -5
    assert found.share[18, 4] == pytest.approx(1.3, abs=0.5)
    assert not flickering(cube[:3], np.ones(shape, bool), 4.0, 0.2, 2.5).unstable.any()


@pytest.mark.parametrize(
    "values",
    [
        {"method": "magic"},
        {"n_sigma": 0.0},
        {"n_sigma": float("nan")},
        {"ratio": True},
        {"box": 4},
        {"box": 5.5},
        {"slice_s": 0.0},
        {"max_iter": 0},
        {"cold": 1},
        {"fwhm": "wide"},
    ],
)
def test_impossible_settings_are_named(values):
    (name,) = values
    with pytest.raises(ConfigError, match=name):
        BadPixelSettings(**values)
