"""Raw `.bin` files: finding the seconds of a night, and streaming their words in slabs of bounded size.

The readout writes one file a second, named by the computer's clock; photons carry the boards' clock. What
belongs to a second is therefore spread over neighbouring files. Nothing here writes to a raw file.
"""

from __future__ import annotations

import errno
import os
import random
import re
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import InputFormatError
from pipeline_core.rawwords import BYTES_PER_WORD
from pipeline_core.scratch import BLOCK, page_aligned

__all__ = [
    "HEADROOM_WORDS",
    "NO_SECOND",
    "BinFolder",
    "Segment",
    "Slab",
    "scan_folder",
    "second_in_name",
    "stream_files",
    "stream_slabs",
]

# a leading zero makes it another name of the same second, and no read-out writes one
_NAME = re.compile(r"([1-9]\d{8,9})\.bin")
SLAB_WORDS = 1 << 22
"""Words of a slab: 32 MiB, a few of which are held at once."""

HEADROOM_WORDS = 3 << 12
"""Words in front of a slab's first one that are free: for what is left over of the slab before."""

NO_SECOND = -1
"""Stands for the unix second of a file whose name tells none."""

_PROBES = 3
_BLOCK_WORDS = BLOCK // BYTES_PER_WORD


def second_in_name(path: Path) -> int | None:
    """Return the unix second that a raw file is named by; None where the name tells none."""
    match = _NAME.fullmatch(path.name)
    return int(match.group(1)) if match else None


@dataclass(frozen=True)
class BinFolder:
    """The raw files of a folder: `seconds` (unix, ascending) and the `folder` they are in."""

    folder: Path
    seconds: tuple[int, ...]

    def path(self, second: int) -> Path:
        """Return the path of the file of a unix second."""
        return self.folder / f"{second}.bin"

    def covering(self, start: int, duration: int) -> tuple[int, ...]:
        """Return the seconds whose files may hold photons of ``[start, start + duration)``.

        One second before and two after are looked at as well: the computer's clock may be slow, and packets wait
        in network buffers.

        Raises
        ------
        InputFormatError
            If the folder holds none of the seconds asked for.
        """
        inside = [s for s in self.seconds if start <= s < start + duration]
        if not inside:
            raise InputFormatError(
                f"Folder {self.folder} has no .bin file between {start} and {start + duration - 1}; it holds "
                f"{self.seconds[0]} to {self.seconds[-1]} ({len(self.seconds)} files). Choose a start and a "
                "duration within these."
            )
        return tuple(s for s in self.seconds if start - 1 <= s < start + duration + 2)


def scan_folder(folder: Path | str) -> BinFolder:
    """List the raw files of a folder; other files are ignored, such as logs and names with leading zeros.

    Raises
    ------
    InputFormatError
        If the folder cannot be read or holds no ``<unix second>.bin``.
    """
    folder = Path(folder)
    try:
        with os.scandir(folder) as entries:
            matches = [_NAME.fullmatch(entry.name) for entry in entries]
    except OSError as error:
        raise InputFormatError(
            f"Folder {folder} cannot be read: {error.strerror}. Choose the folder of the night's .bin files."
        ) from error
    seconds = sorted(int(match.group(1)) for match in matches if match)
    if not seconds:
        raise InputFormatError(
            f"Folder {folder} holds no .bin file named by a unix second (such as 1602050400.bin). "
            "Choose the folder of the night's .bin files."
        )
    return BinFolder(folder, tuple(seconds))


@dataclass(frozen=True)
class Segment:
    """The words ``first:stop`` of a slab, which came from the file of unix `second` (`NO_SECOND` if not known).

    `opens_file` and `closes_file` are true at a file's beginning and end; `spare_bytes` counts bytes at its end that
    make up no word. They lie in the slab, behind its words.
    """

    second: int
    first: int
    stop: int
    opens_file: bool
    closes_file: bool
    spare_bytes: int


@dataclass(frozen=True, eq=False)
class Slab:
    """Words of one file or several; only those inside the `segments` mean anything.

    A segment that goes on with a file is the first one, and `HEADROOM_WORDS` in front of it may be written to.
    """

    words: npt.NDArray[np.uint64]
    segments: tuple[Segment, ...]

    @property
    def n_words(self) -> int:
        """Words in all segments."""
        return sum(segment.stop - segment.first for segment in self.segments)


