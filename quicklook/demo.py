"""``quicklook --demo``: a simulated night in the window; without a display, pictures of a short walk.

Drives the window as a person would: wait for the file, press buttons, click a pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from pipeline_core.progress import Progress
from quicklook.background_tasks import simulate_demo
from quicklook.child_process import run_in_child
from quicklook.jobs import Failure, Job, Success
from quicklook.main_window import MainWindow
from quicklook.qt import QtCore, Slot
from quicklook.views.image_pane import RAW_COUNTS

__all__ = ["Demo"]

logger = logging.getLogger(__name__)

_LOOK_EVERY_MS = 30
_GIVE_UP_S = 60.0
_ENOUGH = 500
"""Counts of a pixel that is worth a look."""


def _simulate_in_child(folder: Path, *, progress: Progress) -> Path:
    def clean_up(process_id: int) -> None:
        for left_over in folder.rglob(f"*.{process_id}.part"):
            left_over.unlink(missing_ok=True)

    path: Path = run_in_child(simulate_demo, folder, progress=progress, clean_up=clean_up)
    return path


class Demo(QtCore.QObject):
    """Makes the data in a background job, opens them, and takes the walk.

    Parameters
    ----------
    folder : Path
        Where data and pictures go; created.
    pictures : bool
        Write a picture of each step and close the window at the end.
    """

    def __init__(self, window: MainWindow, folder: Path, *, pictures: bool) -> None:
        super().__init__(window)
        self._window = window
        self._folder = folder
        self._pictures = pictures
        self._job: Job | None = None
        self._waited = 0
        self._steps = self._walk()
        self._timer = QtCore.QTimer(self, interval=_LOOK_EVERY_MS)
        self._timer.timeout.connect(self._on_timer)
        self.written: list[Path] = []
        self.exit_code = 0

    def start(self) -> None:
        """Begin; everything else happens in the event loop."""
        window = self._window
        self._folder.mkdir(parents=True, exist_ok=True)
        self._say(f"Simulating a small night in {self._folder} (about 10 s) ...")
        window.jobs.succeeded.connect(self._on_simulated)
        window.jobs.failed.connect(self._on_failed)
        self._job = window.jobs.submit(
            "Simulating a night", _simulate_in_child, self._folder, key="demo"
        )
        window.job_bar.add(self._job.id, "Demo: a simulated night")

    @Slot(object)
    def _on_simulated(self, success: Success) -> None:
        if success.job is self._job:
            self._window.open_file(success.result)
            self._timer.start()

    @Slot(object)
    def _on_failed(self, failure: Failure) -> None:
        if failure.job is self._job:
            self._fail(str(failure.error))

    # --- the walk: each step waits for its condition, then goes on ------------------------------

    def _walk(self) -> list[tuple[Callable[[], bool], Callable[[], None]]]:
        return [
            (self._file_is_open, lambda: self._picture("1-beam-flag-image")),
            (lambda: True, self._plot_counts),
            (self._counts_are_shown, lambda: self._picture("2-raw-counts")),
            (lambda: True, self._click),
            (self._plots_are_shown, lambda: self._picture("3-active-pixel")),
            (lambda: True, self._end),
        ]

    @Slot()
    def _on_timer(self) -> None:
        self._waited += _LOOK_EVERY_MS
        if self._waited > 1000 * _GIVE_UP_S:
            self._fail(self._window.messages.text or "the window did not show what was asked for")
            return
        if self._steps and self._is_drawn() and self._steps[0][0]():
            self._waited = 0
            self._steps.pop(0)[1]()

    def _is_drawn(self) -> bool:
        """Whether everything that was asked for is on the screen, as it will be on the pictures."""
        return not self._window.reads.jobs and not self._window.broker.turns.busy

    def _file_is_open(self) -> bool:
        return self._window.session.file is not None

    def _plot_counts(self) -> None:
        self._window.controls.counts.click()
        self._window.controls.plot.click()

    def _counts_are_shown(self) -> bool:
        return self._window.image.kind == RAW_COUNTS

    def _click(self) -> None:
        facts = self._window.session.file
        assert facts is not None
        ncols, nrows = facts.shape
        counts = self._window.image.counts
        row = nrows // 2  # through the star's halo
        found = (
            (x, row) for x in range(ncols // 2, ncols) if counts and counts.image[x, row] > _ENOUGH
        )
        self._window.image.pixelSelected.emit(next(found, (ncols // 2, row)))

    def _plots_are_shown(self) -> bool:
        return all(pane.shown is not None for pane in self._window.card.panes)

    def _picture(self, name: str) -> None:
        if self._pictures:
            path = self._folder / f"{name}.png"
            if not self._window.grab().save(str(path)):
                self._fail(f"{path} cannot be written")
                return
            self.written.append(path)

    def _end(self) -> None:
        self._timer.stop()
        if self._pictures:
            self._say("There is no display; these pictures show what you would have seen:")
            for path in self.written:
                self._say(f"  {path}")
            self._window.stop_and_close()
        else:
            self._say(
                f"Click pixels in the window. Raw files and photon file are in {self._folder}"
            )

    def _fail(self, reason: str) -> None:
        self._timer.stop()
        self.exit_code = 2
        self._say(f"The demo failed: {reason}")
        if self._pictures:
            self._window.stop_and_close()
        else:
            self._window.messages.show_message("error", f"The demo failed: {reason}")

    def _say(self, text: str) -> None:
        logger.info("%s", text)
        print(text, flush=True)  # noqa: T201 - the demo speaks to the terminal
