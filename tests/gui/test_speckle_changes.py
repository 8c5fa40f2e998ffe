"""Speckle maps while the file's flags, masks and wavelengths change, and computations that are stopped early."""

from __future__ import annotations

import shutil
from dataclasses import replace

import child_work
import numpy as np
import pytest
from speckle_rig import SETTINGS, make, rest, speckle_observation
from wavecal_solutions import COEFFICIENTS, essentials, save_essentials
from window_rig import open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.progress import COMPILING
from pipeline_core.speckle.basis import MapBasis, basis_of
from pipeline_core.speckle.compute import compute_maps
from pipeline_core.speckle.result import MapPart
from pipeline_core.speckle.status import PixelStatus
from quicklook import child_process
from quicklook.child_process import GRACE_S
from quicklook.qt import QtCore
from quicklook.speckle_run import Messenger, SpeckleRun
from quicklook.speckle_store import SpeckleStore
from quicklook.speckle_tasks import SpeckleForm
from quicklook.views.image_pane import SPECKLES
from quicklook.views.speckle_window import SpeckleWindow

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first

WITH_BAND = replace(SETTINGS, min_wavelength=850.0, max_wavelength=1250.0)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return speckle_observation(tmp_path_factory.mktemp("speckles"))


@pytest.fixture
def path(original, tmp_path):
    """A copy of its own, of which this test may change the sidecar."""
    return shutil.copy(original, tmp_path / original.name)


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def solution(path, folder, **changes):
    """Write a wavelength solution in which every pixel is calibrated, or flagged as `essentials` does."""
    with ObsFile(path) as obs:
        made = essentials(obs.beammap, obs.camera, **changes)
    return save_essentials(folder / "solution.h5", made)


# --- what maps rest on ---------------------------------------------------------------------------


def mask_a_pixel(obs, folder):
    obs.mask_pixels((3, 4), "hot")


def mask_times(obs, folder):
    obs.mask_time(2.0, 2.5, "a plane")


def attach_wavelengths(obs, folder):
    made = essentials(obs.beammap, obs.camera)
    none = made.curves.kind == 0  # pixels that would be flagged
    made.curves.kind[none] = 1
    made.curves.coefficients[none] = COEFFICIENTS[1]
    made.flags[:] = 0
    obs.apply_wavecal(save_essentials(folder / "other.h5", made))


def attach_with_flags(obs, folder):
    obs.apply_wavecal(solution(obs.path, folder))


PIXELS, TIMES, WAVELENGTHS = "flags or masks of pixels", "masked times", "wavelengths"


@pytest.mark.parametrize(
    ("change", "settings", "expected"),
    [
        (mask_a_pixel, SETTINGS, (PIXELS,)),
        (mask_times, SETTINGS, (TIMES,)),
        (mask_times, replace(SETTINGS, stop=2.0), ()),
        (attach_wavelengths, SETTINGS, ()),
        (attach_with_flags, SETTINGS, (PIXELS,)),
        (attach_with_flags, replace(SETTINGS, exclude=0), ()),
    ],
)
def test_what_changes_the_maps_and_nothing_else(path, tmp_path, change, settings, expected):
    with ObsFile(path, mode="write") as obs:
        before, maps = basis_of(obs, settings), compute_maps(obs, settings)
        change(obs, tmp_path)
        assert before.changes(basis_of(obs, settings)) == expected
        after = compute_maps(obs, settings)
        same = all(
            np.array_equal(one, after.maps[name], equal_nan=True) for name, one in maps.maps.items()
        )
        assert same == (not expected)
        obs.undo()
        assert before.changes(basis_of(obs, settings)) == ()


def test_a_band_rests_on_the_wavelengths(path, tmp_path):
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(solution(path, tmp_path))
        before = basis_of(obs, WITH_BAND)
        other = essentials(obs.beammap, obs.camera, seed=5, solution_id="another")
        obs.apply_wavecal(save_essentials(tmp_path / "other.h5", other), replace=True)
        assert before.changes(basis_of(obs, WITH_BAND)) == (WAVELENGTHS,)
        obs.undo("wavecal")
        assert WAVELENGTHS in before.changes(basis_of(obs, WITH_BAND))
        obs.apply_wavecal(solution(path, tmp_path))
        assert before.changes(basis_of(obs, WITH_BAND)) == ()


# --- in the window -------------------------------------------------------------------------------


def test_maps_stay_and_say_that_they_are_outdated(qtbot, real, path, tmp_path):
    maps = make(qtbot, real, path)
    window, store = real.speckling.window, real.speckles
    assert "outdated" not in window.span.text()
    real.attaching.attach(solution(path, tmp_path))
    qtbot.waitUntil(lambda: bool(store.outdated), timeout=20_000)
    rest(qtbot, real)
    assert store.maps is maps
    assert "Outdated: flags or masks of pixels have changed since" in window.subline.text()
    assert window.span.text().endswith("outdated")
    assert window.save.isEnabled()
    real.actions_by_name["choose_is"].trigger()  # still offered
    assert real.image.kind == SPECKLES
    assert real.image.heading == "Is (outdated)"
    real.attaching.undo_wavecal()
    qtbot.waitUntil(lambda: not store.outdated, timeout=20_000)
    rest(qtbot, real)
    assert "Outdated" not in window.subline.text()
    assert "outdated" not in window.span.text()


