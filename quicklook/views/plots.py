"""The kinds of plots: what the Plot menu, the card and the windows of their own can show."""

from __future__ import annotations

from quicklook.views.histogram_pane import HistogramPane
from quicklook.views.lightcurve_pane import LightCurvePane
from quicklook.views.phase_pane import PhasePane
from quicklook.views.plot_pane import PlotPane
from quicklook.views.spectrum_pane import SpectrumPane

__all__ = ["KINDS"]

KINDS: dict[str, type[PlotPane]] = {
    pane.kind: pane for pane in (LightCurvePane, HistogramPane, SpectrumPane, PhasePane)
}
"""Kind -> pane class, whose `title` names it; icons have the names of the kinds."""
