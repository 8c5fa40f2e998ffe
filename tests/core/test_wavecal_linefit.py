import threading

import numpy as np
import pytest
from line_histograms import EDGES, draw_lines
from scipy.optimize import minimize
from scipy.special import ndtr

from pipeline_core.errors import ConfigError, OperationCancelled
from pipeline_core.wavecal import _modelkernels as mk
from pipeline_core.wavecal._doublekernels import PASSED, compare_peaks
from pipeline_core.wavecal._edgekernels import find_edge
from pipeline_core.wavecal._pixelkernels import JOINT_GAIN, PRIORS
from pipeline_core.wavecal.linefit import STATUS, fit_lines
from pipeline_core.wavecal.models import LINE_MODELS, PARAMETERS, evaluate, trigger_share

_THETA = np.array(
    [np.log(900.0), -71.3, np.log(4.2), np.log(150.0), -52.0, np.log(3.0), 31.0, np.log(0.15), 0.4,
     -31.6, np.log(1.3), 0.2, -0.15]
)  # fmt: skip
_DARK = np.stack([3 * np.exp(0.04 * EDGES[1:]), np.linspace(-3, 1, EDGES.size - 1)])
_EDGE, _SOFTNESS = -31.6, 1.3


@pytest.fixture(scope="module")
def clean():
    return draw_lines(np.random.default_rng(11), n_pixel=120, photons=1000)


@pytest.fixture(scope="module")
def clean_fits(clean):
    return fit_lines(clean.counts, EDGES)


def good_pixels(fits):
    return (fits.ok.sum(1) >= 3).mean()


def kernel_counts(theta, gaussians):
    bins, model = np.zeros((mk.N_GIVEN, EDGES.size)), np.empty((mk.N_ROWS, EDGES.size))
    bins[mk.EDGES], bins[[mk.DARK, mk.TILT], :-1] = EDGES, _DARK
    mk.expected(bins, theta, _EDGE, gaussians, model)
    return model[mk.LAM, :-1], model[: mk.N_THETA, :-1], model[mk.SEEN, :-1]


def natural(theta):
    p = theta.copy()
    p[[0, 2, 3, 5, 7, 10]] = np.exp(p[[0, 2, 3, 5, 7, 10]])
    return p


@pytest.mark.parametrize(("gaussians", "model"), [(0, 0), (1, 1), (2, 3)])
def test_the_kernel_expects_what_plain_numpy_expects(gaussians, model):
    lam, _, _ = kernel_counts(_THETA, gaussians)
    np.testing.assert_allclose(
        lam, evaluate(model, natural(_THETA), EDGES, _DARK)[0], rtol=1e-9, atol=2e-9
    )


@pytest.mark.parametrize("parameter", range(mk.N_THETA))
def test_gradients_are_differences_of_the_counts(parameter):
    _, jac, _ = kernel_counts(_THETA, 2)
    step = np.zeros(mk.N_THETA)
    step[parameter] = 1e-5
    high, low = kernel_counts(_THETA + step, 2)[0], kernel_counts(_THETA - step, 2)[0]
    np.testing.assert_allclose(jac[parameter], (high - low) / 2e-5, rtol=1e-5, atol=1e-5)


def test_bins_hold_integrals_of_the_density_seen_through_the_trigger():
    fine = np.linspace(EDGES[0], EDGES[-1], 230 * 200 + 1)
    middle = (fine[1:] + fine[:-1]) / 2
    p = dict(zip(PARAMETERS, natural(_THETA), strict=True))
    density = (
        p["n_signal"] / p["sigma_deg"] / np.sqrt(2 * np.pi)
        * np.exp(-((middle - p["centre_deg"]) ** 2) / 2 / p["sigma_deg"] ** 2)
        + p["tail_per_deg"] * np.exp(p["tail_slope_per_deg"] * (middle - _EDGE)) + p["floor_per_deg"]
    )  # fmt: skip
    density *= ndtr((_EDGE - middle) / _SOFTNESS)
    counts = (density / 200).reshape(230, 200).sum(1)
    # within a bin at the edge, the mean share stands for the share at each phase
    np.testing.assert_allclose(evaluate(1, natural(_THETA), EDGES)[0], counts, rtol=0.02, atol=0.02)
    share = ndtr((_EDGE - middle) / _SOFTNESS).reshape(230, 200).mean(1)
    np.testing.assert_allclose(trigger_share(EDGES, _EDGE, _SOFTNESS), share, atol=1e-5)


