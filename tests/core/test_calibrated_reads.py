"""Reading by wavelength against a loop over photons, one at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observations import make_observation
from wavecal_solutions import HC, essentials, slow_wavelength

from pipeline_core import ObsFile
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.flags import PixelFlag

SHAPE = (4, 3)
PIXELS = [(x, y) for x in range(4) for y in range(3)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Pixels stand in the file in an order of their own, by resonator."""
    rates = np.array([[90, 300, 700], [40, 0, 500], [900, 100, 5], [60, 30, 600]], float)
    folder, codes = tmp_path_factory.mktemp("night"), np.zeros(SHAPE, np.uint8)
    return make_observation(folder, rates, codes=codes, silent_ticks=range(900, 1100))[0]


@pytest.fixture
def plain(path):
    with ObsFile(path) as obs:
        yield obs


@pytest.fixture
def obs(path):
    with ObsFile(path) as raw:
        solution = essentials(raw.beammap, raw.camera, bad=[(3, 2)])
    with ObsFile(path, wavecal=solution) as obs:
        yield obs


def slow_photons(obs, pixel, start, stop, low, high):
    """Times and wavelengths of a window, chosen one by one."""
    rows = []
    for photon in obs.photons(pixel):
        wavelength = np.float32(slow_wavelength(obs.wavecal, pixel, photon["phase"]))
        if start * 1e6 <= photon["time"] < stop * 1e6 and low <= float(wavelength) < high:
            rows.append((int(photon["time"]), float(wavelength)))
    return rows


WINDOWS = [
    (0.0, 2.0, 800.0, 1400.0),
    (0.25, 1.5, 900.0, 1100.0),
    (0.0, 2.0, -math.inf, 1000.0),
    (0.0, 2.0, 1000.0, math.inf),
    (0.0, 2.0, 3000.0, 4000.0),
]


@pytest.mark.parametrize("window", WINDOWS)
def test_an_image_of_a_wavelength_window_is_that_of_a_loop(obs, window):
    start, stop, low, high = window
    expected = np.array([len(slow_photons(obs, p, *window)) for p in PIXELS]).reshape(SHAPE)
    image = obs.count_image(start, stop, min_wavelength=low, max_wavelength=high)
    np.testing.assert_array_equal(image, expected)
    if low < 1000:
        assert expected.sum() > 100
    assert not image[~obs.wavecal.calibrated].any()


def test_photons_have_wavelengths_where_their_pixel_is_calibrated(obs):
    for pixel in PIXELS:
        photons = obs.photons(pixel)
        if not obs.wavecal.calibrated[pixel]:
            assert np.isnan(photons["wavelength"]).all()
            assert not photons["extrapolated"].any()
            continue
        slow = np.array([slow_wavelength(obs.wavecal, pixel, p) for p in photons["phase"]])
        valid = np.isfinite(slow)
        np.testing.assert_allclose(photons["wavelength"][valid], slow[valid], rtol=1e-6)
        np.testing.assert_array_equal(photons["extrapolated"], ~valid)
        beyond = photons["wavelength"][~valid]
        assert (beyond > 0).all()
        in_order = photons["wavelength"][np.argsort(photons["phase"])]
        assert (np.diff(in_order) >= 0).all()  # monotonic, also where it is extrapolated


@settings(max_examples=30)
@given(st.floats(600, 2500), st.floats(1, 800), st.booleans())
def test_every_read_of_a_window_finds_the_same_photons(path, low, width, extrapolated):
    window = {"min_wavelength": low, "max_wavelength": low + width, "extrapolated": extrapolated}
    with ObsFile(path) as raw:
        solution = essentials(raw.beammap, raw.camera, seed=round(low))
    with ObsFile(path, wavecal=solution) as obs:
        image = obs.count_image(**window)
        for pixel in PIXELS:
            everything = obs.photons(pixel)
            inside = (everything["wavelength"] >= low) & (everything["wavelength"] < low + width)
            if not extrapolated:
                inside &= ~everything["extrapolated"]
            photons = obs.photons(pixel, **window)
            np.testing.assert_array_equal(photons, everything[inside])
            assert image[pixel] == photons.size
            assert obs.light_curve(pixel, 0.1, **window).counts.sum() == photons.size
            assert obs.phase_histogram(pixel, **window).counts.sum() == photons.size
        assert obs.light_curve(PIXELS, 0.1, **window).counts.sum() == image.sum()


def test_light_curve_and_intensity_histogram_of_a_window(obs):
    chosen = [(0, 1), (0, 2), (1, 0), (3, 2)]  # one of them is not calibrated
    curve = obs.light_curve(chosen, 0.05, 0.1, 1.9, min_wavelength=900.0, max_wavelength=1200.0)
    times = [t for p in chosen for t, _ in slow_photons(obs, p, 0.1, 1.9, 900.0, 1200.0)]
    expected, _ = np.histogram(np.array(times) / 1e6, curve.edges_s)
    np.testing.assert_array_equal(curve.counts, expected)
    histogram = obs.intensity_histogram(
        chosen, 0.05, 0.1, 1.9, min_wavelength=900.0, max_wavelength=1200.0
    )
    np.testing.assert_array_equal(histogram.occurrences, np.bincount(expected[curve.full]))
    every = obs.light_curve(chosen, 0.05, 0.1, 1.9)
    np.testing.assert_array_equal(curve.live_time_s, every.live_time_s)  # any photon makes blind


