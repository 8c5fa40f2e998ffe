"""Lets files and folders be dropped anywhere on a window, and says meanwhile what would happen."""

from __future__ import annotations

from pathlib import Path

from pipeline_core.streamnames import is_stream_name
from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal

__all__ = ["DropTarget", "reason_to_refuse"]

_ENDINGS = (".h5", ".bin", ".img")
_VEIL_OPACITY = 0.82
_MARGIN = 14
_WIDTH = 2
_Event = QtCore.QEvent.Type


class DropTarget(QtCore.QObject):
    """Watches a window for what is dragged over it.

    What cannot be opened is refused while it is still held: with the reason on the window.

    Parameters
    ----------
    window : QWidget
        Where to drop.

    Signals
    -------
    dropped
        List of paths: a file, a folder, or several raw files.
    """

    dropped = Signal(object)

    def __init__(self, window: QtWidgets.QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._paths: list[Path] = []
        self._reason = ""
        self.veil = _Veil(window)
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Answer drags; leave everything else alone."""
        if event is None or watched is not self._window:
            return False
        kind = event.type()
        if kind == _Event.DragEnter:
            self._on_enter(event)
        elif kind == _Event.DragMove:
            self._answer(event)
        elif kind == _Event.DragLeave:
            self.veil.hide()
        elif kind == _Event.Drop:
            self._on_drop(event)
        else:
            if kind == _Event.Resize:
                self.veil.cover()
            return False
        return True

    def _on_enter(self, event: QtGui.QDragEnterEvent) -> None:
        data = event.mimeData()
        self._paths, self._reason = _read(data)
        # taken even if refused: otherwise Qt would not tell when the drag is over
        event.accept()
        self.veil.show_text(_offer(self._paths) if not self._reason else self._reason)
        self.veil.set_refusing(bool(self._reason))

    def _answer(self, event: QtGui.QDragMoveEvent) -> None:
        """Show the pointer of copying, or the one of refusal."""
        if self._reason:
            event.ignore()
        else:
            event.setDropAction(Qt.DropAction.CopyAction)  # nobody's file is moved
            event.accept()

    def _on_drop(self, event: QtGui.QDropEvent) -> None:
        self.veil.hide()
        paths, reason = _read(event.mimeData())
        if reason:
            event.ignore()
            return
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.dropped.emit(paths)


def _read(data: QtCore.QMimeData) -> tuple[list[Path], str]:
    """Return what is dragged, and why it is refused ('' if it is not)."""
    urls = data.urls() if data.hasUrls() else []
    if not urls:
        return [], "Only files and folders can be opened."
    if not all(url.isLocalFile() for url in urls):
        return [], "Only files of this computer can be opened: copy it here first."
    paths = [Path(url.toLocalFile()) for url in urls]
    return paths, reason_to_refuse(paths)


def reason_to_refuse(paths: list[Path]) -> str:
    """Return why files and folders cannot be opened together, '' if they can.

    Only names count, but for those that look like a folder; what is in the files is found out when
    they are opened.
    """
    endings = {path.suffix.lower() for path in paths}
    if len(paths) > 1:
        if endings == {".bin"}:
            return ""
        return "Drop one file or folder, or several .bin files of one observation."
    (path,) = paths
    if path.suffix.lower() in _ENDINGS or is_stream_name(path.name) or path.is_dir():
        return ""
    return f"{path.name} is not a photon file (.h5), raw file (.bin), frame (.img), datastream (.fits) or folder."


def _offer(paths: list[Path]) -> str:
    if len(paths) > 1:
        first, last = min(p.name for p in paths), max(p.name for p in paths)
        return f"Drop to open {len(paths)} files together:\n{first} … {last}"
    return f"Drop to open:\n{paths[0].name or paths[0]}"


class _Veil(QtWidgets.QWidget):
    """Lies over the window while something is dragged; the mouse does not see it."""

    def __init__(self, window: QtWidgets.QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.text = ""
        self.is_refusing = False
        self.hide()

    def show_text(self, text: str) -> None:
        """Lie over the whole window, with this text."""
        self.text = text
        self.setAccessibleName(text)
        self.cover()
        self.show()
        self.raise_()

    def cover(self) -> None:
        """Be as large as the window."""
        self.setGeometry(self._window.rect())

    def set_refusing(self, refusing: bool) -> None:
        """Show that nothing would happen, or that something would."""
        self.is_refusing = refusing
        self.update()

    def paintEvent(self, _event: QtGui.QPaintEvent | None) -> None:
        """Draw a frame and the text; a crossed circle where nothing would happen."""
        colours = theme.current()
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setOpacity(_VEIL_OPACITY)
        fill = colours.error_fill if self.is_refusing else colours.info_fill
        painter.fillRect(self.rect(), QtGui.QColor(fill))
        painter.setOpacity(1.0)
        pen = QtGui.QPen(QtGui.QColor(colours.error if self.is_refusing else colours.accent))
        pen.setWidth(_WIDTH)
        pen.setStyle(Qt.PenStyle.SolidLine if self.is_refusing else Qt.PenStyle.DashLine)
        painter.setPen(pen)
        edge = self.rect().adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        painter.drawRoundedRect(edge, 8, 8)
        font = QtGui.QFont(self.font())
        font.setPointSizeF(1.5 * font.pointSizeF())
        painter.setFont(font)
        painter.setPen(QtGui.QColor(colours.error_text if self.is_refusing else colours.ink))
        inside = edge.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
        words = f"Cannot be opened\n{self.text}" if self.is_refusing else self.text
        painter.drawText(inside, flags, words)
        painter.end()
