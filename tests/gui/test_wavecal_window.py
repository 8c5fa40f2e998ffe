"""A wavelength calibration in the window: from laser files to a look at every pixel, with all that may go wrong."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
from laser_files import LASERS_NM, SHAPE, START, laser_files, observe
from window_rig import all_read, open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.wavecal.compute import run
from pipeline_core.wavecal.settings import Laser, WavecalSettings
from pipeline_core.wavecal.solution import load_solution
from quicklook.qt import Qt, QtCore, QtWidgets
from quicklook.views.wavecal_window import WavecalWindow
from quicklook.wavecal_tasks import LaserRow, RBlock, WavecalForm

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Laser files by wavelength, a sky and a dark, and the solution of the lasers."""
    folder = tmp_path_factory.mktemp("lasers")
    lasers = laser_files(folder)
    sky = observe(folder, "sky", "flat", START + 1000)
    dark = observe(folder, "dark", "dark", START + 2000)
    settings = WavecalSettings(tuple(Laser(nm, path) for nm, path in lasers.items()))
    solution = run(settings)
    solution.save(folder / "solution.h5")
    return {"lasers": lasers, "sky": sky, "dark": dark, "solution": folder / "solution.h5"}


@pytest.fixture
def files(made, tmp_path):
    """The same in a folder of this test."""
    folder = tmp_path / "night"
    folder.mkdir()

    def copy(path):
        return shutil.copy(path, folder / path.name)

    return {
        "lasers": {nm: copy(path) for nm, path in made["lasers"].items()},
        **{name: copy(made[name]) for name in ("sky", "dark", "solution")},
    }


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def form_of(files, out, **changes):
    rows = tuple(LaserRow(f"{nm:g}", str(path)) for nm, path in files["lasers"].items())
    return replace(WavecalForm(lasers=rows, out=str(out)), **changes)


def dialog_of(qtbot, window):
    window.actions_by_name["wavecal"].trigger()
    dialog = window.wavecal.dialog
    rest(qtbot, window)
    return dialog


def rest(qtbot, window):
    """Wait until nothing is under way but a calibration, also what an answer sets off with a delay."""
    for _ in range(2):
        qtbot.wait(250)
        qtbot.waitUntil(lambda: all_read(window) and not window.chores.jobs, timeout=120_000)
        qtbot.wait(20)


def calibrate(qtbot, window, form):
    window.wavecal.start(form)
    qtbot.waitUntil(lambda: window.viewer.window.opened is not None, timeout=200_000)
    rest(qtbot, window)
    return window.viewer.window


def look_at(qtbot, window, path):
    window.viewer.look_at(path)
    qtbot.waitUntil(lambda: window.viewer.window is not None, timeout=30_000)
    rest(qtbot, window)
    return window.viewer.window


def click(qtbot, view, x, y):
    where = view.mapFromScene(view.array_items.mapToScene(QtCore.QPointF(x, y)))
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=where)


def pick(qtbot, window, pixel):
    click(qtbot, window.viewer.window.map.view, *pixel)
    qtbot.waitUntil(
        lambda: window.viewer.window.page is not None and window.viewer.window.page.pixel == pixel
    )
    rest(qtbot, window)
    return window.viewer.window.page


def a_good_pixel(solution):
    return tuple(int(i) for i in np.argwhere(solution.calibrated)[5])


# ---- the form


def test_files_tell_their_lasers_and_a_dark_becomes_the_background(qtbot, real, files):
    dialog = dialog_of(qtbot, real)
    assert not dialog.start.isEnabled()
    assert "at least two lasers" in dialog.reason.text()
    dialog.filesAdded.emit((*[files["lasers"][nm] for nm in LASERS_NM[::-1]], files["dark"]))
    rest(qtbot, real)
    rows = dialog.form().lasers
    assert [row.wavelength for row in rows] == ["808", "980", "1310"]
    assert [row.path for row in rows] == [str(files["lasers"][nm]) for nm in LASERS_NM]
    assert {row.background for row in rows} == {str(files["dark"])}
    assert dialog.form().out == str(files["dark"].parent / f"wavecal_{START}.h5")
    assert dialog.start.isEnabled()
    dialog.table.selectRow(1)
    dialog.remove.click()
    dialog.no_background.click()
    rest(qtbot, real)
    assert [row.wavelength for row in dialog.form().lasers] == ["808", "1310"]
    assert not any(row.background for row in dialog.form().lasers)
    assert dialog.start.isEnabled()
    assert "straight line" in dialog.reason.text()


