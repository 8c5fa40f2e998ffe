"""File > Export > Export movie, Stack images: the forms know what can be; the jobs write what the core writes."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from observations import make_observation
from window_rig import open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.movies import write_movie
from pipeline_core.stacking.stack import write_stack
from quicklook.qt import QtWidgets

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first

SHAPE = (5, 3)


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


@pytest.fixture
def path(tmp_path):
    return make_observation(tmp_path, 40.0 + 60.0 * np.arange(15).reshape(SHAPE))[0]


def dialog_of(qtbot, window, path, action):
    open_path(qtbot, window, path)
    window.actions_by_name[action].trigger()
    return (window.movies if action == "export_movie" else window.stacking).dialog


# --- movies --------------------------------------------------------------------------------------


def test_the_movie_is_what_the_form_says(qtbot, real, path, tmp_path):
    dialog = dialog_of(qtbot, real, path, "export_movie")
    assert not dialog.weighted.isEnabled()
    assert "flat field" in dialog.weighted.toolTip()
    assert not dialog.low.isEnabled()
    dialog.frame.setValue(0.5)
    dialog.zoom.setValue(5)
    dialog.fps.setValue(4.0)
    dialog.colours.setCurrentText("magma")
    dialog.inverted.setChecked(True)
    dialog.by_hand.setChecked(True)
    assert dialog.low.isEnabled()
    dialog.high.setValue(900.0)
    assert dialog.contents.text().startswith("4 frames of 380 × ")
    assert "played in 1.0 s" in dialog.contents.text()
    chosen = dialog.settings()
    assert (chosen.exclude, chosen.limits) == (PROBLEM_FLAGS, (0.0, 900.0))
    out = dialog.form().out
    assert out == path.with_name(f"{path.stem}_movie.gif")
    dialog.write.click()
    qtbot.waitUntil(lambda: "Written:" in real.messages.text, timeout=120_000)
    assert "frames: 4" in real.messages.text
    with ObsFile(path) as obs:
        write_movie(tmp_path / "expected.gif", obs, chosen)
    assert out.read_bytes() == (tmp_path / "expected.gif").read_bytes()


def test_a_movie_that_cannot_be_written_says_why(qtbot, real, path, tmp_path, monkeypatch):
    dialog = dialog_of(qtbot, real, path, "export_movie")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, words in (
        ("m.mp4", "ffmpeg"),
        ("m.avi", r".gif or .mp4"),
        (path.name, r".gif or .mp4"),
    ):
        dialog.out.set_text(str(tmp_path / name))
        assert words in dialog.reason.text()
        assert not dialog.write.isEnabled()
    (tmp_path / "m.gif").write_bytes(b"")
    dialog.out.set_text(str(tmp_path / "m.gif"))
    assert "exists already" in dialog.reason.text()
    dialog.overwrite.setChecked(True)
    assert dialog.write.isEnabled()
    dialog.by_hand.setChecked(True)
    dialog.low.setValue(5000.0)
    assert "must be below" in dialog.reason.text()
    dialog.by_hand.setChecked(False)
    dialog.out.set_text(str(tmp_path / "missing" / "m.gif"))
    dialog.write.click()
    qtbot.waitUntil(lambda: "was not written" in real.messages.text, timeout=60_000)
    assert "missing" in real.messages.text


# --- stacks --------------------------------------------------------------------------------------


@pytest.fixture
def second(tmp_path):
    folder = tmp_path / "second"
    folder.mkdir()
    made, _ = make_observation(folder, 640.0 - 40.0 * np.arange(15).reshape(SHAPE), seed=9)
    return made.rename(folder / "second.h5")


def test_the_stack_is_what_the_form_says(qtbot, real, path, second, tmp_path):
    dialog = dialog_of(qtbot, real, path, "stack_images")
    assert dialog.table.paths() == (path,)
    dialog.table.add_files([second, path])
    assert dialog.table.paths() == (path, second)
    dialog.register.setCurrentIndex(dialog.register.findData("dither"))
    assert "every position" in dialog.reason.text()
    assert not dialog.write.isEnabled()
    dialog.table.item(1, 1).setText("0,5")
    dialog.table.item(1, 2).setText("-1")
    dialog.scale.setText("2 -1")
    dialog.method.setCurrentIndex(dialog.method.findData("drizzle"))
    dialog.upsample.setValue(2)
    dialog.pixfrac.setValue(0.7)
    assert not dialog.reason.text()
    assert "frames: 2; 12 × 8 pixels" in dialog.contents.text()
    chosen = dialog.settings()
    np.testing.assert_allclose(chosen.offsets.pixels(), [(0, 0), (1, 1)])
    dialog.write.click()
    qtbot.waitUntil(lambda: "Written:" in real.messages.text, timeout=120_000)
    assert "offsets from the first: 1.00, 1.00" in real.messages.text
    write_stack(tmp_path / "expected.fits", [path, second], chosen)
    for name in ("SCI", "VARIANCE", "EXPOSURE", "NFRAMES"):
        found, expected = (
            fits.getdata(one, name)
            for one in (path.parent / "stack.fits", tmp_path / "expected.fits")
        )
        np.testing.assert_array_equal(found, expected)


def test_what_does_not_belong_together_is_off_and_says_why(qtbot, real, path):
    dialog = dialog_of(qtbot, real, path, "stack_images")
    assert not dialog.scale.isEnabled()
    assert not dialog.pixfrac.isEnabled()
    assert "Only drizzle" in dialog.pixfrac.toolTip()
    dialog.method.setCurrentIndex(dialog.method.findData("median"))
    assert not dialog.weights.isEnabled()
    assert "no weights" in dialog.weights.toolTip()
    dialog.table.selectRow(0)
    dialog.remove.click()
    assert "Add a file" in dialog.reason.text()
    dialog.table.add_files([path])
    dialog.out.set_text("stack.png")
    assert ".fits or .npz" in dialog.reason.text()


def test_offsets_of_a_file(qtbot, real, path, second, tmp_path, monkeypatch):
    dialog = dialog_of(qtbot, real, path, "stack_images")
    dialog.table.add_files([second])
    offsets = tmp_path / "offsets.yml"
    offsets.write_text("positions: [[0, 0], [0.25, -1]]\npixels_per_unit: [4, 2]\n")
    chooser = staticmethod(lambda *_: (str(offsets), ""))
    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileName", chooser)
    dialog.read.click()
    assert dialog.register.currentData() == "dither"
    np.testing.assert_allclose(dialog.settings().offsets.pixels(), [(0, 0), (1, -2)])
    offsets.write_text("positions: 3\n")
    dialog.read.click()
    assert "is a list of" in dialog.reason.text()
    assert not dialog.write.isEnabled()
    chooser = staticmethod(lambda *_: ([str(tmp_path / "third.fits")], ""))
    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileNames", chooser)
    dialog.add.click()
    assert dialog.table.paths()[-1].name == "third.fits"
    dialog.register.setCurrentIndex(dialog.register.findData("none"))
    dialog.write.click()
    qtbot.waitUntil(lambda: "was not written" in real.messages.text, timeout=60_000)
    assert "third.fits" in real.messages.text


def test_a_movie_that_is_cancelled_leaves_nothing(qtbot, real, path):
    dialog = dialog_of(qtbot, real, path, "export_movie")
    dialog.frame.setValue(0.001)
    dialog.zoom.setValue(20)
    form = dialog.form()
    dialog.reject()
    job = real.movies.start(form)
    qtbot.waitUntil(lambda: any(path.parent.glob("*movie.gif*.part")), timeout=120_000)
    real.jobs.cancel(job)
    qtbot.waitUntil(lambda: "was cancelled" in real.messages.text, timeout=60_000)
    assert not list(path.parent.glob("*movie.gif*"))
