"""Decorrelation time, blocks, bootstrap, quality, companion test, and the simulator behind them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pipeline_core.errors import ConfigError
from pipeline_core.simulate.speckles import speckle_photons
from pipeline_core.speckle.averaging import averaging
from pipeline_core.speckle.binning import BinnedPixel, TimeBins
from pipeline_core.speckle.blocks import block_histograms, block_numbers, fill_scores
from pipeline_core.speckle.correlation import (
    advised_bin_s,
    common_tau,
    decorrelation,
    lags_of,
    pairs_of,
)
from pipeline_core.speckle.likelihood import bin_model, histogram_log_likelihood
from pipeline_core.speckle.pixelfit import companion_chance, goodness, measure, pixel_work
from pipeline_core.speckle.pixelrow import fit_pixel
from pipeline_core.speckle.resampling import bootstrap_of
from pipeline_core.speckle.settings import Prior, SpeckleSettings

NO_TIMES = np.zeros((0, 2))


def light_curve(ic=300.0, is_=100.0, ip=0.0, tau=0.1, bin_s=0.01, seconds=60.0, seed=0, dead=0.0):
    rng = np.random.default_rng((20261130, seed))
    times = speckle_photons(
        rng, ic_cps=ic, is_cps=is_, ip_cps=ip, tau_s=tau, seconds=seconds, dead_time_us=dead
    )
    n_bins = round(seconds / bin_s)
    return np.bincount((times / bin_s).astype(int), minlength=n_bins)[:n_bins].astype(np.int64)


def work_of(counts, bin_s=0.01, tau=0.1, **settings):
    bins = TimeBins(0, round(1e6 * bin_s), counts.size, NO_TIMES)
    made = SpeckleSettings(bin_s=bin_s, **settings)
    one = BinnedPixel((3, 1), counts, int(counts.sum()))
    return one, pixel_work(bins, made, 0.0, tau)


# --- simulator -------------------------------------------------------------------------------------


def test_simulated_light_has_the_moments_and_the_correlation():
    counts = light_curve(200.0, 100.0, 50.0, tau=0.05, bin_s=0.005, seconds=1500.0)
    mean = counts.mean() / 0.005
    assert mean == pytest.approx(350.0, rel=0.01)
    x = 0.1
    left = averaging(x, 1.0)
    expected = left.speckle2 * 100**2 + 2 * left.mixed2 * 200 * 100
    assert (counts.var() - counts.mean()) / 0.005**2 == pytest.approx(expected, rel=0.05)
    off = counts - counts.mean()
    for lag in (4, 10):
        g = math.exp(-lag * x)
        wide2 = (math.cosh(2 * x) - 1) / (2 * x * x)
        wide1 = 2 * (math.cosh(x) - 1) / (x * x)
        expected = 100**2 * g**2 * wide2 + 2 * 200 * 100 * g * wide1
        found = (off[:-lag] * off[lag:]).mean() / 0.005**2
        assert found == pytest.approx(expected, rel=0.08)


def test_simulated_photons_keep_the_dead_time():
    rng = np.random.default_rng(1)
    times = speckle_photons(rng, ic_cps=3e4, is_cps=0, seconds=3.0, dead_time_us=10.0)
    assert np.diff(times).min() >= 10e-6
    assert times[-1] < 3.0
    expected = 3 * 3e4 / (1 + 0.3)
    assert times.size == pytest.approx(expected, abs=5 * math.sqrt(expected))


def test_simulated_photons_are_reproducible_and_many_are_no_problem():
    made = [
        speckle_photons(np.random.default_rng(2), ic_cps=1, is_cps=3e4, tau_s=5.0, seconds=2.0)
        for _ in range(2)
    ]
    assert np.array_equal(*made)
    with pytest.raises(ConfigError):
        speckle_photons(np.random.default_rng(2), ic_cps=-1, is_cps=1)
    with pytest.raises(ConfigError):
        speckle_photons(np.random.default_rng(2), ic_cps=1, is_cps=1, tau_s=0.0)


# --- decorrelation time ----------------------------------------------------------------------------


def test_tau_is_recovered_with_its_error():
    found = [decorrelation(light_curve(seed=k), np.ones(6000, bool), 0.01) for k in range(25)]
    taus = np.array([one.tau_s for one in found])
    errors = np.array([one.error_s for one in found])
    assert taus.mean() == pytest.approx(0.1, abs=4 * taus.std() / 5)
    assert np.median(errors) == pytest.approx(taus.std(), rel=0.5)
    tau, error = common_tau(np.column_stack((taus, errors)))
    assert tau == pytest.approx(taus.mean())
    assert error == pytest.approx(taus.std(ddof=1) / 5)


def test_tau_stands_bins_that_are_not_used():
    counts = light_curve(seed=1)
    used = np.ones(6000, bool)
    used[1000:1500] = used[3000:3003] = False
    whole = decorrelation(counts, np.ones(6000, bool), 0.01)
    counts[~used] = 10_000  # what stands there must not matter
    found = decorrelation(counts, used, 0.01)
    assert found.tau_s == pytest.approx(whole.tau_s, rel=0.25)


def test_autocovariance_is_the_dumb_one():
    counts = light_curve(seconds=2.0, seed=3)
    used = np.ones(200, bool)
    used[50:60] = False
    found = decorrelation(counts, used, 0.01)
    light = counts / counts[used].mean() - 1
    for k, lag in enumerate(lags_of(200)):
        good = used[: 200 - lag] & used[lag:]
        product = (light[: 200 - lag] * light[lag:])[good]
        expected = product.mean() - (1 / counts[used].mean() if lag == 0 else 0.0)
        assert found.covariance[k] == pytest.approx(expected, abs=1e-12)
        assert pairs_of(used)[:, k].sum() == good.sum()


def test_the_mean_of_a_short_light_curve_takes_its_part():
    """Over 12 tau the mean follows the speckles: far lags lie below 0, by what the fit knows of."""
    found = [
        decorrelation(
            light_curve(20.0, 2000.0, seconds=1.2, seed=700 + k), np.ones(120, bool), 0.01
        )
        for k in range(150)
    ]
    far = np.array([(one.covariance[-3:].mean(), one.fitted[-3:].mean()) for one in found])
    error = far.std(axis=0, ddof=1)[0] / math.sqrt(150)
    assert far[:, 0].mean() < -4 * error
    assert far[:, 1].mean() == pytest.approx(far[:, 0].mean(), abs=4 * error)


def test_tau_of_calm_light_is_not_told_or_badly():
    rng = np.random.default_rng(4)
    for _ in range(5):
        found = decorrelation(rng.poisson(4.0, 3000), np.ones(3000, bool), 0.01)
        assert math.isnan(found.tau_s) or not found.error_s < 0.2 * found.tau_s
    dark = decorrelation(np.zeros(3000, np.int64), np.ones(3000, bool), 0.01)
    assert math.isnan(dark.tau_s)
    assert common_tau(np.array([[np.nan, np.nan], [0.1, 0.2]]))[0] is None
    assert common_tau(np.array([[0.1, 0.01]])) == (0.1, 0.01)


def test_advised_width():
    assert advised_bin_s(300, 100, 0, 0.1) == pytest.approx(0.01)
    assert advised_bin_s(300, 100, 0, math.nan) == 0.01
    assert advised_bin_s(3, 1, 0, 0.01) == pytest.approx(0.05 / 4)
    expected = 50 * 10e-6 * 2000**2 / (50**2 + 2 * 1950 * 50)
    assert advised_bin_s(1950, 50, 0, 0.01, 10.0) == pytest.approx(expected)


# --- blocks ----------------------------------------------------------------------------------------


def test_blocks_of_bins():
    used = np.array([True, True, False, True, False, False, False, True])
    assert list(block_numbers(used, 2)) == [0, 0, 1, 2]
    out = np.zeros((3, 4), np.int64)
    block_histograms(np.array([1, 3, 0, 3]), np.array([0, 0, 1, 2]), out)
    assert out.tolist() == [[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1]]


def test_length_of_blocks():
    for seconds, bins_a_block in ((10.0, 50), (60.0, 100), (600.0, 200)):
        _, work = work_of(np.ones(round(seconds / 0.01), np.int64))
        assert np.bincount(work.blocks)[0] == bins_a_block
    _, work = work_of(np.ones(1000, np.int64), block_s=0.3)
    assert work.n_blocks == 34


def dumb_covariance(counts, work, values):
    """H^-1 J H^-1 with derivatives by differences in natural units."""
    model = bin_model(0.01)
    steps = 1e-3 * values[:2]

    def value(part, a, b):
        ic, is_ = values[0] + a * steps[0], values[1] + b * steps[1]
        return histogram_log_likelihood(np.bincount(part), ic, is_, 0.0, model)

    def slopes(part):
        return np.array(
            [
                (value(part, 1, 0) - value(part, -1, 0)) / 2 / steps[0],
                (value(part, 0, 1) - value(part, 0, -1)) / 2 / steps[1],
            ]
        )

    scores = np.array([slopes(counts[work.blocks == b]) for b in range(work.n_blocks)])
    spread = scores.shape[0] * np.cov(scores.T)
    here = value(counts, 0, 0)
    h00 = (value(counts, 1, 0) - 2 * here + value(counts, -1, 0)) / steps[0] ** 2
    h11 = (value(counts, 0, 1) - 2 * here + value(counts, 0, -1)) / steps[1] ** 2
    mixed = value(counts, 1, 1) - value(counts, 1, -1) - value(counts, -1, 1)
    h01 = (mixed + value(counts, -1, -1)) / 4 / steps[0] / steps[1]
    inverse = np.linalg.inv(-np.array([[h00, h01], [h01, h11]]))
    return inverse @ spread @ inverse


def test_errors_from_blocks_equal_the_dumb_ones():
    """Without a decorrelation time, so that blocks are taken for endless."""
    counts = light_curve(seed=5)
    one, work = work_of(counts, tau=None, block_s=1.0)
    found = measure(one, work)
    expected = dumb_covariance(counts, work, found.maximum)
    assert found.blocks[:2, :2] == pytest.approx(expected, rel=2e-3)
    assert found.inflation == pytest.approx(
        np.mean(np.diag(found.blocks)[:2] / np.diag(found.hessian)[:2])
    )


def test_errors_from_blocks_and_bootstrap_are_the_true_scatter():
    rows = []
    for k in range(60):
        one, work = work_of(light_curve(seconds=100.0, seed=100 + k))
        found = measure(one, work)
        boot = bootstrap_of(one, work, 60, k) if k < 10 else np.full((2, 3), np.nan)
        rows.append((*found.values[:2], *found.block_errors[:2], *boot.std(0, ddof=1)[:2]))
    table = np.array(rows)
    scatter = table[:, :2].std(0, ddof=1)
    assert np.median(table[:, 2:4], axis=0) == pytest.approx(scatter, rel=0.3)
    assert np.nanmedian(table[:, 4:], axis=0) == pytest.approx(scatter, rel=0.35)
    assert table[:, :2].mean(0) == pytest.approx((300, 100), abs=4 * scatter.max() / 7.7)


def test_bootstrap_is_reproducible_and_differs_between_pixels():
    counts = light_curve(seed=6)
    one, work = work_of(counts, with_ip=True)
    same = bootstrap_of(one, work, 5, 7)
    assert np.array_equal(same, bootstrap_of(one, work, 5, 7))
    other = BinnedPixel((1, 3), counts, one.recorded)
    assert not np.array_equal(same, bootstrap_of(other, work, 5, 7))
    assert same.shape == (5, 3)
    assert bootstrap_of(*work_of(counts[:100]), 5, 7).shape == (0, 3)
    two = bootstrap_of(*work_of(counts), 5, 7)
    assert np.isnan(two[:, 2]).all()


def test_a_row_of_the_map_uses_the_bootstrap_where_it_is_asked_for():
    counts = light_curve(seed=8)
    plain, asked = fit_pixel(*work_of(counts)), fit_pixel(*work_of(counts, bootstrap=20))
    assert asked["ic"] == plain["ic"]
    samples = bootstrap_of(*work_of(counts), 20, 1)
    assert asked["is_error"] == pytest.approx(samples[:, 1].std(ddof=1))
    assert asked["is_error"] != plain["is_error"]


def test_a_prior_is_part_of_the_errors_from_blocks():
    counts = light_curve(seed=9)
    free = measure(*work_of(counts))
    held = measure(*work_of(counts, ic_prior=Prior(float(free.values[0]), 2.0)))
    assert held.values[0] == pytest.approx(free.values[0], abs=1)
    # weighted by what the curvature promises, but as uncertain as blocks say
    weight = free.hessian[0, 0] / (free.hessian[0, 0] + 2.0**2)
    expected = math.sqrt((weight * 2.0) ** 2 + ((1 - weight) * free.block_errors[0]) ** 2)
    assert held.block_errors[0] == pytest.approx(expected, rel=0.15)


def test_too_few_blocks_give_no_errors_from_blocks():
    found = measure(*work_of(light_curve(seconds=4.0)))
    assert np.isnan(found.block_errors).all()
    assert math.isnan(found.p_value)
    assert np.isfinite(found.hessian_errors[:2]).all()


# --- quality ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [0.0, 20.0])
def test_p_values_of_good_fits_are_even_and_of_bad_ones_small(dead):
    good, bad = [], []
    for k in range(60):
        counts = light_curve(seconds=100.0, seed=300 + k, dead=dead)
        settings = SpeckleSettings(bin_s=0.01, dead_time_us=dead)
        one, _ = work_of(counts)
        bins = TimeBins(0, 10_000, counts.size, NO_TIMES)
        good.append(measure(one, pixel_work(bins, settings, 0.0, 0.1)).p_value)
        if k < 10:  # twice the light in every second bin: no such light is known to the model
            bad.append(measure(*work_of(counts + 6 * (np.arange(counts.size) % 2))).p_value)
    assert np.isfinite(good).all()
    assert stats.kstest(good, "uniform").pvalue > 0.01
    assert np.median(bad) < 0.01


def test_goodness_is_hotelling_s():
    assert goodness(0.0, 4, 60) == 1.0
    assert goodness(9.49, 4, 10**6) == pytest.approx(0.05, abs=0.001)
    assert goodness(9.49, 4, 20) > 0.1
    assert math.isnan(goodness(1.0, 0, 60))
    assert math.isnan(goodness(math.nan, 3, 60))


def test_scores_have_no_mean_with_dead_time_too():
    for dead in (0.0, 10.0):
        model = bin_model(0.001, dead_time_us=dead)
        p, scores = np.empty(80), np.empty((3, 80))
        fill_scores(np.array([1500.0, 500.0, 0.0]), np.array([True, True, False]), model, p, scores)
        assert p.sum() == pytest.approx(1.0, abs=1e-9)
        assert np.abs(scores @ p).max() < 1e-6
        assert (scores[2] == 0).all()


# --- companion -------------------------------------------------------------------------------------


def test_chance_of_a_companion():
    assert companion_chance(0.0, 1.0, 1.0) == 1.0
    assert companion_chance(2.7055, 4.0, 4.0) == pytest.approx(0.05, abs=1e-4)
    assert companion_chance(2 * 2.7055, 4.0, 8.0) == pytest.approx(0.05, abs=1e-4)
    assert companion_chance(2.7055, 4.0, math.nan) == pytest.approx(0.05, abs=1e-4)
    assert companion_chance(2.7055, 4.0, 1.0) == pytest.approx(0.05, abs=1e-4)  # never less
    assert math.isnan(companion_chance(math.nan, 1.0, 1.0))


def test_companions_are_found_and_seldom_imagined():
    with_one, without = [], []
    for k in range(40):
        counts = light_curve(ip=100.0 if k % 2 else 0.0, seconds=150.0, seed=500 + k)
        found = measure(*work_of(counts, with_ip=True))
        (with_one if k % 2 else without).append(found.companion_p)
    assert np.median(with_one) < 1e-3
    assert np.mean(np.array(without) < 0.05) <= 0.2
    row = fit_pixel(*work_of(counts, with_ip=True))
    assert row["ip_over_sigma"] == pytest.approx(row["ip"] / row["ip_error"])
    assert row["ip"] == pytest.approx(100, abs=4 * row["ip_error"])


def test_without_ip_there_is_no_companion_to_test():
    found = measure(*work_of(light_curve()))
    assert math.isnan(found.likelihood_ratio)
    assert math.isnan(found.companion_p)
    assert found.values[2] == 0.0


def test_error_at_a_bound_is_where_the_likelihood_has_fallen_by_a_half():
    counts = light_curve(is_=0.0, seed=11)
    found = measure(*work_of(np.sort(counts)[10:-10].copy()))
    assert found.values[1] == 0.0
    error = found.bound_errors[1]
    seen, model = found.occurrences, found.model
    fallen = histogram_log_likelihood(seen, found.values[0], error, 0.0, model)
    assert found.log_likelihood - fallen == pytest.approx(0.5, abs=0.01)
