"""Datastreams and the observing log of a simulated night agree with its raw files."""

import json
import shutil

import numpy as np
import pytest
from simulate_reader import read_folder

from pipeline_core.cli import main
from pipeline_core.errors import InputFormatError, OperationCancelled, OutputError
from pipeline_core.nightlogs.observing import read_observing_log
from pipeline_core.nightlogs.reading import logs_beside, read_logs
from pipeline_core.simulate import SimulationSettings, simulate
from pipeline_core.simulate.dashboard import write_dashboard
from pipeline_core.streams import Stream

SHAPE = (10, 7)
MIDNIGHT = 1602115200


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A night of 7 s across midnight."""
    folder = tmp_path_factory.mktemp("night")
    settings = SimulationSettings(
        "night", shape=SHAPE, rate_cps=60.0, seconds=1, start=MIDNIGHT - 3, seed=2, sky_seconds=2
    )
    made = simulate(settings, folder)
    return made, write_dashboard(made, folder)


def test_frames_are_the_counts_of_the_raw_files(night, tmp_path):
    made, written = night
    (path,) = written.streams
    assert path.name == f"stream{made.start + made.seconds}.fits.gz"
    with Stream(path) as stream:
        assert (stream.n_frames, stream.shape, stream.unit) == (made.seconds, SHAPE, "counts")
        assert stream.doubts == ()
        np.testing.assert_array_equal(stream.starts_unix, made.start + np.arange(made.seconds))
        for number in range(made.seconds):
            alone = tmp_path / str(number)
            alone.mkdir()
            shutil.copy(made.folder / f"{made.start + number}.bin", alone)
            expected = read_folder(alone).image(SHAPE)
            assert expected.sum() > 0
            np.testing.assert_array_equal(stream.frame(number), expected)


def test_the_log_tells_what_was_observed_in_every_second(night):
    made, written = night
    log = read_observing_log(written.obslog)
    assert written.obslog.name == "obslog_202010072359.json"
    with Stream(written.streams[0]) as stream:
        for one in made.observations:
            for second in range(one.start, one.start + one.seconds):
                entry = log.entry_before(second)
                assert entry.target == one.name
                told = "off" if one.wavelength_nm is None else f"{one.wavelength_nm:g} nm"
                number = second - made.start
                assert entry.laser == stream.text(number, "laser") == told
                assert stream.text(number, "target") == one.name


def test_a_minute_makes_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline_core.simulate.dashboard._BLOCK_S", 2)
    made = simulate(SimulationSettings("dark", shape=SHAPE, seconds=5, rate_cps=5.0), tmp_path)
    written = write_dashboard(made, tmp_path)
    assert [path.name for path in written.streams] == [
        f"stream{made.start + k}.fits.gz" for k in (2, 4, 5)
    ]
    numbers = []
    for path in written.streams:
        with Stream(path) as stream:
            numbers += (stream.starts_unix - made.start).tolist()
    assert numbers == [0, 1, 2, 3, 4]
    before = [path.read_bytes() for path in written.streams]
    with pytest.raises(OutputError, match="exists"):
        write_dashboard(made, tmp_path)
    write_dashboard(made, tmp_path, replace=True)
    assert [path.read_bytes() for path in written.streams] == before


def test_the_command_writes_them(tmp_path, capsys):
    command = ["simulate", str(tmp_path), "--kind", "sky", "--seconds", "1", "--rate", "20"]
    command += ["--shape", "10x7", "--dashboard", "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    with Stream(told["datastreams"][0]) as stream:
        assert stream.n_frames == 1
    assert read_observing_log(told["observing log"]).entries[0].target == "sky"


# --- all logs of a night at once -------------------------------------------------------------------


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "obslog_202010072300.json").write_text('{"utc": "20201007230000", "target": "a"}\n')
    (tmp_path / "obslog_202010080001.json").write_text('{"utc": "20201008000100", "target": "b"}\n')
    (tmp_path / "obslog_202010080002.json").write_text("broken\n")
    (tmp_path / "b_dither.log").write_text(
        f"starts=[{MIDNIGHT + 50}]\nends=[{MIDNIGHT + 60}]\npath=[(1, 2)]\n"
    )
    (tmp_path / "a_dither.log").write_text(
        f"starts=[{MIDNIGHT + 70}]\nends=[{MIDNIGHT + 80}]\npath=[(3, 4)]\n"
    )
    (tmp_path / "c_dither.log").write_text("starts=[\n")
    return tmp_path


def test_logs_beside_data_are_read_together(logs):
    found = logs_beside(logs / f"{MIDNIGHT}.h5", MIDNIGHT, MIDNIGHT + 100)
    assert [entry.target for entry in found.observing.entries] == ["a", "b"]
    assert [dither.start - MIDNIGHT for dither in found.dithers] == [50, 70]
    assert len(found.problems) == 2
    assert any("obslog_202010080002.json" in problem for problem in found.problems)
    assert any("c_dither.log" in problem for problem in found.problems)
    dither, number, position = found.dither_at(MIDNIGHT + 75)
    assert (dither.source.name, number, position.x) == ("a_dither.log", 0, 3)
    assert found.dither_at(MIDNIGHT + 65) is None


def test_logs_are_chosen_by_file_or_folder(logs, tmp_path_factory):
    chosen = read_logs([logs / "b_dither.log", logs / "obslog_202010072300.json"])
    assert len(chosen.observing.entries) == len(chosen.dithers) == 1
    assert not chosen.problems
    assert len(read_logs([logs]).observing.entries) == 2
    with pytest.raises(InputFormatError, match=r"obslog_202010080002\.json is no observing log"):
        read_logs([logs / "obslog_202010080002.json"])
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(InputFormatError, match="no observing log and no dither log"):
        read_logs([empty])
    nothing = logs_beside(empty, 0, 1)
    assert not nothing.observing.entries
    assert empty in nothing.looked


def test_reading_logs_can_be_cancelled(logs):
    def cancel(*_):
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        read_logs([logs / "b_dither.log"], cancel)
