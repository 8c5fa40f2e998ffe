import os
import subprocess
import sys

import numpy as np
import pytest
import tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from observations import START, YEAR_2020, make_observation
from rawdata import header, phase_degrees, photon, read_rows_plainly, write_words

from pipeline_core import ObsFile, schema
from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.errors import (
    CalibrationError,
    ConfigError,
    InputFormatError,
    OlderLayoutError,
    OperationCancelled,
    SchemaVersionError,
)
from pipeline_core.flags import PROBLEM_FLAGS

SHAPE = (7, 4)


@pytest.fixture(scope="module")
def observation(tmp_path_factory):
    rates = np.zeros(SHAPE)
    rates[:, :] = 50 + 40 * np.arange(7)[:, None] + 7 * np.arange(4)
    rates[2, 3] = 0
    rates[5, 1] = 40_000  # spans chunks
    codes = np.zeros(SHAPE, np.uint8)
    codes[0, 3] = 1
    codes[6, 0] = 2
    return make_observation(tmp_path_factory.mktemp("obs"), rates, codes=codes)


@pytest.fixture
def obs(observation):
    with ObsFile(observation[0]) as opened:
        yield opened


def test_facts(obs):
    assert obs.shape == SHAPE
    assert (obs.start_unix, obs.exposure_s) == (START, 2.0)
    assert obs.camera == "unknown"
    assert obs.beammap.code[0, 3] == 1
    assert obs.gaps_us.shape == (0, 2)
    assert not obs.is_wavelength_calibrated
    assert "7 x 4" in repr(obs)
    assert len(obs.sources) == 2


def test_photons_of_every_pixel_are_the_true_ones(obs, observation):
    for pixel, (times, phases) in observation[1].items():
        rows = obs.photons(pixel)
        np.testing.assert_array_equal(rows["time"], times)
        expected = np.sort([phase_degrees(int(p)) for p in phases])
        np.testing.assert_array_equal(np.sort(rows["phase"]), expected)
        assert np.isnan(rows["wavelength"]).all()
        assert (rows["weight"] == 1).all()


