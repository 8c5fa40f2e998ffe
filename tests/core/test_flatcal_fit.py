"""Weights against truth and against dumber mathematics: fits, reference, trimming, dark, lasers, chunks."""

import itertools

import numpy as np
import pytest
from flat_fields import EDGES, draw, inputs_of, lamp, responses, settings
from scipy.optimize import minimize

from pipeline_core.errors import CalibrationError
from pipeline_core.flatcal import _fitkernels as kernels
from pipeline_core.flatcal.binflags import bin_bit, describe_bin
from pipeline_core.flatcal.compute import solve
from pipeline_core.flatcal.fit import (
    chunk_weights,
    combined_weights,
    kept_chunks,
    make_reference,
    trimmed_spread,
)


def solved(spectra, **changes):
    everything = np.ones(spectra.calibrated.size, bool)
    reference = make_reference(spectra, everything)
    kept = kept_chunks(spectra, reference, changes.pop("trim", 0.0))
    return reference, kept, combined_weights(spectra, reference, kept, 1000.0, **changes)


def width(pulls):
    """Standard deviation, and how uncertain it is."""
    flat = pulls[np.isfinite(pulls)]
    return flat.std(), flat.std() / np.sqrt(2 * flat.size)


def test_a_fit_is_the_maximum_of_the_likelihood():
    rng = np.random.default_rng(1)
    spectra, _ = draw(responses(3, rng), lamp(), rng)
    reference, kept, found = solved(spectra)
    expected = (spectra.live_s * kept[:, :, None]).sum(axis=1) * reference.rates_cps.mean(axis=0)
    bins = np.arange(94)
    for p in range(3):
        counts = spectra.counts[p].sum(axis=0)
        count = found.n_knots[p]
        assert count == counts.sum() // 1000
        knots = found.knots[p, :count]
        assert (knots[0], knots[-1]) == (0, 93)

        def minus_likelihood(theta, p=p, knots=knots, counts=counts):
            eta = np.interp(bins, knots, theta)
            return (expected[p] * np.exp(eta) - counts * eta).sum()

        best = minimize(minus_likelihood, np.zeros(count), method="BFGS", options={"gtol": 1e-6})
        eta = np.interp(bins, knots, best.x)
        # the weight is corrected for the bias of a noisy exponential: below 1 %
        np.testing.assert_allclose(found.weights[p] * np.exp(eta), 1.0, atol=0.01)
        ratio = found.weights[p] * np.exp(eta)
        assert (ratio < 1).all()
        hats = np.stack([np.interp(bins, knots, unit) for unit in np.eye(count)], 1)
        information = hats.T @ ((expected[p] * np.exp(eta))[:, None] * hats)
        variance = np.einsum("bj,jk,bk->b", hats, np.linalg.inv(information), hats)
        share = 1 - 1 / reference.number
        relative = (found.errors[p] / found.weights[p]) ** 2 - reference.variance
        np.testing.assert_allclose(relative, share * variance, rtol=1e-4)


def test_tridiagonal_systems():
    rng = np.random.default_rng(2)
    for n in (1, 2, 7):
        off = rng.normal(0, 0.3, max(n - 1, 0))
        main = rng.uniform(1, 2, n)
        right = rng.normal(0, 1, n)
        dense = np.diag(main) + np.diag(off, 1) + np.diag(off, -1)
        out = np.empty(n)
        padded = np.append(off, 0.0)
        assert kernels.tridiagonal_solve(main, padded, right, out)
        np.testing.assert_allclose(out, np.linalg.solve(dense, right), rtol=1e-12)
    assert not kernels.tridiagonal_solve(np.array([1.0, 1.0]), np.array([2.0, 0.0]), right, out)


@pytest.mark.parametrize(
    "expected", [np.ones(94), np.linspace(0.1, 3, 94), np.r_[np.zeros(40), np.ones(54)]]
)
@pytest.mark.parametrize("count", [2, 3, 9, 40])
def test_knots_share_the_counts(expected, count):
    low, high = int(np.flatnonzero(expected)[0]), 94
    knots = np.empty(count, np.int64)
    kernels._place_knots(expected, low, high, knots)
    assert knots[0] == low
    assert knots[-1] == high - 1
    assert (np.diff(knots) > 0).all()
    if count < 10:
        between = [expected[a:b].sum() for a, b in itertools.pairwise(knots)]
        # as equal as whole bins allow
        assert max(between) - min(between) < 3.5 * expected.max()


