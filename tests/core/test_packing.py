"""One file for travelling: it opens like the photon file, and gives back both files bit for bit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from flat_files import SHAPE, night

from pipeline_core import ObsFile, packed_file
from pipeline_core.cli import main
from pipeline_core.describe_file import describe_file
from pipeline_core.errors import (
    ConfigError,
    InputFormatError,
    OperationCancelled,
    OutputError,
    SidecarConflictError,
)
from pipeline_core.packed_file import packed_of
from pipeline_core.packing import pack, unpack

PIXELS = [(x, y) for x in range(SHAPE[0]) for y in range(SHAPE[1])]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A calibrated photon file with its sidecar."""
    return night(tmp_path_factory.mktemp("night"))


@pytest.fixture
def path(made, tmp_path):
    for one in (made, sidecar_of(made)):
        shutil.copy(one, tmp_path / one.name)
    return tmp_path / made.name


@pytest.fixture
def packed(path):
    out = pack(path)
    sidecar_of(path).unlink()
    path.unlink()
    return out


def sidecar_of(path):
    return path.with_name(f"{path.stem}.cal.h5")


def run(*arguments):
    return main([str(argument) for argument in arguments])


def photons(path):
    with ObsFile(path) as obs:
        return obs.photons(PIXELS), obs.history


def test_both_come_back_bit_for_bit(made, packed, tmp_path):
    assert [p.name for p in tmp_path.iterdir()] == [f"{made.stem}.packed.h5"]
    assert packed.stat().st_mode & 0o222 == 0
    before = packed.read_bytes()
    out = tmp_path / "there"
    out.mkdir()
    back, sidecar = unpack(packed, out)
    assert back.read_bytes() == made.read_bytes()
    assert sidecar.read_bytes() == sidecar_of(made).read_bytes()
    assert (back.name, sidecar.name) == (made.name, sidecar_of(made).name)
    assert back.stat().st_mode & 0o222 == 0
    assert packed.read_bytes() == before
    assert sorted(p.name for p in out.iterdir()) == sorted((back.name, sidecar.name))


def test_it_opens_like_the_photon_file(made, packed):
    (theirs, history), (ours, again) = photons(made), photons(packed)
    assert np.isfinite(ours["wavelength"]).any()
    assert ours.dtype == theirs.dtype
    assert ours.tobytes() == theirs.tobytes()
    assert again == history
    found = describe_file(packed)
    assert found["sidecar"] == "inside the file"
    assert any("packed inside" in line for line in found["health"])


def test_older_tools_open_it(packed):
    import tables

    with tables.open_file(str(packed)) as h5:
        assert h5.root.Photons.PhotonTable.nrows > 0


def test_what_is_changed_goes_beside_it(packed):
    before = packed.read_bytes()
    with ObsFile(packed, "write") as obs:
        number = len(obs.history)
        obs.annotate("clouds")
    assert packed.read_bytes() == before
    assert sidecar_of(packed).exists()
    with ObsFile(packed, "write") as obs:
        assert len(obs.history) == number + 1
        assert obs.is_wavelength_calibrated
        obs.undo().undo()
    with ObsFile(packed) as obs:
        assert not obs.is_wavelength_calibrated  # the one inside does not come back by itself


def test_two_programs_do_not_lose_each_others_work(packed):
    with ObsFile(packed, "write") as one, ObsFile(packed, "write") as other:
        one.annotate("mine")
        with pytest.raises(SidecarConflictError, match="changed by another"):
            other.annotate("theirs")


def test_a_packed_file_is_packed_again_with_what_is_new(made, packed, tmp_path):
    with ObsFile(packed, "write") as obs:
        obs.annotate("clouds")
    again = pack(packed, tmp_path / "again.h5")
    assert packed_of(again).name == made.name
    with ObsFile(again) as obs:
        assert obs.annotations == ("clouds",)
    back, _ = unpack(again, tmp_path)
    assert back.read_bytes() == made.read_bytes()
    with ObsFile(back) as obs:
        assert obs.annotations == ("clouds",)


