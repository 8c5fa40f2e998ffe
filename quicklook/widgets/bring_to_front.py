"""Brings a window before the others."""

from __future__ import annotations

from quicklook.qt import QtWidgets

__all__ = ["bring_to_front"]


def bring_to_front(window: QtWidgets.QWidget) -> None:
    """Show a window or dialog, before all others and ready for the keyboard."""
    window.show()
    window.raise_()
    window.activateWindow()
