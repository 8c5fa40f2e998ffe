"""Some widgets in a row of a form."""

from __future__ import annotations

from quicklook.qt import QtCore, QtWidgets

__all__ = ["side_by_side"]


def side_by_side(*widgets: QtWidgets.QWidget) -> QtWidgets.QWidget:
    """Return a page with widgets from left to right; the last one takes its focus."""
    page = QtWidgets.QWidget()
    row = QtWidgets.QHBoxLayout(page)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(8)
    for widget in widgets:
        row.addWidget(widget)
    row.addStretch(1)
    page.setFocusProxy(widgets[-1])
    page.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
    row.setAlignment(QtCore.Qt.AlignmentFlag.AlignVCenter)
    return page
