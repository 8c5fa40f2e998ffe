"""Preferences that survive: a typed facade over one INI file. Never reduction parameters.

``--fresh`` gives a facade that forgets everything at the end. Created by `quicklook.launch`, handed
to the main window and the dialogs. Whatever is in the file, every preference has a value of its
type: what cannot be read counts as not there.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from pipeline_core.display import LIMIT_MODES, STRETCHES
from quicklook.assets import defaults
from quicklook.display_settings import DisplaySettings
from quicklook.qt import QtCore, QtGui
from quicklook.theme import NAMES

__all__ = ["RECENT_LIMIT", "Settings", "is_key_sequence", "state_folder"]

RECENT_LIMIT = 12
"""The list of recent files is not longer than this."""

_VERSION = 1
_Value = TypeVar("_Value")


def state_folder() -> Path:
    """Return the user's folder for logs (XDG state folder); not created here."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "quicklook"


def is_key_sequence(text: str) -> bool:
    """Return whether a text names keys, as 'E; Ctrl+E' does; '' names none and is fine."""
    sequences = [QtGui.QKeySequence(keys) for keys in text.split("; ")] if text else []
    keys = [sequence[k] for sequence in sequences for k in range(sequence.count())]
    return all(not sequence.isEmpty() for sequence in sequences) and _NO_KEY not in keys


_NO_KEY = int(QtCore.Qt.Key.Key_unknown)


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


# --- how values are read: an INI file gives back text, or whatever stands there --------------------


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise TypeError(raw)
    os.fsencode(raw)  # half a character is no text
    if "\0" in raw:
        raise ValueError(raw)
    return raw


def _bytes(raw: object) -> QtCore.QByteArray:
    if not isinstance(raw, QtCore.QByteArray):
        raise TypeError(raw)
    return raw


def _truth(raw: object) -> bool:
    return {"true": True, "false": False}[str(raw).lower()]


def _number(low: float, high: float) -> Callable[[Any], float]:
    def read(raw: Any) -> float:
        value = float(raw)
        if not math.isfinite(value):
            raise ValueError(raw)
        return min(max(value, low), high)

    return read


def _one_of(choices: Sequence[str]) -> Callable[[object], str]:
    def read(raw: object) -> str:
        if raw not in choices:
            raise ValueError(raw)
        return str(raw)

    return read


def _paths(raw: object) -> tuple[Path, ...]:
    found = json.loads(_text(raw))
    return tuple(Path(_text(item)) for item in found if item)[:RECENT_LIMIT]


def _shortcuts(raw: object) -> dict[str, str]:
    found = json.loads(_text(raw))
    return {k: v for k, v in found.items() if isinstance(v, str) and is_key_sequence(v)}


def _display(raw: object) -> DisplaySettings:
    """Read field by field: one that is not understood has its default."""
    found = json.loads(_text(raw))
    usual = DisplaySettings()
    percent = _number(0.0, 100.0)
    readers: dict[str, Callable[[Any], Any]] = {
        "stretch": _one_of(STRETCHES),
        "limits": _one_of(LIMIT_MODES),  # limits by hand belong to one image
        "percentiles": lambda pair: (percent(pair[0]), percent(pair[1])),
        "colour_map": _text,
        "inverted": _truth,
        "mark_flagged": _truth,
    }
    values = {}
    for name, read in readers.items():
        try:
            values[name] = read(found[name])
        except _UNREADABLE:
            values[name] = getattr(usual, name)
    low, high = values["percentiles"]
    if not low < high:
        values["percentiles"] = usual.percentiles
    return DisplaySettings(**values)


def _plain(value: object) -> object:
    return value


def _json_paths(paths: Sequence[Path]) -> str:
    return json.dumps([str(path) for path in paths])


def _json_display(display: DisplaySettings) -> str:
    names = ["stretch", "limits", "percentiles", "colour_map", "inverted", "mark_flagged"]
    return json.dumps({name: getattr(display, name) for name in names})


_UNREADABLE = (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError)


