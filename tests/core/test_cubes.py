"""Kernels of cubes against a dumb loop, on random photons and bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observations import make_observation

from pipeline_core import ObsFile, cubes, weighed_cubes, weight_kernels
from pipeline_core.calibration import rounded_nm
from pipeline_core.errors import CalibrationError
from pipeline_core.flatfield import weight_at
from pipeline_core.wavecal._curvekernels import ARCTAN, ENERGY_QUADRATIC, LINEAR, QUADRATIC


@st.composite
def pixel(draw):
    n = draw(st.integers(0, 60))
    times = np.sort(draw(st.lists(st.integers(0, 1000), min_size=n, max_size=n))).astype(np.uint32)
    phases = draw(st.lists(st.integers(-40, 5), min_size=n, max_size=n))
    edges = np.unique(draw(st.lists(st.integers(0, 1001), min_size=2, max_size=6)))
    if edges.size < 2:
        edges = np.array([edges[0], edges[0] + 7])
    cuts = sorted(draw(st.lists(st.integers(0, 1001), max_size=6)))
    excluded = np.array(cuts[: len(cuts) // 2 * 2], np.int64).reshape(-1, 2)
    keep = np.append(True, excluded[1:, 0] > excluded[:-1, 1]) if excluded.size else []
    thresholds = np.sort(draw(st.lists(st.integers(-41, 6), min_size=2, max_size=9))).astype(float)
    return times, np.array(phases, np.float32), edges, excluded[keep], thresholds


@given(pixel())
@settings(max_examples=300)
def test_counting_is_what_a_loop_counts(given):
    times, phases, edges, excluded, thresholds = given
    counts = np.zeros((edges.size - 1, thresholds.size - 1), np.uint32)
    recorded = np.zeros(edges.size - 1, np.uint32)
    cells = np.empty(17, np.int32)
    cubes._count_pixel(times, phases, edges, excluded, thresholds, cells, counts, recorded)
    dumb, seen = np.zeros_like(counts), np.zeros_like(recorded)
    for time, phase in zip(times.tolist(), phases.tolist(), strict=True):
        for t in range(edges.size - 1):
            if edges[t] <= time < edges[t + 1]:
                if any(a <= time < b for a, b in excluded.tolist()):
                    continue
                seen[t] += 1
                for k in range(thresholds.size - 1):
                    if thresholds[k] <= phase < thresholds[k + 1]:
                        dumb[t, k] += 1
    np.testing.assert_array_equal(counts, dumb)
    np.testing.assert_array_equal(recorded, seen)


@given(pixel(), st.tuples(st.integers(0, 1000), st.integers(1, 1001)) | st.none())
@settings(max_examples=300)
def test_weighing_is_what_a_loop_adds_up(given, image):
    """Phases and times lie on edges now and then; weights differ from photon to photon."""
    image_us = np.array([] if image is None else [min(image), max(image)], np.int64)
    times, phases, edges, excluded, thresholds = given
    line = np.array([6.3, -21.0, 0.0])  # phase = 6.3 deg - 21 deg/eV * energy
    valid = np.array([-45.0, 10.0])
    middle = np.linspace(2.0, 0.4, 7)
    weights = np.linspace(0.5, 1.7, 7).astype(np.float32) ** 2
    shape = (edges.size - 1, thresholds.size - 1)
    sums, squares, cells = np.zeros(shape), np.zeros(shape), np.empty(17, np.int32)
    pixel = (
        LINEAR,
        line,
        valid,
        middle,
        weights,
        weighed_cubes.room_for(times.size),
        image_us,
    )
    where = (times, phases, edges, excluded, thresholds, cells)
    recorded = np.zeros(shape[0], np.uint32)
    weighed_cubes._weigh_pixel(*where, *pixel, sums, squares, recorded, whole := np.zeros(2))
    dumb, dumb_squares, seen = np.zeros(shape), np.zeros(shape), np.zeros_like(recorded)
    dumb_whole = np.zeros(2)
    for time, phase in zip(times.tolist(), phases.tolist(), strict=True):
        if any(a <= time < b for a, b in excluded.tolist()):
            continue
        weight = np.interp((phase - 6.3) / -21.0, middle[::-1], weights[::-1])
        if image is not None and image_us[0] <= time < image_us[1]:
            dumb_whole += weight, weight**2
        for t in range(shape[0]):
            seen[t] += edges[t] <= time < edges[t + 1]
            for k in range(shape[1]):
                if edges[t] <= time < edges[t + 1] and thresholds[k] <= phase < thresholds[k + 1]:
                    dumb[t, k] += weight
                    dumb_squares[t, k] += weight**2
    np.testing.assert_allclose(sums, dumb, rtol=1e-5)
    np.testing.assert_allclose(squares, dumb_squares, rtol=1e-5)
    np.testing.assert_array_equal(recorded, seen)
    np.testing.assert_allclose(whole, dumb_whole, rtol=1e-5)


@pytest.mark.parametrize("n_bin", [1, 2, 94])
@pytest.mark.parametrize(
    ("kind", "coefficients"),
    [
        (LINEAR, (6.3, -21.0, 0.0)),
        (
            QUADRATIC,
            (6.3, -21.0, -1.5),
        ),  # without an energy above 79.8 deg: such photons have no weight
        (ARCTAN, (0.4, 1.1, 0.0)),
        (ENERGY_QUADRATIC, (0.3, 0.02, 1e-4)),
    ],
)
def test_weights_are_those_of_photons_one_by_one_to_the_last_bit(kind, coefficients, n_bin):
    """Phases reach beyond the valid range, and energies beyond the weights, on both sides."""
    rng = np.random.default_rng(5)
    phases = rng.uniform(-160.0, 90.0, 4000).astype(np.float32)
    coefficients, valid = np.array(coefficients), np.array([-80.0, -3.0])
    middle = np.linspace(3.0, 1.2, n_bin)
    phases[:n_bin] = [(-80.0 + 77.0 * k / n_bin) for k in range(n_bin)]
    weights = rng.uniform(0.3, 3.0, n_bin).astype(np.float32)
    thresholds, cells = np.array([-150.0, -90.0, -20.0, 85.0]), np.empty(17, np.int32)
    sums, squares = np.zeros(3), np.zeros(3)
    pixel = (kind, coefficients, valid, middle, weights)
    room = weighed_cubes.room_for(phases.size)
    weighed_cubes._weigh_rows(
        phases, thresholds, cells_of(thresholds, cells), *pixel, room, sums, squares
    )
    dumb, dumb_squares = np.zeros(3), np.zeros(3)
    for phase in phases.astype(float):
        k = np.searchsorted(thresholds, phase, side="right") - 1
        if 0 <= k < 3:
            nm = rounded_nm(kind, coefficients, valid, phase)
            weight = np.float64(weight_at(nm, middle, weights))
            dumb[k] += weight
            dumb_squares[k] += weight * weight
    assert (dumb[:2] > 0).all()
    np.testing.assert_array_equal(sums, dumb)
    np.testing.assert_array_equal(squares, dumb_squares)


@pytest.mark.parametrize("n_bin", [2, 3, 40])
def test_bins_of_weights_need_not_be_equal(n_bin):
    """Energies of bins as a flat of any edges has them, and photons on each of them, too."""
    rng = np.random.default_rng(6)
    middle = np.sort(rng.uniform(0.5, 3.0, n_bin))[::-1]
    energies = np.concatenate((middle, rng.uniform(middle[-1], middle[0], 500)))
    bins = np.empty(energies.size, np.int64)
    weight_kernels._fill_bins(energies, middle, bins)
    assert (middle[bins] >= energies).all()
    assert (middle[bins + 1] <= energies).all()


def cells_of(thresholds, cells):
    cubes.fill_cells(thresholds, cells)
    return cells


@pytest.fixture
def obs(tmp_path):
    path, _ = make_observation(tmp_path, 4000 + 300.0 * np.arange(12).reshape(4, 3))
    with ObsFile(path) as opened:
        yield opened


def test_a_temporal_cube_without_calibration(obs):
    cube = obs.temporal_cube(0.3, 0.1, 1.9, min_phase=-60.0)
    assert obs.n_photons > 65536  # pixels on both sides of a chunk's border
    assert cube.edges.tolist() == pytest.approx([0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 1.9])
    for k in range(6):
        a, b = cube.edges[k], cube.edges[k + 1]
        image = obs.count_image(a, b, min_phase=-60.0)
        np.testing.assert_array_equal(cube.values[:, :, k], image)
        np.testing.assert_allclose(cube.live_s[:, :, k], obs.live_time(start=a, stop=b))
    np.testing.assert_array_equal(cube.values, cube.variances)
    assert not cube.weighted
    with pytest.raises(CalibrationError, match="no wavelength calibration"):
        obs.spectral_cube()


def test_dead_time_is_recovered_from_simulated_photons(tmp_path):
    """Rates of bright pixels from counts and live time, against what the simulator emitted: within 0.2 %."""
    from flat_chain import photon_file

    from pipeline_core.simulate import load_truth
    from pipeline_core.simulate.settings import ArraySettings

    array = ArraySettings.ideal(edge_deg=(-1.0, -1.0), edge_softness_deg=0.0)
    path, truth = photon_file(tmp_path, "flat", 1602050400, 4, 5000.0, 7, shape=(6, 5), array=array)
    emitted = load_truth(truth)["emitted_signal"] / 4
    with ObsFile(path) as bright:
        counts = bright.count_image()
        assert (counts / 4 / emitted).mean() < 0.96
        recovered = (counts / bright.live_time() / emitted).mean()
    assert abs(recovered - 1) < 2e-3
