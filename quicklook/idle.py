"""Makes in advance what would keep people waiting, while the program rests."""

from __future__ import annotations

from collections.abc import Iterable

from quicklook.jobs import JobRunner
from quicklook.qt import QtCore, QtWidgets, Slot
from quicklook.views.spare_map import make_spare_map

__all__ = ["IdleWork"]

_LOOK_EVERY_MS = 1000


class IdleWork(QtCore.QObject):
    """Sees to a spare map whenever there is no job in these lanes and no button of the mouse is pressed."""

    def __init__(self, lanes: Iterable[JobRunner], owner: QtWidgets.QWidget) -> None:
        super().__init__(owner)
        self._lanes = tuple(lanes)
        self._owner = owner
        timer = QtCore.QTimer(self, interval=_LOOK_EVERY_MS)
        timer.timeout.connect(self.look)
        timer.start()

    @Slot()
    def look(self) -> None:
        """Do what there is to do, if it is time."""
        resting = not any(lane.jobs for lane in self._lanes)
        if resting and not QtWidgets.QApplication.mouseButtons():
            make_spare_map(self._owner)
