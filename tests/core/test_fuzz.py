"""Spoilt files open with numbers that agree, or are refused by name; what the long campaign has found is pinned."""

import shutil

import fuzz_cases
import numpy as np
import pytest
import tables

from pipeline_core import ObsFile
from pipeline_core.beammap import read_beammap
from pipeline_core.describe_observation import describe_observation
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.flatcal.apply import load_weights
from pipeline_core.flatcal.config import load_config
from pipeline_core.flatcal.solution import load_solution as load_flat
from pipeline_core.timemask.solution import load_time_mask
from pipeline_core.wavecal.apply import load_curves
from pipeline_core.wavecal.settings import WavecalSettings
from pipeline_core.wavecal.solution import load_solution as load_wavecal

CASES = 60  # some seconds


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return fuzz_cases.write_originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)


@pytest.fixture
def edited(originals, tmp_path):
    """Return a function that copies an original of a kind (and its sidecar), and edits the copy."""

    def edit(kind, change):
        files = originals.files
        for one in ("photons", "sidecar"):
            shutil.copyfile(files[one], tmp_path / files[one].name)
        path = tmp_path / files[kind].name
        shutil.copyfile(files[kind], path)
        with tables.open_file(str(path), "a") as h5:
            change(h5)
        return path

    return edit


def test_spoilt_files_of_every_kind(originals, tmp_path):
    kinds = originals.kinds
    words, wrong = set(), []
    for seed in range(CASES):
        kind = kinds[seed % len(kinds)]
        word, more, done, _ = fuzz_cases.run_case(originals, kind, seed, tmp_path / "case")
        words.add(word)
        if word not in fuzz_cases.GOOD:
            wrong.append(f"{kind} {seed}, {done}: {word} {more}")
    assert not wrong, "\n".join(wrong)
    assert words == set(fuzz_cases.GOOD)


def test_good_files_open(originals, tmp_path, monkeypatch):
    """Otherwise nothing is tested above."""
    monkeypatch.setattr(
        fuzz_cases, "spoil", lambda source, target, _: shutil.copyfile(source, target)
    )
    for kind in originals.kinds:
        assert fuzz_cases.run_case(originals, kind, 0, tmp_path / "case")[:2] == ("opened", "")


# --- finds ---------------------------------------------------------------------------------------


def _attribute(name, value):
    def spoil(h5):
        h5.root._v_attrs[name] = value

    return spoil


def test_beam_maps_with_numbers_that_overflow(tmp_path):
    path = tmp_path / "map.bmap"
    for number in ("99999999999999999999", "1e999", "nan", "-1", "1e18"):
        for column in range(4):
            words = ["1", "0", "0", "0"]
            words[column] = number
            path.write_text(f"5 0 1 1\n{' '.join(words)}\n")
            with pytest.raises(InputFormatError, match=r"map\.bmap, line 2"):
                read_beammap(path)


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 2000, "2020-99-99", "{a: 1, a: 2}", "&a [*a]"])
def test_yaml_that_python_cannot_hold(tmp_path, value):
    for load in (load_config, WavecalSettings.from_yaml):
        path = tmp_path / "s.yml"
        path.write_text(f"Data: {value}\nlasers: {value}\n")
        with pytest.raises((InputFormatError, ConfigError), match=r"s\.yml"):
            load(path)


def test_a_history_that_is_no_text(edited):
    def spoil(h5):
        rows = h5.root.history.read()
        rows["kind"][0] = b"\xf9\xff"
        h5.root.history.modify_rows(0, len(rows), rows=rows)

    path = edited("sidecar", spoil)
    with pytest.raises(InputFormatError, match=r"cal\.h5 is damaged: its history is no text"):
        ObsFile(path.with_name(path.name.replace(".cal", "")))


@pytest.mark.parametrize("value", [np.inf, "text", -3, np.arange(2)])
def test_a_revision_that_is_no_number(edited, value):
    path = edited("sidecar", _attribute("revision", value))
    with pytest.raises(InputFormatError, match=r"cal\.h5 is damaged: its revision"):
        ObsFile(path.with_name(path.name.replace(".cal", "")))


def test_a_flat_that_covers_more_than_there_is(edited):
    def spoil(h5):
        (row,) = h5.root.slots.flatcal._v_children
        covered = h5.get_node(f"/slots/flatcal/{row}/covered")
        covered[0, 0, 0] = 5000

    path = edited("sidecar", spoil)
    with pytest.raises(InputFormatError, match=r"cal\.h5 is damaged.*covered"):
        ObsFile(path.with_name(path.name.replace(".cal", "")))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 1e300, np.arange(3), "long"])
@pytest.mark.parametrize("name", ["start", "exposure", "dead_time"])
def test_numbers_that_cannot_be(edited, name, value):
    path = edited("photons", _attribute(name, value))
    with pytest.raises(InputFormatError, match=rf"{path.name} is damaged.*{name}"):
        ObsFile(path)


def _column(node, column, value):
    def spoil(h5):
        table = h5.get_node(node)
        rows = table.read()
        rows[column][0] = value
        table.modify_rows(0, len(rows), rows=rows)

    return spoil


