"""Where a file may be written: its ending tells the format, data are never written over, the disk has room.

Light on purpose (no astropy): pictures of the window pass through here too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline_core.errors import ConfigError, OutputError

__all__ = ["check_free", "check_room", "check_target", "refuse_raw"]

_RAW_ENDINGS = (".bin", ".img", ".bmap")
_DATA_ENDINGS = (".h5", ".hdf5", *_RAW_ENDINGS)
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_MARGIN_BYTES = 10 << 20


def check_target(path: Path, endings: Sequence[str], sources: Iterable[Path] = ()) -> str:
    """Return the ending of a file to be written, in lower case.

    Parameters
    ----------
    path : path
        The file that shall appear.
    endings : sequence of str
        Those allowed, such as ``(".fits", ".csv")``.
    sources : iterable of path
        Files that the product was made from.

    Raises
    ------
    ConfigError
        The ending is not among those.
    OutputError
        It is a file of photons, raw data or a sidecar, under whatever name or link.
    """
    ending = path.suffix.lower()
    if ending not in endings:
        raise ConfigError(
            f"{path}: the name must end in {', '.join(endings)}, which tells the format."
        )
    if path.exists() and _holds_data(path, sources):
        raise OutputError(f"{path} holds data, which are never written over. Choose another name.")
    return ending


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse to begin long work for a name that is taken; whoever writes the file looks again.

    Raises
    ------
    OutputError
        There is such a file, and it must not be replaced.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already. Choose another name, or ask to overwrite it.")


def refuse_raw(path: Path) -> None:
    """Refuse to replace a file of raw data or a beam map, under whatever link, with something of ours.

    Raises
    ------
    OutputError
        With the remedy.
    """
    if path.exists() and path.resolve().suffix.lower() in _RAW_ENDINGS:
        raise OutputError(f"{path} holds data, which are never written over. Choose another name.")


def check_room(
    path: Path, n_bytes: float, what: str, *, remedy: str = "choose another output"
) -> None:
    """Refuse to begin what the disk has no room for.

    Parameters
    ----------
    path : path
        The file that shall appear.
    n_bytes : float
        How large it may become, with what is written beside it meanwhile; some room is left over.
    what : str
        Who needs it, such as ``'this export'``.
    remedy : str
        What helps beside freeing space.

    Raises
    ------
    OutputError
        There is too little room, or the folder cannot be used.
    """
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise OutputError(
            f"Folder {path.parent} cannot be used: {error.strerror}. Create it or choose another output."
        ) from error
    needed = n_bytes + _MARGIN_BYTES
    if free < needed:
        raise OutputError(
            f"The disk that holds {path.parent} has {free / 1e9:.1f} GB free; {what} may need {needed / 1e9:.1f} GB. "
            f"Free some space or {remedy}."
        )


def _holds_data(path: Path, sources: Iterable[Path]) -> bool:
    if path.resolve().suffix.lower() in _DATA_ENDINGS:
        return True  # a link with a harmless name
    if any(source.exists() and path.samefile(source) for source in sources):
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    except OSError:
        return False  # writing it will say why
