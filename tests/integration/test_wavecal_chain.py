"""From raw laser seconds to wavelengths of photons: simulate, convert, calibrate, apply; the truth comes out."""

from __future__ import annotations

import numpy as np
import pytest
from wavecal_independent import SHARED, independent_figures

from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.obsfile import ObsFile
from pipeline_core.simulate import (
    ArraySettings,
    LightSettings,
    SimulationSettings,
    energy_to_phase,
    load_truth,
    phase_to_energy,
    simulate,
)
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal.compute import run
from pipeline_core.wavecal.settings import Laser, WavecalSettings
from pipeline_core.wavecal.solution import load_solution

pytestmark = pytest.mark.timeout(600)  # kernels may have to be compiled first

SHAPE = (14, 9)
LASERS_NM = (808.0, 980.0, 1120.0, 1310.0)
SECONDS = 10
START = 1602050400
ARRAY = {
    "gain_scatter_deg": 8.0,
    "low_gain_fraction": 0.0,
    "hot_fraction": 0.06,
    "dead_fraction": 0.08,
    "double_fraction": 0.0,
    "unread_fraction": 0.0,
    "feedlines": 2,
}


def exposure(folder, kind, start, family, **changes):
    """Simulate and convert one observation of the same array; return its photon file and truth."""
    settings = SimulationSettings(
        **{
            "kind": kind,
            "seconds": SECONDS,
            "rate_cps": 250.0,
            "shape": SHAPE,
            "seed": 23,
            "start": start,
            "array": ArraySettings(response=family, **ARRAY),
            "light": LightSettings(gradient=1.5),
            **changes,
        }
    )
    made = simulate(settings, folder)
    path = folder / f"{kind}_{start}.h5"
    convert(ConvertSettings(folder, start, settings.seconds, made.beammap_path, path, SHAPE))
    return path, load_truth(made.truth_path)


@pytest.fixture(scope="module", params=["arctan", "quadratic"])
def night(request, tmp_path_factory):
    """Solution, truth, and a laser at a wavelength that the calibration has not seen."""
    folder = tmp_path_factory.mktemp(request.param)
    lasers = []
    for k, nm in enumerate(LASERS_NM):
        path, truth = exposure(folder, "laser", START + 100 * k, request.param, wavelength_nm=nm)
        lasers.append(Laser(nm, path))
    # the simulated lasers come without thermal background, so that the dark must be without it too
    no_light = LightSettings(background_cps=0.0)
    dark, _ = exposure(folder, "dark", START + 1000, request.param, light=no_light)
    between, _ = exposure(folder, "laser", START + 2000, request.param, wavelength_nm=1050.0)
    # the order in which they are given does not matter
    solution = run(WavecalSettings(tuple(lasers[::-1])))
    saved = solution.save(folder / "solution.h5")
    return {"family": request.param, "solution": solution, "saved": saved, "truth": truth} | {
        "lasers": lasers,
        "dark": dark,
        "between": between,
    }


def normal(truth):
    return truth["live"] & ~truth["hot"] & (truth["code"] != 1)


def test_every_normal_pixel_is_calibrated_and_no_dead_or_hot_one(night):
    solution, truth = night["solution"], night["truth"]
    assert normal(truth).sum() > 90
    assert solution.calibrated[normal(truth)].mean() >= 0.98
    assert truth["dead"].sum() > 3
    assert truth["hot"].sum() > 3
    assert not solution.calibrated[truth["dead"] | truth["hot"]].any()
    for x, y in np.argwhere(~solution.calibrated):
        assert solution.reason((int(x), int(y)))


def test_curves_give_back_the_true_energies_at_and_between_the_lines(night):
    solution, truth = night["solution"], night["truth"]
    energies = HC_EV_NM / np.array([808.0, 875.0, 1050.0, 1200.0, 1310.0])
    coefficients = truth["coefficients"].reshape(3, -1)
    phases = energy_to_phase(night["family"], coefficients[:, :, None], energies)
    off = solution.curves.energy_ev(phases) / energies - 1
    error = solution.curves.energy_error_ev(phases) / energies
    kept = (solution.calibrated & normal(truth)).ravel()
    assert np.abs(np.median(off[kept], 0)).max() < 1e-3
    pull = (off / error)[kept]
    assert 0.75 < pull.std() < 1.3
    assert np.abs(pull).max() < 6


