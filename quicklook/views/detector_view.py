"""The scene of the detector image: axes, picture, orientation, and what the mouse does there.

The one place that turns detector arrays [x, y] for the screen. Pixel (x, y) is drawn at column x from
the left and row y from the bottom unless flipped or turned; whole numbers on the axes are the middles
of pixels. Everything in `array_items` is drawn in array coordinates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot, pg
from quicklook.views.axes import WholeNumberAxis, calm_axis
from quicklook.views.orientation import Orientation
from quicklook.views.pixel_marker import PixelMarker

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["AXIS_HEIGHT", "AXIS_WIDTH", "DetectorView"]

AXIS_WIDTH, AXIS_HEIGHT = 46, 34
"""Room for numbers and labels [screen pixels], with text of the usual size."""
_ZOOM = 1.25
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}
"""Steps to the right and upwards on the screen."""


class _MouseBox(pg.ViewBox):
    """A view box whose left drags may belong to a tool, and whose right drags change the contrast."""

    toolDragged = Signal(object, object, bool)  # noqa: N815
    contrastDragged = Signal(float, float, bool)  # noqa: N815

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.tool = ""

    def mouseDragEvent(self, event: object, axis: object = None) -> None:
        """Pan, or hand the drag to whom it belongs."""
        button = event.button()  # type: ignore[attr-defined]
        if button == Qt.MouseButton.RightButton:
            event.accept()  # type: ignore[attr-defined]
            moved = event.screenPos() - event.lastScreenPos()  # type: ignore[attr-defined]
            width, height = max(self.width(), 1), max(self.height(), 1)
            self.contrastDragged.emit(
                moved.x() / width,
                -moved.y() / height,
                event.isFinish(),  # type: ignore[attr-defined]
            )
        elif button == Qt.MouseButton.LeftButton and self.tool:
            event.accept()  # type: ignore[attr-defined]
            self.toolDragged.emit(
                event.buttonDownScenePos(),  # type: ignore[attr-defined]
                event.scenePos(),  # type: ignore[attr-defined]
                event.isFinish(),  # type: ignore[attr-defined]
            )
        else:
            super().mouseDragEvent(event, axis)


class _ArrayItems(pg.ItemGroup):
    """Parent of everything that is drawn in array coordinates."""


class DetectorView(pg.GraphicsLayoutWidget):
    """Shows an index picture [x, y] with its colour table, and tells what the mouse does.

    Signals
    -------
    pixelClicked
        (x, y), whether Shift or Ctrl was held.
    hovered
        (x, y) under the mouse, or None.
    regionDrawn
        (tool, first point, last point, finished); points are (x, y) in array coordinates.
    contrastDragged
        (part of the width, part of the height, finished) of a drag with the right button.
    viewChanged
        Another part of the array is seen.
    """

    pixelClicked = Signal(object, bool)  # noqa: N815
    hovered = Signal(object)
    regionDrawn = Signal(str, object, object, bool)  # noqa: N815
    contrastDragged = Signal(float, float, bool)  # noqa: N815
    viewChanged = Signal()  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.shape: tuple[int, int] | None = None
        self.orientation = Orientation()
        self.zoomed = False
        self._mouse_inside = False
        self.ci.layout.setContentsMargins(0, 6, 6, 0)
        self.box = _MouseBox()
        axes = {side: WholeNumberAxis(side) for side in ("left", "bottom")}
        self.plot = self.addPlot(viewBox=self.box, axisItems=axes)
        self.plot.hideButtons()
        self.box.setAspectLocked(True)
        self.box.setDefaultPadding(0.0)
        self.box.sigRangeChangedManually.connect(self._on_zoom)
        self.box.sigRangeChanged.connect(self.viewChanged)
        self.box.toolDragged.connect(self._on_tool_drag)
        self.box.contrastDragged.connect(self.contrastDragged)
        self.array_items = _ArrayItems()
        self.picture = pg.ImageItem()
        self.picture.setPos(-0.5, -0.5)  # whole numbers on the axes are the middles of pixels
        self.marker = PixelMarker()
        for item in (self.picture, self.marker):
            item.setParentItem(self.array_items)
        self.box.addItem(self.array_items, ignoreBounds=True)
        self.plot.scene().sigMouseClicked.connect(self._on_click)
        self.viewport().installEventFilter(self)
        self._hover = pg.SignalProxy(
            self.plot.scene().sigMouseMoved, rateLimit=30, slot=self._on_hover
        )
        theme.notifier.changed.connect(self.restyle)
        self.restyle()

    @Slot()
    def restyle(self) -> None:
        """Take the colours and the size of the text that are in use."""
        self.setBackground(theme.current().paper)
        self.plot.getAxis("left").setWidth(round(AXIS_WIDTH * theme.text_scale()))
        self.plot.getAxis("bottom").setHeight(round(AXIS_HEIGHT * theme.text_scale()))
        for side in ("left", "bottom"):
            calm_axis(self.plot.getAxis(side))
        self.marker.update()

    # --- the picture -----------------------------------------------------------------------------

    def set_shape(self, shape: tuple[int, int]) -> None:
        """Make room for an array (ncols, nrows), seen as a whole."""
        self.shape = shape
        self._arrange()

    def set_orientation(self, orientation: Orientation) -> None:
        """Flip or turn the picture; the same part of the array stays on the screen."""
        centre_and_size = self._seen()
        self.orientation = orientation
        self._arrange()
        if self.zoomed and centre_and_size is not None:
            self._see(*centre_and_size)

    def set_picture(self, index: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8]) -> None:
        """Draw colour numbers [x, y] with a table of 256 colours, shape (256, 3)."""
        self.picture.setImage(index.T, lut=colours, levels=(0, 255), autoLevels=False)

    def _arrange(self) -> None:
        if self.shape is None:
            return
        orientation = self.orientation
        self.array_items.setTransform(orientation.transform)
        width, height = orientation.size(self.shape)
        margin = 2.0 * max(self.shape)  # room to zoom out
        self.box.setLimits(
            xMin=-0.5 - margin,
            xMax=width - 0.5 + margin,
            yMin=-0.5 - margin,
            yMax=height - 0.5 + margin,
            minXRange=4,
        )
        self.box.invertX(orientation.flip_horizontal)
        self.box.invertY(orientation.flip_vertical)
        for side, name in zip(("bottom", "left"), orientation.axes, strict=True):
            self.plot.setLabel(side, f"{name} [pixel]")
        self.fit()

    # --- zoom ------------------------------------------------------------------------------------

    @Slot()
    def fit(self) -> None:
        """Show the whole array, also after a change of size."""
        self.zoomed = False
        if self.shape is not None:
            width, height = self.orientation.size(self.shape)
            self.box.setRange(QtCore.QRectF(-0.5, -0.5, width, height), padding=0)

    @Slot()
    def zoom_in(self) -> None:
        """Show a smaller part, around the middle of the view."""
        self._zoom(1 / _ZOOM)

    @Slot()
    def zoom_out(self) -> None:
        """Show a larger part."""
        self._zoom(_ZOOM)

    def set_pixel_size(self, screen_pixels: float) -> None:
        """Draw a pixel of the array this large."""
        seen = self._seen()
        if seen is not None:
            self._see(seen[0], self.box.width() / screen_pixels)

    def _zoom(self, factor: float) -> None:
        if self.shape is not None:
            self.zoomed = True
            self.box.scaleBy((factor, factor))

    def _seen(self) -> tuple[tuple[float, float], float] | None:
        """Middle of what is seen, in array coordinates, and its width."""
        if self.shape is None:
            return None
        seen = self.box.viewRect()
        inverse, _ = self.orientation.transform.inverted()
        centre = inverse.map(seen.center())
        return (centre.x(), centre.y()), seen.width()

    def _see(self, centre: tuple[float, float], width: float) -> None:
        middle = self.orientation.transform.map(QtCore.QPointF(*centre))
        height = width * self.box.height() / max(self.box.width(), 1)
        area = QtCore.QRectF(middle.x() - width / 2, middle.y() - height / 2, width, height)
        self.zoomed = True
        self.box.setRange(area, padding=0)

    def centre_on(self, pixel: tuple[int, int]) -> None:
        """Bring a pixel into view if it is outside."""
        point = self.orientation.transform.map(QtCore.QPointF(*pixel))
        if self.zoomed and not self.box.viewRect().contains(point):
            self._see(pixel, self.box.viewRect().width())

    def seen_pixels(self) -> tuple[int, int, int, int] | None:
        """First and last column, first and last row that are on the screen."""
        if self.shape is None:
            return None
        inverse, _ = self.orientation.transform.inverted()
        area = inverse.mapRect(self.box.viewRect())
        ncols, nrows = self.shape
        return (
            min(max(math.ceil(area.left() - 0.5), 0), ncols - 1),
            min(max(math.floor(area.right() + 0.5), 0), ncols - 1),
            min(max(math.ceil(area.top() - 0.5), 0), nrows - 1),
            min(max(math.floor(area.bottom() + 0.5), 0), nrows - 1),
        )

    def _on_zoom(self, *_: object) -> None:
        self.zoomed = True

    # --- keys ------------------------------------------------------------------------------------

    def stepped(
        self, pixel: tuple[int, int] | None, event: QtGui.QKeyEvent
    ) -> tuple[int, int] | None:
        """Return where an arrow key moves a pixel, as the picture lies on the screen (with Shift by 10).

        Without a pixel: the middle of the array. None for other keys, or without an array.
        """
        step = _ARROWS.get(Qt.Key(event.key()))
        if step is None or self.shape is None:
            return None
        if pixel is None:
            return self.shape[0] // 2, self.shape[1] // 2
        size = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        dx, dy = self.orientation.towards(*step)
        x = min(max(pixel[0] + size * dx, 0), self.shape[0] - 1)
        y = min(max(pixel[1] + size * dy, 0), self.shape[1] - 1)
        return x, y

    # --- mouse -----------------------------------------------------------------------------------

    def array_point(self, scene_position: QtCore.QPointF) -> tuple[float, float]:
        """Return (x, y) in array coordinates: whole numbers are the middles of pixels."""
        point = self.array_items.mapFromScene(scene_position)
        return point.x(), point.y()

    def pixel_at(self, scene_position: QtCore.QPointF) -> tuple[int, int] | None:
        """Return the pixel at a position of the scene, None outside the array or the axes."""
        if self.shape is None:
            return None
        x, y = (math.floor(value + 0.5) for value in self.array_point(scene_position))
        inside = 0 <= x < self.shape[0] and 0 <= y < self.shape[1]
        in_view = self.box.sceneBoundingRect().contains(scene_position)
        return (x, y) if inside and in_view else None

    def _on_click(self, event: object) -> None:
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            return
        pixel = self.pixel_at(event.scenePos())  # type: ignore[attr-defined]
        if pixel is not None:
            held = event.modifiers()  # type: ignore[attr-defined]
            adding = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier
            self.pixelClicked.emit(pixel, bool(held & adding))

    def set_tool(self, tool: str) -> None:
        """Let left drags draw a region ('rectangle', 'circle'), or pan ('')."""
        self.box.tool = tool
        shape = Qt.CursorShape.CrossCursor if tool else Qt.CursorShape.ArrowCursor
        self.viewport().setCursor(shape)

    @Slot(object, object, bool)
    def _on_tool_drag(self, first: QtCore.QPointF, last: QtCore.QPointF, finished: bool) -> None:
        points = self.array_point(first), self.array_point(last)
        self.regionDrawn.emit(self.box.tool, *points, finished)

    def _on_hover(self, args: tuple[QtCore.QPointF]) -> None:
        # told with a delay: the mouse may have left by now
        self.hovered.emit(self.pixel_at(args[0]) if self._mouse_inside else None)

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Notice when the mouse leaves the image, which the scene does not tell."""
        kind = event.type() if event is not None else None
        if kind == QtCore.QEvent.Type.MouseMove:
            self._mouse_inside = True
        elif kind == QtCore.QEvent.Type.Leave:
            self._mouse_inside = False
            self.hovered.emit(None)
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QtCore.QSize:
        """Ask for little: the layout gives what there is."""
        return QtWidgets.QWidget().minimumSizeHint().expandedTo(QtCore.QSize(200, 200))
