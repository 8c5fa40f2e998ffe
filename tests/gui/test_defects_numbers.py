"""Defects 1-14, 31 and 37 of the program that this one replaces: wrong numbers.

The other ones are in `test_defects_window` and `test_defects_speed`; `tests/ACCEPTANCE.md` lists all of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tables
from fake_obs import WAVELENGTHS, FakeObs
from gui_actions import click_pixel, plot_counts, wait_for_plots
from observations import START, make_observation
from window_rig import (
    open_path,
    real_window,
    screen_colour,
    set_photons,
    type_into,
    words_of,
)

from pipeline_core import ObsFile
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.histograms import intensity_histogram
from quicklook.qt import Qt, QtWidgets

NIGHT = Path("night.h5")
SHAPE = (6, 5)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A photon file of several chunks, and times [us] and phases of each of its pixels."""
    x, y = np.indices(SHAPE)
    return make_observation(tmp_path_factory.mktemp("recorded"), 300 + 200.0 * (5 * x + y))


@pytest.fixture
def real(qtbot, settings, recorded):
    """The window with that file, and nothing under way."""
    with real_window(qtbot, settings) as window:
        open_path(qtbot, window, recorded[0])
        yield window


def poisson(mean, size):
    """Poisson's law, each value from the one before."""
    law = [np.exp(-mean)]
    for k in range(1, size):
        law.append(law[-1] * mean / k)
    return np.array(law)


def test_defect_01_photon_times_are_binned_in_seconds(qtbot, real, recorded):
    """Microseconds were binned as if they were seconds: plots were empty or nonsense."""
    click_pixel(qtbot, real, 4, 1)
    wait_for_plots(qtbot, real, (4, 1))
    times_us, _ = recorded[1][4, 1]
    counts = [
        np.sum((times_us >= t) & (times_us < t + 10_000)) for t in range(0, 2_000_000, 10_000)
    ]
    x, y = real.card.light_curve.curve.getData()
    np.testing.assert_allclose(x, np.arange(200) / 100 + 0.005)
    np.testing.assert_array_equal(real.card.light_curve.shown.data.counts, counts)
    # photons follow each other after the dead time of the pixel: its live time is a little less
    np.testing.assert_allclose(y, np.array(counts) / 0.01, rtol=0.15)
    np.testing.assert_allclose(real.card.histogram.bars.getData()[1], np.bincount(counts) / 200)


def test_defect_02_the_exposure_beside_a_plot_is_the_one_that_was_used(qtbot, opened, observations):
    """10 ms stood in the comment and the windows, 10 us were used."""
    click_pixel(qtbot, opened, 9, 6)
    times = observations[NIGHT].times[9, 6]
    for milliseconds in (10, 40):
        type_into(qtbot, opened.card.bin_ms, str(milliseconds))
        bin_s = milliseconds / 1e3
        wait_for_plots(qtbot, opened, (9, 6))
        qtbot.waitUntil(lambda s=bin_s: opened.card.histogram.shown.request.bin_s == s)
        qtbot.waitUntil(lambda s=bin_s: opened.card.light_curve.shown.request.bin_s == s)
        counts = np.histogram(times, np.arange(4 / bin_s + 1) * bin_s)[0]
        np.testing.assert_array_equal(opened.card.light_curve.shown.data.counts, counts)
        np.testing.assert_array_equal(
            opened.card.histogram.shown.data.occurrences, np.bincount(counts)
        )
        assert f"Counts per {milliseconds} ms" in words_of(opened.card.histogram)
        assert f"{milliseconds} ms bins" in words_of(opened.card.light_curve)


@pytest.mark.parametrize("most", [1, 7])
def test_defect_03_the_largest_count_has_its_own_bar(qtbot, opened, observations, most):
    """The largest count was merged into the one below: with at most one photon a bin, P(0) was 1."""
    single = np.arange(30) / 10 + 0.005
    set_photons(observations[NIGHT], (7, 2), [*single, *[3.505] * (most if most > 1 else 0)])
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    frequency = np.zeros(most + 1)
    frequency[1] = 30 / 400
    frequency[most] += 1 / 400 if most > 1 else 0
    frequency[0] = 1 - frequency.sum()
    np.testing.assert_allclose(opened.card.histogram.bars.getData()[1], frequency)


