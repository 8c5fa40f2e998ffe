"""The colours of the image: tables for counts and for flags, in the present theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline_core import colours
from quicklook import palette, theme
from quicklook.assets import defaults
from quicklook.display_settings import DisplaySettings
from quicklook.file_facts import FlagImage
from quicklook.qt import QtGui
from quicklook.requests import CountsResult

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["flag_colours", "flag_table", "map_choices", "picture_table", "saturation"]


def map_choices() -> dict[str, str]:
    """Return the colour maps by name, those first that everybody can read."""
    safe = {name: name.capitalize() for name, row in colours.COLOUR_MAPS.items() if row.safe}
    others = {name: f"{name.capitalize()} *" for name in colours.COLOUR_MAPS if name not in safe}
    return {"": "Default"} | safe | others


def picture_table(settings: DisplaySettings) -> npt.NDArray[np.uint8]:
    """Return the colours of the numbers of an image, in the present theme."""
    look = theme.current()
    return colours.picture_table(
        settings.colour_map or look.image_map,
        inverted=settings.inverted,
        missing=look.missing,
        flagged=look.missing,
        saturated=look.marker,
    )


def saturation(counts: CountsResult) -> float | None:
    """Return how many counts of an image are a rate that a pixel cannot follow; None if not known."""
    if not counts.open_s > 0 or counts.variance is not None:
        return None  # how many photons a pixel took in, weighted ones do not tell
    return float(defaults()["saturation_cps"]) * counts.open_s


def flag_colours(picture: FlagImage) -> list[QtGui.QColor]:
    """Return one colour a category."""
    named = enumerate(picture.categories)
    return [QtGui.QColor(palette.flag_colour(category.label, k)) for k, category in named]


def flag_table(picture: FlagImage, hidden: set[str]) -> npt.NDArray[np.uint8]:
    """Return the colours of the categories, shape (256, 3); hidden ones have that of the ground."""
    ground = QtGui.QColor(theme.current().paper)
    table = np.zeros((256, 3), np.uint8)
    for number, colour in enumerate(flag_colours(picture)):
        shown = ground if picture.categories[number].label in hidden else colour
        table[number] = shown.getRgb()[:3]
    return table
