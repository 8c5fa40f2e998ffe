"""The window of bad pixels: found by a method, by a cut on the rates, by hand; then attached to the open file."""

from __future__ import annotations

import math
from pathlib import Path

from quicklook.mask_tasks import METHOD_CHOICES, FoundMask, MaskForm
from quicklook.qt import Qt, QtWidgets, Signal, Slot
from quicklook.views.rate_panel import RatePanel, rate_text
from quicklook.views.result_window import ResultWindow
from quicklook.widgets.number_box import NumberBox

__all__ = ["MaskWindow"]

_KINDS = ("hot", "cold", "dead", "unstable")


class MaskWindow(ResultWindow):
    """One search, and what was made of it by hand.

    Signals
    -------
    findWanted
        A `MaskForm`.
    cutWanted
        (low, high) counts per second.
    toggleWanted
        (pixel, kind, reason); '' for the kind: not marked any more.
    undoWanted, saveWanted
        What the buttons say.
    """

    findWanted = Signal(object)  # noqa: N815
    cutWanted = Signal(float, float)  # noqa: N815
    toggleWanted = Signal(object, str, str)  # noqa: N815
    undoWanted = Signal()  # noqa: N815
    saveWanted = Signal()  # noqa: N815

    kind = "bad pixels"
    running_text = "Looking for bad pixels…"

    def __init__(self) -> None:
        self.found: FoundMask | None = None
        self._path = ""
        super().__init__("hot")
        self.pages.hide()
        self.apply.setText("Attach mask")
        self.save.clicked.connect(self.saveWanted)
        self.undo.clicked.connect(self.undoWanted)
        self.find.clicked.connect(self._on_find)
        self.rates.cutMoved.connect(self._on_cut_moved)
        self.cut.clicked.connect(self._on_cut)
        self.mark.clicked.connect(self._on_mark)
        self.unmark.clicked.connect(self._on_unmark)
        self.pageWanted.connect(self._show_pixel)

    # --- building --------------------------------------------------------------------------------

    @property
    def has_solution(self) -> bool:
        """Whether a mask is shown."""
        return self.found is not None

    def buttons(self) -> list[QtWidgets.QPushButton]:
        """Return the buttons of a finished search."""
        self.save = QtWidgets.QPushButton("Save as…")
        self.save.setToolTip(
            "Write the mask to a file, which `apply` attaches to other photon files"
        )
        self.undo = QtWidgets.QPushButton("Take back")
        self.undo.setToolTip("Forget the last change of this mask")
        return [self.pages, self.undo, self.save, self.apply]

    def right(self) -> QtWidgets.QWidget:
        """Return settings, histogram and what belongs to one pixel."""
        content = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self._settings())
        column.addWidget(self._histogram(), 1)
        column.addWidget(self._hand())
        return content

    def _settings(self) -> QtWidgets.QWidget:
        self.method = QtWidgets.QComboBox()
        for key, text in METHOD_CHOICES.items():
            self.method.addItem(text, key)
        usual = MaskForm("")
        self.n_sigma = NumberBox(minimum=1.0, maximum=100.0, decimals=1, suffix=" sigma")
        self.ratio = NumberBox(minimum=1.5, maximum=1000.0, decimals=1, suffix=" ×")
        self.slice_s = NumberBox(minimum=0.0, maximum=1e5, decimals=1, suffix=" s")
        for box, value, tip in (
            (self.n_sigma, usual.n_sigma, "How far off its surroundings a pixel must be"),
            (self.ratio, usual.ratio, "So many times its surroundings is hot in any case"),
            (self.slice_s, usual.slice_s, "Slices of time that are judged one by one; 0: none"),
        ):
            box.setValue(value)
            box.setToolTip(tip)
        self.cold = QtWidgets.QCheckBox("cold ones", checked=True)
        self.flicker = QtWidgets.QCheckBox("flickering ones", checked=True)
        self.find = QtWidgets.QPushButton("Find")
        self.find.setObjectName("primary")
        group = QtWidgets.QGroupBox("Find bad pixels by")
        grid = QtWidgets.QGridLayout(group)
        grid.setHorizontalSpacing(10)
        grid.addWidget(self.method, 0, 0, 1, 2)
        for row, (text, box) in enumerate(
            (("Limit", self.n_sigma), ("Hot above", self.ratio), ("Slices", self.slice_s)), 1
        ):
            grid.addWidget(QtWidgets.QLabel(text, objectName="caption"), row, 0)
            grid.addWidget(box, row, 1)
        grid.addWidget(self.cold, 1, 2)
        grid.addWidget(self.flicker, 2, 2)
        grid.addWidget(self.find, 3, 2)
        grid.setColumnStretch(1, 1)
        return group

    def _histogram(self) -> QtWidgets.QWidget:
        self.rates = RatePanel()
        self.cut_text = QtWidgets.QLabel(objectName="caption")
        self.cut = QtWidgets.QPushButton("Mark what is outside")
        self.cut.setEnabled(False)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self.cut_text, 1)
        row.addWidget(self.cut)
        group = QtWidgets.QFrame(objectName="card")
        column = QtWidgets.QVBoxLayout(group)
        column.setContentsMargins(10, 8, 10, 8)
        title = "Rates of the pixels: drag the ends of the range to cut by hand"
        column.addWidget(QtWidgets.QLabel(title, objectName="paneTitle"))
        column.addWidget(self.rates, 1)
        column.addLayout(row)
        return group

    def _hand(self) -> QtWidgets.QWidget:
        self.pixel_text = QtWidgets.QLabel(wordWrap=True)
        self.pixel_text.setTextFormat(Qt.TextFormat.PlainText)
        self.pixel_text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.kind_box = QtWidgets.QComboBox()
        self.kind_box.setAccessibleName("Kind of the mark")
        self.kind_box.addItems(_KINDS)
        self.reason = QtWidgets.QLineEdit("by hand")
        self.reason.setAccessibleName("Reason")
        self.mark = QtWidgets.QPushButton("Mark")
        self.unmark = QtWidgets.QPushButton("Unmark")
        row = QtWidgets.QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(QtWidgets.QLabel("as", objectName="caption"))
        row.addWidget(self.kind_box)
        row.addWidget(QtWidgets.QLabel("because", objectName="caption"))
        row.addWidget(self.reason, 1)
        row.addWidget(self.mark)
        row.addWidget(self.unmark)
        inner = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(inner)
        column.setContentsMargins(10, 4, 10, 8)
        column.addWidget(self.pixel_text)
        column.addLayout(row)
        stack = self.pixel_pages(inner)
        stack.setSizePolicy(
            QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Fixed
        )
        return stack

    # --- states ----------------------------------------------------------------------------------

    def _show_no_mask(self, shape: tuple[int, int] | None) -> None:
        """Take everything off the screen that is of the mask before."""
        self.found = None
        if shape is not None:
            self.map.show_empty(shape, "No mask yet")
        self.map.set_pixel(None)
        self._pixel.setCurrentIndex(0)
        self.rates.show_nothing()
        self.cut_text.setText("")
        self.cut.setEnabled(False)

    def show_file(self, path: str, name: str, shape: tuple[int, int]) -> None:
        """Show that nothing was looked for yet in this file of an array of (ncols, nrows) pixels."""
        self._path = path
        self._show_no_mask(shape)
        self.show_mode(running=False)
        self.setWindowTitle(f"Bad pixels - {name}")
        self.headline.setText(f"Bad pixels of {name}")
        self.subline.setText("Press Find, and attach the mask when you are content with it.")
        for button in (self.apply, self.save, self.undo, self.cut):
            button.setEnabled(False)
        self._placeholder.setText(
            "Afterwards, click a pixel to see why it is marked, or to mark it."
        )

    def show_running(self, name: str) -> None:
        """Show that bad pixels are being looked for."""
        self._show_no_mask(None)
        self.find.setEnabled(False)
        super().show_running(name)
        self.headline.setText(f"Looking for bad pixels in {name}")

    def show_stopped(self, kind: str, text: str) -> None:
        """Say that the search ended without a mask."""
        super().show_stopped(kind, text)
        self.headline.setText(f"Bad pixels of {Path(self._path).name}")
        self.find.setEnabled(True)

    def show_found(self, found: FoundMask, *, changed: bool, can_undo: bool) -> None:
        """Show a mask; `changed`: the same as before but for what was done by hand."""
        self.found = found
        self._path = str(found.path)
        self.setWindowTitle(f"Bad pixels - {found.path.name}")
        self.show_mode(running=False)
        self.find.setEnabled(True)
        words = ", ".join(f"{number:,} {name}" for name, number in found.kinds if number)
        self.headline.setText(f"Bad pixels of {found.path.name}")
        self.subline.setText(f"{len(found.reasons):,} marked: {words or 'none'}. Not attached yet.")
        self.rates.show_histogram(found.histogram, keep_cut=changed)
        for button in (self.apply, self.save):
            button.setEnabled(True)
        self.undo.setEnabled(can_undo)
        self._on_cut_moved(*self.rates.cut)
        self.map.offer(found.maps)
        self.mapWanted.emit(self.map.wanted)
        self.ask_for_pixel(found.shape)

    def show_attached(self) -> None:
        """Say that the mask is attached."""
        self.subline.setText(self.subline.text().replace("Not attached yet.", "Attached."))
        self.apply.setEnabled(False)

    # --- by hand ---------------------------------------------------------------------------------

    @Slot(object)
    def _show_pixel(self, pixel: tuple[int, int]) -> None:
        if self.found is None:
            return
        reason = self.found.reasons.get(pixel, "")
        self.pixel_text.setText(f"Pixel ({pixel[0]}, {pixel[1]}): {reason or 'not marked.'}")
        self.unmark.setEnabled(bool(reason))
        self._pixel.setCurrentIndex(1)

    @Slot(float, float)
    def _on_cut_moved(self, low: float, high: float) -> None:
        texts = []
        if low > 0:
            texts.append(f"below {rate_text(low)} counts/s cold")
        if math.isfinite(high):
            texts.append(f"from {rate_text(high)} counts/s on hot")
        self.cut_text.setText(", ".join(texts) or "Nothing is outside.")
        self.cut.setEnabled(bool(texts) and self.found is not None)

    @Slot()
    def _on_cut(self) -> None:
        self.cutWanted.emit(*self.rates.cut)

    @Slot()
    def _on_mark(self) -> None:
        self.toggleWanted.emit(
            self.map.pixel, self.kind_box.currentText(), self.reason.text().strip() or "by hand"
        )

    @Slot()
    def _on_unmark(self) -> None:
        self.toggleWanted.emit(self.map.pixel, "", self.reason.text().strip() or "by hand")

    @Slot()
    def _on_find(self) -> None:
        self.findWanted.emit(
            MaskForm(
                self._path,
                str(self.method.currentData()),
                self.n_sigma.value(),
                self.ratio.value(),
                self.slice_s.value(),
                self.cold.isChecked(),
                self.flicker.isChecked(),
            )
        )
