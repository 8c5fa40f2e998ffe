"""Spectrum: photons per bin of wavelength, or of phase as long as there is no calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from quicklook import theme
from quicklook.qt import QtWidgets, Signal, Slot, pg
from quicklook.requests import PixelRequest, PlotResult, SpectrumRequest
from quicklook.views.axes import Steps
from quicklook.views.lightcurve_pane import number
from quicklook.views.plot_pane import Columns, PlotPane, tool_button, weighted_title

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["SpectrumPane"]

_AXES = {"phase": "Phase [deg]", "wavelength": "Wavelength [nm]"}
_ONLY_FOR = {
    "deg": "Degrees are for phases; the photons of this file have wavelengths.",
    "nm": "Not wavelength-calibrated: the photons of this file have phases.",
    "eV": "Not wavelength-calibrated: the photons of this file have phases.",
}
_ERRORS_UP_TO = 1000
"""With more bins than this bars of errors would be a solid block, and slow to draw."""

# as long as there is no calibration the spectrum is one of phases
_TITLES = {"phase": "Phase histogram", "wavelength": "Spectrum"}


class SpectrumPane(PlotPane):
    """Photons per bin, or per nm, eV or degree, with errors.

    Signals
    -------
    bandSelected
        (low, high) of phase or wavelength that was marked with Shift and the mouse.
    """

    bandSelected = Signal(float, float)  # noqa: N815

    kind: ClassVar[str] = "spectrum"
    title: ClassVar[str] = "Spectrum"
    request_type: ClassVar[type[PixelRequest]] = SpectrumRequest
    uses_weights = True
    units: ClassVar[tuple[str, ...]] = ("bin", "nm", "eV", "deg")

    def add_items(self) -> None:
        """Put bars, errors and the choice of the unit into the plot."""
        self.bars = Steps()
        self.errors = pg.ErrorBarItem(beam=0)
        self.plot.addItem(self.bars)
        self.plot.addItem(self.errors)
        self.plot.spanDragged.connect(self._on_span)
        self.unit = tool_button("per bin", "Counts per bin, or divided by the width of the bin")
        self.unit.setStyleSheet("padding-right: 14px")  # for the arrow
        self.unit.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QtWidgets.QMenu(self.unit)
        menu.setToolTipsVisible(True)
        self._group = QtWidgets.QActionGroup(self)
        for per in self.units:
            action = QtWidgets.QAction(f"Counts per {per}", self._group)
            action.setData(per)
            action.setCheckable(True)
            menu.addAction(action)
        self._group.actions()[0].setChecked(True)
        self._group.triggered.connect(self._on_unit)
        self.unit.setMenu(menu)
        self.add_button(self.unit)

    @property
    def per(self) -> str:
        """'bin', 'nm', 'eV' or 'deg'."""
        return str(self._group.checkedAction().data())

    def set_per(self, per: str) -> None:
        """Choose what counts are divided by, if what is drawn can be."""
        for action in self._group.actions():
            if action.data() == per and action.isEnabled():
                action.trigger()

    @Slot(QtWidgets.QAction)
    def _on_unit(self, _action: QtWidgets.QAction) -> None:
        self.show_all()

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        self.bars.restyle()
        self.errors.setData(pen=pg.mkPen(theme.current().muted, width=1))

    def draw(self, result: PlotResult) -> None:
        """Draw a `Spectrum`."""
        data = result.data
        self._offer_units(data.densities)
        values, errors = data.density(self.per)
        floor = 0.5 * _one_count(data.counts, values)
        base = float(self.plot.on_scale(np.zeros(1), floor)[0])
        self.bars.setData(data.edges, self.plot.on_scale(values, floor), fillLevel=base)
        self._draw_errors(data, values, errors, floor)
        counts = "Counts" if data.sums is None else "Weighted counts"
        self.plot.setLabel("left", f"{counts} per {self.per}")
        self.plot.setLabel("bottom", _AXES[data.quantity])
        self.plot.setLimits(xMin=float(data.edges[0]), xMax=float(data.edges[-1]))
        self.plot.setXRange(float(data.edges[0]), float(data.edges[-1]), padding=0.01)
        self.plot.show_heights(floor, float(np.max(values + errors)))
        self._describe(result, data)

    def _draw_errors(
        self,
        data: Any,
        values: npt.NDArray[np.float64],
        errors: npt.NDArray[np.float64],
        floor: float,
    ) -> None:
        """Draw a bar for every bin with counts; a bin without any has an error of 0."""
        some = data.counts > 0
        drawn = values.size <= _ERRORS_UP_TO and bool(some.any())
        self.errors.setVisible(drawn)
        if drawn:
            middle = ((data.edges[:-1] + data.edges[1:]) / 2)[some]
            y, low, high = (
                self.plot.on_scale(level[some], floor)
                for level in (values, values - errors, values + errors)
            )
            self.errors.setData(x=middle, y=y, bottom=y - low, top=high - y)

    def _describe(self, result: PlotResult, data: Any) -> None:
        self.set_title(weighted_title(_TITLES[data.quantity], result.request))
        widths = data.edges[1:] - data.edges[:-1]
        narrow, wide = float(widths.min()), float(widths.max())
        same = wide - narrow < 1e-6 * wide
        width = f"{wide:.3g}" if same else f"{narrow:.3g} to {wide:.3g}"
        errors = "errors √n" if data.sums is None else "errors √Σw²"
        errors += "" if data.counts.size <= _ERRORS_UP_TO else " not drawn"
        self.set_detail(result.request.label)
        n = int(data.counts.sum())
        self.set_figures(
            f"{n:,} photons   mean {number(data.mean)} {data.unit}   "
            f"{width} {data.unit} bins, {errors}"
        )

    def _offer_units(self, possible: tuple[str, ...]) -> None:
        """Disable what this file cannot be divided by, with the reason."""
        for action in self._group.actions():
            per = action.data()
            action.setEnabled(per in possible)
            action.setToolTip("" if per in possible else _ONLY_FOR[per])
        if self.per not in possible:
            self._group.actions()[0].setChecked(True)
        self.unit.setText(f"per {self.per}")

    @Slot(float, float)
    def _on_span(self, low: float, high: float) -> None:
        facts = self.session.file
        if self.shown is None or facts is None or not self.is_at_home:
            return
        data = self.shown.data
        low, high = max(low, float(data.edges[0])), min(high, float(data.edges[-1]))
        if data.quantity == facts.quantity and low < high:
            self.bandSelected.emit(low, high)

    def export_columns(self) -> tuple[str, Columns]:
        """Return the bins, with what is drawn."""
        if self.shown is None:
            return self.kind, {}
        data = self.shown.data
        values, errors = data.density(self.per)
        columns: Columns = {
            f"{data.quantity} from": (data.unit, data.edges[:-1]),
            f"{data.quantity} to": (data.unit, data.edges[1:]),
            "counts": ("", data.counts),
            **({} if data.sums is None else {"weighted counts": ("", data.sums)}),
            "error": ("", data.errors),
        }
        if self.per != "bin":
            columns[f"counts per {self.per}"] = (f"1/{self.per}", values)
            columns[f"error per {self.per}"] = (f"1/{self.per}", errors)
        return self.kind, columns


def _one_count(counts: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> float:
    """Return the least height that one count has in any bin; 1 if there are no counts."""
    some = counts > 0
    return float(np.min(values[some] / counts[some])) if some.any() else 1.0
