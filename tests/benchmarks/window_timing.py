"""What the benchmark of the window measures with: waiting in the event loop, what was painted, lines of figures."""

from __future__ import annotations

import os
import time

import numpy as np

from quicklook.qt import QtCore, QtWidgets


def report(what, figure, unit, yardstick, name, goal=None):
    """Print a figure, how many times its yardstick it is, and the load of the machine at that moment."""
    line = f"{what:<66} {figure:8.1f} {unit} {figure / yardstick:7.2f} x {name} ({yardstick:.1f} {unit})"
    line += f"  load {os.getloadavg()[0]:.1f}"
    if goal is not None:
        line += f"   goal {goal} {unit}: {'reached' if figure <= goal else 'MISSED'}"
    print(line, flush=True)


def report_steps(what, times_ms, yardstick_ms, name, goal=None):
    """Print median and 95th percentile of the times of many steps; the goal is for the latter."""
    p50, p95 = np.percentile(times_ms, (50, 95))
    report(f"{what}, p50 of {len(times_ms)}", p50, "ms", yardstick_ms, name)
    report(f"{what}, p95 of {len(times_ms)}", p95, "ms", yardstick_ms, name, goal)


def wait_until(condition, seconds=60):
    """Serve the event loop until the condition holds; returns the time it took."""
    start = time.perf_counter()
    loop = QtCore.QEventLoop()
    timer = QtCore.QTimer(interval=1)

    def look():
        # also for the deadline: a single shot would outlive this loop and end a later one in its place
        if condition() or time.perf_counter() > start + seconds:
            loop.quit()

    timer.timeout.connect(look)
    timer.start()
    if not condition():
        loop.exec()
    if not condition():
        raise TimeoutError
    return time.perf_counter() - start


def let_pass(seconds):
    """Serve the event loop for so long."""
    end = time.perf_counter() + seconds
    wait_until(lambda: time.perf_counter() > end, seconds + 5)


def median_ms(function, times=7):
    """Return how long a call takes."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        taken.append(1e3 * (time.perf_counter() - start))
    return float(np.median(taken))


class Painted(QtCore.QObject):
    """Whether a widget has been painted since a signal told that it shows something else."""

    def __init__(self, widget, changed):
        super().__init__()
        self.up_to_date = True
        self._changed = changed
        widget.installEventFilter(self)
        changed.connect(self._on_change)

    def _on_change(self):
        self.up_to_date = False

    def stop(self):
        """Look no longer."""
        self._changed.disconnect(self._on_change)

    def eventFilter(self, _watched, event):
        if event.type() == QtCore.QEvent.Type.Paint:
            self.up_to_date = True
        return False


class Plots:
    """The three plots of a window, and whether they show what was asked for."""

    def __init__(self, window):
        self._panes = window.card.panes
        self._painted = [Painted(p.plot.viewport(), p.changed) for p in self._panes]

    def show(self, pixels):
        """Return whether all plots are of these pixels, on the screen."""
        return all(
            pane.shown is not None and pane.shown.request.pixels == pixels for pane in self._panes
        ) and all(painted.up_to_date for painted in self._painted)

    def stop(self):
        """Look no longer."""
        for painted in self._painted:
            painted.stop()


def flush():
    """Serve what is waiting."""
    QtWidgets.QApplication.processEvents()
