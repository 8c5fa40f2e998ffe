"""The row above the image: stretch, contrast limits, colour map."""

from __future__ import annotations

from dataclasses import replace

from quicklook.assets import icon
from quicklook.display_settings import MANUAL, DisplaySettings
from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.widgets.number_box import NumberBox

__all__ = ["DisplayBar"]

STRETCH_TEXTS = {
    "linear": "Linear",
    "log": "Log",
    "sqrt": "Square root",
    "asinh": "Asinh",
    "power": "Power (x²)",
    "histogram": "Histogram",
}
LIMIT_TEXTS = {
    "percentile": "Percentiles",
    "zscale": "Zscale",
    "minmax": "Min–max",
    "sigma": "Mean ± 3σ",
    MANUAL: "Manual",
}
_TEXT_BESIDE = 34
"""What a box needs beside its text, for frame and arrow [screen pixels]."""
SCOPE_TEXTS = {"array": "Whole array", "view": "What is seen", "region": "Selected region"}


class DisplayBar(QtWidgets.QWidget):
    """Shows `DisplaySettings` and changes them.

    Signals
    -------
    settingsChanged
        The new `DisplaySettings`.
    """

    settingsChanged = Signal(object)  # noqa: N815

    def __init__(self, colour_maps: dict[str, str]) -> None:
        super().__init__()
        self._settings = DisplaySettings()
        self._showing = False
        self.stretch = _combo("Stretch: how brightness follows the counts", STRETCH_TEXTS)
        self.limits = _combo("Contrast limits", LIMIT_TEXTS)
        self.colours = _combo(
            "Colour map (Default: that of the theme; *: not for all eyes)", colour_maps
        )
        self.lock = _toggle("unlock", "Keep these limits when another image is drawn")
        self.inverted = _toggle("invert", "Invert the colour map")
        self.more = QtWidgets.QToolButton(
            icon=icon("preferences"), toolTip="Percentages, limits by hand, what limits look at"
        )
        self.more.setAccessibleName(self.more.toolTip())
        self.more.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
        self.low_percent, self.high_percent = _percent(0.0, 99.9), _percent(0.1, 100.0)
        self.low, self.high = _level("Lower limit"), _level("Upper limit")
        self.scope = _combo("Pixels that automatic limits look at", SCOPE_TEXTS)
        self.flagged = QtWidgets.QCheckBox("Grey out pixels with a problem flag")
        self.saturated = QtWidgets.QCheckBox("Mark pixels that saturate (2500 counts/s and more)")
        self.more.setMenu(self._more_menu())
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (
            self.stretch,
            self.limits,
            self.more,
            self.lock,
            self.colours,
            self.inverted,
        ):
            layout.addWidget(widget)
        self._fit_boxes()
        for combo in (self.stretch, self.limits, self.colours, self.scope):
            combo.activated.connect(self._on_change)
        for box in (self.low_percent, self.high_percent):
            box.valueChanged.connect(self._on_percent)
        for box in (self.low, self.high):
            box.valueChanged.connect(self._on_level)
        self.lock.toggled.connect(self._on_change)
        self.lock.toggled.connect(self._show_lock)
        self.inverted.toggled.connect(self._on_change)
        self.flagged.toggled.connect(self._on_change)
        self.saturated.toggled.connect(self._on_change)
        self.show_settings(self._settings)

    def _more_menu(self) -> QtWidgets.QMenu:
        menu = QtWidgets.QMenu(self)
        page = QtWidgets.QWidget()
        form = QtWidgets.QFormLayout(page)
        form.setContentsMargins(12, 10, 12, 10)
        for text, widget in (
            ("Percentiles from", self.low_percent),
            ("to", self.high_percent),
            ("Lower limit", self.low),
            ("Upper limit", self.high),
            ("Limits from", self.scope),
        ):
            form.addRow(text, widget)
        form.addRow(self.flagged)
        form.addRow(self.saturated)
        action = QtWidgets.QWidgetAction(menu)
        action.setDefaultWidget(page)
        menu.addAction(action)
        return menu

    def set_why_not(self, reason: str) -> None:
        """Switch everything off and say why in the tips; '': switch it on."""
        self.setEnabled(not reason)
        for widget in self.findChildren(QtWidgets.QWidget):
            name = widget.accessibleName()
            if name and widget.parent() is self:
                widget.setToolTip(f"{name}\n{reason}" if reason else name)

    def _fit_boxes(self) -> None:
        """Give the boxes room for usual texts, in any size of the text."""
        widest = self.fontMetrics().horizontalAdvance(LIMIT_TEXTS["percentile"])
        for combo in (self.stretch, self.limits, self.colours):
            combo.setMinimumWidth(widest + _TEXT_BESIDE)

    def changeEvent(self, event: QtCore.QEvent | None) -> None:
        """Follow the size of the text."""
        super().changeEvent(event)
        if event is not None and event.type() == QtCore.QEvent.Type.FontChange:
            self._fit_boxes()

    @property
    def settings(self) -> DisplaySettings:
        """What is chosen."""
        return self._settings

    @Slot(object)
    def show_settings(self, settings: DisplaySettings) -> None:
        """Show settings that were changed elsewhere; nothing is emitted."""
        self._showing = True
        self._settings = settings
        for combo, value in (
            (self.stretch, settings.stretch),
            (self.limits, settings.limits),
            (self.colours, settings.colour_map),
            (self.scope, settings.scope),
        ):
            combo.setCurrentIndex(max(combo.findData(value), 0))
        self.lock.setChecked(settings.locked)
        self.inverted.setChecked(settings.inverted)
        self.flagged.setChecked(settings.mark_flagged)
        self.saturated.setChecked(settings.mark_saturated)
        self.low_percent.setValue(settings.percentiles[0])
        self.high_percent.setValue(settings.percentiles[1])
        self.low.setValue(settings.levels[0])
        self.high.setValue(settings.levels[1])
        self._showing = False

    def show_levels(self, levels: tuple[float, float]) -> None:
        """Show the limits in use."""
        self.show_settings(replace(self._settings, levels=levels))

    @Slot()
    def _on_change(self) -> None:
        self._set(
            replace(
                self._settings,
                stretch=self.stretch.currentData(),
                limits=self.limits.currentData(),
                colour_map=self.colours.currentData(),
                scope=self.scope.currentData(),
                locked=self.lock.isChecked(),
                inverted=self.inverted.isChecked(),
                mark_flagged=self.flagged.isChecked(),
                mark_saturated=self.saturated.isChecked(),
            )
        )

    @Slot(bool)
    def _show_lock(self, locked: bool) -> None:
        self.lock.setIcon(icon("lock" if locked else "unlock"))

    @Slot()
    def _on_percent(self) -> None:
        """Take percentages; they push each other along."""
        low, high = self.low_percent.value(), self.high_percent.value()
        if low >= high:
            moved = self._settings.percentiles[0] != low
            low, high = (low, low + 0.1) if moved else (high - 0.1, high)
        settings = replace(self._settings, limits="percentile", percentiles=(low, high))
        self._set(settings)

    @Slot()
    def _on_level(self) -> None:
        low, high = self.low.value(), self.high.value()
        if low < high:
            self._set(self._settings.with_levels((low, high)))

    def _set(self, settings: DisplaySettings) -> None:
        if self._showing or settings == self._settings:
            return
        self.show_settings(settings)
        self.settingsChanged.emit(settings)


def _combo(what: str, texts: dict[str, str]) -> QtWidgets.QComboBox:
    box = QtWidgets.QComboBox(toolTip=what)
    box.setAccessibleName(what)
    for value, text in texts.items():
        box.addItem(text, value)
    box.setSizeAdjustPolicy(
        QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(3)
    box.view().setMinimumWidth(box.fontMetrics().horizontalAdvance("M" * 14))
    box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return box


def _toggle(name: str, tip: str) -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton(icon=icon(name), toolTip=tip, checkable=True, autoRaise=True)
    button.setAccessibleName(tip)
    return button


def _percent(low: float, high: float) -> NumberBox:
    return NumberBox(decimals=1, minimum=low, maximum=high, singleStep=0.5, suffix=" %")


def _level(name: str) -> NumberBox:
    box = NumberBox(decimals=2, minimum=-1e12, maximum=1e12, singleStep=1.0)
    box.setAccessibleName(name)
    return box
