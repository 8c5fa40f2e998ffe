"""Plots in windows of their own: at home in the file they were opened for, gone for good when closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from quicklook.assets import icon
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot
from quicklook.requests import Request
from quicklook.session import Session
from quicklook.views.pixel_card import bin_box
from quicklook.views.plot_pane import Home, PlotPane, lower_first
from quicklook.views.plots import KINDS

__all__ = ["Broker", "PlotWindow", "PlotWindows", "as_text"]

_SIZE = (720, 440)


class Broker(Protocol):
    """Who answers the panes: see `quicklook.reads.ReadBroker`."""

    def add(self, pane: PlotPane) -> None:
        """Serve a pane from now on."""

    def remove(self, pane: PlotPane) -> None:
        """Serve it no longer."""

    def stop(self, name: str) -> None:
        """Drop what the pane of this name waits for."""

    def ask(self, request: Request) -> None:
        """Queue a request."""


class PlotWindow(QtWidgets.QWidget):
    """One plot with what is its own: the exposure time, and whether it follows the active pixel.

    Signals
    -------
    closed
        The window, which is about to be freed.
    exportRequested
        The pane whose plot is to be written to a file.
    """

    closed = Signal(object)
    exportRequested = Signal(object)  # noqa: N815

    def __init__(self, session: Session, kind: str, name: str) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("plotWindow")
        self.setWindowIcon(icon(kind))
        self._session = session
        facts = session.file
        if facts is None:
            raise ValueError("A plot in a window of its own belongs to a file: none is open.")
        self.kind = kind
        self.pane = KINDS[kind](session, name, Home(facts.path, session.bin_s))
        self.bin_ms = bin_box(1e3 * session.bin_s)
        self.follow = QtWidgets.QCheckBox("&Follow Active Pixel", checked=True)
        self.follow.setToolTip("Show every new Active Pixel; without it this plot stays as it is")
        self.replot = QtWidgets.QPushButton("&Plot", toolTip="Read and draw again")
        self.copy = QtWidgets.QPushButton("&Copy data")
        self.copy.setToolTip("Copy the numbers of this plot, as columns for a spreadsheet")
        self.export = QtWidgets.QPushButton("&Export…")
        self.export.setToolTip("Write this plot, or its numbers, to a file")
        self.note = QtWidgets.QLabel(objectName="hint", wordWrap=True)
        self._build()
        self._connect()
        self.resize(*_SIZE)
        self._show_state()

    def _build(self) -> None:
        bar = QtWidgets.QFrame(objectName="card")
        row = QtWidgets.QHBoxLayout(bar)
        row.setContentsMargins(12, 4, 8, 4)
        if self.pane.uses_bin:
            caption = QtWidgets.QLabel("Effective e&xposure time", objectName="caption")
            caption.setBuddy(self.bin_ms)
            row.addWidget(caption)
            row.addWidget(self.bin_ms)
        else:
            self.bin_ms.setParent(self)
            self.bin_ms.hide()
        row.addWidget(self.replot)
        row.addWidget(self.follow)
        row.addStretch(1)
        row.addWidget(self.copy)
        row.addWidget(self.export)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(bar)
        layout.addWidget(self.note)
        layout.addWidget(self.pane, 1)

    def _connect(self) -> None:
        self.bin_ms.valueChanged.connect(self._on_bin)
        self.follow.toggled.connect(self._on_follow)
        self.replot.clicked.connect(self.pane.refresh)
        self.copy.clicked.connect(self.copy_data)
        self.export.clicked.connect(self._ask_for_export)
        self.pane.changed.connect(self._show_state)

    @property
    def is_frozen(self) -> bool:
        """Whether the file that the plot belongs to is not the open one."""
        return not self.pane.is_at_home

    @property
    def _home(self) -> Home:
        assert self.pane.home is not None
        return self.pane.home

    @Slot(float)
    def _on_bin(self, milliseconds: float) -> None:
        self.pane.set_home(replace(self._home, bin_s=milliseconds / 1e3))

    @Slot(bool)
    def _on_follow(self, on: bool) -> None:
        """Pin what is shown now, or follow the active pixel again."""
        self.pane.set_home(replace(self._home, target=None if on else self._session.target))

    @Slot()
    def copy_data(self) -> None:
        """Put the numbers on the clipboard."""
        text = as_text(self.pane)
        clipboard = QtWidgets.QApplication.clipboard()
        if text and clipboard is not None:
            clipboard.setText(text)

    @Slot()
    def _ask_for_export(self) -> None:
        self.exportRequested.emit(self.pane)

    @Slot()
    def _show_state(self) -> None:
        """Name file, plot and pixel in the title; say so if the file is not the open one."""
        frozen, shown = self.is_frozen, self.pane.shown
        label = shown.request.label if shown else ""
        if not frozen and self.pane.target is not None:
            label = self.pane.target.label
        name = self._home.path.name
        title = f"{name} - {self.pane.title}"
        self.setWindowTitle(f"{title} - {lower_first(label)}" if label else title)
        self.note.setVisible(frozen)
        if frozen:
            self.note.setText(
                f"Belongs to {name}, which is no longer open. Open it again to go on with this plot."
            )
        for control in (self.bin_ms, self.follow, self.replot):
            control.setEnabled(not frozen)
        for button in (self.copy, self.export):
            button.setEnabled(shown is not None)

    def keyPressEvent(self, event: QtGui.QKeyEvent | None) -> None:
        """Close with Escape."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QtGui.QCloseEvent | None) -> None:
        """Tell it, to be forgotten by everybody."""
        super().closeEvent(event)
        self.closed.emit(self)


