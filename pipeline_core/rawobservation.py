"""`RawObservation`: seconds of raw `.bin` files, with exactly the interface of `ObsFile`.

They are converted into a photon file in the user's cache and read from there, so that everything agrees with the photon
file of the same seconds. Raw files are never written to.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from pipeline_core import __version__, schema
from pipeline_core.beammap import CAMERAS, Beammap
from pipeline_core.beammap_search import find_beammap
from pipeline_core.binfile import scan_folder, second_in_name
from pipeline_core.cached_observation import CachedObservation
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.errors import BeammapNeededError, ConfigError, InputFormatError
from pipeline_core.progress import Progress, silent
from pipeline_core.rawcache import content_key, obtain
from pipeline_core.rawwords import BYTES_PER_WORD

__all__ = ["RawObservation"]

logger = logging.getLogger(__name__)

_DOUBTFUL = 0.2
"""Share of photon words outside the array from which on the beam map must be another camera's."""
_ENOUGH_PHOTONS = 1000
_STRAY = 0.001


class RawObservation(CachedObservation):
    """One raw file, or several of consecutive seconds, as one observation.

    Parameters
    ----------
    paths : path or sequence of paths
        ``<unix second>.bin`` of one folder. All of the folder's files between the first and the last must be among
        them. Packets that landed in the neighbouring seconds' files are found as well.
    beammap : Beammap or path, optional
        Default: see `find_beammap`.
    progress : Progress
        Called during the conversion; may cancel.

    Attributes
    ----------
    path : Path
        The first raw file.
    paths : tuple of Path
        All of them, in order of time.
    photon_file : Path
        What they were converted to. Others may remove it; an open one can be read on.

    Raises
    ------
    BeammapNeededError
        No beam map, or one of another camera.
    InputFormatError
        A file is missing, is not named by its second, or holds no packet of it.
    OutputError
        The cache cannot be written.
    ConfigError
        Files of several folders, or with seconds left out.
    """

    kind: ClassVar[str] = "raw"

    def __init__(
        self,
        paths: Path | str | Sequence[Path | str],
        beammap: Beammap | Path | str | None = None,
        progress: Progress = silent,
    ) -> None:
        given = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        self.paths = _in_order([Path(path).expanduser() for path in given])
        map_ = find_beammap(self.paths[0], beammap)
        super().__init__(self.paths[0], partial(_converted, self.paths, map_, progress))
        try:
            self._check_map(map_)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return super().__repr__().replace("<ObsFile", "<RawObservation", 1)

    def _opened_again(self) -> RawObservation:
        return RawObservation(self.paths, self.beammap)

    def _check_map(self, beammap: Beammap) -> None:
        """Refuse the beam map of another camera, as far as the photons' coordinates tell."""
        ncols, nrows = self.shape
        outside = sum(source.outside_array for source in self.sources)
        name = beammap.source or "given"
        if outside > _DOUBTFUL * (self.n_photons + outside):
            raise BeammapNeededError(
                f"{self.path}: {outside:,} of its photons lie outside the {ncols} x {nrows} array of the beam map "
                f"{name}. Choose the beam map of its camera."
            )
        if self.shape not in CAMERAS.values() or self.n_photons < _ENOUGH_PHOTONS:
            return
        image = self.count_image()
        for camera, (x, y) in CAMERAS.items():
            smaller = x < ncols and y < nrows
            if smaller and image.sum() - image[:x, :y].sum() <= _STRAY * self.n_photons:
                raise BeammapNeededError(
                    f"{self.path}: its photons fill only {x} x {y} pixels, as those of {camera}; the beam map {name} "
                    f"has {ncols} x {nrows}. Choose the beam map of its camera."
                )


def _in_order(paths: list[Path]) -> tuple[Path, ...]:
    """Return raw files in order of time; they must be all files of their folder's time range."""
    if not paths:
        raise ConfigError("No raw file was given.")
    for path in paths:
        _check_raw(path)
    folders = {path.absolute().parent for path in paths}
    if len(folders) > 1:
        names = ", ".join(str(folder) for folder in sorted(folders))
        raise ConfigError(
            f"{paths[0]} and others lie in different folders ({names}). Open files of one folder together."
        )
    found = {_second(path): path for path in paths}
    present = scan_folder(paths[0].absolute().parent).seconds
    first, last = min(found), max(found)
    missing = [s for s in present if first <= s <= last and s not in found]
    if missing:
        raise ConfigError(
            f"{paths[0]}: {len(missing)} of the folder's files between {first} and {last} are left out, such as "
            f"{missing[0]}.bin. Open consecutive files together, or one by one."
        )
    return tuple(found[second] for second in sorted(found))


def _second(path: Path) -> int:
    second = second_in_name(path)
    if second is None:
        raise InputFormatError(
            f"{path}: the name of a raw file must be its unix second (such as 1602050400.bin), which tells the year "
            "that its photons count from. Rename it."
        )
    return second


def _check_raw(path: Path) -> None:
    """Refuse what plainly is no raw file, before a beam map is asked for."""
    try:
        with path.open("rb") as stream:
            head = stream.read(BYTES_PER_WORD)
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
        ) from error
    if len(head) < BYTES_PER_WORD:
        what = "is empty" if not head else "holds not even one word"
        raise InputFormatError(f"{path} {what}: the readout wrote nothing. Choose another second.")
    _second(path)


def _converted(paths: tuple[Path, ...], beammap: Beammap, progress: Progress) -> Path:
    """Return the photon file of these raw files, from the cache or made now."""
    folder = scan_folder(paths[0].absolute().parent)
    start = _second(paths[0])
    duration = _second(paths[-1]) + 1 - start
    read = [folder.path(second) for second in folder.covering(start, duration)]
    # what an earlier version made of damaged files must not be shown again
    made_by = (schema.VERSION, schema.SOURCE_DTYPE.names, __version__)
    key = content_key(read, beammap.content_hash(), duration, *made_by)

    def make(out: Path) -> None:
        convert(ConvertSettings(folder.folder, start, duration, beammap, out), progress)

    try:
        return obtain(f"{start}-{key}.h5", make, progress)
    except InputFormatError as error:
        if str(paths[0]) in str(error):
            raise
        raise type(error)(f"{paths[0]} cannot be shown: {error}") from error
