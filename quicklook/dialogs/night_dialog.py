"""Form for the file of a night. It only fills a `NightForm`; a worker checks it, and writes it."""

from __future__ import annotations

from pathlib import Path

from quicklook import theme
from quicklook.night_form import (
    METHOD_CHOICES,
    PAGE_CHOICES,
    REGISTER_CHOICES,
    NightCheck,
    NightForm,
)
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.widgets.on_screen import ScrollingForm, resize_on_screen
from quicklook.widgets.path_edit import PathEdit
from quicklook.widgets.rows_table import RowsTable
from quicklook.widgets.side_by_side import side_by_side

__all__ = ["NightDialog"]

_SIZE = (1040, 820)
_SETTLE_MS = 250
_REASON_LINES = 4
_BINS = (
    ("none: all photons", ""),
    ("equal energy [eV]", "energy_bin_ev"),
    ("equal wavelength [nm]", "wavelength_bin_nm"),
)
_USUAL_WIDTHS = {"energy_bin_ev": "0.1", "wavelength_bin_nm": "50"}
_TICKS = ("dithered", "badpixels", "cosmics", "image", "cube", "speckle")
_TIMES = ("Start [unix s]", "Stop [unix s]")
_PLACES = (
    ("data", "Raw files", "folder", "Folder below which the .bin files are"),
    ("database", "Database", "folder", "Folder for what is kept: photon files, calibrations"),
    ("out", "Products", "folder", "Folder for images, cubes and the report"),
    ("work", "Photon files", "folder", "Folder for photon files, if not in the database"),
    ("beammap", "Beam map", "open", "Beam map; empty: the one beside the raw files"),
)


