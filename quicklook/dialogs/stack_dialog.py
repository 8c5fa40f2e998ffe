"""Form for a stack: positions, how they are registered and combined, where it goes. It only fills a `StackForm`."""

from __future__ import annotations

from pathlib import Path

from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError, PipelineError
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.stacking.offsets import Offsets, load_offsets, scale_matrix
from pipeline_core.stacking.settings import StackSettings
from quicklook import theme
from quicklook.product_tasks import StackForm
from quicklook.qt import QtWidgets, Slot
from quicklook.session import Band
from quicklook.tasks import FileFacts
from quicklook.widgets.go_buttons import go_buttons
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.path_edit import PathEdit
from quicklook.widgets.position_table import PositionTable
from quicklook.widgets.side_by_side import side_by_side

__all__ = ["StackDialog"]

_REGISTER = (
    ("by the brightest star", "centroid"),
    ("by their likeness to the first", "correlate"),
    ("as typed in the table", "dither"),
    ("not at all", "none"),
)
_METHODS = (("mean", "mean"), ("median", "median"), ("drizzle", "drizzle"))
_WEIGHTS = (
    ("by the time alive", "exposure"),
    ("by the expected variance", "variance"),
    ("alike", "equal"),
)
_FILES = "FITS (*.fits);;NumPy (*.npz)"
_INPUTS = "Photon files, images, cubes (*.h5 *.fits *.npz);;All files (*)"
_YAML = "Offsets (*.yml *.yaml);;All files (*)"
_SCALE = "How many pixels the sky moves for 1 in the table: one number, one each for x and y, or xx xy yx yy"
_USUAL_NM = (700.0, 1500.0)


class StackDialog(QtWidgets.QDialog):
    """Which positions are stacked and how; `form` says it once the dialog is accepted."""

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
        self._band: Band = band if facts.wavelength_calibrated else (None, None)
        self._unread = ""
        self.table = PositionTable()
        self.table.setMinimumHeight(round(190 * theme.text_scale()))
        self.add = QtWidgets.QPushButton("Add files…")
        self.remove = QtWidgets.QPushButton("Remove")
        self.read = QtWidgets.QPushButton("Read offsets…")
        self.register = _choices(_REGISTER)
        self.scale = QtWidgets.QLineEdit("1")
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
        self._explain()
        self._build()
        if facts.kind in ("photons", "older"):
            self.table.add_files([facts.path])
        self._check()

    def _explain(self) -> None:
        """Say what is not in a name, and switch off what the open file cannot give."""
        self.read.setToolTip("From a YAML file: positions: [[x, y], …], pixels_per_unit")
        self.method.setToolTip(
            "A median of few counts is too low; drizzle shares light out by area, the others by whole pixels"
        )
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
        unit = QtWidgets.QLabel("pixels for 1 in the table:")
        form.addRow("Registered", side_by_side(self.register, unit, self.scale))
        finer = QtWidgets.QLabel("finer pixels")
        form.addRow("Combined by", side_by_side(self.method, self.upsample, finer))
        form.addRow("Drop (pixfrac)", side_by_side(self.pixfrac))
        form.addRow("Weights", side_by_side(self.weights))
        form.addRow("Counts", side_by_side(self.exclude, self.weighted))
        form.addRow("", self.contents)
        form.addRow("File", self.out)
        form.addRow("", self.overwrite)
        buttons, self.write = go_buttons(self, "Write")
        layout = QtWidgets.QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.reason)
        layout.addWidget(buttons)
        self.add.clicked.connect(self._choose_files)
        self.remove.clicked.connect(self.table.remove_selected)
        self.read.clicked.connect(self._choose_offsets)
        self.table.changed.connect(self._check)
        for combo in (self.register, self.method, self.weights):
            combo.currentIndexChanged.connect(self._check)
        for box in (self.upsample, self.pixfrac):
            box.valueChanged.connect(self._check)
        for button in (self.exclude, self.weighted, self.overwrite):
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

    def read_offsets(self, path: Path) -> None:
        """Type the offsets of a file into the table; what is wrong with it is said where it counts."""
        try:
            found = load_offsets(path)
        except PipelineError as error:
            self._unread = str(error)
            self._check()
            return
        self._unread = ""
        numbers = [value for row in found.pixels_per_unit for value in row]
        self.scale.setText(" ".join(f"{value:g}" for value in numbers))
        self.register.setCurrentIndex(self.register.findData("dither"))
        self.table.set_offsets(found.positions)

    def settings(self) -> StackSettings:
        """Return what is filled in.

        Raises
        ------
        ConfigError
            If it is impossible.
        """
        low, high = self._band
        edges: tuple[float, ...] = ()
        if low is not None or high is not None:
            edges = (low or _USUAL_NM[0], high or _USUAL_NM[1])
        register = self.register.currentData()
        return StackSettings(
            method=self.method.currentData(),
            register=register,
            offsets=self._offsets() if register == "dither" else None,
            upsample=round(self.upsample.value()),
            pixfrac=self.pixfrac.value() if self.method.currentData() == "drizzle" else 1.0,
            weights=self.weights.currentData(),
            photons=CubeSettings(
                edges_nm=edges,
                weighted=self.weighted.isChecked(),
                exclude=PROBLEM_FLAGS if self.exclude.isChecked() else 0,
            ),
        )

    def _offsets(self) -> Offsets:
        found = self.table.offsets()
        if found is None:
            raise ConfigError("Type x and y of every position, or choose another registration.")
        try:
            numbers = [float(word) for word in self.scale.text().replace(",", " ").split()]
        except ValueError:
            numbers = []
        return Offsets(found, scale_matrix(numbers))

    @Slot()
    def _check(self) -> None:
        """Say what the stack will be, or why it cannot be written."""
        typed = self.register.currentData() == "dither"
        self.table.set_editable(typed)
        self.scale.setEnabled(typed)
        drizzled = self.method.currentData() == "drizzle"
        self.pixfrac.setEnabled(drizzled)
        self.pixfrac.setToolTip(
            "Side of the drop over that of the pixel" if drizzled else "Only drizzle has drops"
        )
        weighs = self.method.currentData() != "median"
        self.weights.setEnabled(weighs)
        self.weights.setToolTip("Of the frames" if weighs else "A median has no weights")
        self.scale.setToolTip(
            _SCALE if typed else "Offsets are measured: only typed ones have a unit"
        )
        self.upsample.setToolTip("Pixels of the stack in a row of a pixel of the detector")
        problem, text = self._unread, ""
        out = Path(self.out.text()).expanduser()
        try:
            if not problem:
                text = self._about(self.settings())
        except ConfigError as error:
            problem = str(error)
        if not problem and not self.table.rowCount():
            problem = "Add a file for each position."
        if not problem and out.suffix.lower() not in (".fits", ".npz"):
            problem = "The name ends in .fits or .npz."
        if not problem and out.exists() and not self.overwrite.isChecked():
            problem = f"{out.name} exists already: choose another name or tick 'Replace'."
        self.contents.setText(text)
        self.reason.setText(problem)
        self.write.setEnabled(not problem)
        self._unread = ""

    def _about(self, settings: StackSettings) -> str:
        """Return how many frames there are, and how large the result will be."""
        columns, rows, n_bytes = settings.size(self._facts.shape)
        least = "" if settings.register in ("dither", "none") else "at least "
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
