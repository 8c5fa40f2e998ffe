"""Speckle maps from photon files: against pixels one by one, masks, steps, cancelling, files and the command."""

from __future__ import annotations

import json
import threading
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from observations import make_observation

from pipeline_core import ObsFile
from pipeline_core.cli import main
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.errors import ConfigError, OperationCancelled, OutputError
from pipeline_core.flags import FLAG_NAMES, PROBLEM_FLAGS
from pipeline_core.simulate import (
    ArraySettings,
    LightSettings,
    SimulationSettings,
    load_truth,
    simulate,
)
from pipeline_core.speckle import plots
from pipeline_core.speckle.binning import TimeBins, bins_of, time_steps
from pipeline_core.speckle.compute import compute_maps
from pipeline_core.speckle.files import save_maps
from pipeline_core.speckle.fit import fit_histogram
from pipeline_core.speckle.likelihood import bin_model
from pipeline_core.speckle.result import QUANTITIES, empty_maps, quantities_of
from pipeline_core.speckle.settings import Prior, SpeckleSettings
from pipeline_core.speckle.status import STATUS_SENTENCES, PixelStatus
from pipeline_core.speckle.study import study_pixel
from pipeline_core.wcs import Pointing

SHAPE = (5, 3)
SECONDS = 8
HOT = 1 << FLAG_NAMES.index("pixcal.hot")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Speckles with tau = 20 ms on an array without defects."""
    folder = tmp_path_factory.mktemp("speckles")
    light = LightSettings(ic_cps=300.0, is_cps=150.0, ip_cps=0.0, tau_s=0.02)
    array = ArraySettings.ideal(edge_deg=(-15.0, -15.0))
    settings = SimulationSettings(
        kind="speckle", seconds=SECONDS, seed=5, shape=SHAPE, array=array, light=light
    )
    summary = simulate(settings, folder)
    out = folder / "o.h5"
    convert(ConvertSettings(folder, summary.start, SECONDS, summary.beammap_path, out))
    return out


@pytest.fixture
def path(original, tmp_path):
    """A copy whose sidecar may be written: one hot pixel, away from the diagonal."""
    copy = tmp_path / "o.h5"
    copy.write_bytes(original.read_bytes())
    with ObsFile(copy, "write") as obs:
        obs.mask_pixels((4, 1), "for the test", "hot")
    return copy


QUICK = SpeckleSettings(bin_s=0.002, tau_s=0.02)


def test_maps_equal_pixels_fitted_one_by_one(path):
    maps = compute_maps(path, QUICK)
    assert maps.shape == SHAPE
    assert set(maps.maps) == set(quantities_of(QUICK))
    model = bin_model(0.002, tau_s=0.02, dead_time_us=10.0)
    with ObsFile(path) as obs:
        for x, y in np.ndindex(SHAPE):
            if (x, y) == (4, 1):
                continue
            counts = obs.light_curve((x, y), 0.002).counts
            one = fit_histogram(np.bincount(counts), model)
            assert maps.image("ic")[x, y] == pytest.approx(one.values[0], rel=1e-6)
            assert maps.image("is")[x, y] == pytest.approx(one.values[1], rel=1e-6)
            errors = np.sqrt(np.diag(one.covariance))
            assert maps.image("is_hessian")[x, y] == pytest.approx(errors[1], rel=1e-6)
            assert maps.image("photons")[x, y] == counts.sum()
            assert maps.image("bins")[x, y] == counts.size
            assert maps.image("fano")[x, y] == pytest.approx(counts.var(ddof=1) / counts.mean())
            assert maps.image("status")[x, y] == PixelStatus.OK


def test_maps_recover_the_truth(path):
    maps = compute_maps(path, SpeckleSettings(bin_s=0.002))
    known = maps.image("status") != PixelStatus.NOT_COMPUTED
    assert maps.tau_s == pytest.approx(0.02, rel=0.12)
    for name, true in (("ic", 300.0), ("is", 150.0)):
        found, error = maps.image(name)[known], maps.image(f"{name}_error")[known]
        assert found.mean() == pytest.approx(true, abs=4 * error.mean() / np.sqrt(found.size))
        assert (error > maps.image(f"{name}_hessian")[known]).mean() > 0.7  # bins are correlated
    ratio = maps.image("ic_over_is")[known]
    assert ratio == pytest.approx(maps.image("ic")[known] / maps.image("is")[known])


def test_masked_pixels_are_not_computed_and_never_0(path):
    maps = compute_maps(path, QUICK)
    for name in maps.maps:
        value = maps.image(name)[4, 1]
        assert value == PixelStatus.NOT_COMPUTED if name == "status" else np.isnan(value)
    everything = compute_maps(path, SpeckleSettings(bin_s=0.002, tau_s=0.02, exclude=0))
    assert everything.image("status")[4, 1] == PixelStatus.OK
    assert maps.status_counts()["not_computed"] == 1


def test_masked_times_leave_out_their_bins(path):
    with ObsFile(path, "write") as obs:
        obs.mask_time(2.0005, 2.0085, "a cloud")
        maps = compute_maps(obs, QUICK)
        [bins] = time_steps(obs, QUICK)
        assert list(np.flatnonzero(~bins.used)) == [1000, 1001, 1002, 1003, 1004]
        counts = obs.light_curve((2, 1), 0.002).counts[bins.used]
    assert maps.image("bins")[2, 1] == counts.size == 4000 - 5
    assert maps.image("photons")[2, 1] == counts.sum()


def test_gaps_are_no_zero_counts(tmp_path):
    out, truth = make_observation(tmp_path, np.full((2, 3), 400.0), silent_ticks=range(1000, 1400))
    settings = SpeckleSettings(bin_s=0.01)
    with ObsFile(out) as obs:
        [bins] = time_steps(obs, settings)
        maps = compute_maps(obs, settings)
    assert bins.used.sum() == 200 - 20
    assert maps.image("photons")[1, 2] == truth[1, 2][0].size
    assert maps.image("fano")[1, 2] == pytest.approx(1.0, abs=0.5)


def test_bins_touched_by_a_closed_time_are_not_used():
    closed = np.array([[999.5, 1000.5], [4000.0, 5000.0]])
    bins = TimeBins(0, 1000, 6, closed)
    assert list(bins.used) == [False, False, True, True, False, True]
    assert (bins.stop_us, bins.width_s) == (6000, 0.001)


def test_steps_of_time(path):
    settings = SpeckleSettings(bin_s=0.002, tau_s=0.02, step_s=3.0, start=0.5, stop=7.9)
    maps = compute_maps(path, settings)
    assert list(maps.edges_s) == pytest.approx([0.5, 3.5, 6.5, 7.9])
    second = compute_maps(path, SpeckleSettings(bin_s=0.002, tau_s=0.02, start=3.5, stop=6.5))
    for name in maps.maps:
        assert np.array_equal(maps.image(name, 1), second.image(name), equal_nan=True), name
    with ObsFile(path) as obs:
        counts = obs.count_image(0.5, 3.5)
    known = maps.image("status") != PixelStatus.NOT_COMPUTED
    assert np.array_equal(maps.image("photons")[known], counts[known])
    with pytest.raises(ConfigError, match="no step"):
        maps.image("ic", 3)
    with pytest.raises(ConfigError, match="no map"):
        maps.image("ID")


def test_too_short_and_too_few(path):
    with pytest.raises(ConfigError, match="hold 2 bins"):
        compute_maps(path, SpeckleSettings(bin_s=0.5, start=1.0, stop=2.2))
    few = compute_maps(path, SpeckleSettings(bin_s=0.002, least_photons=10**6))
    known = few.image("status") != PixelStatus.NOT_COMPUTED
    assert (few.image("status")[known] == PixelStatus.TOO_FEW_PHOTONS).all()
    assert np.isnan(few.image("ic")).all()
    assert (few.image("photons")[known] > 0).all()


def test_photons_are_chosen_by_phase_limits_of_each_pixel(path, monkeypatch):
    limits = np.full((*SHAPE, 2), -np.inf)
    limits[..., 1] = -60.0 - 5.0 * np.arange(SHAPE[0])[:, None]
    limits[2, 2] = 0.0  # equal: no photon of these wavelengths
    monkeypatch.setattr(ObsFile, "phase_limits", lambda *_, **__: limits)
    settings = SpeckleSettings(bin_s=0.01, min_wavelength=800.0)
    with ObsFile(path) as obs:
        steps = time_steps(obs, settings)
        for [one] in bins_of(obs, [(0, 1), (3, 2), (2, 2)], steps, settings):
            x, y = one.pixel
            curve = obs.light_curve((x, y), 0.01, min_phase=-1e9, max_phase=-60.0 - 5 * x)
            expected = np.zeros_like(curve.counts) if (x, y) == (2, 2) else curve.counts
            assert np.array_equal(one.counts, expected)
            assert one.recorded == obs.light_curve((x, y), 0.01).counts.sum() > one.counts.sum()


def test_finished_pixels_are_reported_as_they_come(path):
    seen = empty_maps(QUICK, SHAPE, 1)

    def put(part):
        assert part.x.size == part.y.size > 0
        for name, values in part.values.items():
            seen[name][part.step, part.x, part.y] = values

    maps = compute_maps(path, QUICK, on_part=put)
    assert maps.complete
    for name, values in maps.maps.items():
        assert np.array_equal(values, seen[name], equal_nan=True), name


def test_cancelling_raises_or_keeps_what_is_done(path, monkeypatch):
    from pipeline_core.speckle import compute

    monkeypatch.setattr(compute, "_BATCH", 2)
    parts = []

    def stop_after_three(done, total, stage=""):
        if len(parts) >= 3:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        compute_maps(path, QUICK, stop_after_three, on_part=parts.append)
    done = {(int(x), int(y)) for part in parts for x, y in zip(part.x, part.y, strict=True)}
    parts.clear()
    maps = compute_maps(path, QUICK, stop_after_three, on_part=parts.append, keep_partial=True)
    assert not maps.complete
    kept = {(int(x), int(y)) for x, y in np.argwhere(maps.image("status") == PixelStatus.OK)}
    assert kept == {(int(x), int(y)) for part in parts for x, y in zip(part.x, part.y, strict=True)}
    assert 6 <= len(kept) < 14
    assert len(done) >= 6
    whole = compute_maps(path, QUICK)
    assert maps.image("ic")[min(kept)] == whole.image("ic")[min(kept)]


def test_a_slow_batch_does_not_hold_back_the_others(path, monkeypatch):
    from pipeline_core.speckle import compute

    monkeypatch.setattr(compute, "_BATCH", 2)
    fit, others, begun = compute._fit_batch, threading.Event(), []

    def fit_first_one_last(*args):
        begun.append(args)
        if len(begun) == 1:
            assert others.wait(20)
        return fit(*args)

    monkeypatch.setattr(compute, "_fit_batch", fit_first_one_last)
    maps = compute_maps(path, QUICK, on_part=lambda _part: others.set())
    assert maps.complete


def test_cancelled_before_the_first_pixel_there_is_nothing_to_keep(path):
    def stop(done, total, stage=""):
        if stage == "fitting pixels":
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        compute_maps(path, QUICK, stop, keep_partial=True)


def test_study_agrees_with_the_map(path):
    maps = compute_maps(path, QUICK)
    study = study_pixel(path, (1, 2), QUICK)
    assert study.fit is not None
    assert study.fit.values[0] == maps.image("ic")[1, 2]
    assert study.fit.p_value == maps.image("p_value")[1, 2]
    assert study.fit.block_errors[1] == maps.image("is_error")[1, 2]
    assert (
        study.n_photons
        == maps.image("photons")[1, 2]
        == study.occurrences @ np.arange(study.occurrences.size)
    )
    assert study.occurrences.sum() == study.n_bins
    for name in ("poisson", "ml", "moments"):
        assert study.expected[name].sum() == pytest.approx(study.n_bins, rel=0.01)
    assert np.nanstd(study.residuals) < 3
    assert study.bootstrap_errors[:2] == pytest.approx(study.fit.block_errors[:2], rel=0.35)
    low, high = study.bootstrap_interval[1]
    assert low < study.fit.values[1] < high
    assert study.contours is not None
    i, j = np.unravel_index(np.argmin(study.contours.drop), study.contours.drop.shape)
    assert study.contours.ic_cps[i] == pytest.approx(study.fit.values[0], rel=0.05)
    assert study.contours.is_cps[j] == pytest.approx(study.fit.values[1], rel=0.1)
    assert study.contours.drop.min() >= 0
    assert study.bin_free is not None
    assert study.bin_free.values[:2] == pytest.approx(study.fit.values[:2], rel=0.3)
    assert study.advised_bin_s == pytest.approx(0.002)


def test_study_of_a_pixel_without_photons(tmp_path):
    rates = np.full((2, 3), 200.0)
    rates[1, 0] = 0.0
    out, _ = make_observation(tmp_path, rates)
    study = study_pixel(out, (1, 0))
    assert study.status == PixelStatus.TOO_FEW_PHOTONS
    assert study.fit is None
    assert study.contours is None
    assert study.expected == {}
    assert np.isnan(study.bootstrap_errors).all()
    assert study.advised_bin_s == 0.01
    maps = compute_maps(out)
    assert maps.image("status")[1, 0] == PixelStatus.TOO_FEW_PHOTONS
    assert maps.image("photons")[1, 0] == 0
    with pytest.raises(ConfigError, match="outside the array"):
        study_pixel(out, (2, 0))


# --- files -----------------------------------------------------------------------------------------


def test_fits_has_every_map_with_unit_and_place(path, tmp_path):
    settings = SpeckleSettings(
        bin_s=0.002, tau_s=0.02, with_ip=True, pointing=Pointing(10.0, 20.0, (2.0, 1.0), 10.4)
    )
    maps = compute_maps(path, settings)
    out = tmp_path / "maps.fits"
    save_maps(out, maps)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(out, checksum=True) as hdus:
            hdus.verify("exception")
            names = [hdu.name.lower() for hdu in hdus[:-1]]
            assert names == list(quantities_of(settings))
            assert hdus[0].name == "IC"
            for name, hdu in zip(names, hdus[:-1], strict=True):
                assert np.array_equal(hdu.data.T, maps.image(name), equal_nan=True), name
                assert (hdu.header["BUNIT"] or "") == QUANTITIES[name].unit
                sky = WCS(hdu.header).pixel_to_world(2, 1)
                assert (sky.ra.deg, sky.dec.deg) == pytest.approx((10.0, 20.0))
            assert hdus["STATUS"].header["STATUS2"] == "at_bound"
            header = hdus[0].header
            assert header["BINWIDTH"] == 0.002
            assert header["TAU"] == 0.02
            assert header["DEADTIME"] == 10.0
            assert json.loads(header["SETTINGS"])["with_ip"] is True
            assert list(hdus["TIMES"].data["stop"]) == [8.0]


def test_fits_has_an_axis_of_time_where_there_are_steps(path, tmp_path):
    maps = compute_maps(path, SpeckleSettings(bin_s=0.002, tau_s=0.02, step_s=4.0))
    out = tmp_path / "maps.fits"
    save_maps(out, maps)
    with fits.open(out) as hdus:
        assert hdus["IS"].data.shape == (2, 3, 5)
        assert hdus["IS"].data[1, 2, 4] == maps.image("is", 1)[4, 2]
        assert (hdus["IS"].header["CTYPE3"], hdus["IS"].header["CRVAL3"]) == ("TIME", 2.0)


def test_npz_and_refusals(path, tmp_path):
    maps = compute_maps(path, QUICK)
    out = tmp_path / "maps.npz"
    save_maps(out, maps)
    with np.load(out) as found:
        assert np.array_equal(found["ic"][0], maps.image("ic"), equal_nan=True)
        assert json.loads(str(found["units"]))["ic"] == "count/s"
        assert json.loads(str(found["about"]))["PHOTFILE"] == "o.h5"
        assert list(found["edges_s"]) == [0.0, 8.0]
    with pytest.raises(OutputError, match="exists"):
        save_maps(out, maps)
    save_maps(out, maps, overwrite=True)
    with pytest.raises(ConfigError, match="must end in"):
        save_maps(tmp_path / "maps.csv", maps)
    disguised = tmp_path / "link.fits"
    disguised.symlink_to(path)
    with pytest.raises(OutputError, match="holds data"):
        save_maps(disguised, maps, overwrite=True, sources=(path,))


def test_pages_are_drawn(path, tmp_path):
    maps = compute_maps(path, SpeckleSettings(bin_s=0.002, tau_s=0.02, with_ip=True))
    written = plots.write_pages(maps, tmp_path / "pages", "o")
    assert [one.name for one in written] == [
        "o_intensities.png",
        "o_quality.png",
        "o_counts.png",
    ]
    assert all(one.read_bytes().startswith(b"\x89PNG") for one in written)
    figure = plots.draw_pixel(study_pixel(path, (1, 2), QUICK))
    assert "counts/s" in figure.get_suptitle()
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "counts in a bin of 2 ms",
        "Ic [counts/s]",
        "counts in a bin",
        "lag [s]",
    ]


# --- command ---------------------------------------------------------------------------------------


def test_command_writes_maps_and_pages(path, tmp_path, capsys):
    out = tmp_path / "maps.fits"
    given = ["speckle", str(path), "--bin-ms", "2", "--tau", "0.02", "--out", str(out)]
    more = ["--ip", "--ic-prior", "300", "30", "--plots", str(tmp_path / "pages"), "--json"]
    assert main([*given, *more]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pixels"]["not_computed"] == 1
    assert told["columns x rows"] == "5 x 3"
    assert len(told["pages"]) == 3
    with fits.open(out) as hdus:
        settings = json.loads(hdus[0].header["SETTINGS"])
    assert settings == {
        "bin_s": 0.002,
        "with_ip": True,
        "tau_s": 0.02,
        "ic_prior": {"mean_cps": 300.0, "sigma_cps": 30.0},
    }
    assert main(given) == 1
    assert "exists" in capsys.readouterr().err
    assert main([*given, "--exclude", "none", "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pixels"]["not_computed"] == 0


def test_command_takes_several_files(path, tmp_path, capsys):
    other = tmp_path / "p.h5"
    other.write_bytes(path.read_bytes())
    out = tmp_path / "maps"
    given = ["speckle", str(path), str(other), "--bin-ms", "5", "--tau", "0.02"]
    assert main([*given, "--out", str(out), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["observations"]) == 2
    assert sorted(one.name for one in out.iterdir()) == ["o_speckle.fits", "p_speckle.fits"]
    assert main([*given, "--out", str(tmp_path / "maps.fits")]) == 1
    assert "folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bin-ms", "0"], "bin_s"),
        (["--bin-ms", "4000"], "hold 2 bins"),
        (["--tau", "-1"], "tau_s"),
        (["--ip-prior", "1", "1"], "needs with_ip"),
        (["--min-wavelength", "800"], "wavelength"),
        (["--exclude", "nonsense"], "no such flag"),
        (["--ra", "10"], "--dec"),
    ],
)
def test_command_says_what_is_wrong(path, tmp_path, capsys, arguments, words):
    out = tmp_path / "maps.fits"
    assert main(["speckle", str(path), "--out", str(out), *arguments]) == 1
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told
    assert not out.exists()


def test_simulated_speckles_keep_their_truth(tmp_path, capsys):
    given = ["--ic", "200", "--is", "50", "--ip", "0", "--tau", "0.05", "--dead-time", "20"]
    where = ["simulate", str(tmp_path / "night"), "--kind", "speckle", "--shape", "4x3"]
    assert main([*where, *given, "--json"]) == 0
    [made] = json.loads(capsys.readouterr().out)["observations"]
    truth = load_truth(made["truth"])
    assert (truth["light_ic"] == 200).all()
    assert (truth["light_is"] == 50).all()
    assert (truth["light_companion"] == 0).all()
    assert truth["light_ic"].shape == (4, 3)
    assert float(truth["tau_s"]) == 0.05
    assert json.loads(str(truth["settings"]))["array"]["dead_time_us"] == 20.0


# --- settings --------------------------------------------------------------------------------------


def test_settings_from_plain_values():
    given = {"bin_s": 0.02, "with_ip": True, "ip_prior": [5, 2.5], "tau_s": None}
    settings = SpeckleSettings.from_mapping(given)
    assert settings.ip_prior == Prior(5.0, 2.5)
    assert SpeckleSettings.from_mapping(settings.as_dict()) == settings
    assert settings.exclude == PROBLEM_FLAGS
    assert PROBLEM_FLAGS & HOT
    with pytest.raises(ConfigError, match="bins is not known"):
        SpeckleSettings.from_mapping({"bins": 3})
    with pytest.raises(ConfigError, match=r"\[mean, sigma\]"):
        SpeckleSettings.from_mapping({"ic_prior": 3})


@pytest.mark.parametrize(
    "wrong",
    [
        {"bin_s": 0.0},
        {"bin_s": None},
        {"bin_s": float("nan")},
        {"tau_s": "0.1"},
        {"step_s": 0.02},
        {"least_photons": 1.5},
        {"bootstrap": -1},
        {"dead_time_us": -1.0},
        {"ip_prior": Prior(1.0, 1.0)},
    ],
)
def test_impossible_settings(wrong):
    with pytest.raises(ConfigError):
        SpeckleSettings(**wrong)


def test_impossible_priors():
    for mean, sigma in ((-1.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)):
        with pytest.raises(ConfigError):
            Prior(mean, sigma)


def test_every_status_has_a_sentence():
    assert set(STATUS_SENTENCES) == set(PixelStatus)
