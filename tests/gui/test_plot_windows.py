"""Plots in windows of their own: M8 (every one follows), defect 21 (files never mix), no leaks."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from fake_obs import FakeObs
from plot_rig import NIGHT, PlotRig, is_current

from quicklook import theme
from quicklook.qt import Qt, QtCore, QtWidgets
from quicklook.session import Target
from quicklook.views.plots import KINDS

OTHER = NIGHT.with_name("night2.h5")


@pytest.fixture
def rig(qtbot):
    rig = PlotRig(qtbot)
    rig.observations[OTHER] = FakeObs(OTHER, shape=(4, 9), exposure_s=2.0, seed=5)
    rig.open()
    rig.session.set_pixel((3, 2))
    yield rig
    rig.close()


def counts_of(window):
    return window.pane.shown.data.counts.sum()


def test_m8_every_window_follows_the_active_pixel(rig):
    obs = rig.observations[NIGHT]
    windows = [rig.windows.open(kind) for kind in ("light_curve", "spectrum", "phase")]
    rng = np.random.default_rng(1)
    for _ in range(100):
        pixel = (int(rng.integers(10)), int(rng.integers(7)))
        rig.session.set_pixel(pixel)
        if rng.random() < 0.3:  # sometimes faster than the reads
            continue
        rig.wait(*(window.pane for window in windows))
        for window in windows:
            assert counts_of(window) == obs.times[pixel].size
            assert window.windowTitle().endswith(f"pixel ({pixel[0]}, {pixel[1]})")
    assert windows[0].windowTitle().startswith("night1.h5 - Light curve - pixel (")


def test_windows_show_regions_too(rig):
    window = rig.windows.open("light_curve")
    rig.session.set_target(Target("Region 1 (2 pixels)", ((1, 1), (2, 3))))
    rig.wait(window.pane)
    obs = rig.observations[NIGHT]
    assert counts_of(window) == obs.times[1, 1].size + obs.times[2, 3].size
    assert window.windowTitle() == "night1.h5 - Light curve - region 1 (2 pixels)"


def test_a_pinned_window_stays_and_follows_again(rig):
    window = rig.windows.open("spectrum")
    rig.wait(window.pane)
    window.follow.setChecked(False)
    rig.session.set_pixel((9, 6))
    rig.session.set_time_range(0.0, 2.0)
    rig.wait(window.pane)
    times = rig.observations[NIGHT].times
    assert counts_of(window) == (times[3, 2] < 2).sum()
    assert window.windowTitle().endswith("pixel (3, 2)")
    window.follow.setChecked(True)
    rig.wait(window.pane)
    assert counts_of(window) == (times[9, 6] < 2).sum()
    assert window.windowTitle().endswith("pixel (9, 6)")


def test_every_window_has_its_own_exposure_time(rig):
    first, second = rig.windows.open("light_curve"), rig.windows.open("histogram")
    assert (first.bin_ms.minimum(), first.bin_ms.maximum(), first.bin_ms.value()) == (1, 200, 10)
    first.bin_ms.setValue(50.0)
    rig.wait(first.pane, second.pane, *rig.card.panes)
    assert first.pane.shown.data.counts.size == 80
    assert second.pane.shown.data.n_bins == 400
    assert rig.card.light_curve.shown.data.counts.size == 400
    rig.session.set_bin_s(0.1)
    rig.wait(first.pane, second.pane, *rig.card.panes)
    assert first.pane.shown.data.counts.size == 80


def test_plot_button_reads_again_after_trouble(rig, qtbot):
    from pipeline_core.errors import InputFormatError

    obs = rig.observations[NIGHT]
    obs.broken["phase_histogram"] = InputFormatError("night1.h5 is damaged. Copy it again.")
    window = rig.windows.open("phase")
    qtbot.waitUntil(lambda: "damaged" in window.pane.message)
    assert not window.copy.isEnabled()
    del obs.broken["phase_histogram"]
    qtbot.mouseClick(window.replot, Qt.MouseButton.LeftButton)
    rig.wait(window.pane)
    assert window.pane.message == ""


def test_defect_21_a_window_never_shows_another_file(rig):
    """The old program's windows plotted pixels of the first file with times of the second."""
    window = rig.windows.open("light_curve")
    rig.wait(window.pane)
    before = window.pane.curve.getData()[1].copy()
    rig.open(OTHER)
    rig.session.set_pixel((1, 8))
    rig.session.set_time_range(0.5, 1.0)
    rig.wait()
    assert window.is_frozen
    assert "Belongs to night1.h5, which is no longer open" in window.note.text()
    assert window.note.isVisible()
    assert window.windowTitle() == "night1.h5 - Light curve - pixel (3, 2)"
    np.testing.assert_array_equal(window.pane.curve.getData()[1], before)
    for control in (window.bin_ms, window.follow, window.replot):
        assert not control.isEnabled()
    assert window.copy.isEnabled()
    assert {name for name, _ in rig.observations[OTHER].asked} == {
        "light_curve",
        "intensity_histogram",
        "spectrum",
    }
    second = rig.windows.open("light_curve")
    rig.wait(second.pane)
    assert counts_of(second) == rig.card.spectrum.shown.data.counts.sum()
    rig.open(NIGHT)
    rig.session.set_pixel((9, 6))
    rig.wait(window.pane)
    assert not window.is_frozen
    assert not window.note.isVisible()
    assert counts_of(window) == rig.observations[NIGHT].times[9, 6].size
    assert window.windowTitle() == "night1.h5 - Light curve - pixel (9, 6)"
    assert second.is_frozen