@pytest.mark.parametrize(
    ("total_cps", "fading"), [(270.0, 0.0), (270.0, 0.6), (30.0, 0.0), (3000.0, 0.3)]
)
def test_pulls_and_bias(total_cps, fading):
    """In every bin weights are right, with right errors, whatever the counts and whether the light fades."""
    rng = np.random.default_rng(int(total_cps + 10 * fading))
    spectra, truth = draw(
        responses(3000, rng, wiggle=0.01), lamp(total_cps=total_cps, fading=fading), rng
    )
    reference, _, found = solved(spectra)
    true = truth.weights(reference.pixels)
    pulls = (found.weights - true) / found.errors
    for b in range(0, 94, 7):
        wide, error = width(pulls[:, b])
        assert abs(wide - 1) < 0.1, (b, wide, error)
    ratio = found.weights / true
    bias = ratio.mean() - 1
    assert abs(bias) < 4 * ratio.mean(axis=1).std() / np.sqrt(3000) + 2e-4
    assert (found.state == kernels.FITTED).all()


def test_flux_stays_what_it_is():
    rng = np.random.default_rng(5)
    truth = responses(4000, rng)
    spectra, _ = draw(truth, lamp(), rng)
    reference, _, found = solved(spectra)
    test, _ = draw(truth, lamp(), rng)
    counts = test.counts.sum(axis=1)[reference.pixels]
    weighted = counts * found.weights[reference.pixels]
    assert abs(weighted.sum() / counts.sum() - 1) < 1e-3
    # with the median of the pixels for a reference it would not
    level = spectra.counts.sum(axis=(1, 2))[reference.pixels]
    assert np.median(level) / level.mean() < 0.993


def test_the_predecessors_mean_of_ratios_is_biased_and_ours_is_not():
    """At 14 counts a bin: inverse-variance mean of ratios, plain mean of ours, and the combined fit."""
    rng = np.random.default_rng(6)
    flat = np.ones((2000, 94))
    spectra, _ = draw(flat, np.full((6, 94), 14 / 5.0), rng)
    reference, _, found = solved(spectra)
    counts = spectra.counts.astype(float)
    with np.errstate(divide="ignore"):
        ratio = np.median(counts, axis=0)[None] / counts
        error = ratio / np.sqrt(counts)
    good = np.isfinite(ratio)
    weight = np.where(good, 1 / np.where(good, error, 1) ** 2, 0)
    theirs = (np.where(good, ratio, 0) * weight).sum(1) / weight.sum(1)
    assert 1.06 < 1 / theirs.mean() < 1.2 or 1.06 < theirs.mean() < 1.2
    ours = np.nanmean([chunk_weights(spectra, reference, k).weights for k in range(6)], axis=0)
    assert abs(ours.mean() - 1) < 2e-3
    assert abs(found.weights.mean() - 1) < 1e-3


def test_errors_of_chunks():
    rng = np.random.default_rng(7)
    spectra, truth = draw(responses(3000, rng), lamp(total_cps=2000.0), rng)
    reference = make_reference(spectra, np.ones(3000, bool))
    found = chunk_weights(spectra, reference, 2)
    pulls = (found.weights - truth.weights(reference.pixels)) / found.errors
    assert abs(width(pulls)[0] - 1) < 0.1


def test_odd_pixels_do_not_make_the_reference():
    rng = np.random.default_rng(8)
    response = responses(500, rng)
    response[3] *= 40  # hot
    response[4] *= 0.02  # cold
    response[5, 60:] = 0.0  # blind to the red
    spectra, _ = draw(response, lamp(), rng)
    reference, _, found = solved(spectra)
    assert not reference.pixels[[3, 4, 5]].any()
    assert reference.number > 480
    good = np.setdiff1d(np.arange(500), [3, 4, 5])
    rate = (response[good][:, None, :] * spectra.live_s[0, 0, 0]).mean(axis=0) / 5.0
    np.testing.assert_allclose(
        reference.rates_cps.sum(axis=1), (rate * lamp()).sum(axis=1), rtol=0.02
    )
    assert np.isfinite(found.weights[5, :55]).all()
    assert np.isnan(found.weights[5, 62:]).all()
    np.testing.assert_array_equal(found.span[5, 0], 0)


