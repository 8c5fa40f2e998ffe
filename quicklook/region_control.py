"""Regions: tools to draw them, what the plots show of them, keys. Created by the main window."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_core.regions import pixels_in
from quicklook.qt import QtCore, QtWidgets, Slot
from quicklook.region_list import RegionList
from quicklook.session import Session, Target
from quicklook.views.image_pane import ImagePane
from quicklook.views.region_layer import Point, shape_between
from quicklook.views.regions_pane import RegionsPane

__all__ = ["RegionControl"]

_TOOLS = {"pointer": "", "rectangle": "rectangle", "circle": "circle", "pixels": "pixels"}


class RegionControl(QtCore.QObject):
    """Connects the list of regions with image, table, plots and actions."""

    def __init__(
        self,
        session: Session,
        regions: RegionList,
        image: ImagePane,
        table: RegionsPane,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtCore.QObject,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._regions = regions
        self._image = image
        self._table = table
        self._drawing: int | None = None
        self._group = QtWidgets.QActionGroup(self)
        for name in _TOOLS:
            self._group.addAction(actions[name])
        actions["pointer"].setChecked(True)
        self._pointer = actions["pointer"]
        self._group.triggered.connect(self._on_tool)
        actions["next_region"].triggered.connect(regions.select_next)
        actions["remove_region"].triggered.connect(table.remove_selected)
        actions["clear_regions"].triggered.connect(regions.clear)
        actions["undo"].triggered.connect(self._undo)
        actions["plot_region"].triggered.connect(table.plot.toggle)
        image.pixelToggled.connect(regions.toggle_pixel)
        image.regionTabbed.connect(regions.select_next)
        image.view.regionDrawn.connect(self._on_drawn)
        table.plotToggled.connect(self._update_target)
        regions.changed.connect(self._update_target)
        session.fileChanged.connect(self._on_file)
        session.pixelChanged.connect(self._on_pixel)
        session.targetChanged.connect(self._on_target)

    @Slot(QtWidgets.QAction)
    def _on_tool(self, action: QtWidgets.QAction) -> None:
        self._image.view.set_tool(_TOOLS[action.objectName()])

    @Slot(str, object, object, bool)
    def _on_drawn(self, tool: str, first: Point, last: Point, finished: bool) -> None:
        """Make or reshape the region that is being drawn; then go back to the pointer, which moves it."""
        facts = self._session.file
        if facts is None or tool not in ("rectangle", "circle"):
            return
        shape = shape_between(tool, first, last)
        if pixels_in(shape, facts.shape):
            if self._drawing is None:
                self._drawing = self._regions.add(shape).number
            else:
                self._regions.reshape(self._drawing, shape, remember=False)
        if finished:
            self._drawing = None
            self._pointer.trigger()

    @Slot()
    def _on_file(self) -> None:
        """Drop the regions that the new array has no pixel of; back in the old one, undo brings them again."""
        self._keep_fitting(remember=True)
        self._table.plot.setChecked(False)

    @Slot()
    def _undo(self) -> None:
        """Take back the last change, but for regions of another array."""
        self._regions.undo()
        self._keep_fitting(remember=False)

    def _keep_fitting(self, *, remember: bool) -> None:
        facts = self._session.file
        if facts is None:
            return
        for region in self._regions.regions:
            if not pixels_in(region.shape, facts.shape):
                self._regions.remove(region.number, remember=remember)

    @Slot()
    def _on_pixel(self) -> None:
        """A clicked pixel is what the plots are to show."""
        self._table.plot.setChecked(False)

    @property
    def _wanted(self) -> Target | None:
        """What the plots are to show of regions; None: nothing, also if the selected one was moved out of the array."""
        selected, facts = self._regions.selected, self._session.file
        if selected is None or facts is None or not self._table.plot.isChecked():
            return None
        pixels = pixels_in(selected.shape, facts.shape)
        return Target(f"{selected.name} ({len(pixels)} pixels)", pixels) if pixels else None

    @Slot()
    def _update_target(self) -> None:
        """Let the plots show the selected region, if that is wished."""
        self._session.set_target(self._wanted)

    @Slot()
    def _on_target(self) -> None:
        """Wish it no longer when the active pixel was clicked once more."""
        if self._wanted not in (None, self._session.target):
            self._table.plot.setChecked(False)
