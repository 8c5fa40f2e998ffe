"""Simulator settings, response curves, truth files and the command."""

import argparse
import json

import numpy as np
import pytest

from pipeline_core.cli import simulate as command
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.progress import silent
from pipeline_core.simulate import (
    ArraySettings,
    LightSettings,
    ReadoutSettings,
    SimulationSettings,
    energy_to_phase,
    load_truth,
    phase_to_energy,
    simulate,
)
from pipeline_core.simulate.response import slope_at
from pipeline_core.simulate.sources import HC_EV_NM, blackbody


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "moon"},
        {"seconds": 0},
        {"seconds": 1.5},
        {"seconds": "3"},
        {"sky_seconds": 0},
        {"rate_cps": -1.0},
        {"rate_cps": float("nan")},
        {"rate_cps": float("inf")},
        {"seed": -1},
        {"shape": (0, 5)},
        {"shape": (80, 1025)},
        {"start": 12345},
        {"start": 1602050400.5},
        {"wavelength_nm": 0.0},
        {"lasers_nm": (808.0, float("nan"))},
    ],
)
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ConfigError, match="Simulation"):
        SimulationSettings(**{"kind": "laser", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"response": "cubic"},
        {"hot_fraction": 1.2},
        {"outside_fraction": 1.0},
        {"phase_850_deg": 90.0},
        {"edge_deg": (-20.0, -30.0)},
        {"edge_deg": (-20.0, 5.0)},
        {"tail_deg": (0.0, 5.0)},
        {"pulse_us": (float("nan"), 5.0)},
        {"noise_cps": -1.0},
        {"dead_time_us": -1.0},
        {"resolution_808": 0.0},
        {"feedlines": 0},
        {"duplicate_res_ids": 1.5},
    ],
)
def test_impossible_arrays_are_refused(changes):
    with pytest.raises(ConfigError, match="Simulation"):
        ArraySettings(**changes)


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (ReadoutSettings, {"packet_delay_s": -0.1}),
        (ReadoutSettings, {"packet_delay_s": 1e9}),
        (ReadoutSettings, {"clock_offset_s": float("nan")}),
        (ReadoutSettings, {"loss": 1.0}),
        (ReadoutSettings, {"count_cap": 0}),
        (LightSettings, {"tau_s": 0.0}),
        (LightSettings, {"gradient": 0.5}),
        (LightSettings, {"ic_cps": -1.0}),
        (LightSettings, {"speckle_share": 2.0}),
        (LightSettings, {"shift_pix": (0.0, 2000.0)}),
    ],
)
def test_impossible_light_and_readout_are_refused(settings, changes):
    with pytest.raises(ConfigError, match="Simulation"):
        settings(**changes)


def test_contradictions_are_found_before_anything_is_written(tmp_path):
    array = ArraySettings(feedlines_off=(9,))
    with pytest.raises(ConfigError, match="feedline 9"):
        simulate(SimulationSettings("laser", array=array), tmp_path / "new")
    with pytest.raises(ConfigError, match="feedlines"):
        SimulationSettings("laser", shape=(2, 2), array=ArraySettings(feedlines=5))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("kind", "shape"), [("sky", (1, 1)), ("sky", (3, 2)), ("flat", (1, 30)), ("flat", (140, 146))]
)
def test_any_shape(tmp_path, kind, shape):
    settings = SimulationSettings(
        kind, shape=shape, rate_cps=1.0, array=ArraySettings(noise_cps=0.5)
    )
    truth = load_truth(simulate(settings, tmp_path).truth_path)
    assert truth["counts"].shape == shape
    assert truth["counts"].sum() > 0


