"""How a night is run: progress, cancelling and going on, processes that end, one run at a time, room on the disks."""

from __future__ import annotations

import atexit
import dataclasses
import gc
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from night_files import made_files, make_raw, plan_of, put_aside, write_night
from same_results import differences

from pipeline_core.atomic import is_running
from pipeline_core.cli import main
from pipeline_core.errors import OperationCancelled, OutputError
from pipeline_core.locks import locked
from pipeline_core.night import room, workers
from pipeline_core.night import run as night_run
from pipeline_core.night.board import Board
from pipeline_core.night.ledger import Ledger
from pipeline_core.night.reduce import reduce_night
from pipeline_core.night.room import rooms_of, task_bytes
from pipeline_core.night.run import DONE, REUSED, STOPPED, local_processes, run_plan


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return make_raw(tmp_path_factory.mktemp("night"))


def until(condition, seconds=60.0):
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


# --- the board -----------------------------------------------------------------------------------


def test_what_a_task_says_is_on_the_board_and_what_the_board_says_stops_it(tmp_path):
    board = Board.new(tmp_path / "db")
    assert board.report_of("key") is None
    progress = board.reporter("key")
    progress(3, 12, "sorting")
    assert (board.report_of("key").part, board.report_of("key").stage) == (0.25, "sorting")
    board.reporter("other")(5, 0, "unknown length")
    assert board.report_of("other").part == 0.0
    board.reporter("third")(9, 3)
    assert board.report_of("third").part == 1.0
    (board.folder / "fourth").write_text("half a rep")
    assert board.report_of("fourth") is None
    assert not board.stopped()
    board.stop()
    with pytest.raises(OperationCancelled):
        board.reporter("late")(0, 1)


def test_a_task_that_is_done_is_not_done_again(tmp_path):
    board = Board.new(tmp_path)
    done = []

    def do(kind, arguments, outputs, progress):
        done.append(kind)
        return "72 photons"

    assert board.text_of("key") is None
    for _ in range(2):
        assert workers.attend(do, board, "key", "convert", {}, ()) == "72 photons"
    assert workers.attend(do, board, "other", "cube", {}, ()) == "72 photons"
    assert done == ["convert", "cube"]


def test_what_fails_together_is_done_one_by_one(tmp_path):
    board, done = Board.new(tmp_path), []
    jobs = tuple(workers.Job(key, key, {}, ()) for key in ("image", "cube"))

    def do(kind, arguments, outputs, progress):
        done.append(kind)
        if kind == "cube":
            raise OutputError("the disk is full")
        return "72 photons"

    def together(kinds, tasks, progress):
        progress(1, 2, "counting")
        assert {board.report_of(job.key).part for job in jobs} == {0.5}
        done.append(kinds)
        if fails:
            raise fails[0]
        return ["72 photons", "7 bands"]

    fails = [OperationCancelled()]
    with pytest.raises(OperationCancelled):
        workers.attend_all(do, together, board, jobs)
    fails = [ValueError("which of them?")]
    image, cube = workers.attend_all(do, together, board, jobs)
    assert (image, str(cube)) == ("72 photons", "the disk is full")
    assert done == [("image", "cube"), ("image", "cube"), "image", "cube"]
    workers.attend_all(do, together, board, jobs)  # one of them is done
    assert done[4:] == ["cube"]
    board, fails = Board.new(tmp_path), []
    for _ in range(2):
        assert workers.attend_all(lambda *_: "never", together, board, jobs) == [
            *("72 photons", "7 bands")
        ]
    assert done[5:] == [("image", "cube")]