def test_a_sidecar_in_the_users_folder_is_packed_too(path, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    with ObsFile(path) as obs:
        elsewhere = tmp_path / "share" / "quicklook" / "sidecars" / f"{obs.file_id}.cal.h5"
    elsewhere.parent.mkdir(parents=True)
    sidecar_of(path).rename(elsewhere)
    with ObsFile(pack(path)) as obs:
        assert obs.is_wavelength_calibrated


def test_without_a_sidecar_there_is_nothing_to_pack(path):
    sidecar_of(path).unlink()
    with pytest.raises(ConfigError, match=rf"{path.name} has no sidecar"):
        pack(path)
    with pytest.raises(InputFormatError, match=rf"{path.name} is not packed"):
        unpack(path)


def test_nothing_is_replaced_without_a_word(path, tmp_path):
    out = pack(path)
    with pytest.raises(OutputError, match="exists already"):
        pack(path)
    pack(path, overwrite=True)
    with pytest.raises(OutputError, match="file to be packed"):
        pack(path, path)
    other = path.with_name("other.h5")
    shutil.copy(path, other)
    shutil.copy(sidecar_of(path), sidecar_of(other))
    for taken in (other, sidecar_of(path), pack(other)):
        before = taken.read_bytes()
        with pytest.raises(OutputError, match="is not replaced"):
            pack(path, taken, overwrite=True)
        assert taken.read_bytes() == before
    out.chmod(0o644)
    out.write_bytes(out.read_bytes()[:-5])  # what nobody can open may go
    pack(path, overwrite=True)
    assert unpack(out) == (path, sidecar_of(path))  # they are the same already
    with ObsFile(path, "write") as obs:
        obs.annotate("new work")
    with pytest.raises(OutputError, match=r"\.cal\.h5 exists already"):
        unpack(out)
    unpack(out, overwrite=True)
    with ObsFile(path) as obs:
        assert obs.annotations == ()


@pytest.mark.parametrize("lost", [1, 15, 30, 300, 5000])
def test_a_packed_file_that_is_cut_off_does_not_pass_for_uncalibrated(packed, lost):
    data = packed.read_bytes()
    packed.chmod(0o600)
    packed.write_bytes(data[:-lost])
    for call in (ObsFile, unpack):
        with pytest.raises(InputFormatError, match=r"packed\.h5 is damaged: behind the photons"):
            call(packed)


@pytest.mark.parametrize(
    "trailer",
    [
        {"name": "../o.h5"},
        {"name": ""},
        {"photons": -1},
        {"photons": 1.5},
        {"sidecar": 7},
        {"sidecar_sha256": None},
        {"more": 1},
    ],
)
def test_odd_trailers_are_refused(packed, trailer):
    data = packed.read_bytes()
    length, _ = packed_file._TAIL.unpack(data[-packed_file._TAIL.size :])
    first = len(data) - packed_file._TAIL.size - length
    values = json.loads(data[first : first + length])
    text = json.dumps(values | trailer).encode()
    packed.chmod(0o600)
    packed.write_bytes(data[:first] + text + packed_file._TAIL.pack(len(text), packed_file._MAGIC))
    with pytest.raises(InputFormatError, match="damaged"):
        ObsFile(packed)


def test_spoilt_parts_are_found_out(packed, tmp_path):
    parts = packed_of(packed)
    data = bytearray(packed.read_bytes())
    packed.chmod(0o600)
    data[parts.photons + 2000] ^= 1
    packed.write_bytes(data)
    for call in (ObsFile, unpack):
        with pytest.raises(InputFormatError, match="not those that were packed"):
            call(packed)
    data[parts.photons + 2000] ^= 1
    data[parts.photons - 100] ^= 1
    packed.write_bytes(data)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputFormatError, match="not those that were packed"):
        unpack(packed, out)
    assert [p.suffixes for p in out.iterdir()] == [[".cal", ".h5"]]  # no photons that are not right


def test_both_can_be_cancelled_and_leave_nothing(path, tmp_path):
    def cancel(done, total, stage=""):
        raise OperationCancelled

    files = sorted(tmp_path.iterdir())
    with pytest.raises(OperationCancelled):
        pack(path, progress=cancel)
    assert sorted(tmp_path.iterdir()) == files
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(OperationCancelled):
        unpack(pack(path), out, progress=cancel)
    assert list(out.iterdir()) == []


def test_room_is_looked_for_first(path, monkeypatch):
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OutputError, match="the packed file may need"):
        pack(path)
    monkeypatch.undo()
    with pytest.raises(OutputError, match="cannot be used"):
        pack(path, path.parent / "none" / "o.h5")


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_where_hdf5_ends_is_known_for_every_version(version):
    head = bytearray(64)
    head[:9] = packed_file._HDF5 + bytes([version])
    head[13 if version < 2 else 9] = 8
    place = {0: 40, 1: 44, 2: 28, 3: 28}[version]
    head[place : place + 8] = (123456).to_bytes(8, "little")
    assert packed_file._end_of_hdf5(bytes(head)) == 123456
    head[8] = 9
    assert packed_file._end_of_hdf5(bytes(head)) is None


def test_commands(path, tmp_path, capsys):
    assert run("pack", path, "--json") == 0
    out = json.loads(capsys.readouterr().out)["file"]
    assert Path(out) == path.with_name(f"{path.stem}.packed.h5")
    assert run("history", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["sidecar"] == "inside the file"
    assert run("pack", path) == 1
    assert "exists already" in capsys.readouterr().err
    (tmp_path / "there").mkdir()
    assert run("unpack", out, "--out", tmp_path / "there", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert Path(answer["file"]).read_bytes() == path.read_bytes()
    assert run("unpack", path) == 1
    assert "is not packed" in capsys.readouterr().err
    assert run("undo", out) == 0
    assert (tmp_path / f"{path.stem}.packed.cal.h5").exists()
