"""The strip at the top: which file, which camera, when, how long, how many; and the calibrations."""

from __future__ import annotations

from datetime import datetime, timezone

from quicklook.qt import Qt, QtCore, QtGui, QtWidgets
from quicklook.tasks import FileFacts
from quicklook.widgets.calibration_strip import CalibrationStrip

__all__ = ["FactsStrip"]

_CAPTIONS = ("File", "Camera", "Start (UTC)", "Exposure", "Photons")
_SHORTENED = ("File",)


class FactsStrip(QtWidgets.QFrame):
    """Captions with values; long ones are cut in the middle if there is no room."""

    def __init__(self) -> None:
        super().__init__(objectName="card")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(12, 5, 12, 5)
        layout.setSpacing(18)
        self._values: dict[str, QtWidgets.QLabel] = {}
        for caption in _CAPTIONS:
            column = QtWidgets.QVBoxLayout()
            column.setSpacing(0)
            column.addWidget(QtWidgets.QLabel(caption, objectName="caption"))
            value = _ElidedLabel() if caption in _SHORTENED else QtWidgets.QLabel()
            value.setObjectName("value")
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            column.addWidget(value)
            self._values[caption] = value
            layout.addLayout(column, 1 if caption == "File" else 0)
        self.calibrations = CalibrationStrip()
        layout.addWidget(self.calibrations)
        self.show_facts(None)

    def value(self, caption: str) -> str:
        """Return the text that is shown below a caption."""
        label = self._values[caption]
        return label.full_text if isinstance(label, _ElidedLabel) else label.text()

    def show_facts(self, facts: FileFacts | None) -> None:
        """Show the facts of a file, or that there is none."""
        texts = dict.fromkeys(_CAPTIONS, "–")
        tips = dict.fromkeys(_CAPTIONS, "")
        if facts is None:
            texts["File"] = "no file open"
        else:
            start = datetime.fromtimestamp(facts.start_unix, timezone.utc)
            texts = {
                "File": _names(facts),
                "Camera": f"{facts.camera} {facts.shape[0]} × {facts.shape[1]}",
                "Start (UTC)": f"{start:%Y-%m-%d %H:%M:%S}",
                "Exposure": _exposure(facts),
                "Photons": f"{facts.n_photons:,}",
            }
            tips["File"] = "\n".join(str(path) for path in facts.paths[:12])
            tips["Start (UTC)"] = f"unix second {facts.start_unix}"
        self.calibrations.show_states(facts.calibrations if facts else ())
        for caption, label in self._values.items():
            label.setText(texts[caption])
            label.setToolTip(tips[caption])


def _names(facts: FileFacts) -> str:
    if len(facts.paths) > 1:
        return f"{facts.path.name} … {facts.paths[-1].name}"
    return facts.path.name


def _exposure(facts: FileFacts) -> str:
    text = f"{facts.exposure_s:g} s"
    if facts.open_s is not None and facts.open_s < facts.exposure_s - 1e-6:
        text += f" ({facts.open_s:.1f} s with data)"
    return text


class _ElidedLabel(QtWidgets.QLabel):
    """A label that shortens its text in the middle instead of asking for room."""

    def __init__(self) -> None:
        super().__init__()
        self.full_text = ""
        self.setMinimumWidth(110)

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Set the full text; what is seen depends on the width."""
        self.full_text = text or ""
        self.updateGeometry()
        self._fit()

    def sizeHint(self) -> QtCore.QSize:
        """Ask for room for the full text."""
        hint = super().sizeHint()
        hint.setWidth(self.fontMetrics().horizontalAdvance(self.full_text) + 2)
        return hint

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:
        """Cut anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        middle = Qt.TextElideMode.ElideMiddle
        super().setText(self.fontMetrics().elidedText(self.full_text, middle, self.width()))