def test_spectrum_in_bins_of_equal_energy(obs):
    chosen = [(0, 1), (0, 2), (1, 0), (1, 2), (0, 0)]
    spectrum = obs.spectrum(chosen, 0.2, 1.8)
    assert (spectrum.quantity, spectrum.unit) == ("wavelength", "nm")
    energies = HC / spectrum.edges[::-1]
    np.testing.assert_allclose(np.diff(energies), 0.1, rtol=1e-9)
    np.testing.assert_allclose(energies / 0.1, np.round(energies / 0.1), rtol=1e-9)
    found = [w for p in chosen for _, w in slow_photons(obs, p, 0.2, 1.8, 0, math.inf)]
    expected, _ = np.histogram(found, spectrum.edges)
    np.testing.assert_array_equal(spectrum.counts, expected)
    assert spectrum.counts.sum() == len(found)  # the bins cover the valid ranges
    assert spectrum.mean == pytest.approx(np.mean(found), rel=1e-9)
    fine = obs.spectrum(chosen, bin_ev=0.02, min_wavelength=900.0, max_wavelength=1100.0)
    assert fine.edges[0] == 900 < fine.edges[1]  # only what can be counted: the width of a density
    assert fine.edges[-2] < 1100 == fine.edges[-1]
    np.testing.assert_allclose(np.diff(HC / fine.edges[::-1])[1:-1], 0.02, rtol=1e-9)
    total = sum(len(slow_photons(obs, p, 0, 2, 900.0, 1100.0)) for p in chosen)
    assert fine.counts.sum() == total
    wide = obs.spectrum(chosen, extrapolated=True)
    assert wide.counts.sum() > obs.spectrum(chosen).counts.sum()


def test_a_pixel_without_calibration_keeps_its_phases(obs, plain):
    spectrum = obs.spectrum((0, 0))
    assert spectrum.quantity == "phase"
    np.testing.assert_array_equal(spectrum.counts, plain.spectrum((0, 0)).counts)
    assert obs.spectrum((0, 1), min_phase=-60.0).quantity == "phase"
    empty = obs.spectrum((0, 0), min_wavelength=900.0, max_wavelength=1100.0)
    assert empty.quantity == "wavelength"
    assert not empty.counts.any()
    assert math.isnan(empty.mean)


def test_without_a_window_everything_counts(obs, plain):
    np.testing.assert_array_equal(obs.count_image(), plain.count_image())
    for pixel in PIXELS:
        here, there = obs.photons(pixel), plain.photons(pixel)
        for name in ("time", "phase", "weight"):
            np.testing.assert_array_equal(here[name], there[name])


def test_flags_are_those_of_beam_map_and_solution(obs, plain):
    bad = int(PixelFlag["wavecal_bad"])
    np.testing.assert_array_equal((obs.flags & bad) != 0, ~obs.wavecal.calibrated)
    np.testing.assert_array_equal(obs.flags & ~np.uint32(0x3FF), plain.flags & ~np.uint32(0x3FF))
    window = {"min_wavelength": 900.0, "max_wavelength": 1100.0}
    np.testing.assert_array_equal(obs.count_image(exclude=bad, **window), obs.count_image(**window))
    assert (obs.count_image(exclude=bad) < plain.count_image()).any()


def test_two_solutions_on_the_same_photons(obs):
    other = essentials(obs.beammap, obs.camera, seed=5, solution_id="other")
    before = obs.photons((0, 1))
    with obs.with_wavecal(other) as second:
        assert second.wavecal.solution_id == "other"
        there = second.photons((0, 1))
        np.testing.assert_array_equal(there["phase"], before["phase"])
        assert (there["wavelength"] != before["wavelength"]).any()
    np.testing.assert_array_equal(obs.photons((0, 1)), before)
    assert not obs.sidecar.exists()


def test_what_cannot_be_asked(obs, plain):
    with pytest.raises(CalibrationError, match="no wavelength calibration"):
        plain.count_image(min_wavelength=900.0)
    with pytest.raises(CalibrationError, match="no wavelength calibration"):
        plain.spectrum((0, 1), max_wavelength=900.0)
    with pytest.raises(ConfigError, match="by phase or by wavelength"):
        obs.count_image(min_wavelength=900.0, max_phase=-50.0)
    with pytest.raises(ConfigError, match="Wavelength range"):
        obs.light_curve((0, 1), min_wavelength=900.0, max_wavelength=900.0)
    with pytest.raises(ConfigError, match="eV"):
        obs.spectrum((0, 1), bin_ev=0.0)
    with pytest.raises(ConfigError, match="narrower bins"):
        obs.spectrum((0, 1), bin_ev=2.0)  # photons of less than 2 eV would have no bin
