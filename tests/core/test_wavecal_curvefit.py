from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import curve_fit

from pipeline_core.errors import ConfigError
from pipeline_core.simulate.response import draw_response, energy_to_phase
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal.curvefit import fit_curves
from pipeline_core.wavecal.curves import CURVE_KINDS, Curves
from pipeline_core.wavecal.curvevariants import MARGIN, Points, Variant, fit_variant
from pipeline_core.wavecal.population import learn_population

LINES_EV = HC_EV_NM / np.array([808.0, 920.0, 980.0, 1120.0, 1310.0])
BETWEEN_EV = HC_EV_NM / np.array([875.0, 1050.0, 1200.0])
OUTSIDE_EV = HC_EV_NM / np.array([750.0, 1450.0])

Truth = Callable[[np.ndarray], np.ndarray]


def array_of(family: str, n: int, rng: np.random.Generator) -> Truth:
    """Return phases (n, n_energy) of energies, for n pixels of different gain."""
    gain = np.clip(rng.normal(-90, 15, n), -140, -45)
    if family == "exponential":
        scale = rng.uniform(1.8, 3.0, n)[:, None]
        height = gain[:, None] / np.expm1(-HC_EV_NM / 850 / scale)
        return lambda energy: height * np.expm1(-energy / scale)
    coefficients = draw_response(family, gain, True, rng)
    return lambda energy: energy_to_phase(family, coefficients[:, :, None], energy)


