"""The illustrated guide in a window of its own: no browser is needed at the telescope."""

from __future__ import annotations

from quicklook.assets import guide_picture, guide_text
from quicklook.qt import QtCore, QtGui, QtWidgets
from quicklook.widgets.on_screen import resize_on_screen

__all__ = ["GuideDialog"]

_WIDTH, _HEIGHT = 900, 760
_MARGIN = 84


class GuideDialog(QtWidgets.QDialog):
    """Shows the guide; does not block the window."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("User guide - quicklook")
        self.setModal(False)
        self.browser = _GuideBrowser()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.browser)
        resize_on_screen(self, _WIDTH, _HEIGHT)
        self.browser.setMarkdown(guide_text())


class _GuideBrowser(QtWidgets.QTextBrowser):
    """Finds the pictures among the packaged resources, and makes them as wide as there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("User guide")
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.document().setDocumentMargin(24)
        self.setOpenExternalLinks(False)

    def loadResource(self, kind: int, url: QtCore.QUrl) -> object:  # noqa: N802
        """Return a picture that the text names."""
        if kind != QtGui.QTextDocument.ResourceType.ImageResource:
            return super().loadResource(kind, url)
        picture = QtGui.QImage.fromData(guide_picture(url.fileName()))
        width = min(picture.width(), _WIDTH - _MARGIN)
        return picture.scaledToWidth(width, QtCore.Qt.TransformationMode.SmoothTransformation)
