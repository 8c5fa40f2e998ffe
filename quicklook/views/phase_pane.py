"""Phase histogram: pulse heights in degrees, also of a file whose photons have wavelengths."""

from __future__ import annotations

from typing import ClassVar

from quicklook.requests import PhaseRequest
from quicklook.views.spectrum_pane import SpectrumPane

__all__ = ["PhasePane"]


class PhasePane(SpectrumPane):
    """Photons per bin of phase, or per degree; logarithmic at first, since the tails tell the baseline."""

    kind: ClassVar[str] = "phase"
    title: ClassVar[str] = "Phase histogram"
    request_type = PhaseRequest
    units: ClassVar[tuple[str, ...]] = ("bin", "deg")
    log_at_first = True
