"""The files panel: lists, filters, opens with mouse and keyboard, and says what is wrong in its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quicklook import theme
from quicklook.file_listing import scan
from quicklook.qt import Qt, QtCore, QtWidgets
from quicklook.views.files_delegate import choose_form
from quicklook.views.files_model import ENTRY, OPEN
from quicklook.views.files_pane import FilesPane

T = 1602050400  # 2020-10-07 06:00:00 UTC


@pytest.fixture
def night(tmp_path):
    """A folder with a run of raw seconds, one of frames, two photon files and a folder."""
    folder = tmp_path / "night"
    folder.mkdir()
    names = [f"{T + k}.bin" for k in range(10)] + [f"{T + 100 + k}.img" for k in range(3)]
    for name in [*names, f"{T + 200}.h5", f"{T + 300}.h5", "QUIT"]:
        (folder / name).write_bytes(b"x" * 1500)
        os.utime(folder / name, (T, T))
    (folder / "calibration").mkdir()
    return folder


@pytest.fixture
def pane(qtbot, night):
    """A panel whose folder is looked through at once."""
    pane = FilesPane()
    qtbot.addWidget(pane)
    pane.opened = []
    pane.openRequested.connect(pane.opened.append)
    pane.scanRequested.connect(lambda folder: pane.show_listing(scan(folder)))
    pane.resize(190, 500)
    pane.show()
    pane.set_folder(night)
    yield pane
    theme.use("light", 1.0)


def names(pane):
    return [entry.title for entry in pane.model.entries]


def row_of(pane, start):
    row = next(k for k, name in enumerate(names(pane)) if name.startswith(start))
    return pane.model.index(row, 0)


def bars(pane):
    """Names of the rows that begin with a bar in the colour of the accent, on the screen."""
    image = pane.view.viewport().grab().toImage()
    found = []
    for row, name in enumerate(names(pane)):
        place = pane.view.visualRect(pane.model.index(row, 0))
        colour = image.pixelColor(place.left() + 1, place.center().y()).name()
        found += [name] if colour == theme.current().accent else []
    return found


def double_click(qtbot, pane, index):
    pane.view.scrollTo(index)
    place = pane.view.visualRect(index).center()
    viewport = pane.view.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=place)


def filter_by(qtbot, pane, text):
    pane.filter.setText(text)
    qtbot.waitUntil(lambda: not pane._settle.isActive())


# --- what is shown ----------------------------------------------------------------------------------


def test_lists_folders_then_files_by_time(pane):
    assert names(pane) == [
        "..",
        "calibration",
        f"{T}.bin … {T + 9}.bin",
        f"{T + 100}.img … {T + 102}.img",
        f"{T + 200}.h5",
        f"{T + 300}.h5",
    ]
    assert pane.message == ""
    assert pane.title.text() == "night"
    assert pane.note.text() == "2020-10-07 UTC"
    assert pane.note.toolTip() == "15 files, 22.5 kB; times are UTC, 2020-10-07"


def test_tips_and_screen_readers_get_everything(pane):
    tip = row_of(pane, f"{T}.bin").data(Qt.ItemDataRole.ToolTipRole)
    assert f"{T}.bin … {T + 9}.bin" in tip
    assert "10 s of raw seconds, 15.0 kB" in tip
    assert "2020-10-07 06:00:00 UTC" in tip
    pane.set_open([pane.folder / f"{T + 200}.h5"])
    spoken = row_of(pane, f"{T + 200}").data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken.endswith("open now")


def test_a_run_unfolds_to_its_seconds(pane):
    run = row_of(pane, f"{T}.bin")
    assert pane.model.rowCount(run) == 10
    child = pane.model.index(3, 0, run)
    assert child.data(ENTRY).names == (f"{T + 3}.bin",)
    assert child.data(ENTRY).time_text == "2020-10-07 06:00:03"
    assert pane.model.parent(child) == run
    assert pane.model.rowCount(child) == 0
    assert pane.model.rowCount(row_of(pane, f"{T + 200}")) == 0


def test_the_model_keeps_qt_s_rules(pane, qtmodeltester):
    qtmodeltester.check(pane.model)


@pytest.mark.parametrize("width", [60, 190, 400])
@pytest.mark.parametrize("name", theme.NAMES)
def test_every_width_and_theme_can_be_painted(pane, width, name):
    theme.use(name)
    pane.view.expandAll()
    pane.set_open([pane.folder / f"{T + 3}.bin"])
    pane.resize(width, 500)
    assert pane.width() == width
    assert not pane.grab().isNull()


def test_is_at_least_sixty_pixels_wide(pane):
    assert pane.minimumWidth() <= 60


def test_times_lose_the_year_and_the_date_before_they_are_cut(pane):
    entry = row_of(pane, f"{T}.bin").data(ENTRY)
    delegate = pane.view.itemDelegate()
    assert delegate.times(entry) == ("06:00:00",)  # the date is in the last line
    (pane.folder / f"{T + 86_400}.h5").touch()
    pane.scan_again()
    forms = ("2020-10-07 06:00:00", "10-07 06:00:00", "10-07 06:00", "06:00:00")
    assert delegate.times(entry) == forms
    assert pane.note.text().startswith("2020-10-07 to 10-08 UTC")


def test_rows_have_times_of_one_form_whatever_their_size(pane):
    forms = ("2020-10-07 06:00:00", "10-07 06:00:00", "10-07 06:00")
    metrics = pane.fontMetrics()
    reserved = metrics.horizontalAdvance("99.9 MB")
    chosen = set()
    for width in range(20, 300):
        ways = {choose_form(forms, right, width, metrics, "99.9 MB") for right in ("0 B", "9 kB")}
        assert len(ways) == 1
        form, fits = ways.pop()
        assert not fits or metrics.horizontalAdvance(form) + reserved < width
        assert fits or form == forms[-1]
        chosen.add((form, fits))
    assert len(chosen) == 4  # three that fit, and the last where it does not
    assert choose_form(forms, "", 400, metrics) == (forms[0], True)


# --- the open file ----------------------------------------------------------------------------------


def test_marks_the_open_file_and_the_run_around_it(pane, qtbot):
    def marked():
        return [e.title for e in pane.model.entries if pane.model.is_open(e)]

    pane.set_open([pane.folder / f"{T + 300}.h5"])
    assert marked() == [f"{T + 300}.h5"]
    assert bars(pane) == [f"{T + 300}.h5"]
    pane.set_open([pane.folder / f"{T + 4}.bin", pane.folder / f"{T + 5}.bin"])
    assert marked() == [f"{T}.bin … {T + 9}.bin"]
    assert bars(pane) == marked()
    run = row_of(pane, f"{T}.bin")
    children = [pane.model.index(row, 0, run).data(OPEN) for row in range(10)]
    assert [row for row, is_open in enumerate(children) if is_open] == [4, 5]
    pane.set_open([Path("/elsewhere") / f"{T + 300}.h5"])
    assert marked() == []
    pane.set_open([])
    assert marked() == []


def test_a_relative_path_is_the_same_file(pane, monkeypatch):
    monkeypatch.chdir(pane.folder)
    pane.set_open([Path(f"{T + 300}.h5")])
    assert row_of(pane, f"{T + 300}").data(OPEN)


def test_the_open_file_is_scrolled_to(qtbot, tmp_path):
    for k in range(200):
        (tmp_path / f"{T + 10 * k}.h5").touch()
    pane = FilesPane()
    qtbot.addWidget(pane)
    pane.resize(190, 300)
    pane.show()
    pane.set_open([tmp_path / f"{T + 1800}.h5"])  # before the folder was looked through
    pane.set_folder(tmp_path)
    pane.show_listing(scan(tmp_path))

    def is_seen():
        place = pane.view.visualRect(row_of(pane, f"{T + 1800}"))
        return pane.view.viewport().rect().contains(place)

    qtbot.waitUntil(is_seen, timeout=2000)


# --- opening ----------------------------------------------------------------------------------------


def test_double_click_opens_a_file(pane, qtbot):
    double_click(qtbot, pane, row_of(pane, f"{T + 200}"))
    assert pane.opened == [[pane.folder / f"{T + 200}.h5"]]


def test_one_click_opens_nothing(pane, qtbot):
    place = pane.view.visualRect(row_of(pane, f"{T + 200}")).center()
    qtbot.mouseClick(pane.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert pane.opened == []


def test_a_run_of_raw_seconds_is_opened_as_a_whole(pane, qtbot):
    double_click(qtbot, pane, row_of(pane, f"{T}.bin"))
    assert pane.opened == [[pane.folder / f"{T + k}.bin" for k in range(10)]]


def test_one_second_of_a_run_is_opened_alone(pane, qtbot):
    run = row_of(pane, f"{T}.bin")
    pane.view.expand(run)
    double_click(qtbot, pane, pane.model.index(2, 0, run))
    assert pane.opened == [[pane.folder / f"{T + 2}.bin"]]


def test_a_run_of_frames_unfolds_and_folds(pane, qtbot):
    run = row_of(pane, f"{T + 100}")
    double_click(qtbot, pane, run)
    assert pane.opened == []
    assert pane.view.isExpanded(run)
    double_click(qtbot, pane, pane.model.index(1, 0, run))
    assert pane.opened == [[pane.folder / f"{T + 101}.img"]]
    double_click(qtbot, pane, run)
    assert not pane.view.isExpanded(run)


def test_enter_opens_what_is_chosen(pane, qtbot):
    run = row_of(pane, f"{T}.bin")
    pane.view.expand(run)
    pane.view.setFocus()
    pane.view.setCurrentIndex(pane.model.index(2, 0, run))
    for _ in range(2):
        qtbot.keyClick(pane.view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(pane.view, Qt.Key.Key_Return)
    assert pane.opened == [[pane.folder / f"{T + k}.bin" for k in (2, 3, 4)]]


def test_a_run_chosen_with_its_seconds_is_opened_once(pane):
    run = row_of(pane, f"{T}.bin")
    pane.view.expand(run)
    pane.view.setCurrentIndex(run)
    select = QtCore.QItemSelectionModel.SelectionFlag.Select
    pane.view.selectionModel().select(pane.model.index(3, 0, run), select)
    pane.open_action.trigger()
    assert pane.opened == [[pane.folder / f"{T + k}.bin" for k in range(10)]]


def test_paths_are_copied(pane):
    pane.view.setCurrentIndex(row_of(pane, f"{T + 200}"))
    pane.copy_action.trigger()
    assert QtWidgets.QApplication.clipboard().text() == str(pane.folder / f"{T + 200}.h5")


def test_a_folder_is_entered_and_left_again(pane, qtbot, night):
    double_click(qtbot, pane, row_of(pane, "calibration"))
    assert pane.folder == night / "calibration"
    assert names(pane) == [".."]
    assert "nothing to open" in pane.note.text()
    double_click(qtbot, pane, row_of(pane, ".."))
    assert pane.folder == night
    assert pane.opened == []


# --- filter -----------------------------------------------------------------------------------------


def test_filters_by_name_and_time(pane, qtbot):
    filter_by(qtbot, pane, ".H5")
    assert names(pane) == [f"{T + 200}.h5", f"{T + 300}.h5"]
    filter_by(qtbot, pane, "06:05")
    assert names(pane) == [f"{T + 300}.h5"]
    filter_by(qtbot, pane, f"{T + 3}.b")
    assert names(pane) == [f"{T + 3}.bin"]
    filter_by(qtbot, pane, "")
    assert len(names(pane)) == 6


def test_a_filter_without_a_match_says_so(pane, qtbot):
    filter_by(qtbot, pane, "no such")
    assert "no such" in pane.message
    filter_by(qtbot, pane, "")
    assert pane.message == ""


def test_from_filter_to_open_file_with_keys_only(pane, qtbot):
    pane.filter.setFocus()
    qtbot.keyClicks(pane.filter, f"{T + 7}.bin")
    qtbot.keyClick(pane.filter, Qt.Key.Key_Return)
    assert pane.view.hasFocus() or pane.focusWidget() is pane.view
    qtbot.keyClick(pane.view, Qt.Key.Key_Return)
    assert pane.opened == [[pane.folder / f"{T + 7}.bin"]]


def test_enter_in_the_filter_goes_to_the_first_file(pane, qtbot):
    pane.filter.setFocus()
    qtbot.keyClick(pane.filter, Qt.Key.Key_Return)
    assert pane.view.currentIndex().data(ENTRY).names[0] == f"{T}.bin"


def test_another_folder_starts_without_a_filter(pane, qtbot, night):
    filter_by(qtbot, pane, "calib")
    double_click(qtbot, pane, row_of(pane, "calibration"))
    assert pane.filter.text() == ""
    assert names(pane) == [".."]


# --- looking again, and what may go wrong -----------------------------------------------------------


def test_looking_again_keeps_what_is_unfolded_and_chosen(pane, qtbot):
    run = row_of(pane, f"{T}.bin")
    pane.view.expand(run)
    pane.view.setCurrentIndex(pane.model.index(4, 0, run))
    (pane.folder / f"{T + 10}.bin").touch()  # the run grows
    (pane.folder / f"{T - 50}.h5").touch()  # rows move
    qtbot.mouseClick(pane.refresh, Qt.MouseButton.LeftButton)
    run = row_of(pane, f"{T}.bin")
    assert pane.model.rowCount(run) == 11
    assert pane.view.isExpanded(run)
    assert pane.view.currentIndex().data(ENTRY).names == (f"{T + 4}.bin",)


def test_the_answer_for_a_folder_left_meanwhile_is_dropped(pane, night):
    late = scan(night / "calibration")
    pane.show_listing(late)
    assert len(names(pane)) == 6
    assert pane.folder == night


def test_looking_again_keeps_what_is_unfolded_while_something_else_is_chosen(pane):
    pane.view.expand(row_of(pane, f"{T}.bin"))
    pane.view.setCurrentIndex(row_of(pane, f"{T + 200}"))
    pane.scan_again()
    assert pane.view.isExpanded(row_of(pane, f"{T}.bin"))
    assert not pane.view.isExpanded(row_of(pane, f"{T + 100}.img"))


def test_errors_stand_where_the_list_was(pane):
    pane.show_error("Folder /gone cannot be read: No such file. Choose another folder.")
    assert pane.message.startswith("Folder /gone")
    assert pane.pages.is_error
    assert names(pane) == []
    assert not pane.filter.isEnabled()
    pane.scan_again()
    assert pane.message == ""


def test_without_a_folder_it_says_what_to_do(qtbot):
    pane = FilesPane()
    qtbot.addWidget(pane)
    asked = []
    pane.scanRequested.connect(asked.append)
    assert "Choose one" in pane.message
    assert not pane.refresh.isEnabled()
    pane.scan_again()
    assert asked == []


def test_says_that_it_is_looking(qtbot, night):
    pane = FilesPane()
    qtbot.addWidget(pane)
    with qtbot.waitSignal(pane.scanRequested, timeout=1000) as asked:
        pane.set_folder(night)
    assert asked.args == [night]
    assert "Looking through" in pane.message


def test_chooses_a_folder_and_cancel_changes_nothing(pane, qtbot, night, monkeypatch):
    answers = [str(night / "calibration"), ""]
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0), raising=True
    )
    qtbot.mouseClick(pane.choose, Qt.MouseButton.LeftButton)
    assert pane.folder == night / "calibration"
    qtbot.mouseClick(pane.choose, Qt.MouseButton.LeftButton)
    assert pane.folder == night / "calibration"
    assert answers == []


def test_thirty_thousand_rows_are_shown_and_filtered(pane, qtbot, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for k in range(30_000):
        (many / f"{T + 2 * k}.bin").touch()
    pane.folder = many
    listing = scan(many)
    pane.show_listing(listing)
    pane.grab()
    assert len(names(pane)) == 30_001  # with the way up
    filter_by(qtbot, pane, "99")
    pane.grab()
    assert all("99" in name for name in names(pane))
