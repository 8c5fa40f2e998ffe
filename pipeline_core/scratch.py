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
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import OutputError

__all__ = ["BLOCK", "ScratchFile", "page_aligned", "pages_used_again"]

Item = TypeVar("Item", bound=np.generic)

BLOCK = 4096
"""Bytes: places, sizes and memory of an access past the cache are multiples of it."""

_PIECE = 12 << 20
_KEPT_BYTES = 400_000_000


class _Reuse:
    """Pages that the next work takes over, and those that the present one has: `depth` works are under way."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth = 0
        self.spoilt = False
        self.taken: list[npt.NDArray[np.uint8]] = []
        self.spare: list[npt.NDArray[np.uint8]] = []


_reuse = _Reuse()


@contextmanager
def pages_used_again() -> Iterator[None]:
    """Let the memory that `page_aligned` gives inside be used again by the next work in such a block.

    Fresh memory is cleared by the system, and in a virtual machine it may have to be found first: that costs more than
    sorting does. What was given must not be used any more after the block; after an error, when threads may still be
    at work, it is left to the collector. Some 400 MB are kept.
    """
    with _reuse.lock:
        _reuse.depth += 1
    ended_well = False
    try:
        yield
        ended_well = True
    finally:
        with _reuse.lock:
            _reuse.depth -= 1
            _reuse.spoilt |= not ended_well
            if not _reuse.depth:
                if not _reuse.spoilt:
                    _reuse.spare += _reuse.taken
                _reuse.taken, _reuse.spoilt = [], False
                while sum(pages.nbytes for pages in _reuse.spare) > _KEPT_BYTES:
                    _reuse.spare.pop(0)


def page_aligned(count: int, dtype: type[Item]) -> npt.NDArray[Item]:
    """Return an array of at least `count` items that fills whole pages (none for 0)."""
    if not count:
        return np.empty(0, dtype)
    size = -(-count * np.dtype(dtype).itemsize // BLOCK) * BLOCK
    with _reuse.lock:
        if not _reuse.depth:
            return _fresh_pages(size).view(dtype)
        size = -(-size // _PIECE) * _PIECE  # of few sizes, so that they fit
        fitting = (k for k, pages in enumerate(_reuse.spare) if pages.nbytes == size)
        k = next(fitting, None)
        pages = _fresh_pages(size) if k is None else _reuse.spare.pop(k)
        _reuse.taken.append(pages)
        return pages.view(dtype)


def _fresh_pages(size: int) -> npt.NDArray[np.uint8]:
    # private: memory that could be shared comes in small pages, each of which costs a fault
    private = (
        {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    )
    pages = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, np.uint8)


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
