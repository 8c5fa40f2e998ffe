"""The only door to the packaged resources: icons, style sheet, default settings."""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtSvg
from quicklook.theme import Theme

__all__ = ["defaults", "guide_picture", "guide_text", "icon", "style_sheet"]

_PACKAGE = "quicklook.resources"
_APPLICATION_ICON = "quicklook"  # keeps its own colours: the desktop shows it too
_ICON_SIZES = (16, 24, 32, 48, 64, 128)
_DISABLED_OPACITY = 0.4
_ICON_ROLES = (
    "icon",
    "icon_fill",
    "accent",
    "info_fill",
    "good",
    "good_fill",
    "warning",
    "warning_fill",
    "error",
    "error_fill",
)
"""Roles of the colours in the icon files, which are drawn in those of the light theme."""


def style_sheet(chosen: Theme) -> str:
    """Return the application's style sheet in the colours of a theme.

    Raises
    ------
    AttributeError
        If the sheet asks for a colour that themes do not have: a mistake in our own code.
    """
    glyphs = str(resources.files(_PACKAGE).joinpath("glyphs"))
    QtCore.QDir.setSearchPaths("glyphs", [glyphs])  # so that no odd folder breaks the sheet
    template = _file("style.qss").decode()
    return re.sub(r"@(\w+)", lambda found: str(getattr(chosen, found[1])), template)


def guide_text() -> str:
    """Return the illustrated guide, in Markdown."""
    return _file("guide/guide.md").decode()


def guide_picture(name: str) -> bytes:
    """Return a picture of the guide as the bytes of a PNG file.

    Raises
    ------
    FileNotFoundError
        If there is no such picture.
    """
    return _file(f"guide/{name}")


@cache
def defaults() -> dict[str, Any]:
    """Return the shipped default settings. Do not change the returned value."""
    values: dict[str, Any] = json.loads(_file("defaults.json"))
    return values


@cache
def icon(name: str) -> QtGui.QIcon:
    """Return the icon drawn in ``icons/<name>.svg``, paler where it is disabled.

    It is in the colours of the theme that is in use when it is painted, so nobody has to replace it
    after a switch. (Only a `QPixmap` made from it stays as it is.)

    Raises
    ------
    FileNotFoundError
        If there is no such icon: a mistake in our own code, which a test looks for.
    """
    _icon_picture(name, theme.current())
    if name != _APPLICATION_ICON:
        return QtGui.QIcon(_ThemedIcon(name))
    result = QtGui.QIcon()
    for size in _ICON_SIZES:
        result.addPixmap(_pixmap(name, theme.current(), size, size, disabled=False))
    return result


class _ThemedIcon(QtGui.QIconEngine):
    """Paints an icon in the colours of the moment."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def pixmap(
        self, size: QtCore.QSize, mode: QtGui.QIcon.Mode, _state: QtGui.QIcon.State
    ) -> QtGui.QPixmap:
        """Return the icon as large as asked for."""
        disabled = mode == QtGui.QIcon.Mode.Disabled
        return _pixmap(self._name, theme.current(), size.width(), size.height(), disabled=disabled)

    def paint(
        self,
        painter: QtGui.QPainter | None,
        rect: QtCore.QRect,
        mode: QtGui.QIcon.Mode,
        state: QtGui.QIcon.State,
    ) -> None:
        """Draw the icon into `rect`."""
        if painter is not None:
            painter.drawPixmap(rect, self.pixmap(rect.size(), mode, state))

    def clone(self) -> QtGui.QIconEngine:
        """Return another engine for the same icon."""
        return _ThemedIcon(self._name)


@lru_cache(maxsize=512)
def _pixmap(name: str, chosen: Theme, width: int, height: int, *, disabled: bool) -> QtGui.QPixmap:
    renderer = QtSvg.QSvgRenderer(QtCore.QByteArray(_icon_picture(name, chosen)))
    renderer.setAspectRatioMode(Qt.AspectRatioMode.KeepAspectRatio)
    pixmap = QtGui.QPixmap(width, height)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setOpacity(_DISABLED_OPACITY if disabled else 1.0)
    renderer.render(painter)
    painter.end()
    return pixmap


@cache
def _icon_picture(name: str, chosen: Theme) -> bytes:
    """Return the SVG of an icon in the colours of a theme."""
    picture = _file(f"icons/{name}.svg").decode()
    drawn = theme.by_name("light")
    colours = {getattr(drawn, role): getattr(chosen, role) for role in _ICON_ROLES}
    if name != _APPLICATION_ICON:
        picture = re.sub(r"#[0-9a-f]{6}", lambda found: colours[found[0]], picture)
    return picture.encode()


def _file(relative: str) -> bytes:
    return resources.files(_PACKAGE).joinpath(relative).read_bytes()
