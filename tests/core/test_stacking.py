"""Stacks of dithered frames: offsets, weights, fluxes and errors against frames whose truth is known."""

import numpy as np
import pytest

from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.stacking.centroid import RegistrationError, _median_of_neighbours
from pipeline_core.stacking.combine import combine, make_grid, median_factor
from pipeline_core.stacking.correlation import _slope_and_bend, _smoothing, _spread
from pipeline_core.stacking.drizzling import drizzle
from pipeline_core.stacking.frames import StackFrame
from pipeline_core.stacking.offsets import Offsets, load_offsets, scale_matrix
from pipeline_core.stacking.register import register
from pipeline_core.stacking.settings import StackSettings
from pipeline_core.stacking.stack import stack_frames

SHAPE = (23, 17)
STAR = (9.3, 7.8)
DITHER = np.array([(0.0, 0.0), (4.2, -2.6), (-3.4, 1.7), (1.5, 3.1)])


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def sky(offset, *, peak=400.0, sigma=1.2, level=5.0, star=STAR, shape=SHAPE):
    """Expected counts/s of a star on a flat sky, where a position of the dither sees it."""
    x, y = np.indices(shape)
    r2 = (x - star[0] - offset[0]) ** 2 + (y - star[1] - offset[1]) ** 2
    return level + peak * np.exp(-0.5 * r2 / sigma**2)


def frame_of(expected, rng, seconds=10.0, bad=()):
    """Poisson counts as a frame; `bad` pixels have no value."""
    exposure = np.full(expected.shape, seconds)
    for pixel in bad:
        exposure[pixel] = 0.0
    counts = rng.poisson(expected * exposure).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate, variance = counts / exposure, counts / exposure**2
    return StackFrame("frame", rate[..., None], variance[..., None], exposure)


def dithered(rng, offsets=DITHER, **kwargs):
    return [frame_of(sky(offset, **kwargs), rng) for offset in offsets]


def given(offsets):
    return Offsets(tuple(map(tuple, offsets)))


# --- registration --------------------------------------------------------------------------------


def test_offsets_are_where_the_sky_lies_farther_along_x_and_y(rng):
    frames = dithered(rng)
    for how in ("centroid", "correlate"):
        found = register(frames, StackSettings(register=how))
        np.testing.assert_allclose(found.offsets, DITHER, atol=0.12, err_msg=how)
        assert (found.errors[0] == 0).all()
        assert ((found.errors[1:] > 0.001) & (found.errors[1:] < 0.06)).all(), how


def pulls(how, n=150, **kwargs):
    rng = np.random.default_rng(5)
    found = []
    for _ in range(n):
        offset = rng.uniform(-3, 3, 2)
        frames = dithered(rng, [(0, 0), offset], **kwargs)
        result = register(frames, StackSettings(register=how))
        found.append((result.offsets[1] - offset) / result.errors[1])
    return np.array(found)


def field(offset, *, peak=30.0, level=5.0):
    """Expected counts/s of twenty equal stars, some of them at the edges, none of them brighter than the others."""
    rng = np.random.default_rng(2)
    stars = rng.uniform(-4, 1, (20, 2)) + rng.uniform(0, 1, (20, 2)) * (SHAPE[0] + 4, SHAPE[1] + 4)
    return level + sum(sky(offset, peak=peak, level=0.0, star=star) for star in stars)


def test_slopes_of_correlated_noise_scatter_as_they_are_said_to(rng):
    shape, size = (13, 9), (26, 18)
    k = list(np.meshgrid(*(2 * np.pi * np.fft.fftfreq(n) for n in size), indexing="ij"))
    at = np.array([2.0, -1.0])
    x, y = np.indices(shape)
    windows = [np.outer(np.hanning(15)[1:-1], np.hanning(11)[1:-1])] * 2
    variances = [1.0 + 0.2 * x, 2.0 + 0.3 * y]
    slopes, said = [], []
    for _ in range(3000):
        noise = [rng.normal(size=shape) * np.sqrt(v) for v in variances]
        spectra = [np.fft.fft2(w * n, size) for w, n in zip(windows, noise, strict=True)]
        power = np.conj(spectra[0]) * spectra[1] * _smoothing(k)
        slopes.append(_slope_and_bend(power, k, at)[0])
        said.append(_spread(spectra, windows, variances, k, at))
    scatter, mean = np.cov(np.transpose(slopes)), np.mean(said, axis=0)
    np.testing.assert_allclose(np.diag(mean), np.diag(scatter), rtol=0.1)
    assert abs(mean[0, 1] - scatter[0, 1]) < 0.1 * scatter[0, 0]