def test_a_wavelength_that_no_file_tells_is_asked_for(qtbot, real, files):
    plain = files["lasers"][980.0].rename(files["sky"].with_name("plain.h5"))
    dialog = dialog_of(qtbot, real)
    dialog.filesAdded.emit((files["lasers"][808.0], plain))
    rest(qtbot, real)
    assert "wavelength of plain.h5" in dialog.reason.text()
    assert not dialog.start.isEnabled()
    dialog.table.item(1, 0).setText("980 nm")
    rest(qtbot, real)
    assert dialog.form().lasers[1].wavelength == "980"
    assert dialog.start.isEnabled()


def test_what_cannot_start_says_why(qtbot, real, files, tmp_path):
    dialog = dialog_of(qtbot, real)
    for changes, words in (
        ({"out": str(tmp_path / "none" / "s.h5")}, "does not exist"),
        ({"out": str(files["solution"])}, "exists already"),
        ({"curve_models": ()}, "at least one kind of curve"),
        ({"line_models": ()}, "at least one model of the lines"),
        ({"lasers": (LaserRow("808", str(files["sky"])), LaserRow("808", "b.h5"))}, "twice"),
        (
            {"lasers": (LaserRow("808", str(files["sky"])), LaserRow("980", "gone.h5"))},
            "gone.h5",
        ),
    ):
        form = replace(form_of(files, tmp_path / "s.h5"), **changes)
        dialog.set_form(form)
        rest(qtbot, real)
        assert words in dialog.reason.text(), changes
        assert not dialog.start.isEnabled()
    dialog.set_form(form_of(files, files["solution"], overwrite=True))
    rest(qtbot, real)
    assert dialog.start.isEnabled()
    dialog.out.set_text("")
    rest(qtbot, real)
    assert "Choose the solution file" in dialog.reason.text()
    assert not dialog.start.isEnabled()


def test_a_form_is_what_was_filled_in_and_a_settings_file_keeps_it(
    qtbot, real, files, tmp_path, monkeypatch
):
    form = form_of(
        files, tmp_path / "s.h5", dt_us=250.0, curve_models=("arctan",), prior=False, min_photons=77
    )
    dialog = dialog_of(qtbot, real)
    dialog.set_form(form)
    assert dialog.form() == form
    target = tmp_path / "wavecal.yml"
    dialog_type = QtWidgets.QFileDialog
    monkeypatch.setattr(dialog_type, "getSaveFileName", staticmethod(lambda *_: (str(target), "")))
    monkeypatch.setattr(dialog_type, "getOpenFileName", staticmethod(lambda *_: (str(target), "")))
    dialog._save_settings()
    rest(qtbot, real)
    assert WavecalSettings.from_yaml(target).dt_us == 250
    dialog.set_form(WavecalForm())
    dialog._open_settings()
    rest(qtbot, real)
    assert dialog.form() == form
    target.write_text("lasers: !!python/object:os.system x")
    dialog._open_settings()
    rest(qtbot, real)
    assert "not plain YAML" in dialog.reason.text()
    assert dialog.form() == form


# ---- a run


def test_the_map_fills_and_the_solution_is_that_of_the_command_line(
    qtbot, real, files, made, tmp_path
):
    blocks = []
    real.wavecal._messenger.news.connect(blocks.append)
    dialog = dialog_of(qtbot, real)
    dialog.set_form(form_of(files, tmp_path / "s.h5"))
    rest(qtbot, real)
    dialog.start.click()
    window = real.viewer.window
    assert window.isVisible()
    assert "Calibrating: s.h5" in window.headline.text()
    qtbot.waitUntil(lambda: bool(blocks), timeout=100_000)
    assert window.map.values.shape == SHAPE
    qtbot.waitUntil(lambda: window.opened is not None, timeout=200_000)
    rest(qtbot, real)
    told = np.full(SHAPE, np.nan, np.float32).reshape(-1)
    for block in blocks:
        told[block.first : block.first + block.r.size] = block.r
    expected = load_solution(made["solution"])
    assert np.isfinite(told[expected.calibrated.ravel()]).all()
    found = load_solution(tmp_path / "s.h5")
    np.testing.assert_array_equal(found.curves.coefficients, expected.curves.coefficients)
    np.testing.assert_array_equal(found.flags, expected.flags)
    assert window.opened.solution.solution_id == found.solution_id
    assert f"{int(found.calibrated.sum()):,} of" in window.subline.text()
    r = window.map.values
    np.testing.assert_array_equal(np.isfinite(r), found.calibrated)
    assert "s.h5 was written" in real.messages.text
    assert not real.jobs.jobs


