"""Stacks from files to files: simulated positions of a dither, the command, what is in the result."""

import json
import shutil
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from pipeline_core import ObsFile
from pipeline_core.cli import main
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.cube_products import write_cube
from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError, InputFormatError, OperationCancelled, OutputError
from pipeline_core.export import export_image
from pipeline_core.flags import PixelFlag
from pipeline_core.simulate import (
    ArraySettings,
    LightSettings,
    SimulationSettings,
    load_truth,
    simulate,
)
from pipeline_core.stacking.ditherlog import log_of, middle_of_file, offsets_in_log
from pipeline_core.stacking.frames import load_frame, middle_unix
from pipeline_core.stacking.offsets import Offsets, scale_matrix
from pipeline_core.stacking.settings import StackSettings
from pipeline_core.stacking.stack import write_stack

SHAPE = (24, 19)
START = 1602050400
DITHER = ((0.0, 0.0), (3.0, -2.0), (-1.5, 2.5))
STAR = (0.45 * 23, 0.55 * 18)


@pytest.fixture(scope="module")
def positions(tmp_path_factory):
    """Photon files of three positions, and the truth of the first."""
    folder = tmp_path_factory.mktemp("dither")
    paths = []
    for i, shift in enumerate(DITHER):
        start = START + 10 * i
        settings = SimulationSettings(
            "sky",
            seconds=2,
            rate_cps=120.0,
            shape=SHAPE,
            start=start,
            seed=2,
            array=ArraySettings.ideal(),
            light=LightSettings(shift_pix=shift, companion_contrast=0.0, speckle_share=0.0),
        )
        raw = simulate(settings, folder / "raw")
        out = folder / f"{start}.h5"
        convert(ConvertSettings(folder / "raw", start, 2, raw.beammap_path, out))
        paths.append(out)
    return paths, load_truth(folder / "raw" / f"truth_{START}.npz")


def arguments_of(paths, out, *more):
    return ["stack", *map(str, paths), "--out", str(out), "--quiet", *map(str, more)]


def given():
    return [word for x, y in DITHER for word in ("--offset", x, y)]