def test_pixels_with_too_little_have_no_weight():
    rng = np.random.default_rng(9)
    response = responses(60, rng)
    response[0] = 0.0
    response[1] *= 0.004
    spectra, _ = draw(response, lamp(), rng)
    result = solve(spectra, settings(), inputs_of(60))
    combined = result.combined
    assert not combined.weighted[:2, 0].any()
    assert combined.weighted[2:, 0].all()
    assert (combined.bin_flags[0, 0] & bin_bit("no_counts")).all()
    some = combined.counts[1, 0] > 0
    assert (combined.bin_flags[1, 0, some] & bin_bit("fit_failed")).all()
    assert "too few counts" in describe_bin(int(combined.bin_flags[1, 0, some][0]))
    assert combined.masked[:2].all()
    assert len(result.chunks) == 6
    assert [chunk.index for chunk in result.chunks] == [1, 2, 3, 4, 5, 6]
    assert {chunk.run_id for chunk in result.chunks} == {combined.solution_id}


def test_bright_chunks_are_left_out():
    rng = np.random.default_rng(10)
    light = lamp()
    light[2] *= 5
    spectra, _ = draw(responses(50, rng), light, rng)
    cut = spectra.cut(600.0)
    assert cut.kept.tolist() == [True, True, False, True, True, True]
    result = solve(cut, settings(), inputs_of(50))
    assert [chunk.index for chunk in result.chunks] == [1, 2, 4, 5, 6]
    others = spectra.counts[:, [0, 1, 3, 4, 5]].sum(axis=1)
    np.testing.assert_array_equal(result.combined.counts[:, 0], others)
    with pytest.raises(CalibrationError, match="countRateCutoff"):
        solve(spectra.cut(10.0), settings(), inputs_of(50))


@pytest.mark.parametrize("fraction", [0.17, 0.34, 0.49])
def test_trimming_takes_out_what_lies_outside(fraction):
    rng = np.random.default_rng(11)
    light = lamp(fading=0.5)
    spectra, _ = draw(responses(400, rng), light, rng)
    counts = spectra.counts.copy()
    counts[7, 4] *= 6  # a satellite over one pixel
    spectra = type(spectra)(**{**vars(spectra), "counts": counts})
    reference, kept, found = solved(spectra, trim=fraction)
    trim = int(6 * fraction)
    assert (kept.sum(axis=1) == 6 - 2 * trim).all()
    assert not kept[7, 4]
    without = solved(spectra)[2]
    ratio = without.weights[7].mean() / found.weights[7].mean()
    assert ratio < 0.7
    # the dumb way, pixel by pixel
    for p in (0, 7, 55):
        expected = (spectra.live_s[p] * reference.rates_cps).sum(axis=1)
        order = np.argsort(counts[p].sum(axis=1) / expected)
        assert set(np.flatnonzero(kept[p])) == set(order[trim : 6 - trim].tolist())
    # chunks that are out already are not among those that are sorted
    cut = type(spectra)(**{**vars(spectra), "kept": np.arange(6) != 2})
    reference, kept, _ = solved(cut, trim=fraction)
    trim = int(5 * fraction)
    assert (kept.sum(axis=1) == 5 - 2 * trim).all()
    assert not kept[:, 2].any()


def test_errors_after_trimming():
    rng = np.random.default_rng(12)
    spectra, truth = draw(responses(4000, rng, wiggle=0.01), lamp(), rng)
    reference, _, found = solved(spectra, trim=0.2)
    true = truth.weights(reference.pixels)
    share = found.counts.sum(axis=0) / found.counts.sum()
    level = np.log(found.weights / true) @ share
    # the level of a pixel, where trimming matters most
    quoted = np.sqrt(trimmed_spread(6, 1) / found.counts.sum(axis=1))
    assert abs((level / quoted).std() - 1) < 0.1
    pulls = (found.weights - true) / found.errors
    assert abs(width(pulls)[0] - 1) < 0.1
    assert abs(level.mean()) < 1e-3
    # the errors know of it: what the fit says of its own, less what the choice from the middle saves
    saved = (trimmed_spread(6, 1) - 1) / found.counts.sum(axis=1)
    assert (saved < 0).all()
    np.testing.assert_allclose(found.common, saved)
    knots = found.knots[0, : found.n_knots[0]]
    main, off = found.information[0, :, : knots.size]
    matrix = np.diag(main) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1)
    variance = np.linalg.inv(matrix)[0, 0] + saved[0]
    own = (found.errors[0, knots[0]] / found.weights[0, knots[0]]) ** 2
    own = (own - reference.variance[knots[0]]) / (1 - reference.pixels[0] / reference.number)
    assert own == pytest.approx(variance, rel=1e-6)


