"""Plots with everything that is behind them, without the main window."""

from __future__ import annotations

from pathlib import Path

from fake_obs import FakeObs

from quicklook.jobs import JobRunner
from quicklook.reads import ReadBroker
from quicklook.session import Session
from quicklook.tasks import OpenFiles
from quicklook.views.pixel_card import PixelCard
from quicklook.views.plot_window import PlotWindows

NIGHT = Path("night1.h5")


class PlotRig:
    """Session, lane, broker, card and windows; `observations` by path are what can be opened."""

    def __init__(self, qtbot):
        self.qtbot = qtbot
        self.observations = {NIGHT: FakeObs(NIGHT)}
        self.files = OpenFiles(lambda paths, _beammap, _progress: self.observations[paths[0]])
        self.session = Session(0.01)
        self.lane = JobRunner("reads", lambda: self.files.close_others(0))
        self.broker = ReadBroker(self.lane, self.files)
        self.card = PixelCard(self.session)
        for pane in self.card.panes:
            self.broker.add(pane)
            pane.requested.connect(self.broker.ask)
        self.windows = PlotWindows(self.session, self.broker)
        self.card.resize(520, 640)
        with qtbot.waitExposed(self.card):
            self.card.show()

    def close(self):
        self.broker.forget()
        self.windows.close_all()
        self.card.close()
        for obs in self.observations.values():
            obs.gate.set()
        assert self.lane.shutdown()
        self.card.deleteLater()

    def open(self, path=NIGHT):
        """Open a file as the main window does."""
        opened = []
        self.lane.succeeded.connect(opened.append)
        job = self.lane.submit("open", self.files.open, (path,))
        self.qtbot.waitUntil(lambda: any(one.job is job for one in opened), timeout=5000)
        self.lane.succeeded.disconnect(opened.append)
        facts = next(one.result for one in opened if one.job is job)
        self.broker.forget()
        self.session.set_file(facts)
        self.lane.submit("close", self.files.close_others, facts.token)
        return self.observations[path]

    def wait(self, *panes):
        """Wait until these panes, or those of the card, show what they want."""
        for pane in panes or self.card.panes:
            self.qtbot.waitUntil(lambda pane=pane: is_current(pane), timeout=5000)


def is_current(pane):
    """Whether a pane shows what it would ask for now."""
    return pane.shown is not None and pane.shown.request == pane._wanted()