def test_errors_of_likeness_are_as_large_as_the_offsets_scatter():
    rng = np.random.default_rng(6)
    for peak, n in ((30.0, 400), (2.5, 100)):
        found = []
        for _ in range(n):
            offset = rng.uniform(-1.5, 1.5, 2)
            frames = [frame_of(field(one, peak=peak), rng) for one in ((0, 0), offset)]
            settings = StackSettings(register="correlate", offsets=given([(0, 0), offset]))
            result = register(frames, settings)
            found.append((result.offsets[1] - offset) / result.errors[1])
        found = np.array(found)
        assert abs(found.mean()) < 4 / np.sqrt(found.size)
        assert found.std() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("how", ["centroid", "correlate"])
def test_errors_of_offsets_are_as_large_as_the_offsets_scatter(how):
    found = pulls(how, peak=60.0)
    n = found.size
    assert abs(found.mean()) < 4 / np.sqrt(n)
    assert found.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * n))


def test_errors_of_the_centroid_know_of_unequal_pixels(rng):
    found = []
    for _ in range(150):
        sensitivity = np.exp(rng.normal(0, 0.15, SHAPE))  # no flat field was applied
        offset = rng.uniform(-3, 3, 2)
        frames = [frame_of(sensitivity * sky(one), rng, seconds=100.0) for one in ((0, 0), offset)]
        result = register(frames, StackSettings(register="centroid"))
        found.append((result.offsets[1] - offset) / result.errors[1])
    # by the noise of counts alone this would be above 5; residuals of a few bright pixels tell most of it
    assert 0.7 < np.std(found) < 2.6


def test_errors_of_the_centroid_do_not_depend_on_the_bands(rng):
    whole, split = [], []
    for frame in dithered(rng):
        counts = (frame.rate[..., 0] * frame.exposure_s).round().astype(int)
        parts = rng.multinomial(counts, [0.2, 0.5, 0.3]) / frame.exposure_s[..., None]
        whole.append(frame)
        variance = parts / frame.exposure_s[..., None]
        split.append(StackFrame("frame", parts, variance, frame.exposure_s))
    found = [register(frames, StackSettings(register="centroid")) for frames in (whole, split)]
    np.testing.assert_allclose(found[1].offsets, found[0].offsets, atol=1e-6)
    np.testing.assert_allclose(found[1].errors, found[0].errors, rtol=1e-6)


def test_bad_and_hot_pixels_do_not_mislead_the_centroid(rng):
    hot = np.zeros(SHAPE)
    hot[3, 14] = 3000.0
    frames = [frame_of(sky(offset) + hot, rng, bad=[(9, 8), (13, 5), (2, 2)]) for offset in DITHER]
    found = register(frames, StackSettings(register="centroid"))
    np.testing.assert_allclose(found.offsets, DITHER, atol=0.12)


def test_the_dither_says_which_of_two_stars_is_meant(rng):
    # the brighter star is in the second frame only
    first = frame_of(sky((0, 0)), rng)
    second = frame_of(sky((4, -2)) + sky((0, 0), star=(3, 14), peak=4000.0, level=0.0), rng)
    wrong = register([first, second], StackSettings(register="centroid"))
    assert np.abs(wrong.offsets[1] - (4, -2)).max() > 3
    settings = StackSettings(register="centroid", offsets=given([(0, 0), (3.0, -1.0)]))
    right = register([first, second], settings)
    np.testing.assert_allclose(right.offsets[1], (4, -2), atol=0.12)


def test_what_cannot_be_registered_is_said_with_the_name(rng):
    dark = frame_of(np.full(SHAPE, 3.0), rng)
    with pytest.raises(RegistrationError, match="frame cannot be registered: no star"):
        register([dark, dark], StackSettings(register="centroid"))
    nothing = StackFrame("empty", *[np.full((*SHAPE, 1), np.nan)] * 2, np.ones(SHAPE))
    for how in ("centroid", "correlate"):
        with pytest.raises(RegistrationError, match="empty cannot be registered"):
            register([frame_of(sky((0, 0)), rng), nothing], StackSettings(register=how))
    with pytest.raises(ConfigError, match="3 offsets for 2 frames"):
        register([dark, dark], StackSettings(register="dither", offsets=given(DITHER[:3])))


