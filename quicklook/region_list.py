"""The regions that a person has drawn: numbered shapes, one of them selected. Lives in the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pipeline_core.regions import PixelSet
from quicklook.qt import QtCore, Signal

__all__ = ["Region", "RegionList"]

_REMEMBERED = 50


@dataclass(frozen=True)
class Region:
    """A shape of `pipeline_core.regions` with its number, which it keeps for life."""

    number: int
    shape: Any

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"Region {self.number}"


class RegionList(QtCore.QObject):
    """The regions in the order of their numbers. Every change can be undone.

    Signals
    -------
    changed
        `regions` or `selected`.
    """

    changed = Signal()

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._regions: tuple[Region, ...] = ()
        self._selected: int | None = None
        self._before: list[tuple[tuple[Region, ...], int | None]] = []
        self._next = 1

    @property
    def regions(self) -> tuple[Region, ...]:
        """All regions."""
        return self._regions

    @property
    def selected(self) -> Region | None:
        """The one that keys and plots are about."""
        found = [region for region in self._regions if region.number == self._selected]
        return found[0] if found else None

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._before)

    def add(self, shape: Any) -> Region:
        """Add a region and select it."""
        region = Region(self._next, shape)
        self._next += 1
        self._set((*self._regions, region), region.number)
        return region

    def reshape(self, number: int, shape: Any, *, remember: bool = True) -> None:
        """Give a region another shape; while it is dragged, only the first step is remembered."""
        regions = tuple(
            replace(region, shape=shape) if region.number == number else region
            for region in self._regions
        )
        self._set(regions, number, remember=remember)

    def toggle_pixel(self, pixel: tuple[int, int]) -> None:
        """Add a pixel to the selected set of pixels, or take it out; begin a set if there is none."""
        selected = self.selected
        if selected is None or not isinstance(selected.shape, PixelSet):
            self.add(PixelSet((pixel,)))
            return
        pixels = set(selected.shape.pixels) ^ {pixel}
        if pixels:
            self.reshape(selected.number, PixelSet(tuple(sorted(pixels))))
        else:
            self.remove(selected.number)

    def select(self, number: int | None) -> None:
        """Select a region, or none."""
        if number != self._selected:
            self._selected = number
            self.changed.emit()

    def select_next(self) -> None:
        """Select the region after the present one; after the last comes the first."""
        numbers = [region.number for region in self._regions]
        if numbers:
            at = numbers.index(self._selected) if self._selected in numbers else -1
            self.select(numbers[(at + 1) % len(numbers)])

    def remove(self, number: int, *, remember: bool = True) -> None:
        """Remove a region; not to `remember` it means that it cannot be brought back."""
        rest = tuple(region for region in self._regions if region.number != number)
        if rest != self._regions:
            self._set(rest, None, remember=remember)

    def clear(self) -> None:
        """Remove all regions."""
        if self._regions:
            self._set((), None)

    def undo(self) -> None:
        """Take back the last change."""
        if self._before:
            self._regions, self._selected = self._before.pop()
            self.changed.emit()

    def _set(
        self, regions: tuple[Region, ...], selected: int | None, *, remember: bool = True
    ) -> None:
        if remember:
            self._before.append((self._regions, self._selected))
            del self._before[:-_REMEMBERED]
        self._regions, self._selected = regions, selected
        self.changed.emit()
