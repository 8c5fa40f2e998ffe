"""What a person sees of the window: nothing is cut off, columns are straight, what is off says why."""

from __future__ import annotations

import numpy as np
import pytest
from fake_obs import FakeObs
from gui_actions import plot_counts

from pipeline_core.flags import PixelFlag
from quicklook import palette, theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets
from quicklook.tasks import OpenFiles, flag_image
from quicklook.views.detector_view import DetectorView
from quicklook.views.pixel_marker import PixelMarker
from quicklook.widgets.colour_bar import ColourBar
from quicklook.widgets.display_bar import DisplayBar
from quicklook.widgets.plot_controls import PlotControls
from quicklook.widgets.status_line import StatusLine


def facts_of(obs):
    return OpenFiles(lambda *_: obs).open((obs.path,))


@pytest.fixture
def usual_text():
    yield
    theme.use("light", 1.0)


@pytest.mark.parametrize("scale", [0.8, 1.0, 2.0])
@pytest.mark.parametrize("width", [200, 1400])
def test_the_boxes_of_both_ranges_stand_in_columns(qtbot, scale, width, usual_text):
    controls = PlotControls()
    qtbot.addWidget(controls)
    controls.set_file(facts_of(FakeObs()))
    controls.resize(width, 120)
    controls.show()
    theme.use("light", scale)
    qtbot.wait(20)
    for name in ("start", "stop", "step"):
        first, second = (getattr(ranges, name) for ranges in (controls.times, controls.band))
        assert (first.x(), first.width()) == (second.x(), second.width()), name
        assert first.height() >= first.fontMetrics().height()


@pytest.mark.parametrize("scale", [0.8, 1.0, 2.0])
def test_the_longest_time_fits_its_box(qtbot, scale, usual_text):
    theme.use("light", scale)
    controls = PlotControls()
    qtbot.addWidget(controls)
    controls.set_file(facts_of(FakeObs(exposure_s=28_800.125)))
    controls.show()
    for box in (controls.times.stop, controls.band.start):
        edit = box.findChild(QtWidgets.QLineEdit)
        assert box.fontMetrics().horizontalAdvance(box.text()) < edit.width(), box.text()


def test_every_control_of_a_range_that_is_off_says_why(qtbot):
    controls = PlotControls()
    qtbot.addWidget(controls)
    for ranges in (controls.times, controls.band):
        for control in (ranges.start, ranges.stop, ranges.step, *ranges.step_buttons.values()):
            assert not control.isEnabled()
            assert control.toolTip() == "Open a photon file first (Ctrl+O)"
    controls.set_file(facts_of(FakeObs()))
    assert "Start of the time range" in controls.times.start.toolTip()


def test_the_settings_of_the_image_are_off_while_it_shows_flags(qtbot, opened):
    bar = opened.image.bar
    assert not bar.stretch.isEnabled()
    assert "Acts on Raw Counts" in bar.stretch.toolTip()
    plot_counts(qtbot, opened)
    assert bar.stretch.isEnabled()
    assert bar.stretch.toolTip() == "Stretch: how brightness follows the counts"


def test_display_settings_are_not_cut_off(qtbot, usual_text):
    bar = DisplayBar({"": "Default"})
    qtbot.addWidget(bar)
    bar.show()
    for scale in (1.0, 1.5):
        theme.use("light", scale)
        qtbot.wait(20)
        option = QtWidgets.QStyleOptionComboBox()
        bar.limits.initStyleOption(option)
        part = QtWidgets.QStyle.SubControl.SC_ComboBoxEditField
        kind = QtWidgets.QStyle.ComplexControl.CC_ComboBox
        bar.limits.resize(bar.limits.minimumWidth(), bar.limits.height())
        bar.limits.initStyleOption(option)
        room = bar.limits.style().subControlRect(kind, option, part, bar.limits).width()
        assert room >= bar.limits.fontMetrics().horizontalAdvance("Percentiles") + 2
    bar.set_why_not("Not now")
    assert bar.colours.toolTip().endswith("Not now")
    bar.set_why_not("")
    assert bar.colours.isEnabled()
    assert "Not now" not in bar.colours.toolTip()


