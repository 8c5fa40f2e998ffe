"""What libraries have loaded is put aside for the collector of garbage."""

from __future__ import annotations

import gc
import sys
import types

import pytest

from quicklook.collector import SpareLibraries
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