def test_the_fit_finds_the_minimum_that_scipy_finds(clean, clean_fits):
    lines = [(p, 2) for p in range(8) if clean_fits.model[p, 2] == 1]
    assert len(lines) > 4
    for p, k in lines:
        n, edge, softness = clean.counts[p, k], *clean_fits.parameters[p, k, 9:11]

        def cost(v, n=n, edge=edge, softness=softness):
            values = np.zeros(len(PARAMETERS))
            values[[0, 1, 2, 6, 7]] = np.exp(v[0]), v[1], np.exp(v[2]), np.exp(v[3]), np.exp(v[4])
            values[8], values[9], values[10] = np.exp(v[5]), edge, softness
            lam = evaluate(1, values, EDGES)[0] + 1e-9
            prior = ((v[4] - PRIORS[0, 0]) / PRIORS[0, 1]) ** 2
            return 2 * (lam - n * np.log(lam)).sum() + prior

        found = clean_fits.parameters[p, k]
        mine = np.array(
            [*np.log(found[0:1]), found[1], *np.log(found[[2, 6, 7]]), np.log(found[8] + 1e-7)]
        )
        better = minimize(
            cost, mine, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-5}
        )
        assert cost(mine) - better.fun < 2e-3
        assert better.x[1] == pytest.approx(found[1], abs=0.05 * clean_fits.centre_error[p, k])


def test_centres_and_widths_are_the_true_ones_within_their_errors(clean, clean_fits):
    good = clean_fits.ok
    assert good.mean() > 0.97
    centre_pull = ((clean_fits.centre_deg - clean.centre) / clean_fits.centre_error)[good]
    sigma_pull = ((clean_fits.sigma_deg - clean.sigma) / clean_fits.sigma_error)[good]
    for pull in (centre_pull, sigma_pull):
        assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
        assert pull.std() == pytest.approx(1, abs=0.1)
    assert np.median(clean_fits.sigma_deg[good] / clean.sigma[good]) == pytest.approx(1, abs=0.005)


def test_good_fits_have_even_p_values(clean_fits):
    p = clean_fits.p_value[clean_fits.ok]
    assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.1)
    assert (p < 0.01).mean() < 0.04
    assert np.abs(clean_fits.worst_residual[clean_fits.ok]).max() < 6


def test_the_edge_is_where_the_trigger_is(clean, clean_fits):
    assert np.median(np.abs(clean_fits.edge_deg - clean.edge)) < 0.4


def test_an_empty_histogram_has_no_edge():
    assert find_edge(EDGES, np.zeros(EDGES.size - 1)) == (EDGES[-1], 1.0)


def test_a_clean_pixel_of_300_photons_is_good():
    drawn = draw_lines(np.random.default_rng(12), n_pixel=100, photons=300)
    assert good_pixels(fit_lines(drawn.counts, EDGES)) > 0.98


def test_noise_alone_makes_no_line():
    drawn = draw_lines(np.random.default_rng(13), n_pixel=100, photons=0, noise_share=20)
    fits = fit_lines(drawn.counts, EDGES)
    assert not fits.ok.any()
    assert (fits.status == STATUS.index("no_line")).all()


@pytest.mark.parametrize("offset", [2.5, -3.0])
def test_doubled_pixels_are_not_good(offset):
    drawn = draw_lines(np.random.default_rng(14), n_pixel=60, photons=4000, second=(0.25, offset))
    fits = fit_lines(drawn.counts, EDGES)
    assert good_pixels(fits) == 0
    assert (fits.status == STATUS.index("doubled")).mean() > 0.9
    assert np.median(fits.double_share) == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("offset", [2.5, -3.0])
def test_faint_doubled_pixels_are_not_good(offset):
    drawn = draw_lines(np.random.default_rng(23), n_pixel=60, photons=300, second=(0.35, offset))
    assert good_pixels(fit_lines(drawn.counts, EDGES)) < 0.04


def test_chance_makes_no_second_resonator(clean_fits):
    assert (clean_fits.double_significance**2 > JOINT_GAIN).mean() < 0.03


