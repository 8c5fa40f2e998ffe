"""Times and phases of the pixels looked at last, so that the next plot of the same region is not decoded again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline_core.progress import Progress, silent

__all__ = ["Columns", "PixelCache"]

Columns = tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]
"""Times (us, ascending) and phases (deg) of one pixel; read-only."""

_LIMIT_BYTES = 256_000_000
_PIXELS_A_REPORT = 32


class PixelCache:
    """Least recently used pixels go first once the limit is reached; the newest one always stays.

    Parameters
    ----------
    load : callable
        ``load(pixel) -> (times, phases)``.
    place : callable
        ``place(pixel) -> int``: pixels that are to be loaded are loaded in this order.
    limit_bytes : int
    """

    def __init__(
        self,
        load: Callable[[tuple[int, int]], Columns],
        place: Callable[[tuple[int, int]], int],
        limit_bytes: int = _LIMIT_BYTES,
    ) -> None:
        self._load = load
        self._place = place
        self._limit = limit_bytes
        self._kept: OrderedDict[tuple[int, int], Columns] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """What is kept."""
        return self._bytes

    def get(self, pixel: tuple[int, int]) -> Columns:
        """Return a pixel's photons, from memory or from the file."""
        columns = self._kept.pop(pixel, None)
        if columns is None:
            columns = self._load(pixel)
            for values in columns:
                values.setflags(write=False)
            self._bytes += sum(values.nbytes for values in columns)
        self._kept[pixel] = columns
        while self._bytes > self._limit and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= sum(values.nbytes for values in gone)
        return columns

    def in_order(self, pixels: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return pixels in the order of the file: reads in this order are quickest."""
        return sorted(pixels, key=self._place)

    def each(
        self, pixels: Sequence[tuple[int, int]], progress: Progress = silent
    ) -> Iterator[Columns]:
        """Yield the photons of several pixels, in the order of the file."""
        for k, pixel in enumerate(self.in_order(pixels)):
            if k % _PIXELS_A_REPORT == 0:
                progress(k, len(pixels), "reading pixels")
            yield self.get(pixel)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0
