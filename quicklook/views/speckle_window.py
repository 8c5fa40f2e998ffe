"""The window of speckle maps: a map that fills while it is made, and the study of the active pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.speckle_store import SpeckleStore
from quicklook.views.result_window import ResultWindow
from quicklook.views.study_plots import StudyPlots
from quicklook.views.study_table import StudyTable

if TYPE_CHECKING:
    from pipeline_core.speckle.browse import PixelPage

__all__ = ["SpeckleWindow"]

_REDRAW_MS = 200
_FIRST_MAP = "is"


class SpeckleWindow(ResultWindow):
    """Maps of the open file, if there are any, and one pixel in depth.

    Signals
    -------
    againWanted, saveWanted, exportWanted, copyWanted
        What the buttons say.
    stepWanted
        Number of the step of time that is to be looked at.
    """

    againWanted = Signal()  # noqa: N815
    saveWanted = Signal()  # noqa: N815
    exportWanted = Signal()  # noqa: N815
    copyWanted = Signal()  # noqa: N815
    stepWanted = Signal(int)  # noqa: N815

    kind = "speckle maps"
    running_text = "Click a pixel to study it; the map fills meanwhile."

    def __init__(self, store: SpeckleStore) -> None:
        self.store = store
        self.page: PixelPage | None = None
        self.plots = StudyPlots()
        self.table = StudyTable()
        super().__init__("histogram")
        self.pages.hide()
        self.apply.hide()
        self.again.clicked.connect(self.againWanted)
        self.save.clicked.connect(self.saveWanted)
        self.map.why_missing = self._why_missing
        self.map.mapWanted.connect(self._on_map_wanted)
        self.steps.valueChanged.connect(self.stepWanted)
        self._redraw = QtCore.QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self.draw_map)
        store.grown.connect(self._on_grown)
        store.changed.connect(self._on_changed)
        self._on_changed()

    # --- building --------------------------------------------------------------------------------

    @property
    def has_solution(self) -> bool:
        """Pixels can be looked at always: a study needs no maps."""
        return True

    def buttons(self) -> list[QtWidgets.QPushButton]:
        """Return the buttons of finished maps."""
        self.again = QtWidgets.QPushButton("Make maps…")
        self.again.setToolTip("Choose settings, and make maps of the open file")
        self.save = QtWidgets.QPushButton("Save as…")
        return [self.again, self.save, self.pages, self.apply]

    def left(self) -> QtWidgets.QWidget:
        """Return the map, and the choice of a step of time where there are several."""
        self.steps = QtWidgets.QSpinBox(prefix="step ")
        self.steps.setToolTip("Which step of the time range the maps are of")
        self.span = QtWidgets.QLabel(objectName="caption")
        row = QtWidgets.QHBoxLayout()
        row.setContentsMargins(10, 0, 10, 0)
        row.addWidget(self.span, 1)
        row.addWidget(self.steps)
        page = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.map, 1)
        column.addLayout(row)
        return page

    def right(self) -> QtWidgets.QWidget:
        """Return what shows a pixel."""
        self.pixel_title = QtWidgets.QLabel(objectName="paneTitle")
        self.export = QtWidgets.QPushButton("Export pixel…")
        self.export.setToolTip("Write histogram, models and fit of this pixel: CSV, FITS, NPZ")
        self.export.clicked.connect(self.exportWanted)
        self.copy = QtWidgets.QPushButton("Copy as Python")
        self.copy.setToolTip("Copy a script that studies this pixel in the same way")
        self.copy.clicked.connect(self.copyWanted)
        head = QtWidgets.QHBoxLayout()
        head.addWidget(self.pixel_title, 1)
        head.addWidget(self.copy)
        head.addWidget(self.export)
        content = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(content)
        column.setContentsMargins(8, 8, 8, 4)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self.table)
        column.addWidget(self.plots, 1)
        return self.pixel_pages(content)

    def build_next(self) -> bool:
        """Make one of the plots that are not needed yet."""
        return self.plots.build_next()

    # --- maps ------------------------------------------------------------------------------------

    def show_no_maps(self, name: str, shape: tuple[int, int]) -> None:
        """Show that there are no maps of the open file yet."""
        self.show_mode(running=False)
        self.setWindowTitle(f"Speckles - {name}")
        self.headline.setText(f"Speckles in {name}")
        self.subline.setText("No maps yet: Make maps… fits every pixel. A single one needs none.")
        self.map.show_empty(shape, "no maps yet")

    def show_running(self, name: str) -> None:
        """Show that maps are being made."""
        super().show_running(name)
        self.headline.setText(f"Speckle maps of {name}")
        self.subline.setText("")
        self._on_changed()

    def show_maps(self, name: str) -> None:
        """Show finished maps, or what a cancelled computation has left."""
        self.show_mode(running=False)
        self.setWindowTitle(f"Speckle maps - {name}")
        self.headline.setText(f"Speckle maps of {name}")

    def show_mode(self, *, running: bool) -> None:
        """Show the header of a run, or of maps; the pixel stays."""
        self._running.setVisible(running)
        self._finished.setVisible(not running)
        if not running:
            self._clock.stop()

    @Slot()
    def _on_changed(self) -> None:
        store = self.store
        ready = store.maps is not None
        self.save.setEnabled(ready)
        self.save.setToolTip(
            "Write all maps: FITS with an extension each, or NPZ" if ready else "No maps yet"
        )
        several = store.n_steps > 1
        self.steps.setVisible(several)
        self.steps.blockSignals(True)
        self.steps.setRange(0, max(store.n_steps - 1, 0))
        self.steps.setValue(store.step)
        self.steps.blockSignals(False)
        self.span.setText(f"{store.span}, outdated" if store.outdated else store.span)
        if store.names:
            if not self.map.wanted:
                self.map.offer(store.map_choices(), first=_FIRST_MAP)
            else:
                self.map.offer(store.map_choices())
            self.draw_map()
        self._count()

    @Slot()
    def _on_grown(self) -> None:
        if not self._redraw.isActive():
            self._redraw.start()

    @Slot()
    def draw_map(self) -> None:
        """Draw the chosen map as far as it is done."""
        if self.isVisible() and self.map.wanted in self.store.names:
            self.show_map(self.store.array_map(self.map.wanted))
        self._count()

    def _count(self) -> None:
        done, maps = self.store.n_done(), self.store.maps
        if not self.store.names:
            return
        text = f"{done:,} pixels done"
        if maps is not None:
            found = maps.status_counts()
            text = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in found.items() if n)
            if not maps.complete:
                text += " (cancelled)"
        if self.store.outdated:
            changed = " and ".join(self.store.outdated)
            text = f"Outdated: {changed} have changed since. Make maps… makes them anew."
        self.subline.setText(text)

    @Slot(str)
    def _on_map_wanted(self, _name: str) -> None:
        self.draw_map()

    def _why_missing(self, pixel: tuple[int, int]) -> str:
        name = self.map.wanted
        return self.store.why_no_value(name, pixel) if name in self.store.names else ""

    # --- one pixel -------------------------------------------------------------------------------

    def show_reading(self, pixel: tuple[int, int]) -> None:
        """Say that a pixel is being studied; what was drawn is of another one."""
        self.page = None
        self._placeholder.setText(f"Studying pixel ({pixel[0]}, {pixel[1]})…")
        if self._pixel.currentIndex() == 1:
            self.pixel_title.setText(f"Pixel ({pixel[0]}, {pixel[1]}): studying…")
            self.table.setEnabled(False)
            self.export.setEnabled(False)
            self.copy.setEnabled(False)

    def show_no_pixel(self) -> None:
        """Say that no pixel is chosen."""
        self.page = None
        self._placeholder.setText("Click a pixel in the map (or use the arrow keys).")
        self._pixel.setCurrentIndex(0)

    def show_no_page(self, why: str) -> None:
        """Say why a pixel cannot be studied."""
        self.page = None
        self._placeholder.setText(why)
        self._pixel.setCurrentIndex(0)

    def show_page(self, page: PixelPage) -> None:
        """Show everything about a pixel."""
        self.page = page
        x, y = page.study.pixel
        self.pixel_title.setText(f"Pixel ({x}, {y})")
        self.table.setEnabled(True)
        self.export.setEnabled(True)
        self.copy.setEnabled(True)
        self.table.show_study(page.study)
        self.plots.show_page(page)
        self._pixel.setCurrentIndex(1)

    def showEvent(self, event: object) -> None:
        """Draw what came while the window was closed."""
        super().showEvent(event)
        self.draw_map()
