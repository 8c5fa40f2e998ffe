"""The detector image: flags by category or counts with a colour bar; clicks choose the active pixel.

The one place that turns detector arrays [x, y] for the screen: pixel (x, y) is drawn at column x from
the left and row y from the bottom; whole numbers on the axes are the middles of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quicklook import palette
from quicklook.assets import defaults
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot, pg
from quicklook.session import Session
from quicklook.tasks import CountsRequest, CountsResult, FileFacts, FlagImage
from quicklook.views.axes import calm_axis
from quicklook.views.pane import Pane
from quicklook.views.pixel_marker import PixelMarker
from quicklook.widgets.beside_image import BesideImage
from quicklook.widgets.flag_legend import FlagLegend

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["FLAGS", "RAW_COUNTS", "ImagePane"]

FLAGS = "flags"
RAW_COUNTS = "raw_counts"

_AXIS_WIDTH, _AXIS_HEIGHT = 46, 34
_WELCOME = (
    "Open a photon file:  Ctrl+O\n\nor make one from raw files:  File > Convert .bin files…  (Ctrl+B)\n\n"
    "A first try without data:  quicklook --demo"
)


class ImagePane(Pane):
    """Shows one image of the array.

    Signals
    -------
    pixelSelected
        (x, y) of the pixel that was clicked.
    hovered
        (x, y) under the mouse, or None.
    shownChanged
        Another image is on the screen.
    """

    pixelSelected = Signal(object)
    hovered = Signal(object)
    shownChanged = Signal()  # noqa: N815

    def __init__(self, session: Session) -> None:
        super().__init__("image", "Image", session)
        self.kind = ""
        self.counts: CountsResult | None = None
        self._span = ""
        self._zoomed = False
        self._array: npt.NDArray[np.generic] | None = None
        self.view = pg.GraphicsLayoutWidget()
        self.view.setBackground(palette.PAPER)
        self._build_scene()
        self.legend = FlagLegend()
        self.colour_bar_view = pg.GraphicsLayoutWidget()
        self.colour_bar_view.setBackground(palette.PAPER)
        self.colour_bar = self._build_colour_bar()
        self._side = QtWidgets.QStackedWidget()
        self._side.addWidget(self.legend)
        self._side.addWidget(self.colour_bar_view)
        self._frame = BesideImage(self.view, self._side, margins=(_AXIS_WIDTH, _AXIS_HEIGHT))
        self._frame.placed.connect(self._on_placed)
        self.set_content(self._frame)
        session.fileChanged.connect(self._on_file)
        session.pixelChanged.connect(self._on_pixel)
        self._on_file()

    def _build_scene(self) -> None:
        self.view.ci.layout.setContentsMargins(0, 6, 6, 0)
        self.plot = self.view.addPlot()
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setLabel("bottom", "x [pixel]")
        self.plot.setLabel("left", "y [pixel]")
        for side in ("left", "bottom"):
            calm_axis(self.plot.getAxis(side))
        self.plot.getAxis("left").setWidth(_AXIS_WIDTH)
        self.plot.getAxis("bottom").setHeight(_AXIS_HEIGHT)
        box = self.plot.getViewBox()
        box.setAspectLocked(True)
        box.setDefaultPadding(0.0)
        box.sigRangeChangedManually.connect(self._on_zoom)
        self.image = pg.ImageItem()
        self.flags = pg.ImageItem()
        self.marker = PixelMarker()
        for item in (self.image, self.flags, self.marker):
            box.addItem(item)
        for item in (self.image, self.flags):
            item.setPos(-0.5, -0.5)  # whole numbers on the axes are the middles of pixels
        scene = self.plot.scene()
        scene.sigMouseClicked.connect(self._on_click)
        self._mouse_inside = False
        self.view.viewport().installEventFilter(self)
        self._hover = pg.SignalProxy(scene.sigMouseMoved, rateLimit=30, slot=self._on_hover)

    def _build_colour_bar(self) -> pg.ColorBarItem:
        colours = pg.colormap.get(defaults()["colour_map"])
        bar = pg.ColorBarItem(
            values=(0, 1),
            colorMap=colours,
            width=16,
            hoverPen=palette.ACCENT,
            hoverBrush="#ffffff40",
        )
        bar.setImageItem(self.image)
        calm_axis(bar.axis)
        bar.axis.setLabel("Counts per pixel [photons]")
        self.colour_bar_view.ci.layout.setContentsMargins(8, 6, 0, _AXIS_HEIGHT)
        self.colour_bar_view.addItem(bar)
        return bar

    def _fit_colour_axis(self, highest: float) -> None:
        """Keep the label close to the numbers, however many digits they have."""
        axis = self.colour_bar.axis
        digits = self.fontMetrics().horizontalAdvance(f"{highest:.0f}0")
        axis.setWidth(digits + self.fontMetrics().height() + 8)

    # --- what to show ----------------------------------------------------------------------------

    def show_flags(self) -> None:
        """Show the flags of the open file, which need no reading."""
        facts = self.session.file
        if facts is None:
            return
        self._array = facts.flags
        self._draw_flags(facts.flag_image)
        self._now_showing(FLAGS, "Beam Flag Image", f"{facts.shape[0]} × {facts.shape[1]} pixels")

    def ask_counts(self) -> None:
        """Ask for the counts in the session's time range."""
        facts = self.session.file
        if facts is None:
            return
        start_s, stop_s = self.session.time_range
        low, high = defaults()["level_percentiles"]
        self.ask(CountsRequest(self.name, facts.token, start_s, stop_s, (low, high)))

    def show_result(self, result: object) -> None:
        """Draw counts."""
        assert isinstance(result, CountsResult)
        self.counts = result
        self._array = result.image
        self.image.setImage(result.image.T, autoLevels=False)
        self.colour_bar.setLevels(result.levels)
        self._fit_colour_axis(result.levels[1])
        request = result.request
        self._span = f"{request.start_s:g} to {request.stop_s:g} s"
        self._now_showing(RAW_COUNTS, "Raw Counts", self._span)

    def value_at(self, pixel: tuple[int, int]) -> tuple[str, str]:
        """Return value and unit of a pixel as text, taken from the array on the screen."""
        if self._array is None:
            return "", ""
        if self.kind != RAW_COUNTS:
            return "", ""
        return f"{int(self._array[pixel]):,}", f"counts in {self._span}"

    @Slot()
    def fit(self) -> None:
        """Show the whole array, also after a change of size."""
        self._zoomed = False
        if self.session.file is not None:
            ncols, nrows = self.session.file.shape
            self.plot.getViewBox().setRange(QtCore.QRectF(-0.5, -0.5, ncols, nrows), padding=0)

    # --- drawing ---------------------------------------------------------------------------------

    def _draw_flags(self, picture: FlagImage) -> None:
        names = enumerate(picture.categories)
        colours = [QtGui.QColor(palette.flag_colour(c.label, k)) for k, c in names]
        table = np.array([c.getRgb() for c in colours], np.uint8)
        self.flags.setImage(
            picture.index.T, lut=table, levels=(-0.5, len(colours) - 0.5), autoLevels=False
        )
        self.legend.set_entries(
            [
                (c.name(), k.label, k.count, k.sentence)
                for c, k in zip(colours, picture.categories, strict=True)
            ]
        )

    def _now_showing(self, kind: str, title: str, detail: str) -> None:
        self.kind = kind
        self.flags.setVisible(kind == FLAGS)
        self.image.setVisible(kind == RAW_COUNTS)
        self._side.setCurrentIndex(0 if kind == FLAGS else 1)
        self.set_title(title)
        self.set_detail(detail)
        self.show_content()
        self.shownChanged.emit()

    @Slot()
    def _on_file(self) -> None:
        facts = self.session.file
        self.counts = None
        self.marker.set_pixel(self.session.pixel)
        if facts is None:
            self._array = None
            self.kind = ""
            self.set_title("Image")
            self.show_placeholder(_WELCOME)
            return
        self._limit_view(facts)
        self.show_flags()

    def _limit_view(self, facts: FileFacts) -> None:
        ncols, nrows = facts.shape
        self._frame.set_aspect(ncols / nrows)
        margin = 0.02 * max(facts.shape)
        self.plot.getViewBox().setLimits(
            xMin=-0.5 - margin,
            xMax=ncols - 0.5 + margin,
            yMin=-0.5 - margin,
            yMax=nrows - 0.5 + margin,
            minXRange=4,
        )
        self.fit()

    @Slot()
    def _on_placed(self) -> None:
        if not self._zoomed:
            self.fit()

    def _on_zoom(self, *_: object) -> None:
        self._zoomed = True

    @Slot()
    def _on_pixel(self) -> None:
        self.marker.set_pixel(self.session.pixel)

    # --- mouse -----------------------------------------------------------------------------------

    def _pixel_at(self, scene_position: QtCore.QPointF) -> tuple[int, int] | None:
        """Return the pixel at a position of the scene, None outside the array."""
        facts = self.session.file
        if facts is None or self.message:
            return None
        point = self.image.mapFromScene(scene_position)
        x, y = int(np.floor(point.x())), int(np.floor(point.y()))
        inside = 0 <= x < facts.shape[0] and 0 <= y < facts.shape[1]
        in_view = self.plot.getViewBox().sceneBoundingRect().contains(scene_position)
        return (x, y) if inside and in_view else None

    def _on_click(self, event: object) -> None:
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            return
        pixel = self._pixel_at(event.scenePos())  # type: ignore[attr-defined]
        if pixel is not None:
            self.pixelSelected.emit(pixel)

    def _on_hover(self, args: tuple[QtCore.QPointF]) -> None:
        # told with a delay: the mouse may have left by now
        self.hovered.emit(self._pixel_at(args[0]) if self._mouse_inside else None)

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Notice when the mouse leaves the image, which the scene does not tell."""
        kind = event.type() if event is not None else None
        if kind == QtCore.QEvent.Type.MouseMove:
            self._mouse_inside = True
        elif kind == QtCore.QEvent.Type.Leave:
            self._mouse_inside = False
            self.hovered.emit(None)
        return super().eventFilter(watched, event)
