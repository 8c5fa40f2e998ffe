"""The array in a wavelength solution: R, centers, widths, reasons or flags of every pixel; clicks choose one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pipeline_core import colours, display
from quicklook import palette, theme
from quicklook.qt import QtGui, QtWidgets, Signal, Slot
from quicklook.views.detector_view import AXIS_HEIGHT, AXIS_WIDTH, DetectorView
from quicklook.widgets.beside_image import BAR_WIDTH, LEGEND_WIDTH, BesideImage
from quicklook.widgets.colour_bar import ColourBar
from quicklook.widgets.elided_label import ElidedLabel
from quicklook.widgets.flag_legend import FlagLegend

if TYPE_CHECKING:
    import numpy.typing as npt

    from pipeline_core.arraymap import ArrayMap
    from quicklook.wavecal_tasks import RBlock

__all__ = ["SolutionMap"]

_GOOD = "calibrated"
_NOTHING_CHOICE = "Not made yet"
_GROWING_CHOICE = "Median R, a first guess"
_SAID = ("deg", "counts/s", "s")
_GROWING = f"{_GROWING_CHOICE} [E / FWHM]"


class SolutionMap(QtWidgets.QFrame):
    """A map with its legend or colour bar, and the choice of what it shows.

    Signals
    -------
    mapWanted
        Name of the map that was chosen.
    pixelSelected
        (x, y).

    Attributes
    ----------
    why_missing : callable, optional
        (x, y) -> why this pixel has no value in the map that is shown.
    """

    mapWanted = Signal(str)  # noqa: N815
    pixelSelected = Signal(object)

    def __init__(self) -> None:
        super().__init__(objectName="card")
        self.shown: ArrayMap | None = None
        self.values: npt.NDArray[np.floating] | None = None
        self.pixel: tuple[int, int] | None = None
        self._chosen = ""
        self._levels: tuple[float, float] | None = None
        self.why_missing: Callable[[tuple[int, int]], str] | None = None
        self.choice = QtWidgets.QComboBox()
        self.choice.setAccessibleName("What the map shows")
        self.choice.setMinimumContentsLength(20)
        self.choice.setEnabled(False)
        self.under_mouse = ElidedLabel(objectName="paneDetail")
        self.view = DetectorView()
        self.legend = FlagLegend("Pixels")
        self.bar = ColourBar(AXIS_HEIGHT)
        self._side = QtWidgets.QStackedWidget()
        self._side.addWidget(self.legend)
        self._side.addWidget(self.bar)
        self._blank = QtWidgets.QWidget()
        self._side.addWidget(self._blank)
        self._frame = BesideImage(self.view, self._side, margins=(AXIS_WIDTH, AXIS_HEIGHT))
        header = QtWidgets.QHBoxLayout()
        header.addWidget(QtWidgets.QLabel("Map", objectName="paneTitle"))
        header.addWidget(self.choice)
        header.addWidget(self.under_mouse, 1)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.addLayout(header)
        layout.addWidget(self._frame, 1)
        policy = self._frame.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._frame.setSizePolicy(policy)
        self._frame.hide()  # axes without an array would show nothing but 0 and 1
        self._frame.placed.connect(self._on_placed)
        self.choice.activated.connect(self._on_choice)
        self.view.pixelClicked.connect(self._on_click)
        self.view.hovered.connect(self._on_hover)
        self.legend.hiddenChanged.connect(self.redraw)
        self.bar.levelsWanted.connect(self._set_levels)
        self.bar.automaticWanted.connect(self._automatic)
        theme.notifier.changed.connect(self.redraw)

    # --- what is shown ---------------------------------------------------------------------------

    def offer(self, maps: tuple[tuple[str, str], ...], first: str = "") -> None:
        """Offer these maps (name, label); the chosen one stays if it is among them, else `first` is."""
        chosen = self.choice.currentData() or self._chosen or first
        self.choice.clear()
        for name, label in maps:
            self.choice.addItem(label, name)
        self.choice.setCurrentIndex(max(self.choice.findData(chosen), 0))
        self.choice.setEnabled(True)

    @property
    def wanted(self) -> str:
        """Name of the chosen map; '' while none is offered."""
        return str(self.choice.currentData() or "")

    def show_map(self, found: ArrayMap) -> None:
        """Draw a map."""
        if self.shown is None or self.shown.name != found.name:
            self._levels = None
        self.shown = found
        self._set_values(found.values)

    def show_empty(self, shape: tuple[int, int], label: str) -> None:
        """Show an array without values, and why; the map that was chosen is chosen again when there are some."""
        self.shown = None
        self._levels = None
        self._chosen = self.choice.currentData() or self._chosen
        self.choice.clear()
        self.choice.addItem(label, "")
        self.choice.setEnabled(False)
        self._set_values(np.full(shape, np.nan, np.float32))

    def forget(self) -> None:
        """Show no values any more: those on the screen are of something else."""
        if self.values is not None:
            self.show_empty((self.values.shape[0], self.values.shape[1]), _NOTHING_CHOICE)

    def start_growing(self, shape: tuple[int, int]) -> None:
        """Show an empty map of R that is going to fill."""
        self.show_empty(shape, _GROWING_CHOICE)

    def add_block(self, block: RBlock) -> None:
        """Fill in some pixels of the growing map."""
        if self.values is None or self.shown is not None or self.values.shape != block.shape:
            self.start_growing(block.shape)
        assert self.values is not None
        self.values.reshape(-1)[block.first : block.first + block.r.size] = block.r

    def _set_values(self, values: npt.NDArray[np.floating]) -> None:
        self.values = values
        self._frame.show()
        shape = (values.shape[0], values.shape[1])
        if self.view.shape != shape:
            self.view.set_shape(shape)
            self._frame.set_aspect(shape[0] / shape[1])
        self.redraw()

    @Slot()
    def redraw(self) -> None:
        """Draw with the present limits and theme."""
        if self.values is None:
            return
        if self.shown is not None and self.shown.categories:
            self._draw_categories(self.shown)
        else:
            self._draw_numbers()

    def _draw_numbers(self) -> None:
        assert self.values is not None
        everything = np.ones(self.values.shape, bool)
        levels = self._levels or display.limits(self.values, everything, "percentile")
        scale = display.make_scale(levels, "linear", self.values, everything)
        look = theme.current()
        table = colours.picture_table(
            look.image_map, missing=look.missing, flagged=look.missing, saturated=look.marker
        )
        self.view.set_picture(display.indices(self.values, scale), table)
        self.bar.set_colours(table[: display.N_COLOURS])
        self.bar.set_scale(scale)
        label = _GROWING if self.choice.currentText() == _GROWING_CHOICE else ""
        if self.shown is not None:
            label = self.shown.label
            if self.shown.unit != "1":
                label += f" [{self.shown.unit}]"
        self.bar.set_label(label)
        # colours of no values would be those of some numbers that are nowhere
        self._side.setCurrentWidget(self.bar if np.isfinite(self.values).any() else self._blank)
        self._frame.set_side_width(BAR_WIDTH)

    def _draw_categories(self, found: ArrayMap) -> None:
        hexes = [
            palette.flag_colour(_named(name), k) for k, (name, _) in enumerate(found.categories)
        ]
        self.legend.set_entries(
            [
                (colour, name, n, f"{n:,} pixels")
                for colour, (name, n) in zip(hexes, found.categories, strict=True)
            ]
        )
        ground = theme.current().paper
        table = np.zeros((256, 3), np.uint8)
        for k, (colour, (name, _)) in enumerate(zip(hexes, found.categories, strict=True)):
            shown = ground if name in self.legend.hidden else colour
            table[k] = QtGui.QColor(shown).getRgb()[:3]
        self.view.set_picture(found.values.astype(np.uint8), table)
        self._side.setCurrentWidget(self.legend)
        self._frame.set_side_width(LEGEND_WIDTH)

    # --- limits ----------------------------------------------------------------------------------

    @Slot(object)
    def _set_levels(self, levels: tuple[float, float]) -> None:
        self._levels = levels
        self.redraw()

    @Slot()
    def _automatic(self) -> None:
        self._levels = None
        self.redraw()

    # --- mouse and keys --------------------------------------------------------------------------

    def set_pixel(self, pixel: tuple[int, int] | None) -> None:
        """Mark a pixel."""
        self.pixel = pixel
        self.view.marker.set_pixel(pixel)
        if pixel is not None:
            self.view.centre_on(pixel)

    def text_at(self, pixel: tuple[int, int]) -> str:
        """Return what the map says of a pixel."""
        assert self.values is not None
        where = f"({pixel[0]}, {pixel[1]})"
        value = float(self.values[pixel])
        if self.shown is not None and self.shown.categories:
            return f"{where}  {self.shown.categories[int(value)][0]}"
        if np.isnan(value):
            why = "" if self.why_missing is None or self.shown is None else self.why_missing(pixel)
            return f"{where}  {why or 'no value'}"
        unit = self.shown.unit if self.shown is not None and self.shown.unit in _SAID else ""
        digits = f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"
        return f"{where}  {digits} {unit}"

    @Slot()
    def _on_placed(self) -> None:
        if not self.view.zoomed:
            self.view.fit()

    @Slot(int)
    def _on_choice(self, _index: int) -> None:
        if self.wanted:
            self.mapWanted.emit(self.wanted)

    @Slot(object, bool)
    def _on_click(self, pixel: tuple[int, int], _adding: bool) -> None:
        self.pixelSelected.emit(pixel)

    @Slot(object)
    def _on_hover(self, pixel: tuple[int, int] | None) -> None:
        text = ""
        if pixel is not None and self.values is not None:
            text = self.text_at(pixel)
        self.under_mouse.setText(text)

    def keyPressEvent(self, event: QtGui.QKeyEvent | None) -> None:
        """Move the chosen pixel with the arrow keys."""
        pixel = None if event is None else self.view.stepped(self.pixel, event)
        if event is None or pixel is None:
            super().keyPressEvent(event)
            return
        self.pixelSelected.emit(pixel)
        event.accept()


def _named(category: str) -> str:
    """Return under which name a category's colour is known."""
    return "good" if category in (_GOOD, "no flag") else category
