"""How the array lies on the screen: flips and quarter turns. Display only, the data never change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quicklook.qt import QtGui

__all__ = ["Orientation"]


@dataclass(frozen=True)
class Orientation:
    """x to the right and y upwards, unless flipped; `swapped`: x upwards and y to the right."""

    flip_horizontal: bool = False
    flip_vertical: bool = False
    swapped: bool = False

    @property
    def transform(self) -> QtGui.QTransform:
        """From array coordinates to those of the view."""
        return QtGui.QTransform(0, 1, 1, 0, 0, 0) if self.swapped else QtGui.QTransform()

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the horizontal and the vertical axis."""
        return ("y", "x") if self.swapped else ("x", "y")

    def size(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Width and height on the screen of an array (ncols, nrows)."""
        return (shape[1], shape[0]) if self.swapped else shape

    def turned(self) -> Orientation:
        """Return this one after another quarter turn, counter-clockwise."""
        # counter-clockwise on the screen: (right, up) -> (up, -right)
        return Orientation(
            flip_horizontal=not self.flip_vertical,
            flip_vertical=self.flip_horizontal,
            swapped=not self.swapped,
        )

    def flipped(self, *, horizontal: bool) -> Orientation:
        """Return this one with the picture mirrored left-right, or up-down."""
        if horizontal:
            return replace(self, flip_horizontal=not self.flip_horizontal)
        return replace(self, flip_vertical=not self.flip_vertical)

    def towards(self, right: int, up: int) -> tuple[int, int]:
        """Return the step in x and y of the array that goes this far right and up on the screen."""
        horizontal = -right if self.flip_horizontal else right
        vertical = -up if self.flip_vertical else up
        return (vertical, horizontal) if self.swapped else (horizontal, vertical)
