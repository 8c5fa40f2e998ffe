"""Regions: drawn, moved and resized with the mouse; their table; their sums in the plots."""

from __future__ import annotations

import numpy as np
import pytest
from gui_actions import click_pixel, drag, plot_counts, position_of

from pipeline_core.regions import Circle, PixelSet, Rectangle, pixels_in, ring, statistics
from quicklook.qt import Qt, QtWidgets


def draw(qtbot, window, tool, first, last):
    """Choose a tool and drag from one pixel to another."""
    window.actions_by_name[tool].trigger()
    drag_pixels(qtbot, window, first, last)


def drag_pixels(qtbot, window, first, last):
    drag(
        qtbot,
        window.image.view.viewport(),
        position_of(window, *first),
        position_of(window, *last),
    )


def wait_for_target(qtbot, window, pixels):
    """Wait until the visible plots show the sum of these pixels."""

    def right(pane):
        return pane.shown is not None and set(pane.shown.request.pixels) == set(pixels)

    qtbot.waitUntil(lambda: all(right(p) for p in window.card.panes if p.isVisible()), timeout=5000)


def test_a_rectangle_is_drawn_from_corner_to_corner(qtbot, opened):
    draw(qtbot, opened, "rectangle", (6, 5), (2, 1))
    (region,) = opened.regions.regions
    assert region.shape == Rectangle(2, 1, 6, 5)
    assert opened.actions_by_name["pointer"].isChecked()  # the next drag moves it
    assert opened.session.pixel is None


def test_a_circle_is_drawn_from_its_middle(qtbot, opened):
    draw(qtbot, opened, "circle", (5, 3), (7, 3))
    (region,) = opened.regions.regions
    assert (region.shape.x, region.shape.y) == (5, 3)
    assert region.shape.radius == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("turned", [False, True])
def test_regions_lie_on_their_pixels_in_every_orientation(qtbot, opened, turned):
    if turned:
        opened.actions_by_name["rotate"].trigger()
        opened.actions_by_name["flip_x"].trigger()
        qtbot.wait(30)
    draw(qtbot, opened, "rectangle", (1, 2), (4, 5))
    assert opened.regions.selected.shape == Rectangle(1, 2, 4, 5)
    outline = opened.image.layer.items[opened.regions.selected.number].outline()
    assert outline.boundingRect().getRect() == (0.5, 1.5, 4.0, 4.0)
    drag_pixels(qtbot, opened, (2, 3), (4, 2))
    assert opened.regions.selected.shape == Rectangle(3, 1, 6, 4)


def test_a_handle_resizes_and_undo_takes_it_back(qtbot, opened):
    opened.regions.add(Rectangle(2, 1, 4, 3))
    view = opened.image.view
    corner = position_of(opened, 4.5, 3.5)
    drag(qtbot, view.viewport(), corner, position_of(opened, 7.5, 5.5))
    assert opened.regions.selected.shape == Rectangle(2, 1, 7, 5)
    opened.actions_by_name["undo"].trigger()
    assert opened.regions.selected.shape == Rectangle(2, 1, 4, 3)
    opened.actions_by_name["undo"].trigger()
    assert opened.regions.regions == ()
    assert not opened.actions_by_name["undo"].isEnabled()
    assert opened.image.layer.items == {}


def test_ctrl_click_collects_pixels(qtbot, opened):
    for pixel in ((1, 1), (4, 2), (8, 6)):
        qtbot.mouseClick(
            opened.image.view.viewport(),
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.ControlModifier,
            pos=position_of(opened, *pixel),
        )
    assert opened.regions.selected.shape == PixelSet(((1, 1), (4, 2), (8, 6)))
    assert opened.session.pixel is None
    opened.actions_by_name["pixels"].trigger()
    click_pixel(qtbot, opened, 4, 2)
    assert opened.regions.selected.shape == PixelSet(((1, 1), (8, 6)))
    opened.actions_by_name["pointer"].trigger()
    click_pixel(qtbot, opened, 3, 3)
    assert opened.session.pixel == (3, 3)


def test_a_click_inside_a_region_is_for_the_pixel_below(qtbot, opened):
    opened.regions.add(Rectangle(2, 1, 6, 5))
    opened.regions.add(Rectangle(0, 0, 0, 0))
    click_pixel(qtbot, opened, 4, 3)
    assert opened.session.pixel == (4, 3)
    assert opened.regions.selected.number == 1


