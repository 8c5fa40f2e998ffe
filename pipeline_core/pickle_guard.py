"""Keeping PyTables from executing what a file holds.

PyTables keeps odd attribute values as pickles, and executes them as soon as a file is opened. While one of ours or of
anybody else's is looked at here, that is switched off: such a value stays the text that it is on disk.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import tables
import tables.attributeset

__all__ = ["no_pickles"]


class _Guard(threading.local):
    """How deep this thread is in `no_pickles`."""

    depth = 0


_guard = _Guard()


class _GuardedPickle:
    """Stands for the pickle module inside PyTables' attribute reader; other threads and files see no change."""

    def __getattr__(self, name: str) -> Any:
        return getattr(pickle, name)

    def loads(self, data: bytes, **options: Any) -> Any:
        """Refuse while guarded (PyTables then hands out the raw bytes), else unpickle as usual."""
        if _guard.depth:
            raise pickle.UnpicklingError("pickles in files are not executed")
        return pickle.loads(data, **options)


@contextlib.contextmanager
def no_pickles() -> Iterator[None]:
    """Keep PyTables from executing pickled attributes in this thread."""
    if not isinstance(tables.attributeset.pickle, _GuardedPickle):
        tables.attributeset.pickle = _GuardedPickle()
    if not _guard.depth:
        tables.silence_hdf5_messages(True)  # per thread; errors are raised
    _guard.depth += 1
    try:
        yield
    finally:
        _guard.depth -= 1
