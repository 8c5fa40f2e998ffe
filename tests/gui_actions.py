"""What a person does with the window, with real mouse events."""

from __future__ import annotations

from quicklook.qt import Qt, QtCore, QtGui, QtWidgets


def position_of(window, x, y):
    """Where pixel (x, y) is on the screen, in the coordinates of the image's viewport."""
    pane = window.image
    return pane.view.mapFromScene(pane.view.array_items.mapToScene(QtCore.QPointF(x, y)))


def click_pixel(qtbot, window, x, y):
    """Click in the middle of a pixel."""
    qtbot.mouseClick(
        window.image.view.viewport(), Qt.MouseButton.LeftButton, pos=position_of(window, x, y)
    )


def move_to(window, x, y):
    """Move the mouse over a pixel without pressing anything."""
    event = QtGui.QMouseEvent(
        QtCore.QEvent.Type.MouseMove,
        QtCore.QPointF(position_of(window, x, y)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QtWidgets.QApplication.sendEvent(window.image.view.viewport(), event)


def wait_for_plots(qtbot, window, pixel, **wanted):
    """Wait until all visible plots show this pixel, with these fields in their requests."""

    def right(pane):
        if pane.shown is None:
            return False
        request = pane.shown.request
        return request.pixel == pixel and all(getattr(request, k) == v for k, v in wanted.items())

    qtbot.waitUntil(lambda: all(right(p) for p in window.card.panes if p.isVisible()), timeout=5000)


def plot_counts(qtbot, window):
    """Choose Raw Counts, press Plot Image, wait for the answer."""
    window.controls.counts.setChecked(True)
    with qtbot.waitSignal(window.image.shownChanged, timeout=5000):
        qtbot.mouseClick(window.controls.plot, Qt.MouseButton.LeftButton)


def drag(qtbot, widget, start, stop, button=Qt.MouseButton.LeftButton, steps=8):
    """Press, move in steps, release: QTest sends no buttons with moves, so events are made here."""
    none = Qt.KeyboardModifier.NoModifier

    def send(kind, where, pressed, held):
        event = QtGui.QMouseEvent(
            kind,
            QtCore.QPointF(where),
            QtCore.QPointF(widget.mapToGlobal(where)),
            pressed,
            held,
            none,
        )
        QtWidgets.QApplication.sendEvent(widget, event)

    send(QtCore.QEvent.Type.MouseButtonPress, start, button, button)
    for k in range(1, steps + 1):
        where = start + (stop - start) * k / steps
        send(QtCore.QEvent.Type.MouseMove, where, Qt.MouseButton.NoButton, button)
    send(QtCore.QEvent.Type.MouseButtonRelease, stop, button, Qt.MouseButton.NoButton)
    qtbot.wait(1)
