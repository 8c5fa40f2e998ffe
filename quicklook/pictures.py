"""Pictures of an image or a plot for papers and talks: PNG, SVG, PDF, with title, units and a colour bar.

What is drawn is the view on the screen itself, zoom and all, so that picture and screen agree. `draw`
runs in the GUI thread; `Picture.save` may run in any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pipeline_core import __version__
from pipeline_core.atomic import write_aside
from pipeline_core.progress import Progress, silent
from pipeline_core.targets import check_target
from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtSvg, QtWidgets, pg
from quicklook.widgets.colour_bar import ColourBar

__all__ = ["PICTURE_ENDINGS", "Figure", "Picture", "draw", "draw_window"]

PICTURE_ENDINGS = (".png", ".svg", ".pdf")

_SCALE = 2
"""Pixels of a PNG for each pixel of the screen, both ways."""

_ENLARGED = 8
"""Pixels of a stored image for each pixel of the detector, both ways."""

_MARGIN = 12
_SWATCH = 12
_DPI = 96
_POINTS = 72.0 / _DPI


def _nothing() -> None:
    pass


@dataclass(frozen=True, eq=False)
class Figure:
    """What a picture is composed of.

    Attributes
    ----------
    title, lines
        Above the view; lines that are too long are broken.
    view : GraphicsView
        The image or plot on the screen.
    bar : ColourBar, optional
        Drawn at the right of the view, with `bar_label` beside it.
    legend : callable
        Returns (colour, text) of the categories, in the theme in use.
    restyle : callable
        Gives `view` the colours of the theme in use.
    """

    title: str
    lines: tuple[str, ...]
    view: pg.GraphicsView
    bar: ColourBar | None = None
    bar_label: str = ""
    legend: Callable[[], list[tuple[str, str]]] = list
    restyle: Callable[[], None] = _nothing


@dataclass(frozen=True, eq=False)
class Picture:
    """A finished picture: a `QImage`, or the bytes of a file."""

    ending: str
    content: QtGui.QImage | bytes

    def save(
        self, path: Path, sources: tuple[Path, ...], overwrite: bool, *, progress: Progress = silent
    ) -> Path:
        """Write the file, whole or not at all; errors as for the exports of the core."""
        check_target(path, (self.ending,), sources)
        progress(0, 1, "writing")
        content = self.content
        if isinstance(content, QtGui.QImage):
            content = _png(content)
        with write_aside(path, replace=overwrite) as part:
            part.write_bytes(content)
        return path


def draw(figure: Figure, ending: str, *, on_white: bool = True) -> Picture:
    """Draw a figure.

    Parameters
    ----------
    figure : Figure
    ending : str
        One of `PICTURE_ENDINGS`. SVG and PDF keep curves as curves and text as text.
    on_white : bool
        Whether in the colours of the light theme, whatever the theme on the screen.
    """
    try:
        with theme.painted_with("light") if on_white else nullcontext():
            figure.restyle()
            return Picture(ending, _DRAWN[ending](_Composition(figure)))
    finally:
        figure.restyle()


def draw_window(window: QtWidgets.QWidget) -> Picture:
    """Draw a window as it is, at twice its resolution (PNG)."""
    image = _blank(window.size(), QtGui.QColor(theme.current().window))
    painter = QtGui.QPainter(image)
    window.render(painter)
    painter.end()
    return Picture(".png", image)


# --- composition ---------------------------------------------------------------------------------


class _Composition:
    """Where everything of a figure is, in pixels of the screen, and how it is painted."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.font = QtWidgets.QApplication.font()
        self.bold = QtGui.QFont(self.font)
        self.bold.setPointSizeF(1.15 * self.font.pointSizeF())
        self.bold.setBold(True)
        self.legend = figure.legend()
        metrics = QtGui.QFontMetrics(self.font)
        self.line = round(1.25 * metrics.height())
        size = figure.view.viewport().size()
        # as wide as strip, numbers and label are; the widget may have room to spare
        needed = 5 * _MARGIN + metrics.horizontalAdvance("0,000,000") + 2 * metrics.height()
        self.bar_width = min(figure.bar.width(), needed) if figure.bar else 0
        side = self.bar_width + _MARGIN if figure.bar else 0
        if self.legend:
            widest = max(metrics.horizontalAdvance(text) for _, text in self.legend)
            side = 2 * _MARGIN + _SWATCH + widest
        width = size.width() + side
        flags = Qt.TextFlag.TextWordWrap
        text = "\n".join(figure.lines)
        room = QtCore.QRect(0, 0, width, 10_000)
        self.details = metrics.boundingRect(room, flags, text).height() if text else 0
        self.heading = round(1.3 * QtGui.QFontMetrics(self.bold).height())
        head = self.heading + self.details + _MARGIN // 2
        height = max(size.height(), len(self.legend) * self.line)
        self.size = QtCore.QSize(width + 2 * _MARGIN, head + height + 2 * _MARGIN)
        self.view_area = QtCore.QRect(QtCore.QPoint(_MARGIN, _MARGIN + head), size)

    def paint_surroundings(self, painter: QtGui.QPainter) -> None:
        """Paint paper, text, and what is beside the view."""
        colours = theme.current()
        painter.fillRect(QtCore.QRect(QtCore.QPoint(0, 0), self.size), QtGui.QColor(colours.paper))
        painter.setPen(QtGui.QColor(colours.ink))
        painter.setFont(self.bold)
        width = self.size.width() - 2 * _MARGIN
        title = QtCore.QRect(_MARGIN, _MARGIN, width, self.heading)
        painter.drawText(title, Qt.AlignmentFlag.AlignVCenter, self.figure.title)
        painter.setFont(self.font)
        painter.setPen(QtGui.QColor(colours.muted))
        details = QtCore.QRect(_MARGIN, title.bottom() + 1, width, self.details)
        painter.drawText(details, Qt.TextFlag.TextWordWrap, "\n".join(self.figure.lines))
        if self.legend:
            self._paint_legend(painter)

    def _paint_legend(self, painter: QtGui.QPainter) -> None:
        left = self.view_area.right() + _MARGIN
        for row, (colour, text) in enumerate(self.legend):
            top = self.view_area.top() + row * self.line
            swatch = QtCore.QRect(left, top + (self.line - _SWATCH) // 2, _SWATCH, _SWATCH)
            painter.fillRect(swatch, QtGui.QColor(colour))
            painter.setPen(QtGui.QColor(theme.current().axis))
            painter.drawRect(swatch)
            painter.setPen(QtGui.QColor(theme.current().ink))
            room = QtCore.QRect(swatch.right() + 8, top, self.size.width(), self.line)
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)

    def paint_bar(self, painter: QtGui.QPainter) -> None:
        """Paint the colour bar, beside what is drawn on the screen."""
        bar = self.figure.bar
        if bar is not None:
            place = QtCore.QPoint(self.view_area.right() + _MARGIN, self.view_area.top())
            none = QtWidgets.QWidget.RenderFlags()
            before, bar.label = bar.label, self.figure.bar_label
            try:
                bar.render(painter, place, QtGui.QRegion(0, 0, self.bar_width, bar.height()), none)
            finally:
                bar.label = before

    def paint_view(self, painter: QtGui.QPainter) -> None:
        """Paint the scene without its background."""
        view = self.figure.view
        seen = QtCore.QRectF(view.viewport().rect())
        with _for_export(view):
            view.scene().render(painter, QtCore.QRectF(self.view_area), seen)

    def paint(self, painter: QtGui.QPainter) -> None:
        """Paint everything."""
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QtGui.QPainter.RenderHint.TextAntialiasing)
        self.paint_surroundings(painter)
        self.paint_view(painter)
        self.paint_bar(painter)


