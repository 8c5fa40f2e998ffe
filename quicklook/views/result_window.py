"""The window of a calibration: a header, a map at the left, what belongs to one pixel at the right.

While the calibration runs the header has progress and Cancel; afterwards buttons for the result. Subclasses say what is
at the right. Windows ask with signals and are answered with `show_*`; they know neither files nor threads.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from pipeline_core.progress import COMPILING
from quicklook.assets import icon
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot
from quicklook.session import inside
from quicklook.views.spare_map import new_map
from quicklook.widgets.elided_label import ElidedLabel
from quicklook.widgets.message_bar import MessageBar
from quicklook.widgets.on_screen import resize_on_screen

if TYPE_CHECKING:
    from pipeline_core.arraymap import ArrayMap

__all__ = ["ResultWindow", "inside"]

_SIZE = (1240, 780)
_BETWEEN_MS = 10
"""Between one plot that is made and the next: what is there is painted meanwhile."""
_PICK = "Click a pixel in the map (or use the arrow keys)."


class ResultWindow(QtWidgets.QWidget):
    """One run, or one solution.

    Signals
    -------
    cancelRequested
        The running calibration is to stop.
    mapWanted, pageWanted
        Name of a map; (x, y) of a pixel.
    pagesWanted, applyWanted
        What the buttons say.
    closed
        The window was closed.
    """

    cancelRequested = Signal()  # noqa: N815
    mapWanted = Signal(str)  # noqa: N815
    pageWanted = Signal(object)  # noqa: N815
    pagesWanted = Signal()  # noqa: N815
    applyWanted = Signal()  # noqa: N815
    closed = Signal()

    kind = "calibration"
    """What is being made, in the middle of a sentence."""
    running_text = "The calibration is running. Click a pixel afterwards."

    def __init__(self, picture: str) -> None:
        super().__init__()
        self.setObjectName("plotWindow")
        self.setWindowIcon(icon(picture))
        self._since = 0.0
        self._done = (0, 0)
        self._compiling = False
        self.messages = MessageBar()
        self.map = new_map()
        self._build_header()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self._top)
        splitter = QtWidgets.QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self.left())
        splitter.addWidget(self.right())
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([560, 660])
        layout.addWidget(splitter, 1)
        self.messages.cover(self._top)
        self.cancel.clicked.connect(self._on_cancel)
        self.map.mapWanted.connect(self.mapWanted)
        self.map.pixelSelected.connect(self._on_pixel)
        self.pages.clicked.connect(self.pagesWanted)
        self.apply.clicked.connect(self.applyWanted)
        resize_on_screen(self, *_SIZE)
        self._clock = QtCore.QTimer(self, interval=500)
        self._clock.timeout.connect(self._show_time)
        self._builder = QtCore.QTimer(self, interval=_BETWEEN_MS)
        self._builder.timeout.connect(self._on_builder)
        self._builder.start()

    # --- for subclasses --------------------------------------------------------------------------

    @property
    def has_solution(self) -> bool:
        """Whether a solution is shown, not a run."""
        raise NotImplementedError

    def left(self) -> QtWidgets.QWidget:
        """Return what stands at the left: the map, and what belongs to it."""
        return self.map

    def right(self) -> QtWidgets.QWidget:
        """Return what stands at the right; called once."""
        raise NotImplementedError

    def buttons(self) -> list[QtWidgets.QPushButton]:
        """Return the buttons of a finished calibration, from left to right."""
        return [self.pages, self.apply]

    def build_next(self) -> bool:
        """Make one of the plots that are not needed yet; return whether there was one.

        All in one go would hold up everybody for 100 ms.
        """
        return False

    def pixel_pages(self, content: QtWidgets.QWidget) -> QtWidgets.QStackedWidget:
        """Return a stack of the placeholder and what shows a pixel."""
        self._placeholder = QtWidgets.QLabel(_PICK, objectName="placeholder", wordWrap=True)
        self._placeholder.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pixel = QtWidgets.QStackedWidget()
        self._pixel.addWidget(self._placeholder)
        self._pixel.addWidget(content)
        return self._pixel

    @Slot()
    def _on_builder(self) -> None:
        if not self.build_next():
            self._builder.stop()

    def _build_header(self) -> None:
        self.headline = ElidedLabel(objectName="paneTitle")
        self.subline = ElidedLabel(objectName="caption")
        self.progress = QtWidgets.QProgressBar(textVisible=False)
        self.progress.setRange(0, 1000)
        self.stage = QtWidgets.QLabel(objectName="caption")
        self.time_left = QtWidgets.QLabel(objectName="caption")
        self.cancel = QtWidgets.QPushButton("Cancel")
        self.apply = QtWidgets.QPushButton("Apply to open file")
        self.apply.setObjectName("primary")
        self.pages = QtWidgets.QPushButton("Write pages…")
        self._running = QtWidgets.QWidget()
        running = QtWidgets.QHBoxLayout(self._running)
        running.setContentsMargins(0, 0, 0, 0)
        running.setSpacing(12)
        for widget in (self.stage, self.progress, self.time_left, self.cancel):
            running.addWidget(widget, int(widget is self.progress))
        self._finished = QtWidgets.QWidget()
        row = QtWidgets.QHBoxLayout(self._finished)
        row.setContentsMargins(0, 0, 0, 0)
        for button in self.buttons():
            row.addWidget(button)
        texts = QtWidgets.QVBoxLayout()
        texts.setSpacing(0)
        texts.addWidget(self.headline)
        texts.addWidget(self.subline)
        self._top = QtWidgets.QFrame(objectName="card")
        top = QtWidgets.QHBoxLayout(self._top)
        top.setContentsMargins(12, 6, 10, 6)
        top.setSpacing(16)
        top.addLayout(texts, 1)
        top.addWidget(self._running, 2)
        top.addWidget(self._finished)

    # --- while it runs ---------------------------------------------------------------------------

    def show_running(self, name: str) -> None:
        """Show that a calibration has been started, which will write the file `name`."""
        self._since = 0.0
        self.messages.hide()
        self.map.forget()
        self.show_mode(running=True)
        self.setWindowTitle(f"{self.kind.capitalize()} - {name}")
        self.headline.setText(f"Calibrating: {name}")
        self.subline.setText("")
        self.stage.setText("waiting for its turn")
        self.progress.setValue(0)
        self.time_left.setText("")
        self.cancel.setEnabled(True)
        self._placeholder.setText(self.running_text)

    def show_progress(self, done: int, total: int, stage: str) -> None:
        """Show how far the calibration is."""
        if not self._since:
            self._since = time.monotonic()
            self._clock.start()
        if self.cancel.isEnabled():
            self.stage.setText(stage or "working")
        self._compiling = stage == COMPILING
        self._done = (done, total)
        if total > 0:
            self.progress.setValue(round(1000 * done / total))

    @Slot()
    def _show_time(self) -> None:
        done, total = self._done
        passed = time.monotonic() - self._since
        left = ""
        if total and done > 0.05 * total and passed > 1 and not self._compiling:
            left = f", about {math.ceil(passed * (total - done) / done)} s left"
        self.time_left.setText(f"{passed:.0f} s so far{left}")

    @Slot()
    def _on_cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.stage.setText("stopping…")
        self.cancelRequested.emit()

    def show_stopped(self, kind: str, text: str) -> None:
        """Say that the calibration ended without a solution."""
        self._clock.stop()
        self.cancel.setEnabled(False)
        self.stage.setText("stopped")
        self._placeholder.setText(text)
        self.messages.show_message(kind, text)

    # --- afterwards ------------------------------------------------------------------------------

    def ask_for_pixel(self, shape: tuple[int, int]) -> None:
        """Ask for the pixel that was chosen before, if this array has it."""
        if self.map.pixel is not None and inside(self.map.pixel, shape):
            self.pageWanted.emit(self.map.pixel)
        else:
            self.map.set_pixel(None)
            self._placeholder.setText(_PICK)
            self._pixel.setCurrentIndex(0)

    def show_map(self, found: ArrayMap) -> None:
        """Draw a map."""
        self.map.show_map(found)

    def set_open_file(self, name: str, why_not: str) -> None:
        """Say which file the solution can be applied to, or why to none."""
        self.apply.setEnabled(not why_not)
        self.apply.setToolTip(why_not or f"Attach this solution to {name}; can be undone")

    def show_mode(self, *, running: bool) -> None:
        """Show the header of a run, or of a solution."""
        self._running.setVisible(running)
        self._finished.setVisible(not running)
        if running:
            self.map.set_pixel(None)
            self._pixel.setCurrentIndex(0)
        else:
            self._clock.stop()

    @Slot(object)
    def _on_pixel(self, pixel: tuple[int, int]) -> None:
        if self.has_solution:
            self.map.set_pixel(pixel)
            self.pageWanted.emit(pixel)

    def closeEvent(self, event: QtGui.QCloseEvent | None) -> None:
        """Tell it."""
        super().closeEvent(event)
        self.closed.emit()
