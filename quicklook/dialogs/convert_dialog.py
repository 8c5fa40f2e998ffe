"""Form for a conversion of .bin files. It only fills a `ConvertForm`; a worker checks it.

The main window's conversion controller answers `checkRequested` through `show_check`.
"""

from __future__ import annotations

from pathlib import Path

from pipeline_core.utc import utc_words
from quicklook import theme
from quicklook.background_tasks import LONGEST_S, ConvertCheck, ConvertForm
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.settings import Settings
from quicklook.widgets.path_edit import PathEdit

__all__ = ["ConvertDialog"]

_SETTLE_MS = 200
_LATEST = 2_147_483_647
_LONGEST_NIGHT_S = 86_400
_SHAPES = (
    ("from the beam map", ""),
    ("DARKNESS  80 × 125", "DARKNESS"),
    ("MEC  140 × 146", "MEC"),
)
_BASELINES = (
    ("leave out", "ignore"),
    ("keep as a column", "keep"),
    ("subtract its median", "subtract-median"),
)


class ConvertDialog(QtWidgets.QDialog):
    """Folder, start, duration, beam map, output.

    Signals
    -------
    checkRequested
        A `ConvertForm` to be looked at.
    accepted
        The form is complete: `form` says what to do.
    """

    checkRequested = Signal(object)  # noqa: N815

    def __init__(self, settings: Settings, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Convert .bin files")
        self.setMinimumWidth(round(640 * theme.text_scale()))
        self._settings = settings
        self._scanned_folder = ""
        self._mapped_folder = ""
        self._given_times = False
        self._proposed_out = ""
        self._out_folder = ""
        self._build_fields()
        self._build_layout()
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._request_check)
        self._connect_fields()
        self.bin_dir.set_text(settings.bin_folder)
        self.beammap.set_text(settings.beammap)
        self._on_edit()

    # --- form <-> value --------------------------------------------------------------------------

    def form(self) -> ConvertForm:
        """Return what is filled in."""
        return ConvertForm(
            bin_dir=self.bin_dir.text(),
            start=self.start.value(),
            duration=self.duration.value(),
            beammap=self.beammap.text(),
            out=self.out.text(),
            shape=self.shape.currentData(),
            baseline=self.baseline.currentData(),
            overwrite=self.overwrite.isChecked(),
            open_result=self.open_result.isChecked(),
            split=self.split.isChecked(),
        )

    def set_form(self, form: ConvertForm) -> None:
        """Fill everything in."""
        # do not propose other times, nor a beam map
        self._scanned_folder = self._mapped_folder = form.bin_dir
        self.bin_dir.set_text(form.bin_dir)
        self.start.setValue(form.start)
        self.duration.setValue(form.duration)
        self.beammap.set_text(form.beammap)
        self.out.set_text(form.out)
        for box, value in ((self.shape, form.shape), (self.baseline, form.baseline)):
            if box.findData(value) < 0:
                box.addItem(value, value)
            box.setCurrentIndex(box.findData(value))
        self.overwrite.setChecked(form.overwrite)
        self.open_result.setChecked(form.open_result)
        self.split.setChecked(form.split)

    def fill(self, bin_dir: str, start: int, duration: int) -> None:
        """Fill in a folder and times; the photon file is proposed once the folder has been looked at."""
        self._scanned_folder = self._mapped_folder = ""
        self._given_times = True
        self.bin_dir.set_text(bin_dir)
        self.start.setValue(start)
        self.duration.setValue(duration)
        self.split.setChecked(duration > LONGEST_S)
        self.out.set_text("")

    # --- checks ----------------------------------------------------------------------------------

    @Slot()
    def _on_edit(self) -> None:
        self.convert.setEnabled(False)
        self.reason.setText("Looking…")
        self._settle.start()

    @Slot()
    def _request_check(self) -> None:
        self.checkRequested.emit(self.form())

    @Slot(object)
    def show_check(self, check: ConvertCheck) -> None:
        """Show what the folder holds; propose times and a name; enable the button or say why not."""
        if check.form != self.form():
            return  # edited in the meantime: another check is under way
        if check.n_files:
            files = f"{check.n_files} file" + ("s" if check.n_files != 1 else "")
            self.folder_facts.setText(f"{files}, unix seconds {check.first} to {check.last}")
            seconds = check.form.duration
            missing = f"{check.missing} of {seconds} seconds have no file" if check.missing else ""
            self.missing.setText(missing)
            if check.form.bin_dir != self._scanned_folder:
                self._take_folder(check)
                return
            if check.beammap and check.form.bin_dir != self._mapped_folder:
                self._mapped_folder = check.form.bin_dir  # who takes it out again wants another
                self.beammap.set_text(check.beammap)
                return
        else:
            self.folder_facts.clear()
            self.missing.clear()
        self.reason.setText(check.problem)
        self.convert.setEnabled(not check.problem)

    @Slot(str)
    def show_failure(self, message: str) -> None:
        """Show why the check itself failed."""
        self.reason.setText(message)

    def _take_folder(self, check: ConvertCheck) -> None:
        """Propose times, unless they were given, and a photon file for a newly chosen folder; emits another check."""
        self._scanned_folder = check.form.bin_dir
        if not self._given_times:  # the first seconds without a gap
            self.start.setValue(check.first)
            self.duration.setValue(check.run)
        self._given_times = False
        self._out_folder = check.form.bin_dir
        if not check.writable:
            self._out_folder = self._settings.photon_folder or str(Path.home())
        self._propose_out()
        self._on_edit()

    @Slot(int)
    def _show_date(self, start: int) -> None:
        self.date.setText(utc_words(start) if start else "")

    @Slot()
    def _propose_out(self) -> None:
        """Name the output after the start, as long as the person has not chosen another name."""
        folder = self._out_folder
        if folder and self.start.value() and self.out.text() in ("", self._proposed_out):
            self._proposed_out = str(Path(folder) / f"{self.start.value()}.h5")
            self.out.set_text(self._proposed_out)

    @Slot()
    def _on_convert(self) -> None:
        self._settings.bin_folder = self.bin_dir.text()
        self._settings.beammap = self.beammap.text()
        self.accept()

    # --- building --------------------------------------------------------------------------------

    def _build_fields(self) -> None:
        self.bin_dir = PathEdit("folder", "Folder of the .bin files")
        self.folder_facts = QtWidgets.QLabel(objectName="caption")
        self.start = QtWidgets.QSpinBox(
            maximum=_LATEST, toolTip="First second to convert (unix time)"
        )
        self.duration = QtWidgets.QSpinBox(
            minimum=1,
            maximum=_LONGEST_NIGHT_S,
            suffix=" s",
            toolTip=f"At most {LONGEST_S} s in one file: times are 32-bit microseconds",
        )
        self.split = QtWidgets.QCheckBox(
            "Several files",
            toolTip=f"Write consecutive files, named by their first second, of what is longer than {LONGEST_S} s",
        )
        self.date = QtWidgets.QLabel(objectName="caption")
        self.missing = QtWidgets.QLabel(objectName="hint")
        self.start.setMinimumWidth(130)
        self.duration.setMinimumWidth(110)
        self.beammap = PathEdit(
            "open", "Beam map", "Beam maps (*.txt *.bmap *.csv *.dat);;All files (*)"
        )
        self.out = PathEdit("save", "Photon file to write", "Photon files (*.h5)")
        self.shape = QtWidgets.QComboBox(toolTip="Columns × rows of the array")
        for text, value in _SHAPES:
            self.shape.addItem(text, value)
        self.baseline = QtWidgets.QComboBox(
            toolTip="What to do with the baseline phase of each photon"
        )
        for text, value in _BASELINES:
            self.baseline.addItem(text, value)
        self.overwrite = QtWidgets.QCheckBox("Replace the photon file if it exists")
        self.open_result = QtWidgets.QCheckBox(
            "Open the photon file when it is ready", checked=True
        )
        self.reason = QtWidgets.QLabel(objectName="reason", wordWrap=True)
        self.convert = QtWidgets.QPushButton("Convert", default=True)
        self.convert.setObjectName("primary")
        self.cancel = QtWidgets.QPushButton("Cancel", autoDefault=False)

    def _build_layout(self) -> None:
        times = QtWidgets.QHBoxLayout()
        times.setSpacing(10)
        times.addWidget(self.start)
        times.addWidget(QtWidgets.QLabel("Duration"))
        times.addWidget(self.duration)
        times.addWidget(self.split)
        times.addStretch(1)
        time_facts = QtWidgets.QHBoxLayout()
        time_facts.setSpacing(16)
        time_facts.addWidget(self.date)
        time_facts.addWidget(self.missing, 1)
        grid = QtWidgets.QFormLayout()
        grid.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(10)
        grid.addRow("Folder of .bin files", self.bin_dir)
        grid.addRow("", self.folder_facts)
        grid.addRow("Start [unix s]", times)
        grid.addRow("", time_facts)
        grid.addRow("Beam map", self.beammap)
        grid.addRow("Array", self.shape)
        grid.addRow("Baseline", self.baseline)
        grid.addRow("Photon file", self.out)
        grid.addRow("", self.overwrite)
        grid.addRow("", self.open_result)
        bottom = QtWidgets.QHBoxLayout()
        bottom.setSpacing(10)
        bottom.addWidget(self.reason, 1)
        bottom.addWidget(self.cancel)
        bottom.addWidget(self.convert)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(16)
        layout.addLayout(grid)
        layout.addStretch(1)
        layout.addLayout(bottom)

    def _connect_fields(self) -> None:
        for path in (self.bin_dir, self.beammap, self.out):
            path.changed.connect(self._on_edit)
        for number in (self.start, self.duration):
            number.valueChanged.connect(self._on_edit)
        for choice in (self.shape, self.baseline):
            choice.currentIndexChanged.connect(self._on_edit)
        self.split.toggled.connect(self._on_edit)
        self.overwrite.toggled.connect(self._on_edit)
        self.open_result.toggled.connect(self._on_edit)
        self.start.valueChanged.connect(self._propose_out)
        self.start.valueChanged.connect(self._show_date)
        self.convert.clicked.connect(self._on_convert)
        self.cancel.clicked.connect(self.reject)
