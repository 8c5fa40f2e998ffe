"""Form for a stack: positions, how they are registered and combined, where it goes. It only fills a `StackForm`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.stacking.offsets import Offsets, scale_of_text
from pipeline_core.stacking.settings import StackSettings
from quicklook import theme
from quicklook.file_facts import FileFacts
from quicklook.product_tasks import OffsetsAnswer, OffsetsQuestion, StackForm
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Band
from quicklook.widgets.band_boxes import BandBoxes
from quicklook.widgets.folding import Folding
from quicklook.widgets.go_buttons import go_buttons
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.path_edit import PathEdit
from quicklook.widgets.position_table import PositionTable
from quicklook.widgets.side_by_side import side_by_side
from quicklook.widgets.sky_boxes import SkyBoxes

__all__ = ["StackDialog"]

_LOG = "log"
_REGISTER = (
    ("by the brightest star", "centroid"),
    ("by their likeness to the first", "correlate"),
    ("by the dither log", _LOG),
    ("as typed in the table", "dither"),
    ("not at all", "none"),
)
_METHODS = (("mean", "mean"), ("median", "median"), ("drizzle", "drizzle"))
_WEIGHTS = (
    ("by the time alive", "exposure"),
    ("by the expected variance", "variance"),
    ("alike", "equal"),
)
_WHOLE, _PADDED = "whole", "padded"
_EXTENT = (("all frames whole", _WHOLE), ("the first frame, and around it", _PADDED))
_MEASURED = ("centroid", "correlate")
_FILES = "FITS (*.fits);;NumPy (*.npz)"
_INPUTS = "Photon files, images, cubes (*.h5 *.fits *.npz);;All files (*)"
_YAML = "Offsets (*.yml *.yaml);;All files (*)"
_SCALE = "How many pixels the sky moves for 1 in the table: one number, one each for x and y, or xx xy yx yy"
_LOGS = "Dither logs (*.log *.txt *.cfg);;All files (*)"
_FROM_LOG = "From the dither log: choose 'as typed' to change it"
_SETTLE_MS = 250
_LOOKING = "Looking into {}…"


class StackDialog(QtWidgets.QDialog):
    """Which positions are stacked and how; `form` says it once the dialog is accepted.

    Signals
    -------
    offsetsWanted
        An `OffsetsQuestion`; answered by `show_offsets`.
    """

    offsetsWanted = Signal(object)  # noqa: N815

    def __init__(
        self,
        facts: FileFacts,
        band: Band,
        folder: Path,
        *,
        weighted: bool,
        parent: QtWidgets.QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Stack images")
        self.setMinimumWidth(round(620 * theme.text_scale()))
        self._facts = facts
        self._folder = folder
        self._asked: OffsetsQuestion | None = None
        self._answer: OffsetsAnswer | None = None
        self._unread = ""
        self.table = PositionTable()
        self.table.setMinimumHeight(round(130 * theme.text_scale()))
        self.add = QtWidgets.QPushButton("Add files…")
        self.remove = QtWidgets.QPushButton("Remove")
        self.read = QtWidgets.QPushButton("Read offsets…")
        self.register = _choices(_REGISTER)
        self.register.setSizeAdjustPolicy(self.register.SizeAdjustPolicy.AdjustToContents)
        self.scale = QtWidgets.QLineEdit("1")
        self.log = PathEdit("open", "Dither log", _LOGS)
        self.log_scale = QtWidgets.QLineEdit(placeholderText="it is in pixels")
        self.log_scale.setAccessibleName("Pixels for 1 in the dither log")
        self.near_log = QtWidgets.QCheckBox("searched near the positions of the dither log")
        self.band = BandBoxes(
            band if facts.wavelength_calibrated else (None, None),
            calibrated=facts.wavelength_calibrated,
        )
        self.more = Folding("More: times, weights, drops, size, coordinates on the sky")
        self.limited = QtWidgets.QCheckBox("only")
        self.start = NumberBox(minimum=0, maximum=1e5, decimals=3, suffix=" s")
        self.stop = NumberBox(minimum=0, maximum=1e5, decimals=3, suffix=" s")
        self.stop.setValue(facts.exposure_s)
        self.extent = _choices(_EXTENT)
        self.padding = NumberBox(minimum=0, maximum=10, decimals=2, value=0.5, suffix=" × its size")
        self.fewest = NumberBox(minimum=1, maximum=10_000, decimals=0, value=1)
        self.sky = SkyBoxes(facts.camera, facts.shape)
        self.method = _choices(_METHODS)
        self.weights = _choices(_WEIGHTS)
        self.upsample = NumberBox(minimum=1, maximum=20, decimals=0, value=1, suffix=" ×")
        self.pixfrac = NumberBox(minimum=0.05, maximum=1.0, decimals=2, value=1.0)
        self.exclude = QtWidgets.QCheckBox("without bad pixels", checked=True)
        self.weighted = QtWidgets.QCheckBox("weighted by the flat field", checked=weighted)
        self.out = PathEdit("save", "Write the stack to", _FILES)
        self.out.set_text(str(folder / "stack.fits"))
        self.overwrite = QtWidgets.QCheckBox("Replace an existing file")
        self.reason = QtWidgets.QLabel(objectName="hint", wordWrap=True)
        self.reason.setMinimumHeight(2 * self.reason.fontMetrics().lineSpacing())
        self.contents = QtWidgets.QLabel(objectName="paneDetail")
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._ask_for_the_log)
        self._explain()
        self._build()
        self._connect()
        if facts.kind in ("photons", "older"):
            self.table.add_files([facts.path])
        self._check()

    def _explain(self) -> None:
        """Say what is not in a name, and switch off what the open file cannot give."""
        self.read.setToolTip("From a YAML file: positions: [[x, y], …], pixels_per_unit")
        self.method.setToolTip(
            "A median of few counts is too low; drizzle shares light out by area, the others by whole pixels"
        )
        self.log_scale.setToolTip(_SCALE.replace("the table", "the log"))
        self.near_log.setToolTip("The offsets are measured, beginning with those of the log")
        self.limited.setToolTip("Of each file, from its beginning")
        self.start.setAccessibleName("From")
        self.stop.setAccessibleName("To")
        self.padding.setAccessibleName("Padding")
        self.padding.setToolTip("On each side of the first frame: 0 for that frame alone")
        self.fewest.setToolTip("Pixels of the stack that fewer frames have seen have no value")
        self.remove.setToolTip("Take the selected rows out")
        if not self._facts.flat_calibrated:
            self.weighted.setChecked(False)
            self.weighted.setEnabled(False)
            self.weighted.setToolTip("No flat field is attached")

    def _build(self) -> None:
        form = QtWidgets.QFormLayout()
        form.setVerticalSpacing(8)
        files = QtWidgets.QVBoxLayout()
        files.setSpacing(8)
        files.addWidget(self.table)
        files.addWidget(side_by_side(self.add, self.remove, self.read))
        form.addRow("Positions", files)
        self._unit = QtWidgets.QLabel("pixels for 1 in the table:")
        form.addRow("Registered", side_by_side(self.register, self._unit, self.scale))
        form.addRow("", self.near_log)
        self._log_row = QtWidgets.QWidget()
        log = QtWidgets.QHBoxLayout(self._log_row)
        log.setContentsMargins(0, 0, 0, 0)
        log.setSpacing(8)
        log.addWidget(self.log, 2)
        log.addWidget(QtWidgets.QLabel("pixels for 1 in it:"))
        log.addWidget(self.log_scale, 1)
        form.addRow("Dither log", self._log_row)
        self._log_label = form.labelForField(self._log_row)
        finer = QtWidgets.QLabel("finer pixels")
        form.addRow("Combined by", side_by_side(self.method, self.upsample, finer))
        form.addRow("Wavelengths", self.band)
        form.addRow("Counts", side_by_side(self.exclude, self.weighted))
        more = self.more.form
        until = QtWidgets.QLabel("to")
        more.addRow("Times", side_by_side(self.limited, self.start, until, self.stop))
        drop = QtWidgets.QLabel("drop (pixfrac)")
        more.addRow("Weights", side_by_side(self.weights, drop, self.pixfrac))
        more.addRow("Fewest frames", side_by_side(self.fewest))
        more.addRow("The stack holds", side_by_side(self.extent, self.padding))
        more.addRow("On the sky", self.sky)
        form.addRow(self.more)
        form.addRow("", self.contents)
        form.addRow("File", self.out)
        form.addRow("", self.overwrite)
        buttons, self.write = go_buttons(self, "Write")
        layout = QtWidgets.QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.reason)
        layout.addWidget(buttons)

    def _connect(self) -> None:
        self.add.clicked.connect(self._choose_files)
        self.remove.clicked.connect(self.table.remove_selected)
        self.read.clicked.connect(self._choose_offsets)
        self.table.changed.connect(self._check)
        for combo in (self.register, self.method, self.weights, self.extent):
            combo.currentIndexChanged.connect(self._check)
        for part in (self.band, self.sky):
            part.changed.connect(self._check)
        self.log.changed.connect(self._check)
        self.log_scale.textChanged.connect(self._check)
        for box in (self.upsample, self.pixfrac, self.fewest, self.padding, self.start, self.stop):
            box.valueChanged.connect(self._check)
        for button in (
            *(self.exclude, self.weighted, self.overwrite),
            *(self.limited, self.near_log),
        ):
            button.toggled.connect(self._check)
        self.scale.textChanged.connect(self._check)
        self.out.changed.connect(self._check)

    @Slot()
    def _choose_files(self) -> None:
        paths, _ = QtWidgets.QFileDialog.getOpenFileNames(
            self, "Add positions", str(self._folder), _INPUTS
        )
        self.table.add_files(Path(path) for path in paths)

    @Slot()
    def _choose_offsets(self) -> None:
        path, _ = QtWidgets.QFileDialog.getOpenFileName(
            self, "Read offsets", str(self._folder), _YAML
        )
        if path:
            self.read_offsets(Path(path))

    # --- offsets from files ----------------------------------------------------------------------

    def search(self) -> None:
        """Ask for the dither log that lies beside the first file."""
        if self.table.rowCount():
            self.offsetsWanted.emit(OffsetsQuestion("search", self.table.paths()[0]))

    def read_offsets(self, path: Path) -> None:
        """Ask for the offsets of a file, which are then typed into the table."""
        self._asked = OffsetsQuestion("offsets", path, frames=self.table.paths())
        self.offsetsWanted.emit(self._asked)
        self._check()

    def _uses_log(self) -> bool:
        """Whether the dither log tells the offsets, or where the search for them begins."""
        register = self.register.currentData()
        return register == _LOG or (register in _MEASURED and self.near_log.isChecked())

    def _question(self) -> OffsetsQuestion | None:
        """Return what is to be known of the dither log; None if none is used."""
        if not self._uses_log() or not self.table.rowCount() or not self.log.text():
            return None
        path = Path(self.log.text()).expanduser()
        return OffsetsQuestion(_LOG, path, self.log_scale.text().strip(), self.table.paths())

    @Slot()
    def _ask_for_the_log(self) -> None:
        question = self._question()
        if question is not None and question != self._asked:
            self._asked = question
            self.offsetsWanted.emit(question)

    @Slot(object)
    def show_offsets(self, answer: OffsetsAnswer) -> None:
        """Type offsets of a file into the table; what is wrong with it is said where it counts."""
        question = answer.question
        if question.kind == "search":
            if answer.found is not None and not self.log.text():
                self.log.set_text(str(answer.found))
                index = self.register.findData(_LOG)
                self.register.setItemText(index, "by the dither log (beside the data)")
            return
        if question != self._asked:
            return  # something else has been asked for in the meantime
        if question.kind == _LOG:
            self._answer = answer
            self.table.set_offsets(answer.pixels)
            self.scale.setText("1")  # so that the table means the same as typed
            self._check()
            return
        self._asked = None
        self._unread = answer.problem
        if answer.offsets is not None:
            self._type(answer.offsets, answer.pixels)
        self._check()
        self._unread = ""

    def _type(self, offsets: Offsets, pixels: tuple[tuple[float, float], ...]) -> None:
        """Fill the table with positions in their order, or with those that frames were recognised to have."""
        numbers = [value for row in offsets.pixels_per_unit for value in row]
        self.scale.setText("1" if pixels else " ".join(f"{value:g}" for value in numbers))
        self.register.setCurrentIndex(self.register.findData("dither"))
        self.table.set_offsets(pixels or offsets.positions)

    # --- what is filled in -----------------------------------------------------------------------

    def settings(self) -> StackSettings:
        """Return what is filled in.

        Raises
        ------
        ConfigError
            If it is impossible.
        """
        register = self.register.currentData()
        drizzled = self.method.currentData() == "drizzle"
        if self.limited.isChecked() and self.start.value() >= self.stop.value():
            raise ConfigError("The range of time ends before it begins.")
        return StackSettings(
            method=self.method.currentData(),
            register="dither" if register == _LOG else register,
            offsets=self._offsets(register),
            upsample=round(self.upsample.value()),
            pixfrac=self.pixfrac.value() if drizzled else 1.0,
            weights=self.weights.currentData(),
            padding=self.padding.value() if self.extent.currentData() == _PADDED else None,
            fewest=round(self.fewest.value()),
            photons=CubeSettings(
                **self.band.settings(),
                start=self.start.value() if self.limited.isChecked() else None,
                stop=self.stop.value() if self.limited.isChecked() else None,
                weighted=self.weighted.isChecked(),
                exclude=PROBLEM_FLAGS if self.exclude.isChecked() else 0,
                pointing=self.sky.pointing(),
            ),
        )

    def _offsets(self, register: str) -> Offsets | None:
        if self._uses_log():
            return self._offsets_of_the_log()
        if register != "dither":
            return None
        found = self.table.offsets()
        if found is None:
            raise ConfigError("Type x and y of every position, or choose another registration.")
        return Offsets(found, scale_of_text(self.scale.text()))

    def _offsets_of_the_log(self) -> Offsets:
        question = self._question()
        if question is None:
            raise ConfigError("Choose the dither log, or another registration.")
        if self._answer is None or self._answer.question != question:
            raise ConfigError(_LOOKING.format(question.path.name))
        if self._answer.offsets is None:
            raise ConfigError(self._answer.problem)
        return self._answer.offsets

    @Slot()
    def _check(self) -> None:
        """Say what the stack will be, or why it cannot be written."""
        register = self.register.currentData()
        typed, logged = register == "dither", self._uses_log()
        self.table.set_editable(typed, _FROM_LOG if logged else "")
        self.table.show_unit("pixels" if logged else "")
        for widget in (self._unit, self.scale):
            widget.setVisible(typed)
        for widget in (self._log_row, self._log_label):
            widget.setVisible(logged)
        self.near_log.setVisible(register in _MEASURED)
        for box in (self.start, self.stop):
            box.setEnabled(self.limited.isChecked())
        self.padding.setVisible(self.extent.currentData() == _PADDED)
        drizzled = self.method.currentData() == "drizzle"
        self.pixfrac.setEnabled(drizzled)
        self.pixfrac.setToolTip(
            "Side of the drop over that of the pixel" if drizzled else "Only drizzle has drops"
        )
        weighs = self.method.currentData() != "median"
        self.weights.setEnabled(weighs)
        self.weights.setToolTip("Of the frames" if weighs else "A median has no weights")
        self.scale.setToolTip(_SCALE)
        self.upsample.setToolTip("Pixels of the stack in a row of a pixel of the detector")
        reading = self._asked is not None and self._asked.kind == "offsets"
        problem, text = self._unread, ""
        if reading and self._asked is not None:
            problem = _LOOKING.format(self._asked.path.name)
        if not problem and not self.table.rowCount():
            problem = "Add a file for each position."
        out = Path(self.out.text()).expanduser()
        try:
            if not problem:
                text = self._about(self.settings())
        except ConfigError as error:
            problem = str(error)
        if not problem and out.suffix.lower() not in (".fits", ".npz"):
            problem = "The name ends in .fits or .npz."
        if not problem and out.exists() and not self.overwrite.isChecked():
            problem = f"{out.name} exists already: choose another name or tick 'Replace'."
        self.contents.setText(text)
        self.reason.setText(problem)
        self.write.setEnabled(not problem)
        if logged and self._question() != self._asked:
            self._settle.start()

    def _about(self, settings: StackSettings) -> str:
        """Return how many frames there are, and how large the result will be."""
        if settings.offsets is not None and settings.offsets.times and self._answer is not None:
            # a log may have more positions than there are files
            settings = replace(settings, offsets=Offsets(self._answer.pixels))
        columns, rows, n_bytes = settings.size(self._facts.shape)
        fixed = settings.register in ("dither", "none") or settings.padding is not None
        least = "" if fixed else "at least "
        return f"frames: {self.table.rowCount()}; {least}{columns} × {rows} pixels, {n_bytes / 1e6:,.1f} MB"

    def form(self) -> StackForm:
        """Return what is to be done."""
        return StackForm(
            inputs=self.table.paths(),
            settings=self.settings(),
            out=Path(self.out.text()).expanduser(),
            overwrite=self.overwrite.isChecked(),
        )


def _choices(rows: tuple[tuple[str, str], ...]) -> QtWidgets.QComboBox:
    combo = QtWidgets.QComboBox()
    for text, value in rows:
        combo.addItem(text, value)
    return combo
