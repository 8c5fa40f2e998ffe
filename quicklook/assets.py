"""The only door to the packaged resources: icons, style sheet, default settings."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from quicklook.qt import Qt, QtCore, QtGui, QtSvg

__all__ = ["defaults", "icon", "style_sheet"]

_PACKAGE = "quicklook.resources"
_ICON_SIZES = (16, 24, 32, 48, 64, 128)


def style_sheet() -> str:
    """Return the application's style sheet."""
    return _file("style.qss").decode()


@cache
def defaults() -> dict[str, Any]:
    """Return the shipped default settings. Do not change the returned value."""
    values: dict[str, Any] = json.loads(_file("defaults.json"))
    return values


@cache
def icon(name: str) -> QtGui.QIcon:
    """Return the icon drawn in ``icons/<name>.svg``, with a paler version for disabled actions.

    Raises
    ------
    FileNotFoundError
        If there is no such icon: a mistake in our own code, which a test looks for.
    """
    renderer = QtSvg.QSvgRenderer(QtCore.QByteArray(_file(f"icons/{name}.svg")))
    if not renderer.isValid():
        raise FileNotFoundError(f"Icon {name!r} is not a readable SVG.")
    result = QtGui.QIcon()
    for size in _ICON_SIZES:
        pixmap = QtGui.QPixmap(size, size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QtGui.QPainter(pixmap)
        renderer.render(painter)
        painter.end()
        result.addPixmap(pixmap)
    return result


def _file(relative: str) -> bytes:
    return resources.files(_PACKAGE).joinpath(relative).read_bytes()
