from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from pipeline_core.errors import ConfigError
from pipeline_core.wavecal import curves as curve_module
from pipeline_core.wavecal.curves import (
    HC_EV_NM,
    energy_error_ev,
    energy_ev,
    phase_deg,
    phase_window,
    wavelength_error_nm,
    wavelength_nm,
)

LINES_NM = np.array([808.0, 920.0, 980.0, 1120.0, 1310.0])

# one pixel of each kind, about -90 degrees at 850 nm; a second quadratic and energy-quadratic bend the other way
KINDS = np.array([1, 2, 2, 3, 4, 4], np.uint8)
COEFFICIENTS = np.array(
    [
        [-2.0, -60.0, 0.0],
        [5.0, -85.0, 14.0],
        [-25.0, -15.0, -20.0],
        [0.686, 1.1, 0.0],
        [0.01, 0.0131, 0.000029],
        [-0.05, 0.022, -0.00005],
    ]
)
VALID_EV = np.array([0.95, 1.55])


def dumb_phase(kind: int, c: np.ndarray, energy: float) -> float:
    """The formulas of the docstring; the last one by search."""
    a, b, c2 = c
    if kind == 1:
        return a + b * energy
    if kind == 2:
        return a + b * energy + c2 * energy**2
    if kind == 3:
        return -2 * b * math.degrees(math.atan(a * energy))
    return -brentq(lambda h: a + b * h + c2 * h * h - energy, 0.0, 200.0, xtol=1e-13)


def valid_phases() -> np.ndarray:
    rows = zip(KINDS, COEFFICIENTS, strict=True)
    return np.array([sorted(dumb_phase(k, c, e) for e in VALID_EV) for k, c in rows])


def test_each_kind_gives_the_phase_of_its_formula() -> None:
    energies = np.array([0.96, 1.2, 1.5])
    found = phase_deg(KINDS, COEFFICIENTS, valid_phases(), energies)
    for p, (kind, c) in enumerate(zip(KINDS, COEFFICIENTS, strict=True)):
        np.testing.assert_allclose(found[p], [dumb_phase(kind, c, e) for e in energies], atol=1e-9)


def test_energies_are_the_inverse_of_phases_inside_and_outside_the_valid_range() -> None:
    energies = np.geomspace(0.05, 5.0, 301)
    phases = phase_deg(KINDS, COEFFICIENTS, valid_phases(), energies)
    assert np.all(np.diff(phases, axis=1) < 0)
    np.testing.assert_allclose(
        energy_ev(KINDS, COEFFICIENTS, valid_phases(), phases), np.tile(energies, (6, 1)), rtol=1e-9
    )


def test_outside_the_valid_range_energies_follow_the_tangent_and_stay_positive() -> None:
    valid = valid_phases()
    phases = np.linspace(-230, 40, 2001)
    energies = energy_ev(KINDS, COEFFICIENTS, valid, phases)
    assert np.all(energies > 0)
    assert np.all(np.diff(energies, axis=1) < 0)
    step = 1e-4
    for p in range(KINDS.size):
        one = (KINDS[p], COEFFICIENTS[p], valid[p])
        for end, outward in zip(valid[p], (-1, 1), strict=True):
            inside = energy_ev(*one, [end, end - outward * step])
            slope = (inside[0] - inside[1]) / (outward * step)
            beyond = energy_ev(*one, [end + outward * 5.0])[0]
            assert beyond == pytest.approx(inside[0] + outward * 5.0 * slope, rel=1e-5)


def test_one_pixel_gives_one_row_and_pixels_without_a_curve_give_nan() -> None:
    valid = valid_phases()
    one = energy_ev(3, COEFFICIENTS[3], valid[3], [-80.0, -90.0])
    assert one.shape == (2,)
    np.testing.assert_array_equal(one, energy_ev(KINDS, COEFFICIENTS, valid, [-80.0, -90.0])[3])
    assert np.isnan(energy_ev(0, COEFFICIENTS[3], valid[3], [-80.0])).all()
    np.testing.assert_array_equal(
        wavelength_nm(3, COEFFICIENTS[3], valid[3], [-80.0]), HC_EV_NM / one[:1]
    )