def read(path):
    """Arrays [x, y], tables and header of a stack; without a single warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path) as hdus:
            hdus.verify("exception")
            data = {
                hdu.name: hdu.data.T.copy() if hdu.is_image else hdu.data.copy() for hdu in hdus
            }
            return data, hdus[0].header


def test_dithered_photons_become_the_sky(positions, tmp_path, capsys):
    paths, truth = positions
    out = tmp_path / "stack.fits"
    # by whole pixels: a star so sharp looks different between them
    assert main([*arguments_of(paths[:2], out, "--upsample", 2, *given()[:6])]) == 0
    assert "frames: 2" in capsys.readouterr().out
    data, header = read(out)
    sky = truth["light_ic"] + truth["light_background"]
    inner = np.zeros(SHAPE, bool)
    inner[:-3, 2:] = True  # seen by both
    light = data["SCI"].reshape(data["SCI"].shape[0] // 2, 2, -1, 2).sum(axis=(1, 3))
    spread = data["VARIANCE"].reshape(light.shape[0], 2, -1, 2).sum(axis=(1, 3))
    x0, y0 = 3, 0  # place of the first frame on the grid
    seen = light[x0 : x0 + SHAPE[0], y0 : y0 + SHAPE[1]][inner]
    error = np.sqrt(spread[x0 : x0 + SHAPE[0], y0 : y0 + SHAPE[1]][inner])
    pulls = (seen - sky[inner]) / error
    assert pulls.std() == pytest.approx(1.0, abs=0.2)
    assert abs(seen.sum() - sky[inner].sum()) < 4 * np.sqrt((error**2).sum())
    frames = data["FRAMES"]
    np.testing.assert_allclose(np.stack([frames["offset_x"], frames["offset_y"]], 1), DITHER[:2])
    assert list(frames["file"]) == [path.name for path in paths[:2]]
    assert json.loads(header["SETTINGS"])["upsample"] == 2
    # the first fine pixel is a quarter inside the outer corner of pixel (-3, 0)
    assert WCS(header).wcs_pix2world([[0, 0]], 0)[0] == pytest.approx([-3.25, -0.25])
    assert WCS(header).wcs_pix2world([[7, 5]], 0)[0] == pytest.approx([0.25, 2.25])
    assert data["NFRAMES"].max() == 2
    with ObsFile(paths[0]) as obs:
        assert data["EXPOSURE"].max() == pytest.approx(2 * obs.live_time().max(), rel=0.01)


@pytest.mark.parametrize("method", ["mean", "median", "drizzle"])
def test_measured_offsets_are_the_simulated_ones(positions, tmp_path, method):
    paths, _ = positions
    out = tmp_path / "stack.npz"
    how = "correlate" if method == "median" else "centroid"
    assert main(arguments_of(paths, out, "--method", method, "--register", how)) == 0
    with np.load(out) as npz:
        found = np.stack([npz["frame_offset_x"], npz["frame_offset_y"]], 1)
        errors = np.stack([npz["frame_error_x"], npz["frame_error_y"]], 1)
        assert ((errors[1:] > 0) & (errors[1:] < 0.25)).all()
        assert (np.abs(found - DITHER)[1:] < np.minimum(4 * errors[1:], 0.1)).all()
        x, y = np.unravel_index(np.nanargmax(npz["sci"]), npz["sci"].shape)
        about = json.loads(str(npz["about"]))
    assert (about["METHOD"], about["REGISTER"]) == (method, how)
    # the star of the first frame, wherever the grid begins
    assert x + about["CRVAL1"] == pytest.approx(STAR[0], abs=1.0)
    assert y + about["CRVAL2"] == pytest.approx(STAR[1], abs=1.0)


def test_the_star_has_its_place_on_the_sky(positions, tmp_path):
    paths, _ = positions
    out = tmp_path / "stack.fits"
    sky = ["--ra", 150, "--dec", 40, "--reference-pixel", *STAR, "--platescale", 10]
    more = [*sky, "--orientation", 30, "--upsample", 2, "--method", "drizzle", *given()]
    assert main(arguments_of(paths, out, *more)) == 0
    data, header = read(out)
    near = np.argwhere(np.nan_to_num(data["SCI"]) > 0.5 * np.nanmax(data["SCI"])).mean(axis=0)
    with fits.open(out) as hdus:
        for hdu in hdus[:4]:
            place = WCS(hdu.header).pixel_to_world(*near)
            assert place.ra.deg == pytest.approx(150, abs=5e-6 / np.cos(np.radians(40)))
            assert place.dec.deg == pytest.approx(40, abs=5e-6)
    step = WCS(header).pixel_to_world(0, 0).separation(WCS(header).pixel_to_world(0, 1))
    assert step.to(u.mas).value == pytest.approx(5.0, rel=1e-6)


def test_products_of_photons_stack_like_the_photons(positions, tmp_path):
    paths, _ = positions
    pairs = {"image": [], "cube": [], "rates": []}
    for path in paths:
        with ObsFile(path) as obs:
            for kind, ending in (("image", ".fits"), ("cube", ".npz"), ("rates", ".fits")):
                made = tmp_path / f"{kind}{path.stem}{ending}"
                if kind == "image":
                    export_image(made, obs, obs.count_image())
                else:
                    write_cube(made, obs, CubeSettings(rates=kind == "rates"))
                pairs[kind].append(made)
    with ObsFile(paths[0]) as obs:
        direct = load_frame(paths[0], CubeSettings())
        np.testing.assert_allclose(
            direct.rate[..., 0], obs.rate_image().rate_cps, rtol=1e-9, equal_nan=True
        )
        np.testing.assert_allclose(direct.exposure_s, obs.live_time(), rtol=1e-9)
    for kind, rtol in (("image", 0.02), ("cube", 1e-6), ("rates", 1e-6)):
        frame = load_frame(pairs[kind][0], CubeSettings())
        np.testing.assert_allclose(frame.rate, direct.rate, rtol=rtol)
        np.testing.assert_allclose(frame.variance, direct.variance, rtol=2 * rtol)
        np.testing.assert_allclose(frame.exposure_s, direct.exposure_s, rtol=rtol)
    assert frame.camera == direct.camera


def test_the_middle_of_a_file_is_that_of_its_frame(positions, tmp_path):
    paths, _ = positions
    with ObsFile(paths[1]) as obs:
        export_image(tmp_path / "image.fits", obs, obs.count_image())
        write_cube(tmp_path / "cube.npz", obs, CubeSettings())
    for path in (paths[1], tmp_path / "image.fits", tmp_path / "cube.npz"):
        assert middle_of_file(path) == middle_unix(load_frame(path, CubeSettings())) == START + 11


def dither_log(path, moved=0):
    starts = [START + 10 * i - 1 + moved for i in range(3)]
    ends = [one + 4 for one in starts]
    path.write_text(f"starts={starts}\nends={ends}\npath={[tuple(one) for one in DITHER]}\n")
    return path


def test_offsets_in_a_log_are_those_that_stacking_finds(positions, tmp_path):
    paths, _ = positions
    log = dither_log(tmp_path / "dither.log")
    chosen = [paths[2], paths[0]]  # in any order, and not all
    offsets, pixels = offsets_in_log(log, scale_matrix(2.0), chosen)
    settings = StackSettings(register="dither", offsets=offsets)
    found = write_stack(tmp_path / "stack.fits", chosen, settings).registration.offsets
    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_allclose(pixels, [(0, 0), 2 * (np.array(DITHER[0]) - DITHER[2])])
    with pytest.raises(ConfigError, match=r"was at no position"):
        offsets_in_log(dither_log(log, 3), scale_matrix(2.0), chosen)


def test_the_log_beside_a_file_is_the_one_that_holds_its_time(positions, tmp_path):
    paths, _ = positions
    frame = tmp_path / paths[1].name
    shutil.copy(paths[1], frame)
    assert log_of(frame) is None
    (tmp_path / "dither_a.log").write_text("starts=[1, 2\n")  # no log after all
    dither_log(tmp_path / "dither_b.log", moved=1000)
    assert log_of(frame) is None
    right = dither_log(tmp_path / "dither_c.log")
    assert log_of(frame) == right


def test_a_flag_takes_its_pixels_out(positions, tmp_path):
    paths, _ = positions
    copy = tmp_path / paths[0].name
    copy.write_bytes(paths[0].read_bytes())
    with ObsFile(copy, "write") as obs:
        obs.mask_pixels([(5, 7)], "by hand", "hot")
        export_image(tmp_path / "image.fits", obs, obs.count_image())
    bits = int(PixelFlag["pixcal_hot"])
    for path in (copy, tmp_path / "image.fits"):
        assert np.isfinite(load_frame(path, CubeSettings()).rate[5, 7, 0])
        frame = load_frame(path, CubeSettings(exclude=bits))
        assert np.isnan(frame.rate[5, 7, 0])
        assert frame.exposure_s[5, 7] == 0
        assert np.isfinite(frame.rate[6, 7, 0])


def test_what_cannot_be(positions, tmp_path):
    paths, _ = positions
    settings = StackSettings()
    out = tmp_path / "out.fits"
    with pytest.raises(ConfigError, match="nothing to stack"):
        write_stack(out, [], settings)
    with pytest.raises(ConfigError, match="must end in"):
        write_stack(tmp_path / "out.txt", paths, settings)
    link = tmp_path / "link.fits"
    link.symlink_to(paths[0])
    with pytest.raises(OutputError, match="holds data"):
        write_stack(link, paths, settings, overwrite=True)
    with ObsFile(paths[0]) as obs:
        write_cube(tmp_path / "time.fits", obs, CubeSettings(time_bin_s=1.0))
    with pytest.raises(InputFormatError, match="axis of time"):
        write_stack(out, [tmp_path / "time.fits"], settings)
    (tmp_path / "text.fits").write_text("no FITS")
    with pytest.raises(InputFormatError, match="no image or cube"):
        write_stack(out, [tmp_path / "text.fits"], settings)
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    with pytest.raises(InputFormatError, match="no image or cube"):
        write_stack(out, [tmp_path / "other.npz"], settings)
    narrow = StackSettings(photons=CubeSettings(start=0.5))
    with ObsFile(paths[0]) as obs:
        export_image(tmp_path / "image.fits", obs, obs.count_image())
    with pytest.raises(ConfigError, match="start"):
        write_stack(out, [tmp_path / "image.fits"], narrow)
    few = StackSettings(register="dither", offsets=Offsets(DITHER[:2]))
    with pytest.raises(ConfigError, match="2 offsets for 3 frames"):
        write_stack(out, paths, few)

    def cancel(done, total, stage=""):
        if done > total / 2:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        write_stack(out, paths, settings, progress=cancel)
    assert not list(tmp_path.glob("out*"))
    write_stack(out, paths[:1], settings)
    with pytest.raises(OutputError, match="exists already"):
        write_stack(out, paths[:1], settings)


def test_wrong_use_of_the_command_is_one_sentence(positions, tmp_path, capsys):
    paths, _ = positions
    out = tmp_path / "out.fits"
    offsets = tmp_path / "offsets.yml"
    offsets.write_text("positions: [[0, 0], [1, 1], [2, 2]]\n")
    for bad in (
        ["--offset", "0", "0"],
        ["--pixels-per-unit", "3"],
        ["--register", "dither"],
        ["--offsets", str(tmp_path / "none.yml")],
        ["--offsets", str(offsets), "--register", "none"],
        ["--min-wavelength", "800"],
        ["--exclude", "nothing"],
    ):
        assert main(arguments_of(paths, out, *bad)) == 1
        assert capsys.readouterr().err.count("error:") == 1
    assert not out.exists()
    times = [[START + 10 * i - 1, START + 10 * i + 3] for i in (0, 1, 2)]
    by_time = tmp_path / "times.yml"
    by_time.write_text(f"positions: [[0, 0], [1, 1], [2, 2]]\ntimes: {times}\n")
    assert main(arguments_of(paths[:0:-1], out, "--offsets", by_time)) == 0
    np.testing.assert_allclose(read(out)[0]["FRAMES"]["offset_x"], [0.0, -1.0])
    out.unlink()
    assert main(arguments_of(paths, out, "--offsets", offsets, "--pixels-per-unit", 2)) == 0
    assert read(out)[0]["FRAMES"]["offset_x"][2] == 4.0
