"""Background jobs that are queued or running: what, how far, and a button to cancel.

One line high, so that it has room beside the tabs at the bottom and nothing moves when it appears: the oldest job is
seen, and beside it how many others there are, with a menu that cancels them.
"""

from __future__ import annotations

import time

from quicklook.qt import QtCore, QtWidgets, Signal, Slot

__all__ = ["JobBar"]

_USUAL_WIDTH = 560


class JobBar(QtWidgets.QWidget):
    """One row a job, hidden while there is none. Rows are known by the job's number.

    Signals
    -------
    cancelRequested
        Number of the job whose cancel button was pressed.
    """

    cancelRequested = Signal(object)  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[int, _Row] = {}
        self._pages = QtWidgets.QStackedWidget()
        self._others = QtWidgets.QToolButton(objectName="stateMenu")
        self._others.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QtWidgets.QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._others.setMenu(self._menu)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 2)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self._others)
        self.hide()

    def sizeHint(self) -> QtCore.QSize:
        """Ask for room for the bar; the tabs beside put the right edge where this says, not a minimum width."""
        return super().sizeHint().expandedTo(QtCore.QSize(_USUAL_WIDTH, 0))

    def add(self, number: int, title: str) -> None:
        """Show a job that waits for its turn."""
        row = _Row(number, title)
        row.cancelRequested.connect(self.cancelRequested)
        self._rows[number] = row
        self._pages.addWidget(row)
        self._update()

    def _update(self) -> None:
        others = len(self._rows) - 1
        if self._rows:
            self._pages.setCurrentWidget(next(iter(self._rows.values())))
        self._others.setText(f"+ {others} more" if others > 0 else "")
        self._others.setToolTip("\n".join(row.title.text() for row in self._rows.values()))
        self._others.setVisible(others > 0)
        self.setVisible(bool(self._rows))

    @Slot()
    def _fill_menu(self) -> None:
        """Offer to cancel what is not to be seen."""
        self._menu.clear()
        for row in list(self._rows.values())[1:]:
            action = self._menu.addAction(f"Cancel: {row.title.text()}".replace("&", "&&"))
            action.setEnabled(row.cancel.isEnabled())
            action.triggered.connect(row.cancel.click)

    def update_progress(self, number: int, done: int, total: int, stage: str) -> None:
        """Show how far a job is; a total of 0 means unknown."""
        if number in self._rows:
            self._rows[number].update_progress(done, total, stage)

    def remove(self, number: int) -> None:
        """Forget a job."""
        row = self._rows.pop(number, None)
        if row is not None:
            self._pages.removeWidget(row)
            row.setParent(None)
            row.deleteLater()
        self._update()

    def row(self, number: int) -> _Row:
        """Return the row of a job."""
        return self._rows[number]


class _Row(QtWidgets.QWidget):
    """Title, stage, bar, time, cancel."""

    cancelRequested = Signal(object)  # noqa: N815

    def __init__(self, number: int, title: str) -> None:
        super().__init__()
        self._number = number
        self._since: float | None = None
        self.title = QtWidgets.QLabel(title, objectName="paneTitle")
        self.stage = QtWidgets.QLabel("waiting for its turn", objectName="caption")
        self.stage.setMinimumWidth(self.fontMetrics().horizontalAdvance("waiting for its turn  "))
        self.bar = QtWidgets.QProgressBar(textVisible=False)
        self.bar.setRange(0, 1000)
        self.elapsed = QtWidgets.QLabel("", objectName="caption")
        self.elapsed.setMinimumWidth(self.fontMetrics().horizontalAdvance("1000 s so far "))
        self.cancel = QtWidgets.QToolButton(text="Cancel", toolTip=f"Stop: {title}")
        self.cancel.setObjectName("cancel")
        self.cancel.clicked.connect(self._on_cancel)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self.title)
        layout.addWidget(self.stage)
        layout.addWidget(self.bar, 1)
        layout.addWidget(self.elapsed)
        layout.addWidget(self.cancel)
        self._clock = QtCore.QTimer(self, interval=500)
        self._clock.timeout.connect(self._show_time)

    def update_progress(self, done: int, total: int, stage: str) -> None:
        if self._since is None:
            self._since = time.monotonic()
            self._clock.start()
            self._show_time()
        if self.cancel.isEnabled():
            self.stage.setText(stage or "working")
        if total > 0:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(1000 * done / total))
        else:
            self.bar.setRange(0, 0)

    @Slot()
    def _show_time(self) -> None:
        if self._since is not None:
            self.elapsed.setText(f"{time.monotonic() - self._since:.0f} s so far")

    @Slot()
    def _on_cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.stage.setText("stopping…")
        self.cancelRequested.emit(self._number)
