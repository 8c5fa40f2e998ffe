"""A line of text that shrinks: what does not fit is left out, the rest of the window does not move."""

from __future__ import annotations

from quicklook.qt import Qt, QtCore, QtGui, QtWidgets

__all__ = ["ElidedLabel"]


class ElidedLabel(QtWidgets.QLabel):
    """One line of plain text, with "…" where there is no room for all of it."""

    elide_mode = Qt.TextElideMode.ElideRight
    narrowest = 10

    def minimumSizeHint(self) -> QtCore.QSize:
        """Let it shrink."""
        return QtCore.QSize(self.narrowest, super().minimumSizeHint().height())

    def paintEvent(self, _event: QtGui.QPaintEvent | None) -> None:
        """Draw what fits, as the style sheet says."""
        painter = QtGui.QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        area = self.contentsRect()
        mnemonic = Qt.TextFlag.TextShowMnemonic if self.buddy() else 0
        metrics = self.fontMetrics()
        text = metrics.elidedText(self.text(), self.elide_mode, area.width(), int(mnemonic))
        painter.drawText(area, int(self.alignment()) | int(mnemonic), text)
