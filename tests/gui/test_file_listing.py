"""What a folder holds: every file that can be opened once, nothing else, quickly, and cancellable."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_core.convert import MAX_DURATION_S
from pipeline_core.errors import InputFormatError, OperationCancelled
from quicklook import file_listing
from quicklook.file_listing import Entry, scan, size_text, utc_text

T = 1602050400  # 2020-10-07 06:00:00 UTC


def fill(folder: Path, *names: str, size: int = 1, modified: float = T) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (modified, modified))
    return folder


def run(*seconds: int, ending: str = "bin", kind: str = "raw") -> Entry:
    names = tuple(f"{second}.{ending}" for second in seconds)
    return Entry(Path("/night"), names, kind, seconds[0], 0.0, (1,) * len(seconds))


def titles(entries) -> list[str]:
    return [entry.title for entry in entries]


def test_consecutive_seconds_are_one_entry_and_a_gap_parts_them(tmp_path):
    fill(tmp_path, *(f"{T + k}.bin" for k in (0, 1, 2, 5, 6, 9)), size=10)
    found = scan(tmp_path).files
    assert titles(found) == [
        f"{T}.bin … {T + 2}.bin",
        f"{T + 5}.bin … {T + 6}.bin",
        f"{T + 9}.bin",
    ]
    assert [entry.start_unix for entry in found] == [T, T + 5, T + 9]
    assert [entry.size for entry in found] == [30, 20, 10]
    assert found[0].paths == [tmp_path / f"{T + k}.bin" for k in range(3)]
    assert [entry.length_text for entry in found] == ["3 s", "2 s", ""]


def test_raw_seconds_frames_and_photon_files_are_kept_apart(tmp_path):
    fill(tmp_path, f"{T}.bin", f"{T + 1}.bin", f"{T}.img", f"{T + 1}.img", f"{T}.h5", f"{T + 1}.h5")
    found = scan(tmp_path).files
    kinds = sorted((entry.kind, len(entry.names)) for entry in found)
    assert kinds == [("frame", 2), ("photons", 1), ("photons", 1), ("raw", 2)]


def test_what_cannot_be_opened_is_left_out(tmp_path):
    fill(tmp_path, f"{T}.h5", f"{T}.cal.h5", f"{T}.CAL.H5", f"{T}.h5.part", "QUIT", "START", "h5")
    fill(tmp_path, "notes.txt", ".hidden.h5", f"{T}.log", f"{T}.png")
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "gone.h5").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.bin")
    listing = scan(tmp_path)
    assert titles(listing.files) == [f"{T}.h5"]
    assert listing.n_files == 1


def test_names_that_are_no_second_stand_at_the_time_they_were_written(tmp_path):
    fill(tmp_path, f"{T}.h5", f"{T + 100}.h5")
    fill(tmp_path, "laser 808 ä.h5", modified=T + 50)
    fill(tmp_path, "12.bin", "٣٣٣٣٣٣٣٣٣٣.bin", modified=T + 200)
    found = scan(tmp_path).files
    assert titles(found)[:3] == [f"{T}.h5", "laser 808 ä.h5", f"{T + 100}.h5"]
    assert set(titles(found)[3:]) == {"12.bin", "٣٣٣٣٣٣٣٣٣٣.bin"}
    assert {entry.start_unix for entry in (found[1], *found[3:])} == {None}
    assert found[1].time_text == "2020-10-07 06:00:50"


def test_photon_files_of_consecutive_seconds_stay_single(tmp_path):
    fill(tmp_path, f"{T}.h5", f"{T + 1}.h5")
    assert [len(entry.names) for entry in scan(tmp_path).files] == [1, 1]


def test_folders_stand_first_with_the_one_above_at_the_top(tmp_path):
    night = fill(tmp_path / "night", f"{T}.h5")
    for name in ("B", "a", "!x", ".hidden", "zeta.h5"):
        (night / name).mkdir()
    listing = scan(night)
    assert titles(listing.entries) == ["..", "!x", "a", "B", "zeta.h5", f"{T}.h5"]
    assert listing.folders[0].paths == [tmp_path]
    assert listing.folders[2].paths == [night / "a"]
    assert titles(scan(Path("/")).folders)[:1] != [".."]


def test_a_folder_that_cannot_be_read_is_named_with_a_remedy(tmp_path):
    for path, cause in ((tmp_path / "no", "No such file"), (__file__, "Not a directory")):
        with pytest.raises(InputFormatError, match=cause) as caught:
            scan(Path(path))
        assert str(path) in str(caught.value)
        assert "Choose another folder" in str(caught.value)


def test_a_file_that_goes_meanwhile_is_left_out(tmp_path, monkeypatch):
    fill(tmp_path, f"{T}.h5", f"{T + 5}.h5")
    real = file_listing._entry

    def slow(folder, item):
        (folder / f"{T}.h5").unlink(missing_ok=True)
        return real(folder, item)

    monkeypatch.setattr(file_listing, "_entry", slow)
    assert titles(scan(tmp_path).files) == [f"{T + 5}.h5"]


def test_scan_can_be_cancelled(tmp_path):
    fill(tmp_path, *(f"{T + k}.bin" for k in range(600)))
    reports = []

    def progress(done, total, stage=""):
        reports.append(done)
        if done >= 256:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        scan(tmp_path, progress=progress)
    assert reports == [0, 256]


def test_thirty_thousand_files_are_one_run(tmp_path):
    for k in range(30_000):
        (tmp_path / f"{T + k}.bin").touch()
    listing = scan(tmp_path)
    assert [len(entry.names) for entry in listing.files] == [30_000]


@given(st.sets(st.integers(T, T + 30)), st.randoms())
def test_runs_are_those_of_a_dumb_loop(seconds, rng: random.Random):
    files = [run(second) for second in seconds]
    rng.shuffle(files)
    expected, second = [], T
    while second <= T + 30:
        first = second
        while second in seconds:
            second += 1
        if second > first:
            expected.append([f"{k}.bin" for k in range(first, second)])
        second += 1
    found = list(file_listing._runs(files))
    assert [list(entry.names) for entry in found] == expected
    assert all(entry.start_unix == int(entry.names[0][:-4]) for entry in found)


# --- parts of a run ---------------------------------------------------------------------------------


def test_a_file_of_a_run_is_an_entry_of_its_own():
    member = run(T, T + 1, T + 2).member(2)
    assert member.names == (f"{T + 2}.bin",)
    assert member.start_unix == T + 2
    assert member.sizes == (1,)


@given(
    st.integers(1, 35),
    st.from_regex("0?[0-9]{1,3}|0?[01]:[0-9]{0,2}", fullmatch=True).filter(str.isascii),
)
@example(35, "046")
@example(35, "01:")
def test_a_filter_finds_every_file_with_the_text_and_no_other(n, text):
    whole = run(*range(T + 55, T + 55 + n))
    found = whole.matching(text)
    if text in whole.title or text in whole.time_text:
        assert found == [whole]
        return
    members = [whole.member(place) for place in range(n)]
    wanted = [
        m.names[0] for m in members if text in m.names[0] or (":" in text and text in m.time_text)
    ]
    if n == 1:
        assert found == []
        return
    assert [name for entry in found for name in entry.names] == wanted
    for entry in found:
        first = int(entry.names[0][:-4])
        assert entry.start_unix == first
        assert entry.names == tuple(f"{first + k}.bin" for k in range(len(entry.names)))
        assert len(entry.sizes) == len(entry.names)


def test_titles_get_shorter_but_keep_the_ending():
    assert run(T).titles == (f"{T}.bin",)
    titles = run(T, T + 1, T + 2).titles
    assert titles[0] == f"{T}.bin … {T + 2}.bin"
    assert titles[1:] == (f"{T} … 0402.bin", f"{T}.bin", "…50400.bin")
    assert sorted(titles, key=len, reverse=True) == list(titles)


def test_what_cannot_be_opened_at_once_says_why():
    assert run(T, T + 1).obstacle == ""
    assert run(T, ending="img", kind="frame").obstacle == ""
    assert "one at a time" in run(T, T + 1, ending="img", kind="frame").obstacle
    assert run(*range(T, T + MAX_DURATION_S)).obstacle == ""
    assert str(MAX_DURATION_S) in run(*range(T, T + MAX_DURATION_S + 1)).obstacle


# --- texts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_900, "99.9 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes_have_two_or_three_digits(size, text):
    assert size_text(size) == text


def test_times_are_utc(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Honolulu")
    time.tzset()
    assert utc_text(T) == "2020-10-07 06:00:00"
    assert utc_text(1e18) == "no date: 1e+18 s"
    monkeypatch.undo()
    time.tzset()
