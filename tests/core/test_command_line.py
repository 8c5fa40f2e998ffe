import json
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from rawdata import header, photon, write_words

from pipeline_core.beammap import Beammap
from pipeline_core.cli import image, main
from pipeline_core.obsfile import ObsFile

START = 1602050400
TICKS = (START - 1577836800) * 2000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An own cache of converted raw files, and no beam map from the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Raw file, beam map and photon file of a 4 x 3 array; pixel (x, y) has 10 x + y + 1 photons."""
    folder = tmp_path_factory.mktemp("night")
    words = []
    for k in range(100):
        words.append(header(5, k, TICKS + 20 * k))
        for x in range(4):
            words += [photon(x, y, k, -30_000 - k) for y in range(3) if k < 10 * x + y + 1]
    write_words(folder / f"{START}.bin", words)
    Beammap.design((4, 3)).write(folder / "map.txt")
    out = folder / "o.h5"
    arguments = [
        "convert",
        folder,
        "--start",
        START,
        "--duration",
        1,
        "--beammap",
        folder / "map.txt",
    ]
    assert main([str(a) for a in [*arguments, "--out", out]]) == 0
    return folder, out


def test_too_little_memory_is_an_error_with_a_remedy(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise MemoryError("Unable to allocate 191. MiB")

    monkeypatch.setattr(image, "run", fail)
    assert main(["image", "obs.h5", "--out", str(tmp_path / "i.fits")]) == 1
    error = capsys.readouterr().err
    assert "error: image: the memory does not suffice (Unable to allocate 191. MiB)" in error
    assert "shorter time range" in error


def read_csv(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return np.genfromtxt(lines, delimiter=",", names=True)


EXPECTED = 10 * np.arange(4)[:, None] + np.arange(3) + 1


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_convert_reports_as_json(night, capsys):
    folder, _ = night
    arguments = ("--start", START, "--duration", 1, "--beammap", folder / "map.txt", "--json")
    assert run("convert", folder, *arguments, "--out", folder / "j.h5", "--baseline", "keep") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["photons"] == EXPECTED.sum()
    assert result["packets lost by board"] == {}
    assert result["warnings"] == []
    with ObsFile(folder / "j.h5") as obs:
        assert obs.baseline == "keep"


def test_image_in_every_format(night, tmp_path):
    _, out = night
    assert run("image", out, "--out", tmp_path / "i.fits") == 0
    with fits.open(tmp_path / "i.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data, EXPECTED.T)  # FITS: x is the first axis
        head = hdus[0].header
        assert (head["NAXIS1"], head["NAXIS2"]) == (4, 3)
        assert head["BUNIT"] == "count"
        assert head["DATE-OBS"] == "2020-10-07T06:00:00.000000"
        assert (head["TSTART"], head["TSTOP"], head["EXPTIME"]) == (0.0, 1.0, 1.0)
        assert head["PHOTFILE"] == "o.h5"
        assert hdus["FLAGS"].data.shape == (3, 4)
    assert run("image", out, "--out", tmp_path / "part.fits", "--start", 0.25, "--stop", 0.5) == 0
    head = fits.getheader(tmp_path / "part.fits")
    assert head["EXPTIME"] == 0.25
    assert head["DATE-OBS"] == "2020-10-07T06:00:00.250000"
    assert head["DATE-END"] == "2020-10-07T06:00:00.500000"
    assert run("image", out, "--out", tmp_path / "i.npz", "--start", 0, "--stop", 0.05) == 0
    with np.load(tmp_path / "i.npz") as arrays:
        np.testing.assert_array_equal(arrays["image"], np.minimum(EXPECTED, 5))
        assert json.loads(str(arrays["about"]))["TSTOP"] == 0.05
    assert run("image", out, "--out", tmp_path / "i.csv") == 0
    rows = read_csv(tmp_path / "i.csv")
    assert (rows["counts"] == EXPECTED[rows["x"].astype(int), rows["y"].astype(int)]).all()


def test_light_curve_and_spectrum_in_every_format(night, tmp_path):
    _, out = night
    pixel = ("--pixel", 3, 2)  # 33 photons, one every 10 ms
    for ending in ("fits", "csv", "npz"):
        curve, spectrum = tmp_path / f"c.{ending}", tmp_path / f"s.{ending}"
        assert run("lightcurve", out, *pixel, "--bin-ms", 100, "--out", curve) == 0
        assert run("spectrum", out, *pixel, "--bin-deg", 0.5, "--out", spectrum) == 0
    with fits.open(tmp_path / "c.fits") as hdus:
        table = hdus["LIGHTCURVE"]
        assert table.data["counts"].tolist() == [10, 10, 10, 3, 0, 0, 0, 0, 0, 0]
        assert table.columns["rate"].unit == "count/s"
        assert (table.header["PIXELX"], table.header["PIXELY"]) == (3, 2)
    rows = read_csv(tmp_path / "c.csv")
    assert rows["counts"].sum() == 33
    with np.load(tmp_path / "s.npz") as arrays:
        assert arrays["counts"].sum() == 33
        np.testing.assert_allclose(np.diff(arrays["phase_low"]), 0.5)
    assert "phase_low (deg)" in (tmp_path / "s.csv").read_text()


def test_a_table_without_entries_says_so(night, capsys):
    folder, _ = night
    arguments = ("--start", START, "--duration", 1, "--beammap", folder / "map.txt")
    assert run("convert", folder, *arguments, "--out", folder / "none.h5") == 0
    assert "packets lost by board: none\n" in capsys.readouterr().out


def test_raw_files_give_what_their_photon_file_gives(night, tmp_path, capsys):
    """image, lightcurve and spectrum take a .bin with its beam map; image takes a .img too."""
    folder, out = night
    raw, pixel = folder / f"{START}.bin", ("--pixel", 3, 2)
    beammap = ("--beammap", folder / "map.txt")
    commands = {
        "image": ("--start", 0.25, "--stop", 0.5),
        "lightcurve": (*pixel, "--bin-ms", 100),
        "spectrum": (*pixel, "--bin-deg", 0.5),
    }
    for command, options in commands.items():
        assert run(command, out, *options, "--out", tmp_path / f"{command}.npz") == 0
        assert run(command, raw, *beammap, *options, "--out", tmp_path / f"{command}-raw.npz") == 0
        with (
            np.load(tmp_path / f"{command}.npz") as of_photons,
            np.load(tmp_path / f"{command}-raw.npz") as of_raw,
        ):
            assert sorted(of_raw) == sorted(of_photons)
            for name in set(of_raw) - {"about"}:
                np.testing.assert_array_equal(of_raw[name], of_photons[name])
            assert json.loads(str(of_raw["about"]))["PHOTFILE"] == raw.name
    frame = folder / f"{START}.img"
    frame.write_bytes(EXPECTED.astype("<u2").tobytes())
    assert run("image", frame, *beammap, "--out", tmp_path / "frame.fits") == 0
    np.testing.assert_array_equal(fits.getdata(tmp_path / "frame.fits"), EXPECTED.T)
    assert run("info", frame, *beammap, "--json") == 0
    out_text = capsys.readouterr().out
    assert json.loads(out_text[out_text.index("{") :])["counts"] == EXPECTED.sum()


def test_what_raw_files_lack_is_said_with_exit_code_1(night, tmp_path, capsys):
    folder, _ = night
    raw, frame = folder / f"{START}.bin", tmp_path / f"{START}.img"
    frame.write_bytes(bytes(20_000))
    assert run("image", raw, "--out", tmp_path / "i.fits") == 1
    said = capsys.readouterr().err
    assert str(raw) in said
    assert "needs a beam map" in said
    for command in ("lightcurve", "spectrum"):
        assert run(command, frame, "--pixel", 0, 0, "--out", tmp_path / "c.csv") == 1
        assert "holds counts only" in capsys.readouterr().err
    assert run("image", frame, "--stop", 0.5, "--out", tmp_path / "i.fits") == 1
    assert "whole second" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.fits"))


def test_nothing_is_overwritten_unasked(night, tmp_path, capsys):
    _, out = night
    target = tmp_path / "i.fits"
    target.write_text("precious")
    assert run("image", out, "--out", target) == 1
    assert "exists already" in capsys.readouterr().err
    assert target.read_text() == "precious"
    assert run("image", out, "--out", target, "--overwrite") == 0


def test_info_of_every_kind(night, capsys):
    folder, out = night
    for path, kind in (
        (out, "photon file"),
        (folder / f"{START}.bin", "raw .bin file"),
        (folder / "map.txt", "beam map"),
    ):
        assert run("info", path, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found["kind"] == kind
    assert run("info", out) == 0
    printed = capsys.readouterr().out
    assert f"photons: {EXPECTED.sum()}" in printed
    assert "2020-10-07 06:00:00 UTC" in printed
    assert "beammap.good: 12" in printed


def test_names_that_fits_cannot_spell(night, tmp_path):
    _, out = night
    odd = tmp_path / "nächte.h5"
    odd.write_bytes(out.read_bytes())
    assert run("image", odd, "--out", tmp_path / "i.fits") == 0
    assert fits.getheader(tmp_path / "i.fits")["PHOTFILE"] == r"n\xe4chte.h5"


def test_a_reader_that_stops_early_is_no_error(night):
    _, out = night
    command = f"'{sys.executable}' -m pipeline_core info '{out}' | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("file: ")
    assert "Traceback" not in done.stderr


def test_a_request_to_end_leaves_nothing(tmp_path):
    """As Ctrl-C, in a process of its own."""
    code = (
        "import os, signal, sys, pipeline_core.cli.convert as c\n"
        "from pipeline_core.cli import main\n"
        "def slow(settings, progress):\n"
        "    open(str(settings.out) + '.part', 'w')\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        signal.pause()\n"
        "    finally:\n"
        "        os.unlink(str(settings.out) + '.part')\n"
        "c.convert = slow\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = [
        "convert",
        ".",
        "--start",
        "5",
        "--duration",
        "1",
        "--beammap",
        "b",
        "--out",
        "o.h5",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "cancelled: nothing was left behind" in done.stderr
    assert not list(tmp_path.iterdir())


def test_exit_codes_and_messages(night, tmp_path, capsys):
    _, out = night
    assert run("info", tmp_path / "none") == 1
    assert str(tmp_path / "none") in capsys.readouterr().err
    assert run("image", out, "--out", tmp_path / "i.jpeg") == 1
    assert "must end in" in capsys.readouterr().err
    assert run("lightcurve", out, "--pixel", 4, 0, "--out", tmp_path / "c.csv") == 1
    assert "outside the array" in capsys.readouterr().err
    (tmp_path / "odd.txt").write_text("hello")
    assert run("info", tmp_path / "odd.txt") == 1
    assert "neither a photon file" in capsys.readouterr().err
    for usage in (["image"], ["nonsense"], ["convert", ".", "--start", "x"]):
        with pytest.raises(SystemExit) as caught:
            main(usage)
        assert caught.value.code == 2
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0


@pytest.mark.slow
def test_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "pipeline_core", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("pipeline_core ")
