"""Lanes with real threads and real child processes: one outcome each, then finished, always."""

from __future__ import annotations

import logging
import threading
import time

import child_work
import pytest

from pipeline_core.errors import ConfigError, OperationCancelled
from quicklook.child_process import run_in_child
from quicklook.jobs import JobRunner
from quicklook.qt import QtCore, Slot

OUTCOMES = {"succeeded", "failed", "cancelled"}


class Recorder(QtCore.QObject):
    """Writes down every signal of a lane and the thread in which it arrived."""

    def __init__(self, lane):
        super().__init__()
        self.events = []
        self.threads = set()
        for name in ("started", "progressed", "succeeded", "failed", "cancelled", "finished"):
            getattr(lane, name).connect(getattr(self, f"on_{name}"))

    def _note(self, name, content):
        self.events.append((name, content))
        self.threads.add(threading.current_thread())

    @Slot(object)
    def on_started(self, job):
        self._note("started", job)

    @Slot(object)
    def on_progressed(self, report):
        self._note("progressed", report)

    @Slot(object)
    def on_succeeded(self, success):
        self._note("succeeded", success)

    @Slot(object)
    def on_failed(self, failure):
        self._note("failed", failure)

    @Slot(object)
    def on_cancelled(self, job):
        self._note("cancelled", job)

    @Slot(object)
    def on_finished(self, job):
        self._note("finished", job)

    def of(self, job):
        """Names of the events of one job, progress left out."""
        return [n for n, c in self.events if getattr(c, "job", c) is job and n != "progressed"]

    def content(self, name):
        return [content for n, content in self.events if n == name]


@pytest.fixture
def lane(qtbot):
    lane = JobRunner("test")
    lane.recorder = Recorder(lane)
    yield lane
    assert lane.shutdown()


def finish(qtbot, lane, *jobs):
    done = lane.recorder
    qtbot.waitUntil(lambda: all("finished" in done.of(job) for job in jobs), timeout=10_000)


def plus_one(number, *, progress):
    return number + 1


def wait_for(event, *, progress):
    while not event.wait(0.005):
        progress(0, 0, "waiting")


def test_success(qtbot, lane):
    job = lane.submit("plus", plus_one, 2**40)
    finish(qtbot, lane, job)
    assert lane.recorder.of(job) == ["started", "succeeded", "finished"]
    assert lane.recorder.content("succeeded")[0].result == 2**40 + 1
    assert lane.recorder.threads == {threading.main_thread()}
    assert lane.jobs == ()


@pytest.mark.parametrize(
    ("error", "expected"), [(ConfigError("duration 0"), True), (RuntimeError("a bug"), False)]
)
def test_failure(qtbot, lane, caplog, error, expected):
    def fail(*, progress):
        raise error

    with caplog.at_level(logging.WARNING):
        job = lane.submit("fails", fail)
        finish(qtbot, lane, job)
    assert lane.recorder.of(job) == ["started", "failed", "finished"]
    failure = lane.recorder.content("failed")[0]
    assert failure.error is error
    assert failure.expected is expected
    assert "in fail" in failure.traceback_text
    assert str(error) in caplog.text


def test_what_waits_is_cancelled_at_once(qtbot, lane):
    go_on = threading.Event()
    first = lane.submit("waits", wait_for, go_on)
    second = lane.submit("plus", plus_one, 1)
    third = lane.submit("plus", plus_one, 2)
    lane.cancel(second)
    lane.cancel(second)
    assert second in lane.jobs  # nothing is told while one asks
    finish(qtbot, lane, second)
    assert lane.recorder.of(second) == ["cancelled", "finished"]
    assert lane.jobs == (first, third)
    go_on.set()
    finish(qtbot, lane, first, third)
    assert lane.recorder.of(first) == ["started", "succeeded", "finished"]
    assert lane.recorder.of(third) == ["started", "succeeded", "finished"]
    lane.cancel(third)
    qtbot.wait(20)
    assert lane.recorder.of(second) == ["cancelled", "finished"]
    assert len(lane.recorder.of(third)) == 3


