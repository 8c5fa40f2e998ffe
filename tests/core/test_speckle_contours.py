"""Likelihood over (Ic, Is): levels, values, and the Ip of every point, against an optimiser of scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from pipeline_core.speckle.contours import CONTOUR_DROPS, CONTOUR_LEVELS, likelihood_map
from pipeline_core.speckle.fit import NO_PRIORS, fit_histogram, prior_array
from pipeline_core.speckle.likelihood import bin_model, histogram_log_likelihood
from pipeline_core.speckle.settings import Prior


def histogram(ic, is_, ip, n_bins=3000, bin_s=0.01, seed=0):
    """Counts of independent bins."""
    rng = np.random.default_rng((20261131, seed))
    z = rng.standard_normal((2, n_bins)) * math.sqrt(is_ / 2)
    light = (math.sqrt(ic) + z[0]) ** 2 + z[1] ** 2 + ip
    return np.bincount(rng.poisson(light * bin_s))


def errors_of(fit):
    return np.sqrt(np.diag(fit.covariance))


def test_drops_are_those_of_two_parameters():
    expected = stats.chi2.ppf(CONTOUR_LEVELS, 2) / 2
    assert pytest.approx(expected, abs=0.01) == CONTOUR_DROPS


def test_likelihood_map_is_the_likelihood():
    seen, model = histogram(300.0, 100.0, 0.0), bin_model(0.01)
    fit = fit_histogram(seen, model)
    made = likelihood_map(seen, model, fit.values, errors_of(fit), 2.5, size=21)
    assert made.levels == pytest.approx([2.5 * one for one in CONTOUR_DROPS])
    value = histogram_log_likelihood(seen, made.ic_cps[4], made.is_cps[15], 0.0, model)
    assert made.drop[4, 15] == pytest.approx(fit.log_likelihood - value, abs=1e-4)
    assert made.drop.shape == (21, 21)


def dumb_profile(seen, model, ic, is_, priors=NO_PRIORS):
    """The best of many steady intensities, by an optimiser that knows nothing of likelihoods."""

    def cost(ip):
        off = (np.array([ic, is_, ip]) - priors[:, 0]) / priors[:, 1]
        return 0.5 * (off**2).sum() - histogram_log_likelihood(seen, ic, is_, ip, model)

    found = optimize.minimize_scalar(
        cost, bounds=(0, 1500), method="bounded", options={"xatol": 1e-5}
    )
    return -min(found.fun, cost(0.0))


@pytest.mark.parametrize(
    ("ip", "dead_us", "prior"),
    [(80.0, 0.0, None), (80.0, 20.0, None), (0.0, 0.0, None), (80.0, 0.0, Prior(60.0, 4.0))],
)
def test_contours_with_a_steady_source_are_those_of_the_profile(ip, dead_us, prior):
    seen = histogram(250.0, 120.0, ip, seed=1)
    model = bin_model(0.01, tau_s=0.2, dead_time_us=dead_us)
    priors = prior_array((Prior(250.0, 30.0) if prior else None, None, prior))
    fit = fit_histogram(
        seen, model, with_ip=True, priors=(Prior(250.0, 30.0) if prior else None, None, prior)
    )
    wide = np.where(np.isfinite(errors_of(fit)), errors_of(fit), 20.0)
    made = likelihood_map(seen, model, fit.values, wide, with_ip=True, priors=priors, size=13)
    plain = likelihood_map(seen, model, fit.values, wide, priors=priors, size=13)
    top = dumb_profile(seen, model, *fit.values[:2], priors)
    for i, j in ((0, 0), (0, 12), (3, 8), (6, 6), (9, 2), (12, 0), (12, 12)):
        expected = top - dumb_profile(seen, model, made.ic_cps[i], made.is_cps[j], priors)
        assert made.drop[i, j] == pytest.approx(expected, abs=2e-3)
    assert (made.drop <= plain.drop + 1e-3).all()
    # the contours of one Ip alone are too small
    assert (made.drop < CONTOUR_DROPS[2]).sum() > 1.1 * (plain.drop < CONTOUR_DROPS[2]).sum()
