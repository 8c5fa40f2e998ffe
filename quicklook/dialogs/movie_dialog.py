"""Form for a movie: length of frames, colours, size, where it goes. It only fills a `MovieForm`."""

from __future__ import annotations

from pathlib import Path

from pipeline_core.colours import COLOUR_MAPS, DEFAULT_MAP
from pipeline_core.errors import ConfigError
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.movie_files import MOVIE_ENDINGS, movie_encoder
from pipeline_core.movie_frames import about_bytes, frame_size, usual_zoom
from pipeline_core.movie_settings import MOVIE_STRETCHES, MovieSettings
from quicklook import theme
from quicklook.display_settings import DisplaySettings
from quicklook.file_facts import FileFacts
from quicklook.product_tasks import MovieForm
from quicklook.qt import QtWidgets, Slot
from quicklook.session import Band
from quicklook.widgets.go_buttons import go_buttons
from quicklook.widgets.number_box import NumberBox
from quicklook.widgets.path_edit import PathEdit
from quicklook.widgets.side_by_side import side_by_side

__all__ = ["MovieDialog"]

_FILES = "GIF (*.gif);;MP4 (*.mp4)"
_USUAL_FRAMES = 60
_NO_ENCODER = (
    "MP4 needs the program ffmpeg, which is not installed: choose a name that ends in .gif."
)


