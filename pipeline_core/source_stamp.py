"""A short word for the state of a package's sources, on which its compiled kernels depend. Imports nothing heavy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["package_sources", "source_stamp"]

PACKAGE = Path(__file__).resolve().parent


def package_sources(package: Path = PACKAGE) -> list[Path]:
    """Return the Python files of a package, sorted."""
    return sorted(package.rglob("*.py"))


def source_stamp(sources: Iterable[Path]) -> str:
    """Return a hash of names, times of change and sizes: what numba looks at before it takes a kernel from disk.

    Raises
    ------
    OSError
        If one of the files cannot be looked at.
    """
    facts = []
    for path in sources:
        found = path.stat()
        facts.append((path.name, found.st_mtime_ns, found.st_size))
    return hashlib.sha256(repr(facts).encode()).hexdigest()