def test_errors_are_the_scatter_of_curves_drawn_from_the_covariance() -> None:
    rng = np.random.default_rng(4)
    valid = valid_phases()
    spread = np.array(
        [
            [0.3, 0.3, 0],
            [0.4, 0.6, 0.2],
            [0.4, 0.6, 0.2],
            [2e-3, 3e-3, 0],
            *[[2e-3, 2e-5, 2e-7]] * 2,
        ]
    )
    mix = rng.normal(size=(6, 3, 3)) / 2
    root = spread[:, :, None] * mix
    covariance = root @ root.transpose(0, 2, 1)
    for p in range(6):
        energies = [0.98, 1.2, 1.5]
        phases = [dumb_phase(KINDS[p], COEFFICIENTS[p], e) for e in energies]
        draws = COEFFICIENTS[p] + rng.standard_normal((4000, 3)) @ root[p].T
        n = len(draws)
        drawn = energy_ev(np.full(n, KINDS[p]), draws, np.tile(valid[p], (n, 1)), phases)
        args = (KINDS[p], COEFFICIENTS[p], covariance[p], valid[p], phases)
        np.testing.assert_allclose(energy_error_ev(*args), drawn.std(0), rtol=0.06)
        np.testing.assert_allclose(wavelength_error_nm(*args), (HC_EV_NM / drawn).std(0), rtol=0.07)


def test_outside_the_valid_range_errors_contain_what_the_tangent_leaves_out() -> None:
    valid = valid_phases()[3]
    phases = np.array([dumb_phase(3, COEFFICIENTS[3], e) for e in (0.8, 0.9, 1.2, 1.65, 1.9)])
    energies = energy_ev(3, COEFFICIENTS[3], valid, phases)
    errors = energy_error_ev(3, COEFFICIENTS[3], np.zeros((3, 3)), valid, phases)
    left_out = np.abs(energies - [0.8, 0.9, 1.2, 1.65, 1.9])
    np.testing.assert_allclose(errors, 2 * left_out, atol=1e-12)
    assert errors[2] == 0
    assert np.all(errors[[0, 1, 3, 4]] > 0)


@pytest.mark.parametrize("extrapolated", [False, True])
@pytest.mark.parametrize(
    "window", [(900, 1100), (None, 1000), (1000, None), (None, None), (100, 90_000)]
)
def test_a_window_of_wavelengths_is_exactly_two_phases(window, extrapolated) -> None:
    valid = valid_phases()
    found = phase_window(KINDS, COEFFICIENTS, valid, *window, extrapolated=extrapolated)
    assert found.dtype == np.float32
    rng = np.random.default_rng(7)
    for p in range(KINDS.size):
        near = [
            np.nextafter(np.float32(t), np.float32(side), dtype=np.float32)
            for t in found[p]
            if abs(t) < 1e6
            for side in (-1e9, t, 1e9)
        ]
        phases = np.concatenate([rng.uniform(-230, 30, 3000), near]).astype(np.float32)
        nm = wavelength_nm(KINDS[p], COEFFICIENTS[p], valid[p], phases).astype(np.float32)
        low, high = (
            -np.inf if window[0] is None else window[0],
            np.inf if window[1] is None else window[1],
        )
        inside = (nm >= np.float32(low)) & (nm < np.float32(high))
        if not extrapolated:
            inside &= (phases >= valid[p, 0]) & (phases < valid[p, 1])
        np.testing.assert_array_equal((phases >= found[p, 0]) & (phases < found[p, 1]), inside)


def test_the_window_of_a_pixel_without_a_curve_holds_nothing() -> None:
    found = phase_window([0, 3], [COEFFICIENTS[3]] * 2, [valid_phases()[3]] * 2, 900, 1000)
    assert np.all(np.isinf(found[0]))
    assert np.all(np.isfinite(found[1]))


def test_curves_of_different_numbers_of_pixels_are_refused() -> None:
    arrays = {name: np.zeros(2) for name in curve_module.Curves.__dataclass_fields__}
    arrays["used"] = np.zeros(3)
    with pytest.raises(ConfigError, match="used"):
        curve_module.Curves(**arrays)