def test_image_and_cube_are_done_together_where_both_are_weighted(tmp_path, raw, monkeypatch):
    """By one process; not together is what is there already."""
    together = []

    def do(kind, arguments, outputs, progress):
        outputs[0].parent.mkdir(parents=True, exist_ok=True)
        outputs[0].write_text(kind)
        return kind

    def do_together(kinds, tasks, progress):
        together.append(kinds)
        return [
            do(kind, *task, progress) and f"{kind} together"
            for kind, task in zip(kinds, tasks, strict=True)
        ]

    monkeypatch.setattr(night_run, "do", do)
    monkeypatch.setattr(night_run, "do_together", do_together)

    def outcomes(**values):
        plan = plan_of(write_night(tmp_path, raw, **values))
        found = run_plan(plan, lambda board: ThreadPoolExecutor(2), 2)
        assert {one.state for one in found} <= {DONE, REUSED}
        return {one.task.name: one for one in found}

    found = outcomes(products={"cube": {"weighted": False}})
    assert not together
    assert found["cube pos1"].text == "cube"
    found = outcomes(products={"cube": {"weighted": True}})
    assert not together  # the image is there
    (tmp_path / "out" / "pos1" / "image.fits").unlink()
    found = outcomes(products={"cube": {"weighted": True, "rates": True}})
    assert together == [("image", "cube")]
    assert found["cube pos1"].text == "cube together"
    assert found["image pos1"].text == "image together"


def _found_in_process():
    return os.environ.get("OPENBLAS_NUM_THREADS"), gc.get_threshold()[0], os.getpid()


