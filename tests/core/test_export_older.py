"""Files in the layout of 2019 to 2021, read by a small reader that knows only what is known of that layout."""

import hashlib

import numpy as np
import pytest
import tables
import yaml
from flat_files import night, settings

from pipeline_core import ObsFile, open_observation
from pipeline_core.cli import main
from pipeline_core.errors import ConfigError, OperationCancelled, OutputError
from pipeline_core.flags import FLAG_NAMES, PixelFlag
from pipeline_core.flatcal.compute import run
from pipeline_core.flatcal.outputs import save_result
from pipeline_core.older.export import export_darkness2019

HEADER = {
    "target", "dataDir", "beammapFile", "isWvlCalibrated", "isFlatCalibrated", "isSpecCalibrated",
    "isLinearityCorrected", "isPhaseNoiseCorrected", "isPhotonTailCorrected", "timeMaskExists", "startTime", "expTime",
    "wvlBinStart", "wvlBinEnd", "energyBinWidth", "wvlCalFile", "fltCalFile", "metadata", "isBadPixMasked",
    "isFluxCalibrated",
}  # fmt: skip


class Reader:
    """Layout V3c, from its description: one table sorted by ResID, flags by the names that the metadata list."""

    def __init__(self, path):
        with tables.open_file(str(path)) as h5:
            self.title = h5.title
            self.rows = h5.get_node("/Photons/PhotonTable").read()
            self.indexed = h5.get_node("/Photons/PhotonTable").colindexed
            self.map = h5.get_node("/BeamMap/Map").read()
            self.flag = h5.get_node("/BeamMap/Flag").read()
            self.header = h5.get_node("/header/header").read()[0]
        metadata = self.header["metadata"].decode()
        self.names = yaml.safe_load(metadata)["flags"]

    def pixel(self, x, y):
        return self.rows[self.rows["ResID"] == self.map[x, y]]

    def flags(self, x, y):
        return {name for bit, name in enumerate(self.names) if self.flag[x, y] >> bit & 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    base = folder / "Flat.h5"
    save_result(run(settings(night(folder))), base)
    return folder, base


@pytest.fixture
def path(tmp_path):
    return night(tmp_path, "sky", seed=8)


def test_wavelengths_and_weights_are_worked_in(path, made, tmp_path):
    _, base = made
    out = tmp_path / "old.h5"
    with ObsFile(path, "write") as obs:
        obs.apply_flatcal(base)
        obs.mask_pixels([(2, 2)], "by hand", "hot")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with ObsFile(path) as obs:
        summary = export_darkness2019(obs, out)
        found = Reader(out)
        assert found.title == "MKID Photon File"
        assert set(found.header.dtype.names) == HEADER
        assert list(found.header.dtype.names) == sorted(HEADER)
        assert found.header["isWvlCalibrated"]
        assert found.header["isFlatCalibrated"]
        assert found.header["isBadPixMasked"]
        assert (found.header["startTime"], found.header["expTime"]) == (obs.start_unix, 2)
        assert found.header["wvlCalFile"].decode() == obs.wavecal.source
        assert found.header["fltCalFile"].decode() == obs.flatcal.source
        assert found.names[:30] == list(FLAG_NAMES[:30])
        np.testing.assert_array_equal(found.map, obs.beammap.res_id)
        assert np.all(np.diff(found.rows["ResID"].astype(int)) >= 0)
        assert summary.n_photons == found.rows.size == obs.n_photons
        with_wavelengths = 0
        for x in range(4):
            for y in range(3):
                mine, photons = found.pixel(x, y), obs.photons((x, y))
                np.testing.assert_array_equal(mine["Time"], photons["time"])
                good = bool(obs.wavecal.calibrated[x, y])
                with_wavelengths += good
                column = "wavelength" if good else "phase"
                np.testing.assert_array_equal(mine["Wavelength"], photons[column])
                weight = photons["weight"] if obs.flatcal.weighted[x, y] else np.ones(photons.size)
                np.testing.assert_array_equal(mine["SpecWeight"] * mine["NoiseWeight"], weight)
                assert ("wavecal.bad" in found.flags(x, y)) == (not good)
                assert "beammap.good" in found.flags(x, y)
        assert 0 < with_wavelengths == summary.wavelength_pixels < 12
        assert "pixcal.hot" in found.flags(2, 2)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_without_calibrations_phases_are_written(tmp_path):
    codes = np.zeros((4, 3), int)  # resonators in the reverse order of pixels
    path = night(tmp_path, "plain", wavecal=False, codes=codes)
    with ObsFile(path) as obs:
        export_darkness2019(obs, tmp_path / "old.h5", indexed=True)
        found = Reader(tmp_path / "old.h5")
        assert not found.header["isWvlCalibrated"]
        assert found.header["wvlCalFile"] == b""
        np.testing.assert_array_equal(found.pixel(3, 1)["Wavelength"], obs.photons((3, 1))["phase"])
        assert (found.rows["SpecWeight"] == 1).all()
        assert np.all(np.diff(found.rows["ResID"].astype(int)) >= 0)
        assert found.indexed["ResID"]
        assert found.indexed["Time"]


def test_what_is_written_opens_again_as_it_was(path, made, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ObsFile(path, "write") as obs:
        obs.apply_flatcal(made[1])
        out = tmp_path / "old.h5"
        export_darkness2019(obs, out)
        with open_observation(out) as again:
            assert again.layout == "V3c"
            np.testing.assert_array_equal(again.flags, obs.flags)
            for x in range(4):
                for y in range(3):
                    ours, theirs = obs.photons((x, y)), again.photons((x, y))
                    np.testing.assert_array_equal(ours["time"], theirs["time"])
                    np.testing.assert_array_equal(ours["wavelength"], theirs["wavelength"])
                    np.testing.assert_array_equal(
                        np.nan_to_num(ours["weight"], nan=1), theirs["weight"]
                    )


def test_masked_times_are_left_out(path, tmp_path):
    with ObsFile(path, "write") as obs:
        assert export_darkness2019(obs, tmp_path / "whole.h5").masked_s == 0
        obs.mask_time(0.5, 0.9, "clouds")
        assert export_darkness2019(obs, tmp_path / "old.h5").masked_s == pytest.approx(0.4)
        rows = Reader(tmp_path / "old.h5").rows
        assert not ((rows["Time"] >= 500_000) & (rows["Time"] < 900_000)).any()
        assert rows.size == obs.count_image().sum() < obs.n_photons


def test_flags_beyond_the_list_of_that_time_extend_it(path, tmp_path):
    with ObsFile(path, "write") as obs:
        obs.mask_pixels([(1, 2)], "by hand", "dead")
        assert obs.flags[1, 2] & int(PixelFlag["pixcal_dead"])
        export_darkness2019(obs, tmp_path / "old.h5")
        assert "pixcal.dead" in Reader(tmp_path / "old.h5").flags(1, 2)


def test_files_appear_whole_or_not_at_all_and_data_are_never_replaced(path, tmp_path):
    def cancel(done, total, stage=""):
        raise OperationCancelled

    out = tmp_path / "old.h5"
    with ObsFile(path) as obs:
        with pytest.raises(OperationCancelled):
            export_darkness2019(obs, out, indexed=True, progress=cancel)
        assert not list(tmp_path.glob("old*"))
        export_darkness2019(obs, out)
        with pytest.raises(OutputError, match="exists already"):
            export_darkness2019(obs, out)
        with pytest.raises(OutputError, match="exists already"):
            export_darkness2019(obs, path)
        for name in ("old.fits", "old.cal.h5"):
            with pytest.raises(ConfigError):
                export_darkness2019(obs, tmp_path / name)


def test_the_command(path, tmp_path, capsys):
    out = tmp_path / "old.h5"
    arguments = ["export", str(path), str(out), "--layout", "darkness2019", "--quiet"]
    assert main(arguments) == 0
    assert "pixels with wavelengths" in capsys.readouterr().out
    assert Reader(out).rows.size
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["export", str(path), str(out), "--layout", "arcons"])
    assert ended.value.code == 2


def test_the_command_says_what_the_layout_cannot(path, tmp_path, capsys):
    with ObsFile(path, "write") as obs:
        obs.mask_time(0.5, 0.9, "clouds")
    out = str(tmp_path / "old.h5")
    assert main(["export", str(path), out, "--layout", "darkness2019", "--quiet"]) == 0
    assert "0.400000 s are left out" in capsys.readouterr().out
