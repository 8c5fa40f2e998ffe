"""The file of a night as the guide writes it, and as this program writes it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from pipeline_core.errors import ConfigError
from pipeline_core.night.plan import make_plan
from pipeline_core.night.settings import load_night, read_night
from pipeline_core.night.written import night_text

GUIDE = """\
inputs:
  dithered: True
  pos1: (1602050421, 1602050431)
  pos2: (1602050431, 1602050441)
  pos3: (1602050441,
         1602050451)
paths:
  data: raw
  database: db
  out: products
  work: scratch
ncpu: 3
outputs:
  wavecalplots: energysolution, rvsf
wavecal:
  - (1602050400, 1602050405, 808)
  - (1602050405, 1602050410, 980.5)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "night.bmap").write_text("0 0 0 0\n")
    return tmp_path


def night(folder, text):
    return read_night(text, folder / "pipeline.yml")


def test_the_guides_own_file_is_read_and_every_key_counts(folder, monkeypatch):
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)
    found = night(folder, GUIDE)
    assert found.dithered
    assert [(name, one.start, one.stop) for name, one in found.targets.items()] == [
        ("pos1", 1602050421, 1602050431),
        ("pos2", 1602050431, 1602050441),
        ("pos3", 1602050441, 1602050451),
    ]
    places = (found.data, found.database, found.out, found.work)
    assert places == tuple(folder / name for name in ("raw", "db", "products", "scratch"))
    assert found.ncpu == 3
    assert found.wavecalplots == ("energysolution", "rvsf")
    assert [(one.window.start, one.window.stop, one.wavelength_nm) for one in found.wavecal] == [
        (1602050400, 1602050405, 808.0),
        (1602050405, 1602050410, 980.5),
    ]
    assert found.beammap == folder / "raw" / "night.bmap"


@pytest.mark.parametrize(
    "lasers",
    [
        "[(1602050400, 1602050405, 808), (1602050405, 1602050410, 980.5)]",
        "(1602050400, 1602050405, 808), (1602050405, 1602050410, 980.5)",
        "((1602050400, 1602050405, 808), (1602050405, 1602050410, 980.5))",
        "\n  [(1602050400, 1602050405, 808),\n   (1602050405, 1602050410, 980.5)]",
        "[[1602050400, 1602050405, 808], (1602050405, 1602050410, 980.5)]",
        "\n  - [1602050400, 1602050405, 808]\n  - (1602050405, 1602050410, 980.5)",
    ],
)
def test_lists_in_parentheses_are_lists(folder, lasers):
    expected = night(folder, GUIDE)
    before, _, _ = GUIDE.partition("wavecal:\n")
    assert night(folder, f"{before}wavecal: {lasers}\n") == expected


def test_flats_and_dark_in_parentheses(folder):
    found = night(folder, GUIDE + "dark: (10, 20)\nflatcal: (20, 30)\n")
    assert (found.dark.start, found.dark.stop) == (10, 20)
    assert [(one.start, one.stop) for one in found.flatcal] == [(20, 30)]
    two = night(folder, GUIDE + "flatcal: (20, 30), (40, 50)\n")
    assert [(one.start, one.stop) for one in two.flatcal] == [(20, 30), (40, 50)]


def test_mistakes_in_parentheses_have_their_lines(folder):
    wrong = (
        GUIDE.replace("(1602050431, 1602050441)", "(1602050431, 5)")
        .replace("         1602050451)", "         16020504x1)")
        .replace("(1602050400, 1602050405, 808)", "(1602050400, 1602050405)")
        .replace("980.5)", "980.5")
    )
    with pytest.raises(ConfigError) as caught:
        night(folder, wrong)
    lines = str(caught.value).splitlines()
    expected = {
        4: "pos2: the second number is when it stops",
        5: "pos3",
        16: "Write [start, stop, wavelength",
        17: "Write [start",
    }
    for number, words in expected.items():
        assert any(f"line {number}: " in line and words in line for line in lines), lines


def test_the_beam_map_is_found_where_it_is_not_named(folder, monkeypatch):
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)
    deep = folder / "raw" / "20201007"
    deep.mkdir()
    (folder / "raw" / "night.bmap").rename(deep / "deep.bmap")
    assert night(folder, GUIDE).beammap == deep / "deep.bmap"
    (deep / "second.bmap").write_text("")
    with pytest.raises(ConfigError, match="line 1: 'beammap' is missing; without it"):
        night(folder, GUIDE)
    named = folder / "named.bmap"
    named.write_text("")
    monkeypatch.setenv("MKID_BEAMMAP_PATH", str(named))
    assert night(folder, GUIDE).beammap == named
    assert (
        night(folder, GUIDE + "beammap: raw/20201007/second.bmap\n").beammap.name == "second.bmap"
    )


def test_work_holds_the_photon_files(folder, monkeypatch):
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)
    for second in range(1602050400, 1602050451):
        (folder / "raw" / f"{second}.bin").write_bytes(b"12345678")

    class NoHashes:
        def of_all(self, paths):
            return [self.of(path) for path in paths]

        def of(self, path):
            return path.name

    plan = make_plan(night(folder, GUIDE), NoHashes())
    assert not plan.problems
    where = {task.kind: task.outputs[0] for task in plan.tasks}
    assert where["convert"].is_relative_to(folder / "scratch")
    assert where["wavecal"].is_relative_to(folder / "db")
    assert where["pages"].is_relative_to(folder / "products")


# --- written -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"dark": [7, 9], "flatcal": [[1, 2], [3, 4]], "cosmics": True, "badpixels": False},
        {"outputs": {"wavecalplots": ["summary", "rvsf"]}, "ncpu": 7},
        {"products": {"image": False, "cube": {"edges_nm": [700, 800.5, 1000], "rates": True}}},
        {"inputs": {"dithered": True, "yes": [1, 2], "1234": [3, 4], "pos-2_b": [5, 6]}},
        {"paths": {"data": "raw", "database": "d b: #1", "out": "'o\"ut", "work": "ä"}},
    ],
)
def test_what_is_written_is_read_back(folder, values):
    whole = {
        "inputs": {"pos1": [1602050421, 1602050431]},
        "paths": {"data": "raw", "database": "db", "out": "out"},
        "beammap": "raw/night.bmap",
        "wavecal": [[10, 20, 808], [20, 30, 980.5]],
        "badpixels": True,
        "cosmics": None,
        **values,
    }
    text = night_text(whole)
    plain = {key: value for key, value in whole.items() if value is not None}
    assert yaml.safe_load(text) == plain
    path = folder / "pipeline.yml"
    path.write_text(text, encoding="utf-8")
    dumped = night(folder, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    assert dataclasses.replace(load_night(path), source=Path()) == dataclasses.replace(
        dumped, source=Path()
    )


def test_a_long_list_stays_on_its_line():
    edges = list(range(700, 1500, 10))
    text = night_text({"products": {"cube": {"edges_nm": edges}}})
    assert len(text.splitlines()) == 3
    assert yaml.safe_load(text)["products"]["cube"]["edges_nm"] == edges


def test_it_can_be_read_by_people():
    text = night_text(
        {"inputs": {"pos1": [1, 2]}, "wavecal": [[1, 2, 808.0]], "ncpu": 2, "another": {"a": 1}}
    )
    assert text.splitlines()[1:] == [
        "inputs:  # observations of the sky, any names",
        "  pos1: [1, 2]",
        "wavecal:  # start, stop, wavelength in nm",
        "  - [1, 2, 808.0]",
        "ncpu: 2  # tasks at the same time",
        "another:",
        "  a: 1",
    ]
