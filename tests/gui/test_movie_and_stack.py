"""File > Export > Export movie, Stack images: the forms know what can be; the jobs write what the core writes."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from observations import make_observation
from window_rig import open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.cli import main
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.cube_settings import CubeSettings
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.movies import write_movie
from pipeline_core.simulate import SimulationSettings, simulate
from pipeline_core.stacking.settings import StackSettings
from pipeline_core.stacking.stack import write_stack
from pipeline_core.wcs import Pointing
from quicklook.product_tasks import OffsetsAnswer, OffsetsQuestion
from quicklook.qt import QtWidgets
from quicklook.widgets.band_boxes import BandBoxes

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first

SHAPE = (5, 3)
START = 1602050400


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
    assert not dialog.scale.isVisible()
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
    assert not dialog.write.isEnabled()
    assert "Looking into offsets.yml" in dialog.reason.text()
    qtbot.waitUntil(lambda: dialog.register.currentData() == "dither", timeout=60_000)
    np.testing.assert_allclose(dialog.settings().offsets.pixels(), [(0, 0), (1, -2)])
    offsets.write_text("positions: 3\n")
    dialog.read.click()
    qtbot.waitUntil(lambda: "is a list of" in dialog.reason.text(), timeout=60_000)
    assert not dialog.write.isEnabled()
    chooser = staticmethod(lambda *_: ([str(tmp_path / "third.fits")], ""))
    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileNames", chooser)
    dialog.add.click()
    assert dialog.table.paths()[-1].name == "third.fits"
    dialog.register.setCurrentIndex(dialog.register.findData("none"))
    dialog.write.click()
    qtbot.waitUntil(lambda: "was not written" in real.messages.text, timeout=60_000)
    assert "third.fits" in real.messages.text


@pytest.fixture
def positions(tmp_path):
    """Two photon files a minute apart, and the log of a dither that stood still during each, and once more."""
    paths = []
    for k, start in enumerate((START, START + 60)):
        folder = tmp_path / f"raw{k}"
        settings = SimulationSettings("sky", seconds=2, rate_cps=60.0, shape=SHAPE, start=start)
        raw = simulate(settings, folder)
        paths.append(tmp_path / f"{start}.h5")
        convert(ConvertSettings(folder, start, 2, raw.beammap_path, paths[-1]))
    log = tmp_path / "dither_night.log"
    starts = [START - 60, START - 1, START + 59]
    ends = [one + 10 for one in starts]
    log.write_text(
        f"Dither Path: x\nstarts={starts}\nends={ends}\npath=[(9, 9), (0.5, 0.25), (0.6, 0.05)]\n"
    )
    return (*paths, log)


def by_log(qtbot, dialog):
    qtbot.waitUntil(lambda: bool(dialog.log.text()), timeout=60_000)
    dialog.register.setCurrentIndex(dialog.register.findData("log"))


def settled(qtbot, dialog, words=""):
    qtbot.waitUntil(
        lambda: "Looking" not in dialog.reason.text() and words in dialog.reason.text(),
        timeout=60_000,
    )


def cells(dialog):
    table = dialog.table
    return [[table.item(k, c).text() for c in (1, 2)] for k in range(table.rowCount())]


def test_the_log_beside_the_data_gives_the_offsets_as_the_command_does(
    qtbot, real, positions, tmp_path
):
    first, last, log = positions
    dialog = dialog_of(qtbot, real, first, "stack_images")
    assert not dialog.log.isVisible()
    dialog.scale.setText("3")
    by_log(qtbot, dialog)
    assert dialog.log.text() == str(log)
    assert "beside the data" in dialog.register.currentText()
    assert dialog.log.isVisible()
    assert not dialog.write.isEnabled()
    settled(qtbot, dialog, "give pixels per unit")  # its unit is the mirror's
    dialog.log_scale.setText("20 x")
    assert "Looking into dither_night.log" in dialog.reason.text()
    settled(qtbot, dialog, "Pixels per unit are")
    dialog.log_scale.setText("20 -10")
    settled(qtbot, dialog)
    assert not dialog.reason.text()
    assert cells(dialog) == [["0", "0"]]
    dialog.table.add_files([last])
    assert not dialog.write.isEnabled()
    settled(qtbot, dialog)
    assert cells(dialog) == [["0", "0"], ["2", "2"]]
    assert dialog.table.horizontalHeaderItem(1).text() == "x [pixels]"
    assert "From the dither log" in dialog.table.item(1, 1).toolTip()
    assert "frames: 2; 7 × 5 pixels" in dialog.contents.text()
    dialog.register.setCurrentIndex(dialog.register.findData("dither"))
    assert dialog.settings().offsets.pixels().tolist() == [[0, 0], [2, 2]]  # to be changed by hand
    dialog.register.setCurrentIndex(dialog.register.findData("log"))
    assert not dialog.reason.text()
    dialog.write.click()
    qtbot.waitUntil(lambda: "Written:" in real.messages.text, timeout=120_000)
    out = tmp_path / "command.fits"
    command = ["stack", str(first), str(last), "--out", str(out), "--dither-log", str(log)]
    command += ["--pixels-per-unit", "20", "-10", "--exclude", "problems", "--quiet"]
    assert main(command) == 0
    for name in ("SCI", "VARIANCE", "EXPOSURE", "NFRAMES"):
        found, expected = (fits.getdata(one, name) for one in (tmp_path / "stack.fits", out))
        np.testing.assert_array_equal(found, expected)


def test_files_that_the_log_does_not_know_are_told_before_anything_runs(
    qtbot, real, positions, tmp_path
):
    first, last, log = positions
    text = log.read_text()
    log.write_text(text.replace(str(START + 59), str(START + 65)))
    dialog = dialog_of(qtbot, real, first, "stack_images")
    dialog.table.add_files([last])
    by_log(qtbot, dialog)
    dialog.log_scale.setText("20")
    settled(qtbot, dialog, f"{last.name}: the dither was at no position in the middle of it")
    assert not dialog.write.isEnabled()
    dialog.table.selectRow(1)
    dialog.remove.click()
    settled(qtbot, dialog)
    assert dialog.write.isEnabled()
    dialog.log.set_text(str(tmp_path / "none.log"))
    settled(qtbot, dialog, "none.log cannot be read")
    dialog.log.set_text("")
    assert "Choose the dither log" in dialog.reason.text()
    dialog.register.setCurrentIndex(dialog.register.findData("dither"))
    assert not dialog.log.isVisible()
    assert dialog.write.isEnabled()  # as typed: what the log gave, in pixels
    assert dialog.settings().offsets.pixels().tolist() == [[0, 0]]


def test_offsets_with_times_are_those_of_the_files(qtbot, real, positions, tmp_path):
    first, last, _ = positions
    times = [[START - 60, START - 50], [START - 1, START + 9], [START + 59, START + 69]]
    offsets = tmp_path / "offsets.yml"
    offsets.write_text(
        f"positions: [[9, 9], [0.5, 0.25], [0.6, 0.05]]\npixels_per_unit: 10\ntimes: {times}\n"
    )
    dialog = dialog_of(qtbot, real, first, "stack_images")
    dialog.table.add_files([last])
    dialog.read_offsets(offsets)
    qtbot.waitUntil(lambda: dialog.register.currentData() == "dither", timeout=60_000)
    np.testing.assert_allclose(dialog.settings().offsets.pixels(), [(0, 0), (1, -2)])


def test_an_answer_that_comes_too_late_is_dropped(qtbot, real, positions):
    first, _, log = positions
    dialog = dialog_of(qtbot, real, first, "stack_images")
    by_log(qtbot, dialog)
    dialog.log_scale.setText("20")
    settled(qtbot, dialog)
    old = OffsetsAnswer(OffsetsQuestion("log", log, "3", (first,)), pixels=((5.0, 5.0),))
    dialog.show_offsets(old)
    assert cells(dialog) == [["0", "0"]]
    assert dialog.settings().offsets.pixels_per_unit == ((20.0, 0.0), (0.0, 20.0))


def test_wavelengths_and_coordinates_are_what_the_form_says(qtbot, real, path, monkeypatch):
    dialog = dialog_of(qtbot, real, path, "stack_images")
    assert not dialog.band.isEnabled()  # no wavelengths
    assert not dialog.sky.isVisible()
    dialog.more.button.click()
    assert dialog.sky.isVisible()
    assert dialog.settings() == StackSettings(
        register="centroid", photons=CubeSettings(exclude=PROBLEM_FLAGS)
    )
    dialog.sky.given.setChecked(True)
    dialog.sky.ra.setValue(150.25)
    dialog.sky.dec.setValue(-12.5)
    dialog.sky.x.setValue(1.5)
    dialog.fewest.setValue(2)
    found = dialog.settings()
    assert found.photons.pointing == Pointing(150.25, -12.5, (1.5, 1.0), 10.0, 0.0)
    assert found.fewest == 2
    dialog.sky.ra.setValue(360)
    assert "give degrees" in dialog.reason.text()


def test_wavelengths_of_a_calibrated_file(qtbot):
    boxes = BandBoxes((None, 900.0), calibrated=True)
    qtbot.addWidget(boxes)
    boxes.show()
    assert boxes.settings() == {"edges_nm": (700.0, 900.0)}
    boxes.limited.setChecked(False)
    assert boxes.settings() == {}
    assert not boxes.low.isEnabled()
    boxes.kind.setCurrentIndex(1)
    assert boxes.low.isEnabled()
    assert boxes.width.isVisible()
    limits = {"min_wavelength": 700.0, "max_wavelength": 900.0}
    assert boxes.settings() == {"energy_bin_ev": 0.1, **limits}
    boxes.kind.setCurrentIndex(2)
    with qtbot.waitSignal(boxes.changed):
        boxes.width.setValue(25.0)
    assert CubeSettings(**boxes.settings()).wavelength_edges().size == 9
    all_of_them = BandBoxes((None, None), calibrated=False)
    qtbot.addWidget(all_of_them)
    assert all_of_them.settings() == {}
    assert not all_of_them.isEnabled()


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


def test_times_and_extent_are_what_the_form_says(qtbot, real, path):
    dialog = dialog_of(qtbot, real, path, "stack_images")
    dialog.more.button.click()
    dialog.register.setCurrentIndex(dialog.register.findData("none"))
    assert not dialog.start.isEnabled()
    assert not dialog.padding.isVisible()
    assert dialog.stop.value() == pytest.approx(dialog._facts.exposure_s)
    dialog.limited.setChecked(True)
    dialog.start.setValue(0.25)
    dialog.stop.setValue(1.5)
    dialog.extent.setCurrentIndex(dialog.extent.findData("padded"))
    dialog.padding.setValue(0.4)
    assert dialog.settings() == StackSettings(
        padding=0.4, photons=CubeSettings(exclude=PROBLEM_FLAGS, start=0.25, stop=1.5)
    )
    assert "frames: 1; 9 × 7 pixels" in dialog.contents.text()
    dialog.stop.setValue(0.25)
    assert "ends before it begins" in dialog.reason.text()
    assert not dialog.write.isEnabled()


def test_the_search_for_a_star_begins_where_the_log_says(qtbot, real, positions):
    first, last, log = positions
    dialog = dialog_of(qtbot, real, first, "stack_images")
    dialog.table.add_files([last])
    assert dialog.register.currentData() == "centroid"
    assert not dialog.log.isVisible()
    assert dialog.settings().offsets is None
    qtbot.waitUntil(lambda: dialog.log.text() == str(log), timeout=60_000)
    dialog.near_log.setChecked(True)
    assert dialog.log.isVisible()
    dialog.log_scale.setText("20 -10")
    settled(qtbot, dialog)
    chosen = dialog.settings()
    assert chosen.register == "centroid"
    assert chosen.offsets.times
    assert cells(dialog) == [["0", "0"], ["2", "2"]]
    dialog.register.setCurrentIndex(dialog.register.findData("none"))
    assert not dialog.near_log.isVisible()
    assert dialog.settings().offsets is None
