import dataclasses
import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
import tables
from hypothesis import given, settings
from hypothesis import strategies as st
from rawdata import FAKE, dumb_read, header, phase_degrees, photon, read_rows_plainly, write_words

from pipeline_core import binfile
from pipeline_core import convert as convert_module
from pipeline_core.beammap import NO_RES_ID, Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.errors import ConfigError, InputFormatError, OperationCancelled, OutputError
from pipeline_core.flags import PixelFlag
from pipeline_core.obsfile import ObsFile
from pipeline_core.packing import pack
from pipeline_core.rawwords import BASELINE_DEG_PER_COUNT, PHASE_DEG_PER_COUNT

YEAR_2020 = 1577836800
START = 1602050400  # 2020-10-07 06:00:00 UTC
SHAPE = (5, 3)


def ticks_of(second, year_start=YEAR_2020):
    return (second - year_start) * 2000


def settings_for(folder, out=None, **changes):
    settings = ConvertSettings(
        bin_dir=folder,
        start=START,
        duration=1,
        beammap=Beammap.design(SHAPE, feedlines=1),
        out=out or folder / "out.h5",
    )
    return dataclasses.replace(settings, **changes)


def photons_of(path, pixel):
    with ObsFile(path) as obs:
        return obs.photons(pixel)


@st.composite
def raw_words(draw):
    """Words of three neighbouring files: any packets, times around the window, strange coordinates."""
    files = []
    for second in (START - 1, START, START + 1):
        words = (draw(st.lists(st.integers(0, 3), max_size=3)) and [photon(1, 1, 5)]) or []
        for _ in range(draw(st.integers(0, 6))):
            board = draw(st.sampled_from([112, 120]))
            offset = draw(st.integers(-3, 2003))
            words.append(header(board, draw(st.integers(0, 4095)), ticks_of(second) + offset))
            for _ in range(draw(st.integers(0, 8))):
                kind = draw(st.integers(0, 9))
                x = draw(st.integers(0, 4)) if kind < 9 else draw(st.integers(0, 1019))
                y = draw(st.integers(0, 2)) if kind < 9 else draw(st.integers(0, 1023))
                time = draw(st.integers(0, 511))
                phase = draw(st.integers(-(2**17), 2**17 - 1))
                level = draw(st.integers(-(2**16), 2**16 - 1))
                words.append(photon(x, y, time, phase, level))
            if draw(st.booleans()):
                words.append(FAKE)
        files.append((second, words))
    return files


@settings(max_examples=120, deadline=None)
@given(raw_words(), st.integers(5, 200), st.sampled_from([1, 7, 64]))
def test_equals_a_reader_that_goes_bit_by_bit(tmp_path_factory, files, slab_words, batch):
    folder = tmp_path_factory.mktemp("raw")
    paths = [write_words(folder / f"{second}.bin", words) for second, words in files]
    expected = dumb_read(paths, START, 1, SHAPE, YEAR_2020)
    inside = [second for second, _ in files if second == START]
    in_window = any(
        0 <= (w & (2**36 - 1)) - ticks_of(START) < 2000
        for _, words in files
        for w in words
        if w >> 56 == 0xFF
    )
    out = folder / "out.h5"
    patch = pytest.MonkeyPatch()
    patch.setattr(convert_module, "BATCH_PHOTONS", batch)
    patch.setattr(
        convert_module, "stream_slabs", lambda f, s: binfile.stream_slabs(f, s, slab_words)
    )
    try:
        summary = convert(settings_for(folder, out))
    except InputFormatError:
        assert not inside or not in_window
        return
    finally:
        patch.undo()
    assert summary.n_photons == sum(map(len, expected.kept.values()))
    assert {k: v for k, v in summary.dropped.items() if v} == expected.dropped
    rows, start, stop = read_rows_plainly(out)
    for x in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            mine = rows[start[x, y] : stop[x, y]]
            # equal times keep arrival order: sort is stable
            theirs = sorted(expected.kept.get((x, y), []), key=lambda row: row[0])
            assert mine["Time"].tolist() == [t for t, _, _ in theirs]
            assert mine["Wavelength"].tolist() == [phase_degrees(p) for _, p, _ in theirs]
    assert (rows["SpecWeight"] == 1).all()
    assert (rows["NoiseWeight"] == 1).all()
    assert (np.diff(rows["ResID"].astype(np.int64)) >= 0).all()


