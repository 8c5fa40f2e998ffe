"""The line at the bottom of the window: the active pixel, and the pixel below the mouse."""

from __future__ import annotations

from pipeline_core.beammap import NO_RES_ID
from quicklook.qt import Qt, QtWidgets
from quicklook.tasks import FileFacts

__all__ = ["StatusLine"]


class StatusLine(QtWidgets.QStatusBar):
    """Active Pixel (x, y), value with unit, resID and names of flags; at the right what is hovered."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeGripEnabled(True)
        self._active = QtWidgets.QLabel()
        self._active.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._hovered = QtWidgets.QLabel(objectName="caption")
        self.addWidget(self._active, 1)
        self.addPermanentWidget(self._hovered)
        self.show_active(None, None, ("", ""))

    @property
    def active_text(self) -> str:
        """What is said of the active pixel."""
        return self._active.text()

    @property
    def hovered_text(self) -> str:
        """What is said of the pixel below the mouse."""
        return self._hovered.text()

    def show_active(
        self,
        facts: FileFacts | None,
        pixel: tuple[int, int] | None,
        value: tuple[str, str],
        mean: str = "",
    ) -> None:
        """Describe the active pixel; `value` is (value, unit) or empty texts, `mean` of its photons."""
        if facts is None or pixel is None:
            self._active.setText("Active Pixel: none")
            return
        text = "Active Pixel " + _describe(facts, pixel, value)
        self._active.setText(f"{text}   |   {mean}" if mean else text)

    def show_hovered(
        self, facts: FileFacts | None, pixel: tuple[int, int] | None, value: tuple[str, str]
    ) -> None:
        """Describe the pixel below the mouse."""
        if facts is None or pixel is None:
            self._hovered.setText("")
        else:
            self._hovered.setText("under mouse: " + _describe(facts, pixel, value))


def _describe(facts: FileFacts, pixel: tuple[int, int], value: tuple[str, str]) -> str:
    parts = [f"({pixel[0]}, {pixel[1]})"]
    if value[0]:
        parts.append(" ".join(value))
    res_id = int(facts.res_id[pixel])
    parts.append("no resID" if res_id == NO_RES_ID else f"resID {res_id}")
    parts.append("flags: " + (", ".join(facts.flag_names_at(pixel)) or "none"))
    return "   |   ".join(parts)