def test_cancelled_it_leaves_nothing_behind(qtbot, real, files, tmp_path):
    out = tmp_path / "new" / "s.h5"
    out.parent.mkdir()
    real.wavecal.start(form_of(files, out))
    window = real.viewer.window
    qtbot.waitUntil(lambda: window.progress.value() > 0, timeout=100_000)
    window.cancel.click()
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=10_000)
    qtbot.wait(20)
    assert not list(out.parent.iterdir())
    assert "cancelled" in window.messages.text
    assert "s.h5 was not written" in real.messages.text
    # and the same window takes the next run
    calibrate(qtbot, real, form_of(files, out))
    assert window.opened is not None


def test_a_file_that_breaks_meanwhile_is_named_and_the_window_lives_on(
    qtbot, real, files, tmp_path
):
    broken = files["lasers"][980.0]
    form = form_of(files, tmp_path / "s.h5")
    broken.chmod(0o644)
    broken.write_bytes(broken.read_bytes()[:2000])
    real.wavecal.start(form)
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=100_000)
    qtbot.wait(20)
    assert "laser_980.h5" in real.messages.text
    assert "laser_980.h5" in real.viewer.window.messages.text
    assert not (tmp_path / "s.h5").exists()
    open_path(qtbot, real, files["sky"])


def test_each_of_two_calibrations_is_told_of_and_shown_in_its_turn(qtbot, real, files, tmp_path):
    said = []
    real.wavecal.said.connect(lambda kind, text: said.append((kind, text)))
    heads = {}
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    two_lasers = form_of(files, second)
    two_lasers = replace(two_lasers, lasers=two_lasers.lasers[:3])
    real.wavecal.start(form_of(files, first))
    window = real.viewer.window
    real.wavecal._messenger.news.connect(
        lambda _: heads.setdefault(window.headline.text(), first.exists())
    )
    real.wavecal.start(two_lasers)
    assert said == [("info", "second.h5 is calibrated when first.h5 is done.")]
    assert "first.h5" in window.headline.text()
    qtbot.waitUntil(lambda: window.opened is not None, timeout=200_000)
    rest(qtbot, real)
    assert said[1:] == [
        ("success", "Calibrated: first.h5 was written."),
        ("success", "Calibrated: second.h5 was written."),
    ]
    assert heads == {"Calibrating: first.h5": False, "Calibrating: second.h5": True}
    assert window.opened.path == second
    numbers = [load_solution(path).lines.ok.shape[-1] for path in (first, second)]
    assert numbers == [len(LASERS_NM), 3]


def test_a_calibration_that_fails_before_another_is_not_forgotten(qtbot, real, files, tmp_path):
    said = []
    real.viewer.said.connect(lambda kind, text: said.append((kind, text)))
    real.wavecal.said.connect(lambda kind, text: said.append((kind, text)))
    broken = shutil.copy(files["lasers"][980.0], tmp_path / "broken_980.h5")
    broken.chmod(0o644)
    broken.write_bytes(broken.read_bytes()[:2000])
    good = form_of(files, tmp_path / "good.h5")
    rows = tuple(
        replace(row, path=str(broken)) if row.wavelength == "980" else row for row in good.lasers
    )
    real.wavecal.start(replace(good, lasers=rows, out=str(tmp_path / "bad.h5")))
    real.wavecal.start(good)
    third = real.wavecal.start(form_of(files, tmp_path / "third.h5"))
    real.jobs.cancel(third)  # in the job bar, while it waits
    window = real.viewer.window
    qtbot.waitUntil(lambda: window.opened is not None, timeout=200_000)
    rest(qtbot, real)
    kinds = dict(said[2:])
    assert "bad.h5 was not written" in kinds["error"]
    assert "broken_980.h5" in kinds["error"]
    assert kinds["success"] == "Calibrated: good.h5 was written."
    assert "third.h5 was not written" in kinds["info"]
    assert window.opened.path == tmp_path / "good.h5"
    assert not (tmp_path / "third.h5").exists()


