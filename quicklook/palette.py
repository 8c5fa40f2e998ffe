"""The colours of plots and flags, in one place. Flags are colour-blind safe (Okabe and Ito, 2008)."""

from __future__ import annotations

__all__ = [
    "ACCENT",
    "AXIS",
    "BAND",
    "GAP",
    "INK",
    "MARKER",
    "MUTED",
    "PAPER",
    "POISSON",
    "flag_colour",
]

INK = "#1f2a36"
MUTED = "#5f6f80"
PAPER = "#ffffff"
AXIS = "#9aa7b5"
ACCENT = "#1f6fb2"
BAND = "#9cc3e6"
GAP = "#e9ecef"
POISSON = "#d55e00"
MARKER = "#ff2d78"

_FLAG_COLOURS = {
    "good": "#c3cfdb",
    "beammap.noDacTone": "#2b323a",
    "beammap.failed": "#d55e00",
    "beammap.yFailed": "#e69f00",
    "beammap.xFailed": "#f0e442",
    "beammap.double": "#0072b2",
    "beammap.wrongFeedline": "#56b4e9",
    "beammap.duplicatePixel": "#cc79a7",
    "pixcal.hot": "#b30000",
    "pixcal.cold": "#332288",
    "pixcal.unstable": "#117733",
}
_OTHER_COLOURS = (
    "#009e73",
    "#882255",
    "#999933",
    "#44aa99",
    "#661100",
    "#aa4499",
    "#6699cc",
    "#888888",
)


def flag_colour(label: str, position: int) -> str:
    """Return the colour of a flag category: always the same for the common ones.

    Parameters
    ----------
    label : str
        'good', a flag name, or several joined.
    position : int
        Number of the category in its picture; chooses the colour of uncommon ones.
    """
    return _FLAG_COLOURS.get(label, _OTHER_COLOURS[position % len(_OTHER_COLOURS)])