def test_trimmed_spread():
    assert trimmed_spread(9, 0) == 1.0
    # of three values, the median: variance 0.4487 (David and Nagaraja)
    assert trimmed_spread(3, 1) == pytest.approx(0.4487, rel=0.01)


def test_dark_counts():
    rng = np.random.default_rng(13)
    response = responses(3000, rng, wiggle=0.01)
    dark = rng.uniform(0.2, 2.0, (3000, 1)) * np.linspace(0.5, 1, 94)
    spectra, truth = draw(response, lamp(), rng, dark_cps=dark, dark_s=60.0)
    reference, _, found = solved(spectra)
    true = truth.weights(reference.pixels)
    pulls = (found.weights - true) / found.errors
    for b in (2, 40, 91):
        assert abs(width(pulls[:, b])[0] - 1) < 0.1
    assert abs(np.nanmean(found.weights / true) - 1) < 1e-3
    ignored = solved(type(spectra)(**{**vars(spectra), "dark": None, "dark_variance": None}))[2]
    worse = np.nanstd(ignored.weights / true, axis=0)
    assert worse[60] > 1.3 * np.nanstd(found.weights / true, axis=0)[60]


def test_lasers():
    rng = np.random.default_rng(14)
    lines = np.array([808.0, 980.0, 1310.0])
    edges = np.array([700.0, 900.0, 1150.0, 1500.0])
    response = responses(2000, rng, edges=edges)
    live = np.stack([np.full((2000, 2), s) for s in (5.0, 4.0, 6.0)], axis=2)
    spectra, truth = draw(
        response, np.full((2, 3), 200.0), rng, edges=edges, live=live, dark_cps=8.0, dark_s=30.0
    )
    reference, _, found = solved(spectra, smooth=False)
    pulls = (found.weights - truth.weights(reference.pixels)) / found.errors
    for k in range(3):
        assert abs(width(pulls[:, k])[0] - 1) < 0.1
    assert abs((found.weights / truth.weights(reference.pixels)).mean() - 1) < 1e-3
    lasers = [{"wavelength_nm": nm, "path": f"{nm}.h5"} for nm in lines]
    options = {"flats": (), "lasers": tuple(lasers)}
    result = solve(spectra, settings(**options), inputs_of(2000))
    assert result.combined.kind == "laser"
    assert result.combined.weights.shape == (2000, 1, 3)


def test_results_do_not_depend_on_threads(monkeypatch):
    rng = np.random.default_rng(15)
    spectra, _ = draw(responses(1300, rng), lamp(), rng)
    from pipeline_core.flatcal import fit

    first = solved(spectra)[2]
    monkeypatch.setattr(fit, "SCAN_THREADS", 1)
    monkeypatch.setattr(fit, "_PIXELS_A_STEP", 77)
    second = solved(spectra)[2]
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.errors, second.errors)


def test_neighbours_are_correlated_and_the_covariance_says_so():
    rng = np.random.default_rng(16)
    one = responses(1, rng, wiggle=0.0)
    response = np.repeat(one, 3000, axis=0)
    spectra, _ = draw(response, lamp(), rng)
    combined = solve(spectra, settings(), inputs_of(3000)).combined
    same = np.flatnonzero(combined.n_knots[:, 0] == np.median(combined.n_knots))
    logs = np.log(combined.weights[same, 0])
    pixel = (int(same[0]), 0)
    covariance, correlation = combined.covariance(pixel), combined.correlation(pixel)
    seen = np.cov(logs.T)
    np.testing.assert_allclose(np.sqrt(np.diag(seen)), np.sqrt(np.diag(covariance)), rtol=0.12)
    apart = np.corrcoef(logs.T)
    for a, b in ((40, 41), (40, 45), (40, 60), (0, 3)):
        assert apart[a, b] == pytest.approx(correlation[a, b], abs=0.12)
    assert correlation[40, 41] > 0.9
    relative = combined.errors[pixel] / combined.weights[pixel]
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), relative, rtol=1e-6)


def test_bins_are_those_of_the_guide():
    assert EDGES.size == 95
    assert (EDGES[0], EDGES[-1]) == (700.0, 1500.0)
    from pipeline_core.spectral_bins import equal_energy_edges

    nine = equal_energy_edges(0.1, 700.0, 1500.0)
    assert nine.size == 10
    assert nine[1] == pytest.approx(744.09, abs=0.01)
    assert nine[-2] == pytest.approx(1330.99, abs=0.01)
