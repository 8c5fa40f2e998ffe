"""Preferences: looks, images, keys, behaviour. Every change counts at once; each page has a way back.

There is no Apply and no Cancel: what is changed is seen at once and can be changed back at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from quicklook import theme
from quicklook.display_settings import MANUAL, DisplaySettings
from quicklook.qt import Qt, QtWidgets, Signal, Slot
from quicklook.settings import Settings
from quicklook.widgets.display_bar import LIMIT_TEXTS, STRETCH_TEXTS
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.shortcut_table import ShortcutTable

__all__ = ["PreferencesDialog"]

_THEME_TEXTS = {
    "light": ("Light", "For the office."),
    "dark": ("Dark", "For a dim room."),
    "night": (
        "Night red",
        "For the dome: dark reds, which your eyes hardly notice.",
    ),
}
_SCALES = {0.8: "Small", 0.9: "Rather small", 1.0: "Usual", 1.15: "Rather large", 1.3: "Large"}
_LARGER_SCALES = {1.6: "Very large", 2.0: "Huge"}
_NARROWEST = 0.1
"""The percentiles keep at least this distance [percent]."""


class PreferencesDialog(QtWidgets.QDialog):
    """Shows and changes `Settings`; does not block the window.

    Parameters
    ----------
    settings : Settings
        What is shown and changed.
    actions : sequence of (name, text, shortcut)
        The actions with their usual keys.
    colour_maps : mapping
        Name of each colour map -> text to choose it by.
    parent : QWidget, optional
        The window.

    Signals
    -------
    changed
        Name of a preference of `Settings` that has another value now. The looks are in use already.
    """

    changed = Signal(str)

    def __init__(
        self,
        settings: Settings,
        actions: Sequence[tuple[str, str, str]],
        colour_maps: Mapping[str, str],
        parent: QtWidgets.QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Preferences")
        self.setModal(False)
        self.resize(620, 520)
        self._settings = settings
        self.tabs = QtWidgets.QTabWidget()
        self.tabs.addTab(self._looks_page(), "Appearance")
        self.tabs.addTab(self._image_page(colour_maps), "Image")
        self.shortcuts = ShortcutTable(actions)
        self.tabs.addTab(_page(self.shortcuts), "Keyboard")
        self.tabs.addTab(self._behaviour_page(), "Behaviour")
        self.restore = QtWidgets.QPushButton("Restore defaults", autoDefault=False)
        self.restore.setToolTip("Of the page that is open")
        close = QtWidgets.QPushButton("Close", default=True)
        close.clicked.connect(self.close)
        bottom = QtWidgets.QHBoxLayout()
        bottom.addWidget(self.restore)
        bottom.addWidget(QtWidgets.QLabel("Changes count at once.", objectName="caption"), 1)
        bottom.addWidget(close)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 12)
        layout.setSpacing(12)
        layout.addWidget(self.tabs, 1)
        layout.addLayout(bottom)
        self.load()
        self._connect()

    # --- pages -----------------------------------------------------------------------------------

    def _looks_page(self) -> QtWidgets.QWidget:
        self.themes: dict[str, QtWidgets.QRadioButton] = {}
        choice = QtWidgets.QGridLayout()
        choice.setHorizontalSpacing(14)
        choice.setVerticalSpacing(4)
        choice.setColumnStretch(1, 1)
        for row, (name, (text, sentence)) in enumerate(_THEME_TEXTS.items()):
            self.themes[name] = QtWidgets.QRadioButton(text)
            choice.addWidget(self.themes[name], row, 0)
            choice.addWidget(QtWidgets.QLabel(sentence, objectName="caption"), row, 1)
        self.font_scale = QtWidgets.QComboBox()
        for scale, text in {**_SCALES, **_LARGER_SCALES}.items():
            self.font_scale.addItem(f"{text} ({100 * scale:.0f} %)", scale)
        form = _form()
        form.addRow("Theme", choice)
        form.addRow("Size of the text", _narrow(self.font_scale))
        return _page(form)

    def _image_page(self, colour_maps: Mapping[str, str]) -> QtWidgets.QWidget:
        self.colour_map = _combo(colour_maps)
        if self.colour_map.findData("") < 0:
            self.colour_map.insertItem(0, "That of the theme", "")
        self.inverted = QtWidgets.QCheckBox("Inverted: dark is bright")
        self.stretch = _combo(STRETCH_TEXTS)
        self.limits = _combo({k: v for k, v in LIMIT_TEXTS.items() if k != MANUAL})
        self.low = NumberBox(minimum=0.0, maximum=99.9, decimals=1, suffix=" %")
        self.high = NumberBox(minimum=0.1, maximum=100.0, decimals=1, suffix=" %")
        for box, name in ((self.low, "Lower percentile"), (self.high, "Upper percentile")):
            box.setAccessibleName(name)
            box.setFixedWidth(100)
        percentiles = QtWidgets.QHBoxLayout()
        percentiles.setSpacing(8)
        percentiles.addWidget(self.low)
        percentiles.addWidget(QtWidgets.QLabel("to"))
        percentiles.addWidget(self.high)
        percentiles.addStretch(1)
        self.mark_flagged = QtWidgets.QCheckBox("Grey out pixels with a problem flag")
        form = _form()
        form.addRow("Colour map", _narrow(self.colour_map))
        form.addRow("", self.inverted)
        form.addRow("Stretch", _narrow(self.stretch))
        form.addRow("Contrast limits", _narrow(self.limits))
        form.addRow("Percentiles", percentiles)
        form.addRow("", self.mark_flagged)
        return _page(form)

    def _behaviour_page(self) -> QtWidgets.QWidget:
        self.auto_update = QtWidgets.QCheckBox("Draw the image anew whenever a control changes")
        without = QtWidgets.QLabel("Otherwise, press Plot Image.", objectName="caption")
        self.recent = QtWidgets.QLabel()
        self.forget = QtWidgets.QPushButton("Forget them", autoDefault=False)
        recent = QtWidgets.QHBoxLayout()
        recent.setSpacing(14)
        recent.addWidget(self.recent)
        recent.addWidget(self.forget)
        recent.addStretch(1)
        place = QtWidgets.QLabel(self._settings.place or "nowhere: forgotten at the end (--fresh)")
        place.setObjectName("caption")
        place.setWordWrap(True)
        place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        form = _form()
        form.addRow("Image", self.auto_update)
        form.addRow("", without)
        form.addRow("Recent files", recent)
        form.addRow("Kept in", place)
        return _page(form)

    # --- settings <-> controls -------------------------------------------------------------------

    def load(self) -> None:
        """Show what the settings say now."""
        settings = self._settings
        self._loading = True
        self.themes[settings.theme].setChecked(True)
        sizes = [self.font_scale.itemData(k) for k in range(self.font_scale.count())]
        near = min(sizes, key=lambda size: abs(size - settings.font_scale))
        self.font_scale.setCurrentIndex(sizes.index(near))
        self._load_display(settings.display)
        self.shortcuts.set_shortcuts(settings.shortcuts)
        self.auto_update.setChecked(settings.auto_update)
        self._show_recent()
        self._loading = False

    def _load_display(self, display: DisplaySettings) -> None:
        for box, value in (
            (self.colour_map, display.colour_map),
            (self.stretch, display.stretch),
            (self.limits, display.limits),
        ):
            box.setCurrentIndex(max(box.findData(value), 0))
        self.inverted.setChecked(display.inverted)
        self.mark_flagged.setChecked(display.mark_flagged)
        self.low.setValue(display.percentiles[0])
        self.high.setValue(display.percentiles[1])
        for box in (self.low, self.high):
            box.setEnabled(display.limits == "percentile")
            box.setToolTip("" if box.isEnabled() else "Only for the limits “Percentiles”")

    def _show_recent(self) -> None:
        number = len(self._settings.recent_files)
        self.recent.setText({0: "none", 1: "1 file"}.get(number, f"{number} files"))
        self.forget.setEnabled(number > 0)

    def _connect(self) -> None:
        for button in self.themes.values():
            button.toggled.connect(self._on_looks)
        self.font_scale.currentIndexChanged.connect(self._on_looks)
        for box in (self.colour_map, self.stretch, self.limits):
            box.currentIndexChanged.connect(self._on_display)
        for check in (self.inverted, self.mark_flagged):
            check.toggled.connect(self._on_display)
        self.low.valueChanged.connect(self._on_low)
        self.high.valueChanged.connect(self._on_high)
        self.shortcuts.changed.connect(self._on_shortcuts)
        self.auto_update.toggled.connect(self._on_auto_update)
        self.forget.clicked.connect(self._on_forget)
        self.restore.clicked.connect(self._on_restore)

    def showEvent(self, event: object) -> None:
        """Show what other windows have changed meanwhile."""
        self.load()
        super().showEvent(event)

    def _store(self, name: str, value: object) -> None:
        """Keep a preference and tell, if it is another one and a person has chosen it."""
        if not self._loading and getattr(self._settings, name) != value:
            setattr(self._settings, name, value)
            self.changed.emit(name)

    @Slot()
    def _on_looks(self) -> None:
        chosen = next((n for n, b in self.themes.items() if b.isChecked()), self._settings.theme)
        scale = self.font_scale.currentData()
        if not self._loading:
            theme.use(chosen, scale)
        self._store("theme", chosen)
        self._store("font_scale", scale)

    @Slot()
    def _on_display(self) -> None:
        if self._loading:
            return
        display = replace(
            self._settings.display,
            colour_map=self.colour_map.currentData(),
            inverted=self.inverted.isChecked(),
            stretch=self.stretch.currentData(),
            limits=self.limits.currentData(),
            percentiles=(self.low.value(), self.high.value()),
            mark_flagged=self.mark_flagged.isChecked(),
        )
        self._store("display", display)
        self._loading = True
        self._load_display(display)
        self._loading = False

    @Slot()
    def _on_low(self) -> None:
        """The upper percentile stays above the lower one."""
        if not self._loading:
            self.high.setValue(max(self.high.value(), self.low.value() + _NARROWEST))
            self._on_display()

    @Slot()
    def _on_high(self) -> None:
        """The lower percentile stays below the upper one."""
        if not self._loading:
            self.low.setValue(min(self.low.value(), self.high.value() - _NARROWEST))
            self._on_display()

    @Slot()
    def _on_shortcuts(self) -> None:
        self._store("shortcuts", self.shortcuts.shortcuts)

    @Slot()
    def _on_auto_update(self) -> None:
        self._store("auto_update", self.auto_update.isChecked())

    @Slot()
    def _on_forget(self) -> None:
        self._store("recent_files", ())
        self._show_recent()

    @Slot()
    def _on_restore(self) -> None:
        """Give the preferences of the open page their default values."""
        usual = Settings.fresh()
        pages = (("theme", "font_scale"), ("display",), ("shortcuts",), ("auto_update",))
        for name in pages[self.tabs.currentIndex()]:
            self._store(name, getattr(usual, name))
        theme.use(self._settings.theme, self._settings.font_scale)
        self.load()


def _form() -> QtWidgets.QFormLayout:
    form = QtWidgets.QFormLayout()
    form.setHorizontalSpacing(18)
    form.setVerticalSpacing(10)
    form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    return form


def _page(content: QtWidgets.QWidget | QtWidgets.QLayout) -> QtWidgets.QWidget:
    page = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(page)
    layout.setContentsMargins(18, 16, 18, 14)
    if isinstance(content, QtWidgets.QWidget):
        layout.addWidget(content, 1)
    else:
        layout.addLayout(content)
        layout.addStretch(1)
    return page


def _combo(texts: Mapping[str, str]) -> QtWidgets.QComboBox:
    box = QtWidgets.QComboBox()
    for value, text in texts.items():
        box.addItem(text, value)
    return box


def _narrow(box: QtWidgets.QComboBox) -> QtWidgets.QLayout:
    """Return a row with a box as wide as the others, not as the page."""
    box.setMinimumWidth(250)
    row = QtWidgets.QHBoxLayout()
    row.addWidget(box)
    row.addStretch(1)
    return row