def _another(where, name, values):
    def spoil(h5):
        h5.remove_node(where, name)
        h5.create_array(where, name, values)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_column("/mkid/pixels", "x", 251), "outside the array"),
        (_another("/mkid", "pixels", np.zeros(3)), "/mkid/pixels has other columns"),
        (_another("/mkid", "sources", np.zeros(3)), "/mkid/sources has other columns"),
        (_another("/mkid", "boards", np.zeros(3)), "/mkid/boards has other columns"),
        (_another("/mkid", "gaps", np.zeros((1, 2))), "/mkid/gaps has other columns"),
        (_another("/mkid", "gaps", np.array([[5, 3]])), "gaps are no intervals"),
        (_another("/mkid", "gaps", np.array([0, 3])), "gaps are no intervals"),
        (_another("/header", "header", np.zeros(3)), "/header/header is no table"),
        (lambda h5: h5.remove_node("/header/header"), "is damaged: a part of it is missing"),
        (_another("/BeamMap", "Flag", np.full((4, 3), b"a")), "/BeamMap/Flag has other"),
        (_another("/Photons/PixelIndex", "start", np.zeros((4, 3))), "start has other columns"),
    ],
)
def test_tables_of_a_photon_file(edited, spoil, words):
    path = edited("photons", spoil)
    with pytest.raises(InputFormatError, match=words) as caught, ObsFile(path) as obs:
        _ = obs.beammap
        describe_observation(obs)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("column", "value"),
    [("Time", 2**31), ("Wavelength", -np.inf), ("Wavelength", np.nan)],
)
def test_photons_that_make_no_sense(edited, column, value):
    """Kernels that fill bins would write where they should not."""

    def spoil(h5):
        table = h5.root.Photons.PhotonTable
        rows = table.read(0, 40)
        rows[column][20] = value
        table.modify_rows(0, 40, rows=rows)

    path = edited("photons", spoil)
    with tables.open_file(str(path)) as h5:
        starts = h5.root.Photons.PixelIndex.start.read()
    pixel = tuple(int(k) for k in np.argwhere(starts == 0)[0])
    with ObsFile(path) as obs:
        for read in (obs.photons, obs.light_curve, obs.phase_histogram):
            with pytest.raises(InputFormatError, match=f"{path.name} is damaged: photons of pixel"):
                read(pixel)


def test_a_time_mask_whose_table_cannot_be_understood(originals, tmp_path, monkeypatch):
    def stumble(*_):
        raise TypeError("'NoneType' object is not iterable")

    path = tmp_path / "m.h5"
    with tables.open_file(str(path), "w") as h5:
        h5.create_table("/", "TimeMask", np.dtype([("tBegin", "u4"), ("tEnd", "u4")]))
    monkeypatch.setattr(tables.File, "walk_nodes", stumble)
    with pytest.raises(InputFormatError, match=r"m\.h5 is damaged"):
        load_time_mask(path)


def test_a_chunk_that_claims_to_be_longer_than_it_is(edited):
    """The Blosc library would believe it, and read past the end."""
    path = edited("photons", lambda h5: None)
    with tables.open_file(str(path)) as h5:
        place = h5.root.Photons.PhotonTable.chunk_info((0,))
    with path.open("r+b") as stream:
        stream.seek(place.offset + 2)
        stream.write(b"\x04")  # flags of a kind that is left to the library
        stream.seek(place.offset + 12)
        stream.write((2**31 - 1).to_bytes(4, "little"))
    with ObsFile(path) as obs, pytest.raises(InputFormatError, match="cannot be decoded"):
        obs.count_image(0.0, 0.5)


@pytest.mark.parametrize(
    ("kind", "node", "values"),
    [
        ("flatcal", "weights", np.full((4, 3, 16), b"abc")),
        ("flatcal", "flags", np.full((4, 3), b"abc")),
        ("flatcal", "errors", np.zeros((4, 3, 2))),
        ("flatcal", "res_id", np.zeros(12)),
        ("wavecal", "curves/kind", np.zeros(12, np.float32)),
        ("wavecal", "lines/centre_deg", np.zeros(26)),
        ("wavecal", "histograms/n_negative", np.zeros(3)),
        ("wavecal", "lines/status", np.zeros((3, 3), np.uint8)),
        ("wavecal", "histograms/hot", np.zeros((12, 3))),
        ("wavecal", "flags", np.full((4, 3), b"abc")),
        ("wavecal", "res_id", np.zeros((4, 2), np.uint32)),
        ("wavecal", "curves/coefficients", np.zeros((12, 2))),
    ],
)
def test_solutions_with_arrays_of_another_kind(edited, kind, node, values):
    where, name = f"/solution/{node}".rsplit("/", 1)
    path = edited(kind, _another(where, name, values))
    for load in (load_weights, load_flat) if kind == "flatcal" else (load_curves, load_wavecal):
        if load is load_curves and "curves/" not in node and "/" in node:
            continue  # photons do not need it
        with pytest.raises(InputFormatError, match=rf"{path.name} is damaged"):
            load(path)


def test_settings_that_are_no_text_are_told_so(edited):
    path = edited("photons", lambda h5: h5.root.mkid._v_attrs.__setitem__("settings", b"\xaf"))
    with ObsFile(path) as obs:
        rows = {row.key: row.value for row in describe_observation(obs).header}
    assert "settings" in rows
