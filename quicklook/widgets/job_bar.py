"""Background jobs that are queued or running: what, how far, and a button to cancel."""

from __future__ import annotations

import time

from quicklook.qt import QtCore, QtWidgets, Signal, Slot

__all__ = ["JobBar"]


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
        self._layout = QtWidgets.QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self.hide()

    def add(self, number: int, title: str) -> None:
        """Show a job that waits for its turn."""
        row = _Row(number, title)
        row.cancelRequested.connect(self.cancelRequested)
        self._rows[number] = row
        self._layout.addWidget(row)
        self.show()

    def update_progress(self, number: int, done: int, total: int, stage: str) -> None:
        """Show how far a job is; a total of 0 means unknown."""
        if number in self._rows:
            self._rows[number].update_progress(done, total, stage)

    def remove(self, number: int) -> None:
        """Forget a job."""
        row = self._rows.pop(number, None)
        if row is not None:
            row.setParent(None)
            row.deleteLater()
        self.setVisible(bool(self._rows))

    def row(self, number: int) -> _Row:
        """Return the row of a job."""
        return self._rows[number]


class _Row(QtWidgets.QFrame):
    """Title, stage, bar, time, cancel."""

    cancelRequested = Signal(object)  # noqa: N815

    def __init__(self, number: int, title: str) -> None:
        super().__init__(objectName="card")
        self._number = number
        self._since: float | None = None
        self.title = QtWidgets.QLabel(title, objectName="paneTitle")
        self.stage = QtWidgets.QLabel("waiting for its turn", objectName="caption")
        self.stage.setMinimumWidth(190)
        self.bar = QtWidgets.QProgressBar(textVisible=False)
        self.bar.setRange(0, 1000)
        self.elapsed = QtWidgets.QLabel("", objectName="caption")
        self.elapsed.setMinimumWidth(90)
        self.cancel = QtWidgets.QPushButton("Cancel", toolTip=f"Stop: {title}")
        self.cancel.clicked.connect(self._on_cancel)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 8, 4)
        layout.setSpacing(12)
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
