"""The table of requirements names every one of them, and only tests that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).resolve().parent
TABLE = TESTS / "ACCEPTANCE.md"
WANTED = (
    *(f"D{number:02d}" for number in range(1, 39)),
    *(f"M{number}" for number in (*range(1, 9), 11, 12, 13)),
    *(f"E{number}" for number in (*range(4, 12), 13, 15, 23, 28, 31, 35, 36, 38)),
)
STATES = ("yes", "partly")


class Row(NamedTuple):
    """A line of the table; `tests` are `path::name`."""

    id: str
    requirement: str
    state: str
    tests: tuple[str, ...]
    remark: str


def rows_in(text: str) -> Iterator[Row]:
    """Yield the lines of all tables whose first column is an id."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 5 and re.fullmatch(r"[DME]\d+", cells[0]):
            name, requirement, state, tests, remark = cells
            yield Row(name, requirement, state, tuple(re.findall(r"`([^`]+)`", tests)), remark)


def names_in(path: Path) -> set[str]:
    """Return the names of a file's tests, those of classes as 'Class::name', without running anything."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found |= {
                f"{node.name}::{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test_")
            }
    return found


def problems_of(row: Row) -> Iterator[str]:
    """Say what is wrong with a line."""
    if not row.requirement:
        yield "no requirement"
    if row.state not in STATES:
        yield f"unknown state {row.state!r}"
    if row.state != "yes" and not row.remark:
        yield "does not say what is missing"
    if not row.tests:
        yield "no test"
    for test in row.tests:
        path, _, name = test.partition("::")
        file = TESTS / path
        if not file.is_file():
            yield f"there is no file {path}"
        elif name not in names_in(file):
            yield f"there is no test {test}"


@pytest.fixture(scope="module")
def rows():
    return list(rows_in(TABLE.read_text()))


def test_every_requirement_has_one_line(rows):
    assert [row.id for row in rows] == list(WANTED)


def test_every_line_is_proved_by_tests_that_exist(rows):
    wrong = [f"{row.id}: {problem}" for row in rows for problem in problems_of(row)]
    assert not wrong, "\n".join(wrong)


def test_every_test_of_a_defect_is_in_its_line(rows):
    listed = {row.id: row.tests for row in rows}
    for path in sorted(TESTS.rglob("test_*.py")):
        for name in names_in(path):
            number = re.match(r"test_defect_(\d\d)_", name)
            if number:
                test = f"{path.relative_to(TESTS).as_posix()}::{name}"
                assert test in listed[f"D{number[1]}"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("| M1 | start | yes | | |", "no test"),
        (
            "| M1 | | yes | `test_acceptance_table.py::test_every_requirement_has_one_line` | |",
            "no r",
        ),
        ("| M1 | start | no | | never |", "unknown state"),
        ("| M1 | start | partly | `test_acceptance_table.py::rows` | |", "what is missing"),
        ("| M1 | start | yes | `test_acceptance_table.py::rows` | |", "no test test_acc"),
        ("| M1 | start | yes | `gui/test_nothing.py::test_it` | |", "no file gui/test_n"),
    ],
)
def test_a_wrong_line_is_noticed(line, problem):
    (row,) = rows_in(line)
    assert any(problem in found for found in problems_of(row))