@pytest.mark.parametrize("memory", [10_000, 40_000])  # for none, and for some of them
def test_runs_that_do_not_fit_in_memory_give_the_same_file(tmp_path, monkeypatch, memory):
    rng = np.random.default_rng(5)
    words = []
    for frame in range(400):
        words.append(header(112, frame, ticks_of(START) + 2 * frame))
        for time in np.sort(rng.integers(0, 500, 20)):
            level = rng.integers(-9999, 9999)
            word = photon(rng.integers(5), rng.integers(3), time, rng.integers(-9999, 0), level)
            words.append(word)
    write_words(tmp_path / f"{START}.bin", words)
    for mode in ("ignore", "keep"):
        monkeypatch.undo()
        convert(settings_for(tmp_path, tmp_path / f"a-{mode}.h5", baseline=mode))
        monkeypatch.setattr(convert_module, "RUN_MEMORY_BYTES", memory)
        monkeypatch.setattr(convert_module, "BATCH_PHOTONS", 500)
        monkeypatch.setattr("pipeline_core.photonruns._SPILLED_BATCH_PHOTONS", (500, 700))
        monkeypatch.setattr(
            convert_module, "stream_slabs", lambda f, s: binfile.stream_slabs(f, s, 500)
        )
        convert(settings_for(tmp_path, tmp_path / f"b-{mode}.h5", baseline=mode))
        whole, parts = (read_rows_plainly(tmp_path / f"{k}-{mode}.h5") for k in "ab")
        assert whole[0].size == 8000
        for one, other in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not list(tmp_path.glob("*.part"))


def test_last_packet_and_packets_in_neighbouring_files_are_kept(tmp_path):
    t = ticks_of(START)
    write_words(tmp_path / f"{START - 1}.bin", [header(1, 0, t), photon(0, 0, 10)])
    write_words(tmp_path / f"{START}.bin", [header(1, 1, t + 4), photon(1, 0, 20)])
    write_words(
        tmp_path / f"{START + 1}.bin",
        [header(1, 2, t + 1999), photon(2, 1, 499), photon(2, 1, 500), photon(2, 1, 511)],
    )
    summary = convert(settings_for(tmp_path))
    assert summary.n_photons == 3
    assert summary.dropped["outside_window"] == 2  # 500 and 511 us after the last tick: next second
    assert photons_of(summary.path, (0, 0))["time"].tolist() == [10]
    assert photons_of(summary.path, (1, 0))["time"].tolist() == [2020]
    assert photons_of(summary.path, (2, 1))["time"].tolist() == [999_999]


def test_packet_cut_by_the_rotation_of_files(tmp_path):
    t = ticks_of(START)
    write_words(tmp_path / f"{START - 1}.bin", [header(1, 0, t), photon(0, 0, 10)])
    write_words(tmp_path / f"{START}.bin", [photon(0, 0, 30), header(1, 1, t + 2), photon(0, 0, 7)])
    # the second after next: its first words belong to a packet that nobody has
    write_words(
        tmp_path / f"{START + 2}.bin", [photon(0, 0, 40), header(1, 2, t + 4), photon(0, 0, 8)]
    )
    summary = convert(settings_for(tmp_path, duration=3))
    assert photons_of(summary.path, (0, 0))["time"].tolist() == [10, 30, 1007, 2008]
    assert summary.dropped["without_header"] == 1
    assert summary.missing_seconds == (START + 1,)


@pytest.mark.parametrize("wraps", [0, 1, 23])
def test_counter_that_started_again(tmp_path, wraps):
    # header seconds count modulo 2**20; START is 23.09 times that after New Year
    wrapped = ticks_of(START) - 23 * 2000 * 2**20 + (23 - wraps) * 2000 * 2**20
    write_words(tmp_path / f"{START}.bin", [header(1, 0, wrapped + 3), photon(4, 2, 1)])
    summary = convert(settings_for(tmp_path))
    assert photons_of(summary.path, (4, 2))["time"].tolist() == [1501]


NEW_YEAR = 1609459200  # 2021-01-01 00:00:00 UTC
MIDNIGHT = 1602028800  # 2020-10-07 00:00:00 UTC


