"""A monkey at the window: random actions from a seed, with mouse, keys, menus, files, exports, conversions.

It only acts; whether the window still tells the truth is found out by `monkey_checks`.
"""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from monkey_files import MonkeyFiles
from PyQt5.QtTest import QTest

from quicklook import theme
from quicklook.main_window import MainWindow
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets
from quicklook.views.plots import KINDS

__all__ = ["Monkey"]

_Kind = QtCore.QEvent.Type
_Buttons = Qt.MouseButton
_Mods = Qt.KeyboardModifier

_KEYS = (
    [getattr(Qt.Key, f"Key_{letter}") for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]
    + [Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down] * 4
    + [Qt.Key.Key_Escape, Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_Return] * 2
    + [Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Space, Qt.Key.Key_Question]
    + [Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown]
    + [Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_Comma, Qt.Key.Key_Period]
    + [getattr(Qt.Key, f"Key_F{n}") for n in range(1, 13)]
)
_NONSENSE = (
    "", "-", "0", "1", "-1", "0.5", "1.234567", "1e99", "nan", "inf", "-inf", "1,5", "abc", "½", "2 2",
    "9" * 40, "0.0005", "-90.05", "/nowhere/at all.h5", "\n", "💥", "a" * 3000, "%s%n", "..", "~",
)  # fmt: skip
_ENDINGS = (".png", ".csv", ".npz", ".fits", ".svg", ".pdf", ".txt", "", ".PNG")
_EVENTS_MS = 4
_STUCK_S = 0.4