@pytest.mark.parametrize("milliseconds", [10, 100])
def test_defect_04_model_and_bars_are_both_per_bin(qtbot, opened, observations, milliseconds):
    """A fit in counts a second was drawn over counts a bin: wrong by the exposure time, its label twice."""
    times = np.random.default_rng(5).uniform(0, 4, 2000)
    set_photons(observations[NIGHT], (7, 2), times)
    opened.session.set_bin_s(milliseconds / 1e3)
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    k, model = opened.card.histogram.poisson.getData()
    mean = 2000 * milliseconds / 4000
    np.testing.assert_allclose(model, poisson(mean, k.size), rtol=1e-9)
    assert (k * opened.card.histogram.bars.getData()[1]).sum() == pytest.approx(mean)
    assert f"mean {mean:g} counts" in words_of(opened.card.histogram)


def test_defect_05_a_computation_that_fails_does_not_end_the_program(qtbot, opened, observations):
    """A fit that failed left a name unassigned, and the exception aborted everything."""
    observations[NIGHT].broken["intensity_histogram"] = UnboundLocalError("covariance")
    with qtbot.waitSignal(opened.bugFound, timeout=3000):
        click_pixel(qtbot, opened, 7, 2)
    qtbot.waitUntil(lambda: "covariance" in opened.card.histogram.message)
    qtbot.waitUntil(lambda: opened.card.spectrum.shown is not None)
    del observations[NIGHT].broken["intensity_histogram"]
    click_pixel(qtbot, opened, 3, 2)
    wait_for_plots(qtbot, opened, (3, 2))
    assert opened.card.histogram.message == ""


@pytest.mark.parametrize("times", [[], [1.0], [0.05, 0.06, 0.07]])
def test_defect_06_there_is_no_nan_on_the_screen(qtbot, opened, observations, monkeypatch, times):
    """What cannot be computed was drawn as a curve of NaN, with "nan" in its label."""
    obs = observations[NIGHT]
    set_photons(obs, (7, 2), times)

    def histogram_of_the_core(*what, progress, **window):
        return intensity_histogram(obs._curve(*what, **window))

    monkeypatch.setattr(obs, "intensity_histogram", histogram_of_the_core)
    opened.session.set_time_range(0.0, 0.2)
    opened.session.set_bin_s(0.2)  # one bin: no variance
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2), stop_s=0.2)
    assert np.isnan(opened.card.histogram.shown.data.variance)
    for pane in opened.card.panes:
        assert "nan" not in words_of(pane).lower()
    for item in (
        opened.card.light_curve.curve,
        opened.card.histogram.bars,
        opened.card.histogram.poisson,
        opened.card.spectrum.bars,
    ):
        assert np.isfinite(item.getData()[1]).all()


@pytest.mark.parametrize("mean", [170, 400])
def test_defect_07_poisson_of_bright_pixels(qtbot, opened, observations, mean):
    """The factorial overflowed above 170 counts a bin: the model was 0 or NaN."""
    times = np.random.default_rng(2).uniform(0, 4, mean * 400)
    set_photons(observations[NIGHT], (7, 2), times)
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    k, model = opened.card.histogram.poisson.getData()
    assert k.max() > mean
    np.testing.assert_allclose(model, poisson(mean, k.size), rtol=1e-8)
    assert abs(k[model.argmax()] - mean) <= 1