@pytest.mark.parametrize("epoch_after", [YEAR_2020, NEW_YEAR])
def test_new_year_in_the_middle(tmp_path, epoch_after):
    """The clock may go on counting from last January, or begin anew: both are dated right."""
    before = ticks_of(NEW_YEAR - 1)
    write_words(
        tmp_path / f"{NEW_YEAR - 1}.bin",
        [
            header(1, 0, before),
            photon(0, 0, 1),
            header(2, 0, ticks_of(NEW_YEAR, epoch_after) + 1),  # an early packet
            photon(0, 0, 2),
        ],
    )
    after = ticks_of(NEW_YEAR, epoch_after)
    write_words(
        tmp_path / f"{NEW_YEAR}.bin",
        [header(1, 1, before + 1999), photon(0, 0, 3), header(1, 2, after + 10), photon(0, 0, 4)],
    )
    summary = convert(settings_for(tmp_path, start=NEW_YEAR - 1, duration=2))
    assert photons_of(summary.path, (0, 0))["time"].tolist() == [1, 999_503, 1_000_502, 1_005_004]


def test_midnight(tmp_path):
    t = ticks_of(MIDNIGHT)
    for k in (-1, 0):
        words = [header(1, k % 4096, t + 2000 * k), photon(0, 0, 1)]
        write_words(tmp_path / f"{MIDNIGHT + k}.bin", words)
    summary = convert(settings_for(tmp_path, start=MIDNIGHT - 1, duration=2))
    assert photons_of(summary.path, (0, 0))["time"].tolist() == [1, 1_000_001]


def test_lost_packets_are_counted_per_board(tmp_path):
    t = ticks_of(START)
    frames = {
        112: [4094, 4095, 0, 1, 5],  # wraps without loss, then 2, 3, 4 are missing
        120: [10, 13, 12, 14],  # 11 is missing; 12 came late
        121: [7],
    }
    words = []
    for board, numbers in frames.items():
        for frame in numbers:  # one packet a tick, as long as all is well
            tick = (frame - numbers[0]) % 4096
            words += [header(board, frame, t + tick), photon(0, 0, 5), FAKE]
    write_words(tmp_path / f"{START}.bin", words)
    summary = convert(settings_for(tmp_path))
    assert summary.lost_packets == {112: 3, 120: 1, 121: 0}
    assert summary.packets == {112: 5, 120: 4, 121: 1}
    with ObsFile(summary.path) as obs:
        assert obs.lost_packets == {112: 3, 120: 1, 121: 0}
        assert obs.sources[0].packets == 10


@pytest.mark.parametrize("loss", [1, 2000, 2047, 2048, 2100, 3000, 4000, 4095, 4096, 9000])
def test_a_long_loss_hides_no_other_one(tmp_path, loss):
    t = ticks_of(START)
    numbers = [0, 1, 502, 503, 504 + loss, 505 + loss, 507 + loss]  # 500 lost, then many, then one
    words = [w for k in numbers for w in (header(7, k, t + k), photon(0, 0, 5))]
    write_words(tmp_path / f"{START}.bin", words)
    summary = convert(settings_for(tmp_path, duration=6))
    assert summary.lost_packets == {7: 500 + loss + 1}


def test_seconds_without_a_file_are_not_lost_packets(tmp_path):
    for second, frame in ((START, 100), (START + 3, 2000), (START + 4, 4000)):
        words = [header(7, frame, ticks_of(second)), photon(0, 0, 5)]
        write_words(tmp_path / f"{second}.bin", words)
    summary = convert(settings_for(tmp_path, duration=5))
    assert summary.lost_packets == {7: 1999}  # between the last two
    assert summary.missing_seconds == (START + 1, START + 2)


def test_photons_behind_a_lost_header_are_not_given_a_wrong_time(tmp_path):
    t = ticks_of(START)
    words = [header(7, 0, t), *(photon(1, 1, k) for k in range(250)), header(7, 1, t + 1)]
    words += [photon(1, 1, 3)] * 101
    write_words(tmp_path / f"{START}.bin", words)
    for slab_words in (37, 101, 102, 5000):
        with pytest.MonkeyPatch.context() as patch:
            sized = functools.partial(binfile.stream_slabs, slab_words=slab_words)
            patch.setattr(convert_module, "stream_slabs", sized)
            summary = convert(settings_for(tmp_path, overwrite=True))
        # 100 photons and a marker fit into a packet
        assert summary.dropped["without_header"] == 149
        assert photons_of(summary.path, (1, 1)).size == 202


