"""What line fits are made of, against NumPy, SciPy and dumb sums."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from line_histograms import EDGES, draw_lines
from scipy.special import ndtr

from pipeline_core.wavecal import _linekernels as lk
from pipeline_core.wavecal import _mathkernels as mathkernels
from pipeline_core.wavecal import _modelkernels as mk
from pipeline_core.wavecal._pixelkernels import fit_pixel
from pipeline_core.wavecal.linefit import fit_lines

pytestmark = pytest.mark.timeout(600)  # kernels may have to be compiled first


@numba.njit
def exponentials(x, result):
    for i in range(x.size):
        result[i] = mathkernels.exp(x[i])


@numba.njit
def logarithms(x, result):
    for i in range(x.size):
        result[i] = mathkernels.log(x[i])


@numba.njit
def normals(x, share, density):
    for i in range(x.size):
        share[i], density[i] = mathkernels.normal(x[i])


@numba.njit
def weighed_information(bins, model, used, count, fisher):
    lk.weigh(bins, model)
    lk.information(model, used, count, fisher)


@numba.njit
def solved(fisher, first, count, damping, unit, matrix, step):
    return lk.solve(fisher, first, count, damping, 1e-300, unit, matrix, step)


@numba.njit
def deviance(bins, model):
    return mk.deviance(bins, model)


def test_the_exponential_is_that_of_numpy():
    x = np.random.default_rng(1).uniform(-700, 700, 100_000)
    x[:5] = 0.0, 1e-300, -1e-17, 1.0, -708.0
    found = np.empty(x.size)
    exponentials(x, found)
    np.testing.assert_allclose(found, np.exp(x), rtol=1e-15)
    beyond = np.empty(3)
    exponentials(np.array([-1e9, 1e9, np.nan]), beyond)
    assert 0 < beyond[0] < 1e-300
    assert 1e300 < beyond[1] < np.inf
    assert np.isnan(beyond[2])


def test_the_logarithm_is_that_of_numpy():
    rng = np.random.default_rng(2)
    x = np.exp(np.append(rng.uniform(-600, 600, 50_000), rng.uniform(-1e-3, 1e-3, 50_000)))
    x[:3] = 1.0, np.sqrt(0.5), 2.0
    found = np.empty(x.size)
    logarithms(x, found)
    np.testing.assert_allclose(found, np.log(x), rtol=2e-15)


def test_share_and_density_of_a_gaussian_are_those_of_scipy():
    x = np.random.default_rng(3).uniform(-8.499, 8.499, 100_000)
    x[:3] = 0.0, -1e-9, 1e-9
    share, density = np.empty(x.size), np.empty(x.size)
    normals(x, share, density)
    np.testing.assert_allclose(share, ndtr(x), rtol=3e-14)
    np.testing.assert_allclose(density, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), rtol=1e-14)
    far = np.array([-1e6, -9.0, -mathkernels.FAR, mathkernels.FAR, 9.0, 1e6])
    share, density = np.empty(6), np.empty(6)
    normals(far, share, density)
    np.testing.assert_array_equal(share, [0, 0, 0, 1, 1, 1])
    assert not density.any()


def line(rng, n_bin):
    """Return `bins` and `model` of random numbers."""
    bins, model = (
        rng.uniform(0.1, 1, (mk.N_GIVEN, n_bin + 1)),
        rng.normal(0, 1, (mk.N_ROWS, n_bin + 1)),
    )
    bins[mk.COUNTS] = rng.poisson(2, n_bin + 1)
    model[mk.LAM] = rng.uniform(0.5, 4, n_bin + 1)
    bins[1:, -1] = model[:, -1] = np.nan  # of the edges alone
    return bins, model


@pytest.mark.parametrize("n_bin", [1, 7, 64, 83])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_fisher_matrix_and_gradient_are_sums_over_bins(n_bin, count):
    rng = np.random.default_rng(4)
    bins, model = line(rng, n_bin)
    rows = rng.permutation(mk.N_THETA)[:count]
    used = np.append(rows, np.zeros(lk.AT_ONCE, np.int64))
    fisher = np.full((count + 1, count + lk.AT_ONCE), np.nan)
    jac, lam, n = model[rows, :-1].copy(), model[mk.LAM, :-1].copy(), bins[mk.COUNTS, :-1]
    weighed_information(bins, model, used, count, fisher)
    below = np.tril_indices(count)
    wanted = (jac / lam) @ jac.T
    np.testing.assert_allclose(fisher[:count, :count][below], wanted[below], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fisher[count, :count], jac @ (n / lam - 1), rtol=1e-12, atol=1e-12)


def test_damped_steps_are_those_of_dense_matrices():
    rng = np.random.default_rng(5)
    jac = rng.normal(0, 1, (5, 40)) * 10.0 ** np.arange(-2, 3)[:, None]
    full, gradient, first = jac @ jac.T, rng.normal(0, 1, 5), np.zeros(5, np.int64)
    fisher = np.vstack([np.tril(full), gradient])
    unit, matrix, step = np.empty(5), np.full((5, 5), np.nan), np.empty(5)
    assert solved(fisher, first, 5, 0.3, unit, matrix, step)
    wanted = np.linalg.solve(full + 0.3 * np.diag(np.diag(full)), gradient)
    np.testing.assert_allclose(step, wanted, rtol=1e-10)
    fisher[4, 3] = 10 * np.sqrt(full[3, 3] * full[4, 4])
    assert not solved(fisher, first, 5, 0.0, unit, matrix, step)


def test_lines_that_share_few_parameters_are_solved_without_what_is_nothing():
    rng = np.random.default_rng(8)
    jac = rng.normal(0, 1, (8, 60))
    jac[:3, 20:], jac[3:6, :20], jac[3:6, 40:] = 0, 0, 0  # of two lines; the last two are of all
    full, gradient = jac @ jac.T, rng.normal(0, 1, 8)
    fisher, first = np.vstack([np.tril(full), gradient]), np.array([0, 0, 0, 3, 3, 3, 0, 0])
    fisher[3:6, :3] = np.nan  # not even read
    unit, matrix, step = np.empty(8), np.full((8, 8), np.nan), np.empty(8)
    assert solved(fisher, first, 8, 0.0, unit, matrix, step)
    np.testing.assert_allclose(step, np.linalg.solve(full, gradient), rtol=1e-10)


def test_the_deviance_is_a_sum_over_bins():
    bins, model = line(np.random.default_rng(6), 83)
    n, lam = bins[mk.COUNTS, :-1], model[mk.LAM, :-1]
    terms = lam - n + np.where(n > 0, n * np.log(np.maximum(n, 1) / lam), 0.0)
    assert deviance(bins, model) == pytest.approx(2 * terms.sum(), rel=1e-13)


def test_histograms_that_are_read_only_need_no_kernels_of_their_own():
    drawn = draw_lines(np.random.default_rng(7), n_pixel=2, photons=300)
    edges, counts = EDGES.copy(), drawn.counts
    scale = np.ones(counts.shape[:2])
    first = fit_lines(counts, edges, background=counts, background_scale=scale)
    known = len(fit_pixel.signatures)
    for array in (edges, counts, scale):
        array.setflags(write=False)
    again = fit_lines(counts, edges, background=counts, background_scale=scale)
    np.testing.assert_array_equal(again.parameters, first.parameters)
    fit_lines(counts, edges)
    assert len(fit_pixel.signatures) == known
