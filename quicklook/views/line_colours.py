"""The colours of laser lines: even steps of the theme's map from the shortest to the longest wavelength."""

from __future__ import annotations

from pipeline_core import colours
from quicklook import theme
from quicklook.qt import QtGui

__all__ = ["line_colour"]

_SPANS = {"light": (0.05, 0.85), "dark": (0.3, 1.0), "night": (0.35, 1.0)}
"""Part of the map that can be read on the theme's paper."""


def line_colour(rank: float) -> QtGui.QColor:
    """Return the colour of a line; `rank` from 0 (the shortest wavelength) to 1."""
    look = theme.current()
    low, high = _SPANS[look.name]
    table = colours.colour_table("night" if look.name == "night" else "viridis")
    index = round((low + (high - low) * min(max(rank, 0.0), 1.0)) * (len(table) - 1))
    return QtGui.QColor(*(int(value) for value in table[index]))