class MovieDialog(QtWidgets.QDialog):
    """What a movie of the open file is to show; `form` says it once the dialog is accepted."""

    def __init__(
        self,
        facts: FileFacts,
        time_range: tuple[float, float],
        band: Band,
        display: DisplaySettings,
        folder: Path,
        *,
        weighted: bool,
        parent: QtWidgets.QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export movie")
        self.setMinimumWidth(round(560 * theme.text_scale()))
        self._facts = facts
        self._range = time_range
        self._band: Band = band if facts.wavelength_calibrated else (None, None)
        seconds = time_range[1] - time_range[0]
        self.frame = NumberBox(
            minimum=0.001,
            maximum=100_000.0,
            decimals=3,
            value=max(round(seconds / _USUAL_FRAMES, 1), 0.1),
            suffix=" s",
        )
        self.fps = NumberBox(minimum=0.5, maximum=50.0, decimals=1, value=10.0, suffix=" frames/s")
        self.weighted = QtWidgets.QCheckBox("weighted by the flat field", checked=weighted)
        self.mask = QtWidgets.QCheckBox("bad pixels drawn as masked", checked=True)
        self.by_hand = QtWidgets.QCheckBox("from")
        self.low = NumberBox(minimum=-1e9, maximum=1e9, decimals=2, value=0.0)
        self.high = NumberBox(
            minimum=-1e9, maximum=1e9, decimals=2, value=1000.0, suffix=" counts/s"
        )
        self.stretch = QtWidgets.QComboBox()
        self.stretch.addItems(MOVIE_STRETCHES)
        self.colours = QtWidgets.QComboBox()
        self.colours.addItems(list(COLOUR_MAPS))
        self.inverted = QtWidgets.QCheckBox("inverted", checked=display.inverted)
        self.zoom = NumberBox(
            minimum=1, maximum=100, decimals=0, value=usual_zoom(facts.shape), suffix=" ×"
        )
        self.out = PathEdit("save", "Write the movie to", _FILES)
        self.overwrite = QtWidgets.QCheckBox("Replace an existing file")
        self.reason = QtWidgets.QLabel(objectName="hint", wordWrap=True)
        self.reason.setMinimumHeight(2 * self.reason.fontMetrics().lineSpacing())
        self.contents = QtWidgets.QLabel(objectName="paneDetail")
        self._take(display)
        self.out.set_text(str(folder / f"{facts.path.stem}_movie.gif"))
        self._build()
        self._check()

    def _take(self, display: DisplaySettings) -> None:
        """Begin with the colours of the window, and with what the open file can give."""
        if display.stretch in MOVIE_STRETCHES:
            self.stretch.setCurrentText(display.stretch)
        self.colours.setCurrentText(display.colour_map or DEFAULT_MAP)
        if not self._facts.flat_calibrated:
            self.weighted.setChecked(False)
            self.weighted.setEnabled(False)
            self.weighted.setToolTip("No flat field is attached")
        self.zoom.setToolTip("Pixels of the picture in a row of a pixel of the detector")
        self.by_hand.setToolTip("Otherwise from the 1st to the 99.5th percentile of all frames")

    def _build(self) -> None:
        form = QtWidgets.QFormLayout()
        form.setVerticalSpacing(8)
        start, stop = self._range
        form.addRow("Time", QtWidgets.QLabel(f"{start:g} to {stop:g} s, as in the window"))
        form.addRow("Photons", QtWidgets.QLabel(self._photons()))
        each = QtWidgets.QLabel("each, played at")
        form.addRow("Frames", side_by_side(self.frame, each, self.fps))
        form.addRow("Counts", self.weighted)
        form.addRow("", self.mask)
        to = QtWidgets.QLabel("to")
        form.addRow("Colours", side_by_side(self.colours, self.inverted, self.stretch))
        form.addRow("Limits", side_by_side(self.by_hand, self.low, to, self.high))
        form.addRow("Enlarged", side_by_side(self.zoom))
        form.addRow("", self.contents)
        form.addRow("File", self.out)
        form.addRow("", self.overwrite)
        buttons, self.write = go_buttons(self, "Write")
        layout = QtWidgets.QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.reason)
        layout.addWidget(buttons)
        for box in (self.frame, self.fps, self.low, self.high, self.zoom):
            box.valueChanged.connect(self._check)
        for button in (self.weighted, self.mask, self.by_hand, self.inverted, self.overwrite):
            button.toggled.connect(self._check)
        self.out.changed.connect(self._check)

    def _photons(self) -> str:
        low, high = self._band
        if low is None and high is None:
            return "all"
        if low is None or high is None:
            return f"from {low:g} nm" if high is None else f"below {high:g} nm"
        return f"{low:g} to {high:g} nm, as in the window"

    def settings(self) -> MovieSettings:
        """Return what is filled in.

        Raises
        ------
        ConfigError
            If it is impossible.
        """
        return MovieSettings(
            frame_s=self.frame.value(),
            start=self._range[0],
            stop=self._range[1],
            min_wavelength=self._band[0],
            max_wavelength=self._band[1],
            weighted=self.weighted.isChecked(),
            exclude=PROBLEM_FLAGS if self.mask.isChecked() else 0,
            limits=(self.low.value(), self.high.value()) if self.by_hand.isChecked() else None,
            stretch=self.stretch.currentText(),
            colour_map=self.colours.currentText(),
            inverted=self.inverted.isChecked(),
            zoom=round(self.zoom.value()),
            fps=self.fps.value(),
        )

    @Slot()
    def _check(self) -> None:
        """Say how long and large the movie will be, or why it cannot be written."""
        for box in (self.low, self.high):
            box.setEnabled(self.by_hand.isChecked())
            box.setToolTip("" if self.by_hand.isChecked() else "Tick 'from' to set limits by hand")
        problem, text = "", ""
        out = Path(self.out.text()).expanduser()
        ending = out.suffix.lower()
        try:
            settings = self.settings()
            n = settings.n_frames(self._facts.exposure_s)
            width, height = frame_size(self._facts.shape, settings.zoom)
            size = about_bytes(self._facts.shape, settings.zoom, n, ending)
            text = (
                f"{n:,} frames of {width} × {height} pixels, played in {n / settings.fps:,.1f} s; "
            )
            text += f"about {size / 1e6:,.1f} MB"
        except ConfigError as error:
            problem = str(error)
        if not problem and ending not in MOVIE_ENDINGS:
            problem = "The name ends in .gif or .mp4."
        if not problem and ending == ".mp4" and movie_encoder() is None:
            problem = _NO_ENCODER
        if not problem and out.exists() and not self.overwrite.isChecked():
            problem = f"{out.name} exists already: choose another name or tick 'Replace'."
        self.contents.setText(text)
        self.reason.setText(problem)
        self.write.setEnabled(not problem)

    def form(self) -> MovieForm:
        """Return what is to be done."""
        return MovieForm(
            paths=self._facts.paths or (self._facts.path,),
            beammap=self._facts.beammap,
            settings=self.settings(),
            out=Path(self.out.text()).expanduser(),
            overwrite=self.overwrite.isChecked(),
            file_id=self._facts.expected_id,
        )
