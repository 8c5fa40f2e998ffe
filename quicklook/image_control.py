"""What is plotted, for which ranges, and how it looks: connects controls, time line, actions and image.

Created by the main window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline_core import colours, display
from quicklook.display_settings import DisplaySettings
from quicklook.look import Look
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.settings import Settings
from quicklook.speckle_store import SpeckleStore
from quicklook.views.image_pane import FLAGS, PREVIEW, RAW_COUNTS, SPECKLES, ImagePane
from quicklook.views.pixel_card import PixelCard
from quicklook.views.timeline_pane import TimelinePane
from quicklook.widgets.plot_controls import UPDATE, PlotControls

__all__ = ["ImageControl"]

_PIXEL_SIZE = 8
_REDRAW_MS = 200


class ImageControl(QtCore.QObject):
    """The image follows "Plot Image" and step buttons; the plots follow the ranges at once."""

    shapeChanged = Signal()  # noqa: N815

    def __init__(
        self,
        session: Session,
        image: ImagePane,
        controls: PlotControls,
        timeline: TimelinePane,
        card: PixelCard,
        speckles: SpeckleStore,
        settings: Settings,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtCore.QObject,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._image = image
        self._controls = controls
        self._timeline = timeline
        self._speckles = speckles
        self._redraw_map = QtCore.QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._settings = settings
        self._hot: list[tuple[int, int]] = []
        image.set_display(settings.display)
        self._connect(card)
        self._connect_actions(actions)

    def _connect(self, card: PixelCard) -> None:
        controls = self._controls
        controls.plotRequested.connect(self.plot_image)
        controls.times.rangeChanged.connect(self._on_times)
        controls.times.stepped.connect(self._on_time_step)
        controls.band.rangeChanged.connect(self._on_band)
        controls.band.stepped.connect(self._on_band_step)
        controls.weightsToggled.connect(self._on_weights)
        for button in (controls.flags, controls.counts, *controls.maps.values()):
            button.toggled.connect(self._update_hint)
        self._timeline.timeSpanSelected.connect(self.take_span)
        self._timeline.surveyed.connect(self._on_survey)
        card.light_curve.timeSpanSelected.connect(self.take_span)
        self._session.timeRangeChanged.connect(self._on_range_changed)
        self._session.bandChanged.connect(self._on_range_changed)
        self._image.shownChanged.connect(self._on_shown)
        self._image.pixelSelected.connect(self._session.set_pixel)
        self._image.displayChanged.connect(self._remember_display)
        self._speckles.changed.connect(self._on_maps)
        self._speckles.grown.connect(self._on_maps_grown)
        self._redraw_map.timeout.connect(self._show_map_again)

    def _connect_actions(self, act: Mapping[str, QtWidgets.QAction]) -> None:
        image, controls, view = self._image, self._controls, self._image.view
        act["plot_image"].triggered.connect(self.plot_image)
        act["choose_flags"].triggered.connect(lambda: self._choose(controls.flags))
        act["choose_counts"].triggered.connect(lambda: self._choose(controls.counts))
        for name, button in controls.maps.items():
            act[f"choose_{name}"].triggered.connect(partial(self.show_map, name))
            button.clicked.connect(partial(self.show_map, name))
        act["weighted"].triggered.connect(controls.weights.click)  # which a disabled box ignores
        act["fit"].triggered.connect(image.fit)
        act["zoom_in"].triggered.connect(view.zoom_in)
        act["zoom_out"].triggered.connect(view.zoom_out)
        act["one_to_one"].triggered.connect(lambda: view.set_pixel_size(_PIXEL_SIZE))
        act["flip_x"].triggered.connect(lambda: image.flip(horizontal=True))
        act["flip_y"].triggered.connect(lambda: image.flip(horizontal=False))
        act["rotate"].triggered.connect(image.turn)
        act["autoscale"].triggered.connect(image.automatic_levels)
        act["next_stretch"].triggered.connect(self._next_stretch)
        act["next_map"].triggered.connect(self._next_map)
        act["next_hot"].triggered.connect(lambda: self._go_to_hot(1))
        act["previous_hot"].triggered.connect(lambda: self._go_to_hot(-1))
        for name in ("first", "back", "forward", "last"):
            act[f"band_{name}"].triggered.connect(
                lambda _checked=False, name=name: controls.band.go(name)
            )
        act["whole_range"].triggered.connect(self._whole_range)

    # --- plotting --------------------------------------------------------------------------------

    @Slot()
    def plot_image(self) -> None:
        """Draw what the radio buttons say, for the ranges of the boxes."""
        name = self._controls.wanted_map
        if self._controls.wants_counts:
            self._image.ask_counts()
        elif name in self._speckles.names:
            self._image.show_map(self._speckles.map_image(name))
        else:
            self._image.show_flags()

    def _choose(self, button: QtWidgets.QRadioButton) -> None:
        button.setChecked(True)
        self.plot_image()

    def show_map(self, name: str, _checked: bool = False) -> None:
        """Choose and draw a speckle map, as far as it is done: that needs no reading."""
        if name in self._speckles.names and name in self._controls.maps:
            self._choose(self._controls.maps[name])

    @Slot()
    def _on_maps(self) -> None:
        """Offer the maps there are; one that is gone is not shown any more."""
        names = self._speckles.names
        self._controls.set_maps(names)
        if self._image.kind == SPECKLES and self._session.file is not None:
            self._show_map_again() if names else self._image.show_flags()

    @Slot()
    def _on_maps_grown(self) -> None:
        if self._image.kind == SPECKLES and not self._redraw_map.isActive():
            self._redraw_map.start()

    @Slot()
    def _show_map_again(self) -> None:
        """Draw the map on the screen with what came meanwhile."""
        shown = self._image.map
        if self._image.kind != SPECKLES or shown is None:
            return
        if shown.name in self._speckles.names:
            self._image.show_map(self._speckles.map_image(shown.name))
        else:
            self._image.show_flags()

    @Slot()
    def _on_shown(self) -> None:
        self._hot = []
        self._update_hint()

    @Slot()
    def _update_hint(self) -> None:
        """Say when the image is not what the controls ask for."""
        shown = self._image
        if self._session.file is None or not shown.kind:
            self._controls.set_hint("")
            return
        name = self._controls.wanted_map
        wanted = SPECKLES if name else (RAW_COUNTS if self._controls.wants_counts else FLAGS)
        same = shown.kind == wanted
        if same and name:
            same = shown.map is not None and shown.map.name == name
        if shown.kind == PREVIEW and shown.waits:
            same = True  # the exact one is under way
        if same and shown.counts is not None and shown.kind == RAW_COUNTS:
            request = shown.counts.request
            same = (request.start_s, request.stop_s) == self._session.time_range
            same = same and (request.low, request.high) == self._session.band
            same = same and request.weighted == self._session.weighted
            if self._session.frame is not None:
                same = request.frame == self._session.frame
        self._controls.set_hint("" if same else UPDATE)

    # --- ranges ----------------------------------------------------------------------------------

    @Slot(object)
    def _on_times(self, range_s: tuple[float, float]) -> None:
        if self._session.file is not None:
            self._session.set_time_range(*range_s)

    @Slot(object)
    def _on_time_step(self, range_s: tuple[float, float]) -> None:
        self._on_times(range_s)
        self._follow()

    @Slot(object)
    def _on_band(self, _range: tuple[float, float]) -> None:
        if self._session.file is not None:
            self._session.set_band(*self._controls.chosen_band)

    @Slot(object)
    def _on_band_step(self, range_: tuple[float, float]) -> None:
        self._on_band(range_)
        self._follow()

    @Slot(float, float)
    def take_span(self, start_s: float, stop_s: float) -> None:
        """Take a span from a plot; the boxes fit it into their limits."""
        if self._session.file is not None:
            self._controls.times.set_range(start_s, stop_s)
            self._session.set_time_range(*self._controls.times.range)

    @Slot(float, float)
    def take_band(self, low: float, high: float) -> None:
        """Take a band from a plot."""
        if self._session.file is not None:
            self._controls.band.set_range(low, high)
            self._session.set_band(*self._controls.chosen_band)

    @Slot(bool)
    def _on_weights(self, weighted: bool) -> None:
        self._session.set_weighted(weighted)
        self._update_hint()
        self._follow()

    @Slot(object)
    def _on_survey(self, survey: object) -> None:
        """Take the phases that really occur as the limits of the boxes."""
        facts = self._session.file
        low, high = survey.phase_low, survey.phase_high  # type: ignore[attr-defined]
        if facts is not None and facts.quantity == "phase" and low <= high:
            self._controls.band.widen_limits(float(low // 1), float(high // 1 + 1))

    @Slot()
    def _whole_range(self) -> None:
        for boxes in (self._controls.times, self._controls.band):
            boxes.set_limits(*boxes.limits)
        self._on_times(self._controls.times.range)
        self._on_band(self._controls.band.range)
        self._follow()

    @Slot()
    def _on_range_changed(self) -> None:
        self._update_hint()
        if self._settings.auto_update:
            self._follow()

    def _follow(self) -> None:
        """Draw counts anew if counts are on the screen: after a step nobody wants to press a button."""
        if self._controls.wants_counts and (
            self._image.kind in (RAW_COUNTS, PREVIEW) or self._image.waits
        ):
            self._image.ask_counts()

    def look_again(self, look: Look) -> None:
        """Go on with ranges and image as before, if the open file is the same one."""
        facts = self._session.file
        if facts is None or not look.is_of(facts):
            return
        self.take_span(*look.time_range)
        low, high = look.band
        if look.facts.quantity == facts.quantity and look.band != (None, None):
            limits = self._controls.band.limits
            self.take_band(limits[0] if low is None else low, limits[1] if high is None else high)
        if look.image in (RAW_COUNTS, PREVIEW):
            self._choose(self._controls.counts)
        elif look.image == SPECKLES:
            self.show_map(look.map_name)

    # --- looks -----------------------------------------------------------------------------------

    @Slot()
    def _next_stretch(self) -> None:
        self._change(stretch=_after(self._image.display.stretch, display.STRETCHES))

    @Slot()
    def _next_map(self) -> None:
        names = ("", *colours.COLOUR_MAPS)
        self._change(colour_map=_after(self._image.display.colour_map, names))

    def _change(self, **changes: Any) -> None:
        settings = replace(self._image.display, **changes)
        self._image.set_display(settings)
        self._remember_display(settings)

    @Slot(object)
    def _remember_display(self, chosen: DisplaySettings) -> None:
        """Keep what is a matter of taste; limits set by hand belong to one image."""
        self._settings.display = chosen

    @Slot()
    def take_preferences(self) -> None:
        """Draw with the saved preferences, which another dialog has changed."""
        self._image.set_display(
            replace(
                self._settings.display,
                locked=self._image.display.locked,
                scope=self._image.display.scope,
                levels=self._image.display.levels,
            )
        )

    # --- hot pixels ------------------------------------------------------------------------------

    def _go_to_hot(self, step: int) -> None:
        """Make the next suspiciously bright pixel the active one."""
        counts = self._image.counts
        if counts is None:
            return
        if not self._hot:
            from pipeline_core.regions import hot_order

            self._hot = [(int(x), int(y)) for x, y in hot_order(counts.image, counts.good)]
        if not self._hot:
            return
        pixel = self._session.pixel
        at = self._hot.index(pixel) if pixel in self._hot else (-1 if step > 0 else 0)
        self._session.set_pixel(self._hot[(at + step) % len(self._hot)])


def _after(value: str, values: tuple[str, ...]) -> str:
    at = values.index(value) if value in values else -1
    return values[(at + 1) % len(values)]
