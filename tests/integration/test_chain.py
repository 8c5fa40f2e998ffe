"""From the simulator's raw files to numbers on a pixel: the truth that was put in comes out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.obsfile import ObsFile
from pipeline_core.simulate import (
    ArraySettings,
    LightSettings,
    ReadoutSettings,
    SimulationSettings,
    load_truth,
    simulate,
)

NEW_YEAR = 1609459200
SHAPE = (13, 9)


def chain(folder, **changes):
    """Simulate and convert; return the observation's path, the truth and the summary."""
    settings = SimulationSettings(
        **({"kind": "flat", "seconds": 3, "shape": SHAPE, "seed": 11} | changes)
    )
    simulated = simulate(settings, folder)
    one = simulated.observations[0]
    out = folder / "obs.h5"
    summary = convert(
        ConvertSettings(folder, one.start, one.seconds, simulated.beammap_path, out, settings.shape)
    )
    return out, load_truth(one.truth_path), summary


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"readout": ReadoutSettings(packet_delay_s=1.6)},  # packets two files late
        {"readout": ReadoutSettings(loss=0.05, packet_delay_s=0.3)},
        {"readout": ReadoutSettings(counter_wrap=True)},
        {"start": NEW_YEAR - 2},
        {"array": ArraySettings(absent_fraction=0.1, duplicate_res_ids=5, outside_fraction=0.05)},
        {"array": ArraySettings(feedlines=3, feedlines_off=(2,)), "rate_cps": 2000.0},
        {"kind": "sky"},
        {"kind": "dark"},
        {"kind": "speckle", "light": LightSettings(tau_s=0.05)},
        {"shape": (4, 31), "array": ArraySettings(response="quadratic")},
    ],
    ids=lambda c: "-".join(c) or "plain",
)
def test_counts_per_pixel_are_the_truth(tmp_path, changes):
    out, truth, summary = chain(tmp_path, **changes)
    with ObsFile(out) as obs:
        np.testing.assert_array_equal(obs.count_image(), truth["counts"])
        for second in range(3):
            image = obs.count_image(second, second + 1)
            np.testing.assert_array_equal(image, truth["counts_per_second"][second])
        np.testing.assert_array_equal(
            obs.beammap.code[~truth["absent"]], truth["code"][~truth["absent"]]
        )
        assert obs.gaps_us.size == 0
    assert summary.n_photons == truth["counts"].sum()
    assert summary.dropped["without_header"] == 0
    lost = dict(zip(truth["boards"].tolist(), truth["lost_packets"].tolist(), strict=True))
    assert summary.lost_packets == lost


def test_rates_are_recovered_through_dead_time(tmp_path):
    out, truth, _ = chain(
        tmp_path,
        seconds=20,
        shape=(12, 10),
        rate_cps=3000.0,
        array=ArraySettings.ideal(dead_time_us=10.0),
        light=LightSettings(gradient=1.0),
    )
    expected = truth["rate_signal"]
    with ObsFile(out) as obs:
        pulls = []
        for x in range(12):
            for y in range(10):
                curve = obs.light_curve((x, y), 0.5)
                rate = curve.counts.sum() / curve.live_time_s.sum()
                error = math.sqrt(curve.counts.sum()) / curve.live_time_s.sum()
                pulls.append((rate - expected[x, y]) / error)
    assert abs(np.mean(pulls)) < 4 / math.sqrt(len(pulls))
    assert 0.8 < np.std(pulls) < 1.2


def test_light_of_a_laser_is_poisson(tmp_path):
    out, _, _ = chain(
        tmp_path,
        kind="laser",
        seconds=10,
        shape=(5, 4),
        rate_cps=900.0,
        array=ArraySettings.ideal(),
    )
    ratios = []
    with ObsFile(out) as obs:
        for pixel in np.ndindex(5, 4):
            histogram = obs.intensity_histogram(pixel, 0.01)
            assert histogram.n_bins == 1000
            ratios.append(histogram.variance / histogram.mean)
            expected = 1000 * histogram.poisson
            enough = expected >= 5
            chi2 = ((histogram.occurrences - expected)[enough] ** 2 / expected[enough]).sum()
            assert chi2 < enough.sum() + 6 * math.sqrt(2 * enough.sum())
    # dead time of 10 us makes light of 900 counts/s more even by about 2 %
    assert np.mean(ratios) == pytest.approx(1 - 2 * 900e-5, abs=4 * math.sqrt(2 / 1000 / 20))


def test_speckles_are_more_bunched_than_poisson(tmp_path):
    light = LightSettings(ic_cps=300.0, is_cps=300.0, ip_cps=0.0, tau_s=0.1)
    out, _, _ = chain(
        tmp_path, kind="speckle", seconds=30, shape=(6, 5), array=ArraySettings.ideal(), light=light
    )
    excess = []
    with ObsFile(out) as obs:
        for pixel in np.ndindex(6, 5):
            h = obs.intensity_histogram(pixel, 0.005)
            excess.append((h.variance - h.mean) / 0.005**2)
    # modified Rician: variance of the intensity is Is^2 + 2 Ic Is
    assert np.mean(excess) == pytest.approx(300**2 + 2 * 300**2, rel=0.2)


def test_phases_follow_the_response(tmp_path):
    out, truth, _ = chain(
        tmp_path,
        kind="laser",
        wavelength_nm=850.0,
        seconds=20,
        shape=(4, 3),
        rate_cps=300.0,
        array=ArraySettings.ideal(pulse_us=(1.0, 1.0), gain_scatter_deg=10.0),
    )
    energy = 1239.841984 / 850.0
    with ObsFile(out) as obs:
        for pixel in np.ndindex(4, 3):
            phases = obs.photons(pixel)["phase"].astype(float)
            k = truth["coefficients"][(0, *pixel)]
            expected = math.degrees(-2 * math.atan(k * energy))
            error = phases.std() / math.sqrt(phases.size)
            assert phases.mean() == pytest.approx(expected, abs=5 * error + 0.02)
            spectrum = obs.spectrum(pixel)
            middle = 0.5 * (spectrum.edges[1:] + spectrum.edges[:-1])
            assert np.average(middle, weights=spectrum.counts) == pytest.approx(expected, abs=0.3)
