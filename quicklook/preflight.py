"""Are the system libraries that Qt needs on this machine? Standard library only, before any Qt import.

Without this check Qt ends the process with a message that names neither the library nor the package.
Called by ``quicklook.__main__`` and by the tests.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping, MutableMapping

__all__ = ["has_display", "missing_libraries", "problem", "use_offscreen_without_display"]

_ALWAYS = {
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
}
_WITH_X_WINDOW = {
    "libdbus-1.so.3": "libdbus-1-3",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
"""Library -> Debian/Ubuntu package that brings it."""


def has_display(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether a window could be seen: a display is announced, or a platform was chosen."""
    if not sys.platform.startswith("linux"):
        return True
    return any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def use_offscreen_without_display(environ: MutableMapping[str, str] = os.environ) -> bool:
    """Choose Qt's offscreen platform if there is no display; return whether that was done."""
    if has_display(environ):
        return False
    environ["QT_QPA_PLATFORM"] = "offscreen"
    return True


def missing_libraries(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the libraries that cannot be loaded, with the package that brings each."""
    if not sys.platform.startswith("linux"):
        return {}
    needed = dict(_ALWAYS)
    platform = environ.get("QT_QPA_PLATFORM", "").split(":")[0]
    if platform == "xcb" or (not platform and environ.get("DISPLAY")):
        needed.update(_WITH_X_WINDOW)
    return {library: package for library, package in needed.items() if not _loads(library)}


def problem(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what a person must do before Qt can start, or None if all is well."""
    missing = missing_libraries(environ)
    if not missing:
        return None
    packages = " ".join(sorted(set(missing.values())))
    lines = [
        f"Qt needs system libraries that are missing: {', '.join(sorted(missing))}",
        f"  Debian or Ubuntu:  sudo apt-get install -y --no-install-recommends {packages}",
        "  (or the package libqt5gui5, which brings all of them)",
    ]
    if not set(missing) & set(_ALWAYS):
        lines.append("  or without a window:  QT_QPA_PLATFORM=offscreen quicklook --demo")
    return "\n".join(lines)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
