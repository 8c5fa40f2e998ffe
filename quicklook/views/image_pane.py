"""The detector image: flags by category or counts with a colour bar; clicks choose the active pixel.

Decides what is shown and in which colours; `detector_view` turns arrays [x, y] for the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline_core import display
from quicklook import theme
from quicklook.display_settings import MANUAL, DisplaySettings
from quicklook.file_facts import FileFacts, FlagImage
from quicklook.qt import QtCore, QtGui, QtWidgets, Signal, Slot
from quicklook.region_list import RegionList
from quicklook.requests import CountsRequest, CountsResult
from quicklook.session import Session
from quicklook.speckle_store import MapImage
from quicklook.turns import Turns
from quicklook.views.detector_view import AXIS_HEIGHT, AXIS_WIDTH, DetectorView
from quicklook.views.image_colours import (
    flag_colours,
    flag_table,
    map_choices,
    picture_table,
    saturation,
)
from quicklook.views.image_preview import ImagePreview
from quicklook.views.pane import Pane
from quicklook.views.region_layer import RegionLayer
from quicklook.widgets.beside_image import BesideImage
from quicklook.widgets.colour_bar import ColourBar
from quicklook.widgets.display_bar import DisplayBar
from quicklook.widgets.flag_legend import FlagLegend
from quicklook.widgets.tool_strip import ToolStrip

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["FLAGS", "PREVIEW", "RAW_COUNTS", "SPECKLES", "ImagePane"]

FLAGS = "flags"
RAW_COUNTS = "raw_counts"
SPECKLES = "speckles"
PREVIEW = "preview"
"""Counts that are about right, until the exact ones replace them."""

_WELCOME = (
    "Open a photon file:  Ctrl+O, or drop one here\n\n"
    "or make one from raw files:  File > Convert .bin files…  (Ctrl+B)\n\n"
    "A first try without data:  quicklook --demo"
)
_NUMBERS = (RAW_COUNTS, PREVIEW, SPECKLES)
"""Kinds of images whose pixels hold numbers, with a colour bar."""

_COUNTS_ONLY = "Acts on Raw Counts: choose them and press Plot Image"
_LONGEST_TITLE = "Raw Counts (preview)"
_VIEW_SETTLE_MS = 150


class ImagePane(Pane):
    """Shows one image of the array.

    Signals
    -------
    pixelSelected
        (x, y) of the pixel that was clicked.
    pixelToggled
        (x, y) of a pixel that was clicked with Ctrl or Shift: for a set of pixels.
    hovered
        (x, y) under the mouse, or None.
    shownChanged
        Another image is on the screen.
    displayChanged
        The `DisplaySettings` were changed here.
    regionTabbed
        Tab was pressed: the next region.

    Parameters
    ----------
    turns : Turns, optional
        Where the legend of an opened file waits: its picture comes first.
    """

    pixelSelected = Signal(object)
    pixelToggled = Signal(object)  # noqa: N815
    hovered = Signal(object)
    shownChanged = Signal()  # noqa: N815
    displayChanged = Signal(object)  # noqa: N815
    regionTabbed = Signal()  # noqa: N815

    def __init__(self, session: Session, regions: RegionList, turns: Turns | None = None) -> None:
        super().__init__("image", "Image", session)
        self._turns = turns or Turns(self)
        self.kind = ""
        self.counts: CountsResult | None = None
        self.map: MapImage | None = None
        self.array: npt.NDArray[np.generic] | None = None
        self.scale: display.Scale | None = None
        self._span = ""
        self._regions = regions
        self.view = DetectorView()
        self.layer = RegionLayer(regions, self.view.array_items, self)
        self.legend = FlagLegend()
        self.colour_bar = ColourBar(AXIS_HEIGHT)
        self.bar = DisplayBar(map_choices())
        self._side = QtWidgets.QStackedWidget()
        self._side.addWidget(self.legend)
        self._side.addWidget(self.colour_bar)
        self._frame = BesideImage(self.view, self._side, margins=(AXIS_WIDTH, AXIS_HEIGHT))
        self.tools = ToolStrip()
        page = QtWidgets.QWidget()
        layout = QtWidgets.QHBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.tools)
        layout.addWidget(self._frame, 1)
        self.set_content(page)
        self.header.addWidget(self.bar)
        widest = self._title.fontMetrics().horizontalAdvance(_LONGEST_TITLE)
        self._title.setMinimumWidth(round(1.1 * widest))  # bold; nothing moves with the title
        self._detail.hide()  # legend and colour bar say it, where there is room
        self.preview = ImagePreview(self._show_preview, self)
        self._view_settled = QtCore.QTimer(self, singleShot=True, interval=_VIEW_SETTLE_MS)
        self._connect()
        self._on_file()

    def _connect(self) -> None:
        self._frame.placed.connect(self._on_placed)
        self._view_settled.timeout.connect(self._on_view_settled)
        self.view.pixelClicked.connect(self._on_click)
        self.view.hovered.connect(self._on_hover)
        self.view.contrastDragged.connect(self._on_contrast_drag)
        self.view.viewChanged.connect(self._view_settled.start)
        self.legend.hiddenChanged.connect(self._paint_flags)
        self.bar.settingsChanged.connect(self._on_settings)
        self.colour_bar.levelsWanted.connect(self.set_levels)
        self.colour_bar.automaticWanted.connect(self.automatic_levels)
        self._regions.changed.connect(self._on_regions)
        self.session.fileChanged.connect(self._on_file)
        self.session.pixelChanged.connect(self._on_pixel)
        theme.notifier.changed.connect(self.redraw)

    # --- what to show ----------------------------------------------------------------------------

    def show_flags(self) -> None:
        """Show the flags of the open file, which need no reading."""
        self._show_flags(lambda fill: fill())

    def _show_flags(self, take: Callable[[Callable[[], None]], None]) -> None:
        """Show the flags; `take` is given what fills the legend, to do it when there is time."""
        facts = self.session.file
        if facts is None:
            return
        self.array = facts.flags
        self.kind = FLAGS
        take(partial(self._fill_legend, facts.flag_image))
        self._paint_flags()
        self.preview.forget()
        self.show_content()
        self._now_showing(FLAGS, "Beam Flag Image", f"{facts.shape[0]} × {facts.shape[1]} pixels")

    def ask_counts(self) -> None:
        """Ask for the counts in the session's time range and band."""
        facts = self.session.file
        if facts is None:
            return
        frame = self.session.frame
        span = self.session.time_range
        if facts.frames is not None and frame is not None:
            span = facts.frames.span(frame, facts)
        request = CountsRequest(
            self.name,
            facts.token,
            *span,
            *self.session.band,
            weighted=self.session.weighted,
            frame=frame,
        )
        first = self.preview.request_for(request, facts)
        if first is not None:
            self.requested.emit(first)
        self.ask(request)

    def show_result(self, result: object) -> None:
        """Draw counts."""
        assert isinstance(result, CountsResult)
        self.preview.forget()
        self.show_content()
        self._show_counts(result, RAW_COUNTS)

    def _show_preview(self, result: CountsResult) -> None:
        self.show_content_early()
        self._show_counts(result, PREVIEW)

    def _show_counts(self, result: CountsResult, kind: str) -> None:
        self.counts = result
        self.array = result.image
        self._span = _describe_span(result.request, self.session.file)
        self.colour_bar.set_label(f"{result.what} per pixel, {self._span} [{result.unit}]")
        self._draw_values(keep_levels=self.display.locked and self.scale is not None)
        self._now_showing(kind, result.title, self._span)

    def show_map(self, found: MapImage) -> None:
        """Draw a speckle map, which needs no reading; while it grows, limits follow it."""
        same = self.kind == SPECKLES and self.map is not None and self.map.name == found.name
        self.map = found
        self.array = found.array
        unit = f" [{found.unit}]" if found.unit else ""
        self.colour_bar.set_label(f"{found.title}, {found.span}{unit}")
        self._draw_values(keep_levels=same and self.display.locked and self.scale is not None)
        self.preview.forget()
        self.show_content()
        title = f"{found.title} (outdated)" if found.outdated else found.title
        self._now_showing(SPECKLES, title, found.span)

    def on_stopped(self) -> None:
        """Keep the image, whose title says what it is of."""
        self.preview.forget()
        self.shownChanged.emit()

    def value_at(self, pixel: tuple[int, int]) -> tuple[str, str]:
        """Return value and unit of a pixel as text, taken from the array on the screen."""
        if self.kind == SPECKLES and self.map is not None:
            return self.map.text_at(pixel)
        if self.counts is None or self.kind not in (RAW_COUNTS, PREVIEW):
            return "", ""
        value = float(self.counts.image[pixel])
        if self.kind == PREVIEW:
            return f"about {value:,.0f}", f"counts in {self._span}"
        if self.counts.request.frame is not None:
            if np.isnan(value):
                return "no value", ""
            unit = self.counts.unit if self.counts.unit != "unknown" else "(unit unknown)"
            return f"{value:,.7g}", f"{unit} in {self._span}"
        if self.counts.variance is None:
            text = f"{value:,.0f}"
        elif np.isnan(value):
            return "no weights", ""
        else:
            error = float(np.sqrt(self.counts.variance[pixel]))
            text = f"{value:,.1f} ± {error:,.1f}"
        what = self.counts.what.lower()
        unit = f"{what} in {self._span}{_any_wavelength(self.counts.request, self.session.file)}"
        if self.counts.open_s > 0:
            unit += f" ({value / self.counts.open_s:.4g} {what}/s)"
        return text, unit

    @Slot()
    def fit(self) -> None:
        """Show the whole array, also after a change of size."""
        self.view.fit()

    # --- colours and limits ----------------------------------------------------------------------

    @property
    def display(self) -> DisplaySettings:
        """How the image is drawn."""
        return self.bar.settings

    def set_display(self, settings: DisplaySettings) -> None:
        """Draw the image in another way."""
        self.bar.show_settings(settings)
        self.redraw()

    @Slot()
    def redraw(self) -> None:
        """Draw what is shown again, with the present settings and theme."""
        facts = self.session.file
        if self.kind == FLAGS and facts is not None:
            self._fill_legend(facts.flag_image)
            self._paint_flags()
        elif self.kind in _NUMBERS:
            self._draw_values(keep_levels=False)

    @Slot(object)
    def set_levels(self, levels: tuple[float, float]) -> None:
        """Set the contrast limits by hand."""
        self._on_settings(self.display.with_levels(levels))

    @Slot()
    def automatic_levels(self) -> None:
        """Take percentiles again, also if the limits are locked."""
        mode = "percentile" if self.display.limits == MANUAL else self.display.limits
        self._on_settings(replace(self.display, limits=mode, locked=False))

    @Slot(object)
    def _on_settings(self, settings: DisplaySettings) -> None:
        self.bar.show_settings(settings)
        self.redraw()
        self.displayChanged.emit(settings)

    def _draw_values(self, *, keep_levels: bool) -> None:
        """Draw the array on the screen, of counts or of a map."""
        if self.array is None:
            return
        settings, counts = self.display, self._counts_shown
        levels = self._levels(settings)
        if keep_levels and self.scale is not None:
            levels = self.scale.levels
        self.scale = display.make_scale(levels, settings.stretch, self.array, self._typical)
        flagged = ~counts.good if counts is not None and settings.mark_flagged else None
        full = saturation(counts) if counts is not None and settings.mark_saturated else None
        index = display.indices(self.array, self.scale, flagged=flagged, saturation=full)
        table = picture_table(settings)
        self.view.set_picture(index, table)
        self.colour_bar.set_colours(table[: display.N_COLOURS])
        self.colour_bar.set_scale(self.scale)
        self.bar.show_levels(levels)

    @property
    def _counts_shown(self) -> CountsResult | None:
        """The counts, if they are what the array on the screen holds."""
        counts = self.counts
        return counts if counts is not None and counts.image is self.array else None

    @property
    def _typical(self) -> npt.NDArray[np.bool_]:
        """Which pixels automatic limits look at: of a map those with a value."""
        counts = self._counts_shown
        assert self.array is not None
        return np.isfinite(self.array) if counts is None else counts.typical

    def _levels(self, settings: DisplaySettings) -> tuple[float, float]:
        """Return the limits that the settings ask for."""
        if settings.limits == MANUAL:
            return settings.levels
        assert self.array is not None
        low, high = settings.percentiles
        return display.limits(
            self.array,
            self._typical,
            settings.limits,
            low=low,
            high=high,
            inside=self._looked_at(settings.scope),
        )

    def _looked_at(self, scope: str) -> npt.NDArray[np.bool_] | None:
        """Return the pixels that automatic limits look at; None: all."""
        assert self.array is not None
        selected = self._regions.selected
        if scope == "region" and selected is not None:
            mask: npt.NDArray[np.bool_] = selected.shape.mask(self.array.shape)
            return mask
        seen = self.view.seen_pixels()
        if scope == "view" and self.view.zoomed and seen is not None:
            inside = np.zeros(self.array.shape, bool)
            inside[seen[0] : seen[1] + 1, seen[2] : seen[3] + 1] = True
            return inside
        return None

    @Slot()
    def _on_view_settled(self) -> None:
        if self.display.scope == "view" and not self.display.locked:
            self._draw_if_numbers()

    @Slot()
    def _on_regions(self) -> None:
        if self.display.scope == "region" and not self.display.locked:
            self._draw_if_numbers()

    def _draw_if_numbers(self) -> None:
        if self.kind in _NUMBERS and self.display.limits != MANUAL:
            self._draw_values(keep_levels=False)

    # --- drawing ---------------------------------------------------------------------------------

    def _fill_legend(self, picture: FlagImage) -> None:
        colours = flag_colours(picture)
        self.legend.set_entries(
            [
                (colour.name(), k.label, k.count, k.sentence)
                for colour, k in zip(colours, picture.categories, strict=True)
            ]
        )

    @Slot()
    def _paint_flags(self) -> None:
        """Draw the flags that are not hidden."""
        facts = self.session.file
        if self.kind in _NUMBERS or facts is None:
            return
        picture = facts.flag_image
        self.view.set_picture(picture.index, flag_table(picture, self.legend.hidden))

    def _now_showing(self, kind: str, title: str, detail: str) -> None:
        self.kind = kind
        self._side.setCurrentIndex(0 if kind == FLAGS else 1)
        self.bar.set_why_not(_COUNTS_ONLY if kind == FLAGS else "")
        self.set_title(title)
        self.set_detail(detail)
        self.shownChanged.emit()

    @Slot()
    def _on_file(self) -> None:
        facts = self.session.file
        self.counts = None
        self.map = None
        self.scale = None
        self.view.marker.set_pixel(self.session.pixel)
        if facts is None:
            self.array = None
            self.kind = ""
            self.set_title("Image")
            self.bar.set_why_not(_COUNTS_ONLY)
            self.show_placeholder(_WELCOME)
            return
        if facts.shape != self.view.shape:
            self.view.set_shape(facts.shape)
            self._set_aspect()
        self._show_flags(self._turns.take)

    def _set_aspect(self) -> None:
        if self.view.shape is not None:
            width, height = self.view.orientation.size(self.view.shape)
            self._frame.set_aspect(width / height)

    def flip(self, *, horizontal: bool) -> None:
        """Mirror the picture."""
        self.view.set_orientation(self.view.orientation.flipped(horizontal=horizontal))

    @Slot()
    def turn(self) -> None:
        """Turn the picture by 90 degrees, counter-clockwise."""
        self.view.set_orientation(self.view.orientation.turned())
        self._set_aspect()

    @Slot()
    def _on_placed(self) -> None:
        if not self.view.zoomed:
            self.view.fit()

    @Slot()
    def _on_pixel(self) -> None:
        pixel = self.session.pixel
        self.view.marker.set_pixel(pixel)
        if pixel is not None:
            self.view.centre_on(pixel)

    # --- keys and mouse --------------------------------------------------------------------------

    def keyPressEvent(self, event: QtGui.QKeyEvent | None) -> None:
        """Move the active pixel with the arrow keys, as the picture lies on the screen."""
        pixel = None
        if event is not None and self.session.file is not None:
            pixel = self.view.stepped(self.session.pixel, event)
        if event is None or pixel is None:
            super().keyPressEvent(event)
            return
        self.pixelSelected.emit(pixel)
        event.accept()

    def focusNextPrevChild(self, next: bool) -> bool:  # noqa: N802
        """Tab selects the next region, if there are any."""
        if next and self._regions.regions:
            self.regionTabbed.emit()
            return True
        return bool(super().focusNextPrevChild(next))

    @Slot(object, bool)
    def _on_click(self, pixel: tuple[int, int], adding: bool) -> None:
        if self.message or self.session.file is None:
            return
        if adding or self.view.box.tool == "pixels":
            self.pixelToggled.emit(pixel)
        else:
            self.pixelSelected.emit(pixel)

    @Slot(object)
    def _on_hover(self, pixel: tuple[int, int] | None) -> None:
        self.hovered.emit(None if self.message else pixel)

    @Slot(float, float, bool)
    def _on_contrast_drag(self, right: float, up: float, finished: bool) -> None:
        del finished
        if self.kind in _NUMBERS and self.scale is not None:
            self.set_levels(display.level_width(self.scale.levels, up, right))


def _describe_span(request: CountsRequest, facts: FileFacts | None) -> str:
    """Return the ranges of an image as a person would say them."""
    if request.frame is not None:
        number = facts.frames.number if facts is not None and facts.frames is not None else 0
        return f"frame {request.frame + 1} of {number}"
    text = f"{request.start_s:g} to {request.stop_s:g} s"
    if request.low is not None or request.high is not None:
        unit = facts.unit if facts else ""
        if request.high is None:
            text += f", from {request.low:g} {unit}"
        elif request.low is None:
            text += f", below {request.high:g} {unit}"
        else:
            text += f", {request.low:g} to {request.high:g} {unit}"
    return text


def _any_wavelength(request: CountsRequest, facts: FileFacts | None) -> str:
    """Say that photons without a wavelength are among the counts: the boxes show a range, which then limits nothing."""
    calibrated = facts is not None and facts.quantity == "wavelength"
    limited = request.low is not None or request.high is not None
    return ", any or no wavelength" if calibrated and not limited and not request.weighted else ""
