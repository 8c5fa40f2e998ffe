"""Observing logs and dither logs: every form, moments in UTC, bad lines, and where logs are found."""

import json
import time

import pytest

from pipeline_core.errors import InputFormatError, OperationCancelled
from pipeline_core.nightlogs.dithers import DitherPosition, read_dither_logs
from pipeline_core.nightlogs.finding import find_logs, kind_of_log
from pipeline_core.nightlogs.moments import unix_of
from pipeline_core.nightlogs.observing import (
    ObservingLog,
    read_observing_log,
    read_observing_logs,
)
from pipeline_core.utc import utc_words

MIDNIGHT = 1602115200  # 2020-10-08 00:00:00 UTC


def line(utc, **values):
    return json.dumps({"utc": utc, **values}) + "\n"


@pytest.fixture
def night(tmp_path):
    """Two logs of one night, on both sides of midnight."""
    (tmp_path / "obslog_202010072300.json").write_text(
        line("20201007230000", target="HR 8799", filter="J", laser="off", flipper="out")
        + line("20201007235950", target="HR 8799", filter="H", comment="wind\nrises")
    )
    (tmp_path / "obslog_202010080000.json").write_text(
        line("20201008000010", target="flat lamp", filter="H", dither_pos=[0.1, -0.2])
        + line("20201008003000", target="51 Eri", filter="J")
    )
    return tmp_path


@pytest.mark.parametrize(
    ("stored", "unix"),
    [
        ("20201008000010", MIDNIGHT + 10),
        ("20201008000010.25", MIDNIGHT + 10.25),
        ("20201008-000010", MIDNIGHT + 10),
        ("202010080001", MIDNIGHT + 60),
        ("2020-10-08 00:00:10", MIDNIGHT + 10),
        ("2020-10-08T00:00:10.5", MIDNIGHT + 10.5),
        ("2020-10-08T00:00:10Z", MIDNIGHT + 10),
        ("2020-10-08 00:00:10 UTC", MIDNIGHT + 10),
        ("2020-10-07T14:00:10-10:00", MIDNIGHT + 10),
        ("2020-10-08 00:01", MIDNIGHT + 60),
        ("1602115210", MIDNIGHT + 10),
        (1602115210.5, MIDNIGHT + 10.5),
        (20201008000010, MIDNIGHT + 10),
        ("20201308000010", None),
        ("2020-02-30 00:00:00", None),
        ("soon", None),
        ("", None),
        (True, None),
        (None, None),
        (float("nan"), None),
        (12, None),
    ],
)
def test_moments_are_utc_in_every_form(stored, unix):
    assert unix_of(stored) == unix


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "Asia/Tokyo"])
def test_the_time_zone_of_this_computer_has_no_say(zone, monkeypatch, night):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert unix_of("20201008000010") == unix_of("2020-10-08 00:00:10") == MIDNIGHT + 10
        assert utc_words(MIDNIGHT + 10) == "2020-10-08 00:00:10 UTC"
        log = read_observing_log(night / "obslog_202010080000.json")
        assert log.entries[0].unix_s == MIDNIGHT + 10
        assert log.entries[0].utc == "2020-10-08 00:00:10 UTC"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_entry_before_a_second_across_midnight_and_files(night):
    log = read_observing_logs(sorted(night.glob("*.json"))[::-1])
    assert [e.unix_s - MIDNIGHT for e in log.entries] == [-3600, -10, 10, 1800]
    assert log.entry_before(MIDNIGHT - 3600.5) is None
    assert log.entry_before(MIDNIGHT - 3600).filter == "J"
    assert log.entry_before(MIDNIGHT).comment == "wind rises"
    assert log.entry_before(MIDNIGHT + 9.9).filter == "H"
    entry = log.entry_before(MIDNIGHT + 10)
    assert (entry.target, entry.source.name, entry.line) == (
        "flat lamp",
        "obslog_202010080000.json",
        1,
    )
    assert log.entry_before(MIDNIGHT + 1e6).target == "51 Eri"
    assert log.entries[0].laser == "off"
    assert log.entries[0].flipper == "out"
    assert log.entries[0].text("airmass") == ""
    assert log.entries[2].text("dither_pos") == "0.1, -0.2"


