"""The list of a night: stretches, rates, photon files, spans of logs, and their YAML."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import yaml
from observations import make_observation
from older_files import make_night, write_v3

from pipeline_core import ObsFile
from pipeline_core.errors import InputFormatError, OperationCancelled
from pipeline_core.nightlist import scan_night, stretches_of
from pipeline_core.nightlogs.observing import LogEntry, ObservingLog
from pipeline_core.nightspans import observing_spans
from pipeline_core.nightvalues import LogSpan
from pipeline_core.nightyaml import night_entries

MIDNIGHT = 1602115200  # 2020-10-08 00:00:00 UTC


def raw(folder, seconds, size=80):
    folder.mkdir(parents=True, exist_ok=True)
    for second in seconds:
        with (folder / f"{second}.bin").open("wb") as file:
            file.truncate(size)


def line(utc, **values):
    return json.dumps({"utc": utc, **values}) + "\n"


def entry(unix, **values):
    return LogEntry(unix, json.dumps(values), Path("log"), 1)


def span(kind, label, start, stop):
    return LogSpan(kind, label, start, stop, "", "log", 1)


def test_stretches_and_rates_over_midnight_with_a_gap(tmp_path):
    raw(tmp_path, range(MIDNIGHT - 3, MIDNIGHT + 2), 80)
    raw(tmp_path, range(MIDNIGHT + 4, MIDNIGHT + 6), 240)
    (tmp_path / "0123456789.bin").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("hello")
    night = scan_night(tmp_path)
    assert [(s.start, s.stop, s.n_bytes, s.photons_per_s) for s in night.stretches] == [
        (MIDNIGHT - 3, MIDNIGHT + 2, 400, 10.0),
        (MIDNIGHT + 4, MIDNIGHT + 6, 480, 30.0),
    ]
    ((folder, steps),) = night.rates
    assert folder == tmp_path
    assert [step.photons_per_s for step in steps] == [10.0] * 5 + [30.0] * 2
    assert night.time_range == (MIDNIGHT - 3, MIDNIGHT + 6)
    assert night.spans == night.files == night.problems == ()


def test_stretches_are_those_of_a_dumb_search(tmp_path):
    numbers = random.Random(7)
    seconds = sorted(numbers.sample(range(1_600_000_000, 1_600_000_400), 250))
    found = stretches_of(tmp_path, [(second, 8, 0.0) for second in seconds])
    assert [second for one in found for second in range(one.start, one.stop)] == seconds
    for one in found:
        assert one.start - 1 not in seconds
        assert one.stop not in seconds


def test_long_nights_have_few_steps_and_the_same_sum(tmp_path):
    seconds = [MIDNIGHT + k for k in range(5000) if k % 1000 < 900]
    raw(tmp_path, seconds, 160)
    ((_, steps),) = scan_night(tmp_path).rates
    assert len(steps) <= 2001
    assert {step.photons_per_s for step in steps} == {20.0}
    assert steps[0].start == seconds[0]
    assert steps[-1].stop == seconds[-1] + 1


def test_two_cameras_at_once_are_kept_apart(tmp_path):
    raw(tmp_path / "darkness", range(MIDNIGHT, MIDNIGHT + 10))
    raw(tmp_path / "mec" / "20201008", range(MIDNIGHT + 4, MIDNIGHT + 20))
    night = scan_night(tmp_path)
    darkness, mec = tmp_path / "darkness", tmp_path / "mec" / "20201008"
    assert {(s.folder, s.seconds) for s in night.stretches} == {(darkness, 10), (mec, 16)}
    assert night.raw_in(MIDNIGHT + 3.5, MIDNIGHT + 9) == ((darkness, 6), (mec, 5))
    assert night.seconds_in(mec, MIDNIGHT + 3.5, MIDNIGHT + 5.5) == (MIDNIGHT + 4, MIDNIGHT + 5)
    assert night.raw_in(MIDNIGHT + 20, MIDNIGHT + 30) == ()


def test_logs_become_spans(tmp_path):
    raw(tmp_path, range(MIDNIGHT - 100, MIDNIGHT + 100))
    (tmp_path / "obslog_202010072300.json").write_text(
        line("20201007235900", target="HR 8799", laser="off", filter="J")
        + line("20201007235930", target="HR 8799", laser="off", comment="wind")
        + line("20201008000010", target="flat lamp", laser="off")
        + line("20201008000030", target="laser", laser="980", filter="open")
    )
    (tmp_path / "dither.log").write_text(
        f"starts = [{MIDNIGHT}, {MIDNIGHT + 10}]\nends = [{MIDNIGHT + 8}, {MIDNIGHT + 18}]\n"
        "path = [(0.0, 0.5), (0.1, -0.5)]\n"
    )
    spans = scan_night(tmp_path).spans
    assert [(s.kind, s.label, s.start - MIDNIGHT, s.stop - MIDNIGHT) for s in spans] == [
        ("target", "HR 8799", -60, 10),
        ("dither", "1: (0, 0.5)", 0, 8),
        ("dither", "2: (0.1, -0.5)", 10, 18),
        ("flat", "flat lamp", 10, 30),
        ("laser", "980", 30, 100),
    ]
    assert spans[0].detail == "filter J"
    assert spans[-1].wavelength_nm == 980.0


@pytest.mark.parametrize("off", ["off", "", "OFF", "none", "0", "[0, 0, 0]", False, "false"])
def test_lasers_that_are_off_are_no_span(off):
    log = ObservingLog((entry(10.0, laser="808"), entry(20.0, laser=off), entry(30.0, laser=off)))
    (found,) = observing_spans(log, 99.0)
    assert (found.kind, found.start, found.stop) == ("laser", 10.0, 20.0)


def test_photon_files_tell_their_time_and_state(tmp_path):
    path = make_observation(tmp_path, np.array([[50.0, 20.0, 0.0], [10.0, 5.0, 5.0]]))[0]
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\nno more")
    before = path.read_bytes()
    night = scan_night(tmp_path)
    (file,) = [one for one in night.files if one.path == path]
    assert file.stop > file.start > 1e9
    assert file.state == "not calibrated"
    assert not file.is_older
    assert any("broken.h5" in problem for problem in night.problems)
    assert path.read_bytes() == before


def test_folders_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(InputFormatError, match="missing"):
        scan_night(tmp_path / "missing")
    raw(tmp_path / "good", [MIDNIGHT])
    raw(tmp_path / "locked", [MIDNIGHT])
    usual = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return usual(path)

    monkeypatch.setattr(os, "scandir", scandir)
    night = scan_night(tmp_path)
    assert [one.folder.name for one in night.stretches] == ["good"]
    assert any("locked" in problem for problem in night.problems)


def test_an_empty_folder_has_nothing(tmp_path):
    assert scan_night(tmp_path).time_range is None


def test_a_scan_is_cancelled(tmp_path):
    raw(tmp_path, range(MIDNIGHT, MIDNIGHT + 3))

    def stop(_done, _total, _stage=""):
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        scan_night(tmp_path, stop)


def test_a_range_becomes_entries_of_a_night():
    spans = (
        span("laser", "808 nm", 100.0, 200.5),
        span("laser", "all", 210.0, 220.0),
        span("dark", "dark", 230.2, 240.0),
        span("flat", "flat", 250.0, 300.0),
        span("target", "HR 8799", 300.0, 400.0),
        span("target", "HR-8799?", 400.0, 500.0),
        span("target", "51 Eri", 500.0, 520.0),
        span("target", "HR 8799", 520.0, 900.0),
    )
    text = night_entries(spans, 150.5, 600.0)
    assert yaml.safe_load(text) == {
        "inputs": {
            "HR_8799": [300, 400],
            "HR-8799": [400, 500],
            "target_51_Eri": [500, 520],
            "HR_8799_2": [520, 600],
        },
        "wavecal": [[151, 200, 808]],
        "dark": [231, 240],
        "flatcal": [[250, 300]],
    }
    assert "# all: [210, 220, wavelength in nm]" in text


def test_dithers_are_inputs_and_unknown_ranges_too():
    spans = (
        span("target", "HR 8799", 0.0, 100.0),
        span("dither", "1: (0, 0)", 10.2, 20.0),
        span("dither", "2: (0, 1)", 25.0, 40.9),
    )
    assert yaml.safe_load(night_entries(spans, 0, 100)) == {
        "inputs": {"dithered": True, "pos1": [11, 20], "pos2": [25, 40]}
    }
    assert yaml.safe_load(night_entries((), 5.5, 9.5)) == {"inputs": {"range1": [6, 9]}}
    assert night_entries((), 5.2, 5.8) == ""


def test_what_is_attached_is_told(tmp_path):
    path = make_observation(tmp_path, np.full((3, 2), 20.0))[0]
    with ObsFile(path, mode="write") as obs:
        start = obs.start_unix
        obs.mask_time(0.5, 1.0, "cloud")
    (file,) = scan_night(tmp_path).files
    assert file.state == "masked times"
    assert (file.start, file.stop) == (start, start + 2)


@pytest.mark.parametrize("calibrated", [False, True])
def test_files_of_older_programs_are_told(tmp_path, calibrated):
    night = make_night(calibrated=calibrated)
    write_v3(tmp_path / "older.h5", night, np.zeros(night.res_id.shape, int))
    (file,) = scan_night(tmp_path).files
    assert file.is_older
    assert ("wavelengths" in file.attached) == calibrated
