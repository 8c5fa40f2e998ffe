"""Bias near the bound, blocks of finite length, resamples and their intervals, and that they can be cancelled."""

from __future__ import annotations

import math
from threading import Event

import numpy as np
import pytest

from pipeline_core.errors import OperationCancelled
from pipeline_core.simulate.speckles import speckle_photons
from pipeline_core.speckle import compute, resampling
from pipeline_core.speckle.bias import bound_bias, multipliers
from pipeline_core.speckle.binning import BinnedPixel, TimeBins
from pipeline_core.speckle.blocks import block_histograms, block_numbers, lengthen_blocks
from pipeline_core.speckle.fit import fit_histogram
from pipeline_core.speckle.likelihood import (
    bin_model,
    count_probabilities,
    histogram_log_likelihood,
)
from pipeline_core.speckle.pixelfit import measure, pixel_work
from pipeline_core.speckle.pixelrow import fit_pixel
from pipeline_core.speckle.resampling import bootstrap_of, sample_errors, sample_intervals
from pipeline_core.speckle.settings import Prior, SpeckleSettings
from pipeline_core.speckle.status import PixelStatus
from pipeline_core.speckle.study import study_counts

N_BINS = 1500
NO_TIMES = np.zeros((0, 2))


def counts_of(ic, is_, rng, n_bins=N_BINS):
    """Counts of independent bins of 10 ms."""
    z = rng.standard_normal((2, n_bins)) * math.sqrt(is_ / 2)
    return rng.poisson(((math.sqrt(ic) + z[0]) ** 2 + z[1] ** 2) * 0.01)


def work_of(counts, **settings):
    """Blocks of 25 bins that know of no decorrelation time."""
    bins = TimeBins(0, 10_000, counts.size, NO_TIMES)
    made = SpeckleSettings(bin_s=0.01, block_s=0.25, **settings)
    return BinnedPixel((3, 1), counts, int(counts.sum())), pixel_work(bins, made, 0.0, None)


# --- bias ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ic", [10.0, 40.0, 90.0, 130.0])
def test_bias_is_that_of_a_simulation(ic):
    """The dumb way: light curves of the fitted light, each of them fitted."""
    rng = np.random.default_rng((20261201, int(ic)))
    model = bin_model(0.01)
    found, sigmas = [], []
    for _ in range(12):  # blocks of one light curve know the noise of others by a quarter
        counts = counts_of(ic, 400.0 - ic, rng)
        histograms = np.zeros((60, counts.max() + 1), np.int64)
        block_histograms(counts, block_numbers(np.ones(N_BINS, bool), 25), histograms)
        bias, sigma = bound_bias(histograms, ic, 400.0 - ic, model, multipliers(60), 1.0)
        found.append(bias)
        sigmas.append(sigma)
    fits = [
        fit_histogram(np.bincount(counts_of(ic, 400.0 - ic, rng)), model).values[0]
        for _ in range(700)
    ]
    scatter = np.std(fits)
    assert np.mean(found) == pytest.approx(np.mean(fits) - ic, abs=0.13 * scatter)
    assert np.mean(sigmas) == pytest.approx(scatter, rel=0.15)
    if ic == 10.0:
        assert np.mean(found) > 0.3 * scatter


def test_there_is_no_bias_far_from_the_bound():
    """What is odd in the noise falls out of every single bias."""
    rng = np.random.default_rng(20261210)
    for _ in range(5):
        counts = counts_of(330.0, 70.0, rng)
        histograms = np.zeros((60, counts.max() + 1), np.int64)
        block_histograms(counts, block_numbers(np.ones(N_BINS, bool), 25), histograms)
        bias, sigma = bound_bias(histograms, 330.0, 70.0, bin_model(0.01), multipliers(60), 1.0)
        assert abs(bias) < 0.05 * sigma


def test_estimates_near_the_bound_have_less_bias_and_keep_the_mean():
    rows = []
    rng = np.random.default_rng(20261202)
    for _ in range(1000):
        found = measure(*work_of(counts_of(130.0, 270.0, rng)))
        rows.append((found.maximum[0], found.values[0]))
        assert found.values.sum() == pytest.approx(found.maximum.sum(), rel=1e-12)
        assert found.values.min() >= 0
    largest, estimates = np.array(rows).T
    before = (largest.mean() - 130.0) / largest.std()
    after = (estimates.mean() - 130.0) / estimates.std()
    assert before < -0.1
    assert abs(after) < 0.5 * abs(before)


def test_a_pixel_whose_bias_leaves_nothing_is_at_a_bound():
    rng = np.random.default_rng(20261203)
    seen = set()
    for _ in range(40):
        found = measure(*work_of(counts_of(5.0, 395.0, rng)))
        assert found.status in (PixelStatus.OK, PixelStatus.AT_BOUND)
        assert (found.values[0] == 0.0) == (found.status == PixelStatus.AT_BOUND)
        assert np.isfinite(found.block_errors[:2]).all()
        seen.add((found.values[0] == 0.0, found.maximum[0] == 0.0))
    assert (True, False) in seen
    assert (False, False) in seen


