"""Bursts of the whole array: kernels against loops, planted bursts, files, tables of older tools."""

import dataclasses

import burst_streams
import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from observations import START, YEAR_2020
from rawdata import header, photon, write_words

from pipeline_core import ObsFile
from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.errors import CalibrationError, ConfigError, InputFormatError
from pipeline_core.masks import TIME_KINDS
from pipeline_core.timemask import compute
from pipeline_core.timemask._kernels import count_bins, window_sums
from pipeline_core.timemask.compute import Burst, bursts_of, find_bursts
from pipeline_core.timemask.settings import BurstSettings
from pipeline_core.timemask.solution import MaskedTimes, load_time_mask

SHAPE = (20, 15)
BURSTS_US = (123_456, 700_003, 1_500_000)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Two seconds of 300 pixels at 40 counts/s; three bursts of 80 pixels in 15 us (a packet holds 100 photons)."""
    folder = tmp_path_factory.mktemp("night")
    rng = np.random.default_rng(2)
    rows = []
    for x in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            rows += [(t, x, y) for t in rng.integers(0, 2_000_000, rng.poisson(80))]
    for begin in BURSTS_US:
        for p in rng.permutation(300)[:80]:
            rows.append((begin + int(rng.integers(0, 15)), *divmod(int(p), SHAPE[1])))
    for k in range(2):
        words = [(t, photon(x, y, t % 500)) for t, x, y in rows if t // 1_000_000 == k]
        ticks = range(2000 * k, 2000 * (k + 1))
        words += [(i * 500 - 0.5, header(9, i, (START - YEAR_2020) * 2000 + i)) for i in ticks]
        words.sort(key=lambda row: row[0])
        write_words(folder / f"{START + k}.bin", [word for _, word in words])
    out = folder / f"{START}.h5"
    convert(ConvertSettings(folder, START, 2, Beammap.design(SHAPE, 1), out))
    return out


@pytest.fixture
def fresh(path):
    path.with_suffix(".cal.h5").unlink(missing_ok=True)
    return path


@given(
    st.lists(st.integers(0, 300), max_size=40),
    st.integers(0, 100),
    st.integers(1, 20),
    st.integers(1, 30),
    st.integers(1, 5),
)
def test_kernels_count_as_loops_do(times, start, bin_us, size, bins):
    counts = np.zeros(size, np.uint16)
    count_bins(np.array(times, np.uint32), start, bin_us, counts)
    expected = [
        sum(start + k * bin_us <= t < start + (k + 1) * bin_us for t in times) for k in range(size)
    ]
    assert counts.tolist() == expected
    sums = np.empty(size, np.int32)
    window_sums(counts, bins, sums)
    assert sums.tolist() == [sum(expected[k : k + bins]) for k in range(size)]


def test_full_bins_stay_full():
    counts = np.full(1, 65_534, np.uint16)
    count_bins(np.zeros(5, np.uint32), 0, 10, counts)
    assert counts[0] == 65_535


def check_bursts(found):
    assert len(found.reasons) == 3
    for begin, (start, stop) in zip(BURSTS_US, found.intervals_us.tolist(), strict=True):
        assert begin - 70 <= start <= begin - 50
        assert begin + 15 + 80 <= stop <= begin + 15 + 140
    assert (found.codes == TIME_KINDS["cosmic"]).all()
    assert found.reasons[0] == "Burst: 72 photons in 20 us, where 0.255 were expected."


def test_bursts_whose_masked_times_touch_are_one():
    bursts = [
        Burst(501, 600, 7, 1.0),
        Burst(100, 400, 10, 1.0),
        Burst(150, 300, 20, 2.0),
        Burst(400, 500, 5, 1.0),
    ]
    assert compute._joined(bursts, 550) == [Burst(100, 500, 20, 2.0), Burst(501, 550, 7, 1.0)]


def test_a_rate_that_rises_from_one_stretch_to_the_next_is_no_burst():
    counts = np.repeat([0, 6], 10_000).astype(np.uint16)  # stretches of 0.1 s in bins of 10 us
    assert bursts_of(counts, BurstSettings()) == []
    counts[15_000] = 60
    assert len(bursts_of(counts, BurstSettings())) == 1


@pytest.mark.parametrize("surveyed", [False, True])
def test_planted_bursts_are_found_and_masked(fresh, surveyed):
    with ObsFile(fresh, mode="write") as obs:
        if surveyed:
            obs.survey()
        found = find_bursts(obs)
        check_bursts(found)
        before = obs.count_image().sum(), obs.open_time()
        obs.apply_timemask(found)
        assert before[0] - obs.count_image().sum() >= 3 * 80
        assert before[1] - obs.open_time() == pytest.approx(found.masked_s)
        assert (
            find_bursts(obs).solution_id == found.solution_id
        )  # masked times are looked at as well


def test_long_observations_are_looked_through_in_parts(fresh, monkeypatch):
    whole = find_bursts(fresh)
    monkeypatch.setattr(compute, "_COUNTS_BYTES", 60_000)  # 0.3 s
    parts = find_bursts(fresh, BurstSettings(mean_s=0.1))
    np.testing.assert_array_equal(parts.intervals_us, whole.intervals_us)


def test_no_false_alarms_and_no_strong_burst_missed():
    for rate, seed in ((2e4, 1), (5e5, 2), (3e6, 3)):
        truth = burst_streams.observe(burst_streams.Stream(rate, seed, seconds=30.0))
        gaps = burst_streams.gaps_us(truth.stream)
        bursts = bursts_of(truth.counts, BurstSettings(), gaps_us=gaps)
        intervals = np.array([(b.start_us, b.stop_us) for b in bursts])
        result = burst_streams.compare(truth, intervals)
        assert result["false"] == 0
        strong = truth.photons > 20 + 14 * np.sqrt(rate * 2e-5)
        assert result["found"][strong].all()
        assert result["masked"][strong].mean() > 0.99
        assert strong.sum() > 10
        assert np.diff(intervals, axis=1).max() < 1500


def test_a_gap_makes_neither_bursts_nor_endless_ones():
    rng = np.random.default_rng(1)
    counts = rng.poisson(30.0, 200_000).astype(np.uint16)
    counts[55_000:123_456] = 0  # 0.55 to 1.23456 s
    gaps = np.array([[550_000, 1_234_560]])
    assert bursts_of(counts, BurstSettings(), gaps_us=gaps) == []


def test_how_often_chance_makes_a_burst():
    """Of independent photons, ten false alarms a stream are asked for, and come."""
    rng = np.random.default_rng(9)
    found = 0
    for _ in range(4):
        counts = rng.poisson(2.0, 1_000_000).astype(np.uint16)
        found += len(bursts_of(counts, BurstSettings(false_alarms=10.0)))
    assert 5 <= found <= 45  # the limit is a whole number: at most ten each


def test_masks_are_kept_and_belong_to_their_observation(fresh, tmp_path):
    found = find_bursts(fresh)
    saved = found.with_interval((5, 900), "door opened").save(tmp_path / "t.h5")
    again = load_time_mask(saved)
    assert again.reasons[-1] == "By hand: door opened"
    assert again.codes[-1] == TIME_KINDS["by hand"]
    assert again.solution_id != found.solution_id
    less = again.without_interval(3)
    np.testing.assert_array_equal(less.intervals_us, found.intervals_us)
    with tables.open_file(str(saved)) as h5:
        rows = h5.root.TimeMask.read()
        assert h5.root.TimeMask.colnames == ["reason", "tBegin", "tEnd"]
    np.testing.assert_array_equal(rows["tBegin"], again.intervals_us[:, 0])
    np.testing.assert_array_equal(rows["reason"], [12, 12, 12, 100])
    stranger = dataclasses.replace(again, file_id="other")
    with ObsFile(fresh, mode="write") as obs:
        with pytest.raises(CalibrationError, match="its clock tells nothing"):
            obs.apply_timemask(stranger)
        late = found.with_interval((0, 2_000_001), "too long")
        with pytest.raises(CalibrationError, match="ends at 2 s"):
            obs.apply_timemask(late)
        assert obs.history == ()


def test_an_empty_mask_is_a_mask(fresh, tmp_path):
    nothing = find_bursts(fresh, BurstSettings(least_photons=1000))
    assert nothing.intervals_us.shape == (0, 2)
    again = load_time_mask(nothing.save(tmp_path / "none.h5"))
    with ObsFile(fresh, mode="write") as obs:
        obs.apply_timemask(again)
        assert obs.masked_us.shape == (0, 2)
    with ObsFile(fresh) as obs:
        assert len(obs.time_masks) == 1


class _Row(tables.IsDescription):
    """As the tools before wrote them."""

    tBegin = tables.UInt32Col()  # noqa: N815
    tEnd = tables.UInt32Col()  # noqa: N815
    reason = tables.EnumCol(
        tables.Enum({"unknown": 0, "cosmic": 12, "poofing": 13}), "unknown", base="uint8"
    )


def test_tables_of_older_tools_open(fresh, tmp_path):
    old = tmp_path / "old.h5"
    with tables.open_file(str(old), "w") as h5:
        table = h5.create_table("/", "TimeMask", _Row)
        table.append([(12, 100, 300), (12, 500, 500), (13, 1000, 1500)])
    found = load_time_mask(old)
    assert found.intervals_us.tolist() == [[100, 300], [1000, 1500]]
    assert found.reasons == ("Cosmic ray.", "Poofing.")
    with ObsFile(fresh, mode="write") as obs:
        obs.apply_timemask(old)
        assert obs.masked_us.tolist() == [[100, 300], [1000, 1500]]
    with tables.open_file(str(old), "a") as h5:
        h5.create_table("/timeMasks", "x0y1", _Row, createparents=True)
    with pytest.raises(InputFormatError, match="several time masks"):
        load_time_mask(old)
    with pytest.raises(InputFormatError, match="no time mask"):
        load_time_mask(fresh)


@pytest.mark.parametrize(
    "values",
    [
        {"bin_us": 0},
        {"bins": 1.5},
        {"false_alarms": 0},
        {"mean_s": "long"},
        {"least_photons": True},
    ],
)
def test_impossible_settings_are_named(values):
    (name,) = values
    with pytest.raises(ConfigError, match=name):
        BurstSettings(**values)


def test_intervals_must_be_intervals():
    with pytest.raises(ConfigError, match="interval"):
        MaskedTimes(np.array([[5, 5]]), np.zeros(1), ("x",))
