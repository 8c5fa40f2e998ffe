"""The real window on real files, and what tests look at on the screen."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
from gui_actions import position_of

from quicklook.main_window import MainWindow
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets


@contextmanager
def real_window(qtbot, settings):
    """A shown main window that opens files of the disk."""
    window = MainWindow(settings)
    window.resize(1280, 800)
    with qtbot.waitExposed(window):
        window.show()
    qtbot.wait(30)  # one pass of the layout
    try:
        yield window
    finally:
        window.stop_and_close()
        qtbot.waitUntil(lambda: not window.isVisible(), timeout=5000)
        window.deleteLater()


def all_read(window):
    """Whether every answer of the reads lane is on the screen."""
    return not window.reads.jobs and not window.broker.turns.busy


def open_path(qtbot, window, path):
    """Open a file and wait until the window is at rest, also with its survey."""
    with qtbot.waitSignal(window.fileOpened, timeout=20_000):
        window.open_file(path)
    qtbot.waitUntil(lambda: all_read(window), timeout=20_000)
    qtbot.wait(30)


def at_rest(qtbot, window):
    """Wait until nothing is read or looked for any more."""
    qtbot.waitUntil(lambda: all_read(window) and not window.chores.jobs, timeout=20_000)
    qtbot.wait(20)


def marked(window):
    """Return the row of the log in bold: the entry before the second on the screen."""
    table = window.log.table
    rows = [row for row in range(table.rowCount()) if table.item(row, 0).font().bold()]
    if not rows:
        return None
    (row,) = rows
    assert table.selectionModel().isRowSelected(row)
    return tuple(table.item(row, column).text() for column in (0, 1, 2, 5))


def set_photons(obs, pixel, times):
    """Give a pixel of a `FakeObs` these photons, in the middle of the band."""
    obs.times[pixel] = np.sort(np.asarray(times, float))
    obs.phases[pixel] = np.full(len(times), -65.0)
    obs.wavelengths[pixel] = np.full(len(times), 1000.0)


def type_into(qtbot, box, text):
    """Replace the text of a box, and press Return."""
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def wheel(widget, position, steps=1):
    """Turn the wheel over a point of a widget; what it ignores goes to its parent, as on a real desktop."""
    while widget is not None:
        event = QtGui.QWheelEvent(
            QtCore.QPointF(position),
            QtCore.QPointF(widget.mapToGlobal(position)),
            QtCore.QPoint(),
            QtCore.QPoint(0, 120 * steps),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QtWidgets.QApplication.sendEvent(widget, event)
        if event.isAccepted():
            return
        position = widget.mapToParent(position)
        widget = widget.parentWidget()


def screen_colour(window, x, y):
    """Red, green and blue of a pixel of the array on the screen, beside its middle."""
    grab = window.image.view.viewport().grab().toImage()
    return grab.pixelColor(position_of(window, x + 0.25, y + 0.25)).getRgb()[:3]


def words_of(pane):
    """All that a plot says in letters: title, lines above, labels of its axes."""
    axes = [pane.plot.getPlotItem().getAxis(side).labelText for side in ("left", "bottom")]
    return " | ".join((pane.heading, pane.detail, pane.figures.text(), pane.message, *axes))


class PaintCounter(QtCore.QObject):
    """Counts how often a widget is painted."""

    def __init__(self, widget):
        super().__init__()
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, _watched, event):
        self.count += event.type() == QtCore.QEvent.Type.Paint
        return False
