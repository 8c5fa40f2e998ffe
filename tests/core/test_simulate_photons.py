"""Simulated photons follow the truth: phases, pile-up, dead time, Poisson counts, speckles, defects."""

import numba
import numpy as np
import pytest
from scipy import integrate, stats
from simulate_reader import read_folder

from pipeline_core.simulate import (
    ArraySettings,
    LightSettings,
    ReadoutSettings,
    SimulationSettings,
    load_truth,
    simulate,
)

HC = 1239.841984
SHAPE = (10, 7)
NO_TAIL = (1e-3, 1e-3)  # us: pulses that are over before the next one comes
NO_EDGE = (-0.1, -0.1)
compiled = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="millions of photons need compiled loops"
)


def make(folder, kind="laser", **changes):
    """Simulate; return truth and what the dumb reader finds."""
    changes = {"shape": SHAPE, **changes}
    summary = simulate(SimulationSettings(kind, **changes), folder)
    return load_truth(summary.truth_path), read_folder(folder)


def ideal(**changes):
    """Return a perfect array without pile-up, whose edge cuts nothing."""
    return ArraySettings.ideal(**{"pulse_us": NO_TAIL, "edge_deg": NO_EDGE, **changes})


@pytest.mark.parametrize("response", ["arctan", "quadratic"])
@pytest.mark.parametrize("wavelength", [808.0, 1310.0])
def test_a_laser_line_lies_on_the_response_curve(tmp_path, response, wavelength):
    array = ideal(response=response, gain_scatter_deg=15.0, resolution_scatter=0.2)
    truth, raw = make(tmp_path, array=array, wavelength_nm=wavelength, rate_cps=1000.0, seconds=2)
    energy = HC / wavelength
    pulls, ratios = [], []
    for x in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            phase = raw.pixel(x, y)[1]
            a, b, c = truth["coefficients"][:, x, y]
            if response == "arctan":
                expected = -2 * np.degrees(np.arctan(a * energy))
                per_ev = np.degrees(2 * a / (1 + (a * HC / 808) ** 2))
            else:
                # the curve's other side: the energy of this phase
                expected = -max(np.roots([c, b, a - energy]))
                per_ev = 1 / (b + 2 * c * max(np.roots([c, b, a - HC / 808])))
            pulls.append((phase.mean() - expected) / (phase.std() / np.sqrt(phase.size)))
            sigma = HC / 808 / (2.35482 * truth["resolution_808"][x, y]) * per_ev
            ratios.append(phase.std() / sigma)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(70)
    assert 0.75 < np.std(pulls) < 1.3
    if wavelength == 808.0:
        assert np.mean(ratios) == pytest.approx(1, abs=0.01)
        assert np.std(ratios) == pytest.approx(1 / np.sqrt(2 * 2000), rel=0.4)
    else:
        # smaller pulses have a little less noise, but not in proportion
        assert 0.8 < np.mean(ratios) < 0.95
    assert np.std(truth["resolution_808"]) > 0.5


def test_phase_at_850_nm_is_the_gain(tmp_path):
    truth, raw = make(tmp_path, array=ideal(phase_850_deg=-70.0), wavelength_nm=850.0)
    assert raw.phase.mean() == pytest.approx(-70, abs=0.2)
    assert np.ptp(truth["coefficients"][0]) == 0


