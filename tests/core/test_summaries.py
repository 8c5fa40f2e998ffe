"""Count summaries: images from them against passes over the photons, and against NumPy."""

import shutil

import numpy as np
import pytest
import tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from observations import START, YEAR_2020, make_observation
from rawdata import header, photon, write_words

from pipeline_core import ObsFile, summaries
from pipeline_core import convert as convert_module
from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.photon_reader import PhotonReader
from pipeline_core.previews import preview
from pipeline_core.rawwords import PHASE_DEG_PER_COUNT
from pipeline_core.summaries import FINE_DEG, PHASE_EDGES_DEG, grid_for

SHAPE = (7, 4)
quiet = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def everything(monkeypatch):
    """Let files of any size have all summaries."""
    monkeypatch.setattr(summaries, "LEAST_PHOTONS", 0)
    monkeypatch.setattr(summaries, "SHARE", 10.0)


@pytest.fixture(scope="module")
def observation(tmp_path_factory):
    rates = 30 + 20 * np.arange(7)[:, None] + 7.0 * np.arange(4)
    rates[2, 3] = 0
    rates[5, 1] = 40_000  # spans chunks
    folder = tmp_path_factory.mktemp("summaries")
    codes = np.zeros(SHAPE, np.uint8)  # with them, the file's order of pixels is reversed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summaries, "LEAST_PHOTONS", 0)
        patch.setattr(summaries, "SHARE", 10.0)
        return make_observation(folder, rates, codes=codes, silent_ticks=range(1200, 1500))


@pytest.fixture(scope="module")
def without(observation, tmp_path_factory):
    """The same file, as it was written before there were summaries."""
    path = tmp_path_factory.mktemp("older") / observation[0].name
    shutil.copy(observation[0], path)
    path.chmod(0o644)
    with tables.open_file(str(path), "r+") as h5:
        h5.remove_node("/mkid/summary", recursive=True)
    return path


@pytest.fixture
def obs(observation):
    with ObsFile(observation[0]) as opened:
        yield opened


@pytest.fixture
def plain(without):
    with ObsFile(without) as opened:
        yield opened


@pytest.fixture
def no_pass(monkeypatch):
    monkeypatch.setattr(PhotonReader, "_scan", None)


def edges_of(obs):
    return obs._file.summary.grid


# --- exact images --------------------------------------------------------------------------------


def test_the_grid_of_a_short_file(obs):
    grid = edges_of(obs)
    np.testing.assert_array_equal(grid.band_edges_us, np.arange(101) * 20_000)
    np.testing.assert_array_equal(grid.time_edges_us, np.arange(201) * 10_000)
    assert grid.has_phases


def test_images_of_all_bins_need_no_photon(obs, plain, monkeypatch):
    expected = plain.counts_in_time()
    odd = plain.counts_in_time(0.005, 1.0).counts
    with monkeypatch.context() as patch:
        patch.setattr(PhotonReader, "_scan", None)
        found = obs.counts_in_time()
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(obs.counts_in_time(0.005, 1.0).counts, odd)


places = st.tuples(st.integers(0, 100), st.integers(0, 100)).filter(lambda w: w[0] < w[1])
bands = st.tuples(st.integers(0, 38), st.integers(0, 38)).filter(lambda w: w[0] < w[1])


@quiet
@given(places, bands)
def test_images_on_edges_need_no_photon_and_are_exact(obs, plain, where, band):
    window = [k / 50 for k in where]
    low, high = PHASE_EDGES_DEG[list(band)]
    scan = PhotonReader._scan
    try:
        PhotonReader._scan = None
        mine = obs.count_image(*window, min_phase=low, max_phase=high)
    finally:
        PhotonReader._scan = scan
    theirs = plain.count_image(*window, min_phase=low, max_phase=high)
    assert mine.dtype == theirs.dtype
    np.testing.assert_array_equal(mine, theirs)


@quiet
@given(st.tuples(st.integers(0, 200), st.integers(0, 200)).filter(lambda w: w[0] < w[1]))
def test_images_of_any_phase_have_finer_edges(obs, plain, where):
    window = [k / 100 for k in where]
    scan = PhotonReader._scan
    try:
        PhotonReader._scan = None
        mine = obs.count_image(*window)
    finally:
        PhotonReader._scan = scan
    np.testing.assert_array_equal(mine, plain.count_image(*window))


