"""Which laser a file is of, and which solutions lie near an observation."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from observations import START, make_observation
from wavecal_solutions import full_solution

from pipeline_core import ObsFile
from pipeline_core.errors import InputFormatError
from pipeline_core.wavecal.laserfiles import guess_wavelength, look_at_laser_file
from pipeline_core.wavecal.nearby import nearby_solutions, read_solution_file
from pipeline_core.wavecal.settings import InputFile

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "nm"),
    [
        ("laser_808", 808),
        ("laser808nm_1602050400", 808),
        ("1602050400_1310.5nm", 1310.5),
        ("808", 808),
        ("wavecal 980 nm, 60 s", 980),
        ("night12_1120_a", 1120),
        ("1602050400", math.nan),
        ("laser_808_920", math.nan),
        ("808nm and 920nm", math.nan),
        ("r5_e60", math.nan),
        ("laser 99999 nm", math.nan),
        ("", math.nan),
    ],
)
def test_wavelengths_are_guessed_from_texts(text, nm):
    assert guess_wavelength(text) == pytest.approx(nm, nan_ok=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    return make_observation(folder, np.full((4, 3), 100.0))[0]


def test_a_files_name_tells_its_laser(path, tmp_path):
    for name, nm, dark in (
        ("laser_920.h5", 920, False),
        ("plain.h5", math.nan, False),
        ("dark_920.h5", math.nan, True),
    ):
        (tmp_path / name).write_bytes(path.read_bytes())
        found = look_at_laser_file(tmp_path / name)
        assert found.wavelength_nm == pytest.approx(nm, nan_ok=True)
        assert found.dark is dark
        assert (found.start_unix, found.exposure_s, found.problem) == (START, 2.0, "")
        assert found.n_photons > 0


def test_the_nights_log_tells_a_laser_that_the_name_does_not(path, tmp_path):
    copy = tmp_path / "1602050400.h5"
    copy.write_bytes(path.read_bytes())
    log = tmp_path / "night.json"
    rows = [
        {"start": START + 1, "kind": "laser", "wavelength_nm": 920.0},
        {"start": START, "kind": "laser", "wavelength_nm": 808.0},
    ]
    log.write_text(json.dumps({"observations": rows}))
    found = look_at_laser_file(copy)
    assert (found.wavelength_nm, found.told_by) == (808.0, "the night's log")
    log.write_text(json.dumps({"observations": [{"start": START, "kind": "dark"}]}))
    assert look_at_laser_file(copy).dark
    log.write_text("[}")
    assert math.isnan(look_at_laser_file(copy).wavelength_nm)


def test_the_nights_log_is_found_beside_the_raw_files_that_the_header_names(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    made, _ = make_observation(raw, np.full((3, 2), 50.0))
    copy = tmp_path / "away.h5"
    copy.write_bytes(made.read_bytes())
    rows = [{"start": START, "kind": "laser", "wavelength_nm": 1120.0}]
    (raw / "night.json").write_text(json.dumps({"observations": rows}))
    assert look_at_laser_file(copy).wavelength_nm == 1120.0


def test_the_folders_name_tells_a_laser_last_of_all(path, tmp_path):
    folder = tmp_path / "808nm"
    folder.mkdir()
    (folder / "1602050400.h5").write_bytes(path.read_bytes())
    (folder / "920nm.h5").write_bytes(path.read_bytes())
    assert look_at_laser_file(folder / "1602050400.h5").wavelength_nm == 808
    assert look_at_laser_file(folder / "920nm.h5").wavelength_nm == 920


def test_what_is_no_photon_file_has_a_problem_that_names_it(tmp_path):
    (tmp_path / "laser_808.h5").write_text("no")
    found = look_at_laser_file(tmp_path / "laser_808.h5")
    assert "laser_808.h5" in found.problem
    assert "missing.h5" in look_at_laser_file(tmp_path / "missing.h5").problem


# ---- solutions


def make_solution(path, observation, taken, **changes):
    with ObsFile(observation) as obs:
        beammap, camera = obs.beammap, obs.camera
    inputs = (
        InputFile(808.0, path, "id1", 1, taken - 60, 40.0, 99),
        InputFile(980.0, path, "id2", 1, taken + 20, 40.0, 99),
        InputFile(math.nan, path, "dark", 1, taken + 9000, 40.0, 99),
    )
    solution = full_solution(beammap, camera, inputs=inputs, n_bin=20, **changes)
    solution.save(path)
    return solution


def test_solutions_come_nearest_first_with_age_and_quality(path, tmp_path):
    times = {"early.h5": START - DAY, "near.h5": START + 600, "late.h5": START + 2 * DAY}
    made = {name: make_solution(tmp_path / name, path, at) for name, at in times.items()}
    (tmp_path / "photons.h5").write_bytes(path.read_bytes())
    (tmp_path / "broken.h5").write_text("no")
    with ObsFile(path) as obs:
        target = (obs.camera, obs.baseline, obs.beammap)
    found = nearby_solutions([tmp_path, tmp_path / "none", tmp_path], START, target)
    assert [one.path.name for one in found] == ["near.h5", "early.h5", "late.h5"]
    assert [one.age_s for one in found] == [-600, DAY, -2 * DAY]
    assert not any(one.obstacle for one in found)
    one, solution = found[0], made["near.h5"]
    assert one.n_calibrated == solution.calibrated.sum()
    assert one.n_pixel == solution.calibrated.size
    good = solution.resolving_power[solution.calibrated.ravel()]
    assert one.median_r == pytest.approx(np.median(good))
    assert one.solution_id == solution.solution_id


def test_a_solution_that_does_not_fit_comes_last_with_the_reason(path, tmp_path):
    make_solution(tmp_path / "fits.h5", path, START - 9 * DAY)
    make_solution(tmp_path / "other.h5", path, START, baseline="keep")
    with ObsFile(path) as obs:
        target = (obs.camera, obs.baseline, obs.beammap)
    fits, other = nearby_solutions([tmp_path], START, target)
    assert (fits.path.name, fits.obstacle) == ("fits.h5", "")
    assert "baseline" in other.obstacle


def test_a_photon_file_is_no_solution(path):
    with pytest.raises(InputFormatError, match="not a wavelength solution"):
        read_solution_file(path)
