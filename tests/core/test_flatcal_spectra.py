"""Spectra and cubes against photons counted one by one; time alive; inputs that do not belong together."""

import numpy as np
import pytest
import tables
from flat_files import RATES, SHAPE, attach, night, settings

from pipeline_core import ObsFile
from pipeline_core.beammap import Beammap
from pipeline_core.errors import CalibrationError, ConfigError, InputFormatError
from pipeline_core.flatcal.compute import run
from pipeline_core.flatcal.settings import FlatcalSettings, LaserFlat
from pipeline_core.flatcal.spectra import check_inputs, load_spectra
from pipeline_core.flatcal.timemask import read_time_mask


def dumb_counts(path, edges_nm, edges_s, excluded=()):
    """Photons one by one, and how many were recorded outside excluded times."""
    counts = np.zeros((12, len(edges_s) - 1, len(edges_nm) - 1), int)
    recorded = np.zeros((12, len(edges_s) - 1), int)
    with ObsFile(path) as obs:
        for x in range(4):
            for y in range(3):
                for time, nm in obs.photons((x, y))[["time", "wavelength"]].tolist():
                    k = np.searchsorted(np.round(np.array(edges_s) * 1e6), time, side="right") - 1
                    if not 0 <= k < len(edges_s) - 1:
                        continue
                    if any(a <= time < b for a, b in excluded):
                        continue
                    recorded[3 * x + y, k] += 1
                    b = np.searchsorted(edges_nm, nm, side="right") - 1
                    if 0 <= b < len(edges_nm) - 1:
                        counts[3 * x + y, k, b] += 1
    return counts, recorded


