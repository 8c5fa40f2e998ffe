"""Density, averaging, dead time and fit of speckle counts, each against something dumber."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from pipeline_core.errors import ConfigError
from pipeline_core.simulate.speckles import speckle_photons
from pipeline_core.speckle.averaging import WHOLE, averaging, modes_of, variance_factor
from pipeline_core.speckle.binfree import fit_intervals, interval_log_likelihood, intervals_of
from pipeline_core.speckle.density import log_density
from pipeline_core.speckle.fit import fit_histogram
from pipeline_core.speckle.likelihood import (
    bin_model,
    count_probabilities,
    histogram_log_likelihood,
)
from pipeline_core.speckle.moments import (
    intensities_of_moments,
    moment_estimate,
    moments_of,
    start_values,
)
from pipeline_core.speckle.settings import Prior
from pipeline_core.speckle.status import PixelStatus


def exact_log_density(n_max: int, ic: float, is_: float, ip: float) -> list[float]:
    """Laguerre polynomials and a convolution with Poisson's law, in 50 digits."""
    getcontext().prec = 50
    c, s, p = Decimal(ic), Decimal(is_), Decimal(ip)
    r, x = s / (1 + s), -c / (s + s * s)
    speckled = [(-c / (1 + s)).exp() / (1 + s)]
    speckled.append(speckled[0] * r * (1 - x))
    for n in range(1, n_max):
        two = (2 * n + 1 - x) * r * speckled[n] - n * r * r * speckled[n - 1]
        speckled.append(two / (n + 1))
    steady = [(-p).exp()]
    for n in range(n_max):
        steady.append(steady[-1] * p / (n + 1))
    return [
        float(sum(speckled[j] * steady[n - j] for j in range(n + 1)).ln()) for n in range(n_max + 1)
    ]


@pytest.mark.parametrize(
    "light",
    [(3.0, 1.0, 0.0), (3.0, 1.0, 2.0), (1e-3, 5.0, 3.0), (100.0, 0.01, 50.0), (1.0, 1e-4, 60.0)],
)
def test_density_equals_exact_arithmetic(light):
    n_max = 150
    expected = np.array(exact_log_density(n_max, *light))
    found = log_density(n_max, *light)
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max()


def test_density_is_poisson_light_blurred_by_the_modified_rician():
    ic, is_, n = 4.0, 1.5, 7

    def integrand(light):
        scaled = math.exp((2 * math.sqrt(light * ic) - light - ic) / is_) / is_
        from scipy.special import ive

        return scaled * ive(0, 2 * math.sqrt(light * ic) / is_) * stats.poisson.pmf(n, light)

    expected = integrate.quad(integrand, 0, 80, epsabs=1e-13)[0]
    assert log_density(n, ic, is_)[n] == pytest.approx(math.log(expected), rel=1e-9)


def test_density_limits_are_poisson_and_geometric():
    k = np.arange(60)
    assert log_density(59, 3.0, 0.0, 2.0) == pytest.approx(stats.poisson.logpmf(k, 5.0), abs=1e-11)
    assert log_density(59, 0.0, 2.5) == pytest.approx(stats.geom.logpmf(k + 1, 1 / 3.5), abs=1e-11)
    assert log_density(59, 3.0, 1e-9) == pytest.approx(stats.poisson.logpmf(k, 3.0), abs=1e-5)
    nothing = log_density(3, 0.0, 0.0)
    assert nothing[0] == 0.0
    assert np.isneginf(nothing[1:]).all()


def test_density_of_huge_counts_sums_to_one_and_has_the_moments():
    ic, is_, ip = 9000.0, 100.0, 500.0
    p = np.exp(log_density(28_000, ic, is_, ip))
    n = np.arange(p.size)
    assert p.sum() == pytest.approx(1.0, abs=4e-12)
    mean = (n * p).sum()
    assert mean == pytest.approx(ic + is_ + ip, rel=1e-10)
    assert (n * n * p).sum() - mean**2 == pytest.approx(is_**2 + 2 * ic * is_ + mean, rel=1e-8)


def test_density_refuses_what_is_no_intensity():
    for wrong in ((-1.0, 1.0, 0.0), (1.0, math.nan, 0.0), (1.0, 1.0, math.inf)):
        with pytest.raises(ConfigError):
            log_density(5, *wrong)