@pytest.mark.parametrize("family", ["arctan", "quadratic"])
def test_response_curves_are_inverse_of_each_other(family):
    table = {
        "arctan": [[0.6, 0.9], [0, 0], [0, 0]],
        "quadratic": [[0.01, -0.02], [0.013, 0.011], [3e-5, 0]],
    }
    coefficients = np.array(table[family], float)
    energy = np.linspace(0.8, 1.8, 11)[:, None]
    phase = energy_to_phase(family, coefficients, energy)
    assert phase.shape == (11, 2)
    assert (np.diff(phase, axis=0) < 0).all()
    np.testing.assert_allclose(
        phase_to_energy(family, coefficients, phase), np.hstack([energy, energy]), rtol=1e-12
    )
    step = energy_to_phase(family, coefficients, 1.2001) - energy_to_phase(
        family, coefficients, 1.2
    )
    np.testing.assert_allclose(slope_at(family, coefficients, 1.2), -step / 1e-4, rtol=1e-3)


def test_response_curve_matches_the_facts():
    # k = 0.686 is the gain of -90 degrees at 850 nm
    phase = energy_to_phase("arctan", [[0.686], [0], [0]], HC_EV_NM / np.array([808, 1310]))
    np.testing.assert_allclose(phase, [-92.9, -66.0], atol=0.1)


def test_blackbody_is_redder_when_it_is_cooler():
    hot, cool = (HC_EV_NM / blackbody(kelvin) for kelvin in (6000, 1500))
    assert (np.diff(hot) > 0).all()
    assert hot[0] == pytest.approx(800)
    assert hot[-1] == pytest.approx(1400)
    assert np.median(hot) < 1100 < np.median(cool)


def test_ideal_array_keeps_changes():
    array = ArraySettings.ideal(hot_fraction=0.5)
    assert array.hot_fraction == 0.5
    assert array.dead_fraction == 0
    assert array.outside_fraction == 0


def test_truth_holds_plain_arrays_and_the_settings(tmp_path):
    settings = SimulationSettings("laser", shape=(4, 3), seed=9)
    truth = load_truth(simulate(settings, tmp_path).truth_path)
    assert all(a.dtype.kind in "iufbU" for a in truth.values())
    assert json.loads(str(truth["settings"]))["seed"] == 9
    assert truth["wavelength_nm"] == 980
    for name in ("resolution_808", "edge_deg", "pulse_us", "hot", "code", "res_id", "board"):
        assert truth[name].shape == (4, 3)


def test_broken_truth_is_refused(tmp_path):
    path = tmp_path / "truth.npz"
    with pytest.raises(InputFormatError, match="truth"):
        load_truth(path)
    path.write_bytes(b"no zip")
    with pytest.raises(InputFormatError, match="truth"):
        load_truth(path)
    np.savez(path, a=1)
    with pytest.raises(InputFormatError, match="another file"):
        load_truth(path)


def test_command_passes_every_argument_on(tmp_path):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    text = (
        f"{tmp_path / 'out'} --kind laser --seconds 2 --rate 40 --seed 7 --shape 6x5 --start 1602050500 "
        "--response quadratic --wavelength 1120 --packet-delay 0.2 --loss 0.1 --counter-wrap"
    )
    result = command.run(parser.parse_args(text.split()), silent)
    (row,) = result["observations"]
    truth = load_truth(row["truth"])
    settings = json.loads(str(truth["settings"]))
    assert truth["counts"].shape == (6, 5)
    assert result["photons"] == row["photons"] == truth["counts"].sum()
    assert truth["response"] == "quadratic"
    assert truth["wavelength_nm"] == 1120
    assert (row["start"], row["seconds"]) == (1602050500, 2)
    assert (settings["seed"], settings["rate_cps"]) == (7, 40)
    assert settings["readout"]["packet_delay_s"] == 0.2
    assert settings["readout"]["loss"] == 0.1
    assert settings["readout"]["counter_wrap"] is True
    json.dumps(result)


def test_command_refuses_what_the_settings_refuse(tmp_path):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args([str(tmp_path), "--seconds", "0"])
    with pytest.raises(ConfigError, match="seconds"):
        command.run(args, silent)
