"""GUI tests: own preferences for each test, no box that waits for a person, nothing left behind."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from pathlib import Path

import pytest
from fake_obs import FakeObs

from quicklook.app import configure_pyqtgraph, style
from quicklook.main_window import MainWindow
from quicklook.qt import QtCore, QtWidgets
from quicklook.settings import Settings
from quicklook.tasks import OpenFiles

pytest.register_assert_rewrite("monkey_checks")

HERE = Path(__file__).parent
HARMLESS = (
    "propagateSizeHints",
    "support raise",
    "support grabbing the keyboard",
    "XDG_RUNTIME_DIR",
)  # said by the offscreen platform


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gui)
            item.add_marker(pytest.mark.qt_log_ignore(*HARMLESS))


@pytest.fixture(scope="session")
def qapp_cls():
    return QtWidgets.QApplication


@pytest.fixture(autouse=True)
def application(qapp):
    """The application, looking as it does for users."""
    configure_pyqtgraph()
    if not qapp.styleSheet():
        style(qapp)
    return qapp


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Neither read nor write the user's preferences and log; start dialogs nowhere special."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MKID_DATA_DIR", raising=False)
    QtCore.QSettings.setPath(
        QtCore.QSettings.Format.IniFormat,
        QtCore.QSettings.Scope.UserScope,
        str(tmp_path / "config"),
    )


@pytest.fixture(autouse=True)
def no_modal_dialogs(monkeypatch):
    """A box that waits for a click would hang the tests: make it fail instead."""

    def refuse(name):
        def box(*_args, **_kwargs):
            raise AssertionError(f"a modal {name} was opened")

        return staticmethod(box)

    for name in ("about", "critical", "information", "question", "warning"):
        monkeypatch.setattr(QtWidgets.QMessageBox, name, refuse(name))
    for name in ("getOpenFileName", "getSaveFileName", "getExistingDirectory"):
        monkeypatch.setattr(QtWidgets.QFileDialog, name, refuse(name))


def _running_qthreads():
    return [
        thread
        for thread in gc.get_objects()
        if type(thread) is QtCore.QThread and thread.isRunning()
    ]


@pytest.fixture(autouse=True)
def nothing_left(application, own_folders):
    """Fail a test that leaves threads, child processes or windows."""
    threads_before = set(threading.enumerate())
    yield
    application.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    deadline = time.monotonic() + 2
    while True:
        left = [
            *(t for t in threading.enumerate() if t not in threads_before and t.is_alive()),
            *_running_qthreads(),
            *multiprocessing.active_children(),
        ]
        # threads of Qt are known to Python as dummies, which live on in its books
        left = [item for item in left if not isinstance(item, threading._DummyThread)]
        if not left or time.monotonic() > deadline:
            break
        application.processEvents()
        time.sleep(0.01)
    windows = [w for w in application.topLevelWidgets() if w.isVisible()]
    for window in windows:
        window.hide()
    assert not left, f"left running: {left}"
    assert not windows, f"left open: {windows}"


@pytest.fixture
def settings(tmp_path):
    """Preferences in a file of this test."""
    return Settings(tmp_path / "quicklook.ini")


@pytest.fixture
def observations():
    """Path -> FakeObs or exception: what opening a path gives."""
    return {Path("night.h5"): FakeObs("night.h5")}


@pytest.fixture
def window(qtbot, settings, observations):
    """A shown main window whose files are `observations`."""

    def opener(paths, beammap, progress):
        found = observations[paths[0]]
        if isinstance(found, Exception):
            raise found
        return found

    window = MainWindow(settings, OpenFiles(opener))
    window.resize(1280, 800)
    with qtbot.waitExposed(window):
        window.show()
    qtbot.wait(30)  # one pass of the layout, or positions are those of an unlaid window
    yield window
    window.stop_and_close()
    lanes = (window.jobs, window.chores, window.reads)
    # the very first window of a machine compiles its kernels, which nothing can stop
    qtbot.waitUntil(lambda: not any(lane.is_running for lane in lanes), timeout=90_000)
    assert not window.isVisible()
    window.deleteLater()


@pytest.fixture
def opened(qtbot, window):
    """The window with night.h5 open."""
    with qtbot.waitSignal(window.fileOpened, timeout=5000):
        window.open_file(Path("night.h5"))
    qtbot.wait(30)
    return window