def test_end_of_frame_markers_are_no_photons_of_the_largest_array(tmp_path):
    words = [header(7, 0, ticks_of(START) - 1), *[FAKE] * 3, header(7, 1, ticks_of(START))]
    words += [photon(511, 1022, 1), *[FAKE] * 2]
    write_words(tmp_path / f"{START}.bin", words)
    beammap = Beammap.design((512, 1024), feedlines=1)
    summary = convert(settings_for(tmp_path, beammap=beammap))
    assert summary.n_photons == 1
    assert summary.dropped["end_of_frame"] == 5


def test_photons_out_of_order_are_sorted_and_equal_times_keep_arrival_order(tmp_path):
    t = ticks_of(START)
    words = [
        header(1, 1, t + 10),
        photon(3, 1, 5, -1, 10),
        photon(3, 1, 5, -2, 20),
        photon(0, 0, 5, -9),
        header(1, 0, t),
        photon(3, 1, 1, -3, 30),
        header(2, 0, t + 10),
        photon(3, 1, 5, -4, 40),
    ]
    write_words(tmp_path / f"{START}.bin", words)
    summary = convert(settings_for(tmp_path, baseline="keep"))
    rows = photons_of(summary.path, (3, 1))
    assert rows["time"].tolist() == [1, 5005, 5005, 5005]
    levels = np.rint(rows["baseline"] / BASELINE_DEG_PER_COUNT).astype(int)
    assert levels.tolist() == [30, 10, 20, 40]  # moved along with their photons
    counts = np.rint(rows["phase"] / PHASE_DEG_PER_COUNT).astype(int)
    assert counts.tolist() == [-3, -1, -2, -4]
    assert summary.repaired_pixels == 1


def test_unmapped_pixels_and_duplicate_resids_keep_their_own_photons(tmp_path):
    res_id = np.arange(15, dtype=np.uint32).reshape(SHAPE)
    res_id[1, 2] = res_id[4, 0] = 7  # three pixels share resID 7
    res_id[3, 1] = NO_RES_ID
    code = np.zeros(SHAPE, np.uint8)
    code[3, 1] = 1
    beammap = Beammap(res_id, code, np.full(SHAPE, np.nan))
    words = [header(1, 0, ticks_of(START))]
    for x in range(5):
        for y in range(3):
            words += [photon(x, y, 10 * k, -100 * x - y) for k in range(1 + x + y)]
    write_words(tmp_path / f"{START}.bin", words)
    summary = convert(settings_for(tmp_path, beammap=beammap))
    with ObsFile(summary.path) as obs:
        image = obs.count_image()
        np.testing.assert_array_equal(image, 1 + np.add.outer(np.arange(5), np.arange(3)))
        assert obs.flags[3, 1] == PixelFlag.beammap_noDacTone
        for x, y in ((1, 2), (4, 0), (2, 1), (3, 1)):
            phases = obs.photons((x, y))["phase"]
            assert (phases == phase_degrees(-100 * x - y)).all()
    rows, start, _ = read_rows_plainly(summary.path)
    assert rows["ResID"][start[3, 1]] == 2**32 - 1
    assert (rows["ResID"] == 7).sum() == 4 + 5 + 4


def test_a_silent_stretch_is_a_gap(tmp_path):
    t = ticks_of(START)
    ticks = [k for k in range(2000) if not 500 <= k < 900 and k != 1500]
    words = [w for k in ticks for w in (header(1, k, t + k), FAKE)]
    write_words(tmp_path / f"{START}.bin", words)
    summary = convert(settings_for(tmp_path, duration=2))
    with ObsFile(summary.path) as obs:
        assert obs.gaps_us.tolist() == [[250_000, 450_000], [1_000_000, 2_000_000]]
        assert obs.live_time((0, 0)) == pytest.approx(0.8)
        assert obs.live_time((0, 0), 0.2, 0.3) == pytest.approx(0.05)


