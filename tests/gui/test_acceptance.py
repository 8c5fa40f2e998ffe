"""Requirements of the window that no other test proves as a whole; `tests/ACCEPTANCE.md` lists all of them."""

from __future__ import annotations

import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tables
from bad_files import trap_of, write_bad_files
from fake_obs import FakeObs
from gui_actions import click_pixel, move_to, plot_counts, wait_for_plots
from observations import START, make_observation
from window_rig import open_path, real_window, type_into

from pipeline_core.beammap import NO_RES_ID, Beammap
from pipeline_core.flags import flag_names
from quicklook import __version__
from quicklook.qt import Qt, QtCore, QtWidgets

NIGHT = Path("night.h5")
SHAPE = (6, 5)
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A photon file of two seconds beside its raw files, and the photons of each pixel."""
    x, y = np.indices(SHAPE)
    return make_observation(tmp_path_factory.mktemp("recorded"), 20.0 + 5 * x + 11 * y)


@pytest.fixture
def real(qtbot, settings):
    """The window, for files of the disk."""
    with real_window(qtbot, settings) as window:
        yield window


def test_m1_a_file_on_the_command_line_shows_its_flags_without_a_click(recorded, tmp_path):
    script = (
        "import sys\n"
        "import quicklook.launch as launch\n"
        "from quicklook.__main__ import main\n"
        "class Window(launch.MainWindow):\n"
        "    def __init__(self, *given):\n"
        "        super().__init__(*given)\n"
        "        self.fileOpened.connect(self.tell)\n"
        "    def tell(self, facts):\n"
        "        image = self.image\n"
        "        print(image.heading, image.kind, image.message, facts.path, self.isVisible())\n"
        "        self.stop_and_close()\n"
        "launch.MainWindow = Window\n"
        "sys.exit(main([sys.argv[1], '--fresh']))\n"
    )
    own = {name: str(tmp_path / name.lower()) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(recorded[0])],
        env=os.environ | own | {"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":99"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout == f"Beam Flag Image flags  {recorded[0]} True\n", done.stderr
    assert done.returncode == 0


def test_m7_the_plot_menu_opens_each_plot_for_the_active_pixel(qtbot, real, recorded):
    open_path(qtbot, real, recorded[0])
    click_pixel(qtbot, real, 4, 1)
    for pane in real.card.panes:
        pane.hide()
    for key in (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4):
        qtbot.keyClick(real, key, CONTROL)
    assert all(pane.isVisible() for pane in real.card.panes)
    wait_for_plots(qtbot, real, (4, 1))
    (window,) = real.plot_windows.windows
    assert window.kind == "phase"
    qtbot.waitUntil(lambda: window.pane.shown is not None)
    times_us, phases = recorded[1][4, 1]
    counts = np.array([np.sum(times_us // 10_000 == k) for k in range(200)])
    np.testing.assert_array_equal(real.card.light_curve.shown.data.counts, counts)
    np.testing.assert_allclose(
        real.card.histogram.bars.getData()[1], np.bincount(counts) / counts.size
    )
    degrees = np.float32(phases * np.degrees(1) / 2**15)
    for pane in (real.card.spectrum, window.pane):
        pane.log.setChecked(False)
        edges, drawn = pane.bars.getData()
        np.testing.assert_array_equal(np.diff(edges), 1.0)
        np.testing.assert_array_equal(drawn, np.histogram(degrees, edges)[0])
        assert drawn.sum() == phases.size


def test_m11_raw_file_frame_and_photon_file_of_one_second_give_one_image(
    qtbot, real, recorded, tmp_path
):
    folder = tmp_path / "data"
    folder.mkdir()
    second = {p: np.sum(times < 1_000_000) for p, (times, _) in recorded[1].items()}
    raw = folder / f"{START}.bin"
    raw.write_bytes((recorded[0].parent / f"{START}.bin").read_bytes())
    Beammap.design(SHAPE).write(folder / "map.bmap")
    frame = folder / f"{START}.img"
    with frame.open("wb") as stream:
        for x, y in np.ndindex(SHAPE):
            stream.write(struct.pack("<H", second[x, y]))
    images = []
    for path in (recorded[0], raw, frame):
        open_path(qtbot, real, path)
        if path is recorded[0]:
            type_into(qtbot, real.controls.times.stop, "1")
            qtbot.waitUntil(lambda: real.session.time_range == (0.0, 1.0))
        assert real.image.kind == "flags"
        plot_counts(qtbot, real)
        images.append(real.image.array)
        click_pixel(qtbot, real, 5, 3)
        assert f"{second[5, 3]} counts in 0 to 1 s" in real.status.active_text
    for image in images:
        for pixel, n in second.items():
            assert image[pixel] == n
    assert "has no photons to plot" in real.card.light_curve.message
    assert not real.controls.times.isEnabled()
    assert "no times" in real.controls.times.toolTip()


def test_m12_boxes_and_plots_are_phases_until_a_file_is_calibrated(qtbot, window, observations):
    observations[Path("calibrated.h5")] = FakeObs("calibrated.h5", calibrated=True)
    for name, caption, unit, label, title in (
        ("night.h5", "Phase", "°", "Phase [deg]", "Phase histogram"),
        ("calibrated.h5", "Wavelength", "nm", "Wavelength [nm]", "Spectrum"),
        ("night.h5", "Phase", "°", "Phase [deg]", "Phase histogram"),
    ):
        open_path(qtbot, window, Path(name))
        click_pixel(qtbot, window, 9, 6)
        wait_for_plots(qtbot, window, (9, 6), token=window.session.file.token)
        band = window.controls.band
        assert band.caption.text() == caption
        assert band.start.text().endswith(f" {unit}")
        assert band.stop.accessibleName() == f"Stop {caption.lower()}"
        low, _high = band.limits
        assert (low < 0) == (caption == "Phase")
        assert window.session.band == (None, None)
        assert window.card.spectrum.heading == title
        axis = window.card.spectrum.plot.getPlotItem().getAxis("bottom")
        assert axis.labelText == label


def test_e10_the_read_out_of_every_pixel_is_what_the_file_says(qtbot, opened, observations):
    obs = observations[NIGHT]
    plot_counts(qtbot, opened)
    for pixel in np.ndindex(obs.shape):
        n, res_id = obs.times[pixel].size, obs.beammap.res_id[pixel]
        flags = ", ".join(flag_names(int(obs.flags[pixel])))
        who = "no resID" if res_id == NO_RES_ID else f"resID {res_id}"
        words = f"{pixel}   |   {n} counts in 0 to 4 s ({n / 4:.4g} counts/s)   |   {who}"
        words += f"   |   flags: {flags}"
        wait_for_hover(qtbot, opened, pixel, f"under mouse: {words}")
        click_pixel(qtbot, opened, *pixel)
        assert opened.status.active_text == f"Active Pixel {words}"


def wait_for_hover(qtbot, window, pixel, text):
    """Move there until the window says so: the platform may tell of a leaving mouse in between."""

    def said():
        move_to(window, *pixel)
        return window.status.hovered_text == text

    qtbot.waitUntil(said)


def test_e23_header_history_and_health_of_the_open_file(qtbot, real, recorded):
    open_path(qtbot, real, recorded[0])
    qtbot.keyClick(real.image, Qt.Key.Key_I)
    dialog = real.panels.details
    qtbot.waitUntil(lambda: dialog.header.n_rows > 0)
    dialog.copy_all.click()
    text = QtWidgets.QApplication.clipboard().text()
    with tables.open_file(str(recorded[0])) as h5:
        keys = [*h5.root._v_attrs._f_list(), *h5.root.header.header.colnames]
    assert len(keys) > 25
    assert {*keys} <= {line.split("\t")[1] for line in text.splitlines() if "\t" in line}
    for words in (real.session.file.file_id, "convert\tfrom 2 raw files", "silent pixels\tgood"):
        assert words in text
    dialog.close()


def test_e28_an_exported_image_is_the_one_on_the_screen(
    qtbot, real, recorded, tmp_path, monkeypatch
):
    from astropy.io import fits

    path = tmp_path / "image.fits"
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *a, **k: (str(path), ""))
    )
    open_path(qtbot, real, recorded[0])
    type_into(qtbot, real.controls.times.stop, "1.5")
    type_into(qtbot, real.controls.band.start, "-90")
    qtbot.waitUntil(lambda: real.session.time_range == (0.0, 1.5))
    qtbot.waitUntil(lambda: real.session.band == (-90.0, None))
    plot_counts(qtbot, real)
    qtbot.keyClick(real.image, Qt.Key.Key_E, CONTROL)
    qtbot.waitUntil(lambda: real.messages.text == f"Written: {path}", timeout=20_000)
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(hdus[0].data.T, real.image.array)
        header = "\n".join(str(card) for card in hdus[0].header.cards)
    for words in (recorded[0].name, real.session.file.file_id, "1.5", "-90.0"):
        assert words in header


def test_e31_every_command_does_something_and_has_keys_or_a_way_through_the_menus(opened):
    def menus(bar_or_menu):
        for action in bar_or_menu.actions():
            if action.menu():
                assert "&" in action.text()
                yield action.menu()
                yield from menus(action.menu())

    reached = {a.objectName(): a for menu in menus(opened.menuBar()) for a in menu.actions()}
    for name, action in opened.actions_by_name.items():
        assert action.shortcuts() or "&" in reached[name].text(), name
        # a menu listens to its actions, too; so do groups of actions that exclude each other
        in_menus = sum(isinstance(w, QtWidgets.QMenu) for w in action.associatedWidgets())
        listeners = action.receivers(action.triggered) - in_menus + action.receivers(action.toggled)
        assert listeners > 0, f"{name} does nothing"


def test_e31_keys_open_the_sheet_of_keys_and_the_list_of_commands(qtbot, opened):
    qtbot.keyClick(opened.image, Qt.Key.Key_F1)
    sheet = opened.panels.keys
    assert sheet.isVisible()
    assert "Beam Flag Image" in sheet.as_text()
    sheet.close()
    opened.image.setFocus()
    qtbot.keyClick(opened.image, Qt.Key.Key_P, CONTROL | SHIFT)
    palette = opened.panels.palette
    assert palette.isVisible()
    qtbot.keyClicks(QtWidgets.QApplication.focusWidget(), "raw counts")
    qtbot.keyClick(QtWidgets.QApplication.focusWidget(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: opened.image.kind == "raw_counts")
    assert not palette.isVisible()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Files that cannot be opened, one of every kind."""
    folder = tmp_path_factory.mktemp("bad")
    return folder, write_bad_files(folder)


