"""Content, or a text where it would be: why there is none yet, or what went wrong."""

from __future__ import annotations

from quicklook.qt import Qt, QtWidgets

__all__ = ["TextPages"]


class TextPages(QtWidgets.QStackedWidget):
    """Three pages: content, placeholder, error.

    Parameters
    ----------
    content : QWidget
        What is shown if all is well; the placeholder is shown at first.
    """

    def __init__(self, content: QtWidgets.QWidget) -> None:
        super().__init__()
        self._placeholder = _label("placeholder")
        self._error = _label("paneError")
        self.addWidget(content)
        self.addWidget(_centred(self._placeholder))
        self.addWidget(_centred(self._error))
        self.setCurrentIndex(1)

    def show_content(self) -> None:
        """Show the content."""
        self.setCurrentIndex(0)

    def show_placeholder(self, text: str) -> None:
        """Say why there is no content."""
        self._placeholder.setText(text)
        self.setCurrentIndex(1)

    def show_error(self, message: str) -> None:
        """Say what went wrong."""
        self._error.setText(message)
        self.setCurrentIndex(2)

    @property
    def message(self) -> str:
        """The text that is shown; '' while there is content."""
        return ("", self._placeholder.text(), self._error.text())[self.currentIndex()]

    @property
    def is_error(self) -> bool:
        """Whether the text is an error."""
        return self.currentIndex() == 2


def _label(name: str) -> QtWidgets.QLabel:
    label = QtWidgets.QLabel(objectName=name, wordWrap=True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setMinimumWidth(20)
    return label


def _centred(label: QtWidgets.QLabel) -> QtWidgets.QWidget:
    page = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(page)
    layout.setContentsMargins(0, 0, 2, 0)
    layout.addStretch(1)
    layout.addWidget(label)
    layout.addStretch(1)
    return page
