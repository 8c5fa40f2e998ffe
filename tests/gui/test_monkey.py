"""Random actions on the real window: nothing breaks, nothing on the screen is stale, nothing is left behind.

A longer campaign: ``MONKEY_SEEDS="1 2 3" MONKEY_ACTIONS=20000 pytest -s tests/gui/test_monkey.py``.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback

import pytest
from monkey import Monkey
from monkey_checks import check, grown, leftovers, settle, size
from monkey_files import make_files

from quicklook import theme
from quicklook.main_window import MainWindow
from quicklook.qt import QtGui, QtWidgets
from quicklook.settings import Settings

SEEDS = [int(seed) for seed in os.environ.get("MONKEY_SEEDS", "1").split()]
ACTIONS = int(os.environ.get("MONKEY_ACTIONS", "2000"))
CHECK_EVERY = 50
NEW_WINDOW_EVERY = 500
SLACK = {"objects": 90, "files": 2}
"""What may be more: menus and rows that are made when first wanted, files of libraries."""


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("monkey"))


@pytest.fixture
def trouble(monkeypatch):
    """Exceptions and bugs, as texts."""
    found = []

    def on_error(kind, error, trace):
        found.append("".join(traceback.format_exception(kind, error, trace)))

    monkeypatch.setattr(sys, "excepthook", on_error)
    monkeypatch.setattr(
        threading,
        "excepthook",
        lambda args: on_error(args.exc_type, args.exc_value, args.exc_traceback),
    )
    return found


@pytest.fixture
def dialogs(monkeypatch):
    """Give a monkey the answers of dialogs that would wait for a person, and keep it from browsers."""

    def install(monkey):
        dialog = QtWidgets.QFileDialog
        for name, answer in (
            ("getOpenFileName", monkey.file_name),
            ("getSaveFileName", monkey.file_name),
            ("getOpenFileNames", monkey.file_names),
            ("getExistingDirectory", monkey.folder_name),
        ):
            monkeypatch.setattr(dialog, name, staticmethod(answer))

    monkeypatch.setattr(QtGui.QDesktopServices, "openUrl", staticmethod(lambda _url: True))
    return install


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep sorted raw files out of the user's cache, and leave the looks as they were."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    theme.use("light", 1.0)


@pytest.mark.timeout(120 + ACTIONS // 10)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_breaks_whatever_is_done(seed, files, trouble, dialogs, tmp_path, application):
    def new_window():
        window = MainWindow(Settings(tmp_path / "quicklook.ini"))
        window.bugFound.connect(lambda title, details: trouble.append(f"{title}\n{details}"))
        window.resize(1280, 800)
        window.show()
        application.processEvents()
        return window

    monkey = Monkey(seed, files, new_window)
    dialogs(monkey)
    try:
        walk_about(monkey, files, trouble)
    except Exception as error:
        story = "\n  ".join(monkey.log)
        raise AssertionError(f"{error}\nseed {seed}; the last actions:\n  {story}") from error
    finally:
        monkey.stop()
        monkey.close_window()
        for other in application.topLevelWidgets():
            other.close()


def walk_about(monkey, files, trouble):
    """Act, look whether all is true and, now and then, whether anything was left behind."""
    before = None
    fresh = size(monkey.window)
    for number in range(1, ACTIONS + 1):
        monkey.act()
        assert not trouble, trouble[0]
        if number % CHECK_EVERY == 0:
            monkey.window.jobs.cancel_all()
            look(monkey, files, trouble)
            for _ in range(2):  # what many changes hide, one may show
                monkey.change_one_thing()
                look(monkey, files, trouble)
        if number % NEW_WINDOW_EVERY == 0:
            more = grown(fresh, size(monkey.window), SLACK)
            assert not more, f"the window has grown: {more}"
            monkey.replace_window()
            settle(monkey.window)
            fresh, left = size(monkey.window), leftovers()
            before = before or left  # of a window that has seen everything once
            assert not grown(before, left, SLACK), f"left behind: {before} -> {left}"


def look(monkey, files, trouble):
    """Wait until nothing is under way, and look whether all is true."""
    settle(monkey.window)
    assert not trouble, trouble[0]
    check(monkey.window, files)
