"""How the image is drawn: stretch, limits, colours. Display only: no number depends on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["MANUAL", "DisplaySettings"]

MANUAL = "manual"


@dataclass(frozen=True)
class DisplaySettings:
    """One choice of everything about the colours of the image.

    Attributes
    ----------
    stretch : str
        One of `pipeline_core.display.STRETCHES`.
    limits : str
        One of `pipeline_core.display.LIMIT_MODES`, or 'manual'.
    percentiles : (low, high)
        Percentages for the mode 'percentile'.
    scope : str
        Pixels that automatic limits look at: 'array', 'view' (what is seen) or 'region'.
    levels : (low, high)
        The limits of the mode 'manual'.
    locked : bool
        Keep the present limits when another image is shown.
    colour_map : str
        Name of a map; '' for the one of the theme.
    inverted : bool
    mark_flagged : bool
        Draw pixels with a problem flag in the colour of missing ones.
    mark_saturated : bool
        Draw pixels whose rate is beyond what they can follow in a colour of their own.
    """

    stretch: str = "linear"
    limits: str = "percentile"
    percentiles: tuple[float, float] = (1.0, 99.5)
    scope: str = "array"
    levels: tuple[float, float] = (0.0, 1.0)
    locked: bool = False
    colour_map: str = ""
    inverted: bool = False
    mark_flagged: bool = False
    mark_saturated: bool = False

    def with_levels(self, levels: tuple[float, float]) -> DisplaySettings:
        """Return these settings with limits set by hand."""
        return replace(self, limits=MANUAL, levels=levels)
