"""Every read of an observation with masks against a loop over its photons, one at a time."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observations import make_observation
from wavecal_solutions import essentials

from pipeline_core import ObsFile
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.flags import PixelFlag
from pipeline_core.masks import MASK_FLAGS, PIXEL_KINDS
from pipeline_core.sidecar import load_sidecar

SHAPE = (4, 3)
PIXELS = [(x, y) for x in range(4) for y in range(3)]
RATES = np.array([[90, 300, 700], [40, 0, 500], [900, 100, 5], [60, 30, 600]], float)


@pytest.fixture
def path(tmp_path):
    folder, codes = tmp_path / "night", np.zeros(SHAPE, np.uint8)
    folder.mkdir()
    return make_observation(folder, RATES, codes=codes, silent_ticks=range(900, 1100))[0]


@pytest.fixture(scope="module")
def shared_path(tmp_path_factory):
    folder, codes = tmp_path_factory.mktemp("night"), np.zeros(SHAPE, np.uint8)
    return make_observation(folder, RATES, codes=codes, silent_ticks=range(900, 1100))[0]


def masked(path, *intervals):
    with ObsFile(path, mode="write") as obs:
        for start, stop in intervals:
            obs.mask_time(start, stop, "test")


def everything(path, **options):
    """Hash of all that can be read of an observation."""
    digest = hashlib.sha256()
    with ObsFile(path, **options) as obs:
        digest.update(obs.photons(PIXELS).tobytes() + obs.flags.tobytes())
        digest.update(obs.count_image(0.1, 1.3, min_phase=-70.0).tobytes())
        digest.update(obs.count_image().tobytes() + obs.survey().open_time_s.tobytes())
        digest.update(obs.live_time().tobytes() + obs.flags_in(0.3, 0.9).tobytes())
        for pixel in PIXELS:
            curve = obs.light_curve(pixel, 0.05)
            digest.update(curve.counts.tobytes() + curve.live_time_s.tobytes())
            digest.update(obs.spectrum(pixel).counts.tobytes())
    return digest.hexdigest()


MASKED = ((0.2, 0.35), (0.44, 0.46), (1.1, 1.1003), (1.7, 2.0))
"""One touches the gap from 0.45 to 0.55 s."""


@pytest.mark.parametrize("surveyed", [False, True])
@pytest.mark.parametrize("calibrated", [False, True])
def test_masked_photons_are_in_no_read(path, surveyed, calibrated):
    masked(path, *MASKED)
    with ObsFile(path) as raw:
        solution = essentials(raw.beammap, raw.camera) if calibrated else None
    with (
        ObsFile(path, wavecal=solution) as obs,
        ObsFile(path, wavecal=solution, time_masks=False) as raw,
    ):
        if surveyed:
            obs.survey()
            raw.survey()
        start, stop = 0.15, 1.9
        bands = [{}, {"min_phase": -70.0, "max_phase": -30.0}]
        if calibrated:
            bands.append({"min_wavelength": 900.0, "max_wavelength": 1200.0})
        for band in bands:
            image = obs.count_image(start, stop, **band)
            for pixel in PIXELS:
                photons = raw.photons(pixel, start, stop, **band)
                keep = np.ones(photons.size, bool)
                for k, time in enumerate(photons["time"].tolist()):
                    keep[k] = not any(a * 1e6 <= time < b * 1e6 for a, b in MASKED)
                found = obs.photons(pixel, start, stop, **band)
                assert found.tobytes() == photons[keep].tobytes()  # NaN too
                number = int(keep.sum())
                assert image[pixel] == number
                assert obs.light_curve(pixel, 0.01, start, stop, **band).counts.sum() == number
                assert obs.phase_histogram(pixel, start, stop, **band).counts.sum() == number
            assert 0 < image.sum() < raw.count_image(start, stop, **band).sum()
        if calibrated:
            band = bands[-1]
            spectrum = obs.spectrum(PIXELS, start, stop, bin_ev=0.02, **band)
            assert spectrum.counts.sum() == image.sum()
        found = obs.survey()
        times = obs.photons(PIXELS)["time"] / 1e6
        np.testing.assert_array_equal(found.counts, np.histogram(times, found.edges_s)[0])


def dumb_live_s(obs, pixel, start_us, stop_us, dead):
    """Count microseconds one by one."""
    alive = np.ones(2_000_000 + 100, bool)
    for a, b in obs.gaps_us.tolist():
        alive[a:b] = False
    for a, b in MASKED:
        alive[round(a * 1e6) : round(b * 1e6)] = False
    if dead:
        for time in obs.photons(pixel)["time"].tolist():
            alive[time : time + 10] = False
    return alive[start_us:stop_us].sum() / 1e6


def test_live_time_counts_each_microsecond_once(path):
    masked(path, *MASKED)
    with ObsFile(path) as obs:
        assert obs.dead_time_us == 10
        for window in ((0.0, 2.0), (0.21, 0.5), (0.447, 1.75)):
            ends = [round(t * 1e6) for t in window]
            every = obs.live_time(None, *window)
            for pixel in ((0, 2), (2, 0), (1, 1)):
                exact = dumb_live_s(obs, pixel, *ends, True)
                assert obs.live_time(pixel, *window) == pytest.approx(exact, abs=1e-9)
                assert every[pixel] == pytest.approx(exact, abs=1e-3 * exact)
                curve = obs.light_curve(pixel, 0.03, *window)
                assert curve.live_time_s.sum() == pytest.approx(exact, abs=1e-9)
            plain = dumb_live_s(obs, (0, 0), *ends, False)
            assert obs.open_time(*window) == pytest.approx(plain, abs=1e-9)
            assert obs.live_time((0, 0), *window, dead_time=False) == pytest.approx(plain, abs=1e-9)
        found = obs.survey()
        assert found.open_time_s.sum() == pytest.approx(obs.open_time(), abs=1e-9)
        rates = obs.rate_image(0.21, 0.5)
        np.testing.assert_array_equal(rates.counts, obs.count_image(0.21, 0.5))
        np.testing.assert_array_equal(rates.live_time_s, obs.live_time(None, 0.21, 0.5))
        np.testing.assert_allclose(rates.rate_cps, rates.counts / rates.live_time_s)
        assert rates.open_time_s == obs.open_time(0.21, 0.5)


def test_a_time_that_is_all_masked_has_no_rate(path):
    masked(path, (0.5, 1.5))
    with ObsFile(path) as obs:
        rates = obs.rate_image(0.6, 0.7)
        assert not rates.counts.any()
        assert np.isnan(rates.rate_cps).all()
        assert np.isnan(rates.dead_share).all()
        assert obs.photons((2, 0), 0.6, 0.7).size == 0


ends = st.tuples(st.integers(0, 1_999_000), st.integers(1, 400_000))


@settings(max_examples=25)
@given(st.lists(ends, min_size=1, max_size=5), ends)
def test_any_masks_and_any_window(shared_path, intervals, window):
    shared_path.with_suffix(".cal.h5").unlink(missing_ok=True)
    cut = [(a / 1e6, min(a + n, 2_000_000) / 1e6) for a, n in intervals]
    masked(shared_path, *cut)
    start, stop = window[0] / 1e6, min(sum(window), 2_000_000) / 1e6
    with ObsFile(shared_path) as obs, ObsFile(shared_path, time_masks=False) as raw:
        for surveyed in (False, True):
            if surveyed:
                obs.survey()
            image, low = obs.count_image(start, stop), obs.count_image(start, stop, max_phase=-60.0)
            for pixel in PIXELS:
                photons = raw.photons(pixel, start, stop)
                t = photons["time"] / 1e6
                keep = ~np.any([(t >= a) & (t < b) for a, b in cut], axis=0)
                assert image[pixel] == keep.sum()
                assert low[pixel] == (keep & (photons["phase"].astype(float) < -60.0)).sum()


def test_undo_is_exact(path):
    photons = hashlib.sha256(path.read_bytes()).hexdigest()
    states = [everything(path)]
    steps = (
        lambda obs: obs.mask_time(0.2, 0.6, "cloud"),
        lambda obs: obs.mask_pixels([(0, 2), (3, 0)], "odd", "unstable"),
        lambda obs: obs.unmask_time(0.3, 0.4, "no cloud"),
        lambda obs: obs.unmask_pixels((0, 2), "not odd"),
        lambda obs: obs.mask_time(0.35, 0.37, "bird", "flash"),
    )
    for step in steps:
        with ObsFile(path, mode="write") as obs:
            assert step(obs) is obs
        states.append(everything(path))
    assert len(set(states)) == len(states)
    unmasked = everything(path, time_masks=False)
    assert unmasked not in states
    for state in reversed(states[:-1]):
        with ObsFile(path, mode="write") as obs:
            obs.undo()
        assert everything(path) == state
    assert hashlib.sha256(path.read_bytes()).hexdigest() == photons
    with ObsFile(path) as obs:
        assert len(obs.history) == 5
        assert all(action.undone for action in obs.history)
        assert [a.action for a in obs.history] == ["mask", "mask", "unmask", "unmask", "mask"]


def test_undo_of_a_kind_takes_the_newest_of_it(path):
    with ObsFile(path, mode="write") as obs:
        obs.mask_time(0.2, 0.3, "a").mask_pixels((1, 2), "b").mask_time(0.5, 0.6, "c")
        obs.undo("badpixels")
        assert not obs.flags_in()[1, 2] & np.uint32(MASK_FLAGS)
        assert obs.masked_us.tolist() == [[200_000, 300_000], [500_000, 600_000]]
        obs.undo("timemask")
        assert obs.masked_us.tolist() == [[200_000, 300_000]]
        with pytest.raises(CalibrationError, match="no badpixels to undo"):
            obs.undo("badpixels")


def test_what_was_remembered_is_forgotten(path):
    with ObsFile(path, mode="write") as obs:
        before = obs.count_image(), obs.survey().counts, obs.light_curve((2, 0), 0.1).counts
        obs.mask_time(0.6, 0.9, "cloud")
        after = obs.count_image(), obs.survey().counts, obs.light_curve((2, 0), 0.1).counts
        assert all(a.sum() < b.sum() for a, b in zip(after, before, strict=True))
        assert obs.light_curve((2, 0), 0.1).counts[6:9].sum() == 0
        obs.undo()
        again = obs.count_image(), obs.survey().counts, obs.light_curve((2, 0), 0.1).counts
        for a, b in zip(again, before, strict=True):
            np.testing.assert_array_equal(a, b)


def test_marks_exclude_only_when_asked(path):
    with ObsFile(path, mode="write") as obs:
        plain = obs.count_image()
        obs.mask_pixels((2, 0), "too bright", "hot")
        assert obs.flags[2, 0] & PixelFlag.pixcal_hot
        assert obs.mask_reasons((2, 0)) == ("By hand: too bright",)
        np.testing.assert_array_equal(obs.count_image(), plain)
        without = obs.count_image(exclude=PIXEL_KINDS["hot"])
        assert without[2, 0] == 0
        assert without.sum() == plain.sum() - plain[2, 0]
        np.testing.assert_array_equal(obs.count_image(exclude=PIXEL_KINDS["dead"]), plain)


def test_masks_survive_saving(path):
    with ObsFile(path, mode="write") as obs:
        obs.mask_time(0.25, 0.5, "cloud, 80 %", "poofing").unmask_pixels((1, 1), "fine")
        kept = obs.time_masks[0], obs.pixel_masks[0]
        where, file_id = obs.sidecar, obs.file_id
    again = load_sidecar(where, file_id)
    time, pixel = again.time_masks[0][1], again.pixel_masks[0][1]
    assert (time.reasons, time.clears, time.codes.tolist()) == (
        ("By hand: cloud, 80 %",),
        False,
        [13],
    )
    np.testing.assert_array_equal(time.intervals_us, kept[0].intervals_us)
    assert (pixel.reasons, pixel.clears) == (("By hand: fine",), True)
    np.testing.assert_array_equal(pixel.pixels, [[1, 1]])


def test_wrong_edits_change_nothing(path):
    with ObsFile(path, mode="write") as obs:
        for edit, error in (
            (lambda: obs.mask_pixels((4, 0), "x"), "outside the array"),
            (lambda: obs.mask_pixels((0, 0), ""), "needs a reason"),
            (lambda: obs.mask_time(1.5, 2.5, "x"), "Time range"),
            (lambda: obs.mask_time(0.5, 0.5, "x"), "Time range"),
            (lambda: obs.unmask_time(0.5, 0.7, " "), "needs a reason"),
        ):
            with pytest.raises(ConfigError, match=error):
                edit()
        assert obs.history == ()
    with ObsFile(path) as obs, pytest.raises(ConfigError, match="open for reading"):
        obs.mask_time(0.1, 0.2, "x")


def test_the_kept_baselines_stay_with_their_photons(tmp_path):
    from rawdata import header, photon, write_words

    from pipeline_core.beammap import Beammap
    from pipeline_core.convert import ConvertSettings, convert

    start = 1602050400
    ticks = (start - 1577836800) * 2000
    words = []
    for k in range(2000):
        words += [header(9, k, ticks + k), photon(1, 0, 100, -20_000, 50 * k)]
    write_words(tmp_path / f"{start}.bin", words)
    out = tmp_path / "o.h5"
    convert(ConvertSettings(tmp_path, start, 1, Beammap.design((2, 3), 1), out, baseline="keep"))
    with ObsFile(out, time_masks=False) as obs:
        plain = obs.photons((1, 0))
    masked(out, (0.2, 0.4))
    with ObsFile(out) as obs:
        found = obs.photons((1, 0), 0.1, 0.9)
    t = plain["time"] / 1e6
    keep = (t >= 0.1) & (t < 0.9) & ~((t >= 0.2) & (t < 0.4))
    assert found.tobytes() == plain[keep].tobytes()
    assert len(np.unique(found["baseline"])) == found.size == 1200
