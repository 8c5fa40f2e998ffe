"""Defects 15-26, 30, 32-34 and 38 of the program that this one replaces: the window, and the mouse in it.

The other ones are in `test_defects_numbers` and `test_defects_speed`, number 21 is in `test_plot_windows`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_obs import FakeObs
from gui_actions import click_pixel, drag, move_to, plot_counts, position_of, wait_for_plots
from window_rig import open_path, screen_colour, type_into, wheel

import quicklook.launch
from pipeline_core.errors import InputFormatError
from quicklook.__main__ import main
from quicklook.qt import Qt, QtWidgets

NIGHT = Path("night.h5")


def test_defect_15_wheel_and_replots_stack_nothing_and_keep_the_view(qtbot, opened):
    """Every tick of the wheel stacked one more image, and every replot forgot the zoom."""
    plot_counts(qtbot, opened)
    view = opened.image.view
    wheel(view.viewport(), position_of(opened, 5, 3), 2)
    assert view.zoomed
    seen = view.box.viewRect()
    items, picture = len(view.scene().items()), view.picture
    widgets = len(opened.findChildren(QtWidgets.QWidget))
    bar = opened.image.colour_bar
    for _ in range(15):
        wheel(bar, bar.strip_area.center())
        qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.strip_area.center())
        plot_counts(qtbot, opened)
    assert len(view.scene().items()) == items
    assert view.picture is picture
    assert len(opened.findChildren(QtWidgets.QWidget)) == widgets
    assert view.box.viewRect() == seen


def test_defect_16_the_colour_bar_shows_the_colours_of_the_picture(qtbot, opened):
    """The colour bar belonged to the very first image for ever."""
    plot_counts(qtbot, opened)
    type_into(qtbot, opened.controls.times.stop, "1")
    qtbot.waitUntil(lambda: opened.session.time_range == (0.0, 1.0))
    plot_counts(qtbot, opened)
    opened.image.set_levels((0.0, 45.0))
    bar = opened.image.colour_bar
    grab = bar.grab().toImage()
    area = bar.strip_area
    heights = range(area.top() + 1, area.bottom())
    for x, y in ((1, 3), (4, 2), (7, 5), (8, 6)):
        value = int(opened.image.array[x, y])
        nearest = min(heights, key=lambda h, v=value: abs(bar.value_at(h) - v))
        on_bar = grab.pixelColor(area.center().x(), nearest).getRgb()[:3]
        assert np.abs(np.subtract(on_bar, screen_colour(opened, x, y))).max() <= 6
    assert "0 to 1 s" in bar.label


def test_defect_17_the_window_starts_without_a_warning_and_without_matplotlib(tmp_path):
    """Methods that matplotlib had removed were called on the way to the first window."""
    script = (
        "import sys\n"
        "from quicklook.app import create_application\n"
        "from quicklook.main_window import MainWindow\n"
        "from quicklook.settings import Settings\n"
        "app = create_application(['quicklook'])\n"
        "window = MainWindow(Settings.fresh())\n"
        "window.show()\n"
        "window.grab()\n"
        "window.close()\n"
        "print('matplotlib' in sys.modules, window.isVisible())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout == "False False\n", done.stderr


def environment(folder):
    """Return an environment with preferences of its own and a screen that nobody sees."""
    own = {name: str(folder / name.lower()) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    return os.environ | own | {"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":99"}


def test_defect_18_numbers_of_the_header_may_be_of_any_type(qtbot, window, observations):
    """float32 values of the header were put into boxes for whole numbers: a TypeError."""
    obs = observations[NIGHT] = FakeObs(NIGHT)
    obs.exposure_s = np.float32(3.7)
    obs.start_unix = np.uint32(obs.start_unix)
    obs.n_photons = np.int64(obs.n_photons)
    obs.shape = tuple(np.int16(n) for n in obs.shape)
    open_path(qtbot, window, NIGHT)
    assert window.controls.times.stop.text() == "3.700 s"
    assert window.strip.value("Start (UTC)") == "2020-10-07 06:00:00"
    click_pixel(qtbot, window, 9, 6)
    wait_for_plots(qtbot, window, (9, 6))
    plot_counts(qtbot, window)
    assert window.image.array[9, 6] == np.sum(obs.times[9, 6] < np.float32(3.7))


@pytest.mark.parametrize(
    "typed",
    [
        [("start", "99")],
        [("stop", "-5")],
        [("start", "3"), ("stop", "1")],
        [("stop", "1"), ("start", "3"), ("start", "4")],
        [("start", "0.9999"), ("stop", "0.9999")],
        [("start", "-99"), ("stop", "1e9")],
    ],
)
def test_defect_19_nothing_typed_makes_an_empty_range(qtbot, opened, observations, typed):
    """Start and length, or start and stop wavelength, could contradict each other: empty plots."""
    click_pixel(qtbot, opened, 9, 6)
    qtbot.waitUntil(lambda: opened.timeline.survey is not None)  # the phases that occur are known
    low, high = opened.controls.band.limits
    for boxes, scale, offset in (
        (opened.controls.times, 1.0, 0.0),
        (opened.controls.band, (high - low) / 4, low),
    ):
        for name, text in typed:
            type_into(qtbot, getattr(boxes, name), f"{offset + scale * float(text):.4f}")
        start, stop = boxes.range
        assert boxes.limits[0] <= start < stop <= boxes.limits[1]
        assert boxes.start.value() < boxes.stop.value()
    times, band = opened.controls.times.range, opened.controls.chosen_band
    qtbot.waitUntil(lambda: (opened.session.time_range, opened.session.band) == (times, band))
    plot_counts(qtbot, opened)
    expected = observations[NIGHT].photons_of((9, 6), *times, min_phase=band[0], max_phase=band[1])
    assert opened.image.array[9, 6] == expected[0].size


def test_defect_20_milliseconds_and_tenths_of_degrees_can_be_typed(qtbot, opened, observations):
    """Only whole seconds and nanometres could be chosen, of a detector that counts microseconds."""
    type_into(qtbot, opened.controls.times.start, "1.250")
    type_into(qtbot, opened.controls.times.stop, "1.273")
    type_into(qtbot, opened.controls.band.start, "-66.3")
    qtbot.waitUntil(lambda: opened.session.time_range == (1.25, 1.273))
    qtbot.waitUntil(lambda: opened.session.band == (-66.3, None))
    plot_counts(qtbot, opened)
    obs = observations[NIGHT]
    counts = {p: obs.photons_of(p, 1.25, 1.273, min_phase=-66.3)[0].size for p in obs.times}
    assert 0 < sum(counts.values()) < 60
    for pixel, n in counts.items():
        assert opened.image.array[pixel] == n


def test_defect_23_plots_without_a_file_are_no_accident(qtbot, window):
    """The Plot menu before a file was open ended in an AttributeError."""
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    for key in (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4):
        for held in (Qt.KeyboardModifier.NoModifier, control, control | shift):
            qtbot.keyClick(window.image, key, held)
    qtbot.keyClick(window.image, Qt.Key.Key_P, control)
    qtbot.keyClick(window.image, Qt.Key.Key_Right)
    qtbot.mouseClick(window.image.view.viewport(), Qt.MouseButton.LeftButton)
    qtbot.mouseClick(window.controls.plot, Qt.MouseButton.LeftButton)
    assert window.plot_windows.windows == ()
    assert window.image.kind == ""
    for name in ("light_curve", "histogram", "spectrum", "phase", "window_phase", "plot_image"):
        action = window.actions_by_name[name]
        assert not action.isEnabled()
        assert "open a photon file" in action.toolTip().lower()


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("light_curve", "light_curve"),
        ("intensity_histogram", "histogram"),
        ("spectrum", "spectrum"),
        ("count_image", "image"),
    ],
)
def test_defect_24_a_failed_plot_is_no_old_plot(qtbot, opened, observations, method, place):
    """All errors of plotting were swallowed: what was seen was of another pixel, or wrong."""
    click_pixel(qtbot, opened, 3, 3)
    wait_for_plots(qtbot, opened, (3, 3))
    plot_counts(qtbot, opened)
    pane = opened.image if place == "image" else getattr(opened.card, place)
    content = pane.view if place == "image" else pane.plot
    assert content.isVisible()
    error = InputFormatError("night.h5 is damaged: photons 5 to 9. Copy the file again.")
    observations[NIGHT].broken[method] = error
    click_pixel(qtbot, opened, 9, 6)
    opened.actions_by_name["plot_image"].trigger()
    qtbot.waitUntil(lambda: pane.message == str(error))
    assert not content.isVisible()
    del observations[NIGHT].broken[method]
    opened.actions_by_name["plot_image"].trigger()
    click_pixel(qtbot, opened, 2, 2) if place != "image" else None
    qtbot.waitUntil(lambda: pane.message == "" and content.isVisible())


def test_defect_25_errors_are_said_in_the_window(qtbot, opened, observations, capfd):
    """Errors were printed to the terminal, which the observer does not see."""
    capfd.readouterr()
    bad = Path("bad.h5")
    observations[bad] = InputFormatError("bad.h5 holds no photons. Choose another file.")
    opened.open_file(bad)
    qtbot.waitUntil(lambda: opened.messages.isVisible())
    assert opened.messages.kind == "error"
    assert opened.messages.text == "bad.h5 holds no photons. Choose another file."
    assert opened.messages.visibleRegion().boundingRect() == opened.messages.rect()
    assert capfd.readouterr() == ("", "")


def test_defect_26_cancel_in_a_dialog_changes_nothing(qtbot, opened, observations, monkeypatch):
    """Cancel replaced the name of the file by ''."""
    for name, nothing in (("getOpenFileNames", ([], "")), ("getSaveFileName", ("", ""))):
        monkeypatch.setattr(QtWidgets.QFileDialog, name, staticmethod(lambda *a, n=nothing, **k: n))
    plot_counts(qtbot, opened)
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    before = state_of(opened)
    observations[NIGHT].asked.clear()
    for name in ("open", "export_image", "export_light_curve"):
        opened.actions_by_name[name].trigger()
    qtbot.wait(50)
    assert state_of(opened) == before
    assert observations[NIGHT].asked == []


def state_of(window):
    """What a person sees of the open file."""
    return (
        window.windowTitle(),
        window.session.file.path,
        window.strip.value("File"),
        window.status.active_text,
        window.messages.text,
        window.image.heading,
        id(window.image.array),
        [id(pane.shown) for pane in window.card.panes],
    )


@pytest.mark.parametrize("turned", [False, True])
def test_defect_30_the_outermost_half_pixels_can_be_clicked(qtbot, opened, turned):
    """A click on the last half pixel was rounded to a pixel outside: IndexError."""
    if turned:
        opened.actions_by_name["rotate"].trigger()
        opened.actions_by_name["flip_y"].trigger()
    opened.actions_by_name["zoom_out"].trigger()  # there is something beside the array
    qtbot.wait(30)
    for (x, y), pixel in {
        (9.4, 6.4): (9, 6),
        (-0.4, -0.4): (0, 0),
        (9.4, -0.4): (9, 0),
        (-0.4, 6.4): (0, 6),
        (8.6, 5.6): (9, 6),
        (8.4, 5.4): (8, 5),
    }.items():
        click_pixel(qtbot, opened, x, y)
        assert opened.session.pixel == pixel
        move_to(opened, x, y)
        qtbot.waitUntil(lambda p=pixel: f"under mouse: {p}" in opened.status.hovered_text)
    for x, y in ((9.7, 3), (-0.7, 3), (4, 6.7), (4, -0.7)):
        click_pixel(qtbot, opened, x, y)
        assert opened.session.pixel == (8, 5)
    wait_for_plots(qtbot, opened, (8, 5))


def test_defect_32_an_aperture_can_be_drawn_and_plotted(qtbot, opened, observations):
    """The code could sum an aperture; no control offered it."""
    opened.actions_by_name["circle"].trigger()
    viewport = opened.image.view.viewport()
    drag(qtbot, viewport, position_of(opened, 5, 3), position_of(opened, 6.2, 3))
    opened.actions_by_name["plot_region"].trigger()
    pixels = {(5, 3), (4, 3), (6, 3), (5, 2), (5, 4)}

    def is_plotted(pane):
        return pane.shown is not None and set(pane.shown.request.pixels) == pixels

    qtbot.waitUntil(lambda: all(is_plotted(pane) for pane in opened.card.panes))
    times = observations[NIGHT].times
    total = sum(times[pixel].size for pixel in pixels)
    assert opened.card.spectrum.bars.getData()[1].sum() == total
    assert opened.card.light_curve.shown.data.counts.sum() == total


def test_defect_33_open_and_exit_have_icons_of_their_own(opened):
    """Files of icons were missing, and two actions had the same one."""
    pictures = {}
    for name, action in opened.actions_by_name.items():
        picture = action.icon().pixmap(24, 24).toImage()
        assert not picture.isNull(), name
        pictures[name] = picture
    for name in ("exit", "convert", "export_image", "preferences"):
        assert pictures["open"] != pictures[name]
    for button in opened.image.tools.findChildren(QtWidgets.QToolButton):
        assert not button.icon().isNull()


def test_defect_34_files_help_and_version_on_the_command_line(monkeypatch, capsys):
    """No file could be given on the command line; there was neither help nor version."""
    started = []
    monkeypatch.setattr(quicklook.launch, "launch", lambda **given: started.append(given) or 0)
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert main(["a.h5"]) == 0
    assert main([]) == 0
    assert [given["files"] for given in started] == [[Path("a.h5")], []]
    for option, words in (("--help", "FILE"), ("--version", "quicklook ")):
        with pytest.raises(SystemExit) as end:
            main([option])
        assert end.value.code == 0
        assert words in capsys.readouterr().out


def test_defect_38_flag_numbers_have_a_legend(qtbot, opened):
    """Flags were shown as bare numbers."""
    assert opened.image.kind == "flags"
    legend = opened.image.legend
    assert legend.isVisible()
    widgets = [*legend.findChildren(QtWidgets.QLabel), *legend.findChildren(QtWidgets.QCheckBox)]
    texts = {widget.text() for widget in widgets}
    assert {"good", "noDacTone", "double\n+ pixcal.hot", "67", "2", "1"} <= texts
    for _, name, _, sentence in legend.entries:
        assert not name.isdigit()
        assert len(sentence) > 10
    colours = {name: colour for colour, name, _, _ in legend.entries}
    for (x, y), name in {
        (4, 4): "good",
        (1, 0): "beammap.noDacTone",
        (2, 6): "beammap.double + pixcal.hot",
    }.items():
        assert "#{:02x}{:02x}{:02x}".format(*screen_colour(opened, x, y)) == colours[name]
        move_to(opened, x, y)
        names = "beammap.good" if name == "good" else name.replace(" + ", ", ")
        qtbot.waitUntil(lambda n=names: f"flags: {n}" in opened.status.hovered_text)
