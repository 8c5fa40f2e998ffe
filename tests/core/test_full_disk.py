"""A disk that is full in the middle of writing: an error that names the file, the old one stays, nothing is left.

The disk is played by a limit of the size of files, in a forked child; HDF5 and the system behave as with a full one.
"""

import contextlib
import dataclasses
import io
import os
import pickle
import re
import resource
import shutil

import fuzz_cases
import kill_cases
import pytest

from pipeline_core import ObsFile
from pipeline_core.badpixels.solution import load_bad_pixels
from pipeline_core.cli import main
from pipeline_core.errors import OutputError
from pipeline_core.flatcal.solution import load_solution as load_flat
from pipeline_core.simulate import SimulationSettings, simulate
from pipeline_core.timemask.solution import load_time_mask
from pipeline_core.wavecal.solution import load_solution as load_wavecal


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return kill_cases.write_night(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return fuzz_cases.write_originals(tmp_path_factory.mktemp("originals"))


def with_files_up_to(size, call):
    """Call in a child in which no file can grow beyond `size`; return what it raised, or None."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
            call()
            answer = None
        except Exception as error:
            answer = (type(error), str(error))
        try:
            os.write(write, pickle.dumps(answer)[:60_000])
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        answer = pickle.loads(stream.read())
    os.waitpid(child, 0)
    return answer


SIZES = [0, 3000, 40_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["convert", "convert again", "first annotation", "undo", "pack"])
def test_nothing_is_half_written(night, tmp_path, name, size):
    case = kill_cases.cases(night)[name]
    folder = tmp_path / "case"
    kill_cases._prepare(case, night, folder)
    names = sorted(path.name for path in folder.iterdir())
    kind, said = with_files_up_to(size, lambda: case.act(folder))
    assert issubclass(kind, OutputError), said
    assert str(folder) in said
    assert case.state(night, folder) == "before"
    assert sorted(path.name for path in folder.iterdir()) == names


@pytest.mark.parametrize(
    ("name", "written"),
    [("convert", "o.h5"), ("annotate", "o.cal.h5"), ("pack", "o.packed.h5"), ("apply", "o.cal.h5")],
)
def test_one_byte_too_few_is_noticed(night, tmp_path, name, written):
    """What HDF5 writes last, when it closes, counts too."""
    case = kill_cases.cases(night)[name]
    folder = tmp_path / "case"
    kill_cases._prepare(case, night, folder)
    case.act(folder)
    size = (folder / written).stat().st_size
    for limit, enough in ((size - 1, False), (size - 700, False), (size + 5_000_000, True)):
        kill_cases._prepare(case, night, folder)
        raised = with_files_up_to(limit, lambda: case.act(folder))
        assert (raised is None) == enough, raised
        assert case.state(night, folder) == ("after" if enough else "before")


@pytest.mark.parametrize("size", SIZES)
def test_unpacking(night, tmp_path, size):
    case = kill_cases.cases(night)["unpack"]
    folder = tmp_path / "case"
    kill_cases._prepare(case, night, folder)
    kind, said = with_files_up_to(size, lambda: case.act(folder))
    assert issubclass(kind, OutputError), said
    assert case.state(night, folder) == "before"
    assert [p for p in folder.iterdir() if p.suffix == ".part"] == []


@pytest.mark.parametrize("size", [0, 3000])
@pytest.mark.parametrize(
    ("kind", "load"),
    [
        ("wavecal", load_wavecal),
        ("flatcal", load_flat),
        ("badpixels", load_bad_pixels),
        ("timemask", load_time_mask),
    ],
)
def test_solutions(originals, tmp_path, kind, load, size):
    solution = load(originals.files[kind])
    out = tmp_path / "s.h5"
    error, said = with_files_up_to(size, lambda: solution.save(out))
    assert issubclass(error, OutputError), said
    assert str(out) in said
    assert list(tmp_path.iterdir()) == []
    solution.save(out)
    before = out.read_bytes()
    changed = dataclasses.replace(solution, settings="{}", solution_id="")
    error, said = with_files_up_to(size, lambda: changed.save(out, overwrite=True))
    assert issubclass(error, OutputError), said
    assert out.read_bytes() == before


@pytest.mark.parametrize("ending", ["fits", "npz", "csv"])
def test_exports(originals, tmp_path, ending):
    path = shutil.copy(originals.files["photons"], tmp_path / "o.h5")
    out = tmp_path / f"i.{ending}"

    def export():
        said = io.StringIO()  # no file, which could not grow either
        with contextlib.redirect_stderr(said):
            code = main(["image", str(path), "--out", str(out), "--quiet"])
        raise OutputError(f"{code} {said.getvalue()}")

    error, said = with_files_up_to(0, export)
    assert issubclass(error, OutputError), said
    assert said.startswith(f"1 error: {out} cannot be written")
    assert [p.name for p in tmp_path.iterdir()] == ["o.h5"]


def test_the_limit_is_what_fails(originals, tmp_path):
    path = shutil.copy(originals.files["photons"], tmp_path / "o.h5")

    def annotate():
        with ObsFile(path, "write") as obs:
            obs.annotate("clouds")

    assert with_files_up_to(10_000_000, annotate) is None


def test_a_simulation_says_why_it_cannot_write(tmp_path):
    settings = SimulationSettings("laser", shape=(6, 5), rate_cps=200.0)
    simulate(settings, tmp_path / "first")  # what is compiled is stored now
    error, words = with_files_up_to(4096, lambda: simulate(settings, tmp_path / "raw"))
    assert error is OutputError
    assert re.search(r"cannot be written: \d+ requested and \d+ written", words)
    assert not list((tmp_path / "raw").glob("*.bin*"))
