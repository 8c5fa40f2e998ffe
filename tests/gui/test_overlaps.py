"""Several things at once: files opened while something is done with others, and what is said and shown at its end."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
from fake_obs import FakeObs
from observations import make_observation
from wavecal_solutions import essentials, save_essentials
from window_rig import all_read, open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.cube_settings import CubeSettings
from pipeline_core.speckle.settings import SpeckleSettings
from quicklook.background_tasks import ConvertForm, CubeForm
from quicklook.jobs import Job
from quicklook.qt import QtWidgets

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first

OTHER, MADE = Path("other.h5"), Path("made.h5")


class Summary:
    """Of a conversion that wrote made.h5."""

    path = MADE
    warnings = ()

    def lines(self):
        return ("12 photons in made.h5",)


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


@pytest.fixture
def two(tmp_path):
    """Two photon files of the same array."""
    found = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        path = make_observation(folder, np.full((6, 4), 200.0), seed=len(found) + 3)[0]
        found.append(path.rename(folder / f"{name}.h5"))
    return found


@pytest.fixture
def solutions(two):
    """Two wavelength solutions, which fit both files."""
    with ObsFile(two[0]) as obs:
        first = essentials(obs.beammap, obs.camera)
        second = essentials(obs.beammap, obs.camera, seed=3, solution_id="other")
    folder = two[0].parent
    return save_essentials(folder / "s1.h5", first), save_essentials(folder / "s2.h5", second)


def rest(qtbot, window):
    """Wait until nothing runs, is read or opened any more."""
    qtbot.wait(50)
    qtbot.waitUntil(lambda: all_read(window) and not window.jobs.jobs, timeout=120_000)
    qtbot.waitUntil(lambda: all_read(window), timeout=20_000)  # what the end of a job has asked for
    qtbot.wait(30)


def attached_to(path):
    """Name of the wavelength solution of a photon file."""
    with ObsFile(path) as obs:
        return None if obs.wavecal is None else Path(obs.wavecal.source).name


def attach(path, solution):
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(solution)


def click(qtbot, window, button):
    window.messages.button(button).click()
    rest(qtbot, window)


# --- conversions -----------------------------------------------------------------------------------


def test_no_other_job_lets_a_conversion_take_the_file_away(qtbot, opened, observations):
    observations.update({path: FakeObs(path) for path in (OTHER, MADE)})
    first, second = Job("Converting made.h5", "convert", print), Job("Writing x", "cube", print)
    opened.conversion.submitted.emit(first)
    open_path(qtbot, opened, OTHER)
    opened.cubing.submitted.emit(second)
    opened.conversion.succeeded.emit(Summary(), ConvertForm(out="made.h5"))
    qtbot.wait(100)
    for job in (first, second):
        opened.jobs.finished.emit(job)
    assert opened.session.file.path == OTHER
    assert opened.messages.button("Open result").isVisible()


def test_a_result_that_cannot_be_opened_is_told_at_once_and_not_of_the_next_file(
    qtbot, opened, observations
):
    observations[OTHER] = FakeObs(OTHER)
    observations[MADE] = OSError("it is gone")
    job = Job("Converting made.h5", "convert", print)
    opened.conversion.submitted.emit(job)
    opened.jobs.finished.emit(job)
    opened.conversion.succeeded.emit(Summary(), ConvertForm(out="made.h5"))
    qtbot.waitUntil(lambda: "it is gone" in opened.messages.text)
    assert "12 photons in made.h5." in opened.messages.text
    assert "made.h5 was not opened" in opened.messages.text
    assert opened.messages.kind == "error"
    open_path(qtbot, opened, OTHER)
    assert opened.messages.text == ""


# --- calibrations and masks ------------------------------------------------------------------------


def test_attached_while_another_file_is_opened(qtbot, real, two, solutions):
    a, b = two
    attach(b, solutions[0])
    open_path(qtbot, real, a)
    real.attaching.attach(solutions[1])
    real.open_file(b)
    rest(qtbot, real)
    assert real.session.file.path == b
    assert "Applied s2.h5 to a.h5" in real.messages.text
    click(qtbot, real, "Undo")
    assert (attached_to(a), attached_to(b)) == (None, "s1.h5")
    assert real.session.file.path == b
    assert "a.h5 has phases in degrees again" in real.messages.text


def test_another_file_is_opened_before_the_calibrated_one_is_there_again(
    qtbot, real, two, solutions
):
    a, b = two
    attach(b, solutions[0])
    open_path(qtbot, real, a)
    real.reads.succeeded.connect(  # after all that the window does itself at the end of it
        lambda success: real.open_file(b) if success.job.key == "attach" else None
    )
    real.attaching.attach(solutions[1])
    rest(qtbot, real)
    assert real.session.file.path == b
    assert "Applied s2.h5 to a.h5" in real.messages.text
    click(qtbot, real, "Undo")
    assert (attached_to(a), attached_to(b)) == (None, "s1.h5")


def test_replaced_is_the_solution_that_was_in_the_way(qtbot, real, two, solutions):
    a, b = two
    attach(a, solutions[0])
    attach(b, solutions[0])
    open_path(qtbot, real, a)
    real.open_file(b)
    real.attaching.attach(solutions[1])  # a.h5 is still on the screen
    rest(qtbot, real)
    assert real.session.file.path == b
    assert real.messages.text.startswith("a.h5: ")
    click(qtbot, real, "Replace it")
    assert (attached_to(a), attached_to(b)) == ("s2.h5", "s1.h5")


def test_what_was_done_is_told_if_the_next_file_is_not_opened(qtbot, real, two, solutions):
    a, b = two
    open_path(qtbot, real, a)
    real.attaching.attach(solutions[0])
    real.open_file(b.with_name("none.h5"))
    rest(qtbot, real)
    assert real.session.file.path == a
    for words in ("Applied s1.h5 to a.h5", "none.h5", "Open a.h5 once more"):
        assert words in real.messages.text


def search(qtbot, window):
    """Look for bad pixels in the open file; return their window."""
    window.actions_by_name["find_bad"].trigger()
    masks = window.masking.window
    masks.find.click()
    qtbot.waitUntil(lambda: masks.found is not None, timeout=200_000)
    rest(qtbot, window)
    return masks


def marks_of(path):
    """Numbers of pixels of every mask of a photon file."""
    with ObsFile(path) as obs:
        return [len(mask.reasons) for mask in obs.pixel_masks]


def test_a_mask_goes_to_the_file_that_it_names_and_the_other_one_stays(qtbot, real, two):
    a, b = two
    open_path(qtbot, real, a)
    masks = search(qtbot, real)
    open_path(qtbot, real, b)
    real.actions_by_name["find_bad"].trigger()
    assert masks.headline.text() == "Bad pixels of b.h5"
    open_path(qtbot, real, a)
    masks = search(qtbot, real)
    open_path(qtbot, real, b)
    masks.apply.click()
    rest(qtbot, real)
    assert (marks_of(a), marks_of(b)) == ([0], [])
    assert masks.headline.text() == "Bad pixels of a.h5"
    assert "Attached" in masks.subline.text()
    assert real.session.file.path == b
    assert "of a.h5 are marked" in real.messages.text
    click(qtbot, real, "Undo")
    assert (marks_of(a), marks_of(b)) == ([], [])
    assert real.session.file.path == b


def test_bursts_that_are_found_later_do_not_take_the_file_away(qtbot, real, two):
    a, b = two
    open_path(qtbot, real, a)
    real.actions_by_name["find_cosmic"].trigger()
    open_path(qtbot, real, b)
    rest(qtbot, real)
    qtbot.waitUntil(lambda: "bursts of a.h5" in real.messages.text, timeout=20_000)
    assert real.session.file.path == b
    click(qtbot, real, "Undo")
    assert "Taken back" in real.messages.text
    assert real.session.file.path == b


def test_a_search_for_bursts_that_is_cancelled_says_so(qtbot, real, two):
    open_path(qtbot, real, two[0])
    real.actions_by_name["find_cosmic"].trigger()
    (job,) = real.jobs.jobs
    real.job_bar.row(job.id).cancel.click()
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=20_000)
    qtbot.wait(30)
    assert real.messages.text == "The search for cosmic rays in a.h5 was cancelled."


def test_changes_of_a_mask_are_all_made_before_it_is_attached(qtbot, real, two):
    a = two[0]
    open_path(qtbot, real, a)
    masks = search(qtbot, real)
    for pixel in ((1, 1), (2, 1), (3, 2)):
        masks.map.pixelSelected.emit(pixel)
        masks.mark.click()
    masks.apply.click()
    rest(qtbot, real)
    assert set(masks.found.reasons) == {(1, 1), (2, 1), (3, 2)}
    assert "3 marked: 3 hot. Attached." in masks.subline.text()
    assert marks_of(a) == [3]
    masks.map.pixelSelected.emit((4, 1))
    masks.mark.click()
    masks.undo.click()  # of this one, which is on its way
    rest(qtbot, real)
    assert set(masks.found.reasons) == {(1, 1), (2, 1), (3, 2)}
    masks.undo.click()
    rest(qtbot, real)
    assert set(masks.found.reasons) == {(1, 1), (2, 1)}


def test_solutions_that_are_offered_for_a_file_go_with_it(qtbot, real, two, solutions, monkeypatch):
    a, b = two
    open_path(qtbot, real, a)
    real.actions_by_name["apply_wavecal"].trigger()
    rest(qtbot, real)
    dialog = real.calibrating.dialog
    assert "Solutions for a.h5" in dialog.heading.text()
    open_path(qtbot, real, a)
    assert dialog.isVisible()
    open_path(qtbot, real, b)
    assert not dialog.isVisible()
    open_path(qtbot, real, a)
    real.actions_by_name["apply_wavecal"].trigger()

    def choose(*_):
        open_path(qtbot, real, b)  # its opening had begun before
        return str(solutions[0]), ""

    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileName", staticmethod(choose))
    dialog.other.click()
    rest(qtbot, real)
    assert (attached_to(a), attached_to(b)) == ("s1.h5", None)
    assert real.session.file.path == b


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


def wait_for(event, *, progress):
    while not event.wait(0.005):
        progress(0, 0, "waiting")


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


# --- exports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".svg", ".fits"])
def test_what_is_asked_for_of_one_file_is_not_written_of_the_next(
    qtbot, real, two, tmp_path, monkeypatch, ending
):
    a, b = two
    open_path(qtbot, real, a)
    target = tmp_path / f"image{ending}"

    def choose(*_):
        open_path(qtbot, real, b)  # its opening had begun before
        return str(target), ""

    monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", staticmethod(choose))
    real.actions_by_name["export_image"].trigger()
    rest(qtbot, real)
    assert not target.exists()  # it was a picture of b.h5, and its title said a.h5
    assert real.messages.text == f"{target.name} was not written: a file was opened meanwhile."


def test_an_export_whose_file_was_closed_says_so(qtbot, real, two, tmp_path, monkeypatch):
    open_path(qtbot, real, two[0])
    target = tmp_path / "image.fits"
    choose = staticmethod(lambda *_: (str(target), ""))
    monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", choose)
    real.reads.submit("close", real.files.close_others, 0, key="close")
    real.actions_by_name["export_image"].trigger()
    rest(qtbot, real)
    assert not target.exists()
    assert real.messages.text == "image.fits was not written: its file was closed before."


# --- a solution on trial ---------------------------------------------------------------------------


def test_a_script_reads_with_the_solution_on_trial_as_the_window_does(qtbot, real, two, solutions):
    a = two[0]
    attach(a, solutions[0])
    open_path(qtbot, real, a)
    products = ("export_cube", "export_movie", "stack_images", "speckle_maps")
    assert all(real.actions_by_name[name].isEnabled() for name in products)
    real.calibrating.try_out(solutions[1])
    rest(qtbot, real)
    for name in products:  # they would be made with what is attached
        assert not real.actions_by_name[name].isEnabled()
        assert "on trial" in real.actions_by_name[name].toolTip()
    real.session.set_pixel((2, 1))
    real.session.set_band(900.0, 1000.0)
    real.controls.counts.setChecked(True)
    real.actions_by_name["plot_image"].trigger()
    rest(qtbot, real)
    real.exporting.copy_python()
    found = {}
    exec(QtWidgets.QApplication.clipboard().text(), found)
    np.testing.assert_array_equal(found["image"], real.image.array)
    np.testing.assert_array_equal(found["spectrum"].counts, real.card.spectrum.shown.data.counts)
    with ObsFile(a) as obs:
        other = obs.count_image(min_wavelength=900.0, max_wavelength=1000.0)
    assert (other != found["image"]).any()
    real.calibrating.compare()
    rest(qtbot, real)
    assert all(real.actions_by_name[name].isEnabled() for name in products)
