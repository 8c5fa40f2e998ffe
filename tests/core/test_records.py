"""Records in HDF5: they come back as they were, and a changed number is refused; finds of the fuzz campaign."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import tables

from pipeline_core.calibration import STORED
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.records import read_record, write_record
from pipeline_core.wavecal.apply import _PlainCurves
from pipeline_core.wavecal.curves import check_kinds


@dataclass(frozen=True, eq=False)
class Plain:
    name: str
    numbers: npt.NDArray[np.float64]
    marks: npt.NDArray[np.bool_]
    many: npt.NDArray[np.uint32]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "record.h5"
    record = Plain(
        "a",
        np.array([[1.5, np.nan, -3.0], [4.0, 5.0, 6.0]]),
        np.zeros((0, 3), bool),
        np.arange(5000, dtype=np.uint32),
    )
    with tables.open_file(str(path), "w") as h5:
        write_record(h5, "/record", record)
    return path


def read(path):
    with tables.open_file(str(path), "r") as h5:
        return read_record(h5, "/record", Plain)


def test_a_record_comes_back(path):
    found = read(path)
    assert found.name == "a"
    np.testing.assert_array_equal(found.numbers, [[1.5, np.nan, -3.0], [4.0, 5.0, 6.0]])
    assert found.marks.shape == (0, 3)
    np.testing.assert_array_equal(found.many, np.arange(5000))


@pytest.mark.parametrize(("node", "at"), [("numbers", (1, 0)), ("many", (4711,))])
def test_a_changed_number_is_refused(path, node, at):
    with tables.open_file(str(path), "a") as h5:
        array = h5.get_node(f"/record/{node}")
        array[at] = array[at] + 1
    with pytest.raises(InputFormatError, match=f"record.h5 is damaged.*{node} is not what was"):
        read(path)


def test_a_record_without_checksums_opens(path):
    """Files that were written before have none."""
    with tables.open_file(str(path), "a") as h5:
        values = json.loads(h5.root.record.values.read().tobytes().decode())
        assert set(values) == {"name", "crc32 of arrays"}
        h5.remove_node("/record/values")
        text = json.dumps({"name": values["name"]}).encode()
        h5.create_array("/record", "values", np.frombuffer(text, np.uint8))
        h5.root.record.numbers[0, 0] = 7.0
    assert read(path).numbers[0, 0] == 7.0


def test_a_curve_of_a_kind_that_is_not_there_is_refused():
    """The campaign's find: kind 255 in a solution, where only an observation may have it, ended in a traceback."""
    check_kinds(np.arange(5, dtype=np.uint8))
    check_kinds(np.array([0, STORED], np.uint8), (STORED,))
    two = np.zeros((2, 3)), np.zeros((2, 3, 3)), np.zeros((2, 2))
    for kind in (5, STORED):
        with pytest.raises(ConfigError, match=f"no curve of kind {kind}"):
            _PlainCurves(np.array([1, kind], np.uint8), *two)