def test_a_second_resonator_gains_what_scipy_finds():
    drawn = draw_lines(np.random.default_rng(24), 1, 2000, lines_deg=(-80.0,), second=(0.3, 3.0))
    n, edge = drawn.counts[0, 0].astype(float), drawn.edge[0]
    seen = trigger_share(EDGES, edge, 1.0)

    def cost(v):
        share = 1 / (1 + np.exp(-v[6])) if v.size > 6 else 0.0
        values = np.zeros(len(PARAMETERS))
        values[[0, 3]] = np.exp(v[0]) * (1 - share), np.exp(v[0]) * share
        values[[1, 2, 5]] = v[1], np.exp(v[2]), np.exp(v[2])
        values[4] = v[1] * v[7] if v.size > 6 else 0.0
        values[6:11] = abs(v[3]), np.exp(v[5]), abs(v[4]), edge, 1.0
        lam = evaluate(3 if v.size > 6 else 1, values, EDGES)[0] + 1e-9
        terms = lam - n + np.where(n > 0, n * np.log(np.maximum(n, 1) / lam), 0.0)
        return 2 * terms.sum() + ((v[5] - np.log(0.13)) / 0.7) ** 2

    options = {"maxiter": 20000, "maxfev": 20000, "xatol": 1e-6, "fatol": 1e-4, "adaptive": True}
    start = np.array(
        [np.log(1900.0), drawn.centre[0, 0], np.log(drawn.sigma[0, 0]), 250.0, 0.01, -2.0]
    )
    two = np.append(start, [-0.85, 1 + 3 * drawn.sigma[0, 0] / drawn.centre[0, 0]])
    found = [minimize(cost, v, method="Nelder-Mead", options=options) for v in (start, two)]
    result = np.zeros(4)
    bins = np.zeros((1, mk.N_GIVEN, EDGES.size))
    bins[0, mk.EDGES], bins[0, mk.COUNTS, :-1], bins[0, PASSED, :-1] = EDGES, n, seen
    compare_peaks(bins, edge, start[None, :5], -2.0, result)
    assert result[0] == pytest.approx(found[0].fun - found[1].fun, abs=0.1)
    assert result[1] == pytest.approx(1 / (1 + np.exp(-found[1].x[6])), abs=0.01)
    assert result[1] == pytest.approx(0.3, abs=0.06)
    assert result[2] == pytest.approx(3.0, abs=0.4)


def test_a_wing_beside_the_line_is_no_second_peak():
    drawn = draw_lines(np.random.default_rng(15), n_pixel=60, photons=4000, wing=0.08)
    assert good_pixels(fit_lines(drawn.counts, EDGES)) > 0.96


def test_stray_photons_do_not_widen_the_line():
    drawn = draw_lines(np.random.default_rng(16), n_pixel=60, photons=4000, floor=0.03)
    fits = fit_lines(drawn.counts, EDGES)
    assert np.median((fits.sigma_deg / drawn.sigma)[fits.ok]) == pytest.approx(1, abs=0.005)


def test_a_line_that_the_edge_cuts_keeps_its_centre():
    drawn = draw_lines(
        np.random.default_rng(17), 120, 4000, lines_deg=(-80.0, -65.0, -37.0), edge_deg=(-32, -30)
    )
    fits = fit_lines(drawn.counts, EDGES)
    cut = fits.ok[:, 2] & (fits.visible[:, 2] < 0.95)
    assert cut.sum() > 30
    pull = ((fits.centre_deg - drawn.centre) / fits.centre_error)[cut, 2]
    assert abs(np.median(pull)) < 0.6
    assert pull.std() < 1.5


def test_lines_at_the_edge_learn_their_width_from_the_one_that_is_free_of_it():
    drawn = draw_lines(
        np.random.default_rng(22), 150, 4000, lines_deg=(-36.0, -31.5, -29.5), edge_deg=(-27, -26)
    )
    clearance = (drawn.edge[:, None] - drawn.centre) / drawn.sigma
    seen = (clearance[:, 0] > 2.5) & (clearance > 0.1).all(1) & (clearance[:, 2] < 1.5)
    assert seen.sum() > 25
    fits = fit_lines(drawn.counts[seen], EDGES)
    assert good_pixels(fits) > 0.9
    pull = ((fits.centre_deg - drawn.centre[seen]) / fits.centre_error)[fits.ok]
    assert (np.abs(pull) < 4).all()


def test_a_line_below_the_edge_is_not_used():
    drawn = draw_lines(
        np.random.default_rng(18), 40, 3000, lines_deg=(-80.0, -18.0), edge_deg=(-32, -30)
    )
    fits = fit_lines(drawn.counts, EDGES)
    assert not fits.ok[:, 1].any()


def test_without_noise_the_end_of_a_line_is_not_taken_for_the_edge():
    drawn = draw_lines(np.random.default_rng(19), 60, 4000, noise_share=0)
    fits = fit_lines(drawn.counts, EDGES)
    far = drawn.centre[:, -1] + 4 * drawn.sigma[:, -1] < drawn.edge
    assert far.sum() > 20
    pull = ((fits.centre_deg - drawn.centre) / fits.centre_error)[far, -1]
    assert fits.ok[far, -1].mean() > 0.95
    assert pull.std() < 1.3


