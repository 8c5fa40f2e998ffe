"""Settings, assets, actions, session, error dialog, palette."""

from __future__ import annotations

import importlib.resources
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from fake_obs import FakeObs

from quicklook import assets, palette, theme
from quicklook.action_table import ACTIONS, MENUS, NEEDS
from quicklook.actions import build_actions
from quicklook.app import ErrorCatcher
from quicklook.qt import QtCore, QtWidgets
from quicklook.session import Session
from quicklook.settings import Settings
from quicklook.speckle_store import MapImage
from quicklook.tasks import OpenFiles
from quicklook.views.axes import CalmPlot
from quicklook.widgets.go_buttons import go_buttons


def test_settings_round_trip(settings, tmp_path):
    settings.bin_ms = 12.5
    settings.photon_folder = "/data/ä b"
    settings.bin_folder = "/raw"
    settings.beammap = "/maps/d.bmap"
    settings.geometry = QtCore.QByteArray(b"abc")
    settings.sync()
    again = Settings(tmp_path / "quicklook.ini")
    assert again.bin_ms == 12.5
    assert again.photon_folder == "/data/ä b"
    assert again.bin_folder == "/raw"
    assert again.beammap == "/maps/d.bmap"
    assert bytes(again.geometry) == b"abc"


def test_settings_defaults_and_nonsense(settings, tmp_path):
    assert settings.bin_ms == 10.0
    assert settings.photon_folder == ""
    assert settings.geometry.isEmpty()
    (tmp_path / "odd.ini").write_text("[plots]\nbin_ms=banana\n[General]\nversion=1\n")
    assert Settings(tmp_path / "odd.ini").bin_ms == 10.0
    (tmp_path / "large.ini").write_text("[plots]\nbin_ms=1e9\n[General]\nversion=1\n")
    assert Settings(tmp_path / "large.ini").bin_ms == 200.0


def test_settings_of_a_later_version_are_forgotten(tmp_path):
    (tmp_path / "later.ini").write_text("[plots]\nbin_ms=50\n[General]\nversion=99\n")
    assert Settings(tmp_path / "later.ini").bin_ms == 10.0


def test_fresh_settings_touch_nothing(tmp_path):
    usual = Settings()
    usual.bin_ms = 44.0
    usual.sync()
    fresh = Settings.fresh()
    assert fresh.bin_ms == 10.0
    fresh.bin_ms = 99.0
    fresh.sync()
    assert Settings().bin_ms == 44.0


def test_every_icon_that_the_code_names_exists():
    source = Path(assets.__file__).parent
    named = {row.icon for row in ACTIONS} | {"info", "success", "warning", "error"}
    for path in source.rglob("*.py"):
        named |= set(re.findall(r'icon\("(\w+)"\)', path.read_text()))
    for name in sorted(named):
        assert not assets.icon(name).isNull()
    files = importlib.resources.files("quicklook.resources").joinpath("icons").iterdir()
    assert named <= {f.name.removesuffix(".svg") for f in files}


def test_missing_icon_is_an_error():
    with pytest.raises(FileNotFoundError):
        assets.icon("no_such_icon")


def test_icons_are_not_empty():
    for row in ACTIONS:
        picture = assets.icon(row.icon).pixmap(32, 32).toImage()
        drawn = sum(picture.pixelColor(x, y).alpha() > 0 for x in range(32) for y in range(32))
        assert drawn > 40, row.icon


def names_in(entries):
    for entry in entries:
        if isinstance(entry, tuple):
            yield from names_in(entry[1])
        elif entry and not entry.startswith("@"):
            yield entry


def test_every_action_is_in_a_menu_with_its_keys_in_the_tip(qtbot):
    parent = QtWidgets.QWidget()
    qtbot.addWidget(parent)
    actions = build_actions(parent)
    assert set(names_in(MENUS)) == set(actions)
    keys = [key for row in ACTIONS for key in row.shortcuts.split("; ") if key]
    assert len(set(keys)) == len(keys)
    for row in ACTIONS:
        assert row.shortcuts.replace("; ", ", ") in actions[row.name].toolTip()


def test_disabled_actions_say_what_they_need(qtbot):
    parent = QtWidgets.QWidget()
    qtbot.addWidget(parent)
    actions = build_actions(parent)
    for row in ACTIONS:
        assert actions[row.name].isEnabled() is not bool(row.needs)
        assert NEEDS.get(row.needs, "") in actions[row.name].toolTip()


def test_flag_colours_differ():
    names = ("good", *(f"beammap.{n}" for n in ("noDacTone", "failed", "yFailed", "xFailed")))
    assert len({palette.flag_colour(name, 0) for name in names}) == 5
    assert palette.flag_colour("a + b", 0) != palette.flag_colour("a + b", 1)


