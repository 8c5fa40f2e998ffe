"""The list of commands: finds them by few letters, triggers exactly one, and says why one is disabled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicklook.action_table import ACTIONS, NEEDS
from quicklook.action_texts import ActionText, bare, read_action, score
from quicklook.actions import build_actions, build_menus, enable_actions
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets
from quicklook.widgets.command_palette import CommandPalette
from quicklook.widgets.elided_label import ElidedLabel
from quicklook.widgets.key_caps import KeyCaps, width_of_keys


@pytest.fixture
def owner(qtbot):
    """A window with the real menus, a box to type in, and the actions that were triggered."""
    window = QtWidgets.QMainWindow()
    qtbot.addWidget(window)
    window.acts = build_actions(window)
    build_menus(window.menuBar(), window.acts, {"@recent": QtWidgets.QMenu("Recent", window)})
    enable_actions(window.acts, {"file": True})
    window.triggered = []
    for name, action in window.acts.items():
        action.triggered.connect(lambda _=False, name=name: window.triggered.append(name))
    centre = QtWidgets.QWidget()
    window.first = QtWidgets.QLineEdit(centre)  # where Qt would put the keyboard by itself
    window.first.move(0, 300)
    window.box = QtWidgets.QLineEdit(centre)
    window.area = QtWidgets.QPushButton("other", centre)
    window.area.move(0, 500)
    window.setCentralWidget(centre)
    window.resize(1000, 700)
    window.show()
    window.activateWindow()
    window.box.setFocus()
    window.palette_list = CommandPalette(window, list(window.acts.values()))
    return window


@pytest.fixture
def palette(owner):
    owner.palette_list.open()
    return owner.palette_list


def press(qtbot, palette, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(QtWidgets.QApplication.focusWidget(), key, modifier)


def test_lists_every_command_before_anything_is_typed(palette):
    assert sorted(palette.names) == sorted(bare(row.text) for row in ACTIONS)


def test_disabled_commands_come_after_the_others(owner, palette):
    enabled = [owner.acts[name].isEnabled() for name in order(owner, palette)]
    assert enabled == sorted(enabled, reverse=True)
    assert not all(enabled)


def order(owner, palette):
    by_text = {bare(row.text): row.name for row in ACTIONS}
    return [by_text[text] for text in palette.names]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("fit", "Fit to window"),
        ("conv", "Convert .bin files"),
        ("F5", "Reload"),
        ("nhp", "Next hot pixel"),
        ("night", "Night-red"),
        ("theme dark", "Dark"),
        ("left-right", "Flip left-right"),
        ("ctrl+8", "Eight screen pixels a pixel"),
        ("  whole   FILE ", "Whole file"),
    ],
)
def test_few_letters_find_it(palette, typed, first):
    palette.edit.setText(typed)
    assert palette.names[0] == first


def test_words_of_the_tip_find_it_too(palette):
    palette.edit.setText("counter-clockwise")
    assert palette.names == ["Turn by 90°"]


def test_a_long_note_ends_in_dots_and_is_read_whole_in_its_tip(palette):
    palette._say("nine words " * 40, "caption")
    width = palette.width()
    assert isinstance(palette.note, ElidedLabel)
    assert palette.note.toolTip() == palette.note.text()
    assert palette.width() == width


def test_says_so_when_nothing_fits(qtbot, palette):
    palette.edit.setText("qqqq")
    assert palette.names == []
    assert "No command fits" in palette.note.text()
    press(qtbot, palette, Qt.Key.Key_Return)
    press(qtbot, palette, Qt.Key.Key_Down)
    assert palette.isVisible()


def test_enter_triggers_exactly_that_command_once_after_closing(qtbot, owner, palette):
    seen = []
    owner.acts["fit"].triggered.connect(lambda: seen.append(palette.isVisible()))
    palette.edit.setText("fit to")
    press(qtbot, palette, Qt.Key.Key_Return)
    assert owner.triggered == ["fit"]
    assert seen == [False]


def test_every_enabled_command_can_be_triggered_by_its_text(qtbot, owner):
    for row in ACTIONS:
        action = owner.acts[row.name]
        owner.triggered.clear()
        owner.palette_list.open()
        owner.palette_list.edit.setText(bare(row.text))
        press(qtbot, owner.palette_list, Qt.Key.Key_Return)
        assert owner.triggered == ([row.name] if action.isEnabled() else [])
        if owner.palette_list.isVisible():
            owner.palette_list.dismiss()


def test_enter_on_a_disabled_command_says_why_and_does_nothing(qtbot, owner, palette):
    palette.edit.setText("next stretch")
    press(qtbot, palette, Qt.Key.Key_Return)
    assert owner.triggered == []
    assert palette.isVisible()
    assert NEEDS["counts"] in palette.note.text()
    assert NEEDS["counts"] in palette.list.currentItem().text()


def test_arrows_choose_and_go_round(qtbot, owner, palette):
    count = palette.list.count()
    press(qtbot, palette, Qt.Key.Key_Down)
    press(qtbot, palette, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 2
    for _ in range(3):
        press(qtbot, palette, Qt.Key.Key_Up)
    assert palette.list.currentRow() == count - 1
    press(qtbot, palette, Qt.Key.Key_Tab)
    assert palette.list.currentRow() == 0
    press(qtbot, palette, Qt.Key.Key_PageDown)
    assert 3 < palette.list.currentRow() < count - 1
    for _ in range(20):
        press(qtbot, palette, Qt.Key.Key_PageDown)
    assert palette.list.currentRow() == count - 1
    wanted = order(owner, palette)[3]
    palette.list.setCurrentRow(3)
    press(qtbot, palette, Qt.Key.Key_Return)
    assert owner.triggered == [wanted]


def test_click_triggers(qtbot, owner, palette):
    wanted = order(owner, palette)[4]
    place = palette.list.visualItemRect(palette.list.item(4)).center()
    qtbot.mouseClick(palette.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert owner.triggered == [wanted]
    assert not palette.isVisible()


@pytest.mark.parametrize("how", ["Esc", "Enter", "click beside", "again"])
def test_the_keyboard_goes_back_where_it_was(qtbot, owner, palette, how):
    assert QtWidgets.QApplication.focusWidget() is palette.edit
    if how == "Esc":
        press(qtbot, palette, Qt.Key.Key_Escape)
    elif how == "Enter":
        press(qtbot, palette, Qt.Key.Key_Return)
    elif how == "click beside":
        qtbot.mouseClick(palette, Qt.MouseButton.LeftButton, pos=QtCore.QPoint(5, 600))
    else:
        palette.open()
    assert not palette.isVisible()
    assert QtWidgets.QApplication.focusWidget() is owner.box


def test_closes_if_what_had_the_keyboard_is_gone(qtbot, owner, palette):
    owner.takeCentralWidget().deleteLater()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    palette.dismiss()
    assert not palette.isVisible()


def test_goes_away_when_something_else_takes_the_keyboard(owner, palette):
    owner.area.setFocus()
    assert not palette.isVisible()
    assert QtWidgets.QApplication.focusWidget() is owner.area


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_F, Qt.Key.Key_F5, Qt.Key.Key_Home])
def test_keys_of_the_window_mean_the_list_while_it_is_open(owner, palette, key):
    event = QtGui.QKeyEvent(
        QtCore.QEvent.Type.ShortcutOverride, key, Qt.KeyboardModifier.NoModifier
    )
    event.ignore()
    QtWidgets.QApplication.sendEvent(palette.edit, event)
    assert event.isAccepted()


def test_keys_with_control_stay_those_of_the_window(palette):
    event = QtGui.QKeyEvent(
        QtCore.QEvent.Type.ShortcutOverride,
        Qt.Key.Key_P,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    event.ignore()
    QtWidgets.QApplication.sendEvent(palette.edit, event)
    assert not event.isAccepted()  # so that the same keys close the list again


def test_texts_are_those_of_the_moment(owner):
    palette = owner.palette_list
    owner.acts["fit"].setShortcuts([QtGui.QKeySequence("Ctrl+Alt+7")])
    enable_actions(owner.acts, {})
    palette.open()
    palette.edit.setText("ctrl+alt+7")
    assert palette.names == ["Fit to window"]
    assert NEEDS["file"] in palette.list.currentItem().text()


def test_what_was_used_last_comes_first_next_time(qtbot, owner, palette):
    for typed in ("exit", "about"):
        palette.edit.setText(typed)
        press(qtbot, palette, Qt.Key.Key_Return)
        palette.open()
    assert palette.names[:2] == ["About quicklook", "Exit"]
    palette.set_actions([owner.acts["fit"], owner.acts["exit"]])
    palette.dismiss()
    palette.open()
    assert palette.names == ["Exit", "Fit to window"]


def test_lies_over_the_whole_window_and_follows_it(qtbot, owner, palette):
    owner.resize(500, 300)
    qtbot.waitUntil(lambda: palette.size() == owner.size())
    assert palette.rect().contains(palette.edit.parentWidget().geometry())


def test_two_hundred_commands_are_searched(owner):
    actions = [
        QtWidgets.QAction(f"Command number {n} of many", owner, toolTip="What it does: " + "x" * 80)
        for n in range(200)
    ]
    palette = CommandPalette(owner, actions)
    palette.open()
    for typed in ("c", "co", "command", "number 199", "cnom"):
        palette.edit.setText(typed)
        assert palette.names


# --- texts of actions -------------------------------------------------------------------------------


def test_an_action_tells_its_menu_keys_tip_and_reason(owner):
    text = read_action(owner.acts["export_histogram"])
    assert text == ActionText(
        "Export intensity histogram",
        ("File", "Export"),
        (),
        "Write the intensity histogram on the screen",
        NEEDS["pixel"],
    )
    text = read_action(owner.acts["zoom_in"])
    assert text.keys == ("+", "Ctrl++")
    assert text.tip == "Show a smaller part of the array"
    assert text.reason == ""


def test_a_disabled_action_without_a_reason_has_one_all_the_same(owner):
    action = QtWidgets.QAction("&Save && go…", owner, enabled=False)
    assert read_action(action) == ActionText(
        "Save & go", (), (), "Save & go…", "Not possible at the moment"
    )


def test_better_places_count_more():
    text = ActionText("Fit to window", ("Image",), ("F",), "Show the whole array", "")
    marks = [score(typed, text) for typed in ("fit", "indow", "ftw", "f", "image", "whole", "xyz")]
    assert marks[-1] is None
    assert marks[0] > marks[1] > marks[2] > marks[4] > marks[5] > 0
    longer = text._replace(text="Then fit to window")
    assert score("fit to", text) > score("fit to", longer) > 0


letters = st.text("ab -", max_size=12)


@given(word=st.text("ab", min_size=1, max_size=5), text=letters)
def test_first_letters_are_found_as_by_trying_all_ways(word, text):
    """An abbreviation is a way to go through the text: next letter, or a later beginning of a word."""
    starts = [k for k, c in enumerate(text) if c in "ab" and (k == 0 or text[k - 1] not in "ab")]

    def goes_on(at, left):
        if not left:
            return True
        nexts = [at + 1, *(s for s in starts if s > at)]
        return any(goes_on(n, left[1:]) for n in nexts if n < len(text) and text[n] == left[0])

    tried = any(goes_on(s, word[1:]) for s in starts if text[s] == word[0])
    found = score(word, ActionText(text, (), (), "", ""))
    assert (found is not None) == (tried or word in text)


def test_key_caps_are_as_wide_as_their_keys(qtbot):
    caps = KeyCaps(["Ctrl+1", "C"])
    qtbot.addWidget(caps)
    assert caps.sizeHint().width() == width_of_keys(["Ctrl+1", "C"], caps.fontMetrics())
    assert caps.sizeHint().width() > KeyCaps(["Ctrl+1"]).sizeHint().width()
    assert caps.accessibleName() == "Ctrl+1 or C"
