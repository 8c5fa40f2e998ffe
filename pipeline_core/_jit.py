"""The one way in which compiled kernels are made here: no GIL, cached on disk, single-threaded.

Kernels are private loops over arrays; the public functions around them validate and allocate.
`parallel=True` is not used: results must not depend on the number of threads, and numba's fall-back
thread layer aborts the process when two threads enter it.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from pipeline_core.source_stamp import package_sources, source_stamp

__all__ = ["formula", "helper", "inline", "kernel", "loop", "reduction"]

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_MAKES_KERNELS = re.compile(rb"^from pipeline_core\._jit import", re.MULTILINE)
_IMPORTED = re.compile(rb"^from pipeline_core\.([\w.]+) import", re.MULTILINE)
_IMPORTED_MODULES = re.compile(rb"^from pipeline_core import ([\w, ]+)$", re.MULTILINE)


def _ensure_cache_folder() -> None:
    """Point numba to a temporary cache where it has no writable folder of its own.

    Without one, ``cache=True`` raises at import (a site-wide install used by a service account).
    """
    settings: Any = numba.config
    if settings.CACHE_DIR:
        return
    package = Path(__file__).resolve().parent
    home_cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    for folder in (package, home_cache, home_cache.parent):
        if folder.is_dir():
            if os.access(folder, os.W_OK):
                return
            if folder == home_cache:
                break
    user = os.getuid() if hasattr(os, "getuid") else "user"
    fallback = Path(tempfile.gettempdir()) / f"quicklook-numba-{user}"
    fallback.mkdir(mode=0o700, exist_ok=True)
    settings.CACHE_DIR = str(fallback)


def _drop_stale_kernels(package: Path) -> None:
    """Remove cached kernels of a checkout whose sources have changed.

    Numba compiles a kernel anew when its own file changes, but not when a file does whose helpers or constants it has
    taken in: after an update of a checkout, old bits would be read with new names.
    """
    sources = package_sources(package)
    stamp = source_stamp(sources)
    note = package / "__pycache__" / "kernels.stamp"
    with suppress(OSError):  # a package that cannot be written to is replaced as a whole
        known = note.read_text().split() if note.exists() else []
        if known[:1] == [stamp]:
            return
        content = _kernel_content(package, sources)
        if known[1:] != [content]:
            for cached in package.rglob("__pycache__/*.nb[ic]"):
                cached.unlink(missing_ok=True)
        note.parent.mkdir(exist_ok=True)
        note.write_text(f"{stamp} {content}")


def _kernel_content(package: Path, sources: list[Path]) -> str:
    """Return a hash of the files with kernels, and of all whose constants and helpers may have come into them."""
    texts = {path: path.read_bytes() for path in sources}
    waiting = [path for path, text in texts.items() if _MAKES_KERNELS.search(text)]
    used: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in used:
            continue
        used.add(path)
        modules = [name.replace(b".", b"/") for name in _IMPORTED.findall(texts[path])]
        for names in _IMPORTED_MODULES.findall(texts[path]):
            modules += [name.strip() for name in names.split(b",")]
        for module in modules:
            stem = package / os.fsdecode(module)
            waiting += {stem.with_suffix(".py"), stem / "__init__.py"} & texts.keys()
    digest = hashlib.sha256()
    for path in sorted(used):
        digest.update(path.name.encode() + texts[path])
    return digest.hexdigest()


_INNER: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
_LOOP: dict[str, Any] = {**_INNER, "_nrt": False}

_ensure_cache_folder()
_drop_stale_kernels(Path(__file__).resolve().parent)


def kernel(function: F) -> F:
    """Compile `function` on its first call: releases the GIL, cached between runs.

    Raises TypeError for a generator: one read from the cache is not known to the kernels compiled after it. A `helper`
    may be one.
    """
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{function.__name__} is a generator: make it a helper, not a kernel")
    made = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return cast(F, _without_need_of_disk(made))


def _without_need_of_disk(made: Any) -> Any:
    """Let a kernel that cannot be cached be used nevertheless: numba fails where the disk of its cache is full."""
    cache = getattr(made, "_cache", None)  # none where compilation is off
    if cache is not None and hasattr(cache, "save_overload"):
        save = cache.save_overload

        def try_to_save(*given: Any) -> None:
            try:
                save(*given)
            except OSError as error:
                _forget_kernels(cache)
                _warn(
                    error.strerror or str(error)
                )  # without the file, which differs from kernel to kernel

        cache.save_overload = try_to_save
    return made


def _forget_kernels(cache: Any) -> None:
    """Remove the index of a kernel's cache: numba writes it first, and would next time read what it had under the name
    of the file that could not be written, such as the kernel of an older source.
    """
    index = getattr(getattr(cache, "_cache_file", None), "_index_path", None)
    if index is not None:
        with suppress(OSError):  # it is where nothing can be written
            Path(index).unlink()


@functools.cache  # once is enough
def _warn(why: str) -> None:
    logger.warning("compiled kernels cannot be kept, so the next start takes longer: %s", why)


def helper(function: F) -> F:
    """Compile a function that is called from kernels only: quicker than `kernel`, without what Python calls.

    It is not cached: the kernels that call it hold its code. Products and sums may be done in one step.
    """
    return cast(F, numba.njit(fastmath={"contract"}, **_INNER)(function))


def loop(function: F) -> F:
    """Compile a helper that makes no arrays, only loops over those that it is handed: nothing is counted for it."""
    return cast(F, numba.njit(fastmath={"contract"}, **_LOOP)(function))


def formula(function: F) -> F:
    """Compile a `loop` that becomes part of the loops it is called in, so that they do several elements at a time."""
    return cast(F, numba.njit(fastmath={"contract"}, forceinline=True, **_LOOP)(function))


def reduction(function: F) -> F:
    """Compile a `loop` whose sums may be done in any order: several terms at a time."""
    return cast(F, numba.njit(fastmath={"contract", "reassoc", "nsz"}, **_LOOP)(function))


def inline(function: F) -> F:
    """Make a helper part of the kernels that call it, before they are compiled: for what is small or called once.

    A kernel is compiled together with the code of all that it calls, even though that has been compiled before.
    """
    made = numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")(function)
    return cast(F, _without_need_of_disk(made))
