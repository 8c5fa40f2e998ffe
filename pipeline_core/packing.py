"""Putting a photon file and its sidecar into one file for travelling (see `packed_file`), and taking them out again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline_core.atomic import write_aside
from pipeline_core.errors import ConfigError, InputFormatError, OutputError
from pipeline_core.hdf5 import open_readonly
from pipeline_core.obsfile import ObsFile
from pipeline_core.packed_file import LONGEST_TRAILER, Packed, copy_bytes, packed_of, trailer_bytes
from pipeline_core.progress import Progress, silent
from pipeline_core.schema import SIDECAR_ENDING
from pipeline_core.targets import check_free, check_room

__all__ = ["pack", "unpack"]

_ENDING = ".packed.h5"
_BLOCK = 4 << 20


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
        If it exists already (other files than a packed one of the same name are never replaced), or cannot be written.
    """
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
    check_free(target, overwrite=overwrite)
    _refuse_another(target, name)
    calibrations = sidecar.read_bytes()  # it is only ever replaced whole
    check_room(target, size + len(calibrations) + LONGEST_TRAILER, "the packed file")
    with write_aside(target, replace=overwrite, mode=0o444) as part, part.open("r+b") as stream:
        with path.open("rb") as source:
            expected = None if before is None else before.photons_sha256
            digest = copy_bytes(path, source, stream, size, expected, progress, f"packing {name}")
        stream.write(calibrations)
        hashed = hashlib.sha256(calibrations).hexdigest()
        stream.write(trailer_bytes(Packed(name, size, len(calibrations), digest, hashed)))
    return target


def _refuse_another(target: Path, name: str) -> None:
    """Refuse to replace anything but the same file in packed form, or what is damaged."""
    if not target.exists():
        return
    try:
        there = packed_of(target)
    except InputFormatError:
        return
    if there is None or there.name != name:
        raise OutputError(
            f"{target} is not {name} in packed form, so it is not replaced. Choose another name."
        )


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
            copy_bytes(path, source, stream, size, digest, progress, f"unpacking {target.name}")
    return photons, sidecar


def _is_same(path: Path, size: int, digest: str) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as stream:
        found = hashlib.sha256()
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest() == digest