@pytest.mark.parametrize("x", [1e-4, 2.9e-3, 3.1e-3, 0.1, 1.0, 3.0, 30.0])
def test_averaging_and_modes_equal_a_fine_grid(x):
    """Eigenvalues of the correlation on a grid, sums over its matrix, against formulas."""
    size = 800
    t = (np.arange(size) + 0.5) / size * x
    g = np.exp(-np.abs(t[:, None] - t)) / size
    one = np.full(size, 1 / np.sqrt(size))
    found = averaging(x, 1.0)
    rough = 2e-4 + (x / size) ** 2  # of the grid
    assert found.speckle2 == pytest.approx(np.trace(g @ g), rel=rough)
    assert found.mixed2 == pytest.approx(one @ g @ one, rel=rough)
    eigenvalues, vectors = np.linalg.eigh(g)
    sizes, numbers, of_ic = modes_of(x).T
    told = min(sizes.size - 1, 4)  # the last ones stand for many
    assert sizes[:told] == pytest.approx(eigenvalues[::-1][:told], rel=rough + 1e-4)
    assert of_ic[:told] == pytest.approx(
        (one @ vectors)[::-1][:told] ** 2, rel=rough + 1e-4, abs=1e-9
    )
    assert numbers @ sizes == pytest.approx(1.0, abs=1e-12)
    assert of_ic.sum() == pytest.approx(1.0, abs=1e-12)
    assert numbers @ sizes**2 == pytest.approx(found.speckle2, rel=1e-9)
    assert of_ic @ sizes == pytest.approx(found.mixed2, rel=rough)


def test_averaging_over_very_long_and_no_bins():
    assert variance_factor(math.inf) == 0.0
    assert averaging(0.01, None) == (1.0, 1.0)
    assert modes_of(0.0) is WHOLE
    assert np.array_equal(bin_model(0.01).modes, [[1.0, 1.0, 1.0]])
    narrow = modes_of(1e-9)
    assert narrow[0] == pytest.approx([1.0, 1.0, 1.0])
    assert narrow[:, 0] @ narrow[:, 1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "light"),
    list(itertools.product((0.1, 1.0, 5.0), ((3, 1, 0), (1, 30, 2), (100, 5, 0)))),
)
def test_density_of_averaged_light_is_the_transform_of_its_generating_function(x, light):
    """The generating function of 300 eigenvalues on a grid, back to probabilities by a Fourier transform."""
    ic, is_, ip = light
    size = 300
    t = (np.arange(size) + 0.5) / size * x
    eigenvalues, vectors = np.linalg.eigh(np.exp(-np.abs(t[:, None] - t)) / size)
    of_ic = vectors.sum(axis=0) ** 2 / size
    u = 1 - np.exp(2j * np.pi * np.arange(1024) / 1024)[:, None]
    faded = 1 + eigenvalues * is_ * u
    log_g = -ip * u[:, 0] - (np.log(faded) + ic * of_ic * u / faded).sum(axis=1)
    expected = np.fft.fft(np.exp(log_g)).real / 1024
    model = bin_model(1.0, tau_s=1.0 / x)
    found = count_probabilities(1023, ic, is_, ip, model)
    assert found == pytest.approx(expected, abs=2e-4 * expected.max())
    plain = count_probabilities(1023, ic, is_, ip, bin_model(1.0))
    assert np.abs(plain - expected).max() > 5e-3 * expected.max()


@pytest.mark.parametrize("taus_a_bin", [1.0, 3.0])
def test_fits_of_bins_longer_than_tau_are_right(taus_a_bin):
    """One modified Rician with the cumulants of the averaged light gave 157 for the 100 counts/s of Ic here."""
    model = bin_model(0.1 * taus_a_bin, tau_s=0.1)
    p = count_probabilities(1500, 100.0, 300.0, 0.0, model)
    light = fit_histogram(np.round(1e9 * p), model).values
    assert light == pytest.approx((100.0, 300.0, 0.0), rel=1e-3)
    rng = np.random.default_rng(61)
    times = speckle_photons(rng, ic_cps=100, is_cps=300, tau_s=0.03, seconds=1500)
    bin_s = 0.03 * taus_a_bin
    n_bins = round(1500 / bin_s)
    seen = np.bincount(np.bincount((times / bin_s).astype(int), minlength=n_bins)[:n_bins])
    found = fit_histogram(seen, bin_model(bin_s, tau_s=0.03))
    errors = np.sqrt(np.diag(found.covariance)[:2])
    assert np.all(np.abs(found.values[:2] - (100, 300)) < 4.5 * errors)
    assert errors.max() < 15.0