def test_e35_no_bad_file_ends_the_program_or_closes_the_open_one(qtbot, real, recorded, corpus):
    folder, files = corpus
    bugs = []
    real.bugFound.connect(lambda *bug: bugs.append(bug))
    open_path(qtbot, real, recorded[0])
    click_pixel(qtbot, real, 4, 1)
    wait_for_plots(qtbot, real, (4, 1))
    good = real.session.file
    wrong = []
    for bad in files:
        if bad.reads or bad.path.is_dir():
            continue  # opens well; a folder is listed
        real.messages.hide()
        real.open_file(bad.path)
        qtbot.waitUntil(lambda: not real.opening.is_busy, timeout=20_000)
        said = real.messages.text
        if not (bad.path.name in said and bad.word in said):
            wrong.append(f"{bad.kind}: {said!r}")
        if real.messages.kind not in ("error", "warning") or not real.messages.isVisible():
            wrong.append(f"{bad.kind}: not shown")
        if real.session.file is not good or windows_of(real) != [real]:
            wrong.append(f"{bad.kind}: another file, or a dialog")
    assert not wrong, "\n".join(wrong)
    assert bugs == []
    assert not trap_of(folder).exists()
    assert len(files) >= 40
    click_pixel(qtbot, real, 2, 3)  # the file from before is still at work
    wait_for_plots(qtbot, real, (2, 3), token=good.token)
    plot_counts(qtbot, real)
    assert real.image.array[2, 3] == recorded[1][2, 3][0].size


