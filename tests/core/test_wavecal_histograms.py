import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import make_observation

from pipeline_core import photon_reader
from pipeline_core.obsfile import ObsFile
from pipeline_core.wavecal.histograms import count_photons, histogram_file, make_histograms
from pipeline_core.wavecal.settings import Laser, WavecalSettings

EXPOSURE_US = 2_000_000


def dumb(times, phases, exposure_us, dt_us, bin_deg):
    """One photon after the other, as the cuts are described."""
    n_bin = int(np.ceil(230 / bin_deg - 1e-9))
    counts = [0] * n_bin
    after = negative = 0
    blind = 0.0
    for i, (time, phase) in enumerate(zip(times, phases, strict=True)):
        next_time = times[i + 1] if i + 1 < len(times) else exposure_us
        blind += min(int(next_time) - int(time), dt_us)
        if i and int(time) - int(times[i - 1]) <= dt_us:
            continue
        after += 1
        if phase < 0:
            negative += 1
            k = int(np.floor((float(phase) + 230) / bin_deg))
            if k >= 0:
                counts[k] += 1
    return counts, after, negative, blind


@given(
    st.lists(st.integers(0, 5000), max_size=40).map(sorted),
    st.sampled_from([0.0, 1.0, 100.0, 500.0]),
    st.sampled_from([0.5, 1.0, 2.0, 7.0]),
    st.integers(0, 2**32 - 1),
)
def test_the_cuts_are_those_of_a_plain_loop(times, dt_us, bin_deg, seed):
    rng = np.random.default_rng(seed)
    phases = rng.choice([-250.0, -230.0, -100.5, -1.0, -1e-3, 0.0, 3.0], len(times))
    arrays = np.array(times, np.uint32), phases.astype(np.float32)
    counts, after, negative, blind = count_photons(*arrays, 5000, dt_us, bin_deg)
    expected = dumb(*arrays, 5000, dt_us, bin_deg)
    assert (counts.tolist(), after, negative, blind) == expected


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two lasers and a background of a 4 x 3 array; some pixels are empty, gaps in the background."""
    rates = np.array([[0, 300, 2500], [40, 0, 0], [900, 100, 5], [0, 0, 600]], float)
    made = {}
    for name, factor, gap in (
        ("a", 1.0, range(0)),
        ("b", 0.6, range(0)),
        ("dark", 0.1, range(100, 900)),
    ):
        folder = tmp_path_factory.mktemp(name)
        made[name] = make_observation(
            folder, rates * factor, len(made), np.zeros((4, 3), np.uint8), gap
        )
    return {name: path for name, (path, _) in made.items()}


def photons_of(path):
    with ObsFile(path) as obs:
        return {(x, y): obs.photons((x, y)) for x in range(4) for y in range(3)}


@pytest.mark.parametrize("rows_a_chunk", [None, 7])
def test_a_file_in_chunks_is_counted_like_each_pixel_by_itself(files, rows_a_chunk, monkeypatch):
    if rows_a_chunk is None:
        found = histogram_file(files["a"], 500.0, 1.0)
    else:
        found = in_small_chunks(files["a"], rows_a_chunk, monkeypatch)
    for (x, y), photons in photons_of(files["a"]).items():
        p = 3 * x + y
        counts, after, negative, blind = dumb(
            photons["time"], photons["phase"], EXPOSURE_US, 500.0, 1.0
        )
        assert found.counts[p].tolist() == counts
        assert (found.n_raw[p], found.n_after_dt[p], found.n_negative[p]) == (
            photons.size,
            after,
            negative,
        )
        np.testing.assert_allclose(found.live_s[p], (EXPOSURE_US - blind) / 1e6, rtol=1e-12)
    assert found.n_after_dt.sum() < found.n_raw.sum()  # the cut does cut


def in_small_chunks(path, rows, monkeypatch):
    """Cut the file's rows anywhere, as if chunks had that many."""
    from pipeline_core.photon_file import PhotonFile
    from pipeline_core.wavecal import histograms

    monkeypatch.setattr(histograms, "CHUNK_ROWS", rows)
    for name in ("_add_chunk", "_add_pixel"):
        monkeypatch.setattr(histograms, name, getattr(histograms, name).py_func)
    monkeypatch.setattr(histograms, "gather", lambda planes, *_args: planes(*_args))
    with ObsFile(path) as obs:
        file = obs._file
        all_rows = [file.columns(divmod(int(p), 3)) for p in file.order]
    times = np.concatenate([t for t, _ in all_rows])
    bits = np.concatenate([p for _, p in all_rows]).view(np.uint32)
    stops = np.cumsum([t.size for t, _ in all_rows])

    def each_chunk(self, work, progress, stage):
        for k, first in enumerate(range(0, times.size, rows)):

            def planes(block, row_bytes, column, at, out, first=first):
                out[:] = (times if column == 1 else bits)[first + at : first + at + out.size]

            work(k % 2, histograms.ChunkOfRows(planes, rows, 20, first, stops))

    monkeypatch.setattr(PhotonFile, "each_chunk", each_chunk)
    return histogram_file(path, 500.0, 1.0)


def test_lines_backgrounds_and_their_scale(files):
    lasers = (Laser(1120.0, files["b"], files["dark"]), Laser(808.0, files["a"]))
    settings = WavecalSettings(lasers, max_rate_cps=1000.0)
    settings.check_inputs()
    reports = []
    found = make_histograms(settings, lambda *report: reports.append(report))
    line_a = histogram_file(files["a"], 500.0, 1.0)
    line_b = histogram_file(files["b"], 500.0, 1.0)
    dark = histogram_file(files["dark"], 500.0, 1.0)
    assert found.counts.shape == (12, 2, 230)
    np.testing.assert_array_equal(found.counts[:, 0], line_a.counts)  # 808 nm comes first
    np.testing.assert_array_equal(found.counts[:, 1], line_b.counts)
    np.testing.assert_array_equal(found.background[:, 1], dark.counts)
    assert not found.background[:, 0].any()
    assert not found.background_scale[:, 0].any()
    np.testing.assert_allclose(found.background_scale[:, 1], line_b.live_s / dark.live_s)
    assert 1.2 < np.median(found.background_scale[:, 1]) < 1.3  # 2 s against 1.6 s
    assert found.hot[:, 0].tolist() == [p == 2 for p in range(12)]
    assert {stage for _, _, stage in reports} == {
        "photons at 808 nm",
        "photons at 1120 nm",
        "background " + files["dark"].name,
    }
    with pytest.raises(ValueError, match="read-only"):
        found.counts[0, 0, 0] = 1


def test_the_number_of_threads_does_not_matter(files, monkeypatch):
    two = histogram_file(files["a"], 500.0, 1.0)
    monkeypatch.setattr(photon_reader, "SCAN_THREADS", 1)
    one = histogram_file(files["a"], 500.0, 1.0)
    np.testing.assert_array_equal(two.counts, one.counts)
    np.testing.assert_array_equal(two.live_s, one.live_s)
