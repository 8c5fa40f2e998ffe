"""Defects 8, 22, 27-29, 35 and 36 of the program that this one replaces: slow ways, and work for nothing.

The other ones are in `test_defects_numbers` and `test_defects_window`; `tests/ACCEPTANCE.md` lists all of them.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import tables
from gui_actions import click_pixel, move_to, plot_counts, wait_for_plots
from loop_probe import LoopProbe
from observations import make_observation
from window_rig import PaintCounter, all_read, open_path, real_window, type_into, wheel

from quicklook.qt import Qt

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


def painted_by(window):
    """The pictures of the window."""
    plots = [pane.plot.viewport() for pane in (*window.card.panes, window.timeline)]
    return [window.image.view.viewport(), *plots]


def n_chunks(recorded):
    """How many chunks the photons fill."""
    return -(-sum(times.size for times, _ in recorded[1].values()) // 65536)


def count_chunk_reads(monkeypatch):
    """Return the (offset, bytes) of all reads of photons from now on."""
    reads = []
    original = os.preadv

    def preadv(descriptor, buffers, offset, *flags):
        reads.append((offset, sum(len(buffer) for buffer in buffers)))
        return original(descriptor, buffers, offset, *flags)

    monkeypatch.setattr(os, "preadv", preadv)
    return reads


def test_defect_08_the_window_lives_while_something_long_is_computed(qtbot, opened, observations):
    """Everything was computed in the window's own thread: it was dead for hours, without a cancel."""
    obs = observations[NIGHT]
    obs.gate.clear()
    opened.controls.counts.setChecked(True)
    qtbot.mouseClick(opened.controls.plot, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ("count_image", None) in obs.asked)
    probe = LoopProbe()
    probe.start()
    click_pixel(qtbot, opened, 4, 4)
    assert opened.image.view.marker.pixel == (4, 4)
    move_to(opened, 2, 6)
    qtbot.waitUntil(lambda: "(2, 6)" in opened.status.hovered_text)
    qtbot.wait(300)
    probe.stop()
    # generous, since tests share the machine; benchmarks/bench_window.py measures the real figure
    assert probe.longest_ms < 400
    qtbot.waitUntil(
        lambda: "reading" in opened.image._busy.text() and opened.image._busy.isVisible()
    )
    obs.gate.set()
    wait_for_plots(qtbot, opened, (4, 4))
    qtbot.waitUntil(lambda: opened.image.kind == "raw_counts")
    assert threading.get_ident() not in obs.threads


def test_defect_22_closed_plots_compute_nothing(qtbot, opened, observations):
    """Closed windows stayed connected: each click computed every plot ever opened."""
    click_pixel(qtbot, opened, 3, 3)
    wait_for_plots(qtbot, opened, (3, 3))
    for name in ("window_light_curve", "window_histogram", "window_spectrum", "window_phase"):
        opened.actions_by_name[name].trigger()
    windows = opened.plot_windows.windows
    qtbot.waitUntil(lambda: all(one.pane.shown is not None for one in windows))
    for one in windows:
        qtbot.keyClick(one, Qt.Key.Key_Escape)
    assert opened.plot_windows.windows == ()
    opened.card.histogram.hide()
    qtbot.wait(10)  # closed windows are freed by the event loop
    asked = observations[NIGHT].asked
    asked.clear()
    click_pixel(qtbot, opened, 9, 6)
    wait_for_plots(qtbot, opened, (9, 6))
    qtbot.waitUntil(lambda: all_read(opened))
    assert sorted(asked) == [("light_curve", (9, 6)), ("spectrum", (9, 6))]


def test_defect_27_opening_computes_nothing_that_is_not_shown(qtbot, window, observations):
    """A mask of hot pixels was computed at every opening, and never used."""
    obs = observations[NIGHT]
    open_path(qtbot, window, NIGHT)
    assert obs.asked == [("survey", None)]
    assert window.timeline.survey is not None
    assert window.timeline.curve.getData()[1].size == window.timeline.survey.counts.size
    window.actions_by_name["choose_flags"].trigger()
    qtbot.wait(30)
    assert obs.asked == [("survey", None)]


