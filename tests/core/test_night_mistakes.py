"""Mistakes that a tired observer makes in ``pipeline.yml``: each has its line, what is wrong, and what helps."""

from __future__ import annotations

import re

import pytest

from pipeline_core.cli import main
from pipeline_core.convert import MAX_DURATION_S
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.night.ranges import Placed, Window, overlaps, range_problem
from pipeline_core.night.settings import load_night

GOOD = """\
inputs:
  dithered: true
  pos1: [1602050420, 1602050430]
  pos2: [1602050430, 1602050440]
paths:
  data: raw
  database: db
  out: out
wavecal:
  - [1602050440, 1602050445, 808]
  - [1602050445, 1602050450, 920]
dark: [1602050450, 1602050455]
flatcal: [1602050455, 1602050460]
products:
  image: true
  cube: {energy_bin_ev: 0.1}
  stack: {upsample: 2}
  speckle: {bin_s: 0.02}
ncpu: 2
"""

_POS1 = "pos1: [1602050420, 1602050430]"
_MISTAKES = {
    "a tab": ([("  pos1", "\tpos1")], {3: "there is a tab"}),
    "tabs": (
        [("  pos1", "\tpos1"), ("ncpu: 2", "ncpu:\t2"), ("  out", "\tout")],
        {3: "Put blanks", 8: "Put blanks", 19: "Put blanks"},
    ),
    "a tab, first of a block": ([("  data", "\tdata")], {6: "there is a tab"}),
    "no colon": ([("pos1:", "pos1")], {3: "no colon after the name. Write 'pos1: [1602050420,"}),
    "no colon, first of a block": (
        [("data:", "data")],
        {6: "no colon after the name. Write 'data"},
    ),
    "no blank after a colon": ([("ncpu: 2", "ncpu:2")], {19: "Write 'ncpu: 2'"}),
    "an open bracket": ([("1602050430]", "1602050430")], {3: "bracket '[' is not closed. Add ']'"}),
    "an open brace": ([("upsample: 2}", "upsample: 2")], {17: "Add '}'"}),
    "an open quotation mark": ([("data: raw", "data: 'raw")], {6: "is not closed. Close it"}),
    "a line too far left": ([("  database", " database")], {7: "not begin below its neighbours"}),
    "a line too far right": ([("  database", "     database")], {7: "as many blanks as they have"}),
    "swapped": (
        [(_POS1, "pos1: [1602050430, 1602050420]")],
        {3: "pos1: it stops (1602050420) before it starts (1602050430). Swap"},
    ),
    "a duration": ([(_POS1, "pos1: [1602050420, 10]")], {3: "write [1602050420, 1602050430]"}),
    "milliseconds": (
        [(_POS1, "pos1: [1602050420000, 1602050430000]")],
        {3: "looks like milliseconds. Write seconds: 1602050420."},
    ),
    "fractions": ([("1602050430]", "1602050430.5]")], {3: "1602050430.5 is no whole second"}),
    "dates": (
        [(_POS1, "pos1: [2020-10-07 06:00:20, 2020-10-07 06:00:30]")],
        {3: "(taken as UTC) write 1602050420"},
    ),
    "no date": ([("1602050430]", "2020-13-45]")], {3: "no plain value (month must be"}),
    "overlapping positions": (
        [("pos2: [1602050430", "pos2: [1602050425")],
        {4: "pos2 shares the seconds 1602050425 to 1602050430 with pos1 (line 3). Correct"},
    ),
    "lasers at once": ([("[1602050445", "[1602050444")], {11: "with laser 808 nm (line 10)"}),
    "dark under a laser": ([("dark: [1602050450", "dark: [1602050449")], {12: "laser 920 nm"}),
    "micrometres": (
        [("808]", "0.808]"), ("920]", "0.92]")],
        {10: "looks like micrometres. Write nm: 808", 11: "Write nm: 920"},
    ),
    "micrometres of a cube": (
        [("energy_bin_ev: 0.1", "edges_nm: [0.8, 1.1]")],
        {16: "looks like micrometres. Write nm:"},
    ),
    "unknown keys": (
        [("flatcal:", "flatfield:"), ("energy_bin_ev", "energy_bin"), ("  out:", "  output:")],
        {6: "'out' is missing", 8: "mean 'out'", 13: "mean 'flatcal'", 16: "mean 'energy_bin_ev'"},
    ),
    "wrong types": (
        [
            ("ncpu: 2", "ncpu: two"),
            ("image: true", "image: maybe"),
            ("dithered: true", "dithered: 1"),
        ],
        {
            2: "dithered is 1. Write true",
            15: "Write true or false",
            19: "ncpu is 'two'. Write a whole",
        },
    ),
    "wrong types of products": (
        [("0.1}", "fine}"), ("upsample: 2", "method: medain, upsample: 2.5"), ("0.02", "quick")],
        {16: "Write a number", 17: "upsample must be a whole", 18: "bin_s = 'quick' must be"},
    ),
    "wrong names of speckles": ([("bin_s: 0.02", "bin_ms: 20, with_ip: 3")], {18: "mean 'bin_s'"}),
    "no such folder": ([("data: raw", "data: rwa")], {6: "no folder"}),
    "no such beam map": ([("ncpu: 2", "beammap: n.bmap")], {19: "there is no file"}),
    "no such log": ([("upsample: 2", "dither_log: no.log")], {17: "no.log cannot be read"}),
    "empty": (
        [("dark: [1602050450, 1602050455]", "dark:"), ("ncpu: 2", "ncpu:")],
        {12: "dark is empty. Write [start, stop]", 19: "nothing stands behind 'ncpu'"},
    ),
    "twice": ([("ncpu: 2", "ncpu: 2\nncpu: 3")], {20: "'ncpu' stands twice. Keep one"}),
    "one laser": ([("  - [1602050445, 1602050450, 920]\n", "")], {10: "needs two lasers"}),
    "a number for a range": (
        [("[1602050450, 1602050455]", "1602050450")],
        {12: "dark is 1602050450."},
    ),
    "a word of Python": ([("ncpu: 2", "ncpu: !!python/name:os.system")], {19: "no plain value"}),
    "a value of itself": ([(_POS1, "pos1: &a [*a, 1]")], {3: "no plain value"}),
}

