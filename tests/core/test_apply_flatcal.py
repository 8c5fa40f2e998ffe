"""Attaching a flat field and taking it back; weights photon by photon; what it may be attached to."""

import hashlib

import numpy as np
import pytest
from flat_files import SHAPE, attach, night, settings
from wavecal_solutions import essentials, save_essentials

from pipeline_core import ObsFile, cubes
from pipeline_core.cli import main
from pipeline_core.errors import CalibrationError, ConfigError, InputFormatError
from pipeline_core.flags import PixelFlag
from pipeline_core.flatcal.apply import flat_for, load_weights, solution_paths
from pipeline_core.flatcal.compute import run
from pipeline_core.flatcal.outputs import check_outputs, save_result
from pipeline_core.sidecar import load_sidecar
from pipeline_core.spectral_bins import HC_EV_NM

PIXELS = [(x, y) for x in range(4) for y in range(3)]
WITH = [(x, y) for x, y in PIXELS if (3 * x + y) % 5]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A flat, its solutions in a folder, and the result itself."""
    folder = tmp_path_factory.mktemp("flats")
    flat = night(folder)
    result = run(settings(flat))
    base = folder / "sol" / "Flat.h5"
    save_result(result, base)
    return flat, result, base


@pytest.fixture
def path(tmp_path):
    """Another observation, with the same wavelength solution."""
    return night(tmp_path, "sky", seed=8)


def everything(path):
    """Hash of all that can be read of an observation."""
    digest = hashlib.sha256()
    with ObsFile(path) as obs:
        digest.update(repr((obs.is_flat_calibrated, obs.photons((0, 1)).dtype)).encode())
        digest.update(obs.photons(PIXELS).tobytes())
        digest.update(obs.flags.tobytes())
        digest.update(obs.count_image(0.1, 1.3, min_wavelength=800.0).tobytes())
        for pixel in PIXELS:
            curve = obs.light_curve(pixel, 0.05)
            digest.update(curve.counts.tobytes() + curve.rate_cps.tobytes())
            spectrum = obs.spectrum(pixel)
            digest.update(spectrum.edges.tobytes() + spectrum.errors.tobytes())
    return digest.hexdigest()


def dumb_weight(solution, pixel, nm):
    """Linear in energy between the middles of bins that have a weight, constant beyond."""
    weights = solution.weights[pixel]
    good = np.isfinite(weights)
    if not good.any() or np.isnan(nm):
        return np.nan
    energy = solution.energies_ev
    filled = np.interp(np.arange(energy.size), np.flatnonzero(good), weights[good])
    return np.interp(HC_EV_NM / nm, energy[::-1], filled[::-1])


def test_apply_and_undo_leave_no_trace(made, path):
    photons = hashlib.sha256(path.read_bytes()).hexdigest()
    before = everything(path)
    with ObsFile(path, mode="write") as obs:
        assert obs.apply_flatcal(made[2]) is obs
        assert obs.is_flat_calibrated
        weights = obs.photons((0, 1))["weight"]
        assert abs(weights - 1).max() > 0.01
        assert obs.history[-1].kind == "flatcal"
        assert "Flat.h5 (solution" in obs.history[-1].detail
    assert everything(path) != before
    with ObsFile(path) as obs:
        np.testing.assert_array_equal(obs.photons((0, 1))["weight"], weights)
    with ObsFile(path, mode="write") as obs:
        obs.undo("flatcal")
        assert obs.flatcal is None
        assert obs.photons((0, 1))["weight"].tolist() == [1.0] * obs.photons((0, 1)).size
    assert everything(path) == before
    assert hashlib.sha256(path.read_bytes()).hexdigest() == photons


def test_weights_photon_by_photon(made, path):
    _, result, base = made
    solution = result.combined
    low, high = solution.edges_nm[[0, -1]]
    with ObsFile(path, mode="write") as obs:
        obs.apply_flatcal(base)
        seen = []
        for pixel in PIXELS:
            photons = obs.photons(pixel)
            wanted = [dumb_weight(solution, pixel, nm) for nm in photons["wavelength"].tolist()]
            np.testing.assert_allclose(photons["weight"], wanted, rtol=2e-6)
            if pixel in WITH:
                first, stop = obs.flatcal.covered[pixel]
                a, b = solution.edges_nm[first], solution.edges_nm[stop]
                outside = (photons["wavelength"] < a) | (photons["wavelength"] >= b)
                np.testing.assert_array_equal(photons["outside_flat"], outside)
                seen.append(outside.any())
                assert low <= a < b <= high
            else:
                assert np.isnan(photons["weight"]).all()
        assert any(seen)


@pytest.mark.parametrize("masked", [(), ((0.31, 0.47), (0.9, 0.905), (1.6, 1.9))])
def test_weighted_reads_are_sums_over_photons(made, path, masked):
    with ObsFile(path, mode="write") as obs:
        everything = obs.photons(PIXELS).size
        obs.apply_flatcal(made[2])
        for start, stop in masked:
            obs.mask_time(start, stop, "a lamp was on")
        assert (obs.photons(PIXELS).size < everything) == bool(masked)
        photons = obs.photons(PIXELS)
        weights = photons["weight"].astype(float)
        image, variance = obs.weighted_image(0.2, 1.7)
        cube = obs.spectral_cube(0.2, 1.7, edges_nm=[750, 900, 1000, 1200], weighted=True)
        film = obs.temporal_cube(0.5, 0.2, 1.7, min_wavelength=850, weighted=True)
        raw = obs.spectral_cube(0.2, 1.7, edges_nm=[750, 900, 1000, 1200])
        time = photons["time"] / 1e6
        window = (time >= 0.2) & (time < 1.7)
        for x, y in PIXELS:
            here = (photons["x"] == x) & (photons["y"] == y) & window
            if (x, y) not in WITH:
                assert np.isnan(image[x, y])
                assert np.isnan(variance[x, y])
                assert np.isnan(cube.values[x, y]).all()
                assert np.isnan(film.values[x, y]).all()
                continue
            np.testing.assert_allclose(image[x, y], weights[here].sum(), rtol=1e-12)
            np.testing.assert_allclose(variance[x, y], (weights[here] ** 2).sum(), rtol=1e-12)
            inside = here & ~photons["extrapolated"]
            nm = photons["wavelength"]
            for k, (a, b) in enumerate(((750, 900), (900, 1000), (1000, 1200))):
                chosen = inside & (nm >= a) & (nm < b)
                np.testing.assert_allclose(cube.values[x, y, k], weights[chosen].sum(), rtol=1e-12)
                np.testing.assert_allclose(
                    cube.variances[x, y, k], (weights[chosen] ** 2).sum(), rtol=1e-12
                )
                assert raw.values[x, y, k] == raw.variances[x, y, k] == chosen.sum()
            for k in range(3):
                a, b = 0.2 + 0.5 * k, 0.7 + 0.5 * k
                chosen = inside & (time >= a) & (time < b) & (nm >= 850)
                np.testing.assert_allclose(film.values[x, y, k], weights[chosen].sum(), rtol=1e-12)
        np.testing.assert_array_equal(obs.count_image(0.2, 1.7, weighted=True), image)
        assert obs.count_image().dtype == np.int64
        assert cube.unit == "nm"
        assert film.edges.tolist() == [0.2, 0.7, 1.2, 1.7]
        np.testing.assert_allclose(film.live_s.sum(axis=2), obs.live_time(start=0.2, stop=1.7))
        excluded = obs.weighted_image(exclude=int(PixelFlag["wavecal_bad"]))
        assert (excluded.image[0, 0], excluded.variance[0, 0]) == (0, 0)


def test_weighted_curves_and_spectra(made, path):
    with ObsFile(path, mode="write") as obs:
        obs.apply_flatcal(made[2])
        pixels = [(0, 0), (0, 1), (2, 2)]
        curve = obs.light_curve(pixels, 0.25, 0.1, 1.9, weighted=True)
        assert curve.pixels == ((0, 1), (2, 2))
        photons = obs.photons([(0, 1), (2, 2)], 0.1, 1.9)
        weights = photons["weight"].astype(float)
        at = np.minimum((photons["time"].astype(int) - 100_000) // 250_000, 7)
        sums = np.bincount(at, weights, minlength=8)
        squares = np.bincount(at, weights**2, minlength=8)
        np.testing.assert_allclose(curve.sums, sums, rtol=1e-12)
        np.testing.assert_allclose(curve.variances, squares, rtol=1e-12)
        np.testing.assert_allclose(curve.rate_cps, sums / curve.live_time_s)
        np.testing.assert_allclose(curve.rate_error_cps, np.sqrt(squares) / curve.live_time_s)
        plain = obs.light_curve([(0, 1), (2, 2)], 0.25, 0.1, 1.9)
        assert plain.sums is None
        np.testing.assert_array_equal(plain.counts, curve.counts)
        band = obs.light_curve((0, 1), 0.25, min_wavelength=900, weighted=True)
        some = obs.photons((0, 1), min_wavelength=900)["weight"].astype(float)
        np.testing.assert_allclose(band.sums.sum(), some.sum(), rtol=1e-12)
        spectrum = obs.spectrum(pixels, 0.1, 1.9, weighted=True)
        inside = photons[~photons["extrapolated"]]
        weights = inside["weight"].astype(float)
        for k, (a, b) in enumerate(zip(spectrum.edges, spectrum.edges[1:], strict=False)):
            chosen = (inside["wavelength"] >= a) & (inside["wavelength"] < b)
            np.testing.assert_allclose(spectrum.sums[k], weights[chosen].sum(), rtol=1e-12)
            error = np.sqrt((weights[chosen] ** 2).sum())
            np.testing.assert_allclose(spectrum.errors[k], error, rtol=1e-12)
        # half-open also where a photon lies on the edge
        first, last = inside["time"][10] / 1e6, inside["time"][40] / 1e6
        short = obs.spectrum(pixels, first, last, weighted=True)
        chosen = (inside["time"] >= inside["time"][10]) & (inside["time"] < inside["time"][40])
        nm = inside["wavelength"]
        chosen &= (nm >= short.edges[0]) & (nm < short.edges[-1])
        np.testing.assert_allclose(short.sums.sum(), weights[chosen].sum(), rtol=1e-12)
        density, error = spectrum.density("nm")
        np.testing.assert_allclose(density * np.diff(spectrum.edges), spectrum.sums)
        np.testing.assert_allclose(error * np.diff(spectrum.edges), spectrum.errors)
        with pytest.raises(CalibrationError, match=r"pixel \(0, 0\) has no flat-field weights"):
            obs.spectrum((0, 0), weighted=True)
        with pytest.raises(ConfigError, match="not by phases"):
            obs.count_image(min_phase=-80.0, weighted=True)
        with pytest.raises(ConfigError, match="not by phases"):
            obs.spectrum((0, 1), min_phase=-80.0, weighted=True)


def test_without_a_flat_there_are_no_weights(path, monkeypatch):
    with ObsFile(path) as obs:
        for read in (
            lambda: obs.weighted_image(),
            lambda: obs.light_curve((0, 1), weighted=True),
            lambda: obs.spectrum((0, 1), weighted=True),
            lambda: obs.spectral_cube(weighted=True),
        ):
            with pytest.raises(CalibrationError, match="has no flat field"):
                read()
        with pytest.raises(ConfigError, match="ascending positive"):
            obs.spectral_cube(edges_nm=[900, 800])
        monkeypatch.setattr(cubes, "_LARGEST", 1000)
        with pytest.raises(ConfigError, match="would take"):
            obs.temporal_cube(0.01)


def test_a_flat_knows_its_wavecal(made, tmp_path):
    other = night(tmp_path, "other", seed=8, wavecal=False)
    with (
        ObsFile(other, mode="write") as obs,
        pytest.raises(CalibrationError, match=r"no wavelength calibration.*Apply solution abc"),
    ):
        obs.apply_flatcal(made[2])
    attach(other, other.parent, seed=5, solution_id="def")
    with ObsFile(other, mode="write") as obs:
        with pytest.raises(CalibrationError, match=r"made with wavelength solution abc.*has def"):
            obs.apply_flatcal(made[2])
        assert not obs.is_flat_calibrated
        obs.apply_flatcal(made[2], force=True)
        assert obs.flatcal.forced
        assert "forced: it was made with wavelength solution abc" in obs.history[-1].detail
    with ObsFile(other) as obs:
        assert obs.is_flat_calibrated
        assert np.isfinite(obs.photons((0, 1))["weight"]).all()


def test_a_pixel_with_weights_but_without_wavelengths_has_no_sum(made, tmp_path):
    """Only a flat that was forced upon another wavelength solution has any."""
    other = night(tmp_path, "other", seed=8, wavecal=False)
    with ObsFile(other, mode="write") as obs:
        solution = essentials(obs.beammap, obs.camera, seed=5, solution_id="def")
        solution.curves.kind[1] = 0
        obs.apply_wavecal(save_essentials(tmp_path / "def.h5", solution))
        obs.apply_flatcal(made[2], force=True)
        assert obs.flatcal.weighted[0, 1]
        image, variance = obs.weighted_image()
        assert np.isnan([image[0, 1], variance[0, 1]]).all()
        assert (image[0, 2] > 0, variance[0, 2] > 0) == (True, True)


def test_a_wavecal_stays_while_a_flat_depends_on_it(made, path, tmp_path):
    before = everything(path)
    other = night(tmp_path, "other", wavecal=False)
    attach(other, other.parent, seed=5, solution_id="def")
    with ObsFile(path, mode="write") as obs:
        obs.apply_flatcal(made[2])
        with_flat = everything(path)
        with pytest.raises(CalibrationError, match=r"cannot be taken back: flat field .* depends"):
            obs.undo("wavecal")
        with pytest.raises(CalibrationError, match=r"cannot be replaced: flat field .* depends"):
            obs.apply_wavecal(other.parent / "wavecal.h5", replace=True)
        assert everything(path) == with_flat
        # tried out, another one has no flat
        obs.try_wavecal(other.parent / "wavecal.h5")
        assert not obs.is_flat_calibrated
        obs.try_wavecal(None)
        assert obs.is_flat_calibrated
        obs.undo()
        assert not obs.is_flat_calibrated
        assert everything(path) == before
        obs.apply_flatcal(made[2])
        obs.undo("wavecal", cascade=True)
        assert (obs.wavecal, obs.flatcal) == (None, None)
        sidecar = load_sidecar(obs.sidecar, obs.file_id)
        assert (sidecar.wavecals, sidecar.flatcals) == ((), ())
        with pytest.raises(CalibrationError, match="no flatcal to undo"):
            obs.undo("flatcal")


def test_another_flat_needs_to_be_asked_for(made, path):
    _, result, base = made
    with ObsFile(path, mode="write") as obs:
        obs.apply_flatcal(base)
        obs.apply_flatcal(result.combined)
        assert len(obs.history) == 2  # the same again: nothing happens
        one = everything(path)
        chunk = base.with_name("Flat2.h5")
        with pytest.raises(CalibrationError, match="attached already"):
            obs.apply_flatcal(chunk)
        obs.apply_flatcal(chunk, replace=True)
        assert obs.flatcal.solution_id == result.chunks[1].solution_id
        assert everything(path) != one
        obs.undo()
        assert everything(path) == one
    with ObsFile(path) as obs, pytest.raises(ConfigError, match="open for reading"):
        obs.apply_flatcal(base)


def test_a_base_name_means_all_chunks_and_nothing_else(made, path, tmp_path):
    _, result, base = made
    folder = tmp_path / "base"
    save_result(result, folder / "My.Flat(1).h5")
    for other in ("My.Flat(1)x.h5", "My.Flat(1)1.pdf", "xMy.Flat(1)1.h5", "MyxFlat(1)1.h5"):
        (folder / other).write_bytes(b"")
    name = folder / "My.Flat(1)"
    found = solution_paths(name)
    assert [p.name for p in found] == [f"My.Flat(1){k}.h5" for k in (1, 2, 3, 4)]
    with ObsFile(path, mode="write") as obs:
        obs.apply_flatcal(str(name))
        flat = obs.flatcal
        assert flat.solution_id == result.combined.solution_id + "-mean"
        weights = np.stack([one.weights[0, 1] for one in result.chunks])
        errors = np.stack([one.errors[0, 1] for one in result.chunks])
        good = np.isfinite(weights)
        mean = np.where(good, weights, 0).sum(0) / good.sum(0)
        spread = np.sqrt(np.where(good, errors**2, 0).sum(0)) / good.sum(0)
        known = np.isfinite(mean)
        np.testing.assert_allclose(flat.weights[0, 1][known], mean[known], rtol=1e-6)
        np.testing.assert_allclose(flat.errors[0, 1][known], spread[known], rtol=1e-6)
    with pytest.raises(InputFormatError, match=r"nor do solutions none1\.h5"):
        solution_paths(tmp_path / "none")
    (folder / "My.Flat(1)9.h5").write_bytes(base.with_name("Flat1.h5").read_bytes())
    with ObsFile(path, mode="write") as obs:
        obs.undo("flatcal")
        obs.apply_flatcal(name)  # of the same run: one more of them
    (folder / "My.Flat(1).h5").unlink()
    assert len(solution_paths(folder / "My.Flat(1).h5")) == 5


def test_solutions_of_two_runs_are_not_averaged(made, path, tmp_path):
    flat, _, base = made
    folder = tmp_path / "two"
    other = run(settings(flat, counts_a_knot=500.0))
    save_result(other, folder / "F.h5")
    (folder / "F7.h5").write_bytes(base.with_name("Flat1.h5").read_bytes())
    with (
        ObsFile(path, mode="write") as obs,
        pytest.raises(CalibrationError, match="solutions of different runs"),
    ):
        obs.apply_flatcal(folder / "F")


def test_pixels_are_found_by_resonator(made, tmp_path):
    codes = np.zeros(SHAPE, np.uint8)
    path = night(tmp_path, "turned", wavecal=False, codes=codes)
    with ObsFile(path) as obs:
        beammap, camera, baseline = obs.beammap, obs.camera, obs.baseline
    solution = made[1].combined
    assert not np.array_equal(beammap.res_id, solution.res_id)
    with ObsFile(made[0]) as obs:
        wavecal = obs.wavecal
    flat = flat_for([solution], wavecal, beammap, camera, baseline, "s", "t")
    for x, y in PIXELS:
        there = tuple(np.argwhere(solution.res_id == beammap.res_id[x, y])[0])
        known = np.isfinite(solution.weights[there])
        np.testing.assert_allclose(
            flat.weights[x, y][known], solution.weights[there][known], rtol=1e-6
        )


def test_what_does_not_fit_is_refused(made, path, tmp_path):
    import dataclasses

    solution = made[1].combined
    with ObsFile(path) as obs:
        where = (obs.wavecal, obs.beammap, obs.camera, obs.baseline, "s.h5", "t.h5")
    with pytest.raises(CalibrationError, match=r"s\.h5 is a flat field of camera MEC.*t\.h5 is of"):
        flat_for([dataclasses.replace(solution, camera="MEC")], *where)
    with pytest.raises(CalibrationError, match="baseline 'keep'"):
        flat_for([dataclasses.replace(solution, baseline="keep")], *where)
    strangers = dataclasses.replace(solution, res_id=solution.res_id + 7000)
    with pytest.raises(CalibrationError, match="knows only 0 of the 12 resonators"):
        flat_for([strangers], *where)
    with ObsFile(path, mode="write") as obs:
        with pytest.raises(InputFormatError, match="not a flat-field solution"):
            obs.apply_flatcal(path)
        with pytest.raises(InputFormatError, match="does not exist"):
            obs.apply_flatcal(tmp_path / "none.h5")


def test_flags(made, path):
    with ObsFile(path, mode="write") as obs:
        before = obs.flags.copy()
        obs.apply_flatcal(made[2])
        weighted = obs.flatcal.weighted
        inf = (obs.flags & np.uint32(PixelFlag["flatcal_inf_weight"])) != 0
        assert inf[~weighted].all()
        np.testing.assert_array_equal(inf, made[1].combined.masked.any(axis=2))
        low, high = made[1].combined.edges_nm[[0, -1]]
        for pixel in WITH:
            a, b = obs.wavecal.valid_wavelengths(pixel)
            bits = int(obs.flags[pixel])
            assert bool(bits & PixelFlag["flatcal_below_range"]) == (a < low)
            assert bool(bits & PixelFlag["flatcal_above_range"]) == (b > high)
        obs.undo()
        np.testing.assert_array_equal(obs.flags, before)


def test_only_what_photons_need_is_read(made):
    plain = load_weights(made[2])
    np.testing.assert_array_equal(plain.weights, made[1].combined.weights)
    assert not hasattr(plain, "counts")


def test_the_command_line(made, path, capsys, tmp_path):
    base = made[2]
    assert main(["apply", str(base), str(path), "--json"]) == 0
    assert "9 of 12 pixels have weights" in capsys.readouterr().out
    assert main(["info", str(path)]) == 0
    assert "flat field: solution" in capsys.readouterr().out
    assert main(["info", str(base)]) == 0
    assert "flat-field solution (white, combined)" in capsys.readouterr().out
    assert main(["info", str(base.with_name("Flat3.h5"))]) == 0
    assert "chunk 3 of run" in capsys.readouterr().out
    image = tmp_path / "image.npz"
    assert main(["image", str(path), "--weighted", "--out", str(image)]) == 0
    with ObsFile(path) as obs, np.load(image) as stored:
        np.testing.assert_array_equal(stored["weighted"], obs.weighted_image().image)
        np.testing.assert_array_equal(stored["variance"], obs.weighted_image().variance)
    for command, more in (("spectrum", ()), ("lightcurve", ("--bin-ms", "100"))):
        out = tmp_path / f"{command}.csv"
        where = [command, str(path), "--pixel", "0", "1", "--weighted", "--out", str(out), *more]
        assert main(where) == 0
        assert "weighted" in out.read_text()
    assert main(["undo", str(path), "--kind", "wavecal"]) == 1
    assert "cascade" in capsys.readouterr().err
    assert main(["undo", str(path), "--kind", "flatcal"]) == 0
    assert "flat field now: none" in capsys.readouterr().out
    assert main(["apply", str(base.with_name("Flat")), str(path)]) == 0
    assert main(["undo", str(path), "--kind", "wavecal", "--cascade"]) == 0
    assert "took back" in capsys.readouterr().out


def test_outputs_are_not_lost(made, tmp_path):
    _, result, base = made
    with pytest.raises(Exception, match="exists already"):
        check_outputs(with_out(base), overwrite=False)
    assert check_outputs(with_out(base), overwrite=True) == base
    folder = tmp_path / "o"
    save_result(result, folder / "S.h5")
    (folder / "S12.h5").write_bytes((folder / "S1.h5").read_bytes())
    (folder / "S77.h5").write_bytes(b"a photon file, say")
    with pytest.raises(Exception, match=r"S77\.h5 is no flat-field solution"):
        check_outputs(with_out(folder / "S.h5"), overwrite=True)
    save_result(result, folder / "S.h5", overwrite=True)
    assert not (folder / "S12.h5").exists()  # of an older, longer run
    assert (folder / "S77.h5").exists()


def with_out(out):
    return settings("a.h5").__class__(flats=("a.h5",), out=out)
