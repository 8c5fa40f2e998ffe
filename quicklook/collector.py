"""Keeps Python's collector of garbage from stopping the window: what libraries have loaded is never garbage.

A full collection looks at every object of the program. With the numerical libraries these are a million, and all
threads stand still for 0.2 s. `gc.freeze` puts what is there aside, for good.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable

from quicklook.jobs import JobRunner
from quicklook.qt import QtCore, Slot

__all__ = ["SpareLibraries"]

_MANY_MODULES = 20


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
