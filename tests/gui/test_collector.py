"""Garbage is collected while the window rests, and what libraries have loaded is put aside."""

from __future__ import annotations

import gc
import sys
import threading
import types
import weakref

import pytest

from quicklook.collector import RestingCollector, SpareLibraries, smooth_interpreter
from quicklook.jobs import JobRunner
from quicklook.qt import QtCore


@pytest.fixture
def lane(qtbot):
    gc.unfreeze()
    runner = JobRunner("lane")
    yield runner
    runner.shutdown(5)
    gc.unfreeze()


def test_it_looks_again_when_a_job_has_loaded_modules(qtbot, lane, monkeypatch):
    owner = QtCore.QObject()
    spare = SpareLibraries((lane,), owner)
    frozen = gc.get_freeze_count()
    assert frozen > 10_000
    with qtbot.waitSignal(lane.succeeded):
        lane.submit("nothing", lambda progress: None)
    assert gc.get_freeze_count() <= frozen  # what is spared may still go when nobody needs it

    def load(progress):
        for k in range(25):
            monkeypatch.setitem(sys.modules, f"loaded_{k}", types.ModuleType(f"loaded_{k}"))

    with qtbot.waitSignal(lane.succeeded):
        lane.submit("much", load)
    assert gc.get_freeze_count() > frozen
    assert spare.parent() is owner


class Knot:
    """Holds itself: only the collector frees it."""

    def __init__(self):
        self.itself = self


def full_collections_of(work):
    """How many collections look at everything while `work` is done."""
    found = []

    def note(phase, info):
        if phase == "start" and info["generation"] == 2:
            found.append(info)

    gc.callbacks.append(note)
    try:
        work()
    finally:
        gc.callbacks.remove(note)
    return len(found)


def many_objects():
    return [[k] for k in range(2_000_000)]


def test_nothing_is_collected_in_full_in_the_middle_of_work(lane):
    gc.collect()
    assert full_collections_of(many_objects) > 0
    with smooth_interpreter():
        assert full_collections_of(many_objects) == 0


def test_a_program_that_never_rests_is_collected_in_the_end(lane):
    with smooth_interpreter():
        gc.set_threshold(100, 1, gc.get_threshold()[2])  # many partial ones
        assert full_collections_of(many_objects) > 0


def test_threads_wait_less_for_one_another_until_the_program_ends():
    usual, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(600, 9, 8)
    try:
        with pytest.raises(RuntimeError, match="the window breaks"), smooth_interpreter():
            assert sys.getswitchinterval() == pytest.approx(0.001)
            raise RuntimeError("the window breaks")
        assert (gc.get_threshold(), sys.getswitchinterval()) == ((600, 9, 8), interval)
    finally:
        gc.set_threshold(*usual)


def test_garbage_goes_when_the_window_rests(qtbot, lane):
    collector = RestingCollector((lane,), lane)
    knot = Knot()
    gc.collect()
    gc.disable()
    try:
        seen, knot = weakref.ref(knot), None
        collector.look()
        not_worth_it = seen() is not None
        for _ in range(12):
            gc.collect(1)
        go_on = threading.Event()
        with qtbot.waitSignal(lane.succeeded):
            lane.submit("something", lambda progress: go_on.wait(10))
            collector.look()
            busy = seen() is not None
            go_on.set()
        qtbot.waitUntil(lambda: not lane.jobs)
        collector.look()
        assert (not_worth_it, busy, seen()) == (True, True, None)
    finally:
        gc.enable()
