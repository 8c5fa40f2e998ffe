"""Reading, for a trial, all that HDF5 keeps in a file. It may crash, hang or ask for any memory: `trial_opening` has it
done in another process.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_core import schema

__all__ = ["NODES_A_SIGN", "Answer", "look", "rehearse"]

NODES_A_SIGN = 100
_LEAST_NODE_BYTES = 200
"""HDF5 has no smaller node: a file that seems to have more than fit into it has links in a circle."""
_LARGE_TABLE = 64 << 20
"""Bytes from which on a table is not read whole: it holds photons of a foreign layout."""
_MOST_CHUNKS = 200_000
_CHUNK_ROWS = 65536  # of `chunkcodec`, which would load Numba

_Attempt = Callable[..., Any]
"""Calls its second argument with the others; the first says what is looked at."""


@dataclass(frozen=True)
class Answer:
    """What one process tells the other in a line of JSON. `unreadable` names the first part that HDF5 cannot read."""

    can_be_opened: bool
    unreadable: str = ""
    too_large: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether all of it could be read, within the memory allowed."""
        return self.can_be_opened and not self.unreadable and not self.too_large


def rehearse() -> None:
    """Look at something small in memory, so that the first file does not wait for what is done only once."""
    import numpy as np
    import tables

    with tables.open_file("rehearsal", "w", driver="H5FD_CORE", driver_core_backing_store=0) as h5:
        h5.create_table("/", "table", np.dtype([("x", "u4"), ("text", "S9")])).append([(1, "a")])
        h5.create_carray("/", "array", obj=np.arange(3)).attrs.text = "a"
        h5.flush()
        _walk(h5, lambda _, call, *args: call(*args))


def look(name: str, show_life: Callable[[], None]) -> Answer:
    """Read what HDF5 keeps in a file, and say how far that goes. It may crash. `show_life` is called now and then."""
    import tables

    from pipeline_core.pickle_guard import no_pickles

    unreadable: list[str] = []
    too_large = False

    def attempt(where: str, call: Callable[..., object], *args: object) -> Any:
        nonlocal too_large
        try:
            return call(*args)
        except MemoryError:
            too_large = True
        except (tables.HDF5ExtError, OSError):
            unreadable.append(where)
        except Exception:  # it is Python that stumbles, and will again, for all to see
            return None
        return None

    with no_pickles():
        try:
            h5 = tables.open_file(name, "r", pytables_sys_attrs=False)
        except Exception:
            return Answer(can_be_opened=False)
        _walk(h5, attempt, show_life, most=Path(name).stat().st_size // _LEAST_NODE_BYTES)
        attempt("its end", h5.close)
    _check_memory()
    return Answer(True, unreadable[0] if unreadable else "", too_large)


def _check_memory() -> None:
    """Let the C library look at its memory: it ends the process if something has written where it should not."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _walk(
    h5: Any, attempt: _Attempt, show_life: Callable[[], None] = lambda: None, most: int = 0
) -> None:
    import tables

    for number, (where, node) in enumerate(_nodes(h5, attempt)):
        if number % NODES_A_SIGN == 0 and number < most:
            show_life()
        for name in attempt(f"the attributes of {where}", _attribute_names, node) or ():
            attempt(f"attribute {name!r} of {where}", _attribute, node, name)
        if isinstance(node, (tables.Array, tables.Table)):
            _read(where, node, attempt)


def _attribute_names(node: Any) -> list[str]:
    return list(node._v_attrs._v_attrnames)


def _attribute(node: Any, name: str) -> object:
    return node._v_attrs._g_getattr(node, name)


def _children(group: Any) -> list[str]:
    return list(group._v_children)


def _nodes(h5: Any, attempt: _Attempt) -> Iterator[tuple[str, Any]]:
    """Yield all groups and leaves that can be reached, with their paths; damaged links may form circles."""
    import tables

    waiting = ["/"]
    while waiting:
        where = waiting.pop()
        node = attempt(where, h5.get_node, where)
        if node is None:
            continue
        yield where, node
        if isinstance(node, tables.Group) and where.count("/") < 10:
            children = attempt(where, _children, node) or ()
            waiting += [f"{where.rstrip('/')}/{child}" for child in children]


def _read(where: str, leaf: Any, attempt: _Attempt) -> None:
    """Read all of it, but photons: of them one asks HDF5 only where their chunks are."""
    import tables

    attempt(where, getattr, leaf, "filters")
    if isinstance(leaf, tables.Table):
        ours = where == schema.PHOTON_TABLE and leaf.chunkshape == (_CHUNK_ROWS,)
        if ours or (attempt(where, getattr, leaf, "size_in_memory") or 0) > _LARGE_TABLE:
            rows, step = int(leaf.nrows), int(leaf.chunkshape[0])
            if rows <= _MOST_CHUNKS * step:
                for row in range(0, rows, step):
                    attempt(where, leaf.chunk_info, (row,))
            if not ours:
                attempt(where, leaf.read, 0, 1)
            return
    attempt(where, leaf.read)