def test_the_result_before_does_not_take_the_place_of_a_run(qtbot, real, files, tmp_path):
    calibrate(qtbot, real, form_of(files, tmp_path / "first.h5"))
    window = real.viewer.window
    real.viewer.look_at(files["solution"])
    job = real.wavecal.start(form_of(files, tmp_path / "second.h5"))
    qtbot.waitUntil(lambda: all_read(real))
    qtbot.wait(20)
    assert window.opened is None
    assert "second.h5" in window.headline.text()
    real.jobs.cancel(job)
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=20_000)


def test_the_map_of_a_run_begins_empty(qtbot):
    window = WavecalWindow()
    qtbot.addWidget(window)
    window.show_running("first.h5")
    window.add_block(RBlock((3, 4), 0, np.arange(1, 7, dtype=np.float32)))
    assert np.isfinite(window.map.values).sum() == 6
    window.show_running("second.h5")
    assert np.isnan(window.map.values).all()
    assert window.map.choice.currentText() == "Not made yet"


# ---- the result


def test_a_click_shows_the_pixels_lines_curve_and_flags(qtbot, real, files):
    window = look_at(qtbot, real, files["solution"])
    solution = load_solution(files["solution"])
    pixel = a_good_pixel(solution)
    page = pick(qtbot, real, pixel)
    p = pixel[0] * SHAPE[1] + pixel[1]
    assert f"Pixel ({pixel[0]}, {pixel[1]})" in window.pixel_title.text()
    assert window.condition.text() == "Calibrated."
    assert [panel.title.text() for panel in window.histograms.panels] == [
        "808 nm",
        "980 nm",
        "1310 nm",
    ]
    for k, panel in enumerate(window.histograms.panels):
        np.testing.assert_array_equal(panel.bars.yData, solution.counts[p, k])
        assert panel.fit.isVisible()
        assert f"R = {solution.resolving_power[p, k]:.1f}" in panel.note.text()
    x, y = window.curve.points[window.curve.above].getData()
    np.testing.assert_array_equal(x, solution.lines.centre_deg[p])
    np.testing.assert_allclose(1239.841984 / y, LASERS_NM)
    assert f"{page.res_id}" in window.pixel_title.text()
    bad = tuple(int(i) for i in np.argwhere(~solution.calibrated)[0])
    pick(qtbot, real, bad)
    assert window.condition.text() == solution.reason(bad)
    assert "bad" in window.details.text()


def test_maps_are_drawn_where_their_pixels_are(qtbot, real, files):
    window = look_at(qtbot, real, files["solution"])
    solution = load_solution(files["solution"])
    for name, values in (
        ("r:1", solution.resolving_power[:, 1]),
        ("centre:2", solution.lines.centre_deg[:, 2]),
    ):
        window.map.choice.setCurrentIndex(window.map.choice.findData(name))
        window.map.mapWanted.emit(name)
        rest(qtbot, real)
        x, y = a_good_pixel(solution)
        assert f"{values[x * SHAPE[1] + y]:.2f}" in window.map.text_at((x, y))
    window.map.choice.setCurrentIndex(window.map.choice.findData("reason"))
    window.map.mapWanted.emit("reason")
    rest(qtbot, real)
    names = [name for _, name, _, _ in window.map.legend.entries]
    assert names[0] == "calibrated"
    assert set(names[1:]) == {text for text, _ in solution.pareto}
    picture = window.map.view.picture.image
    assert picture.shape == SHAPE[::-1]
    np.testing.assert_array_equal(picture.T == 0, solution.calibrated)


def test_arrow_keys_go_from_pixel_to_pixel(qtbot, real, files):
    window = look_at(qtbot, real, files["solution"])
    pick(qtbot, real, (3, 2))
    qtbot.keyClick(window.map, Qt.Key.Key_Right)
    qtbot.keyClick(window.map, Qt.Key.Key_Up)
    qtbot.waitUntil(lambda: window.page.pixel == (4, 3))


