"""The line at the bottom of the window: the active pixel, and the pixel below the mouse."""

from __future__ import annotations

from pipeline_core.beammap import NO_RES_ID
from quicklook.file_facts import FileFacts
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets
from quicklook.widgets.elided_label import ElidedLabel

__all__ = ["StatusLine"]


_ROUNDING = 4
"""Widths of text are fractions; what is measured may be a little short [screen pixels]."""
_ROOM_FOR_HOVERED = 230
"""What the active pixel leaves to the one below the mouse, which is cut first [screen pixels]."""


class _Selectable(QtWidgets.QLabel):
    """A line that may be copied, that ends in "…" where there is no room, and does not widen the window."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = ""
        self.narrowest = 10
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def set_whole(self, text: str) -> None:
        """Show as much of a text as there is room for."""
        self.whole = text
        self.setToolTip(text)
        self._elide()

    def whole_width(self) -> int:
        """Return the width that all of the text needs [screen pixels]."""
        return self.fontMetrics().horizontalAdvance(self.whole) + self._padding() + _ROUNDING

    def _padding(self) -> int:
        """Return what the label needs beside its text; the style sheet has a say in it."""
        return self.sizeHint().width() - self.fontMetrics().horizontalAdvance(self.text())

    def _elide(self) -> None:
        room = self.width() - self._padding()
        shown = self.fontMetrics().elidedText(self.whole, Qt.TextElideMode.ElideRight, room)
        if shown != self.text():
            self.setText(shown)

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:
        """Show more or less of the text."""
        super().resizeEvent(event)
        self._elide()

    def minimumSizeHint(self) -> QtCore.QSize:
        """Let it shrink."""
        return QtCore.QSize(self.narrowest, super().minimumSizeHint().height())


class StatusLine(QtWidgets.QStatusBar):
    """Active Pixel (x, y), value with unit, resID and names of flags; at the right what is hovered."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeGripEnabled(True)
        self._active = _Selectable()
        self._hovered = ElidedLabel(objectName="caption")
        self.addWidget(self._active, 1)
        self.addPermanentWidget(self._hovered)
        self.show_active(None, None, ("", ""))

    @property
    def active_text(self) -> str:
        """What is said of the active pixel."""
        return self._active.whole

    @property
    def hovered_text(self) -> str:
        """What is said of the pixel below the mouse."""
        return self._hovered.text()

    def show_active(
        self,
        facts: FileFacts | None,
        pixel: tuple[int, int] | None,
        value: tuple[str, str],
        mean: str = "",
    ) -> None:
        """Describe the active pixel; `value` is (value, unit) or empty texts, `mean` of its photons."""
        if facts is None or pixel is None:
            self._set_active("Active Pixel: none")
            return
        text = "Active Pixel " + _describe(facts, pixel, value)
        self._set_active(f"{text}   |   {mean}" if mean else text)

    def _set_active(self, text: str) -> None:
        self._active.set_whole(text)
        self._share_room()

    def _share_room(self) -> None:
        """Give the active pixel what it needs; the rest is for the one below the mouse."""
        room = max(self.width() - _ROOM_FOR_HOVERED, 10)
        self._active.narrowest = min(self._active.whole_width(), room)
        self._active.updateGeometry()

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:
        """Share the new room."""
        super().resizeEvent(event)
        self._share_room()

    def show_hovered(
        self, facts: FileFacts | None, pixel: tuple[int, int] | None, value: tuple[str, str]
    ) -> None:
        """Describe the pixel below the mouse."""
        if facts is None or pixel is None:
            self._hovered.setText("")
        else:
            self._hovered.setText("under mouse: " + _describe(facts, pixel, value))
        self._hovered.setToolTip(self._hovered.text())


def _describe(facts: FileFacts, pixel: tuple[int, int], value: tuple[str, str]) -> str:
    parts = [f"({pixel[0]}, {pixel[1]})"]
    if value[0]:
        parts.append(" ".join(value))
    res_id = int(facts.res_id[pixel])
    parts.append("no resID" if res_id == NO_RES_ID else f"resID {res_id}")
    parts.append("flags: " + (", ".join(facts.flag_names_at(pixel)) or "none"))
    return "   |   ".join(parts)
