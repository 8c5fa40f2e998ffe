"""What the three plots of the active pixel share: when they ask for data."""

from __future__ import annotations

from quicklook.qt import QtGui, Signal, Slot, pg
from quicklook.requests import PixelRequest, PlotResult
from quicklook.session import Session
from quicklook.tasks import FileFacts
from quicklook.views.axes import new_plot
from quicklook.views.pane import Pane

__all__ = ["PlotPane"]


class PlotPane(Pane):
    """A plot of the active pixel: asks anew whenever what it depends on changes.

    Signals
    -------
    shownOrHidden
        The pane appeared or went.
    """

    shownOrHidden = Signal()  # noqa: N815
    uses_bin = False
    """Whether the effective exposure time matters to this plot."""

    def __init__(self, name: str, title: str, session: Session, **axes: pg.AxisItem) -> None:
        super().__init__(name, title, session, closable=True)
        self.plot = new_plot(**axes)
        self.set_content(self.plot)
        self.shown: PlotResult | None = None
        session.fileChanged.connect(self._on_file)
        session.pixelChanged.connect(self.refresh)
        session.timeRangeChanged.connect(self.refresh)
        if self.uses_bin:
            session.binChanged.connect(self.refresh)
        self.refresh()

    def request(self, facts: FileFacts, pixel: tuple[int, int]) -> PixelRequest:
        """Return the snapshot of what this plot needs."""
        raise NotImplementedError

    def draw(self, result: PlotResult) -> None:
        """Put an answer into the plot, and its figures into the title line."""
        raise NotImplementedError

    @Slot()
    def refresh(self) -> None:
        """Ask for the active pixel, or say why there is nothing to ask for."""
        facts, pixel = self.session.file, self.session.pixel
        if facts is None or pixel is None:
            self.shown = None
            wanted = "Open a photon file, then click" if facts is None else "Click"
            self.show_placeholder(f"{wanted} a pixel in the image.")
        elif self.isHidden():
            self._forget()
        else:
            self.ask(self.request(facts, pixel))

    @Slot()
    def _on_file(self) -> None:
        self._forget()
        self.refresh()

    def _forget(self) -> None:
        """Take away a plot that would be stale."""
        self.shown = None
        self.show_placeholder("Reading…")

    def show_result(self, result: object) -> None:
        """Draw an answer."""
        assert isinstance(result, PlotResult)
        self.shown = result
        self.draw(result)
        self.show_content()

    def show_error(self, message: str) -> None:
        """Show why there is no plot."""
        self.shown = None
        super().show_error(message)

    def showEvent(self, event: QtGui.QShowEvent | None) -> None:
        """Catch up with what changed while the pane was hidden."""
        super().showEvent(event)
        if self.shown is None or self.shown.request != self._wanted():
            self.refresh()
        self.shownOrHidden.emit()

    def hideEvent(self, event: QtGui.QHideEvent | None) -> None:
        """Tell it."""
        super().hideEvent(event)
        self.shownOrHidden.emit()

    def _wanted(self) -> PixelRequest | None:
        facts, pixel = self.session.file, self.session.pixel
        return None if facts is None or pixel is None else self.request(facts, pixel)

    def _request_fields(self, facts: FileFacts, pixel: tuple[int, int]) -> dict[str, object]:
        start_s, stop_s = self.session.time_range
        return {
            "pane": self.name,
            "token": facts.token,
            "start_s": start_s,
            "stop_s": stop_s,
            "pixels": (pixel,),
            "label": f"Pixel ({pixel[0]}, {pixel[1]})",
            "bin_s": self.session.bin_s,
        }
