"""A scratch file without a name, written and read past the page cache, and memory that suits it.

What does not fit into memory would only push other things out of the page cache, and filling that costs the processor
more than sorting does. File systems that know no such access are used as usual.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import OutputError

__all__ = ["BLOCK", "ScratchFile", "page_aligned"]

Item = TypeVar("Item", bound=np.generic)

BLOCK = 4096
"""Bytes: places, sizes and memory of an access past the cache are multiples of it."""


def page_aligned(count: int, dtype: type[Item]) -> npt.NDArray[Item]:
    """Return an array of at least `count` items that fills whole pages (none for 0)."""
    if not count:
        return np.empty(0, dtype)
    size = -(-count * np.dtype(dtype).itemsize // BLOCK) * BLOCK
    # private: memory that could be shared comes in small pages, each of which costs a fault
    private = (
        {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    )
    pages = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype)


class ScratchFile:
    """Arrays one behind the other in a file of `folder` that vanishes with the process; made when first needed.

    `size` is how many bytes it has.
    """

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._folder = folder
        self._descriptor = -1
        self._buffers: dict[type[np.generic], npt.NDArray[Any]] = {}

    def close(self) -> None:
        """Give the space back."""
        self._buffers.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def append(self, array: npt.NDArray[Any], count: int) -> int:
        """Write the first `count` items of an array made by `page_aligned`; return their place.

        Raises
        ------
        OutputError
            If the disk is full, or the folder cannot be written to.
        """
        place = self.size
        size = -(-count * array.itemsize // BLOCK) * BLOCK
        view = memoryview(array.view(np.uint8))[:size]
        try:
            if self._descriptor < 0:
                self._create()
            at = place
            while view:
                written = self._write(view, at)
                at += written
                view = view[written:]
        except OSError as error:
            raise OutputError(
                f"Scratch space in {self._folder} cannot be written: {error.strerror}. Free some space there or "
                "choose another output folder."
            ) from error
        self.size = at
        return place

    def read(self, place: int, first: int, stop: int, dtype: type[Item]) -> npt.NDArray[Item]:
        """Return the items ``first:stop`` of an array written at `place`; valid until the next one of this dtype.

        Raises
        ------
        OutputError
            If the disk does not give them back.
        """
        if stop == first:
            return np.empty(0, dtype)
        item = np.dtype(dtype).itemsize
        begin = place + first * item
        skipped = begin % BLOCK
        end = place + stop * item
        size = -(-(end - begin + skipped) // BLOCK) * BLOCK
        buffer = self._buffers.get(dtype)
        if buffer is None or buffer.nbytes < size:
            buffer = self._buffers[dtype] = page_aligned(size // item, dtype)
        view = memoryview(buffer.view(np.uint8))[:size]
        at = begin - skipped
        while view:
            try:
                count = os.preadv(self._descriptor, [view], at)
            except OSError as error:
                raise self._lost() from error
            if count <= 0:
                raise self._lost()
            at += count
            view = view[count:]
        return buffer[skipped // item :][: stop - first]

    def _create(self) -> None:
        self._descriptor, name = tempfile.mkstemp(suffix=".part", dir=self._folder)
        Path(name).unlink()
        if hasattr(os, "O_DIRECT"):
            with suppress(OSError):
                self._set_direct(direct=True)

    def _set_direct(self, *, direct: bool) -> None:
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        flags = flags | os.O_DIRECT if direct else flags & ~os.O_DIRECT
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags)

    def _write(self, view: memoryview, at: int) -> int:
        try:
            return os.pwrite(self._descriptor, view, at)
        except OSError as error:
            if error.errno != errno.EINVAL or not hasattr(os, "O_DIRECT"):
                raise
        self._set_direct(direct=False)  # this file system has other blocks
        return os.pwrite(self._descriptor, view, at)

    def _lost(self) -> OutputError:
        return OutputError(f"Scratch space in {self._folder} was lost. Check the disk.")
