"""Photon files of older programs: every layout opens, photon by photon, and can be brought into ours."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import tables
from older_files import (
    NO_ID,
    SECONDS,
    SHAPE,
    START,
    V3C_NAMES,
    V5_NAMES,
    make_night,
    write_v0,
    write_v1,
    write_v2,
    write_v3,
    write_v4,
    write_v5,
)

from pipeline_core import ObsFile, open_observation
from pipeline_core.cli import main
from pipeline_core.describe_file import describe_file
from pipeline_core.describe_observation import describe_observation
from pipeline_core.errors import (
    CalibrationError,
    ConfigError,
    InputFormatError,
    OlderLayoutError,
    OutputError,
)
from pipeline_core.flags import FLAG_NAMES, flag_names
from pipeline_core.older import rows as older_rows
from pipeline_core.older.convert import convert_older, is_older, older_layout
from pipeline_core.older.flagbits import flags_of
from pipeline_core.pickle_guard import no_pickles

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PIXELS = [(x, y) for x in range(SHAPE[0]) for y in range(SHAPE[1])]
ZERO = np.zeros(SHAPE, int)
WRITERS = {
    "V0": write_v0,
    "V1": write_v1,
    "V2": write_v2,
    "V3": write_v3,
    "V3c": lambda path, night, flags: write_v3(path, night, flags, names=V3C_NAMES),
    "V4": write_v4,
    "V4b": lambda path, night, flags: write_v5(path, night, flags, early=True),
    "V5": write_v5,
}
CALIBRATED = [name for name in WRITERS if name != "V0"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))


def written(tmp_path, layout, night, flags=ZERO, name="old.h5"):
    path = tmp_path / name
    WRITERS[layout](path, night, flags)
    return path


def same_photons(obs, night, *, weights=True):
    """Compare every photon with what was written."""
    for x, y in PIXELS:
        time, value, spec, noise, _ = night.photons[x, y]
        order = np.argsort(time, kind="stable")
        found = obs.photons((x, y))
        np.testing.assert_array_equal(found["time"], time[order])
        stored = night.calibrated and (x, y) != (2, 0) and time.size > 0
        np.testing.assert_array_equal(found["wavelength" if stored else "phase"], value[order])
        assert np.isnan(found["phase" if stored else "wavelength"]).all()
        if weights:
            np.testing.assert_allclose(found["weight"], (spec * noise)[order], rtol=1e-6)


@pytest.mark.parametrize("layout", WRITERS)
def test_each_layout_opens_photon_by_photon(tmp_path, layout):
    night = make_night(in_time=layout not in ("V0", "V1", "V2"))
    path = written(tmp_path, layout, night)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with open_observation(path) as obs:
        assert (obs.kind, obs.layout, obs.shape) == ("older", layout, SHAPE)
        assert obs.path == path
        np.testing.assert_array_equal(obs.count_image(), night.counts)
        same_photons(obs, night)
        assert obs.exposure_s == SECONDS
        assert obs.start_unix == (0 if layout == "V0" else START)
        assert obs.dead_time_us == (12 if layout in ("V4b", "V5") else 10)
        assert obs.baseline == ("keep" if layout == "V0" else "unknown")
        # later programs wrote 0 where there is no resonator: of a single one it cannot be told
        absent = NO_ID if layout in ("V0", "V1", "V2") else 0
        np.testing.assert_array_equal(
            obs.beammap.res_id, np.where(night.res_id == NO_ID, absent, night.res_id)
        )
        assert not obs.is_wavelength_calibrated
        with pytest.raises(ConfigError, match=r"old\.h5"):
            obs.annotate("x")
        # half-open windows, regions, curves: as of any photon file
        time = night.photons[1, 1][0]
        limit = float(np.sort(time)[5]) / 1e6
        assert obs.count_image(0, limit)[1, 1] == np.count_nonzero(time < limit * 1e6 - 0.5)
        assert obs.light_curve((1, 1), 0.1).counts.sum() == time.size
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert older_layout(path) == layout


def test_baselines_are_kept_where_there_are_any(tmp_path):
    night = make_night(in_time=False)
    with open_observation(written(tmp_path, "V0", night)) as obs:
        for x, y in PIXELS:
            time, _, _, _, baseline = night.photons[x, y]
            np.testing.assert_array_equal(
                obs.photons((x, y))["baseline"], baseline[np.argsort(time, kind="stable")]
            )


@pytest.mark.parametrize("layout", CALIBRATED)
def test_wavelengths_that_took_the_place_of_phases(tmp_path, layout):
    night = make_night(calibrated=True)
    with open_observation(written(tmp_path, layout, night)) as obs:
        assert obs.is_wavelength_calibrated
        assert not obs.has_phases
        same_photons(obs, night)
        low, high = 900.0, 1200.0
        expected = np.zeros(SHAPE, int)
        for x, y in PIXELS:
            value = night.photons[x, y][1]
            expected[x, y] = np.count_nonzero((value >= low) & (value < high))
        expected[2, 0] = 0  # has phases
        found = obs.count_image(min_wavelength=low, max_wavelength=high)
        np.testing.assert_array_equal(found, expected)
        assert expected.sum() > 100
        spectrum = obs.spectrum((1, 1))
        assert spectrum.quantity == "wavelength"
        assert spectrum.counts.sum() == night.counts[1, 1]
        cube = obs.spectral_cube(edges_nm=[700, 900, 1200, 1501])
        np.testing.assert_array_equal(np.nansum(cube.values[..., 1], axis=None), expected.sum())
        assert obs.spectrum((2, 0)).quantity == "phase"
        with pytest.raises(CalibrationError, match="phases are not known"):
            obs.count_image(min_phase=-80.0)
        with pytest.raises(CalibrationError, match="phases are not known"):
            obs.phase_histogram((1, 1))
        assert obs.phase_histogram((2, 0)).counts.sum() == night.counts[2, 0]


def test_wavelengths_that_are_no_numbers_are_kept_and_belong_to_no_window(tmp_path):
    night = make_night(calibrated=True)
    value = night.photons[1, 1][1]
    value[:3] = np.nan, np.nan, -40.0  # what a polynomial of 2018 could make of a phase
    with open_observation(written(tmp_path, "V3", night)) as obs:
        same_photons(obs, night)
        assert obs.count_image()[1, 1] == value.size
        assert obs.count_image(min_wavelength=1.0, max_wavelength=1e6)[1, 1] == value.size - 3
        assert obs.spectrum((1, 1)).counts.sum() == value.size - 3
        assert obs.light_curve((1, 1), 0.5).counts.sum() == value.size


@pytest.mark.parametrize("layout", CALIBRATED)
def test_weights_are_kept_and_used_where_asked_for(tmp_path, layout):
    night = make_night(calibrated=True, weighted=True)
    with open_observation(written(tmp_path, layout, night)) as obs:
        same_photons(obs, night)
        assert obs.is_flat_calibrated
        image, variance = obs.weighted_image(min_wavelength=900.0, max_wavelength=1200.0)
        curve = obs.light_curve((1, 1), 0.25, weighted=True)
        cube = obs.temporal_cube(0.5, weighted=True)
        for x, y in PIXELS:
            time, value, spec, noise, _ = night.photons[x, y]
            weight = (spec * noise).astype(float)
            inside = (value >= 900) & (value < 1200)
            if (x, y) != (2, 0):
                assert image[x, y] == pytest.approx(weight[inside].sum(), rel=1e-6)
                assert variance[x, y] == pytest.approx((weight[inside] ** 2).sum(), rel=1e-6)
            sums = np.bincount(time // 500_000, weight, minlength=4)
            np.testing.assert_allclose(cube.values[x, y], sums, rtol=1e-6)
        assert curve.values.sum() == pytest.approx(
            float((night.photons[1, 1][2] * night.photons[1, 1][3]).sum()), rel=1e-6
        )
        assert obs.count_image().sum() == night.counts.sum()  # counts stay counts


@pytest.mark.parametrize("order", ["resid", "map", "time"])
def test_rows_in_any_order(tmp_path, order, monkeypatch):
    monkeypatch.setattr(older_rows, "BLOCK_ROWS", 37)
    monkeypatch.setattr(older_rows, "BAND_PHOTONS", 90)
    monkeypatch.setattr(older_rows, "_MANY_PIECES", 1)
    monkeypatch.setattr(older_rows, "_SURPLUS_PIECES", 0)
    night = make_night(in_time=order == "time")
    path = tmp_path / "old.h5"
    write_v2(path, night, ZERO, order=order, indexed=True)
    with open_observation(path) as obs:
        same_photons(obs, night)


def test_zero_stands_for_no_resonator_in_files_of_2019(tmp_path):
    night = make_night()
    night.res_id[0, 1] = 0  # a dark pixel with the genuine resonator 0
    path = tmp_path / "old.h5"
    write_v3(path, night, ZERO)
    with open_observation(path) as obs:
        same_photons(obs, night)
        assert obs.beammap.res_id[0, 1] == 0
        assert obs.beammap.res_id[4, 2] == NO_ID
        assert any("resonator 0" in doubt for doubt in obs.doubts)


def test_photons_of_shared_and_of_unknown_resonators_are_not_lost_silently(tmp_path):
    night = make_night()
    path = tmp_path / "old.h5"
    write_v3(path, night, ZERO)
    first, second = (1, 0), (3, 1)
    with tables.open_file(str(path), "a") as h5:
        ids = h5.root.BeamMap.Map
        ids[second] = ids[first]  # its own photons belong to nobody now
    summary = convert_older(path, tmp_path / "new.h5")
    assert summary.nowhere == night.counts[second]
    assert any("share their resonators" in doubt for doubt in summary.doubts)
    with ObsFile(summary.path) as obs:
        assert obs.n_photons == night.counts.sum() - night.counts[second]
        assert "beammap.duplicatePixel" in flag_names(int(obs.flags[first]))
        assert "beammap.duplicatePixel" in flag_names(int(obs.flags[second]))
        np.testing.assert_array_equal(obs.photons(first)["time"], night.photons[first][0])


def test_photons_without_a_resonator_have_no_pixel(tmp_path):
    night = make_night()
    path = tmp_path / "old.h5"
    write_v2(path, night, ZERO)
    with tables.open_file(str(path), "a") as h5:
        rows = h5.root.Photons.PhotonTable.read(0, 3)
        rows["ResID"] = NO_ID
        h5.root.Photons.PhotonTable.append(rows)
    summary = convert_older(path, tmp_path / "new.h5")
    assert summary.nowhere == 3
    with ObsFile(summary.path) as obs:
        same_photons(obs, night)


@pytest.mark.parametrize(("start", "repaired"), [(1505000000, True), (1520000000, False)])
def test_times_that_the_firmware_of_2017_told_too_early(tmp_path, start, repaired):
    night = make_night()
    time = np.array(
        [100, 700, 1200, 1300, 900, 950, 1700], np.uint32
    )  # two photons a tick too early
    values = [column[:7].copy() for column in night.photons[1, 1][1:]]
    night.photons[1, 1] = (time, *values)
    path = tmp_path / "old.h5"
    write_v1(path, night, ZERO)
    with tables.open_file(str(path), "a") as h5:
        h5.root.header.header.modify_column(column=[start], colname="startTime")
    summary = convert_older(path, tmp_path / "new.h5")
    assert summary.moved == (2 if repaired else 0)
    with ObsFile(summary.path) as obs:
        found = obs.photons((1, 1))
    expected = [100, 700, 1200, 1300, 1400, 1450, 1700] if repaired else sorted(time)
    assert found["time"].tolist() == expected
    assert any("repaired" in line for line in summary.lines()) == repaired


def test_the_second_that_programs_stored_too_much_is_kept_and_told(tmp_path):
    night = make_night()
    time = night.photons[2, 1][0]
    time[-1] = 2_400_000
    with open_observation(written(tmp_path, "V3", night)) as obs:
        assert obs.exposure_s == SECONDS + 1
        assert any("2 s, but there are photons of 3 s" in doubt for doubt in obs.doubts)
        same_photons(obs, night)


# --- flags ---------------------------------------------------------------------------------------


def names_at(flags, pixel):
    return set(flag_names(int(flags[pixel])))


def dumb_names(value, names):
    return {name for bit, name in enumerate(names) if value >> bit & 1}


def test_flags_go_by_the_list_in_the_file(tmp_path):
    shuffled = list(np.random.default_rng(1).permutation(V3C_NAMES))
    values = np.random.default_rng(2).integers(0, 2**30, SHAPE)
    path = tmp_path / "old.h5"
    metadata = "obs_metadata:\n- !!python/object/apply:os.mkdir [executed]\n"
    write_v3(path, make_night(), values, names=shuffled, metadata_first=metadata)
    with open_observation(path) as obs:
        for pixel in PIXELS:
            assert names_at(obs.flags, pixel) == dumb_names(int(values[pixel]), shuffled)


@pytest.mark.parametrize("early", [False, True])
def test_flags_of_2021_and_later(tmp_path, early):
    values = np.arange(15).reshape(SHAPE) * 0
    values[0, 0], values[1, 1], values[2, 2], values[3, 0] = 1, 1 << 9, 1 << 12, 1 << 21 | 1 << 7
    path = tmp_path / "old.h5"
    write_v5(path, make_night(), values, early=early)
    with open_observation(path) as obs:
        assert names_at(obs.flags, (0, 0)) == {"beammap.noDacTone"}
        assert names_at(obs.flags, (1, 1)) == {"beammap.good", "pixcal.hot"}
        assert names_at(obs.flags, (2, 2)) == {"beammap.good", "wavecal.bad"}
        assert "wavecal.quadratic" in names_at(obs.flags, (3, 0))
        assert "flatcal.zero_weight" in names_at(obs.flags, (3, 0))
        assert names_at(obs.flags, (4, 1)) == {"beammap.good"}
        assert obs.beammap.code[0, 0] == 1


def test_the_alphabetical_list_of_2021_does_not_hold_for_the_beam_map():
    listed = sorted(V5_NAMES)
    assert listed[0] == "beammap.double"
    values = ZERO.copy()
    values[0, 0], values[1, 0] = 1, 1 << listed.index("pixcal.cold")
    flags, doubts = flags_of("V5", values, listed, ZERO, START, calibrated=False)
    assert names_at(flags, (0, 0)) == {"beammap.noDacTone"}
    assert "pixcal.cold" in names_at(flags, (1, 0))
    assert any("2021" in doubt for doubt in doubts)


@pytest.mark.parametrize(
    ("layout", "start", "calibrated", "value", "lit", "expected"),
    [
        ("V0", None, False, 3, False, "beammap.failed"),
        ("V1", START, False, 1, False, "beammap.failed"),
        ("V1", START, True, 2, True, "beammap.good wavecal.bad"),
        ("V2", 1520000000, True, 1, False, "beammap.failed"),
        ("V2", 1520000000, True, 2, True, "beammap.good wavecal.bad"),
        ("V2", START, False, 1, False, "beammap.noDacTone"),
        ("V2", START, False, 2, False, "beammap.failed"),
        ("V2", START, True, 2, True, "beammap.good wavecal.bad"),
        ("V2", START, True, 4, True, "beammap.good wavecal.bad"),
        ("V2", START, True, 8, True, "beammap.good flatcal.zero_weight"),
        ("V3", START, False, 4, False, "beammap.xFailed"),
        ("V3", START, True, 4, True, "beammap.good wavecal.bad"),
        ("V3", START, True, 16, True, "beammap.good pixcal.hot"),
        ("V3", START, True, 7, False, "beammap.duplicatePixel"),
    ],
)
def test_flags_that_changed_their_meaning(layout, start, calibrated, value, lit, expected):
    values, counts = np.zeros(SHAPE, int), np.full(SHAPE, 9)
    values[3, 1], counts[3, 1] = value, 9 * lit
    flags, _ = flags_of(layout, values, (), counts, start, calibrated=calibrated)
    assert names_at(flags, (3, 1)) == set(expected.split())
    assert names_at(flags, (1, 2)) == {"beammap.good"}


# --- pickles ------------------------------------------------------------------------------------


class _Trap:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.mkdir, (self.target,)


@pytest.mark.parametrize("layout", ["V4b", "V5"])
def test_pickles_are_never_executed(tmp_path, layout):
    trap = tmp_path / "executed"
    names = ("flags", "OBJECT", "wavecal", "E_CONEXX")
    traps = {name: np.bytes_(pickle.dumps(_Trap(trap), 0)) for name in names}
    path = tmp_path / "old.h5"
    write_v5(path, make_night(), ZERO, early=layout == "V4b", attributes=traps)
    with no_pickles(), tables.open_file(str(path), "a") as h5:
        for where in ("/", "/photons", "/beammap"):
            h5.get_node(where)._v_attrs["ANYTHING"] = traps["flags"]
    with open_observation(path) as obs:
        assert obs.n_photons == make_night().counts.sum()
        shown = describe_observation(obs).header
        assert any("unknown (not a plain value)" in row.value for row in shown)
        assert any("no list of flag names" in doubt for doubt in obs.doubts)
    describe_file(path)
    main(["convert", str(path), "--out", str(tmp_path / "new.h5"), "--quiet"])
    assert (tmp_path / "new.h5").exists()
    assert not trap.exists()
    with pytest.raises(FileExistsError):  # the trap works: PyTables itself would have gone into it
        pickle.loads(bytes(traps["flags"])), pickle.loads(bytes(traps["flags"]))


# --- bringing in --------------------------------------------------------------------------------


def test_brought_in_it_is_a_photon_file_of_ours(tmp_path):
    night = make_night()
    old, new = written(tmp_path, "V3c", night), tmp_path / "new.h5"
    summary = convert_older(old, new, baseline="ignore")
    assert (summary.layout, summary.n_photons) == ("V3c", night.counts.sum())
    assert not is_older(new)
    assert not new.stat().st_mode & 0o222
    with ObsFile(new, "write") as obs:
        same_photons(obs, night)
        assert obs.baseline == "ignore"
        assert obs.origin["layout"] == "V3c"
        obs.annotate("brought in")
        assert "layout V3c" in describe_observation(obs).history[0].detail
        assert not obs.origin["header"]["isWvlCalibrated"]
    with pytest.raises(OutputError, match="history"):
        convert_older(old, new, overwrite=True)


def test_a_file_with_phases_alone_is_of_version_1_others_say_that_they_are_not(tmp_path):
    for calibrated, weighted, version in ((False, False, 1), (True, False, 2), (False, True, 2)):
        night = make_night(calibrated=calibrated, weighted=weighted)
        new = tmp_path / f"new{calibrated}{weighted}.h5"
        convert_older(written(tmp_path, "V3", night, name=f"{new.stem}_old.h5"), new)
        with tables.open_file(str(new)) as h5:
            assert h5.root._v_attrs.version == version


def test_no_solution_is_applied_to_wavelengths(tmp_path):
    new = tmp_path / "new.h5"
    convert_older(written(tmp_path, "V5", make_night(calibrated=True)), new)
    with (
        ObsFile(new, "write") as obs,
        pytest.raises(CalibrationError, match="Convert the raw files"),
    ):
        obs.apply_wavecal(tmp_path / "any.h5")


def test_commands(tmp_path, capsys):
    old = written(tmp_path, "V5", make_night(calibrated=True))
    assert main(["convert", str(old), "--out", str(tmp_path / "n.h5"), "--quiet"]) == 0
    assert "wavelengths, for ever" in capsys.readouterr().out
    assert (
        main(["image", str(old), "--out", str(tmp_path / "i.fits"), "--min-wavelength", "900"]) == 0
    )
    assert main(["spectrum", str(old), "--pixel", "1", "1", "--out", str(tmp_path / "s.csv")]) == 0
    assert main(["info", str(old)]) == 0
    assert "layout: V5" in capsys.readouterr().out
    assert main(["history", str(old)]) == 0
    assert "layout V5" in capsys.readouterr().out
    for search in ("badpixels", "timemask"):
        mask = tmp_path / f"{search}.h5"
        assert main([search, str(old), "--out", str(mask), "--quiet"]) == 0
        assert mask.exists()
        capsys.readouterr()
        assert main([search, str(old), "--attach"]) == 1
        assert "convert" in capsys.readouterr().err
    for surplus in (["--start", "5"], ["--shape", "5x3"]):
        arguments = ["convert", str(old), "--out", str(tmp_path / "m.h5"), *surplus]
        assert main(arguments) == 1
        assert surplus[0] in capsys.readouterr().err
    assert main(["convert", str(tmp_path), "--out", str(tmp_path / "m.h5")]) == 1
    assert "--start, --duration, --beammap" in capsys.readouterr().err
    assert main(["apply", str(old), str(old)]) == 1
    error = capsys.readouterr().err
    assert "older program" in error
    assert "Traceback" not in error


def test_what_is_made_in_the_cache_is_made_once(tmp_path, monkeypatch):
    path = written(tmp_path, "V3", make_night())
    with open_observation(path) as obs:
        made = obs.photon_file
        inode = made.stat().st_ino
    with open_observation(path) as obs:
        assert obs.photon_file.stat().st_ino == inode
    made.chmod(0o644)
    made.write_bytes(b"spoilt")
    with open_observation(path) as obs:
        same_photons(obs, make_night())
    with pytest.raises(OlderLayoutError, match="convert OLD"):
        ObsFile(path)


# --- damage -------------------------------------------------------------------------------------


def spoil(edit, layout="V3c"):
    def write(path):
        WRITERS[layout](path, make_night(), ZERO)
        with tables.open_file(str(path), "a") as h5:
            edit(h5)

    return write


def start_is_text(h5):
    node = h5.root.photons.photontable
    node._v_attrs.UNIXSTR = "yesterday"


def map_of_other_shape(h5):
    h5.remove_node("/BeamMap/Flag")
    h5.create_array("/BeamMap", "Flag", np.zeros((3, 4), int))


def no_map(h5):
    h5.remove_node("/BeamMap", recursive=True)


def other_resonators(h5):
    h5.root.BeamMap.Map[:] = 5 + np.arange(15).reshape(SHAPE)


def map_of_text(h5):
    h5.remove_node("/BeamMap/Map")
    h5.create_array("/BeamMap", "Map", np.full(SHAPE, b"abc"))


def endless(h5):
    h5.root.photons.photontable._v_attrs.EXPTIME = float("inf")


@pytest.mark.parametrize(
    ("write", "word"),
    [
        (spoil(start_is_text, "V5"), "start"),
        (spoil(endless, "V5"), "exposure"),
        (spoil(map_of_other_shape), "shape"),
        (spoil(no_map), "no beam map"),
        (spoil(other_resonators), "none of a pixel"),
        (spoil(map_of_text), "beam map"),
    ],
)
def test_damage_is_told_by_name(tmp_path, write, word):
    path = tmp_path / "old.h5"
    write(path)
    with pytest.raises(InputFormatError, match=word) as caught:
        open_observation(path)
    assert "old.h5" in str(caught.value)
    assert not list(tmp_path.rglob("*.part"))


def test_no_photons_of_anybody_are_taken_for_an_older_file(tmp_path):
    path = tmp_path / "other.h5"
    with tables.open_file(str(path), "w") as h5:
        h5.create_group("/", "Photons")
        h5.create_array("/Photons", "things", [1, 2])
    assert not is_older(path)
    with pytest.raises(InputFormatError, match=r"other\.h5"):
        open_observation(path)
    assert not is_older(tmp_path / "missing.h5")


def test_cut_off_files(tmp_path):
    path = written(tmp_path, "V5", make_night())
    whole = path.read_bytes()
    for part in (0.3, 0.7, 0.95):
        cut = tmp_path / f"cut{part}.h5"
        cut.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(InputFormatError, match="cut"):
            open_observation(cut)


# --- written by other programs -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layout", "table", "columns"),
    [
        (
            "layout_v3c_1602050400.h5",
            "V3c",
            "/Photons/PhotonTable",
            ("ResID", "Time", "Wavelength"),
        ),
        (
            "predecessor_v5_1602050400.h5",
            "V5",
            "/photons/photontable",
            ("resID", "time", "wavelength"),
        ),
    ],
)
def test_files_of_other_programs(tmp_path, name, layout, table, columns):
    if not SHARED.is_dir():
        pytest.skip("no shared data beside the project")
    path = SHARED / name
    with tables.open_file(str(path)) as h5:
        photons = h5.get_node(table).read()
    with open_observation(path) as obs:
        assert obs.layout == layout
        assert obs.n_photons == photons.size
        image = obs.count_image()
        for x, y in [(0, 0), (17, 100), (79, 124), (40, 3)]:
            mine = photons[photons[columns[0]] == obs.beammap.res_id[x, y]]
            found = obs.photons((x, y))
            assert image[x, y] == mine.size
            np.testing.assert_array_equal(found["time"], mine[columns[1]])
            np.testing.assert_array_equal(found["phase"], mine[columns[2]])
        good = (obs.flags & np.uint32(1 << FLAG_NAMES.index("beammap.good"))) > 0
        assert np.count_nonzero(good) == 8302
        assert not image[~good].any()