def test_the_histogram_of_centers_is_live(qtbot, real, files):
    window = look_at(qtbot, real, files["solution"])
    solution = load_solution(files["solution"])
    shown = window.centres.shown
    assert shown.counts.sum() == (solution.lines.ok & solution.calibrated.reshape(-1, 1)).sum()
    labels = [label.text for _, label in window.centres._legend.items]
    assert labels[0].startswith("808 nm, median -")


def test_a_pixel_is_fitted_again_taken_back_and_saved(qtbot, real, files, tmp_path, monkeypatch):
    window = look_at(qtbot, real, files["solution"])
    before = load_solution(files["solution"])
    pixel = a_good_pixel(before)
    p = pixel[0] * SHAPE[1] + pixel[1]
    pick(qtbot, real, pixel)
    window.curve_model.setCurrentIndex(window.curve_model.findData("quadratic"))
    window.refit.click()
    qtbot.waitUntil(lambda: window.opened.changed, timeout=60_000)
    rest(qtbot, real)
    assert window.page.curve_kind == "quadratic"
    assert "not saved" in window.headline.text()
    window.take_back.click()
    rest(qtbot, real)
    assert not window.opened.changed
    assert window.page.curve_kind != "quadratic"
    assert not window.save.isEnabled()
    window.refit.click()
    qtbot.waitUntil(lambda: window.opened.changed, timeout=60_000)
    rest(qtbot, real)
    open_path(qtbot, real, files["sky"])
    window.apply.click()
    assert "Save the solution first" in window.messages.text
    assert not real.session.file.wavelength_calibrated
    target = tmp_path / "edited.h5"
    dialog_type = QtWidgets.QFileDialog
    monkeypatch.setattr(dialog_type, "getSaveFileName", staticmethod(lambda *_: (str(target), "")))
    window.save.click()
    rest(qtbot, real)
    saved = load_solution(target)
    assert saved.refits
    assert not window.opened.changed
    others = np.arange(before.curves.kind.size) != p
    np.testing.assert_array_equal(
        saved.curves.coefficients[others], before.curves.coefficients[others]
    )
    assert load_solution(files["solution"]).solution_id == before.solution_id


def test_what_was_saved_while_a_calibration_began_is_not_called_unsaved(
    qtbot, real, files, tmp_path, monkeypatch
):
    window = look_at(qtbot, real, files["solution"])
    pick(qtbot, real, a_good_pixel(load_solution(files["solution"])))
    window.curve_model.setCurrentIndex(window.curve_model.findData("quadratic"))
    window.refit.click()
    qtbot.waitUntil(lambda: window.opened.changed, timeout=60_000)
    rest(qtbot, real)
    target = tmp_path / "edited.h5"
    dialog_type = QtWidgets.QFileDialog
    monkeypatch.setattr(dialog_type, "getSaveFileName", staticmethod(lambda *_: (str(target), "")))
    window.save.click()
    real.wavecal.start(form_of(files, tmp_path / "new.h5"))
    assert real.viewer.unsaved == ["solution.h5"]
    qtbot.waitUntil(lambda: not real.reads.jobs, timeout=20_000)
    assert load_solution(target).refits
    assert real.viewer.unsaved == []
    assert "edited.h5" in real.messages.text
    window.cancel.click()
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=20_000)
    assert "not saved" not in window.messages.text


