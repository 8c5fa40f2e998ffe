"""The guide's code blocks, with nothing but the import line changed."""

import pytest
from rawdata import header, photon, write_words

from pipeline_core.beammap import Beammap
from pipeline_core.errors import ConfigError
from pipeline_core.guide.bin2hdf import Bin2HdfConfig, makehdf
from pipeline_core.guide.obs import obs

START = 1602050400
TICKS = (START - 1577836800) * 2000


@pytest.fixture
def night(tmp_path):
    folder = tmp_path / "20201007"
    folder.mkdir()
    for k in range(3):
        words = [header(1, k, TICKS + 2000 * k), photon(1, 2, 7)]
        write_words(folder / f"{START + k}.bin", words)
    Beammap.design((4, 3)).write(tmp_path / "my.bmap")
    (tmp_path / "out").mkdir()
    return tmp_path


def config(night, **changes):
    values = {
        "datadir": str(night / "20201007"),
        "beamfile": str(night / "my.bmap"),
        "starttime": START,
        "inttime": 2,
        "outdir": str(night / "out"),
        "x": 4,
        "y": 3,
    }
    return Bin2HdfConfig(**(values | changes))


def test_makehdf(night):
    cfg = config(night)
    makehdf(cfg)
    assert cfg.h5file == str(night / "out" / f"{START}.h5")
    obsfile = obs(cfg.h5file, mode="write")
    assert obsfile.count_image()[1, 2] == 2
    obsfile.close()


def test_several_configs_night_folders_and_whole_seconds(night):
    cfgs = [
        config(night, datadir=str(night), inttime=0.5),
        config(night, starttime=START + 1, inttime=1.2, writeto=str(night / "x.h5")),
    ]
    first, second = makehdf(cfgs, maxprocs=2)
    assert first.n_photons == 1
    assert second.n_photons == 2
    assert second.path == night / "x.h5"


def test_a_second_in_the_root_and_in_the_night_folder(night, caplog):
    write_words(night / f"{START + 500}.bin", [])  # stray files in the root hide no night
    assert makehdf(config(night, datadir=str(night)))[0].n_photons == 2
    assert not caplog.records
    words = [header(1, 0, TICKS), photon(1, 2, 7), photon(1, 2, 8), photon(1, 2, 9)]
    write_words(night / f"{START}.bin", words)
    out = str(night / "both.h5")
    assert makehdf(config(night, datadir=str(night), inttime=1, writeto=out))[0].n_photons == 3
    assert f"second {START} is in {night} and {night / '20201007'}" in caplog.text


def test_all_configs_are_checked_before_the_first_runs(night):
    with pytest.raises(ConfigError, match="needs starttime"):
        makehdf([config(night), config(night, starttime=None)])
    assert not list((night / "out").iterdir())