def test_positions_become_pixels():
    moved = Offsets(((0.1, 0.2), (0.3, 0.1)), scale_matrix([10.0, -20.0]))
    np.testing.assert_allclose(moved.pixels(), [(0, 0), (2.0, 2.0)])
    turned = Offsets(((0.0, 0.0), (1.0, 2.0)), scale_matrix([0.0, 3.0, 5.0, 0.0]))
    np.testing.assert_allclose(turned.pixels()[1], (6.0, 5.0))
    # by their times: any of the positions, in any order
    log = Offsets(((0, 0), (1, 2), (3, 5)), scale_matrix(2.0), ((100, 110), (110, 120), (130, 140)))
    found = log.of_frames(["c", "a"], [135.0, 109.9])
    np.testing.assert_allclose(found, [(0, 0), (-6, -10)])
    for middle in (99.0, 120.0, 125.0, 140.0, np.nan):
        with pytest.raises(ConfigError, match="at no position"):
            log.of_frames(["a"], [middle])
    for times in (((1, 2),), ((2, 1), (3, 4), (5, 6)), ((1, np.nan), (3, 4), (5, 6)), (1, 2, 3)):
        with pytest.raises(ConfigError, match="Times of a dither"):
            Offsets(((0, 0), (1, 2), (3, 5)), times=times)
    for bad in ([1, 2, 3], "x", 0.0, [1, 1, 1, 1], [np.nan, 1]):
        with pytest.raises(ConfigError):
            scale_matrix(bad)


def test_offsets_from_a_file(tmp_path):
    path = tmp_path / "offsets.yml"
    path.write_text("positions: [[0, 0], [0.5, -1]]\npixels_per_unit: [4, 2]\n")
    np.testing.assert_allclose(load_offsets(path).pixels(), [(0, 0), (2, -2)])
    for text, words in (
        ("positions: 3\n", "list of"),
        ("positions: [[1, 2, 3]]\n", "pairs of numbers"),
        ("positions: [[1, .nan]]\n", "pairs of numbers"),
        ("positions: []\n", "pairs of numbers"),
        ("positions: [[1, 2]]\nunit: mm\n", "unit is not known"),
        ("positions: [[1, 2]]\npixels_per_unit: [1, 2, 3]\n", "Pixels per unit"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=words) as caught:
            load_offsets(path)
        assert str(path) in str(caught.value)
    with pytest.raises(InputFormatError):
        load_offsets(tmp_path / "none.yml")


# --- bringing together ---------------------------------------------------------------------------


def random_frames(rng, n=4, n_band=2, shape=(5, 3)):
    """Frames of any values, with gaps, as no sky would be."""
    frames = []
    for _ in range(n):
        rate = rng.uniform(1, 9, (*shape, n_band))
        rate[rng.random(rate.shape) < 0.15] = np.nan
        exposure = rng.uniform(2, 8, shape)
        exposure[rng.random(shape) < 0.1] = 0.0
        frames.append(StackFrame("f", rate, rng.uniform(0.1, 1, rate.shape), exposure))
    return frames


def dumb_stack(frames, offsets, grid, settings):
    """Pixel by pixel of the grid: which pixel of each frame lies there, and what becomes of their values."""
    u = grid.upsample
    n_band = frames[0].rate.shape[2]
    rate, variance = (np.full((*grid.shape, n_band), np.nan) for _ in range(2))
    exposure, number = np.zeros(grid.shape), np.zeros(grid.shape, int)
    for gx in range(grid.shape[0]):
        for gy in range(grid.shape[1]):
            for band in range(n_band):
                found = []
                for frame, (dx, dy) in zip(frames, offsets, strict=True):
                    x = (gx + u * grid.first[0] + round(u * dx)) // u
                    y = (gy + u * grid.first[1] + round(u * dy)) // u
                    if not (0 <= x < frame.shape[0] and 0 <= y < frame.shape[1]):
                        continue
                    if band == 0:
                        exposure[gx, gy] += frame.exposure_s[x, y]
                        number[gx, gy] += frame.exposure_s[x, y] > 0
                    if np.isfinite(frame.rate[x, y, band]):
                        weight = 1.0
                        if settings.weights != "equal":
                            weight = frame.exposure_s[x, y]
                        if settings.weights == "variance":
                            weight /= frame.variance[x, y, band] * weight / frame.rate[x, y, band]
                        found.append((frame.rate[x, y, band], frame.variance[x, y, band], weight))
                if not found:
                    continue
                d, v, w = np.array(found).T
                if settings.method == "median":
                    value, spread = np.median(d), median_factor(np.array(d.size)) * v.mean()
                else:
                    value, spread = (w * d).sum() / w.sum(), (w**2 * v).sum() / w.sum() ** 2
                rate[gx, gy, band], variance[gx, gy, band] = value / u**2, spread / u**2
    rate[number < settings.fewest] = variance[number < settings.fewest] = np.nan
    return rate, variance, exposure, number


@pytest.mark.parametrize(
    "changes", [{}, {"upsample": 3}, {"padding": 0.4}, {"padding": 0.0, "upsample": 2}]
)
def test_the_size_is_known_before(changes):
    settings = StackSettings(register="dither", offsets=given(DITHER), **changes)
    columns, rows, n_bytes = settings.size(SHAPE)
    grid = make_grid(SHAPE, DITHER, settings)
    # a grid keeps to whole pixels of the first frame on both sides
    extra = 0 if "padding" in changes else settings.upsample
    assert 0 <= grid.shape[0] - columns <= extra
    assert 0 <= grid.shape[1] - rows <= extra
    assert n_bytes == 26 * columns * rows


@pytest.mark.parametrize("method", ["mean", "median"])
@pytest.mark.parametrize("upsample", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weights": "variance", "padding": 0.0},
        {"weights": "equal", "fewest": 2},
        {"padding": 0.4},
    ],
)
def test_stack_against_a_dumb_one(rng, method, upsample, changes):
    frames = random_frames(rng)
    offsets = np.array([(0, 0), (2.3, -1.2), (-0.9, 3.4), (7.7, 0.6)])
    settings = StackSettings(method=method, upsample=upsample, **changes)
    grid = make_grid((5, 3), offsets, settings)
    found = combine(frames, offsets, grid, settings)
    rate, variance, exposure, number = dumb_stack(frames, offsets, grid, settings)
    assert np.isfinite(rate).sum() >= 10
    np.testing.assert_allclose(found.rate, rate, rtol=1e-6)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-6)
    np.testing.assert_allclose(found.exposure_s, exposure)
    np.testing.assert_array_equal(found.n_frames, number)