class _RawFile:
    """One open raw file.

    A file that is not in the page cache is read past it: that saves a copy, and with it two thirds of the processor
    time of a read, and leaves the cache to those who need it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.direct = False
        try:
            # a pipe would keep us waiting for somebody who writes to it
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            self._refuse_special()
            if not self._is_cached():
                self._bypass_cache()
        except OSError as error:
            raise InputFormatError(
                f"Raw file {path} cannot be read: {error.strerror}. Check the disk and the permissions."
            ) from error

    def _refuse_special(self) -> None:
        mode = os.fstat(self._fd).st_mode
        if stat.S_ISREG(mode):
            return
        os.close(self._fd)
        what = "a folder" if stat.S_ISDIR(mode) else "no ordinary file (a pipe or a device)"
        raise InputFormatError(
            f"Raw file {self._path} cannot be read: it is {what}. Move it out of the way or choose other seconds."
        )

    def _is_cached(self) -> bool:
        if not (hasattr(os, "RWF_NOWAIT") and hasattr(os, "O_DIRECT")):
            return True
        size = os.fstat(self._fd).st_size
        # asking makes Linux fetch what is near: the next one to ask must not come to the same place
        places = [random.randrange(max(size, 1)) for _ in range(_PROBES)]
        try:
            return all(os.preadv(self._fd, [bytearray(1)], at, os.RWF_NOWAIT) >= 0 for at in places)
        except BlockingIOError:
            return False
        except OSError:  # a file system that cannot tell
            return True

    def _bypass_cache(self) -> None:
        try:
            direct = os.open(self._path, os.O_RDONLY | os.O_DIRECT)
        except OSError:
            return
        os.close(self._fd)
        self._fd = direct
        self.direct = True

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def read_into(self, view: memoryview) -> tuple[int, bool]:
        """Fill `view` with the next bytes: how many, and whether the file ended."""
        got = 0
        while got < len(view):
            try:
                count = os.preadv(self._fd, [view[got:]], self._at)
            except OSError as error:
                if self.direct and error.errno == errno.EINVAL:
                    self._use_cache()
                    continue
                raise InputFormatError(
                    f"Raw file {self._path} cannot be read to its end: {error.strerror}. Check the disk; the other "
                    "seconds can be converted without it."
                ) from error
            if count == 0:
                return got, True
            got += count
            self._at += count
            if self.direct and count % BLOCK:  # only the end of a file is not a whole block
                return got, True
        return got, False

    def _use_cache(self) -> None:
        """Go on through the page cache: this file system does not read past it."""
        os.close(self._fd)
        self._fd = os.open(self._path, os.O_RDONLY)
        self.direct = False


class _Filler:
    """Fills slab buffers from the files, one after the other."""

    def __init__(self, files: Sequence[tuple[int, Path]], slab_words: int) -> None:
        self._pending = deque(files)
        self._end = HEADROOM_WORDS + slab_words
        self._file: _RawFile | None = None
        self._second = 0
        self._opens_file = False

    def fill(self, buffer: npt.NDArray[np.uint64]) -> Slab | None:
        """Read the next words into `buffer`; None after the last file."""
        view = memoryview(buffer.view(np.uint8))
        segments: list[Segment] = []
        used = HEADROOM_WORDS
        while used < self._end:
            if self._file is None:
                if not self._pending:
                    break
                self._second, path = self._pending.popleft()
                self._file = _RawFile(path)
                self._opens_file = True
            if self._file.direct:  # must be read to the beginning of a block
                used = -(-used // _BLOCK_WORDS) * _BLOCK_WORDS
                if used >= self._end:
                    break
            got, at_end = self._file.read_into(
                view[used * BYTES_PER_WORD : self._end * BYTES_PER_WORD]
            )
            words, spare = divmod(got, BYTES_PER_WORD)
            segments.append(
                Segment(self._second, used, used + words, self._opens_file, at_end, spare)
            )
            self._opens_file = False
            used += words + (spare > 0)
            if at_end:
                self.close()
        return Slab(buffer, tuple(segments)) if segments else None

    def close(self) -> None:
        """Close the file that is open, if any."""
        if self._file is not None:
            self._file.close()
            self._file = None


SLABS_HELD = 2
"""How many slabs stay valid after the next one has been asked for, less one."""
_READ_AHEAD = 3


def stream_slabs(
    folder: BinFolder, seconds: tuple[int, ...], slab_words: int = SLAB_WORDS
) -> Iterator[Slab]:
    """Yield the words of the files of `seconds` in order; see `stream_files`."""
    return stream_files([(second, folder.path(second)) for second in seconds], slab_words)


def stream_files(files: Sequence[tuple[int, Path]], slab_words: int = SLAB_WORDS) -> Iterator[Slab]:
    """Yield the words of files, given with their unix seconds, in order; a few slabs are read ahead in a thread.

    A slab is valid until `SLABS_HELD` + 1 more have been asked for: its buffer is used again.

    Raises
    ------
    InputFormatError
        If a file cannot be opened or read.
    """
    # reads past the cache need whole pages
    buffers = [
        page_aligned(HEADROOM_WORDS + slab_words, np.uint64)
        for _ in range(SLABS_HELD + 1 + _READ_AHEAD)
    ]
    filler = _Filler(files, slab_words)
    with ThreadPoolExecutor(1, thread_name_prefix="bin-reader") as pool:
        try:
            ahead = deque(pool.submit(filler.fill, buffer) for buffer in buffers[:_READ_AHEAD])
            turn = _READ_AHEAD
            while (slab := ahead.popleft().result()) is not None:
                ahead.append(pool.submit(filler.fill, buffers[turn % len(buffers)]))
                turn += 1
                yield slab
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            filler.close()