def test_a_long_description_of_the_active_pixel_ends_in_dots(qtbot):
    line = StatusLine()
    qtbot.addWidget(line)
    line.resize(300, 30)
    line.show()
    obs = FakeObs()
    line.show_active(facts_of(obs), (3, 4), ("12", "counts in 0 to 1000 s (0.012 counts/s)"))
    qtbot.wait(10)
    label = line.findChildren(QtWidgets.QLabel)[0]
    assert label.text().endswith("…")
    assert "flags:" in line.active_text
    assert label.toolTip() == line.active_text
    line.resize(1500, 30)
    qtbot.wait(10)
    assert label.text() == line.active_text
    line.resize(300, 30)
    qtbot.wait(10)
    assert label.text().endswith("…")


def test_a_switch_of_themes_moves_nothing(qtbot, opened, usual_text):
    plot_counts(qtbot, opened)
    parts = (opened.image, opened.card, opened.controls.times.start, opened.image.bar)
    before = [part.geometry() for part in parts]
    for name in ("dark", "night", "light", "dark"):
        theme.use(name)
        qtbot.wait(20)
        assert [part.geometry() for part in parts] == before


@pytest.mark.parametrize(("pixel_size", "longest"), [(3, 3.0), (40, 0.9)])
def test_the_mark_never_crosses_out_a_small_array(pixel_size, longest):
    picture = QtGui.QImage(400, 400, QtGui.QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.black)
    painter = QtGui.QPainter(picture)
    painter.translate(200, 200)
    painter.scale(pixel_size, pixel_size)
    PixelMarker().paint(painter)
    painter.end()
    row = 200 + pixel_size // 2
    seen = [x for x in range(400) if picture.pixelColor(x, row) != QtGui.QColor("black")]
    assert (200 - seen[0]) / pixel_size == pytest.approx(longest, abs=3 / pixel_size)


def test_axes_of_few_pixels_have_whole_numbers(qtbot):
    view = DetectorView()
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.set_shape((4, 3))
    for side in ("bottom", "left"):
        levels = view.plot.getAxis(side).tickValues(-0.5, 3.5, 200)
        assert levels
        assert all(value == round(value) for _, values in levels for value in values)


def test_a_low_colour_bar_leaves_out_the_span_and_not_the_middle_of_a_word(qtbot, monkeypatch):
    bar = ColourBar()
    qtbot.addWidget(bar)
    bar.set_label("Counts per pixel, 0 to 10 s [photons]")
    drawn = []

    class Painter:
        def drawText(self, _box, _flags, text):  # noqa: N802
            drawn.append(text)

        def __getattr__(self, _name):
            return lambda *_: None

    width = bar.fontMetrics().horizontalAdvance("Counts per pixel") + 10
    for height in (1000, width):
        bar._paint_label(Painter(), QtCore.QRect(0, 0, 18, height), 40)
    assert drawn == ["Counts per pixel, 0 to 10 s [photons]", "Counts per pixel"]


def test_an_array_without_a_good_pixel_is_not_an_unknown_one():
    obs = FakeObs()
    obs.flags = np.full(obs.shape, int(PixelFlag["beammap_failed"]), np.uint32)
    state = facts_of(obs).calibrations[0]
    assert (state.state, state.word) == ("partial", "0% good")
    obs = FakeObs()
    obs.flags = np.zeros(obs.shape, np.uint32)
    assert facts_of(obs).calibrations[0].word == "unknown"


def test_pixels_without_a_beam_map_are_not_called_good():
    picture = flag_image(np.zeros((3, 2), np.uint32))
    assert [category.label for category in picture.categories] == ["no flag"]
    assert palette.flag_colour("no flag", 5) == palette.flag_colour("good", 0)


def test_the_window_fits_a_small_screen_with_a_file_in_it(opened):
    opened.resize(1024, 700)
    assert (opened.width(), opened.height()) == (1024, 700)
