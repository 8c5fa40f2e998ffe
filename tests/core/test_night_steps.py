"""Steps of a night one by one: what they tell while they run, and what one that is cancelled leaves."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from astropy.io import fits
from flat_files import night, settings
from same_results import differences
from wavecal_nights import true_solution
from wavecal_solutions import essentials, save_essentials

from pipeline_core import ObsFile
from pipeline_core.badpixels.compute import find_bad_pixels
from pipeline_core.badpixels.settings import BadPixelSettings
from pipeline_core.errors import (
    ConfigError,
    InputFormatError,
    OperationCancelled,
    SidecarConflictError,
)
from pipeline_core.flatcal.compute import run
from pipeline_core.night.steps import do, do_together
from pipeline_core.sidecar import load_sidecar
from pipeline_core.timemask.solution import MaskedTimes

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first


class Told:
    """Remembers what a step tells; cancels at its call number `cancel_at`."""

    def __init__(self, cancel_at=None):
        self.parts, self.stages, self._cancel_at = [], [], cancel_at

    def __call__(self, done, total, stage=""):
        if self._cancel_at == len(self.parts):
            raise OperationCancelled
        self.parts.append(done / total if total else 0.0)
        if stage not in self.stages:
            self.stages.append(stage)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A photon file, and what can be attached to it."""
    folder = tmp_path_factory.mktemp("made")
    flat = run(settings(night(folder))).combined
    flat.save(folder / "flat.h5")
    photons = night(folder, "sky", seed=8, wavecal=False)
    with ObsFile(photons) as obs:
        wavecal = save_essentials(folder / "wavecal.h5", essentials(obs.beammap, obs.camera))
        camera = obs.camera
    find_bad_pixels(photons, BadPixelSettings()).save(folder / "bad.h5")
    times = MaskedTimes(np.array([[500_000, 600_000]]), np.array([12]), ("a burst",), camera=camera)
    times.save(folder / "times.h5")
    solutions = [
        ["wavecal", wavecal],
        ["flatcal", folder / "flat.h5"],
        ["badpixels", folder / "bad.h5"],
        ["cosmics", folder / "times.h5"],
    ]
    return photons, [[kind, str(path)] for kind, path in solutions]


@pytest.fixture
def attached(made):
    photons, solutions = made
    sidecar = photons.with_suffix(".cal.h5")
    do("attach", {"photons": str(photons), "solutions": solutions}, (sidecar,))
    yield photons
    sidecar.unlink()


def test_attaching_tells_each_part(made):
    photons, solutions = made
    sidecar, told = photons.with_suffix(".cal.h5"), Told()
    do("attach", {"photons": str(photons), "solutions": solutions}, (sidecar,), told)
    assert told.stages == [f"attaching {kind}" for kind, _ in solutions]
    assert told.parts == [0, 1 / 4, 2 / 4, 3 / 4]
    with ObsFile(photons) as obs:
        assert obs.is_flat_calibrated
        assert len(obs.history) == 5
        assert load_sidecar(obs.sidecar, obs.file_id).revision == 1  # written once
    sidecar.unlink()


def test_attaching_that_is_cancelled_or_fails_leaves_nothing(made, tmp_path):
    photons, solutions = made
    sidecar = photons.with_suffix(".cal.h5")
    given = {"photons": str(photons), "solutions": solutions}
    with pytest.raises(OperationCancelled):
        do("attach", given, (sidecar,), Told(cancel_at=2))
    assert not sidecar.exists()
    given["solutions"] = [*solutions[:1], ["badpixels", str(tmp_path / "none.h5")]]
    with pytest.raises(InputFormatError):
        do("attach", given, (sidecar,))
    assert not sidecar.exists()


def state_of(obs):
    """What is attached, as everybody sees it."""
    images = (obs.flags, obs.masked_us, obs.recorded_counts, obs.count_image())
    calibrated = (obs.is_wavelength_calibrated, obs.is_flat_calibrated, len(obs.pixel_masks))
    return (*calibrated, *(one.tolist() for one in images))


def attaching(obs, solutions):
    ways = (obs.apply_wavecal, obs.apply_flatcal, obs.apply_badpixels, obs.apply_timemask)
    return [(apply, path) for apply, (_, path) in zip(ways, solutions, strict=True)]


def attach_all(obs, solutions):
    for apply, path in attaching(obs, solutions):
        apply(path)


@pytest.fixture
def bare(made, tmp_path):
    """A copy of the photon file of its own."""
    return shutil.copy(made[0], tmp_path)


