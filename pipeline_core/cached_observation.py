"""`CachedObservation`: what is no photon file of ours, read through one that was made of it in the user's cache.

Base of raw files and of files of older programs. With exactly the interface of `ObsFile`, but nothing can be attached.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.obsfile import ObsFile
from pipeline_core.sidecar import Sidecar

__all__ = ["CachedObservation"]


class CachedObservation(ObsFile):
    """An observation that was converted to be read.

    Parameters
    ----------
    path : path
        What it is of.
    make : callable
        ``make()`` returns the photon file in the cache, made now if it is not there.

    Attributes
    ----------
    path : Path
    photon_file : Path
        What was made of it. Others may remove it; an open one can be read on.
    """

    def __init__(self, path: Path, make: Callable[[], Path]) -> None:
        self.photon_file = make()
        try:
            super().__init__(self.photon_file)
        except InputFormatError:
            # spoilt in the cache, which anybody may clean or damage: once more
            with suppress(OSError):
                self.photon_file.unlink()
            super().__init__(make())
        self.path = path
        self._sidecar = Sidecar(self.file_id)
        self._use(None)
        self._use_masks()

    def _check_writable(self) -> NoReturn:
        raise ConfigError(
            f"{self.path} is no photon file of this program, so nothing can be attached to it. Convert it first."
        )
