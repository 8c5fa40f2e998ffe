"""`OlderObservation`: a photon file of an older program, with exactly the interface of `ObsFile`; read-only."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from pipeline_core import __version__, schema
from pipeline_core.cached_observation import CachedObservation
from pipeline_core.older.convert import convert_older
from pipeline_core.progress import Progress, silent
from pipeline_core.rawcache import content_key, obtain

__all__ = ["OlderObservation"]


class OlderObservation(CachedObservation):
    """A photon file of layout V0 to V5.

    Parameters
    ----------
    path : path
    progress : Progress
        Called while it is brought in, which happens once; may cancel.

    Attributes
    ----------
    layout : str
        'V0' to 'V5'.
    doubts : tuple of str
        What is not certain or not known of it, in sentences.

    Raises
    ------
    InputFormatError
        If it is damaged, or none of these layouts.
    OutputError
        If the cache cannot be written.
    """

    kind: ClassVar[str] = "older"

    def __init__(self, path: Path | str, progress: Progress = silent) -> None:
        older = Path(path).expanduser()
        super().__init__(older, partial(_brought_in, older, progress))
        origin = self._file.origin
        self.layout = str(origin.get("layout", "unknown"))
        self.doubts = tuple(str(doubt) for doubt in origin.get("doubts", ()))

    def __repr__(self) -> str:
        return super().__repr__().replace("<ObsFile", f"<OlderObservation ({self.layout})", 1)

    def _opened_again(self) -> OlderObservation:
        return OlderObservation(self.path)


def _brought_in(path: Path, progress: Progress) -> Path:
    """Return our photon file of an older one, from the cache or made now."""
    key = content_key([path], "older", schema.VERSION, __version__)

    def make(out: Path) -> None:
        convert_older(path, out, progress=progress)

    return obtain(f"older-{key}.h5", make, progress)