@pytest.mark.parametrize(
    ("window", "band"),
    [
        ((0.02, 1.500001), (-100, -50)),
        ((0.019999, 1.5), (-100, -50)),
        ((0.01, 1.5), (-100, -50)),  # an edge of the finer grid only
        ((0.02, 1.5), (-100.0001, -50)),
        ((0.02, 1.5), (-100, -49.9999)),
        ((0.005, 1.5), (None, None)),
    ],
)
def test_images_off_the_edges_are_counted(obs, plain, window, band, monkeypatch):
    low, high = band
    mine = obs.count_image(*window, min_phase=low, max_phase=high)
    np.testing.assert_array_equal(mine, plain.count_image(*window, min_phase=low, max_phase=high))
    monkeypatch.setattr(PhotonReader, "_scan", None)
    with ObsFile(obs.path) as again, pytest.raises(TypeError):
        again.count_image(*window, min_phase=low, max_phase=high)


def test_every_phase_lands_in_the_band_in_which_a_pass_counts_it(tmp_path, everything):
    """All codes near edges, and the extremes of 18 bits, with and without the baseline added."""
    near = np.rint(np.arange(-230, 231) / PHASE_DEG_PER_COUNT).astype(int)
    codes = np.unique(np.clip(near[:, None] + np.arange(-2, 3), -(2**17), 2**17 - 1))
    words = []
    for k, part in enumerate(np.array_split(codes, 100)):
        words.append(header(9, k, (START - YEAR_2020) * 2000 + k))
        words += [photon(k % 3, k % 2, 5 * i, code, 300 - i) for i, code in enumerate(part)]
    write_words(tmp_path / f"{START}.bin", words)
    for mode in ("ignore", "subtract-median"):
        out = tmp_path / f"{mode}.h5"
        beammap = Beammap.design((3, 2), feedlines=1)
        convert(ConvertSettings(tmp_path, START, 1, beammap, out, baseline=mode))
        with ObsFile(out) as obs:
            rows = obs.photons(list(np.ndindex(3, 2)))
            degrees = rows["phase"].astype(float)
            summary = obs._file.summary
            assert (summary.phase_low, summary.phase_high) == (degrees.min(), degrees.max())
            for k in range(PHASE_EDGES_DEG.size - 1):
                low, high = PHASE_EDGES_DEG[k : k + 2]
                image = summary.image(0, 1_000_000, (low, high))
                for x, y in np.ndindex(3, 2):
                    mine = degrees[(rows["x"] == x) & (rows["y"] == y)]
                    assert image[x, y] == np.count_nonzero((mine >= low) & (mine < high))
            fine = np.histogram(degrees, FINE_DEG)[0]  # no photon is at the upper end
            np.testing.assert_array_equal(summary.phases.sum(axis=(0, 1)), fine)


def test_histograms_of_phases_are_those_of_the_pixels(obs):
    for pixel in [(0, 0), (5, 1), (6, 3), (2, 3)]:
        phases = obs.photons(pixel)["phase"]
        theirs = np.histogram(phases, FINE_DEG)[0]
        np.testing.assert_array_equal(obs._file.summary.phases[pixel], theirs)


def test_spilled_runs_have_the_same_summaries(observation, tmp_path, monkeypatch, everything):
    monkeypatch.setattr(convert_module, "RUN_MEMORY_BYTES", 0)
    monkeypatch.setattr(convert_module, "BATCH_PHOTONS", 500)
    monkeypatch.setattr("pipeline_core.photonruns._SPILLED_BATCH_PHOTONS", (500, 500))
    first, folder = observation[0], observation[0].parent
    with ObsFile(first) as obs:
        beammap = obs.beammap
    out = tmp_path / "spilled.h5"
    convert(ConvertSettings(folder, START, 2, beammap, out))
    with tables.open_file(str(first)) as mine, tables.open_file(str(out)) as theirs:
        nodes = [node._v_pathname for node in mine.walk_nodes("/mkid/summary", "Array")]
        assert len(nodes) == 9
        for name in [*nodes, "/Photons/PhotonTable", "/Photons/PixelIndex/start"]:
            np.testing.assert_array_equal(mine.get_node(name)[:], theirs.get_node(name)[:])


