"""The application object: options that are set once, the style, the log, and what catches errors."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from quicklook import assets, theme
from quicklook.error_dialog import ErrorDialog
from quicklook.logs import start_logging, stop_logging
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot, pg
from quicklook.theme import Theme

__all__ = ["ErrorCatcher", "configure_pyqtgraph", "create_application", "running", "style"]

logger = logging.getLogger(__name__)
_qt_logger = logging.getLogger("qt")

_FONT_POINTS = 9.5
_SAME_SIZE = 0.01  # fonts keep their size as text with few digits
_USUAL_SIZE = "usualFontPoints"
_NOISE = ("XDG_RUNTIME_DIR not set", "propagateSizeHints", "does not support raise")


def configure_pyqtgraph() -> None:
    """Set the options of all plots."""
    pg.setConfigOptions(
        imageAxisOrder="row-major",
        antialias=False,
        useOpenGL=False,
        mouseRateLimit=0,  # it drops moves, also the last one: the read-out would be of another pixel
    )


def create_application(arguments: list[str]) -> QtWidgets.QApplication:
    """Return the application, ready for windows."""
    QtWidgets.QApplication.setAttribute(Qt.ApplicationAttribute.AA_EnableHighDpiScaling)
    QtWidgets.QApplication.setAttribute(Qt.ApplicationAttribute.AA_UseHighDpiPixmaps)
    application = QtWidgets.QApplication(arguments)
    application.setApplicationName("quicklook")
    application.setDesktopFileName("quicklook")
    application.setWindowIcon(assets.icon("quicklook"))
    configure_pyqtgraph()
    style(application)
    return application


def style(application: QtWidgets.QApplication) -> None:
    """Give the application its looks: the same on every desktop, in the theme that is in use.

    From then on it follows `theme.use`.
    """
    if application.property(_USUAL_SIZE) is None:
        application.setStyle("Fusion")
        desktop = bool(os.environ.get("XDG_CURRENT_DESKTOP"))  # which has chosen a font size
        usual = application.font().pointSizeF() if desktop else _FONT_POINTS
        application.setProperty(_USUAL_SIZE, usual if usual > 0 else _FONT_POINTS)
        theme.notifier.changed.connect(_restyle)
    _restyle()


def _restyle() -> None:
    """Give the application the font, palette and style sheet of the looks in use."""
    application = QtWidgets.QApplication.instance()
    if not isinstance(application, QtWidgets.QApplication):
        return
    font = application.font()
    size = application.property(_USUAL_SIZE) * theme.text_scale()
    if abs(font.pointSizeF() - size) > _SAME_SIZE:
        font.setPointSizeF(size)
        application.setFont(font)
    application.setPalette(_palette(theme.current()))
    application.setStyleSheet(assets.style_sheet(theme.current()))


def _palette(chosen: Theme) -> QtGui.QPalette:
    """Return Qt's palette: for what the style sheet does not reach."""
    role = QtGui.QPalette.ColorRole
    colours = {
        role.Window: chosen.window,
        role.WindowText: chosen.ink,
        role.Base: chosen.field,
        role.AlternateBase: chosen.window,
        role.Text: chosen.ink,
        role.PlaceholderText: chosen.muted,
        role.Button: chosen.card,
        role.ButtonText: chosen.ink,
        role.BrightText: chosen.error,
        role.Light: chosen.hover,
        role.Midlight: chosen.border,
        role.Mid: chosen.field_border,
        role.Dark: chosen.field_border,
        role.Shadow: chosen.border,
        role.Highlight: chosen.accent,
        role.HighlightedText: chosen.accent_text,
        role.Link: chosen.accent,
        role.LinkVisited: chosen.accent,
        role.ToolTipBase: chosen.tip,
        role.ToolTipText: chosen.tip_text,
    }
    palette = QtGui.QPalette()
    for name, colour in colours.items():
        palette.setColor(name, QtGui.QColor(colour))
    disabled = QtGui.QPalette.ColorGroup.Disabled
    for name in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(disabled, name, QtGui.QColor(chosen.disabled))
    palette.setColor(disabled, role.Highlight, QtGui.QColor(chosen.disabled_fill))
    return palette


class ErrorCatcher(QtCore.QObject):
    """Turns exceptions that nobody caught, in any thread, into a log entry and a dialog."""

    _caught = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.dialogs: list[ErrorDialog] = []
        self._caught.connect(self.show_error, Qt.ConnectionType.QueuedConnection)

    def install(self) -> None:
        """Take over; after pyqtgraph was imported, since that installs a hook of its own."""
        self._old = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def uninstall(self) -> None:
        """Put back what was there before."""
        sys.excepthook, threading.excepthook = self._old

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QtWidgets.QApplication.quit()
            return
        logger.critical("Nobody caught this", exc_info=(kind, error, trace))
        text = "".join(traceback.format_exception(kind, error, trace))
        self._caught.emit(f"{kind.__name__}: {error}", text)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._on_exception(args.exc_type, args.exc_value, args.exc_traceback)

    @Slot(str, str)
    def show_error(self, title: str, details: str) -> None:
        """Open the dialog; further errors go to the log only, while one is open."""
        self.dialogs = [dialog for dialog in self.dialogs if _alive(dialog)]
        if not self.dialogs:
            dialog = ErrorDialog(title, details, QtWidgets.QApplication.activeWindow())
            self.dialogs.append(dialog)
            dialog.show()


def _alive(dialog: ErrorDialog) -> bool:
    try:
        return dialog.isVisible()
    except RuntimeError:  # deleted by Qt after it was closed
        return False


def _on_qt_message(
    kind: QtCore.QtMsgType, _context: QtCore.QMessageLogContext, message: str | None
) -> None:
    """Send Qt's own messages to the log."""
    text = message or ""
    if any(noise in text for noise in _NOISE):
        return
    serious = kind in (QtCore.QtMsgType.QtCriticalMsg, QtCore.QtMsgType.QtFatalMsg)
    _qt_logger.log(logging.ERROR if serious else logging.WARNING, "%s", text)
    if kind == QtCore.QtMsgType.QtFatalMsg:
        sys.stderr.write(text + "\n")


@contextmanager
def running(arguments: list[str]) -> Iterator[tuple[QtWidgets.QApplication, ErrorCatcher]]:
    """Give the application with log and error catching, and undo both at the end."""
    handler = start_logging()
    old_handler = QtCore.qInstallMessageHandler(_on_qt_message)  # Qt talks while it starts
    application = create_application(arguments)
    catcher = ErrorCatcher()
    catcher.install()
    try:
        yield application, catcher
    finally:
        catcher.uninstall()
        QtCore.qInstallMessageHandler(old_handler)
        stop_logging(handler)
