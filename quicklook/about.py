"""What a bug report needs to know: versions, machine, screen, and the end of the log."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from quicklook import __version__
from quicklook.logs import log_path
from quicklook.paths import without_home
from quicklook.qt import QtCore, QtGui

__all__ = ["LICENCE", "about_facts", "bug_report", "last_log_lines"]

LICENCE = "GPL-3.0-or-later, without any warranty"
_PACKAGES = ("PyQt5", "pyqtgraph", "numpy", "scipy", "numba", "tables", "astropy")
_LOG_LINES = 30
_LONGEST_LINE = 1000
_BYTES_READ = 1 << 17
_GIB = 1 << 30


def about_facts() -> dict[str, str]:
    """Return what is known of program, libraries and machine, by name. Imports none of the libraries."""
    facts = {"quicklook": __version__, "Python": platform.python_version()}
    facts["Qt"] = QtCore.qVersion() or "unknown"
    facts.update({name: _version(name) for name in _PACKAGES})
    facts["System"] = _system()
    facts["Processors"] = _processors()
    facts["Memory"] = _memory()
    facts["Screen"] = _screens()
    facts["Platform plugin"] = QtGui.QGuiApplication.platformName() or "none"
    facts["Program folder"] = without_home(str(Path(__file__).parent))
    facts["Log"] = without_home(str(log_path()))
    facts["Licence"] = LICENCE
    return facts


def bug_report(facts: Mapping[str, str], log_lines: Sequence[str]) -> str:
    """Return facts and the end of the log as plain text; '~' stands for the home folder."""
    lines = [f"{name}: {value}" for name, value in facts.items()]
    lines += ["", f"Last {len(log_lines)} lines of the log:" if log_lines else "The log is empty."]
    return without_home("\n".join([*lines, *log_lines])) + "\n"


def last_log_lines(count: int = _LOG_LINES) -> list[str]:
    """Return the end of the log, [] if there is none. Very long lines are cut."""
    try:
        with log_path().open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _BYTES_READ, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = text.splitlines()[-count:]
    return [line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…" for line in lines]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # no such file: not Linux, or an unusual one
        return platform.platform()
    return f"{name}, {platform.platform()}"


def _processors() -> str:
    there = os.cpu_count() or 0
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    return f"{there}" if usable == there else f"{there}, of which {usable} may be used"


def _memory() -> str:
    try:
        pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{pages * page / _GIB:.1f} GiB"


def _screens() -> str:
    """Return size, scale and resolution of each screen, the main one first."""
    texts = []
    for screen in QtGui.QGuiApplication.screens():
        size = screen.size()
        texts.append(
            f"{size.width()} × {size.height()}, scale {screen.devicePixelRatio():g}, "
            f"{screen.logicalDotsPerInch():.0f} dpi"
        )
    return "; ".join(texts) or "none"
