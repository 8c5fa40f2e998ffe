"""Solutions on disk: what comes back, what older scripts find, and what is refused."""

import dataclasses

import numpy as np
import pytest
import tables
from flat_fields import draw, inputs_of, lamp, responses, settings

from pipeline_core.errors import ConfigError, InputFormatError, OutputError, SchemaVersionError
from pipeline_core.flatcal.compute import solve
from pipeline_core.flatcal.describe import describe_solution
from pipeline_core.flatcal.solution import load_solution


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(1)
    response = responses(30, rng)
    response[2] = 0
    spectra, _ = draw(response, lamp(), rng)
    return solve(spectra, settings(), inputs_of(30))


@pytest.mark.parametrize("chunk", [None, 0])
def test_what_is_saved_comes_back(result, tmp_path, chunk):
    solution = result.combined if chunk is None else result.chunks[chunk]
    path = solution.save(tmp_path / "s.h5")
    back = load_solution(path)
    for field in dataclasses.fields(solution):
        mine, theirs = getattr(solution, field.name), getattr(back, field.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, theirs)
            assert mine.dtype == theirs.dtype
            assert not theirs.flags.writeable
        else:
            assert mine == theirs
    with pytest.raises(OutputError, match="exists"):
        solution.save(path)
    assert describe_solution(back, path) == describe_solution(solution, path)


def test_older_scripts_find_what_they_look_for(result, tmp_path):
    """Nodes, columns and types of the predecessor's files of 2018."""
    solution = result.combined
    path = solution.save(tmp_path / "s.h5")
    with tables.open_file(str(path)) as h5:
        root = h5.root
        np.testing.assert_array_equal(root.flatcal.weights.read(), solution.weights)
        assert root.flatcal.weights.read().shape == (30, 1, 94)
        np.testing.assert_array_equal(root.flatcal.flags.read(), solution.masked)
        assert root.flatcal.flags.read().dtype == bool
        np.testing.assert_array_equal(root.flatcal.wavelengthBins.read(), solution.edges_nm)
        np.testing.assert_array_equal(root.flatcal.spectrum.read(), solution.counts)
        np.testing.assert_array_equal(root.header.beamMap.read(), solution.res_id)
        assert (root.header.nxpix.read(), root.header.nypix.read()) == (30, 1)
        rows = root.flatcal.calsoln.read()
    assert rows.dtype.names == (
        *("flag", "pixelcol", "pixelrow", "resid", "spectrum", "weightFlags"),
        *("weightUncertainties", "weights"),
    )
    assert rows["pixelrow"].tolist() == list(range(30))  # that is x
    assert not rows["pixelcol"].any()
    np.testing.assert_array_equal(rows["weights"], solution.weights[:, 0])
    np.testing.assert_array_equal(rows["weightUncertainties"], solution.errors[:, 0])
    assert rows["flag"].tolist() == [int(k == 2) for k in range(30)]


def test_ids_tell_solutions_apart(result):
    ids = {one.solution_id for one in (result.combined, *result.chunks)}
    assert len(ids) == 7
    solution = result.combined
    same = dataclasses.replace(solution, solution_id="")
    assert same.solution_id == solution.solution_id
    changed = solution.weights * 1.001
    assert dataclasses.replace(solution, weights=changed, solution_id="").solution_id not in ids


def test_what_is_no_solution(result, tmp_path):
    path = result.combined.save(tmp_path / "s.h5")
    with tables.open_file(str(path), "a") as h5:
        h5.root._v_attrs.version = 99
    with pytest.raises(SchemaVersionError, match="version 99"):
        load_solution(path)
    with tables.open_file(str(path), "a") as h5:
        h5.root._v_attrs.version = 1
        h5.remove_node("/solution/weights")
    with pytest.raises(InputFormatError, match="cannot be understood"):
        load_solution(path)
    with tables.open_file(str(path), "a") as h5:
        h5.root._v_attrs.format = "else"
    with pytest.raises(InputFormatError, match="not a flat-field solution"):
        load_solution(path)
    with pytest.raises(ConfigError, match="weights has shape"):
        dataclasses.replace(result.combined, weights=np.ones((3, 3, 94)))


def test_description(result, tmp_path):
    text = str(describe_solution(result.combined, tmp_path / "s.h5"))
    assert "29 of 30" in text
    assert "700.0 to 1500.0 nm in 94 bins" in text
    assert "'no_counts': 94" in text


def test_correlations_of_ratios_are_those_of_nothing(result):
    matrix = result.chunks[0].correlation((0, 0))
    np.testing.assert_allclose(np.diag(matrix), 1.0)
    assert not matrix[0, 1:].any()
