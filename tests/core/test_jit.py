import importlib.util
from pathlib import Path

import numba
import pytest
from numba.core import caching

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


def test_a_kernel_that_cannot_be_cached_is_used_nevertheless(monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    def twice(x):
        return 2 * x

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    for make in (_jit.kernel, _jit.inline):
        _jit._warn.cache_clear()
        assert make(twice)(21) == 42
        if not numba.config.DISABLE_JIT:
            assert "No space left" in caplog.text
        caplog.clear()


def kernel_of(path):
    """Return the kernel of a file, as a new start of the program would get it."""
    spec = importlib.util.spec_from_file_location("kernel_of_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.times


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_a_kernel_that_could_not_be_cached_is_not_taken_for_an_older_one(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    old, new = (
        f"from pipeline_core._jit import kernel\nN = {n}\n@kernel\ndef times(x):\n    return N * x\n"
        for n in (2, 30)
    )
    path = tmp_path / "k.py"
    path.write_text(old)
    assert kernel_of(path)(1) == 2
    path.write_text(new)
    with (
        monkeypatch.context() as patch
    ):  # there is still room for the index, but none for the kernel
        patch.setattr(caching.IndexDataCacheFile, "_save_data", full)
        assert kernel_of(path)(1) == 30
    assert kernel_of(path)(1) == 30


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_that_kernels_cannot_be_cached_is_said_once(monkeypatch, caplog):
    _jit._warn.cache_clear()
    for name in "ab":

        def full(*_, name=name):
            raise OSError(30, "Read-only file system", f"/cache/{name}.nbi.tmp")

        monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
        assert _jit.kernel(lambda x: x)(1) == 1
    assert len(caplog.records) == 1


def test_a_generator_is_not_cached():
    """Read from the cache, it is unknown to the kernels that are compiled after it: numba ends with a KeyError."""

    def rows():
        yield 0

    with pytest.raises(TypeError, match="rows is a generator: make it a helper"):
        _jit.kernel(rows)


@pytest.fixture
def package(tmp_path):
    """Kernels that take a constant from a file, which has it from another; and a file that nobody of them imports."""
    (tmp_path / "sub" / "__pycache__").mkdir(parents=True)
    for name, text in {
        "kernels.py": "from pipeline_core._jit import kernel\nfrom pipeline_core.sub.a import A\n",
        "sub/a.py": "from pipeline_core import b\nA = b.B\n",
        "b.py": "B = 1\n",
        "other.py": "C = 1\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "dropped"),
    [("kernels.py", True), ("sub/a.py", True), ("b.py", True), ("other.py", False), ("", False)],
)
def test_cached_kernels_go_when_a_source_changes_that_can_matter_to_them(package, changed, dropped):
    _jit._drop_stale_kernels(package)
    cached = [package / "sub" / "__pycache__" / name for name in ("k.nbi", "k.1.nbc")]
    for path in cached:
        path.touch()
    if changed:
        path = package / changed
        path.write_text(path.read_text() + "D = 22\n")
    for _ in range(2):
        _jit._drop_stale_kernels(package)
        assert [path.exists() for path in cached] == [not dropped, not dropped]


def test_kernels_do_not_hold_the_interpreter():
    @_jit.kernel
    def add(a, b):
        return a + b

    assert add.targetoptions["nogil"]
    assert add(2, 3) == 5