def dumb_drizzle(frames, offsets, grid, settings):
    """Overlap of each drop with each pixel of the grid, one by one; both axes are independent."""
    u, half = grid.upsample, 0.5 * settings.pixfrac
    sums, weights, noise = (np.zeros(grid.shape) for _ in range(3))
    for frame, (dx, dy) in zip(frames, offsets, strict=True):
        for x in range(frame.shape[0]):
            for y in range(frame.shape[1]):
                rate, w = frame.rate[x, y, 0], frame.exposure_s[x, y]
                if not np.isfinite(rate):
                    continue
                for gx in range(grid.shape[0]):
                    for gy in range(grid.shape[1]):
                        share = w
                        for g, p, first in (
                            (gx, x - dx, grid.first[0]),
                            (gy, y - dy, grid.first[1]),
                        ):
                            low = first - 0.5 + g / u
                            width = min(low + 1 / u, p + half) - max(low, p - half)
                            share *= max(width, 0.0) / (2 * half)
                        weights[gx, gy] += share
                        sums[gx, gy] += share * rate
                        noise[gx, gy] += share * w * frame.variance[x, y, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / weights / u**2, noise / weights**2 / u**4, weights * u**2


@pytest.mark.parametrize(("upsample", "pixfrac"), [(1, 1.0), (2, 0.6)])
def test_drizzle_against_a_dumb_one(rng, upsample, pixfrac):
    frames = random_frames(rng, n=3, n_band=1)
    offsets = np.array([(0, 0), (1.3, -0.7), (-0.45, 1.2)])
    settings = StackSettings(method="drizzle", upsample=upsample, pixfrac=pixfrac)
    grid = make_grid((5, 3), offsets, settings)
    found = drizzle(frames, offsets, grid, settings)
    rate, variance, exposure = dumb_drizzle(frames, offsets, grid, settings)
    np.testing.assert_allclose(found.exposure_s, exposure, rtol=1e-4, atol=1e-4)
    solid = exposure > 1e-3
    assert solid.sum() > 10
    np.testing.assert_allclose(found.rate[solid, 0], rate[solid], rtol=1e-4)
    np.testing.assert_allclose(found.variance[solid, 0], variance[solid], rtol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "mean"},
        {"method": "mean", "upsample": 4},
        {"method": "drizzle", "upsample": 2, "pixfrac": 0.7},
        {"method": "drizzle"},
    ],
)
def test_light_of_a_star_is_conserved_within_its_error(changes):
    rng = np.random.default_rng(11)
    settings = StackSettings(register="dither", offsets=given(DITHER), **changes)
    true = 400.0 * 2 * np.pi * 1.2**2
    found = []
    for _ in range(120):
        _, grid, stacked = stack_frames(dithered(rng), settings)
        x, y = np.indices(grid.shape)
        where = [grid.place(np.array(STAR[k]), k) for k in (0, 1)]
        near = np.hypot(x - where[0], y - where[1]) < 6 * grid.upsample
        light = np.nansum(stacked.rate[near, 0]) - 5.0 * near.sum() / grid.upsample**2
        found.append((light - true) / np.sqrt(np.nansum(stacked.variance[near, 0])))
    found = np.array(found)
    assert abs(found.mean()) < 4 / np.sqrt(found.size)
    assert found.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * found.size))