def test_errors_near_the_bound_are_those_of_resamples():
    rng = np.random.default_rng(20261204)
    rows = []
    for _ in range(150):
        found = measure(*work_of(counts_of(40.0, 360.0, rng)))
        rows.append((*found.maximum[:2], *found.block_errors[:2]))
    table = np.array(rows)
    scatter = table[:, :2].std(axis=0)
    assert np.median(table[:, 2:], axis=0) == pytest.approx(scatter, rel=0.15)


def test_no_bias_is_taken_from_bright_light_nor_with_ip_nor_with_priors():
    rng = np.random.default_rng(20261205)
    faint, bright = counts_of(40.0, 360.0, rng), counts_of(300.0, 100.0, rng)
    for one in (
        measure(*work_of(bright)),
        measure(*work_of(faint, with_ip=True)),
        measure(*work_of(faint, ic_prior=Prior(50.0, 30.0))),
        measure(*work_of(faint[:200])),  # too few blocks
    ):
        assert np.array_equal(one.values, one.maximum)
        assert math.isnan(one.bound_sigma)
    assert not np.array_equal(measure(*work_of(faint)).values, measure(*work_of(faint)).maximum)


# --- blocks of finite length -----------------------------------------------------------------------


@pytest.mark.parametrize("taus", [5.0, 20.0])
def test_blocks_of_finite_length_are_raised_to_endless_ones(taus):
    """Variances of sums over blocks of noise that is white, and decorrelates in tau and tau / 2, are known exactly."""
    tau, used = 0.1, 30.0
    values = np.array([300.0, 100.0, 50.0])

    def left(times):
        return 1.0 - (1.0 - math.exp(-times)) / times

    white = np.array([30.0, 20.0, 90.0])
    slow = np.array([4 * 300 * 100 * tau / used, 0.0, 0.0])
    fast = np.array([20.0, 80.0, 100.0])
    found = np.diag(white + slow * left(taus) + fast * left(2 * taus))
    found[0, 1] = found[1, 0] = 0.5 * math.sqrt(found[0, 0] * found[1, 1])
    endless = white + slow + fast
    assert np.diag(found)[0] < 0.97 * endless[0]
    lengthen_blocks(found, np.diag(white), values, tau, taus * tau, used)
    assert np.diag(found) == pytest.approx(endless, rel=3e-3)
    assert found[0, 1] == pytest.approx(0.5 * math.sqrt(found[0, 0] * found[1, 1]))


def test_blocks_are_not_raised_where_nothing_is_known():
    found = np.diag([40.0, np.nan, 10.0])
    for tau in (0.0, 0.1):
        made = found.copy()
        lengthen_blocks(made, np.diag([50.0, np.nan, 10.0]), np.ones(3), tau, 1.0, 30.0)
        assert np.diag(made) == pytest.approx(np.diag(found), nan_ok=True)  # nothing is correlated


# --- resamples -------------------------------------------------------------------------------------


class Listener:
    """Counts what it hears, and cancels after some of it."""

    def __init__(self, cancel_after=None):
        self.heard, self._cancel_after = [], cancel_after

    def __call__(self, done, total, stage=""):
        self.heard.append((done, total))
        if self._cancel_after is not None and len(self.heard) > self._cancel_after:
            raise OperationCancelled


def test_a_bootstrap_can_be_cancelled_within_one_pixel():
    counts = counts_of(300.0, 100.0, np.random.default_rng(20261206), 30_000)
    one, work = work_of(counts)
    patient = Listener()
    whole = bootstrap_of(one, work, 300, 1, progress=patient)
    assert len(patient.heard) > 5
    assert patient.heard[-1] == (300, 300)
    assert [done for done, _ in patient.heard] == sorted({done for done, _ in patient.heard})
    # in one go or in pieces, resamples are the same
    assert np.array_equal(whole[:70, :2], bootstrap_of(one, work, 70, 1)[:, :2])
    hasty = Listener(cancel_after=2)
    with pytest.raises(OperationCancelled):
        bootstrap_of(one, work, 10_000, 1, progress=hasty)
    assert hasty.heard[-1][0] < 100
    with pytest.raises(OperationCancelled):
        fit_pixel(*work_of(counts, bootstrap=10_000), Listener(cancel_after=2))


def test_cancelling_maps_is_heard_within_a_pixel(monkeypatch):
    stop, calls = Event(), []

    def kernel(*arguments):
        calls.append(arguments[-1].shape)
        arguments[-1][:] = 1.0
        stop.set()

    monkeypatch.setattr(resampling, "bootstrap_kernel", kernel)
    counts = counts_of(300.0, 100.0, np.random.default_rng(20261211))
    one, work = work_of(counts, bootstrap=10_000)
    with pytest.raises(OperationCancelled):
        compute._fit_batch([[one]], [work], stop)
    assert calls == [(1, 3)]