class Monkey:
    """Acts on one window; `log` holds the last actions.

    Parameters
    ----------
    new_window : callable
        Gives a shown `MainWindow`.
    """

    def __init__(self, seed: int, files: MonkeyFiles, new_window) -> None:
        self.rng = random.Random(seed)
        self.files = files
        self.new_window = new_window
        self.window: MainWindow = new_window()
        self.log: deque[str] = deque(maxlen=30)
        self.counts: dict[str, int] = {}
        self.conversions = 0
        self.acting_since: float | None = None
        self._mouse_at = QtCore.QPoint(0, 0)
        self._acts = {
            self.click_pixel: 16,
            self.click_anywhere: 14,
            self.drag_image: 10,
            self.drag_anywhere: 6,
            self.wheel: 8,
            self.press_key: 14,
            self.trigger: 16,
            self.type_into_box: 8,
            self.press_button: 8,
            self.choose: 3,
            self.open_something: 7,
            self.cancel_opening: 2,
            self.drop: 2,
            self.plot_window: 4,
            self.close_plot_window: 4,
            self.close_dialog: 5,
            self.colour_bar: 4,
            self.move_span: 3,
            self.region: 6,
            self.plot_image: 6,
            self.move_mouse: 5,
            self.wait: 4,
            self.resize: 1,
            self.change_theme: 1,
            self.export: 2,
            self.convert: 1,
            self.cancel_conversion: 1,
        }
        self._unjam = QtCore.QTimer(interval=15)
        self._unjam.timeout.connect(self._get_out)
        self._unjam.start()

    # --- one action ------------------------------------------------------------------------------

    def act(self) -> str:
        """Do something, let the events be served a little, and return the name of what was done."""
        [act] = self.rng.choices(list(self._acts), list(self._acts.values()))
        name = act.__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        self.log.append(name)
        self.acting_since = time.monotonic()
        try:
            act()
        finally:
            self.acting_since = None
        self.serve()
        if not self.window.isVisible():
            self.note("the window was closed: another one")
            self.replace_window()
        return name

    def note(self, text: str) -> None:
        """Say more of the present action."""
        self.log[-1] += f" {text}"

    def serve(self, milliseconds: int = _EVENTS_MS) -> None:
        """Let events be served."""
        QtWidgets.QApplication.processEvents(
            QtCore.QEventLoop.ProcessEventsFlag.AllEvents, milliseconds
        )

    def replace_window(self) -> None:
        """Close the window and open another one."""
        self.close_window()
        self.window = self.new_window()

    def close_window(self) -> None:
        """Close the window as a person would who does not want to wait."""
        self.window.stop_and_close()
        end = time.monotonic() + 20
        while self.window.isVisible():
            assert time.monotonic() < end, "the window does not close"
            self.serve()
            time.sleep(0.002)
        self.window.deleteLater()
        QtWidgets.QApplication.sendPostedEvents(None, _Kind.DeferredDelete)

    def stop(self) -> None:
        """Act no more."""
        self._unjam.stop()

    def _get_out(self) -> None:
        """Leave menus that were opened, and the loops that Qt runs while something is dragged."""
        popup = QtWidgets.QApplication.activePopupWidget()
        if popup is not None:
            if isinstance(popup, QtWidgets.QMenu) and self.rng.random() < 0.5:
                actions = [a for a in popup.actions() if a.objectName() != "exit"]
                if actions:
                    popup.setActiveAction(self.rng.choice(actions))
            popup.close()
        elif self.acting_since is not None and time.monotonic() - self.acting_since > _STUCK_S:
            QTest.keyClick(self.window, Qt.Key.Key_Escape)

    # --- where -----------------------------------------------------------------------------------

    def _top_levels(self) -> list[QtWidgets.QWidget]:
        return [w for w in QtWidgets.QApplication.topLevelWidgets() if w.isVisible()]

    def _somewhere(self) -> tuple[QtWidgets.QWidget, QtCore.QPoint]:
        """Return a widget and a place in it."""
        tops = [self.window, *self._top_levels()]
        top = self.rng.choice(tops)
        place = QtCore.QPoint(
            self.rng.randrange(max(top.width(), 1)), self.rng.randrange(max(top.height(), 1))
        )
        widget = top.childAt(place) or top
        return widget, widget.mapFrom(top, place)

    def _in_image(self) -> QtCore.QPoint:
        viewport = self.window.image.view.viewport()
        return QtCore.QPoint(
            self.rng.randrange(max(viewport.width(), 1)),
            self.rng.randrange(max(viewport.height(), 1)),
        )

    def _modifiers(self) -> Qt.KeyboardModifier:
        return self.rng.choice(
            [_Mods.NoModifier] * 5
            + [_Mods.ControlModifier, _Mods.ShiftModifier, _Mods.AltModifier]
            + [_Mods.ControlModifier | _Mods.ShiftModifier]
        )

    def _mouse(self, widget, kind, place, button, held, modifiers=_Mods.NoModifier) -> None:
        event = QtGui.QMouseEvent(
            kind,
            QtCore.QPointF(place),
            QtCore.QPointF(widget.mapToGlobal(place)),
            button,
            held,
            modifiers,
        )
        QtWidgets.QApplication.sendEvent(widget, event)

    def _click(self, widget, place, button, modifiers) -> None:
        self._mouse(widget, _Kind.MouseButtonPress, place, button, button, modifiers)
        if _alive(widget):
            self._mouse(
                widget, _Kind.MouseButtonRelease, place, button, _Buttons.NoButton, modifiers
            )

    def _drag(self, widget, start, stop, button, modifiers) -> None:
        self._mouse(widget, _Kind.MouseButtonPress, start, button, button, modifiers)
        steps = self.rng.randint(1, 6)
        for k in range(1, steps + 1):
            if _alive(widget):
                where = start + (stop - start) * k / steps
                self._mouse(widget, _Kind.MouseMove, where, _Buttons.NoButton, button, modifiers)
                if self.rng.random() < 0.2:
                    self.serve(1)
        if _alive(widget):
            self._mouse(
                widget, _Kind.MouseButtonRelease, stop, button, _Buttons.NoButton, modifiers
            )

    # --- mouse -----------------------------------------------------------------------------------

    def click_pixel(self) -> None:
        """Click on the image."""
        facts, view = self.window.session.file, self.window.image.view
        place = self._in_image()
        if facts is not None:
            x, y = (self.rng.randrange(n) for n in facts.shape)
            scene = view.array_items.mapToScene(QtCore.QPointF(x, y))
            place = view.mapFromScene(scene)
            self.note(f"({x}, {y})")
        modifiers = self._modifiers()
        self._click(view.viewport(), place, _Buttons.LeftButton, modifiers)

    def click_anywhere(self) -> None:
        """Click on whatever is there."""
        widget, place = self._somewhere()
        button = self.rng.choice(
            [_Buttons.LeftButton] * 6 + [_Buttons.RightButton, _Buttons.MiddleButton]
        )
        self.note(f"{_name(widget)} at {place.x()}, {place.y()} button {int(button)}")
        modifiers = self._modifiers()
        if self.rng.random() < 0.1:
            self._mouse(widget, _Kind.MouseButtonDblClick, place, button, button, modifiers)
        if _alive(widget):
            self._click(widget, place, button, modifiers)

    def drag_image(self) -> None:
        """Drag on the image: pan, draw, move or resize regions, change the contrast."""
        button = self.rng.choice([_Buttons.LeftButton] * 3 + [_Buttons.RightButton])
        start, stop = self._in_image(), self._in_image()
        self.note(f"{start} {stop} button {int(button)}")
        self._drag(self.window.image.view.viewport(), start, stop, button, self._modifiers())

    def drag_anywhere(self) -> None:
        """Drag whatever is there."""
        widget, start = self._somewhere()
        stop = start + QtCore.QPoint(self.rng.randint(-200, 200), self.rng.randint(-200, 200))
        button = self.rng.choice(
            [_Buttons.LeftButton] * 3 + [_Buttons.RightButton, _Buttons.MiddleButton]
        )
        self.note(f"{_name(widget)} {start} {stop} button {int(button)}")
        self._drag(widget, start, stop, button, self._modifiers())

    def wheel(self) -> None:
        """Turn the wheel."""
        if self.rng.random() < 0.5:
            widget, place = self.window.image.view.viewport(), self._in_image()
        else:
            widget, place = self._somewhere()
        turns = self.rng.choice([-1200, -120, -8, 8, 120, 1200])
        self.note(f"{_name(widget)} {turns}")
        event = QtGui.QWheelEvent(
            QtCore.QPointF(place),
            QtCore.QPointF(widget.mapToGlobal(place)),
            QtCore.QPoint(),
            QtCore.QPoint(0, turns),
            _Buttons.NoButton,
            self._modifiers(),
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QtWidgets.QApplication.sendEvent(widget, event)

    def move_mouse(self) -> None:
        """Move the mouse over the image, or away from it."""
        viewport = self.window.image.view.viewport()
        if self.rng.random() < 0.2:
            QtWidgets.QApplication.sendEvent(viewport, QtCore.QEvent(_Kind.Leave))
        else:
            self._mouse(
                viewport, _Kind.MouseMove, self._in_image(), _Buttons.NoButton, _Buttons.NoButton
            )

    def colour_bar(self) -> None:
        """Click, drag or turn the wheel on the colour bar."""
        bar = self.window.image.colour_bar
        place, other = (
            QtCore.QPoint(self.rng.randrange(60), self.rng.randrange(max(bar.height(), 1)))
            for _ in range(2)
        )
        modifiers = self._modifiers()
        button = self.rng.choice([_Buttons.LeftButton, _Buttons.RightButton])
        kind = self.rng.choice(["click", "drag", "double"])
        self.note(f"{kind} {place}")
        if kind == "click":
            self._click(bar, place, button, modifiers)
        elif kind == "drag":
            self._drag(bar, place, other, button, modifiers)
        else:
            self._mouse(bar, _Kind.MouseButtonDblClick, place, button, button, modifiers)

    def move_span(self) -> None:
        """Drag the span on the time line."""
        low, high = sorted(self.rng.uniform(-0.5, 2.5) for _ in range(2))
        self.note(f"{low:g} {high:g}")
        if not self.window.timeline.message:
            self.window.timeline.span.setRegion((low, high))

    # --- keys and controls -----------------------------------------------------------------------

    def press_key(self) -> None:
        """Press a key where the focus is."""
        key, modifiers = self.rng.choice(_KEYS), self._modifiers()
        if (key in (Qt.Key.Key_Q, Qt.Key.Key_X) and modifiers) or (
            key == Qt.Key.Key_F4 and modifiers & _Mods.AltModifier
        ):
            return  # would close the window
        focus = QtWidgets.QApplication.focusWidget()
        target = focus if focus is not None and self.rng.random() < 0.7 else self.window
        if self.rng.random() < 0.2:
            target = self.window.image
        self.note(f"{QtGui.QKeySequence(key).toString()} {int(modifiers):#x} on {_name(target)}")
        QTest.keyClick(target, key, modifiers)

    def trigger(self) -> None:
        """Trigger any action, also a disabled one."""
        names = [name for name in self.window.actions_by_name if name != "exit"]
        name = self.rng.choice(names)
        if name == "convert" and self.rng.random() < 0.7:
            return
        self.note(name)
        self.window.actions_by_name[name].trigger()

    def type_into_box(self) -> None:
        """Type nonsense, or a number, into any box."""
        top = self.rng.choice([self.window] * 3 + self._top_levels())
        boxes = [
            box
            for kind in (QtWidgets.QLineEdit, QtWidgets.QAbstractSpinBox)
            for box in top.findChildren(kind)
            if box.isVisible() and box.isEnabled()
        ]
        if not boxes:
            return
        box = self.rng.choice(boxes)
        text = self.rng.choice([*_NONSENSE, f"{self.rng.uniform(-100, 100):.4f}"])
        if self.rng.random() < 0.5:
            text = f"{self.rng.uniform(0, 2.2):.4f}"
        self.note(f"{_name(box)} {text[:20]!r}")
        self._enter(box, text[:60])

    def _enter(self, box: QtWidgets.QWidget, text: str) -> None:
        if isinstance(box, QtWidgets.QAbstractSpinBox):
            box.selectAll()
        else:
            box.setSelection(0, len(box.text()))
        for letter in text:
            _type(box, letter)
            if not _alive(box):
                return
        QTest.keyClick(box, self.rng.choice([Qt.Key.Key_Return, Qt.Key.Key_Tab, Qt.Key.Key_Up]))

    def change_one_thing(self) -> None:
        """Change one thing that much on the screen depends on, and nothing after it."""
        window = self.window
        times, band = window.controls.times, window.controls.band
        box = self.rng.choice(
            [times.start, times.stop, band.start, band.stop, band.stop, window.card.bin_ms]
        )
        if box.isEnabled() and self.rng.random() < 0.6:
            number = self.rng.uniform(box.minimum(), box.maximum())
            self.log.append(f"then only {_name(box)} of {_name(box.parentWidget())} {number:.3f}")
            self._enter(box, f"{number:.3f}")
        else:
            act = self.rng.choice([self.click_pixel, self.plot_image, self.region, self.move_span])
            self.log.append(f"then only {act.__name__}")
            act()

    def press_button(self) -> None:
        """Press any button of any window."""
        top = self.rng.choice([self.window] * 2 + self._top_levels())
        buttons = [b for b in top.findChildren(QtWidgets.QAbstractButton) if b.isVisible()]
        if buttons:
            button = self.rng.choice(buttons)
            self.note(f"{_name(button)} {button.text()!r} {button.toolTip()[:30]!r}")
            self._click(button, button.rect().center(), _Buttons.LeftButton, _Mods.NoModifier)

    def choose(self) -> None:
        """Choose in any combo box, or a tab."""
        top = self.rng.choice([self.window] * 2 + self._top_levels())
        kinds = (QtWidgets.QComboBox, QtWidgets.QTabBar, QtWidgets.QListWidget)
        boxes = [b for kind in kinds for b in top.findChildren(kind) if b.isVisible()]
        if not boxes:
            return
        box = self.rng.choice(boxes)
        if box.count():
            number = self.rng.randrange(box.count())
            self.note(f"{_name(box)} {number}")
            if isinstance(box, QtWidgets.QListWidget):
                box.setCurrentRow(number)
            else:
                box.setCurrentIndex(number)
                if isinstance(box, QtWidgets.QComboBox):
                    box.activated[int].emit(number)

    # --- files -----------------------------------------------------------------------------------

    def some_paths(self) -> list[Path]:
        """Return what somebody might open."""
        kinds = [self.files.good] * 8 + [[[p] for p in self.files.bad]] * 2
        kinds += [[[p] for p in self.files.broken]]
        paths = self.rng.choice(self.rng.choice(kinds))
        if self.rng.random() < 0.05:
            paths = [paths[0].parent]
        return list(paths)

    def open_something(self) -> None:
        """Open files, with the dialog or without, or the same again."""
        paths = self.some_paths()
        self.note(f"{[str(p.relative_to(self.files.folder)) for p in paths]}")
        if self.rng.random() < 0.15:
            self.window.actions_by_name["reload"].trigger()
        else:
            self.window.opening.open_paths(paths)

    def cancel_opening(self) -> None:
        """Open a file and think better of it."""
        if self.rng.random() < 0.7:
            self.window.opening.open_paths(self.some_paths())
            self.serve(self.rng.randrange(4))
        self.window.opening.cancel()

    def drop(self) -> None:
        """Drag files over the window, and drop them or not."""
        data = QtCore.QMimeData()
        paths = self.some_paths()
        self.note(str(paths[0].name))
        data.setUrls([QtCore.QUrl.fromLocalFile(str(path)) for path in paths])
        every = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
        place = QtCore.QPoint(50, 50)
        rest = (every, data, _Buttons.LeftButton, _Mods.NoModifier)
        send = QtWidgets.QApplication.sendEvent
        send(self.window, QtGui.QDragEnterEvent(place, *rest))
        send(self.window, QtGui.QDragMoveEvent(place, *rest))
        if self.rng.random() < 0.5:
            send(self.window, QtGui.QDropEvent(QtCore.QPointF(place), *rest))
        else:
            send(self.window, QtGui.QDragLeaveEvent())

    def file_name(self, *_args, **_kwargs) -> tuple[str, str]:
        """What a dialog for one file returns."""
        chance = self.rng.random()
        if chance < 0.3:
            return "", ""
        if chance < 0.5:
            return str(self.rng.choice(self.some_paths())), ""
        name = f"{self.rng.randrange(5)}{self.rng.choice(_ENDINGS)}"
        if chance < 0.6:
            return str(self.files.folder / "absent" / name), ""
        return str(self.files.out(name)), ""

    def file_names(self, *_args, **_kwargs) -> tuple[list[str], str]:
        """What a dialog for several files returns."""
        return ([str(p) for p in self.some_paths()] if self.rng.random() < 0.6 else []), ""

    def folder_name(self, *_args, **_kwargs) -> str:
        """What a dialog for a folder returns."""
        return str(self.some_paths()[0].parent) if self.rng.random() < 0.6 else ""

    def export(self) -> None:
        """Export something."""
        names = [name for name in self.window.actions_by_name if name.startswith("export_")]
        name = self.rng.choice(names)
        self.note(name)
        self.window.actions_by_name[name].trigger()

    def convert(self) -> None:
        """Start a conversion; a few are enough, since each is a process."""
        if self.conversions < 3 and not self.window.jobs.jobs:
            self.conversions += 1
            form = self.rng.choice(self.files.forms)
            self.window.conversion.start(replace(form, open_result=self.rng.random() < 0.5))

    def cancel_conversion(self) -> None:
        """Cancel conversions."""
        self.window.jobs.cancel_all()

    # --- windows and the rest --------------------------------------------------------------------

    def plot_window(self) -> None:
        """Open a plot in a window of its own."""
        if self.window.session.file is not None and len(self.window.plot_windows.windows) < 5:
            kind = self.rng.choice(list(KINDS))
            self.note(kind)
            self.window.plot_windows.open(kind)

    def close_plot_window(self) -> None:
        """Close one of them."""
        windows = self.window.plot_windows.windows
        if windows:
            self.rng.choice(windows).close()

    def close_dialog(self) -> None:
        """Close a small window."""
        others = [
            w
            for w in self._top_levels()
            if isinstance(w, QtWidgets.QDialog) and w is not self.window
        ]
        if others:
            self.rng.choice(others).close()

    def region(self) -> None:
        """Choose a tool and draw, or change the regions."""
        act = self.window.actions_by_name
        tool = self.rng.choice(["rectangle", "circle", "pixels", "pointer"])
        name = self.rng.choice(
            [tool, tool, tool, "undo", "plot_region", "next_region", "remove_region"]
        )
        self.note(name)
        act[name].trigger()
        if name in ("rectangle", "circle"):
            start, stop = self._in_image(), self._in_image()
            viewport = self.window.image.view.viewport()
            self._drag(viewport, start, stop, _Buttons.LeftButton, _Mods.NoModifier)

    def plot_image(self) -> None:
        """Choose counts or flags, and press Plot Image."""
        controls = self.window.controls
        button = self.rng.choice([controls.counts, controls.counts, controls.flags])
        middle = QtCore.QPoint(8, button.height() // 2)
        self._click(button, middle, _Buttons.LeftButton, _Mods.NoModifier)
        if self.rng.random() < 0.8:
            plot = controls.plot
            self._click(plot, plot.rect().center(), _Buttons.LeftButton, _Mods.NoModifier)

    def wait(self) -> None:
        """Do nothing for a while."""
        self.serve(self.rng.randrange(40))

    def resize(self) -> None:
        """Give the window another size."""
        self.window.resize(self.rng.randint(700, 1900), self.rng.randint(500, 1100))

    def change_theme(self) -> None:
        """Change the looks."""
        theme.use(self.rng.choice(theme.NAMES), self.rng.choice([1.0, 1.0, 0.8, 1.5]))


def _type(widget: QtWidgets.QWidget, letter: str) -> None:
    """Type any letter (QTest knows only those of ASCII)."""
    for kind in (_Kind.KeyPress, _Kind.KeyRelease):
        event = QtGui.QKeyEvent(kind, 0, _Mods.NoModifier, letter)
        if _alive(widget):
            QtWidgets.QApplication.sendEvent(widget, event)


def _alive(widget: QtWidgets.QWidget) -> bool:
    try:
        widget.isVisible()
    except RuntimeError:  # freed by Qt
        return False
    return True


def _name(widget: QtWidgets.QWidget) -> str:
    return f"{type(widget).__name__}/{widget.objectName() or widget.accessibleName()}"
