"""A flat field in the window: from the form to the look at every pixel, attached and taken back."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest
from laser_files import SHAPE, START, laser_files, observe
from window_rig import all_read, open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.errors import OperationCancelled
from pipeline_core.flatcal.config import load_config
from pipeline_core.flatcal.parameters import PARAMETERS
from pipeline_core.flatcal.solution import load_solution
from pipeline_core.progress import silent
from pipeline_core.wavecal.compute import run
from pipeline_core.wavecal.settings import Laser, WavecalSettings
from quicklook import flatcalibrating
from quicklook.dialogs.flatcal_dialog import FlatcalDialog
from quicklook.flatcal_tasks import read_config
from quicklook.qt import QtWidgets

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A flat, another file, and the wavelength solution of the array."""
    folder = tmp_path_factory.mktemp("flats")
    lasers = laser_files(folder)
    solution = run(WavecalSettings(tuple(Laser(nm, path) for nm, path in lasers.items())))
    return {
        "wavecal": solution.save(folder / "wavecal.h5"),
        "flat": observe(folder, "flat", "flat", START + 1000),
        "sky": observe(folder, "sky", "flat", START + 2000),
    }


@pytest.fixture
def files(made, tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    return {name: shutil.copy(path, folder / path.name) for name, path in made.items()}


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def rest(qtbot, window):
    for _ in range(2):
        qtbot.wait(300)
        qtbot.waitUntil(lambda: all_read(window) and not window.chores.jobs, timeout=120_000)
        qtbot.wait(20)


def filled(qtbot, window, files, **texts):
    """The dialog with the flat's files, and other texts by the guide's names."""
    window.actions_by_name["flatcal"].trigger()
    dialog = window.flatcal.dialog
    given = {
        "flatPath": str(files["flat"]),
        "calSolnPath": str(files["flat"].parent / "F.h5"),
        "wvlCalFile": str(files["wavecal"]),
        "intTime": "1",
        "expTime": "4",
        "energyBinWidth": "0.05",
        "wvlStart": "850",
        "wvlStop": "1250",
        **texts,
    }
    for key, text in given.items():
        dialog.set_text(key, text)
    rest(qtbot, window)
    return dialog


def make(qtbot, window, files):
    dialog = filled(qtbot, window, files)
    dialog.plots.setCurrentIndex(0)
    rest(qtbot, window)
    assert dialog.start.isEnabled(), dialog.reason.text()
    dialog.start.click()
    qtbot.waitUntil(lambda: not window.jobs.jobs, timeout=200_000)
    rest(qtbot, window)
    return window.flatcal.window


def test_the_form_has_every_parameter_of_the_guide_with_its_default(qtbot, settings):
    dialog = FlatcalDialog(settings)
    qtbot.addWidget(dialog)
    shown = dialog.findChildren(QtWidgets.QLabel)
    assert {one.key for one in PARAMETERS} <= {label.text().split(" [")[0] for label in shown}
    values = dict(dialog.form().values)
    default = load_config().values
    for one in PARAMETERS:
        expected = default[one.section][one.key]
        found = values[one.section, one.key]
        if one.kind == "texts":
            assert [text for text in expected if text] == list(found)
        else:
            assert found == expected, one.key
        assert one.sentence in dialog.fields[one.key].toolTip()
    labels = [label.text() for label in dialog.findChildren(QtWidgets.QLabel)]
    for text in (
        "intTime [s]",
        "energyBinWidth [eV]",
        "wvlStop [nm]",
        "countRateCutoff [counts/s]",
    ):
        assert text in labels


def test_a_configuration_is_saved_and_read_as_it_was(qtbot, real, files, tmp_path, monkeypatch):
    dialog = filled(
        qtbot, real, files, flatObsTstamps="1602050400, 1602050500", lasers="{808: 'a.h5'}"
    )
    form = dialog.form()
    target = tmp_path / "my.cfg"
    chooser = QtWidgets.QFileDialog
    monkeypatch.setattr(chooser, "getSaveFileName", staticmethod(lambda *_: (str(target), "")))
    dialog._save_config()
    rest(qtbot, real)
    assert dict(read_config(target).values) == dict(form.values)
    for field in dialog.fields:
        dialog.set_text(field, "")
    monkeypatch.setattr(chooser, "getOpenFileName", staticmethod(lambda *_: (str(target), "")))
    dialog._open_config()
    rest(qtbot, real)
    assert dict(dialog.form().values) == dict(form.values)
    target.write_text("[Data]\nintTime = __import__('os')\n")
    dialog._open_config()
    rest(qtbot, real)
    assert "not a Python literal" in dialog.reason.text()


def test_what_cannot_start_says_why_by_the_guides_names(qtbot, real, files, tmp_path):
    for texts, words in (
        ({"flatPath": "/none/flat.h5"}, "flatPath"),
        ({"calSolnPath": ""}, "calSolnPath"),
        ({"expTime": "long"}, "expTime"),
        ({"fractionOfChunksToTrim": "0.6"}, "fractionOfChunksToTrim"),
        ({"wvlCalFile": ""}, "wavelength"),
        ({"lasers": "open('x')"}, "lasers"),
    ):
        dialog = filled(qtbot, real, files, **texts)
        assert words in dialog.reason.text(), (texts, dialog.reason.text())
        assert not dialog.start.isEnabled()
        dialog.reject()


def test_a_flat_is_made_looked_at_attached_and_taken_back(qtbot, real, files):
    before = hashlib.sha256(files["sky"].read_bytes()).hexdigest()
    window = make(qtbot, real, files)
    path = files["flat"].parent / "F.h5"
    assert "F.h5 was written" in real.messages.text
    solution = load_solution(path)
    assert window.opened.solution.solution_id == solution.solution_id
    assert sorted(p.name for p in path.parent.glob("F?.h5")) == ["F1.h5", "F2.h5", "F3.h5", "F4.h5"]

    # maps at the slider's wavelength, every pixel where it is
    for number in (0, solution.energies_ev.size - 1):
        window.slider.setValue(number)
        rest(qtbot, real)
        np.testing.assert_array_equal(window.map.values, solution.weights[..., number])
        assert window.slider_text.text() == f"{solution.wavelengths_nm[number]:.1f} nm"
    window.map.choice.setCurrentIndex(window.map.choice.findData("reason"))
    window.map.mapWanted.emit("reason")
    rest(qtbot, real)
    names = [name for name, _ in window.map.shown.categories]
    fine = window.map.shown.values == names.index("has a weight")
    np.testing.assert_array_equal(fine, np.isfinite(solution.weights[..., number]))

    # one pixel
    pixel = tuple(int(i) for i in np.argwhere(solution.weighted)[3])
    window.map.pixelSelected.emit(pixel)
    rest(qtbot, real)
    nm, weights = window.panels.weights.getData()
    np.testing.assert_allclose(nm, solution.wavelengths_nm)
    np.testing.assert_array_equal(weights, solution.weights[pixel])
    np.testing.assert_allclose(
        window.panels.bars.yData, solution.counts[pixel] / solution.live_s[pixel]
    )
    assert window.panels.curve.xData.size > 100

    # attached to another observation, which needs wavelengths first
    open_path(qtbot, real, files["sky"])
    assert not window.apply.isEnabled()
    assert "wavelength solution first" in window.apply.toolTip()

    def again(action):
        with qtbot.waitSignal(real.fileOpened, timeout=30_000):
            action()
        rest(qtbot, real)
        return {state.name: state for state in real.strip.calibrations.states}["Flat field"]

    assert again(lambda: real.attaching.attach(files["wavecal"])).state == "none"
    assert again(window.apply.click).state == "done"
    assert "photons have weights" in real.messages.text
    with ObsFile(files["sky"]) as obs:
        assert obs.is_flat_calibrated
        assert obs.flatcal.solution_id == solution.solution_id
    real.actions_by_name["undo_wavecal"].trigger()
    assert "depends on the wavelength calibration" in real.messages.text
    assert again(real.actions_by_name["undo_flatcal"].trigger).state == "none"
    assert again(window.apply.click).state == "done"
    real.actions_by_name["undo_wavecal"].trigger()
    assert again(real.messages.button("Undo both").click).state == "none"
    with ObsFile(files["sky"]) as obs:
        assert not obs.is_wavelength_calibrated
    assert hashlib.sha256(files["sky"].read_bytes()).hexdigest() == before


def test_cancelled_it_leaves_nothing_behind(qtbot, real, files):
    dialog = filled(qtbot, real, files)
    form = dialog.form()
    dialog.reject()
    before = sorted(files["flat"].parent.iterdir())
    real.flatcal.start(form)
    window = real.flatcal.window
    qtbot.waitUntil(lambda: window.progress.value() > 0, timeout=100_000)
    window.cancel.click()
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=20_000)
    qtbot.wait(20)
    rest(qtbot, real)
    after = sorted(files["flat"].parent.iterdir())
    if "cancelled" in window.messages.text:
        assert after == before
    else:  # it was faster: then everything is there
        assert window.opened is not None
        assert {f"F{k}.h5" for k in ("", 1, 2, 3, 4)} <= {path.name for path in after}


