"""The guide's configuration: what it may say, what is checked, and that nothing in it is ever executed."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline_core import schema
from pipeline_core.cli import main
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.flatcal.config import DEFAULT_ROOT, default_text, load_config, write_default
from pipeline_core.flatcal.parameters import PARAMETERS
from pipeline_core.flatcal.settings import FlatcalSettings

GUIDE = {
    "Data": "run date flatCalTstamp flatObsTstamps wvlDate wvlCalFile flatPath calSolnPath intTime expTime",
    "Instrument": "deadtime energyBinWidth wvlStart wvlStop",
    "Calibration": "countRateCutoff fractionOfChunksToTrim timeMaskFileName timeSpacingCut",
}
ROOT = Path(__file__).resolve().parents[2]


def written(folder, text, name="my.cfg"):
    path = folder / name
    path.write_text(text)
    return path


def cfg(data="", instrument="", calibration=""):
    return f"[Data]\n{data}\n[Instrument]\n{instrument}\n[Calibration]\n{calibration}\n"


@pytest.fixture
def own(tmp_path):
    (tmp_path / "flat.h5").write_bytes(b"x")
    return f"flatPath = '{tmp_path}/flat.h5'\ncalSolnPath = '{tmp_path}/out/Soln.h5'"


def test_every_parameter_of_the_guide_is_there():
    for section, keys in GUIDE.items():
        found = {one.key for one in PARAMETERS if one.section == section and one.guide}
        assert found == set(keys.split())


def test_the_shipped_default_is_what_the_program_writes(tmp_path):
    shipped = (ROOT / "resources" / "flatcal.cfg").read_text()
    assert shipped == default_text()
    path = write_default(tmp_path / "mine.cfg")
    assert path.read_text() == shipped
    config = load_config(path)
    for one in PARAMETERS:
        assert config.get(one.section, one.key) == one.default
        assert f"# {one.key}: " in shipped
    assert main(["flatcal", "--write-default", str(tmp_path / "again.cfg")]) == 0
    assert (tmp_path / "again.cfg").read_text() == shipped


def test_without_files_the_default_says_what_is_missing(capsys):
    with pytest.raises(
        ConfigError, match=r"run, date, flatObsTstamps, flatCalTstamp must be given"
    ):
        load_config(None).settings()
    assert main(["flatcal"]) == 1
    assert "flatPath" in capsys.readouterr().err


def test_own_directory_mode(tmp_path, own):
    text = cfg(
        own + "\nintTime = 3  # seconds\nexpTime = 12\nwvlCalFile = 'sol.h5'",
        "deadtime = 1\nenergyBinWidth = 0.1\nwvlStart = 800\nwvlStop = 1400",
        "countRateCutoff = 5000\nfractionOfChunksToTrim = 0.25\ntimeMaskFileName = 'mask.h5'",
    )
    found = load_config(written(tmp_path, text)).settings()
    assert found == FlatcalSettings(
        flats=(tmp_path / "flat.h5",),
        out=tmp_path / "out" / "Soln.h5",
        wavecal=tmp_path / "sol.h5",
        int_time_s=3.0,
        exp_time_s=12.0,
        dead_time_us=1e6,
        energy_bin_ev=0.1,
        wvl_start_nm=800.0,
        wvl_stop_nm=1400.0,
        rate_cutoff_cps=5000.0,
        trim_fraction=0.25,
        time_mask=tmp_path / "mask.h5",
    )


def test_yaml_says_the_same(tmp_path, own):
    text = cfg(
        own + "\nflatObsTstamps = ['a', 'b']", "wvlStart = 750", "fractionOfChunksToTrim = 0"
    )
    path = written(tmp_path, text)
    config = load_config(path)
    same = tmp_path / "my.yml"
    same.write_text(yaml.safe_dump(config.values))
    assert load_config(same).values == config.values
    assert load_config(same).settings() == config.settings()
    back = written(tmp_path, default_text(config.values), "back.cfg")
    assert load_config(back).values == config.values


def test_science_data_mode(tmp_path, monkeypatch):
    night = tmp_path / "root" / "PAL2018b" / "20181218"
    night.mkdir(parents=True)
    data = (
        "run = 'PAL2018b'\ndate = '20181218'\nflatCalTstamp = '20181218-1'\n"
        "flatObsTstamps = ['1545100000', '1545100100']"
    )
    path = written(tmp_path, cfg(data))
    monkeypatch.delenv("MKID_RAW_PATH", raising=False)
    with pytest.raises(
        ConfigError, match=rf"{DEFAULT_ROOT}/PAL2018b/20181218/1545100000.h5 does not"
    ):
        load_config(path).settings()
    monkeypatch.setenv("MKID_RAW_PATH", str(tmp_path / "root"))
    for stamp in ("1545100000", "1545100100"):
        (night / f"{stamp}.h5").write_bytes(b"x")
    found = load_config(path).settings()
    assert found.flats == (night / "1545100000.h5", night / "1545100100.h5")
    assert found.out == night / "20181218-1_calSoln.h5"


def test_the_nights_wavelength_solution_is_found(tmp_path, monkeypatch, own):
    import tables

    monkeypatch.setenv("MKID_RAW_PATH", str(tmp_path / "root"))
    night = tmp_path / "root" / "R" / "20181217"
    night.mkdir(parents=True)
    path = written(tmp_path, cfg(own + "\nrun = 'R'\nwvlDate = '20181217'"))
    with pytest.raises(ConfigError, match=r"\[Data\] wvlDate.*there is none.*wvlCalFile"):
        load_config(path).settings()

    def solution(name):
        with tables.open_file(str(night / name), "w") as h5:
            h5.root._v_attrs.format = schema.WAVECAL_FORMAT

    solution("a.h5")
    (night / "other.h5").write_bytes(b"no HDF5")
    assert load_config(path).settings().wavecal == night / "a.h5"
    solution("b.h5")
    with pytest.raises(ConfigError, match=r"there is 2: a\.h5, b\.h5"):
        load_config(path).settings()


def test_relative_paths_of_solutions(tmp_path, monkeypatch):
    (tmp_path / "flat.h5").write_bytes(b"x")
    path = written(tmp_path, cfg("flatPath = 'flat.h5'\ncalSolnPath = 'Soln.h5'"))
    monkeypatch.delenv("MKID_PROC_PATH", raising=False)
    found = load_config(path).settings()
    assert found.flats == (tmp_path / "flat.h5",)
    assert found.out == tmp_path / "Soln.h5"
    monkeypatch.setenv("MKID_PROC_PATH", "/proc/path")
    assert load_config(path).settings().out == Path("/proc/path/flatCalSolnFiles/Soln.h5")


def test_lasers(tmp_path):
    for name in ("a.h5", "b.h5", "dark.h5"):
        (tmp_path / name).write_bytes(b"x")
    data = "lasers = {980: ('b.h5', 'dark.h5'), 808: 'a.h5'}\ncalSolnPath = 'S.h5'"
    found = load_config(written(tmp_path, cfg(data))).settings()
    assert [one.wavelength_nm for one in found.lasers] == [808.0, 980.0]
    assert found.lasers[1].dark == tmp_path / "dark.h5"
    np.testing.assert_allclose(found.edges_nm, [808 * 0.7, 894, 980 * 1.3])
    missing = cfg("lasers = {808: 'none.h5'}\ncalSolnPath = 'S.h5'")
    with pytest.raises(ConfigError, match=r"\[Data\] lasers: .*none\.h5 does not exist"):
        load_config(written(tmp_path, missing)).settings()


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ("data", "intTime = 5.5", r"\[Data\] intTime = 5.5 must be a whole number"),
        ("data", "expTime = '30'", r"\[Data\] expTime = '30' must be a whole number"),
        ("data", "intTime = True", r"\[Data\] intTime = True must be a whole number"),
        ("data", "run = 5", r"\[Data\] run = 5 must be a text in quotes"),
        ("data", "run = PAL2018b", r"\[Data\] run = PAL2018b: not a Python literal"),
        ("data", "flatObsTstamps = '1'", r"\[Data\] flatObsTstamps = '1' must be a list"),
        ("data", "exptime = 30", r"\[Data\] exptime is not known: keys are run, .*expTime"),
        ("data", "lasers = [808]", r"\[Data\] lasers = \[808\] must be like"),
        ("instrument", "wvlStart = '700'", r"\[Instrument\] wvlStart = '700' must be a number"),
        ("instrument", "wvlStart = 1600", r"\[Instrument\] wvlStart = 1600.0 and .*wvlStop"),
        ("instrument", "energyBinWidth = 2", r"\[Instrument\] energyBinWidth = 2.0 makes"),
        ("instrument", "energyBinWidth = 0", r"\[Instrument\] energyBinWidth = 0.0 must be"),
        (
            "calibration",
            "fractionOfChunksToTrim = 0.5",
            r"fractionOfChunksToTrim = 0.5 must be from 0",
        ),
        ("calibration", "fractionOfChunksToTrim = -0.1", r"must be from 0 to below 0.5"),
        ("calibration", "countRateCutoff = 0", r"\[Calibration\] countRateCutoff = 0.0 must"),
        (
            "calibration",
            "timeSpacingCut = 12",
            r"\[Calibration\] timeSpacingCut = 12 must be a text",
        ),
        ("calibration", "timeSpacingCut = '12'", r"timeSpacingCut was never used"),
    ],
)
def test_wrong_values_are_named(tmp_path, own, section, line, message):
    parts = {"data": own, section: line} if section != "data" else {"data": f"{own}\n{line}"}
    if line.startswith("lasers"):
        parts["data"] = f"calSolnPath = 'a.h5'\n{line}"
    path = written(tmp_path, cfg(**parts))
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path).settings()
    assert "my.cfg" in str(caught.value)


def test_wrong_files_are_named(tmp_path, own):
    with pytest.raises(ConfigError, match=r"section \[Calibration\] is missing"):
        load_config(written(tmp_path, "[Data]\n[Instrument]\n"))
    with pytest.raises(ConfigError, match=r"section \[Output\] is not known"):
        load_config(written(tmp_path, cfg() + "[Output]\nx = 1\n"))
    with pytest.raises(ConfigError, match="already exists"):
        load_config(written(tmp_path, cfg("run = 'a'\nrun = 'b'")))
    with pytest.raises(ConfigError, match="is no configuration"):
        load_config(written(tmp_path, "run = 'a'\n"))
    with pytest.raises(InputFormatError, match="cannot be read"):
        load_config(tmp_path / "none.cfg")
    (tmp_path / "binary.cfg").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputFormatError, match="cannot be read"):
        load_config(tmp_path / "binary.cfg")
    (tmp_path / "large.cfg").write_text("#" * 1_000_001)
    with pytest.raises(ConfigError, match="too large"):
        load_config(tmp_path / "large.cfg")
    with pytest.raises(ConfigError, match=r"flatPath: .*gone\.h5 does not exist"):
        load_config(written(tmp_path, cfg("flatPath = 'gone.h5'\ncalSolnPath = 'a.h5'"))).settings()
    with pytest.raises(ConfigError, match="calSolnPath must be given"):
        load_config(written(tmp_path, cfg(own.splitlines()[0]))).settings()


@pytest.mark.parametrize(
    "value",
    [
        "__import__('os').mkdir('{0}')",
        "[].__class__.__base__.__subclasses__()",
        "eval(\"__import__('os').mkdir('{0}')\")",
        "1 + 1j if open('{0}', 'w') else 2",
        "(" * 5000 + ")" * 5000,
    ],
)
def test_nothing_is_executed(tmp_path, own, value):
    trap = tmp_path / "trap"
    path = written(tmp_path, cfg(own + f"\nrun = {value.replace('{0}', str(trap))}"))
    with pytest.raises(ConfigError):
        load_config(path)
    assert not trap.exists()
    code = tmp_path / "evil.yml"
    code.write_text(f"Data: !!python/object/apply:os.mkdir ['{trap}']\n")
    with pytest.raises(InputFormatError):
        load_config(code)
    assert not trap.exists()


def test_a_folder_of_flats(tmp_path):
    import tables

    folder = tmp_path / "flats"
    folder.mkdir()
    for name, kind in (("b.h5", schema.FORMAT), ("a.h5", schema.FORMAT), ("c.h5", "mkid-wavecal")):
        with tables.open_file(str(folder / name), "w") as h5:
            h5.root._v_attrs.format = kind
    data = f"flatPath = '{folder}'\ncalSolnPath = 'S.h5'"
    found = load_config(written(tmp_path, cfg(data))).settings()
    assert found.flats == (folder / "a.h5", folder / "b.h5")
    one = load_config(written(tmp_path, cfg(data + "\nflatObsTstamps = ['b']"))).settings()
    assert one.flats == (folder / "b.h5",)


def test_settings_come_back_from_json(tmp_path, own):
    found = load_config(written(tmp_path, cfg(own))).settings()
    import json

    assert FlatcalSettings.from_mapping(json.loads(found.to_json())) == found
    with pytest.raises(ConfigError, match="unknown settings typo"):
        FlatcalSettings.from_mapping({"flats": ["a.h5"], "typo": 1})
    with pytest.raises(ConfigError, match="neither flats nor lasers"):
        FlatcalSettings()
    with pytest.raises(ConfigError, match="given twice"):
        FlatcalSettings(flats=("a.h5", "a.h5"))