class NightDialog(QtWidgets.QDialog):
    """What is to be made of a night, and in which file that is written.

    Signals
    -------
    checkRequested
        (`NightForm`, path as text); answered by `show_check`.
    accepted
        The form is complete: `form` and `path` say it.
    """

    checkRequested = Signal(object, str)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Night")
        self._more: tuple[tuple[str, str, object], ...] = ()
        self._make_fields()
        self._build()
        resize_on_screen(self, *(round(side * theme.text_scale()) for side in _SIZE))
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._request_check)
        self._connect()
        self._on_edit()

    # --- form <-> value --------------------------------------------------------------------------

    def form(self) -> NightForm:
        """Return what is filled in."""
        places = {name: field.text() for name, field in self.places.items()}
        return NightForm(
            inputs=self.inputs.rows(),
            dithered=self.dithered.isChecked(),
            lasers=self.lasers.rows(),
            dark=self.dark.rows(),
            flats=self.flats.rows(),
            badpixels=self.badpixels.isChecked(),
            cosmics=self.cosmics.isChecked(),
            image=self.image.isChecked(),
            cube=self.cube.isChecked(),
            cube_bins=str(self.bins.currentData()),
            cube_bin=self.bin_width.text().strip() if self.bins.currentData() else "",
            cube_step=self.step.text().strip(),
            weighted=self.weighted.isChecked(),
            rates=self.rates.isChecked(),
            register=str(self.register.currentData()),
            dither_log=self.dither_log.text(),
            pixels_per_unit=self.pixels_per_unit.text().strip(),
            method=str(self.method.currentData()),
            upsample=self.upsample.text().strip(),
            speckle=self.speckle.isChecked(),
            speckle_bin=self.speckle_bin.text().strip(),
            with_ip=self.with_ip.isChecked(),
            pages=tuple(name for name, box in self.pages.items() if box.isChecked()),
            ncpu=self.ncpu.text().strip(),
            more=self._more,
            **places,
        )

    def set_form(self, form: NightForm) -> None:
        """Fill everything in."""
        for name, field in self.places.items():
            field.set_text(getattr(form, name))
        for name in ("inputs", "lasers", "dark", "flats"):
            getattr(self, name).set_rows(getattr(form, name))
        for name in (*_TICKS, "weighted", "rates", "with_ip"):
            getattr(self, name).setChecked(getattr(form, name))
        self.bins.setCurrentIndex(max(self.bins.findData(form.cube_bins), 0))
        for name in ("register", "method"):
            box, value = getattr(self, name), getattr(form, name)
            if box.findData(value) < 0:
                box.addItem(value, value)
            box.setCurrentIndex(box.findData(value))
        self.dither_log.set_text(form.dither_log)
        for name in ("pixels_per_unit", "upsample", "speckle_bin"):
            getattr(self, name).setText(getattr(form, name))
        self.bin_width.setText(form.cube_bin)
        self.step.setText(form.cube_step)
        for name, box in self.pages.items():
            box.setChecked(name in form.pages)
        self.ncpu.setText(form.ncpu)
        self._more = form.more
        kept = ", ".join(f"{product} {name}" for product, name, _ in form.more)
        self.kept.setText(f"Kept as the file says: {kept}" if kept else "")
        self.kept.setVisible(bool(kept))
        self._on_edit()

    def path(self) -> Path:
        """Return where the file of the night is to be written."""
        return Path(self.target.text()).expanduser()

    # --- checks ----------------------------------------------------------------------------------

    @Slot()
    def _on_edit(self) -> None:
        self.save.setEnabled(False)
        self.save.setToolTip("Something is missing: see at the left")
        for box, fields in self._parts():
            ticked = box.isChecked()
            for field in fields:
                field.setEnabled(ticked)
                field.setToolTip(
                    self._tips.get(field, "") if ticked else f"Tick '{box.text()}' first"
                )
        self.bin_width.setEnabled(self.bin_width.isEnabled() and bool(self.bins.currentData()))
        self.reason.setText("Looking…")
        self._settle.start()

    def _parts(self) -> tuple[tuple[QtWidgets.QCheckBox, tuple[QtWidgets.QWidget, ...]], ...]:
        """Return what belongs to a tick."""
        stack = (self.register, self.method, self.upsample, self.dither_log, self.pixels_per_unit)
        return (
            (self.cube, (self.bins, self.bin_width, self.step, self.weighted, self.rates)),
            (self.dithered, stack),
            (self.speckle, (self.speckle_bin, self.with_ip)),
        )

    @Slot()
    def _on_bins(self) -> None:
        self.bin_width.setText(_USUAL_WIDTHS.get(str(self.bins.currentData()), ""))
        self._on_edit()

    @Slot()
    def _request_check(self) -> None:
        self.checkRequested.emit(self.form(), self.target.text())

    @Slot(object)
    def show_check(self, check: NightCheck) -> None:
        """Enable the button, or say everything that is missing."""
        if (check.form, check.path) != (self.form(), self.target.text()):
            return  # edited in the meantime: another check is under way
        shown = check.problems[:_REASON_LINES]
        more = len(check.problems) - len(shown)
        if more:
            shown = (*shown[:-1], f"{shown[-1]} (and {more} more)")
        self.reason.setText("\n".join(shown))
        self.reason.setToolTip("\n".join(check.problems))
        self.save.setEnabled(not check.problems)
        if not check.problems:
            self.save.setToolTip("Write the file, and show what the night needs")

    @Slot(str)
    def show_failure(self, text: str) -> None:
        """Show what went wrong."""
        self.reason.setText(text)

    # --- building --------------------------------------------------------------------------------

    def _make_fields(self) -> None:
        self.inputs = RowsTable("Observations of the sky", ("Name", *_TIMES))
        self.dithered = QtWidgets.QCheckBox("These are positions of a dither")
        self.lasers = RowsTable("Exposures of lasers", (*_TIMES, "Wavelength [nm]"), shown=2)
        self.dark = RowsTable("Dark exposure", _TIMES, most=1, shown=2)
        self.flats = RowsTable("White flats", _TIMES, shown=2)
        self.places = {name: PathEdit(mode, tip) for name, _, mode, tip in _PLACES}
        for name, _, _, tip in _PLACES:
            self.places[name].line.setPlaceholderText(tip if name in ("work", "beammap") else "")
            self.places[name].setToolTip(tip)
        self.badpixels = QtWidgets.QCheckBox("Find bad pixels", checked=True)
        self.cosmics = QtWidgets.QCheckBox("Leave cosmic rays out")
        self.image = QtWidgets.QCheckBox("Images", checked=True)
        self.cube = QtWidgets.QCheckBox("Cubes")
        self.bins = _choices("Bins of wavelength", {value: text for text, value in _BINS})
        self.bin_width = _line("Width of a bin of wavelength", 6)
        self.step = _line("Width of a bin of time in seconds", 6)
        self.step.setPlaceholderText("one bin")
        self.weighted = QtWidgets.QCheckBox("weighted by the flat")
        self.rates = QtWidgets.QCheckBox("per second alive")
        self.register = _choices("Registration of the stack", REGISTER_CHOICES)
        self.method = _choices("How the stack is brought together", METHOD_CHOICES)
        self.upsample = _line("Finer pixels of the stack", 4)
        self.upsample.setPlaceholderText("1")
        self.dither_log = PathEdit("open", "Dither log")
        self.dither_log.line.setPlaceholderText("Dither log, if there is one")
        self.pixels_per_unit = _line("Pixels for 1 in the dither log", 6)
        self.pixels_per_unit.setPlaceholderText("1")
        self._tips = {
            self.pixels_per_unit: "How many pixels the sky moves: one number, one each for x and y, or xx xy yx yy",
            self.upsample: "Pixels of the stack in a row of a pixel of the detector",
        }
        self.speckle = QtWidgets.QCheckBox("Speckle maps")
        self.speckle_bin = _line("Width of a bin of time of speckles in seconds", 6)
        self.speckle_bin.setPlaceholderText("0.01")
        self.with_ip = QtWidgets.QCheckBox("with a steady source Ip")
        self.kept = QtWidgets.QLabel(objectName="caption", wordWrap=True, visible=False)
        self.pages = {name: QtWidgets.QCheckBox(text) for name, text in PAGE_CHOICES.items()}
        self.ncpu = _line("Tasks at the same time", 6)
        self.ncpu.setPlaceholderText("all")
        self.target = PathEdit("save", "Save the file of the night", "Nights (*.yml *.yaml)")
        self.reason = QtWidgets.QLabel(objectName="reason", wordWrap=True)
        self.reason.setMinimumHeight(_REASON_LINES * self.fontMetrics().lineSpacing())
        self.cancel = QtWidgets.QPushButton("Cancel", autoDefault=False)
        self.save = QtWidgets.QPushButton("Save and plan", default=True)
        self.save.setObjectName("primary")

    def _build(self) -> None:
        left, right = QtWidgets.QVBoxLayout(), QtWidgets.QVBoxLayout()
        left.addWidget(self._observations(), 4)
        left.addWidget(_group("Lasers: wavelength calibration", self.lasers), 3)
        left.addWidget(_group("Pages of the wavelength calibration", _grid(self.pages)))
        right.addWidget(self._folders())
        dark_and_flats = QtWidgets.QHBoxLayout()
        dark_and_flats.addWidget(_group("Dark: lasers and lamp off", self.dark), 1)
        dark_and_flats.addWidget(_group("White flats", self.flats), 1)
        right.addLayout(dark_and_flats, 1)
        right.addWidget(self._products())
        columns = QtWidgets.QHBoxLayout()
        columns.setSpacing(12)
        columns.addLayout(left, 1)
        columns.addLayout(right, 1)
        file = QtWidgets.QHBoxLayout()
        file.setSpacing(8)
        file.addWidget(QtWidgets.QLabel("File of the night"))
        file.addWidget(self.target, 1)
        file.addWidget(QtWidgets.QLabel("Tasks at once"))
        file.addWidget(self.ncpu)
        bottom = QtWidgets.QHBoxLayout()
        bottom.setSpacing(10)
        bottom.addWidget(self.reason, 1)
        bottom.addWidget(self.cancel)
        bottom.addWidget(self.save)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(12)
        layout.addWidget(ScrollingForm(columns), 1)
        layout.addLayout(file)
        layout.addLayout(bottom)

    def _observations(self) -> QtWidgets.QGroupBox:
        """A stack belongs to the tick that these are positions of a dither."""
        group = _group("Observations of the sky", self.inputs, self.dithered)
        form = QtWidgets.QFormLayout()
        form.setHorizontalSpacing(12)
        how = QtWidgets.QHBoxLayout()
        how.setSpacing(8)
        how.addWidget(self.register, 1)
        how.addWidget(self.method)
        form.addRow("Stacked", how)
        form.addRow("Dither log", self.dither_log)
        pixels, finer = QtWidgets.QLabel("pixels,  stack"), QtWidgets.QLabel("× finer")
        numbers = side_by_side(self.pixels_per_unit, pixels, self.upsample, finer)
        form.addRow("1 in the log is", numbers)
        group.layout().addLayout(form)
        return group

    def _folders(self) -> QtWidgets.QGroupBox:
        group = QtWidgets.QGroupBox("Folders and files")
        form = QtWidgets.QFormLayout(group)
        form.setHorizontalSpacing(12)
        for name, label, _, _ in _PLACES:
            form.addRow(label, self.places[name])
        return group

    def _products(self) -> QtWidgets.QGroupBox:
        group = QtWidgets.QGroupBox("What is made")
        form = QtWidgets.QFormLayout(group)
        form.setHorizontalSpacing(12)
        form.addRow("Masks", side_by_side(self.badpixels, self.cosmics))
        form.addRow("Products", side_by_side(self.image, self.cube, self.speckle))
        form.addRow("Cube: wavelengths", side_by_side(self.bins, self.bin_width))
        form.addRow("Cube: time bin [s]", self.step)
        form.addRow("Cube: counts", side_by_side(self.weighted, self.rates))
        form.addRow("Speckles: bin [s]", side_by_side(self.speckle_bin, self.with_ip))
        form.addRow("", self.kept)
        return group

    def _connect(self) -> None:
        for table in (self.inputs, self.lasers, self.dark, self.flats):
            table.changed.connect(self._on_edit)
        for path in (*self.places.values(), self.dither_log, self.target):
            path.changed.connect(self._on_edit)
        numbers = (self.bin_width, self.step, self.pixels_per_unit, self.upsample)
        for line in (*numbers, self.speckle_bin, self.ncpu):
            line.textChanged.connect(self._on_edit)
        for combo in (self.register, self.method):
            combo.currentIndexChanged.connect(self._on_edit)
        ticks = (self.weighted, self.rates, self.with_ip, *self.pages.values())
        for box in (*(getattr(self, name) for name in _TICKS), *ticks):
            box.toggled.connect(self._on_edit)
        self.bins.activated.connect(self._on_bins)
        self.save.clicked.connect(self.accept)
        self.cancel.clicked.connect(self.reject)


def _choices(name: str, texts: dict[str, str]) -> QtWidgets.QComboBox:
    combo = QtWidgets.QComboBox()
    combo.setAccessibleName(name)
    for value, text in texts.items():
        combo.addItem(text, value)
    return combo


def _line(name: str, letters: int) -> QtWidgets.QLineEdit:
    line = QtWidgets.QLineEdit()
    line.setAccessibleName(name)
    line.setMaximumWidth(round(1.8 * letters * line.fontMetrics().averageCharWidth()) + 30)
    return line


def _group(title: str, *widgets: QtWidgets.QWidget) -> QtWidgets.QGroupBox:
    group = QtWidgets.QGroupBox(title)
    column = QtWidgets.QVBoxLayout(group)
    column.setSpacing(6)
    for widget in widgets:
        column.addWidget(widget)
    return group


def _grid(boxes: dict[str, QtWidgets.QCheckBox]) -> QtWidgets.QWidget:
    page = QtWidgets.QWidget()
    grid = QtWidgets.QGridLayout(page)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setVerticalSpacing(2)
    for k, box in enumerate(boxes.values()):
        grid.addWidget(box, k // 3, k % 3)
    return page