def test_each_of_two_flats_is_told_of_and_shown_in_its_turn(qtbot, real, files, tmp_path):
    said = []
    real.flatcal.said.connect(lambda kind, text: said.append((kind, text)))
    folder = files["flat"].parent
    broken = shutil.copy(files["flat"], tmp_path / "broken.h5")
    forms = []
    for out, flat in (("bad.h5", broken), ("good.h5", files["flat"])):
        dialog = filled(
            qtbot, real, files, flatPath=str(flat), calSolnPath=str(folder / out), expTime="4"
        )
        dialog.plots.setCurrentIndex(0)
        forms.append(dialog.form())
        dialog.reject()
    broken.chmod(0o644)
    broken.write_bytes(broken.read_bytes()[:2000])
    real.flatcal.start(forms[0])
    window = real.flatcal.window
    assert "bad.h5" in window.headline.text()
    real.flatcal.start(forms[1])
    assert said == [("info", "good.h5 is made when bad.h5 is done.")]
    assert "bad.h5" in window.headline.text()
    qtbot.waitUntil(lambda: len(said) > 1, timeout=100_000)
    assert "good.h5" in window.headline.text()
    qtbot.waitUntil(lambda: window.opened is not None, timeout=200_000)
    rest(qtbot, real)
    assert [kind for kind, _ in said] == ["info", "error", "success"]
    assert said[1][1].startswith("bad.h5 was not written. ")
    assert "broken.h5" in said[1][1]
    assert said[2][1] == "Flat field: good.h5 was written."
    assert window.opened.path == folder / "good.h5"


