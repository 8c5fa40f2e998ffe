"""The whole window with real clicks: what is on the screen equals what NumPy says."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from fake_obs import FakeObs
from gui_actions import click_pixel, move_to, plot_counts, position_of, wait_for_plots
from window_rig import open_path

from pipeline_core.errors import InputFormatError
from quicklook.background_tasks import ConvertForm
from quicklook.file_facts import CalibrationState
from quicklook.jobs import Job
from quicklook.qt import Qt, QtCore, QtWidgets

NIGHT = Path("night.h5")


def test_before_a_file_is_open_nothing_is_invented(window):
    assert "Ctrl+O" in window.image.message
    assert window.image.view.picture.image is None
    assert window.image.array is None
    assert all("click a pixel" in pane.message for pane in window.card.panes)
    assert window.status.active_text == "Active Pixel: none"
    assert window.strip.value("File") == "no file open"
    for control in (window.controls.plot, window.controls.times, window.controls.counts):
        assert not control.isEnabled()
        assert "Open a photon file" in control.toolTip()
    for name in ("light_curve", "histogram", "spectrum", "plot_image", "fit"):
        assert not window.actions_by_name[name].isEnabled()


def test_flag_image_appears_by_itself_with_its_legend(opened, observations):
    assert opened.image.kind == "flags"
    assert opened.image.message == ""
    legend = {name: count for _, name, count, _ in opened.image.legend.entries}
    assert legend == {"good": 67, "beammap.noDacTone": 2, "beammap.double + pixcal.hot": 1}
    colours = {name: colour for colour, name, _, _ in opened.image.legend.entries}
    assert len(set(colours.values())) == 3
    index = opened.image.view.picture.image
    names = [name for _, name, _, _ in opened.image.legend.entries]
    flags = observations[NIGHT].flags
    for x, y in np.ndindex(10, 7):  # row y, column x
        same = (flags == flags[x, y]).sum()
        assert legend[names[index[y, x]]] == same


def test_flag_colours_on_the_screen(opened):
    """The pixel under the mouse has the colour that the legend gives to its flag."""
    legend = {name: colour for colour, name, _, _ in opened.image.legend.entries}
    grab = opened.image.view.viewport().grab().toImage()
    for (x, y), name in {
        (0, 0): "good",
        (1, 0): "beammap.noDacTone",
        (9, 2): "beammap.noDacTone",
        (2, 6): "beammap.double + pixcal.hot",
    }.items():
        assert grab.pixelColor(position_of(opened, x, y)).name() == legend[name]


def test_facts_of_the_file(opened):
    assert opened.strip.value("File") == "night.h5"
    assert opened.strip.value("Start (UTC)") == "2020-10-07 06:00:00"
    assert opened.strip.value("Exposure") == "4 s"
    assert opened.strip.value("Photons") == "7,245"
    states = {state.name: state.word for state in opened.strip.calibrations.states}
    assert states == {"Beam map": "96% good", "Wavelength": "not done", "Flat field": "not done"}
    assert opened.windowTitle() == "night.h5 - quicklook"


@pytest.mark.parametrize("pixel", [(0, 0), (9, 0), (0, 6), (9, 6), (7, 2), (1, 0)])
def test_a_click_makes_the_pixel_active(qtbot, opened, observations, pixel):
    with qtbot.waitSignal(opened.image.pixelSelected, timeout=2000) as signal:
        click_pixel(qtbot, opened, *pixel)
    assert signal.args == [pixel]
    assert opened.session.pixel == pixel
    assert opened.image.view.marker.pixel == pixel
    assert f"({pixel[0]}, {pixel[1]})" in opened.card.heading.text()
    assert opened.status.active_text.startswith(f"Active Pixel ({pixel[0]}, {pixel[1]})")
    wait_for_plots(qtbot, opened, pixel)


def test_rows_go_up_and_columns_go_right(opened):
    left_below, right_above = position_of(opened, 0, 0), position_of(opened, 9, 6)
    assert left_below.x() < right_above.x()
    assert left_below.y() > right_above.y()


def test_whole_numbers_on_the_axes_are_middles_of_pixels(opened):
    box = opened.image.view.box
    on_screen = opened.image.view.mapFromScene(box.mapViewToScene(QtCore.QPointF(7.0, 2.0)))
    assert on_screen == position_of(opened, 7, 2)
    opened.session.set_pixel((7, 2))
    middle = opened.image.view.marker.mapToParent(QtCore.QPointF(0.5, 0.5))
    assert (middle.x(), middle.y()) == (7.0, 2.0)


def test_a_click_outside_the_array_changes_nothing(qtbot, opened):
    click_pixel(qtbot, opened, 7, 2)
    qtbot.mouseClick(
        opened.image.view.viewport(), Qt.MouseButton.LeftButton, pos=QtCore.QPoint(2, 2)
    )
    assert opened.session.pixel == (7, 2)


def test_raw_counts_equal_numpy(qtbot, opened, observations):
    plot_counts(qtbot, opened)
    obs = observations[NIGHT]
    expected = np.array([[obs.times[x, y].size for y in range(7)] for x in range(10)])
    np.testing.assert_array_equal(opened.image.array, expected)
    assert opened.image.value_at((9, 6)) == ("207", "counts in 0 to 4 s (51.75 counts/s)")
    click_pixel(qtbot, opened, 9, 6)
    assert "207 counts in 0 to 4 s" in opened.status.active_text
    assert "resID 10906" in opened.status.active_text


def test_raw_counts_of_a_time_range(qtbot, opened, observations):
    opened.controls.times.start.setValue(1.25)
    opened.controls.times.stop.setValue(2.5)
    qtbot.waitUntil(lambda: opened.session.time_range == (1.25, 2.5))
    plot_counts(qtbot, opened)
    times = observations[NIGHT].times[7, 2]
    assert opened.image.array[7, 2] == ((times >= 1.25) & (times < 2.5)).sum() > 0
    assert "1.25 to 2.5 s" in opened.image.detail


def test_contrast_comes_from_good_pixels(qtbot, opened, observations):
    obs = observations[NIGHT]
    obs.times[2, 6] = np.sort(np.random.default_rng(1).uniform(0, 4, 100_000))  # flagged hot
    obs.phases[2, 6] = obs.wavelengths[2, 6] = np.full(100_000, -65.0)
    plot_counts(qtbot, opened)
    low, high = opened.image.colour_bar.scale.levels
    good = [obs.times[p].size for p in np.ndindex(obs.shape) if obs.flags[p] == obs.flags[0, 0]]
    np.testing.assert_allclose((low, high), np.percentile(good, (1.0, 99.5)))
    assert opened.image.scale.levels == (low, high)
    assert opened.image.value_at((2, 6))[0] == "100,000"


def test_plots_equal_numpy(qtbot, opened, observations):
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    times = observations[NIGHT].times[7, 2]
    counts = np.histogram(times, np.linspace(0, 4, 401))[0]
    x, y = opened.card.light_curve.curve.getData()
    np.testing.assert_allclose(x, np.arange(400) / 100 + 0.005)
    np.testing.assert_allclose(y, counts / 0.01, rtol=1e-6)
    edges, frequency = opened.card.histogram.bars.getData()
    np.testing.assert_allclose(frequency, np.bincount(counts) / 400)
    np.testing.assert_allclose(edges, np.arange(frequency.size + 1) - 0.5)
    assert opened.card.spectrum.bars.getData()[1][3] == times.size
    assert opened.card.spectrum._title.text() == "Phase histogram"
    for pane in opened.card.panes:
        assert "Pixel (7, 2)" in pane.detail


def test_every_plot_names_its_units(qtbot, opened):
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    labels = {
        (pane.name, side): pane.plot.getPlotItem().getAxis(side).labelText
        for pane in opened.card.panes
        for side in ("left", "bottom")
    }
    assert labels == {
        ("light_curve", "left"): "Rate [counts/s]",
        ("light_curve", "bottom"): "Time from start [s]",
        ("histogram", "left"): "Frequency",
        ("histogram", "bottom"): "Counts per 10 ms",
        ("spectrum", "left"): "Counts per bin",
        ("spectrum", "bottom"): "Phase [deg]",
    }


def test_plots_follow_time_range_and_exposure(qtbot, opened):
    click_pixel(qtbot, opened, 7, 2)
    opened.controls.times.stop.setValue(2.0)
    opened.card.bin_ms.setValue(50.0)
    wait_for_plots(qtbot, opened, (7, 2), stop_s=2.0)
    qtbot.waitUntil(lambda: opened.card.light_curve.shown.request.bin_s == 0.05)
    assert opened.card.light_curve.curve.getData()[0].size == 40


def test_many_clicks_end_at_the_last_pixel(qtbot, opened, observations):
    for x in range(10):
        click_pixel(qtbot, opened, x, x % 7)
    wait_for_plots(qtbot, opened, (9, 2))
    assert opened.card.spectrum.bars.getData()[1][3] == observations[NIGHT].times[9, 2].size


def test_newest_request_wins(qtbot, opened, observations):
    """While one read is stuck, clicks pile up; only the last is read, and only that is shown."""
    obs = observations[NIGHT]
    obs.gate.clear()
    click_pixel(qtbot, opened, 1, 1)
    qtbot.waitUntil(lambda: bool(obs.asked))
    for x in range(2, 9):
        click_pixel(qtbot, opened, x, 3)
    shown = []
    for pane in opened.card.panes:
        original = pane.draw
        pane.draw = lambda result, o=original: (shown.append(result.request.pixel), o(result))
    obs.gate.set()
    wait_for_plots(qtbot, opened, (8, 3))
    assert set(shown) == {(8, 3)}
    read = {pixel for name, pixel in obs.asked if name == "spectrum"}
    assert read <= {(1, 1), (8, 3)}


def test_reads_happen_in_one_other_thread(qtbot, opened, observations):
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    plot_counts(qtbot, opened)
    assert len(observations[NIGHT].threads) == 1
    assert threading.get_ident() not in observations[NIGHT].threads


def test_hidden_plot_asks_nothing_and_catches_up(qtbot, opened, observations):
    opened.card.spectrum.hide()
    click_pixel(qtbot, opened, 4, 4)
    wait_for_plots(qtbot, opened, (4, 4))
    assert not [name for name, _ in observations[NIGHT].asked if name == "spectrum"]
    opened.actions_by_name["spectrum"].trigger()
    wait_for_plots(qtbot, opened, (4, 4))
    assert opened.card.spectrum.isVisible()


def test_expected_trouble_is_shown_in_the_pane(qtbot, opened, observations):
    error = InputFormatError("night.h5 is damaged: chunk 3 cannot be read. Convert it again.")
    observations[NIGHT].broken["light_curve"] = error
    click_pixel(qtbot, opened, 7, 2)
    qtbot.waitUntil(lambda: "chunk 3" in opened.card.light_curve.message)
    qtbot.waitUntil(lambda: opened.card.spectrum.shown is not None)
    assert opened.card.spectrum.message == ""
    del observations[NIGHT].broken["light_curve"]
    click_pixel(qtbot, opened, 3, 2)
    wait_for_plots(qtbot, opened, (3, 2))
    assert opened.card.light_curve.message == ""


def test_a_bug_is_reported_with_its_traceback(qtbot, opened, observations):
    observations[NIGHT].broken["spectrum"] = ZeroDivisionError("by zero")
    with qtbot.waitSignal(opened.bugFound, timeout=3000) as signal:
        click_pixel(qtbot, opened, 7, 2)
    title, details = signal.args
    assert "ZeroDivisionError" in title
    assert "in spectrum" in details
    assert "by zero" in opened.card.spectrum.message


def test_file_that_cannot_be_opened(qtbot, opened, observations):
    bad = Path("bad.h5")
    observations[bad] = InputFormatError("bad.h5 is no photon file. Choose another.")
    opened.open_file(bad)
    qtbot.waitUntil(lambda: "no photon file" in opened.messages.text)
    assert opened.messages.kind == "error"
    assert opened.session.file.path == NIGHT  # what was open stays open
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))


def test_second_file_replaces_the_first(qtbot, opened, observations):
    other = Path("other.h5")
    observations[other] = FakeObs(other, shape=(4, 9), exposure_s=2.0, seed=5)
    click_pixel(qtbot, opened, 3, 2)
    wait_for_plots(qtbot, opened, (3, 2))
    with qtbot.waitSignal(opened.fileOpened):
        opened.open_file(other)
    token = opened.session.file.token
    wait_for_plots(qtbot, opened, (3, 2), token=token)
    qtbot.waitUntil(lambda: observations[NIGHT].closed)
    assert opened.session.time_range == (0.0, 2.0)
    assert opened.controls.times.range == (0.0, 2.0)
    assert opened.image.view.picture.image.shape == (9, 4)
    assert opened.card.spectrum.bars.getData()[1][3] == observations[other].times[3, 2].size


def test_pixel_that_the_second_file_lacks(qtbot, opened, observations):
    other = Path("other.h5")
    observations[other] = FakeObs(other, shape=(4, 9))
    click_pixel(qtbot, opened, 9, 2)
    with qtbot.waitSignal(opened.fileOpened):
        opened.open_file(other)
    assert opened.session.pixel is None
    assert "Click a pixel" in opened.card.light_curve.message


def test_file_dialog_cancel_changes_nothing(qtbot, opened, monkeypatch):
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getOpenFileNames", staticmethod(lambda *a, **k: ([], ""))
    )
    opened.actions_by_name["open"].trigger()
    assert opened.session.file.path == NIGHT
    assert opened.windowTitle() == "night.h5 - quicklook"


@pytest.mark.parametrize("with_variable", [True, False])
def test_file_dialog_starts_where_the_data_are(window, monkeypatch, tmp_path, with_variable):
    asked = []

    def dialog(_parent, _title, folder, _pattern):
        asked.append(folder)
        return [], ""

    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileNames", staticmethod(dialog))
    window.settings.photon_folder = "/last/folder"
    if with_variable:
        monkeypatch.setenv("MKID_DATA_DIR", str(tmp_path))
    window.actions_by_name["open"].trigger()
    assert asked == [str(tmp_path) if with_variable else "/last/folder"]


def test_hint_while_the_image_is_not_what_the_controls_say(qtbot, opened):
    assert opened.controls.hint.text() == ""
    opened.controls.counts.setChecked(True)
    assert "Plot Image" in opened.controls.hint.text()
    plot_counts(qtbot, opened)
    assert opened.controls.hint.text() == ""
    opened.controls.times.stop.setValue(1.0)
    qtbot.waitUntil(lambda: "Plot Image" in opened.controls.hint.text())


def test_hover_says_what_is_below_the_mouse(qtbot, opened):
    move_to(opened, 2, 6)
    qtbot.waitUntil(lambda: "(2, 6)" in opened.status.hovered_text)
    assert "beammap.double, pixcal.hot" in opened.status.hovered_text


def test_zoom_survives_a_replot_and_fit_undoes_it(qtbot, opened):
    box = opened.image.view.box
    box.scaleBy((0.5, 0.5))
    box.sigRangeChangedManually.emit([True, True])  # as the mouse wheel does
    zoomed = box.viewRect()
    plot_counts(qtbot, opened)
    assert box.viewRect() == zoomed
    opened.resize(1000, 700)
    qtbot.wait(30)
    assert box.viewRect().width() < 8
    click_pixel(qtbot, opened, 5, 3)
    assert opened.session.pixel == (5, 3)
    opened.actions_by_name["fit"].trigger()
    assert box.viewRect().width() > zoomed.width()


def test_closing_closes_the_file_in_its_thread(qtbot, opened, observations):
    obs = observations[NIGHT]
    assert opened.close()
    assert obs.closed
    assert len(obs.threads) == 1
    assert "MainThread" not in obs.threads


def test_preferences_survive(qtbot, opened, settings, tmp_path):
    opened.card.bin_ms.setValue(25.0)
    opened.resize(1111, 777)
    assert opened.close()
    again = type(settings)(tmp_path / "quicklook.ini")
    assert again.bin_ms == 25.0
    assert again.photon_folder == str(Path.cwd())
    assert not again.geometry.isEmpty()


class Summary:
    """Of a conversion that wrote made.h5."""

    path = Path("made.h5")
    warnings = ()

    def lines(self):
        return ("12 photons in made.h5",)


@pytest.fixture
def converting(opened, observations):
    """The window while a conversion to made.h5 is under way."""
    observations[Summary.path] = FakeObs("made.h5")
    observations[Path("other.h5")] = FakeObs("other.h5")
    job = Job("Converting made.h5", "convert", print)
    opened.conversion.submitted.emit(job)
    yield opened
    opened.jobs.finished.emit(job)


def test_result_of_a_conversion_opens_by_itself(qtbot, converting):
    with qtbot.waitSignal(converting.fileOpened):
        converting.conversion.succeeded.emit(Summary(), ConvertForm(out="made.h5"))
    assert converting.session.file.path == Summary.path
    assert "12 photons" in converting.messages.text


def test_result_is_offered_if_another_file_was_opened_meanwhile(qtbot, converting):
    with qtbot.waitSignal(converting.fileOpened):
        converting.open_file(Path("other.h5"))
    converting.conversion.succeeded.emit(Summary(), ConvertForm(out="made.h5"))
    assert converting.session.file.path == Path("other.h5")
    with qtbot.waitSignal(converting.fileOpened):
        qtbot.mouseClick(converting.messages.button("Open result"), Qt.MouseButton.LeftButton)
    assert converting.session.file.path == Summary.path


def test_result_is_offered_if_that_was_wished(converting):
    form = ConvertForm(out="made.h5", open_result=False)
    converting.conversion.succeeded.emit(Summary(), form)
    assert converting.session.file.path == NIGHT
    assert converting.messages.button("Open result").isVisible()


def test_no_stale_plot_while_another_file_is_read(qtbot, opened, observations):
    other = Path("other.h5")
    observations[other] = FakeObs(other, seed=9)
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    observations[other].gate.clear()
    with qtbot.waitSignal(opened.fileOpened):
        opened.open_file(other)
    assert {pane.message for pane in opened.card.panes} == {"Reading…"}
    observations[other].gate.set()
    wait_for_plots(qtbot, opened, (7, 2), token=opened.session.file.token)


def test_gap_breaks_line_and_band_and_is_grey(qtbot, window, observations):
    observations[NIGHT].gaps_s = [(1.0, 3.0)]
    with qtbot.waitSignal(window.fileOpened):
        window.open_file(NIGHT)
    assert window.strip.value("Exposure") == "4 s (2.0 s with data)"
    window.session.set_pixel((9, 6))
    wait_for_plots(qtbot, window, (9, 6))
    pane = window.card.light_curve
    np.testing.assert_allclose(pane.gaps.intervals, [(1.0, 3.0)])
    assert "grey: no data" in pane.figures.text()
    x, y = pane.curve.getData()
    np.testing.assert_array_equal(np.isnan(y), (x > 1) & (x < 3))
    starts = pane.band.opts["x0"]
    assert starts.size == 200
    assert not ((starts > 0.995) & (starts < 2.995)).any()


def test_typed_exposure_time_beyond_its_range(qtbot, opened):
    box = opened.card.bin_ms
    for text, value, note in (("500", 200.0, "1 to 200 ms"), ("50", 50.0, "")):
        box.selectAll()
        qtbot.keyClicks(box, text)
        qtbot.keyClick(box, Qt.Key.Key_Return)
        assert box.value() == value
        assert opened.card.note.text() == note


def test_hover_tells_of_the_image_that_is_shown(qtbot, opened):
    move_to(opened, 2, 6)
    qtbot.waitUntil(lambda: "(2, 6)" in opened.status.hovered_text)
    assert "counts" not in opened.status.hovered_text
    opened.actions_by_name["choose_counts"].trigger()
    qtbot.waitUntil(lambda: opened.image.kind == "raw_counts")
    assert "counts" in opened.status.hovered_text  # though the mouse did not move
    opened.actions_by_name["choose_flags"].trigger()
    assert "counts" not in opened.status.hovered_text


def test_hover_ends_when_the_mouse_leaves_or_the_file_changes(qtbot, opened, observations):
    viewport = opened.image.view.viewport()
    move_to(opened, 2, 6)
    qtbot.waitUntil(lambda: opened.status.hovered_text.startswith("under mouse: (2, 6)"))
    QtWidgets.QApplication.sendEvent(viewport, QtCore.QEvent(QtCore.QEvent.Type.Leave))
    assert opened.status.hovered_text == ""
    move_to(opened, 9, 6)
    qtbot.waitUntil(lambda: "(9, 6)" in opened.status.hovered_text)
    observations[Path("small.h5")] = FakeObs("small.h5", shape=(4, 9))
    with qtbot.waitSignal(opened.fileOpened):
        opened.open_file(Path("small.h5"))
    assert opened.status.hovered_text == ""


def test_warnings_of_a_conversion_are_not_green(converting):
    summary = Summary()
    summary.warnings = ("19 of 21 seconds have no file.",)
    form = ConvertForm(out="made.h5", open_result=False)
    converting.conversion.succeeded.emit(summary, form)
    assert converting.messages.kind == "warning"
    assert converting.messages.text.endswith("19 of 21 seconds have no file.")


def test_a_message_moves_nothing_and_names_the_file_once(qtbot, opened, observations):
    before = opened.image.geometry(), opened.splitter.geometry()
    bad = Path("raw.bin")
    observations[bad] = InputFormatError("raw.bin is a raw file: use File > Convert.")
    opened.open_file(bad)
    qtbot.waitUntil(lambda: opened.messages.isVisible())
    qtbot.wait(30)
    assert opened.messages.text == "raw.bin is a raw file: use File > Convert."
    assert (opened.image.geometry(), opened.splitter.geometry()) == before


def test_hidden_plots_can_be_brought_back(opened):
    for pane in opened.card.panes:
        assert not opened.card.nothing_shown.isVisible()
        pane.hide()
    assert opened.card.nothing_shown.isVisible()
    opened.actions_by_name["light_curve"].trigger()
    assert not opened.card.nothing_shown.isVisible()


def test_window_fits_a_small_screen(opened):
    opened.actions_by_name["files_panel"].setChecked(False)
    size = opened.minimumSizeHint()
    assert size.width() <= 1024
    assert size.height() <= 700  # less the frame and a panel


def test_a_window_that_cannot_stop_at_once_goes_and_ends_later(qtbot, opened, observations):
    """What runs in a lane may be deaf for a while: the person need not wait for it."""
    observations[NIGHT].gate.clear()
    opened.controls.counts.setChecked(True)
    opened.controls.plot.click()
    qtbot.waitUntil(lambda: ("count_image", None) in observations[NIGHT].asked)
    assert not opened.close()
    assert not opened.isVisible()
    assert opened.reads.is_running
    observations[NIGHT].gate.set()
    qtbot.waitUntil(lambda: not opened.reads.is_running)
    assert opened.settings.bin_ms == 10.0


def test_plots_without_photons_say_so(qtbot, opened):
    click_pixel(qtbot, opened, 0, 0)
    wait_for_plots(qtbot, opened, (0, 0))
    assert {pane.figures.text() for pane in opened.card.panes} == {"No photons in these ranges"}
    click_pixel(qtbot, opened, 9, 6)
    wait_for_plots(qtbot, opened, (9, 6))
    assert not any("No photons" in pane.figures.text() for pane in opened.card.panes)


def test_counts_without_a_limit_of_wavelength_say_so(qtbot, window, observations):
    observations[Path("calibrated.h5")] = FakeObs("calibrated.h5", calibrated=True)
    open_path(qtbot, window, Path("calibrated.h5"))
    plot_counts(qtbot, window)
    assert "in 0 to 4 s, any or no wavelength (" in window.image.value_at((9, 6))[1]
    assert "\n700 nm: no lower limit" in window.controls.band.start.toolTip()
    assert "\n1500 nm: no upper limit" in window.controls.band.stop.toolTip()
    assert "limit" not in window.controls.times.start.toolTip()
    for low, high, said in (
        (900.0, None, "0 to 4 s, from 900 nm"),
        (None, 1200.0, "0 to 4 s, below 1200 nm"),
        (900.0, 1200.0, "0 to 4 s, 900 to 1200 nm"),
    ):
        window.session.set_band(low, high)
        plot_counts(qtbot, window)
        qtbot.waitUntil(lambda said=said: said in window.image.value_at((9, 6))[1])
        assert "any or no" not in window.image.value_at((9, 6))[1]


def test_a_mean_of_other_ranges_does_not_stand_beside_counts(qtbot, opened):
    plot_counts(qtbot, opened)
    click_pixel(qtbot, opened, 9, 6)
    qtbot.waitUntil(lambda: "mean phase" in opened.status.active_text)
    opened.session.set_time_range(1.0, 2.0)
    qtbot.waitUntil(lambda: opened.card.spectrum.shown.request.start_s == 1.0)
    assert "counts in 0 to 4 s" in opened.status.active_text
    assert "mean phase" not in opened.status.active_text
    plot_counts(qtbot, opened)
    qtbot.waitUntil(lambda: "counts in 1 to 2 s" in opened.status.active_text)
    assert "mean phase" in opened.status.active_text


def test_a_calibrated_file_fits_a_small_screen_too(qtbot, window, observations):
    observations[Path("calibrated.h5")] = FakeObs("calibrated.h5", calibrated=True)
    open_path(qtbot, window, Path("calibrated.h5"))
    window.strip.calibrations.show_states(
        tuple(
            CalibrationState(name, "done", word, "")
            for name, word in (
                ("Beam map", "84% good"),
                ("Wavelength", "84% done"),
                ("Flat field", "84% done"),
                ("Masks", "372 pixels"),
            )
        )
    )
    window.resize(1022, 700)  # of 1024, less the borders
    assert (window.width(), window.height()) == (1022, 700)
    assert window.strip.width() < 1022
    assert window.strip._values["Camera"].toolTip() == window.strip.value("Camera")
