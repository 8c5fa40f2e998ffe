"""Frames of a datastream: connects slider, keys, image and header. Created by the main window."""

from __future__ import annotations

from collections.abc import Mapping

from quicklook.qt import QtCore, QtWidgets, Slot
from quicklook.session import Session
from quicklook.views.header_pane import HeaderPane
from quicklook.views.image_pane import ImagePane
from quicklook.widgets.frame_bar import FrameBar
from quicklook.widgets.plot_controls import PlotControls
from quicklook.widgets.range_boxes import RangeBoxes

__all__ = ["FrameControl"]


class FrameControl(QtCore.QObject):
    """A datastream shows its first frame at once; for everything else the bar is hidden."""

    def __init__(
        self,
        session: Session,
        image: ImagePane,
        controls: PlotControls,
        bar: FrameBar,
        header: HeaderPane,
        tabs: QtWidgets.QTabWidget,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtCore.QObject,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._image = image
        self._controls = controls
        self._bar = bar
        self._header = header
        self._tabs = tabs
        bar.set_frames(0)
        bar.frameChosen.connect(self._on_chosen)
        session.frameChanged.connect(self._on_frame)
        self._play = actions["play_frames"]
        self._play.toggled.connect(bar.play.setChecked)
        bar.playingChanged.connect(self._play.setChecked)

    def stepper(self, name: str) -> None:
        """Step in time: 'first', 'back', 'forward' or 'last' frame of a datastream, or part of the time range."""
        target: FrameBar | RangeBoxes = (
            self._controls.times if self._session.frame is None else self._bar
        )
        target.go(name)

    @Slot()
    def take_file(self) -> None:
        """Show the first frame of a datastream that was opened; called when everything else knows the file."""
        facts = self._session.file
        frames = None if facts is None else facts.frames
        self._bar.set_frames(0 if frames is None else frames.number)
        if frames is None:
            if self._tabs.currentWidget() is self._header:
                self._tabs.setCurrentIndex(0)
            return
        self._tabs.setCurrentWidget(self._header)
        self._controls.counts.setChecked(True)
        self._on_frame()

    @Slot(int)
    def _on_chosen(self, number: int) -> None:
        if self._session.frame is not None:
            self._session.set_frame(number)

    @Slot()
    def _on_frame(self) -> None:
        facts, frame = self._session.file, self._session.frame
        if facts is None or facts.frames is None or frame is None:
            return
        self._bar.show_frame(frame, facts.frames.words(frame))
        if self._controls.wants_counts:
            self._image.ask_counts()
