"""Files of solutions and masks: one table of their kinds, how they are opened and checked, how they are written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tables

from pipeline_core import __version__, schema
from pipeline_core.atomic import write_aside
from pipeline_core.errors import InputFormatError, SchemaVersionError
from pipeline_core.hdf5 import attribute, open_readonly, reading, refuse_another_kind, writing
from pipeline_core.records import write_record
from pipeline_core.targets import check_free, refuse_raw

__all__ = [
    "BADPIXELS",
    "FLATCAL",
    "GROUP",
    "TIMEMASK",
    "WAVECAL",
    "SolutionKind",
    "check_replaceable",
    "check_version",
    "opened",
    "written",
]

GROUP = "/solution"
"""Where the record is in every file."""


class SolutionKind(NamedTuple):
    """One kind of file: root attributes, and how people call it.

    `title` is HDF5's; `name` and `command` (which writes such files) are for messages; `word` qualifies its version.
    """

    format: str
    version: int
    readable: tuple[int, ...]
    title: str
    name: str
    command: str
    word: str


WAVECAL = SolutionKind(
    schema.WAVECAL_FORMAT,
    schema.WAVECAL_VERSION,
    schema.READABLE_WAVECAL_VERSIONS,
    "MKID solution",
    "a wavelength solution",
    "wavecal",
    "solution",
)
FLATCAL = SolutionKind(
    schema.FLATCAL_FORMAT,
    schema.FLATCAL_VERSION,
    schema.READABLE_FLATCAL_VERSIONS,
    "MKID flat field",
    "a flat-field solution",
    "flatcal",
    "flat-field",
)
BADPIXELS = SolutionKind(
    schema.BADPIXELS_FORMAT,
    schema.BADPIXELS_VERSION,
    schema.READABLE_BADPIXELS_VERSIONS,
    "MKID bad pixels",
    "a mask of bad pixels",
    "badpixels",
    "mask",
)
TIMEMASK = SolutionKind(
    schema.TIMEMASK_FORMAT,
    schema.TIMEMASK_VERSION,
    schema.READABLE_TIMEMASK_VERSIONS,
    "MKID time mask",
    "a time mask",
    "timemask",
    "mask",
)


@contextlib.contextmanager
def opened(path: Path, kind: SolutionKind) -> Iterator[tables.File]:
    """Open a file of a kind for reading, inside `hdf5.reading`.

    Raises
    ------
    InputFormatError
        Missing, damaged, or of no such kind.
    SchemaVersionError
        If a newer version wrote it.
    """
    h5 = open_readonly(path)
    try:
        with reading(path):
            if attribute(h5.root, "format") != kind.format:
                raise InputFormatError(
                    f"{path} is not {kind.name}. Choose a file that '{kind.command}' wrote."
                )
            check_version(h5, path, kind)
            yield h5
    finally:
        h5.close()


def check_version(h5: tables.File, path: Path, kind: SolutionKind) -> None:
    """Raise SchemaVersionError if a newer version wrote the file."""
    version = attribute(h5.root, "version")
    if version not in kind.readable:
        raise SchemaVersionError(
            f"{path} has {kind.word} version {version}; this program knows {kind.version}. Update the program."
        )


def check_replaceable(path: Path, kind: SolutionKind, *, overwrite: bool) -> None:
    """Refuse to begin long work for a name that is taken; whoever writes the file looks again.

    Raises
    ------
    OutputError
        There is such a file, and it must not be replaced; or it is of another kind, which is never replaced.
    """
    check_free(path, overwrite=overwrite)
    refuse_raw(path)
    refuse_another_kind(path, kind.format, kind.name)


@contextlib.contextmanager
def written(
    path: Path, kind: SolutionKind, record: Any, *, overwrite: bool
) -> Iterator[tables.File]:
    """Write a record with a ``solution_id`` as a file of a kind: whole, or not at all; more may be added before it is.

    Raises
    ------
    OutputError
        If it exists already and may not be overwritten, is of another kind, or cannot be written.
    """
    check_replaceable(path, kind, overwrite=overwrite)
    with write_aside(path, replace=overwrite) as part, writing(part, kind.title) as h5:
        attributes = h5.root._v_attrs
        attributes.format = kind.format
        attributes.version = np.int64(kind.version)
        attributes.software_version = __version__
        attributes.solution_id = record.solution_id
        write_record(h5, GROUP, record)
        yield h5
