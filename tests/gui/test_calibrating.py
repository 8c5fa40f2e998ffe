"""A wavelength solution in the window: attached, seen, taken back; the photon file never changes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from gui_actions import click_pixel, plot_counts, wait_for_plots
from observations import make_observation
from wavecal_solutions import essentials, save_essentials
from window_rig import open_path, real_window

from pipeline_core import ObsFile
from quicklook.qt import Qt, QtWidgets


@pytest.fixture
def path(tmp_path):
    """A photon file by itself in a folder."""
    folder = tmp_path / "night"
    folder.mkdir()
    return make_observation(folder, np.full((4, 3), 200.0))[0]


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def solution_for(path, name, **options):
    with ObsFile(path) as obs:
        found = essentials(obs.beammap, obs.camera, **options)
    return save_essentials(path.parent / name, found)


def state_of(window):
    return {state.name: state for state in window.strip.calibrations.states}["Wavelength"]


def apply(qtbot, window, monkeypatch, solution):
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(solution), ""))
    )
    with qtbot.waitSignal(window.fileOpened, timeout=30_000):
        window.actions_by_name["apply_wavecal"].trigger()
        window.calibrating.dialog.other.click()


def test_applied_seen_and_taken_back(qtbot, real, path, monkeypatch):
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    open_path(qtbot, real, path)
    assert state_of(real).state == "none"
    assert not real.actions_by_name["undo_wavecal"].isEnabled()
    assert real.controls.band.caption.text() == "Phase"
    apply(qtbot, real, monkeypatch, solution_for(path, "s.h5"))
    assert "Applied s.h5" in real.messages.text
    assert state_of(real).state == "done"
    assert "s.h5" in state_of(real).sentence
    assert real.controls.band.caption.text() == "Wavelength"
    click_pixel(qtbot, real, 1, 1)
    wait_for_plots(qtbot, real, (1, 1))
    assert real.card.spectrum.shown.data.unit == "nm"
    real.controls.band.start.setValue(900.0)
    qtbot.waitUntil(lambda: real.session.band == (900.0, None))
    plot_counts(qtbot, real)
    with ObsFile(path) as obs:
        np.testing.assert_array_equal(real.image.array, obs.count_image(min_wavelength=900.0))
    with qtbot.waitSignal(real.fileOpened, timeout=30_000):
        qtbot.mouseClick(real.messages.button("Undo"), Qt.MouseButton.LeftButton)
    assert state_of(real).state == "none"
    assert "as recorded" in real.messages.text
    assert real.controls.band.caption.text() == "Phase"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_a_second_solution_needs_a_word(qtbot, real, path, monkeypatch):
    open_path(qtbot, real, path)
    apply(qtbot, real, monkeypatch, solution_for(path, "first.h5"))
    second = solution_for(path, "second.h5", seed=3, solution_id="other")
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(second), ""))
    )
    real.actions_by_name["apply_wavecal"].trigger()
    real.calibrating.dialog.other.click()
    qtbot.waitUntil(lambda: real.messages.kind == "warning")
    assert "first.h5" in state_of(real).sentence
    with qtbot.waitSignal(real.fileOpened, timeout=30_000):
        qtbot.mouseClick(real.messages.button("Replace it"), Qt.MouseButton.LeftButton)
    assert "second.h5" in state_of(real).sentence


def test_what_is_no_solution_is_refused_by_name(qtbot, real, path, monkeypatch):
    open_path(qtbot, real, path)
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(path), ""))
    )
    real.actions_by_name["apply_wavecal"].trigger()
    real.calibrating.dialog.other.click()
    qtbot.waitUntil(lambda: real.messages.kind == "error" and bool(real.messages.text))
    assert path.name in real.messages.text
    assert state_of(real).state == "none"


def test_where_room_is_short_pixel_and_cancel_stay_whole(qtbot, real, path):
    open_path(qtbot, real, path)
    click_pixel(qtbot, real, 1, 1)
    wait_for_plots(qtbot, real, (1, 1))
    real.splitter.setSizes([170, 5000, 1])
    qtbot.wait(30)
    heading = real.card.heading
    assert heading.text() == "Active Pixel (1, 1)"
    assert heading.width() >= heading.sizeHint().width()
    real.job_bar.add(
        1, "Converting o.h5"
    )  # a short title: what it needs is less than the bar takes
    qtbot.wait(30)
    cancel = real.job_bar.row(1).cancel
    right = cancel.mapTo(real, cancel.rect().topRight()).x()
    assert right <= real.bottom.mapTo(real, real.bottom.rect().topRight()).x()
    real.job_bar.remove(1)