def test_the_next_photon_rides_on_the_previous_pulse(tmp_path):
    array = ideal(pulse_us=(30.0, 30.0), resolution_808=12.0)
    truth, raw = make(tmp_path, array=array, rate_cps=3000.0, wavelength_nm=980.0)
    clean = -2 * np.degrees(np.arctan(truth["coefficients"][0, 0, 0] * HC / 980))
    gaps, excess = [], []
    for x in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            us, phase = raw.pixel(x, y)
            # only where the pulse before the previous one has gone
            lonely = np.diff(us)[:-1] > 400
            gaps.append(np.diff(us)[1:][lonely])
            excess.append(phase[2:][lonely] - clean)
    gap, more = np.concatenate(gaps), np.concatenate(excess)
    for low, high in ((10, 20), (20, 40), (40, 80)):
        chosen = (gap >= low) & (gap < high)
        expected = clean * np.exp(-gap[chosen] / 30).mean()
        error = more[chosen].std() / np.sqrt(np.count_nonzero(chosen))
        # photons lost within the dead time of the previous one add to the pulse: 3 % of them
        lost = clean * 0.03 * np.exp(-(gap[chosen] - 5) / 30).mean()
        assert more[chosen].mean() == pytest.approx(expected + lost, abs=5 * error + abs(lost))
    assert more[gap > 300].mean() == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("rate", [1000.0, 10_000.0])
def test_pulses_add_up(tmp_path, rate):
    array = ideal(pulse_us=(30.0, 30.0), dead_time_us=0.0, phase_850_deg=-50.0)
    light = LightSettings(gradient=1.0)
    _, raw = make(
        tmp_path, array=array, light=light, shape=(4, 2), rate_cps=rate, wavelength_nm=850.0
    )
    # Campbell's theorem: the pulses before a photon leave rate * decay time * height
    mean, error = raw.phase.mean(), raw.phase.std() / np.sqrt(raw.phase.size)
    # neighbours in time share what is left
    assert mean == pytest.approx(-50 * (1 + rate * 30e-6), abs=6 * error)


def test_dead_time_is_not_paralysable(tmp_path):
    truth, raw = make(tmp_path, array=ideal(), shape=(1, 1), rate_cps=20_000.0, seconds=4)
    us, _ = raw.pixel(0, 0)
    gaps = np.diff(us)
    assert gaps.min() == 10
    rate = truth["rate_signal"][0, 0]
    expected = rate / (1 + rate * 10e-6) * 4
    # the variance of a dead-time limited count is smaller than Poisson's
    assert us.size == pytest.approx(expected, abs=4 * np.sqrt(expected) / (1 + rate * 10e-6))
    assert truth["emitted_signal"][0, 0] == pytest.approx(rate * 4, abs=4 * np.sqrt(rate * 4))
    # whole microseconds: spread the gaps over the microsecond before comparing
    smooth = gaps - 10 + np.random.default_rng(1).uniform(-0.5, 0.5, gaps.size)
    test = stats.kstest(smooth, "expon", args=(0, 1e6 / rate))
    assert test.pvalue > 1e-4


def test_no_dead_time_means_none(tmp_path):
    truth, raw = make(tmp_path, array=ideal(dead_time_us=0.0), shape=(1, 1), rate_cps=20_000.0)
    assert np.diff(raw.pixel(0, 0)[0]).min() == 0
    assert truth["recorded_signal"].sum() == truth["emitted_signal"].sum()


@compiled
def test_counts_are_poisson(tmp_path):
    truth, raw = make(tmp_path, array=ArraySettings(), shape=(80, 125), rate_cps=100.0)
    rate = sum(truth[f"rate_{cause}"] for cause in ("signal", "companion", "background", "noise"))
    emitted = sum(
        truth[f"emitted_{cause}"] for cause in ("signal", "companion", "background", "noise")
    )
    lit = rate > 10
    pulls = ((emitted - rate) / np.sqrt(np.where(lit, rate, 1)))[lit]
    assert abs(pulls.mean()) < 4 / np.sqrt(pulls.size)
    assert pulls.std() == pytest.approx(1, abs=4 / np.sqrt(2 * pulls.size))
    assert not emitted[rate == 0].any()
    # far from the edge only those are lost that come within 10 us of a recorded one
    good = lit & ~truth["low_gain"] & ~truth["double"]
    signal = truth["emitted_signal"][good]
    dead = (signal * truth["counts"][good]).sum() * 10e-6 / signal.sum()
    lost = 1 - truth["recorded_signal"][good].sum() / signal.sum()
    assert lost == pytest.approx(dead, abs=4 * np.sqrt(dead / signal.sum()))
    np.testing.assert_array_equal(raw.image((80, 125)), truth["counts"])


