"""Darks: the smooth spectrum that is made of one, and lines on thermal light that are fitted with it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize
from wavecal_darks import with_dark
from wavecal_nights import laser_histograms, true_solution
from wavecal_pixels import DEG_EDGES, Recipe, observe

from pipeline_core.wavecal import _darkkernels as dk
from pipeline_core.wavecal.linefit import STATUS, dark_spectra, fit_lines
from pipeline_core.wavecal.models import COMPONENTS, PARAMETERS, trigger_share
from pipeline_core.wavecal.plotfacts import Facts, line_facts

pytestmark = pytest.mark.timeout(600)  # kernels may have to be compiled first

_EDGE, _SOFTNESS = -24.3, 1.1


def dark_counts(rng, scale_deg=9.0, photons=400.0, hump=0.0):
    middle = 0.5 * (DEG_EDGES[1:] + DEG_EDGES[:-1])
    before = np.exp((middle - _EDGE) / scale_deg)
    before += hump * np.exp(-0.5 * ((middle + 70) / 8) ** 2)
    seen = trigger_share(DEG_EDGES, _EDGE, _SOFTNESS)
    before *= photons / (seen * before).sum()
    return rng.poisson(seen * before).astype(np.uint32), before, seen


def smoothest(counts, seen, weight):
    """Penalised log spectrum and marginal likelihood, with dense matrices."""
    m = counts.size
    bend = np.diff(np.eye(m), 2, axis=0)
    penalty = weight * bend.T @ bend

    def cost(s):
        mean = seen * np.exp(s)
        gradient = mean - counts + penalty @ s
        return (mean - counts * s).sum() + 0.5 * s @ penalty @ s, gradient

    start = np.full(m, np.log(counts.sum() / seen.sum()))
    s = start
    for _ in range(3):
        s = minimize(
            cost,
            s,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 30000, "maxfun": 60000, "ftol": 1e-15},
        ).x
    mean = seen * np.exp(s)
    for _ in range(30):  # L-BFGS comes near, Newton the rest of the way
        s = s - np.linalg.solve(np.diag(mean) + penalty, mean - counts + penalty @ s)
        mean = seen * np.exp(s)
    _, determinant = np.linalg.slogdet(np.diag(mean) + penalty)
    value = (counts * s - mean).sum() - 0.5 * s @ penalty @ s
    return s, value + 0.5 * ((m - 2) * np.log(weight) - determinant)


@pytest.mark.parametrize(("weight", "hump"), [(1e2, 3.0), (1e4, 0.0)])
def test_the_smoother_is_the_one_of_dense_matrices(weight, hump):
    counts, _, seen = dark_counts(np.random.default_rng(1), hump=hump)
    stop = 206  # about where less than a twentieth is seen
    wanted, value = smoothest(counts[:stop].astype(float), seen[:stop], weight)
    s = np.full(stop, np.log(counts.sum() / seen.sum()))
    found = dk._smooth(counts[:stop].astype(float), seen[:stop], weight, s)
    mean = seen[:stop] * np.exp(wanted)
    np.testing.assert_allclose(seen[:stop] * np.exp(s), mean, rtol=0.02, atol=0.02)
    assert found == pytest.approx(value, abs=0.05)


def test_the_smoothness_is_what_the_counts_ask_for():
    rng = np.random.default_rng(2)
    for photons, hump, bent in ((300.0, 0.0, False), (5000.0, 3.0, True)):
        counts, before, _ = dark_counts(rng, photons=photons, hump=hump)
        spectrum = dark_spectra(counts[None], [1.0], DEG_EDGES, _EDGE, _SOFTNESS)[0, 0]
        at = slice(130, 204)
        curvature = np.abs(np.diff(np.log(spectrum[at]), 2)).max()
        assert (curvature > 1e-3) == bent
        pull = (spectrum - before)[at] / np.sqrt(before[at])
        assert np.abs(pull).max() < 1.0  # far less than the counts' own noise


@pytest.mark.parametrize(
    ("photons", "hump", "lost"), [(20.0, 0.3, True), (300.0, 1.0, False), (2000.0, 3.0, False)]
)
def test_no_smoothness_is_better_than_the_one_that_is_found(photons, hump, lost):
    rng = np.random.default_rng(4)
    edge_seen = trigger_share(DEG_EDGES, _EDGE, _SOFTNESS)
    stop = np.flatnonzero(edge_seen >= 0.05)[-1] + 1
    declined = False
    for _ in range(40):
        counts, _, seen = dark_counts(rng, photons=photons, hump=hump)
        result = np.zeros((2, counts.size))
        dk.dark_spectrum(DEG_EDGES, counts, _EDGE, _SOFTNESS, 1.0, result)
        s = np.full(stop, np.log(counts[:stop].sum() / seen[:stop].sum()))
        tried = []
        for weight in 10.0 ** np.arange(8, 0, -1):
            value = dk._smooth(counts[:stop].astype(float), seen[:stop], weight, s)
            tried.append((value, s.copy()))
        values = [value for value, _ in tried]
        best = int(np.argmax(values))
        declined |= (np.diff(values[: best + 1]) < 0).any()
        np.testing.assert_allclose(np.log(result[0, :stop]), tried[best][1], atol=1e-6)
    assert declined == lost  # likelihood may be lost before it is won again


def test_amplitude_and_tilt_of_a_spectrum_are_known_as_its_error_says():
    rng = np.random.default_rng(3)
    pulls = []
    for _ in range(300):
        counts, before, seen = dark_counts(rng, photons=200.0)
        result = np.zeros((2, counts.size))
        error = dk.dark_spectrum(DEG_EDGES, counts, _EDGE, _SOFTNESS, 0.5, result)
        spectrum, tilt = result
        keep = seen > 0.05
        weight = (seen * before)[keep]
        off = np.log(2 * spectrum / before)[keep]
        pulls.append(
            np.polynomial.polynomial.polyfit(tilt[keep], off, 1, w=np.sqrt(weight)) / error
        )
    for column in np.array(pulls).T:
        assert column.std() == pytest.approx(1.0, abs=0.15)
        assert abs(column.mean()) < 0.25


def test_a_dark_without_photons_tells_nothing():
    result = np.ones((2, DEG_EDGES.size - 1))
    nothing = np.zeros(DEG_EDGES.size - 1, np.uint32)
    assert dk.dark_spectrum(DEG_EDGES, nothing, _EDGE, _SOFTNESS, 1.0, result) == dk.NO_DARK
    assert not result.any()
    night = observe(Recipe("arctan", 300, 120, 31))
    counts = laser_histograms(night).counts
    with_empty = fit_lines(counts, DEG_EDGES, background=np.zeros_like(counts))
    without = fit_lines(counts, DEG_EDGES)
    for field in dataclasses.fields(without):
        np.testing.assert_array_equal(
            getattr(with_empty, field.name), getattr(without, field.name), err_msg=field.name
        )


@pytest.mark.parametrize("length", [0.2, 1.0])
def test_a_dark_is_believed_as_far_as_its_counts_go(length):
    night = observe(Recipe("arctan", 1000, 400, 32))
    drawn, _ = with_dark(night, 0.5, length, 33)
    fits = fit_lines(
        drawn.counts,
        DEG_EDGES,
        background=drawn.background,
        background_scale=drawn.background_scale,
        hot=drawn.hot,
    )
    kept = night.calibratable()
    assert (fits.status[kept] == STATUS.index("ok")).mean() > 0.97
    # chance makes few second peaks, and the misfit of short darks is small
    assert (fits.model[kept] > 1).mean() < 0.04
    assert (fits.status[kept] == STATUS.index("bad_fit")).mean() < 0.005
    pull = ((fits.centre_deg - night.centre_deg) / fits.centre_error)[fits.ok & kept[:, None]]
    assert pull.std() == pytest.approx(1.0, abs=0.1)
    assert abs(pull.mean()) < 0.1


def test_a_background_that_the_dark_overrates_is_brought_down():
    night = observe(Recipe("arctan", 1000, 200, 34))
    drawn, _ = with_dark(night, 0.5, 1.0, 35)
    fits = fit_lines(
        drawn.counts,
        DEG_EDGES,
        background=drawn.background,
        background_scale=drawn.background_scale * 1.05,
    )
    amplitude = fits.parameters[night.calibratable()][..., PARAMETERS.index("background_log")]
    assert np.nanmedian(amplitude) == pytest.approx(-np.log(1.05), abs=0.02)


def test_the_drawn_model_has_the_background_in_it():
    solution = true_solution()
    night = observe(Recipe("arctan", 1000, 400, 5))  # that of the solution
    drawn, _ = with_dark(night, 0.5, 1.0, 36)
    fits = fit_lines(
        drawn.counts,
        DEG_EDGES,
        background=drawn.background,
        background_scale=drawn.background_scale,
        hot=drawn.hot,
    )
    solution = dataclasses.replace(solution, histograms=drawn, lines=fits, solution_id="")
    facts = Facts.of(solution)
    p = facts.number(facts.typical_pixel())
    line = line_facts(facts, p, 1)
    assert line.expected.sum() == pytest.approx(line.counts.sum(), rel=0.02)
    background = line.components[COMPONENTS.index("background")]
    assert background.sum() > 0.2 * line.counts.sum()


def test_solutions_from_before_the_background_was_fitted_are_read():
    lines = true_solution().lines
    old = dataclasses.replace(lines, parameters=lines.parameters[..., :11])
    assert old.parameters.shape == lines.parameters.shape
    np.testing.assert_array_equal(old.parameters[..., :11], lines.parameters[..., :11])
    assert not old.parameters[..., 11:].any()
