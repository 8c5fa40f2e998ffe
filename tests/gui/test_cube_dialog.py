"""File > Export cube: the form knows what the file can give; the job writes what the core writes."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from flat_files import night, settings
from observations import make_observation
from window_rig import open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.cube_products import write_cube
from pipeline_core.flatcal.compute import run
from pipeline_core.flatcal.outputs import save_result

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first


@pytest.fixture(scope="module")
def solution(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flats")
    base = folder / "Flat.h5"
    save_result(run(settings(night(folder))), base)
    return base


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def dialog_of(qtbot, window, path):
    open_path(qtbot, window, path)
    window.actions_by_name["export_cube"].trigger()
    return window.cubing.dialog


def test_what_the_form_says_is_what_is_written(qtbot, real, tmp_path, solution):
    path = night(tmp_path, "sky", seed=8)
    with ObsFile(path, "write") as obs:
        obs.apply_flatcal(solution)
    dialog = dialog_of(qtbot, real, path)
    dialog.kind.setCurrentIndex(dialog.kind.findData("wavelength_bin_nm"))
    dialog.bin_width.setValue(80.0)
    dialog.slices.setChecked(True)
    dialog.step.setValue(0.75)
    dialog.weighted.setChecked(True)
    dialog.rates.setChecked(True)
    assert "wavelength bins: 10, time bins: 3" in dialog.contents.text()
    assert not dialog.reason.text()
    chosen, out = dialog.settings(), dialog.form().out
    assert out == path.with_name(f"{path.stem}_cube.fits")
    dialog.write.click()
    qtbot.waitUntil(lambda: "Written:" in real.messages.text, timeout=120_000)
    with ObsFile(path) as obs:
        write_cube(tmp_path / "expected.fits", obs, chosen)
    for name in (0, "VARIANCE", "LIVE"):
        found, expected = (fits.getdata(one, name) for one in (out, tmp_path / "expected.fits"))
        np.testing.assert_array_equal(found, expected)
    # once more: the name is taken now
    real.actions_by_name["export_cube"].trigger()
    again = real.cubing.dialog
    assert "exists already" in again.reason.text()
    assert not again.write.isEnabled()
    again.overwrite.setChecked(True)
    assert again.write.isEnabled()
    again.reject()
    assert real.cubing.dialog is None


def test_what_the_file_cannot_give_is_off_and_says_why(qtbot, real, tmp_path):
    path, _ = make_observation(tmp_path, np.full((5, 3), 50.0))
    dialog = dialog_of(qtbot, real, path)
    assert not dialog.kind.isEnabled()
    assert "wavelength solution" in dialog.kind.toolTip()
    assert not dialog.weighted.isEnabled()
    assert not dialog.step.isEnabled()
    dialog.out.set_text(str(tmp_path / "cube.txt"))
    assert not dialog.write.isEnabled()
    dialog.out.set_text(str(tmp_path / "missing" / "cube.fits"))
    dialog.write.click()
    qtbot.waitUntil(lambda: "was not written" in real.messages.text, timeout=60_000)
    assert "missing" in real.messages.text


def test_a_second_form_takes_the_place_of_the_first(qtbot, real, tmp_path):
    path, _ = make_observation(tmp_path, np.full((5, 3), 50.0))
    first = dialog_of(qtbot, real, path)
    real.session.set_time_range(0.5, 1.5)
    real.actions_by_name["export_cube"].trigger()
    assert real.cubing.dialog is not first
    assert real.cubing.dialog.settings().start == 0.5
