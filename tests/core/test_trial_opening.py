"""Files that crash the HDF5 library are refused, with one thread and with several; and no others are."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tables
from bad_files import crash_hdf5, write_good_file

import pipeline_core
from pipeline_core import ObsFile, trial_look, trial_opening
from pipeline_core.errors import InputFormatError
from pipeline_core.hdf5 import open_readonly
from pipeline_core.sidecar import sidecar_path
from pipeline_core.trial_look import Answer, look
from pipeline_core.trial_opening import check_harmless

SERVE = (
    "import sys; sys.path[:] = sys.argv[1:]; import pipeline_core.trial_opening as t; {}; t.serve()"
)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_good_file(tmp_path_factory.mktemp("good"))


@pytest.fixture
def spoilt(good, tmp_path):
    path = Path(shutil.copy(good, tmp_path / "spoilt.h5"))
    crash_hdf5(path)
    return path


@pytest.fixture(autouse=True)
def state(monkeypatch):
    """Nothing is remembered, and no helper stays."""
    state = trial_opening._State()
    monkeypatch.setattr(trial_opening, "_state", state)
    # whatever threads earlier tests have left behind: "alone" means this one
    monkeypatch.setattr(trial_opening.threading, "active_count", lambda: 1)
    yield state
    state.helper.stop()


def in_thread(call):
    """Call from another thread, as the window's lanes do; return what it raised."""
    caught = []

    def run():
        try:
            call()
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught[0] if caught else None


def test_the_library_does_crash_on_such_a_file(spoilt):
    """Otherwise nothing is tested here; and whoever sees this fail may thank PyTables."""
    program = f"import tables; tables.open_file({str(spoilt)!r}).root._v_attrs"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == -signal.SIGSEGV


def test_it_is_refused_with_file_cause_and_remedy(spoilt, good):
    with pytest.raises(InputFormatError, match=r"crashes \(SIGSEGV\)") as caught:
        ObsFile(spoilt)
    assert str(spoilt) in str(caught.value)
    assert "Copy it again" in str(caught.value)
    ObsFile(good).close()


def test_it_is_refused_among_threads_and_the_next_file_opens(spoilt, good, state):
    for _ in range(2):
        error = in_thread(lambda: ObsFile(spoilt))
        assert isinstance(error, InputFormatError)
        assert "crashes (SIGSEGV)" in str(error)
        assert in_thread(lambda: ObsFile(good).close()) is None
    assert state.helper._process is not None  # it was asked, nothing was forked


def test_a_sidecar_that_crashes_is_named(good, tmp_path):
    path = Path(shutil.copy(good, tmp_path / "a.h5"))
    with ObsFile(path, "write") as obs:
        obs.annotate("clouds")
    beside = sidecar_path(path, "")
    crash_hdf5(beside, name=b"file_id")
    with pytest.raises(InputFormatError, match=re.escape(str(beside))):
        ObsFile(path)


