"""Photon files of older programs in the window: looked at as they are, brought in on request."""

from __future__ import annotations

import numpy as np
import pytest
from older_files import SHAPE, V3C_NAMES, make_night, write_v0, write_v3, write_v5
from window_rig import all_read, open_path, real_window

from pipeline_core import ObsFile
from quicklook.qt import QtWidgets

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first

ZERO = np.zeros(SHAPE, int)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def rest(qtbot, window):
    qtbot.wait(30)
    qtbot.waitUntil(lambda: all_read(window) and not window.jobs.jobs, timeout=60_000)
    qtbot.wait(30)


def states(window):
    return {state.name: state for state in window.strip.calibrations.states}


def test_looked_at_and_brought_in(qtbot, real, tmp_path, monkeypatch):
    night = make_night()
    path, new = tmp_path / "old.h5", tmp_path / "new.h5"
    write_v3(path, night, ZERO, names=V3C_NAMES)
    open_path(qtbot, real, path)
    assert "older program (layout V3c)" in real.messages.text
    real.actions_by_name["choose_counts"].trigger()
    real.session.set_pixel((1, 1))
    rest(qtbot, real)
    np.testing.assert_array_equal(real.image.counts.image, night.counts)
    assert real.actions_by_name["bring_in"].isEnabled()
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(new), ""))
    )
    with qtbot.waitSignal(real.fileOpened, timeout=60_000):
        real.messages.button("Bring in…").click()
    rest(qtbot, real)
    assert real.session.file.path == new
    assert "photons of layout V3c" in real.messages.text
    assert not real.actions_by_name["bring_in"].isEnabled()
    with ObsFile(new) as obs:
        assert obs.n_photons == night.counts.sum()


def test_wavelengths_and_weights_that_are_stored(qtbot, real, tmp_path):
    path = tmp_path / "old.h5"
    night = make_night(calibrated=True, weighted=True)
    write_v5(path, night, ZERO)
    open_path(qtbot, real, path)
    assert "stored" in states(real)["Wavelength"].word
    assert states(real)["Flat field"].word == "stored"
    for name in ("undo_wavecal", "undo_flatcal"):
        assert not real.actions_by_name[name].isEnabled()
    real.actions_by_name["choose_counts"].trigger()
    real.actions_by_name["weighted"].trigger()
    real.session.set_pixel((1, 1))
    rest(qtbot, real)
    _, _, spec, noise, _ = night.photons[1, 1]
    expected = float((spec * noise).astype(float).sum())
    assert real.image.counts.image[1, 1] == pytest.approx(expected, rel=1e-6)
    panes = {pane.kind: pane for pane in real.card.panes}
    assert panes["spectrum"].shown.data.quantity == "wavelength"


def test_a_start_that_is_not_known(qtbot, real, tmp_path):
    path = tmp_path / "old.h5"
    write_v0(path, make_night(), ZERO)
    open_path(qtbot, real, path)
    assert real.strip._values["Start (UTC)"].text() == "unknown"
    real.actions_by_name["details"].trigger()
    rest(qtbot, real)