def test_neighbours_and_spans(night):
    log = read_observing_logs(night.glob("*.json"))
    around = log.neighbours(MIDNIGHT, 1)
    assert [e.unix_s - MIDNIGHT for e in around] == [-3600, -10, 10]
    assert [e.unix_s - MIDNIGHT for e in log.neighbours(MIDNIGHT - 1e5, 2)] == [-3600, -10]
    assert [e.unix_s - MIDNIGHT for e in log.between(MIDNIGHT - 10, MIDNIGHT + 10)] == [-10]
    assert ObservingLog().entry_before(MIDNIGHT) is None
    assert ObservingLog().neighbours(MIDNIGHT, 3) == ()


def test_every_entry_is_found_by_a_dumb_search(night):
    log = read_observing_logs(night.glob("*.json"))
    for second in range(MIDNIGHT - 4000, MIDNIGHT + 2000, 7):
        dumb = [e for e in log.entries if e.unix_s <= second]
        assert log.entry_before(second) is (dumb[-1] if dumb else None)


def test_a_copy_of_a_log_counts_once(night):
    one = night / "obslog_202010072300.json"
    copy = night / "copy.json"
    copy.write_text(one.read_text())
    assert len(read_observing_logs([one, copy]).entries) == 2


def test_bad_lines_are_counted_and_named(tmp_path):
    path = tmp_path / "obslog_202010080000.json"
    path.write_text(
        line("20201008000010", target="a")
        + "{oops\n"
        + line("yesterday", target="b")
        + "[1, 2]\n"
        + json.dumps({"target": "c"})
        + "\n\n"
        + line("20201008000005", target="d")
    )
    log = read_observing_log(path)
    assert [e.target for e in log.entries] == ["d", "a"]
    assert [bad.line for bad in log.bad_lines] == [2, 3, 4, 5]
    assert "obslog_202010080000.json, line 3: no moment: 'utc' is 'yesterday'" in map(
        str, log.bad_lines
    )
    assert "missing" in log.bad_lines[3].reason


def test_a_last_line_that_is_being_written_is_not_bad(tmp_path):
    path = tmp_path / "obslog.json"
    path.write_text(line("20201008000010", target="a") + '{"utc": "20201008')
    log = read_observing_log(path)
    assert len(log.entries) == 1
    assert not log.bad_lines


def test_a_json_list_is_read_too(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps([{"utc": "20201008000010"}, {"utc": "x"}], indent=1))
    log = read_observing_log(path)
    assert len(log.entries) == 1
    assert log.bad_lines[0].line == 2


def test_text_logs_have_an_entry_a_line_or_several(tmp_path):
    path = tmp_path / "night.log"
    path.write_text(
        "# run of October\nhello\n"
        "2020-10-08 00:00:10 J filter in\n"
        "[2020-10-08T00:01:00Z]  seeing 0.8\n  and calm\n"
        "1602115320: laser 980\n"
        "20201008-000300, end\n"
    )
    log = read_observing_log(path)
    assert [(e.unix_s - MIDNIGHT, e.text("comment"), e.line) for e in log.entries] == [
        (10, "J filter in", 3),
        (60, "seeing 0.8 and calm", 4),
        (120, "laser 980", 6),
        (180, "end", 7),
    ]
    assert [(bad.line, bad.reason) for bad in log.bad_lines] == [(2, "no date and time: hello")]


def test_a_file_named_by_its_moment_is_one_entry(tmp_path):
    path = tmp_path / "1602115210.log"
    path.write_text("target: HR 8799\nfilter: J\n")
    (entry,) = read_observing_log(path).entries
    assert entry.unix_s == MIDNIGHT + 10
    assert entry.comment == "target: HR 8799 filter: J"


@pytest.mark.parametrize("content", [b"", b"nothing here\n", b"a\0b", b"[1, 2", b"{\n"])
def test_what_is_no_log_is_said_so(tmp_path, content):
    path = tmp_path / "obslog.json"
    path.write_bytes(content)
    with pytest.raises(InputFormatError, match=r"obslog\.json.*Choose another file"):
        read_observing_log(path)
    log = read_observing_logs([path])
    assert not log.entries
    assert "obslog.json" in log.problems[0]


def test_a_missing_log_is_an_error(tmp_path):
    with pytest.raises(InputFormatError, match="No such file"):
        read_observing_log(tmp_path / "obslog.json")


