"""Help > About: versions, computer, licence; and all that a bug report needs with one press."""

from __future__ import annotations

from quicklook.about import about_facts, bug_report
from quicklook.assets import icon
from quicklook.logs import log_path
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Slot
from quicklook.widgets.symbol import Symbol

__all__ = ["AboutDialog"]

_WHAT = "Quick look and reduction of photons from the MKID cameras DARKNESS and MEC."
_COPIED = "Copied: facts and the end of the log. Paste them into your bug report."
_HEAD = ("quicklook", "licence")
_WIDTH, _HEIGHT = 580, 560


class AboutDialog(QtWidgets.QDialog):
    """Shows `about_facts`; does not block the window."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About quicklook")
        self.setModal(False)
        self.resize(_WIDTH, _HEIGHT)
        self._form = QtWidgets.QGridLayout()
        self._form.setContentsMargins(14, 10, 14, 10)
        self._form.setHorizontalSpacing(18)
        self._form.setVerticalSpacing(6)
        self._form.setColumnStretch(1, 1)
        card = QtWidgets.QWidget(objectName="paper")
        card.setLayout(self._form)
        area = QtWidgets.QScrollArea(objectName="paper")
        area.setWidgetResizable(True)
        area.setWidget(card)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(12)
        layout.addLayout(self._build_head())
        layout.addWidget(area, 1)
        layout.addLayout(self._build_foot())
        self.facts: dict[str, str] = {}
        self._values: dict[str, QtWidgets.QLabel] = {}
        self.refresh()

    def _build_head(self) -> QtWidgets.QLayout:
        self._name = QtWidgets.QLabel(objectName="paneTitle")
        self._licence = QtWidgets.QLabel(objectName="caption")
        texts = QtWidgets.QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self._name)
        texts.addWidget(QtWidgets.QLabel(_WHAT, wordWrap=True))
        texts.addWidget(self._licence)
        head = QtWidgets.QHBoxLayout()
        head.setSpacing(14)
        head.addWidget(Symbol(40, "about"), 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(texts, 1)
        return head

    def _build_foot(self) -> QtWidgets.QLayout:
        self.copy = QtWidgets.QPushButton(icon("copy"), "Copy for bug report")
        self.copy.setToolTip("Copy all of this and the last lines of the log as text")
        self.copy.clicked.connect(self._copy)
        self.open_log = QtWidgets.QPushButton("Open log folder")
        self.open_log.clicked.connect(self._open_log)
        close = QtWidgets.QPushButton("Close", default=True)
        close.clicked.connect(self.close)
        self.note = QtWidgets.QLabel(objectName="caption", wordWrap=True)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addWidget(self.copy)
        buttons.addWidget(self.open_log)
        buttons.addStretch(1)
        buttons.addWidget(close)
        foot = QtWidgets.QVBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.note)
        foot.addLayout(buttons)
        return foot

    @Slot()
    def refresh(self) -> None:
        """Take the facts anew: another screen, another theme."""
        self.facts = about_facts()
        self._say("")
        self._name.setText(f"quicklook {self.facts['quicklook']}")
        self._licence.setText(f"Licence: {self.facts['licence']}")
        for name, value in self.facts.items():
            if name not in _HEAD:
                self._show_fact(name, value)

    def _show_fact(self, name: str, value: str) -> None:
        if name not in self._values:
            row = len(self._values)
            caption = QtWidgets.QLabel(name, objectName="caption")
            shown = QtWidgets.QLabel(wordWrap=True)
            shown.setTextFormat(Qt.TextFormat.PlainText)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._form.addWidget(caption, row, 0, Qt.AlignmentFlag.AlignTop)
            self._form.addWidget(shown, row, 1)
            self._form.setRowStretch(row, 0)
            self._form.setRowStretch(row + 1, 1)
            self._values[name] = shown
        self._values[name].setText(value)
        self._values[name].setAccessibleName(f"{name}: {value}")

    @Slot()
    def _copy(self) -> None:
        QtWidgets.QApplication.clipboard().setText(bug_report(self.facts))
        self._say(_COPIED)

    @Slot()
    def _open_log(self) -> None:
        folder = log_path().parent
        url = QtCore.QUrl.fromLocalFile(str(folder))
        if not folder.is_dir() or not QtGui.QDesktopServices.openUrl(url):
            self._say(f"This desktop cannot show the folder {folder}.")

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))