def test_the_median_of_few_counts_is_low_and_that_of_many_is_not(rng):
    settings = StackSettings(method="median")
    for level, bias in ((0.05, (-0.5, -0.2)), (200.0, (-0.005, 0.005))):
        frames = [frame_of(np.full((60, 50), level), rng) for _ in range(5)]
        _, _, stacked = stack_frames(frames, settings)
        low, high = bias
        assert low < stacked.rate.mean() / level - 1 < high
    spread = stacked.rate.var() / stacked.variance.mean()
    assert spread == pytest.approx(1.0, abs=0.12)


def test_medians_scatter_as_they_are_said_to(rng):
    for n in (1, 2, 3, 4, 5, 8, 10, 11, 12, 20, 31):
        scatter = np.median(rng.normal(size=(60_000, n)), axis=1).var()
        assert median_factor(np.array(n)) == pytest.approx(scatter, rel=0.025), n


def test_stars_are_found_by_medians_of_good_neighbours(rng):
    image = rng.random((6, 4))
    image[rng.random(image.shape) < 0.4] = np.nan
    image[:2, :2] = np.nan
    expected = np.full(image.shape, np.nan)
    for x in range(6):
        for y in range(4):
            near = image[max(x - 1, 0) : x + 2, max(y - 1, 0) : y + 2]
            if np.isfinite(near).any():
                expected[x, y] = np.median(near[np.isfinite(near)])
    np.testing.assert_allclose(_median_of_neighbours(image), expected)


def test_bad_pixels_of_one_frame_are_filled_by_the_others(rng):
    bad = [(9, 8), (10, 8), (4, 4)]
    for method in ("mean", "median", "drizzle"):
        frames = [frame_of(sky(offset), rng, bad=bad) for offset in DITHER]
        settings = StackSettings(method=method, register="dither", offsets=given(DITHER))
        _, grid, stacked = stack_frames(frames, settings)
        x, y = (9 - grid.first[0], 8 - grid.first[1])
        assert np.isnan(frames[0].rate[9, 8, 0])
        assert stacked.n_frames[x, y] >= 3
        # places of the grid are up to half a pixel off the truth
        assert stacked.rate[x, y, 0] == pytest.approx(sky((0, 0))[9, 8], rel=0.35)
        alone = stack_frames(frames[:1], StackSettings(method=method))[2]
        assert np.isnan(alone.rate[9, 8, 0])
        assert alone.exposure_s[9, 8] == alone.n_frames[9, 8] == 0


def test_weights_by_exposure_are_those_of_all_photons_together(rng):
    expected = np.full(
        SHAPE, 0.05
    )  # mostly no count at all: weights by measured variances would fail
    frames = [frame_of(expected, rng, seconds=s) for s in (5.0, 20.0)]
    _, _, stacked = stack_frames(frames, StackSettings(weights="variance"))
    counts = sum(frame.rate[..., 0] * frame.exposure_s for frame in frames)
    np.testing.assert_allclose(stacked.rate[..., 0], counts / 25.0)
    np.testing.assert_allclose(stacked.variance[..., 0], counts / 25.0**2)


@pytest.mark.parametrize(
    "values",
    [
        {"method": "sum"},
        {"register": "wcs"},
        {"weights": "x"},
        {"upsample": 0},
        {"upsample": 1.5},
        {"pixfrac": 0.0},
        {"pixfrac": 1.1},
        {"padding": -0.1},
        {"fewest": 0},
        {"register": "dither"},
        {"offsets": Offsets(((0, 0),))},
        {"photons": CubeSettings(time_bin_s=1.0)},
    ],
)
def test_impossible_settings(values):
    with pytest.raises(ConfigError):
        StackSettings(**values)


def test_what_does_not_go_together(rng):
    frames = [frame_of(sky((0, 0)), rng), frame_of(np.ones((5, 4)), rng)]
    with pytest.raises(ConfigError, match="5 x 4 pixels"):
        stack_frames(frames, StackSettings())
    far = given([(0, 0), (1e6, 1e6)])
    with pytest.raises(ConfigError, match="Check the offsets"):
        stack_frames([frames[0]] * 2, StackSettings(register="dither", offsets=far))
