"""Measures how long the event loop of the GUI thread was not served."""

from __future__ import annotations

import time

import numpy as np

from quicklook.qt import Qt, QtCore


class LoopProbe(QtCore.QObject):
    """A timer that should fire every `interval_ms`; `gaps_ms` holds what it really did, `ends_s` when."""

    def __init__(self, interval_ms: int = 2) -> None:
        super().__init__()
        self._timer = QtCore.QTimer(self, interval=interval_ms)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._last = 0.0
        self.gaps_ms: list[float] = []
        self.ends_s: list[float] = []

    def start(self) -> None:
        self.gaps_ms, self.ends_s = [], []
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._tick()
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps_ms.append(1e3 * (now - self._last))
        self.ends_s.append(now)
        self._last = now

    @property
    def longest_ms(self) -> float:
        return max(self.gaps_ms)

    def percentile_ms(self, q: float) -> float:
        return float(np.percentile(self.gaps_ms, q))
