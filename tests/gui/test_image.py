"""The image as a viewer: contrast, stretches, colours, gestures, zoom, orientation, keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_obs import FakeObs
from gui_actions import click_pixel, drag, move_to, plot_counts, position_of, wait_for_plots

from pipeline_core import colours, display
from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets

NIGHT = Path("night.h5")


def colour_of(window, x, y):
    """The colour of a pixel on the screen, away from its middle and marks."""
    grab = window.image.view.viewport().grab().toImage()
    return grab.pixelColor(position_of(window, x + 0.25, y + 0.25)).name()


def expected_colour(window, x, y):
    """What the colour table says for the value of the pixel."""
    pane = window.image
    number = display.indices(pane.array, pane.scale)[x, y]
    table = colours.picture_table(
        pane.display.colour_map or theme.current().image_map, inverted=pane.display.inverted
    )
    return QtGui.QColor(*(int(v) for v in table[number])).name()


def wheel(widget, position, steps, modifiers=Qt.KeyboardModifier.NoModifier):
    event = QtGui.QWheelEvent(
        QtCore.QPointF(position),
        QtCore.QPointF(widget.mapToGlobal(position)),
        QtCore.QPoint(),
        QtCore.QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QtWidgets.QApplication.sendEvent(widget, event)


def wait_for_hover(qtbot, window, pixel, text):
    """Move there until the window says so: the platform may tell of a leaving mouse in between."""

    def said():
        move_to(window, *pixel)
        return text in window.status.hovered_text

    qtbot.waitUntil(said)


@pytest.mark.parametrize("orientation", ["as it is", "x", "y", "turned", "turned twice"])
def test_every_pixel_has_its_colour_and_read_out_in_each_orientation(qtbot, opened, orientation):
    plot_counts(qtbot, opened)
    for name in {"x": ["flip_x"], "y": ["flip_y"], "turned": ["rotate"]}.get(
        orientation, ["rotate"] * 2 if orientation == "turned twice" else []
    ):
        opened.actions_by_name[name].trigger()
    qtbot.wait(30)
    grab = opened.image.view.viewport().grab().toImage()
    for x, y in np.ndindex(10, 7):
        place = position_of(opened, x + 0.25, y + 0.25)
        assert grab.pixelColor(place).name() == expected_colour(opened, x, y), (x, y)
    for x, y in ((0, 0), (9, 2), (4, 6)):
        wanted = f"({x}, {y})   |   {int(opened.image.array[x, y]):,} counts"
        wait_for_hover(qtbot, opened, (x, y), wanted)
        click_pixel(qtbot, opened, x, y)
        assert opened.session.pixel == (x, y)


def test_a_quarter_turn_is_counter_clockwise(opened):
    before = position_of(opened, 9, 0) - position_of(opened, 0, 0)
    assert before.x() > 0 == before.y()
    opened.actions_by_name["rotate"].trigger()
    after = position_of(opened, 9, 0) - position_of(opened, 0, 0)
    assert after.y() < 0 == after.x()  # what went right goes up
    for _ in range(3):
        opened.actions_by_name["rotate"].trigger()
    assert position_of(opened, 9, 0) - position_of(opened, 0, 0) == before


def test_flips_and_zoom_survive_replots(qtbot, opened):
    opened.actions_by_name["flip_x"].trigger()
    opened.actions_by_name["zoom_in"].trigger()
    seen = opened.image.view.box.viewRect()
    plot_counts(qtbot, opened)
    opened.actions_by_name["choose_flags"].trigger()
    assert opened.image.view.box.viewRect() == seen
    assert opened.image.view.orientation.flip_horizontal
    assert position_of(opened, 3, 3).x() > position_of(opened, 4, 3).x()


def test_axes_are_named_as_the_picture_lies(opened):
    bottom, left = (opened.image.view.plot.getAxis(side) for side in ("bottom", "left"))
    assert (bottom.labelText, left.labelText) == ("x [pixel]", "y [pixel]")
    opened.actions_by_name["rotate"].trigger()
    assert (bottom.labelText, left.labelText) == ("y [pixel]", "x [pixel]")


def test_a_pixel_of_eight_screen_pixels(qtbot, window, observations):
    observations[Path("any.h5")] = FakeObs("any.h5", shape=(40, 50), exposure_s=0.1)
    with qtbot.waitSignal(window.fileOpened):
        window.open_file(Path("any.h5"))
    qtbot.wait(30)
    qtbot.wait(30)  # one pass of the layout
    window.actions_by_name["one_to_one"].trigger()
    qtbot.wait(30)
    assert abs(position_of(window, 25, 3).x() - position_of(window, 15, 3).x() - 80) <= 1


@pytest.mark.parametrize("mode", display.LIMIT_MODES)
def test_automatic_limits_are_those_of_the_core(qtbot, opened, mode):
    plot_counts(qtbot, opened)
    opened.image.bar.limits.setCurrentIndex(opened.image.bar.limits.findData(mode))
    opened.image.bar.limits.activated.emit(0)
    counts = opened.image.counts
    expected = display.limits(counts.image, counts.typical, mode, low=1.0, high=99.5)
    assert opened.image.scale.levels == expected
    assert opened.image.colour_bar.scale.levels == expected


def test_one_hot_pixel_does_not_change_the_contrast(qtbot, opened, observations):
    plot_counts(qtbot, opened)
    _, high = opened.image.scale.levels
    obs = observations[NIGHT]
    obs.times[4, 3] = np.linspace(0, 3.99, 100_000)  # not flagged
    obs.phases[4, 3] = obs.wavelengths[4, 3] = np.full(100_000, -65.0)
    plot_counts(qtbot, opened)
    assert opened.image.array[4, 3] == 100_000
    assert opened.image.scale.levels[1] == pytest.approx(high, rel=0.01)


def test_limits_of_what_is_seen_and_of_a_region(qtbot, opened):
    from pipeline_core.regions import Rectangle

    plot_counts(qtbot, opened)
    pane = opened.image
    pane.set_display(replace(pane.display, limits="minmax", scope="region"))
    opened.regions.add(Rectangle(2, 1, 4, 3))
    counts = pane.counts
    inside = counts.image[2:5, 1:4]
    assert pane.scale.levels == (inside.min(), inside.max())
    pane.set_display(replace(pane.display, scope="view"))
    assert pane.scale.levels == (counts.image[counts.good].min(), counts.image[counts.good].max())
    for _ in range(3):
        opened.actions_by_name["zoom_in"].trigger()
    first_x, last_x, first_y, last_y = pane.view.seen_pixels()
    seen = counts.image[first_x : last_x + 1, first_y : last_y + 1]
    assert seen.size < 70
    qtbot.waitUntil(lambda: pane.scale.levels == (seen.min(), seen.max()))


def test_locked_limits_stay_and_manual_ones_are_typed(qtbot, opened):
    plot_counts(qtbot, opened)
    opened.image.bar.low.setValue(20.0)
    opened.image.bar.high.setValue(90.0)
    assert opened.image.display.limits == "manual"
    assert opened.image.scale.levels == (20.0, 90.0)
    opened.actions_by_name["autoscale"].trigger()
    before = opened.image.scale.levels
    assert before != (20.0, 90.0)
    opened.image.bar.lock.click()
    opened.controls.times.stop.setValue(1.0)
    qtbot.waitUntil(lambda: opened.session.time_range == (0.0, 1.0))
    plot_counts(qtbot, opened)
    assert opened.image.scale.levels == before
    opened.actions_by_name["autoscale"].trigger()
    assert opened.image.scale.levels[1] < before[1]


@pytest.mark.parametrize("stretch", display.STRETCHES)
@pytest.mark.parametrize("values", ["zeros", "counts"])
def test_stretches_draw_without_a_warning(qtbot, opened, observations, stretch, values):
    if values == "zeros":
        for pixel in observations[NIGHT].times:
            for column in ("times", "phases", "wavelengths"):
                getattr(observations[NIGHT], column)[pixel] = np.empty(0)
    plot_counts(qtbot, opened)
    opened.image.set_display(replace(opened.image.display, stretch=stretch))
    for x, y in ((0, 0), (4, 3), (9, 6)):
        assert colour_of(opened, x, y) == expected_colour(opened, x, y)
    assert opened.image.scale.stretch == stretch


def test_keys_go_through_stretches_and_maps(qtbot, opened):
    plot_counts(qtbot, opened)
    seen = []
    for _ in display.STRETCHES:
        opened.actions_by_name["next_stretch"].trigger()
        seen.append(opened.image.display.stretch)
    assert sorted(seen) == sorted(display.STRETCHES)
    opened.actions_by_name["next_map"].trigger()
    assert opened.image.display.colour_map == next(iter(colours.COLOUR_MAPS))
    assert opened.settings.display.colour_map == opened.image.display.colour_map


def test_inverted_map_and_marks(qtbot, opened, observations):
    plot_counts(qtbot, opened)
    bright = colour_of(opened, 9, 6)
    opened.image.bar.inverted.click()
    assert colour_of(opened, 9, 6) == expected_colour(opened, 9, 6) != bright
    opened.image.bar.flagged.setChecked(True)
    assert colour_of(opened, 2, 6) == theme.current().missing  # hot by its flag
    obs = observations[NIGHT]
    obs.times[4, 3] = np.linspace(0, 3.99, 20_000)
    obs.phases[4, 3] = obs.wavelengths[4, 3] = np.full(20_000, -65.0)
    opened.image.bar.saturated.setChecked(True)
    plot_counts(qtbot, opened)
    assert colour_of(opened, 4, 3) == theme.current().marker


class TestColourBar:
    @pytest.fixture
    def bar(self, qtbot, opened):
        plot_counts(qtbot, opened)
        opened.image.set_levels((0.0, 200.0))
        return opened.image.colour_bar

    @staticmethod
    def at(bar, value):
        area = bar.strip_area
        return QtCore.QPoint(
            area.center().x(), round(area.bottom() - value / 200 * (area.height() - 1))
        )

    def test_wheel_moves_the_upper_limit_by_five_percent(self, opened, bar):
        wheel(bar, self.at(bar, 100), 1)
        assert opened.image.scale.levels == pytest.approx((0.0, 210.0))
        wheel(bar, self.at(bar, 100), -1)
        assert opened.image.scale.levels == pytest.approx((0.0, 199.5))

    def test_wheel_with_ctrl_moves_the_lower_limit(self, opened, bar):
        wheel(bar, self.at(bar, 100), 1, Qt.KeyboardModifier.ControlModifier)
        assert opened.image.scale.levels == pytest.approx((10.0, 200.0))

    def test_click_clips_and_double_click_gives_automatic_limits(self, qtbot, opened, bar):
        automatic = display.limits(
            opened.image.counts.image, opened.image.counts.typical, "percentile"
        )
        qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=self.at(bar, 150))
        assert opened.image.scale.levels == pytest.approx((0.0, 150.0), abs=1.5)
        qtbot.mouseClick(
            bar,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.ControlModifier,
            pos=self.at(bar, 100),
        )
        assert opened.image.scale.levels == pytest.approx((75.0, 150.0), abs=2.5)
        qtbot.mouseDClick(bar, Qt.MouseButton.LeftButton, pos=self.at(bar, 100))
        assert opened.image.scale.levels == automatic

    def test_drag_pulls_the_nearer_limit(self, qtbot, opened, bar):
        drag(qtbot, bar, self.at(bar, 180), self.at(bar, 140), steps=1)
        low, high = opened.image.scale.levels
        assert low == 0.0
        assert high == pytest.approx(160.0, abs=2)  # a fifth of the range less
        opened.image.set_levels((0.0, 200.0))
        drag(qtbot, bar, self.at(bar, 40), self.at(bar, 60), steps=1)
        low, high = opened.image.scale.levels
        assert high == 200.0
        assert low == pytest.approx(20.0, abs=2)

    def test_right_drag_moves_both_limits(self, qtbot, opened, bar):
        drag(qtbot, bar, self.at(bar, 100), self.at(bar, 140), Qt.MouseButton.RightButton, steps=1)
        assert opened.image.scale.levels == pytest.approx((40.0, 240.0), abs=3)

    def test_ticks_are_where_their_values_are(self, opened, bar):
        area = bar.strip_area
        for stretch in ("linear", "log"):
            opened.image.set_display(replace(opened.image.display, stretch=stretch))
            for fraction, value in bar.scale.ticks(5):
                y = area.bottom() - fraction * (area.height() - 1)
                assert bar.value_at(y) == pytest.approx(value, abs=1e-6)


def test_right_drag_on_the_image_changes_brightness_and_contrast(qtbot, opened):
    plot_counts(qtbot, opened)
    opened.image.set_levels((50.0, 150.0))
    view = opened.image.view
    start = position_of(opened, 5, 3)
    drag(qtbot, view.viewport(), start, start - QtCore.QPoint(0, 30), Qt.MouseButton.RightButton)
    low, high = opened.image.scale.levels
    assert high - low == pytest.approx(100.0, rel=0.01)
    assert low > 52.0
    assert opened.session.pixel is None


def test_arrow_keys_move_the_active_pixel_as_the_picture_lies(qtbot, opened):
    pane = opened.image
    opened.session.set_pixel((4, 3))
    key = Qt.Key
    for pressed, pixel in (
        (key.Key_Right, (5, 3)),
        (key.Key_Up, (5, 4)),
        (key.Key_Left, (4, 4)),
        (key.Key_Down, (4, 3)),
    ):
        qtbot.keyClick(pane, pressed)
        assert opened.session.pixel == pixel
    qtbot.keyClick(pane, key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert opened.session.pixel == (9, 3)  # the edge
    opened.actions_by_name["rotate"].trigger()
    qtbot.keyClick(pane, key.Key_Up)  # right became up
    assert opened.session.pixel == (9, 3)
    qtbot.keyClick(pane, key.Key_Down)
    assert opened.session.pixel == (8, 3)
    opened.actions_by_name["flip_y"].trigger()
    qtbot.keyClick(pane, key.Key_Down)
    assert opened.session.pixel == (9, 3)


def test_a_thousand_key_presses_end_at_the_right_pixel(qtbot, opened):
    rng = np.random.default_rng(3)
    opened.session.set_pixel((4, 3))
    keys = [Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Down]
    x, y = 4, 3
    for k in rng.integers(0, 4, 1000):
        qtbot.keyClick(opened.image, keys[k])
        x = min(max(x + (1, -1, 0, 0)[k], 0), 9)
        y = min(max(y + (0, 0, 1, -1)[k], 0), 6)
    assert opened.session.pixel == (x, y)
    wait_for_plots(qtbot, opened, (x, y))
    assert not opened.reads.jobs


def test_next_hot_pixel(qtbot, opened, observations):
    obs = observations[NIGHT]
    for pixel, n in (((4, 3), 3000), ((7, 5), 9000)):
        obs.times[pixel] = np.linspace(0, 3.99, n)
        obs.phases[pixel] = obs.wavelengths[pixel] = np.full(n, -65.0)
    plot_counts(qtbot, opened)
    seen = []
    for name in ("next_hot", "next_hot", "previous_hot"):
        opened.actions_by_name[name].trigger()
        seen.append(opened.session.pixel)
    assert seen == [(7, 5), (4, 3), (7, 5)]


def test_letters_are_commands_only_outside_text_fields(qtbot, opened):
    plot_counts(qtbot, opened)
    opened.activateWindow()
    opened.image.setFocus()
    qtbot.keyClick(opened.image, Qt.Key.Key_G)
    qtbot.waitUntil(lambda: opened.image.display.stretch == "log")
    box = opened.controls.times.start
    box.setFocus()
    box.selectAll()
    for letter in "gxf":
        qtbot.keyClick(box, letter)
    qtbot.wait(20)
    assert opened.image.display.stretch == "log"
    assert not opened.image.view.orientation.flip_horizontal


@pytest.mark.parametrize("shape", [(80, 125), (140, 146), (10, 7), (6, 50)])
def test_any_size_of_array(qtbot, window, observations, shape):
    observations[Path("any.h5")] = FakeObs("any.h5", shape=shape, exposure_s=1.0)
    with qtbot.waitSignal(window.fileOpened):
        window.open_file(Path("any.h5"))
    qtbot.wait(30)
    assert window.image.view.picture.image.shape == shape[::-1]
    last = (shape[0] - 1, shape[1] - 1)
    click_pixel(qtbot, window, *last)
    assert window.session.pixel == last
    plot_counts(qtbot, window)
    obs = observations[Path("any.h5")]
    assert window.image.array[last] == obs.times[last].size


def test_span_on_the_time_line_sets_the_time_range(qtbot, opened):
    qtbot.waitUntil(lambda: opened.timeline.survey is not None)
    opened.timeline.span.setRegion((1.0, 2.5))
    qtbot.waitUntil(lambda: opened.session.time_range == (1.0, 2.5))
    assert opened.controls.times.range == (1.0, 2.5)
    opened.controls.times.stop.setValue(3.0)
    qtbot.waitUntil(lambda: opened.session.time_range == (1.0, 3.0))
    assert opened.timeline.span.getRegion() == (1.0, 3.0)


def test_a_step_draws_the_counts_of_the_step(qtbot, opened, observations):
    plot_counts(qtbot, opened)
    with qtbot.waitSignal(opened.image.shownChanged):
        opened.actions_by_name["time_first"].trigger()
    times = observations[NIGHT].times[9, 6]
    assert opened.image.array[9, 6] == (times < 1.0).sum()
    with qtbot.waitSignal(opened.image.shownChanged):
        opened.actions_by_name["time_forward"].trigger()
    assert opened.image.array[9, 6] == ((times >= 1.0) & (times < 2.0)).sum()


def test_phase_band_is_counted_and_whole_band_is_open(qtbot, opened, observations):
    plot_counts(qtbot, opened)
    qtbot.waitUntil(lambda: opened.controls.band.limits == (-70.0, -59.0))
    assert opened.session.band == (None, None)
    opened.controls.band.start.setValue(-66.5)
    qtbot.waitUntil(lambda: opened.session.band == (-66.5, None))
    assert "Plot Image" in opened.controls.hint.text()
    plot_counts(qtbot, opened)
    phases = observations[NIGHT].phases[9, 6]
    assert opened.image.array[9, 6] == (phases >= -66.5).sum() > 0
    opened.actions_by_name["whole_range"].trigger()
    qtbot.waitUntil(lambda: opened.image.array[9, 6] == phases.size)
    assert opened.session.band == (None, None)


def test_mean_phase_of_the_active_pixel(qtbot, opened, observations):
    click_pixel(qtbot, opened, 9, 6)
    expected = f"mean phase {observations[NIGHT].phases[9, 6].mean():.1f} deg"
    qtbot.waitUntil(lambda: opened.status.active_text.endswith(expected))
    click_pixel(qtbot, opened, 0, 0)  # no photons, no mean
    wait_for_plots(qtbot, opened, (0, 0))
    assert "mean" not in opened.status.active_text


def test_flags_are_hidden_and_shown_one_by_one(qtbot, opened):
    assert opened.image.kind == "flags"
    legend = {name: colour for colour, name, _, _ in opened.image.legend.entries}
    box = opened.image.legend.boxes["beammap.noDacTone"]
    assert colour_of(opened, 1, 0) == colour_of(opened, 9, 2) == legend["beammap.noDacTone"]
    box.click()
    assert colour_of(opened, 1, 0) == colour_of(opened, 9, 2) == theme.current().paper
    assert colour_of(opened, 2, 6) == legend["beammap.double + pixcal.hot"]
    plot_counts(qtbot, opened)
    assert colour_of(opened, 1, 0) == expected_colour(opened, 1, 0)
    opened.actions_by_name["choose_flags"].trigger()
    assert colour_of(opened, 1, 0) == theme.current().paper
    opened.image.legend.boxes["beammap.noDacTone"].click()
    assert colour_of(opened, 1, 0) == legend["beammap.noDacTone"]