def measured(
    truth: Truth, photons: float, rng: np.random.Generator, resolution: float = 6.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and errors of lines with so many photons."""
    centre = truth(LINES_EV)
    slope = (truth(LINES_EV + 1e-3) - truth(LINES_EV - 1e-3)) / 2e-3
    error = np.abs(slope) * LINES_EV / (2.355 * resolution) / np.sqrt(photons)
    return centre + error * rng.standard_normal(centre.shape), error


def calibrate(centre: np.ndarray, error: np.ndarray, ok: np.ndarray | None = None) -> Curves:
    ok = np.ones(centre.shape, bool) if ok is None else ok
    feedline = np.arange(len(centre)) * 3 // len(centre)
    prior = learn_population(centre, error, ok, LINES_EV, feedline=feedline)
    return fit_curves(centre, error, ok, LINES_EV, prior=prior, feedline=feedline)


def width(values: np.ndarray) -> float:
    return float(np.subtract(*np.percentile(values, [75, 25])) / 1.349)


# what each variant is, written plainly
PLAIN = {
    Variant(1, 2): (lambda e, a, b: a + b * e, (0.0, -60.0)),
    Variant(2, 3): (lambda e, a, b, c: a + b * e + c * e * e, (0.0, -60.0, 0.0)),
    Variant(3, 1): (lambda e, a: -2 * np.degrees(np.arctan(a * e)), (0.7,)),
    Variant(3, 2): (lambda e, a, b: -2 * b * np.degrees(np.arctan(a * e)), (0.7, 1.0)),
    Variant(4, 3): (
        lambda e, a, b, c: -2 * (e - a) / (b + np.sqrt(b * b + 4 * c * (e - a))),
        (0.01, 0.012, 3e-5),
    ),
}


@pytest.mark.parametrize("variant", PLAIN, ids=lambda v: f"{CURVE_KINDS[v.kind]}-{v.n_free}")
def test_a_fit_is_that_of_a_plain_least_squares_routine(variant: Variant) -> None:
    rng = np.random.default_rng(12)
    centre, error = measured(array_of("quadratic", 6, rng), 2000, rng)
    used = np.ones(centre.shape, bool)
    used[0, 1] = used[3, 4] = False
    fit = fit_variant(Points(centre, error, used, LINES_EV), variant)
    formula, start = PLAIN[variant]
    k = variant.n_free
    for p in range(len(centre)):
        u = used[p]
        best, covariance = curve_fit(
            formula, LINES_EV[u], centre[p, u], start, error[p, u],
            absolute_sigma=True, ftol=1e-14, xtol=1e-14, maxfev=20_000,
        )  # fmt: skip
        np.testing.assert_allclose(fit.coefficients[p, :k], best, rtol=2e-4)
        np.testing.assert_allclose(fit.covariance[p, :k, :k], covariance, rtol=3e-3)
        rest = (centre[p, u] - formula(LINES_EV[u], *best)) / error[p, u]
        assert fit.chi2[p] == pytest.approx(rest @ rest, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("family", "photons", "kind"),
    [("arctan", 300, 3), ("arctan", 30_000, 3), ("quadratic", 300, 4), ("quadratic", 30_000, 4)],
)
def test_an_array_finds_its_own_kind_of_curve_without_bias_and_with_honest_errors(
    family: str, photons: int, kind: int
) -> None:
    rng = np.random.default_rng(photons)
    truth = array_of(family, 2000, rng)
    curves = calibrate(*measured(truth, photons, rng))
    assert np.mean(curves.kind == kind) > 0.99
    assert curves.scatter_deg == 0
    probes = np.concatenate([LINES_EV, BETWEEN_EV])
    energy, error = curves.energy_ev(truth(probes)), curves.energy_error_ev(truth(probes))
    good = curves.kind > 0
    assert good.mean() > 0.999
    off = (energy / probes - 1)[good]
    for column in off.T:
        assert abs(np.median(column)) < 1e-4 + 3 * 1.25 * width(column) / np.sqrt(len(column))
    for column in ((energy - probes) / error)[good].T:
        assert 0.92 < width(column) < 1.08


def test_a_family_that_is_not_fitted_is_close_between_the_lines() -> None:
    rng = np.random.default_rng(5)
    truth = array_of("exponential", 2000, rng)
    curves = calibrate(*measured(truth, 30_000, rng))
    off = curves.energy_ev(truth(BETWEEN_EV)) / BETWEEN_EV - 1
    assert np.abs(np.median(off, 0)).max() < 1e-3


@pytest.mark.parametrize("family", ["arctan", "quadratic", "exponential"])
def test_outside_the_lines_energies_are_marked_and_their_errors_cover_the_truth(
    family: str,
) -> None:
    rng = np.random.default_rng(6)
    truth = array_of(family, 2000, rng)
    curves = calibrate(*measured(truth, 4000, rng))
    phase = truth(OUTSIDE_EV)
    pull = (curves.energy_ev(phase) - OUTSIDE_EV) / curves.energy_error_ev(phase)
    assert np.all((np.abs(pull) < 2).mean(0) > 0.93)
    inside = (phase >= curves.valid_phase_deg[:, :1]) & (phase < curves.valid_phase_deg[:, 1:])
    assert inside.mean() < 0.01
    lines = truth(LINES_EV)
    seen = (lines >= curves.valid_phase_deg[:, :1]) & (lines < curves.valid_phase_deg[:, 1:])
    assert seen.mean() > 0.99
    low, high = (1 - MARGIN) * LINES_EV.min(), (1 + MARGIN) * LINES_EV.max()
    np.testing.assert_allclose(curves.valid_energy_ev, np.tile([low, high], (2000, 1)))


def test_scatter_beyond_the_errors_is_found_and_becomes_part_of_them() -> None:
    rng = np.random.default_rng(8)
    truth = array_of("arctan", 2000, rng)
    centre, error = measured(truth, 10_000, rng)
    drifted = centre + 0.4 * rng.standard_normal(centre.shape)
    curves = calibrate(drifted, error)
    assert curves.scatter_deg == pytest.approx(0.4, rel=0.1)
    phase = truth(BETWEEN_EV)
    pull = (curves.energy_ev(phase) - BETWEEN_EV) / curves.energy_error_ev(phase)
    assert 0.9 < width(pull) < 1.1


def test_a_line_that_contradicts_the_others_is_left_out() -> None:
    rng = np.random.default_rng(9)
    truth = array_of("arctan", 400, rng)
    centre, error = measured(truth, 4000, rng)
    wrong = centre.copy()
    wrong[:50, 2] += 6.0
    curves = calibrate(wrong, error)
    assert not curves.used[:50, 2].any()
    # by chance another pixel now and then
    assert curves.used[50:].mean() > 0.998
    assert np.all(curves.used[:50].sum(1) == 4)
    phase = truth(BETWEEN_EV)
    pull = (curves.energy_ev(phase) - BETWEEN_EV) / curves.energy_error_ev(phase)
    assert np.abs(pull[:50]).max() < 5


def test_errors_grow_where_no_curve_fits() -> None:
    rng = np.random.default_rng(10)
    truth = array_of("arctan", 300, rng)
    centre, error = measured(truth, 4000, rng)
    centre[0] += [3.0, -3.0, 3.0, -3.0, 3.0]
    curves = calibrate(centre, error)
    assert curves.p_value[0] < 1e-6
    grown = curves.energy_error_ev(truth(BETWEEN_EV))
    assert np.all(grown[0] > 5 * np.median(grown, 0))


def test_pulses_in_the_wrong_order_have_no_curve() -> None:
    rng = np.random.default_rng(11)
    centre, error = measured(array_of("arctan", 200, rng), 4000, rng)
    centre[7] = centre[7, ::-1]
    curves = calibrate(centre, error)
    assert curves.not_monotonic[7]
    assert curves.kind[7] == 0
    assert np.isnan(curves.energy_ev([-80.0])[7]).all()
    assert curves.not_monotonic.sum() == 1


def test_pixels_with_few_lines_lean_on_their_feedline_and_say_so() -> None:
    rng = np.random.default_rng(13)
    truth = array_of("quadratic", 1500, rng)
    centre, error = measured(truth, 1000, rng)
    ok = np.ones(centre.shape, bool)
    ok[::10, 1:4] = False
    curves = calibrate(centre, error, ok)
    np.testing.assert_array_equal(curves.prior_assisted[::10], True)
    assert curves.prior_assisted.sum() < 155
    phase = truth(BETWEEN_EV)
    energy = curves.energy_ev(phase)
    pull = ((energy - BETWEEN_EV) / curves.energy_error_ev(phase))[::10]
    assert 0.5 < width(pull) < 1.1
    # without leaning, two lines are a straight line or an arctangent, and miss what lies between
    alone = fit_curves(centre, error, ok, LINES_EV, lean=False)
    assert not alone.prior_assisted.any()
    missed = np.abs(alone.energy_ev(phase) / BETWEEN_EV - 1)[::10]
    assert np.median(np.abs(energy / BETWEEN_EV - 1)[::10]) < 0.5 * np.median(missed)


def test_nothing_is_leant_on_by_pixels_with_one_line_or_none() -> None:
    rng = np.random.default_rng(14)
    centre, error = measured(array_of("quadratic", 300, rng), 4000, rng)
    ok = np.ones(centre.shape, bool)
    ok[3] = False
    ok[4, 1:] = False
    centre[5, :] = np.nan
    curves = calibrate(centre, error, ok)
    np.testing.assert_array_equal(curves.kind[3:6], 0)
    assert np.isnan(curves.valid_energy_ev[3:6]).all()
    assert np.all(curves.kind[6:] > 0)


def test_alone_a_pixel_chooses_by_its_own_lines_and_two_lines_are_enough() -> None:
    rng = np.random.default_rng(15)
    for family, kind in (("arctan", 3), ("quadratic", 4)):
        centre, error = measured(array_of(family, 5, rng), 1e8, rng)
        curves = fit_curves(centre, error, np.ones(centre.shape, bool), LINES_EV)
        np.testing.assert_array_equal(curves.kind, kind)
        two = fit_curves(
            centre[:, [0, 4]], error[:, [0, 4]], np.ones((5, 2), bool), LINES_EV[[0, 4]]
        )
        assert np.all(two.kind > 0)
        np.testing.assert_allclose(two.phase_deg(LINES_EV[[0, 4]]), centre[:, [0, 4]], atol=2.5)
    assert learn_population(centre, error, np.ones(centre.shape, bool), LINES_EV) is None


def test_only_the_chosen_models_are_tried() -> None:
    rng = np.random.default_rng(16)
    centre, error = measured(array_of("arctan", 100, rng), 4000, rng)
    ok = np.ones(centre.shape, bool)
    curves = fit_curves(centre, error, ok, LINES_EV, models=["linear"])
    np.testing.assert_array_equal(curves.kind, 1)
    with pytest.raises(ConfigError, match="cubic"):
        fit_curves(centre, error, ok, LINES_EV, models=["cubic"])
    with pytest.raises(ConfigError, match="belong together"):
        fit_curves(centre, error, ok[:, :4], LINES_EV)


def test_the_order_of_lines_does_not_matter_and_inputs_are_left_alone() -> None:
    rng = np.random.default_rng(17)
    centre, error = measured(array_of("quadratic", 200, rng), 1000, rng)
    before = centre.copy()
    ok = np.ones(centre.shape, bool)
    curves = fit_curves(centre, error, ok, LINES_EV)
    turned = fit_curves(centre[:, ::-1], error[:, ::-1], ok, LINES_EV[::-1])
    np.testing.assert_array_equal(centre, before)
    np.testing.assert_array_equal(curves.kind, turned.kind)
    np.testing.assert_allclose(curves.energy_ev([-80.0]), turned.energy_ev([-80.0]), rtol=1e-7)
