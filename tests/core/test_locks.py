"""The lock of a sidecar: one at a time, never stuck, with and without locks of the file system."""

import errno
import fcntl
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from pipeline_core import locks
from pipeline_core.errors import OutputError, SidecarConflictError
from pipeline_core.locks import locked
from pipeline_core.sidecar import Sidecar, load_sidecar, save_sidecar


@pytest.fixture(params=["locks", "no locks"])
def disk(request, monkeypatch):
    """Both kinds of file system."""
    if request.param == "no locks":
        without_locks(monkeypatch)
    return request.param


def without_locks(monkeypatch, number=errno.ENOLCK):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.cal.h5"


def test_nothing_is_left(path, disk):
    with locked(path):
        assert list(path.parent.iterdir())
    with pytest.raises(ValueError, match="stop"), locked(path):
        raise ValueError("stop")
    assert list(path.parent.iterdir()) == []


def test_a_lock_that_stays(path, disk, monkeypatch):
    monkeypatch.setattr(locks, "_WAIT_S", 0.05)
    with locked(path), pytest.raises(SidecarConflictError, match=r"being changed.*remove .*lock"):
        save_sidecar(path, Sidecar("id"))
    save_sidecar(path, Sidecar("id"))


def test_one_at_a_time(path, disk):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locked(path):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 60
    assert max(most) == 1


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_sidecars_are_saved_where_there_are_no_locks(path, monkeypatch, number):
    without_locks(monkeypatch, number)
    saved = save_sidecar(path, Sidecar("id").annotated("clouds"))
    assert load_sidecar(path, "id") == saved
    assert list(path.parent.iterdir()) == [path]


def test_another_failure_is_told(path, monkeypatch):
    without_locks(monkeypatch, errno.EIO)
    with pytest.raises(OutputError, match="cannot be locked: Input/output error"), locked(path):
        pass


def test_a_killed_program_keeps_no_lock(path, disk):
    fake = "import fcntl, errno\ndef f(*_): raise OSError(errno.ENOLCK, 'no')\nfcntl.flock = f\n"
    program = (
        "import sys, time; from pathlib import Path; from pipeline_core.locks import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)\n"
    )
    program = fake * (disk == "no locks") + program
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert list(path.parent.iterdir())  # it could not tidy up
    with locked(path):
        pass
    assert list(path.parent.iterdir()) == []


def test_locks_of_others_are_respected_as_long_as_they_may_live(path, monkeypatch):
    without_locks(monkeypatch)
    monkeypatch.setattr(locks, "_WAIT_S", 0.05)
    holder = path.with_name("a.cal.h5.lock.held")
    for text in ("elsewhere 1", f"{socket.gethostname()} {os.getpid()}", ""):
        holder.write_text(text)
        with pytest.raises(SidecarConflictError), locked(path):
            pass
    old = time.time() - 60
    os.utime(holder, (old, old))  # of no name, and nobody writes it any more
    with locked(path):
        pass


def _add_notes(path, who):
    for k in range(10):
        while True:
            try:
                save_sidecar(path, load_sidecar(path, "id").annotated(f"{who}-{k}"))
                break
            except SidecarConflictError:
                pass


def _add_notes_without_locks(path, who):
    with pytest.MonkeyPatch.context() as patch:
        without_locks(patch)
        _add_notes(path, who)


@pytest.mark.slow
@pytest.mark.parametrize("add", [_add_notes, _add_notes_without_locks])
def test_two_programs_at_once(path, add):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=add, args=(path, who)) for who in ("a", "b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    notes = load_sidecar(path, "id").annotations
    assert sorted(notes) == sorted(f"{who}-{k}" for who in "ab" for k in range(10))
    assert [n for n in notes if n[0] == "a"] == [f"a-{k}" for k in range(10)]
    assert list(path.parent.iterdir()) == [path]