# --- survey --------------------------------------------------------------------------------------


def test_a_survey_is_there_at_once(obs, plain, no_pass):
    with pytest.raises(TypeError):
        plain.survey()
    found = obs.survey()
    assert found.counts.sum() == obs.n_photons


def test_a_survey_from_summaries_is_that_of_a_pass(obs, plain):
    mine, theirs = obs.survey(), plain.survey()
    np.testing.assert_array_equal(mine.edges_s, theirs.edges_s)
    np.testing.assert_array_equal(mine.counts, theirs.counts)
    np.testing.assert_array_equal(mine.open_time_s, theirs.open_time_s)
    assert (mine.phase_low, mine.phase_high) == (theirs.phase_low, theirs.phase_high)


# --- masked times --------------------------------------------------------------------------------


def test_masked_times_are_in_no_image(observation, without, tmp_path):
    folder = tmp_path / "masked"
    folder.mkdir()
    path, older = folder / "a.h5", folder / "b.h5"
    shutil.copy(observation[0], path)
    shutil.copy(without, older)
    with ObsFile(path, mode="write") as obs, ObsFile(older, mode="write") as plain:
        whole = obs.count_image(0.2, 1.0, min_phase=-100, max_phase=-50)
        for each in (obs, plain):
            each.mask_time(0.33, 0.77, "clouds")
        assert obs.preview_image(0.2, 1.0) is None
        for band in [(None, None), (-100, -50), (-100.5, -50)]:
            limits = {"min_phase": band[0], "max_phase": band[1]}
            image = obs.count_image(0.2, 1.0, **limits)
            np.testing.assert_array_equal(image, plain.count_image(0.2, 1.0, **limits))
        assert 0 < obs.count_image(0.2, 1.0, min_phase=-100, max_phase=-50).sum() < whole.sum()
        np.testing.assert_array_equal(obs.survey().counts, plain.survey().counts)
        assert obs.survey().counts.sum() == obs.count_image().sum() < obs.n_photons
        obs.undo()
        image = obs.count_image(0.2, 1.0, min_phase=-100, max_phase=-50)
        np.testing.assert_array_equal(image, whole)


# --- previews ------------------------------------------------------------------------------------


def test_a_preview_on_edges_is_exact(obs, no_pass):
    image, exact = obs.preview_image(0.2, 1.0, min_phase=-100, max_phase=-50)
    assert exact
    assert image.dtype == np.float64
    theirs = obs.count_image(0.2, 1.0, min_phase=-100, max_phase=-50)
    np.testing.assert_array_equal(image, theirs)


@quiet
@given(
    st.integers(0, 1_999_999),
    st.integers(1, 2_000_000),
    st.floats(-170, -11),
    st.floats(1.0, 120),
)
def test_a_preview_is_near(obs, plain, start_us, length_us, low, width):
    stop_us = min(start_us + length_us, 2_000_000)
    window = start_us / 1e6, stop_us / 1e6
    limits = {"min_phase": low, "max_phase": low + width}
    image, exact = obs.preview_image(*window, **limits)
    assert not exact
    truth = plain.count_image(*window, **limits)
    # at each end, parts of a bin of time (20 ms), and of a degree, are told from the whole bin
    counts, n_degrees = plain.count_image(), 142.0
    bins = counts * (2 * 0.02 / 2 + 2 * 1 / n_degrees)
    assert (np.abs(image - truth) <= 6 * np.sqrt(bins + 1) + 0.02 * counts).all()
    assert image[2, 3] == 0


def test_between_edges_of_time_counts_are_interpolated(obs):
    summary = obs._file.summary
    before, after = summary.cumulative(20_000), summary.cumulative(40_000)
    assert after[-1].sum() == obs.count_image(0, 0.04).sum() > before[-1].sum() > 0
    np.testing.assert_allclose(summary.cumulative(25_000), before + (after - before) / 4)
    assert not summary.cumulative(0).any()
    np.testing.assert_array_equal(summary.cumulative(2_000_000)[-1], obs.count_image())


