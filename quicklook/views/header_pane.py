"""The header of the frame of a datastream that is on the screen, line by line."""

from __future__ import annotations

from quicklook.qt import QtWidgets, Slot
from quicklook.requests import FrameHeaderRequest, FrameHeaderResult
from quicklook.session import Session
from quicklook.views.pane import Pane

__all__ = ["HeaderPane"]

_LOWEST = 40
"""Height to which the table shrinks on small screens [screen pixels]."""
_COLUMNS = ("Key", "Value", "Comment")
_NO_FRAMES = "Headers of frames will be here: open a datastream (stream*.fits or .fits.gz)."


class HeaderPane(Pane):
    """A table that follows the frame on the screen."""

    def __init__(self, session: Session) -> None:
        super().__init__("frame_header", "Frame header", session)
        self.table = QtWidgets.QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(
            round(1.35 * self.table.fontMetrics().height())
        )
        self.table.horizontalHeader().setMaximumHeight(
            round(1.5 * self.table.fontMetrics().height())
        )
        self.table.setMinimumHeight(_LOWEST)
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.horizontalHeader().setDefaultSectionSize(190)
        self.table.setAccessibleName("Header of the frame")
        self.set_content(self.table)
        session.fileChanged.connect(self._on_file)
        session.frameChanged.connect(self.refresh)
        self._on_file()

    @Slot()
    def _on_file(self) -> None:
        if self.session.frame is None:
            self.show_placeholder(_NO_FRAMES)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Ask for the header of the session's frame."""
        facts, frame = self.session.file, self.session.frame
        if facts is not None and frame is not None:
            self.ask(FrameHeaderRequest(self.name, facts.token, 0.0, facts.exposure_s, frame=frame))

    def show_result(self, result: object) -> None:
        """Fill the table; what was scrolled to stays."""
        assert isinstance(result, FrameHeaderResult)
        at = self.table.verticalScrollBar().value()
        self.table.setRowCount(len(result.cards))
        for row, card in enumerate(result.cards):
            for column, text in enumerate(card):
                item = QtWidgets.QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(row, column, item)
        self.table.verticalScrollBar().setValue(at)
        self.set_detail(f"frame {result.request.frame + 1}, {len(result.cards)} lines")
        self.show_content()