def test_defect_28_moving_the_mouse_paints_no_image(qtbot, opened):
    """A cross-hair over the whole window was redrawn at each move: suddenly super slow."""
    plot_counts(qtbot, opened)
    qtbot.wait(100)
    counters = [PaintCounter(pane) for pane in painted_by(opened)]
    for x, y in ((1, 1), (8, 5), (2, 6), (9, 0), (4, 3)):
        move_to(opened, x, y)
        qtbot.waitUntil(lambda p=(x, y): f"under mouse: {p}" in opened.status.hovered_text)
    assert [counter.count for counter in counters] == [0, 0, 0, 0, 0]


def test_defect_29_a_wheel_elsewhere_redraws_nothing(qtbot, opened, observations):
    """Any turn of the wheel, anywhere, redrew everything."""
    plot_counts(qtbot, opened)
    click_pixel(qtbot, opened, 4, 3)
    wait_for_plots(qtbot, opened, (4, 3))
    qtbot.wait(150)
    counters = [PaintCounter(picture) for picture in painted_by(opened)]
    levels, seen = opened.image.scale.levels, opened.image.view.box.viewRect()
    observations[NIGHT].asked.clear()
    for widget in (opened.strip, opened.status, opened.controls, opened.card.heading):
        for steps in (1, -2):
            wheel(widget, widget.rect().center(), steps)
    qtbot.wait(100)
    assert [counter.count for counter in counters] == [0] * 5
    assert (opened.image.scale.levels, opened.image.view.box.viewRect()) == (levels, seen)
    assert observations[NIGHT].asked == []
    wheel(opened.image.colour_bar, opened.image.colour_bar.strip_area.center())
    qtbot.wait(100)
    assert counters[0].count > 0  # the counter counts
    assert [counter.count for counter in counters[1:]] == [0] * 4


def test_defect_35_an_image_is_read_in_one_pass_and_not_pixel_by_pixel(
    qtbot, real, recorded, monkeypatch
):
    """Flags were read one element at a time from the disk: ten thousand reads an image."""
    reads = []

    def spy(owner, name):
        original = getattr(owner, name)

        def counted(self, *args, **keywords):
            reads.append(name)
            return original(self, *args, **keywords)

        monkeypatch.setattr(owner, name, counted)

    for owner, names in (
        (tables.Array, ("read", "__getitem__")),
        (tables.Table, ("read", "__getitem__", "read_where", "where", "_read")),
    ):
        for name in names:
            spy(owner, name)
    qtbot.waitUntil(lambda: real.timeline.survey is not None)
    reads_of_chunks = count_chunk_reads(monkeypatch)
    type_into(qtbot, real.controls.times.stop, "1.2345")  # on no grid: all photons are looked at
    qtbot.waitUntil(lambda: real.session.time_range[1] < 2)
    plot_counts(qtbot, real)
    times = recorded[1][5, 4][0]
    assert real.image.array[5, 4] == np.sum(times < 1e6 * real.session.time_range[1])
    assert reads == reads_of_chunks == []  # the survey has kept the times
    type_into(qtbot, real.controls.band.stop, "-40")  # phases are not kept
    qtbot.waitUntil(lambda: real.session.band[1] == -40)
    with_all_phases = real.image.array.sum()
    plot_counts(qtbot, real)
    assert 0 < real.image.array.sum() < with_all_phases
    assert reads == []
    # a second read where the first fell short
    assert 0 < len(reads_of_chunks) <= 2 * n_chunks(recorded)
    assert len(reads_of_chunks) < np.prod(SHAPE)


def test_defect_36_a_click_reads_the_photons_of_its_pixel_once(qtbot, real, recorded, monkeypatch):
    """Each click searched the whole table, once for every open plot."""
    assert n_chunks(recorded) >= 3
    reads = count_chunk_reads(monkeypatch)
    click_pixel(qtbot, real, 1, 1)
    wait_for_plots(qtbot, real, (1, 1))
    total = real.card.spectrum.bars.getData()[1].sum()
    assert total == recorded[1][1, 1][0].size
    assert 1 <= len(reads) <= 2  # its chunk, in one part or two
    assert len({offset for offset, _ in reads}) == len(reads)  # nothing twice, for three plots
    assert sum(size for _, size in reads) < recorded[0].stat().st_size / 2
    before = len(reads)
    click_pixel(qtbot, real, 5, 4)  # in another chunk
    wait_for_plots(qtbot, real, (5, 4))
    assert len(reads) > before
    before = len(reads)
    click_pixel(qtbot, real, 1, 1)
    wait_for_plots(qtbot, real, (1, 1))
    assert len(reads) == before  # still known