def test_defect_09_the_title_names_what_is_shown(qtbot, opened):
    """ "Ic/Is" showed Is alone, below the title "Raw counts"."""
    flags = opened.image.heading, opened.image.array
    assert flags == ("Beam Flag Image", opened.session.file.flags)
    opened.controls.counts.setChecked(True)  # chosen, not yet plotted
    assert opened.image.heading == "Beam Flag Image"
    assert "Plot Image" in opened.controls.hint.text()
    plot_counts(qtbot, opened)
    assert opened.image.heading == "Raw Counts"
    assert opened.image.array.dtype.kind == "i"
    opened.controls.flags.setChecked(True)
    assert opened.image.heading == "Raw Counts"
    qtbot.mouseClick(opened.controls.plot, Qt.MouseButton.LeftButton)
    assert opened.image.heading == "Beam Flag Image"


def test_defect_10_nothing_is_shown_that_was_not_measured(qtbot, window, observations):
    """Random noise was offered as an image, and shown at the start."""
    choices = window.controls.findChildren(QtWidgets.QRadioButton)
    maps = {"Ic", "Is", "Ip", "Ic/Is"}  # nothing of the kind was computed
    assert {button.text() for button in choices} == {"Beam Flag Image", "Raw Counts"} | maps
    assert window.image.view.picture.image is None
    assert not window.image.view.isVisible()
    observations[NIGHT].broken["count_image"] = InputFormatError("night.h5 is damaged. Copy it.")
    open_path(qtbot, window, NIGHT)
    assert not any(button.isEnabled() for button in choices if button.text() in maps)
    window.controls.counts.setChecked(True)
    qtbot.mouseClick(window.controls.plot, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "damaged" in window.image.message)
    assert not window.image.view.isVisible()


def test_defect_11_raw_counts_have_no_weights(qtbot, settings, recorded, tmp_path):
    """Only one of two switches was turned off: "Raw Counts" was weighted with the noise."""
    path = tmp_path / f"{START}.h5"
    shutil.copy(recorded[0], path)
    path.chmod(0o600)
    with tables.open_file(str(path), "a") as h5:
        table = h5.root.Photons.PhotonTable
        for name, weight in (("NoiseWeight", 0.25), ("SpecWeight", 3.0)):
            table.modify_column(column=np.full(table.nrows, weight, np.float32), colname=name)
    with real_window(qtbot, settings) as window:
        open_path(qtbot, window, path)
        plot_counts(qtbot, window)
        for pixel, (times, _) in recorded[1].items():
            assert window.image.array[pixel] == times.size


def test_defect_12_flagged_pixels_are_counted_and_can_be_inspected(qtbot, opened, observations):
    """Only pixels without a flag were counted: hot and dead ones looked the same."""
    obs = observations[NIGHT]
    hot, dead = (2, 6), (1, 0)
    set_photons(obs, hot, np.linspace(0, 3.99, 5000))
    set_photons(obs, dead, [])
    plot_counts(qtbot, opened)
    assert opened.image.array[hot] == 5000
    assert opened.image.array[dead] == 0
    assert screen_colour(opened, *hot) != screen_colour(opened, *dead)
    for pixel, value, flag in (
        (hot, "5,000 counts", "pixcal.hot"),
        (dead, "0 counts", "noDacTone"),
    ):
        click_pixel(qtbot, opened, *pixel)
        assert value in opened.status.active_text
        assert flag in opened.status.active_text
        wait_for_plots(qtbot, opened, pixel)
        assert opened.card.spectrum.bars.getData()[1].sum() == obs.times[pixel].size


def test_defect_13_counts_are_counts_and_say_so(qtbot, opened, observations):
    """Counts were divided by a time that could be 0, and were called counts all the same."""
    type_into(qtbot, opened.controls.times.start, "1.5")
    type_into(qtbot, opened.controls.times.stop, "1.5")
    qtbot.waitUntil(lambda: opened.session.time_range[1] == 1.5)
    start, stop = opened.session.time_range
    assert start < stop
    plot_counts(qtbot, opened)
    times = observations[NIGHT].times
    for pixel in ((9, 6), (4, 3), (0, 0)):
        assert opened.image.array[pixel] == np.sum((times[pixel] >= start) & (times[pixel] < stop))
    assert opened.image.colour_bar.label == f"Counts per pixel, {start:g} to 1.5 s [photons]"
    value, unit = opened.image.value_at((9, 6))
    rate = int(value) / (stop - start)
    assert unit.startswith("counts in")
    assert f"({rate:.4g} counts/s)" in unit