@pytest.mark.parametrize(("rate", "bin_s"), [(2000.0, 1e-3), (1000.0, 0.01), (5000.0, 0.002)])
def test_dead_time_gives_the_counts_of_a_renewal_process(rate, bin_s):
    """Constant light: the exact probabilities of a bin that begins at random are sums of gamma distributions."""
    dead = 10e-6
    k = np.arange(60 if bin_s < 0.01 else 90)
    expected = renewal_probabilities(k.size, rate, bin_s, dead)
    found = count_probabilities(k.size - 1, rate, 0.0, 0.0, bin_model(bin_s, dead_time_us=10.0))
    assert found.sum() == pytest.approx(1.0, abs=3 * (rate * dead) ** 2)
    assert np.abs(np.cumsum(found - expected)).max() < 2e-3
    poisson = stats.poisson.pmf(k, rate * bin_s)
    assert np.abs(np.cumsum(poisson - expected)).max() > 8e-3


def renewal_probabilities(size: int, rate: float, bin_s: float, dead: float) -> np.ndarray:
    """P(n) of recorded photons in a bin that begins at random: equilibrium renewal process (Cox 1962, 3.2)."""

    mean_step = 1 / rate + dead
    grid = np.linspace(0, bin_s, 601)
    # density of the first photon's time: survival of a step, over its mean
    first = np.where(grid < dead, 1.0, np.exp(-rate * np.maximum(grid - dead, 0))) / mean_step
    reach = [1.0]
    for n in range(size + 1):
        left = bin_s - grid - n * dead
        rest = np.ones(grid.size) if n == 0 else stats.gamma.cdf(left, n, scale=1 / rate)
        reach.append(float(integrate.trapezoid(first * rest, grid)))
        if reach[-1] < 1e-12:
            reach += [0.0] * (size + 2 - len(reach))
            break
    return -np.diff(reach)[:size]


def test_dead_time_series_equals_bins_of_each_count_s_own_width():
    """The dumb way: every count has its own live width, and its own density."""
    light, bin_s = (900.0, 300.0, 50.0), 0.01
    seen = np.bincount(np.random.default_rng(1).poisson(11, 500))
    dead = 30.0
    expected = 0.0
    for n, number in enumerate(seen):
        width = bin_s - n * dead * 1e-6
        log_p = log_density(n, *(width * one for one in light))[n]
        expected += number * (log_p - n * math.log(width / bin_s))
    found = histogram_log_likelihood(seen, *light, bin_model(bin_s, dead_time_us=dead))
    assert found == pytest.approx(expected, rel=1e-12)


def test_photons_of_other_wavelengths_shorten_the_bin():
    model = bin_model(0.01, dead_time_us=100.0, other_cps=1000.0)
    assert model.width_s == pytest.approx(0.009)
    with pytest.raises(ConfigError, match="holds nothing"):
        bin_model(0.01, dead_time_us=100.0, other_cps=1.01e4)


def drawn(light, bin_s, n_bins, seed):
    """Counts of independent bins without dead time."""
    ic, is_, ip = light
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((2, n_bins)) * math.sqrt(is_ / 2)
    intensity = (math.sqrt(ic) + z[0]) ** 2 + z[1] ** 2 + ip
    return np.bincount(rng.poisson(intensity * bin_s))


@pytest.mark.parametrize("with_ip", [False, True])
@pytest.mark.parametrize("light", [(300.0, 100.0, 0.0), (60.0, 90.0, 0.0), (400.0, 150.0, 300.0)])
def test_fit_equals_a_dumb_optimiser(light, with_ip):
    seen = drawn(light, 0.01, 4000, 7)
    model = bin_model(0.01, tau_s=0.1, dead_time_us=10.0)

    def cost(values):
        ic, is_, ip = np.append(np.abs(values), np.zeros(3 - len(values)))
        return -histogram_log_likelihood(seen, ic, is_, ip, model)

    start = np.array([200.0, 100.0, 50.0])[: 2 + with_ip]
    dumb = optimize.minimize(
        cost, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9, "maxiter": 5000}
    )
    found = fit_histogram(seen, model, with_ip=with_ip)
    assert found.status in (PixelStatus.OK, PixelStatus.AT_BOUND)
    assert found.log_likelihood > -dumb.fun - 2e-3
    if found.status == PixelStatus.OK:
        assert found.values[: len(start)] == pytest.approx(np.abs(dumb.x), rel=2e-3, abs=0.3)


