"""Conversions to several files, with a lowered limit: together they hold what one file would."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rawdata import header, photon, read_rows_plainly, write_words

from pipeline_core import convert as convert_module
from pipeline_core.beammap import Beammap
from pipeline_core.cli import main
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.convert_parts import convert_parts, parts_of
from pipeline_core.errors import ConfigError, InputFormatError, OperationCancelled, OutputError

START = 1602050400
YEAR_2020 = 1577836800
SHAPE = (5, 3)


@pytest.fixture
def limit(monkeypatch):
    monkeypatch.setattr(convert_module, "MAX_DURATION_S", 3)


@pytest.fixture
def raw(tmp_path):
    """Eight seconds of photons; the packets of a second are spread over two files."""
    folder = tmp_path / "raw"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for k in range(8):
        words = []
        for tick in range(0, 2000, 100):
            at = (START - YEAR_2020 + k) * 2000 + tick - 300
            words.append(header(9, k * 20 + tick // 100, at))
            words += [
                photon(rng.integers(5), rng.integers(3), t, rng.integers(-9000, 0))
                for t in np.sort(rng.integers(0, 500, 6))
            ]
        write_words(folder / f"{START + k}.bin", words)
    return folder


def settings_for(raw, duration, **changes):
    out = raw.parent / "out"
    out.mkdir(exist_ok=True)
    beammap = Beammap.design(SHAPE, feedlines=1)
    return ConvertSettings(raw, START, duration, beammap, out, split=True, **changes)


def rows_by_pixel(path, offset_s=0):
    rows, start, stop = read_rows_plainly(path)
    return {
        pixel: [
            (int(row["Time"]) + 1_000_000 * offset_s, float(row["Wavelength"]))
            for row in rows[start[pixel] : stop[pixel]]
        ]
        for pixel in np.ndindex(SHAPE)
    }


def test_parts_hold_what_one_file_would(raw, monkeypatch):
    whole = dataclasses.replace(settings_for(raw, 7), split=False, out=raw.parent / "whole.h5")
    convert(whole)
    monkeypatch.setattr(convert_module, "MAX_DURATION_S", 3)
    summary = convert_parts(settings_for(raw, 7))
    names = [part.path.name for part in summary.parts]
    assert names == [f"{START + k}.h5" for k in (0, 3, 6)]
    assert sorted(path.name for path in (raw.parent / "out").iterdir()) == names
    expected = rows_by_pixel(whole.out)
    found = {pixel: [] for pixel in expected}
    for part, offset in zip(summary.parts, (0, 3, 6), strict=True):
        for pixel, rows in rows_by_pixel(part.path, offset).items():
            found[pixel] += rows
    assert found == expected
    assert summary.n_photons == sum(map(len, expected.values())) > 700
    assert summary.path.name == names[0]
    lines = summary.lines()
    assert lines[0] == f"{summary.n_photons:,} photons in 3 files"
    assert all(any(name in line for line in lines) for name in names)


def test_what_is_short_enough_is_one_file(raw, limit):
    summary = convert_parts(settings_for(raw, 3))
    assert [part.path.name for part in summary.parts] == [f"{START}.h5"]
    assert summary.lines() == summary.parts[0].lines()


@given(st.integers(1, 40_000))
def test_parts_are_few_and_equal(tmp_path_factory, duration):
    folder = tmp_path_factory.getbasetemp()
    beammap = Beammap.design(SHAPE, feedlines=1)
    parts = parts_of(ConvertSettings(folder, START, duration, beammap, folder, split=True))
    lengths = [part.duration for part in parts]
    assert len(parts) == -(-duration // 4294)
    assert sum(lengths) == duration
    assert len(set(lengths[:-1])) <= 1
    assert 0 < lengths[-1] <= lengths[0] <= 4294
    starts = [part.start for part in parts]
    assert starts == [START + sum(lengths[:k]) for k in range(len(parts))]
    assert [part.out for part in parts] == [folder / f"{start}.h5" for start in starts]


def test_without_being_asked_nothing_is_split(raw, limit):
    with pytest.raises(ConfigError, match=r"more than 3 s.*--split"):
        dataclasses.replace(settings_for(raw, 7), split=False)
    with pytest.raises(ConfigError, match="convert_parts"):
        convert(settings_for(raw, 7))


def test_the_name_of_the_output_must_be_that_of_the_first_part(raw, limit):
    named = dataclasses.replace(settings_for(raw, 7), out=raw.parent / f"{START}.h5")
    assert parts_of(named)[1].out == raw.parent / f"{START + 3}.h5"
    with pytest.raises(ConfigError, match=r"named by their first second.*folder that exists"):
        dataclasses.replace(named, out=raw.parent / "mine.h5")


def test_a_file_that_exists_is_found_before_anything_is_written(raw, limit):
    settings = settings_for(raw, 7)
    (raw.parent / "out" / f"{START + 6}.h5").touch()
    with pytest.raises(OutputError, match=f"{START + 6}.h5 exists already"):
        convert_parts(settings)
    assert len(list((raw.parent / "out").iterdir())) == 1
    assert len(convert_parts(dataclasses.replace(settings, overwrite=True)).parts) == 3
    (raw.parent / "out" / f"{START + 3}.cal.h5").touch()
    before = (raw.parent / "out" / f"{START}.h5").read_bytes()
    with pytest.raises(OutputError, match="keeps the history"):
        convert_parts(dataclasses.replace(settings, overwrite=True))
    assert (raw.parent / "out" / f"{START}.h5").read_bytes() == before


def test_parts_without_raw_files_are_left_out_and_named(raw, limit):
    for k in (2, 3, 4, 5):
        (raw / f"{START + k}.bin").unlink()
    settings = settings_for(raw, 6)
    summary = convert_parts(settings)
    assert [part.path.name for part in summary.parts] == [f"{START}.h5"]
    assert summary.empty == ((START + 3, 3),)
    assert any(f"{START + 3} to {START + 5}" in text for text in summary.warnings)
    with pytest.raises(InputFormatError, match=r"has no \.bin file"):
        convert_parts(dataclasses.replace(settings, start=START + 10, out=settings.out.parent))


def test_space_for_all_parts_is_looked_for_first(raw, limit, monkeypatch):
    class Full:  # each part has enough, but not all of them
        free = (10 << 20) + 7 * (raw / f"{START}.bin").stat().st_size

    monkeypatch.setattr("shutil.disk_usage", lambda _: Full)
    with pytest.raises(OutputError, match="GB free; this conversion may need"):
        convert_parts(settings_for(raw, 7))
    assert not list((raw.parent / "out").iterdir())


def test_progress_goes_through_the_parts_and_cancelling_keeps_the_first(raw, limit):
    seen = []

    def report(done, total, stage=""):
        seen.append((done / total, stage))
        if stage.startswith("file 2 of 3: writing"):
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        convert_parts(settings_for(raw, 7), report)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert any(stage.startswith("file 1 of 3: ") for _, stage in seen)
    assert 3 / 7 < seen[-1][0] < 6 / 7
    assert [path.name for path in (raw.parent / "out").iterdir()] == [f"{START}.h5"]


def test_command_line(raw, limit, capsys):
    beammap = raw.parent / "map.bmap"
    Beammap.design(SHAPE, feedlines=1).write(beammap)
    out = raw.parent / "out"
    out.mkdir()
    arguments = ["convert", raw, "--start", START, "--duration", 5, "--beammap", beammap]
    arguments = [str(word) for word in (*arguments, "--out", out, "--json")]
    assert main(arguments) == 1
    assert "--split" in capsys.readouterr().err
    assert main([*arguments, "--split"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in told["files"]] == [str(out / f"{START + k}.h5") for k in (0, 3)]
    assert told["photons"] == sum(row["photons"] for row in told["files"])