@pytest.mark.parametrize("threads", [False, True], ids=["alone", "among threads"])
def test_a_command_ends_with_a_message(spoilt, threads):
    program = "import sys; from pipeline_core.cli import main; sys.exit(main(sys.argv[1:]))"
    if threads:
        other = "threading.Thread(target=time.sleep, args=[99], daemon=True).start()"
        program = f"import threading, time; {other}; {program}"
    command = [sys.executable, "-c", program, "info", str(spoilt)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {spoilt} is damaged: the HDF5 library crashes")
    assert len(done.stderr.splitlines()) == 1


def _loop(*_):
    while True:
        pass


HARM = {
    "loop": (_loop, "while True: pass", "hangs"),
    "wait": (lambda *_: time.sleep(100), "__import__('time').sleep(100)", "hangs"),
    "abort": (lambda *_: os.abort(), "__import__('os').abort()", r"crashes \(SIGABRT\)"),
    "end": (lambda *_: os._exit(7), "__import__('os')._exit(7)", "ends the program"),
}


@pytest.mark.parametrize("kind", HARM)
def test_every_end_is_understood(good, monkeypatch, kind):
    call, program, words = HARM[kind]
    monkeypatch.setattr(trial_opening, "_CPU_LIMIT_S", 1 if kind == "loop" else 60)
    monkeypatch.setattr(trial_opening, "_WAIT_LIMIT_S", 0.3 if kind == "wait" else 60)
    monkeypatch.setattr(trial_opening, "look", call)
    with pytest.raises(InputFormatError, match=f"{words}.* on opening it"):
        check_harmless(good)
    monkeypatch.setattr(trial_opening, "_WAIT_LIMIT_S", 5 if kind == "wait" else 60)
    code = f"def look(*_):\n {program}\nt.look, t._CPU_LIMIT_S = look, 1"
    monkeypatch.setattr(trial_opening, "_PROGRAM", SERVE.format(f"exec({code!r})"))
    error = in_thread(lambda: check_harmless(good))
    assert isinstance(error, InputFormatError)
    assert re.search(f"{words}.* on opening it", str(error))


def test_a_size_that_cannot_be_right_is_refused(good, monkeypatch):
    answer = Answer(can_be_opened=True, too_large=True)
    monkeypatch.setattr(trial_opening, "look", lambda *_: answer)
    with pytest.raises(InputFormatError, match="2 GiB of memory"):
        check_harmless(good)


def test_memory_is_limited(good, monkeypatch):
    def ask_for_much(where, leaf, attempt):
        attempt(where, bytearray, 3 << 30)

    monkeypatch.setattr(trial_look, "_read", ask_for_much)
    with pytest.raises(InputFormatError, match="memory"):
        check_harmless(good)


@pytest.mark.parametrize("threads", [False, True], ids=["alone", "among threads"])
def test_what_the_library_cannot_read_is_named_and_never_opened_here(good, tmp_path, threads):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(good.read_bytes()[:5000])
    spoilt = Path(shutil.copy(good, tmp_path / "chunk.h5"))
    spoilt.chmod(0o600)
    with tables.open_file(str(spoilt)) as h5:
        place = h5.root.mkid.pixels.chunk_info((0,))
    with spoilt.open("r+b") as stream:
        stream.seek(place.offset)
        stream.write(bytes(place.size))
    before = len(tables.file._open_files.filenames)
    for path, words in ((cut, "cut off"), (spoilt, "cannot read /mkid/pixels")):
        if threads:
            error = in_thread(lambda path=path: open_readonly(path))
        else:
            with pytest.raises(InputFormatError) as caught:
                open_readonly(path)
            error = caught.value
        assert words in str(error)
        assert str(path) in str(error)
    assert len(tables.file._open_files.filenames) == before


def test_what_was_harmless_is_remembered_until_it_changes(good, tmp_path, monkeypatch):
    looked = []
    sound = Answer(can_be_opened=True)
    monkeypatch.setattr(trial_opening, "_look_in_child", lambda name: looked.append(name) or sound)
    path = Path(shutil.copy(good, tmp_path / "a.h5"))
    path.chmod(0o600)
    check_harmless(path)
    check_harmless(path)
    assert looked == [str(path)]
    with path.open("ab") as stream:
        stream.write(b"x")
    check_harmless(path)
    assert len(looked) == 2
    replaced = tmp_path / "b.h5"
    shutil.copy(path, replaced)
    found = path.stat()
    os.utime(replaced, ns=(found.st_atime_ns, found.st_mtime_ns))
    replaced.replace(path)
    check_harmless(path)
    assert len(looked) == 3


def test_what_crashed_is_not_remembered_as_harmless(spoilt):
    for _ in range(2):
        with pytest.raises(InputFormatError, match="crashes"):
            check_harmless(spoilt)


def test_a_good_file_does_not_pay_for_the_one_before(good, monkeypatch):
    """A helper that was harmed without a sign dies at the next file: that one gets a new helper."""
    harm = "n = []; t._look = lambda *_: __import__('os').abort() if n else n.append(1) or t._Answer(True)"
    monkeypatch.setattr(trial_opening, "_PROGRAM", SERVE.format(harm))
    for _ in range(3):
        trial_opening._state.harmless.clear()
        assert in_thread(lambda: check_harmless(good)) is None


def test_without_a_helper_files_open_all_the_same(good, monkeypatch, caplog):
    monkeypatch.setattr(trial_opening, "_PROGRAM", "raise SystemExit(1)")
    assert in_thread(lambda: ObsFile(good).close()) is None
    assert "opened without a trial" in caplog.text
    monkeypatch.setattr(trial_opening.sys, "executable", "/nowhere/python")
    trial_opening._state.helper.stop()
    assert in_thread(lambda: ObsFile(good).close()) is None


def test_a_forked_process_has_a_helper_of_its_own(good):
    trial_opening.warm_up()
    of_parent = trial_opening._state.helper
    child = os.fork()
    if child == 0:
        os._exit(0 if trial_opening._state_of_this_process().helper is not of_parent else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert trial_opening._state_of_this_process().helper is of_parent


def test_the_helper_ends_with_its_program_also_if_that_is_killed():
    program = (
        "import time; from pipeline_core import trial_opening as t; t.warm_up(); "
        "print(t._state.helper._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        helper = Path("/proc") / owner.stdout.readline().decode().strip()
        assert helper.exists()
        owner.kill()
    deadline = time.monotonic() + 30
    while helper.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not helper.exists()


def test_circles_of_links_end(tmp_path):
    path = tmp_path / "circle.h5"
    with tables.open_file(str(path), "w") as h5:
        h5.create_group("/", "a")
        h5.create_hard_link("/a", "again", "/a")
    assert look(str(path), lambda: None).is_sound


def test_there_is_one_door():
    """Who opens a file of others without `open_readonly` brings crashes back."""
    root = Path(pipeline_core.__file__).parent
    users = {p.name for p in root.rglob("*.py") if "tables.open_file" in p.read_text()}
    assert users == {"hdf5.py", "trial_look.py", "photon_writer.py"}


def test_a_file_of_many_nodes_has_time_as_long_as_it_shows_life(tmp_path, monkeypatch):
    path = tmp_path / "many.h5"
    with tables.open_file(str(path), "w") as h5:
        for k in range(45):
            h5.create_array("/", f"a{k}", [k])
    monkeypatch.setattr(trial_look, "NODES_A_SIGN", 10)
    signs = []
    assert look(str(path), lambda: signs.append(1)).is_sound
    assert len(signs) == 5  # the root group is a node, too
    # a file cannot hold more nodes than fit into it: in circles there is no more time
    monkeypatch.setattr(trial_look, "_LEAST_NODE_BYTES", path.stat().st_size // 20)
    signs.clear()
    look(str(path), lambda: signs.append(1))
    assert len(signs) == 2


def test_signs_of_life_are_waited_for(good, monkeypatch):
    def slowly(name, show_life):
        for _ in range(6):
            time.sleep(0.1)
            show_life()
        return Answer(can_be_opened=True)

    monkeypatch.setattr(trial_opening, "look", slowly)
    monkeypatch.setattr(trial_opening, "_WAIT_LIMIT_S", 0.4)
    check_harmless(good)
    monkeypatch.setattr(trial_opening, "_show_life", lambda answers: None)
    trial_opening._state_of_this_process().harmless.clear()
    with pytest.raises(InputFormatError, match="hangs"):
        check_harmless(good)


def test_a_slow_trial_is_remembered_by_the_next_program(good, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(trial_opening, "_LEAST_SLOW_BYTES", 0)
    looks = []
    look = trial_opening._look_in_child
    monkeypatch.setattr(
        trial_opening, "_look_in_child", lambda name: looks.append(name) or look(name)
    )
    state = trial_opening._state_of_this_process()
    state.harmless.clear()
    check_harmless(good)  # quick: not worth a note
    state.harmless.clear()
    monkeypatch.setattr(trial_opening, "_SLOW_S", 0.0)
    check_harmless(good)
    assert len(looks) == 2
    for _ in range(2):
        state.harmless.clear()
        check_harmless(good)
    assert len(looks) == 2
    # another content is another file
    good.chmod(0o600)
    os.utime(good, ns=(1, 1))
    state.harmless.clear()
    check_harmless(good)
    assert len(looks) == 3
    # and what is no memory is none
    (tmp_path / "cache" / "quicklook" / "raw" / "sound.json").write_text('{"a": ')
    state.harmless.clear()
    check_harmless(good)
    assert len(looks) == 4