def test_cancelling_a_study_is_heard_within_its_bootstrap():
    one, work = work_of(counts_of(300.0, 100.0, np.random.default_rng(20261212)), bootstrap=10_000)
    hasty = Listener(cancel_after=2)
    with pytest.raises(OperationCancelled):
        study_counts(one, work.bins, work.settings, progress=hasty)
    assert hasty.heard[-1][0] < 100


def test_a_study_has_the_contours_of_the_profile():
    rng = np.random.default_rng(20261214)
    counts = counts_of(300.0, 100.0, rng) + rng.poisson(1.0, N_BINS)
    one, work = work_of(counts, with_ip=True, correct_bin_width=False)
    made = study_counts(one, work.bins, work.settings)
    fit, drawn = made.fit, made.contours
    assert fit.maximum[2] > 20.0
    for i, j in ((10, 50), (50, 10), (30, 30)):
        where = fit.occurrences, drawn.ic_cps[i], drawn.is_cps[j]
        every = [histogram_log_likelihood(*where, ip, fit.model) for ip in np.linspace(0, 400, 801)]
        assert drawn.drop[i, j] == pytest.approx(fit.log_likelihood - max(every), abs=0.02)


def test_a_study_draws_the_maximum_and_tells_the_estimate():
    counts = counts_of(40.0, 360.0, np.random.default_rng(20261219))
    one, work = work_of(counts, correct_bin_width=False)
    made = study_counts(one, work.bins, work.settings)
    fit = made.fit
    assert abs(fit.values[0] - fit.maximum[0]) > 2.0
    wide = np.fmax(fit.block_errors, np.sqrt(fit.inflation) * fit.hessian_errors)
    assert made.contours.ic_cps[-1] == pytest.approx(fit.maximum[0] + 4.5 * wide[0])
    expected = made.n_bins * count_probabilities(3, *fit.maximum, fit.model)
    assert made.expected["ml"][:4] == pytest.approx(expected)
    low, high = made.bootstrap_interval[0]
    assert low <= fit.values[0] <= high


def test_resamples_are_as_wide_as_errors_from_blocks():
    counts = counts_of(300.0, 100.0, np.random.default_rng(20261207))
    one, work = work_of(counts)
    found = measure(one, work)
    assert found.stretch[:2] == pytest.approx(math.sqrt(60 / 59), rel=1e-9)
    samples = bootstrap_of(one, work, 600, 5, found=found)
    assert sample_errors(samples)[:2] == pytest.approx(found.block_errors[:2], rel=0.1)


def test_blocks_of_correlated_bins_raise_errors_and_resamples():
    rng = np.random.default_rng(20261209)
    times = speckle_photons(rng, ic_cps=300, is_cps=100, tau_s=0.1, seconds=30.0)
    counts = np.bincount((times / 0.01).astype(int), minlength=3000)[:3000]
    bins = TimeBins(0, 10_000, counts.size, NO_TIMES)
    settings = SpeckleSettings(bin_s=0.01, block_s=0.5, correct_bin_width=False)
    one = BinnedPixel((3, 1), counts, int(counts.sum()))
    of, plain = (pixel_work(bins, settings, 0.0, tau) for tau in (0.1, None))
    known, unknown = measure(one, of), measure(one, plain)
    expected = unknown.blocks.copy()
    lengthen_blocks(expected, known.hessian, known.maximum, 0.1, 0.5, 30.0)
    assert known.blocks[:2, :2] == pytest.approx(expected[:2, :2], rel=1e-9)
    raised = known.stretch / unknown.stretch
    assert raised[0] > 1.05
    wider, narrower = bootstrap_of(one, of, 50, 5), bootstrap_of(one, plain, 50, 5)
    about = narrower[:, :2] / known.maximum[:2]
    assert wider[:, :2] / known.maximum[:2] == pytest.approx(about ** raised[:2], rel=1e-9)


def test_intervals_of_few_resamples_are_not_narrower():
    rng = np.random.default_rng(20261208)
    inside = []
    for _ in range(4000):
        samples = np.full((20, 3), np.nan)
        samples[:, 0] = rng.standard_normal(20)
        low, high = sample_intervals(samples, np.array([np.median(samples[:, 0]), np.nan, np.nan]))[
            0
        ]
        inside.append(low < rng.standard_normal() < high)
    assert np.mean(inside) == pytest.approx(0.6827, abs=0.02)  # 0.62 by ranks over B - 1


def test_intervals_reach_to_the_estimate():
    samples = np.column_stack(
        (np.linspace(10, 50, 101), np.linspace(1, 2, 101), np.full(101, np.nan))
    )
    ends = sample_intervals(samples, np.array([0.0, 1.5, np.nan]))
    assert ends[0] == pytest.approx([0.0, 43.7], abs=0.5)
    assert ends[1] == pytest.approx([1.154, 1.846], abs=0.01)
    assert np.isnan(ends[2]).all()
    assert np.isnan(sample_intervals(np.empty((0, 3)), np.ones(3))).all()
