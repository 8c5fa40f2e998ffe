"""The base of every pane: a title line, and one of content, placeholder text, or error page.

Created by the main window. A pane asks for data with its `requested` signal and gets them through
`show_result` or `show_error`; it knows neither files nor threads.
"""

from __future__ import annotations

from quicklook.assets import icon
from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.requests import Request
from quicklook.session import Session
from quicklook.widgets.elided_label import ElidedLabel

__all__ = ["ElidedLabel", "Pane"]

_BUSY_AFTER_MS = 150


class Pane(QtWidgets.QFrame):
    """One card of the window.

    Signals
    -------
    requested
        A `Request` to be answered.
    stopRequested
        `name`: the answer is not wanted any more.

    Attributes
    ----------
    name : str
        Key of its requests; unique in a window.
    """

    requested = Signal(object)
    stopRequested = Signal(str)  # noqa: N815

    def __init__(self, name: str, title: str, session: Session, *, closable: bool = False) -> None:
        super().__init__()
        self.name = name
        self.session = session
        self.setObjectName("card")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._title = QtWidgets.QLabel(title, objectName="paneTitle")
        self._detail = ElidedLabel(objectName="paneDetail")
        self._detail.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._busy = QtWidgets.QToolButton(text="reading…  stop", autoRaise=True)
        self._busy.setObjectName("busy")
        self._busy.setToolTip("Stop reading")
        self._busy.clicked.connect(self.stop_reading)
        self._busy.hide()
        self.header = QtWidgets.QHBoxLayout()
        self.header.setSpacing(6)
        self.header.addWidget(self._title)
        self.header.addWidget(self._busy)
        self.header.addWidget(self._detail, 1)
        if closable:
            self.header.addWidget(self._close_button(title))
        self._pages = QtWidgets.QStackedWidget()
        self._content: QtWidgets.QWidget | None = None
        self._placeholder = _page("placeholder")
        self._error = _page("paneError")
        self._pages.addWidget(self._placeholder)
        self._pages.addWidget(_with_margin(self._error))
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 8, 6)
        layout.setSpacing(4)
        layout.addLayout(self.header)
        layout.addWidget(self._pages, 1)
        self._busy_timer = QtCore.QTimer(self, singleShot=True, interval=_BUSY_AFTER_MS)
        self._busy_timer.timeout.connect(self._busy.show)

    def _close_button(self, title: str) -> QtWidgets.QToolButton:
        button = QtWidgets.QToolButton(
            icon=icon("close"), toolTip=f"Hide {title.lower()} (Plot menu)"
        )
        button.setAccessibleName(f"Hide {title.lower()}")
        button.clicked.connect(self.hide)
        return button

    def set_content(self, widget: QtWidgets.QWidget) -> None:
        """Set the widget that shows data; called once, by the subclass."""
        self._content = widget
        self._pages.addWidget(widget)

    # --- which page ------------------------------------------------------------------------------

    def show_content(self) -> None:
        """Show the data."""
        self._no_longer_busy()
        self.show_content_early()

    def show_content_early(self) -> None:
        """Show what there is of the data, while more is waited for."""
        if self._content is not None:
            self._pages.setCurrentWidget(self._content)

    def show_placeholder(self, text: str) -> None:
        """Show a text where data will be."""
        self._no_longer_busy()
        self.set_detail("")
        self._placeholder.setText(text)
        self._pages.setCurrentWidget(self._placeholder)

    @Slot(str)
    def show_error(self, message: str) -> None:
        """Show why there is nothing to see."""
        self._no_longer_busy()
        self.set_detail("")
        self._error.setText(message)
        self._pages.setCurrentIndex(1)

    def show_result(self, result: object) -> None:
        """Draw an answer; the subclass says how."""
        raise NotImplementedError

    def ask(self, request: Request) -> None:
        """Emit a request, and say so if the answer takes long."""
        if not self._busy.isVisible():
            self._busy_timer.start()
        self.requested.emit(request)

    @Slot()
    def stop_reading(self) -> None:
        """Give up what was asked for."""
        self._no_longer_busy()
        self.stopRequested.emit(self.name)
        self.on_stopped()

    def on_stopped(self) -> None:
        """Say that nothing will come; a subclass may keep what it shows, if that is still true."""
        self.show_placeholder("Stopped.")

    @property
    def waits(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._busy_timer.isActive() or self._busy.isVisible())

    @property
    def message(self) -> str:
        """Text of the placeholder or error page that is shown; '' while there is content."""
        current = self._pages.currentWidget()
        if current is self._content:
            return ""
        return self._placeholder.text() if current is self._placeholder else self._error.text()

    @property
    def detail(self) -> str:
        """Text at the right of the title line."""
        return self._detail.text()

    def set_detail(self, text: str) -> None:
        """Say in the title line what is shown."""
        self._detail.setText(text)
        self._detail.setToolTip(text)

    @property
    def heading(self) -> str:
        """Text of the title line."""
        return self._title.text()

    def set_title(self, text: str) -> None:
        """Rename the pane."""
        self._title.setText(text)

    def _no_longer_busy(self) -> None:
        self._busy_timer.stop()
        self._busy.hide()


def _page(name: str) -> QtWidgets.QLabel:
    label = QtWidgets.QLabel(objectName=name, wordWrap=True)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def _with_margin(label: QtWidgets.QLabel) -> QtWidgets.QWidget:
    page = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(page)
    layout.addStretch(1)
    layout.addWidget(label)
    layout.addStretch(1)
    return page