windows = st.tuples(st.integers(0, 2_000_000), st.integers(0, 2_000_000)).filter(
    lambda w: w[0] < w[1]
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(windows)
def test_windows_equal_a_count_by_hand(obs, observation, window):
    start, stop = window[0] / 1e6, window[1] / 1e6
    image = obs.count_image(start, stop)
    for (x, y), (times, _) in observation[1].items():
        inside = int(((times >= window[0]) & (times < window[1])).sum())
        assert image[x, y] == inside
    times = observation[1][4, 2][0]
    mine = obs.photons((4, 2), start, stop)["time"]
    np.testing.assert_array_equal(mine, times[(times >= window[0]) & (times < window[1])])


phases = st.tuples(st.floats(-160, 0), st.floats(-160, 0)).filter(lambda w: w[0] < w[1])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(windows, phases)
def test_phase_windows_equal_a_count_by_hand(obs, observation, window, phase):
    start, stop = window[0] / 1e6, window[1] / 1e6
    low, high = phase
    selection = {"min_phase": low, "max_phase": high}
    image = obs.count_image(start, stop, **selection)
    for pixel, (times, counts) in observation[1].items():
        # equal times may stand in any order here: look at each photon's own pair
        degrees = np.array([float(phase_degrees(int(c))) for c in counts[:500]])
        if times.size > 500:
            continue
        inside = (times >= window[0]) & (times < window[1]) & (degrees >= low) & (degrees < high)
        assert image[pixel] == inside.sum()
        assert obs.photons(pixel, start, stop, **selection).size == inside.sum()
        assert obs.spectrum(pixel, start, stop, **selection).counts.sum() == inside.sum()
        assert obs.light_curve(pixel, 0.5, start, stop, **selection).counts.sum() == inside.sum()
    big = obs.photons((5, 1), start, stop)["phase"].astype(float)
    assert image[5, 1] == ((big >= low) & (big < high)).sum()


def test_phase_limits_are_half_open(obs):
    phase = float(obs.photons((4, 2))["phase"][7])
    assert obs.photons((4, 2), min_phase=phase, max_phase=np.nextafter(phase, 0)).size == 1
    assert (
        obs.count_image(min_phase=phase)[4, 2]
        == 1 + obs.count_image(min_phase=np.nextafter(phase, 0))[4, 2]
    )
    above = obs.photons((4, 2), min_phase=phase).size
    assert obs.photons((4, 2), max_phase=phase).size == obs.photons((4, 2)).size - above
    assert obs.count_image(max_phase=phase)[4, 2] == obs.photons((4, 2)).size - above
    with pytest.raises(ConfigError, match="below its end"):
        obs.count_image(min_phase=-50, max_phase=-50)


def test_dead_time_is_that_of_all_photons(obs):
    every = obs.light_curve((5, 1), 0.5)
    some = obs.light_curve((5, 1), 0.5, min_phase=-60)
    np.testing.assert_array_equal(some.live_time_s, every.live_time_s)
    assert (some.counts < every.counts).all()


@pytest.mark.parametrize("chunks_a_step", [1, 2, 3])
def test_every_chunk_is_looked_at(observation, monkeypatch, chunks_a_step):
    from pipeline_core import photon_reader

    monkeypatch.setattr(photon_reader, "_CHUNKS_A_STEP", chunks_a_step)
    with ObsFile(observation[0]) as obs:
        image = obs.count_image(0.0, 1.999_999)
    for pixel, (times, _) in observation[1].items():
        assert image[pixel] == (times < 1_999_999).sum()


def test_foreign_compression_is_left_to_pytables(observation, tmp_path):
    def rewrite(h5):
        rows = h5.root.Photons.PhotonTable.read()
        h5.remove_node("/Photons/PhotonTable")
        filters = tables.Filters(complevel=1, complib="zlib")
        h5.create_table("/Photons", "PhotonTable", obj=rows, filters=filters, chunkshape=65536)

    with (
        ObsFile(observation[0]) as ours,
        ObsFile(damaged_copy(observation[0], tmp_path, rewrite)) as theirs,
    ):
        np.testing.assert_array_equal(theirs.count_image(0.1, 1.5), ours.count_image(0.1, 1.5))
        np.testing.assert_array_equal(
            theirs.photons((5, 1))["phase"], ours.photons((5, 1))["phase"]
        )


def test_a_file_that_is_replaced_while_open_stays_itself(observation, tmp_path):
    path = tmp_path / "o.h5"
    path.write_bytes(observation[0].read_bytes())
    with ObsFile(path) as obs:
        other = tmp_path / "other"
        other.write_bytes(b"something else")
        other.replace(path)
        assert obs.photons((1, 1)).size == observation[1][1, 1][0].size
        assert obs.count_image(0.0, 1.0).sum() > 0


def test_pickled_objects_in_arrays_are_refused(observation, tmp_path):
    class Malice:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    for name in (schema.INDEX_START, schema.GAPS):

        def plant(h5, name=name):
            group, leaf = name.rsplit("/", 1)
            h5.remove_node(name)
            h5.create_vlarray(group, leaf, tables.ObjectAtom()).append(Malice())

        path = damaged_copy(observation[0], tmp_path, plant)
        with pytest.raises(InputFormatError, match="is not a plain array"), ObsFile(path) as obs:
            _ = obs.gaps_us
    assert not (tmp_path / "executed").exists()


def test_windows_are_half_open(tmp_path):
    words = [header(1, 0, (START - YEAR_2020) * 2000), photon(1, 0, 100), photon(1, 0, 200)]
    write_words(tmp_path / f"{START}.bin", words)
    out = tmp_path / "o.h5"
    convert(ConvertSettings(tmp_path, START, 1, Beammap.design((2, 1)), out))
    with ObsFile(out) as obs:
        assert obs.photons((1, 0), 100e-6, 200e-6)["time"].tolist() == [100]
        assert obs.count_image(100e-6, 200e-6)[1, 0] == 1
        assert obs.count_image(101e-6, 201e-6)[1, 0] == 1


def test_whole_image_and_flags(obs, observation):
    image = obs.count_image()
    assert image.dtype == np.int64
    assert image.sum() == obs.n_photons
    assert image[5, 1] == observation[1][5, 1][0].size > 65536
    without = obs.count_image(exclude=PROBLEM_FLAGS)
    assert image[0, 3] > 0
    assert without[0, 3] == 0  # noDacTone
    assert without[6, 0] == image[6, 0] > 0  # failed is no problem flag


def test_several_pixels(obs, observation):
    rows = obs.photons([(1, 2), (2, 3), (6, 0)])
    assert set(zip(rows["x"].tolist(), rows["y"].tolist(), strict=True)) == {(1, 2), (6, 0)}
    assert rows.size == observation[1][1, 2][0].size + observation[1][6, 0][0].size
    assert obs.photons([]).size == 0
    same = obs.photons(np.array([[1, 2], [6, 0]]))
    np.testing.assert_array_equal(same["time"], rows["time"])
    assert obs.photons(np.array([1, 2])).size == observation[1][1, 2][0].size
    assert obs.photons([(1, 2), (1, 2)]).size == 2 * obs.photons((1, 2)).size


def test_light_curve_equals_numpy(obs, observation):
    times = observation[1][3, 1][0]
    curve = obs.light_curve((3, 1), 0.03, 0.1, 1.25)
    edges = np.append(100_000 + 30_000 * np.arange(39), 1_250_000)
    np.testing.assert_allclose(curve.edges_s, edges / 1e6)
    np.testing.assert_array_equal(curve.counts, np.histogram(times, edges - 0.5)[0])
    # each photon blinds its pixel for 10 us
    apart = np.diff(times, append=10**9) >= 10
    if apart.all():
        expected = np.diff(edges) / 1e6 - 1e-5 * curve.counts
        np.testing.assert_allclose(curve.live_time_s, expected, atol=2e-5)
    assert np.nanmean(curve.rate_cps) == pytest.approx(times.size / 2, rel=0.2)
    np.testing.assert_allclose(curve.rate_error_cps, np.sqrt(curve.counts) / curve.live_time_s)


def test_intensity_histogram_counts_every_full_bin(obs, observation):
    times = observation[1][6, 3][0]
    histogram = obs.intensity_histogram((6, 3), 0.015, 0.0, 2.0)
    counts = np.bincount(times // 15_000, minlength=134)[
        :133
    ]  # 133 full bins, a short one is left out
    assert histogram.n_bins == 133
    np.testing.assert_array_equal(histogram.occurrences, np.bincount(counts))
    assert histogram.mean == pytest.approx(counts.mean())
    assert histogram.variance == pytest.approx(counts.var(ddof=1))
    assert histogram.frequency.sum() == pytest.approx(1)
    from scipy.stats import poisson

    k = np.arange(histogram.occurrences.size)
    np.testing.assert_allclose(histogram.poisson, poisson.pmf(k, counts.mean()), rtol=1e-10)


def test_poisson_does_not_overflow(obs):
    histogram = obs.intensity_histogram((5, 1), 0.01)
    assert histogram.mean > 300
    assert np.isfinite(histogram.poisson).all()
    assert histogram.poisson.sum() == pytest.approx(1, abs=0.05)


def test_phase_histogram(obs, observation):
    phases = obs.photons((4, 0), 0.5, 1.5)["phase"].astype(float)
    spectrum = obs.spectrum((4, 0), 0.5, 1.5, bin_deg=2.0)
    assert (spectrum.quantity, spectrum.unit, spectrum.is_calibrated) == ("phase", "deg", False)
    assert spectrum.edges[0] == 2 * np.floor(phases.min() / 2)
    np.testing.assert_array_equal(
        spectrum.counts, [((phases >= a) & (phases < a + 2)).sum() for a in spectrum.edges[:-1]]
    )
    assert spectrum.counts.sum() == phases.size
    np.testing.assert_allclose(spectrum.errors, np.sqrt(spectrum.counts))


def test_pixel_without_photons(obs):
    assert obs.photons((2, 3)).size == 0
    assert obs.light_curve((2, 3)).counts.sum() == 0
    assert obs.spectrum((2, 3)).counts.sum() == 0
    assert obs.intensity_histogram((2, 3)).occurrences.tolist() == [200]
    assert obs.intensity_histogram((2, 3)).poisson.tolist() == [1.0]


def test_live_time(obs, observation):
    times = observation[1][1, 1][0]
    expected = 2 - 1e-6 * sum(min(10, gap) for gap in np.diff(times, append=2_000_000))
    assert obs.live_time((1, 1)) == pytest.approx(expected, abs=1e-9)
    assert obs.live_time((1, 1), dead_time=False) == 2.0
    image = obs.live_time()
    assert image.shape == SHAPE
    np.testing.assert_allclose(image, 2 - 1e-5 * obs.count_image())
    assert (obs.live_time(start=0.5, stop=0.75, dead_time=False) == 0.25).all()


def test_reads_do_not_alias(obs):
    rows = obs.photons((3, 3))
    rows["phase"] = 0
    assert (obs.photons((3, 3))["phase"] != 0).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda o: o.photons((7, 0)),
        lambda o: o.photons((0, -1)),
        lambda o: o.photons((0.9, 0)),
        lambda o: o.count_image(1.0, 1.0),
        lambda o: o.count_image(0.0, 2.1),
        lambda o: o.count_image(-0.1, 1.0),
        lambda o: o.count_image(float("nan"), 1.0),
        lambda o: o.light_curve((0, 0), 0),
        lambda o: o.light_curve((0, 0), float("inf")),
        lambda o: o.spectrum((0, 0), bin_deg=0),
        lambda o: o.annotate("in a file open for reading"),
    ],
)
def test_impossible_requests(obs, call):
    with pytest.raises(ConfigError):
        call(obs)