def test_table_equals_the_core_on_the_array_on_the_screen(qtbot, opened):
    opened.regions.add(Rectangle(2, 1, 6, 5))
    opened.regions.add(Circle(5, 3, 2))
    assert "Raw Counts" in opened.region_table.note.text()
    plot_counts(qtbot, opened)
    counts = opened.image.counts
    assert opened.region_table.note.text() == ""
    for row, region in enumerate(opened.regions.regions):
        mask = region.shape.mask((10, 7))
        expected = statistics(counts.image, mask, counts.good, counts.open_s, ring(mask))
        assert opened.region_table.statistics[region.number] == expected
        assert expected.sum == counts.image[mask].sum()
        cells = [opened.region_table.table.item(row, c).text() for c in range(20)]
        assert cells[0] == region.name
        assert f"{int(expected.sum):,}" in cells
    opened.region_table.copy.click()
    lines = QtWidgets.QApplication.clipboard().text().splitlines()
    assert len(lines) == 3
    assert lines[0].split("\t")[:3] == ["Region", "Shape", "Pixels"]


def test_plots_show_the_sum_of_the_region_while_it_moves(qtbot, opened, observations):
    from pathlib import Path

    obs = observations[Path("night.h5")]
    opened.regions.add(Rectangle(5, 3, 6, 4))
    opened.region_table.plot.setChecked(True)
    pixels = pixels_in(opened.regions.selected.shape, (10, 7))
    wait_for_target(qtbot, opened, pixels)
    total = sum(obs.times[p].size for p in pixels)
    assert opened.card.spectrum.shown.data.counts.sum() == total
    assert opened.card.heading.text() == "Region 1 (4 pixels)"
    drag_pixels(qtbot, opened, (5, 3), (7, 4))
    moved = pixels_in(Rectangle(7, 4, 8, 5), (10, 7))
    wait_for_target(qtbot, opened, moved)
    click_pixel(qtbot, opened, 1, 1)
    wait_for_target(qtbot, opened, [(1, 1)])
    assert not opened.region_table.plot.isChecked()


def test_plots_show_no_region_that_is_no_longer_meant(qtbot, opened):
    click_pixel(qtbot, opened, 3, 3)
    region = opened.regions.add(Rectangle(1, 1, 2, 4))
    plot = opened.region_table.plot
    plot.setChecked(True)
    assert len(opened.session.target.pixels) == 8
    # moved out of the array, and back
    opened.regions.reshape(region.number, Rectangle(90, 1, 91, 4))
    assert opened.session.target.pixels == ((3, 3),)
    opened.regions.reshape(region.number, Rectangle(1, 1, 2, 4))
    assert len(opened.session.target.pixels) == 8
    # the active pixel clicked once more
    opened.image.pixelSelected.emit((3, 3))
    assert opened.session.target.pixels == ((3, 3),)
    assert not plot.isChecked()


def test_tab_selects_the_next_region_and_delete_removes_it(qtbot, opened):
    for shape in (Rectangle(0, 0, 1, 1), Circle(5, 3, 1), Rectangle(7, 2, 8, 3)):
        opened.regions.add(shape)
    opened.image.setFocus()
    seen = []
    for _ in range(3):
        qtbot.keyClick(opened.image, Qt.Key.Key_Tab)
        seen.append(opened.regions.selected.number)
    assert seen == [1, 2, 3]
    opened.actions_by_name["remove_region"].trigger()
    assert [region.number for region in opened.regions.regions] == [1, 2]
    opened.actions_by_name["clear_regions"].trigger()
    assert opened.regions.regions == ()
    assert "Draw one" in opened.region_table.empty.text()
    assert opened.region_table.empty.isVisibleTo(opened.region_table)


def test_regions_that_the_next_array_has_not_are_dropped(qtbot, opened, observations):
    from pathlib import Path

    from fake_obs import FakeObs

    opened.regions.add(Rectangle(0, 0, 2, 2))
    opened.regions.add(Rectangle(8, 1, 9, 2))
    observations[Path("small.h5")] = FakeObs("small.h5", shape=(4, 9))
    with qtbot.waitSignal(opened.fileOpened):
        opened.open_file(Path("small.h5"))
    assert [region.number for region in opened.regions.regions] == [1]


def test_statistics_follow_the_image(qtbot, opened):
    opened.regions.add(Rectangle(0, 0, 9, 6))
    plot_counts(qtbot, opened)
    whole = opened.region_table.statistics[1].sum
    opened.actions_by_name["time_first"].trigger()
    qtbot.waitUntil(lambda: opened.region_table.statistics[1].sum < whole)
    assert opened.region_table.statistics[1].sum == opened.image.array.sum()
    opened.actions_by_name["choose_flags"].trigger()
    assert opened.region_table.statistics == {}
    assert np.isin("–", [opened.region_table.table.item(0, c).text() for c in range(3, 8)])
