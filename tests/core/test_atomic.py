import os
import subprocess
import sys
import threading
import time

import pytest

from pipeline_core.atomic import part_path, write_aside, written_back
from pipeline_core.errors import OperationCancelled, OutputError


def test_a_link_that_leads_in_a_circle_is_refused(tmp_path):
    one, other = tmp_path / "one.h5", tmp_path / "other.h5"
    one.symlink_to(other)
    other.symlink_to(one)
    with (
        pytest.raises(OutputError, match=r"one\.h5 is a link that leads to no file"),
        write_aside(one, replace=True),
    ):
        pass
    assert set(tmp_path.iterdir()) == {one, other}


def test_appears_whole_with_its_permissions(tmp_path):
    target = tmp_path / "a.txt"
    with write_aside(target, replace=False, mode=0o444) as part:
        assert part.parent == tmp_path
        part.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert target.stat().st_mode & 0o777 == 0o444
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_other_trouble_of_the_disk_is_told(tmp_path):
    with (
        pytest.raises(OutputError, match="Input/output error"),
        write_aside(tmp_path / "a", replace=False),
    ):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("error", [ValueError, OperationCancelled, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(tmp_path, error):
    with pytest.raises(error), write_aside(tmp_path / "a", replace=False) as part:
        part.write_text("half")
        raise error
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_only_replaced_when_asked(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(OutputError, match="exists already"), write_aside(target, replace=False):
        pass
    with pytest.raises(ValueError, match="stop"), write_aside(target, replace=True) as part:
        part.write_text("new")
        raise ValueError("stop")
    assert target.read_text() == "old"
    with write_aside(target, replace=True) as part:
        part.write_text("new")
    assert target.read_text() == "new"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    target = tmp_path / "a"
    with (
        pytest.raises(OutputError, match="exists already"),
        write_aside(target, replace=False) as part,
    ):
        part.write_text("mine")
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_left_overs_of_killed_processes_are_removed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    dead, alive, mine = int(done.stdout), os.getppid(), part_path(tmp_path / "a")
    host = mine.name.split(".")[1]
    for name in (f"a.{host}.{dead}.part", f"b.{host}.{dead}.part", f"a.elsewhere.{dead}.part"):
        (tmp_path / name).touch()
    (tmp_path / f"a.{host}.{alive}.part").touch()
    with write_aside(tmp_path / "a", replace=False) as part:
        part.write_text("whole")
    left = sorted(p.name for p in tmp_path.iterdir())
    assert f"a.{host}.{dead}.part" not in left
    assert len(left) == 4  # another target, another machine, and a running process are left alone


def test_targets_that_are_links_or_folders(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with write_aside(tmp_path / "link", replace=True) as part:
        part.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    with pytest.raises(OutputError, match="is a folder"), write_aside(tmp_path, replace=True):
        pass


def test_a_growing_file_is_sent_to_the_disk_and_errors_are_told(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.touch()
    calls = []
    monkeypatch.setattr(os, "fdatasync", calls.append)
    with written_back(path, 0.001):
        while len(calls) < 3:
            pass

    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    others = set(threading.enumerate())
    with pytest.raises(OSError, match="Input/output"), written_back(path, 0.001):
        while set(threading.enumerate()) - others:
            pass


def test_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with write_aside(tmp_path / "a", replace=False) as part:
        part.write_text("whole")
    assert (tmp_path / "a").read_text() == "whole"


def test_errors_name_folder_and_remedy(tmp_path):
    with (
        pytest.raises(OutputError, match="Cannot write in folder"),
        write_aside(tmp_path / "none" / "a", replace=False),
    ):
        pass
    with pytest.raises(OutputError, match="is full"), write_aside(tmp_path / "a", replace=False):
        raise OSError(28, "No space left on device")
    part_path(tmp_path / "a").touch()
    with (
        pytest.raises(OutputError, match="being written by this program"),
        write_aside(tmp_path / "a", replace=False),
    ):
        pass


def test_a_folder_that_is_read_only(tmp_path, monkeypatch):
    """Root may write everywhere, so the system's answer is played."""

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with (
        pytest.raises(OutputError, match=r"Cannot write in folder .*: Read-only file system"),
        write_aside(tmp_path / "a", replace=False),
    ):
        pass


@pytest.mark.parametrize("cached", [True, False])
def test_what_is_not_to_stay_leaves_the_page_cache(tmp_path, monkeypatch, cached):
    path = tmp_path / "growing"
    path.touch()
    dropped = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *what: dropped.append(what))

    def seen(size):
        return bool(dropped) and dropped[-1][0] + dropped[-1][1] == size

    with path.open("wb", buffering=0) as stream, written_back(path, 0.001, cached=cached):
        for size in (30_000, 60_000):
            stream.write(bytes(30_000))
            deadline = time.monotonic() + (0.05 if cached else 10)
            while not seen(size) and time.monotonic() < deadline:
                time.sleep(0.001)
            assert seen(size) != cached
    if cached:
        assert dropped == []
        return
    assert {advice for _, _, advice in dropped} == {os.POSIX_FADV_DONTNEED}
    ends = [0, *(at + size for at, size, _ in dropped)]
    # each begins at the page that was not complete before; a write may be seen half done
    assert [at for at, _, _ in dropped] == [end - end % 4096 for end in ends[:-1]]