def test_wavelengths_need_a_calibration(obs):
    with pytest.raises(CalibrationError, match="no wavelength calibration"):
        obs.photons((0, 0), min_wavelength=700)


def test_counting_can_be_cancelled(obs):
    def stop(done, total, stage=""):
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        obs.count_image(0.1, 0.2, progress=stop)
    assert obs.count_image(0.1, 0.2).sum() > 0


def test_opened_twice_and_closed_twice(observation):
    first, second = ObsFile(observation[0]), ObsFile(observation[0])
    assert first.count_image(0, 1).sum() == second.count_image(0, 1).sum()
    first.close()
    first.close()
    assert second.photons((1, 1)).size
    second.close()
    with pytest.raises(ConfigError, match="closed"):
        second.count_image(0, 1)


def damaged_copy(source, folder, change):
    path = folder / "damaged.h5"
    path.write_bytes(source.read_bytes())
    path.chmod(0o644)
    with tables.open_file(str(path), "a") as h5:
        change(h5)
    return path


def test_damage_is_told(observation, tmp_path):
    source = observation[0]

    def remove(name):
        return damaged_copy(source, tmp_path, lambda h5: h5.remove_node(name, recursive=True))

    for name in (schema.INDEX_START, schema.BEAMMAP_MAP, schema.PHOTON_TABLE):
        with pytest.raises(InputFormatError, match=f"has no {name}"):
            ObsFile(remove(name))

    def newer(h5):
        h5.root._v_attrs.version = 99

    with pytest.raises(SchemaVersionError, match="version 99"):
        ObsFile(damaged_copy(source, tmp_path, newer))

    def shifted(h5):
        h5.root.Photons.PixelIndex.stop[3, 2] += 1

    with pytest.raises(InputFormatError, match="pixel index does not fit"):
        ObsFile(damaged_copy(source, tmp_path, shifted))


