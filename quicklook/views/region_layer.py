"""The regions on the image: outlines that can be moved and resized with the mouse."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pipeline_core.regions import Circle, PixelSet, Rectangle
from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Slot, pg
from quicklook.region_list import Region, RegionList

__all__ = ["Point", "RegionLayer", "shape_between"]

_HANDLE_PX = 9.0
Point = tuple[float, float]


def shape_between(tool: str, first: Point, last: Point) -> Any:
    """Return the region that a drag from one point to another draws (array coordinates)."""
    x0, y0 = (math.floor(value + 0.5) for value in first)
    x1, y1 = (math.floor(value + 0.5) for value in last)
    if tool == "circle":
        return Circle(x0, y0, max(round(math.hypot(last[0] - x0, last[1] - y0), 1), 0.5))
    return Rectangle(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


class RegionLayer(QtCore.QObject):
    """Keeps one item a region; reports drags to the list.

    Parameters
    ----------
    parent_item : QGraphicsItem
        In array coordinates.
    parent : QObject
        Whose end is the end of the items.
    """

    def __init__(
        self,
        regions: RegionList,
        parent_item: QtWidgets.QGraphicsItem,
        parent: QtCore.QObject,
    ) -> None:
        super().__init__(parent)
        self._regions = regions
        self._parent_item = parent_item
        self.items: dict[int, RegionItem] = {}
        regions.changed.connect(self._update)
        theme.notifier.changed.connect(self._update)

    @Slot()
    def _update(self) -> None:
        wanted = {region.number: region for region in self._regions.regions}
        for number in [number for number in self.items if number not in wanted]:
            item = self.items.pop(number)
            item.setParentItem(None)
            if item.scene() is not None:
                item.scene().removeItem(item)
        selected = self._regions.selected
        for number, region in wanted.items():
            if number not in self.items:
                self.items[number] = RegionItem(self._regions, self._parent_item)
            self.items[number].show_region(region, is_selected=region == selected)


class RegionItem(pg.GraphicsObject):
    """Outline, number and, if selected, handles of one region."""

    def __init__(self, regions: RegionList, parent: QtWidgets.QGraphicsItem) -> None:
        super().__init__(parent)
        self._list = regions
        self._region = Region(0, Rectangle(0, 0, 0, 0))
        self._is_selected = False
        self._grip = ""
        self._at_start: Any = None
        self.setZValue(10)

    def show_region(self, region: Region, *, is_selected: bool) -> None:
        """Draw a region."""
        self.prepareGeometryChange()
        self._region, self._is_selected = region, is_selected
        self.setZValue(11 if is_selected else 10)
        self.update()

    # --- drawing ---------------------------------------------------------------------------------

    def outline(self) -> QtGui.QPainterPath:
        """Return the edge of the region in array coordinates."""
        path = QtGui.QPainterPath()
        shape = self._region.shape
        if isinstance(shape, Circle):
            path.addEllipse(QtCore.QPointF(shape.x, shape.y), shape.radius, shape.radius)
        elif isinstance(shape, Rectangle):
            path.addRect(
                QtCore.QRectF(
                    shape.x0 - 0.5, shape.y0 - 0.5, shape.x1 - shape.x0 + 1, shape.y1 - shape.y0 + 1
                )
            )
        elif isinstance(shape, PixelSet):
            for x, y in shape.pixels:
                path.addRect(QtCore.QRectF(x - 0.5, y - 0.5, 1, 1))
        return path

    def _handles(self) -> dict[str, QtCore.QPointF]:
        shape = self._region.shape
        if not self._is_selected:
            return {}
        if isinstance(shape, Circle):
            return {"radius": QtCore.QPointF(shape.x + shape.radius, shape.y)}
        if isinstance(shape, Rectangle):
            xs = {"0": shape.x0 - 0.5, "1": shape.x1 + 0.5}
            ys = {"0": shape.y0 - 0.5, "1": shape.y1 + 0.5}
            return {i + j: QtCore.QPointF(xs[i], ys[j]) for i in xs for j in ys}
        return {}

    def _pixel_length(self) -> float:
        """Return the length of a screen pixel in array coordinates."""
        view = self.getViewBox()
        if view is None:
            return 0.1
        return float(view.viewRect().width() / max(view.width(), 1))

    def boundingRect(self) -> QtCore.QRectF:
        """Return the area that `paint` touches."""
        margin = 2 * _HANDLE_PX * self._pixel_length() + 1
        return self.outline().boundingRect().adjusted(-margin, -margin, margin, margin)

    def shape(self) -> QtGui.QPainterPath:
        """Return where the mouse finds the region: inside its edge, and on its handles."""
        path = self.outline()
        size = _HANDLE_PX * self._pixel_length()
        for point in self._handles().values():
            path.addRect(QtCore.QRectF(point.x() - size, point.y() - size, 2 * size, 2 * size))
        path.setFillRule(Qt.FillRule.WindingFill)
        return path

    def viewRangeChanged(self) -> None:  # noqa: N802
        """Handles keep their size on the screen."""
        self.prepareGeometryChange()

    def paint(self, painter: QtGui.QPainter, *_: object) -> None:
        """Draw twice, broad and dark below narrow and bright."""
        colours = theme.current()
        outline = self.outline()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        width = 2.0 if self._is_selected else 1.4
        style = Qt.PenStyle.SolidLine if self._is_selected else Qt.PenStyle.DashLine
        for colour, extra in ((colours.region_edge, 2.0), (colours.region, 0.0)):
            painter.setPen(pg.mkPen(colour, width=width + extra, cosmetic=True, style=style))
            painter.drawPath(outline)
        size = 0.5 * _HANDLE_PX * self._pixel_length()
        painter.setPen(pg.mkPen(colours.region_edge, width=1, cosmetic=True))
        painter.setBrush(QtGui.QColor(colours.region))
        for point in self._handles().values():
            painter.drawRect(QtCore.QRectF(point.x() - size, point.y() - size, 2 * size, 2 * size))
        self._paint_number(painter, outline.boundingRect())

    def _paint_number(self, painter: QtGui.QPainter, area: QtCore.QRectF) -> None:
        """Write the number upright beside the region, whatever the orientation of the array."""
        corner = painter.transform().mapRect(area).topRight()
        painter.save()
        painter.resetTransform()
        colours = theme.current()
        font = painter.font()
        font.setBold(True)
        painter.setFont(font)
        path = QtGui.QPainterPath()
        path.addText(corner + QtCore.QPointF(3, 4), font, str(self._region.number))
        painter.setPen(QtGui.QPen(QtGui.QColor(colours.region_edge), 3))
        painter.drawPath(path)
        painter.fillPath(path, QtGui.QColor(colours.region))
        painter.restore()

    # --- mouse -----------------------------------------------------------------------------------

    def mouseClickEvent(self, event: object) -> None:
        """Select on a click at the edge or handle; a click inside belongs to the pixel below."""
        event.ignore()  # type: ignore[attr-defined]
        if event.button() == Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            self._list.select(self._region.number)

    def mouseDragEvent(self, event: object) -> None:
        """Move the region, or pull a handle."""
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            event.ignore()  # type: ignore[attr-defined]
            return
        event.accept()  # type: ignore[attr-defined]
        start, now = event.buttonDownPos(), event.pos()  # type: ignore[attr-defined]
        first = event.isStart()  # type: ignore[attr-defined]
        if first:
            self._at_start = self._region.shape
            self._grip = self._grip_at(start)
        shape = self._pulled(start, now)
        if first or shape != self._region.shape:
            self._list.reshape(self._region.number, shape, remember=bool(first))

    def _grip_at(self, point: QtCore.QPointF) -> str:
        reach = _HANDLE_PX * self._pixel_length()
        for name, place in self._handles().items():
            if abs(place.x() - point.x()) <= reach and abs(place.y() - point.y()) <= reach:
                return name
        return ""

    def _pulled(self, start: QtCore.QPointF, now: QtCore.QPointF) -> Any:
        shape = self._at_start
        dx, dy = round(now.x() - start.x()), round(now.y() - start.y())
        if not self._grip:
            return shape.moved(dx, dy)
        if isinstance(shape, Circle):
            radius = math.hypot(now.x() - shape.x, now.y() - shape.y)
            return replace(shape, radius=max(round(radius, 1), 0.5))
        x0, x1 = (shape.x0 + dx, shape.x1) if self._grip[0] == "0" else (shape.x0, shape.x1 + dx)
        y0, y1 = (shape.y0 + dy, shape.y1) if self._grip[1] == "0" else (shape.y0, shape.y1 + dy)
        return Rectangle(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
