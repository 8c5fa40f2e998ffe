"""The last resort: an error that no message explains. What happened, details, copy, where the log is."""

from __future__ import annotations

from quicklook import __version__
from quicklook.logs import log_path
from quicklook.qt import Qt, QtGui, QtWidgets, Slot
from quicklook.widgets.symbol import Symbol

__all__ = ["ErrorDialog"]


class ErrorDialog(QtWidgets.QDialog):
    """Shows an unexpected error; does not block the window, and frees itself when closed."""

    def __init__(self, title: str, details: str, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Unexpected error")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(False)
        self.resize(720, 420)
        self._text = f"quicklook {__version__}\n{title}\n\n{details}"
        symbol = Symbol(32, "error")
        head = QtWidgets.QLabel(
            f"{title}\n\nThis is a fault of the program, not yours. No photon file was changed. You may go on "
            f"working; please send the details below.\nLog file: {log_path()}",
            wordWrap=True,
        )
        head.setTextFormat(Qt.TextFormat.PlainText)
        head.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = QtWidgets.QPlainTextEdit(self._text, readOnly=True)
        self.details.setFont(
            QtGui.QFontDatabase.systemFont(QtGui.QFontDatabase.SystemFont.FixedFont)
        )
        copy = QtWidgets.QPushButton("Copy details")
        copy.clicked.connect(self._copy)
        close = QtWidgets.QPushButton("Close", default=True)
        close.clicked.connect(self.close)
        top = QtWidgets.QHBoxLayout()
        top.setSpacing(14)
        top.addWidget(symbol, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(head, 1)
        bottom = QtWidgets.QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(copy)
        bottom.addWidget(close)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(12)
        layout.addLayout(top)
        layout.addWidget(self.details, 1)
        layout.addLayout(bottom)

    @Slot()
    def _copy(self) -> None:
        QtWidgets.QApplication.clipboard().setText(self._text)