def test_processes_are_told_to_be_frugal_before_they_load_libraries(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    usual = gc.get_threshold()
    with local_processes(1)(Board.new(tmp_path)) as pool:
        threads, new_objects, process = pool.submit(_found_in_process).result()
    assert process != os.getpid()
    assert threads == "1"
    assert new_objects > 10_000
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    assert gc.get_threshold() == usual
    loaded = "import sys, pipeline_core.night.workers; print('numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).strip() == "False"


class _Loaded:
    """Something that a process has loaded; notes when it is taken apart."""

    def __init__(self, note):
        self._touch = note.touch

    def __del__(self):
        self._touch()


def _load(folder):
    atexit.register((folder / "closed").touch)
    sys.modules["loaded"] = _Loaded(folder / "taken apart")


def test_processes_close_what_libraries_have_open_and_leave_the_rest_as_it_is(tmp_path):
    with local_processes(1)(Board.new(tmp_path)) as pool:
        pool.submit(_load, tmp_path).result()
    assert (tmp_path / "closed").exists()
    assert not (tmp_path / "taken apart").exists()


def test_without_its_board_a_task_stops(tmp_path):
    board = Board.new(tmp_path)
    board.close()
    assert board.stopped()
    assert not list(tmp_path.iterdir())


def test_a_database_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another database"):
        Board.new(tmp_path / "file" / "db")


# --- progress ------------------------------------------------------------------------------------


def _slow_convert(kind, arguments, outputs, progress):
    if kind == "convert":
        progress(1, 4, "a quarter")
        until(Path(arguments["go on"]).exists)
    outputs[0].parent.mkdir(parents=True, exist_ok=True)
    outputs[0].write_text(kind)
    return "done"


def test_it_is_told_when_a_task_begins_and_how_far_it_is(tmp_path, raw, monkeypatch):
    plan = plan_of(write_night(tmp_path, raw, wavecal=None, dark=None, flatcal=None, products={}))
    gate = tmp_path / "gate"
    plan.tasks = [dataclasses.replace(task, arguments={"go on": str(gate)}) for task in plan.tasks]
    monkeypatch.setattr(night_run, "do", _slow_convert)
    told, stages = [], []

    def running(one):
        told.append(one)
        if one.part == 0.25:
            gate.touch()

    def progress(done, total, stage):
        stages.append((done, total, stage))

    run_plan(plan, lambda board: ThreadPoolExecutor(2), 2, running=running, progress=progress)
    first = next(one for one in told if one.task.kind == "convert")
    assert (first.part, first.stage) == (0.0, "")
    assert any(one.stage == "a quarter" and one.seconds > 0 for one in told)
    assert {one.task.name for one in told} == {task.name for task in plan.tasks}
    n = len(plan.tasks)
    assert (250, 1000 * n, plan.tasks[0].name) in stages
    assert [done for done, _, _ in stages] == sorted(done for done, _, _ in stages)
    assert not list((tmp_path / "db").glob("at-work-*"))


# --- cancelling ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)  # kernels may have to be compiled first
def test_a_cancelled_night_goes_on_to_the_same_files(tmp_path, raw):
    path = write_night(tmp_path, raw)
    whole = reduce_night(plan_of(path))
    assert not whole.not_done
    _the_estimates_were_enough(plan_of(path))
    aside = put_aside(tmp_path, "whole")

    begun, ended = [], []

    def progress(done, total, stage):
        if "wavecal" in begun:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        reduce_night(
            plan_of(path),
            watch=ended.append,
            running=lambda one: begun.append(one.task.kind),
            progress=progress,
        )
    states = {one.task.name: one.state for one in ended}
    assert states["wavelength calibration"] == STOPPED
    assert DONE in states.values()
    assert not multiprocessing.active_children()
    left = [one.name for one in (tmp_path / "db").rglob("*") if one.name.endswith(".part")]
    assert not left
    assert not list((tmp_path / "db").glob("at-work-*"))

    again = reduce_night(plan_of(path))
    reused = {one.task.name for one in again.outcomes if one.state == REUSED}
    assert reused == {name for name, state in states.items() if state == DONE}
    assert made_files(tmp_path) == made_files(aside)
    for name in made_files(aside):
        assert differences(aside / name, tmp_path / name) == [], name


def _the_estimates_were_enough(plan):
    """What was said to be needed at most was enough, and not out of all proportion."""
    needed = written = 0
    for task in plan.tasks:
        size = sum(path.stat().st_size for path in task.outputs)
        estimate = task_bytes(plan, task, 35)
        assert size <= estimate, task.name
        needed, written = needed + estimate, written + size
    assert needed < 20 * written
    assert sum(one.needed for one in rooms_of(plan)) == 0


def _sleep(kind, arguments, outputs, progress):
    Path(arguments["folder"], str(os.getpid())).touch()
    time.sleep(600)
    return ""


def _pids(folder):
    return [int(path.name) for path in folder.iterdir()]


@pytest.fixture
def sleeping(tmp_path, raw):
    """A plan whose tasks sleep and listen to nobody, and the folder where they leave their numbers."""
    plan = plan_of(write_night(tmp_path, raw, wavecal=None, dark=None, flatcal=None))
    folder = tmp_path / "pids"
    folder.mkdir()
    plan.tasks = [
        dataclasses.replace(task, arguments={"folder": str(folder)}) for task in plan.tasks
    ]
    return plan, folder


def test_a_task_that_does_not_listen_is_ended_with_its_process(sleeping, monkeypatch):
    plan, folder = sleeping
    monkeypatch.setattr(night_run, "do", _sleep)
    monkeypatch.setattr(workers, "GRACE_S", 0.2)
    ended = []

    def progress(done, total, stage):
        if _pids(folder):
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        run_plan(plan, local_processes(1), 1, ended.append, progress=progress)
    assert [one.state for one in ended] == [STOPPED]
    until(lambda: not is_running(_pids(folder)[0]))


_RUNNER = """
import sys
from pathlib import Path
import test_night_runs as here
from night_files import plan_of
from pipeline_core.night import run
import dataclasses
if __name__ == "__main__":
    plan = plan_of(Path(sys.argv[1]))
    plan.tasks = [dataclasses.replace(t, arguments={"folder": sys.argv[2]}) for t in plan.tasks]
    run.do = here._sleep
    run.run_plan(plan, run.local_processes(1), 1)
"""


def test_no_process_outlives_the_run_that_was_killed(sleeping, tmp_path):
    plan, folder = sleeping
    script = tmp_path / "runner.py"
    script.write_text(_RUNNER)
    here = Path(__file__).parent
    path = os.pathsep.join((str(here.parents[1]), str(here.parent), str(here)))
    process = subprocess.Popen(
        [sys.executable, script, plan.settings.source, folder],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _pids(folder))
        assert is_running(_pids(folder)[0])
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: not is_running(_pids(folder)[0]))
    # its board and its lock stay behind, and are in nobody's way
    assert list(plan.settings.database.glob("at-work-*"))
    with night_run._alone(plan) as board:
        assert list(plan.settings.database.glob("at-work-*")) == [board.folder]


def test_one_run_at_a_time(sleeping, monkeypatch):
    plan, _ = sleeping
    monkeypatch.setattr("pipeline_core.locks._WAIT_S", 0.05)
    with locked(plan.settings.database / "night"), pytest.raises(OutputError, match="Another run"):
        run_plan(plan, local_processes(1), 1)


