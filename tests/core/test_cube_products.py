"""Cubes in files: against photons counted one by one, and as other programs read them."""

import itertools
import json
import warnings

import numpy as np
import pytest
import tables
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from flat_files import night, settings
from observations import make_observation
from same_results import differences

from pipeline_core import ObsFile, cube_products
from pipeline_core.cli import main
from pipeline_core.cube_products import write_cube
from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import CalibrationError, ConfigError, OperationCancelled, OutputError
from pipeline_core.flags import PixelFlag
from pipeline_core.flatcal.compute import run
from pipeline_core.flatcal.outputs import save_result
from pipeline_core.spectral_bins import equal_wavelength_edges, nyquist_edges
from pipeline_core.stacking.offsets import Offsets
from pipeline_core.stacking.settings import StackSettings
from pipeline_core.stacking.stack import write_stack
from pipeline_core.wcs import Pointing

SHAPE = (4, 3)
EDGES = (750.0, 900.0, 1000.0, 1250.0)


@pytest.fixture(scope="module")
def solution(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flats")
    base = folder / "Flat.h5"
    save_result(run(settings(night(folder))), base)
    return base


@pytest.fixture
def path(tmp_path, solution):
    path = night(tmp_path, "sky", seed=8)
    with ObsFile(path, "write") as obs:
        obs.apply_flatcal(solution)
    return path


def dumb_cube(obs, edges_s, edges_nm, *, weighted=False, power=1):
    """Sums of weights to a power, [x, y, time, band], photon by photon."""
    cube = np.zeros((*obs.shape, len(edges_s) - 1, len(edges_nm) - 1 if edges_nm else 1))
    for x in range(obs.shape[0]):
        for y in range(obs.shape[1]):
            for photon in obs.photons((x, y)):
                t = np.searchsorted(edges_s, photon["time"] / 1e6, side="right") - 1
                k = 0
                if edges_nm:
                    if np.isnan(photon["wavelength"]) or photon["extrapolated"]:
                        continue
                    k = np.searchsorted(edges_nm, photon["wavelength"], side="right") - 1
                if 0 <= t < cube.shape[2] and 0 <= k < cube.shape[3]:
                    cube[x, y, t, k] += photon["weight"] ** power if weighted else 1
    return cube


def read(path):
    """Values, variances, times alive of a FITS cube, turned back to [x, y, ...]; without a single warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path) as hdus:
            hdus.verify("exception")
            return {
                hdu.name or "PRIMARY": hdu.data.T.copy() if hdu.is_image else hdu.data.copy()
                for hdu in hdus
            }, hdus[0].header


@pytest.mark.parametrize("slab_bytes", [10**9, 1])
def test_an_image_made_with_a_cube_is_that_of_a_pass_of_its_own(
    tmp_path, path, monkeypatch, slab_bytes
):
    """To the last bit, and so is the cube; the image is of all times and phases, whatever the cube's bins are."""
    monkeypatch.setattr(cube_products, "_SLAB_BYTES", slab_bytes)
    how = CubeSettings(edges_nm=EDGES, time_bin_s=0.4, start=0.3, stop=1.5, weighted=True)
    images = []
    with ObsFile(path) as obs:
        write_cube(tmp_path / "alone.fits", obs, how)
        write_cube(tmp_path / "with.fits", obs, how, with_image=images.append)
        (image,) = images
        np.testing.assert_array_equal(image.image, obs.weighted_image().image)
        np.testing.assert_array_equal(image.variance, obs.weighted_image().variance)
        assert np.isfinite(image.image).any()
        with pytest.raises(ConfigError, match="weighted cube"):
            write_cube(tmp_path / "no.fits", obs, CubeSettings(), with_image=images.append)
    assert not differences(tmp_path / "alone.fits", tmp_path / "with.fits")


@pytest.mark.parametrize("slab_bytes", [10**9, 1])
def test_time_and_wavelength_at_once(path, tmp_path, monkeypatch, slab_bytes):
    monkeypatch.setattr(cube_products, "_SLAB_BYTES", slab_bytes)
    out = tmp_path / "cube.fits"
    with ObsFile(path) as obs:
        summary = write_cube(out, obs, CubeSettings(time_bin_s=0.3, edges_nm=EDGES))
        expected = dumb_cube(obs, [0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.0], EDGES)
        data, header = read(out)
        # axes of FITS: columns, rows, wavelengths, times
        assert data["PRIMARY"].shape == (4, 3, 3, 7)
        np.testing.assert_array_equal(data["PRIMARY"].transpose(0, 1, 3, 2), expected)
        assert data["PRIMARY"].dtype.kind == "i"
        np.testing.assert_array_equal(data["VARIANCE"], data["PRIMARY"])
        live = np.array(
            [
                [
                    [obs.live_time((x, y), 0.3 * t, min(0.3 * t + 0.3, 2.0)) for t in range(7)]
                    for y in range(3)
                ]
                for x in range(4)
            ]
        )
        # for whole arrays photons are taken to be a dead time apart, which at 3000 counts/s not all are
        np.testing.assert_allclose(data["LIVE"], live, rtol=3e-3)
        np.testing.assert_array_equal(data["FLAGS"].astype(np.int32).view(np.uint32), obs.flags)
    assert summary.total == expected.sum() > 1000
    assert summary.slabs == (1 if slab_bytes > 1 else 7)
    np.testing.assert_array_equal(data["BANDS"]["low"], EDGES[:-1])
    np.testing.assert_array_equal(data["BANDS"]["high"], EDGES[1:])
    np.testing.assert_allclose(data["TIMES"]["stop"], [0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.0])
    assert json.loads(header["SETTINGS"])["time_bin_s"] == 0.3
    assert header["CTYPE3"] == "BAND"
    assert (header["CTYPE4"], header["CRVAL4"], header["CDELT4"]) == ("TIME", 0.15, 0.3)


def test_sums_of_raw_counts_are_the_photons_exactly(path, tmp_path):
    with ObsFile(path) as obs:
        out = tmp_path / "cube.fits"
        write_cube(out, obs, CubeSettings(time_bin_s=0.17))
        data, header = read(out)
        np.testing.assert_array_equal(data["PRIMARY"].sum(axis=2), obs.count_image())
        assert data["PRIMARY"].sum() == obs.n_photons
        assert header["BUNIT"] == "count"
        write_cube(out, obs, CubeSettings(), overwrite=True)
        np.testing.assert_array_equal(read(out)[0]["PRIMARY"], obs.count_image())


def test_weights_and_their_squares(path, tmp_path, monkeypatch):
    monkeypatch.setattr(cube_products, "_SLAB_BYTES", 1)
    with ObsFile(path) as obs:
        out = tmp_path / "cube.fits"
        write_cube(out, obs, CubeSettings(time_bin_s=1.0, edges_nm=EDGES, weighted=True))
        data, header = read(out)
        sums = dumb_cube(obs, [0, 1, 2], EDGES, weighted=True)
        squares = dumb_cube(obs, [0, 1, 2], EDGES, weighted=True, power=2)
        without = ~obs.flatcal.weighted
        assert without.any()
        sums[without] = squares[without] = np.nan
        np.testing.assert_allclose(data["PRIMARY"].transpose(0, 1, 3, 2), sums, rtol=1e-5)
        np.testing.assert_allclose(data["VARIANCE"].transpose(0, 1, 3, 2), squares, rtol=1e-5)
        assert header["WEIGHTED"]


def test_rates_are_corrected_for_dead_time_and_masked_times(path, tmp_path):
    with ObsFile(path, "write") as obs:
        obs.mask_time(0.5, 0.7, "clouds")
        out = tmp_path / "cube.fits"
        write_cube(out, obs, CubeSettings(time_bin_s=0.5, rates=True))
        data, header = read(out)
        counts = dumb_cube(obs, [0, 0.5, 1, 1.5, 2], None)[..., 0]
        live = np.array(
            [
                [[obs.live_time((x, y), t, t + 0.5) for t in (0, 0.5, 1, 1.5)] for y in range(3)]
                for x in range(4)
            ]
        )
        assert live[0, 0, 1] < 0.31
        np.testing.assert_allclose(data["LIVE"], live, rtol=2e-3)
        np.testing.assert_allclose(data["PRIMARY"], counts / data["LIVE"], rtol=1e-6)
        np.testing.assert_allclose(data["VARIANCE"], counts / data["LIVE"] ** 2, rtol=1e-5)
        assert header["BUNIT"] == "count/s"


def test_excluded_pixels_have_no_value_and_crops_keep_their_places(path, tmp_path):
    with ObsFile(path, "write") as obs:
        obs.mask_pixels([(2, 1)], "by hand", "hot")
        out = tmp_path / "cube.fits"
        hot = int(PixelFlag["pixcal_hot"])
        write_cube(out, obs, CubeSettings(time_bin_s=1.0, exclude=hot, crop=(1, 1, 3, 2)))
        data, header = read(out)
        assert data["PRIMARY"].shape == (3, 2, 2)
        assert np.isnan(data["PRIMARY"][1, 0]).all()
        assert np.isnan(data["PRIMARY"]).sum() == 2
        expected = dumb_cube(obs, [0, 1, 2], None)[1:4, 1:3, :, 0]
        assert data["PRIMARY"][2, 1, 1] == expected[2, 1, 1]
        np.testing.assert_array_equal(
            data["FLAGS"].astype(np.int32).view(np.uint32), obs.flags[1:4, 1:3]
        )
        coordinates = WCS(header)
        assert coordinates.wcs_pix2world([[2, 1, 0]], 0)[0][:2] == pytest.approx([3, 2])


@pytest.mark.parametrize(
    ("bins", "ctype", "unit"),
    [({"energy_bin_ev": 0.1}, "ENER", "eV"), ({"wavelength_bin_nm": 60.0}, "WAVE", "nm")],
)
def test_the_axis_of_wavelengths(path, tmp_path, bins, ctype, unit):
    chosen = CubeSettings(**bins, min_wavelength=800.0, max_wavelength=1200.0)
    with ObsFile(path) as obs:
        out = tmp_path / "cube.fits"
        write_cube(out, obs, chosen)
        expected = obs.spectral_cube(edges_nm=chosen.wavelength_edges())
    data, header = read(out)
    np.testing.assert_array_equal(data["PRIMARY"], expected.values)
    assert header["CTYPE3"] == ctype
    coordinates = WCS(header)
    for k, (low, high) in enumerate(zip(data["BANDS"]["low"], data["BANDS"]["high"], strict=True)):
        value = coordinates.wcs_pix2world([[0, 0, k]], 0)[0][2] * u.Unit(coordinates.wcs.cunit[2])
        wavelength = value.to(u.nm, u.spectral()).value
        assert low < wavelength < high
        if ctype == "WAVE":
            assert wavelength == pytest.approx((low + high) / 2, rel=1e-9)
        else:
            assert value.to(u.eV).value == pytest.approx(
                1239.841984 * (1 / low + 1 / high) / 2, rel=1e-6
            )
    assert header["CUNIT3"] == unit


def test_coordinates_on_the_sky(path, tmp_path):
    angle, scale = 30.0, 10.4
    pointing = Pointing(150.0, 40.0, (1.0, 2.0), scale, angle)
    out = tmp_path / "cube.fits"
    with ObsFile(path) as obs:
        write_cube(out, obs, CubeSettings(pointing=pointing, crop=(1, 0, 3, 2)))
    _, header = read(out)
    sky = WCS(header).celestial
    centre = SkyCoord(150 * u.deg, 40 * u.deg)
    reference = sky.pixel_to_world(0, 2)
    assert reference.separation(centre) < 1e-6 * u.arcsec
    up = sky.pixel_to_world(0, 3)
    assert centre.position_angle(up).to(u.deg).value == pytest.approx(angle, abs=1e-3)
    assert centre.separation(up).to(u.mas).value == pytest.approx(scale, rel=1e-4)
    right = sky.pixel_to_world(1, 2)  # columns grow to the west of the rows
    assert centre.position_angle(right).to(u.deg).value == pytest.approx(angle - 90 + 360, abs=1e-3)


def test_specutils_reads_stacked_cubes(path, tmp_path):
    specutils = pytest.importorskip(
        "specutils", minversion="2.0", reason="specutils 2 is not installed"
    )
    for kind in BINS:
        cube, middles = spectral(path, tmp_path, kind, times=False)
        out = tmp_path / f"stack{kind}.fits"
        offsets = Offsets(((0.0, 0.0), (1.0, 2.0)))
        photons = CubeSettings(pointing=SKY)
        chosen = StackSettings(register="dither", offsets=offsets, photons=photons)
        write_stack(out, [cube, cube], chosen)
        data, header = read(out)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if kind == "BAND":
                with fits.open(out) as hdus:
                    place = WCS(header, fobj=hdus, key="T").wcs_pix2world([[2, 4, 1]], 0)[0]
                assert place == pytest.approx([150, 40, middles[1]])
                continue
            found = specutils.Spectrum.read(out)
        np.testing.assert_array_equal(found.flux.value, data["SCI"].T)
        assert found.flux.unit == u.ct / u.s
        np.testing.assert_allclose(
            found.spectral_axis.to(u.nm, u.spectral()).value, middles, rtol=1e-6
        )


SKY = Pointing(150.0, 40.0, (1.0, 2.0), 10.4, 30.0)
BINS = {
    "WAVE": {"wavelength_bin_nm": 60.0},
    "ENER": {"energy_bin_ev": 0.1},
    "WAVE-LOG": {"nyquist": ((1000.0, 6.0),)},
    "BAND": {"nyquist": ((800.0, 7.0), (1200.0, 5.0))},
}


def spectral(path, tmp_path, kind, *, times):
    """Write a cube with coordinates on the sky, and return its path and the middles of its bins."""
    chosen = CubeSettings(
        **BINS[kind],
        min_wavelength=800.0,
        max_wavelength=1200.0,
        pointing=SKY,
        time_bin_s=0.7 if times else None,
    )
    out = tmp_path / "cube.fits"
    with ObsFile(path) as obs:
        write_cube(out, obs, chosen, overwrite=True)
    edges = chosen.wavelength_edges()
    if kind == "ENER":
        return out, 2 / (1 / edges[:-1] + 1 / edges[1:])
    return out, (edges[:-1] + edges[1:]) / 2


@pytest.mark.parametrize("times", [False, True])
@pytest.mark.parametrize("kind", list(BINS))
def test_sky_and_wavelengths_are_both_right_in_one_cube(path, tmp_path, kind, times):
    out, middles = spectral(path, tmp_path, kind, times=times)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(out) as hdus:
            assert hdus[0].header["CTYPE3"] == kind
            assert hdus[0].header["DISPAXIS"] == 3
            # bins that are equal in nothing have their wavelengths by a table
            key = "T" if kind == "BAND" else " "
            for hdu in hdus[:2]:
                plain = WCS(hdu.header)
                assert plain.naxis == hdu.header["NAXIS"]
                coordinates = WCS(hdu.header, fobj=hdus, key=key)
                rest = [0] if times else []
                for k, middle in enumerate(middles):
                    world = coordinates.wcs_pix2world([[1, 2, k, *rest]], 0)[0]
                    assert world[:2] == pytest.approx((150, 40))
                    value = world[2] * u.Unit(coordinates.wcs.cunit[2])
                    assert value.to(u.nm, u.spectral()).value == pytest.approx(middle, rel=1e-6)
                    if times:
                        assert world[3] == pytest.approx(0.35)


@pytest.mark.parametrize("times", [False, True])
@pytest.mark.parametrize("kind", list(BINS))
def test_specutils_reads_spectral_cubes(path, tmp_path, kind, times):
    specutils = pytest.importorskip(
        "specutils", minversion="2.0", reason="specutils 2 is not installed"
    )
    out, middles = spectral(path, tmp_path, kind, times=times)
    data, _ = read(out)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if kind == "BAND":
            # it knows no table of coordinates: the bins are given
            found = specutils.Spectrum(
                flux=data["PRIMARY"].T * u.ct,
                spectral_axis=data["BANDS"]["middle"] * u.nm,
                spectral_axis_index=1 if times else 0,
            )
        else:
            found = specutils.Spectrum.read(out, uncertainty_hdu="VARIANCE", uncertainty_type="var")
            np.testing.assert_array_equal(found.uncertainty.array, data["VARIANCE"].T)
    np.testing.assert_array_equal(found.flux.value, data["PRIMARY"].T)
    assert found.flux.unit == u.ct
    assert found.flux.shape[found.spectral_axis_index] == middles.size
    np.testing.assert_allclose(found.spectral_axis.to(u.nm, u.spectral()).value, middles, rtol=1e-6)


def test_npz_and_hdf5_hold_the_same(path, tmp_path):
    chosen = CubeSettings(time_bin_s=0.7, edges_nm=EDGES)
    with ObsFile(path) as obs:
        for name in ("cube.fits", "cube.npz", "cube.h5"):
            write_cube(tmp_path / name, obs, chosen)
    data, _ = read(tmp_path / "cube.fits")
    with np.load(tmp_path / "cube.npz") as npz:
        np.testing.assert_array_equal(npz["cube"], data["PRIMARY"])
        np.testing.assert_array_equal(npz["variance"], data["VARIANCE"])
        np.testing.assert_array_equal(npz["live_s"], data["LIVE"])
        np.testing.assert_array_equal(npz["wavelength_edges_nm"], EDGES)
        assert "FILEID" in json.loads(str(npz["about"]))
    with tables.open_file(str(tmp_path / "cube.h5")) as h5:
        np.testing.assert_array_equal(h5.root.cube.read().T, data["PRIMARY"])
        np.testing.assert_array_equal(h5.root.live_s.read().T, data["LIVE"])


def test_bins_of_wavelength():
    np.testing.assert_allclose(
        equal_wavelength_edges(60, 800, 1200), [800, 860, 920, 980, 1040, 1100, 1160]
    )
    edges = nyquist_edges([800, 1200], [10, 6], 800, 1200)
    assert edges[1] == pytest.approx(800 * (1 + 1 / 20))
    for low, high in itertools.pairwise(edges):
        r = 10 - 4 * (low - 800) / 400
        assert (high - low) == pytest.approx(low / (2 * r))
    assert edges[-1] <= 1200 < edges[-1] * (1 + 1 / 12) * 1.001
    for bad in (
        lambda: equal_wavelength_edges(500, 800, 1200),
        lambda: nyquist_edges([800], [0.4], 800, 1200),
        lambda: nyquist_edges([800], [np.nan], 800, 1200),
        lambda: equal_wavelength_edges(5, 900, 800),
    ):
        with pytest.raises(ConfigError):
            bad()


@pytest.mark.parametrize(
    "values",
    [
        {"edges_nm": (900.0, 800.0)},
        {"edges_nm": (900.0,)},
        {"energy_bin_ev": 0.1, "wavelength_bin_nm": 5.0},
        {"time_bin_s": 0.0},
        {"energy_bin_ev": 0.0},
        {"wavelength_bin_nm": 0},
        {"time_bin_s": float("nan")},
        {"crop": (3, 0, 1, 2)},
        {"crop": (-1, 0, 1, 2)},
    ],
)
def test_impossible_settings(values):
    with pytest.raises(ConfigError):
        CubeSettings(**values)


def test_what_cannot_be(path, tmp_path):
    with ObsFile(path) as obs:
        with pytest.raises(ConfigError, match="beyond the array"):
            write_cube(tmp_path / "c.fits", obs, CubeSettings(crop=(0, 0, 4, 2)))
        with pytest.raises(ConfigError, match="must end in"):
            write_cube(tmp_path / "c.txt", obs, CubeSettings())
        with pytest.raises(OutputError):
            write_cube(path, obs, CubeSettings(), overwrite=True)

        def cancel(done, total, stage=""):
            raise OperationCancelled

        for name in ("c.fits", "c.npz", "c.h5"):
            with pytest.raises(OperationCancelled):
                write_cube(tmp_path / name, obs, CubeSettings(time_bin_s=0.1), progress=cancel)
    assert not list(tmp_path.glob("c.*"))
    plain, _ = make_observation(tmp_path, np.full((3, 2), 50.0))
    with ObsFile(plain) as obs, pytest.raises(CalibrationError):
        write_cube(tmp_path / "c.fits", obs, CubeSettings(edges_nm=EDGES))


def test_the_command(path, tmp_path, capsys):
    out = tmp_path / "c.fits"
    base = ["cube", str(path), "--out", str(out), "--overwrite", "--quiet"]
    assert main([*base, "--time-bin", "0.5", "--edges", "750,900,1000"]) == 0
    assert "bins of wavelength: 2" in capsys.readouterr().out
    assert main([*base, "--nyquist", "5", "--weighted", "--exclude", "problems", "pixcal.hot"]) == 0
    assert main([*base, "--wavelength-bin", "50", "--rates", "--crop", "0", "0", "1", "1"]) == 0
    assert "2 x 2" in capsys.readouterr().out
    sky = ["--ra", "10", "--dec", "-5"]
    assert main([*base, *sky]) == 1
    assert "--platescale" in capsys.readouterr().err
    assert main([*base, *sky, "--platescale", "10", "--orientation", "0"]) == 0
    for bad in (["--ra", "10"], ["--edges", "a,b"], ["--exclude", "nothing"], ["--nyquist"]):
        assert main([*base, *bad]) == 1
    edges = ["--edges", "750,900", "--min-wavelength", "800"]
    for none in (["--energy-bin", "0"], ["--wavelength-bin", "0"], ["--nyquist", "0"], edges):
        assert main([*base, *none]) == 1
    with pytest.raises(SystemExit):
        main([*base, "--energy-bin", "0.1", "--wavelength-bin", "5"])


def test_limits_of_wavelength_without_bins_are_one_band(path, tmp_path, capsys):
    out = tmp_path / "c.npz"
    limits = ["--min-wavelength", "800", "--max-wavelength", "950"]
    command = ["cube", str(path), "--out", str(out), "--time-bin", "0.5", "--overwrite", "--quiet"]
    for given, band in ((limits, (800.0, 950.0)), (limits[2:], (700.0, 950.0))):
        assert main([*command, *given]) == 0
        with ObsFile(path) as obs:
            dumb = obs.count_image(min_wavelength=band[0], max_wavelength=band[1])
            everything = obs.count_image()
        with np.load(out) as found:
            np.testing.assert_array_equal(found["cube"].sum(axis=(2, 3)), dumb)
            assert tuple(found["wavelength_edges_nm"]) == band
        assert 0 < dumb.sum() < everything.sum()


def dumb_coverage(obs, edges_nm):
    """What part of each band lies in the range of each pixel, sampled."""
    covered = np.zeros((*obs.shape, len(edges_nm) - 1))
    for x, y in np.ndindex(obs.shape):
        low, high = obs._calibrated_photons().calibration.valid_wavelengths((x, y))
        for k in range(len(edges_nm) - 1):
            nm = np.linspace(edges_nm[k], edges_nm[k + 1], 20_001)
            covered[x, y, k] = np.mean((nm >= low) & (nm <= high))  # nothing is in a range of NaN
    return covered


@pytest.mark.parametrize("ending", ["fits", "npz", "h5"])
def test_a_cube_says_what_part_of_a_band_each_pixel_covers(path, tmp_path, ending):
    edges, out = (300.0, 600.0, 820.0, 1000.0, 1400.0, 1900.0), tmp_path / f"cube.{ending}"
    with ObsFile(path) as obs:
        write_cube(out, obs, CubeSettings(edges_nm=edges, crop=(1, 0, 3, 1)))
        dumb = dumb_coverage(obs, edges)[1:4, 0:2]
    assert {0.0, 1.0} < set(dumb.ravel().tolist())  # bands inside, outside, and on the border
    if ending == "fits":
        found = read(out)[0]["COVERAGE"]
    elif ending == "npz":
        found = np.load(out)["coverage"]
    else:
        with tables.open_file(out) as h5:
            found = h5.root.coverage.read().T
    assert found.shape == (3, 2, 5)
    np.testing.assert_allclose(found, dumb, atol=2e-4)


def test_extrapolated_photons_leave_no_part_of_a_band_uncovered(path, tmp_path):
    with ObsFile(path) as obs:
        settings = CubeSettings(edges_nm=(300.0, 600.0, 1900.0), extrapolated=True)
        write_cube(tmp_path / "cube.fits", obs, settings)
        calibrated = dumb_coverage(obs, (700.0, 1000.0))[..., 0] > 0
    found = read(tmp_path / "cube.fits")[0]["COVERAGE"]
    np.testing.assert_array_equal(found, np.repeat(calibrated[..., None], 2, axis=2))
    assert not calibrated.all()