def test_light_is_mean_rate_times_sensitivity(tmp_path):
    truth, _ = make(tmp_path, rate_cps=25.0, shape=(40, 30), wavelength_nm=900.0)
    assert truth["light_signal"].mean() == pytest.approx(25)
    expected = truth["light_signal"] * truth["sensitivity"]
    expected = expected * (1 + truth["sensitivity_slope"] * (900 - 1100) / 400) * truth["live"]
    np.testing.assert_allclose(truth["rate_signal"], expected, rtol=1e-12)


def speckled(folder, tau_s, bin_s, seconds, **light):
    """Return counts per bin, shape (pixels, bins), of a uniform speckle field without dead time."""
    shape = (12, 9)
    array = ideal(dead_time_us=0.0)
    settings = LightSettings(tau_s=tau_s, **light)
    truth, raw = make(folder, "speckle", array=array, light=settings, seconds=seconds, shape=shape)
    time = raw.us - truth["start"] * 1_000_000 + truth["year_start"] * 1_000_000
    bins = round(seconds / bin_s)
    index = (raw.x * shape[1] + raw.y) * bins + (time / (bin_s * 1e6)).astype(int)
    return truth, np.bincount(index, minlength=108 * bins).reshape(108, bins)


def assert_mean(values, expected):
    """Compare the mean over the pixels with what is expected, within four standard errors."""
    error = values.std(ddof=1) / np.sqrt(values.size)
    assert error < 0.05 * expected
    assert values.mean() == pytest.approx(expected, abs=4 * error)


@compiled
@pytest.mark.parametrize(
    ("ic", "is_", "ip"), [(600.0, 300.0, 0.0), (0.0, 500.0, 200.0), (300.0, 900.0, 50.0)]
)
def test_speckles_are_modified_rician(tmp_path, ic, is_, ip):
    tau, dt = 0.02, 0.002
    truth, n = speckled(tmp_path, tau, dt, 10, ic_cps=ic, is_cps=is_, ip_cps=ip)
    assert_mean(n.mean(1) / dt, ic + is_ + ip)

    def averaged(x):
        return 2 * (x - 1 + np.exp(-x)) / x**2

    # integrated covariance over the bin: Is**2 g**2 + 2 Ic Is g with g = exp(-t / tau)
    excess = is_**2 * averaged(2 * dt / tau) + 2 * ic * is_ * averaged(dt / tau)
    known = n - (ic + is_ + ip) * dt
    assert_mean((known**2).mean(1) / dt**2 - (ic + is_ + ip) / dt, excess)
    # covariance of bins ten apart, also over the border of two seconds (500 bins each)
    lag = 10

    def shifted(x, power):
        return np.exp(-power * lag * dt / tau) * 2 * (np.cosh(x) - 1) / x**2

    expected = is_**2 * shifted(2 * dt / tau, 2) + 2 * ic * is_ * shifted(dt / tau, 1)
    product = known[:, :-lag] * known[:, lag:] / dt**2
    assert_mean(product.mean(1), expected)
    if ic == 600.0:
        border = np.concatenate(
            [product[:, k * 500 - lag : k * 500] for k in range(1, 10)], 1
        ).mean(1)
        error = border.std(ddof=1) / np.sqrt(border.size)
        assert border.mean() == pytest.approx(expected, abs=4 * error)
        assert border.mean() > 4 * error
    np.testing.assert_allclose(truth["rate_ic"], ic)
    np.testing.assert_allclose(truth["rate_is"], is_)


@compiled
def test_slow_speckles_follow_the_exponential_law(tmp_path):
    # Ic = 0, much slower than the second: each pixel keeps one intensity, exponentially distributed
    _, n = speckled(tmp_path, 1000.0, 1.0, 1, ic_cps=0.0, is_cps=2000.0, ip_cps=0.0)
    assert stats.kstest(n[:, 0], "expon", args=(0, 2000)).pvalue > 1e-3


