"""One computation of speckle maps in a child process: its news, and how long it may take to stop.

Created by the controller of speckle maps, run in the jobs lane.
"""

from __future__ import annotations

import threading
import time

from pipeline_core.progress import Progress
from pipeline_core.speckle.result import MapPart
from pipeline_core.speckle.status import PixelStatus
from quicklook import speckle_tasks
from quicklook.child_process import GRACE_S, run_in_child
from quicklook.qt import QtCore, Signal
from quicklook.speckle_store import Origin
from quicklook.speckle_tasks import SpeckleForm

__all__ = ["Messenger", "SpeckleRun", "make_maps_in_child"]

_GRACE_S = 60.0
"""A cancelled computation finishes the pixels that it is at, and hands over what is done: with a bootstrap of
thousands of resamples that may take a while."""
_WINDOW_FIRST_S, _STEP_S = 0.3, 0.02
"""A process begins while the window for it is made and painted: on two processors that would hold up the window."""
_NO_WORK = (PixelStatus.NOT_COMPUTED, PixelStatus.TOO_FEW_PHOTONS)


class Messenger(QtCore.QObject):
    """Carries news from the thread of the jobs to that of the window.

    Signals
    -------
    news
        (the `SpeckleRun`, `SpeckleStart` or `MapPart`).
    """

    news = Signal(object, object)


class SpeckleRun:
    """What is made, of which file, and whether there is anything to keep of it."""

    def __init__(self, form: SpeckleForm, origin: Origin, messenger: Messenger) -> None:
        self.form = form
        self.origin = origin
        self._messenger = messenger
        self._fitted = threading.Event()
        self._given_up = threading.Event()

    def tell(self, news: object) -> None:
        """Send news; called in the thread of the jobs."""
        if isinstance(news, MapPart) and any(
            status not in _NO_WORK for status in news.values["status"]
        ):
            self._fitted.set()
        self._messenger.news.emit(self, news)

    def give_up(self) -> None:
        """Say that nobody wants what is done, should it be cancelled."""
        self._given_up.set()

    def grace_s(self) -> float:
        """Return how long it may take to stop: before the first pixel (kernels may compile) nothing is lost."""
        return _GRACE_S if self._fitted.is_set() and not self._given_up.is_set() else GRACE_S


def make_maps_in_child(run: SpeckleRun, *, progress: Progress) -> object:
    """Make speckle maps in a child process; returns the core's `SpeckleMaps`. Runs in the jobs lane."""
    for _ in range(round(_WINDOW_FIRST_S / _STEP_S)):
        progress(0, 0, "starting")
        time.sleep(_STEP_S)
    made: object = run_in_child(
        speckle_tasks.make_maps,
        run.form,
        progress=progress,
        news=run.tell,
        grace_s=run.grace_s,
    )
    return made
