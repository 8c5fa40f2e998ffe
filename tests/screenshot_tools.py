"""Waiting for the window, and saving pictures of it, for `make_screenshots`."""

from __future__ import annotations

import time
from pathlib import Path

from window_rig import all_read

from quicklook.qt import QtCore, QtGui, QtWidgets

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "resources" / "guide"
README = ROOT / "resources" / "screenshots"
_SMALLEST = 0  # Qt's word for the best compression of a PNG


def wait(condition, seconds=60.0):
    """Serve the event loop until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.005)


def settle(window, seconds=0.6):
    """Wait until nothing is being read and everything is drawn."""
    wait(lambda: all_read(window) and not window.chores.jobs)
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def take(widget, path: Path, window=None) -> None:
    """Save a picture, well compressed."""
    settle(window or widget)
    image = widget.grab().toImage().convertToFormat(QtGui.QImage.Format.Format_RGB888)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not image.save(str(path), "PNG", _SMALLEST):
        raise OSError(path)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} kB")  # noqa: T201
