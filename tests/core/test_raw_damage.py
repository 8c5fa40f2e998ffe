"""Conversion of damaged raw files: what is whole is kept, every byte is accounted for, old photon files open."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tables
from rawdata import FAKE, header, photon, write_words

from pipeline_core import schema
from pipeline_core.beammap import Beammap
from pipeline_core.binfile import scan_folder
from pipeline_core.convert import DROP_REASONS, ConvertSettings, convert
from pipeline_core.describe_file import describe_file
from pipeline_core.describe_observation import describe_observation
from pipeline_core.errors import InputFormatError
from pipeline_core.obsfile import ObsFile

START = 1602050400
TICKS = (START - 1577836800) * 2000
SHAPE = (5, 3)


def second_of_words(second, board=112, rate=3):
    """One packet a tick; the photons' phases count up, so that each can be known again."""
    words = []
    for k in range(2000):
        tick = (second - START) * 2000 + k
        words.append(header(board, tick, TICKS + tick))
        for j in range(rate):
            n = k * rate + j
            words.append(photon(n % 5, n % 3, 100 * j + 7, -20_000 + n, -50 - j))
        words.append(FAKE)
    return words


def run(folder, duration=1, **changes):
    out = folder / "out.h5"
    settings = ConvertSettings(
        folder, START, duration, Beammap.design(SHAPE), out, overwrite=True, **changes
    )
    return convert(settings)


def check_sizes(folder, summary):
    """Each file's size is the sum of what became of its bytes."""
    with ObsFile(summary.path) as obs:
        for source in obs.sources:
            words = source.packets + source.kept + sum(getattr(source, r) for r in DROP_REASONS)
            size = (folder / f"{source.second}.bin").stat().st_size
            assert 8 * words + source.spare_bytes + source.skipped_bytes == size
        assert sum(source.kept for source in obs.sources) == summary.n_photons


def test_an_overflow_costs_one_packet(tmp_path):
    words = second_of_words(START)
    data = np.array(words, ">u8").tobytes()
    sound = run_on(tmp_path, data)
    cut = 40 * 5 * 8 + 19  # in the second photon of packet 40
    summary = run_on(tmp_path, data[:cut] + data[cut + 5 * 8 * 10 + 3 :])
    assert (summary.resyncs, summary.n_photons) == (1, 6000 - 11 * 3)
    assert summary.skipped_bytes == (19 - 8) + (40 - 19 - 3)
    assert any("1 times" in line for line in summary.lines())
    assert any("skipped" in line for line in summary.warnings)
    check_sizes(tmp_path, summary)
    with ObsFile(summary.path) as obs:
        image = obs.count_image()
        health = {check.name: check for check in describe_observation(obs).health}
        told = describe_file(summary.path)["words left out"]
    assert health["words left out"].state == "warning"
    assert f"{summary.skipped_bytes} bytes of damaged files" in health["words left out"].sentence
    assert (told["skipped_bytes"], told["resyncs"]) == (summary.skipped_bytes, 1)
    assert (sound >= image).all()


def run_on(folder, data):
    (folder / f"{START}.bin").write_bytes(data)
    summary = run(folder)
    if summary.skipped_bytes:
        return summary
    with ObsFile(summary.path) as obs:
        return obs.count_image()


