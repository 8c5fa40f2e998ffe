"""Windows and dialogs on a screen that is smaller than they would like."""

import pytest

from quicklook.dialogs.flatcal_dialog import FlatcalDialog
from quicklook.dialogs.keyboard_sheet import KeyboardSheet
from quicklook.dialogs.night_dialog import NightDialog
from quicklook.dialogs.wavecal_dialog import WavecalDialog
from quicklook.qt import QtCore
from quicklook.settings import Settings
from quicklook.views.night_window import NightWindow
from quicklook.widgets import on_screen

ROOM = QtCore.QSize(1008, 660)


@pytest.fixture
def small_screen(monkeypatch):
    monkeypatch.setattr(on_screen, "room_on_screen", lambda _window: ROOM)


def _dialogs(tmp_path):
    settings = Settings(tmp_path / "settings.ini")
    return (
        (NightDialog(), "save", "cancel"),
        (FlatcalDialog(settings), "start", "cancel"),
        (WavecalDialog(settings), "start", "cancel"),
    )


def test_forms_fit_a_small_screen_and_keep_their_buttons_in_sight(qtbot, tmp_path, small_screen):
    for dialog, *names in _dialogs(tmp_path):
        qtbot.addWidget(dialog)
        dialog.show()
        assert dialog.size().boundedTo(ROOM) == dialog.size()
        assert dialog.minimumSizeHint().boundedTo(ROOM) == dialog.minimumSizeHint()
        for name in names:
            button = getattr(dialog, name)
            corner = button.mapTo(dialog, button.rect().bottomRight())
            assert dialog.rect().contains(corner), (type(dialog).__name__, name)


def test_a_form_scrolls_to_the_field_that_is_typed_in(qtbot, small_screen):
    dialog = NightDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    (area,) = dialog.findChildren(on_screen.ScrollingForm)
    last = dialog.with_ip.parentWidget()
    assert not _is_seen(last, area)
    area.ensureWidgetVisible(last)
    assert _is_seen(last, area)


def test_windows_are_no_larger_than_the_screen(qtbot, small_screen):
    for window in (NightWindow(), KeyboardSheet([], [])):
        qtbot.addWidget(window)
        assert window.size().boundedTo(ROOM) == window.size(), type(window).__name__


def test_without_a_screen_sizes_are_the_usual_ones(qtbot):
    window = NightWindow()
    qtbot.addWidget(window)
    assert (window.width(), window.height()) == (1180, 740)


def _is_seen(widget, area):
    where = widget.mapTo(area.viewport(), widget.rect().center())
    return area.viewport().rect().contains(where)
