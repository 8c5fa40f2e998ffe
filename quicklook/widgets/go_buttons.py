"""The buttons at the foot of a form that starts something: one that does, and Cancel."""

from __future__ import annotations

from quicklook.qt import QtWidgets

__all__ = ["go_buttons"]


def go_buttons(
    dialog: QtWidgets.QDialog, text: str
) -> tuple[QtWidgets.QDialogButtonBox, QtWidgets.QPushButton]:
    """Return the row of buttons of a dialog, which accepts or rejects it, and the button that accepts."""
    kind = QtWidgets.QDialogButtonBox.StandardButton
    buttons = QtWidgets.QDialogButtonBox(kind.Ok | kind.Cancel)
    go = buttons.button(kind.Ok)
    go.setText(text)
    go.setObjectName("primary")
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons, go
