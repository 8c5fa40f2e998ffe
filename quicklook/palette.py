"""The colours of flags, which differ even for most colour-blind eyes (Okabe and Ito, 2008)."""

from __future__ import annotations

from quicklook import theme

__all__ = ["flag_colour"]

_COMMON = {
    "light": {
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
    },
    "dark": {
        "good": "#46515f",
        "beammap.noDacTone": "#08090b",
        "beammap.failed": "#d55e00",
        "beammap.yFailed": "#e69f00",
        "beammap.xFailed": "#f0e442",
        "beammap.double": "#2f8fd0",
        "beammap.wrongFeedline": "#8accf5",
        "beammap.duplicatePixel": "#cc79a7",
        "pixcal.hot": "#ff4d4d",
        "pixcal.cold": "#7a6ae0",
        "pixcal.unstable": "#3fae63",
    },
    "night": {  # told apart by lightness alone; most pixels are good, so these are nearly dark
        "good": "#2a0300",
        "beammap.noDacTone": "#000000",
        "beammap.failed": "#ff4a38",
        "beammap.yFailed": "#c8321f",
        "beammap.xFailed": "#f0603f",
        "beammap.double": "#6a0c06",
        "beammap.wrongFeedline": "#9a2a1c",
        "beammap.duplicatePixel": "#b01c10",
        "pixcal.hot": "#ff1c08",
        "pixcal.cold": "#480602",
        "pixcal.unstable": "#821408",
    },
}
_OTHER = {
    "light": (
        "#009e73",
        "#882255",
        "#999933",
        "#44aa99",
        "#661100",
        "#aa4499",
        "#6699cc",
        "#888888",
    ),
    "dark": (
        "#2fc79c",
        "#c2588f",
        "#b5b54a",
        "#63c7b6",
        "#b5563f",
        "#c766b8",
        "#7fb2e5",
        "#a0a0a0",
    ),
    "night": (
        "#d82818",
        "#5a0804",
        "#a81a10",
        "#74100a",
        "#e84a30",
        "#8e160c",
        "#c02014",
        "#3a0401",
    ),
}


def flag_colour(label: str, position: int) -> str:
    """Return the colour of a flag category in the theme in use: always the same for common ones.

    Parameters
    ----------
    label : str
        'good', 'no flag', a flag name, or several joined.
    position : int
        Number of the category in its picture; chooses the colour of uncommon ones.
    """
    label = "good" if label == "no flag" else label
    others = _OTHER[theme.current().name]
    return _COMMON[theme.current().name].get(label, others[position % len(others)])
