"""Masks from the command line: badpixels, timemask, apply, undo, info and history."""

import json

import numpy as np
import pytest
from observations import make_observation

from pipeline_core import ObsFile
from pipeline_core.cli import main

SHAPE = (7, 9)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    rates = np.full(SHAPE, 400.0)
    rates[2, 7], rates[5, 1] = 9000.0, 0.0
    folder = tmp_path_factory.mktemp("night")
    return make_observation(folder, rates, 1, np.zeros(SHAPE, np.uint8))[0]


@pytest.fixture
def path(recorded):
    recorded.with_suffix(".cal.h5").unlink(missing_ok=True)
    return recorded


@pytest.fixture
def ask(capsys):
    def run(*arguments, code=0):
        assert main([str(a) for a in (*arguments, "--json")]) == code
        out = capsys.readouterr()
        return json.loads(out.out) if code == 0 else out.err

    return run


def test_bad_pixels_from_finding_to_undoing(path, ask, tmp_path):
    mask = tmp_path / "mask.h5"
    found = ask("badpixels", path, "--out", mask, "--slice", 0.5)
    assert found["bad pixels"] == "2 of 63 that are read out"
    assert found["all through"] == {"hot": 1, "cold": 0, "dead": 1, "unstable": 0}
    assert found["slices of time"] == 4
    assert found["attached"] == "no"
    assert "exists already" in ask("badpixels", path, "--out", mask, code=1)
    about = ask("info", mask)
    assert about["kind"] == "mask of bad pixels"
    assert about["mask id"] == found["mask id"]
    applied = ask("apply", mask, path)["applied"][str(path)]
    assert applied.startswith("2 of 63 pixels masked;")
    assert ", as before" in ask("apply", mask, path)["applied"][str(path)]
    about = ask("info", path)
    assert about["bad pixels"] == f"2 of 63 pixels, by 1 mask ({found['mask id']})"
    assert about["pixels by flag"]["pixcal.hot"] == about["pixels by flag"]["pixcal.dead"] == 1
    edited = ask("badpixels", path, "--unmask", 2, 7, "--reason", "a star")
    assert edited["pixels"] == {"(2, 7)": "Unmasked. By hand: a star"}
    edited = ask("badpixels", path, "--mask", 0, 3, "--reason", "odd", "--kind", "unstable")
    assert edited["pixels"] == {"(0, 3)": "By hand: odd"}
    rows = ask("history", path)["history"]
    assert [row.split(" UTC ")[1].split(":")[0] for row in rows[1:]] == ["apply", "unmask", "mask"]
    undone = ask("undo", path, "--kind", "badpixels")["undone"][str(path)]
    assert undone.startswith("took back mask (0, 3) unstable: odd.")
    with ObsFile(path) as obs:
        assert obs.mask_reasons((2, 7)) == ("Unmasked. By hand: a star",)
        assert obs.mask_reasons((0, 3)) == ()


@pytest.mark.parametrize("command", ["badpixels", "timemask"])
def test_photons_and_what_is_attached_are_never_replaced_by_a_mask(path, ask, command):
    ask("badpixels", path, "--attach")
    sidecar = path.with_name(f"{path.stem}.cal.h5")
    before = path.read_bytes(), sidecar.read_bytes()
    for taken in (path, sidecar):
        assert "not replaced" in ask(command, path, "--out", taken, "--overwrite", code=1)
    assert (path.read_bytes(), sidecar.read_bytes()) == before


@pytest.mark.parametrize("command", ["badpixels", "timemask"])
@pytest.mark.parametrize("ending", ["bin", "img", "bmap"])
def test_raw_data_are_never_replaced_by_a_mask(path, ask, tmp_path, command, ending):
    raw, link = tmp_path / f"1602050400.{ending}", tmp_path / "mask.h5"
    raw.write_bytes(bytes(80))
    link.symlink_to(raw)
    for taken in (raw, link):
        assert "never written over" in ask(command, path, "--out", taken, "--overwrite", code=1)
    assert raw.read_bytes() == bytes(80)


def test_found_and_attached_at_once(path, ask):
    found = ask("badpixels", path, "--attach", "--no-slices", "--no-flicker", "--method", "median")
    assert found["attached"].startswith("yes; kept in")
    assert found["settings"]["method"] == "median"
    assert found["settings"]["slice_s"] is None
    with ObsFile(path) as obs:
        assert len(obs.pixel_masks) == 1
    assert "what to do with the mask" in ask("badpixels", path, code=1)
    assert "n_sigma" in ask("badpixels", path, "--attach", "--sigma", 0, code=1)
    assert "needs a reason" in ask("badpixels", path, "--mask", 0, 0, code=1)
    assert "outside the array" in ask("badpixels", path, "--mask", 7, 0, "--reason", "x", code=1)


def test_time_masks_from_finding_to_undoing(path, ask, tmp_path):
    mask = tmp_path / "times.h5"
    healthy = ask("info", path)["health"]
    found = ask("timemask", path, "--out", mask, "--least-photons", 50)
    assert (found["intervals"], found["attached"]) == (0, "no")
    edited = ask("timemask", path, "--mask", 0.5, 1, "--reason", "cloud", "--kind", "poofing")
    assert edited["masked (s)"] == ["0.500000 to 1.000000"]
    edited = ask("timemask", path, "--unmask", 0.6, 0.7, "--reason", "clear")
    assert edited["time that counts (s)"] == 1.6
    assert ask("apply", mask, path)["applied"][str(path)].startswith("0.400000 of 2 s masked")
    about = ask("info", path)
    assert about["masked times"].startswith("0.400000 s, by 3 masks")
    assert about["time with data (s)"] == 1.6
    with ObsFile(path) as obs:
        rate = obs.count_image().sum() / 1.6
    assert about["mean rate (counts/s with data)"] == pytest.approx(rate, abs=1e-3)
    assert (
        about["health"][:-1] == healthy[:-1]
    )  # masks are no fault; the last line is about the sidecar
    assert ask("info", mask)["kind"] == "time mask"
    for left in (1.6, 1.5, 2.0):
        ask("undo", path)
        with ObsFile(path) as obs:
            assert obs.open_time() == pytest.approx(left)
    assert "what to do with the mask" in ask("timemask", path, code=1)
    assert "bins" in ask("timemask", path, "--attach", "--bins", 0, code=1)
    assert "Time range" in ask("timemask", path, "--mask", 1, 3, "--reason", "x", code=1)


def test_no_solution_at_all(path, ask):
    assert "not a wavelength solution" in ask("apply", path, path, code=1)
