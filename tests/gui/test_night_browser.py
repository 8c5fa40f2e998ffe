"""The night browser: a folder is scanned, a time range chosen, converted, opened, copied."""

from __future__ import annotations

import json
import multiprocessing
import os

import child_work
import numpy as np
import pytest
import yaml
from observations import make_observation
from window_rig import real_window

from pipeline_core.nightvalues import LogSpan, NightList, RateStep, Stretch
from quicklook import night_listing
from quicklook.night_listing import night_bars, night_rows, scan
from quicklook.qt import Qt, QtCore, QtWidgets
from quicklook.views.night_browser_window import NightBrowserWindow

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first

START = 1602115100  # 2020-10-07 23:58:20 UTC
SPANS = (("target", "HR 8799", 0, 150), ("laser", "980", 150, 200), ("target", "51 Eri", 200, 260))


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


@pytest.fixture
def folder(tmp_path):
    night = tmp_path / "night"
    night.mkdir()
    for second in (*range(START, START + 40), *range(START + 50, START + 60)):
        with (night / f"{second}.bin").open("wb") as file:
            file.truncate(8000)
    lines = [
        {"utc": str(START), "target": "HR 8799", "laser": "off"},
        {"utc": str(START + 30), "target": "laser", "laser": "980"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (night / "obslog_202010072350.json").write_text(text)
    return night


def made(folder):
    stretches = (
        Stretch(folder, START, START + 150, 1200, 1.0, 0.0),
        Stretch(folder, START + 160, START + 260, 800, 1.0, 0.0),
    )
    steps = tuple(RateStep(one.start, one.stop, 1.0) for one in stretches)
    spans = tuple(
        LogSpan(kind, label, START + first, START + last, "", folder / "log", 1)
        for kind, label, first, last in SPANS
    )
    return NightList(folder, stretches, ((folder, steps),), (), spans)


@pytest.fixture
def window(qtbot, tmp_path):
    window = NightBrowserWindow()
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    night = made(tmp_path)
    window.folder.set_text(str(tmp_path))
    window.show_night(night, night_rows(night), night_bars(night))
    qtbot.wait(80)
    return window


def browse(qtbot, real, folder):
    real.settings.bin_folder = str(folder)
    real.actions_by_name["browse_night"].trigger()
    window = real.browser.window
    qtbot.waitUntil(lambda: window.night is not None, timeout=60_000)
    return window


def row_of(window, what, name=""):
    rows = [n for n, row in enumerate(window.table.rows) if row.what == what and name in row.name]
    return rows[0]


def click_row(qtbot, window, number):
    index = window.table.model().index(number, 3)
    window.table.scrollTo(index)
    place = window.table.visualRect(index).center()
    qtbot.mouseClick(window.table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def screen_place(window, unix, height):
    """Where a moment is on the time line."""
    box = window.lanes.plot.getViewBox()
    point = box.mapViewToScene(QtCore.QPointF(unix - window.lanes._origin, height))
    return window.lanes.plot.mapFromScene(point)


def test_a_folder_is_shown_and_a_row_converted(qtbot, real, folder):
    window = browse(qtbot, real, folder)
    assert "50 raw seconds in 2 stretches" in window.subline.text()
    assert [row.what for row in window.table.rows] == ["target", "raw data", "laser", "raw data"]
    assert not window.convert.isEnabled()
    assert "Select a time range first" in window.convert.toolTip()
    click_row(qtbot, window, row_of(window, "laser"))
    assert window.selection == (START + 30, START + 60)
    assert not window.review.isEnabled()
    assert "missing" in window.review.toolTip()
    window.copy.click()
    copied = yaml.safe_load(QtWidgets.QApplication.clipboard().text())
    assert copied == {"wavecal": [[START + 30, START + 60, 980]]}
    window.convert.click()
    form = filled(qtbot, real)
    assert (form.bin_dir, form.start, form.duration) == (str(folder), START + 30, 30)
    assert form.out == str(folder / f"{START + 30}.h5")
    assert form.beammap == ""
    real.conversion.dialog.reject()


def filled(qtbot, real):
    """The form of a conversion once the folder has been looked at in the background, and nothing is looked at."""
    dialog = real.conversion.dialog
    qtbot.waitUntil(lambda: bool(dialog.out.text()), timeout=10_000)
    qtbot.waitUntil(lambda: dialog.reason.text() != "Looking…", timeout=10_000)
    qtbot.wait(400)
    return dialog.form()


def test_what_is_read_only_is_converted_elsewhere_with_the_beam_map_beside_it(
    qtbot, real, folder, tmp_path, monkeypatch
):
    writable = os.access
    monkeypatch.setattr(
        os, "access", lambda path, *how, **more: path != folder and writable(path, *how, **more)
    )
    photons = tmp_path / "photons"
    photons.mkdir()
    real.settings.photon_folder = str(photons)
    (folder.parent / "night.bmap").write_text("0 0 0 0\n")
    window = browse(qtbot, real, folder)
    click_row(qtbot, window, row_of(window, "laser"))
    window.convert.click()
    form = filled(qtbot, real)
    assert (form.start, form.duration) == (START + 30, 30)
    assert form.out == str(photons / f"{START + 30}.h5")
    assert form.beammap == str(folder.parent / "night.bmap")
    assert real.conversion.dialog.convert.isEnabled()
    real.conversion.dialog.out.set_text("of_another_range.h5")
    click_row(qtbot, window, row_of(window, "target"))
    window.convert.click()
    assert filled(qtbot, real).out == str(photons / f"{START}.h5")
    real.conversion.dialog.reject()


def test_a_photon_file_is_opened(qtbot, real, tmp_path):
    path = make_observation(tmp_path, np.full((7, 4), 30.0))[0]
    window = browse(qtbot, real, path.parent)
    click_row(qtbot, window, row_of(window, "photon file"))
    assert window.review.isEnabled()
    with qtbot.waitSignal(real.fileOpened, timeout=60_000):
        window.review.click()
    assert real.session.file.path == path


def test_a_folder_that_is_not_there_is_told(qtbot, real, tmp_path):
    real.actions_by_name["browse_night"].trigger()
    window = real.browser.window
    qtbot.waitUntil(window.isVisible)
    assert "Choose a folder first" in window.scan.toolTip()
    window.folder.set_text(str(tmp_path / "nowhere"))
    window.scan.click()
    assert window.cancel.isVisible()
    qtbot.waitUntil(lambda: bool(window.messages.text), timeout=60_000)
    assert "nowhere" in window.messages.text
    assert window.scan.isEnabled()
    assert not window.cancel.isVisible()


def test_a_scan_is_cancelled_while_it_runs(qtbot, real, folder, monkeypatch):
    monkeypatch.setattr(night_listing, "scan", child_work.work_politely)  # for ten seconds
    real.settings.bin_folder = str(folder)
    real.actions_by_name["browse_night"].trigger()
    window = real.browser.window
    qtbot.waitUntil(lambda: window.subline.text().startswith("Working… "), timeout=10_000)
    assert list(folder.glob("*.part"))
    window.cancel.click()
    qtbot.waitUntil(lambda: "cancelled" in window.messages.text, timeout=3000)
    assert not list(folder.glob("*.part"))
    assert not multiprocessing.active_children()
    assert window.night is None
    assert window.scan.isEnabled()
    assert not window.cancel.isVisible()


def test_a_double_click_selects_what_is_there(qtbot, window):
    heights = {"target": 3.5, "laser": 2.5}
    for kind, _, first, last in SPANS[:2]:
        assert window.lanes.bar_at(START + first, heights[kind]).lane == kind
        place = screen_place(window, START + (first + last) / 2, heights[kind])
        viewport = window.lanes.plot.viewport()
        qtbot.mouseMove(viewport, place)
        qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=place)
        assert window.selection == (START + first, START + last)
    assert [box.value() for box in window.moments.unix] == [START + 150, START + 200]
    assert window.moments.utc[0].text() == "2020-10-08 00:00:50"


def test_boxes_and_region_follow_each_other(window):
    window.moments.unix[0].setValue(START + 5)
    window.moments.utc[1].setDateTime(
        QtCore.QDateTime.fromSecsSinceEpoch(START + 25, Qt.TimeSpec.UTC)
    )
    assert window.selection == (START + 5, START + 25)
    assert window.lanes.region.getRegion() == (5.0, 25.0)
    window.lanes.region.setRegion((30.4, 60.2))
    assert window.selection == (START + 30, START + 61)
    assert window.review.isEnabled()
    asked = []
    window.reviewWanted.connect(asked.extend)
    window.review.click()
    assert [path.name for path in asked] == [f"{START + k}.bin" for k in range(30, 61)]
    window.moments.unix[1].setValue(START + 10)
    assert window.selection is None
    assert not window.copy.isEnabled()


def test_a_filter_leaves_the_rows_that_fit(window):
    window.search.setText("eri target")
    assert [row.name for row in window.table.rows] == ["51 Eri"]
    window.search.setText("")
    assert len(window.table.rows) == 5


def test_nothing_there(tmp_path, window):
    window.show_night(*scan(tmp_path))
    assert window.table.rows == ()
    assert window.selection is None
    assert not window.moments.isEnabled()


def test_the_axis_names_the_day_at_midnight(window):
    axis = window.lanes.axis
    ((spacing, offset),) = axis.tickSpacing(0.0, 260.0, 900.0)
    first = offset + spacing * np.ceil((0.0 - offset) / spacing)
    values = list(np.arange(first, 260.0, spacing))
    assert spacing == 60.0
    texts = axis.tickStrings(values, 1.0, spacing)
    assert texts == ["23:59:00", "10-08", "00:01:00", "00:02:00"]
