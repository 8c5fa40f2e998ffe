"""The window of a wavelength calibration: a map that fills while it runs; afterwards every pixel to be looked at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.views.centre_panel import CentrePanel
from quicklook.views.curve_panel import CurvePanel
from quicklook.views.line_panels import LinePanels
from quicklook.views.result_window import ResultWindow
from quicklook.wavecal_tasks import CURVE_CHOICES, LINE_CHOICES, OpenSolution, RBlock

if TYPE_CHECKING:
    from pipeline_core.wavecal.browse import PixelPage

__all__ = ["WavecalWindow"]

_REDRAW_MS = 150
_POLISHED_AT_ONCE = 10


class WavecalWindow(ResultWindow):
    """One run, or one solution.

    Signals
    -------
    refitWanted
        (pixel, names of line models, names of curve models).
    takeBackWanted
        The last refit is to be forgotten.
    saveWanted, tryWanted
        What the buttons say.
    """

    refitWanted = Signal(object, object, object)  # noqa: N815
    takeBackWanted = Signal()  # noqa: N815
    saveWanted = Signal()  # noqa: N815
    tryWanted = Signal()  # noqa: N815

    kind = "wavelength calibration"
    running_text = (
        "The calibration is running: the map fills as lines are fitted. Click a pixel afterwards."
    )

    def __init__(self) -> None:
        self.opened: OpenSolution | None = None
        self.page: PixelPage | None = None
        self.histograms = LinePanels()
        self.curve = CurvePanel()
        self.centres = CentrePanel()
        self._to_build = [self.curve.build, self.centres.build]
        self._to_polish: list[QtWidgets.QWidget] | None = None
        super().__init__("spectrum")
        self.save.clicked.connect(self.saveWanted)
        self.try_out.clicked.connect(self.tryWanted)
        self.refit.clicked.connect(self._on_refit)
        self.take_back.clicked.connect(self.takeBackWanted)
        self.pages.setToolTip("The eight pages for the log book, as PDF")
        self._curve_later = QtCore.QTimer(self, singleShot=True, interval=0)
        self._curve_later.timeout.connect(self._show_curve)
        self._redraw = QtCore.QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self.map.redraw)

    # --- building --------------------------------------------------------------------------------

    @property
    def has_solution(self) -> bool:
        """Whether a solution is shown, not a run."""
        return self.opened is not None

    def buttons(self) -> list[QtWidgets.QPushButton]:
        """Return the buttons of a finished calibration."""
        self.try_out = QtWidgets.QPushButton("Try on open file")
        self.try_out.setToolTip("Read the open file with this solution, without attaching it")
        self.save = QtWidgets.QPushButton("Save as…")
        self.save.setToolTip("Write the solution with what was changed by hand to a file")
        return [self.pages, self.save, self.try_out, self.apply]

    def build_next(self) -> bool:
        """Make one of the plots that are not needed yet."""
        if self._to_build:
            self._to_build.pop()()
            return True
        if self.histograms.build_next():
            return True
        if self._to_polish is None:
            self._to_polish = self._pixel.findChildren(QtWidgets.QWidget)
        for widget in self._to_polish[-_POLISHED_AT_ONCE:]:
            widget.ensurePolished()  # or it would be done when the first pixel is shown
        del self._to_polish[-_POLISHED_AT_ONCE:]
        return bool(self._to_polish)

    def right(self) -> QtWidgets.QWidget:
        """Return the tabs of pixel and array."""
        self.tabs = QtWidgets.QTabWidget(documentMode=True)
        self.tabs.addTab(self.pixel_pages(self._pixel_page()), "Pixel")
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
        return content

    # --- while it runs ---------------------------------------------------------------------------

    def show_running(self, name: str) -> None:
        """Show that a calibration has been started, which will write the file `name`."""
        self.opened = None
        self.page = None
        super().show_running(name)

    def add_block(self, block: RBlock) -> None:
        """Fill in the R of some pixels; drawn a few times a second."""
        self.map.add_block(block)
        fitted = block.first + block.r.size
        if fitted:
            self.subline.setText(f"{fitted:,} of {math.prod(block.shape):,} pixels fitted")
        if not self._redraw.isActive():
            self._redraw.start()

    # --- afterwards ------------------------------------------------------------------------------

    def show_solution(self, opened: OpenSolution, *, can_take_back: bool = False) -> None:
        """Show a solution; a chosen pixel is asked for again."""
        self.opened = opened
        facts = opened.facts
        self.show_mode(running=False)
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
        self._to_polish = None
        self._builder.start()
        self.map.offer(opened.maps)
        self.mapWanted.emit(self.map.wanted)
        self.ask_for_pixel(facts.shape)

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
        self._pixel.setCurrentIndex(1)
        self._curve_later.start()  # both in one go would hold up everybody for too long

    @Slot()
    def _show_curve(self) -> None:
        if self.page is not None:
            self.curve.show_page(self.page)

    def set_open_file(self, name: str, why_not: str) -> None:
        """Say which file the solution can be applied to, or why to none."""
        super().set_open_file(name, why_not)
        self.try_out.setEnabled(not why_not)

    def show_mode(self, *, running: bool) -> None:
        """Show the header of a run, or of a solution."""
        super().show_mode(running=running)
        self.tabs.setTabEnabled(1, not running)
        if running:
            self.tabs.setCurrentIndex(0)

    @Slot()
    def _on_refit(self) -> None:
        if self.map.pixel is not None:
            self.refit.setEnabled(False)
            self.refitWanted.emit(
                self.map.pixel,
                _chosen(self.line_model, LINE_CHOICES),
                _chosen(self.curve_model, CURVE_CHOICES),
            )


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
