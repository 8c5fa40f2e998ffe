"""Between panes and the reads lane: clicks come before the survey of a file."""

from __future__ import annotations

import time
from pathlib import Path

from fake_obs import FakeObs
from gui_actions import click_pixel, wait_for_plots
from window_rig import all_read

from quicklook.qt import Qt, QtWidgets


def test_a_click_is_answered_before_the_survey_is_finished(qtbot, window, observations):
    obs = observations[Path("night.h5")]
    seen = []

    def endless(progress):
        """A survey that only a click can stop."""
        seen.append(len(obs.asked))
        if obs.asked:
            return survey(progress)
        for k in range(100_000):
            progress(k, 100_000)
            time.sleep(0.001)
        raise AssertionError("nobody stopped it")

    survey, obs.survey = obs.survey, endless
    with qtbot.waitSignal(window.fileOpened):
        window.open_file(Path("night.h5"))
    qtbot.waitUntil(lambda: bool(seen))
    window.session.set_pixel((7, 2))
    wait_for_plots(qtbot, window, (7, 2))
    qtbot.waitUntil(lambda: window.timeline.survey is not None)
    assert set(seen[:-1]) == {0}
    assert seen[-1] == 3  # all plots came before it
    assert window.timeline.message == ""


def test_after_the_survey_times_are_read_into_memory(qtbot, window, observations):
    obs = observations[Path("night.h5")]
    with qtbot.waitSignal(window.fileOpened):
        window.open_file(Path("night.h5"))
    qtbot.waitUntil(lambda: obs.kept_after is not None)
    assert "survey" in obs.kept_after
    assert window.timeline.survey is not None


def test_what_takes_long_can_be_stopped_where_it_is_awaited(qtbot, opened, observations):
    obs = observations[Path("night.h5")]
    click_pixel(qtbot, opened, 7, 2)
    wait_for_plots(qtbot, opened, (7, 2))
    obs.gate.clear()
    click_pixel(qtbot, opened, 4, 3)
    pane = opened.card.light_curve
    stop = pane.findChild(QtWidgets.QToolButton, "busy")
    qtbot.waitUntil(stop.isVisible)
    qtbot.mouseClick(stop, Qt.MouseButton.LeftButton)
    assert pane.message.startswith("Stopped.")
    obs.gate.set()
    qtbot.waitUntil(lambda: opened.card.spectrum.shown is not None)
    qtbot.waitUntil(lambda: opened.card.spectrum.shown.request.pixel == (4, 3))
    assert pane.shown is None
    assert pane.message.startswith("Stopped.")
    click_pixel(qtbot, opened, 1, 1)
    wait_for_plots(qtbot, opened, (1, 1))


def test_opening_that_takes_long_can_be_cancelled(qtbot, window):
    def slow(paths, beammap, progress):
        for k in range(100_000):
            progress(k, 100_000)
            time.sleep(0.001)
        raise AssertionError("nobody cancelled it")

    window.files._opener = slow
    window.open_file(Path("slow.bin"))
    qtbot.waitUntil(lambda: "Opening slow.bin" in window.messages.text)
    qtbot.mouseClick(window.messages.button("Cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.messages.text == "slow.bin was not opened.")
    assert window.session.file is None
    assert not window.opening.is_busy


def test_opening_another_file_does_not_wait_for_the_survey(qtbot, window, observations):
    asked = []

    def endless(progress):
        asked.append(True)
        for k in range(100_000):
            progress(k, 100_000)
            time.sleep(0.001)
        raise AssertionError("nobody stopped it")

    observations[Path("night.h5")].survey = endless
    with qtbot.waitSignal(window.fileOpened):
        window.open_file(Path("night.h5"))
    qtbot.waitUntil(lambda: bool(asked))
    other = Path("other.h5")
    observations[other] = FakeObs("other.h5")
    with qtbot.waitSignal(window.fileOpened):
        window.open_file(other)
    qtbot.waitUntil(lambda: all_read(window))
    assert window.session.file.path == other