_HELPS = re.compile(r"\. [A-Z]|must be|: choose of")


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "night.bmap").write_text("0 0 0 0\n")

    def make(changes):
        text = GOOD
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "pipeline.yml"
        path.write_text(text)
        return path

    return make


def told(path):
    with pytest.raises((ConfigError, InputFormatError)) as caught:
        load_night(path)
    found = {}
    for line in str(caught.value).splitlines():
        match = re.fullmatch(rf"{re.escape(str(path))}, line (\d+): (.+)", line)
        assert match, line
        found.setdefault(int(match[1]), []).append(match[2])
    return found


def test_the_file_itself_is_good(write):
    assert len(load_night(write([])).targets) == 2


@pytest.mark.parametrize("name", _MISTAKES)
def test_a_mistake_has_its_line_and_what_helps(write, name):
    changes, expected = _MISTAKES[name]
    found = told(write(changes))
    assert set(found) == set(expected), found  # and nothing that only follows from it
    for line, words in expected.items():
        assert any(words in text for text in found[line]), found
        assert all(_HELPS.search(text) and text.endswith(".") for text in found[line]), found


def test_wrong_lasers_are_not_too_few_lasers(write):
    assert {
        line: len(texts) for line, texts in told(write(_MISTAKES["micrometres"][0])).items()
    } == {10: 1, 11: 1}


def test_all_mistakes_are_told_at_once_also_where_the_text_is_no_yaml(write):
    names = ("a tab", "an open brace", "swapped", "micrometres", "wrong types")
    changes = [one for name in names for one in _MISTAKES[name][0]]
    expected = {line for name in names for line in _MISTAKES[name][1]}
    changes[0] = ("  pos2", "\tpos2")
    assert set(told(write(changes))) == (expected | {4})


def test_a_text_that_cannot_be_mended_says_that_the_rest_was_not_read(write):
    found = told(write([("ncpu: 2", "ncpu: *two"), ("0.1}", "fine}")]))
    assert list(found) == [19]
    assert "what comes after it was not read" in found[19][0]


def test_other_letters_than_utf8_have_their_line(write):
    path = write([])
    path.write_bytes(GOOD.replace("paths:", "# déjà vu\npaths:").encode("latin-1"))
    with pytest.raises(InputFormatError, match=r"line 5: .* Save the file as UTF-8"):
        load_night(path)


def test_the_command_lists_them_and_shows_no_traceback(write, capsys):
    path = write([change for one in ("swapped", "micrometres") for change in _MISTAKES[one][0]])
    assert main(["run", str(path), "--dry-run"]) == 1
    said = capsys.readouterr().err
    assert [f"line {line}: " in said for line in (3, 10, 11)] == [True] * 3
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("start", "stop", "words"),
    [
        (10, 20, ""),
        (10, 10, "lasts 0 s"),
        (0, MAX_DURATION_S + 1, "Cut it"),
        (-5, 10, "-5 is no unix second"),
        (1602050420, True, "True is no unix second"),
        (1602050420000000, 1602050430000000, "microseconds. Write seconds: 1602050420"),
        (None, 3, "a time is missing"),
    ],
)
def test_ranges(start, stop, words):
    problem = range_problem(start, stop)
    assert words in problem
    assert bool(problem) == bool(words)


def test_ranges_may_touch_and_observations_may_share_seconds_unless_they_are_positions():
    ranges = [
        Placed("sky", "whole", Window(10, 20), 1),
        Placed("sky", "part", Window(12, 15), 2),
        Placed("dark", "dark", Window(20, 30), 3),
    ]
    assert list(overlaps(ranges, dithered=False)) == []
    assert [line for line, _ in overlaps(ranges, dithered=True)] == [2]
    ranges[2] = Placed("flat", "flat of the twilight", Window(15, 30), 3)
    assert list(overlaps(ranges, dithered=False)) == []
    ranges.append(Placed("dark", "dark", Window(29, 40), 4))
    ((line, text),) = overlaps(ranges, dithered=False)
    assert line == 4
    assert "with flat of the twilight (line 3)" in text