def test_trigger_edge_is_soft(tmp_path):
    array = ideal(edge_deg=(-66.0, -66.0), edge_softness_deg=2.0, phase_850_deg=-90.0)
    truth, raw = make(tmp_path, array=array, wavelength_nm=1310.0, rate_cps=1000.0)
    phase = -2 * np.degrees(np.arctan(truth["coefficients"][0, 0, 0] * HC / 1310))
    sigma = np.hypot(truth["sigma_noise_deg"], truth["sigma_share"] * phase)[0, 0]
    expected = stats.norm.cdf((-66 - phase) / np.hypot(sigma, 2.0))
    emitted = truth["emitted_signal"].sum()
    passed = truth["recorded_signal"].sum() / emitted / (1 - 1000 * 10e-6 * expected)
    assert 0.4 < expected < 0.6
    assert passed == pytest.approx(expected, abs=4 * np.sqrt(0.25 / emitted))
    assert raw.phase.max() > -66
    density = stats.norm(phase, sigma).pdf
    above = integrate.quad(lambda p: density(p) * stats.norm.cdf((-66 - p) / 2.0), -66, -40)[0]
    assert np.mean(raw.phase > -66) == pytest.approx(above / expected, abs=0.01)


def test_noise_triggers_pile_up_at_the_edge(tmp_path):
    array = ideal(
        noise_cps=300.0, edge_deg=(-30.0, -30.0), tail_deg=(7.0, 7.0), edge_softness_deg=1.0
    )
    light = LightSettings(background_cps=0.0)
    truth, raw = make(tmp_path, "dark", array=array, light=light)
    error = 7 / np.sqrt(raw.phase.size)
    assert raw.phase.mean() == pytest.approx(-37, abs=4 * error)
    assert stats.kstest(-raw.phase, stats.exponnorm(7.0, loc=30.0, scale=1.0).cdf).pvalue > 1e-3
    assert -30 - raw.phase.mean() == pytest.approx(np.std(raw.phase), rel=0.05)
    assert truth["counts"].sum() == truth["recorded_noise"].sum() == raw.phase.size


def test_white_lamp_and_colour_of_the_pixels(tmp_path):
    array = ideal(resolution_808=12.0, sensitivity_slope=0.2)
    truth, raw = make(tmp_path, "flat", array=array, rate_cps=4000.0)
    slope = truth["sensitivity_slope"]
    found = np.empty(SHAPE)
    for x in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            k = truth["coefficients"][0, x, y]
            energy = np.tan(np.radians(-raw.pixel(x, y)[1] / 2)) / k
            red = HC / energy > 1100
            found[x, y] = red.mean()
    # the red half of a lamp of 700..1500 nm holds 1/2 + slope / 4; noise moves a little over the middle
    assert np.std(slope) > 0.1
    fit = np.polyfit(slope.ravel(), found.ravel(), 1)
    assert fit[0] == pytest.approx(0.25, abs=0.02)
    assert fit[1] == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(truth["rate_signal"], truth["light_signal"], rtol=1e-12)


def test_defects_are_what_the_truth_says(tmp_path):
    array = ArraySettings(
        hot_fraction=0.1, cold_fraction=0.1, dead_fraction=0.1, unread_fraction=0.1
    )
    truth, raw = make(tmp_path, array=array, shape=(40, 25), rate_cps=200.0)
    image = raw.image((40, 25))
    live = truth["live"]
    assert not image[~live].any()
    np.testing.assert_array_equal(live, (truth["code"] != 1) & ~truth["dead"])
    hot = truth["hot"] & live
    assert hot.sum() > 50
    assert image[hot].min() > 1800
    normal = live & ~hot & ~truth["cold"] & ~truth["low_gain"]
    cold = live & truth["cold"] & ~hot
    assert truth["recorded_signal"][cold].mean() < 0.1 * truth["recorded_signal"][normal].mean()
    assert truth["recorded_signal"][normal].mean() == pytest.approx(200, rel=0.1)