def test_resolving_power_is_the_true_one(night):
    solution, truth = night["solution"], night["truth"]
    coefficients = truth["coefficients"].reshape(3, -1)
    height = energy_to_phase(
        night["family"], coefficients[:, :, None], HC_EV_NM / np.array(LASERS_NM)
    )
    sigma = np.hypot(
        truth["sigma_noise_deg"].reshape(-1, 1), truth["sigma_share"].reshape(-1, 1) * height
    )
    energy = [
        phase_to_energy(night["family"], coefficients[:, :, None], height + d * sigma)
        for d in (0, -1.17741, 1.17741)
    ]
    true_r = energy[0] / (energy[1] - energy[2])
    ratio = solution.resolving_power / true_r
    kept = (solution.calibrated & normal(truth)).ravel()
    assert np.nanmedian(ratio[kept]) == pytest.approx(1, abs=0.01)
    pull = ((solution.resolving_power - true_r) / solution.resolving_power_error)[kept]
    assert 0.8 < np.nanstd(pull) < 1.2
    assert np.nanmax(np.abs(pull)) < 6


def test_a_saved_solution_is_the_same(night):
    again = load_solution(night["saved"])
    assert again.solution_id == night["solution"].solution_id
    np.testing.assert_array_equal(again.curves.coefficients, night["solution"].curves.coefficients)
    np.testing.assert_array_equal(again.counts, night["solution"].counts)
    assert again.reasons == night["solution"].reasons


def test_photons_of_an_unseen_laser_have_its_wavelength(night):
    solution = night["solution"]
    with ObsFile(night["between"]) as obs, obs.with_wavecal(night["saved"]) as tried:
        middles = []
        for x, y in np.argwhere(solution.calibrated).tolist():
            photons = tried.photons((x, y))["wavelength"]
            # noise triggers are far to the red
            line = photons[(photons > 800) & (photons < 1400)]
            middles.append(np.median(line))
        assert np.median(middles) == pytest.approx(1050, rel=3e-3)
        dark = tuple(np.argwhere(~solution.calibrated & (obs.count_image() > 0))[0].tolist())
        assert np.isnan(tried.photons(dark)["wavelength"]).all()
        assert not obs.is_wavelength_calibrated


def test_a_background_file_takes_the_noise_into_account(night):
    lasers = tuple(Laser(one.wavelength_nm, one.path, night["dark"]) for one in night["lasers"])
    with_dark = run(WavecalSettings(lasers))
    both = with_dark.calibrated & night["solution"].calibrated & normal(night["truth"])
    assert both.sum() >= 0.97 * normal(night["truth"]).sum()
    change = with_dark.lines.centre_deg - night["solution"].lines.centre_deg
    change /= night["solution"].lines.centre_error
    fine = with_dark.lines.ok & night["solution"].lines.ok & both.ravel()[:, None]
    assert np.abs(np.median(change[fine])) < 0.1
    assert with_dark.histograms.background is not None
    assert with_dark.histograms.background.any()


def test_lines_of_an_independent_simulator_are_where_they_truly_are():
    if not SHARED.exists():
        pytest.skip("files of the independent simulator are not at hand")
    table = dict(row[2:-2].split(" | ") for row in independent_figures()[4:])
    assert float(table["line found, >= 100 photons (before cuts)"].split(" %")[0]) >= 99.5
    assert table["line found, dead pixels"].startswith("0 of")
    assert abs(float(table["bias of energy, median"].split(" ±")[0])) < 0.03
    mean, width = (float(v) for v in table["pull of centers: mean, width"].split(", "))
    assert abs(mean) < 0.05
    assert 0.9 < width < 1.1
