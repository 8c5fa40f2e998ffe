from pathlib import Path

import numba
import pytest

from pipeline_core import _jit


@pytest.fixture
def cache_dir(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(_jit.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_a_writable_package_needs_no_other_cache(cache_dir, monkeypatch):
    monkeypatch.setattr(_jit.os, "access", lambda *_: True)
    _jit._ensure_cache_folder()
    assert numba.config.CACHE_DIR == ""


def test_without_a_writable_folder_the_cache_is_temporary(cache_dir, monkeypatch):
    monkeypatch.setattr(_jit.os, "access", lambda *_: False)
    _jit._ensure_cache_folder()
    chosen = Path(numba.config.CACHE_DIR)
    assert chosen.parent == cache_dir
    assert chosen.stat().st_mode & 0o777 == 0o700


def test_a_choice_of_the_user_stays(cache_dir, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "/somewhere")
    monkeypatch.setattr(_jit.os, "access", lambda *_: False)
    _jit._ensure_cache_folder()
    assert numba.config.CACHE_DIR == "/somewhere"


def test_cached_kernels_go_when_any_source_changes(tmp_path):
    (tmp_path / "sub" / "__pycache__").mkdir(parents=True)
    source = tmp_path / "sub" / "a.py"
    source.write_text("x = 1")
    _jit._drop_stale_kernels(tmp_path)
    cached = [tmp_path / "sub" / "__pycache__" / name for name in ("k.nbi", "k.1.nbc")]
    for path in cached:
        path.touch()
    _jit._drop_stale_kernels(tmp_path)
    assert all(path.exists() for path in cached)
    source.write_text("x = 22")
    _jit._drop_stale_kernels(tmp_path)
    assert not any(path.exists() for path in cached)


def test_kernels_do_not_hold_the_interpreter():
    @_jit.kernel
    def add(a, b):
        return a + b

    assert add.targetoptions["nogil"]
    assert add(2, 3) == 5
