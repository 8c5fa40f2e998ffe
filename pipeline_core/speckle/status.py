"""How the fit of a pixel ended: the one list of answers."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["MISSING_WORDS", "STATUS_SENTENCES", "PixelStatus"]


class PixelStatus(IntEnum):
    """Status of one pixel; the numbers are those in files."""

    NOT_COMPUTED = 0
    OK = 1
    AT_BOUND = 2
    TOO_FEW_PHOTONS = 3
    NOT_CONVERGED = 4


STATUS_SENTENCES: dict[PixelStatus, str] = {
    PixelStatus.NOT_COMPUTED: "Not computed: masked, or the work was cancelled before.",
    PixelStatus.OK: "Fitted.",
    PixelStatus.AT_BOUND: "Fitted; a component is consistent with none at all.",
    PixelStatus.TOO_FEW_PHOTONS: "Too few photons or bins to be fitted.",
    PixelStatus.NOT_CONVERGED: "The fit did not converge.",
}
MISSING_WORDS: dict[PixelStatus, str] = {
    PixelStatus.NOT_COMPUTED: "not computed",
    PixelStatus.TOO_FEW_PHOTONS: "too few photons or bins",
}
"""Why a pixel that was not fitted has no value; all others were, also where the fit did not converge."""