def test_ended_in_the_middle_it_takes_only_its_own_files_with_it(tmp_path, monkeypatch):
    base = tmp_path / "F.h5"
    older = [tmp_path / name for name in ("F77.h5", "F__mask.pdf", "Fine.h5", "F.txt", "G.h5")]
    for path in older:
        path.write_text("old")

    def ended(_function, _form, *, progress, clean_up):
        for name in ("F.h5", "F1.h5", "F1__wvlSlices.pdf", "F77.h5"):
            (tmp_path / name).write_text("new")
        clean_up(1)
        raise OperationCancelled

    monkeypatch.setattr(flatcalibrating, "run_in_child", ended)
    with pytest.raises(OperationCancelled):
        flatcalibrating.make_flat_in_child(None, base, progress=silent)
    assert sorted(tmp_path.iterdir()) == sorted(older)


def test_the_book_of_all_pixels_is_written_on_request(qtbot, real, files, tmp_path, monkeypatch):
    window = make(qtbot, real, files)
    target = tmp_path / "book.pdf"
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(target), ""))
    )
    window.pages.click()
    qtbot.waitUntil(lambda: "book.pdf" in real.messages.text, timeout=100_000)
    assert target.read_bytes().startswith(b"%PDF")
    assert SHAPE[0] != SHAPE[1]


def test_a_solution_is_named_after_the_flat_that_is_chosen(qtbot, settings, tmp_path):
    dialog = FlatcalDialog(settings)
    qtbot.addWidget(dialog)
    dialog.set_text("flatPath", str(tmp_path / "1602050428.h5"))
    dialog.set_text("flatPath", "")  # as when all is selected and typed over
    dialog.set_text("flatPath", str(tmp_path / "1602050424.h5"))
    assert dialog.text_of("calSolnPath") == str(tmp_path / "flat_1602050424.h5")
    dialog.set_text("calSolnPath", str(tmp_path / "mine.h5"))
    dialog.set_text("flatPath", str(tmp_path / "1602050500.h5"))
    assert dialog.text_of("calSolnPath") == str(tmp_path / "mine.h5")
