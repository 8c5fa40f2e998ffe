"""Form for speckle maps: bins and advice on them, model, corrections, photons, pixels, priors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import ConfigError
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.speckle.settings import Prior, SpeckleSettings
from quicklook import theme
from quicklook.file_facts import FileFacts
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.time_text import milliseconds
from quicklook.widgets.go_buttons import go_buttons
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.side_by_side import side_by_side

if TYPE_CHECKING:
    from pipeline_core.speckle.study import PixelStudy

__all__ = ["SpeckleDialog"]

_FLAG_CHOICES = (
    ("no problem flag", PROBLEM_FLAGS),
    ("no flag at all", 2**32 - 1),
    ("any flags", 0),
)
_PRIORS = ("ic", "is", "ip")
_ASK_AFTER_MS = 400
_NO_WAVELENGTHS = "No wavelength solution is attached"


class SpeckleDialog(QtWidgets.QDialog):
    """How speckle maps of the open file are to be made; `settings` says it once the dialog is accepted.

    Signals
    -------
    adviceWanted
        `SpeckleSettings` with which the decorrelation time of a pixel is to be measured.
    """

    adviceWanted = Signal(object)  # noqa: N815

    def __init__(
        self,
        facts: FileFacts,
        before: SpeckleSettings,
        time_range: tuple[float, float],
        parent: QtWidgets.QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Speckle maps")
        self.setMinimumWidth(round(600 * theme.text_scale()))
        self._facts = facts
        self._advised_s = math.nan
        self._make_boxes(before, time_range)
        self._make_advanced(before)
        self._build()
        self._later = QtCore.QTimer(self, singleShot=True, interval=_ASK_AFTER_MS)
        self._later.timeout.connect(self.ask_for_advice)
        self._connect()
        self._check()

    # --- controls --------------------------------------------------------------------------------

    def _make_boxes(self, before: SpeckleSettings, time_range: tuple[float, float]) -> None:
        self.bin_ms = NumberBox(minimum=0.001, maximum=1e6, decimals=3, suffix=" ms")
        self.bin_ms.setValue(1e3 * before.bin_s)
        self.bin_ms.setToolTip("Counts are taken in bins of this length")
        self.advice = QtWidgets.QLabel(objectName="caption", wordWrap=True)
        self.advice.setMinimumHeight(2 * self.advice.fontMetrics().lineSpacing())
        self.use_advice = QtWidgets.QPushButton("Use it", enabled=False)
        self.use_advice.setToolTip("Nothing is advised yet")
        self.with_ip = QtWidgets.QCheckBox("Fit a steady source Ip as well (takes longer)")
        self.with_ip.setChecked(before.with_ip)
        self.with_ip.setToolTip("Light of a companion, a disk or the sky: Poisson, no speckles")
        self.tau_known = QtWidgets.QCheckBox("is known:", checked=before.tau_s is not None)
        self.tau_known.setToolTip("Otherwise it is measured from the light curves of all pixels")
        self.tau_ms = NumberBox(minimum=0.001, maximum=1e8, decimals=3, suffix=" ms")
        self.tau_ms.setValue(1e3 * (before.tau_s or 0.1))
        self.correct_bins = QtWidgets.QCheckBox("Speckles change inside a bin")
        self.correct_bins.setChecked(before.correct_bin_width)
        self.correct_bins.setToolTip("Part of the likelihood; needs the decorrelation time")
        self.correct_dead = QtWidgets.QCheckBox("Dead time of")
        self.correct_dead.setChecked(before.correct_dead_time)
        self.correct_dead.setToolTip("Part of the likelihood")
        self.dead_us = NumberBox(minimum=-1.0, maximum=1e5, decimals=1, suffix=" µs")
        self.dead_us.setSpecialValueText("as in the file")
        self.dead_us.setValue(-1.0 if before.dead_time_us is None else before.dead_time_us)
        self.dead_us.setToolTip("Lowest value: what the photon file says")
        exposure = self._facts.exposure_s
        start = time_range[0] if before.start is None else before.start
        stop = time_range[1] if before.stop is None else before.stop
        self.start, self.stop = (
            NumberBox(minimum=0.0, maximum=exposure, decimals=3, suffix=" s", value=value)
            for value in (start, stop)
        )
        self.stepped = QtWidgets.QCheckBox("in steps of", checked=before.step_s is not None)
        self.stepped.setToolTip("Maps of their own for every so many seconds")
        self.step = NumberBox(minimum=0.001, maximum=1e6, decimals=3, suffix=" s")
        self.step.setValue(before.step_s or max(exposure / 10, 1.0))
        self.low, self.high = (
            NumberBox(minimum=0.0, maximum=1e5, decimals=1, suffix=" nm", value=value or 0.0)
            for value in (before.min_wavelength, before.max_wavelength)
        )
        for box in (self.low, self.high):
            box.setSpecialValueText("no limit")
            box.setEnabled(self._facts.wavelength_calibrated)
            box.setToolTip("0: no limit" if self._facts.wavelength_calibrated else _NO_WAVELENGTHS)
        self.flags = QtWidgets.QComboBox()
        for text, bits in _FLAG_CHOICES:
            self.flags.addItem(f"Pixels with {text}", bits)
        self.flags.setCurrentIndex(max(self.flags.findData(before.exclude), 0))
        self.flags.setToolTip("Others are not computed, and drawn as such")

    def _make_advanced(self, before: SpeckleSettings) -> None:
        self.advanced = QtWidgets.QGroupBox("Advanced")
        self.advanced.setCheckable(True)
        self.advanced.setToolTip("Priors and limits; unticked, the usual ones hold")
        self._inner = QtWidgets.QWidget()
        form = QtWidgets.QFormLayout(self._inner)
        form.setContentsMargins(0, 0, 0, 0)
        self.priors: dict[str, tuple[QtWidgets.QCheckBox, NumberBox, NumberBox]] = {}
        for name in _PRIORS:
            known = getattr(before, f"{name}_prior")
            tick = QtWidgets.QCheckBox(f"I{name[1]} is", checked=known is not None)
            tick.setToolTip("A Gaussian prior, for example from a model of the star's image")
            mean = NumberBox(minimum=0.0, maximum=1e9, decimals=2, suffix=" counts/s")
            sigma = NumberBox(minimum=0.01, maximum=1e9, decimals=2, suffix=" counts/s")
            mean.setValue(known.mean_cps if known else 0.0)
            sigma.setValue(known.sigma_cps if known else 10.0)
            mean.setToolTip("Mean of the prior")
            sigma.setToolTip("Sigma of the prior")
            self.priors[name] = (tick, mean, sigma)
            form.addRow(
                "Priors" if name == "ic" else "",
                side_by_side(tick, mean, QtWidgets.QLabel("±"), sigma),
            )
        usual = SpeckleSettings()
        self.least = QtWidgets.QSpinBox(minimum=1, maximum=10**9, value=before.least_photons)
        self.least.setToolTip("Pixels with fewer photons are not fitted")
        self.bootstrap = QtWidgets.QSpinBox(minimum=0, maximum=10_000, value=before.bootstrap)
        self.bootstrap.setSpecialValueText("none")
        self.bootstrap.setToolTip(
            "Errors from so many resamples of every pixel, slow; none: from sums over blocks"
        )
        self.block = NumberBox(minimum=0.0, maximum=1e6, decimals=3, suffix=" s")
        self.block.setSpecialValueText("5 to 20 tau")
        self.block.setValue(before.block_s or 0.0)
        self.block.setToolTip("Length of the blocks of time that errors are from")
        form.addRow("At least", side_by_side(self.least, QtWidgets.QLabel("photons")))
        form.addRow("Bootstrap", side_by_side(self.bootstrap, QtWidgets.QLabel("resamples")))
        form.addRow("Blocks", side_by_side(self.block))
        same = all(
            getattr(before, name) == getattr(usual, name)
            for name in (
                "ic_prior",
                "is_prior",
                "ip_prior",
                "least_photons",
                "bootstrap",
                "block_s",
            )
        )
        self.advanced.setChecked(not same)
        column = QtWidgets.QVBoxLayout(self.advanced)
        column.addWidget(self._inner)
        self._inner.setVisible(not same)

    def _build(self) -> None:
        form = QtWidgets.QFormLayout()
        form.setVerticalSpacing(8)
        form.addRow("Bins of time", side_by_side(self.bin_ms, self.use_advice))
        form.addRow("", self.advice)
        form.addRow("Decorrelation time tau", side_by_side(self.tau_known, self.tau_ms))
        form.addRow("Model", self.with_ip)
        form.addRow("Corrections", self.correct_bins)
        form.addRow("", side_by_side(self.correct_dead, self.dead_us))
        form.addRow("Time", side_by_side(self.start, QtWidgets.QLabel("to"), self.stop))
        form.addRow("", side_by_side(self.stepped, self.step))
        form.addRow("Wavelength", side_by_side(self.low, QtWidgets.QLabel("to"), self.high))
        form.addRow("Pixels", self.flags)
        self.reason = QtWidgets.QLabel(objectName="hint", wordWrap=True)
        self.reason.setMinimumHeight(2 * self.reason.fontMetrics().lineSpacing())
        buttons, self.make = go_buttons(self, "Make maps")
        layout = QtWidgets.QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.advanced)
        layout.addWidget(self.reason)
        layout.addWidget(buttons)

    def _connect(self) -> None:
        ticks = [self.with_ip, self.tau_known, self.correct_bins, self.correct_dead, self.stepped]
        boxes = [self.bin_ms, self.tau_ms, self.dead_us, self.start, self.stop, self.step]
        boxes += [self.low, self.high, self.block]
        for tick, mean, sigma in self.priors.values():
            ticks.append(tick)
            boxes += [mean, sigma]
        for one in ticks:
            one.toggled.connect(self._check)
        for box in (*boxes, self.least, self.bootstrap):
            box.valueChanged.connect(self._check)
        self.flags.currentIndexChanged.connect(self._check)
        self.advanced.toggled.connect(self._on_advanced)
        self.use_advice.clicked.connect(self._on_use)
        for box in (self.bin_ms, self.start, self.stop):
            box.valueChanged.connect(self._later.start)

    # --- what is filled in -----------------------------------------------------------------------

    def settings(self) -> SpeckleSettings:
        """Return what is filled in.

        Raises
        ------
        ConfigError
            If it is impossible.
        """
        start, stop = self.start.value(), self.stop.value()
        if start >= stop:
            raise ConfigError("The time range ends before it begins.")
        low, high = self.low.value() or None, self.high.value() or None
        if low is not None and high is not None and low >= high:
            raise ConfigError("The range of wavelengths ends before it begins.")
        return SpeckleSettings(
            bin_s=self.bin_ms.value() / 1e3,
            with_ip=self.with_ip.isChecked(),
            tau_s=self.tau_ms.value() / 1e3 if self.tau_known.isChecked() else None,
            correct_bin_width=self.correct_bins.isChecked(),
            correct_dead_time=self.correct_dead.isChecked(),
            dead_time_us=None if self.dead_us.value() < 0 else self.dead_us.value(),
            start=start,
            stop=stop,
            step_s=self.step.value() if self.stepped.isChecked() else None,
            min_wavelength=low,
            max_wavelength=high,
            exclude=int(self.flags.currentData()),
            **(self._advanced_settings() if self.advanced.isChecked() else {}),
        )

    def _advanced_settings(self) -> dict[str, Any]:
        priors: dict[str, Any] = {
            f"{name}_prior": Prior(mean.value(), sigma.value())
            for name, (tick, mean, sigma) in self.priors.items()
            if tick.isChecked() and (name != "ip" or self.with_ip.isChecked())
        }
        return {
            **priors,
            "least_photons": self.least.value(),
            "bootstrap": self.bootstrap.value(),
            "block_s": self.block.value() or None,
        }

    @Slot()
    def _check(self) -> None:
        """Switch what depends on something else, and say why maps cannot be made."""
        self.tau_ms.setEnabled(self.tau_known.isChecked())
        self.dead_us.setEnabled(self.correct_dead.isChecked())
        self.step.setEnabled(self.stepped.isChecked())
        for name, (tick, mean, sigma) in self.priors.items():
            possible = name != "ip" or self.with_ip.isChecked()
            tick.setEnabled(possible)
            for box in (mean, sigma):
                box.setEnabled(possible and tick.isChecked())
        problem = ""
        try:
            made = self.settings()
            length = made.step_s or self.stop.value() - self.start.value()
            if length < made.least_bins * made.bin_s:
                problem = f"{length:g} s hold fewer than {made.least_bins} bins: choose narrower bins or more time."
        except ConfigError as error:
            text = str(error).removeprefix("Speckles: ")
            problem = text[:1].upper() + text[1:]
        self.reason.setText(problem)
        self.make.setEnabled(not problem)
        self.make.setToolTip(problem)

    @Slot()
    def accept(self) -> None:
        """Close, unless what was typed last, which no box has taken yet, makes it impossible."""
        for box in self.findChildren(QtWidgets.QAbstractSpinBox):
            box.interpretText()
        if self.make.isEnabled():
            super().accept()

    @Slot(bool)
    def _on_advanced(self, on: bool) -> None:
        self._inner.setVisible(on)
        self._check()
        QtCore.QTimer.singleShot(0, self.adjustSize)

    # --- advice ----------------------------------------------------------------------------------

    @Slot()
    def ask_for_advice(self) -> None:
        """Have tau measured with what is filled in; what was advised before is not true any more."""
        self._advised_s = math.nan
        self._show_use()
        try:
            made = self.settings()
        except ConfigError:
            self.advice.setText("")
            return
        self.advice.setText("Measuring the decorrelation time of a pixel…")
        self.adviceWanted.emit(made)

    def show_advice(self, study: PixelStudy) -> None:
        """Say what a pixel's light curve advises."""
        x, y = study.pixel
        own = study.decorrelation
        if math.isnan(own.tau_s):
            tau = "does not tell tau"
        else:
            error = "" if math.isnan(own.error_s) else f" ± {1e3 * own.error_s:.2g}"
            tau = f"has tau = {1e3 * own.tau_s:.3g}{error} ms"
        self._advised_s = float(study.advised_bin_s)
        self.advice.setText(
            f"The light curve of pixel ({x}, {y}) {tau}. Advised: bins of {milliseconds(self._advised_s)}."
        )
        self._show_use()

    def show_no_advice(self, why: str) -> None:
        """Say why there is no advice."""
        self.advice.setText(f"No advice: {why}")
        self._show_use()

    def _show_use(self) -> None:
        known = not math.isnan(self._advised_s)
        self.use_advice.setEnabled(known)
        self.use_advice.setToolTip(
            f"Bins of {milliseconds(self._advised_s)}" if known else "Nothing is advised yet"
        )

    @Slot()
    def _on_use(self) -> None:
        self.bin_ms.setValue(1e3 * self._advised_s)
