"""Attaching a solution, taking it back, and whatever may go wrong in between: nothing may be lost."""

import hashlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tables
from observations import make_observation
from wavecal_solutions import essentials, full_solution, save_essentials

from pipeline_core import ObsFile
from pipeline_core.beammap import Beammap
from pipeline_core.cli import main
from pipeline_core.errors import CalibrationError, ConfigError, InputFormatError
from pipeline_core.flags import PixelFlag
from pipeline_core.rawobservation import RawObservation
from pipeline_core.sidecar import load_sidecar
from pipeline_core.wavecal.apply import calibration_for

PIXELS = [(x, y) for x in range(4) for y in range(3)]
BAD = int(PixelFlag["wavecal_bad"])
NOT_ATTEMPTED = int(PixelFlag["wavecal_not_attempted"])


@pytest.fixture
def path(tmp_path):
    """A photon file by itself in a folder."""
    folder = tmp_path / "night"
    folder.mkdir()
    return make_observation(folder, np.full((4, 3), 200.0))[0]


def solution_file(path, name="s.h5", **options):
    with ObsFile(path) as obs:
        solution = essentials(obs.beammap, obs.camera, **options)
    return save_essentials(path.parent / name, solution)


def everything(path):
    """Hash of all that can be read of an observation."""
    digest = hashlib.sha256()
    with ObsFile(path) as obs:
        digest.update(repr((obs.is_wavelength_calibrated, obs.photons((0, 0)).dtype)).encode())
        digest.update(obs.photons(PIXELS).tobytes())
        digest.update(obs.flags.tobytes())
        digest.update(obs.count_image(0.1, 1.3, min_phase=-70.0).tobytes())
        for pixel in PIXELS:
            digest.update(obs.light_curve(pixel, 0.05).counts.tobytes())
            spectrum = obs.spectrum(pixel)
            digest.update(spectrum.edges.tobytes() + spectrum.counts.tobytes())
    return digest.hexdigest()


def file_hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_apply_and_undo_leave_no_trace_in_what_is_read(path):
    photons, before = file_hash(path), everything(path)
    solution = solution_file(path)
    with ObsFile(path, mode="write") as obs:
        assert obs.apply_wavecal(solution) is obs
        assert obs.is_wavelength_calibrated
        inside = obs.photons((1, 0))["wavelength"]
    assert np.isfinite(inside).all()
    assert file_hash(path) == photons
    assert everything(path) != before
    with ObsFile(path) as obs:
        assert obs.is_wavelength_calibrated
        np.testing.assert_array_equal(obs.photons((1, 0))["wavelength"], inside)
        assert [action.action for action in obs.history] == ["apply"]
        assert "s.h5 (solution abc)" in obs.history[0].detail
    solution.unlink()  # the sidecar has what is needed
    assert everything(path) != before
    with ObsFile(path, mode="write") as obs:
        obs.undo("wavecal")
        assert not obs.is_wavelength_calibrated
    assert everything(path) == before
    assert file_hash(path) == photons


def test_applied_twice(path):
    first, second = solution_file(path), solution_file(path, "t.h5", seed=9, solution_id="def")
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(first)
        once = everything(path)
        obs.apply_wavecal(first)
        assert len(obs.history) == 1  # the same again: nothing happens
        with pytest.raises(CalibrationError, match=r"abc .*s\.h5.* attached already.*t\.h5.*def"):
            obs.apply_wavecal(second)
        assert everything(path) == once
        obs.apply_wavecal(second, replace=True)
        assert obs.wavecal.solution_id == "def"
        twice = everything(path)
        assert twice != once
        obs.annotate("clouds")
        obs.undo()
        assert everything(path) == twice
        obs.undo()  # what was replaced is back
        assert obs.wavecal.solution_id == "abc"
        assert everything(path) == once
        obs.apply_wavecal(second, replace=True)
        obs.undo("wavecal")  # empties the slot
        assert obs.wavecal is None
        with pytest.raises(CalibrationError, match="no wavecal to undo"):
            obs.undo("wavecal")
    sidecar = load_sidecar(path.with_name(f"{path.stem}.cal.h5"), obs.file_id)
    assert sidecar.wavecals == ()
    assert [action.undone for action in sidecar.history] == [True, True, True, True]


def test_trying_out_attaches_nothing(path):
    solution = solution_file(path)
    before = everything(path)
    with ObsFile(path, wavecal=solution) as obs:
        assert obs.is_wavelength_calibrated
        obs.try_wavecal(None)
        assert not obs.is_wavelength_calibrated
    assert not list(path.parent.glob("*.cal.h5"))
    assert everything(path) == before


