"""The strip at the top: which file, which camera, when, how long, how many; and the calibrations."""

from __future__ import annotations

from pipeline_core.utc import utc_words
from quicklook.file_facts import FileFacts
from quicklook.qt import Qt, QtWidgets
from quicklook.widgets.calibration_strip import CalibrationStrip
from quicklook.widgets.elided_label import ElidedLabel

__all__ = ["FactsStrip"]

_CAPTIONS = ("File", "Camera", "Start (UTC)", "Exposure", "Photons")
_NARROWEST = {"File": 100, "Camera": 64, "Start (UTC)": 80, "Exposure": 56, "Photons": 56}


class FactsStrip(QtWidgets.QFrame):
    """Captions with values; what has no room is cut, names in the middle, and is whole in its tip."""

    def __init__(self) -> None:
        super().__init__(objectName="card")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(12, 5, 12, 5)
        layout.setSpacing(14)
        self._values: dict[str, QtWidgets.QLabel] = {}
        for caption in _CAPTIONS:
            column = QtWidgets.QVBoxLayout()
            column.setSpacing(0)
            column.addWidget(QtWidgets.QLabel(caption, objectName="caption"))
            value = _value_label(caption)
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
        return self._values[caption].text()

    def show_facts(self, facts: FileFacts | None) -> None:
        """Show the facts of a file, or that there is none."""
        texts = dict.fromkeys(_CAPTIONS, "–")
        tips = dict.fromkeys(_CAPTIONS, "")
        if facts is None:
            texts["File"] = "no file open"
        else:
            texts = {
                "File": _names(facts),
                "Camera": f"{facts.camera} {facts.shape[0]} × {facts.shape[1]}",
                "Start (UTC)": utc_words(facts.start_unix).removesuffix(" UTC")
                if facts.start_unix
                else "unknown",
                "Exposure": _exposure(facts),
                "Photons": _photons(facts),
            }
            tips["File"] = "\n".join(str(path) for path in facts.paths[:12])
            tips["Start (UTC)"] = (
                f"{texts['Start (UTC)']}: unix second {facts.start_unix}"
                if facts.start_unix
                else "The file does not tell"
            )
        self.calibrations.show_states(facts.calibrations if facts else ())
        for caption, label in self._values.items():
            label.setText(texts[caption])
            label.setToolTip(tips[caption] or (texts[caption] if facts else ""))


def _names(facts: FileFacts) -> str:
    if len(facts.paths) > 1:
        return f"{facts.path.name} … {facts.paths[-1].name}"
    return facts.path.name


def _photons(facts: FileFacts) -> str:
    if facts.frames is not None:
        return f"{facts.frames.number:,} frames of counts"
    return f"{facts.n_photons:,}"


def _exposure(facts: FileFacts) -> str:
    text = f"{facts.exposure_s:g} s"
    if facts.open_s is not None and facts.open_s < facts.exposure_s - 1e-6:
        text += f" ({facts.open_s:.1f} s with data)"
    return text


def _value_label(caption: str) -> ElidedLabel:
    """Return a label that shrinks on a small screen; of a name both ends matter."""
    label = ElidedLabel()
    if caption == "File":
        label.elide_mode = Qt.TextElideMode.ElideMiddle
    label.narrowest = _NARROWEST[caption]
    return label