def test_photons_behind_an_overflow_are_the_very_ones(tmp_path):
    """Two files; the first one ends shifted, the second one begins within a word and is shifted once more."""
    data = np.array(second_of_words(START) + second_of_words(START + 1), ">u8").tobytes()
    pieces = [(0, 20_001), (20_903, 80_000), (81_001, 155_555)]
    raw = b"".join(data[a:b] for a, b in pieces)
    (tmp_path / f"{START}.bin").write_bytes(raw[:80_000])
    (tmp_path / f"{START + 1}.bin").write_bytes(raw[80_000:])
    summary = run(tmp_path, 2)
    assert summary.resyncs == 3
    check_sizes(tmp_path, summary)
    with ObsFile(summary.path) as obs:
        for x in range(5):
            for y in range(3):
                got = obs.photons((x, y))
                counts = np.rint(got["phase"] * 2**15 * np.pi / 180).astype(int) + 20_000
                second = got["time"] // 1_000_000
                np.testing.assert_array_equal(counts % 5, x)
                np.testing.assert_array_equal(counts % 3, y)
                time = second * 1_000_000 + counts // 3 * 500 + counts % 3 * 100 + 7
                np.testing.assert_array_equal(got["time"], time)
    # of about 3886 packets in the pieces, at most two at each break
    whole = sum((b - a) // 40 for a, b in pieces)
    assert summary.n_photons >= 3 * (whole - 2 * 4)


def test_what_follows_a_lost_end_belongs_to_no_packet(tmp_path):
    first = second_of_words(START)
    orphans = [photon(1, 1, k) for k in range(7)]
    write_words(tmp_path / f"{START}.bin", first[:-50], bytes(5000))
    write_words(tmp_path / f"{START + 1}.bin", orphans + second_of_words(START + 1))
    summary = run(tmp_path, 2)
    # the last packet of the first second is doubted, and the words at the beginning of the next one are nobody's
    assert summary.n_photons == 2 * 6000 - 30 - 3
    assert summary.lost_packets == {112: 10}
    assert summary.dropped["without_header"] == 7
    assert summary.skipped_bytes == 5000 + 4 * 8
    check_sizes(tmp_path, summary)


def test_photon_files_with_the_former_columns_open(tmp_path):
    write_words(tmp_path / f"{START}.bin", second_of_words(START), b"abc")
    path = run(tmp_path).path
    former = [
        name for name in schema.SOURCE_DTYPE.names if name not in ("skipped_bytes", "resyncs")
    ]
    assert len(former) == 8
    path.chmod(0o600)
    with tables.open_file(str(path), "a") as h5:
        rows = h5.root.mkid.sources.read()
        h5.remove_node("/mkid/sources")
        old = np.zeros(rows.size, [(name, "i8") for name in former])
        for name in former:
            old[name] = rows[name]
        h5.create_table("/mkid", "sources", obj=old)
    with ObsFile(path) as obs:
        (source,) = obs.sources
        assert (source.packets, source.kept, source.spare_bytes) == (2000, 6000, 3)
        assert (source.skipped_bytes, source.resyncs) == (0, 0)
        assert "3 bytes" in " ".join(check.sentence for check in describe_observation(obs).health)


def test_names_with_leading_zeros_are_no_second_file(tmp_path):
    for name in (f"{START}.bin", f"0{START}.bin", "0602050400.bin", "0123.bin"):
        write_words(tmp_path / name, second_of_words(START))
    assert scan_folder(tmp_path).seconds == (START,)
    night = tmp_path / "20201007"
    night.mkdir()
    write_words(night / f"{START}.bin", second_of_words(START))
    assert run(tmp_path).n_photons == 6000  # a folder's own files only


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("pipe", "it is no ordinary file"),
        ("folder", "it is a folder"),
        ("dangling link", "No such"),
    ],
)
def test_seconds_that_are_no_files(tmp_path, kind, cause):
    write_words(tmp_path / f"{START}.bin", second_of_words(START))
    strange = tmp_path / f"{START + 1}.bin"
    {
        "pipe": lambda: os.mkfifo(strange),
        "folder": strange.mkdir,
        "dangling link": lambda: strange.symlink_to("nowhere"),
    }[kind]()
    with pytest.raises(InputFormatError, match=rf"{START + 1}\.bin cannot be read: {cause}"):
        run(tmp_path)
    assert not list(tmp_path.glob("*.h5*"))


def test_one_board_with_a_wrong_clock_leaves_the_others_alone(tmp_path):
    right = np.array(second_of_words(START), "u8").reshape(2000, 5)
    wrong = np.array(second_of_words(START - 86_400 * 2, board=120), "u8").reshape(2000, 5)
    write_words(tmp_path / f"{START}.bin", np.hstack([right, wrong]).ravel())
    summary = run(tmp_path)
    assert (summary.n_photons, summary.skipped_bytes) == (6000, 0)
    assert summary.dropped["outside_window"] == 6000
    assert summary.lost_packets == {112: 0}
    (said,) = (line for line in summary.warnings if "Board" in line)
    assert said.startswith("Board 120 is left out: the clock of its packets is -172,800.000 s")
    check_sizes(tmp_path, summary)


