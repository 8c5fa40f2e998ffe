"""The sheet of keys says exactly what the commands have at the moment, finds it, and gives it as text."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicklook import theme
from quicklook.action_table import ACTIONS, GESTURES
from quicklook.action_texts import bare, read_action
from quicklook.actions import build_actions, build_menus, enable_actions, set_shortcuts
from quicklook.dialogs.keyboard_sheet import KeyboardSheet, columns_of
from quicklook.qt import Qt, QtGui, QtWidgets
from quicklook.widgets.key_caps import KeyCaps

WITH_KEYS = [row for row in ACTIONS if row.shortcuts]


@pytest.fixture
def acts(qtbot):
    """The real actions in the real menus."""
    owner = QtWidgets.QMainWindow()
    qtbot.addWidget(owner)
    acts = build_actions(owner)
    build_menus(owner.menuBar(), acts, {"@recent": QtWidgets.QMenu("Recent", owner)})
    acts["fit"].owner = owner  # or it would go with this function
    return acts


@pytest.fixture
def sheet(qtbot, acts):
    sheet = KeyboardSheet(list(acts.values()), GESTURES, acts["fit"].owner)
    sheet.show()
    return sheet


def cards(sheet):
    """Title -> lines of each card that can be seen; a line is its texts, or text and keys."""
    found = {}
    for card in sheet.scroll.widget().findChildren(QtWidgets.QFrame, "card"):
        if card.isVisible():
            title, *lines = (card.layout().itemAt(k).widget() for k in range(card.layout().count()))
            found[title.text()] = [said(line) for line in lines if line.isVisible()]
    return found


def said(line):
    labels = tuple(label.text() for label in line.findChildren(QtWidgets.QLabel))
    caps = line.findChildren(KeyCaps)
    return (*labels, caps[0].keys) if caps else labels


def test_every_command_with_keys_stands_under_its_menu(sheet, acts):
    expected: dict[str, list] = {}
    for row in WITH_KEYS:
        text = read_action(acts[row.name])
        keys = tuple(
            QtGui.QKeySequence(key).toString(QtGui.QKeySequence.SequenceFormat.NativeText)
            for key in row.shortcuts.split("; ")
        )
        expected.setdefault(text.menus[0], []).append((bare(row.text), keys))
    shown = cards(sheet)
    mouse = shown.pop("Mouse")
    assert shown == expected
    assert mouse == list(GESTURES)


def test_commands_without_keys_are_counted(sheet):
    assert sheet.note.text().startswith(f"{len(ACTIONS) - len(WITH_KEYS)} commands have no keys")


def test_new_keys_are_shown_while_it_is_open(qtbot, sheet, acts):
    set_shortcuts(acts, {"fit": "Ctrl+Alt+7", "about": "F12", "open": ""})
    qtbot.waitUntil(lambda: ("Fit to window", ("Ctrl+Alt+7",)) in cards(sheet)["Image"])
    assert ("About quicklook", ("F12",)) in cards(sheet)["Help"]
    assert not any(line[0] == "Open" for line in cards(sheet)["File"])


def test_a_search_survives_new_keys(qtbot, sheet, acts):
    sheet.search.setText("fit to window")
    set_shortcuts(acts, {"fit": "Ctrl+Alt+7"})
    qtbot.waitUntil(lambda: cards(sheet) == {"Image": [("Fit to window", ("Ctrl+Alt+7",))]})


def test_commands_that_are_enabled_or_not_look_the_same(qtbot, sheet, acts):
    before = sheet.as_text()
    lines = sheet.findChildren(KeyCaps)
    enable_actions(acts, {"file": True, "photons": True})
    qtbot.wait(20)
    assert sheet.as_text() == before
    assert sheet.findChildren(KeyCaps) == lines  # not even made anew


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("flip", {"Image": ["Flip left-right", "Flip up-down"]}),
        ("F11", {"View": ["Full screen"]}),
        (
            "time line",
            {"View": ["Time line and regions"], "Mouse": ["Drag the span on the time line"]},
        ),
        ("  CLIP at ", {"Mouse": ["Click on the colour bar"]}),
        ("eyes", {}),
        ("counter-clockwise", {"Image": ["Turn by 90°"]}),
        ("help command", {"Help": ["Find a command"]}),
    ],
)
def test_finds_by_words_of_command_key_gesture_tip_or_menu(sheet, typed, found):
    sheet.search.setText(typed)
    assert {name: [line[0] for line in lines] for name, lines in cards(sheet).items()} == found
    number = sum(map(len, found.values()))
    assert sheet.note.text().startswith(f"{number} of " if number else "Nothing fits")
    assert sheet.copy_button.isEnabled() == (number > 0)


def test_everything_is_back_when_the_search_is_emptied(sheet):
    before = cards(sheet)
    sheet.search.setText("flip")
    sheet.search.clear()
    assert cards(sheet) == before


def test_the_copied_text_has_all_that_is_shown_and_no_more(qtbot, sheet):
    sheet.search.setText("colour bar")
    qtbot.mouseClick(sheet.copy_button, Qt.MouseButton.LeftButton)
    assert sheet.note.text() == "Copied."
    copied = QtWidgets.QApplication.clipboard().text()
    gestures = [pair for pair in GESTURES if "colour bar" in pair[0]]
    width = max(len(gesture) for gesture, _ in gestures)
    assert copied == (
        "quicklook: keyboard and mouse\n\nMouse\n"
        + "".join(f"  {gesture:<{width}}  {what}\n" for gesture, what in gestures)
    )


def test_the_text_of_all_names_every_key(sheet):
    lines = sheet.as_text().splitlines()
    for row in WITH_KEYS:
        keys = row.shortcuts.replace("; ", " or ")
        assert any(
            line.startswith(f"  {keys} ") and line.endswith(f"  {bare(row.text)}") for line in lines
        )


@pytest.mark.parametrize(("width", "columns"), [(1040, 3), (700, 2), (420, 1)])
def test_takes_as_many_columns_as_there_is_room_for(qtbot, sheet, width, columns):
    sheet.resize(width, 600)
    shown = sheet.scroll.widget().findChildren(QtWidgets.QFrame, "card")
    qtbot.waitUntil(lambda: len({card.x() for card in shown}) == columns)
    assert all(card.width() > 0.8 * (width - 60) / columns for card in shown)


def test_large_text_takes_fewer_columns(qtbot, sheet):
    shown = sheet.scroll.widget().findChildren(QtWidgets.QFrame, "card")
    qtbot.waitUntil(lambda: len({card.x() for card in shown}) == 3)
    try:
        theme.use("light", 1.6)
        qtbot.waitUntil(lambda: len({card.x() for card in shown}) == 2)
    finally:
        theme.use("light", 1.0)


def test_nothing_is_cut_at_the_right(qtbot, sheet):
    for width in (420, 700, 1040):
        sheet.resize(width, 600)
        qtbot.wait(20)
        room = sheet.scroll.viewport().width()
        for caps in sheet.findChildren(KeyCaps):
            assert caps.width() == caps.sizeHint().width()
            assert caps.mapTo(sheet.scroll.widget(), caps.rect().topRight()).x() < room


def test_does_not_block_is_ready_to_be_searched_and_closes_with_esc(qtbot, sheet):
    assert not sheet.isModal()
    sheet.activateWindow()
    assert sheet.focusWidget() is sheet.search
    qtbot.keyClick(sheet, Qt.Key.Key_Escape)
    assert not sheet.isVisible()


def test_can_be_searched_at_once_when_it_is_shown_again(qtbot, sheet):
    sheet.search.setText("flip")
    sheet.copy_button.setFocus()
    sheet.close()
    sheet.show()
    assert sheet.focusWidget() is sheet.search
    sheet.copy_button.setFocus()
    sheet.search.deselect()
    qtbot.keyClick(sheet, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert sheet.focusWidget() is sheet.search
    assert sheet.search.selectedText() == "flip"


def test_commands_of_no_menu_have_a_place_too(qtbot):
    action = QtWidgets.QAction("&Alone", None)
    action.setShortcut("Ctrl+J")
    sheet = KeyboardSheet([action], [])
    qtbot.addWidget(sheet)
    assert sheet.as_text() == "quicklook: keyboard and mouse\n\nOther\n  Ctrl+J  Alone\n"
    assert sheet.note.text() == ""


@given(lines=st.lists(st.integers(0, 30), max_size=7), count=st.integers(1, 3))
def test_no_other_order_preserving_choice_of_columns_is_shorter(lines, count):
    def longest(places):
        return max(
            sum(length for place, length in zip(places, lines, strict=True) if place == column)
            for column in range(count)
        )

    places = columns_of(lines, count)
    tried = [p for p in product(range(count), repeat=len(lines)) if list(p) == sorted(p)]
    assert tuple(places) in tried
    assert longest(places) == min(map(longest, tried))