def test_a_file_that_is_open_for_reading_is_left_alone(path):
    solution = solution_file(path)
    with ObsFile(path) as obs, pytest.raises(ConfigError, match="open for reading"):
        obs.apply_wavecal(solution)
    assert not list(path.parent.glob("*.cal.h5"))


def test_raw_files_can_be_tried_but_not_changed(path, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    beammap = Beammap.design((4, 3), feedlines=1)
    solution = solution_file(path)
    with RawObservation([path.with_suffix(".bin")], beammap) as raw:
        with pytest.raises(ConfigError, match="no photon file"):
            raw.apply_wavecal(solution)
        with raw.with_wavecal(solution) as tried:
            assert tried.kind == "raw"
            assert np.isfinite(tried.photons((1, 0))["wavelength"]).any()
        assert not raw.is_wavelength_calibrated


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_killed_in_the_middle(path, moment):
    """SIGKILL while the sidecar is written: it is the old one or the new one, whole."""
    first, second = solution_file(path), solution_file(path, "t.h5", seed=9, solution_id="def")
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(first)
    once, photons = everything(path), file_hash(path)
    script = f"""
import os, signal
from pipeline_core import ObsFile, atomic, sidecar
write, finish = sidecar._write, atomic._finish
def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
def half(part, value):
    write(part, value)
    os.truncate(part, os.path.getsize(part) // 2)
    killed()
def finished(*args, **options):
    finish(*args, **options)
    killed()
if {moment!r} == "before":
    sidecar._write = killed
elif {moment!r} == "during":
    sidecar._write = half
else:
    atomic._finish = finished
with ObsFile({str(path)!r}, mode="write") as obs:
    obs.apply_wavecal({str(second)!r}, replace=True)
"""
    process = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert process.returncode == -signal.SIGKILL
    with ObsFile(path, mode="write") as obs:
        assert obs.wavecal.solution_id == ("def" if moment == "after" else "abc")
        if moment == "after":
            obs.undo()
    assert everything(path) == once
    assert file_hash(path) == photons
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(second, replace=True)
    assert not list(path.parent.glob("*.part"))


def test_a_read_only_folder(path, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    solution = solution_file(path)
    access = os.access
    monkeypatch.setattr(os, "access", lambda at, mode: at != path.parent and access(at, mode))
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(solution)
        assert obs.sidecar == tmp_path / f"data/quicklook/sidecars/{obs.file_id}.cal.h5"
    with ObsFile(path) as obs:
        assert obs.is_wavelength_calibrated
    assert not list(path.parent.glob("*.cal.h5"))


def test_sidecars_of_the_first_version_are_read_and_grow(path):
    with ObsFile(path, mode="write") as obs:
        obs.annotate("old")
        sidecar = obs.sidecar
    with tables.open_file(str(sidecar), "a") as h5:
        h5.root._v_attrs.version = np.int64(1)
        h5.remove_node("/slots/wavecal")
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(solution_file(path))
        assert obs.annotations == ("old",)
    with ObsFile(path) as obs:
        assert obs.is_wavelength_calibrated


def test_a_spoilt_calibration_in_the_sidecar(path):
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(solution_file(path))
        sidecar = obs.sidecar
    with tables.open_file(str(sidecar), "a") as h5:
        h5.remove_node("/slots/wavecal/row_0/coefficients")
    with pytest.raises(InputFormatError, match=r"cal\.h5 is damaged"):
        ObsFile(path)


# --- which solutions fit --------------------------------------------------------------------------


def design(shape=(4, 3)):
    return Beammap.design(shape, feedlines=1)


def fitted(solution, beammap, camera="unknown", baseline="ignore"):
    return calibration_for(solution, camera, baseline, beammap, "s.h5", "o.h5")


def test_other_cameras_and_baselines_are_refused():
    solution = essentials(design(), "unknown")
    fitted(solution, design())
    with pytest.raises(CalibrationError, match=r"s\.h5 .*4 x 3.*o\.h5 .*5 x 3"):
        fitted(solution, design((5, 3)))
    with pytest.raises(CalibrationError, match="DARKNESS"):
        fitted(solution, design(), camera="DARKNESS")
    with pytest.raises(CalibrationError, match=r"'ignore'.*'subtract-median'"):
        fitted(solution, design(), baseline="subtract-median")


def test_pixels_are_found_by_resonator():
    known = design()
    moved = Beammap(known.res_id[::-1, ::-1], known.code, known.frequency_mhz)
    solution = essentials(known, "unknown", bad=[(3, 1)])
    found = fitted(solution, moved)
    curves = solution.curves
    for x, y in PIXELS:
        p = 3 * (3 - x) + (2 - y)
        bad = curves.kind[p] == 0 or (3 - x, 2 - y) == (3, 1)
        assert found.kind[x, y] == (0 if bad else curves.kind[p])
        assert bool(found.flags[x, y] & BAD) == bad
        if not bad:
            np.testing.assert_array_equal(found.coefficients[x, y], curves.coefficients[p])
            np.testing.assert_array_equal(found.valid_phase_deg[x, y], curves.valid_phase_deg[p])
            np.testing.assert_array_equal(found.covariance[x, y], curves.covariance[p])


def test_resonators_that_the_solution_does_not_know():
    known = design()
    ids = known.res_id.copy()
    ids.flat[[1, 2, 3]] = 77777, 77778, 77779
    some = Beammap(ids, known.code, known.frequency_mhz)
    found = fitted(essentials(known, "unknown"), some)
    assert (found.kind.flat[[1, 2, 3]] == 0).all()
    assert (found.flags.flat[[1, 2, 3]] == BAD | NOT_ATTEMPTED).all()
    assert found.kind.flat[4] > 0
    other = Beammap(ids + 500_000, known.code, known.frequency_mhz)
    with pytest.raises(CalibrationError, match=r"only 0 of the 12 resonators.*another beam map"):
        fitted(essentials(known, "unknown"), other)


def test_a_doubled_resonator_is_taken_from_its_own_place_only():
    known = design()
    ids = known.res_id.copy()
    ids.flat[4] = ids.flat[1]
    doubled = Beammap(ids, known.code, known.frequency_mhz)
    solution = essentials(doubled, "unknown")
    same = fitted(solution, doubled)
    assert same.kind.flat[1] == solution.curves.kind[1]
    assert same.kind.flat[4] == solution.curves.kind[4]
    elsewhere = ids.copy()
    elsewhere.flat[[0, 1]] = ids.flat[[1, 0]]
    found = fitted(solution, Beammap(elsewhere, known.code, known.frequency_mhz))
    assert found.flags.flat[0] == BAD | NOT_ATTEMPTED  # either of two: nobody knows


def test_unmapped_pixels_stay_unmapped():
    known = design()
    ids = known.res_id.copy()
    ids.flat[1] = 2**32 - 1
    beammap = Beammap(ids, known.code, known.frequency_mhz)
    found = fitted(essentials(beammap, "unknown"), beammap)
    assert found.kind.flat[1] == 0
    assert found.flags.flat[1] == BAD | NOT_ATTEMPTED


# --- the command line ------------------------------------------------------------------------------


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_commands(path, tmp_path, capsys):
    with ObsFile(path) as obs:
        solution = full_solution(obs.beammap, obs.camera)
    file = solution.save(tmp_path / "s.h5")
    assert run("apply", file, path) == 0
    assert "9 of 12 pixels calibrated" in capsys.readouterr().out
    assert run("info", path) == 0
    out = capsys.readouterr().out
    assert (
        f"wavelength calibration: solution {solution.solution_id} (s.h5; 808, 980, 1310 nm)" in out
    )
    image, spectrum = tmp_path / "i.npz", tmp_path / "s.csv"
    window = ("--min-wavelength", 900, "--max-wavelength", 1100)
    assert run("image", path, "--out", image, *window) == 0
    with np.load(image) as arrays, ObsFile(path) as obs:
        expected = obs.count_image(min_wavelength=900.0, max_wavelength=1100.0)
        np.testing.assert_array_equal(arrays["image"], expected)
        about = json.loads(str(arrays["about"]))
    assert (about["WAVEMIN"], about["WAVEMAX"], about["WAVECAL"]) == (
        900,
        1100,
        solution.solution_id,
    )
    assert expected.sum() > 0
    assert run("spectrum", path, "--pixel", 1, 0, "--bin-ev", 0.05, "--out", spectrum) == 0
    assert "wavelength_low (nm)" in spectrum.read_text()
    curve = tmp_path / "c.csv"
    assert run("lightcurve", path, "--pixel", 1, 0, "--out", curve, *window) == 0
    capsys.readouterr()
    assert run("undo", path) == 0
    assert "Wavelength calibration now: none" in capsys.readouterr().out
    assert run("history", path) == 0
    assert "(undone)" in capsys.readouterr().out
    assert run("undo", path, "--kind", "wavecal") == 1
    assert "no wavecal to undo" in capsys.readouterr().err
    assert run("image", path, "--out", tmp_path / "j.npz", *window) == 1
    assert "no wavelength calibration" in capsys.readouterr().err


def test_applying_what_is_no_solution(path, tmp_path, capsys):
    assert run("apply", path, path) == 1
    assert "not a wavelength solution" in capsys.readouterr().err
    assert run("apply", tmp_path / "none.h5", path) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert not list(path.parent.glob("*.cal.h5"))
