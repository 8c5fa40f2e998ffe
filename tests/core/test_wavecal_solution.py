import dataclasses

import numpy as np
import pytest
import tables
from wavecal_solutions import full_solution

from pipeline_core.beammap import Beammap
from pipeline_core.cli import main
from pipeline_core.describe_file import describe_file
from pipeline_core.errors import ConfigError, InputFormatError, OutputError, SchemaVersionError
from pipeline_core.wavecal.solution import load_solution

BEAMMAP = Beammap.design((4, 3))


def assert_same(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if dataclasses.is_dataclass(a):
            assert_same(a, b)
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype, field.name
            np.testing.assert_array_equal(a, b, err_msg=field.name)
            assert not b.flags.writeable, field.name
        else:
            assert a == b, field.name


def test_a_solution_survives_its_file(tmp_path):
    solution = full_solution(BEAMMAP, "unknown")
    path = solution.save(tmp_path / "s.h5")
    assert_same(solution, load_solution(path))
    assert load_solution(path).reason((0, 0)) == "No photons µ."
    with pytest.raises(OutputError, match="exists already"):
        solution.save(path)
    solution.save(path, overwrite=True)
    path.write_bytes(path.read_bytes()[:3000])  # what nobody can read may go
    solution.save(path, overwrite=True)
    assert_same(solution, load_solution(path))


def test_no_file_of_another_kind_is_replaced(tmp_path):
    path = tmp_path / "photons.h5"
    with tables.open_file(path, "w") as h5:
        h5.root._v_attrs.format = "mkid-photons"
    before = path.read_bytes()
    with pytest.raises(OutputError, match="is not a wavelength solution, so it is not replaced"):
        full_solution(BEAMMAP, "unknown").save(path, overwrite=True)
    lasers = ["--laser", "800=none.h5", "--laser", "900=none.h5"]
    assert main(["wavecal", *lasers, "--out", str(path), "--overwrite", "--quiet"]) == 1
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_there_are_no_pickles_in_the_file(tmp_path):
    path = full_solution(BEAMMAP, "unknown").save(tmp_path / "s.h5")
    with tables.open_file(str(path)) as h5:
        for node in h5.walk_nodes("/"):
            assert isinstance(node, (tables.Group, tables.Array)), node
            assert not isinstance(node, tables.VLArray)
            for name in node._v_attrs._v_attrnames:
                raw = node._v_attrs._g_getattr(node, name)
                assert not (isinstance(raw, (bytes, np.bytes_)) and raw.endswith(b".")), name


def test_the_id_tells_solutions_apart():
    one = full_solution(BEAMMAP, "unknown")
    assert one.solution_id == full_solution(BEAMMAP, "unknown", created_unix=5.0).solution_id
    assert len(one.solution_id) == 16
    others = [
        full_solution(BEAMMAP, "unknown", seed=1),
        full_solution(BEAMMAP, "unknown", baseline="keep"),
        full_solution(BEAMMAP, "unknown", settings="{}"),
        full_solution(BEAMMAP, "unknown", inputs=()),
        full_solution(BEAMMAP, "unknown", flags=np.zeros((4, 3), np.uint32)),
    ]
    assert len({one.solution_id, *(other.solution_id for other in others)}) == 6


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="resolving_power"):
        full_solution(BEAMMAP, "unknown", resolving_power=np.zeros((12, 2)))
    with pytest.raises(ConfigError, match="12 pixels"):
        full_solution(BEAMMAP, "unknown", reasons=("",))


def test_files_that_are_no_solutions(tmp_path):
    path = full_solution(BEAMMAP, "unknown").save(tmp_path / "s.h5")
    with tables.open_file(str(path), "a") as h5:
        h5.root._v_attrs.version = 7
    with pytest.raises(SchemaVersionError, match="solution version 7"):
        load_solution(path)
    with tables.open_file(str(path), "a") as h5:
        h5.root._v_attrs.version = 1
        h5.remove_node("/solution/curves/kind")
    with pytest.raises(InputFormatError, match=r"s\.h5 is damaged"):
        load_solution(path)
    with tables.open_file(str(path), "w"):
        pass
    with pytest.raises(InputFormatError, match="not a wavelength solution"):
        load_solution(path)
    with pytest.raises(InputFormatError, match="cannot be read"):
        load_solution(tmp_path / "none.h5")


def test_bytes_lost_anywhere_are_an_error_that_names_the_file(tmp_path):
    path = full_solution(BEAMMAP, "unknown", n_bin=20).save(tmp_path / "s.h5")
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    messages = []
    for _ in range(60):
        spoilt = bytearray(whole)
        at = int(rng.integers(0, len(whole)))
        spoilt[at : at + 64] = bytes(rng.integers(0, 256, 64, np.uint8))[: len(whole) - at]
        path.write_bytes(spoilt)
        try:
            load_solution(path)
        except (InputFormatError, SchemaVersionError) as error:
            messages.append(str(error))
    assert len(messages) > 5
    assert all("s.h5" in message for message in messages)


def test_info_tells_what_a_solution_is(tmp_path, capsys):
    path = full_solution(BEAMMAP, "unknown").save(tmp_path / "s.h5")
    found = describe_file(path)
    assert found["kind"] == "wavelength solution"
    assert found["pixels calibrated"] == "9 of 12 (75.0%)"
    assert found["reasons"] == {"No photons µ.": 3}
    assert list(found["lines"]) == ["808 nm", "980 nm", "1310 nm"]
    assert found["settings"] == {"dt_us": 500.0}
    assert main(["info", str(path)]) == 0
    assert "wavelength solution" in capsys.readouterr().out


@pytest.mark.slow
def test_a_large_solution_loads(tmp_path):
    beammap = Beammap.design((140, 146))
    wavelengths = np.array([850.0, 950.0, 1100.0, 1250.0, 1375.0])
    path = full_solution(beammap, "MEC", wavelengths=wavelengths).save(tmp_path / "s.h5")
    assert load_solution(path).lines.centre_deg.shape == (140 * 146, 5)