def test_spectra_are_the_photons(tmp_path):
    path = night(tmp_path)
    wanted = settings(path)
    inputs = check_inputs(wanted)
    spectra = load_spectra(wanted, inputs)
    counts, recorded = dumb_counts(path, wanted.edges_nm, [0, 0.5, 1.0, 1.5, 1.7])
    assert counts.sum() > 10_000
    np.testing.assert_array_equal(spectra.counts, counts)
    live = np.array([0.5, 0.5, 0.5, 0.2]) - recorded * 1e-5
    np.testing.assert_allclose(spectra.live_s[:, :, 0], live, rtol=1e-12)
    np.testing.assert_allclose(spectra.open_s, [0.5, 0.5, 0.5, 0.2])
    calibrated = np.arange(12) % 5 != 0
    np.testing.assert_array_equal(spectra.calibrated, calibrated)
    assert not spectra.counts[~calibrated].any()
    with ObsFile(path) as obs:
        for p in np.flatnonzero(calibrated):
            low, high = obs.wavecal.valid_wavelengths((p // 3, p % 3))
            inside = (wanted.edges_nm[:-1] >= low - 0.1) & (wanted.edges_nm[1:] <= high + 0.1)
            np.testing.assert_array_equal(spectra.inside[p], inside)
    rates = counts.sum(2) / live
    medians = [np.median(rates[rates[:, k] > 0, k]) for k in range(4)]
    np.testing.assert_allclose(spectra.median_cps, medians)


def test_several_files_follow_each_other(tmp_path):
    first, second = night(tmp_path), night(tmp_path, "more", seed=4)
    wanted = settings(first, second, exp_time_s=1.0)
    inputs = check_inputs(wanted)
    spectra = load_spectra(wanted, inputs)
    parts = [dumb_counts(path, wanted.edges_nm, [0, 0.5, 1.0])[0] for path in (first, second)]
    np.testing.assert_array_equal(spectra.counts, np.concatenate(parts, axis=1))
    assert [one.role for one in inputs.files] == ["flat", "flat"]
    assert [text.partition(" ")[2] for text in inputs.warnings] == [
        "is 2 s long: only the first 1 s are used, as asked for."
    ] * 2


def test_gaps_are_no_time(tmp_path):
    path = night(tmp_path, silent_ticks=range(1000, 1400))
    wanted = settings(path)
    spectra = load_spectra(wanted, check_inputs(wanted))
    np.testing.assert_allclose(spectra.open_s, [0.5, 0.3, 0.5, 0.2], atol=0.0011)


def time_mask(path, rows, where="/", name="TimeMask"):
    dtype = [("reason", "u1"), ("tBegin", "u4"), ("tEnd", "u4")]
    with tables.open_file(str(path), "w") as h5:
        h5.create_table(where, name, obj=np.array(rows, dtype), createparents=True)
    return path


def test_time_masks(tmp_path):
    path = night(tmp_path)
    mask = time_mask(
        tmp_path / "m.h5", [(12, 1_200_000, 1_400_000), (1, 300_000, 600_000), (1, 5, 5)]
    )
    assert read_time_mask(mask).tolist() == [[300_000, 600_000], [1_200_000, 1_400_000]]
    wanted = settings(path, time_mask=mask)
    spectra = load_spectra(wanted, check_inputs(wanted))
    excluded = [(300_000, 600_000), (1_200_000, 1_400_000)]
    counts, recorded = dumb_counts(path, wanted.edges_nm, [0, 0.5, 1.0, 1.5, 1.7], excluded)
    np.testing.assert_array_equal(spectra.counts, counts)
    open_s = np.array([0.3, 0.4, 0.3, 0.2])
    np.testing.assert_allclose(spectra.open_s, open_s)
    np.testing.assert_allclose(spectra.live_s[:, :, 0], open_s - recorded * 1e-5)
    # the same mask, attached to the observation
    with ObsFile(path, mode="write") as obs:
        for start_us, stop_us in excluded:
            obs.mask_time(start_us / 1e6, stop_us / 1e6, "a flash")
    attached = load_spectra(settings(path), check_inputs(settings(path)))
    np.testing.assert_array_equal(attached.counts, spectra.counts)
    np.testing.assert_array_equal(attached.live_s, spectra.live_s)
    with ObsFile(path, mode="write") as obs:
        obs.undo("timemask").undo("timemask")
    # rates are what they are without the mask
    free = load_spectra(settings(path), check_inputs(settings(path)))
    rate, other = (s.counts.sum((1, 2)) / s.live_s.sum((1, 2)) for s in (spectra, free))
    np.testing.assert_allclose(rate[1], other[1], rtol=0.1)


def test_a_chunk_without_time_is_left_out(tmp_path):
    path = night(tmp_path)
    mask = time_mask(tmp_path / "m.h5", [(1, 500_000, 1_000_000)])
    wanted = settings(path, time_mask=mask)
    spectra = load_spectra(wanted, check_inputs(wanted))
    assert spectra.kept.tolist() == [True, False, True, True]
    result = run(wanted)
    assert [chunk.index for chunk in result.chunks] == [1, 3, 4]
    assert result.combined.weighted.sum() == 9


def test_time_masks_that_are_none(tmp_path):
    path = tmp_path / "m.h5"
    with pytest.raises(InputFormatError, match="ends before it begins"):
        read_time_mask(time_mask(path, [(1, 9, 3)]))
    with pytest.raises(InputFormatError, match="masks single pixels"):
        read_time_mask(time_mask(path, [(1, 3, 9)], "/timeMasks", "x1y2"))
    with tables.open_file(str(path), "w") as h5:
        h5.create_array("/", "a", [1])
    with pytest.raises(InputFormatError, match="no table in it has the columns"):
        read_time_mask(path)
    with pytest.raises(InputFormatError, match="cannot be read"):
        read_time_mask(tmp_path / "none.h5")
    everything = time_mask(path, [(1, 0, 2_000_000)])
    flat = night(tmp_path)
    wanted = settings(flat, time_mask=everything)
    with pytest.raises(ConfigError, match="leave no time"):
        load_spectra(wanted, check_inputs(wanted))


def test_a_time_mask_is_of_one_file(tmp_path):
    with pytest.raises(ConfigError, match="time_mask belongs to a single photon file"):
        settings("a.h5", "b.h5", time_mask="m.h5")


def test_inputs_that_do_not_belong_together(tmp_path):
    flat, bare = night(tmp_path), night(tmp_path, "bare", wavecal=False)
    with pytest.raises(ConfigError, match=r"bare.* has no wavelength calibration: apply one"):
        check_inputs(settings(bare))
    assert check_inputs(settings(bare, wavecal=flat.parent / "wavecal.h5")).wavecal is not None
    other = night(tmp_path, "other", wavecal=False)
    attach(other, other.parent, seed=9, solution_id="def")
    with pytest.raises(ConfigError, match=r"wavelength solution def, .* has abc"):
        check_inputs(settings(flat, other))
    mapped = night(tmp_path, "map", codes=np.zeros(SHAPE, np.uint8))
    small = night(tmp_path, "small", rates=np.full((3, 4), 50.0))
    with pytest.raises(ConfigError) as caught:
        check_inputs(settings(flat, mapped, small, tmp_path / "none.h5"))
    message = str(caught.value)
    assert "another beam map" in message
    assert "(3 x 4 pixels); flat" in message
    assert "none.h5 cannot be read" in message


def test_warnings(tmp_path):
    path = night(tmp_path)
    inputs = check_inputs(settings(path, exp_time_s=30.0, dead_time_us=1.0))
    first, second = inputs.warnings
    assert "1 us is not that of the photon files: their own 10 us" in first
    assert "2 s long: less than the 30 s" in second
    assert not check_inputs(settings(path, dead_time_us=10.0)).warnings
    spectra = load_spectra(settings(path, exp_time_s=30.0), inputs)
    assert spectra.n_chunk == 4


def test_a_dark_is_subtracted(tmp_path):
    flat, dark = night(tmp_path), night(tmp_path, "dark", seed=5, rates=RATES / 10)
    wanted = settings(flat, dark=dark)
    spectra = load_spectra(wanted, check_inputs(wanted))
    counts, recorded = dumb_counts(dark, wanted.edges_nm, [0, 2.0])
    live = 2 - recorded * 1e-5
    np.testing.assert_allclose(spectra.dark, counts[:, 0] / live)
    np.testing.assert_allclose(spectra.dark_variance, counts[:, 0] / live**2)


def test_lasers_from_files(tmp_path):
    files = [night(tmp_path, f"laser{k}", seed=20 + k) for k in range(2)]
    dark = night(tmp_path, "dark", seed=9, rates=RATES / 20)
    lasers = (LaserFlat(1100.0, files[1]), LaserFlat(900.0, files[0], dark))
    wanted = FlatcalSettings(lasers=lasers, int_time_s=1.0, line_half_width=0.1)
    spectra = load_spectra(wanted, check_inputs(wanted))
    for k, nm in enumerate((900.0, 1100.0)):
        counts, recorded = dumb_counts(files[k], [0.9 * nm, 1.1 * nm], [0, 1, 2])
        np.testing.assert_array_equal(spectra.counts[:, :, k], counts[:, :, 0])
        np.testing.assert_allclose(spectra.live_s[:, :, k], 1 - recorded * 1e-5)
    assert (spectra.dark[:, 0] > 0).sum() == 9
    assert not spectra.dark[:, 1].any()
    result = run(wanted)
    assert result.combined.weights.shape == (4, 3, 2)
    assert result.combined.weighted.sum() == 9
    assert [one.role for one in result.combined.inputs] == [
        "laser 900 nm",
        "dark of 900 nm",
        "laser 1100 nm",
    ]


def test_lasers_without_wavelengths(tmp_path):
    files = [night(tmp_path, f"laser{k}", seed=20 + k, wavecal=False) for k in range(2)]
    lasers = tuple(LaserFlat(nm, p) for nm, p in zip((900.0, 1100.0), files, strict=True))
    wanted = FlatcalSettings(lasers=lasers, int_time_s=1.0)
    result = run(wanted)
    assert result.combined.wavecal_id == ""
    assert result.combined.weighted.all()
    with ObsFile(files[0]) as obs:
        raw = obs.count_image(max_phase=0.0)
    np.testing.assert_array_equal(result.combined.counts[:, :, 0], raw)
    # a flat that knows no wavelength calibration needs one all the same
    with (
        ObsFile(files[0], mode="write") as obs,
        pytest.raises(CalibrationError, match="Apply one first"),
    ):
        obs.apply_flatcal(result.combined)


def test_results_do_not_depend_on_threads(tmp_path, monkeypatch):
    path = night(tmp_path, rates=RATES * 3)
    wanted = settings(path)
    first = load_spectra(wanted, check_inputs(wanted))
    from pipeline_core import cubes, photon_reader

    monkeypatch.setattr(photon_reader, "SCAN_THREADS", 1)
    monkeypatch.setattr(cubes, "SCAN_THREADS", 1)
    second = load_spectra(wanted, check_inputs(wanted))
    np.testing.assert_array_equal(first.counts, second.counts)
    assert check_inputs(wanted).files[0].n_photons > 65536 * 2


def test_a_whole_run_on_small_files(tmp_path):
    path = night(tmp_path)
    result = run(settings(path))
    combined = result.combined
    assert combined.shape == SHAPE
    assert len(result.chunks) == 4
    assert combined.wavecal_id == "abc"
    np.testing.assert_array_equal(combined.weighted.ravel(), np.arange(12) % 5 != 0)
    assert combined.beammap.content_hash() is not None
    np.testing.assert_array_equal(combined.res_id, Beammap.design(SHAPE, feedlines=1).res_id)
    assert result.chunks[0].settings == combined.settings
    with pytest.raises(CalibrationError, match="above"):
        run(settings(path, rate_cutoff_cps=10.0))