def test_what_does_not_matter_to_the_maps_is_not_said(qtbot, real, path, tmp_path):
    make(qtbot, real, path, replace(SETTINGS, exclude=0))
    real.attaching.attach(solution(path, tmp_path))
    qtbot.waitUntil(lambda: real.session.file.wavelength_calibrated, timeout=20_000)
    rest(qtbot, real)
    assert real.speckles.maps is not None
    assert real.speckles.outdated == ()


def test_a_calibration_that_comes_while_maps_are_made_makes_them_outdated(
    qtbot, real, path, tmp_path
):
    open_path(qtbot, real, path)
    real.speckling.start(replace(SETTINGS, with_ip=True, bootstrap=600))
    store = real.speckles
    qtbot.waitUntil(lambda: store.n_done() > 5, timeout=200_000)
    with ObsFile(path, mode="write") as obs:
        mask_a_pixel(obs, tmp_path)
    open_path(qtbot, real, path)
    assert store.maps is None  # it goes on
    real.speckling.cancel()
    rest(qtbot, real)
    assert store.maps is not None
    assert store.outdated == (PIXELS,)


def test_a_file_that_was_written_anew_is_another_one(qtbot, real, path):
    make(qtbot, real, path)
    store = real.speckles
    facts = real.session.file
    again = replace(facts, token=facts.token, file_id="the id that it has now")
    real.session.set_file(again)
    assert store.maps is None
    assert store.names == ()


# --- stopped early -------------------------------------------------------------------------------


@pytest.fixture
def nothing_compiled(tmp_path, monkeypatch):
    """Children find no compiled kernel on disk."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))


@pytest.fixture
def answers(monkeypatch):
    """What children answered that were asked to stop: None if they were ended first."""
    found = []
    ask = child_process._ask_to_stop

    def note(*args):
        found.append(ask(*args))
        return found[-1]

    monkeypatch.setattr(child_process, "_ask_to_stop", note)
    return found


def start_and_wait_for_the_compiler(qtbot, window, path):
    open_path(qtbot, window, path)
    window.speckling.start(SETTINGS)
    qtbot.waitUntil(
        lambda: (
            window.speckling.window is not None
            and window.speckling.window.stage.text() == COMPILING
        ),
        timeout=60_000,
    )


def test_after_the_rehearsal_nothing_is_left_to_compile(path):
    left_out, n_rehearsed = child_process.run_in_child(
        child_work.what_the_rehearsal_leaves_out, path
    )
    assert left_out == []
    assert n_rehearsed > 10


@pytest.mark.usefixtures("nothing_compiled")
def test_a_cancel_does_not_wait_for_the_compiler(qtbot, real, path, answers):
    start_and_wait_for_the_compiler(qtbot, real, path)
    window = real.speckling.window
    window.cancel.click()
    qtbot.waitUntil(lambda: not real.jobs.jobs, timeout=200_000)
    assert answers == [None]
    assert "before the first pixel" in window.messages.text
    assert real.speckles.names == ()
    assert window.subline.text().startswith("No maps yet")


@pytest.mark.parametrize("which", ["both", "program", "with something to keep"])
@pytest.mark.usefixtures("nothing_compiled")
def test_closing_meanwhile_ends_the_process(qtbot, real, path, answers, which, caplog):
    start_and_wait_for_the_compiler(qtbot, real, path)
    if which == "both":
        real.speckling.window.close()
    elif which != "program":
        real.speckling._job.args[0].tell(part(PixelStatus.OK))
    real.stop_and_close()
    qtbot.waitUntil(lambda: not real.isVisible(), timeout=200_000)
    qtbot.waitUntil(lambda: not real.jobs.is_running, timeout=200_000)
    assert answers == [None]
    assert [record for record in caplog.records if record.exc_info] == []


def part(*status):
    n = len(status)
    where = np.arange(n)
    return MapPart(0, where, where, {"status": np.array(status, float)})


def test_only_what_holds_a_fitted_pixel_is_waited_for():
    run = SpeckleRun(SpeckleForm((), None, SETTINGS), (), Messenger())
    assert run.grace_s() == GRACE_S
    run.tell(MapBasis("", "", ""))
    run.tell(part(PixelStatus.TOO_FEW_PHOTONS, PixelStatus.NOT_COMPUTED))
    assert run.grace_s() == GRACE_S
    run.tell(part(PixelStatus.TOO_FEW_PHOTONS, PixelStatus.AT_BOUND))
    assert run.grace_s() > 10 * GRACE_S
    run.give_up()
    assert run.grace_s() == GRACE_S


def test_while_kernels_compile_nothing_is_said_of_how_long_it_takes(qtbot):
    owner = QtCore.QObject()
    window = SpeckleWindow(SpeckleStore(owner))
    qtbot.addWidget(window)
    window.show_running("obs.h5")
    for stage, estimated in (
        ("fitting pixels", True),
        (COMPILING, False),
        ("fitting pixels", True),
    ):
        window.show_progress(500, 1000, stage)
        window._since -= 10
        window._show_time()
        assert (" left" in window.time_left.text()) == estimated
        assert "so far" in window.time_left.text()