def test_defect_14_one_hot_pixel_does_not_hide_the_others(qtbot, opened, observations):
    """Limits were minimum and maximum: a hot pixel made everything else black."""
    plot_counts(qtbot, opened)
    faint, bright = screen_colour(opened, 0, 1), screen_colour(opened, 9, 5)
    set_photons(observations[NIGHT], (4, 3), np.linspace(0, 3.99, 1_000_000))
    plot_counts(qtbot, opened)
    assert opened.image.array[4, 3] == 1_000_000
    assert np.abs(np.subtract(screen_colour(opened, 0, 1), faint)).max() <= 4
    assert np.abs(np.subtract(screen_colour(opened, 9, 5), bright)).max() <= 4
    assert np.abs(np.subtract(bright, faint)).max() > 100


def test_defect_31_a_spectrum_follows_the_boxes_and_has_widths_and_errors(
    qtbot, window, observations
):
    """It ignored the wavelength boxes, was not divided by the width of its bins, and had no errors."""
    obs = observations[NIGHT] = FakeObs(NIGHT, calibrated=True)
    open_path(qtbot, window, NIGHT)
    click_pixel(qtbot, window, 9, 6)
    type_into(qtbot, window.controls.band.start, "900")
    type_into(qtbot, window.controls.band.stop, "1100")
    type_into(qtbot, window.controls.times.stop, "3")
    qtbot.waitUntil(lambda: window.session.band == (900.0, 1100.0))
    wait_for_plots(qtbot, window, (9, 6), low=900.0, high=1100.0, stop_s=3.0)
    window.card.spectrum.set_per("nm")
    waves = obs.wavelengths[9, 6]
    keep = (waves >= 900) & (waves < 1100) & (obs.times[9, 6] < 3)
    counts = np.histogram(waves[keep], WAVELENGTHS)[0]
    assert 0 < counts.sum() < waves.size
    _edges, drawn = window.card.spectrum.bars.getData()
    np.testing.assert_allclose(drawn, counts / np.diff(WAVELENGTHS))
    assert "Counts per nm | Wavelength [nm]" in words_of(window.card.spectrum)
    errors = window.card.spectrum.errors
    assert errors.isVisible()
    np.testing.assert_allclose(
        errors.opts["top"], (np.sqrt(counts) / np.diff(WAVELENGTHS))[counts > 0]
    )


def test_defect_37_start_and_stop_may_be_equal(qtbot, opened, observations, recorded):
    """Equal wavelengths made the program stumble over an undefined name."""
    click_pixel(qtbot, opened, 9, 6)
    for boxes in (opened.controls.band, opened.controls.times):
        type_into(qtbot, boxes.start, f"{(boxes.limits[0] + boxes.limits[1]) / 2:g}")
        type_into(qtbot, boxes.stop, f"{(boxes.limits[0] + boxes.limits[1]) / 2:g}")
    qtbot.waitUntil(lambda: opened.session.time_range == opened.controls.times.range)
    qtbot.waitUntil(lambda: opened.session.band[1] is not None)
    low, high = opened.session.band
    start, stop = opened.session.time_range
    assert high == -64.5
    assert low is None or low < high
    assert start < stop == 2.0
    wait_for_plots(qtbot, opened, (9, 6), low=low, high=high, start_s=start, stop_s=stop)
    plot_counts(qtbot, opened)
    expected = observations[NIGHT].photons_of((9, 6), start, stop, min_phase=low, max_phase=high)
    assert opened.image.array[9, 6] == expected[0].size
    with ObsFile(recorded[0]) as obs:
        for window in ({"min_phase": -60, "max_phase": -60}, {"start": 1, "stop": 1}):
            with pytest.raises(ConfigError, match="must"):
                obs.count_image(**window)