def test_baseline_choices(tmp_path):
    levels = [-40, 10, 10, 400, 65_535]
    words = [header(1, 0, ticks_of(START))]
    words += [photon(k, 0, k, -1000 - k, level) for k, level in enumerate(levels)]
    write_words(tmp_path / f"{START}.bin", words)
    phases = {}
    for mode in ("ignore", "keep", "subtract-median"):
        summary = convert(settings_for(tmp_path, tmp_path / f"{mode}.h5", baseline=mode))
        with ObsFile(summary.path) as obs:
            assert obs.baseline == mode
            rows = [obs.photons((k, 0)) for k in range(5)]
        phases[mode] = np.array([float(row["phase"][0]) for row in rows])
        if mode == "keep":
            kept = np.array([float(row["baseline"][0]) for row in rows])
            np.testing.assert_allclose(kept, np.array(levels) * BASELINE_DEG_PER_COUNT, rtol=1e-6)
            assert rows[0].dtype.names[-1] == "baseline"
    np.testing.assert_array_equal(phases["keep"], phases["ignore"])
    added = (np.array(levels) - 10) * BASELINE_DEG_PER_COUNT
    np.testing.assert_allclose(phases["subtract-median"], phases["ignore"] + added, atol=1e-4)


class CancelAfter:
    """A progress that cancels at its n-th call."""

    def __init__(self, calls):
        self.calls = calls

    def __call__(self, done, total, stage=""):
        self.calls -= 1
        if self.calls < 0:
            raise OperationCancelled


def test_cancelling_at_any_moment_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(convert_module, "BATCH_PHOTONS", 50)
    words = [header(1, 0, ticks_of(START))] + [photon(k % 5, k % 3, 5) for k in range(90)]
    write_words(tmp_path / f"{START}.bin", words)
    before = sorted(tmp_path.iterdir())
    for calls in range(50):
        try:
            convert(settings_for(tmp_path), CancelAfter(calls))
        except OperationCancelled:
            assert sorted(tmp_path.iterdir()) == before, calls
        else:
            break
    else:
        pytest.fail("never finished")
    assert calls > 5


def test_output_is_read_only_and_never_replaced_unasked(tmp_path):
    write_words(tmp_path / f"{START}.bin", [header(1, 0, ticks_of(START)), photon(0, 0, 1)])
    out = convert(settings_for(tmp_path)).path
    assert out.stat().st_mode & 0o222 == 0
    content = out.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        convert(settings_for(tmp_path))
    assert out.read_bytes() == content
    convert(settings_for(tmp_path, overwrite=True))
    assert out.read_bytes() != content  # a new file_id


def test_a_photon_file_with_a_history_is_not_replaced(tmp_path):
    write_words(tmp_path / f"{START}.bin", [header(1, 0, ticks_of(START)), photon(0, 0, 1)])
    out = convert(settings_for(tmp_path)).path
    with ObsFile(out, mode="write") as obs:
        obs.annotate("worth keeping")
    with pytest.raises(OutputError, match=r"out\.cal\.h5 keeps the history"):
        convert(settings_for(tmp_path, overwrite=True))
    with ObsFile(out) as obs:
        assert obs.annotations == ("worth keeping",)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.h5"
    link.symlink_to(out)
    with pytest.raises(OutputError, match=r"out\.cal\.h5 keeps the history"):
        convert(settings_for(tmp_path, out=link, overwrite=True))
    packed = pack(out, tmp_path / "packed.h5")
    before = packed.read_bytes()
    with pytest.raises(OutputError, match="is a packed file"):
        convert(settings_for(tmp_path, out=packed, overwrite=True))
    assert packed.read_bytes() == before


def test_only_photon_files_of_this_program_are_replaced(tmp_path):
    write_words(tmp_path / f"{START}.bin", [header(1, 0, ticks_of(START)), photon(0, 0, 1)])
    out = tmp_path / "older.h5"
    with tables.open_file(out, "w") as h5:
        h5.create_group("/", "Photons")
    before = out.read_bytes()
    with pytest.raises(OutputError, match="not a photon file of this program, so it is not"):
        convert(settings_for(tmp_path, out=out, overwrite=True))
    assert out.read_bytes() == before


