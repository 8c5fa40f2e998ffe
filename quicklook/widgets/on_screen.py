"""Windows that fit the screen: no larger than it leaves room for, with forms that scroll where it is too small."""

from __future__ import annotations

from quicklook.qt import QtCore, QtGui, QtWidgets

__all__ = ["ScrollingForm", "resize_on_screen", "room_on_screen"]

_FRAME = (16, 40)
"""What the window manager puts around a window: borders, a title bar."""
_WITHOUT_EDGES = ("offscreen", "minimal")
_LOWEST_FORM = 160


def room_on_screen(window: QtWidgets.QWidget) -> QtCore.QSize | None:
    """Return what a window may fill inside its frame; None where pictures are drawn and nobody looks at a screen."""
    screen = window.screen() or QtGui.QGuiApplication.primaryScreen()
    if screen is None or QtGui.QGuiApplication.platformName() in _WITHOUT_EDGES:
        return None
    return screen.availableGeometry().size() - QtCore.QSize(*_FRAME)


def resize_on_screen(window: QtWidgets.QWidget, width: int, height: int) -> None:
    """Give a window a size, or as much of it as its screen has."""
    wanted = QtCore.QSize(width, height)
    room = room_on_screen(window)
    window.resize(wanted if room is None else wanted.boundedTo(room))


class ScrollingForm(QtWidgets.QScrollArea):
    """A form that scrolls if there is no room for all of it, so that the buttons below it stay in sight."""

    def __init__(self, layout: QtWidgets.QLayout) -> None:
        super().__init__(widgetResizable=True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
        content = QtWidgets.QWidget()
        layout.setContentsMargins(0, 0, 0, 0)
        content.setLayout(layout)
        self.setWidget(content)

    def sizeHint(self) -> QtCore.QSize:
        """Return the size of the whole form."""
        return self.widget().sizeHint()

    def minimumSizeHint(self) -> QtCore.QSize:
        """Return what is always seen: the width of the form if the screen has it, not its height."""
        least = self.widget().minimumSizeHint()
        room = room_on_screen(self.window())
        width = least.width() + self.verticalScrollBar().sizeHint().width()
        if room is not None:
            width = min(width, room.width() - 2 * _FRAME[1])
        return QtCore.QSize(width, min(least.height(), _LOWEST_FORM))
