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

from pipeline_core.errors import InputFormatError
from pipeline_core.progress import Progress, silent
from pipeline_core.schema import SIDECAR_ENDING

__all__ = [
    "LONGEST_TRAILER",
    "Packed",
    "copy_bytes",
    "packed_of",
    "sidecar_inside",
    "trailer_bytes",
]

LONGEST_TRAILER = 4096
_MAGIC = b"mkid-packed-1\r\n\n"
_TAIL = struct.Struct("<Q16s")  # bytes of the JSON before it
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
    if magic != _MAGIC or length > LONGEST_TRAILER:
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
            copy_bytes(path, source, target, packed.sidecar, packed.sidecar_sha256)
        yield part


def trailer_bytes(packed: Packed) -> bytes:
    """Return what stands behind the two parts."""
    text = json.dumps(asdict(packed)).encode()
    return text + _TAIL.pack(len(text), _MAGIC)


def copy_bytes(
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
