"""Pieces of work in the window's thread, one in each turn of its event loop: keys, clicks and paints come between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from quicklook.qt import QtCore, Slot

__all__ = ["Turns"]

_PAUSE_MS = 5
"""With none, the next piece would come before the window has painted what the last one has changed."""


class Turns(QtCore.QObject):
    """Does what it is given in the order in which it came, the first piece at once."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._pieces: deque[Callable[[], None]] = deque()
        # it runs until it finds nothing to do: what comes in the turn of a piece waits for the next one
        self._timer = QtCore.QTimer(self, interval=_PAUSE_MS)
        self._timer.timeout.connect(self._next)

    @property
    def busy(self) -> bool:
        """Whether a piece is waiting, or was done a moment ago."""
        return self._timer.isActive()

    def take(self, piece: Callable[[], None]) -> None:
        """Do a piece: now, or after those that came before, if there was one in this turn."""
        if self._timer.isActive():
            self._pieces.append(piece)
        else:
            self._do(piece)

    def _do(self, piece: Callable[[], None]) -> None:
        self._timer.start()
        try:
            piece()
        finally:
            self._timer.start()  # once more: the pause begins when the piece is done

    @Slot()
    def _next(self) -> None:
        if self._pieces:
            self._do(self._pieces.popleft())
        else:
            self._timer.stop()