def test_doubts_are_said(tmp_path):
    t = ticks_of(START)
    words = [header(1, k, t + k) for k in range(2000)]
    words += [photon(0, 0, 1), *[photon(900, 5, 1)] * 3]
    write_words(tmp_path / f"{START}.bin", words)
    gap, silent, outside = convert(settings_for(tmp_path, duration=3)).warnings
    assert "no data for 2.0 of 3 s" in gap
    assert "14 of 15 pixels that the beam map calls good" in silent
    assert "3 photon words lie outside the 5 x 3 array" in outside
    words += [photon(x, y, 1) for x in range(5) for y in range(3)]
    write_words(tmp_path / f"{START}.bin", words)
    assert convert(settings_for(tmp_path, overwrite=True)).warnings == ()


def test_raw_files_stay_as_they_are(tmp_path):
    path = write_words(tmp_path / f"{START}.bin", [header(1, 0, ticks_of(START)), photon(0, 0, 1)])
    before = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o444)
    convert(settings_for(tmp_path))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_what_cannot_be_converted_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(InputFormatError, match="cannot be read"):
        convert(settings_for(tmp_path / "absent"))
    with pytest.raises(InputFormatError, match=r"holds no \.bin file"):
        convert(settings_for(tmp_path))
    (tmp_path / "QUIT").touch()
    write_words(tmp_path / f"{START}.bin", [photon(0, 0, 1)])
    with pytest.raises(InputFormatError, match="no packet header"):
        convert(settings_for(tmp_path))
    with pytest.raises(InputFormatError, match=r"it holds 1602050400 to 1602050400 \(1 files\)"):
        convert(settings_for(tmp_path, start=START + 100))
    write_words(tmp_path / f"{START}.bin", [header(1, 0, ticks_of(START) + 5000)])
    with pytest.raises(InputFormatError, match=r"the nearest is \+2\.500 s"):
        convert(settings_for(tmp_path))
    write_words(tmp_path / f"{START}.bin", [header(1, 0, ticks_of(START))])
    with pytest.raises(OutputError, match=r"cannot be used|Cannot write"):
        convert(settings_for(tmp_path, tmp_path / "absent" / "o.h5"))
    assert not list(tmp_path.glob("*.h5*"))


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    write_words(tmp_path / f"{START}.bin", [header(1, 0, ticks_of(START)), photon(0, 0, 1)])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(OutputError, match=r"has 0\.0 GB free"):
        convert(settings_for(tmp_path))
    assert not list(tmp_path.glob("*.h5*"))


@pytest.mark.parametrize(
    "changes",
    [
        {"duration": 0},
        {"duration": 4295},
        {"duration": 1.5},
        {"duration": float("nan")},
        {"duration": None},
        {"start": 2**31},
        {"out": Path("n.cal.h5")},
        {"start": -1},
        {"baseline": "yes"},
        {"repair_times": "no"},
        {"out": Path("1602050400.bin"), "overwrite": True},
    ],
)
def test_impossible_settings(tmp_path, changes):
    with pytest.raises(ConfigError):
        settings_for(tmp_path, **changes)


def test_spare_bytes_are_reported(tmp_path):
    words = [header(1, 0, ticks_of(START)), photon(0, 0, 1)]
    write_words(tmp_path / f"{START}.bin", words, tail=b"\x01\x02\x03")
    summary = convert(settings_for(tmp_path))
    assert summary.n_photons == 1
    assert summary.spare_bytes == 3
    assert any("3 bytes" in line for line in summary.lines())


def test_falls_back_to_pytables_own_encoder(tmp_path, monkeypatch):
    import pipeline_core.photon_writer as writer

    words = [header(1, 0, ticks_of(START))] + [photon(k % 5, k % 3, k) for k in range(90)]
    write_words(tmp_path / f"{START}.bin", words)
    fast = convert(settings_for(tmp_path, tmp_path / "fast.h5"))
    monkeypatch.setattr(writer, "encoder_works", lambda _: False)
    slow = convert(settings_for(tmp_path, tmp_path / "slow.h5"))
    for one, other in zip(read_rows_plainly(fast.path), read_rows_plainly(slow.path), strict=True):
        np.testing.assert_array_equal(one, other)
    with ObsFile(slow.path) as obs:
        assert obs.count_image(0.0, 0.000_05).sum() == 50


