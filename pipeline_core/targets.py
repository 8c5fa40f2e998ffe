"""Which file an export may become: its ending tells the format, and data are never written over.

Light on purpose (no astropy): pictures of the window pass through here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline_core.errors import ConfigError, OutputError

__all__ = ["check_target"]

_DATA_ENDINGS = (".h5", ".hdf5", ".bin", ".img", ".bmap")
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


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