def test_all_is_attached_in_one_writing_and_undone_step_by_step(made, bare, tmp_path):
    other = shutil.copy(bare, tmp_path / "other.h5")
    with ObsFile(other, mode="write") as obs:
        states = [state_of(obs)]
        for apply, path in attaching(obs, made[1]):
            apply(path)
            states.append(state_of(obs))
    with ObsFile(bare, mode="write") as obs:
        with obs.together(), obs.together():
            attach_all(obs, made[1])
            assert not obs.sidecar.exists()
            assert state_of(obs) == states[4]
        assert load_sidecar(obs.sidecar, obs.file_id).revision == 1
    with ObsFile(bare, mode="write") as obs:
        assert [one.kind for one in obs.history] == ["wavecal", "flatcal", "badpixels", "timemask"]
        for before in states[3::-1]:
            assert state_of(obs) != before
            assert state_of(obs.undo()) == before
        assert load_sidecar(obs.sidecar, obs.file_id).revision == 5


def test_what_is_attached_together_and_fails_leaves_all_as_it_was(made, bare, tmp_path):
    with ObsFile(bare, mode="write") as obs:
        obs.annotate("before")
        kept, before = obs.sidecar.read_bytes(), state_of(obs)
        with pytest.raises(InputFormatError), obs.together():
            attach_all(obs, made[1])
            obs.apply_badpixels(tmp_path / "none.h5")
        assert obs.sidecar.read_bytes() == kept
        assert state_of(obs) == before
        assert [one.kind for one in obs.history] == ["annotation"]
        with ObsFile(bare, mode="write") as another:
            another.annotate("another program")
        kept = obs.sidecar.read_bytes()
        with pytest.raises(SidecarConflictError), obs.together():
            attach_all(obs, made[1])
        assert obs.sidecar.read_bytes() == kept
        assert state_of(obs) == before
    with ObsFile(bare) as obs, pytest.raises(ConfigError, match="write"), obs.together():
        pass
    with ObsFile(bare, mode="write") as obs:
        with obs.together():
            pass  # nothing to be saved
        assert obs.sidecar.read_bytes() == kept
        obs.annotate("at once again")
        assert obs.sidecar.read_bytes() != kept


@pytest.mark.parametrize("weighted", [False, True])
def test_an_image_tells_how_far_it_is(attached, tmp_path, weighted):
    given, out = {"photons": str(attached), "weighted": weighted}, tmp_path / "image.fits"
    told = Told()
    do("image", given, (out,), told)
    assert told.stages[0] == "counting photons"
    assert told.stages[-1] == "writing to disk"
    assert told.parts == sorted(told.parts)
    assert told.parts[0] == 0
    assert len(told.parts) > 2  # told while the file is read as well
    assert told.parts[-1] == 0.9
    with ObsFile(attached) as obs, fits.open(out) as hdus:
        expected = obs.weighted_image().image if weighted else obs.count_image()
        np.testing.assert_array_equal(hdus[0].data.T, expected)
    for call in range(len(told.parts)):
        with pytest.raises(OperationCancelled):
            do("image", given, (tmp_path / "other.fits",), Told(cancel_at=call))
    assert [path.name for path in tmp_path.iterdir()] == ["image.fits"]


def test_image_and_cube_together_are_what_they_are_alone(attached, tmp_path):
    photons = {"photons": str(attached)}
    cube = {"energy_bin_ev": 0.1, "time_bin_s": 0.5, "weighted": True, "rates": True}
    given = {"image": photons | {"weighted": True}, "cube": photons | {"cube": cube}}
    texts = [do(kind, one, (tmp_path / f"{kind}.fits",)) for kind, one in given.items()]
    together = tmp_path / "together"
    tasks = tuple((one, (together / f"{kind}.fits",)) for kind, one in given.items())
    told = Told()
    assert do_together(tuple(given), tasks, told) == texts
    assert told.stages == ["weighing photons", "writing to disk"]
    for kind in given:
        assert not differences(tmp_path / f"{kind}.fits", together / f"{kind}.fits")
    for call in range(len(told.parts)):
        shutil.rmtree(together)
        with pytest.raises(OperationCancelled):
            do_together(tuple(given), tasks, Told(cancel_at=call))
        assert not (together / "cube.fits").exists()
        assert not list(together.glob("*.part"))


def test_pages_tell_which_is_drawn_and_leave_nothing_if_cancelled(tmp_path):
    true_solution().save(tmp_path / "solution.h5")
    names = ["rvsf", "rhistogram", "centerhist"]
    given = {"solution": str(tmp_path / "solution.h5"), "pages": names}
    outputs = tuple(tmp_path / "pages" / f"{name}.pdf" for name in names)
    told = Told()
    assert do("pages", given, outputs, told) == "3 pages"
    assert told.stages == ["reading the solution", *(f"drawing {name}" for name in names)]
    assert told.parts == pytest.approx([0, 0, 1 / 3, 2 / 3])
    assert all(path.exists() for path in outputs)
    with pytest.raises(OperationCancelled):
        do("pages", given, outputs, Told(cancel_at=2))
    assert not any(path.exists() for path in outputs)
