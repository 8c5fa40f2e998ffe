"""Speckle maps in the window: made, cancelled, drawn, saved; a pixel studied; what is dead and why."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from speckle_rig import SETTINGS, TRUTH, make, rest, speckle_observation
from window_rig import open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.speckle.browse import PixelPage
from pipeline_core.speckle.compute import compute_maps
from pipeline_core.speckle.result import MapPart
from pipeline_core.speckle.settings import Prior, SpeckleSettings
from pipeline_core.speckle.status import PixelStatus
from pipeline_core.speckle.study import study_pixel
from quicklook.jobs import Job, Success
from quicklook.qt import QtWidgets
from quicklook.speckle_store import SpeckleStore
from quicklook.speckle_tasks import SpeckleForm, SpecklePixel, StudyRequest, study
from quicklook.views.axes import LogAxis
from quicklook.views.image_pane import FLAGS, SPECKLES

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return speckle_observation(tmp_path_factory.mktemp("speckles"))


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def test_maps_are_those_of_the_core_and_a_study_that_of_the_pixel(qtbot, real, path):
    maps = make(qtbot, real, path)
    expected = compute_maps(path, SETTINGS)
    for name in ("ic", "is", "ic_error", "status"):
        np.testing.assert_array_equal(maps.maps[name], expected.maps[name])
    fitted = np.isfinite(maps.image("is"))
    assert fitted.any()
    for name, truth in TRUTH.items():
        # pixels are more or less sensitive; per bin of 10 ms it would be a hundredth
        assert np.median(maps.image(name)[fitted]) == pytest.approx(truth, rel=0.3)
    assert real.image.kind == SPECKLES
    x, y = (int(one) for one in np.argwhere(fitted)[7])
    real.session.set_pixel((x, y))
    window = real.speckling.window
    qtbot.waitUntil(lambda: window.page is not None, timeout=60_000)
    study = study_pixel(path, (x, y), SETTINGS, tau_s=maps.tau_s)
    assert window.page.study.pixel == (x, y)
    np.testing.assert_allclose(window.page.study.fit.values, study.fit.values)
    assert window.table.cells["Ic", "counts/s"].text() == f"{study.fit.values[0]:.4g}"
    assert window.table.cells["Is", "± blocks"].text() == f"{study.fit.block_errors[1]:.4g}"
    assert f"{study.n_photons:,} photons" in window.table.words.text()
    # the models are drawn in the unit of the histogram: bins
    _, drawn = window.plots.models["ml"].getData()
    np.testing.assert_allclose(drawn, study.expected["ml"])
    _, bars = window.plots.bars.getData()
    np.testing.assert_array_equal(bars, study.occurrences)


def test_masked_pixels_have_no_value_and_say_so(qtbot, real, path):
    maps = make(qtbot, real, path)
    with ObsFile(path) as obs:
        masked = (obs.flags & np.uint32(PROBLEM_FLAGS)) != 0
    assert masked.any()
    assert not masked.all()
    np.testing.assert_array_equal(maps.image("status") == PixelStatus.NOT_COMPUTED, masked)
    assert np.isnan(maps.image("ic")[masked]).all()
    real.actions_by_name["choose_ic"].trigger()
    x, y = (int(one) for one in np.argwhere(masked)[0])
    real.session.set_pixel((x, y))
    assert " | Ic: not computed | " in " ".join(real.status.active_text.split())
    window = real.speckling.window
    assert window.map.text_at((x, y)) == f"({x}, {y})  not computed"
    x, y = (int(one) for one in np.argwhere(maps.image("status") == PixelStatus.OK)[0])
    text, unit = real.image.value_at((x, y))
    assert text.startswith(f"Ic = {maps.image('ic')[x, y]:.4g} ±")
    assert unit == "counts/s"


@pytest.mark.parametrize(
    ("status", "name", "words"),
    [
        (PixelStatus.NOT_COMPUTED, "ic_over_is", "Ic/Is: not computed"),
        (PixelStatus.TOO_FEW_PHOTONS, "tau", "tau: too few photons or bins"),
        (PixelStatus.OK, "ic_over_is", "Ic/Is: Is is not known to exceed 2 sigma"),
        (PixelStatus.AT_BOUND, "ic_over_is", "Ic/Is: Is is not known to exceed 2 sigma"),
        (PixelStatus.NOT_CONVERGED, "tau", "tau: its light curve does not tell it"),
        (
            PixelStatus.OK,
            "is_error",
            "sigma(Is): too few blocks of time, or the likelihood is flat",
        ),
        (PixelStatus.AT_BOUND, "ip_over_sigma", "Ip/sigma: Ip has no sigma"),
    ],
)
def test_a_value_that_is_missing_says_of_which_quantity_and_why(status, name, words):
    store = SpeckleStore(None)
    form = SpeckleForm((Path("a.h5"),), None, SpeckleSettings(with_ip=True))
    store.start((), form, (2, 3), 1)
    at = {key: np.array([np.nan]) for key in store.names} | {"status": np.array([float(status)])}
    store.add((), MapPart(0, np.array([1]), np.array([2]), at))
    assert store.map_image(name).text_at((1, 2)) == (words, "")


def test_radio_buttons_are_dead_before_and_say_how_to_make_maps(qtbot, real, path):
    open_path(qtbot, real, path)
    buttons = real.controls.maps
    for button in buttons.values():
        assert not button.isEnabled()
        assert "Analyse > Speckle maps" in button.toolTip()
    assert not real.actions_by_name["choose_is"].isEnabled()
    assert not real.actions_by_name["save_speckles"].isEnabled()
    make(qtbot, real, path)
    assert [name for name, button in buttons.items() if button.isEnabled()] == [
        "ic",
        "is",
        "ic_over_is",
    ]
    assert "have no Ip" in buttons["ip"].toolTip()
    for name in ("ic", "is", "ic_over_is"):
        buttons[name].click()
        assert real.image.kind == SPECKLES
        assert real.image.map.name == name
        np.testing.assert_array_equal(real.image.array, real.speckles.maps.image(name))
    assert real.controls.hint.text() == ""
    real.controls.flags.click()
    assert real.controls.hint.text() != ""
    real.controls.plot.click()
    assert real.image.kind == FLAGS


def test_maps_fill_and_a_cancelled_computation_keeps_what_is_done(qtbot, real, path, monkeypatch):
    open_path(qtbot, real, path)
    drawn = []
    draw = real.image.show_map
    monkeypatch.setattr(
        real.image, "show_map", lambda found: (drawn.append(found.array.copy()), draw(found))
    )
    real.speckling.start(SpeckleSettings(start=0.0, stop=8.0, with_ip=True, bootstrap=800))
    store = real.speckles
    qtbot.waitUntil(lambda: bool(drawn) and np.isfinite(drawn[-1]).any(), timeout=200_000)
    window = real.speckling.window
    assert store.maps is None
    assert not window.save.isEnabled()
    window.cancel.click()
    rest(qtbot, real)
    assert store.maps is not None
    assert not store.maps.complete
    n = store.n_done()
    fitted = np.isfinite(store.maps.image("ip"))
    assert 0 < n < np.count_nonzero(np.isfinite(compute_maps(path, SETTINGS).image("is")))
    assert fitted.any()
    assert "cancelled" in window.subline.text()
    assert window.save.isEnabled()
    assert real.controls.maps["ip"].isEnabled()


def test_saved_maps_are_what_is_on_the_screen(qtbot, real, path, tmp_path, monkeypatch):
    maps = make(qtbot, real, path)
    target = tmp_path / "maps.fits"
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(target), ""))
    )
    real.speckling.window.save.click()
    rest(qtbot, real)
    with fits.open(target) as hdus:
        np.testing.assert_array_equal(hdus["IS"].data, maps.image("is").T)
        assert hdus["IS"].header["BUNIT"] == "count/s"


def test_maps_stay_with_their_file(qtbot, real, path, tmp_path):
    maps = make(qtbot, real, path)
    other = tmp_path / "other.h5"
    other.write_bytes(path.read_bytes())
    open_path(qtbot, real, other)
    rest(qtbot, real)
    window = real.speckling.window
    assert real.speckles.names == ()
    assert real.image.kind == FLAGS
    assert not real.controls.maps["is"].isEnabled()
    assert not window.save.isEnabled()
    assert "other.h5" in window.headline.text()
    open_path(qtbot, real, path)
    rest(qtbot, real)
    assert real.speckles.maps is maps
    assert real.controls.maps["is"].isEnabled()
    assert window.headline.text() == f"Speckle maps of {path.name}"
    assert window.save.isEnabled()
    np.testing.assert_array_equal(window.map.values, maps.image(window.map.wanted))


def test_maps_are_made_on_while_another_file_is_looked_at(qtbot, real, path, tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(path.read_bytes())
    said = []
    real.speckling.said.connect(lambda kind, text: said.append((kind, text)))
    open_path(qtbot, real, path)
    real.speckling.start(replace(SETTINGS, with_ip=True, bootstrap=200))
    store, window = real.speckles, None
    qtbot.waitUntil(lambda: store.n_done() > 3, timeout=200_000)
    window = real.speckling.window
    open_path(qtbot, real, other)
    assert store.names == ()
    assert window.headline.text() == "Speckles in other.h5"
    assert real.jobs.jobs
    open_path(qtbot, real, path)
    assert store.n_done() > 3
    assert window.headline.text() == f"Speckle maps of {path.name}"
    assert window.cancel.isVisible()
    assert np.isfinite(window.map.values).any()
    open_path(qtbot, real, other)
    real.speckling.start(SETTINGS)  # waits for its turn
    qtbot.waitUntil(lambda: bool(said), timeout=200_000)
    assert said[0][0] == "success"
    assert said[0][1].endswith(f"They are there when {path.name} is opened again.")
    assert store.path in (None, other)
    qtbot.waitUntil(lambda: store.maps is not None, timeout=200_000)
    rest(qtbot, real)
    assert store.path == other
    assert "They are there" not in said[1][1]
    np.testing.assert_array_equal(store.maps.image("is"), compute_maps(other, SETTINGS).image("is"))
    open_path(qtbot, real, path)
    assert store.maps is not None
    assert store.form.settings.bootstrap == 200


def test_the_dialog_says_what_is_wrong_and_gives_what_was_filled_in(qtbot, real, path):
    open_path(qtbot, real, path)
    real.session.set_pixel((4, 5))
    real.actions_by_name["speckle_maps"].trigger()
    dialog = real.speckling.dialog
    rest(qtbot, real)
    assert "pixel (4, 5)" in dialog.advice.text()
    assert dialog.use_advice.isEnabled()
    dialog.use_advice.click()
    advised = study_pixel(path, (4, 5), SpeckleSettings(start=0, stop=8)).advised_bin_s
    assert dialog.settings().bin_s == pytest.approx(advised, abs=1e-6)
    assert not dialog.low.isEnabled()
    assert "No wavelength solution" in dialog.low.toolTip()
    dialog.start.setValue(5.0)
    dialog.stop.setValue(4.0)
    assert not dialog.make.isEnabled()
    assert "ends before it begins" in dialog.reason.text()
    dialog.stop.setValue(7.0)
    dialog.bin_ms.setValue(500.0)
    assert "fewer than 20 bins" in dialog.reason.text()
    dialog.bin_ms.setValue(5.0)
    dialog.with_ip.setChecked(True)
    dialog.tau_known.setChecked(True)
    dialog.tau_ms.setValue(80.0)
    dialog.correct_dead.setChecked(False)
    dialog.stepped.setChecked(True)
    dialog.step.setValue(1.0)
    dialog.advanced.setChecked(True)
    tick, mean, sigma = dialog.priors["is"]
    tick.setChecked(True)
    mean.setValue(120.0)
    sigma.setValue(30.0)
    dialog.least.setValue(200)
    assert dialog.make.isEnabled()
    assert dialog.settings() == SpeckleSettings(
        bin_s=0.005,
        with_ip=True,
        tau_s=0.08,
        correct_dead_time=False,
        start=5.0,
        stop=7.0,
        step_s=1.0,
        is_prior=Prior(120.0, 30.0),
        least_photons=200,
    )
    dialog.make.click()
    rest(qtbot, real)
    assert real.speckles.n_steps == 2
    window = real.speckling.window
    assert window.steps.isVisible()
    window.map.choice.setCurrentIndex(window.map.choice.findData("ip"))
    window.map.mapWanted.emit("ip")
    window.steps.setValue(1)
    np.testing.assert_array_equal(window.map.values, real.speckles.maps.image("ip", 1))


def test_what_is_typed_last_and_impossible_keeps_the_form_open(qtbot, opened):
    opened.speckling.open_dialog()
    dialog = opened.speckling.dialog
    assert dialog.make.isEnabled()
    dialog.stop.setFocus()
    dialog.stop.lineEdit().setText("0")  # no box has taken it yet when the button is pressed
    dialog.make.click()
    assert dialog.isVisible()
    assert "ends before it begins" in dialog.reason.text()
    assert not opened.jobs.jobs
    dialog.reject()


@pytest.mark.parametrize(
    ("width", "numbers"),
    [(200, ["0.01", "", "", "", "0.1"]), (300, ["0.01", "0.02", "", "0.05", "0.1"])],
)
def test_lags_have_numbers_only_where_there_is_room(application, width, numbers):
    axis = LogAxis()
    axis.resize(width, 30)
    axis.setRange(-2.0, 0.0)
    assert axis.tickStrings(list(np.log10([0.01, 0.02, 0.04, 0.05, 0.1])), 1.0, None) == numbers


def test_numbers_leave_the_map_more_room_than_a_legend(qtbot, real, path):
    make(qtbot, real, path)
    shown = real.speckling.window.map
    width = shown.view.width()
    for name, narrower in (("status", True), ("ic", False)):
        shown.choice.setCurrentIndex(shown.choice.findData(name))
        shown.mapWanted.emit(name)
        assert (shown.view.width() < width) == narrower


def test_only_the_newest_pixel_is_drawn(qtbot, real, path):
    make(qtbot, real, path)
    window = real.speckling.window
    shown = []
    monitor = window.show_page
    window.show_page = lambda page: (shown.append(page.study.pixel), monitor(page))
    for x in range(5):
        real.session.set_pixel((x, 3))
    rest(qtbot, real)
    assert shown == [(4, 3)]


def test_an_answer_that_comes_too_late_is_dropped(qtbot, real, path):
    make(qtbot, real, path)
    real.session.set_pixel((4, 3))
    rest(qtbot, real)
    controller, page = real.speckling, real.speckling.window.page
    late = StudyRequest(real.session.file.token, (1, 1), SETTINGS)
    read = SpecklePixel(late, None, None, None, 0.0)
    other = PixelPage(study_pixel(path, (1, 1), SETTINGS), ())
    for lane, key, args, answer in (
        (real.reads, "speckle pixel", (None, late), read),
        (real.chores, "speckle study", (read,), other),
    ):
        job = Job("late", key, study, args)
        lane.succeeded.emit(Success(job, answer))
    assert not real.chores.jobs
    assert controller.window.page is page


def test_copy_as_python_makes_the_maps_again(qtbot, real, path):
    maps = make(qtbot, real, path)
    real.actions_by_name["choose_is"].trigger()
    real.actions_by_name["copy_python"].trigger()
    script = QtWidgets.QApplication.clipboard().text().split("\n\n\n")[0]
    ast.parse(script)
    script = script[: script.index("# Light curve")] if "# Light curve" in script else script
    found: dict[str, object] = {}
    exec(script, found)  # what a person would do with it
    np.testing.assert_array_equal(found["image"], maps.image("is"))


def test_a_pixel_is_exported_and_its_script_studies_it_again(
    qtbot, real, path, tmp_path, monkeypatch
):
    make(qtbot, real, path)
    real.session.set_pixel((3, 5))
    rest(qtbot, real)
    window = real.speckling.window
    study = window.page.study
    window.copy.click()
    found: dict[str, object] = {}
    exec(QtWidgets.QApplication.clipboard().text(), found)  # what a person would do with it
    np.testing.assert_array_equal(found["study"].occurrences, study.occurrences)
    np.testing.assert_allclose(found["study"].fit.values, study.fit.values)
    target = tmp_path / "pixel.fits"
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(target), ""))
    )
    window.export.click()
    rest(qtbot, real)
    with fits.open(target) as hdus:
        table = hdus["SPECKLES"]
        np.testing.assert_array_equal(table.data["occurrences"], study.occurrences)
        np.testing.assert_allclose(table.data["ml"], study.expected["ml"])
        header = {**hdus[0].header, **table.header}
    assert header["IC"] == pytest.approx(study.fit.values[0])
    assert header["ISERR"] == pytest.approx(study.fit.block_errors[1])


def test_the_histogram_beside_the_image_has_the_fit_of_its_own_bins_only(qtbot, real, path):
    make(qtbot, real, path)
    pane = real.card.histogram
    real.session.set_pixel((3, 5))
    rest(qtbot, real)
    study = real.speckling.window.page.study
    assert pane.rician.isVisible()
    _, drawn = pane.rician.getData()
    np.testing.assert_allclose(drawn, study.expected["ml"] / study.occurrences.sum())
    real.session.set_bin_s(0.02)
    rest(qtbot, real)
    assert not pane.rician.isVisible()
    real.session.set_bin_s(0.01)
    rest(qtbot, real)
    assert pane.rician.isVisible()


def test_the_map_on_the_screen_is_exported_with_unit_and_settings(
    qtbot, real, path, tmp_path, monkeypatch
):
    maps = make(qtbot, real, path)
    real.actions_by_name["choose_ic"].trigger()
    for ending in ("fits", "npz", "png"):
        target = tmp_path / f"ic.{ending}"
        monkeypatch.setattr(
            QtWidgets.QFileDialog,
            "getSaveFileName",
            staticmethod(lambda *_, target=target: (str(target), "")),
        )
        real.actions_by_name["export_image"].trigger()
        rest(qtbot, real)
        assert target.exists()
    with fits.open(tmp_path / "ic.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data, maps.image("ic").T)
        assert hdus[0].header["BUNIT"] == "count/s"
