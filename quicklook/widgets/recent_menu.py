"""The submenu of files that were open lately."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from quicklook.paths import shortened
from quicklook.qt import Qt, QtWidgets, Signal, Slot

__all__ = ["RecentMenu"]

_WITH_DIGIT = 9
_WIDEST = 420


class RecentMenu(QtWidgets.QMenu):
    """Lists files, the latest first; the first nine have a digit to press.

    It does not look at the disk itself, which may be a dead network mount: whoever fills it answers
    `checkRequested` with `show_missing`.

    Signals
    -------
    openRequested
        The chosen file (Path).
    clearRequested
        Forget the list.
    checkRequested
        List of paths: the menu is about to be shown, which of them are gone?
    """

    openRequested = Signal(object)  # noqa: N815
    clearRequested = Signal()  # noqa: N815
    checkRequested = Signal(object)  # noqa: N815

    def __init__(
        self, title: str = "Open &recent", parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(title, parent)
        self.setToolTipsVisible(True)
        self._paths: tuple[Path, ...] = ()
        self._files: list[QtWidgets.QAction] = []
        self.aboutToShow.connect(self._check)
        self.triggered.connect(self._on_triggered)
        self.set_paths(())

    def set_paths(self, paths: Iterable[Path]) -> None:
        """List these files."""
        self._paths = tuple(paths)
        for action in self.actions():
            self.removeAction(action)
            action.deleteLater()
        self._files = [self._file(place, path) for place, path in enumerate(self._paths, 1)]
        if not self._files:
            nothing = self.addAction("No file was opened yet")
            nothing.setEnabled(False)
            return
        self.addSeparator()
        clear = self.addAction("&Clear list")
        clear.setToolTip("Forget these files; the files themselves stay")
        clear.triggered.connect(self.clearRequested)

    def _file(self, place: int, path: Path) -> QtWidgets.QAction:
        digit = f"&{place}  " if place <= _WITH_DIGIT else "    "
        room = Qt.TextElideMode.ElideMiddle
        folder = self.fontMetrics().elidedText(shortened(path.parent), room, _WIDEST)
        name = self.fontMetrics().elidedText(path.name, room, _WIDEST)
        action = self.addAction(f"{digit}{_plain(name)}   –   {_plain(folder)}")
        action.setData(path)
        action.setToolTip(str(path))
        return action

    @Slot(object)
    def show_missing(self, missing: Collection[Path]) -> None:
        """Disable files that are gone, and say so in their tips."""
        for action in self._files:
            path = action.data()
            gone = path in missing
            action.setEnabled(not gone)
            action.setToolTip(f"{path}\nThis file is not there any more" if gone else str(path))

    @Slot()
    def _check(self) -> None:
        if self._paths:
            self.checkRequested.emit(list(self._paths))

    @Slot(QtWidgets.QAction)
    def _on_triggered(self, action: QtWidgets.QAction) -> None:
        if action in self._files:
            self.openRequested.emit(action.data())


def _plain(text: str) -> str:
    """Return a text in which no letter is underlined."""
    return text.replace("&", "&&")
