"""From photon files to masks and back: slices, reasons, files, attaching by resonator."""

import dataclasses

import numpy as np
import pytest
from badpixel_fields import SHAPE, Field, observe
from observations import make_observation

from pipeline_core import ObsFile
from pipeline_core.badpixels.apply import mask_for
from pipeline_core.badpixels.compute import Counts, find_bad_pixels, solve
from pipeline_core.badpixels.settings import BadPixelSettings
from pipeline_core.badpixels.solution import load_bad_pixels
from pipeline_core.beammap import Beammap
from pipeline_core.errors import (
    CalibrationError,
    ConfigError,
    InputFormatError,
    OperationCancelled,
    OutputError,
)
from pipeline_core.masks import PIXEL_KINDS

HOT, COLD, DEAD, UNSTABLE = (PIXEL_KINDS[name] for name in ("hot", "cold", "dead", "unstable"))
SMALL = (9, 11)


def counts_of(cube, seconds, read=None):
    edges = np.round(np.linspace(0, seconds, cube.shape[0] + 1) * 1e6).astype(np.int64)
    read = np.ones(cube.shape[1:], bool) if read is None else read
    return Counts(cube, edges, np.diff(edges) / 1e6, read)


def flags_of(found):
    flags = np.zeros(found.shape, np.uint32)
    flags[tuple(found.pixels.T)] = found.flags
    return flags


@pytest.fixture(scope="module")
def planted():
    """40 s in 40 bins; a hot, a dead, a cold and two jumping pixels."""
    rng = np.random.default_rng(4)
    mean = np.full((40, 20, 31), 150.0) * np.exp(0.1 * rng.standard_normal((20, 31)))
    mean[:, 3, 20] = 2000
    mean[:, 12, 5] = 0
    mean[:, 7, 9] = 5
    mean[10:20, 16, 28] = 3000
    mean[30:, 15, 4] = 0
    return counts_of(rng.poisson(mean), 40.0)


def test_a_word_for_every_pixel(planted):
    settings = BadPixelSettings(slice_s=10.0)
    found = solve(planted, settings, Beammap.design((20, 31), 1), camera="DARKNESS")
    assert found.edges_us.tolist() == [0, 10_000_000, 20_000_000, 30_000_000, 40_000_000]
    flags = flags_of(found)
    assert flags[3, 20] == HOT
    assert flags[12, 5] == DEAD
    assert flags[7, 9] == COLD
    assert flags[16, 28] == flags[15, 4] == UNSTABLE
    assert np.count_nonzero(flags) == 5
    slices = dict(zip(map(tuple, found.pixels.tolist()), found.slice_flags.tolist(), strict=True))
    assert slices[16, 28] == [0, HOT, 0, 0]
    assert slices[15, 4] == [0, 0, 0, DEAD]
    assert slices[3, 20] == slices[12, 5] == [0, 0, 0, 0]
    rate = planted.cube[:, 3, 20].sum() / 40
    assert found.reason((3, 20)).startswith(f"Hot: {rate:.4g} counts/s where 1")
    assert found.reason((12, 5)).startswith("Dead: no photon in 40 s")
    assert "Unstable" in found.reason((16, 28))
    assert found.reason((16, 28)).endswith("Hot in 10-20 s.")
    assert found.reason((15, 4)).endswith("Dead in 30-40 s.")
    assert found.reason((0, 0)) == ""
    np.testing.assert_allclose(found.rate_cps, planted.cube.sum(axis=0) / 40.0)
    assert found.expected_cps[3, 20] == pytest.approx(150, rel=0.15)


def test_without_slices_or_light_curves(planted):
    settings = BadPixelSettings(slice_s=None, flicker=False)
    found = solve(planted, settings, Beammap.design((20, 31), 1))
    assert found.edges_us.size == 0
    flags = flags_of(found)
    assert flags[3, 20] == flags[16, 28] == HOT  # in the sum it is hot
    assert not (flags & UNSTABLE).any()


def test_pixels_that_are_not_read_are_not_judged(planted):
    read = planted.read.copy()
    read[12, 5] = read[3, 20] = False
    counts = dataclasses.replace(planted, read=read)
    found = solve(counts, BadPixelSettings(), Beammap.design((20, 31), 1))
    assert flags_of(found)[12, 5] == flags_of(found)[3, 20] == 0