def test_what_was_changed_by_hand_is_not_lost(qtbot, real, files, made, tmp_path):
    window = look_at(qtbot, real, files["solution"])
    pixel = a_good_pixel(load_solution(files["solution"]))

    def change():
        pick(qtbot, real, pixel)
        window.curve_model.setCurrentIndex(window.curve_model.findData("quadratic"))
        window.refit.click()
        qtbot.waitUntil(lambda: window.opened.changed, timeout=60_000)
        rest(qtbot, real)
        return window.opened

    edited = change()
    other = shutil.copy(made["solution"], tmp_path / "other.h5")
    look_at(qtbot, real, other)
    assert window.opened.path == other
    assert "solution.h5 was changed by hand and not saved" in window.messages.text
    assert not window.take_back.isEnabled()
    edited_other = change()
    window.messages.button("Back to solution.h5").click()
    assert window.opened is edited
    assert window.take_back.isEnabled()
    assert "other.h5 was changed by hand" in window.messages.text
    # a calibration takes the window, and gives what was changed back
    window.messages.button("Back to other.h5").click()
    assert window.opened is edited_other
    real.wavecal.start(form_of(files, tmp_path / "new.h5"))
    assert window.opened is None
    assert np.isnan(window.map.values).all()  # nothing of the solution before
    window.cancel.click()
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=20_000)
    qtbot.wait(20)
    assert "solution.h5, other.h5 were changed" in window.messages.text
    assert "new.h5 was not written" in real.messages.text
    window.messages.button("Back to other.h5").click()
    assert window.opened is edited_other
    calibrate(qtbot, real, form_of(files, tmp_path / "new.h5"))
    qtbot.waitUntil(lambda: not window.opened.changed, timeout=200_000)
    assert window.opened.path == tmp_path / "new.h5"
    assert "solution.h5, other.h5 were changed" in window.messages.text
    # and the program does not end without asking
    real.close()
    assert real.isVisible()
    assert "Changed by hand and not saved: solution.h5, other.h5." in real.messages.text
    real.messages.button("Keep working").click()
    for name in ("solution.h5", "other.h5"):
        window.messages.button(f"Back to {name}").click()
        window.take_back.click()
        assert not window.opened.changed
    real.close()
    assert not real.isVisible()


def test_pages_are_written_where_one_wants_them(qtbot, real, files, tmp_path, monkeypatch):
    window = look_at(qtbot, real, files["solution"])
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(tmp_path / "p"))
    )
    window.pages.click()
    qtbot.waitUntil(lambda: "8 pages" in window.messages.text, timeout=100_000)
    assert len(list((tmp_path / "p").glob("*.pdf"))) == 8


def test_what_is_no_solution_cannot_be_looked_at(qtbot, real, files):
    real.viewer.look_at(files["sky"])
    rest(qtbot, real)
    assert "not a wavelength solution" in real.messages.text
    assert real.viewer.window is None


# ---- from the result to the open file


def test_a_solution_is_tried_compared_and_applied(qtbot, real, files):
    before = hashlib.sha256(files["sky"].read_bytes()).hexdigest()
    open_path(qtbot, real, files["sky"])
    window = look_at(qtbot, real, files["solution"])
    compare = real.actions_by_name["compare_wavecal"]
    assert not compare.isEnabled()

    def again(action):
        with qtbot.waitSignal(real.fileOpened, timeout=30_000):
            action()
        rest(qtbot, real)
        return real.session.file

    tried = again(window.try_out.click)
    assert tried.trial == files["solution"]
    assert tried.unit == "nm"
    assert not real.actions_by_name["undo_wavecal"].isEnabled()
    with ObsFile(files["sky"]) as obs:
        assert not obs.is_wavelength_calibrated
        assert not obs.sidecar.exists()
    assert again(compare.trigger).unit == "deg"
    assert again(compare.trigger).trial == files["solution"]
    applied = again(window.apply.click)
    assert applied.trial is None
    assert applied.is_attached
    assert real.actions_by_name["undo_wavecal"].isEnabled()
    assert again(real.actions_by_name["undo_wavecal"].trigger).unit == "deg"
    assert hashlib.sha256(files["sky"].read_bytes()).hexdigest() == before


