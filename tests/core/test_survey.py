"""The survey of a whole file, and images from its planes, against exact passes."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from observations import make_observation

from pipeline_core import ObsFile, photon_reader
from pipeline_core.errors import InputFormatError, OperationCancelled
from pipeline_core.summaries import survey_bin_us
from pipeline_core.survey import CountPlanes

SHAPE = (7, 4)


@pytest.fixture(scope="module")
def observation(tmp_path_factory):
    rates = 30 + 20 * np.arange(7)[:, None] + 7.0 * np.arange(4)
    rates[2, 3] = 0
    rates[5, 1] = 40_000  # spans chunks
    folder = tmp_path_factory.mktemp("survey")
    codes = np.zeros(SHAPE, np.uint8)  # with them, the file's order of pixels is reversed
    return make_observation(folder, rates, codes=codes, silent_ticks=range(1200, 1500))


@pytest.fixture
def plain(observation):
    with ObsFile(observation[0]) as opened:
        yield opened


@pytest.fixture
def surveyed(observation):
    with ObsFile(observation[0]) as opened:
        opened.survey()
        yield opened


def test_a_survey_counts_every_photon(surveyed, observation):
    survey = surveyed.survey()
    assert survey.bin_s == pytest.approx(0.01)
    np.testing.assert_allclose(survey.edges_s, np.arange(201) / 100)
    times = np.concatenate([times for times, _ in observation[1].values()])
    np.testing.assert_array_equal(survey.counts, np.bincount(times // 10_000, minlength=200))
    assert survey.counts.sum() == surveyed.n_photons
    phases = surveyed.photons(list(np.ndindex(SHAPE)))["phase"]
    assert (survey.phase_low, survey.phase_high) == (phases.min(), phases.max())
    assert survey.phase_low < survey.phase_high < 0


def test_rates_of_a_survey_know_gaps(surveyed):
    survey = surveyed.survey()
    np.testing.assert_array_equal(surveyed.gaps_us, [[600_000, 750_000]])
    np.testing.assert_allclose(survey.open_time_s, np.where(np.arange(200) // 15 == 4, 0, 0.01))
    gap = slice(60, 75)
    assert np.isnan(survey.rate_cps[gap]).all()
    np.testing.assert_allclose(
        np.delete(survey.rate_cps, gap), np.delete(survey.counts, gap) / 0.01
    )


def test_one_survey_is_enough(observation, monkeypatch):
    with ObsFile(observation[0]) as obs:
        survey = obs.survey()
        monkeypatch.setattr(obs._file, "survey", None)
        assert obs.survey() is survey


grid = st.tuples(st.integers(0, 200), st.integers(0, 200)).filter(lambda w: w[0] < w[1])
windows = st.tuples(st.integers(0, 2_000_000), st.integers(0, 2_000_000)).filter(
    lambda w: w[0] < w[1]
)
quiet = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@quiet
@given(grid)
def test_images_on_the_grid_equal_the_exact_pass(surveyed, plain, window):
    start, stop = window[0] / 100, window[1] / 100
    passes = surveyed._file.count_window
    try:
        surveyed._file.count_window = None  # no pass is needed
        mine = surveyed.count_image(start, stop)
    finally:
        surveyed._file.count_window = passes
    theirs = plain.count_image(start, stop)
    assert mine.dtype == theirs.dtype
    np.testing.assert_array_equal(mine, theirs)


@quiet
@given(windows)
def test_images_off_the_grid_equal_the_exact_pass(surveyed, plain, window):
    start, stop = window[0] / 1e6, window[1] / 1e6
    np.testing.assert_array_equal(surveyed.count_image(start, stop), plain.count_image(start, stop))


@quiet
@given(st.one_of(windows, grid.map(lambda w: (w[0] * 10_000, w[1] * 10_000))), st.booleans())
def test_images_of_all_bins_come_from_one_pass(surveyed, plain, window, known):
    start, stop = window[0] / 1e6, window[1] / 1e6
    found = (surveyed if known else plain).counts_in_time(start, stop)
    inner = np.arange(0, 2_010_000, 10_000)
    inner = inner[(inner > window[0]) & (inner < window[1])]
    np.testing.assert_array_equal(found.edges_us, [window[0], *inner, window[1]])
    ends = list(zip(found.edges_us[:-1] / 1e6, found.edges_us[1:] / 1e6, strict=True))
    np.testing.assert_array_equal(found.counts, [surveyed.count_image(*one) for one in ends])
    np.testing.assert_array_equal(found.open_s, [surveyed.open_time(*one) for one in ends])


@pytest.mark.parametrize("known", [False, True])
def test_images_of_all_bins_leave_masked_times_out(observation, tmp_path, known):
    path = shutil.copy(observation[0], tmp_path)
    with ObsFile(path, mode="write") as obs:
        obs.mask_time(0.123_456, 0.456_789, "cloud")
        obs.mask_time(1.5, 1.512_345, "ray")
        if known:
            obs.survey()
        found = obs.counts_in_time(0.12, 1.9)
        ends = list(zip(found.edges_us[:-1] / 1e6, found.edges_us[1:] / 1e6, strict=True))
        np.testing.assert_array_equal(found.counts, [obs.count_image(*one) for one in ends])
        np.testing.assert_array_equal(found.open_s, [obs.open_time(*one) for one in ends])
        assert found.open_s[10] == 0 < found.open_s[0] < 0.01
        assert not found.counts[10].any()


def test_images_of_phases_do_not_come_from_the_planes(surveyed, plain):
    phases = {"min_phase": -70.0, "max_phase": -30.0}
    image = surveyed.count_image(0.5, 1.0, **phases)
    np.testing.assert_array_equal(image, plain.count_image(0.5, 1.0, **phases))
    assert 0 < image.sum() < surveyed.count_image(0.5, 1.0).sum()


def test_an_image_from_the_planes_is_the_callers_own(surveyed):
    image = surveyed.count_image(0.5, 1.0)
    before = image.copy()
    image += 1
    np.testing.assert_array_equal(surveyed.count_image(0.5, 1.0), before)


def test_pixels_can_be_left_out_of_images_from_the_planes(surveyed):
    every = surveyed.count_image(0.5, 1.0)
    flags = surveyed.flags.copy()
    try:
        surveyed.flags[6, 0] |= 2
        some = surveyed.count_image(0.5, 1.0, exclude=2)
    finally:
        surveyed.flags[...] = flags
    assert every[6, 0] > 0
    every[6, 0] = 0
    np.testing.assert_array_equal(some, every)


@pytest.mark.parametrize("chunks_a_step", [1, 2, 3])
def test_every_chunk_is_surveyed(observation, monkeypatch, chunks_a_step):
    from pipeline_core import photon_reader

    monkeypatch.setattr(photon_reader, "_CHUNKS_A_STEP", chunks_a_step)
    with ObsFile(observation[0]) as obs:
        assert obs.survey().counts.sum() == obs.n_photons


def test_a_survey_can_be_cancelled_and_repeated(observation):
    def stop(done, total, stage=""):
        raise OperationCancelled

    with ObsFile(observation[0]) as obs:
        with pytest.raises(OperationCancelled):
            obs.survey(stop)
        seen = []
        assert obs.survey(lambda *report: seen.append(report)).counts.sum() == obs.n_photons
        assert seen[0][2] == "surveying the file"
        assert seen[-1][0] == seen[-1][1] > 0


def test_a_survey_that_was_cancelled_goes_on_where_it_was(observation, monkeypatch):
    from pipeline_core import photon_reader

    monkeypatch.setattr(photon_reader, "_CHUNKS_A_STEP", 1)
    starts = []

    def one_step_only():
        """Cancel before the second step."""
        reports = []

        def report(done, total, stage=""):
            reports.append(done)
            if len(reports) > 1:
                raise OperationCancelled

        return reports, report

    with ObsFile(observation[0]) as whole, ObsFile(observation[0]) as obs:
        expected = whole.survey()
        image = whole.count_image(0.51, 1.23)
        while True:
            reports, report = one_step_only()
            try:
                found = obs.survey(report)
            except OperationCancelled:
                starts.append(reports[0])
                obs.photons((5, 1))  # a click in between
                obs.count_image(0.1, 0.2)
                continue
            break
        assert len(starts) > 1
        assert starts == list(range(len(starts)))
        np.testing.assert_array_equal(found.counts, expected.counts)
        assert (found.phase_low, found.phase_high) == (expected.phase_low, expected.phase_high)
        np.testing.assert_array_equal(obs.count_image(0.51, 1.23), image)


def test_a_survey_that_failed_begins_anew(observation, monkeypatch):
    from pipeline_core import photon_reader

    monkeypatch.setattr(photon_reader, "_CHUNKS_A_STEP", 1)
    count = photon_reader.survey_chunk

    def count_and_fail(*args):
        count(*args)
        raise InputFormatError("damaged")

    def stop(done, total, stage=""):
        if done:
            raise OperationCancelled

    with ObsFile(observation[0]) as obs:
        with pytest.raises(OperationCancelled):
            obs.survey(stop)
        monkeypatch.setattr(photon_reader, "survey_chunk", count_and_fail)
        with pytest.raises(InputFormatError):
            obs.survey()
        monkeypatch.setattr(photon_reader, "survey_chunk", count)
        assert obs.survey().counts.sum() == obs.n_photons


def test_another_survey_does_not_go_on_with_the_sums_of_the_first(observation):
    reader = ObsFile(observation[0])
    try:
        photons = reader._file._reader

        def stop(done, total, stage=""):
            if done:
                raise OperationCancelled

        with pytest.raises(OperationCancelled):
            photons.survey(np.array([0, 1_000_000, 2_000_000]), stop)
        counts, _, _ = photons.survey(np.array([0, 500_000, 2_000_000]))
        assert counts.sum() == reader.n_photons
        again, _, _ = photons.survey(np.array([0, 1_000_000, 2_000_000]))
        assert again.sum() == reader.n_photons
        assert (again[:, 0] > counts[:, 0]).any()
    finally:
        reader.close()


def test_a_survey_without_photons(tmp_path):
    with ObsFile(make_observation(tmp_path, np.zeros((3, 2)))[0]) as obs:
        survey = obs.survey()
        assert survey.counts.sum() == 0
        assert np.isnan([survey.phase_low, survey.phase_high]).all()
        assert (obs.count_image(0.5, 1.0) == 0).all()


@given(st.integers(1, 4295 * 10**6), st.sampled_from([6, 80 * 125, 140 * 146, 10**6, 10**8]))
def test_planes_fit_into_memory(exposure_us, n_pixels):
    width = survey_bin_us(exposure_us, n_pixels)
    bins = -(-exposure_us // width)
    assert bins == 1 or 4 * n_pixels * (bins + 1) <= 64_000_000
    if exposure_us >= 20 * 10**6:
        assert width % 10**6 == 0
    else:
        assert bins <= 200
        assert str(width).rstrip("0") in ("1", "2", "5")


@pytest.mark.parametrize(
    ("seconds", "n_pixels", "width_s"),
    [
        (33, 10_000, 1),
        (1200, 10_000, 1),
        (4200, 10_000, 3),
        (19.9, 10_000, 0.1),
        (1, 20_440, 0.005),
    ],
)
def test_bins_of_a_survey_are_round(seconds, n_pixels, width_s):
    assert survey_bin_us(round(seconds * 1e6), n_pixels) == round(width_s * 1e6)


def test_planes_know_their_grid():
    planes = CountPlanes(np.array([0, 10, 20, 25]), np.arange(24, dtype=np.uint32).reshape(4, 3, 2))
    assert planes.image(10, 25).tolist() == [[12, 12]] * 3
    assert planes.image(0, 20).shape == (3, 2)
    for ends in [(0, 24), (1, 20), (10, 26), (24, 30)]:
        assert planes.image(*ends) is None


def test_after_a_survey_any_time_is_counted_from_memory(observation, monkeypatch):
    path = observation[0]
    with ObsFile(path) as plain, ObsFile(path) as obs:
        expected = plain.count_image(0.1234567, 1.7654321)
        obs.survey()
        monkeypatch.setattr(photon_reader.PhotonReader, "_scan", None)  # no file is read any more
        np.testing.assert_array_equal(obs.count_image(0.1234567, 1.7654321), expected)


def test_times_that_need_too_much_memory_are_read_again(observation, monkeypatch):
    path = observation[0]
    monkeypatch.setattr(photon_reader, "_SHARE_OF_MEMORY", 0.0)
    with ObsFile(path) as plain, ObsFile(path) as obs:
        obs.survey()
        assert obs._file._photon_reader()._times is None
        expected = plain.count_image(0.1234567, 1.7654321)
        np.testing.assert_array_equal(obs.count_image(0.1234567, 1.7654321), expected)
