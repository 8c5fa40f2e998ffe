"""Form for a cube: bins of wavelength and time, what the values are, where it goes. It only fills a `CubeForm`."""

from __future__ import annotations

from pathlib import Path

from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError
from quicklook import theme
from quicklook.background_tasks import CubeForm
from quicklook.file_facts import FileFacts
from quicklook.qt import QtWidgets, Slot
from quicklook.widgets.go_buttons import go_buttons
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.path_edit import PathEdit
from quicklook.widgets.side_by_side import side_by_side

__all__ = ["CubeDialog"]

_NONE, _ENERGY, _WAVELENGTH = "none", "energy_bin_ev", "wavelength_bin_nm"
_KINDS = (
    ("none: all photons", _NONE),
    ("equal energy", _ENERGY),
    ("equal wavelength", _WAVELENGTH),
)
_UNITS = {_ENERGY: (" eV", 3, 0.1), _WAVELENGTH: (" nm", 1, 50.0)}
_FILES = "FITS (*.fits);;HDF5 (*.h5);;NumPy (*.npz)"


class CubeDialog(QtWidgets.QDialog):
    """What a cube of the open file is to hold; `form` says it once the dialog is accepted."""

    def __init__(
        self,
        facts: FileFacts,
        time_range: tuple[float, float],
        folder: Path,
        *,
        weighted: bool,
        parent: QtWidgets.QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export cube")
        self.setMinimumWidth(round(520 * theme.text_scale()))
        self._facts = facts
        self._range = time_range
        self.kind = QtWidgets.QComboBox()
        for text, value in _KINDS:
            self.kind.addItem(text, value)
        self.bin_width = NumberBox(minimum=0.001, maximum=10_000.0)
        self.slices = QtWidgets.QCheckBox("in steps of")
        self.step = NumberBox(minimum=0.001, maximum=100_000.0, decimals=3, value=1.0, suffix=" s")
        self.weighted = QtWidgets.QCheckBox("weighted by the flat field", checked=weighted)
        self.rates = QtWidgets.QCheckBox("per second alive: corrected for dead time")
        self.out = PathEdit("save", "Write the cube to", _FILES)
        self.out.set_text(str(folder / f"{facts.path.stem}_cube.fits"))
        self.overwrite = QtWidgets.QCheckBox("Replace an existing file")
        self.reason = QtWidgets.QLabel(objectName="hint", wordWrap=True)
        self.reason.setMinimumHeight(2 * self.reason.fontMetrics().lineSpacing())
        self.contents = QtWidgets.QLabel(objectName="paneDetail")
        self._build()
        self._limit_to_the_file()
        self._on_kind()

    def _build(self) -> None:
        form = QtWidgets.QFormLayout()
        form.setVerticalSpacing(8)
        form.addRow("Bins of wavelength", side_by_side(self.kind, self.bin_width))
        start, stop = self._range
        whole = QtWidgets.QLabel(f"{start:g} to {stop:g} s")
        form.addRow("Time", side_by_side(whole, self.slices, self.step))
        form.addRow("Counts", self.weighted)
        form.addRow("", self.rates)
        form.addRow("", self.contents)
        form.addRow("File", self.out)
        form.addRow("", self.overwrite)
        buttons, self.write = go_buttons(self, "Write")
        layout = QtWidgets.QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.reason)
        layout.addWidget(buttons)
        self.kind.currentIndexChanged.connect(self._on_kind)
        for box in (self.bin_width, self.step):
            box.valueChanged.connect(self._check)
        for button in (self.slices, self.weighted, self.rates, self.overwrite):
            button.toggled.connect(self._check)
        self.out.changed.connect(self._check)

    def _limit_to_the_file(self) -> None:
        """Switch off what the open file cannot give, and say why."""
        if not self._facts.wavelength_calibrated:
            self.kind.setEnabled(False)
            self.kind.setToolTip("No wavelength solution is attached")
        if not self._facts.flat_calibrated:
            self.weighted.setChecked(False)
            self.weighted.setEnabled(False)
            self.weighted.setToolTip("No flat field is attached")

    @Slot()
    def _on_kind(self) -> None:
        chosen = self.kind.currentData()
        self.bin_width.setEnabled(chosen != _NONE)
        if chosen in _UNITS:
            suffix, decimals, usual = _UNITS[chosen]
            self.bin_width.setDecimals(decimals)
            self.bin_width.setSuffix(suffix)
            self.bin_width.setValue(usual)
        self._check()

    def settings(self) -> CubeSettings:
        """Return what is filled in.

        Raises
        ------
        ConfigError
            If it is impossible.
        """
        kind = self.kind.currentData()
        bins = {} if kind == _NONE else {kind: self.bin_width.value()}
        return CubeSettings(
            time_bin_s=self.step.value() if self.slices.isChecked() else None,
            start=self._range[0],
            stop=self._range[1],
            weighted=self.weighted.isChecked(),
            rates=self.rates.isChecked(),
            **bins,
        )

    @Slot()
    def _check(self) -> None:
        """Say how large the cube will be, or why it cannot be written."""
        self.step.setEnabled(self.slices.isChecked())
        problem, text = "", ""
        out = Path(self.out.text()).expanduser()
        try:
            n_time, n_band, size = self.settings().size(self._facts.shape, self._facts.exposure_s)
            ncols, nrows = self._facts.shape
            text = f"{ncols} × {nrows} pixels, wavelength bins: {n_band}, time bins: {n_time}; {size / 1e6:,.1f} MB"
        except ConfigError as error:
            problem = str(error)
        if not problem and out.suffix.lower() not in (".fits", ".h5", ".npz"):
            problem = "The name ends in .fits, .h5 or .npz."
        if not problem and out.exists() and not self.overwrite.isChecked():
            problem = f"{out.name} exists already: choose another name or tick 'Replace'."
        self.contents.setText(text)
        self.reason.setText(problem)
        self.write.setEnabled(not problem)

    def form(self) -> CubeForm:
        """Return what is to be done."""
        return CubeForm(
            paths=self._facts.paths or (self._facts.path,),
            beammap=self._facts.beammap,
            settings=self.settings(),
            out=Path(self.out.text()).expanduser(),
            overwrite=self.overwrite.isChecked(),
            file_id=self._facts.expected_id,
        )
