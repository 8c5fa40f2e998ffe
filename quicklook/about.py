"""What Help > About says: versions, licence, where the log is."""

from __future__ import annotations

import platform

from quicklook import __version__
from quicklook.logs import log_path
from quicklook.qt import QtCore, pg

__all__ = ["about_text"]


def about_text() -> str:
    """Return what Help > About says."""
    return (
        f"<h3>quicklook {__version__}</h3>"
        "<p>Quick look and reduction of photons from the MKID cameras DARKNESS and MEC.</p>"
        f"<p>Python {platform.python_version()}, Qt {QtCore.QT_VERSION_STR}, PyQt "
        f"{QtCore.PYQT_VERSION_STR}, pyqtgraph {pg.__version__}<br>{platform.platform()}</p>"
        f"<p>Log: {log_path()}</p><p>GPL-3.0-or-later, without any warranty.</p>"
    )
