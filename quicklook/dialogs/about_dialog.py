"""What the program is, in which versions, and a report to send with a fault."""

from __future__ import annotations

from quicklook.about import about_facts, bug_report, last_log_lines
from quicklook.assets import icon
from quicklook.qt import Qt, QtGui, QtWidgets, Slot

__all__ = ["AboutDialog"]

_ICON_SIZE = 64
_WHAT = "Quick look and reduction of photons from the MKID cameras DARKNESS and MEC."


class AboutDialog(QtWidgets.QDialog):
    """Shows `quicklook.about.about_facts`. Non-modal; the facts are those of the moment it is shown."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About quicklook")
        self.setModal(False)
        self._facts: dict[str, str] = {}
        picture = QtWidgets.QLabel()
        picture.setPixmap(icon("quicklook").pixmap(_ICON_SIZE, _ICON_SIZE))
        self.title = QtWidgets.QLabel(objectName="value")
        font = QtGui.QFont(self.font())
        font.setPointSizeF(1.5 * font.pointSizeF())
        self.title.setFont(font)
        what = QtWidgets.QLabel(_WHAT, objectName="caption", wordWrap=True)
        beside = QtWidgets.QVBoxLayout()
        beside.addWidget(self.title)
        beside.addWidget(what)
        head = QtWidgets.QHBoxLayout()
        head.setSpacing(14)
        head.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(beside, 1)
        self._card = QtWidgets.QFrame(objectName="card")
        self.grid = QtWidgets.QGridLayout(self._card)
        self.grid.setContentsMargins(14, 10, 14, 10)
        self.grid.setHorizontalSpacing(18)
        self.grid.setVerticalSpacing(3)
        self.grid.setColumnStretch(1, 1)
        self.copy_button = QtWidgets.QPushButton("Copy for bug report", autoDefault=False)
        self.copy_button.setToolTip("Copy all of this and the end of the log as text")
        self.copy_button.clicked.connect(self._copy)
        self.close_button = QtWidgets.QPushButton("Close", default=True)
        self.close_button.clicked.connect(self.close)
        self.note = QtWidgets.QLabel(objectName="caption", wordWrap=True)
        bottom = QtWidgets.QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addWidget(self.note, 1)
        bottom.addWidget(self.copy_button)
        bottom.addWidget(self.close_button)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(12)
        layout.addLayout(head)
        layout.addWidget(self._card)
        layout.addStretch(1)
        layout.addLayout(bottom)
        self.setMinimumWidth(560)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show the facts of this moment."""
        facts = about_facts()
        self.note.clear()
        if facts == self._facts:
            return
        self._facts = facts
        self.title.setText(f"quicklook {facts['quicklook']}")
        while (item := self.grid.takeAt(0)) is not None:
            item.widget().deleteLater()
        for row, (name, value) in enumerate(facts.items()):
            what = QtWidgets.QLabel(name, objectName="caption")
            shown = QtWidgets.QLabel(value, wordWrap=True)
            shown.setTextFormat(Qt.TextFormat.PlainText)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            shown.setAccessibleName(f"{name}: {value}")
            self.grid.addWidget(what, row, 0, Qt.AlignmentFlag.AlignTop)
            self.grid.addWidget(shown, row, 1)

    def showEvent(self, event: QtGui.QShowEvent | None) -> None:
        """Show the facts of this moment: the window may be on another screen now."""
        self.refresh()
        super().showEvent(event)

    def report(self) -> str:
        """Return facts and the end of the log as plain text."""
        return bug_report(self._facts, last_log_lines())

    @Slot()
    def _copy(self) -> None:
        QtWidgets.QApplication.clipboard().setText(self.report())
        self.note.setText(
            "Copied, with the last lines of the log. Please read it before you send it."
        )
