"""What Help > About says of the program and the computer, as plain text, for the eye and for a bug report."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from quicklook import __version__
from quicklook.logs import log_path
from quicklook.paths import shortened, without_home
from quicklook.qt import QtCore, QtGui

__all__ = ["about_facts", "bug_report", "log_tail"]

LICENCE = "GPL-3.0-or-later, without any warranty"

_LIBRARIES = ("PyQt5", "pyqtgraph", "numpy", "scipy", "numba", "tables", "astropy")
_UNKNOWN = "unknown"
_TAIL_LINES = 30
_TAIL_BYTES = 64 * 1024


def about_facts() -> dict[str, str]:
    """Return what there is to know, in the order in which it is shown. Imports no library to learn its version."""
    facts = {
        "quicklook": __version__,
        "Python": f"{platform.python_version()} ({shortened(Path(sys.executable))})",
        "Qt": QtCore.qVersion() or _UNKNOWN,
    }
    facts |= {name: _version(name) for name in _LIBRARIES}
    facts |= {
        "operating system": _system(),
        "processor": _processor(),
        "memory": _memory(),
        "screen": _screens(),
        "Qt platform": QtGui.QGuiApplication.platformName() or _UNKNOWN,
        "desktop": _desktop(),
        "log": shortened(log_path()),
        "licence": LICENCE,
    }
    return facts


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()
    return f"{name} ({platform.platform()})"


def _processor() -> str:
    """Return model and number of processors."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            named = (line.partition(":")[2].strip() for line in lines if line[:10] == "model name")
            model = next(named, model)
    except OSError:
        pass  # not Linux
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    total = os.cpu_count()
    number = f"{total} CPUs" if usable == total else f"{usable} of {total} CPUs"
    return f"{model or _UNKNOWN}, {number}"


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN
    return f"{size / 2**30:.1f} GiB"


def _screens() -> str:
    """Return size, scale and resolution of every screen."""
    found = []
    for screen in QtGui.QGuiApplication.screens():
        size, ratio = screen.size(), screen.devicePixelRatio()
        found.append(
            f"{size.width()} x {size.height()}, scale {ratio:g}, {screen.logicalDotsPerInch():.0f} dpi"
        )
    return "; ".join(found) or _UNKNOWN


def _desktop() -> str:
    names = ("XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE")
    return ", ".join(os.environ[name] for name in names if os.environ.get(name)) or _UNKNOWN


def log_tail(path: Path, n_lines: int = _TAIL_LINES) -> list[str]:
    """Return the last lines of the log, or one that says why there are none."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - _TAIL_BYTES, 0))
            lines = stream.read().decode("utf-8", errors="replace").splitlines()
    except OSError as error:
        return [f"The log cannot be read: {error.strerror}."]
    return lines[-n_lines:] or ["The log is empty."]


def bug_report(facts: Mapping[str, str]) -> str:
    """Return facts and the end of the log as text, with '~' for the home folder: fit to be sent."""
    width = max(len(name) for name in facts)
    lines = [f"{name + ':':<{width + 1}} {value}" for name, value in facts.items()]
    tail = log_tail(log_path())
    return (
        without_home("\n".join([*lines, "", f"Last {len(tail)} lines of the log:", *tail])) + "\n"
    )