def test_errors_are_those_of_the_curvature():
    seen = drawn((300.0, 100.0, 0.0), 0.01, 4000, 8)
    model = bin_model(0.01)
    found = fit_histogram(seen, model)
    step = 0.5

    def value(a, b):
        ic, is_ = found.values[0] + a * step, found.values[1] + b * step
        return histogram_log_likelihood(seen, ic, is_, 0.0, model)

    curvature = np.empty((2, 2))
    curvature[0, 0] = value(1, 0) - 2 * value(0, 0) + value(-1, 0)
    curvature[1, 1] = value(0, 1) - 2 * value(0, 0) + value(0, -1)
    mixed = value(1, 1) - value(1, -1) - value(-1, 1) + value(-1, -1)
    curvature[0, 1] = curvature[1, 0] = mixed / 4
    expected = np.linalg.inv(-curvature / step**2)
    assert found.covariance[:2, :2] == pytest.approx(expected, rel=1e-2)
    assert np.isnan(found.covariance[2]).all()


def test_intensities_scatter_about_the_truth_as_errors_say():
    light = (300.0, 100.0, 200.0)
    fits = [
        fit_histogram(drawn(light, 0.01, 3000, k), bin_model(0.01), with_ip=True) for k in range(60)
    ]
    pulls = np.array([(f.values - light) / np.sqrt(np.diag(f.covariance)) for f in fits])
    assert np.abs(np.nanmean(pulls, axis=0)).max() < 0.45  # of 60 pulls: sigma 0.13
    assert np.nanstd(pulls, axis=0) == pytest.approx(1.0, abs=0.3)


def test_prior_pulls_as_far_as_it_should():
    """With a Gaussian likelihood and prior, the mean is weighted by precisions; a sharp prior holds its value."""
    seen = drawn((300.0, 100.0, 0.0), 0.01, 20_000, 9)
    model = bin_model(0.01)
    free = fit_histogram(seen, model)
    sigma = math.sqrt(free.covariance[0, 0])
    pulled = fit_histogram(
        seen, model, priors=(Prior(free.values[0] + 2 * sigma, sigma), None, None)
    )
    assert pulled.values[0] == pytest.approx(free.values[0] + sigma, abs=0.1 * sigma)
    assert math.sqrt(pulled.covariance[0, 0]) == pytest.approx(sigma / math.sqrt(2), rel=0.05)
    held = fit_histogram(seen, model, priors=(None, Prior(50.0, 0.01), None))
    assert held.values[1] == pytest.approx(50.0, abs=0.1)


def test_no_speckles_and_no_coherent_light_are_at_a_bound():
    rng = np.random.default_rng(11)
    calm = np.bincount(np.sort(rng.poisson(5.0, 3000))[20:2980])  # narrower than Poisson
    found = fit_histogram(calm, bin_model(0.01))
    assert found.status == PixelStatus.AT_BOUND
    assert found.values[1] == 0.0
    assert found.values[0] == pytest.approx((calm * np.arange(calm.size)).sum() / calm.sum() / 0.01)
    wild = np.bincount(np.append(rng.geometric(0.2, 3000) - 1, [60] * 20))  # wider than geometric
    found = fit_histogram(wild, bin_model(0.01))
    assert found.status == PixelStatus.AT_BOUND
    assert found.values[0] == 0.0
    assert list(found.free) == [False, True, False]


@pytest.mark.parametrize("seen", [[0, 1], [0, 0, 0, 5], [500, 1], [1, 0, 0, 0, 0, 1]])
@pytest.mark.parametrize("with_ip", [False, True])
def test_odd_histograms_give_numbers(seen, with_ip):
    found = fit_histogram(seen, bin_model(0.01, tau_s=0.05, dead_time_us=10), with_ip=with_ip)
    assert found.status != PixelStatus.NOT_COMPUTED
    assert np.isfinite(found.values).all()
    assert (found.values >= 0).all()


def test_no_photons_and_no_histogram():
    for empty in ([10], [0], []):
        found = fit_histogram(empty, bin_model(0.01))
        assert found.status == PixelStatus.TOO_FEW_PHOTONS
        assert np.isnan(found.values).all()
    for wrong in ([[1, 2]], [1, -1]):
        with pytest.raises(ConfigError):
            fit_histogram(wrong, bin_model(0.01))


def test_huge_counts_are_fitted():
    seen = drawn((9000.0, 900.0, 0.0), 1.0, 300, 12)
    assert seen.size > 15_000
    found = fit_histogram(seen, bin_model(1.0))
    assert found.status == PixelStatus.OK
    errors = np.sqrt(np.diag(found.covariance))[:2]
    assert np.abs((found.values[:2] - (9000, 900)) / errors).max() < 3.5


