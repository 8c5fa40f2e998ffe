"""Which frame of a datastream is shown: a slider with number, buttons that step and play, and the frame's time."""

from __future__ import annotations

from quicklook.assets import icon
from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.widgets.elided_label import ElidedLabel

__all__ = ["FrameBar"]

_PLAY_MS = 250
_STEPS = (
    ("first", "First frame (Home)"),
    ("back", "Frame before ([)"),
    ("forward", "Next frame (])"),
    ("last", "Last frame (End)"),
)


class FrameBar(QtWidgets.QFrame):
    """Numbers are counted from 0 here, and from 1 on the screen.

    Signals
    -------
    frameChosen
        Number of the frame that is wanted.
    playingChanged
        Whether frames follow one another by themselves.
    """

    frameChosen = Signal(int)  # noqa: N815
    playingChanged = Signal(bool)  # noqa: N815

    def __init__(self) -> None:
        super().__init__(objectName="card")
        self._n_frames = 0
        caption = QtWidgets.QLabel("Frame", objectName="paneTitle")
        self.number = QtWidgets.QSpinBox(keyboardTracking=False)
        self.number.setAccessibleName("Number of the frame")
        self.number.setToolTip("Number of the frame, from 1")
        self.slider = QtWidgets.QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Frame of the datastream")
        self.slider.setToolTip("Frames in the order of the file: drag, or step with [ and ]")
        self.when = ElidedLabel()
        self.when.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.play = _button("play", "Show frame after frame (J)")
        self.play.setCheckable(True)
        layout = QtWidgets.QGridLayout(self)
        layout.setContentsMargins(10, 6, 10, 6)
        layout.setHorizontalSpacing(4)
        layout.setVerticalSpacing(2)
        layout.addWidget(caption, 0, 0)
        layout.addWidget(self.number, 0, 1)
        layout.addWidget(self.slider, 0, 2)
        layout.setColumnStretch(2, 1)
        self.steps = {}
        for column, (name, tip) in enumerate(_STEPS, 3):
            self.steps[name] = _button(name, tip)
            self.steps[name].clicked.connect(lambda _checked=False, name=name: self.go(name))
            layout.addWidget(self.steps[name], 0, column)
        layout.addWidget(self.play, 0, 3 + len(_STEPS))
        layout.addWidget(self.when, 1, 0, 1, -1)
        self._clock = QtCore.QTimer(self, interval=_PLAY_MS)
        self._clock.timeout.connect(self._on_clock)
        self.slider.valueChanged.connect(self._on_slider)
        self.number.valueChanged.connect(self._on_number)
        self.play.toggled.connect(self._on_play)

    @property
    def frame(self) -> int:
        """Number of the frame that is chosen, from 0."""
        return int(self.slider.value())

    @property
    def is_playing(self) -> bool:
        """Whether frames follow one another by themselves."""
        return bool(self._clock.isActive())

    def set_frames(self, n_frames: int) -> None:
        """Offer so many frames, and choose the first; 0: there is no datastream."""
        self._n_frames = n_frames
        self.play.setChecked(False)
        for widget in (self.slider, self.number):
            blocked = widget.blockSignals(True)
            widget.setRange(
                *((0, max(n_frames - 1, 0)) if widget is self.slider else (1, max(n_frames, 1)))
            )
            widget.setValue(0 if widget is self.slider else 1)
            widget.blockSignals(blocked)
        self.number.setSuffix(f" of {n_frames}")
        self.setVisible(n_frames > 0)

    def show_frame(self, number: int, when: str) -> None:
        """Show which frame is on the screen, and of what time."""
        for widget, value in ((self.slider, number), (self.number, number + 1)):
            blocked = widget.blockSignals(True)
            widget.setValue(value)
            widget.blockSignals(blocked)
        self.when.setText(when)
        self.when.setToolTip(when)

    @Slot(str)
    def go(self, step: str) -> None:
        """Step: 'first', 'back', 'forward' or 'last'."""
        wanted = {
            "first": 0,
            "back": self.frame - 1,
            "forward": self.frame + 1,
            "last": self._n_frames - 1,
        }[step]
        self.slider.setValue(wanted)

    @Slot(int)
    def _on_slider(self, value: int) -> None:
        self.frameChosen.emit(value)

    @Slot(int)
    def _on_number(self, value: int) -> None:
        self.slider.setValue(value - 1)

    @Slot(bool)
    def _on_play(self, playing: bool) -> None:
        self.play.setIcon(icon("pause" if playing else "play"))
        self.play.setToolTip("Stop at this frame (J)" if playing else "Show frame after frame (J)")
        if playing and self.frame == self._n_frames - 1:
            self.slider.setValue(0)
        if playing and self._n_frames > 1:
            self._clock.start()
        else:
            self._clock.stop()
        self.playingChanged.emit(playing)

    @Slot()
    def _on_clock(self) -> None:
        self.go("forward")
        if self.frame == self._n_frames - 1:
            self.play.setChecked(False)


def _button(name: str, tip: str) -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton(icon=icon(name), autoRaise=True, toolTip=tip)
    button.setFixedWidth(24)
    button.setAccessibleName(tip)
    return button
