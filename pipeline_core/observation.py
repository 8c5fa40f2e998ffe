"""`open_observation`: whatever holds an observation opens here, and answers to the same names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from pipeline_core.beammap import Beammap
from pipeline_core.counts_only import CountsOnly
from pipeline_core.errors import ConfigError, OlderLayoutError
from pipeline_core.hdf5 import refuse_special
from pipeline_core.imgfile import Frame
from pipeline_core.obsfile import ObsFile
from pipeline_core.older.observation import OlderObservation
from pipeline_core.progress import Progress, silent
from pipeline_core.rawobservation import RawObservation
from pipeline_core.streamnames import is_stream_name

__all__ = ["Observation", "open_observation", "open_photons"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

Observation: TypeAlias = ObsFile | CountsOnly
"""What can be opened; `kind` says 'photons', 'raw' (a `RawObservation`), 'older' (an `OlderObservation`),
'frame' or 'stream'."""


def open_observation(
    path: Path | str | Sequence[Path | str],
    *,
    beammap: Beammap | Path | str | None = None,
    progress: Progress = silent,
) -> Observation:
    """Open a photon file, also one of an older program, a raw file or several, a frame, or a datastream.

    Photon files are recognised by their content, the others by their ending.

    Parameters
    ----------
    path : path or sequence of paths
        ``*.h5``, ``<unix second>.bin``, ``<unix second>.img`` or ``stream*.fits[.gz]``; several only of consecutive
        ``.bin`` files.
    beammap : Beammap or path, optional
        For raw files and frames; default: see `find_beammap`. Photon files have their own.
    progress : Progress
        Called while raw files, or those of older programs, are converted; may cancel.

    Returns
    -------
    ObsFile or CountsOnly
        To be closed by the caller, and used from the thread that opened it.

    Raises
    ------
    InputFormatError
        Missing, damaged, or none of these; the message says what to do.
    BeammapNeededError
        Raw files without a beam map of their camera.
    ConfigError
        Several files that make no observation.
    """
    paths = [Path(path)] if isinstance(path, (str, os.PathLike)) else [Path(one) for one in path]
    paths = [one.expanduser() for one in paths]
    for one in paths:
        refuse_special(one)
    if len(paths) != 1:
        return _open_several(paths, beammap, progress)
    (only,) = paths
    ending = only.suffix.lower()
    if ending in (".bin", ".img") and not _is_hdf5(only):
        if ending == ".bin":
            return RawObservation(only, beammap, progress)
        return Frame(only, beammap)
    if is_stream_name(only.name) and not _is_hdf5(only):
        from pipeline_core.streams import Stream  # astropy, which photons do not need

        return Stream(only, beammap, progress)
    try:
        return ObsFile(only)
    except OlderLayoutError:
        return OlderObservation(only, progress)


def open_photons(
    path: Path | str | Sequence[Path | str],
    *,
    beammap: Beammap | Path | str | None = None,
    progress: Progress = silent,
) -> ObsFile:
    """Open like `open_observation`, but only what has photons.

    Raises
    ------
    InputFormatError
        Also for a frame.
    """
    obs = open_observation(path, beammap=beammap, progress=progress)
    if isinstance(obs, CountsOnly):
        obs.photons()
    return obs


def _open_several(
    paths: list[Path], beammap: Beammap | Path | str | None, progress: Progress
) -> RawObservation:
    if not paths:
        raise ConfigError("No file was given.")
    other = next((path for path in paths if path.suffix.lower() != ".bin"), None)
    if other is not None:
        raise ConfigError(
            f"{other} cannot be opened together with other files: only consecutive .bin files can. Open it by itself."
        )
    return RawObservation(paths, beammap, progress)


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    except OSError:
        return False  # whoever opens it says why