def test_moments_correct_for_dead_time_and_bin_width():
    rng = np.random.default_rng(13)
    times = speckle_photons(
        rng, ic_cps=1500, is_cps=500, tau_s=0.02, seconds=400, dead_time_us=10.0
    )
    seen = np.bincount(np.bincount((times / 0.002).astype(int), minlength=200_000))
    found = moments_of(seen)
    right = moment_estimate(found, bin_model(0.002, tau_s=0.02, dead_time_us=10.0))
    assert right == pytest.approx((1500, 500), rel=0.05)
    plain = moment_estimate(found, bin_model(0.002))
    assert plain[1] < 0.92 * 500
    mean, excess = intensities_of_moments(found, bin_model(0.002, dead_time_us=10.0))
    assert mean == pytest.approx(2000, rel=0.01)
    left = averaging(0.002, 0.02)
    assert excess == pytest.approx(left.speckle2 * 500**2 + 2 * left.mixed2 * 1500 * 500, rel=0.06)


def test_moments_are_numpy_s():
    counts = np.random.default_rng(2).poisson(3.0, 200)
    found = moments_of(np.bincount(counts))
    assert found.n_bins == 200
    assert found.mean == pytest.approx(counts.mean())
    assert found.variance == pytest.approx(counts.var(ddof=1))
    assert found.third == pytest.approx(((counts - counts.mean()) ** 3).mean())


def test_starts_are_inside():
    for seen in ([5, 4, 3], [0, 100], [100, 0, 0, 0, 0, 0, 0, 9]):
        for with_ip in (False, True):
            moments = moments_of(np.array(seen))
            start = start_values(moments, bin_model(0.01, tau_s=0.1), with_ip)
            assert sum(start) == pytest.approx(moments.mean / 0.01)
            assert min(start[: 2 + with_ip]) > 0


# --- without bins ----------------------------------------------------------------------------------


def test_interval_density_is_normalised_and_is_the_derivative_of_the_laplace_transform():
    ic, is_, ip, dead = 300.0, 100.0, 50.0, 10e-6

    def density(t):
        return math.exp(interval_log_likelihood([t], ic, is_, ip, 10.0))

    total = integrate.quad(density, dead, 0.02, limit=200)[0]
    total += integrate.quad(density, 0.02, 5.0, limit=200)[0]
    assert total == pytest.approx(1.0, abs=1e-6)

    def laplace(t):
        u = 1 / (1 + is_ * t)
        return u * math.exp(-ic * t * u - ip * t)

    t, h = 0.003, 1e-5
    second = (laplace(t + h) - 2 * laplace(t) + laplace(t - h)) / h**2
    first = (laplace(dead + 1e-8) - laplace(dead - 1e-8)) / 2e-8
    assert density(t) == pytest.approx(-second / first, rel=1e-4)


def test_intervals_without_speckles_are_exponential():
    steps = np.random.default_rng(3).exponential(1e-3, 500) + 10e-6
    found = interval_log_likelihood(steps, 700.0, 0.0, 300.0, 10.0)
    assert found == pytest.approx(stats.expon.logpdf(steps - 10e-6, scale=1e-3).sum())


def test_fit_without_bins_recovers_the_truth_and_warns():
    rng = np.random.default_rng(5)
    times = speckle_photons(rng, ic_cps=300, is_cps=100, seconds=300, dead_time_us=10)
    found = fit_intervals(np.diff(times), dead_time_us=10.0, tau_s=0.1)
    assert found.values[:2] == pytest.approx((300, 100), abs=25)
    assert found.errors[:2] == pytest.approx((10.3 / math.sqrt(10), 6.0 / math.sqrt(10)), rel=0.2)
    assert found.warning == ""
    slow = fit_intervals(np.diff(times), dead_time_us=10.0, tau_s=0.01)
    assert "change" in slow.warning
    times = speckle_photons(rng, ic_cps=100, is_cps=300, seconds=30)
    assert "above Ic" in fit_intervals(np.diff(times)).warning
    assert fit_intervals(np.array([0.1])).warning == "Too few photons."


def test_intervals_leave_out_gaps():
    times = np.array([0, 100, 105, 5000, 9000, 9100], np.uint32)
    closed = np.array([[150.0, 4000.0], [5500.0, 5600.0]])
    found = intervals_of(times, closed, 10.0)
    assert found == pytest.approx([100e-6, 100e-6])


def test_an_interval_below_the_dead_time_is_refused():
    with pytest.raises(ConfigError, match="dead time"):
        interval_log_likelihood([1e-6], 1.0, 1.0, 0.0, 10.0)
    with pytest.raises(ConfigError, match="not all 0"):
        interval_log_likelihood([1e-3], 0.0, 0.0, 0.0)
