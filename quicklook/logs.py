"""The log: a rotating file in the user's state folder. Configured once, by ``quicklook.app``."""

from __future__ import annotations

import logging
import logging.handlers
import platform
from pathlib import Path

from pipeline_core import __version__
from quicklook.settings import state_folder

__all__ = ["log_path", "start_logging", "stop_logging"]

_MAX_BYTES = 1_000_000
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def log_path() -> Path:
    """Return where the log is written."""
    return state_folder() / "quicklook.log"


def start_logging() -> logging.Handler:
    """Write the log of this program and the core to the file; returns the handler, to be closed.

    If the folder cannot be written, warnings go to the terminal and the program works all the same.
    """
    handler: logging.Handler
    try:
        log_path().parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            log_path(), maxBytes=_MAX_BYTES, backupCount=3, encoding="utf-8"
        )
    except OSError:
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter(_FORMAT))
    for name in ("quicklook", "pipeline_core", "qt"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    logging.getLogger("quicklook").info(
        "quicklook %s on Python %s, %s", __version__, platform.python_version(), platform.platform()
    )
    return handler


def stop_logging(handler: logging.Handler) -> None:
    """Undo `start_logging`."""
    for name in ("quicklook", "pipeline_core", "qt"):
        logging.getLogger(name).removeHandler(handler)
    handler.close()
