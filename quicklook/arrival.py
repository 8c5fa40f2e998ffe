"""What the window does and says while a file is opened, and when it is there: the picture first, piece by piece.

Created by the main window. All in one turn of the event loop would hold up the window.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from quicklook.jobs import Failure
from quicklook.look import look_of
from quicklook.qt import Qt, QtCore, Slot

if TYPE_CHECKING:
    from quicklook.file_facts import FileFacts
    from quicklook.main_window import MainWindow
    from quicklook.opening import Said

__all__ = ["Arrival"]


class Arrival(QtCore.QObject):
    """Follows `OpeningController`: busy cursor, offers to cancel, the file on the screen, remedies."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._turns = window.broker.turns  # the panes' answers come after all of it
        opening = window.opening
        opening.started.connect(self._on_started)
        opening.slow.connect(self._on_slow)
        opening.cancelled.connect(self._on_cancelled)
        opening.opened.connect(self._on_opened)
        opening.failed.connect(self._on_failed)
        opening.beammapNeeded.connect(self._ask_for_beammap)
        opening.said.connect(self._say)

    @Slot()
    def _on_started(self) -> None:
        self._window.setCursor(Qt.CursorShape.BusyCursor)

    @Slot(object)
    def _on_slow(self, path: Path) -> None:
        window = self._window
        window.messages.show_message("info", f"Opening {path}…", ("Cancel", window.opening.cancel))

    @Slot(object)
    def _on_cancelled(self, path: Path) -> None:
        self._window.unsetCursor()
        self._window.messages.show_message("info", f"{path} was not opened.")
        self._say_all_the_same()

    @Slot(object, object)
    def _on_failed(self, failure: Failure | None, path: Path) -> None:
        self._window.unsetCursor()
        if failure is not None:
            self._window.show_failure(path, "opened", failure)
            self._say_all_the_same()

    @Slot(str, object)
    def _ask_for_beammap(self, message: str, paths: tuple[Path, ...]) -> None:
        """Offer the remedy beside the message."""
        choose = partial(self._window.opening.choose_beammap, paths)
        self._window.messages.show_message("warning", message, ("Choose beam map…", choose))

    @Slot(object)
    def _on_opened(self, facts: FileFacts) -> None:
        self._turns.take(partial(self._show_picture, facts))

    def _show_picture(self, facts: FileFacts) -> None:
        """Put the file into the panes, which ask for what they need; the rest follows, before their answers."""
        window = self._window
        window.unsetCursor()
        window.broker.forget()
        window.messages.hide()
        look = look_of(window.session, window.image)
        window.session.set_file(facts)
        window.take_file()  # at once: a key that waits must find controls and commands of this file, not of the last
        if look is not None:
            window.image_control.look_again(look)
        self._turns.take(partial(window.strip.show_facts, facts))
        self._turns.take(partial(self._tell, facts))

    def _tell(self, facts: FileFacts) -> None:
        """Say what there is to say of the file, and that it is there."""
        window = self._window
        window.calibrating.say_what_is_tried()
        said = window.opening.take_said()
        if said is not None:
            self._say(said)
        if facts.frames is not None and facts.frames.doubts:
            window.messages.show_message("warning", " ".join(facts.frames.doubts))
        if facts.kind == "older":
            self._say_what_is_older(facts)
        window.fileOpened.emit(facts)

    @Slot(object)
    def _say(self, said: Said) -> None:
        self._window.messages.show_message(said.kind, said.text, *said.buttons)

    def _say_all_the_same(self) -> None:
        """Say what was done before the message that something was not opened."""
        said, messages = self._window.opening.take_said(), self._window.messages
        if said is not None:
            text = f"{said.text} {messages.text}"
            if self._window.opening.is_looked_at(said.path):
                text += f" Open {said.path.name} once more to see what has changed."
            messages.show_message(messages.kind, text, *said.buttons)

    def _say_what_is_older(self, facts: FileFacts) -> None:
        text = (
            f"{facts.path.name} was written by an older program (layout {facts.layout}). It can be looked at; to "
            "calibrate or mark anything, bring it in. What is not certain of it is in Header, history and health."
        )
        bring_in = partial(self._window.conversion.bring_in, facts.path)
        self._window.messages.show_message("info", text, ("Bring in…", bring_in))
