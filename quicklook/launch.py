"""From checked arguments to a running window. Imports Qt; called by ``quicklook.__main__`` only."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path

from quicklook import app, theme
from quicklook.collector import RestingCollector, SpareLibraries, smooth_interpreter
from quicklook.demo import Demo
from quicklook.idle import IdleWork
from quicklook.main_window import SEEN_AFTER_MS, MainWindow
from quicklook.qt import QtCore, QtWidgets
from quicklook.settings import Settings

__all__ = ["launch", "look_after"]


def launch(*, files: list[Path], demo: bool, fresh: bool, pictures: bool) -> int:
    """Show the window and return the program's exit code when it is closed.

    Parameters
    ----------
    files : list of Path
        What to open; a folder is listed.
    demo : bool
        Show a simulated night instead.
    fresh : bool
        Neither use nor change the saved preferences.
    pictures : bool
        The demo writes pictures and ends.
    """
    with smooth_interpreter(), app.running(sys.argv[:1]) as (application, catcher):
        settings = Settings.fresh() if fresh or pictures else Settings()
        theme.use(settings.theme, settings.font_scale)
        window = MainWindow(settings)
        window.bugFound.connect(catcher.show_error)
        signal.signal(signal.SIGINT, lambda *_: window.close())
        heartbeat = _let_python_see_signals()
        window.show()
        look_after(window)
        walk = None
        if demo:
            walk = Demo(window, Path.cwd() / "quicklook-demo", pictures=pictures)
            walk.start()
        else:
            window.preparation.start_if_needed()
            if files:
                QtCore.QTimer.singleShot(SEEN_AFTER_MS, partial(window.opening.open_paths, files))
        code = application.exec()
        heartbeat.stop()
        if walk is not None:
            code = walk.exit_code
        _delete(window)
    return int(code)


def look_after(window: MainWindow) -> None:
    """Have done what is better done while the window rests."""
    lanes = (window.reads, window.chores, window.jobs)
    SpareLibraries(lanes, window)
    RestingCollector((window.reads, window.chores), window)
    IdleWork(lanes, window)


def _let_python_see_signals() -> QtCore.QTimer:
    """Return to Python now and then, so that Ctrl-C in the terminal closes the window."""
    timer = QtCore.QTimer(interval=200)
    timer.timeout.connect(lambda: None)
    timer.start()
    return timer


def _delete(window: QtWidgets.QWidget) -> None:
    """Free the window while the application still exists."""
    window.deleteLater()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
