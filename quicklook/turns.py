"""Pieces of work in the window's thread, one in each turn of its event loop: keys, clicks and paints come between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from quicklook.qt import QtCore, Slot

__all__ = ["Turns"]


class Turns(QtCore.QObject):
    """Does what it is given in the order in which it came, the first piece at once."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._pieces: deque[Callable[[], None]] = deque()
        # it runs for one turn more: what comes in the turn of a piece waits for the next one
        self._timer = QtCore.QTimer(self, interval=0)
        self._timer.timeout.connect(self._next)

    def take(self, piece: Callable[[], None]) -> None:
        """Do a piece: now, or after those that came before, if there was one in this turn."""
        if self._timer.isActive():
            self._pieces.append(piece)
        else:
            self._timer.start()
            piece()

    @Slot()
    def _next(self) -> None:
        if self._pieces:
            self._pieces.popleft()()
        else:
            self._timer.stop()
