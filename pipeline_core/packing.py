"""One file for travelling: a photon file with its sidecar behind it, and back, bit for bit.

A packed file is the photon file's bytes, the sidecar's bytes, and a trailer that says what they are. HDF5 looks at the
first part only, so whatever opens photon files opens it; `ObsFile` reads the sidecar too. What is changed in a packed
observation goes into a sidecar beside it, as ever: the packed file itself is never written to.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline_core.atomic import write_aside
from pipeline_core.errors import ConfigError, InputFormatError, OutputError
from pipeline_core.hdf5 import open_readonly
from pipeline_core.progress import Progress, silent
from pipeline_core.schema import SIDECAR_ENDING
from pipeline_core.targets import check_room

__all__ = ["Packed", "pack", "packed_of", "sidecar_inside", "unpack"]

_ENDING = ".packed.h5"
_MAGIC = b"mkid-packed-1\r\n\n"
_TAIL = struct.Struct("<Q16s")  # bytes of the JSON before it
_LONGEST_TRAILER = 4096
_BLOCK = 4 << 20
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Packed:
    """The trailer of a packed file.

    Attributes
    ----------
    name : str
        Of the photon file.
    photons, sidecar : int
        Bytes of the two parts.
    photons_sha256, sidecar_sha256 : str
    """

    name: str
    photons: int
    sidecar: int
    photons_sha256: str
    sidecar_sha256: str


def packed_of(path: Path) -> Packed | None:
    """Return the trailer of a packed file; None of a plain photon file.

    Raises
    ------
    InputFormatError
        If there are bytes behind the photon file, but no sound trailer: it was cut off or spoilt, and would seem to
        be without calibration.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        end = _end_of_hdf5(stream.read(64))
        if end is None or size <= end:
            return None
        try:
            return _trailer(stream, size)
        except (ValueError, TypeError, struct.error) as error:
            raise InputFormatError(
                f"{path} is damaged: behind the photons there are {size - end} bytes that are no packed sidecar, or a "
                "part of one. Copy it again."
            ) from error


def _end_of_hdf5(head: bytes) -> int | None:
    """Return where an HDF5 file of 64-bit addresses says that it ends; None of anything else."""
    if not head.startswith(_HDF5) or len(head) < 64:
        return None
    version = head[8]
    place = {0: 40, 1: 44, 2: 28, 3: 28}.get(version)
    if place is None or head[13 if version < 2 else 9] != 8:
        return None
    return int(struct.unpack_from("<Q", head, place)[0])


def _trailer(stream: BinaryIO, size: int) -> Packed:
    """Read the trailer; raises ValueError or TypeError if it is none."""
    stream.seek(max(size - _TAIL.size, 0))
    length, magic = _TAIL.unpack(stream.read())
    if magic != _MAGIC or length > _LONGEST_TRAILER:
        raise ValueError("no trailer")
    stream.seek(size - _TAIL.size - length)
    found = Packed(**json.loads(stream.read(length)))
    kinds = (str, int, int, str, str)
    if any(
        type(value) is not kind for value, kind in zip(asdict(found).values(), kinds, strict=True)
    ):
        raise TypeError("another trailer")
    if (
        found.photons + found.sidecar + length + _TAIL.size != size
        or min(found.photons, found.sidecar) < 0
    ):
        raise ValueError("the parts do not add up")
    if Path(found.name).name != found.name or not found.name:
        raise ValueError("a name that is no name")
    return found


@contextlib.contextmanager
def sidecar_inside(path: Path, packed: Packed) -> Iterator[Path]:
    """Give a temporary file with the sidecar of a packed file.

    Raises
    ------
    InputFormatError
        If its bytes are not those that were packed.
    """
    with tempfile.TemporaryDirectory(prefix="quicklook-") as folder:
        part = Path(folder) / f"{path.stem}{SIDECAR_ENDING}"
        with path.open("rb") as source, part.open("wb") as target:
            source.seek(packed.photons)
            _copy(path, source, target, packed.sidecar, packed.sidecar_sha256)
        yield part