def test_parts_of_a_band_are_told_from_the_histogram_of_phases():
    """Photons of a band are where the pixel's histogram has them; without one, spread evenly."""

    class Fake:
        phases = np.zeros((1, 2, FINE_DEG.size - 1), np.uint32)

        def cumulative(self, time_us):
            below = np.zeros((PHASE_EDGES_DEG.size, 1, 2))
            below[PHASE_EDGES_DEG > -100] = 40.0 * (time_us > 0)  # all in the band -105 to -100
            below[PHASE_EDGES_DEG == -100] = 40.0 * (time_us > 0)
            return below

    Fake.phases[0, 0, np.searchsorted(FINE_DEG, -103)] = 1000  # -103 to -102
    for low, high, first, second in [
        (-105, -100, 40, 40),
        (-104.9, -103, 0, 40 * 1.9 / 5),
        (-102.5, -90, 20, 20),
        (-102.25, -101, 10, 10),
        (-103.0, -102.0, 40, 8),
        (-100, -103.5, 0, 0),
        (-np.inf, np.inf, 40, 40),
        (-np.inf, -102.5, 20, 20),
    ]:
        limits = np.full((1, 2, 2), [low, high], float)
        image = preview(Fake(), (0, 5), limits)
        np.testing.assert_allclose(image, [[first, second]], atol=1e-9)


def test_wavelengths_are_previewed_by_each_pixels_own_limits(obs, plain, monkeypatch):
    limits = np.empty((*SHAPE, 2))
    limits[..., 0] = -120 + 3.3 * np.arange(7)[:, None]
    limits[..., 1] = -60 + 2.1 * np.arange(4)
    limits[3, 2] = np.inf  # not calibrated

    class Calibrated:
        calibration = None

        def clear(self):
            pass

    Calibrated.calibration = Calibrated
    Calibrated.phase_limits = staticmethod(lambda *_, **__: limits)
    monkeypatch.setattr(obs, "_calibrated_photons", lambda: Calibrated)
    image, exact = obs.preview_image(0.2, 1.0, min_wavelength=800, max_wavelength=1100)
    assert not exact
    assert image[3, 2] == 0
    for x, y in [(0, 0), (5, 1), (6, 3)]:
        low, high = limits[x, y]
        truth = plain.count_image(0.2, 1.0, min_phase=low, max_phase=high)[x, y]
        assert image[x, y] == pytest.approx(truth, abs=6 * np.sqrt(truth * 2 / 60 + 1))


# --- files without, and files of others ----------------------------------------------------------


def test_files_without_summaries_are_read_as_ever(plain, obs):
    assert plain._file.summary is None
    assert plain.preview_image(0.2, 1.0) is None
    limits = {"min_phase": -100, "max_phase": -50}
    np.testing.assert_array_equal(
        plain.count_image(0.2, 1.0, **limits), obs.count_image(0.2, 1.0, **limits)
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda h5: h5.remove_node("/mkid/summary/phase_range"),
        lambda h5: h5.remove_node("/mkid/summary/band_edges"),
        lambda h5: h5.get_node("/mkid/summary/phase_edges").__setitem__(3, -171.0),
        lambda h5: h5.get_node("/mkid/summary/band_edges").__setitem__(-1, 1_999_999),
        lambda h5: (
            h5.remove_node("/mkid/summary/bands"),
            h5.create_array("/mkid/summary", "bands", np.zeros((100, 38, 4, 7), np.uint32)),
        ),
    ],
)
def test_summaries_that_are_not_understood_are_left_alone(observation, plain, tmp_path, change):
    path = tmp_path / "changed.h5"
    shutil.copy(observation[0], path)
    path.chmod(0o644)
    with tables.open_file(str(path), "r+") as h5:
        change(h5)
    limits = {"min_phase": -100, "max_phase": -50}
    with ObsFile(path) as obs:
        assert obs.preview_image(0.2, 1.0) is None
        image = obs.count_image(0.2, 1.0, **limits)
        np.testing.assert_array_equal(image, plain.count_image(0.2, 1.0, **limits))
        np.testing.assert_array_equal(obs.survey().counts, plain.survey().counts)


def test_a_window_of_time_keeps_the_times(without, monkeypatch):
    with ObsFile(without) as obs, ObsFile(without) as other:
        expected = other.count_image(0.1234567, 1.7654321)
        obs.count_image(0.5, 1.3, min_phase=-100.5)
        assert obs._file.times_in_memory is None  # phases were looked at
        obs.count_image(0.5, 1.25)
        monkeypatch.setattr(PhotonReader, "_scan", None)
        np.testing.assert_array_equal(obs.count_image(0.1234567, 1.7654321), expected)