class PlotWindows(QtCore.QObject):
    """All plots in windows of their own of one main window.

    Parameters
    ----------
    session : Session
        What they follow.
    broker : Broker
        Who answers them.

    Signals
    -------
    opened
        A `PlotWindow` that has just appeared.
    exportRequested
        The pane whose plot is to be written to a file.
    """

    opened = Signal(object)
    exportRequested = Signal(object)  # noqa: N815

    def __init__(
        self, session: Session, broker: Broker, parent: QtCore.QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._broker = broker
        self._windows: list[PlotWindow] = []
        self._last_number = 0

    @property
    def windows(self) -> tuple[PlotWindow, ...]:
        """Those that are open, oldest first."""
        return tuple(self._windows)

    @Slot(str)
    def open(self, kind: str) -> PlotWindow:
        """Open a plot of what the session's target is.

        Parameters
        ----------
        kind : {'light_curve', 'histogram', 'spectrum', 'phase'}

        Raises
        ------
        ValueError
            If no file is open: the menu entry is disabled then.
        """
        self._last_number += 1
        window = PlotWindow(self._session, kind, f"{kind}#{self._last_number}")
        self._windows.append(window)
        self._broker.add(window.pane)
        window.pane.requested.connect(self._broker.ask)
        window.pane.stopRequested.connect(self._broker.stop)
        window.closed.connect(self._on_closed)
        window.exportRequested.connect(self.exportRequested)
        window.pane.refresh()
        window.show()
        self.opened.emit(window)
        return window

    def close_all(self) -> None:
        """Close every window."""
        for window in self.windows:
            window.close()

    @Slot(object)
    def _on_closed(self, window: PlotWindow) -> None:
        if window in self._windows:
            self._windows.remove(window)
            self._broker.remove(window.pane)


def as_text(pane: PlotPane) -> str:
    """Return what a pane shows as columns with tabs between, '' while it shows nothing."""
    _name, columns = pane.export_columns()
    if not columns:
        return ""
    heads = [f"{name} [{unit}]" if unit else name for name, (unit, _) in columns.items()]
    rows = zip(*(values.tolist() for _, values in columns.values()), strict=True)
    lines = ["\t".join(heads), *("\t".join(str(value) for value in row) for row in rows)]
    return "\n".join(lines) + "\n"