def test_cancel_running(qtbot, lane):
    job = lane.submit("waits", wait_for, threading.Event())
    qtbot.waitUntil(lambda: lane.recorder.of(job) == ["started"])
    lane.cancel(job)
    finish(qtbot, lane, job)
    assert lane.recorder.of(job) == ["started", "cancelled", "finished"]


def test_cancel_queued_never_starts(qtbot, lane):
    gate = threading.Event()
    first = lane.submit("waits", wait_for, gate)
    second = lane.submit("never", plus_one, 1)
    lane.cancel(second)
    gate.set()
    finish(qtbot, lane, first, second)
    assert lane.recorder.of(first) == ["started", "succeeded", "finished"]
    assert lane.recorder.of(second) == ["cancelled", "finished"]


def test_newest_of_a_key_wins(qtbot, lane):
    gate = threading.Event()
    first = lane.submit("waits", wait_for, gate)
    old = [lane.submit("old", plus_one, k, key="pane", newest=True) for k in range(5)]
    other = lane.submit("other", plus_one, 10, key="other pane", newest=True)
    gate.set()
    finish(qtbot, lane, first, *old, other)
    assert [s.result for s in lane.recorder.content("succeeded")[1:]] == [5, 11]


def test_a_patient_job_lets_others_go_first(qtbot, lane):
    runner, recorder = lane, lane.recorder
    calls, order = [], []
    begun, go_on = threading.Event(), threading.Event()

    def patient(*, progress):
        calls.append(threading.current_thread())
        begun.set()
        go_on.wait(5)
        progress(0, 1)
        order.append("patient")

    def quick(name, *, progress):
        progress(0, 1)
        order.append(name)

    job = runner.submit("survey", patient, patient=True)
    assert begun.wait(5)
    others = [runner.submit("click", quick, name) for name in "ab"]
    go_on.set()
    qtbot.waitUntil(lambda: not runner.jobs)
    assert order == ["a", "b", "patient"]
    assert len(calls) == 2
    assert [n for n in recorder.of(job) if n != "started"] == ["succeeded", "finished"]
    for other in others:
        assert recorder.of(other) == ["started", "succeeded", "finished"]


def test_a_patient_job_that_is_queued_waits_for_what_comes_later(qtbot, lane):
    runner = lane
    order, gate = [], threading.Event()

    def work(name, *, progress):
        gate.wait(5)
        progress(0, 1)
        order.append(name)

    runner.submit("first", work, "first")
    runner.submit("survey", work, "patient", patient=True)
    runner.submit("click", work, "click")
    gate.set()
    qtbot.waitUntil(lambda: not runner.jobs)
    assert order == ["first", "click", "patient"]


def test_a_patient_job_can_be_cancelled_while_it_gives_way(qtbot, lane):
    runner, recorder = lane, lane.recorder
    begun, go_on = threading.Event(), threading.Event()

    def patient(*, progress):
        begun.set()
        go_on.wait(5)
        progress(0, 1)

    job = runner.submit("survey", patient, patient=True)
    assert begun.wait(5)
    runner.submit("click", lambda progress: runner.cancel(job))
    go_on.set()
    qtbot.waitUntil(lambda: not runner.jobs)
    assert [n for n in recorder.of(job) if n != "started"] == ["cancelled", "finished"]


def test_a_patient_job_that_gave_way_ends_with_the_lane(qtbot):
    runner = JobRunner("test")
    recorder = Recorder(runner)
    begun, go_on, stopped = threading.Event(), threading.Event(), threading.Event()

    def patient(*, progress):
        begun.set()
        go_on.wait(5)
        try:
            progress(0, 1)
        finally:
            stopped.set()

    job = runner.submit("survey", patient, patient=True)
    assert begun.wait(5)
    runner.submit("click", lambda progress: None)
    go_on.set()
    assert stopped.wait(5)  # its wish to be called again waits for the event loop
    assert runner.shutdown()
    qtbot.waitUntil(lambda: not runner.jobs)
    assert [n for n in recorder.of(job) if n != "started"] == ["cancelled", "finished"]


