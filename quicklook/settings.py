"""Preferences that survive: a typed facade over one INI file. Never reduction parameters.

``--fresh`` gives a facade that forgets everything at the end. Created by `quicklook.app`, handed to
the main window and the dialogs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from quicklook.assets import defaults
from quicklook.qt import QtCore

__all__ = ["Settings", "state_folder"]

_VERSION = 1


def state_folder() -> Path:
    """Return the user's folder for logs (XDG state folder); not created here."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "quicklook"


class _Forgetful:
    """Stands in for `QSettings` and forgets everything at the end of the run."""

    def __init__(self) -> None:
        self._values: dict[str, object] = {}

    def value(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def setValue(self, key: str, value: object) -> None:  # noqa: N802
        self._values[key] = value

    def clear(self) -> None:
        self._values.clear()

    def sync(self) -> None:
        """Keep nothing."""


class Settings:
    """What the user prefers, by name. Every property has a type and a default.

    Parameters
    ----------
    path : Path, optional
        INI file; default the user's own (``~/.config/quicklook/quicklook.ini``).
    """

    def __init__(self, path: Path | None = None) -> None:
        self._store: QtCore.QSettings | _Forgetful
        if path is None:
            self._store = QtCore.QSettings(
                QtCore.QSettings.Format.IniFormat,
                QtCore.QSettings.Scope.UserScope,
                "quicklook",
                "quicklook",
            )
        else:
            self._store = QtCore.QSettings(str(path), QtCore.QSettings.Format.IniFormat)
        self._migrate()

    @classmethod
    def fresh(cls) -> Settings:
        """Return default preferences that neither read nor change the saved ones."""
        settings = cls.__new__(cls)
        settings._store = _Forgetful()
        return settings

    def _migrate(self) -> None:
        """Forget preferences written by a later version: their meaning is not known here."""
        stored = self._int("version", 0)
        if stored > _VERSION:
            self._store.clear()
        if stored != _VERSION:
            self._store.setValue("version", _VERSION)

    def sync(self) -> None:
        """Write everything to the file now."""
        self._store.sync()

    # --- the preferences ----------------------------------------------------------------------

    @property
    def geometry(self) -> QtCore.QByteArray:
        """Size and place of the main window; empty if never saved."""
        return self._bytes("window/geometry")

    @geometry.setter
    def geometry(self, value: QtCore.QByteArray) -> None:
        self._store.setValue("window/geometry", value)

    @property
    def splitter(self) -> QtCore.QByteArray:
        """Division between image and plots; empty if never saved."""
        return self._bytes("window/splitter")

    @splitter.setter
    def splitter(self, value: QtCore.QByteArray) -> None:
        self._store.setValue("window/splitter", value)

    @property
    def bin_ms(self) -> float:
        """Effective exposure time of light curve and histogram [ms]."""
        low, high = defaults()["bin_ms_range"]
        value = self._float("plots/bin_ms", defaults()["bin_ms"])
        return min(max(value, low), high)

    @bin_ms.setter
    def bin_ms(self, value: float) -> None:
        self._store.setValue("plots/bin_ms", float(value))

    @property
    def photon_folder(self) -> str:
        """Folder where the last photon file was opened; '' at first."""
        return self._str("folders/photon_files")

    @photon_folder.setter
    def photon_folder(self, value: str) -> None:
        self._store.setValue("folders/photon_files", value)

    @property
    def bin_folder(self) -> str:
        """Folder of the last converted .bin files; '' at first."""
        return self._str("convert/bin_folder")

    @bin_folder.setter
    def bin_folder(self, value: str) -> None:
        self._store.setValue("convert/bin_folder", value)

    @property
    def beammap(self) -> str:
        """Beam map used last; '' at first."""
        return self._str("convert/beammap")

    @beammap.setter
    def beammap(self, value: str) -> None:
        self._store.setValue("convert/beammap", value)

    # --- typed access: an INI file gives back text, so every read names its type -----------------

    def _str(self, key: str) -> str:
        return str(self._store.value(key, "") or "")

    def _int(self, key: str, default: int) -> int:
        try:
            return int(self._store.value(key, default))
        except (TypeError, ValueError):
            return default

    def _float(self, key: str, default: float) -> float:
        try:
            return float(self._store.value(key, default))
        except (TypeError, ValueError):
            return default

    def _bytes(self, key: str) -> QtCore.QByteArray:
        value = self._store.value(key)
        return value if isinstance(value, QtCore.QByteArray) else QtCore.QByteArray()