def test_left_overs_of_any_machine_are_removed_and_nothing_else(sleeping):
    plan, _ = sleeping
    output = plan.tasks[0].outputs[0]
    output.parent.mkdir(parents=True)
    left = output.with_name(f"{output.name}.otherhost.77.part")
    other = output.with_name("notes.part")
    for path in (left, other):
        path.touch()
    with night_run._alone(plan):
        assert not left.exists()
        assert other.exists()


def test_the_command_says_how_to_go_on(tmp_path, raw, monkeypatch, capsys):
    path = write_night(tmp_path, raw, wavecal=None, dark=None, flatcal=None)

    def cancelled(plan, executors, at_once, watch, running, progress):
        watch(night_run.Outcome(plan.tasks[0], DONE, ""))
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline_core.night.reduce.run_plan", cancelled)
    assert main(["run", str(path), "--quiet"]) == 1
    assert "1 of 4 tasks are done and kept. The same command goes on" in capsys.readouterr().err


# --- room ----------------------------------------------------------------------------------------


class Disk:
    """Stands in for `shutil.disk_usage`."""

    def __init__(self, free):
        self.free = free

    def __call__(self, path):
        return shutil._ntuple_diskusage(10**12, 10**12 - self.free, self.free)


def test_a_night_that_does_not_fit_is_refused_before_anything_runs(
    tmp_path, raw, monkeypatch, capsys
):
    path = write_night(tmp_path, raw)
    plan = plan_of(path)
    needed = sum(one.needed for one in rooms_of(plan))
    raw_bytes = sum(task.n_bytes for task in plan.tasks)
    assert needed > raw_bytes
    monkeypatch.setattr(room.shutil, "disk_usage", Disk(needed + room._MARGIN - 1))
    assert main(["run", str(path), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert f"database {tmp_path / 'db'}" in error
    assert f"out {tmp_path / 'out'}" in error
    assert "Free some space, or move" in error
    assert "Traceback" not in error
    assert not list((tmp_path / "db").glob("photons/*"))
    monkeypatch.setattr(room.shutil, "disk_usage", Disk(needed + room._MARGIN))
    room.check_rooms(rooms_of(plan))


def test_a_dry_run_says_how_much_and_where(tmp_path, raw, capsys):
    paths = {"data": str(raw.folder), "database": "db", "out": "out", "work": "work/photons"}
    path = write_night(tmp_path, raw, paths=paths)
    assert main(["run", str(path), "--dry-run"]) == 0
    told = capsys.readouterr().out
    for name in ("work/photons", "database", "out"):
        folder = tmp_path / name.replace("database", "db")
        assert f"{name.partition('/')[0]} {folder}: at most" in told
    assert "GB needed" in told
    assert not (tmp_path / "db").exists()


def test_what_is_there_needs_no_room(tmp_path, raw):
    plan = plan_of(write_night(tmp_path, raw))
    before = {one.name: one.needed for one in rooms_of(plan)}
    ledger = Ledger(plan.settings.database)
    for task in plan.tasks:
        if task.kind == "convert":
            task.outputs[0].parent.mkdir(parents=True, exist_ok=True)
            task.outputs[0].write_text("")
            ledger.note(task, "done", 1.0)
    after = {one.name: one.needed for one in rooms_of(plan)}
    gone = sum(task_bytes(plan, task, 35) for task in plan.tasks if task.kind == "convert")
    assert before["database"] - after["database"] == gone
    assert after["out"] == before["out"]


def test_each_disk_is_counted_by_itself():
    there = [
        room.Room("work", Path("/a"), 6 << 30, 10 << 30, 1),
        room.Room("database", Path("/a/db"), 6 << 30, 10 << 30, 1),
        room.Room("out", Path("/b"), 6 << 30, 10 << 30, 2),
    ]
    with pytest.raises(OutputError) as caught:
        room.check_rooms(there)
    assert "'work' or 'database'" in str(caught.value)
    assert "/b" not in str(caught.value)
    room.check_rooms(there[1:])


def test_a_folder_that_cannot_be_written_is_named(tmp_path, raw, monkeypatch):
    plan = plan_of(write_night(tmp_path, raw))
    monkeypatch.setattr(room.os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match=r"database: folder .* cannot be written"):
        rooms_of(plan)
