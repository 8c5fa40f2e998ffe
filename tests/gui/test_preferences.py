"""Preferences: whatever the file says they have a value, and every change counts at once."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline_core.display import LIMIT_MODES, STRETCHES
from quicklook import theme
from quicklook.dialogs.preferences_dialog import PreferencesDialog
from quicklook.display_settings import DisplaySettings
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets
from quicklook.settings import RECENT_LIMIT, Settings, _Preference, is_key_sequence
from quicklook.widgets.display_bar import LIMIT_TEXTS, STRETCH_TEXTS
from quicklook.widgets.shortcut_table import ShortcutTable

ACTIONS = (
    ("open", "&Open photon file…", "Ctrl+O"),
    ("export", "E&xport…", "Ctrl+E"),
    ("about", "&About quicklook", ""),
)
MAPS = {"": "Theme's own", "cividis": "Cividis", "viridis": "Viridis"}
PREFERENCES = {n: p for n, p in vars(Settings).items() if isinstance(p, _Preference)}


@pytest.fixture(autouse=True)
def light_again():
    yield
    theme.use("light", 1.0)


@pytest.fixture
def dialog(qtbot, settings):
    dialog = PreferencesDialog(settings, ACTIONS, MAPS)
    qtbot.addWidget(dialog)
    dialog.told = []
    dialog.changed.connect(dialog.told.append)
    dialog.show()
    return dialog


# --- the file ---------------------------------------------------------------------------------------


def test_every_preference_survives(settings, tmp_path):
    values = {
        "theme": "night",
        "font_scale": 1.3,
        "display": DisplaySettings(
            stretch="asinh",
            limits="zscale",
            percentiles=(2.5, 99.0),
            colour_map="viridis",
            inverted=True,
            mark_flagged=True,
        ),
        "auto_update": True,
        "bin_ms": 33.5,
        "recent_files": (Path("/data/ä, b;c.h5"), Path('/data/"quoted" \\ %20.h5')),
        "shortcuts": {"open": "Ctrl+Shift+O", "export": ""},
        "photon_folder": "/data/ä b",
        "export_folder": "/out, put",
        "bin_folder": "/raw",
        "beammap": "/maps/d.bmap",
        "solution_folder": "/solutions",
        "geometry": QtCore.QByteArray(b"\x00a\xff"),
        "splitter": QtCore.QByteArray(b"b"),
        "window_state": QtCore.QByteArray(b"c"),
        "show_files_panel": False,
    }
    assert set(values) == set(PREFERENCES)
    for name, value in values.items():
        assert value != getattr(settings, name), name  # or the test would prove nothing
        setattr(settings, name, value)
    settings.sync()
    again = Settings(tmp_path / "quicklook.ini")
    assert {name: getattr(again, name) for name in values} == values


garbage = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.sampled_from(
        (
            "@Variant(\\0\\0\\0\\x7f\\0)",
            "@ByteArray(abc)",
            "@Invalid()",
            "@Rect(1 2 3 4)",
            "@DateTime(junk)",
            "a, b, c",
            "nan",
            "inf",
            "-1e999",
            "1e400",
            "[",
            "[1, 2]",
            '"[null, [], \\"\\\\u0000\\", \\"\\\\ud800\\"]"',
            '"{\\"open\\": 3, \\"percentiles\\": 7}"',
            "[" * 5000,
            '"{\\"percentiles\\": [99, 1], \\"stretch\\": [], \\"limits\\": {}}"',
            '"{\\"percentiles\\": [\\"x\\"], \\"inverted\\": \\"maybe\\"}"',
        )
    ),
    st.text(string.printable, max_size=30),
)


@pytest.mark.qt_log_ignore("invalid type", "unknown user type")  # Qt says so of odd variants
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(garbage, min_size=len(PREFERENCES) + 1, max_size=len(PREFERENCES) + 1))
def test_garbage_in_the_file_gives_values_of_the_right_kind(tmp_path, values):
    path = tmp_path / "garbage.ini"
    lines = ["[General]", f"version={values[-1]}"]
    for preference, value in zip(PREFERENCES.values(), values, strict=False):
        group, key = preference._key.split("/")
        lines += [f"[{group}]", f"{key}={value}"]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    read = Settings(path)
    usual = Settings.fresh()
    for name in PREFERENCES:
        assert type(getattr(read, name)) is type(getattr(usual, name)), name
    assert read.theme in theme.NAMES
    assert 0.8 <= read.font_scale <= 2.0
    assert 1.0 <= read.bin_ms <= 200.0
    low, high = read.display.percentiles
    assert 0 <= low < high <= 100
    assert read.display.stretch in STRETCHES
    assert read.display.limits in LIMIT_MODES
    assert all(isinstance(path, Path) for path in read.recent_files)
    assert all(path.exists() in (True, False) for path in read.recent_files)
    assert all(is_key_sequence(keys) for keys in read.shortcuts.values())


def test_one_bad_field_of_the_display_does_not_spoil_the_others(tmp_path):
    text = '{\\"stretch\\": \\"log\\", \\"limits\\": \\"manual\\", \\"percentiles\\": [5, 95]}'
    (tmp_path / "odd.ini").write_text(f'[General]\nversion=1\n[image]\ndisplay="{text}"\n')
    display = Settings(tmp_path / "odd.ini").display
    assert (display.stretch, display.limits, display.percentiles) == ("log", "percentile", (5, 95))


def test_recent_files_are_newest_first_without_repeats_and_not_too_many(settings):
    for number in range(20):
        settings.add_recent(Path(f"/data/{number}.h5"))
    settings.add_recent(Path("/data/15.h5"))
    assert len(settings.recent_files) == len(set(settings.recent_files)) == RECENT_LIMIT
    assert [path.stem for path in settings.recent_files[:4]] == ["15", "19", "18", "17"]


def test_recent_files_are_known_from_every_folder(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings.add_recent(Path("here.h5"))
    assert settings.recent_files == (tmp_path / "here.h5",)


def test_names_of_keys():
    for good in ("", "Ctrl+O", "F11", "Ctrl+Shift+Left", "+", "R", "E; Ctrl+E", "Ctrl+;; ;"):
        assert is_key_sequence(good), good
    for bad in ("banana", "Ctrl+", "Ctrl+banana", "E; banana", "E; ; E"):
        assert not is_key_sequence(bad), bad


def test_an_action_has_its_usual_keys_until_the_person_changes_them(settings):
    assert settings.shortcut("open", "Ctrl+O") == "Ctrl+O"
    settings.shortcuts = {"open": "Ctrl+Shift+O", "export": ""}
    assert settings.shortcut("open", "Ctrl+O") == "Ctrl+Shift+O"
    assert settings.shortcut("export", "Ctrl+E") == ""


# --- the dialog -------------------------------------------------------------------------------------


def test_opening_the_dialog_changes_nothing(qtbot, settings):
    settings.theme = "dark"
    settings.font_scale = 1.25  # none of those that are offered
    settings.display = DisplaySettings("log", "zscale", (99.6, 99.8), inverted=True)
    settings.auto_update = True
    settings.shortcuts = {"open": "Ctrl+E"}  # collides with another
    before = {name: getattr(settings, name) for name in PREFERENCES}
    dialog = PreferencesDialog(settings, ACTIONS, MAPS)
    qtbot.addWidget(dialog)
    told = []
    dialog.changed.connect(told.append)
    dialog.show()
    assert told == []
    assert {name: getattr(settings, name) for name in PREFERENCES} == before
    assert theme.current().name == "light"
    assert not dialog.isModal()


def test_choosing_a_theme_is_seen_and_kept_at_once(dialog, settings):
    dialog.themes["night"].click()
    assert theme.current().name == "night"
    assert settings.theme == "night"
    assert dialog.told == ["theme"]
    assert dialog.grab().toImage().pixelColor(3, 3).name() == theme.by_name("night").window


def test_size_of_the_text_is_seen_and_kept_at_once(dialog, settings):
    usual = dialog.fontMetrics().height()
    dialog.font_scale.setCurrentIndex(dialog.font_scale.findData(1.6))
    assert settings.font_scale == 1.6
    assert dialog.fontMetrics().height() > 1.3 * usual
    assert dialog.told == ["font_scale"]


def test_every_stretch_limit_and_theme_can_be_chosen(dialog):
    for box, texts in ((dialog.stretch, STRETCH_TEXTS), (dialog.limits, LIMIT_TEXTS)):
        offered = {box.itemData(k) for k in range(box.count())}
        assert offered == set(texts) - {"manual"}
    assert set(dialog.themes) == set(theme.NAMES)


def test_image_preferences_are_kept_at_once(dialog, settings):
    dialog.stretch.setCurrentIndex(dialog.stretch.findData("log"))
    dialog.colour_map.setCurrentIndex(dialog.colour_map.findData("viridis"))
    dialog.inverted.click()
    dialog.low.setValue(5.0)
    assert settings.display == DisplaySettings(
        stretch="log", colour_map="viridis", inverted=True, percentiles=(5.0, 99.5)
    )
    assert set(dialog.told) == {"display"}


def test_percentiles_never_cross(dialog, settings):
    dialog.high.setValue(40.0)
    dialog.low.setValue(60.0)
    low, high = settings.display.percentiles
    assert low == 60.0
    assert high == pytest.approx(60.1)
    dialog.high.setValue(20.0)
    assert settings.display.percentiles == (pytest.approx(19.9), 20.0)


def test_percentiles_are_for_their_mode_only_and_say_so(dialog):
    dialog.limits.setCurrentIndex(dialog.limits.findData("zscale"))
    assert not dialog.low.isEnabled()
    assert "Percentiles" in dialog.low.toolTip()
    dialog.limits.setCurrentIndex(dialog.limits.findData("percentile"))
    assert dialog.low.isEnabled()


def test_restore_defaults_is_for_the_open_page_only(dialog, settings):
    dialog.themes["dark"].click()
    dialog.auto_update.click()
    dialog.tabs.setCurrentIndex(0)
    dialog.restore.click()
    assert settings.theme == "light"
    assert theme.current().name == "light"
    assert settings.auto_update is True
    dialog.tabs.setCurrentIndex(3)
    dialog.restore.click()
    assert settings.auto_update is False
    assert not dialog.auto_update.isChecked()


def test_recent_files_can_be_forgotten(dialog, settings):
    settings.add_recent(Path("/data/a.h5"))
    dialog.load()
    assert dialog.recent.text() == "1 file"
    dialog.forget.click()
    assert settings.recent_files == ()
    assert not dialog.forget.isEnabled()
    assert dialog.told == ["recent_files"]


def test_the_dialog_shows_what_was_changed_elsewhere(dialog, settings):
    dialog.hide()
    settings.display = elsewhere = DisplaySettings("sqrt", "zscale", (2.0, 3.0), inverted=True)
    dialog.show()
    assert dialog.stretch.currentData() == "sqrt"
    assert settings.display == elsewhere  # filling in the controls one by one changed nothing
    assert dialog.told == []


# --- keys -------------------------------------------------------------------------------------------


def press(qtbot, dialog, name, key, modifier=Qt.KeyboardModifier.ControlModifier):
    dialog.tabs.setCurrentIndex(2)
    edit = dialog.shortcuts.row(name).edit
    edit.setFocus()
    qtbot.keyClick(edit, key, modifier)


def test_keys_that_are_pressed_count_at_once(qtbot, dialog, settings):
    press(qtbot, dialog, "about", Qt.Key.Key_I)
    assert settings.shortcuts == {"about": "Ctrl+I"}
    assert dialog.told == ["shortcuts"]


def test_keys_of_another_action_are_refused_in_words(qtbot, dialog, settings):
    press(qtbot, dialog, "about", Qt.Key.Key_E)
    assert settings.shortcuts == {}
    assert "belongs to “Export”" in dialog.shortcuts.message.text()
    assert dialog.shortcuts.row("about").edit.text() == ""
    press(qtbot, dialog, "about", Qt.Key.Key_I)
    assert dialog.shortcuts.message.text() == ""


def test_keys_that_move_the_active_pixel_are_refused(qtbot, dialog, settings):
    press(qtbot, dialog, "about", Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier)
    assert settings.shortcuts == {}
    assert "moves the active pixel" in dialog.shortcuts.message.text()


def test_keys_can_be_removed_given_to_another_and_reset(qtbot, dialog, settings):
    dialog.shortcuts.row("export").clear.click()
    assert settings.shortcuts == {"export": ""}
    press(qtbot, dialog, "about", Qt.Key.Key_E)
    assert settings.shortcuts == {"export": "", "about": "Ctrl+E"}
    dialog.shortcuts.row("export").reset.click()  # its usual keys are another's now
    assert settings.shortcuts == {"export": "", "about": "Ctrl+E"}
    assert "belongs to “About quicklook”" in dialog.shortcuts.message.text()
    dialog.restore.click()
    assert settings.shortcuts == {}
    assert dialog.shortcuts.row("export").edit.text() == "Ctrl+E"


def test_actions_may_have_several_keys_and_keys_that_others_may_not_have(qtbot):
    actions = (*ACTIONS, ("image", "Export &image", "E; Ctrl+Shift+E"), ("remove", "Remove", "Del"))
    table = ShortcutTable(actions)
    qtbot.addWidget(table)
    assert table.row("image").edit.text() == "E or Ctrl+Shift+E"
    assert "belongs to “Export image”" in table.try_keys("about", "Ctrl+Shift+E")
    assert "is needed to type" in table.try_keys("about", "Del")
    assert table.try_keys("image", "Ctrl+M") == ""
    assert table.try_keys("about", "E") == ""
    assert table.shortcuts == {"image": "Ctrl+M", "about": "E"}
    table.row("remove").clear.click()
    table.row("remove").reset.click()
    assert table.shortcuts == {"image": "Ctrl+M", "about": "E"}
    table.set_shortcuts({"open": "E"})
    assert table.shortcuts == {"open": "E", "image": "Ctrl+Shift+E"}


def test_signs_that_need_shift_are_named_without_it(qtbot, dialog, settings):
    box = dialog.shortcuts.row("open").edit
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    for key, text in ((Qt.Key.Key_Shift, ""), (Qt.Key.Key_Plus, "+")):
        box.keyPressEvent(QtGui.QKeyEvent(QtCore.QEvent.Type.KeyPress, key, both, text))
    assert settings.shortcuts == {"open": "Ctrl++"}
    assert dialog.told == ["shortcuts"]  # not for Shift alone


def test_keys_of_an_action_can_be_pressed_without_running_it(qtbot, dialog):
    ran = []
    action = QtWidgets.QAction(dialog)
    action.setShortcut("Ctrl+E")
    action.triggered.connect(lambda: ran.append(True))
    dialog.addAction(action)
    dialog.activateWindow()
    press(qtbot, dialog, "about", Qt.Key.Key_E)
    assert not ran
    assert "belongs to" in dialog.shortcuts.message.text()


def test_saved_keys_that_collide_are_taken_apart(qtbot):
    table = ShortcutTable(ACTIONS)
    qtbot.addWidget(table)
    table.set_shortcuts({"about": "Ctrl+O"})
    assert table.shortcuts == {}
    table.set_shortcuts({"open": "Ctrl+E"})
    assert table.shortcuts == {"open": "Ctrl+E", "export": ""}


def test_actions_are_found_by_text_and_by_keys(qtbot, dialog):
    dialog.tabs.setCurrentIndex(2)
    for wanted, found in (
        ("photon", {"open"}),
        ("ctrl+e", {"export"}),
        ("", {"open", "export", "about"}),
    ):
        dialog.shortcuts.search.setText(wanted)
        shown = {n for n, _, _ in ACTIONS if dialog.shortcuts.row(n).isVisible()}
        assert shown == found


@given(
    st.lists(
        st.tuples(
            st.sampled_from([name for name, _, _ in ACTIONS]),
            st.sampled_from(("Ctrl+O", "Ctrl+E", "Ctrl+I", "Up", "")),
        ),
        max_size=12,
    )
)
def test_no_two_actions_ever_have_the_same_keys(steps):
    table = ShortcutTable(ACTIONS)
    for name, keys in steps:
        refusal = table.try_keys(name, keys)
        present = {n: table.shortcuts.get(n, usual) for n, _, usual in ACTIONS}
        assert (present[name] == keys) is not bool(refusal)
        given_out = [keys for keys in present.values() if keys]
        assert len(set(given_out)) == len(given_out)
        assert "Up" not in given_out
    table.deleteLater()


def test_dialogs_are_freed_when_they_are_closed(qtbot, application, settings):
    def rows():
        kinds = [type(w).__name__ for w in QtWidgets.QApplication.allWidgets()]
        return kinds.count("_Row")

    before = rows()
    for _ in range(3):
        dialog = PreferencesDialog(settings, ACTIONS, MAPS)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()
        dialog.close()
        application.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    assert rows() == before
