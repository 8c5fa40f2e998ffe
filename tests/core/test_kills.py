"""Killed at any moment: files are as before or as after, the next run works and tidies up."""

import random

import kill_cases
import pytest

NAMES = (
    "convert",
    "convert again",
    "first annotation",
    "annotate",
    "apply",
    "bad pixels",
    "time mask",
    "undo",
    "pack",
    "unpack",
)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return kill_cases.write_night(tmp_path_factory.mktemp("night"))


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))


def test_all_cases_are_here(night):
    assert tuple(kill_cases.cases(night)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_before_and_after_are_the_only_states(night, tmp_path, name):
    case = kill_cases.cases(night)[name]
    folder = tmp_path / "case"
    lines = kill_cases.lines_of(case, night, folder)
    found = {kill_cases.kill_at_line(case, night, folder, 0)}
    found.add(kill_cases.kill_at_line(case, night, folder, lines))  # too late
    assert found == {"before", "after"}
    rng = random.Random(name)
    for _ in range(2):
        kill_cases.kill_at_line(case, night, folder, rng.randrange(lines))


def test_a_file_that_is_half_written_would_be_seen(night, tmp_path):
    case = kill_cases.cases(night)["pack"]
    kill_cases._prepare(case, night, tmp_path / "case")
    whole = night.packed.read_bytes()
    (tmp_path / "case" / "o.packed.h5").write_bytes(whole[: len(whole) - 1000])
    with pytest.raises(Exception, match="damaged"):
        case.state(night, tmp_path / "case")
