"""Between panes and the reads lane: clicks come before the survey of a file."""

from __future__ import annotations

import time
from pathlib import Path

from gui_actions import wait_for_plots


def test_a_click_is_answered_before_the_survey_is_finished(qtbot, window, observations):
    obs = observations[Path("night.h5")]
    seen = []

    def endless(progress):
        """A survey that can only be cancelled, the first time."""
        seen.append(len(obs.asked))
        if len(seen) > 1:
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
    assert len(seen) == 2
    assert window.timeline.message == ""
