"""The guide's flat-field code blocks, with nothing but the import lines changed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flat_files import night

from pipeline_core import ObsFile
from pipeline_core.errors import CalibrationError, ConfigError
from pipeline_core.flatcal.solution import load_solution

CONFIG = """# like the guide's FlatCal.cfg
[Data]
run = ''
date = ''
flatCalTstamp = ''
flatObsTstamps = ['']
wvlDate = ''
wvlCalFile = ''
flatPath = '{flat}'
calSolnPath = '{folder}/XFlatSoln.h5'
intTime = 1
expTime = 2

[Instrument]
deadtime = 0.00001
energyBinWidth = 0.05
wvlStart = 750
wvlStop = 1350

[Calibration]
countRateCutoff = 20000
fractionOfChunksToTrim = 0
timeMaskFileName = ''
timeSpacingCut = 'None'
"""

BLOCK = """
from pipeline_core.guide import FlatCal as F
f = F.FlatCal(config_file=r'{cfg}')
f.loadFlatSpectra()
f.checkCountRates()
f.calculateWeights()
f.plotWeightsByPixelWvlCompare()
f.plotWeightsWvlSlices()
f.plotMaskWvlSlices()
"""

APPLY = """
from pipeline_core.guide.obs import obs
obsfile = obs(r'{sky}', mode='write')
calSolnPath = r'{base}'
obs.apply_flatcal(obsfile, calSolnPath, verbose=True)
obsfile.close()
"""


@pytest.fixture
def place(tmp_path):
    flat, sky = night(tmp_path), night(tmp_path, "sky", seed=5)
    folder = tmp_path / "out"
    folder.mkdir()
    cfg = tmp_path / "my.cfg"
    cfg.write_text(CONFIG.format(flat=flat, folder=folder))
    return cfg, folder, sky


def names(folder):
    return sorted(path.name for path in folder.iterdir())


PROMISED = sorted(
    f"XFlatSoln{index}{end}"
    for index in ("", "1", "2")
    for end in (".h5", ".pdf", "__wvlSlices.pdf", "__mask.pdf")
)


def test_the_steps(place):
    cfg, folder, sky = place
    exec(compile(BLOCK.format(cfg=cfg), "guide", "exec"), {})  # the guide's text as it stands
    assert names(folder) == PROMISED
    for index in (1, 2):
        assert load_solution(folder / f"XFlatSoln{index}.h5").index == index
    exec(compile(APPLY.format(sky=sky, base=folder / "XFlatSoln"), "guide", "exec"), {})
    assert "XFlatSolnFlatCalSolnPlotsPerPixel.pdf" in names(folder)
    with ObsFile(sky) as obs:
        assert obs.is_flat_calibrated
        assert np.isfinite(obs.photons((0, 1))["weight"]).all()
    # as often as one likes, as before
    exec(compile(BLOCK.format(cfg=cfg), "guide", "exec"), {})


def test_steps_that_were_left_out_are_made_up_for(place):
    from pipeline_core.guide import FlatCal as F

    cfg, folder, _ = place
    f = F.FlatCal(config_file=cfg)
    assert [path.name for path in f.plotMaskWvlSlices()] == [
        "XFlatSoln__mask.pdf",
        "XFlatSoln1__mask.pdf",
        "XFlatSoln2__mask.pdf",
    ]
    assert f.result is not None
    assert f.spectra is not None
    assert (folder / "XFlatSoln.h5").exists()


def test_check_count_rates_leaves_out_bright_chunks(place):
    from pipeline_core.guide import FlatCal as F

    cfg, _, _ = place
    cfg.write_text(cfg.read_text().replace("countRateCutoff = 20000", "countRateCutoff = 10"))
    f = F.FlatCal(config_file=cfg)
    f.loadFlatSpectra()
    assert f.spectra.kept.all()
    f.checkCountRates()
    assert not f.spectra.kept.any()
    with pytest.raises(CalibrationError, match="countRateCutoff"):
        f.calculateWeights()


def test_the_default_configuration_names_no_files():
    from pipeline_core.guide import FlatCal as F

    with pytest.raises(ConfigError, match="must be given"):
        F.FlatCal()


def test_the_command_line(place):
    cfg, folder, _ = place
    command = [sys.executable, "-m", "pipeline_core", "flatcal", str(cfg), "--plots", "all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pixels with weights: 9 of 12" in done.stdout
    assert set(PROMISED) <= set(names(folder))
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    written = {name: (Path(folder) / name).stat().st_mtime_ns for name in names(folder)}
    third = subprocess.run(
        [*command, "--overwrite", "--json"], capture_output=True, text=True, check=False
    )
    assert third.returncode == 0
    assert all((Path(folder) / name).stat().st_mtime_ns > at for name, at in written.items())