def test_doubled_pixels_have_a_second_peak(tmp_path):
    array = ideal(double_fraction=1.0, resolution_808=12.0, phase_850_deg=-100.0)
    truth, raw = make(tmp_path, array=array, rate_cps=1000.0, wavelength_nm=850.0)
    for x, y in ((0, 0), (9, 6), (3, 5)):
        phase = raw.pixel(x, y)[1]
        scale, share = truth["double_scale"][x, y], truth["double_share"][x, y]
        second = phase > -50 * (1 + scale)
        assert second.mean() == pytest.approx(share, abs=0.06)
        assert phase[second].mean() == pytest.approx(-100 * scale, abs=1)
        assert phase[~second].mean() == pytest.approx(-100, abs=1)


def test_sky_has_star_companion_and_background(tmp_path):
    truth, raw = make(tmp_path, "sky", shape=(41, 60), rate_cps=100.0, seconds=1)
    star = truth["light_ic"] + truth["light_is"]
    assert star.mean() == pytest.approx(100)
    x, y = np.unravel_index(np.argmax(star), star.shape)
    assert (x, y) == (18, 32)
    x, y = np.unravel_index(np.argmax(truth["light_companion"]), star.shape)
    assert (x, y) == (27, 28)
    assert truth["light_companion"].sum() == pytest.approx(2e-3 * star.sum())
    for cause in ("signal", "companion", "background", "noise"):
        emitted, recorded = truth[f"emitted_{cause}"], truth[f"recorded_{cause}"]
        assert (recorded <= emitted).all()
        assert recorded.sum() > 100
    total = sum(truth[f"recorded_{c}"] for c in ("signal", "companion", "background", "noise"))
    np.testing.assert_array_equal(total, truth["counts"])
    np.testing.assert_array_equal(total, raw.image((41, 60)))


def test_a_shifted_sky_moves_and_loses_what_leaves_the_array(tmp_path):
    by_shift = {}
    for shift in ((0.0, 0.0), (5.0, -3.0)):
        (tmp_path / str(shift[0])).mkdir()
        light = LightSettings(shift_pix=shift)
        truth, _ = make(
            tmp_path / str(shift[0]), "sky", shape=(41, 60), rate_cps=2.0, seconds=1, light=light
        )
        by_shift[shift[0]] = truth
    for name in ("light_ic", "light_is", "light_companion"):
        still, moved = by_shift[0.0][name], by_shift[5.0][name]
        np.testing.assert_allclose(moved[5:, :-3], still[:-5, 3:], rtol=1e-9)
        assert moved.sum() < (1 + 1e-9) * still.sum()
    np.testing.assert_array_equal(by_shift[5.0]["res_id"], by_shift[0.0]["res_id"])


def test_firmware_cap(tmp_path):
    readout = ReadoutSettings(count_cap=150)
    truth, raw = make(tmp_path, array=ideal(), readout=readout, rate_cps=150.0, seconds=2)
    capped = truth["counts_per_second"] == 150
    assert truth["counts_per_second"].max() == 150
    assert 0.3 < capped.mean() < 0.7
    np.testing.assert_array_equal(raw.image(SHAPE), truth["counts"])


def test_baseline_and_stray_words(tmp_path):
    array = ArraySettings(
        outside_fraction=0.1, baseline_offset_counts=2000.0, baseline_noise_counts=100.0
    )
    truth, raw = make(tmp_path, array=array, rate_cps=400.0)
    inside = (raw.x < 10) & (raw.y < 7)
    assert np.mean(~inside) == pytest.approx(0.1, abs=0.01)
    assert np.count_nonzero(~inside) == truth["outside_words"]
    x, y = np.argwhere(truth["counts"] > 200)[0]
    mine = raw.baseline[(raw.x == x) & (raw.y == y)]
    assert mine.mean() == pytest.approx(truth["baseline_offset"][x, y], abs=40)
    assert mine.std() == pytest.approx(100, rel=0.2)
    assert np.std(truth["baseline_offset"]) > 1000