def test_an_answer_that_comes_after_the_file_changed_is_not_drawn(rig, qtbot):
    obs = rig.observations[NIGHT]
    window = rig.windows.open("light_curve")
    rig.wait(window.pane)
    late = window.pane.shown
    obs.gate.clear()
    rig.session.set_pixel((2, 6))
    qtbot.waitUntil(lambda: window.pane._veil.isVisible())
    rig.session.set_file(rig.files.open((OTHER,)))
    assert not window.pane._veil.isVisible()
    obs.gate.set()
    rig.wait()
    assert window.pane.shown is late


def test_log_of_a_frozen_window_still_works(rig):
    window = rig.windows.open("spectrum")
    rig.wait(window.pane)
    rig.open(OTHER)
    window.pane.log.setChecked(True)
    assert window.pane.bars.getData()[1].max() == pytest.approx(
        np.log10(rig.observations[NIGHT].times[3, 2].size)
    )


def test_a_pinned_pixel_that_the_file_has_no_longer(rig):
    rig.session.set_pixel((9, 2))
    window = rig.windows.open("spectrum")
    window.follow.setChecked(False)
    rig.wait(window.pane)
    rig.observations[NIGHT] = FakeObs(NIGHT, shape=(4, 9))  # written anew
    rig.open(NIGHT)
    assert window.pane.message == "night1.h5 has no pixel (9, 2)."


def test_names_are_unique(rig):
    names = [rig.windows.open(kind).pane.name for kind in ("phase", "phase", "light_curve")]
    assert len({*names, *(pane.name for pane in rig.card.panes)}) == 6


def test_closed_windows_are_freed_and_forgotten(rig, qtbot, application):
    def settle():
        rig.qtbot.waitUntil(lambda: not rig.lane.jobs, timeout=5000)
        application.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
        gc.collect()

    rig.wait()
    settle()
    panes, listeners = dict(rig.broker._panes), receivers(rig)
    widgets = len(application.allWidgets())
    gone = []
    for k in range(50):
        window = rig.windows.open(tuple(KINDS)[k % len(KINDS)])
        gone += [weakref.ref(window), weakref.ref(window.pane), weakref.ref(window.pane.plot)]
        if k % 3:
            rig.wait(window.pane)
        window.close()
        del window
    settle()
    assert [ref for ref in gone if ref() is not None] == []
    assert rig.windows.windows == ()
    assert rig.broker._panes == panes
    assert set(rig.broker._newest) <= set(panes)
    assert receivers(rig) == listeners
    assert len(application.allWidgets()) == widgets
    rig.session.set_pixel((5, 5))  # nobody who is gone is asked
    rig.wait()


def test_a_closed_window_is_gone_even_if_somebody_remembers_it(rig, qtbot):
    window = rig.windows.open("phase")
    with qtbot.waitSignals([window.destroyed, window.pane.destroyed], timeout=2000):
        window.close()


def receivers(rig):
    session = rig.session
    return [
        theme.notifier.receivers(theme.notifier.changed),
        session.receivers(session.targetChanged),
        session.receivers(session.fileChanged),
        session.receivers(session.bandChanged),
    ]


def test_closing_while_it_reads_cancels_the_reading(rig, qtbot):
    obs = rig.observations[NIGHT]
    rig.wait()
    obs.gate.clear()
    window = rig.windows.open("phase")
    rig.session.set_pixel((9, 6))
    window.close()
    obs.gate.set()
    qtbot.waitUntil(lambda: not rig.lane.jobs)
    assert ("phase_histogram", (9, 6)) not in obs.asked
    assert is_current(rig.card.light_curve)


def test_close_all(rig):
    windows = [rig.windows.open(kind) for kind in KINDS]
    rig.windows.close_all()
    assert rig.windows.windows == ()
    assert not any(pane.name.endswith("#1") for pane in rig.broker._panes.values())
    del windows


def test_escape_closes(rig, qtbot):
    window = rig.windows.open("phase")
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert rig.windows.windows == ()


def test_copied_data_are_the_numbers_drawn(rig, qtbot):
    window = rig.windows.open("spectrum")
    rig.wait(window.pane)
    qtbot.mouseClick(window.copy, Qt.MouseButton.LeftButton)
    head, *rows = QtWidgets.QApplication.clipboard().text().splitlines()
    assert head == "phase from [deg]\tphase to [deg]\tcounts\terror"
    counts = [int(row.split("\t")[2]) for row in rows]
    np.testing.assert_array_equal(counts, window.pane.bars.getData()[1])


def test_export_is_offered_for_the_plot_that_is_drawn(rig, qtbot):
    window = rig.windows.open("histogram")
    rig.wait(window.pane)
    wanted = []
    rig.windows.exportRequested.connect(wanted.append)
    qtbot.mouseClick(window.export, Qt.MouseButton.LeftButton)
    assert wanted == [window.pane]


def test_a_button_of_the_card_opens_a_window(rig, qtbot):
    rig.card.windowRequested.connect(rig.windows.open)
    pane = rig.card.histogram
    (button,) = (
        b for b in pane.findChildren(QtWidgets.QToolButton) if "window of its own" in b.toolTip()
    )
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    (window,) = rig.windows.windows
    assert window.kind == "histogram"


def test_without_a_file_there_is_no_window(qtbot):
    rig = PlotRig(qtbot)
    with pytest.raises(ValueError, match="none is open"):
        rig.windows.open("phase")
    rig.close()