def pack(
    path: Path | str,
    out: Path | str | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write a photon file and its sidecar into one file, which opens like the photon file, calibrations included.

    Parameters
    ----------
    path : path
        The photon file (or a packed one, whose sidecar beside it then is packed in place of the one inside).
    out : path, optional
        Default: ``<name>.packed.h5`` beside the photon file.
    overwrite : bool
        Whether `out` may be replaced.
    progress : Progress
        Bytes; may cancel.

    Returns
    -------
    Path
        The packed file, read-only.

    Raises
    ------
    InputFormatError
        If one of the two cannot be opened.
    ConfigError
        If there is no sidecar, so that the photon file can travel as it is.
    OutputError
        If it exists already or cannot be written.
    """
    from pipeline_core.obsfile import (
        ObsFile,
    )  # which reads packed files, with the help of this module

    path = Path(path).expanduser()
    with ObsFile(path) as obs:  # both are what they should be
        sidecar = obs.sidecar
    if not sidecar.exists():
        raise ConfigError(f"{path} has no sidecar, so there is nothing to pack: copy it as it is.")
    before = packed_of(path)
    name = path.name if before is None else before.name
    size = path.stat().st_size if before is None else before.photons
    target = (
        path.with_name(f"{Path(name).stem}{_ENDING}") if out is None else Path(out).expanduser()
    )
    if target.absolute() == path.absolute():
        raise OutputError(f"{target} is the file to be packed. Choose another name.")
    calibrations = sidecar.read_bytes()  # it is only ever replaced whole
    check_room(target, size + len(calibrations) + _LONGEST_TRAILER, "the packed file")
    with write_aside(target, replace=overwrite, mode=0o444) as part, part.open("r+b") as stream:
        with path.open("rb") as source:
            expected = None if before is None else before.photons_sha256
            digest = _copy(path, source, stream, size, expected, progress, f"packing {name}")
        stream.write(calibrations)
        hashed = hashlib.sha256(calibrations).hexdigest()
        trailer = json.dumps(asdict(Packed(name, size, len(calibrations), digest, hashed))).encode()
        stream.write(trailer + _TAIL.pack(len(trailer), _MAGIC))
    return target


def unpack(
    path: Path | str,
    folder: Path | str | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple[Path, Path]:
    """Write the photon file and the sidecar that were packed, bit for bit.

    Parameters
    ----------
    path : path
        A packed file.
    folder : path, optional
        Where they go, under their old names. Default: beside the packed file.
    overwrite : bool
        Whether they may replace others. Files that are the same already are left alone.
    progress : Progress
        Bytes; may cancel.

    Returns
    -------
    tuple of Path
        Photon file and sidecar.

    Raises
    ------
    InputFormatError
        If it is no packed file, or one of the two parts is not what was packed.
    OutputError
        If one exists already, or cannot be written.
    """
    path = Path(path).expanduser()
    open_readonly(path).close()  # says what it is, if it is something else
    packed = packed_of(path)
    if packed is None:
        raise InputFormatError(
            f"{path} is not packed: there is no sidecar in it. Choose a packed file."
        )
    folder = path.parent if folder is None else Path(folder).expanduser()
    photons = folder / packed.name
    sidecar = folder / f"{photons.stem}{SIDECAR_ENDING}"
    check_room(photons, packed.photons + packed.sidecar, "what is in it")
    # the sidecar first: a photon file without it would pass for one without calibration
    parts = (
        (sidecar, packed.photons, packed.sidecar, packed.sidecar_sha256, 0o666),
        (photons, 0, packed.photons, packed.photons_sha256, 0o444),
    )
    for target, _, size, digest, _ in parts:
        if target.exists() and not overwrite and not _is_same(target, size, digest):
            raise OutputError(
                f"{target} exists already. Choose another folder, or ask to overwrite it."
            )
    for target, first, size, digest, mode in parts:
        if target.exists() and _is_same(target, size, digest):
            continue
        with (
            write_aside(target, replace=overwrite, mode=mode) as part,
            part.open("r+b") as stream,
            path.open("rb") as source,
        ):
            source.seek(first)
            _copy(path, source, stream, size, digest, progress, f"unpacking {target.name}")
    return photons, sidecar


def _copy(
    path: Path,
    source: BinaryIO,
    target: Any,
    size: int,
    expected: str | None,
    progress: Progress = silent,
    stage: str = "",
) -> str:
    """Copy bytes and return their SHA-256; raise InputFormatError if they end too soon or are not the expected."""
    digest = hashlib.sha256()
    done = 0
    while done < size:
        progress(done, size, stage)
        block = source.read(min(_BLOCK, size - done))
        if not block:
            break
        digest.update(block)
        target.write(block)
        done += len(block)
    if done < size or expected not in (None, digest.hexdigest()):
        raise InputFormatError(
            f"{path} is damaged: its bytes are not those that were packed. Copy it again."
        )
    return digest.hexdigest()


def _is_same(path: Path, size: int, digest: str) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as stream:
        found = hashlib.sha256()
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest() == digest
