"""Bad pixels in the window: found, cut by rate, edited by hand, attached and undone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from observations import make_observation
from window_rig import all_read, open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.badpixels.compute import find_bad_pixels
from pipeline_core.badpixels.settings import BadPixelSettings
from pipeline_core.badpixels.solution import load_bad_pixels
from pipeline_core.flags import PixelFlag
from quicklook.qt import QtWidgets

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first

HOT, DEAD, COLD = (int(PixelFlag[f"pixcal_{kind}"]) for kind in ("hot", "dead", "cold"))
SHAPE = (11, 8)


@pytest.fixture
def path(tmp_path):
    rates = np.full(SHAPE, 150.0)
    rates[7, 2] = 1800.0
    rates[2, 6] = 0.0
    return make_observation(tmp_path, rates)[0]


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def rest(qtbot, window):
    qtbot.wait(50)
    qtbot.waitUntil(lambda: all_read(window) and not window.jobs.jobs, timeout=120_000)
    qtbot.wait(20)


def search(qtbot, window, path):
    open_path(qtbot, window, path)
    window.actions_by_name["find_bad"].trigger()
    opened = window.masking.window
    opened.find.click()
    qtbot.waitUntil(lambda: opened.found is not None, timeout=200_000)
    rest(qtbot, window)
    return opened


def again(qtbot, window, action):
    with qtbot.waitSignal(window.fileOpened, timeout=30_000):
        action()
    rest(qtbot, window)
    return window.session.file


def states(window):
    return {state.name: state for state in window.strip.calibrations.states}


def test_found_seen_attached_and_undone(qtbot, real, path):
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    window = search(qtbot, real, path)
    expected = find_bad_pixels(path, BadPixelSettings(slice_s=10.0))
    assert set(window.found.reasons) == {(int(x), int(y)) for x, y in expected.pixels}
    assert {(7, 2), (2, 6)} <= set(window.found.reasons)
    assert "1 hot" in window.subline.text()
    names = [name for name, _ in window.map.shown.categories]
    assert names[int(window.map.values[7, 2])] == "hot"
    assert names[int(window.map.values[2, 6])] == "dead"
    window.map.pixelSelected.emit((7, 2))
    assert expected.reason((7, 2)) in window.pixel_text.text()
    window.map.pixelSelected.emit((0, 0))
    assert "not marked" in window.pixel_text.text()
    assert not window.unmark.isEnabled()

    facts = again(qtbot, real, window.apply.click)
    assert facts.flags[7, 2] & HOT
    assert facts.flags[2, 6] & DEAD
    assert "Attached" in window.subline.text()
    assert states(real)["Masks"].word == f"{len(window.found.reasons)} pixels"
    facts = again(qtbot, real, real.actions_by_name["undo_mask"].trigger)
    assert not facts.flags[7, 2] & HOT
    assert "Masks" not in states(real)
    assert not real.actions_by_name["undo_mask"].isEnabled()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_a_cut_on_the_rates_marks_what_is_outside_and_can_be_taken_back(qtbot, real, path):
    window = search(qtbot, real, path)
    found = window.found
    assert not window.cut.isEnabled()
    edges = window.rates.shown.edges_log_cps
    rates = np.sort(found.mask.rate_cps[found.mask.read])
    limit = float(np.log10(0.5 * (rates[-6] + rates[-5])))
    window.rates.range.setRegion((float(edges[0]), limit))
    low, high = window.rates.cut
    assert low == 0.0
    window.cut.click()
    rest(qtbot, real)
    hot = {(int(x), int(y)) for x, y in np.argwhere(found.mask.rate_cps >= high)}
    assert len(hot) == 5
    assert set(window.found.reasons) == set(found.reasons) | hot
    new = next(iter(hot - set(found.reasons)))
    assert "set by hand" in window.found.reasons[new]
    window.undo.click()
    rest(qtbot, real)
    assert window.found is found
    assert not window.undo.isEnabled()


def test_pixels_are_marked_and_unmarked_by_hand(qtbot, real, path, tmp_path, monkeypatch):
    window = search(qtbot, real, path)
    number = len(window.found.reasons)
    window.map.pixelSelected.emit((4, 1))
    window.kind_box.setCurrentText("cold")
    window.reason.setText("a bond is loose")
    window.mark.click()
    rest(qtbot, real)
    assert "a bond is loose" in window.found.reasons[4, 1]
    window.map.pixelSelected.emit((7, 2))
    window.unmark.click()
    rest(qtbot, real)
    assert (7, 2) not in window.found.reasons
    assert len(window.found.reasons) == number
    target = tmp_path / "mask.h5"
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(target), ""))
    )
    window.save.click()
    rest(qtbot, real)
    saved = load_bad_pixels(target)
    assert "loose" in saved.reason((4, 1))
    assert saved.reason((7, 2)) == ""


def test_the_active_pixel_is_marked_without_the_window(qtbot, real, path):
    open_path(qtbot, real, path)
    assert not real.actions_by_name["mask_hot"].isEnabled()
    real.session.set_pixel((3, 5))
    rest(qtbot, real)
    facts = again(qtbot, real, real.actions_by_name["mask_hot"].trigger)
    assert facts.flags[3, 5] & HOT
    assert real.session.pixel == (3, 5)
    facts = again(qtbot, real, real.actions_by_name["mask_cold"].trigger)
    assert facts.flags[3, 5] & COLD
    facts = again(qtbot, real, real.actions_by_name["unmask"].trigger)
    assert not facts.flags[3, 5] & (HOT | COLD)
    facts = again(qtbot, real, real.messages.button("Undo").click)
    assert facts.flags[3, 5] & COLD
    with ObsFile(path) as obs:
        assert [a.action for a in obs.history if not a.undone] == ["mask", "mask"]


def test_cancelled_it_can_be_started_again(qtbot, real, path):
    open_path(qtbot, real, path)
    real.actions_by_name["find_bad"].trigger()
    window = real.masking.window
    window.find.click()
    assert not window.find.isEnabled()
    window.cancel.click()
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=20_000)
    qtbot.wait(20)
    if window.found is None:  # it may have been faster
        assert "cancelled" in window.messages.text
    assert window.find.isEnabled()
    window.find.click()
    assert window.messages.isHidden()  # of the search before
    qtbot.waitUntil(lambda: window.found is not None, timeout=100_000)
    assert window.messages.isHidden()


def test_a_range_of_time_is_left_out_and_counts_again(qtbot, real, path):
    open_path(qtbot, real, path)
    real.actions_by_name["mask_time"].trigger()
    assert "Set start and stop" in real.messages.text
    real.session.set_time_range(0.5, 0.75)
    facts = again(qtbot, real, real.actions_by_name["mask_time"].trigger)
    assert facts.masked_s == pytest.approx(0.25)
    assert "0.5 to 0.75 s" in real.messages.text
    assert states(real)["Masks"].word == "0.25 s"
    with ObsFile(path) as obs, ObsFile(path, time_masks=False) as raw:
        assert obs.count_image(0.5, 0.75).sum() == 0
        assert raw.count_image(0.5, 0.75).sum() > 0
        assert obs.open_time() == pytest.approx(raw.open_time() - 0.25)
    facts = again(qtbot, real, real.messages.button("Undo").click)
    assert facts.masked_s == 0
    assert not real.actions_by_name["undo_time_mask"].isEnabled()


def test_bursts_over_the_whole_array_are_left_out(qtbot, real, tmp_path):
    rates = np.full(SHAPE, 20.0)
    path = make_observation(tmp_path, rates)[0]
    open_path(qtbot, real, path)
    with qtbot.waitSignal(real.fileOpened, timeout=200_000):
        real.actions_by_name["find_cosmic"].trigger()
    rest(qtbot, real)
    assert "bursts of" in real.messages.text
    with ObsFile(path) as obs:
        assert obs.time_masks
        assert obs.open_time() == pytest.approx(2.0 - real.session.file.masked_s)


def test_the_strip_offers_what_belongs_to_a_calibration(qtbot, real, path):
    open_path(qtbot, real, path)
    buttons = {
        button.accessibleName().partition(":")[0]: button
        for button in real.strip.findChildren(QtWidgets.QToolButton, "stateMenu")
    }
    assert set(buttons) == {"Wavelength", "Flat field"}
    offered = [action.objectName() for action in buttons["Wavelength"].menu().actions()]
    assert offered == ["apply_wavecal", "compare_wavecal", "undo_wavecal"]


def test_before_a_search_there_is_no_map_and_nothing_to_cut(qtbot, real, path):
    open_path(qtbot, real, path)
    real.actions_by_name["find_bad"].trigger()
    window = real.masking.window
    assert np.isnan(window.map.values).all()
    assert window.map.choice.currentText() == "No mask yet"
    assert not window.map.choice.isEnabled()
    assert not window.rates.plot.isVisible()
    window.find.click()
    qtbot.waitUntil(lambda: window.found is not None, timeout=200_000)
    rest(qtbot, real)
    assert window.map.choice.isEnabled()
    assert window.rates.plot.isVisible()
    assert "not marked" in window.rates.legend.text()
