"""Raw seconds and frames in the window: they agree with the photon file of the same second."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from gui_actions import click_pixel, plot_counts, wait_for_plots
from window_rig import real_window

from pipeline_core import ObsFile
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.simulate import SimulationSettings, simulate
from quicklook.qt import Qt, QtWidgets


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Two seconds of a sky of 10 x 7 pixels, and the photon file of the first."""
    folder = tmp_path_factory.mktemp("night")
    sky = SimulationSettings(kind="sky", seconds=2, shape=(10, 7), rate_cps=400, seed=5)
    made = simulate(sky, folder / "raw")
    photons = folder / f"{made.start}.h5"
    settings = ConvertSettings(made.folder, made.start, 1, made.beammap_path, photons, (10, 7))
    convert(settings)
    return made, photons


@pytest.fixture
def real(qtbot, settings, monkeypatch, tmp_path):
    """A window that opens real files, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)
    with real_window(qtbot, settings) as window:
        yield window


def open_in(qtbot, window, path):
    with qtbot.waitSignal(window.fileOpened, timeout=60_000):
        window.open_file(path)
    qtbot.wait(30)


def test_a_raw_second_agrees_with_its_photon_file(qtbot, real, night):
    made, photons = night
    shown = []
    for path in (photons, made.folder / f"{made.start}.bin"):
        open_in(qtbot, real, path)
        assert real.session.file.path == path
        plot_counts(qtbot, real)
        click_pixel(qtbot, real, 7, 2)
        wait_for_plots(qtbot, real, (7, 2), token=real.session.file.token)
        card = real.card
        shown.append(
            (
                real.image.array,
                real.session.file.flags,
                card.light_curve.shown.data.counts,
                card.histogram.shown.data.occurrences,
                card.spectrum.shown.data.counts,
            )
        )
    for of_photons, of_raw in zip(*shown, strict=True):
        np.testing.assert_array_equal(of_raw, of_photons)
    assert shown[0][0].sum() > 10_000


def test_a_missing_beam_map_is_asked_for_and_remembered(qtbot, real, night, tmp_path, monkeypatch):
    made, _ = night
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(made.folder / f"{made.start}.bin", alone)
    path = alone / f"{made.start}.bin"
    real.open_file(path)
    qtbot.waitUntil(lambda: "beam map" in real.messages.text, timeout=10_000)
    assert path.name in real.messages.text
    monkeypatch.setattr(
        QtWidgets.QFileDialog,
        "getOpenFileName",
        staticmethod(lambda *_: (str(made.beammap_path), "")),
    )
    with qtbot.waitSignal(real.fileOpened, timeout=60_000):
        qtbot.mouseClick(real.messages.button("Choose beam map…"), Qt.MouseButton.LeftButton)
    assert real.session.file.beammap == made.beammap_path
    assert real.settings.beammap == str(made.beammap_path)
    shutil.copy(path, alone / "1602050499.bin")
    open_in(qtbot, real, path)  # not asked again
    assert real.session.file.shape == (10, 7)


def test_a_frame_has_an_image_and_says_why_it_has_no_plots(qtbot, real, night, tmp_path):
    made, photons = night
    with ObsFile(photons) as obs:
        image = obs.count_image()
    path = tmp_path / f"{made.start}.img"
    path.write_bytes(image.astype("<u2").tobytes())  # x-major, as [x, y] lies in memory
    shutil.copy(made.beammap_path, tmp_path)
    open_in(qtbot, real, path)
    plot_counts(qtbot, real)
    np.testing.assert_array_equal(real.image.array, image)
    click_pixel(qtbot, real, 7, 2)
    assert f"{image[7, 2]:,} counts" in real.status.active_text
    assert "img" in real.card.light_curve.message
    assert "img" in real.timeline.message
    assert not real.controls.times.isEnabled()
    assert "no times" in real.controls.times.toolTip()
    for name in ("light_curve", "window_spectrum", "time_forward"):
        action = real.actions_by_name[name]
        assert not action.isEnabled()
        assert "Needs photons" in action.toolTip()


def test_consecutive_raw_seconds_are_one_observation(qtbot, real, night):
    made, _ = night
    paths = [made.folder / f"{made.start + k}.bin" for k in (1, 0)]
    with qtbot.waitSignal(real.fileOpened, timeout=60_000):
        real.opening.open_paths(paths)
    facts = real.session.file
    assert facts.exposure_s == 2.0
    assert facts.path == paths[1]
    assert real.strip.value("File") == f"{made.start}.bin … {made.start + 1}.bin"
