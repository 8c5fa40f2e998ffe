"""The window's thread does not do everything in one turn of its event loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_obs import FakeObs
from gui_actions import click_pixel, wait_for_plots
from window_rig import all_read

from quicklook.qt import QtCore
from quicklook.turns import Turns

NIGHT = Path("night.h5")


class TurnCounter(QtCore.QObject):
    """Numbers the turns of the event loop: what is noted in one turn has the same number."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self._timer = QtCore.QTimer(self, interval=0)
        self._timer.timeout.connect(self._count)
        self._timer.start()

    def _count(self):
        self.number += 1


@pytest.fixture
def turn(qtbot):
    counter = TurnCounter()
    yield counter
    counter._timer.stop()


def noting(monkeypatch, turn, notes, owner, name):
    """Let a method note the turn in which it is called."""
    original = getattr(owner, name)

    def noted(*args, **kwargs):
        notes.append((name, turn.number))
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, noted)


def test_pieces_are_done_in_their_order_one_a_turn(qtbot, turn):
    turns = Turns()
    notes = []
    for name in "abc":
        turns.take(lambda name=name: notes.append((name, turn.number)))
    assert [name for name, _ in notes] == ["a"]  # the first need not wait
    qtbot.waitUntil(lambda: len(notes) == 3)
    assert [name for name, _ in notes] == ["a", "b", "c"]
    assert len({number for _, number in notes}) == 3
    qtbot.wait(10)
    turns.take(lambda: notes.append(("d", turn.number)))
    assert [name for name, _ in notes] == ["a", "b", "c", "d"]


def test_a_piece_may_bring_another_and_a_mistake_stops_nothing(qtbot):
    turns = Turns()
    done = []

    def mistake():
        raise RuntimeError("a piece breaks")

    def first():
        done.append("first")
        turns.take(lambda: done.append("last"))

    with qtbot.captureExceptions() as caught:
        turns.take(lambda: done.append("zeroth"))
        turns.take(first)
        turns.take(mistake)
        qtbot.waitUntil(lambda: done[-1] == "last")
    assert done == ["zeroth", "first", "last"]
    assert len(caught) == 1


def test_an_opened_file_does_not_arrive_in_one_turn(qtbot, window, observations, turn, monkeypatch):
    other = Path("other.h5")
    observations[other] = FakeObs(other, seed=5)
    with qtbot.waitSignal(window.fileOpened):
        window.open_file(NIGHT)
    qtbot.wait(30)
    click_pixel(qtbot, window, 3, 2)
    wait_for_plots(qtbot, window, (3, 2))
    qtbot.waitUntil(lambda: all_read(window))
    notes = []
    steps = [
        (window.image.view, "set_picture"),
        (window.image.legend, "set_entries"),
        (window.strip, "show_facts"),
        (window.panels, "show_recent"),
        *((pane, "show_result") for pane in window.card.panes if pane.isVisible()),
        (window.timeline, "show_result"),
    ]
    for owner, name in steps:
        noting(monkeypatch, turn, notes, owner, name)
    window.open_file(other)
    qtbot.waitUntil(lambda: len(notes) == len(steps))
    qtbot.wait(30)
    names = [name for name, _ in notes]
    assert names[0] == "set_picture"
    assert names[1:4] == ["set_entries", "show_facts", "show_recent"]
    assert names[4:] == ["show_result"] * (len(steps) - 4)
    assert len({number for _, number in notes}) == len(steps)


def test_the_speckle_window_is_made_shown_and_filled_one_a_turn(qtbot, opened, turn, monkeypatch):
    notes = []
    for name in ("_the_window", "_on_pixel"):
        noting(monkeypatch, turn, notes, opened.speckling, name)
    monkeypatch.setattr(
        "quicklook.speckling.bring_to_front", lambda _: notes.append(("shown", turn.number))
    )
    opened.speckling.open_window()
    qtbot.waitUntil(lambda: len(notes) == 4)
    assert [name for name, _ in notes] == ["_the_window", "_the_window", "shown", "_on_pixel"]
    (_, made), (_, asked), (_, shown), (_, filled) = notes
    assert made < asked == shown < filled


def test_an_answer_that_waited_for_its_turn_and_became_stale_is_not_drawn(
    qtbot, opened, monkeypatch
):
    drawn = []
    pane = opened.card.spectrum
    monkeypatch.setattr(pane, "show_result", lambda result: drawn.append(result.request.pixel))
    broker = opened.broker
    broker.turns.take(lambda: None)  # what comes now waits
    click_pixel(qtbot, opened, 3, 2)
    job = broker._newest[pane.name]
    seen = []
    opened.reads.succeeded.connect(lambda success: seen.append(success.job))
    monkeypatch.setattr(broker.turns, "_next", lambda: None)
    broker.turns._timer.timeout.disconnect()
    broker.turns._timer.start()
    qtbot.waitUntil(lambda: job in seen)
    assert drawn == []
    broker.forget()
    while broker.turns._pieces:
        broker.turns._pieces.popleft()()
    assert drawn == []
    broker.turns._timer.stop()