def test_ranges_and_image_stay_when_the_file_is_calibrated(qtbot, real, files, tmp_path):
    open_path(qtbot, real, files["sky"])
    rest(qtbot, real)  # the limits of the phases are known
    control, controls = real.image_control, real.controls
    control.take_span(1.0, 2.5)
    control.take_band(-100.0, -60.0)
    controls.counts.setChecked(True)
    controls.plot.click()
    rest(qtbot, real)
    before = real.image.counts.image

    def again(action):
        with qtbot.waitSignal(real.fileOpened, timeout=30_000):
            action()
        rest(qtbot, real)
        request = real.image.counts.request
        assert (request.start_s, request.stop_s) == real.session.time_range
        assert (request.low, request.high) == real.session.band
        assert controls.hint.text() == ""
        return real.image.kind, *real.session.time_range, *real.session.band

    assert again(real.actions_by_name["reload"].trigger) == ("raw_counts", 1.0, 2.5, -100.0, -60.0)
    np.testing.assert_array_equal(real.image.counts.image, before)
    assert controls.times.range == (1.0, 2.5)
    assert controls.band.range == (-100.0, -60.0)
    # phases are no wavelengths
    applied = again(lambda: real.attaching.attach(files["solution"]))
    assert applied == ("raw_counts", 1.0, 2.5, None, None)
    control.take_band(900.0, controls.band.limits[1])
    undone = again(real.actions_by_name["undo_wavecal"].trigger)
    assert undone == ("raw_counts", 1.0, 2.5, None, None)
    # another observation begins anew
    open_path(qtbot, real, files["dark"])
    assert real.image.kind == "flags"
    assert real.session.time_range == (0.0, real.session.file.exposure_s)
    shutil.copy(files["dark"], tmp_path / files["sky"].name)
    control.take_span(1.0, 2.0)
    open_path(qtbot, real, tmp_path / files["sky"].name)
    assert real.session.time_range == (0.0, real.session.file.exposure_s)


def test_the_nearest_solutions_are_offered_with_age_and_quality(qtbot, real, files):
    folder = files["sky"].parent
    solution = load_solution(files["solution"])
    inputs = tuple(replace(one, start_unix=one.start_unix - 86_400) for one in solution.inputs)
    replace(solution, inputs=inputs, solution_id="").save(folder / "a_day_before.h5")
    replace(solution, baseline="keep", solution_id="").save(folder / "does_not_fit.h5")
    open_path(qtbot, real, files["sky"])
    real.actions_by_name["apply_wavecal"].trigger()
    rest(qtbot, real)
    dialog = real.calibrating.dialog
    table = dialog.table

    def row(k):
        return [table.item(k, c).text() for c in range(4)]

    share = f"{int(solution.calibrated.sum())} ({solution.calibrated.mean():.0%})"
    assert row(0)[:3] == ["solution.h5", "15 min before", share]
    assert row(1)[:2] == ["a_day_before.h5", "1 d before"]
    assert row(2)[0] == "does_not_fit.h5"
    assert "baseline" in table.item(2, 0).toolTip()
    assert not table.item(2, 0).flags() & Qt.ItemFlag.ItemIsEnabled
    assert table.chosen == files["solution"]
    table.selectRow(1)
    with qtbot.waitSignal(real.fileOpened, timeout=30_000):
        dialog.apply.click()
    assert "a_day_before.h5" in real.messages.text
    form = dialog_of(qtbot, real)
    assert "solution.h5" in form.nearest.text()
    assert "15 min before" in form.nearest.text()


def test_without_a_solution_the_list_says_where_it_looked(qtbot, real, files):
    files["solution"].unlink()
    open_path(qtbot, real, files["sky"])
    real.actions_by_name["apply_wavecal"].trigger()
    rest(qtbot, real)
    dialog = real.calibrating.dialog
    assert str(files["sky"].parent) in dialog.note.text()
    assert not dialog.apply.isEnabled()
    dialog.cancel.click()


def test_how_a_pixel_was_calibrated_does_not_grey_it_out(qtbot, real, files):
    open_path(qtbot, real, files["sky"])
    with qtbot.waitSignal(real.fileOpened, timeout=30_000):
        real.calibrating.attach(files["solution"])
    rest(qtbot, real)
    solution = load_solution(files["solution"])
    labels = [category.label for category in real.session.file.flag_image.categories]
    assert "wavecal.bad" in labels
    assert not any("wavecal." in label.replace("wavecal.bad", "") for label in labels)
    real.controls.counts.setChecked(True)
    with qtbot.waitSignal(real.image.shownChanged, timeout=30_000):
        real.controls.plot.click()
    with ObsFile(files["sky"]) as obs:
        located = (obs.beammap.code == 0) & obs.beammap.mapped
    np.testing.assert_array_equal(real.image.counts.good, located)
    assert (located & ~solution.calibrated).any()
    real.session.set_band(900.0, 1200.0)
    with qtbot.waitSignal(real.image.shownChanged, timeout=30_000):
        real.controls.plot.click()
    np.testing.assert_array_equal(real.image.counts.good, solution.calibrated & located)
