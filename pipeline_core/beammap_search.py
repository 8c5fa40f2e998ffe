"""Finds the beam map that belongs to a raw file, which does not name one itself."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline_core.beammap import Beammap, read_beammap
from pipeline_core.errors import BeammapNeededError, ConfigError

__all__ = ["BEAMMAP_ENDING", "BEAMMAP_VARIABLE", "find_beammap", "find_beammap_path"]

BEAMMAP_ENDING = ".bmap"
BEAMMAP_VARIABLE = "MKID_BEAMMAP_PATH"

_REMEDY = f"Choose its beam map, or set {BEAMMAP_VARIABLE} to it."


def find_beammap(raw: Path, beammap: Beammap | Path | str | None = None) -> Beammap:
    """Return the beam map for a raw file.

    The one given; else ``$MKID_BEAMMAP_PATH``, a file or a folder with a single ``*.bmap``; else the single ``*.bmap``
    of the raw file's folder, or of the folder above. Where several lie side by side none is taken: the wrong one would
    put every photon's flags and resID astray.

    Parameters
    ----------
    raw : path
        The raw file, for the places to look at and for messages.
    beammap : Beammap or path, optional

    Raises
    ------
    BeammapNeededError
        If there is none or there are several; the message says where was looked.
    InputFormatError
        If it cannot be read.
    ConfigError
        If `beammap` is neither a map nor a path.
    """
    if isinstance(beammap, Beammap):
        return beammap
    if beammap is not None:
        if not isinstance(beammap, (str, os.PathLike)):
            raise ConfigError(f"beammap must be a path or a Beammap, not {beammap!r}.")
        return read_beammap(Path(beammap).expanduser())
    return read_beammap(find_beammap_path(raw))


def find_beammap_path(raw: Path) -> Path:
    """Return where the beam map of a raw file is, as `find_beammap` looks for it.

    Raises
    ------
    BeammapNeededError
        If there is none or there are several.
    """
    named = os.environ.get(BEAMMAP_VARIABLE)
    if named:
        return _named_by_variable(raw, Path(named).expanduser())
    folder = raw.absolute().parent
    places = list(dict.fromkeys([folder, folder.parent]))
    for place in places:
        found = _maps_in(place)
        if found:
            return _only(raw, place, found)
    looked = " and ".join(str(place) for place in places)
    raise BeammapNeededError(
        f"{raw} needs a beam map, and none was found: {BEAMMAP_VARIABLE} is not set, and no *{BEAMMAP_ENDING} lies in "
        f"{looked}. {_REMEDY}"
    )


def _named_by_variable(raw: Path, named: Path) -> Path:
    if not named.is_dir():
        if named.exists():
            return named
        raise BeammapNeededError(
            f"{raw} needs a beam map, but {BEAMMAP_VARIABLE} names {named}, which does not exist. {_REMEDY}"
        )
    found = _maps_in(named)
    if not found:
        raise BeammapNeededError(
            f"{raw} needs a beam map, but {named}, which {BEAMMAP_VARIABLE} names, holds no *{BEAMMAP_ENDING}. "
            f"{_REMEDY}"
        )
    return _only(raw, named, found)


def _maps_in(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.suffix == BEAMMAP_ENDING and path.is_file()
        )
    except OSError:
        return []


def _only(raw: Path, folder: Path, found: list[Path]) -> Path:
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found[:4]) + (", ..." if len(found) > 4 else "")
    raise BeammapNeededError(
        f"{raw} needs a beam map, and {folder} holds several: {names}. {_REMEDY}"
    )
