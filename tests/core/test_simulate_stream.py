"""Simulated files against an independent reader: words, packets, boards, delays, losses, clocks."""

import hashlib
import json

import numpy as np
import pytest
from simulate_reader import FAKE, read_folder

from pipeline_core.beammap import NO_RES_ID, read_beammap
from pipeline_core.errors import OperationCancelled, OutputError
from pipeline_core.rawwords import pack_header, pack_photon
from pipeline_core.simulate import (
    ArraySettings,
    LightSettings,
    ReadoutSettings,
    SimulationSettings,
    camera,
    load_truth,
    simulate,
)
from pipeline_core.simulate.stream import pack_second

SHAPE = (10, 7)
YEAR_2020 = 1577836800
START = 1602050400


def make(folder, kind="laser", **changes):
    """Simulate; return summary, truth and what the dumb reader finds."""
    changes = {"shape": SHAPE, "rate_cps": 200.0, **changes}
    summary = simulate(SimulationSettings(kind, **changes), folder)
    return summary, load_truth(summary.truth_path), read_folder(folder)


def digest(folder):
    """Return a hash of every file by name."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.mark.parametrize("kind", ["laser", "flat", "sky", "dark", "speckle"])
def test_every_photon_in_the_files_is_in_the_truth(tmp_path, kind):
    summary, truth, raw = make(tmp_path, kind, seconds=2, readout=ReadoutSettings(loss=0.02))
    image = raw.image(SHAPE)
    assert image.sum() > 300
    np.testing.assert_array_equal(image, truth["counts"])
    start = (START - YEAR_2020) * 1_000_000
    for k in range(2):
        window = raw.image(SHAPE, start + k * 1_000_000, start + (k + 1) * 1_000_000)
        np.testing.assert_array_equal(window, truth["counts_per_second"][k])
    inside = (raw.x < SHAPE[0]) & (raw.y < SHAPE[1])
    assert np.count_nonzero(~inside) == truth["outside_words"]
    assert raw.packet_fakes.sum() == truth["fake_markers"]
    assert summary.n_photons == image.sum()


def test_shape_is_not_transposed(tmp_path):
    _, truth, raw = make(
        tmp_path, array=ArraySettings.ideal(), light=LightSettings(gradient=100.0), rate_cps=300.0
    )
    assert truth["counts"].shape == SHAPE
    assert raw.x.max() == 9
    assert raw.y.max() == 6
    image = raw.image(SHAPE)
    # the light grows by 100**0.7 along x and by 100**0.3 along y
    assert image[-1].sum() / image[0].sum() == pytest.approx(100**0.7, rel=0.2)
    assert image[:, -1].sum() / image[:, 0].sum() == pytest.approx(100**0.3, rel=0.2)


def test_packets_are_closed_as_the_firmware_does(tmp_path):
    _, truth, raw = make(tmp_path, rate_cps=1000.0)
    # every board ends every tick with one marker
    assert (raw.packet_fakes == 1).all()
    assert raw.ends_with_fake.all()
    tick = raw.packet_ticks - raw.packet_ticks.min()
    for number in truth["boards"]:
        mine = raw.packet_board == number
        np.testing.assert_array_equal(tick[mine], np.arange(2000))
    same_packet = np.diff(raw.packet) == 0
    assert np.count_nonzero(same_packet) > 1000
    assert (np.diff(raw.us)[same_packet] >= 0).all()
    np.testing.assert_array_equal(raw.us // 500, raw.packet_ticks[raw.packet])


@pytest.mark.parametrize("n", [0, 99, 100, 101, 350])
def test_full_packets_end_without_marker(n):
    rng = np.random.default_rng(n)
    us = rng.integers(0, 500, n)
    words = pack_photon(np.arange(n), 1, us, -1000)
    ticks = np.full(n, 7, np.uint16)
    packed, first, stop, closed = pack_second(words, ticks, board=3, frame=4090, tick_zero=10**6)
    assert first.size == 2000 + n // 100
    assert packed.size == stop[-1] == n + first.size + 2000
    np.testing.assert_array_equal(first[1:], stop[:-1])
    mine = np.flatnonzero((packed[first] & np.uint64(2**36 - 1)) == 10**6 + 7)
    assert mine[0] == 7
    assert (stop - first)[mine].tolist() == [101] * (n // 100) + [n % 100 + 2]
    headers = pack_header(3, 4090 + np.arange(first.size), (10**6 + ticks_of(first.size, n)))
    np.testing.assert_array_equal(packed[first], headers)
    ordered = np.delete(packed, np.append(first, np.flatnonzero(packed == FAKE)))
    np.testing.assert_array_equal(ordered, words[np.argsort(us, kind="stable")])
    assert (np.delete(packed[stop - 1], mine[:-1]) == FAKE).all()
    # a full packet leaves with its last photon, any other with the tick
    full = np.sort(us)[99::100]
    np.testing.assert_array_equal(closed[mine], [*(3500 + full), 4000])


def ticks_of(n_packets, n_photons):
    """Return the tick of each packet of a second whose photons are all in tick 7."""
    return np.sort(np.append(np.arange(2000), [7] * (n_photons // 100)))[:n_packets]


def test_pixels_are_sent_by_their_own_board(tmp_path):
    _, truth, raw = make(tmp_path)
    inside = (raw.x < SHAPE[0]) & (raw.y < SHAPE[1])
    np.testing.assert_array_equal(raw.board[inside], truth["board"][raw.x[inside], raw.y[inside]])
    np.testing.assert_array_equal(
        truth["boards"], [112, 114, 115, 116, 117, 118, 119, 120, 121, 122]
    )


@pytest.mark.parametrize(("delay", "offset"), [(0.05, 0.0), (2.5, 0.0), (0.3, -0.6)])
def test_packets_land_in_the_file_of_their_arrival(tmp_path, delay, offset):
    readout = ReadoutSettings(packet_delay_s=delay, packet_jitter_s=0.0, clock_offset_s=offset)
    _, truth, raw = make(tmp_path, seconds=3, readout=readout)
    own = raw.packet_ticks // 2000 + YEAR_2020
    late = raw.packet_file - own
    assert set(range(int(np.floor(offset)), int(delay + offset) + 1)) <= set(late.tolist())
    delay_us = dict(zip(truth["boards"].tolist(), truth["board_delay_us"].tolist(), strict=True))
    assert max(delay_us.values()) <= (delay + offset) * 1e6
    assert min(delay_us.values()) >= offset * 1e6
    wait = np.array([delay_us[b] for b in raw.packet_board.tolist()])
    closed = (raw.packet_ticks + 1) * 500 + YEAR_2020 * 1_000_000
    partial = raw.packet_photons < 100
    expected = (closed + wait) // 1_000_000
    np.testing.assert_array_equal(raw.packet_file[partial], expected[partial])
    # in the order of arrival: files ascending, and within a file no board waits for another
    assert (np.diff((closed + wait)[partial]) >= 0).all()


def test_jitter_keeps_the_order_of_a_board(tmp_path):
    _, truth, raw = make(tmp_path, seconds=2, readout=ReadoutSettings(packet_jitter_s=0.1))
    for number in truth["boards"]:
        mine = raw.packet_board == number
        assert (np.diff(raw.packet_ticks[mine]) >= 0).all()


def lost_by_frames(raw, number):
    """Count the packets that a board's frame counter says are missing."""
    steps = np.diff(raw.packet_frame[raw.packet_board == number]) % 4096
    return int((steps - 1).sum())


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_frame_counters_tell_the_lost_packets(tmp_path, loss):
    _, truth, raw = make(tmp_path, seconds=3, readout=ReadoutSettings(loss=loss))
    found = [lost_by_frames(raw, number) for number in truth["boards"]]
    np.testing.assert_array_equal(found, truth["lost_packets"])
    kept = [np.count_nonzero(raw.packet_board == number) for number in truth["boards"]]
    np.testing.assert_array_equal(kept, truth["packets"] - truth["lost_packets"])
    assert raw.packet_frame.max() == 4095  # 6000 packets a board: the counter has gone round
    assert raw.packet_frame.min() == 0
    missing = truth["counts_before_loss"] - truth["counts"]
    assert (missing >= 0).all()
    assert missing.sum() / truth["counts_before_loss"].sum() == pytest.approx(loss, abs=0.01)
    assert (missing.sum() > 0) == (loss > 0)