@contextmanager
def _for_export(view: pg.GraphicsView) -> Iterator[None]:
    """Let pyqtgraph draw smooth curves, and symbols as shapes, not as pixels that it has kept.

    Images are enlarged without smoothing, which viewers of vector pictures would do.
    """
    kinds = (pg.ScatterPlotItem, pg.PlotCurveItem)
    everything = view.scene().items()
    items = [item for item in everything if isinstance(item, kinds)]
    pictures = [i for i in everything if isinstance(i, pg.ImageItem) and i.image is not None]
    for item in pictures:
        item.render()  # in the colours of the moment
    images = [(item, item.qimage) for item in pictures]
    for item in items:
        item.setExportMode(True, {"antialias": True, "resolutionScale": 1.0})
    for item, image in images:
        item.qimage = image.scaled(image.size() * _ENLARGED)
    try:
        yield
    finally:
        for item in items:
            item.setExportMode(False)
        for item, image in images:
            item.qimage = image


# --- formats -------------------------------------------------------------------------------------


def _blank(size: QtCore.QSize, paper: QtGui.QColor) -> QtGui.QImage:
    image = QtGui.QImage(size * _SCALE, QtGui.QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(_SCALE)
    image.fill(paper)
    return image


def _as_image(composition: _Composition) -> QtGui.QImage:
    image = _blank(composition.size, QtGui.QColor(theme.current().paper))
    painter = QtGui.QPainter(image)
    composition.paint(painter)
    painter.end()
    image.setText("Title", composition.figure.title)
    image.setText("Description", " ".join(composition.figure.lines))
    image.setText("Software", f"quicklook {__version__}")
    return image


def _png(image: QtGui.QImage) -> bytes:
    with _buffer() as buffer:
        image.save(buffer, "PNG")
        return bytes(buffer.data())


def _as_pdf(composition: _Composition) -> bytes:
    with _buffer() as buffer:
        writer = QtGui.QPdfWriter(buffer)
        writer.setResolution(_DPI)  # of the screen, so that lines and text keep their proportions
        size = QtCore.QSizeF(composition.size) * _POINTS
        writer.setPageSize(QtGui.QPageSize(size, QtGui.QPageSize.Unit.Point, "figure"))
        writer.setPageMargins(QtCore.QMarginsF())
        writer.setTitle(composition.figure.title)
        writer.setCreator(f"quicklook {__version__}")
        painter = QtGui.QPainter(writer)
        composition.paint(painter)
        painter.end()
        return bytes(buffer.data())


def _as_svg(composition: _Composition) -> bytes:
    """Write the data apart from axes and text: Qt does not clip in SVG, so the data are clipped here."""
    view = composition.figure.view
    box = next(item for item in view.scene().items() if isinstance(item, pg.ViewBox))
    inside = box.sceneBoundingRect().translated(QtCore.QPointF(composition.view_area.topLeft()))
    around = _svg_body(composition, composition.paint_surroundings, composition.paint_bar)
    with _hidden(item for item in _parts(box) if item is not box.childGroup):
        data = _svg_body(composition, composition.paint_view)
    with _hidden([box.childGroup]):
        frame = _svg_body(composition, composition.paint_view)
    width, height = composition.size.width(), composition.size.height()
    title = _escaped(composition.figure.title)
    about = _escaped(" ".join([*composition.figure.lines, f"(quicklook {__version__})"]))
    clip = " ".join(
        f'{name}="{value:.2f}"'
        for name, value in zip(
            ("x", "y", "width", "height"),
            (inside.x(), inside.y(), inside.width(), inside.height()),
            strict=True,
        )
    )
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<title>{title}</title>
<desc>{about}</desc>
<defs><clipPath id="inside"><rect {clip}/></clipPath></defs>
{around}
<g clip-path="url(#inside)">
{data}
</g>
{frame}
</svg>
"""
    return text.encode()


def _svg_body(composition: _Composition, *paint: Callable[[QtGui.QPainter], None]) -> str:
    """Return what these draw, without the frame of a file."""
    with _buffer() as buffer:
        generator = QtSvg.QSvgGenerator()
        generator.setOutputDevice(buffer)
        generator.setResolution(_DPI)
        generator.setSize(composition.size)
        generator.setViewBox(QtCore.QRect(QtCore.QPoint(0, 0), composition.size))
        painter = QtGui.QPainter(generator)
        for step in paint:
            step(painter)
        painter.end()
        text = bytes(buffer.data()).decode()
    body = text[text.index("<defs>") : text.rindex("</svg>")]
    return re.sub(r"<defs>\s*</defs>", "", body)


def _parts(box: pg.ViewBox) -> list[QtWidgets.QGraphicsItem]:
    """Return axes and whatever else belongs to a plot, and what is in its view box."""
    plot = box.parentItem()
    return [*(part for part in plot.childItems() if part is not box), *box.childItems()]


@contextmanager
def _hidden(
    items: Iterator[QtWidgets.QGraphicsItem] | list[QtWidgets.QGraphicsItem],
) -> Iterator[None]:
    """Make items transparent; to hide them would let the layout move."""
    before = [(item, item.opacity()) for item in items]
    for item, _ in before:
        item.setOpacity(0.0)
    try:
        yield
    finally:
        for item, opacity in before:
            item.setOpacity(opacity)


@contextmanager
def _buffer() -> Iterator[QtCore.QBuffer]:
    buffer = QtCore.QBuffer()
    buffer.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    yield buffer


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_DRAWN: dict[str, Callable[[_Composition], QtGui.QImage | bytes]] = {
    ".png": _as_image,
    ".svg": _as_svg,
    ".pdf": _as_pdf,
}
