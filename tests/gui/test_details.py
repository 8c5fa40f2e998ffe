"""The window of header, history and health: shows all there is, finds, copies, and never blocks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from observations import make_observation

from pipeline_core.describe_observation import HeaderRow, HistoryRow, describe_observation
from pipeline_core.health import Check
from pipeline_core.obsfile import ObsFile
from quicklook import theme
from quicklook.dialogs.details_dialog import DetailsDialog
from quicklook.qt import Qt, QtCore, QtWidgets

HEADER = (
    HeaderRow("observation", "start", "2020-10-07 06:00:00 UTC"),
    HeaderRow("observation", "exposure", "30", "s"),
    HeaderRow("/header/header", "expTime", "30", "s"),
    HeaderRow("/header/header", "target", "<b>HD 32297</b>"),
)
HISTORY = (
    HistoryRow("unknown", "convert", "from 30 raw files"),
    HistoryRow("2020-10-08 07:00:00 UTC", "annotate", "clouds from 12 s on", True),
    HistoryRow("2020-10-09 07:00:00 UTC", "annotate", "wind"),
)
HEALTH = (
    Check("photon index", "good", "Complete."),
    Check("lost packets", "warning", "Board 3 lost 12 packets. " * 8),
    Check("saturation", "unknown", "It does not tell."),
)


def described(header=HEADER, history=HISTORY, health=HEALTH, path="/data/1602050400.h5"):
    return SimpleNamespace(path=Path(path), header=header, history=history, health=health)


@pytest.fixture
def dialog(qtbot):
    dialog = DetailsDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    yield dialog
    theme.use("light", 1.0)


def visible(table):
    """Texts of the rows that are shown, as a person reads them."""
    return [
        [
            table.item(row, column).text()
            for column in range(table.columnCount())
            if table.item(row, column)
        ]
        for row in range(table.rowCount())
        if not table.isRowHidden(row)
    ]


def clipboard():
    return QtWidgets.QApplication.clipboard().text()


# --- what is shown ----------------------------------------------------------------------------------


def test_every_key_is_shown_below_the_name_of_its_group(dialog):
    dialog.show_description(described())
    assert visible(dialog.header) == [
        ["observation"],
        ["start", "2020-10-07 06:00:00 UTC", ""],
        ["exposure", "30", "s"],
        ["/header/header"],
        ["expTime", "30", "s"],
        ["target", "<b>HD 32297</b>", ""],
    ]
    assert "1602050400.h5" in dialog.windowTitle()


def test_history_says_in_words_what_was_undone(dialog):
    dialog.show_description(described())
    assert [row[-1] for row in visible(dialog.history)] == ["", "undone", ""]
    struck = [dialog.history.item(row, 2).font().strikeOut() for row in range(3)]
    assert struck == [False, True, False]


def test_health_has_a_word_and_an_icon_of_its_own_for_each_state(dialog):
    states = ("good", "warning", "bad", "unknown", "something new")
    dialog.show_description(described(health=[Check("a", s, "b") for s in states]))
    rows = visible(dialog.health)
    assert [row[1] for row in rows] == ["good", "warning", "bad", "unknown", "unknown"]
    looks = [
        dialog.health.item(row, 1).icon().pixmap(16, 16).toImage() for row in range(len(states))
    ]
    assert all(looks[a] != looks[b] for a in range(4) for b in range(a))
    assert looks[3] == looks[4]


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        (("good", "bad", "warning"), "error"),
        (("good", "unknown", "warning"), "warning"),
        (("good", "unknown"), "question"),
        (("good",), "success"),
        ((), "question"),
    ],
)
def test_the_tab_of_health_shows_the_gravest_state(dialog, states, worst):
    from quicklook.assets import icon

    dialog.show_description(described(health=[Check("a", s, "b") for s in states]))
    shown = dialog.tabs.tabIcon(2).pixmap(16, 16).toImage()
    assert shown == icon(worst).pixmap(16, 16).toImage()


def test_long_sentences_are_broken_and_seen_in_full(dialog, qtbot):
    dialog.show_description(described())
    dialog.tabs.setCurrentIndex(2)
    table = dialog.health
    qtbot.waitUntil(lambda: table.rowHeight(1) > 2 * table.rowHeight(0))
    needed = table.fontMetrics().boundingRect(
        QtCore.QRect(0, 0, table.columnWidth(2) - 10, 10_000),
        int(Qt.TextFlag.TextWordWrap),
        HEALTH[1].sentence.strip(),
    )
    assert table.rowHeight(1) >= needed.height()
    wide = table.rowHeight(1)
    dialog.resize(420, 500)
    qtbot.waitUntil(lambda: table.rowHeight(1) > wide)


def test_a_second_file_leaves_nothing_of_the_first(dialog):
    dialog.show_description(described())
    dialog.show_description(
        described(header=HEADER[1:2], history=(), health=HEALTH[:1], path="/data/2.h5")
    )
    assert visible(dialog.header) == [["observation"], ["exposure", "30", "s"]]
    many = [HeaderRow("g", f"key{k}", str(k)) for k in range(6)]
    dialog.show_description(
        described(header=many, history=(), health=HEALTH[:1], path="/data/2.h5")
    )
    assert [row[0] for row in visible(dialog.header)] == ["g", *(row.key for row in many)]
    spans = [dialog.header.columnSpan(row, 0) for row in range(7)]
    assert spans == [3, 1, 1, 1, 1, 1, 1]
    assert visible(dialog.history) == []
    assert visible(dialog.health) == [["photon index", "good", "Complete."]]
    assert dialog.windowTitle().startswith("2.h5")
    assert "start" not in dialog.as_text()


def test_a_real_file_is_shown_key_by_key(dialog, tmp_path):
    path, _ = make_observation(tmp_path, np.full((3, 2), 20))
    with ObsFile(path) as obs:
        found = describe_observation(obs)
    dialog.show_description(found)
    rows = [row for row in visible(dialog.header) if len(row) > 1]
    assert [tuple(row) for row in rows] == [tuple(row[1:]) for row in found.header]
    assert {row[0] for row in rows} >= {"expTime", "startTime", "beammapFile", "file_id"}
    assert [row[0] for row in visible(dialog.health)] == [check.name for check in found.health]


# --- searching --------------------------------------------------------------------------------------


def test_search_looks_into_all_tables_and_counts(dialog, qtbot):
    dialog.show_description(described())
    qtbot.keyClicks(dialog.search, "From")
    assert visible(dialog.header) == []
    assert [row[1] for row in visible(dialog.history)] == ["convert", "annotate"]
    assert visible(dialog.health) == []
    texts = [dialog.tabs.tabText(place) for place in range(3)]
    assert texts == ["Header (0 of 4)", "History (2 of 3)", "Health (0 of 3)"]
    dialog.search.clear()
    assert len(visible(dialog.header)) == 6
    assert dialog.tabs.tabText(0) == "Header (4)"


def test_search_keeps_the_heading_of_what_it_finds_only(dialog):
    dialog.show_description(described())
    dialog.search.setText("exptime")
    assert visible(dialog.header) == [["/header/header"], ["expTime", "30", "s"]]
    dialog.search.setText("observ")  # the group itself
    assert [row[0] for row in visible(dialog.header)] == ["observation", "start", "exposure"]


def test_search_stays_for_the_next_file(dialog):
    dialog.show_description(described())
    dialog.search.setText("target")
    dialog.show_description(described())
    assert [row[0] for row in visible(dialog.header)] == ["/header/header", "target"]


def test_ctrl_f_goes_to_the_search_box(dialog, qtbot):
    dialog.show_description(described())
    dialog.search.setText("target")
    dialog.header.setFocus()
    qtbot.keyClick(dialog, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert dialog.search.selectedText() == "target"


# --- copying ----------------------------------------------------------------------------------------


def test_copies_the_open_table_as_it_is_shown(dialog, qtbot):
    dialog.show_description(described())
    dialog.search.setText("exposure")
    qtbot.mouseClick(dialog.copy_tab, Qt.MouseButton.LeftButton)
    assert clipboard() == "Group\tKey\tValue\tUnit\nobservation\texposure\t30\ts"
    assert dialog.note.text() == "Copied."


def test_copies_all_tables_with_what_was_undone(dialog, qtbot):
    dialog.show_description(described())
    qtbot.mouseClick(dialog.copy_all, Qt.MouseButton.LeftButton)
    text = clipboard()
    assert text.startswith("1602050400.h5\n")
    for row in HEADER:
        assert "\t".join(row).rstrip("\t") in text
    assert "annotate\tclouds from 12 s on\tundone" in text
    assert "photon index\tgood\tComplete." in text


def test_nothing_to_copy_is_said(dialog):
    dialog.show_description(described())
    dialog.search.setText("no such thing")
    assert not dialog.copy_tab.isEnabled()
    assert not dialog.copy_all.isEnabled()
    assert dialog.copy_all.toolTip() == "There is nothing to copy"
    dialog.search.setText("complete")  # in health only, while the header is open
    assert not dialog.copy_tab.isEnabled()
    assert dialog.copy_all.isEnabled()


# --- without a description --------------------------------------------------------------------------


def test_texts_stand_where_the_tables_would_be(dialog):
    assert "Open a photon file" in dialog.pages.message
    dialog.show_busy("night.h5")
    assert dialog.pages.message == "Reading night.h5…"
    assert not dialog.copy_all.isEnabled()
    dialog.show_error("night.h5 was replaced since it was opened. Open it again.")
    assert dialog.pages.message.startswith("night.h5 was replaced")
    assert dialog.pages.is_error
    assert not dialog.copy_all.isEnabled()
    dialog.show_description(described())
    assert dialog.pages.message == ""
    assert dialog.copy_all.isEnabled()


def test_an_error_after_a_description_hides_it(dialog):
    dialog.show_description(described())
    dialog.show_error("gone")
    assert not dialog.header.isVisible()
    assert not dialog.copy_tab.isEnabled()


def test_can_be_read_again(dialog, qtbot):
    with qtbot.waitSignal(dialog.refreshRequested, timeout=1000):
        qtbot.mouseClick(dialog.refresh, Qt.MouseButton.LeftButton)


def test_does_not_block_the_window_and_closes_with_escape(dialog, qtbot):
    assert not dialog.isModal()
    qtbot.keyClick(dialog.search, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


@pytest.mark.parametrize("name", theme.NAMES)
def test_night_is_red_only_and_others_are_readable(dialog, name):
    theme.use(name)
    dialog.show_description(described())
    dialog.search.setText("e")
    dialog.close_button.setFocus()  # Qt inverts what is below the caret
    dialog.tabs.setCurrentIndex(2)
    image = dialog.grab().toImage()
    greens = {
        QtCore.QRect(x, y, 1, 1).topLeft().x()
        for x in range(0, image.width(), 3)
        for y in range(0, image.height(), 3)
        if image.pixelColor(x, y).green() > 90 or image.pixelColor(x, y).blue() > 90
    }
    assert bool(greens) == (name != "night")