class TestFilesOfOthers:
    """An independent simulator's raw files and another program's conversion of them."""

    @pytest.mark.parametrize(
        ("second", "photons", "good"),
        [(START, 1_432_056, 1_325_560), (START + 20, 1_465_733, 1_355_760)],
    )
    def test_counts_per_pixel(self, shared_data, tmp_path, second, photons, good):
        summary = convert(
            ConvertSettings(
                shared_data / "bin",
                second,
                1,
                shared_data / "darkness_like.bmap",
                tmp_path / "o.h5",
            )
        )
        truth = np.load(shared_data / f"truth_{second}.npz")
        written = truth["photons_signal"] + truth["photons_background"]
        with ObsFile(summary.path) as obs:
            image = obs.count_image()
            good_pixels = obs.beammap.code == 0
        assert image.sum() == summary.n_photons == photons == written.sum()
        np.testing.assert_array_equal(image[truth["x"], truth["y"]], written)
        assert image[good_pixels].sum() == good
        assert sum(summary.lost_packets.values()) == 0

    def test_equals_layout_v3c_photon_by_photon(self, shared_data, tmp_path):
        import tables

        summary = convert(
            ConvertSettings(
                shared_data / "bin", START, 1, shared_data / "darkness_like.bmap", tmp_path / "o.h5"
            )
        )
        with tables.open_file(str(shared_data / "layout_v3c_1602050400.h5")) as h5:
            theirs = h5.root.Photons.PhotonTable.read()
            their_map, their_flags = h5.root.BeamMap.Map.read(), h5.root.BeamMap.Flag.read()
            their_header = h5.root.header.header.read()
        with tables.open_file(str(summary.path)) as h5:
            mine = h5.root.Photons.PhotonTable.read()
            my_map, my_flags = h5.root.BeamMap.Map.read(), h5.root.BeamMap.Flag.read()
            my_header = h5.root.header.header.read()
        np.testing.assert_array_equal(my_map, their_map)
        np.testing.assert_array_equal(my_flags, their_flags)
        assert my_header.dtype == their_header.dtype
        assert my_header["metadata"] == their_header["metadata"]
        good = np.isin(mine["ResID"], my_map[my_flags == PixelFlag.beammap_good])
        np.testing.assert_array_equal(mine[good], theirs)

    def test_baseline_as_the_predecessor_added_it(self, shared_data, tmp_path):
        import tables

        summary = convert(
            ConvertSettings(
                shared_data / "bin",
                START,
                1,
                shared_data / "darkness_like.bmap",
                tmp_path / "o.h5",
                baseline="subtract-median",
            )
        )
        with tables.open_file(str(shared_data / "predecessor_v5_1602050400.h5")) as h5:
            theirs = h5.get_node("/photons/photontable").read()
        mine, _, _ = read_rows_plainly(summary.path)
        pixel = theirs["resID"][0]
        a, b = mine[mine["ResID"] == pixel], theirs[theirs["resID"] == pixel]
        np.testing.assert_array_equal(a["Time"], b["time"])
        # their median is over the photons of good pixels only: a constant of a few counts
        offset = a["Wavelength"] - b["wavelength"]
        assert np.ptp(offset) < 2e-4
        assert abs(offset[0]) < 0.05


@pytest.mark.parametrize("slab_words", [2, 3, 100])
def test_photons_that_are_late_by_whole_slabs_are_put_in_order(tmp_path, monkeypatch, slab_words):
    words = []
    for frame, tick in enumerate((10, 20, 15, 30)):
        words += [header(112, frame, ticks_of(START) + tick), photon(1, 1, 7), photon(2, 2, 7)][
            : 2 if tick == 15 else 3
        ]
    write_words(tmp_path / f"{START}.bin", words)
    slabs = binfile.stream_slabs
    monkeypatch.setattr(convert_module, "stream_slabs", lambda f, s: slabs(f, s, slab_words))
    summary = convert(settings_for(tmp_path))
    assert summary.repaired_pixels == 1
    times = photons_of(tmp_path / "out.h5", (1, 1))["time"]
    assert times.tolist() == [5007, 7507, 10007, 15007]
    assert photons_of(tmp_path / "out.h5", (2, 2))["time"].tolist() == [5007, 10007, 15007]
