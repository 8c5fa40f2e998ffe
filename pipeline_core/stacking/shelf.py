"""Frames that do not fit into memory: they wait in a scratch file beside the result, and come back band by band."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.fits_facts import Facts
from pipeline_core.scratch import ScratchFile, page_aligned
from pipeline_core.stacking.frames import Frame, StackFrame

__all__ = ["Shelf"]

FloatArray = npt.NDArray[np.float64]


class Shelf:
    """Keeps frames: the first ones in memory, as many as fit into `limit` bytes, the others in a file of `folder`.

    The frames that it returns can be used until it is closed.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._file = ScratchFile(folder)
        self._room = limit

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    @property
    def n_bytes(self) -> int:
        """How much lies on disk."""
        return self._file.size

    def keep(self, frame: StackFrame) -> Frame:
        """Return a frame as it is, or one that reads the same from the disk.

        Raises
        ------
        OutputError
            The disk is full, or the folder cannot be written.
        """
        self._room -= frame.rate.nbytes + frame.variance.nbytes + frame.exposure_s.nbytes
        if self._room >= 0:
            return frame
        planes = [frame.exposure_s]
        for k in range(frame.n_band):
            planes += frame.band(k)
        return _ShelvedFrame(
            frame.name,
            frame.edges_nm,
            frame.camera,
            frame.facts,
            frame.shape,
            frame.n_band,
            frame.usual_counts,
            self._file,
            tuple(self._put(plane) for plane in planes),
        )

    def _put(self, plane: FloatArray) -> int:
        buffer = page_aligned(plane.size, np.float64)
        buffer[: plane.size] = plane.ravel()
        return self._file.append(buffer, plane.size)


@dataclass(frozen=True, eq=False)
class _ShelvedFrame:
    """A frame on disk; `places` of the time alive, then of rate and variance of each band."""

    name: str
    edges_nm: FloatArray | None
    camera: str
    facts: Facts
    shape: tuple[int, int]
    n_band: int
    usual_counts: float
    file: ScratchFile
    places: tuple[int, ...]

    @property
    def exposure_s(self) -> FloatArray:
        """As of `StackFrame`."""
        return self._plane(0)

    def band(self, k: int) -> tuple[FloatArray, FloatArray]:
        """As of `StackFrame`."""
        return self._plane(2 * k + 1), self._plane(2 * k + 2)

    def _plane(self, number: int) -> FloatArray:
        n = self.shape[0] * self.shape[1]
        # a copy: what the file gives is valid until it is asked again
        return self.file.read(self.places[number], 0, n, np.float64).reshape(self.shape).copy()