def test_reading_can_be_cancelled(night):
    def cancel(*_):
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        read_observing_log(night / "obslog_202010072300.json", cancel)


# --- dither logs -----------------------------------------------------------------------------------

MEC = (
    "Dither Path: /home/mec/box.txt 3 steps 10 seconds\n"
    "starts=[1602115200.5, 1602115212, 1602115224.25]\n"
    "ends=[1602115210.5, 1602115222, 1602115234.25]\n"
    "path=[(0.0, 0.1), (-0.25, 0.1),\n (-0.25, -0.3)]\n"
)


def test_a_mec_dither_log(tmp_path):
    path = tmp_path / "MEC_1602115200.dither.log"
    path.write_text(MEC)
    (dither,) = read_dither_logs(path)
    assert dither.positions == (
        DitherPosition(1602115200.5, 1602115210.5, 0.0, 0.1),
        DitherPosition(1602115212, 1602115222, -0.25, 0.1),
        DitherPosition(1602115224.25, 1602115234.25, -0.25, -0.3),
    )
    assert dither.unit == "conex"
    assert dither.title == "Dither Path: /home/mec/box.txt 3 steps 10 seconds"
    assert (dither.start, dither.stop) == (1602115200.5, 1602115234.25)
    assert dither.position_at(1602115200.4) is None
    assert dither.index_at(1602115200.5) == 0
    assert dither.position_at(1602115210.5) is None  # half-open
    assert dither.index_at(1602115230) == 2


@pytest.mark.parametrize("titled", [True, False])
def test_several_dithers_in_one_file(tmp_path, titled):
    text = MEC if titled else MEC.split("\n", 1)[1]
    path = tmp_path / "dither.log"
    path.write_text(text + text.replace("16021152", "16021162"))
    first, second = read_dither_logs(path)
    assert second.start == first.start + 1000
    assert len(second.positions) == 3
    assert second.line > first.line


@pytest.mark.parametrize("ends", ["endtimes", "stoptimes"])
def test_a_legacy_dither_log(tmp_path, ends):
    path = tmp_path / "dither_old.txt"
    path.write_text(
        f"starttimes = [1602115200, 1602115230]\n{ends} = [1602115220, 1602115250]\n"
        "xpos = [1, 2.5]\nypos = [-1, 4]\ninttime = 20\n"
    )
    (dither,) = read_dither_logs(path)
    assert dither.positions[1] == (1602115230, 1602115250, 2.5, 4)
    assert dither.unit == "pixel"
    assert dict(dither.settings) == {"inttime": 20}


def test_a_darkness_dither_stack(tmp_path):
    path = tmp_path / "ditherStack_1508660120.cfg"
    path.write_text(
        "# stack of October\nnPos = 2\nstartTimes = [1508660120, 1508660160]\n"
        "stopTimes = [1508660150, 1508660190]\nxPos = [0, 14.5]\nyPos = [0, -7]\n"
        "darkSpanImg = [1508660000, 1508660010]\ntarget = 'kappa And'\nrefFile = None\n"
        "divideFlat = True\nbinDir = /mnt/data\n"
    )
    (dither,) = read_dither_logs(path)
    assert dither.positions == ((1508660120, 1508660150, 0, 0), (1508660160, 1508660190, 14.5, -7))
    assert dither.settings["target"] == "kappa And"
    assert dither.settings["divideFlat"] is True
    assert dither.settings["darkSpanImg"] == [1508660000, 1508660010]
    assert dither.settings["binDir"] == "/mnt/data"
    assert "nPos" not in dither.settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("starts=[1602115200.5, ", "starts=["), "2 starts, 3 ends and 3 x 3 positions"),
        (("ends=[1602115210.5", "ends=[1602115200.5"), "position 1 ends at"),
        (("ends=", "others="), "ends is missing"),
        (("(0.0, 0.1)", "(0.0, 0.1, 1)"), r"list of \(x, y\)"),
        (("(0.0, 0.1)", "(0.0, 'a')"), "no numbers"),
        (("(0.0, 0.1)", "(0.0, 1e999)"), "no numbers"),
        (("starts=[1602115200.5", "starts=[12"), "no unix seconds"),
        (("starts=[1602115200.5, 1602115212, 1602115224.25]", "starts='a'"), "must be a list"),
        (("starts=[1602115200.5", "starts=[__import__('os').getpid()"), "not a Python literal"),
        (("starts=[", "starts=" + "[" * 200), "too deep"),
        (("starts=[", "starts=[" + "-" * 5000), "too deep"),
    ],
)
def test_a_wrong_dither_log_names_file_cause_and_remedy(tmp_path, change, message):
    path = tmp_path / "dither.log"
    assert change[0] in MEC
    path.write_text(MEC.replace(*change))
    with pytest.raises(InputFormatError, match=rf"dither\.log.*{message}"):
        read_dither_logs(path)


