"""The window of a wavelength calibration: a map that fills while it runs; afterwards every pixel to be looked at.

It asks with signals and is answered with `show_*`; it knows neither files nor threads.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from quicklook.assets import icon
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot
from quicklook.views.centre_panel import CentrePanel
from quicklook.views.curve_panel import CurvePanel
from quicklook.views.line_panels import LinePanels
from quicklook.views.solution_map import SolutionMap
from quicklook.wavecal_tasks import CURVE_CHOICES, LINE_CHOICES, OpenSolution, RBlock
from quicklook.widgets.elided_label import ElidedLabel
from quicklook.widgets.message_bar import MessageBar

if TYPE_CHECKING:
    from pipeline_core.wavecal.browse import ArrayMap, PixelPage

__all__ = ["WavecalWindow"]

_SIZE = (1240, 780)
_REDRAW_MS = 150
_RUNNING = "The calibration is running. The map fills as the lines of the pixels are fitted; click a pixel afterwards."
_PICK = "Click a pixel in the map (or use the arrow keys)."


class WavecalWindow(QtWidgets.QWidget):
    """One run, or one solution.

    Signals
    -------
    cancelRequested
        The running calibration is to stop.
    mapWanted, pageWanted
        Name of a map; (x, y) of a pixel.
    refitWanted
        (pixel, names of line models, names of curve models).
    takeBackWanted
        The last refit is to be forgotten.
    saveWanted, pagesWanted, applyWanted, tryWanted
        What the buttons say.
    closed
        The window was closed.
    """

    cancelRequested = Signal()  # noqa: N815
    mapWanted = Signal(str)  # noqa: N815
    pageWanted = Signal(object)  # noqa: N815
    refitWanted = Signal(object, object, object)  # noqa: N815
    takeBackWanted = Signal()  # noqa: N815
    saveWanted = Signal()  # noqa: N815
    pagesWanted = Signal()  # noqa: N815
    applyWanted = Signal()  # noqa: N815
    tryWanted = Signal()  # noqa: N815
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("plotWindow")
        self.setWindowIcon(icon("spectrum"))
        self.opened: OpenSolution | None = None
        self.page: PixelPage | None = None
        self._since = 0.0
        self._done = (0, 0)
        self._refit_number = 0
        self.messages = MessageBar()
        self.map = SolutionMap()
        self.histograms = LinePanels()
        self.curve = CurvePanel()
        self.centres = CentrePanel()
        self._build()
        self._connect()
        self.resize(*_SIZE)
        self._redraw = QtCore.QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self.map.redraw)
        self._clock = QtCore.QTimer(self, interval=500)
        self._clock.timeout.connect(self._show_time)
        self._builder = QtCore.QTimer(self, interval=0)
        self._builder.timeout.connect(self._build_next)
        self._to_build = [self.curve.build, self.centres.build]
        self._builder.start()

    @Slot()
    def _build_next(self) -> None:
        """Make one of the plots that are not needed yet: all in one go would hold up everybody for 100 ms."""
        if self._to_build:
            self._to_build.pop()()
        elif not self.histograms.build_next():
            self._builder.stop()

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.headline = ElidedLabel(objectName="paneTitle")
        self.subline = ElidedLabel(objectName="caption")
        self.progress = QtWidgets.QProgressBar(textVisible=False)
        self.progress.setRange(0, 1000)
        self.stage = QtWidgets.QLabel(objectName="caption")
        self.time_left = QtWidgets.QLabel(objectName="caption")
        self.cancel = QtWidgets.QPushButton("Cancel")
        self.apply = QtWidgets.QPushButton("Apply to open file")
        self.apply.setObjectName("primary")
        self.try_out = QtWidgets.QPushButton("Try on open file")
        self.try_out.setToolTip("Read the open file with this solution, without attaching it")
        self.save = QtWidgets.QPushButton("Save as…")
        self.save.setToolTip("Write the solution with what was changed by hand to a file")
        self.pages = QtWidgets.QPushButton("Write pages…")
        self.pages.setToolTip("The eight pages for the log book, as PDF")
        self._running = QtWidgets.QWidget()
        running = QtWidgets.QHBoxLayout(self._running)
        running.setContentsMargins(0, 0, 0, 0)
        running.setSpacing(12)
        for widget, stretch in (
            (self.stage, 0),
            (self.progress, 1),
            (self.time_left, 0),
            (self.cancel, 0),
        ):
            running.addWidget(widget, stretch)
        self._finished = QtWidgets.QWidget()
        buttons = QtWidgets.QHBoxLayout(self._finished)
        buttons.setContentsMargins(0, 0, 0, 0)
        for button in (self.pages, self.save, self.try_out, self.apply):
            buttons.addWidget(button)
        texts = QtWidgets.QVBoxLayout()
        texts.setSpacing(0)
        texts.addWidget(self.headline)
        texts.addWidget(self.subline)
        top = QtWidgets.QFrame(objectName="card")
        row = QtWidgets.QHBoxLayout(top)
        row.setContentsMargins(12, 6, 10, 6)
        row.setSpacing(16)
        row.addLayout(texts, 1)
        row.addWidget(self._running, 2)
        row.addWidget(self._finished)
        splitter = QtWidgets.QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self.map)
        splitter.addWidget(self._right())
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([560, 660])
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(top)
        layout.addWidget(splitter, 1)
        self.messages.cover(top)

    def _right(self) -> QtWidgets.QWidget:
        self.tabs = QtWidgets.QTabWidget(documentMode=True)
        self.tabs.addTab(self._pixel_page(), "Pixel")
        self.tabs.addTab(self.centres, "Line centers of the array")
        return self.tabs

    def _pixel_page(self) -> QtWidgets.QWidget:
        self.pixel_title = QtWidgets.QLabel(objectName="paneTitle")
        self.condition = QtWidgets.QLabel(objectName="value", wordWrap=True)
        self.details = QtWidgets.QLabel(objectName="caption", wordWrap=True)
        self.pixel_title.setWordWrap(True)
        for label in (self.pixel_title, self.condition, self.details):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.line_model = _choice("Model of the lines", LINE_CHOICES)
        self.curve_model = _choice("Kind of curve", CURVE_CHOICES)
        self.refit = QtWidgets.QPushButton("Fit again")
        self.refit.setToolTip("Fit the lines and the curve of this pixel with these models")
        self.take_back = QtWidgets.QPushButton("Take back")
        self.take_back.setToolTip("Forget the last change")
        again = QtWidgets.QHBoxLayout()
        again.setSpacing(8)
        again.addWidget(QtWidgets.QLabel("Lines", objectName="caption"))
        again.addWidget(self.line_model, 1)
        again.addWidget(QtWidgets.QLabel("Curve", objectName="caption"))
        again.addWidget(self.curve_model, 1)
        again.addWidget(self.refit)
        again.addWidget(self.take_back)
        content = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(content)
        column.setContentsMargins(8, 8, 8, 4)
        column.setSpacing(4)
        column.addWidget(self.pixel_title)
        column.addWidget(self.condition)
        column.addWidget(self.details)
        column.addWidget(self.histograms, 4)
        column.addWidget(self.curve, 3)
        column.addLayout(again)
        self._placeholder = QtWidgets.QLabel(_PICK, objectName="placeholder", wordWrap=True)
        self._placeholder.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pixel = QtWidgets.QStackedWidget()
        self._pixel.addWidget(self._placeholder)
        self._pixel.addWidget(content)
        return self._pixel

    def _connect(self) -> None:
        self.cancel.clicked.connect(self._on_cancel)
        self.map.mapWanted.connect(self.mapWanted)
        self.map.pixelSelected.connect(self._on_pixel)
        self.refit.clicked.connect(self._on_refit)
        self.take_back.clicked.connect(self.takeBackWanted)
        self.save.clicked.connect(self.saveWanted)
        self.pages.clicked.connect(self.pagesWanted)
        self.apply.clicked.connect(self.applyWanted)
        self.try_out.clicked.connect(self.tryWanted)

    # --- while it runs ---------------------------------------------------------------------------

    def show_running(self, name: str) -> None:
        """Show that a calibration has been started, which will write the file `name`."""
        self.opened = None
        self.page = None
        self._since = 0.0
        self._show_mode(running=True)
        self.setWindowTitle(f"Wavelength calibration - {name}")
        self.headline.setText(f"Calibrating: {name}")
        self.subline.setText("")
        self.stage.setText("waiting for its turn")
        self.progress.setValue(0)
        self.time_left.setText("")
        self.cancel.setEnabled(True)
        self._placeholder.setText(_RUNNING)

    def show_progress(self, done: int, total: int, stage: str) -> None:
        """Show how far the calibration is."""
        if not self._since:
            self._since = time.monotonic()
            self._clock.start()
        if self.cancel.isEnabled():
            self.stage.setText(stage or "working")
        self._done = (done, total)
        if total > 0:
            self.progress.setValue(round(1000 * done / total))

    def add_block(self, block: RBlock) -> None:
        """Fill in the R of some pixels; drawn a few times a second."""
        self.map.add_block(block)
        fitted = block.first + block.r.size
        if fitted:
            self.subline.setText(f"{fitted:,} of {math.prod(block.shape):,} pixels fitted")
        if not self._redraw.isActive():
            self._redraw.start()

    @Slot()
    def _show_time(self) -> None:
        done, total = self._done
        passed = time.monotonic() - self._since
        left = ""
        if total and done > 0.05 * total and passed > 1:
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

    def show_solution(self, opened: OpenSolution, *, can_take_back: bool = False) -> None:
        """Show a solution; a chosen pixel is asked for again."""
        self.opened = opened
        facts = opened.facts
        self._show_mode(running=False)
        star = " (changed, not saved)" if opened.changed else ""
        self.setWindowTitle(f"Wavelength solution - {opened.path.name}{star}")
        self.headline.setText(f"{opened.path.name}{star}")
        self.headline.setToolTip(f"{opened.path}\nid {facts.solution_id}")
        r = "" if math.isnan(facts.median_r) else f", median R {facts.median_r:.2f}"
        lines = ", ".join(f"{nm:g}" for nm in facts.wavelengths_nm)
        self.subline.setText(
            f"{facts.n_calibrated:,} of {facts.n_lit:,} pixels with photons calibrated{r}; {lines} nm"
        )
        self.subline.setToolTip("\n".join(f"{n:,}  {text}" for text, n in facts.pareto))
        self.save.setEnabled(opened.changed)
        self.take_back.setEnabled(can_take_back)
        self.refit.setEnabled(True)
        self.centres.show_histogram(opened.centres)
        self.histograms.make_room(len(facts.wavelengths_nm))
        self._builder.start()
        self.map.offer(opened.maps)
        self.mapWanted.emit(self.map.wanted)
        if self.map.pixel is not None and _inside(self.map.pixel, facts.shape):
            self.pageWanted.emit(self.map.pixel)
        else:
            self.map.set_pixel(None)
            self._placeholder.setText(_PICK)
            self._pixel.setCurrentIndex(0)

    def show_map(self, found: ArrayMap) -> None:
        """Draw a map."""
        self.map.show_map(found)

    def show_page(self, page: PixelPage) -> None:
        """Show everything about a pixel."""
        self.page = page
        r = "" if math.isnan(page.median_r) else f", median R {page.median_r:.2f}"
        curve = "" if page.curve_kind == "none" else f", {page.curve_kind} curve"
        self.pixel_title.setText(f"{page.title}{curve}{r}")
        self.condition.setText(page.condition)
        self.condition.setStyleSheet("")
        flags = ", ".join(name.removeprefix("wavecal.") for name in page.flags) or "none"
        self.details.setText(f"Flags: {flags}.  {page.cuts}")
        self.histograms.show_page(page)
        self.curve.show_page(page)
        self._pixel.setCurrentIndex(1)

    def set_open_file(self, name: str, why_not: str) -> None:
        """Say which file the solution can be applied to, or why to none."""
        for button in (self.apply, self.try_out):
            button.setEnabled(not why_not)
        self.apply.setToolTip(
            why_not or f"Give the photons of {name} these wavelengths; can be undone"
        )

    def _show_mode(self, *, running: bool) -> None:
        self._running.setVisible(running)
        self._finished.setVisible(not running)
        self.tabs.setTabEnabled(1, not running)
        if running:
            self.tabs.setCurrentIndex(0)
            self.map.set_pixel(None)
            self._pixel.setCurrentIndex(0)
        else:
            self._clock.stop()

    @Slot(object)
    def _on_pixel(self, pixel: tuple[int, int]) -> None:
        if self.opened is not None:
            self.map.set_pixel(pixel)
            self.pageWanted.emit(pixel)

    @Slot()
    def _on_refit(self) -> None:
        if self.map.pixel is not None:
            self.refit.setEnabled(False)
            self.refitWanted.emit(
                self.map.pixel,
                _chosen(self.line_model, LINE_CHOICES),
                _chosen(self.curve_model, CURVE_CHOICES),
            )

    def closeEvent(self, event: QtGui.QCloseEvent | None) -> None:
        """Tell it."""
        super().closeEvent(event)
        self.closed.emit()


def _choice(name: str, texts: dict[str, str]) -> QtWidgets.QComboBox:
    box = QtWidgets.QComboBox()
    box.setAccessibleName(name)
    box.addItem("best of all", "")
    box.setMinimumContentsLength(12)
    box.setSizeAdjustPolicy(
        QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    for key, text in texts.items():
        box.addItem(text, key)
    return box


def _chosen(box: QtWidgets.QComboBox, texts: dict[str, str]) -> tuple[str, ...]:
    """Return the models that the person allows."""
    return (box.currentData(),) if box.currentData() else tuple(texts)


def _inside(pixel: tuple[int, int], shape: tuple[int, int]) -> bool:
    return pixel[0] < shape[0] and pixel[1] < shape[1]
