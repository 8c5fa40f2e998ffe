"""What a folder holds that can be opened: photon files, runs of seconds, runs of frames, folders. No Qt.

`scan` runs in a worker; the files panel shows the `Listing` it returns.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline_core.errors import InputFormatError
from pipeline_core.progress import Progress, silent
from pipeline_core.streamnames import named_second
from pipeline_core.utc import utc_words

__all__ = ["Entry", "Listing", "scan", "size_text", "utc_text"]

_KINDS = {".h5": "photons", ".hdf5": "photons", ".bin": "raw", ".img": "frame"}
_STREAM = re.compile(r"(stream|dark|flat|t\d).*\.fits?(\.gz)?", re.IGNORECASE)
_SIDECAR = ".cal.h5"
_SECOND = re.compile(r"(\d{9,10})\.\w+", re.ASCII)
_REPORT_EVERY = 256
_ABOVE = ".."
_LONGEST_S = 4294
"""Seconds of raw files that can be opened as one observation: times are 32-bit microseconds."""


@dataclass(frozen=True)
class Entry:
    """One line of a listing: a file, raw files or frames of consecutive seconds, or a folder.

    Attributes
    ----------
    folder : Path
    names : tuple of str
        Names of the files, in the order of time.
    kind : {'photons', 'raw', 'frame', 'stream', 'folder'}
        As told by the ending of the name.
    start_unix : int, optional
        Unix second in the name of the first file; None if the name is no number.
    modified : float
        When the newest of the files was written [unix s].
    sizes : tuple of int
        Bytes of each file.
    """

    folder: Path
    names: tuple[str, ...]
    kind: str
    start_unix: int | None
    modified: float
    sizes: tuple[int, ...]

    @property
    def paths(self) -> list[Path]:
        """Paths of the files, or of the folder."""
        if self.names == (_ABOVE,):
            return [self.folder.parent]
        return [self.folder / name for name in self.names]

    @property
    def about(self) -> str:
        """What a folder is."""
        above = self.folder.parent
        return f"back to {above.name or above}" if self.names == (_ABOVE,) else "folder"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes)

    @property
    def is_run(self) -> bool:
        """Whether it stands for several files."""
        return len(self.names) > 1

    @property
    def obstacle(self) -> str:
        """Why it cannot be opened as a whole; '' if it can."""
        if self.is_run and self.kind == "frame":
            return "Frames are opened one at a time."
        if len(self.names) > _LONGEST_S:
            return f"At most {_LONGEST_S} s can be opened at once: select some of the seconds."
        return ""

    @property
    def title(self) -> str:
        """Name of the file, or of the first and last file."""
        return f"{self.names[0]} … {self.names[-1]}" if self.is_run else self.names[0]

    @property
    def titles(self) -> tuple[str, ...]:
        """The title, and shorter ones for narrow columns."""
        first = self.names[0]
        if not self.is_run:
            return (first,)
        stem, _, ending = first.rpartition(".")
        last = self.names[-1][-8:]
        return (self.title, f"{stem} … {last}", f"{stem}.{ending}", f"…{stem[-5:]}.{ending}")

    @property
    def length_text(self) -> str:
        """How many seconds a run has; '' for one file."""
        n = len(self.names)
        return "" if n == 1 else f"{n} s" if n < 1000 else f"{n / 3600:.1f} h"

    def member(self, place: int) -> Entry:
        """Return one file of a run as an entry of its own."""
        return self._cut(place, place + 1)

    def matching(self, text: str) -> list[Entry]:
        """Return what is left of it if only names and times with `text` (lower case) are shown.

        A run is found as a whole by the names or times of its ends, and else cut to the files that
        are asked for: as many entries as those make runs.
        """
        in_time = self.kind != "folder" and text in self.time_text
        if not text or text in self.title.lower() or in_time:
            return [self]
        if not self.is_run:
            return []
        timed = ":" in text or "-" in text
        places = [
            place
            for place, name in enumerate(self.names)
            if text in name.lower() or (timed and text in self.member(place).time_text)
        ]
        starts = [p for k, p in enumerate(places) if k == 0 or places[k - 1] != p - 1]
        stops = [p + 1 for k, p in enumerate(places) if p + 1 not in places[k + 1 : k + 2]]
        return [self._cut(start, stop) for start, stop in zip(starts, stops, strict=True)]

    def _cut(self, start: int, stop: int) -> Entry:
        return replace(
            self,
            names=self.names[start:stop],
            start_unix=None if self.start_unix is None else self.start_unix + start,
            sizes=self.sizes[start:stop],
        )

    @property
    def time_text(self) -> str:
        """When it starts, or else when it was written, in UTC."""
        return utc_text(self.modified if self.start_unix is None else self.start_unix)


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes
    ----------
    folder : Path
    files : tuple of Entry
        In the order of time.
    folders : tuple of Entry
        The one above, then those inside by name; they were not looked into.
    """

    folder: Path
    files: tuple[Entry, ...]
    folders: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Folders, then files."""
        return self.folders + self.files

    @property
    def n_files(self) -> int:
        """Number of files in all entries."""
        return sum(len(entry.names) for entry in self.files)


def scan(folder: Path, *, progress: Progress = silent) -> Listing:
    """Look at the names and sizes in a folder; no file is opened.

    Sidecars, unfinished files, empty names and everything of other endings are left out.

    Parameters
    ----------
    folder : Path
    progress : Progress
        Called every few hundred files; may cancel.

    Raises
    ------
    InputFormatError
        If the folder cannot be read.
    """
    singles: list[Entry] = []
    numbered: dict[str, list[Entry]] = {}
    folders = [] if folder.parent == folder else [_folder(folder, _ABOVE)]
    try:
        with os.scandir(folder) as found:
            for done, item in enumerate(found):
                if done % _REPORT_EVERY == 0:
                    progress(done, 0, "looking")
                entry = _entry(folder, item)
                if entry is None:
                    folders += [_folder(folder, item.name)] if _is_folder(item) else []
                elif entry.start_unix is None or entry.kind in ("photons", "stream"):
                    singles.append(entry)
                else:
                    numbered.setdefault(Path(item.name).suffix, []).append(entry)
    except OSError as error:
        raise InputFormatError(
            f"Folder {folder} cannot be read: {error.strerror}. Choose another folder."
        ) from error
    runs = [run for entries in numbered.values() for run in _runs(entries)]
    folders.sort(key=lambda entry: (entry.names[0] != _ABOVE, entry.names[0].lower()))
    return Listing(folder, tuple(sorted([*singles, *runs], key=_by_time)), tuple(folders))


def _folder(parent: Path, name: str) -> Entry:
    return Entry(parent, (name,), "folder", None, 0.0, (0,))


def _by_time(entry: Entry) -> tuple[float, str]:
    return (entry.modified if entry.start_unix is None else entry.start_unix, entry.names[0])


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return not item.name.startswith(".") and item.is_dir()
    except OSError:
        return False


def _entry(folder: Path, item: os.DirEntry[str]) -> Entry | None:
    """Return the entry of one file, or None for what cannot be opened or is gone by now."""
    name = item.name
    _, dot, ending = name.rpartition(".")
    kind = "stream" if _STREAM.fullmatch(name) else _KINDS.get(dot + ending.lower())
    if kind is None or name.startswith(".") or name.lower().endswith(_SIDECAR):
        return None
    try:
        facts = item.stat()
    except OSError:  # removed meanwhile, or a link to nothing
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    number = _SECOND.fullmatch(name)
    start = named_second(Path(name)) if kind == "stream" else int(number[1]) if number else None
    return Entry(folder, (name,), kind, start, facts.st_mtime, (facts.st_size,))


def _runs(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Join files of consecutive seconds."""
    run: list[Entry] = []
    for entry in sorted(entries, key=_by_time):
        if run and entry.start_unix != (run[-1].start_unix or 0) + 1:
            yield _joined(run)
            run = []
        run.append(entry)
    if run:
        yield _joined(run)


def _joined(run: list[Entry]) -> Entry:
    return replace(
        run[0],
        names=tuple(entry.names[0] for entry in run),
        modified=max(entry.modified for entry in run),
        sizes=tuple(entry.sizes[0] for entry in run),
    )


def utc_text(unix: float) -> str:
    """Return the UTC date and time of a unix second, without a unit."""
    return utc_words(unix).removesuffix(" UTC")


def size_text(size: int) -> str:
    """Return a number of bytes for people: three digits and a decimal unit."""
    if size < 1000:
        return f"{size} B"
    value, units = size / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.0f} {units[0]}" if value >= 99.95 else f"{value:.1f} {units[0]}"