YEAR_2019 = 1546300800


@pytest.mark.parametrize("epoch", [YEAR_2019, 1577836800])
def test_clocks_that_count_from_last_year(tmp_path, epoch):
    """Boards that were not set anew at New Year; their seconds start again at 2**20."""
    ticks = (START - epoch) % 2**20 * 2000
    words = [w for k in range(500) for w in (header(7, k, ticks + k), photon(1, 1, 9), FAKE)]
    write_words(tmp_path / f"{START}.bin", words)
    summary = run(tmp_path)
    assert summary.n_photons == 500
    with ObsFile(summary.path) as obs:
        assert obs.photons((1, 1))["time"].tolist() == [500 * k + 9 for k in range(500)]


def test_a_clock_of_another_day_is_told(tmp_path):
    """A leap day forgotten: everything is a day early, and nothing of the range is there."""
    words = np.array(second_of_words(START - 86_400), ">u8")
    (tmp_path / f"{START}.bin").write_bytes(words.tobytes())
    with pytest.raises(InputFormatError, match=r"nearest is -86399\.000 s .*read-out's clock"):
        run(tmp_path)


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputFormatError, match=r"cannot be read: Permission denied\. Choose"):
        scan_folder(tmp_path)


def test_overflows_in_a_file_of_others(shared_data, tmp_path):
    """Twenty cuts cost a few thousand of 1.4 million photons, and every photon that is left was there before."""
    rng = np.random.default_rng(1)
    data = (shared_data / "bin" / f"{START}.bin").read_bytes()
    places = np.sort(rng.integers(0, len(data), 20))
    lost = 8 * rng.integers(1, 500, 20) + rng.integers(1, 8, 20)
    ends = np.concatenate(([0], places + lost))
    parts = [data[a:b] for a, b in zip(ends, [*places, len(data)], strict=True)]
    (tmp_path / f"{START}.bin").write_bytes(b"".join(parts))
    beammap = shared_data / "darkness_like.bmap"
    cut = convert(ConvertSettings(tmp_path, START, 1, beammap, tmp_path / "cut.h5"))
    whole = convert(ConvertSettings(shared_data / "bin", START, 1, beammap, tmp_path / "whole.h5"))
    check_sizes(tmp_path, cut)
    assert cut.resyncs == 20
    # a cut costs what it took and at most the rest of two packets
    assert 0 < whole.n_photons - cut.n_photons < lost.sum() // 8 + 20 * 204
    found = []
    for summary in (cut, whole):
        with tables.open_file(str(summary.path)) as h5:
            rows = h5.root.Photons.PhotonTable.read()
        phase = np.rint(np.radians(rows["Wavelength"]) * 2**15).astype(np.int64) & 0x3FFFF
        key = (rows["ResID"].astype(np.int64) << 40) | (rows["Time"].astype(np.int64) << 18) | phase
        found.append(np.unique(key, return_counts=True))
    (left, times_left), (before, times_before) = found
    at = np.searchsorted(before, left)
    np.testing.assert_array_equal(before[at], left)
    assert (times_left <= times_before[at]).all()


_MEASURED = """
import sys
from pathlib import Path
from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.describe_file import describe_file
from pipeline_core.errors import InputFormatError
folder, start = Path(sys.argv[1]), int(sys.argv[2])
try:
    convert(ConvertSettings(folder, start, 1, Beammap.design((80, 125)), folder / "o.h5"))
except InputFormatError as error:
    print(error)
print(describe_file(folder / f"{start}.bin")["left out"]["bytes skipped as damaged"])
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads its own peak memory from /proc")
def test_a_gigabyte_of_zeros_is_refused_in_bounded_memory(tmp_path):
    with (tmp_path / f"{START}.bin").open("wb") as stream:
        stream.truncate(1 << 30)  # sparse: takes no room on the disk
    command = [sys.executable, "-c", _MEASURED, str(tmp_path), str(START)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    refusal, skipped, peak_kb = done.stdout.splitlines()
    assert "hold no packet header" in refusal
    assert int(skipped) == 1 << 30
    assert int(peak_kb) < 700_000  # the libraries, and a few slabs of 32 MB
    assert not list(tmp_path.glob("*.h5*"))
