"""Core tests: no Qt. Shared: the files that other programs wrote, and open-handle checks."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Files in the real formats that other programs wrote; skip where they are absent."""
    if not (SHARED / "bin").is_dir():
        pytest.skip(f"needs the independent files of {SHARED}")
    return SHARED


@pytest.fixture(autouse=True)
def no_open_files():
    """Fail a test that leaves an HDF5 handle or a .part file's descriptor open."""
    import tables

    yield
    handles = getattr(tables.file._open_files, "handlers", ())
    left = [str(handle.filename) for handle in handles]
    tables.file._open_files.close_all() if left else None
    assert not left, f"left open: {left}"
