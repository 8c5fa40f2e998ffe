"""Spectrum of the active pixel: wavelengths, or phases as long as there is no calibration."""

from __future__ import annotations

from quicklook import palette
from quicklook.qt import pg
from quicklook.requests import PlotResult, SpectrumRequest
from quicklook.session import Session
from quicklook.tasks import FileFacts
from quicklook.views.axes import new_steps
from quicklook.views.plot_pane import PlotPane

__all__ = ["SpectrumPane"]

_AXES = {"phase": "Phase [deg]", "wavelength": "Wavelength [nm]"}
_TITLES = {"phase": "Spectrum: phase histogram", "wavelength": "Spectrum"}


class SpectrumPane(PlotPane):
    """Photons per bin of phase or wavelength, with errors."""

    def __init__(self, session: Session) -> None:
        super().__init__("spectrum", "Spectrum", session)
        self.plot.setLabel("left", "Counts per bin")
        self.bars = new_steps()
        self.errors = pg.ErrorBarItem(pen=pg.mkPen(palette.MUTED, width=1), beam=0)
        self.plot.addItem(self.bars)
        self.plot.addItem(self.errors)

    def request(self, facts: FileFacts, pixel: tuple[int, int]) -> SpectrumRequest:
        """Return the snapshot of what this plot needs."""
        return SpectrumRequest(**self._request_fields(facts, pixel))  # type: ignore[arg-type]

    def draw(self, result: PlotResult) -> None:
        """Draw a `Spectrum`."""
        data = result.data
        middle = (data.edges[:-1] + data.edges[1:]) / 2
        self.bars.setData(data.edges, data.counts)
        self.errors.setData(x=middle, y=data.counts, height=2 * data.errors)
        self.plot.setLabel("bottom", _AXES[data.quantity])
        self.plot.setLimits(yMin=0)
        self.plot.enableAutoRange()
        self.set_title(_TITLES[data.quantity])
        width = data.edges[1] - data.edges[0]
        self.set_detail(
            f"Pixel {result.request.pixel}   bins of {width:.3g} {data.unit}, errors √n"
        )
