"""A line for a path with a button that opens the file dialog."""

from __future__ import annotations

from pathlib import Path

from quicklook.assets import icon
from quicklook.qt import QtWidgets, Signal, Slot

__all__ = ["PathEdit"]


class PathEdit(QtWidgets.QWidget):
    """Edits one path as text.

    Parameters
    ----------
    mode : str
        'folder', 'open' (an existing file) or 'save'.
    caption : str
        Title of the file dialog.
    pattern : str
        Filter of the file dialog, for example ``'Photon files (*.h5)'``.
    """

    changed = Signal(str)

    def __init__(self, mode: str, caption: str, pattern: str = "All files (*)") -> None:
        super().__init__()
        self._mode = mode
        self._caption = caption
        self._pattern = pattern
        self.line = QtWidgets.QLineEdit()
        self.line.setAccessibleName(caption)
        self.line.textChanged.connect(self.changed)
        button = QtWidgets.QToolButton(icon=icon("open"), toolTip=caption)
        button.setAccessibleName(caption)
        button.clicked.connect(self._browse)
        self.button = button
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.line, 1)
        layout.addWidget(button)
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Fixed)
        self.setFocusProxy(self.line)

    def text(self) -> str:
        """The path as typed, without blanks around."""
        return self.line.text().strip()

    def set_text(self, text: str) -> None:
        """Replace the path."""
        self.line.setText(text)

    @Slot()
    def _browse(self) -> None:
        start = str(Path(self.text()).expanduser()) if self.text() else ""
        dialog = QtWidgets.QFileDialog
        if self._mode == "folder":
            chosen = dialog.getExistingDirectory(self, self._caption, start)
        elif self._mode == "open":
            chosen = dialog.getOpenFileName(self, self._caption, start, self._pattern)[0]
        else:
            chosen = dialog.getSaveFileName(
                self, self._caption, start, self._pattern, options=dialog.DontConfirmOverwrite
            )[0]
        if chosen:
            self.set_text(chosen)
