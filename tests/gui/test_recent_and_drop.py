"""Recent files and dropped ones: what can be opened is asked for, what cannot says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicklook.paths import shortened, without_home
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, pg
from quicklook.widgets.drop_target import DropTarget, reason_to_refuse
from quicklook.widgets.recent_menu import RecentMenu

# --- recent files -----------------------------------------------------------------------------------

PATHS = [Path(f"/data/night {k}/160205040{k}.h5") for k in range(10)] + [Path("/a & b/c&d.h5")]


@pytest.fixture
def menu(qtbot):
    menu = RecentMenu()
    qtbot.addWidget(menu)
    menu.asked, menu.cleared, menu.checked = [], [], []
    menu.openRequested.connect(menu.asked.append)
    menu.clearRequested.connect(lambda: menu.cleared.append(True))
    menu.checkRequested.connect(menu.checked.append)
    menu.set_paths(PATHS)
    return menu


def texts(menu):
    return [action.text() for action in menu.actions() if not action.isSeparator()]


def test_lists_files_with_digits_and_clear_at_the_end(menu):
    assert texts(menu)[0] == "&1  1602050400.h5   –   /data/night 0"
    assert texts(menu)[8].startswith("&9  ")
    assert texts(menu)[9].startswith("    1602050409")
    assert texts(menu)[-1] == "&Clear list"
    assert len(texts(menu)) == len(PATHS) + 1


def test_an_ampersand_of_a_path_underlines_nothing(menu):
    assert texts(menu)[10] == "    c&&d.h5   –   /a && b"


def test_each_file_asks_for_itself_only(menu):
    for place, path in enumerate(PATHS):
        menu.actions()[place].trigger()
        assert menu.asked == PATHS[: place + 1]
        assert menu.asked[-1] is not None
        assert path == menu.asked[-1]
    assert menu.cleared == []


@pytest.mark.qt_log_ignore("grabbing the keyboard", "support raise", "propagateSizeHints")
def test_a_digit_opens_its_file(qtbot, menu):
    menu.popup(QtCore.QPoint(0, 0))
    qtbot.keyClick(menu, Qt.Key.Key_3)
    assert menu.asked == [PATHS[2]]


def test_clear_asks_to_forget_the_list(menu):
    menu.actions()[-1].trigger()
    assert menu.cleared == [True]
    assert menu.asked == []
    menu.set_paths(())
    assert texts(menu) == ["No file was opened yet"]
    assert not menu.actions()[0].isEnabled()


@pytest.mark.qt_log_ignore("grabbing the keyboard", "support raise", "propagateSizeHints")
def test_missing_files_are_disabled_and_say_so(qtbot, menu):
    menu.popup(QtCore.QPoint(0, 0))
    assert menu.checked == [PATHS]
    menu.show_missing({PATHS[1], Path("/not/listed.h5")})
    enabled = [action.isEnabled() for action in menu.actions()[: len(PATHS)]]
    assert [k for k, on in enumerate(enabled) if not on] == [1]
    assert menu.actions()[1].toolTip() == f"{PATHS[1]}\nThis file is not there any more"
    assert menu.toolTipsVisible()
    menu.show_missing(frozenset())
    assert menu.actions()[1].isEnabled()
    assert menu.actions()[1].toolTip() == str(PATHS[1])
    menu.close()


@pytest.mark.qt_log_ignore("grabbing the keyboard", "support raise", "propagateSizeHints")
def test_an_empty_list_asks_for_no_check(qtbot, menu):
    menu.set_paths(())
    menu.popup(QtCore.QPoint(0, 0))
    menu.close()
    assert menu.checked == []


def test_a_long_path_does_not_make_the_menu_wider_than_a_window(qtbot, menu):
    menu.set_paths([Path("/") / "/".join(["folder"] * 60) / ("n" * 200 + ".h5")])
    assert menu.sizeHint().width() < 1000


# --- paths ------------------------------------------------------------------------------------------


def test_home_is_written_short(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert shortened(Path("/home/ann/data/a.h5")) == "~/data/a.h5"
    assert shortened(Path("/home/ann")) == "~"
    assert shortened(Path("/home/annie/a.h5")) == "/home/annie/a.h5"
    text = "read '/home/ann/x', /home/annie/y, /home/ann: /home/ann-2 /home/ann"
    assert without_home(text) == "read '~/x', /home/annie/y, ~: /home/ann-2 ~"
    monkeypatch.setenv("HOME", "/")
    assert without_home("/data/a in / now") == "/data/a in / now"


# --- drag and drop ----------------------------------------------------------------------------------


class Rig:
    """A window with a plot in it, files dragged over it, and what was dropped."""

    def __init__(self, qtbot):
        self.window = QtWidgets.QMainWindow()
        qtbot.addWidget(self.window)
        self.plot = pg.PlotWidget()
        self.window.setCentralWidget(self.plot)
        self.window.resize(600, 400)
        self.window.show()
        self.target = DropTarget(self.window)
        self.dropped = []
        self.target.dropped.connect(self.dropped.append)
        self.data = QtCore.QMimeData()

    def _send(self, kind, where):
        buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        every = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
        place = QtCore.QPointF(50, 50) if kind is QtGui.QDropEvent else QtCore.QPoint(50, 50)
        event = kind(place, every, self.data, buttons, keys)
        event.setDropAction(Qt.DropAction.MoveAction)
        event.ignore()
        QtWidgets.QApplication.sendEvent(where or self.window, event)
        return event

    def enter(self, *names, where=None):
        self.data = QtCore.QMimeData()
        self.data.setUrls(
            [QtCore.QUrl(n) if ":" in n else QtCore.QUrl.fromLocalFile(n) for n in names]
        )
        return self._send(QtGui.QDragEnterEvent, where)

    def move(self):
        return self._send(QtGui.QDragMoveEvent, None)

    def drop(self):
        return self._send(QtGui.QDropEvent, None)

    def leave(self):
        QtWidgets.QApplication.sendEvent(self.window, QtGui.QDragLeaveEvent())


@pytest.fixture
def rig(qtbot):
    return Rig(qtbot)


def test_a_file_is_offered_then_opened(rig):
    assert rig.enter("/data/1602050400.h5").isAccepted()
    assert rig.target.veil.isVisible()
    assert rig.target.veil.text == "Drop to open:\n1602050400.h5"
    assert not rig.target.veil.is_refusing
    moved = rig.move()
    assert moved.isAccepted()
    assert moved.dropAction() == Qt.DropAction.CopyAction  # never moves anybody's file
    assert rig.dropped == []
    done = rig.drop()
    assert done.isAccepted()
    assert done.dropAction() == Qt.DropAction.CopyAction
    assert rig.dropped == [[Path("/data/1602050400.h5")]]
    assert not rig.target.veil.isVisible()


def test_also_over_a_plot(rig):
    assert rig.enter("/data/a.h5", where=rig.plot.viewport()).isAccepted()
    assert rig.target.veil.isVisible()


def test_leaving_takes_the_offer_back(rig):
    rig.enter("/data/a.h5")
    rig.leave()
    assert not rig.target.veil.isVisible()
    assert rig.dropped == []


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["/data/notes.txt"], "notes.txt is not a photon file"),
        (["/data/a.h5", "/data/b.h5"], "Drop one file or folder"),
        (["/data/1.bin", "/data/b.h5"], "Drop one file or folder"),
        (["https://example.org/a.h5"], "copy it here first"),
        ([], "Only files and folders"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_the_reason(rig, names, why):
    rig.enter(*names)
    assert rig.target.veil.isVisible()
    assert rig.target.veil.is_refusing
    assert why in rig.target.veil.text
    assert not rig.move().isAccepted()
    assert not rig.drop().isAccepted()
    assert rig.dropped == []
    assert not rig.target.veil.isVisible()


def test_what_is_dragged_next_is_judged_anew(rig):
    rig.enter("/data/notes.txt")
    rig.leave()
    rig.enter("/data/a.img")
    assert not rig.target.veil.is_refusing
    assert rig.move().isAccepted()


def test_seconds_and_folders_can_be_dropped(rig, tmp_path):
    rig.enter("/data/1602050401.BIN", "/data/1602050400.bin")
    assert "2 files together:\n1602050400.bin … 1602050401.BIN" in rig.target.veil.text
    rig.drop()
    rig.enter(str(tmp_path))
    assert tmp_path.name in rig.target.veil.text
    rig.drop()
    assert sorted(rig.dropped[0]) == [Path("/data/1602050400.bin"), Path("/data/1602050401.BIN")]
    assert rig.dropped[1] == [tmp_path]


def test_a_folder_that_is_not_there_is_refused():
    assert "folder" in reason_to_refuse([Path("/no/such/folder")])


def test_the_veil_is_drawn_over_the_whole_window_and_follows_it(rig):
    rig.enter("/data/notes.txt")
    rig.window.resize(700, 500)
    QtWidgets.QApplication.processEvents()
    assert rig.target.veil.geometry() == rig.window.rect()
    refused = rig.window.grab().toImage()
    rig.enter("/data/a.h5")
    offered = rig.window.grab().toImage()
    rig.leave()
    bare = rig.window.grab().toImage()
    assert len({refused.pixel(30, 30), offered.pixel(30, 30), bare.pixel(30, 30)}) == 3
