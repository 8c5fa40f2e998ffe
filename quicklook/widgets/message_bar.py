"""A line for messages inside the window, with buttons: no box that has to be clicked away.

It lies over another widget and takes no room of its own: nothing moves below the mouse when it appears.
"""

from __future__ import annotations

from collections.abc import Callable

from quicklook.assets import icon
from quicklook.qt import Qt, QtCore, QtWidgets
from quicklook.widgets.symbol import Symbol

__all__ = ["MessageBar"]


class MessageBar(QtWidgets.QFrame):
    """Shows one message at a time: 'info', 'success', 'warning' or 'error'."""

    def __init__(self) -> None:
        super().__init__(objectName="messageBar")
        self._symbol = Symbol(20)
        self._text = QtWidgets.QLabel(wordWrap=True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._buttons = QtWidgets.QHBoxLayout()
        self._close = QtWidgets.QToolButton(icon=icon("close"), toolTip="Close this message")
        self._close.setAccessibleName("Close this message")
        self._close.clicked.connect(self.hide)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(10, 4, 8, 4)
        layout.addWidget(self._symbol)
        layout.addWidget(self._text, 1)
        layout.addLayout(self._buttons)
        layout.addWidget(self._close)
        self.kind = ""
        self._covered: QtWidgets.QWidget | None = None
        self.hide()

    def cover(self, widget: QtWidgets.QWidget) -> None:
        """Lie over `widget` from now on; a long message reaches below it."""
        self._covered = widget
        self.setParent(widget.parentWidget())
        widget.installEventFilter(self)

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Follow what is covered."""
        kinds = (QtCore.QEvent.Type.Move, QtCore.QEvent.Type.Resize)
        if event is not None and event.type() in kinds:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        if self._covered is not None:
            area = self._covered.geometry()
            needed = self.layout().totalHeightForWidth(area.width())
            area.setHeight(max(area.height(), needed))
            self.setGeometry(area)
            self.raise_()

    @property
    def text(self) -> str:
        """The message, '' if none is shown."""
        return "" if self.isHidden() else self._text.text()

    def button(self, text: str) -> QtWidgets.QPushButton:
        """Return the button of the present message with this text."""
        found = [b for b in self.findChildren(QtWidgets.QPushButton) if b.text() == text]
        return found[-1]

    def show_message(
        self, kind: str, text: str, *buttons: tuple[str, Callable[[], object]]
    ) -> None:
        """Show a message with buttons (text, what to call); it replaces the one before."""
        self.kind = kind
        self._symbol.set_name(kind)
        self._text.setText(text)
        while self._buttons.count():
            old = self._buttons.takeAt(0).widget()
            old.setParent(None)
            old.deleteLater()
        for label, call in buttons:
            button = QtWidgets.QPushButton(label)
            button.clicked.connect(self.hide)
            button.clicked.connect(lambda _checked=False, call=call: call())
            self._buttons.addWidget(button)
        self.setProperty("kind", kind)
        self.style().unpolish(self)
        self.style().polish(self)
        self._place()
        self.show()
