"""Jobs that wait for their turn: cancelled there, and what they find when files were replaced or opened meanwhile."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from overlap_rig import make_two, rest, wait_for
from window_rig import open_path, real_window

from pipeline_core.cube_settings import CubeSettings
from pipeline_core.speckle.settings import SpeckleSettings
from quicklook.background_tasks import CubeForm
from quicklook.qt import QtWidgets

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


@pytest.fixture
def two(tmp_path):
    return make_two(tmp_path)


def test_a_search_that_waits_is_cancelled_at_once(qtbot, real, two):
    open_path(qtbot, real, two[0])
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=120_000)
    go_on = threading.Event()
    real.jobs.submit("A long conversion", wait_for, go_on)
    real.actions_by_name["find_bad"].trigger()
    masks = real.masking.window
    masks.find.click()
    assert not masks.find.isEnabled()
    masks.cancel.click()
    qtbot.waitUntil(masks.find.isEnabled)
    assert masks.messages.text == "The search was cancelled."
    assert masks.headline.text() == "Bad pixels of a.h5"  # nothing is looked for any more
    assert [job.title for job in real.jobs.jobs] == ["A long conversion"]
    go_on.set()
    rest(qtbot, real)


def test_what_waits_behind_the_job_on_the_screen_can_be_cancelled_too(qtbot, real, two, tmp_path):
    open_path(qtbot, real, two[0])
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=120_000)
    go_on = threading.Event()
    real.job_control.show_job(real.jobs.submit("A long conversion", wait_for, go_on))
    for name in ("one.fits", "two.fits"):
        real.cubing.start(CubeForm((two[0],), None, CubeSettings(), tmp_path / name))
    others = real.job_bar.findChild(QtWidgets.QToolButton, "stateMenu")
    assert others.text() == "+ 2 more"
    others.menu().aboutToShow.emit()
    first, second = others.menu().actions()
    assert (first.text(), second.text()) == ("Cancel: Writing one.fits", "Cancel: Writing two.fits")
    first.trigger()
    qtbot.waitUntil(lambda: others.text() == "+ 1 more")
    assert real.messages.text == "The cube one.fits was cancelled: nothing was written."
    go_on.set()
    rest(qtbot, real)
    assert "two.fits" in real.messages.text
    assert [path.name for path in tmp_path.glob("*.fits")] == ["two.fits"]


# --- files that go or are replaced -----------------------------------------------------------------


@pytest.fixture
def waiting(qtbot, real, two):
    """The window with a.h5; what jobs are asked for waits until the event is set."""
    open_path(qtbot, real, two[0])
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=120_000)
    go_on = threading.Event()
    real.jobs.submit("A long conversion", wait_for, go_on)
    yield go_on
    go_on.set()


def is_replaced(qtbot, real, two, waiting):
    """Put the other file into the place of the open one, and let the jobs go on."""
    two[1].replace(two[0])
    waiting.set()
    rest(qtbot, real)


def test_maps_of_a_file_that_was_replaced_are_not_shown_beside_the_old_one(
    qtbot, real, two, waiting
):
    real.speckling.start(SpeckleSettings(bin_s=0.01, start=0.0, stop=2.0))
    is_replaced(qtbot, real, two, waiting)
    assert real.speckles.maps is None
    for words in ("There are no speckle maps", "a.h5 was replaced", "Open it again"):
        assert words in real.speckling.window.messages.text
    open_path(qtbot, real, two[0])
    real.speckling.start(SpeckleSettings(bin_s=0.01, start=0.0, stop=2.0))
    rest(qtbot, real)
    assert real.speckles.maps is not None


def test_bad_pixels_of_a_file_that_was_replaced_are_not_offered(qtbot, real, two, waiting):
    real.actions_by_name["find_bad"].trigger()
    masks = real.masking.window
    masks.find.click()
    is_replaced(qtbot, real, two, waiting)
    assert masks.found is None
    assert "a.h5 was replaced" in masks.messages.text
    open_path(qtbot, real, two[0])
    masks.find.click()
    qtbot.waitUntil(lambda: masks.found is not None, timeout=100_000)
    rest(qtbot, real)


@pytest.mark.parametrize(("kind", "action"), [("cubing", "cube"), ("movies", "movie")])
def test_products_are_of_the_file_that_the_form_was_filled_in_for(
    qtbot, real, two, waiting, kind, action
):
    real.actions_by_name[f"export_{action}"].trigger()
    dialog = getattr(real, kind).dialog
    assert dialog.windowTitle() == f"Export {action} - a.h5"
    qtbot.waitUntil(dialog.write.isEnabled)
    out = dialog.form().out
    dialog.write.click()
    is_replaced(qtbot, real, two, waiting)
    assert not out.exists()
    assert "a.h5 was replaced" in real.messages.text


def test_maps_that_wait_are_cancelled_for_their_own_file(qtbot, real, two, waiting):
    real.speckling.open_window()
    real.speckling.start(SpeckleSettings(bin_s=0.01, start=0.0, stop=2.0))
    open_path(qtbot, real, two[1])
    assert real.speckles.form is None
    assert real.speckling.window.headline.text() == "Speckles in b.h5"
    assert [job.title for job in real.jobs.jobs] == ["A long conversion", "Speckle maps of a.h5"]
    real.jobs.cancel(real.jobs.jobs[1])
    qtbot.waitUntil(lambda: bool(real.messages.text))
    assert real.messages.text == "a.h5: Cancelled before the first pixel was fitted."
    assert real.speckling.window.headline.text() == "Speckles in b.h5"
    open_path(qtbot, real, two[0])
    assert real.speckles.form is None


def test_maps_that_are_asked_for_in_the_turn_of_another_file_are_of_their_own(
    qtbot, real, two, waiting
):
    real.speckling.open_window()  # its pieces come first
    first = real.session.file
    real.speckling.start(SpeckleSettings(bin_s=0.01, start=0.0, stop=2.0))
    real.session.set_file(dataclasses.replace(first, file_id="other", token=99))
    qtbot.wait(100)
    assert real.speckles.form is None
    real.session.set_file(first)
    assert real.speckles.form is not None
    assert real.speckling.window.headline.text() == "Speckle maps of a.h5"
