"""Whatever is wrong with a file: one kind of error, which names the file and the cause, and nothing is executed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tables
from bad_files import START, trap_of, write_bad_files

from pipeline_core import open_observation
from pipeline_core.describe_file import describe_file
from pipeline_core.errors import InputFormatError, PipelineError
from pipeline_core.hdf5 import read_array, reading


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    return folder, write_bad_files(folder)


def test_there_are_many_kinds(corpus):
    _, files = corpus
    assert len({bad.kind for bad in files}) == len(files) >= 40


def test_each_gives_one_kind_of_error_that_names_file_and_cause(corpus):
    folder, files = corpus
    wrong = []
    for bad in files:
        try:
            with open_observation(bad.path) as obs:
                if bad.reads:
                    obs.count_image(0.0, obs.exposure_s / 2)
            wrong.append(f"{bad.kind}: no error")
        except InputFormatError as error:
            wrong += [
                f"{bad.kind}: {part!r} is not in {error}"
                for part in (bad.word, bad.named)
                if part not in str(error)
            ]
        except Exception as error:
            wrong.append(f"{bad.kind}: {error!r}")
    assert not wrong, "\n".join(wrong)
    assert not trap_of(folder).exists()


def test_info_gives_no_other_error_either(corpus):
    """Some can be described though they cannot be opened: raw files without a beam map."""
    folder, files = corpus
    for bad in files:
        try:
            described = describe_file(bad.path)
        except PipelineError as error:
            said = str(error)
        else:
            said = str(described["file"])
        assert bad.path.name.split(".")[0] in said, bad.kind
    assert not trap_of(folder).exists()


def test_nothing_of_a_bad_raw_file_stays_in_the_cache(corpus, tmp_path):
    _, files = corpus
    for bad in files:
        if bad.path.suffix == ".bin" and bad.kind != "map of another camera":
            with pytest.raises(PipelineError):
                open_observation(bad.path)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_never_give_another_error(corpus, tmp_path, seed):
    """Wherever a photon file is damaged, it is refused or something is shown."""
    folder, _ = corpus
    good = folder / "good" / "data" / "good.h5"
    script = Path(__file__).resolve().parents[1] / "flip_bytes.py"
    command = [sys.executable, str(script), str(good), str(tmp_path / f"{START}.h5"), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith(("shown", "refused"))] == []
    assert len(lines) == 40
    assert {line.split()[0] for line in lines} == {"shown", "refused"}


def test_whatever_the_library_stumbles_over_is_a_damaged_file(tmp_path):
    class Stumbling:
        def get_node(self, name):
            raise TypeError("'NoneType' object is not iterable")

    path = tmp_path / "o.h5"
    with pytest.raises(InputFormatError, match=r"o\.h5 is damaged"), reading(path):
        read_array(Stumbling(), "/header/header")
    with pytest.raises(TypeError, match="our own"), reading(path):
        raise TypeError("a mistake of our own")


def test_the_file_that_the_corpus_is_made_of_is_good(corpus, tmp_path):
    folder, _ = corpus
    with open_observation(shutil.copy(folder / "good" / "data" / "good.h5", tmp_path)) as obs:
        assert obs.count_image(0.0, 0.5).sum() == 10_000


def test_a_name_that_is_no_text_is_not_called_damage(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.h5"))
    with tables.open_file(tmp_path / "cafe.h5", "w"):
        pass
    (tmp_path / "cafe.h5").rename(path)
    with pytest.raises(InputFormatError, match=r"caf\\udce9.*Rename the file"):
        open_observation(path)