def test_session_refuses_what_is_not_there():
    session = Session(0.01)
    with pytest.raises(ValueError, match="not in the open file"):
        session.set_pixel((0, 0))
    session.set_file(OpenFiles(lambda *_: FakeObs("n.h5")).open((Path("n.h5"),)))
    for pixel in ((10, 0), (0, 7), (-1, 0)):
        with pytest.raises(ValueError, match="not in the open file"):
            session.set_pixel(pixel)
    with pytest.raises(ValueError, match="empty"):
        session.set_time_range(2.0, 2.0)


def test_session_tells_only_changes(qtbot):
    session = Session(0.01)
    session.set_file(OpenFiles(lambda *_: FakeObs("n.h5")).open((Path("n.h5"),)))
    seen = []
    session.pixelChanged.connect(lambda: seen.append(session.pixel))
    session.timeRangeChanged.connect(lambda: seen.append(session.time_range))
    session.set_pixel((1, 2))
    session.set_pixel((1, 2))
    session.set_time_range(0.0, 4.0)
    session.set_time_range(0.0, 3.0)
    assert seen == [(1, 2), (0.0, 3.0)]


@pytest.fixture
def catcher(monkeypatch):
    """An error catcher instead of the hooks of the test runner."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    catcher = ErrorCatcher()
    catcher.install()
    yield catcher
    catcher.uninstall()
    for dialog in catcher.dialogs:
        dialog.close()


def test_uncaught_exception_opens_a_dialog(qtbot, catcher):
    try:
        raise KeyError("no such pixel")
    except KeyError as error:
        sys.excepthook(KeyError, error, error.__traceback__)
    qtbot.waitUntil(lambda: len(catcher.dialogs) == 1)
    dialog = catcher.dialogs[0]
    assert dialog.isVisible()
    assert not dialog.isModal()
    assert "no such pixel" in dialog.details.toPlainText()
    assert "test_uncaught" in dialog.details.toPlainText()


def test_uncaught_exception_of_a_thread_opens_a_dialog(qtbot, catcher):
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: len(catcher.dialogs) == 1)
    assert "ZeroDivisionError" in catcher.dialogs[0].details.toPlainText()


def test_labels_are_drawn(qtbot):
    """Without any font every label would be blank, and nothing would say so."""
    label = QtWidgets.QLabel("Active Pixel")
    qtbot.addWidget(label)
    label.resize(label.sizeHint())
    picture = label.grab().toImage()
    pixels = [(x, y) for x in range(picture.width()) for y in range(picture.height())]
    assert sum(picture.pixelColor(*p).lightness() < 120 for p in pixels) > 30


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2301.4, 940.9, "2301 ± 940"),
        (12345.6, 3456.7, "12350 ± 3500"),
        (0.01234, 0.00056, "0.01234 ± 0.00056"),
    ],
)
def test_values_of_speckle_maps_have_no_powers_of_ten(value, error, text):
    shown = object.__new__(MapImage)
    for name, what in (("title", "Is"), ("unit", "counts/s"), ("name", "is")):
        object.__setattr__(shown, name, what)
    object.__setattr__(shown, "array", np.array([[value]]))
    object.__setattr__(shown, "error", np.array([[error]]))
    assert shown.text_at((0, 0)) == (f"Is = {text}", "counts/s")


def test_an_axis_that_gets_another_label_has_it_in_the_middle(qtbot):
    plot = CalmPlot()
    qtbot.addWidget(plot)
    plot.resize(500, 300)
    plot.show()
    plot.setLabel("bottom", "Bin")
    qtbot.waitUntil(lambda: plot.getPlotItem().getAxis("bottom").width() > 300)
    plot.setLabel("bottom", "Counts per 10 ms, a much longer text")
    axis = plot.getPlotItem().getAxis("bottom")
    middle = axis.label.pos().x() + axis.label.boundingRect().width() / 2
    assert abs(middle - axis.width() / 2) <= 1


@pytest.fixture
def styled(qapp):
    before = qapp.styleSheet()
    qapp.setStyleSheet(assets.style_sheet(theme.current()))
    yield
    qapp.setStyleSheet(before)


@pytest.mark.usefixtures("styled")
def test_the_button_that_starts_something_is_the_last_one(qtbot):
    dialog = QtWidgets.QDialog()
    qtbot.addWidget(dialog)
    row = QtWidgets.QVBoxLayout(dialog)
    field = QtWidgets.QLineEdit()
    row.addWidget(field)
    buttons, go = go_buttons(dialog, "Write")
    row.addWidget(buttons)
    dialog.resize(400, 100)
    dialog.show()
    cancel = buttons.button(QtWidgets.QDialogButtonBox.StandardButton.Cancel)
    assert cancel.x() < go.x()
    assert go.isDefault()
    assert go.palette().buttonText().color().name() == theme.current().primary_text
    assert dialog.focusWidget() in (None, field)