class _Preference(Generic[_Value]):
    """One preference: where it is kept, what it is at first, how it is read and written.

    `read` raises one of `_UNREADABLE` for what it does not understand.
    """

    def __init__(
        self,
        key: str,
        default: _Value,
        read: Callable[[Any], _Value],
        write: Callable[[Any], object] = _plain,
    ) -> None:
        self._key = key
        self._default = default
        self._read = read
        self._write = write

    @overload
    def __get__(self, settings: None, owner: type) -> _Preference[_Value]: ...

    @overload
    def __get__(self, settings: Settings, owner: type) -> _Value: ...

    def __get__(self, settings: Settings | None, owner: type) -> _Preference[_Value] | _Value:
        if settings is None:
            return self
        try:
            return self._read(settings.raw(self._key))
        except _UNREADABLE:
            return self._default

    def __set__(self, settings: Settings, value: _Value) -> None:
        settings.put(self._key, self._write(value))


_EMPTY = QtCore.QByteArray()


class Settings:
    """What the user prefers, by name. Every attribute has a type and a default.

    Parameters
    ----------
    path : Path, optional
        INI file; default the user's own (``~/.config/quicklook/quicklook.ini``).

    Attributes
    ----------
    theme : str
        One of `quicklook.theme.NAMES`.
    font_scale : float
        Size of the text relative to the usual one, 0.8 to 2.
    display : DisplaySettings
        How an image is drawn. Not kept: limits by hand, their lock, and the part of the image
        that they look at, since these belong to one image.
    auto_update : bool
        Draw the image anew whenever the controls change, without Plot Image.
    bin_ms : float
        Effective exposure time of light curve and histogram [ms].
    recent_files : tuple of Path
        Newest first; some may not be there any more. `add_recent` adds one.
    shortcuts : dict
        Name of an action -> its keys, for those that the person has changed; several are separated
        by '; ', '' is none.
    photon_folder, export_folder, bin_folder, beammap, solution_folder : str
        What was used last: folders of photon files, exports, .bin files; beam map; folder of wavelength solutions.
        '' at first.
    geometry, splitter, window_state : QByteArray
        Places of the main window's parts, as Qt saves them; empty if never saved.
    show_files_panel : bool
        Whether the panel with the files of the folder is open.
    """

    theme = _Preference("looks/theme", "light", _one_of(NAMES))
    font_scale = _Preference("looks/font_scale", 1.0, _number(0.8, 2.0), float)
    display = _Preference("image/display", DisplaySettings(), _display, _json_display)
    auto_update = _Preference("image/auto_update", False, _truth)
    bin_ms = _Preference(
        "plots/bin_ms", defaults()["bin_ms"], _number(*defaults()["bin_ms_range"]), float
    )
    recent_files = _Preference[tuple[Path, ...]]("folders/recent", (), _paths, _json_paths)
    shortcuts = _Preference[Mapping[str, str]]("keyboard/shortcuts", {}, _shortcuts, json.dumps)
    photon_folder = _Preference("folders/photon_files", "", _text)
    export_folder = _Preference("folders/export", "", _text)
    bin_folder = _Preference("convert/bin_folder", "", _text)
    beammap = _Preference("convert/beammap", "", _text)
    solution_folder = _Preference("folders/solutions", "", _text)
    geometry = _Preference("window/geometry", _EMPTY, _bytes)
    splitter = _Preference("window/splitter", _EMPTY, _bytes)
    window_state = _Preference("window/state", _EMPTY, _bytes)
    show_files_panel = _Preference("window/files_panel", True, _truth)

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
        try:
            stored = int(self.raw("version"))
        except _UNREADABLE:
            stored = 0
        if stored > _VERSION:
            self._store.clear()
        if stored != _VERSION:
            self.put("version", _VERSION)

    @property
    def place(self) -> str:
        """The file that keeps the preferences; '' if they are forgotten at the end."""
        return self._store.fileName() if isinstance(self._store, QtCore.QSettings) else ""

    def sync(self) -> None:
        """Write everything to the file now."""
        self._store.sync()

    def add_recent(self, path: Path) -> None:
        """Put a file at the head of the list of recent ones."""
        path = path.absolute()
        others = [other for other in self.recent_files if other != path]
        self.recent_files = (path, *others)[:RECENT_LIMIT]

    def shortcut(self, name: str, usual: str) -> str:
        """Return the keys of an action: those the person has chosen, else the usual ones."""
        return self.shortcuts.get(name, usual)

    def raw(self, key: str) -> Any:
        """Return what the file says, None if nothing. For the preferences above only."""
        return self._store.value(key)

    def put(self, key: str, value: object) -> None:
        """Keep a value that the file can hold. For the preferences above only."""
        self._store.setValue(key, value)
