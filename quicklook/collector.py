"""Keeps the interpreter from stopping the window: collections of garbage, and threads that wait for one another.

A full collection looks at every object of the program. With the numerical libraries these are a million, and all
threads stand still for 0.2 s. `gc.freeze` puts what is there aside, for good; the rest is collected while the window
rests, not in the middle of imports and compilations, which make most of the objects.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from quicklook.jobs import JobRunner
from quicklook.qt import QtCore, QtWidgets, Slot

__all__ = ["RestingCollector", "SpareLibraries", "smooth_interpreter"]

_MANY_MODULES = 20
_SWITCH_S = 0.001
"""How long a thread keeps the interpreter while another waits for it. The window takes it back for every method of
ours that Qt calls, some ten times to paint: with the usual 5 ms each, one thread of Python code made that 50 ms."""
_LAST_RESORT = 500
"""A full collection comes after so many partial ones (usually 10) if the window never rests: after some 3 million
objects more than went. Compiling all kernels makes a part of that."""
_USUAL = 10
_LOOK_EVERY_MS = 1000


@contextmanager
def smooth_interpreter() -> Iterator[None]:
    """Give the window's thread its turn soon, and put full collections off until a `RestingCollector` does them."""
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(thresholds[0], thresholds[1], _LAST_RESORT)
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)


class RestingCollector(QtCore.QObject):
    """Collects garbage when there is some, no job in these lanes, and no button of the mouse pressed."""

    def __init__(self, lanes: Iterable[JobRunner], parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._lanes = tuple(lanes)
        timer = QtCore.QTimer(self, interval=_LOOK_EVERY_MS)
        timer.timeout.connect(self.look)
        timer.start()

    @Slot()
    def look(self) -> None:
        """Collect, if it is time."""
        resting = not any(lane.jobs for lane in self._lanes)
        due = gc.get_count()[2] > _USUAL  # partial collections since the last full one
        if resting and due and not QtWidgets.QApplication.mouseButtons():
            gc.collect()


class SpareLibraries(QtCore.QObject):
    """Puts aside what was loaded, now and whenever a job of these lanes has loaded more.

    Only for programs that show one window and end: garbage that is there at these moments stays, too.
    """

    def __init__(self, lanes: Iterable[JobRunner], parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._known = 0
        self.look()
        for lane in lanes:
            lane.succeeded.connect(self.look)

    @Slot(object)
    def look(self, _success: object = None) -> None:
        """Put everything aside if many modules are new."""
        modules = len(sys.modules)
        if modules >= self._known + _MANY_MODULES:
            self._known = modules
            gc.freeze()