def test_the_edge_is_where_noise_triggers_end_and_nowhere_without_them():
    faint = draw_lines(np.random.default_rng(25), 40, 1000, noise_share=0.05)
    fits = fit_lines(faint.counts, EDGES)
    assert np.abs(fits.edge_deg - faint.edge).max() < 2
    none = draw_lines(np.random.default_rng(26), 40, 1000, noise_share=0)
    fits = fit_lines(none.counts, EDGES)
    assert (fits.edge_deg > 0).mean() > 0.7  # a phase that no pulse reaches: all are seen


def test_a_background_belongs_to_the_model():
    rng = np.random.default_rng(20)
    drawn = draw_lines(rng, 60, 2000, noise_share=0.1)
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    hump = 40 * np.exp(-((middle + 55) ** 2) / 2 / 9**2)
    with_hump = drawn.counts + rng.poisson(hump, drawn.counts.shape).astype(np.uint32)
    dark = rng.poisson(2 * hump, drawn.counts.shape).astype(np.uint32)
    half = np.full(drawn.centre.shape, 0.5)
    fits = fit_lines(with_hump, EDGES, background=dark, background_scale=half)
    line = fits.ok[:, 3]
    assert line.mean() > 0.9
    pull = ((fits.centre_deg - drawn.centre) / fits.centre_error)[line, 3]
    assert abs(np.median(pull)) < 0.5
    without = fit_lines(with_hump, EDGES)
    assert good_pixels(without) < good_pixels(fits)


def test_results_do_not_depend_on_the_number_of_threads(clean):
    one = fit_lines(clean.counts[:70], EDGES, threads=1)
    two = fit_lines(clean.counts[:70], EDGES, threads=2)
    np.testing.assert_array_equal(one.parameters, two.parameters)
    np.testing.assert_array_equal(one.status, two.status)


def test_the_reasons_for_not_fitting(clean):
    counts = clean.counts[:1].copy()
    counts[0, 0] = 0
    counts[0, 1] = 0
    counts[0, 1, 100] = 19
    hot = np.array([[False, False, True, False, False]])
    fits = fit_lines(counts, EDGES, hot=hot)
    names = [STATUS[code] for code in fits.status[0]]
    assert names == ["no_photons", "few_photons", "hot", "ok", "ok"]
    assert np.isnan(fits.centre_deg[0, :3]).all()
    assert (fits.model[0, :3] == 0).all()


def test_parameters_redraw_the_histogram(clean, clean_fits):
    expected, components = evaluate(clean_fits.model, clean_fits.parameters, EDGES)
    np.testing.assert_allclose(components.sum(-2), expected)
    total = clean.counts.sum(-1)
    good = clean_fits.ok
    np.testing.assert_allclose(expected.sum(-1)[good], total[good], rtol=0.01)


def test_results_are_read_only(clean_fits):
    with pytest.raises(ValueError, match="read-only"):
        clean_fits.centre_deg[0, 0] = 1


def test_unknown_models_and_wrong_shapes_are_named(clean):
    with pytest.raises(ConfigError, match=r"'gauss'.*gauss_tail"):
        fit_lines(clean.counts, EDGES, models=("gauss",))
    with pytest.raises(ConfigError, match="bins"):
        fit_lines(clean.counts, EDGES[:-1])


def test_only_the_models_asked_for_are_used():
    drawn = draw_lines(np.random.default_rng(21), 20, 4000, second=(0.3, 3.0))
    fits = fit_lines(drawn.counts, EDGES, models=("gauss_tail",))
    assert set(np.unique(fits.model)) == {LINE_MODELS["gauss_tail"]}


def test_a_long_block_is_told_of_and_can_be_cancelled(clean, monkeypatch):
    begun, told = threading.Event(), []

    def slow(*args):
        begun.wait(5)  # as long as compiling may take

    def progress(done, total, stage):
        told.append((done, total, stage))
        if len(told) == 3:
            begun.set()
            raise OperationCancelled

    monkeypatch.setattr("pipeline_core.wavecal.linefit.fit_pixel", slow)
    with pytest.raises(OperationCancelled):
        fit_lines(clean.counts[:70], EDGES, progress=progress)
    assert told == [(0, 70, "fit lines")] * 3


def test_fits_can_be_cancelled(clean):
    def stop(done, total, stage=""):
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        fit_lines(clean.counts, EDGES, progress=stop)