def test_equal_settings_give_equal_bytes(tmp_path):
    settings = SimulationSettings("sky", seconds=2, shape=SHAPE, seed=5)
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders[:2]:
        simulate(settings, folder)
    simulate(SimulationSettings("sky", seconds=2, shape=SHAPE, seed=6), folders[2])
    first, again, other = (digest(folder) for folder in folders)
    assert first == again
    assert len(first) == 5
    assert all(first[name] != other[name] for name in first)


def test_seconds_do_not_depend_on_the_length_and_differ_from_each_other(tmp_path):
    _, _, short = make(tmp_path / "short", seconds=1)
    _, _, long = make(tmp_path / "long", seconds=2)
    stop = (START - YEAR_2020 + 1) * 1_000_000
    first = long.us < stop
    np.testing.assert_array_equal(np.sort(short.us), np.sort(long.us[first]))
    assert not np.isin(long.us[~first] - 1_000_000, short.us).all()


def test_boards_second_counter_starts_again(tmp_path):
    # 22 turns of 2**20 s after New Year, in the middle of the run
    start = YEAR_2020 + 22 * 2**20 - 1
    _, _, plain = make(tmp_path / "plain", seconds=2, start=start)
    _, truth, wrapped = make(
        tmp_path / "wrapped", seconds=2, start=start, readout=ReadoutSettings(counter_wrap=True)
    )
    assert set((wrapped.packet_ticks // 2000).tolist()) == {2**20 - 1, 0}
    np.testing.assert_array_equal(wrapped.packet_ticks, plain.packet_ticks % (2000 * 2**20))
    np.testing.assert_array_equal(wrapped.image(SHAPE), truth["counts"])


def test_clock_goes_on_over_new_year(tmp_path):
    new_year_2021 = 1609459200
    _, truth, raw = make(tmp_path, seconds=2, start=new_year_2021 - 1)
    seconds = raw.packet_ticks // 2000 + YEAR_2020
    assert set(seconds.tolist()) == {new_year_2021 - 1, new_year_2021}
    assert truth["year_start"] == YEAR_2020
    # and a run that starts at New Year counts from there
    _, truth, raw = make(tmp_path / "later", start=new_year_2021)
    assert raw.packet_ticks.min() == 0
    assert truth["year_start"] == new_year_2021


def test_night_says_which_second_is_what(tmp_path):
    summary, _, raw = make(tmp_path, "night", seconds=2, sky_seconds=3, rate_cps=50.0)
    night = json.loads((tmp_path / "night.json").read_text())
    rows = night["observations"]
    assert [r["name"] for r in rows[-3:]] == ["dark", "flat", "sky"]
    assert [r["wavelength_nm"] for r in rows[:5]] == [808, 920, 980, 1120, 1310]
    assert summary.night_path == tmp_path / "night.json"
    assert len(rows) == len(summary.observations) == 8
    second = START
    for row in rows:
        assert row["start"] == second
        begin = (second - YEAR_2020) * 1_000_000
        truth = load_truth(tmp_path / row["truth"])
        image = raw.image(SHAPE, begin, begin + row["seconds"] * 1_000_000)
        np.testing.assert_array_equal(image, truth["counts"])
        assert image.sum() == row["photons"]
        assert truth["kind"] == row["kind"]
        second += row["seconds"]
    assert second == START + 17
    for number in truth["boards"]:
        assert lost_by_frames(raw, number) == 0
    read_beammap(tmp_path / night["beammap"], SHAPE)


def test_beam_map_is_the_truths(tmp_path):
    array = ArraySettings(
        failed_fraction=0.4, absent_fraction=0.1, duplicate_res_ids=5, feedlines_off=(2,)
    )
    summary, truth, raw = make(tmp_path, array=array, shape=(25, 20))
    beammap = read_beammap(summary.beammap_path, (25, 20))
    np.testing.assert_array_equal(beammap.res_id, truth["res_id"])
    np.testing.assert_array_equal(beammap.code, truth["code"])
    assert beammap.duplicate_res_ids() == 5
    assert set(np.unique(truth["code"])) >= {0, 1, 2, 3}
    image = raw.image((25, 20))
    # feedline 2 of 5 has the rows 4..7; its boards send empty packets
    assert (truth["code"][:, 4:8] == 1).all()
    assert not image[:, 4:8].any()
    assert {114 + 1, 114 + 2} <= set(raw.packet_board.tolist())
    absent = beammap.res_id == NO_RES_ID
    np.testing.assert_array_equal(absent, truth["absent"])
    assert image[absent & truth["live"]].all()
    failed = truth["code"] >= 2
    assert np.count_nonzero(image[failed & truth["live"]]) > 100
    line = truth["res_id"] // 10_000
    assert set(line[~absent].tolist()) == {1, 2, 3, 4, 5}


def test_cancelling_leaves_nothing_and_progress_runs_to_the_end(tmp_path):
    seen = []
    settings = SimulationSettings("night", shape=SHAPE)
    simulate(settings, tmp_path / "whole", lambda done, total, stage="": seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == 8 * 70

    def stop(done, total, stage=""):
        if done > 4 * 70:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        simulate(settings, tmp_path / "stopped", stop)
    assert list((tmp_path / "stopped").iterdir()) == []


def test_progress_is_told_within_a_board(tmp_path, monkeypatch):
    monkeypatch.setattr(camera, "_EVENTS_PER_CALL", 100)
    whole, calls = [], []
    settings = SimulationSettings("laser", rate_cps=200.0, shape=SHAPE)
    simulate(settings, tmp_path / "often", lambda done, total, stage="": calls.append(done))
    # 14 000 events on ten boards
    assert 100 < len(calls) < 300
    assert calls == sorted(calls)
    monkeypatch.undo()
    simulate(settings, tmp_path / "seldom", lambda done, total, stage="": whole.append(done))
    assert len(whole) == 11
    assert digest(tmp_path / "often") == digest(tmp_path / "seldom")


def test_buffers_grow(tmp_path, monkeypatch):
    monkeypatch.setattr(camera, "_FIRST_CAPACITY", 16)
    _, _, raw = make(tmp_path / "small")
    monkeypatch.undo()
    make(tmp_path / "large")
    assert digest(tmp_path / "small") == digest(tmp_path / "large")
    assert raw.x.size > 10_000


def test_files_of_others_are_not_touched(tmp_path):
    make(tmp_path)
    before = digest(tmp_path)
    with pytest.raises(OutputError, match=r"1602050400\.bin"):
        make(tmp_path)
    with pytest.raises(OutputError, match="another array"):
        make(tmp_path, start=START + 100, seed=3)
    assert digest(tmp_path) == before
    # the same array at another time is welcome
    _, truth, _ = make(tmp_path, start=START + 100)
    assert truth["start"] == START + 100
    assert digest(tmp_path).items() >= before.items()
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="file"):
        simulate(SimulationSettings("laser", shape=SHAPE), blocked / "folder")
