"""Several things at once: files opened while something is done with others, and what is said and shown at its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_obs import FakeObs
from overlap_rig import attach, attached_to, make_solutions, make_two, marks_of, rest, search
from window_rig import open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.regions import Rectangle
from quicklook.background_tasks import ConvertForm
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
    return make_two(tmp_path)


@pytest.fixture
def solutions(two):
    return make_solutions(two[0])


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


def test_a_result_in_the_place_of_the_open_file_is_opened_in_any_case(qtbot, opened, observations):
    observations[MADE] = FakeObs(MADE)
    open_path(qtbot, opened, MADE)
    observations[MADE] = FakeObs(MADE, seed=5)
    with qtbot.waitSignal(opened.fileOpened):
        opened.conversion.succeeded.emit(Summary(), ConvertForm(out="made.h5", open_result=False))
    assert opened.session.file.file_id == observations[MADE].file_id
    assert "12 photons in made.h5" in opened.messages.text


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


def test_a_mask_that_was_edited_is_offered_again_when_another_file_is_looked_at(qtbot, real, two):
    a, b = two
    open_path(qtbot, real, a)
    masks = search(qtbot, real)
    masks.map.pixelSelected.emit((1, 1))
    masks.mark.click()
    rest(qtbot, real)
    open_path(qtbot, real, b)
    real.actions_by_name["find_bad"].trigger()
    assert masks.windowTitle() == "Bad pixels - b.h5"
    assert masks.map.shown is None  # nothing of a.h5 is left on the screen
    assert np.isnan(masks.map.values).all()
    assert masks.rates.shown is None
    assert not masks.rates.plot.isVisible()
    assert not masks.mark.isVisible()
    assert "The mask of a.h5 was not attached." in masks.messages.text
    masks.messages.button("Show it again").click()
    rest(qtbot, real)
    assert masks.windowTitle() == "Bad pixels - a.h5"
    assert masks.headline.text() == "Bad pixels of a.h5"
    assert int((masks.map.values > 0).sum()) == 1
    assert masks.rates.plot.isVisible()
    masks.undo.click()
    masks.map.pixelSelected.emit((2, 1))
    masks.mark.click()
    masks.apply.click()
    rest(qtbot, real)
    assert set(masks.found.reasons) == {(2, 1)}
    assert (marks_of(a), marks_of(b)) == ([1], [])
    masks.find.click()  # in the file that the window is of
    assert [job.title for job in real.jobs.jobs] == ["Bad pixels of a.h5"]
    assert np.isnan(masks.map.values).all()
    qtbot.waitUntil(lambda: masks.found is not None, timeout=100_000)
    masks.apply.click()
    rest(qtbot, real)
    real.actions_by_name["find_bad"].trigger()
    assert masks.headline.text() == "Bad pixels of b.h5"
    assert masks.messages.text == ""  # it was attached


def test_marks_by_hand_leave_the_trial_of_a_solution_as_it_is(qtbot, real, two, solutions):
    open_path(qtbot, real, two[0])
    real.calibrating.try_out(solutions[0])
    rest(qtbot, real)
    real.session.set_pixel((1, 1))
    real.actions_by_name["mask_hot"].trigger()
    rest(qtbot, real)
    assert real.session.file.trial == solutions[0]
    assert real.messages.text == "Pixel (1, 1) is marked as hot."
    real.attaching.attach(solutions[1])
    rest(qtbot, real)
    assert real.session.file.trial is None
    assert real.session.file.is_attached


def test_marks_by_hand_leave_a_trial_that_is_on_its_way_as_it_was_asked_for(
    qtbot, real, two, solutions
):
    path, solution = two[0], solutions[0]
    open_path(qtbot, real, path)
    real.session.set_pixel((1, 1))
    real.actions_by_name["mask_hot"].trigger()
    real.calibrating.try_out(solution)
    rest(qtbot, real)
    assert marks_of(path)
    assert real.session.file.n_masks == 1
    assert real.session.file.trial == solution
    real.actions_by_name["mask_cold"].trigger()
    real.calibrating.compare()
    rest(qtbot, real)
    assert real.session.file.trial is None


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


# --- regions ---------------------------------------------------------------------------------------


def test_undo_brings_no_region_into_an_array_that_has_none_of_its_pixels(
    qtbot, opened, observations
):
    observations[OTHER] = FakeObs(OTHER, shape=(4, 3))
    opened.regions.add(Rectangle(5, 3, 8, 6))
    open_path(qtbot, opened, OTHER)
    assert opened.regions.regions == ()
    opened.actions_by_name["undo"].trigger()
    assert opened.regions.regions == ()
    open_path(qtbot, opened, Path("night.h5"))
    opened.regions.add(Rectangle(5, 3, 8, 6))
    for path in (OTHER, Path("night.h5")):
        open_path(qtbot, opened, path)
    opened.actions_by_name["undo"].trigger()  # here it fits
    assert [region.shape for region in opened.regions.regions] == [Rectangle(5, 3, 8, 6)]


def test_an_answer_on_its_way_is_not_drawn_when_there_is_nothing_to_plot_any_more(
    qtbot, opened, observations
):
    obs = observations[Path("night.h5")]
    region = opened.regions.add(Rectangle(2, 1, 4, 3))
    rest(qtbot, opened)
    obs.gate.clear()
    opened.region_table.plot.setChecked(True)
    assert opened.session.target is not None
    opened.regions.remove(region.number)
    assert opened.session.target is None
    obs.gate.set()
    rest(qtbot, opened)
    for pane in opened.card.panes:
        assert pane.shown is None
        assert pane.message == "Click a pixel in the image."


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
