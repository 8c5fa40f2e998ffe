"""Runs the program as ``python -m quicklook`` does, and answers questions about it on stdin, one line each.

    {"ask": "state"}                      what is on the screen
    {"ask": "place", "of": "controls.plot"}   where the middle of something is, in pixels of the screen
    {"ask": "picture", "path": "x.png"}   a picture of the whole screen

For tests with a real mouse; changes nothing by itself.
"""

from __future__ import annotations

import json
import os
import sys
from operator import attrgetter

from quicklook import launch, theme
from quicklook.__main__ import main
from quicklook.action_texts import bare
from quicklook.qt import QtCore, QtWidgets


class Watched(launch.MainWindow):
    """The window with a listener."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        os.set_blocking(sys.stdin.fileno(), False)
        self._rest = b""
        self._listener = QtCore.QSocketNotifier(
            sys.stdin.fileno(), QtCore.QSocketNotifier.Type.Read, self
        )
        self._listener.activated.connect(self._on_input)

    def _on_input(self, *_: object) -> None:
        data = os.read(sys.stdin.fileno(), 65536)
        if not data:  # the test has ended
            self._listener.setEnabled(False)
            self.stop_and_close()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            question = json.loads(line)
            ask = question.pop("ask")
            answer = {"state": self.state, "place": self.place, "picture": self.picture}[ask](
                **question
            )
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    # --- answers ---------------------------------------------------------------------------------

    def state(self) -> dict[str, object]:
        """Return what is on the screen."""
        facts, image = self.session.file, self.image
        tops = [w for w in QtWidgets.QApplication.topLevelWidgets() if w.isVisible()]
        others = [w for w in tops if w.isWindow() and w is not self]
        focus = QtWidgets.QApplication.focusWidget()
        return {
            "id": int(self.winId()),
            "active": self.isActiveWindow(),
            "size": (self.width(), self.height()),
            "hint is whole": self.controls.hint.width() >= self.controls.hint.sizeHint().width(),
            "file": str(facts.path) if facts else "",
            "title": self.windowTitle(),
            "heading": image.heading,
            "array": image.array.tolist() if image.array is not None else None,
            "legend": [(name, count) for _, name, count, _ in image.legend.entries],
            "pixel": self.session.pixel,
            "times": self.session.time_range,
            "band": self.session.band,
            "counts chosen": self.controls.wants_counts,
            "hint": self.controls.hint.text(),
            "status": self.status.active_text,
            "message": self.messages.text,
            "theme": theme.current().name,
            "palette": self.panels.palette.isVisible(),
            "focus": type(focus).__name__,
            "windows": {w.windowTitle(): int(w.winId()) for w in others},
            "plots": {pane.kind: _plot(pane) for pane in self.card.panes if pane.isVisible()},
            "own": {w.kind: _plot(w.pane) for w in self.plot_windows.windows},
        }

    def place(self, of: str, dx: int = 0) -> list[int] | None:
        """Return where the middle of something is: x, y, or null if it is not to be seen.

        ``controls.plot``: a widget of the window; ``pixel 3 2``; ``menu File``; ``entry Open``, in an open
        menu; ``dialog Cancel``, a button or named widget of the active dialog.
        """
        kind, _, rest = of.partition(" ")
        if kind == "pixel":
            return self._pixel(*map(int, rest.split()))
        if kind == "menu":
            return _in_menu(self.menuBar(), rest)
        if kind == "entry":
            menus = [w for w in QtWidgets.QApplication.topLevelWidgets() if w.isVisible()]
            for menu in menus:
                found = _in_menu(menu, rest) if isinstance(menu, QtWidgets.QMenu) else None
                if found is not None:
                    return found
            return None
        if kind == "dialog":
            return _in_dialog(rest)
        widget = attrgetter(of)(self)
        middle = widget.rect().center() + QtCore.QPoint(dx, 0)
        return _global(widget, middle) if widget.isVisible() else None

    def _pixel(self, x: int, y: int) -> list[int]:
        view = self.image.view
        place = view.mapFromScene(view.array_items.mapToScene(QtCore.QPointF(x, y)))
        return _global(view.viewport(), place)

    def picture(self, path: str) -> bool:
        """Take a picture of the screen."""
        return bool(QtWidgets.QApplication.primaryScreen().grabWindow(0).save(path))


def _plot(pane: object) -> dict[str, object]:
    """Return what a plot says: of which pixel, how many counts."""
    if pane.shown is None:
        return {"pixel": None, "message": pane.message}
    request, data = pane.shown.request, pane.shown.data
    counts = getattr(data, "counts", None)
    return {
        "pixel": request.pixel,
        "times": (request.start_s, request.stop_s),
        "band": (request.low, request.high),
        "counts": None if counts is None else int(counts.sum()),
        "message": pane.message,
    }


def _global(widget: QtWidgets.QWidget, place: QtCore.QPoint) -> list[int]:
    found = widget.mapToGlobal(place)
    return [found.x(), found.y()]


def _in_menu(menu: QtWidgets.QWidget, text: str) -> list[int] | None:
    for action in menu.actions():
        if bare(action.text()) == text:
            return _global(menu, menu.actionGeometry(action).center())
    return None


def _in_dialog(name: str) -> list[int] | None:
    dialog = QtWidgets.QApplication.activeModalWidget() or QtWidgets.QApplication.activeWindow()
    if dialog is None:
        return None
    for widget in dialog.findChildren(QtWidgets.QWidget):
        text = bare(widget.text()) if isinstance(widget, QtWidgets.QPushButton) else ""
        if widget.isVisible() and name in (widget.objectName(), text):
            return _global(widget, widget.rect().center())
    return None


if __name__ == "__main__":
    launch.MainWindow = Watched
    sys.exit(main())