def test_a_broken_chunk_is_named_and_other_pixels_still_read(observation, tmp_path):
    path = tmp_path / "broken.h5"
    data = bytearray(observation[0].read_bytes())
    with ObsFile(observation[0]) as obs:
        offset, size = obs._file._photon_reader().chunks.place(0)
        first_pixel = tuple(np.argwhere(obs._file._start_row == 0)[0])
        last_pixel = tuple(np.argwhere(obs._file._stop_row == obs.n_photons)[0])
    data[offset + 20 : offset + 24] = b"\xff\xff\xff\x00"  # length of the compressed stream
    path.write_bytes(data)
    with ObsFile(path) as obs:
        with pytest.raises(InputFormatError, match="photons 0 to 65535 cannot be decoded"):
            obs.photons(first_pixel)
        with pytest.raises(InputFormatError, match="is damaged"):
            obs.count_image(0.1, 0.2)
        assert obs.photons(last_pixel).size
        assert size > 0


def test_cut_off_and_foreign_files(observation, tmp_path):
    data = observation[0].read_bytes()
    for size in (0, 100, len(data) // 2, len(data) - 1000):
        path = tmp_path / "cut.h5"
        path.write_bytes(data[:size])
        with pytest.raises(InputFormatError, match="cut"):
            ObsFile(path)
    with tables.open_file(str(tmp_path / "other.h5"), "w"):
        pass
    with pytest.raises(InputFormatError, match="holds no photons"):
        ObsFile(tmp_path / "other.h5")
    with pytest.raises(InputFormatError, match="cannot be read"):
        ObsFile(tmp_path / "none.h5")
    with pytest.raises(InputFormatError, match="is a folder"):
        ObsFile(tmp_path)
    with pytest.raises(ConfigError, match="mode"):
        ObsFile(observation[0], "x")


def test_older_layouts_are_told_apart(shared_data):
    for name in ("layout_v3c_1602050400.h5", "predecessor_v5_1602050400.h5"):
        with pytest.raises(OlderLayoutError, match="older program"):
            ObsFile(shared_data / name)


def test_a_pickle_in_an_attribute_is_never_executed(observation, tmp_path):
    class Malice:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    def plant(h5):
        h5.root._v_attrs.camera = Malice()
        h5.root.mkid._v_attrs.settings = Malice()

    # PyTables pickles what is no plain value, and would unpickle it when it is looked at
    path = damaged_copy(observation[0], tmp_path, plant)
    assert not (tmp_path / "executed").exists()
    with ObsFile(path) as obs:
        assert obs.photons((1, 1)).size
    assert not (tmp_path / "executed").exists()
    with tables.open_file(str(path)):  # the file was malicious indeed
        pass
    assert (tmp_path / "executed").exists()


LOADING = """
import sys
from numba.core.registry import CPUDispatcher
from pipeline_core import ObsFile, binning, exposure, photon_kernels, photon_reader
photon_reader.load_kernels()
homes = (binning, exposure, photon_kernels, photon_reader)
kernels = {v for home in homes for v in vars(home).values() if isinstance(v, CPUDispatcher)}
kernels = sorted(kernels, key=lambda k: k.py_func.__name__)
before = [len(kernel.signatures) for kernel in kernels]
with ObsFile(sys.argv[1]) as obs:
    obs.photons((1, 1))
    obs.count_image(0.1, 0.2)
    obs.count_image(0.1, 0.2, min_phase=-80.0)
    obs.light_curve([(1, 1), (5, 1)], 0.01, 0.1, 0.2, min_phase=-80.0)
    obs.intensity_histogram((1, 1))
    obs.spectrum([(1, 1), (5, 1)])
    obs.survey()
    obs.count_image(0.1, 0.2)
print(len(kernels))
for kernel, number in zip(kernels, before):
    if len(kernel.signatures) != number:
        print(kernel.py_func.__name__, kernel.signatures)
"""


def test_loading_the_kernels_is_not_in_vain(observation):
    """It must call them with the very types that reading does; in a process that has not read yet."""
    command = [sys.executable, "-c", LOADING, str(observation[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    number, *compiled_later = done.stdout.splitlines()
    assert int(number) >= 10
    assert compiled_later == []


def test_plain_pytables_and_ours_agree(observation):
    rows, start, stop = read_rows_plainly(observation[0])
    with ObsFile(observation[0]) as obs:
        for x in range(SHAPE[0]):
            for y in range(SHAPE[1]):
                mine = obs.photons((x, y))
                theirs = rows[start[x, y] : stop[x, y]]
                np.testing.assert_array_equal(mine["time"], theirs["Time"])
                np.testing.assert_array_equal(mine["phase"], theirs["Wavelength"])


def test_nothing_ever_changes_the_photon_file(observation):
    before = observation[0].read_bytes()
    with ObsFile(observation[0], mode="write") as obs:
        obs.annotate("clouds").undo()
        obs.count_image(0.5, 1)
        obs.live_time()
    assert observation[0].read_bytes() == before
    obs.sidecar.unlink()
