"""Says in a progress that kernels are being compiled: at the very first time that takes longer than the work itself.

Whoever has many kernels and reports progress wraps it; see `pipeline_core._jit` for the kernels.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from numba.core.event import Listener, install_listener

from pipeline_core.errors import OperationCancelled
from pipeline_core.progress import COMPILING, Progress

__all__ = ["telling_of_compilation"]


@contextmanager
def telling_of_compilation(progress: Progress) -> Iterator[Progress]:
    """Give a progress whose stage is `COMPILING` while a kernel is compiled, in whatever thread; not if it is on disk.

    The thread that entered may be the one that compiles: it reports when that begins. Numba's work is never broken
    off by a progress that cancels; the next report does.
    """
    teller = _Teller(progress)
    with install_listener("numba:compile", teller):
        yield teller.report


class _Teller(Listener):
    """Counts the compilations that go on (a kernel compiles its helpers), and names them in reports."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._running = 0
        self._state = (0, 0)

    def report(self, done: int, total: int, stage: str = "") -> None:
        self._state = (done, total)
        self._progress(done, total, COMPILING if self._running else stage)

    def on_start(self, event: Any) -> None:
        with self._lock:
            self._running += 1
        if threading.get_ident() == self._thread:
            with suppress(OperationCancelled):
                self._progress(*self._state, COMPILING)

    def on_end(self, event: Any) -> None:
        with self._lock:
            self._running -= 1