def windows_of(window):
    """All windows on the screen, without tool tips."""
    shown = [w for w in QtWidgets.QApplication.topLevelWidgets() if w.isVisible()]
    return [w for w in shown if w.windowType() != Qt.WindowType.ToolTip]


def test_e35_a_file_that_is_damaged_inside_says_so_where_the_image_would_be(qtbot, real, corpus):
    (bad,) = (bad for bad in corpus[1] if bad.reads)
    with qtbot.waitSignal(real.fileOpened, timeout=20_000):
        real.open_file(bad.path)
    assert real.image.kind == "flags"
    type_into(qtbot, real.controls.times.stop, "0.5")
    qtbot.waitUntil(lambda: real.session.time_range == (0.0, 0.5))
    real.actions_by_name["choose_counts"].trigger()
    qtbot.waitUntil(lambda: bad.word in real.image.message, timeout=20_000)
    assert bad.path.name in real.image.message
    assert windows_of(real) == [real]


def test_e36_about_is_copied_for_a_bug_report(qtbot, opened):
    opened.actions_by_name["about"].trigger()
    dialog = opened.panels.about
    assert dialog.isVisible()
    assert not dialog.isModal()
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    text = QtWidgets.QApplication.clipboard().text()
    for words in (__version__, np.__version__, QtCore.qVersion(), platform.release(), "GPL-3.0"):
        assert words in text
    dialog.close()