def test_flickering_in_a_field_of_the_truth_table():
    truth = observe(Field("coronagraph", seed=31))
    settings = BadPixelSettings(slice_s=5.0)
    found = flags_of(
        solve(counts_of(truth.cube, 20.0, ~truth.unread), settings, Beammap.design(SHAPE))
    )
    jumping = truth.flicker & ~truth.core
    assert np.count_nonzero(found[jumping] & UNSTABLE) >= 0.95 * np.count_nonzero(jumping) > 20
    assert np.count_nonzero(found[truth.good]) <= 0.001 * np.count_nonzero(truth.good)
    assert not (found[truth.hot] & UNSTABLE).any()


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Two observations of the same array: one hot and one silent pixel, resonators in reverse order."""
    rates = np.full(SMALL, 400.0)
    rates[2, 7], rates[6, 1] = 9000.0, 0.0
    paths = []
    for seed in (1, 2):
        folder = tmp_path_factory.mktemp("night")
        paths.append(make_observation(folder, rates, seed, np.zeros(SMALL, np.uint8))[0])
    return paths


@pytest.fixture
def fresh(night):
    for path in night:
        path.with_suffix(".cal.h5").unlink(missing_ok=True)
    return night


def test_from_a_file_to_its_flags(fresh, tmp_path):
    path, other = fresh
    found = find_bad_pixels(path, BadPixelSettings(slice_s=0.5))
    assert (found.path, found.exposure_s) == (str(path), 2.0)
    assert sorted(map(tuple, found.pixels.tolist())) == [(2, 7), (6, 1)]
    saved = found.save(tmp_path / "mask.h5")
    again = load_bad_pixels(saved)
    for field in dataclasses.fields(found):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(found, field.name))
    with pytest.raises(OutputError, match="exists"):
        found.save(saved)
    with ObsFile(path, mode="write") as obs:
        before = obs.flags.copy()
        obs.apply_badpixels(saved)
        after = obs.flags.copy()
        obs.apply_badpixels(saved)  # once more changes nothing
        assert len(obs.history) == 1
        assert "mask.h5" in obs.history[0].detail
        assert obs.mask_reasons((2, 7))[0].startswith("Hot:")
        obs.undo()
        np.testing.assert_array_equal(obs.flags, before)
    assert sorted(map(tuple, np.argwhere(after != before).tolist())) == [(2, 7), (6, 1)]
    assert after[2, 7] == before[2, 7] | HOT
    with ObsFile(other, mode="write") as obs:
        np.testing.assert_array_equal(obs.apply_badpixels(found).flags, after)


def test_a_mask_finds_its_pixels_by_resonator(fresh):
    found = find_bad_pixels(fresh[0])
    beammap = Beammap(found.res_id[:, ::-1], np.zeros(SMALL), np.zeros(SMALL))
    mask = mask_for(found, found.camera, beammap, "other", "m.h5", "o.h5")
    assert sorted(map(tuple, mask.pixels.tolist())) == [(2, 3), (6, 9)]
    assert mask.edges_us.size == 0
    strange = Beammap(found.res_id + 500, np.zeros(SMALL), np.zeros(SMALL))
    with pytest.raises(CalibrationError, match="knows only 0 of the 99"):
        mask_for(found, found.camera, strange, "other", "m.h5", "o.h5")
    with pytest.raises(CalibrationError, match=r"9 x 11.*MEC"):
        mask_for(found, "MEC", beammap, "other", "m.h5", "o.h5")


def test_slices_stay_with_their_own_observation(planted):
    beammap = Beammap.design((20, 31), 1)
    found = solve(planted, BadPixelSettings(), beammap, file_id="mine", camera="x")
    mine = mask_for(found, "x", beammap, "mine", "m.h5", "o.h5")
    assert mine.slice_flags.any()
    other = mask_for(found, "x", beammap, "theirs", "m.h5", "o.h5")
    assert other.slice_flags.size == 0
    np.testing.assert_array_equal(other.flags[np.argsort(other.pixels[:, 0])], other.flags)
    assert len(other.reasons) == len(mine.reasons)  # all of them have a mark that holds all through


def test_edits_of_a_mask_make_another_one(fresh):
    found = find_bad_pixels(fresh[0])
    more = found.with_pixel((0, 10), "looks odd", "unstable")
    assert more.reason((0, 10)) == "By hand: looks odd"
    assert flags_of(more)[0, 10] == UNSTABLE
    assert more.solution_id != found.solution_id
    changed = more.with_pixel((2, 7), "not so hot", "unstable")
    assert flags_of(changed)[2, 7] == UNSTABLE
    less = changed.without_pixel((2, 7)).without_pixel((0, 10))
    assert less.pixels.tolist() == [[6, 1]]
    assert found.pixels.shape == (2, 2)
    with pytest.raises(ConfigError, match="not masked"):
        less.without_pixel((2, 7))
    with pytest.raises(ConfigError, match="outside the array"):
        less.with_pixel((9, 0), "x")


def test_masked_times_do_not_count(fresh):
    path = fresh[0]
    with ObsFile(path, mode="write") as obs:
        obs.mask_time(0.5, 1.0, "cloud")
        found = find_bad_pixels(obs)
        expected = obs.count_image()[3, 3] / 1.5
    assert found.rate_cps[3, 3] == pytest.approx(expected)
    part = find_bad_pixels(path, BadPixelSettings(start=1.25, stop=1.75))
    with ObsFile(path) as obs:
        assert part.rate_cps[4, 4] == pytest.approx(obs.count_image(1.25, 1.75)[4, 4] / 0.5)
    for start, stop in ((1.0, 3.0), (1.0, 1.0), (-1.0, 1.0)):
        with pytest.raises(ConfigError, match="time range"):
            find_bad_pixels(path, BadPixelSettings(start=start, stop=stop))
    with pytest.raises(ConfigError, match="no photons"):
        find_bad_pixels(path, BadPixelSettings(start=0.5, stop=0.9))


def test_cancelling_leaves_nothing(fresh):
    def cancel(done, total, stage=""):
        if stage == "judging slices of time":
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        find_bad_pixels(fresh[0], BadPixelSettings(slice_s=0.5), cancel)


def test_other_files_are_no_masks(fresh, tmp_path):
    with pytest.raises(InputFormatError, match="not a mask of bad pixels"):
        load_bad_pixels(fresh[0])
    path = find_bad_pixels(fresh[0]).save(tmp_path / "m.h5")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputFormatError, match=r"m\.h5"):
        load_bad_pixels(path)
