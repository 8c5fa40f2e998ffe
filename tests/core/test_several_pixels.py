"""Sums over several pixels, against plain NumPy and against one pixel at a time."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from observations import make_observation

from pipeline_core import ObsFile
from pipeline_core.binning import add_phases, add_times, first_at_or_after, phase_span
from pipeline_core.errors import ConfigError, OperationCancelled
from pipeline_core.exposure import add_dead_time, blind_intervals, live_time_us
from pipeline_core.histograms import Spectrum
from pipeline_core.lightcurves import BinsOfTime, light_curve
from pipeline_core.pixel_cache import PixelCache

SHAPE = (7, 4)
REGION = [(1, 2), (6, 0), (5, 1), (2, 3), (0, 3)]
SELECTIONS = [
    {},
    {"start": 0.1, "stop": 1.234_567},
    {"start": 0.5, "min_phase": -60.0, "max_phase": -20.5},
]


@pytest.fixture(scope="module")
def observation(tmp_path_factory):
    rates = 50 + 40 * np.arange(7)[:, None] + 7.0 * np.arange(4)
    rates[2, 3] = 0
    rates[5, 1] = 40_000  # spans chunks; its dead time overlaps
    folder = tmp_path_factory.mktemp("several")
    return make_observation(folder, rates, silent_ticks=range(1203, 1500))


@pytest.fixture
def obs(observation):
    with ObsFile(observation[0]) as opened:
        yield opened


# --- observations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_region_is_the_sum_of_its_pixels(obs, selection):
    curve = obs.light_curve(REGION, 0.03, **selection)
    parts = [obs.light_curve(pixel, 0.03, **selection) for pixel in REGION]
    np.testing.assert_array_equal(curve.counts, sum(part.counts for part in parts))
    np.testing.assert_array_equal(curve.edges_s, parts[0].edges_s)
    np.testing.assert_array_equal(curve.open_time_s, parts[0].open_time_s)
    mean_live = np.mean([part.live_time_s for part in parts], axis=0)
    np.testing.assert_allclose(curve.live_time_s, mean_live, rtol=1e-12, atol=1e-12)
    spectrum = obs.spectrum(REGION, bin_deg=2.5, **selection)
    singles = [obs.spectrum(pixel, bin_deg=2.5, **selection) for pixel in REGION]
    summed = dict.fromkeys(spectrum.edges[:-1].tolist(), 0)
    for single in singles:
        for edge, count in zip(single.edges[:-1].tolist(), single.counts.tolist(), strict=True):
            if count:
                summed[edge] += count
    assert list(summed.values()) == spectrum.counts.tolist()
    weights = [single.counts.sum() for single in singles]
    means = [0.0 if np.isnan(single.mean) else single.mean for single in singles]
    assert spectrum.mean == pytest.approx(np.average(means, weights=weights))


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_region_equals_plain_numpy(obs, observation, selection):
    start = round(selection.get("start", 0.0) * 1e6)
    stop = round(selection.get("stop", 2.0) * 1e6)
    low = selection.get("min_phase", -np.inf)
    high = selection.get("max_phase", np.inf)
    rows = obs.photons(REGION, start / 1e6, stop / 1e6)
    phases = rows["phase"].astype(float)
    chosen = (phases >= low) & (phases < high)
    edges = np.append(np.arange(start, stop, 30_000), stop)
    curve = obs.light_curve(REGION, 0.03, **selection)
    expected = np.histogram(rows["time"][chosen], edges - 0.5)[0]
    np.testing.assert_array_equal(curve.counts, expected)
    live = []
    for pixel in REGION:
        alive = np.ones(2_000_020, bool)
        for after in range(10):
            alive[observation[1][pixel][0] + after] = False
        for a, b in obs.gaps_us:
            alive[a:b] = False
        live.append([alive[a:b].sum() / 1e6 for a, b in itertools.pairwise(edges)])
    np.testing.assert_allclose(curve.live_time_s, np.mean(live, axis=0), atol=1e-12)
    full = curve.open_time_s > 0.03 - 1e-9
    assert 10 < full.sum() < full.size
    histogram = obs.intensity_histogram(REGION, 0.03, **selection)
    np.testing.assert_array_equal(histogram.occurrences, np.bincount(expected[full]))
    assert histogram.fano == pytest.approx(expected[full].var(ddof=1) / expected[full].mean())
    assert curve.fano == pytest.approx(histogram.fano)
    spectrum = obs.spectrum(REGION, bin_deg=0.7, **selection)
    by_hand = np.histogram(phases[chosen], spectrum.edges)[0]
    assert spectrum.counts.sum() == chosen.sum()
    np.testing.assert_array_equal(spectrum.counts, by_hand)
    assert spectrum.mean == pytest.approx(phases[chosen].mean())


def test_the_rate_of_a_region_is_the_sum_of_rates(obs):
    region = [(1, 2), (2, 1), (3, 0)]
    curve = obs.light_curve(region, 0.25)
    parts = [obs.light_curve(pixel, 0.25) for pixel in region]
    np.testing.assert_allclose(curve.rate_cps, sum(part.rate_cps for part in parts), rtol=2e-3)
    errors = np.sqrt(sum(part.rate_error_cps**2 for part in parts))
    np.testing.assert_allclose(curve.rate_error_cps, errors, rtol=2e-3)
    counts, alive = curve.counts.sum(), curve.live_time_s.sum()
    assert curve.mean_rate_cps == counts / alive
    assert curve.mean_rate_error_cps == np.sqrt(counts) / alive
    assert alive == pytest.approx(2 - 297 * 500e-6, abs=0.01)


def test_a_pixel_given_twice_counts_once(obs):
    twice = obs.light_curve([(1, 2), (6, 0), (1, 2)])
    once = obs.light_curve(np.array([[1, 2], [6, 0]]))
    assert twice.pixels == once.pixels == ((1, 2), (6, 0))
    np.testing.assert_array_equal(twice.counts, once.counts)
    np.testing.assert_array_equal(twice.live_time_s, once.live_time_s)
    assert obs.spectrum([(1, 2)] * 3).counts.sum() == obs.photons((1, 2)).size


def test_values_name_their_pixels(obs):
    for read in (obs.light_curve, obs.intensity_histogram, obs.spectrum):
        assert (read((4, 2)).pixel, read((4, 2)).pixels) == ((4, 2), ((4, 2),))
        assert (read(REGION).pixel, read(REGION).pixels) == (REGION[0], tuple(REGION))


def test_without_photons(obs):
    curve = obs.light_curve([(2, 3)], 0.01)
    assert (curve.mean_rate_cps, curve.counts.sum()) == (0.0, 0)
    assert np.isnan([curve.fano, obs.spectrum((2, 3)).mean]).all()
    assert np.isnan(obs.intensity_histogram((2, 3)).fano)
    in_gap = obs.light_curve(REGION, 0.01, 0.61, 0.74)
    assert np.isnan(in_gap.rate_cps).all()
    assert np.isnan([in_gap.mean_rate_cps, in_gap.mean_rate_error_cps, in_gap.fano]).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda o: o.light_curve([]),
        lambda o: o.spectrum([(0, 0), (7, 0)]),
        lambda o: o.intensity_histogram([(0, 0), (0, 0.5)]),
        lambda o: o.light_curve([(0, 0, 0)]),
        lambda o: o.spectrum((4, 2), bin_deg=1e-6),
    ],
)
def test_impossible_requests(obs, call):
    with pytest.raises(ConfigError):
        call(obs)


def test_reading_a_region_can_be_cancelled(obs):
    def stop(done, total, stage=""):
        raise OperationCancelled

    for read in (obs.light_curve, obs.intensity_histogram, obs.spectrum):
        with pytest.raises(OperationCancelled):
            read(REGION, progress=stop)


def test_a_baseline_that_was_kept_is_selected_with_its_photon(tmp_path):
    from rawdata import header, photon, write_words

    from pipeline_core.beammap import Beammap
    from pipeline_core.convert import ConvertSettings, convert

    words = [header(1, 0, (1602050400 - 1577836800) * 2000)]
    words += [photon(k % 2, 0, 100 + k, -1000 - 700 * k, 100 * k) for k in range(40)]
    write_words(tmp_path / "1602050400.bin", words)
    out = tmp_path / "o.h5"
    settings_ = ConvertSettings(
        tmp_path, 1602050400, 1, Beammap.design((2, 1)), out, baseline="keep"
    )
    convert(settings_)
    with ObsFile(out) as obs:
        every = obs.photons((1, 0))
        assert np.unique(every["baseline"]).size == every.size == 20
        middle = float(np.median(every["phase"]))
        some = obs.photons((1, 0), 110e-6, 130e-6, min_phase=middle)
        wanted = (every["time"] >= 110) & (every["time"] < 130) & (every["phase"] >= middle)
        assert some.size not in (0, 20)
        for name in ("time", "phase", "baseline"):
            np.testing.assert_array_equal(some[name], every[wanted][name])


# --- kernels against plain NumPy -------------------------------------------------------------------

photons = st.lists(st.tuples(st.integers(0, 90), st.integers(-8, 1)), max_size=12).map(sorted)
windows = st.tuples(st.integers(0, 90), st.integers(0, 100)).filter(lambda w: w[0] < w[1])
ranges = st.sampled_from([(-np.inf, np.inf), (-5.0, -2.0), (-np.inf, -3.0), (-4.0, np.inf)])


def columns(rows):
    times = np.array([time for time, _ in rows], np.uint32)
    return times, np.array([phase for _, phase in rows], np.float32)


@settings(max_examples=300, deadline=None)
@given(photons, windows, st.integers(1, 40), ranges)
def test_time_bins_equal_a_loop(rows, window, width, phase):
    start, stop = window
    counts = np.zeros(-(-(stop - start) // width), np.int64)
    add_times(*columns(rows), start, stop, width, *phase, counts)
    expected = np.zeros_like(counts)
    for time, degrees in rows:
        if start <= time < stop and phase[0] <= degrees < phase[1]:
            expected[(time - start) // width] += 1
    assert counts.tolist() == expected.tolist()


@settings(max_examples=300, deadline=None)
@given(photons, windows, ranges, st.sampled_from([0.3, 1.0, 2.5]))
def test_phase_bins_equal_a_loop(rows, window, phase, width):
    chosen = [p for t, p in rows if window[0] <= t < window[1] and phase[0] <= p < phase[1]]
    number, low, high, total = phase_span(*columns(rows), *window, *phase)
    assert (number, total) == (len(chosen), sum(chosen))
    assert (low, high) == ((min(chosen), max(chosen)) if chosen else (np.inf, -np.inf))
    base = -30
    counts = np.zeros(60, np.int64)
    add_phases(*columns(rows), *window, *phase, width, base, counts)
    expected = np.zeros_like(counts)
    for degrees in chosen:
        expected[int(np.floor(degrees / width)) - base] += 1
    assert counts.tolist() == expected.tolist()


@given(photons, st.integers(-3, 120))
def test_finding_a_time_equals_numpy(rows, time):
    times = columns(rows)[0]
    assert first_at_or_after(times, time) == np.searchsorted(times.astype(int), time)


gap_lists = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 25)), max_size=5)
dead_times = st.one_of(st.integers(1, 30), st.floats(0.1, 30))


@settings(max_examples=500, deadline=None)
@given(photons, gap_lists, dead_times, windows, st.integers(1, 40))
def test_dead_time_equals_the_union_of_intervals(rows, gaps, dead_time, window, width):
    start, stop = window
    times = columns(rows)[0]
    gaps_us = np.array([(a, a + n) for a, n in gaps], np.int64).reshape(-1, 2)
    edges = np.append(np.arange(start, stop, width), stop)
    dead = np.zeros(edges.size - 1)
    only_gaps = blind_intervals(gaps_us)
    add_dead_time(times, only_gaps, float(dead_time), start, stop, width, dead)
    everything = blind_intervals(gaps_us, times, dead_time)
    expected = live_time_us(edges, only_gaps) - live_time_us(edges, everything)
    np.testing.assert_allclose(dead, expected, atol=1e-9)


@pytest.mark.parametrize("dead_time", [10.1, 33.3])
def test_a_bin_of_dead_time_alone_has_no_rate(dead_time):
    """Fractions of us must leave no remainder: it would make the rate enormous."""
    rng = np.random.default_rng(5)
    times = np.sort(10**9 + rng.integers(0, 100_000, 50_000)).astype(np.uint32)
    photons = [(times, np.zeros(times.size, np.float32))] * 3
    pixels = ((0, 0), (1, 0), (2, 0))
    every = (-np.inf, np.inf)
    window = (10**9, 10**9 + 100_000)
    bins = BinsOfTime(window, 1e-4, every, np.empty((0, 2)), dead_time)
    curve = light_curve(pixels, photons, bins)
    dead = curve.live_time_s == 0
    assert dead.sum() > 500
    assert (curve.live_time_s[~dead] > 1e-9).all()
    assert np.isnan(curve.rate_cps[dead]).all()


# --- what is remembered ----------------------------------------------------------------------------


def test_the_cache_forgets_what_was_used_longest_ago():
    loaded = []

    def load(pixel):
        loaded.append(pixel)
        n = 10 * (1 + pixel[0])
        return np.full(n, pixel[1], np.uint32), np.zeros(n, np.float32)

    cache = PixelCache(load, lambda pixel: -pixel[0], limit_bytes=8 * 60)
    first = [times.size for times, _ in cache.each([(0, 1), (1, 1), (2, 1)])]
    assert first == [30, 20, 10]  # in the order of the file
    assert loaded == [(2, 1), (1, 1), (0, 1)]
    assert cache.size_bytes == 8 * 60
    cache.get((2, 1))
    cache.get((0, 7))  # (1, 1) has to go
    assert cache.size_bytes == 8 * 50
    del loaded[:]
    for pixel in [(2, 1), (0, 1), (0, 7)]:
        assert cache.get(pixel)[0][0] == pixel[1]
    assert loaded == []
    cache.get((1, 1))
    assert loaded == [(1, 1)]
    cache.get((99, 3))  # more than the limit: the newest stays, alone
    assert cache.size_bytes == 8 * 1000
    assert cache.get((99, 3))[0].flags.writeable is False
    assert loaded == [(1, 1), (99, 3)]
    cache.clear()
    assert cache.size_bytes == 0


def test_neighbours_in_the_file_are_decoded_once(obs, monkeypatch):
    reader = obs._file._photon_reader()
    decoded = []
    decode = reader.chunks.decode
    monkeypatch.setattr(
        reader.chunks, "decode", lambda chunk, *rest: decoded.append(chunk) or decode(chunk, *rest)
    )
    small = [(x, y) for x in range(5) for y in range(4)]
    before = [obs.photons(pixel)["phase"] for pixel in small]
    obs._pixels.clear()
    del decoded[:]
    obs.light_curve(small)
    assert len(decoded) == len(set(decoded))
    obs._pixels.clear()
    for pixel, phases in zip(small, before, strict=True):
        np.testing.assert_array_equal(obs.photons(pixel)["phase"], phases)


def test_a_pass_over_the_file_does_not_spoil_the_next_read(obs):
    last = tuple(int(v) for v in np.argwhere(obs._file._stop_row == obs.n_photons)[0])
    before = obs.photons(last)["time"]
    assert obs.n_photons > 65536  # or there is only one chunk
    for scan in (lambda: obs.count_image(0.1, 0.2), obs.survey):
        scan()
        obs._pixels.clear()
        np.testing.assert_array_equal(obs.photons(last)["time"], before)


def test_nothing_is_answered_from_memory_after_closing(observation):
    obs = ObsFile(observation[0])
    obs.light_curve(REGION)
    obs.survey()
    obs.close()
    for read in (lambda: obs.light_curve(REGION), obs.survey, lambda: obs.count_image(0.1, 0.2)):
        with pytest.raises(ConfigError, match="closed"):
            read()


# --- densities -------------------------------------------------------------------------------------


def test_densities_of_a_phase_histogram(obs):
    spectrum = obs.spectrum((4, 2), bin_deg=2.5)
    assert spectrum.densities == ("bin", "deg")
    values, errors = spectrum.density("deg")
    np.testing.assert_allclose(values, spectrum.counts / 2.5)
    np.testing.assert_allclose(errors, np.sqrt(spectrum.counts) / 2.5)
    np.testing.assert_array_equal(spectrum.density("bin")[0], spectrum.counts)
    np.testing.assert_array_equal(spectrum.density("bin")[1], spectrum.errors)
    for unknown in ("nm", "eV", "counts"):
        with pytest.raises(ConfigError, match="counts per bin, deg, not"):
            spectrum.density(unknown)


def test_bins_that_a_phase_range_cuts_are_as_wide_as_what_was_counted(obs):
    whole = obs.spectrum((4, 2), bin_deg=20.0)
    phases = obs.photons((4, 2))["phase"].astype(float)
    low, high = (float(np.quantile(phases, part)) + 1e-3 for part in (0.3, 0.7))
    spectrum = obs.phase_histogram((4, 2), bin_deg=20.0, min_phase=low, max_phase=high)
    assert (spectrum.edges[0], spectrum.edges[-1]) == (low, high)
    assert set(spectrum.edges[1:-1]) <= set(whole.edges)
    counts, _ = np.histogram(phases[(phases >= low) & (phases < high)], spectrum.edges)
    np.testing.assert_array_equal(spectrum.counts, counts)
    np.testing.assert_allclose(spectrum.density("deg")[0], counts / np.diff(spectrum.edges))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(1, 500), st.integers(0, 10**6)), min_size=1, max_size=20))
def test_densities_of_a_spectrum_integrate_to_the_counts(bins):
    edges = 400 + np.concatenate(([0.0], np.cumsum([width for width, _ in bins])))
    counts = np.array([count for _, count in bins])
    spectrum = Spectrum(((0, 0),), "wavelength", "nm", edges, counts, 800.0)
    assert spectrum.densities == ("bin", "nm", "eV")
    widths = {"nm": np.diff(edges), "eV": 1239.841984 / edges[:-1] - 1239.841984 / edges[1:]}
    for per, width in widths.items():
        values, errors = spectrum.density(per)
        np.testing.assert_allclose(np.sum(values * width), counts.sum())
        np.testing.assert_allclose(values * width, counts)
        np.testing.assert_allclose(errors * width, np.sqrt(counts))


def test_bins_of_equal_energy_have_unequal_widths_in_nm():
    energies = np.linspace(0.9, 3.1, 12)
    counts = np.full(11, 50)
    edges = (1239.841984 / energies)[::-1]
    spectrum = Spectrum(((0, 0),), "wavelength", "nm", edges, counts, 700.0)
    np.testing.assert_allclose(spectrum.density("eV")[0], 50 / 0.2)
    assert (np.diff(spectrum.density("nm")[0]) < 0).all()