def test_n_pos_must_fit(tmp_path):
    path = tmp_path / "ditherStack_1.cfg"
    path.write_text("nPos=3\nstartTimes=[1508660120]\nstopTimes=[1508660150]\nxPos=[0]\nyPos=[1]")
    with pytest.raises(InputFormatError, match="nPos is 3, but there are 1 positions"):
        read_dither_logs(path)


def test_no_code_of_a_log_is_run(tmp_path):
    path, victim = tmp_path / "dither.log", tmp_path / "victim"
    path.write_text(f"target = open({str(victim)!r}, 'w').close()\n{MEC}")
    (dither,) = read_dither_logs(path)
    assert dither.settings["target"].startswith("open(")
    assert not victim.exists()


def test_another_text_is_no_dither_log(tmp_path):
    path = tmp_path / "dither.txt"
    path.write_text("hello = 1\n")
    with pytest.raises(InputFormatError, match="no dither log"):
        read_dither_logs(path)


# --- finding ---------------------------------------------------------------------------------------


def test_logs_are_found_beside_above_and_in_folders_of_logs(tmp_path):
    data = tmp_path / "run" / "20201007" / "bin"
    data.mkdir(parents=True)
    (data / "1602115200.bin").write_bytes(b"\0" * 8)
    (data / "my notes.txt").write_text("2020-10-08 00:00:10 hello\n")
    (data / "readme.txt").write_text("hello\n")
    (data.parent / "obslog_202010072300.json").write_text(line("20201007230000"))
    (data.parent / "elsewhere.txt").write_text("2020-10-08 00:00:10 above, told by name only\n")
    logs = tmp_path / "run" / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("# comment\n\n" + MEC)
    (logs / "MEC_1.dither.log").write_text(MEC)
    (tmp_path / "obslog_202010072200.json").write_text(line("20201007220000"))  # too far up
    found = find_logs(data / "1602115200.bin")
    assert [path.name for path in found.observing] == ["my notes.txt", "obslog_202010072300.json"]
    assert sorted(path.name for path in found.dithers) == ["MEC_1.dither.log", "a.log"]
    assert data in found.looked
    assert logs in found.looked
    assert find_logs(data) == found


def test_kinds_of_logs_by_content(tmp_path):
    path = tmp_path / "x"
    for content, kind in [
        (line("20201007230000").encode(), "observing"),
        (MEC.encode(), "dither"),
        (b"startTimes = [1, 2]\n", "dither"),
        (b"20201008-000300, end\n", "observing"),
        (b"10000 0 3 4\n", None),
        (b'{"kind": "night"}', None),
        (b"20201008\0", None),
    ]:
        path.write_bytes(content)
        assert kind_of_log(path) == kind
    assert kind_of_log(tmp_path / "missing") is None


def test_logs_of_other_weeks_are_left_out(tmp_path):
    for day in ("20200901", "20200915", "20200930", "20201006", "20201007", "20201008", "20201020"):
        (tmp_path / f"obslog_{day}2000.json").write_text(line(f"{day}200000"))
    (tmp_path / "obslog.json").write_text(line("20201008000000"))
    found = find_logs(tmp_path).of_days(MIDNIGHT + 100, MIDNIGHT + 200)
    assert [path.name for path in found.observing] == [
        "obslog.json",
        "obslog_202009302000.json",
        "obslog_202010062000.json",
        "obslog_202010072000.json",
        "obslog_202010082000.json",
    ]


def test_looking_can_be_cancelled(tmp_path):
    (tmp_path / "a").touch()

    def cancel(*_):
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        find_logs(tmp_path, cancel)
