"""The window of a flat field: the array's weights at a wavelength that a slider chooses, and every pixel's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quicklook.flatcal_tasks import OpenFlat
from quicklook.qt import Qt, QtWidgets, Signal, Slot
from quicklook.views.flat_panels import FlatPanels
from quicklook.views.result_window import ResultWindow

if TYPE_CHECKING:
    from pipeline_core.flatcal.browse import FlatPage

__all__ = ["FlatWindow"]


class FlatWindow(ResultWindow):
    """One run, or one flat-field solution.

    Signals
    -------
    binWanted
        (name of a map, number of a bin): what the map is to show.
    """

    binWanted = Signal(str, int)  # noqa: N815

    kind = "flat field"
    running_text = "The flat field is being made. Afterwards every pixel can be looked at."

    def __init__(self) -> None:
        self.opened: OpenFlat | None = None
        self.page: FlatPage | None = None
        self.panels = FlatPanels()
        super().__init__("histogram")
        self.pages.setText("Write book…")
        self.pages.setToolTip("One row a pixel: weights, spectrum, wavelength solution (PDF)")
        self.slider.valueChanged.connect(self._on_slider)
        self.mapWanted.connect(self._on_map)

    @property
    def has_solution(self) -> bool:
        """Whether a solution is shown, not a run."""
        return self.opened is not None

    def build_next(self) -> bool:
        """Make one of the plots that are not needed yet."""
        return self.panels.build_next()

    def left(self) -> QtWidgets.QWidget:
        """Return the map with the slider of wavelengths below."""
        self.slider = QtWidgets.QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Wavelength of the map")
        self.slider_text = QtWidgets.QLabel(objectName="value")
        self.slider_text.setMinimumWidth(self.fontMetrics().horizontalAdvance("10000.0 nm  "))
        row = QtWidgets.QHBoxLayout()
        row.setContentsMargins(8, 0, 8, 4)
        row.setSpacing(10)
        row.addWidget(QtWidgets.QLabel("Wavelength", objectName="caption"))
        row.addWidget(self.slider, 1)
        row.addWidget(self.slider_text)
        content = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.map, 1)
        column.addLayout(row)
        return content

    def right(self) -> QtWidgets.QWidget:
        """Return what shows a pixel."""
        self.pixel_title = QtWidgets.QLabel(objectName="paneTitle", wordWrap=True)
        self.condition = QtWidgets.QLabel(objectName="caption", wordWrap=True)
        for label in (self.pixel_title, self.condition):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        content = QtWidgets.QFrame(objectName="card")
        column = QtWidgets.QVBoxLayout(content)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(4)
        column.addWidget(self.pixel_title)
        column.addWidget(self.condition)
        column.addWidget(self.panels, 1)
        return self.pixel_pages(content)

    def show_running(self, name: str) -> None:
        """Show that a flat field is being made, which will write the file `name`."""
        self.opened = None
        self.page = None
        super().show_running(name)

    def show_solution(self, opened: OpenFlat) -> None:
        """Show a flat field; a chosen pixel is asked for again."""
        self.opened = opened
        facts = opened.facts
        self.show_mode(running=False)
        self.setWindowTitle(f"Flat field - {opened.path.name}")
        self.headline.setText(f"{opened.path.name} ({facts.what})")
        self.headline.setToolTip(f"{opened.path}\nid {facts.solution_id}")
        scatter = "" if math.isnan(facts.scatter) else f", weights scatter by {facts.scatter:.1%}"
        error = "" if math.isnan(facts.median_error) else f", median error {facts.median_error:.1%}"
        self.subline.setText(
            f"{facts.n_weighted:,} of {facts.n_pixel:,} mapped pixels have weights{scatter}{error}"
        )
        self.subline.setToolTip("\n".join((f"Wavelengths: {facts.wavecal}", *facts.warnings)))
        self.slider.setRange(0, facts.wavelengths_nm.size - 1)
        self.slider.setValue(facts.wavelengths_nm.size // 2)
        self._show_wavelength()
        self.map.offer(opened.maps)
        self._ask_for_map()
        self.ask_for_pixel(facts.shape)
        self._builder.start()

    def show_page(self, page: FlatPage) -> None:
        """Show everything about a pixel."""
        self.page = page
        self.pixel_title.setText(page.title)
        self.condition.setText(page.condition)
        self.panels.show_page(page)
        self._pixel.setCurrentIndex(1)

    @Slot()
    def _on_slider(self) -> None:
        if self.opened is not None:
            self._show_wavelength()
            self._ask_for_map()

    @Slot(str)
    def _on_map(self, _name: str) -> None:
        self._ask_for_map()

    def _ask_for_map(self) -> None:
        if self.map.wanted:
            self.binWanted.emit(self.map.wanted, self.slider.value())

    def _show_wavelength(self) -> None:
        if self.opened is not None:
            nm = float(self.opened.facts.wavelengths_nm[self.slider.value()])
            self.slider_text.setText(f"{nm:.1f} nm")
            self.panels.show_wavelength(nm)
