"""The numbers of one pixel among speckles, in a table and a few sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline_core.speckle.status import STATUS_SENTENCES
from quicklook.qt import Qt, QtWidgets
from quicklook.time_text import milliseconds

if TYPE_CHECKING:
    from pipeline_core.speckle.study import PixelStudy

__all__ = ["StudyTable"]

_ROWS = ("Ic", "Is", "Ip")
_COLUMNS = (
    ("counts/s", "Maximum of the likelihood, less its bias where Ic is faint"),
    ("± blocks", "Sigma from sums over blocks of time: knows that bins are correlated"),
    (
        "± curvature",
        "Sigma from the curvature of the likelihood: too small where bins are correlated",
    ),
    ("bootstrap 68 %", "Ends of the central 68 % of fits to resampled blocks of time"),
    ("moments", "From mean and variance of the counts, corrected as the fit is"),
    ("without bins", "From the intervals between photons; too low in Ic where Is is much larger"),
)
_NOTHING = "-"


class StudyTable(QtWidgets.QWidget):
    """Ic, Is and Ip by every method; below, what else is known."""

    def __init__(self) -> None:
        super().__init__()
        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(2)
        self.cells: dict[tuple[str, str], QtWidgets.QLabel] = {}
        right = Qt.AlignmentFlag.AlignRight
        for column, (title, tip) in enumerate(_COLUMNS, 1):
            head = QtWidgets.QLabel(title, objectName="caption", toolTip=tip)
            grid.addWidget(head, 0, column, right)
            for row, name in enumerate(_ROWS, 1):
                cell = QtWidgets.QLabel(_NOTHING, objectName="value", toolTip=tip)
                cell.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                grid.addWidget(cell, row, column, right)
                self.cells[name, title] = cell
        for row, name in enumerate(_ROWS, 1):
            grid.addWidget(QtWidgets.QLabel(name, objectName="paneTitle"), row, 0)
        grid.setColumnStretch(len(_COLUMNS) + 1, 1)
        self.words = QtWidgets.QLabel(objectName="caption", wordWrap=True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        grid.addWidget(self.words, len(_ROWS) + 1, 0, 1, len(_COLUMNS) + 2)

    def show_study(self, study: PixelStudy) -> None:
        """Show the numbers of a pixel."""
        fit, interval = study.fit, study.bootstrap_interval
        free = study.bin_free
        for k, name in enumerate(_ROWS):
            fitted = fit is not None and k < study.settings.n_parameters
            values = {
                "counts/s": fit.values[k] if fit is not None and fitted else math.nan,
                "± blocks": fit.block_errors[k] if fit is not None and fitted else math.nan,
                "± curvature": fit.hessian_errors[k] if fit is not None and fitted else math.nan,
                "moments": study.moments[k] if k < 2 else math.nan,
                "without bins": free.values[k] if free is not None and fitted else math.nan,
            }
            for title, value in values.items():
                self.cells[name, title].setText(_number(float(value)))
            low, high = (float(one) for one in interval[k])
            text = _NOTHING if math.isnan(low) else f"{_number(low)} to {_number(high)}"
            self.cells[name, "bootstrap 68 %"].setText(text)
        if fit is not None and not study.settings.with_ip:
            self.cells["Ip", "counts/s"].setText("0, not fitted")
        self.words.setText("\n".join(_sentences(study)))


def _sentences(study: PixelStudy) -> list[str]:
    own = study.decorrelation
    settings = study.settings
    lines = [
        f"{STATUS_SENTENCES[study.status]} {study.n_photons:,} photons in {study.n_bins:,} bins of "
        f"{milliseconds(settings.bin_s)}. Fano factor {_number(study.fano)} (Poisson: 1)."
    ]
    if study.fit is not None and not math.isnan(study.fit.p_value):
        lines[0] += f" p-value of the fit {study.fit.p_value:.2g}."
    if study.fit is not None and settings.with_ip:
        lines[0] += f" Chance of such an Ip without one: {study.fit.companion_p:.2g}."
    if math.isnan(own.tau_s):
        tau = "Decorrelation time: this light curve does not tell it"
    else:
        error = "" if math.isnan(own.error_s) else f" ± {1e3 * own.error_s:.2g}"
        tau = f"Decorrelation time of this pixel: {1e3 * own.tau_s:.3g}{error} ms"
    if math.isnan(study.tau_s):
        tau += "; none is used"
    else:
        tau += f"; used: {milliseconds(study.tau_s)}"
    lines.append(f"{tau}. Advised bins: {milliseconds(study.advised_bin_s)}.")
    return lines


def _number(value: float) -> str:
    return _NOTHING if math.isnan(value) else f"{value:.4g}"
