"""Form for a flat field: every parameter of the guide's configuration, from the one table that owns them.

It only fills a `FlatForm`; a worker checks it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from pipeline_core.flatcal.parameters import PARAMETERS, Parameter
from quicklook import theme
from quicklook.flatcal_tasks import PLOT_CHOICES, FlatCheck, FlatForm
from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.settings import Settings
from quicklook.widgets.on_screen import ScrollingForm, resize_on_screen
from quicklook.widgets.path_edit import PathEdit

__all__ = ["FlatcalDialog"]

_WIDTH = 860
_SETTLE_MS = 250
_REASON_LINES = 3
"""Room for a reason, so that nothing is squeezed when one comes."""
_CONFIGS = "Configurations (*.cfg *.yml *.yaml);;All files (*)"
_PATHS = {
    "flatPath": ("open", "Photon file of the flat"),
    "calSolnPath": ("save", "Base name of the solutions"),
    "wvlCalFile": ("open", "Wavelength solution"),
    "darkPath": ("open", "Photon file without light"),
    "timeMaskFileName": ("open", "Table of intervals to leave out"),
}
_SCIENCE_DATA = ("run", "date", "flatCalTstamp", "flatObsTstamps", "wvlDate")
_GROUPS = (
    (
        "Files (own directory)",
        ("flatPath", "calSolnPath", "wvlCalFile", "darkPath", "lasers", "timeMaskFileName"),
    ),
    ("Files (ScienceData mode: leave flatPath empty)", _SCIENCE_DATA),
    (
        "Chunks and bins",
        ("intTime", "expTime", "energyBinWidth", "wvlStart", "wvlStop", "deadtime"),
    ),
    (
        "Cuts and fit",
        (
            "countRateCutoff",
            "fractionOfChunksToTrim",
            "countsPerKnot",
            "lineHalfWidth",
            "timeSpacingCut",
        ),
    ),
)
_BY_KEY = {one.key: one for one in PARAMETERS}


class FlatcalDialog(QtWidgets.QDialog):
    """One line a parameter, by the guide's names; each with its explanation as a tip.

    Signals
    -------
    checkRequested
        A `FlatForm`; answered by `show_check`.
    configOpened, configSaved
        Path of a configuration to read, to write.
    accepted
        The form is complete: `form` says what to do.
    """

    checkRequested = Signal(object)  # noqa: N815
    configOpened = Signal(object)  # noqa: N815
    configSaved = Signal(object)  # noqa: N815

    def __init__(self, settings: Settings, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Flat field")
        self._settings = settings
        self._folder = settings.photon_folder
        self._proposed_out = ""
        self.fields: dict[str, QtWidgets.QWidget] = {one.key: _field(one) for one in PARAMETERS}
        self._build()
        resize_on_screen(self, round(_WIDTH * theme.text_scale()), self.sizeHint().height())
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._request_check)
        self._connect()
        self._on_edit()

    # --- form <-> value --------------------------------------------------------------------------

    def form(self) -> FlatForm:
        """Return what is filled in."""
        values = tuple(
            ((one.section, one.key), _value(one, self.text_of(one.key))) for one in PARAMETERS
        )
        return FlatForm(
            values, self._folder, self.overwrite.isChecked(), str(self.plots.currentData())
        )

    def set_form(self, form: FlatForm) -> None:
        """Fill everything in."""
        self._folder = form.folder
        self._proposed_out = ""
        for (_, key), value in form.values:
            self.set_text(key, _text(_BY_KEY[key], value))

    def text_of(self, key: str) -> str:
        """Return what is typed for a parameter."""
        field = self.fields[key]
        line = field.line if isinstance(field, PathEdit) else field
        assert isinstance(line, QtWidgets.QLineEdit)
        return line.text().strip()

    def set_text(self, key: str, text: str) -> None:
        """Type something for a parameter."""
        field = self.fields[key]
        line = field.line if isinstance(field, PathEdit) else field
        assert isinstance(line, QtWidgets.QLineEdit)
        line.setText(text)

    @Slot()
    def _propose_out(self) -> None:
        """Name the solution after the flat, unless another name was typed."""
        flat = self.text_of("flatPath")
        if flat and Path(flat).name and self.text_of("calSolnPath") in ("", self._proposed_out):
            self._proposed_out = str(Path(flat).with_name(f"flat_{Path(flat).stem}.h5"))
            self.set_text("calSolnPath", self._proposed_out)

    # --- checks ----------------------------------------------------------------------------------

    @Slot()
    def _on_edit(self) -> None:
        self.start.setEnabled(False)
        self.reason.setText("Looking…")
        self._settle.start()

    @Slot()
    def _request_check(self) -> None:
        self.checkRequested.emit(self.form())

    @Slot(object)
    def show_check(self, check: FlatCheck) -> None:
        """Enable the button, or say why not."""
        if check.form != self.form():
            return  # edited in the meantime: another check is under way
        self.reason.setText(check.problem or check.remark)
        self.start.setEnabled(not check.problem)

    @Slot(str)
    def show_failure(self, message: str) -> None:
        """Show what went wrong with a configuration, or with the check itself."""
        self.reason.setText(message)

    @Slot()
    def _open_config(self) -> None:
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self, "Open configuration", self._folder, _CONFIGS
        )
        if chosen:
            self.configOpened.emit(Path(chosen))

    @Slot()
    def _save_config(self) -> None:
        proposed = str(Path(self._folder or ".") / "flatcal.cfg")
        chosen, _ = QtWidgets.QFileDialog.getSaveFileName(
            self, "Save configuration", proposed, _CONFIGS
        )
        if chosen:
            self.configSaved.emit(Path(chosen))

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.overwrite = QtWidgets.QCheckBox("Replace solutions of this name")
        self.plots = QtWidgets.QComboBox()
        self.plots.setAccessibleName("Pages")
        for key, text in PLOT_CHOICES.items():
            self.plots.addItem(text, key)
        self.plots.setCurrentIndex(1)
        self.reason = QtWidgets.QLabel(objectName="reason", wordWrap=True)
        self.reason.setMinimumHeight(_REASON_LINES * self.fontMetrics().lineSpacing())
        self.config_menu = QtWidgets.QPushButton("Configuration", autoDefault=False)
        menu = QtWidgets.QMenu(self.config_menu)
        menu.addAction("Open…", self._open_config)
        menu.addAction("Save…", self._save_config)
        self.config_menu.setMenu(menu)
        self.start = QtWidgets.QPushButton("Make flat field", default=True)
        self.start.setObjectName("primary")
        self.cancel = QtWidgets.QPushButton("Cancel", autoDefault=False)
        left, right = QtWidgets.QVBoxLayout(), QtWidgets.QVBoxLayout()
        for k, (title, keys) in enumerate(_GROUPS):
            (left if k in (0, 1) else right).addWidget(self._group(title, keys))
        for column in (left, right):
            column.addStretch(1)
        columns = QtWidgets.QHBoxLayout()
        columns.setSpacing(12)
        columns.addLayout(left, 3)
        columns.addLayout(right, 2)
        options = QtWidgets.QHBoxLayout()
        options.setSpacing(16)
        options.addWidget(self.overwrite)
        options.addWidget(QtWidgets.QLabel("Write", objectName="caption"))
        options.addWidget(self.plots)
        options.addStretch(1)
        options.addWidget(self.config_menu)
        bottom = QtWidgets.QHBoxLayout()
        bottom.setSpacing(10)
        bottom.addWidget(self.reason, 1)
        bottom.addWidget(self.cancel)
        bottom.addWidget(self.start)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(12)
        layout.addWidget(ScrollingForm(columns), 1)
        layout.addLayout(options)
        layout.addLayout(bottom)

    def _group(self, title: str, keys: tuple[str, ...]) -> QtWidgets.QGroupBox:
        group = QtWidgets.QGroupBox(title)
        form = QtWidgets.QFormLayout(group)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setHorizontalSpacing(12)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for key in keys:
            one = _BY_KEY[key]
            label = QtWidgets.QLabel(f"{key} [{one.unit}]" if one.unit else key)
            label.setToolTip(_tip(one))
            form.addRow(label, self.fields[key])
        return group

    def _connect(self) -> None:
        for field in self.fields.values():
            if isinstance(field, PathEdit):
                field.changed.connect(self._on_edit)
            else:
                field.textChanged.connect(self._on_edit)
        flat = self.fields["flatPath"]
        assert isinstance(flat, PathEdit)
        flat.changed.connect(self._propose_out)
        self.overwrite.toggled.connect(self._on_edit)
        self.plots.currentIndexChanged.connect(self._on_edit)
        self.start.clicked.connect(self.accept)
        self.cancel.clicked.connect(self.reject)


def _tip(one: Parameter) -> str:
    return f"[{one.section}] {one.key}, {one.needed}. {one.sentence}"


def _field(one: Parameter) -> QtWidgets.QWidget:
    field: QtWidgets.QWidget
    if one.key in _PATHS:
        field = PathEdit(*_PATHS[one.key])
        field.line.setText(_text(one, one.default))
    else:
        field = QtWidgets.QLineEdit(_text(one, one.default))
        field.setAccessibleName(one.key)
    field.setToolTip(_tip(one))
    return field


def _text(one: Parameter, value: Any) -> str:
    """Return how a value is typed."""
    if one.kind == "texts":
        return ", ".join(value)
    if one.kind == "files":
        return repr(value) if value else ""
    return f"{value:g}" if one.kind in ("number", "whole") else str(value)


def _value(one: Parameter, text: str) -> Any:
    """Return what is meant; a text that is no value of the kind is left to the check, which names it."""
    if one.kind == "texts":
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if one.kind == "text":
        return text
    try:
        if one.kind == "files":
            return ast.literal_eval(text) if text else {}
        number = float(text)
        return int(number) if one.kind == "whole" and number == int(number) else number
    except (ValueError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError):
        return text
