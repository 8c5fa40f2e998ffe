"""What is made in advance while the program rests."""

from __future__ import annotations

import threading

import pytest
from PyQt5 import sip

from quicklook.idle import IdleWork
from quicklook.jobs import JobRunner
from quicklook.qt import QtWidgets
from quicklook.views import spare_map
from quicklook.views.flat_window import FlatWindow


@pytest.fixture
def owner(qtbot):
    widget = QtWidgets.QWidget()
    qtbot.addWidget(widget)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


@pytest.fixture
def lane(qtbot):
    runner = JobRunner("lane")
    yield runner
    runner.shutdown(5)


def test_a_spare_map_waits_out_of_sight_and_goes_into_the_next_window(qtbot, owner, lane):
    idle = IdleWork((lane,), owner)
    idle.look()
    idle.look()
    (spare,) = spare_map._spare
    assert not spare.isVisible()
    window = FlatWindow()
    qtbot.addWidget(window)
    assert window.map is spare
    assert spare_map._spare == []
    with qtbot.waitExposed(window):
        window.show()
    assert spare.isVisible()
    assert spare.window() is window
    other = FlatWindow()  # without a spare one
    qtbot.addWidget(other)
    assert other.map is not spare


def test_nothing_is_made_while_a_job_runs(qtbot, owner, lane):
    idle = IdleWork((lane,), owner)
    go_on = threading.Event()
    with qtbot.waitSignal(lane.succeeded):
        lane.submit("something", lambda progress: go_on.wait(10))
        idle.look()
        assert spare_map._spare == []
        go_on.set()
    qtbot.waitUntil(lambda: not lane.jobs)
    idle.look()
    assert len(spare_map._spare) == 1
    spare_map.new_map().deleteLater()


def test_a_spare_map_ends_with_its_owner(qtbot, lane):
    owner = QtWidgets.QWidget()
    IdleWork((lane,), owner).look()
    (spare,) = spare_map._spare
    sip.delete(owner)
    assert sip.isdeleted(spare)
    assert spare_map._spare == []