def test_progress_is_reported_but_not_too_often(qtbot, lane):
    def busy(*, progress):
        for step in range(300):
            progress(step, 300, "counting")
            time.sleep(0.001)

    job = lane.submit("busy", busy)
    finish(qtbot, lane, job)
    reports = lane.recorder.content("progressed")
    assert 2 <= len(reports) <= 20
    assert reports[0].stage == "counting"
    assert reports[0].total == 300


def test_a_cancel_that_came_too_late_is_a_success(qtbot, lane):
    job_box = []

    def stubborn(*, progress):
        job_box[0].cancel_event.set()
        return "done"

    gate = threading.Event()
    first = lane.submit("waits", wait_for, gate)
    job_box.append(lane.submit("stubborn", stubborn))
    gate.set()
    finish(qtbot, lane, first, job_box[0])
    assert lane.recorder.of(job_box[0]) == ["started", "succeeded", "finished"]


def test_close_while_busy(qtbot):
    closed = []
    lane = JobRunner("busy", at_end=lambda: closed.append(threading.current_thread()))
    recorder = Recorder(lane)
    jobs = [lane.submit("waits", wait_for, threading.Event()) for _ in range(3)]
    qtbot.waitUntil(lambda: recorder.of(jobs[0]) == ["started"])
    assert lane.shutdown()
    assert len(closed) == 1  # in the lane's thread, where the handles belong
    assert closed[0] is not threading.main_thread()
    qtbot.waitUntil(lambda: all("cancelled" in recorder.of(job) for job in jobs))
    late = lane.submit("late", plus_one, 1)  # a timer that was on its way
    assert late.cancel_event.is_set()
    assert late not in lane.jobs
    assert recorder.of(late) == []


def test_shutdown_that_must_wait_says_so(qtbot):
    gate, started = threading.Event(), threading.Event()

    def deaf(*, progress):
        started.set()
        gate.wait(10)

    lane = JobRunner("deaf")
    lane.submit("deaf", deaf)
    assert started.wait(5)
    assert not lane.shutdown(wait_s=0.1)
    gate.set()
    assert lane.shutdown()


def in_child(function, *args, progress):
    return run_in_child(function, *args, progress=progress)


def test_child_succeeds(qtbot, lane):
    job = lane.submit("adds", in_child, child_work.add, 2, 3)
    finish(qtbot, lane, job)
    assert lane.recorder.content("succeeded")[0].result == 5


def test_child_crashes(qtbot, lane):
    job = lane.submit("crashes", in_child, child_work.crash)
    finish(qtbot, lane, job)
    assert lane.recorder.of(job) == ["started", "failed", "finished"]
    assert "SIGSEGV" in str(lane.recorder.content("failed")[0].error)
    after = lane.submit("adds", in_child, child_work.add, 1, 1)  # the lane lives on
    finish(qtbot, lane, after)
    assert lane.recorder.of(after)[1] == "succeeded"


def test_child_is_cancelled_in_half_a_second(qtbot, lane, tmp_path):
    job = lane.submit("works", in_child, child_work.work_politely, str(tmp_path))
    qtbot.waitUntil(
        lambda: any(report.done > 0 for report in lane.recorder.content("progressed")),
        timeout=10_000,
    )
    asked = time.monotonic()
    lane.cancel(job)
    finish(qtbot, lane, job)
    assert time.monotonic() - asked < 0.5
    assert lane.recorder.of(job) == ["started", "cancelled", "finished"]
    assert list(tmp_path.iterdir()) == []


def test_operation_cancelled_by_the_task_itself(qtbot, lane):
    def gives_up(*, progress):
        raise OperationCancelled

    job = lane.submit("gives up", gives_up)
    finish(qtbot, lane, job)
    assert lane.recorder.of(job) == ["started", "cancelled", "finished"]