def test_times_are_read_when_they_are_asked_for(observation, without, monkeypatch):
    with ObsFile(observation[0]) as obs, ObsFile(without) as other:
        expected = other.count_image(0.1234567, 1.7654321)
        obs.survey()
        assert obs._file.times_in_memory is None  # the survey came from summaries
        obs.keep_times()
        monkeypatch.setattr(PhotonReader, "_scan", None)
        obs.keep_times()
        np.testing.assert_array_equal(obs.count_image(0.1234567, 1.7654321), expected)


def test_a_second_window_of_time_keeps_the_times_of_a_long_file(without, monkeypatch):
    monkeypatch.setattr("pipeline_core.photon_reader._CHEAP_TIMES_BYTES", 0)
    with ObsFile(without) as obs, ObsFile(without) as other:
        expected = other.count_image(0.1234567, 1.7654321)
        obs.count_image(0.5, 1.25)
        assert obs._file.times_in_memory is None  # one window is no habit
        obs.count_image(0.5, 1.3)
        obs.count_image(0.5, 1.3, min_phase=-100.5)
        monkeypatch.setattr(PhotonReader, "_scan", None)
        np.testing.assert_array_equal(obs.count_image(0.1234567, 1.7654321), expected)


def test_kernels_can_be_loaded_before_they_are_needed(observation, tmp_path, everything):
    """With the types of arguments that a conversion gives: nothing is compiled a second time."""
    from pipeline_core import summary_builder

    kernels = [
        summary_builder._count_times,
        summary_builder._count_bands,
        summary_builder._phase_extremes,
    ]
    summary_builder.load_kernels()
    known = [len(kernel.signatures) for kernel in kernels]
    with ObsFile(observation[0]) as obs:
        beammap = obs.beammap
    folder = observation[0].parent
    convert(ConvertSettings(folder, START, 2, beammap, tmp_path / "again.h5"))
    assert [len(kernel.signatures) for kernel in kernels] == known == [1, 1, 1]


# --- how much ------------------------------------------------------------------------------------


def test_short_files_have_none(tmp_path):
    path, _ = make_observation(tmp_path, np.full((3, 2), 50.0))
    with tables.open_file(str(path)) as h5:
        assert "/mkid/summary" not in h5
    assert grid_for(10**7, 2_999_999, 10_000) is None
    assert grid_for(10**7, 3_000_000, 10_000) is not None


@given(
    st.integers(1, 4294),
    st.integers(3_000_000, 3 * 10**9),
    st.sampled_from([6, 80 * 125, 140 * 146, 10**6]),
)
def test_summaries_are_a_few_percent_of_their_file(seconds, n_photons, n_pixels):
    grid = grid_for(seconds * 10**6, n_photons, n_pixels)
    image = 4 * n_pixels
    images = [
        max(grid.band_edges_us.size - 1, 0) * (PHASE_EDGES_DEG.size - 1),
        max(grid.time_edges_us.size - 1, 0),
        grid.has_phases * (FINE_DEG.size - 1),
    ]
    assert all(image * number <= 0.03 * 5.5 * n_photons for number in images)
    assert grid.band_edges_us.size <= 101
    for edges in (grid.band_edges_us, grid.time_edges_us):
        if edges.size:
            assert (edges[0], edges[-1]) == (0, seconds * 10**6)
            assert (np.diff(edges) > 0).all()


@pytest.mark.parametrize(
    ("seconds", "n_photons", "n_bands", "n_times"),
    [
        (10, 10**8, 10, 200),
        (100, 10**9, 100, 100),
        (4000, 10**9, 80, 1334),
        (10, 10**7, 1, 0),
        (10, 4 * 10**6, 0, 0),
    ],
)
def test_how_many_images_there_are(seconds, n_photons, n_bands, n_times):
    grid = grid_for(seconds * 10**6, n_photons, 10_000)
    assert max(grid.band_edges_us.size - 1, 0) == n_bands
    assert max(grid.time_edges_us.size - 1, 0) == n_times
