"""Form for a wavelength calibration. It only fills a `WavecalForm`; a worker looks at files and checks it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quicklook import theme
from quicklook.qt import QtCore, QtGui, QtWidgets, Signal, Slot
from quicklook.settings import Settings
from quicklook.wavecal_tasks import CURVE_CHOICES, LINE_CHOICES, WavecalCheck, WavecalForm
from quicklook.widgets.laser_table import LaserTable
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.on_screen import ScrollingForm, resize_on_screen
from quicklook.widgets.path_edit import PathEdit

if TYPE_CHECKING:
    from pipeline_core.wavecal.laserfiles import LaserFile

__all__ = ["WavecalDialog"]

_WIDTH = 900
_SETTLE_MS = 200
_PHOTON_FILES = "Photon files (*.h5);;All files (*)"
_YAML = "Settings (*.yml *.yaml);;All files (*)"


class WavecalDialog(QtWidgets.QDialog):
    """Laser files, settings, output.

    Signals
    -------
    filesAdded
        Paths that are to be looked at; answered by `show_files`.
    checkRequested
        A `WavecalForm`; answered by `show_check`.
    settingsOpened, settingsSaved
        Path of a settings file to read, to write.
    solutionsRequested
        The existing solutions are wanted instead.
    accepted
        The form is complete: `form` says what to do.
    """

    filesAdded = Signal(object)  # noqa: N815
    checkRequested = Signal(object)  # noqa: N815
    settingsOpened = Signal(object)  # noqa: N815
    settingsSaved = Signal(object)  # noqa: N815
    solutionsRequested = Signal()  # noqa: N815

    def __init__(self, settings: Settings, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Wavelength calibration")
        self.setAcceptDrops(True)
        self._settings = settings
        self._proposed_out = ""
        self._build_fields()
        self._build_layout()
        resize_on_screen(self, round(_WIDTH * theme.text_scale()), self.sizeHint().height())
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._request_check)
        self._connect_fields()
        self._on_edit()

    # --- form <-> value --------------------------------------------------------------------------

    def form(self) -> WavecalForm:
        """Return what is filled in."""
        return WavecalForm(
            lasers=self.table.rows(),
            out=self.out.text(),
            dt_us=self.dt_us.value(),
            max_rate_cps=self.max_rate_cps.value(),
            bin_deg=self.bin_deg.value(),
            min_photons=self.min_photons.value(),
            line_models=_ticked(self.line_models),
            curve_models=_ticked(self.curve_models),
            prior=self.prior.isChecked(),
            frequencies=self.frequencies.text(),
            overwrite=self.overwrite.isChecked(),
            pages=self.pages.isChecked(),
        )

    def set_form(self, form: WavecalForm) -> None:
        """Fill everything in."""
        self.table.set_rows(form.lasers)
        self.out.set_text(form.out)
        for box, value in (
            (self.dt_us, form.dt_us),
            (self.max_rate_cps, form.max_rate_cps),
            (self.bin_deg, form.bin_deg),
            (self.min_photons, form.min_photons),
        ):
            box.setValue(value)
        for boxes, names in (
            (self.line_models, form.line_models),
            (self.curve_models, form.curve_models),
        ):
            for name, box in boxes.items():
                box.setChecked(name in names)
        self.prior.setChecked(form.prior)
        self.frequencies.set_text(form.frequencies)
        self.overwrite.setChecked(form.overwrite)
        self.pages.setChecked(form.pages)
        self.filesAdded.emit(tuple(Path(row.path) for row in form.lasers))

    # --- answers ---------------------------------------------------------------------------------

    def show_files(self, files: tuple[LaserFile, ...]) -> None:
        """Add files that were looked at."""
        self.table.add_files(files)
        good = [one for one in files if not one.problem]
        if good and self.out.text() in ("", self._proposed_out):
            first = min(good, key=lambda one: one.start_unix)
            self._proposed_out = str(first.path.parent / f"wavecal_{first.start_unix}.h5")
            self.out.set_text(self._proposed_out)

    @Slot(object)
    def show_check(self, check: WavecalCheck) -> None:
        """Enable the button, or say why not."""
        if check.form != self.form():
            return  # edited in the meantime: another check is under way
        self.reason.setText(check.problem or check.remark)
        self.start.setEnabled(not check.problem)

    @Slot(str)
    def show_failure(self, message: str) -> None:
        """Show what went wrong with a file of settings, or with the check itself."""
        self.reason.setText(message)

    def show_nearest(self, text: str) -> None:
        """Say which existing solution is the nearest; '' for none."""
        self.nearest.setText(text)
        self.existing.setVisible(bool(text))
        self.nearest.setVisible(bool(text))

    @Slot()
    def _on_edit(self) -> None:
        self.start.setEnabled(False)
        self.reason.setText("Looking…")
        self._settle.start()

    @Slot()
    def _request_check(self) -> None:
        self.checkRequested.emit(self.form())

    # --- buttons ---------------------------------------------------------------------------------

    @Slot()
    def _add_files(self) -> None:
        chosen, _ = QtWidgets.QFileDialog.getOpenFileNames(
            self, "Photon files of lasers", self._folder(), _PHOTON_FILES
        )
        if chosen:
            self.filesAdded.emit(tuple(Path(name) for name in chosen))

    @Slot()
    def _choose_background(self) -> None:
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self, "Photon file with the lasers off", self._folder(), _PHOTON_FILES
        )
        if chosen:
            self.table.set_background(Path(chosen))

    @Slot()
    def _no_background(self) -> None:
        self.table.set_background(None)

    @Slot()
    def _open_settings(self) -> None:
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self, "Open settings", self._folder(), _YAML
        )
        if chosen:
            self.settingsOpened.emit(Path(chosen))

    @Slot()
    def _save_settings(self) -> None:
        chosen, _ = QtWidgets.QFileDialog.getSaveFileName(
            self, "Save settings", str(Path(self._folder()) / "wavecal.yml"), _YAML
        )
        if chosen:
            self.settingsSaved.emit(Path(chosen))

    def _folder(self) -> str:
        rows = self.table.rows()
        return str(Path(rows[0].path).parent) if rows else self._settings.photon_folder

    def dragEnterEvent(self, event: QtGui.QDragEnterEvent | None) -> None:
        """Take photon files."""
        if event is not None and _dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QtGui.QDropEvent | None) -> None:
        """Add the files."""
        if event is not None:
            self.filesAdded.emit(_dropped(event))
            event.acceptProposedAction()

    # --- building --------------------------------------------------------------------------------

    def _build_fields(self) -> None:
        self.table = LaserTable()
        self.table.setMinimumHeight(round(230 * theme.text_scale()))
        self.add = QtWidgets.QPushButton("Add files…", autoDefault=False)
        self.add.setToolTip("Photon files of lasers, several at once; or drop them here")
        self.remove = QtWidgets.QPushButton("Remove", autoDefault=False)
        self.background = QtWidgets.QPushButton("Background…", autoDefault=False)
        self.background.setToolTip(
            "A file with the lasers off, for the selected rows (for all, if none is selected)"
        )
        self.no_background = QtWidgets.QPushButton("No background", autoDefault=False)
        self.dt_us = NumberBox(minimum=0.0, maximum=1e6, decimals=0, suffix=" µs")
        self.dt_us.setToolTip("A photon so soon after the one before of its pixel is left out")
        self.max_rate_cps = NumberBox(minimum=1.0, maximum=1e6, decimals=0, suffix=" counts/s")
        self.max_rate_cps.setToolTip("A pixel with more is hot and is not fitted")
        self.bin_deg = NumberBox(minimum=0.05, maximum=20.0, decimals=2, suffix=" deg")
        self.min_photons = QtWidgets.QSpinBox(minimum=1, maximum=1_000_000)
        self.min_photons.setToolTip("A line with fewer after the cuts is not fitted")
        self.line_models = {key: QtWidgets.QCheckBox(text) for key, text in LINE_CHOICES.items()}
        self.curve_models = {key: QtWidgets.QCheckBox(text) for key, text in CURVE_CHOICES.items()}
        self.prior = QtWidgets.QCheckBox("lean on the feedline if weak")
        self.prior.setToolTip(
            "Pixels with few lines may use what the others of their feedline have in common"
        )
        self.frequencies = PathEdit("open", "Resonance frequencies")
        self.frequencies.line.setPlaceholderText("optional: for the page of R against frequency")
        self.out = PathEdit("save", "Solution file to write", "Solutions (*.h5)")
        self.overwrite = QtWidgets.QCheckBox("Replace the solution if it exists")
        self.pages = QtWidgets.QCheckBox("Write the eight pages (PDF) beside it")
        self.nearest = QtWidgets.QLabel(objectName="caption", wordWrap=True)
        self.existing = QtWidgets.QPushButton("Existing solutions…", autoDefault=False)
        self.reason = QtWidgets.QLabel(objectName="reason", wordWrap=True)
        self.settings_menu = QtWidgets.QPushButton("Settings file", autoDefault=False)
        menu = QtWidgets.QMenu(self.settings_menu)
        menu.addAction("Open…", self._open_settings)
        menu.addAction("Save…", self._save_settings)
        self.settings_menu.setMenu(menu)
        self.start = QtWidgets.QPushButton("Calibrate", default=True)
        self.start.setObjectName("primary")
        self.cancel = QtWidgets.QPushButton("Cancel", autoDefault=False)
        self.show_nearest("")
        usual = WavecalForm()
        self.dt_us.setValue(usual.dt_us)
        self.max_rate_cps.setValue(usual.max_rate_cps)
        self.bin_deg.setValue(usual.bin_deg)
        self.min_photons.setValue(usual.min_photons)
        for box in (*self.line_models.values(), *self.curve_models.values(), self.prior):
            box.setChecked(True)

    def _build_layout(self) -> None:
        buttons = QtWidgets.QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self.add, self.remove, self.background, self.no_background):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.settings_menu)
        cuts = QtWidgets.QGroupBox("Photons")
        form = QtWidgets.QFormLayout(cuts)
        form.addRow("Pile-up within", self.dt_us)
        form.addRow("Hot above", self.max_rate_cps)
        form.addRow("Phase bin", self.bin_deg)
        form.addRow("At least [photons]", self.min_photons)
        lines = _group("Lines may be", self.line_models.values())
        curves = _group("Curves may be", [*self.curve_models.values(), self.prior])
        groups = QtWidgets.QHBoxLayout()
        groups.setSpacing(10)
        for group, stretch in ((cuts, 3), (lines, 3), (curves, 3)):
            groups.addWidget(group, stretch)
        where = QtWidgets.QFormLayout()
        where.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        where.setHorizontalSpacing(16)
        where.addRow("Frequencies", self.frequencies)
        where.addRow("Solution", self.out)
        ticks = QtWidgets.QHBoxLayout()
        ticks.setSpacing(20)
        ticks.addWidget(self.overwrite)
        ticks.addWidget(self.pages)
        ticks.addStretch(1)
        where.addRow("", ticks)
        near = QtWidgets.QHBoxLayout()
        near.addWidget(self.nearest, 1)
        near.addWidget(self.existing)
        bottom = QtWidgets.QHBoxLayout()
        bottom.setSpacing(10)
        bottom.addWidget(self.reason, 1)
        bottom.addWidget(self.cancel)
        bottom.addWidget(self.start)
        column = QtWidgets.QVBoxLayout()
        column.setSpacing(12)
        column.addLayout(near)
        column.addWidget(self.table, 1)
        column.addLayout(buttons)
        column.addLayout(groups)
        column.addLayout(where)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(12)
        layout.addWidget(ScrollingForm(column), 1)
        layout.addLayout(bottom)

    def _connect_fields(self) -> None:
        self.table.changed.connect(self._on_edit)
        for path in (self.out, self.frequencies):
            path.changed.connect(self._on_edit)
        for number in (self.dt_us, self.max_rate_cps, self.bin_deg, self.min_photons):
            number.valueChanged.connect(self._on_edit)
        for box in (
            *self.line_models.values(),
            *self.curve_models.values(),
            self.prior,
            self.overwrite,
            self.pages,
        ):
            box.toggled.connect(self._on_edit)
        self.add.clicked.connect(self._add_files)
        self.remove.clicked.connect(self.table.remove_selected)
        self.background.clicked.connect(self._choose_background)
        self.no_background.clicked.connect(self._no_background)
        self.existing.clicked.connect(self.solutionsRequested)
        self.start.clicked.connect(self.accept)
        self.cancel.clicked.connect(self.reject)


def _group(title: str, boxes: object) -> QtWidgets.QGroupBox:
    group = QtWidgets.QGroupBox(title)
    column = QtWidgets.QVBoxLayout(group)
    column.setSpacing(2)
    for box in boxes:  # type: ignore[attr-defined]
        column.addWidget(box)
    column.addStretch(1)
    return group


def _ticked(boxes: dict[str, QtWidgets.QCheckBox]) -> tuple[str, ...]:
    return tuple(name for name, box in boxes.items() if box.isChecked())


def _dropped(event: QtGui.QDropEvent) -> tuple[Path, ...]:
    data = event.mimeData()
    urls = [] if data is None else data.urls()
    return tuple(Path(url.toLocalFile()) for url in urls if url.toLocalFile().endswith(".h5"))
